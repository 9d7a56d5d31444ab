/* net_support: small networks, their blocks, and random data. */
#include "net_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bnorm_net *make_net(bnorm_ctx *ctx, ptrdiff_t inputs, ptrdiff_t hidden, ptrdiff_t outputs,
                    bnorm_rule rule, const char *activation)
{
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, inputs, &net));
    if (hidden) {
        assert_ok(ctx, bnorm_net_dense(ctx, net, hidden));
        assert_ok(ctx, bnorm_net_batchnorm(ctx, net, rule));
        assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find(activation)));
    }
    assert_ok(ctx, bnorm_net_dense(ctx, net, outputs));
    assert_ok(ctx, bnorm_net_start(ctx, net, 7));
    return net;
}

double *block_of(bnorm_ctx *ctx, bnorm_net *net, double *vector, const char *name)
{
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) {
        bnorm_block b;
        assert_ok(ctx, bnorm_net_block(ctx, net, k, &b));
        if (strcmp(b.name, name) == 0) return vector + b.offset;
    }
    fail_msg("no block %s", name);
    return NULL;
}

double *random_values(uint64_t stream, ptrdiff_t count)
{
    double *v = malloc((size_t)count * sizeof *v);
    bnorm_random_normal(42, stream, 0, count, v);
    return v;
}

bnorm_mat_f64 rows_of(const double *v, ptrdiff_t rows, ptrdiff_t cols)
{
    return bnorm_view_f64(v, rows, cols, BNORM_ROW_MAJOR);
}

void assert_near(double got, double expected, double tolerance)
{
    if (fabs(got - expected) <= tolerance) return;
    print_error("%.17g, expected %.17g within %g\n", got, expected, tolerance);
    fail();
}
