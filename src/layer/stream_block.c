/* stream_block: one block of rows of a stream: centred in cache, through the whole network and
 * back, its sums added to those of its task.
 *   forward   B = [Xc 1] F, F = [G1 diag(gamma rstd); beta']          (W4)
 *   backward  [G; dbeta'] += [Xc 1]'W                                 (B1), G of (W2) and (W3)
 * Theorems: W4_folded, W3_is_X_dz. */
#include <math.h>
#include <string.h>

#include "kernel/kernel.h"
#include "layer/stream.h"
#include "matrix/blas.h"

/* A block: its rows within the window, and the memory of its task. */
typedef struct block {
    bnorm_stream *s;
    const window *w;
    const bnorm_pass *pass;
    bnorm_mat_f64 outer;
    ptrdiff_t first, rows;
    double *x, *z, *work, *row, *more, *sums;
} block;

static const double *block_weights(const block *b)
{
    return b->w->weights ? b->w->weights + b->first : NULL;
}

/* x = [X - 1 xbar', 1] */
static void centre(const block *b)
{
    const bnorm_stream *s = b->s;
    bnorm_mat_f64 x = bnorm_rows_of(b->w->x, b->first, b->rows);
    if (x.layout != BNORM_ROW_MAJOR) {
        bnorm_mat_f64 copy = {b->x, b->rows, s->p1, s->ld, BNORM_ROW_MAJOR};
        bnorm_copy(x, copy);
        x = copy;
    }
    bnorm_tile tile = {x.data, b->rows, s->p1, x.ld};
    bnorm_affine a = {s->xbar, s->ones, s->zeros};
    bnorm_kernels_f64()->row_affine(&tile, &a, b->x, s->ld, 0);
    for (ptrdiff_t i = 0; i < b->rows; i++) b->x[i * s->ld + s->p1] = 1;
}

/* z = Xc g of the columns that cancel. */
static void plain_columns(const block *b)
{
    const bnorm_stream *s = b->s;
    bnorm_gemm_f64(0, 0, b->rows, s->plain_count, s->p1, 1, b->x, s->ld, s->g_plain,
                   s->plain_count, 0, b->z, s->plain_count);
}

/* ------------------------------------------------------------------------------- forward */

static double *output(const block *b, ptrdiff_t k)
{
    return b->work + b->s->place[k];
}

static bnorm_mat_f64 view(const block *b, ptrdiff_t k)
{
    return bnorm_view_f64(output(b, k), b->rows, b->s->net->layers[k]->outputs,
                          BNORM_ROW_MAJOR);
}

static bnorm_pass pass_of(const block *b)
{
    bnorm_pass pass = *b->pass;
    pass.first_row = b->w->first + b->first;
    pass.weights = block_weights(b);
    return pass;
}

static void dropout(const block *b, layer *l, double *x)
{
    bnorm_mat_f64 m = bnorm_view_f64(x, b->rows, l->outputs, BNORM_ROW_MAJOR);
    bnorm_pass pass = pass_of(b);
    if (pass.training) (void)l->ops.forward(l->ops.user, &pass, NULL, m, m);
}

static void forward(const block *b)
{
    const bnorm_stream *s = b->s;
    const bnorm_net *net = s->net;
    panels f = bnorm_panels_of(s->p1 + 1, s->p2, s->f, s->p2);
    bnorm_times(NULL, b->rows, b->x, s->ld, &f, 0, output(b, 1), s->p2);
    for (ptrdiff_t k = 2; k < net->layer_count; k++) {
        layer *l = net->layers[k];
        const double *x = output(b, k - 1);
        if (l->kind == BNORM_LAYER_DENSE)
            bnorm_dense_forward(l, NULL, view(b, k - 1), view(b, k));
        else if (l->kind == BNORM_LAYER_ACTIVATION)
            l->activation.value(l->activation.user, b->rows * l->outputs, x, output(b, k));
        else
            dropout(b, l, output(b, k));
    }
}

/* ------------------------------------------------------------------------------ the loss */

/* The targets of row i. */
static const double *targets(const block *b, ptrdiff_t i)
{
    bnorm_mat_f64 y = bnorm_rows_of(b->w->y, b->first + i, 1);
    if (y.layout == BNORM_ROW_MAJOR) return y.data;
    for (ptrdiff_t k = 0; k < y.cols; k++) b->row[k] = y.data[k * y.ld];
    return b->row;
}

/* The loss of each row and, in place of its scores, omega/n dl/dscore. A row of weight 0 does not
 * exist. */
static void objective(const block *b, int backward)
{
    const bnorm_stream *s = b->s;
    const bnorm_loss *loss = s->loss;
    const double *weights = block_weights(b);
    ptrdiff_t cols = bnorm_net_outputs(s->net);
    double *score = output(b, s->net->layer_count - 1);
    exact_sum *sum = (exact_sum *)(b->sums + stream_sum_loss(s));
    for (ptrdiff_t i = 0; i < b->rows; i++, score += cols) {
        double weight = weights ? weights[i] : 1, scale = weight / s->n;
        const double *y = targets(b, i);
        if (weight > 0) bnorm_exact_add(sum, weight * loss->value(loss->user, cols, score, y));
        if (weight > 0 && backward) loss->gradient(loss->user, cols, score, y, score);
        for (ptrdiff_t k = 0; k < cols; k++) score[k] = weight > 0 ? scale * score[k] : 0;
    }
}

