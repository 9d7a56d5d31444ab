/* least: the normal matrix, its Cholesky factor, right sides and residuals, block by block of rows
 * while a block is in cache. The factor is that of the matrix scaled to a diagonal of ones, whose
 * pivots are 1 - R^2 of each column on those before it. */
#include "panel/least.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "layer/layer.h"
#include "matrix/blas.h"

enum { BLOCK = 256, CHUNKS = 16, CHUNK_LEAST = 1024 };

static const double least_pivot = 1e-8; /* a squared sine */

/* --------------------------------------------------------------------------------- memory */

void bnorm_least_free(least *l)
{
    bnorm_free(l->memory);
    bnorm_free(l->in);
    *l = (least){0};
}

bnorm_status bnorm_least_reserve(bnorm_ctx *ctx, ptrdiff_t rows, ptrdiff_t cols, least *l)
{
    ptrdiff_t wide = cols + 1, square, each, all, total;
    *l = (least){.rows = rows, .cols = cols, .ld = cols};
    l->chunks = smaller(CHUNKS, parts(rows, larger(CHUNK_LEAST, 4 * cols)));
    l->chunk_rows = parts(rows, l->chunks);
    l->chunks = parts(rows, l->chunk_rows);
    if (!bnorm_multiply(wide, wide, &square) || !bnorm_multiply(wide, BLOCK, &each) ||
        __builtin_add_overflow(square, each, &each) || !bnorm_multiply(each, l->chunks, &all) ||
        __builtin_add_overflow(all, square + 2 * wide, &total) ||
        !(l->memory = bnorm_alloc_zero(ctx, total, sizeof *l->memory)) ||
        !(l->in = bnorm_alloc_zero(ctx, wide, 1))) {
        bnorm_least_free(l);
        return bnorm_fail_memory(ctx, "the least squares of the top layer");
    }
    l->sums = l->memory;
    l->scratch = l->sums + l->chunks * square;
    l->factor = l->scratch + l->chunks * BLOCK * wide;
    l->diagonal = l->factor + square;
    l->right = l->diagonal + wide;
    return BNORM_OK;
}

/* --------------------------------------------------------------------------------- chunks */

typedef struct work {
    const least *l;
    const double *from, *b; /* residuals: u, b */
    double *e;
    int gram;
} work;

static bnorm_ctx *threads_for(bnorm_ctx *ctx, const least *l, double each)
{
    return bnorm_worth(ctx, each * (double)l->rows * (double)(l->cols + 1));
}

/* c = w [A, u] of some rows, or only w u. */
static void weigh(const least *l, ptrdiff_t first, ptrdiff_t rows, int all, double *c)
{
    for (ptrdiff_t i = 0; i < rows; i++) {
        double w = l->weights ? l->weights[first + i] : 1;
        const double *a = l->a + (first + i) * l->ld;
        for (ptrdiff_t j = 0; all && j < l->cols; j++) *c++ = w * a[j];
        *c++ = w * l->u[first + i];
    }
}

static void chunk_sums(void *argument, ptrdiff_t chunk)
{
    const work *w = argument;
    const least *l = w->l;
    ptrdiff_t wide = l->cols + 1, width = w->gram ? wide : 1;
    ptrdiff_t end = smaller((chunk + 1) * l->chunk_rows, l->rows);
    double *c = l->scratch + chunk * BLOCK * wide, *sums = l->sums + chunk * wide * wide;
    memset(sums, 0, (size_t)(l->cols * width) * sizeof *sums);
    for (ptrdiff_t i = chunk * l->chunk_rows; i < end; i += BLOCK) {
        ptrdiff_t rows = smaller(BLOCK, end - i);
        weigh(l, i, rows, w->gram, c);
        if (w->gram)
            bnorm_gemm_f64(1, 0, l->cols, width, rows, 1, l->a + i * l->ld, l->ld, c, width, 1,
                           sums, width);
        else
            bnorm_gemv_f64(1, rows, l->cols, l->a + i * l->ld, l->ld, c, 1, sums);
    }
}

/* Sums of all chunks, in the place of the first. */
static void sum_chunks(bnorm_ctx *ctx, const least *l, int gram)
{
    ptrdiff_t wide = l->cols + 1, count = l->cols * (gram ? wide : 1);
    work w = {.l = l, .gram = gram};
    bnorm_parallel(threads_for(ctx, l, gram ? 0.2 * (double)l->cols : 1), l->chunks, chunk_sums,
                   &w);
    for (ptrdiff_t c = 1; c < l->chunks; c++)
        for (ptrdiff_t k = 0; k < count; k++) l->sums[k] += l->sums[c * wide * wide + k];
}

