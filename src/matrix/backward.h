/* backward: (B1)-(B3) whatever makes the sums of a tile and its dx: the backward pass, and its form
 * fused with an activation. */
#ifndef BNORM_MATRIX_BACKWARD_H
#define BNORM_MATRIX_BACKWARD_H

#include "matrix/view.h"

/* Block b has sum(w) at sums[2 b cols] and sum(w (x - mean)) cols further; once collected, the
 * sums of all rows are in the place of block 0. */
typedef struct bnorm_backward_job {
    const bnorm_view *x, *w, *dx; /* w: dy; dx NULL: absent */
    const double *weights, *mean, *rstd;
    const void *gamma;
    void *dgamma, *dbeta;
    bnorm_rule rule;
    bnorm_cut cut;
    double *sums, *scale, *p, *q;
    double n;
    int stream;
    /* Of block b, strip s: the sums in their place, overwritten; dx from the coefficients. */
    void (*sums_tile)(const struct bnorm_backward_job *job, ptrdiff_t b, ptrdiff_t s);
    void (*slope_tile)(const struct bnorm_backward_job *job, ptrdiff_t b, ptrdiff_t s);
} bnorm_backward_job;

bnorm_status bnorm_backward_check(bnorm_ctx *ctx, const bnorm_backward_job *job);

/* All tiles on the threads of `spread`, sums over the processes of ctx, dgamma and dbeta, dx.
 * values: n, then the sums of block 0, in one piece of memory. */
bnorm_status bnorm_backward_run(bnorm_ctx *ctx, bnorm_ctx *spread, bnorm_backward_job *job,
                                double *values);

#endif
