/* jacobian: derivatives of structured models in all parameters beside central differences of what
 * they are derivatives of, and beside the reverse pass of the networks; what is not identified. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layer/layer.h"
#include "panel/inference.h"
#include "panel/top.h"
#include "panel/trace.h"
#include "inference_support.h"

/* ------------------------------------------------------------------------------- jacobian */

static void projected_score(sample_problem *m, double *out)
{
    assert_ok(m->ctx, bnorm_problem_score(m->ctx, &m->p, out));
    bnorm_mat_f64 x = bnorm_view_f64(out, m->p.rows, 1, BNORM_ROW_MAJOR);
    if (m->within) assert_ok(m->ctx, bnorm_demean_f64(m->ctx, m->within, x, x, NULL));
}

static double *jacobian(sample_problem *m, int full, int projected, bnorm_layout layout,
                        ptrdiff_t *cols)
{
    *cols = bnorm_problem_parameters(&m->p, full);
    double *j = malloc((size_t)(m->p.rows * *cols) * sizeof *j);
    assert_ok(m->ctx, bnorm_problem_jacobian(m->ctx, &m->p, full, projected,
                                             bnorm_view_f64(j, m->p.rows, *cols, layout)));
    return j;
}

static void differences_of_scores(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 2);
        ptrdiff_t cols, rows = m->p.rows;
        double *j = jacobian(m, 1, 1, BNORM_COL_MAJOR, &cols), *d = malloc((size_t)rows * 8);
        for (ptrdiff_t c = 0; c < cols; c++) {
            difference(m, c, projected_score, rows, d);
            for (ptrdiff_t i = 0; i < rows; i++) assert_close(j[c * rows + i], d[i], 1, 1e-9);
        }
        free(j);
        free(d);
        sample_free(m);
    }
}

/* J'a is what the networks' own backward pass gives for dR/dV = a G2'. */
static void reverse_pass(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 1);
        ptrdiff_t cols, rows = m->p.rows, at = m->p.p.cols + m->p.top_count;
        double *j = jacobian(m, 1, 0, BNORM_ROW_MAJOR, &cols), *a = normals(77, rows);
        for (ptrdiff_t w = 0; w < m->p.network_count; w++) {
            ptrdiff_t count;
            bnorm_net *net = m->networks[w].net;
            (void)bnorm_net_parameters(net, &count);
            double *gradient = malloc((size_t)count * sizeof *gradient);
            bnorm_pass pass = {.training = 1, .weights = m->weights, .ctx = m->ctx};
            bnorm_mat_f64 v;
            assert_ok(m->ctx, bnorm_net_up(net, &pass, m->networks[w].x, gradient, &v));
            for (ptrdiff_t i = 0; i < rows; i++)
                for (ptrdiff_t c = 0; c < v.cols; c++)
                    v.data[i * v.ld + c] = a[i] * m->top[w][c];
            assert_ok(m->ctx, bnorm_net_down(net, &pass, gradient));
            for (ptrdiff_t c = 0; c < count; c++) {
                double sum = 0, size = 0;
                for (ptrdiff_t i = 0; i < rows; i++) {
                    sum += a[i] * j[i * cols + at + c];
                    size += fabs(a[i] * j[i * cols + at + c]);
                }
                assert_close(sum, gradient[c], size, 1e-13);
            }
            free(gradient);
            at += count;
        }
        free(j);
        free(a);
        sample_free(m);
    }
}

