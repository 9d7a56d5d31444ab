/* forward: y = gamma (x - mu) rstd + beta, with the statistics of the batch (training) or given
 * ones (inference). The mean is subtracted before scaling, so a large mean costs no digits.
 * Theorems: library_forward, library_no_scale. */
#include "matrix/affine.h"
#include "matrix/moments.h"

typedef struct forward_job {
    bnorm_moments_job moments;
    bnorm_affine_job apply;
    const void *gamma, *beta;
    bnorm_rule rule;
    double *mean, *rstd; /* the caller's */
    double *n, *m2;      /* the caller's, or NULL */
    double *scale, *shift;
} forward_job;

/* From moments to the statistics and coefficients of a range of columns. */
static void finish(forward_job *job, bnorm_range c)
{
    const bnorm_view *x = job->moments.x;
    double divisor = job->moments.total - job->rule.ddof;
    bnorm_widen(x, job->beta, 0, c, job->shift + c.begin);
    x->k->scales(c.end - c.begin, job->moments.m2 + c.begin, divisor, job->rule.eps,
                 bnorm_view_entry(x, job->gamma, c.begin), job->rstd + c.begin,
                 job->scale + c.begin);
    for (ptrdiff_t j = c.begin; j < c.end; j++) {
        job->mean[j] = job->moments.mean[j];
        if (job->m2) job->m2[j] = job->moments.m2[j];
    }
}

static void strip_task(void *argument, ptrdiff_t s)
{
    forward_job *job = argument;
    const bnorm_cut *cut = &job->moments.cut;
    bnorm_range c = bnorm_cut_strip(cut, s);
    for (ptrdiff_t b = 0; b < cut->blocks; b++) bnorm_moments_tile(&job->moments, b, s);
    bnorm_moments_collect(&job->moments, c);
    finish(job, c);
    for (ptrdiff_t b = 0; b < cut->blocks; b++)
        bnorm_affine_tile(&job->apply, bnorm_cut_again(cut, job->moments.x, b), s);
}

static bnorm_status run(bnorm_ctx *ctx, forward_job *job)
{
    const bnorm_cut *cut = &job->moments.cut;
    if (bnorm_cut_fused(cut) && !bnorm_reduces(ctx)) {
        BNORM_TRY(bnorm_check_divisor(ctx, job->moments.total, job->rule.ddof));
        bnorm_cut_spread(ctx, job->moments.x, cut->strips, strip_task, job);
        return BNORM_OK;
    }
    BNORM_TRY(bnorm_moments_run(ctx, &job->moments));
    BNORM_TRY(bnorm_check_divisor(ctx, job->moments.total, job->rule.ddof));
    finish(job, (bnorm_range){0, cut->cols});
    bnorm_affine_run(ctx, &job->apply);
    return BNORM_OK;
}

static bnorm_status check(bnorm_ctx *ctx, const bnorm_view *x, const double *weights,
                          bnorm_rule rule, const bnorm_view *y, const double *mean,
                          const double *rstd)
{
    BNORM_TRY(bnorm_check_view(ctx, x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, y, "y", x, "x"));
    BNORM_TRY(bnorm_check_rule(ctx, rule));
    BNORM_TRY(bnorm_check_weights(ctx, x->rows, weights));
    if (x->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, mean, "mean"));
    return bnorm_check_pointer(ctx, rstd, "rstd");
}

/* The arguments of a call, checked. */
static bnorm_status forward(bnorm_ctx *ctx, const bnorm_view *x, const double *weights,
                            forward_job job, const bnorm_view *y)
{
    BNORM_TRY(check(ctx, x, weights, job.rule, y, job.mean, job.rstd));
    if (x->cols == 0) return BNORM_OK;
    bnorm_cut cut = bnorm_cut_of(x);
    ptrdiff_t lines, more;
    bnorm_scratch scratch;
    bnorm_moments_need(&cut, &lines, &more);
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, lines + 2, cut.cols, more));
    bnorm_moments_start(&job.moments, x, weights, &cut, &scratch);
    job.scale = bnorm_scratch_take(&scratch, cut.cols);
    job.shift = bnorm_scratch_take(&scratch, cut.cols);
    job.apply = (bnorm_affine_job){.x = x,
                                   .y = y,
                                   .cut = cut,
                                   .a = {job.mean, job.scale, job.shift},
                                   .stream = x->data != y->data && bnorm_view_streams(y, 2),
                                   .again = 1};
    bnorm_status status = run(ctx, &job);
    if (job.n) *job.n = job.moments.total;
    bnorm_scratch_close(&scratch);
    return status;
}

bnorm_status bnorm_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *weights,
                               const double *gamma, const double *beta, bnorm_rule rule,
                               bnorm_mat_f64 y, double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f64(x), to = bnorm_view_of_f64(y);
    forward_job job = {.gamma = gamma, .beta = beta, .rule = rule, .mean = mean, .rstd = rstd};
    return forward(ctx, &from, weights, job, &to);
}

bnorm_status bnorm_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const double *weights,
                               const float *gamma, const float *beta, bnorm_rule rule,
                               bnorm_mat_f32 y, double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f32(x), to = bnorm_view_of_f32(y);
    forward_job job = {.gamma = gamma, .beta = beta, .rule = rule, .mean = mean, .rstd = rstd};
    return forward(ctx, &from, weights, job, &to);
}

bnorm_status bnorm_forward_stats_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *weights,
                                     const double *gamma, const double *beta, bnorm_rule rule,
                                     bnorm_mat_f64 y, double *n, double *mean, double *m2,
                                     double *rstd)
{
    bnorm_view from = bnorm_view_of_f64(x), to = bnorm_view_of_f64(y);
    forward_job job = {.gamma = gamma, .beta = beta, .rule = rule, .mean = mean, .rstd = rstd};
    job.n = n;
    job.m2 = m2;
    return forward(ctx, &from, weights, job, &to);
}

bnorm_status bnorm_forward_stats_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const double *weights,
                                     const float *gamma, const float *beta, bnorm_rule rule,
                                     bnorm_mat_f32 y, double *n, double *mean, double *m2,
                                     double *rstd)
{
    bnorm_view from = bnorm_view_of_f32(x), to = bnorm_view_of_f32(y);
    forward_job job = {.gamma = gamma, .beta = beta, .rule = rule, .mean = mean, .rstd = rstd};
    job.n = n;
    job.m2 = m2;
    return forward(ctx, &from, weights, job, &to);
}
