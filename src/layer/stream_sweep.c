/* stream_sweep: sweeps over all rows. The statistics of the batchnorm are known before a sweep
 * (W1), so one is enough; columns of G1 along which X cancels ask for one more. The sums of the
 * tasks are added in their order. Theorems: W1_moments, W2_dgamma, W3_is_derivative, W4_folded. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/ctx.h"
#include "base/threads.h"
#include "layer/stream.h"
#include "matrix/blas.h"
#include "matrix/functions.h"
#include "matrix/view.h"
#include "matrix/weightspace.h"

/* The tasks of a window: each worker has a slot of memory, which stays in its cache, and takes the
 * next task that nobody has. */
typedef struct tasks {
    stream_sweep *sweep;
    void (*task)(const stream_sweep *sweep, ptrdiff_t task, ptrdiff_t slot);
    atomic_ptrdiff_t next;
} tasks;

static void work(void *argument, ptrdiff_t slot)
{
    tasks *t = argument;
    for (;;) {
        ptrdiff_t task = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);
        if (task >= t->sweep->s->sums_count) return;
        t->task(t->sweep, task, slot);
    }
}

/* The caller's own functions stay on the caller's thread. */
static int all_builtin(const bnorm_stream *s)
{
    for (ptrdiff_t k = 2; k < s->net->layer_count; k++) {
        const layer *l = s->net->layers[k];
        if (l->kind == BNORM_LAYER_ACTIVATION && bnorm_activation_number(&l->activation) < 0)
            return 0;
    }
    return !s->loss || bnorm_loss_is_builtin(s->loss);
}

static bnorm_status sweep_window(bnorm_ctx *ctx, bnorm_stream *s, const window *w, void *user)
{
    tasks *t = user;
    double products = (double)w->rows * (double)s->p1 * (double)s->p2;
    if (!all_builtin(s)) ctx = NULL;
    ctx = bnorm_worth(ctx, 0.1 * products);
    ptrdiff_t workers = bnorm_ctx_threads(ctx);
    t->sweep->w = w;
    atomic_init(&t->next, 0);
    bnorm_parallel(ctx, workers < s->sums_count ? workers : s->sums_count, work, t);
    return BNORM_OK;
}

/* Runs the tasks over all rows and adds their sums into those of the first. */
static bnorm_status sweep(bnorm_ctx *ctx, bnorm_stream *s, stream_sweep *w,
                          void (*task)(const stream_sweep *sweep, ptrdiff_t task,
                                       ptrdiff_t slot))
{
    tasks t = {.sweep = w, .task = task};
    memset(s->sums, 0, (size_t)(s->sums_count * s->sums_size) * sizeof *s->sums);
    int held = bnorm_blas_hold();
    bnorm_status status = bnorm_stream_visit(ctx, s, 0, sweep_window, &t);
    bnorm_blas_release(held);
    return status;
}

/* ---------------------------------------------------------------------------- statistics */

/* The moments of the columns that cancel: those of the tasks, merged in order; then Xc'diag(omega)
 * (z - mean)/M in place of S g. */
static void take_plain(bnorm_stream *s)
{
    ptrdiff_t count = s->plain_count, size = s->p1 * count;
    double *n = s->sums, *mean = n + 1, *m2 = mean + count, *q = m2 + count;
    for (ptrdiff_t t = 1; t < s->sums_count; t++) {
        const double *from = s->sums + t * s->sums_size;
        (void)bnorm_moments_merge(NULL, count, n, mean, m2, from[0], from + 1,
                                  from + 1 + count);
        for (ptrdiff_t i = 0; i < size; i++) q[i] += from[1 + 2 * count + i];
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        ptrdiff_t j = s->plain[k];
        s->mean_plain[k] = mean[k];
        s->mean[j] += mean[k];
        s->v[j] = m2[k] / (s->n - s->gram.ddof);
        for (ptrdiff_t i = 0; i < s->p1; i++)
            s->sg[i * s->p2 + j] = (q[i * count + k] - s->n * s->xbar[s->p1 + i] * mean[k]) /
                                   (s->n - s->gram.ddof);
    }
}

