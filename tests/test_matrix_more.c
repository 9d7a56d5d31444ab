/* matrix_more: moments and their merge, inference, folding. */
#include "matrix_support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tolerance.h"

static const bnorm_layout layouts[] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};

static double unit_of(int f32)
{
    return f32 ? UNIT_F32 : UNIT_F64;
}

static void check_moments(const mat *x, const double *weights, double n, const double *mean,
                          const double *m2)
{
    for (ptrdiff_t j = 0; j < x->cols; j++) {
        column c = reference_column(x, j, weights);
        double rows = (double)x->rows;
        check_near(n, c.n, UNIT_F64 * rows * (double)c.n, "n", 0, j);
        check_near(mean[j], c.mean, tol_mean(rows, (double)c.mean, (double)c.spread), "mean", 0,
                   j);
        check_near(m2[j], c.m2, tol_m2(rows, (double)c.m2), "m2", 0, j);
    }
}

static void moments(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][2] = {{1, 1},   {1, 9},    {2, 3},
                                         {70, 40}, {5003, 7}, {40000, 2}};
    for (int k = 0; k < 8; k++)
        for (size_t i = 0; i < 6; i++) {
            ptrdiff_t rows = sizes[i][0], cols = sizes[i][1];
            mat x = mat_make(k & 1, layouts[k >> 1 & 1], rows, cols, 2, 1);
            double *weights = k >> 2 ? vec_weights(rows, 1) : NULL;
            double *mean = calloc((size_t)cols, 8), *m2 = calloc((size_t)cols, 8), n = -1;
            mat_fill(&x, 3, 40, 3);
            assert_ok(NULL, call_moments(NULL, &x, weights, &n, mean, m2));
            check_moments(&x, weights, n, mean, m2);
            mat_check_canaries(&x);
            free(weights);
            free(mean);
            free(m2);
            mat_free(&x);
        }
}

/* One pass gives what forward and moments give, to the bit. */
static void forward_with_stats(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][2] = {{2, 3}, {70, 40}, {5003, 7}, {40000, 2}};
    for (int k = 0; k < 32; k++) {
        ptrdiff_t rows = sizes[k >> 3][0], cols = sizes[k >> 3][1];
        mat x = mat_make(k & 1, layouts[k >> 1 & 1], rows, cols, 2, 1);
        mat_fill(&x, 3, 40, 3);
        mat y = mat_copy(&x), z = mat_copy(&x);
        double *weights = k >> 2 & 1 ? vec_weights(rows, 1) : NULL;
        bnorm_rule rule = {.eps = 1e-5, .ddof = 1};
        double n[2], mean[2][40], m2[2][40], rstd[2][40];
        assert_ok(NULL,
                  call_forward(NULL, &x, weights, NULL, NULL, rule, &y, mean[0], rstd[0]));
        assert_ok(NULL, call_moments(NULL, &x, weights, &n[0], mean[0], m2[0]));
        assert_ok(NULL,
                  x.f32 ? bnorm_forward_stats_f32(NULL, mat_f32(&x), weights, NULL, NULL, rule,
                                                  mat_f32(&z), &n[1], mean[1], m2[1], rstd[1])
                        : bnorm_forward_stats_f64(NULL, mat_f64(&x), weights, NULL, NULL, rule,
                                                  mat_f64(&z), &n[1], mean[1], m2[1], rstd[1]));
        size_t bytes = (size_t)cols * sizeof **mean;
        assert_true(mat_same(&y, &z) && n[0] == n[1]);
        assert_memory_equal(mean[0], mean[1], bytes);
        assert_memory_equal(m2[0], m2[1], bytes);
        assert_memory_equal(rstd[0], rstd[1], bytes);
        free(weights);
        mat_free(&x);
        mat_free(&y);
        mat_free(&z);
    }
}

/* No rows and no weight: the neutral element. */
static void empty_moments(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        mat none = mat_make(k & 1, layouts[k >> 1], 0, 3, 0, 0);
        mat some = mat_make(k & 1, layouts[k >> 1], 5, 3, 0, 0);
        double zeros[5] = {0}, n = 7, mean[3] = {7, 7, 7}, m2[3] = {7, 7, 7};
        mat_fill(&some, 1, 0, 1);
        assert_ok(NULL, call_moments(NULL, &none, NULL, &n, mean, m2));
        assert_true(n == 0 && mean[1] == 0 && m2[2] == 0);
        n = mean[1] = m2[2] = 7;
        assert_ok(NULL, call_moments(NULL, &some, zeros, &n, mean, m2));
        assert_true(n == 0 && mean[1] == 0 && m2[2] == 0);
        mat_free(&none);
        mat_free(&some);
    }
}

