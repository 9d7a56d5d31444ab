/* newton: the top layer of the logistic loss. Newton's steps are weighted least squares of the
 * working residual (t - p)/(p (1 - p)) (maths.md section 6 with omega p (1 - p) for omega); a step
 * is halved until the objective falls. On separated data the minimum is at infinity: the steps end
 * where the objective no longer falls, or at their most. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "layer/layer.h"
#include "panel/top.h"

enum { STEPS = 100, HALVINGS = 30 };

static const double done = 1e-18; /* of the squared length of a step, in units of the loss */
static const double least_curvature = 1e-12; /* p (1 - p) */

double bnorm_top_logistic(double score, double target, double *p)
{
    double small = exp(-fabs(score)), share = 1 / (1 + small);
    *p = score >= 0 ? share : small * share;
    return (score > 0 ? score : 0) - target * score + log1p(small);
}

/* Score comes in with its sign turned, from the residual of 0. */
static void chunk_loss(void *argument, ptrdiff_t chunk)
{
    top *t = argument;
    ptrdiff_t end = smaller((chunk + 1) * t->l.chunk_rows, t->l.rows);
    exact_sum sum = {0, 0};
    for (ptrdiff_t i = chunk * t->l.chunk_rows; i < end; i++) {
        double p, weight = t->p->weights ? t->p->weights[i] : 1;
        t->score[i] = -t->score[i];
        bnorm_exact_add(&sum, weight * bnorm_top_logistic(t->score[i], t->y[i], &p));
        double bend = fmax(p * (1 - p), least_curvature);
        t->curvature[i] = weight * bend;
        t->e[i] = (t->y[i] - p) / bend;
    }
    t->l.sums[chunk] = bnorm_exact_value(&sum);
}

/* Objective at b; score, curvature and the working residual in e. */
static double evaluate(bnorm_ctx *ctx, top *t, const double *b)
{
    (void)bnorm_least_residual(ctx, &t->l, NULL, b, t->score);
    bnorm_parallel(bnorm_worth(ctx, 30.0 * (double)t->l.rows), t->l.chunks, chunk_loss, t);
    exact_sum sum = {0, 0};
    for (ptrdiff_t c = 0; c < t->l.chunks; c++) bnorm_exact_add(&sum, t->l.sums[c]);
    t->loss = bnorm_exact_value(&sum) / t->l.n;
    return t->loss + bnorm_top_penalty(t, b);
}

/* The step at b; returns its squared length g'H^-1 g. */
static double find_step(bnorm_ctx *ctx, top *t)
{
    int good;
    double length = 0;
    bnorm_least_factor(ctx, &t->l, t->b, &good);
    if (good)
        bnorm_least_solve(&t->l, t->step);
    else
        bnorm_least_qr(ctx, &t->l, t->b, t->step);
    for (ptrdiff_t j = 0; j < t->count; j++) length += t->l.right[j] * t->step[j];
    return length;
}

/* Whether b + step, or a part of it, is lower; b moves there. */
static int take_step(bnorm_ctx *ctx, top *t, double *value)
{
    double part = 1, rounding = 8 * DBL_EPSILON * fabs(*value);
    for (int k = 0; k < HALVINGS; k++, part /= 2) {
        for (ptrdiff_t j = 0; j < t->count; j++) t->trial[j] = t->b[j] + part * t->step[j];
        double next = evaluate(ctx, t, t->trial);
        if (!(next <= *value + rounding)) continue;
        memcpy(t->b, t->trial, (size_t)t->count * sizeof *t->b);
        *value = next;
        return 1;
    }
    return 0;
}

/* From the working residual to t - p. */
static void finish(top *t)
{
    for (ptrdiff_t i = 0; i < t->l.rows; i++) {
        double p;
        (void)bnorm_top_logistic(t->score[i], t->y[i], &p);
        t->e[i] = t->y[i] - p;
    }
}

void bnorm_top_newton(bnorm_ctx *ctx, top *t)
{
    least *l = &t->l;
    double value;
    l->weights = NULL;
    value = evaluate(ctx, t, t->b);
    if (!isfinite(value)) {
        memset(t->b, 0, (size_t)t->count * sizeof *t->b);
        value = evaluate(ctx, t, t->b);
    }
    l->u = t->e;
    l->ridge = t->doubled;
    for (int k = 0; k < STEPS; k++) {
        l->weights = t->curvature;
        double length = find_step(ctx, t);
        if (!(length > 0)) break;
        if (!take_step(ctx, t, &value)) {
            value = evaluate(ctx, t, t->b);
            break;
        }
        if (length <= done) break;
    }
    finish(t);
}
