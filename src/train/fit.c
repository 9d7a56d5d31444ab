/* fit: checks, memory, the choice of optimiser, and an end that always leaves the network with
 * parameters and statistics that belong together. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "train/epoch.h"
#include "train/options.h"

/* x and y row-major: a column-major one is copied once, not at each pass. */
static bnorm_status take_sample(fit *f, bnorm_mat_f64 x, bnorm_mat_f64 y, const double *weights,
                                sample *s)
{
    bnorm_status status = bnorm_net_check_x(f->ctx, f->net, x);
    if (status == BNORM_OK) status = bnorm_net_check_targets(f->ctx, f->net, x, y, f->loss);
    if (status == BNORM_OK) status = bnorm_net_check_weights(f->ctx, x.rows, weights, &s->n);
    s->x = x;
    s->y = y;
    s->weights = weights;
    return status;
}

static bnorm_status reserve(fit *f)
{
    ptrdiff_t count = f->net->parameter_count, statistics = f->net->statistic_count, total;
    if (!bnorm_multiply(4, count, &total) ||
        __builtin_add_overflow(total, statistics, &total) ||
        !(f->memory = bnorm_alloc_zero(f->ctx, total, sizeof *f->memory)))
        return bnorm_fail_memory(f->ctx, "the vectors of the fit");
    f->gradient = f->memory;
    f->state = f->gradient + count;
    f->kept = f->state + 2 * count;
    f->kept_statistics = f->kept + count;
    if (f->sourced) return BNORM_OK;
    ptrdiff_t rows = f->options.optimizer == BNORM_OPTIMIZER_LBFGS ? 0 : f->train.x.rows;
    f->rows = bnorm_alloc(f->ctx, rows, sizeof *f->rows);
    f->order = bnorm_alloc(f->ctx, rows, sizeof *f->order);
    if (!f->rows || !f->order) return bnorm_fail_memory(f->ctx, "the order of the rows");
    bnorm_status status = bnorm_row_major(f->ctx, f->train.x, 0, &f->x_rows, &f->train.x);
    if (status == BNORM_OK)
        status = bnorm_row_major(f->ctx, f->train.y, 0, &f->y_rows, &f->train.y);
    return status;
}

static ptrdiff_t count_positive(const sample *s)
{
    if (!s->weights) return s->x.rows;
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < s->x.rows; i++) count += s->weights[i] > 0;
    return count;
}

/* The largest ddof that a batch has to exceed; -1 without a batchnorm. */
static double largest_ddof(const fit *f)
{
    double ddof = -1;
    for (ptrdiff_t k = 0; k < f->net->layer_count; k++) {
        const layer *l = f->net->layers[k];
        if (l->kind != BNORM_LAYER_BATCHNORM) continue;
        ddof = fmax(ddof, fmax(l->rule.ddof, f->options.running ? f->options.running_ddof : 0));
    }
    return ddof;
}

/* What would fail amid the fit fails before it: some batch has no more than the mean of n over
 * the batches, and each n must exceed ddof. */
static bnorm_status check_degrees(fit *f)
{
    double ddof = largest_ddof(f);
    ptrdiff_t rows =
        f->sourced ? bnorm_stream_rows(f->stream, &f->train.n) : count_positive(&f->train);
    if (ddof < 0) return BNORM_OK;
    if (rows < 2)
        return bnorm_fail(f->ctx, BNORM_E_DOMAIN,
                          "%td row of positive weight: a batchnorm needs at least 2", rows);
    ptrdiff_t batches = 1;
    if (f->options.optimizer != BNORM_OPTIMIZER_LBFGS)
        batches = bnorm_batch_count(rows, f->options.batch, bnorm_batch_least(f->net));
    double n = f->train.n / (double)batches;
    if (n - ddof > 0) return BNORM_OK;
    return bnorm_fail(f->ctx, BNORM_E_DOMAIN,
                      "n = %g a batch, and ddof is %g: n must exceed it; weights count as that "
                      "many copies of a row, so scale them to a mean of 1, or take larger "
                      "batches or a smaller ddof",
                      n, ddof);
}

/* Full batches of a network that streams are streamed where that pays: by W1 to W3 a pass costs
 * products with S of p1 x p1 and saves passes over the rows. Running statistics take those of a
 * batch, which a stream does not have. */
static bnorm_status use_stream(fit *f)
{
    const bnorm_net *net = f->net;
    double rows = (double)f->train.x.rows, inputs = (double)net->inputs;
    int full =
        f->options.optimizer == BNORM_OPTIMIZER_LBFGS || f->options.batch >= f->train.x.rows;
    if (!full || f->options.running || !bnorm_stream_takes(net)) return BNORM_OK;
    if (rows * inputs * (double)net->layers[0]->outputs < 1e6 || rows < 8 * inputs)
        return BNORM_OK;
    const sample *s = &f->train;
    return bnorm_stream_create(f->ctx, f->net, s->x, s->y, s->weights, f->loss, &f->stream);
}

static void release(fit *f)
{
    bnorm_stream_destroy(f->stream);
    bnorm_free(f->memory);
    bnorm_free(f->rows);
    bnorm_free(f->order);
    bnorm_buffer_free(&f->x_rows);
    bnorm_buffer_free(&f->y_rows);
    bnorm_buffer_free(&f->batch_x);
    bnorm_buffer_free(&f->batch_y);
    bnorm_buffer_free(&f->batch_weights);
}

/* Parameters that belong to the end: the best by validation; without validation the present
 * ones, or those of the last whole epoch when a failure or an interruption came amid one (L-BFGS
 * always leaves an accepted iterate); and their statistics. */
