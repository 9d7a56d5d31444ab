/* product: the matrix products of a dense layer, for a block of rows. */
#ifndef BNORM_LAYER_PRODUCT_H
#define BNORM_LAYER_PRODUCT_H

#include "bnorm.h"

/* A matrix seen as panels of `width` columns (the last may have fewer): panel k begins at data
 * + k * step, and its rows lie ld apart. */
typedef struct panels {
    const double *data;
    ptrdiff_t rows, cols, width, step, ld;
} panels;

/* The panels of a matrix where it lies. */
panels bnorm_panels_of(ptrdiff_t rows, ptrdiff_t cols, const double *x, ptrdiff_t ld);
/* Doubles that a copy takes. */
ptrdiff_t bnorm_panels_room(ptrdiff_t rows, ptrdiff_t cols);
/* The same of a copy in `to`, each panel by itself: of x; of x with each column measured from c;
 * of x' (rows and cols are those of x'). */
panels bnorm_panels_copy(ptrdiff_t rows, ptrdiff_t cols, const double *x, ptrdiff_t ld,
                         const double *c, double *to);
panels bnorm_panels_turn(ptrdiff_t rows, ptrdiff_t cols, const double *x, ptrdiff_t ld,
                         double *to);
/* Whether a copy is sooner multiplied: rows so far apart crowd a few places of a cache. */
int bnorm_panels_crowded(ptrdiff_t cols, ptrdiff_t ld);

/* c = a b, or c += a b: rows x b.cols. The context's threads share the panels. */
void bnorm_times(bnorm_ctx *ctx, ptrdiff_t rows, const double *a, ptrdiff_t lda,
                 const panels *b, int add, double *c, ptrdiff_t ldc);
/* c = x'w, or c += x'w: x.cols x w.cols; x and w have the same rows. */
void bnorm_cross(bnorm_ctx *ctx, const panels *x, const panels *w, int add, double *c,
                 ptrdiff_t ldc);

#endif
