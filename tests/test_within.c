/* within: the projection Q against dense least squares in long double, and its laws. */
#include "within_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLS = 6 };

/* One and several factors, connected or not, slopes with and without their constant, a factor
 * twice, weights; sizes at which levels have one row, none, or dozens. */
static const panel panels[] = {
    {.rows = 97, .count = 1, .levels = {13}},
    {.rows = 60, .count = 1, .levels = {45}, .weighted = 1},
    {.rows = 110, .count = 2, .levels = {17, 9}},
    {.rows = 110, .count = 2, .levels = {9, 17}, .weighted = 1},
    {.rows = 120, .count = 2, .levels = {18, 12}, .islands = 3, .weighted = 1},
    {.rows = 40, .count = 2, .levels = {21, 20}},
    {.rows = 130, .count = 3, .levels = {15, 10, 7}, .weighted = 1},
    {.rows = 130, .count = 3, .levels = {8, 16, 12}, .islands = 2},
    {.rows = 120, .count = 1, .levels = {12}, .slopes = {1}},
    {.rows = 120, .count = 2, .levels = {12, 12}, .slopes = {0, 1}, .twin = {0, 1}},
    {.rows = 120,
     .count = 2,
     .levels = {12, 12},
     .slopes = {1, 0},
     .twin = {0, 1},
     .weighted = 1},
    {.rows = 140, .count = 3, .levels = {12, 12, 10}, .slopes = {0, 1, 0}, .twin = {0, 1, 0}},
    {.rows = 140,
     .count = 3,
     .levels = {15, 6, 6},
     .slopes = {0, 0, 1},
     .twin = {0, 0, 2},
     .weighted = 1},
    {.rows = 150,
     .count = 4,
     .levels = {10, 10, 8, 8},
     .slopes = {0, 1, 0, 1},
     .twin = {0, 1, 0, 3},
     .weighted = 1},
    {.rows = 100, .count = 3, .levels = {11, 11, 7}, .twin = {0, 1, 0}, .weighted = 1},
    {.rows = 120, .count = 2, .levels = {12, 9}, .slopes = {1, 1}},
    {.rows = 1, .count = 2, .levels = {1, 3}},
};
enum { PANELS = sizeof panels / sizeof *panels };

static void for_each(void (*body)(panel *p, const bnorm_within *q))
{
    for (int k = 0; k < PANELS; k++)
        for (uint64_t seed = 1; seed <= 4; seed++) {
            panel p = panels[k];
            p.seed = 10 * (uint64_t)k + seed;
            panel_make(&p);
            bnorm_within *q = panel_within(&p, 0);
            body(&p, q);
            bnorm_within_destroy(q);
            panel_free(&p);
        }
}

/* Of scale 1, but column 1 is large, column 2 tiny, and column 3 nearly a sum of effects. */
static double *columns(const panel *p)
{
    double *x = malloc((size_t)(COLS * p->rows) * sizeof *x);
    fill_normal(p->seed, 300, COLS * p->rows, x);
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        x[p->rows + i] = 1e5 * x[p->rows + i] + 3e5;
        x[2 * p->rows + i] *= 1e-30;
        x[3 * p->rows + i] *= 1e-6;
        for (ptrdiff_t k = 0; k < p->count; k++)
            x[3 * p->rows + i] += (p->slope[k] ? p->slope[k][i] : 1) * sin(p->codes[k][i]);
    }
    return x;
}

static double *projected(const panel *p, const bnorm_within *q, const double *x, ptrdiff_t cols)
{
    bnorm_ctx *ctx = make_ctx(1);
    double *y = malloc((size_t)(cols * p->rows) * sizeof *y);
    assert_ok(ctx, bnorm_demean_f64(ctx, q, bnorm_view_f64(x, p->rows, cols, BNORM_COL_MAJOR),
                                    bnorm_view_f64(y, p->rows, cols, BNORM_COL_MAJOR), NULL));
    bnorm_ctx_destroy(ctx);
    return y;
}

/* ------------------------------------------------------------------------------- reference */

/* The normal equations bound what is in the span of D by the tolerance over the least singular
 * value of D with columns of length 1, here above 1e-3; what remains is rounding of x. */
