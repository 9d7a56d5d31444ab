/* panel_top: the top layer in closed form, against dense least squares in long double with dummies
 * and by its laws. */
#include "problem_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "panel/top.h"

static const setting linear_settings[] = {
    {.rows = 90, .linear = 3},
    {.rows = 90, .linear = 4, .weighted = 1},
    {.rows = 200, .units = 23, .linear = 3},
    {.rows = 200, .units = 23, .linear = 3, .weighted = 1},
    {.rows = 300, .units = 17, .periods = 11, .linear = 4},
    {.rows = 300, .units = 17, .periods = 11, .linear = 4, .weighted = 1},
    {.rows = 5000, .units = 60, .linear = 6, .weighted = 1},
};
enum { LINEAR = sizeof linear_settings / sizeof *linear_settings };

static void fit(sample_problem *m)
{
    problem_fit options;
    problem_report report;
    bnorm_problem_fit_defaults(&options);
    assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &options, &report));
}

/* theta is that of least squares with dummies for all effects. */
static void equals_dummies(void **state)
{
    (void)state;
    for (int k = 0; k < LINEAR; k++) {
        sample_problem *m = sample_make(&linear_settings[k], 1);
        ptrdiff_t cols, linear = m->p.p.cols;
        double *x = dense_design(&m->p, &cols), *b = malloc((size_t)cols * sizeof *b);
        dense_least(m->p.rows, cols, x, m->y, m->weights, b);
        fit(m);
        for (ptrdiff_t j = 0; j < linear; j++) {
            double right = b[cols - linear + j];
            assert_true(fabs(m->theta[j] - right) <= 1e-12 * fabs(right));
        }
        free(x);
        free(b);
        sample_free(m);
    }
}

/* A mean of 1e6 beside differences of 1, and units of 1e-8 and 1e8, cost no digits that count. */
static void scales_and_means(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        setting s = {.rows = 250, .units = k ? 20 : 0, .linear = 3, .seed = 3};
        sample_problem *m = sample_make(&s, 1);
        fit(m);
        double first[3];
        memcpy(first, m->theta, sizeof first);
        for (ptrdiff_t i = 0; i < s.rows; i++) {
            m->linear[3 * i + 1] = 1e-8 * (m->linear[3 * i + 1]);
            m->linear[3 * i + 2] = 1e8 * (m->linear[3 * i + 2] + 1e6);
        }
        fit(m);
        assert_true(fabs(m->theta[1] * 1e-8 - first[1]) <= 1e-11 * fabs(first[1]));
        assert_true(fabs(m->theta[2] * 1e8 - first[2]) <= 1e-8 * fabs(first[2]));
        sample_free(m);
    }
}

/* ------------------------------------------------------------------------------ networks */

static const setting net_settings[] = {
    {.rows = 400, .units = 30, .linear = 2, .networks = 1, .hidden = {5}, .penalty_top = 1e-6},
    {.rows = 400,
     .linear = 2,
     .networks = 2,
     .hidden = {6, 3},
     .weighted = 1,
     .penalty_top = 1e-3,
     .penalty_linear = 0.1},
    {.rows = 700,
     .units = 30,
     .periods = 8,
     .linear = 1,
     .networks = 2,
     .hidden = {4},
     .weighted = 1,
     .penalty_linear = 0.01},
    {.rows = 3000, .units = 200, .networks = 1, .hidden = {9}, .eps = 1e-5},
};
enum { NETS = sizeof net_settings / sizeof *net_settings };

static top *make_top(sample_problem *m)
{
    top *t = calloc(1, sizeof *t);
    for (ptrdiff_t k = 0; k < m->p.network_count; k++)
        assert_ok(m->ctx, bnorm_net_population(m->ctx, m->networks[k].net, m->networks[k].x,
                                               m->weights));
    assert_ok(m->ctx, bnorm_top_create(m->ctx, &m->p, t));
    assert_ok(m->ctx, bnorm_top_infer(m->ctx, t));
    bnorm_top_solve(m->ctx, t);
    return t;
}

