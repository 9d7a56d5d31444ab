/* question: `bnorm check --question`: the question's numbers reproduced and judged. Nothing is
 * looked up but its data and what it printed; every verdict follows from a comparison. */
#include "question.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "output.h"
#include "question_data.h"

const char *const bnorm_cli_question_methods[Q_METHODS] = {
    "closed form, B1-B3",  "bnorm_net_gradient", "Kronecker Jacobians",
    "weight space, W1-W4", "complex step",       "central differences"};

enum {
    MEAN_MASK = BNORM_REPAIR_MEAN | BNORM_REPAIR_MASK,
    DIVIDE = MEAN_MASK | BNORM_REPAIR_FACTOR,
    MU = DIVIDE | BNORM_REPAIR_MU,
    WHOLE = MU | BNORM_REPAIR_SIGMA
};

const question_step bnorm_cli_question_steps[Q_STEPS] = {
    {Q_BETA, BNORM_QUESTION_DRDB, 0, "as printed"},
    {Q_BETA, BNORM_QUESTION_DRDB, BNORM_REPAIR_MEAN, "+ the 1/N of R"},
    {Q_BETA, BNORM_QUESTION_DRDB, MEAN_MASK, "+ the slope of ReLU for `ap`"},
    {Q_GAMMA, BNORM_QUESTION_LOOP_DRDG, 0, "as printed (the diagonal)"},
    {Q_GAMMA, BNORM_QUESTION_LOOP_DRDG, MEAN_MASK, "+ 1/N and the slope of ReLU"},
    {Q_GAMMA, BNORM_QUESTION_LOOP_DRDG, DIVIDE, "- the factor gamma"},
    {Q_G1, BNORM_QUESTION_DRDG1, 0, "as printed"},
    {Q_G1, BNORM_QUESTION_DRDG1, MEAN_MASK, "+ 1/N and the slope of ReLU"},
    {Q_G1, BNORM_QUESTION_DRDG1, DIVIDE, "/ sd, as in its text, not * sd"},
    {Q_G1, BNORM_QUESTION_DRDG1, MU, "+ mu moves with Gamma1"},
    {Q_G1, BNORM_QUESTION_DRDG1, WHOLE, "+ sigma moves with Gamma1"},
};

double bnorm_cli_question_bound(int method)
{
    return method == Q_CENTRAL ? 1e-8 : 1e-12;
}

ptrdiff_t bnorm_cli_question_length(int block)
{
    return block == Q_G1 ? Q_P1 * Q_P2 : Q_P2;
}

ptrdiff_t bnorm_cli_question_printed(int formula, const char *const **texts)
{
    static const struct {
        ptrdiff_t rows;
        const char *const *texts;
    } printed[Q_FORMULAS] = {
        [BNORM_QUESTION_DRDB] = {1, printed_drdb},
        [BNORM_QUESTION_LOOP_DRDB] = {1, printed_loop_drdb},
        [BNORM_QUESTION_DRDG1] = {Q_P1, printed_drdG1},
        [BNORM_QUESTION_LOOP_DRDG1] = {Q_P1, printed_loop_drdG1},
        [BNORM_QUESTION_DRDG] = {Q_P2, printed_drdg},
        [BNORM_QUESTION_LOOP_DRDG] = {1, printed_loop_drdg},
    };
    *texts = printed[formula].texts;
    return printed[formula].rows;
}

int bnorm_cli_question_has_digits(double value, const char *text)
{
    char got[64];
    const char *point = strchr(text, '.');
    int decimals = point ? (int)strlen(point + 1) : 0;
    snprintf(got, sizeof got, "%.*f", decimals, value);
    return strcmp(got, text) == 0;
}

/* ------------------------------------------------------------------------- the closed form */

/* c := a b or a'b, row-major. */
static void product(int transposed, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const double *a,
                    const double *b, double *c)
{
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            c[i * n + j] = 0;
            for (ptrdiff_t l = 0; l < k; l++)
                c[i * n + j] += a[transposed ? l * m + i : i * k + l] * b[l * n + j];
        }
}

/* From B: V = relu(B) in place, and W = (D G2') . a'(B), D = -2E/N; dG2 = V'D; R. */
static void upstream(question_case *c, double *b, double *w)
{
    double d[Q_N], *dg2 = c->by[Q_CLOSED].block[Q_G2];
    for (int i = 0; i < Q_N; i++) {
        double e = c->q.y[i];
        for (int j = 0; j < Q_P2; j++) e -= fmax(b[i * Q_P2 + j], 0) * c->q.g2[j];
        d[i] = -2 * e / Q_N;
        c->r += e * e / Q_N;
        for (int j = 0; j < Q_P2; j++) {
            int k = i * Q_P2 + j;
            w[k] = b[k] > 0 ? d[i] * c->q.g2[j] : 0;
            c->active += b[k] > 0;
            b[k] = fmax(b[k], 0);
        }
    }
    product(1, Q_P2, 1, Q_N, b, d, dg2);
}

