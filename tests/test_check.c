/* check: bnorm_net_check accepts right gradients over every activation, loss, rule, weighting
 * and chain of layers, also where they are badly conditioned; and rejects wrong ones. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const activations[] = {"identity", "relu",     "leaky_relu", "tanh",
                                          "logistic", "softplus", "gelu"};
static const char *const losses[] = {"squared", "logistic", "softmax"};

enum { N = 24, P = 4, Q = 3, BLOCKS = 24 };

typedef struct data {
    double x[N * P], y[N * 2], w[N];
} data;

static data make_data(const char *loss)
{
    data d;
    bnorm_random_normal(21, 1, 0, N * P, d.x);
    bnorm_random_normal(21, 2, 0, N * 2, d.y);
    for (int i = 0; i < N; i++) d.w[i] = 0.5 * (i % 4);
    if (strcmp(loss, "squared") != 0)
        for (int i = 0; i < 2 * N; i++) d.y[i] = d.y[i] > 0;
    return d;
}

static bnorm_status check(bnorm_ctx *ctx, bnorm_net *net, data *d, const double *w,
                          const char *loss, bnorm_check_block *report)
{
    const bnorm_loss *l = bnorm_loss_find(loss);
    assert_true(bnorm_net_block_count(net) <= BLOCKS);
    ptrdiff_t targets = l->targets ? l->targets : bnorm_net_outputs(net);
    return bnorm_net_check(ctx, net, bnorm_view_f64(d->x, N, P, BNORM_ROW_MAJOR),
                           bnorm_view_f64(d->y, N, targets, BNORM_ROW_MAJOR), w, l, 9, 0,
                           report);
}

static void print_report(const bnorm_net *net, const bnorm_check_block *report)
{
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++)
        print_message("%-8s (%td,%td) analytic %.12g numeric %.12g error %.2g bound %.2g %s\n",
                      report[k].name, report[k].row, report[k].col, report[k].analytic,
                      report[k].numeric, report[k].error, report[k].bound,
                      report[k].ok ? "" : "WRONG");
}

static void assert_right(bnorm_ctx *ctx, bnorm_net *net, data *d, const double *w,
                         const char *loss)
{
    bnorm_check_block report[BLOCKS];
    bnorm_status status = check(ctx, net, d, w, loss, report);
    if (status != BNORM_OK) print_report(net, report);
    assert_ok(ctx, status);
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) assert_true(report[k].ok);
}

/* Two hidden layers, the second narrower; start values away from 1 and 0. */
static bnorm_net *make_net(bnorm_ctx *ctx, const bnorm_rule *rule, const char *activation,
                           double dropout, ptrdiff_t outputs)
{
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, P, &net));
    for (int h = 0; h < 2; h++) {
        assert_ok(ctx, bnorm_net_dense(ctx, net, Q - h));
        if (rule) assert_ok(ctx, bnorm_net_batchnorm(ctx, net, *rule));
        assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find(activation)));
        if (dropout > 0) assert_ok(ctx, bnorm_net_dropout(ctx, net, dropout));
    }
    assert_ok(ctx, bnorm_net_dense(ctx, net, outputs));
    assert_ok(ctx, bnorm_net_start(ctx, net, 2));
    ptrdiff_t count;
    double *p = bnorm_net_parameters(net, &count), *noise = malloc((size_t)count * sizeof *p);
    bnorm_random_normal(6, 6, 0, count, noise);
    for (ptrdiff_t k = 0; k < count; k++) p[k] += 0.3 * noise[k];
    free(noise);
    return net;
}

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

/* Inputs with mean/sd of 1e6, and of variance 1e-12, with and without eps; the bounds stay
 * small against the gradients. */
static void badly_conditioned(void **state)
{
    (void)state;
    static const char *const smooth[] = {"tanh", "relu", "gelu"};
    bnorm_ctx *ctx = make_ctx(1);
    for (int c = 0; c < 12; c++) {
        bnorm_rule rule = {c % 2 ? 0 : 1e-5, 1};
        data d = make_data("squared");
        for (int i = 0; i < N; i++)
            for (int j = 0; j < P; j++)
                d.x[i * P + j] = c % 4 < 2 ? 1e6 + d.x[i * P + j] : 1e-6 * d.x[i * P + j];
        bnorm_net *net = make_net(ctx, &rule, smooth[c / 4], 0, 1);
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

/* ------------------------------------------------------------------------------ rejected */

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

static void mistakes_in_batchnorm_are_found(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    for (mistake m = NOTHING; m <= GAMMA_TWICE; m++)
        for (int scale = 0; scale < 2; scale++) {
            own_batchnorm own = {.mistake = m};
            bnorm_layer l = {sizeof l,   "own",     &own,        NULL,
                             own_blocks, own_start, own_forward, own_backward};
            bnorm_net *net;
            data d = make_data("squared");
            for (int k = 0; scale && k < N * P; k++) d.x[k] = 1e5 + d.x[k];
            assert_ok(ctx, bnorm_net_create(ctx, P, &net));
            assert_ok(ctx, bnorm_net_dense(ctx, net, Q));
            assert_ok(ctx, bnorm_net_layer(ctx, net, &l));
            assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("relu")));
            assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
            assert_ok(ctx, bnorm_net_start(ctx, net, 2));
            bnorm_check_block report[BLOCKS];
            if (m == NOTHING) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_combinations),
        cmocka_unit_test(badly_conditioned),
        cmocka_unit_test(at_the_kink),
        cmocka_unit_test(bounds_are_sharp),
        cmocka_unit_test(any_chain),
        cmocka_unit_test(mistakes_in_batchnorm_are_found),
        cmocka_unit_test(wrong_activations_are_found),
        cmocka_unit_test(wrong_losses_are_found),
        cmocka_unit_test(the_network_is_left_alone),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