/* The moments of three parts, one of them empty, merged are those of the whole. */
static void merge_of_parts(void **state)
{
    (void)state;
    enum { N = 1000, P = 5 };
    mat x = mat_make(0, BNORM_ROW_MAJOR, N, P, 0, 0);
    mat_fill(&x, 8, 100, 1);
    double *weights = vec_weights(N, 6), n = 0, mean[P] = {0}, m2[P] = {0};
    static const ptrdiff_t ends[] = {0, 17, 17, 600, N};
    for (int k = 0; k < 4; k++) {
        double n_b, mean_b[P], m2_b[P];
        mat part = x;
        part.first += ends[k] * x.ld;
        part.rows = ends[k + 1] - ends[k];
        assert_ok(NULL, call_moments(NULL, &part, weights + ends[k], &n_b, mean_b, m2_b));
        assert_ok(NULL, bnorm_moments_merge(NULL, P, &n, mean, m2, n_b, mean_b, m2_b));
    }
    check_moments(&x, weights, n, mean, m2);
    double n_b = 0, zeros[P] = {0}, kept = mean[3]; /* neutral on either side, to the bit */
    assert_ok(NULL, bnorm_moments_merge(NULL, P, &n, mean, m2, 0, zeros, zeros));
    assert_true(mean[3] == kept);
    double other_mean[P] = {0}, other_m2[P] = {0};
    assert_ok(NULL, bnorm_moments_merge(NULL, P, &n_b, other_mean, other_m2, n, mean, m2));
    assert_true(n_b == n);
    assert_memory_equal(mean, other_mean, sizeof mean);
    assert_memory_equal(m2, other_m2, sizeof m2);
    free(weights);
    mat_free(&x);
}

/* gamma = 0 sends nothing back, also where rstd exceeds floats; dgamma is there all the same. */
static void zero_gamma_of_tiny_columns(void **state)
{
    (void)state;
    enum { N = 37, P = 5 };
    for (int k = 0; k < 2; k++) {
        bnorm_layout layout = k ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR;
        float x[N * P], w[N * P], dx[N * P], gamma[P] = {0, 1, 0, 1, 0}, dgamma[P], dbeta[P];
        double mean[P], rstd[P];
        bnorm_rule rule = {0, 0};
        for (int i = 0; i < N * P; i++) {
            x[i] = 1e-40F * (float)(i * i % 11); /* subnormal */
            w[i] = (float)sin(1 + i);
        }
        bnorm_mat_f32 mx = bnorm_view_f32(x, N, P, layout), mw = mx, mdx = mx;
        mw.data = w;
        mdx.data = dx;
        assert_ok(NULL, bnorm_forward_f32(NULL, mx, NULL, gamma, NULL, rule, mdx, mean, rstd));
        assert_ok(NULL, bnorm_backward_f32(NULL, mx, mw, NULL, gamma, mean, rstd, rule, mdx,
                                           dgamma, dbeta));
        for (int j = 0; j < P; j++) {
            assert_true(rstd[j] > (double)FLT_MAX && isfinite(dgamma[j]) && dgamma[j] != 0);
            for (int i = 0; gamma[j] == 0 && i < N; i++)
                assert_true(dx[layout == BNORM_ROW_MAJOR ? i * P + j : j * N + i] == 0);
        }
    }
}

static void infer_by_formula(void **state)
{
    (void)state;
    enum { P = 19 };
    for (int k = 0; k < 16; k++) {
        int f32 = k & 1, affine = k >> 2 & 1;
        mat x = mat_make(f32, layouts[k >> 1 & 1], 45, P, 3, 1), kept;
        double *gamma = vec_normal(P, 1, 1, 1), *beta = vec_normal(P, 2, 0, 1);
        double *mean = vec_normal(P, 3, 5, 1), *var = vec_normal(P, 4, 6, 1), eps = 1e-3;
        vec_round(f32, P, gamma);
        vec_round(f32, P, beta);
        mat_fill(&x, 2, 5, 2);
        kept = mat_copy(&x);
        var[4] = 0;
        mat y = k >> 3 ? x : mat_make(f32, x.layout, 45, P, 0, 0);
        assert_ok(NULL, call_infer(NULL, &x, affine ? gamma : NULL, affine ? beta : NULL, mean,
                                   var, eps, &y));
        for (ptrdiff_t i = 0; i < 45; i++)
            for (ptrdiff_t j = 0; j < P; j++) {
                double g = affine ? gamma[j] : 1, b = affine ? beta[j] : 0;
                long double root = sqrtl((long double)var[j] + eps);
                long double z = g * (mat_get(&kept, i, j) - (long double)mean[j]) / root;
                double bound = unit_of(f32) * fabs((double)(z + b)) +
                               8 * UNIT_F64 * fabs((double)z) +
                               tol_map(unit_of(f32), (double)z, (double)(g * mean[j] / root));
                check_near(mat_get(&y, i, j), z + b, bound + UNIT_F64 * fabs(b), "y", i, j);
            }
        mat_check_canaries(&y);
        if (!(k >> 3)) mat_free(&y);
        double *all[] = {gamma, beta, mean, var};
        for (int i = 0; i < 4; i++) free(all[i]);
        mat_free(&x);
        mat_free(&kept);
    }
}

