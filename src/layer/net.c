/* net: a chain of layers is built, then started. Before the start it has layers and widths;
 * after it, parameters, blocks and statistics too, and takes no more layers. A call that fails
 * leaves it as it was. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"

bnorm_status bnorm_net_create(bnorm_ctx *ctx, ptrdiff_t inputs, bnorm_net **net)
{
    if (!net) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "net is NULL");
    *net = NULL;
    if (inputs < 1 || inputs > INT_MAX)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "a network takes 1 to %d inputs, not %td",
                          INT_MAX, inputs);
    bnorm_net *made = bnorm_alloc_zero(ctx, 1, sizeof *made);
    if (!made) return bnorm_fail_memory(ctx, "a network");
    made->inputs = made->widest = inputs;
    *net = made;
    return BNORM_OK;
}

static void free_layer(layer *l)
{
    if (!l) return;
    bnorm_buffer_free(&l->store);
    bnorm_buffer_free(&l->copy);
    bnorm_buffer_free(&l->turned);
    bnorm_buffer_free(&l->centres);
    bnorm_buffer_free(&l->vectors);
    bnorm_free(l);
}

void bnorm_net_destroy(bnorm_net *net)
{
    if (!net) return;
    for (ptrdiff_t k = 0; k < net->layer_count; k++) free_layer(net->layers[k]);
    bnorm_free(net->layers);
    bnorm_free(net->parameters);
    bnorm_free(net->statistics);
    bnorm_free(net->blocks);
    bnorm_free(net->penalty_factors);
    bnorm_free(net->moments);
    bnorm_buffer_free(&net->x_copy);
    bnorm_buffer_free(&net->y_copy);
    bnorm_buffer_free(&net->slopes[0]);
    bnorm_buffer_free(&net->slopes[1]);
    bnorm_buffer_free(&net->scratch);
    bnorm_buffer_free(&net->sums);
    bnorm_buffer_free(&net->infer_x);
    bnorm_buffer_free(&net->infer[0]);
    bnorm_buffer_free(&net->infer[1]);
    bnorm_free(net);
}

/* -------------------------------------------------------------------------------- append */

/* Puts a layer at the end; *l is a blank with inputs, numbers and links set. */
static bnorm_status append(bnorm_ctx *ctx, bnorm_net *net, layer **l)
{
    if (!net) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "net is NULL");
    if (net->started)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the network is already started: add its layers before");
    ptrdiff_t count = net->layer_count;
    layer *made = bnorm_alloc_zero(ctx, 1, sizeof *made);
    layer **layers = bnorm_alloc(ctx, count + 1, sizeof *layers);
    if (!made || !layers) {
        bnorm_free(made);
        bnorm_free(layers);
        return bnorm_fail_memory(ctx, "a layer");
    }
    if (count) memcpy(layers, net->layers, (size_t)count * sizeof *layers);
    bnorm_free(net->layers);
    net->layers = layers;
    layers[net->layer_count++] = made;
    layer *before = count ? layers[count - 1] : NULL;
    if (before) before->next = made;
    made->previous = before;
    made->number = count + 1;
    made->inputs = made->outputs = bnorm_net_outputs(net);
    made->dense_number = before ? before->dense_number : 0;
    *l = made;
    return BNORM_OK;
}

static void widen(bnorm_net *net, layer *l, ptrdiff_t outputs)
{
    l->outputs = outputs;
    if (outputs > net->widest) net->widest = outputs;
}

bnorm_status bnorm_net_dense(bnorm_ctx *ctx, bnorm_net *net, ptrdiff_t units)
{
    if (units < 1 || units > INT_MAX)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "a dense layer has 1 to %d units, not %td",
                          INT_MAX, units);
    layer *l;
    bnorm_status status = append(ctx, net, &l);
    if (status != BNORM_OK) return status;
    l->kind = BNORM_LAYER_DENSE;
    l->dense_number++;
    l->bias = 1;
    widen(net, l, units);
    bnorm_dense_make(l);
    return BNORM_OK;
}

