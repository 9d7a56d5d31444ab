/* groups: each group of a row normalised over its values, divisor their number. Rows are taken in
 * blocks of fixed size, group by group; a column-major matrix is gone through column by column,
 * with the statistics of some of its rows at hand. Theorem:
 * layernorm_is_derivative. */
#include "matrix/groups.h"

#include "matrix/moments.h"

enum {
    TOGETHER = 256, /* rows of a column-major matrix at a time */
    BLOCKS = 16     /* at most: each has its own sums */
};

typedef struct group_job {
    bnorm_groups of;
    const double *gamma, *beta; /* widened, never NULL */
    double *sums;               /* backward: block b has dgamma at 2 b channels, then dbeta */
    ptrdiff_t height, blocks;
    ptrdiff_t line, members, span; /* values of a group; its channels; values of a channel */
} group_job;

/* Contiguous lines of one group: that of row i is x + i * x_step, and so on. */
typedef struct lines {
    const char *x, *w;
    char *out;
    ptrdiff_t x_step, w_step, out_step;
} lines;

/* One line: the group's first channel, the place of its statistics, its values. */
typedef struct line_at {
    ptrdiff_t channel, at;
    const char *x, *w;
    char *out;
} line_at;

static void forward_line(const group_job *job, const line_at *l)
{
    const bnorm_kernels *k = job->of.x->k;
    double *mean = job->of.mean + l->at, *rstd = job->of.rstd + l->at, m2,
           n = (double)job->line;
    const double *gamma = job->gamma + l->channel, *beta = job->beta + l->channel;
    bnorm_line_moments(k, job->line, l->x, NULL, k->line_pivot(job->line, l->x), n, mean, &m2);
    *rstd = bnorm_rstd(m2 / n, job->of.eps);
    if (job->span == 1) {
        k->layer_affine(job->line, l->x, *mean, *rstd, gamma, beta, 1, l->out);
        return;
    }
    ptrdiff_t step = job->span * (ptrdiff_t)k->size;
    for (ptrdiff_t c = 0; c < job->members; c++)
        k->layer_affine(job->span, l->x + c * step, *mean, *rstd, gamma + c, beta + c, 0,
                        l->out + c * step);
}

/* dgamma += w xhat, dbeta += w, and the sums u[0] of u = gamma w and u[1] of u (x - mean). */
static void line_sums(const group_job *job, const line_at *l, double *dgamma, double *dbeta,
                      double u[2])
{
    const bnorm_kernels *k = job->of.x->k;
    double mean = job->of.mean_in[l->at], rstd = job->of.rstd_in[l->at];
    const double *gamma = job->gamma + l->channel;
    if (job->span == 1) {
        k->layer_collect(job->line, l->x, l->w, mean, rstd, dgamma, dbeta);
        k->layer_sums(job->line, l->x, l->w, gamma, mean, u);
        return;
    }
    ptrdiff_t step = job->span * (ptrdiff_t)k->size;
    for (ptrdiff_t c = 0; c < job->members; c++) {
        double w[2] = {0, 0};
        k->line_pair_sums(job->span, l->x + c * step, l->w + c * step, mean, w);
        dbeta[c] += w[0];
        dgamma[c] += w[1] * rstd;
        u[0] += gamma[c] * w[0];
        u[1] += gamma[c] * w[1];
    }
}

/* With u = gamma w: dx = rstd [ u - mean(u) - xhat mean(xhat u) ]. */
static void backward_line(const group_job *job, ptrdiff_t b, const line_at *l)
{
    const bnorm_kernels *k = job->of.x->k;
    ptrdiff_t channels = job->of.channels;
    double *sums = job->sums + 2 * b * channels + l->channel, u[2] = {0, 0};
    line_sums(job, l, sums, sums + channels, u);
    if (!l->out) return;
    double mean = job->of.mean_in[l->at], rstd = job->of.rstd_in[l->at], n = (double)job->line;
    double p = u[0] / n, q = rstd * rstd * u[1] / n;
    const double *gamma = job->gamma + l->channel;
    bnorm_slope a = {.mean = &mean, .p = &p, .q = &q};
    if (job->span == 1) {
        k->layer_slope(job->line, l->x, l->w, gamma, 1, rstd, &a, l->out);
        return;
    }
    ptrdiff_t step = job->span * (ptrdiff_t)k->size;
    for (ptrdiff_t c = 0; c < job->members; c++)
        k->layer_slope(job->span, l->x + c * step, l->w + c * step, gamma + c, 0, rstd, &a,
                       l->out + c * step);
}

static void lines_of(const group_job *job, ptrdiff_t b, ptrdiff_t g, bnorm_range r, lines at)
{
    for (ptrdiff_t i = 0; i < r.end - r.begin; i++) {
        line_at l = {.channel = g * job->members,
                     .at = (r.begin + i) * job->of.groups + g,
                     .x = at.x + i * at.x_step};
        if (at.w) l.w = at.w + i * at.w_step;
        if (at.out) l.out = at.out + i * at.out_step;
        if (job->of.w)
            backward_line(job, b, &l);
        else
            forward_line(job, &l);
    }
}

