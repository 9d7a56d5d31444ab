/* train_stop: every way a fit ends and what it leaves: early stopping, interruption,
 * divergence, running statistics, refused options, memory that fails. */
#include "train_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layer/layer.h"

typedef struct watcher {
    problem *p;
    double best, last, *kept, *latest; /* parameters: of the best epoch, of the last */
    ptrdiff_t best_epoch, epochs, stop_at, count;
} watcher;

static int watch(void *user, const bnorm_progress *progress)
{
    watcher *w = user;
    w->epochs = progress->epoch;
    w->last = progress->loss;
    free(w->latest);
    w->latest = copy_parameters(w->p, &w->count);
    assert_true(progress->seconds >= 0);
    if (progress->validation < w->best) {
        w->best = progress->validation;
        w->best_epoch = progress->epoch;
        free(w->kept);
        w->kept = copy_parameters(w->p, &w->count);
    }
    return progress->epoch == w->stop_at;
}

/* The start, epoch 0, as fit_validated measures it. */
static void watch_start(watcher *w)
{
    problem *p = w->p;
    ptrdiff_t cut = p->rows * 2 / 3, rest = p->rows - cut;
    w->kept = copy_parameters(p, &w->count);
    if (!p->options.running)
        assert_ok(p->ctx,
                  bnorm_net_population(p->ctx, p->net, bnorm_rows_of(p->mx, 0, cut), NULL));
    assert_ok(p->ctx, bnorm_net_loss(p->ctx, p->net, bnorm_rows_of(p->mx, cut, rest),
                                     bnorm_rows_of(p->my, cut, rest), NULL, p->loss, &w->best));
}

/* Few noisy rows and many units: validation gets worse, the fit stops `patience` epochs after
 * the best and holds it, statistics included. */
static void early_stopping_restores_the_best(void **state)
{
    (void)state;
    for (int running = 0; running < 2; running++)
        for (bnorm_optimizer o = BNORM_OPTIMIZER_LBFGS; o <= BNORM_OPTIMIZER_ADAM; o++) {
            problem *p = make_problem(1, 90, 0);
            double noise[90];
            bnorm_random_normal(3, 3, 0, 90, noise);
            for (int i = 0; i < 90; i++) p->y[i] += noise[i];
            add_net(p, 40, "tanh", 0);
            watcher w = {.p = p};
            p->options.optimizer = o;
            p->options.patience = 6;
            p->options.epochs = 2000;
            p->options.rate = 0.02;
            p->options.running = running;
            p->options.progress = watch;
            p->options.progress_user = &w;
            watch_start(&w);
            assert_ok(p->ctx, fit_validated(p));
            assert_int_equal(p->report.best_epoch, w.best_epoch);
            assert_int_equal(p->report.epochs, w.best_epoch + 6);
            assert_int_equal(p->report.epochs, w.epochs);
            assert_true(p->report.validation == w.best);
            assert_memory_equal(bnorm_net_parameters(p->net, NULL), w.kept,
                                (size_t)w.count * sizeof *w.kept);
            free(w.kept), free(w.latest);
            free_problem(p);
        }
}

/* A fit that makes good parameters worse gives them back. */
static void refit_keeps_a_better_start(void **state)
{
    (void)state;
    for (int running = 0; running < 2; running++) {
        problem *p = make_problem(1, 300, 0);
        add_net(p, 8, "tanh", 0);
        p->options.running = running;
        assert_ok(p->ctx, fit_validated(p));
        ptrdiff_t count;
        double *good = copy_parameters(p, &count), validation = p->report.validation;
        p->options.optimizer = BNORM_OPTIMIZER_SGD;
        p->options.rate = 1;
        p->options.epochs = 5;
        assert_ok(p->ctx, fit_validated(p));
        assert_int_equal(p->report.best_epoch, 0);
        assert_int_equal(p->report.epochs, 5);
        assert_true(p->report.validation == validation);
        assert_memory_equal(good, bnorm_net_parameters(p->net, NULL),
                            (size_t)count * sizeof *good);
        free(good);
        free_problem(p);
    }
}

static int countdown(void *user)
{
    return --*(int *)user < 0;
}

