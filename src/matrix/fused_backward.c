/* fused_backward: (B1)-(B3) with W = dV a'(B), where B = gamma (x - mean) rstd + beta is computed
 * again. The pass that makes the sums leaves W in the place of dx; when dx takes the place of x,
 * the pass that makes dx computes W again, to the same bits. Theorems: backward_is_derivative,
 * library_backward. */
#include "matrix/fused.h"
#include "matrix/moments.h"

/* Block b has sum(w) at sums[2 b cols] and sum(w (x - mean)) cols further. */
typedef struct fused_job {
    const bnorm_view *x, *dy, *dx; /* dx NULL: absent */
    const void *gamma, *beta;
    void *dgamma, *dbeta;
    const double *weights, *mean, *rstd;
    bnorm_rule rule;
    bnorm_act act;
    bnorm_cut cut;
    bnorm_affine b;                               /* of B */
    double *sums, *scale, *shift, *slope, *p, *q; /* slope: gamma rstd, as scale */
    double n;
    int kept; /* W is kept in dx */
} fused_job;

/* A task on block b of strip s. */
typedef struct tile_job {
    const fused_job *job;
    double *w_sum, *wd_sum;
} tile_job;

/* Without use of the room of a piece. */
static int larger(const fused_job *job)
{
    return job->kept && job->act.number >= 0;
}

static void sums_piece(void *argument, const bnorm_piece *p)
{
    const tile_job *t = argument;
    const fused_job *job = t->job;
    const bnorm_view *x = job->x;
    double room[BNORM_PIECE];
    bnorm_lines w = {(char *)room, p->count};
    if (job->kept) w = bnorm_lines_of(job->dx, p);
    bnorm_piece_activate(&job->act, x, job->dy, p, &job->b, w, 0);
    ptrdiff_t c = p->c.begin;
    bnorm_tile at = bnorm_view_tile(x, p->r.begin, p->r.end, c, p->c.end), of = at;
    of.data = w.data;
    of.ld = w.ld;
    if (x->layout == BNORM_ROW_MAJOR) {
        x->k->row_pair_sums(&at, &of, job->mean + c, t->w_sum + c, t->wd_sum + c);
        return;
    }
    double sums[2][BNORM_PIECE_COLS];
    x->k->column_pair_sums(&at, &of, job->mean + c, sums[0], sums[1]);
    for (ptrdiff_t i = 0; i < p->lines; i++) {
        t->w_sum[c + i] += sums[0][i];
        t->wd_sum[c + i] += sums[1][i];
    }
}

static void slope_piece(void *argument, const bnorm_piece *p)
{
    const tile_job *t = argument;
    const fused_job *job = t->job;
    const bnorm_view *x = job->x;
    double room[BNORM_PIECE];
    bnorm_lines w = {(char *)room, p->count}, dx = bnorm_lines_of(job->dx, p);
    if (job->kept)
        w = dx;
    else
        bnorm_piece_activate(&job->act, x, job->dy, p, &job->b, w, 0);
    ptrdiff_t c = p->c.begin;
    const double *weights = job->weights ? job->weights + p->r.begin : NULL;
    bnorm_slope a = {job->mean + c, job->slope + c, job->p + c, job->q + c};
    bnorm_tile at = bnorm_view_tile(x, p->r.begin, p->r.end, c, p->c.end), of = at;
    of.data = w.data;
    of.ld = w.ld;
    if (x->layout == BNORM_ROW_MAJOR)
        x->k->row_slope(&at, &of, weights, &a, dx.data, dx.ld, 0);
    else
        x->k->column_slope(&at, &of, weights, &a, dx.data, dx.ld, 0);
}

static void sums_tile(fused_job *job, ptrdiff_t b, ptrdiff_t s)
{
    bnorm_range c = bnorm_cut_strip(&job->cut, s);
    tile_job t = {.job = job, .w_sum = job->sums + 2 * b * job->cut.cols};
    t.wd_sum = t.w_sum + job->cut.cols;
    for (ptrdiff_t j = c.begin; j < c.end; j++) t.w_sum[j] = t.wd_sum[j] = 0;
    bnorm_pieces(job->x, &job->cut, b, s, larger(job), sums_piece, &t);
}

static void slope_tile(fused_job *job, ptrdiff_t b, ptrdiff_t s)
{
    tile_job t = {.job = job};
    bnorm_pieces(job->x, &job->cut, b, s, larger(job), slope_piece, &t);
}

/* Adds the blocks of a range of columns in their order. */
static void collect(fused_job *job, bnorm_range c)
{
    ptrdiff_t cols = job->cut.cols;
    for (ptrdiff_t b = 1; b < job->cut.blocks; b++)
        for (ptrdiff_t j = c.begin; j < c.end; j++) {
            job->sums[j] += job->sums[2 * b * cols + j];
            job->sums[cols + j] += job->sums[2 * b * cols + cols + j];
        }
}

/* (B1), (B2), and the coefficients of (B3). */
static void finish(fused_job *job, bnorm_range c)
{
    const bnorm_kernels *k = job->x->k;
    ptrdiff_t count = c.end - c.begin, skip = c.begin * (ptrdiff_t)k->size;
    double *dbeta = job->sums + c.begin, *dgamma = dbeta + job->cut.cols;
    bnorm_coefficients to = {job->slope + c.begin, job->p + c.begin, job->q + c.begin};
    k->slopes(count, job->n, job->n - job->rule.ddof,
              bnorm_view_entry(job->x, job->gamma, c.begin), job->rstd + c.begin, dbeta, dgamma,
              &to);
    if (job->dbeta) k->narrow(count, dbeta, (char *)job->dbeta + skip);
    if (job->dgamma) k->narrow(count, dgamma, (char *)job->dgamma + skip);
}

