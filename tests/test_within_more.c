/* within_more: the projection's digits, bits, places, refusals and failing memory; singletons. */
#include "within_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const panel usual = {.rows = 400,
                            .count = 3,
                            .levels = {40, 25, 40},
                            .slopes = {0, 0, 1},
                            .twin = {0, 0, 1},
                            .weighted = 1,
                            .seed = 7};

/* ---------------------------------------------------------------------------------- digits */

/* A column that is constant in each level comes out exactly 0, whatever its values are. */
static void effect_of_one_factor(void **state)
{
    (void)state;
    panel p = {.rows = 300, .count = 1, .levels = {37}, .seed = 2};
    for (p.weighted = 0; p.weighted < 2; p.weighted++) {
        panel_make(&p);
        bnorm_within *q = panel_within(&p, 0);
        double *x = malloc((size_t)p.rows * sizeof *x);
        for (ptrdiff_t i = 0; i < p.rows; i++) x[i] = 1e9 + 0.1 * p.codes[0][i];
        bnorm_mat_f64 v = bnorm_view_f64(x, p.rows, 1, BNORM_COL_MAJOR);
        assert_ok(NULL, bnorm_demean_f64(NULL, q, v, v, NULL));
        for (ptrdiff_t i = 0; i < p.rows; i++)
            if (!p.weights || p.weights[i] > 0) assert_true(x[i] == 0);
        free(x);
        bnorm_within_destroy(q);
        panel_free(&p);
    }
}

/* With several factors, a sum of effects leaves roundoff: 2^-46 of itself, as stated. Each term
 * alone, and their sum; the second case has the smaller factor first. */
static void effects_of_two_factors(void **state)
{
    (void)state;
    for (int c = 0; c < 6; c++) {
        panel p = {
            .rows = 500, .count = 2, .levels = {c & 1 ? 19 : 60, c & 1 ? 60 : 19}, .seed = 3};
        panel_make(&p);
        bnorm_within *q = panel_within(&p, 0);
        double *x = malloc((size_t)p.rows * sizeof *x), size = 0;
        for (ptrdiff_t i = 0; i < p.rows; i++) {
            x[i] = c / 2 != 1 ? 1000 * sin(p.codes[0][i]) : 0;
            x[i] += c / 2 != 0 ? 1000 * cos(p.codes[1][i]) : 0;
            size += x[i] * x[i];
        }
        bnorm_mat_f64 v = bnorm_view_f64(x, p.rows, 1, BNORM_COL_MAJOR);
        assert_ok(NULL, bnorm_demean_f64(NULL, q, v, v, NULL));
        assert_true(weighted_norm(p.rows, NULL, x) <= 0x1p-46 * sqrt(size));
        free(x);
        bnorm_within_destroy(q);
        panel_free(&p);
    }
}

/* x = z + effects of 1e9, multiples of 2^-20 all, so that the sum is exact: Q x = Q z to the
 * digits of z. */
static void large_effects(void **state)
{
    (void)state;
    for (int count = 1; count <= 3; count++) {
        panel p = {
            .rows = 400, .count = count, .levels = {30, 20, 10}, .weighted = 1, .seed = 4};
        panel_make(&p);
        bnorm_within *q = panel_within(&p, 0);
        double *z = malloc((size_t)(2 * p.rows) * sizeof *z), *x = z + p.rows;
        fill_normal(11, 0, p.rows, z);
        for (ptrdiff_t i = 0; i < p.rows; i++) {
            z[i] = nearbyint(z[i] * 0x1p20) * 0x1p-20;
            x[i] = z[i];
            for (int k = 0; k < count; k++)
                x[i] += nearbyint(1e9 * sin(1 + p.codes[k][i])) + 1e9;
        }
        bnorm_mat_f64 v = bnorm_view_f64(z, p.rows, 2, BNORM_COL_MAJOR);
        assert_ok(NULL, bnorm_demean_f64(NULL, q, v, v, NULL));
        for (ptrdiff_t i = 0; i < p.rows; i++)
            if (p.weights[i] > 0) assert_true(fabs(x[i] - z[i]) <= 1e-10);
        free(z);
        bnorm_within_destroy(q);
        panel_free(&p);
    }
}

