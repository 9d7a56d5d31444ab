/* formula: what formulas mean, errors that point at the place, robustness against any text. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/formula.h"

static bnorm_table *columns(const char *const *names, ptrdiff_t count)
{
    bnorm_table *t;
    const double zero[1] = {0};
    assert_int_equal(bnorm_table_create(NULL, 1, &t), BNORM_OK);
    for (ptrdiff_t k = 0; k < count; k++)
        assert_int_equal(bnorm_table_numbers(NULL, t, names[k], zero), BNORM_OK);
    return t;
}

static bnorm_table *usual(void)
{
    static const char *const names[] = {"y",   "a", "b", "c", "my col", "\xc3\xa9t\xc3\xa9",
                                        "q`\\"};
    return columns(names, 7);
}

/* "target ~ term, term". */
static void write_out(const bnorm_formula *f, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s ~ ", bnorm_names_text(&f->texts, 0));
    for (ptrdiff_t k = 0; k < f->terms.count; k++) {
        if (k) used += (size_t)snprintf(out + used, size - used, ", ");
        used += bnorm_formula_label(f, f->terms.items + k, out + used, size - used);
    }
}

static void meanings(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"y ~ a", "y ~ a"},
        {"y~a+b+a", "y ~ a, b"},
        {"y ~ a*b", "y ~ a, b, a:b"},
        {"y ~ b:a + a", "y ~ a, b:a"},
        {"y ~ a:a", "y ~ a"},
        {"y ~ a*b*c", "y ~ a, b, c, a:b, a:c, b:c, a:b:c"},
        {"y ~ a*b*c - a:b:c - c", "y ~ a, b, a:b, a:c, b:c"},
        {"y ~ (a + b):c", "y ~ a:c, b:c"},
        {"y ~ (a+b)*(a+b)", "y ~ a, b, a:b"},
        {"y ~ . - `my col`", "y ~ a, b, c, \xc3\xa9t\xc3\xa9, `q\\`\\\\`"},
        {"y ~ `q\\`\\\\`", "y ~ `q\\`\\\\`"},
        {"a ~ . - (c + y)", "a ~ b, `my col`, \xc3\xa9t\xc3\xa9, `q\\`\\\\`"},
        {"y*a/c ~ . - `my col` - \xc3\xa9t\xc3\xa9", "y * a/c ~ b, `q\\`\\\\`"},
        {"y ~ 0 + a + 1 - 1", "y ~ a"},
        {"y ~ -b + a", "y ~ a"},
        {"y ~ y + a - y", "y ~ a"},
        {"log( y )~log(a+1):I(b ^2)", "log(y) ~ log(a + 1):I(b^2)"},
        {"y ~ log(a) + log( a )", "y ~ log(a)"},
        {"y ~ I(-a^2*-b/(1e-3-c))", "y ~ I(-a^2 * -b/(0.001 - c))"},
        {"y ~ I(2^-a^b)", "y ~ I(2^-a^b)"},
        {"factor(y) ~ factor( `my col` )", "factor(y) ~ factor(`my col`)"},
        {"y ~ `a`\n + b", "y ~ a, b"},
        {"log ~ exp", "log ~ exp"},
    };
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = usual();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bnorm_formula f;
        char text[256];
        assert_ok(ctx, bnorm_formula_read(ctx, cases[i][0], t, NULL, &f));
        write_out(&f, text, sizeof text);
        assert_string_equal(text, cases[i][1]);
        bnorm_formula_clear(&f);
    }
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void errors_point_at_the_place(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"y ~ x1 + + x2",
         "formula: expected a term after '+', found '+' at character 10: y ~ x1 + + x2"},
        {"", "expected a target, found the end at character 1"},
        {"~ a", "expected a target, found '~' at character 1"},
        {"y", "expected '~' after 'y', found the end at character 2"},
        {"y ~", "expected a term after '~', found the end at character 4"},
        {"y ~ a b", "expected an operator after 'a', found 'b' at character 7"},
        {"y ~ a ~ b", "expected an operator after 'a', found '~' at character 7"},
        {"y ~ (a + b", "expected ')' after 'b', found the end at character 11"},
        {"y ~ a)", "expected an operator after 'a', found ')' at character 6"},
        {"y ~ a ** b", "'**' is written '^' at character 7"},
        {"y ~ a^2", "arithmetic on a term stands in I(): I(x^2), at character 6"},
        {"y ~ a/b", "arithmetic on a term"},
        {"y ~ 2*a", "a number is no term"},
        {"y ~ sin(a)",
         "an unknown function (known: log log2 log10 log1p exp sqrt abs I factor)"},
        {"y ~ log()", "expected a column or a number after '(', found ')' at character 9"},
        {"y ~ log(2)", "an expression without any column at character 5"},
        {"y ~ log(factor(a))", "factor() is a term, not a number, at character 9"},
        {"y ~ factor(log(a))", "expected ')' after 'log', found '('"},
        {"y ~ factor(2)", "expected a column after '(', found '2'"},
        {"y ~ log(.)", "'.' is a list of terms"},
        {"y ~ `a", "a backquote without its second at character 5"},
        {"y ~ ``", "an empty name"},
        {"y ~ 2a", "must stand in backquotes (`1a`) at character 5"},
        {"y ~ a $ b", "an illegal character at character 7"},
        {"\xc3\xa9t\xc3\xa9 ~ a $ b", "an illegal character at character 9"},
        {"y ~ y + a", "the target is among the terms at character 5"},
        {"y ~ a + b:y", "the target is among the terms at character 11"},
        {"y ~ a - a", "no terms are left at character 10"},
        {"y ~ 1", "no terms are left"},
        {"y ~ I(1e999 * a)", "a number that is too large"},
        {"y ~ a:b:c:log(a):log(b):log(c):exp(a):exp(b):exp(c)", "more than 8 variables"},
    };
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = usual();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bnorm_formula f;
        assert_fails(ctx, bnorm_formula_read(ctx, cases[i][0], t, NULL, &f), BNORM_E_FORMULA,
                     cases[i][1]);
        assert_null(f.variables);
    }
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* "y ~ " and then `count` times the text, and the end. */
static char *repeated(const char *text, ptrdiff_t count, const char *end)
{
    size_t n = strlen(text);
    char *out = malloc(4 + n * (size_t)count + strlen(end) + 1);
    strcpy(out, "y ~ ");
    for (ptrdiff_t i = 0; i < count; i++) memcpy(out + 4 + (size_t)i * n, text, n);
    strcpy(out + 4 + n * (size_t)count, end);
    return out;
}

