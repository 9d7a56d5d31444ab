/* fit: checks, the rows held out, the starts, and an end that always leaves the problem with
 * parameters, statistics and a top layer that belong together. Without networks there is one
 * least-squares problem and nothing to iterate. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/fitting.h"
#include "train/epoch.h"
#include "train/options.h"

void bnorm_problem_fit_defaults(problem_fit *options)
{
    *options = (problem_fit){.starts = 1};
    bnorm_fit_defaults(&options->fit);
}

/* ------------------------------------------------------------------------------- options */

static bnorm_status resolve_each(fitting *f, const bnorm_fit_options *given, int *batches)
{
    const problem *p = f->p;
    double values = 0;
    *batches = 0;
    f->options = *given;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        BNORM_TRY(bnorm_fit_resolve(f->ctx, w->net, p->rows, given, &f->options));
        values += (double)p->rows * (double)w->x.cols;
        *batches |= f->options.optimizer == BNORM_OPTIMIZER_ADAM;
    }
    *batches |= values > 2e6;
    return BNORM_OK;
}

/* AUTO looks at all networks together. */
static bnorm_status resolve(fitting *f, const problem_fit *options)
{
    bnorm_fit_options given = options->fit;
    int batches;
    if (options->starts < 1)
        return bnorm_fail(f->ctx, BNORM_E_ARGUMENT, "there are %td starts: 1 or more",
                          options->starts);
    if (given.running)
        return bnorm_fail(f->ctx, BNORM_E_ARGUMENT,
                          "structured models take statistics of all rows: leave out running");
    if (given.batch == 0) given.batch = 1024;
    BNORM_TRY(resolve_each(f, &given, &batches));
    if (given.optimizer != BNORM_OPTIMIZER_AUTO) return BNORM_OK;
    given.optimizer = batches ? BNORM_OPTIMIZER_ADAM : BNORM_OPTIMIZER_LBFGS;
    return resolve_each(f, &given, &batches);
}

/* ----------------------------------------------------------------------------- held rows */

static bnorm_status split(fitting *f, const unsigned char *held, ptrdiff_t out)
{
    ptrdiff_t rows = f->p->rows, in = rows - out;
    ptrdiff_t *order = bnorm_alloc(f->ctx, rows, sizeof *order);
    if (!order) return bnorm_fail_memory(f->ctx, "the rows held out");
    for (ptrdiff_t i = 0, a = 0, b = in; i < rows; i++) order[held[i] ? b++ : a++] = i;
    bnorm_status status = bnorm_problem_take(f->ctx, f->p, order, in, NULL, &f->parts[0]);
    if (status == BNORM_OK)
        status = bnorm_problem_take(f->ctx, f->p, order + in, out, NULL, &f->parts[1]);
    bnorm_free(order);
    f->train = &f->parts[0].problem;
    f->held = &f->parts[1].problem;
    return status;
}

static bnorm_status hold_out(fitting *f, const problem_fit *options)
{
    ptrdiff_t out = 0;
    for (ptrdiff_t i = 0; options->held && i < f->p->rows; i++) out += options->held[i] != 0;
    f->train = f->p;
    f->held_effects = options->held_effects;
    if (out == 0) return BNORM_OK;
    if (out < f->p->rows) return split(f, options->held, out);
    return bnorm_fail(f->ctx, BNORM_E_ARGUMENT, "all rows are held out: none is left to fit");
}

static double mean_logistic(const problem *p, const double *score)
{
    exact_sum sum = {0, 0};
    double share;
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        double weight = p->weights ? p->weights[i] : 1;
        bnorm_exact_add(&sum, weight * bnorm_top_logistic(score[i], p->y[i], &share));
    }
    return bnorm_exact_value(&sum) / p->n;
}

bnorm_status bnorm_fitting_held(fitting *f, double *loss, double *rmse)
{
    double sum, n;
    const problem *effects = f->held_effects ? f->train : NULL;
    BNORM_TRY(bnorm_problem_errors(f->ctx, f->held, effects, &sum, &n));
    *rmse = sqrt(sum / n);
    *loss = sum / n / (f->r.t.s * f->r.t.s);
    if (!f->p->logistic) return BNORM_OK;
    double *score = bnorm_alloc(f->ctx, f->held->rows, sizeof *score);
    if (!score) return bnorm_fail_memory(f->ctx, "the scores of the rows held out");
    bnorm_status status = bnorm_problem_score(f->ctx, f->held, score);
    if (status == BNORM_OK) *loss = mean_logistic(f->held, score);
    bnorm_free(score);
    return status;
}

/* -------------------------------------------------------------------------------- states */

static ptrdiff_t state_size(const fitting *f)
{
    ptrdiff_t size = f->r.count;
    for (ptrdiff_t k = 0; k < f->p->network_count; k++)
        size += f->p->networks[k].net->statistic_count;
    return size;
}

static void save(const fitting *f, double *state)
{
    bnorm_reduced_get(&f->r, state);
    state += f->r.count;
    for (ptrdiff_t k = 0; k < f->p->network_count; k++) {
        const bnorm_net *net = f->p->networks[k].net;
        memcpy(state, net->statistics, (size_t)net->statistic_count * sizeof *state);
        state += net->statistic_count;
    }
}

