/* step: derivatives without algebra. R is evaluated in complex arithmetic; Im R(t + ih)/h is
 * the derivative with no subtraction, hence to rounding (Squire and Trapp 1998). Real steps of
 * the same evaluation give central differences. Nothing here knows B1-B3. */
#include "reference/reference.h"

#include <complex.h>
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"

/* The parameters as complex numbers, and a column to work in. */
typedef struct complex_net {
    const bnorm_question *q;
    bnorm_rule rule;
    double complex *g1, *gamma, *beta, *g2; /* g1 column by column */
    double complex *z, *yhat;               /* N each */
} complex_net;

static void normalise(const complex_net *net, double divisor, double complex *z)
{
    ptrdiff_t rows = net->q->x.rows;
    double complex mu = 0, v = 0;
    for (ptrdiff_t i = 0; i < rows; i++) mu += z[i] - z[0];
    mu = z[0] + mu / (double)rows;
    for (ptrdiff_t i = 0; i < rows; i++) v += (z[i] - mu) * (z[i] - mu);
    v = v / divisor + net->rule.eps;
    double complex rstd = creal(v) == 0 ? 0 : 1 / csqrt(v);
    for (ptrdiff_t i = 0; i < rows; i++) z[i] = (z[i] - mu) * rstd;
}

/* Adds column j's part to yhat. */
static void add_column(const complex_net *net, ptrdiff_t j)
{
    const bnorm_question *q = net->q;
    for (ptrdiff_t i = 0; i < q->x.rows; i++) {
        net->z[i] = 0;
        for (ptrdiff_t k = 0; k < q->x.cols; k++)
            net->z[i] += *reference_cell(q->x, i, k) * net->g1[j * q->x.cols + k];
    }
    normalise(net, (double)q->x.rows - net->rule.ddof, net->z);
    for (ptrdiff_t i = 0; i < q->x.rows; i++) {
        double complex b = net->gamma[j] * net->z[i] + net->beta[j];
        if (creal(b) > 0) net->yhat[i] += b * net->g2[j];
    }
}

static double complex risk(const complex_net *net)
{
    double complex sum = 0;
    ptrdiff_t rows = net->q->x.rows;
    for (ptrdiff_t i = 0; i < rows; i++) net->yhat[i] = 0;
    for (ptrdiff_t j = 0; j < net->q->g1.cols; j++) add_column(net, j);
    for (ptrdiff_t i = 0; i < rows; i++) {
        double complex e = net->q->y[i] - net->yhat[i];
        sum += e * e;
    }
    return sum / (double)rows;
}

static double derivative(const complex_net *net, double complex *t, int complex_step)
{
    double complex at = *t;
    double result;
    if (complex_step) {
        double h = 1e-100;
        *t = at + h * _Complex_I;
        result = cimag(risk(net)) / h;
    } else {
        /* Truncation h^2 R'''/6 and rounding 1e-16 R/h: about 1e-10 each at this h. */
        double h = 1e-5 * fmax(1, fabs(creal(at)));
        double up = creal(at) + h, down = creal(at) - h;
        *t = up;
        result = creal(risk(net));
        *t = down;
        result = (result - creal(risk(net))) / (up - down);
    }
    *t = at;
    return result;
}

static void fill(const complex_net *net)
{
    const bnorm_question *q = net->q;
    for (ptrdiff_t j = 0; j < q->g1.cols; j++) {
        net->gamma[j] = q->gamma[j];
        net->beta[j] = q->beta[j];
        net->g2[j] = q->g2[j];
        for (ptrdiff_t i = 0; i < q->g1.rows; i++)
            net->g1[j * q->g1.rows + i] = *reference_cell(q->g1, i, j);
    }
}

static void derivatives(const complex_net *net, double complex *t, int complex_step,
                        bnorm_mat_f64 out)
{
    for (ptrdiff_t k = 0; k < out.rows * out.cols; k++)
        out.data[k] = derivative(net, t + k, complex_step);
}

void bnorm_reference_step(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                          int complex_step, reference_gradient out)
{
    ptrdiff_t rows = q->x.rows, p1 = q->g1.rows, p2 = q->g1.cols;
    reference_layer layer;
    bnorm_reference_divisor(call, rows, NULL, rule, &layer);
    if (call->status) return;
    /* No sum of these sizes overflows: each is within the limit. */
    double complex *block =
        bnorm_alloc_zero(call->ctx, p1 * p2 + 3 * p2 + 2 * rows, sizeof *block);
    if (!block) {
        call->status = bnorm_fail_memory(call->ctx, call->name);
        return;
    }
    complex_net net = {.q = q, .rule = rule, .g1 = block, .gamma = block + p1 * p2};
    net.beta = net.gamma + p2;
    net.g2 = net.beta + p2;
    net.z = net.g2 + p2;
    net.yhat = net.z + rows;
    fill(&net);
    derivatives(&net, net.beta, complex_step, out.dbeta);
    derivatives(&net, net.gamma, complex_step, out.dgamma);
    derivatives(&net, net.g1, complex_step, out.dg1);
    derivatives(&net, net.g2, complex_step, out.dg2);
    bnorm_free(block);
}
