/* cv: cross-validation. The model is made once, of all rows: levels, scales and what is left out
 * are those of the whole, and each fold is a part of its problem with a projection of its own. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/panel.h"

#define FOLDS 10000 /* at most */

typedef struct folding {
    bnorm_ctx *ctx;
    bnorm_panel *panel;
    const bnorm_panel_fit_options *fit;
    bnorm_hold by;
    ptrdiff_t folds, *fold; /* rows: the fold of each */
    ptrdiff_t *rows;        /* rows of training, then those held out */
    ptrdiff_t trained;
    problem_part training, held;
    problem_network *nets; /* of a candidate */
    double *theta, *top;
} folding;

/* -------------------------------------------------------------------------------- folds */

static bnorm_status fail_groups(const folding *f, ptrdiff_t groups, const char *what)
{
    return bnorm_fail(f->ctx, BNORM_E_ARGUMENT,
                      "bnorm_panel_cv: %td folds of %td %s: at least 2 folds are needed, and a "
                      "%.*s for each",
                      f->folds, groups, what, (int)strlen(what) - 1, what);
}

/* Units and rows are drawn by the seed; periods follow one another. */
static bnorm_status number_groups(folding *f, ptrdiff_t *fold_of, ptrdiff_t groups)
{
    ptrdiff_t *order = bnorm_alloc(f->ctx, groups, sizeof *order);
    if (!order) return bnorm_fail_memory(f->ctx, "folds");
    bnorm_random_permutation(f->fit->fit.seed, UINT64_C(5) << 61, groups, order);
    for (ptrdiff_t k = 0; k < groups; k++)
        if (f->by == BNORM_HOLD_PERIODS)
            fold_of[k] = (ptrdiff_t)((double)k * (double)f->folds / (double)groups);
        else
            fold_of[order[k]] = k % f->folds;
    bnorm_free(order);
    return BNORM_OK;
}

static bnorm_status make_folds(folding *f)
{
    const problem *p = &f->panel->problem;
    const int32_t *codes = NULL;
    ptrdiff_t groups = p->rows;
    const char *what = "rows";
    if (f->by == BNORM_HOLD_PERIODS) codes = p->period, groups = p->periods, what = "periods";
    if (f->by == BNORM_HOLD_UNITS && p->unit)
        codes = p->unit, groups = p->units, what = "units";
    if (f->by == BNORM_HOLD_PERIODS && !codes)
        return bnorm_fail(f->ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_cv: there are no periods: name a column in the options, "
                          "or a second fixed effect");
    if (f->folds < 2 || f->folds > groups || f->folds > FOLDS)
        return fail_groups(f, groups, what);
    ptrdiff_t *fold_of = bnorm_alloc(f->ctx, groups, sizeof *fold_of);
    if (!fold_of) return bnorm_fail_memory(f->ctx, "folds");
    bnorm_status status = number_groups(f, fold_of, groups);
    for (ptrdiff_t i = 0; i < p->rows && status == BNORM_OK; i++)
        f->fold[i] = fold_of[codes ? codes[i] : i];
    bnorm_free(fold_of);
    return status;
}

static void split(folding *f, ptrdiff_t fold)
{
    ptrdiff_t rows = f->panel->info.rows, held = 0;
    f->trained = 0;
    for (ptrdiff_t i = 0; i < rows; i++)
        if (f->fold[i] != fold) f->rows[f->trained++] = i;
    for (ptrdiff_t i = 0; i < rows; i++)
        if (f->fold[i] == fold) f->rows[f->trained + held++] = i;
}

/* --------------------------------------------------------------------------- candidates */

static void drop_networks(folding *f)
{
    for (ptrdiff_t k = 0; f->nets && k < f->panel->info.networks; k++)
        bnorm_net_destroy(f->nets[k].net);
    bnorm_free(f->nets);
    bnorm_free(f->top);
    f->nets = NULL;
    f->top = NULL;
}