/* A slope with mean/sd 1e9, beside its constant. */
static void large_slope(void **state)
{
    (void)state;
    enum { ROWS = 60, LEVELS = 6 };
    int32_t codes[ROWS];
    double slope[ROWS], small[ROWS], x[2 * ROWS];
    for (int i = 0; i < ROWS; i++) {
        codes[i] = i % LEVELS;
        small[i] = (i * 7 % 11) - 5;
        slope[i] = 1e9 + small[i];
    }
    fill_normal(12, 0, ROWS, x);
    for (int large = 0; large < 2; large++) {
        bnorm_factor factors[] = {{codes, LEVELS, NULL},
                                  {codes, LEVELS, large ? slope : small}};
        bnorm_within *q;
        assert_ok(NULL, bnorm_within_create(NULL, ROWS, factors, 2, NULL, 0, &q));
        assert_int_equal(bnorm_within_rank(q), 2 * LEVELS);
        bnorm_mat_f64 y = bnorm_view_f64(x + ROWS, ROWS, 1, BNORM_COL_MAJOR);
        double first[ROWS];
        memcpy(first, x + ROWS, sizeof first);
        assert_ok(NULL, bnorm_demean_f64(NULL, q, bnorm_view_f64(x, ROWS, 1, BNORM_COL_MAJOR),
                                         y, NULL));
        for (int i = 0; large && i < ROWS; i++)
            assert_true(fabs(x[ROWS + i] - first[i]) <= 1e-14);
        bnorm_within_destroy(q);
    }
}

/* A slope that is a line of another in each level, but for rounding, or constant there, is nothing
 * new: the rank does not count it, and the projection is that without it. */
static void slopes_nothing_new(void **state)
{
    (void)state;
    enum { ROWS = 60, LEVELS = 6 };
    int32_t codes[ROWS];
    double slope[ROWS], line[ROWS], flat[ROWS], x[3 * ROWS];
    fill_normal(13, 0, ROWS, slope);
    fill_normal(13, 1, ROWS, x);
    for (int i = 0; i < ROWS; i++) {
        codes[i] = i % LEVELS;
        line[i] = 0.1 * (codes[i] + 3) + slope[i] / 3;
        flat[i] = i % 2 ? 0.3 : 0.1 + 0.2;
    }
    bnorm_factor factors[] = {{codes, LEVELS, NULL},
                              {codes, LEVELS, slope},
                              {codes, LEVELS, line},
                              {codes, LEVELS, flat}};
    for (int count = 2; count <= 4; count += 2) {
        bnorm_within *q;
        assert_ok(NULL, bnorm_within_create(NULL, ROWS, factors, count, NULL, 0, &q));
        assert_int_equal(bnorm_within_rank(q), 2 * LEVELS);
        assert_ok(NULL,
                  bnorm_demean_f64(
                      NULL, q, bnorm_view_f64(x, ROWS, 1, BNORM_COL_MAJOR),
                      bnorm_view_f64(x + count / 2 * ROWS, ROWS, 1, BNORM_COL_MAJOR), NULL));
        bnorm_within_destroy(q);
    }
    for (int i = 0; i < ROWS; i++) assert_true(fabs(x[ROWS + i] - x[2 * ROWS + i]) <= 1e-14);
}

/* A row without weight joins nothing. */
static void rank_without_weight(void **state)
{
    (void)state;
    int32_t unit[] = {0, 0, 1, 1, 0}, year[] = {0, 1, 2, 3, 2};
    double weights[] = {1, 2, 1, 2, 0};
    bnorm_factor factors[] = {{unit, 2, NULL}, {year, 4, NULL}};
    for (int weighted = 0; weighted < 2; weighted++) {
        bnorm_within *q;
        assert_ok(NULL,
                  bnorm_within_create(NULL, 5, factors, 2, weighted ? weights : NULL, 0, &q));
        assert_int_equal(bnorm_within_rank(q), weighted ? 4 : 5);
        bnorm_within_destroy(q);
    }
}

