/* reduced: the reduced loss of a problem, a function of the hidden parameters of all networks
 * alone: the minimum over theta and G2 of
 *     sum omega E^2/(n s^2) + penalties,   E = Q(y - P theta - V G2),
 * and its gradient, which is the partial one at that minimum (envelope theorem). */
#ifndef BNORM_PANEL_REDUCED_H
#define BNORM_PANEL_REDUCED_H

#include "layer/layer.h"
#include "panel/top.h"

typedef struct reduced {
    const problem *p;
    top t;
    ptrdiff_t count;        /* hidden parameters, network after network */
    bnorm_stream **streams; /* of each network, or NULL where it has none */
} reduced;

/* Whether first layers are taken in weight space (W1-W4): where it pays, or wherever it can be. */
typedef enum streaming {
    STREAMS_NEVER,
    STREAMS_WHERE_THEY_PAY,
    STREAMS_WHERE_THEY_CAN
} streaming;
bnorm_status bnorm_reduced_create(bnorm_ctx *ctx, const problem *p, streaming streams,
                                  reduced *r);
void bnorm_reduced_free(reduced *r);

/* The networks' parameters. */
void bnorm_reduced_get(const reduced *r, double *parameters);
void bnorm_reduced_set(const reduced *r, const double *parameters);

/* At the networks' present parameters, with the statistics of the rows: one pass forward and,
 * unless gradient is NULL, one backward. The top layer is in r->t. */
bnorm_status bnorm_reduced_value(bnorm_ctx *ctx, reduced *r, double *value, double *gradient);
/* The statistics of that pass become those of inference. */
bnorm_status bnorm_reduced_statistics(bnorm_ctx *ctx, reduced *r);
/* The value alone, in blocks of rows: population statistics and V by inference; nothing of rows x
 * hidden is kept. */
bnorm_status bnorm_reduced_infer(bnorm_ctx *ctx, reduced *r, double *value);

/* sum lambda |block|^2 of all networks, and adds its gradient unless that is NULL. */
double bnorm_reduced_penalty(const reduced *r, double *gradient);

#endif
