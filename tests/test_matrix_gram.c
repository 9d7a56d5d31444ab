/* matrix_gram: weight space (W1-W4) against the definitions in quadruple precision and beside the
 * ordinary path, X G1 then forward or backward; both layouts and precisions, weights, ddof, eps,
 * large means, collinear columns; bits; refusals; failing memory; shares of rows. */
#include "matrix_support.h"

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

/* ---------------------------------------------------------------------------------- cases */

typedef struct problem {
    int f32, weighted;
    bnorm_layout layout;
    ptrdiff_t rows, p1, p2, pad;
    double mean, common; /* of X: mean/sd, and the share of a factor common to all columns */
    bnorm_rule rule;
    /* made by set_up */
    mat x, g1, w;
    double *weights, *gamma, *beta;
} problem;

static void set_up(problem *p)
{
    p->x = mat_make(p->f32, p->layout, p->rows, p->p1, p->pad, 0);
    p->g1 = mat_make(p->f32, p->layout, p->p1, p->p2, p->pad, 0);
    p->w = mat_make(p->f32, p->layout, p->rows, p->p2, p->pad, 0);
    mat_fill(&p->x, 1, 0, sqrt(1 - p->common));
    mat_fill(&p->g1, 2, 0, 1);
    mat_fill(&p->w, 3, 0.5, 1);
    double *factor = vec_normal(p->rows, 4, 0, sqrt(p->common));
    for (ptrdiff_t i = 0; i < p->rows; i++)
        for (ptrdiff_t k = 0; k < p->p1; k++)
            mat_set(&p->x, i, k,
                    p->mean * (1 + 0.1 * (double)k) + factor[i] + mat_get(&p->x, i, k));
    /* every second column of G1 adds up to nothing, so the factor cancels */
    for (ptrdiff_t j = 0; j < p->p2; j += 2) {
        double sum = 0;
        for (ptrdiff_t k = 0; k < p->p1; k++) sum += mat_get(&p->g1, k, j);
        for (ptrdiff_t k = 0; k < p->p1; k++)
            mat_set(&p->g1, k, j, mat_get(&p->g1, k, j) - sum / (double)p->p1);
    }
    p->weights = p->weighted ? vec_weights(p->rows, 5) : NULL;
    p->gamma = vec_normal(p->p2, 6, 0.3, 1);
    p->beta = vec_normal(p->p2, 7, 0, 1);
    vec_round(p->f32, p->p2, p->gamma);
    vec_round(p->f32, p->p2, p->beta);
    free(factor);
}

static void tear_down(problem *p)
{
    mat_check_canaries(&p->x);
    mat_check_canaries(&p->g1);
    mat_check_canaries(&p->w);
    mat_free(&p->x);
    mat_free(&p->g1);
    mat_free(&p->w);
    free(p->weights);
    free(p->gamma);
    free(p->beta);
}

/* What both paths and the reference give. */
typedef struct answer {
    mat b, dg1;
    double *mean, *rstd, *dgamma, *dbeta;
} answer;

static answer answer_make(const problem *p)
{
    answer a = {.b = mat_make(p->f32, p->layout, p->rows, p->p2, p->pad, 1),
                .dg1 = mat_make(p->f32, p->layout, p->p1, p->p2, p->pad, 3)};
    a.mean = vec_normal(4 * p->p2, 8, 0, 1);
    a.rstd = a.mean + p->p2;
    a.dgamma = a.rstd + p->p2;
    a.dbeta = a.dgamma + p->p2;
    return a;
}

static void answer_free(answer *a)
{
    mat_check_canaries(&a->b);
    mat_check_canaries(&a->dg1);
    mat_free(&a->b);
    mat_free(&a->dg1);
    free(a->mean);
}

/* -------------------------------------------------------------------------------- calls */

typedef struct gram_memory {
    bnorm_gram gram;
    double *values;
} gram_memory;

