/* matrix_errors: every refusal of the matrix functions with its sentence, no-ops on empty
 * matrices, and failing memory at every place. */
#include "matrix_support.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

static double data[64], out[64], mean[8], rstd[8], n;
static const bnorm_rule rule = {1e-5, 0};

static bnorm_mat_f64 view(ptrdiff_t rows, ptrdiff_t cols)
{
    return bnorm_view_f64(data, rows, cols, BNORM_ROW_MAJOR);
}

static bnorm_mat_f64 out_view(ptrdiff_t rows, ptrdiff_t cols)
{
    return bnorm_view_f64(out, rows, cols, BNORM_ROW_MAJOR);
}

/* Refusals that concern a view, through each function that takes it as x. */
static void refuse_x(bnorm_ctx *ctx, bnorm_mat_f64 x, const char *text)
{
    bnorm_mat_f64 y = x, none = {0};
    y.data = x.data ? out : NULL;
    assert_fails(ctx, bnorm_moments_f64(ctx, x, NULL, &n, mean, rstd), BNORM_E_ARGUMENT, text);
    assert_fails(ctx, bnorm_forward_f64(ctx, x, NULL, NULL, NULL, rule, y, mean, rstd),
                 BNORM_E_ARGUMENT, text);
    assert_fails(ctx, bnorm_infer_f64(ctx, x, NULL, NULL, mean, rstd, 0, y), BNORM_E_ARGUMENT,
                 text);
    assert_fails(ctx,
                 bnorm_backward_f64(ctx, x, y, NULL, NULL, mean, rstd, rule, none, mean, rstd),
                 BNORM_E_ARGUMENT, text);
    assert_fails(ctx, bnorm_fold_f64(ctx, x, NULL, NULL, NULL, mean, rstd, 0, y, out),
                 BNORM_E_ARGUMENT, text);
    assert_fails(ctx, bnorm_layernorm_forward_f64(ctx, x, NULL, NULL, 0, y, mean, rstd),
                 BNORM_E_ARGUMENT, text);
    assert_fails(ctx,
                 bnorm_layernorm_backward_f64(ctx, x, y, NULL, mean, rstd, none, mean, rstd),
                 BNORM_E_ARGUMENT, text);
}

static void illegal_views(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_mat_f64 x = view(4, 3);
    x.rows = -1;
    refuse_x(ctx, x, "is -1 x 3");
    x = view(4, 3);
    x.cols = -3;
    refuse_x(ctx, x, "is 4 x -3");
    x = view(4, 3);
    x.ld = 2;
    refuse_x(ctx, x, "ld of");
    refuse_x(ctx, x, "is 2; it must be at least the number of columns, 3");
    x = view(4, 3);
    x.layout = BNORM_COL_MAJOR;
    refuse_x(ctx, x, "at least the number of rows, 4");
    x = view(4, 3);
    x.layout = (bnorm_layout)100;
    refuse_x(ctx, x, "is 100");
    x = view(4, 3);
    x.data = NULL;
    refuse_x(ctx, x, "NULL; 4 x 3 expected");
    x = view(PTRDIFF_MAX / 8, 3);
    refuse_x(ctx, x, "larger than the address space");
    bnorm_ctx_destroy(ctx);
}

