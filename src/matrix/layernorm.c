/* layernorm: each row normalised over its columns, divisor cols. Rows are taken in blocks of
 * fixed size; those of a column-major matrix are gathered into contiguous rows, a few at a
 * time, and their results scattered back. Theorem: layernorm_is_derivative. */
#include "matrix/moments.h"

enum {
    GROUP = 16, /* rows gathered at a time */
    BLOCKS = 16 /* at most: each has its own sums and gathered rows */
};

typedef struct layer_job {
    const bnorm_view *x, *w, *out; /* w: dy, NULL in forward; out: y or dx, NULL: absent */
    const double *gamma, *beta;    /* widened, never NULL */
    double *mean, *rstd;           /* rows each; written by forward, read by backward */
    const double *mean_in, *rstd_in;
    double *sums; /* backward: block b has dgamma at 2 b cols, dbeta cols further */
    char *tiles;  /* column-major: block b has 2 GROUP rows at b * 2 GROUP row_bytes */
    double eps;
    ptrdiff_t height, blocks, row_bytes;
} layer_job;

/* Contiguous rows: row i is x + i * x_step, and so on. */
typedef struct lines {
    const char *x, *w;
    char *out;
    ptrdiff_t x_step, w_step, out_step;
} lines;

static void forward_row(const layer_job *job, ptrdiff_t row, const char *x, char *y)
{
    const bnorm_kernels *k = job->x->k;
    ptrdiff_t cols = job->x->cols;
    double m2;
    bnorm_line_moments(k, cols, x, NULL, k->line_pivot(cols, x), (double)cols, &job->mean[row],
                       &m2);
    job->rstd[row] = bnorm_rstd(m2 / (double)cols, job->eps);
    k->layer_affine(cols, x, job->mean[row], job->rstd[row], job->gamma, job->beta, y);
}

/* With u = gamma w: dx = rstd [ u - mean(u) - xhat mean(xhat u) ]. */
static void backward_row(const layer_job *job, ptrdiff_t row, const char *x, const char *w,
                         char *dx, double *sums)
{
    const bnorm_kernels *k = job->x->k;
    ptrdiff_t cols = job->x->cols;
    double mean = job->mean_in[row], rstd = job->rstd_in[row], u[2] = {0, 0};
    k->layer_collect(cols, x, w, mean, rstd, sums, sums + cols);
    if (!dx) return;
    k->layer_sums(cols, x, w, job->gamma, mean, u);
    double p = u[0] / (double)cols, q = rstd * rstd * u[1] / (double)cols;
    k->layer_slope(cols, x, w, job->gamma, rstd,
                   &(bnorm_slope){.mean = &mean, .p = &p, .q = &q}, dx);
}

static void rows_of(const layer_job *job, ptrdiff_t b, bnorm_range r, lines at)
{
    for (ptrdiff_t row = r.begin; row < r.end; row++) {
        ptrdiff_t i = row - r.begin;
        char *out = at.out ? at.out + i * at.out_step : NULL;
        if (job->w)
            backward_row(job, row, at.x + i * at.x_step, at.w + i * at.w_step, out,
                         job->sums + 2 * b * job->x->cols);
        else
            forward_row(job, row, at.x + i * at.x_step, out);
    }
}

/* Rows r of a column-major view, through the block's tiles. The result takes the place of x. */
static void gathered(const layer_job *job, ptrdiff_t b, bnorm_range r)
{
    const bnorm_view *x = job->x, *w = job->w;
    ptrdiff_t rows = r.end - r.begin, step = job->row_bytes;
    char *tile = job->tiles + b * 2 * GROUP * step, *tile_w = tile + GROUP * step;
    x->k->gather(rows, x->cols, bnorm_view_at(x, r.begin, 0), x->ld, tile);
    if (w) x->k->gather(rows, x->cols, bnorm_view_at(w, r.begin, 0), w->ld, tile_w);
    rows_of(job, b, r, (lines){tile, tile_w, job->out ? tile : NULL, step, step, step});
    if (job->out)
        x->k->scatter(rows, x->cols, tile, bnorm_view_at(job->out, r.begin, 0), job->out->ld);
}

