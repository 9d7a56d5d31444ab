/* user: how the parts made of R functions call R. */
#ifndef BNORM_R_USER_H
#define BNORM_R_USER_H

#include "holder.h"

/* A call of a part's function: arguments as C arrays, the result copied into an array. */
typedef struct request {
    part *p;
    const char *function; /* the member of the spec */
    const double *in[2];
    ptrdiff_t count[2]; /* of in[k]; 0: absent */
    double *out;
    ptrdiff_t out_count;
} request;

/* The result, or NaN. */
void user_ask(request *r);

/* Whether nothing has failed; runs R code unless something has: 1 when nothing has after. */
int user_ready(void);
int user_try(void (*run)(void *argument), void *argument);

/* For code that runs inside user_try. f(...) of the part's function, NULL after a failure. */
SEXP user_call(const part *p, const char *where, SEXP arguments);
void user_fail(const part *p, const char *where, SEXP failure);
SEXP user_failure(const char *text);
/* Copies a numeric result of the right length; a failure otherwise. */
void user_numbers(const part *p, const char *where, SEXP result, double *out, ptrdiff_t count);

bnorm_layer part_layer_functions(part *p);

#endif