static bnorm_status make_gram(bnorm_ctx *ctx, const problem *p, gram_memory *m)
{
    m->values = malloc((size_t)(p->p1 * (p->p1 + 2) + 1) * sizeof *m->values);
    double *xbar = m->values, *s = xbar + 2 * p->p1;
    return p->f32 ? bnorm_gram_f32(ctx, mat_f32(&p->x), p->weights, p->rule.ddof, xbar, s,
                                   &m->gram)
                  : bnorm_gram_f64(ctx, mat_f64(&p->x), p->weights, p->rule.ddof, xbar, s,
                                   &m->gram);
}

static void as_floats(ptrdiff_t count, const double *v, float *f)
{
    for (ptrdiff_t k = 0; k < count; k++) f[k] = (float)v[k];
}

static bnorm_status forward(bnorm_ctx *ctx, const problem *p, const bnorm_gram *gram, answer *a)
{
    float gamma[64], beta[64];
    if (!p->f32)
        return bnorm_dense_forward_f64(ctx, mat_f64(&p->x), mat_f64(&p->g1), gram, p->gamma,
                                       p->beta, p->rule.eps, mat_f64(&a->b), a->mean, a->rstd);
    as_floats(p->p2, p->gamma, gamma);
    as_floats(p->p2, p->beta, beta);
    return bnorm_dense_forward_f32(ctx, mat_f32(&p->x), mat_f32(&p->g1), gram, gamma, beta,
                                   p->rule.eps, mat_f32(&a->b), a->mean, a->rstd);
}

static bnorm_status backward(bnorm_ctx *ctx, const problem *p, const bnorm_gram *gram,
                             answer *a)
{
    float gamma[64], dgamma[64], dbeta[64];
    if (!p->f32)
        return bnorm_dense_backward_f64(ctx, mat_f64(&p->x), mat_f64(&p->g1), gram,
                                        mat_f64(&p->w), p->gamma, a->rstd, mat_f64(&a->dg1),
                                        a->dgamma, a->dbeta);
    as_floats(p->p2, p->gamma, gamma);
    bnorm_status status =
        bnorm_dense_backward_f32(ctx, mat_f32(&p->x), mat_f32(&p->g1), gram, mat_f32(&p->w),
                                 gamma, a->rstd, mat_f32(&a->dg1), dgamma, dbeta);
    for (ptrdiff_t j = 0; status == BNORM_OK && j < p->p2; j++) {
        a->dgamma[j] = (double)dgamma[j];
        a->dbeta[j] = (double)dbeta[j];
    }
    return status;
}

static answer weight_space(bnorm_ctx *ctx, const problem *p)
{
    gram_memory m;
    answer a = answer_make(p);
    assert_ok(ctx, make_gram(ctx, p, &m));
    assert_ok(ctx, forward(ctx, p, &m.gram, &a));
    assert_ok(ctx, backward(ctx, p, &m.gram, &a));
    free(m.values);
    return a;
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
        no_worse("b", e.b, o.b, 2 * u * (gamma * size + fabs(p.beta[j])), j);
        no_worse("dgamma", e.dgamma, o.dgamma, u * n * size, j);
        no_worse("dg1", e.dg1, o.dg1, u * (e.scale + gamma * (double)t.rstd * n * size), j);
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

/* ------------------------------------------------------------------------------- identities */

static problem usual(int f32, bnorm_layout layout)
{
    problem p = {.f32 = f32,
                 .layout = layout,
                 .weighted = 1,
                 .rows = 211,
                 .p1 = 7,
                 .p2 = 5,
                 .pad = 2,
                 .mean = 3,
                 .common = 0.3,
                 .rule = {1e-3, 1}};
    return p;
}

/* g'dR/dg = gamma dgamma eps/sigma^2, and a large eps changes it (maths.md section 2). */
static void radial_identity(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        problem p = usual(0, BNORM_ROW_MAJOR);
        p.rule.eps = big ? 10 : 0;
        set_up(&p);
        answer a = weight_space(NULL, &p);
        for (ptrdiff_t j = 0; j < p.p2; j++) {
            double sum = 0, terms = 0, r = a.rstd[j];
            for (ptrdiff_t k = 0; k < p.p1; k++) {
                double term = mat_get(&p.g1, k, j) * mat_get(&a.dg1, k, j);
                sum += term;
                terms += fabs(term);
            }
            check_near(sum, p.gamma[j] * a.dgamma[j] * p.rule.eps * r * r, 0x1p-44 * terms,
                       "radial", 0, j);
        }
        answer_free(&a);
        tear_down(&p);
    }
}

