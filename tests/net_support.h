/* net_support: what the suites of networks share. */
#ifndef BNORM_TESTS_NET_SUPPORT_H
#define BNORM_TESTS_NET_SUPPORT_H

#include "support.h"

/* inputs -> hidden (batchnorm, activation) -> outputs, started; hidden 0: no hidden layer */
bnorm_net *make_net(bnorm_ctx *ctx, ptrdiff_t inputs, ptrdiff_t hidden, ptrdiff_t outputs,
                    bnorm_rule rule, const char *activation);
/* Where a block lies in a parameter vector or gradient; fails the test when there is none. */
double *block_of(bnorm_ctx *ctx, bnorm_net *net, double *vector, const char *name);
/* Standard normal; to be freed. */
double *random_values(uint64_t stream, ptrdiff_t count);
/* A row-major view. */
bnorm_mat_f64 rows_of(const double *v, ptrdiff_t rows, ptrdiff_t cols);
void assert_near(double got, double expected, double tolerance);

#endif
