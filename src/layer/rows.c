/* rows: a matrix product in which every row is made by the same instructions in the same order,
 * whatever its place and its neighbours. BLAS does not promise that: it rounds by shape and
 * position. Multiply and add are separate, in the order of the inputs, so the bits are the same
 * for any width of the vectors. */
#include <string.h>

#include "layer/layer.h"

enum { ROWS = 4, LANES = 4, WIDE = 2 * LANES };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8)));

/* Four rows by eight columns; the accumulators stay in registers. */
static inline __attribute__((always_inline)) void
wide_tile(ptrdiff_t inputs, const double *const x[ROWS], const double *g, ptrdiff_t ldg,
          const double *bias, double *const z[ROWS])
{
    lanes low[ROWS], high[ROWS];
    for (int r = 0; r < ROWS; r++) low[r] = high[r] = (lanes){0};
    for (ptrdiff_t k = 0; k < inputs; k++, g += ldg) {
        lanes a, b;
        memcpy(&a, g, sizeof a);
        memcpy(&b, g + LANES, sizeof b);
        for (int r = 0; r < ROWS; r++) {
            low[r] += x[r][k] * a;
            high[r] += x[r][k] * b;
        }
    }
    lanes a = {0}, b = {0};
    if (bias) {
        memcpy(&a, bias, sizeof a);
        memcpy(&b, bias + LANES, sizeof b);
    }
    for (int r = 0; r < ROWS; r++) {
        low[r] += a;
        high[r] += b;
        memcpy(z[r], &low[r], sizeof a);
        memcpy(z[r] + LANES, &high[r], sizeof b);
    }
}

static inline __attribute__((always_inline)) void
narrow_tile(ptrdiff_t inputs, const double *const x[ROWS], const double *g, ptrdiff_t ldg,
            double bias, double *const z[ROWS])
{
    double sum[ROWS] = {0};
    for (ptrdiff_t k = 0; k < inputs; k++)
        for (int r = 0; r < ROWS; r++) sum[r] += x[r][k] * g[k * ldg];
    for (int r = 0; r < ROWS; r++) *z[r] = sum[r] + bias;
}

/* A group of fewer than four rows repeats its last row: the same values are written twice. */
static inline __attribute__((always_inline)) void
product(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x, ptrdiff_t ldx,
        const double *g, const double *bias, double *z, ptrdiff_t ldz)
{
    for (ptrdiff_t j = 0; j < units;) {
        int wide = j + WIDE <= units;
        for (ptrdiff_t i = 0; i < rows; i += ROWS) {
            const double *from[ROWS];
            double *to[ROWS];
            for (int r = 0; r < ROWS; r++) {
                ptrdiff_t row = i + r < rows ? i + r : rows - 1;
                from[r] = x + row * ldx;
                to[r] = z + row * ldz + j;
            }
            if (wide)
                wide_tile(inputs, from, g + j, units, bias ? bias + j : NULL, to);
            else
                narrow_tile(inputs, from, g + j, units, bias ? bias[j] : 0, to);
        }
        j += wide ? WIDE : 1;
    }
}

static void product_scalar(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x,
                           ptrdiff_t ldx, const double *g, const double *bias, double *z,
                           ptrdiff_t ldz)
{
    product(rows, inputs, units, x, ldx, g, bias, z, ldz);
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static void
product_avx2(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x, ptrdiff_t ldx,
             const double *g, const double *bias, double *z, ptrdiff_t ldz)
{
    product(rows, inputs, units, x, ldx, g, bias, z, ldz);
}
#endif

void bnorm_rows_times(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x,
                      ptrdiff_t ldx, const double *g, const double *bias, double *z,
                      ptrdiff_t ldz)
{
    if (rows == 0) return;
#if defined(__x86_64__) && defined(__GNUC__)
    if (strncmp(bnorm_isa(), "avx", 3) == 0) {
        product_avx2(rows, inputs, units, x, ldx, g, bias, z, ldz);
        return;
    }
#endif
    product_scalar(rows, inputs, units, x, ldx, g, bias, z, ldz);
}
