/* panel_infer: covariances of structured models, and what needs them. */
#include "panel.h"

#include <math.h>

static SEXP square(ptrdiff_t n)
{
    return glue_new_matrix(n, n);
}

static void na_for_nan(SEXP values)
{
    for (R_xlen_t i = 0; i < XLENGTH(values); i++)
        if (isnan(REAL(values)[i])) REAL(values)[i] = NA_REAL;
}

/* --------------------------------------------------------------------------- covariances */

static void read_options(SEXP options, bnorm_vcov_options *o)
{
    SEXP cluster = glue_member(options, "cluster");
    bnorm_vcov_defaults(o);
    o->type = (bnorm_vcov_type)glue_whole(glue_member(options, "type"), "type", 0, 3);
    o->count = (bnorm_vcov_count)glue_whole(glue_member(options, "count"), "count", 0, 2);
    o->full = glue_flag(glue_member(options, "full"), "full");
    o->small = glue_flag(glue_member(options, "small"), "small");
    for (int k = 0; k < 2 && TYPEOF(cluster) == STRSXP && k < LENGTH(cluster); k++)
        o->cluster[k] = Rf_translateCharUTF8(STRING_ELT(cluster, k));
}

SEXP panel_vcov_describe_call(SEXP pointer)
{
    static const char *const types[] = {"classical", "hc0", "hc1", "cluster"};
    const bnorm_vcov *v = panel_vcov_of(pointer);
    bnorm_vcov_info info = {.struct_size = sizeof info};
    if (!v) return R_NilValue;
    glue_try(bnorm_vcov_describe(v, &info));
    SEXP list = PROTECT(glue_new_list(9));
    SEXP clusters = PROTECT(Rf_allocVector(REALSXP, 2));
    SEXP lost = PROTECT(Rf_allocVector(STRSXP, info.unidentified));
    int ways = bnorm_vcov_cluster(v, 0) ? bnorm_vcov_cluster(v, 1) ? 2 : 1 : 0;
    SEXP by = PROTECT(Rf_allocVector(STRSXP, ways));
    for (int k = 0; k < 2; k++) REAL(clusters)[k] = (double)info.clusters[k];
    for (ptrdiff_t k = 0; k < info.unidentified; k++)
        SET_STRING_ELT(lost, k, Rf_mkCharCE(bnorm_vcov_unidentified(v, k), CE_UTF8));
    glue_put(list, 0, "type", Rf_mkString(types[info.type]));
    glue_put(list, 1, "full", Rf_ScalarLogical(info.full));
    glue_put(list, 2, "parameters", Rf_ScalarReal((double)info.parameters));
    glue_put(list, 3, "rank", Rf_ScalarReal((double)info.rank));
    glue_put(list, 4, "unidentified", lost);
    glue_put(list, 5, "clusters", clusters);
    glue_put(list, 6, "edf", Rf_ScalarReal(info.edf));
    glue_put(list, 7, "df", Rf_ScalarReal(info.df));
    for (int k = 0; k < ways; k++)
        SET_STRING_ELT(by, k, Rf_mkCharCE(bnorm_vcov_cluster(v, k), CE_UTF8));
    glue_put(list, 8, "by", by);
    UNPROTECT(4);
    return list;
}

/* A pointer to the covariance. columns: the table, or NULL when factors are enough. */
SEXP panel_vcov_call(SEXP pointer, SEXP columns, SEXP options)
{
    user_state state;
    holder *h;
    bnorm_vcov_options o;
    bnorm_panel *panel = panel_of(pointer);
    SEXP made = PROTECT(holder_make(R_NilValue, &h));
    if (!Rf_isNull(columns)) table_make(h, columns);
    read_options(options, &o);
    panel_begin(&state, pointer);
    panel_end(&state, bnorm_vcov_create(glue_ctx(), panel, h->table, &o, &h->vcov));
    bnorm_table_destroy(h->table);
    h->table = NULL;
    UNPROTECT(1);
    return made;
}