/* ------------------------------------------------------------------------------------ bits */

enum { COLS = 11 };

/* Entry (i, c) of a matrix. */
static double *at(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t c)
{
    return m.data + (m.layout == BNORM_ROW_MAJOR ? i * m.ld + c : c * m.ld + i);
}

/* A matrix of COLS columns and `pad` elements more in each line, all -1. */
static bnorm_mat_f64 blank(ptrdiff_t rows, bnorm_layout layout, ptrdiff_t pad)
{
    bnorm_mat_f64 m = bnorm_view_f64(NULL, rows, COLS, layout);
    m.ld += pad;
    size_t lines = (size_t)(layout == BNORM_ROW_MAJOR ? rows : COLS);
    m.data = malloc(lines * (size_t)m.ld * sizeof *m.data);
    for (size_t k = 0; k < lines * (size_t)m.ld; k++) m.data[k] = -1;
    return m;
}

static void fill(bnorm_mat_f64 m)
{
    double *column = malloc((size_t)m.rows * sizeof *column);
    for (ptrdiff_t c = 0; c < COLS; c++) {
        fill_normal(20, (uint64_t)c, m.rows, column);
        for (ptrdiff_t i = 0; i < m.rows; i++)
            *at(m, i, c) = column[i] * pow(10, (double)c - 5);
    }
    free(column);
}

static void check_padding(bnorm_mat_f64 m)
{
    ptrdiff_t lines = m.layout == BNORM_ROW_MAJOR ? m.rows : COLS;
    ptrdiff_t width = m.layout == BNORM_ROW_MAJOR ? COLS : m.rows;
    for (ptrdiff_t k = 0; k < lines; k++)
        for (ptrdiff_t j = width; j < m.ld; j++) assert_true(m.data[k * m.ld + j] == -1);
}

static void check_same(bnorm_mat_f64 a, bnorm_mat_f64 b)
{
    for (ptrdiff_t c = 0; c < COLS; c++)
        for (ptrdiff_t i = 0; i < a.rows; i++)
            assert_memory_equal(at(a, i, c), at(b, i, c), sizeof(double));
}

/* Threads, layouts of input and output, padding, in place: the same bits. So many rows that the
 * threads are used. */
static void same_bits(void **state)
{
    (void)state;
    panel p = usual;
    p.rows = 4000;
    panel_make(&p);
    bnorm_within *q = panel_within(&p, 0);
    bnorm_mat_f64 x = blank(p.rows, BNORM_COL_MAJOR, 0), y = blank(p.rows, BNORM_COL_MAJOR, 0);
    ptrdiff_t sweeps = 0;
    fill(x);
    assert_ok(NULL, bnorm_demean_f64(NULL, q, x, y, &sweeps));
    assert_true(sweeps > 2);
    for (int c = 0; c < 16; c++) {
        bnorm_ctx *ctx = make_ctx(1 + c % 4);
        bnorm_mat_f64 a = blank(p.rows, c & 4 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR, c % 3);
        bnorm_mat_f64 b =
            c % 5 == 0 ? a : blank(p.rows, c & 8 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR, 3);
        ptrdiff_t again = 0;
        fill(a);
        assert_ok(ctx, bnorm_demean_f64(ctx, q, a, b, &again));
        check_same(y, b);
        check_padding(a);
        check_padding(b);
        assert_int_equal(sweeps, again);
        if (a.data != b.data) check_same(x, a), free(b.data);
        free(a.data);
        bnorm_ctx_destroy(ctx);
    }
    free(x.data);
    free(y.data);
    bnorm_within_destroy(q);
    panel_free(&p);
}

