/* create: a structured model from a formula and a table, step by step; the caller sees it when all
 * of them succeeded. */
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/making.h"

void bnorm_panel_defaults(bnorm_panel_options *options)
{
    if (!options) return;
    *options = (bnorm_panel_options){.struct_size = sizeof *options, .batchnorm = 1, .seed = 1};
    options->rule.eps = 1e-5;
    options->penalty_top = 1e-6;
}

static int positive(double x)
{
    return isfinite(x) && x >= 0;
}

static bnorm_status check_options(bnorm_ctx *ctx, const bnorm_panel_options *o)
{
    const char *wrong = NULL;
    if (o->loss && bnorm_loss_find(o->loss) != bnorm_loss_find("squared") &&
        bnorm_loss_find(o->loss) != bnorm_loss_find("logistic"))
        wrong = "the loss must be \"squared\" or \"logistic\"";
    else if (o->hidden && o->layers < 0)
        wrong = "layers is below 0";
    else if (!positive(o->penalty) || !positive(o->penalty_top) || !positive(o->penalty_linear))
        wrong = "a penalty is negative or not finite";
    else if (!positive(o->rule.eps) || !positive(o->rule.ddof))
        wrong = "the rule has a negative eps or ddof";
    else if (!(o->dropout >= 0 && o->dropout < 1))
        wrong = "dropout must be at least 0 and below 1";
    for (ptrdiff_t k = 0; o->hidden && k < o->layers && !wrong; k++)
        if (o->hidden[k] < 1) wrong = "a hidden layer has no units";
    if (!wrong) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_panel_create: %s", wrong);
}

static bnorm_status copy_effects(making *m)
{
    bnorm_panel *p = m->panel;
    const bnorm_structure *s = &m->structure;
    p->info.factors = s->effect_count;
    p->factors = bnorm_alloc_zero(m->ctx, s->effect_count, sizeof *p->factors);
    if (!p->factors) return bnorm_fail_memory(m->ctx, "a panel");
    for (ptrdiff_t k = 0; k < s->effect_count; k++) {
        p->factors[k].effect = s->effects[k];
        p->factors[k].name = bnorm_factor_name(m->ctx, &s->variables, s->effects + k);
        if (!p->factors[k].name) return bnorm_fail_memory(m->ctx, "a panel");
    }
    return BNORM_OK;
}

/* A slope of text would be taken for levels. */
static bnorm_status check_slopes(const making *m)
{
    const bnorm_panel *p = m->panel;
    for (ptrdiff_t k = 0; k < p->info.factors; k++) {
        ptrdiff_t v = p->factors[k].effect.slope, column;
        if (v < 0 || !p->bar->learned[v].factor) continue;
        const char *name = bnorm_names_text(&p->bar->f.columns,
                                            bnorm_variable_column(p->bar->f.variables + v));
        bnorm_status status = bnorm_table_find(m->ctx, m->table, name, &column);
        if (status != BNORM_OK) return status;
        return bnorm_column_bad(m->ctx, m->table, m->table->columns + column, 0);
    }
    return BNORM_OK;
}

/* Frames of the parts of the formula, with nothing learned. */
static bnorm_status begin_frames(making *m)
{
    bnorm_panel *p = m->panel;
    bnorm_structure *s = &m->structure;
    p->info.networks = s->network_count;
    p->networks = bnorm_alloc_zero(m->ctx, s->network_count, sizeof *p->networks);
    p->nets = bnorm_alloc_zero(m->ctx, s->network_count, sizeof *p->nets);
    if (!p->networks || !p->nets) return bnorm_fail_memory(m->ctx, "a panel");
    bnorm_status status =
        bnorm_frame_begin(m->ctx, p->formula, &s->linear, m->table, &p->linear);
    for (ptrdiff_t k = 0; k < s->network_count && status == BNORM_OK; k++)
        status =
            bnorm_frame_begin(m->ctx, p->formula, s->networks + k, m->table, p->networks + k);
    if (status == BNORM_OK)
        status = bnorm_frame_begin(m->ctx, p->formula, &s->variables, m->table, &p->bar);
    return status == BNORM_OK ? check_slopes(m) : status;
}

