/* gram: batch normalisation of X G1 in weight space. */
#include "calls.h"

#include <math.h>

SEXP bn_gram_call(SEXP x, SEXP weights, SEXP ddof)
{
    int protected = 1;
    SEXP g = PROTECT(glue_list(GLUE_GRAM));
    x = glue_matrix(x, "x", &protected);
    bnorm_mat_f64 v = glue_view(x);
    const double *w =
        glue_vector(weights, "weights", v.rows, "one per row of 'x'", 1, &protected);
    double d = glue_number(ddof, "ddof");
    SET_VECTOR_ELT(g, G_XBAR, Rf_allocVector(REALSXP, 2 * v.cols));
    SET_VECTOR_ELT(g, G_MEAN, Rf_allocVector(REALSXP, v.cols));
    SET_VECTOR_ELT(g, G_S, glue_new_matrix(v.cols, v.cols));
    double *xbar = REAL(VECTOR_ELT(g, G_XBAR)), *mean = REAL(VECTOR_ELT(g, G_MEAN));
    bnorm_gram gram;
    glue_try(bnorm_gram_f64(glue_ctx(), v, w, d, xbar, REAL(VECTOR_ELT(g, G_S)), &gram));
    for (ptrdiff_t j = 0; j < v.cols; j++) mean[j] = xbar[j];
    glue_copy_names(x, 1, VECTOR_ELT(g, G_MEAN));
    SEXP names = Rf_getAttrib(x, R_DimNamesSymbol);
    if (!Rf_isNull(names)) {
        SEXP both = PROTECT(Rf_allocVector(VECSXP, 2));
        SET_VECTOR_ELT(both, 0, VECTOR_ELT(names, 1));
        SET_VECTOR_ELT(both, 1, VECTOR_ELT(names, 1));
        Rf_setAttrib(VECTOR_ELT(g, G_S), R_DimNamesSymbol, both);
        UNPROTECT(1);
    }
    SET_VECTOR_ELT(g, G_N, Rf_ScalarReal(gram.n));
    SET_VECTOR_ELT(g, G_DDOF, Rf_ScalarReal(d));
    SET_VECTOR_ELT(g, G_X, x);
    SET_VECTOR_ELT(g, G_WEIGHTS, weights);
    UNPROTECT(protected);
    return g;
}

/* The library's struct over the list; the lengths are checked, for a list can be changed. */
static bnorm_gram read_gram(SEXP g, bnorm_mat_f64 x, int *protected)
{
    SEXP xbar = VECTOR_ELT(g, G_XBAR), s = VECTOR_ELT(g, G_S);
    if (TYPEOF(xbar) != REALSXP || TYPEOF(s) != REALSXP || XLENGTH(xbar) != 2 * x.cols ||
        XLENGTH(s) != x.cols * x.cols)
        glue_stop("argument", "'gram' was changed since bn_gram() returned it");
    return (bnorm_gram){.rows = x.rows,
                        .cols = x.cols,
                        .weights = glue_vector(VECTOR_ELT(g, G_WEIGHTS), "gram$weights", x.rows,
                                               "one per row of 'x'", 1, protected),
                        .n = glue_number(VECTOR_ELT(g, G_N), "gram$n"),
                        .ddof = glue_number(VECTOR_ELT(g, G_DDOF), "gram$ddof"),
                        .xbar = REAL(xbar),
                        .s = REAL(s)};
}

static bnorm_mat_f64 weights_view(SEXP g1, ptrdiff_t rows)
{
    bnorm_mat_f64 g = glue_view(g1);
    if (g.rows != rows)
        glue_stop("argument", "'g1' has %td rows; it must have %td, the columns of 'x'", g.rows,
                  rows);
    return g;
}

/* Row names of x and column names of g1. */
static void name_product(SEXP x, SEXP g1, SEXP b)
{
    SEXP of_x = Rf_getAttrib(x, R_DimNamesSymbol), of_g = Rf_getAttrib(g1, R_DimNamesSymbol);
    if (Rf_isNull(of_x) && Rf_isNull(of_g)) return;
    SEXP names = PROTECT(Rf_allocVector(VECSXP, 2));
    if (!Rf_isNull(of_x)) SET_VECTOR_ELT(names, 0, VECTOR_ELT(of_x, 0));
    if (!Rf_isNull(of_g)) SET_VECTOR_ELT(names, 1, VECTOR_ELT(of_g, 1));
    Rf_setAttrib(b, R_DimNamesSymbol, names);
    UNPROTECT(1);
}

/* sd = sqrt(g' S g) for each column g of G1, and S is the co-moment over n - ddof: from 1/rstd^2
 * eps could not be taken again. */
