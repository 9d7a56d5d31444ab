/* infer_backward: the derivative of inference, whose statistics are constants: each block gives
 * its sums and its dx while it is in cache. */
#include "matrix/moments.h"

/* Block b has sum(w) at sums[2 b cols] and sum(w (x - mean)) cols further. */
typedef struct constant_job {
    const bnorm_view *x, *w, *dx; /* dx NULL: absent */
    const double *mean;
    const double *zero, *scale, *shift; /* dx = (w - 0) scale + shift, where shift is -0 */
    double *sums;                       /* NULL: not wanted */
    bnorm_cut cut;
    int stream;
} constant_job;

static void sums_tile(const constant_job *job, const bnorm_tile *w, bnorm_range r,
                      bnorm_range c, double *w_sum, double *wd_sum)
{
    const bnorm_kernels *k = job->x->k;
    const double *mean = job->mean + c.begin;
    bnorm_tile x = bnorm_view_tile(job->x, r.begin, r.end, c.begin, c.end);
    if (job->x->layout == BNORM_COL_MAJOR) {
        k->column_pair_sums(&x, w, mean, w_sum + c.begin, wd_sum + c.begin);
        return;
    }
    for (ptrdiff_t j = c.begin; j < c.end; j++) w_sum[j] = wd_sum[j] = 0;
    k->row_pair_sums(&x, w, mean, w_sum + c.begin, wd_sum + c.begin);
}

static void tile_task(void *argument, ptrdiff_t k)
{
    const constant_job *job = argument;
    ptrdiff_t b = k / job->cut.strips;
    bnorm_range r = bnorm_cut_block(&job->cut, b);
    bnorm_range c = bnorm_cut_strip(&job->cut, k % job->cut.strips);
    double *w_sum = job->sums ? job->sums + 2 * b * job->cut.cols : NULL;
    double *wd_sum = w_sum ? w_sum + job->cut.cols : NULL;
    bnorm_tile w = bnorm_view_tile(job->w, r.begin, r.end, c.begin, c.end);
    if (w_sum) sums_tile(job, &w, r, c, w_sum, wd_sum);
    if (!job->dx) return;
    bnorm_affine a = {job->zero + c.begin, job->scale + c.begin, job->shift + c.begin};
    char *dx = bnorm_view_at(job->dx, r.begin, c.begin);
    if (job->x->layout == BNORM_COL_MAJOR)
        job->x->k->column_affine(&w, &a, dx, job->dx->ld, job->stream);
    else
        job->x->k->row_affine(&w, &a, dx, job->dx->ld, job->stream);
}

typedef struct given {
    const void *gamma;
    const double *mean, *var;
    double eps;
    void *dgamma, *dbeta;
} given;

static bnorm_status check(bnorm_ctx *ctx, const constant_job *job, const given *g)
{
    BNORM_TRY(bnorm_check_view(ctx, job->x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, job->w, "dy", job->x, "x"));
    if (job->dx) {
        BNORM_TRY(bnorm_check_like(ctx, job->dx, "dx", job->x, "x"));
        BNORM_TRY(bnorm_check_like(ctx, job->dx, "dx", job->w, "dy"));
    }
    return bnorm_check_statistics(ctx, job->x->cols, g->mean, g->var, g->eps);
}

/* The blocks in their order, over processes; times rstd; in the precision of x. */
static bnorm_status collect(bnorm_ctx *ctx, constant_job *job, const given *g)
{
    ptrdiff_t cols = job->cut.cols;
    double *dbeta = job->sums, *dgamma = job->sums + cols;
    for (ptrdiff_t b = 1; b < job->cut.blocks; b++)
        for (ptrdiff_t j = 0; j < 2 * cols; j++) job->sums[j] += job->sums[2 * b * cols + j];
    BNORM_TRY(bnorm_reduce(ctx, job->sums, 2 * cols));
    for (ptrdiff_t c = 0; c < cols; c++) dgamma[c] *= bnorm_rstd(g->var[c], g->eps);
    if (g->dgamma) job->x->k->narrow(cols, dgamma, g->dgamma);
    if (g->dbeta) job->x->k->narrow(cols, dbeta, g->dbeta);
    return BNORM_OK;
}

static bnorm_status backward(bnorm_ctx *ctx, constant_job job, const given *g)
{
    if (!job.dx->data) job.dx = NULL;
    BNORM_TRY(check(ctx, &job, g));
    ptrdiff_t cols = job.x->cols;
    int sums = g->dgamma || g->dbeta;
    if (cols == 0) return BNORM_OK;
    job.cut = bnorm_cut_of(job.x);
    job.mean = g->mean;
    job.stream = job.dx && job.dx->data != job.x->data && job.dx->data != job.w->data &&
                 bnorm_view_streams(job.dx, 3);
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 3 + (sums ? 2 * job.cut.blocks : 0), cols, 0));
    double *zero = bnorm_scratch_take(&scratch, cols);
    double *shift = bnorm_scratch_take(&scratch, cols);
    double *scale = bnorm_scratch_take(&scratch, cols);
    if (sums) job.sums = bnorm_scratch_take(&scratch, 2 * job.cut.blocks * cols);
    job.x->k->scales(cols, g->var, 1, g->eps, g->gamma, zero, scale); /* zero: not yet in use */
    for (ptrdiff_t c = 0; c < cols; c++) {
        zero[c] = 0;
        shift[c] = -0.0;
    }
    job.zero = zero;
    job.shift = shift;
    job.scale = scale;
    bnorm_cut_spread(ctx, job.x, job.cut.blocks * job.cut.strips, tile_task, &job);
    bnorm_status status = sums ? collect(ctx, &job, g) : BNORM_OK;
    bnorm_scratch_close(&scratch);
    return status;
}

bnorm_status bnorm_infer_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy,
                                      const double *gamma, const double *mean,
                                      const double *var, double eps, bnorm_mat_f64 dx,
                                      double *dgamma, double *dbeta)
{
    bnorm_view vx = bnorm_view_of_f64(x), vw = bnorm_view_of_f64(dy),
               vdx = bnorm_view_of_f64(dx);
    return backward(ctx, (constant_job){.x = &vx, .w = &vw, .dx = &vdx},
                    &(given){gamma, mean, var, eps, dgamma, dbeta});
}

bnorm_status bnorm_infer_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy,
                                      const float *gamma, const double *mean, const double *var,
                                      double eps, bnorm_mat_f32 dx, float *dgamma, float *dbeta)
{
    bnorm_view vx = bnorm_view_of_f32(x), vw = bnorm_view_of_f32(dy),
               vdx = bnorm_view_of_f32(dx);
    return backward(ctx, (constant_job){.x = &vx, .w = &vw, .dx = &vdx},
                    &(given){gamma, mean, var, eps, dgamma, dbeta});
}
