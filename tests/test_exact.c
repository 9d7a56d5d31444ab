/* exact: the matrix functions on hard data against MPFR at 256 bits (bench/exact.h), within the
 * bounds of tolerance.h: large means, constant columns, subnormal and huge values, few rows. */
#include "exact.h"
#include "matrix_support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "tolerance.h"

enum { MAX_ROWS = 257, COLS = 3 };

typedef struct data {
    int f32;
    bnorm_layout layout;
    ptrdiff_t rows;
    double center, scale, eps;
} data;

/* One column beside the truth. */
typedef struct truth {
    double x[MAX_ROWS], w[MAX_ROWS], gamma, beta;
    long double sums[EXACT_SUMS], zhat[MAX_ROWS], y[MAX_ROWS], dx[MAX_ROWS];
    double spread, mean, rstd; /* largest |x - mean|; of sums */
} truth;

static double unit_of(const data *d)
{
    return d->f32 ? UNIT_F32 : UNIT_F64;
}

/* given: mean and variance, or NULL. */
static void find_truth(const data *d, truth *t, const double *given)
{
    exact_line line = {.n = d->rows,
                       .x = t->x,
                       .w = t->w,
                       .gamma = &t->gamma,
                       .beta = &t->beta,
                       .eps = d->eps,
                       .given = given};
    assert_int_equal(bnorm_exact_line(&line, t->sums, t->zhat, t->y, t->dx), 0);
    t->mean = (double)t->sums[EXACT_MEAN];
    t->rstd = (double)t->sums[EXACT_RSTD];
    t->spread = 0;
    for (ptrdiff_t i = 0; i < d->rows; i++)
        t->spread = fmax(t->spread, (double)fabsl(t->x[i] - t->sums[EXACT_MEAN]));
}

static void check_y(const data *d, const truth *t, const mat *y, int transposed, ptrdiff_t j,
                    int given)
{
    double u = unit_of(d), spread = given ? 0 : t->spread;
    for (ptrdiff_t i = 0; i < d->rows; i++) {
        double zhat = (double)t->zhat[i];
        double bound = tol_y(u, given ? 0 : (double)d->rows, (double)t->y[i], t->gamma, t->beta,
                             zhat, t->mean, t->rstd, spread) +
                       tol_map(u, t->gamma * zhat, t->gamma * t->rstd * t->mean) +
                       tol_underflow(u, t->gamma * t->rstd);
        check_near(transposed ? mat_get(y, j, i) : mat_get(y, i, j), t->y[i], bound,
                   given        ? "infer"
                   : transposed ? "layer y"
                                : "y",
                   i, j);
    }
}

/* What the errors of mean and rstd make of zhat. */
static double zhat_error(const data *d, const truth *t, double zhat)
{
    double n = (double)d->rows;
    return t->rstd * tol_mean(n, t->mean, t->spread) + fabs(zhat) * tol_rstd(n, 1) +
           tol_underflow(unit_of(d), t->rstd);
}

/* (B1)-(B3) with the statistics that forward returned: their errors are part of the bound. */
static void check_gradients(const data *d, const truth *t, const mat *dx, double dgamma,
                            double dbeta, ptrdiff_t j)
{
    double n = (double)d->rows, u = unit_of(d), beta_terms = 0, gamma_terms = 0, inherited = 0;
    double b = (double)t->sums[EXACT_DBETA], g = (double)t->sums[EXACT_DGAMMA];
    for (ptrdiff_t i = 0; i < d->rows; i++) {
        beta_terms += fabs(t->w[i]);
        gamma_terms += fabs(t->w[i] * (double)t->zhat[i]);
        inherited += fabs(t->w[i]) * zhat_error(d, t, (double)t->zhat[i]);
    }
    check_near(dbeta, b, tol_sum(u, n, b, beta_terms), "dbeta", 0, j);
    check_near(dgamma, g, tol_sum(u, n, g, gamma_terms) + (1 + u) * inherited, "dgamma", 0, j);
    double beta_error = tol_sum(0, n, 0, beta_terms);
    double gamma_error = tol_sum(0, n, 0, gamma_terms) + inherited;
    for (ptrdiff_t i = 0; i < d->rows; i++) {
        double zhat = (double)t->zhat[i], e = (double)t->dx[i], scale = t->gamma * t->rstd;
        double q = zhat * g / n, size = fabs(t->w[i]) + fabs(b / n) + fabs(q);
        double error = (beta_error + fabs(zhat) * gamma_error +
                        zhat_error(d, t, zhat) * (fabs(g) + gamma_error)) /
                       n;
        double bound = u * fabs(e) + tol_rstd(n, 1) * fabs(e) +
                       fabs(scale) * (8 * UNIT_F64 * size + error) + 0x1p-1070 +
                       (d->f32 ? 0x1p-149 : 0) +
                       tol_map_dx(u, e, scale, b / n, q, t->mean * t->rstd * g / n);
        if (d->f32 && fabs(e) > (double)FLT_MAX + bound) /* gamma rstd w beyond float */
            assert_true(mat_get(dx, i, j) == copysign(INFINITY, e));
        else if (!d->f32 || fabs(e) < (double)FLT_MAX - bound)
            check_near(mat_get(dx, i, j), t->dx[i], bound, "dx", i, j);
    }
}

typedef struct run {
    mat x, w, y, infer, dx;
    double n, mean[COLS], m2[COLS], mu[COLS], rstd[COLS], dgamma[COLS], dbeta[COLS];
    double gamma[COLS], beta[COLS], given_mean[COLS], given_var[COLS];
} run;