static void sums_task(void *argument, ptrdiff_t k)
{
    fused_job *job = argument;
    sums_tile(job, k / job->cut.strips, k % job->cut.strips);
}

static void slope_task(void *argument, ptrdiff_t k)
{
    fused_job *job = argument;
    k = job->cut.blocks * job->cut.strips - 1 - k; /* what was read last is still in cache */
    slope_tile(job, k / job->cut.strips, k % job->cut.strips);
}

static void strip_task(void *argument, ptrdiff_t s)
{
    fused_job *job = argument;
    bnorm_range c = bnorm_cut_strip(&job->cut, s);
    for (ptrdiff_t b = 0; b < job->cut.blocks; b++) sums_tile(job, b, s);
    collect(job, c);
    finish(job, c);
    for (ptrdiff_t b = job->cut.blocks; job->dx && b-- > 0;) slope_tile(job, b, s);
}

/* values: n, then the sums of block 0. */
static bnorm_status run(bnorm_ctx *ctx, fused_job *job, double *values)
{
    bnorm_ctx *spread = bnorm_act_ctx(ctx, &job->act);
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
    if (job->dx) bnorm_cut_spread(spread, job->x, tiles, slope_task, job);
    return BNORM_OK;
}

static bnorm_status check(bnorm_ctx *ctx, fused_job *job, const bnorm_activation *activation)
{
    BNORM_TRY(bnorm_check_view(ctx, job->x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, job->dy, "dy", job->x, "x"));
    if (job->dx) {
        BNORM_TRY(bnorm_check_like(ctx, job->dx, "dx", job->x, "x"));
        BNORM_TRY(bnorm_check_like(ctx, job->dx, "dx", job->dy, "dy"));
    }
    BNORM_TRY(bnorm_act_of(ctx, activation, &job->act));
    BNORM_TRY(bnorm_check_rule(ctx, job->rule));
    BNORM_TRY(bnorm_check_weights(ctx, job->x->rows, job->weights));
    if (job->x->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, job->mean, "mean"));
    return bnorm_check_pointer(ctx, job->rstd, "rstd");
}

/* B = (x - mean) scale + shift, to the bits of forward. */
static void set_affine(fused_job *job)
{
    bnorm_range all = {0, job->cut.cols};
    bnorm_widen(job->x, job->gamma, 1, all, job->scale);
    bnorm_widen(job->x, job->beta, 0, all, job->shift);
    for (ptrdiff_t j = 0; j < all.end; j++) job->scale[j] *= job->rstd[j];
    job->b = (bnorm_affine){job->mean, job->scale, job->shift};
}

static bnorm_status backward(bnorm_ctx *ctx, fused_job job, const bnorm_activation *activation)
{
    if (!job.dx->data) job.dx = NULL;
    BNORM_TRY(check(ctx, &job, activation));
    ptrdiff_t cols = job.x->cols;
    if (cols == 0) return BNORM_OK;
    job.cut = bnorm_cut_of(job.x);
    job.n = bnorm_weight_total(&job.cut, job.weights);
    job.kept = job.dx && job.dx->data != job.x->data;
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2 * job.cut.blocks + 5, cols, 1));
    double *values = bnorm_scratch_take(&scratch, 1);
    job.sums = bnorm_scratch_take(&scratch, 2 * job.cut.blocks * cols);
    double **vectors[] = {&job.scale, &job.shift, &job.slope, &job.p, &job.q};
    for (int i = 0; i < 5; i++) *vectors[i] = bnorm_scratch_take(&scratch, cols);
    set_affine(&job);
    bnorm_status status = run(ctx, &job, values);
    bnorm_scratch_close(&scratch);
    return status;
}

bnorm_status bnorm_backward_activation_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy,
                                           const double *weights, const double *gamma,
                                           const double *beta, const double *mean,
                                           const double *rstd, bnorm_rule rule,
                                           const bnorm_activation *activation, bnorm_mat_f64 dx,
                                           double *dgamma, double *dbeta)
{
    bnorm_view vx = bnorm_view_of_f64(x), vw = bnorm_view_of_f64(dy),
               vdx = bnorm_view_of_f64(dx);
    fused_job job = {.x = &vx, .dy = &vw, .dx = &vdx, .gamma = gamma, .beta = beta};
    job.weights = weights;
    job.mean = mean;
    job.rstd = rstd;
    job.rule = rule;
    job.dgamma = dgamma;
    job.dbeta = dbeta;
    return backward(ctx, job, activation);
}

bnorm_status bnorm_backward_activation_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy,
                                           const double *weights, const float *gamma,
                                           const float *beta, const double *mean,
                                           const double *rstd, bnorm_rule rule,
                                           const bnorm_activation *activation, bnorm_mat_f32 dx,
                                           float *dgamma, float *dbeta)
{
    bnorm_view vx = bnorm_view_of_f32(x), vw = bnorm_view_of_f32(dy),
               vdx = bnorm_view_of_f32(dx);
    fused_job job = {.x = &vx, .dy = &vw, .dx = &vdx, .gamma = gamma, .beta = beta};
    job.weights = weights;
    job.mean = mean;
    job.rstd = rstd;
    job.rule = rule;
    job.dgamma = dgamma;
    job.dbeta = dbeta;
    return backward(ctx, job, activation);
}