/* Networks of the candidate's form, and the problem that has them. */
static bnorm_status build(folding *f, const bnorm_panel_candidate *c, problem *q)
{
    bnorm_panel *p = f->panel;
    ptrdiff_t outputs = 0, first = 0;
    *q = p->problem;
    q->theta = f->theta;
    q->penalty_top = c->penalty_top;
    q->network_count = c->layers ? p->info.networks : 0;
    p->options.hidden = c->hidden;
    p->options.layers = c->layers;
    p->options.penalty = c->penalty;
    f->nets = bnorm_alloc_zero(f->ctx, p->info.networks, sizeof *f->nets);
    if (!f->nets) return bnorm_fail_memory(f->ctx, "a candidate");
    for (ptrdiff_t k = 0; k < q->network_count; k++) {
        f->nets[k].x = p->nets[k].x;
        bnorm_status status = bnorm_panel_build(f->ctx, p, k, 0, &f->nets[k].net);
        if (status != BNORM_OK) return status;
        outputs += bnorm_net_outputs(f->nets[k].net);
    }
    f->top = bnorm_alloc_zero(f->ctx, outputs, sizeof *f->top);
    if (!f->top) return bnorm_fail_memory(f->ctx, "a candidate");
    for (ptrdiff_t k = 0; k < q->network_count; k++) {
        f->nets[k].top = f->top + first;
        first += bnorm_net_outputs(f->nets[k].net);
    }
    q->networks = f->nets;
    q->top_count = outputs;
    return BNORM_OK;
}

/* A fit that diverges has an infinite error: the candidate is a bad one, and no more. */
static bnorm_status try_fold(folding *f, const problem *q, double *rmse)
{
    problem_report report;
    double sum = 0, n = 0;
    ptrdiff_t rows = q->rows;
    bnorm_status status =
        bnorm_problem_take(f->ctx, q, f->rows, f->trained, NULL, &f->training);
    if (status == BNORM_OK)
        status = bnorm_problem_take(f->ctx, q, f->rows + f->trained, rows - f->trained, NULL,
                                    &f->held);
    if (status == BNORM_OK)
        status = bnorm_panel_fit_problem(f->ctx, &f->training.problem, f->fit, &report);
    if (status == BNORM_OK)
        status = bnorm_problem_errors(f->ctx, &f->held.problem,
                                      f->by == BNORM_HOLD_UNITS ? NULL : &f->training.problem,
                                      &sum, &n);
    *rmse = status == BNORM_OK ? sqrt(sum / n) : (double)INFINITY;
    bnorm_problem_release(&f->training);
    bnorm_problem_release(&f->held);
    return status == BNORM_E_NONFINITE ? BNORM_OK : status;
}

static bnorm_status ask(const folding *f)
{
    const bnorm_fit_options *o = &f->fit->fit;
    if (o->interrupted && o->interrupted(o->interrupted_user))
        return bnorm_fail(f->ctx, BNORM_E_INTERRUPTED, "interrupted");
    return BNORM_OK;
}

static bnorm_status try_candidate(folding *f, const bnorm_panel_candidate *c, double *rmse)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < f->folds && status == BNORM_OK; k++) {
        problem q;
        split(f, k);
        status = ask(f);
        if (status == BNORM_OK) status = build(f, c, &q);
        if (status == BNORM_OK) status = try_fold(f, &q, rmse + k);
        drop_networks(f);
    }
    return status;
}

static bnorm_status choose(const folding *f, ptrdiff_t count, const double *rmse,
                           ptrdiff_t *best)
{
    double least = (double)INFINITY;
    *best = -1;
    for (ptrdiff_t c = 0; c < count; c++) {
        double sum = 0;
        for (ptrdiff_t k = 0; k < f->folds; k++) sum += rmse[c * f->folds + k];
        if (!(sum < least)) continue;
        least = sum;
        *best = c;
    }
    if (*best >= 0) return BNORM_OK;
    return bnorm_fail(
        f->ctx, BNORM_E_NONFINITE,
        "bnorm_panel_cv: the fits of every candidate diverged: give penalties, or a "
        "lower rate");
}

