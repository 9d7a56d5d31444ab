/* panel_reduced: the reduced loss and its gradient: differences, laws, threads, memory. */
#include "problem_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "panel/reduced.h"

static const setting settings[] = {
    {.rows = 120,
     .units = 11,
     .linear = 2,
     .networks = 1,
     .hidden = {4},
     .eps = 1e-5,
     .penalty_top = 1e-6},
    {.rows = 150,
     .units = 13,
     .periods = 7,
     .linear = 1,
     .networks = 2,
     .hidden = {3, 2},
     .weighted = 1,
     .eps = 1e-3,
     .penalty = 0.01,
     .penalty_top = 0.02,
     .penalty_linear = 0.3},
    {.rows = 150,
     .units = 13,
     .networks = 1,
     .hidden = {5, 3},
     .plain = 1,
     .penalty_top = 1e-4},
    {.rows = 130,
     .linear = 2,
     .networks = 2,
     .hidden = {3},
     .weighted = 1,
     .eps = 0,
     .activation = "softplus"},
    {.rows = 140,
     .linear = 2,
     .networks = 2,
     .hidden = {3},
     .weighted = 1,
     .eps = 1e-5,
     .logistic = 1,
     .penalty_top = 1e-3,
     .penalty_linear = 0.01},
    {.rows = 100,
     .linear = 1,
     .networks = 1,
     .hidden = {2, 2},
     .plain = 1,
     .logistic = 1,
     .activation = "gelu",
     .penalty_top = 1e-2},
    {.rows = 3000,
     .units = 300,
     .linear = 2,
     .networks = 1,
     .hidden = {12},
     .weighted = 1,
     .eps = 1e-5,
     .penalty_top = 1e-6},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static double value_at(sample_problem *m, reduced *r, const double *p, double *gradient)
{
    double value;
    bnorm_reduced_set(r, p);
    assert_ok(m->ctx, bnorm_reduced_value(m->ctx, r, &value, gradient));
    return value;
}

/* Not at the start: there gammas are 1 and betas 0. */
static double *somewhere(const reduced *r, uint64_t stream)
{
    double *p = malloc((size_t)r->count * sizeof *p), *shift = normals(stream, r->count);
    bnorm_reduced_get(r, p);
    for (ptrdiff_t k = 0; k < r->count; k++) p[k] += 0.3 * shift[k];
    free(shift);
    return p;
}

/* Richardson's difference: its error is O(h^4). */
static double difference(sample_problem *m, reduced *r, double *p, ptrdiff_t k, double h)
{
    double at = p[k], wide, narrow;
    p[k] = at + h;
    wide = value_at(m, r, p, NULL);
    p[k] = at - h;
    wide -= value_at(m, r, p, NULL);
    p[k] = at + h / 2;
    narrow = value_at(m, r, p, NULL);
    p[k] = at - h / 2;
    narrow -= value_at(m, r, p, NULL);
    p[k] = at;
    return (8 * narrow - wide) / (6 * h);
}

static void differences(void **state)
{
    (void)state;
    for (int s = 0; s < SETTINGS; s++)
        for (streaming streams = STREAMS_NEVER; streams <= STREAMS_WHERE_THEY_CAN;
             streams += 2) {
            sample_problem *m = sample_make(&settings[s], 1);
            reduced r;
            assert_ok(m->ctx, bnorm_reduced_create(m->ctx, &m->p, streams, &r));
            double *p = somewhere(&r, 7), *g = malloc((size_t)r.count * sizeof *g), norm = 0;
            (void)value_at(m, &r, p, g);
            for (ptrdiff_t k = 0; k < r.count; k++) norm = fmax(norm, fabs(g[k]));
            for (ptrdiff_t k = 0; k<r.count; k += r.count> 40 ? 7 : 1) {
                double d = difference(m, &r, p, k, 1e-3);
                assert_true(fabs(d - g[k]) <= 2e-8 * norm + 1e-11);
            }
            assert_true(norm > 1e-4);
            free(p);
            free(g);
            bnorm_reduced_free(&r);
            sample_free(m);
        }
}

/* Weight space and the pass over the rows give the same. */
static void streams_agree(void **state)
{
    (void)state;
    const int takes[] = {0, 3, 4, 6};
    for (int s = 0; s < 4; s++) {
        sample_problem *m = sample_make(&settings[takes[s]], 1);
        reduced r, by_stream;
        assert_ok(m->ctx, bnorm_reduced_create(m->ctx, &m->p, STREAMS_NEVER, &r));
        assert_ok(m->ctx,
                  bnorm_reduced_create(m->ctx, &m->p, STREAMS_WHERE_THEY_CAN, &by_stream));
        assert_true(by_stream.streams[0] && !r.streams[0]);
        double *p = somewhere(&r, 7), *g = malloc((size_t)r.count * sizeof *g);
        double *h = malloc((size_t)r.count * sizeof *h), norm = 0;
        double value = value_at(m, &r, p, g), other = value_at(m, &by_stream, p, h);
        assert_true(fabs(value - other) <= 1e-12 * value);
        for (ptrdiff_t k = 0; k < r.count; k++) norm = fmax(norm, fabs(g[k]));
        for (ptrdiff_t k = 0; k < r.count; k++) assert_true(fabs(g[k] - h[k]) <= 1e-10 * norm);
        assert_ok(m->ctx, bnorm_reduced_statistics(m->ctx, &by_stream));
        free(p);
        free(g);
        free(h);
        bnorm_reduced_free(&by_stream);
        bnorm_reduced_free(&r);
        sample_free(m);
    }
}

/* At eps = 0 the length of a column of G1 makes no difference: its radial derivative is 0. */
static void radial_direction(void **state)
{
    (void)state;
    sample_problem *m = sample_make(&settings[3], 1);
    reduced r;
    assert_ok(m->ctx, bnorm_reduced_create(m->ctx, &m->p, STREAMS_NEVER, &r));
    double *p = somewhere(&r, 8), *g = malloc((size_t)r.count * sizeof *g);
    (void)value_at(m, &r, p, g);
    for (int j = 0; j < 3; j++) {
        double radial = 0, size = 0;
        for (int i = 0; i < 3; i++) {
            radial += p[3 * i + j] * g[3 * i + j];
            size += fabs(p[3 * i + j] * g[3 * i + j]);
        }
        assert_true(fabs(radial) <= 1e-12 * size && size > 0);
    }
    free(p);
    free(g);
    bnorm_reduced_free(&r);
    sample_free(m);
}

/* Effects added to y make no difference to value and gradient, nor does its unit. */
static void effects_make_no_difference(void **state)
{
    (void)state;
    for (int s = 0; s < 2; s++) {
        sample_problem *m = sample_make(&settings[s], 1);
        reduced r;
        assert_ok(m->ctx, bnorm_reduced_create(m->ctx, &m->p, STREAMS_NEVER, &r));
        double *p = somewhere(&r, 9), *g = malloc((size_t)r.count * sizeof *g);
        double *h = malloc((size_t)r.count * sizeof *h), value = value_at(m, &r, p, g);
        bnorm_reduced_free(&r);
        for (ptrdiff_t i = 0; i < m->p.rows; i++) {
            m->y[i] += 30 * cos(m->unit[i]);
            if (m->period) m->y[i] += sin(m->period[i]);
            m->y[i] *= 1e4;
        }
        assert_ok(m->ctx, bnorm_reduced_create(m->ctx, &m->p, STREAMS_NEVER, &r));
        assert_true(fabs(value_at(m, &r, p, h) - value) <= 1e-11 * value);
        for (ptrdiff_t k = 0; k < r.count; k++) assert_true(fabs(h[k] - g[k]) <= 1e-10);
        free(p);
        free(g);
        free(h);
        bnorm_reduced_free(&r);
        sample_free(m);
    }
}

/* The pass and inference with its statistics give the same. */
static void inference_agrees(void **state)
{
    (void)state;
    for (int s = 0; s < SETTINGS; s++) {
        sample_problem *m = sample_make(&settings[s], 1);
        reduced r;
        double inferred, after;
        bnorm_mat_f64 none = {0};
        assert_ok(m->ctx, bnorm_reduced_create(m->ctx, &m->p, STREAMS_NEVER, &r));
        double *p = somewhere(&r, 10), value = value_at(m, &r, p, NULL), sum = 0;
        assert_ok(m->ctx, bnorm_reduced_statistics(m->ctx, &r));
        bnorm_top_write(&r.t);
        double *e = malloc((size_t)m->p.rows * sizeof *e);
        assert_ok(m->ctx, bnorm_problem_design(m->ctx, &m->p, none, none, e));
        for (ptrdiff_t i = 0; i < m->p.rows; i++) {
            sum += (m->weights ? m->weights[i] : 1) * e[i] * e[i];
            assert_true(fabs(e[i] - r.t.s * r.t.e[i]) <= 1e-9 * r.t.s);
        }
        after = sum / (m->p.n * r.t.s * r.t.s);
        if (!m->p.logistic) assert_true(fabs(after - r.t.loss) <= 1e-10 * after);
        assert_ok(m->ctx, bnorm_reduced_infer(m->ctx, &r, &inferred));
        assert_true(fabs(inferred - value) <= 1e-10 * value);
        free(p);
        free(e);
        bnorm_reduced_free(&r);
        sample_free(m);
    }
}

static void threads_agree(void **state)
{
    (void)state;
    for (streaming streams = STREAMS_NEVER; streams <= STREAMS_WHERE_THEY_CAN; streams += 2) {
        double *first = NULL, value = 0;
        for (int threads = 1; threads <= 4; threads++) {
            setting s = {.rows = 20000,
                         .units = 700,
                         .periods = 12,
                         .linear = 2,
                         .networks = 2,
                         .hidden = {16},
                         .weighted = 1,
                         .eps = 1e-5,
                         .penalty_top = 1e-6};
            sample_problem *m = sample_make(&s, threads);
            reduced r;
            assert_ok(m->ctx, bnorm_reduced_create(m->ctx, &m->p, streams, &r));
            double *p = somewhere(&r, 11), *g = malloc((size_t)r.count * sizeof *g);
            double now = value_at(m, &r, p, g);
            if (first) {
                assert_true(now == value);
                assert_memory_equal(g, first, (size_t)r.count * sizeof *g);
                free(g);
            } else {
                first = g;
                value = now;
            }
            free(p);
            bnorm_reduced_free(&r);
            sample_free(m);
        }
        free(first);
    }
}

static bnorm_status evaluate_once(bnorm_ctx *ctx, void *argument)
{
    const setting *s = argument;
    sample_problem *m = sample_make(s, 1);
    reduced r;
    double value;
    bnorm_status status = bnorm_reduced_create(ctx, &m->p, STREAMS_WHERE_THEY_CAN, &r);
    double *g = malloc((size_t)(r.count + 1) * sizeof *g);
    if (status == BNORM_OK) status = bnorm_reduced_value(ctx, &r, &value, g);
    if (status == BNORM_OK) status = bnorm_reduced_infer(ctx, &r, &value);
    free(g);
    bnorm_reduced_free(&r);
    sample_free(m);
    return status;
}

static void memory_fails(void **state)
{
    (void)state;
    setting s = settings[1];
    s.hidden[1] = 0;
    assert_true(fail_each_allocation(evaluate_once, &s) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences),      cmocka_unit_test(streams_agree),
        cmocka_unit_test(radial_direction), cmocka_unit_test(effects_make_no_difference),
        cmocka_unit_test(inference_agrees), cmocka_unit_test(threads_agree),
        cmocka_unit_test(memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