/* Z = X G1, forward, W, backward (B1-B3), dG1 = X'dZ. */
static bnorm_status closed_form(bnorm_ctx *ctx, question_case *c)
{
    double z[Q_N * Q_P2] = {0}, b[Q_N * Q_P2], w[Q_N * Q_P2], mean[Q_P2], rstd[Q_P2];
    bnorm_mat_f64 zv = bnorm_view_f64(z, Q_N, Q_P2, BNORM_ROW_MAJOR), bv = zv, wv = zv;
    question_gradient *g = &c->by[Q_CLOSED];
    bv.data = b;
    wv.data = w;
    product(0, Q_N, Q_P2, Q_P1, c->q.x.data, c->q.g1.data, z);
    bnorm_status status =
        bnorm_forward_f64(ctx, zv, NULL, c->q.gamma, c->q.beta, c->rule, bv, mean, rstd);
    if (status) return status;
    upstream(c, b, w);
    status = bnorm_backward_f64(ctx, zv, wv, NULL, c->q.gamma, mean, rstd, c->rule, wv,
                                g->block[Q_GAMMA], g->block[Q_BETA]);
    product(1, Q_P1, Q_P2, Q_N, c->q.x.data, w, g->block[Q_G1]);
    return status;
}

/* ----------------------------------------------------------------------------- the network */

/* The question's network as a bnorm_net; the bias that a dense layer has at the top stays 0. */
static bnorm_status build(bnorm_ctx *ctx, const question_case *c, bnorm_net **net)
{
    bnorm_status status = bnorm_net_create(ctx, Q_P1, net);
    if (!status) status = bnorm_net_dense(ctx, *net, Q_P2);
    if (!status) status = bnorm_net_batchnorm(ctx, *net, c->rule);
    if (!status) status = bnorm_net_activation(ctx, *net, bnorm_activation_find("relu"));
    if (!status) status = bnorm_net_dense(ctx, *net, 1);
    if (!status) status = bnorm_net_start(ctx, *net, 0);
    return status;
}

/* Where each block of ours lies in the network's parameter vector. */
static bnorm_status places(bnorm_ctx *ctx, const bnorm_net *net, ptrdiff_t place[Q_BLOCKS])
{
    static const char *const names[Q_BLOCKS] = {"beta1", "gamma1", "G1", "G2"};
    bnorm_block block;
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) {
        bnorm_status status = bnorm_net_block(ctx, net, k, &block);
        if (status) return status;
        for (int b = 0; b < Q_BLOCKS; b++)
            if (strcmp(block.name, names[b]) == 0) place[b] = block.offset;
    }
    return BNORM_OK;
}

static bnorm_status network_gradient(bnorm_ctx *ctx, bnorm_net *net, question_case *c)
{
    const double *from[Q_BLOCKS] = {c->q.beta, c->q.gamma, c->q.g1.data, c->q.g2};
    ptrdiff_t count, place[Q_BLOCKS] = {0};
    bnorm_status status = places(ctx, net, place);
    if (status) return status;
    double *parameters = bnorm_net_parameters(net, &count), value;
    double *gradient = bnorm_cli_alloc(count, sizeof *gradient);
    memset(parameters, 0, (size_t)count * sizeof *parameters);
    for (int b = 0; b < Q_BLOCKS; b++)
        memcpy(parameters + place[b], from[b],
               (size_t)bnorm_cli_question_length(b) * sizeof *parameters);
    status =
        bnorm_net_gradient(ctx, net, c->q.x, bnorm_view_f64(c->q.y, Q_N, 1, BNORM_ROW_MAJOR),
                           NULL, bnorm_loss_find("squared"), 0, 0, &value, gradient);
    for (int b = 0; b < Q_BLOCKS; b++)
        memcpy(c->by[Q_NETWORK].block[b], gradient + place[b],
               (size_t)bnorm_cli_question_length(b) * sizeof *gradient);
    free(gradient);
    return status;
}

static bnorm_status by_network(bnorm_ctx *ctx, question_case *c)
{
    bnorm_net *net = NULL;
    bnorm_status status = build(ctx, c, &net);
    if (!status) status = network_gradient(ctx, net, c);
    bnorm_net_destroy(net);
    return status;
}

/* --------------------------------------------------------------------------- the reference */

static bnorm_status by_reference(bnorm_ctx *ctx, question_case *c)
{
    static const bnorm_question_method reference[Q_METHODS] = {
        [Q_KRONECKER] = BNORM_QUESTION_KRONECKER,
        [Q_WEIGHTS] = BNORM_QUESTION_WEIGHTS,
        [Q_COMPLEX] = BNORM_QUESTION_COMPLEX,
        [Q_CENTRAL] = BNORM_QUESTION_CENTRAL};
    bnorm_status status = BNORM_OK;
    for (int m = Q_KRONECKER; m < Q_METHODS && !status; m++) {
        question_gradient *g = &c->by[m];
        status = bnorm_question_gradient(
            ctx, &c->q, c->rule, reference[m], g->block[Q_BETA], g->block[Q_GAMMA],
            bnorm_view_f64(g->block[Q_G1], Q_P1, Q_P2, BNORM_ROW_MAJOR), g->block[Q_G2]);
    }
    return status;
}

