/* net_build: construction, names and shapes, starts, penalties; every error of networks. */
#include "net_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void names_and_shapes(void **state)
{
    (void)state;
    static const char *const names[] = {"gamma0",  "beta0", "G1",     "gamma1", "beta1",
                                        "G2",      "bias2", "gamma2", "beta2",  "gamma2_2",
                                        "beta2_2", "G3",    "bias3"};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net;
    bnorm_rule rule = {1e-5, 0};
    assert_ok(ctx, bnorm_net_create(ctx, 4, &net));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 3));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 2));
    assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("relu")));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
    assert_ok(ctx, bnorm_net_dropout(ctx, net, 0.25));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_int_equal(bnorm_net_block_count(net), 0);
    assert_null(bnorm_net_parameters(net, NULL));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_int_equal(bnorm_net_block_count(net), 13);
    ptrdiff_t offset = 0, count;
    double *p = bnorm_net_parameters(net, &count);
    for (ptrdiff_t k = 0; k < 13; k++) {
        bnorm_block b;
        assert_ok(ctx, bnorm_net_block(ctx, net, k, &b));
        assert_string_equal(b.name, names[k]);
        assert_int_equal(b.offset, offset);
        assert_true(b.penalty == 0);
        offset += b.rows * b.cols;
        int ones = strncmp(b.name, "gamma", 5) == 0, drawn = b.name[0] == 'G';
        for (ptrdiff_t i = 0; i < b.rows * b.cols && !drawn; i++)
            assert_true(p[b.offset + i] == ones);
    }
    assert_int_equal(offset, count);
    bnorm_layer_info info;
    assert_int_equal(bnorm_net_layer_count(net), 9);
    assert_ok(ctx, bnorm_net_layer_info(ctx, net, 1, &info));
    assert_string_equal(info.name, "dense");
    assert_true(info.kind == BNORM_LAYER_DENSE && info.inputs == 4 && info.outputs == 3);
    assert_true(!info.bias && !info.mean && !info.var);
    assert_ok(ctx, bnorm_net_layer_info(ctx, net, 3, &info));
    assert_true(info.bias);
    assert_ok(ctx, bnorm_net_layer_info(ctx, net, 6, &info));
    assert_true(info.rate == 0.25 && info.kind == BNORM_LAYER_DROPOUT);
    assert_ok(ctx, bnorm_net_layer_info(ctx, net, 7, &info));
    assert_true(info.rule.eps == 1e-5 && info.mean[1] == 0 && info.var[1] == 1);
    assert_ok(ctx, bnorm_net_set_penalty(ctx, net, NULL, 0.5));
    assert_ok(ctx, bnorm_net_set_penalty(ctx, net, "beta1", 0.25));
    for (ptrdiff_t k = 0; k < 13; k++) {
        bnorm_block b;
        assert_ok(ctx, bnorm_net_block(ctx, net, k, &b));
        assert_true(b.penalty == (b.name[0] == 'G' ? 0.5 : k == 4 ? 0.25 : 0));
    }
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* The variance of the starting weights, within five standard errors. */
static void starting_variances(void **state)
{
    (void)state;
    static const struct {
        const char *activation;
        double variance;
    } cases[] = {{"relu", 2. / 200},    {"leaky_relu", 2 / 1.0001 / 200},
                 {"gelu", 2. / 200},    {"softplus", 2. / 200},
                 {"tanh", 2. / 300},    {"logistic", 2. / 300},
                 {"identity", 2. / 300}};
    bnorm_ctx *ctx = make_ctx(1);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        bnorm_net *net = make_net(ctx, 200, 100, 1, (bnorm_rule){1e-5, 0}, cases[c].activation);
        ptrdiff_t count;
        double *p = bnorm_net_parameters(net, &count), sum = 0;
        double *kept = malloc((size_t)count * sizeof *kept);
        for (int k = 0; k < 20000; k++) sum += p[k] * p[k];
        assert_near(sum / 20000, cases[c].variance, 5 * cases[c].variance * sqrt(2. / 20000));
        memcpy(kept, p, (size_t)count * sizeof *kept);
        assert_ok(ctx, bnorm_net_start(ctx, net, 8));
        assert_memory_not_equal(kept, p, (size_t)count * sizeof *kept);
        assert_ok(ctx, bnorm_net_start(ctx, net, 7));
        assert_memory_equal(kept, p, (size_t)count * sizeof *kept);
        free(kept);
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

static void construction_errors(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net = (bnorm_net *)1;
    bnorm_layer blank = {.struct_size = sizeof blank, .name = "blank"};
    bnorm_block b;
    bnorm_layer_info info;
    assert_fails(ctx, bnorm_net_create(ctx, 0, &net), BNORM_E_ARGUMENT, "inputs");
    assert_null(net);
    assert_fails(ctx, bnorm_net_create(ctx, 1, NULL), BNORM_E_ARGUMENT, "NULL");
    assert_ok(ctx, bnorm_net_create(ctx, 2, &net));
    assert_fails(ctx, bnorm_net_start(ctx, net, 1), BNORM_E_ARGUMENT, "no layer");
    assert_fails(ctx, bnorm_net_dense(ctx, net, 0), BNORM_E_ARGUMENT, "units");
    assert_fails(ctx, bnorm_net_dense(ctx, NULL, 1), BNORM_E_ARGUMENT, "NULL");
    assert_fails(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){-1, 0}), BNORM_E_ARGUMENT,
                 "eps is -1");
    assert_fails(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){0, NAN}), BNORM_E_ARGUMENT,
                 "ddof nan");
    assert_fails(ctx, bnorm_net_dropout(ctx, net, 1), BNORM_E_ARGUMENT, "rate is 1");
    assert_fails(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("sine")),
                 BNORM_E_ARGUMENT, "activation");
    assert_fails(ctx, bnorm_net_layer(ctx, net, &blank), BNORM_E_ARGUMENT, "forward");
    assert_ok(ctx, bnorm_net_dense(ctx, net, 2));
    assert_fails(ctx, bnorm_net_set_penalty(ctx, net, NULL, 1), BNORM_E_ARGUMENT, "started");
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_fails(ctx, bnorm_net_dense(ctx, net, 1), BNORM_E_ARGUMENT, "already started");
    assert_fails(ctx, bnorm_net_set_penalty(ctx, net, "G9", 1), BNORM_E_ARGUMENT, "'G9'");
    assert_fails(ctx, bnorm_net_set_penalty(ctx, net, "G1", -1), BNORM_E_ARGUMENT, "-1");
    assert_fails(ctx, bnorm_net_block(ctx, net, 2, &b), BNORM_E_ARGUMENT, "no block 2");
    assert_fails(ctx, bnorm_net_layer_info(ctx, net, 1, &info), BNORM_E_ARGUMENT, "no layer 1");
    bnorm_net_destroy(net);
    bnorm_net_destroy(NULL);
    bnorm_ctx_destroy(ctx);
}

