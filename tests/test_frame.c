/* frame: R's model matrices, missing values, levels, constant columns, scaling, messages. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_golden.h"

/* The table of frame_golden.R. */
static bnorm_table *golden_table(bnorm_ctx *ctx)
{
    static const double y[] = {1, 2, 3, 4, 5, 6, 7, 8}, x[] = {.5, 1.5, -2, 3, 4.25, 5, 6, 7};
    static const double c[] = {10, 2, 10, 33, 2, 33, 10, 2}, m[] = {1, 0, 2, 0, 3, 0, 4, 5};
    static const char *const z[] = {"2", "3", "5", "7", "11", "13", "17", "19"};
    static const char *const a[] = {"n", "s", "e", "n", "s", "e", "n", "s"};
    static const char *const b[] = {"u", "v", "u", "v", "u", "v", "v", "u"};
    bnorm_table *t;
    assert_ok(ctx, bnorm_table_create(ctx, 8, &t));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "y", y));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "x", x));
    assert_ok(ctx, bnorm_table_text(ctx, t, "z", z));
    assert_ok(ctx, bnorm_table_text(ctx, t, "a", a));
    assert_ok(ctx, bnorm_table_text(ctx, t, "b", b));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "c", c));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "my col", m));
    return t;
}

static void join_names(const bnorm_frame *f, char *out)
{
    *out = '\0';
    for (ptrdiff_t k = 0; k < bnorm_frame_inputs(f); k++)
        sprintf(out + strlen(out), "%s%s", k ? "|" : "", bnorm_frame_input_name(f, k));
}

/* R computes the same expressions: up to a unit in the last place of log, exp and pow. */
static void check_golden(bnorm_ctx *ctx, const bnorm_table *t, const struct golden *g,
                         bnorm_layout layout)
{
    bnorm_frame *f;
    char names[512];
    const bnorm_frame_options o = {sizeof o, 1, 1, 0, NULL};
    assert_ok(ctx, bnorm_frame_create(ctx, g->formula, t, &o, &f));
    join_names(f, names);
    assert_string_equal(names, g->names);
    ptrdiff_t rows[8], count, p = bnorm_frame_inputs(f);
    double x[8 * 12], y[8];
    assert_ok(ctx, bnorm_frame_rows(ctx, f, t, 1, rows, &count));
    assert_int_equal(count, 8);
    assert_ok(ctx, bnorm_frame_matrix(ctx, f, t, rows, 8, bnorm_view_f64(x, 8, p, layout),
                                      bnorm_view_f64(y, 8, 1, layout)));
    for (ptrdiff_t i = 0; i < 8; i++) {
        for (ptrdiff_t k = 0; k < p; k++) {
            double got = x[layout == BNORM_ROW_MAJOR ? i * p + k : i + 8 * k];
            double expected = g->values[i * p + k];
            assert_true(fabs(got - expected) <= 4e-16 * fabs(expected));
        }
        int logs = strncmp(g->formula, "log", 3) == 0;
        assert_true(y[i] == (logs ? log((double)i + 1) : (double)i + 1));
    }
    bnorm_frame_destroy(f);
}

static void matrices_of_r(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = golden_table(ctx);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        check_golden(ctx, t, golden + i, BNORM_ROW_MAJOR);
        check_golden(ctx, t, golden + i, BNORM_COL_MAJOR);
    }
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* A table of texts: rows x cols cells, row by row, names first. */
static bnorm_table *table_of(bnorm_ctx *ctx, ptrdiff_t rows, ptrdiff_t cols,
                             const char *const *cells)
{
    bnorm_table *t;
    const char *column[32];
    ptrdiff_t lines[32];
    assert_ok(ctx, bnorm_table_create(ctx, rows, &t));
    for (ptrdiff_t k = 0; k < cols; k++) {
        for (ptrdiff_t i = 0; i < rows; i++) column[i] = cells[(i + 1) * cols + k];
        assert_ok(ctx, bnorm_table_text(ctx, t, cells[k], column));
    }
    for (ptrdiff_t i = 0; i < rows; i++) lines[i] = i + 2;
    assert_ok(ctx, bnorm_table_source(ctx, t, "produc.csv", lines));
    return t;
}

