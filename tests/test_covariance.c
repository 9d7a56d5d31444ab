/* covariance: estimates of every type beside the long way round with explicit dummies; what must
 * not matter; what is not identified; penalties; every error. */
#include "covariance_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static covariance make(bnorm_ctx *ctx, const covariance_request *q)
{
    covariance c;
    assert_ok(ctx, bnorm_covariance_make(ctx, q, &c));
    return c;
}

/* The matrix of a request beside the expected one. */
static void assert_request(const covariance_request *q, const long double *expected)
{
    bnorm_ctx *ctx = make_ctx(1);
    covariance c = make(ctx, q);
    assert_int_equal(c.rank, K);
    assert_matrix(c.matrix, expected, K, 1e-12);
    bnorm_covariance_free(&c);
    bnorm_ctx_destroy(ctx);
}

/* ----------------------------------------------------------------------------- reference */

static void one_way(void **state)
{
    (void)state;
    for (int weighted = 0; weighted < 2; weighted++) {
        sample *s = make_sample(11 + (uint64_t)weighted, weighted);
        long double expected[K * K], n = N, g = UNITS;
        covariance_request q = request_of(s, BNORM_VCOV_CLASSICAL, weighted);
        reference_classical(s, weighted, expected);
        assert_request(&q, expected);
        q.type = BNORM_VCOV_HC0;
        reference_sandwich(s, weighted, NULL, 1, expected);
        assert_request(&q, expected);
        q.type = BNORM_VCOV_HC1;
        reference_sandwich(s, weighted, NULL, n / (n - K - UNITS), expected);
        assert_request(&q, expected);
        q.type = BNORM_VCOV_CLUSTER;
        reference_sandwich(s, weighted, s->unit, g / (g - 1) * (n - 1) / (n - K - UNITS),
                           expected);
        assert_request(&q, expected);
        q.counted = 0;
        reference_sandwich(s, weighted, s->unit, g / (g - 1) * (n - 1) / (n - K), expected);
        assert_request(&q, expected);
        q.small = 0;
        reference_sandwich(s, weighted, s->unit, 1, expected);
        assert_request(&q, expected);
        free(s);
    }
}

/* Few pairs of unit and period, so that the two ways have no negative variance here. */
static void two_ways(void **state)
{
    (void)state;
    sample *s = make_sample(5, 1);
    int32_t pair[N];
    for (int i = 0; i < N; i++) {
        pair[i] = (int32_t)i;
        for (int m = 0; m < i; m++)
            if (s->unit[m] == s->unit[i] && s->period[m] == s->period[i]) pair[i] = pair[m];
    }
    long double v[3][K * K], sum[K * K], n = N, left = n - K - UNITS;
    int pairs = 0, periods = 0, seen[PERIODS] = {0};
    for (int i = 0; i < N; i++) {
        pairs += pair[i] == i;
        periods += !seen[s->period[i]]++;
    }
    reference_sandwich(s, 1, s->unit, (n - 1) / left * UNITS / (UNITS - 1.L), v[0]);
    reference_sandwich(s, 1, s->period, (n - 1) / left * periods / (periods - 1.L), v[1]);
    reference_sandwich(s, 1, pair, (n - 1) / left * pairs / (pairs - 1.L), v[2]);
    for (int k = 0; k < K * K; k++) sum[k] = v[0][k] + v[1][k] - v[2][k];
    covariance_request q = request_of(s, BNORM_VCOV_CLUSTER, 1);
    q.cluster_count = 2;
    assert_request(&q, sum);
    bnorm_ctx *ctx = make_ctx(1);
    covariance c = make(ctx, &q);
    assert_int_equal(c.clipped, 0);
    assert_int_equal(c.clusters[0], UNITS);
    assert_int_equal(c.clusters[1], periods);
    assert_true(periods < UNITS && c.df == periods - 1);
    bnorm_covariance_free(&c);
    bnorm_ctx_destroy(ctx);
    free(s);
}

static double sum_of_squares(const sample *s, const int32_t *groups)
{
    double sums[N * UNITS] = {0}, total = 0;
    for (int i = 0; i < N; i++) sums[groups[i]] += s->w[i] * s->e[i] * s->j[i * K];
    for (int g = 0; g < N * UNITS; g++) total += sums[g] * sums[g];
    return total;
}