/* With any divisor of the variance: beside the backward pass. */
static void divisors(void **state)
{
    (void)state;
    enum { ROWS = 12, INPUTS = 2, UNITS = 3 };
    const bnorm_rule rules[] = {{0, 1}, {0.3, 2.5}};
    double *x = normals(1, ROWS * INPUTS), *a = normals(2, ROWS), weights[ROWS];
    for (int i = 0; i < ROWS; i++) weights[i] = 0.3 + i % 4;
    const double g2[UNITS] = {1, -2, 0.5};
    for (int r = 0; r < 2; r++) {
        bnorm_ctx *ctx = make_ctx(1);
        bnorm_net *net;
        assert_ok(ctx, bnorm_net_create(ctx, INPUTS, &net));
        assert_ok(ctx, bnorm_net_dense(ctx, net, UNITS));
        assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rules[r]));
        assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("tanh")));
        assert_ok(ctx, bnorm_net_start(ctx, net, 3));
        ptrdiff_t count;
        (void)bnorm_net_parameters(net, &count);
        double j[ROWS * 16], gradient[16];
        trace t;
        bnorm_mat_f64 view = bnorm_view_f64(x, ROWS, INPUTS, BNORM_ROW_MAJOR), v;
        assert_ok(ctx, bnorm_trace_make(ctx, net, view, weights, &t));
        assert_ok(ctx, bnorm_trace_tangents(ctx, &t, g2, 0,
                                            bnorm_view_f64(j, ROWS, count, BNORM_ROW_MAJOR)));
        bnorm_pass pass = {.training = 1, .weights = weights, .ctx = ctx};
        assert_ok(ctx, bnorm_net_up(net, &pass, view, gradient, &v));
        for (int i = 0; i < ROWS; i++)
            for (int c = 0; c < UNITS; c++) v.data[i * v.ld + c] = a[i] * g2[c];
        assert_ok(ctx, bnorm_net_down(net, &pass, gradient));
        for (ptrdiff_t c = 0; c < count; c++) {
            double sum = 0;
            for (int i = 0; i < ROWS; i++) sum += a[i] * j[i * count + c];
            assert_close(sum, gradient[c], 10, 1e-13);
        }
        bnorm_trace_free(&t);
        bnorm_net_destroy(net);
        bnorm_ctx_destroy(ctx);
    }
    free(x), free(a);
}

/* The direction of a column g of the first G1 does what -eps/sigma^2 gamma does: nothing at eps =
 * 0, and at any eps what gamma takes back. */
static void radial_direction(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        sample_problem *m = make(&settings[k == 2 ? 0 : k], 1);
        ptrdiff_t cols, rows = m->p.rows, at = m->p.p.cols + m->p.top_count;
        double *j = jacobian(m, 1, 1, BNORM_ROW_MAJOR, &cols);
        bnorm_net *net = m->networks[0].net;
        bnorm_block g, gamma;
        bnorm_layer_info info;
        assert_ok(NULL, bnorm_net_block(NULL, net, 0, &g));
        assert_ok(NULL, bnorm_net_block(NULL, net, 1, &gamma));
        assert_ok(NULL, bnorm_net_layer_info(NULL, net, 1, &info));
        double *params = bnorm_net_parameters(net, &(ptrdiff_t){0});
        for (ptrdiff_t c = 0; c < g.cols; c++) {
            double back = info.rule.eps / (info.var[c] + info.rule.eps);
            for (ptrdiff_t i = 0; i < rows; i++) {
                const double *row = j + i * cols + at;
                double sum = 0, size = 0;
                for (ptrdiff_t r = 0; r < g.rows; r++) {
                    double term =
                        params[g.offset + r * g.cols + c] * row[g.offset + r * g.cols + c];
                    sum += term, size += fabs(term);
                }
                sum -= back * params[gamma.offset + c] * row[gamma.offset + c];
                assert_true(fabs(sum) <= 1e-13 * (size + 1));
            }
        }
        free(j);
        sample_free(m);
    }
}