static lines lines_at(const layer_job *job, ptrdiff_t row)
{
    ptrdiff_t size = (ptrdiff_t)job->x->k->size;
    lines at = {.x = bnorm_view_at(job->x, row, 0), .x_step = job->x->ld * size};
    if (job->w) {
        at.w = bnorm_view_at(job->w, row, 0);
        at.w_step = job->w->ld * size;
    }
    if (job->out) {
        at.out = bnorm_view_at(job->out, row, 0);
        at.out_step = job->out->ld * size;
    }
    return at;
}

static bnorm_range block_of(const layer_job *job, ptrdiff_t b)
{
    ptrdiff_t end = (b + 1) * job->height;
    return (bnorm_range){b * job->height, end < job->x->rows ? end : job->x->rows};
}

static void block_task(void *argument, ptrdiff_t b)
{
    const layer_job *job = argument;
    bnorm_range r = block_of(job, b);
    ptrdiff_t cols = job->x->cols;
    for (ptrdiff_t j = 0; job->w && j < 2 * cols; j++) job->sums[2 * b * cols + j] = 0;
    if (job->x->layout == BNORM_ROW_MAJOR) {
        rows_of(job, b, r, lines_at(job, r.begin));
        return;
    }
    for (ptrdiff_t row = r.begin; row < r.end; row += GROUP) {
        ptrdiff_t end = row + GROUP < r.end ? row + GROUP : r.end;
        gathered(job, b, (bnorm_range){row, end});
    }
}

static void set_blocks(layer_job *job)
{
    ptrdiff_t rows = (job->x->rows - 1) / BLOCKS + 1;
    job->height = (rows - 1) / GROUP * GROUP + GROUP;
    job->blocks = (job->x->rows - 1) / job->height + 1;
    job->row_bytes = job->x->cols * (ptrdiff_t)job->x->k->size;
}

static bnorm_status run(bnorm_ctx *ctx, layer_job *job)
{
    if (job->x->layout == BNORM_COL_MAJOR) {
        job->tiles = bnorm_alloc(ctx, job->blocks * 2 * GROUP, (size_t)job->row_bytes);
        if (!job->tiles) return bnorm_fail_memory(ctx, "rows of the column-major matrix");
    }
    bnorm_cut_spread(ctx, job->x, job->blocks, block_task, job);
    bnorm_free(job->tiles);
    return BNORM_OK;
}

/* gamma and beta as double, from scratch opened for at least two lines of cols. */
static void widen_both(layer_job *job, const void *gamma, const void *beta,
                       bnorm_scratch *scratch)
{
    bnorm_range all = {0, job->x->cols};
    double *g = bnorm_scratch_take(scratch, all.end), *b = bnorm_scratch_take(scratch, all.end);
    bnorm_widen(job->x, gamma, 1, all, g);
    bnorm_widen(job->x, beta, 0, all, b);
    job->gamma = g;
    job->beta = b;
}

static bnorm_status check_rows(bnorm_ctx *ctx, const bnorm_view *x, const double *mean,
                               const double *rstd)
{
    if (x->rows == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, mean, "mean"));
    return bnorm_check_pointer(ctx, rstd, "rstd");
}

static bnorm_status forward(bnorm_ctx *ctx, layer_job job, const void *gamma, const void *beta)
{
    BNORM_TRY(bnorm_check_view(ctx, job.x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, job.out, "y", job.x, "x"));
    BNORM_TRY(bnorm_check_number(ctx, job.eps, "eps"));
    BNORM_TRY(check_rows(ctx, job.x, job.mean, job.rstd));
    for (ptrdiff_t i = 0; job.x->cols == 0 && i < job.x->rows; i++)
        job.mean[i] = job.rstd[i] = 0;
    if (job.x->rows == 0 || job.x->cols == 0) return BNORM_OK;
    set_blocks(&job);
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2, job.x->cols, 0));
    widen_both(&job, gamma, beta, &scratch);
    bnorm_status status = run(ctx, &job);
    bnorm_scratch_close(&scratch);
    return status;
}