static void free_top(top *t)
{
    bnorm_top_free(t);
    free(t);
}

/* sum of pull_i A_ij + 2 ridge_j b_j, the gradient of the objective in b, is 0; so is the column's
 * share of the effects, for the error is projected. */
static void assert_stationary(const sample_problem *m, const top *t)
{
    double largest = 1; /* E carries the rounding of A b */
    for (ptrdiff_t j = 0; j < t->count; j++) largest = fmax(largest, fabs(t->b[j]));
    for (ptrdiff_t j = 0; j < t->count; j++) {
        double sum = 2 * t->ridge[j] * t->b[j], size = fabs(sum);
        for (ptrdiff_t i = 0; i < m->p.rows; i++) {
            double term = bnorm_top_pull(t, i) * t->a[i * t->count + j];
            sum += term;
            size += fabs(term);
        }
        assert_true(fabs(sum) <= 1e-13 * largest * size);
    }
    for (ptrdiff_t k = 0; k < m->p.factor_count; k++)
        for (ptrdiff_t l = 0; l < m->factors[k].levels; l++) {
            double sum = 0, size = 0;
            for (ptrdiff_t i = 0; i < m->p.rows; i++) {
                if (m->factors[k].codes[i] != l) continue;
                sum += bnorm_top_pull(t, i);
                size += fabs(bnorm_top_pull(t, i));
            }
            assert_true(fabs(sum) <= 1e-9 * largest * size);
        }
}

static void is_stationary(void **state)
{
    (void)state;
    for (int k = 0; k < NETS; k++)
        for (int logistic = 0; logistic < 2; logistic++) {
            setting s = net_settings[k];
            if (logistic && s.units) continue;
            s.logistic = logistic;
            sample_problem *m = sample_make(&s, 1);
            top *t = make_top(m);
            assert_stationary(m, t);
            free_top(t);
            sample_free(m);
        }
}

/* The normal matrix with its refinement and QR give the same. */
static void two_ways(void **state)
{
    (void)state;
    for (int k = 0; k < NETS; k++) {
        sample_problem *m = sample_make(&net_settings[k], 1);
        top *t = make_top(m);
        int good;
        double *zero = calloc((size_t)t->count, sizeof *zero), *d = t->step;
        t->l.u = t->y;
        bnorm_least_factor(m->ctx, &t->l, zero, &good);
        assert_true(good);
        bnorm_least_qr(m->ctx, &t->l, zero, d);
        for (ptrdiff_t j = 0; j < t->count; j++)
            assert_true(fabs(d[j] - t->b[j]) <= 1e-10 * (1 + fabs(d[j])));
        free(zero);
        free_top(t);
        sample_free(m);
    }
}

/* Constants of units, and the units of y and P, make no difference to b: they move only effects. */
static void invariances(void **state)
{
    (void)state;
    sample_problem *m = sample_make(&net_settings[2], 1);
    top *t = make_top(m);
    ptrdiff_t count = t->count;
    double *b = malloc((size_t)count * sizeof *b), s = t->s;
    memcpy(b, t->b, (size_t)count * sizeof *b);
    free_top(t);
    for (ptrdiff_t i = 0; i < m->p.rows; i++) {
        m->y[i] = 8 * (m->y[i] + cos(3.0 * m->unit[i]) + 0.1 * m->period[i]);
        m->linear[i] *= 1000; /* b is theta sd(QP)/s: so is its penalty */
    }
    t = make_top(m);
    assert_true(fabs(t->s - 8 * s) <= 1e-12 * t->s);
    for (ptrdiff_t j = 0; j < count; j++) assert_true(fabs(t->b[j] - b[j]) <= 1e-10);
    bnorm_top_write(t);
    bnorm_top_read(t);
    for (ptrdiff_t j = 0; j < count; j++) assert_true(fabs(t->b[j] - b[j]) <= 1e-10);
    free_top(t);
    free(b);
    sample_free(m);
}

