/* describe: what a structured model tells about itself. NULL models and numbers outside give NULL
 * or 0. */
#include "base/ctx.h"
#include "structured/panel.h"

bnorm_status bnorm_panel_describe(const bnorm_panel *panel, bnorm_panel_info *info)
{
    if (!panel || !info) return BNORM_E_ARGUMENT;
    *info = panel->info;
    return BNORM_OK;
}

static const char *linear_name(const bnorm_panel *p, ptrdiff_t k)
{
    if (p->intercept && k == 0) return "(Intercept)";
    return bnorm_frame_input_name(p->linear, k - p->intercept);
}

const char *bnorm_panel_name(const bnorm_panel *panel, bnorm_panel_part part, ptrdiff_t k)
{
    if (!panel || k < 0) return NULL;
    switch (part) {
    case BNORM_PANEL_LINEAR:
        return linear_name(panel, k);
    case BNORM_PANEL_DROPPED:
        return k < panel->info.dropped ? panel->dropped[k].name : NULL;
    case BNORM_PANEL_REASON:
        return k < panel->info.dropped ? panel->dropped[k].reason : NULL;
    case BNORM_PANEL_NETWORK:
        return k < panel->info.networks ? panel->names[k] : NULL;
    case BNORM_PANEL_INPUT:
        return k < panel->info.inputs ? panel->variables[k].name : NULL;
    case BNORM_PANEL_FACTOR:
        return k < panel->info.factors ? panel->factors[k].name : NULL;
    }
    return NULL;
}

const char *bnorm_panel_formula(const bnorm_panel *panel)
{
    return panel ? panel->formula : NULL;
}

const char *bnorm_panel_target_name(const bnorm_panel *panel)
{
    return panel ? bnorm_frame_target_name(panel->linear) : NULL;
}

const ptrdiff_t *bnorm_panel_rows(const bnorm_panel *panel)
{
    return panel ? panel->rows : NULL;
}

const double *bnorm_panel_coefficients(const bnorm_panel *panel)
{
    return panel ? panel->theta : NULL;
}

const double *bnorm_panel_members(const bnorm_panel *panel, ptrdiff_t *members)
{
    const double *bag = panel ? panel->bag : NULL;
    if (members) *members = bag ? panel->members : 0;
    return bag;
}

bnorm_net *bnorm_panel_net(bnorm_panel *panel, ptrdiff_t k, const double **top)
{
    int there = panel && k >= 0 && k < panel->members * panel->info.networks;
    if (top) *top = there ? panel->nets[k].top : NULL;
    return there ? panel->nets[k].net : NULL;
}

static const panel_factor *factor_of(const bnorm_panel *panel, ptrdiff_t factor)
{
    return panel && factor >= 0 && factor < panel->info.factors ? panel->factors + factor
                                                                : NULL;
}

ptrdiff_t bnorm_panel_levels(const bnorm_panel *panel, ptrdiff_t factor)
{
    const panel_factor *f = factor_of(panel, factor);
    return f ? f->levels : 0;
}

const char *bnorm_panel_level_name(const bnorm_panel *panel, ptrdiff_t factor, ptrdiff_t level)
{
    const panel_factor *f = factor_of(panel, factor);
    if (!f || level < 0 || level >= f->levels) return NULL;
    if (f->labels) return f->labels[level];
    return bnorm_names_text(&panel->bar->learned[f->effect.variable[0]].levels, level);
}

const double *bnorm_panel_effects(const bnorm_panel *panel, ptrdiff_t factor)
{
    const panel_factor *f = factor_of(panel, factor);
    return f ? f->effects : NULL;
}

bnorm_status bnorm_panel_need_rows(bnorm_ctx *ctx, const bnorm_panel *panel, const char *what)
{
    if (panel->rows) return BNORM_OK;
    return bnorm_fail(
        ctx, BNORM_E_ARGUMENT,
        "%s: the model comes from a file, without the rows it was fitted to; make "
        "it again with bnorm_panel_create",
        what);
}

bnorm_status bnorm_panel_need_fit(bnorm_ctx *ctx, const bnorm_panel *panel, const char *what)
{
    if (panel->info.fitted) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s: the model is not fitted", what);
}
