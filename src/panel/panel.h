/* panel: what src/panel offers to those who make problems: the fit and what belongs to it. The
 * networks of a problem are started, their last layer is no dense one, and none has a layer of the
 * caller's. */
#ifndef BNORM_PANEL_PANEL_H
#define BNORM_PANEL_PANEL_H

#include "layer/layer.h"
#include "panel/problem.h"

/* Which columns of P the fixed effects and the columns before them explain: dropped[j] (linear
 * entries) becomes 1. Column j goes when what Q and the kept columns before it leave has a norm of
 * at most 1e-7 |P_j - mean| + 64 u |P_j|: the first columns win, and 1e-7 is that of R's lm. To be
 * asked before the problem has its `theta`; only rows, p, weights and within are read. */
bnorm_status bnorm_problem_collinear(bnorm_ctx *ctx, const problem *p, unsigned char *dropped);

/* How many columns of [P, V], V by inference, are not dropped by the same rule; all of P's
 * without networks: its collinear ones are gone. */
bnorm_status bnorm_problem_identified(bnorm_ctx *ctx, const problem *p, ptrdiff_t *count);

/* How to fit. */
typedef struct problem_fit {
    /* batch 0: 1024 rows, about, in whole units. The seed also draws the starts after the first.
     * running is refused. */
    bnorm_fit_options fit;
    ptrdiff_t starts; /* >= 1; the first is from the networks' present parameters */
    /* rows: not 0 when held out for early stopping; or NULL */
    const unsigned char *held;
    /* 1: held rows have the effects of training (periods, rows); 0: their errors are taken after
     * projecting inside the held rows (units) */
    int held_effects;
} problem_fit;
void bnorm_problem_fit_defaults(problem_fit *options);

typedef struct problem_report {
    /* Of the start that is kept. loss: sum omega E^2/(n s^2), or the mean logistic loss, of the
     * rows that were trained on, without penalties; validation: the same of the held ones, over
     * the same s^2. */
    bnorm_fit_report fit;
    ptrdiff_t starts_done;
    double best, worst;     /* objective with penalties, or validation with held rows */
    double validation_rmse; /* in the unit of y; NaN without held rows */
    double sse; /* sum omega E^2 over the rows trained on, in the squared unit of y */
} problem_report;

/* Fits the problem: parameters and inference statistics (the exact ones of its rows) of the
 * networks, theta and top. Without networks it is solved at once. The same bits for any number of
 * threads. On INTERRUPTED and NONFINITE the problem holds the best so far, and the report is
 * filled.
 * Errors: ARGUMENT (an option; the message names it), DOMAIN, NONFINITE, INTERRUPTED, MEMORY. */
bnorm_status bnorm_problem_fit(bnorm_ctx *ctx, problem *p, const problem_fit *options,
                               problem_report *report);

/* The inference statistics, theta and top of all rows of p, the hidden layers as they are: after a
 * fit that held rows out. Errors: as bnorm_problem_fit. */
bnorm_status bnorm_problem_solve(bnorm_ctx *ctx, problem *p);

/* j = Q j, columns of rows that belong to parameters. A column that the fixed effects explain, by
 * the rule of bnorm_problem_collinear, becomes 0: what is left of it is rounding, which nothing may
 * take for a direction. Errors: those of bnorm_demean_f64. */
bnorm_status bnorm_problem_project(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 j);

/* Q[P, V] in the unit of P and V, V by inference, and E = Q(y - P theta - V G2), or for the
 * logistic loss E = y - p. qp: rows x linear, qv: rows x top_count, either layout, may be parts of
 * one matrix, may be absent (data NULL). e: rows, or NULL. V of all networks side by side. */
bnorm_status bnorm_problem_design(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 qp,
                                  bnorm_mat_f64 qv, double *e);

/* score = P theta + V G2 (V by inference), without fixed effects: rows values. */
bnorm_status bnorm_problem_score(bnorm_ctx *ctx, const problem *p, double *score);

/* Some rows of a problem as a problem of their own, with a Q of their own: for what is held out,
 * folds and bags. Codes of factors and units keep their meaning. The networks are the same, and so
 * are theta and top, unless the caller points them elsewhere. */
typedef struct problem_part {
    problem problem;
    bnorm_within *within;
    buffer values, codes; /* kept when the part is taken anew */
    bnorm_factor *factors;
    problem_network *networks;
} problem_part;

/* times: how often each of the rows (count of them) counts, which multiplies its weight; or NULL.
 * *part is zero, or a part taken before (of the same problem), and is to be released in any case.
 * Errors: MEMORY, and those of bnorm_within_create. */
bnorm_status bnorm_problem_take(bnorm_ctx *ctx, const problem *from, const ptrdiff_t *rows,
                                ptrdiff_t count, const double *times, problem_part *part);
void bnorm_problem_release(problem_part *part);

/* What to hold out, a share in (0, 1): whole units drawn by the seed, the last periods, or rows
 * drawn by the seed: about the share of the rows, at least one unit, period or row, and not all.
 * held: rows. Errors: ARGUMENT (share; a single unit or period), MEMORY. */
typedef enum problem_hold { HOLD_ROWS, HOLD_UNITS, HOLD_PERIODS } problem_hold;
bnorm_status bnorm_problem_hold(bnorm_ctx *ctx, const problem *p, problem_hold what,
                                double share, uint64_t seed, unsigned char *held);

/* sum over rows of omega e^2 (errors as problem_fit measures those of held rows) and of omega, of
 * the present model for the rows of `held`, with the effects of the rows of `trained` (or of its
 * own: NULL). For folds. */
bnorm_status bnorm_problem_errors(bnorm_ctx *ctx, const problem *held, const problem *trained,
                                  double *sum, double *n);

#endif
