/* train_support: what the suites of training share. */
#ifndef BNORM_TESTS_TRAIN_SUPPORT_H
#define BNORM_TESTS_TRAIN_SUPPORT_H

#include "support.h"

enum { P = 5, MOST = 4096 };

typedef struct problem {
    bnorm_ctx *ctx;
    bnorm_net *net;
    ptrdiff_t rows;
    double x[MOST * P], y[MOST], w[MOST];
    bnorm_mat_f64 mx, my;
    const bnorm_loss *loss;
    bnorm_fit_options options;
    bnorm_fit_report report;
} problem;

/* y = sin(x0) + x1 x2 + noise, or its sign as a class; options at their defaults, no network */
problem *make_problem(int threads, ptrdiff_t rows, int classes);
void free_problem(problem *p);
/* P -> hidden (batchnorm, activation, dropout) -> 1 in place of the present network; hidden 0:
 * no hidden layer */
void add_net(problem *p, ptrdiff_t hidden, const char *activation, double dropout);
bnorm_status fit_it(problem *p);
/* The last third of the rows validates. */
bnorm_status fit_validated(problem *p);
/* To be freed. */
double *copy_parameters(const problem *p, ptrdiff_t *count);
/* R of the present parameters with population statistics */
double loss_now(problem *p);

#endif
