/* covariance_support: small dense algebra in long double, and data, for the suites of inference. */
#ifndef BNORM_TESTS_COVARIANCE_SUPPORT_H
#define BNORM_TESTS_COVARIANCE_SUPPORT_H

#include "support.h"

#include "panel/covariance.h"

enum { N = 90, K = 3, UNITS = 9, PERIODS = 10, DUMMIES = UNITS };

/* y = X b + unit effects + noise that is not equal in variance; J = Q X, E = Q(y - X b) at the
 * weighted least-squares b; all in long double, rounded once. */
typedef struct sample {
    double x[N * K], y[N], w[N], j[N * K], e[N], b[K];
    int32_t unit[N], period[N], alone[N];
    long double full[N * (K + DUMMIES)]; /* X and a dummy for each unit */
} sample;
sample *make_sample(uint64_t seed, int weighted);

/* The request of a type on a sample's projected design. */
covariance_request request_of(const sample *s, bnorm_vcov_type type, int weighted);

/* a (n x n) = its inverse, by Gauss and Jordan with pivots. */
void invert_long(int n, long double *a);
/* Reference: bread meat bread on the design with dummies; out: K x K of the terms. groups: rows
 * or NULL for a group each; factor: what the meat is multiplied by. */
void reference_sandwich(const sample *s, int weighted, const int32_t *groups,
                        long double factor, long double *out);
void reference_classical(const sample *s, int weighted, long double *out);

/* Elements within `relative` of the product of the standard errors. */
void assert_matrix(const double *got, const long double *expected, int n, double relative);

#endif