/* One such direction for each hidden unit before a batchnorm; the simplest null vectors are they. */
static void unidentified(void **state)
{
    (void)state;
    setting s = {.rows = 200,
                 .units = 12,
                 .linear = 2,
                 .networks = 1,
                 .hidden = {3, 2},
                 .eps = 1e-5,
                 .seed = 6};
    sample_problem *m = make(&s, 1);
    ptrdiff_t cols, at = m->p.p.cols + m->p.top_count, places[64];
    double *j = jacobian(m, 1, 1, BNORM_ROW_MAJOR, &cols), e[200], null[64 * 64];
    for (int i = 0; i < 200; i++) e[i] = sin(7.0 * i);
    covariance_request q = {.type = BNORM_VCOV_HC1,
                            .j = bnorm_view_f64(j, 200, cols, BNORM_ROW_MAJOR),
                            .residuals = e,
                            .absorbed = 12};
    covariance c;
    assert_ok(m->ctx, bnorm_covariance_make(m->ctx, &q, &c));
    assert_int_equal(cols - c.rank, 3 + 2);
    bnorm_covariance_null(&c, null, places);
    const double *params = bnorm_net_parameters(m->networks[0].net, &(ptrdiff_t){0});
    bnorm_block g[2];
    for (int k = 0; k < 2; k++)
        assert_ok(NULL, bnorm_net_block(NULL, m->networks[0].net, 3 * k, &g[k]));
    int seen[5] = {0};
    for (int k = 0; k < 5; k++) {
        ptrdiff_t p = places[k] - at;
        int second = p >= g[1].offset;
        const bnorm_block *b = &g[second];
        assert_true(p >= b->offset && p < b->offset + b->rows * b->cols);
        ptrdiff_t column = (p - b->offset) % b->cols;
        seen[3 * second + column]++;
        for (ptrdiff_t r = 0; r < b->rows; r++) { /* proportional to that column of G */
            ptrdiff_t o = b->offset + r * b->cols + column;
            double part = null[k * cols + at + o] / c.scale[at + o] * c.scale[places[k]];
            assert_close(part, params[o] / params[p], 1, 1e-6);
        }
        assert_true(isnan(bnorm_covariance_error(&c, null + k * cols)));
    }
    for (int k = 0; k < 5; k++) assert_int_equal(seen[k], 1);
    bnorm_covariance_free(&c);
    free(j);
    sample_free(m);
}

static void same_bits(void **state)
{
    (void)state;
    setting s = settings[1];
    s.rows = 1500;
    ptrdiff_t cols;
    sample_problem *first = make(&s, 1);
    double *expected = jacobian(first, 1, 1, BNORM_ROW_MAJOR, &cols);
    for (int threads = 2; threads <= 4; threads++) {
        sample_problem *m = make(&s, threads);
        double *j = jacobian(m, 1, 1, BNORM_ROW_MAJOR, &cols);
        assert_memory_equal(j, expected, sizeof(double) * (size_t)(s.rows * cols));
        free(j);
        sample_free(m);
    }
    free(expected);
    sample_free(first);
}

/* The top layer alone is the first columns, Q[P, V] of the fit. */
static void top_columns(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 1);
        ptrdiff_t wide, cols, rows = m->p.rows;
        double *all = jacobian(m, 1, 1, BNORM_ROW_MAJOR, &wide);
        double *some = jacobian(m, 0, 1, BNORM_ROW_MAJOR, &cols);
        double *design = malloc(sizeof(double) * (size_t)(rows * cols));
        bnorm_mat_f64 qp = bnorm_view_f64(design, rows, cols, BNORM_ROW_MAJOR), qv = qp;
        qp.cols = m->p.p.cols;
        qv.data += qp.cols;
        qv.cols -= qp.cols;
        assert_ok(m->ctx, bnorm_problem_design(m->ctx, &m->p, qp, qv, NULL));
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t c = 0; c < cols; c++) {
                assert_close(all[i * wide + c], design[i * cols + c], 1, 1e-12);
                assert_true(some[i * cols + c] == design[i * cols + c]);
            }
        free(all);
        free(some);
        free(design);
        sample_free(m);
    }
}

/* ------------------------------------------------------------------------------ other rows */

static bnorm_mat_f64 other_p, other_x[2];
static void other_score(sample_problem *m, double *out)
{
    problem there = m->p;
    problem_network networks[2];
    there.rows = other_p.rows;
    there.p = other_p;
    there.networks = networks;
    for (ptrdiff_t k = 0; k < m->p.network_count; k++) {
        networks[k] = m->networks[k];
        networks[k].x = other_x[k];
    }
    assert_ok(m->ctx, bnorm_problem_score(m->ctx, &there, out));
}

