/* moments: one pass a block about a pivot near the mean, redone when the pivot was far; blocks
 * are merged in their order (Chan, Golub and LeVeque 1983). */
#include "matrix/moments.h"

void bnorm_moments_need(const bnorm_cut *cut, ptrdiff_t *lines, ptrdiff_t *more)
{
    *lines = cut->blocks > PTRDIFF_MAX / 3 ? PTRDIFF_MAX : 3 * cut->blocks;
    *more = cut->blocks;
}

static double block_weight(const bnorm_cut *cut, const double *weights, ptrdiff_t b)
{
    bnorm_range r = bnorm_cut_block(cut, b);
    if (!weights) return (double)(r.end - r.begin);
    double n = 0;
    for (ptrdiff_t i = r.begin; i < r.end; i++) n += weights[i];
    return n;
}

double bnorm_weight_total(const bnorm_cut *cut, const double *weights)
{
    double n = 0;
    for (ptrdiff_t b = 0; b < cut->blocks; b++) n += block_weight(cut, weights, b);
    return n;
}

void bnorm_moments_start(bnorm_moments_job *job, const bnorm_view *x, const double *weights,
                         const bnorm_cut *cut, bnorm_scratch *scratch)
{
    ptrdiff_t slots = cut->blocks * cut->cols;
    *job = (bnorm_moments_job){.x = x, .weights = weights, .cut = *cut};
    job->n = bnorm_scratch_take(scratch, cut->blocks);
    job->mean = bnorm_scratch_take(scratch, slots);
    job->m2 = bnorm_scratch_take(scratch, slots);
    job->pivot = bnorm_scratch_take(scratch, slots);
    for (ptrdiff_t b = 0; b < cut->blocks; b++) {
        job->n[b] = block_weight(cut, weights, b);
        job->total += job->n[b];
    }
}

static void clear(ptrdiff_t count, double *a, double *b)
{
    for (ptrdiff_t c = 0; c < count; c++) a[c] = b[c] = 0;
}

/* The first row that counts. */
static ptrdiff_t first_weighted(const bnorm_moments_job *job, bnorm_range r)
{
    ptrdiff_t i = r.begin;
    while (job->weights && i + 1 < r.end && job->weights[i] == 0) i++;
    return i;
}

/* A pivot that was far by more than the digits of a double needs a second correction. */
enum { PASSES = 3 };

static void pivots(const bnorm_view *x, const bnorm_tile *head, double *pivot)
{
    if (x->layout == BNORM_ROW_MAJOR)
        x->k->row_pivot(head, pivot);
    else
        x->k->column_pivot(head, pivot);
}

static void sums(const bnorm_view *x, const bnorm_tile *tile, const double *weights,
                 const double *pivot, double *s1, double *s2)
{
    if (x->layout == BNORM_COL_MAJOR) {
        x->k->column_sums(tile, weights, pivot, s1, s2);
        return;
    }
    clear(tile->cols, s1, s2);
    x->k->row_sums(tile, weights, pivot, s1, s2);
}

void bnorm_moments_tile(bnorm_moments_job *job, ptrdiff_t b, ptrdiff_t s)
{
    const bnorm_view *v = job->x;
    bnorm_range r = bnorm_cut_block(&job->cut, b), c = bnorm_cut_strip(&job->cut, s);
    ptrdiff_t cols = c.end - c.begin, at = b * job->cut.cols + c.begin;
    double *pivot = job->pivot + at, *mean = job->mean + at, *m2 = job->m2 + at;
    const double *weights = job->weights ? job->weights + r.begin : NULL;
    if (job->n[b] == 0) {
        clear(cols, mean, m2);
        return;
    }
    bnorm_tile x = bnorm_view_tile(v, r.begin, r.end, c.begin, c.end);
    ptrdiff_t first = first_weighted(job, r);
    bnorm_tile head = bnorm_view_tile(v, first, weights ? first + 1 : r.end, c.begin, c.end);
    pivots(v, &head, pivot);
    for (int pass = 0; pass < PASSES; pass++) {
        sums(v, &x, weights, pivot, mean, m2);
        if (!v->k->moments(cols, job->n[b], pivot, mean, m2)) break;
    }
}

