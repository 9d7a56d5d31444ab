/* slopes: derivatives of a network's outputs in its inputs, by inference, summed over rows: block
 * by block forward, then for each input a tangent. Rows are cut into parts by their number alone,
 * whose sums are added in order. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "matrix/blas.h"
#include "matrix/functions.h"
#include "matrix/view.h"
#include "panel/trace.h"

enum { BLOCK = 128, PARTS = 16, PART_LEAST = 1024 };

typedef struct job {
    const bnorm_net *net;
    bnorm_mat_f64 x;
    const double *w;
    ptrdiff_t part_rows, parts, kept, room; /* kept: outputs of all layers together */
    double *scratch;                        /* for each part, room */
} job;

/* What a part works in. */
typedef struct place {
    double *sums, *kept, *a, *b;
} place;

static place place_of(const job *q, ptrdiff_t part)
{
    place p;
    p.sums = q->scratch + part * q->room;
    p.kept = p.sums + q->net->inputs * bnorm_net_outputs(q->net);
    p.a = p.kept + BLOCK * q->kept;
    p.b = p.a + BLOCK * q->net->widest;
    return p;
}

static void exchange(place *p)
{
    double *other = p->a;
    p->a = p->b;
    p->b = other;
}

/* The factor by which a batchnorm or an activation multiplies a tangent: rows x outputs. p->a is
 * the layer's input, then its output. */
static void pass_layer(const layer *l, const double *params, ptrdiff_t rows, place *p,
                       double *kept)
{
    ptrdiff_t cols = l->outputs;
    if (l->kind == BNORM_LAYER_DENSE) {
        bnorm_rows_times(rows, l->inputs, cols, p->a, l->inputs, params,
                         l->bias ? params + l->inputs * cols : NULL, p->b, cols);
        exchange(p);
    } else if (l->kind == BNORM_LAYER_BATCHNORM) {
        for (ptrdiff_t j = 0; j < cols; j++) {
            double factor = params[j] * bnorm_rstd(l->var[j], l->rule.eps);
            for (ptrdiff_t i = 0; i < rows; i++) {
                double *b = p->a + i * cols + j;
                *b = factor * (*b - l->mean[j]) + params[cols + j];
                kept[i * cols + j] = factor;
            }
        }
    } else if (l->kind == BNORM_LAYER_ACTIVATION) {
        const bnorm_activation *a = &l->activation;
        for (ptrdiff_t i = 0; i < rows * cols; i++) kept[i] = 1;
        a->gradient(a->user, rows * cols, p->a, kept, kept);
        a->value(a->user, rows * cols, p->a, p->a);
    }
}

/* The tangent in input c, in p->a. */
static void follow(const job *q, ptrdiff_t c, ptrdiff_t rows, place *p)
{
    const bnorm_net *net = q->net;
    double *kept = p->kept;
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < net->inputs; j++) p->a[i * net->inputs + j] = j == c;
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const layer *l = net->layers[k];
        if (l->kind == BNORM_LAYER_DENSE) {
            bnorm_gemm_f64(0, 0, rows, l->outputs, l->inputs, 1, p->a, l->inputs,
                           net->parameters + l->offset, l->outputs, 0, p->b, l->outputs);
            exchange(p);
        } else if (l->kind != BNORM_LAYER_DROPOUT) {
            for (ptrdiff_t i = 0; i < rows * l->outputs; i++) p->a[i] *= kept[i];
        }
        kept += BLOCK * l->outputs;
    }
}

static void block(const job *q, ptrdiff_t first, ptrdiff_t rows, place p)
{
    const bnorm_net *net = q->net;
    ptrdiff_t out = bnorm_net_outputs(net);
    double *kept = p.kept;
    bnorm_copy(bnorm_rows_of(q->x, first, rows),
               bnorm_view_f64(p.a, rows, net->inputs, BNORM_ROW_MAJOR));
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const layer *l = net->layers[k];
        pass_layer(l, net->parameters + l->offset, rows, &p, kept);
        kept += BLOCK * l->outputs;
    }
    for (ptrdiff_t c = 0; c < net->inputs; c++) {
        double *sums = p.sums + c * out;
        follow(q, c, rows, &p);
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < out; j++)
                sums[j] += (q->w ? q->w[first + i] : 1) * p.a[i * out + j];
    }
}

static void part_task(void *argument, ptrdiff_t part)
{
    const job *q = argument;
    ptrdiff_t end = smaller((part + 1) * q->part_rows, q->x.rows);
    place p = place_of(q, part);
    memset(p.sums, 0, (size_t)(p.kept - p.sums) * sizeof *p.sums);
    for (ptrdiff_t i = part * q->part_rows; i < end; i += BLOCK)
        block(q, i, smaller(BLOCK, end - i), p);
}

/* 0: some layer is the caller's own. *own: an activation is, which stays on this thread. */
static int check(const bnorm_net *net, int *own)
{
    *own = 0;
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const layer *l = net->layers[k];
        if (l->kind == BNORM_LAYER_USER) return 0;
        if (l->kind == BNORM_LAYER_ACTIVATION)
            *own |= bnorm_activation_number(&l->activation) < 0;
    }
    return 1;
}

static bnorm_status reserve(bnorm_ctx *ctx, job *q)
{
    ptrdiff_t wide = 2 * q->net->widest, size = q->net->inputs * bnorm_net_outputs(q->net);
    for (ptrdiff_t k = 0; k < q->net->layer_count; k++) q->kept += q->net->layers[k]->outputs;
    q->part_rows = larger(parts(q->x.rows, PARTS), PART_LEAST);
    q->parts = parts(q->x.rows, q->part_rows);
    if (bnorm_multiply(BLOCK, wide + q->kept, &q->room) &&
        !__builtin_add_overflow(q->room, size, &q->room) &&
        bnorm_multiply(q->room, q->parts, &size))
        q->scratch = bnorm_alloc(ctx, size, sizeof *q->scratch);
    return q->scratch ? BNORM_OK : bnorm_fail_memory(ctx, "the slopes of a network");
}

bnorm_status bnorm_net_slopes(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x,
                              const double *w, double *sums)
{
    job q = {.net = net, .x = x, .w = w};
    int own;
    BNORM_TRY(bnorm_net_check_x(ctx, net, x));
    if (!check(net, &own))
        return bnorm_fail(
            ctx, BNORM_E_ARGUMENT,
            "a layer of the caller's has no slopes: marginal effects are unknown");
    BNORM_TRY(reserve(ctx, &q));
    int held = bnorm_blas_hold();
    bnorm_parallel(own ? NULL : ctx, q.parts, part_task, &q);
    bnorm_blas_release(held);
    ptrdiff_t size = net->inputs * bnorm_net_outputs(net);
    memset(sums, 0, (size_t)size * sizeof *sums);
    for (ptrdiff_t part = 0; part < q.parts; part++)
        for (ptrdiff_t k = 0; k < size; k++) sums[k] += q.scratch[part * q.room + k];
    bnorm_free(q.scratch);
    return BNORM_OK;
}
