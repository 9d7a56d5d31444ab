/* sweep: the blocks of one sweep. A block goes through all layers of the sweep while it is in
 * the second cache; what is between two layers lies in memory of the task and is made again by
 * backward; what must be known of all rows before the next sweep (moments, sums, gradients of
 * weights) is summed for each chunk and then over the chunks in their order. So the bits are the
 * same for any number of threads. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/size.h"
#include "base/threads.h"
#include "layer/sweep_plan.h"
#include "matrix/functions.h"
#include "matrix/view.h"

enum {
    CHUNKS = 16,   /* at most */
    VALUES = 8192, /* of one layer in a block: 64 KiB */
    FEWEST = 288,  /* rows in a block: enough for the products, */
    MOST = 2048,   /* and few enough for narrow layers */
    LINE = 8       /* doubles in a line of cache */
};

/* ----------------------------------------------------------------------------------- cut */

/* The fewest rows of a chunk: its sums of dG must not outweigh its rows. */
static ptrdiff_t fewest_rows(const bnorm_net *net)
{
    double rows = 1;
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        double a = (double)net->layers[k]->inputs, b = (double)net->layers[k]->outputs;
        if (net->layers[k]->kind == BNORM_LAYER_DENSE) rows = fmax(rows, 2 * a * b / (a + b));
    }
    return (ptrdiff_t)fmin(rows, 0x1p40);
}

row_cut bnorm_sweep_cut(const bnorm_net *net, ptrdiff_t rows)
{
    ptrdiff_t most = smaller(larger(VALUES / net->widest, FEWEST), MOST);
    ptrdiff_t chunks = smaller(parts(rows, most), rows / fewest_rows(net));
    row_cut cut = {.chunks = larger(1, smaller(chunks, CHUNKS))};
    cut.chunk_rows = parts(rows, cut.chunks);
    cut.chunks = parts(rows, cut.chunk_rows);
    cut.block_rows = parts(cut.chunk_rows, parts(cut.chunk_rows, most));
    return cut;
}

/* --------------------------------------------------------------------------------- plan */

static ptrdiff_t lines(ptrdiff_t count)
{
    return parts(count, LINE) * LINE;
}

static void plan_task(plan *p)
{
    const sweep *w = p->w;
    const bnorm_net *net = w->net;
    ptrdiff_t rows = w->cut.block_rows, place = 0, wide = net->widest;
    for (ptrdiff_t k = w->up; k < w->up_end; k++) {
        layer *l = net->layers[k];
        l->place = place;
        if (!l->keep) place += lines(rows * l->outputs);
    }
    p->gradients = place;
    p->more = place + 2 * lines(rows * wide);
    p->task = p->more + lines(2 * bnorm_panels_room(rows, wide) + 3 * wide);
}

/* Sums that are few for each chunk, then gradients of dense layers when there are several. */
static void plan_chunk(plan *p)
{
    const sweep *w = p->w;
    p->moments = 2;
    p->inputs = p->moments + (w->moments ? 1 + 2 * w->moments->inputs : 0);
    p->below = p->inputs + (w->inputs ? 1 + 2 * w->inputs->inputs : 0);
    p->partials = lines(p->below + (w->below ? 2 * w->below->inputs : 0));
    p->chunk = p->partials;
    for (ptrdiff_t k = w->bottom; k <= w->top && w->cut.chunks > 1; k++) {
        layer *l = w->net->layers[k];
        if (l->kind != BNORM_LAYER_DENSE) continue;
        l->partial = p->chunk;
        p->chunk += lines(l->count);
    }
}

/* --------------------------------------------------------------------------------- block */

typedef struct block {
    const plan *p;
    bnorm_pass pass;
    ptrdiff_t first, rows;
    int begins;            /* a chunk */
    double *memory, *sums; /* of the task; of the chunk */
} block;