/* Of the linear coefficients, `linear` of them, or of all parameters. */
SEXP panel_vcov_matrix_call(SEXP pointer, SEXP linear, SEXP all)
{
    const bnorm_vcov *v = panel_vcov_of(pointer);
    bnorm_vcov_info info = {.struct_size = sizeof info};
    if (!v) glue_stop("argument", "'vcov' holds no covariance");
    glue_try(bnorm_vcov_describe(v, &info));
    int whole = glue_flag(all, "all");
    ptrdiff_t n =
        whole ? info.parameters : (ptrdiff_t)glue_whole(linear, "linear", 0, (double)INT_MAX);
    SEXP m = PROTECT(square(n));
    glue_try(whole ? bnorm_vcov_all(v, glue_view(m)) : bnorm_vcov_linear(v, glue_view(m)));
    na_for_nan(m);
    UNPROTECT(1);
    return m;
}

/* list(design, penalty): Q[P, V], or the Jacobian of all parameters. */
SEXP panel_design_call(SEXP pointer, SEXP full)
{
    user_state state;
    bnorm_panel *panel = panel_of(pointer);
    bnorm_panel_info info = panel_info(panel);
    int whole = glue_flag(full, "full");
    SEXP m =
        PROTECT(glue_new_matrix(info.rows, info.linear + info.top + (whole ? info.hidden : 0)));
    panel_begin(&state, pointer);
    panel_end(&state, bnorm_panel_design(glue_ctx(), panel, whole, glue_view(m)));
    UNPROTECT(1);
    return m;
}

/* ------------------------------------------------------------------------------- effects */

static SEXP estimate_and_se(ptrdiff_t count)
{
    SEXP list = PROTECT(glue_new_list(2));
    glue_put(list, 0, "estimate", Rf_allocVector(REALSXP, count));
    glue_put(list, 1, "se", Rf_allocVector(REALSXP, count));
    for (ptrdiff_t k = 0; k < count; k++)
        REAL(VECTOR_ELT(list, 0))[k] = REAL(VECTOR_ELT(list, 1))[k] = NA_REAL;
    UNPROTECT(1);
    return list;
}

static double *se_of(SEXP list, const bnorm_vcov *v)
{
    return v ? REAL(VECTOR_ELT(list, 1)) : NULL;
}

SEXP panel_margins_call(SEXP pointer, SEXP vcov)
{
    user_state state;
    bnorm_panel *panel = panel_of(pointer);
    const bnorm_vcov *v = panel_vcov_of(vcov);
    SEXP list = PROTECT(estimate_and_se(panel_info(panel).inputs));
    panel_begin(&state, pointer);
    panel_end(&state, bnorm_panel_margins(glue_ctx(), panel, v, REAL(VECTOR_ELT(list, 0)),
                                          se_of(list, v)));
    UNPROTECT(1);
    return list;
}

SEXP panel_profile_call(SEXP pointer, SEXP vcov, SEXP input, SEXP at)
{
    user_state state;
    int protected = 1;
    bnorm_panel *panel = panel_of(pointer);
    const bnorm_vcov *v = panel_vcov_of(vcov);
    ptrdiff_t k =
        (ptrdiff_t)glue_whole(input, "input", 0, (double)panel_info(panel).inputs - 1);
    ptrdiff_t count = XLENGTH(at);
    const double *values = glue_vector(at, "at", count, "finite", 0, &protected);
    SEXP list = PROTECT(estimate_and_se(count));
    panel_begin(&state, pointer);
    panel_end(&state, bnorm_panel_profile(glue_ctx(), panel, v, k, count, values,
                                          REAL(VECTOR_ELT(list, 0)), se_of(list, v)));
    UNPROTECT(protected);
    return list;
}

/* ---------------------------------------------------------------------------- predictions */

/* Rows between looks for Ctrl-C; a row's result depends on that row alone. */
#define PIECE ((ptrdiff_t)1 << 16)

