/* The training pass in blocks against the same network in long double, layer by layer over all
 * rows: sizes around the cuts into blocks, chunks and panels, weights, layouts, dropout, layers
 * of the caller's between; and its bits for threads and padding. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net_support.h"

/* d: dense, b: batchnorm, r: relu, t: tanh, o: dropout of rate 1/4, u: the caller's, y = 2 x */
typedef struct part {
    char kind;
    ptrdiff_t units;
} part;

enum { PARTS = 12, SEED = 3, STEP = 5 };
static const double eps = 1e-3, rate = 0.25;

/* ------------------------------------------------------------------------------- network */

static int twice(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                 bnorm_mat_f64 y)
{
    (void)user, (void)pass, (void)params;
    for (ptrdiff_t k = 0; k < x.rows * x.cols; k++) y.data[k] = 2 * x.data[k];
    return 0;
}

static int twice_back(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                      bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx)
{
    (void)dparams;
    if (!dx.data) return 0;
    for (ptrdiff_t k = 0; k < x.rows * x.cols; k++)
        if (y.data[k] != 2 * x.data[k]) return 1;
    return twice(user, pass, params, dy, dx);
}

static bnorm_status add_part(bnorm_ctx *ctx, bnorm_net *net, part p)
{
    static const bnorm_layer own = {
        .struct_size = sizeof own, .name = "twice", .forward = twice, .backward = twice_back};
    switch (p.kind) {
    case 'd':
        return bnorm_net_dense(ctx, net, p.units);
    case 'b':
        return bnorm_net_batchnorm(ctx, net, (bnorm_rule){eps, 1});
    case 'o':
        return bnorm_net_dropout(ctx, net, rate);
    case 'u':
        return bnorm_net_layer(ctx, net, &own);
    default:
        return bnorm_net_activation(ctx, net,
                                    bnorm_activation_find(p.kind == 'r' ? "relu" : "tanh"));
    }
}

static bnorm_net *build(bnorm_ctx *ctx, ptrdiff_t inputs, const part *parts)
{
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, inputs, &net));
    for (; parts->kind; parts++) assert_ok(ctx, add_part(ctx, net, *parts));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    ptrdiff_t count;
    double *p = bnorm_net_parameters(net, &count), *noise = random_values(9, count);
    for (ptrdiff_t k = 0; k < count; k++) p[k] += 0.1 * noise[k];
    free(noise);
    return net;
}

/* ----------------------------------------------------------------------------- reference */

typedef long double real;

/* Values, gradients and the sizes of the terms of gradients, of all rows at each position. */
typedef struct reference {
    ptrdiff_t rows, widths[PARTS + 1];
    real *value[PARTS + 1], *slope[PARTS + 1], *size[PARTS + 1];
    real *mean[PARTS], *rstd[PARTS];
    const double *weights;
    real n;
} reference;

static real weight_of(const reference *r, ptrdiff_t i)
{
    return r->weights ? r->weights[i] : 1;
}

static void dense(reference *r, int k, const double *g, const double *bias)
{
    ptrdiff_t in = r->widths[k], out = r->widths[k + 1];
    for (ptrdiff_t i = 0; i < r->rows; i++)
        for (ptrdiff_t j = 0; j < out; j++) {
            real sum = bias ? bias[j] : 0;
            for (ptrdiff_t l = 0; l < in; l++) sum += r->value[k][i * in + l] * g[l * out + j];
            r->value[k + 1][i * out + j] = sum;
        }
}

/* Gradients g with the sizes s of their terms. */
static void dense_back(reference *r, int k, const double *g, int bias, real *dg, real *s)
{
    ptrdiff_t in = r->widths[k], out = r->widths[k + 1], at = in * out;
    for (ptrdiff_t i = 0; i < r->rows; i++)
        for (ptrdiff_t j = 0; j < out; j++) {
            real d = r->slope[k + 1][i * out + j], z = r->size[k + 1][i * out + j];
            for (ptrdiff_t l = 0; l < in; l++) {
                real x = r->value[k][i * in + l];
                dg[l * out + j] += x * d;
                s[l * out + j] += fabsl(x) * z;
                r->slope[k][i * in + l] += d * g[l * out + j];
                r->size[k][i * in + l] += z * fabsl(g[l * out + j]);
            }
            if (bias) dg[at + j] += d, s[at + j] += z;
        }
}