/* A column's bits are its own: alone, or beside others that need more sweeps or are not finite. */
static void columns_alone(void **state)
{
    (void)state;
    panel p = usual;
    panel_make(&p);
    bnorm_within *q = panel_within(&p, 0);
    bnorm_mat_f64 x = blank(p.rows, BNORM_COL_MAJOR, 0), y = blank(p.rows, BNORM_COL_MAJOR, 0);
    fill(x);
    for (ptrdiff_t i = 0; i < p.rows; i++) *at(x, i, 3) = p.codes[1][i] + 1e-6 * *at(x, i, 3);
    *at(x, 17, 5) = (double)NAN;
    *at(x, 18, 6) = (double)INFINITY;
    *at(x, 19, 7) = 1e308;
    assert_ok(NULL, bnorm_demean_f64(NULL, q, x, y, NULL));
    double *alone = malloc((size_t)p.rows * sizeof *alone);
    for (ptrdiff_t c = 0; c < COLS; c++) {
        assert_ok(NULL, bnorm_demean_f64(
                            NULL, q, bnorm_view_f64(at(x, 0, c), p.rows, 1, BNORM_COL_MAJOR),
                            bnorm_view_f64(alone, p.rows, 1, BNORM_ROW_MAJOR), NULL));
        for (ptrdiff_t i = 0; i < p.rows; i++)
            if (c == 5 || c == 6 || c == 7)
                assert_true(isnan(alone[i]) && isnan(*at(y, i, c)));
            else
                assert_memory_equal(&alone[i], at(y, i, c), sizeof *alone);
    }
    free(alone);
    free(x.data);
    free(y.data);
    bnorm_within_destroy(q);
    panel_free(&p);
}

/* With one factor, only the level of the row that is not finite. */
static void one_level_not_finite(void **state)
{
    (void)state;
    int32_t codes[] = {0, 0, 1, 1, 1};
    double x[] = {1, (double)NAN, 2, 3, 4};
    bnorm_factor f = {codes, 2, NULL};
    bnorm_within *q;
    assert_ok(NULL, bnorm_within_create(NULL, 5, &f, 1, NULL, 0, &q));
    bnorm_mat_f64 v = bnorm_view_f64(x, 5, 1, BNORM_COL_MAJOR);
    assert_ok(NULL, bnorm_demean_f64(NULL, q, v, v, NULL));
    assert_true(isnan(x[0]) && isnan(x[1]) && x[2] == -1 && x[3] == 0 && x[4] == 1);
    bnorm_within_destroy(q);
}

/* ------------------------------------------------------------------------------- convergence */

/* A chain: row i joins unit i to years i and i+1, so S is the Laplacian of a path, the worst
 * connected of all. */
enum { CHAIN = 400 };

static bnorm_within *chain(int32_t *unit, int32_t *year, bnorm_factor *factors,
                           double tolerance)
{
    bnorm_within *q;
    for (int32_t i = 0; i < 2 * CHAIN; i++) {
        unit[i] = i / 2;
        year[i] = (i + 1) / 2;
    }
    factors[0] = (bnorm_factor){unit, CHAIN, NULL};
    factors[1] = (bnorm_factor){year, CHAIN + 1, NULL};
    assert_ok(NULL, bnorm_within_create(NULL, 2 * CHAIN, factors, 2, NULL, tolerance, &q));
    return q;
}

/* 2 CHAIN rows, as many independent columns: nothing is left. */
static void chained(void **state)
{
    (void)state;
    int32_t unit[2 * CHAIN], year[2 * CHAIN];
    bnorm_factor factors[2];
    double x[2 * CHAIN];
    ptrdiff_t sweeps;
    bnorm_within *q = chain(unit, year, factors, 0);
    assert_int_equal(bnorm_within_rank(q), 2 * CHAIN);
    fill_normal(30, 0, 2 * CHAIN, x);
    bnorm_mat_f64 v = bnorm_view_f64(x, 2 * CHAIN, 1, BNORM_COL_MAJOR);
    assert_ok(NULL, bnorm_demean_f64(NULL, q, v, v, &sweeps));
    assert_true(sweeps > CHAIN / 2);
    for (int i = 0; i < 2 * CHAIN; i++) assert_true(fabs(x[i]) <= 1e-10);
    bnorm_within_destroy(q);
}

