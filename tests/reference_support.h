/* reference_support: matrices with padding, products and comparisons for the suites of the
 * reference. Products are made in long double. */
#ifndef BNORM_TESTS_REFERENCE_SUPPORT_H
#define BNORM_TESTS_REFERENCE_SUPPORT_H

#include "support.h"

#include <float.h>

/* Rounding of sums of at most ~100 products of numbers near 1. */
#define ROUNDING (1000 * DBL_EPSILON)

double *cell_of(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j);
bnorm_mat_f64 padded_matrix(ptrdiff_t rows, ptrdiff_t cols, bnorm_layout layout);
bnorm_mat_f64 random_matrix(uint64_t stream, ptrdiff_t rows, ptrdiff_t cols,
                            bnorm_layout layout);
bnorm_mat_f64 product_of(bnorm_mat_f64 a, bnorm_mat_f64 b);
bnorm_mat_f64 transpose_of(bnorm_mat_f64 a);
double largest_of(bnorm_mat_f64 a);
void assert_within(bnorm_mat_f64 a, bnorm_mat_f64 b, double bound, double terms);
void assert_near(bnorm_mat_f64 a, bnorm_mat_f64 b, double bound);
bnorm_mat_f64 vec_of(bnorm_mat_f64 a);
void free_all(int count, const bnorm_mat_f64 *m);

#endif
