/* batch: the loss of a batch of whole units and its gradient. A batch is a problem with a Q of its
 * own: everything is projected inside it. A gradient with the errors of the whole sample's
 * projection, restricted to the batch, would be that of no loss. */
#ifndef BNORM_PANEL_BATCH_H
#define BNORM_PANEL_BATCH_H

#include "panel/reduced.h"
#include "panel/take.h"

/* Whole units in an order, cut into batches of about equal rows. */
typedef struct units {
    ptrdiff_t count, rows;
    ptrdiff_t *first;                   /* count + 1: where the rows of a unit begin */
    ptrdiff_t *member;                  /* rows, unit by unit */
    ptrdiff_t *order;                   /* count */
    ptrdiff_t *chosen;                  /* rows of the present batch */
    ptrdiff_t next, left, chosen_count; /* of the order; rows behind it */
} units;

bnorm_status bnorm_units_create(bnorm_ctx *ctx, const problem *p, units *u);
void bnorm_units_free(units *u);
/* A new order. */
void bnorm_units_shuffle(units *u, uint64_t seed, uint64_t stream);
/* The rows of the next batch, into `chosen`: it ends at the first unit with which it has `share`
 * rows (>= 1), and takes what is left when that is less than half a share. Returns their number, 0
 * when no unit is left. */
ptrdiff_t bnorm_units_next(units *u, ptrdiff_t share);

/* Rows at their turn, and what their gradient works in. */
typedef struct batch {
    problem_part part;
    int32_t **maps; /* of each factor */
    ptrdiff_t map_count;
    buffer e;
} batch;

bnorm_status bnorm_batch_create(bnorm_ctx *ctx, const problem *p, batch *b);
void bnorm_batch_free(batch *b);
bnorm_status bnorm_batch_take(bnorm_ctx *ctx, const problem *p, const ptrdiff_t *rows,
                              ptrdiff_t count, batch *b);
/* sum omega E^2/n + penalties of the batch (or its mean logistic loss) at the networks' present
 * parameters and top->b, and the gradient in the hidden parameters of all networks, then in b.
 * seed, step: for dropout. */
bnorm_status bnorm_batch_gradient(bnorm_ctx *ctx, batch *b, const reduced *r, uint64_t seed,
                                  uint64_t step, double *value, double *gradient);

#endif
