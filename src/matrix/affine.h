/* affine: y = (x - mean) scale + shift over all tiles of a view. */
#ifndef BNORM_MATRIX_AFFINE_H
#define BNORM_MATRIX_AFFINE_H

#include "matrix/view.h"

typedef struct bnorm_affine_job {
    const bnorm_view *x, *y;
    bnorm_cut cut;
    bnorm_affine a;
    int stream, again; /* again: x was just read */
} bnorm_affine_job;

void bnorm_affine_tile(const bnorm_affine_job *job, ptrdiff_t b, ptrdiff_t s);

/* All tiles; of what was just read the last first: it is still in cache. */
void bnorm_affine_run(bnorm_ctx *ctx, bnorm_affine_job *job);

#endif