static void interruption_leaves_a_whole_network(void **state)
{
    (void)state;
    for (bnorm_optimizer o = BNORM_OPTIMIZER_LBFGS; o <= BNORM_OPTIMIZER_ADAM; o++) {
        problem *p = make_problem(1, 300, 0);
        add_net(p, 10, "relu", 0);
        watcher w = {.p = p, .stop_at = 3};
        p->options.optimizer = o;
        p->options.progress = watch;
        p->options.progress_user = &w;
        assert_fails(p->ctx, fit_it(p), BNORM_E_INTERRUPTED, "interrupted");
        assert_int_equal(p->report.epochs, 3);
        assert_true(p->report.loss == loss_now(p));
        for (int left = 0; left < 12; left++) {
            int calls = left;
            p->options.progress = NULL;
            p->options.interrupted = countdown;
            p->options.interrupted_user = &calls;
            add_net(p, 10, "relu", 0);
            assert_fails(p->ctx, fit_it(p), BNORM_E_INTERRUPTED, "interrupted");
            assert_true(p->report.loss == loss_now(p) && isfinite(p->report.loss));
        }
        free(w.kept), free(w.latest);
        free_problem(p);
    }
}

/* A step that ruined the parameters, and no whole epoch since: the start comes back. */
static void interruption_amid_an_epoch(void **state)
{
    (void)state;
    for (int running = 0; running < 2; running++)
        for (bnorm_optimizer o = BNORM_OPTIMIZER_SGD; o <= BNORM_OPTIMIZER_ADAM; o++) {
            problem *p = make_problem(1, 300, 0);
            add_net(p, 10, "relu", 0);
            ptrdiff_t count;
            double *start = copy_parameters(p, &count);
            int calls = 1;
            p->options.optimizer = o;
            p->options.running = running;
            p->options.rate = 1e308;
            p->options.interrupted = countdown;
            p->options.interrupted_user = &calls;
            assert_fails(p->ctx, fit_it(p), BNORM_E_INTERRUPTED, "interrupted");
            assert_memory_equal(start, bnorm_net_parameters(p->net, NULL),
                                (size_t)count * sizeof *start);
            assert_true(isfinite(p->report.loss));
            free(start);
            free_problem(p);
        }
}

/* Stopped inside a line search, L-BFGS goes back to the last iterate, not to a trial. */
static void interrupted_search(void **state)
{
    (void)state;
    problem *p = make_problem(1, 300, 0);
    for (int left = 4; left < 40; left += 3) {
        int calls = left;
        watcher w = {.p = p};
        add_net(p, 10, "relu", 0);
        p->options.optimizer = BNORM_OPTIMIZER_LBFGS;
        p->options.progress = watch;
        p->options.progress_user = &w;
        p->options.interrupted = countdown;
        p->options.interrupted_user = &calls;
        assert_fails(p->ctx, fit_it(p), BNORM_E_INTERRUPTED, "interrupted");
        assert_true(w.epochs > 0);
        assert_memory_equal(bnorm_net_parameters(p->net, NULL), w.latest,
                            (size_t)w.count * sizeof *w.latest);
        free(w.kept), free(w.latest);
    }
    free_problem(p);
}

static void divergence_restores(void **state)
{
    (void)state;
    problem *p = make_problem(1, 300, 0);
    add_net(p, 0, "", 0);
    watcher w = {.p = p};
    p->options.optimizer = BNORM_OPTIMIZER_SGD;
    p->options.rate = 1e6;
    p->options.epochs = 1000;
    p->options.progress = watch;
    p->options.progress_user = &w;
    assert_fails(p->ctx, fit_it(p), BNORM_E_NONFINITE, "lower the rate, now 1e+06");
    const double *now = bnorm_net_parameters(p->net, NULL);
    for (int k = 0; k <= P; k++) assert_true(isfinite(now[k]));
    assert_int_equal(p->report.epochs, w.epochs);
    assert_memory_equal(now, w.latest,
                        (P + 1) * sizeof *now); /* those of the last whole epoch */
    free(w.kept), free(w.latest);
    p->x[7 * P + 2] = NAN;
    for (bnorm_optimizer o = BNORM_OPTIMIZER_LBFGS; o <= BNORM_OPTIMIZER_ADAM; o++) {
        add_net(p, 3, "tanh", 0);
        ptrdiff_t count;
        double *start = copy_parameters(p, &count);
        p->options.optimizer = o;
        p->options.progress = NULL;
        assert_fails(p->ctx, fit_it(p), BNORM_E_NONFINITE, "row 8, column 3");
        assert_memory_equal(start, bnorm_net_parameters(p->net, &count),
                            (size_t)count * sizeof *start);
        free(start);
    }
    free_problem(p);
}

static bnorm_status fit_weighted(problem *p)
{
    static const bnorm_mat_f64 none;
    return bnorm_fit(p->ctx, p->net, p->mx, p->my, p->w, none, none, NULL, p->loss, &p->options,
                     &p->report);
}

