/* custom: activations, losses and layers that are R functions. The library calls the C functions
 * here; each asks R inside user_run, and writes NaN when R failed, which user_end then tells. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "holder.h"

static user_state *now;

void user_begin(user_state *state)
{
    *state = (user_state){.before = now};
    now = state;
}

void user_end(user_state *state)
{
    now = state->before;
    if (state->interrupted) glue_stop("interrupted", "interrupted by the user");
    if (!state->failure) return;
    SEXP failure = PROTECT(state->failure);
    R_ReleaseObject(failure);
    SEXP message = glue_member(failure, "message");
    const char *text = TYPEOF(message) == STRSXP && LENGTH(message) == 1
                           ? Rf_translateCharUTF8(STRING_ELT(message, 0))
                           : "it failed";
    glue_stop("user", "%s of '%s': %s", state->where, state->name, text);
}

int user_run(void (*run)(void *argument), void *argument)
{
    return R_ToplevelExec(run, argument) != FALSE;
}

static void check_interrupt(void *unused)
{
    (void)unused;
    R_CheckUserInterrupt();
}

int user_interrupted(void *unused)
{
    (void)unused;
    if (!now) return 0;
    if (!now->failure && !now->interrupted && !user_run(check_interrupt, NULL))
        now->interrupted = 1;
    return now->failure || now->interrupted;
}

/* ------------------------------------------------------------------------- calling into R */

/* A call of a part's function: arguments as C arrays, the result copied into an array. */
typedef struct request {
    part *p;
    const char *function; /* the member of the spec */
    const double *in[2];
    ptrdiff_t count[2]; /* of in[k]; 0: absent */
    double *out;
    ptrdiff_t out_count;
} request;

static void keep_failure(const part *p, const char *where, SEXP failure)
{
    R_PreserveObject(failure);
    now->failure = failure;
    now->where = where;
    snprintf(now->name, sizeof now->name, "%s", p->name);
}

static SEXP failure_of(const char *text)
{
    SEXP failure = PROTECT(Rf_allocVector(VECSXP, 1));
    SET_VECTOR_ELT(failure, 0, Rf_mkString(text));
    Rf_setAttrib(failure, R_NamesSymbol, Rf_mkString("message"));
    UNPROTECT(1);
    return failure;
}

/* f(...), or NULL after a failure, which is kept. call_user (R) catches errors. */
static SEXP call_user(const part *p, const char *where, SEXP arguments)
{
    SEXP f = glue_member(p->spec, where);
    SEXP call = PROTECT(Rf_lcons(Rf_install("call_user"), Rf_cons(f, arguments)));
    SEXP result = PROTECT(Rf_eval(call, glue_namespace()));
    int failed = Rf_inherits(result, "bn_failure");
    if (failed) keep_failure(p, where, VECTOR_ELT(result, 0));
    UNPROTECT(2);
    return failed ? NULL : result;
}

static SEXP vector_of(const double *values, ptrdiff_t count)
{
    SEXP v = Rf_allocVector(REALSXP, count);
    memcpy(REAL(v), values, (size_t)count * sizeof(double));
    return v;
}

/* Copies a numeric result of the right length; keeps a failure otherwise. */
static void take_numbers(const part *p, const char *where, SEXP result, double *out,
                         ptrdiff_t count)
{
    char text[160];
    int numeric = TYPEOF(result) == REALSXP || TYPEOF(result) == INTSXP;
    if (!numeric || XLENGTH(result) != count) {
        snprintf(text, sizeof text, "returned %.80s; %td numbers are expected",
                 glue_describe(result), count);
        keep_failure(p, where, failure_of(text));
        return;
    }
    result = PROTECT(Rf_coerceVector(result, REALSXP));
    memcpy(out, REAL(result), (size_t)count * sizeof *out);
    UNPROTECT(1);
}

static void run_request(void *argument)
{
    request *r = argument;
    SEXP arguments = R_NilValue;
    for (int k = 1; k >= 0; k--) {
        PROTECT(arguments);
        if (r->count[k]) {
            SEXP v = PROTECT(vector_of(r->in[k], r->count[k]));
            arguments = Rf_cons(v, arguments);
            UNPROTECT(1);
        }
        UNPROTECT(1);
    }
    PROTECT(arguments);
    SEXP result = call_user(r->p, r->function, arguments);
    if (result) {
        PROTECT(result);
        take_numbers(r->p, r->function, result, r->out, r->out_count);
        UNPROTECT(1);
    }
    UNPROTECT(1);
}