static void restore(const fitting *f, const double *state)
{
    bnorm_reduced_set(&f->r, state);
    state += f->r.count;
    for (ptrdiff_t k = 0; k < f->p->network_count; k++) {
        bnorm_net *net = f->p->networks[k].net;
        memcpy(net->statistics, state, (size_t)net->statistic_count * sizeof *state);
        state += net->statistic_count;
    }
}

static bnorm_status reserve(fitting *f)
{
    ptrdiff_t size = state_size(f), total;
    if (!bnorm_multiply(4, size, &total) ||
        !(f->memory = bnorm_alloc_zero(f->ctx, total, sizeof *f->memory)))
        return bnorm_fail_memory(f->ctx, "the states of the fit");
    f->parameters = f->memory;
    f->first = f->parameters + size;
    f->kept = f->first + size;
    f->chosen = f->kept + size;
    save(f, f->first);
    return BNORM_OK;
}

/* --------------------------------------------------------------------------------- epochs */

static bnorm_status interrupted(fitting *f)
{
    return bnorm_fail(f->ctx, BNORM_E_INTERRUPTED,
                      "the fit was interrupted: the model is the best so far");
}

bnorm_status bnorm_fitting_ask(fitting *f)
{
    const bnorm_fit_options *o = &f->options;
    return o->interrupted && o->interrupted(o->interrupted_user) ? interrupted(f) : BNORM_OK;
}

bnorm_status bnorm_fitting_diverged(fitting *f, ptrdiff_t epoch)
{
    if (epoch < 1)
        return bnorm_fail(
            f->ctx, BNORM_E_NONFINITE,
            "the objective is not finite at the start: scale the inputs, or start "
            "from smaller parameters");
    if (f->options.optimizer == BNORM_OPTIMIZER_LBFGS)
        return bnorm_fail(f->ctx, BNORM_E_NONFINITE,
                          "the loss of the held-out rows is not finite in iteration %td",
                          epoch);
    return bnorm_fail(f->ctx, BNORM_E_NONFINITE,
                      "the objective is not finite in epoch %td: lower the rate, now %g", epoch,
                      f->options.rate);
}

static bnorm_status validate(fitting *f, ptrdiff_t epoch)
{
    double rmse;
    BNORM_TRY(bnorm_fitting_held(f, &f->validation, &rmse));
    if (!isfinite(f->validation)) return bnorm_fitting_diverged(f, epoch);
    if (!(f->validation < f->best)) {
        f->stop = f->options.patience > 0 && epoch - f->best_epoch >= f->options.patience;
        return BNORM_OK;
    }
    f->best = f->validation;
    f->best_epoch = epoch;
    save(f, f->kept);
    return BNORM_OK;
}

bnorm_status bnorm_fitting_epoch(fitting *f, ptrdiff_t epoch, double objective)
{
    if (!isfinite(objective)) return bnorm_fitting_diverged(f, epoch);
    if (f->held)
        BNORM_TRY(validate(f, epoch));
    else
        f->best_epoch = epoch;
    f->objective = objective;
    f->epochs = epoch;
    if (epoch == 0) return BNORM_OK;
    bnorm_progress p = {.epoch = epoch,
                        .epochs = f->options.epochs,
                        .loss = objective,
                        .validation = f->validation,
                        .seconds = bnorm_fit_clock() - f->started};
    const bnorm_fit_options *o = &f->options;
    return o->progress && o->progress(o->progress_user, &p) ? interrupted(f) : BNORM_OK;
}

/* --------------------------------------------------------------------------------- starts */

/* Networks of the first start are as they came; others are drawn by the seed. */
static bnorm_status begin(fitting *f)
{
    ptrdiff_t count = f->p->network_count;
    f->epochs = f->best_epoch = 0;
    f->objective = f->best = INFINITY;
    f->validation = NAN;
    f->converged = f->stop = 0;
    for (ptrdiff_t k = 0; f->start > 0 && k < count; k++) {
        uint64_t seed =
            f->options.seed + UINT64_C(0x9E3779B97F4A7C15) * (uint64_t)(f->start * count + k);
        BNORM_TRY(bnorm_net_start(f->ctx, f->p->networks[k].net, seed));
    }
    return BNORM_OK;
}

static bnorm_status run(fitting *f)
{
    BNORM_TRY(begin(f));
    bnorm_status status = f->options.optimizer == BNORM_OPTIMIZER_LBFGS
                              ? bnorm_fitting_lbfgs(f)
                              : bnorm_fitting_batches(f);
    if (f->held && isfinite(f->best)) restore(f, f->kept);
    return status;
}

/* A start is chosen when it has come anywhere, and lower than those before it. */
static void choose(fitting *f, problem_report *report)
{
    double value = f->held ? f->best : f->objective;
    report->starts_done++;
    if (!isfinite(value)) return;
    if (!(value <= report->worst)) report->worst = value;
    if (value >= report->best) return;
    report->best = value;
    report->fit.epochs = f->epochs;
    report->fit.best_epoch = f->best_epoch;
    report->fit.converged = f->converged;
    save(f, f->chosen);
}

