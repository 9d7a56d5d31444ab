/* problem_support: structured models made of random numbers, for the suites of src/panel. */
#ifndef BNORM_TESTS_PROBLEM_SUPPORT_H
#define BNORM_TESTS_PROBLEM_SUPPORT_H

#include "panel/panel.h"
#include "support.h"

typedef struct setting {
    ptrdiff_t rows, units, periods; /* units 0: no fixed effects; periods 0: no second factor */
    ptrdiff_t linear;
    int weighted, logistic;
    int networks;        /* 0, 1, 2 */
    ptrdiff_t hidden[2]; /* units of the layers of each; 0: one layer */
    int plain;           /* no batch normalisation */
    double eps, dropout;
    double penalty, penalty_top, penalty_linear;
    const char *activation; /* NULL: tanh */
    uint64_t seed;
} setting;

typedef struct sample_problem {
    bnorm_ctx *ctx;
    problem p;
    bnorm_factor factors[2];
    problem_network networks[2];
    bnorm_within *within;
    double *y, *weights, *linear, *x[2], *theta, *top[2];
    int32_t *unit, *period;
} sample_problem;

/* Units of unequal sizes in any order; linear terms and inputs that differ between units; y is a
 * function of both, effects and noise. Without factors the first column of P is 1. */
sample_problem *sample_make(const setting *s, int threads);
void sample_free(sample_problem *s);

/* Least squares of y (rows) on the columns of the row-major x, in long double, by Householder; a
 * dependent column gets 0. */
void dense_least(ptrdiff_t rows, ptrdiff_t cols, const double *x, const double *y,
                 const double *weights, double *b);
/* Columns of a as a row-major rows x cols: dummies of all factors, then P. *cols: how many. */
double *dense_design(const problem *p, ptrdiff_t *cols);

double *normals(uint64_t stream, ptrdiff_t count);

#endif
