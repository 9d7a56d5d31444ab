/* stream_fit: fits to a source of rows, and fits in memory that stream, against one another. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 9000, INPUTS = 12, UNITS = 11, VALID = 500 };

typedef struct problem {
    bnorm_ctx *ctx;
    bnorm_net *net;
    double *x, *y, *weights;
    bnorm_mat_f64 mx, my, vx, vy;
    const bnorm_loss *loss;
    bnorm_fit_options options;
    bnorm_fit_report report;
    int fail_after; /* reads until the source fails; 0: never */
    int calls;
} problem;

static int read_rows(void *user, ptrdiff_t first, ptrdiff_t count, double *x, double *y,
                     double *weights)
{
    problem *p = user;
    if (++p->calls == p->fail_after) return 3;
    memcpy(x, p->x + first * INPUTS, (size_t)(count * INPUTS) * sizeof *x);
    memcpy(y, p->y + first, (size_t)count * sizeof *y);
    memcpy(weights, p->weights + first, (size_t)count * sizeof *weights);
    return 0;
}

static void make_net(problem *p, double dropout)
{
    bnorm_net_destroy(p->net);
    assert_ok(p->ctx, bnorm_net_create(p->ctx, INPUTS, &p->net));
    assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, UNITS));
    assert_ok(p->ctx, bnorm_net_batchnorm(p->ctx, p->net, (bnorm_rule){1e-5, 0}));
    assert_ok(p->ctx, bnorm_net_activation(p->ctx, p->net, bnorm_activation_find("tanh")));
    if (dropout > 0) assert_ok(p->ctx, bnorm_net_dropout(p->ctx, p->net, dropout));
    assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, 1));
    assert_ok(p->ctx, bnorm_net_start(p->ctx, p->net, 2));
    assert_ok(p->ctx, bnorm_net_set_penalty(p->ctx, p->net, NULL, 1e-3));
}

static problem *make_problem(int threads)
{
    problem *p = calloc(1, sizeof *p);
    p->ctx = make_ctx(threads);
    p->x = malloc(ROWS * INPUTS * sizeof *p->x);
    p->y = malloc(ROWS * sizeof *p->y);
    p->weights = malloc(ROWS * sizeof *p->weights);
    bnorm_random_normal(1, 1, 0, ROWS * INPUTS, p->x);
    bnorm_random_normal(1, 2, 0, ROWS, p->y);
    for (ptrdiff_t i = 0; i < ROWS; i++) {
        const double *x = p->x + i * INPUTS;
        p->y[i] = sin(x[0]) + x[1] * x[2] + 0.3 * p->y[i];
        p->weights[i] = (double)(i % 3);
    }
    p->mx = bnorm_view_f64(p->x, ROWS - VALID, INPUTS, BNORM_ROW_MAJOR);
    p->my = bnorm_view_f64(p->y, ROWS - VALID, 1, BNORM_ROW_MAJOR);
    p->vx = bnorm_view_f64(p->x + p->mx.rows * INPUTS, VALID, INPUTS, BNORM_ROW_MAJOR);
    p->vy = bnorm_view_f64(p->y + p->mx.rows, VALID, 1, BNORM_ROW_MAJOR);
    p->loss = bnorm_loss_find("squared");
    bnorm_fit_defaults(&p->options);
    p->options.optimizer = BNORM_OPTIMIZER_LBFGS;
    p->options.epochs = 25;
    make_net(p, 0);
    return p;
}

static void free_problem(problem *p)
{
    bnorm_net_destroy(p->net);
    bnorm_ctx_destroy(p->ctx);
    free(p->x);
    free(p->y);
    free(p->weights);
    free(p);
}

static bnorm_status fit_source(problem *p, int valid)
{
    bnorm_source source = {
        .rows = p->mx.rows, .weighted = 1, .most = 700, .read = read_rows, .user = p};
    bnorm_mat_f64 none = {0};
    return bnorm_fit_source(p->ctx, p->net, &source, valid ? p->vx : none, valid ? p->vy : none,
                            NULL, p->loss, &p->options, &p->report);
}

static bnorm_status fit_memory(problem *p, int valid)
{
    bnorm_mat_f64 none = {0};
    return bnorm_fit(p->ctx, p->net, p->mx, p->my, p->weights, valid ? p->vx : none,
                     valid ? p->vy : none, NULL, p->loss, &p->options, &p->report);
}

static double *copy_parameters(problem *p, ptrdiff_t *count)
{
    double *from = bnorm_net_parameters(p->net, count);
    double *to = malloc((size_t)*count * sizeof *to);
    memcpy(to, from, (size_t)*count * sizeof *to);
    return to;
}

/* The same bits from a source and from memory, with 1 to 3 threads, with validation or not. */
static void same_bits(void **state)
{
    (void)state;
    for (int valid = 0; valid < 2; valid++) {
        problem *first = make_problem(1);
        ptrdiff_t count;
        assert_ok(first->ctx, fit_memory(first, valid));
        double *expected = copy_parameters(first, &count);
        for (int threads = 1; threads <= 3; threads++) {
            problem *p = make_problem(threads);
            assert_ok(p->ctx, fit_source(p, valid));
            assert_memory_equal(bnorm_net_parameters(p->net, NULL), expected,
                                (size_t)count * sizeof *expected);
            assert_int_equal(p->report.best_epoch, first->report.best_epoch);
            assert_true(fabs(p->report.loss - first->report.loss) <=
                        0x1p-40 * first->report.loss);
            if (valid)
                assert_true(p->report.validation == first->report.validation);
            else
                assert_true(isnan(p->report.validation));
            free_problem(p);
        }
        free(expected);
        free_problem(first);
    }
}

