/* sweep_plan: the inside of a sweep: where its tasks work, and what they leave. */
#ifndef BNORM_LAYER_SWEEP_PLAN_H
#define BNORM_LAYER_SWEEP_PLAN_H

#include <stdatomic.h>

#include "layer/sweep.h"

/* Where things lie, in doubles: in the memory of a task the outputs of layers, two gradients,
 * and `more` for the layers; in the sums of a chunk R first, then these. */
typedef struct plan {
    const sweep *w;
    bnorm_ctx *ctx; /* of the layers: NULL in tasks that run side by side */
    ptrdiff_t gradients, more, task;
    ptrdiff_t moments, inputs, below, partials, chunk;
    int slots;
    atomic_uint busy; /* one bit a slot: whose memory is taken */
} plan;

/* The moments of a block of rows join those of its chunk, in `to`: n, mean, M2. memory: 3 cols.
 */
void bnorm_sweep_moments(bnorm_mat_f64 z, const double *weights, double *to, double *memory);
/* From the sums of all chunks to R, statistics, centres and gradients. */
bnorm_status bnorm_sweep_together(const plan *p, sweep *w);

#endif
