/* layer: the inside of a network. A layer is the public struct bnorm_layer (width, blocks,
 * start, forward, backward); the built-in ones fill it with functions whose `user` is the layer
 * itself and whose return value is a bnorm_status. Nothing here keeps more of size rows x cols
 * than pre-activations and activations. */
#ifndef BNORM_LAYER_LAYER_H
#define BNORM_LAYER_LAYER_H

#include "bnorm.h"

/* Memory that grows and is kept. */
typedef struct buffer {
    double *data;
    ptrdiff_t count;
} buffer;

/* At least rows * cols values; what was there is lost when it grows. */
bnorm_status bnorm_buffer_reserve(bnorm_ctx *ctx, buffer *b, ptrdiff_t rows, ptrdiff_t cols);
void bnorm_buffer_free(buffer *b);

typedef struct layer {
    bnorm_layer_kind kind;
    bnorm_layer ops;
    ptrdiff_t number;          /* of the layer, from 1 */
    ptrdiff_t dense_number;    /* dense layers up to and with this one */
    ptrdiff_t inputs, outputs; /* columns */
    ptrdiff_t offset, count;   /* its part of the parameter vector */
    const struct layer *previous, *next;

    bnorm_activation activation;                   /* activation */
    bnorm_rule rule;                               /* batchnorm */
    double rate;                                   /* dropout */
    int bias;                                      /* dense */
    double *mean, *var;                            /* batchnorm: the inference statistics */
    double *batch_mean, *batch_rstd, *batch_scale; /* scale = gamma rstd */
    buffer partial;                                /* dense: products of chunks of rows */
    buffer centre;                                 /* dense: mean and m2 of its input */

    /* One training pass: in and out of forward. An in-place layer writes over its input; an
     * activation in place after a batchnorm finds its input again by
     * bnorm_batchnorm_rebuild. */
    int in_place;
    bnorm_mat_f64 x, y;
    const double *params;
    buffer store;    /* of y, when not in place */
    buffer upstream; /* dR/dy of a caller's layer, which may need y itself in backward */
} layer;

struct bnorm_net {
    ptrdiff_t inputs, layer_count;
    layer **layers;
    int started;
    ptrdiff_t parameter_count, block_count, statistic_count;
    double *parameters;
    double *statistics; /* of all batchnorm layers: five vectors each */
    bnorm_block *blocks;
    double *penalty_factors; /* block_count */
    buffer x_copy, y_copy;   /* column-major data, row-major */
    buffer infer_x, infer[2];
    double *moments; /* mean and m2 of two blocks of rows, for the population pass */
    ptrdiff_t widest;
    uint64_t
        disturbance; /* not 0: the outputs of all layers get rounding errors of this draw */
};

/* Each fills layer->ops. */
void bnorm_dense_make(layer *l);
void bnorm_batchnorm_make(layer *l);
void bnorm_activation_make(layer *l);
void bnorm_dropout_make(layer *l);

/* Rows first .. first+rows-1 of columns col .. col+cols-1 of B, computed again from Z, mu and
 * 1/sigma of the last training pass, with ld = cols. */
void bnorm_batchnorm_rebuild(const layer *l, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t col,
                             ptrdiff_t cols, double *b);

/* The caller's own functions run on the caller's thread only; ours on any. */
int bnorm_loss_is_builtin(const bnorm_loss *loss);

/* The context for work of about so many nanoseconds on one thread; NULL, which is one thread,
 * when waking the others costs more than they give. The bits are the same. */
static inline bnorm_ctx *bnorm_worth(bnorm_ctx *ctx, double nanoseconds)
{
    return nanoseconds < 1e5 ? NULL : ctx;
}

/* z = x g + 1 bias' (bias NULL: 0): rows x units, row by row: the bits of a row depend on that
 * row, g and bias alone. Made for inference and for products too small for BLAS. */
void bnorm_rows_times(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x,
                      ptrdiff_t ldx, const double *g, const double *bias, double *z,
                      ptrdiff_t ldz);

/* R = sum omega l / sum omega over the rows and, when d is not NULL, dR/dscores (may be the
 * scores). n is the sum of omega. */
void bnorm_objective(bnorm_ctx *ctx, const bnorm_loss *loss, bnorm_mat_f64 scores,
                     bnorm_mat_f64 y, const double *weights, double n, double *value,
                     double *d);

/* The checks of data against the network; *n is the sum of omega. */
bnorm_status bnorm_net_check_x(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x);
bnorm_status bnorm_net_check_weights(bnorm_ctx *ctx, ptrdiff_t rows, const double *weights,
                                     double *n);
bnorm_status bnorm_net_check_targets(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x,
                                     bnorm_mat_f64 y, const bnorm_loss *loss);

/* bnorm_net_gradient on data that were checked; n is the sum of omega. */
bnorm_status bnorm_net_pass(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                            const double *weights, double n, const bnorm_loss *loss,
                            uint64_t seed, uint64_t step, double *value, double *gradient);

/* Training forward alone; *scores belongs to the network. */
bnorm_status bnorm_net_forward(bnorm_ctx *ctx, bnorm_net *net, const bnorm_pass *pass,
                               bnorm_mat_f64 x, bnorm_mat_f64 *scores);
/* Backward after it, from dR/dscores in d (written over). gradient is overwritten. */
bnorm_status bnorm_net_backward(bnorm_net *net, const bnorm_pass *pass, double *d,
                                double *gradient);
/* Where dR/dscores may be put: the scores themselves, unless a caller's layer made them. */
double *bnorm_net_upstream(bnorm_net *net);

/* to = from, each value off by a relative error of at most two units of rounding, a function of
 * the draw and the value. to may be from. */
void bnorm_disturb(uint64_t draw, ptrdiff_t count, const double *from, double *to);

/* Row-major: x itself, or its copy in b. */
bnorm_status bnorm_row_major(bnorm_ctx *ctx, bnorm_mat_f64 x, int packed, buffer *b,
                             bnorm_mat_f64 *out);
/* Rows first .. first+rows-1. */
bnorm_mat_f64 bnorm_rows_of(bnorm_mat_f64 x, ptrdiff_t first, ptrdiff_t rows);
/* to = from, either layout. */
void bnorm_copy(bnorm_mat_f64 from, bnorm_mat_f64 to);

/* Names the layer in a failure of its functions; code 0 is success. */
bnorm_status bnorm_layer_status(bnorm_ctx *ctx, const layer *l, const char *function, int code);

#endif