static bnorm_status find_plain(bnorm_ctx *ctx, bnorm_stream *s, const double *g1, double eps)
{
    s->plain_count = 0;
    for (ptrdiff_t j = 0; j < s->p2; j++)
        if (s->v[j] + eps < s->least[j]) s->plain[s->plain_count++] = j;
    if (s->plain_count == 0) return BNORM_OK;
    for (ptrdiff_t i = 0; i < s->p1; i++)
        for (ptrdiff_t k = 0; k < s->plain_count; k++)
            s->g_plain[i * s->plain_count + k] = g1[i * s->p2 + s->plain[k]];
    stream_sweep w = {.s = s};
    bnorm_status status = sweep(ctx, s, &w, bnorm_stream_moments_task);
    if (status == BNORM_OK) take_plain(s);
    return status;
}

static bnorm_status prepare_dense(bnorm_ctx *ctx, bnorm_stream *s)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 2; k < s->net->layer_count && status == BNORM_OK; k++) {
        layer *l = s->net->layers[k];
        l->params = s->net->parameters + l->offset;
        if (l->kind == BNORM_LAYER_DENSE) status = bnorm_dense_prepare(ctx, l, s->height, 1);
    }
    return status;
}

/* (W1) and the folded weights of (W4) for the present parameters. */
static bnorm_status prepare(bnorm_ctx *ctx, bnorm_stream *s)
{
    const bnorm_net *net = s->net;
    const double *g1 = net->parameters + net->layers[0]->offset;
    const double *gamma = net->parameters + net->layers[1]->offset, *beta = gamma + s->p2;
    double eps = net->layers[1]->rule.eps, *shift = s->f + s->p1 * s->p2;
    bnorm_gram_times(ctx, &s->gram, s->p2, g1, s->sg);
    bnorm_gram_moments(&s->gram, s->p2, g1, s->sg, s->mean, s->v, s->least);
    bnorm_status status = find_plain(ctx, s, g1, eps);
    if (status == BNORM_OK) status = prepare_dense(ctx, s);
    if (status != BNORM_OK) return status;
    for (ptrdiff_t j = 0; j < s->p2; j++) {
        s->rstd[j] = bnorm_rstd(s->v[j], eps);
        s->scale[j] = gamma[j] * s->rstd[j];
        shift[j] = beta[j];
    }
    for (ptrdiff_t k = 0; k < s->p1; k++)
        for (ptrdiff_t j = 0; j < s->p2; j++)
            s->f[k * s->p2 + j] = g1[k * s->p2 + j] * s->scale[j];
    bnorm_gram_shift(&s->gram, s->p2, s->f, shift);
    for (ptrdiff_t k = 0; k < s->plain_count; k++) { /* measured from its own mean */
        ptrdiff_t j = s->plain[k];
        shift[j] = beta[j] - s->scale[j] * s->mean_plain[k];
    }
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------ gradient */

static void add_tasks(bnorm_stream *s)
{
    exact_sum *loss = (exact_sum *)(s->sums + stream_sum_loss(s)), total = *loss;
    for (ptrdiff_t t = 1; t < s->sums_count; t++) {
        const double *from = s->sums + t * s->sums_size;
        for (ptrdiff_t i = 0; i < s->sums_size; i++) s->sums[i] += from[i];
        bnorm_exact_add(&total, from[stream_sum_loss(s)]);
        total.rest += from[stream_sum_loss(s) + 1];
    }
    *loss = total;
}

static double loss_value(const bnorm_stream *s)
{
    return bnorm_exact_value((const exact_sum *)(s->sums + stream_sum_loss(s))) / s->n;
}

/* (B1), (W2), (W3), and what the layers above have summed. */
static void finish(bnorm_stream *s, double *gradient)
{
    const bnorm_net *net = s->net;
    const layer *dense = net->layers[0], *norm = net->layers[1];
    double *g = gradient + dense->offset, *dgamma = gradient + norm->offset;
    double *dbeta = dgamma + s->p2;
    memcpy(g, s->sums, (size_t)(s->p1 * s->p2) * sizeof *g);
    memcpy(dbeta, s->sums + s->p1 * s->p2, (size_t)s->p2 * sizeof *g);
    bnorm_gram_centre(&s->gram, s->p2, dbeta, g);
    bnorm_gram_dgamma(&s->gram, s->p2, net->parameters + dense->offset, s->rstd, g, dgamma);
    for (ptrdiff_t k = 0; k < s->plain_count; k++) { /* (B2) */
        ptrdiff_t j = s->plain[k];
        dgamma[j] = s->rstd[j] * s->sums[stream_sum_wz(s) + j];
    }
    bnorm_gram_gradient(&s->gram, s->p2, s->sg, s->rstd, s->scale, dgamma, g);
    for (ptrdiff_t k = 2; k < net->layer_count; k++)
        if (net->layers[k]->kind == BNORM_LAYER_DENSE)
            memcpy(gradient + net->layers[k]->offset, s->sums + s->sum_place[k],
                   (size_t)net->layers[k]->count * sizeof *g);
}

static bnorm_status check(bnorm_ctx *ctx, const bnorm_stream *s, const double *value)
{
    if (!s) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "stream is NULL");
    if (!value) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "value is NULL");
    if (!ctx || !ctx->options.reduce) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "networks do not take a context with a reduction");
}

