/* train_support: a problem that can be learnt, and fits of it. */
#include "train_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layer/layer.h"

static const bnorm_mat_f64 none;

problem *make_problem(int threads, ptrdiff_t rows, int classes)
{
    problem *p = calloc(1, sizeof *p);
    p->ctx = make_ctx(threads);
    p->rows = rows;
    bnorm_random_normal(11, 1, 0, rows * P, p->x);
    bnorm_random_normal(11, 2, 0, rows, p->y);
    for (ptrdiff_t i = 0; i < rows; i++) {
        const double *x = p->x + i * P;
        p->y[i] = 0.1 * p->y[i] + sin(x[0]) + x[1] * x[2];
        if (classes) p->y[i] = p->y[i] > 0;
        p->w[i] = (double)(i % 3);
    }
    p->mx = bnorm_view_f64(p->x, rows, P, BNORM_ROW_MAJOR);
    p->my = bnorm_view_f64(p->y, rows, 1, BNORM_ROW_MAJOR);
    p->loss = bnorm_loss_find(classes ? "logistic" : "squared");
    bnorm_fit_defaults(&p->options);
    return p;
}

void add_net(problem *p, ptrdiff_t hidden, const char *activation, double dropout)
{
    bnorm_net_destroy(p->net);
    assert_ok(p->ctx, bnorm_net_create(p->ctx, P, &p->net));
    if (hidden) {
        assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, hidden));
        assert_ok(p->ctx, bnorm_net_batchnorm(p->ctx, p->net, (bnorm_rule){1e-5, 1}));
        assert_ok(p->ctx,
                  bnorm_net_activation(p->ctx, p->net, bnorm_activation_find(activation)));
        if (dropout > 0) assert_ok(p->ctx, bnorm_net_dropout(p->ctx, p->net, dropout));
    }
    assert_ok(p->ctx, bnorm_net_dense(p->ctx, p->net, 1));
    assert_ok(p->ctx, bnorm_net_start(p->ctx, p->net, 5));
}

bnorm_status fit_it(problem *p)
{
    return bnorm_fit(p->ctx, p->net, p->mx, p->my, NULL, none, none, NULL, p->loss, &p->options,
                     &p->report);
}

bnorm_status fit_validated(problem *p)
{
    ptrdiff_t cut = p->rows * 2 / 3;
    return bnorm_fit(p->ctx, p->net, bnorm_rows_of(p->mx, 0, cut), bnorm_rows_of(p->my, 0, cut),
                     NULL, bnorm_rows_of(p->mx, cut, p->rows - cut),
                     bnorm_rows_of(p->my, cut, p->rows - cut), NULL, p->loss, &p->options,
                     &p->report);
}

void free_problem(problem *p)
{
    bnorm_net_destroy(p->net);
    bnorm_ctx_destroy(p->ctx);
    free(p);
}

double *copy_parameters(const problem *p, ptrdiff_t *count)
{
    const double *now = bnorm_net_parameters(p->net, count);
    double *copy = malloc((size_t)*count * sizeof *copy);
    memcpy(copy, now, (size_t)*count * sizeof *copy);
    return copy;
}

double loss_now(problem *p)
{
    double value;
    assert_ok(p->ctx, bnorm_net_population(p->ctx, p->net, p->mx, NULL));
    assert_ok(p->ctx, bnorm_net_loss(p->ctx, p->net, p->mx, p->my, NULL, p->loss, &value));
    return value;
}
