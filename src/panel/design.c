/* design: what others take of a problem at its present parameters: which of its columns are
 * collinear, Q[P, V], errors and scores. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"
#include "matrix/view.h"
#include "panel/panel.h"
#include "panel/top.h"

/* ----------------------------------------------------------------------------- collinear */

/* Columns are measured from their means: a large mean hides no column. */
static bnorm_status least_norms(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 x, double *mean,
                                double *m2)
{
    double n;
    BNORM_TRY(bnorm_moments_f64(ctx, x, p->weights, &n, mean, m2));
    for (ptrdiff_t j = 0; j < x.cols; j++) {
        double square = m2[j] / n;
        m2[j] = 1e-7 * sqrt(square) + 32 * DBL_EPSILON * sqrt(mean[j] * mean[j] + square);
    }
    return BNORM_OK;
}

/* Columns of x whose root mean square is at most that in `limit` become 0. square: cols. */
static void clear_rounding(const problem *p, bnorm_mat_f64 x, const double *limit,
                           double *square)
{
    ptrdiff_t row = x.layout == BNORM_ROW_MAJOR ? x.ld : 1;
    ptrdiff_t col = x.layout == BNORM_ROW_MAJOR ? 1 : x.ld;
    memset(square, 0, (size_t)x.cols * sizeof *square);
    for (ptrdiff_t i = 0; i < x.rows; i++)
        for (ptrdiff_t j = 0; j < x.cols; j++) {
            double value = x.data[i * row + j * col];
            square[j] += (p->weights ? p->weights[i] : 1) / p->n * value * value;
        }
    for (ptrdiff_t j = 0; j < x.cols; j++)
        for (ptrdiff_t i = 0; sqrt(square[j]) <= limit[j] && i < x.rows; i++)
            x.data[i * row + j * col] = 0;
}

bnorm_status bnorm_problem_project(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 j)
{
    if (!p->within || j.cols == 0) return BNORM_OK;
    double *mean = bnorm_alloc(ctx, j.cols, 2 * sizeof *mean);
    if (!mean) return bnorm_fail_memory(ctx, "the columns of a design");
    double *limit = mean + j.cols;
    bnorm_status status = least_norms(ctx, p, j, mean, limit);
    if (status == BNORM_OK) status = bnorm_demean_f64(ctx, p->within, j, j, NULL);
    if (status == BNORM_OK) clear_rounding(p, j, limit, mean);
    bnorm_free(mean);
    return status;
}

/* l->in of the columns of x, in which they are projected. */
static bnorm_status find_collinear(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 x, least *l)
{
    double *mean = l->diagonal, *norm = l->right;
    BNORM_TRY(least_norms(ctx, p, x, mean, norm));
    BNORM_TRY(bnorm_top_q(ctx, p, x, x));
    l->a = x.data;
    l->n = p->n;
    l->weights = p->weights;
    bnorm_least_triangle(ctx, l);
    (void)bnorm_least_keep(l->sums, x.cols, norm, l->in);
    return BNORM_OK;
}

/* dropped: linear entries, and top_count more with the networks. */
static bnorm_status collinear(bnorm_ctx *ctx, const problem *p, int networks,
                              unsigned char *dropped)
{
    least l;
    ptrdiff_t linear = p->p.cols, cols = linear + (networks ? p->top_count : 0), count;
    if (cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_least_reserve(ctx, p->rows, cols, &l));
    double *x =
        bnorm_multiply(p->rows, cols, &count) ? bnorm_alloc(ctx, count, sizeof *x) : NULL;
    bnorm_mat_f64 all = bnorm_view_f64(x, p->rows, cols, BNORM_ROW_MAJOR);
    bnorm_status status = x ? BNORM_OK : bnorm_fail_memory(ctx, "the terms");
    if (status == BNORM_OK && linear > 0) bnorm_copy(p->p, bnorm_columns_of(all, 0, linear));
    if (status == BNORM_OK && networks)
        status = bnorm_top_outputs(ctx, p, bnorm_columns_of(all, linear, cols - linear));
    if (status == BNORM_OK) status = find_collinear(ctx, p, all, &l);
    for (ptrdiff_t j = 0; j < cols && status == BNORM_OK; j++) dropped[j] = !l.in[j];
    bnorm_free(x);
    bnorm_least_free(&l);
    return status;
}

