/* panel_batch: batches of whole units: their loss and its gradient, and the fit that goes by them.
 */
#include "problem_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "panel/batch.h"

static const setting settings[] = {
    {.rows = 300,
     .units = 30,
     .linear = 2,
     .networks = 1,
     .hidden = {4},
     .eps = 1e-5,
     .penalty_top = 1e-3},
    {.rows = 300,
     .units = 30,
     .periods = 6,
     .linear = 1,
     .networks = 2,
     .hidden = {3, 2},
     .weighted = 1,
     .eps = 1e-3,
     .penalty = 0.01,
     .penalty_top = 0.02,
     .penalty_linear = 0.3},
    {.rows = 300, .units = 30, .periods = 6, .networks = 1, .hidden = {5}, .plain = 1},
    {.rows = 300,
     .linear = 2,
     .networks = 1,
     .hidden = {3},
     .weighted = 1,
     .eps = 1e-5,
     .logistic = 1,
     .penalty_top = 1e-3},
    {.rows = 300,
     .units = 30,
     .linear = 2,
     .networks = 2,
     .hidden = {6},
     .eps = 1e-5,
     .dropout = 0.4},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* A model somewhere, and a batch of about a fifth of its rows. */
typedef struct scene {
    sample_problem *m;
    reduced r;
    units u;
    batch b;
    ptrdiff_t count;
    double *p, *g;
} scene;

static void set(scene *s)
{
    bnorm_reduced_set(&s->r, s->p);
    memcpy(s->r.t.b, s->p + s->r.count, (size_t)s->r.t.count * sizeof(double));
}

static scene make_scene(const setting *of, int whole)
{
    scene s = {.m = sample_make(of, 1)};
    bnorm_ctx *ctx = s.m->ctx;
    assert_ok(ctx, bnorm_reduced_create(ctx, &s.m->p, STREAMS_NEVER, &s.r));
    assert_ok(ctx, bnorm_units_create(ctx, &s.m->p, &s.u));
    assert_ok(ctx, bnorm_batch_create(ctx, &s.m->p, &s.b));
    s.count = s.r.count + s.r.t.count;
    double *shift = normals(5, s.count);
    s.p = malloc((size_t)s.count * sizeof *s.p);
    s.g = malloc((size_t)s.count * sizeof *s.g);
    bnorm_reduced_get(&s.r, s.p);
    for (ptrdiff_t k = 0; k < s.count; k++)
        s.p[k] = 0.4 * shift[k] + (k < s.r.count ? s.p[k] : 0);
    set(&s);
    free(shift);
    bnorm_units_shuffle(&s.u, 3, 1);
    ptrdiff_t rows = bnorm_units_next(&s.u, 60);
    for (ptrdiff_t i = 0; !whole && i < rows; i++) s.u.chosen[i] = 5 * i % of->rows;
    assert_ok(ctx, bnorm_batch_take(ctx, &s.m->p, s.u.chosen, rows, &s.b));
    return s;
}

static void free_scene(scene *s)
{
    bnorm_reduced_free(&s->r);
    bnorm_units_free(&s->u);
    bnorm_batch_free(&s->b);
    sample_free(s->m);
    free(s->p);
    free(s->g);
}

static double value_at(scene *s, double *gradient)
{
    double value;
    set(s);
    assert_ok(s->m->ctx, bnorm_batch_gradient(s->m->ctx, &s->b, &s->r, 9, 4, &value, gradient));
    return value;
}

static double difference(scene *s, ptrdiff_t k, double h, double *room)
{
    double at = s->p[k], d = 0;
    const double steps[] = {1, -1, 0.5, -0.5}, shares[] = {-1, 1, 8, -8};
    for (int i = 0; i < 4; i++) {
        s->p[k] = at + steps[i] * h;
        d += shares[i] * value_at(s, room);
    }
    s->p[k] = at;
    return d / (6 * h);
}

static void gradient_is_the_derivative(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++)
        for (int whole = 0; whole < 2; whole++) {
            scene s = make_scene(&settings[k], whole);
            double norm = 0, *room = malloc((size_t)s.count * sizeof *room);
            (void)value_at(&s, s.g);
            for (ptrdiff_t i = 0; i < s.count; i++) norm = fmax(norm, fabs(s.g[i]));
            for (ptrdiff_t i = 0; i < s.count; i++)
                assert_true(fabs(difference(&s, i, 1e-3, room) - s.g[i]) <=
                            2e-8 * norm + 1e-10);
            free(room);
            free_scene(&s);
        }
}

