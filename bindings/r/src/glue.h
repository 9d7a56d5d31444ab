/* glue: what the files of the package share. Rules: arguments are checked here, by their names
 * in R, before the library is called; a longjmp of R never crosses a frame of the library, so R
 * code that the library calls runs inside R_ToplevelExec; whatever a longjmp could leak is owned
 * by an external pointer or by R_alloc. */
#ifndef BNORM_R_GLUE_H
#define BNORM_R_GLUE_H

#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include "bnorm.h"

/* The context of every call: R runs on one thread. */
bnorm_ctx *glue_ctx(void);

/* Signals a condition of class bnorm_error_<kind> from the R function that made the call. */
#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 2, 3)))
#endif
void glue_stop(const char *kind, const char *format, ...);
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void glue_warn(const char *format, ...);

/* Returns on success; signals otherwise, with the context's sentence. */
void glue_try(bnorm_status status);

/* ----------------------------------------------------------------------------- arguments */

/* A matrix as double: itself, or a converted copy of an integer or logical one, which is
 * protected (*protected counts). */
SEXP glue_matrix(SEXP x, const char *name, int *protected);
bnorm_mat_f64 glue_view(SEXP matrix);
/* A matrix of the shape of another. */
SEXP glue_like(SEXP x, const char *name, bnorm_mat_f64 other, const char *other_name,
               int *protected);

/* The `count` finite values of a vector ("one per column of x"), or NULL when optional and
 * absent. */
const double *glue_vector(SEXP v, const char *name, ptrdiff_t count, const char *per,
                          int optional, int *protected);
double glue_number(SEXP v, const char *name);
/* A whole number from low to high (at most 2^53). */
double glue_whole(SEXP v, const char *name, double low, double high);
int glue_flag(SEXP v, const char *name);
const char *glue_string(SEXP v, const char *name); /* UTF-8 */
/* A function, or NULL when optional. */
SEXP glue_function(SEXP v, const char *name, int optional);

/* What an argument is, for messages: "a character vector of length 3". R_alloc'ed. */
const char *glue_describe(SEXP v);

/* -------------------------------------------------------------------------------- results */

/* A list of class `kind` with the names of that kind (init.c knows them), to be filled. */
typedef enum glue_kind {
    GLUE_FORWARD,
    GLUE_LAYER_NORM,
    GLUE_DENSE,
    GLUE_GRADIENT,
    GLUE_DENSE_GRADIENT,
    GLUE_FOLD,
    GLUE_MOMENTS,
    GLUE_RUNNING,
    GLUE_GRAM,
    GLUE_KINDS
} glue_kind;
SEXP glue_list(glue_kind kind);
/* Asserts that f is such a list. */
void glue_expect(SEXP f, const char *name, glue_kind kind);
int glue_is(SEXP f, glue_kind kind);

SEXP glue_new_matrix(ptrdiff_t rows, ptrdiff_t cols);
/* dimnames of from to to; the column names (which = 1) or row names (0) to a vector. */
void glue_copy_dimnames(SEXP from, SEXP to);
void glue_copy_names(SEXP from, int which, SEXP to);

/* The member of a list by name; R_NilValue for none. */
SEXP glue_member(SEXP list, const char *name);

#endif
