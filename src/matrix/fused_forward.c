/* fused_forward: y = a(gamma (x - mean) rstd + beta), training and inference. Every element has
 * the bits that the normalisation and the activation in turn would give it. */
#include "matrix/fused.h"
#include "matrix/moments.h"

typedef struct fused_job {
    bnorm_moments_job moments; /* training only */
    const bnorm_view *x, *y;
    const void *gamma, *beta;
    bnorm_act act;
    bnorm_rule rule;
    bnorm_cut cut;
    double *mean, *rstd; /* training: the caller's */
    bnorm_affine a;
    double *scale, *shift;
    int stream;
} fused_job;

static void piece_task(void *argument, const bnorm_piece *p)
{
    const fused_job *job = argument;
    bnorm_piece_activate(&job->act, job->x, NULL, p, &job->a, bnorm_lines_of(job->y, p),
                         job->stream);
}

/* A tile is one piece, unless the caller's function needs them small. */
static void tile(fused_job *job, ptrdiff_t b, ptrdiff_t s)
{
    bnorm_range r = bnorm_cut_block(&job->cut, b), c = bnorm_cut_strip(&job->cut, s);
    if (job->act.number < 0)
        bnorm_pieces(job->x, &job->cut, b, s, 0, piece_task, job);
    else
        piece_task(job, &(bnorm_piece){.r = r, .c = c});
}

static void tile_task(void *argument, ptrdiff_t k)
{
    fused_job *job = argument;
    k = job->cut.blocks * job->cut.strips - 1 - k; /* what was read last is still in cache */
    tile(job, k / job->cut.strips, k % job->cut.strips);
}

/* From moments to the statistics and coefficients of a range of columns. */
static void finish(fused_job *job, bnorm_range c)
{
    const bnorm_moments_job *m = &job->moments;
    bnorm_widen(job->x, job->beta, 0, c, job->shift + c.begin);
    job->x->k->scales(c.end - c.begin, m->m2 + c.begin, m->total - job->rule.ddof,
                      job->rule.eps, bnorm_view_entry(job->x, job->gamma, c.begin),
                      job->rstd + c.begin, job->scale + c.begin);
    for (ptrdiff_t j = c.begin; j < c.end; j++) job->mean[j] = m->mean[j];
}

static void strip_task(void *argument, ptrdiff_t s)
{
    fused_job *job = argument;
    bnorm_range c = bnorm_cut_strip(&job->cut, s);
    for (ptrdiff_t b = 0; b < job->cut.blocks; b++) bnorm_moments_tile(&job->moments, b, s);
    bnorm_moments_collect(&job->moments, c);
    finish(job, c);
    for (ptrdiff_t b = job->cut.blocks; b-- > 0;) tile(job, b, s);
}

static bnorm_status run(bnorm_ctx *ctx, fused_job *job)
{
    bnorm_ctx *spread = bnorm_act_ctx(ctx, &job->act);
    if (bnorm_cut_fused(&job->cut) && !bnorm_reduces(ctx)) {
        BNORM_TRY(bnorm_check_divisor(ctx, job->moments.total, job->rule.ddof));
        bnorm_cut_spread(spread, job->x, job->cut.strips, strip_task, job);
        return BNORM_OK;
    }
    BNORM_TRY(bnorm_moments_run(ctx, &job->moments));
    BNORM_TRY(bnorm_check_divisor(ctx, job->moments.total, job->rule.ddof));
    finish(job, (bnorm_range){0, job->cut.cols});
    bnorm_cut_spread(spread, job->x, job->cut.blocks * job->cut.strips, tile_task, job);
    return BNORM_OK;
}

static bnorm_status check(bnorm_ctx *ctx, fused_job *job, const bnorm_activation *activation)
{
    BNORM_TRY(bnorm_check_view(ctx, job->x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, job->y, "y", job->x, "x"));
    job->stream = job->x->data != job->y->data && bnorm_view_streams(job->y, 2);
    return bnorm_act_of(ctx, activation, &job->act);
}

