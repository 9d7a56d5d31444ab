/* stream_source: the same bits for threads, matrices and sources; the loss in inference; refusals,
 * failing reads and memory. */
#include "stream_support.h"

#include <math.h>
#include <string.h>

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
    setting s = usual_setting;
    memcpy(s.layers, (const char *[6]){"tanh", "dropout", "900", "relu", "2"}, sizeof s.layers);
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

/* Column-major matrices give the bits of a source, which is row-major. */
static void same_bits_of_layouts(void **state)
{
    (void)state;
    const ptrdiff_t rows[] = {62, 1000, 9001};
    for (int k = 0; k < 3; k++) {
        setting s = k == 2 ? several_slabs() : usual_setting;
        s.rows = rows[k];
        s.inputs = 5;
        s.layout = BNORM_COL_MAJOR;
        s.mean = 0.5;
        problem p = set_up(s);
        reader r = {.p = &p, .most = 700};
        bnorm_source source = source_of(&r);
        bnorm_stream *stream, *from_source;
        double value, expected;
        assert_ok(NULL, bnorm_stream_create(NULL, p.net, p.x, p.y, p.weights, p.loss, &stream));
        assert_ok(NULL, bnorm_stream_open(NULL, p.net, &source, p.loss, &from_source));
        assert_ok(NULL, bnorm_stream_gradient(NULL, stream, 1, 1, &value, p.gradient));
        assert_ok(NULL, bnorm_stream_gradient(NULL, from_source, 1, 1, &expected, p.expected));
        assert_true(value == expected);
        assert_memory_equal(p.gradient, p.expected, (size_t)p.count * sizeof(double));
        bnorm_stream_destroy(stream);
        bnorm_stream_destroy(from_source);
        tear_down(&p);
    }
}

/* The statistics are those of the population pass, and the loss is that of inference. */
static void loss_in_inference(void **state)
{
    (void)state;
    setting s = usual_setting;
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

/* What a source gives later is no more trusted than what it gave first. */
static void changing_sources(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    setting s = several_slabs();
    s.loss = "softmax";
    problem p = set_up(s);
    reader r = {.p = &p};
    bnorm_source source = source_of(&r);
    bnorm_stream *stream;
    double value, target = *cell(p.y, 5000, 0);
    assert_ok(ctx, bnorm_stream_open(ctx, p.net, &source, p.loss, &stream));
    *cell(p.y, 5000, 0) = 1e8;
    assert_fails(ctx, bnorm_stream_gradient(ctx, stream, 1, 1, &value, p.gradient),
                 BNORM_E_DATA, "begins with 1e+08");
    assert_fails(ctx, bnorm_stream_loss(ctx, stream, &value), BNORM_E_DATA, "counting rows");
    *cell(p.y, 5000, 0) = target;
    p.weights[7] = NAN;
    assert_fails(ctx, bnorm_stream_gradient(ctx, stream, 1, 1, &value, NULL), BNORM_E_ARGUMENT,
                 "weight");
    p.weights[7] = 1;
    assert_ok(ctx, bnorm_stream_gradient(ctx, stream, 1, 1, &value, p.gradient));
    assert_true(isfinite(value));
    bnorm_stream_destroy(stream);
    tear_down(&p);
    bnorm_ctx_destroy(ctx);
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
    setting s = usual_setting;
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
    problem p = set_up(usual_setting);
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
        cmocka_unit_test(same_bits),         cmocka_unit_test(same_bits_of_layouts),
        cmocka_unit_test(loss_in_inference), cmocka_unit_test(changing_sources),
        cmocka_unit_test(failing_reads),     cmocka_unit_test(failing_allocations),
        cmocka_unit_test(refused_forms),     cmocka_unit_test(refused_rows),
    };
    return cmocka_run_group_tests_name("stream_source", tests, NULL, NULL);
}