static void check_dense(panel *p, const bnorm_within *q)
{
    dense d = dense_make(p);
    double *x = columns(p), *y = projected(p, q, x, COLS);
    long double *expected = malloc((size_t)p->rows * sizeof *expected);
    for (ptrdiff_t c = 0; c < COLS; c++) {
        const double *xc = x + c * p->rows, *yc = y + c * p->rows;
        dense_project(&d, xc, expected);
        long double norm = weighted_norm(p->rows, p->weights, yc),
                    size = weighted_norm(p->rows, p->weights, xc);
        for (ptrdiff_t i = 0; i < p->rows; i++) {
            if (p->weights && p->weights[i] == 0) continue;
            assert_true(fabsl(yc[i] - expected[i]) <= 1e-9L * norm + 0x1p-46L * size);
        }
    }
    free(expected);
    free(x);
    free(y);
    dense_free(&d);
}

static void least_squares(void **state)
{
    (void)state;
    for_each(check_dense);
}

/* Rows of weight 0 are projected by the effects of the others. */
static void rows_without_weight(void **state)
{
    (void)state;
    panel p = {.rows = 90, .count = 2, .levels = {7, 5}, .weighted = 1, .seed = 5};
    panel_make(&p);
    bnorm_within *q = panel_within(&p, 0);
    double *x = columns(&p), *effects = malloc(12 * sizeof *effects);
    double *y = projected(&p, q, x, 1);
    assert_ok(NULL, bnorm_within_effects(NULL, q, x, effects));
    int seen = 0;
    for (ptrdiff_t i = 0; i < p.rows; i++) {
        double fit = effects[p.codes[0][i]] + effects[7 + p.codes[1][i]];
        assert_true(fabs(x[i] - fit - y[i]) <= 1e-11);
        seen += p.weights[i] == 0;
    }
    assert_true(seen > 3);
    double *changed = malloc((size_t)p.rows * sizeof *changed);
    for (ptrdiff_t i = 0; i < p.rows; i++) changed[i] = p.weights[i] == 0 ? (double)NAN : x[i];
    double *again = projected(&p, q, changed, 1);
    for (ptrdiff_t i = 0; i < p.rows; i++)
        if (p.weights[i] > 0)
            assert_memory_equal(&again[i], &y[i], sizeof *y);
        else
            assert_true(isnan(again[i]));
    free(changed);
    free(again);
    free(effects);
    free(x);
    free(y);
    bnorm_within_destroy(q);
    panel_free(&p);
}

/* ------------------------------------------------------------------------------------ laws */

static void check_orthogonal(panel *p, const bnorm_within *q)
{
    double *x = columns(p), *y = projected(p, q, x, COLS);
    for (ptrdiff_t c = 0; c < COLS; c++) {
        long double size = weighted_norm(p->rows, p->weights, x + c * p->rows),
                    left = weighted_norm(p->rows, p->weights, y + c * p->rows);
        if (left > 0x1p-40L * size) assert_true(normal_equations(p, y + c * p->rows) <= 3e-12);
    }
    free(x);
    free(y);
}

/* D'omega Q x = 0. */
static void orthogonal(void **state)
{
    (void)state;
    for_each(check_orthogonal);
}

static void check_idempotent(panel *p, const bnorm_within *q)
{
    double *x = columns(p), *y = projected(p, q, x, COLS), *z = projected(p, q, y, COLS);
    for (ptrdiff_t c = 0; c < COLS; c++) {
        long double size = weighted_norm(p->rows, p->weights, x + c * p->rows),
                    left = weighted_norm(p->rows, p->weights, y + c * p->rows);
        for (ptrdiff_t i = c * p->rows; i < (c + 1) * p->rows; i++)
            if (!p->weights || p->weights[i - c * p->rows] > 0)
                assert_true(fabsl(y[i] - z[i]) <= 1e-9L * left + 0x1p-46L * size);
    }
    free(x);
    free(y);
    free(z);
}

static void idempotent(void **state)
{
    (void)state;
    for_each(check_idempotent);
}

