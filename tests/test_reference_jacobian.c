/* Jacobians against central differences of an independent forward pass in long double, and
 * against the fast backward; bad arguments, failing memory. */
#include "reference_support.h"

#include <math.h>
#include <stdlib.h>

/* A layer: B = b(X G1) by the definition, in long double. */
typedef struct layer {
    bnorm_mat_f64 x, g1;
    double *weights, *gamma, *beta;
    bnorm_rule rule;
} layer;

static void forward_column(const layer *l, ptrdiff_t j, long double *b)
{
    long double n = 0, mu = 0, v = 0;
    for (ptrdiff_t i = 0; i < l->x.rows; i++) {
        long double omega = l->weights ? l->weights[i] : 1;
        b[i] = l->g1.data ? 0 : *cell_of(l->x, i, j);
        for (ptrdiff_t k = 0; l->g1.data && k < l->x.cols; k++)
            b[i] += (long double)*cell_of(l->x, i, k) * *cell_of(l->g1, k, j);
        n += omega;
        mu += omega * b[i];
    }
    mu /= n;
    for (ptrdiff_t i = 0; i < l->x.rows; i++)
        v += (l->weights ? l->weights[i] : 1) * (b[i] - mu) * (b[i] - mu);
    long double sigma = sqrtl(v / (n - l->rule.ddof) + l->rule.eps);
    for (ptrdiff_t i = 0; i < l->x.rows; i++)
        b[i] = (l->gamma ? l->gamma[j] : 1) * (b[i] - mu) / sigma + l->beta[j];
}

/* Column `col` of the Jacobian: vec_of(B) at t + h less at t - h, over the step made. In long
 * double with h 1e-6 truncation (about h^2) dominates: 1e-11 of the largest derivative or so.
 */
static void difference(const layer *l, ptrdiff_t cols, double *t, long double *out)
{
    double at = *t, up = at + 1e-6, down = at - 1e-6;
    long double high[64], low[64];
    for (ptrdiff_t j = 0; j < cols; j++) {
        *t = up;
        forward_column(l, j, high);
        *t = down;
        forward_column(l, j, low);
        for (ptrdiff_t i = 0; i < l->x.rows; i++)
            *out++ = (high[i] - low[i]) / ((long double)up - down);
    }
    *t = at;
}

static double *parameter(const layer *l, bnorm_jacobian_kind kind, ptrdiff_t k)
{
    if (kind == BNORM_JACOBIAN_BETA) return l->beta + k;
    if (kind == BNORM_JACOBIAN_GAMMA) return l->gamma + k;
    bnorm_mat_f64 m = kind == BNORM_JACOBIAN_Z ? l->x : l->g1;
    return cell_of(m, k % m.rows, k / m.rows);
}

/* The size of the terms of J_z (I (x) X), which cancel: with one input and eps 0 all of dB/dG1
 * is zero, since B does not depend on the length of a column of G1. */
static double size_of_terms(const layer *l)
{
    bnorm_mat_f64 z = l->g1.data ? product_of(l->x, l->g1) : l->x;
    double mean[4], rstd[4], size = 0;
    bnorm_mat_f64 out = padded_matrix(z.rows, z.cols, z.layout);
    assert_ok(NULL,
              bnorm_forward_f64(NULL, z, l->weights, NULL, NULL, l->rule, out, mean, rstd));
    for (ptrdiff_t j = 0; j < z.cols; j++) size = fmax(size, fabs(l->gamma[j]) * rstd[j]);
    free(out.data);
    if (l->g1.data) free(z.data);
    return size * fmax(1, l->g1.data ? largest_of(l->x) : 1);
}

