/* matrix_support: matrices of either precision and layout behind one type, filled with canaries
 * around and between what belongs to them; calls by that type; references in long double. */
#ifndef BNORM_TESTS_MATRIX_SUPPORT_H
#define BNORM_TESTS_MATRIX_SUPPORT_H

#include "support.h"

typedef struct mat {
    int f32;
    bnorm_layout layout;
    ptrdiff_t rows, cols, ld;
    ptrdiff_t total; /* elements, with the canaries */
    ptrdiff_t first; /* index of entry (0, 0) */
    void *block;
} mat;

/* A matrix whose ld exceeds the width by `pad`, `shift` elements off alignment, all canaries.
 */
mat mat_make(int f32, bnorm_layout layout, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t pad,
             ptrdiff_t shift);
mat mat_copy(const mat *m); /* with its canaries */
void mat_free(mat *m);
double mat_get(const mat *m, ptrdiff_t i, ptrdiff_t j);
void mat_set(mat *m, ptrdiff_t i, ptrdiff_t j, double value);
bnorm_mat_f64 mat_f64(const mat *m);
bnorm_mat_f32 mat_f32(const mat *m);
/* Normal numbers: center + scale z, stream `stream`; the same values for every layout. */
void mat_fill(mat *m, uint64_t stream, double center, double scale);
/* Fails when a canary has changed. */
void mat_check_canaries(const mat *m);
/* Whether the entries of two matrices have the same bits (NaNs alike). */
int mat_same(const mat *a, const mat *b);

/* Vectors of doubles; those that go to a call as float are rounded to float first. */
double *vec_normal(ptrdiff_t count, uint64_t stream, double center, double scale);
double *vec_weights(ptrdiff_t rows, uint64_t stream); /* uniform, every fifth 0 */
void vec_round(int f32, ptrdiff_t count, double *v);

/* The calls; mat x, y of one precision. dx NULL: absent. */
bnorm_status call_moments(bnorm_ctx *ctx, const mat *x, const double *weights, double *n,
                          double *mean, double *m2);
bnorm_status call_forward(bnorm_ctx *ctx, const mat *x, const double *weights,
                          const double *gamma, const double *beta, bnorm_rule rule, mat *y,
                          double *mean, double *rstd);
bnorm_status call_infer(bnorm_ctx *ctx, const mat *x, const double *gamma, const double *beta,
                        const double *mean, const double *var, double eps, mat *y);
bnorm_status call_backward(bnorm_ctx *ctx, const mat *x, const mat *dy, const double *weights,
                           const double *gamma, const double *mean, const double *rstd,
                           bnorm_rule rule, mat *dx, double *dgamma, double *dbeta);
bnorm_status call_fold(bnorm_ctx *ctx, const mat *g1, const double *bias, const double *gamma,
                       const double *beta, const double *mean, const double *var, double eps,
                       mat *out, double *bias_out);
bnorm_status call_layer_forward(bnorm_ctx *ctx, const mat *x, const double *gamma,
                                const double *beta, double eps, mat *y, double *mean,
                                double *rstd);
bnorm_status call_layer_backward(bnorm_ctx *ctx, const mat *x, const mat *dy,
                                 const double *gamma, const double *mean, const double *rstd,
                                 mat *dx, double *dgamma, double *dbeta);

/* Column j of x: n, mean, M2 and the largest |x - mean|, by the two-pass formulas. */
typedef struct column {
    long double n, mean, m2, spread;
} column;
column reference_column(const mat *x, ptrdiff_t j, const double *weights);

/* Fails unless |got - expected| <= bound; says where. */
void check_near(double got, long double expected, double bound, const char *what, ptrdiff_t i,
                ptrdiff_t j);

/* What a check of one shape covers. */
typedef struct shape {
    int f32;
    bnorm_layout layout;
    ptrdiff_t rows, cols, pad;
    int weighted, affine, in_place, threads;
} shape;

/* The reference checks; they fail with the shape in the output. */
void check_forward(shape s, double center, double scale, bnorm_rule rule);
void check_backward(shape s, double center, double scale, bnorm_rule rule);
void print_shape(const shape *s);

#endif