/* Without a loss: the outputs go to the caller's, or dR/d of them comes from there. */
static void exchange(const block *b, int backward)
{
    bnorm_mat_f64 ours = view(b, b->s->net->layer_count - 1);
    bnorm_mat_f64 theirs = bnorm_rows_of(b->outer, b->w->first + b->first, b->rows);
    if (backward)
        bnorm_copy(theirs, ours);
    else
        bnorm_copy(ours, theirs);
}

/* ------------------------------------------------------------------------------ backward */

/* Adds dG and dbias to the sums; then dR/dx takes the place of x. */
static void dense_backward(const block *b, ptrdiff_t k, double *d)
{
    const layer *l = b->s->net->layers[k];
    bnorm_mat_f64 x = view(b, k - 1);
    bnorm_mat_f64 dz = bnorm_view_f64(d, b->rows, l->outputs, BNORM_ROW_MAJOR);
    bnorm_dense_gradient(l, &(dense_gradient){.x = x,
                                              .dz = dz,
                                              .add = 1,
                                              .dparams = b->sums + b->s->sum_place[k],
                                              .scratch = b->more});
    bnorm_dense_input(l, NULL, dz, x);
}

/* From dR/dscores, in their place, down to W = dR/dB, which is returned. */
static double *layers_backward(const block *b)
{
    const bnorm_stream *s = b->s;
    const bnorm_net *net = s->net;
    double *d = output(b, net->layer_count - 1);
    for (ptrdiff_t k = net->layer_count - 1; k >= 2; k--) {
        layer *l = net->layers[k];
        double *x = output(b, k - 1);
        if (l->kind == BNORM_LAYER_DENSE) {
            dense_backward(b, k, d);
            d = x;
        } else if (l->kind == BNORM_LAYER_ACTIVATION)
            l->activation.gradient(l->activation.user, b->rows * l->outputs, x, d, d);
        else
            dropout(b, l, d);
    }
    return d;
}

static void backward(const block *b)
{
    const bnorm_stream *s = b->s;
    const double *w = layers_backward(b);
    panels x = bnorm_panels_of(b->rows, s->p1 + 1, b->x, s->ld);
    panels pw = bnorm_panels_of(b->rows, s->p2, w, s->p2);
    bnorm_cross(NULL, &x, &pw, 1, b->sums, s->p2);
    if (s->plain_count == 0) return;
    plain_columns(b);
    for (ptrdiff_t k = 0; k < s->plain_count; k++) {
        ptrdiff_t j = s->plain[k];
        double sum = 0;
        for (ptrdiff_t i = 0; i < b->rows; i++)
            sum += w[i * s->p2 + j] * (b->z[i * s->plain_count + k] - s->mean_plain[k]);
        b->sums[stream_sum_wz(s) + j] += sum;
    }
}

/* --------------------------------------------------------------------------------- tasks */

/* The blocks of a task within a window, one after the other. */
static void each_block(const stream_sweep *w, ptrdiff_t task, ptrdiff_t slot,
                       void (*act)(block *, int))
{
    bnorm_stream *s = w->s;
    double *work = s->work + slot * s->work_size;
    block b = {.s = s, .w = w->w, .pass = &w->pass, .outer = w->outer, .x = work};
    b.work = work + s->height * s->ld;
    b.row = work + s->work_size - s->targets;
    b.z = b.row - (s->height + 2) * s->p2;
    b.more = b.z - s->more;
    b.sums = s->sums + task * s->sums_size;
    for (b.first = task * s->height; b.first < w->w->rows;
         b.first += s->sums_count * s->height) {
        b.rows = w->w->rows - b.first;
        if (b.rows > s->height) b.rows = s->height;
        centre(&b);
        act(&b, w->backward);
    }
}

static void gradient_block(block *b, int back)
{
    forward(b);
    if (b->s->loss)
        objective(b, back);
    else
        exchange(b, back);
    if (back) backward(b);
}

void bnorm_stream_gradient_task(const stream_sweep *w, ptrdiff_t task, ptrdiff_t slot)
{
    each_block(w, task, slot, gradient_block);
}

/* Of the columns that cancel: n, mean and M2 of z, merged in order, and Xc'diag(omega)z. */
static void moments_block(block *b, int unused)
{
    enum { STRIP = 256 };
    const bnorm_stream *s = b->s;
    const double *weights = block_weights(b);
    ptrdiff_t count = s->plain_count;
    double *n = b->sums, *mean = n + 1, *m2 = mean + count, *q = m2 + count;
    double *mean_b = b->z + s->height * s->p2, *m2_b = mean_b + s->p2, n_b = 0;
    (void)unused;
    plain_columns(b);
    for (ptrdiff_t j = 0; j < count; j += STRIP) {
        bnorm_mat_f64 z = {b->z + j, b->rows, count - j < STRIP ? count - j : STRIP, count,
                           BNORM_ROW_MAJOR};
        (void)bnorm_moments_f64(NULL, z, weights, &n_b, mean_b + j, m2_b + j);
    }
    (void)bnorm_moments_merge(NULL, count, n, mean, m2, n_b, mean_b, m2_b);
    for (ptrdiff_t i = 0; weights && i < b->rows; i++)
        for (ptrdiff_t j = 0; j < count; j++) b->z[i * count + j] *= weights[i];
    bnorm_gemm_f64(1, 0, s->p1, count, b->rows, 1, b->x, s->ld, b->z, count, 1, q, count);
}

void bnorm_stream_moments_task(const stream_sweep *w, ptrdiff_t task, ptrdiff_t slot)
{
    each_block(w, task, slot, moments_block);
}
