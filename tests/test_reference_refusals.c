/* The question's functions: what they refuse, their limit, failing memory. */
#include "support.h"

#include <math.h>
#include <stdlib.h>

#include "../cli/question_data.h"

enum { N = QUESTION_N, P1 = QUESTION_P1, P2 = QUESTION_P2 };

static const bnorm_rule his = {0, 1};

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

typedef struct gradient {
    double dbeta[P2], dgamma[P2], dg1[P1 * P2], dg2[P2];
} gradient;

static void refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    double d[P1 * P2];
    bnorm_question q = the_question(question_y), bad = q;
    bnorm_mat_f64 out = bnorm_view_f64(d, P1, P2, BNORM_ROW_MAJOR);
#define GRADIENT(q, rule, method, out)                                                         \
    bnorm_question_gradient(ctx, q, rule, method, d, d, out, d)
#define FORMULA(q, rule, formula, fix, out)                                                    \
    bnorm_question_evaluate(ctx, q, rule, formula, fix, out)
    assert_fails(ctx, GRADIENT(NULL, his, BNORM_QUESTION_COMPLEX, out), BNORM_E_ARGUMENT,
                 "NULL");
    assert_fails(ctx, GRADIENT(&q, his, (bnorm_question_method)4, out), BNORM_E_ARGUMENT,
                 "method");
    assert_fails(ctx,
                 bnorm_question_gradient(ctx, &q, his, BNORM_QUESTION_COMPLEX, NULL, d, out, d),
                 BNORM_E_ARGUMENT, "dbeta");
    bad.y = NULL;
    assert_fails(ctx, GRADIENT(&bad, his, BNORM_QUESTION_COMPLEX, out), BNORM_E_ARGUMENT, "y");
    assert_fails(ctx, FORMULA(&bad, his, BNORM_QUESTION_DRDB, 0, out), BNORM_E_ARGUMENT, "y");
    assert_fails(ctx, FORMULA(&q, his, BNORM_QUESTION_DRDB, 0, out), BNORM_E_ARGUMENT, "1 x 4");
    assert_fails(ctx, FORMULA(&q, his, BNORM_QUESTION_DRDB, 64, out), BNORM_E_ARGUMENT,
                 "repairs");
    assert_fails(ctx, FORMULA(&q, his, (bnorm_question_formula)6, 0, out), BNORM_E_ARGUMENT,
                 "formula");
    bad = q;
    bad.x = bnorm_view_f64(question_X, N, 2, BNORM_ROW_MAJOR);
    assert_fails(ctx, FORMULA(&bad, his, BNORM_QUESTION_DRDB, 0, out), BNORM_E_ARGUMENT,
                 "g1 is 7 x 4, expected 2 x 4");
    bad.g1 = bnorm_view_f64(question_G1, 2, P2, BNORM_ROW_MAJOR);
    bnorm_mat_f64 row = bnorm_view_f64(d, 1, P2, BNORM_ROW_MAJOR);
    assert_fails(ctx, FORMULA(&bad, his, BNORM_QUESTION_LOOP_DRDB, 0, row), BNORM_E_ARGUMENT,
                 "p1 >= p2");
    bnorm_rule wrong = {0, N};
    for (int method = BNORM_QUESTION_KRONECKER; method <= BNORM_QUESTION_CENTRAL; method++)
        assert_fails(ctx, GRADIENT(&q, wrong, (bnorm_question_method)method, out),
                     BNORM_E_DOMAIN, "10 - 10");
    wrong = (bnorm_rule){NAN, 0};
    assert_fails(ctx, GRADIENT(&q, wrong, BNORM_QUESTION_WEIGHTS, out), BNORM_E_ARGUMENT,
                 "eps");
    bnorm_ctx_destroy(ctx);
}

/* J_z of 2100 x 1 would have 4.41 million elements: refused before anything of that size. */
static void limit(void **state)
{
    (void)state;
    enum { ROWS = 2100 };
    bnorm_ctx *ctx = make_ctx(1);
    double *x = malloc(ROWS * sizeof *x), one = 1, d[1];
    bnorm_random_normal(1, 1, 0, ROWS, x);
    bnorm_question q = {.x = bnorm_view_f64(x, ROWS, 1, BNORM_ROW_MAJOR),
                        .g1 = bnorm_view_f64(&one, 1, 1, BNORM_ROW_MAJOR),
                        .gamma = &one,
                        .beta = &one,
                        .g2 = &one,
                        .y = x};
    bnorm_mat_f64 out = bnorm_view_f64(d, 1, 1, BNORM_ROW_MAJOR);
    assert_fails(ctx, GRADIENT(&q, his, BNORM_QUESTION_KRONECKER, out), BNORM_E_ARGUMENT,
                 "2100 x 2100");
    assert_ok(ctx, GRADIENT(&q, his, BNORM_QUESTION_WEIGHTS, out));
    free(x);
    bnorm_ctx_destroy(ctx);
}

static bnorm_status one_call(bnorm_ctx *ctx, int which)
{
    gradient g;
    double out[P1 * P2];
    bnorm_question q = the_question(question_y);
    bnorm_mat_f64 dg1 = bnorm_view_f64(g.dg1, P1, P2, BNORM_ROW_MAJOR);
    if (which <= BNORM_QUESTION_CENTRAL)
        return bnorm_question_gradient(ctx, &q, his, (bnorm_question_method)which, g.dbeta,
                                       g.dgamma, dg1, g.dg2);
    ptrdiff_t rows = which == 4 ? 1 : P1;
    return bnorm_question_evaluate(ctx, &q, his,
                                   which == 4 ? BNORM_QUESTION_LOOP_DRDB : BNORM_QUESTION_DRDG1,
                                   0, bnorm_view_f64(out, rows, P2, BNORM_ROW_MAJOR));
}

static void failing_memory_everywhere(void **state)
{
    (void)state;
    for (int which = 0; which < 6; which++) {
        bnorm_status status = BNORM_E_MEMORY;
        long k = 2;
        for (; status != BNORM_OK; k++) {
            failing_memory memory = {.fail_at = k};
            bnorm_ctx *ctx = make_failing_ctx(&memory, 1);
            status = one_call(ctx, which);
            if (status != BNORM_OK) assert_int_equal(status, BNORM_E_MEMORY);
            bnorm_ctx_destroy(ctx);
            assert_int_equal(memory.live, 0);
            assert_true(k < 100);
        }
        assert_true(k > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(limit),
        cmocka_unit_test(failing_memory_everywhere),
    };
    return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
