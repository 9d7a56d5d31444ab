/* singletons: rows that a level has to itself explain nothing but that level. Taking one may
 * leave another alone. Each level keeps how many rows it has and the sum of their numbers: of one
 * row, that is its number. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/within.h"

typedef struct census {
    const bnorm_factor *factors; /* constants alone are looked at */
    ptrdiff_t count;
    ptrdiff_t *rows, *sum; /* per level, one factor after another */
    ptrdiff_t *waiting;    /* rows found and not yet taken out */
    ptrdiff_t waits;
    unsigned char *single;
} census;

static void add(const census *c, ptrdiff_t row)
{
    ptrdiff_t base = 0;
    for (ptrdiff_t k = 0; k < c->count; base += c->factors[k++].levels) {
        if (c->factors[k].slope) continue;
        ptrdiff_t l = base + c->factors[k].codes[row];
        c->rows[l]++;
        c->sum[l] += row;
    }
}

/* The row of a level that has but one is found, once. */
static void look(census *c, ptrdiff_t level)
{
    if (c->rows[level] != 1 || c->single[c->sum[level]]) return;
    c->single[c->sum[level]] = 1;
    c->waiting[c->waits++] = c->sum[level];
}

static void take_out(census *c, ptrdiff_t row)
{
    ptrdiff_t base = 0;
    for (ptrdiff_t k = 0; k < c->count; base += c->factors[k++].levels) {
        if (c->factors[k].slope) continue;
        ptrdiff_t l = base + c->factors[k].codes[row];
        c->rows[l]--;
        c->sum[l] -= row;
        look(c, l);
    }
}

static ptrdiff_t find(census *c, ptrdiff_t rows, ptrdiff_t levels, const double *weights)
{
    ptrdiff_t found = 0, base = 0;
    memset(c->single, 0, (size_t)rows);
    for (ptrdiff_t i = 0; i < rows; i++)
        if (!weights || weights[i] > 0) add(c, i);
    for (; base < levels; base++) look(c, base);
    for (; c->waits > 0; found++) take_out(c, c->waiting[--c->waits]);
    return found;
}

static bnorm_status count_levels(bnorm_ctx *ctx, const bnorm_factor *factors, ptrdiff_t count,
                                 ptrdiff_t *levels)
{
    *levels = 0;
    for (ptrdiff_t k = 0; k < count; k++)
        if (__builtin_add_overflow(*levels, factors[k].levels, levels))
            return bnorm_fail_memory(ctx, "the levels");
    return BNORM_OK;
}

bnorm_status bnorm_singletons(bnorm_ctx *ctx, ptrdiff_t rows, const bnorm_factor *factors,
                              ptrdiff_t count, const double *weights, unsigned char *single,
                              ptrdiff_t *found)
{
    ptrdiff_t levels;
    BNORM_TRY(bnorm_check_factors(ctx, rows, factors, count, weights));
    BNORM_TRY(bnorm_check_pointer(ctx, found, "found"));
    *found = 0;
    if (rows == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, single, "single"));
    BNORM_TRY(count_levels(ctx, factors, count, &levels));
    census c = {factors,
                count,
                bnorm_alloc_zero(ctx, levels, sizeof *c.rows),
                bnorm_alloc_zero(ctx, levels, sizeof *c.sum),
                bnorm_alloc(ctx, rows, sizeof *c.waiting),
                0,
                single};
    bnorm_status status =
        c.rows && c.sum && c.waiting ? BNORM_OK : bnorm_fail_memory(ctx, "the levels");
    if (status == BNORM_OK) *found = find(&c, rows, levels, weights);
    bnorm_free(c.rows);
    bnorm_free(c.sum);
    bnorm_free(c.waiting);
    return status;
}