static void ask(request *r)
{
    if (now && !now->failure && !now->interrupted) {
        if (!user_run(run_request, r) && !now->failure) now->interrupted = 1;
        if (!now->failure && !now->interrupted) return;
    }
    for (ptrdiff_t k = 0; k < r->out_count; k++) r->out[k] = (double)NAN;
}

/* --------------------------------------------------------------------------- activations */

static void activation_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    request r = {.p = user,
                 .function = "value",
                 .in = {b},
                 .count = {count},
                 .out = v,
                 .out_count = count};
    if (count) ask(&r);
}

/* db = dv a'(b), where db may be dv or b: a' goes to memory of its own. */
static void activation_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                                double *db)
{
    double *slope = malloc(((size_t)count + 1) * sizeof *slope);
    request r = {.p = user,
                 .function = "derivative",
                 .in = {b},
                 .count = {count},
                 .out = slope,
                 .out_count = count};
    if (slope && count) ask(&r);
    for (ptrdiff_t k = 0; k < count; k++) db[k] = slope ? dv[k] * slope[k] : (double)NAN;
    free(slope);
}

/* ------------------------------------------------------------------------------- losses */

static double loss_value(void *user, ptrdiff_t scores, const double *score,
                         const double *target)
{
    double value;
    request r = {.p = user,
                 .function = "value",
                 .in = {score, target},
                 .out = &value,
                 .count = {scores, ((part *)user)->loss.targets},
                 .out_count = 1};
    ask(&r);
    return value;
}

static void loss_gradient(void *user, ptrdiff_t scores, const double *score,
                          const double *target, double *d)
{
    request r = {.p = user,
                 .function = "gradient",
                 .in = {score, target},
                 .out = d,
                 .count = {scores, ((part *)user)->loss.targets},
                 .out_count = scores};
    ask(&r);
}

static void loss_response(void *user, ptrdiff_t scores, const double *score, double *mean)
{
    request r = {.p = user,
                 .function = "response",
                 .in = {score},
                 .count = {scores},
                 .out = mean,
                 .out_count = scores};
    ask(&r);
}

/* ------------------------------------------------------------------------------- layers */

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
    const double *params;
    bnorm_mat_f64 x, y, dy, dx;
    double *dparams;
    int training;
    double width;
} layer_request;

/* The starting parameters for so many inputs, which also tell their shapes. */
static SEXP starts(part *p, ptrdiff_t inputs)
{
    if (p->start && p->inputs == inputs) return p->start;
    SEXP made = R_NilValue;
    if (!Rf_isNull(glue_member(p->spec, "parameters"))) {
        SEXP count = PROTECT(Rf_ScalarReal((double)inputs));
        SEXP arguments = PROTECT(Rf_cons(count, R_NilValue));
        made = call_user(p, "parameters", arguments);
        UNPROTECT(2);
        if (!made) return NULL;
    }
    R_PreserveObject(made);
    if (p->start) R_ReleaseObject(p->start);
    p->start = made;
    p->inputs = inputs;
    return made;
}

/* A list with names of numeric matrices or vectors (one row), at most BNORM_LAYER_BLOCKS. */
static int legal_starts(const part *p, SEXP list)
{
    SEXP names = Rf_getAttrib(list, R_NamesSymbol);
    int legal = TYPEOF(list) == VECSXP && LENGTH(list) <= BNORM_LAYER_BLOCKS &&
                (TYPEOF(names) == STRSXP || !LENGTH(list));
    for (int k = 0; legal && k < LENGTH(list); k++)
        legal = TYPEOF(VECTOR_ELT(list, k)) == REALSXP && XLENGTH(VECTOR_ELT(list, k)) > 0 &&
                strlen(CHAR(STRING_ELT(names, k))) < sizeof(bnorm_block_shape){0}.name;
    if (!legal)
        keep_failure(p, "parameters",
                     failure_of("must return a named list of at most 4 numeric matrices, names "
                                "of at most 15 bytes"));
    return legal;
}

static ptrdiff_t start_rows(SEXP start)
{
    return Rf_isMatrix(start) ? Rf_nrows(start) : 1;
}

static void run_blocks(void *argument)
{
    layer_request *r = argument;
    SEXP list = starts(r->p, r->inputs);
    if (list && list != R_NilValue) legal_starts(r->p, list);
}

static int prepare(layer_request *r)
{
    if (!now || now->failure || now->interrupted) return 0;
    if (!user_run(run_blocks, r) && !now->failure) now->interrupted = 1;
    return !now->failure && !now->interrupted;
}

