/* check: bnorm_net_check accepts right gradients over every activation, loss, rule, weighting
 * and chain of layers, also where they are badly conditioned. */
#include "check_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const activations[] = {"identity", "relu",     "leaky_relu", "tanh",
                                          "logistic", "softplus", "gelu"};
static const char *const losses[] = {"squared", "logistic", "softmax"};

/* ----------------------------------------------------------------------------- accepted */

static void all_combinations(void **state)
{
    (void)state;
    static const bnorm_rule rules[] = {{0, 0}, {0, 1}, {1e-5, 0}, {1e-5, 1}, {0.5, 0.5}};
    bnorm_ctx *ctx = make_ctx(1);
    for (size_t a = 0; a < 7; a++)
        for (size_t l = 0; l < 3; l++)
            for (int r = -1; r < 5; r++)
                for (int c = 0; c < 4; c++) { /* weights or not, dropout or not */
                    data d = make_data(losses[l]);
                    bnorm_net *net = make_net(ctx, r < 0 ? NULL : &rules[r], activations[a],
                                              c & 1 ? 0.3 : 0, 2);
                    assert_right(ctx, net, &d, c & 2 ? d.w : NULL, losses[l]);
                    bnorm_net_destroy(net);
                }
    bnorm_ctx_destroy(ctx);
}

/* Inputs with mean/sd of 1e6 and 1e9, and of variance 1e-12, with and without eps. */
static void badly_conditioned(void **state)
{
    (void)state;
    static const char *const names[] = {"tanh", "relu", "gelu"};
    bnorm_ctx *ctx = make_ctx(1);
    for (int c = 0; c < 18; c++) {
        bnorm_rule rule = {c % 2 ? 0 : 1e-5, 1};
        data d = make_data("squared");
        for (int i = 0; i < N; i++)
            for (int j = 0; j < P; j++)
                d.x[i * P + j] = c % 6 < 2   ? 1e6 + d.x[i * P + j]
                                 : c % 6 < 4 ? 1e9 + d.x[i * P + j]
                                             : 1e-6 * d.x[i * P + j];
        bnorm_net *net = make_net(ctx, &rule, names[c / 6], 0, 1);
        assert_right(ctx, net, &d, NULL, "squared");
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

/* relu with units exactly at its kink: beta 0, and an observation at the mean. */
static void at_the_kink(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net;
    const double x[] = {-1, 0, 1}, y[] = {1, 3, 2};
    bnorm_check_block report[5];
    assert_ok(ctx, bnorm_net_create(ctx, 1, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){0, 1}));
    assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("relu")));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    bnorm_status status = bnorm_net_check(ctx, net, bnorm_view_f64(x, 3, 1, BNORM_ROW_MAJOR),
                                          bnorm_view_f64(y, 3, 1, BNORM_ROW_MAJOR), NULL,
                                          bnorm_loss_find("squared"), 1, 0, report);
    if (status != BNORM_OK) print_report(net, report);
    assert_ok(ctx, status);
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* A loss whose slope bends where |error| is 0.3 (Huber's): difference quotients are off by the
 * step, not by its square. */
static double huber_value(void *user, ptrdiff_t scores, const double *s, const double *t)
{
    (void)user, (void)scores;
    double e = fabs(t[0] - s[0]);
    return e <= 0.3 ? e * e / 2 : 0.3 * (e - 0.15);
}

static void huber_gradient(void *user, ptrdiff_t scores, const double *s, const double *t,
                           double *d)
{
    (void)user, (void)scores;
    d[0] = fmax(-0.3, fmin(0.3, s[0] - t[0]));
}

static void bending_slopes(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_rule rule = {1e-5, 0};
    const bnorm_loss huber = {"huber", 0, NULL, huber_value, huber_gradient, NULL, NULL};
    for (uint64_t seed = 0; seed < 60; seed++) {
        enum { ROWS = 400 };
        static double x[ROWS * P], y[ROWS];
        bnorm_check_block report[BLOCKS];
        bnorm_random_normal(seed, 1, 0, ROWS * P, x);
        bnorm_random_normal(seed, 2, 0, ROWS, y);
        bnorm_net *net = make_net(ctx, &rule, "tanh", 0, 1);
        bnorm_status status = bnorm_net_check(
            ctx, net, bnorm_view_f64(x, ROWS, P, BNORM_ROW_MAJOR),
            bnorm_view_f64(y, ROWS, 1, BNORM_ROW_MAJOR), NULL, &huber, seed, 4, report);
        if (status != BNORM_OK) print_report(net, report);
        assert_ok(ctx, status);
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

/* A right gradient is known much better than the cap: bounds are small, and not zero. */
static void bounds_are_sharp(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_rule rule = {1e-5, 1};
    data d = make_data("squared");
    bnorm_check_block report[BLOCKS];
    bnorm_net *net = make_net(ctx, &rule, "tanh", 0, 1);
    assert_ok(ctx, check(ctx, net, &d, NULL, "squared", report));
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++)
        assert_true(report[k].bound < 1e-7 && report[k].bound > 0);
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* ------------------------------------------------------------------------ caller's layers */

/* y = x theta^2 column by column, which needs x in backward; keeps y honest by reading it. */
static int square_blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    (void)user;
    blocks[0] = (bnorm_block_shape){"theta", 1, inputs, 1};
    return 1;
}

static void square_start(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream,
                         double *params)
{
    (void)user;
    bnorm_random_uniform(seed, stream, 0, inputs, params);
}

static int square_forward(void *user, const bnorm_pass *pass, const double *params,
                          bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    (void)user, (void)pass;
    for (ptrdiff_t i = 0; i < x.rows; i++)
        for (ptrdiff_t j = 0; j < x.cols; j++)
            y.data[i * y.ld + j] = x.data[i * x.ld + j] * params[j] * params[j];
    return 0;
}

static int square_backward(void *user, const bnorm_pass *pass, const double *params,
                           bnorm_mat_f64 x, bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams,
                           bnorm_mat_f64 dx)
{
    (void)user, (void)pass, (void)x;
    for (ptrdiff_t i = 0; i < x.rows; i++)
        for (ptrdiff_t j = 0; j < x.cols; j++) {
            double w = dy.data[i * dy.ld + j];
            dparams[j] += 2 * w * y.data[i * y.ld + j] / params[j]; /* 2 x theta = 2 y/theta */
            if (dx.data) dx.data[i * dx.ld + j] = w * params[j] * params[j];
        }
    return 0;
}

static const bnorm_layer square = {sizeof square,  "square",       NULL,
                                   NULL,           square_blocks,  square_start,
                                   square_forward, square_backward};

/* Chains spelt as letters: every pair of neighbours, first and last places included. */
static bnorm_net *make_chain(bnorm_ctx *ctx, const char *chain)
{
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, P, &net));
    for (const char *c = chain; *c; c++) switch (*c) {
        case 'd':
            assert_ok(ctx, bnorm_net_dense(ctx, net, c[1] ? Q : 1));
            break;
        case 'b':
            assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){1e-5, 1}));
            break;
        case 'a':
            assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("gelu")));
            break;
        case 'o':
            assert_ok(ctx, bnorm_net_dropout(ctx, net, 0.2));
            break;
        default:
            assert_ok(ctx, bnorm_net_layer(ctx, net, &square));
        }
    assert_ok(ctx, bnorm_net_start(ctx, net, 4));
    return net;
}