static bnorm_mat_f64 position(const block *b, ptrdiff_t k)
{
    const bnorm_net *net = b->p->w->net;
    if (k == 0) return bnorm_rows_of(net->x, b->first, b->rows);
    const layer *l = net->layers[k - 1];
    if (l->keep) return bnorm_rows_of(bnorm_net_kept(net, k - 1), b->first, b->rows);
    return bnorm_view_f64(b->memory + l->place, b->rows, l->outputs, BNORM_ROW_MAJOR);
}

static void layer_forward(const block *b, const layer *l)
{
    const bnorm_net *net = b->p->w->net;
    bnorm_mat_f64 x = position(b, l->number - 1), y = position(b, l->number);
    if (l->kind == BNORM_LAYER_DENSE)
        bnorm_dense_forward(l, b->pass.ctx, x, y);
    else if (l->kind == BNORM_LAYER_BATCHNORM)
        bnorm_batchnorm_forward(l, x, y);
    else
        l->ops.forward(l->ops.user, &b->pass, l->params, x, y);
    if (net->disturbance)
        bnorm_disturb(net->disturbance + (uint64_t)l->number * 1000, y.rows * y.cols, y.data,
                      y.data);
}

/* dparams of a layer and, unless dx.data is NULL, dx. */
static void layer_backward(const block *b, const layer *l, bnorm_mat_f64 dy, bnorm_mat_f64 dx)
{
    const plan *p = b->p;
    bnorm_mat_f64 x = position(b, l->number - 1);
    if (l->kind == BNORM_LAYER_DENSE) {
        int whole = p->w->cut.chunks == 1;
        dense_gradient g = {.ctx = b->pass.ctx, .x = x, .dz = dy, .weights = b->pass.weights};
        g.centre = l->centre;
        g.add = !b->begins;
        g.dparams = whole ? p->w->gradient + l->offset : b->sums + l->partial;
        g.scratch = b->memory + p->more;
        bnorm_dense_gradient(l, &g);
        if (dx.data) bnorm_dense_input(l, b->pass.ctx, dy, dx);
    } else if (l->kind == BNORM_LAYER_BATCHNORM) {
        if (dx.data) bnorm_batchnorm_input(l, x, dy, b->pass.weights, dx);
    } else {
        l->ops.backward(l->ops.user, &b->pass, l->params, x, dy, dy, NULL, dx);
    }
}

static void add_moments(const block *b, ptrdiff_t k, ptrdiff_t at)
{
    bnorm_sweep_moments(position(b, k), b->pass.weights, b->sums + at, b->memory + b->p->more);
}

static void block_up(const block *b)
{
    const sweep *w = b->p->w;
    for (ptrdiff_t k = w->up; k < w->up_end; k++)
        if (!w->again || !w->net->layers[k]->keep) layer_forward(b, w->net->layers[k]);
    if (w->inputs) add_moments(b, w->up_end - 1, b->p->inputs);
    if (w->moments) add_moments(b, w->up_end, b->p->moments);
}

/* The gradient of the objective, where the layers backward find it. */
static bnorm_mat_f64 block_goal(const block *b)
{
    const sweep *w = b->p->w;
    bnorm_mat_f64 scores = position(b, w->up_end), d = scores;
    exact_sum *sum = (exact_sum *)b->sums;
    d.data = b->memory + b->p->gradients;
    d.ld = d.cols;
    if (w->top < w->bottom && w->to.data) d.data = w->to.data + b->first * w->to.ld;
    if (!w->gradient) d.data = NULL;
    bnorm_objective_rows(w->goal, scores, b->first, sum, d.data);
    return d;
}

/* Gradients take turns in the task's memory; the last one goes to its place for all rows. */
static void block_down(const block *b, bnorm_mat_f64 d)
{
    const sweep *w = b->p->w;
    double *here = b->memory + b->p->gradients;
    double *there = here + lines(b->p->w->cut.block_rows * w->net->widest);
    for (ptrdiff_t k = w->top; k >= w->bottom; k--) {
        const layer *l = w->net->layers[k];
        double *to = d.data == here ? there : here;
        if (k == w->bottom) to = w->to.data ? w->to.data + b->first * w->to.ld : NULL;
        bnorm_mat_f64 dx = bnorm_view_f64(to, b->rows, l->inputs, BNORM_ROW_MAJOR);
        layer_backward(b, l, d, dx);
        d = dx;
    }
    if (!w->below) return;
    double *sums = b->memory + b->p->more, *all = b->sums + b->p->below;
    memset(sums, 0, 2 * (size_t)w->below->inputs * sizeof *sums);
    bnorm_batchnorm_sums(w->below, position(b, w->below->number - 1), d, sums);
    for (ptrdiff_t j = 0; j < 2 * w->below->inputs; j++) all[j] += sums[j];
}

