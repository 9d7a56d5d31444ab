/* exact: normalisation by its definitions in MPFR at 256 bits, one line of values at a time: a
 * column (batch normalisation) or a row (layer normalisation). Results are rounded once, to long
 * double. */
#ifndef BNORM_BENCH_EXACT_H
#define BNORM_BENCH_EXACT_H

#include <stddef.h>

typedef struct exact_line {
    ptrdiff_t n;
    const double *x; /* n values; with g the rows of n x inputs: the line is then z = x g */
    const double *g;
    ptrdiff_t inputs;
    const double *w;            /* n values of dy, or NULL: no backward */
    const double *gamma, *beta; /* value i is at i step: step 0 is one for all */
    ptrdiff_t step;
    double eps, ddof;
    const double *given; /* mean and variance, or NULL: those of the line */
} exact_line;

enum { EXACT_MEAN, EXACT_M2, EXACT_RSTD, EXACT_DGAMMA, EXACT_DBETA, EXACT_SUMS };

/* sums: EXACT_SUMS values. zhat, y, dx: n values each, or NULL. With u = gamma w,
 *   dx = rstd [ u - mean(u) - zhat sum(zhat u)/(n - ddof) ],
 * which is (B3) for a gamma of the whole line. Returns 0, or -1 without memory. */
int bnorm_exact_line(const exact_line *line, long double *sums, long double *zhat,
                     long double *y, long double *dx);

/* out_j = sum_i a_ij b_ij for `count` lines i of n values. */
void bnorm_exact_sums(ptrdiff_t count, ptrdiff_t n, const long double *a, const double *b,
                      long double *out);

#endif
