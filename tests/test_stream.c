/* stream: gradients over blocks of rows against bnorm_net_gradient and difference quotients; the
 * same bits for threads, matrices and sources; columns that cancel; refusals, failing reads and
 * memory. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A network's layers after dense(units) and batchnorm: "tanh", "dropout", "3" (dense). */
typedef struct setting {
    ptrdiff_t rows, inputs, units;
    const char *layers[6];
    const char *loss;
    int weighted;
    bnorm_layout layout;
    double mean, common; /* of X: mean/sd; share of a factor common to all columns */
    bnorm_rule rule;
} setting;

typedef struct problem {
    setting s;
    bnorm_net *net;
    bnorm_mat_f64 x, y;
    double *weights, *gradient, *expected;
    const bnorm_loss *loss;
    ptrdiff_t count;
} problem;

static bnorm_net *make_net(const setting *s)
{
    bnorm_net *net;
    assert_ok(NULL, bnorm_net_create(NULL, s->inputs, &net));
    assert_ok(NULL, bnorm_net_dense(NULL, net, s->units));
    assert_ok(NULL, bnorm_net_batchnorm(NULL, net, s->rule));
    for (int k = 0; k < 6 && s->layers[k]; k++) {
        const char *name = s->layers[k];
        if (strcmp(name, "dropout") == 0)
            assert_ok(NULL, bnorm_net_dropout(NULL, net, 0.3));
        else if (name[0] >= '0' && name[0] <= '9')
            assert_ok(NULL, bnorm_net_dense(NULL, net, atoi(name)));
        else
            assert_ok(NULL, bnorm_net_activation(NULL, net, bnorm_activation_find(name)));
    }
    assert_ok(NULL, bnorm_net_start(NULL, net, 5));
    return net;
}

static double *cell(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j)
{
    return m.data + (m.layout == BNORM_ROW_MAJOR ? i * m.ld + j : j * m.ld + i);
}

static bnorm_mat_f64 make_matrix(ptrdiff_t rows, ptrdiff_t cols, bnorm_layout layout)
{
    ptrdiff_t lines = layout == BNORM_ROW_MAJOR ? rows : cols;
    bnorm_mat_f64 m = bnorm_view_f64(NULL, rows, cols, layout);
    m.ld += 3;
    m.data = calloc((size_t)(lines * m.ld + 1), sizeof *m.data);
    assert_non_null(m.data);
    return m;
}

static void fill(problem *p)
{
    const setting *s = &p->s;
    int softmax = strcmp(s->loss, "softmax") == 0;
    double *numbers = malloc((size_t)(s->inputs + 2) * sizeof *numbers);
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        bnorm_random_normal(3, (uint64_t)i, 0, s->inputs + 2, numbers);
        double factor = sqrt(s->common) * numbers[s->inputs];
        for (ptrdiff_t k = 0; k < s->inputs; k++)
            *cell(p->x, i, k) =
                s->mean * (1 + 0.1 * (double)k) + factor + sqrt(1 - s->common) * numbers[k];
        for (ptrdiff_t k = 0; k < p->y.cols; k++)
            *cell(p->y, i, k) = softmax ? (double)(i * i % bnorm_net_outputs(p->net))
                                        : numbers[s->inputs + 1] + (double)k;
        if (p->weights) p->weights[i] = i % 7 == 3 ? 0 : 0.5 + (double)(i % 4);
    }
    free(numbers);
}

static problem set_up(setting s)
{
    problem p = {.s = s, .net = make_net(&s), .loss = bnorm_loss_find(s.loss)};
    ptrdiff_t targets = p.loss->targets > 0 ? p.loss->targets : bnorm_net_outputs(p.net);
    p.x = make_matrix(s.rows, s.inputs, s.layout);
    p.y = make_matrix(s.rows, targets, s.layout);
    if (s.weighted) p.weights = malloc((size_t)(s.rows + 1) * sizeof *p.weights);
    fill(&p);
    double *params = bnorm_net_parameters(p.net, &p.count);
    for (ptrdiff_t k = 0; k < p.count; k++) params[k] += 0.05 * cos((double)k);
    p.gradient = calloc((size_t)p.count, sizeof *p.gradient);
    p.expected = calloc((size_t)p.count, sizeof *p.expected);
    return p;
}

static void tear_down(problem *p)
{
    bnorm_net_destroy(p->net);
    free(p->x.data);
    free(p->y.data);
    free(p->weights);
    free(p->gradient);
    free(p->expected);
}

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

static const setting usual = {.rows = 1000,
                              .inputs = 7,
                              .units = 5,
                              .layers = {"relu", "1"},
                              .loss = "squared",
                              .layout = BNORM_ROW_MAJOR,
                              .rule = {1e-3, 1}};

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
        setting s = usual;
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
        setting s = usual;
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
        setting s = usual;
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
        setting s = usual;
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
    setting s = usual;
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

/* -------------------------------------------------------------------------------- sources */

