/* network: the question's network forward: yhat = a(b(X G1)) G2, R = sum (y - yhat)^2 / N, and
 * the upstream gradient W = dR/dB (maths.md section 3). */
#include "reference/reference.h"

void bnorm_reference_check_question(reference_call *call, const bnorm_question *q,
                                    bnorm_rule rule)
{
    bnorm_reference_require(call, q != NULL, "question is NULL");
    if (call->status) return;
    bnorm_reference_view(call, "x", q->x);
    bnorm_reference_shape(call, "g1", q->g1, q->x.cols, q->g1.cols);
    bnorm_reference_require(call, q->gamma && q->beta && q->g2 && q->y,
                            "gamma, beta, g2 or y is NULL");
    bnorm_reference_check_rule(call, rule);
}

void bnorm_reference_outputs(const bnorm_question *q, reference_network *network)
{
    for (ptrdiff_t i = 0; i < q->x.rows; i++) {
        double yhat = 0;
        for (ptrdiff_t j = 0; j < q->g1.cols; j++) {
            double b = *reference_cell(network->b, i, j);
            double v = b > 0 ? b : 0;
            *reference_cell(network->v, i, j) = v;
            yhat += v * q->g2[j];
        }
        network->e.data[i] = q->y[i] - yhat;
    }
}

void bnorm_reference_forward(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                             reference_network *network)
{
    network->b = bnorm_reference_take(call, q->x.rows, q->g1.cols);
    network->v = bnorm_reference_take(call, q->x.rows, q->g1.cols);
    network->e = bnorm_reference_take(call, q->x.rows, 1);
    bnorm_reference_normalise(call, q->x, q->g1, NULL, rule, &network->layer);
    if (call->status) return;
    for (ptrdiff_t j = 0; j < q->g1.cols; j++)
        for (ptrdiff_t i = 0; i < q->x.rows; i++)
            *reference_cell(network->b, i, j) =
                q->gamma[j] * *reference_cell(network->layer.zhat, i, j) + q->beta[j];
    bnorm_reference_outputs(q, network);
}

void bnorm_reference_upstream(const bnorm_question *q, const reference_network *network,
                              bnorm_mat_f64 w)
{
    for (ptrdiff_t j = 0; j < w.cols; j++)
        for (ptrdiff_t i = 0; i < w.rows; i++) {
            double d = -2 * network->e.data[i] / (double)w.rows;
            int active = *reference_cell(network->b, i, j) > 0;
            *reference_cell(w, i, j) = active ? d * q->g2[j] : 0;
        }
}
