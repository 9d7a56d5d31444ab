/* pass: one training pass, as sweeps over the rows. A sweep ends where something must be known
 * of all rows: the moments before a batchnorm, its sums (B1, B2) before (B3), and the whole
 * batch at a layer of the caller's. The last sweep forward takes the loss and turns at once.
 *
 * Of size rows x cols are kept: pre-activations, that is outputs of dense layers and inputs of
 * batchnorms, what goes in and out of the caller's layers, and two gradients, one that a sweep
 * reads and one that it writes. Activations are made again from pre-activations. Theorem:
 * question_derivative (dense, batchnorm, activation, dense under the squared loss). */
#include <string.h>

#include "base/ctx.h"
#include "layer/sweep.h"
#include "matrix/blas.h"
#include "matrix/view.h"

/* ------------------------------------------------------------------------------- prepare */

/* Only dense and batchnorm read rows that lie apart. */
static int needs_packed(const bnorm_net *net)
{
    bnorm_layer_kind first = net->layers[0]->kind;
    return first != BNORM_LAYER_DENSE && first != BNORM_LAYER_BATCHNORM;
}

/* The lowest layer with parameters: below it no gradient is needed. */
static ptrdiff_t lowest(const bnorm_net *net)
{
    ptrdiff_t k = 0;
    while (k < net->layer_count && net->layers[k]->count == 0) k++;
    return k;
}

static int is_kept(const layer *l)
{
    const layer *next = l->next;
    return l->kind == BNORM_LAYER_DENSE || l->kind == BNORM_LAYER_USER || !next ||
           next->kind == BNORM_LAYER_BATCHNORM || next->kind == BNORM_LAYER_USER;
}

bnorm_mat_f64 bnorm_net_kept(const bnorm_net *net, ptrdiff_t k)
{
    const layer *l = net->layers[k];
    return bnorm_view_f64(l->keep ? l->store.data : NULL, net->x.rows, l->outputs,
                          BNORM_ROW_MAJOR);
}

static bnorm_status prepare_layer(sweep *w, layer *l, ptrdiff_t bottom)
{
    bnorm_ctx *ctx = w->pass->ctx;
    l->params = w->net->parameters + l->offset;
    l->keep = is_kept(l);
    if (l->keep) BNORM_TRY(bnorm_buffer_reserve(ctx, &l->store, w->net->x.rows, l->outputs));
    if (l->kind == BNORM_LAYER_BATCHNORM) return bnorm_batchnorm_prepare(ctx, l);
    if (l->kind != BNORM_LAYER_DENSE) return BNORM_OK;
    l->centre = NULL;
    return bnorm_dense_prepare(ctx, l, w->cut.block_rows,
                               w->gradient && l->number - 1 > bottom);
}

/* The widest gradient that is kept: of the output of a batchnorm, and around the caller's layers.
 */
static ptrdiff_t widest_slope(const bnorm_net *net)
{
    ptrdiff_t wide = 0;
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const layer *l = net->layers[k];
        if (l->kind != BNORM_LAYER_BATCHNORM && l->kind != BNORM_LAYER_USER) continue;
        if (l->outputs > wide) wide = l->outputs;
        if (l->inputs > wide) wide = l->inputs;
    }
    return wide;
}

