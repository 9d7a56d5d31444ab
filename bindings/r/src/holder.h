/* holder: an external pointer to a network or model and to the R functions it calls; its
 * finalizer releases them, so whatever jumps out of R leaks nothing. */
#ifndef BNORM_R_HOLDER_H
#define BNORM_R_HOLDER_H

#include "calls.h"

/* The starting parameters of a layer for so many inputs, which also tell their shapes: R is asked
 * for them once, for the library keeps the shapes. */
typedef struct starting {
    struct starting *next;
    ptrdiff_t inputs;
    SEXP list; /* preserved */
} starting;

/* A part of a network that R functions compute. */
typedef struct part {
    struct part *next;
    SEXP spec; /* the R list; kept alive by the external pointer */
    char name[64];
    starting *starts; /* of a layer, one for each number of inputs */
    bnorm_activation activation;
    bnorm_loss loss;
    bnorm_layer layer;
} part;

typedef struct holder {
    bnorm_table *table; /* of one call: a table is never shared by calls that nest */
    bnorm_frame *frame;
    bnorm_net *net;
    bnorm_model *model; /* owns net and frame once it is made */
    bnorm_within *within;
    bnorm_panel *panel;
    bnorm_vcov *vcov;
    part *parts;
    double *history; /* objective and validation loss of each epoch */
    ptrdiff_t epochs, room;
    int trace;
} holder;

/* A holder in an external pointer that keeps `keep` alive. */
SEXP holder_make(SEXP keep, holder **h);
/* What its finalizer does; the pointer is empty then. */
void holder_release(SEXP pointer);
/* The holder of a pointer; signals when it is none, empty (of an earlier session), or in use by a
 * call that is open: an R function of the network must not use the network. */
holder *holder_get(SEXP pointer);

/* Parts of R functions (custom.c). Each is owned by the holder. */
const bnorm_activation *part_activation(holder *h, SEXP spec);
const bnorm_loss *part_loss(holder *h, SEXP spec);
const bnorm_layer *part_layer(holder *h, SEXP spec);
void parts_free(part *parts);

/* R functions called by the library cannot jump over it. What failed is kept until
 * user_end, which signals it; between, the functions do nothing. Calls nest. */
typedef struct user_state {
    struct user_state *before;
    const holder *h; /* in use until user_end */
    SEXP failure;    /* preserved condition, or NULL */
    const char *where;
    char name[64];
    int interrupted, jumped;
} user_state;
void user_begin(user_state *state, const holder *h);
/* Whether some call is open; whether one that uses this holder is. */
int user_open(void);
int user_holds(const holder *h);
/* After the library has returned: the status, or a condition when a function failed. */
void user_end(user_state *state);
/* For bnorm_fit_options: whether the user pressed Ctrl-C or a function failed. */
int user_interrupted(void *unused);
/* Runs R code that may jump; 0 when it did. */
int user_run(void (*run)(void *argument), void *argument);

/* A table of R's columns (double or character vectors with names). */
void table_make(holder *h, SEXP columns);

#endif
