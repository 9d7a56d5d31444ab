/* The gradient check of structured models: right gradients agree with difference quotients at the
 * start and at the fit, for every kind of model; the model is as before, to the bit. That a wrong
 * gradient is noticed, tests/mutants.sh and test_check_wrong.c show of the quotients. */
#include "structured_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ptrdiff_t two[] = {5, 3}, one[] = {4};

typedef struct check_case {
    const char *formula, *activation, *loss;
    int layers, weighted, batchnorm;
    double penalty;
} check_case;

static const check_case cases[] = {
    {"y ~ x + nn(x, z) | id", "tanh", NULL, 2, 0, 1, 1e-3},
    {"y ~ nn(x) + nn(z, g) + x | id + year", "tanh", NULL, 1, 1, 1, 0},
    {"y ~ nn(x, z) | id[z] + year", "gelu", NULL, 2, 1, 1, 1e-2},
    {"y ~ x + nn(x, z)", "relu", NULL, 2, 0, 1, 0},
    {"y ~ x + nn(x, z) | year", "logistic", NULL, 2, 0, 0, 1e-3},
    {"p ~ x + nn(x, z)", "tanh", "logistic", 1, 0, 1, 1e-3},
};

static bnorm_panel *make(bnorm_ctx *ctx, const check_case *c, const bnorm_table *t,
                         const double *weights)
{
    bnorm_panel *p;
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    o.hidden = c->layers == 1 ? one : two;
    o.layers = c->layers;
    o.activation = bnorm_activation_find(c->activation);
    o.loss = c->loss;
    o.batchnorm = c->batchnorm;
    o.penalty = c->penalty;
    assert_ok(ctx, bnorm_panel_create(ctx, c->formula, t, weights, &o, &p));
    return p;
}

/* All parameters of the first network. */
static double *parameters_of(bnorm_panel *p, ptrdiff_t *count)
{
    double *values = bnorm_net_parameters(bnorm_panel_net(p, 0, NULL), count);
    double *copy = malloc((size_t)*count * sizeof *copy);
    memcpy(copy, values, (size_t)*count * sizeof *copy);
    return copy;
}

static void check_one(bnorm_ctx *ctx, bnorm_panel *p, uint64_t seed)
{
    ptrdiff_t blocks = -1, again, count;
    assert_ok(ctx, bnorm_panel_check(ctx, p, seed, 0, NULL, &blocks));
    assert_true(blocks > 0);
    bnorm_check_block *report = calloc((size_t)blocks, sizeof *report);
    double *before = parameters_of(p, &count);
    again = blocks;
    assert_ok(ctx, bnorm_panel_check(ctx, p, seed, 0, report, &again));
    assert_int_equal(again, blocks);
    double *after = parameters_of(p, &count);
    assert_memory_equal(before, after, (size_t)count * sizeof *before);
    assert_string_equal(report[0].name, "nn1.G1");
    int moved = 0;
    for (ptrdiff_t k = 0; k < blocks; k++) {
        assert_true(report[k].ok && report[k].error <= report[k].bound);
        moved |= fabs(report[k].analytic) > 1e-6; /* not the nothing of a minimum */
    }
    assert_true(moved);
    free(report);
    free(before);
    free(after);
}

static void test_start_and_fit(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(2);
    small_panel *s = make_small_panel(14, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        bnorm_panel *p = make(ctx, &cases[k], t, cases[k].weighted ? s->w : NULL);
        bnorm_panel_fit_options f;
        bnorm_panel_report r;
        check_one(ctx, p, 3);
        bnorm_panel_fit_defaults(&f);
        f.fit.epochs = 40;
        assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, &r));
        double *fitted = calloc(2 * (size_t)s->rows, sizeof *fitted);
        assert_ok(ctx, bnorm_panel_residuals(ctx, p, fitted, NULL));
        check_one(ctx, p, 4);
        assert_ok(ctx, bnorm_panel_residuals(ctx, p, fitted + s->rows, NULL));
        assert_memory_equal(fitted, fitted + s->rows, (size_t)info_of(p).rows * sizeof *fitted);
        free(fitted);
        bnorm_panel_destroy(p);
    }
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

static void test_refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(14, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel *p = make(ctx, &cases[0], t, NULL);
    bnorm_check_block report[16];
    ptrdiff_t blocks = 16;
    assert_fails(ctx, bnorm_panel_check(ctx, NULL, 1, 0, report, &blocks), BNORM_E_ARGUMENT,
                 "NULL");
    assert_fails(ctx, bnorm_panel_check(ctx, p, 1, 0, report, NULL), BNORM_E_ARGUMENT, "NULL");
    assert_fails(ctx, bnorm_panel_check(ctx, p, 1, -1, report, &blocks), BNORM_E_ARGUMENT,
                 "entries");
    bnorm_panel_destroy(p);
    p = fit_panel(ctx, "y ~ x | id", t, NULL, NULL);
    blocks = 16;
    assert_ok(ctx, bnorm_panel_check(ctx, p, 1, 0, report, &blocks));
    assert_int_equal(blocks, 0);
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* The networks keep what their passes need: they are made by the same memory. */
static bnorm_status check_with(bnorm_ctx *ctx, void *argument)
{
    bnorm_check_block report[16];
    bnorm_panel *p;
    bnorm_panel_options o;
    ptrdiff_t blocks = 16;
    bnorm_panel_defaults(&o);
    o.hidden = one;
    o.layers = 1;
    bnorm_status status = bnorm_panel_create(ctx, "y ~ x + nn(z) | id", argument, NULL, &o, &p);
    if (status == BNORM_OK) status = bnorm_panel_check(ctx, p, 1, 1, report, &blocks);
    bnorm_panel_destroy(p);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    small_panel *s = make_small_panel(5, 6, 5);
    bnorm_table *t = small_table(NULL, s, NULL, "u");
    assert_true(fail_each_allocation(check_with, t) > 20);
    bnorm_table_destroy(t);
    free_small_panel(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_start_and_fit),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