/* y, dy and dx that do not go with x. */
static void views_that_do_not_match(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_mat_f64 x = view(4, 3), none = {0}, odd[4] = {out_view(4, 2), out_view(3, 3)};
    const char *texts[] = {"is 4 x 2; it must be 4 x 3 as x", "is 3 x 3; it must be 4 x 3",
                           "same layout", "in place of x, but its ld is 5 and not 3"};
    odd[2] = bnorm_view_f64(out, 4, 3, BNORM_COL_MAJOR);
    odd[3] = x;
    odd[3].ld = 5;
    for (int k = 0; k < 4; k++) {
        bnorm_mat_f64 y = odd[k];
        assert_fails(ctx, bnorm_forward_f64(ctx, x, NULL, NULL, NULL, rule, y, mean, rstd),
                     BNORM_E_ARGUMENT, texts[k]);
        assert_fails(ctx, bnorm_infer_f64(ctx, x, NULL, NULL, mean, rstd, 0, y),
                     BNORM_E_ARGUMENT, texts[k]);
        assert_fails(ctx, bnorm_layernorm_forward_f64(ctx, x, NULL, NULL, 0, y, mean, rstd),
                     BNORM_E_ARGUMENT, texts[k]);
        assert_fails(
            ctx, bnorm_backward_f64(ctx, x, y, NULL, NULL, mean, rstd, rule, none, NULL, NULL),
            BNORM_E_ARGUMENT, texts[k]);
        assert_fails(ctx,
                     bnorm_backward_f64(ctx, x, x, NULL, NULL, mean, rstd, rule, y, NULL, NULL),
                     BNORM_E_ARGUMENT, texts[k]);
        assert_fails(
            ctx, bnorm_layernorm_backward_f64(ctx, x, y, NULL, mean, rstd, none, NULL, NULL),
            BNORM_E_ARGUMENT, texts[k]);
        assert_fails(ctx,
                     bnorm_layernorm_backward_f64(ctx, x, x, NULL, mean, rstd, y, NULL, NULL),
                     BNORM_E_ARGUMENT, texts[k]);
    }
    assert_fails(ctx, bnorm_fold_f64(ctx, x, NULL, NULL, NULL, mean, rstd, 0, odd[0], out),
                 BNORM_E_ARGUMENT, "g1_out is 4 x 2; it must be 4 x 3 as g1");
    bnorm_ctx_destroy(ctx);
}

static void missing_vectors(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_mat_f64 x = view(4, 3), y = out_view(4, 3);
    bnorm_status e = BNORM_E_ARGUMENT;
    assert_fails(ctx, bnorm_moments_f64(ctx, x, NULL, NULL, mean, rstd), e, "n is NULL");
    assert_fails(ctx, bnorm_moments_f64(ctx, x, NULL, &n, NULL, rstd), e, "mean is NULL");
    assert_fails(ctx, bnorm_moments_f64(ctx, x, NULL, &n, mean, NULL), e, "m2 is NULL");
    assert_fails(ctx, bnorm_forward_f64(ctx, x, NULL, NULL, NULL, rule, y, NULL, rstd), e,
                 "mean is NULL");
    assert_fails(ctx, bnorm_forward_f64(ctx, x, NULL, NULL, NULL, rule, y, mean, NULL), e,
                 "rstd is NULL");
    assert_fails(ctx, bnorm_infer_f64(ctx, x, NULL, NULL, NULL, rstd, 0, y), e, "mean is NULL");
    assert_fails(ctx, bnorm_infer_f64(ctx, x, NULL, NULL, mean, NULL, 0, y), e, "var is NULL");
    assert_fails(ctx,
                 bnorm_backward_f64(ctx, x, x, NULL, NULL, NULL, rstd, rule, y, NULL, NULL), e,
                 "mean is NULL");
    assert_fails(ctx,
                 bnorm_backward_f64(ctx, x, x, NULL, NULL, mean, NULL, rule, y, NULL, NULL), e,
                 "rstd is NULL");
    assert_fails(ctx, bnorm_fold_f64(ctx, x, NULL, NULL, NULL, NULL, rstd, 0, y, out), e,
                 "mean is NULL");
    assert_fails(ctx, bnorm_fold_f64(ctx, x, NULL, NULL, NULL, mean, rstd, 0, y, NULL), e,
                 "bias_out is NULL");
    assert_fails(ctx, bnorm_layernorm_forward_f64(ctx, x, NULL, NULL, 0, y, NULL, rstd), e,
                 "mean is NULL");
    assert_fails(ctx, bnorm_layernorm_backward_f64(ctx, x, x, NULL, mean, NULL, y, NULL, NULL),
                 e, "rstd is NULL");
    bnorm_ctx_destroy(ctx);
}

