#include "limit.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* A cache line. */
typedef double line __attribute__((vector_size(64)));
enum { LINE = sizeof(line) };

typedef void kernel(const line *x, const line *w, line *out, ptrdiff_t lines);

WIDE static void copy_plain(const line *x, const line *w, line *out, ptrdiff_t lines)
{
    ptrdiff_t i = 0;
    (void)w;
    for (; i + 4 <= lines; i += 4) {
        line a = x[i], b = x[i + 1], c = x[i + 2], d = x[i + 3];
        out[i] = a;
        out[i + 1] = b;
        out[i + 2] = c;
        out[i + 3] = d;
    }
    for (; i < lines; i++) out[i] = x[i];
}

WIDE static void add_plain(const line *x, const line *w, line *out, ptrdiff_t lines)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= lines; i += 4) {
        line a = x[i] + w[i], b = x[i + 1] + w[i + 1];
        line c = x[i + 2] + w[i + 2], d = x[i + 3] + w[i + 3];
        out[i] = a;
        out[i + 1] = b;
        out[i + 2] = c;
        out[i + 3] = d;
    }
    for (; i < lines; i++) out[i] = x[i] + w[i];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void copy_past(const line *x, const line *w, line *out,
                                                      ptrdiff_t lines)
{
    const double *from = (const double *)x;
    double *to = (double *)out;
    (void)w;
    for (ptrdiff_t i = 0; i < 8 * lines; i += 8) {
        _mm256_stream_pd(to + i, _mm256_load_pd(from + i));
        _mm256_stream_pd(to + i + 4, _mm256_load_pd(from + i + 4));
    }
    _mm_sfence();
}

__attribute__((target("avx2"))) static void add_past(const line *x, const line *w, line *out,
                                                     ptrdiff_t lines)
{
    const double *from = (const double *)x, *with = (const double *)w;
    double *to = (double *)out;
    for (ptrdiff_t i = 0; i < 8 * lines; i += 8) {
        __m256d a = _mm256_add_pd(_mm256_load_pd(from + i), _mm256_load_pd(with + i));
        __m256d b = _mm256_add_pd(_mm256_load_pd(from + i + 4), _mm256_load_pd(with + i + 4));
        _mm256_stream_pd(to + i, a);
        _mm256_stream_pd(to + i + 4, b);
    }
    _mm_sfence();
}

int bnorm_limit_has(int way)
{
    return way == LIMIT_PLAIN || __builtin_cpu_supports("avx2");
}
#else
#define copy_past copy_plain
#define add_past  add_plain

int bnorm_limit_has(int way)
{
    return way == LIMIT_PLAIN;
}
#endif

static kernel *const kernels[LIMIT_WAYS][2] = {{copy_plain, add_plain}, {copy_past, add_past}};

void bnorm_limit_bare(const void *x, const void *w, void *out, ptrdiff_t bytes)
{
    kernels[LIMIT_PLAIN][w != NULL](x, w ? w : x, out, bytes / LINE);
}

/* One share a thread. */
void bnorm_limit_run(int way, int threads, const void *x, const void *w, void *out,
                     ptrdiff_t bytes)
{
    kernel *run = kernels[way][w != NULL];
    const line *from = x, *with = w ? w : x;
    line *to = out;
    ptrdiff_t lines = bytes / LINE;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1)
#endif
    for (int t = 0; t < threads; t++) {
        ptrdiff_t begin = lines * t / threads, end = lines * (t + 1) / threads;
        run(from + begin, with + begin, to + begin, end - begin);
    }
}
