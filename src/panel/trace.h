/* trace: a network's state at some rows in training, and the derivatives of its outputs there in
 * its parameters, forward: the mean and the variance of a batchnorm move with them. And those in
 * its inputs by inference. */
#ifndef BNORM_PANEL_TRACE_H
#define BNORM_PANEL_TRACE_H

#include "layer/layer.h"

typedef struct trace_layer {
    const layer *l;
    bnorm_mat_f64 input; /* dense */
    double *kept;        /* what is here for tangents: zhat of a batchnorm, a'(B) of an
                            activation, the output of a dense layer's predecessor */
    double *rstd;        /* batchnorm */
} trace_layer;

typedef struct trace {
    bnorm_mat_f64 x; /* row-major */
    const double *weights, *params;
    double n; /* sum of the weights */
    ptrdiff_t count, widest, parameters;
    trace_layer *layers;
    bnorm_mat_f64 v; /* outputs; row-major */
    double *memory[2];
} trace;

/* Whether all layers have derivatives here; ARGUMENT names one that has not. */
bnorm_status bnorm_trace_takes(bnorm_ctx *ctx, const bnorm_net *net);

/* weights: of the statistics; rows of weight 0 do not enter them but are there otherwise; or NULL.
 * Refers to net, x and weights. *t is to be freed in any case.
 * Errors: ARGUMENT (dropout, or a layer of the caller's: their derivatives are unknown here),
 *   DOMAIN, MEMORY. */
bnorm_status bnorm_trace_make(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x,
                              const double *weights, trace *t);
void bnorm_trace_free(trace *t);

/* d(V top)/d parameters, for rows first .. of the trace: out (rows - first) x parameters. Column
 * by column
 *   dense      dZ = dX G + X dG + 1 dbias'
 *   batchnorm  (C4) dB = gamma rstd (dz - mean(dz) - zhat sum(omega zhat dz)/M) + zhat dgamma + dbeta
 *   activation dV = a'(B) dB
 * The same bits for any number of threads. */
bnorm_status bnorm_trace_tangents(bnorm_ctx *ctx, const trace *t, const double *top,
                                  ptrdiff_t first, bnorm_mat_f64 out);

/* sums (inputs x outputs): sums_cj = sum over rows of w_i dV_ij/dx_ic by inference: the statistics
 * stand still, and rows do not matter to one another. In blocks of rows. w: rows, or NULL: 1.
 * Errors: ARGUMENT (a layer of the caller's), MEMORY. */
bnorm_status bnorm_net_slopes(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x,
                              const double *w, double *sums);

#endif
