/* Each row of docs/conventions.md: bnorm under that system's rule reproduces what the system
 * makes of three batches (conventions_golden.h): its training output, its running statistics,
 * its output at inference; and PyTorch's gradients and R's scale(). */
#include "support.h"

#include <math.h>

#include "conventions_golden.h"

enum { COLS = 3, BATCHES = 3, LAST = 7, NEW = 2 };

static const ptrdiff_t sizes[BATCHES] = {5, 4, LAST};

/* Batches are near 40 with variance 25 at worst: the statistics are sums of at most 7 numbers,
 * each to rounding, and the system may sum in another order. */
static const double bound = 1e-13;

static void assert_equal(const char *system, const char *what, ptrdiff_t count,
                         const double *got, const double *golden)
{
    for (ptrdiff_t k = 0; k < count; k++)
        if (!(fabs(got[k] - golden[k]) <= bound * fmax(1, fabs(golden[k]))))
            fail_msg("%s: %s %td is %.17g, there %.17g", system, what, k, got[k], golden[k]);
}

/* One row of the table. */
typedef struct convention {
    const char *name;
    bnorm_rule rule;
    bnorm_running_kind kind;
    double update, running_ddof, start_mean, start_var;
    const double *y, *mean, *var, *inference;
} convention;

static void train(const convention *c, bnorm_running *running)
{
    const double *batch = batches;
    double n, mean[COLS], m2[COLS];
    for (int b = 0; b < BATCHES; b++) {
        bnorm_mat_f64 x = bnorm_view_f64(batch, sizes[b], COLS, BNORM_ROW_MAJOR);
        assert_ok(NULL, bnorm_moments_f64(NULL, x, NULL, &n, mean, m2));
        assert_ok(NULL, bnorm_running_update(NULL, running, n, mean, m2));
        if (b < BATCHES - 1) batch += sizes[b] * COLS;
    }
    double y[LAST * COLS], rstd[COLS];
    assert_ok(NULL,
              bnorm_forward_f64(NULL, bnorm_view_f64(batch, LAST, COLS, BNORM_ROW_MAJOR), NULL,
                                gamma_, beta_, c->rule,
                                bnorm_view_f64(y, LAST, COLS, BNORM_ROW_MAJOR), mean, rstd));
    assert_equal(c->name, "training output", LAST * COLS, y, c->y);
}

static void reproduce(const convention *c)
{
    double mean[COLS], var[COLS], y[NEW * COLS];
    for (int j = 0; j < COLS; j++) {
        mean[j] = c->start_mean;
        var[j] = c->start_var;
    }
    bnorm_running running = {.kind = c->kind,
                             .update = c->update,
                             .ddof = c->running_ddof,
                             .cols = COLS,
                             .mean = mean,
                             .var = var};
    train(c, &running);
    assert_equal(c->name, "running mean", COLS, mean, c->mean);
    assert_equal(c->name, "running variance", COLS, var, c->var);
    assert_ok(NULL, bnorm_infer_f64(NULL, bnorm_view_f64(new_rows, NEW, COLS, BNORM_ROW_MAJOR),
                                    gamma_, beta_, mean, var, c->rule.eps,
                                    bnorm_view_f64(y, NEW, COLS, BNORM_ROW_MAJOR)));
    assert_equal(c->name, "output at inference", NEW * COLS, y, c->inference);
}

#define GOLDEN(system) system##_y, system##_mean, system##_var, system##_inference

/* The table of docs/conventions.md. */
/* clang-format off */
static const convention table[] = {
    /* name     rule       running kind               update    ddof  mean var */
    {"paper",   {1e-5, 0}, BNORM_RUNNING_AVERAGE,     0,        1,    0,   0, GOLDEN(paper)},
    {"PyTorch", {1e-5, 0}, BNORM_RUNNING_EXPONENTIAL, 0.1,      1,    0,   1, GOLDEN(pytorch)},
    {"Keras",   {1e-3, 0}, BNORM_RUNNING_EXPONENTIAL, 1 - 0.99, 0,    0,   1, GOLDEN(keras)},
    {"ONNX",    {1e-5, 0}, BNORM_RUNNING_EXPONENTIAL, 1 - 0.9,  0,    0,   1, GOLDEN(onnx)},
    {"cs231n",  {1e-5, 0}, BNORM_RUNNING_EXPONENTIAL, 1 - 0.9,  0,    0,   0, GOLDEN(cs231n)},
};
/* clang-format on */

static void each_system(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) reproduce(&table[k]);
}

/* scale(x) is the forward pass with ddof 1, eps 0 and neither gamma nor beta. */
static void r_scale(void **state)
{
    (void)state;
    double y[LAST * COLS], mean[COLS], rstd[COLS], sd[COLS];
    bnorm_mat_f64 x =
        bnorm_view_f64(batches + (sizes[0] + sizes[1]) * COLS, LAST, COLS, BNORM_ROW_MAJOR);
    assert_ok(NULL,
              bnorm_forward_f64(NULL, x, NULL, NULL, NULL, (bnorm_rule){0, 1},
                                bnorm_view_f64(y, LAST, COLS, BNORM_ROW_MAJOR), mean, rstd));
    for (int j = 0; j < COLS; j++) sd[j] = 1 / rstd[j];
    assert_equal("R", "scale(x)", LAST * COLS, y, r_y);
    assert_equal("R", "center", COLS, mean, r_mean);
    assert_equal("R", "scale", COLS, sd, r_sd);
}

/* The rule also decides the gradient: PyTorch's autograd on its training pass. */
static void pytorch_gradients(void **state)
{
    (void)state;
    bnorm_rule rule = {1e-5, 0};
    double y[LAST * COLS], mean[COLS], rstd[COLS], dgamma[COLS], dbeta[COLS];
    bnorm_mat_f64 x =
        bnorm_view_f64(batches + (sizes[0] + sizes[1]) * COLS, LAST, COLS, BNORM_ROW_MAJOR);
    bnorm_mat_f64 out = bnorm_view_f64(y, LAST, COLS, BNORM_ROW_MAJOR);
    assert_ok(NULL, bnorm_forward_f64(NULL, x, NULL, gamma_, beta_, rule, out, mean, rstd));
    assert_ok(NULL,
              bnorm_backward_f64(NULL, x, bnorm_view_f64(upstream, LAST, COLS, BNORM_ROW_MAJOR),
                                 NULL, gamma_, mean, rstd, rule, out, dgamma, dbeta));
    assert_equal("PyTorch", "dx", LAST * COLS, y, pytorch_dx);
    assert_equal("PyTorch", "dgamma", COLS, dgamma, pytorch_dgamma);
    assert_equal("PyTorch", "dbeta", COLS, dbeta, pytorch_dbeta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_system),
        cmocka_unit_test(r_scale),
        cmocka_unit_test(pytorch_gradients),
    };
    return cmocka_run_group_tests_name("conventions", tests, NULL, NULL);
}
