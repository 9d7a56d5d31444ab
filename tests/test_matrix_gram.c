/* matrix_gram: weight space (W1-W4) against the definitions in quadruple precision and beside the
 * ordinary path, X G1 then forward or backward; both layouts and precisions, weights, ddof, eps,
 * large means, collinear columns. */
#include "gram_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SIZEOF_FLOAT128__
typedef __float128 quad;
#else
typedef long double quad;
#endif

/* Two steps of Newton from the root in double: 2^-106 and beyond. */
static quad root(quad a)
{
    quad r = (quad)sqrt((double)a);
    for (int k = 0; r > 0 && k < 2; k++) r = (r + a / r) / 2;
    return r;
}

static double off(quad got, quad expected)
{
    return fabs((double)(got - expected));
}

/* Z = X G1 in the precision of the data, then the matrix functions, then (X - 1c')'dZ in double,
 * c the rounded means: what a careful caller would do. */
static answer ordinary(const problem *p)
{
    answer a = answer_make(p);
    mat z = mat_make(p->f32, p->layout, p->rows, p->p2, 0, 0);
    for (ptrdiff_t i = 0; i < p->rows; i++)
        for (ptrdiff_t j = 0; j < p->p2; j++) {
            double sum = 0;
            for (ptrdiff_t k = 0; k < p->p1; k++)
                if (p->f32)
                    sum = (double)((float)sum +
                                   (float)mat_get(&p->x, i, k) * (float)mat_get(&p->g1, k, j));
                else
                    sum += mat_get(&p->x, i, k) * mat_get(&p->g1, k, j);
            mat_set(&z, i, j, sum);
        }
    assert_ok(NULL, call_forward(NULL, &z, p->weights, p->gamma, p->beta, p->rule, &a.b, a.mean,
                                 a.rstd));
    assert_ok(NULL, call_backward(NULL, &z, &p->w, p->weights, p->gamma, a.mean, a.rstd,
                                  p->rule, &z, a.dgamma, a.dbeta));
    for (ptrdiff_t k = 0; k < p->p1; k++) {
        double c = (double)reference_column(&p->x, k, p->weights).mean;
        for (ptrdiff_t j = 0; j < p->p2; j++) {
            double sum = 0;
            for (ptrdiff_t i = 0; i < p->rows; i++)
                sum += (mat_get(&p->x, i, k) - c) * mat_get(&z, i, j);
            mat_set(&a.dg1, k, j, sum);
        }
    }
    mat_free(&z);
    return a;
}

/* ---------------------------------------------------------------------- beside the truth */

/* Column j from the definitions: B1-B3 on z = X g in quadruple precision. */
typedef struct truth {
    quad *z, *xbar; /* z becomes zhat */
    quad n, mean, v, rstd, dgamma, dbeta;
    double
        size; /* sum |g_k| |xc_k| over its sd, the largest row: how far z's terms exceed it */
} truth;

static quad weight(const problem *p, ptrdiff_t i)
{
    return p->weights ? (quad)p->weights[i] : 1;
}

static truth find_truth(const problem *p, ptrdiff_t j)
{
    truth t = {.z = calloc((size_t)p->rows, sizeof *t.z),
               .xbar = calloc((size_t)p->p1, sizeof *t.xbar)};
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        t.n += weight(p, i);
        for (ptrdiff_t k = 0; k < p->p1; k++) {
            t.z[i] += (quad)mat_get(&p->x, i, k) * (quad)mat_get(&p->g1, k, j);
            t.xbar[k] += weight(p, i) * (quad)mat_get(&p->x, i, k);
        }
        t.mean += weight(p, i) * t.z[i];
    }
    t.mean /= t.n;
    for (ptrdiff_t k = 0; k < p->p1; k++) t.xbar[k] /= t.n;
    for (ptrdiff_t i = 0; i < p->rows; i++)
        t.v += weight(p, i) * (t.z[i] - t.mean) * (t.z[i] - t.mean);
    t.v /= t.n - (quad)p->rule.ddof;
    quad sigma = root(t.v + (quad)p->rule.eps);
    t.rstd = sigma > 0 ? 1 / sigma : 0;
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        double terms = 0;
        for (ptrdiff_t k = 0; k < p->p1; k++)
            terms += fabs(mat_get(&p->g1, k, j)) * off((quad)mat_get(&p->x, i, k), t.xbar[k]);
        t.size = fmax(t.size, terms * (double)t.rstd);
        t.z[i] = (t.z[i] - t.mean) * t.rstd;
        t.dbeta += (quad)mat_get(&p->w, i, j);
        t.dgamma += (quad)mat_get(&p->w, i, j) * t.z[i];
    }
    return t;
}