static void check_symmetric(panel *p, const bnorm_within *q)
{
    double *x = columns(p), *y = projected(p, q, x, COLS);
    const double *a = x, *b = x + 4 * p->rows, *qa = y, *qb = y + 4 * p->rows;
    long double left = 0, right = 0;
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        long double w = p->weights ? p->weights[i] : 1;
        left += w * a[i] * qb[i];
        right += w * b[i] * qa[i];
    }
    assert_true(fabsl(left - right) <= 1e-9L * weighted_norm(p->rows, p->weights, a) *
                                           weighted_norm(p->rows, p->weights, b));
    free(x);
    free(y);
}

/* a'omega Q b = b'omega Q a. */
static void symmetric(void **state)
{
    (void)state;
    for_each(check_symmetric);
}

static void check_linear(panel *p, const bnorm_within *q)
{
    double *x = columns(p), *mix = malloc((size_t)p->rows * sizeof *mix);
    for (ptrdiff_t i = 0; i < p->rows; i++) mix[i] = 3 * x[i] - 2 * x[4 * p->rows + i];
    double *y = projected(p, q, x, COLS), *z = projected(p, q, mix, 1);
    for (ptrdiff_t i = 0; i < p->rows; i++)
        if (!p->weights || p->weights[i] > 0)
            assert_true(fabs(3 * y[i] - 2 * y[4 * p->rows + i] - z[i]) <= 1e-8);
    free(x);
    free(y);
    free(mix);
    free(z);
}

static void linear(void **state)
{
    (void)state;
    for_each(check_linear);
}

/* The panel with its rows in another order. */
static panel shuffled(const panel *p, const ptrdiff_t *order)
{
    panel s = *p;
    panel_make(&s);
    for (ptrdiff_t k = 0; k < p->count; k++)
        for (ptrdiff_t i = 0; i < p->rows; i++) {
            s.codes[k][i] = p->codes[k][order[i]];
            if (s.slope[k]) s.slope[k][i] = p->slope[k][order[i]];
        }
    for (ptrdiff_t i = 0; p->weights && i < p->rows; i++) s.weights[i] = p->weights[order[i]];
    return s;
}

static void check_order(panel *p, const bnorm_within *q)
{
    ptrdiff_t *order = malloc((size_t)p->rows * sizeof *order);
    bnorm_random_permutation(p->seed, 400, p->rows, order);
    panel s = shuffled(p, order);
    bnorm_within *qs = panel_within(&s, 0);
    double *x = columns(p), *xs = malloc((size_t)p->rows * sizeof *xs);
    for (ptrdiff_t i = 0; i < p->rows; i++) xs[i] = x[order[i]];
    double *y = projected(p, q, x, 1), *ys = projected(&s, qs, xs, 1);
    for (ptrdiff_t i = 0; i < p->rows; i++)
        if (!s.weights || s.weights[i] > 0) assert_true(fabs(ys[i] - y[order[i]]) <= 1e-9);
    assert_int_equal(bnorm_within_rank(q), bnorm_within_rank(qs));
    bnorm_within_destroy(qs);
    panel_free(&s);
    free(order);
    free(x);
    free(xs);
    free(y);
    free(ys);
}

static void order_of_rows(void **state)
{
    (void)state;
    for_each(check_order);
}

/* A row of weight 3 is three rows. */
static void duplicates_are_weights(void **state)
{
    (void)state;
    enum { ROWS = 70 };
    panel p = {.rows = ROWS, .count = 2, .levels = {9, 6}, .weighted = 1, .seed = 3};
    panel_make(&p);
    for (ptrdiff_t i = 0; i < ROWS; i++) p.weights[i] = (double)(1 + i % 3);
    panel d = {.rows = 0, .count = 2, .levels = {9, 6}, .seed = 3};
    ptrdiff_t of[3 * ROWS];
    for (ptrdiff_t i = 0; i < ROWS; i++)
        for (ptrdiff_t t = 0; t <= i % 3; t++) of[d.rows++] = i;
    panel_make(&d);
    double *x = columns(&p), *xd = malloc((size_t)d.rows * sizeof *xd);
    for (ptrdiff_t i = 0; i < d.rows; i++) {
        for (int k = 0; k < 2; k++) d.codes[k][i] = p.codes[k][of[i]];
        xd[i] = x[of[i]];
    }
    bnorm_within *q = panel_within(&p, 0), *qd = panel_within(&d, 0);
    double *y = projected(&p, q, x, 1), *yd = projected(&d, qd, xd, 1);
    for (ptrdiff_t i = 0; i < d.rows; i++) assert_true(fabs(yd[i] - y[of[i]]) <= 1e-10);
    bnorm_within_destroy(q);
    bnorm_within_destroy(qd);
    panel_free(&p);
    panel_free(&d);
    free(x);
    free(xd);
    free(y);
    free(yd);
}

