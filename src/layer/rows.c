/* rows: products that are not the BLAS's. First one in which every row is made by the same
 * instructions in the same order, whatever its place and its neighbours: BLAS does not promise
 * that, it rounds by shape and position. Multiply and add are separate, in the order of the
 * inputs, so the bits are the same for any width of the vectors. Then the three products of a
 * layer of few units, which read X once at the speed of the cache. */
#include <string.h>

#include "layer/layer.h"

/* In the dialects of GNU, which others compile with, a product and a sum are fused unasked. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

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

/* ----------------------------------------------------------------------------- few units */

enum { LINE = 8, LINES = 4 };

typedef double line __attribute__((vector_size(LINE * sizeof(double)), aligned(8), may_alias));

static inline __attribute__((always_inline)) line *at(const double *x)
{
    return (line *)x;
}

/* sum of x g, in LINES lines of LINE sums */
static inline __attribute__((always_inline)) double dot(ptrdiff_t count, const double *x,
                                                        const double *g)
{
    line sum[LINES] = {{0}};
    double rest = 0;
    ptrdiff_t k = 0;
    for (; k + LINES * LINE <= count; k += LINES * LINE)
        for (int i = 0; i < LINES; i++) sum[i] += *at(x + k + i * LINE) * *at(g + k + i * LINE);
    for (; k + LINE <= count; k += LINE) sum[0] += *at(x + k) * *at(g + k);
    for (; k < count; k++) rest += x[k] * g[k];
    line all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return (((all[0] + all[1]) + (all[2] + all[3])) + ((all[4] + all[5]) + (all[6] + all[7]))) +
           rest;
}

static inline __attribute__((always_inline)) void few_dot(const few *f)
{
    for (ptrdiff_t i = 0; i < f->rows; i++)
        for (ptrdiff_t j = 0; j < f->units; j++)
            f->z[i * f->ldz + j] = dot(f->inputs, f->x + i * f->ldx, f->g + j * f->inputs) +
                                   (f->bias ? f->bias[j] : 0);
}

/* The columns from k on, a line of them for each of LINES: their sums stay in registers. */
static inline __attribute__((always_inline)) void collect_lines(const few *f, int lines,
                                                                ptrdiff_t k, ptrdiff_t j)
{
    line sum[LINES];
    double *dg = f->dg + j * f->inputs + k;
    const double *x = f->x + k, *z = f->z + j;
    for (int i = 0; i < lines; i++) sum[i] = *at(dg + i * LINE);
    for (ptrdiff_t r = 0; r < f->rows; r++, x += f->ldx, z += f->ldz)
        for (int i = 0; i < lines; i++) sum[i] += *at(x + i * LINE) * *z;
    for (int i = 0; i < lines; i++) *at(dg + i * LINE) = sum[i];
}

static inline __attribute__((always_inline)) void few_collect(const few *f)
{
    for (ptrdiff_t j = 0; j < f->units; j++) {
        ptrdiff_t k = 0;
        for (; k + LINES * LINE <= f->inputs; k += LINES * LINE) collect_lines(f, LINES, k, j);
        for (; k + LINE <= f->inputs; k += LINE) collect_lines(f, 1, k, j);
        for (; k < f->inputs; k++)
            for (ptrdiff_t r = 0; r < f->rows; r++)
                f->dg[j * f->inputs + k] += f->x[r * f->ldx + k] * f->z[r * f->ldz + j];
    }
}

static inline __attribute__((always_inline)) void few_spread(const few *f)
{
    for (ptrdiff_t i = 0; i < f->rows; i++) {
        const double *z = f->z + i * f->ldz;
        double *dx = f->dx + i * f->ldx;
        ptrdiff_t k = 0;
        for (; k + LINE <= f->inputs; k += LINE) {
            line sum = *at(f->g + k) * z[0];
            for (ptrdiff_t j = 1; j < f->units; j++)
                sum += *at(f->g + j * f->inputs + k) * z[j];
            *at(dx + k) = sum;
        }
        for (; k < f->inputs; k++) {
            double sum = f->g[k] * z[0];
            for (ptrdiff_t j = 1; j < f->units; j++) sum += f->g[j * f->inputs + k] * z[j];
            dx[k] = sum;
        }
    }
}

/* ---------------------------------------------------------------------- instruction sets */

typedef struct rows_table {
    void (*product)(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x,
                    ptrdiff_t ldx, const double *g, const double *bias, double *z,
                    ptrdiff_t ldz);
    void (*dot)(const few *f);
    void (*collect)(const few *f);
    void (*spread)(const few *f);
} rows_table;

static void product_scalar(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x,
                           ptrdiff_t ldx, const double *g, const double *bias, double *z,
                           ptrdiff_t ldz)
{
    product(rows, inputs, units, x, ldx, g, bias, z, ldz);
}
static void dot_scalar(const few *f)
{
    few_dot(f);
}
static void collect_scalar(const few *f)
{
    few_collect(f);
}
static void spread_scalar(const few *f)
{
    few_spread(f);
}

static const rows_table scalar = {product_scalar, dot_scalar, collect_scalar, spread_scalar};

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static void
product_avx2(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x, ptrdiff_t ldx,
             const double *g, const double *bias, double *z, ptrdiff_t ldz)
{
    product(rows, inputs, units, x, ldx, g, bias, z, ldz);
}
__attribute__((target("avx2"))) static void dot_avx2(const few *f)
{
    few_dot(f);
}
__attribute__((target("avx2"))) static void collect_avx2(const few *f)
{
    few_collect(f);
}
__attribute__((target("avx2"))) static void spread_avx2(const few *f)
{
    few_spread(f);
}
__attribute__((target("avx512f"))) static void dot_avx512(const few *f)
{
    few_dot(f);
}
__attribute__((target("avx512f"))) static void collect_avx512(const few *f)
{
    few_collect(f);
}
__attribute__((target("avx512f"))) static void spread_avx512(const few *f)
{
    few_spread(f);
}

static const rows_table avx2 = {product_avx2, dot_avx2, collect_avx2, spread_avx2};
static const rows_table avx512 = {product_avx2, dot_avx512, collect_avx512, spread_avx512};
#endif

static const rows_table *table(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    const char *isa = bnorm_isa();
    if (strcmp(isa, "avx512") == 0) return &avx512;
    if (strcmp(isa, "avx2") == 0) return &avx2;
#endif
    return &scalar;
}

void bnorm_rows_times(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x,
                      ptrdiff_t ldx, const double *g, const double *bias, double *z,
                      ptrdiff_t ldz)
{
    if (rows > 0) table()->product(rows, inputs, units, x, ldx, g, bias, z, ldz);
}

void bnorm_few_dot(const few *f)
{
    table()->dot(f);
}

void bnorm_few_collect(const few *f)
{
    table()->collect(f);
}

void bnorm_few_spread(const few *f)
{
    table()->spread(f);
}