static const char *const mixed[] = {
    "y",  "x",   "dep", "region", "w",  "one", /* line 1 */
    "1",  "2",   "01",  "north",  "1",  "k",   /* 2 */
    "2",  "n/a", "2A",  "south",  "2",  "k",   /* 3 */
    "3",  "4",   "2B",  "north",  "3",  "k",   /* 4 */
    "4",  "5",   "01",  "east",   "NA", "k",   /* 5 */
    "NA", "6",   "02",  "west",   "5",  "k",   /* 6 */
    "6",  "7",   "02",  "",       "6",  "k",   /* 7 */
    "7",  "8",   "03",  "south",  "7",  "k",   /* 8 */
    "8",  "9",   "04",  "north",  "0",  "k",   /* 9 */
};

static void messages_name_places(void **state)
{
    (void)state;
    static const struct {
        const char *formula, *message;
        bnorm_status status;
    } cases[] = {
        {"y ~ x",
         "produc.csv line 3: column 'x' is not a number: 'n/a'; write NA for a missing value, "
         "or "
         "use factor(x)",
         BNORM_E_DATA},
        {"y ~ w + log(x)", "produc.csv line 3: column 'x' is not a number", BNORM_E_DATA},
        {"y ~ log(region)", "produc.csv line 2: column 'region' is not a number: 'north'",
         BNORM_E_DATA},
        {"y ~ foo", "produc.csv has no column 'foo'; it has: y, x, dep, region, w, one",
         BNORM_E_DATA},
        {"y ~ regoin", "do you mean 'region'?", BNORM_E_DATA},
        {"y ~ log(w)", "produc.csv line 9: log(w) is not finite (-inf); w is 0", BNORM_E_DATA},
        {"y ~ sqrt(I(w - 2))", "produc.csv line 2: sqrt(I(w - 2)) is not finite (nan); w is 1",
         BNORM_E_DATA},
        {"y ~ w + one",
         "produc.csv: input 'onek' is constant (1) over the 6 complete rows; remove it (`- "
         "one`) "
         "or let constant columns be dropped",
         BNORM_E_DATA},
        {"y ~ w + I(0 * w)",
         "input 'I(0 * w)' is constant (0) over the 6 complete rows; remove it (`- I(0 * w)`)",
         BNORM_E_DATA},
        {"one ~ w", "the target 'one' has one class only ('k') over the 7 complete rows",
         BNORM_E_DATA},
        {"y ~ w +", "formula: expected a term", BNORM_E_FORMULA},
    };
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 8, 6, mixed);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bnorm_frame *f = (bnorm_frame *)1;
        assert_fails(ctx, bnorm_frame_create(ctx, cases[i].formula, t, NULL, &f),
                     cases[i].status, cases[i].message);
        assert_null(f);
    }
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void missing_values(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 8, 6, mixed);
    bnorm_frame_options o;
    bnorm_frame_defaults(&o);
    bnorm_frame *f;
    ptrdiff_t rows[8], count;
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ w + region", t, &o, &f));
    assert_ok(ctx, bnorm_frame_rows(ctx, f, t, 1, rows, &count));
    const ptrdiff_t expected[] = {0, 1, 2, 6, 7};
    assert_int_equal(count, 5);
    assert_memory_equal(rows, expected, sizeof expected);
    /* west and east occur in incomplete rows alone: not learned, and unseen in row 5 (line 6),
     * which is complete in the inputs. */
    char names[256];
    join_names(f, names);
    assert_string_equal(names, "w|regionsouth");
    assert_fails(ctx, bnorm_frame_rows(ctx, f, t, 0, rows, &count), BNORM_E_DATA,
                 "produc.csv line 6: column 'region' has the level 'west', which training did "
                 "not see");
    bnorm_frame_destroy(f);
    o.na_error = 1;
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ w + region", t, &o, &f), BNORM_E_DATA,
                 "produc.csv line 5: column 'w' is missing");
    bnorm_table_destroy(t);
    static const char *const few[] = {"y", "x", "1", "NA", "2", "", "3", "1", "", "5"};
    t = table_of(ctx, 4, 2, few);
    assert_fails(
        ctx, bnorm_frame_create(ctx, "y ~ x", t, NULL, &f), BNORM_E_DATA,
        "produc.csv: 1 of 4 rows are complete in the columns of the formula, at least 2 "
        "are needed; most are missing in column 'x': 2");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* French departments: more than half of the cells are numbers, factor() takes the texts. */