static int layer_blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    layer_request r = {.p = user, .inputs = inputs};
    if (!prepare(&r) || r.p->start == R_NilValue) return 0;
    SEXP names = Rf_getAttrib(r.p->start, R_NamesSymbol);
    int count = LENGTH(r.p->start);
    for (int k = 0; k < count; k++) {
        SEXP start = VECTOR_ELT(r.p->start, k);
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
    if (!prepare(&r) || r.p->start == R_NilValue) return;
    for (int k = 0; k < LENGTH(r.p->start); k++) {
        SEXP start = VECTOR_ELT(r.p->start, k);
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
        SEXP result = call_user(r->p, "units", arguments);
        if (result) take_numbers(r->p, "units", PROTECT(result), &r->width, 1), UNPROTECT(1);
        UNPROTECT(2);
    } else {
        r->width = Rf_asReal(units);
    }
}

static ptrdiff_t layer_width(void *user, ptrdiff_t inputs)
{
    layer_request r = {.p = user, .inputs = inputs};
    if (!now || now->failure || now->interrupted || !user_run(run_width, &r)) return 0;
    return r.width >= 1 && r.width < INT_MAX ? (ptrdiff_t)r.width : 0;
}

static SEXP params_to_r(const layer_request *r)
{
    if (r->p->start == R_NilValue) return Rf_allocVector(VECSXP, 0);
    int count = LENGTH(r->p->start);
    const double *at = r->params;
    SEXP list = PROTECT(Rf_allocVector(VECSXP, count));
    Rf_setAttrib(list, R_NamesSymbol, Rf_getAttrib(r->p->start, R_NamesSymbol));
    for (int k = 0; k < count; k++) {
        SEXP start = VECTOR_ELT(r->p->start, k);
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
        keep_failure(p, where, failure_of(text));
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
    SEXP y = call_user(r->p, "forward", arguments);
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
    SEXP d = call_user(r->p, "backward", arguments);
    UNPROTECT(5);
    if (!d) return;
    PROTECT(d);
    int right = 1;
    SEXP dparams = glue_member(d, "dparams"), start = r->p->start;
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
    if (!prepare(&r)) return 1;
    if (!user_run(run_forward, &r) && !now->failure) now->interrupted = 1;
    return now->failure || now->interrupted;
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
    if (!prepare(&r)) return 1;
    if (!user_run(run_backward, &r) && !now->failure) now->interrupted = 1;
    return now->failure || now->interrupted;
}

/* -------------------------------------------------------------------------------- making */

/* The same R list gives the same part, for the library takes a name once. */
static part *part_make(holder *h, SEXP spec)
{
    for (part *p = h->parts; p; p = p->next)
        if (p->spec == spec) return p;
    part *p = calloc(1, sizeof *p);
    if (!p) glue_stop("memory", "out of memory for a part of a network");
    p->next = h->parts;
    h->parts = p;
    p->spec = spec;
    snprintf(p->name, sizeof p->name, "%s", glue_string(glue_member(spec, "name"), "name"));
    p->activation = (bnorm_activation){
        .name = p->name, .value = activation_value, .gradient = activation_gradient, .user = p};
    p->loss = (bnorm_loss){.name = p->name,
                           .targets = 1,
                           .value = loss_value,
                           .gradient = loss_gradient,
                           .user = p};
    p->layer = (bnorm_layer){.struct_size = sizeof p->layer,
                             .name = p->name,
                             .user = p,
                             .width = layer_width,
                             .blocks = layer_blocks,
                             .start = layer_start,
                             .forward = layer_forward,
                             .backward = layer_backward};
    return p;
}

void parts_free(part *parts)
{
    while (parts) {
        part *next = parts->next;
        if (parts->start) R_ReleaseObject(parts->start);
        free(parts);
        parts = next;
    }
}

const bnorm_activation *part_activation(holder *h, SEXP spec)
{
    part *p = part_make(h, spec);
    p->activation.gain = glue_number(glue_member(spec, "gain"), "gain");
    return &p->activation;
}

const bnorm_loss *part_loss(holder *h, SEXP spec)
{
    part *p = part_make(h, spec);
    if (!Rf_isNull(glue_member(spec, "response"))) p->loss.response = loss_response;
    return &p->loss;
}

const bnorm_layer *part_layer(holder *h, SEXP spec)
{
    return &part_make(h, spec)->layer;
}
