/* Bad and odd input of structured models: each a clear message, or an action that is counted. */
#include "structured_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 8

/* A table of ROWS rows that is made anew for each case. */
typedef struct odd {
    double y[ROWS], x[ROWS], z[ROWS], w[ROWS], year[ROWS];
    const char *id[ROWS], *g[ROWS];
} odd;

static odd usual(void)
{
    odd o = {.y = {1, 3, 2, 5, 4, 6, 8, 7},
             .x = {1, 2, 4, 3, 6, 5, 8, 9},
             .z = {2, 1, 2, 5, 3, 1, 4, 4},
             .w = {1, 1, 1, 1, 1, 1, 1, 1},
             .year = {2001, 2002, 2001, 2002, 2001, 2002, 2001, 2002},
             .id = {"a", "a", "b", "b", "c", "c", "d", "d"},
             .g = {"p", "q", "p", "q", "q", "p", "p", "q"}};
    return o;
}

static bnorm_table *table_of(bnorm_ctx *ctx, const odd *o)
{
    bnorm_table *t;
    assert_ok(ctx, bnorm_table_create(ctx, ROWS, &t));
    assert_ok(ctx, bnorm_table_source(ctx, t, "odd.csv", NULL));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "y", o->y));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "x", o->x));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "z", o->z));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "year", o->year));
    assert_ok(ctx, bnorm_table_text(ctx, t, "id", o->id));
    assert_ok(ctx, bnorm_table_text(ctx, t, "g", o->g));
    return t;
}

static bnorm_panel_options defaults(void)
{
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    return o;
}

/* The model of a case, made and fitted. */
static bnorm_panel *model_of(bnorm_ctx *ctx, const odd *o, const char *formula,
                             const bnorm_panel_options *options)
{
    bnorm_table *t = table_of(ctx, o);
    bnorm_panel *p = fit_panel(ctx, formula, t, o->w, options);
    bnorm_table_destroy(t);
    return p;
}

static void refuse(bnorm_ctx *ctx, const odd *o, const char *formula,
                   const bnorm_panel_options *options, bnorm_status status, const char *message)
{
    bnorm_panel *p;
    bnorm_table *t = table_of(ctx, o);
    assert_fails(ctx, bnorm_panel_create(ctx, formula, t, o->w, options, &p), status, message);
    assert_null(p);
    bnorm_table_destroy(t);
}

/* ------------------------------------------------------------------------------------ rows */

static void test_missing(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    o.y[0] = o.x[1] = o.z[2] = o.year[3] = o.w[4] = (double)NAN;
    o.id[5] = "NA";
    bnorm_panel_options p = defaults();
    refuse(ctx, &o, "y ~ x + nn(z) | id[year]", NULL, BNORM_E_DATA,
           "nn1: every input is constant over the 2 complete rows"); /* both of unit d */
    bnorm_panel_info info;
    bnorm_panel *m = model_of(ctx, &o, "y ~ x | year", NULL);
    info = info_of(m);
    assert_int_equal(info.table_rows, ROWS);
    assert_int_equal(info.missing, 4); /* y, x, year, w; nobody asks for z and id */
    assert_int_equal(info.rows, 4);
    bnorm_panel_destroy(m);
    p.na_error = 1;
    refuse(ctx, &o, "y ~ x | year", &p, BNORM_E_DATA,
           "odd.csv row 5: the weight is missing; complete it");
    o.w[4] = 1;
    refuse(ctx, &o, "y ~ x | year", &p, BNORM_E_DATA, "odd.csv row 1: column 'y' is missing");
    refuse(ctx, &o, "x ~ nn(z)", &p, BNORM_E_DATA, "column 'x' is missing");
    p.unit = "id";
    o.y[0] = o.x[1] = o.year[3] = 1;
    refuse(ctx, &o, "y ~ x", &p, BNORM_E_DATA, "odd.csv row 6: column 'id' is missing");
    p.na_error = 0;
    m = model_of(ctx, &o, "y ~ x", &p);
    assert_int_equal(info_of(m).missing, 1);
    assert_int_equal(info_of(m).units, 4);
    bnorm_panel_destroy(m);
    for (int i = 0; i < ROWS; i++) o.y[i] = i ? (double)NAN : 1;
    refuse(
        ctx, &o, "y ~ x", NULL, BNORM_E_DATA,
        "1 of 8 rows are left, at least 2 are needed: values are missing in 7, the weight is 0 "
        "in 0");
    bnorm_ctx_destroy(ctx);
}

