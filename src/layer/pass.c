/* pass: one training pass, forward and backward through the chain. Of size rows x cols there
 * are the outputs of the layers and nothing else: gradients take the place of the activations,
 * and an activation after a batchnorm works in place. A caller's layer keeps its output intact
 * for its backward, so the gradient of that has memory of its own. Theorem: question_derivative
 * (dense, batchnorm, activation, dense under the squared loss). */
#include <string.h>

#include "base/ctx.h"
#include "layer/layer.h"
#include "matrix/blas.h"

/* ------------------------------------------------------------------------------- forward */

static bnorm_status place_output(bnorm_ctx *ctx, layer *l, ptrdiff_t rows)
{
    bnorm_status status = BNORM_OK;
    double *data = l->x.data;
    if (!l->in_place) {
        status = bnorm_buffer_reserve(ctx, &l->store, rows, l->outputs);
        data = l->store.data;
    }
    if (status == BNORM_OK && l->kind == BNORM_LAYER_USER)
        status = bnorm_buffer_reserve(ctx, &l->upstream, rows, l->outputs);
    l->y = bnorm_view_f64(data, rows, l->outputs, BNORM_ROW_MAJOR);
    return status;
}

/* Only dense and batchnorm read rows that lie apart. */
static int needs_packed(const bnorm_net *net)
{
    bnorm_layer_kind first = net->layers[0]->kind;
    return first != BNORM_LAYER_DENSE && first != BNORM_LAYER_BATCHNORM;
}

bnorm_status bnorm_net_forward(bnorm_ctx *ctx, bnorm_net *net, const bnorm_pass *pass,
                               bnorm_mat_f64 x, bnorm_mat_f64 *scores)
{
    bnorm_status status = bnorm_row_major(ctx, x, needs_packed(net), &net->x_copy, scores);
    for (ptrdiff_t k = 0; k < net->layer_count && status == BNORM_OK; k++) {
        layer *l = net->layers[k];
        l->x = *scores;
        l->params = net->parameters + l->offset;
        status = place_output(ctx, l, x.rows);
        if (status != BNORM_OK) break;
        int code = l->ops.forward(l->ops.user, pass, l->params, l->x, l->y);
        status = bnorm_layer_status(ctx, l, "forward", code);
        *scores = l->y;
        if (net->disturbance)
            bnorm_disturb(net->disturbance + (uint64_t)l->number * 1000, x.rows * l->outputs,
                          l->y.data, l->y.data);
    }
    return status;
}

/* ------------------------------------------------------------------------------ backward */

double *bnorm_net_upstream(bnorm_net *net)
{
    layer *last = net->layers[net->layer_count - 1];
    return last->kind == BNORM_LAYER_USER ? last->upstream.data : last->y.data;
}

/* Where dR/dx of a layer goes. Elementwise layers and batchnorm work in place on dR/dy; a dense
 * layer and the caller's are done with x when they write dR/dx, unless x is the output of a
 * caller's layer. */
static double *place_gradient(layer *l, double *dy)
{
    if (l->kind != BNORM_LAYER_DENSE && l->kind != BNORM_LAYER_USER) return dy;
    const layer *before = l->previous;
    return before->kind == BNORM_LAYER_USER ? before->upstream.data : l->x.data;
}

/* The lowest layer with parameters: below it no gradient is needed. */
static ptrdiff_t lowest(const bnorm_net *net)
{
    ptrdiff_t k = 0;
    while (k < net->layer_count && net->layers[k]->count == 0) k++;
    return k;
}

bnorm_status bnorm_net_backward(bnorm_net *net, const bnorm_pass *pass, double *d,
                                double *gradient)
{
    memset(gradient, 0, (size_t)net->parameter_count * sizeof *gradient);
    bnorm_status status = BNORM_OK;
    ptrdiff_t bottom = lowest(net);
    for (ptrdiff_t k = net->layer_count - 1; k >= bottom && status == BNORM_OK; k--) {
        layer *l = net->layers[k];
        bnorm_mat_f64 dy = l->y, dx = l->x;
        dy.data = d;
        dx.ld = dx.cols;
        dx.data = d = k > bottom ? place_gradient(l, d) : NULL;
        int code = l->ops.backward(l->ops.user, pass, l->params, l->x, l->y, dy,
                                   gradient + l->offset, dx);
        status = bnorm_layer_status(pass->ctx, l, "backward", code);
    }
    return status;
}

/* -------------------------------------------------------------------------------- public */

static bnorm_status run(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                        double n, const bnorm_loss *loss, const bnorm_pass *pass, double *value,
                        double *gradient)
{
    bnorm_mat_f64 targets, scores;
    bnorm_status status = bnorm_row_major(ctx, y, 0, &net->y_copy, &targets);
    if (status == BNORM_OK) status = bnorm_net_forward(ctx, net, pass, x, &scores);
    if (status != BNORM_OK) return status;
    double *d = gradient ? bnorm_net_upstream(net) : NULL;
    bnorm_objective(ctx, loss, scores, targets, pass->weights, n, value, d);
    return gradient ? bnorm_net_backward(net, pass, d, gradient) : BNORM_OK;
}

bnorm_status bnorm_net_pass(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                            const double *weights, double n, const bnorm_loss *loss,
                            uint64_t seed, uint64_t step, double *value, double *gradient)
{
    bnorm_pass pass = {
        .training = 1, .seed = seed, .step = step, .weights = weights, .ctx = ctx};
    int held = bnorm_blas_hold();
    bnorm_status status = run(ctx, net, x, y, n, loss, &pass, value, gradient);
    bnorm_blas_release(held);
    return status;
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