static void make_run(const data *d, run *r)
{
    r->x = mat_make(d->f32, d->layout, d->rows, COLS, 2, 1);
    r->w = mat_copy(&r->x);
    r->y = mat_copy(&r->x);
    r->infer = mat_copy(&r->x);
    r->dx = mat_copy(&r->x);
    mat_fill(&r->x, 1, d->center, d->scale);
    mat_fill(&r->w, 2, 0.3, 1);
    for (ptrdiff_t j = 0; j < COLS; j++) {
        r->gamma[j] = 1.5 - (double)j;
        r->beta[j] = 0.25 * (double)j;
        r->given_mean[j] = d->center + 0.1 * d->scale;
        r->given_var[j] = 1.3 * d->scale * d->scale;
    }
    r->dgamma[0] = r->dbeta[0] = 0;
}

static void compute(const data *d, run *r)
{
    bnorm_rule rule = {d->eps, 0};
    assert_ok(NULL, call_moments(NULL, &r->x, NULL, &r->n, r->mean, r->m2));
    assert_ok(NULL,
              call_forward(NULL, &r->x, NULL, r->gamma, r->beta, rule, &r->y, r->mu, r->rstd));
    assert_ok(NULL, call_infer(NULL, &r->x, r->gamma, r->beta, r->given_mean, r->given_var,
                               d->eps, &r->infer));
    assert_ok(NULL, call_backward(NULL, &r->x, &r->w, NULL, r->gamma, r->mu, r->rstd, rule,
                                  &r->dx, r->dgamma, r->dbeta));
}

static void check_column(const data *d, const run *r, ptrdiff_t j, truth *t)
{
    double n = (double)d->rows;
    for (ptrdiff_t i = 0; i < d->rows; i++) {
        t->x[i] = mat_get(&r->x, i, j);
        t->w[i] = mat_get(&r->w, i, j);
    }
    t->gamma = r->gamma[j];
    t->beta = r->beta[j];
    find_truth(d, t, NULL);
    double m2 = (double)t->sums[EXACT_M2];
    check_near(r->mean[j], t->sums[EXACT_MEAN], tol_mean(n, t->mean, t->spread) + 0x1p-1074,
               "mean", 0, j);
    check_near(r->m2[j], t->sums[EXACT_M2], tol_m2(n, m2) + n * 0x1p-1074, "m2", 0, j);
    check_near(r->rstd[j], t->sums[EXACT_RSTD], tol_rstd(n, t->rstd), "rstd", 0, j);
    check_y(d, t, &r->y, 0, j, 0);
    check_gradients(d, t, &r->dx, r->dgamma[j], r->dbeta[j], j);
    find_truth(d, t, (double[]){r->given_mean[j], r->given_var[j]});
    check_y(d, t, &r->infer, 0, j, 1);
}

/* Layer normalisation of the transpose, without gamma and beta. */
static void check_layer(const data *d, const run *r, truth *t)
{
    double mean[COLS], rstd[COLS];
    mat x = mat_make(d->f32, d->layout, COLS, d->rows, 1, 0), y = mat_copy(&x);
    for (ptrdiff_t j = 0; j < COLS; j++)
        for (ptrdiff_t i = 0; i < d->rows; i++) mat_set(&x, j, i, mat_get(&r->x, i, j));
    assert_ok(NULL, call_layer_forward(NULL, &x, NULL, NULL, d->eps, &y, mean, rstd));
    t->gamma = 1;
    t->beta = 0;
    for (ptrdiff_t j = 0; j < COLS; j++) {
        for (ptrdiff_t i = 0; i < d->rows; i++) t->x[i] = mat_get(&x, j, i);
        find_truth(d, t, NULL);
        check_y(d, t, &y, 1, j, 0);
    }
    mat_free(&x);
    mat_free(&y);
}

static void check_data(int f32, double center, double scale, double eps)
{
    static const ptrdiff_t rows[] = {2, 3, 5, 17, MAX_ROWS};
    static truth t;
    for (int k = 0; k < 10; k++) {
        data d = {f32, k & 1 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR, rows[k / 2], center, scale,
                  eps};
        run r;
        make_run(&d, &r);
        compute(&d, &r);
        for (ptrdiff_t j = 0; j < COLS; j++) check_column(&d, &r, j, &t);
        check_layer(&d, &r, &t);
        mat *all[] = {&r.x, &r.w, &r.y, &r.infer, &r.dx};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) mat_free(all[i]);
    }
}

static void well_scaled(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) check_data(f32, 0, 1, 1e-5);
}

static void large_means(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) check_data(f32, 1e3, 1, 0);
    check_data(0, 1e6, 1, 1e-5);
    check_data(0, 1e12, 1, 1e-5);
    check_data(1, 1e5, 1, 1e-5);
}

static void constant_columns(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) check_data(f32, 0.1, 0, 1e-5);
}

static void subnormal_values(void **state)
{
    (void)state;
    check_data(0, 0, 1e-310, 1e-5);
    check_data(1, 0, 1e-40, 1e-5);
    check_data(1, 0, 1e-40, 0);
}

static void huge_values(void **state)
{
    (void)state;
    check_data(0, 0, 1e150, 1e-5);
    check_data(1, 0, 1e19, 1e-5);
    check_data(1, 0, 5e37, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_scaled),      cmocka_unit_test(large_means),
        cmocka_unit_test(constant_columns), cmocka_unit_test(subnormal_values),
        cmocka_unit_test(huge_values),
    };
    return cmocka_run_group_tests_name("exact", tests, NULL, NULL);
}
