/* panel_file: structured models in files, and the check of their gradients. */
#include "panel.h"

#include <string.h>

SEXP panel_save_call(SEXP pointer, SEXP vcov, SEXP path)
{
    bnorm_panel *panel = panel_of(pointer);
    const bnorm_vcov *v = panel_vcov_of(vcov);
    glue_try(
        bnorm_panel_save(glue_ctx(), panel, v, R_ExpandFileName(glue_string(path, "file"))));
    return R_NilValue;
}

/* list(pointer, vcov): vcov is NULL when the file holds none. */
SEXP panel_load_call(SEXP path)
{
    holder *h, *of_vcov;
    SEXP list = PROTECT(glue_new_list(2));
    SEXP pointer = PROTECT(holder_make(R_NilValue, &h));
    SEXP vcov = PROTECT(holder_make(R_NilValue, &of_vcov));
    glue_try(bnorm_panel_load(glue_ctx(), R_ExpandFileName(glue_string(path, "file")),
                              &h->panel, &of_vcov->vcov));
    glue_put(list, 0, "pointer", pointer);
    glue_put(list, 1, "vcov", of_vcov->vcov ? vcov : R_NilValue);
    UNPROTECT(3);
    return list;
}

/* Whether a file holds a structured model. What cannot be read is left to the loader to judge. */
SEXP panel_is_call(SEXP path)
{
    bnorm_file_kind kind;
    const char *file = R_ExpandFileName(glue_string(path, "file"));
    bnorm_status status = bnorm_file_kind_of(glue_ctx(), file, &kind);
    return Rf_ScalarLogical(status == BNORM_OK && kind == BNORM_FILE_PANEL);
}

/* The hidden layers as they were; the top layer is solved for, and nothing more: the tolerance is
 * reached at the start. */
static bnorm_status resume(bnorm_panel *from, bnorm_panel *to)
{
    bnorm_panel_fit_options f;
    bnorm_net *net;
    for (ptrdiff_t k = 0; (net = bnorm_panel_net(to, k, NULL)); k++) {
        ptrdiff_t count, known = 0;
        double *here = bnorm_net_parameters(net, &count);
        bnorm_net *was = bnorm_panel_net(from, k, NULL);
        const double *there = was ? bnorm_net_parameters(was, &known) : NULL;
        if (known != count) glue_stop("format", "'object' is damaged: its networks do not fit");
        memcpy(here, there, (size_t)count * sizeof *here);
    }
    bnorm_panel_fit_defaults(&f);
    f.fit.optimizer = BNORM_OPTIMIZER_LBFGS;
    f.fit.tolerance = 1e300;
    return bnorm_panel_fit(glue_ctx(), to, &f, NULL);
}

/* A model that was loaded with its rows again: one of the same table and settings. */
SEXP panel_revive_call(SEXP loaded, SEXP formula, SEXP columns, SEXP weights, SEXP options)
{
    int protected = 1;
    holder *h;
    user_state state;
    bnorm_panel_options o;
    bnorm_panel *from = panel_of(loaded);
    SEXP pointer = PROTECT(holder_make(glue_member(options, "activation"), &h));
    table_make(h, columns);
    const double *w = panel_weights(h, weights, &protected);
    panel_settings(h, options, &o);
    glue_try(bnorm_panel_create(glue_ctx(), glue_string(formula, "formula"), h->table, w, &o,
                                &h->panel));
    user_begin(&state, h);
    panel_end(&state, resume(from, h->panel));
    bnorm_table_destroy(h->table);
    h->table = NULL;
    UNPROTECT(protected);
    return pointer;
}

/* ------------------------------------------------------------------------------ gradients */

SEXP panel_check_call(SEXP pointer, SEXP seed, SEXP entries)
{
    bnorm_panel *panel = panel_of(pointer);
    ptrdiff_t blocks = 0;
    double s = glue_whole(seed, "seed", 0, 9007199254740992.0);
    ptrdiff_t most = (ptrdiff_t)glue_whole(entries, "entries", 0, 1e9);
    glue_try(bnorm_panel_check(glue_ctx(), panel, (uint64_t)s, most, NULL, &blocks));
    bnorm_check_block *report =
        (bnorm_check_block *)R_alloc((size_t)blocks + 1, sizeof *report);
    user_state state;
    panel_begin(&state, pointer);
    bnorm_status status =
        bnorm_panel_check(glue_ctx(), panel, (uint64_t)s, most, report, &blocks);
    user_end(&state);
    if (status != BNORM_E_CHECK) glue_try(status);
    return model_report(report, blocks);
}
