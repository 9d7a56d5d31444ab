/* take: rows of a problem, copied side by side into one block of values and one of codes. */
#include "panel/take.h"

#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"

/* ------------------------------------------------------------------------------- memory */

static bnorm_status reserve(bnorm_ctx *ctx, const problem *from, ptrdiff_t count,
                            problem_part *part)
{
    ptrdiff_t wide = 2 + from->p.cols, codes = from->factor_count + 2;
    for (ptrdiff_t k = 0; k < from->network_count; k++) wide += from->networks[k].x.cols;
    for (ptrdiff_t k = 0; k < from->factor_count; k++) wide += from->factors[k].slope != NULL;
    BNORM_TRY(bnorm_buffer_reserve(ctx, &part->values, count, wide));
    BNORM_TRY(bnorm_buffer_reserve(ctx, &part->codes, (count + 1) / 2, codes));
    if (!part->factors)
        part->factors = bnorm_alloc(ctx, from->factor_count, sizeof *part->factors);
    if (!part->networks)
        part->networks = bnorm_alloc(ctx, from->network_count, sizeof *part->networks);
    return part->factors && part->networks ? BNORM_OK : bnorm_fail_memory(ctx, "rows");
}

void bnorm_problem_release(problem_part *part)
{
    bnorm_within_destroy(part->within);
    bnorm_buffer_free(&part->values);
    bnorm_buffer_free(&part->codes);
    bnorm_free(part->factors);
    bnorm_free(part->networks);
    *part = (problem_part){0};
}

/* --------------------------------------------------------------------------------- rows */

typedef struct taking {
    const ptrdiff_t *rows;
    ptrdiff_t count;
    double *values; /* the next free ones */
    int32_t *codes;
} taking;

static const double *take_values(taking *t, const double *from)
{
    double *to = t->values;
    for (ptrdiff_t i = 0; from && i < t->count; i++) to[i] = from[t->rows[i]];
    t->values += t->count;
    return from ? to : NULL;
}

static const int32_t *take_codes(taking *t, const int32_t *from)
{
    int32_t *to = t->codes;
    for (ptrdiff_t i = 0; from && i < t->count; i++) to[i] = from[t->rows[i]];
    t->codes += t->count;
    return from ? to : NULL;
}

static bnorm_mat_f64 take_matrix(taking *t, bnorm_mat_f64 from)
{
    enum { AHEAD = 4 };
    double *to = t->values;
    for (ptrdiff_t i = 0; i < t->count; i++) {
        if (i + AHEAD < t->count) __builtin_prefetch(from.data + t->rows[i + AHEAD] * from.ld);
        const double *row = from.data + t->rows[i] * from.ld;
        if (from.cols > 0) memcpy(to + i * from.cols, row, (size_t)from.cols * sizeof *to);
    }
    t->values += t->count * from.cols;
    return bnorm_view_f64(to, t->count, from.cols, BNORM_ROW_MAJOR);
}

/* Codes 0, 1, ... in the order of their first rows. Returns how many. */
static ptrdiff_t renumber(int32_t *codes, ptrdiff_t count, int32_t *map)
{
    ptrdiff_t levels = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        if (map[codes[i]] < 0) map[codes[i]] = (int32_t)levels++;
        codes[i] = map[codes[i]];
    }
    return levels;
}

static void take_factor(taking *t, const bnorm_factor *from, int32_t *map, bnorm_factor *to)
{
    int32_t *codes = t->codes;
    *to = *from;
    to->codes = take_codes(t, from->codes);
    to->slope = from->slope ? take_values(t, from->slope) : NULL;
    if (!map) return;
    to->levels = renumber(codes, t->count, map);
    for (ptrdiff_t i = 0; i < t->count; i++) map[from->codes[t->rows[i]]] = -1;
}

static const double *take_weights(taking *t, const double *from, const double *times, double *n)
{
    double *to = t->values;
    *n = 0;
    for (ptrdiff_t i = 0; i < t->count; i++) {
        to[i] = (from ? from[t->rows[i]] : 1) * (times ? times[i] : 1);
        *n += to[i];
    }
    t->values += t->count;
    return from || times ? to : NULL;
}

bnorm_status bnorm_problem_gather(bnorm_ctx *ctx, const problem *from, const ptrdiff_t *rows,
                                  ptrdiff_t count, const double *times, int32_t *const *maps,
                                  problem_part *part)
{
    problem *to = &part->problem;
    bnorm_within_destroy(part->within);
    part->within = NULL;
    BNORM_TRY(reserve(ctx, from, count, part));
    taking t = {rows, count, part->values.data, (int32_t *)part->codes.data};
    *to = *from;
    to->rows = count;
    to->y = take_values(&t, from->y);
    to->weights = take_weights(&t, from->weights, times, &to->n);
    to->p = take_matrix(&t, from->p);
    to->unit = take_codes(&t, from->unit);
    to->period = take_codes(&t, from->period);
    to->networks = part->networks;
    to->factors = part->factors;
    for (ptrdiff_t k = 0; k < from->network_count; k++) {
        part->networks[k] = from->networks[k];
        part->networks[k].x = take_matrix(&t, from->networks[k].x);
    }
    for (ptrdiff_t k = 0; k < from->factor_count; k++)
        take_factor(&t, &from->factors[k], maps ? maps[k] : NULL, &part->factors[k]);
    if (!from->within) return BNORM_OK;
    bnorm_status status = bnorm_within_create(ctx, count, to->factors, to->factor_count,
                                              to->weights, to->tolerance, &part->within);
    to->within = part->within;
    return status;
}

bnorm_status bnorm_problem_take(bnorm_ctx *ctx, const problem *from, const ptrdiff_t *rows,
                                ptrdiff_t count, const double *times, problem_part *part)
{
    *part = (problem_part){.within = NULL}; /* what gather finds in it, it uses again */
    return bnorm_problem_gather(ctx, from, rows, count, times, NULL, part);
}
