/* panel: what the files of structured models share. */
#ifndef BNORM_R_PANEL_H
#define BNORM_R_PANEL_H

#include "build.h"
#include "results.h"

/* The model, or the covariance (NULL for R's NULL), of a pointer; signals when there is none. */
bnorm_panel *panel_of(SEXP pointer);
const bnorm_vcov *panel_vcov_of(SEXP pointer);

bnorm_panel_info panel_info(const bnorm_panel *panel);
/* Networks of the model: those of all members, after a bag. */
ptrdiff_t panel_networks(bnorm_panel *panel);

/* Calls of the library that may ask R functions of the model stand between these. */
void panel_begin(user_state *state, SEXP pointer);
void panel_end(user_state *state, bnorm_status status);

/* What R's list of settings says; memory is R_alloc's. The activation may be R's. */
void panel_settings(holder *h, SEXP options, bnorm_panel_options *o);
void panel_fit_settings(holder *h, SEXP options, bnorm_panel_fit_options *o);
/* weights, one per row of h->table, NaN where missing; or NULL. */
const double *panel_weights(const holder *h, SEXP weights, int *protected);
bnorm_hold panel_hold(SEXP value, const char *name);
/* Units of hidden layers, *layers of them. */
const ptrdiff_t *panel_hidden(SEXP hidden, const char *name, ptrdiff_t *layers);

#endif