bnorm_status bnorm_problem_collinear(bnorm_ctx *ctx, const problem *p, unsigned char *dropped)
{
    return collinear(ctx, p, 0, dropped);
}

bnorm_status bnorm_problem_identified(bnorm_ctx *ctx, const problem *p, ptrdiff_t *count)
{
    ptrdiff_t cols = p->p.cols + p->top_count;
    *count = cols;
    if (p->network_count == 0) return BNORM_OK;
    unsigned char *dropped = bnorm_alloc(ctx, cols, 1);
    if (!dropped) return bnorm_fail_memory(ctx, "the top layer");
    bnorm_status status = collinear(ctx, p, 1, dropped);
    *count = 0;
    for (ptrdiff_t j = 0; j < cols && status == BNORM_OK; j++) *count += !dropped[j];
    bnorm_free(dropped);
    return status;
}

/* ------------------------------------------------------------------------- scores, errors */

/* Adds V_k G2_k of some rows at a time. */
static bnorm_status add_network(bnorm_ctx *ctx, const problem_network *w, double *score)
{
    enum { BLOCK = 4096 };
    ptrdiff_t cols = bnorm_net_outputs(w->net);
    double *v = bnorm_alloc(ctx, cols * BLOCK, sizeof *v);
    if (!v) return bnorm_fail_memory(ctx, "the outputs of a network");
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t i = 0; i < w->x.rows && status == BNORM_OK; i += BLOCK) {
        ptrdiff_t rows = w->x.rows - i < BLOCK ? w->x.rows - i : BLOCK;
        bnorm_mat_f64 out = bnorm_view_f64(v, rows, cols, BNORM_ROW_MAJOR);
        status = bnorm_net_predict(ctx, w->net, bnorm_rows_of(w->x, i, rows), out);
        for (ptrdiff_t r = 0; r < rows && status == BNORM_OK; r++)
            for (ptrdiff_t j = 0; j < cols; j++) score[i + r] += v[r * cols + j] * w->top[j];
    }
    bnorm_free(v);
    return status;
}

bnorm_status bnorm_problem_score(bnorm_ctx *ctx, const problem *p, double *score)
{
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        score[i] = 0;
        for (ptrdiff_t j = 0; j < p->p.cols; j++)
            score[i] += p->p.data[i * p->p.ld + j] * p->theta[j];
    }
    for (ptrdiff_t k = 0; k < p->network_count; k++)
        BNORM_TRY(add_network(ctx, &p->networks[k], score));
    return BNORM_OK;
}

static bnorm_status errors(bnorm_ctx *ctx, const problem *p, double *e)
{
    BNORM_TRY(bnorm_problem_score(ctx, p, e));
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        double share;
        if (p->logistic) (void)bnorm_top_logistic(e[i], p->y[i], &share);
        e[i] = p->y[i] - (p->logistic ? share : e[i]);
    }
    bnorm_mat_f64 column = bnorm_view_f64(e, p->rows, 1, BNORM_ROW_MAJOR);
    return bnorm_top_q(ctx, p, column, column);
}

bnorm_status bnorm_problem_design(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 qp,
                                  bnorm_mat_f64 qv, double *e)
{
    if (qp.data) BNORM_TRY(bnorm_top_q(ctx, p, p->p, qp));
    if (qv.data) BNORM_TRY(bnorm_top_outputs(ctx, p, qv));
    if (qv.data) BNORM_TRY(bnorm_top_q(ctx, p, qv, qv));
    return e ? errors(ctx, p, e) : BNORM_OK;
}
