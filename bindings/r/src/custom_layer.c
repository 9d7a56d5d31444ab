/* custom_layer: layers that are R functions. R matrices are column-major, a layer's row-major. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user.h"

/* R matrices are column-major, a layer's are row-major. */
static SEXP to_r(const double *data, ptrdiff_t rows, ptrdiff_t cols)
{
    SEXP m = glue_new_matrix(rows, cols);
    double *out = REAL(m);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++) out[i + j * rows] = data[i * cols + j];
    return m;
}

typedef struct layer_request {
    part *p;
    ptrdiff_t inputs;
    SEXP start; /* of those inputs: a list or R_NilValue */
    const double *params;
    bnorm_mat_f64 x, y, dy, dx;
    double *dparams;
    int training;
    double width;
} layer_request;

/* NULL, or a list with names of numeric matrices or vectors (one row), at most
 * BNORM_LAYER_BLOCKS. */
static int legal_starts(const part *p, SEXP list)
{
    SEXP names = Rf_getAttrib(list, R_NamesSymbol);
    if (list == R_NilValue) return 1;
    int legal = TYPEOF(list) == VECSXP && LENGTH(list) <= BNORM_LAYER_BLOCKS &&
                (TYPEOF(names) == STRSXP || !LENGTH(list));
    for (int k = 0; legal && k < LENGTH(list); k++)
        legal = TYPEOF(VECTOR_ELT(list, k)) == REALSXP && XLENGTH(VECTOR_ELT(list, k)) > 0 &&
                strlen(CHAR(STRING_ELT(names, k))) < sizeof(bnorm_block_shape){0}.name;
    if (!legal)
        user_fail(p, "parameters",
                  user_failure("must return a named list of at most 4 numeric matrices, names "
                               "of at most 15 bytes"));
    return legal;
}

static ptrdiff_t start_rows(SEXP start)
{
    return Rf_isMatrix(start) ? Rf_nrows(start) : 1;
}

static SEXP starts_of(const part *p, ptrdiff_t inputs)
{
    for (const starting *s = p->starts; s; s = s->next)
        if (s->inputs == inputs) return s->list;
    return NULL;
}

static void keep_starts(part *p, ptrdiff_t inputs, SEXP made)
{
    MARK_NOT_MUTABLE(made);
    R_PreserveObject(made);
    starting *s = malloc(sizeof *s);
    if (!s) {
        R_ReleaseObject(made);
        user_fail(p, "parameters", user_failure("out of memory"));
        return;
    }
    *s = (starting){.next = p->starts, .inputs = inputs, .list = made};
    p->starts = s;
}

/* Asks for the starting parameters, unless they are known. */
static void run_starts(void *argument)
{
    layer_request *r = argument;
    part *p = r->p;
    if (starts_of(p, r->inputs)) return;
    SEXP made = R_NilValue;
    if (!Rf_isNull(glue_member(p->spec, "parameters"))) {
        SEXP count = PROTECT(Rf_ScalarReal((double)r->inputs));
        SEXP arguments = PROTECT(Rf_cons(count, R_NilValue));
        made = user_call(p, "parameters", arguments);
        UNPROTECT(2);
    }
    if (!made) return;
    PROTECT(made);
    if (legal_starts(p, made)) keep_starts(p, r->inputs, made);
    UNPROTECT(1);
}

static int prepare(layer_request *r)
{
    if (!user_try(run_starts, r)) return 0;
    r->start = starts_of(r->p, r->inputs);
    return 1;
}

static int layer_blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    layer_request r = {.p = user, .inputs = inputs};
    if (!prepare(&r) || r.start == R_NilValue) return 0;
    SEXP names = Rf_getAttrib(r.start, R_NamesSymbol);
    int count = LENGTH(r.start);
    for (int k = 0; k < count; k++) {
        SEXP start = VECTOR_ELT(r.start, k);
        ptrdiff_t rows = start_rows(start);
        blocks[k] = (bnorm_block_shape){.rows = rows, .cols = XLENGTH(start) / rows};
        snprintf(blocks[k].name, sizeof blocks[k].name, "%s", CHAR(STRING_ELT(names, k)));
    }
    return count;
}

static void layer_start(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream,
                        double *params)
{
    layer_request r = {.p = user, .inputs = inputs};
    (void)seed, (void)stream;
    if (!prepare(&r) || r.start == R_NilValue) return;
    for (int k = 0; k < LENGTH(r.start); k++) {
        SEXP start = VECTOR_ELT(r.start, k);
        ptrdiff_t rows = start_rows(start), cols = XLENGTH(start) / rows;
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < cols; j++) *params++ = REAL(start)[i + j * rows];
    }
}

static void run_width(void *argument)
{
    layer_request *r = argument;
    SEXP units = glue_member(r->p->spec, "units");
    if (Rf_isNull(units)) {
        r->width = (double)r->inputs;
    } else if (Rf_isFunction(units)) {
        SEXP count = PROTECT(Rf_ScalarReal((double)r->inputs));
        SEXP arguments = PROTECT(Rf_cons(count, R_NilValue));
        SEXP result = user_call(r->p, "units", arguments);
        if (result) user_numbers(r->p, "units", PROTECT(result), &r->width, 1), UNPROTECT(1);
        UNPROTECT(2);
    } else {
        r->width = Rf_asReal(units);
    }
}

