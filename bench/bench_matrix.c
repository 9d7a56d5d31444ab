/* bench_matrix: time of forward and backward divided by the limit, the time of a plain copy
 * (forward) or sum of two arrays (backward) over the same buffers with the same threads, taken
 * in turns in the same process, a millisecond or a call each. The limit is the faster of stores
 * through and past the caches.
 */
#define _POSIX_C_SOURCE 200809L
#include "bnorm.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum { ALIGNMENT = 64, ROUNDS = 9 };

/* The buffers of one measurement, and what is measured. */
typedef struct work {
    void *x, *dy, *out;
    double *mean, *rstd;
    void *gamma, *beta, *dgamma, *dbeta;
    ptrdiff_t rows, cols;
    int f32, threads;
    bnorm_layout layout;
    bnorm_ctx *ctx;
} work;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------------------- limits */

WIDE static void copy_plain(const double *x, const double *w, double *y, ptrdiff_t n)
{
    (void)w;
    for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i];
}

WIDE static void add_plain(const double *x, const double *w, double *y, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] + w[i];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void copy_past(const double *x, const double *w,
                                                      double *y, ptrdiff_t n)
{
    (void)w;
    for (ptrdiff_t i = 0; i < n; i += 8) {
        _mm256_stream_pd(y + i, _mm256_load_pd(x + i));
        _mm256_stream_pd(y + i + 4, _mm256_load_pd(x + i + 4));
    }
    _mm_sfence();
}

__attribute__((target("avx2"))) static void add_past(const double *x, const double *w,
                                                     double *y, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i += 8) {
        _mm256_stream_pd(y + i, _mm256_add_pd(_mm256_load_pd(x + i), _mm256_load_pd(w + i)));
        _mm256_stream_pd(y + i + 4,
                         _mm256_add_pd(_mm256_load_pd(x + i + 4), _mm256_load_pd(w + i + 4)));
    }
    _mm_sfence();
}

static int has_past(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#define copy_past copy_plain
#define add_past  add_plain
static int has_past(void)
{
    return 0;
}
#endif

/* One share a thread, of whole cache lines. Buffers are multiples of 64 bytes. */
static void stream(const work *w,
                   void (*kernel)(const double *, const double *, double *, ptrdiff_t))
{
    ptrdiff_t lines = (w->rows * w->cols * (w->f32 ? 4 : 8) + 63) / 64;
#ifdef _OPENMP
#pragma omp parallel for num_threads(w->threads) schedule(static, 1)
#endif
    for (int t = 0; t < w->threads; t++) {
        ptrdiff_t begin = lines * t / w->threads * 8, end = lines * (t + 1) / w->threads * 8;
        kernel((const double *)w->x + begin, (const double *)w->dy + begin,
               (double *)w->out + begin, end - begin);
    }
}

static void run_copy_plain(const work *w)
{
    stream(w, copy_plain);
}
static void run_copy_past(const work *w)
{
    stream(w, copy_past);
}
static void run_add_plain(const work *w)
{
    stream(w, add_plain);
}
static void run_add_past(const work *w)
{
    stream(w, add_past);
}

/* --------------------------------------------------------------------------- operations */

static void must(const work *w, bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bench_matrix: %s\n", bnorm_ctx_message(w->ctx));
    exit(1);
}

static const bnorm_rule rule = {1e-5, 0};

static void run_forward(const work *w)
{
    if (w->f32)
        must(w, bnorm_forward_f32(w->ctx, bnorm_view_f32(w->x, w->rows, w->cols, w->layout),
                                  NULL, w->gamma, w->beta, rule,
                                  bnorm_view_f32(w->out, w->rows, w->cols, w->layout), w->mean,
                                  w->rstd));
    else
        must(w, bnorm_forward_f64(w->ctx, bnorm_view_f64(w->x, w->rows, w->cols, w->layout),
                                  NULL, w->gamma, w->beta, rule,
                                  bnorm_view_f64(w->out, w->rows, w->cols, w->layout), w->mean,
                                  w->rstd));
}

static void run_backward(const work *w)
{
    if (w->f32)
        must(w, bnorm_backward_f32(w->ctx, bnorm_view_f32(w->x, w->rows, w->cols, w->layout),
                                   bnorm_view_f32(w->dy, w->rows, w->cols, w->layout), NULL,
                                   w->gamma, w->mean, w->rstd, rule,
                                   bnorm_view_f32(w->out, w->rows, w->cols, w->layout),
                                   w->dgamma, w->dbeta));
    else
        must(w, bnorm_backward_f64(w->ctx, bnorm_view_f64(w->x, w->rows, w->cols, w->layout),
                                   bnorm_view_f64(w->dy, w->rows, w->cols, w->layout), NULL,
                                   w->gamma, w->mean, w->rstd, rule,
                                   bnorm_view_f64(w->out, w->rows, w->cols, w->layout),
                                   w->dgamma, w->dbeta));
}

/* ------------------------------------------------------------------------------- timing */

/* Seconds a call, after one that is not counted: every side finds the caches as its own call
 * left them, not emptied by stores past them. */
static double time_once(const work *w, void (*run)(const work *), long calls)
{
    run(w);
    double start = now();
    for (long k = 0; k < calls; k++) run(w);
    return (now() - start) / (double)calls;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int count)
{
    qsort(v, (size_t)count, sizeof *v, ascending);
    return v[count / 2];
}

/* Time of `run` and of its limits, in turns. */
static void measure(const work *w, const char *name, void (*run)(const work *),
                    void (*plain)(const work *), void (*past)(const work *))
{
    double times[3][ROUNDS], limit;
    void (*runs[3])(const work *) = {run, plain, past};
    int kinds = has_past() ? 3 : 2;
    long calls = 1 + (long)(1e-3 / (time_once(w, run, 2) + 1e-9));
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; k < kinds; k++) times[k][r] = time_once(w, runs[k], calls);
    double took = median(times[0], ROUNDS);
    limit = median(times[1], ROUNDS);
    if (kinds == 3 && median(times[2], ROUNDS) < limit) limit = median(times[2], ROUNDS);
    printf("%-8s  f%d  %-3s  %8td x %-4td  %7d  %10.1f  %10.1f  %10.2f\n", name,
           w->f32 ? 32 : 64, w->layout == BNORM_ROW_MAJOR ? "row" : "col", w->rows, w->cols,
           w->threads, took * 1e6, limit * 1e6, took / limit);
    fflush(stdout);
}