/* maths.md section 5. Theorem: library_merge. */
static void merge(ptrdiff_t cols, double n_a, double *mean, double *m2, double n_b,
                  const double *mean_b, const double *m2_b)
{
    double share = n_b / (n_a + n_b), factor = n_a * share;
    for (ptrdiff_t c = 0; c < cols; c++) {
        double delta = mean_b[c] - mean[c];
        mean[c] += delta * share;
        m2[c] += m2_b[c] + delta * delta * factor;
    }
}

/* An empty side is neutral: the other's mean comes through to the bit. */
static void merge_any(ptrdiff_t cols, double n_a, double *mean, double *m2, double n_b,
                      const double *mean_b, const double *m2_b)
{
    if (n_b == 0) return;
    if (n_a > 0) {
        merge(cols, n_a, mean, m2, n_b, mean_b, m2_b);
        return;
    }
    for (ptrdiff_t c = 0; c < cols; c++) {
        mean[c] = mean_b[c];
        m2[c] = m2_b[c];
    }
}

void bnorm_moments_collect(bnorm_moments_job *job, bnorm_range c)
{
    double n = job->n[0];
    for (ptrdiff_t b = 1; b < job->cut.blocks; b++) {
        ptrdiff_t at = b * job->cut.cols + c.begin;
        merge_any(c.end - c.begin, n, job->mean + c.begin, job->m2 + c.begin, job->n[b],
                  job->mean + at, job->m2 + at);
        n += job->n[b];
    }
}

int bnorm_reduces(const bnorm_ctx *ctx)
{
    return ctx && ctx->options.reduce;
}

bnorm_status bnorm_reduce(bnorm_ctx *ctx, double *values, ptrdiff_t count)
{
    if (!bnorm_reduces(ctx)) return BNORM_OK;
    if (ctx->options.reduce(ctx->options.reduce_user, values, count) == 0) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_USER,
                      "the reduction of the context failed to add %td values", count);
}

/* Over processes: first n and sum(n mean), which give a mean that is right but for rounding;
 * then the distances from it, which correct it: a column constant everywhere gets exactly its
 * constant and M2 exactly 0. values: 2 cols + 1. */
static bnorm_status moments_reduce(bnorm_ctx *ctx, bnorm_moments_job *job, double *values)
{
    ptrdiff_t cols = job->cut.cols;
    double own = job->total, *near = values + 1, *square = values + 1 + cols;
    values[0] = own;
    for (ptrdiff_t c = 0; c < cols; c++) near[c] = own * job->mean[c];
    BNORM_TRY(bnorm_reduce(ctx, values, cols + 1));
    double n = job->total = values[0];
    if (!(n > 0)) return BNORM_OK;
    double *shift = job->pivot; /* block 0's is no longer needed */
    for (ptrdiff_t c = 0; c < cols; c++) {
        double mean = near[c] / n, distance = job->mean[c] - mean;
        job->mean[c] = mean;
        shift[c] = own > 0 ? own * distance : 0;
        square[c] = own > 0 ? job->m2[c] + shift[c] * distance : 0;
    }
    for (ptrdiff_t c = 0; c < cols; c++) near[c] = shift[c];
    BNORM_TRY(bnorm_reduce(ctx, near, 2 * cols));
    for (ptrdiff_t c = 0; c < cols; c++) {
        double correction = near[c] / n, m2 = square[c] - correction * near[c];
        job->mean[c] += correction;
        job->m2[c] = m2 < 0 ? 0 : m2;
    }
    return BNORM_OK;
}

static void tile_task(void *argument, ptrdiff_t k)
{
    bnorm_moments_job *job = argument;
    bnorm_moments_tile(job, k / job->cut.strips, k % job->cut.strips);
}

