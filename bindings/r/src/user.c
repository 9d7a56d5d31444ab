/* user: functions of R called by the library: each inside R_ToplevelExec; what failed is kept until
 * user_end tells it, and after a failure nothing is called. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user.h"

static user_state *now;

/* R code was left without a result and without a condition that call_user sees: a restart was
 * invoked, say. */
static void note_jump(void)
{
    if (!now->failure && !now->interrupted) now->jumped = 1;
}

int user_ready(void)
{
    return now && !now->failure && !now->interrupted && !now->jumped;
}

int user_try(void (*run)(void *argument), void *argument)
{
    if (!user_ready()) return 0;
    if (!user_run(run, argument)) note_jump();
    return user_ready();
}

void user_begin(user_state *state, const holder *h)
{
    *state = (user_state){.before = now, .h = h};
    now = state;
}

int user_open(void)
{
    return now != NULL;
}

int user_holds(const holder *h)
{
    for (const user_state *s = now; s; s = s->before)
        if (s->h == h) return 1;
    return 0;
}

void user_end(user_state *state)
{
    now = state->before;
    if (state->interrupted) glue_stop("interrupted", "interrupted by the user");
    if (state->jumped)
        glue_stop("user", "%s of '%s' did not return: R left it by a jump that is no error",
                  state->where ? state->where : "a function", state->name);
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
    if (user_ready() && !user_run(check_interrupt, NULL)) now->interrupted = 1;
    return !user_ready();
}

static void note_call(const part *p, const char *where)
{
    now->where = where;
    snprintf(now->name, sizeof now->name, "%s", p->name);
}

void user_fail(const part *p, const char *where, SEXP failure)
{
    R_PreserveObject(failure);
    now->failure = failure;
    note_call(p, where);
}

SEXP user_failure(const char *text)
{
    SEXP failure = PROTECT(Rf_allocVector(VECSXP, 1));
    SET_VECTOR_ELT(failure, 0, Rf_mkString(text));
    Rf_setAttrib(failure, R_NamesSymbol, Rf_mkString("message"));
    UNPROTECT(1);
    return failure;
}

/* f(...), or NULL after a failure, which is kept. call_user (R) catches errors and Ctrl-C. */
SEXP user_call(const part *p, const char *where, SEXP arguments)
{
    SEXP f = glue_member(p->spec, where);
    note_call(p, where);
    SEXP call = PROTECT(Rf_lcons(Rf_install("call_user"), Rf_cons(f, arguments)));
    SEXP result = PROTECT(Rf_eval(call, glue_namespace()));
    int failed = Rf_inherits(result, "bn_failure");
    int interrupted = Rf_inherits(result, "bn_interrupt");
    if (failed) user_fail(p, where, VECTOR_ELT(result, 0));
    if (interrupted) now->interrupted = 1;
    UNPROTECT(2);
    return failed || interrupted ? NULL : result;
}

static SEXP vector_of(const double *values, ptrdiff_t count)
{
    SEXP v = Rf_allocVector(REALSXP, count);
    memcpy(REAL(v), values, (size_t)count * sizeof(double));
    return v;
}

/* Copies a numeric result of the right length; keeps a failure otherwise. */
void user_numbers(const part *p, const char *where, SEXP result, double *out, ptrdiff_t count)
{
    char text[160];
    int numeric = TYPEOF(result) == REALSXP || TYPEOF(result) == INTSXP;
    if (!numeric || XLENGTH(result) != count) {
        snprintf(text, sizeof text, "returned %.80s; %td numbers are expected",
                 glue_describe(result), count);
        user_fail(p, where, user_failure(text));
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
    SEXP result = user_call(r->p, r->function, arguments);
    if (result) {
        PROTECT(result);
        user_numbers(r->p, r->function, result, r->out, r->out_count);
        UNPROTECT(1);
    }
    UNPROTECT(1);
}

void user_ask(request *r)
{
    if (user_try(run_request, r)) return;
    for (ptrdiff_t k = 0; k < r->out_count; k++) r->out[k] = (double)NAN;
}