static void test_weights(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    o.w[2] = -0.5;
    refuse(ctx, &o, "y ~ x", NULL, BNORM_E_DATA,
           "odd.csv row 3: the weight is -0.5; weights are finite and not negative");
    o.w[2] = (double)INFINITY;
    refuse(ctx, &o, "y ~ x", NULL, BNORM_E_DATA, "odd.csv row 3: the weight is inf");
    o.w[2] = 0;
    bnorm_panel *m = model_of(ctx, &o, "y ~ x", NULL);
    assert_int_equal(info_of(m).weightless, 1);
    assert_int_equal(info_of(m).rows, 7);
    assert_true(info_of(m).n == 7);
    bnorm_panel_destroy(m);
    for (int i = 0; i < ROWS; i++) o.w[i] = 1e308;
    refuse(ctx, &o, "y ~ x", NULL, BNORM_E_DATA, "the weights have no finite sum");
    for (int i = 0; i < ROWS; i++) o.w[i] = 0;
    refuse(ctx, &o, "y ~ x", NULL, BNORM_E_DATA, "0 of 8 rows are left");
    bnorm_ctx_destroy(ctx);
}

/* A weight of 2 is the row twice, but for the degrees of freedom. */
static void test_weights_are_copies(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd once = usual(), twice = usual();
    once.w[0] = 2;
    once.w[7] = 0;
    twice.y[7] = twice.y[0], twice.x[7] = twice.x[0], twice.id[7] = twice.id[0];
    bnorm_panel_options o = defaults();
    o.keep_singletons = 1;
    bnorm_panel *a = model_of(ctx, &once, "y ~ x | id", &o);
    bnorm_panel *b = model_of(ctx, &twice, "y ~ x | id", &o);
    assert_true(fabs(bnorm_panel_coefficients(a)[0] - bnorm_panel_coefficients(b)[0]) < 1e-13);
    assert_true(fabs(info_of(a).sse - info_of(b).sse) < 1e-12);
    assert_true(info_of(a).df + 1 == info_of(b).df);
    bnorm_panel_destroy(a);
    bnorm_panel_destroy(b);
    bnorm_ctx_destroy(ctx);
}

static void test_singletons(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    o.id[7] = "e"; /* d has one row now, e one: both go */
    bnorm_panel *m = model_of(ctx, &o, "y ~ x | id", NULL);
    assert_int_equal(info_of(m).singletons, 2);
    assert_int_equal(info_of(m).rows, 6);
    assert_int_equal(info_of(m).units, 3);
    assert_int_equal(bnorm_panel_levels(m, 0), 3);
    bnorm_panel_destroy(m);
    bnorm_panel_options keep = defaults();
    keep.keep_singletons = 1;
    m = model_of(ctx, &o, "y ~ x | id", &keep);
    assert_int_equal(info_of(m).singletons, 0);
    assert_int_equal(bnorm_panel_levels(m, 0), 5);
    bnorm_panel_destroy(m);
    for (int i = 0; i < ROWS; i++) o.year[i] = i;
    refuse(ctx, &o, "y ~ x | year", NULL, BNORM_E_DATA,
           "each of the 8 rows is alone in a level of a fixed effect: nothing is left");
    bnorm_ctx_destroy(ctx);
}

static void test_duplicates_and_gaps(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    o.year[1] = 2001; /* a twice in 2001, never in 2002 */
    bnorm_panel *m = model_of(ctx, &o, "y ~ x | id + year", NULL);
    assert_int_equal(info_of(m).duplicates, 1);
    assert_int_equal(info_of(m).gaps, 1);
    assert_int_equal(info_of(m).units, 4);
    assert_int_equal(info_of(m).periods, 2);
    bnorm_panel_destroy(m);
    bnorm_panel_options named = defaults();
    named.unit = "g";
    named.period = "year";
    m = model_of(ctx, &o, "y ~ x | id", &named);
    assert_int_equal(info_of(m).units, 2);
    assert_int_equal(info_of(m).gaps, 0);
    assert_int_equal(info_of(m).duplicates, 4);
    bnorm_panel_destroy(m);
    named.unit = "firm";
    refuse(ctx, &o, "y ~ x", &named, BNORM_E_DATA, "odd.csv has no column 'firm'");
    bnorm_ctx_destroy(ctx);
}

