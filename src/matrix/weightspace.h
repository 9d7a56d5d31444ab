/* weightspace: the algebra of W1-W4 on matrices of p1 x p2 in double, for the matrix functions
 * and for networks. All are row-major and contiguous. */
#ifndef BNORM_MATRIX_WEIGHTSPACE_H
#define BNORM_MATRIX_WEIGHTSPACE_H

#include "bnorm.h"

/* From sums over the rows, with Xc measured from the rounded means: rest = 1'diag(omega)Xc becomes
 * the rest of the means, rest/n, and s = Xc'diag(omega)Xc becomes S = (s - n rest rest')/M, from
 * the means with their rests. */
void bnorm_gram_finish(ptrdiff_t cols, double n, double ddof, double *rest, double *s);

/* sg = S G1. */
void bnorm_gram_times(bnorm_ctx *ctx, const bnorm_gram *gram, ptrdiff_t cols, const double *g1,
                      double *sg);

/* (W1): mean and v = g'S g (>= 0) of each column, and the least v + eps that v is right for. */
void bnorm_gram_moments(const bnorm_gram *gram, ptrdiff_t cols, const double *g1,
                        const double *sg, double *mean, double *v, double *least);

/* What the rests of the means ask for: shift -= rest'F, with F as bnorm_centred_times gets it; and
 * from (X - 1xbar')'W to Xc'W: g -= rest dbeta'. */
void bnorm_gram_shift(const bnorm_gram *gram, ptrdiff_t cols, const double *f, double *shift);
void bnorm_gram_centre(const bnorm_gram *gram, ptrdiff_t cols, const double *dbeta, double *g);

/* (W2), from G = Xc'W. */
void bnorm_gram_dgamma(const bnorm_gram *gram, ptrdiff_t cols, const double *g1,
                       const double *rstd, const double *g, double *dgamma);

/* (W3): g is G on entry and dR/dG1 on return. scale = gamma rstd. */
void bnorm_gram_gradient(const bnorm_gram *gram, ptrdiff_t cols, const double *sg,
                         const double *rstd, const double *scale, const double *dgamma,
                         double *g);

#endif
