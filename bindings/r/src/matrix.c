/* matrix: forward, backward, inference, folding, layer normalisation. Inputs are read where R
 * has them; results are written where R will have them. */
#include "calls.h"

#include <math.h>

static const char *const per_column = "one per column of 'x'";
static const char *const per_row = "one per row of 'x'";

/* A vector for the columns of x, named as they are, in a list. */
static double *column_vector(SEXP list, int place, SEXP x, ptrdiff_t count)
{
    SEXP v = Rf_allocVector(REALSXP, count);
    SET_VECTOR_ELT(list, place, v);
    glue_copy_names(x, 1, v);
    return REAL(v);
}

static double *matrix_like(SEXP list, int place, SEXP x)
{
    SEXP y = glue_new_matrix(Rf_nrows(x), Rf_ncols(x));
    SET_VECTOR_ELT(list, place, y);
    glue_copy_dimnames(x, y);
    return REAL(y);
}

static void put_number(SEXP list, int place, double value)
{
    SET_VECTOR_ELT(list, place, Rf_ScalarReal(value));
}

/* A column that is not finite was not finite in x: the library keeps it from the others. */
static void warn_nonfinite(SEXP x, const double *mean, ptrdiff_t count)
{
    SEXP names = Rf_getAttrib(x, R_DimNamesSymbol);
    if (!Rf_isNull(names)) names = VECTOR_ELT(names, 1);
    for (ptrdiff_t j = 0; j < count; j++) {
        if (isfinite(mean[j])) continue;
        if (Rf_isNull(names))
            glue_warn("'x' has NA or infinite values in column %td; so have its results",
                      j + 1);
        else
            glue_warn(
                "'x' has NA or infinite values in column %td ('%.80s'); so have its results",
                j + 1, Rf_translateCharUTF8(STRING_ELT(names, j)));
        return;
    }
}

SEXP bn_forward_call(SEXP x, SEXP gamma, SEXP beta, SEXP weights, SEXP ddof, SEXP eps)
{
    int protected = 1;
    SEXP f = PROTECT(glue_list(GLUE_FORWARD));
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x);
    const double *w = glue_vector(weights, "weights", v.rows, per_row, 1, &protected);
    const double *g = glue_vector(gamma, "gamma", v.cols, per_column, 1, &protected);
    const double *b = glue_vector(beta, "beta", v.cols, per_column, 1, &protected);
    bnorm_rule rule = {glue_number(eps, "eps"), glue_number(ddof, "ddof")};
    bnorm_mat_f64 y = v;
    double n = 0;
    y.data = matrix_like(f, F_Y, x);
    double *mean = column_vector(f, F_MEAN, x, v.cols), *sd = column_vector(f, F_SD, x, v.cols);
    double *m2 = column_vector(f, F_M2, x, v.cols), *rstd = column_vector(f, F_RSTD, x, v.cols);
    glue_try(bnorm_forward_stats_f64(glue_ctx(), v, w, g, b, rule, y, &n, mean, m2, rstd));
    for (ptrdiff_t j = 0; j < v.cols; j++) sd[j] = sqrt(m2[j] / (n - rule.ddof));
    put_number(f, F_N, n);
    SET_VECTOR_ELT(f, F_X, x);
    SET_VECTOR_ELT(f, F_WEIGHTS, weights);
    SET_VECTOR_ELT(f, F_GAMMA, gamma);
    SET_VECTOR_ELT(f, F_BETA, beta);
    put_number(f, F_DDOF, rule.ddof);
    put_number(f, F_EPS, rule.eps);
    warn_nonfinite(x, mean, v.cols);
    UNPROTECT(protected);
    return f;
}

static SEXP forward_backward(SEXP f, SEXP dy)
{
    int protected = 1;
    SEXP d = PROTECT(glue_list(GLUE_GRADIENT));
    SEXP x = glue_matrix(VECTOR_ELT(f, F_X), "f$x", &protected);
    bnorm_mat_f64 v = glue_view(x), dx = v;
    dy = glue_like(dy, "dy", v, "f$x", &protected);
    const double *w =
        glue_vector(VECTOR_ELT(f, F_WEIGHTS), "f$weights", v.rows, per_row, 1, &protected);
    const double *g =
        glue_vector(VECTOR_ELT(f, F_GAMMA), "f$gamma", v.cols, per_column, 1, &protected);
    SEXP mean = VECTOR_ELT(f, F_MEAN), rstd = VECTOR_ELT(f, F_RSTD);
    if (TYPEOF(mean) != REALSXP || TYPEOF(rstd) != REALSXP || XLENGTH(mean) != v.cols ||
        XLENGTH(rstd) != v.cols)
        glue_stop("argument", "'f' was changed since bn_forward() returned it");
    bnorm_rule rule = {glue_number(VECTOR_ELT(f, F_EPS), "f$eps"),
                       glue_number(VECTOR_ELT(f, F_DDOF), "f$ddof")};
    dx.data = matrix_like(d, 0, x);
    double *dgamma = column_vector(d, 1, x, v.cols), *dbeta = column_vector(d, 2, x, v.cols);
    glue_try(bnorm_backward_f64(glue_ctx(), v, glue_view(dy), w, g, REAL(mean), REAL(rstd),
                                rule, dx, dgamma, dbeta));
    UNPROTECT(protected);
    return d;
}

