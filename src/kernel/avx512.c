/* avx512: the kernels with eight lanes of double and sixteen of float; parts of a vector are
 * read and written under a mask. Called only where the processor has AVX-512 F and VL. */
#include "kernel/kernel.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,prefer-vector-width=512")
#endif

/* Inlined even where table.inc sets other options than the command line. */
#define INLINE static inline __attribute__((always_inline))

#define ISA    avx512
#define LANES  8
#define FLOATS 16
typedef double vd __attribute__((vector_size(64)));
typedef float vf __attribute__((vector_size(64)));

INLINE void stream_f64(double *to, vd v)
{
    _mm512_stream_pd(to, (__m512d)v);
}
INLINE void stream_f32(float *to, vf v)
{
    _mm512_stream_ps(to, (__m512)v);
}
#define STREAM_FENCE   _mm_sfence
#define MADD(a, b, c)  ((vd)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define MADDF(a, b, c) ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))

/* a - b where multiplications are made: additions and conversions crowd the other half of the
 * processor. */
#define LESS(a, b) ((vd)_mm512_fmsub_pd((__m512d)(a), _mm512_set1_pd(1), (__m512d)(b)))

/* The lesser and the greater of two; the second where one is NaN, or both are zeros. */
#define LESSER            LESSER
#define GREATER           GREATER
#define LESSER_f64(a, b)  ((vd)_mm512_min_pd((__m512d)(a), (__m512d)(b)))
#define LESSER_f32(a, b)  ((vf)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define GREATER_f64(a, b) ((vd)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define GREATER_f32(a, b) ((vf)_mm512_max_ps((__m512)(a), (__m512)(b)))

/* a 2^k for whole k, rounded once. */
#define SCALE           SCALE
#define SCALE_f64(a, k) ((vd)_mm512_scalef_pd((__m512d)(a), (__m512d)(k)))
#define SCALE_f32(a, k) ((vf)_mm512_scalef_ps((__m512)(a), (__m512)(k)))

/* A strip of eight vectors with its sums and pivots fits 32 registers. */
#define STRIP 8

/* The even and the odd lanes, or pairs of lanes, of a and b; see lanes.inc. */
INLINE vd even_lanes(vd a, vd b)
{
    return (vd)_mm512_unpacklo_pd((__m512d)a, (__m512d)b);
}
INLINE vd odd_lanes(vd a, vd b)
{
    return (vd)_mm512_unpackhi_pd((__m512d)a, (__m512d)b);
}
INLINE vd even_pairs(vd a, vd b)
{
    return (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0x88);
}
INLINE vd odd_pairs(vd a, vd b)
{
    return (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0xdd);
}

/* Compilers find this conversion in halves only. */
INLINE vd load_full_f32(const float *from)
{
    return (vd)_mm512_cvtps_pd(_mm256_loadu_ps(from));
}
#define CONVERTS 1

/* The first k lanes from memory, `fill` in the others. */
INLINE vd get_part_f64(const double *from, ptrdiff_t k, vd fill)
{
    return (vd)_mm512_mask_loadu_pd((__m512d)fill, (__mmask8)((1u << k) - 1), from);
}
INLINE vf get_part_f32(const float *from, ptrdiff_t k, vf fill)
{
    return (vf)_mm512_mask_loadu_ps((__m512)fill, (__mmask16)((1u << k) - 1), from);
}
INLINE vd load_part_f32(const float *from, ptrdiff_t k, vd fill)
{
    __mmask8 mask = (__mmask8)((1u << k) - 1);
    return (vd)_mm512_mask_cvtps_pd((__m512d)fill, mask, _mm256_maskz_loadu_ps(mask, from));
}
INLINE void put_part_f64(double *to, ptrdiff_t k, vd v)
{
    _mm512_mask_storeu_pd(to, (__mmask8)((1u << k) - 1), (__m512d)v);
}
INLINE void put_part_f32(float *to, ptrdiff_t k, vf v)
{
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << k) - 1), (__m512)v);
}
#define MASKED_PARTS 1

/* Holds a vector in a register: left alone, compilers read it again for every use. */
#define KEEP(v) __asm__("" : "+v"(v))

#include "kernel/table.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