static void norm(reference *r, int k, const double *gamma, const double *beta)
{
    ptrdiff_t cols = r->widths[k];
    r->mean[k] = calloc((size_t)cols, sizeof(real));
    r->rstd[k] = calloc((size_t)cols, sizeof(real));
    for (ptrdiff_t j = 0; j < cols; j++) {
        real mean = 0, m2 = 0, *z = r->value[k] + j;
        for (ptrdiff_t i = 0; i < r->rows; i++) mean += weight_of(r, i) * z[i * cols] / r->n;
        for (ptrdiff_t i = 0; i < r->rows; i++)
            m2 += weight_of(r, i) * (z[i * cols] - mean) * (z[i * cols] - mean);
        r->mean[k][j] = mean;
        r->rstd[k][j] = 1 / sqrtl(m2 / (r->n - 1) + (real)eps);
        for (ptrdiff_t i = 0; i < r->rows; i++)
            r->value[k + 1][i * cols + j] =
                gamma[j] * (z[i * cols] - mean) * r->rstd[k][j] + beta[j];
    }
}

static void norm_back(reference *r, int k, const double *gamma, real *dg, real *s)
{
    ptrdiff_t cols = r->widths[k];
    for (ptrdiff_t j = 0; j < cols; j++) {
        real *dgamma = dg + j, *dbeta = dgamma + cols, *sgamma = s + j, *sbeta = sgamma + cols;
        real mean = r->mean[k][j], rstd = r->rstd[k][j], scale = gamma[j] * rstd;
        for (ptrdiff_t i = 0; i < r->rows; i++) {
            ptrdiff_t e = i * cols + j;
            real zhat = (r->value[k][e] - mean) * rstd;
            *dbeta += r->slope[k + 1][e], *sbeta += r->size[k + 1][e];
            *dgamma += zhat * r->slope[k + 1][e], *sgamma += fabsl(zhat) * r->size[k + 1][e];
        }
        for (ptrdiff_t i = 0; i < r->rows; i++) {
            ptrdiff_t e = i * cols + j;
            real zhat = (r->value[k][e] - mean) * rstd, omega = weight_of(r, i);
            r->slope[k][e] = scale * (r->slope[k + 1][e] - omega * *dbeta / r->n -
                                      omega * zhat * *dgamma / (r->n - 1));
            r->size[k][e] = fabsl(scale) * (r->size[k + 1][e] + omega * *sbeta / r->n +
                                            omega * fabsl(zhat) * *sgamma / (r->n - 1));
        }
    }
}

/* Elementwise parts: the value, and its derivative in *slope. */
static real element(char kind, real x, double u, real *slope)
{
    real t = tanhl(x);
    switch (kind) {
    case 'r':
        *slope = x > 0;
        return x > 0 ? x : 0;
    case 't':
        *slope = 1 - t * t;
        return t;
    case 'o':
        *slope = u < rate ? 0 : 1 / (1 - (real)rate);
        return *slope * x;
    default:
        *slope = 2;
        return 2 * x;
    }
}

/* The mask of a dropout: uniform numbers of a stream for each step and layer. */
static double *uniforms(const reference *r, int k)
{
    ptrdiff_t count = r->rows * r->widths[k];
    double *u = malloc((size_t)count * sizeof *u);
    uint64_t stream = UINT64_C(1) << 63 | ((uint64_t)STEP << 16 ^ (uint64_t)(k + 1));
    bnorm_random_uniform(SEED, stream, 0, count, u);
    return u;
}

static void elements(reference *r, int k, char kind, int back)
{
    double *u = uniforms(r, k);
    for (ptrdiff_t e = 0; e < r->rows * r->widths[k]; e++) {
        real slope, v = element(kind, r->value[k][e], u[e], &slope);
        if (!back) r->value[k + 1][e] = v;
        if (!back) continue;
        r->slope[k][e] = slope * r->slope[k + 1][e];
        /* what rounding of the values before makes of the slope, too */
        r->size[k][e] =
            (kind == 't' ? 1 + fabsl(r->value[k][e]) : 1) * fabsl(slope) * r->size[k + 1][e];
    }
    free(u);
}