static void data_errors(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net = make_net(ctx, 2, 3, 2, (bnorm_rule){1e-5, 1}, "relu");
    double x[8] = {1, 2, 3, 4, 5, 6, 7, 9}, y[4] = {0, 1, 0, 1}, r, s[8];
    double w[4] = {1, 1, -1, 1}, zero[4] = {0}, light[4] = {0.5, 0.25, 0, 0};
    const bnorm_loss *softmax = bnorm_loss_find("softmax");
    bnorm_mat_f64 mx = rows_of(x, 4, 2), my = rows_of(y, 4, 1);
#define GRADIENT(x_, y_, w_, loss_)                                                            \
    bnorm_net_gradient(ctx, net, x_, y_, w_, loss_, 0, 0, &r, NULL)
    assert_fails(ctx, GRADIENT(rows_of(x, 4, 1), my, NULL, softmax), BNORM_E_ARGUMENT,
                 "x has 1 columns");
    assert_fails(ctx, GRADIENT(mx, rows_of(y, 3, 1), NULL, softmax), BNORM_E_ARGUMENT,
                 "y is 3 x 1");
    assert_fails(ctx, GRADIENT(mx, my, NULL, bnorm_loss_find("squared")), BNORM_E_ARGUMENT,
                 "takes 4 x 2");
    assert_fails(ctx, GRADIENT(mx, my, NULL, bnorm_loss_find("hinge")), BNORM_E_ARGUMENT,
                 "loss");
    assert_fails(ctx, GRADIENT(mx, my, w, softmax), BNORM_E_ARGUMENT, "row 3 is -1");
    assert_fails(ctx, GRADIENT(mx, my, zero, softmax), BNORM_E_DOMAIN, "zero");
    assert_fails(ctx, GRADIENT(mx, my, light, softmax), BNORM_E_DOMAIN, "");
    assert_fails(ctx, GRADIENT(rows_of(x, 0, 2), rows_of(y, 0, 1), NULL, softmax),
                 BNORM_E_DOMAIN, "no rows");
    assert_fails(ctx, GRADIENT(rows_of(x, 1, 2), rows_of(y, 1, 1), NULL, softmax),
                 BNORM_E_DOMAIN, "");
    y[2] = 2;
    assert_fails(ctx, GRADIENT(mx, my, NULL, softmax), BNORM_E_DATA, "row 3");
    y[2] = 0.5;
    assert_fails(ctx, GRADIENT(mx, my, NULL, softmax), BNORM_E_DATA, "row 3");
    y[2] = NAN;
    assert_fails(ctx, GRADIENT(mx, my, NULL, softmax), BNORM_E_DATA, "row 3");
    y[2] = 0;
    double t[8] = {0, 1, 1, 0, 1, -0.5, 0, 1};
    assert_fails(ctx,
                 GRADIENT(mx, bnorm_view_f64(t, 4, 2, BNORM_COL_MAJOR), NULL,
                          bnorm_loss_find("logistic")),
                 BNORM_E_DATA, "row 2");
    assert_fails(ctx, bnorm_net_predict(ctx, net, mx, rows_of(s, 4, 1)), BNORM_E_ARGUMENT,
                 "4 x 2");
    mx.ld = 1;
    assert_fails(ctx, bnorm_net_predict(ctx, net, mx, rows_of(s, 4, 2)), BNORM_E_ARGUMENT,
                 "legal");
    assert_fails(ctx, bnorm_net_population(ctx, net, rows_of(x, 1, 2), NULL), BNORM_E_DOMAIN,
                 "n - ddof");
    assert_ok(ctx, bnorm_net_predict(ctx, net, rows_of(NULL, 0, 2), rows_of(NULL, 0, 2)));
#undef GRADIENT
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_shapes),
        cmocka_unit_test(starting_variances),
        cmocka_unit_test(construction_errors),
        cmocka_unit_test(data_errors),
    };
    return cmocka_run_group_tests_name("net_build", tests, NULL, NULL);
}