SEXP layer_norm_call(SEXP x, SEXP gamma, SEXP beta, SEXP eps)
{
    int protected = 1;
    SEXP f = PROTECT(glue_list(GLUE_LAYER_NORM));
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x), y = v;
    const double *g = glue_vector(gamma, "gamma", v.cols, per_column, 1, &protected);
    const double *b = glue_vector(beta, "beta", v.cols, per_column, 1, &protected);
    y.data = matrix_like(f, L_Y, x);
    for (int place = L_MEAN; place <= L_RSTD; place++) {
        SEXP s = Rf_allocVector(REALSXP, v.rows);
        SET_VECTOR_ELT(f, place, s);
        glue_copy_names(x, 0, s);
    }
    glue_try(bnorm_layernorm_forward_f64(glue_ctx(), v, g, b, glue_number(eps, "eps"), y,
                                         REAL(VECTOR_ELT(f, L_MEAN)),
                                         REAL(VECTOR_ELT(f, L_RSTD))));
    SET_VECTOR_ELT(f, L_X, x);
    SET_VECTOR_ELT(f, L_GAMMA, gamma);
    SET_VECTOR_ELT(f, L_BETA, beta);
    put_number(f, L_EPS, glue_number(eps, "eps"));
    UNPROTECT(protected);
    return f;
}

static SEXP layer_norm_backward(SEXP f, SEXP dy)
{
    int protected = 1;
    SEXP d = PROTECT(glue_list(GLUE_GRADIENT));
    SEXP x = glue_matrix(VECTOR_ELT(f, L_X), "f$x", &protected);
    bnorm_mat_f64 v = glue_view(x), dx = v;
    dy = glue_like(dy, "dy", v, "f$x", &protected);
    const double *g =
        glue_vector(VECTOR_ELT(f, L_GAMMA), "f$gamma", v.cols, per_column, 1, &protected);
    SEXP mean = VECTOR_ELT(f, L_MEAN), rstd = VECTOR_ELT(f, L_RSTD);
    if (TYPEOF(mean) != REALSXP || TYPEOF(rstd) != REALSXP || XLENGTH(mean) != v.rows ||
        XLENGTH(rstd) != v.rows)
        glue_stop("argument", "'f' was changed since layer_norm() returned it");
    dx.data = matrix_like(d, 0, x);
    double *dgamma = column_vector(d, 1, x, v.cols), *dbeta = column_vector(d, 2, x, v.cols);
    glue_try(bnorm_layernorm_backward_f64(glue_ctx(), v, glue_view(dy), g, REAL(mean),
                                          REAL(rstd), dx, dgamma, dbeta));
    UNPROTECT(protected);
    return d;
}

SEXP bn_backward_call(SEXP f, SEXP dy)
{
    if (glue_is(f, GLUE_FORWARD)) return forward_backward(f, dy);
    if (glue_is(f, GLUE_LAYER_NORM)) return layer_norm_backward(f, dy);
    if (glue_is(f, GLUE_DENSE)) return bn_dense_backward_call(f, dy);
    glue_stop("argument",
              "'f' must be what bn_forward(), bn_dense() or layer_norm() returns; got %s",
              glue_describe(f));
}

SEXP bn_infer_call(SEXP x, SEXP gamma, SEXP beta, SEXP mean, SEXP var, SEXP eps)
{
    int protected = 0;
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x), y = v;
    const double *g = glue_vector(gamma, "gamma", v.cols, per_column, 1, &protected);
    const double *b = glue_vector(beta, "beta", v.cols, per_column, 1, &protected);
    const double *m = glue_vector(mean, "mean", v.cols, per_column, 0, &protected);
    const double *s = glue_vector(var, "var", v.cols, per_column, 0, &protected);
    SEXP result = PROTECT(glue_new_matrix(v.rows, v.cols));
    protected++;
    glue_copy_dimnames(x, result);
    y.data = REAL(result);
    glue_try(bnorm_infer_f64(glue_ctx(), v, g, b, m, s, glue_number(eps, "eps"), y));
    UNPROTECT(protected);
    return result;
}

