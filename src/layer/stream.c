/* stream: makes a stream: checks the network's form and the rows, and takes the Gram matrix slab
 * by slab. Slabs, blocks and tasks are cut by the sizes of the network alone. */
#include "layer/stream.h"

#include <limits.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "matrix/blas.h"
#include "matrix/centred.h"
#include "matrix/view.h"
#include "matrix/weightspace.h"

enum {
    TASKS = 16,           /* at most, each with sums of its own */
    SUMS = 1 << 22,       /* values of all sums, about */
    BLOCK_VALUES = 49152, /* of a block and its layers: 384 KiB, which L2 holds */
    BLOCK_FEWEST = 32,    /* rows */
    BLOCK_MOST = 512,
    SLAB_TASK_BLOCKS = 8 /* blocks of a slab for each task */
};

/* ------------------------------------------------------------------------------ the form */

static const char *wrong_layer(const layer *l, ptrdiff_t k)
{
    if (k == 0 && l->kind != BNORM_LAYER_DENSE) return "the first must be dense";
    if (k == 1 && l->kind != BNORM_LAYER_BATCHNORM) return "the second must be batchnorm";
    if (l->kind == BNORM_LAYER_USER) return "layers of one's own may need all rows at once";
    if (k > 1 && l->kind == BNORM_LAYER_BATCHNORM) return "only the second may be batchnorm";
    return NULL;
}

int bnorm_stream_takes(const bnorm_net *net)
{
    for (ptrdiff_t k = 0; k < net->layer_count; k++)
        if (wrong_layer(net->layers[k], k)) return 0;
    return net->layer_count > 1;
}

static bnorm_status check_loss(bnorm_ctx *ctx, const bnorm_loss *loss)
{
    if (loss && loss->value && loss->gradient) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "a loss needs a value and a gradient");
}

static bnorm_status check_form(bnorm_ctx *ctx, const bnorm_net *net)
{
    if (!net || !net->started)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the network is not started: call bnorm_net_start first");
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const char *wrong = wrong_layer(net->layers[k], k);
        if (wrong)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "layer %td ('%s') does not stream: %s; take bnorm_net_gradient",
                              k + 1, net->layers[k]->ops.name, wrong);
    }
    if (net->layer_count > 1) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "a stream needs dense and batchnorm layers");
}

/* --------------------------------------------------------------------------------- sizes */

/* Columns of a block with the outputs of its layers; dropout works in place. */
static ptrdiff_t width_of(const bnorm_stream *s)
{
    ptrdiff_t width = s->ld;
    for (ptrdiff_t k = 1; k < s->net->layer_count; k++)
        if (s->net->layers[k]->kind != BNORM_LAYER_DROPOUT) width += s->net->layers[k]->outputs;
    return width;
}

/* What bnorm_dense_gradient works in. */
static ptrdiff_t more_of(const bnorm_stream *s)
{
    ptrdiff_t more = 0;
    for (ptrdiff_t k = 2; k < s->net->layer_count; k++) {
        const layer *l = s->net->layers[k];
        if (l->kind != BNORM_LAYER_DENSE) continue;
        ptrdiff_t room =
            bnorm_panels_room(s->height, l->inputs) + bnorm_panels_room(s->height, l->outputs);
        more = larger(more, larger(room, (l->inputs + 3) * l->outputs));
    }
    return more;
}

static void cut(bnorm_stream *s)
{
    const bnorm_net *net = s->net;
    s->p1 = net->inputs;
    s->p2 = net->layers[0]->outputs;
    s->ld = (s->p1 + 8) / 8 * 8;
    if (bnorm_panels_crowded(s->p1 + 1, s->ld)) s->ld += 8;
    if (s->loss) s->targets = s->loss->targets > 0 ? s->loss->targets : bnorm_net_outputs(net);
    ptrdiff_t width = width_of(s);
    s->height = larger(smaller(BLOCK_VALUES / width, BLOCK_MOST), BLOCK_FEWEST) / 8 * 8;
    s->more = more_of(s);
    s->work_size = s->height * width + s->more + (s->height + 2) * s->p2 + s->targets;
    s->sums_size = stream_sum_loss(s) + 2;
    for (ptrdiff_t k = 2; k < net->layer_count; k++) s->sums_size += net->layers[k]->count;
    s->sums_count = larger(1, smaller(TASKS, SUMS / s->sums_size));
    s->slab = larger(1, smaller(s->sums_count * SLAB_TASK_BLOCKS * s->height, s->source.rows));
    ptrdiff_t blocks = (s->source.rows + s->height - 1) / s->height;
    s->sums_count = larger(1, smaller(s->sums_count, blocks));
}

