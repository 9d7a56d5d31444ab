/* panel_facts: what a structured model says of itself. */
#include "panel.h"

#include <math.h>

static SEXP strings(const bnorm_panel *panel, bnorm_panel_part part)
{
    int count = 0;
    while (bnorm_panel_name(panel, part, count)) count++;
    SEXP s = PROTECT(Rf_allocVector(STRSXP, count));
    for (int k = 0; k < count; k++)
        SET_STRING_ELT(s, k, Rf_mkCharCE(bnorm_panel_name(panel, part, k), CE_UTF8));
    UNPROTECT(1);
    return s;
}

static SEXP number(double value)
{
    return Rf_ScalarReal(isnan(value) ? NA_REAL : value);
}

static SEXP info_of(const bnorm_panel_info *i)
{
    const struct {
        const char *name;
        double value;
    } facts[] = {{"table_rows", (double)i->table_rows},
                 {"missing", (double)i->missing},
                 {"weightless", (double)i->weightless},
                 {"singletons", (double)i->singletons},
                 {"rows", (double)i->rows},
                 {"units", (double)i->units},
                 {"periods", (double)i->periods},
                 {"duplicates", (double)i->duplicates},
                 {"gaps", (double)i->gaps},
                 {"logistic", i->logistic},
                 {"top", (double)i->top},
                 {"hidden", (double)i->hidden},
                 {"absorbed", (double)i->absorbed},
                 {"n", i->n},
                 {"sse", i->sse},
                 {"tss", i->tss},
                 {"tss_within", i->tss_within},
                 {"r2", i->r2},
                 {"r2_within", i->r2_within},
                 {"rmse", i->rmse},
                 {"sigma", i->sigma},
                 {"df", i->df}};
    int count = (int)(sizeof facts / sizeof *facts);
    SEXP list = PROTECT(glue_new_list(count));
    for (int k = 0; k < count; k++) glue_put(list, k, facts[k].name, number(facts[k].value));
    UNPROTECT(1);
    return list;
}

SEXP panel_describe_call(SEXP pointer)
{
    const bnorm_panel *panel = panel_of(pointer);
    bnorm_panel_info info = panel_info(panel);
    const ptrdiff_t *used = bnorm_panel_rows(panel);
    SEXP list = PROTECT(glue_new_list(10));
    SEXP rows = PROTECT(Rf_allocVector(INTSXP, used ? info.rows : 0));
    for (ptrdiff_t i = 0; used && i < info.rows; i++) INTEGER(rows)[i] = (int)used[i] + 1;
    glue_put(list, 0, "formula", glue_text(bnorm_panel_formula(panel)));
    glue_put(list, 1, "target", glue_text(bnorm_panel_target_name(panel)));
    glue_put(list, 2, "linear", strings(panel, BNORM_PANEL_LINEAR));
    glue_put(list, 3, "dropped", strings(panel, BNORM_PANEL_DROPPED));
    glue_put(list, 4, "networks", strings(panel, BNORM_PANEL_NETWORK));
    glue_put(list, 5, "inputs", strings(panel, BNORM_PANEL_INPUT));
    glue_put(list, 6, "factors", strings(panel, BNORM_PANEL_FACTOR));
    glue_put(list, 7, "rows", used ? rows : R_NilValue);
    glue_put(list, 8, "info", info_of(&info));
    glue_put(list, 9, "reasons", strings(panel, BNORM_PANEL_REASON));
    UNPROTECT(2);
    return list;
}

/* The blocks of a network, and its G2 as the last. */
static SEXP network_of(bnorm_panel *panel, ptrdiff_t k)
{
    const double *top;
    bnorm_net *net = bnorm_panel_net(panel, k, &top);
    ptrdiff_t count = bnorm_net_block_count(net), outputs = bnorm_net_outputs(net);
    const double *params = bnorm_net_parameters(net, NULL);
    SEXP list = PROTECT(glue_new_list(count + 1));
    for (ptrdiff_t b = 0; b < count; b++) {
        bnorm_block block;
        glue_try(bnorm_net_block(glue_ctx(), net, b, &block));
        SEXP m = PROTECT(glue_new_matrix(block.rows, block.cols));
        for (ptrdiff_t i = 0; i < block.rows; i++)
            for (ptrdiff_t j = 0; j < block.cols; j++)
                REAL(m)[i + j * block.rows] = params[block.offset + i * block.cols + j];
        glue_put(list, (int)b, block.name, m);
        UNPROTECT(1);
    }
    SEXP last = PROTECT(glue_new_matrix(outputs, 1));
    for (ptrdiff_t j = 0; j < outputs; j++) REAL(last)[j] = top[j];
    glue_put(list, (int)count, "top", last);
    UNPROTECT(2);
    return list;
}

SEXP panel_coef_call(SEXP pointer)
{
    bnorm_panel *panel = panel_of(pointer);
    bnorm_panel_info info = panel_info(panel);
    const double *theta = bnorm_panel_coefficients(panel);
    SEXP list = PROTECT(glue_new_list(2));
    SEXP linear = PROTECT(Rf_allocVector(REALSXP, info.linear));
    SEXP networks = PROTECT(Rf_allocVector(VECSXP, panel_networks(panel)));
    for (ptrdiff_t j = 0; j < info.linear; j++) REAL(linear)[j] = theta[j];
    for (ptrdiff_t k = 0; k < XLENGTH(networks); k++)
        SET_VECTOR_ELT(networks, k, network_of(panel, k));
    glue_put(list, 0, "linear", linear);
    glue_put(list, 1, "networks", networks);
    UNPROTECT(3);
    return list;
}

/* For every factor its effects, named by level. */
SEXP panel_effects_call(SEXP pointer)
{
    const bnorm_panel *panel = panel_of(pointer);
    bnorm_panel_info info = panel_info(panel);
    SEXP list = PROTECT(glue_new_list(info.factors));
    for (ptrdiff_t f = 0; f < info.factors; f++) {
        ptrdiff_t levels = bnorm_panel_levels(panel, f);
        const double *effects = bnorm_panel_effects(panel, f);
        SEXP v = PROTECT(Rf_allocVector(REALSXP, levels));
        SEXP names = PROTECT(Rf_allocVector(STRSXP, levels));
        for (ptrdiff_t l = 0; l < levels; l++) {
            REAL(v)[l] = isnan(effects[l]) ? NA_REAL : effects[l];
            SET_STRING_ELT(names, l, Rf_mkCharCE(bnorm_panel_level_name(panel, f, l), CE_UTF8));
        }
        Rf_setAttrib(v, R_NamesSymbol, names);
        glue_put(list, (int)f, bnorm_panel_name(panel, BNORM_PANEL_FACTOR, f), v);
        UNPROTECT(2);
    }
    UNPROTECT(1);
    return list;
}

/* list(fitted, residuals) of the rows used. */
SEXP panel_residuals_call(SEXP pointer)
{
    const bnorm_panel *panel = panel_of(pointer);
    bnorm_panel_info info = panel_info(panel);
    SEXP list = PROTECT(glue_new_list(2));
    SEXP fitted = Rf_allocVector(REALSXP, info.rows);
    glue_put(list, 0, "fitted", fitted);
    SEXP residuals = Rf_allocVector(REALSXP, info.rows);
    glue_put(list, 1, "residuals", residuals);
    user_state state;
    panel_begin(&state, pointer);
    panel_end(&state, bnorm_panel_residuals(glue_ctx(), panel, REAL(fitted), REAL(residuals)));
    UNPROTECT(1);
    return list;
}
