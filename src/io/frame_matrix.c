/* frame_matrix: rows of a table as matrices, scaled when the frame has a scaling. A legal view
 * is written in its rows x cols only. */
#include "base/ctx.h"
#include "base/memory.h"
#include "io/frame.h"

/* Writes one column of a chunk that begins at row `first` of m. */
static void put(bnorm_mat_f64 m, ptrdiff_t first, ptrdiff_t col, ptrdiff_t count,
                const double *values, double center, double scale)
{
    int by_row = m.layout == BNORM_ROW_MAJOR;
    double *to = by_row ? m.data + first * m.ld + col : m.data + col * m.ld + first;
    ptrdiff_t step = by_row ? m.ld : 1;
    for (ptrdiff_t i = 0; i < count; i++) to[i * step] = (values[i] - center) / scale;
}

static void put_chunk(const bnorm_binding *b, ptrdiff_t first, ptrdiff_t count, bnorm_mat_f64 x,
                      bnorm_mat_f64 y)
{
    const bnorm_frame *frame = b->frame;
    double values[BNORM_CHUNK], center, scale;
    for (ptrdiff_t k = 0; k < frame->input_count; k++) {
        bnorm_binding_column(b, frame->inputs + k, count, values);
        bnorm_frame_scaling(frame, k, &center, &scale);
        put(x, first, k, count, values, center, scale);
    }
    if (!y.data) return;
    bnorm_frame_scaling(frame, -1, &center, &scale);
    put(y, first, 0, count, b->cells, center, scale);
}

bnorm_status bnorm_binding_matrix(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count,
                                  bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    for (ptrdiff_t first = 0; first < count; first += BNORM_CHUNK) {
        ptrdiff_t n = count - first < BNORM_CHUNK ? count - first : BNORM_CHUNK;
        for (ptrdiff_t i = 0; i < n; i++)
            if (rows[first + i] < 0 || rows[first + i] >= b->table->rows)
                return bnorm_fail(b->ctx, BNORM_E_ARGUMENT, "row %td of %td", rows[first + i],
                                  b->table->rows);
        bnorm_status status = bnorm_binding_load(b, rows + first, n);
        if (status != BNORM_OK) return status;
        put_chunk(b, first, n, x, y);
    }
    return BNORM_OK;
}

int bnorm_view_legal(bnorm_mat_f64 m, ptrdiff_t rows, ptrdiff_t cols)
{
    ptrdiff_t product;
    if (m.rows != rows || m.cols != cols) return 0;
    if (m.layout != BNORM_ROW_MAJOR && m.layout != BNORM_COL_MAJOR) return 0;
    int by_row = m.layout == BNORM_ROW_MAJOR;
    if (m.ld < (by_row ? cols : rows)) return 0;
    if (!bnorm_multiply(m.ld, by_row ? rows : cols, &product)) return 0;
    return m.data || !rows || !cols;
}

bnorm_status bnorm_frame_matrix(bnorm_ctx *ctx, const bnorm_frame *frame,
                                const bnorm_table *table, const ptrdiff_t *rows,
                                ptrdiff_t count, bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    if (!frame || !table || count < 0 || (count && !rows) ||
        !bnorm_view_legal(x, count, frame->input_count) ||
        (y.data && !bnorm_view_legal(y, count, 1)))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_frame_matrix: something is NULL, or x is not count x inputs, "
                          "or y not count x 1");
    bnorm_binding b;
    bnorm_status status = bnorm_binding_start(ctx, frame, table, y.data != NULL, &b);
    if (status == BNORM_OK) status = bnorm_binding_check(&b, 0);
    if (status == BNORM_OK) status = bnorm_binding_translate(&b);
    if (status == BNORM_OK) status = bnorm_binding_matrix(&b, rows, count, x, y);
    bnorm_binding_stop(&b);
    return status;
}

void bnorm_frame_scaling(const bnorm_frame *frame, ptrdiff_t k, double *center, double *scale)
{
    *center = 0;
    *scale = 1;
    if (!frame || k < -1 || k >= frame->input_count) return;
    if (k >= 0 && frame->center) {
        *center = frame->center[k];
        *scale = frame->scale[k];
    }
    if (k == -1 && frame->target_scaled) {
        *center = frame->target_center;
        *scale = frame->target_scale;
    }
}