/* Hidden units that are nearly equal: the normal matrix loses as many digits as its least pivot has
 * zeros; refinement brings them back, and QR where there are too many. */
static void nearly_equal_units(void **state)
{
    (void)state;
    for (double apart = 1e-2; apart > 1e-7; apart /= 10) {
        setting s = {.rows = 300, .units = 20, .linear = 1, .networks = 1, .hidden = {3}};
        sample_problem *m = sample_make(&s, 1);
        ptrdiff_t count;
        double *g = bnorm_net_parameters(m->networks[0].net, &count);
        for (int i = 0; i < 3; i++) g[3 * i + 2] = g[3 * i] + apart * g[3 * i + 1];
        top *t = make_top(m);
        assert_stationary(m, t);
        double *d = t->step, *zero = calloc((size_t)t->count, sizeof *zero);
        t->l.u = t->y;
        bnorm_least_qr(m->ctx, &t->l, zero, d);
        for (ptrdiff_t j = 0; j < t->count; j++)
            assert_true(fabs(d[j] - t->b[j]) <= 1e-13 / apart * (1 + fabs(d[1])));
        free(zero);
        free_top(t);
        sample_free(m);
    }
}

/* From a start far off, full steps of Newton lead away. */
static void far_start(void **state)
{
    (void)state;
    setting s = {.rows = 200, .linear = 3, .logistic = 1};
    sample_problem *m = sample_make(&s, 1);
    top t;
    double first[3];
    assert_ok(m->ctx, bnorm_top_create(m->ctx, &m->p, &t));
    bnorm_top_solve(m->ctx, &t);
    memcpy(first, t.b, sizeof first);
    for (int j = 0; j < 3; j++) t.b[j] += 6 * (j - 1) + 4;
    bnorm_top_solve(m->ctx, &t);
    for (int j = 0; j < 3; j++) assert_true(fabs(t.b[j] - first[j]) <= 1e-9);
    bnorm_top_free(&t);
    sample_free(m);
}

/* Hidden units that are equal: without a ridge the first has the coefficient of both. */
static void equal_units(void **state)
{
    (void)state;
    setting s = {.rows = 300, .units = 20, .linear = 1, .networks = 1, .hidden = {3}};
    sample_problem *m = sample_make(&s, 1);
    ptrdiff_t count;
    double *g = bnorm_net_parameters(m->networks[0].net, &count);
    for (int i = 0; i < 3; i++) g[3 * i + 2] = g[3 * i];
    top *t = make_top(m);
    assert_stationary(m, t);
    assert_true(t->b[3] == 0);
    assert_ok(m->ctx, bnorm_problem_identified(m->ctx, &m->p, &count));
    assert_int_equal(count, 3);
    free_top(t);
    sample_free(m);
}

/* Classes that a term separates: the steps end, with a loss near 0. */
static void separated_classes(void **state)
{
    (void)state;
    setting s = {.rows = 100, .linear = 2, .logistic = 1};
    sample_problem *m = sample_make(&s, 1);
    for (ptrdiff_t i = 0; i < s.rows; i++) m->y[i] = m->linear[2 * i + 1] > 0.1;
    problem_fit options;
    problem_report report;
    bnorm_problem_fit_defaults(&options);
    assert_ok(m->ctx, bnorm_problem_fit(m->ctx, &m->p, &options, &report));
    assert_true(report.fit.loss < 1e-6 && isfinite(m->theta[1]));
    sample_free(m);
}

/* ----------------------------------------------------------------------------- collinear */

