/* within: making and releasing the projection Q. Everything of the caller's is checked here and
 * copied below. */
#include "panel/within.h"

#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"

#define DEFAULT_TOLERANCE 1e-12
#define LEAST_TOLERANCE   1e-14

static bnorm_status check_codes(bnorm_ctx *ctx, ptrdiff_t rows, const bnorm_factor *f,
                                ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        if (f->codes[i] < 0 || f->codes[i] >= f->levels)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "factor %td has code %d in row %td; codes are 0 .. %td", k + 1,
                              (int)f->codes[i], i + 1, f->levels - 1);
    return BNORM_OK;
}

static bnorm_status check_slope(bnorm_ctx *ctx, ptrdiff_t rows, const bnorm_factor *f,
                                ptrdiff_t k)
{
    for (ptrdiff_t i = 0; f->slope && i < rows; i++)
        if (!isfinite(f->slope[i]))
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "the slope of factor %td is %g in row %td; leave such rows out",
                              k + 1, f->slope[i], i + 1);
    return BNORM_OK;
}

static bnorm_status check_factor(bnorm_ctx *ctx, ptrdiff_t rows, const bnorm_factor *f,
                                 ptrdiff_t k)
{
    if (f->levels < 1 || f->levels > INT32_MAX)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "factor %td has %td levels; needed are 1 .. %d", k + 1, f->levels,
                          (int)INT32_MAX);
    if (!f->codes && rows > 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the codes of factor %td are NULL; %td needed",
                          k + 1, rows);
    BNORM_TRY(check_codes(ctx, rows, f, k));
    return check_slope(ctx, rows, f, k);
}

bnorm_status bnorm_check_factors(bnorm_ctx *ctx, ptrdiff_t rows, const bnorm_factor *factors,
                                 ptrdiff_t count, const double *weights)
{
    if (rows < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "rows is %td; it must not be negative", rows);
    if (count < 1)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the number of factors is %td; give at least 1", count);
    BNORM_TRY(bnorm_check_pointer(ctx, factors, "factors"));
    for (ptrdiff_t k = 0; k < count; k++) BNORM_TRY(check_factor(ctx, rows, &factors[k], k));
    BNORM_TRY(bnorm_check_weights(ctx, rows, weights));
    double n = 0;
    for (ptrdiff_t i = 0; weights && i < rows; i++) n += weights[i];
    return bnorm_check_total(ctx, n);
}

static bnorm_status check_tolerance(bnorm_ctx *ctx, double tolerance)
{
    if (tolerance == 0 || (tolerance >= LEAST_TOLERANCE && tolerance < 1)) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                      "tolerance is %g; it must be at least %g and below 1, or 0 for %g",
                      tolerance, LEAST_TOLERANCE, DEFAULT_TOLERANCE);
}

bnorm_status bnorm_within_create(bnorm_ctx *ctx, ptrdiff_t rows, const bnorm_factor *factors,
                                 ptrdiff_t count, const double *weights, double tolerance,
                                 bnorm_within **within)
{
    BNORM_TRY(bnorm_check_pointer(ctx, within, "within"));
    *within = NULL;
    BNORM_TRY(bnorm_check_factors(ctx, rows, factors, count, weights));
    BNORM_TRY(check_tolerance(ctx, tolerance));
    bnorm_within *q = bnorm_alloc_zero(ctx, 1, sizeof *q);
    if (!q) return bnorm_fail_memory(ctx, "the projection");
    q->rows = rows;
    q->count = count;
    q->tolerance = tolerance > 0 ? tolerance : DEFAULT_TOLERANCE;
    bnorm_status status = bnorm_within_build(ctx, q, factors, weights);
    if (status != BNORM_OK) {
        bnorm_within_destroy(q);
        return status;
    }
    *within = q;
    return BNORM_OK;
}

void bnorm_within_destroy(bnorm_within *q)
{
    if (!q) return;
    for (ptrdiff_t b = 0; b < q->blocks; b++) {
        bnorm_free(q->block[b].codes);
        bnorm_free(q->block[b].basis);
        bnorm_free(q->block[b].triangle);
        bnorm_free(q->block[b].total);
    }
    bnorm_free(q->block);
    bnorm_free(q->inverse);
    bnorm_free(q->order);
    bnorm_free(q->weights);
    bnorm_free(q->start);
    bnorm_free(q->live);
    bnorm_free(q->where);
    bnorm_free(q);
}

ptrdiff_t bnorm_within_rank(const bnorm_within *within)
{
    return within ? within->rank : 0;
}
