/* backward: (B1)-(B3). Theorems: backward_is_derivative, library_backward, library_no_scale.
 * A column with v + eps = 0 has rstd 0, so its dx and dgamma are exactly
 * 0. At eps > 0 a constant column has zhat = 0: dgamma is exactly 0, and (B3) leaves dx =
 * (gamma rstd)(w - omega mean(w)), the true derivative: moving one entry of a constant column
 * does move its output. */
#include "matrix/backward.h"

#include "matrix/moments.h"

static void sums_tile(const bnorm_backward_job *job, ptrdiff_t b, ptrdiff_t s)
{
    bnorm_range r = bnorm_cut_block(&job->cut, b), c = bnorm_cut_strip(&job->cut, s);
    const bnorm_kernels *k = job->x->k;
    double *w_sum = job->sums + 2 * b * job->cut.cols, *wd_sum = w_sum + job->cut.cols;
    bnorm_tile x = bnorm_view_tile(job->x, r.begin, r.end, c.begin, c.end);
    bnorm_tile w = bnorm_view_tile(job->w, r.begin, r.end, c.begin, c.end);
    const double *mean = job->mean + c.begin;
    if (job->x->layout == BNORM_COL_MAJOR) {
        k->column_pair_sums(&x, &w, mean, w_sum + c.begin, wd_sum + c.begin);
        return;
    }
    for (ptrdiff_t j = c.begin; j < c.end; j++) w_sum[j] = wd_sum[j] = 0;
    k->row_pair_sums(&x, &w, mean, w_sum + c.begin, wd_sum + c.begin);
}

static void slope_tile(const bnorm_backward_job *job, ptrdiff_t b, ptrdiff_t s)
{
    bnorm_range r = bnorm_cut_block(&job->cut, b), c = bnorm_cut_strip(&job->cut, s);
    const bnorm_kernels *k = job->x->k;
    const double *weights = job->weights ? job->weights + r.begin : NULL;
    bnorm_slope a = {job->mean + c.begin, job->scale + c.begin, job->p + c.begin,
                     job->q + c.begin};
    bnorm_tile x = bnorm_view_tile(job->x, r.begin, r.end, c.begin, c.end);
    bnorm_tile w = bnorm_view_tile(job->w, r.begin, r.end, c.begin, c.end);
    char *dx = bnorm_view_at(job->dx, r.begin, c.begin);
    if (job->x->layout == BNORM_COL_MAJOR)
        k->column_slope(&x, &w, weights, &a, dx, job->dx->ld, job->stream);
    else
        k->row_slope(&x, &w, weights, &a, dx, job->dx->ld, job->stream);
}

/* ------------------------------------------------------------------------------- shared */

/* Adds the blocks of a range of columns in their order. */
static void collect(bnorm_backward_job *job, bnorm_range c)
{
    ptrdiff_t cols = job->cut.cols;
    for (ptrdiff_t b = 1; b < job->cut.blocks; b++)
        for (ptrdiff_t j = c.begin; j < c.end; j++) {
            job->sums[j] += job->sums[2 * b * cols + j];
            job->sums[cols + j] += job->sums[2 * b * cols + cols + j];
        }
}

/* (B1), (B2), and the coefficients of (B3). */
static void finish(bnorm_backward_job *job, bnorm_range c)
{
    const bnorm_kernels *k = job->x->k;
    ptrdiff_t count = c.end - c.begin, skip = c.begin * (ptrdiff_t)k->size;
    double *dbeta = job->sums, *dgamma = job->sums + job->cut.cols;
    double divisor = job->n - job->rule.ddof;
    bnorm_coefficients to = {job->scale + c.begin, job->p + c.begin, job->q + c.begin};
    k->slopes(count, job->n, divisor, bnorm_view_entry(job->x, job->gamma, c.begin),
              job->rstd + c.begin, dbeta + c.begin, dgamma + c.begin, &to);
    if (job->dbeta) k->narrow(count, dbeta + c.begin, (char *)job->dbeta + skip);
    if (job->dgamma) k->narrow(count, dgamma + c.begin, (char *)job->dgamma + skip);
}

static void sums_task(void *argument, ptrdiff_t k)
{
    bnorm_backward_job *job = argument;
    job->sums_tile(job, k / job->cut.strips, k % job->cut.strips);
}

static void slope_task(void *argument, ptrdiff_t k)
{
    const bnorm_backward_job *job = argument;
    job->slope_tile(job, k / job->cut.strips, k % job->cut.strips);
}

static void strip_task(void *argument, ptrdiff_t s)
{
    bnorm_backward_job *job = argument;
    bnorm_range c = bnorm_cut_strip(&job->cut, s);
    for (ptrdiff_t b = 0; b < job->cut.blocks; b++) job->sums_tile(job, b, s);
    collect(job, c);
    finish(job, c);
    for (ptrdiff_t b = 0; job->dx && b < job->cut.blocks; b++)
        job->slope_tile(job, bnorm_cut_again(&job->cut, job->x, b), s);
}

