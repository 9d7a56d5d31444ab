/* spectrum: singular values and right vectors of a design, from its triangle, whose columns are
 * scaled to length one first: identification does not depend on the units of the parameters. */
#include "panel/spectrum.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "matrix/blas.h"
#include "matrix/view.h"
#include "panel/lapack.h"

void bnorm_spectrum_free(spectrum *s)
{
    bnorm_free(s->scale);
    bnorm_free(s->values);
    bnorm_free(s->vectors);
    *s = (spectrum){0};
}

/* The columns of the triangle r to length one. */
static bnorm_status scale_columns(bnorm_ctx *ctx, const spectrum *s, double *r)
{
    ptrdiff_t cols = s->cols;
    for (ptrdiff_t j = 0; j < cols; j++) {
        double sum = 0;
        for (ptrdiff_t i = 0; i <= j; i++) sum += r[i * cols + j] * r[i * cols + j];
        if (!isfinite(sum))
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "column %td of the design is not finite, or too large to square",
                              j + 1);
        s->scale[j] = sum > 0 ? sqrt(sum) : 1;
        for (ptrdiff_t i = 0; i <= j; i++) r[i * cols + j] /= s->scale[j];
    }
    return BNORM_OK;
}

/* r, row-major, is R' to LAPACK: its left vectors are the right ones of R, row by row of
 * s->vectors. */
static bnorm_status singular_values(bnorm_ctx *ctx, const spectrum *s, double *r)
{
    int n = (int)s->cols, ask = -1, info = 0;
    double best, *work, *other = bnorm_alloc(ctx, s->cols * s->cols, sizeof *other);
    int *integers = bnorm_alloc(ctx, 8 * s->cols, sizeof *integers);
    dgesdd_("S", &n, &n, r, &n, s->values, s->vectors, &n, other, &n, &best, &ask, integers,
            &info, 1);
    int room = (int)best;
    work = bnorm_alloc(ctx, room, sizeof *work);
    bnorm_status status = BNORM_OK;
    if (!other || !integers || !work) {
        status = bnorm_fail_memory(ctx, "singular values");
    } else {
        dgesdd_("S", &n, &n, r, &n, s->values, s->vectors, &n, other, &n, work, &room, integers,
                &info, 1);
        if (info != 0)
            status = bnorm_fail(ctx, BNORM_E_NONFINITE,
                                "the singular values of the design do "
                                "not converge: scale its columns");
    }
    bnorm_free(other);
    bnorm_free(integers);
    bnorm_free(work);
    return status;
}

static bnorm_status run(bnorm_ctx *ctx, bnorm_mat_f64 j, const double *weights, spectrum *s,
                        double *r)
{
    ptrdiff_t cols = j.cols;
    if (j.rows > 0) BNORM_TRY(bnorm_triangle(ctx, j, weights, r));
    BNORM_TRY(scale_columns(ctx, s, r));
    BNORM_TRY(singular_values(ctx, s, r));
    while (s->rank < cols && s->values[s->rank] > BNORM_IDENTIFIED * s->values[0]) s->rank++;
    return BNORM_OK;
}

bnorm_status bnorm_spectrum_make(bnorm_ctx *ctx, bnorm_mat_f64 j, const double *weights,
                                 spectrum *s)
{
    ptrdiff_t cols = j.cols, size;
    *s = (spectrum){.cols = cols};
    if (cols > INT_MAX / 8 || !bnorm_multiply(cols, cols, &size))
        return bnorm_fail_memory(ctx, "a design so wide");
    double *r = bnorm_alloc_zero(ctx, size, sizeof *r);
    s->scale = bnorm_alloc(ctx, cols, sizeof *s->scale);
    s->values = bnorm_alloc(ctx, cols, sizeof *s->values);
    s->vectors = bnorm_alloc(ctx, size, sizeof *s->vectors);
    bnorm_status status = BNORM_OK;
    int held = bnorm_blas_hold();
    if (!r || !s->scale || !s->values || !s->vectors)
        status = bnorm_fail_memory(ctx, "a spectrum");
    else if (cols > 0)
        status = run(ctx, j, weights, s, r);
    bnorm_blas_release(held);
    bnorm_free(r);
    if (status != BNORM_OK) bnorm_spectrum_free(s);
    return status;
}
