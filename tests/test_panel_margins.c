/* margins: marginal effects and profiles beside differences of predictions, and their gradients
 * beside differences in every parameter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inference_support.h"
#include "panel/inference.h"
#include "panel/trace.h"

/* Column 1 of the first network and, where there are two, 2 of the second, in other units; linear
 * as well where there is a linear term. */
static const ptrdiff_t columns[] = {1, 2}, absent[] = {-1, -1};
static const double centers[] = {0.4, -1}, scales[] = {2, 0.5}, ones[] = {1, 1};

static problem_variable variable_of(const sample_problem *m)
{
    return (problem_variable){m->p.p.cols - 1, columns, centers, scales};
}

/* The weighted mean response with the variable changed. */
static double mean_response(const sample_problem *m, const problem_variable *v, int set,
                            double value)
{
    problem there = m->p;
    problem_network networks[2];
    ptrdiff_t rows = m->p.rows;
    double *x[2] = {NULL}, *p = malloc(sizeof(double) * (size_t)(rows * m->p.p.cols + 1));
    double *score = malloc(sizeof(double) * (size_t)rows), sum = 0;
    memcpy(p, m->linear, sizeof(double) * (size_t)(rows * m->p.p.cols));
    for (ptrdiff_t i = 0; v->linear >= 0 && i < rows; i++) {
        double *cell = p + i * m->p.p.cols + v->linear;
        *cell = set ? value : *cell + value;
    }
    there.p.data = p;
    there.networks = networks;
    for (ptrdiff_t k = 0; k < m->p.network_count; k++) {
        ptrdiff_t cols = m->networks[k].x.cols;
        networks[k] = m->networks[k];
        x[k] = malloc(sizeof(double) * (size_t)(rows * cols));
        memcpy(x[k], m->x[k], sizeof(double) * (size_t)(rows * cols));
        networks[k].x.data = x[k];
        for (ptrdiff_t i = 0; v->column[k] >= 0 && i < rows; i++) {
            double *cell = x[k] + i * cols + v->column[k];
            *cell = set ? (value - v->center[k]) / v->scale[k] : *cell + value / v->scale[k];
        }
    }
    assert_ok(m->ctx, bnorm_problem_score(m->ctx, &there, score));
    for (ptrdiff_t i = 0; i < rows; i++)
        sum += (m->weights ? m->weights[i] : 1) *
               (m->p.logistic ? 1 / (1 + exp(-score[i])) : score[i]);
    free(p), free(x[0]), free(x[1]), free(score);
    return sum / m->p.n;
}

static const problem_variable *asked;
static void one_margin(sample_problem *m, double *out)
{
    assert_ok(m->ctx, bnorm_problem_margins(m->ctx, &m->p, 0, asked, 1, out, NULL));
}

static const double at[] = {-0.7, 0.1, 2.5};
static void profile(sample_problem *m, double *out)
{
    assert_ok(m->ctx, bnorm_problem_profile(m->ctx, &m->p, 0, asked, 3, at, out, NULL));
}

static void marginal_effects(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 2);
        problem_variable v[] = {variable_of(m), {0, absent, centers, ones}};
        ptrdiff_t many = m->p.p.cols > 0 ? 2 : 1, cols = bnorm_problem_parameters(&m->p, 1);
        double estimates[2], alone, *gradient = malloc(sizeof(double) * (size_t)(2 * cols)), d;
        const double h = 1e-3;
        assert_ok(m->ctx,
                  bnorm_problem_margins(m->ctx, &m->p, 1, v, many, estimates, gradient));
        for (ptrdiff_t i = 0; i < many; i++) {
            double numeric =
                (8 * (mean_response(m, &v[i], 0, h) - mean_response(m, &v[i], 0, -h)) -
                 mean_response(m, &v[i], 0, 2 * h) + mean_response(m, &v[i], 0, -2 * h)) /
                (12 * h);
            assert_close(estimates[i], numeric, 1, 1e-10);
            asked = &v[i];
            one_margin(m, &alone);
            assert_close(alone, estimates[i], 1, 1e-13); /* but for what differences left */
            for (ptrdiff_t c = 0; c < cols; c++) {
                difference(m, c, one_margin, 1, &d);
                assert_close(gradient[i * cols + c], d, 1, 1e-8);
            }
        }
        free(gradient);
        sample_free(m);
    }
}

/* Those of the squared loss are linear in theta and G2: gradient * parameters is the estimate, to
 * rounding; and the top layer's gradient is that part of the full one. */
static void top_layer(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 1);
        problem_variable v = variable_of(m);
        ptrdiff_t cols = bnorm_problem_parameters(&m->p, 0);
        double estimate, effects[3],
            sum = 0, *gradient = malloc(sizeof(double) * (size_t)(3 * cols)), d[3];
        int network;
        assert_ok(m->ctx, bnorm_problem_margins(m->ctx, &m->p, 0, &v, 1, &estimate, gradient));
        for (ptrdiff_t c = 0; c < cols; c++) sum += gradient[c] * *parameter(m, c, &network);
        if (!m->p.logistic) assert_close(sum, estimate, 1, 1e-14);
        asked = &v;
        assert_ok(m->ctx,
                  bnorm_problem_profile(m->ctx, &m->p, 0, &v, 3, at, effects, gradient));
        for (ptrdiff_t c = 0; c < cols; c++) {
            difference(m, c, profile, 3, d);
            for (int i = 0; i < 3; i++) assert_close(gradient[i * cols + c], d[i], 1, 1e-9);
        }
        free(gradient);
        sample_free(m);
    }
}

