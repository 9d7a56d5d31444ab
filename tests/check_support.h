/* check_support: what the suites of the gradient check share. */
#ifndef BNORM_TESTS_CHECK_SUPPORT_H
#define BNORM_TESTS_CHECK_SUPPORT_H

#include "support.h"

enum { N = 24, P = 4, Q = 3, BLOCKS = 24 };

typedef struct data {
    double x[N * P], y[N * 2], w[N];
} data;

data make_data(const char *loss);
/* bnorm_net_check of every entry; report: BLOCKS */
bnorm_status check(bnorm_ctx *ctx, bnorm_net *net, data *d, const double *w, const char *loss,
                   bnorm_check_block *report);
void print_report(const bnorm_net *net, const bnorm_check_block *report);
/* Asserts that every block is right. */
void assert_right(bnorm_ctx *ctx, bnorm_net *net, data *d, const double *w, const char *loss);
/* Two hidden layers, the second narrower; start values away from 1 and 0. rule NULL: no
 * batchnorm */
bnorm_net *make_net(bnorm_ctx *ctx, const bnorm_rule *rule, const char *activation,
                    double dropout, ptrdiff_t outputs);

#endif
