/* group_columns: groups of rows of a column-major matrix. So many rows at a time are gone through
 * twice as stay in the second cache, some columns beside each other. */
#include "matrix/groups.h"

#include "base/size.h"

enum {
    TOGETHER = 256,             /* rows at a time, at most */
    LEAST = 64,                 /* and at least: whole lines, a run of them in a column */
    TOGETHER_BYTES = 512 * 1024 /* between, the bytes of these rows */
};

/* Some rows of a group, and the numbers of each. */
typedef struct rows {
    const bnorm_group_job *job;
    ptrdiff_t g, first, count;
    double mean[TOGETHER], rstd[TOGETHER], p[TOGETHER], q[TOGETHER];
} rows;

/* Columns of these rows, from channel c of the group on: one channel, or all where a channel is a
 * column. */
static bnorm_tile tile_of(const rows *some, const bnorm_view *v, ptrdiff_t c)
{
    const bnorm_group_job *job = some->job;
    ptrdiff_t begin = (some->g * job->members + c) * job->span;
    ptrdiff_t count = job->span == 1 ? job->members : job->span;
    return bnorm_view_tile(v, some->first, some->first + some->count, begin, begin + count);
}

/* The statistics, gamma and beta of such a tile. */
static bnorm_layer_rows layer_of(const rows *some, ptrdiff_t c)
{
    const bnorm_group_job *job = some->job;
    c += some->g * job->members;
    return (bnorm_layer_rows){.mean = some->mean,
                              .rstd = some->rstd,
                              .p = some->p,
                              .q = some->q,
                              .gamma = bnorm_view_entry(job->of.x, job->gamma, c),
                              .beta = bnorm_view_entry(job->of.x, job->beta, c),
                              .channels = job->span != 1,
                              .ahead = job->far ? some->count : 0};
}

/* Channels in steps of what a tile takes. */
static ptrdiff_t step_of(const bnorm_group_job *job)
{
    return job->span == 1 ? job->members : 1;
}

/* mean and rstd of the rows: a column-major view is the row-major view of its transpose. */
static void statistics(rows *some)
{
    const bnorm_group_job *job = some->job;
    const bnorm_view *x = job->of.x;
    ptrdiff_t count = some->count;
    double pivot[TOGETHER], m2[TOGETHER], n = (double)job->line;
    bnorm_tile t = {bnorm_view_at(x, some->first, some->g * job->line), job->line, count,
                    x->ld};
    x->k->row_pivot(&t, pivot);
    for (int pass = 0; pass < 3; pass++) { /* as matrix/moments.c */
        for (ptrdiff_t i = 0; i < count; i++) some->mean[i] = m2[i] = 0;
        x->k->row_sums(&t, NULL, pivot, some->mean, m2);
        if (!x->k->moments(count, n, pivot, some->mean, m2)) break;
    }
    x->k->scales(count, m2, n, job->of.eps, NULL, some->rstd, m2);
}

static void forward_columns(rows *some)
{
    const bnorm_group_job *job = some->job;
    const bnorm_view *x = job->of.x, *y = job->of.out;
    statistics(some);
    for (ptrdiff_t i = 0; i < some->count; i++) {
        ptrdiff_t at = (some->first + i) * job->of.groups + some->g;
        job->of.mean[at] = some->mean[i];
        job->of.rstd[at] = some->rstd[i];
    }
    for (ptrdiff_t c = 0; c < job->members; c += step_of(job)) {
        bnorm_tile t = tile_of(some, x, c);
        bnorm_layer_rows l = layer_of(some, c);
        x->k->layer_columns_affine(&t, &l, (void *)tile_of(some, y, c).data, y->ld,
                                   job->stream);
    }
}

/* p and q, and what the rows add to dgamma and dbeta of block b. */
static void sums(rows *some, ptrdiff_t b)
{
    const bnorm_group_job *job = some->job;
    double *dgamma = job->sums + 2 * b * job->of.channels + some->g * job->members;
    double u[TOGETHER], ud[TOGETHER], scale[TOGETHER], n = (double)job->line;
    for (ptrdiff_t i = 0; i < some->count; i++) u[i] = ud[i] = 0;
    for (ptrdiff_t c = 0; c < job->members; c += step_of(job)) {
        bnorm_tile x = tile_of(some, job->of.x, c), w = tile_of(some, job->of.w, c);
        bnorm_layer_rows l = layer_of(some, c);
        bnorm_layer_sums to = {u, ud, dgamma + c, dgamma + job->of.channels + c};
        job->of.x->k->layer_columns_sums(&x, &w, &l, &to);
    }
    bnorm_coefficients coefficients = {scale, some->p, some->q};
    job->of.x->k->slopes(some->count, n, n, NULL, some->rstd, u, ud, &coefficients);
}

static void backward_columns(rows *some, ptrdiff_t b)
{
    const bnorm_group_job *job = some->job;
    const bnorm_view *x = job->of.x, *w = job->of.w, *out = job->of.out;
    for (ptrdiff_t i = 0; i < some->count; i++) {
        ptrdiff_t at = (some->first + i) * job->of.groups + some->g;
        some->mean[i] = job->of.mean_in[at];
        some->rstd[i] = job->of.rstd_in[at];
    }
    sums(some, b);
    for (ptrdiff_t c = 0; out && c < job->members; c += step_of(job)) {
        bnorm_tile tx = tile_of(some, x, c), tw = tile_of(some, w, c);
        bnorm_layer_rows l = layer_of(some, c);
        x->k->layer_columns_slope(&tx, &tw, &l, (void *)tile_of(some, out, c).data, out->ld,
                                  job->stream);
    }
}

/* By the length of a row alone. */
static ptrdiff_t together(const bnorm_group_job *job)
{
    ptrdiff_t row = job->line * (ptrdiff_t)job->of.x->k->size * (job->of.w ? 2 : 1);
    return smaller(larger(TOGETHER_BYTES / row / LEAST * LEAST, LEAST), TOGETHER);
}

void bnorm_group_columns(const bnorm_group_job *job, ptrdiff_t b, ptrdiff_t g, bnorm_range r)
{
    ptrdiff_t most = together(job);
    rows some = {.job = job, .g = g};
    for (ptrdiff_t row = r.begin; row < r.end; row += most) {
        some.first = row;
        some.count = smaller(most, r.end - row);
        if (job->of.w)
            backward_columns(&some, b);
        else
            forward_columns(&some);
    }
}