/* Of one parameter V_a + V_b - V_ab may be negative: then it is 0. */
static void negative_variances(void **state)
{
    (void)state;
    int negative = 0, positive = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        sample *s = make_sample(seed, 1);
        int32_t a[N], b[N], pair[N];
        for (int i = 0; i < N; i++) { /* few, so that chance is large */
            a[i] = s->unit[i] % 2, b[i] = (int32_t)(i / 2 % 2);
            pair[i] = 2 * a[i] + b[i];
        }
        double v = sum_of_squares(s, a) + sum_of_squares(s, b) - sum_of_squares(s, pair),
               xx = 0;
        for (int i = 0; i < N; i++) xx += s->w[i] * s->j[i * K] * s->j[i * K];
        covariance_request q = request_of(s, BNORM_VCOV_CLUSTER, 1);
        q.j.cols = 1;
        q.small = 0;
        q.cluster[0] = (clustering){a, 2};
        q.cluster[1] = (clustering){b, 2};
        q.cluster_count = 2;
        covariance c = make(NULL, &q);
        assert_int_equal(c.clipped, v < 0);
        assert_true(fabs(c.matrix[0] - fmax(v, 0) / (xx * xx)) <
                    1e-12 * sum_of_squares(s, pair) / (xx * xx));
        negative += v<0, positive += v> 0;
        bnorm_covariance_free(&c);
        free(s);
    }
    assert_true(negative > 3 && positive > 3);
}

/* Bread (J'diag(w p(1-p))J)^-1 and the scores of a logistic model. */
static void logistic(void **state)
{
    (void)state;
    sample *s = make_sample(3, 1);
    double curvature[N];
    long double a[K * K] = {0}, meat[K * K] = {0}, expected[K * K];
    for (int i = 0; i < N; i++) {
        double p = 1 / (1 + exp(-s->x[i * K]));
        curvature[i] = p * (1 - p);
        s->e[i] = (s->y[i] > 1) - p;
        for (int j = 0; j < K; j++)
            for (int k = 0; k < K; k++) {
                long double xx = (long double)s->x[i * K + j] * s->x[i * K + k];
                a[j * K + k] += xx * s->w[i] * curvature[i];
                meat[j * K + k] += xx * s->w[i] * s->w[i] * s->e[i] * s->e[i];
            }
    }
    invert_long(K, a);
    covariance_request q = request_of(s, BNORM_VCOV_CLASSICAL, 1);
    q.j = bnorm_view_f64(s->x, N, K, BNORM_ROW_MAJOR);
    q.curvature = curvature;
    q.absorbed = q.counted = 0;
    assert_request(&q, a);
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++) {
            expected[i * K + j] = 0;
            for (int k = 0; k < K; k++)
                for (int m = 0; m < K; m++)
                    expected[i * K + j] += a[i * K + k] * meat[k * K + m] * a[m * K + j];
        }
    q.type = BNORM_VCOV_HC0;
    assert_request(&q, expected);
    free(s);
}

/* ---------------------------------------------------------------------------- invariances */

static void assert_same(const covariance_request *a, const covariance_request *b,
                        const double *scale)
{
    bnorm_ctx *ctx = make_ctx(1);
    covariance ca = make(ctx, a), cb = make(ctx, b);
    long double expected[K * K];
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++)
            expected[i * K + j] =
                ca.matrix[i * K + j] / (scale ? (long double)scale[i] * scale[j] : 1);
    assert_matrix(cb.matrix, expected, K, 1e-12);
    assert_true(ca.df == cb.df);
    bnorm_covariance_free(&ca);
    bnorm_covariance_free(&cb);
    bnorm_ctx_destroy(ctx);
}

static const bnorm_vcov_type types[] = {BNORM_VCOV_CLASSICAL, BNORM_VCOV_HC0, BNORM_VCOV_HC1,
                                        BNORM_VCOV_CLUSTER};

static void what_does_not_matter(void **state)
{
    (void)state;
    sample *s = make_sample(8, 1), *t = make_sample(8, 1), *u = make_sample(8, 1);
    ptrdiff_t order[N];
    const double scale[K] = {1e-7, 3, 1e5};
    bnorm_random_permutation(1, 1, N, order);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < K; k++) {
            t->j[i * K + k] = s->j[order[i] * K + k];
            u->j[i * K + k] = s->j[i * K + k] * scale[k];
        }
        t->e[i] = s->e[order[i]], t->w[i] = s->w[order[i]] * 1000;
        t->unit[i] = s->unit[order[i]], t->period[i] = s->period[order[i]];
    }
    for (int ways = 1; ways <= 2; ways++)
        for (int k = 0; k < 4; k++) {
            covariance_request a = request_of(s, types[k], 1), b = request_of(t, types[k], 1);
            covariance_request c = request_of(u, types[k], 1);
            a.cluster_count = b.cluster_count = c.cluster_count = ways;
            assert_same(&a, &b, NULL); /* the order of the rows; weights by a factor */
            assert_same(&a, &c, scale);
        }
    free(s), free(t), free(u);
}

