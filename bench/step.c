/* step: the training step of a network, and its matrix products alone, for step.py, which loads
 * this as a shared module and times it beside PyTorch in one process. */
#define _POSIX_C_SOURCE 199309L
#include "step.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bnorm.h"

enum { MOST = 8 };

struct bench_step {
    bnorm_ctx *ctx;
    bnorm_net *net;
    bnorm_stream *stream; /* or NULL */
    const bnorm_loss *loss;
    long rows, widths[MOST], targets;
    int layers; /* dense ones */
    double *x, *y, *parameters, *gradient;
    double *values[MOST], *slopes[MOST], *products; /* of the products alone */
    ptrdiff_t count;
};

extern void dgemm_(const char *transa, const char *transb, const int *m, const int *n,
                   const int *k, const double *alpha, const double *a, const int *lda,
                   const double *b, const int *ldb, const double *beta, double *c,
                   const int *ldc, size_t, size_t);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double *normal(unsigned stream, long count)
{
    double *v = malloc((size_t)count * sizeof *v);
    if (v) bnorm_random_normal(1, stream, 0, count, v);
    return v;
}

/* Targets near 0, or for softmax the classes 0, 1, ... in turn. */
static double *make_targets(const bench_step *s)
{
    double *y = normal(101, s->rows * s->targets);
    long classes = s->widths[s->layers];
    for (long i = 0; y && strcmp(s->loss->name, "softmax") == 0 && i < s->rows; i++)
        y[i] = (double)(i % classes);
    return y;
}

static int make_net(bench_step *s, const char *activation)
{
    bnorm_rule rule = {1e-5, 0};
    int bad = bnorm_net_create(s->ctx, s->widths[0], &s->net);
    for (int l = 1; l <= s->layers && !bad; l++) {
        bad = bnorm_net_dense(s->ctx, s->net, s->widths[l]);
        if (bad || l == s->layers) break;
        bad = bnorm_net_batchnorm(s->ctx, s->net, rule) ||
              bnorm_net_activation(s->ctx, s->net, bnorm_activation_find(activation));
    }
    return bad || bnorm_net_start(s->ctx, s->net, 1);
}

static int make_data(bench_step *s)
{
    s->parameters = bnorm_net_parameters(s->net, &s->count);
    s->targets = s->loss->targets ? s->loss->targets : s->widths[s->layers];
    s->x = normal(100, s->rows * s->widths[0]);
    s->y = make_targets(s);
    s->gradient = normal(102, s->count);
    s->products = normal(103, s->count);
    int bad = !s->x || !s->y || !s->gradient || !s->products;
    for (int l = 0; l <= s->layers; l++) {
        s->values[l] = l ? normal(104, s->rows * s->widths[l]) : s->x;
        s->slopes[l] = normal(105, s->rows * s->widths[l]);
        bad |= !s->values[l] || !s->slopes[l];
    }
    return bad;
}

bench_step *bench_step_open(long rows, const long *widths, int count, const char *activation,
                            const char *loss, int threads)
{
    bench_step *s = count <= MOST ? calloc(1, sizeof *s) : NULL;
    if (!s) return NULL;
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.threads = threads;
    s->rows = rows;
    s->layers = count - 1;
    s->loss = bnorm_loss_find(loss);
    memcpy(s->widths, widths, (size_t)count * sizeof *widths);
    if (bnorm_ctx_create(&options, &s->ctx) || make_net(s, activation) || make_data(s)) {
        bench_step_close(s);
        return NULL;
    }
    return s;
}

void bench_step_close(bench_step *s)
{
    if (!s) return;
    for (int l = 0; l <= s->layers; l++) {
        if (l) free(s->values[l]);
        free(s->slopes[l]);
    }
    free(s->x);
    free(s->y);
    free(s->gradient);
    free(s->products);
    bnorm_stream_destroy(s->stream);
    bnorm_net_destroy(s->net);
    bnorm_ctx_destroy(s->ctx);
    free(s);
}

double *bench_step_x(bench_step *s)
{
    return s->x;
}

double *bench_step_y(bench_step *s)
{
    return s->y;
}

double *bench_step_parameters(bench_step *s, long *count)
{
    *count = (long)s->count;
    return s->parameters;
}

static bnorm_mat_f64 x_of(const bench_step *s)
{
    return bnorm_view_f64(s->x, s->rows, s->widths[0], BNORM_ROW_MAJOR);
}

static bnorm_mat_f64 y_of(const bench_step *s)
{
    return bnorm_view_f64(s->y, s->rows, s->targets, BNORM_ROW_MAJOR);
}

int bench_step_stream(bench_step *s)
{
    return bnorm_stream_create(s->ctx, s->net, x_of(s), y_of(s), NULL, s->loss, &s->stream);
}

double bench_step_gradient(bench_step *s, double *gradient)
{
    double value = -1;
    bnorm_status status = s->stream
                              ? bnorm_stream_gradient(s->ctx, s->stream, 0, 0, &value, gradient)
                              : bnorm_net_gradient(s->ctx, s->net, x_of(s), y_of(s), NULL,
                                                   s->loss, 0, 0, &value, gradient);
    return status == BNORM_OK ? value : -1;
}

double bench_step_time(bench_step *s, long steps, double rate)
{
    double start = now();
    for (long k = 0; k < steps; k++) {
        bench_step_gradient(s, s->gradient);
        for (ptrdiff_t i = 0; i < s->count; i++) s->parameters[i] -= rate * s->gradient[i];
    }
    return (now() - start) / (double)steps;
}

/* c = op(a) op(b), row-major: the arguments of the BLAS in its column-major terms. */
static void product(const char *ta, const char *tb, long m, long n, long k, const double *a,
                    long lda, const double *b, long ldb, double *c)
{
    int im = (int)m, in = (int)n, ik = (int)k, la = (int)lda, lb = (int)ldb;
    double one = 1, zero = 0;
    dgemm_(tb, ta, &in, &im, &ik, &one, b, &lb, a, &la, &zero, c, &in, 1, 1);
}

double bench_step_products(bench_step *s, long steps)
{
    double start = now();
    for (long t = 0; t < steps; t++) {
        const double *g = s->parameters;
        for (int l = 0; l < s->layers; l++) {
            long a = s->widths[l], b = s->widths[l + 1];
            product("N", "N", s->rows, b, a, s->values[l], a, g, b, s->values[l + 1]);
        }
        for (int l = s->layers - 1; l >= 0; l--) {
            long a = s->widths[l], b = s->widths[l + 1];
            if (l) product("N", "T", s->rows, a, b, s->slopes[l + 1], b, g, b, s->slopes[l]);
            product("T", "N", a, b, s->rows, s->values[l], a, s->slopes[l + 1], b, s->products);
        }
    }
    return (now() - start) / (double)steps;
}