/* The loss is that of least squares with dummies in the batch: y/s - score has the residuals E. */
static void value_is_that_of_dummies(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        scene s = make_scene(&settings[k], 1);
        const problem *p = &s.b.part.problem;
        const top *t = &s.r.t;
        double value = value_at(&s, s.g), *score = malloc((size_t)p->rows * sizeof *score);
        bnorm_top_write(t);
        for (ptrdiff_t w = 0; w < p->network_count; w++)
            assert_ok(s.m->ctx, bnorm_net_population(s.m->ctx, p->networks[w].net,
                                                     p->networks[w].x, p->weights));
        assert_ok(s.m->ctx, bnorm_problem_score(s.m->ctx, p, score));
        for (ptrdiff_t i = 0; i < p->rows; i++) score[i] = (p->y[i] - score[i]) / t->s;
        problem effects = *p;
        effects.p.cols = 0;
        ptrdiff_t cols;
        double *x = dense_design(&effects, &cols), *b = malloc((size_t)cols * sizeof *b);
        dense_least(p->rows, cols, x, score, p->weights, b);
        double sum = 0;
        for (ptrdiff_t i = 0; i < p->rows; i++) {
            for (ptrdiff_t j = 0; j < cols; j++) score[i] -= x[i * cols + j] * b[j];
            sum += (p->weights ? p->weights[i] : 1) * score[i] * score[i];
        }
        double expected =
            sum / p->n + bnorm_top_penalty(t, t->b) + bnorm_reduced_penalty(&s.r, NULL);
        assert_true(fabs(expected - value) <= 1e-11 * value);
        free(x);
        free(b);
        free(score);
        free_scene(&s);
    }
}

/* The gradient in b with the errors of the whole sample's projection, as if the batch had none of
 * its own: how far it is from the batch's, as a share of that one's length. */
static double error_of_whole_projection(const setting *of, int whole)
{
    scene s = make_scene(of, whole);
    const problem *p = &s.m->p, *part = &s.b.part.problem;
    const top *t = &s.r.t;
    double *e = malloc((size_t)p->rows * sizeof *e), off = 0, length = 0;
    bnorm_mat_f64 v, column = bnorm_view_f64(e, p->rows, 1, BNORM_ROW_MAJOR);
    bnorm_net *net = p->networks[0].net;
    (void)value_at(&s, s.g);
    bnorm_top_write(t);
    assert_ok(s.m->ctx, bnorm_problem_score(s.m->ctx, p, e));
    for (ptrdiff_t i = 0; i < p->rows; i++) e[i] = (p->y[i] - e[i]) / t->s;
    assert_ok(s.m->ctx, bnorm_demean_f64(s.m->ctx, p->within, column, column, NULL));
    double *all = malloc((size_t)(part->rows * t->count) * sizeof *all);
    v = bnorm_view_f64(all, part->rows, t->count, BNORM_ROW_MAJOR);
    assert_ok(s.m->ctx, bnorm_net_predict(s.m->ctx, net, part->networks[0].x, v));
    for (ptrdiff_t j = 0; j < t->count; j++) {
        double naive = 2 * t->ridge[j] * t->b[j], right = s.g[s.r.count + j];
        for (ptrdiff_t i = 0; i < part->rows; i++)
            naive -= 2 * e[s.u.chosen[i]] / part->n * all[i * t->count + j];
        off += (naive - right) * (naive - right);
        length += right * right;
    }
    free(e);
    free(all);
    free_scene(&s);
    return sqrt(off / length);
}

/* With one factor, whole units make the batch's projection that of the sample; with units that are
 * divided, or a second factor, the naive gradient is that of nothing. */