/* Columns of channel c of the group, rows r, of a column-major view. */
static bnorm_tile channel_tile(const group_job *job, const bnorm_view *v, bnorm_range r,
                               ptrdiff_t c)
{
    return bnorm_view_tile(v, r.begin, r.end, c * job->span, (c + 1) * job->span);
}

/* mean and rstd of some rows: a column-major view is the row-major view of its transpose. */
static void row_statistics(const group_job *job, ptrdiff_t g, bnorm_range r, double *mean,
                           double *rstd)
{
    const bnorm_view *x = job->of.x;
    ptrdiff_t rows = r.end - r.begin;
    double pivot[TOGETHER], m2[TOGETHER], n = (double)job->line;
    bnorm_tile t = {bnorm_view_at(x, r.begin, g * job->line), job->line, rows, x->ld};
    x->k->row_pivot(&t, pivot);
    for (int pass = 0; pass < 3; pass++) { /* as matrix/moments.c */
        for (ptrdiff_t i = 0; i < rows; i++) mean[i] = m2[i] = 0;
        x->k->row_sums(&t, NULL, pivot, mean, m2);
        if (!x->k->moments(rows, n, pivot, mean, m2)) break;
    }
    for (ptrdiff_t i = 0; i < rows; i++) rstd[i] = bnorm_rstd(m2[i] / n, job->of.eps);
}

static void forward_columns(const group_job *job, ptrdiff_t g, bnorm_range r)
{
    const bnorm_view *x = job->of.x, *y = job->of.out;
    double mean[TOGETHER], rstd[TOGETHER];
    row_statistics(job, g, r, mean, rstd);
    for (ptrdiff_t i = r.begin; i < r.end; i++) {
        job->of.mean[i * job->of.groups + g] = mean[i - r.begin];
        job->of.rstd[i * job->of.groups + g] = rstd[i - r.begin];
    }
    for (ptrdiff_t c = g * job->members; c < (g + 1) * job->members; c++) {
        bnorm_tile t = channel_tile(job, x, r, c);
        x->k->layer_columns(&t, mean, rstd, job->gamma[c], job->beta[c],
                            bnorm_view_at(y, r.begin, c * job->span), y->ld);
    }
}

static void backward_columns(const group_job *job, ptrdiff_t b, ptrdiff_t g, bnorm_range r)
{
    const bnorm_view *x = job->of.x, *out = job->of.out;
    double mean[TOGETHER], rstd[TOGETHER], p[TOGETHER] = {0}, q[TOGETHER] = {0},
                                           n = (double)job->line;
    double *dgamma = job->sums + 2 * b * job->of.channels, *dbeta = dgamma + job->of.channels;
    for (ptrdiff_t i = r.begin; i < r.end; i++) {
        mean[i - r.begin] = job->of.mean_in[i * job->of.groups + g];
        rstd[i - r.begin] = job->of.rstd_in[i * job->of.groups + g];
    }
    ptrdiff_t first = g * job->members, end = first + job->members;
    for (ptrdiff_t c = first; c < end; c++) {
        bnorm_tile t = channel_tile(job, x, r, c), w = channel_tile(job, job->of.w, r, c);
        double sums[2] = {0, 0};
        x->k->layer_columns_sums(&t, &w, mean, rstd, job->gamma[c], p, q, sums);
        dgamma[c] += sums[0];
        dbeta[c] += sums[1];
    }
    for (ptrdiff_t i = 0; i < r.end - r.begin; i++) {
        p[i] /= n;
        q[i] *= rstd[i] * rstd[i] / n;
    }
    bnorm_slope a = {mean, rstd, p, q};
    for (ptrdiff_t c = first; out && c < end; c++) {
        bnorm_tile t = channel_tile(job, x, r, c), w = channel_tile(job, job->of.w, r, c);
        x->k->layer_columns_slope(&t, &w, job->gamma[c], &a,
                                  bnorm_view_at(out, r.begin, c * job->span), out->ld);
    }
}

static lines lines_at(const group_job *job, ptrdiff_t row, ptrdiff_t column)
{
    const bnorm_view *x = job->of.x, *w = job->of.w, *out = job->of.out;
    ptrdiff_t size = (ptrdiff_t)x->k->size;
    lines at = {.x = bnorm_view_at(x, row, column), .x_step = x->ld * size};
    if (w) {
        at.w = bnorm_view_at(w, row, column);
        at.w_step = w->ld * size;
    }
    if (out) {
        at.out = bnorm_view_at(out, row, column);
        at.out_step = out->ld * size;
    }
    return at;
}

static bnorm_range block_of(const group_job *job, ptrdiff_t b)
{
    ptrdiff_t end = (b + 1) * job->height, rows = job->of.x->rows;
    return (bnorm_range){b * job->height, end < rows ? end : rows};
}