static void limits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ptrdiff_t count;
        const char *end, *message;
    } cases[] = {
        {"(", 60000, "a", "nested too deeply"},
        {"log(", 10000, "a", "nested too deeply"},
        {"I(-", 5000, "a", "nested too deeply"},
        {"I(a^", 5000, "a", "nested too deeply"},
        {"a + ", 20000, "b", "longer than 65536 bytes"},
    };
    bnorm_ctx *ctx = make_ctx(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bnorm_formula f;
        char *text = repeated(cases[i].text, cases[i].count, cases[i].end);
        assert_fails(ctx, bnorm_formula_read(ctx, text, NULL, NULL, &f), BNORM_E_FORMULA,
                     cases[i].message);
        free(text);
    }
    char *text = repeated("a + ", 10000, "b");
    bnorm_formula f;
    assert_ok(ctx, bnorm_formula_read(ctx, text, NULL, NULL, &f));
    assert_int_equal(f.terms.count, 2);
    bnorm_formula_clear(&f);
    free(text);
    bnorm_ctx_destroy(ctx);
}

static void wide_tables(void **state)
{
    (void)state;
    enum { WIDE = 3000 };
    bnorm_ctx *ctx = make_ctx(1);
    char(*names)[16] = malloc(WIDE * sizeof *names);
    const char **list = malloc(WIDE * sizeof *list);
    for (int i = 0; i < WIDE; i++) {
        snprintf(names[i], sizeof names[i], "v%d", i);
        list[i] = names[i];
    }
    bnorm_table *t = columns(list, WIDE);
    bnorm_formula f;
    assert_ok(ctx, bnorm_formula_read(ctx, "v7 ~ . - v9", t, NULL, &f));
    assert_int_equal(f.terms.count, WIDE - 2);
    assert_int_equal(f.columns.count, WIDE - 1); /* v9 is not asked for */
    assert_int_equal(bnorm_names_find(&f.columns, "v9", 2), -1);
    bnorm_formula_clear(&f);
    assert_fails(ctx, bnorm_formula_read(ctx, "v7 ~ .:.", t, NULL, &f), BNORM_E_FORMULA,
                 "more than 262144 terms");
    bnorm_table_destroy(t);
    free(names);
    free(list);
    bnorm_ctx_destroy(ctx);
}