typedef struct reader {
    const problem *p;
    long fail_at, calls;
    ptrdiff_t most;
} reader;

static int read_rows(void *user, ptrdiff_t first, ptrdiff_t count, double *x, double *y,
                     double *weights)
{
    reader *r = user;
    const problem *p = r->p;
    if (++r->calls == r->fail_at) return 7;
    assert_true(count >= 1 && first >= 0 && first + count <= p->s.rows);
    assert_true(r->most == 0 || count <= r->most);
    assert_int_equal(weights != NULL, p->s.weighted);
    for (ptrdiff_t i = 0; i < count; i++) {
        for (ptrdiff_t k = 0; k < p->x.cols; k++)
            x[i * p->x.cols + k] = *cell(p->x, first + i, k);
        for (ptrdiff_t k = 0; k < p->y.cols; k++)
            y[i * p->y.cols + k] = *cell(p->y, first + i, k);
        if (weights) weights[i] = p->weights[first + i];
    }
    return 0;
}

static bnorm_source source_of(reader *r)
{
    return (bnorm_source){.rows = r->p->s.rows,
                          .most = r->most,
                          .weighted = r->p->s.weighted,
                          .read = read_rows,
                          .user = r};
}

/* Slabs of 4096 rows; columns that cancel among the others. */
static setting several_slabs(void)
{
    setting s = usual;
    memcpy(s.layers, (const char *[6]){"tanh", "900", "relu", "2"}, sizeof s.layers);
    s.rows = 9001;
    s.units = 9;
    s.inputs = 4;
    s.common = 0.9;
    s.weighted = 1;
    return s;
}

static void same_bits(void **state)
{
    (void)state;
    problem p = set_up(several_slabs());
    bnorm_stream *stream;
    double first, value, loss, first_loss;
    const ptrdiff_t most[] = {0, 1000, 4096, 100000, 17};
    size_t bytes = (size_t)p.count * sizeof(double);
    assert_ok(NULL, bnorm_stream_create(NULL, p.net, p.x, p.y, p.weights, p.loss, &stream));
    assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 1, 1, &first, p.expected));
    assert_ok(NULL, bnorm_stream_loss(NULL, stream, &first_loss));
    for (int threads = 1; threads <= 4; threads++) {
        bnorm_ctx *ctx = make_ctx(threads);
        assert_ok(ctx, bnorm_stream_gradient(ctx, stream, 1, 1, &value, p.gradient));
        assert_true(value == first);
        assert_memory_equal(p.gradient, p.expected, bytes);
        reader r = {.p = &p, .most = most[threads]};
        bnorm_source source = source_of(&r);
        bnorm_stream *from_source;
        assert_ok(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &from_source));
        assert_ok(ctx, bnorm_stream_gradient(ctx, from_source, 1, 1, &value, p.gradient));
        assert_true(value == first);
        assert_memory_equal(p.gradient, p.expected, bytes);
        assert_ok(ctx, bnorm_stream_loss(ctx, from_source, &loss));
        assert_true(loss == first_loss);
        bnorm_stream_destroy(from_source);
        bnorm_ctx_destroy(ctx);
    }
    bnorm_stream_destroy(stream);
    tear_down(&p);
}

/* The statistics are those of the population pass, and the loss is that of inference. */
static void loss_in_inference(void **state)
{
    (void)state;
    setting s = usual;
    memcpy(s.layers, (const char *[6]){"tanh", "dropout", "2"}, sizeof s.layers);
    s.weighted = 1;
    problem p = set_up(s);
    bnorm_stream *stream;
    bnorm_layer_info info;
    double loss, expected, mean[5], var[5];
    assert_ok(NULL, bnorm_stream_create(NULL, p.net, p.x, p.y, p.weights, p.loss, &stream));
    assert_ok(NULL, bnorm_stream_loss(NULL, stream, &loss));
    assert_ok(NULL, bnorm_net_layer_info(NULL, p.net, 1, &info));
    memcpy(mean, info.mean, sizeof mean);
    memcpy(var, info.var, sizeof var);
    assert_ok(NULL, bnorm_net_population(NULL, p.net, p.x, p.weights));
    assert_ok(NULL, bnorm_net_loss(NULL, p.net, p.x, p.y, p.weights, p.loss, &expected));
    assert_true(fabs(loss - expected) <= 0x1p-44 * expected);
    for (int j = 0; j < 5; j++) {
        assert_true(fabs(mean[j] - info.mean[j]) <= 0x1p-44);
        assert_true(fabs(var[j] - info.var[j]) <= 0x1p-44 * info.var[j]);
    }
    bnorm_net_parameters(p.net, NULL)[0] = NAN;
    assert_fails(NULL, bnorm_stream_loss(NULL, stream, &loss), BNORM_E_NONFINITE, "");
    assert_true(info.var[0] == info.var[0]);
    bnorm_stream_destroy(stream);
    tear_down(&p);
}

