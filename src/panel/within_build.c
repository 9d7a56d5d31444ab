/* within_build: factors into blocks, rows into the order of the leading block's levels (those
 * with a weight first in each), columns copied into that order. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/within.h"

/* ---------------------------------------------------------------------------------- blocks */

static int same_codes(ptrdiff_t rows, const bnorm_factor *a, const bnorm_factor *b)
{
    return a->levels == b->levels &&
           (a->codes == b->codes || rows == 0 ||
            memcmp(a->codes, b->codes, (size_t)rows * sizeof *a->codes) == 0);
}

/* The first factor with the codes of factor k. */
static ptrdiff_t twin_of(ptrdiff_t rows, const bnorm_factor *factors, ptrdiff_t k)
{
    ptrdiff_t t = 0;
    while (!same_codes(rows, &factors[t], &factors[k])) t++;
    return t;
}

/* Factors into blocks; the first constant of a block is its column 0. A further one is a slope
 * of ones, found to be nothing new. */
static void group(bnorm_within *q, const bnorm_factor *factors)
{
    for (int slopes = 0; slopes < 2; slopes++)
        for (ptrdiff_t k = 0; k < q->count; k++) {
            if (!!factors[k].slope != slopes) continue;
            ptrdiff_t b = 0, first = twin_of(q->rows, factors, k);
            while (b < q->blocks && twin_of(q->rows, factors, q->block[b].offset) != first) b++;
            within_block *block = &q->block[b];
            if (b == q->blocks) {
                q->blocks++;
                block->levels = factors[k].levels;
                block->constant = !slopes;
                block->offset = k; /* for now: the factor whose codes these are */
            }
            q->where[2 * k] = b;
            q->where[2 * k + 1] = block->cols++;
        }
}

/* The block with the most unknowns comes first: the fewest are left to iterate. */
static void lead(bnorm_within *q)
{
    ptrdiff_t best = 0;
    for (ptrdiff_t b = 1; b < q->blocks; b++)
        if (q->block[b].levels * q->block[b].cols > q->block[best].levels * q->block[best].cols)
            best = b;
    within_block chosen = q->block[best];
    q->block[best] = q->block[0];
    q->block[0] = chosen;
    for (ptrdiff_t k = 0; k < q->count; k++) {
        ptrdiff_t b = q->where[2 * k];
        q->where[2 * k] = b == best ? 0 : b == 0 ? best : b;
    }
}

/* ------------------------------------------------------------------------------------ order */

static void count_rows(bnorm_within *q, const int32_t *codes, const double *weights)
{
    for (ptrdiff_t i = 0; i < q->rows; i++) {
        q->start[codes[i] + 1]++;
        if (!weights || weights[i] > 0) q->live[codes[i]]++;
    }
    for (ptrdiff_t l = 0; l < q->block[0].levels; l++) {
        q->widest = q->start[l + 1] > q->widest ? q->start[l + 1] : q->widest;
        q->start[l + 1] += q->start[l];
    }
}

/* Counting sort: stable, by level, and in a level by whether there is a weight. next: levels x 2. */
static void place_rows(bnorm_within *q, const int32_t *codes, const double *weights,
                       ptrdiff_t *next)
{
    for (ptrdiff_t l = 0; l < q->block[0].levels; l++) {
        next[2 * l] = q->start[l];
        next[2 * l + 1] = q->start[l] + q->live[l];
        q->live[l] += q->start[l];
    }
    for (ptrdiff_t i = 0; i < q->rows; i++)
        q->order[next[2 * codes[i] + (weights && !(weights[i] > 0))]++] = i;
}

static bnorm_status sort(bnorm_ctx *ctx, bnorm_within *q, const int32_t *codes,
                         const double *weights)
{
    ptrdiff_t levels = q->block[0].levels;
    ptrdiff_t *next = bnorm_alloc(ctx, 2 * levels, sizeof *next);
    q->start = bnorm_alloc_zero(ctx, levels + 1, sizeof *q->start);
    q->live = bnorm_alloc_zero(ctx, levels, sizeof *q->live);
    q->order = bnorm_alloc(ctx, q->rows, sizeof *q->order);
    q->weights = weights ? bnorm_alloc(ctx, q->rows, sizeof *weights) : NULL;
    int made = next && q->start && q->live && q->order && (!weights || q->weights);
    if (made) {
        count_rows(q, codes, weights);
        place_rows(q, codes, weights, next);
        for (ptrdiff_t e = 0; weights && e < q->rows; e++) q->weights[e] = weights[q->order[e]];
    }
    bnorm_free(next);
    return made ? BNORM_OK : bnorm_fail_memory(ctx, "the order of the rows");
}

/* ----------------------------------------------------------------------------------- columns */

