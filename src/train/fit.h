/* fit: what one fit knows, shared by its parts. The network's parameter vector is the iterate;
 * `kept` is the best (or last whole) state, restored when the fit ends early or fails. */
#ifndef BNORM_TRAIN_FIT_H
#define BNORM_TRAIN_FIT_H

#include "layer/layer.h"

/* Rows with their targets and weights, checked; n is the sum of the weights. */
typedef struct sample {
    bnorm_mat_f64 x, y;
    const double *weights;
    double n;
} sample;

typedef struct fit {
    bnorm_ctx *ctx;
    bnorm_net *net;
    const bnorm_loss *loss;
    bnorm_fit_options options; /* no zeros that stand for defaults */
    sample train, valid;       /* valid.x.rows 0: none */
    bnorm_stream *stream;      /* of the training rows, or NULL */
    int sourced; /* the training rows are the stream's alone; train has their number */
    double *parameters, *gradient, *state; /* state: 2 vectors for the optimiser */
    double *kept, *kept_statistics;
    double best; /* validation loss of what is kept; infinite: not validated */
    ptrdiff_t best_epoch, epochs;
    double validation; /* of the present epoch; NaN without */
    int converged, stop;
    uint64_t step; /* training passes so far: masks of dropout differ */
    double started;

    double *memory; /* what the vectors above lie in */
    ptrdiff_t *rows, *order;
    buffer x_rows, y_rows, batch_x, batch_y, batch_weights;
} fit;

/* R + sum lambda |block|^2 and its gradient over a sample, at the present parameters. Not an
 * error when it is not finite. INTERRUPTED when the caller says so. */
bnorm_status bnorm_fit_evaluate(fit *f, const sample *s, double *objective, double *gradient);

/* The end of an epoch: statistics, validation, what to keep, progress, whether to stop. */
bnorm_status bnorm_fit_epoch(fit *f, ptrdiff_t epoch, double objective);

/* Running statistics take the moments of the last pass; nothing unless they are asked for. */
bnorm_status bnorm_fit_running(fit *f);

/* The failure for an objective that is not finite. */
bnorm_status bnorm_fit_diverged(fit *f, ptrdiff_t epoch);

/* Batches: their number for so many rows, about `batch` each; sizes differ by at most 1 and are
 * at least `least` (unless there are fewer rows). */
ptrdiff_t bnorm_batch_count(ptrdiff_t rows, ptrdiff_t batch, ptrdiff_t least);
/* First row of batch k of `count`; that of batch k + 1 is the end of batch k. */
ptrdiff_t bnorm_batch_first(ptrdiff_t rows, ptrdiff_t count, ptrdiff_t k);
/* The fewest rows that every rule of the network can take, at least 2. */
ptrdiff_t bnorm_batch_least(const bnorm_net *net);
/* Rows order[first .. end-1] of the training sample, gathered. */
bnorm_status bnorm_batch_gather(fit *f, ptrdiff_t first, ptrdiff_t end, sample *batch);

bnorm_status bnorm_fit_batches(fit *f); /* sgd, rmsprop, adam */
bnorm_status bnorm_fit_lbfgs(fit *f);

#endif