/* Group k % groups of block k / groups. */
static void group_task(void *argument, ptrdiff_t k)
{
    const group_job *job = argument;
    ptrdiff_t b = k / job->of.groups, g = k % job->of.groups;
    bnorm_range r = block_of(job, b);
    if (job->of.x->layout == BNORM_ROW_MAJOR) {
        lines_of(job, b, g, r, lines_at(job, r.begin, g * job->line));
        return;
    }
    for (ptrdiff_t row = r.begin; row < r.end; row += TOGETHER) {
        ptrdiff_t end = row + TOGETHER < r.end ? row + TOGETHER : r.end;
        if (job->of.w)
            backward_columns(job, b, g, (bnorm_range){row, end});
        else
            forward_columns(job, g, (bnorm_range){row, end});
    }
}

static group_job job_of(const bnorm_groups *given)
{
    group_job job = {.of = *given};
    ptrdiff_t rows = given->x->rows;
    if (rows == 0 || given->x->cols == 0) return job;
    job.height = (rows - 1) / BLOCKS + 1;
    if (given->x->layout == BNORM_COL_MAJOR) job.height = (job.height - 1) / 16 * 16 + 16;
    job.blocks = (rows - 1) / job.height + 1;
    job.line = given->x->cols / given->groups;
    job.members = given->channels / given->groups;
    job.span = given->x->cols / given->channels;
    return job;
}

static void run(bnorm_ctx *ctx, group_job *job)
{
    if (job->blocks > 0)
        bnorm_cut_spread(ctx, job->of.x, job->blocks * job->of.groups, group_task, job);
}

/* gamma and beta as double, from scratch opened for at least two lines of channels. */
static void widen_both(group_job *job, bnorm_scratch *scratch)
{
    bnorm_range all = {0, job->of.channels};
    double *g = bnorm_scratch_take(scratch, all.end), *b = bnorm_scratch_take(scratch, all.end);
    bnorm_widen(job->of.x, job->of.gamma, 1, all, g);
    bnorm_widen(job->of.x, job->of.beta, 0, all, b);
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

/* Groups without values. */
static void clear(const bnorm_groups *given)
{
    for (ptrdiff_t i = 0, at = 0; i < given->x->rows; i++)
        for (ptrdiff_t g = 0; g < given->groups; g++, at++)
            given->mean[at] = given->rstd[at] = 0;
}

bnorm_status bnorm_groups_forward(bnorm_ctx *ctx, const bnorm_groups *given)
{
    const bnorm_view *x = given->x;
    BNORM_TRY(bnorm_check_like(ctx, given->out, "y", x, "x"));
    BNORM_TRY(bnorm_check_number(ctx, given->eps, "eps"));
    BNORM_TRY(check_rows(ctx, x, given->mean, given->rstd));
    if (x->rows == 0 || x->cols == 0) {
        clear(given);
        return BNORM_OK;
    }
    group_job job = job_of(given);
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2, given->channels, 0));
    widen_both(&job, &scratch);
    run(ctx, &job);
    bnorm_scratch_close(&scratch);
    return BNORM_OK;
}

/* The sums of the blocks, in their order. */
static void collect(const group_job *job)
{
    ptrdiff_t channels = job->of.channels;
    for (ptrdiff_t b = 1; b < job->blocks; b++)
        for (ptrdiff_t j = 0; j < 2 * channels; j++)
            job->sums[j] += job->sums[2 * b * channels + j];
    if (job->of.dgamma) job->of.x->k->narrow(channels, job->sums, job->of.dgamma);
    if (job->of.dbeta) job->of.x->k->narrow(channels, job->sums + channels, job->of.dbeta);
}

static bnorm_status check_backward(bnorm_ctx *ctx, const bnorm_groups *given)
{
    BNORM_TRY(bnorm_check_like(ctx, given->w, "dy", given->x, "x"));
    if (given->out) {
        BNORM_TRY(bnorm_check_like(ctx, given->out, "dx", given->x, "x"));
        BNORM_TRY(bnorm_check_like(ctx, given->out, "dx", given->w, "dy"));
    }
    return check_rows(ctx, given->x, given->mean_in, given->rstd_in);
}

bnorm_status bnorm_groups_backward(bnorm_ctx *ctx, const bnorm_groups *given)
{
    bnorm_groups of = *given;
    if (!of.out->data) of.out = NULL;
    BNORM_TRY(check_backward(ctx, &of));
    if (of.channels == 0) return BNORM_OK;
    group_job job = job_of(&of);
    bnorm_scratch scratch;
    ptrdiff_t blocks = job.blocks > 0 ? job.blocks : 1; /* no values: sums of nothing */
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2 + 2 * blocks, of.channels, 0));
    widen_both(&job, &scratch);
    job.sums = bnorm_scratch_take(&scratch, 2 * blocks * of.channels);
    for (ptrdiff_t j = 0; j < 2 * blocks * of.channels; j++) job.sums[j] = 0;
    run(ctx, &job);
    collect(&job);
    bnorm_scratch_close(&scratch);
    return BNORM_OK;
}