SEXP bn_infer_backward_call(SEXP dy, SEXP x, SEXP gamma, SEXP mean, SEXP var, SEXP eps)
{
    int protected = 1;
    SEXP d = PROTECT(glue_list(GLUE_GRADIENT));
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x), dx = v;
    dy = glue_like(dy, "dy", v, "x", &protected);
    const double *g = glue_vector(gamma, "gamma", v.cols, per_column, 1, &protected);
    const double *m = glue_vector(mean, "mean", v.cols, per_column, 0, &protected);
    const double *s = glue_vector(var, "var", v.cols, per_column, 0, &protected);
    dx.data = matrix_like(d, 0, x);
    double *dgamma = column_vector(d, 1, x, v.cols), *dbeta = column_vector(d, 2, x, v.cols);
    glue_try(bnorm_infer_backward_f64(glue_ctx(), v, glue_view(dy), g, m, s,
                                      glue_number(eps, "eps"), dx, dgamma, dbeta));
    UNPROTECT(protected);
    return d;
}

SEXP bn_fold_call(SEXP g1, SEXP bias, SEXP gamma, SEXP beta, SEXP mean, SEXP var, SEXP eps)
{
    static const char *const per = "one per column of 'g1'";
    int protected = 1;
    SEXP folded = PROTECT(glue_list(GLUE_FOLD));
    g1 = glue_matrix(g1, "g1", &protected);
    bnorm_mat_f64 v = glue_view(g1), out = v;
    const double *c = glue_vector(bias, "bias", v.cols, per, 1, &protected);
    const double *g = glue_vector(gamma, "gamma", v.cols, per, 1, &protected);
    const double *b = glue_vector(beta, "beta", v.cols, per, 1, &protected);
    const double *m = glue_vector(mean, "mean", v.cols, per, 0, &protected);
    const double *s = glue_vector(var, "var", v.cols, per, 0, &protected);
    out.data = matrix_like(folded, 0, g1);
    double *bias_out = column_vector(folded, 1, g1, v.cols);
    glue_try(
        bnorm_fold_f64(glue_ctx(), v, c, g, b, m, s, glue_number(eps, "eps"), out, bias_out));
    UNPROTECT(protected);
    return folded;
}

SEXP bn_jacobian_call(SEXP x, SEXP of, SEXP g1, SEXP gamma, SEXP weights, SEXP ddof, SEXP eps)
{
    int protected = 0;
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x), g = {.layout = BNORM_COL_MAJOR};
    bnorm_jacobian_kind kind = (bnorm_jacobian_kind)glue_whole(of, "of", 0, 3);
    if (!Rf_isNull(g1)) g = glue_view(glue_matrix(g1, "g1", &protected));
    if (!Rf_isNull(g1) && g.rows != v.cols)
        glue_stop("argument", "'g1' has %td rows; it must have %td, the columns of 'x'", g.rows,
                  v.cols);
    if (Rf_isNull(g1) && kind == BNORM_JACOBIAN_G1)
        glue_stop("argument", "'g1' is needed for the Jacobian in g1");
    ptrdiff_t units = Rf_isNull(g1) ? v.cols : g.cols, long_side = 0;
    const double *a =
        glue_vector(gamma, "gamma", units, "one per column normalised", 1, &protected);
    const double *w = glue_vector(weights, "weights", v.rows, per_row, 1, &protected);
    bnorm_rule rule = {glue_number(eps, "eps"), glue_number(ddof, "ddof")};
    double rows = (double)v.rows * (double)units;
    if (kind == BNORM_JACOBIAN_Z)
        long_side = v.rows;
    else
        long_side = kind == BNORM_JACOBIAN_G1 ? v.cols : 1;
    if (rows * (double)long_side * (double)units > BNORM_REFERENCE_LIMIT)
        glue_stop("argument", "a Jacobian of %.0f x %.0f is too large; at most %d values", rows,
                  (double)long_side * (double)units, BNORM_REFERENCE_LIMIT);
    SEXP j = PROTECT(glue_new_matrix((ptrdiff_t)rows, long_side * units));
    protected++;
    glue_try(bnorm_jacobian_f64(glue_ctx(), kind, v, g, w, a, rule, glue_view(j)));
    UNPROTECT(protected);
    return j;
}
