/* stream: gradients over blocks of rows against bnorm_net_gradient and difference quotients;
 * columns that cancel. */
#include "stream_support.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ against bnorm_net_gradient */

static void compare(setting s, double bound)
{
    problem p = set_up(s);
    double value, expected;
    bnorm_stream *stream;
    assert_ok(NULL, bnorm_stream_create(NULL, p.net, p.x, p.y, p.weights, p.loss, &stream));
    assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 4, 9, &value, p.gradient));
    assert_ok(NULL, bnorm_net_gradient(NULL, p.net, p.x, p.y, p.weights, p.loss, 4, 9,
                                       &expected, p.expected));
    assert_true(fabs(value - expected) <= bound * fabs(expected));
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(p.net); k++) {
        bnorm_block b;
        double largest = 0;
        assert_ok(NULL, bnorm_net_block(NULL, p.net, k, &b));
        for (ptrdiff_t i = b.offset; i < b.offset + b.rows * b.cols; i++)
            largest = fmax(largest, fabs(p.expected[i]));
        for (ptrdiff_t i = b.offset; i < b.offset + b.rows * b.cols; i++)
            if (!(fabs(p.gradient[i] - p.expected[i]) <= bound * (largest + 1e-3))) {
                print_error("%td rows, %s[%td]: %.17g, not %.17g\n", s.rows, b.name,
                            i - b.offset, p.gradient[i], p.expected[i]);
                fail();
            }
    }
    double alone;
    assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 4, 9, &alone, NULL));
    assert_true(alone == value);
    bnorm_stream_destroy(stream);
    tear_down(&p);
}

static void networks(void **state)
{
    (void)state;
    const setting forms[] = {
        {.layers = {NULL}, .loss = "squared"},
        {.layers = {"relu", "1"}, .loss = "squared"},
        {.layers = {"tanh", "dropout", "4", "gelu", "3"}, .loss = "softmax"},
        {.layers = {"dropout", "logistic", "2", "softplus"}, .loss = "squared"},
        {.layers = {"3", "leaky_relu", "dropout", "1", "identity"}, .loss = "squared"},
    };
    for (size_t f = 0; f < 5 * 8; f++) {
        setting s = usual_setting;
        memcpy(s.layers, forms[f % 5].layers, sizeof s.layers);
        s.loss = forms[f % 5].loss;
        s.weighted = f / 5 & 1;
        s.layout = f / 5 & 2 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR;
        s.rule = f / 5 & 4 ? (bnorm_rule){0, 0} : s.rule;
        compare(s, 0x1p-40);
    }
}

/* Blocks of 512 rows, 16 tasks of them, slabs of 65536. */
static void odd_sizes(void **state)
{
    (void)state;
    const ptrdiff_t rows[] = {2, 3, 8, 511, 512, 513, 1025, 8191, 8193, 66001};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        setting s = usual_setting;
        s.rows = rows[k];
        s.rule.ddof = 0;
        s.weighted = k == 4;
        compare(s, s.rows < 9 ? 0x1p-34 : 0x1p-40);
    }
}

/* Large means: the ordinary path itself is only right to mean/sd roundings. */
static void large_means(void **state)
{
    (void)state;
    for (int c = 0; c < 4; c++) {
        setting s = usual_setting;
        s.mean = c & 1 ? 1e6 : 1e3;
        s.layers[0] = "tanh";
        s.weighted = c > 1;
        compare(s, (c & 1 ? 1e6 : 1e3) * 0x1p-44);
    }
}

/* Some columns of G1 add up to 0, so the factor common to all inputs cancels in them. */
static void columns_that_cancel(void **state)
{
    (void)state;
    for (int c = 0; c < 8; c++) {
        setting s = usual_setting;
        s.common = c & 4 ? 1 - 1e-9 : 0.9999;
        s.weighted = c & 1;
        s.rule = c & 2 ? (bnorm_rule){0, 0} : (bnorm_rule){1e-12, 1};
        s.layers[0] = "tanh";
        problem p = set_up(s);
        double *g = bnorm_net_parameters(p.net, NULL), value, expected;
        for (ptrdiff_t j = 0; j < s.units; j += 2) {
            double sum = 0;
            for (ptrdiff_t k = 0; k < s.inputs; k++) sum += g[k * s.units + j];
            for (ptrdiff_t k = 0; k < s.inputs; k++)
                g[k * s.units + j] -= sum / (double)s.inputs;
        }
        bnorm_stream *stream;
        assert_ok(NULL, bnorm_stream_create(NULL, p.net, p.x, p.y, p.weights, p.loss, &stream));
        assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 1, 1, &value, p.gradient));
        assert_ok(NULL, bnorm_net_gradient(NULL, p.net, p.x, p.y, p.weights, p.loss, 1, 1,
                                           &expected, p.expected));
        /* a/sigma is up to 1e2 here, or 3e4 */
        double bound = c & 4 ? 0x1p-30 : 0x1p-38, largest = 0;
        assert_true(fabs(value - expected) <= bound * expected);
        for (ptrdiff_t k = 0; k < p.count; k++) largest = fmax(largest, fabs(p.expected[k]));
        for (ptrdiff_t k = 0; k < p.count; k++)
            assert_true(fabs(p.gradient[k] - p.expected[k]) <= bound * largest);
        bnorm_stream_destroy(stream);
        tear_down(&p);
    }
}

/* Central differences of the stream's own value, with a batchnorm's share in all of them. */
static void difference_quotients(void **state)
{
    (void)state;
    setting s = usual_setting;
    memcpy(s.layers, (const char *[6]){"tanh", "3", "gelu", "2"}, sizeof s.layers);
    s.weighted = 1;
    problem p = set_up(s);
    bnorm_stream *stream;
    double value, *params = bnorm_net_parameters(p.net, NULL);
    assert_ok(NULL, bnorm_stream_create(NULL, p.net, p.x, p.y, p.weights, p.loss, &stream));
    assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 1, 1, &value, p.gradient));
    for (ptrdiff_t k = 0; k < p.count; k++) {
        double h = 1e-4, at = params[k], up, down;
        params[k] = at + h;
        assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 1, 1, &up, NULL));
        params[k] = at - h;
        assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 1, 1, &down, NULL));
        params[k] = at;
        assert_true(fabs((up - down) / (2 * h) - p.gradient[k]) <= 1e-6);
    }
    bnorm_stream_destroy(stream);
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks),
        cmocka_unit_test(odd_sizes),
        cmocka_unit_test(large_means),
        cmocka_unit_test(columns_that_cancel),
        cmocka_unit_test(difference_quotients),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
