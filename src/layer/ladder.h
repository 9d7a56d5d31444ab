/* ladder: entries of a gradient against difference quotients. For each entry theta the central
 * quotients D(h) = [F(theta+h) - F(theta-h)]/2h of a falling ladder of steps are combined by
 * Richardson's rule; of all neighbours on the ladder those with the least bound count.
 *
 * The bound is the sum of what can explain a difference though the gradient is right:
 *   truncation  the change of D from the wider step to the narrower: where F is smooth at least
 *               15 times what D(h) is off, where its slope bends (Huber's loss) still 3 times
 *   rounding    2 noise/h, and 4 times the noise of the gradient entry itself
 *   a kink      half the jump of the slope, when one-sided quotients keep apart as h falls;
 *               where nothing else explains an entry every rung is searched for one
 * A bound that noise blew up hides nothing: it is capped at 1e-3 of the scale of the block's
 * gradient (or 1e-6 of the whole one's, or 1e-9 of F, whichever is largest: for blocks whose
 * gradient is zero). Only a kink is exempt: there any slope between the one-sided ones is
 * right. */
#ifndef BNORM_LAYER_LADDER_H
#define BNORM_LAYER_LADDER_H

#include "bnorm.h"

typedef struct ladder {
    bnorm_status (*value)(void *user, double *value); /* F at the present parameters */
    void *user;
    double at;    /* F where the gradient was taken */
    double noise; /* of F */
    double cap;   /* of a bound */
} ladder;

/* A block of parameters with its gradient. */
typedef struct ladder_block {
    const bnorm_block *block;
    double *parameters;     /* rows * cols of it; restored */
    const double *gradient; /* of them */
    const double *spread;   /* noise of each entry of it */
    ptrdiff_t entries;      /* at most so many, drawn by seed and stream; 0: all */
    uint64_t seed, stream;
    ptrdiff_t *order; /* rows * cols, scratch */
} ladder_block;

/* The largest |v_k|, 0 for none: the scale of a gradient. */
double bnorm_largest(ptrdiff_t count, const double *v);

/* Fills the report with the worst entry. Errors: those of value. */
bnorm_status bnorm_ladder_block(const ladder *l, const ladder_block *b,
                                bnorm_check_block *report);

/* CHECK, naming the first block that is not ok. */
bnorm_status bnorm_ladder_verdict(bnorm_ctx *ctx, const bnorm_check_block *report,
                                  ptrdiff_t blocks);

#endif