/* One exponential update a batch, from mean 0 and variance 1: with one batch an epoch the mean
 * of an input layer is (1 - 0.75^epochs) that of the data; the weights are those of the fit. */
static void running_statistics(void **state)
{
    (void)state;
    for (int weighted = 0; weighted < 2; weighted++) {
        problem *p = make_problem(1, 120, 0);
        assert_ok(p->ctx, bnorm_net_create(p->ctx, P, &p->net));
        assert_ok(p->ctx, bnorm_net_batchnorm(p->ctx, p->net, (bnorm_rule){1e-5, 0}));
        assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, 1));
        assert_ok(p->ctx, bnorm_net_start(p->ctx, p->net, 5));
        p->options.optimizer = BNORM_OPTIMIZER_ADAM;
        p->options.epochs = 4;
        p->options.batch = 120;
        p->options.running = 1;
        p->options.update = 0.25;
        assert_ok(p->ctx, weighted ? fit_weighted(p) : fit_it(p));
        double n, mean[P], m2[P], left = pow(0.75, 4);
        assert_ok(p->ctx,
                  bnorm_moments_f64(p->ctx, p->mx, weighted ? p->w : NULL, &n, mean, m2));
        bnorm_layer_info info;
        assert_ok(p->ctx, bnorm_net_layer_info(p->ctx, p->net, 0, &info));
        assert_true(n == 120);
        for (int j = 0; j < P; j++) {
            assert_true(fabs(info.mean[j] - (1 - left) * mean[j]) < 1e-15);
            assert_true(fabs(info.var[j] - (left + (1 - left) * m2[j] / 119)) < 1e-15 * 8);
        }
        free_problem(p);
    }
}

/* -------------------------------------------------------------------------------- errors */

static void option_errors(void **state)
{
    (void)state;
    problem *p = make_problem(1, 30, 0);
    add_net(p, 3, "relu", 0.5);
    bnorm_fit_options *o = &p->options;
#define REFUSED(field, value, text)                                                            \
    do {                                                                                       \
        bnorm_fit_defaults(o);                                                                 \
        o->field = value;                                                                      \
        assert_fails(p->ctx, fit_it(p), BNORM_E_ARGUMENT, text);                               \
    } while (0)
    REFUSED(struct_size, 3, "size");
    REFUSED(optimizer, (bnorm_optimizer)9, "optimizer");
    REFUSED(epochs, -1, "epochs");
    REFUSED(batch, -1, "batch");
    REFUSED(rate, -1, "rate");
    REFUSED(rate, NAN, "rate");
    REFUSED(momentum, 1, "momentum");
    REFUSED(decay, 1, "decay");
    REFUSED(beta1, 1, "beta1");
    REFUSED(beta2, -0.1, "beta2");
    REFUSED(weight_decay, -1, "weight_decay");
    REFUSED(tolerance, NAN, "tolerance");
    REFUSED(memory, 0, "memory");
    REFUSED(patience, -1, "patience");
    REFUSED(update, 0, "update");
    REFUSED(running_ddof, -1, "running_ddof");
    REFUSED(optimizer, BNORM_OPTIMIZER_LBFGS, "dropout");
#undef REFUSED
    bnorm_fit_defaults(o);
    o->epochs = 1;
    assert_ok(p->ctx, fit_it(p));
    assert_int_equal(p->report.optimizer, BNORM_OPTIMIZER_ADAM); /* dropout: not L-BFGS */
    p->y[4] = NAN;
    assert_fails(p->ctx, fit_it(p), BNORM_E_DATA, "row 5");
    p->my.rows = 29;
    assert_fails(p->ctx, fit_it(p), BNORM_E_ARGUMENT, "29 x 1");
    free_problem(p);
}

