/* covariance_support: the long way round to a covariance. */
#include "covariance_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void invert_long(int n, long double *a)
{
    long double *both = calloc((size_t)n * 2 * n, sizeof *both);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) both[i * 2 * n + j] = a[i * n + j];
        both[i * 2 * n + n + i] = 1;
    }
    for (int k = 0; k < n; k++) {
        int p = k;
        for (int i = k; i < n; i++)
            if (fabsl(both[i * 2 * n + k]) > fabsl(both[p * 2 * n + k])) p = i;
        for (int j = 0; j < 2 * n; j++) {
            long double t = both[k * 2 * n + j];
            both[k * 2 * n + j] = both[p * 2 * n + j];
            both[p * 2 * n + j] = t;
        }
        long double pivot = both[k * 2 * n + k];
        for (int j = 0; j < 2 * n; j++) both[k * 2 * n + j] /= pivot;
        for (int i = 0; i < n; i++) {
            long double times = i == k ? 0 : both[i * 2 * n + k];
            for (int j = 0; j < 2 * n; j++) both[i * 2 * n + j] -= times * both[k * 2 * n + j];
        }
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) a[i * n + j] = both[i * 2 * n + n + j];
    free(both);
}

enum { ALL = K + DUMMIES };

static long double weight(const sample *s, int weighted, int i)
{
    return weighted ? s->w[i] : 1;
}

/* (X'diag(w)X)^-1 of the design with dummies. */
static void bread(const sample *s, int weighted, long double *a)
{
    memset(a, 0, ALL * ALL * sizeof *a);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < ALL; j++)
            for (int k = 0; k < ALL; k++)
                a[j * ALL + k] +=
                    weight(s, weighted, i) * s->full[i * ALL + j] * s->full[i * ALL + k];
    invert_long(ALL, a);
}

static void solve(sample *s, int weighted, long double *b)
{
    long double a[ALL * ALL], right[ALL] = {0};
    bread(s, weighted, a);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < ALL; j++)
            right[j] += weight(s, weighted, i) * s->full[i * ALL + j] * s->y[i];
    for (int j = 0; j < ALL; j++) {
        b[j] = 0;
        for (int k = 0; k < ALL; k++) b[j] += a[j * ALL + k] * right[k];
    }
}

static void project(sample *s, int weighted)
{
    for (int k = 0; k < K; k++) {
        long double sum[UNITS] = {0}, total[UNITS] = {0};
        for (int i = 0; i < N; i++) {
            sum[s->unit[i]] += weight(s, weighted, i) * s->x[i * K + k];
            total[s->unit[i]] += weight(s, weighted, i);
        }
        for (int i = 0; i < N; i++)
            s->j[i * K + k] = (double)(s->x[i * K + k] - sum[s->unit[i]] / total[s->unit[i]]);
    }
}

sample *make_sample(uint64_t seed, int weighted)
{
    sample *s = calloc(1, sizeof *s);
    double noise[N], size[N];
    bnorm_random_normal(seed, 1, 0, N * K, s->x);
    bnorm_random_normal(seed, 2, 0, N, noise);
    bnorm_random_uniform(seed, 3, 0, N, s->w);
    bnorm_random_uniform(seed, 4, 0, N, size);
    for (int i = 0; i < N; i++) {
        s->unit[i] = i < 4 ? 0 : (int32_t)((i * 7) % UNITS); /* not sorted, not balanced */
        s->period[i] = (int32_t)((i * i + 3 * i) % PERIODS);
        s->alone[i] = (int32_t)(N - 1 - i);
        s->w[i] += 0.2;
        s->x[i * K + 1] += 0.7 * s->x[i * K] + s->unit[i];
        for (int k = 0; k < K; k++) s->full[i * ALL + k] = s->x[i * K + k];
        s->full[i * ALL + K + s->unit[i]] = 1;
        s->y[i] = s->x[i * K] - 2 * s->x[i * K + 2] + 3 * s->unit[i] +
                  noise[i] * (0.3 + size[i] + fabs(s->x[i * K]));
    }
    long double b[ALL];
    solve(s, weighted, b);
    project(s, weighted);
    for (int k = 0; k < K; k++) s->b[k] = (double)b[k];
    for (int i = 0; i < N; i++) {
        long double e = s->y[i];
        for (int k = 0; k < ALL; k++) e -= b[k] * s->full[i * ALL + k];
        s->e[i] = (double)e;
    }
    return s;
}

covariance_request request_of(const sample *s, bnorm_vcov_type type, int weighted)
{
    return (covariance_request){.type = type,
                                .j = bnorm_view_f64(s->j, N, K, BNORM_ROW_MAJOR),
                                .weights = weighted ? s->w : NULL,
                                .residuals = s->e,
                                .absorbed = UNITS,
                                .counted = UNITS,
                                .small = 1,
                                .cluster = {{s->unit, UNITS}, {s->period, PERIODS}},
                                .cluster_count = 1};
}

static void take_block(const long double *a, const long double *meat, long double factor,
                       long double *out)
{
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++) {
            long double sum = 0;
            for (int k = 0; k < ALL; k++)
                for (int m = 0; m < ALL; m++)
                    sum += a[i * ALL + k] * meat[k * ALL + m] * a[m * ALL + j];
            out[i * K + j] = factor * sum;
        }
}

void reference_sandwich(const sample *s, int weighted, const int32_t *groups,
                        long double factor, long double *out)
{
    static long double sums[N * ALL];
    long double a[ALL * ALL], meat[ALL * ALL] = {0};
    memset(sums, 0, sizeof sums);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < ALL; j++)
            sums[(groups ? groups[i] : i) * ALL + j] +=
                weight(s, weighted, i) * s->e[i] * s->full[i * ALL + j];
    for (int g = 0; g < N; g++)
        for (int j = 0; j < ALL; j++)
            for (int k = 0; k < ALL; k++)
                meat[j * ALL + k] += sums[g * ALL + j] * sums[g * ALL + k];
    bread(s, weighted, a);
    take_block(a, meat, factor, out);
}

void reference_classical(const sample *s, int weighted, long double *out)
{
    long double a[ALL * ALL], ssr = 0;
    bread(s, weighted, a);
    for (int i = 0; i < N; i++) ssr += weight(s, weighted, i) * s->e[i] * s->e[i];
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++) out[i * K + j] = a[i * ALL + j] * ssr / (N - ALL);
}

void assert_matrix(const double *got, const long double *expected, int n, double relative)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            long double size = sqrtl(fabsl(expected[i * n + i] * expected[j * n + j]));
            if (fabsl(got[i * n + j] - expected[i * n + j]) <= relative * size) continue;
            print_error("element %d, %d: %.17g, expected %.17Lg\n", i, j, got[i * n + j],
                        expected[i * n + j]);
            fail();
        }
}
