/* panel_fit: the fit of structured models: what it reaches, holds out, keeps, and how it ends. */
#include "problem_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const setting usual = {.rows = 600,
                              .units = 40,
                              .periods = 12,
                              .linear = 2,
                              .networks = 1,
                              .hidden = {6},
                              .eps = 1e-5,
                              .penalty = 1e-4,
                              .penalty_top = 1e-6};

static problem_fit defaults(void)
{
    problem_fit o;
    bnorm_problem_fit_defaults(&o);
    return o;
}

static double sum_of_squares(sample_problem *m)
{
    bnorm_mat_f64 none = {0};
    double *e = malloc((size_t)m->p.rows * sizeof *e), sum = 0;
    assert_ok(m->ctx, bnorm_problem_design(m->ctx, &m->p, none, none, e));
    for (ptrdiff_t i = 0; i < m->p.rows; i++)
        sum += (m->weights ? m->weights[i] : 1) * e[i] * e[i];
    free(e);
    return sum;
}

/* The fit goes far below linear terms alone, and the report says what the model gives. */
static void learns(void **state)
{
    (void)state;
    for (int weighted = 0; weighted < 2; weighted++) {
        setting s = usual, linear = usual;
        s.weighted = linear.weighted = weighted;
        sample_problem *m = sample_make(&s, 1), *l;
        problem_fit o = defaults();
        problem_report report, flat;
        assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
        double sum = sum_of_squares(m);
        assert_true(fabs(sum - report.sse) <= 1e-9 * sum);
        assert_int_equal(report.fit.optimizer, BNORM_OPTIMIZER_LBFGS);
        assert_true(report.fit.epochs > 5 && report.fit.best_epoch == report.fit.epochs);
        l = sample_make(&linear, 1);
        l->p.network_count = l->p.top_count = 0;
        assert_ok(l->ctx, bnorm_problem_fit(l->ctx, &l->p, &o, &flat));
        assert_true(report.sse < 0.6 * flat.sse);
        assert_true(fabs(m->theta[0] - 1) < 0.1 && fabs(m->theta[1] - 2) < 0.1);
        sample_free(l);
        sample_free(m);
    }
}

static void learns_classes(void **state)
{
    (void)state;
    setting s = {.rows = 500,
                 .linear = 2,
                 .networks = 1,
                 .hidden = {5},
                 .eps = 1e-5,
                 .logistic = 1,
                 .penalty = 1e-3,
                 .penalty_top = 1e-3};
    sample_problem *m = sample_make(&s, 1);
    problem_fit o = defaults();
    problem_report report, flat;
    assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
    m->p.network_count = m->p.top_count = 0;
    assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &flat));
    assert_true(report.fit.loss < flat.fit.loss - 0.02);
    sample_free(m);
}

/* --------------------------------------------------------------------------------- starts */

static void starts_keep_the_best(void **state)
{
    (void)state;
    setting s = usual;
    s.networks = 2;
    problem_fit o = defaults();
    o.fit.epochs = 15;
    double best = INFINITY, worst = 0;
    problem_report report;
    for (int starts = 1; starts <= 4; starts++) {
        sample_problem *m = sample_make(&s, 1);
        o.starts = starts;
        assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
        assert_int_equal(report.starts_done, starts);
        assert_true(report.best <= best && report.worst >= worst);
        assert_true(starts == 1 || report.best < report.worst);
        best = report.best;
        worst = report.worst;
        double sum = sum_of_squares(m);
        assert_true(fabs(sum - report.sse) <= 1e-9 * sum);
        sample_free(m);
    }
}

/* ------------------------------------------------------------------------------- held out */

static void what_is_held(void **state)
{
    (void)state;
    sample_problem *m = sample_make(&usual, 1);
    problem *p = &m->p;
    unsigned char *held = malloc((size_t)p->rows), *again = malloc((size_t)p->rows);
    for (int what = HOLD_ROWS; what <= HOLD_PERIODS; what++)
        for (double share = 0.001; share < 1; share += 0.14) {
            ptrdiff_t out = 0;
            assert_ok(m->ctx, bnorm_problem_hold(m->ctx, p, what, share, 5, held));
            assert_ok(m->ctx, bnorm_problem_hold(m->ctx, p, what, share, 5, again));
            assert_memory_equal(held, again, (size_t)p->rows);
            int last_in = -1, first_out = 99;
            for (ptrdiff_t i = 0; i < p->rows; i++) {
                out += held[i];
                if (held[i] && p->period[i] < first_out) first_out = p->period[i];
                if (!held[i] && p->period[i] > last_in) last_in = p->period[i];
                for (ptrdiff_t j = 0; what == HOLD_UNITS && j < i; j++)
                    if (p->unit[i] == p->unit[j]) assert_int_equal(held[i], held[j]);
            }
            if (what == HOLD_PERIODS) assert_true(last_in < first_out);
            assert_true(out > 0 && out < p->rows);
            double group = what == HOLD_ROWS ? 1 : what == HOLD_UNITS ? 80 : 70;
            assert_true(fabs((double)out - share * (double)p->rows) <= group);
        }
    assert_fails(m->ctx, bnorm_problem_hold(m->ctx, p, HOLD_ROWS, 1, 5, held), BNORM_E_ARGUMENT,
                 "share");
    p->period = NULL;
    assert_fails(m->ctx, bnorm_problem_hold(m->ctx, p, HOLD_PERIODS, .5, 5, held),
                 BNORM_E_ARGUMENT, "periods");
    free(held);
    free(again);
    sample_free(m);
}

