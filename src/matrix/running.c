/* running: running statistics as the systems of maths.md section 5 keep them. Everything is
 * checked before anything changes. */
#include <math.h>

#include "matrix/view.h"

#include "base/ctx.h"

static bnorm_status check_kind(bnorm_ctx *ctx, const bnorm_running *s)
{
    if (s->kind != BNORM_RUNNING_EXPONENTIAL && s->kind != BNORM_RUNNING_AVERAGE &&
        s->kind != BNORM_RUNNING_MERGE)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the kind of the running statistics is %d; it must be one of "
                          "bnorm_running_kind",
                          (int)s->kind);
    if (s->kind == BNORM_RUNNING_EXPONENTIAL && !(s->update > 0 && s->update <= 1))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "update is %g; the weight of the new batch must be in (0, 1]",
                          s->update);
    if (s->cols < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "cols is %td; it must not be negative",
                          s->cols);
    BNORM_TRY(bnorm_check_number(ctx, s->ddof, "ddof"));
    return s->kind == BNORM_RUNNING_EXPONENTIAL ? BNORM_OK
                                                : bnorm_check_number(ctx, s->count, "count");
}

static bnorm_status check_arrays(bnorm_ctx *ctx, const bnorm_running *s, const double *mean,
                                 const double *m2)
{
    if (s->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, s->mean, "mean of the running statistics"));
    BNORM_TRY(bnorm_check_pointer(ctx, s->var, "var of the running statistics"));
    if (s->kind == BNORM_RUNNING_MERGE)
        BNORM_TRY(bnorm_check_pointer(ctx, s->m2, "m2 of the running statistics"));
    BNORM_TRY(bnorm_check_pointer(ctx, mean, "mean"));
    return bnorm_check_pointer(ctx, m2, "m2");
}

static bnorm_status check_batch(bnorm_ctx *ctx, const bnorm_running *s, double n,
                                const double *mean, const double *m2)
{
    BNORM_TRY(bnorm_check_number(ctx, n, "n"));
    if (s->kind != BNORM_RUNNING_MERGE) BNORM_TRY(bnorm_check_divisor(ctx, n, s->ddof));
    for (ptrdiff_t c = 0; c < s->cols; c++)
        if (!isfinite(mean[c]) || !isfinite(m2[c]))
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "column %td of the batch has mean %g and m2 %g; the running "
                              "statistics keep their values",
                              c + 1, mean[c], m2[c]);
    return BNORM_OK;
}

/* s += weight (batch - s); a weight of 1 gives the batch to the bit. */
static void approach(double *s, double batch, double weight)
{
    *s = weight == 1 ? batch : *s + weight * (batch - *s);
}

static bnorm_status pool(bnorm_ctx *ctx, bnorm_running *s, double n, const double *mean,
                         const double *m2)
{
    BNORM_TRY(bnorm_moments_merge(ctx, s->cols, &s->count, s->mean, s->m2, n, mean, m2));
    double divisor = s->count - s->ddof;
    for (ptrdiff_t c = 0; divisor > 0 && c < s->cols; c++) s->var[c] = s->m2[c] / divisor;
    return BNORM_OK;
}

bnorm_status bnorm_running_update(bnorm_ctx *ctx, bnorm_running *running, double n,
                                  const double *mean, const double *m2)
{
    BNORM_TRY(bnorm_check_pointer(ctx, running, "running"));
    BNORM_TRY(check_kind(ctx, running));
    BNORM_TRY(check_arrays(ctx, running, mean, m2));
    BNORM_TRY(check_batch(ctx, running, n, mean, m2));
    if (running->kind == BNORM_RUNNING_MERGE) return pool(ctx, running, n, mean, m2);
    double weight = running->update;
    if (running->kind == BNORM_RUNNING_AVERAGE) weight = 1 / ++running->count;
    for (ptrdiff_t c = 0; c < running->cols; c++) {
        approach(&running->mean[c], mean[c], weight);
        approach(&running->var[c], m2[c] / (n - running->ddof), weight);
    }
    return BNORM_OK;
}
