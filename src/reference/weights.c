/* weights: the gradient of the question's network in weight space (maths.md section 2). The
 * statistics of X are taken once; Z, zhat and dZ are never formed.
 * Theorems: W1_moments, W2_dgamma, W3_is_X_dz, W4_folded */
#include "reference/reference.h"

#include <math.h>

/* Column means of X, Xc = X - 1 xbar', S = Xc'Xc/M. */
typedef struct moments {
    double *xbar;
    bnorm_mat_f64 xc, s;
} moments;

static void centre(bnorm_mat_f64 x, const moments *m)
{
    for (ptrdiff_t j = 0; j < x.cols; j++) {
        double pivot = *reference_cell(x, 0, j), sum = 0;
        for (ptrdiff_t i = 0; i < x.rows; i++) sum += *reference_cell(x, i, j) - pivot;
        m->xbar[j] = pivot + sum / (double)x.rows;
        for (ptrdiff_t i = 0; i < x.rows; i++)
            *reference_cell(m->xc, i, j) = *reference_cell(x, i, j) - m->xbar[j];
    }
}

static void moments_of(reference_call *call, bnorm_mat_f64 x, double divisor, moments *m)
{
    m->xbar = bnorm_reference_take(call, x.cols, 1).data;
    m->xc = bnorm_reference_take(call, x.rows, x.cols);
    m->s = bnorm_reference_take(call, x.cols, x.cols);
    if (call->status) return;
    centre(x, m);
    bnorm_reference_product(1, m->xc, m->xc, m->s);
    for (ptrdiff_t k = 0; k < x.cols * x.cols; k++) m->s.data[k] /= divisor;
}

static double dot(ptrdiff_t count, const double *a, const double *b)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

/* (W1): mu_j = xbar'g_j and v_j = g_j'S g_j; sg is S G1. */
static void statistics(const bnorm_question *q, const moments *m, bnorm_mat_f64 sg,
                       bnorm_rule rule, double *mu, double *rstd)
{
    for (ptrdiff_t j = 0; j < q->g1.cols; j++) {
        double v = 0;
        for (ptrdiff_t i = 0; i < q->g1.rows; i++) {
            double g = *reference_cell(q->g1, i, j);
            mu[j] += m->xbar[i] * g;
            v += g * *reference_cell(sg, i, j);
        }
        rstd[j] = v + rule.eps > 0 ? 1 / sqrt(v + rule.eps) : 0;
    }
}

/* (W4): B = X G1 diag(gamma/sigma) + 1 (beta - gamma mu/sigma)'. */
static void folded_forward(const bnorm_question *q, bnorm_mat_f64 folded, const double *mu,
                           const double *rstd, bnorm_mat_f64 b)
{
    for (ptrdiff_t j = 0; j < q->g1.cols; j++)
        for (ptrdiff_t i = 0; i < q->g1.rows; i++)
            *reference_cell(folded, i, j) =
                *reference_cell(q->g1, i, j) * (q->gamma[j] * rstd[j]);
    bnorm_reference_product(0, q->x, folded, b);
    for (ptrdiff_t j = 0; j < b.cols; j++)
        for (ptrdiff_t i = 0; i < b.rows; i++)
            *reference_cell(b, i, j) += q->beta[j] - q->gamma[j] * rstd[j] * mu[j];
}

/* (W2), (W3) from G = Xc'W, which is in out.dg1 and is replaced by the gradient. */
static void columns(const bnorm_question *q, bnorm_mat_f64 sg, const double *rstd,
                    reference_gradient out)
{
    for (ptrdiff_t j = 0; j < q->g1.cols; j++) {
        double *g = reference_cell(out.dg1, 0, j), sum = 0;
        for (ptrdiff_t i = 0; i < q->g1.rows; i++) sum += *reference_cell(q->g1, i, j) * g[i];
        out.dgamma.data[j] = sum * rstd[j];
        for (ptrdiff_t i = 0; i < q->g1.rows; i++) {
            double pull = *reference_cell(sg, i, j) * (out.dgamma.data[j] * rstd[j]);
            g[i] = q->gamma[j] * rstd[j] * (g[i] - pull);
        }
    }
}

static void backward(const bnorm_question *q, const reference_network *network,
                     const moments *m, bnorm_mat_f64 sg, const double *rstd, bnorm_mat_f64 w,
                     reference_gradient out)
{
    ptrdiff_t rows = q->x.rows;
    bnorm_reference_upstream(q, network, w);
    bnorm_reference_product(1, m->xc, w, out.dg1);
    columns(q, sg, rstd, out);
    for (ptrdiff_t j = 0; j < q->g1.cols; j++) {
        for (ptrdiff_t i = 0; i < rows; i++) out.dbeta.data[j] += *reference_cell(w, i, j);
        out.dg2.data[j] =
            dot(rows, reference_cell(network->v, 0, j), network->e.data) * -2 / (double)rows;
    }
}

void bnorm_reference_weights(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                             reference_gradient out)
{
    ptrdiff_t rows = q->x.rows, p1 = q->g1.rows, p2 = q->g1.cols;
    reference_network network = {.b = bnorm_reference_take(call, rows, p2),
                                 .v = bnorm_reference_take(call, rows, p2),
                                 .e = bnorm_reference_take(call, rows, 1)};
    moments m;
    bnorm_reference_divisor(call, rows, NULL, rule, &network.layer);
    moments_of(call, q->x, network.layer.divisor, &m);
    bnorm_mat_f64 sg = bnorm_reference_take(call, p1, p2);
    bnorm_mat_f64 folded = bnorm_reference_take(call, p1, p2);
    bnorm_mat_f64 w = bnorm_reference_take(call, rows, p2);
    double *mu = bnorm_reference_take(call, p2, 1).data;
    double *rstd = bnorm_reference_take(call, p2, 1).data;
    if (call->status) return;
    bnorm_reference_product(0, m.s, q->g1, sg);
    statistics(q, &m, sg, rule, mu, rstd);
    folded_forward(q, folded, mu, rstd, network.b);
    bnorm_reference_outputs(q, &network);
    backward(q, &network, &m, sg, rstd, w, out);
}
