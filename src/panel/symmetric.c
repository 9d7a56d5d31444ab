/* symmetric: a small symmetric matrix without its negative part. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/covariance.h"
#include "panel/lapack.h"

/* v: a, then its eigenvectors, one a row. */
static bnorm_status eigen(bnorm_ctx *ctx, ptrdiff_t size, double *v, double *values)
{
    int n = (int)size, ask = -1, info;
    double best;
    dsyev_("V", "U", &n, v, &n, values, &best, &ask, &info, 1, 1);
    int room = (int)best;
    double *work = bnorm_alloc(ctx, room, sizeof *work);
    if (!work) return bnorm_fail_memory(ctx, "eigenvalues");
    dsyev_("V", "U", &n, v, &n, values, work, &room, &info, 1, 1);
    bnorm_free(work);
    if (info == 0) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_NONFINITE,
                      "the eigenvalues of a covariance do not converge");
}

/* a less value v v' for each negative value. What is below 1e-12 of the largest is rounding, and
 * not counted. */
static ptrdiff_t take_off(ptrdiff_t size, const double *v, const double *values, double *a)
{
    ptrdiff_t clipped = 0;
    double largest = fmax(fabs(values[0]), fabs(values[size - 1]));
    for (ptrdiff_t k = 0; k < size && values[k] < 0; k++, v += size) {
        clipped += values[k] < -1e-12 * largest;
        for (ptrdiff_t i = 0; i < size; i++)
            for (ptrdiff_t j = 0; j < size; j++) a[i * size + j] -= values[k] * v[i] * v[j];
    }
    return clipped;
}

bnorm_status bnorm_clip_negative(bnorm_ctx *ctx, ptrdiff_t size, double *a, ptrdiff_t *clipped)
{
    *clipped = 0;
    if (size == 0) return BNORM_OK;
    double *v = bnorm_alloc(ctx, size * size, sizeof *v);
    double *values = bnorm_alloc(ctx, size, sizeof *values);
    bnorm_status status = BNORM_OK;
    if (!v || !values) {
        status = bnorm_fail_memory(ctx, "eigenvalues");
    } else {
        memcpy(v, a, (size_t)(size * size) * sizeof *v);
        status = eigen(ctx, size, v, values);
        if (status == BNORM_OK) *clipped = take_off(size, v, values, a);
    }
    bnorm_free(v);
    bnorm_free(values);
    return status;
}