static void clusters_of_one_row(void **state)
{
    (void)state;
    sample *s = make_sample(21, 1);
    covariance_request white = request_of(s, BNORM_VCOV_HC0, 1), alone = white, twice;
    alone.type = BNORM_VCOV_CLUSTER;
    alone.small = 0;
    alone.cluster[0] = (clustering){s->alone, N};
    bnorm_ctx *ctx = make_ctx(1);
    covariance a = make(ctx, &white), b = make(ctx, &alone);
    for (int k = 0; k < K * K; k++)
        assert_true(fabs(a.matrix[k] - b.matrix[k]) <= 1e-13 * fabs(a.matrix[0]));
    bnorm_covariance_free(&a);
    bnorm_covariance_free(&b);
    /* two ways by the same clusters are one way; a cluster without rows is none */
    alone = request_of(s, BNORM_VCOV_CLUSTER, 1);
    twice = alone;
    twice.cluster_count = 2;
    twice.cluster[1] = (clustering){s->unit, UNITS + 5};
    assert_same(&alone, &twice, NULL);
    free(s);
    bnorm_ctx_destroy(ctx);
}

/* ------------------------------------------------------------------------- identification */

/* x, z, x + z: each but the sum of coefficients along the columns is unidentified, z alone not. */
static void collinear(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    sample *s = make_sample(13, 0);
    double j[N * 4], null[4], out[16];
    ptrdiff_t places[4];
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < K; k++) j[i * 4 + k] = s->j[i * K + k];
        j[i * 4 + 3] = 1e6 * (s->j[i * K] - 3 * s->j[i * K + 1]);
    }
    covariance_request q = request_of(s, BNORM_VCOV_HC0, 0);
    covariance small = make(ctx, &q);
    q.j = bnorm_view_f64(j, N, 4, BNORM_ROW_MAJOR);
    covariance c = make(ctx, &q);
    assert_int_equal(c.rank, 3);
    assert_true(c.df == small.df);
    bnorm_covariance_copy(&c, bnorm_view_f64(out, 4, 4, BNORM_COL_MAJOR));
    for (int k = 0; k < 4; k++)
        for (int m = 0; m < 4; m++) assert_int_equal(isnan(out[k * 4 + m]), k != 2 || m != 2);
    assert_true(fabs(out[10] / small.matrix[8] - 1) < 1e-12);
    /* what x explains alone in the small design: b_0 + 1e6 b_3 */
    const double first[] = {1, 0, 0, 1e6}, third[] = {0, 0, 1, 0}, not [] = {0, 1, 0, 1e6};
    assert_true(fabs(bnorm_covariance_error(&c, first) / sqrt(small.matrix[0]) - 1) < 1e-9);
    assert_true(fabs(bnorm_covariance_error(&c, third) / sqrt(small.matrix[8]) - 1) < 1e-12);
    assert_true(isnan(bnorm_covariance_error(&c, not )));
    bnorm_covariance_null(&c, null, places);
    assert_true(null[places[0]] == 1);
    assert_true(fabs(null[2]) < 1e-12);
    double zero[4] = {0}; /* in parameters: (1, -3, 0, -1e-6) */
    for (int k = 0; k < 4; k++) zero[k] = null[k] / c.scale[k];
    assert_true(fabs(zero[1] / zero[0] + 3) < 1e-9 && fabs(zero[3] / zero[0] + 1e-6) < 1e-15);
    bnorm_covariance_free(&c);
    bnorm_covariance_free(&small);
    free(s);
    bnorm_ctx_destroy(ctx);
}

