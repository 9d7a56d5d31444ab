/* top: the top layer of a problem, theta and G2, in closed form for given V: the minimum over b of
 *     sum omega (y - A b)^2/n + sum ridge_j b_j^2,   A = [QP/scale, QV], y = Qy/s,
 * free of units; theta = s b/scale, G2 = s b. For the logistic loss the mean loss stands in the
 * place of the first sum, and s is 1. */
#ifndef BNORM_PANEL_TOP_H
#define BNORM_PANEL_TOP_H

#include "panel/least.h"
#include "panel/problem.h"

typedef struct top {
    const problem *p;
    ptrdiff_t linear, count; /* columns of QP; of A */
    least l;
    double *a, *y, *e;         /* A, Qy/s; y - A b, or t - p */
    double *score, *curvature; /* logistic: A b; omega p(1 - p) */
    double s, *scale;          /* s; linear */
    double *ridge, *b, *step, *trial;
    double *doubled;      /* logistic: 2 ridge */
    double loss, penalty; /* at b: their sum is the objective */
    double *memory;
} top;

/* to = Q from, in place allowed; the identity without fixed effects. */
bnorm_status bnorm_top_q(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 from,
                         bnorm_mat_f64 to);

/* Makes QP and Qy. The problem must stay where it is. */
bnorm_status bnorm_top_create(bnorm_ctx *ctx, const problem *p, top *t);
void bnorm_top_free(top *t);

/* Where V of network k goes: columns of A. */
bnorm_mat_f64 bnorm_top_v(const top *t, ptrdiff_t k);
/* V of all networks by inference, side by side: rows x top_count. */
bnorm_status bnorm_top_outputs(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 v);
/* The same into A, and projected. */
bnorm_status bnorm_top_infer(bnorm_ctx *ctx, top *t);
/* The columns of V in A are projected in place. */
bnorm_status bnorm_top_project(bnorm_ctx *ctx, top *t);
/* b, e, loss and penalty. The logistic one starts from b. */
void bnorm_top_solve(bnorm_ctx *ctx, top *t);
/* theta and G2 of the problem from b, and the reverse. */
void bnorm_top_write(const top *t);
void bnorm_top_read(top *t);
/* dR/dV = pull b': pull_i = -2 omega E/n, or -omega (t - p)/n. No further projection: QE = E. */
double bnorm_top_pull(const top *t, ptrdiff_t i);

/* sum ridge_j b_j^2 */
double bnorm_top_penalty(const top *t, const double *b);

/* The logistic loss of a score and its probability. */
double bnorm_top_logistic(double score, double target, double *p);
void bnorm_top_newton(bnorm_ctx *ctx, top *t);

#endif
