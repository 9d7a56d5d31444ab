/* predict: inference by blocks of rows, and what is computed from it: the loss and the
 * population statistics. Each row is made alone (rows.c), so its bits do not depend on the
 * others; the blocks bound the memory and are cut by the widths of the network alone. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"

enum { VALUES = 1 << 20, FEWEST = 64, MOST = 8192 };

static ptrdiff_t block_rows(const bnorm_net *net)
{
    ptrdiff_t rows = VALUES / (net->widest < VALUES ? net->widest : VALUES);
    if (rows > MOST) rows = MOST;
    return rows < FEWEST ? FEWEST : rows;
}

static bnorm_status reserve(bnorm_ctx *ctx, bnorm_net *net, ptrdiff_t rows)
{
    ptrdiff_t block = block_rows(net);
    if (rows > block) rows = block;
    bnorm_status status = bnorm_buffer_reserve(ctx, &net->infer[0], rows, net->widest);
    if (status == BNORM_OK)
        status = bnorm_buffer_reserve(ctx, &net->infer[1], rows, net->widest);
    return status;
}

/* Where the layer may write: over its input when it works element by element, in the other
 * buffer otherwise; never over the caller's data. */
static double *output(const bnorm_net *net, const layer *l, const double *x)
{
    int elementwise = l->kind != BNORM_LAYER_DENSE && l->kind != BNORM_LAYER_USER;
    int second = x == net->infer[1].data;
    if (x != net->infer[0].data && !second) return net->infer[0].data;
    return net->infer[elementwise ? second : !second].data;
}

/* The outputs of the first `depth` layers for some rows of x, in memory of the network (or x
 * itself). */
static bnorm_status infer(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, ptrdiff_t first,
                          ptrdiff_t rows, ptrdiff_t depth, bnorm_mat_f64 *out)
{
    bnorm_pass pass = {.first_row = first, .ctx = ctx};
    bnorm_layer_kind kind = net->layers[0]->kind;
    int packed = kind != BNORM_LAYER_DENSE && kind != BNORM_LAYER_BATCHNORM;
    x = bnorm_rows_of(x, first, rows);
    bnorm_status status = bnorm_row_major(ctx, x, packed, &net->infer_x, out);
    for (ptrdiff_t k = 0; k < depth && status == BNORM_OK; k++) {
        layer *l = net->layers[k];
        if (l->kind == BNORM_LAYER_DROPOUT) continue;
        double *data = output(net, l, out->data);
        bnorm_mat_f64 y = bnorm_view_f64(data, rows, l->outputs, BNORM_ROW_MAJOR);
        int code = l->ops.forward(l->ops.user, &pass, net->parameters + l->offset, *out, y);
        status = bnorm_layer_status(ctx, l, "forward", code);
        *out = y;
    }
    return status;
}

/* ------------------------------------------------------------------------------- predict */

static bnorm_status check_scores(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x,
                                 bnorm_mat_f64 scores)
{
    ptrdiff_t outputs = bnorm_net_outputs(net);
    int row_major = scores.layout == BNORM_ROW_MAJOR;
    if (scores.rows != x.rows || scores.cols != outputs)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "scores is %td x %td and should be %td x %td",
                          scores.rows, scores.cols, x.rows, outputs);
    if ((!row_major && scores.layout != BNORM_COL_MAJOR) || (!scores.data && x.rows > 0) ||
        scores.ld < (row_major ? scores.cols : scores.rows))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "scores is not a legal matrix");
    return BNORM_OK;
}

bnorm_status bnorm_net_predict(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                               bnorm_mat_f64 scores)
{
    bnorm_status status = bnorm_net_check_x(ctx, net, x);
    if (status == BNORM_OK) status = check_scores(ctx, net, x, scores);
    if (status == BNORM_OK) status = reserve(ctx, net, x.rows);
    ptrdiff_t step = status == BNORM_OK ? block_rows(net) : 1;
    for (ptrdiff_t i = 0; i < x.rows && status == BNORM_OK; i += step) {
        ptrdiff_t rows = i + step < x.rows ? step : x.rows - i;
        bnorm_mat_f64 out;
        status = infer(ctx, net, x, i, rows, net->layer_count, &out);
        if (status == BNORM_OK) bnorm_copy(out, bnorm_rows_of(scores, i, rows));
    }
    return status;
}

/* ---------------------------------------------------------------------------------- loss */

/* R = sum over the blocks of sum(omega l) / n */
static bnorm_status sum_loss(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                             const double *weights, double n, const bnorm_loss *loss,
                             double *value)
{
    ptrdiff_t step = block_rows(net);
    *value = 0;
    for (ptrdiff_t i = 0; i < x.rows; i += step) {
        ptrdiff_t rows = i + step < x.rows ? step : x.rows - i;
        bnorm_mat_f64 out;
        bnorm_status status = infer(ctx, net, x, i, rows, net->layer_count, &out);
        if (status != BNORM_OK) return status;
        criterion part = {.loss = loss, .y = bnorm_rows_of(y, i, rows), .n = n};
        part.weights = weights ? weights + i : NULL;
        *value += bnorm_objective_value(ctx, &part, out);
    }
    return BNORM_OK;
}

