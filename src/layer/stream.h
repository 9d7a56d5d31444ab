/* stream: the inside of a stream, shared by its making (stream.c), the sweeps over its rows
 * (stream_sweep.c) and a block of rows in them (stream_block.c). */
#ifndef BNORM_LAYER_STREAM_H
#define BNORM_LAYER_STREAM_H

#include "layer/layer.h"

/* Some rows of the stream, from a multiple of its slab on. */
typedef struct window {
    ptrdiff_t first, rows;
    bnorm_mat_f64 x, y;
    const double *weights;
} window;

/* Block b of the rows adds to the sums b mod `sums_count`, in the order of b: so neither threads
 * nor the size of a window make a difference. */
struct bnorm_stream {
    bnorm_net *net;
    const bnorm_loss *loss; /* or NULL: outputs are given and their gradient is taken */
    bnorm_source source;    /* rows: all; read NULL: matrices */
    window whole;           /* the matrices */
    ptrdiff_t targets;
    double n;           /* sum of the weights */
    ptrdiff_t positive; /* rows of positive weight */

    ptrdiff_t p1, p2, ld;   /* of a centred block with a column of ones */
    ptrdiff_t height, slab; /* rows of a block, of a slab */
    double *slab_x, *slab_y, *slab_weights;

    bnorm_gram gram;
    double *xbar, *s, *ones, *zeros;

    /* Made anew for the parameters of each pass. f: (p1 + 1) x p2, what a centred block with its
     * ones is multiplied by to give B; sg: S G1. plain: the columns that cancel, with their weights
     * and the means of their centred z. */
    double *f, *sg, *mean, *v, *least, *rstd, *scale, *g_plain, *mean_plain;
    ptrdiff_t *plain, plain_count;

    /* work, one a thread: a centred block and the outputs of layers 1 .. at place[k]; sums, one a
     * task: what the layout below says. */
    ptrdiff_t *place, *sum_place;
    ptrdiff_t work_size, more, sums_size, sums_count;
    double *work, *sums;
    double *memory;
};

/* Places in sums: G and dbeta ((p1 + 1) x p2), then sum(w z) of plain columns, then the loss and
 * its rest, then the parameters of dense layers. */
static inline ptrdiff_t stream_sum_wz(const bnorm_stream *s)
{
    return (s->p1 + 1) * s->p2;
}
static inline ptrdiff_t stream_sum_loss(const bnorm_stream *s)
{
    return (s->p1 + 2) * s->p2;
}

/* One pass over a window. */
typedef struct stream_sweep {
    bnorm_stream *s;
    const window *w;
    bnorm_pass pass;
    int backward;
    bnorm_mat_f64 outer; /* without a loss: the outputs of all rows, or dR/d of them */
} stream_sweep;

/* All blocks of one task, in the work memory of a slot. */
void bnorm_stream_gradient_task(const stream_sweep *w, ptrdiff_t task, ptrdiff_t slot);
void bnorm_stream_moments_task(const stream_sweep *w, ptrdiff_t task, ptrdiff_t slot);

/* Visits all rows in their order: slab after slab from a source, whose rows are checked each
 * time, for they may have changed. Matrices are one window; with by_slab they too come slab after
 * slab, x row-major, as from a source. */
bnorm_status bnorm_stream_visit(bnorm_ctx *ctx, bnorm_stream *s, int by_slab,
                                bnorm_status (*visit)(bnorm_ctx *ctx, bnorm_stream *s,
                                                      const window *w, void *user),
                                void *user);

#endif
