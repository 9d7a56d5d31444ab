/* matrix_gram_more: identities and exact columns of weight space; bits; shares of rows; refusals;
 * failing memory. */
#include "gram_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* Products of columns k and l about their means, over n - ddof: from the first row, for x - x0 is
 * exact. */
static long double covariance(const problem *p, ptrdiff_t k, ptrdiff_t l)
{
    long double n = 0, sum_k = 0, sum_l = 0, sum_kl = 0;
    double k0 = mat_get(&p->x, 0, k), l0 = mat_get(&p->x, 0, l);
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        long double w = p->weights ? p->weights[i] : 1;
        long double a = mat_get(&p->x, i, k) - k0, b = mat_get(&p->x, i, l) - l0;
        n += w;
        sum_k += w * a;
        sum_l += w * b;
        sum_kl += w * a * b;
    }
    return (sum_kl - sum_k * sum_l / n) / (n - (long double)p->rule.ddof);
}

/* S is measured from the means with their rests, where a rounded mean is off by much of a sd: the
 * tolerance knows nothing of mean/sd, for x - xbar is exact. */
static void gram_far_from_zero(void **state)
{
    (void)state;
    const double means[] = {1e9, 1e11, 1e12, 3e15};
    for (int c = 0; c < 4 * 4; c++) {
        problem p = usual(0, c & 1 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR);
        gram_memory m;
        p.mean = means[c / 4];
        p.weighted = c >> 1 & 1;
        set_up(&p);
        assert_ok(NULL, make_gram(NULL, &p, &m));
        const double *s = m.gram.s;
        for (ptrdiff_t k = 0; k < p.p1; k++)
            for (ptrdiff_t l = 0; l < p.p1; l++) {
                double size = sqrt(s[k * p.p1 + k] * s[l * p.p1 + l]);
                check_near(s[k * p.p1 + l], covariance(&p, k, l), size * 0x1p-46, "s", k, l);
                assert_memory_equal(s + k * p.p1 + l, s + l * p.p1 + k, sizeof *s);
            }
        free(m.values);
        tear_down(&p);
    }
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
        if (status == BNORM_OK) status = dense_forward(failing, &p, &m.gram, &twin);
        if (status == BNORM_OK) status = dense_backward(failing, &p, &m.gram, &twin);
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
    if (status == BNORM_OK) status = dense_forward(ctx, p, &m.gram, &a);
    if (status == BNORM_OK) status = dense_backward(ctx, p, &m.gram, &a);
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
    assert_fails(ctx, dense_forward(ctx, &p, &wrong, &a), BNORM_E_ARGUMENT, "gram is of");
    assert_fails(ctx, dense_backward(ctx, &p, NULL, &a), BNORM_E_ARGUMENT, "gram is NULL");
    wrong = m.gram;
    wrong.s = NULL;
    assert_fails(ctx, dense_forward(ctx, &p, &wrong, &a), BNORM_E_ARGUMENT, "s of the gram");
    p.rule.eps = -1;
    assert_fails(ctx, dense_forward(ctx, &p, &m.gram, &a), BNORM_E_ARGUMENT, "eps");
    p.rule.eps = 0;
    p.g1.layout = BNORM_COL_MAJOR;
    p.g1.ld = p.p1;
    assert_fails(ctx, dense_forward(ctx, &p, &m.gram, &a), BNORM_E_ARGUMENT, "layout");
    p.g1.layout = BNORM_ROW_MAJOR;
    p.g1.ld = p.p2 + p.pad;
    p.g1.rows--;
    assert_fails(ctx, dense_backward(ctx, &p, &m.gram, &a), BNORM_E_ARGUMENT, "p1 x p2");
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
        cmocka_unit_test(radial_identity),
        cmocka_unit_test(exact_columns),
        cmocka_unit_test(gram_itself),
        cmocka_unit_test(gram_far_from_zero),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(shares_of_rows),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(refusals),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests_name("matrix_gram_more", tests, NULL, NULL);
}
