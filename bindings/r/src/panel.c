/* panel: structured models: settings and fitting. */
#include "panel.h"

#include <string.h>

bnorm_panel *panel_of(SEXP pointer)
{
    holder *h = holder_get(pointer);
    if (!h->panel) glue_stop("argument", "'object' holds no structured model");
    return h->panel;
}

const bnorm_vcov *panel_vcov_of(SEXP pointer)
{
    if (Rf_isNull(pointer)) return NULL;
    holder *h = holder_get(pointer);
    if (!h->vcov) glue_stop("argument", "'vcov' holds no covariance");
    return h->vcov;
}

bnorm_panel_info panel_info(const bnorm_panel *panel)
{
    bnorm_panel_info info = {.struct_size = sizeof info};
    glue_try(bnorm_panel_describe(panel, &info));
    return info;
}

ptrdiff_t panel_networks(bnorm_panel *panel)
{
    ptrdiff_t count = 0;
    while (bnorm_panel_net(panel, count, NULL)) count++;
    return count;
}

void panel_begin(user_state *state, SEXP pointer)
{
    user_begin(state, holder_get(pointer));
}

void panel_end(user_state *state, bnorm_status status)
{
    user_end(state);
    glue_try(status);
}

/* -------------------------------------------------------------------------------- settings */

static SEXP member(SEXP options, const char *name)
{
    return glue_member(options, name);
}

static double number(SEXP options, const char *name)
{
    return glue_number(member(options, name), name);
}

static const char *text_or_null(SEXP options, const char *name)
{
    SEXP v = member(options, name);
    return Rf_isNull(v) ? NULL : glue_string(v, name);
}

static ptrdiff_t count(SEXP options, const char *name, double low)
{
    return (ptrdiff_t)glue_whole(member(options, name), name, low, 1e9);
}

const ptrdiff_t *panel_hidden(SEXP hidden, const char *name, ptrdiff_t *layers)
{
    *layers = XLENGTH(hidden);
    ptrdiff_t *units = (ptrdiff_t *)R_alloc((size_t)*layers + 1, sizeof *units);
    if (*layers && TYPEOF(hidden) != REALSXP)
        glue_stop("argument", "'%s' must be the units of each hidden layer; got %s", name,
                  glue_describe(hidden));
    for (ptrdiff_t k = 0; k < *layers; k++)
        units[k] = (ptrdiff_t)glue_whole(PROTECT(Rf_ScalarReal(REAL(hidden)[k])), name, 1, 1e6);
    UNPROTECT((int)*layers);
    return units;
}

bnorm_hold panel_hold(SEXP value, const char *name)
{
    const char *hold = glue_string(value, name);
    if (!strcmp(hold, "units")) return BNORM_HOLD_UNITS;
    if (!strcmp(hold, "periods")) return BNORM_HOLD_PERIODS;
    if (!strcmp(hold, "rows")) return BNORM_HOLD_ROWS;
    glue_stop("argument", "'%s' is \"%.60s\"; it must be units, periods or rows", name, hold);
}

void panel_settings(holder *h, SEXP options, bnorm_panel_options *o)
{
    bnorm_panel_defaults(o);
    o->loss = glue_string(member(options, "loss"), "loss");
    o->hidden = panel_hidden(member(options, "hidden"), "hidden", &o->layers);
    if (!o->layers) o->hidden = NULL; /* R has left the nn() out */
    o->activation = build_activation(h, member(options, "activation"));
    o->batchnorm = glue_flag(member(options, "batchnorm"), "batchnorm");
    o->rule = (bnorm_rule){number(options, "eps"), number(options, "ddof")};
    o->dropout = number(options, "dropout");
    o->penalty = number(options, "penalty");
    o->penalty_top = number(options, "penalty_top");
    o->penalty_linear = number(options, "penalty_linear");
    o->unit = text_or_null(options, "unit");
    o->period = text_or_null(options, "period");
    o->na_error = glue_flag(member(options, "na_error"), "na.action");
    o->keep_singletons = glue_flag(member(options, "keep_singletons"), "singletons");
    o->dot_without = text_or_null(options, "dot_without");
    o->tolerance = number(options, "within_tolerance");
    o->seed = (uint64_t)glue_whole(member(options, "seed"), "seed", 0, 9007199254740992.0);
}