static int takes_bias(const part *p)
{
    return p->kind == 'd' && p[1].kind != 'b';
}

static ptrdiff_t parameters_of(const part *p, ptrdiff_t in, ptrdiff_t out)
{
    if (p->kind == 'b') return 2 * in;
    return p->kind == 'd' ? in * out + takes_bias(p) * out : 0;
}

static void make_room(reference *r, const part *parts)
{
    for (int k = 0; k == 0 || parts[k - 1].kind; k++) {
        if (k) r->widths[k] = parts[k - 1].units ? parts[k - 1].units : r->widths[k - 1];
        size_t count = (size_t)(r->rows * r->widths[k]);
        r->value[k] = calloc(count, sizeof(real));
        r->slope[k] = calloc(count, sizeof(real));
        r->size[k] = calloc(count, sizeof(real));
    }
}

static void clear(reference *r)
{
    for (int k = 0; k <= PARTS; k++) {
        free(r->value[k]), free(r->slope[k]), free(r->size[k]);
        if (k < PARTS) free(r->mean[k]), free(r->rstd[k]);
    }
}

/* R = sum omega (score - y)^2 / n, its gradient and the sizes of the terms. */
static real refer(reference *r, const part *parts, const double *x, const double *y,
                  const double *params, real *gradient, real *sizes)
{
    make_room(r, parts);
    ptrdiff_t at = 0;
    int k = 0;
    for (ptrdiff_t e = 0; e < r->rows * r->widths[0]; e++) r->value[0][e] = x[e];
    for (; parts[k].kind; k++) {
        const double *p = params + at;
        ptrdiff_t in = r->widths[k], out = r->widths[k + 1];
        if (parts[k].kind == 'd')
            dense(r, k, p, takes_bias(parts + k) ? p + in * out : NULL);
        else if (parts[k].kind == 'b')
            norm(r, k, p, p + in);
        else
            elements(r, k, parts[k].kind, 0);
        at += parameters_of(parts + k, in, out);
    }
    real value = 0;
    for (ptrdiff_t e = 0; e < r->rows * r->widths[k]; e++) {
        real omega = weight_of(r, e / r->widths[k]), score = r->value[k][e];
        value += omega * (score - y[e]) * (score - y[e]) / r->n;
        r->slope[k][e] = 2 * omega * (score - y[e]) / r->n;
        r->size[k][e] = 2 * omega * (fabsl(score) + fabs(y[e])) / r->n;
    }
    while (k-- > 0) {
        ptrdiff_t in = r->widths[k], out = r->widths[k + 1];
        at -= parameters_of(parts + k, in, out);
        if (parts[k].kind == 'd')
            dense_back(r, k, params + at, takes_bias(parts + k), gradient + at, sizes + at);
        else if (parts[k].kind == 'b')
            norm_back(r, k, params + at, gradient + at, sizes + at);
        else
            elements(r, k, parts[k].kind, 1);
    }
    return value;
}

/* --------------------------------------------------------------------------- comparison */

/* What a network gives at a context: R, then the gradient; to be freed. */
static double *run(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                   const double *weights)
{
    ptrdiff_t count;
    bnorm_net_parameters(net, &count);
    double *out = malloc((size_t)(count + 1) * sizeof *out);
    for (ptrdiff_t k = 0; k <= count; k++) out[k] = NAN;
    assert_ok(ctx, bnorm_net_gradient(ctx, net, x, y, weights, bnorm_loss_find("squared"), SEED,
                                      STEP, out, out + 1));
    return out;
}

/* Each entry is as exact as its terms, but for the layers before and behind it: an eighth of a
 * thousand units of rounding. */
