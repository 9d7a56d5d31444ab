#include "problem_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double *normals(uint64_t stream, ptrdiff_t count)
{
    double *v = malloc((size_t)(count > 0 ? count : 1) * sizeof *v);
    assert_non_null(v);
    bnorm_random_normal(99, stream, 0, count, v);
    return v;
}

/* Squares of uniform numbers crowd the first levels. */
static int32_t *codes(uint64_t stream, ptrdiff_t rows, ptrdiff_t levels, int crowd)
{
    int32_t *c = malloc((size_t)rows * sizeof *c);
    double *u = malloc((size_t)rows * sizeof *u);
    assert_true(c && u);
    bnorm_random_uniform(98, stream, 0, rows, u);
    for (ptrdiff_t i = 0; i < rows; i++)
        c[i] = (int32_t)((crowd ? u[i] * sqrt(u[i]) : u[i]) * (double)levels);
    free(u);
    return c;
}

static bnorm_net *make_net(bnorm_ctx *ctx, const setting *s, ptrdiff_t inputs, uint64_t seed)
{
    bnorm_net *net;
    const bnorm_activation *a = bnorm_activation_find(s->activation ? s->activation : "tanh");
    assert_ok(ctx, bnorm_net_create(ctx, inputs, &net));
    for (int k = 0; k < 2; k++) {
        if (k && !s->hidden[k]) break;
        assert_ok(ctx, bnorm_net_dense(ctx, net, s->hidden[k]));
        if (!s->plain) assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){s->eps, 0}));
        assert_ok(ctx, bnorm_net_activation(ctx, net, a));
        if (s->dropout > 0) assert_ok(ctx, bnorm_net_dropout(ctx, net, s->dropout));
    }
    assert_ok(ctx, bnorm_net_start(ctx, net, seed));
    assert_ok(ctx, bnorm_net_set_penalty(ctx, net, NULL, s->penalty));
    return net;
}

static void add_network(sample_problem *m, const setting *s, int k)
{
    ptrdiff_t inputs = 3 + k, rows = s->rows;
    problem_network *w = &m->networks[k];
    m->x[k] = normals(s->seed * 100 + 20 + (uint64_t)k, rows * inputs);
    w->net = make_net(m->ctx, s, inputs, s->seed + 5 + (uint64_t)k);
    w->x = bnorm_view_f64(m->x[k], rows, inputs, BNORM_ROW_MAJOR);
    w->top = m->top[k] = calloc((size_t)bnorm_net_outputs(w->net), sizeof(double));
    m->p.top_count += bnorm_net_outputs(w->net);
}

static double target(const sample_problem *m, const setting *s, ptrdiff_t i, double noise)
{
    double y = noise / 3;
    for (ptrdiff_t j = 0; j < s->linear; j++)
        y += (double)(j + 1) * m->linear[i * s->linear + j];
    if (s->networks) y += sin(2 * m->x[0][i * 3]) * m->x[0][i * 3 + 1];
    if (s->networks > 1) y += fabs(m->x[1][i * 4 + 3]);
    if (s->units) y += 5 * sin((double)m->unit[i]);
    if (s->periods) y += 0.3 * (double)m->period[i];
    return y;
}

static void add_factors(sample_problem *m, const setting *s)
{
    problem *p = &m->p;
    if (!s->units) return;
    m->unit = codes(s->seed * 2, s->rows, s->units, 1);
    m->factors[p->factor_count++] = (bnorm_factor){.codes = m->unit, .levels = s->units};
    p->unit = m->unit;
    p->units = s->units;
    if (s->periods) {
        m->period = codes(s->seed * 2 + 1, s->rows, s->periods, 0);
        m->factors[p->factor_count++] =
            (bnorm_factor){.codes = m->period, .levels = s->periods};
        p->period = m->period;
        p->periods = s->periods;
    }
    p->factors = m->factors;
    assert_ok(m->ctx, bnorm_within_create(m->ctx, s->rows, m->factors, p->factor_count,
                                          m->weights, 0, &m->within));
    p->within = m->within;
}

static void add_rows(sample_problem *m, const setting *s)
{
    double *noise = normals(s->seed * 100 + 1, s->rows);
    m->linear = normals(s->seed * 100 + 2, s->rows * s->linear);
    m->y = malloc((size_t)s->rows * sizeof *m->y);
    for (ptrdiff_t i = 0; i < s->rows; i++)
        for (ptrdiff_t j = 0; j < s->linear; j++) {
            double *value = &m->linear[i * s->linear + j];
            if (m->unit) *value += 0.5 * (double)(m->unit[i] % 7) + 10 * (double)j;
            if (!m->unit && j == 0) *value = 1;
        }
    for (int k = 0; k < s->networks; k++) add_network(m, s, k);
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        m->y[i] = target(m, s, i, noise[i]);
        if (s->logistic) m->y[i] = 1 / (1 + exp(-m->y[i])) > 0.5 + 0.3 * sin(noise[i] * 99);
    }
    free(noise);
}

