/* blocks: the parameter vector of a network, its blocks and their names, the inference
 * statistics beside it, and the start of both. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"

/* ------------------------------------------------------------------------------- layout */

/* What a start makes; it becomes the network's when all of it is there. */
typedef struct layout {
    bnorm_block *blocks;
    double *factors, *parameters, *statistics, *moments;
    ptrdiff_t block_count, parameter_count, statistic_count;
} layout;

static void free_layout(layout *m)
{
    bnorm_free(m->blocks);
    bnorm_free(m->factors);
    bnorm_free(m->parameters);
    bnorm_free(m->statistics);
    bnorm_free(m->moments);
}

static int name_taken(const layout *m, const char *name)
{
    for (ptrdiff_t k = 0; k < m->block_count; k++)
        if (strcmp(m->blocks[k].name, name) == 0) return 1;
    return 0;
}

/* "G1"; "maxout.W3" for the caller's layers. A second batchnorm after one dense layer gets
 * "gamma1_2", for names are unique. */
static void name_block(const layout *m, const layer *l, const char *shape, char name[64])
{
    char base[48];
    if (l->kind == BNORM_LAYER_USER)
        snprintf(base, sizeof base, "%.16s.%.15s%td", l->ops.name, shape, l->number);
    else
        snprintf(base, sizeof base, "%.15s%td", shape, l->dense_number);
    snprintf(name, 64, "%s", base);
    for (int copy = 2; name_taken(m, name); copy++) snprintf(name, 64, "%s_%d", base, copy);
}

static bnorm_status add_block(bnorm_ctx *ctx, layout *m, layer *l,
                              const bnorm_block_shape *shape)
{
    ptrdiff_t size, total;
    if (shape->rows < 0 || shape->cols < 0 || !(shape->penalty_factor >= 0) ||
        !memchr(shape->name, 0, sizeof shape->name))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "layer %td ('%s'): a block has a negative size or factor, or a name "
                          "without end",
                          l->number, l->ops.name);
    if (!bnorm_multiply(shape->rows, shape->cols, &size) ||
        __builtin_add_overflow(m->parameter_count, size, &total))
        return bnorm_fail_memory(ctx, "the parameters of the network");
    bnorm_block *b = &m->blocks[m->block_count];
    *b = (bnorm_block){.rows = shape->rows, .cols = shape->cols, .offset = m->parameter_count};
    name_block(m, l, shape->name, b->name);
    m->factors[m->block_count++] = shape->penalty_factor;
    m->parameter_count = total;
    l->count += size;
    return BNORM_OK;
}

static bnorm_status add_layer(bnorm_ctx *ctx, layout *m, layer *l)
{
    l->offset = m->parameter_count;
    l->count = 0;
    if (l->kind == BNORM_LAYER_BATCHNORM) m->statistic_count += 2 * l->inputs;
    if (!l->ops.blocks) return BNORM_OK;
    bnorm_block_shape shapes[BNORM_LAYER_BLOCKS] = {0};
    int count = l->ops.blocks(l->ops.user, l->inputs, shapes);
    if (count < 0 || count > BNORM_LAYER_BLOCKS)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "layer %td ('%s') has %d blocks, at most %d are possible", l->number,
                          l->ops.name, count, BNORM_LAYER_BLOCKS);
    bnorm_status status = BNORM_OK;
    for (int k = 0; k < count && status == BNORM_OK; k++)
        status = add_block(ctx, m, l, &shapes[k]);
    return status;
}

static bnorm_status make_layout(bnorm_ctx *ctx, bnorm_net *net, layout *m)
{
    ptrdiff_t most = net->layer_count * BNORM_LAYER_BLOCKS;
    m->blocks = bnorm_alloc(ctx, most, sizeof *m->blocks);
    m->factors = bnorm_alloc(ctx, most, sizeof *m->factors);
    m->moments = bnorm_alloc(ctx, 4 * net->widest, sizeof *m->moments);
    if (!m->blocks || !m->factors || !m->moments)
        return bnorm_fail_memory(ctx, "the blocks of the network");
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        bnorm_status status = add_layer(ctx, m, net->layers[k]);
        if (status != BNORM_OK) return status;
    }
    m->parameters = bnorm_alloc_zero(ctx, m->parameter_count, sizeof *m->parameters);
    m->statistics = bnorm_alloc_zero(ctx, m->statistic_count, 2 * sizeof *m->statistics);
    if (!m->parameters || !m->statistics)
        return bnorm_fail_memory(ctx, "the parameters of the network");
    return BNORM_OK;
}