bnorm_status bnorm_net_loss(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                            const double *weights, const bnorm_loss *loss, double *value)
{
    double n;
    if (!value) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "value is NULL");
    bnorm_status status = bnorm_net_check_x(ctx, net, x);
    if (status == BNORM_OK) status = bnorm_net_check_targets(ctx, net, x, y, loss);
    if (status == BNORM_OK) status = bnorm_net_check_weights(ctx, x.rows, weights, &n);
    if (status == BNORM_OK) status = reserve(ctx, net, x.rows);
    bnorm_mat_f64 targets;
    if (status == BNORM_OK) status = bnorm_row_major(ctx, y, 0, &net->y_copy, &targets);
    if (status != BNORM_OK) return status;
    return sum_loss(ctx, net, x, targets, weights, n, loss, value);
}

/* ---------------------------------------------------------------------------- population */

/* Moments of the input of layer k over all rows, block after block (maths.md section 5); mean
 * and m2 are in the first half of net->moments. */
static bnorm_status merge_moments(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                  const double *weights, ptrdiff_t k, double *n)
{
    ptrdiff_t step = block_rows(net), cols = net->layers[k]->inputs;
    double *mean = net->moments, *m2 = mean + cols, *mean_b = m2 + cols, *m2_b = mean_b + cols;
    bnorm_status status = BNORM_OK;
    *n = 0;
    memset(mean, 0, 2 * (size_t)cols * sizeof *mean);
    for (ptrdiff_t i = 0; i < x.rows && status == BNORM_OK; i += step) {
        ptrdiff_t rows = i + step < x.rows ? step : x.rows - i;
        bnorm_mat_f64 z;
        double n_b;
        status = infer(ctx, net, x, i, rows, k, &z);
        if (status == BNORM_OK)
            status =
                bnorm_moments_f64(ctx, z, weights ? weights + i : NULL, &n_b, mean_b, m2_b);
        if (status == BNORM_OK)
            status = bnorm_moments_merge(ctx, cols, n, mean, m2, n_b, mean_b, m2_b);
    }
    return status;
}

static bnorm_status set_statistics(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                   const double *weights, ptrdiff_t k)
{
    layer *l = net->layers[k];
    double n;
    bnorm_status status = merge_moments(ctx, net, x, weights, k, &n);
    if (status != BNORM_OK) return status;
    memcpy(l->mean, net->moments, (size_t)l->inputs * sizeof *l->mean);
    const double *m2 = net->moments + l->inputs;
    for (ptrdiff_t j = 0; j < l->inputs; j++) {
        l->var[j] = m2[j] / (n - l->rule.ddof);
        if (!isfinite(l->mean[j]) || !isfinite(l->var[j]))
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "layer %td (batchnorm), column %td: the mean is %g and the "
                              "variance %g; the network keeps its statistics",
                              l->number, j + 1, l->mean[j], l->var[j]);
    }
    return BNORM_OK;
}

static bnorm_status check_degrees(bnorm_ctx *ctx, const bnorm_net *net, double n)
{
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const layer *l = net->layers[k];
        if (l->kind == BNORM_LAYER_BATCHNORM && !(n - l->rule.ddof > 0))
            return bnorm_fail(ctx, BNORM_E_DOMAIN,
                              "layer %td (batchnorm): n - ddof = %g - %g must be positive",
                              l->number, n, l->rule.ddof);
    }
    return BNORM_OK;
}

/* A layer's statistics depend on those before it: one pass over the rows for each. */
static bnorm_status set_all(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                            const double *weights)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < net->layer_count && status == BNORM_OK; k++)
        if (net->layers[k]->kind == BNORM_LAYER_BATCHNORM)
            status = set_statistics(ctx, net, x, weights, k);
    return status;
}

/* All of them or, after a failure, none. */
bnorm_status bnorm_net_population(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                  const double *weights)
{
    double n;
    bnorm_status status = bnorm_net_check_x(ctx, net, x);
    if (status == BNORM_OK) status = bnorm_net_check_weights(ctx, x.rows, weights, &n);
    if (status == BNORM_OK) status = check_degrees(ctx, net, n);
    if (status == BNORM_OK) status = reserve(ctx, net, x.rows);
    if (status != BNORM_OK) return status;
    size_t bytes = (size_t)net->statistic_count * sizeof *net->statistics;
    memcpy(net->before, net->statistics, bytes);
    status = set_all(ctx, net, x, weights);
    if (status != BNORM_OK) memcpy(net->statistics, net->before, bytes);
    return status;
}
