/* centred: products with Xc = X - 1 xbar' that never exist as a whole: blocks of rows are centred
 * in cache and multiplied there, so a large mean costs no digits. Blocks, and the sums over them,
 * are cut by sizes alone. */
#ifndef BNORM_MATRIX_CENTRED_H
#define BNORM_MATRIX_CENTRED_H

#include "matrix/view.h"

typedef struct bnorm_centred {
    const bnorm_view *x;
    const double *xbar; /* x->cols */
} bnorm_centred;

/* ARGUMENT unless a number of columns or a leading dimension fits BLAS's int. */
bnorm_status bnorm_check_blas(bnorm_ctx *ctx, ptrdiff_t size, const char *name);

/* y = Xc F + 1 shift'. f: x->cols x y->cols, row-major, contiguous. shift: y->cols or NULL (0).
 * y has the precision and layout of x. Errors: MEMORY. */
bnorm_status bnorm_centred_times(bnorm_ctx *ctx, const bnorm_centred *xc, const double *f,
                                 const double *shift, const bnorm_view *y);

/* c = Xc'Y, row-major, contiguous, in double, and sums = 1'Y (or NULL). Y is a matrix like x with columns of its own; NULL: diag(weights) Xc, and c is symmetric. Errors:
 * MEMORY. */
bnorm_status bnorm_centred_cross(bnorm_ctx *ctx, const bnorm_centred *xc, const bnorm_view *y,
                                 const double *weights, double *c, double *sums);

#endif
