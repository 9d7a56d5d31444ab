/* moments: moments, their merge, running statistics. */
#include "calls.h"

#include <string.h>

SEXP bn_moments_call(SEXP x, SEXP weights)
{
    int protected = 1;
    double n = 0;
    SEXP m = PROTECT(glue_list(GLUE_MOMENTS));
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x);
    const double *w =
        glue_vector(weights, "weights", v.rows, "one per row of 'x'", 1, &protected);
    for (int place = M_MEAN; place <= M_M2; place++) {
        SET_VECTOR_ELT(m, place, Rf_allocVector(REALSXP, v.cols));
        glue_copy_names(x, 1, VECTOR_ELT(m, place));
    }
    glue_try(bnorm_moments_f64(glue_ctx(), v, w, &n, REAL(VECTOR_ELT(m, M_MEAN)),
                               REAL(VECTOR_ELT(m, M_M2))));
    SET_VECTOR_ELT(m, M_N, Rf_ScalarReal(n));
    UNPROTECT(protected);
    return m;
}

/* n, mean and m2 of what bn_moments() or bn_forward() returned. */
typedef struct batch {
    double n;
    SEXP mean, m2;
} batch;

static batch read_batch(SEXP m, const char *name)
{
    int forward = glue_is(m, GLUE_FORWARD);
    if (!forward) glue_expect(m, name, GLUE_MOMENTS);
    batch b = {glue_number(VECTOR_ELT(m, forward ? F_N : M_N), name),
               VECTOR_ELT(m, forward ? F_MEAN : M_MEAN), VECTOR_ELT(m, forward ? F_M2 : M_M2)};
    if (TYPEOF(b.mean) != REALSXP || TYPEOF(b.m2) != REALSXP ||
        XLENGTH(b.mean) != XLENGTH(b.m2))
        glue_stop("argument", "'%s' was changed since it was returned", name);
    return b;
}

SEXP bn_merge_call(SEXP a, SEXP b)
{
    batch first = read_batch(a, "a"), second = read_batch(b, "b");
    if (XLENGTH(first.mean) != XLENGTH(second.mean))
        glue_stop("argument", "'b' has %.0f columns; 'a' has %.0f",
                  (double)XLENGTH(second.mean), (double)XLENGTH(first.mean));
    SEXP m = PROTECT(glue_list(GLUE_MOMENTS));
    SET_VECTOR_ELT(m, M_MEAN, Rf_duplicate(first.mean));
    SET_VECTOR_ELT(m, M_M2, Rf_duplicate(first.m2));
    glue_try(bnorm_moments_merge(glue_ctx(), XLENGTH(first.mean), &first.n,
                                 REAL(VECTOR_ELT(m, M_MEAN)), REAL(VECTOR_ELT(m, M_M2)),
                                 second.n, REAL(second.mean), REAL(second.m2)));
    SET_VECTOR_ELT(m, M_N, Rf_ScalarReal(first.n));
    UNPROTECT(1);
    return m;
}

static bnorm_running_kind kind_of(SEXP kind)
{
    const char *name = glue_string(kind, "kind");
    if (!strcmp(name, "exponential")) return BNORM_RUNNING_EXPONENTIAL;
    if (!strcmp(name, "average")) return BNORM_RUNNING_AVERAGE;
    if (!strcmp(name, "merge")) return BNORM_RUNNING_MERGE;
    glue_stop("argument", "'kind' is \"%.60s\"; it must be exponential, average or merge",
              name);
}

/* The state after a batch; the one before stays as it is. */
SEXP bn_running_call(SEXP running, SEXP moments)
{
    int protected = 1;
    glue_expect(running, "object", GLUE_RUNNING);
    batch b = read_batch(moments, "moments");
    SEXP made = PROTECT(Rf_shallow_duplicate(running));
    ptrdiff_t cols = XLENGTH(VECTOR_ELT(running, R_MEAN));
    if (XLENGTH(b.mean) != cols)
        glue_stop("argument", "'moments' has %.0f columns; 'object' has %td",
                  (double)XLENGTH(b.mean), cols);
    for (int place = R_MEAN; place <= R_M2; place++) {
        SEXP old = VECTOR_ELT(running, place);
        glue_vector(old, "object", cols, "one per column", 0, &protected);
        SET_VECTOR_ELT(made, place, Rf_coerceVector(PROTECT(Rf_duplicate(old)), REALSXP));
        UNPROTECT(1);
    }
    bnorm_running state = {.kind = kind_of(VECTOR_ELT(running, R_KIND)),
                           .update = glue_number(VECTOR_ELT(running, R_UPDATE), "update"),
                           .ddof = glue_number(VECTOR_ELT(running, R_DDOF), "ddof"),
                           .count = glue_number(VECTOR_ELT(running, R_COUNT), "count"),
                           .cols = cols,
                           .mean = REAL(VECTOR_ELT(made, R_MEAN)),
                           .var = REAL(VECTOR_ELT(made, R_VAR))};
    if (state.kind == BNORM_RUNNING_MERGE) state.m2 = REAL(VECTOR_ELT(made, R_M2));
    glue_try(bnorm_running_update(glue_ctx(), &state, b.n, REAL(b.mean), REAL(b.m2)));
    SET_VECTOR_ELT(made, R_COUNT, Rf_ScalarReal(state.count));
    UNPROTECT(protected);
    return made;
}