/* A failure ends all starts, unless it is one of divergence: that one counts when none came to its
 * end. */
static bnorm_status run_starts(fitting *f, ptrdiff_t starts, problem_report *report)
{
    bnorm_status all = BNORM_E_NONFINITE;
    report->best = INFINITY;
    report->worst = NAN;
    for (f->start = 0; f->start < starts; f->start++) {
        bnorm_status status = run(f);
        if (status == BNORM_OK || status == BNORM_E_INTERRUPTED || status == BNORM_E_NONFINITE)
            choose(f, report);
        if (status != BNORM_OK && status != BNORM_E_NONFINITE) return status;
        if (status == BNORM_OK) all = status;
    }
    return all;
}

/* ------------------------------------------------------------------------------------ end */

/* Squares must be representable, and so must coefficients in the units of their columns. */
static int is_finite(const problem *p, double sse)
{
    int finite = isfinite(sse);
    for (ptrdiff_t j = 0; j < p->p.cols; j++) finite &= isfinite(p->theta[j]);
    for (ptrdiff_t k = 0; k < p->network_count; k++)
        for (ptrdiff_t j = 0; j < bnorm_net_outputs(p->networks[k].net); j++)
            finite &= isfinite(p->networks[k].top[j]);
    return finite;
}

/* The top layer and the statistics of the present parameters, and what is said of them. */
static bnorm_status settle(fitting *f, problem_report *report)
{
    const top *t = &f->r.t;
    double value;
    BNORM_TRY(bnorm_reduced_infer(f->ctx, &f->r, &value));
    bnorm_top_write(t);
    report->fit.loss = t->loss;
    report->sse = t->loss * t->s * t->s * f->train->n;
    if (!is_finite(f->p, report->sse))
        return bnorm_fail(f->ctx, BNORM_E_NONFINITE,
                          "the coefficients or the sum of squared errors are not finite: the "
                          "target or a term is too large; divide it");
    if (f->held)
        BNORM_TRY(bnorm_fitting_held(f, &report->fit.validation, &report->validation_rmse));
    return BNORM_OK;
}

static bnorm_status fit_networks(fitting *f, ptrdiff_t starts, problem_report *report)
{
    char message[BNORM_MESSAGE_SIZE];
    bnorm_status status = run_starts(f, starts, report), end;
    memcpy(message, bnorm_ctx_message(f->ctx), f->ctx ? sizeof message : 1);
    int whole =
        isfinite(report->best) &&
        (status == BNORM_OK || status == BNORM_E_INTERRUPTED || status == BNORM_E_NONFINITE);
    restore(f, whole ? f->chosen : f->first);
    end = whole ? settle(f, report) : BNORM_OK;
    return status == BNORM_OK ? end : bnorm_fail(f->ctx, status, "%s", message);
}

static bnorm_status fit_linear(fitting *f, problem_report *report)
{
    BNORM_TRY(settle(f, report));
    report->starts_done = report->fit.converged = 1;
    report->best = report->worst =
        f->held ? report->fit.validation : f->r.t.loss + f->r.t.penalty;
    return BNORM_OK;
}

static bnorm_status fit_problem(fitting *f, const problem_fit *options, problem_report *report)
{
    BNORM_TRY(resolve(f, options));
    BNORM_TRY(hold_out(f, options));
    int lbfgs = f->options.optimizer == BNORM_OPTIMIZER_LBFGS;
    streaming streams = lbfgs ? STREAMS_WHERE_THEY_PAY : STREAMS_NEVER;
    BNORM_TRY(bnorm_reduced_create(f->ctx, f->train, streams, &f->r));
    BNORM_TRY(reserve(f));
    report->fit.optimizer = f->options.optimizer;
    return f->p->network_count > 0 ? fit_networks(f, options->starts, report)
                                   : fit_linear(f, report);
}

bnorm_status bnorm_problem_fit(bnorm_ctx *ctx, problem *p, const problem_fit *options,
                               problem_report *report)
{
    fitting f = {.ctx = ctx, .p = p, .started = bnorm_fit_clock()};
    *report = (problem_report){.validation_rmse = NAN};
    report->fit.loss = report->fit.validation = report->sse = NAN;
    bnorm_status status = fit_problem(&f, options, report);
    report->fit.seconds = bnorm_fit_clock() - f.started;
    bnorm_reduced_free(&f.r);
    bnorm_free(f.memory);
    bnorm_problem_release(&f.parts[0]);
    bnorm_problem_release(&f.parts[1]);
    return status;
}

bnorm_status bnorm_problem_solve(bnorm_ctx *ctx, problem *p)
{
    reduced r;
    double value;
    BNORM_TRY(bnorm_reduced_create(ctx, p, STREAMS_NEVER, &r));
    bnorm_top_read(&r.t);
    bnorm_status status = bnorm_reduced_infer(ctx, &r, &value);
    if (status == BNORM_OK) bnorm_top_write(&r.t);
    bnorm_reduced_free(&r);
    return status;
}