static void fill_block(const bnorm_within *q, ptrdiff_t b, const bnorm_factor *factors,
                       const int32_t *codes)
{
    within_block *block = &q->block[b];
    for (ptrdiff_t e = 0; e < q->rows; e++) block->codes[e] = codes[q->order[e]];
    for (ptrdiff_t k = 0; k < q->count; k++) {
        ptrdiff_t column = q->where[2 * k + 1] - block->constant;
        if (q->where[2 * k] != b || column < 0) continue;
        double *to = block->basis + column * q->rows;
        const double *slope = factors[k].slope;
        for (ptrdiff_t e = 0; e < q->rows; e++) to[e] = slope ? slope[q->order[e]] : 1;
    }
    for (ptrdiff_t e = 0; e < q->rows; e++)
        block->total[block->codes[e]] += q->weights ? q->weights[e] : 1;
}

static ptrdiff_t with_weight(const within_block *b)
{
    ptrdiff_t found = 0;
    for (ptrdiff_t l = 0; l < b->levels; l++) found += b->total[l] > 0;
    return found;
}

/* *columns: gains those of the block that are not 0. */
static bnorm_status make_block(bnorm_ctx *ctx, const bnorm_within *q, ptrdiff_t b,
                               const bnorm_factor *factors, ptrdiff_t *columns)
{
    within_block *block = &q->block[b];
    const int32_t *codes = factors[block->offset].codes;
    ptrdiff_t slopes = block->cols - block->constant, cells, squares;
    if (!bnorm_multiply(slopes, q->rows, &cells) ||
        !bnorm_multiply(block->levels, block->cols * block->cols, &squares))
        return bnorm_fail_memory(ctx, "the slopes");
    block->codes = bnorm_alloc(ctx, q->rows, sizeof *block->codes);
    block->total = bnorm_alloc_zero(ctx, block->levels, sizeof *block->total);
    if (!block->codes || !block->total) return bnorm_fail_memory(ctx, "the levels");
    if (slopes > 0) {
        block->basis = bnorm_alloc(ctx, cells, sizeof *block->basis);
        block->triangle = bnorm_alloc_zero(ctx, squares, sizeof *block->triangle);
        if (!block->basis || !block->triangle) return bnorm_fail_memory(ctx, "the slopes");
    }
    fill_block(q, b, factors, codes);
    if (block->constant) *columns += with_weight(block);
    if (slopes == 0) return BNORM_OK;
    double *scratch = bnorm_alloc(ctx, block->levels, sizeof *scratch);
    if (!scratch) return bnorm_fail_memory(ctx, "the slopes");
    *columns += bnorm_within_orthonormal(block, q->rows, q->weights, scratch);
    bnorm_free(scratch);
    return BNORM_OK;
}

/* Squared lengths of the unknowns' columns: the level's weight, 1 of a slope, 0 of one that is
 * nothing new. */
static void invert(const bnorm_within *q, const within_block *b)
{
    for (ptrdiff_t l = 0; l < b->levels; l++)
        for (ptrdiff_t j = 0; j < b->cols; j++) {
            double square = j < b->constant ? b->total[l] : 1;
            if (j >= b->constant && b->triangle[(l * b->cols + j) * b->cols + j] == 0)
                square = 0;
            q->inverse[b->offset + l * b->cols + j] = square > 0 ? 1 / square : 0;
        }
}

static bnorm_status number_unknowns(bnorm_ctx *ctx, bnorm_within *q)
{
    q->block[0].offset = 0;
    for (ptrdiff_t b = 1; b < q->blocks; b++) {
        ptrdiff_t more;
        q->block[b].offset = q->unknowns;
        if (!bnorm_multiply(q->block[b].levels, q->block[b].cols, &more) ||
            __builtin_add_overflow(q->unknowns, more, &q->unknowns))
            return bnorm_fail_memory(ctx, "the levels");
    }
    q->inverse = bnorm_alloc(ctx, q->unknowns, sizeof *q->inverse);
    if (!q->inverse) return bnorm_fail_memory(ctx, "the levels");
    for (ptrdiff_t b = 1; b < q->blocks; b++) invert(q, &q->block[b]);
    return BNORM_OK;
}

bnorm_status bnorm_within_build(bnorm_ctx *ctx, bnorm_within *q, const bnorm_factor *factors,
                                const double *weights)
{
    ptrdiff_t columns = 0;
    q->block = bnorm_alloc_zero(ctx, q->count, sizeof *q->block);
    q->where = bnorm_alloc(ctx, 2 * q->count, sizeof *q->where);
    if (!q->block || !q->where) return bnorm_fail_memory(ctx, "the factors");
    group(q, factors);
    lead(q);
    BNORM_TRY(sort(ctx, q, factors[q->block[0].offset].codes, weights));
    for (ptrdiff_t b = 0; b < q->blocks; b++)
        BNORM_TRY(make_block(ctx, q, b, factors, &columns));
    BNORM_TRY(number_unknowns(ctx, q));
    return bnorm_within_count(ctx, q, columns, &q->rank);
}
