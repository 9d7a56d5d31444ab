/* epoch: one evaluation of the objective, and what happens after each epoch: inference
 * statistics, validation, what is kept, when to stop. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "train/epoch.h"

double bnorm_fit_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bnorm_fit_penalties(const bnorm_net *net, double *gradient)
{
    double sum = 0;
    for (ptrdiff_t k = 0; k < net->block_count; k++) {
        const bnorm_block *b = &net->blocks[k];
        if (b->penalty == 0) continue;
        const double *p = net->parameters + b->offset;
        double square = 0, *g = gradient ? gradient + b->offset : NULL;
        for (ptrdiff_t i = 0; i < b->rows * b->cols; i++) {
            square += p[i] * p[i];
            if (g) g[i] += 2 * b->penalty * p[i];
        }
        sum += b->penalty * square;
    }
    return sum;
}

static bnorm_status interrupted(fit *f)
{
    return bnorm_fail(f->ctx, BNORM_E_INTERRUPTED,
                      "the fit was interrupted: the network holds the best so far");
}

bnorm_status bnorm_fit_evaluate(fit *f, const sample *s, double *objective, double *gradient)
{
    if (f->options.interrupted && f->options.interrupted(f->options.interrupted_user))
        return interrupted(f);
    int all = f->stream && s->x.data == f->train.x.data && s->x.rows == f->train.x.rows;
    uint64_t seed = f->options.seed, step = f->step++;
    bnorm_status status =
        all ? bnorm_stream_gradient(f->ctx, f->stream, seed, step, objective, gradient)
            : bnorm_net_pass(f->ctx, f->net, s->x, s->y, s->weights, s->n, f->loss, seed, step,
                             objective, gradient);
    if (status == BNORM_OK) *objective += bnorm_fit_penalties(f->net, gradient);
    return status;
}

/* The row of the training data that explains it, or the advice that follows from the optimiser.
 */
bnorm_status bnorm_fit_diverged(fit *f, ptrdiff_t epoch)
{
    bnorm_mat_f64 x = f->train.x;
    for (ptrdiff_t i = 0; x.data && i < x.rows; i++)
        for (ptrdiff_t j = 0; j < x.cols; j++)
            if (!isfinite(x.data[i * x.ld + j]))
                return bnorm_fail(
                    f->ctx, BNORM_E_NONFINITE,
                    "x is %g in row %td, column %td: correct or leave out the row",
                    x.data[i * x.ld + j], i + 1, j + 1);
    if (f->options.optimizer == BNORM_OPTIMIZER_LBFGS || f->step <= 1)
        return bnorm_fail(f->ctx, BNORM_E_NONFINITE,
                          "the objective is not finite in epoch %td: scale the inputs and "
                          "targets, or start from smaller parameters",
                          epoch);
    return bnorm_fail(f->ctx, BNORM_E_NONFINITE,
                      "the objective is not finite in epoch %td: lower the rate, now %g", epoch,
                      f->options.rate);
}

/* ------------------------------------------------------------------------------- running */

static bnorm_status update_layer(fit *f, layer *l)
{
    bnorm_running running = {.kind = BNORM_RUNNING_EXPONENTIAL,
                             .update = f->options.update,
                             .ddof = f->options.running_ddof,
                             .cols = l->inputs,
                             .mean = l->mean,
                             .var = l->var};
    return bnorm_running_update(f->ctx, &running, l->batch.n, l->batch.mean, l->batch.m2);
}

bnorm_status bnorm_fit_running(fit *f)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; f->options.running && k < f->net->layer_count; k++)
        if (f->net->layers[k]->kind == BNORM_LAYER_BATCHNORM && status == BNORM_OK)
            status = update_layer(f, f->net->layers[k]);
    return status;
}

/* ---------------------------------------------------------------------------------- keep */

void bnorm_fit_keep(fit *f)
{
    const bnorm_net *net = f->net;
    memcpy(f->kept, net->parameters, (size_t)net->parameter_count * sizeof *f->kept);
    memcpy(f->kept_statistics, net->statistics, (size_t)net->statistic_count * sizeof *f->kept);
}

void bnorm_fit_restore(fit *f)
{
    bnorm_net *net = f->net;
    memcpy(net->parameters, f->kept, (size_t)net->parameter_count * sizeof *f->kept);
    memcpy(net->statistics, f->kept_statistics, (size_t)net->statistic_count * sizeof *f->kept);
}

static int finite_parameters(const bnorm_net *net)
{
    for (ptrdiff_t k = 0; k < net->parameter_count; k++)
        if (!isfinite(net->parameters[k])) return 0;
    return 1;
}

bnorm_status bnorm_fit_statistics(fit *f)
{
    if (f->options.running) return BNORM_OK;
    bnorm_status status =
        f->stream ? bnorm_stream_statistics(f->ctx, f->stream)
                  : bnorm_net_population(f->ctx, f->net, f->train.x, f->train.weights);
    return status == BNORM_E_NONFINITE ? bnorm_fit_diverged(f, f->epochs + 1) : status;
}

/* Statistics and validation loss of the present parameters. */
static bnorm_status measure(fit *f)
{
    const sample *v = &f->valid;
    bnorm_status status = bnorm_fit_statistics(f);
    if (status == BNORM_OK)
        status =
            bnorm_net_loss(f->ctx, f->net, v->x, v->y, v->weights, f->loss, &f->validation);
    return status;
}

/* A start that has no finite loss is no candidate; the first epoch will say why. */
bnorm_status bnorm_fit_begin(fit *f)
{
    f->best = INFINITY;
    bnorm_fit_keep(f);
    if (!f->valid.x.rows) return BNORM_OK;
    bnorm_status status = measure(f);
    if (status == BNORM_OK && isfinite(f->validation)) {
        f->best = f->validation;
        bnorm_fit_keep(f);
    }
    return status == BNORM_E_NONFINITE ? BNORM_OK : status;
}

static bnorm_status validate(fit *f, ptrdiff_t epoch)
{
    bnorm_status status = measure(f);
    if (status != BNORM_OK) return status;
    if (!isfinite(f->validation)) return bnorm_fit_diverged(f, epoch);
    if (!(f->validation < f->best)) {
        f->stop = f->options.patience > 0 && epoch - f->best_epoch >= f->options.patience;
        return BNORM_OK;
    }
    f->best = f->validation;
    f->best_epoch = epoch;
    bnorm_fit_keep(f);
    return BNORM_OK;
}

bnorm_status bnorm_fit_epoch(fit *f, ptrdiff_t epoch, double objective)
{
    if (!isfinite(objective) || !finite_parameters(f->net)) return bnorm_fit_diverged(f, epoch);
    bnorm_status status = BNORM_OK;
    if (f->valid.x.rows)
        status = validate(f, epoch);
    else
        bnorm_fit_keep(f);
    if (status != BNORM_OK) return status;
    f->epochs = epoch;
    if (!f->valid.x.rows) f->best_epoch = epoch;
    bnorm_progress p = {.epoch = epoch,
                        .epochs = f->options.epochs,
                        .loss = objective,
                        .validation = f->validation,
                        .seconds = bnorm_fit_clock() - f->started};
    if (f->options.progress && f->options.progress(f->options.progress_user, &p))
        return interrupted(f);
    return BNORM_OK;
}
