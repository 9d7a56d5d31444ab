/* matrix_layer: layer normalisation by its formulas, and as forward of the transpose. */
#include "matrix_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tolerance.h"

static const bnorm_layout layouts[] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};

static double unit_of(int f32)
{
    return f32 ? UNIT_F32 : UNIT_F64;
}

/* Layer normalisation by its formulas in long double; s = rows of x. */
static void check_layer_row(const mat *x, const mat *w, const mat *y, const mat *dx,
                            const double *gamma, const double *beta, double eps, ptrdiff_t i,
                            double mean, double rstd)
{
    long double cols = x->cols, m = 0, m2 = 0, u_mean = 0, p = 0, spread = 0;
    for (ptrdiff_t j = 0; j < x->cols; j++) m += mat_get(x, i, j) / cols;
    for (ptrdiff_t j = 0; j < x->cols; j++) {
        long double d = mat_get(x, i, j) - m;
        m2 += d * d;
        if (fabsl(d) > spread) spread = fabsl(d);
    }
    long double square = m2 / cols + eps, r = square > 0 ? 1 / sqrtl(square) : 0, w_size = 0;
    double n = (double)cols, unit = unit_of(x->f32);
    check_near(mean, m, tol_mean(n, (double)m, (double)spread), "mean", i, 0);
    check_near(rstd, r, tol_rstd(n, (double)r), "rstd", i, 0);
    for (ptrdiff_t j = 0; j < x->cols; j++) {
        long double u = mat_get(w, i, j) * (long double)gamma[j];
        u_mean += u / cols;
        p += u * (mat_get(x, i, j) - m) * r / cols;
        w_size += fabsl(u) * (1 + fabsl((mat_get(x, i, j) - m) * r)) / cols;
    }
    for (ptrdiff_t j = 0; j < x->cols; j++) {
        long double zhat = (mat_get(x, i, j) - m) * r, e = gamma[j] * zhat + beta[j];
        long double u = mat_get(w, i, j) * (long double)gamma[j];
        double bound = tol_y(unit, n, (double)e, gamma[j], beta[j], (double)zhat, (double)m,
                             (double)r, (double)spread) +
                       tol_map(unit, (double)(gamma[j] * zhat), (double)(gamma[j] * r * m));
        check_near(mat_get(y, i, j), e, bound, "y", i, j);
        long double slope = r * (u - u_mean - zhat * p);
        long double size = r * (fabsl(u) + (1 + fabsl(zhat)) * w_size * (1 + fabsl(m) * r));
        bound = (double)(unit * fabsl(slope) + 40 * (n + 16) * UNIT_F64 * size);
        if (unit == UNIT_F32) bound += (double)(8 * UNIT_F32 * size);
        check_near(mat_get(dx, i, j), slope, bound, "dx", i, j);
    }
}

static void layer_case(int k, ptrdiff_t rows, ptrdiff_t cols)
{
    int f32 = k & 1, affine = k >> 2 & 1;
    bnorm_ctx *ctx = make_ctx(k % 4 + 1);
    mat x = mat_make(f32, layouts[k >> 1 & 1], rows, cols, k >> 3, 1), y = mat_copy(&x);
    mat w = mat_copy(&x);
    mat_fill(&x, 1, 3, 1);
    mat_fill(&w, 2, 0.2, 1);
    mat dx = mat_copy(&w);
    double *gamma = vec_normal(cols, 1, 1, affine), *beta = vec_normal(cols, 2, 0, affine);
    double *mean = calloc((size_t)rows, 8), *rstd = calloc((size_t)rows, 8);
    double *dgamma = calloc((size_t)cols, 8), *dbeta = calloc((size_t)cols, 8);
    vec_round(f32, cols, gamma);
    vec_round(f32, cols, beta);
    assert_ok(ctx, call_layer_forward(ctx, &x, affine ? gamma : NULL, affine ? beta : NULL,
                                      1e-3, &y, mean, rstd));
    assert_ok(ctx, call_layer_backward(ctx, &x, &dx, affine ? gamma : NULL, mean, rstd, &dx,
                                       dgamma, dbeta)); /* in place of dy */
    for (ptrdiff_t i = 0; i < rows; i++)
        check_layer_row(&x, &w, &y, &dx, gamma, beta, 1e-3, i, mean[i], rstd[i]);
    for (ptrdiff_t j = 0; j < cols; j++) {
        long double g = 0, b = 0, g_size = 0, b_size = 0;
        for (ptrdiff_t i = 0; i < rows; i++) {
            long double t =
                mat_get(&w, i, j) * (mat_get(&x, i, j) - (long double)mean[i]) * rstd[i];
            g += t;
            b += mat_get(&w, i, j);
            g_size += fabsl(t);
            b_size += fabs(mat_get(&w, i, j));
        }
        double n = (double)rows, unit = unit_of(f32);
        check_near(dgamma[j], g, tol_sum(unit, n, (double)g, (double)g_size), "dgamma", 0, j);
        check_near(dbeta[j], b, tol_sum(unit, n, (double)b, (double)b_size), "dbeta", 0, j);
    }
    mat_check_canaries(&y);
    mat_check_canaries(&dx);
    double *all[] = {gamma, beta, mean, rstd, dgamma, dbeta};
    for (int i = 0; i < 6; i++) free(all[i]);
    mat *mats[] = {&x, &y, &w, &dx};
    for (int i = 0; i < 4; i++) mat_free(mats[i]);
    bnorm_ctx_destroy(ctx);
}

