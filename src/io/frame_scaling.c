/* frame_scaling: the mean and the standard deviation (ddof 1) of each input and of a numeric
 * target. Scales are positive and finite. */
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/frame.h"

/* The largest magnitude in a column; inf or NaN when there is one. */
static double largest(bnorm_mat_f64 m, ptrdiff_t col)
{
    int by_row = m.layout == BNORM_ROW_MAJOR;
    const double *from = by_row ? m.data + col : m.data + col * m.ld;
    double most = 0;
    for (ptrdiff_t i = 0; i < m.rows; i++) {
        double size = fabs(from[i * (by_row ? m.ld : 1)]);
        if (!(size <= most)) most = size;
    }
    return most;
}

/* Squares of such values neither overflow nor vanish, nor do those of their differences. */
static int tame(double most)
{
    return most == 0 || (most > 0x1p-400 && most < 0x1p400);
}

/* The moments of a column divided by a power of two that makes its largest value about 1: no
 * digit changes. The standard deviation comes in *sd. */
static bnorm_status measure_wild(bnorm_ctx *ctx, bnorm_mat_f64 m, ptrdiff_t col, double most,
                                 double *mean, double *sd)
{
    int by_row = m.layout == BNORM_ROW_MAJOR, exponent;
    const double *from = by_row ? m.data + col : m.data + col * m.ld;
    double n, *copy = bnorm_alloc(ctx, m.rows, sizeof *copy);
    if (!copy) return bnorm_fail_memory(ctx, "a column");
    frexp(most, &exponent);
    for (ptrdiff_t i = 0; i < m.rows; i++)
        copy[i] = ldexp(from[i * (by_row ? m.ld : 1)], -exponent);
    bnorm_status status = bnorm_moments_f64(
        ctx, bnorm_view_f64(copy, m.rows, 1, BNORM_COL_MAJOR), NULL, &n, mean, sd);
    bnorm_free(copy);
    if (status != BNORM_OK) return status;
    double scaled = n > 1 ? sqrt(*sd / (n - 1)) : 0;
    *mean = ldexp(*mean, exponent);
    *sd = ldexp(scaled, exponent);
    if (scaled > 0 && *sd == 0) *sd = 0x1p-1074;
    return BNORM_OK;
}

/* What the user calls the column. */
static bnorm_status fail_large(bnorm_ctx *ctx, const bnorm_frame *frame, int target,
                               ptrdiff_t k)
{
    char name[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(target ? bnorm_frame_target_name(frame) : bnorm_frame_input_name(frame, k),
                  name);
    return bnorm_fail(ctx, BNORM_E_DATA,
                      "the %s '%s' has values too large to standardise, or not finite; give it "
                      "in a larger unit",
                      target ? "target" : "input", name);
}

/* Centers and scales: the standard deviation with ddof 1; 1 for a constant column. */
static bnorm_status measure(bnorm_ctx *ctx, const bnorm_frame *frame, int target,
                            bnorm_mat_f64 m, double *center, double *scale)
{
    double n;
    bnorm_status status = bnorm_moments_f64(ctx, m, NULL, &n, center, scale);
    for (ptrdiff_t k = 0; k < m.cols && status == BNORM_OK; k++) {
        double most = largest(m, k);
        scale[k] = n > 1 ? sqrt(scale[k] / (n - 1)) : 0;
        /* a half of the range: differences must not overflow, either */
        if (!(most < 0x1p1022)) return fail_large(ctx, frame, target, k);
        if (!tame(most)) status = measure_wild(ctx, m, k, most, center + k, scale + k);
        if (!(scale[k] > 0)) scale[k] = 1;
    }
    return status;
}

/* Checks everything before the frame changes. */
static bnorm_status learn(bnorm_ctx *ctx, bnorm_frame *frame, bnorm_mat_f64 x, bnorm_mat_f64 y,
                          int with_target, double *center, double *scale)
{
    double target[2] = {0, 1};
    bnorm_status status = measure(ctx, frame, 0, x, center, scale);
    if (status == BNORM_OK && with_target)
        status = measure(ctx, frame, 1, y, target, target + 1);
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
