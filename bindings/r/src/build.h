/* build: networks from R's descriptions of them. */
#ifndef BNORM_R_BUILD_H
#define BNORM_R_BUILD_H

#include "holder.h"
#include "results.h"

/* Builds and starts h->net: the layers of spec$layers, then, unless outputs is 0, a dense layer
 * of `outputs` units. */
void build_net(holder *h, SEXP spec, ptrdiff_t inputs, ptrdiff_t outputs, double seed,
               double penalty);
/* A loss by its name, or of R functions. */
const bnorm_loss *build_loss(holder *h, SEXP loss);
const bnorm_activation *build_activation(holder *h, SEXP activation);

/* The facts of a fit, for notes in the model that are those the command writes. */
typedef struct fit_part {
    ptrdiff_t count, *rows;
    double *x, *y, *observed, *weights; /* weights or NULL */
    double loss, good;                  /* R; R squared or accuracy */
} fit_part;
typedef struct fit_facts {
    fit_part part[2]; /* training, validation */
    ptrdiff_t rows, used, inputs, classes;
    double seed;
    const char *weights; /* name of their column, or NULL */
    int running;
    bnorm_fit_report report;
} fit_facts;

/* The settings of a fit from R's list, with progress into h->history and Ctrl-C. */
void fit_settings(holder *h, SEXP options, bnorm_fit_options *o);
/* h->history as a matrix: objective, validation loss (NA: none). */
SEXP fit_history(const holder *h);

/* A check of gradients as the columns of a data frame. */
SEXP model_report(const bnorm_check_block *report, ptrdiff_t count);

const char *optimizer_name(bnorm_optimizer optimizer);
/* Judges the parts by the model's own predictions; writes the notes. */
bnorm_status fit_judge(holder *h, fit_facts *f);
void fit_note(holder *h, const fit_facts *f);

#endif