/* ----------------------------------------------------------------------------------- terms */

static void dropped(const bnorm_panel *m, ptrdiff_t k, const char *name, const char *reason)
{
    assert_string_equal(bnorm_panel_name(m, BNORM_PANEL_DROPPED, k), name);
    assert_string_equal(bnorm_panel_name(m, BNORM_PANEL_REASON, k), reason);
}

static void test_collinear(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    bnorm_panel *m = model_of(ctx, &o, "y ~ x + I(2 * x + 1) + I(0 * z)", NULL);
    assert_int_equal(info_of(m).linear, 2);
    dropped(m, 0, "I(2 * x + 1)", "explained by the terms before it");
    dropped(m, 1, "I(0 * z)", "constant");
    assert_int_equal(info_of(m).inputs, 1);
    bnorm_panel_destroy(m);
    m = model_of(ctx, &o, "y ~ x + year + z + I(x + z) + factor(id) | id + year", NULL);
    assert_int_equal(info_of(m).linear, 2);
    assert_int_equal(info_of(m).dropped, 5);
    dropped(m, 0, "year", "explained by the fixed effects");
    dropped(m, 1, "I(x + z)", "explained by the terms before it and the fixed effects");
    dropped(m, 2, "factor(id)b", "explained by the fixed effects");
    assert_string_equal(bnorm_panel_name(m, BNORM_PANEL_LINEAR, 1), "z");
    assert_null(bnorm_panel_name(m, BNORM_PANEL_LINEAR, 2));
    bnorm_panel_destroy(m);
    refuse(ctx, &o, "y ~ year | id + year", NULL, BNORM_E_DATA,
           "no linear term is left to be estimated: 'year' is explained by the fixed effects");
    m = model_of(ctx, &o, "y ~ year + nn(x) | id + year", NULL);
    assert_int_equal(info_of(m).linear, 0);
    bnorm_panel_destroy(m);
    for (int i = 0; i < ROWS; i++) o.x[i] = 3;
    refuse(ctx, &o, "y ~ x", NULL, BNORM_E_DATA,
           "no linear term is left to be estimated: 'x' is constant");
    refuse(ctx, &o, "y ~ nn(x)", NULL, BNORM_E_DATA, "nn1: every input is constant");
    m = model_of(ctx, &o, "y ~ z + nn(z) + nn(x, z)", NULL);
    dropped(m, 0, "x", "constant in nn2");
    assert_int_equal(info_of(m).inputs, 1);
    bnorm_panel_destroy(m);
    bnorm_ctx_destroy(ctx);
}

static void test_values(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    o.x[3] = 0;
    refuse(ctx, &o, "y ~ log(x) | id", NULL, BNORM_E_DATA,
           "odd.csv row 4: log(x) is not finite (-inf); x is 0");
    refuse(ctx, &o, "y ~ nn(log(x)) | id", NULL, BNORM_E_DATA, "nn1: odd.csv row 4: log(x)");
    refuse(ctx, &o, "log(x) ~ y", NULL, BNORM_E_DATA, "odd.csv row 4: log(x) is not finite");
    refuse(ctx, &o, "y ~ z | id[log(x)]", NULL, BNORM_E_DATA,
           "odd.csv row 4: the slope log(x) is not finite");
    o.x[3] = (double)INFINITY;
    refuse(ctx, &o, "y ~ x | id", NULL, BNORM_E_DATA,
           "odd.csv row 4: column 'x' is not finite: 'inf'");
    refuse(ctx, &o, "y ~ z | x", NULL, BNORM_E_DATA, "column 'x' is not finite");
    refuse(ctx, &o, "y ~ z | id[x]", NULL, BNORM_E_DATA, "column 'x' is not finite");
    o = usual();
    refuse(ctx, &o, "y ~ q", NULL, BNORM_E_DATA, "odd.csv has no column 'q'");
    refuse(ctx, &o, "y ~ x | firm", NULL, BNORM_E_DATA, "odd.csv has no column 'firm'");
    refuse(ctx, &o, "y ~ x | id[u]", NULL, BNORM_E_DATA, "odd.csv has no column 'u'");
    refuse(ctx, &o, "y ~ z | year[id]", NULL, BNORM_E_DATA, "column 'id' is not a number: 'a'");
    refuse(ctx, &o, "id ~ x", NULL, BNORM_E_DATA,
           "the target 'id' is not numeric; the squared loss needs numbers");
    bnorm_ctx_destroy(ctx);
}