static bnorm_status read_formula(making *m, const char *formula)
{
    const bnorm_panel_options *o = m->options;
    const char *left_out[] = {o->dot_without, o->unit, o->period};
    bnorm_status status =
        bnorm_structure_read(m->ctx, formula, m->table, left_out, 3, &m->structure);
    if (status != BNORM_OK) return status;
    if (o->hidden && !o->layers) bnorm_structure_drop_networks(&m->structure);
    if (!m->structure.network_count && !m->structure.linear.terms.count &&
        m->structure.effect_count)
        return bnorm_fail(m->ctx, BNORM_E_FORMULA,
                          "formula: without its nn() nothing is to be estimated: give a linear "
                          "term");
    m->panel->info.logistic =
        o->loss && bnorm_loss_find(o->loss) == bnorm_loss_find("logistic");
    if (m->panel->info.logistic && m->structure.effect_count)
        return bnorm_fail(m->ctx, BNORM_E_FORMULA,
                          "the logistic loss has no fixed effects: leave out what follows '|', "
                          "or use the squared loss");
    m->panel->formula = bnorm_strdup(m->ctx, formula);
    return m->panel->formula ? copy_effects(m) : bnorm_fail_memory(m->ctx, "a panel");
}

/* What the fit sees of it, beside the networks, which are there already. */
static void pose(const making *m)
{
    bnorm_panel *p = m->panel;
    const bnorm_panel_options *o = m->options;
    problem *q = &p->problem;
    p->info.rows = m->count;
    q->rows = m->count;
    q->y = p->y;
    q->weights = p->weights;
    q->n = p->info.n;
    q->p = bnorm_view_f64(p->p, m->count, p->info.linear, BNORM_ROW_MAJOR);
    q->theta = p->theta;
    q->within = p->within;
    q->factors = p->views;
    q->factor_count = p->info.factors;
    q->unit = p->index[0];
    q->units = p->info.units;
    q->period = p->index[1];
    q->periods = p->info.periods;
    q->tolerance = o->tolerance;
    q->logistic = p->info.logistic;
    q->penalty_top = o->penalty_top;
    q->penalty_linear = o->penalty_linear;
}

static bnorm_status make(making *m, const char *formula)
{
    static bnorm_status (*const steps[])(making *) = {
        begin_frames,          bnorm_making_rows,  bnorm_making_factors,
        bnorm_making_matrices, bnorm_making_index, bnorm_making_networks};
    m->panel = bnorm_alloc_zero(m->ctx, 1, sizeof *m->panel);
    if (!m->panel) return bnorm_fail_memory(m->ctx, "a panel");
    m->panel->info.struct_size = sizeof m->panel->info;
    m->panel->members = 1;
    bnorm_status status = read_formula(m, formula);
    for (size_t k = 0; k < sizeof steps / sizeof *steps && status == BNORM_OK; k++)
        status = steps[k](m);
    if (status != BNORM_OK) return status;
    m->panel->rows = m->rows;
    m->rows = NULL;
    pose(m);
    return BNORM_OK;
}

bnorm_status bnorm_panel_create(bnorm_ctx *ctx, const char *formula, const bnorm_table *table,
                                const double *weights, const bnorm_panel_options *options,
                                bnorm_panel **panel)
{
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    if (options) o = *options;
    if (panel) *panel = NULL;
    if (!panel || !formula || !table || o.struct_size != sizeof o)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_create: something is NULL, or struct_size is unknown");
    making m = {.ctx = ctx, .table = table, .weights = weights, .options = &o};
    bnorm_status status = check_options(ctx, &o);
    if (status == BNORM_OK) status = make(&m, formula);
    bnorm_structure_clear(&m.structure);
    bnorm_free(m.rows);
    if (status == BNORM_OK)
        *panel = m.panel;
    else
        bnorm_panel_destroy(m.panel);
    return status;
}
