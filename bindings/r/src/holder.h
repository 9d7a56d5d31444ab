/* holder: an external pointer to a network or model and to the R functions it calls; its
 * finalizer releases them, so whatever jumps out of R leaks nothing. */
#ifndef BNORM_R_HOLDER_H
#define BNORM_R_HOLDER_H

#include "calls.h"

/* A part of a network that R functions compute. */
typedef struct part {
    struct part *next;
    SEXP spec; /* the R list; kept alive by the external pointer */
    char name[64];
    SEXP start; /* of a layer: its starting parameters for `inputs` columns, preserved */
    ptrdiff_t inputs;
    bnorm_activation activation;
    bnorm_loss loss;
    bnorm_layer layer;
} part;

typedef struct holder {
    bnorm_table *table;
    bnorm_frame *frame;
    bnorm_net *net;
    bnorm_model *model; /* owns net and frame once it is made */
    part *parts;
    double *history; /* objective and validation loss of each epoch */
    ptrdiff_t epochs, room;
    int trace;
} holder;

/* A holder in an external pointer that keeps `keep` alive. */
SEXP holder_make(SEXP keep, holder **h);
/* The holder of a pointer; signals when it is none, or empty (of an earlier session). */
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
    SEXP failure; /* preserved condition, or NULL */
    const char *where;
    char name[64];
    int interrupted;
} user_state;
void user_begin(user_state *state);
/* After the library has returned: the status, or a condition when a function failed. */
void user_end(user_state *state);
/* For bnorm_fit_options: whether the user pressed Ctrl-C or a function failed. */
int user_interrupted(void *unused);
/* Runs R code that may jump; 0 when it did. */
int user_run(void (*run)(void *argument), void *argument);

/* A table of R's columns (double or character vectors with names). */
void table_make(holder *h, SEXP columns);

#endif