static void find_places(bnorm_stream *s)
{
    ptrdiff_t place = 0, sums = stream_sum_loss(s) + 2;
    for (ptrdiff_t k = 1; k < s->net->layer_count; k++) {
        const layer *l = s->net->layers[k];
        int in_place = l->kind == BNORM_LAYER_DROPOUT;
        s->place[k] = in_place ? s->place[k - 1] : place;
        if (!in_place) place += s->height * l->outputs;
        s->sum_place[k] = sums;
        if (k > 1) sums += l->count;
    }
}

/* The next of the vectors that share one memory; the first time memory is NULL and they are
 * counted. */
typedef struct taker {
    double *memory;
    ptrdiff_t count;
    int overflow;
} taker;

static double *take(taker *t, ptrdiff_t rows, ptrdiff_t cols)
{
    ptrdiff_t count, at = t->count;
    if (!bnorm_multiply(rows, cols, &count) || count > PTRDIFF_MAX / 2 ||
        __builtin_add_overflow(at, (count + 7) / 8 * 8, &t->count))
        t->overflow = 1;
    return t->memory ? t->memory + at : NULL;
}

static void place_vectors(bnorm_stream *s, taker *t)
{
    double **of_p2[] = {&s->mean, &s->v, &s->least, &s->rstd, &s->scale, &s->mean_plain};
    s->xbar = take(t, 2, s->p1);
    s->s = take(t, s->p1, s->p1);
    s->ones = take(t, 1, s->p1);
    s->zeros = take(t, 1, s->p1);
    s->f = take(t, s->p1 + 1, s->p2);
    s->sg = take(t, s->p1, s->p2);
    s->g_plain = take(t, s->p1, s->p2);
    for (size_t k = 0; k < sizeof of_p2 / sizeof *of_p2; k++) *of_p2[k] = take(t, 1, s->p2);
    s->plain = (ptrdiff_t *)take(t, 1, s->p2);
    s->place = (ptrdiff_t *)take(t, 1, s->net->layer_count);
    s->sum_place = (ptrdiff_t *)take(t, 1, s->net->layer_count);
    s->work = take(t, s->sums_count, s->work_size);
    s->sums = take(t, s->sums_count, s->sums_size);
    if (s->source.read || s->whole.x.layout == BNORM_COL_MAJOR)
        s->slab_x = take(t, s->slab, s->p1);
    if (!s->source.read) return;
    s->slab_y = take(t, s->slab, s->targets);
    if (s->source.weighted) s->slab_weights = take(t, s->slab, 1);
}

static bnorm_status reserve(bnorm_ctx *ctx, bnorm_stream *s)
{
    taker t = {0};
    place_vectors(s, &t);
    if (!t.overflow) s->memory = t.memory = bnorm_alloc_zero(ctx, t.count, sizeof *s->memory);
    if (!t.memory) return bnorm_fail_memory(ctx, "a stream");
    t.count = 0;
    place_vectors(s, &t);
    find_places(s);
    for (ptrdiff_t k = 0; k < s->p1; k++) s->ones[k] = 1;
    return BNORM_OK;
}

/* --------------------------------------------------------------------------------- visits */

static bnorm_status check_slab(bnorm_ctx *ctx, bnorm_stream *s, const window *w)
{
    bnorm_status status = bnorm_net_check_x(ctx, s->net, w->x);
    if (status == BNORM_OK) status = bnorm_net_check_targets(ctx, s->net, w->x, w->y, s->loss);
    if (status == BNORM_OK) status = bnorm_check_weights(ctx, w->rows, w->weights);
    if (status == BNORM_OK || w->first == 0) return status;
    char message[BNORM_MESSAGE_SIZE];
    memcpy(message, bnorm_ctx_message(ctx), ctx ? sizeof message : 1);
    return bnorm_fail(ctx, status, "counting rows from %td: %s", w->first + 1, message);
}

