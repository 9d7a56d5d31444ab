/* table: numbers as text, types of columns, names, places in messages. */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/names.h"
#include "io/number.h"
#include "io/table.h"

static void numbers_of_cells(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bnorm_number_kind kind;
        double value;
    } cases[] = {
        {"1", BNORM_NUMBER_FINITE, 1},
        {" -2.50\t", BNORM_NUMBER_FINITE, -2.5},
        {"+.5", BNORM_NUMBER_FINITE, 0.5},
        {"5.", BNORM_NUMBER_FINITE, 5},
        {"007", BNORM_NUMBER_FINITE, 7},
        {"1e3", BNORM_NUMBER_FINITE, 1000},
        {"1E-3", BNORM_NUMBER_FINITE, 0.001},
        {"0.1", BNORM_NUMBER_FINITE, 0.1},
        {"123456789012345678901234567890", BNORM_NUMBER_FINITE,
         123456789012345678901234567890.},
        {"2.2250738585072011e-308", BNORM_NUMBER_FINITE, 2.2250738585072011e-308},
        {"9007199254740993", BNORM_NUMBER_FINITE, 9007199254740992},
        {"1e-400", BNORM_NUMBER_FINITE, 0},
        {"1e400", BNORM_NUMBER_NONFINITE, INFINITY},
        {"inf", BNORM_NUMBER_NONFINITE, INFINITY},
        {"-Infinity", BNORM_NUMBER_NONFINITE, -INFINITY},
        {"NaN", BNORM_NUMBER_NONFINITE, NAN},
        {"", BNORM_NUMBER_NONE, 0},
        {" ", BNORM_NUMBER_NONE, 0},
        {".", BNORM_NUMBER_NONE, 0},
        {"-", BNORM_NUMBER_NONE, 0},
        {"1e", BNORM_NUMBER_NONE, 0},
        {"e5", BNORM_NUMBER_NONE, 0},
        {"0x10", BNORM_NUMBER_NONE, 0},
        {"1,5", BNORM_NUMBER_NONE, 0},
        {"1 2", BNORM_NUMBER_NONE, 0},
        {"--1", BNORM_NUMBER_NONE, 0},
        {"infinite", BNORM_NUMBER_NONE, 0},
        {"2A", BNORM_NUMBER_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 0;
        assert_int_equal(bnorm_number_parse(cases[i].text, &value), cases[i].kind);
        if (cases[i].kind == BNORM_NUMBER_NONE) continue;
        assert_true(value == cases[i].value || (isnan(value) && isnan(cases[i].value)));
    }
}

/* Printing and parsing give the same bits, whatever the bits; and parsing agrees with strtod.
 */
static void numbers_round_trip(void **state)
{
    (void)state;
    double u[3000];
    bnorm_random_uniform(4, 0, 0, 3000, u);
    for (int i = 0; i < 3000; i += 3) {
        double x = ldexp(u[i] - 0.5, (int)(2000 * u[i + 1]) - 1000), back;
        char text[BNORM_NUMBER_SIZE], other[64];
        bnorm_number_format(x, text);
        assert_int_equal(bnorm_number_parse(text, &back), BNORM_NUMBER_FINITE);
        assert_memory_equal(&x, &back, sizeof x);
        snprintf(other, sizeof other, "%.*e", (int)(25 * u[i + 2]), x);
        assert_int_equal(bnorm_number_parse(other, &back), BNORM_NUMBER_FINITE);
        x = strtod(other, NULL);
        assert_memory_equal(&x, &back, sizeof x);
        snprintf(other, sizeof other, "%.*f", (int)(9 * u[i + 2]), 1e6 * u[i]);
        assert_int_equal(bnorm_number_parse(other, &back), BNORM_NUMBER_FINITE);
        x = strtod(other, NULL);
        assert_memory_equal(&x, &back, sizeof x);
    }
    char zero[BNORM_NUMBER_SIZE];
    bnorm_number_format(-0.0, zero);
    assert_string_equal(zero, "0");
}

/* A locale with a decimal comma: one that is installed, or one compiled for the test. */
static int set_foreign_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    for (int i = 0; i < 4; i++)
        if (setlocale(LC_ALL, names[i])) return 1;
    char folder[] = "bnorm-locale-XXXXXX", command[160];
    if (!mkdtemp(folder)) return 0;
    snprintf(command, sizeof command,
             "localedef -i de_DE -f UTF-8 ./%s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    int made = system(command) == 0;
    setenv("LOCPATH", folder, 1);
    int set = made && setlocale(LC_ALL, "de_DE.UTF-8");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -r ./%s", folder);
    return system(command) == 0 && set;
}