static void check_jacobian(const layer *l, bnorm_jacobian_kind kind, bnorm_layout layout)
{
    ptrdiff_t cols = l->g1.data ? l->g1.cols : l->x.cols;
    ptrdiff_t width = kind == BNORM_JACOBIAN_Z    ? l->x.rows * cols
                      : kind == BNORM_JACOBIAN_G1 ? l->x.cols * cols
                                                  : cols;
    bnorm_mat_f64 j = padded_matrix(l->x.rows * cols, width, layout);
    bnorm_mat_f64 numeric = padded_matrix(j.rows, width, BNORM_COL_MAJOR);
    bnorm_ctx *ctx = make_ctx(1);
    assert_ok(ctx,
              bnorm_jacobian_f64(ctx, kind, l->x, l->g1, l->weights, l->gamma, l->rule, j));
    bnorm_ctx_destroy(ctx);
    for (ptrdiff_t k = 0; k < width; k++) {
        long double column[64];
        difference(l, cols, parameter(l, kind, k), column);
        for (ptrdiff_t i = 0; i < j.rows; i++) *cell_of(numeric, i, k) = (double)column[i];
    }
    assert_within(j, numeric, 1e-8, size_of_terms(l));
    free(j.data);
    free(numeric.data);
}

/* One random layer; x stands for Z when p1 is 0. */
static layer make_layer(ptrdiff_t rows, ptrdiff_t p1, ptrdiff_t p2, int weighted, double ddof,
                        double eps, bnorm_layout layout)
{
    layer l = {.rule = {eps, ddof}};
    uint64_t s = (uint64_t)(rows * 100 + p1 * 10 + p2);
    l.x = random_matrix(s, rows, p1 ? p1 : p2, layout);
    l.g1 = (bnorm_mat_f64){0};
    if (p1) l.g1 = random_matrix(s + 1, p1, p2, BNORM_ROW_MAJOR);
    l.gamma = random_matrix(s + 2, p2, 1, BNORM_COL_MAJOR).data;
    l.beta = random_matrix(s + 3, p2, 1, BNORM_COL_MAJOR).data;
    l.weights = weighted ? random_matrix(s + 4, rows, 1, BNORM_COL_MAJOR).data : NULL;
    for (ptrdiff_t i = 0; weighted && i < rows; i++)
        l.weights[i] = i == 1 ? 0 : 1 + fabs(l.weights[i]);
    return l;
}

static void free_layer(layer *l)
{
    free(l->x.data);
    free(l->g1.data);
    free(l->gamma);
    free(l->beta);
    free(l->weights);
}

static void for_layers(void (*check)(const layer *l, bnorm_layout layout))
{
    for (ptrdiff_t rows = 4; rows <= 9; rows++)
        for (ptrdiff_t p2 = 1; p2 <= 3; p2++)
            for (int variant = 0; variant < 16; variant++) {
                bnorm_layout layout = variant & 8 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR;
                layer l = make_layer(rows, (rows + p2) % 4, p2, variant & 1,
                                     variant & 2 ? 1 : 0, variant & 4 ? 0.25 : 0, layout);
                check(&l, layout);
                free_layer(&l);
            }
}

static void jacobians_by_differences(const layer *l, bnorm_layout layout)
{
    check_jacobian(l, BNORM_JACOBIAN_BETA, layout);
    check_jacobian(l, BNORM_JACOBIAN_GAMMA, layout);
    if (l->g1.data)
        check_jacobian(l, BNORM_JACOBIAN_G1, layout);
    else
        check_jacobian(l, BNORM_JACOBIAN_Z, layout);
}

static void jacobians_are_derivatives(void **state)
{
    (void)state;
    for_layers(jacobians_by_differences);
}

/* J' vec_of(W). */
static bnorm_mat_f64 by_jacobian(const layer *l, bnorm_jacobian_kind kind, bnorm_mat_f64 x,
                                 bnorm_mat_f64 g1, bnorm_mat_f64 w, ptrdiff_t width)
{
    bnorm_mat_f64 j = padded_matrix(w.rows * w.cols, width, BNORM_ROW_MAJOR), vw = vec_of(w);
    assert_ok(NULL, bnorm_jacobian_f64(NULL, kind, x, g1, l->weights, l->gamma, l->rule, j));
    bnorm_mat_f64 gradient = product_of(transpose_of(j), vw);
    free(j.data);
    free(vw.data);
    return gradient;
}

