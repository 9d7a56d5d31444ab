/* search: a step along a descent direction that satisfies the weak Wolfe conditions. */
#ifndef BNORM_TRAIN_SEARCH_H
#define BNORM_TRAIN_SEARCH_H

#include "train/minimise.h"

/* An iterate: parameters, objective, gradient. */
typedef struct point {
    double *p, *g;
    double value;
} point;

double bnorm_dot(ptrdiff_t count, const double *a, const double *b);

/* From `from` along d with slope = g'd < 0, first trying `step`; the found point in `to` and
 * *found 1; *found 0 when no point was lower. Errors: those of the evaluation. */
bnorm_status bnorm_search(minimisation *m, const point *from, const double *d, double slope,
                          double step, point *to, int *found);

#endif
