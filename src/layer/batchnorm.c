/* batchnorm: a layer whose statistics are those of the batch.
 *   forward   B = zhat diag(gamma) + 1 beta', zhat = (Z - 1 mu') diag(1/sigma)
 *   backward  (B1) dbeta = 1'W   (B2) dgamma = diag(zhat'W)
 *             (B3) dz = (gamma/sigma) [ w - (omega/n) dbeta - (omega zhat) dgamma/M ]
 * so that, seen from the weights before it, dR/dG = X'dz is (W3). A pass makes the statistics
 * and the sums of (B1) and (B2) from blocks of rows. Nothing but Z is kept: B is computed again
 * where it is needed, by the same kernel: the same bits. Theorems: W3_is_X_dz,
 * W3_is_derivative. */
#include <string.h>

#include "kernel/kernel.h"
#include "layer/layer.h"
#include "matrix/view.h"

/* Inference. */
static int forward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y)
{
    layer *l = user;
    return bnorm_infer_f64(pass->ctx, x, params, params + l->inputs, l->mean, l->var,
                           l->rule.eps, y);
}

static bnorm_tile tile_of(bnorm_mat_f64 x)
{
    return (bnorm_tile){x.data, x.rows, x.cols, x.ld};
}

bnorm_status bnorm_batchnorm_prepare(bnorm_ctx *ctx, layer *l)
{
    bnorm_status status = bnorm_buffer_reserve(ctx, &l->vectors, 6, l->inputs);
    double **vectors[] = {&l->batch.mean,  &l->batch.m2, &l->batch.rstd,
                          &l->batch.scale, &l->batch.p,  &l->batch.q};
    for (int k = 0; k < 6; k++) *vectors[k] = l->vectors.data + k * l->inputs;
    return status;
}

bnorm_status bnorm_batchnorm_statistics(bnorm_ctx *ctx, layer *l)
{
    batch_statistics *b = &l->batch;
    BNORM_TRY(bnorm_check_divisor(ctx, b->n, l->rule.ddof));
    bnorm_kernels_f64()->scales(l->inputs, b->m2, b->n - l->rule.ddof, l->rule.eps, l->params,
                                b->rstd, b->scale);
    return BNORM_OK;
}

void bnorm_batchnorm_forward(const layer *l, bnorm_mat_f64 z, bnorm_mat_f64 b)
{
    bnorm_affine a = {l->batch.mean, l->batch.scale, l->params + l->inputs};
    bnorm_tile tile = tile_of(z);
    bnorm_kernels_f64()->row_affine(&tile, &a, b.data, b.ld, 0);
}

void bnorm_batchnorm_sums(const layer *l, bnorm_mat_f64 z, bnorm_mat_f64 w, double *sums)
{
    bnorm_tile tile_z = tile_of(z), tile_w = tile_of(w);
    bnorm_kernels_f64()->row_pair_sums(&tile_z, &tile_w, l->batch.mean, sums, sums + z.cols);
}

void bnorm_batchnorm_gradient(layer *l, const double *sums, double *dgamma, double *dbeta)
{
    batch_statistics *b = &l->batch;
    bnorm_coefficients to = {b->scale, b->p, b->q};
    memcpy(dbeta, sums, (size_t)l->inputs * sizeof *dbeta);
    memcpy(dgamma, sums + l->inputs, (size_t)l->inputs * sizeof *dgamma);
    bnorm_kernels_f64()->slopes(l->inputs, b->n, b->n - l->rule.ddof, l->params, b->rstd, dbeta,
                                dgamma, &to);
}

void bnorm_batchnorm_input(const layer *l, bnorm_mat_f64 z, bnorm_mat_f64 w,
                           const double *weights, bnorm_mat_f64 dz)
{
    bnorm_slope a = {l->batch.mean, l->batch.scale, l->batch.p, l->batch.q};
    bnorm_tile tile_z = tile_of(z), tile_w = tile_of(w);
    bnorm_kernels_f64()->row_slope(&tile_z, &tile_w, weights, &a, dz.data, dz.ld, 0);
}

static int blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    (void)user;
    blocks[0] = (bnorm_block_shape){"gamma", 1, inputs, 0};
    blocks[1] = (bnorm_block_shape){"beta", 1, inputs, 0};
    return 2;
}

static void start(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream, double *params)
{
    (void)user, (void)seed, (void)stream;
    for (ptrdiff_t j = 0; j < inputs; j++) params[j] = 1;
    memset(params + inputs, 0, (size_t)inputs * sizeof *params);
}

void bnorm_batchnorm_make(layer *l)
{
    l->ops = (bnorm_layer){.struct_size = sizeof(bnorm_layer),
                           .name = "batchnorm",
                           .user = l,
                           .blocks = blocks,
                           .start = start,
                           .forward = forward};
}