static bnorm_status read_rows(bnorm_ctx *ctx, bnorm_stream *s, window *w)
{
    ptrdiff_t most = s->source.most > 0 ? s->source.most : w->rows;
    for (ptrdiff_t i = 0; i < w->rows; i += most) {
        ptrdiff_t rows = smaller(most, w->rows - i), first = w->first + i;
        int code = s->source.read(s->source.user, first, rows, s->slab_x + i * s->p1,
                                  s->slab_y + i * s->targets,
                                  s->slab_weights ? s->slab_weights + i : NULL);
        if (code != 0)
            return bnorm_fail(ctx, BNORM_E_USER, "the source returned %d for rows %td to %td",
                              code, first + 1, first + rows);
    }
    w->x = bnorm_view_f64(s->slab_x, w->rows, s->p1, BNORM_ROW_MAJOR);
    w->y = bnorm_view_f64(s->slab_y, w->rows, s->targets, BNORM_ROW_MAJOR);
    w->weights = s->slab_weights;
    return check_slab(ctx, s, w);
}

/* Column-major x is copied: the sums of either layout have an order of their own. */
static void take_rows(const bnorm_stream *s, window *w)
{
    const window *all = &s->whole;
    w->x = bnorm_rows_of(all->x, w->first, w->rows);
    w->y = bnorm_rows_of(all->y, w->first, w->rows);
    w->weights = all->weights ? all->weights + w->first : NULL;
    if (w->x.layout == BNORM_ROW_MAJOR) return;
    bnorm_mat_f64 copy = bnorm_view_f64(s->slab_x, w->rows, s->p1, BNORM_ROW_MAJOR);
    bnorm_copy(w->x, copy);
    w->x = copy;
}

bnorm_status bnorm_stream_visit(bnorm_ctx *ctx, bnorm_stream *s, int by_slab,
                                bnorm_status (*visit)(bnorm_ctx *ctx, bnorm_stream *s,
                                                      const window *w, void *user),
                                void *user)
{
    if (!s->source.read && !by_slab) return visit(ctx, s, &s->whole, user);
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t i = 0; i < s->source.rows && status == BNORM_OK; i += s->slab) {
        window w = {.first = i, .rows = smaller(s->slab, s->source.rows - i)};
        if (s->source.read)
            status = read_rows(ctx, s, &w);
        else
            take_rows(s, &w);
        if (status == BNORM_OK) status = visit(ctx, s, &w, user);
    }
    return status;
}

/* ----------------------------------------------------------------------------------- gram */

/* Moments of the rows so far, and those of a slab. */
typedef struct gathering {
    double n, *m2, *mean_b, *m2_b, *s_b;
} gathering;

static bnorm_status add_moments(bnorm_ctx *ctx, bnorm_stream *s, const window *w, void *user)
{
    gathering *g = user;
    double n;
    for (ptrdiff_t i = 0; i < w->rows; i++) s->positive += !w->weights || w->weights[i] > 0;
    BNORM_TRY(bnorm_moments_f64(ctx, w->x, w->weights, &n, g->mean_b, g->m2_b));
    return bnorm_moments_merge(ctx, s->p1, &g->n, s->xbar, g->m2, n, g->mean_b, g->m2_b);
}

static bnorm_status add_squares(bnorm_ctx *ctx, bnorm_stream *s, const window *w, void *user)
{
    gathering *g = user;
    bnorm_view x = bnorm_view_of_f64(w->x);
    bnorm_centred xc = {&x, s->xbar};
    BNORM_TRY(bnorm_centred_cross(ctx, &xc, NULL, w->weights, g->s_b, g->mean_b));
    for (ptrdiff_t k = 0; k < s->p1 * s->p1; k++) s->s[k] += g->s_b[k];
    for (ptrdiff_t k = 0; k < s->p1; k++) s->xbar[s->p1 + k] += g->mean_b[k];
    return BNORM_OK;
}