sample_problem *sample_make(const setting *s, int threads)
{
    sample_problem *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->ctx = make_ctx(threads);
    m->p.n = (double)s->rows;
    if (s->weighted) {
        m->weights = malloc((size_t)s->rows * sizeof *m->weights);
        bnorm_random_uniform(97, s->seed, 0, s->rows, m->weights);
        m->p.n = 0;
        for (ptrdiff_t i = 0; i < s->rows; i++) m->p.n += m->weights[i] += 0.2;
    }
    add_factors(m, s);
    add_rows(m, s);
    problem *p = &m->p;
    p->rows = s->rows;
    p->y = m->y;
    p->weights = m->weights;
    p->p = bnorm_view_f64(m->linear, s->rows, s->linear, BNORM_ROW_MAJOR);
    p->theta = m->theta = calloc((size_t)s->linear + 1, sizeof *m->theta);
    p->networks = m->networks;
    p->network_count = s->networks;
    p->logistic = s->logistic;
    p->penalty_top = s->penalty_top;
    p->penalty_linear = s->penalty_linear;
    return m;
}

void sample_free(sample_problem *m)
{
    for (int k = 0; k < 2; k++) {
        bnorm_net_destroy(m->networks[k].net);
        free(m->x[k]);
        free(m->top[k]);
    }
    bnorm_within_destroy(m->within);
    bnorm_ctx_destroy(m->ctx);
    free(m->y);
    free(m->weights);
    free(m->linear);
    free(m->theta);
    free(m->unit);
    free(m->period);
    free(m);
}

/* --------------------------------------------------------------------------------- dense */

double *dense_design(const problem *p, ptrdiff_t *cols)
{
    ptrdiff_t wide = p->p.cols;
    for (ptrdiff_t k = 0; k < p->factor_count; k++) wide += p->factors[k].levels;
    double *x = calloc((size_t)(p->rows * wide), sizeof *x);
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        double *row = x + i * wide;
        for (ptrdiff_t k = 0; k < p->factor_count; k++) {
            row[p->factors[k].codes[i]] = 1;
            row += p->factors[k].levels;
        }
        memcpy(row, p->p.data + i * p->p.ld, (size_t)p->p.cols * sizeof *row);
    }
    *cols = wide;
    return x;
}

static long double *scaled(ptrdiff_t rows, ptrdiff_t cols, const double *x, const double *y,
                           const double *weights)
{
    long double *a = malloc((size_t)(rows * (cols + 1)) * sizeof *a);
    for (ptrdiff_t i = 0; i < rows; i++) {
        long double root = weights ? sqrtl((long double)weights[i]) : 1;
        for (ptrdiff_t j = 0; j < cols; j++) a[j * rows + i] = root * x[i * cols + j];
        a[cols * rows + i] = root * y[i];
    }
    return a;
}

static void clear_below(long double *a, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t row,
                        ptrdiff_t j, long double norm)
{
    long double *v = a + j * rows, head = v[row] + copysignl(norm, v[row]);
    long double tau = 1 / (norm * fabsl(head)), diagonal = -copysignl(norm, v[row]);
    v[row] = head;
    for (ptrdiff_t k = j + 1; k <= cols; k++) {
        long double *c = a + k * rows, sum = 0;
        for (ptrdiff_t i = row; i < rows; i++) sum += v[i] * c[i];
        for (ptrdiff_t i = row; i < rows; i++) c[i] -= tau * sum * v[i];
    }
    v[row] = diagonal;
}

void dense_least(ptrdiff_t rows, ptrdiff_t cols, const double *x, const double *y,
                 const double *weights, double *b)
{
    long double *a = scaled(rows, cols, x, y, weights);
    ptrdiff_t *place = malloc((size_t)cols * sizeof *place), row = 0;
    for (ptrdiff_t j = 0; j < cols; j++) {
        long double all = 0, left = 0;
        for (ptrdiff_t i = 0; i < rows; i++) {
            all += a[j * rows + i] * a[j * rows + i];
            if (i >= row) left += a[j * rows + i] * a[j * rows + i];
        }
        place[j] = row < rows && left > 1e-24L * all ? row : -1;
        if (place[j] >= 0) clear_below(a, rows, cols, row++, j, sqrtl(left));
    }
    long double *solution = calloc((size_t)cols, sizeof *solution);
    for (ptrdiff_t j = cols - 1; j >= 0; j--) {
        if (place[j] < 0) continue;
        long double sum = a[cols * rows + place[j]];
        for (ptrdiff_t k = j + 1; k < cols; k++) sum -= a[k * rows + place[j]] * solution[k];
        solution[j] = sum / a[j * rows + place[j]];
    }
    for (ptrdiff_t j = 0; j < cols; j++) b[j] = (double)solution[j];
    free(solution);
    free(place);
    free(a);
}
