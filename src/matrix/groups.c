/* groups: each group of a row normalised over its values, divisor their number. Rows are taken in
 * blocks of fixed size, group by group. Theorem: layernorm_is_derivative. */
#include "matrix/groups.h"

#include "base/ctx.h"
#include "base/size.h"
#include "matrix/scratch.h"

enum {
    BLOCKS = 16,              /* at most: each has its own sums */
    BLOCK_BYTES = 128 * 1024, /* of one, if there are fewer */
    FAR_BYTES = 512 * 1024    /* more than the caches of one core */
};

static bnorm_range block_of(const bnorm_group_job *job, ptrdiff_t b)
{
    ptrdiff_t end = (b + 1) * job->height, rows = job->of.x->rows;
    return (bnorm_range){b * job->height, end < rows ? end : rows};
}

/* Group k % groups of block k / groups. */
static void group_task(void *argument, ptrdiff_t k)
{
    const bnorm_group_job *job = argument;
    ptrdiff_t b = k / job->of.groups, g = k % job->of.groups;
    if (job->of.x->layout == BNORM_ROW_MAJOR)
        bnorm_group_rows(job, b, g, block_of(job, b));
    else
        bnorm_group_columns(job, b, g, block_of(job, b));
}

static ptrdiff_t height_of(const bnorm_view *x)
{
    ptrdiff_t rows = BLOCK_BYTES / (x->cols * (ptrdiff_t)x->k->size);
    ptrdiff_t height = larger((x->rows - 1) / BLOCKS + 1, rows);
    ptrdiff_t unit = x->layout == BNORM_COL_MAJOR ? 64 : 8; /* runs of whole lines */
    return (height - 1) / unit * unit + unit;
}

static bnorm_group_job job_of(const bnorm_groups *given)
{
    bnorm_group_job job = {.of = *given};
    ptrdiff_t rows = given->x->rows;
    if (rows == 0 || given->x->cols == 0) return job;
    job.height = height_of(given->x);
    job.blocks = (rows - 1) / job.height + 1;
    job.far = rows * given->x->cols * (ptrdiff_t)given->x->k->size >= FAR_BYTES;
    job.line = given->x->cols / given->groups;
    job.members = given->channels / given->groups;
    job.span = given->x->cols / given->channels;
    return job;
}

/* Whether an output should bypass the caches; what is in place has been read. */
static int streams(const bnorm_view *out, const bnorm_view *x, const bnorm_view *w)
{
    if (!out || out->data == x->data || (w && out->data == w->data)) return 0;
    return bnorm_view_streams(out, w ? 3 : 2);
}

static void run(bnorm_ctx *ctx, bnorm_group_job *job)
{
    if (job->blocks > 0)
        bnorm_cut_spread(ctx, job->of.x, job->blocks * job->of.groups, group_task, job);
}

/* A vector as double, and in the precision of x, which it is in if it is not absent. */
static void widen_one(const bnorm_view *x, ptrdiff_t channels, double absent,
                      bnorm_scratch *scratch, const double **wide, const void **vector)
{
    double *values = bnorm_scratch_take(scratch, channels);
    double *rounded = bnorm_scratch_take(scratch, channels);
    bnorm_widen(x, *vector, absent, (bnorm_range){0, channels}, values);
    *wide = values;
    if (*vector) return;
    x->k->narrow(channels, values, rounded);
    *vector = rounded;
}

enum { WIDENED = 4 }; /* lines of channels that these take */

static void widen_both(bnorm_group_job *job, bnorm_scratch *scratch)
{
    job->gamma = job->of.gamma;
    job->beta = job->of.beta;
    const double *wide_beta;
    widen_one(job->of.x, job->of.channels, 1, scratch, &job->wide_gamma, &job->gamma);
    widen_one(job->of.x, job->of.channels, 0, scratch, &wide_beta, &job->beta);
}

static bnorm_status check_groups(bnorm_ctx *ctx, const bnorm_groups *g)
{
    BNORM_TRY(bnorm_check_view(ctx, g->x, "x"));
    ptrdiff_t cols = g->x->cols;
    if (g->channels < 0 || (g->channels == 0 ? cols : cols % g->channels) != 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "channels is %td; x has %td columns, which must be a multiple of it",
                          g->channels, cols);
    if (g->groups < 1 || g->channels % g->groups != 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "groups is %td; it must be at least 1 and divide the %td channels",
                          g->groups, g->channels);
    return BNORM_OK;
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
    BNORM_TRY(check_groups(ctx, given));
    BNORM_TRY(bnorm_check_like(ctx, given->out, "y", x, "x"));
    BNORM_TRY(bnorm_check_number(ctx, given->eps, "eps"));
    BNORM_TRY(check_rows(ctx, x, given->mean, given->rstd));
    if (x->rows == 0 || x->cols == 0) {
        clear(given);
        return BNORM_OK;
    }
    bnorm_group_job job = job_of(given);
    job.stream = streams(given->out, x, NULL);
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, WIDENED, given->channels, 0));
    widen_both(&job, &scratch);
    run(ctx, &job);
    bnorm_scratch_close(&scratch);
    return BNORM_OK;
}

/* The sums of the blocks, in their order. */
static void collect(const bnorm_group_job *job)
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
    BNORM_TRY(check_groups(ctx, given));
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
    bnorm_group_job job = job_of(&of);
    job.stream = streams(of.out, of.x, of.w);
    bnorm_scratch scratch;
    ptrdiff_t blocks = job.blocks > 0 ? job.blocks : 1; /* no values: sums of nothing */
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, WIDENED + 2 * blocks, of.channels, 0));
    widen_both(&job, &scratch);
    job.sums = bnorm_scratch_take(&scratch, 2 * blocks * of.channels);
    for (ptrdiff_t j = 0; j < 2 * blocks * of.channels; j++) job.sums[j] = 0;
    run(ctx, &job);
    collect(&job);
    bnorm_scratch_close(&scratch);
    return BNORM_OK;
}
