/* top: see the header. The least squares go over the normal matrix with one step of refinement,
 * whose residual is taken from the rows; where its pivots say that digits are lost, and always
 * without networks, over QR. */
#include "panel/top.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"
#include "matrix/blas.h"
#include "matrix/view.h"

/* -------------------------------------------------------------------------------- create */

static bnorm_status reserve(bnorm_ctx *ctx, top *t)
{
    ptrdiff_t rows = t->p->rows, vectors = t->p->logistic ? 4 : 2, tall, small, total;
    if (!bnorm_multiply(rows, t->count + vectors, &tall) ||
        !bnorm_multiply(6, t->count, &small) || __builtin_add_overflow(tall, small, &total) ||
        !(t->memory = bnorm_alloc(ctx, total, sizeof *t->memory)))
        return bnorm_fail_memory(ctx, "the design of the top layer");
    t->a = t->memory;
    t->y = t->a + rows * t->count;
    t->e = t->y + rows;
    t->score = t->e + rows;
    t->curvature = t->score + (t->p->logistic ? rows : 0);
    t->scale = t->curvature + (t->p->logistic ? rows : 0);
    memset(t->scale, 0, (size_t)small * sizeof *t->scale);
    t->ridge = t->scale + t->count;
    t->doubled = t->ridge + t->count;
    t->b = t->doubled + t->count;
    t->step = t->b + t->count;
    t->trial = t->step + t->count;
    return bnorm_least_reserve(ctx, rows, t->count, &t->l);
}

static bnorm_mat_f64 part(const top *t, ptrdiff_t first, ptrdiff_t cols)
{
    return (bnorm_mat_f64){t->a + first, t->p->rows, cols, t->count, BNORM_ROW_MAJOR};
}

bnorm_status bnorm_top_q(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 from, bnorm_mat_f64 to)
{
    if (p->within && from.cols > 0) return bnorm_demean_f64(ctx, p->within, from, to, NULL);
    if (from.data != to.data) bnorm_copy(from, to);
    return BNORM_OK;
}

/* s: the standard deviation of Qy; 1 where that is rounding. */
static bnorm_status scale_target(bnorm_ctx *ctx, top *t)
{
    const problem *p = t->p;
    bnorm_mat_f64 y = bnorm_view_f64(p->y, p->rows, 1, BNORM_ROW_MAJOR), qy = y;
    double n, mean, m2, raw, raw_m2;
    qy.data = t->y;
    t->s = 1;
    BNORM_TRY(bnorm_top_q(ctx, p, y, qy));
    if (p->logistic) return BNORM_OK;
    BNORM_TRY(bnorm_moments_f64(ctx, y, p->weights, &n, &raw, &raw_m2));
    BNORM_TRY(bnorm_moments_f64(ctx, qy, p->weights, &n, &mean, &m2));
    double s = sqrt(m2 / n), noise = 64 * DBL_EPSILON * sqrt(raw * raw + raw_m2 / n);
    if (s > noise) t->s = s;
    for (ptrdiff_t i = 0; i < p->rows; i++) t->y[i] /= t->s;
    return BNORM_OK;
}

/* Columns of QP of length 1 (a root mean square), and the ridges. mean, m2: linear. */
static bnorm_status scale_linear(bnorm_ctx *ctx, top *t, double *mean, double *m2)
{
    const problem *p = t->p;
    double n;
    for (ptrdiff_t j = t->linear; j < t->count; j++) t->ridge[j] = p->penalty_top;
    if (t->linear == 0) return BNORM_OK;
    bnorm_mat_f64 qp = part(t, 0, t->linear);
    BNORM_TRY(bnorm_top_q(ctx, p, p->p, qp));
    BNORM_TRY(bnorm_moments_f64(ctx, qp, p->weights, &n, mean, m2));
    for (ptrdiff_t j = 0; j < t->linear; j++) {
        double variance = m2[j] / n, length = sqrt(mean[j] * mean[j] + variance);
        t->scale[j] = length > 0 ? length : 1;
        t->ridge[j] = p->penalty_linear * variance / (t->scale[j] * t->scale[j]);
    }
    for (ptrdiff_t i = 0; i < p->rows; i++)
        for (ptrdiff_t j = 0; j < t->linear; j++) qp.data[i * qp.ld + j] /= t->scale[j];
    return BNORM_OK;
}

