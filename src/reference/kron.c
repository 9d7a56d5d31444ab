/* kron: vec, Kronecker and Khatri-Rao products, the commutation matrix, by their definitions.
 * Invariant: vec(AXB) = (B' (x) A) vec(X). */
#include "reference/reference.h"

bnorm_status bnorm_vec_f64(bnorm_ctx *ctx, bnorm_mat_f64 a, double *out)
{
    reference_call call = {.ctx = ctx, .name = "vec"};
    bnorm_reference_view(&call, "a", a);
    bnorm_reference_require(&call, out || a.rows == 0 || a.cols == 0, "out is NULL");
    if (call.status) return call.status;
    for (ptrdiff_t j = 0; j < a.cols; j++)
        for (ptrdiff_t i = 0; i < a.rows; i++) *out++ = *reference_cell(a, i, j);
    return BNORM_OK;
}

bnorm_status bnorm_kron_f64(bnorm_ctx *ctx, bnorm_mat_f64 a, bnorm_mat_f64 b, bnorm_mat_f64 out)
{
    reference_call call = {.ctx = ctx, .name = "kron"};
    bnorm_reference_view(&call, "a", a);
    bnorm_reference_view(&call, "b", b);
    ptrdiff_t rows = bnorm_reference_size(&call, "a column of out", a.rows, b.rows);
    ptrdiff_t cols = bnorm_reference_size(&call, "a row of out", a.cols, b.cols);
    bnorm_reference_shape(&call, "out", out, rows, cols);
    if (call.status) return call.status;
    for (ptrdiff_t j = 0; j < cols; j++)
        for (ptrdiff_t i = 0; i < rows; i++)
            *reference_cell(out, i, j) = *reference_cell(a, i / b.rows, j / b.cols) *
                                         *reference_cell(b, i % b.rows, j % b.cols);
    return BNORM_OK;
}

bnorm_status bnorm_khatri_rao_f64(bnorm_ctx *ctx, bnorm_mat_f64 a, bnorm_mat_f64 b,
                                  bnorm_mat_f64 out)
{
    reference_call call = {.ctx = ctx, .name = "khatri_rao"};
    bnorm_reference_view(&call, "a", a);
    bnorm_reference_view(&call, "b", b);
    ptrdiff_t rows = bnorm_reference_size(&call, "a column of out", a.rows, b.rows);
    bnorm_reference_require(&call, a.cols == b.cols, "a and b differ in their columns");
    bnorm_reference_shape(&call, "out", out, rows, a.cols);
    if (call.status) return call.status;
    for (ptrdiff_t j = 0; j < a.cols; j++)
        for (ptrdiff_t i = 0; i < rows; i++)
            *reference_cell(out, i, j) =
                *reference_cell(a, i / b.rows, j) * *reference_cell(b, i % b.rows, j);
    return BNORM_OK;
}

bnorm_status bnorm_commutation_f64(bnorm_ctx *ctx, ptrdiff_t rows, ptrdiff_t cols,
                                   bnorm_mat_f64 out)
{
    reference_call call = {.ctx = ctx, .name = "commutation"};
    ptrdiff_t size = bnorm_reference_size(&call, "a row of out", rows, cols);
    bnorm_reference_shape(&call, "out", out, size, size);
    if (call.status) return call.status;
    /* a_rc is number r + c rows of vec(A) and number c + r cols of vec(A'). */
    for (ptrdiff_t from = 0; from < size; from++) {
        ptrdiff_t to = from / rows + from % rows * cols;
        for (ptrdiff_t i = 0; i < size; i++) *reference_cell(out, i, from) = i == to;
    }
    return BNORM_OK;
}

static void add_multiple(int transposed, bnorm_mat_f64 a, ptrdiff_t k, double factor,
                         double *column, ptrdiff_t rows)
{
    if (factor == 0) return;
    for (ptrdiff_t i = 0; i < rows; i++)
        column[i] +=
            factor * (transposed ? *reference_cell(a, k, i) : *reference_cell(a, i, k));
}

void bnorm_reference_product(int transposed, bnorm_mat_f64 a, bnorm_mat_f64 b,
                             bnorm_mat_f64 out)
{
    for (ptrdiff_t j = 0; j < b.cols; j++) {
        double *column = reference_cell(out, 0, j);
        for (ptrdiff_t i = 0; i < out.rows; i++) column[i] = 0;
        for (ptrdiff_t k = 0; k < b.rows; k++)
            add_multiple(transposed, a, k, *reference_cell(b, k, j), column, out.rows);
    }
}
