/* Structured models without networks are least squares on explicit dummies: coefficients,
 * residuals, degrees of freedom, whatever the order of the rows and the names of the levels. */
#include "structured_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-11 /* panels of a few hundred rows, condition below 1e3 */

/* Dummies of a column of numbers: one for each distinct value. */
static ptrdiff_t dummies(const small_panel *s, const double *column, const double *slope,
                         ptrdiff_t cols, ptrdiff_t at, long double *d)
{
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        ptrdiff_t first = 0;
        while (column[first] != column[i]) first++;
        if (first < i) continue;
        for (ptrdiff_t k = i; k < s->rows; k++)
            if (column[k] == column[i]) d[k * cols + at] = slope ? slope[k] : 1;
        at++;
    }
    return at;
}

/* A case: a formula and its explicit design. */
typedef struct dummy_case {
    const char *formula;
    int x, logz, constant, id, year, id_x, id_year, weighted;
} dummy_case;

static const dummy_case cases[] = {
    {"y ~ x + log(z)", 1, 1, 1, 0, 0, 0, 0, 0},
    {"y ~ x + log(z)", 1, 1, 1, 0, 0, 0, 0, 1},
    {"y ~ x + log(z) | id", 1, 1, 0, 1, 0, 0, 0, 0},
    {"y ~ x + log(z) | id", 1, 1, 0, 1, 0, 0, 0, 1},
    {"y ~ x + log(z) | code + year", 1, 1, 0, 1, 1, 0, 0, 0},
    {"y ~ x + log(z) | year + id", 1, 1, 0, 1, 1, 0, 0, 1},
    {"y ~ log(z) | id[x]", 0, 1, 0, 1, 0, 1, 0, 0},
    {"y ~ log(z) | id[[x]] + year", 0, 1, 0, 0, 1, 1, 0, 0},
    {"y ~ log(z) | id[x] + year", 0, 1, 0, 1, 1, 1, 0, 1},
    {"y ~ x + log(z) | g^year", 1, 1, 0, 0, 0, 0, 1, 0},
};

static ptrdiff_t explicit_design(const small_panel *s, const dummy_case *c, long double *d,
                                 ptrdiff_t cols, ptrdiff_t *linear)
{
    double *pair = calloc((size_t)s->rows, sizeof *pair);
    ptrdiff_t at = 0;
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        at = 0;
        if (c->constant) d[i * cols + at++] = 1;
        if (c->x) d[i * cols + at++] = s->x[i];
        if (c->logz) d[i * cols + at++] = log(s->z[i]);
        pair[i] = s->g[i] + 10 * s->year[i];
    }
    *linear = at;
    if (c->id) at = dummies(s, s->code, NULL, cols, at, d);
    if (c->id_x) at = dummies(s, s->code, s->x, cols, at, d);
    if (c->year) at = dummies(s, s->year, NULL, cols, at, d);
    if (c->id_year) at = dummies(s, pair, NULL, cols, at, d);
    free(pair);
    return at;
}

static void check_case(bnorm_ctx *ctx, const small_panel *s, const dummy_case *c)
{
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    o.keep_singletons = 1;
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    const double *weights = c->weighted ? s->w : NULL;
    bnorm_panel *p = fit_panel(ctx, c->formula, t, weights, &o);
    ptrdiff_t cols = 200, linear, used;
    long double *d = calloc((size_t)(s->rows * cols), sizeof *d), b[200];
    used = explicit_design(s, c, d, cols, &linear);
    assert_true(used <= cols);
    exact_least_squares(s->rows, cols, d, s->y, weights, b);
    bnorm_panel_info info = info_of(p);
    assert_int_equal(info.rows, s->rows);
    assert_int_equal(info.linear, linear);
    for (ptrdiff_t j = 0; j < linear; j++)
        assert_true(fabs(bnorm_panel_coefficients(p)[j] - (double)b[j]) <=
                    TOLERANCE * (1 + fabs((double)b[j])));
    double *fitted = calloc((size_t)s->rows, sizeof *fitted);
    double *e = calloc((size_t)s->rows, sizeof *e), sse = 0;
    assert_ok(ctx, bnorm_panel_residuals(ctx, p, fitted, e));
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        long double fit = 0;
        for (ptrdiff_t j = 0; j < used; j++) fit += d[i * cols + j] * b[j];
        assert_true(fabs(fitted[i] - (double)fit) <= 100 * TOLERANCE * (1 + fabs(s->y[i])));
        assert_true(fabs(fitted[i] + e[i] - s->y[i]) <= 1e-13 * (1 + fabs(s->y[i])));
        sse += (weights ? weights[i] : 1) * e[i] * e[i];
    }
    assert_true(fabs(info.sse - sse) <= 1e-12 * sse);
    free(fitted);
    free(e);
    free(d);
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
}

static void test_dummies(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(12, 9, 5);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) check_case(ctx, s, cases + k);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dummies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
