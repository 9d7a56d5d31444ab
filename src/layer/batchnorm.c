/* batchnorm: the matrix functions as a layer.
 *   forward   B = zhat diag(gamma) + 1 beta', zhat = (Z - 1 mu') diag(1/sigma)
 *   backward  (B1) dbeta = 1'W   (B2) dgamma = diag(zhat'W)
 *             (B3) dz = (gamma/sigma) [ w - (omega/n) dbeta - (omega zhat) dgamma/M ]
 * so that, seen from the weights before it, dR/dG = X'dz is (W3). Nothing but Z is kept: B is
 * computed again where it is needed, by the kernel that forward uses: the same bits.
 * Theorems: W3_is_X_dz, W3_is_derivative. */
#include <string.h>

#include "kernel/kernel.h"
#include "layer/layer.h"

static int forward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y)
{
    layer *l = user;
    const double *gamma = params, *beta = params + l->inputs;
    if (!pass->training)
        return bnorm_infer_f64(pass->ctx, x, gamma, beta, l->mean, l->var, l->rule.eps, y);
    bnorm_status status = bnorm_forward_f64(pass->ctx, x, pass->weights, gamma, beta, l->rule,
                                            y, l->batch_mean, l->batch_rstd);
    for (ptrdiff_t j = 0; j < l->inputs; j++) l->batch_scale[j] = gamma[j] * l->batch_rstd[j];
    return status;
}

/* dparams is written, not added to: the gradient starts at zero and no other layer adds to this
 * part of it. */
static int backward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                    bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx)
{
    layer *l = user;
    (void)y;
    return bnorm_backward_f64(pass->ctx, x, dy, pass->weights, params, l->batch_mean,
                              l->batch_rstd, l->rule, dx, dparams, dparams + l->inputs);
}

void bnorm_batchnorm_rebuild(const layer *l, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t col,
                             ptrdiff_t cols, double *b)
{
    const double *beta = l->params + l->inputs;
    bnorm_affine a = {l->batch_mean + col, l->batch_scale + col, beta + col};
    bnorm_tile z = {l->x.data + first * l->x.ld + col, rows, cols, l->x.ld};
    bnorm_kernels_f64()->row_affine(&z, &a, b, cols, 0);
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
                           .forward = forward,
                           .backward = backward};
}
