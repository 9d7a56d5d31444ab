/* gradient: the gradient of the question's network, by the method asked for; here by Kronecker
 * Jacobians: J' vec(W), exactly as maths.md section 4 writes it.
 * Theorems: question_gradients, question_derivative */
#include "reference/reference.h"

/* out := J' vec(W) for one kind of Jacobian; out has as many elements as J has columns. */
static void by_jacobian(reference_call *call, bnorm_jacobian_kind kind, const bnorm_question *q,
                        const reference_layer *layer, bnorm_mat_f64 vec_w, bnorm_mat_f64 out)
{
    ptrdiff_t parameters = bnorm_reference_size(call, "the gradient", out.rows, out.cols);
    bnorm_mat_f64 j = bnorm_reference_take(call, vec_w.rows, parameters);
    bnorm_reference_jacobian(call, kind, q->x, layer, NULL, q->gamma, j);
    if (call->status) return;
    bnorm_reference_product(1, j, vec_w,
                            bnorm_view_f64(out.data, parameters, 1, BNORM_COL_MAJOR));
}

/* dG2 = V'D, D = -2E/N. */
static void top_gradient(const reference_network *network, bnorm_mat_f64 dg2)
{
    bnorm_reference_product(1, network->v, network->e, dg2);
    for (ptrdiff_t j = 0; j < dg2.rows; j++) dg2.data[j] *= -2 / (double)network->v.rows;
}

void bnorm_reference_kronecker(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                               reference_gradient out)
{
    reference_network network;
    bnorm_reference_forward(call, q, rule, &network);
    bnorm_mat_f64 w = bnorm_reference_take(call, q->x.rows, q->g1.cols);
    bnorm_mat_f64 vec_w = bnorm_reference_take(call, q->x.rows * q->g1.cols, 1);
    if (call->status) return;
    bnorm_reference_upstream(q, &network, w);
    call->status = bnorm_vec_f64(call->ctx, w, vec_w.data);
    by_jacobian(call, BNORM_JACOBIAN_BETA, q, &network.layer, vec_w, out.dbeta);
    by_jacobian(call, BNORM_JACOBIAN_GAMMA, q, &network.layer, vec_w, out.dgamma);
    by_jacobian(call, BNORM_JACOBIAN_G1, q, &network.layer, vec_w, out.dg1);
    if (!call->status) top_gradient(&network, out.dg2);
}

static void take_gradient(reference_call *call, ptrdiff_t p1, ptrdiff_t p2,
                          reference_gradient *out)
{
    out->dbeta = bnorm_reference_take(call, p2, 1);
    out->dgamma = bnorm_reference_take(call, p2, 1);
    out->dg1 = bnorm_reference_take(call, p1, p2);
    out->dg2 = bnorm_reference_take(call, p2, 1);
}

static void give_gradient(reference_gradient from, double *dbeta, double *dgamma,
                          bnorm_mat_f64 dg1, double *dg2)
{
    for (ptrdiff_t j = 0; j < dg1.cols; j++) {
        dbeta[j] = from.dbeta.data[j];
        dgamma[j] = from.dgamma.data[j];
        dg2[j] = from.dg2.data[j];
        for (ptrdiff_t i = 0; i < dg1.rows; i++)
            *reference_cell(dg1, i, j) = *reference_cell(from.dg1, i, j);
    }
}

bnorm_status bnorm_question_gradient(bnorm_ctx *ctx, const bnorm_question *question,
                                     bnorm_rule rule, bnorm_question_method method,
                                     double *dbeta, double *dgamma, bnorm_mat_f64 dg1,
                                     double *dg2)
{
    reference_call call = {.ctx = ctx, .name = "question_gradient"};
    reference_gradient out;
    bnorm_reference_require(
        &call, method >= BNORM_QUESTION_KRONECKER && method <= BNORM_QUESTION_CENTRAL,
        "unknown method");
    bnorm_reference_check_question(&call, question, rule);
    if (call.status || question->g1.cols == 0) return call.status;
    bnorm_reference_shape(&call, "dg1", dg1, question->x.cols, question->g1.cols);
    bnorm_reference_require(&call, dbeta && dgamma && dg2, "dbeta, dgamma or dg2 is NULL");
    take_gradient(&call, question->x.cols, question->g1.cols, &out);
    if (call.status) return bnorm_reference_end(&call);
    if (method == BNORM_QUESTION_KRONECKER)
        bnorm_reference_kronecker(&call, question, rule, out);
    else if (method == BNORM_QUESTION_WEIGHTS)
        bnorm_reference_weights(&call, question, rule, out);
    else
        bnorm_reference_step(&call, question, rule, method == BNORM_QUESTION_COMPLEX, out);
    if (!call.status) give_gradient(out, dbeta, dgamma, dg1, dg2);
    return bnorm_reference_end(&call);
}
