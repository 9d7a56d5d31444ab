/* reader: rows of any table as a model takes them: linear terms, network inputs, fixed effects. A
 * row gives the same bits whatever rows are read with it. */
#ifndef BNORM_STRUCTURED_READER_H
#define BNORM_STRUCTURED_READER_H

#include "structured/panel.h"

typedef struct panel_reader {
    bnorm_ctx *ctx;
    bnorm_panel *panel;
    const bnorm_table *table;
    bnorm_binding linear, bar;
    bnorm_binding *networks; /* of each nn() */
    ptrdiff_t most;          /* rows at a time */
    ptrdiff_t count;         /* rows loaded */
    double *p;               /* most x info.linear */
    double **x;              /* of each nn(): most x its inputs, scaled */
    double *v;               /* most x the widest V of a network */
    int32_t *codes;
    double *slope;
} panel_reader;

/* For at most `count` rows; stop releases, also after a failure. Errors: DATA (a column that is not
 * there, or not of numbers), MEMORY. */
bnorm_status bnorm_reader_start(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_table *table,
                                ptrdiff_t count, panel_reader *r);
void bnorm_reader_stop(panel_reader *r);

/* P and the X_k of count <= most rows, none of which has a missing value. Errors: DATA (a level of
 * a factor() unseen in training, a term that is not finite), ARGUMENT (no such row), MEMORY. */
bnorm_status bnorm_reader_load(panel_reader *r, const ptrdiff_t *rows, ptrdiff_t count);

/* score = P theta + sum V G2 of the rows that were loaded. */
bnorm_status bnorm_reader_score(panel_reader *r, double *score);

/* score += the fixed effects of the rows, new levels as new_level says. Errors: DATA (a new level,
 * with BNORM_NEW_ERROR; a slope that is not finite). */
bnorm_status bnorm_reader_effects(panel_reader *r, const ptrdiff_t *rows, ptrdiff_t count,
                                  bnorm_new_level new_level, double *score);

/* Standard errors of the rows that were loaded, whose scores these are, by a covariance of the
 * model (vcov.h). Errors: those of bnorm_vcov_errors. */
bnorm_status bnorm_reader_errors(panel_reader *r, const bnorm_vcov *vcov, const ptrdiff_t *rows,
                                 const double *score, double *se);

/* missing[i] becomes 1 in the rows of the table that lack something. */
bnorm_status bnorm_reader_missing(bnorm_ctx *ctx, const bnorm_panel *panel,
                                  const bnorm_table *table, int with_target,
                                  unsigned char *missing);

#endif