static bnorm_status formulas(bnorm_ctx *ctx, question_case *c)
{
    bnorm_status status = BNORM_OK;
    for (int f = 0; f < Q_FORMULAS && !status; f++) {
        const char *const *texts;
        ptrdiff_t rows = bnorm_cli_question_printed(f, &texts);
        status =
            bnorm_question_evaluate(ctx, &c->q, c->rule, (bnorm_question_formula)f, 0,
                                    bnorm_view_f64(c->formula[f], rows, Q_P2, BNORM_ROW_MAJOR));
    }
    return status;
}

/* Largest difference from the closed form, relative to the block's largest entry; infinite when
 * a number is not finite. */
static double distance(const question_case *c, int block, const double *other)
{
    const double *truth = c->by[Q_CLOSED].block[block];
    double apart = 0, largest = 0;
    for (ptrdiff_t k = 0; k < bnorm_cli_question_length(block); k++) {
        double difference = fabs(other[k] - truth[k]);
        if (!isfinite(difference)) return INFINITY;
        apart = fmax(apart, difference);
        largest = fmax(largest, fabs(truth[k]));
    }
    return apart / largest;
}

static bnorm_status mend(bnorm_ctx *ctx, question_case *c)
{
    bnorm_status status = BNORM_OK;
    for (int s = 0; s < Q_STEPS && !status; s++) {
        const question_step *step = &bnorm_cli_question_steps[s];
        double out[Q_P1 * Q_P2];
        ptrdiff_t rows = bnorm_cli_question_length(step->block) / Q_P2;
        status = bnorm_question_evaluate(ctx, &c->q, c->rule, step->formula, step->repairs,
                                         bnorm_view_f64(out, rows, Q_P2, BNORM_ROW_MAJOR));
        if (!status) c->step[s] = distance(c, step->block, out);
    }
    return status;
}

static bnorm_status solve(bnorm_ctx *ctx, double ddof, const double *y, question_case *c)
{
    c->rule = (bnorm_rule){.eps = 0, .ddof = ddof};
    c->q = (bnorm_question){.x = bnorm_view_f64(question_X, Q_N, Q_P1, BNORM_ROW_MAJOR),
                            .g1 = bnorm_view_f64(question_G1, Q_P1, Q_P2, BNORM_ROW_MAJOR),
                            .gamma = question_gamma,
                            .beta = question_beta,
                            .g2 = question_G2,
                            .y = y};
    bnorm_status status = closed_form(ctx, c);
    if (!status) status = by_network(ctx, c);
    if (!status) status = by_reference(ctx, c);
    if (!status) status = formulas(ctx, c);
    if (!status) status = mend(ctx, c);
    c->ok = !status;
    for (int m = 0; m < Q_METHODS && !status; m++)
        for (int b = 0; b < Q_BLOCKS; b++) {
            c->apart[m][b] = distance(c, b, c->by[m].block[b]);
            c->ok &= c->apart[m][b] <= bnorm_cli_question_bound(m);
        }
    return status;
}

static int equal_digits(const question_case *c, int *count)
{
    int equal = 0;
    *count = 0;
    for (int f = 0; f < Q_FORMULAS; f++) {
        const char *const *texts;
        ptrdiff_t rows = bnorm_cli_question_printed(f, &texts);
        for (ptrdiff_t k = 0; k < rows * Q_P2; k++, ++*count)
            equal += bnorm_cli_question_has_digits(c->formula[f][k], texts[k]);
    }
    return equal;
}

int bnorm_cli_question(int json, int quiet)
{
    static question_report report; /* large, and there is one */
    int count, code;
    bnorm_ctx *ctx = NULL;
    code = bnorm_cli_context(1, &ctx);
    if (!code) code = bnorm_cli_status(ctx, solve(ctx, 1, question_y, &report.ddof1));
    if (!code) code = bnorm_cli_status(ctx, solve(ctx, 0, question_y0, &report.ddof0));
    bnorm_ctx_destroy(ctx);
    if (code) return code;
    report.equal = equal_digits(&report.ddof1, &count);
    report.colour = bnorm_cli_colour(STDOUT_FILENO);
    report.ok = report.ddof1.ok && report.ddof0.ok && report.equal == count;
    if (json)
        bnorm_cli_question_json(&report);
    else if (!quiet)
        bnorm_cli_question_print(&report);
    code = bnorm_cli_flush();
    if (code || report.ok) return code;
    bnorm_cli_say(
        "the gradients of the question differ by more than their bounds, or a printed "
        "number was not reproduced (%d of %d); rebuild, then report it",
        report.equal, count);
    return CLI_FAILED;
}
