/* within: the inside of the projection Q (maths.md section 6).
 *
 * Factors with the same codes are one block: a level of it has some columns (1, slopes), made
 * orthonormal level by level (the constant keeps its length, sqrt of the level's weight). The
 * block with the most columns leads: rows are kept in the order of its levels, it is projected
 * out exactly, level by level, and what is iterated are the coefficients ("unknowns") of the
 * other blocks. Immutable after creation; refers to nothing of the caller's. */
#ifndef BNORM_PANEL_WITHIN_H
#define BNORM_PANEL_WITHIN_H

#include "bnorm.h"

enum { BNORM_LANES = 4 }; /* columns that are projected side by side */

typedef struct within_block {
    ptrdiff_t levels, cols;
    int constant;     /* the first column is 1; the other columns - constant are slopes */
    ptrdiff_t offset; /* of its first unknown: level l, column j is offset + l cols + j */
    int32_t *codes;   /* rows, in the order of the leading block */
    double *basis;    /* (cols - constant) x rows: slopes, orthonormal in a level, or 0 */
    double
        *triangle; /* levels x cols x cols: columns = basis * triangle; NULL: constant alone */
    double *total; /* levels: sum of weights */
} within_block;

struct bnorm_within {
    ptrdiff_t rows, count, blocks, rank;
    double tolerance;
    within_block *block; /* block[0] leads */
    ptrdiff_t unknowns;  /* of the blocks behind the leading one */
    double *inverse;     /* unknowns: 1/(squared length of the column), 0 where that is 0 */
    ptrdiff_t *order;    /* rows: the caller's row at each place */
    double *weights;     /* rows, in that order, or NULL */
    ptrdiff_t *start;    /* levels + 1 of the leading block: its places */
    ptrdiff_t *live;     /* levels: the end of those with a positive weight, which come first */
    ptrdiff_t widest;    /* most rows of a level */
    ptrdiff_t *where;    /* count x 2: the block and the column that a factor is */
};

/* Rows and factors are there, codes are levels, slopes finite, weights legal. */
bnorm_status bnorm_check_factors(bnorm_ctx *ctx, ptrdiff_t rows, const bnorm_factor *factors,
                                 ptrdiff_t count, const double *weights);

/* Groups factors into blocks, sorts the rows, makes the columns orthonormal. q: zeroed but for
 * rows, count and tolerance; what fails leaves a q that can be destroyed. */
bnorm_status bnorm_within_build(bnorm_ctx *ctx, bnorm_within *q, const bnorm_factor *factors,
                                const double *weights);

/* The slopes of a block, as they came, are made orthonormal in place; total is there. scratch:
 * levels. Returns the number of columns that are not 0, over all levels. */
ptrdiff_t bnorm_within_orthonormal(within_block *b, ptrdiff_t rows, const double *weights,
                                   double *scratch);

/* Parameters that columns of all blocks absorb, of `columns` that are each not 0 in their block:
 * less what constants of two blocks share. */
bnorm_status bnorm_within_count(bnorm_ctx *ctx, const bnorm_within *q, ptrdiff_t columns,
                                ptrdiff_t *rank);

/* Columns of a matrix, at most BNORM_LANES of them: entry (i, c) is data[i * row + c * col]. */
typedef struct within_lanes {
    const double *from;
    ptrdiff_t from_row, from_col;
    double *to;
    ptrdiff_t to_row, to_col;
    int count;
} within_lanes;

/* What projecting needs, once a thread; all but `sums` are made by bnorm_within_work_create. */
typedef struct within_work {
    double *solution, *residual, *direction, *image; /* unknowns x lanes */
    double *level; /* widest x lanes: what is left in the rows of a level */
    double *sums;  /* all unknowns x lanes, the leading block's first: coefficients; or NULL */
} within_work;

typedef struct within_result {
    ptrdiff_t sweeps;
    int failed;      /* the lane that did not converge, or -1 */
    double residual; /* of it, as a share of the column that is left */
} within_result;

bnorm_status bnorm_within_work_create(bnorm_ctx *ctx, const bnorm_within *q, within_work *w);
void bnorm_within_work_destroy(within_work *w);
void bnorm_within_project(const bnorm_within *q, const within_lanes *x, within_work *w,
                          within_result *result);

/* Unknowns of the leading block. */
static inline ptrdiff_t bnorm_within_lead(const bnorm_within *q)
{
    return q->blocks > 0 ? q->block[0].levels * q->block[0].cols : 0;
}

/* The components of the graph whose edges join level a[i] to level b[i], over the rows with a
 * weight: component[l] for the levels_a + levels_b nodes is its smallest node; a node without
 * an edge is its own. Returns the number of components that have an edge. */
ptrdiff_t bnorm_within_components(ptrdiff_t rows, const double *weights, const int32_t *a,
                                  ptrdiff_t levels_a, const int32_t *b, ptrdiff_t levels_b,
                                  ptrdiff_t *component);

#endif