static void profiles(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 1);
        problem_variable v = variable_of(m);
        ptrdiff_t cols = bnorm_problem_parameters(&m->p, 1);
        double effects[3], *gradient = malloc(sizeof(double) * (size_t)(3 * cols)), d[3];
        asked = &v;
        assert_ok(m->ctx,
                  bnorm_problem_profile(m->ctx, &m->p, 1, &v, 3, at, effects, gradient));
        double base = mean_response(m, &v, 0, 0);
        for (int i = 0; i < 3; i++)
            assert_close(effects[i], mean_response(m, &v, 1, at[i]) - base, 1, 1e-12);
        for (ptrdiff_t c = 0; c < cols; c++) {
            difference(m, c, profile, 3, d);
            for (int i = 0; i < 3; i++) assert_close(gradient[i * cols + c], d[i], 1, 1e-8);
        }
        free(gradient);
        sample_free(m);
    }
}

/* Many blocks and parts: the same bits for any number of threads; estimates of relu are right. */
static void many_rows(void **state)
{
    (void)state;
    setting s = settings[0];
    s.rows = 9000;
    s.activation = "relu";
    double expected[2], got[2], *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        sample_problem *m = make(&s, threads);
        problem_variable v = variable_of(m);
        ptrdiff_t cols = bnorm_problem_parameters(&m->p, 1);
        double *gradient = malloc(sizeof(double) * (size_t)cols);
        assert_ok(m->ctx, bnorm_problem_margins(m->ctx, &m->p, 1, &v, 1, got, gradient));
        if (threads == 1) {
            double h = 1e-7;
            expected[0] = got[0];
            first = gradient;
            assert_close(got[0],
                         (mean_response(m, &v, 0, h) - mean_response(m, &v, 0, -h)) / (2 * h),
                         1, 1e-6);
        } else {
            assert_true(got[0] == expected[0]);
            assert_memory_equal(gradient, first, sizeof(double) * (size_t)cols);
            free(gradient);
        }
        sample_free(m);
    }
    free(first);
}

/* d/dgamma of the mean of relu'(gamma z + beta) gamma slope: with the density of z at the kink. */
static void kinks(void **state)
{
    (void)state;
    enum { ROWS = 20000 };
    setting s = {.rows = ROWS,
                 .linear = 1,
                 .networks = 1,
                 .hidden = {1},
                 .activation = "relu",
                 .seed = 5};
    sample_problem *m = make(&s, 1);
    ptrdiff_t count, cols = bnorm_problem_parameters(&m->p, 1);
    double *params = bnorm_net_parameters(m->networks[0].net, &count);
    const double first[] = {1, 0, 0, 1,
                            0.5}; /* G1, gamma, beta: relu(z + 0.5), z standard normal */
    memcpy(params, first, sizeof first);
    assert_ok(m->ctx, bnorm_net_population(m->ctx, m->networks[0].net, m->networks[0].x, NULL));
    const ptrdiff_t column[] = {0};
    problem_variable v = {-1, column, (const double[]){0}, ones};
    double estimate, *gradient = malloc(sizeof(double) * (size_t)cols);
    assert_ok(m->ctx, bnorm_problem_margins(m->ctx, &m->p, 1, &v, 1, &estimate, gradient));
    double density = exp(-0.125) / sqrt(2 * acos(-1)), part = 0.5 * erfc(-0.5 / sqrt(2));
    assert_close(estimate, part, 0, 0.02);
    /* P(gamma z + beta > 0) gamma: in beta the density at -0.5, in gamma P + density * z */
    assert_close(gradient[cols - 1], density, 0, 0.03);
    assert_close(gradient[cols - 2], part - 0.5 * density, 0, 0.03);
    free(gradient);
    sample_free(m);
}

static bnorm_status once(bnorm_ctx *ctx, void *argument)
{
    sample_problem *m = argument;
    problem_variable v = variable_of(m);
    double estimates[3],
        *gradient = malloc(sizeof(double) * (size_t)(3 * bnorm_problem_parameters(&m->p, 1)));
    bnorm_status status = bnorm_problem_margins(ctx, &m->p, 1, &v, 1, estimates, gradient);
    if (status == BNORM_OK)
        status = bnorm_problem_profile(ctx, &m->p, 1, &v, 2, at, estimates, gradient);
    free(gradient);
    return status;
}

/* Networks keep memory between passes: it is there before memory fails. */
static void failing_memory_everywhere(void **state)
{
    (void)state;
    sample_problem *m = make(&settings[1], 1);
    assert_ok(m->ctx, once(m->ctx, m));
    fail_each_allocation(once, m);
    sample_free(m);
}

static void refusals(void **state)
{
    (void)state;
    setting s = settings[0];
    s.dropout = 0.2;
    sample_problem *m = make(&s, 1);
    problem_variable v = variable_of(m);
    double estimate, gradient[64];
    assert_ok(m->ctx, bnorm_problem_margins(m->ctx, &m->p, 0, &v, 1, &estimate, gradient));
    assert_fails(m->ctx, bnorm_problem_margins(m->ctx, &m->p, 1, &v, 1, &estimate, gradient),
                 BNORM_E_ARGUMENT, "'dropout'");
    sample_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marginal_effects),
        cmocka_unit_test(top_layer),
        cmocka_unit_test(profiles),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(kinks),
        cmocka_unit_test(failing_memory_everywhere),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
