/* panel_cv: cross-validation of structured models. */
#include "panel.h"

/* candidates: a list of list(hidden, penalty, penalty_top). */
static bnorm_panel_candidate *candidates_of(SEXP list)
{
    ptrdiff_t count = XLENGTH(list);
    bnorm_panel_candidate *all =
        (bnorm_panel_candidate *)R_alloc((size_t)count + 1, sizeof *all);
    for (ptrdiff_t k = 0; k < count; k++) {
        SEXP c = VECTOR_ELT(list, k);
        all[k].hidden = panel_hidden(VECTOR_ELT(c, 0), "hidden", &all[k].layers);
        all[k].penalty = glue_number(VECTOR_ELT(c, 1), "penalty");
        all[k].penalty_top = glue_number(VECTOR_ELT(c, 2), "penalty_top");
    }
    return all;
}

/* list(rmse, best): candidates x folds; the candidate's number from 1. */
SEXP panel_cv_call(SEXP formula, SEXP columns, SEXP weights, SEXP options, SEXP by, SEXP folds,
                   SEXP candidates)
{
    int protected = 1;
    holder *h;
    user_state state;
    bnorm_panel_options o;
    bnorm_panel_fit_options f;
    SEXP guard = PROTECT(holder_make(glue_member(options, "activation"), &h));
    table_make(h, columns);
    const double *w = panel_weights(h, weights, &protected);
    panel_settings(h, options, &o);
    panel_fit_settings(h, options, &f);
    bnorm_panel_candidate *all = candidates_of(candidates);
    ptrdiff_t count = XLENGTH(candidates), best = 0;
    ptrdiff_t k = (ptrdiff_t)glue_whole(folds, "folds", 2, 1e9);
    double *rmse = (double *)R_alloc((size_t)(count * k) + 1, sizeof *rmse);
    const char *text = glue_string(formula, "formula");
    bnorm_hold what = panel_hold(by, "by");
    user_begin(&state, h);
    bnorm_status status =
        bnorm_panel_cv(glue_ctx(), text, h->table, w, &o, &f, what, k, all, count, rmse, &best);
    panel_end(&state, status);
    SEXP list = PROTECT(glue_new_list(2)), m = PROTECT(glue_new_matrix(count, k));
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t j = 0; j < k; j++) REAL(m)[i + j * count] = rmse[i * k + j];
    glue_put(list, 0, "rmse", m);
    glue_put(list, 1, "best", Rf_ScalarInteger((int)best + 1));
    holder_release(guard);
    UNPROTECT(protected + 2);
    return list;
}
