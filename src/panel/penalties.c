/* penalties: of the objective, as a covariance takes them. The objective of a problem is
 *     sum omega E^2/(n s^2) + sum ridge_j b_j^2 + lambda |hidden|^2,  theta = s b/scale, G2 = s b,
 * and n s^2 times that is sum omega E^2 + sum penalty_j parameter_j^2. The logistic loss enters
 * with its Hessian, which has twice the penalties. */
#include <string.h>

#include "panel/inference.h"
#include "panel/top.h"

#include "matrix/view.h"

static bnorm_status hidden(bnorm_ctx *ctx, bnorm_net *net, double times, double *penalty,
                           ptrdiff_t *count)
{
    (void)bnorm_net_parameters(net, count);
    memset(penalty, 0, (size_t)*count * sizeof *penalty);
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) {
        bnorm_block b;
        BNORM_TRY(bnorm_net_block(ctx, net, k, &b));
        for (ptrdiff_t i = 0; i < b.rows * b.cols; i++)
            penalty[b.offset + i] = times * b.penalty;
    }
    return BNORM_OK;
}

bnorm_status bnorm_problem_penalties(bnorm_ctx *ctx, const problem *p, int full,
                                     double *penalty, int *any)
{
    top t;
    BNORM_TRY(bnorm_top_create(ctx, p, &t));
    double n = (p->logistic ? 2 : 1) * p->n, s2 = t.s * t.s, *to = penalty + t.count;
    for (ptrdiff_t j = 0; j < t.count; j++)
        penalty[j] = n * t.ridge[j] * (j < t.linear ? t.scale[j] * t.scale[j] : 1);
    bnorm_top_free(&t);
    for (ptrdiff_t k = 0; full && k < p->network_count; k++) {
        ptrdiff_t count;
        BNORM_TRY(hidden(ctx, p->networks[k].net, n * s2, to, &count));
        to += count;
    }
    *any = 0;
    for (ptrdiff_t j = 0; j < to - penalty; j++) *any |= penalty[j] > 0;
    return BNORM_OK;
}