/* The validation error is that of a model of the rows not held out: recomputed here from parts. */
static void early_stopping(void **state)
{
    (void)state;
    for (int what = HOLD_ROWS; what <= HOLD_PERIODS; what++) {
        setting s = usual;
        s.hidden[0] = 25;
        s.weighted = what == HOLD_UNITS;
        s.penalty = 0;
        sample_problem *m = sample_make(&s, 1);
        unsigned char *held = malloc((size_t)s.rows);
        ptrdiff_t *rows = malloc((size_t)s.rows * sizeof *rows), in = 0, out = 0;
        assert_ok(m->ctx, bnorm_problem_hold(m->ctx, &m->p, what, 0.3, 2, held));
        problem_fit o = defaults();
        problem_report report;
        o.held = held;
        o.held_effects = what != HOLD_UNITS;
        o.fit.patience = 5;
        assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
        assert_true(report.fit.best_epoch + 5 >= report.fit.epochs && !report.fit.converged);
        for (ptrdiff_t i = 0; i < s.rows; i++)
            if (!held[i]) rows[in++] = i;
        for (ptrdiff_t i = 0; i < s.rows; i++)
            if (held[i]) rows[in + out++] = i;
        problem_part trained = {0}, kept = {0};
        assert_ok(m->ctx, bnorm_problem_take(m->ctx, &m->p, rows, in, NULL, &trained));
        assert_ok(m->ctx, bnorm_problem_take(m->ctx, &m->p, rows + in, out, NULL, &kept));
        double sum, n;
        assert_ok(m->ctx,
                  bnorm_problem_errors(m->ctx, &kept.problem,
                                       o.held_effects ? &trained.problem : NULL, &sum, &n));
        assert_true(fabs(sqrt(sum / n) - report.validation_rmse) <= 1e-12 * sqrt(sum / n));
        /* the top layer is that of the rows trained on: stationary there, not for all */
        bnorm_mat_f64 none = {0};
        double *e = malloc((size_t)s.rows * sizeof *e), squares = 0;
        assert_ok(m->ctx, bnorm_problem_design(m->ctx, &trained.problem, none, none, e));
        for (ptrdiff_t i = 0; i < in; i++)
            squares += (trained.problem.weights ? trained.problem.weights[i] : 1) * e[i] * e[i];
        assert_true(fabs(squares - report.sse) <= 1e-9 * squares);
        free(e);
        bnorm_problem_release(&trained);
        bnorm_problem_release(&kept);
        free(held);
        free(rows);
        sample_free(m);
    }
}

/* Errors with effects of training by hand: one factor, theta 0 and no networks, so the effects are
 * the means of the units; a unit unseen in training has the mean of all. */
static void errors_by_hand(void **state)
{
    (void)state;
    setting s = {.rows = 6, .units = 3, .linear = 1};
    sample_problem *m = sample_make(&s, 1);
    const double y[] = {1, 3, 10, 12, 14, 100};
    const int32_t unit[] = {0, 0, 1, 1, 1, 2};
    memcpy(m->y, y, sizeof y);
    memcpy(m->unit, unit, sizeof unit);
    ptrdiff_t trained_rows[] = {0, 1, 2, 3}, held_rows[] = {4, 5};
    problem_part trained = {0}, held = {0};
    double sum, n;
    assert_ok(m->ctx, bnorm_problem_take(m->ctx, &m->p, trained_rows, 4, NULL, &trained));
    assert_ok(m->ctx, bnorm_problem_take(m->ctx, &m->p, held_rows, 2, NULL, &held));
    assert_ok(m->ctx, bnorm_problem_errors(m->ctx, &held.problem, &trained.problem, &sum, &n));
    assert_true(fabs(sum - (3 * 3 + 93.5 * 93.5)) < 1e-9 && n == 2);
    bnorm_problem_release(&trained);
    bnorm_problem_release(&held);
    sample_free(m);
}