/* Too few degrees of freedom are refused before the first step. */
static void too_few_observations(void **state)
{
    (void)state;
    for (bnorm_optimizer o = BNORM_OPTIMIZER_LBFGS; o <= BNORM_OPTIMIZER_ADAM; o++) {
        problem *p = make_problem(1, 40, 0);
        p->options.optimizer = o;
        add_net(p, 3, "tanh", 0); /* ddof 1 */
        for (int i = 0; i < 40; i++) p->w[i] = i == 7;
        assert_fails(p->ctx, fit_weighted(p), BNORM_E_DOMAIN, "1 row of positive weight");
        for (int i = 0; i < 40; i++) p->w[i] = 1 / 64.0;
        p->options.batch = 8;
        assert_fails(p->ctx, fit_weighted(p), BNORM_E_DOMAIN, "copies of a row");
        bnorm_net_destroy(p->net); /* now only the running statistics need more than 1 */
        assert_ok(p->ctx, bnorm_net_create(p->ctx, P, &p->net));
        assert_ok(p->ctx, bnorm_net_batchnorm(p->ctx, p->net, (bnorm_rule){1e-5, 0}));
        assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, 1));
        assert_ok(p->ctx, bnorm_net_start(p->ctx, p->net, 5));
        p->options.epochs = 2;
        assert_ok(p->ctx, fit_weighted(p));
        p->options.running = 1;
        assert_fails(p->ctx, fit_weighted(p), BNORM_E_DOMAIN, "ddof is 1");
        add_net(p, 0, "", 0);
        assert_ok(p->ctx, fit_weighted(p));
        free_problem(p);
    }
}

/* The k-th allocation fails, k = 1, 2, ... until all succeed: MEMORY each time, no leak. */
static bnorm_status everything(bnorm_ctx *ctx, bnorm_optimizer optimizer)
{
    static double x[3000 * 3], y[3000], scores[3000];
    bnorm_random_normal(1, 1, 0, 3000 * 3, x);
    bnorm_random_normal(1, 2, 0, 3000, y);
    ptrdiff_t rows = optimizer == BNORM_OPTIMIZER_LBFGS ? 3000 : 60;
    bnorm_mat_f64 mx = bnorm_view_f64(x, rows, 3, BNORM_COL_MAJOR);
    bnorm_mat_f64 my = bnorm_view_f64(y, rows, 1, BNORM_COL_MAJOR);
    bnorm_mat_f64 ms = bnorm_view_f64(scores, rows, 1, BNORM_COL_MAJOR);
    const bnorm_loss *loss = bnorm_loss_find("squared");
    bnorm_check_block report[5];
    bnorm_fit_options o;
    bnorm_fit_defaults(&o);
    o.optimizer = optimizer;
    o.epochs = 2;
    bnorm_net *net;
    bnorm_status s = bnorm_net_create(ctx, 3, &net);
    if (s != BNORM_OK) assert_null(net);
    if (s == BNORM_OK) s = bnorm_net_dense(ctx, net, 4);
    if (s == BNORM_OK) s = bnorm_net_batchnorm(ctx, net, (bnorm_rule){1e-5, 0});
    if (s == BNORM_OK) s = bnorm_net_activation(ctx, net, bnorm_activation_find("relu"));
    if (s == BNORM_OK) s = bnorm_net_dense(ctx, net, 1);
    if (s == BNORM_OK) s = bnorm_net_start(ctx, net, 1);
    if (s == BNORM_OK) s = bnorm_fit(ctx, net, mx, my, NULL, mx, my, NULL, loss, &o, NULL);
    if (s == BNORM_OK) s = bnorm_net_predict(ctx, net, mx, ms);
    if (s == BNORM_OK && rows == 60)
        s = bnorm_net_check(ctx, net, mx, my, NULL, loss, 1, 2, report);
    bnorm_net_destroy(net);
    return s;
}

static void allocations_fail_one_after_the_other(void **state)
{
    (void)state;
    for (bnorm_optimizer o = BNORM_OPTIMIZER_LBFGS; o <= BNORM_OPTIMIZER_SGD; o++) {
        bnorm_status status = BNORM_E_MEMORY;
        for (long k = 2; status != BNORM_OK; k++) {
            failing_memory memory = {.fail_at = k};
            bnorm_ctx *ctx = make_failing_ctx(&memory, 1);
            status = everything(ctx, o);
            assert_true(status == BNORM_OK || status == BNORM_E_MEMORY);
            assert_true(status == BNORM_OK || strstr(bnorm_ctx_message(ctx), "memory"));
            bnorm_ctx_destroy(ctx);
            assert_int_equal(memory.live, 0);
            assert_true(k < 500);
            if (status == BNORM_OK) assert_true(k > 20);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_stopping_restores_the_best),
        cmocka_unit_test(refit_keeps_a_better_start),
        cmocka_unit_test(interruption_leaves_a_whole_network),
        cmocka_unit_test(interruption_amid_an_epoch),
        cmocka_unit_test(interrupted_search),
        cmocka_unit_test(divergence_restores),
        cmocka_unit_test(running_statistics),
        cmocka_unit_test(option_errors),
        cmocka_unit_test(too_few_observations),
        cmocka_unit_test(allocations_fail_one_after_the_other),
    };
    return cmocka_run_group_tests_name("train_stop", tests, NULL, NULL);
}
