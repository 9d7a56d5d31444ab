/* settle: what follows from the parameters of a model with its rows: residuals, fixed effects, and
 * how well the model fits. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "panel/panel.h"
#include "structured/panel.h"

/* ----------------------------------------------------------------------------- residuals */

/* E = Q(y - P theta - V G2): the residuals themselves, not what is left of y and its fit. */
static bnorm_status errors(bnorm_ctx *ctx, const bnorm_panel *p, double *e)
{
    bnorm_mat_f64 none = {0};
    return bnorm_problem_design(ctx, &p->problem, none, none, e);
}

bnorm_status bnorm_panel_residuals(bnorm_ctx *ctx, const bnorm_panel *panel, double *fitted,
                                   double *residuals)
{
    if (!panel)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_panel_residuals: panel is NULL");
    bnorm_status status = bnorm_panel_need_rows(ctx, panel, "bnorm_panel_residuals");
    if (status == BNORM_OK) status = bnorm_panel_need_fit(ctx, panel, "bnorm_panel_residuals");
    ptrdiff_t rows = panel->info.rows;
    double *e = residuals ? residuals : bnorm_alloc(ctx, rows, sizeof *e);
    if (status == BNORM_OK && !e) status = bnorm_fail_memory(ctx, "residuals");
    if (status == BNORM_OK) status = errors(ctx, panel, e);
    for (ptrdiff_t i = 0; i < rows && fitted && status == BNORM_OK; i++)
        fitted[i] = panel->y[i] - e[i];
    if (!residuals) bnorm_free(e);
    return status;
}

/* ------------------------------------------------------------------------------- effects */

static double weight_of(const bnorm_panel *p, ptrdiff_t i)
{
    return p->weights ? p->weights[i] : 1;
}

static void take_effects(bnorm_panel *p, const double *effects)
{
    for (ptrdiff_t k = 0; k < p->info.factors; k++) {
        panel_factor *f = p->factors + k;
        memcpy(f->effects, effects, (size_t)f->levels * sizeof *effects);
        effects += f->levels;
        double sum = 0;
        for (ptrdiff_t i = 0; i < p->info.rows; i++)
            sum += weight_of(p, i) * f->effects[p->codes[k][i]];
        f->mean = sum / p->info.n;
    }
}

/* The fixed effects that belong to y - P theta - V G2. */
static bnorm_status settle_effects(bnorm_ctx *ctx, bnorm_panel *p)
{
    ptrdiff_t total = 0;
    if (!p->within) return BNORM_OK;
    for (ptrdiff_t k = 0; k < p->info.factors; k++) total += p->factors[k].levels;
    double *effects = bnorm_alloc(ctx, total, sizeof *effects);
    double *rest = bnorm_alloc(ctx, p->info.rows, sizeof *rest);
    bnorm_status status =
        effects && rest ? BNORM_OK : bnorm_fail_memory(ctx, "the fixed effects");
    if (status == BNORM_OK) status = bnorm_problem_score(ctx, &p->problem, rest);
    for (ptrdiff_t i = 0; i < p->info.rows && status == BNORM_OK; i++)
        rest[i] = p->y[i] - rest[i];
    if (status == BNORM_OK) status = bnorm_within_effects(ctx, p->within, rest, effects);
    if (status == BNORM_OK) take_effects(p, effects);
    bnorm_free(effects);
    bnorm_free(rest);
    return status;
}

/* -------------------------------------------------------------------------------- counts */

/* sum of omega (y - mean)^2. */
static double squares(const bnorm_panel *p, const double *y, double mean)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < p->info.rows; i++)
        sum += weight_of(p, i) * (y[i] - mean) * (y[i] - mean);
    return sum;
}

static double mean_of(const bnorm_panel *p, const double *y)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < p->info.rows; i++) sum += weight_of(p, i) * y[i];
    return sum / p->info.n;
}

/* e: rows, scratch. */
static bnorm_status settle_info(bnorm_ctx *ctx, bnorm_panel *p, double *e)
{
    bnorm_panel_info *info = &p->info;
    ptrdiff_t parameters;
    bnorm_mat_f64 column = bnorm_view_f64(e, info->rows, 1, BNORM_COL_MAJOR);
    bnorm_status status = errors(ctx, p, e);
    if (status != BNORM_OK) return status;
    info->sse = squares(p, e, 0);
    info->tss = squares(p, p->y, mean_of(p, p->y));
    info->tss_within = info->tss;
    if (p->within) {
        bnorm_mat_f64 y = bnorm_view_f64(p->y, info->rows, 1, BNORM_COL_MAJOR);
        status = bnorm_demean_f64(ctx, p->within, y, column, NULL);
        info->tss_within = squares(p, e, 0);
        info->absorbed = bnorm_within_rank(p->within);
    }
    if (status == BNORM_OK) status = bnorm_problem_identified(ctx, &p->problem, &parameters);
    if (status != BNORM_OK) return status;
    info->r2 = 1 - info->sse / info->tss;
    info->r2_within = 1 - info->sse / info->tss_within;
    info->rmse = sqrt(info->sse / info->n);
    info->df = (double)(info->rows - info->absorbed - parameters);
    info->sigma = info->df > 0 ? sqrt(info->sse / info->df) : (double)NAN;
    return BNORM_OK;
}

bnorm_status bnorm_panel_settle(bnorm_ctx *ctx, bnorm_panel *panel)
{
    double *e = bnorm_alloc(ctx, panel->info.rows, sizeof *e);
    bnorm_status status = e ? settle_info(ctx, panel, e) : bnorm_fail_memory(ctx, "residuals");
    bnorm_free(e);
    if (status == BNORM_OK) status = settle_effects(ctx, panel);
    if (status == BNORM_OK) panel->info.fitted = 1;
    return status;
}
