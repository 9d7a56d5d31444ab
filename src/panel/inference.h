/* inference: derivatives of a fitted problem, for covariances, marginal effects and bands.
 *
 * Parameters are in the order theta, G2 of each network, and, with `full`, the parameters of each
 * network. The score is P theta + V G2, without fixed effects. */
#ifndef BNORM_PANEL_INFERENCE_H
#define BNORM_PANEL_INFERENCE_H

#include "panel/covariance.h"
#include "panel/problem.h"

/* A full Jacobian of more values than this is refused (2 GiB). */
#define BNORM_JACOBIAN_LIMIT ((ptrdiff_t)1 << 28)

ptrdiff_t bnorm_problem_parameters(const problem *p, int full);

/* The derivative of the score in the parameters: rows x parameters. projected: of Q score. The
 * rows of the problem move the statistics of normalisation.
 * Errors: DATA (the Jacobian is too large), ARGUMENT (full: dropout, a layer of the caller's),
 *   MEMORY, and those of bnorm_demean_f64. */
bnorm_status bnorm_problem_jacobian(bnorm_ctx *ctx, const problem *p, int full, int projected,
                                    bnorm_mat_f64 out);

/* The same for other rows, whose P and X are given: the problem's rows make the statistics.
 * new_p: count x linear; new_x: a matrix for each network. out: count x parameters. */
bnorm_status bnorm_problem_jacobian_at(bnorm_ctx *ctx, const problem *p, int full,
                                       bnorm_mat_f64 new_p, const bnorm_mat_f64 *new_x,
                                       bnorm_mat_f64 out);

/* The penalties as bnorm_covariance_make takes them: what they add to the diagonal of J'omega J,
 * or of the Hessian. lambda: of hidden weights, G2 and theta as the problem and its networks have
 * them. penalty: parameters. *any: 0 when all are 0. */
bnorm_status bnorm_problem_penalties(bnorm_ctx *ctx, const problem *p, int full,
                                     double *penalty, int *any);

/* How a variable enters: its column of P, or -1; and its columns of the networks' X (-1: not in
 * that network), which hold (variable - center)/scale. */
typedef struct problem_variable {
    ptrdiff_t linear;
    const ptrdiff_t *column; /* of each network; and so are: */
    const double *center, *scale;
} problem_variable;

/* The average marginal effects of `count` variables: (1/n) sum omega d response/d variable, where
 * the response is the score, or the probability of a logistic problem, by inference. gradients:
 * count x parameters, their derivatives in the parameters, which move the statistics of
 * normalisation too; or NULL. Exact in theta and G2 of the squared loss; the others are difference
 * quotients of fourth order of exact gradients, right to 1e-9 or so of their size for smooth
 * activations. At a kink (relu, leaky_relu) the effect of a row jumps, and what is taken is the
 * derivative of the effect averaged over a band of rows^(-1/5) scaled units.
 * Errors: ARGUMENT, DOMAIN, MEMORY. */
bnorm_status bnorm_problem_margins(bnorm_ctx *ctx, const problem *p, int full,
                                   const problem_variable *v, ptrdiff_t count,
                                   double *estimates, double *gradients);

/* effects[k] = the weighted mean of the response with the variable at[k] in every row, less the
 * mean as it is. gradients: count x parameters, exact; or NULL. */
bnorm_status bnorm_problem_profile(bnorm_ctx *ctx, const problem *p, int full,
                                   const problem_variable *v, ptrdiff_t count, const double *at,
                                   double *effects, double *gradients);

/* What the fixed effects are made of, as functions of the parameters: with r = y - J b, effects =
 * A y - (A J) b. out: (levels of all factors) x parameters, A J, row-major; j: the Jacobian that
 * is not projected. */
bnorm_status bnorm_problem_effect_design(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 j,
                                         bnorm_mat_f64 out);

#endif
