/* gram: xbar and S = Xc'diag(omega)Xc/M, all that the normalisation of X G1 needs to know of X
 * (maths.md section 2). S is made from centred X, in double and symmetric to the bit. A mean is
 * kept as its nearest double and a rest, for a mean rounded at mean/sd 1e6 would be multiplied by
 * 1'W. */
#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/centred.h"
#include "matrix/moments.h"
#include "matrix/weightspace.h"

static bnorm_status check(bnorm_ctx *ctx, const bnorm_view *x, const double *weights,
                          double ddof, const double *xbar, const double *s,
                          const bnorm_gram *gram)
{
    ptrdiff_t squares;
    BNORM_TRY(bnorm_check_view(ctx, x, "x"));
    BNORM_TRY(bnorm_check_weights(ctx, x->rows, weights));
    BNORM_TRY(bnorm_check_number(ctx, ddof, "ddof"));
    BNORM_TRY(bnorm_check_pointer(ctx, gram, "gram"));
    BNORM_TRY(bnorm_check_blas(ctx, x->cols, "the number of columns of x"));
    if (x->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, xbar, "xbar"));
    BNORM_TRY(bnorm_check_pointer(ctx, s, "s"));
    if (bnorm_multiply(x->cols, x->cols, &squares)) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                      "s of %td columns is larger than the address space", x->cols);
}

static bnorm_status means(bnorm_ctx *ctx, const bnorm_view *x, const double *weights, double *n,
                          double *xbar)
{
    double *m2 = bnorm_alloc(ctx, x->cols, sizeof *m2);
    if (!m2) return bnorm_fail_memory(ctx, "the moments of x");
    bnorm_status status =
        x->k->size == sizeof(double)
            ? bnorm_moments_f64(ctx, bnorm_mat_of_f64(x), weights, n, xbar, m2)
            : bnorm_moments_f32(ctx, bnorm_mat_of_f32(x), weights, n, xbar, m2);
    bnorm_free(m2);
    return status;
}

/* rest_i rest_j is a product like any other: S stays symmetric to the bit. */
void bnorm_gram_finish(ptrdiff_t cols, double n, double ddof, double *rest, double *s)
{
    double degrees = n - ddof, share = n / degrees;
    for (ptrdiff_t k = 0; k < cols; k++) rest[k] /= n;
    for (ptrdiff_t i = 0; i < cols; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            s[i * cols + j] = s[i * cols + j] / degrees - rest[i] * rest[j] * share;
    for (ptrdiff_t k = 0; k < cols; k++)
        if (s[k * cols + k] < 0) s[k * cols + k] = 0;
}

static bnorm_status make(bnorm_ctx *ctx, const bnorm_view *x, const double *weights,
                         double ddof, double *xbar, double *s, bnorm_gram *gram)
{
    double n;
    BNORM_TRY(check(ctx, x, weights, ddof, xbar, s, gram));
    BNORM_TRY(means(ctx, x, weights, &n, xbar));
    BNORM_TRY(bnorm_check_divisor(ctx, n, ddof));
    bnorm_centred xc = {x, xbar};
    ptrdiff_t count = x->cols * x->cols;
    double *rest = xbar + x->cols;
    if (count > 0) {
        BNORM_TRY(bnorm_centred_cross(ctx, &xc, NULL, weights, s, rest));
        BNORM_TRY(bnorm_reduce(ctx, s, count));
        BNORM_TRY(bnorm_reduce(ctx, rest, x->cols));
    }
    bnorm_gram_finish(x->cols, n, ddof, rest, s);
    *gram = (bnorm_gram){x->rows, x->cols, weights, n, ddof, xbar, s};
    return BNORM_OK;
}

bnorm_status bnorm_gram_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *weights, double ddof,
                            double *xbar, double *s, bnorm_gram *gram)
{
    bnorm_view v = bnorm_view_of_f64(x);
    return make(ctx, &v, weights, ddof, xbar, s, gram);
}

bnorm_status bnorm_gram_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const double *weights, double ddof,
                            double *xbar, double *s, bnorm_gram *gram)
{
    bnorm_view v = bnorm_view_of_f32(x);
    return make(ctx, &v, weights, ddof, xbar, s, gram);
}
