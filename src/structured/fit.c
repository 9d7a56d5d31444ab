/* fit: the fit of a structured model, and of bags of fits. What stays behind is a model that is
 * settled, also after an interruption. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "panel/panel.h"
#include "structured/panel.h"

#define BAGS 10000 /* at most */

void bnorm_panel_fit_defaults(bnorm_panel_fit_options *options)
{
    if (!options) return;
    *options = (bnorm_panel_fit_options){.struct_size = sizeof *options, .starts = 1};
    options->hold = BNORM_HOLD_UNITS;
    bnorm_fit_defaults(&options->fit);
}

bnorm_status bnorm_panel_check_fit(bnorm_ctx *ctx, const bnorm_panel_fit_options *o)
{
    const char *wrong = NULL;
    if (o->starts < 1)
        wrong = "starts is below 1";
    else if (!(o->validate >= 0 && o->validate < 1))
        wrong = "validate must be at least 0 and below 1";
    else if (o->bags < 0 || o->bags > BAGS)
        wrong = "bags must be from 0 to 10000";
    else if (o->bags && o->validate > 0)
        wrong = "a bag holds nothing out: give bags or validate";
    if (!wrong) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_panel_fit: %s", wrong);
}

/* ---------------------------------------------------------------------------- one fit */

static problem_hold hold_of(bnorm_hold hold)
{
    return hold == BNORM_HOLD_UNITS     ? HOLD_UNITS
           : hold == BNORM_HOLD_PERIODS ? HOLD_PERIODS
                                        : HOLD_ROWS;
}

/* Held rows have chosen the hidden layers. What is linear, and its covariance, is of all rows. */
static bnorm_status solve_whole(bnorm_ctx *ctx, problem *p, bnorm_status status)
{
    char message[BNORM_MESSAGE_SIZE] = "";
    if (status != BNORM_OK && status != BNORM_E_INTERRUPTED) return status;
    if (ctx) memcpy(message, bnorm_ctx_message(ctx), sizeof message);
    bnorm_status solved = bnorm_problem_solve(ctx, p);
    return status == BNORM_OK ? solved : bnorm_fail(ctx, status, "%s", message);
}

bnorm_status bnorm_panel_fit_problem(bnorm_ctx *ctx, problem *p,
                                     const bnorm_panel_fit_options *o, problem_report *report)
{
    problem_fit f;
    unsigned char *held = NULL;
    bnorm_status status = BNORM_OK;
    bnorm_problem_fit_defaults(&f);
    f.fit = o->fit;
    f.starts = o->starts;
    if (o->validate > 0) {
        held = bnorm_alloc_zero(ctx, p->rows, 1);
        status =
            held ? bnorm_problem_hold(ctx, p, hold_of(o->hold), o->validate, o->fit.seed, held)
                 : bnorm_fail_memory(ctx, "what is held out");
        f.held = held;
        f.held_effects = o->hold != BNORM_HOLD_UNITS;
    }
    if (status == BNORM_OK) {
        status = bnorm_problem_fit(ctx, p, &f, report);
        if (held) status = solve_whole(ctx, p, status);
    }
    bnorm_free(held);
    return status;
}

/* --------------------------------------------------------------------------------- bags */

/* Makes the networks of all members; those there are go. */
static bnorm_status renew(bnorm_ctx *ctx, bnorm_panel *p, ptrdiff_t members)
{
    ptrdiff_t count = p->info.networks;
    problem_network *nets = bnorm_alloc_zero(ctx, members * count, sizeof *nets);
    bnorm_status status = nets ? BNORM_OK : bnorm_fail_memory(ctx, "a bag");
    for (ptrdiff_t b = 0; b < members; b++)
        for (ptrdiff_t k = 0; k < count && status == BNORM_OK; k++) {
            nets[b * count + k].x = p->nets[k].x;
            status = bnorm_panel_build(ctx, p, k, b, &nets[b * count + k].net);
        }
    problem_network *old = status == BNORM_OK ? p->nets : nets;
    ptrdiff_t olds = status == BNORM_OK ? p->members : members;
    for (ptrdiff_t k = 0; old && k < olds * count; k++) bnorm_net_destroy(old[k].net);
    bnorm_free(old);
    if (status != BNORM_OK) return status;
    p->nets = nets;
    p->members = members;
    return bnorm_panel_place(ctx, p);
}

/* How often each unit (or row, without units) is drawn. */
static void draw(uint64_t seed, ptrdiff_t bag, ptrdiff_t groups, double *times)
{
    for (ptrdiff_t g = 0; g < groups; g++) times[g] = 0;
    for (ptrdiff_t g = 0; g < groups; g++) {
        double u;
        bnorm_random_uniform(seed, (uint64_t)bag + 1, (uint64_t)g, 1, &u);
        ptrdiff_t drawn = (ptrdiff_t)(u * (double)groups);
        times[drawn < groups ? drawn : groups - 1]++;
    }
}

typedef struct bagging {
    bnorm_ctx *ctx;
    bnorm_panel *panel;
    const bnorm_panel_fit_options *options;
    ptrdiff_t groups, *rows;
    double *group_times, *times; /* groups; rows */
} bagging;