/* What is read is written so that reading it again gives the same. */
static void check_again(bnorm_ctx *ctx, const bnorm_formula *f)
{
    bnorm_formula again = {0};
    for (ptrdiff_t k = 0; k < f->texts.count; k++) {
        assert_ok(ctx, bnorm_formula_variable(ctx, &again, bnorm_names_text(&f->texts, k)));
        assert_string_equal(bnorm_names_text(&again.texts, k), bnorm_names_text(&f->texts, k));
        assert_int_equal(again.variables[k].count, f->variables[k].count);
    }
    assert_int_equal(again.columns.count, f->columns.count);
    bnorm_formula_clear(&again);
}

/* Sequences of tokens and mutations: never a crash, and only success or FORMULA. */
static void any_text(void **state)
{
    (void)state;
    static const char *const tokens[] = {
        "y", "a",    "b",   "`my col`", "~",  "+", "-", "*",   ":",        "(",
        ")", "log(", "I(",  "^",        "/",  ".", "0", "2.5", " ",        "factor(",
        "`", "~",    "1e5", "$",        "\\", "c", ",", "exp", "\xc3\xa9", "abs("};
    enum { TOKENS = sizeof tokens / sizeof *tokens };
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = usual();
    int good = 0;
    for (uint64_t trial = 0; trial < 20000; trial++) {
        double u[12];
        char text[128] = "y ~ ";
        bnorm_random_uniform(11, trial, 0, 12, u);
        text[trial % 3 ? 4 : 0] = '\0';
        for (int i = 1; i < 1 + (int)(11 * u[0]); i++)
            strcat(text, tokens[(int)(TOKENS * u[i])]);
        bnorm_formula f;
        bnorm_status status = bnorm_formula_read(ctx, text, t, NULL, &f);
        assert_true(status == BNORM_OK || status == BNORM_E_FORMULA);
        if (status != BNORM_OK) continue;
        good++;
        check_again(ctx, &f);
        bnorm_formula_clear(&f);
    }
    assert_true(good > 200);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void any_bytes(void **state)
{
    (void)state;
    static const char start[] = "log(y) ~ a*b + factor(`my col`):I(c^2 - 1e3) + . - (a + b)";
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = usual();
    for (uint64_t trial = 0; trial < 20000; trial++) {
        double u[6];
        char text[sizeof start];
        bnorm_random_uniform(12, trial, 0, 6, u);
        memcpy(text, start, sizeof start);
        for (int i = 0; i < 6; i += 2)
            text[(size_t)(u[i] * (sizeof start - 1))] = (char)(1 + (int)(255 * u[i + 1]));
        bnorm_formula f;
        bnorm_status status = bnorm_formula_read(ctx, text, t, NULL, &f);
        assert_true(status == BNORM_OK || status == BNORM_E_FORMULA);
        bnorm_formula_clear(&f);
    }
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static bnorm_status read_usual(bnorm_ctx *ctx, void *table)
{
    bnorm_formula f;
    bnorm_status status = bnorm_formula_read(
        ctx, "log(y) ~ (a + b)*factor(c) + I(a^2):exp(b) + . - `my col`", table, NULL, &f);
    bnorm_formula_clear(&f);
    return status;
}

static void memory_fails_cleanly(void **state)
{
    (void)state;
    bnorm_table *t = usual();
    assert_true(fail_each_allocation(read_usual, t) > 30);
    bnorm_table_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meanings),
        cmocka_unit_test(errors_point_at_the_place),
        cmocka_unit_test(limits),
        cmocka_unit_test(wide_tables),
        cmocka_unit_test(any_text),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(memory_fails_cleanly),
    };
    return cmocka_run_group_tests_name("formula", tests, NULL, NULL);
}