bnorm_status bnorm_backward_run(bnorm_ctx *ctx, bnorm_ctx *spread, bnorm_backward_job *job,
                                double *values)
{
    ptrdiff_t tiles = job->cut.blocks * job->cut.strips;
    if (bnorm_cut_fused(&job->cut) && !bnorm_reduces(ctx)) {
        BNORM_TRY(bnorm_check_divisor(ctx, job->n, job->rule.ddof));
        bnorm_cut_spread(spread, job->x, job->cut.strips, strip_task, job);
        return BNORM_OK;
    }
    bnorm_cut_spread(spread, job->x, tiles, sums_task, job);
    collect(job, (bnorm_range){0, job->cut.cols});
    values[0] = job->n;
    BNORM_TRY(bnorm_reduce(ctx, values, 2 * job->cut.cols + 1));
    job->n = values[0];
    BNORM_TRY(bnorm_check_divisor(ctx, job->n, job->rule.ddof));
    finish(job, (bnorm_range){0, job->cut.cols});
    if (job->dx) bnorm_cut_spread_back(spread, job->x, tiles, slope_task, job);
    return BNORM_OK;
}

bnorm_status bnorm_backward_check(bnorm_ctx *ctx, const bnorm_backward_job *job)
{
    BNORM_TRY(bnorm_check_view(ctx, job->x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, job->w, "dy", job->x, "x"));
    if (job->dx) {
        BNORM_TRY(bnorm_check_like(ctx, job->dx, "dx", job->x, "x"));
        BNORM_TRY(bnorm_check_like(ctx, job->dx, "dx", job->w, "dy"));
    }
    BNORM_TRY(bnorm_check_rule(ctx, job->rule));
    BNORM_TRY(bnorm_check_weights(ctx, job->x->rows, job->weights));
    if (job->x->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, job->mean, "mean"));
    return bnorm_check_pointer(ctx, job->rstd, "rstd");
}

/* ------------------------------------------------------------------------------- public */

static bnorm_status backward(bnorm_ctx *ctx, bnorm_backward_job job)
{
    if (!job.dx->data) job.dx = NULL;
    job.sums_tile = sums_tile;
    job.slope_tile = slope_tile;
    BNORM_TRY(bnorm_backward_check(ctx, &job));
    ptrdiff_t cols = job.x->cols;
    if (cols == 0) return BNORM_OK;
    job.cut = bnorm_cut_of(job.x);
    job.n = bnorm_weight_total(&job.cut, job.weights);
    job.stream = job.dx && job.dx->data != job.x->data && job.dx->data != job.w->data &&
                 bnorm_view_streams(job.dx, 3);
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2 * job.cut.blocks + 3, cols, 1));
    double *values = bnorm_scratch_take(&scratch, 1);
    job.sums = bnorm_scratch_take(&scratch, 2 * job.cut.blocks * cols);
    job.scale = bnorm_scratch_take(&scratch, cols);
    job.p = bnorm_scratch_take(&scratch, cols);
    job.q = bnorm_scratch_take(&scratch, cols);
    bnorm_status status = bnorm_backward_run(ctx, ctx, &job, values);
    bnorm_scratch_close(&scratch);
    return status;
}

bnorm_status bnorm_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy,
                                const double *weights, const double *gamma, const double *mean,
                                const double *rstd, bnorm_rule rule, bnorm_mat_f64 dx,
                                double *dgamma, double *dbeta)
{
    bnorm_view vx = bnorm_view_of_f64(x), vw = bnorm_view_of_f64(dy),
               vdx = bnorm_view_of_f64(dx);
    bnorm_backward_job job = {.x = &vx,
                              .w = &vw,
                              .dx = &vdx,
                              .weights = weights,
                              .mean = mean,
                              .rstd = rstd,
                              .gamma = gamma,
                              .dgamma = dgamma,
                              .dbeta = dbeta,
                              .rule = rule};
    return backward(ctx, job);
}

bnorm_status bnorm_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy,
                                const double *weights, const float *gamma, const double *mean,
                                const double *rstd, bnorm_rule rule, bnorm_mat_f32 dx,
                                float *dgamma, float *dbeta)
{
    bnorm_view vx = bnorm_view_of_f32(x), vw = bnorm_view_of_f32(dy),
               vdx = bnorm_view_of_f32(dx);
    bnorm_backward_job job = {.x = &vx,
                              .w = &vw,
                              .dx = &vdx,
                              .weights = weights,
                              .mean = mean,
                              .rstd = rstd,
                              .gamma = gamma,
                              .dgamma = dgamma,
                              .dbeta = dbeta,
                              .rule = rule};
    return backward(ctx, job);
}