static void illegal_numbers(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_mat_f64 x = view(4, 3), y = out_view(4, 3);
    static const double bad[] = {-1, (double)NAN, (double)INFINITY, -(double)INFINITY};
    for (int k = 0; k < 4; k++) {
        bnorm_rule eps = {bad[k], 0}, ddof = {0, bad[k]};
        double weights[4] = {1, 1, bad[k], 1};
        bnorm_status e = BNORM_E_ARGUMENT;
        assert_fails(ctx, bnorm_forward_f64(ctx, x, NULL, NULL, NULL, eps, y, mean, rstd), e,
                     "eps is");
        assert_fails(ctx, bnorm_forward_f64(ctx, x, NULL, NULL, NULL, ddof, y, mean, rstd), e,
                     "ddof is");
        assert_fails(ctx,
                     bnorm_backward_f64(ctx, x, x, NULL, NULL, mean, rstd, eps, y, NULL, NULL),
                     e, "eps is");
        assert_fails(ctx,
                     bnorm_backward_f64(ctx, x, x, NULL, NULL, mean, rstd, ddof, y, NULL, NULL),
                     e, "ddof is");
        assert_fails(ctx, bnorm_infer_f64(ctx, x, NULL, NULL, mean, rstd, bad[k], y), e,
                     "eps is");
        assert_fails(ctx, bnorm_fold_f64(ctx, x, NULL, NULL, NULL, mean, rstd, bad[k], y, out),
                     e, "eps is");
        assert_fails(ctx,
                     bnorm_layernorm_forward_f64(ctx, x, NULL, NULL, bad[k], y, mean, rstd), e,
                     "eps is");
        assert_fails(ctx, bnorm_moments_f64(ctx, x, weights, &n, mean, rstd), e,
                     "weight of row 3");
        assert_fails(ctx, bnorm_forward_f64(ctx, x, weights, NULL, NULL, rule, y, mean, rstd),
                     e, "weight of row 3");
        assert_fails(
            ctx, bnorm_backward_f64(ctx, x, x, weights, NULL, mean, rstd, rule, y, NULL, NULL),
            e, "weight of row 3");
        assert_fails(ctx, bnorm_moments_merge(ctx, 1, &n, mean, rstd, bad[k], mean, rstd), e,
                     "n_b is");
        double n_a = bad[k];
        assert_fails(ctx, bnorm_moments_merge(ctx, 1, &n_a, mean, rstd, 1, mean, rstd), e,
                     "n is");
    }
    double var[3] = {1, 2, -0.5};
    assert_fails(ctx, bnorm_infer_f64(ctx, x, NULL, NULL, mean, var, 0, y), BNORM_E_ARGUMENT,
                 "var of column 3 is -0.5");
    assert_fails(ctx, bnorm_moments_merge(ctx, -1, &n, mean, rstd, 1, mean, rstd),
                 BNORM_E_ARGUMENT, "cols is -1");
    assert_fails(ctx, bnorm_moments_merge(ctx, 1, &n, mean, rstd, 1, NULL, rstd),
                 BNORM_E_ARGUMENT, "mean_b is NULL");
    bnorm_ctx_destroy(ctx);
}

/* Each weight is a number, their sum is none. */
static void weights_that_overflow(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_mat_f64 x = view(4, 3), y = out_view(4, 3);
    const double weights[4] = {1e308, 1e308, 0, 1};
    bnorm_status e = BNORM_E_ARGUMENT;
    assert_fails(ctx, bnorm_moments_f64(ctx, x, weights, &n, mean, rstd), e, "add up");
    assert_fails(ctx, bnorm_moments_f64(ctx, view(4, 0), weights, &n, NULL, NULL), e, "add up");
    assert_fails(ctx, bnorm_forward_f64(ctx, x, weights, NULL, NULL, rule, y, mean, rstd), e,
                 "add up");
    assert_fails(ctx,
                 bnorm_backward_f64(ctx, x, x, weights, NULL, mean, rstd, rule, y, NULL, NULL),
                 e, "add up");
    double n_a = 1e308;
    assert_fails(ctx, bnorm_moments_merge(ctx, 1, &n_a, mean, rstd, 1e308, mean, rstd), e,
                 "add up");
    assert_true(n_a == 1e308);
    bnorm_ctx_destroy(ctx);
}

