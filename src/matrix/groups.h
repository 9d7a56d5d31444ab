/* groups: rows whose values lie in groups of equal length, each normalised over itself. One group
 * is layer normalisation; more are group normalisation, whose channels have gamma and beta. */
#ifndef BNORM_MATRIX_GROUPS_H
#define BNORM_MATRIX_GROUPS_H

#include "matrix/view.h"

/* What a call was given. Views and statistics that a direction does not use are NULL. */
typedef struct bnorm_groups {
    const bnorm_view *x, *w, *out; /* w: dy; out: y or dx (data NULL: absent) */
    const void *gamma, *beta;      /* channels, of the precision of x, or NULL */
    void *dgamma, *dbeta;
    double *mean, *rstd; /* rows x groups; outputs of forward */
    const double *mean_in, *rstd_in;
    double eps;
    ptrdiff_t groups, channels; /* groups divides channels, channels divides the columns */
} bnorm_groups;

/* A call under way. Block b adds up dgamma at sums + 2 b channels, and dbeta behind it. */
typedef struct bnorm_group_job {
    bnorm_groups of;
    const void *gamma, *beta; /* of the precision of x, never NULL */
    const double *wide_gamma;
    double *sums; /* backward */
    ptrdiff_t height, blocks;
    ptrdiff_t line, members, span; /* values of a group; its channels; values of a channel */
    int stream, far;               /* far: the inputs are in memory */
} bnorm_group_job;

/* Group g of rows r, those of block b. */
void bnorm_group_rows(const bnorm_group_job *job, ptrdiff_t b, ptrdiff_t g, bnorm_range r);
void bnorm_group_columns(const bnorm_group_job *job, ptrdiff_t b, ptrdiff_t g, bnorm_range r);

bnorm_status bnorm_groups_forward(bnorm_ctx *ctx, const bnorm_groups *given);
bnorm_status bnorm_groups_backward(bnorm_ctx *ctx, const bnorm_groups *given);

#endif