static void run_block(const block *b)
{
    const sweep *w = b->p->w;
    block_up(b);
    bnorm_mat_f64 d = bnorm_rows_of(w->from, b->first, b->rows);
    if (w->goal) d = block_goal(b);
    if (w->gradient) block_down(b, d);
}

static int claim(plan *p)
{
    for (int slot = 0;; slot = (slot + 1) % p->slots) {
        unsigned bit = 1u << slot;
        if (!(atomic_fetch_or(&p->busy, bit) & bit)) return slot;
    }
}

static void chunk_task(void *argument, ptrdiff_t chunk)
{
    plan *p = argument;
    const sweep *w = p->w;
    int slot = claim(p);
    ptrdiff_t first = chunk * w->cut.chunk_rows;
    ptrdiff_t end = smaller(first + w->cut.chunk_rows, w->net->x.rows);
    block b = {.p = p, .pass = *w->pass, .begins = 1};
    b.memory = w->net->scratch.data + slot * p->task;
    b.sums = w->net->sums.data + chunk * p->chunk;
    b.pass.ctx = p->ctx;
    memset(b.sums, 0, (size_t)p->partials * sizeof *b.sums);
    for (b.first = first; b.first < end; b.first += b.rows, b.begins = 0) {
        b.rows = smaller(w->cut.block_rows, end - b.first);
        b.pass.first_row = b.first;
        b.pass.weights = w->pass->weights ? w->pass->weights + b.first : NULL;
        run_block(&b);
    }
    atomic_fetch_and(&p->busy, ~(1u << slot));
}

/* ----------------------------------------------------------------------------------- run */

static int foreign(const layer *l)
{
    return l->kind == BNORM_LAYER_ACTIVATION && bnorm_activation_number(&l->activation) < 0;
}

/* The threads for the chunks: the caller's own functions stay on the caller's. */
static bnorm_ctx *threads_for(const sweep *w)
{
    double work = 0;
    for (ptrdiff_t k = 0; k < w->net->layer_count; k++) {
        const layer *l = w->net->layers[k];
        int up = k >= w->up && k < w->up_end, down = k >= w->bottom && k <= w->top;
        if ((up || down) && foreign(l)) return NULL;
        double dense = l->kind == BNORM_LAYER_DENSE ? 0.1 * (double)l->inputs : 0;
        work += (up + 2 * down) * (dense + 1) * (double)l->outputs;
    }
    if (w->goal && !bnorm_loss_is_builtin(w->goal->loss)) return NULL;
    return bnorm_worth(w->pass->ctx, work * (double)w->net->x.rows);
}

bnorm_status bnorm_sweep_run(sweep *w)
{
    plan p = {.w = w};
    plan_task(&p);
    plan_chunk(&p);
    bnorm_ctx *ctx = w->cut.chunks > 1 ? threads_for(w) : NULL;
    p.ctx = w->cut.chunks > 1 ? NULL : w->pass->ctx;
    p.slots = (int)smaller(bnorm_ctx_threads(ctx), w->cut.chunks);
    BNORM_TRY(bnorm_buffer_reserve(w->pass->ctx, &w->net->scratch, p.slots, p.task));
    BNORM_TRY(bnorm_buffer_reserve(w->pass->ctx, &w->net->sums, w->cut.chunks, p.chunk));
    bnorm_parallel(ctx, w->cut.chunks, chunk_task, &p);
    return bnorm_sweep_together(&p, w);
}