static bnorm_status prepare(sweep *w)
{
    bnorm_net *net = w->net;
    ptrdiff_t wide = w->gradient ? widest_slope(net) : 0, bottom = lowest(net);
    for (int side = 0; side < 2; side++)
        BNORM_TRY(bnorm_buffer_reserve(w->pass->ctx, &net->slopes[side], net->x.rows, wide));
    for (ptrdiff_t k = 0; k < net->layer_count; k++)
        BNORM_TRY(prepare_layer(w, net->layers[k], bottom));
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------- forward */

static int is(const bnorm_net *net, ptrdiff_t k, bnorm_layer_kind kind)
{
    return k >= 0 && k < net->layer_count && net->layers[k]->kind == kind;
}

static bnorm_status user_forward(const sweep *w, const layer *l)
{
    bnorm_mat_f64 y = bnorm_net_kept(w->net, l->number - 1), x = w->net->x;
    if (l->previous) x = bnorm_net_kept(w->net, l->number - 2);
    int code = l->ops.forward(l->ops.user, w->pass, l->params, x, y);
    BNORM_TRY(bnorm_layer_status(w->pass->ctx, l, "forward", code));
    if (w->net->disturbance)
        bnorm_disturb(w->net->disturbance + (uint64_t)l->number * 1000, y.rows * y.cols, y.data,
                      y.data);
    return BNORM_OK;
}

/* Up to where a sweep goes from layer k: the next batchnorm or layer of the caller's. The
 * batchnorm at the start of a sweep has its moments already. */
static ptrdiff_t barrier(const bnorm_net *net, ptrdiff_t k)
{
    if (is(net, k, BNORM_LAYER_BATCHNORM)) k++;
    while (k < net->layer_count && net->layers[k]->kind != BNORM_LAYER_BATCHNORM &&
           net->layers[k]->kind != BNORM_LAYER_USER)
        k++;
    return k;
}

/* One sweep from layer k to position `end`, which makes the moments of a batchnorm there. */
static bnorm_status sweep_forward(const sweep *base, ptrdiff_t k, ptrdiff_t end)
{
    sweep w = *base;
    w.up = k;
    w.up_end = end;
    w.gradient = NULL;
    if (is(w.net, end, BNORM_LAYER_BATCHNORM)) w.moments = w.net->layers[end];
    if (w.moments && end > k && is(w.net, end - 1, BNORM_LAYER_DENSE) && base->gradient)
        w.inputs = w.net->layers[end - 1];
    return bnorm_sweep_run(&w);
}

/* Forward as far as the last sweep, which begins at layer *last. */
static bnorm_status forward(const sweep *base, ptrdiff_t *last)
{
    const bnorm_net *net = base->net;
    ptrdiff_t k = 0;
    if (is(net, 0, BNORM_LAYER_BATCHNORM)) BNORM_TRY(sweep_forward(base, 0, 0));
    for (;;) {
        ptrdiff_t end = is(net, k, BNORM_LAYER_USER) ? k + 1 : barrier(net, k);
        if (is(net, k, BNORM_LAYER_USER)) {
            BNORM_TRY(user_forward(base, net->layers[k]));
            if (is(net, end, BNORM_LAYER_BATCHNORM)) BNORM_TRY(sweep_forward(base, end, end));
        } else if (end < net->layer_count) {
            BNORM_TRY(sweep_forward(base, k, end));
        } else {
            break;
        }
        k = end;
    }
    *last = k;
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------ backward */

/* Sets the part of a sweep that runs backward from layer `top`, where `ready` says that a
 * batchnorm at the top has its sums; the gradient it ends with goes to a side of the slopes. */
static void plan_down(sweep *w, ptrdiff_t top, int ready, ptrdiff_t end, int side)
{
    bnorm_net *net = w->net;
    ptrdiff_t k = top + 1;
    while (k > end && !is(net, k - 1, BNORM_LAYER_USER) &&
           (!is(net, k - 1, BNORM_LAYER_BATCHNORM) || (k - 1 == top && ready)))
        k--;
    w->top = top;
    w->bottom = k;
    w->to = (bnorm_mat_f64){0};
    w->below = NULL;
    if (k == end) return;
    if (is(net, k - 1, BNORM_LAYER_BATCHNORM)) w->below = net->layers[k - 1];
    w->to = bnorm_view_f64(net->slopes[side].data, net->x.rows, net->layers[k - 1]->outputs,
                           BNORM_ROW_MAJOR);
}

/* Forward again, for the inputs of the layers: from the last output that is kept. */
static void plan_again(sweep *w)
{
    ptrdiff_t k = w->bottom;
    while (k > 0 && !w->net->layers[k - 1]->keep) k--;
    w->up = k;
    w->up_end = w->top > k ? w->top : k;
    w->again = 1;
}

static bnorm_status user_backward(const sweep *base, layer *l, bnorm_mat_f64 dy,
                                  bnorm_mat_f64 dx)
{
    bnorm_mat_f64 x = base->net->x, y = bnorm_net_kept(base->net, l->number - 1);
    if (l->previous) x = bnorm_net_kept(base->net, l->number - 2);
    double *dparams = base->gradient + l->offset;
    memset(dparams, 0, (size_t)l->count * sizeof *dparams);
    int code = l->ops.backward(l->ops.user, base->pass, l->params, x, y, dy, dparams, dx);
    return bnorm_layer_status(base->pass->ctx, l, "backward", code);
}

/* Backward below the sweep that turned: it left dR/d position `bottom` on side 0. */
static bnorm_status backward(const sweep *base, const sweep *turned, ptrdiff_t end)
{
    bnorm_net *net = base->net;
    bnorm_mat_f64 d = turned->to;
    ptrdiff_t top = turned->bottom - 1;
    int ready = turned->below != NULL;
    while (top > end || (top == end && !ready)) {
        sweep w = *base;
        int side = d.data == net->slopes[0].data;
        if (is(net, top, BNORM_LAYER_USER)) {
            layer *l = net->layers[top];
            bnorm_mat_f64 dx = bnorm_view_f64(top > end ? net->slopes[side].data : NULL,
                                              net->x.rows, l->inputs, BNORM_ROW_MAJOR);
            BNORM_TRY(user_backward(base, l, d, dx));
            d = dx;
            top--;
            ready = 0;
        } else {
            plan_down(&w, top, ready, end, side);
            plan_again(&w);
            w.from = d;
            if (w.bottom > top) w.to = d;
            BNORM_TRY(bnorm_sweep_run(&w));
            d = w.to;
            top = w.bottom - 1;
            ready = w.below != NULL;
        }
    }
    return BNORM_OK;
}

/* -------------------------------------------------------------------------------- public */

/* Forward up to the last sweep, which *last becomes. */
static bnorm_status climb(sweep *base, bnorm_mat_f64 x, sweep *last)
{
    bnorm_net *net = base->net;
    BNORM_TRY(bnorm_row_major(base->pass->ctx, x, needs_packed(net), &net->x_copy, &net->x));
    base->cut = bnorm_sweep_cut(net, x.rows);
    BNORM_TRY(prepare(base));
    *last = *base;
    BNORM_TRY(forward(base, &last->up));
    last->up_end = net->layer_count;
    return BNORM_OK;
}

static bnorm_status run(sweep *base, bnorm_mat_f64 x, const criterion *goal, double *value)
{
    sweep w;
    bnorm_net *net = base->net;
    ptrdiff_t end = lowest(net);
    BNORM_TRY(climb(base, x, &w));
    w.goal = goal;
    if (w.gradient) plan_down(&w, net->layer_count - 1, 0, end, 0);
    BNORM_TRY(bnorm_sweep_run(&w));
    *value = w.value;
    return w.gradient ? backward(base, &w, end) : BNORM_OK;
}

/* Forward alone, to the last output, which is kept. */
static bnorm_status up(sweep *base, bnorm_mat_f64 x)
{
    sweep w;
    BNORM_TRY(climb(base, x, &w));
    w.gradient = NULL;
    return w.up < w.up_end ? bnorm_sweep_run(&w) : BNORM_OK;
}

/* Backward alone, from where the last output was. */
static bnorm_status down(sweep *base)
{
    bnorm_net *net = base->net;
    base->cut = bnorm_sweep_cut(net, net->x.rows);
    sweep turned = *base;
    turned.bottom = net->layer_count;
    turned.to = bnorm_net_kept(net, net->layer_count - 1);
    return backward(base, &turned, lowest(net));
}

/* Whether some product is the BLAS's, for whose threads there is then no use. */
static int uses_blas(const bnorm_net *net, ptrdiff_t rows)
{
    enum { SMALL = 4096 };
    for (ptrdiff_t k = 0; k < net->layer_count; k++)
        if (rows > SMALL / (net->layers[k]->inputs * net->layers[k]->outputs)) return 1;
    return 0;
}

bnorm_status bnorm_net_run(bnorm_net *net, const bnorm_pass *pass, bnorm_mat_f64 x,
                           const criterion *goal, double *value, double *gradient)
{
    sweep base = {.net = net, .pass = pass, .gradient = gradient, .bottom = 1};
    int hold = uses_blas(net, x.rows), held = hold ? bnorm_blas_hold() : 0;
    bnorm_status status = run(&base, x, goal, value);
    if (hold) bnorm_blas_release(held);
    return status;
}

bnorm_status bnorm_net_up(bnorm_net *net, const bnorm_pass *pass, bnorm_mat_f64 x,
                          double *gradient, bnorm_mat_f64 *v)
{
    sweep base = {.net = net, .pass = pass, .gradient = gradient, .bottom = 1};
    int hold = uses_blas(net, x.rows), held = hold ? bnorm_blas_hold() : 0;
    bnorm_status status = up(&base, x);
    if (hold) bnorm_blas_release(held);
    *v = bnorm_net_kept(net, net->layer_count - 1);
    return status;
}

bnorm_status bnorm_net_down(bnorm_net *net, const bnorm_pass *pass, double *gradient)
{
    sweep base = {.net = net, .pass = pass, .gradient = gradient, .bottom = 1};
    int hold = uses_blas(net, net->x.rows), held = hold ? bnorm_blas_hold() : 0;
    bnorm_status status = down(&base);
    if (hold) bnorm_blas_release(held);
    return status;
}

void bnorm_net_take_statistics(bnorm_net *net)
{
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        layer *l = net->layers[k];
        if (l->kind != BNORM_LAYER_BATCHNORM) continue;
        memcpy(l->mean, l->batch.mean, (size_t)l->inputs * sizeof *l->mean);
        for (ptrdiff_t j = 0; j < l->inputs; j++)
            l->var[j] = l->batch.m2[j] / (l->batch.n - l->rule.ddof);
    }
}

bnorm_status bnorm_net_pass(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                            const double *weights, double n, const bnorm_loss *loss,
                            uint64_t seed, uint64_t step, double *value, double *gradient)
{
    bnorm_pass pass = {
        .training = 1, .seed = seed, .step = step, .weights = weights, .ctx = ctx};
    criterion goal = {.loss = loss, .weights = weights, .n = n};
    bnorm_status status = bnorm_row_major(ctx, y, 0, &net->y_copy, &goal.y);
    if (status != BNORM_OK) return status;
    return bnorm_net_run(net, &pass, x, &goal, value, gradient);
}

bnorm_status bnorm_net_gradient(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                bnorm_mat_f64 y, const double *weights, const bnorm_loss *loss,
                                uint64_t seed, uint64_t step, double *value, double *gradient)
{
    double n;
    if (!value) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "value is NULL");
    bnorm_status status = bnorm_net_check_x(ctx, net, x);
    if (status == BNORM_OK) status = bnorm_net_check_targets(ctx, net, x, y, loss);
    if (status == BNORM_OK) status = bnorm_net_check_weights(ctx, x.rows, weights, &n);
    if (status != BNORM_OK) return status;
    return bnorm_net_pass(ctx, net, x, y, weights, n, loss, seed, step, value, gradient);
}