/* -------------------------------------------------------------------------------- factor */

/* Upper triangle R with R'R = the matrix in it, row-major. Returns the least squared pivot. */
static double cholesky(ptrdiff_t n, double *r)
{
    double least_square = INFINITY;
    for (ptrdiff_t k = 0; k < n; k++) {
        double *row = r + k * n, square = row[k];
        least_square = square < least_square ? square : least_square;
        if (!(square > 0)) return square;
        double root = sqrt(square);
        for (ptrdiff_t j = k; j < n; j++) row[j] /= root;
        for (ptrdiff_t i = k + 1; i < n; i++)
            for (ptrdiff_t j = i; j < n; j++) r[i * n + j] -= row[i] * row[j];
    }
    return least_square;
}

static void take_right(least *l, const double *b, ptrdiff_t step)
{
    for (ptrdiff_t k = 0; k < l->cols; k++)
        l->right[k] = l->sums[k * step + step - 1] / l->n - l->ridge[k] * b[k];
}

void bnorm_least_factor(bnorm_ctx *ctx, least *l, const double *b, int *good)
{
    ptrdiff_t n = l->cols;
    sum_chunks(ctx, l, 1);
    take_right(l, b, n + 1);
    for (ptrdiff_t k = 0; k < n; k++) {
        double square = l->sums[k * (n + 1) + k] / l->n + l->ridge[k];
        l->diagonal[k] = 1 / sqrt(square);
        l->in[k] = 1;
        *good = square > 0;
        if (!*good) return;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = i; j < n; j++)
            l->factor[i * n + j] =
                (l->sums[i * (n + 1) + j] / l->n + (i == j ? l->ridge[i] : 0)) *
                l->diagonal[i] * l->diagonal[j];
    *good = cholesky(n, l->factor) >= least_pivot;
}

void bnorm_least_right(bnorm_ctx *ctx, least *l, const double *b)
{
    sum_chunks(ctx, l, 0);
    take_right(l, b, 1);
}

void bnorm_least_solve(const least *l, double *d)
{
    ptrdiff_t n = l->cols;
    const double *r = l->factor;
    for (ptrdiff_t k = 0; k < n; k++) d[k] = l->right[k] * l->diagonal[k];
    for (ptrdiff_t k = 0; k < n; k++) {
        d[k] /= r[k * n + k];
        for (ptrdiff_t j = k + 1; j < n; j++) d[j] -= r[k * n + j] * d[k];
    }
    for (ptrdiff_t k = n - 1; k >= 0; k--) {
        for (ptrdiff_t j = k + 1; j < n; j++) d[k] -= r[k * n + j] * d[j];
        d[k] /= r[k * n + k];
    }
    for (ptrdiff_t k = 0; k < n; k++) d[k] *= l->diagonal[k];
}

/* ------------------------------------------------------------------------------ residual */

static void chunk_residual(void *argument, ptrdiff_t chunk)
{
    const work *w = argument;
    const least *l = w->l;
    ptrdiff_t end = smaller((chunk + 1) * l->chunk_rows, l->rows), wide = l->cols + 1;
    double *fit = l->scratch + chunk * BLOCK * wide;
    exact_sum sum = {0, 0};
    for (ptrdiff_t i = chunk * l->chunk_rows; i < end; i += BLOCK) {
        ptrdiff_t rows = smaller(BLOCK, end - i);
        memset(fit, 0, (size_t)rows * sizeof *fit);
        bnorm_gemv_f64(0, rows, l->cols, l->a + i * l->ld, l->ld, w->b, 0, fit);
        for (ptrdiff_t k = i; k < i + rows; k++) {
            w->e[k] = (w->from ? w->from[k] : 0) - fit[k - i];
            bnorm_exact_add(&sum, (l->weights ? l->weights[k] : 1) * w->e[k] * w->e[k]);
        }
    }
    l->sums[chunk * wide * wide] = bnorm_exact_value(&sum);
}

double bnorm_least_residual(bnorm_ctx *ctx, const least *l, const double *u, const double *b,
                            double *e)
{
    work w = {.l = l, .from = u, .b = b, .e = e};
    bnorm_parallel(threads_for(ctx, l, 1), l->chunks, chunk_residual, &w);
    exact_sum sum = {0, 0};
    for (ptrdiff_t c = 0; c < l->chunks; c++)
        bnorm_exact_add(&sum, l->sums[c * (l->cols + 1) * (l->cols + 1)]);
    return bnorm_exact_value(&sum);
}
