/* arguments: from R's values to views and numbers, or a condition that names the argument, what
 * was got and what was expected. Factors are integers to R's C interface, and refused. */
#include "glue.h"

#include <math.h>
#include <string.h>

static const char *type_name(SEXP v)
{
    switch (TYPEOF(v)) {
    case REALSXP:
        return "numeric";
    case INTSXP:
        return "integer";
    case LGLSXP:
        return "logical";
    case STRSXP:
        return "character";
    case CPLXSXP:
        return "complex";
    case VECSXP:
        return "list";
    case RAWSXP:
        return "raw";
    default:
        return Rf_type2char(TYPEOF(v));
    }
}

/* Numbers of R that mean something else: dates and times. */
static int is_time(SEXP v)
{
    return OBJECT(v) &&
           (Rf_inherits(v, "Date") || Rf_inherits(v, "POSIXct") || Rf_inherits(v, "difftime"));
}

const char *glue_describe(SEXP v)
{
    char *text = R_alloc(160, 1);
    SEXP dim = Rf_getAttrib(v, R_DimSymbol);
    if (Rf_isNull(v)) return "NULL";
    if (Rf_isFactor(v)) return "a factor";
    if (is_time(v)) return "dates or times";
    if (Rf_isFunction(v)) return "a function";
    if (Rf_inherits(v, "data.frame")) return "a data frame; use as.matrix() or data.matrix()";
    if (!Rf_isVector(v))
        snprintf(text, 160, "an object of type %.40s", type_name(v));
    else if (Rf_length(dim) == 2)
        snprintf(text, 160, "a %.40s matrix of %d x %d", type_name(v), Rf_nrows(v),
                 Rf_ncols(v));
    else if (Rf_length(dim) > 0)
        snprintf(text, 160, "a %.40s array of %d dimensions", type_name(v), Rf_length(dim));
    else
        snprintf(text, 160, "a %.40s vector of length %.0f", type_name(v), (double)XLENGTH(v));
    return text;
}

static int is_convertible(SEXP v)
{
    return (TYPEOF(v) == INTSXP || TYPEOF(v) == LGLSXP) && !Rf_isFactor(v) && !is_time(v);
}

static int is_double(SEXP v)
{
    return TYPEOF(v) == REALSXP && !is_time(v);
}

SEXP glue_matrix(SEXP x, const char *name, int *protected)
{
    SEXP dim = Rf_getAttrib(x, R_DimSymbol);
    int shaped = TYPEOF(dim) == INTSXP && LENGTH(dim) == 2;
    if (shaped && is_double(x)) return x;
    if (!shaped || !is_convertible(x))
        glue_stop("argument", "'%s' must be a numeric matrix; got %s", name, glue_describe(x));
    x = PROTECT(Rf_coerceVector(x, REALSXP));
    (*protected)++;
    return x;
}

bnorm_mat_f64 glue_view(SEXP matrix)
{
    const int *dim = INTEGER(Rf_getAttrib(matrix, R_DimSymbol));
    return bnorm_view_f64(REAL(matrix), dim[0], dim[1], BNORM_COL_MAJOR);
}

SEXP glue_like(SEXP x, const char *name, bnorm_mat_f64 other, const char *other_name,
               int *protected)
{
    x = glue_matrix(x, name, protected);
    bnorm_mat_f64 m = glue_view(x);
    if (m.rows != other.rows || m.cols != other.cols)
        glue_stop("argument", "'%s' is %td x %td; it must be %td x %td as '%s'", name, m.rows,
                  m.cols, other.rows, other.cols, other_name);
    return x;
}

const double *glue_vector(SEXP v, const char *name, ptrdiff_t count, const char *per,
                          int optional, int *protected)
{
    if (optional && Rf_isNull(v)) return NULL;
    if (!is_double(v) && !is_convertible(v))
        glue_stop("argument", "'%s' must be a numeric vector, %s; got %s", name, per,
                  glue_describe(v));
    if (XLENGTH(v) != count)
        glue_stop("argument", "'%s' must have length %td, %s; got length %.0f", name, count,
                  per, (double)XLENGTH(v));
    if (TYPEOF(v) != REALSXP) {
        v = PROTECT(Rf_coerceVector(v, REALSXP));
        (*protected)++;
    }
    const double *values = REAL(v);
    for (ptrdiff_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            glue_stop("argument", "'%s'[%td] is %s; it must be a finite number", name, i + 1,
                      R_IsNA(values[i])  ? "NA"
                      : isnan(values[i]) ? "NaN"
                                         : "infinite");
    return values;
}

double glue_number(SEXP v, const char *name)
{
    double value = NA_REAL;
    if (is_double(v) && XLENGTH(v) == 1)
        value = REAL(v)[0];
    else if (is_convertible(v) && XLENGTH(v) == 1)
        value = Rf_asReal(v);
    if (isnan(value))
        glue_stop("argument", "'%s' must be one number; got %s", name, glue_describe(v));
    return value;
}

double glue_whole(SEXP v, const char *name, double low, double high)
{
    double value = glue_number(v, name);
    if (!(value >= low && value <= high && value == floor(value)))
        glue_stop("argument", "'%s' is %g; it must be a whole number from %g to %g", name,
                  value, low, high);
    return value;
}

int glue_flag(SEXP v, const char *name)
{
    int value = TYPEOF(v) == LGLSXP && LENGTH(v) == 1 ? LOGICAL(v)[0] : NA_LOGICAL;
    if (value == NA_LOGICAL)
        glue_stop("argument", "'%s' must be TRUE or FALSE; got %s", name, glue_describe(v));
    return value;
}

const char *glue_string(SEXP v, const char *name)
{
    if (TYPEOF(v) != STRSXP || LENGTH(v) != 1 || STRING_ELT(v, 0) == NA_STRING)
        glue_stop("argument", "'%s' must be one string; got %s", name, glue_describe(v));
    return Rf_translateCharUTF8(STRING_ELT(v, 0));
}

SEXP glue_function(SEXP v, const char *name, int optional)
{
    if (!Rf_isFunction(v) && !(optional && Rf_isNull(v)))
        glue_stop("argument", "'%s' must be a function; got %s", name, glue_describe(v));
    return v;
}

SEXP glue_member(SEXP list, const char *name)
{
    SEXP names = Rf_getAttrib(list, R_NamesSymbol);
    if (TYPEOF(list) != VECSXP || TYPEOF(names) != STRSXP) return R_NilValue;
    for (R_xlen_t k = 0; k < XLENGTH(list); k++)
        if (strcmp(CHAR(STRING_ELT(names, k)), name) == 0) return VECTOR_ELT(list, k);
    return R_NilValue;
}
