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
    ptrdiff_t rank = exact_least_squares(s->rows, cols, d, s->y, weights, b);
    bnorm_panel_info info = info_of(p);
    assert_int_equal(info.rows, s->rows);
    assert_int_equal(info.linear, linear);
    assert_true(strchr(c->formula, '[') ? info.df <= (double)(s->rows - rank)
                                        : info.df == (double)(s->rows - rank));
    assert_true(info.sigma == sqrt(info.sse / info.df));
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

/* ----------------------------------------------------------------------- invariances */

static const char *const formulas[] = {
    "y ~ x + log(z) | id + year",   "y ~ x + g + x:g | id", "y ~ x | id[z] + g^year",
    "y ~ x + nn(z, g) | id + year", "y ~ nn(x, z) + nn(g)", "y ~ x + log(z)",
};

static bnorm_panel_options small_options(void)
{
    static const ptrdiff_t hidden[] = {4};
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    o.hidden = hidden;
    o.layers = 1;
    return o;
}

static double *fitted_of(bnorm_ctx *ctx, bnorm_panel *p)
{
    double *fitted = calloc((size_t)info_of(p).rows, sizeof *fitted);
    assert_ok(ctx, bnorm_panel_residuals(ctx, p, fitted, NULL));
    return fitted;
}

/* Bits may depend on the order of rows, results not beyond what the fit leaves open. */
static void test_order_and_names(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(12, 9, 5);
    bnorm_panel_options o = small_options();
    ptrdiff_t *order = calloc((size_t)s->rows, sizeof *order);
    bnorm_random_permutation(7, 0, s->rows, order);
    bnorm_table *t = small_table(ctx, s, NULL, "u"), *turned = small_table(ctx, s, order, "zz");
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++) {
        if (strstr(formulas[k], "nn(")) continue;
        bnorm_panel *a = fit_panel(ctx, formulas[k], t, NULL, &o);
        bnorm_panel *b = fit_panel(ctx, formulas[k], turned, NULL, &o);
        bnorm_panel_info ia = info_of(a), ib = info_of(b);
        assert_int_equal(ia.rows, ib.rows);
        assert_int_equal(ia.singletons, ib.singletons);
        assert_int_equal(ia.absorbed, ib.absorbed);
        assert_int_equal(ia.units, ib.units);
        assert_int_equal(ia.gaps, ib.gaps);
        assert_true(fabs(ia.sse - ib.sse) <= 1e-11 * ia.sse);
        for (ptrdiff_t j = 0; j < ia.linear; j++)
            assert_true(fabs(bnorm_panel_coefficients(a)[j] - bnorm_panel_coefficients(b)[j]) <=
                        TOLERANCE);
        double *fa = fitted_of(ctx, a), *fb = fitted_of(ctx, b);
        const ptrdiff_t *rows = bnorm_panel_rows(b);
        for (ptrdiff_t i = 0; i < ib.rows; i++) {
            ptrdiff_t at = 0;
            while (bnorm_panel_rows(a)[at] != order[rows[i]]) at++;
            assert_true(fabs(fa[at] - fb[i]) <= 1e-9);
        }
        free(fa);
        free(fb);
        bnorm_panel_destroy(a);
        bnorm_panel_destroy(b);
    }
    free(order);
    bnorm_table_destroy(t);
    bnorm_table_destroy(turned);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* Units as texts or as numbers in another order are the same units. */