static void take_layout(bnorm_net *net, const layout *m)
{
    net->blocks = m->blocks;
    net->penalty_factors = m->factors;
    net->parameters = m->parameters;
    net->statistics = m->statistics;
    net->moments = m->moments;
    net->block_count = m->block_count;
    net->parameter_count = m->parameter_count;
    net->statistic_count = m->statistic_count;
    net->before = m->statistics + m->statistic_count;
    net->started = 1;
    double *next = net->statistics;
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        layer *l = net->layers[k];
        if (l->kind != BNORM_LAYER_BATCHNORM) continue;
        l->mean = next;
        l->var = l->mean + l->inputs;
        next = l->var + l->inputs;
    }
}

/* --------------------------------------------------------------------------------- start */

static void draw(bnorm_net *net, uint64_t seed)
{
    memset(net->parameters, 0, (size_t)net->parameter_count * sizeof *net->parameters);
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        layer *l = net->layers[k];
        if (l->ops.start)
            l->ops.start(l->ops.user, l->inputs, seed, (uint64_t)l->number,
                         net->parameters + l->offset);
        for (ptrdiff_t j = 0; l->mean && j < l->inputs; j++) {
            l->mean[j] = 0;
            l->var[j] = 1;
        }
    }
}

bnorm_status bnorm_net_start(bnorm_ctx *ctx, bnorm_net *net, uint64_t seed)
{
    if (!net || net->layer_count == 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the network has no layer: add one first");
    if (!net->started) {
        layout made = {0};
        bnorm_status status = make_layout(ctx, net, &made);
        if (status != BNORM_OK) {
            free_layout(&made);
            return status;
        }
        take_layout(net, &made);
    }
    draw(net, seed);
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------- queries */

double *bnorm_net_parameters(bnorm_net *net, ptrdiff_t *count)
{
    int there = net && net->started;
    if (count) *count = there ? net->parameter_count : 0;
    return there ? net->parameters : NULL;
}

ptrdiff_t bnorm_net_block_count(const bnorm_net *net)
{
    return net ? net->block_count : 0;
}

bnorm_status bnorm_net_block(bnorm_ctx *ctx, const bnorm_net *net, ptrdiff_t k,
                             bnorm_block *block)
{
    if (!net || !block || k < 0 || k >= net->block_count)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "there is no block %td: the network has %td",
                          k, bnorm_net_block_count(net));
    *block = net->blocks[k];
    return BNORM_OK;
}

bnorm_status bnorm_net_set_penalty(bnorm_ctx *ctx, bnorm_net *net, const char *name,
                                   double lambda)
{
    if (!net || !net->started)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the network is not started: call bnorm_net_start first");
    if (!(lambda >= 0) || !isfinite(lambda))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the penalty is %g: it is finite and not negative", lambda);
    int found = !name;
    for (ptrdiff_t k = 0; k < net->block_count; k++) {
        if (name ? strcmp(name, net->blocks[k].name) != 0 : !(net->penalty_factors[k] > 0))
            continue;
        net->blocks[k].penalty = name ? lambda : lambda * net->penalty_factors[k];
        found = 1;
    }
    if (!found) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "there is no block '%s'", name);
    return BNORM_OK;
}

bnorm_status bnorm_net_layer_info(bnorm_ctx *ctx, const bnorm_net *net, ptrdiff_t k,
                                  bnorm_layer_info *info)
{
    if (!net || !info || k < 0 || k >= net->layer_count)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "there is no layer %td: the network has %td",
                          k, bnorm_net_layer_count(net));
    const layer *l = net->layers[k];
    *info = (bnorm_layer_info){.kind = l->kind,
                               .name = l->ops.name,
                               .inputs = l->inputs,
                               .outputs = l->outputs,
                               .bias = l->bias,
                               .rule = l->rule,
                               .rate = l->rate,
                               .mean = l->mean,
                               .var = l->var};
    return BNORM_OK;
}
