/* buffer: memory that grows and is kept, and copies between layouts. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"

bnorm_status bnorm_buffer_reserve(bnorm_ctx *ctx, buffer *b, ptrdiff_t rows, ptrdiff_t cols)
{
    ptrdiff_t count;
    if (!bnorm_multiply(rows, cols, &count)) return bnorm_fail_memory(ctx, "a batch");
    if (b->data && b->count >= count) return BNORM_OK;
    bnorm_buffer_free(b);
    b->data = bnorm_alloc(ctx, count, sizeof *b->data);
    if (!b->data) return bnorm_fail_memory(ctx, "the values of a batch of the network");
    b->count = count;
    return BNORM_OK;
}

void bnorm_buffer_free(buffer *b)
{
    bnorm_free(b->data);
    *b = (buffer){NULL, 0};
}

bnorm_mat_f64 bnorm_rows_of(bnorm_mat_f64 x, ptrdiff_t first, ptrdiff_t rows)
{
    if (x.data) x.data += x.layout == BNORM_ROW_MAJOR ? first * x.ld : first;
    x.rows = rows;
    return x;
}

bnorm_mat_f64 bnorm_columns_of(bnorm_mat_f64 x, ptrdiff_t first, ptrdiff_t cols)
{
    if (x.data) x.data += x.layout == BNORM_ROW_MAJOR ? first : first * x.ld;
    x.cols = cols;
    return x;
}

void bnorm_copy(bnorm_mat_f64 from, bnorm_mat_f64 to)
{
    ptrdiff_t fr = from.layout == BNORM_ROW_MAJOR ? from.ld : 1;
    ptrdiff_t fc = from.layout == BNORM_ROW_MAJOR ? 1 : from.ld;
    ptrdiff_t tr = to.layout == BNORM_ROW_MAJOR ? to.ld : 1;
    ptrdiff_t tc = to.layout == BNORM_ROW_MAJOR ? 1 : to.ld;
    enum { TILE = 32 }; /* so that neither side leaves the cache between its columns */
    for (ptrdiff_t i0 = 0; i0 < from.rows; i0 += TILE) {
        ptrdiff_t end = i0 + TILE < from.rows ? i0 + TILE : from.rows;
        for (ptrdiff_t j = 0; j < from.cols; j++)
            for (ptrdiff_t i = i0; i < end; i++)
                to.data[i * tr + j * tc] = from.data[i * fr + j * fc];
    }
}

bnorm_status bnorm_row_major(bnorm_ctx *ctx, bnorm_mat_f64 x, int packed, buffer *b,
                             bnorm_mat_f64 *out)
{
    *out = x;
    if (x.layout == BNORM_ROW_MAJOR && (!packed || x.ld == x.cols)) return BNORM_OK;
    bnorm_status status = bnorm_buffer_reserve(ctx, b, x.rows, x.cols);
    if (status != BNORM_OK) return status;
    *out = bnorm_view_f64(b->data, x.rows, x.cols, BNORM_ROW_MAJOR);
    bnorm_copy(x, *out);
    return BNORM_OK;
}
