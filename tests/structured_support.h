/* structured_support: small panels, and least squares on explicit dummies to hold them against. */
#ifndef BNORM_TESTS_STRUCTURED_SUPPORT_H
#define BNORM_TESTS_STRUCTURED_SUPPORT_H

#include "support.h"

/* An unbalanced, unsorted panel: columns y, x, z, w (a weight), id (text), year (numbers), g (text
 * of three levels), code (id as numbers), p (0 or 1). Rows whose number is not in `drop` ... all. */
typedef struct small_panel {
    ptrdiff_t rows;
    double *y, *x, *z, *w, *year, *code, *p;
    int *id, *g; /* numbers of the texts */
} small_panel;

small_panel *make_small_panel(ptrdiff_t units, ptrdiff_t periods, uint64_t seed);
void free_small_panel(small_panel *s);

/* Its table, the rows in the order of `order` (or NULL). prefix: of the names of the units. */
bnorm_table *small_table(bnorm_ctx *ctx, const small_panel *s, const ptrdiff_t *order,
                         const char *prefix);

/* Weighted least squares of y on the columns of d (rows x cols, row-major) in long double, by
 * Householder; columns that those before explain get coefficient 0. b: cols.
 * Returns the rank. */
ptrdiff_t exact_least_squares(ptrdiff_t rows, ptrdiff_t cols, const long double *d,
                              const double *y, const double *weights, long double *b);

/* A model of the formula that is fitted; fails the test otherwise. */
bnorm_panel *fit_panel(bnorm_ctx *ctx, const char *formula, const bnorm_table *table,
                       const double *weights, const bnorm_panel_options *options);

bnorm_panel_info info_of(const bnorm_panel *panel);

#endif