/* The fast backward of bnorm.h gives J' vec_of(W) for all four Jacobians. */
static void fast_backward_is(const layer *l, bnorm_layout layout)
{
    bnorm_mat_f64 none = {0};
    bnorm_mat_f64 z = l->g1.data ? product_of(l->x, l->g1) : l->x;
    ptrdiff_t rows = z.rows, p2 = z.cols;
    bnorm_mat_f64 w = random_matrix(77, rows, p2, z.layout),
                  dz = padded_matrix(rows, p2, z.layout);
    bnorm_mat_f64 y = padded_matrix(rows, p2, z.layout),
                  dbeta = padded_matrix(p2, 1, BNORM_COL_MAJOR);
    bnorm_mat_f64 dgamma = padded_matrix(p2, 1, BNORM_COL_MAJOR);
    double mean[4], rstd[4], terms = size_of_terms(l) * largest_of(w);
    (void)layout;
    assert_ok(NULL, bnorm_forward_f64(NULL, z, l->weights, l->gamma, l->beta, l->rule, y, mean,
                                      rstd));
    assert_ok(NULL, bnorm_backward_f64(NULL, z, w, l->weights, l->gamma, mean, rstd, l->rule,
                                       dz, dgamma.data, dbeta.data));
    bnorm_mat_f64 b = by_jacobian(l, BNORM_JACOBIAN_BETA, z, none, w, p2);
    bnorm_mat_f64 g = by_jacobian(l, BNORM_JACOBIAN_GAMMA, z, none, w, p2);
    bnorm_mat_f64 jz = by_jacobian(l, BNORM_JACOBIAN_Z, z, none, w, rows * p2),
                  vdz = vec_of(dz);
    assert_near(dbeta, b, ROUNDING);
    assert_near(dgamma, g, ROUNDING);
    assert_within(vdz, jz, ROUNDING, terms);
    if (l->g1.data) {
        bnorm_mat_f64 dg = product_of(transpose_of(l->x), dz), vdg = vec_of(dg);
        bnorm_mat_f64 j = by_jacobian(l, BNORM_JACOBIAN_G1, l->x, l->g1, w, l->x.cols * p2);
        assert_within(vdg, j, ROUNDING, terms);
        free_all(4, (bnorm_mat_f64[]){dg, vdg, j, z});
    }
    free_all(9, (bnorm_mat_f64[]){w, dz, y, dbeta, dgamma, b, g, jz, vdz});
}

static void jacobians_agree_with_backward(void **state)
{
    (void)state;
    for_layers(fast_backward_is);
}

/* A constant column: zero variance, zero rstd, zero derivative, as in the fast functions. */
static void constant_column(void **state)
{
    (void)state;
    double z[12] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 1, 2, 3, 4, 5, 7};
    double j[144];
    assert_ok(NULL, bnorm_jacobian_f64(NULL, BNORM_JACOBIAN_Z,
                                       bnorm_view_f64(z, 6, 2, BNORM_COL_MAJOR),
                                       (bnorm_mat_f64){0}, NULL, NULL, (bnorm_rule){0, 0},
                                       bnorm_view_f64(j, 12, 12, BNORM_COL_MAJOR)));
    for (int k = 0; k < 72; k++) assert_true(j[k] == 0);
    assert_true(j[72 + 6] != 0);
}

/* A column of G1 that is not a number makes its own block so, and no other. */
static void not_a_number_stays_in_its_column(void **state)
{
    (void)state;
    layer l = make_layer(5, 3, 2, 0, 1, 0, BNORM_ROW_MAJOR);
    bnorm_mat_f64 j = padded_matrix(10, 6, BNORM_ROW_MAJOR), clean = padded_matrix(10, 6, 102);
    assert_ok(NULL, bnorm_jacobian_f64(NULL, BNORM_JACOBIAN_G1, l.x, l.g1, NULL, l.gamma,
                                       l.rule, clean));
    *cell_of(l.g1, 1, 1) = NAN;
    assert_ok(NULL,
              bnorm_jacobian_f64(NULL, BNORM_JACOBIAN_G1, l.x, l.g1, NULL, l.gamma, l.rule, j));
    for (ptrdiff_t r = 0; r < 10; r++)
        for (ptrdiff_t c = 0; c < 6; c++) {
            double value = *cell_of(j, r, c);
            if (r < 5 || c < 3)
                assert_true(value == *cell_of(clean, r, c));
            else
                assert_true(isnan(value));
        }
    free(j.data);
    free(clean.data);
    free_layer(&l);
}

