/* group_rows: groups of rows of a row-major matrix. So many rows at a time are gone through twice as
 * stay in the first cache: for their sums, and for what is made of them. Seen as the columns of the
 * transpose, rows have the statistics that columns have. */
#include "matrix/groups.h"

enum {
    TOGETHER = 64,             /* rows at a time, at most */
    TOGETHER_BYTES = 32 * 1024 /* if there is a choice, the bytes of these rows */
};

/* Some rows of a group, and the numbers of each. */
typedef struct rows {
    const bnorm_group_job *job;
    ptrdiff_t g, first, count;
    double mean[TOGETHER], rstd[TOGETHER], p[TOGETHER], q[TOGETHER];
} rows;

static bnorm_tile tile_of(const rows *some, const bnorm_view *v)
{
    ptrdiff_t column = some->g * some->job->line;
    return bnorm_view_tile(v, some->first, some->first + some->count, column,
                           column + some->job->line);
}

/* Row i as a tile whose rows are the channels of the group. */
static bnorm_tile channels_of(const rows *some, const bnorm_view *v, ptrdiff_t i)
{
    ptrdiff_t span = some->job->span;
    return (bnorm_tile){bnorm_view_at(v, some->first + i, some->g * some->job->line),
                        some->job->members, span, span};
}

/* The statistics, gamma and beta: of all rows, or of row i if that is not negative. */
static bnorm_layer_rows layer_of(const rows *some, ptrdiff_t i)
{
    const bnorm_group_job *job = some->job;
    ptrdiff_t c = some->g * job->members, at = i < 0 ? 0 : i;
    return (bnorm_layer_rows){.mean = some->mean + at,
                              .rstd = some->rstd + at,
                              .p = some->p + at,
                              .q = some->q + at,
                              .gamma = bnorm_view_entry(job->of.x, job->gamma, c),
                              .beta = bnorm_view_entry(job->of.x, job->beta, c),
                              .channels = i >= 0,
                              .ahead = job->far ? some->count : 0};
}

/* As matrix/moments.c does it of columns. */
static void statistics(rows *some)
{
    const bnorm_group_job *job = some->job;
    const bnorm_view *x = job->of.x;
    bnorm_tile t = tile_of(some, x);
    double pivot[TOGETHER], m2[TOGETHER], n = (double)job->line;
    t.rows = job->line;
    t.cols = some->count;
    x->k->column_pivot(&t, pivot);
    for (int pass = 0; pass < 3; pass++) {
        x->k->column_sums(&t, NULL, pivot, some->mean, m2);
        if (!x->k->moments(some->count, n, pivot, some->mean, m2)) break;
    }
    x->k->scales(some->count, m2, n, job->of.eps, NULL, some->rstd, m2);
}

static void forward_rows(rows *some)
{
    const bnorm_group_job *job = some->job;
    const bnorm_view *x = job->of.x, *y = job->of.out;
    statistics(some);
    for (ptrdiff_t i = 0; i < some->count; i++) {
        ptrdiff_t at = (some->first + i) * job->of.groups + some->g;
        job->of.mean[at] = some->mean[i];
        job->of.rstd[at] = some->rstd[i];
    }
    if (job->span == 1) {
        bnorm_tile t = tile_of(some, x);
        bnorm_layer_rows l = layer_of(some, -1);
        x->k->layer_affine(&t, &l, (void *)tile_of(some, y).data, y->ld, job->stream);
        return;
    }
    for (ptrdiff_t i = 0; i < some->count; i++) {
        bnorm_tile t = channels_of(some, x, i);
        bnorm_layer_rows l = layer_of(some, i);
        x->k->layer_affine(&t, &l, (void *)channels_of(some, y, i).data, job->span, 0);
    }
}

