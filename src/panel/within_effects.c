/* within_effects: the coefficients of the dummies themselves. The projection keeps them in its
 * orthonormal columns; here they become the factors' own, and what constants of two factors share
 * goes to the first. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/within.h"

enum { L = BNORM_LANES };

/* Column j of level l of a block, from sums (lane 0), by back substitution; columns that are
 * nothing new have 0. Written over the sums. */
static void solve_level(const within_block *b, ptrdiff_t level, double *sums)
{
    const double *r = b->triangle + level * b->cols * b->cols;
    for (ptrdiff_t j = b->cols - 1; j >= 0; j--) {
        double c = sums[j * L], diagonal = r[j * b->cols + j];
        for (ptrdiff_t k = j + 1; k < b->cols; k++) c -= r[j * b->cols + k] * sums[k * L];
        sums[j * L] = diagonal > 0 ? c / diagonal : 0;
    }
}

static void solve_blocks(const bnorm_within *q, double *sums)
{
    for (ptrdiff_t k = 0; k < q->blocks; k++) {
        const within_block *b = &q->block[k];
        double *first = sums + (k > 0 ? bnorm_within_lead(q) + b->offset : 0) * L;
        for (ptrdiff_t l = 0; b->triangle && l < b->levels; l++)
            solve_level(b, l, first + l * b->cols * L);
    }
}

/* The effects of factor k, NaN for a level without weight. */
static void copy_factor(const bnorm_within *q, ptrdiff_t k, const double *sums, double *effects)
{
    const within_block *b = &q->block[q->where[2 * k]];
    const double *from =
        sums + (q->where[2 * k] > 0 ? bnorm_within_lead(q) + b->offset : 0) * L;
    for (ptrdiff_t l = 0; l < b->levels; l++)
        effects[l] =
            b->total[l] > 0 ? from[(l * b->cols + q->where[2 * k + 1]) * L] : (double)NAN;
}

/* Column 0 of its block is a constant: the one that other blocks share. */
static int is_constant(const bnorm_within *q, ptrdiff_t k)
{
    return q->where[2 * k + 1] == 0 && q->block[q->where[2 * k]].constant;
}

/* In each component of the levels of two factors, the later one's effects are counted from its
 * first level there. component, shift: their levels together. */
static void count_from_first(const bnorm_within *q, const within_block *a, double *effects_a,
                             const within_block *b, double *effects_b, ptrdiff_t *component,
                             double *shift)
{
    bnorm_within_components(q->rows, q->weights, a->codes, a->levels, b->codes, b->levels,
                            component);
    for (ptrdiff_t k = 0; k < a->levels + b->levels; k++) shift[k] = (double)NAN;
    for (ptrdiff_t l = 0; l < b->levels; l++) {
        double *s = &shift[component[a->levels + l]];
        if (!(b->total[l] > 0)) continue;
        if (isnan(*s)) *s = effects_b[l];
        effects_b[l] -= *s;
    }
    for (ptrdiff_t l = 0; l < a->levels; l++)
        if (a->total[l] > 0) effects_a[l] += shift[component[l]];
}

static void normalise(const bnorm_within *q, double *effects, ptrdiff_t *component,
                      double *shift)
{
    const within_block *first = NULL;
    double *first_effects = NULL;
    for (ptrdiff_t k = 0; k < q->count; k++) {
        const within_block *b = &q->block[q->where[2 * k]];
        if (is_constant(q, k) && first)
            count_from_first(q, first, first_effects, b, effects, component, shift);
        if (is_constant(q, k) && !first) first = b, first_effects = effects;
        effects += b->levels;
    }
}

static bnorm_status solve(bnorm_ctx *ctx, const bnorm_within *q, const double *r, double *rest,
                          within_work *w)
{
    within_result result;
    within_lanes lanes = {r, 1, 0, rest, 1, 0, 1};
    bnorm_within_project(q, &lanes, w, &result);
    if (result.failed < 0) return BNORM_OK;
    return bnorm_fail(
        ctx, BNORM_E_DATA,
        "after %td sweeps the factors still explain %.2g of what is left, and the "
        "tolerance is %.2g; ask for a larger tolerance, or leave out levels that "
        "few rows join to the others",
        result.sweeps, result.residual, q->tolerance);
}

static bnorm_status make_effects(bnorm_ctx *ctx, const bnorm_within *q, const double *r,
                                 within_work *w, double *effects)
{
    ptrdiff_t most = 0, unknowns = bnorm_within_lead(q) + q->unknowns;
    for (ptrdiff_t b = 0; b < q->blocks; b++)
        if (q->block[b].levels > most) most = q->block[b].levels;
    double *rest = bnorm_alloc(ctx, q->rows, sizeof *rest);
    double *shift = bnorm_alloc(ctx, 2 * most, sizeof *shift);
    ptrdiff_t *component = bnorm_alloc(ctx, 2 * most, sizeof *component);
    w->sums = bnorm_alloc_zero(ctx, unknowns * L, sizeof *w->sums);
    bnorm_status status = rest && shift && component && w->sums
                              ? solve(ctx, q, r, rest, w)
                              : bnorm_fail_memory(ctx, "the effects");
    if (status == BNORM_OK) {
        double *to = effects;
        solve_blocks(q, w->sums);
        for (ptrdiff_t k = 0; k < q->count; to += q->block[q->where[2 * k]].levels, k++)
            copy_factor(q, k, w->sums, to);
        normalise(q, effects, component, shift);
    }
    bnorm_free(rest);
    bnorm_free(shift);
    bnorm_free(component);
    return status;
}

bnorm_status bnorm_within_effects(bnorm_ctx *ctx, const bnorm_within *within, const double *r,
                                  double *effects)
{
    within_work w;
    BNORM_TRY(bnorm_check_pointer(ctx, within, "within"));
    if (within->rows > 0) BNORM_TRY(bnorm_check_pointer(ctx, r, "r"));
    BNORM_TRY(bnorm_check_pointer(ctx, effects, "effects"));
    for (ptrdiff_t i = 0; i < within->rows; i++)
        if (!isfinite(r[i]))
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "row %td of r is %g; effects need finite values", i + 1, r[i]);
    BNORM_TRY(bnorm_within_work_create(ctx, within, &w));
    bnorm_status status = make_effects(ctx, within, r, &w, effects);
    bnorm_within_work_destroy(&w);
    return status;
}