/* The sums of the blocks, in their order. */
static void collect(const layer_job *job, void *dgamma, void *dbeta)
{
    ptrdiff_t cols = job->x->cols;
    for (ptrdiff_t b = 1; b < job->blocks; b++)
        for (ptrdiff_t j = 0; j < 2 * cols; j++) job->sums[j] += job->sums[2 * b * cols + j];
    if (dgamma) job->x->k->narrow(cols, job->sums, dgamma);
    if (dbeta) job->x->k->narrow(cols, job->sums + cols, dbeta);
}

static bnorm_status check_backward(bnorm_ctx *ctx, const layer_job *job)
{
    BNORM_TRY(bnorm_check_view(ctx, job->x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, job->w, "dy", job->x, "x"));
    if (job->out) {
        BNORM_TRY(bnorm_check_like(ctx, job->out, "dx", job->x, "x"));
        BNORM_TRY(bnorm_check_like(ctx, job->out, "dx", job->w, "dy"));
    }
    return check_rows(ctx, job->x, job->mean_in, job->rstd_in);
}

static bnorm_status backward(bnorm_ctx *ctx, layer_job job, const void *gamma, void *dgamma,
                             void *dbeta)
{
    if (!job.out->data) job.out = NULL;
    BNORM_TRY(check_backward(ctx, &job));
    if (job.x->cols == 0) return BNORM_OK;
    if (job.x->rows > 0) set_blocks(&job);
    bnorm_scratch scratch;
    ptrdiff_t blocks = job.blocks > 0 ? job.blocks : 1; /* no rows: sums of nothing */
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2 + 2 * blocks, job.x->cols, 0));
    widen_both(&job, gamma, NULL, &scratch);
    job.sums = bnorm_scratch_take(&scratch, 2 * blocks * job.x->cols);
    for (ptrdiff_t j = 0; j < 2 * job.x->cols; j++) job.sums[j] = 0;
    bnorm_status status = job.x->rows > 0 ? run(ctx, &job) : BNORM_OK;
    if (status == BNORM_OK) collect(&job, dgamma, dbeta);
    bnorm_scratch_close(&scratch);
    return status;
}

bnorm_status bnorm_layernorm_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *gamma,
                                         const double *beta, double eps, bnorm_mat_f64 y,
                                         double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f64(x), to = bnorm_view_of_f64(y);
    layer_job job = {.x = &from, .out = &to, .mean = mean, .rstd = rstd, .eps = eps};
    return forward(ctx, job, gamma, beta);
}

bnorm_status bnorm_layernorm_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const float *gamma,
                                         const float *beta, double eps, bnorm_mat_f32 y,
                                         double *mean, double *rstd)
{
    bnorm_view from = bnorm_view_of_f32(x), to = bnorm_view_of_f32(y);
    layer_job job = {.x = &from, .out = &to, .mean = mean, .rstd = rstd, .eps = eps};
    return forward(ctx, job, gamma, beta);
}

bnorm_status bnorm_layernorm_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy,
                                          const double *gamma, const double *mean,
                                          const double *rstd, bnorm_mat_f64 dx, double *dgamma,
                                          double *dbeta)
{
    bnorm_view vx = bnorm_view_of_f64(x), vw = bnorm_view_of_f64(dy),
               vdx = bnorm_view_of_f64(dx);
    layer_job job = {.x = &vx, .w = &vw, .out = &vdx, .mean_in = mean, .rstd_in = rstd};
    return backward(ctx, job, gamma, dgamma, dbeta);
}

bnorm_status bnorm_layernorm_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy,
                                          const float *gamma, const double *mean,
                                          const double *rstd, bnorm_mat_f32 dx, float *dgamma,
                                          float *dbeta)
{
    bnorm_view vx = bnorm_view_of_f32(x), vw = bnorm_view_of_f32(dy),
               vdx = bnorm_view_of_f32(dx);
    layer_job job = {.x = &vx, .w = &vw, .out = &vdx, .mean_in = mean, .rstd_in = rstd};
    return backward(ctx, job, gamma, dgamma, dbeta);
}
