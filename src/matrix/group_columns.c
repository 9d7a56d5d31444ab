/* group_columns: groups of rows of a column-major matrix, gone through column by column, with the
 * statistics of some of its rows at hand. */
#include "matrix/groups.h"

enum { TOGETHER = 256 /* rows at a time */ };

/* Columns of channel c of the group, rows r, of a column-major view. */
static bnorm_tile channel_tile(const bnorm_group_job *job, const bnorm_view *v, bnorm_range r,
                               ptrdiff_t c)
{
    return bnorm_view_tile(v, r.begin, r.end, c * job->span, (c + 1) * job->span);
}

/* mean and rstd of some rows: a column-major view is the row-major view of its transpose. */
static void row_statistics(const bnorm_group_job *job, ptrdiff_t g, bnorm_range r, double *mean,
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

static void forward_columns(const bnorm_group_job *job, ptrdiff_t g, bnorm_range r)
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
        x->k->layer_columns(&t, mean, rstd, job->wide_gamma[c], job->wide_beta[c],
                            bnorm_view_at(y, r.begin, c * job->span), y->ld);
    }
}

static void backward_columns(const bnorm_group_job *job, ptrdiff_t b, ptrdiff_t g,
                             bnorm_range r)
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
        x->k->layer_columns_sums(&t, &w, mean, rstd, job->wide_gamma[c], p, q, sums);
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
        x->k->layer_columns_slope(&t, &w, job->wide_gamma[c], &a,
                                  bnorm_view_at(out, r.begin, c * job->span), out->ld);
    }
}

void bnorm_group_columns(const bnorm_group_job *job, ptrdiff_t b, ptrdiff_t g, bnorm_range r)
{
    for (ptrdiff_t row = r.begin; row < r.end; row += TOGETHER) {
        ptrdiff_t end = row + TOGETHER < r.end ? row + TOGETHER : r.end;
        if (job->of.w)
            backward_columns(job, b, g, (bnorm_range){row, end});
        else
            forward_columns(job, g, (bnorm_range){row, end});
    }
}