void panel_fit_settings(holder *h, SEXP options, bnorm_panel_fit_options *o)
{
    bnorm_panel_fit_defaults(o);
    fit_settings(h, options, &o->fit);
    o->starts = count(options, "starts", 1);
    o->validate = number(options, "validate");
    o->hold = panel_hold(member(options, "hold"), "hold");
    o->bags = count(options, "bags", 0);
}

const double *panel_weights(const holder *h, SEXP weights, int *protected)
{
    ptrdiff_t n = bnorm_table_rows(h->table);
    if (Rf_isNull(weights)) return NULL;
    if (TYPEOF(weights) != REALSXP && TYPEOF(weights) != INTSXP && TYPEOF(weights) != LGLSXP)
        glue_stop("argument",
                  "'weights' must be a numeric vector, one per row of 'data'; got %s",
                  glue_describe(weights));
    if (Rf_isFactor(weights) || XLENGTH(weights) != n)
        glue_stop("argument", "'weights' must be %td numbers, one per row of 'data'; got %s", n,
                  glue_describe(weights));
    weights = PROTECT(Rf_coerceVector(weights, REALSXP));
    (*protected)++;
    return REAL(weights);
}

/* --------------------------------------------------------------------------------- fitting */

static SEXP report_of(const bnorm_panel_report *r)
{
    SEXP list = PROTECT(glue_new_list(10));
    glue_put(list, 0, "optimizer", Rf_mkString(optimizer_name(r->fit.optimizer)));
    glue_put(list, 1, "epochs", Rf_ScalarReal((double)r->fit.epochs));
    glue_put(list, 2, "best_epoch", Rf_ScalarReal((double)r->fit.best_epoch));
    glue_put(list, 3, "loss", Rf_ScalarReal(r->fit.loss));
    glue_put(list, 4, "validation", Rf_ScalarReal(r->fit.validation));
    glue_put(list, 5, "converged", Rf_ScalarLogical(r->fit.converged));
    glue_put(list, 6, "seconds", Rf_ScalarReal(r->fit.seconds));
    glue_put(list, 7, "starts", Rf_ScalarReal((double)r->starts_done));
    SEXP spread = PROTECT(Rf_allocVector(REALSXP, 2));
    REAL(spread)[0] = r->best;
    REAL(spread)[1] = r->worst;
    glue_put(list, 8, "objective", spread);
    glue_put(list, 9, "validation_rmse", Rf_ScalarReal(r->validation_rmse));
    UNPROTECT(2);
    return list;
}

/* list(pointer, report, history). */
SEXP panel_fit_call(SEXP formula, SEXP columns, SEXP weights, SEXP options)
{
    int protected = 2;
    holder *h;
    user_state state;
    bnorm_panel_options o;
    bnorm_panel_fit_options f;
    bnorm_panel_report report;
    SEXP pointer = PROTECT(holder_make(member(options, "activation"), &h));
    SEXP list = PROTECT(glue_new_list(3));
    table_make(h, columns);
    const double *w = panel_weights(h, weights, &protected);
    panel_settings(h, options, &o);
    panel_fit_settings(h, options, &f);
    user_begin(&state, h);
    bnorm_status status = bnorm_panel_create(glue_ctx(), glue_string(formula, "formula"),
                                             h->table, w, &o, &h->panel);
    if (!status) status = bnorm_panel_fit(glue_ctx(), h->panel, &f, &report);
    panel_end(&state, status);
    bnorm_table_destroy(h->table);
    h->table = NULL;
    glue_put(list, 0, "pointer", pointer);
    glue_put(list, 1, "report", report_of(&report));
    glue_put(list, 2, "history", fit_history(h));
    UNPROTECT(protected);
    return list;
}