static void whole_projection_is_wrong(void **state)
{
    (void)state;
    setting one = settings[2], two = settings[2];
    one.periods = 0;
    assert_true(error_of_whole_projection(&one, 1) < 1e-12);
    assert_true(error_of_whole_projection(&one, 0) > 0.05);
    assert_true(error_of_whole_projection(&two, 1) > 0.01);
}

/* --------------------------------------------------------------------------------- units */

static void each_unit_once_and_whole(void **state)
{
    (void)state;
    setting of = {.rows = 1000, .units = 90, .linear = 1};
    sample_problem *m = sample_make(&of, 1);
    units u;
    assert_ok(m->ctx, bnorm_units_create(m->ctx, &m->p, &u));
    for (int share = 1; share < 2000; share = 2 * share + 1) {
        int seen[1000] = {0}, last[90];
        ptrdiff_t rows;
        for (int k = 0; k < 90; k++) last[k] = -1;
        bnorm_units_shuffle(&u, 1, (uint64_t)share);
        for (int k = 0; (rows = bnorm_units_next(&u, share)) > 0; k++) {
            assert_true(2 * rows >= share || k == 0);
            assert_true(rows <= share + share / 2 + 70);
            for (ptrdiff_t i = 0; i < rows; i++) {
                int32_t unit = m->unit[u.chosen[i]];
                seen[u.chosen[i]]++;
                assert_true(last[unit] == -1 || last[unit] == k);
                last[unit] = k;
            }
        }
        for (int i = 0; i < 1000; i++) assert_int_equal(seen[i], 1);
    }
    bnorm_units_free(&u);
    sample_free(m);
}

/* ----------------------------------------------------------------------------------- fit */

static const setting usual = {.rows = 1500,
                              .units = 100,
                              .periods = 12,
                              .linear = 2,
                              .networks = 1,
                              .hidden = {8},
                              .eps = 1e-5,
                              .penalty_top = 1e-6};

static problem_fit adam(void)
{
    problem_fit o;
    bnorm_problem_fit_defaults(&o);
    o.fit.optimizer = BNORM_OPTIMIZER_ADAM;
    o.fit.epochs = 40;
    o.fit.batch = 150;
    o.fit.rate = 0.02;
    return o;
}

static double sum_of_squares(sample_problem *m)
{
    bnorm_mat_f64 none = {0};
    double *e = malloc((size_t)m->p.rows * sizeof *e), sum = 0;
    assert_ok(m->ctx, bnorm_problem_design(m->ctx, &m->p, none, none, e));
    for (ptrdiff_t i = 0; i < m->p.rows; i++) sum += e[i] * e[i];
    free(e);
    return sum;
}

static void learns(void **state)
{
    (void)state;
    const bnorm_optimizer all[] = {BNORM_OPTIMIZER_ADAM, BNORM_OPTIMIZER_RMSPROP,
                                   BNORM_OPTIMIZER_SGD};
    sample_problem *l = sample_make(&usual, 1);
    problem_fit full;
    problem_report best, report;
    bnorm_problem_fit_defaults(&full);
    assert_ok(l->ctx, bnorm_problem_fit(l->ctx, &l->p, &full, &best));
    sample_free(l);
    for (int k = 0; k < 3; k++) {
        sample_problem *m = sample_make(&usual, 1);
        problem_fit o = adam();
        o.fit.optimizer = all[k];
        if (k == 2) o.fit.rate = 0.1;
        assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
        assert_int_equal(report.fit.optimizer, all[k]);
        assert_true(report.fit.loss < 1.5 * best.fit.loss);
        double sum = sum_of_squares(m);
        assert_true(fabs(sum - report.sse) <= 1e-9 * sum);
        sample_free(m);
    }
}

/* AUTO: dropout asks for batches. Masks depend on the seed alone. */
static void drops_out(void **state)
{
    (void)state;
    setting s = usual;
    s.dropout = 0.2;
    double losses[3];
    for (int k = 0; k < 3; k++) {
        sample_problem *m = sample_make(&s, 1 + k);
        problem_fit o = adam();
        problem_report report;
        o.fit.optimizer = BNORM_OPTIMIZER_AUTO;
        o.fit.seed = k < 2 ? 5 : 6;
        o.fit.epochs = 10;
        assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
        assert_int_equal(report.fit.optimizer, BNORM_OPTIMIZER_ADAM);
        losses[k] = report.fit.loss;
        sample_free(m);
    }
    assert_true(losses[0] == losses[1] && losses[1] != losses[2]);
}

