/* avx2: the kernels with four lanes of double and eight of float. Called only where the
 * processor has AVX2 and FMA. */
#include "kernel/kernel.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

/* Inlined even where table.inc sets other options than the command line. */
#define INLINE static inline __attribute__((always_inline))

#define ISA    avx2
#define LANES  4
#define FLOATS 8
typedef double vd __attribute__((vector_size(32)));
typedef float vf __attribute__((vector_size(32)));

/* Past the caches, to an address aligned to the vector. */
INLINE void stream_f64(double *to, vd v)
{
    _mm256_stream_pd(to, (__m256d)v);
}
INLINE void stream_f32(float *to, vf v)
{
    _mm256_stream_ps(to, (__m256)v);
}
#define STREAM_FENCE   _mm_sfence
#define MADD(a, b, c)  ((vd)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define MADDF(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))

/* The lesser and the greater of two; the second where one is NaN, or both are zeros. */
#define LESSER            LESSER
#define GREATER           GREATER
#define LESSER_f64(a, b)  ((vd)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#define LESSER_f32(a, b)  ((vf)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define GREATER_f64(a, b) ((vd)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#define GREATER_f32(a, b) ((vf)_mm256_max_ps((__m256)(a), (__m256)(b)))

/* The even and the odd lanes, or pairs of lanes, of a and b; see lanes.inc. */
INLINE vd even_lanes(vd a, vd b)
{
    return (vd)_mm256_unpacklo_pd((__m256d)a, (__m256d)b);
}
INLINE vd odd_lanes(vd a, vd b)
{
    return (vd)_mm256_unpackhi_pd((__m256d)a, (__m256d)b);
}
INLINE vd even_pairs(vd a, vd b)
{
    return (vd)_mm256_permute2f128_pd((__m256d)a, (__m256d)b, 0x20);
}
INLINE vd odd_pairs(vd a, vd b)
{
    return (vd)_mm256_permute2f128_pd((__m256d)a, (__m256d)b, 0x31);
}

/* Compilers find this conversion in halves only. */
INLINE vd load_full_f32(const float *from)
{
    return (vd)_mm256_cvtps_pd(_mm_loadu_ps(from));
}
#define CONVERTS 1

/* Holds a vector in a register: left alone, compilers read it again for every use. */
#define KEEP(v) __asm__("" : "+x"(v))

#include "kernel/table.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