/* Columns that do not vary: g = 0, twins of X that cancel, and X constant altogether. */
static void exact_columns(void **state)
{
    (void)state;
    for (int c = 0; c < 16; c++) {
        problem p = usual(c & 1, c & 2 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR);
        int constant = c & 4;
        p.rule.eps = c & 8 ? 1e-3 : 0;
        set_up(&p);
        for (ptrdiff_t i = 0; i < p.rows; i++) {
            mat_set(&p.x, i, 1, mat_get(&p.x, i, 0));
            for (ptrdiff_t k = 0; constant && k < p.p1; k++)
                mat_set(&p.x, i, k, 0.1 * (double)(k + 1));
        }
        for (ptrdiff_t k = 0; k < p.p1; k++) {
            mat_set(&p.g1, k, 0, 0);
            mat_set(&p.g1, k, 1, k == 0 ? 1 : k == 1 ? -1 : 0);
        }
        answer a = weight_space(NULL, &p);
        for (ptrdiff_t j = 0; j < (constant ? p.p2 : 2); j++) {
            for (ptrdiff_t i = 0; i < p.rows; i++)
                assert_true(mat_get(&a.b, i, j) == p.beta[j]);
            assert_true(a.dgamma[j] == 0);
            for (ptrdiff_t k = 0; (constant || p.rule.eps == 0) && k < p.p1; k++)
                assert_true(mat_get(&a.dg1, k, j) == 0);
        }
        answer_free(&a);
        tear_down(&p);
    }
}

/* S is symmetric to the bit, and that of mean and variance of its columns. */
static void gram_itself(void **state)
{
    (void)state;
    problem p = usual(0, BNORM_COL_MAJOR);
    gram_memory m;
    set_up(&p);
    assert_ok(NULL, make_gram(NULL, &p, &m));
    const double *s = m.gram.s;
    for (ptrdiff_t k = 0; k < p.p1; k++) {
        column c = reference_column(&p.x, k, p.weights);
        long double v = c.m2 / (c.n - (long double)p.rule.ddof);
        long double mean = (long double)m.gram.xbar[k] + (long double)m.gram.xbar[p.p1 + k];
        assert_true(fabsl(mean - c.mean) <= 0x1p-55L * c.spread);
        check_near(s[k * p.p1 + k], v, (double)v * 0x1p-46, "s", k, k);
        for (ptrdiff_t l = 0; l < p.p1; l++)
            assert_memory_equal(s + k * p.p1 + l, s + l * p.p1 + k, sizeof *s);
    }
    free(m.values);
    tear_down(&p);
}

/* ------------------------------------------------------------------------------------- bits */

static void check_same(const problem *p, const answer *a, const answer *b)
{
    assert_true(mat_same(&a->b, &b->b));
    assert_true(mat_same(&a->dg1, &b->dg1));
    assert_memory_equal(a->mean, b->mean, 4 * (size_t)p->p2 * sizeof(double));
}

/* Sizes of one and of many blocks, chunks and strips; columns that cancel among the others. */
static void same_bits(void **state)
{
    (void)state;
    const ptrdiff_t sizes[][3] = {{1500, 300, 3}, {40000, 3, 5}, {5000, 40, 33}};
    for (int c = 0; c < 12; c++) {
        problem p = usual(c & 1, c & 2 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR);
        p.rows = sizes[c / 4][0];
        p.p1 = sizes[c / 4][1];
        p.p2 = sizes[c / 4][2];
        p.common = 0.999;
        p.pad = 0;
        set_up(&p);
        answer first = weight_space(NULL, &p);
        tear_down(&p);
        for (int threads = 1; threads <= 4; threads++) {
            bnorm_ctx *ctx = make_ctx(threads);
            p.pad = threads;
            set_up(&p);
            answer other = weight_space(ctx, &p);
            check_same(&p, &first, &other);
            answer_free(&other);
            tear_down(&p);
            bnorm_ctx_destroy(ctx);
        }
        answer_free(&first);
    }
}

