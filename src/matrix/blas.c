/* blas: dgemm_ called as C' = B'A', and weak references to the thread settings of known
 * libraries. */
#include "matrix/blas.h"

extern void dgemm_(const char *transa, const char *transb, const int *m, const int *n,
                   const int *k, const double *alpha, const double *a, const int *lda,
                   const double *b, const int *ldb, const double *beta, double *c,
                   const int *ldc, size_t, size_t);

static int leading(ptrdiff_t ld)
{
    return ld > 1 ? (int)ld : 1;
}

void bnorm_gemm_f64(int transpose_a, int transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                    double alpha, const double *a, ptrdiff_t lda, const double *b,
                    ptrdiff_t ldb, double beta, double *c, ptrdiff_t ldc)
{
    if (m == 0 || n == 0) return;
    int rows = (int)n, cols = (int)m, inner = (int)k;
    int la = leading(lda), lb = leading(ldb), lc = leading(ldc);
    dgemm_(transpose_b ? "T" : "N", transpose_a ? "T" : "N", &rows, &cols, &inner, &alpha, b,
           &lb, a, &la, &beta, c, &lc, 1, 1);
}

/* Present when the BLAS in use has them. */
extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int) __attribute__((weak));
extern long bli_thread_get_num_threads(void) __attribute__((weak));
extern void bli_thread_set_num_threads(long) __attribute__((weak));
extern int MKL_Set_Num_Threads_Local(int) __attribute__((weak));

int bnorm_blas_hold(void)
{
    if (openblas_get_num_threads && openblas_set_num_threads) {
        int held = openblas_get_num_threads();
        if (held != 1) openblas_set_num_threads(1);
        return held;
    }
    if (bli_thread_get_num_threads && bli_thread_set_num_threads) {
        int held = (int)bli_thread_get_num_threads();
        if (held != 1) bli_thread_set_num_threads(1);
        return held;
    }
    if (MKL_Set_Num_Threads_Local) return MKL_Set_Num_Threads_Local(1);
    return 1;
}

void bnorm_blas_release(int held)
{
    if (openblas_get_num_threads && openblas_set_num_threads) {
        if (held != 1) openblas_set_num_threads(held);
    } else if (bli_thread_get_num_threads && bli_thread_set_num_threads) {
        if (held != 1) bli_thread_set_num_threads(held);
    } else if (MKL_Set_Num_Threads_Local) {
        MKL_Set_Num_Threads_Local(held);
    }
}