/* n - ddof must be positive; the message has the numbers. */
static void too_few_observations(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_mat_f64 one = view(1, 3), y = out_view(1, 3);
    bnorm_rule ddof = {1e-5, 1};
    double zero[1] = {0};
    bnorm_status e = BNORM_E_DOMAIN;
    assert_fails(ctx, bnorm_forward_f64(ctx, one, NULL, NULL, NULL, ddof, y, mean, rstd), e,
                 "n - ddof = 1 - 1");
    assert_fails(ctx,
                 bnorm_backward_f64(ctx, one, one, NULL, NULL, mean, rstd, ddof, y, NULL, NULL),
                 e, "n - ddof = 1 - 1");
    assert_fails(ctx, bnorm_forward_f64(ctx, one, zero, NULL, NULL, rule, y, mean, rstd), e,
                 "n - ddof = 0 - 0");
    assert_fails(
        ctx,
        bnorm_forward_f64(ctx, view(0, 3), NULL, NULL, NULL, rule, out_view(0, 3), mean, rstd),
        e, "n - ddof = 0 - 0");
    assert_ok(ctx, bnorm_forward_f64(ctx, one, NULL, NULL, NULL, rule, y, mean, rstd));
    bnorm_ctx_destroy(ctx);
}

static void empty_matrices(void **state)
{
    (void)state;
    bnorm_mat_f64 thin = bnorm_view_f64(NULL, 4, 0, BNORM_ROW_MAJOR), none = view(0, 3);
    bnorm_mat_f64 flat = out_view(0, 3);
    double bias[3] = {7, 7, 7}, var[3] = {1, 1, 1}, zeros[3] = {0};
    assert_ok(NULL, bnorm_moments_f64(NULL, thin, NULL, &n, NULL, NULL));
    assert_true(n == 4);
    for (int layout = BNORM_ROW_MAJOR; layout <= BNORM_COL_MAJOR; layout++) {
        ptrdiff_t many = PTRDIFF_MAX / 4; /* whoever walks them never returns */
        bnorm_mat_f64 tall = bnorm_view_f64(NULL, many, 0, (bnorm_layout)layout);
        double total;
        assert_ok(NULL, bnorm_moments_f64(NULL, tall, NULL, &total, NULL, NULL));
        assert_true(total == (double)many);
    }
    assert_ok(NULL, bnorm_forward_f64(NULL, thin, NULL, NULL, NULL, rule, thin, NULL, NULL));
    assert_ok(NULL, bnorm_infer_f64(NULL, thin, NULL, NULL, NULL, NULL, 0, thin));
    assert_ok(NULL, bnorm_backward_f64(NULL, thin, thin, NULL, NULL, NULL, NULL, rule, thin,
                                       NULL, NULL));
    assert_ok(NULL, bnorm_fold_f64(NULL, thin, NULL, NULL, NULL, NULL, NULL, 0, thin, NULL));
    assert_ok(NULL, bnorm_infer_f64(NULL, none, NULL, NULL, zeros, var, 0, flat));
    assert_ok(NULL, bnorm_fold_f64(NULL, none, NULL, NULL, NULL, zeros, var, 0, flat, bias));
    assert_true(bias[0] == 0 && bias[2] == 0); /* a layer without inputs has a bias */
    assert_ok(NULL, bnorm_moments_merge(NULL, 0, &n, NULL, NULL, 1, NULL, NULL));
    assert_true(n == 5);
}

