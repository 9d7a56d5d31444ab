/* within_slopes: the slopes of a level become orthonormal columns, by Gram and Schmidt, twice, which
 * is enough (Giraud and others 2005): at mean/sd of 1e9 the first mean is rounded, but what it
 * leaves is exact, and the second takes the rest. A column of which less than SMALL is left is
 * nothing new, and becomes 0. */
#include <math.h>
#include <string.h>

#include "panel/within.h"

#define SMALL 1e-12

/* R[k][j] of a level. */
static double *entry(const within_block *b, ptrdiff_t level, ptrdiff_t k, ptrdiff_t j)
{
    return b->triangle + (level * b->cols + k) * b->cols + j;
}

/* sum[l] = sum omega a c over the rows of the level; c NULL: ones. */
static void sum_levels(const within_block *b, ptrdiff_t rows, const double *weights,
                       const double *a, const double *c, double *sum)
{
    memset(sum, 0, (size_t)b->levels * sizeof *sum);
    for (ptrdiff_t e = 0; e < rows; e++) {
        double w = weights ? weights[e] : 1;
        if (w > 0) sum[b->codes[e]] += w * a[e] * (c ? c[e] : 1);
    }
}

/* Takes from column j, which is v, what column k has of it. */
static void take_column(const within_block *b, ptrdiff_t rows, const double *weights,
                        ptrdiff_t k, ptrdiff_t j, double *v, double *share)
{
    const double *q = k < b->constant ? NULL : b->basis + (k - b->constant) * rows;
    sum_levels(b, rows, weights, v, q, share);
    for (ptrdiff_t l = 0; l < b->levels; l++) {
        if (!q) share[l] = b->total[l] > 0 ? share[l] / b->total[l] : 0;
        *entry(b, l, k, j) += share[l];
    }
    for (ptrdiff_t e = 0; e < rows; e++) v[e] -= share[b->codes[e]] * (q ? q[e] : 1);
}

/* To length 1, or 0 where little is left of the length that R[j][j] has kept. */
static ptrdiff_t scale(const within_block *b, ptrdiff_t rows, const double *weights,
                       ptrdiff_t j, double *v, double *square)
{
    ptrdiff_t kept = 0;
    sum_levels(b, rows, weights, v, v, square);
    for (ptrdiff_t l = 0; l < b->levels; l++) {
        double *r = entry(b, l, j, j), length = sqrt(square[l]);
        *r = length > SMALL * *r ? length : 0;
        square[l] = *r > 0 ? 1 / *r : 0;
        kept += *r > 0;
    }
    for (ptrdiff_t e = 0; e < rows; e++)
        v[e] = square[b->codes[e]] > 0 ? v[e] * square[b->codes[e]] : 0;
    return kept;
}

ptrdiff_t bnorm_within_orthonormal(within_block *b, ptrdiff_t rows, const double *weights,
                                   double *scratch)
{
    ptrdiff_t kept = 0;
    for (ptrdiff_t l = 0; b->constant && l < b->levels; l++) *entry(b, l, 0, 0) = 1;
    for (ptrdiff_t j = b->constant; j < b->cols; j++) {
        double *v = b->basis + (j - b->constant) * rows;
        sum_levels(b, rows, weights, v, v, scratch);
        for (ptrdiff_t l = 0; l < b->levels; l++) *entry(b, l, j, j) = sqrt(scratch[l]);
        for (int again = 0; again < 2; again++)
            for (ptrdiff_t k = 0; k < j; k++) take_column(b, rows, weights, k, j, v, scratch);
        kept += scale(b, rows, weights, j, v, scratch);
    }
    return kept;
}
