/* blas: matrix products in row-major terms over the Fortran interface of any BLAS, on one BLAS
 * thread. Products are GEMM's job; threads are ours (base/threads.h), so results do not depend
 * on theirs. */
#ifndef BNORM_MATRIX_BLAS_H
#define BNORM_MATRIX_BLAS_H

#include <stddef.h>

/* c := alpha op(a) op(b) + beta c, all row-major: op(a) is m x k, op(b) k x n, c m x n;
 * transpose_a says that a is stored as k x m, likewise b. Each size and ld at most INT_MAX (the
 * caller has checked). beta 0 does not read c. Zero m or n: nothing; zero k: c is scaled. */
void bnorm_gemm_f64(int transpose_a, int transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                    double alpha, const double *a, ptrdiff_t lda, const double *b,
                    ptrdiff_t ldb, double beta, double *c, ptrdiff_t ldc);
void bnorm_gemm_f32(int transpose_a, int transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                    float alpha, const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb,
                    float beta, float *c, ptrdiff_t ldc);

/* y := op(a) x + beta y, a stored row-major as m x n; transposed: y has n entries and x m. */
void bnorm_gemv_f64(int transpose, ptrdiff_t m, ptrdiff_t n, const double *a, ptrdiff_t lda,
                    const double *x, double beta, double *y);

/* Holds the BLAS's own threads at one between the calls, where it offers a way (OpenBLAS, BLIS,
 * MKL); hold returns what release must be given. Pairs may nest, and overlap in several threads
 * of the caller: the first saves and the last restores what all of them share. */
int bnorm_blas_hold(void);
void bnorm_blas_release(int held);

#endif