bnorm_status bnorm_top_create(bnorm_ctx *ctx, const problem *p, top *t)
{
    *t = (top){.p = p, .linear = p->p.cols, .count = p->p.cols + p->top_count};
    bnorm_status status = reserve(ctx, t);
    if (status == BNORM_OK) status = scale_target(ctx, t);
    if (status == BNORM_OK) status = scale_linear(ctx, t, t->step, t->trial);
    if (status != BNORM_OK) {
        bnorm_top_free(t);
        return status;
    }
    for (ptrdiff_t j = 0; j < t->count; j++) t->doubled[j] = 2 * t->ridge[j];
    t->l.a = t->a;
    t->l.n = p->n;
    t->l.u = t->y;
    t->l.weights = p->weights;
    t->l.ridge = t->ridge;
    return BNORM_OK;
}

void bnorm_top_free(top *t)
{
    bnorm_least_free(&t->l);
    bnorm_free(t->memory);
    *t = (top){0};
}

/* ------------------------------------------------------------------------------------- V */

bnorm_mat_f64 bnorm_top_v(const top *t, ptrdiff_t k)
{
    ptrdiff_t first = t->linear;
    for (ptrdiff_t i = 0; i < k; i++) first += bnorm_net_outputs(t->p->networks[i].net);
    return part(t, first, bnorm_net_outputs(t->p->networks[k].net));
}

bnorm_status bnorm_top_project(bnorm_ctx *ctx, top *t)
{
    bnorm_mat_f64 v = part(t, t->linear, t->count - t->linear);
    return bnorm_top_q(ctx, t->p, v, v);
}

bnorm_status bnorm_top_outputs(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 v)
{
    ptrdiff_t first = 0;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        ptrdiff_t cols = bnorm_net_outputs(w->net);
        BNORM_TRY(bnorm_net_predict(ctx, w->net, w->x, bnorm_columns_of(v, first, cols)));
        first += cols;
    }
    return BNORM_OK;
}

bnorm_status bnorm_top_infer(bnorm_ctx *ctx, top *t)
{
    BNORM_TRY(bnorm_top_outputs(ctx, t->p, part(t, t->linear, t->count - t->linear)));
    return bnorm_top_project(ctx, t);
}

/* --------------------------------------------------------------------------------- solve */

double bnorm_top_penalty(const top *t, const double *b)
{
    double sum = 0;
    for (ptrdiff_t j = 0; j < t->count; j++) sum += t->ridge[j] * b[j] * b[j];
    return sum;
}

static void add_step(top *t)
{
    for (ptrdiff_t j = 0; j < t->count; j++) t->b[j] += t->step[j];
}

static void squared(bnorm_ctx *ctx, top *t)
{
    least *l = &t->l;
    int good = t->p->network_count > 0;
    memset(t->b, 0, (size_t)t->count * sizeof *t->b);
    l->u = t->y;
    if (good) bnorm_least_factor(ctx, l, t->b, &good);
    if (good) {
        bnorm_least_solve(l, t->b);
        (void)bnorm_least_residual(ctx, l, t->y, t->b, t->e);
        l->u = t->e;
        bnorm_least_right(ctx, l, t->b);
        bnorm_least_solve(l, t->step);
    } else {
        bnorm_least_qr(ctx, l, t->b, t->step);
    }
    add_step(t);
    t->loss = bnorm_least_residual(ctx, l, t->y, t->b, t->e) / l->n;
}

void bnorm_top_solve(bnorm_ctx *ctx, top *t)
{
    int held = bnorm_blas_hold();
    if (t->p->logistic)
        bnorm_top_newton(ctx, t);
    else
        squared(ctx, t);
    t->penalty = bnorm_top_penalty(t, t->b);
    bnorm_blas_release(held);
}

double bnorm_top_pull(const top *t, ptrdiff_t i)
{
    double weight = t->p->weights ? t->p->weights[i] : 1, factor = t->p->logistic ? -1 : -2;
    return factor * weight * t->e[i] / t->l.n;
}

/* --------------------------------------------------------------------------- theta and G2 */

void bnorm_top_write(const top *t)
{
    const double *b = t->b + t->linear;
    for (ptrdiff_t j = 0; j < t->linear; j++) t->p->theta[j] = t->s * t->b[j] / t->scale[j];
    for (ptrdiff_t k = 0; k < t->p->network_count; k++)
        for (ptrdiff_t j = 0; j < bnorm_net_outputs(t->p->networks[k].net); j++)
            t->p->networks[k].top[j] = t->s * *b++;
}

void bnorm_top_read(top *t)
{
    double *b = t->b + t->linear;
    for (ptrdiff_t j = 0; j < t->linear; j++) t->b[j] = t->p->theta[j] * t->scale[j] / t->s;
    for (ptrdiff_t k = 0; k < t->p->network_count; k++)
        for (ptrdiff_t j = 0; j < bnorm_net_outputs(t->p->networks[k].net); j++)
            *b++ = t->p->networks[k].top[j] / t->s;
}