bnorm_status bnorm_moments_run(bnorm_ctx *ctx, bnorm_moments_job *job)
{
    bnorm_cut_spread(ctx, job->x, job->cut.blocks * job->cut.strips, tile_task, job);
    bnorm_moments_collect(job, (bnorm_range){0, job->cut.cols});
    if (!bnorm_reduces(ctx)) return BNORM_OK;
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2, job->cut.cols, 1));
    bnorm_status status = moments_reduce(ctx, job, scratch.free);
    bnorm_scratch_close(&scratch);
    return status;
}

/* Without columns: n, and no walk over the rows that nobody looks at. */
static bnorm_status total_alone(bnorm_ctx *ctx, const bnorm_view *x, const double *weights,
                                double *n)
{
    *n = (double)x->rows;
    if (weights) {
        bnorm_cut cut = bnorm_cut_of(x);
        *n = bnorm_weight_total(&cut, weights);
    }
    BNORM_TRY(bnorm_reduce(ctx, n, 1));
    return bnorm_check_total(ctx, *n);
}

static bnorm_status moments(bnorm_ctx *ctx, const bnorm_view *x, const double *weights,
                            double *n, double *mean, double *m2)
{
    BNORM_TRY(bnorm_check_view(ctx, x, "x"));
    BNORM_TRY(bnorm_check_pointer(ctx, n, "n"));
    BNORM_TRY(bnorm_check_weights(ctx, x->rows, weights));
    if (x->cols > 0) {
        BNORM_TRY(bnorm_check_pointer(ctx, mean, "mean"));
        BNORM_TRY(bnorm_check_pointer(ctx, m2, "m2"));
    }
    if (x->cols == 0) return total_alone(ctx, x, weights, n);
    bnorm_cut cut = bnorm_cut_of(x);
    ptrdiff_t lines, more;
    bnorm_scratch scratch;
    bnorm_moments_job job;
    bnorm_moments_need(&cut, &lines, &more);
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, lines, cut.cols, more));
    bnorm_moments_start(&job, x, weights, &cut, &scratch);
    bnorm_status status = bnorm_moments_run(ctx, &job);
    if (status == BNORM_OK) status = bnorm_check_total(ctx, job.total);
    *n = job.total;
    for (ptrdiff_t c = 0; status == BNORM_OK && c < cut.cols; c++) {
        mean[c] = job.mean[c];
        m2[c] = job.m2[c];
    }
    bnorm_scratch_close(&scratch);
    return status;
}

bnorm_status bnorm_moments_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *weights,
                               double *n, double *mean, double *m2)
{
    bnorm_view v = bnorm_view_of_f64(x);
    return moments(ctx, &v, weights, n, mean, m2);
}

bnorm_status bnorm_moments_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const double *weights,
                               double *n, double *mean, double *m2)
{
    bnorm_view v = bnorm_view_of_f32(x);
    return moments(ctx, &v, weights, n, mean, m2);
}

bnorm_status bnorm_moments_merge(bnorm_ctx *ctx, ptrdiff_t cols, double *n, double *mean,
                                 double *m2, double n_b, const double *mean_b,
                                 const double *m2_b)
{
    if (cols < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "cols is %td; it must not be negative", cols);
    BNORM_TRY(bnorm_check_pointer(ctx, n, "n"));
    if (cols > 0) {
        BNORM_TRY(bnorm_check_pointer(ctx, mean, "mean"));
        BNORM_TRY(bnorm_check_pointer(ctx, m2, "m2"));
        BNORM_TRY(bnorm_check_pointer(ctx, mean_b, "mean_b"));
        BNORM_TRY(bnorm_check_pointer(ctx, m2_b, "m2_b"));
    }
    BNORM_TRY(bnorm_check_number(ctx, *n, "n"));
    BNORM_TRY(bnorm_check_number(ctx, n_b, "n_b"));
    BNORM_TRY(bnorm_check_total(ctx, *n + n_b));
    merge_any(cols, *n, mean, m2, n_b, mean_b, m2_b);
    *n += n_b;
    return BNORM_OK;
}