static void compare(ptrdiff_t rows, ptrdiff_t inputs, const part *parts, const double *weights)
{
    bnorm_ctx *ctx = make_ctx(2);
    bnorm_net *net = build(ctx, inputs, parts);
    ptrdiff_t count, outputs = bnorm_net_outputs(net);
    double *params = bnorm_net_parameters(net, &count);
    double *x = random_values(1, rows * inputs), *y = random_values(2, rows * outputs);
    double *got = run(ctx, net, rows_of(x, rows, inputs), rows_of(y, rows, outputs), weights);
    real *gradient = calloc((size_t)count, sizeof *gradient);
    real *sizes = calloc((size_t)count, sizeof *sizes);
    reference r = {.rows = rows, .widths = {inputs}, .weights = weights, .n = 0};
    for (ptrdiff_t i = 0; i < rows; i++) r.n += weight_of(&r, i);
    real value = refer(&r, parts, x, y, params, gradient, sizes);
    assert_near(got[0], (double)value, 1e-13 * (1 + (double)value));
    for (ptrdiff_t k = 0; k < count; k++)
        assert_near(got[k + 1], (double)gradient[k], 125 * 0x1p-53 * (double)sizes[k]);
    clear(&r);
    free(gradient), free(sizes), free(got), free(x), free(y);
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* ---------------------------------------------------------------------------------- cases */

static const part ordinary[] = {{'d', 6}, {'b', 0}, {'r', 0}, {'d', 5},
                                {'b', 0}, {'t', 0}, {'d', 1}, {0, 0}};
static const part plain[] = {{'d', 7}, {'t', 0}, {'d', 5}, {'r', 0}, {'d', 2}, {0, 0}};
static const part odd[] = {{'b', 0}, {'b', 0}, {'r', 0}, {'o', 0}, {'d', 9}, {'o', 0},
                           {'t', 0}, {'b', 0}, {'d', 3}, {'b', 0}, {0, 0}};
static const part owned[] = {{'u', 0}, {'d', 8}, {'u', 0}, {'b', 0}, {'u', 0},
                             {'t', 0}, {'u', 0}, {'d', 2}, {'u', 0}, {0, 0}};
static const part inner[] = {{'t', 0}, {'d', 5}, {'u', 0}, {'u', 0}, {'r', 0},
                             {'d', 4}, {'b', 0}, {'o', 0}, {0, 0}};
static const part *const chains[] = {ordinary, plain, odd, owned, inner};

static void every_number_of_rows(void **state)
{
    (void)state;
    for (ptrdiff_t rows = 3; rows <= 300; rows++) compare(rows, 4, chains[rows % 5], NULL);
}

/* Around one block, and several blocks and chunks, of narrow and of wider networks. */
static void around_the_cuts(void **state)
{
    (void)state;
    static const ptrdiff_t narrow[] = {909, 910, 911, 912, 1821, 5000, 33000};
    static const ptrdiff_t wider[] = {287, 288, 289, 575, 577, 4650};
    static const part wide[] = {{'d', 40}, {'b', 0}, {'r', 0}, {'d', 30},
                                {'b', 0},  {'t', 0}, {'d', 6}, {0, 0}};
    for (int c = 0; c < 5; c++)
        for (int k = 0; k < 7; k++)
            if (k < 5 || c == 0) compare(narrow[k], 4, chains[c], NULL);
    for (int k = 0; k < 6; k++) compare(wider[k], 30, wide, NULL);
}

/* Widths of one panel and of more, far and near in memory, and few units. */
static void wide_layers(void **state)
{
    (void)state;
    static const ptrdiff_t widths[] = {127, 128, 129, 256, 200};
    for (int k = 0; k < 5; k++) {
        part wide[] = {{'d', widths[k]}, {'b', 0}, {'t', 0}, {'d', widths[4 - k]},
                       {'b', 0},         {'r', 0}, {'d', k}, {0, 0}};
        if (k == 0) wide[6].units = 10;
        compare(k % 2 ? 330 : 60, 2 + 64 * (k % 3), wide, NULL);
    }
}

static void weights_of_rows(void **state)
{
    (void)state;
    enum { N = 2000 };
    double w[N];
    bnorm_random_uniform(8, 1, 0, N, w);
    for (int i = 0; i < N; i++) w[i] = i % 3 && i < 1900 ? 2 * w[i] : 0; /* whole blocks of 0 */
    w[0] = 1;
    for (int c = 0; c < 5; c++) {
        compare(N, 4, chains[c], w);
        compare(40, 4, chains[c], w);
    }
}

/* One to four threads, wide ld and column-major data: the same bits. */
static void the_same_bits(void **state)
{
    (void)state;
    enum { N = 3000, P = 33, Q = 2 };
    static const part chain[] = {{'d', 64}, {'b', 0}, {'r', 0}, {'o', 0}, {'d', 150},
                                 {'b', 0},  {'t', 0}, {'d', Q}, {0, 0}};
    double *x = random_values(1, N * P), *y = random_values(2, N * Q);
    double *wide = malloc(N * (P + 3) * sizeof *wide), *turned = malloc(N * P * sizeof *x);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < P + 3; j++) {
            wide[i * (P + 3) + j] = j < P ? x[i * P + j] : NAN;
            if (j < P) turned[j * N + i] = x[i * P + j];
        }
    for (ptrdiff_t rows = N; rows > 30; rows /= 4) {
        double *first = NULL;
        bnorm_mat_f64 views[] = {{x, rows, P, P, BNORM_ROW_MAJOR},
                                 {wide, rows, P, P + 3, BNORM_ROW_MAJOR},
                                 {turned, rows, P, N, BNORM_COL_MAJOR}};
        for (int threads = 1; threads <= 4; threads++)
            for (int v = 0; v < 3; v++) {
                bnorm_ctx *ctx = make_ctx(threads);
                bnorm_net *net = build(ctx, P, chain);
                ptrdiff_t count;
                bnorm_net_parameters(net, &count);
                double *got = run(ctx, net, views[v], rows_of(y, rows, Q), NULL);
                if (first)
                    assert_memory_equal(got, first, (size_t)(count + 1) * sizeof *got);
                else
                    first = got;
                if (first != got) free(got);
                bnorm_net_destroy(net);
                bnorm_ctx_destroy(ctx);
            }
        free(first);
    }
    free(x), free(y), free(wide), free(turned);
}