static void threads_agree(void **state)
{
    (void)state;
    double first = 0;
    for (int threads = 1; threads <= 4; threads++) {
        setting s = usual;
        s.rows = 20000;
        s.networks = 2;
        s.weighted = 1;
        sample_problem *m = sample_make(&s, threads);
        problem_fit o = adam();
        problem_report report;
        o.fit.batch = 4000;
        o.fit.epochs = 2;
        assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
        if (threads == 1) first = report.sse;
        assert_true(report.sse == first);
        sample_free(m);
    }
}

static int stop_at(void *user)
{
    return --*(int *)user == 0;
}

/* Whenever it comes: the model is that of the last whole epoch. */
static void interruptions(void **state)
{
    (void)state;
    double losses[3];
    const int at[] = {23, 27, 31}; /* ten batches an epoch */
    for (int k = 0; k < 3; k++) {
        sample_problem *m = sample_make(&usual, 1);
        problem_fit o = adam();
        problem_report report;
        int left = at[k];
        o.fit.interrupted = stop_at;
        o.fit.interrupted_user = &left;
        assert_fails(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report), BNORM_E_INTERRUPTED,
                     "interrupted");
        losses[k] = report.fit.loss;
        double sum = sum_of_squares(m);
        assert_true(fabs(sum - report.sse) <= 1e-9 * sum);
        sample_free(m);
    }
    assert_true(losses[0] == losses[1] && losses[1] != losses[2]);
}

static void divergence(void **state)
{
    (void)state;
    setting s = usual;
    s.plain = 1;
    s.activation = "identity";
    s.penalty = 1;
    sample_problem *m = sample_make(&s, 1);
    problem_fit o = adam();
    problem_report report;
    o.fit.optimizer = BNORM_OPTIMIZER_SGD;
    o.fit.rate = 1e20;
    assert_fails(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report), BNORM_E_NONFINITE,
                 "lower the rate");
    double sum = sum_of_squares(m);
    assert_true(isfinite(sum) && fabs(sum - report.sse) <= 1e-9 * sum);
    sample_free(m);
}

static void early_stopping(void **state)
{
    (void)state;
    sample_problem *m = sample_make(&usual, 1);
    unsigned char *held = malloc((size_t)usual.rows);
    problem_fit o = adam();
    problem_report report;
    o.fit.epochs = 200;
    o.fit.patience = 4;
    o.held = held;
    assert_ok(m->ctx, bnorm_problem_hold(m->ctx, &m->p, HOLD_UNITS, 0.3, 2, held));
    assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &o, &report));
    assert_true(report.fit.epochs < 200 && report.fit.best_epoch == report.fit.epochs - 4);
    assert_true(fabs(report.best - report.fit.validation) <= 1e-10 * report.best);
    free(held);
    sample_free(m);
}

static bnorm_status fit_twice(bnorm_ctx *ctx, void *argument)
{
    sample_problem *m = sample_make(argument, 1);
    problem_fit o = adam();
    problem_report report;
    o.fit.epochs = 1;
    o.starts = 2;
    bnorm_status status = bnorm_problem_fit(ctx, &m->p, &o, &report);
    sample_free(m);
    return status;
}

static void memory_fails(void **state)
{
    (void)state;
    setting s = usual;
    s.rows = 300;
    assert_true(fail_each_allocation(fit_twice, &s) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_the_derivative),
        cmocka_unit_test(value_is_that_of_dummies),
        cmocka_unit_test(whole_projection_is_wrong),
        cmocka_unit_test(each_unit_once_and_whole),
        cmocka_unit_test(learns),
        cmocka_unit_test(drops_out),
        cmocka_unit_test(threads_agree),
        cmocka_unit_test(interruptions),
        cmocka_unit_test(divergence),
        cmocka_unit_test(early_stopping),
        cmocka_unit_test(memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
