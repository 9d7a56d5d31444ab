/* within_pass: what a projection does to all rows. */
#ifndef BNORM_PANEL_WITHIN_PASS_H
#define BNORM_PANEL_WITHIN_PASS_H

#include "panel/within.h"

typedef struct within_state {
    const bnorm_within *q;
    within_lanes x;
    within_work *w;
    int open[BNORM_LANES];     /* still to be projected */
    double first[BNORM_LANES]; /* |y| after the first pass */
    double norm[BNORM_LANES];  /* |y| */
    double seen[BNORM_LANES];  /* |g| */
} within_state;

/* What a pass does besides measuring. */
typedef enum within_store {
    WITHIN_MEASURE,   /* nothing */
    WITHIN_STORE_ALL, /* writes y */
    WITHIN_STORE_OPEN /* writes y of the lanes that are open */
} within_store;

/* y = (I - P)(x - D solution); then norm, w->residual = g = D'omega y, and seen. Unless `solved`,
 * the solution is 0. sums gain what is stored. */
void bnorm_within_pass(within_state *s, int solved, within_store store);

/* image = S direction, S = D'omega (I - P) D. */
void bnorm_within_apply(const bnorm_within *q, const within_work *w);

#endif