/* var + eps = 0: exactly beta. A row alone gives the bits it gives among others. */
static void infer_rows_are_independent(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        mat x = mat_make(k & 1, layouts[k >> 1], 37, 21, 0, 0), y = mat_copy(&x);
        double *mean = vec_normal(21, 3, 0, 1), *var = vec_normal(21, 4, 6, 1);
        double *beta = vec_normal(21, 5, 0, 1);
        vec_round(k & 1, 21, beta);
        var[7] = 0;
        mat_fill(&x, 2, 0, 2);
        assert_ok(NULL, call_infer(NULL, &x, NULL, beta, mean, var, 0, &y));
        for (ptrdiff_t i = 0; i < 37; i++) {
            mat row = mat_make(k & 1, layouts[1 - (k >> 1)], 1, 21, 0, 3), out = mat_copy(&row);
            for (ptrdiff_t j = 0; j < 21; j++) mat_set(&row, 0, j, mat_get(&x, i, j));
            assert_ok(NULL, call_infer(NULL, &row, NULL, beta, mean, var, 0, &out));
            for (ptrdiff_t j = 0; j < 21; j++)
                assert_true(mat_get(&out, 0, j) == mat_get(&y, i, j));
            assert_true(mat_get(&y, i, 7) == beta[7]);
            mat_free(&row);
            mat_free(&out);
        }
        free(mean);
        free(var);
        free(beta);
        mat_free(&x);
        mat_free(&y);
    }
}

/* X g1_out + bias_out = infer(X g1 + bias). */
static void fold_is_infer_of_the_product(void **state)
{
    (void)state;
    enum { IN = 6, OUT = 9 };
    for (int k = 0; k < 16; k++) {
        int f32 = k & 1, full = k >> 2 & 1;
        mat g1 = mat_make(f32, layouts[k >> 1 & 1], IN, OUT, 2, 1), kept;
        double *gamma = vec_normal(OUT, 1, 1, 1), *beta = vec_normal(OUT, 2, 0, 1),
               *bias = vec_normal(OUT, 5, 0, 1), *mean = vec_normal(OUT, 3, 0, 1),
               *var = vec_normal(OUT, 4, 6, 1), *bias_out = vec_normal(OUT, 6, 0, 1);
        vec_round(f32, OUT, gamma);
        vec_round(f32, OUT, beta);
        vec_round(f32, OUT, bias);
        mat_fill(&g1, 2, 0, 1);
        kept = mat_copy(&g1);
        mat out = k >> 3 ? g1 : mat_make(f32, g1.layout, IN, OUT, 0, 0);
        assert_ok(NULL, call_fold(NULL, &g1, full ? bias : NULL, full ? gamma : NULL,
                                  full ? beta : NULL, mean, var, 1e-3, &out, bias_out));
        for (int row = 0; row < 5; row++)
            for (ptrdiff_t j = 0; j < OUT; j++) {
                long double z = full ? bias[j] : 0, folded = bias_out[j], size = fabsl(z);
                for (ptrdiff_t i = 0; i < IN; i++) {
                    double x = sin(row + 3 * (double)i);
                    z += x * (long double)mat_get(&kept, i, j);
                    folded += x * (long double)mat_get(&out, i, j);
                    size += fabsl(x * (long double)mat_get(&kept, i, j));
                }
                long double rstd = 1 / sqrtl((long double)var[j] + 1e-3);
                long double g = full ? gamma[j] : 1, b = full ? beta[j] : 0;
                double bound = (double)(8 * unit_of(f32) *
                                        (fabsl(g) * rstd * (size + fabsl(mean[j])) + fabsl(b)));
                check_near((double)folded, g * (z - mean[j]) * rstd + b, bound, "y", row, j);
            }
        mat_check_canaries(&out);
        if (!(k >> 3)) mat_free(&out);
        double *all[] = {gamma, beta, bias, mean, var, bias_out};
        for (int i = 0; i < 6; i++) free(all[i]);
        mat_free(&g1);
        mat_free(&kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(forward_with_stats),
        cmocka_unit_test(empty_moments),
        cmocka_unit_test(merge_of_parts),
        cmocka_unit_test(zero_gamma_of_tiny_columns),
        cmocka_unit_test(infer_by_formula),
        cmocka_unit_test(infer_rows_are_independent),
        cmocka_unit_test(fold_is_infer_of_the_product),
    };
    return cmocka_run_group_tests_name("matrix_more", tests, NULL, NULL);
}