bnorm_status bnorm_stream_gradient(bnorm_ctx *ctx, bnorm_stream *stream, uint64_t seed,
                                   uint64_t step, double *value, double *gradient)
{
    bnorm_status status = check(ctx, stream, value);
    if (status == BNORM_OK) status = prepare(ctx, stream);
    if (status != BNORM_OK) return status;
    stream_sweep w = {.s = stream, .backward = gradient != NULL};
    w.pass = (bnorm_pass){.training = 1, .seed = seed, .step = step};
    status = sweep(ctx, stream, &w, bnorm_stream_gradient_task);
    if (status != BNORM_OK) return status;
    add_tasks(stream);
    *value = loss_value(stream);
    if (gradient) finish(stream, gradient);
    return BNORM_OK;
}

bnorm_status bnorm_stream_up(bnorm_ctx *ctx, bnorm_stream *stream, uint64_t seed, uint64_t step,
                             bnorm_mat_f64 v)
{
    stream_sweep w = {.s = stream, .outer = v};
    w.pass = (bnorm_pass){.training = 1, .seed = seed, .step = step};
    BNORM_TRY(prepare(ctx, stream));
    return sweep(ctx, stream, &w, bnorm_stream_gradient_task);
}

bnorm_status bnorm_stream_down(bnorm_ctx *ctx, bnorm_stream *stream, uint64_t seed,
                               uint64_t step, bnorm_mat_f64 dv, double *gradient)
{
    stream_sweep w = {.s = stream, .outer = dv, .backward = 1};
    w.pass = (bnorm_pass){.training = 1, .seed = seed, .step = step};
    BNORM_TRY(sweep(ctx, stream, &w, bnorm_stream_gradient_task));
    add_tasks(stream);
    finish(stream, gradient);
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------ inference */

bnorm_status bnorm_stream_statistics(bnorm_ctx *ctx, bnorm_stream *stream)
{
    layer *norm = stream->net->layers[1];
    bnorm_status status = prepare(ctx, stream);
    for (ptrdiff_t j = 0; j < stream->p2 && status == BNORM_OK; j++)
        if (!isfinite(stream->mean[j]) || !isfinite(stream->v[j]))
            status = bnorm_fail(ctx, BNORM_E_NONFINITE,
                                "layer 2 (batchnorm), column %td: the mean is %g and the "
                                "variance %g; the network keeps its statistics",
                                j + 1, stream->mean[j], stream->v[j]);
    if (status != BNORM_OK) return status;
    memcpy(norm->mean, stream->mean, (size_t)stream->p2 * sizeof *norm->mean);
    memcpy(norm->var, stream->v, (size_t)stream->p2 * sizeof *norm->var);
    return BNORM_OK;
}

bnorm_status bnorm_stream_loss(bnorm_ctx *ctx, bnorm_stream *stream, double *value)
{
    bnorm_status status = check(ctx, stream, value);
    if (status == BNORM_OK) status = bnorm_stream_statistics(ctx, stream);
    if (status != BNORM_OK) return status;
    stream_sweep w = {.s = stream};
    status = sweep(ctx, stream, &w, bnorm_stream_gradient_task);
    if (status != BNORM_OK) return status;
    add_tasks(stream);
    *value = loss_value(stream);
    return BNORM_OK;
}
