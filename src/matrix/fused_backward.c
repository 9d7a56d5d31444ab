/* fused_backward: (B1)-(B3) with W = dV a'(B), where B = gamma (x - mean) rstd + beta is computed
 * again. The pass that makes the sums leaves W in the place of dx; when dx takes the place of x,
 * the pass that makes dx computes W again, to the same bits. Theorems: backward_is_derivative,
 * library_backward. */
#include "matrix/backward.h"
#include "matrix/fused.h"
#include "matrix/moments.h"

typedef struct fused_job {
    bnorm_backward_job of; /* first */
    const void *beta;
    bnorm_act act;
    bnorm_affine b; /* of B */
    double *scale, *shift;
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
    const bnorm_backward_job *of = &job->of;
    const bnorm_view *x = of->x;
    double room[BNORM_PIECE];
    bnorm_lines w = {(char *)room, p->count};
    if (job->kept) w = bnorm_lines_of(of->dx, p);
    bnorm_piece_activate(&job->act, x, of->w, p, &job->b, w, 0);
    ptrdiff_t c = p->c.begin;
    bnorm_tile at = bnorm_view_tile(x, p->r.begin, p->r.end, c, p->c.end), wt = at;
    wt.data = w.data;
    wt.ld = w.ld;
    if (x->layout == BNORM_ROW_MAJOR) {
        x->k->row_pair_sums(&at, &wt, of->mean + c, t->w_sum + c, t->wd_sum + c);
        return;
    }
    double sums[2][BNORM_PIECE_COLS];
    x->k->column_pair_sums(&at, &wt, of->mean + c, sums[0], sums[1]);
    for (ptrdiff_t i = 0; i < p->lines; i++) {
        t->w_sum[c + i] += sums[0][i];
        t->wd_sum[c + i] += sums[1][i];
    }
}

static void slope_piece(void *argument, const bnorm_piece *p)
{
    const tile_job *t = argument;
    const fused_job *job = t->job;
    const bnorm_backward_job *of = &job->of;
    const bnorm_view *x = of->x;
    double room[BNORM_PIECE];
    bnorm_lines w = {(char *)room, p->count}, dx = bnorm_lines_of(of->dx, p);
    if (job->kept)
        w = dx;
    else
        bnorm_piece_activate(&job->act, x, of->w, p, &job->b, w, 0);
    ptrdiff_t c = p->c.begin;
    const double *weights = of->weights ? of->weights + p->r.begin : NULL;
    bnorm_slope a = {of->mean + c, of->scale + c, of->p + c, of->q + c};
    bnorm_tile at = bnorm_view_tile(x, p->r.begin, p->r.end, c, p->c.end), wt = at;
    wt.data = w.data;
    wt.ld = w.ld;
    if (x->layout == BNORM_ROW_MAJOR)
        x->k->row_slope(&at, &wt, weights, &a, dx.data, dx.ld, 0);
    else
        x->k->column_slope(&at, &wt, weights, &a, dx.data, dx.ld, 0);
}

static void sums_tile(const bnorm_backward_job *of, ptrdiff_t b, ptrdiff_t s)
{
    const fused_job *job = (const fused_job *)of;
    bnorm_range c = bnorm_cut_strip(&of->cut, s);
    tile_job t = {.job = job, .w_sum = of->sums + 2 * b * of->cut.cols};
    t.wd_sum = t.w_sum + of->cut.cols;
    for (ptrdiff_t j = c.begin; j < c.end; j++) t.w_sum[j] = t.wd_sum[j] = 0;
    bnorm_pieces(of->x, &of->cut, b, s, larger(job), sums_piece, &t);
}

static void slope_tile(const bnorm_backward_job *of, ptrdiff_t b, ptrdiff_t s)
{
    const fused_job *job = (const fused_job *)of;
    tile_job t = {.job = job};
    bnorm_pieces(of->x, &of->cut, b, s, larger(job), slope_piece, &t);
}

/* B = (x - mean) scale + shift, to the bits of forward. */
static void set_affine(fused_job *job)
{
    const bnorm_backward_job *of = &job->of;
    bnorm_range all = {0, of->cut.cols};
    bnorm_widen(of->x, of->gamma, 1, all, job->scale);
    bnorm_widen(of->x, job->beta, 0, all, job->shift);
    for (ptrdiff_t j = 0; j < all.end; j++) job->scale[j] *= of->rstd[j];
    job->b = (bnorm_affine){of->mean, job->scale, job->shift};
}

static bnorm_status backward(bnorm_ctx *ctx, fused_job job, const bnorm_activation *activation)
{
    bnorm_backward_job *of = &job.of;
    if (!of->dx->data) of->dx = NULL;
    of->sums_tile = sums_tile;
    of->slope_tile = slope_tile;
    BNORM_TRY(bnorm_backward_check(ctx, of));
    BNORM_TRY(bnorm_act_of(ctx, activation, &job.act));
    ptrdiff_t cols = of->x->cols;
    if (cols == 0) return BNORM_OK;
    of->cut = bnorm_cut_of(of->x);
    of->n = bnorm_weight_total(&of->cut, of->weights);
    job.kept = of->dx && of->dx->data != of->x->data;
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2 * of->cut.blocks + 5, cols, 1));
    double *values = bnorm_scratch_take(&scratch, 1);
    of->sums = bnorm_scratch_take(&scratch, 2 * of->cut.blocks * cols);
    double **vectors[] = {&job.scale, &job.shift, &of->scale, &of->p, &of->q};
    for (int i = 0; i < 5; i++) *vectors[i] = bnorm_scratch_take(&scratch, cols);
    set_affine(&job);
    bnorm_status status = bnorm_backward_run(ctx, bnorm_act_ctx(ctx, &job.act), of, values);
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
    bnorm_backward_job of = {.x = &vx, .w = &vw, .dx = &vdx, .gamma = gamma, .rule = rule};
    of.weights = weights;
    of.mean = mean;
    of.rstd = rstd;
    of.dgamma = dgamma;
    of.dbeta = dbeta;
    return backward(ctx, (fused_job){.of = of, .beta = beta}, activation);
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
    bnorm_backward_job of = {.x = &vx, .w = &vw, .dx = &vdx, .gamma = gamma, .rule = rule};
    of.weights = weights;
    of.mean = mean;
    of.rstd = rstd;
    of.dgamma = dgamma;
    of.dbeta = dbeta;
    return backward(ctx, (fused_job){.of = of, .beta = beta}, activation);
}