/* ------------------------------------------------------------------------------- failures */

static void failing_reads(void **state)
{
    (void)state;
    problem p = set_up(several_slabs());
    bnorm_ctx *ctx = make_ctx(1);
    long failures = 0;
    for (int done = 0; !done; failures++) {
        reader r = {.p = &p, .fail_at = failures + 1};
        bnorm_source source = source_of(&r);
        bnorm_stream *stream;
        double value;
        bnorm_status status = bnorm_stream_open(ctx, p.net, &source, p.loss, &stream);
        if (status == BNORM_OK)
            status = bnorm_stream_gradient(ctx, stream, 1, 1, &value, p.gradient);
        if (status == BNORM_OK) status = bnorm_stream_loss(ctx, stream, &value);
        done = r.calls < r.fail_at;
        assert_int_equal(status, done ? BNORM_OK : BNORM_E_USER);
        if (!done) assert_non_null(strstr(bnorm_ctx_message(ctx), "returned 7 for rows"));
        bnorm_stream_destroy(stream);
    }
    assert_true(failures > 12); /* three slabs, four sweeps at least */
    bnorm_ctx_destroy(ctx);
    tear_down(&p);
}

static bnorm_status whole(bnorm_ctx *ctx, void *argument)
{
    problem *p = argument;
    reader r = {.p = p};
    bnorm_source source = source_of(&r);
    bnorm_stream *stream;
    double value;
    bnorm_status status = bnorm_stream_open(ctx, p->net, &source, p->loss, &stream);
    if (status == BNORM_OK)
        status = bnorm_stream_gradient(ctx, stream, 1, 1, &value, p->gradient);
    bnorm_stream_destroy(stream);
    return status;
}

static void failing_allocations(void **state)
{
    (void)state;
    setting s = usual;
    s.common = 0.9999;
    problem p = set_up(s);
    assert_true(fail_each_allocation(whole, &p) > 4);
    tear_down(&p);
}

static void refused_net(bnorm_ctx *ctx, const char *text, bnorm_net *net, const problem *p)
{
    bnorm_stream *stream = (bnorm_stream *)p->net;
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_fails(ctx, bnorm_stream_create(ctx, net, p->x, p->y, NULL, p->loss, &stream),
                 BNORM_E_ARGUMENT, text);
    assert_null(stream);
    bnorm_net_destroy(net);
}

static void refused_forms(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    problem p = set_up(usual);
    bnorm_net *net;
    bnorm_rule rule = {0, 0};
    assert_ok(ctx, bnorm_net_create(ctx, 7, &net));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
    refused_net(ctx, "the first must be dense", net, &p);
    assert_ok(ctx, bnorm_net_create(ctx, 7, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    refused_net(ctx, "needs dense and batchnorm", net, &p);
    assert_ok(ctx, bnorm_net_create(ctx, 7, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    refused_net(ctx, "the second must be batchnorm", net, &p);
    assert_ok(ctx, bnorm_net_create(ctx, 7, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
    refused_net(ctx, "layer 3 ('batchnorm')", net, &p);
    tear_down(&p);
    bnorm_ctx_destroy(ctx);
}

static void refused_rows(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    setting s = several_slabs();
    problem p = set_up(s);
    reader r = {.p = &p};
    bnorm_source source = source_of(&r);
    bnorm_stream *stream;
    *cell(p.y, 5000, 0) = NAN;
    assert_fails(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &stream), BNORM_E_DATA,
                 "counting rows from ");
    *cell(p.y, 5000, 0) = 0;
    p.weights[5000] = -1;
    assert_fails(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &stream), BNORM_E_ARGUMENT,
                 "weight");
    for (ptrdiff_t i = 0; i < s.rows; i++) p.weights[i] = 0;
    assert_fails(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &stream), BNORM_E_DOMAIN,
                 "n - ddof");
    source.rows = 0;
    assert_fails(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &stream), BNORM_E_DOMAIN,
                 "n - ddof");
    source.rows = -1;
    assert_fails(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &stream), BNORM_E_ARGUMENT,
                 "rows");
    source.read = NULL;
    assert_fails(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &stream), BNORM_E_ARGUMENT,
                 "read");
    p.x.cols--;
    assert_fails(ctx, bnorm_stream_create(ctx, p.net, p.x, p.y, NULL, p.loss, &stream),
                 BNORM_E_ARGUMENT, "columns");
    assert_fails(ctx, bnorm_stream_gradient(ctx, NULL, 1, 1, p.gradient, p.gradient),
                 BNORM_E_ARGUMENT, "stream is NULL");
    tear_down(&p);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks),
        cmocka_unit_test(odd_sizes),
        cmocka_unit_test(large_means),
        cmocka_unit_test(columns_that_cancel),
        cmocka_unit_test(difference_quotients),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(loss_in_inference),
        cmocka_unit_test(failing_reads),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(refused_forms),
        cmocka_unit_test(refused_rows),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
