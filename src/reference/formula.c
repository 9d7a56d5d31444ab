/* formula: the question's own formulas under the names of its code (drdb, w, drdG1, drdg and
 * the loops beside them), literally, with the repairs that turn them into the gradient. */
#include "reference/reference.h"

/* `ap` as the question wrote it: v[v < 0] <- 0; v[v >= 0] <- 1. So it is 1 for every number.
 * Theorem: ap_is_constant */
static double ap(double v)
{
    if (v < 0) v = 0;
    if (v >= 0) v = 1;
    return v;
}

static double relu_slope(double v)
{
    return v > 0;
}

/* stub = -2 u G2' . ap(b(X G1)); u = y - yhat. */
static void fill_stub(const bnorm_question *q, const reference_network *network, int repairs,
                      bnorm_mat_f64 stub)
{
    double (*slope)(double) = repairs & BNORM_REPAIR_MASK ? relu_slope : ap;
    double scale = repairs & BNORM_REPAIR_MEAN ? 1 / (double)stub.rows : 1;
    for (ptrdiff_t j = 0; j < stub.cols; j++)
        for (ptrdiff_t i = 0; i < stub.rows; i++)
            *reference_cell(stub, i, j) = scale * -2 * network->e.data[i] * q->g2[j] *
                                          slope(*reference_cell(network->b, i, j));
}

static double column_sum(bnorm_mat_f64 m, ptrdiff_t j)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < m.rows; i++) sum += *reference_cell(m, i, j);
    return sum;
}

static double column_dot(bnorm_mat_f64 a, ptrdiff_t i, bnorm_mat_f64 b, ptrdiff_t j)
{
    double sum = 0;
    for (ptrdiff_t k = 0; k < a.rows; k++)
        sum += *reference_cell(a, k, i) * *reference_cell(b, k, j);
    return sum;
}

/* drdb: 1' stub. */
static void drdb(bnorm_mat_f64 stub, bnorm_mat_f64 out)
{
    for (ptrdiff_t j = 0; j < stub.cols; j++) *reference_cell(out, 0, j) = column_sum(stub, j);
}

static bnorm_mat_f64 part(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j, ptrdiff_t rows,
                          ptrdiff_t cols)
{
    bnorm_mat_f64 view = {reference_cell(m, i, j), rows, cols, m.ld, m.layout};
    return view;
}

/* The loop of drdb takes X[, i] %*% G1[i, ], the outer product of one input and one row of
 * weights, where the network has X %*% G1; nobody noticed, since `ap` forgets its argument. */
static void loop_drdb(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                      reference_network *network, int repairs, bnorm_mat_f64 out)
{
    bnorm_mat_f64 stub = bnorm_reference_take(call, q->x.rows, q->g1.cols);
    for (ptrdiff_t j = 0; j < q->g1.cols && !call->status; j++) {
        reference_call inner = {.ctx = call->ctx, .name = call->name};
        reference_layer layer;
        bnorm_reference_normalise(&inner, part(q->x, 0, j, q->x.rows, 1),
                                  part(q->g1, j, 0, 1, q->g1.cols), NULL, rule, &layer);
        for (ptrdiff_t i = 0; !inner.status && i < q->x.rows; i++)
            *reference_cell(network->b, i, j) =
                q->gamma[j] * *reference_cell(layer.zhat, i, j) + q->beta[j];
        call->status = bnorm_reference_end(&inner);
    }
    if (call->status) return;
    fill_stub(q, network, repairs, stub);
    drdb(stub, out);
}

/* What of the motion of mu and sigma is taken into account, by (B3): stub := stub - 1 dbeta'/N
 * - zhat diag(dgamma)/M, with the terms that are repaired.
 * Theorems: question_G1_right_iff, question_G1_is_frozen */
static void move_statistics(const reference_layer *layer, int repairs, bnorm_mat_f64 stub)
{
    for (ptrdiff_t j = 0; j < stub.cols; j++) {
        double dbeta = repairs & BNORM_REPAIR_MU ? column_sum(stub, j) : 0;
        double dgamma = repairs & BNORM_REPAIR_SIGMA ? column_dot(layer->zhat, j, stub, j) : 0;
        for (ptrdiff_t i = 0; i < stub.rows; i++)
            *reference_cell(stub, i, j) -=
                dbeta / layer->n + *reference_cell(layer->zhat, i, j) * dgamma / layer->divisor;
    }
}

/* w_j = gamma_j sd(z_j): the text of the question divides by sd, its code multiplies. */
static double factor_w(const bnorm_question *q, const reference_layer *layer, int repairs,
                       ptrdiff_t j)
{
    double rstd = layer->rstd[j];
    if (rstd == 0 || repairs & BNORM_REPAIR_FACTOR) return q->gamma[j] * rstd;
    return q->gamma[j] * (1 / rstd);
}

