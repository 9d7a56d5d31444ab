/* layer: the inside of a network. A layer is the public struct bnorm_layer (width, blocks,
 * start, forward, backward); the built-in ones fill it with functions whose `user` is the layer
 * itself and whose return value is a bnorm_status. */
#ifndef BNORM_LAYER_LAYER_H
#define BNORM_LAYER_LAYER_H

#include "bnorm.h"
#include "layer/product.h"

/* Memory that grows and is kept. */
typedef struct buffer {
    double *data;
    ptrdiff_t count;
} buffer;

/* At least rows * cols values; what was there is lost when it grows. */
bnorm_status bnorm_buffer_reserve(bnorm_ctx *ctx, buffer *b, ptrdiff_t rows, ptrdiff_t cols);
void bnorm_buffer_free(buffer *b);

/* How a dense layer multiplies blocks of a pass: by loops, by loops for few units, by BLAS. */
typedef enum dense_way { DENSE_SMALL, DENSE_FEW, DENSE_BLAS } dense_way;

/* Of a batchnorm in one pass: n, mean and M2 of its input, rstd, scale = gamma rstd, and of
 * backward p = dbeta/n and q = rstd dgamma/M. */
typedef struct batch_statistics {
    double n, *mean, *m2, *rstd, *scale, *p, *q;
} batch_statistics;

typedef struct layer {
    bnorm_layer_kind kind;
    bnorm_layer ops;
    ptrdiff_t number;          /* of the layer, from 1 */
    ptrdiff_t dense_number;    /* dense layers up to and with this one */
    ptrdiff_t inputs, outputs; /* columns */
    ptrdiff_t offset, count;   /* its part of the parameter vector */
    const struct layer *previous, *next;

    bnorm_activation activation; /* activation */
    bnorm_rule rule;             /* batchnorm */
    double rate;                 /* dropout */
    int bias;                    /* dense */
    double *mean, *var;          /* batchnorm: the inference statistics */

    /* One training pass. A kept output is there for all rows, in `store`; others are made again
     * for each block of rows, `place` doubles into the memory of its task. */
    const double *params;
    int keep;
    buffer store;
    ptrdiff_t place;
    dense_way way;
    panels forwards, backwards; /* dense: G and G' */
    buffer copy, turned;        /* dense: copies of G and G' */
    double *centre;             /* dense: where its input is measured from, or NULL */
    buffer centres;
    ptrdiff_t partial;      /* dense: its gradient among the sums of a task */
    batch_statistics batch; /* batchnorm */
    buffer vectors;
} layer;

struct bnorm_net {
    ptrdiff_t inputs, layer_count;
    layer **layers;
    int started;
    ptrdiff_t parameter_count, block_count, statistic_count;
    double *parameters;
    double *statistics; /* inference: mean and var of all batchnorm layers */
    bnorm_block *blocks;
    double *penalty_factors; /* block_count */
    buffer x_copy, y_copy;   /* column-major data, row-major */
    buffer infer_x, infer[2];
    double *moments; /* mean and m2 of two blocks of rows, for the population pass */
    double *before;  /* the statistics before that pass */

    /* One training pass: its input, and what sweeps over its rows work in. */
    bnorm_mat_f64 x;
    buffer slopes[2]; /* dR/d of the output of a layer, by turns */
    buffer scratch, sums;
    ptrdiff_t widest;
    uint64_t
        disturbance; /* not 0: the outputs of all layers get rounding errors of this draw */
};

/* Each fills layer->ops. */
void bnorm_dense_make(layer *l);
void bnorm_batchnorm_make(layer *l);
void bnorm_activation_make(layer *l);
void bnorm_dropout_make(layer *l);

/* ---- dense, a block of rows of a training pass ---- */

/* For blocks of so many rows, at the parameters l->params; dx: whether dX will be asked for. */
bnorm_status bnorm_dense_prepare(bnorm_ctx *ctx, layer *l, ptrdiff_t rows, int dx);
void bnorm_dense_forward(const layer *l, bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 z);

typedef struct dense_gradient {
    bnorm_ctx *ctx;
    bnorm_mat_f64 x, dz;
    const double *weights, *centre; /* of the rows; what x is measured from, or NULL */
    int add;                        /* 0: dparams is overwritten */
    double *dparams;
    double *scratch; /* room for panels of x and dz, and for 3 outputs */
} dense_gradient;
void bnorm_dense_gradient(const layer *l, const dense_gradient *g);
void bnorm_dense_input(const layer *l, bnorm_ctx *ctx, bnorm_mat_f64 dz, bnorm_mat_f64 dx);

/* ---- batchnorm, a block of rows of a training pass ---- */

bnorm_status bnorm_batchnorm_prepare(bnorm_ctx *ctx, layer *l);
/* From n, mean and M2 in l->batch. DOMAIN when n does not exceed ddof. */
bnorm_status bnorm_batchnorm_statistics(bnorm_ctx *ctx, layer *l);
void bnorm_batchnorm_forward(const layer *l, bnorm_mat_f64 z, bnorm_mat_f64 b);
/* sums: cols of 1'W, then cols of (Z - 1 mu)'W, added to. */
void bnorm_batchnorm_sums(const layer *l, bnorm_mat_f64 z, bnorm_mat_f64 w, double *sums);
/* (B1), (B2) from the sums of all rows. */
void bnorm_batchnorm_gradient(layer *l, const double *sums, double *dgamma, double *dbeta);
/* (B3) */
void bnorm_batchnorm_input(const layer *l, bnorm_mat_f64 z, bnorm_mat_f64 w,
                           const double *weights, bnorm_mat_f64 dz);

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

