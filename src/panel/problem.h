/* problem: a structured model as matrices,
 *
 *     y = fixed effects + P theta + sum_k V_k(X_k) G2_k + e,
 *
 * as src/panel fits it. Nothing here knows of tables, names or files. The problem refers to what
 * it is given and owns none of it. */
#ifndef BNORM_PANEL_PROBLEM_H
#define BNORM_PANEL_PROBLEM_H

#include "bnorm.h"

typedef struct problem_network {
    bnorm_net *net;  /* the hidden layers, started: its outputs are the columns of V_k */
    bnorm_mat_f64 x; /* rows x inputs, scaled, row-major */
    double *top;     /* G2_k: an output each, in the unit of y */
} problem_network;

typedef struct problem {
    ptrdiff_t rows;
    const double *y;       /* rows, as observed */
    const double *weights; /* rows, positive; or NULL */
    double n;              /* their sum */
    bnorm_mat_f64
        p; /* rows x linear, row-major, as observed; a column of ones without `within` */
    double *theta; /* linear */
    problem_network *networks;
    ptrdiff_t network_count;
    ptrdiff_t top_count;        /* columns of all V_k together */
    const bnorm_within *within; /* Q; or NULL: the identity */
    const bnorm_factor
        *factors; /* what Q is made of: batches of whole units have a Q of their own */
    ptrdiff_t factor_count;
    const int32_t
        *unit; /* rows: 0 .. units-1, what batches, folds and bags do not divide; NULL: rows */
    ptrdiff_t units;
    const int32_t *period; /* rows: 0 .. periods-1 in the order of time; or NULL */
    ptrdiff_t periods;
    double tolerance; /* of Q, as bnorm_within_create takes it */
    int logistic;     /* loss -t log p - (1-t) log(1-p) instead of the squared one */
    double penalty_top,
        penalty_linear; /* those of hidden weights are in the networks' blocks */
} problem;

#endif
