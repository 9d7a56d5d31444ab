/* check_kink: rows of zeros before biases of 0 put units exactly at the kink of their
 * activation: bnorm_net_check still accepts right gradients and rejects wrong ones. */
#include "support.h"

#include <math.h>
#include <string.h>

enum { N = 40, P = 3, FIRST = 6, SECOND = 4, BLOCKS = 10 };

typedef struct bent {
    double slope, wrong; /* below 0; the relative error of the gradient */
} bent;

static void bent_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    const bent *a = user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = b[i] > 0 ? b[i] : a->slope * b[i];
}

static void bent_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    const bent *a = user;
    for (ptrdiff_t i = 0; i < count; i++)
        db[i] = (b[i] > 0 ? dv[i] : a->slope * dv[i]) * (1 + a->wrong);
}

/* P -> 6 (the given activation) -> 4 (batchnorm or not, tanh) -> 1, checked on data whose first
 * four rows are 0. */
static bnorm_status check_kinks(bnorm_ctx *ctx, uint64_t seed,
                                const bnorm_activation *activation, int normalised)
{
    double x[N * P], y[N];
    bnorm_net *net;
    bnorm_check_block report[BLOCKS];
    bnorm_random_normal(seed, 1, 0, N * P, x);
    bnorm_random_normal(seed, 2, 0, N, y);
    memset(x, 0, 4 * P * sizeof *x);
    assert_ok(ctx, bnorm_net_create(ctx, P, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, FIRST));
    assert_ok(ctx, bnorm_net_activation(ctx, net, activation));
    assert_ok(ctx, bnorm_net_dense(ctx, net, SECOND));
    if (normalised) assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){1e-5, 0}));
    assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("tanh")));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, seed));
    bnorm_status status = bnorm_net_check(ctx, net, bnorm_view_f64(x, N, P, BNORM_ROW_MAJOR),
                                          bnorm_view_f64(y, N, 1, BNORM_ROW_MAJOR), NULL,
                                          bnorm_loss_find("squared"), seed, 0, report);
    bnorm_net_destroy(net);
    return status;
}

/* Without a jump of its own the wide rung may hide the kink (31, 40, 45 and 49 did). */
static void right_gradients_are_accepted(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    for (uint64_t seed = 0; seed < 50; seed++)
        for (int k = 0; k < 4; k++)
            assert_ok(ctx, check_kinks(ctx, seed,
                                       bnorm_activation_find(k & 1 ? "relu" : "leaky_relu"),
                                       k >> 1));
    bnorm_ctx_destroy(ctx);
}

/* What a kink excuses is the bias of its unit, not the rest of the gradient. */
static void wrong_gradients_are_rejected(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    for (uint64_t seed = 0; seed < 10; seed++)
        for (int k = 0; k < 4; k++) {
            bent b = {k & 1 ? 0 : 0.01, 0};
            bnorm_activation a = {"bent", bent_value, bent_gradient, 2, &b};
            assert_ok(ctx, check_kinks(ctx, seed, &a, k >> 1));
            for (b.wrong = 1e-2; b.wrong > 1e-8; b.wrong /= 100)
                assert_fails(ctx, check_kinks(ctx, seed, &a, k >> 1), BNORM_E_CHECK, "block ");
        }
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_gradients_are_accepted),
        cmocka_unit_test(wrong_gradients_are_rejected),
    };
    return cmocka_run_group_tests_name("check_kink", tests, NULL, NULL);
}
