/* check_support: networks and data whose gradients are checked. */
#include "check_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

data make_data(const char *loss)
{
    data d;
    bnorm_random_normal(21, 1, 0, N * P, d.x);
    bnorm_random_normal(21, 2, 0, N * 2, d.y);
    for (int i = 0; i < N; i++) d.w[i] = 0.5 * (i % 4);
    if (strcmp(loss, "squared") != 0)
        for (int i = 0; i < 2 * N; i++) d.y[i] = d.y[i] > 0;
    return d;
}

bnorm_status check(bnorm_ctx *ctx, bnorm_net *net, data *d, const double *w, const char *loss,
                   bnorm_check_block *report)
{
    const bnorm_loss *l = bnorm_loss_find(loss);
    assert_true(bnorm_net_block_count(net) <= BLOCKS);
    ptrdiff_t targets = l->targets ? l->targets : bnorm_net_outputs(net);
    return bnorm_net_check(ctx, net, bnorm_view_f64(d->x, N, P, BNORM_ROW_MAJOR),
                           bnorm_view_f64(d->y, N, targets, BNORM_ROW_MAJOR), w, l, 9, 0,
                           report);
}

void print_report(const bnorm_net *net, const bnorm_check_block *report)
{
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++)
        print_message("%-8s (%td,%td) analytic %.12g numeric %.12g error %.2g bound %.2g %s\n",
                      report[k].name, report[k].row, report[k].col, report[k].analytic,
                      report[k].numeric, report[k].error, report[k].bound,
                      report[k].ok ? "" : "WRONG");
}

void assert_right(bnorm_ctx *ctx, bnorm_net *net, data *d, const double *w, const char *loss)
{
    bnorm_check_block report[BLOCKS];
    bnorm_status status = check(ctx, net, d, w, loss, report);
    if (status != BNORM_OK) print_report(net, report);
    assert_ok(ctx, status);
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) assert_true(report[k].ok);
}

bnorm_net *make_net(bnorm_ctx *ctx, const bnorm_rule *rule, const char *activation,
                    double dropout, ptrdiff_t outputs)
{
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, P, &net));
    for (int h = 0; h < 2; h++) {
        assert_ok(ctx, bnorm_net_dense(ctx, net, Q - h));
        if (rule) assert_ok(ctx, bnorm_net_batchnorm(ctx, net, *rule));
        assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find(activation)));
        if (dropout > 0) assert_ok(ctx, bnorm_net_dropout(ctx, net, dropout));
    }
    assert_ok(ctx, bnorm_net_dense(ctx, net, outputs));
    assert_ok(ctx, bnorm_net_start(ctx, net, 2));
    ptrdiff_t count;
    double *p = bnorm_net_parameters(net, &count), *noise = malloc((size_t)count * sizeof *p);
    bnorm_random_normal(6, 6, 0, count, noise);
    for (ptrdiff_t k = 0; k < count; k++) p[k] += 0.3 * noise[k];
    free(noise);
    return net;
}