/* The fit of one member: its networks and top, and its theta into the panel's. */
static bnorm_status fit_member(bagging *g, ptrdiff_t bag, problem_report *report)
{
    bnorm_panel *p = g->panel;
    ptrdiff_t count = 0;
    draw(g->options->fit.seed, bag, g->groups, g->group_times);
    for (ptrdiff_t i = 0; i < p->info.rows; i++) {
        double t = g->group_times[p->problem.unit ? p->problem.unit[i] : i];
        if (t == 0) continue;
        g->rows[count] = i;
        g->times[count++] = t;
    }
    problem_part part;
    problem_fit f;
    bnorm_problem_fit_defaults(&f);
    f.fit = g->options->fit;
    f.fit.seed += (uint64_t)bag;
    f.starts = g->options->starts;
    problem whole = p->problem;
    whole.networks = p->nets + bag * p->info.networks;
    whole.network_count = p->info.networks;
    whole.top_count = p->info.top / p->members;
    bnorm_status status = bnorm_problem_take(g->ctx, &whole, g->rows, count, g->times, &part);
    if (status == BNORM_OK) status = bnorm_problem_fit(g->ctx, &part.problem, &f, report);
    bnorm_problem_release(&part);
    return status;
}

static void summarise(const problem_report *one, ptrdiff_t bag, problem_report *all)
{
    if (!bag) {
        *all = *one;
        return;
    }
    all->starts_done += one->starts_done;
    all->fit.epochs += one->fit.epochs;
    all->fit.seconds += one->fit.seconds;
    all->fit.converged &= one->fit.converged;
    all->best = fmin(all->best, one->best);
    all->worst = fmax(all->worst, one->worst);
}

/* theta: the mean over the members; G2 of each divided by their number. */
static void average(bnorm_panel *p)
{
    ptrdiff_t linear = p->info.linear;
    for (ptrdiff_t j = 0; j < linear; j++) {
        double sum = 0;
        for (ptrdiff_t b = 0; b < p->members; b++) sum += p->bag[b * linear + j];
        p->theta[j] = sum / (double)p->members;
    }
    for (ptrdiff_t j = 0; j < p->info.top; j++) p->top[j] /= (double)p->members;
}

static bnorm_status fit_members(bagging *g, problem_report *report)
{
    bnorm_panel *p = g->panel;
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t b = 0; b < p->members && status == BNORM_OK; b++) {
        problem_report one;
        status = fit_member(g, b, &one);
        memcpy(p->bag + b * p->info.linear, p->theta,
               (size_t)p->info.linear * sizeof *p->theta);
        if (status == BNORM_OK) summarise(&one, b, report);
    }
    if (status == BNORM_OK) average(p);
    return status;
}

static bnorm_status fit_bags(bnorm_ctx *ctx, bnorm_panel *p, const bnorm_panel_fit_options *o,
                             problem_report *report)
{
    bagging g = {.ctx = ctx, .panel = p, .options = o};
    bnorm_status status = renew(ctx, p, o->bags);
    if (status != BNORM_OK) return status;
    g.groups = p->problem.unit ? p->problem.units : p->info.rows;
    g.rows = bnorm_alloc(ctx, p->info.rows, sizeof *g.rows);
    g.times = bnorm_alloc(ctx, p->info.rows, sizeof *g.times);
    g.group_times = bnorm_alloc(ctx, g.groups, sizeof *g.group_times);
    p->bag = bnorm_alloc_zero(ctx, p->members * p->info.linear, sizeof *p->bag);
    status = g.rows && g.times && g.group_times && p->bag ? fit_members(&g, report)
                                                          : bnorm_fail_memory(ctx, "a bag");
    bnorm_free(g.rows);
    bnorm_free(g.times);
    bnorm_free(g.group_times);
    return status;
}

/* ---------------------------------------------------------------------------- the whole */

static void fill_report(const problem_report *from, bnorm_panel_report *report)
{
    if (!report) return;
    report->fit = from->fit;
    report->starts_done = from->starts_done;
    report->best = from->best;
    report->worst = from->worst;
    report->validation_rmse = from->validation_rmse;
}

bnorm_status bnorm_panel_fit(bnorm_ctx *ctx, bnorm_panel *panel,
                             const bnorm_panel_fit_options *options, bnorm_panel_report *report)
{
    bnorm_panel_fit_options o;
    problem_report made = {.validation_rmse = (double)NAN};
    bnorm_panel_fit_defaults(&o);
    if (options) o = *options;
    if (!panel || o.struct_size != sizeof o)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_fit: panel is NULL, or struct_size is unknown");
    bnorm_status status = bnorm_panel_need_rows(ctx, panel, "bnorm_panel_fit");
    if (status == BNORM_OK) status = bnorm_panel_check_fit(ctx, &o);
    if (status != BNORM_OK) return status;
    panel->info.fitted = 0;
    if (panel->bag) status = renew(ctx, panel, 1);
    bnorm_free(panel->bag);
    panel->bag = NULL;
    if (status != BNORM_OK) return status;
    status = o.bags ? fit_bags(ctx, panel, &o, &made)
                    : bnorm_panel_fit_problem(ctx, &panel->problem, &o, &made);
    int usable = status == BNORM_OK ||
                 (!o.bags && (status == BNORM_E_INTERRUPTED || status == BNORM_E_NONFINITE));
    if (!usable) return status;
    fill_report(&made, report);
    bnorm_status settled = bnorm_panel_settle(ctx, panel);
    return settled == BNORM_OK ? status : settled;
}
