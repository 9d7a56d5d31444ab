/* The question: its 84 printed numbers digit for digit, the golden gradients of maths.md
 * section 3, agreement of every method with the fast functions on other networks, the formulas
 * repaired one mistake at a time, the counterexample on paper. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cli/question_data.h"

enum { N = QUESTION_N, P1 = QUESTION_P1, P2 = QUESTION_P2, MOST = 16 };

static const bnorm_rule his = {0, 1}, deep = {0, 0};

static bnorm_question the_question(const double *y)
{
    bnorm_question q = {.x = bnorm_view_f64(question_X, N, P1, BNORM_ROW_MAJOR),
                        .g1 = bnorm_view_f64(question_G1, P1, P2, BNORM_ROW_MAJOR),
                        .gamma = question_gamma,
                        .beta = question_beta,
                        .g2 = question_G2,
                        .y = y};
    return q;
}

/* ---------------------------------------------------------------------- the printed numbers */

/* `value` written with as many decimals as `text` is `text`. */
static void assert_digits(double value, const char *text, const char *name, int k)
{
    char got[64];
    const char *point = strchr(text, '.');
    snprintf(got, sizeof got, "%.*f", (int)strlen(point + 1), value);
    if (strcmp(got, text) != 0) fail_msg("%s, number %d: %s, printed %s", name, k, got, text);
}

static int assert_printed(bnorm_question_formula formula, ptrdiff_t rows,
                          const char *const *texts, const char *name)
{
    double out[P1 * P2];
    bnorm_question q = the_question(question_y);
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, formula, 0,
                                            bnorm_view_f64(out, rows, P2, BNORM_ROW_MAJOR)));
    for (int k = 0; k < rows * P2; k++) assert_digits(out[k], texts[k], name, k);
    return (int)rows * P2;
}

static void all_84_numbers(void **state)
{
    (void)state;
    int count = assert_printed(BNORM_QUESTION_DRDB, 1, printed_drdb, "drdb");
    count += assert_printed(BNORM_QUESTION_LOOP_DRDB, 1, printed_loop_drdb, "loop_drdb");
    count += assert_printed(BNORM_QUESTION_DRDG1, P1, printed_drdG1, "drdG1");
    count += assert_printed(BNORM_QUESTION_LOOP_DRDG1, P1, printed_loop_drdG1, "loop_drdG1");
    count += assert_printed(BNORM_QUESTION_DRDG, P2, printed_drdg, "drdg");
    count += assert_printed(BNORM_QUESTION_LOOP_DRDG, 1, printed_loop_drdg, "loop_drdg");
    assert_int_equal(count, 84);
}

/* The loop of drdb is another network's; only the mask shows it. Numbers from R. */
static void slip_of_the_loop(void **state)
{
    (void)state;
    static const char *const shown[P2] = {"0.0000000", "0.2117808", "3.8881729", "0.2261382"};
    double out[P2], matrix[P2];
    bnorm_question q = the_question(question_y);
    bnorm_mat_f64 view = bnorm_view_f64(out, 1, P2, BNORM_ROW_MAJOR);
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_LOOP_DRDB,
                                            BNORM_REPAIR_MASK, view));
    for (int j = 0; j < P2; j++) assert_digits(out[j], shown[j], "loop", j);
    int repairs = BNORM_REPAIR_MASK | BNORM_REPAIR_NETWORK;
    assert_ok(NULL,
              bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_LOOP_DRDB, repairs, view));
    view.data = matrix;
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDB, repairs, view));
    assert_memory_equal(out, matrix, sizeof out);
}

/* ----------------------------------------------------------------------------- the gradients
 */

typedef struct gradient {
    double dbeta[MOST], dgamma[MOST], dg1[MOST * MOST], dg2[MOST];
} gradient;

static gradient gradient_by(const bnorm_question *q, bnorm_rule rule,
                            bnorm_question_method method)
{
    gradient g;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_mat_f64 dg1 = bnorm_view_f64(g.dg1, q->g1.rows, q->g1.cols, BNORM_ROW_MAJOR);
    assert_ok(ctx,
              bnorm_question_gradient(ctx, q, rule, method, g.dbeta, g.dgamma, dg1, g.dg2));
    bnorm_ctx_destroy(ctx);
    return g;
}