/* A chain of 10,500 with noise on top needs more sweeps than are allowed. */
static void does_not_converge(void **state)
{
    (void)state;
    enum { LONG = 10500, ROWS = 2 * LONG + 40 };
    int32_t *unit = malloc(2 * ROWS * sizeof *unit), *year = unit + ROWS;
    double *x = malloc(ROWS * sizeof *x), *effects = malloc((2 * LONG + 1) * sizeof *effects);
    for (int32_t i = 0; i < ROWS; i++) {
        unit[i] = i < 2 * LONG ? i / 2 : 7;
        year[i] = i < 2 * LONG ? (i + 1) / 2 : 9;
    }
    fill_normal(31, 0, ROWS, x);
    bnorm_factor factors[] = {{unit, LONG, NULL}, {year, LONG + 1, NULL}};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_within *q;
    assert_ok(ctx, bnorm_within_create(ctx, ROWS, factors, 2, NULL, 0, &q));
    bnorm_mat_f64 v = bnorm_view_f64(x, ROWS, 1, BNORM_COL_MAJOR);
    assert_fails(ctx, bnorm_within_effects(ctx, q, x, effects), BNORM_E_DATA,
                 "ask for a larger");
    assert_fails(ctx, bnorm_demean_f64(ctx, q, v, v, NULL), BNORM_E_DATA,
                 "column 1: after 10001");
    bnorm_within_destroy(q);
    bnorm_ctx_destroy(ctx);
    free(unit);
    free(x);
    free(effects);
}

/* A tighter tolerance gives normal equations that hold better, as asked. */
static void tolerances(void **state)
{
    (void)state;
    panel p = {.rows = 600, .count = 3, .levels = {90, 40, 30}, .weighted = 1, .seed = 9};
    panel_make(&p);
    double *x = malloc((size_t)(2 * p.rows) * sizeof *x);
    fill_normal(32, 0, p.rows, x);
    ptrdiff_t before = 0;
    for (double tolerance = 1e-2; tolerance > 1e-14; tolerance *= 1e-3) {
        bnorm_within *q = panel_within(&p, tolerance);
        ptrdiff_t sweeps;
        assert_ok(NULL, bnorm_demean_f64(NULL, q, bnorm_view_f64(x, p.rows, 1, BNORM_COL_MAJOR),
                                         bnorm_view_f64(x + p.rows, p.rows, 1, BNORM_COL_MAJOR),
                                         &sweeps));
        assert_true(normal_equations(&p, x + p.rows) <= tolerance);
        assert_true(sweeps > before);
        before = sweeps;
        bnorm_within_destroy(q);
    }
    free(x);
    panel_free(&p);
}

/* --------------------------------------------------------------------------------- refusals */

static void refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    int32_t codes[] = {0, 1, 1};
    double x[6] = {1, 2, 3, 4, 5, 6}, slope[] = {1, (double)NAN, 2}, weights[] = {1, -1, 1};
    unsigned char single[3];
    ptrdiff_t found;
    bnorm_factor f = {codes, 2, NULL}, few = {codes, 1, NULL}, none = {NULL, 2, NULL};
    bnorm_factor empty = {codes, 0, NULL}, bent = {codes, 2, slope};
    bnorm_within *q = (bnorm_within *)x;