static void layer_by_formula(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][2] = {{1, 2},   {3, 5},    {17, 16},
                                         {40, 33}, {700, 60}, {9, 3000}};
    for (int k = 0; k < 16; k++)
        for (size_t i = 0; i < 6; i++) layer_case(k, sizes[i][0], sizes[i][1]);
}

/* Layer normalisation is batch normalisation of the transpose: the same data, the other layout.
 */
static void layer_is_forward_of_the_transpose(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        mat x = mat_make(k & 1, layouts[k >> 1], 31, 57, 2, 0), t = x, a, b;
        mat_fill(&x, 6, 2, 1);
        t.layout = layouts[1 - (k >> 1)];
        t.rows = 57;
        t.cols = 31;
        a = mat_copy(&x);
        b = mat_copy(&t);
        double mean[2][31], rstd[2][31];
        assert_ok(NULL, call_layer_forward(NULL, &x, NULL, NULL, 1e-5, &a, mean[0], rstd[0]));
        assert_ok(NULL, call_forward(NULL, &t, NULL, NULL, NULL, (bnorm_rule){1e-5, 0}, &b,
                                     mean[1], rstd[1]));
        for (ptrdiff_t i = 0; i < 31; i++) {
            check_near(mean[0][i], mean[1][i], 2 * tol_mean(57, 3, 5), "mean", i, 0);
            check_near(rstd[0][i], rstd[1][i], 2 * tol_rstd(57, rstd[1][i]), "rstd", i, 0);
            for (ptrdiff_t j = 0; j < 57; j++) {
                double y = mat_get(&b, j, i);
                double bound = tol_y(unit_of(k & 1), 57, y, 1, 0, y, 3, rstd[1][i], 5) +
                               tol_map(unit_of(k & 1), y, 3 * rstd[1][i]);
                check_near(mat_get(&a, i, j), y, 2 * bound, "y", i, j);
            }
        }
        mat_free(&x);
        mat_free(&a);
        mat_free(&b);
    }
}

static void layer_edges(void **state)
{
    (void)state;
    mat none = mat_make(0, BNORM_ROW_MAJOR, 0, 3, 0, 0),
        thin = mat_make(0, BNORM_ROW_MAJOR, 2, 0, 0, 0);
    double mean[3] = {7, 7, 7}, rstd[3] = {7, 7, 7}, dgamma[3] = {7, 7, 7};
    assert_ok(NULL, call_layer_forward(NULL, &none, NULL, NULL, 0, &none, NULL, NULL));
    assert_ok(NULL,
              call_layer_backward(NULL, &none, &none, NULL, NULL, NULL, NULL, dgamma, NULL));
    assert_true(dgamma[0] == 0 && dgamma[2] == 0); /* a sum of nothing */
    assert_ok(NULL, call_layer_forward(NULL, &thin, NULL, NULL, 0, &thin, mean, rstd));
    assert_true(mean[0] == 0 && mean[1] == 0 && mean[2] == 7 && rstd[1] == 0);
    mat row = mat_make(0, BNORM_COL_MAJOR, 1, 5, 0, 0); /* constant: exactly beta */
    double beta[] = {1, 2, 3, 4, 5}, one[1], two[1];
    for (ptrdiff_t j = 0; j < 5; j++) mat_set(&row, 0, j, 0.1);
    assert_ok(NULL, call_layer_forward(NULL, &row, NULL, beta, 0, &row, one, two));
    for (ptrdiff_t j = 0; j < 5; j++) assert_true(mat_get(&row, 0, j) == beta[j]);
    assert_true(one[0] == 0.1 && two[0] == 0);
    mat_free(&none);
    mat_free(&thin);
    mat_free(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layer_by_formula),
        cmocka_unit_test(layer_is_forward_of_the_transpose),
        cmocka_unit_test(layer_edges),
    };
    return cmocka_run_group_tests_name("matrix_layer", tests, NULL, NULL);
}