static bnorm_status settle(fit *f, bnorm_status status)
{
    int validated = f->valid.x.rows && isfinite(f->best);
    int interrupted = status == BNORM_E_INTERRUPTED;
    int failed = status != BNORM_OK && !interrupted;
    int amid = interrupted && f->options.optimizer != BNORM_OPTIMIZER_LBFGS;
    if (validated || failed || amid) bnorm_fit_restore(f);
    if (validated || (failed && f->epochs == 0)) return BNORM_OK;
    return bnorm_fit_statistics(f);
}

static bnorm_status fill_report(fit *f, bnorm_fit_report *report)
{
    *report = (bnorm_fit_report){.optimizer = f->options.optimizer,
                                 .epochs = f->epochs,
                                 .best_epoch = f->best_epoch,
                                 .loss = NAN,
                                 .validation = NAN,
                                 .converged = f->converged};
    const sample *s = &f->train, *v = &f->valid;
    bnorm_status status = f->sourced ? bnorm_stream_loss(f->ctx, f->stream, &report->loss)
                                     : bnorm_net_loss(f->ctx, f->net, s->x, s->y, s->weights,
                                                      f->loss, &report->loss);
    if (status == BNORM_OK && v->x.rows)
        status = bnorm_net_loss(f->ctx, f->net, v->x, v->y, v->weights, f->loss,
                                &report->validation);
    report->seconds = bnorm_fit_clock() - f->started;
    return status;
}

/* The first failure counts; what comes after it leaves its message alone. Failures of memory or
 * of the caller's functions end without a report. */
static bnorm_status finish(fit *f, bnorm_status status, bnorm_fit_report *report)
{
    bnorm_ctx *ctx = f->ctx;
    char message[BNORM_MESSAGE_SIZE];
    memcpy(message, bnorm_ctx_message(ctx), ctx ? sizeof message : 1);
    bnorm_fit_report unused;
    bnorm_status end = settle(f, status);
    int reported =
        status == BNORM_OK || status == BNORM_E_INTERRUPTED || status == BNORM_E_NONFINITE;
    if ((end == BNORM_OK || end == BNORM_E_NONFINITE) && reported) {
        bnorm_status filled = fill_report(f, report ? report : &unused);
        if (end == BNORM_OK) end = filled;
    }
    if (status == BNORM_OK) return end;
    return bnorm_fail(ctx, status, "%s", message);
}

static bnorm_status run(fit *f)
{
    f->parameters = f->net->parameters;
    bnorm_status status = bnorm_fit_begin(f);
    if (status != BNORM_OK) return status;
    return f->options.optimizer == BNORM_OPTIMIZER_LBFGS ? bnorm_fit_lbfgs(f)
                                                         : bnorm_fit_batches(f);
}

bnorm_status bnorm_fit(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                       const double *weights, bnorm_mat_f64 x_valid, bnorm_mat_f64 y_valid,
                       const double *weights_valid, const bnorm_loss *loss,
                       const bnorm_fit_options *options, bnorm_fit_report *report)
{
    fit f = {.ctx = ctx, .net = net, .loss = loss, .validation = NAN};
    f.started = bnorm_fit_clock();
    bnorm_status status = take_sample(&f, x, y, weights, &f.train);
    if (status == BNORM_OK && x_valid.rows != 0)
        status = take_sample(&f, x_valid, y_valid, weights_valid, &f.valid);
    if (status == BNORM_OK) status = bnorm_fit_resolve(ctx, net, x.rows, options, &f.options);
    if (status == BNORM_OK) status = check_degrees(&f);
    if (status == BNORM_OK) status = reserve(&f);
    if (status == BNORM_OK) status = use_stream(&f);
    if (status == BNORM_OK) status = finish(&f, run(&f), report);
    release(&f);
    return status;
}

/* AUTO is L-BFGS whatever the number of rows: the others take batches of rows in any order. */
static bnorm_status resolve_sourced(fit *f, const bnorm_fit_options *given)
{
    bnorm_status status = bnorm_fit_resolve(f->ctx, f->net, 0, given, &f->options);
    if (status != BNORM_OK) return status;
    if (f->options.optimizer == BNORM_OPTIMIZER_LBFGS && !f->options.running) return BNORM_OK;
    return bnorm_fail(f->ctx, BNORM_E_ARGUMENT,
                      "a source is fitted by L-BFGS with statistics of all rows and without "
                      "dropout: change the optimizer, the running statistics or the network");
}

bnorm_status bnorm_fit_source(bnorm_ctx *ctx, bnorm_net *net, const bnorm_source *source,
                              bnorm_mat_f64 x_valid, bnorm_mat_f64 y_valid,
                              const double *weights_valid, const bnorm_loss *loss,
                              const bnorm_fit_options *options, bnorm_fit_report *report)
{
    fit f = {.ctx = ctx, .net = net, .loss = loss, .validation = NAN, .sourced = 1};
    f.started = bnorm_fit_clock();
    bnorm_status status = bnorm_stream_open(ctx, net, source, loss, &f.stream);
    if (status == BNORM_OK) f.train.x.rows = source->rows;
    if (status == BNORM_OK && x_valid.rows != 0)
        status = take_sample(&f, x_valid, y_valid, weights_valid, &f.valid);
    if (status == BNORM_OK) status = resolve_sourced(&f, options);
    if (status == BNORM_OK) status = check_degrees(&f);
    if (status == BNORM_OK) status = reserve(&f);
    if (status == BNORM_OK) status = finish(&f, run(&f), report);
    release(&f);
    return status;
}