/* Products of X (rows x inputs) with few units; g is units x inputs. z = x g' + 1 bias' (bias
 * NULL: 0); dg += z'x; dx = z g, with ldx. */
typedef struct few {
    ptrdiff_t rows, inputs, units, ldx, ldz;
    const double *x, *g, *bias;
    double *z, *dg, *dx;
} few;
void bnorm_few_dot(const few *f);
void bnorm_few_collect(const few *f);
void bnorm_few_spread(const few *f);

/* R = sum omega l / sum omega, and with u the sum of u_ik score_ik / rows besides. n is the sum
 * of omega over all rows. */
typedef struct criterion {
    const bnorm_loss *loss;
    bnorm_mat_f64 y;
    const double *weights, *u; /* u: rows x scores, or NULL */
    double n;
} criterion;

/* A sum of many values: sum + rest is exact up to the rounding of rest (Knuth's two-sum). */
typedef struct exact_sum {
    double sum, rest;
} exact_sum;
void bnorm_exact_add(exact_sum *s, double value);
double bnorm_exact_value(const exact_sum *s);

/* Rows first .. : sum += omega l, and unless d is NULL d = dR/dscores (may be the scores). */
void bnorm_objective_rows(const criterion *o, bnorm_mat_f64 scores, ptrdiff_t first,
                          exact_sum *sum, double *d);
/* R over the scores of all rows. */
double bnorm_objective_value(bnorm_ctx *ctx, const criterion *o, bnorm_mat_f64 scores);

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

/* The same with any objective: *value is R without u, and the network keeps the scores. */
bnorm_status bnorm_net_run(bnorm_net *net, const bnorm_pass *pass, bnorm_mat_f64 x,
                           const criterion *goal, double *value, double *gradient);
/* The output of layer k of the last pass for all rows; data NULL when it was not kept. */
bnorm_mat_f64 bnorm_net_kept(const bnorm_net *net, ptrdiff_t k);

/* The pass in two halves, for losses that are not a sum over rows. up: outputs of all rows, in
 * memory of the network; gradient: what down will be given, or NULL when it will not come. down:
 * the caller has put dR/dv where v was; the gradient is that of R in the parameters. Not for
 * networks that end with a layer of the caller's. */
bnorm_status bnorm_net_up(bnorm_net *net, const bnorm_pass *pass, bnorm_mat_f64 x,
                          double *gradient, bnorm_mat_f64 *v);
bnorm_status bnorm_net_down(bnorm_net *net, const bnorm_pass *pass, double *gradient);
/* The statistics of the last pass become those of inference. */
void bnorm_net_take_statistics(bnorm_net *net);

/* Whether a stream takes networks of this form (layer/stream.h). */
int bnorm_stream_takes(const bnorm_net *net);
/* A stream without a loss, and its pass in two halves like bnorm_net_up and _down: the second makes
 * the outputs of a block again rather than keep what lies between. v, dv: all rows, row-major. The
 * parameters, seed and step are the same in both. */
bnorm_status bnorm_stream_hold(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                               const double *weights, bnorm_stream **stream);
bnorm_status bnorm_stream_up(bnorm_ctx *ctx, bnorm_stream *stream, uint64_t seed, uint64_t step,
                             bnorm_mat_f64 v);
bnorm_status bnorm_stream_down(bnorm_ctx *ctx, bnorm_stream *stream, uint64_t seed,
                               uint64_t step, bnorm_mat_f64 dv, double *gradient);
/* How many rows of a stream have a positive weight, and the sum of the weights. */
ptrdiff_t bnorm_stream_rows(const bnorm_stream *stream, double *n);
/* Sets the network's inference statistics as bnorm_stream_loss does, without the loss. */
bnorm_status bnorm_stream_statistics(bnorm_ctx *ctx, bnorm_stream *stream);

/* to = from, each value off by a relative error of at most two units of rounding, a function of
 * the draw and the value. to may be from. */
void bnorm_disturb(uint64_t draw, ptrdiff_t count, const double *from, double *to);

/* Row-major: x itself, or its copy in b. */
bnorm_status bnorm_row_major(bnorm_ctx *ctx, bnorm_mat_f64 x, int packed, buffer *b,
                             bnorm_mat_f64 *out);
/* Rows first .. first+rows-1. */
bnorm_mat_f64 bnorm_rows_of(bnorm_mat_f64 x, ptrdiff_t first, ptrdiff_t rows);
/* Columns first .. first+cols-1. */
bnorm_mat_f64 bnorm_columns_of(bnorm_mat_f64 x, ptrdiff_t first, ptrdiff_t cols);
/* to = from, either layout. */
void bnorm_copy(bnorm_mat_f64 from, bnorm_mat_f64 to);

/* Names the layer in a failure of its functions; code 0 is success. */
bnorm_status bnorm_layer_status(bnorm_ctx *ctx, const layer *l, const char *function, int code);

#endif