bnorm_status bnorm_net_batchnorm(bnorm_ctx *ctx, bnorm_net *net, bnorm_rule rule)
{
    if (!(rule.eps >= 0) || !(rule.ddof >= 0) || !isfinite(rule.eps) || !isfinite(rule.ddof))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "eps is %g and ddof %g: both are finite and not negative", rule.eps,
                          rule.ddof);
    layer *l;
    bnorm_status status = append(ctx, net, &l);
    if (status != BNORM_OK) return status;
    l->kind = BNORM_LAYER_BATCHNORM;
    l->rule = rule;
    layer *before = l->number > 1 ? net->layers[l->number - 2] : NULL;
    if (before && before->kind == BNORM_LAYER_DENSE) before->bias = 0; /* beta takes its part */
    bnorm_batchnorm_make(l);
    return BNORM_OK;
}

bnorm_status bnorm_net_activation(bnorm_ctx *ctx, bnorm_net *net,
                                  const bnorm_activation *activation)
{
    if (!activation || !activation->name || !activation->value || !activation->gradient)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "an activation needs a name, a value and a gradient");
    if (!(activation->gain >= 0) || !isfinite(activation->gain))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the gain of '%s' is %g: it is finite and not negative",
                          activation->name, activation->gain);
    layer *l;
    bnorm_status status = append(ctx, net, &l);
    if (status != BNORM_OK) return status;
    l->kind = BNORM_LAYER_ACTIVATION;
    l->activation = *activation;
    bnorm_activation_make(l);
    return BNORM_OK;
}

bnorm_status bnorm_net_dropout(bnorm_ctx *ctx, bnorm_net *net, double rate)
{
    if (!(rate >= 0 && rate < 1))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the dropout rate is %g: it lies in [0, 1)",
                          rate);
    layer *l;
    bnorm_status status = append(ctx, net, &l);
    if (status != BNORM_OK) return status;
    l->kind = BNORM_LAYER_DROPOUT;
    l->rate = rate;
    bnorm_dropout_make(l);
    return BNORM_OK;
}

bnorm_status bnorm_net_layer(bnorm_ctx *ctx, bnorm_net *net, const bnorm_layer *ops)
{
    if (!ops || ops->struct_size != sizeof *ops || !ops->name || !ops->forward ||
        !ops->backward)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "a layer needs its struct_size, a name, a forward and a backward");
    if (!net) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "net is NULL");
    ptrdiff_t inputs = bnorm_net_outputs(net);
    ptrdiff_t outputs = ops->width ? ops->width(ops->user, inputs) : inputs;
    if (outputs < 1 || outputs > INT_MAX)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the layer '%s' refuses %td inputs", ops->name,
                          inputs);
    layer *l;
    bnorm_status status = append(ctx, net, &l);
    if (status != BNORM_OK) return status;
    l->kind = BNORM_LAYER_USER;
    l->ops = *ops;
    widen(net, l, outputs);
    return BNORM_OK;
}

/* --------------------------------------------------------------------------------- sizes */

ptrdiff_t bnorm_net_inputs(const bnorm_net *net)
{
    return net ? net->inputs : 0;
}

ptrdiff_t bnorm_net_outputs(const bnorm_net *net)
{
    if (!net) return 0;
    for (ptrdiff_t k = net->layer_count - 1; k >= 0; k--)
        if (net->layers[k]->outputs) return net->layers[k]->outputs;
    return net->inputs;
}

ptrdiff_t bnorm_net_layer_count(const bnorm_net *net)
{
    return net ? net->layer_count : 0;
}

bnorm_status bnorm_layer_status(bnorm_ctx *ctx, const layer *l, const char *function, int code)
{
    if (code == 0) return BNORM_OK;
    if (l->kind != BNORM_LAYER_USER) return (bnorm_status)code;
    return bnorm_fail(ctx, BNORM_E_USER, "layer %td ('%s'): its %s returned %d", l->number,
                      l->ops.name, function, code);
}