/* A number in a formula that only effects use, and a target without variation. */
static void test_constant_target(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    for (int i = 0; i < ROWS; i++) o.y[i] = 4;
    bnorm_panel *m = model_of(ctx, &o, "y ~ x + nn(z) | id", NULL);
    assert_true(fabs(bnorm_panel_coefficients(m)[0]) < 1e-12);
    assert_true(info_of(m).sse < 1e-20);
    bnorm_panel_destroy(m);
    bnorm_ctx_destroy(ctx);
}

/* --------------------------------------------------------------------------------- options */

static void test_logistic(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual();
    bnorm_panel_options p = defaults();
    p.loss = "logistic";
    refuse(ctx, &o, "g ~ x | id", &p, BNORM_E_FORMULA,
           "the logistic loss has no fixed effects");
    refuse(ctx, &o, "y ~ x", &p, BNORM_E_DATA,
           "odd.csv row 2: the target is 3; the logistic loss needs values from 0 to 1");
    refuse(ctx, &o, "id ~ x", &p, BNORM_E_DATA,
           "the target 'id' has 4 levels; the logistic loss takes two");
    bnorm_panel *m = model_of(ctx, &o, "g ~ x", &p);
    assert_true(info_of(m).logistic);
    bnorm_panel_destroy(m);
    p.loss = "softmax";
    refuse(ctx, &o, "g ~ x", &p, BNORM_E_ARGUMENT, "the loss must be \"squared\" or");
    bnorm_ctx_destroy(ctx);
}