static bnorm_status make_gram(bnorm_ctx *ctx, bnorm_stream *s, gathering *g)
{
    double ddof = s->net->layers[1]->rule.ddof;
    BNORM_TRY(bnorm_stream_visit(ctx, s, 1, add_moments, g));
    BNORM_TRY(bnorm_check_divisor(ctx, g->n, ddof));
    BNORM_TRY(bnorm_stream_visit(ctx, s, 1, add_squares, g));
    s->n = g->n;
    bnorm_gram_finish(s->p1, g->n, ddof, s->xbar + s->p1, s->s);
    s->gram = (bnorm_gram){.rows = s->source.rows,
                           .cols = s->p1,
                           .n = g->n,
                           .ddof = ddof,
                           .xbar = s->xbar,
                           .s = s->s};
    return BNORM_OK;
}

static bnorm_status take_gram(bnorm_ctx *ctx, bnorm_stream *s)
{
    gathering g = {0};
    g.m2 = bnorm_alloc_zero(ctx, s->p1 * (s->p1 + 3), sizeof *g.m2);
    if (!g.m2) return bnorm_fail_memory(ctx, "the covariance of the inputs");
    g.mean_b = g.m2 + s->p1;
    g.m2_b = g.mean_b + s->p1;
    g.s_b = g.m2_b + s->p1;
    bnorm_status status = make_gram(ctx, s, &g);
    bnorm_free(g.m2);
    return status;
}

/* ------------------------------------------------------------------------------ make, end */

static bnorm_status make(bnorm_ctx *ctx, const bnorm_stream *like, bnorm_stream **stream)
{
    if (like->source.rows < 0 || like->source.most < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "a source has %td rows, %td at most a read",
                          like->source.rows, like->source.most);
    bnorm_stream *made = bnorm_alloc_zero(ctx, 1, sizeof *made);
    if (!made) return bnorm_fail_memory(ctx, "a stream");
    *made = *like;
    cut(made);
    bnorm_status status = reserve(ctx, made);
    if (status == BNORM_OK) status = take_gram(ctx, made);
    if (status == BNORM_OK)
        *stream = made;
    else
        bnorm_stream_destroy(made);
    return status;
}

bnorm_status bnorm_stream_create(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                 bnorm_mat_f64 y, const double *weights, const bnorm_loss *loss,
                                 bnorm_stream **stream)
{
    if (!stream) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "stream is NULL");
    *stream = NULL;
    BNORM_TRY(check_form(ctx, net));
    BNORM_TRY(check_loss(ctx, loss));
    BNORM_TRY(bnorm_net_check_x(ctx, net, x));
    BNORM_TRY(bnorm_net_check_targets(ctx, net, x, y, loss));
    BNORM_TRY(bnorm_check_weights(ctx, x.rows, weights));
    bnorm_stream like = {.net = net, .loss = loss, .source = {.rows = x.rows}};
    like.whole = (window){0, x.rows, x, y, weights};
    return make(ctx, &like, stream);
}

bnorm_status bnorm_stream_hold(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                               const double *weights, bnorm_stream **stream)
{
    *stream = NULL;
    BNORM_TRY(check_form(ctx, net));
    BNORM_TRY(bnorm_net_check_x(ctx, net, x));
    BNORM_TRY(bnorm_check_weights(ctx, x.rows, weights));
    bnorm_stream like = {.net = net, .source = {.rows = x.rows}};
    like.whole = (window){0, x.rows, x, x, weights}; /* no targets: y is not read */
    return make(ctx, &like, stream);
}

bnorm_status bnorm_stream_open(bnorm_ctx *ctx, bnorm_net *net, const bnorm_source *source,
                               const bnorm_loss *loss, bnorm_stream **stream)
{
    if (!stream) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "stream is NULL");
    *stream = NULL;
    if (!source || !source->read)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "a stream needs a source with read");
    BNORM_TRY(check_form(ctx, net));
    BNORM_TRY(check_loss(ctx, loss));
    bnorm_stream like = {.net = net, .loss = loss, .source = *source};
    return make(ctx, &like, stream);
}

ptrdiff_t bnorm_stream_rows(const bnorm_stream *stream, double *n)
{
    *n = stream->n;
    return stream->positive;
}

void bnorm_stream_destroy(bnorm_stream *stream)
{
    if (!stream) return;
    bnorm_free(stream->memory);
    bnorm_free(stream);
}