static quad true_dg1(const problem *p, const truth *t, ptrdiff_t k, ptrdiff_t j)
{
    quad sum = 0, divisor = t->n - (quad)p->rule.ddof;
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        quad omega = weight(p, i), w = (quad)mat_get(&p->w, i, j);
        quad dz = w - omega / t->n * t->dbeta - omega * t->z[i] * t->dgamma / divisor;
        sum += ((quad)mat_get(&p->x, i, k) - t->xbar[k]) * dz;
    }
    return (quad)p->gamma[j] * t->rstd * sum;
}

/* The largest errors of a column. */
typedef struct errors {
    double rstd, b, dgamma, dg1, scale;
} errors;

static errors find_errors(const problem *p, const truth *t, const answer *a, ptrdiff_t j)
{
    errors e = {.rstd = t->rstd > 0 ? off((quad)a->rstd[j] / t->rstd, 1) : a->rstd[j]};
    for (ptrdiff_t i = 0; i < p->rows; i++)
        e.b = fmax(e.b, off((quad)mat_get(&a->b, i, j),
                            (quad)p->gamma[j] * t->z[i] + (quad)p->beta[j]));
    e.dgamma = off((quad)a->dgamma[j], t->dgamma);
    for (ptrdiff_t k = 0; k < p->p1; k++) {
        quad d = true_dg1(p, t, k, j);
        e.scale = fmax(e.scale, fabs((double)d));
        e.dg1 = fmax(e.dg1, off((quad)mat_get(&a->dg1, k, j), d));
    }
    return e;
}

static void no_worse(const char *what, double got, double other, double floor, ptrdiff_t j)
{
    enum { FACTOR = 4 };
    if (got <= FACTOR * other + floor) return;
    print_error("%s, column %td: off by %.3g, the ordinary path by %.3g (floor %.3g)\n", what,
                j, got, other, floor);
    fail();
}

/* The floor is what one rounding of each value in double (or float) makes, where the ordinary
 * path was lucky: of b with its terms, of a sum over rows as sqrt(n) times its largest. */
static void compare(problem p)
{
    set_up(&p);
    answer ours = weight_space(NULL, &p), theirs = ordinary(&p);
    double u = p.f32 ? 0x1p-24 : 0x1p-53, largest = 4.5;
    double n = sqrt((double)p.rows) * largest; /* of w */
    for (ptrdiff_t j = 0; j < p.p2; j++) {
        truth t = find_truth(&p, j);
        errors e = find_errors(&p, &t, &ours, j), o = find_errors(&p, &t, &theirs, j);
        double size = 1 + t.size, gamma = fabs(p.gamma[j]);
        no_worse("rstd", e.rstd, o.rstd, (p.f32 ? u : 8 * u) * size, j);
        check_near(ours.mean[j], (long double)t.mean,
                   0x1p-53 * (4 * p.mean * 60 + 60) + (p.f32 ? u * size / (double)t.rstd : 0),
                   "mean", 0, j);
        /* the folded weights, the centred x and p1 products, added in the order of the BLAS */
        no_worse("b", e.b, o.b, u * ((double)(p.p1 + 2) * gamma * size + 2 * fabs(p.beta[j])),
                 j);
        no_worse("dgamma", e.dgamma, o.dgamma, u * n * size, j);
        /* W3 has two sums over rows: G, and dgamma, which S g brings in */
        no_worse("dg1", e.dg1, o.dg1, u * (e.scale + 2 * gamma * (double)t.rstd * n * size), j);
        check_near(ours.dbeta[j], (long double)t.dbeta,
                   u * fabs((double)t.dbeta) + 0x1p-53 * n * (double)p.rows, "dbeta", 0, j);
        free(t.z);
        free(t.xbar);
    }
    answer_free(&ours);
    answer_free(&theirs);
    tear_down(&p);
}

static void never_worse_than_the_ordinary_path(void **state)
{
    (void)state;
    const double means[] = {0, 1, 1e3, 1e6};
    const double commons[] = {0, 0.9, 0.99, 0.9999, 1 - 1e-9};
    for (int c = 0; c < 4 * 5 * 8; c++) {
        int bits = c / 20;
        problem p = {.rows = 641,
                     .p1 = 13,
                     .p2 = 4,
                     .pad = 3,
                     .f32 = bits & 1,
                     .layout = bits & 2 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR,
                     .weighted = bits >> 2 & 1,
                     .mean = means[c % 4],
                     .common = commons[c / 4 % 5],
                     .rule = {c % 3 ? 1e-5 : 0, c % 2 ? 0 : 1}};
        compare(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_worse_than_the_ordinary_path),
    };
    return cmocka_run_group_tests_name("matrix_gram", tests, NULL, NULL);
}