static void *buffer(ptrdiff_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, ALIGNMENT, (size_t)(bytes + 64)) != 0) {
        fprintf(stderr, "bench_matrix: no memory for %td bytes\n", bytes);
        exit(1);
    }
    memset(p, 0, (size_t)(bytes + 64));
    return p;
}

/* Numbers of any size serve: normal ones, repeated to fill the buffer. */
static void fill(const work *w, void *to, uint64_t stream_number)
{
    enum { PERIOD = 4099 };
    double numbers[PERIOD];
    bnorm_random_normal(1, stream_number, 0, PERIOD, numbers);
    for (ptrdiff_t i = 0; i < w->rows * w->cols; i++) {
        if (w->f32)
            ((float *)to)[i] = (float)numbers[i % PERIOD];
        else
            ((double *)to)[i] = numbers[i % PERIOD];
    }
}

static void shape(ptrdiff_t rows, ptrdiff_t cols, int f32)
{
    ptrdiff_t bytes = rows * cols * (f32 ? 4 : 8);
    work w = {.rows = rows, .cols = cols, .f32 = f32};
    void **all[] = {&w.x,     &w.dy,   &w.out,    (void **)&w.mean, (void **)&w.rstd,
                    &w.gamma, &w.beta, &w.dgamma, &w.dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = buffer(i < 3 ? bytes : cols * 8);
    fill(&w, w.x, 1);
    fill(&w, w.dy, 2);
    for (ptrdiff_t c = 0; c < cols; c++)
        if (f32)
            ((float *)w.gamma)[c] = 1.5f;
        else
            ((double *)w.gamma)[c] = 1.5;
    for (int l = 0; l < 2; l++)
        for (w.threads = 1; w.threads <= 2; w.threads++) {
            bnorm_ctx_options options;
            bnorm_ctx_defaults(&options);
            options.threads = w.threads;
            must(&w, bnorm_ctx_create(&options, &w.ctx));
            w.layout = l ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR;
            measure(&w, "forward", run_forward, run_copy_plain, run_copy_past);
            measure(&w, "backward", run_backward, run_add_plain, run_add_past);
            bnorm_ctx_destroy(w.ctx);
        }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(*all[i]);
}

/* Shapes as "rows cols" pairs on the command line; without any, the standard ones. */
int main(int argc, char **argv)
{
    static const ptrdiff_t standard[][2] = {
        {60, 100}, {4096, 256}, {65536, 512}, {1048576, 32}};
    printf("bnorm %s, instruction set %s\n", bnorm_version(), bnorm_isa());
    printf("%-8s  %-3s  %-3s  %15s  %7s  %10s  %10s  %10s\n", "op", "", "", "shape", "threads",
           "time us", "limit us", "time/limit");
    for (int i = 1; i + 1 < argc; i += 2)
        for (int f32 = 0; f32 < 2; f32++) shape(atol(argv[i]), atol(argv[i + 1]), f32);
    for (size_t i = 0; argc < 3 && i < sizeof standard / sizeof *standard; i++)
        for (int f32 = 0; f32 < 2; f32++) shape(standard[i][0], standard[i][1], f32);
    return 0;
}