/* Outputs that are absent are not computed; the others are the same without them. */
static void absent_outputs(void **state)
{
    (void)state;
    bnorm_random_normal(1, 1, 0, 64, data);
    bnorm_mat_f64 x = view(6, 4), dy = bnorm_view_f64(data + 24, 6, 4, BNORM_ROW_MAJOR);
    bnorm_mat_f64 none = {0};
    double dgamma[4], dbeta[4], alone[4];
    assert_ok(NULL,
              bnorm_forward_f64(NULL, x, NULL, NULL, NULL, rule, out_view(6, 4), mean, rstd));
    assert_ok(NULL, bnorm_backward_f64(NULL, x, dy, NULL, NULL, mean, rstd, rule,
                                       out_view(6, 4), dgamma, dbeta));
    assert_ok(NULL,
              bnorm_backward_f64(NULL, x, dy, NULL, NULL, mean, rstd, rule, none, alone, NULL));
    assert_memory_equal(alone, dgamma, sizeof alone);
    assert_ok(NULL,
              bnorm_backward_f64(NULL, x, dy, NULL, NULL, mean, rstd, rule, none, NULL, alone));
    assert_memory_equal(alone, dbeta, sizeof alone);
    assert_ok(NULL,
              bnorm_backward_f64(NULL, x, dy, NULL, NULL, mean, rstd, rule, none, NULL, NULL));
}

/* Every call that allocates, with the k-th allocation failing until none does. */
static bnorm_status call_number(bnorm_ctx *ctx, int which, const mat *x, mat *y, double *v)
{
    double *a = v, *b = v + 2000, count;
    switch (which) {
    case 0:
        return call_moments(ctx, x, NULL, &count, a, b);
    case 1:
        return call_forward(ctx, x, NULL, NULL, NULL, rule, y, a, b);
    case 2:
        return call_infer(ctx, x, NULL, NULL, a, b, 1, y);
    case 3:
        return call_backward(ctx, x, x, NULL, NULL, a, b, rule, y, v + 4000, v + 6000);
    case 4:
        return call_fold(ctx, x, NULL, NULL, NULL, a, b, 1, y, v + 4000);
    case 5:
        return call_layer_forward(ctx, x, NULL, NULL, 1, y, a, b);
    default:
        return call_layer_backward(ctx, x, x, NULL, a, b, y, v + 4000, NULL);
    }
}

static void failing_memory_everywhere(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        mat x = mat_make(k & 1, k & 2 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR, 30, 1500, 0, 0);
        mat_fill(&x, 1, 0, 1);
        mat y = mat_copy(&x);
        double *v = calloc(8000, sizeof *v);
        for (int which = 0; which < 7; which++) {
            failing_memory memory = {0};
            bnorm_status status = BNORM_E_MEMORY;
            for (long at = 2; status == BNORM_E_MEMORY; at++) { /* 1 is the context */
                memory = (failing_memory){.fail_at = at};
                bnorm_ctx *ctx = make_failing_ctx(&memory, 2);
                status = call_number(ctx, which, &x, &y, v);
                if (status == BNORM_E_MEMORY)
                    assert_fails(ctx, status, BNORM_E_MEMORY, "out of memory for");
                else
                    assert_ok(ctx, status);
                bnorm_ctx_destroy(ctx);
                assert_int_equal(memory.live, 0);
            }
            assert_true(memory.calls >= 2); /* it did allocate */
        }
        free(v);
        mat_free(&x);
        mat_free(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(illegal_views),
        cmocka_unit_test(views_that_do_not_match),
        cmocka_unit_test(missing_vectors),
        cmocka_unit_test(illegal_numbers),
        cmocka_unit_test(weights_that_overflow),
        cmocka_unit_test(too_few_observations),
        cmocka_unit_test(empty_matrices),
        cmocka_unit_test(absent_outputs),
        cmocka_unit_test(failing_memory_everywhere),
    };
    return cmocka_run_group_tests_name("matrix_errors", tests, NULL, NULL);
}
