/* train: batches, each optimiser against its formula, L-BFGS against closed forms, the same
 * bits for any threads. */
#include "train_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/fit.h"
#include "train/search.h"

static const bnorm_mat_f64 none;

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

/* Batches of 2 would leave no degree of freedom for ddof 3: they get 4 rows, and 3 rows are too
 * few for any batch. */
static void batches_suit_the_rule(void **state)
{
    (void)state;
    problem *p = make_problem(1, 41, 0);
    assert_ok(p->ctx, bnorm_net_create(p->ctx, P, &p->net));
    assert_ok(p->ctx, bnorm_net_batchnorm(p->ctx, p->net, (bnorm_rule){1e-5, 3}));
    assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, 1));
    assert_ok(p->ctx, bnorm_net_start(p->ctx, p->net, 5));
    assert_int_equal(bnorm_batch_least(p->net), 4);
    p->options.optimizer = BNORM_OPTIMIZER_SGD;
    p->options.batch = 2;
    p->options.epochs = 2;
    assert_ok(p->ctx, fit_it(p));
    p->mx.rows = p->my.rows = 3;
    assert_fails(p->ctx, fit_it(p), BNORM_E_DOMAIN, "");
    free_problem(p);
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
            problem *p = make_problem(threads == 5 ? 1 : threads, 4000, 0);
            add_net(p, 150, "relu", o == BNORM_OPTIMIZER_ADAM ? 0.3 : 0);
            p->options.optimizer = o;
            p->options.epochs = 2;
            p->options.batch = 2000; /* enough work to be shared out */
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

static bnorm_status evaluate(void *user, const double *p, double *value, double *gradient)
{
    fit *f = user;
    memcpy(f->parameters, p, (size_t)f->net->parameter_count * sizeof *p);
    return bnorm_fit_evaluate(f, &f->train, value, gradient);
}

/* From a first step far too short or too long the search finds one that lowers the objective by
 * its share and flattens its slope: both Wolfe conditions. */
static void search_meets_both_conditions(void **state)
{
    (void)state;
    problem *p = make_problem(1, 200, 0);
    fit f = {.ctx = p->ctx, .loss = p->loss, .options = p->options};
    f.train = (sample){p->mx, p->my, NULL, (double)p->rows};
    minimisation m = {.ctx = p->ctx, .count = P + 1, .evaluate = evaluate, .user = &f};
    for (double first = 1e-8; first < 1e9; first *= 10) {
        double start[P + 1], g[P + 1], d[P + 1], found_p[P + 1], found_g[P + 1], slope = 0;
        add_net(p, 0, "", 0);
        f.net = p->net;
        f.parameters = p->net->parameters;
        memcpy(start, f.parameters, sizeof start);
        point from = {start, g, 0}, to = {found_p, found_g, 0};
        assert_ok(p->ctx, bnorm_fit_evaluate(&f, &f.train, &from.value, g));
        for (int k = 0; k <= P; k++) slope -= g[k] * g[k], d[k] = -g[k];
        int found;
        assert_ok(p->ctx, bnorm_search(&m, &from, d, slope, first, &to, &found));
        double step = (found_p[0] - start[0]) / d[0];
        assert_int_equal(found, 1);
        assert_true(to.value <= from.value + 1e-4 * step * slope);
        assert_true(bnorm_dot(P + 1, found_g, d) >= 0.9 * slope);
    }
    free_problem(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_meets_both_conditions),
        cmocka_unit_test(batch_sizes),
        cmocka_unit_test(batches_suit_the_rule),
        cmocka_unit_test(each_row_once_an_epoch),
        cmocka_unit_test(steps_follow_the_formulas),
        cmocka_unit_test(lbfgs_solves_least_squares),
        cmocka_unit_test(every_optimizer_learns),
        cmocka_unit_test(same_bits_for_any_threads),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
