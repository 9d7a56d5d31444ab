/* normalise: the statistics of Z = X G1 and zhat by their definitions, in two passes. The mean
 * is taken about a value of the column, so a constant column has variance exactly 0. */
#include "reference/reference.h"

#include <math.h>

#include "base/ctx.h"

void bnorm_reference_check_rule(reference_call *call, bnorm_rule rule)
{
    bnorm_reference_require(call, isfinite(rule.eps) && rule.eps >= 0,
                            "eps must be finite and not negative");
    bnorm_reference_require(call, isfinite(rule.ddof) && rule.ddof >= 0,
                            "ddof must be finite and not negative");
}

static double weight(const double *weights, ptrdiff_t i)
{
    return weights ? weights[i] : 1;
}

ptrdiff_t bnorm_reference_divisor(reference_call *call, ptrdiff_t rows, const double *weights,
                                  bnorm_rule rule, reference_layer *layer)
{
    ptrdiff_t first = rows;
    layer->n = 0;
    for (ptrdiff_t i = 0; i < rows && !call->status; i++) {
        double omega = weight(weights, i);
        if (!isfinite(omega) || omega < 0)
            call->status = bnorm_fail(call->ctx, BNORM_E_ARGUMENT,
                                      "%s: weight %td is %g; weights are finite and >= 0",
                                      call->name, i + 1, omega);
        layer->n += omega;
        if (omega > 0 && first == rows) first = i;
    }
    layer->divisor = layer->n - rule.ddof;
    if (!call->status && !(layer->divisor > 0))
        call->status =
            bnorm_fail(call->ctx, BNORM_E_DOMAIN, "%s: n - ddof = %g - %g must be positive",
                       call->name, layer->n, rule.ddof);
    return first;
}

/* z is one column, replaced by zhat. */
static void normalise_column(double *z, ptrdiff_t rows, ptrdiff_t first, const double *weights,
                             double eps, reference_layer *layer, ptrdiff_t j)
{
    double sum = 0, squares = 0, pivot = z[first];
    for (ptrdiff_t i = 0; i < rows; i++) sum += weight(weights, i) * (z[i] - pivot);
    double mu = pivot + sum / layer->n;
    for (ptrdiff_t i = 0; i < rows; i++)
        squares += weight(weights, i) * (z[i] - mu) * (z[i] - mu);
    double v = squares / layer->divisor;
    layer->mu[j] = mu;
    layer->rstd[j] = v + eps == 0 ? 0 : 1 / sqrt(v + eps);
    for (ptrdiff_t i = 0; i < rows; i++) z[i] = (z[i] - mu) * layer->rstd[j];
}

static void copy(bnorm_mat_f64 from, bnorm_mat_f64 to)
{
    for (ptrdiff_t j = 0; j < from.cols; j++)
        for (ptrdiff_t i = 0; i < from.rows; i++)
            *reference_cell(to, i, j) = *reference_cell(from, i, j);
}

void bnorm_reference_normalise(reference_call *call, bnorm_mat_f64 x, bnorm_mat_f64 g1,
                               const double *weights, bnorm_rule rule, reference_layer *layer)
{
    ptrdiff_t cols = g1.data ? g1.cols : x.cols;
    layer->zhat = bnorm_reference_take(call, x.rows, cols);
    layer->mu = bnorm_reference_take(call, cols, 1).data;
    layer->rstd = bnorm_reference_take(call, cols, 1).data;
    ptrdiff_t first = bnorm_reference_divisor(call, x.rows, weights, rule, layer);
    if (call->status) return;
    if (g1.data)
        bnorm_reference_product(0, x, g1, layer->zhat);
    else
        copy(x, layer->zhat);
    for (ptrdiff_t j = 0; j < cols; j++)
        normalise_column(reference_cell(layer->zhat, 0, j), x.rows, first, weights, rule.eps,
                         layer, j);
}