static void collinear_terms(void **state)
{
    (void)state;
    setting s = {.rows = 400, .units = 25, .periods = 9, .linear = 8};
    for (int weighted = 0; weighted < 2; weighted++) {
        s.weighted = weighted;
        sample_problem *m = sample_make(&s, 1);
        unsigned char dropped[8], expected[8] = {0, 1, 0, 1, 0, 1, 0, 0};
        for (ptrdiff_t i = 0; i < s.rows; i++) {
            double *row = m->linear + 8 * i, unit = m->unit[i], period = m->period[i];
            row[1] = 1e3 * sin(unit) - 0.5 * period * period + 1e5;
            row[3] = 7 * row[0] - row[2] + cos(unit);
            row[4] = 1e6 + 1e-3 * row[4];
            row[5] = 2 * row[4] + row[0];
            row[6] = row[0] + 1e-5 * row[6];
        }
        assert_ok(m->ctx, bnorm_problem_collinear(m->ctx, &m->p, dropped));
        assert_memory_equal(dropped, expected, sizeof dropped);
        sample_free(m);
    }
}

static void collinear_with_intercept(void **state)
{
    (void)state;
    setting s = {.rows = 100, .linear = 5};
    sample_problem *m = sample_make(&s, 1);
    unsigned char dropped[5], expected[5] = {0, 1, 0, 0, 1};
    for (ptrdiff_t i = 0; i < s.rows; i++) {
        double *row = m->linear + 5 * i;
        row[1] = 3.3;
        row[2] = row[2] + 1e8;
        row[4] = row[2] + row[3];
    }
    assert_ok(m->ctx, bnorm_problem_collinear(m->ctx, &m->p, dropped));
    assert_memory_equal(dropped, expected, sizeof dropped);
    sample_free(m);
}

/* ------------------------------------------------------------------------ threads, memory */

static void threads_agree(void **state)
{
    (void)state;
    for (int logistic = 0; logistic < 2; logistic++) {
        double first[64];
        for (int threads = 1; threads <= 4; threads++) {
            setting s = {.rows = 40000,
                         .units = logistic ? 0 : 900,
                         .linear = 3,
                         .networks = 1,
                         .hidden = {16},
                         .logistic = logistic};
            sample_problem *m = sample_make(&s, threads);
            top *t = make_top(m);
            if (threads == 1) memcpy(first, t->b, (size_t)t->count * sizeof *first);
            assert_memory_equal(first, t->b, (size_t)t->count * sizeof *first);
            free_top(t);
            sample_free(m);
        }
    }
}

static bnorm_status all_calls(bnorm_ctx *ctx, void *argument)
{
    sample_problem *m = argument;
    unsigned char dropped[4];
    problem_fit options;
    problem_report report;
    bnorm_problem_fit_defaults(&options);
    bnorm_status status = bnorm_problem_collinear(ctx, &m->p, dropped);
    if (status == BNORM_OK) status = bnorm_problem_fit(ctx, &m->p, &options, &report);
    return status;
}

static void memory_fails(void **state)
{
    (void)state;
    setting s = {.rows = 60, .units = 7, .linear = 2};
    sample_problem *m = sample_make(&s, 1);
    assert_true(fail_each_allocation(all_calls, m) > 5);
    sample_free(m);
}

/* Squares of 1e200 are not representable: a failure, not coefficients. */
static void too_large(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        setting s = {.rows = 40, .units = k ? 5 : 0, .linear = 2};
        sample_problem *m = sample_make(&s, 1);
        for (ptrdiff_t i = 0; i < s.rows; i++) m->y[i] *= 1e200;
        problem_fit options;
        problem_report report;
        bnorm_problem_fit_defaults(&options);
        assert_int_equal(bnorm_problem_fit(m->ctx, &m->p, &options, &report),
                         BNORM_E_NONFINITE);
        assert_non_null(strstr(bnorm_ctx_message(m->ctx), "too large"));
        sample_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_dummies),
        cmocka_unit_test(scales_and_means),
        cmocka_unit_test(is_stationary),
        cmocka_unit_test(two_ways),
        cmocka_unit_test(invariances),
        cmocka_unit_test(equal_units),
        cmocka_unit_test(nearly_equal_units),
        cmocka_unit_test(far_start),
        cmocka_unit_test(separated_classes),
        cmocka_unit_test(collinear_terms),
        cmocka_unit_test(collinear_with_intercept),
        cmocka_unit_test(threads_agree),
        cmocka_unit_test(too_large),
        cmocka_unit_test(memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