static void put_sd(const bnorm_gram *gram, bnorm_mat_f64 g1, double *sd)
{
    for (ptrdiff_t c = 0; c < g1.cols; c++) {
        const double *g = g1.data + c * g1.ld;
        double sum = 0;
        for (ptrdiff_t j = 0; j < g1.rows; j++)
            for (ptrdiff_t i = 0; i < g1.rows; i++)
                sum += g[i] * gram->s[i + j * g1.rows] * g[j];
        sd[c] = sqrt(fmax(sum, 0));
    }
}

SEXP bn_dense_call(SEXP gram, SEXP g1, SEXP gamma, SEXP beta, SEXP eps)
{
    static const char *const per = "one per column of 'g1'";
    int protected = 1;
    SEXP f = PROTECT(glue_list(GLUE_DENSE));
    glue_expect(gram, "gram", GLUE_GRAM);
    SEXP x = glue_matrix(VECTOR_ELT(gram, G_X), "gram$x", &protected);
    g1 = glue_matrix(g1, "g1", &protected);
    bnorm_mat_f64 vx = glue_view(x), vg = weights_view(g1, vx.cols);
    bnorm_gram of_x = read_gram(gram, vx, &protected);
    const double *a = glue_vector(gamma, "gamma", vg.cols, per, 1, &protected);
    const double *b = glue_vector(beta, "beta", vg.cols, per, 1, &protected);
    double e = glue_number(eps, "eps");
    SET_VECTOR_ELT(f, D_Y, glue_new_matrix(vx.rows, vg.cols));
    name_product(x, g1, VECTOR_ELT(f, D_Y));
    for (int place = D_MEAN; place <= D_RSTD; place++) {
        SET_VECTOR_ELT(f, place, Rf_allocVector(REALSXP, vg.cols));
        glue_copy_names(g1, 1, VECTOR_ELT(f, place));
    }
    double *sd = REAL(VECTOR_ELT(f, D_SD)), *rstd = REAL(VECTOR_ELT(f, D_RSTD));
    glue_try(bnorm_dense_forward_f64(glue_ctx(), vx, vg, &of_x, a, b, e,
                                     glue_view(VECTOR_ELT(f, D_Y)), REAL(VECTOR_ELT(f, D_MEAN)),
                                     rstd));
    put_sd(&of_x, vg, sd);
    SET_VECTOR_ELT(f, D_GRAM, gram);
    SET_VECTOR_ELT(f, D_G1, g1);
    SET_VECTOR_ELT(f, D_GAMMA, gamma);
    SET_VECTOR_ELT(f, D_BETA, beta);
    SET_VECTOR_ELT(f, D_EPS, Rf_ScalarReal(e));
    UNPROTECT(protected);
    return f;
}

SEXP bn_dense_backward_call(SEXP f, SEXP db)
{
    int protected = 1;
    SEXP d = PROTECT(glue_list(GLUE_DENSE_GRADIENT)), gram = VECTOR_ELT(f, D_GRAM);
    glue_expect(gram, "f$gram", GLUE_GRAM);
    SEXP x = glue_matrix(VECTOR_ELT(gram, G_X), "f$gram$x", &protected);
    SEXP g1 = glue_matrix(VECTOR_ELT(f, D_G1), "f$g1", &protected);
    bnorm_mat_f64 vx = glue_view(x), vg = weights_view(g1, vx.cols), shape = vx;
    bnorm_gram of_x = read_gram(gram, vx, &protected);
    shape.cols = vg.cols;
    db = glue_like(db, "dy", shape, "f$y", &protected);
    const double *gamma = glue_vector(VECTOR_ELT(f, D_GAMMA), "f$gamma", vg.cols,
                                      "one per column of 'g1'", 1, &protected);
    const double *rstd = glue_vector(VECTOR_ELT(f, D_RSTD), "f$rstd", vg.cols,
                                     "one per column of 'g1'", 0, &protected);
    SET_VECTOR_ELT(d, 0, glue_new_matrix(vg.rows, vg.cols));
    glue_copy_dimnames(g1, VECTOR_ELT(d, 0));
    for (int place = 1; place < 3; place++) {
        SET_VECTOR_ELT(d, place, Rf_allocVector(REALSXP, vg.cols));
        glue_copy_names(g1, 1, VECTOR_ELT(d, place));
    }
    glue_try(bnorm_dense_backward_f64(glue_ctx(), vx, vg, &of_x, glue_view(db), gamma, rstd,
                                      glue_view(VECTOR_ELT(d, 0)), REAL(VECTOR_ELT(d, 1)),
                                      REAL(VECTOR_ELT(d, 2))));
    UNPROTECT(protected);
    return d;
}