static void column_of_zeros(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    sample *s = make_sample(14, 0);
    for (int i = 0; i < N; i++) s->j[i * K + 1] = 0;
    covariance_request q = request_of(s, BNORM_VCOV_CLUSTER, 0);
    covariance c = make(ctx, &q);
    double out[K * K];
    assert_int_equal(c.rank, 2);
    bnorm_covariance_copy(&c, bnorm_view_f64(out, K, K, BNORM_ROW_MAJOR));
    assert_true(isnan(out[4]) && isnan(out[1]) && !isnan(out[0]) && !isnan(out[2]));
    bnorm_covariance_free(&c);
    q.j.cols = 0; /* nothing to estimate */
    c = make(ctx, &q);
    assert_int_equal(c.rank, 0);
    bnorm_covariance_free(&c);
    free(s);
    bnorm_ctx_destroy(ctx);
}

/* ----------------------------------------------------------------------------- penalties */

/* With a penalty on every parameter the bread exists though J has one column twice: the variances
 * of fitted values are those of the long way. */
static void penalised(void **state)
{
    (void)state;
    enum { P = 4 };
    bnorm_ctx *ctx = make_ctx(1);
    sample *s = make_sample(15, 1);
    double j[N * P];
    const double penalty[P] = {0.3, 20, 7, 2};
    long double a[P * P] = {0}, meat[P * P] = {0}, jj[P * P], edf = 0;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < P; k++) j[i * P + k] = s->j[i * K + k % K];
    for (int i = 0; i < N; i++)
        for (int k = 0; k < P; k++)
            for (int m = 0; m < P; m++) {
                long double xx = (long double)j[i * P + k] * j[i * P + m];
                a[k * P + m] += s->w[i] * xx;
                meat[k * P + m] += (long double)s->w[i] * s->w[i] * s->e[i] * s->e[i] * xx;
            }
    memcpy(jj, a, sizeof jj);
    for (int k = 0; k < P; k++) a[k * P + k] += penalty[k];
    invert_long(P, a);
    covariance_request q = request_of(s, BNORM_VCOV_HC0, 1);
    q.j = bnorm_view_f64(j, N, P, BNORM_ROW_MAJOR);
    q.penalty = penalty;
    covariance c = make(ctx, &q);
    assert_int_equal(c.rank, 3);
    for (int k = 0; k < P; k++)
        for (int m = 0; m < P; m++) edf += a[k * P + m] * jj[m * P + k];
    assert_true(fabsl(c.edf - edf) < 1e-12);
    for (int i = 0; i < N; i++) {
        long double h[P] = {0}, variance = 0;
        for (int k = 0; k < P; k++)
            for (int m = 0; m < P; m++) h[k] += a[k * P + m] * j[i * P + m];
        for (int k = 0; k < P; k++)
            for (int m = 0; m < P; m++) variance += h[k] * meat[k * P + m] * h[m];
        double error = bnorm_covariance_error(&c, j + i * P);
        assert_true(fabsl(error / sqrtl(variance) - 1) < 1e-11);
    }
    bnorm_covariance_free(&c);
    free(s);
    bnorm_ctx_destroy(ctx);
}

/* Directions that nothing identifies and no penalty sees take no penalty off the others: three
 * penalised columns beside one that is free, and beside three multiples of it. */
static void penalties_beside_free_directions(void **state)
{
    (void)state;
    enum { P = 6, Q = 4 };
    bnorm_ctx *ctx = make_ctx(1);
    const double penalty[P] = {30, 20, 70, 0, 0, 0};
    double x[N * Q], j[N * P], e[N];
    bnorm_random_normal(3, 1, 0, N * Q, x);
    bnorm_random_normal(3, 2, 0, N, e);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < P; k++)
            j[i * P + k] = k < Q ? x[i * Q + k] : x[i * Q + Q - 1] * (k == Q ? 1.7 : -0.3);
    covariance_request q = {.type = BNORM_VCOV_HC0,
                            .j = bnorm_view_f64(x, N, Q, BNORM_ROW_MAJOR),
                            .residuals = e,
                            .penalty = penalty};
    covariance expected = make(ctx, &q);
    q.j = bnorm_view_f64(j, N, P, BNORM_ROW_MAJOR);
    covariance c = make(ctx, &q);
    assert_int_equal(c.rank, Q);
    assert_true(expected.edf < Q - 0.5);
    assert_true(fabs(c.edf - expected.edf) < 1e-12);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            assert_true(fabs(c.matrix[a * P + b] - expected.matrix[a * Q + b]) <
                        1e-12 * expected.matrix[0]);
    bnorm_covariance_free(&expected);
    bnorm_covariance_free(&c);
    bnorm_ctx_destroy(ctx);
}

