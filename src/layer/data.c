/* data: the checks of matrices, weights and targets against a network, with the messages. */
#include <limits.h>
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"

static int legal_view(bnorm_mat_f64 x)
{
    int row_major = x.layout == BNORM_ROW_MAJOR;
    ptrdiff_t width = row_major ? x.cols : x.rows, count = row_major ? x.rows : x.cols, size;
    if ((!row_major && x.layout != BNORM_COL_MAJOR) || x.rows < 0 || x.cols < 0) return 0;
    if (x.ld < width || !bnorm_multiply(x.ld, count, &size)) return 0;
    if (!bnorm_multiply(size, (ptrdiff_t)sizeof(double), &size)) return 0;
    return x.data || x.rows == 0 || x.cols == 0;
}

bnorm_status bnorm_net_check_x(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x)
{
    if (!net || !net->started)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the network is not started: call bnorm_net_start first");
    if (ctx && ctx->options.reduce)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "networks do not take a context with a reduction");
    if (!legal_view(x)) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "x is not a legal matrix");
    if (x.cols != net->inputs)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "x has %td columns, the network takes %td",
                          x.cols, net->inputs);
    if (x.ld > INT_MAX && x.layout == BNORM_ROW_MAJOR)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "x.ld is %td, at most %d is possible", x.ld,
                          INT_MAX);
    return BNORM_OK;
}

bnorm_status bnorm_net_check_weights(bnorm_ctx *ctx, ptrdiff_t rows, const double *weights,
                                     double *n)
{
    double sum = weights ? 0 : (double)rows;
    for (ptrdiff_t i = 0; weights && i < rows; i++) {
        if (!(weights[i] >= 0) || !isfinite(weights[i]))
            return bnorm_fail(
                ctx, BNORM_E_ARGUMENT,
                "the weight of row %td is %g: weights are finite and not negative", i + 1,
                weights[i]);
        sum += weights[i];
    }
    *n = sum;
    if (!(sum > 0))
        return bnorm_fail(ctx, BNORM_E_DOMAIN,
                          rows ? "the weights are all zero: no observation is left"
                               : "there are no rows");
    if (!isfinite(sum))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the weights add up to more than any number");
    return BNORM_OK;
}

static int legal_target(const bnorm_loss *loss, ptrdiff_t scores, ptrdiff_t targets,
                        const double *row)
{
    for (ptrdiff_t k = 0; k < targets; k++)
        if (!isfinite(row[k])) return 0;
    return !loss->legal || loss->legal(loss->user, scores, row) == 0;
}

static bnorm_status illegal_target(bnorm_ctx *ctx, const bnorm_loss *loss, ptrdiff_t i,
                                   double first)
{
    return bnorm_fail(ctx, BNORM_E_DATA,
                      "the target in row %td (it begins with %g) is not legal for the loss "
                      "'%s': correct or leave out the row",
                      i + 1, first, loss->name ? loss->name : "");
}

/* v - v is 0, or undefined when v is not finite. */
static int all_finite(ptrdiff_t count, const double *v)
{
    enum { AT_ONCE = 8 };
    double sums[AT_ONCE] = {0};
    ptrdiff_t k = 0;
    for (; k + AT_ONCE <= count; k += AT_ONCE)
        for (int i = 0; i < AT_ONCE; i++) sums[i] += v[k + i] - v[k + i];
    for (; k < count; k++) sums[0] += v[k] - v[k];
    for (int i = 1; i < AT_ONCE; i++) sums[0] += sums[i];
    return sums[0] == 0;
}

static bnorm_status check_rows(bnorm_ctx *ctx, const bnorm_loss *loss, ptrdiff_t scores,
                               bnorm_mat_f64 y)
{
    if (!loss->legal && y.ld == y.cols && all_finite(y.rows * y.cols, y.data)) return BNORM_OK;
    for (ptrdiff_t i = 0; i < y.rows; i++)
        if (!legal_target(loss, scores, y.cols, y.data + i * y.ld))
            return illegal_target(ctx, loss, i, y.data[i * y.ld]);
    return BNORM_OK;
}

static bnorm_status check_gathered(bnorm_ctx *ctx, const bnorm_loss *loss, ptrdiff_t scores,
                                   bnorm_mat_f64 y)
{
    double *row = bnorm_alloc(ctx, y.cols, sizeof *row);
    if (!row) return bnorm_fail_memory(ctx, "a row of targets");
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t i = 0; i < y.rows && status == BNORM_OK; i++) {
        for (ptrdiff_t k = 0; k < y.cols; k++) row[k] = y.data[i + k * y.ld];
        if (!legal_target(loss, scores, y.cols, row))
            status = illegal_target(ctx, loss, i, *row);
    }
    bnorm_free(row);
    return status;
}

bnorm_status bnorm_net_check_targets(bnorm_ctx *ctx, const bnorm_net *net, bnorm_mat_f64 x,
                                     bnorm_mat_f64 y, const bnorm_loss *loss)
{
    if (!loss || !loss->value || !loss->gradient)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "a loss needs a value and a gradient");
    ptrdiff_t scores = bnorm_net_outputs(net);
    ptrdiff_t targets = loss->targets > 0 ? loss->targets : scores;
    if (!legal_view(y)) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "y is not a legal matrix");
    if (y.rows != x.rows || y.cols != targets)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "y is %td x %td, the loss '%s' takes %td x %td here", y.rows, y.cols,
                          loss->name ? loss->name : "", x.rows, targets);
    return y.layout == BNORM_ROW_MAJOR ? check_rows(ctx, loss, scores, y)
                                       : check_gathered(ctx, loss, scores, y);
}
