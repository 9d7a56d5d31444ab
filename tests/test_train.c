/* train: batches, each optimiser against its formula, L-BFGS against closed forms, the same
 * bits for any threads, what is kept when a fit stops, and every way to stop. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/fit.h"

enum { P = 5, MOST = 4096 };

typedef struct problem {
    bnorm_ctx *ctx;
    bnorm_net *net;
    ptrdiff_t rows;
    double x[MOST * P], y[MOST], w[MOST];
    bnorm_mat_f64 mx, my;
    const bnorm_loss *loss;
    bnorm_fit_options options;
    bnorm_fit_report report;
} problem;

static const bnorm_mat_f64 none;

/* y = sin(x0) + x1 x2 + noise, or its sign as a class */
static problem *make_problem(int threads, ptrdiff_t rows, int classes)
{
    problem *p = calloc(1, sizeof *p);
    p->ctx = make_ctx(threads);
    p->rows = rows;
    bnorm_random_normal(11, 1, 0, rows * P, p->x);
    bnorm_random_normal(11, 2, 0, rows, p->y);
    for (ptrdiff_t i = 0; i < rows; i++) {
        const double *x = p->x + i * P;
        p->y[i] = 0.1 * p->y[i] + sin(x[0]) + x[1] * x[2];
        if (classes) p->y[i] = p->y[i] > 0;
        p->w[i] = (double)(i % 3);
    }
    p->mx = bnorm_view_f64(p->x, rows, P, BNORM_ROW_MAJOR);
    p->my = bnorm_view_f64(p->y, rows, 1, BNORM_ROW_MAJOR);
    p->loss = bnorm_loss_find(classes ? "logistic" : "squared");
    bnorm_fit_defaults(&p->options);
    return p;
}

static void add_net(problem *p, ptrdiff_t hidden, const char *activation, double dropout)
{
    bnorm_net_destroy(p->net);
    assert_ok(p->ctx, bnorm_net_create(p->ctx, P, &p->net));
    if (hidden) {
        assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, hidden));
        assert_ok(p->ctx, bnorm_net_batchnorm(p->ctx, p->net, (bnorm_rule){1e-5, 1}));
        assert_ok(p->ctx,
                  bnorm_net_activation(p->ctx, p->net, bnorm_activation_find(activation)));
        if (dropout > 0) assert_ok(p->ctx, bnorm_net_dropout(p->ctx, p->net, dropout));
    }
    assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, 1));
    assert_ok(p->ctx, bnorm_net_start(p->ctx, p->net, 5));
}

static bnorm_status fit_it(problem *p)
{
    return bnorm_fit(p->ctx, p->net, p->mx, p->my, NULL, none, none, NULL, p->loss, &p->options,
                     &p->report);
}

/* The last third of the rows validates. */
static bnorm_status fit_validated(problem *p)
{
    ptrdiff_t cut = p->rows * 2 / 3;
    return bnorm_fit(p->ctx, p->net, bnorm_rows_of(p->mx, 0, cut), bnorm_rows_of(p->my, 0, cut),
                     NULL, bnorm_rows_of(p->mx, cut, p->rows - cut),
                     bnorm_rows_of(p->my, cut, p->rows - cut), NULL, p->loss, &p->options,
                     &p->report);
}

static void free_problem(problem *p)
{
    bnorm_net_destroy(p->net);
    bnorm_ctx_destroy(p->ctx);
    free(p);
}

static double *copy_parameters(const problem *p, ptrdiff_t *count)
{
    const double *now = bnorm_net_parameters(p->net, count);
    double *copy = malloc((size_t)*count * sizeof *copy);
    memcpy(copy, now, (size_t)*count * sizeof *copy);
    return copy;
}

/* ------------------------------------------------------------------------------- batches */

static void batch_sizes(void **state)
{
    (void)state;
    for (ptrdiff_t rows = 2; rows <= 300; rows++)
        for (ptrdiff_t batch = 1; batch <= 70; batch++)
            for (ptrdiff_t least = 2; least <= 4; least++) {
                ptrdiff_t count = bnorm_batch_count(rows, batch, least), low = rows, high = 0;
                assert_true(count >= 1);
                assert_int_equal(bnorm_batch_first(rows, count, 0), 0);
                assert_int_equal(bnorm_batch_first(rows, count, count), rows);
                for (ptrdiff_t k = 0; k < count; k++) {
                    ptrdiff_t size = bnorm_batch_first(rows, count, k + 1) -
                                     bnorm_batch_first(rows, count, k);
                    low = size < low ? size : low;
                    high = size > high ? size : high;
                }
                assert_true(high - low <= 1);
                assert_true(low >= (rows < least ? rows : least));
                /* about `batch`: one batch more or less would not be nearer */
                if (batch >= least && rows >= batch)
                    assert_true(labs(rows - count * batch) * 2 <= batch ||
                                count == rows / least);
            }
}