/* A bag: units drawn again are as weights. */
static void times_are_weights(void **state)
{
    (void)state;
    setting s = {.rows = 200, .units = 20, .linear = 2};
    sample_problem *m = sample_make(&s, 1);
    ptrdiff_t rows[200], doubled[400], count = 0, both = 0;
    double times[200], theta[2];
    problem_part weighted = {0}, copied = {0};
    problem_fit o = defaults();
    problem_report report;
    for (ptrdiff_t i = 0; i < 200; i++) {
        int draws = m->unit[i] % 3;
        if (!draws) continue;
        times[count] = draws;
        rows[count++] = i;
        for (int k = 0; k < draws; k++) doubled[both++] = i;
    }
    assert_ok(m->ctx, bnorm_problem_take(m->ctx, &m->p, rows, count, times, &weighted));
    assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &weighted.problem, &o, &report));
    memcpy(theta, m->theta, sizeof theta);
    assert_ok(m->ctx, bnorm_problem_take(m->ctx, &m->p, doubled, both, NULL, &copied));
    assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &copied.problem, &o, &report));
    for (int j = 0; j < 2; j++) assert_true(fabs(theta[j] - m->theta[j]) <= 1e-12);
    assert_true(weighted.problem.n == copied.problem.n);
    bnorm_problem_release(&weighted);
    bnorm_problem_release(&copied);
    sample_free(m);
}

/* ------------------------------------------------------------------------------------ end */

typedef struct stopper {
    int calls, at;
    double first, last;
} stopper;

static int stop_progress(void *user, const bnorm_progress *progress)
{
    stopper *s = user;
    if (s->calls == 0) s->first = progress->loss;
    s->last = progress->loss;
    assert_int_equal(progress->epoch, s->calls + 1);
    return ++s->calls == s->at;
}

static int stop_calls(void *user)
{
    stopper *s = user;
    return ++s->calls == s->at;
}

static void interruptions(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        sample_problem *m = sample_make(&usual, 1);
        stopper s = {.at = 4};
        problem_fit o = defaults();
        problem_report report;
        o.fit.progress = way ? NULL : stop_progress;
        o.fit.interrupted = way ? stop_calls : NULL;
        o.fit.progress_user = o.fit.interrupted_user = &s;
        assert_fails(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report), BNORM_E_INTERRUPTED,
                     "interrupted");
        assert_int_equal(s.calls, 4);
        if (!way) assert_true(s.last < s.first && report.best == s.last);
        double sum = sum_of_squares(m);
        assert_true(fabs(sum - report.sse) <= 1e-9 * sum);
        sample_free(m);
    }
}

static void refusals(void **state)
{
    (void)state;
    sample_problem *m = sample_make(&usual, 1);
    unsigned char *held = malloc((size_t)m->p.rows);
    memset(held, 1, (size_t)m->p.rows);
    problem_report report;
    problem_fit o = defaults();
    o.starts = 0;
    assert_fails(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report), BNORM_E_ARGUMENT,
                 "starts");
    o = defaults();
    o.fit.running = 1;
    assert_fails(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report), BNORM_E_ARGUMENT,
                 "running");
    o = defaults();
    o.held = held;
    assert_fails(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report), BNORM_E_ARGUMENT,
                 "held out");
    o = defaults();
    m->x[0][5] = NAN;
    assert_fails(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report), BNORM_E_NONFINITE,
                 "not finite");
    free(held);
    sample_free(m);
}

static void threads_agree(void **state)
{
    (void)state;
    double first[64];
    for (int threads = 1; threads <= 4; threads++) {
        setting s = usual;
        s.rows = 6000;
        sample_problem *m = sample_make(&s, threads);
        problem_fit o = defaults();
        problem_report report;
        o.fit.epochs = 8;
        assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
        memcpy(m->theta + 2, &report.sse, sizeof report.sse);
        if (threads == 1) memcpy(first, m->theta, 3 * sizeof *first);
        assert_memory_equal(first, m->theta, 3 * sizeof *first);
        sample_free(m);
    }
}

static bnorm_status fit_held(bnorm_ctx *ctx, void *argument)
{
    const setting *s = argument;
    sample_problem *m = sample_make(s, 1);
    unsigned char held[200];
    problem_fit o = defaults();
    problem_report report;
    o.fit.epochs = 2;
    o.starts = 2;
    o.held = held;
    o.held_effects = 1;
    bnorm_status status = bnorm_problem_hold(ctx, &m->p, HOLD_PERIODS, 0.3, 2, held);
    if (status == BNORM_OK) status = bnorm_problem_fit(ctx, &m->p, &o, &report);
    sample_free(m);
    return status;
}

static void memory_fails(void **state)
{
    (void)state;
    setting s = usual;
    s.rows = 200;
    assert_true(fail_each_allocation(fit_held, &s) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns),
        cmocka_unit_test(learns_classes),
        cmocka_unit_test(starts_keep_the_best),
        cmocka_unit_test(what_is_held),
        cmocka_unit_test(early_stopping),
        cmocka_unit_test(errors_by_hand),
        cmocka_unit_test(times_are_weights),
        cmocka_unit_test(interruptions),
        cmocka_unit_test(refusals),
        cmocka_unit_test(threads_agree),
        cmocka_unit_test(memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
