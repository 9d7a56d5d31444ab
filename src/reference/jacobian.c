/* jacobian: the Jacobians of vec(B) (maths.md section 4), built from identity matrices, ones
 * and Kronecker products as they are written there. */
#include "reference/reference.h"

static bnorm_mat_f64 identity(reference_call *call, ptrdiff_t size)
{
    bnorm_mat_f64 m = bnorm_reference_take(call, size, size);
    for (ptrdiff_t i = 0; m.data && i < size; i++) *reference_cell(m, i, i) = 1;
    return m;
}

/* I (x) e */
static void beta_jacobian(reference_call *call, ptrdiff_t rows, ptrdiff_t cols,
                          bnorm_mat_f64 out)
{
    bnorm_mat_f64 one = bnorm_reference_take(call, rows, 1), i = identity(call, cols);
    if (call->status) return;
    for (ptrdiff_t k = 0; k < rows; k++) one.data[k] = 1;
    call->status = bnorm_kron_f64(call->ctx, i, one, out);
}

/* I * zhat */
static void gamma_jacobian(reference_call *call, const reference_layer *layer,
                           bnorm_mat_f64 out)
{
    bnorm_mat_f64 i = identity(call, layer->zhat.cols);
    if (call->status) return;
    call->status = bnorm_khatri_rao_f64(call->ctx, i, layer->zhat, out);
}

/* Block j: (gamma_j rstd_j)(I - e omega'/n - zhat_j (omega zhat_j)'/M). Its transpose applied
 * to w is (B3). */
static void z_block(const reference_layer *layer, const double *weights, double factor,
                    ptrdiff_t j, bnorm_mat_f64 out)
{
    ptrdiff_t rows = layer->zhat.rows;
    const double *zhat = reference_cell(layer->zhat, 0, j);
    for (ptrdiff_t c = 0; c < rows; c++)
        for (ptrdiff_t r = 0; r < rows; r++) {
            double omega = weights ? weights[c] : 1;
            double entry =
                (r == c) - omega / layer->n - zhat[r] * omega * zhat[c] / layer->divisor;
            *reference_cell(out, j * rows + r, j * rows + c) = factor * entry;
        }
}

static void z_jacobian(const reference_layer *layer, const double *weights, const double *gamma,
                       bnorm_mat_f64 out)
{
    for (ptrdiff_t j = 0; j < layer->zhat.cols; j++)
        z_block(layer, weights, (gamma ? gamma[j] : 1) * layer->rstd[j], j, out);
}

/* J_z (I (x) X) */
static void g1_jacobian(reference_call *call, bnorm_mat_f64 x, const reference_layer *layer,
                        const double *weights, const double *gamma, bnorm_mat_f64 out)
{
    ptrdiff_t cols = layer->zhat.cols;
    ptrdiff_t height = bnorm_reference_size(call, "a column of J_z", x.rows, cols);
    ptrdiff_t width = bnorm_reference_size(call, "vec(G1)", x.cols, cols);
    bnorm_mat_f64 jz = bnorm_reference_take(call, height, height);
    bnorm_mat_f64 ix = bnorm_reference_take(call, height, width), i = identity(call, cols);
    if (call->status) return;
    call->status = bnorm_kron_f64(call->ctx, i, x, ix);
    z_jacobian(layer, weights, gamma, jz);
    bnorm_reference_product(0, jz, ix, out);
}

void bnorm_reference_jacobian(reference_call *call, bnorm_jacobian_kind kind, bnorm_mat_f64 x,
                              const reference_layer *layer, const double *weights,
                              const double *gamma, bnorm_mat_f64 out)
{
    if (call->status) return;
    if (kind == BNORM_JACOBIAN_BETA)
        beta_jacobian(call, layer->zhat.rows, layer->zhat.cols, out);
    else if (kind == BNORM_JACOBIAN_GAMMA)
        gamma_jacobian(call, layer, out);
    else if (kind == BNORM_JACOBIAN_Z)
        z_jacobian(layer, weights, gamma, out);
    else
        g1_jacobian(call, x, layer, weights, gamma, out);
}

/* Columns of the Jacobian: the parameters. */
static ptrdiff_t parameters(reference_call *call, bnorm_jacobian_kind kind, bnorm_mat_f64 x,
                            ptrdiff_t cols)
{
    if (kind == BNORM_JACOBIAN_Z)
        return bnorm_reference_size(call, "a column of J", x.rows, cols);
    if (kind == BNORM_JACOBIAN_G1) return bnorm_reference_size(call, "vec(G1)", x.cols, cols);
    return cols;
}

static void copy_out(bnorm_mat_f64 from, bnorm_mat_f64 out)
{
    for (ptrdiff_t j = 0; j < out.cols; j++)
        for (ptrdiff_t i = 0; i < out.rows; i++)
            *reference_cell(out, i, j) = *reference_cell(from, i, j);
}

bnorm_status bnorm_jacobian_f64(bnorm_ctx *ctx, bnorm_jacobian_kind kind, bnorm_mat_f64 x,
                                bnorm_mat_f64 g1, const double *weights, const double *gamma,
                                bnorm_rule rule, bnorm_mat_f64 out)
{
    reference_call call = {.ctx = ctx, .name = "jacobian"};
    reference_layer layer;
    bnorm_reference_require(&call, kind >= BNORM_JACOBIAN_BETA && kind <= BNORM_JACOBIAN_G1,
                            "unknown kind");
    bnorm_reference_view(&call, "x", x);
    if (g1.data) bnorm_reference_shape(&call, "g1", g1, x.cols, g1.cols);
    bnorm_reference_require(&call, g1.data || kind != BNORM_JACOBIAN_G1, "g1 is absent");
    bnorm_reference_check_rule(&call, rule);
    ptrdiff_t cols = g1.data ? g1.cols : x.cols;
    ptrdiff_t height = bnorm_reference_size(&call, "a column of J", x.rows, cols);
    bnorm_reference_shape(&call, "out", out, height, parameters(&call, kind, x, cols));
    if (call.status || cols == 0) return call.status;
    bnorm_mat_f64 j = bnorm_reference_take(&call, out.rows, out.cols);
    bnorm_reference_normalise(&call, x, g1, weights, rule, &layer);
    bnorm_reference_jacobian(&call, kind, x, &layer, weights, gamma, j);
    if (!call.status) copy_out(j, out);
    return bnorm_reference_end(&call);
}