static void bad_jacobians(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    double d[64] = {0}, negative[4] = {1, 1, -2, 1}, zero[4] = {0, 0, 0, 0};
    bnorm_mat_f64 x = bnorm_view_f64(d, 4, 3, BNORM_ROW_MAJOR), none = {0};
    bnorm_mat_f64 out = bnorm_view_f64(d, 12, 3, BNORM_ROW_MAJOR);
    bnorm_rule rule = {0, 0};
#define J(kind, g, w, r, o) bnorm_jacobian_f64(ctx, kind, x, g, w, NULL, r, o)
    assert_fails(ctx, J((bnorm_jacobian_kind)9, none, NULL, rule, out), BNORM_E_ARGUMENT,
                 "kind");
    assert_fails(ctx, J(BNORM_JACOBIAN_G1, none, NULL, rule, out), BNORM_E_ARGUMENT, "g1");
    assert_fails(ctx, J(BNORM_JACOBIAN_BETA, x, NULL, rule, out), BNORM_E_ARGUMENT, "g1 is 4");
    assert_fails(ctx, J(BNORM_JACOBIAN_BETA, none, NULL, rule, x), BNORM_E_ARGUMENT,
                 "out is 4");
    assert_fails(ctx, J(BNORM_JACOBIAN_BETA, none, negative, rule, out), BNORM_E_ARGUMENT,
                 "weight 3 is -2");
    assert_fails(ctx, J(BNORM_JACOBIAN_BETA, none, zero, rule, out), BNORM_E_DOMAIN,
                 "n - ddof");
    rule.ddof = 4;
    assert_fails(ctx, J(BNORM_JACOBIAN_GAMMA, none, NULL, rule, out), BNORM_E_DOMAIN, "4 - 4");
    rule = (bnorm_rule){-1, 0};
    assert_fails(ctx, J(BNORM_JACOBIAN_GAMMA, none, NULL, rule, out), BNORM_E_ARGUMENT, "eps");
    rule = (bnorm_rule){0, NAN};
    assert_fails(ctx, J(BNORM_JACOBIAN_GAMMA, none, NULL, rule, out), BNORM_E_ARGUMENT, "ddof");
    bnorm_ctx_destroy(ctx);
}

/* Each allocation fails once; nothing leaks, and the call succeeds when none fails. */
static void failing_memory_of_jacobians(void **state)
{
    (void)state;
    layer l = make_layer(6, 3, 2, 1, 1, 0, BNORM_ROW_MAJOR);
    for (int kind = BNORM_JACOBIAN_BETA; kind <= BNORM_JACOBIAN_G1; kind++) {
        ptrdiff_t width[] = {2, 2, 12, 6};
        bnorm_mat_f64 out = padded_matrix(12, width[kind], BNORM_ROW_MAJOR);
        bnorm_status status = BNORM_E_MEMORY;
        for (long k = 2; status != BNORM_OK; k++) {
            failing_memory memory = {.fail_at = k};
            bnorm_ctx *ctx = make_failing_ctx(&memory, 1);
            status = bnorm_jacobian_f64(ctx, (bnorm_jacobian_kind)kind, l.x, l.g1, l.weights,
                                        l.gamma, l.rule, out);
            if (status != BNORM_OK) assert_int_equal(status, BNORM_E_MEMORY);
            bnorm_ctx_destroy(ctx);
            assert_int_equal(memory.live, 0);
            assert_true(k < 50);
        }
        free(out.data);
    }
    free_layer(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jacobians_are_derivatives),
        cmocka_unit_test(jacobians_agree_with_backward),
        cmocka_unit_test(constant_column),
        cmocka_unit_test(not_a_number_stays_in_its_column),
        cmocka_unit_test(bad_jacobians),
        cmocka_unit_test(failing_memory_of_jacobians),
    };
    return cmocka_run_group_tests_name("jacobian", tests, NULL, NULL);
}
