/* epoch: what a fit keeps and the clock it runs by. */
#ifndef BNORM_TRAIN_EPOCH_H
#define BNORM_TRAIN_EPOCH_H

#include <time.h>

#include "train/fit.h"

double bnorm_fit_clock(void); /* seconds */
/* sum lambda |block|^2; gradient, unless it is NULL, gets 2 lambda block added. */
double bnorm_fit_penalties(const bnorm_net *net, double *gradient);
/* The start is what is kept first and, by its validation loss, the first candidate: epoch 0. */
bnorm_status bnorm_fit_begin(fit *f);
/* Parameters and inference statistics: remembered, put back. */
void bnorm_fit_keep(fit *f);
void bnorm_fit_restore(fit *f);
/* Inference statistics of the present parameters: the population's, unless running ones are
 * asked for. */
bnorm_status bnorm_fit_statistics(fit *f);

#endif
