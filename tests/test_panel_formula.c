/* Formulas of structured models: what their parts are, and where messages point. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/structure.h"

static bnorm_table *make_table(bnorm_ctx *ctx)
{
    static const char *const names[] = {"y", "a", "b", "z1", "z2", "id", "year", "w"};
    static const double numbers[] = {1, 2, 3};
    bnorm_table *t;
    assert_ok(ctx, bnorm_table_create(ctx, 3, &t));
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        assert_ok(ctx, bnorm_table_numbers(ctx, t, names[k], numbers));
    return t;
}

/* "y ~ a + b:c" of a formula, its terms in their order. */
static void write_formula(const bnorm_formula *f, char *out)
{
    char label[256];
    strcpy(out, bnorm_names_text(&f->texts, 0));
    for (ptrdiff_t k = 0; k < f->terms.count; k++) {
        bnorm_formula_label(f, f->terms.items + k, label, sizeof label);
        strcat(strcat(out, k ? " + " : " ~ "), label);
    }
}

/* The parts: "y ~ a; y ~ z1; | id, id[[x]]". */
static void write_structure(const bnorm_structure *s, char *out)
{
    char part[1024];
    write_formula(&s->linear, out);
    for (ptrdiff_t k = 0; k < s->network_count; k++) {
        write_formula(s->networks + k, part);
        strcat(strcat(out, "; "), part);
    }
    for (ptrdiff_t k = 0; k < s->effect_count; k++) {
        bnorm_effect_label(&s->variables, s->effects + k, part, sizeof part);
        strcat(strcat(out, k ? ", " : " | "), part);
    }
}