#define REFUSED(rows, factors, count, weights, tolerance, status, text)                        \
    assert_fails(ctx, bnorm_within_create(ctx, rows, factors, count, weights, tolerance, &q),  \
                 status, text);                                                                \
    assert_null(q)
    REFUSED(-1, &f, 1, NULL, 0, BNORM_E_ARGUMENT, "rows is -1");
    REFUSED(3, &f, 0, NULL, 0, BNORM_E_ARGUMENT, "give at least 1");
    REFUSED(3, NULL, 1, NULL, 0, BNORM_E_ARGUMENT, "factors is NULL");
    REFUSED(3, &few, 1, NULL, 0, BNORM_E_ARGUMENT, "factor 1 has code 1 in row 2");
    REFUSED(3, &none, 1, NULL, 0, BNORM_E_ARGUMENT, "codes of factor 1 are NULL");
    REFUSED(3, &empty, 1, NULL, 0, BNORM_E_ARGUMENT, "factor 1 has 0 levels");
    REFUSED(3, &bent, 1, NULL, 0, BNORM_E_NONFINITE, "slope of factor 1 is nan in row 2");
    REFUSED(3, &f, 1, weights, 0, BNORM_E_ARGUMENT, "weight of row 2");
    REFUSED(3, &f, 1, NULL, 1e-16, BNORM_E_ARGUMENT, "tolerance is 1e-16");
    REFUSED(3, &f, 1, NULL, (double)NAN, BNORM_E_ARGUMENT, "tolerance");
#undef REFUSED
    assert_int_equal(bnorm_within_create(ctx, 3, &f, 1, NULL, 0, NULL), BNORM_E_ARGUMENT);
    assert_ok(ctx, bnorm_within_create(ctx, 3, &f, 1, NULL, 0, &q));
    bnorm_mat_f64 v = bnorm_view_f64(x, 3, 2, BNORM_COL_MAJOR), w = v, t = v;
    w.rows = 2;
    t.layout = BNORM_ROW_MAJOR;
    assert_fails(ctx, bnorm_demean_f64(ctx, NULL, v, v, NULL), BNORM_E_ARGUMENT, "within");
    assert_fails(ctx, bnorm_demean_f64(ctx, q, w, w, NULL), BNORM_E_ARGUMENT,
                 "x has 2 rows; the factors have 3");
    double other[6];
    assert_fails(
        ctx, bnorm_demean_f64(ctx, q, v, bnorm_view_f64(other, 2, 2, BNORM_COL_MAJOR), NULL),
        BNORM_E_ARGUMENT, "y is 2 x 2");
    assert_fails(ctx, bnorm_demean_f64(ctx, q, v, t, NULL), BNORM_E_ARGUMENT, "y");
    assert_fails(ctx, bnorm_within_effects(ctx, q, NULL, x), BNORM_E_ARGUMENT, "r is NULL");
    assert_fails(ctx, bnorm_within_effects(ctx, q, slope, x), BNORM_E_NONFINITE, "row 2 of r");
    assert_fails(ctx, bnorm_singletons(ctx, 3, &few, 1, NULL, single, &found), BNORM_E_ARGUMENT,
                 "code 1");
    assert_fails(ctx, bnorm_singletons(ctx, 3, &f, 1, NULL, NULL, &found), BNORM_E_ARGUMENT,
                 "single is NULL");
    bnorm_within_destroy(q);
    bnorm_within_destroy(NULL);
    assert_int_equal(bnorm_within_rank(NULL), 0);
    bnorm_ctx_destroy(ctx);
}

/* No rows and no columns are fine. */
static void nothing(void **state)
{
    (void)state;
    bnorm_factor f = {NULL, 3, NULL};
    bnorm_within *q;
    double effects[3];
    ptrdiff_t sweeps = 5, found = 5;
    assert_ok(NULL, bnorm_within_create(NULL, 0, &f, 1, NULL, 0, &q));
    bnorm_mat_f64 v = bnorm_view_f64(NULL, 0, 2, BNORM_COL_MAJOR);
    assert_ok(NULL, bnorm_demean_f64(NULL, q, v, v, &sweeps));
    assert_int_equal(sweeps, 0);
    assert_int_equal(bnorm_within_rank(q), 0);
    assert_ok(NULL, bnorm_within_effects(NULL, q, NULL, effects));
    for (int l = 0; l < 3; l++) assert_true(isnan(effects[l]));
    assert_ok(NULL, bnorm_singletons(NULL, 0, &f, 1, NULL, NULL, &found));
    assert_int_equal(found, 0);
    bnorm_within_destroy(q);
}

