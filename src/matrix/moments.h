/* moments: n, mean and M2 of columns from those of fixed blocks, merged in order. */
#ifndef BNORM_MATRIX_MOMENTS_H
#define BNORM_MATRIX_MOMENTS_H

#include "matrix/scratch.h"
#include "matrix/view.h"

/* The work on one view. Block b keeps its moments at n[b], mean[b * cols + c], m2[...]; after
 * bnorm_moments_collect those of all rows are in the place of block 0, and in `total`. */
typedef struct bnorm_moments_job {
    const bnorm_view *x;
    const double *weights;
    bnorm_cut cut;
    double *n, *mean, *m2, *pivot;
    double total;
} bnorm_moments_job;

/* Doubles a job takes from scratch: `lines` of cols, and `more`. */
void bnorm_moments_need(const bnorm_cut *cut, ptrdiff_t *lines, ptrdiff_t *more);

/* Sets the job up: takes scratch, sums the weights of each block (not yet over processes). */
void bnorm_moments_start(bnorm_moments_job *job, const bnorm_view *x, const double *weights,
                         const bnorm_cut *cut, bnorm_scratch *scratch);

/* n = sum(omega), added block by block as the moments do it. */
double bnorm_weight_total(const bnorm_cut *cut, const double *weights);

/* The moments of block b of strip s. */
void bnorm_moments_tile(bnorm_moments_job *job, ptrdiff_t b, ptrdiff_t s);

/* Merges the blocks of a range of columns in their order. */
void bnorm_moments_collect(bnorm_moments_job *job, bnorm_range c);

/* All tiles, on the context's threads, the merge, and the sum over processes. */
bnorm_status bnorm_moments_run(bnorm_ctx *ctx, bnorm_moments_job *job);

/* Sums values over processes when the context has a reduction. */
bnorm_status bnorm_reduce(bnorm_ctx *ctx, double *values, ptrdiff_t count);
int bnorm_reduces(const bnorm_ctx *ctx);

#endif