/* --------------------------------------------------------------------------------- whole */

static bnorm_status check_candidates(const folding *f, const bnorm_panel_candidate *c,
                                     ptrdiff_t count)
{
    const char *wrong = NULL;
    for (ptrdiff_t k = 0; k < count && !wrong; k++) {
        if (c[k].layers < 0 || (c[k].layers && !c[k].hidden)) wrong = "has no hidden layers";
        for (ptrdiff_t l = 0; l < c[k].layers && !wrong; l++)
            if (c[k].hidden[l] < 1) wrong = "has a hidden layer without units";
        if (!(c[k].penalty >= 0 && c[k].penalty_top >= 0) || isinf(c[k].penalty) ||
            isinf(c[k].penalty_top))
            wrong = "has a penalty that is negative or not finite";
        if (!c[k].layers && !f->panel->info.linear)
            wrong = "without networks has nothing to estimate: the formula has no linear term";
        if (wrong)
            return bnorm_fail(f->ctx, BNORM_E_ARGUMENT, "bnorm_panel_cv: candidate %td %s",
                              k + 1, wrong);
    }
    return BNORM_OK;
}

static bnorm_status validate(folding *f, const bnorm_panel_candidate *candidates,
                             ptrdiff_t count, double *rmse, ptrdiff_t *best)
{
    ptrdiff_t rows = f->panel->info.rows;
    f->fold = bnorm_alloc(f->ctx, rows, sizeof *f->fold);
    f->rows = bnorm_alloc(f->ctx, rows, sizeof *f->rows);
    f->theta = bnorm_alloc_zero(f->ctx, f->panel->info.linear, sizeof *f->theta);
    bnorm_status status =
        f->fold && f->rows && f->theta ? BNORM_OK : bnorm_fail_memory(f->ctx, "folds");
    if (status == BNORM_OK) status = check_candidates(f, candidates, count);
    if (status == BNORM_OK) status = make_folds(f);
    for (ptrdiff_t c = 0; c < count && status == BNORM_OK; c++)
        status = try_candidate(f, candidates + c, rmse + c * f->folds);
    if (status == BNORM_OK) status = choose(f, count, rmse, best);
    bnorm_free(f->fold);
    bnorm_free(f->rows);
    bnorm_free(f->theta);
    return status;
}

bnorm_status bnorm_panel_cv(bnorm_ctx *ctx, const char *formula, const bnorm_table *table,
                            const double *weights, const bnorm_panel_options *options,
                            const bnorm_panel_fit_options *fit, bnorm_hold by, ptrdiff_t folds,
                            const bnorm_panel_candidate *candidates, ptrdiff_t count,
                            double *rmse, ptrdiff_t *best)
{
    bnorm_panel_fit_options o;
    bnorm_panel_fit_defaults(&o);
    if (fit) o = *fit;
    if (!rmse || !best || !candidates || count < 1 || o.struct_size != sizeof o ||
        (int)by < 0 || by > BNORM_HOLD_PERIODS || o.bags)
        return bnorm_fail(
            ctx, BNORM_E_ARGUMENT,
            "bnorm_panel_cv: something is NULL or out of range, or bags are given");
    folding f = {.ctx = ctx, .fit = &o, .by = by, .folds = folds};
    for (ptrdiff_t k = 0; k < count * (folds > 0 && folds <= FOLDS ? folds : 0); k++)
        rmse[k] = (double)NAN;
    bnorm_status status = bnorm_panel_check_fit(ctx, &o);
    if (status == BNORM_OK)
        status = bnorm_panel_create(ctx, formula, table, weights, options, &f.panel);
    if (status == BNORM_OK) status = validate(&f, candidates, count, rmse, best);
    bnorm_panel_destroy(f.panel);
    return status;
}