static bnorm_status forward(bnorm_ctx *ctx, fused_job job, const double *weights,
                            const bnorm_activation *activation)
{
    const bnorm_view *x = job.x;
    BNORM_TRY(check(ctx, &job, activation));
    BNORM_TRY(bnorm_check_rule(ctx, job.rule));
    BNORM_TRY(bnorm_check_weights(ctx, x->rows, weights));
    if (x->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, job.mean, "mean"));
    BNORM_TRY(bnorm_check_pointer(ctx, job.rstd, "rstd"));
    ptrdiff_t lines, more;
    bnorm_scratch scratch;
    job.cut = bnorm_cut_of(x);
    bnorm_moments_need(&job.cut, &lines, &more);
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, lines + 2, x->cols, more));
    bnorm_moments_start(&job.moments, x, weights, &job.cut, &scratch);
    job.scale = bnorm_scratch_take(&scratch, x->cols);
    job.shift = bnorm_scratch_take(&scratch, x->cols);
    job.a = (bnorm_affine){job.mean, job.scale, job.shift};
    bnorm_status status = run(ctx, &job);
    bnorm_scratch_close(&scratch);
    return status;
}

/* Inference with given statistics. */
static bnorm_status infer(bnorm_ctx *ctx, fused_job job, const double *mean, const double *var,
                          double eps, const bnorm_activation *activation)
{
    const bnorm_view *x = job.x;
    BNORM_TRY(check(ctx, &job, activation));
    BNORM_TRY(bnorm_check_statistics(ctx, x->cols, mean, var, eps));
    if (x->cols == 0 || x->rows == 0) return BNORM_OK;
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2, x->cols, 0));
    job.cut = bnorm_cut_of(x);
    job.scale = bnorm_scratch_take(&scratch, x->cols);
    job.shift = bnorm_scratch_take(&scratch, x->cols);
    job.a = (bnorm_affine){mean, job.scale, job.shift};
    x->k->scales(x->cols, var, 1, eps, job.gamma, job.shift, job.scale); /* rstd is not kept */
    bnorm_widen(x, job.beta, 0, (bnorm_range){0, x->cols}, job.shift);
    bnorm_cut_spread(bnorm_act_ctx(ctx, &job.act), x, job.cut.blocks * job.cut.strips,
                     tile_task, &job);
    bnorm_scratch_close(&scratch);
    return BNORM_OK;
}

bnorm_status bnorm_forward_activation_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                          const double *weights, const double *gamma,
                                          const double *beta, bnorm_rule rule,
                                          const bnorm_activation *activation, bnorm_mat_f64 y,
                                          double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f64(x), to = bnorm_view_of_f64(y);
    fused_job job = {.x = &from, .y = &to, .gamma = gamma, .beta = beta};
    job.rule = rule;
    job.mean = mean;
    job.rstd = rstd;
    return forward(ctx, job, weights, activation);
}

bnorm_status bnorm_forward_activation_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                          const double *weights, const float *gamma,
                                          const float *beta, bnorm_rule rule,
                                          const bnorm_activation *activation, bnorm_mat_f32 y,
                                          double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f32(x), to = bnorm_view_of_f32(y);
    fused_job job = {.x = &from, .y = &to, .gamma = gamma, .beta = beta};
    job.rule = rule;
    job.mean = mean;
    job.rstd = rstd;
    return forward(ctx, job, weights, activation);
}

bnorm_status bnorm_infer_activation_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *gamma,
                                        const double *beta, const double *mean,
                                        const double *var, double eps,
                                        const bnorm_activation *activation, bnorm_mat_f64 y)
{
    bnorm_view from = bnorm_view_of_f64(x), to = bnorm_view_of_f64(y);
    fused_job job = {.x = &from, .y = &to, .gamma = gamma, .beta = beta};
    return infer(ctx, job, mean, var, eps, activation);
}

bnorm_status bnorm_infer_activation_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const float *gamma,
                                        const float *beta, const double *mean,
                                        const double *var, double eps,
                                        const bnorm_activation *activation, bnorm_mat_f32 y)
{
    bnorm_view from = bnorm_view_of_f32(x), to = bnorm_view_of_f32(y);
    fused_job job = {.x = &from, .y = &to, .gamma = gamma, .beta = beta};
    return infer(ctx, job, mean, var, eps, activation);
}