/* The minimum is that of the ordinary passes, which running statistics ask for. */
static void same_minimum(void **state)
{
    (void)state;
    problem *streams = make_problem(2), *passes = make_problem(2);
    bnorm_layer_info info;
    passes->options.running = 1;
    assert_ok(streams->ctx, fit_memory(streams, 0));
    assert_ok(passes->ctx, fit_memory(passes, 0));
    assert_ok(NULL, bnorm_net_population(NULL, passes->net, passes->mx, passes->weights));
    double loss;
    assert_ok(NULL, bnorm_net_loss(NULL, passes->net, passes->mx, passes->my, passes->weights,
                                   passes->loss, &loss));
    assert_true(fabs(loss - streams->report.loss) <= 1e-6 * loss);
    /* the statistics kept are those of the population */
    double mean[UNITS];
    assert_ok(NULL, bnorm_net_layer_info(NULL, streams->net, 1, &info));
    memcpy(mean, info.mean, sizeof mean);
    assert_ok(NULL, bnorm_net_population(NULL, streams->net, streams->mx, streams->weights));
    for (int j = 0; j < UNITS; j++) assert_true(fabs(mean[j] - info.mean[j]) <= 1e-12);
    free_problem(streams);
    free_problem(passes);
}

/* Full batches of Adam stream too, with dropout: the same masks. */
static void full_batches(void **state)
{
    (void)state;
    problem *streams = make_problem(1), *passes = make_problem(1);
    problem *both[] = {streams, passes};
    for (int k = 0; k < 2; k++) {
        problem *p = both[k];
        make_net(p, 0.2);
        p->options.optimizer = BNORM_OPTIMIZER_ADAM;
        p->options.batch = ROWS;
        p->options.epochs = 3;
        p->options.rate = 0.01;
        p->options.running = k;
        assert_ok(p->ctx, fit_memory(p, 0));
    }
    ptrdiff_t count;
    const double *a = bnorm_net_parameters(streams->net, &count);
    const double *b = bnorm_net_parameters(passes->net, NULL);
    for (ptrdiff_t i = 0; i < count; i++) assert_true(fabs(a[i] - b[i]) <= 1e-8);
    free_problem(streams);
    free_problem(passes);
}

/* A source that fails amid a fit: its status, and the parameters of the best so far. */
static void failing_source(void **state)
{
    (void)state;
    for (int after = 1; after < 400; after += 37) {
        problem *p = make_problem(1);
        p->fail_after = after;
        assert_fails(p->ctx, fit_source(p, 0), BNORM_E_USER, "returned 3 for rows");
        ptrdiff_t count;
        const double *params = bnorm_net_parameters(p->net, &count);
        for (ptrdiff_t i = 0; i < count; i++) assert_true(isfinite(params[i]));
        free_problem(p);
    }
}

static void refusals(void **state)
{
    (void)state;
    problem *p = make_problem(1);
    p->options.optimizer = BNORM_OPTIMIZER_ADAM;
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_ARGUMENT, "L-BFGS");
    p->options.optimizer = BNORM_OPTIMIZER_AUTO;
    p->options.running = 1;
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_ARGUMENT, "L-BFGS");
    p->options.running = 0;
    make_net(p, 0.5);
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_ARGUMENT, "dropout");
    make_net(p, 0);
    bnorm_mat_f64 all = p->mx;
    p->mx.rows = p->my.rows = 1;
    p->weights[0] = 5;
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_DOMAIN, "1 row of positive weight");
    assert_fails(p->ctx, fit_memory(p, 0), BNORM_E_DOMAIN, "1 row of positive weight");
    p->mx.rows = p->my.rows = all.rows;
    for (ptrdiff_t i = 0; i < all.rows; i++) p->weights[i] = i == 800 ? 3 : 0;
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_DOMAIN, "1 row of positive weight");
    for (ptrdiff_t i = 0; i < all.rows; i++) p->weights[i] = (double)(i % 3);
    p->x[77] = INFINITY;
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_NONFINITE, "not finite");
    assert_fails(p->ctx, fit_memory(p, 0), BNORM_E_NONFINITE, "row 7, column 6");
    p->options.struct_size = 1;
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_ARGUMENT, "unknown size");
    free_problem(p);
}

static int stop(void *user)
{
    return --*(int *)user == 0;
}

/* An interruption leaves an accepted iterate with its statistics. */
static void interruption(void **state)
{
    (void)state;
    problem *p = make_problem(1);
    int left = 12;
    p->options.interrupted = stop;
    p->options.interrupted_user = &left;
    assert_fails(p->ctx, fit_source(p, 0), BNORM_E_INTERRUPTED, "interrupted");
    assert_true(p->report.epochs > 0 && isfinite(p->report.loss));
    free_problem(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits),    cmocka_unit_test(same_minimum),
        cmocka_unit_test(full_batches), cmocka_unit_test(failing_source),
        cmocka_unit_test(refusals),     cmocka_unit_test(interruption),
    };
    return cmocka_run_group_tests_name("stream_fit", tests, NULL, NULL);
}