static void any_chain(void **state)
{
    (void)state;
    static const char kinds[] = "dbaou";
    bnorm_ctx *ctx = make_ctx(1);
    data d = make_data("squared");
    for (int code = 0; code < 625; code++) {
        char chain[7] = {0};
        for (int k = 0, c = code; k < 4; k++, c /= 5) chain[k] = kinds[c % 5];
        if (code % 3) strcat(chain, code % 3 == 1 ? "d" : "ud");
        bnorm_net *net = make_chain(ctx, chain);
        bnorm_check_block report[BLOCKS];
        double y[N * P];
        bnorm_random_normal(8, 8, 0, N * P, y);
        ptrdiff_t outputs = bnorm_net_outputs(net);
        bnorm_status status =
            bnorm_net_check(ctx, net, bnorm_view_f64(d.x, N, P, BNORM_ROW_MAJOR),
                            bnorm_view_f64(y, N, outputs, BNORM_ROW_MAJOR), d.w,
                            bnorm_loss_find("squared"), 3, 2, report);
        if (status != BNORM_OK) {
            print_message("chain %s\n", chain);
            print_report(net, report);
        }
        assert_ok(ctx, status);
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

static int count_down(void *user)
{
    int *left = user;
    return (*left)-- == 0;
}

/* Whenever it is interrupted, the network is as it was; where it is not, the check is the same. */
static void interruptions(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    const bnorm_rule rule = {1e-5, 0};
    data d = make_data("squared");
    bnorm_net *net = make_net(ctx, &rule, "tanh", 0, 1);
    bnorm_check_block report[BLOCKS], plain[BLOCKS];
    bnorm_mat_f64 x = bnorm_view_f64(d.x, N, P, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(d.y, N, 1, BNORM_ROW_MAJOR);
    const bnorm_loss *loss = bnorm_loss_find("squared");
    double before[1024];
    ptrdiff_t count;
    const double *params = bnorm_net_parameters(net, &count);
    assert_true(count <= 1024);
    memcpy(before, params, (size_t)count * sizeof *before);
    assert_ok(ctx, bnorm_net_check(ctx, net, x, y, NULL, loss, 9, 0, plain));
    for (int passes = 0; passes < 40; passes++) {
        int left = passes;
        assert_int_equal(
            bnorm_net_check_until(ctx, net, x, y, NULL, loss, 9, 0, count_down, &left, report),
            BNORM_E_INTERRUPTED);
        assert_int_equal(left, -1);
        assert_memory_equal(params, before, (size_t)count * sizeof *before);
    }
    int never = -1;
    assert_ok(ctx, bnorm_net_check_until(ctx, net, x, y, NULL, loss, 9, 0, count_down, &never,
                                         report));
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++)
        assert_true(report[k].numeric == plain[k].numeric && report[k].bound == plain[k].bound);
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_combinations), cmocka_unit_test(badly_conditioned),
        cmocka_unit_test(at_the_kink),      cmocka_unit_test(bending_slopes),
        cmocka_unit_test(bounds_are_sharp), cmocka_unit_test(any_chain),
        cmocka_unit_test(interruptions),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