/* The closed form through bnorm_forward and bnorm_backward, products by plain loops. */
static gradient closed_form(const bnorm_question *q, bnorm_rule rule)
{
    enum { CELLS = 40 * MOST };
    gradient g = {0};
    double z[CELLS] = {0}, b[CELLS], w[CELLS], mean[MOST], rstd[MOST];
    ptrdiff_t rows = q->x.rows, p1 = q->x.cols, p2 = q->g1.cols;
    bnorm_mat_f64 zv = bnorm_view_f64(z, rows, p2, BNORM_ROW_MAJOR), bv = zv, wv = zv;
    bv.data = b;
    wv.data = w;
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t k = 0; k < p1; k++)
            for (ptrdiff_t j = 0; j < p2; j++)
                z[i * p2 + j] += q->x.data[i * p1 + k] * q->g1.data[k * p2 + j];
    assert_ok(NULL, bnorm_forward_f64(NULL, zv, NULL, q->gamma, q->beta, rule, bv, mean, rstd));
    for (ptrdiff_t i = 0; i < rows; i++) {
        double e = q->y[i];
        for (ptrdiff_t j = 0; j < p2; j++) e -= fmax(b[i * p2 + j], 0) * q->g2[j];
        for (ptrdiff_t j = 0; j < p2; j++) {
            double d = -2 * e / (double)rows;
            w[i * p2 + j] = b[i * p2 + j] > 0 ? d * q->g2[j] : 0;
            g.dg2[j] += fmax(b[i * p2 + j], 0) * d;
        }
    }
    assert_ok(NULL, bnorm_backward_f64(NULL, zv, wv, NULL, q->gamma, mean, rstd, rule, bv,
                                       g.dgamma, g.dbeta));
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t k = 0; k < p1; k++)
            for (ptrdiff_t j = 0; j < p2; j++)
                g.dg1[k * p2 + j] += q->x.data[i * p1 + k] * b[i * p2 + j];
    return g;
}

static void assert_block(ptrdiff_t count, const double *a, const double *b, double bound,
                         double floor, const char *name)
{
    double scale = floor;
    for (ptrdiff_t k = 0; k < count; k++) scale = fmax(scale, fabs(b[k]));
    for (ptrdiff_t k = 0; k < count; k++)
        if (!(fabs(a[k] - b[k]) <= bound * scale))
            fail_msg("%s, entry %td: %.17g and %.17g", name, k, a[k], b[k]);
}

/* floor: the size below which a block counts as zero. */
static void assert_gradients(const bnorm_question *q, const gradient *a, const gradient *b,
                             double bound, double floor)
{
    ptrdiff_t p1 = q->g1.rows, p2 = q->g1.cols;
    assert_block(p2, a->dbeta, b->dbeta, bound, floor, "dbeta");
    assert_block(p2, a->dgamma, b->dgamma, bound, floor, "dgamma");
    assert_block(p1 * p2, a->dg1, b->dg1, bound, floor, "dG1");
    assert_block(p2, a->dg2, b->dg2, bound, floor, "dG2");
}

/* Every digit that maths.md section 3 prints. */
static void golden_gradients(void **state)
{
    (void)state;
    static const char *const beta[P2] = {"0.09952329767", "0.11510608393", "-0.40426069408",
                                         "-0.03169116576"};
    static const char *const gamma1[P2] = {"0.12770634246", "0.19957144473", "-0.49466216481",
                                           "-0.06095948938"};
    static const char *const row1[P2] = {"-0.032579718337", "0.0002395018899", "0.69149219644",
                                         "0.021395848585"};
    static const char *const gamma0[P2] = {"0.13461430461", "0.21036677376", "-0.52141970437",
                                           "-0.06425694382"};
    static const char *const row0[P2] = {"-0.034342038490", "0.0002524571587", "0.72889677499",
                                         "0.022553204667"};
    bnorm_question q1 = the_question(question_y), q0 = the_question(question_y0);
    for (int method = BNORM_QUESTION_KRONECKER; method <= BNORM_QUESTION_COMPLEX; method++) {
        gradient g1 = gradient_by(&q1, his, (bnorm_question_method)method);
        gradient g0 = gradient_by(&q0, deep, (bnorm_question_method)method);
        for (int j = 0; j < P2; j++) {
            assert_digits(g1.dbeta[j], beta[j], "dbeta", j);
            assert_digits(g0.dbeta[j], beta[j], "dbeta, ddof 0", j);
            assert_digits(g1.dgamma[j], gamma1[j], "dgamma", j);
            assert_digits(g1.dg1[j], row1[j], "dG1", j);
            assert_digits(g0.dgamma[j], gamma0[j], "dgamma, ddof 0", j);
            assert_digits(g0.dg1[j], row0[j], "dG1, ddof 0", j);
        }
    }
}

/* y is yhat + u, under either rule. */
static void data_are_consistent(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        const double *y = k ? question_y : question_y0;
        bnorm_question q = the_question(y);
        double one[P2];
        /* With stub = -2 u G2' and no mask, drdb = -2 sum(u) G2. */
        bnorm_mat_f64 out = bnorm_view_f64(one, 1, P2, BNORM_ROW_MAJOR);
        assert_ok(NULL, bnorm_question_evaluate(NULL, &q, k ? his : deep, BNORM_QUESTION_DRDB,
                                                0, out));
        double sum = 0;
        for (int i = 0; i < N; i++) sum += question_u[i];
        for (int j = 0; j < P2; j++)
            assert_true(fabs(one[j] + 2 * sum * question_G2[j]) < 1e-13);
    }
}