static void test_options(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    static const ptrdiff_t none[] = {0};
    odd o = usual();
    bnorm_panel_options p = defaults();
    p.hidden = none;
    p.layers = -1;
    refuse(ctx, &o, "y ~ nn(x)", &p, BNORM_E_ARGUMENT, "layers is below 0");
    p.layers = 0; /* without networks */
    refuse(ctx, &o, "y ~ nn(x) | id", &p, BNORM_E_FORMULA,
           "without its nn() nothing is to be estimated");
    bnorm_panel *mean = model_of(ctx, &o, "y ~ nn(x)", &p);
    assert_int_equal(info_of(mean).networks, 0);
    assert_true(fabs(bnorm_panel_coefficients(mean)[0] - 4.5) < 1e-12);
    bnorm_panel_destroy(mean);
    p.layers = 1;
    refuse(ctx, &o, "y ~ nn(x)", &p, BNORM_E_ARGUMENT, "a hidden layer has no units");
    p = defaults();
    p.penalty_top = -1;
    refuse(ctx, &o, "y ~ nn(x)", &p, BNORM_E_ARGUMENT, "a penalty is negative");
    p = defaults();
    p.dropout = 1;
    refuse(ctx, &o, "y ~ nn(x)", &p, BNORM_E_ARGUMENT, "dropout must be");
    p = defaults();
    p.rule.eps = (double)NAN;
    refuse(ctx, &o, "y ~ nn(x)", &p, BNORM_E_ARGUMENT, "the rule has");
    p = defaults();
    p.tolerance = 2;
    refuse(ctx, &o, "y ~ x | id + year", &p, BNORM_E_ARGUMENT, "tolerance");
    p = defaults();
    p.struct_size--;
    refuse(ctx, &o, "y ~ x", &p, BNORM_E_ARGUMENT, "struct_size is unknown");
    bnorm_table *t = table_of(ctx, &o);
    bnorm_panel *m;
    assert_fails(ctx, bnorm_panel_create(ctx, NULL, t, NULL, NULL, &m), BNORM_E_ARGUMENT,
                 "NULL");
    assert_ok(ctx, bnorm_panel_create(ctx, "y ~ x | id", t, NULL, NULL, &m));
    bnorm_panel_fit_options f;
    bnorm_panel_fit_defaults(&f);
    f.starts = 0;
    assert_fails(ctx, bnorm_panel_fit(ctx, m, &f, NULL), BNORM_E_ARGUMENT, "starts is below 1");
    bnorm_panel_fit_defaults(&f);
    f.validate = 1;
    assert_fails(ctx, bnorm_panel_fit(ctx, m, &f, NULL), BNORM_E_ARGUMENT, "validate must be");
    f.validate = 0.2;
    f.hold = BNORM_HOLD_PERIODS;
    assert_fails(ctx, bnorm_panel_fit(ctx, m, &f, NULL), BNORM_E_ARGUMENT,
                 "there are no periods to hold out");
    f.bags = 2;
    assert_fails(ctx, bnorm_panel_fit(ctx, m, &f, NULL), BNORM_E_ARGUMENT, "bags or validate");
    assert_fails(ctx, bnorm_panel_fit(ctx, NULL, NULL, NULL), BNORM_E_ARGUMENT,
                 "panel is NULL");
    bnorm_panel_destroy(m);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* What tables that come later may hold. */
static void test_later_tables(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    odd o = usual(), later = usual();
    bnorm_panel_options keep = defaults();
    keep.keep_singletons = 1;
    bnorm_panel *m = model_of(ctx, &o, "y ~ x + factor(g) + nn(log(z)) | id[year]", &keep);
    later.x[0] = (double)NAN;
    later.id[1] = "new";
    later.g[2] = "r";
    later.z[3] = -1;
    later.year[4] = (double)NAN;
    bnorm_table *t = table_of(ctx, &later);
    unsigned char kinds[ROWS];
    static const unsigned char expected[ROWS] = {
        BNORM_ROW_MISSING, BNORM_ROW_NEW,   BNORM_ROW_FOREIGN, BNORM_ROW_FOREIGN,
        BNORM_ROW_MISSING, BNORM_ROW_READY, BNORM_ROW_READY,   BNORM_ROW_READY};
    assert_ok(ctx, bnorm_panel_screen(ctx, m, t, 0, kinds));
    assert_memory_equal(kinds, expected, ROWS);
    ptrdiff_t rows[] = {0, 1, 4, 5}, odd_one = 2, outside = 8;
    double mean[4], two;
    assert_ok(ctx, bnorm_panel_predict(ctx, m, NULL, t, rows, 4, BNORM_NEW_ZERO, mean, NULL));
    assert_true(isnan(mean[0]) && isfinite(mean[1]) && isnan(mean[2]) && isfinite(mean[3]));
    assert_fails(ctx,
                 bnorm_panel_predict(ctx, m, NULL, t, &odd_one, 1, BNORM_NEW_ZERO, &two, NULL),
                 BNORM_E_DATA, "column 'g' has the level 'r', which training did not see");
    assert_fails(ctx,
                 bnorm_panel_predict(ctx, m, NULL, t, &outside, 1, BNORM_NEW_ZERO, &two, NULL),
                 BNORM_E_ARGUMENT, "row 8 of 8");
    bnorm_table_destroy(t);
    assert_ok(ctx, bnorm_table_create(ctx, ROWS, &t));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "x", o.x));
    assert_fails(ctx, bnorm_panel_predict(ctx, m, NULL, t, rows, 1, BNORM_NEW_ZERO, mean, NULL),
                 BNORM_E_DATA, "has no column");
    bnorm_table_destroy(t);
    bnorm_panel_destroy(m);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_weights_are_copies),
        cmocka_unit_test(test_singletons),
        cmocka_unit_test(test_duplicates_and_gaps),
        cmocka_unit_test(test_collinear),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_constant_target),
        cmocka_unit_test(test_logistic),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_later_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