static void check_parts(const char *text, const char *expected)
{
    static const char *const left_out[] = {"w", NULL};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = make_table(ctx);
    bnorm_structure s;
    char got[4096];
    assert_ok(ctx, bnorm_structure_read(ctx, text, t, left_out, 2, &s));
    write_structure(&s, got);
    if (strcmp(got, expected) != 0) print_error("'%s' has the parts\n  '%s'\n", text, got);
    assert_string_equal(got, expected);
    bnorm_structure_clear(&s);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void test_parts(void **state)
{
    (void)state;
    check_parts("y ~ a", "y ~ a");
    check_parts("log(y) ~ a + log(b) + a:b", "log(y) ~ a + log(b) + a:b");
    check_parts("y~a+nn(z1,z2)", "y ~ a; y ~ z1 + z2");
    check_parts("y ~ nn(z1 + z2:a, factor(b)) + nn( z4 ) + a*b",
                "y ~ a + b + a:b; y ~ z1 + factor(b) + z2:a; y ~ z4");
    check_parts("y ~ nn(z1) | id", "y; y ~ z1 | id");
    check_parts("y ~ a | id + year", "y ~ a | id, year");
    check_parts("y ~ a | id[b]", "y ~ a | id, id[[b]]");
    check_parts("y ~ a | id[b, log(z1)]", "y ~ a | id, id[[b]], id[[log(z1)]]");
    check_parts("y ~ a | id[[b]] + year", "y ~ a | id[[b]], year");
    check_parts("y ~ a | id^year + year^id + id", "y ~ a | id^year, id");
    check_parts("y ~ a | factor(id) + id + `id`[b]", "y ~ a | id, id[[b]]");
    check_parts("y ~ a | id^id", "y ~ a | id");
    check_parts("y ~ . ", "y ~ a + b + z1 + z2 + id + year");
    check_parts("y ~ . + nn(z1, z2) | id[b] + year", "y ~ a; y ~ z1 + z2 | id, id[[b]], year");
    check_parts("y ~ a + nn(.) | id + year", "y ~ a; y ~ a + b + z1 + z2 | id, year");
    check_parts("y ~ . - b + nn(. - z1) | id + year", "y ~ z1; y ~ a + b + z2 | id, year");
    check_parts("y ~ 1 + a", "y ~ a");
    check_parts("y ~ a - 1 | id", "y ~ a | id");
    check_parts("y ~ nn + a", "y ~ nn + a");
    check_parts("y ~ `nn` | id", "y ~ nn | id");
    check_parts("y ~ (a + b):z1 + nn(z2) - a", "y ~ a:z1 + b:z1; y ~ z2");
}

/* A formula that is wrong, and what its message says. */
static void check_wrong(const char *text, const char *message)
{
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = make_table(ctx);
    bnorm_panel *p;
    bnorm_status status = bnorm_panel_create(ctx, text, t, NULL, NULL, &p);
    if (status != BNORM_E_FORMULA) print_error("'%.100s':\n", text);
    assert_fails(ctx, status, BNORM_E_FORMULA, message);
    assert_null(p);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void test_wrong(void **state)
{
    (void)state;
    check_wrong("", "expected a target");
    check_wrong("y", "expected '~' after 'y', found the end at character 2");
    check_wrong("~ a", "expected a target, found '~' at character 1");
    check_wrong("y ~", "expected a term after '~', found the end");
    check_wrong("y ~ | id", "expected a term after '~', found '|' at character 5");
    check_wrong("y ~ a |", "expected a column after '|', found the end at character 8");
    check_wrong("y ~ a | id |", "a second '|' at character 12");
    check_wrong("y ~ a | id, year",
                "expected '+' or the end after 'id', found ',' at character 11");
    check_wrong("y ~ a | id - year", "expected '+' or the end");
    check_wrong("y ~ a | id:year", "levels are combined by '^' (id^year)");
    check_wrong("y ~ a | log(id)",
                "fixed effects are columns, not functions of them, at character 9");
    check_wrong("y ~ a | .", "expected a column after '|', found '.'");
    check_wrong("y ~ a | 0", "expected a column after '|', found '0'");
    check_wrong("y ~ a | id[", "expected a column or a number after '[', found the end");
    check_wrong("y ~ a | id[b", "expected ']' after 'b', found the end");
    check_wrong("y ~ a | id[[b]", "expected ']' after ']', found the end");
    check_wrong("y ~ a | id[factor(b)]", "a slope is a number, not a factor, at character 12");
    check_wrong("y ~ a | id[2]", "an expression without any column");
    check_wrong("y ~ a | id^", "expected a column after '^', found the end");
    check_wrong("y ~ a | id^year^a^b^z1",
                "levels combined of more than 4 columns at character 21");
    check_wrong("y ~ a | y", "the target is among the fixed effects");
    check_wrong("log(y) ~ a | id[y]", "the target is among the fixed effects");
    check_wrong("y ~ a + y | id", "the target is among the terms at character 9");
    check_wrong("y ~ a + nn(z1, y)", "the target is among the terms at character 16");
    check_wrong("y ~ nn()", "expected a term after '(', found ')' at character 8");
    check_wrong("y ~ nn(z1,)", "expected a term after ',', found ')' at character 11");
    check_wrong("y ~ nn(z1", "expected ')' after 'z1', found the end");
    check_wrong("y ~ nn(z1 - z1)", "no inputs are left");
    check_wrong("y ~ nn(z1, 2)", "a number is no term");
    check_wrong(
        "y ~ nn(z1):a",
        "nn() is a term by itself, in no other term and no arithmetic, at character 11");
    check_wrong("y ~ a:nn(z1)", "nn() is a term by itself");
    check_wrong("y ~ a * nn(z1)", "nn() is a term by itself");
    check_wrong("y ~ (nn(z1) + a)", "nn() is a term by itself");
    check_wrong("y ~ nn(nn(z1))", "nn() is a term by itself");
    check_wrong("y ~ I(nn(z1))", "nn() is a term by itself");
    check_wrong("y ~ a - nn(z1)", "nn() cannot be removed: leave it out at character 9");
    check_wrong("y ~ -nn(z1)", "nn() cannot be removed");
    check_wrong("nn(y) ~ a", "nn() is a term by itself");
    check_wrong("y ~ a | nn(id)", "fixed effects are columns");
    check_wrong("y ~ a - 1", "it is not to be left out at character 9");
    check_wrong("y ~ 0 + a", "it is not to be left out at character 5");
    check_wrong("y ~ 1 | id", "nothing is to be estimated");
    check_wrong("y ~ a - a | id", "nothing is to be estimated");
    check_wrong("y ~ a, b", "expected an operator after 'a', found ','");
    check_wrong("y ~ a[b]", "expected an operator after 'a', found '['");
    check_wrong("y ~ a & b", "an illegal character at character 7");
}

static void test_limits(void **state)
{
    (void)state;
    char *text = malloc(100000);
    strcpy(text, "y ~ a");
    for (int k = 0; k < 65; k++) strcat(text, " + nn(a)");
    check_wrong(text, "more nn() than 64");
    strcpy(text, "y ~ a | id");
    for (int k = 0; k < 70; k++) {
        char more[32];
        sprintf(more, " + c%d", k);
        strcat(text, more);
    }
    check_wrong(text, "more fixed effects than 64");
    free(text);
}

/* The formula of a frame says that these belong elsewhere. */
static void test_frames_refuse(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = make_table(ctx);
    bnorm_frame *f;
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ a + nn(b)", t, NULL, &f), BNORM_E_FORMULA,
                 "nn() is a network of a structured model (bnorm_panel_create), which this is "
                 "not, at character 9");
    assert_fails(
        ctx, bnorm_frame_create(ctx, "y ~ a | id", t, NULL, &f), BNORM_E_FORMULA,
        "'|' begins the fixed effects of a structured model (bnorm_panel_create), which "
        "this is not, at character 7");
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ a, b", t, NULL, &f), BNORM_E_FORMULA,
                 "an illegal character at character 6");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static bnorm_status read_once(bnorm_ctx *ctx, void *argument)
{
    bnorm_structure s;
    bnorm_status status = bnorm_structure_read(
        ctx, "log(y) ~ a*b + nn(z1, log(z2)) + nn(.) | id[a, log(b)] + id^year", argument, NULL,
        0, &s);
    bnorm_structure_clear(&s);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    bnorm_table *t = make_table(NULL);
    assert_true(fail_each_allocation(read_once, t) > 40);
    bnorm_table_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),  cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_frames_refuse),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
