/* within_support: random panels, and the projection by dense least squares in long double. */
#include "within_support.h"

#include <math.h>
#include <stdlib.h>

void fill_normal(uint64_t seed, uint64_t stream, ptrdiff_t count, double *out)
{
    bnorm_random_normal(seed, stream, 0, count, out);
}

static void make_codes(panel *p, ptrdiff_t k)
{
    ptrdiff_t islands = p->islands > 0 ? p->islands : 1, per = p->levels[k] / islands;
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        double u;
        bnorm_random_uniform(p->seed, (uint64_t)k, (uint64_t)i, 1, &u);
        ptrdiff_t l = (ptrdiff_t)(u * u * (double)per); /* early levels have more rows */
        p->codes[k][i] = (int32_t)((i % islands) * per + l);
    }
}

void panel_make(panel *p)
{
    for (ptrdiff_t k = 0; k < p->count; k++) {
        p->codes[k] = malloc((size_t)p->rows * sizeof **p->codes);
        p->slope[k] = p->slopes[k] ? malloc((size_t)p->rows * sizeof **p->slope) : NULL;
        if (p->twin[k])
            for (ptrdiff_t i = 0; i < p->rows; i++)
                p->codes[k][i] = p->codes[p->twin[k] - 1][i];
        else
            make_codes(p, k);
        if (p->slope[k]) fill_normal(p->seed, 100 + (uint64_t)k, p->rows, p->slope[k]);
        p->factors[k] = (bnorm_factor){p->codes[k], p->levels[k], p->slope[k]};
    }
    p->weights = p->weighted ? malloc((size_t)p->rows * sizeof *p->weights) : NULL;
    for (ptrdiff_t i = 0; p->weights && i < p->rows; i++) {
        bnorm_random_uniform(p->seed, 200, (uint64_t)i, 1, &p->weights[i]);
        p->weights[i] = p->weights[i] < 0.1 ? 0 : 3 * p->weights[i];
    }
}

void panel_free(panel *p)
{
    for (ptrdiff_t k = 0; k < p->count; k++) {
        free(p->codes[k]);
        free(p->slope[k]);
    }
    free(p->weights);
}

bnorm_within *panel_within(const panel *p, double tolerance)
{
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_within *q;
    assert_ok(ctx, bnorm_within_create(ctx, p->rows, p->factors, p->count, p->weights,
                                       tolerance, &q));
    bnorm_ctx_destroy(ctx);
    return q;
}

static long double weight(const double *weights, ptrdiff_t i)
{
    return weights ? weights[i] : 1;
}

static long double dot(ptrdiff_t rows, const double *weights, const long double *a,
                       const long double *b)
{
    long double sum = 0;
    for (ptrdiff_t i = 0; i < rows; i++) sum += weight(weights, i) * a[i] * b[i];
    return sum;
}

static void take_all(const dense *d, long double *x)
{
    for (int again = 0; again < 2; again++)
        for (ptrdiff_t j = 0; j < d->rank; j++) {
            const long double *q = d->q + j * d->rows;
            long double share = dot(d->rows, d->weights, q, x);
            for (ptrdiff_t i = 0; i < d->rows; i++) x[i] -= share * q[i];
        }
}

static double design(const panel *p, ptrdiff_t k, ptrdiff_t level, ptrdiff_t i)
{
    if (p->codes[k][i] != level) return 0;
    return p->slope[k] ? p->slope[k][i] : 1;
}

dense dense_make(const panel *p)
{
    ptrdiff_t most = 0;
    for (ptrdiff_t k = 0; k < p->count; k++) most += p->levels[k];
    dense d = {p->rows, 0, p->weights, malloc((size_t)(most * p->rows) * sizeof *d.q)};
    for (ptrdiff_t k = 0; k < p->count; k++)
        for (ptrdiff_t l = 0; l < p->levels[k]; l++) {
            long double *next = d.q + d.rank * p->rows;
            for (ptrdiff_t i = 0; i < p->rows; i++) next[i] = design(p, k, l, i);
            long double before = dot(p->rows, p->weights, next, next);
            take_all(&d, next);
            long double after = dot(p->rows, p->weights, next, next);
            if (!(after > 1e-20L * before)) continue;
            for (ptrdiff_t i = 0; i < p->rows; i++) next[i] /= sqrtl(after);
            d.rank++;
        }
    return d;
}

void dense_free(dense *d)
{
    free(d->q);
}

void dense_project(const dense *d, const double *x, long double *to)
{
    for (ptrdiff_t i = 0; i < d->rows; i++) to[i] = x[i];
    take_all(d, to);
}

long double weighted_norm(ptrdiff_t rows, const double *weights, const double *x)
{
    long double sum = 0;
    for (ptrdiff_t i = 0; i < rows; i++)
        sum += weight(weights, i) * (long double)x[i] * (long double)x[i];
    return sqrtl(sum);
}

double normal_equations(const panel *p, const double *y)
{
    long double norm = weighted_norm(p->rows, p->weights, y), worst = 0;
    for (ptrdiff_t k = 0; k < p->count; k++)
        for (ptrdiff_t l = 0; l < p->levels[k]; l++) {
            long double sum = 0, square = 0;
            for (ptrdiff_t i = 0; i < p->rows; i++) {
                long double a = design(p, k, l, i), w = weight(p->weights, i);
                sum += w * a * y[i];
                square += w * a * a;
            }
            if (square > 0) worst = fmaxl(worst, fabsl(sum) / sqrtl(square));
        }
    return norm > 0 ? (double)(worst / norm) : (double)worst;
}