/* Each row of positive weight comes once an epoch, with its target and weight, in an order that
 * differs between epochs. Seen through a layer that records its input. */
typedef struct recorder {
    double seen[64 * 8];
    ptrdiff_t rows;
} recorder;

static int record(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                  bnorm_mat_f64 y)
{
    recorder *r = user;
    (void)params;
    for (ptrdiff_t i = 0; i < x.rows; i++) {
        y.data[i] = x.data[i];
        if (pass->training) {
            assert_true(r->rows < 64 * 8);
            assert_true(pass->weights[i] == 1 + x.data[i]);
            r->seen[r->rows++] = x.data[i];
        }
    }
    return 0;
}

static int pass_back(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                     bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx)
{
    (void)user, (void)pass, (void)params, (void)x, (void)y, (void)dparams;
    if (dx.data) memcpy(dx.data, dy.data, (size_t)(dy.rows * dy.cols) * sizeof *dy.data);
    return 0;
}

static void each_row_once_an_epoch(void **state)
{
    (void)state;
    enum { ROWS = 61, EPOCHS = 4 };
    recorder r = {.rows = 0};
    bnorm_layer spy = {sizeof spy, "spy", &r, NULL, NULL, NULL, record, pass_back};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net;
    double x[ROWS], y[ROWS], w[ROWS];
    for (int i = 0; i < ROWS; i++) {
        x[i] = y[i] = i;
        w[i] = i == 13 ? 0 : 1 + i;
    }
    assert_ok(ctx, bnorm_net_create(ctx, 1, &net));
    assert_ok(ctx, bnorm_net_layer(ctx, net, &spy));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    bnorm_fit_options o;
    bnorm_fit_defaults(&o);
    o.optimizer = BNORM_OPTIMIZER_SGD;
    o.epochs = EPOCHS;
    o.batch = 8;
    o.rate = 1e-9;
    assert_ok(ctx, bnorm_fit(ctx, net, bnorm_view_f64(x, ROWS, 1, BNORM_COL_MAJOR),
                             bnorm_view_f64(y, ROWS, 1, BNORM_COL_MAJOR), w, none, none, NULL,
                             bnorm_loss_find("squared"), &o, NULL));
    assert_int_equal(r.rows, EPOCHS * (ROWS - 1));
    for (int e = 0; e < EPOCHS; e++) {
        int seen[ROWS] = {0}, moved = 0;
        for (int i = 0; i < ROWS - 1; i++) {
            seen[(int)r.seen[e * (ROWS - 1) + i]]++;
            moved += e > 0 && r.seen[e * (ROWS - 1) + i] != r.seen[i];
        }
        for (int i = 0; i < ROWS; i++) assert_int_equal(seen[i], i != 13);
        assert_true(e == 0 || moved > ROWS / 2);
    }
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* ---------------------------------------------------------------------------- optimisers */

/* The formulas once more, on the gradient of the public function. */
static void formula_step(const bnorm_fit_options *o, double t, double g, double *m, double *s,
                         double *p)
{
    switch (o->optimizer) {
    case BNORM_OPTIMIZER_SGD:
        *m = o->momentum * *m + g;
        *p -= o->rate * (o->nesterov ? g + o->momentum * *m : *m);
        return;
    case BNORM_OPTIMIZER_RMSPROP:
        *s = o->decay * *s + (1 - o->decay) * g * g;
        *p -= o->rate * g / (sqrt(*s) + 1e-8);
        return;
    default:
        *m = o->beta1 * *m + (1 - o->beta1) * g;
        *s = o->beta2 * *s + (1 - o->beta2) * g * g;
        *p -= o->rate * (*m / (1 - pow(o->beta1, t))) /
              (sqrt(*s / (1 - pow(o->beta2, t))) + 1e-8);
    }
}

static void steps_follow_the_formulas(void **state)
{
    (void)state;
    enum { STEPS = 5 };
    for (int c = 0; c < 5; c++) {
        problem *p = make_problem(1, 60, 0);
        add_net(p, 0, "", 0); /* linear: a penalised block G1 and a bias */
        bnorm_fit_options *o = &p->options;
        o->optimizer = c < 2
                           ? BNORM_OPTIMIZER_SGD
                           : (bnorm_optimizer[]){BNORM_OPTIMIZER_RMSPROP, BNORM_OPTIMIZER_ADAM,
                                                 BNORM_OPTIMIZER_ADAM}[c - 2];
        o->nesterov = c == 1;
        o->weight_decay = c == 4 ? 0.3 : 0;
        o->rate = 0.05;
        o->epochs = STEPS;
        o->batch = 60;
        double lambda = 0.2, m[P + 1] = {0}, s[P + 1] = {0};
        assert_ok(p->ctx, bnorm_net_set_penalty(p->ctx, p->net, NULL, lambda));
        ptrdiff_t count;
        double *now = bnorm_net_parameters(p->net, &count), *start = copy_parameters(p, &count);
        for (int t = 1; t <= STEPS; t++) {
            double g[P + 1], r;
            assert_ok(p->ctx, bnorm_net_gradient(p->ctx, p->net, p->mx, p->my, NULL, p->loss, 0,
                                                 0, &r, g));
            for (int k = 0; k <= P; k++) {
                int weight = k < P;
                double with_penalty = g[k] + (weight ? 2 * lambda * now[k] : 0);
                if (weight) now[k] *= 1 - o->rate * o->weight_decay;
                formula_step(o, t, with_penalty, m + k, s + k, now + k);
            }
        }
        double expected[P + 1];
        memcpy(expected, now, sizeof expected);
        memcpy(now, start, sizeof expected);
        assert_ok(p->ctx, fit_it(p));
        for (int k = 0; k <= P; k++) assert_true(fabs(now[k] - expected[k]) < 1e-14);
        assert_int_equal(p->report.epochs, STEPS);
        assert_int_equal(p->report.optimizer, o->optimizer);
        free(start);
        free_problem(p);
    }
}

/* Solves a x = b in place by Gauss and Jordan; a is n x n and positive definite. */
static void solve(int n, long double *a, long double *b)
{
    for (int k = 0; k < n; k++)
        for (int i = 0; i < n; i++) {
            if (i == k) continue;
            long double f = a[i * n + k] / a[k * n + k];
            for (int j = k; j < n; j++) a[i * n + j] -= f * a[k * n + j];
            b[i] -= f * b[k];
        }
    for (int k = 0; k < n; k++) b[k] /= a[k * n + k];
}

/* A linear network is (ridge) regression: (X'X + n lambda D) b = X'y, D without the bias. */
static void lbfgs_solves_least_squares(void **state)
{
    (void)state;
    enum { K = P + 1 };
    for (int weighted = 0; weighted < 2; weighted++)
        for (double lambda = 0; lambda < 0.2; lambda += 0.1) {
            problem *p = make_problem(1, 200, 0);
            add_net(p, 0, "", 0);
            assert_ok(p->ctx, bnorm_net_set_penalty(p->ctx, p->net, NULL, lambda));
            const double *w = weighted ? p->w : NULL;
            p->options.tolerance = 1e-10;
            assert_ok(p->ctx, bnorm_fit(p->ctx, p->net, p->mx, p->my, w, none, none, NULL,
                                        p->loss, &p->options, &p->report));
            assert_int_equal(p->report.optimizer, BNORM_OPTIMIZER_LBFGS);
            assert_true(p->report.converged && p->report.epochs < 40);
            long double a[K * K] = {0}, b[K] = {0}, n = 0;
            for (int i = 0; i < 200; i++) {
                long double row[K], omega = w ? w[i] : 1;
                for (int k = 0; k < K; k++) row[k] = k < P ? p->x[i * P + k] : 1;
                for (int k = 0; k < K; k++) {
                    for (int j = 0; j < K; j++) a[k * K + j] += omega * row[k] * row[j];
                    b[k] += omega * row[k] * p->y[i];
                }
                n += omega;
            }
            for (int k = 0; k < P; k++) a[k * K + k] += n * lambda;
            solve(K, a, b);
            const double *got = bnorm_net_parameters(p->net, NULL);
            for (int k = 0; k < K; k++) assert_true(fabs(got[k] - (double)b[k]) < 1e-9);
            free_problem(p);
        }
}

static double loss_now(problem *p)
{
    double value;
    assert_ok(p->ctx, bnorm_net_population(p->ctx, p->net, p->mx, NULL));
    assert_ok(p->ctx, bnorm_net_loss(p->ctx, p->net, p->mx, p->my, NULL, p->loss, &value));
    return value;
}

static void every_optimizer_learns(void **state)
{
    (void)state;
    static const char *const activations[] = {"relu", "tanh", "gelu"};
    for (int classes = 0; classes < 2; classes++)
        for (bnorm_optimizer o = BNORM_OPTIMIZER_LBFGS; o <= BNORM_OPTIMIZER_ADAM; o++) {
            problem *p = make_problem(1, 400, classes);
            add_net(p, 12, activations[o % 3], 0);
            p->options.optimizer = o;
            p->options.epochs = 60;
            p->options.rate = o == BNORM_OPTIMIZER_SGD ? 0.02 : 0.01;
            double before = loss_now(p);
            assert_ok(p->ctx, fit_it(p));
            double after = loss_now(p);
            assert_true(after < 0.4 * before);
            assert_true(p->report.loss == after); /* the statistics are the population's */
            assert_true(isnan(p->report.validation));
            free_problem(p);
        }
}

/* The whole fit has the same bits for 1 .. 4 threads and when run again. The sizes make every
 * product cut: rows in chunks, G in tiles. */
static void same_bits_for_any_threads(void **state)
{
    (void)state;
    for (bnorm_optimizer o = BNORM_OPTIMIZER_LBFGS; o <= BNORM_OPTIMIZER_ADAM; o++) {
        double *first = NULL, loss = 0;
        for (int threads = 1; threads <= 5; threads++) {
            problem *p = make_problem(threads == 5 ? 1 : threads, 2100, 0);
            add_net(p, 70, "relu", o == BNORM_OPTIMIZER_ADAM ? 0.3 : 0);
            p->options.optimizer = o;
            p->options.epochs = 3;
            p->options.batch = 700;
            assert_ok(p->ctx, fit_it(p));
            ptrdiff_t count;
            double *now = copy_parameters(p, &count);
            if (!first) {
                first = now;
                loss = p->report.loss;
            } else {
                assert_memory_equal(now, first, (size_t)count * sizeof *now);
                assert_true(p->report.loss == loss);
                free(now);
            }
            free_problem(p);
        }
        free(first);
    }
}

/* ------------------------------------------------------------------------- stop and keep */

typedef struct watcher {
    problem *p;
    double best, last, *kept;
    ptrdiff_t best_epoch, epochs, stop_at, count;
} watcher;

static int watch(void *user, const bnorm_progress *progress)
{
    watcher *w = user;
    w->epochs = progress->epoch;
    w->last = progress->loss;
    assert_true(progress->seconds >= 0);
    if (w->best_epoch == 0 || progress->validation < w->best) {
        w->best = progress->validation;
        w->best_epoch = progress->epoch;
        free(w->kept);
        w->kept = copy_parameters(w->p, &w->count);
    }
    return progress->epoch == w->stop_at;
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
            assert_ok(p->ctx, fit_validated(p));
            assert_int_equal(p->report.best_epoch, w.best_epoch);
            assert_int_equal(p->report.epochs, w.best_epoch + 6);
            assert_int_equal(p->report.epochs, w.epochs);
            assert_true(p->report.validation == w.best);
            assert_memory_equal(bnorm_net_parameters(p->net, NULL), w.kept,
                                (size_t)w.count * sizeof *w.kept);
            free(w.kept);
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
        free(w.kept);
        free_problem(p);
    }
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
    free(w.kept);
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

/* One exponential update a batch, from mean 0 and variance 1: with one batch an epoch the mean
 * of an input layer is (1 - 0.75^epochs) that of the data. */
static void running_statistics(void **state)
{
    (void)state;
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
    assert_ok(p->ctx, fit_it(p));
    double n, mean[P], m2[P], left = pow(0.75, 4);
    assert_ok(p->ctx, bnorm_moments_f64(p->ctx, p->mx, NULL, &n, mean, m2));
    bnorm_layer_info info;
    assert_ok(p->ctx, bnorm_net_layer_info(p->ctx, p->net, 0, &info));
    for (int j = 0; j < P; j++) {
        assert_true(fabs(info.mean[j] - (1 - left) * mean[j]) < 1e-15);
        assert_true(fabs(info.var[j] - (left + (1 - left) * m2[j] / 119)) < 1e-15 * 8);
    }
    free_problem(p);
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
        cmocka_unit_test(batch_sizes),
        cmocka_unit_test(each_row_once_an_epoch),
        cmocka_unit_test(steps_follow_the_formulas),
        cmocka_unit_test(lbfgs_solves_least_squares),
        cmocka_unit_test(every_optimizer_learns),
        cmocka_unit_test(same_bits_for_any_threads),
        cmocka_unit_test(early_stopping_restores_the_best),
        cmocka_unit_test(interruption_leaves_a_whole_network),
        cmocka_unit_test(divergence_restores),
        cmocka_unit_test(running_statistics),
        cmocka_unit_test(option_errors),
        cmocka_unit_test(allocations_fail_one_after_the_other),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
