/* spectrum: the singular values of a weighted design, which decide what it identifies. */
#ifndef BNORM_PANEL_SPECTRUM_H
#define BNORM_PANEL_SPECTRUM_H

#include "bnorm.h"

/* A direction whose singular value is at most this times the largest is not identified: the
 * columns scaled to length one. */
#define BNORM_IDENTIFIED 1e-8

/* diag(sqrt(w)) J diag(1/scale) = U diag(values) V' with values descending. */
typedef struct spectrum {
    ptrdiff_t cols, rank; /* rank: values above BNORM_IDENTIFIED times the first */
    double *scale;   /* cols: the length of column j of diag(sqrt(w)) J; 1 where that is 0 */
    double *values;  /* cols */
    double *vectors; /* cols x cols, row k is V's column k; orthonormal */
} spectrum;

/* j: rows x cols, either layout. weights: rows, not negative; or NULL. The same bits for any
 * number of threads. On failure *s holds nothing.
 * Errors: NONFINITE (j), MEMORY. */
bnorm_status bnorm_spectrum_make(bnorm_ctx *ctx, bnorm_mat_f64 j, const double *weights,
                                 spectrum *s);
void bnorm_spectrum_free(spectrum *s);

/* R of the QR decomposition of diag(sqrt(w)) J, by Householder's reflections in blocks of rows
 * and of the R of those: cols x cols, row-major, upper triangular. */
bnorm_status bnorm_triangle(bnorm_ctx *ctx, bnorm_mat_f64 j, const double *weights, double *r);

#endif
