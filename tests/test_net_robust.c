/* net_robust: what must not reach a gradient or the statistics: rows of weight 0, the order of
 * the rows, constant inputs, values that are not finite, other threads of the caller. */
#include "net_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "matrix/blas.h"

enum { P = 5, Q = 6, COUNT = P * Q + 2 * Q + Q + 1 };

static const bnorm_rule usual = {1e-5, 0};

/* The gradient of P -> Q (batchnorm, tanh) -> 1, to be freed. */
static double *gradient_of(ptrdiff_t rows, const double *x, const double *y,
                           const double *weights)
{
    bnorm_ctx *ctx = make_ctx(2);
    bnorm_net *net = make_net(ctx, P, Q, 1, usual, "tanh");
    double *g = malloc(COUNT * sizeof *g), r;
    assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(x, rows, P), rows_of(y, rows, 1),
                                      weights, bnorm_loss_find("squared"), 0, 0, &r, g));
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
    return g;
}

static double largest(const double *v, ptrdiff_t count)
{
    double most = 0;
    for (ptrdiff_t k = 0; k < count; k++) most = fmax(most, fabs(v[k]));
    return most;
}

static double farthest(const double *a, const double *b, ptrdiff_t count)
{
    double most = 0;
    for (ptrdiff_t k = 0; k < count; k++) most = fmax(most, fabs(a[k] - b[k]));
    return most;
}

static const ptrdiff_t sizes[] = {11, 40, 1000, 3000}; /* loops and BLAS, one chunk and more */

/* The same data without the row, the row first, and the row with values far off. */
static void absent_rows_change_nothing(void **state)
{
    (void)state;
    for (int s = 0; s < 4; s++) {
        ptrdiff_t n = sizes[s];
        double *x = random_values(1, n * P), *y = random_values(2, n);
        double *w = malloc((size_t)n * sizeof *w);
        for (ptrdiff_t i = 0; i < n; i++) w[i] = i > 0;
        double *without = gradient_of(n - 1, x + P, y + 1, NULL);
        static const double sentinels[] = {0, 1e15, -1e15};
        for (int k = 0; k < 3; k++) {
            for (int j = 0; j < P; j++) x[j] = sentinels[k];
            double *with = gradient_of(n, x, y, w);
            assert_true(farthest(with, without, COUNT) <= 1e-14 * largest(without, COUNT));
            free(with);
        }
        free(x), free(y), free(w), free(without);
    }
}

/* An input of 1e6 costs the same digits in any row. */
static void order_of_rows(void **state)
{
    (void)state;
    for (int s = 0; s < 4; s++) {
        ptrdiff_t n = sizes[s];
        double *x = random_values(1, (n + 1) * P), *y = random_values(2, n + 1);
        x[0] = 1e6;
        double *first = gradient_of(n, x, y, NULL);
        memcpy(x + n * P, x, P * sizeof *x); /* the first row, now last */
        y[n] = y[0];
        double *last = gradient_of(n, x + P, y + 1, NULL);
        /* centred at the outlier, its column would lose 1e6 times the rounding of 1'dZ */
        assert_true(farthest(first, last, Q) <= 5e-11 * largest(first, Q));
        assert_true(farthest(first + Q, last + Q, COUNT - Q) <= 1e-13);
        free(x), free(y), free(first), free(last);
    }
}

/* A constant input moves no output: the gradient of its weights is 0, not about 0. */
static void constant_inputs(void **state)
{
    (void)state;
    for (int s = 0; s < 4; s++)
        for (int weighted = 0; weighted < 2; weighted++) {
            ptrdiff_t n = sizes[s];
            double *x = random_values(1, n * P), *y = random_values(2, n);
            double *w = malloc((size_t)n * sizeof *w);
            for (ptrdiff_t i = 0; i < n; i++) {
                w[i] = (double)(i % 3);
                x[i * P + 2] = 4e5 / 7;
            }
            double *g = gradient_of(n, x, y, weighted ? w : NULL);
            for (int j = 0; j < Q; j++) assert_true(g[2 * Q + j] == 0 && g[Q + j] != 0);
            free(x), free(y), free(w), free(g);
        }
}

/* The statistics of the first layer are right, those of the second overflow: both stay. */
static void population_keeps_all_or_none(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net;
    enum { N = 30 };
    double *x = random_values(1, N * P), *before[2], weights[N];
    bnorm_layer_info first, second;
    assert_ok(ctx, bnorm_net_create(ctx, P, &net));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, usual));
    assert_ok(ctx, bnorm_net_dense(ctx, net, Q));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, usual));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_ok(ctx, bnorm_net_population(ctx, net, rows_of(x, N, P), NULL));
    assert_ok(ctx, bnorm_net_layer_info(ctx, net, 0, &first));
    assert_ok(ctx, bnorm_net_layer_info(ctx, net, 2, &second));
    for (int k = 0; k < 2; k++) {
        const bnorm_layer_info *l = k ? &second : &first;
        before[k] = malloc(2 * Q * sizeof(double));
        memcpy(before[k], l->mean, (size_t)l->inputs * sizeof(double));
        memcpy(before[k] + Q, l->var, (size_t)l->inputs * sizeof(double));
    }
    for (int i = 0; i < N; i++) weights[i] = 1 + i % 2;
    for (int failure = 0; failure < 2; failure++) {
        double kept = x[3];
        double *g = block_of(ctx, net, bnorm_net_parameters(net, NULL), "G1") + 1, start = *g;
        if (failure == 0) *g = 1e200;
        if (failure == 1) x[3] = NAN;
        assert_fails(
            ctx, bnorm_net_population(ctx, net, rows_of(x, N, P), weights), BNORM_E_NONFINITE,
            failure ? "layer 1 (batchnorm), column 4" : "layer 3 (batchnorm), column 2");
        for (int k = 0; k < 2; k++) {
            const bnorm_layer_info *l = k ? &second : &first;
            assert_memory_equal(before[k], l->mean, (size_t)l->inputs * sizeof(double));
            assert_memory_equal(before[k] + Q, l->var, (size_t)l->inputs * sizeof(double));
        }
        x[3] = kept, *g = start;
    }
    bnorm_net_destroy(net);
    free(x), free(before[0]), free(before[1]);
    bnorm_ctx_destroy(ctx);
}

extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int) __attribute__((weak));

/* As two threads of the caller would: the first to come is the first to go. */
static void holders_of_the_blas_overlap(void **state)
{
    (void)state;
    if (!openblas_get_num_threads || !openblas_set_num_threads) skip();
    int usual_threads = openblas_get_num_threads();
    openblas_set_num_threads(2);
    int first = bnorm_blas_hold();
    int second = bnorm_blas_hold();
    assert_int_equal(openblas_get_num_threads(), 1);
    bnorm_blas_release(first);
    assert_int_equal(openblas_get_num_threads(), 1);
    bnorm_blas_release(second);
    assert_int_equal(openblas_get_num_threads(), 2);
    openblas_set_num_threads(usual_threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_rows_change_nothing),
        cmocka_unit_test(order_of_rows),
        cmocka_unit_test(constant_inputs),
        cmocka_unit_test(population_keeps_all_or_none),
        cmocka_unit_test(holders_of_the_blas_overlap),
    };
    return cmocka_run_group_tests_name("net_robust", tests, NULL, NULL);
}
