/* call: sizes, memory and the first failure of one call. Whatever is taken is released by
 * bnorm_reference_end, on every path. */
#include "reference/reference.h"

#include "base/ctx.h"
#include "base/memory.h"

bnorm_mat_f64 bnorm_reference_take(reference_call *call, ptrdiff_t rows, ptrdiff_t cols)
{
    bnorm_mat_f64 m = bnorm_view_f64(NULL, rows, cols, BNORM_COL_MAJOR);
    ptrdiff_t size = bnorm_reference_size(call, "a matrix on the way", rows, cols);
    if (call->status) return m;
    if (call->blocks < REFERENCE_BLOCKS)
        m.data = bnorm_alloc_zero(call->ctx, size, sizeof *m.data);
    if (m.data)
        call->block[call->blocks++] = m.data;
    else
        call->status = bnorm_fail_memory(call->ctx, call->name);
    return m;
}

bnorm_status bnorm_reference_end(reference_call *call)
{
    while (call->blocks > 0) bnorm_free(call->block[--call->blocks]);
    return call->status;
}

void bnorm_reference_require(reference_call *call, int condition, const char *sentence)
{
    if (!call->status && !condition)
        call->status = bnorm_fail(call->ctx, BNORM_E_ARGUMENT, "%s: %s", call->name, sentence);
}

ptrdiff_t bnorm_reference_size(reference_call *call, const char *what, ptrdiff_t a, ptrdiff_t b)
{
    ptrdiff_t product = 0;
    if (call->status) return 0;
    if (!bnorm_multiply(a, b, &product))
        call->status = bnorm_fail(call->ctx, BNORM_E_ARGUMENT,
                                  "%s: the size of %s, %td x %td, is negative or overflows",
                                  call->name, what, a, b);
    else if (product > BNORM_REFERENCE_LIMIT)
        call->status =
            bnorm_fail(call->ctx, BNORM_E_ARGUMENT,
                       "%s: %s would be %td x %td, but the reference is limited to %d elements "
                       "a matrix; use smaller matrices or the fast functions",
                       call->name, what, a, b, BNORM_REFERENCE_LIMIT);
    return call->status ? 0 : product;
}

static int spans(bnorm_mat_f64 m)
{
    ptrdiff_t lines = m.layout == BNORM_ROW_MAJOR ? m.rows : m.cols;
    ptrdiff_t width = m.layout == BNORM_ROW_MAJOR ? m.cols : m.rows;
    ptrdiff_t elements, bytes;
    return m.ld >= width && bnorm_multiply(lines, m.ld, &elements) &&
           bnorm_multiply(elements, (ptrdiff_t)sizeof(double), &bytes);
}

void bnorm_reference_view(reference_call *call, const char *what, bnorm_mat_f64 m)
{
    ptrdiff_t size = bnorm_reference_size(call, what, m.rows, m.cols);
    if (call->status) return;
    int layout = m.layout == BNORM_ROW_MAJOR || m.layout == BNORM_COL_MAJOR;
    if (!layout || !spans(m) || (size > 0 && !m.data))
        call->status =
            bnorm_fail(call->ctx, BNORM_E_ARGUMENT,
                       "%s: %s is no valid matrix: layout %d, ld %td, data %s", call->name,
                       what, (int)m.layout, m.ld, m.data ? "given" : "NULL");
}

void bnorm_reference_shape(reference_call *call, const char *what, bnorm_mat_f64 m,
                           ptrdiff_t rows, ptrdiff_t cols)
{
    bnorm_reference_view(call, what, m);
    if (!call->status && (m.rows != rows || m.cols != cols))
        call->status =
            bnorm_fail(call->ctx, BNORM_E_ARGUMENT, "%s: %s is %td x %td, expected %td x %td",
                       call->name, what, m.rows, m.cols, rows, cols);
}
