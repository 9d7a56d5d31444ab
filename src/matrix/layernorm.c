/* layernorm: each row normalised over its columns: one group, each column a channel. */
#include "matrix/groups.h"

bnorm_status bnorm_layernorm_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *gamma,
                                         const double *beta, double eps, bnorm_mat_f64 y,
                                         double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f64(x), to = bnorm_view_of_f64(y);
    return bnorm_groups_forward(ctx, &(bnorm_groups){.x = &from,
                                                     .out = &to,
                                                     .gamma = gamma,
                                                     .beta = beta,
                                                     .mean = mean,
                                                     .rstd = rstd,
                                                     .eps = eps,
                                                     .groups = 1,
                                                     .channels = x.cols});
}

bnorm_status bnorm_layernorm_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const float *gamma,
                                         const float *beta, double eps, bnorm_mat_f32 y,
                                         double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f32(x), to = bnorm_view_of_f32(y);
    return bnorm_groups_forward(ctx, &(bnorm_groups){.x = &from,
                                                     .out = &to,
                                                     .gamma = gamma,
                                                     .beta = beta,
                                                     .mean = mean,
                                                     .rstd = rstd,
                                                     .eps = eps,
                                                     .groups = 1,
                                                     .channels = x.cols});
}

bnorm_status bnorm_layernorm_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy,
                                          const double *gamma, const double *mean,
                                          const double *rstd, bnorm_mat_f64 dx, double *dgamma,
                                          double *dbeta)
{
    bnorm_view vx = bnorm_view_of_f64(x), vw = bnorm_view_of_f64(dy),
               vdx = bnorm_view_of_f64(dx);
    return bnorm_groups_backward(ctx, &(bnorm_groups){.x = &vx,
                                                      .w = &vw,
                                                      .out = &vdx,
                                                      .gamma = gamma,
                                                      .dgamma = dgamma,
                                                      .dbeta = dbeta,
                                                      .mean_in = mean,
                                                      .rstd_in = rstd,
                                                      .groups = 1,
                                                      .channels = x.cols});
}

bnorm_status bnorm_layernorm_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy,
                                          const float *gamma, const double *mean,
                                          const double *rstd, bnorm_mat_f32 dx, float *dgamma,
                                          float *dbeta)
{
    bnorm_view vx = bnorm_view_of_f32(x), vw = bnorm_view_of_f32(dy),
               vdx = bnorm_view_of_f32(dx);
    return bnorm_groups_backward(ctx, &(bnorm_groups){.x = &vx,
                                                      .w = &vw,
                                                      .out = &vdx,
                                                      .gamma = gamma,
                                                      .dgamma = dgamma,
                                                      .dbeta = dbeta,
                                                      .mean_in = mean,
                                                      .rstd_in = rstd,
                                                      .groups = 1,
                                                      .channels = x.cols});
}