/* Orthogonal columns: sum s^2/(s^2 + lambda). */
static void effective_degrees(void **state)
{
    (void)state;
    enum { ROWS = 8 };
    bnorm_ctx *ctx = make_ctx(1);
    double j[ROWS * 2], e[ROWS], penalty[2] = {3, 5};
    for (int i = 0; i < ROWS; i++) {
        j[2 * i] = i % 2 ? 1 : -1;
        j[2 * i + 1] = (i / 2) % 2 ? 2 : -2;
        e[i] = i;
    }
    covariance_request q = {.type = BNORM_VCOV_CLASSICAL,
                            .j = bnorm_view_f64(j, ROWS, 2, BNORM_ROW_MAJOR),
                            .residuals = e,
                            .penalty = penalty};
    covariance c = make(ctx, &q);
    assert_true(fabs(c.edf - (8.0 / 11 + 32.0 / 37)) < 1e-14);
    double s2 = 140.0 / 6;
    assert_true(fabs(c.matrix[0] / (s2 * 8 / 121) - 1) < 1e-14);
    assert_true(fabs(c.sigma * c.sigma / s2 - 1) < 1e-14);
    bnorm_covariance_free(&c);
    bnorm_ctx_destroy(ctx);
}

/* ----------------------------------------------------------------------------------- bits */

static void threads_and_layouts(void **state)
{
    (void)state;
    enum { ROWS = 5000, COLS = 70, GROUPS = 300 };
    double *j = malloc(sizeof(double) * ROWS * COLS),
           *turned = malloc(sizeof(double) * ROWS * COLS);
    double e[ROWS];
    int32_t a[ROWS], b[ROWS];
    bnorm_random_normal(1, 1, 0, ROWS * COLS, j);
    bnorm_random_normal(1, 2, 0, ROWS, e);
    for (int i = 0; i < ROWS; i++) {
        a[i] = (i * 7) % GROUPS, b[i] = (i * 11) % 40;
        for (int k = 0; k < COLS; k++) turned[k * ROWS + i] = j[i * COLS + k];
    }
    double penalty[COLS];
    for (int k = 0; k < COLS; k++) penalty[k] = k;
    for (int ways = 0; ways < 3; ways++) {
        covariance_request q = {.type = ways ? BNORM_VCOV_CLUSTER : BNORM_VCOV_HC1,
                                .j = bnorm_view_f64(j, ROWS, COLS, BNORM_ROW_MAJOR),
                                .residuals = e,
                                .penalty = penalty,
                                .small = 1,
                                .cluster = {{a, GROUPS}, {b, 40}},
                                .cluster_count = ways};
        covariance first = make(NULL, &q);
        for (int threads = 1; threads <= 4; threads++) {
            bnorm_ctx *ctx = make_ctx(threads);
            q.j = threads % 2 ? bnorm_view_f64(j, ROWS, COLS, BNORM_ROW_MAJOR)
                              : bnorm_view_f64(turned, ROWS, COLS, BNORM_COL_MAJOR);
            covariance c = make(ctx, &q);
            assert_memory_equal(c.matrix, first.matrix, sizeof(double) * COLS * COLS);
            bnorm_covariance_free(&c);
            bnorm_ctx_destroy(ctx);
        }
        bnorm_covariance_free(&first);
    }
    free(j);
    free(turned);
}

/* Several levels of blocks: (J'J)^-1 beside the long way. */
static void many_blocks(void **state)
{
    (void)state;
    enum { ROWS = 9000, COLS = 20 };
    double *j = malloc(sizeof(double) * ROWS * COLS), e[ROWS];
    long double a[COLS * COLS] = {0};
    bnorm_random_normal(2, 1, 0, ROWS * COLS, j);
    for (int i = 0; i < ROWS; i++) {
        e[i] = i % 2 ? 1 : -1;
        for (int k = 1; k < COLS; k++) j[i * COLS + k] += 30 * j[i * COLS];
        for (int k = 0; k < COLS; k++)
            for (int m = 0; m < COLS; m++)
                a[k * COLS + m] += (long double)j[i * COLS + k] * j[i * COLS + m];
    }
    invert_long(COLS, a);
    covariance_request q = {.type = BNORM_VCOV_CLASSICAL,
                            .j = bnorm_view_f64(j, ROWS, COLS, BNORM_ROW_MAJOR),
                            .residuals = e};
    covariance c = make(NULL, &q);
    for (int k = 0; k < COLS * COLS; k++) a[k] *= (long double)ROWS / (ROWS - COLS);
    assert_matrix(c.matrix, a, COLS, 1e-11);
    bnorm_covariance_free(&c);
    free(j);
}