/* What is wrong with a row that cannot be predicted. */
static SEXP why_not(bnorm_panel *panel, const bnorm_table *table, ptrdiff_t row)
{
    double unused;
    (void)bnorm_panel_predict(glue_ctx(), panel, NULL, table, &row, 1, BNORM_NEW_NAN, &unused,
                              NULL);
    return glue_text(bnorm_ctx_message(glue_ctx()));
}

/* list(mean, se, kinds, why): of the rows that can be predicted; NA for others, a bnorm_row for
 * each, and what is wrong with the first that is foreign. */
SEXP panel_predict_call(SEXP pointer, SEXP vcov, SEXP columns, SEXP new_level)
{
    user_state state;
    holder *h;
    bnorm_panel *panel = panel_of(pointer);
    const bnorm_vcov *v = panel_vcov_of(vcov);
    SEXP guard = PROTECT(holder_make(R_NilValue, &h));
    bnorm_new_level rule =
        (bnorm_new_level)glue_whole(new_level, "new", BNORM_NEW_ERROR, BNORM_NEW_ZERO);
    table_make(h, columns);
    ptrdiff_t n = bnorm_table_rows(h->table), count = 0, first = -1;
    ptrdiff_t *rows = (ptrdiff_t *)R_alloc((size_t)n + 1, sizeof *rows);
    unsigned char *kinds = (unsigned char *)R_alloc((size_t)n + 1, 1);
    glue_try(bnorm_panel_screen(glue_ctx(), panel, h->table, 0, kinds));
    for (ptrdiff_t i = 0; i < n; i++)
        if (kinds[i] == BNORM_ROW_READY || kinds[i] == BNORM_ROW_NEW) rows[count++] = i;
    double *mean = (double *)R_alloc((size_t)count + 1, sizeof *mean);
    double *se = v ? (double *)R_alloc((size_t)count + 1, sizeof *se) : NULL;
    for (ptrdiff_t i = 0; i < count; i += PIECE) {
        R_CheckUserInterrupt();
        panel_begin(&state, pointer);
        panel_end(&state, bnorm_panel_predict(glue_ctx(), panel, v, h->table, rows + i,
                                              count - i < PIECE ? count - i : PIECE, rule,
                                              mean + i, se ? se + i : NULL));
    }
    SEXP list = PROTECT(glue_new_list(4));
    SEXP both = PROTECT(estimate_and_se(n)), shown = PROTECT(Rf_allocVector(INTSXP, n));
    for (ptrdiff_t i = 0; i < n; i++) INTEGER(shown)[i] = kinds[i];
    for (ptrdiff_t i = 0; i < count; i++) {
        REAL(VECTOR_ELT(both, 0))[rows[i]] = mean[i];
        if (se) REAL(VECTOR_ELT(both, 1))[rows[i]] = se[i];
    }
    for (int k = 0; k < 2; k++) na_for_nan(VECTOR_ELT(both, k));
    glue_put(list, 0, "mean", VECTOR_ELT(both, 0));
    glue_put(list, 1, "se", VECTOR_ELT(both, 1));
    glue_put(list, 2, "kinds", shown);
    glue_put(list, 3, "why", R_NilValue);
    for (ptrdiff_t i = n - 1; i >= 0; i--)
        if (kinds[i] == BNORM_ROW_FOREIGN) first = i;
    if (first >= 0) glue_put(list, 3, "why", why_not(panel, h->table, first));
    holder_release(guard);
    UNPROTECT(4);
    return list;
}

/* The values of an input in the rows used. */
SEXP panel_values_call(SEXP pointer, SEXP input)
{
    user_state state;
    bnorm_panel *panel = panel_of(pointer);
    bnorm_panel_info info = panel_info(panel);
    ptrdiff_t k = (ptrdiff_t)glue_whole(input, "input", 0, (double)info.inputs - 1);
    SEXP values = PROTECT(Rf_allocVector(REALSXP, info.rows));
    panel_begin(&state, pointer);
    panel_end(&state, bnorm_panel_values(glue_ctx(), panel, k, REAL(values)));
    UNPROTECT(1);
    return values;
}
