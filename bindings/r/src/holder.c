/* holder: external pointers, tables of R's columns. */
#include "holder.h"

#include <stdlib.h>

void holder_release(SEXP pointer)
{
    holder *h = R_ExternalPtrAddr(pointer);
    if (!h) return;
    R_ClearExternalPtr(pointer);
    bnorm_table_destroy(h->table);
    bnorm_frame_destroy(h->frame);
    bnorm_net_destroy(h->net);
    bnorm_model_destroy(h->model);
    bnorm_within_destroy(h->within);
    bnorm_panel_destroy(h->panel);
    bnorm_vcov_destroy(h->vcov);
    parts_free(h->parts);
    free(h->history);
    free(h);
}

SEXP holder_make(SEXP keep, holder **h)
{
    SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, Rf_install("bnorm"), keep));
    R_RegisterCFinalizerEx(pointer, holder_release, TRUE);
    *h = calloc(1, sizeof **h);
    if (!*h) glue_stop("memory", "out of memory for a network");
    R_SetExternalPtrAddr(pointer, *h);
    UNPROTECT(1);
    return pointer;
}

holder *holder_get(SEXP pointer)
{
    if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != Rf_install("bnorm"))
        glue_stop("argument", "'object' holds no network; got %s", glue_describe(pointer));
    holder *h = R_ExternalPtrAddr(pointer);
    if (!h) glue_stop("argument", "'object' comes from another session and holds no network");
    if (user_holds(h))
        glue_stop("argument",
                  "'object' is in use: a function of its own network was called for "
                  "it and cannot use it");
    return h;
}

static void add_text(holder *h, const char *name, SEXP column)
{
    ptrdiff_t rows = XLENGTH(column);
    const char **cells = (const char **)R_alloc((size_t)rows + 1, sizeof *cells);
    for (ptrdiff_t i = 0; i < rows; i++) {
        SEXP cell = STRING_ELT(column, i);
        cells[i] = cell == NA_STRING ? NULL : Rf_translateCharUTF8(cell);
    }
    glue_try(bnorm_table_levels(glue_ctx(), h->table, name, cells));
}

void table_make(holder *h, SEXP columns)
{
    SEXP names = Rf_getAttrib(columns, R_NamesSymbol);
    if (TYPEOF(columns) != VECSXP || TYPEOF(names) != STRSXP || !LENGTH(columns))
        glue_stop("argument", "'data' must be a data frame with at least one column");
    ptrdiff_t rows = XLENGTH(VECTOR_ELT(columns, 0));
    bnorm_table_destroy(h->table);
    h->table = NULL;
    glue_try(bnorm_table_create(glue_ctx(), rows, &h->table));
    glue_try(bnorm_table_source(glue_ctx(), h->table, "data", NULL));
    for (int k = 0; k < LENGTH(columns); k++) {
        SEXP column = VECTOR_ELT(columns, k);
        const char *name = Rf_translateCharUTF8(STRING_ELT(names, k));
        if (XLENGTH(column) != rows)
            glue_stop("argument", "column '%.80s' of 'data' has %.0f values, not %td", name,
                      (double)XLENGTH(column), rows);
        if (TYPEOF(column) == STRSXP)
            add_text(h, name, column);
        else if (TYPEOF(column) == REALSXP)
            glue_try(bnorm_table_numbers(glue_ctx(), h->table, name, REAL(column)));
        else
            glue_stop("argument", "column '%.80s' of 'data' is %s", name,
                      glue_describe(column));
    }
}
