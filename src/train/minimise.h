/* minimise: L-BFGS (train/lbfgs.c) on any objective of one vector. */
#ifndef BNORM_TRAIN_MINIMISE_H
#define BNORM_TRAIN_MINIMISE_H

#include "bnorm.h"

typedef struct minimisation {
    bnorm_ctx *ctx;
    ptrdiff_t count, memory, iterations; /* parameters; pairs; at most */
    double tolerance;                    /* converged: |g| <= tolerance max(1, |p|) */
    /* The objective and its gradient at p; what is not finite is no failure. The last point
     * evaluated is the one accepted. */
    bnorm_status (*evaluate)(void *user, const double *p, double *value, double *gradient);
    bnorm_status (*begun)(void *user, double value); /* after the first evaluation */
    /* After each iteration, from 1; *stop not 0 ends. */
    bnorm_status (*accepted)(void *user, ptrdiff_t iteration, double value, int *stop);
    void *user;
    int converged; /* result */
} minimisation;

/* From p, which holds the last accepted point afterwards, also after a failure. */
bnorm_status bnorm_minimise(minimisation *m, double *p);

#endif
