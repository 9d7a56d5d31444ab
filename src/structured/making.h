/* making: what the steps share that make a panel from a formula and a table. */
#ifndef BNORM_STRUCTURED_MAKING_H
#define BNORM_STRUCTURED_MAKING_H

#include "structured/panel.h"

typedef struct making {
    bnorm_ctx *ctx;
    const bnorm_table *table;
    const double *weights; /* of the table's rows, or NULL */
    const bnorm_panel_options *options;
    bnorm_structure structure; /* its formulas go over into frames */
    bnorm_panel *panel;
    ptrdiff_t *rows, count; /* those still in: the panel's at the end */
} making;

/* Each step takes the panel on; the maker destroys it when one fails. */

/* Rows that are complete and have a weight, counted (rows.c). Errors: DATA, MEMORY. */
bnorm_status bnorm_making_rows(making *m);

/* Levels of the fixed effects, without singletons; codes, slopes, Q (factors.c). */
bnorm_status bnorm_making_factors(making *m);

/* y, the weights, P without collinear columns, X_k (matrices.c). */
bnorm_status bnorm_making_matrices(making *m);

/* Unit and period of each row, with what there is to count (index.c). */
bnorm_status bnorm_making_index(making *m);

/* The networks, started; the variables (networks.c). */
bnorm_status bnorm_making_networks(making *m);

/* Notes a term that is left out. Errors: MEMORY. */
bnorm_status bnorm_making_drop(making *m, const char *name, const char *reason);

#endif
