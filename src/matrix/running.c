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
    if (s->kind == BNORM_RUNNING_MERGE) BNORM_TRY(bnorm_check_total(ctx, s->count + n));
    for (ptrdiff_t c = 0; c < s->cols; c++) {
        if (!isfinite(mean[c]) || !isfinite(m2[c]))
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "column %td of the batch has mean %g and m2 %g; the running "
                              "statistics keep their values",
                              c + 1, mean[c], m2[c]);
        if (m2[c] < 0)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "column %td of the batch has m2 %g; it must be at least 0", c + 1,
                              m2[c]);
    }
    return BNORM_OK;
}

/* s + weight (batch - s); a weight of 1 gives the batch to the bit. */
static double approach(double s, double batch, double weight)
{
    return weight == 1 ? batch : s + weight * (batch - s);
}

/* One column of the statistics. */
typedef struct column {
    double mean, var, m2;
} column;

/* What column c becomes; running->count is still that before the batch. */
static column next_column(const bnorm_running *s, ptrdiff_t c, double n, double mean, double m2)
{
    column next = {s->mean[c], s->var[c], 0};
    if (s->kind == BNORM_RUNNING_MERGE) {
        double count = s->count;
        next.m2 = s->m2[c];
        (void)bnorm_moments_merge(NULL, 1, &count, &next.mean, &next.m2, n, &mean, &m2);
        if (count - s->ddof > 0) next.var = next.m2 / (count - s->ddof);
        return next;
    }
    double weight = s->kind == BNORM_RUNNING_AVERAGE ? 1 / (s->count + 1) : s->update;
    next.mean = approach(next.mean, mean, weight);
    next.var = approach(next.var, m2 / (n - s->ddof), weight);
    return next;
}

static bnorm_status check_next(bnorm_ctx *ctx, const bnorm_running *s, double n,
                               const double *mean, const double *m2)
{
    for (ptrdiff_t c = 0; c < s->cols; c++) {
        column next = next_column(s, c, n, mean[c], m2[c]);
        if (!isfinite(next.mean) || !isfinite(next.var) || !isfinite(next.m2))
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "column %td would get mean %g and variance %g; the running "
                              "statistics keep their values",
                              c + 1, next.mean, next.var);
        if (next.var < 0 || next.m2 < 0)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "column %td would get variance %g: the running statistics held a "
                              "negative one",
                              c + 1, next.var);
    }
    return BNORM_OK;
}

bnorm_status bnorm_running_update(bnorm_ctx *ctx, bnorm_running *running, double n,
                                  const double *mean, const double *m2)
{
    BNORM_TRY(bnorm_check_pointer(ctx, running, "running"));
    BNORM_TRY(check_kind(ctx, running));
    BNORM_TRY(check_arrays(ctx, running, mean, m2));
    BNORM_TRY(check_batch(ctx, running, n, mean, m2));
    BNORM_TRY(check_next(ctx, running, n, mean, m2));
    for (ptrdiff_t c = 0; c < running->cols; c++) {
        column next = next_column(running, c, n, mean[c], m2[c]);
        running->mean[c] = next.mean;
        running->var[c] = next.var;
        if (running->kind == BNORM_RUNNING_MERGE) running->m2[c] = next.m2;
    }
    if (running->kind == BNORM_RUNNING_MERGE) running->count += n;
    if (running->kind == BNORM_RUNNING_AVERAGE) running->count++;
    return BNORM_OK;
}
