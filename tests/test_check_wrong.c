/* check_wrong: bnorm_net_check rejects wrong gradients of layers, activations and losses, names
 * them, and leaves the network alone. */
#include "check_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* batchnorm as a layer of the caller's own, by the equations, with one mistake at a time. */
typedef enum mistake { NOTHING, NO_DGAMMA_TERM, N_FOR_M, NO_MEAN_TERM, GAMMA_TWICE } mistake;

typedef struct own_batchnorm {
    mistake mistake;
    double mean[Q], sigma[Q];
} own_batchnorm;

static int own_blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    (void)user;
    blocks[0] = (bnorm_block_shape){"gamma", 1, inputs, 0};
    return 1;
}

static void own_start(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream,
                      double *params)
{
    (void)user, (void)seed, (void)stream;
    for (ptrdiff_t j = 0; j < inputs; j++) params[j] = 1.5 + (double)j;
}

static int own_forward(void *user, const bnorm_pass *pass, const double *params,
                       bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    own_batchnorm *b = user;
    (void)pass;
    for (ptrdiff_t j = 0; j < x.cols; j++) {
        double mean = 0, v = 0;
        for (ptrdiff_t i = 0; i < x.rows; i++) mean += x.data[i * x.ld + j] / (double)x.rows;
        for (ptrdiff_t i = 0; i < x.rows; i++) v += pow(x.data[i * x.ld + j] - mean, 2);
        b->mean[j] = mean;
        b->sigma[j] = sqrt(v / (double)(x.rows - 1) + 1e-5);
        for (ptrdiff_t i = 0; i < x.rows; i++)
            y.data[i * y.ld + j] = params[j] * (x.data[i * x.ld + j] - mean) / b->sigma[j];
    }
    return 0;
}

static int own_backward(void *user, const bnorm_pass *pass, const double *params,
                        bnorm_mat_f64 x, bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams,
                        bnorm_mat_f64 dx)
{
    const own_batchnorm *b = user;
    (void)pass, (void)y;
    double n = (double)x.rows, m = b->mistake == N_FOR_M ? n : n - 1;
    for (ptrdiff_t j = 0; j < x.cols; j++) {
        double dbeta = 0, dgamma = 0;
        for (ptrdiff_t i = 0; i < x.rows; i++) {
            dbeta += dy.data[i * dy.ld + j];
            dgamma +=
                dy.data[i * dy.ld + j] * (x.data[i * x.ld + j] - b->mean[j]) / b->sigma[j];
        }
        dparams[j] += dgamma * (b->mistake == GAMMA_TWICE ? params[j] : 1);
        if (b->mistake == NO_MEAN_TERM) dbeta = 0;
        if (b->mistake == NO_DGAMMA_TERM) dgamma = 0;
        for (ptrdiff_t i = 0; i < x.rows; i++) {
            double zhat = (x.data[i * x.ld + j] - b->mean[j]) / b->sigma[j];
            dx.data[i * dx.ld + j] = params[j] / b->sigma[j] *
                                     (dy.data[i * dy.ld + j] - dbeta / n - zhat * dgamma / m);
        }
    }
    return 0;
}

/* Also with inputs of mean/sd 1e5, and of 1e13, where rounding explains any difference: what
 * cannot be checked is not accepted. */
static void mistakes_in_batchnorm_are_found(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    for (mistake m = NOTHING; m <= GAMMA_TWICE; m++)
        for (int scale = 0; scale < 3; scale++) {
            own_batchnorm own = {.mistake = m};
            bnorm_layer l = {sizeof l,   "own",     &own,        NULL,
                             own_blocks, own_start, own_forward, own_backward};
            bnorm_net *net;
            data d = make_data("squared");
            for (int k = 0; scale && k < N * P; k++)
                d.x[k] = (scale == 1 ? 1e5 : 1e13) + d.x[k];
            if (scale == 2 && m == NOTHING) continue; /* no digit is left to check */
            assert_ok(ctx, bnorm_net_create(ctx, P, &net));
            assert_ok(ctx, bnorm_net_dense(ctx, net, Q));
            assert_ok(ctx, bnorm_net_layer(ctx, net, &l));
            assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("relu")));
            assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
            assert_ok(ctx, bnorm_net_start(ctx, net, 2));
            bnorm_check_block report[BLOCKS];
            if (scale == 2) {
                assert_fails(ctx, check(ctx, net, &d, NULL, "squared", report), BNORM_E_CHECK,
                             "is explained");
            } else if (m == NOTHING) {
                assert_right(ctx, net, &d, NULL, "squared");
            } else {
                assert_fails(ctx, check(ctx, net, &d, NULL, "squared", report), BNORM_E_CHECK,
                             m == GAMMA_TWICE ? "block own.gamma2, row 1" : "block G1");
                int wrong = m == GAMMA_TWICE ? 2 : 0; /* G1, bias1, own.gamma2, G3, bias3 */
                assert_false(report[wrong].ok);
                assert_true(report[3].ok && report[4].ok);
                assert_true(report[wrong].error > report[wrong].bound);
            }
            bnorm_net_destroy(net);
        }
    bnorm_ctx_destroy(ctx);
}