/* Of row i, whose channels have more than one value: to->u[i] and to->ud[i] by channel. */
static void channel_sums(const rows *some, ptrdiff_t i, const bnorm_layer_sums *to)
{
    const bnorm_group_job *job = some->job;
    const bnorm_view *x = job->of.x;
    const double *gamma = job->wide_gamma + some->g * job->members;
    bnorm_tile tx = channels_of(some, x, i), tw = channels_of(some, job->of.w, i);
    double mean[TOGETHER], s1[TOGETHER], s2[TOGETHER];
    for (ptrdiff_t j = 0; j < TOGETHER; j++) mean[j] = some->mean[i];
    to->u[i] = to->ud[i] = 0;
    for (ptrdiff_t c = 0; c < job->members; c += TOGETHER) {
        ptrdiff_t count = job->members - c < TOGETHER ? job->members - c : TOGETHER;
        ptrdiff_t skip = c * job->span * (ptrdiff_t)x->k->size;
        bnorm_tile px = {(const char *)tx.data + skip, job->span, count, job->span};
        bnorm_tile pw = {(const char *)tw.data + skip, job->span, count, job->span};
        x->k->column_pair_sums(&px, &pw, mean, s1, s2);
        for (ptrdiff_t j = 0; j < count; j++) {
            to->dbeta[c + j] += s1[j];
            to->dgamma[c + j] += s2[j] * some->rstd[i];
            to->u[i] += gamma[c + j] * s1[j];
            to->ud[i] += gamma[c + j] * s2[j];
        }
    }
}

/* p and q, and what the rows add to dgamma and dbeta of block b. */
static void sums(rows *some, ptrdiff_t b)
{
    const bnorm_group_job *job = some->job;
    double *dgamma = job->sums + 2 * b * job->of.channels + some->g * job->members,
           n = (double)job->line;
    double u[TOGETHER], ud[TOGETHER], scale[TOGETHER];
    bnorm_layer_sums to = {u, ud, dgamma, dgamma + job->of.channels};
    if (job->span == 1) {
        bnorm_tile x = tile_of(some, job->of.x), w = tile_of(some, job->of.w);
        bnorm_layer_rows l = layer_of(some, -1);
        job->of.x->k->layer_sums(&x, &w, &l, &to);
    } else {
        for (ptrdiff_t i = 0; i < some->count; i++) channel_sums(some, i, &to);
    }
    bnorm_coefficients coefficients = {scale, some->p, some->q};
    job->of.x->k->slopes(some->count, n, n, NULL, some->rstd, u, ud, &coefficients);
}

/* With u = gamma w: dx = rstd [ u - mean(u) - xhat mean(xhat u) ]. */
static void backward_rows(rows *some, ptrdiff_t b)
{
    const bnorm_group_job *job = some->job;
    const bnorm_view *x = job->of.x, *w = job->of.w, *out = job->of.out;
    for (ptrdiff_t i = 0; i < some->count; i++) {
        ptrdiff_t at = (some->first + i) * job->of.groups + some->g;
        some->mean[i] = job->of.mean_in[at];
        some->rstd[i] = job->of.rstd_in[at];
    }
    sums(some, b);
    if (!out) return;
    if (job->span == 1) {
        bnorm_tile tx = tile_of(some, x), tw = tile_of(some, w);
        bnorm_layer_rows l = layer_of(some, -1);
        x->k->layer_slope(&tx, &tw, &l, (void *)tile_of(some, out).data, out->ld, job->stream);
        return;
    }
    for (ptrdiff_t i = 0; i < some->count; i++) {
        bnorm_tile tx = channels_of(some, x, i), tw = channels_of(some, w, i);
        bnorm_layer_rows l = layer_of(some, i);
        x->k->layer_slope(&tx, &tw, &l, (void *)channels_of(some, out, i).data, job->span, 0);
    }
}

/* By the length of a row alone. */
static ptrdiff_t together(const bnorm_group_job *job)
{
    ptrdiff_t count = TOGETHER_BYTES / (job->line * (ptrdiff_t)job->of.x->k->size);
    if (count >= 8) count = count / 8 * 8;
    return count < 1 ? 1 : count > TOGETHER ? TOGETHER : count;
}

void bnorm_group_rows(const bnorm_group_job *job, ptrdiff_t b, ptrdiff_t g, bnorm_range r)
{
    ptrdiff_t most = together(job);
    rows some = {.job = job, .g = g};
    for (ptrdiff_t row = r.begin; row < r.end; row += most) {
        some.first = row;
        some.count = row + most < r.end ? most : r.end - row;
        if (job->of.w)
            backward_rows(&some, b);
        else
            forward_rows(&some);
    }
}
