/* sweep: part of a training pass, done block by block of rows while a block is in cache. */
#ifndef BNORM_LAYER_SWEEP_H
#define BNORM_LAYER_SWEEP_H

#include "layer/layer.h"

/* The rows are cut into chunks, whose sums are added in order, and a chunk into blocks, by the
 * sizes of the batch and the network alone. */
typedef struct row_cut {
    ptrdiff_t chunks, chunk_rows, block_rows;
} row_cut;
row_cut bnorm_sweep_cut(const bnorm_net *net, ptrdiff_t rows);

/* Layers `up` .. up_end-1 run forward; then the objective is taken of the last one's output;
 * then layers top .. bottom run backward. Position k is the input of layer k, from 0. */
typedef struct sweep {
    bnorm_net *net;
    const bnorm_pass *pass;
    row_cut cut;
    ptrdiff_t up, up_end;
    int again;      /* forward for the second time: outputs that are kept are there */
    layer *moments; /* batchnorm of which the moments are made, from position up_end; or NULL */
    layer *inputs;  /* dense layer, the last one up, whose input's moments are made; or NULL */
    const criterion *goal; /* or NULL */
    ptrdiff_t top, bottom; /* top < bottom: none */
    bnorm_mat_f64 from;    /* without goal: dR/d position top + 1, of all rows */
    bnorm_mat_f64 to;      /* dR/d position bottom; data NULL: not asked for */
    layer *below;          /* batchnorm whose output is position bottom, and whose sums are made
                              of `to`; or NULL */
    double *gradient; /* of all parameters; layers top .. bottom and `below` write theirs */
    double value;     /* result: R */
} sweep;
bnorm_status bnorm_sweep_run(sweep *w);

#endif
