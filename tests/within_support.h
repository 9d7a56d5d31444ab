/* within_support: random panels, and the projection by dense least squares in long double. */
#ifndef BNORM_TESTS_WITHIN_SUPPORT_H
#define BNORM_TESTS_WITHIN_SUPPORT_H

#include "support.h"

enum { MOST_FACTORS = 4 };

/* How a panel is made; the first members are set by the test. */
typedef struct panel {
    ptrdiff_t rows, count, levels[MOST_FACTORS];
    int slopes[MOST_FACTORS]; /* 1: the factor is a slope. */
    int twin[MOST_FACTORS];   /* k + 1: the codes of factor k; 0: its own */
    int weighted;             /* some of the weights are 0 */
    int islands;              /* so many parts that no factor's level joins; 0: 1 */
    uint64_t seed;
    int32_t *codes[MOST_FACTORS];
    double *slope[MOST_FACTORS], *weights;
    bnorm_factor factors[MOST_FACTORS];
} panel;

void panel_make(panel *p);
void panel_free(panel *p);

bnorm_within *panel_within(const panel *p, double tolerance);

/* Numbers 0 .. count-1 of a stream, standard normal. */
void fill_normal(uint64_t seed, uint64_t stream, ptrdiff_t count, double *out);

/* Columns of D that are not a combination of earlier ones, orthonormal in the weights. */
typedef struct dense {
    ptrdiff_t rows, rank;
    const double *weights;
    long double *q; /* rank x rows */
} dense;

dense dense_make(const panel *p);
void dense_free(dense *d);
/* x becomes its residual; to (rows) gets it. */
void dense_project(const dense *d, const double *x, long double *to);

/* |x|, weighted. */
long double weighted_norm(ptrdiff_t rows, const double *weights, const double *x);

/* The largest |d'omega y|/(|d| |y|) over the columns d of D. */
double normal_equations(const panel *p, const double *y);

#endif
