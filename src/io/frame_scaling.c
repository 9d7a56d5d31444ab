/* frame_scaling: the mean and the standard deviation (ddof 1) of each input and of a numeric
 * target. Scales are positive and finite. */
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/frame.h"

/* m2 becomes the scale: the standard deviation with ddof 1; 1 for a constant column. */
static void finish(ptrdiff_t cols, double n, double *m2)
{
    for (ptrdiff_t k = 0; k < cols; k++) {
        double sd = n > 1 ? sqrt(m2[k] / (n - 1)) : 0;
        m2[k] = sd > 0 ? sd : 1;
    }
}

static bnorm_status check_finite(bnorm_ctx *ctx, ptrdiff_t cols, const double *center,
                                 const double *scale)
{
    for (ptrdiff_t k = 0; k < cols; k++)
        if (!isfinite(center[k]) || !isfinite(scale[k]))
            return bnorm_fail(ctx, BNORM_E_DATA,
                              "bnorm_frame_learn_scaling: column %td is not finite", k + 1);
    return BNORM_OK;
}

static bnorm_status measure(bnorm_ctx *ctx, bnorm_mat_f64 m, double *center, double *scale)
{
    double n;
    bnorm_status status = bnorm_moments_f64(ctx, m, NULL, &n, center, scale);
    if (status != BNORM_OK) return status;
    finish(m.cols, n, scale);
    return check_finite(ctx, m.cols, center, scale);
}

/* Checks everything before the frame changes. */
static bnorm_status learn(bnorm_ctx *ctx, bnorm_frame *frame, bnorm_mat_f64 x, bnorm_mat_f64 y,
                          int with_target, double *center, double *scale)
{
    double target[2] = {0, 1};
    bnorm_status status = measure(ctx, x, center, scale);
    if (status == BNORM_OK && with_target) status = measure(ctx, y, target, target + 1);
    if (status != BNORM_OK) return status;
    bnorm_free(frame->center);
    bnorm_free(frame->scale);
    frame->center = center;
    frame->scale = scale;
    frame->target_scaled = with_target;
    frame->target_center = target[0];
    frame->target_scale = target[1];
    return BNORM_OK;
}

bnorm_status bnorm_frame_learn_scaling(bnorm_ctx *ctx, bnorm_frame *frame, bnorm_mat_f64 x,
                                       bnorm_mat_f64 y, int scale_target)
{
    if (!frame || !bnorm_view_legal(x, x.rows, frame->input_count) ||
        (y.data && !bnorm_view_legal(y, x.rows, 1)))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_frame_learn_scaling: the frame is NULL, or x is not rows x "
                          "inputs, or y not rows x 1");
    int with_target = scale_target && y.data && !frame->learned[0].factor;
    double *center = bnorm_alloc(ctx, frame->input_count, sizeof *center);
    double *scale = bnorm_alloc(ctx, frame->input_count, sizeof *scale);
    bnorm_status status = center && scale ? learn(ctx, frame, x, y, with_target, center, scale)
                                          : bnorm_fail_memory(ctx, "the scaling of a frame");
    if (status != BNORM_OK) {
        bnorm_free(center);
        bnorm_free(scale);
    }
    return status;
}