/* Two processes with the same rows: the sums of both are twice one's. */
static int twice(void *user, double *values, ptrdiff_t count)
{
    if (--*(int *)user == 0) return 1;
    for (ptrdiff_t k = 0; k < count; k++) values[k] *= 2;
    return 0;
}

static bnorm_ctx *twin_ctx(int *left)
{
    bnorm_ctx_options options;
    bnorm_ctx *ctx;
    bnorm_ctx_defaults(&options);
    options.reduce = twice;
    options.reduce_user = left;
    assert_ok(NULL, bnorm_ctx_create(&options, &ctx));
    return ctx;
}

/* What a twin gives is what the doubled weights give, with ddof 0: the same b, twice the gradient
 * (W of the doubled rows), also in columns that cancel. */
static void shares_of_rows(void **state)
{
    (void)state;
    int forever = 0;
    problem p = usual(0, BNORM_ROW_MAJOR);
    p.rule.ddof = 0;
    p.common = 0.999;
    set_up(&p);
    bnorm_ctx *ctx = twin_ctx(&forever);
    answer alone = weight_space(NULL, &p), twin = weight_space(ctx, &p);
    for (ptrdiff_t j = 0; j < p.p2; j++) {
        check_near(twin.rstd[j], alone.rstd[j], 0x1p-44 * alone.rstd[j], "rstd", 0, j);
        check_near(twin.dbeta[j], 2 * alone.dbeta[j], 0x1p-40, "dbeta", 0, j);
        check_near(twin.dgamma[j], 2 * alone.dgamma[j], 0x1p-36, "dgamma", 0, j);
        for (ptrdiff_t i = 0; i < p.rows; i++)
            check_near(mat_get(&twin.b, i, j), mat_get(&alone.b, i, j), 0x1p-40, "b", i, j);
        for (ptrdiff_t k = 0; k < p.p1; k++)
            check_near(mat_get(&twin.dg1, k, j), 2 * mat_get(&alone.dg1, k, j),
                       0x1p-36 * alone.rstd[j], "dg1", k, j);
    }
    for (int good = 1;; good++) { /* the first, second, ... reduction fails */
        gram_memory m;
        int left = good;
        bnorm_ctx *failing = twin_ctx(&left);
        bnorm_status status = make_gram(failing, &p, &m);
        if (status == BNORM_OK) status = forward(failing, &p, &m.gram, &twin);
        if (status == BNORM_OK) status = backward(failing, &p, &m.gram, &twin);
        bnorm_ctx_destroy(failing);
        free(m.values);
        if (status == BNORM_OK) break;
        assert_int_equal(status, BNORM_E_USER);
    }
    answer_free(&alone);
    answer_free(&twin);
    bnorm_ctx_destroy(ctx);
    tear_down(&p);
}

/* --------------------------------------------------------------------------------- refusals */

static bnorm_status whole(bnorm_ctx *ctx, void *argument)
{
    const problem *p = argument;
    gram_memory m;
    answer a = answer_make(p);
    bnorm_status status = make_gram(ctx, p, &m);
    if (status == BNORM_OK) status = forward(ctx, p, &m.gram, &a);
    if (status == BNORM_OK) status = backward(ctx, p, &m.gram, &a);
    free(m.values);
    answer_free(&a);
    return status;
}

static void failing_allocations(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) {
        problem p = usual(f32, BNORM_ROW_MAJOR);
        p.common = 0.999;
        set_up(&p);
        assert_true(fail_each_allocation(whole, &p) > 8);
        tear_down(&p);
    }
}