static ptrdiff_t layer_width(void *user, ptrdiff_t inputs)
{
    layer_request r = {.p = user, .inputs = inputs};
    if (!user_try(run_width, &r)) return 0;
    return r.width >= 1 && r.width < INT_MAX ? (ptrdiff_t)r.width : 0;
}

static SEXP params_to_r(const layer_request *r)
{
    if (r->start == R_NilValue) return Rf_allocVector(VECSXP, 0);
    int count = LENGTH(r->start);
    const double *at = r->params;
    SEXP list = PROTECT(Rf_allocVector(VECSXP, count));
    Rf_setAttrib(list, R_NamesSymbol, Rf_getAttrib(r->start, R_NamesSymbol));
    for (int k = 0; k < count; k++) {
        SEXP start = VECTOR_ELT(r->start, k);
        ptrdiff_t rows = start_rows(start), cols = XLENGTH(start) / rows;
        SET_VECTOR_ELT(list, k, to_r(at, rows, cols));
        at += rows * cols;
    }
    UNPROTECT(1);
    return list;
}

/* Copies (add 0) or adds an R matrix to a row-major one. */
static int take_matrix(const part *p, const char *where, const char *what, SEXP m, double *out,
                       ptrdiff_t rows, ptrdiff_t cols, int add)
{
    char text[160];
    int right = TYPEOF(m) == REALSXP && XLENGTH(m) == rows * cols &&
                (start_rows(m) == rows || rows == 1);
    if (!right) {
        snprintf(text, sizeof text, "%.40s is %.60s; a numeric matrix of %td x %td is expected",
                 what, glue_describe(m), rows, cols);
        user_fail(p, where, user_failure(text));
        return 0;
    }
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++) {
            double value = REAL(m)[i + j * rows];
            out[i * cols + j] = add ? out[i * cols + j] + value : value;
        }
    return 1;
}

/* forward(x, params, training) */
static void run_forward(void *argument)
{
    layer_request *r = argument;
    SEXP training = PROTECT(Rf_ScalarLogical(r->training));
    SEXP params = PROTECT(params_to_r(r)), x = PROTECT(to_r(r->x.data, r->x.rows, r->x.cols));
    SEXP arguments = PROTECT(Rf_list3(x, params, training));
    SEXP y = user_call(r->p, "forward", arguments);
    if (y) {
        PROTECT(y);
        take_matrix(r->p, "forward", "the result", y, r->y.data, r->y.rows, r->y.cols, 0);
        UNPROTECT(1);
    }
    UNPROTECT(4);
}

/* backward(x, y, dy, params): list(dx, dparams) */
static void run_backward(void *argument)
{
    layer_request *r = argument;
    SEXP params = PROTECT(params_to_r(r)), x = PROTECT(to_r(r->x.data, r->x.rows, r->x.cols));
    SEXP y = PROTECT(to_r(r->y.data, r->y.rows, r->y.cols));
    SEXP dy = PROTECT(to_r(r->dy.data, r->dy.rows, r->dy.cols));
    SEXP arguments = PROTECT(Rf_list4(x, y, dy, params));
    SEXP d = user_call(r->p, "backward", arguments);
    UNPROTECT(5);
    if (!d) return;
    PROTECT(d);
    int right = 1;
    SEXP dparams = glue_member(d, "dparams"), start = r->start;
    double *at = r->dparams;
    for (int k = 0; right && start != R_NilValue && k < LENGTH(start); k++) {
        const char *name = CHAR(STRING_ELT(Rf_getAttrib(start, R_NamesSymbol), k));
        ptrdiff_t rows = start_rows(VECTOR_ELT(start, k));
        ptrdiff_t cols = XLENGTH(VECTOR_ELT(start, k)) / rows;
        right =
            take_matrix(r->p, "backward", name, glue_member(dparams, name), at, rows, cols, 1);
        at += rows * cols;
    }
    if (right && r->dx.data)
        take_matrix(r->p, "backward", "dx", glue_member(d, "dx"), r->dx.data, r->dx.rows,
                    r->dx.cols, 0);
    UNPROTECT(1);
}

static int layer_forward(void *user, const bnorm_pass *pass, const double *params,
                         bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    layer_request r = {.p = user,
                       .inputs = x.cols,
                       .params = params,
                       .x = x,
                       .y = y,
                       .training = pass->training};
    return !prepare(&r) || !user_try(run_forward, &r);
}

static int layer_backward(void *user, const bnorm_pass *pass, const double *params,
                          bnorm_mat_f64 x, bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams,
                          bnorm_mat_f64 dx)
{
    layer_request r = {.p = user,
                       .inputs = x.cols,
                       .params = params,
                       .x = x,
                       .y = y,
                       .dy = dy,
                       .dx = dx,
                       .dparams = dparams};
    (void)pass;
    return !prepare(&r) || !user_try(run_backward, &r);
}

bnorm_layer part_layer_functions(part *p)
{
    return (bnorm_layer){.struct_size = sizeof p->layer,
                         .name = p->name,
                         .user = p,
                         .width = layer_width,
                         .blocks = layer_blocks,
                         .start = layer_start,
                         .forward = layer_forward,
                         .backward = layer_backward};
}