static void test_kinds_of_units(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(9, 8, 3);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel *a = fit_panel(ctx, "y ~ x + log(z) | id + year", t, s->w, NULL);
    bnorm_panel *b = fit_panel(ctx, "y ~ x + log(z) | factor(code) + year", t, s->w, NULL);
    for (ptrdiff_t j = 0; j < 2; j++)
        assert_true(fabs(bnorm_panel_coefficients(a)[j] - bnorm_panel_coefficients(b)[j]) <=
                    TOLERANCE);
    assert_string_equal(bnorm_panel_name(a, BNORM_PANEL_FACTOR, 0), "id");
    assert_string_equal(bnorm_panel_name(b, BNORM_PANEL_FACTOR, 0), "code");
    assert_string_equal(bnorm_panel_level_name(a, 0, 3), "u3");
    assert_string_equal(bnorm_panel_level_name(b, 0, 0), "76");
    assert_int_equal(bnorm_panel_levels(a, 0), bnorm_panel_levels(b, 0));
    bnorm_panel_destroy(a);
    bnorm_panel_destroy(b);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* ----------------------------------------------------------------------- predictions */

static void check_predictions(bnorm_ctx *ctx, const small_panel *s, const char *formula)
{
    bnorm_panel_options o = small_options();
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel *p = fit_panel(ctx, formula, t, s->w, &o);
    ptrdiff_t n = info_of(p).rows;
    const ptrdiff_t *rows = bnorm_panel_rows(p);
    double *fitted = fitted_of(ctx, p), *mean = calloc((size_t)n, sizeof *mean), one;
    assert_ok(ctx, bnorm_panel_predict(ctx, p, NULL, t, rows, n, BNORM_NEW_ERROR, mean, NULL));
    for (ptrdiff_t i = 0; i < n; i++) {
        assert_true(fabs(mean[i] - fitted[i]) <= 1e-9 * (1 + fabs(fitted[i])));
        assert_ok(ctx, bnorm_panel_predict(ctx, p, NULL, t, rows + i, 1, BNORM_NEW_ERROR, &one,
                                           NULL));
        assert_memory_equal(&one, mean + i, sizeof one);
    }
    free(fitted);
    free(mean);
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
}

static void test_predictions(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(12, 9, 5);
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++)
        check_predictions(ctx, s, formulas[k]);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* Rows of units 1 and 2 train; the others are new. */
static void test_new_levels(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(6, 8, 3);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    double *w = calloc((size_t)s->rows, sizeof *w),
           *mean = calloc((size_t)s->rows, sizeof *mean);
    unsigned char *kinds = calloc((size_t)s->rows, 1);
    ptrdiff_t *all = calloc((size_t)s->rows, sizeof *all);
    for (ptrdiff_t i = 0; i < s->rows; i++) w[i] = s->id[i] < 3, all[i] = i;
    bnorm_panel *p = fit_panel(ctx, "y ~ x | id", t, w, NULL);
    const double *theta = bnorm_panel_coefficients(p), *effects = bnorm_panel_effects(p, 0);
    double expected = 0, n = 0;
    for (ptrdiff_t i = 0; i < s->rows; i++)
        if (w[i] > 0) expected += effects[s->id[i]], n++;
    assert_int_equal(bnorm_panel_levels(p, 0), 3);
    assert_fails(
        ctx, bnorm_panel_predict(ctx, p, NULL, t, all, s->rows, BNORM_NEW_ERROR, mean, NULL),
        BNORM_E_DATA, "the fixed effect 'id' has no level 'u");
    assert_ok(ctx,
              bnorm_panel_predict(ctx, p, NULL, t, all, s->rows, BNORM_NEW_NAN, mean, NULL));
    assert_ok(ctx, bnorm_panel_screen(ctx, p, t, 0, kinds));
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        assert_int_equal(isnan(mean[i]) != 0, s->id[i] >= 3);
        assert_int_equal(kinds[i], s->id[i] >= 3 ? BNORM_ROW_NEW : BNORM_ROW_READY);
    }
    assert_ok(ctx,
              bnorm_panel_predict(ctx, p, NULL, t, all, s->rows, BNORM_NEW_ZERO, mean, NULL));
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        double effect = s->id[i] < 3 ? effects[s->id[i]] : expected / n;
        assert_true(fabs(mean[i] - theta[0] * s->x[i] - effect) <= 1e-12 * (1 + fabs(mean[i])));
    }
    free(w);
    free(mean);
    free(kinds);
    free(all);
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dummies),        cmocka_unit_test(test_order_and_names),
        cmocka_unit_test(test_kinds_of_units), cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_new_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