/* A random network; y = yhat + noise is not needed: any y does. */
typedef struct network {
    double x[40 * MOST], g1[MOST * MOST], gamma[MOST], beta[MOST], g2[MOST], y[40];
} network;

static bnorm_question random_question(network *n, uint64_t seed, ptrdiff_t rows, ptrdiff_t p1,
                                      ptrdiff_t p2)
{
    bnorm_random_normal(seed, 1, 0, rows * p1, n->x);
    bnorm_random_normal(seed, 2, 0, p1 * p2, n->g1);
    /* Away from 0, where R bends on the scale of the steps of central differences. */
    for (ptrdiff_t k = 0; k < p1 * p2; k++) n->g1[k] += copysign(0.5, n->g1[k]);
    bnorm_random_normal(seed, 3, 0, p2, n->gamma);
    bnorm_random_normal(seed, 4, 0, p2, n->beta);
    bnorm_random_normal(seed, 5, 0, p2, n->g2);
    bnorm_random_normal(seed, 6, 0, rows, n->y);
    bnorm_question q = {.x = bnorm_view_f64(n->x, rows, p1, BNORM_ROW_MAJOR),
                        .g1 = bnorm_view_f64(n->g1, p1, p2, BNORM_ROW_MAJOR),
                        .gamma = n->gamma,
                        .beta = n->beta,
                        .g2 = n->g2,
                        .y = n->y};
    return q;
}

static void agree_on(const bnorm_question *q, bnorm_rule rule)
{
    gradient fast = closed_form(q, rule);
    for (int method = BNORM_QUESTION_KRONECKER; method <= BNORM_QUESTION_COMPLEX; method++) {
        gradient g = gradient_by(q, rule, (bnorm_question_method)method);
        assert_gradients(q, &g, &fast, 1e-12, 1);
    }
    gradient central = gradient_by(q, rule, BNORM_QUESTION_CENTRAL);
    assert_gradients(q, &central, &fast, 1e-6, 1);
}

static void methods_agree(void **state)
{
    (void)state;
    network n;
    bnorm_question q1 = the_question(question_y), q0 = the_question(question_y0);
    agree_on(&q1, his);
    agree_on(&q0, deep);
    for (uint64_t seed = 0; seed < 120; seed++) {
        bnorm_question q =
            random_question(&n, seed, 12 + (ptrdiff_t)(seed % 20), 1 + (ptrdiff_t)(seed % 7),
                            1 + (ptrdiff_t)(seed % 5));
        agree_on(&q, (bnorm_rule){seed % 3 ? 1e-5 : 0, seed % 2 ? 1 : 0});
    }
}

/* All repairs together turn each formula into the gradient; leaving one out does not. */
static void repairs(void **state)
{
    (void)state;
    enum { ALL = 2 * BNORM_REPAIR_NETWORK - 1 };
    bnorm_question q = the_question(question_y);
    gradient truth = closed_form(&q, his);
    double out[P1 * P2], diagonal[P2];
    bnorm_mat_f64 row = bnorm_view_f64(out, 1, P2, BNORM_ROW_MAJOR);
    bnorm_mat_f64 tall = bnorm_view_f64(out, P1, P2, BNORM_ROW_MAJOR);
    bnorm_mat_f64 square = bnorm_view_f64(out, P2, P2, BNORM_COL_MAJOR);
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDB, ALL, row));
    assert_block(P2, out, truth.dbeta, 1e-13, 0, "drdb");
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_LOOP_DRDB, ALL, row));
    assert_block(P2, out, truth.dbeta, 1e-13, 0, "loop_drdb");
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDG1, ALL, tall));
    assert_block(P1 * P2, out, truth.dg1, 1e-13, 0, "drdG1");
    assert_ok(NULL,
              bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_LOOP_DRDG1, ALL, tall));
    assert_block(P1 * P2, out, truth.dg1, 1e-13, 0, "loop_drdG1");
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_LOOP_DRDG, ALL, row));
    assert_block(P2, out, truth.dgamma, 1e-13, 0, "loop_drdg");
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDG, ALL, square));
    for (int j = 0; j < P2; j++) diagonal[j] = out[j * P2 + j];
    assert_block(P2, diagonal, truth.dgamma, 1e-13, 0, "diag(drdg)");
    for (int repair = 1; repair <= BNORM_REPAIR_SIGMA; repair *= 2) {
        double furthest = 0;
        assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDG1,
                                                ALL & ~repair, tall));
        for (int k = 0; k < P1 * P2; k++)
            furthest = fmax(furthest, fabs(out[k] - truth.dg1[k]));
        assert_true(furthest > 0.1);
    }
}

