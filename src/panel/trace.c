/* trace: one training pass over the rows that keeps what tangents need. */
#include "panel/trace.h"

#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "matrix/view.h"

void bnorm_trace_free(trace *t)
{
    for (ptrdiff_t k = 0; t->layers && k < t->count; k++) {
        bnorm_free(t->layers[k].kept);
        bnorm_free(t->layers[k].rstd);
    }
    bnorm_free(t->layers);
    bnorm_free(t->memory[0]);
    bnorm_free(t->memory[1]);
    *t = (trace){0};
}

bnorm_status bnorm_trace_takes(bnorm_ctx *ctx, const bnorm_net *net)
{
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const layer *l = net->layers[k];
        int drops = l->kind == BNORM_LAYER_DROPOUT && l->rate > 0;
        if (drops || l->kind == BNORM_LAYER_USER)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "layer %td ('%s') has no derivatives for the full Jacobian: take "
                              "the design of the top layer (full = 0)",
                              l->number, l->ops.name);
    }
    return BNORM_OK;
}

/* rows x cols of doubles for layer k; the caller's *to. */
static bnorm_status reserve(bnorm_ctx *ctx, ptrdiff_t rows, ptrdiff_t cols, double **to)
{
    ptrdiff_t count;
    if (bnorm_multiply(rows, cols, &count)) *to = bnorm_alloc(ctx, count, sizeof **to);
    return *to ? BNORM_OK : bnorm_fail_memory(ctx, "the state of a network");
}

/* Its input is kept: the next layers write over it. */
static bnorm_status pass_dense(bnorm_ctx *ctx, trace *t, trace_layer *k, int side)
{
    const layer *l = k->l;
    const double *g = t->params + l->offset;
    bnorm_mat_f64 z = bnorm_view_f64(t->memory[side], t->x.rows, l->outputs, BNORM_ROW_MAJOR);
    k->input = t->v;
    if (t->v.data != t->x.data) {
        BNORM_TRY(reserve(ctx, t->x.rows, l->inputs, &k->kept));
        k->input = bnorm_view_f64(k->kept, t->x.rows, l->inputs, BNORM_ROW_MAJOR);
        bnorm_copy(t->v, k->input);
    }
    bnorm_rows_times(t->x.rows, l->inputs, l->outputs, k->input.data, k->input.ld, g,
                     l->bias ? g + l->inputs * l->outputs : NULL, z.data, z.ld);
    t->v = z;
    return BNORM_OK;
}

static bnorm_status pass_batchnorm(bnorm_ctx *ctx, trace *t, trace_layer *k, int side)
{
    const layer *l = k->l;
    const double *gamma = t->params + l->offset, *beta = gamma + l->inputs;
    double *to = t->memory[side];
    ptrdiff_t rows = t->x.rows, cols = l->inputs;
    BNORM_TRY(reserve(ctx, rows, cols, &k->kept));
    BNORM_TRY(reserve(ctx, 2, cols, &k->rstd));
    BNORM_TRY(bnorm_forward_f64(ctx, t->v, t->weights, NULL, NULL, l->rule,
                                bnorm_view_f64(k->kept, rows, cols, BNORM_ROW_MAJOR),
                                k->rstd + cols, k->rstd));
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            to[i * cols + j] = gamma[j] * k->kept[i * cols + j] + beta[j];
    t->v = bnorm_view_f64(to, rows, cols, BNORM_ROW_MAJOR);
    return BNORM_OK;
}

static bnorm_status pass_activation(bnorm_ctx *ctx, trace *t, trace_layer *k, int side)
{
    const bnorm_activation *a = &k->l->activation;
    ptrdiff_t rows = t->x.rows, cols = k->l->inputs;
    bnorm_mat_f64 b = bnorm_view_f64(t->memory[side], rows, cols, BNORM_ROW_MAJOR);
    BNORM_TRY(reserve(ctx, rows, cols, &k->kept));
    if (t->v.data != b.data) bnorm_copy(t->v, b);
    for (ptrdiff_t i = 0; i < rows * cols; i++) k->kept[i] = 1;
    a->gradient(a->user, rows * cols, b.data, k->kept, k->kept);
    a->value(a->user, rows * cols, b.data, b.data);
    t->v = b;
    return BNORM_OK;
}

/* A layer reads t->v and writes to a side of the memory that its input is not in, unless it works
 * element by element. */
static bnorm_status pass_layer(bnorm_ctx *ctx, trace *t, trace_layer *k)
{
    int second = t->v.data == t->memory[1];
    if (k->l->kind == BNORM_LAYER_DENSE) return pass_dense(ctx, t, k, !second);
    if (k->l->kind == BNORM_LAYER_BATCHNORM) return pass_batchnorm(ctx, t, k, second);
    if (k->l->kind == BNORM_LAYER_ACTIVATION) return pass_activation(ctx, t, k, second);
    return BNORM_OK;
}

static bnorm_status run(bnorm_ctx *ctx, const bnorm_net *net, trace *t)
{
    BNORM_TRY(bnorm_trace_takes(ctx, net));
    BNORM_TRY(bnorm_net_check_x(ctx, net, t->x));
    BNORM_TRY(bnorm_net_check_weights(ctx, t->x.rows, t->weights, &t->n));
    t->layers = bnorm_alloc_zero(ctx, t->count, sizeof *t->layers);
    if (!t->layers) return bnorm_fail_memory(ctx, "the state of a network");
    for (int side = 0; side < 2; side++)
        BNORM_TRY(reserve(ctx, t->x.rows, t->widest, &t->memory[side]));
    t->v = t->x;
    for (ptrdiff_t k = 0; k < t->count; k++) {
        t->layers[k].l = net->layers[k];
        BNORM_TRY(pass_layer(ctx, t, &t->layers[k]));
    }
    return BNORM_OK;
}

bnorm_status bnorm_trace_make(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x,
                              const double *weights, trace *t)
{
    *t = (trace){.x = x,
                 .weights = weights,
                 .params = net->parameters,
                 .count = net->layer_count,
                 .widest = net->widest,
                 .parameters = net->parameter_count};
    return run(ctx, net, t);
}
