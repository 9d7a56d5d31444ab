/* descend: one step of an optimiser of batches on any vector of parameters. */
#ifndef BNORM_TRAIN_DESCEND_H
#define BNORM_TRAIN_DESCEND_H

#include "bnorm.h"

typedef struct descent {
    const bnorm_fit_options *options; /* no zeros that stand for defaults */
    ptrdiff_t count;
    double *parameters, *state; /* state: 2 vectors, zero at first */
    const double *gradient;
} descent;

/* Step t = 1, 2, ... of the optimiser in the options, which is none of the full batch. */
void bnorm_descend(const descent *d, ptrdiff_t t);

/* Decoupled decay (AdamW) of the blocks that take the penalty by default; parameters: those of the
 * network, or a copy. To be called before adam's step. */
void bnorm_decay(const bnorm_net *net, const bnorm_fit_options *options, double *parameters);

/* Parameters are taken so many at once, which every compiler turns into vectors. */
enum { AT_ONCE = 8 };
void bnorm_sgd_step(const descent *d);
void bnorm_rmsprop_step(const descent *d);
void bnorm_adam_step(const descent *d, ptrdiff_t t);

#endif