static void no_locale(void **state)
{
    (void)state;
    if (!set_foreign_locale()) skip(); /* no localedef on this machine */
    char text[BNORM_NUMBER_SIZE], longer[BNORM_NUMBER_SIZE], libc[BNORM_NUMBER_SIZE];
    double value;
    snprintf(libc, sizeof libc, "%g", 1.5);
    bnorm_number_format(-1234.5e200, text);
    bnorm_number_format(0.1 + 0.2, longer);
    bnorm_number_kind kind = bnorm_number_parse("0.12345678901234567890", &value);
    setlocale(LC_ALL, "C");
    assert_string_equal(libc, "1,5");
    assert_string_equal(text, "-1.2345e+203");
    assert_string_equal(longer, "0.30000000000000004");
    assert_int_equal(kind, BNORM_NUMBER_FINITE);
    assert_true(value == 0.12345678901234567890);
}

static void names_are_distinct(void **state)
{
    (void)state;
    bnorm_names names = {0};
    char text[16];
    ptrdiff_t k;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2000; i++) {
            size_t n = (size_t)snprintf(text, sizeof text, "n%d", i);
            assert_int_equal(bnorm_names_add(NULL, &names, text, n, &k), BNORM_OK);
            assert_int_equal(k, i);
        }
    assert_int_equal(names.count, 2000);
    assert_string_equal(bnorm_names_text(&names, 1234), "n1234");
    assert_int_equal(bnorm_names_find(&names, "n1234", 5), 1234);
    assert_int_equal(bnorm_names_find(&names, "n1234", 4), 123);
    assert_int_equal(bnorm_names_find(&names, "nobody", 6), -1);
    assert_null(bnorm_names_text(&names, 2000));
    assert_null(bnorm_names_text(&names, -1));
    bnorm_names_clear(&names);
}

static int is_numeric(const char *a, const char *b, const char *c, const char *d)
{
    const char *cells[] = {a, b, c, d};
    bnorm_table *t;
    assert_int_equal(bnorm_table_create(NULL, 4, &t), BNORM_OK);
    assert_int_equal(bnorm_table_text(NULL, t, "x", cells), BNORM_OK);
    int numeric = t->columns[0].numeric;
    bnorm_table_destroy(t);
    return numeric;
}

static void types_of_columns(void **state)
{
    (void)state;
    assert_true(is_numeric("1", "2", "3", "4"));
    assert_true(is_numeric("1", "", "NA", NULL));
    assert_true(is_numeric("1", "2", "3", "x"));
    assert_true(is_numeric("1", "2", "x", "NA"));
    assert_false(is_numeric("1", "2", "x", "y")); /* not more than half */
    assert_false(is_numeric("x", "", "NA", " NA "));
    assert_true(is_numeric("", "NA", NULL, " "));
    assert_true(is_numeric("inf", "nan", "x", NULL));
}

static void levels_are_exact(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t;
    double values[6];
    const char *cells[] = {"03", "3", "NA", NULL, "", " "}, *none[6] = {NULL};
    assert_int_equal(bnorm_table_create(ctx, 6, &t), BNORM_OK);
    assert_int_equal(bnorm_table_levels(ctx, t, "g", cells), BNORM_OK);
    assert_int_equal(bnorm_table_levels(ctx, t, "none", none), BNORM_OK);
    assert_int_equal(bnorm_table_levels(ctx, t, "g", cells), BNORM_E_ARGUMENT);
    assert_int_equal(bnorm_table_levels(ctx, t, "h", NULL), BNORM_E_ARGUMENT);
    assert_int_equal(bnorm_table_levels(ctx, NULL, "h", cells), BNORM_E_ARGUMENT);
    const bnorm_column *g = t->columns;
    assert_false(g->numeric);
    assert_int_equal(g->texts.count, 5);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(bnorm_column_missing(g, i), i == 3);
        assert_true(bnorm_column_missing(t->columns + 1, i));
        if (i != 3) assert_string_equal(bnorm_names_text(&g->texts, g->codes[i]), cells[i]);
    }
    assert_int_equal(bnorm_table_values(ctx, t, "g", values), BNORM_E_DATA);
    assert_int_equal(bnorm_table_values(ctx, t, "none", values), BNORM_OK);
    assert_true(isnan(values[0]));
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void columns_and_names(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t;
    const double x[3] = {1, NAN, 3};
    const char *text[3] = {"u", NULL, "v"};
    assert_ok(ctx, bnorm_table_create(ctx, 3, &t));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "x", x));
    assert_ok(ctx, bnorm_table_text(ctx, t, "s", text));
    assert_int_equal(bnorm_table_rows(t), 3);
    assert_int_equal(bnorm_table_cols(t), 2);
    assert_string_equal(bnorm_table_name(t, 1), "s");
    assert_null(bnorm_table_name(t, 2));
    assert_null(bnorm_table_name(t, -1));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bnorm_column_missing(t->columns, i), i == 1);
        assert_int_equal(bnorm_column_missing(t->columns + 1, i), i == 1);
    }
    assert_fails(ctx, bnorm_table_numbers(ctx, t, "x", x), BNORM_E_ARGUMENT, "'x' already");
    assert_fails(ctx, bnorm_table_numbers(ctx, t, "", x), BNORM_E_ARGUMENT, "name is empty");
    assert_fails(ctx, bnorm_table_text(ctx, t, "n", NULL), BNORM_E_ARGUMENT, "NULL");
    assert_int_equal(bnorm_table_cols(t), 2);
    bnorm_table_destroy(t);
    t = (bnorm_table *)1;
    assert_fails(ctx, bnorm_table_create(ctx, -1, &t), BNORM_E_ARGUMENT, "-1");
    assert_null(t);
    bnorm_table_destroy(NULL);
    assert_int_equal(bnorm_table_rows(NULL), 0);
    bnorm_ctx_destroy(ctx);
}

