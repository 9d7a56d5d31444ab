/* blas: dgemm_ and sgemm_ called as C' = B'A', and weak references to the thread settings of known
 * libraries. */
#include "matrix/blas.h"

#include <pthread.h>

extern void dgemm_(const char *transa, const char *transb, const int *m, const int *n,
                   const int *k, const double *alpha, const double *a, const int *lda,
                   const double *b, const int *ldb, const double *beta, double *c,
                   const int *ldc, size_t, size_t);
extern void dgemv_(const char *trans, const int *m, const int *n, const double *alpha,
                   const double *a, const int *lda, const double *x, const int *incx,
                   const double *beta, double *y, const int *incy, size_t);
extern void sgemm_(const char *transa, const char *transb, const int *m, const int *n,
                   const int *k, const float *alpha, const float *a, const int *lda,
                   const float *b, const int *ldb, const float *beta, float *c, const int *ldc,
                   size_t, size_t);

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

void bnorm_gemm_f32(int transpose_a, int transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                    float alpha, const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb,
                    float beta, float *c, ptrdiff_t ldc)
{
    if (m == 0 || n == 0) return;
    int rows = (int)n, cols = (int)m, inner = (int)k;
    int la = leading(lda), lb = leading(ldb), lc = leading(ldc);
    sgemm_(transpose_b ? "T" : "N", transpose_a ? "T" : "N", &rows, &cols, &inner, &alpha, b,
           &lb, a, &la, &beta, c, &lc, 1, 1);
}

void bnorm_gemv_f64(int transpose, ptrdiff_t m, ptrdiff_t n, const double *a, ptrdiff_t lda,
                    const double *x, double beta, double *y)
{
    if (m == 0 || n == 0) return;
    int rows = (int)n, cols = (int)m, la = leading(lda), one = 1;
    double alpha = 1;
    dgemv_(transpose ? "N" : "T", &rows, &cols, &alpha, a, &la, x, &one, &beta, y, &one, 1);
}

/* Present when the BLAS in use has them. */
extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int) __attribute__((weak));
extern long bli_thread_get_num_threads(void) __attribute__((weak));
extern void bli_thread_set_num_threads(long) __attribute__((weak));
extern int MKL_Set_Num_Threads_Local(int) __attribute__((weak));

/* Process-wide state, for it mirrors the BLAS's own: how many callers hold its threads at one,
 * and the number that was there before the first of them. A fork waits for the lock, so that a
 * child never inherits it taken. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long holders, before;

static void take(void)
{
    (void)pthread_mutex_lock(&lock);
}

static void leave(void)
{
    (void)pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void guard_fork(void)
{
    (void)pthread_atfork(take, leave, leave);
}

static long threads(void)
{
    if (openblas_get_num_threads) return openblas_get_num_threads();
    return bli_thread_get_num_threads ? bli_thread_get_num_threads() : 1;
}

static void set_threads(long count)
{
    if (openblas_get_num_threads && openblas_set_num_threads)
        openblas_set_num_threads((int)count);
    else if (bli_thread_get_num_threads && bli_thread_set_num_threads)
        bli_thread_set_num_threads(count);
}

int bnorm_blas_hold(void)
{
    take();
    if (holders++ == 0) {
        before = threads();
        if (before != 1) set_threads(1);
    }
    leave();
    return MKL_Set_Num_Threads_Local ? MKL_Set_Num_Threads_Local(1) : 1; /* of this thread */
}

void bnorm_blas_release(int held)
{
    if (MKL_Set_Num_Threads_Local) MKL_Set_Num_Threads_Local(held);
    take();
    if (--holders == 0 && before != 1) set_threads(before);
    leave();
}