/* --------------------------------------------------------------------------------- errors */

static bnorm_status once(bnorm_ctx *ctx, void *argument)
{
    covariance c;
    bnorm_status status = bnorm_covariance_make(ctx, argument, &c);
    bnorm_covariance_free(&c);
    return status;
}

static void failing_memory_everywhere(void **state)
{
    (void)state;
    sample *s = make_sample(1, 1);
    const double penalty[K] = {1, 2, 3};
    covariance_request q = request_of(s, BNORM_VCOV_CLUSTER, 1);
    q.penalty = penalty;
    q.cluster_count = 2;
    assert_true(fail_each_allocation(once, &q) > 20);
    q.type = BNORM_VCOV_HC1;
    q.curvature = s->w;
    fail_each_allocation(once, &q);
    free(s);
}

static void refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    sample *s = make_sample(1, 1);
    int32_t same[N] = {0};
    covariance c;
    covariance_request q = request_of(s, BNORM_VCOV_CLUSTER, 1);
    q.cluster[0] = (clustering){same, 4};
    assert_fails(ctx, bnorm_covariance_make(ctx, &q, &c), BNORM_E_DATA, "at least two");
    assert_null(c.matrix);
    q = request_of(s, BNORM_VCOV_CLASSICAL, 1);
    q.absorbed = N - K;
    assert_fails(ctx, bnorm_covariance_make(ctx, &q, &c), BNORM_E_DOMAIN, "degrees of freedom");
    q.absorbed = UNITS;
    s->j[4] = NAN;
    assert_fails(ctx, bnorm_covariance_make(ctx, &q, &c), BNORM_E_NONFINITE, "column 2");
    free(s);
    bnorm_ctx_destroy(ctx);
}

/* ------------------------------------------------------------------------------- clusters */

static void relations(void **state)
{
    (void)state;
    const int32_t fine[] = {0, 0, 1, 1, 2, 2}, coarse[] = {0, 0, 0, 0, 2, 2},
                  across[] = {0, 1, 0, 1, 0, 1};
    clustering by = {coarse, 3}, other = {across, 2};
    int nested;
    ptrdiff_t count;
    int32_t codes[6];
    assert_ok(NULL, bnorm_cluster_nests(NULL, 6, fine, 3, &by, &nested));
    assert_true(nested);
    assert_ok(NULL, bnorm_cluster_nests(NULL, 6, across, 2, &by, &nested));
    assert_false(nested);
    assert_ok(NULL, bnorm_cluster_count(NULL, 6, &by, &count));
    assert_int_equal(count, 2);
    assert_ok(NULL, bnorm_cluster_pairs(NULL, 6, &by, &other, codes, &count));
    assert_int_equal(count, 4);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++)
            assert_int_equal(codes[i] == codes[k],
                             coarse[i] == coarse[k] && across[i] == across[k]);
}

/* Two ways with a negative variance: eigenvalues -1 and 3 of {1, 2; 2, 1}. */
static void negative_parts(void **state)
{
    (void)state;
    double a[] = {1, 2, 2, 1}, b[] = {2, 1, 1, 2};
    ptrdiff_t clipped;
    assert_ok(NULL, bnorm_clip_negative(NULL, 2, a, &clipped));
    assert_int_equal(clipped, 1);
    for (int k = 0; k < 4; k++) assert_true(fabs(a[k] - 1.5) < 1e-14);
    assert_ok(NULL, bnorm_clip_negative(NULL, 2, b, &clipped));
    assert_int_equal(clipped, 0);
    assert_true(b[0] == 2 && b[1] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_way),
        cmocka_unit_test(two_ways),
        cmocka_unit_test(negative_variances),
        cmocka_unit_test(logistic),
        cmocka_unit_test(what_does_not_matter),
        cmocka_unit_test(clusters_of_one_row),
        cmocka_unit_test(collinear),
        cmocka_unit_test(column_of_zeros),
        cmocka_unit_test(penalised),
        cmocka_unit_test(penalties_beside_free_directions),
        cmocka_unit_test(effective_degrees),
        cmocka_unit_test(threads_and_layouts),
        cmocka_unit_test(many_blocks),
        cmocka_unit_test(failing_memory_everywhere),
        cmocka_unit_test(refusals),
        cmocka_unit_test(relations),
        cmocka_unit_test(negative_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
