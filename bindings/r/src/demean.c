/* demean: the projection on its own. */
#include "holder.h"
#include "calls.h"

#include <string.h>

/* The factors of a list of list(codes, levels, slope): codes from 0, slope a vector or NULL. */
static bnorm_factor *factors_of(SEXP list, ptrdiff_t rows, int *protected)
{
    ptrdiff_t count = XLENGTH(list);
    bnorm_factor *factors = (bnorm_factor *)R_alloc((size_t)count + 1, sizeof *factors);
    for (ptrdiff_t k = 0; k < count; k++) {
        SEXP f = VECTOR_ELT(list, k), codes = VECTOR_ELT(f, 0);
        if (TYPEOF(codes) != INTSXP || XLENGTH(codes) != rows)
            glue_stop("argument", "element %td of 'factors' does not have a value for each row",
                      k + 1);
        factors[k].codes = INTEGER(codes);
        factors[k].levels = (ptrdiff_t)glue_whole(VECTOR_ELT(f, 1), "levels", 1, INT_MAX);
        factors[k].slope = glue_vector(VECTOR_ELT(f, 2), "the slope in factors", rows,
                                       "one per row of 'x'", 1, protected);
    }
    return factors;
}

/* list(x, absorbed, sweeps): x a matrix. */
SEXP demean_call(SEXP x, SEXP factors, SEXP weights, SEXP tolerance)
{
    int protected = 0;
    holder *h;
    SEXP guard = PROTECT(holder_make(R_NilValue, &h));
    SEXP list = PROTECT(glue_new_list(3));
    protected += 2;
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x), y = v;
    ptrdiff_t sweeps = 0;
    const double *w =
        glue_vector(weights, "weights", v.rows, "one per row of 'x'", 1, &protected);
    bnorm_factor *f = factors_of(factors, v.rows, &protected);
    SEXP result = glue_new_matrix(v.rows, v.cols);
    glue_put(list, 0, "x", result);
    glue_copy_dimnames(x, result);
    y.data = REAL(result);
    glue_try(bnorm_within_create(glue_ctx(), v.rows, f, XLENGTH(factors), w,
                                 glue_number(tolerance, "tolerance"), &h->within));
    glue_try(bnorm_demean_f64(glue_ctx(), h->within, v, y, &sweeps));
    glue_put(list, 1, "absorbed", Rf_ScalarReal((double)bnorm_within_rank(h->within)));
    glue_put(list, 2, "sweeps", Rf_ScalarReal((double)sweeps));
    holder_release(guard);
    UNPROTECT(protected);
    return list;
}