/* drdG1: X' (stub . w). */
static void drdg1(const bnorm_question *q, const reference_layer *layer, int repairs,
                  bnorm_mat_f64 stub, bnorm_mat_f64 out)
{
    move_statistics(layer, repairs, stub);
    for (ptrdiff_t j = 0; j < out.cols; j++) {
        double w = factor_w(q, layer, repairs, j);
        for (ptrdiff_t i = 0; i < stub.rows; i++) *reference_cell(stub, i, j) *= w;
        for (ptrdiff_t i = 0; i < out.rows; i++)
            *reference_cell(out, i, j) = column_dot(q->x, i, stub, j);
    }
}

/* loop_drdG1: x_i' diag(w_j) stub_j, entry by entry. */
static void loop_drdg1(const bnorm_question *q, const reference_layer *layer, int repairs,
                       bnorm_mat_f64 stub, bnorm_mat_f64 out)
{
    move_statistics(layer, repairs, stub);
    for (ptrdiff_t j = 0; j < out.cols; j++)
        for (ptrdiff_t i = 0; i < out.rows; i++) {
            double sum = 0, w = factor_w(q, layer, repairs, j);
            for (ptrdiff_t k = 0; k < stub.rows; k++)
                sum += *reference_cell(q->x, k, i) * w * *reference_cell(stub, k, j);
            *reference_cell(out, i, j) = sum;
        }
}

/* drdg: t(scale(X G1)) (stub . gamma).
 * Theorem: question_gamma_right_iff */
static void drdg(const bnorm_question *q, const reference_layer *layer, int repairs,
                 bnorm_mat_f64 stub, int loop, bnorm_mat_f64 out)
{
    for (ptrdiff_t j = 0; j < out.cols; j++) {
        double factor = repairs & BNORM_REPAIR_FACTOR ? 1 : q->gamma[j];
        for (ptrdiff_t i = 0; i < out.rows; i++)
            *reference_cell(out, i, j) =
                column_dot(layer->zhat, loop ? j : i, stub, j) * factor;
    }
}

static void evaluate(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                     bnorm_question_formula formula, int repairs, bnorm_mat_f64 out)
{
    reference_network network;
    bnorm_reference_forward(call, q, rule, &network);
    bnorm_mat_f64 stub = bnorm_reference_take(call, q->x.rows, q->g1.cols);
    if (call->status) return;
    fill_stub(q, &network, repairs, stub);
    switch (formula) {
    case BNORM_QUESTION_DRDB:
        drdb(stub, out);
        break;
    case BNORM_QUESTION_LOOP_DRDB:
        if (repairs & BNORM_REPAIR_NETWORK)
            drdb(stub, out);
        else
            loop_drdb(call, q, rule, &network, repairs, out);
        break;
    case BNORM_QUESTION_DRDG1:
        drdg1(q, &network.layer, repairs, stub, out);
        break;
    case BNORM_QUESTION_LOOP_DRDG1:
        loop_drdg1(q, &network.layer, repairs, stub, out);
        break;
    default:
        drdg(q, &network.layer, repairs, stub, formula == BNORM_QUESTION_LOOP_DRDG, out);
    }
}

static ptrdiff_t height(const bnorm_question *q, bnorm_question_formula formula)
{
    if (formula == BNORM_QUESTION_DRDG1 || formula == BNORM_QUESTION_LOOP_DRDG1)
        return q->g1.rows;
    return formula == BNORM_QUESTION_DRDG ? q->g1.cols : 1;
}

bnorm_status bnorm_question_evaluate(bnorm_ctx *ctx, const bnorm_question *question,
                                     bnorm_rule rule, bnorm_question_formula formula,
                                     int repairs, bnorm_mat_f64 out)
{
    reference_call call = {.ctx = ctx, .name = "question_evaluate"};
    bnorm_reference_require(
        &call, formula >= BNORM_QUESTION_DRDB && formula <= BNORM_QUESTION_LOOP_DRDG,
        "unknown formula");
    bnorm_reference_require(&call, repairs >= 0 && repairs < 2 * BNORM_REPAIR_NETWORK,
                            "unknown repairs");
    bnorm_reference_check_question(&call, question, rule);
    if (call.status || question->g1.cols == 0) return call.status;
    bnorm_reference_require(&call,
                            formula != BNORM_QUESTION_LOOP_DRDB ||
                                (repairs & BNORM_REPAIR_NETWORK) ||
                                question->g1.rows >= question->g1.cols,
                            "loop_drdb takes input j for unit j: it needs p1 >= p2");
    bnorm_reference_shape(&call, "out", out, height(question, formula), question->g1.cols);
    evaluate(&call, question, rule, formula, repairs, out);
    return bnorm_reference_end(&call);
}