static bnorm_status everything(bnorm_ctx *ctx, void *argument)
{
    const panel *p = argument;
    bnorm_within *q;
    double x[400], effects[105];
    unsigned char single[400];
    ptrdiff_t found;
    fill_normal(33, 0, p->rows, x);
    bnorm_mat_f64 v = bnorm_view_f64(x, p->rows, 1, BNORM_COL_MAJOR);
    bnorm_status status =
        bnorm_singletons(ctx, p->rows, p->factors, p->count, p->weights, single, &found);
    if (status != BNORM_OK) return status;
    status = bnorm_within_create(ctx, p->rows, p->factors, p->count, p->weights, 0, &q);
    if (status != BNORM_OK) {
        assert_null(q);
        return status;
    }
    status = bnorm_demean_f64(ctx, q, v, v, NULL);
    if (status == BNORM_OK) status = bnorm_within_effects(ctx, q, x, effects);
    bnorm_within_destroy(q);
    return status;
}

static void memory(void **state)
{
    (void)state;
    panel p = usual;
    panel_make(&p);
    assert_true(fail_each_allocation(everything, &p) > 20);
    panel_free(&p);
}

/* ------------------------------------------------------------------------------- singletons */

/* The definition, round by round. */
static ptrdiff_t alone(const panel *p, unsigned char *single)
{
    ptrdiff_t found = 0, before = -1;
    memset(single, 0, (size_t)p->rows);
    while (found > before) {
        before = found;
        for (ptrdiff_t i = 0; i < p->rows; i++)
            for (ptrdiff_t k = 0; k < p->count; k++) {
                ptrdiff_t others = 0;
                for (ptrdiff_t j = 0; j < p->rows; j++)
                    others += j != i && !single[j] && (!p->weights || p->weights[j] > 0) &&
                              p->codes[k][j] == p->codes[k][i];
                if (others > 0 || single[i] || p->slope[k] ||
                    (p->weights && p->weights[i] == 0))
                    continue;
                single[i] = 1;
                found++;
            }
    }
    return found;
}

static void singletons(void **state)
{
    (void)state;
    ptrdiff_t total = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        panel p = {.rows = 60 + (ptrdiff_t)seed,
                   .count = 3,
                   .levels = {30, 25, 40},
                   .slopes = {0, 0, 1},
                   .weighted = seed % 2,
                   .seed = seed};
        panel_make(&p);
        unsigned char *single = malloc((size_t)(2 * p.rows));
        ptrdiff_t found;
        assert_ok(NULL, bnorm_singletons(NULL, p.rows, p.factors, p.count, p.weights, single,
                                         &found));
        assert_int_equal(found, alone(&p, single + p.rows));
        assert_memory_equal(single, single + p.rows, (size_t)p.rows);
        total += found;
        free(single);
        panel_free(&p);
    }
    assert_true(total > 100);
}

/* A chain comes apart from its loose end, all of it. */
static void singletons_in_a_row(void **state)
{
    (void)state;
    int32_t unit[2 * CHAIN], year[2 * CHAIN];
    bnorm_factor factors[2];
    unsigned char single[2 * CHAIN];
    ptrdiff_t found;
    bnorm_within_destroy(chain(unit, year, factors, 0));
    assert_ok(NULL, bnorm_singletons(NULL, 2 * CHAIN, factors, 2, NULL, single, &found));
    assert_int_equal(found, 2 * CHAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effect_of_one_factor),
        cmocka_unit_test(effects_of_two_factors),
        cmocka_unit_test(large_effects),
        cmocka_unit_test(large_slope),
        cmocka_unit_test(slopes_nothing_new),
        cmocka_unit_test(rank_without_weight),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(columns_alone),
        cmocka_unit_test(one_level_not_finite),
        cmocka_unit_test(chained),
        cmocka_unit_test(does_not_converge),
        cmocka_unit_test(tolerances),
        cmocka_unit_test(refusals),
        cmocka_unit_test(nothing),
        cmocka_unit_test(memory),
        cmocka_unit_test(singletons),
        cmocka_unit_test(singletons_in_a_row),
    };
    return cmocka_run_group_tests_name("within_more", tests, NULL, NULL);
}