static void new_rows(void **state)
{
    (void)state;
    enum { ROWS = 7 };
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 1);
        ptrdiff_t cols = bnorm_problem_parameters(&m->p, 1),
                  narrow = bnorm_problem_parameters(&m->p, 0);
        double *p = normals(31, ROWS * 3),
               *x[2] = {normals(32, ROWS * 3), normals(33, ROWS * 4)};
        other_p = bnorm_view_f64(p, ROWS, m->p.p.cols, BNORM_ROW_MAJOR);
        for (ptrdiff_t w = 0; w < 2; w++)
            other_x[w] = bnorm_view_f64(x[w], ROWS, 3 + w, BNORM_ROW_MAJOR);
        double *j = malloc(sizeof(double) * (size_t)(ROWS * cols)), d[ROWS];
        assert_ok(m->ctx,
                  bnorm_problem_jacobian_at(m->ctx, &m->p, 0, other_p, other_x,
                                            bnorm_view_f64(j, ROWS, narrow, BNORM_COL_MAJOR)));
        for (ptrdiff_t c = 0; c < narrow; c++) {
            difference(m, c, other_score, ROWS, d);
            for (ptrdiff_t i = 0; i < ROWS; i++) assert_close(j[c * ROWS + i], d[i], 1, 1e-9);
        }
        assert_ok(m->ctx,
                  bnorm_problem_jacobian_at(m->ctx, &m->p, 1, other_p, other_x,
                                            bnorm_view_f64(j, ROWS, cols, BNORM_ROW_MAJOR)));
        for (ptrdiff_t c = 0; c < cols; c++) {
            difference(m, c, other_score, ROWS, d);
            for (ptrdiff_t i = 0; i < ROWS; i++) assert_close(j[i * cols + c], d[i], 1, 1e-9);
        }
        free(j);
        free(p), free(x[0]), free(x[1]);
        sample_free(m);
    }
}

/* Of one factor the effects are means: A J holds the units' means of J. */
static void effect_design(void **state)
{
    (void)state;
    sample_problem *m = make(&settings[0], 1);
    ptrdiff_t cols, rows = m->p.rows, units = settings[0].units;
    double *j = jacobian(m, 1, 0, BNORM_ROW_MAJOR, &cols);
    double *q = jacobian(m, 1, 1, BNORM_ROW_MAJOR, &cols);
    double *a = malloc(sizeof(double) * (size_t)(units * cols));
    assert_ok(m->ctx, bnorm_problem_effect_design(
                          m->ctx, &m->p, bnorm_view_f64(j, rows, cols, BNORM_ROW_MAJOR),
                          bnorm_view_f64(a, units, cols, BNORM_ROW_MAJOR)));
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t c = 0; c < cols; c++)
            assert_close(j[i * cols + c] - a[m->unit[i] * cols + c], q[i * cols + c], 20,
                         1e-13);
    free(j), free(q), free(a);
    sample_free(m);
}

/* ------------------------------------------------------------------------------ penalties */

/* The objective at the best theta and G2 for the present hidden parameters, n s^2/2 times (n times
 * for the logistic loss). */
static void reduced(sample_problem *m, double *out)
{
    top t;
    double sum = 0;
    assert_ok(m->ctx, bnorm_top_create(m->ctx, &m->p, &t));
    assert_ok(m->ctx, bnorm_top_infer(m->ctx, &t));
    bnorm_top_solve(m->ctx, &t);
    bnorm_top_write(&t);
    for (ptrdiff_t k = 0; k < m->p.network_count; k++)
        for (ptrdiff_t i = 0; i < bnorm_net_block_count(m->networks[k].net); i++) {
            bnorm_block b;
            double *params = bnorm_net_parameters(m->networks[k].net, &(ptrdiff_t){0});
            assert_ok(m->ctx, bnorm_net_block(m->ctx, m->networks[k].net, i, &b));
            for (ptrdiff_t j = 0; j < b.rows * b.cols; j++)
                sum += b.penalty * params[b.offset + j] * params[b.offset + j];
        }
    *out = (t.loss + t.penalty + sum) * m->p.n * (m->p.logistic ? 1 : t.s * t.s / 2);
    bnorm_top_free(&t);
}

/* -J'omega E + penalty * parameters is 0 in theta and G2 at their closed form, and the derivative of
 * the reduced objective in the others (envelope theorem). */