static void wrong_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                           double *db)
{
    double factor = *(const double *)user;
    for (ptrdiff_t i = 0; i < count; i++) db[i] = factor * dv[i] * (1 - pow(tanh(b[i]), 2));
}

static void tanh_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = tanh(b[i]);
}

/* A derivative that is off by one in a hundred thousand is found, the right one accepted. */
static void wrong_activations_are_found(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    for (int wrong = 0; wrong < 3; wrong++) {
        double factor = wrong == 0 ? 1 : wrong == 1 ? 1 + 1e-5 : 0;
        bnorm_activation a = {"mine", tanh_value, wrong_gradient, 0, &factor};
        data d = make_data("squared");
        bnorm_check_block report[BLOCKS];
        bnorm_net *net;
        assert_ok(ctx, bnorm_net_create(ctx, P, &net));
        assert_ok(ctx, bnorm_net_dense(ctx, net, Q));
        assert_ok(ctx, bnorm_net_activation(ctx, net, &a));
        assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
        assert_ok(ctx, bnorm_net_start(ctx, net, 2));
        if (wrong)
            assert_fails(ctx, check(ctx, net, &d, NULL, "squared", report), BNORM_E_CHECK,
                         "block G1");
        else
            assert_right(ctx, net, &d, NULL, "squared");
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

/* A loss whose gradient forgets the factor 2. */
static void half_gradient(void *user, ptrdiff_t scores, const double *s, const double *t,
                          double *d)
{
    (void)user;
    for (ptrdiff_t k = 0; k < scores; k++) d[k] = s[k] - t[k];
}

static void wrong_losses_are_found(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_loss loss = *bnorm_loss_find("squared");
    loss.gradient = half_gradient;
    data d = make_data("squared");
    bnorm_check_block report[BLOCKS];
    bnorm_rule rule = {1e-5, 0};
    bnorm_net *net = make_net(ctx, &rule, "tanh", 0, 1);
    bnorm_mat_f64 x = bnorm_view_f64(d.x, N, P, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(d.y, N, 1, BNORM_ROW_MAJOR);
    assert_fails(ctx, bnorm_net_check(ctx, net, x, y, NULL, &loss, 1, 0, report), BNORM_E_CHECK,
                 "block G1");
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) assert_false(report[k].ok);
    assert_fails(ctx, bnorm_net_check(ctx, net, x, y, NULL, &loss, 1, -1, report),
                 BNORM_E_ARGUMENT, "entries");
    assert_fails(ctx, bnorm_net_check(ctx, net, x, y, NULL, &loss, 1, 0, NULL),
                 BNORM_E_ARGUMENT, "report");
    assert_fails(ctx, bnorm_net_check(ctx, net, x, y, d.w, NULL, 1, 0, report),
                 BNORM_E_ARGUMENT, "loss");
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* The parameters and the network's statistics are untouched. */
static void the_network_is_left_alone(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_rule rule = {1e-5, 0};
    data d = make_data("squared");
    bnorm_net *net = make_net(ctx, &rule, "relu", 0.5, 1);
    ptrdiff_t count;
    double *p = bnorm_net_parameters(net, &count), before[100], scores[2][N];
    assert_true(count <= 100);
    memcpy(before, p, (size_t)count * sizeof *p);
    for (int k = 0; k < 2; k++) {
        assert_ok(ctx, bnorm_net_predict(ctx, net, bnorm_view_f64(d.x, N, P, BNORM_ROW_MAJOR),
                                         bnorm_view_f64(scores[k], N, 1, BNORM_ROW_MAJOR)));
        assert_right(ctx, net, &d, NULL, "squared");
    }
    assert_memory_equal(before, p, (size_t)count * sizeof *p);
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* What is not finite has no gradient; the message points at its cause. */
static void values_not_finite_are_named(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_rule rule = {1e-5, 0};
    data d = make_data("squared");
    bnorm_net *net = make_net(ctx, &rule, "tanh", 0, 1);
    bnorm_check_block report[BLOCKS];
    d.x[5 * P + 2] = NAN;
    assert_fails(ctx, check(ctx, net, &d, NULL, "squared", report), BNORM_E_CHECK,
                 "nan in row 6, column 3");
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_batchnorm_are_found),
        cmocka_unit_test(wrong_activations_are_found),
        cmocka_unit_test(wrong_losses_are_found),
        cmocka_unit_test(the_network_is_left_alone),
        cmocka_unit_test(values_not_finite_are_named),
    };
    return cmocka_run_group_tests_name("check_wrong", tests, NULL, NULL);
}
