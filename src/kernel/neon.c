/* neon: the kernels with two lanes of double and four of float, part of every aarch64
 * processor. */
#include "kernel/kernel.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Inlined even where table.inc sets other options than the command line. */
#define INLINE static inline __attribute__((always_inline))

#define ISA            neon
#define LANES          2
#define FLOATS         4
#define STRIP          8
#define MADD(a, b, c)  vfmaq_f64(c, a, b)
#define MADDF(a, b, c) vfmaq_f32(c, a, b)
typedef double vd __attribute__((vector_size(16)));
typedef float vf __attribute__((vector_size(16)));

/* The even and the odd lanes of a and b; see lanes.inc. */
INLINE vd even_lanes(vd a, vd b)
{
    return vzip1q_f64(a, b);
}
INLINE vd odd_lanes(vd a, vd b)
{
    return vzip2q_f64(a, b);
}

#include "kernel/table.inc"
#endif
