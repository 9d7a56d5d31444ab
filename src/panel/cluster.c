/* cluster: sums over groups of rows, in one pass in the order of the rows, and what groups are
 * to one another. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "panel/covariance.h"

enum { STRIP = 32 }; /* columns a task */

typedef struct summing {
    bnorm_mat_f64 j;
    const double *factor;
    const clustering *by;
    double *sums;
} summing;

static void sum_task(void *argument, ptrdiff_t task)
{
    const summing *s = argument;
    ptrdiff_t first = task * STRIP, cols = smaller(STRIP, s->j.cols - first);
    ptrdiff_t row_step = s->j.layout == BNORM_ROW_MAJOR ? s->j.ld : 1;
    ptrdiff_t col_step = s->j.layout == BNORM_ROW_MAJOR ? 1 : s->j.ld;
    for (ptrdiff_t i = 0; i < s->j.rows; i++) {
        const double *from = s->j.data + i * row_step + first * col_step;
        double *to = s->sums + s->by->codes[i] * s->j.cols + first;
        for (ptrdiff_t k = 0; k < cols; k++) to[k] += s->factor[i] * from[k * col_step];
    }
}

void bnorm_cluster_sums(bnorm_ctx *ctx, bnorm_mat_f64 j, const double *factor,
                        const clustering *by, double *sums)
{
    summing s = {j, factor, by, sums};
    memset(sums, 0, (size_t)(by->count * j.cols) * sizeof *sums);
    if (j.cols > 0) bnorm_parallel(ctx, parts(j.cols, STRIP), sum_task, &s);
}

/* ------------------------------------------------------------------------------ relations */

/* Rows in the order of their clusters: order, rows; start, count + 1. */
static void order_rows(ptrdiff_t rows, const clustering *by, ptrdiff_t *start, ptrdiff_t *order)
{
    memset(start, 0, (size_t)(by->count + 1) * sizeof *start);
    for (ptrdiff_t i = 0; i < rows; i++) start[by->codes[i] + 1]++;
    for (ptrdiff_t g = 0; g < by->count; g++) start[g + 1] += start[g];
    for (ptrdiff_t i = 0; i < rows; i++) order[start[by->codes[i]]++] = i;
}

bnorm_status bnorm_cluster_pairs(bnorm_ctx *ctx, ptrdiff_t rows, const clustering *a,
                                 const clustering *b, int32_t *codes, ptrdiff_t *count)
{
    ptrdiff_t *start = bnorm_alloc(ctx, a->count + 1, sizeof *start);
    ptrdiff_t *order = bnorm_alloc(ctx, rows, sizeof *order);
    int32_t *seen = bnorm_alloc(ctx, b->count, sizeof *seen);
    int32_t *pair = bnorm_alloc(ctx, b->count, sizeof *pair);
    bnorm_status status = BNORM_OK;
    *count = 0;
    if (!start || !order || !seen || !pair) {
        status = bnorm_fail_memory(ctx, "pairs of clusters");
    } else {
        order_rows(rows, a, start, order);
        for (ptrdiff_t g = 0; g < b->count; g++) seen[g] = -1;
        for (ptrdiff_t k = 0; k < rows; k++) {
            ptrdiff_t i = order[k];
            int32_t g = b->codes[i];
            if (seen[g] != a->codes[i]) pair[g] = (int32_t)(*count)++;
            seen[g] = a->codes[i];
            codes[i] = pair[g];
        }
    }
    bnorm_free(start);
    bnorm_free(order);
    bnorm_free(seen);
    bnorm_free(pair);
    return status;
}

bnorm_status bnorm_cluster_count(bnorm_ctx *ctx, ptrdiff_t rows, const clustering *by,
                                 ptrdiff_t *count)
{
    unsigned char *seen = bnorm_alloc_zero(ctx, by->count, 1);
    if (!seen) return bnorm_fail_memory(ctx, "the clusters");
    *count = 0;
    for (ptrdiff_t i = 0; i < rows; i++) {
        *count += !seen[by->codes[i]];
        seen[by->codes[i]] = 1;
    }
    bnorm_free(seen);
    return BNORM_OK;
}

bnorm_status bnorm_cluster_nests(bnorm_ctx *ctx, ptrdiff_t rows, const int32_t *codes,
                                 ptrdiff_t levels, const clustering *by, int *nested)
{
    int32_t *of = bnorm_alloc(ctx, levels, sizeof *of);
    if (!of) return bnorm_fail_memory(ctx, "the clusters of levels");
    for (ptrdiff_t g = 0; g < levels; g++) of[g] = -1;
    *nested = 1;
    for (ptrdiff_t i = 0; i < rows && *nested; i++) {
        int32_t *mine = &of[codes[i]];
        *nested = *mine < 0 || *mine == by->codes[i];
        *mine = by->codes[i];
    }
    bnorm_free(of);
    return BNORM_OK;
}