static void gradient_and_penalties(void **state)
{
    (void)state;
    for (int k = 0; k < SETTINGS; k++) {
        sample_problem *m = make(&settings[k], 1);
        double value, d, *e = malloc((size_t)m->p.rows * sizeof *e);
        reduced(m, &value);
        ptrdiff_t cols, rows = m->p.rows, head = m->p.p.cols + m->p.top_count;
        double *j = jacobian(m, 1, 1, BNORM_ROW_MAJOR, &cols);
        double *penalty = malloc((size_t)cols * sizeof *penalty),
               *at = malloc((size_t)cols * 8);
        int any, network;
        assert_ok(m->ctx, bnorm_problem_design(m->ctx, &m->p, (bnorm_mat_f64){0},
                                               (bnorm_mat_f64){0}, e));
        assert_ok(m->ctx, bnorm_problem_penalties(m->ctx, &m->p, 1, penalty, &any));
        assert_int_equal(any, k == 1 || k == 2);
        for (ptrdiff_t c = 0; c < cols; c++) at[c] = *parameter(m, c, &network);
        for (ptrdiff_t c = 0; c < cols; c++) {
            double sum = penalty[c] * at[c], size = fabs(sum);
            for (ptrdiff_t i = 0; i < rows; i++) {
                double term = (m->weights ? m->weights[i] : 1) * j[i * cols + c] * e[i];
                sum -= term, size += fabs(term);
            }
            if (c < head)
                assert_close(sum, 0, size, 1e-9);
            else
                difference(m, c, reduced, 1, &d), assert_close(sum, d, size, 1e-8);
        }
        free(j), free(e), free(penalty), free(at);
        sample_free(m);
    }
}

/* --------------------------------------------------------------------------------- errors */

static bnorm_status once(bnorm_ctx *ctx, void *argument)
{
    sample_problem *m = argument;
    ptrdiff_t cols = bnorm_problem_parameters(&m->p, 1), levels = 0;
    double *j = malloc(sizeof(double) * (size_t)(m->p.rows * cols));
    bnorm_mat_f64 all = bnorm_view_f64(j, m->p.rows, cols, BNORM_ROW_MAJOR), effects = all;
    for (ptrdiff_t k = 0; k < m->p.factor_count; k++) levels += m->p.factors[k].levels;
    effects.rows = levels;
    int any;
    bnorm_status status = bnorm_problem_penalties(ctx, &m->p, 1, j, &any);
    if (status == BNORM_OK)
        status = bnorm_problem_jacobian_at(
            ctx, &m->p, 1, m->p.p, (bnorm_mat_f64[]){m->networks[0].x, m->networks[1].x}, all);
    if (status == BNORM_OK) status = bnorm_problem_jacobian(ctx, &m->p, 1, 0, all);
    if (status == BNORM_OK) {
        double *a = malloc(sizeof(double) * (size_t)(levels * cols));
        effects.data = a;
        status = bnorm_problem_effect_design(ctx, &m->p, all, effects);
        free(a);
    }
    free(j);
    return status;
}

static void failing_memory_everywhere(void **state)
{
    (void)state;
    sample_problem *m = make(&settings[1], 1);
    fail_each_allocation(once, m);
    sample_free(m);
}

static void refusals(void **state)
{
    (void)state;
    setting s = settings[0];
    s.dropout = 0.3;
    sample_problem *m = make(&s, 1);
    ptrdiff_t cols = bnorm_problem_parameters(&m->p, 1);
    double *j = malloc(sizeof(double) * (size_t)(m->p.rows * cols));
    bnorm_mat_f64 out = bnorm_view_f64(j, m->p.rows, cols, BNORM_ROW_MAJOR);
    assert_fails(m->ctx, bnorm_problem_jacobian(m->ctx, &m->p, 1, 1, out), BNORM_E_ARGUMENT,
                 "'dropout'");
    m->p.rows = BNORM_JACOBIAN_LIMIT / cols + 1;
    assert_fails(m->ctx, bnorm_problem_jacobian(m->ctx, &m->p, 1, 1, out), BNORM_E_DATA,
                 "full = 0");
    free(j);
    sample_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_of_scores),
        cmocka_unit_test(reverse_pass),
        cmocka_unit_test(divisors),
        cmocka_unit_test(radial_direction),
        cmocka_unit_test(unidentified),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(top_columns),
        cmocka_unit_test(new_rows),
        cmocka_unit_test(effect_design),
        cmocka_unit_test(gradient_and_penalties),
        cmocka_unit_test(failing_memory_everywhere),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