/* R with mu and sigma held at `mean` and `var`: inference. */
static double frozen_risk(const bnorm_question *q, const double *g1, const double *mean,
                          const double *var)
{
    double z[N * P2] = {0}, r = 0;
    bnorm_mat_f64 view = bnorm_view_f64(z, N, P2, BNORM_ROW_MAJOR);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < P1; k++)
            for (int j = 0; j < P2; j++)
                z[i * P2 + j] += q->x.data[i * P1 + k] * g1[k * P2 + j];
    assert_ok(NULL, bnorm_infer_f64(NULL, view, q->gamma, q->beta, mean, var, 0, view));
    for (int i = 0; i < N; i++) {
        double e = q->y[i];
        for (int j = 0; j < P2; j++) e -= fmax(z[i * P2 + j], 0) * q->g2[j];
        r += e * e / N;
    }
    return r;
}

static void statistics_of(const bnorm_question *q, double *mean, double *var)
{
    double z[N * P2] = {0}, n;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < P1; k++)
            for (int j = 0; j < P2; j++)
                z[i * P2 + j] += q->x.data[i * P1 + k] * q->g1.data[k * P2 + j];
    assert_ok(NULL, bnorm_moments_f64(NULL, bnorm_view_f64(z, N, P2, BNORM_ROW_MAJOR), NULL, &n,
                                      mean, var));
    for (int j = 0; j < P2; j++) var[j] /= N - 1;
}

/* The formula for Gamma1, dividing by sd, is the gradient at inference: of R with mu and sigma
 * frozen. R is then quadratic between kinks, so central differences are right to rounding. */
static void frozen_statistics(void **state)
{
    (void)state;
    double formula[P1 * P2], numeric[P1 * P2], g1[P1 * P2], mean[P2], var[P2];
    bnorm_question q = the_question(question_y);
    int kind = BNORM_REPAIR_MASK | BNORM_REPAIR_MEAN | BNORM_REPAIR_FACTOR;
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDG1, kind,
                                            bnorm_view_f64(formula, P1, P2, BNORM_ROW_MAJOR)));
    statistics_of(&q, mean, var);
    memcpy(g1, question_G1, sizeof g1);
    for (int k = 0; k < P1 * P2; k++) {
        double h = 1e-4;
        g1[k] = question_G1[k] + h;
        numeric[k] = frozen_risk(&q, g1, mean, var);
        g1[k] = question_G1[k] - h;
        numeric[k] = (numeric[k] - frozen_risk(&q, g1, mean, var)) / (2 * h);
        g1[k] = question_G1[k];
    }
    assert_block(P1 * P2, numeric, formula, 1e-10, 0, "frozen dG1");
}

/* maths.md section 3: the true dgamma is 2 (his 4), the true dG1 is 0 (his 4). */
static void counterexample_on_paper(void **state)
{
    (void)state;
    static const double x[] = {-1, 0, 1}, one[] = {1}, gamma[] = {2}, beta[] = {3};
    static const double y[] = {1, 3, 2};
    bnorm_question q = {.x = bnorm_view_f64(x, 3, 1, BNORM_ROW_MAJOR),
                        .g1 = bnorm_view_f64(one, 1, 1, BNORM_ROW_MAJOR),
                        .gamma = gamma,
                        .beta = beta,
                        .g2 = one,
                        .y = y};
    double out;
    bnorm_mat_f64 view = bnorm_view_f64(&out, 1, 1, BNORM_ROW_MAJOR);
    for (int method = BNORM_QUESTION_KRONECKER; method <= BNORM_QUESTION_COMPLEX; method++) {
        gradient g = gradient_by(&q, his, (bnorm_question_method)method);
        assert_true(fabs(g.dgamma[0] - 2) < 1e-15);
        assert_true(fabs(g.dg1[0]) < 1e-15);
    }
    int kind = BNORM_REPAIR_MASK | BNORM_REPAIR_MEAN;
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDG, kind, view));
    assert_true(out == 4);
    assert_ok(NULL, bnorm_question_evaluate(NULL, &q, his, BNORM_QUESTION_DRDG1,
                                            kind | BNORM_REPAIR_FACTOR, view));
    assert_true(out == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_84_numbers),    cmocka_unit_test(slip_of_the_loop),
        cmocka_unit_test(golden_gradients),  cmocka_unit_test(data_are_consistent),
        cmocka_unit_test(methods_agree),     cmocka_unit_test(repairs),
        cmocka_unit_test(frozen_statistics), cmocka_unit_test(counterexample_on_paper),
    };
    return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
