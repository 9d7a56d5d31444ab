/* layernorm: each row normalised over its columns: one group, each column a channel. */
#include "bnorm.h"

bnorm_status bnorm_layernorm_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *gamma,
                                         const double *beta, double eps, bnorm_mat_f64 y,
                                         double *mean, double *rstd)
{
    return bnorm_groupnorm_forward_f64(ctx, x, x.cols, 1, gamma, beta, eps, y, mean, rstd);
}

bnorm_status bnorm_layernorm_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const float *gamma,
                                         const float *beta, double eps, bnorm_mat_f32 y,
                                         double *mean, double *rstd)
{
    return bnorm_groupnorm_forward_f32(ctx, x, x.cols, 1, gamma, beta, eps, y, mean, rstd);
}

bnorm_status bnorm_layernorm_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy,
                                          const double *gamma, const double *mean,
                                          const double *rstd, bnorm_mat_f64 dx, double *dgamma,
                                          double *dbeta)
{
    return bnorm_groupnorm_backward_f64(ctx, x, dy, x.cols, 1, gamma, mean, rstd, dx, dgamma,
                                        dbeta);
}

bnorm_status bnorm_layernorm_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy,
                                          const float *gamma, const double *mean,
                                          const double *rstd, bnorm_mat_f32 dx, float *dgamma,
                                          float *dbeta)
{
    return bnorm_groupnorm_backward_f32(ctx, x, dy, x.cols, 1, gamma, mean, rstd, dx, dgamma,
                                        dbeta);
}