static void refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    problem p = usual(0, BNORM_ROW_MAJOR);
    gram_memory m;
    set_up(&p);
    answer a = answer_make(&p);
    assert_ok(ctx, make_gram(ctx, &p, &m));
    free(m.values);
    p.rule.ddof = 1e9;
    assert_fails(ctx, make_gram(ctx, &p, &m), BNORM_E_DOMAIN, "n - ddof");
    free(m.values);
    p.rule.ddof = -1;
    assert_fails(ctx, make_gram(ctx, &p, &m), BNORM_E_ARGUMENT, "ddof");
    free(m.values);
    p.rule.ddof = 1;
    assert_ok(ctx, make_gram(ctx, &p, &m));
    bnorm_gram wrong = m.gram;
    wrong.rows++;
    assert_fails(ctx, forward(ctx, &p, &wrong, &a), BNORM_E_ARGUMENT, "gram is of");
    assert_fails(ctx, backward(ctx, &p, NULL, &a), BNORM_E_ARGUMENT, "gram is NULL");
    wrong = m.gram;
    wrong.s = NULL;
    assert_fails(ctx, forward(ctx, &p, &wrong, &a), BNORM_E_ARGUMENT, "s of the gram");
    p.rule.eps = -1;
    assert_fails(ctx, forward(ctx, &p, &m.gram, &a), BNORM_E_ARGUMENT, "eps");
    p.rule.eps = 0;
    p.g1.layout = BNORM_COL_MAJOR;
    p.g1.ld = p.p1;
    assert_fails(ctx, forward(ctx, &p, &m.gram, &a), BNORM_E_ARGUMENT, "layout");
    p.g1.layout = BNORM_ROW_MAJOR;
    p.g1.ld = p.p2 + p.pad;
    p.g1.rows--;
    assert_fails(ctx, backward(ctx, &p, &m.gram, &a), BNORM_E_ARGUMENT, "p1 x p2");
    p.g1.rows++;
    bnorm_mat_f64 x = mat_f64(&p.x);
    x.rows = 0;
    assert_fails(ctx, bnorm_gram_f64(ctx, x, NULL, 0, m.values, m.values, &wrong),
                 BNORM_E_DOMAIN, "n - ddof");
    assert_fails(ctx, bnorm_gram_f64(ctx, mat_f64(&p.x), NULL, 0, NULL, m.values, &wrong),
                 BNORM_E_ARGUMENT, "xbar");
    free(m.values);
    answer_free(&a);
    tear_down(&p);
    bnorm_ctx_destroy(ctx);
}

/* A value that is not finite reaches every column of Z with a weight for it, like X G1 does;
 * without inputs b is beta; without columns nothing is done. */
static void edges(void **state)
{
    (void)state;
    problem p = usual(0, BNORM_ROW_MAJOR);
    set_up(&p);
    mat_set(&p.x, 5, 2, (double)INFINITY);
    answer a = weight_space(NULL, &p);
    for (ptrdiff_t j = 0; j < p.p2; j++) assert_true(isnan(mat_get(&a.b, 0, j)));
    answer_free(&a);
    tear_down(&p);
    bnorm_mat_f64 none = bnorm_view_f64(NULL, 3, 0, BNORM_ROW_MAJOR);
    bnorm_gram gram;
    double values[6], b[6], mean[2], rstd[2], beta[2] = {3, 4}, dgamma[2], dbeta[2];
    assert_ok(NULL, bnorm_gram_f64(NULL, none, NULL, 0, values, values, &gram));
    bnorm_mat_f64 g1 = bnorm_view_f64(NULL, 0, 2, BNORM_ROW_MAJOR);
    bnorm_mat_f64 out = bnorm_view_f64(b, 3, 2, BNORM_ROW_MAJOR);
    assert_ok(NULL,
              bnorm_dense_forward_f64(NULL, none, g1, &gram, NULL, beta, 0, out, mean, rstd));
    for (int k = 0; k < 6; k++) assert_true(b[k] == beta[k % 2]);
    assert_ok(NULL, bnorm_dense_backward_f64(NULL, none, g1, &gram, out, NULL, rstd,
                                             (bnorm_mat_f64){0}, dgamma, dbeta));
    assert_true(dbeta[0] == 9 && dbeta[1] == 12 && dgamma[0] == 0);
    g1.cols = g1.ld = out.cols = 0;
    assert_ok(NULL,
              bnorm_dense_forward_f64(NULL, none, g1, &gram, NULL, NULL, 0, out, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_worse_than_the_ordinary_path),
        cmocka_unit_test(radial_identity),
        cmocka_unit_test(exact_columns),
        cmocka_unit_test(gram_itself),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(shares_of_rows),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(refusals),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests_name("matrix_gram", tests, NULL, NULL);
}