static void factors_of_mixed_columns(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 8, 6, mixed);
    bnorm_frame *f;
    char names[256];
    assert_fails(
        ctx, bnorm_frame_create(ctx, "y ~ dep", t, NULL, &f), BNORM_E_DATA,
        "line 3: column 'dep' is not a number: '2A'; write NA for a missing value, or use "
        "factor(dep)");
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ factor(dep)", t, NULL, &f));
    join_names(f, names);
    assert_string_equal(names, "factor(dep)02|factor(dep)03|factor(dep)04|factor(dep)2A|"
                               "factor(dep)2B");
    /* A later table where every cell is a number, once with and once without the zeros. */
    static const char *const later[] = {"dep", "04", "3", "1", "NA", "01"};
    bnorm_table *l = table_of(ctx, 5, 1, later);
    ptrdiff_t rows[5], count;
    double x[20];
    const double expected[20] = {0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    assert_ok(ctx, bnorm_frame_rows(ctx, f, l, 0, rows, &count));
    assert_int_equal(count, 4);
    assert_ok(ctx,
              bnorm_frame_matrix(ctx, f, l, rows, 4, bnorm_view_f64(x, 4, 5, BNORM_ROW_MAJOR),
                                 (bnorm_mat_f64){0}));
    assert_memory_equal(x, expected, sizeof expected);
    bnorm_table_destroy(l);
    const double one[] = {5};
    assert_ok(ctx, bnorm_table_create(ctx, 1, &l));
    assert_ok(ctx, bnorm_table_numbers(ctx, l, "dep", one));
    assert_fails(ctx, bnorm_frame_rows(ctx, f, l, 0, rows, &count), BNORM_E_DATA,
                 "row 1: column 'dep' has the level '5', which training did not see");
    bnorm_table_destroy(l);
    bnorm_frame_destroy(f);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* The cell that is no number lies in an incomplete row: the levels are numbers, in their order,
 * and a file of numbers alone fits. */
static void levels_that_are_numbers(void **state)
{
    (void)state;
    static const char *const cells[] = {"y", "x", "1",  "10", "2", "2",
                                        "3", "1", "NA", "x",  "5", "10"};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 5, 2, cells);
    bnorm_frame *f;
    char names[256];
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ factor(x)", t, NULL, &f));
    join_names(f, names);
    assert_string_equal(names, "factor(x)2|factor(x)10");
    bnorm_frame_destroy(f);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void class_targets(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = golden_table(ctx);
    bnorm_frame *f;
    bnorm_frame_options o;
    bnorm_frame_defaults(&o);
    o.factor_target = 1;
    ptrdiff_t rows[8], count;
    double x[8], y[8];
    static const char *const formulas[] = {"c ~ x", "factor(c) ~ x"};
    for (int i = 0; i < 2; i++) {
        assert_ok(ctx, bnorm_frame_create(ctx, formulas[i], t, i ? NULL : &o, &f));
        assert_int_equal(bnorm_frame_classes(f), 3);
        assert_string_equal(bnorm_frame_class_name(f, 0), "2"); /* by value, not by bytes */
        assert_string_equal(bnorm_frame_class_name(f, 2), "33");
        assert_null(bnorm_frame_class_name(f, 3));
        assert_ok(ctx, bnorm_frame_rows(ctx, f, t, 1, rows, &count));
        assert_ok(ctx, bnorm_frame_matrix(ctx, f, t, rows, 8,
                                          bnorm_view_f64(x, 8, 1, BNORM_ROW_MAJOR),
                                          bnorm_view_f64(y, 8, 1, BNORM_ROW_MAJOR)));
        const double expected[] = {1, 0, 1, 2, 0, 2, 1, 0};
        assert_memory_equal(y, expected, sizeof expected);
        bnorm_frame_destroy(f);
    }
    assert_ok(ctx, bnorm_frame_create(ctx, "a ~ x", t, NULL, &f));
    assert_int_equal(bnorm_frame_classes(f), 3);
    assert_string_equal(bnorm_frame_target_name(f), "a");
    assert_string_equal(bnorm_frame_formula(f), "a ~ x");
    bnorm_frame_destroy(f);
    assert_ok(ctx, bnorm_frame_create(ctx, "c ~ x", t, NULL, &f));
    assert_int_equal(bnorm_frame_classes(f), 0);
    bnorm_frame_destroy(f);
    assert_fails(ctx, bnorm_frame_create(ctx, "log(c) ~ x", t, &o, &f), BNORM_E_FORMULA,
                 "a target of classes must be a column");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void constant_columns_dropped(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = golden_table(ctx);
    bnorm_frame_options o;
    bnorm_frame_defaults(&o);
    o.drop_constant = 1;
    bnorm_frame *f;
    char names[256];
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ x + I(x^0) + factor(c):a", t, &o, &f));
    join_names(f, names); /* R: table(c, a) has empty cells */
    assert_string_equal(names, "x|factor(c)10:ae|factor(c)33:ae|factor(c)10:an|factor(c)33:an|"
                               "factor(c)2:as");
    assert_int_equal(bnorm_frame_dropped(f), 5);
    assert_string_equal(bnorm_frame_dropped_name(f, 0), "I(x^0)");
    assert_string_equal(bnorm_frame_dropped_name(f, 3), "factor(c)10:as");
    assert_null(bnorm_frame_dropped_name(f, 5));
    bnorm_frame_destroy(f);
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ I(x^0)", t, &o, &f), BNORM_E_DATA,
                 "every input is constant");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void infinite_numbers(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t;
    bnorm_frame *f;
    const double x[] = {1, 2, INFINITY}, y[] = {1, 2, 3};
    const char *cells[] = {"1", " NaN", "2"};
    assert_ok(ctx, bnorm_table_create(ctx, 3, &t));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "x", x));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "y", y));
    assert_ok(ctx, bnorm_table_text(ctx, t, "z", cells));
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ x", t, NULL, &f), BNORM_E_DATA,
                 "row 3: column 'x' is not finite: 'inf'; write NA for a missing value");
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ z", t, NULL, &f), BNORM_E_DATA,
                 "row 2: column 'z' is not finite: ' NaN'");
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ factor(x)", t, NULL, &f), BNORM_E_DATA,
                 "not finite");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void scaling(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = golden_table(ctx);
    bnorm_frame *f;
    ptrdiff_t rows[8], count;
    double raw[8 * 3], y[8], x[8 * 3], ys[8], center, scale;
    bnorm_mat_f64 mx = bnorm_view_f64(raw, 8, 3, BNORM_ROW_MAJOR);
    bnorm_mat_f64 my = bnorm_view_f64(y, 8, 1, BNORM_ROW_MAJOR);
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ x + a", t, NULL, &f));
    assert_ok(ctx, bnorm_frame_rows(ctx, f, t, 1, rows, &count));
    assert_ok(ctx, bnorm_frame_matrix(ctx, f, t, rows, 8, mx, my));
    bnorm_frame_scaling(f, 0, &center, &scale);
    assert_true(center == 0 && scale == 1);
    for (int i = 0; i < 8; i++) raw[3 * i + 2] = 7; /* as if constant */
    assert_ok(ctx, bnorm_frame_learn_scaling(ctx, f, mx, my, 1));
    bnorm_frame_scaling(f, 0, &center, &scale);
    assert_true(fabs(center - 3.15625) < 1e-15);
    assert_true(fabs(scale - 3.02057675429237) < 1e-13); /* R: sd(x) */
    bnorm_frame_scaling(f, 2, &center, &scale);
    assert_true(center == 7 && scale == 1);
    bnorm_frame_scaling(f, -1, &center, &scale);
    assert_true(center == 4.5 && fabs(scale - sqrt(6)) < 1e-15);
    assert_ok(ctx,
              bnorm_frame_matrix(ctx, f, t, rows, 8, bnorm_view_f64(x, 8, 3, BNORM_ROW_MAJOR),
                                 bnorm_view_f64(ys, 8, 1, BNORM_ROW_MAJOR)));
    for (int i = 0; i < 8; i++) {
        bnorm_frame_scaling(f, 0, &center, &scale);
        assert_true(x[3 * i] == (raw[3 * i] - center) / scale);
        bnorm_frame_scaling(f, -1, &center, &scale);
        assert_true(ys[i] == (y[i] - center) / scale);
    }
    mx.cols = 2;
    assert_fails(ctx, bnorm_frame_learn_scaling(ctx, f, mx, my, 1), BNORM_E_ARGUMENT, "inputs");
    bnorm_frame_destroy(f);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* 1000 rows are four chunks: each row gives what it gives alone, with padding untouched. */
static void rows_stand_alone(void **state)
{
    (void)state;
    enum { N = 1000, P = 7, LD = 9 };
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t;
    static double u[N], v[N], x[N * LD], alone[P];
    static const char *g[N];
    ptrdiff_t rows[N], count;
    bnorm_random_normal(1, 0, 0, N, u);
    bnorm_random_uniform(1, 1, 0, N, v);
    for (int i = 0; i < N; i++) g[i] = v[i] < .3 ? "a" : v[i] < .6 ? "b" : "c";
    for (int i = 0; i < N; i += 10) u[i] = NAN;
    assert_ok(ctx, bnorm_table_create(ctx, N, &t));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "u", u));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "v", v));
    assert_ok(ctx, bnorm_table_text(ctx, t, "g", g));
    bnorm_frame *f;
    assert_ok(ctx, bnorm_frame_create(ctx, "v ~ g*u + I(u^2 - exp(-u)) + abs(u)", t, NULL, &f));
    assert_int_equal(bnorm_frame_inputs(f), P);
    assert_ok(ctx, bnorm_frame_rows(ctx, f, t, 0, rows, &count));
    assert_int_equal(count, 900);
    for (int i = 0; i < N * LD; i++) x[i] = 12345;
    bnorm_mat_f64 m = {x, count, P, LD, BNORM_ROW_MAJOR}, none = {0};
    assert_ok(ctx, bnorm_frame_matrix(ctx, f, t, rows, count, m, none));
    for (ptrdiff_t i = 0; i < count; i++) {
        assert_ok(ctx, bnorm_frame_matrix(ctx, f, t, rows + i, 1,
                                          bnorm_view_f64(alone, 1, P, BNORM_COL_MAJOR), none));
        assert_memory_equal(alone, x + i * LD, sizeof alone);
        assert_true(x[i * LD + P] == 12345 && x[i * LD + P + 1] == 12345);
    }
    const ptrdiff_t incomplete = 10, outside = N;
    m = bnorm_view_f64(x, 1, P, BNORM_ROW_MAJOR);
    assert_fails(ctx, bnorm_frame_matrix(ctx, f, t, &incomplete, 1, m, none), BNORM_E_DATA,
                 "row 11: column 'u' is missing");
    assert_fails(ctx, bnorm_frame_matrix(ctx, f, t, &outside, 1, m, none), BNORM_E_ARGUMENT,
                 "row 1000 of 1000");
    assert_ok(ctx, bnorm_frame_matrix(ctx, f, t, NULL, 0, bnorm_view_f64(x, 0, P, 101), none));
    bnorm_frame_destroy(f);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void arguments(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = golden_table(ctx);
    bnorm_frame *f;
    bnorm_frame_options o = {0};
    ptrdiff_t rows[8], count;
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ x", t, &o, &f), BNORM_E_ARGUMENT, "size");
    assert_fails(ctx, bnorm_frame_create(ctx, NULL, t, NULL, &f), BNORM_E_ARGUMENT, "NULL");
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ x", NULL, NULL, &f), BNORM_E_ARGUMENT, "");
    assert_fails(ctx, bnorm_frame_rows(ctx, NULL, t, 0, rows, &count), BNORM_E_ARGUMENT, "");
    bnorm_frame_destroy(NULL);
    assert_int_equal(bnorm_frame_inputs(NULL), 0);
    assert_null(bnorm_frame_input_name(NULL, 0));
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static bnorm_status build(bnorm_ctx *ctx, void *table)
{
    const bnorm_table *t = table;
    bnorm_frame_options o;
    bnorm_frame_defaults(&o);
    o.drop_constant = 1;
    bnorm_frame *f;
    ptrdiff_t rows[8], count;
    double x[8 * 12];
    bnorm_status status =
        bnorm_frame_create(ctx, "a ~ x*b + factor(c) + I(x^0) + log(z)", t, &o, &f);
    if (status == BNORM_OK) status = bnorm_frame_rows(ctx, f, t, 1, rows, &count);
    bnorm_mat_f64 m = bnorm_view_f64(x, 8, bnorm_frame_inputs(f), BNORM_ROW_MAJOR), none = {0};
    if (status == BNORM_OK) status = bnorm_frame_matrix(ctx, f, t, rows, count, m, none);
    if (status == BNORM_OK) status = bnorm_frame_learn_scaling(ctx, f, m, none, 0);
    bnorm_frame_destroy(f);
    return status;
}

static void memory_fails_cleanly(void **state)
{
    (void)state;
    bnorm_table *t = golden_table(NULL);
    assert_true(fail_each_allocation(build, t) > 60);
    bnorm_table_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_of_r),
        cmocka_unit_test(messages_name_places),
        cmocka_unit_test(missing_values),
        cmocka_unit_test(factors_of_mixed_columns),
        cmocka_unit_test(levels_that_are_numbers),
        cmocka_unit_test(class_targets),
        cmocka_unit_test(constant_columns_dropped),
        cmocka_unit_test(infinite_numbers),
        cmocka_unit_test(scaling),
        cmocka_unit_test(rows_stand_alone),
        cmocka_unit_test(arguments),
        cmocka_unit_test(memory_fails_cleanly),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