/* Without a gradient R has the same bits, also after passes of other sizes. */
static void value_alone(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(2);
    for (int c = 0; c < 5; c++) {
        bnorm_net *net = build(ctx, 4, chains[c]);
        ptrdiff_t q = bnorm_net_outputs(net);
        double *x = random_values(1, 2000 * 4), *y = random_values(2, 2000 * q), r;
        for (ptrdiff_t rows = 2000; rows > 3; rows = rows * 2 / 3) {
            double *got = run(ctx, net, rows_of(x, rows, 4), rows_of(y, rows, q), NULL);
            assert_ok(ctx, bnorm_net_gradient(
                               ctx, net, rows_of(x, rows, 4), rows_of(y, rows, q), NULL,
                               bnorm_loss_find("squared"), SEED, STEP, &r, NULL));
            assert_memory_equal(&r, got, sizeof r);
            free(got);
        }
        free(x), free(y);
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

static bnorm_status body(bnorm_ctx *ctx, void *argument)
{
    const part *parts = argument;
    bnorm_net *net;
    double x[40 * 4], y[40 * 4] = {0}, g[1000], r;
    for (int k = 0; k < 40 * 4; k++) x[k] = k * k % 17;
    bnorm_status status = bnorm_net_create(ctx, 4, &net);
    for (; parts->kind && status == BNORM_OK; parts++) status = add_part(ctx, net, *parts);
    if (status == BNORM_OK) status = bnorm_net_start(ctx, net, 1);
    if (status == BNORM_OK)
        status = bnorm_net_gradient(ctx, net, rows_of(x, 40, 4),
                                    rows_of(y, 40, bnorm_net_outputs(net)), NULL,
                                    bnorm_loss_find("squared"), SEED, STEP, &r, g);
    bnorm_net_destroy(net);
    return status;
}

static void failing_allocations(void **state)
{
    (void)state;
    for (int c = 0; c < 5; c++) assert_true(fail_each_allocation(body, (void *)chains[c]) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_rows), cmocka_unit_test(around_the_cuts),
        cmocka_unit_test(wide_layers),          cmocka_unit_test(weights_of_rows),
        cmocka_unit_test(the_same_bits),        cmocka_unit_test(value_alone),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests_name("pass", tests, NULL, NULL);
}
