/* results: lists with names and classes that are made once, for a call on a small matrix must
 * cost little; and the conditions. */
#include "results.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const classes[GLUE_KINDS] = {
    [GLUE_FORWARD] = "bn_forward", [GLUE_LAYER_NORM] = "layer_norm", [GLUE_DENSE] = "bn_dense",
    [GLUE_MOMENTS] = "bn_moments", [GLUE_RUNNING] = "bn_running",    [GLUE_GRAM] = "bn_gram",
};

/* In the order of the enums in results.h. */
static const char *const names[GLUE_KINDS] = {
    [GLUE_FORWARD] = "y mean sd rstd n m2 x weights gamma beta ddof eps",
    [GLUE_LAYER_NORM] = "y mean rstd x gamma beta eps",
    [GLUE_DENSE] = "y mean sd rstd gram g1 gamma beta eps",
    [GLUE_GRADIENT] = "dx dgamma dbeta",
    [GLUE_DENSE_GRADIENT] = "dg1 dgamma dbeta",
    [GLUE_FOLD] = "g1 bias",
    [GLUE_MOMENTS] = "n mean m2",
    [GLUE_RUNNING] = "kind update ddof count mean var m2",
    [GLUE_GRAM] = "n mean s ddof xbar x weights",
};

static SEXP made_names[GLUE_KINDS], made_classes[GLUE_KINDS], namespace;

static SEXP split(const char *text)
{
    char word[32];
    int count = 1, length;
    for (const char *c = text; *c; c++) count += *c == ' ';
    SEXP made = PROTECT(Rf_allocVector(STRSXP, count));
    for (int k = 0; k < count && sscanf(text, "%31s%n", word, &length) == 1;
         k++, text += length)
        SET_STRING_ELT(made, k, Rf_mkChar(word));
    UNPROTECT(1);
    return made;
}

void glue_results_init(SEXP environment)
{
    namespace = environment;
    for (int k = 0; k < GLUE_KINDS; k++) {
        R_PreserveObject(made_names[k] = split(names[k]));
        MARK_NOT_MUTABLE(made_names[k]);
        made_classes[k] = R_NilValue;
        if (!classes[k]) continue;
        R_PreserveObject(made_classes[k] = Rf_mkString(classes[k]));
        MARK_NOT_MUTABLE(made_classes[k]);
    }
}

SEXP glue_list(glue_kind kind)
{
    SEXP list = PROTECT(Rf_allocVector(VECSXP, XLENGTH(made_names[kind])));
    Rf_setAttrib(list, R_NamesSymbol, made_names[kind]);
    if (made_classes[kind] != R_NilValue) Rf_setAttrib(list, R_ClassSymbol, made_classes[kind]);
    UNPROTECT(1);
    return list;
}

int glue_is(SEXP f, glue_kind kind)
{
    return TYPEOF(f) == VECSXP && Rf_inherits(f, classes[kind]) &&
           XLENGTH(f) == XLENGTH(made_names[kind]);
}

void glue_expect(SEXP f, const char *name, glue_kind kind)
{
    if (!glue_is(f, kind))
        glue_stop("argument", "'%s' must be what %s() returns; got %s", name, classes[kind],
                  glue_describe(f));
}

SEXP glue_new_matrix(ptrdiff_t rows, ptrdiff_t cols)
{
    if (rows > INT_MAX || cols > INT_MAX)
        glue_stop("argument", "a matrix of %td x %td is too large for R", rows, cols);
    return Rf_allocMatrix(REALSXP, (int)rows, (int)cols);
}

void glue_copy_dimnames(SEXP from, SEXP to)
{
    SEXP dimnames = Rf_getAttrib(from, R_DimNamesSymbol);
    if (!Rf_isNull(dimnames)) Rf_setAttrib(to, R_DimNamesSymbol, dimnames);
}

void glue_copy_names(SEXP from, int which, SEXP to)
{
    SEXP dimnames = Rf_getAttrib(from, R_DimNamesSymbol);
    if (Rf_isNull(dimnames) || Rf_isNull(VECTOR_ELT(dimnames, which))) return;
    Rf_setAttrib(to, R_NamesSymbol, VECTOR_ELT(dimnames, which));
}

/* ----------------------------------------------------------------------------- conditions */

static void signal_condition(const char *function, const char *kind, const char *text)
{
    SEXP message = PROTECT(Rf_allocVector(STRSXP, 1));
    SET_STRING_ELT(message, 0, Rf_mkCharCE(text, CE_UTF8));
    SEXP what = PROTECT(Rf_mkString(kind));
    SEXP call = PROTECT(Rf_lang3(Rf_install(function), what, message));
    Rf_eval(call, namespace);
    UNPROTECT(3);
}

void glue_stop(const char *kind, const char *format, ...)
{
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    signal_condition("signal_error", kind, text);
    Rf_error("%s", text); /* not reached: signal_error does not return */
}

void glue_warn(const char *format, ...)
{
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    signal_condition("signal_warning", "nonfinite", text);
}

void glue_try(bnorm_status status)
{
    static const char *const kinds[] = {[BNORM_E_ARGUMENT] = "argument",
                                        [BNORM_E_MEMORY] = "memory",
                                        [BNORM_E_DOMAIN] = "domain",
                                        [BNORM_E_NONFINITE] = "nonfinite",
                                        [BNORM_E_IO] = "io",
                                        [BNORM_E_FORMAT] = "format",
                                        [BNORM_E_DATA] = "data",
                                        [BNORM_E_FORMULA] = "formula",
                                        [BNORM_E_USER] = "user",
                                        [BNORM_E_CHECK] = "check",
                                        [BNORM_E_INTERRUPTED] = "interrupted"};
    if (status == BNORM_OK) return;
    const char *message = bnorm_ctx_message(glue_ctx());
    glue_stop(kinds[status], "%s", *message ? message : bnorm_status_text(status));
}

SEXP glue_namespace(void)
{
    return namespace;
}

/* ------------------------------------------------------------------ named one by one */

SEXP glue_new_list(ptrdiff_t count)
{
    SEXP list = PROTECT(Rf_allocVector(VECSXP, count));
    SEXP labels = PROTECT(Rf_allocVector(STRSXP, count));
    Rf_setAttrib(list, R_NamesSymbol, labels);
    UNPROTECT(2);
    return list;
}

void glue_put(SEXP list, int k, const char *name, SEXP value)
{
    PROTECT(value);
    SET_STRING_ELT(Rf_getAttrib(list, R_NamesSymbol), k, Rf_mkCharCE(name, CE_UTF8));
    SET_VECTOR_ELT(list, k, value);
    UNPROTECT(1);
}

SEXP glue_text(const char *text)
{
    SEXP s = PROTECT(Rf_allocVector(STRSXP, 1));
    SET_STRING_ELT(s, 0, text ? Rf_mkCharCE(text, CE_UTF8) : NA_STRING);
    UNPROTECT(1);
    return s;
}