static void places_and_excerpts(void **state)
{
    (void)state;
    bnorm_table *t;
    const ptrdiff_t lines[2] = {2, 15};
    char place[BNORM_PLACE_SIZE], excerpt[BNORM_EXCERPT_SIZE];
    assert_int_equal(bnorm_table_create(NULL, 2, &t), BNORM_OK);
    bnorm_table_place(t, 1, place);
    assert_string_equal(place, "row 2");
    bnorm_table_source(NULL, t, "produc.csv", NULL);
    bnorm_table_place(t, 1, place);
    assert_string_equal(place, "produc.csv row 2");
    bnorm_table_source(NULL, t, "produc.csv", lines);
    bnorm_table_place(t, 1, place);
    assert_string_equal(place, "produc.csv line 15");
    bnorm_table_destroy(t);
    bnorm_excerpt("a\x1b[31mb\n", excerpt);
    assert_string_equal(excerpt, "a?[31mb?");
    char longer[200];
    memset(longer, 'a', sizeof longer);
    for (int i = 1; i < 199; i += 2) memcpy(longer + i, "\xc3\xa9", 2); /* é */
    longer[199] = '\0';
    bnorm_excerpt(longer, excerpt);
    size_t n = strlen(excerpt);
    assert_true(n >= 60 && n < BNORM_EXCERPT_SIZE);
    assert_string_equal(excerpt + n - 4, "\xa9...");
}

static void nearest_names(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t;
    ptrdiff_t k;
    const double x[1] = {0};
    assert_ok(ctx, bnorm_table_create(ctx, 1, &t));
    assert_ok(ctx, bnorm_table_source(ctx, t, "produc.csv", NULL));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "state", x));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "unemp", x));
    assert_ok(ctx, bnorm_table_find(ctx, t, "unemp", &k));
    assert_int_equal(k, 1);
    assert_fails(
        ctx, bnorm_table_find(ctx, t, "unmp", &k), BNORM_E_DATA,
        "produc.csv has no column 'unmp' (do you mean 'unemp'?); it has: state, unemp");
    assert_fails(ctx, bnorm_table_find(ctx, t, "State", &k), BNORM_E_DATA, "mean 'state'?");
    assert_fails(ctx, bnorm_table_find(ctx, t, "wages", &k), BNORM_E_DATA,
                 "produc.csv has no column 'wages'; it has: state, unemp");
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "quite_a_long_name_%d", i);
        assert_ok(ctx, bnorm_table_numbers(ctx, t, name, x));
    }
    assert_fails(ctx, bnorm_table_find(ctx, t, "wages", &k), BNORM_E_DATA, ", ...");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static bnorm_status build(bnorm_ctx *ctx, void *unused)
{
    (void)unused;
    const char *text[] = {"a", "b", NULL, "a", "c", "dd"};
    const char *mixed[] = {"1", "02", "3", "2A", "5", "6"};
    const double x[] = {1, 2, INFINITY, 4, 5, 6};
    const ptrdiff_t lines[] = {2, 3, 4, 5, 6, 7};
    bnorm_table *t;
    bnorm_status status = bnorm_table_create(ctx, 6, &t);
    if (status == BNORM_OK) status = bnorm_table_source(ctx, t, "file", lines);
    if (status == BNORM_OK) status = bnorm_table_text(ctx, t, "s", text);
    if (status == BNORM_OK) status = bnorm_table_text(ctx, t, "m", mixed);
    if (status == BNORM_OK) status = bnorm_table_levels(ctx, t, "l", mixed);
    if (status == BNORM_OK) status = bnorm_table_numbers(ctx, t, "x", x);
    bnorm_table_destroy(t);
    return status;
}

static void memory_fails_cleanly(void **state)
{
    (void)state;
    assert_true(fail_each_allocation(build, NULL) > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_cells),  cmocka_unit_test(numbers_round_trip),
        cmocka_unit_test(no_locale),         cmocka_unit_test(names_are_distinct),
        cmocka_unit_test(types_of_columns),  cmocka_unit_test(levels_are_exact),
        cmocka_unit_test(columns_and_names), cmocka_unit_test(places_and_excerpts),
        cmocka_unit_test(nearest_names),     cmocka_unit_test(memory_fails_cleanly),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