/* ------------------------------------------------------------------------------------ rank */

static void check_rank(panel *p, const bnorm_within *q)
{
    dense d = dense_make(p);
    int own = 0, slopes = 0;
    for (ptrdiff_t k = 0; k < p->count; k++) {
        own += p->twin[k] == 0;
        slopes += p->slopes[k];
    }
    if (own == 1 || (own == 2 && slopes == 0))
        assert_int_equal(bnorm_within_rank(q), d.rank);
    else
        assert_true(bnorm_within_rank(q) >= d.rank);
    dense_free(&d);
}

static void rank(void **state)
{
    (void)state;
    for_each(check_rank);
}

/* --------------------------------------------------------------------------------- effects */

static void check_effects(panel *p, const bnorm_within *q)
{
    ptrdiff_t levels = 0, base = 0;
    for (ptrdiff_t k = 0; k < p->count; k++) levels += p->levels[k];
    double *x = columns(p), *effects = malloc((size_t)levels * sizeof *effects);
    double *y = projected(p, q, x, 1), *fit = calloc((size_t)p->rows, sizeof *fit);
    assert_ok(NULL, bnorm_within_effects(NULL, q, x, effects));
    for (ptrdiff_t k = 0; k < p->count; base += p->levels[k++])
        for (ptrdiff_t i = 0; i < p->rows; i++)
            fit[i] += effects[base + p->codes[k][i]] * (p->slope[k] ? p->slope[k][i] : 1);
    for (ptrdiff_t i = 0; i < p->rows; i++)
        if (!p->weights || p->weights[i] > 0) assert_true(fabs(x[i] - fit[i] - y[i]) <= 1e-9);
    free(x);
    free(y);
    free(fit);
    free(effects);
}

/* r = effects + Q r. */
static void effects(void **state)
{
    (void)state;
    for_each(check_effects);
}

/* Two islands by hand: the later factor is 0 at its first level in each; the first keeps its
 * level; a level without rows has no effect. */
static void normalisation(void **state)
{
    (void)state;
    int32_t unit[] = {0, 0, 1, 1, 2, 2, 3, 3}, year[] = {1, 2, 1, 2, 4, 3, 4, 3};
    double a[] = {5, 7, -2, 4}, b[] = {0, 1, 3, 2, -6}, r[8], found[9];
    bnorm_factor factors[] = {{unit, 4, NULL}, {year, 5, NULL}};
    bnorm_within *q;
    assert_ok(NULL, bnorm_within_create(NULL, 8, factors, 2, NULL, 0, &q));
    for (int i = 0; i < 8; i++) r[i] = a[unit[i]] + b[year[i]];
    assert_ok(NULL, bnorm_within_effects(NULL, q, r, found));
    double expected[] = {6, 8, 0, 6, (double)NAN, 0, 2, 0, -8};
    for (int k = 0; k < 9; k++)
        if (k == 4)
            assert_true(isnan(found[k]));
        else
            assert_true(fabs(found[k] - expected[k]) <= 1e-14);
    assert_int_equal(bnorm_within_rank(q), 4 + 4 - 2);
    bnorm_within_destroy(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_squares), cmocka_unit_test(rows_without_weight),
        cmocka_unit_test(orthogonal),    cmocka_unit_test(idempotent),
        cmocka_unit_test(symmetric),     cmocka_unit_test(linear),
        cmocka_unit_test(order_of_rows), cmocka_unit_test(duplicates_are_weights),
        cmocka_unit_test(rank),          cmocka_unit_test(effects),
        cmocka_unit_test(normalisation),
    };
    return cmocka_run_group_tests_name("within", tests, NULL, NULL);
}
