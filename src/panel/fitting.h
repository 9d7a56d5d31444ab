/* fitting: what one fit of a problem knows, shared by its parts. The networks' parameters are the
 * iterate; a state is what a model is made of: hidden parameters and inference statistics of all
 * networks. theta and G2 follow from a state. */
#ifndef BNORM_PANEL_FITTING_H
#define BNORM_PANEL_FITTING_H

#include "panel/panel.h"
#include "panel/reduced.h"

typedef struct fitting {
    bnorm_ctx *ctx;
    problem *p;           /* the caller's */
    const problem *train; /* it, or its rows that are not held out */
    const problem *held;  /* or NULL */
    problem_part parts[2];
    int held_effects;
    bnorm_fit_options options;     /* no zeros that stand for defaults */
    reduced r;                     /* of train */
    double *parameters;            /* r.count: the present start's last iterate */
    double *first, *kept, *chosen; /* states: before the fit, best of a start, best of all */
    double *memory;
    double started;

    /* Of the present start. best: validation of what is kept; infinite: not validated. */
    ptrdiff_t start, epochs, best_epoch;
    double objective, validation, best;
    int converged, stop;
    uint64_t step;
} fitting;

/* INTERRUPTED when the caller says so. */
bnorm_status bnorm_fitting_ask(fitting *f);
/* The objective after the k-th epoch or iteration (0: the start), with inference statistics and
 * the top layer in the problem when rows are held out: validates, keeps, reports progress, and
 * says whether to stop. */
bnorm_status bnorm_fitting_epoch(fitting *f, ptrdiff_t epoch, double objective);
bnorm_status bnorm_fitting_diverged(fitting *f, ptrdiff_t epoch);
/* Loss of the held rows, over s^2 of the others for the squared one. */
bnorm_status bnorm_fitting_held(fitting *f, double *loss, double *rmse);

/* One start from the networks' present parameters, which are its last whole iterate afterwards,
 * also after a failure. */
bnorm_status bnorm_fitting_lbfgs(fitting *f);
bnorm_status bnorm_fitting_batches(fitting *f);

#endif
