/* json: what is read and written, held against another implementation (jansson). */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "io/json.h"
#include "io/utf8.h"

static bnorm_status read_json(const char *text, bnorm_json **json)
{
    return bnorm_json_read(NULL, "a text", text, strlen(text), json);
}

/* Whether our value is theirs, to the bit of its numbers and the order of its members. */
static int same(const bnorm_json *ours, const json_t *theirs)
{
    switch (ours->kind) {
    case BNORM_JSON_NULL:
        return json_is_null(theirs);
    case BNORM_JSON_FLAG:
        return json_is_boolean(theirs) && ours->is.flag == json_is_true(theirs);
    case BNORM_JSON_INTEGER:
        return json_is_integer(theirs) && ours->is.integer == json_integer_value(theirs);
    case BNORM_JSON_REAL: {
        double value = json_real_value(theirs);
        return json_is_real(theirs) && memcmp(&ours->is.real, &value, sizeof value) == 0;
    }
    case BNORM_JSON_TEXT:
        return json_is_string(theirs) && strcmp(ours->is.text, json_string_value(theirs)) == 0;
    default:
        break;
    }
    const bnorm_json *value = bnorm_json_first(ours);
    ptrdiff_t count = 0;
    if (ours->kind == BNORM_JSON_ARRAY) {
        if (!json_is_array(theirs)) return 0;
        for (; value; value = bnorm_json_next(value))
            if (!same(value, json_array_get(theirs, (size_t)count++))) return 0;
        return count == bnorm_json_elements(ours) && (size_t)count == json_array_size(theirs);
    }
    if (!json_is_object(theirs)) return 0;
    void *member = json_object_iter((json_t *)(uintptr_t)theirs);
    for (; value; value = bnorm_json_next(value), count++) {
        if (!member || strcmp(value->key, json_object_iter_key(member)) != 0) return 0;
        if (!same(value, json_object_iter_value(member))) return 0;
        member = json_object_iter_next((json_t *)(uintptr_t)theirs, member);
    }
    return !member && count == bnorm_json_members(ours);
}

static void legal_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        " [ 1 , 2 ] ",
        "null",
        "true",
        "\"\"",
        "0",
        "-0",
        "-12",
        "1.5e3",
        "1E-2",
        "{\"a\":{\"b\":[null,false,\"c\"]}}",
        "\"\\u00e9\\n\\\"\\/\\\\\"",
        "\"\\ud83d\\ude00\"",
        "9223372036854775807",
        "-9223372036854775808",
        "\"\xf0\x9f\x98\x80\"",
        "\t\r\n1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *theirs = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        bnorm_json *ours;
        assert_int_equal(read_json(texts[i], &ours), BNORM_OK);
        assert_non_null(theirs);
        assert_true(same(ours, theirs));
        bnorm_free(ours);
        json_decref(theirs);
    }
}

static void illegal_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[",
        "\"",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "--1",
        "0x1",
        "NaN",
        "Infinity",
        "nul",
        "trueish",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\x01\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\\",
        "\"\\u",
        "{\"a\":1,\"a\":2}",
        "1 2",
        "[1]]",
        "1e999",
        "9223372036854775808",
        "/**/1",
        "'a'",
        "]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bnorm_json *json;
        assert_int_equal(read_json(texts[i], &json), BNORM_E_FORMAT);
        assert_null(json);
    }
    char deep[1001];
    bnorm_json *json;
    memset(deep, '[', 1000);
    deep[1000] = 0;
    assert_int_equal(read_json(deep, &json), BNORM_E_FORMAT);
    assert_true(bnorm_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    assert_false(bnorm_utf8_valid("\xe2\x82"));
}

/* Random texts of JSON's characters: our reader takes what jansson takes, but for its limits.
 */
static void reads_what_jansson_reads(void **state)
{
    (void)state;
    static const char *const tokens[] = {
        "{", "}",           "[",  "]",  ",",     ":",         "\"a\"", "\"b\"",
        "1", "-",           "0",  ".",  "e",     "5",         "null",  "true",
        " ", "\"\\u00e9\"", "\"", "\\", "[1,2]", "{\"c\":1}", "\"a\":"};
    enum { TOKENS = sizeof tokens / sizeof *tokens };
    int legal = 0;
    for (uint64_t trial = 0; trial < 60000; trial++) {
        double u[9];
        char text[128] = "";
        bnorm_random_uniform(31, trial, 0, 9, u);
        for (int i = 0; i < 1 + (int)(8 * u[8]); i++)
            strcat(text, tokens[(int)(TOKENS * u[i])]);
        json_t *theirs = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        bnorm_json *ours;
        bnorm_status status = read_json(text, &ours);
        assert_int_equal(status, theirs ? BNORM_OK : BNORM_E_FORMAT);
        if (theirs) assert_true(same(ours, theirs));
        legal += theirs != NULL;
        bnorm_free(ours);
        json_decref(theirs);
    }
    assert_true(legal > 1000);
}

/* Many members: found by key, and a key that comes twice among them is noticed. */
static void objects_of_many_members(void **state)
{
    (void)state;
    static char text[200000];
    for (int twice = 0; twice < 2; twice++) {
        char *at = text;
        *at++ = '{';
        for (int i = 0; i < 9999; i++) at += sprintf(at, "\"%d\":%d,", i * 7919 % 10007, i);
        sprintf(at, "\"%d\":[]}", twice ? 5000 * 7919 % 10007 : 10007);
        bnorm_json *json;
        assert_int_equal(read_json(text, &json), twice ? BNORM_E_FORMAT : BNORM_OK);
        if (twice) continue;
        assert_int_equal(bnorm_json_members(json), 10000);
        assert_int_equal(bnorm_json_to_index(bnorm_json_get(json, "7919")), 1);
        assert_true(bnorm_json_is(bnorm_json_get(json, "10007"), BNORM_JSON_ARRAY));
        assert_null(bnorm_json_get(json, "x"));
        bnorm_free(json);
    }
}

/* -------------------------------------------------------------------------------- writing */

static void write_value(bnorm_json_writer *w, const char *key, const bnorm_json *v)
{
    switch (v->kind) {
    case BNORM_JSON_NULL:
        bnorm_json_put_null(w, key);
        return;
    case BNORM_JSON_FLAG:
        bnorm_json_put_flag(w, key, v->is.flag);
        return;
    case BNORM_JSON_INTEGER:
        bnorm_json_put_integer(w, key, v->is.integer);
        return;
    case BNORM_JSON_REAL:
        bnorm_json_put_real(w, key, v->is.real);
        return;
    case BNORM_JSON_TEXT:
        bnorm_json_put_text(w, key, v->is.text);
        return;
    default:
        break;
    }
    bnorm_json_open(w, key, v->kind == BNORM_JSON_ARRAY ? '[' : '{');
    const bnorm_json *part = bnorm_json_first(v);
    for (; part; part = bnorm_json_next(part)) write_value(w, part->key, part);
    bnorm_json_close(w, v->kind == BNORM_JSON_ARRAY ? ']' : '}');
}

/* What is written: the bytes of jansson, compact, reals with 17 digits. */
static void check_written(const char *text)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY;
    json_t *theirs = json_loads(text, JSON_DECODE_ANY, NULL);
    bnorm_json *ours;
    bnorm_json_writer w = {0};
    assert_int_equal(read_json(text, &ours), BNORM_OK);
    write_value(&w, NULL, ours);
    assert_int_equal(bnorm_json_finish(&w, 0), BNORM_OK);
    char *expected = json_dumps(theirs, flags);
    assert_string_equal(w.bytes, expected);
    assert_int_equal(w.length, strlen(w.bytes));
    free(expected);
    bnorm_free(w.bytes);
    bnorm_free(ours);
    json_decref(theirs);
}

static void writes_what_jansson_writes(void **state)
{
    (void)state;
    check_written("{\"a\":[],\"b\":{},\"c\":[[],{},[{\"d\":null}],true,false],\"\":-5}");
    check_written("[0.0,-0.0,1.5,1e22,1e-7,-2.5e-300,1.7976931348623157e308,5e-324,100000.0]");
    check_written("[9223372036854775807,-9223372036854775808,0]");
    check_written("[\"\\u00e9 \\ud83d\\ude00 \\u007f\",{\"\\t\\\"\\\\/\":\"\"}]");
    char text[128];
    for (int c = 1; c < 128; c++) {
        snprintf(text, sizeof text, "[\"a\\u%04x\",\"\\u%04xb\"]", c, c);
        check_written(text);
    }
    for (uint64_t trial = 0; trial < 20000; trial++) {
        double u[2];
        bnorm_random_uniform(32, trial, 0, 2, u);
        snprintf(text, sizeof text, "[%.17e]", ldexp(u[0] - 0.5, (int)(2000 * (u[1] - 0.5))));
        check_written(text);
    }
}

static void what_json_has_not_is_refused(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        bnorm_json_writer w = {0};
        bnorm_json_open(&w, NULL, '{');
        if (kind == 0) bnorm_json_put_text(&w, "a", "\xff");
        if (kind == 1) bnorm_json_put_text(&w, "\xc0\x80", "a");
        if (kind == 2) bnorm_json_put_real(&w, "a", (double)NAN);
        if (kind == 3) bnorm_json_put_real(&w, "a", -(double)INFINITY);
        bnorm_json_put_text(&w, "b", "c");
        bnorm_json_close(&w, '}');
        assert_int_equal(bnorm_json_finish(&w, 8), BNORM_E_ARGUMENT);
        assert_null(w.bytes);
    }
}

static bnorm_status read_and_write(bnorm_ctx *ctx, void *user)
{
    const char *text = user;
    bnorm_json *json;
    bnorm_json_writer w = {.ctx = ctx};
    bnorm_status status = bnorm_json_read(ctx, "a text", text, strlen(text), &json);
    if (status != BNORM_OK) return status;
    for (int i = 0; i < 50; i++) write_value(&w, NULL, json);
    status = bnorm_json_finish(&w, 8);
    bnorm_free(w.bytes);
    bnorm_free(json);
    return status;
}

static void memory_fails_cleanly(void **state)
{
    (void)state;
    static char text[] =
        "{\"a\":[1,2.5,\"x\",{\"b\":1,\"c\":[{\"d\":0,\"e\":null}]}],\"f\":{}}";
    assert_true(fail_each_allocation(read_and_write, text) > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_json),
        cmocka_unit_test(illegal_json),
        cmocka_unit_test(reads_what_jansson_reads),
        cmocka_unit_test(objects_of_many_members),
        cmocka_unit_test(writes_what_jansson_writes),
        cmocka_unit_test(what_json_has_not_is_refused),
        cmocka_unit_test(memory_fails_cleanly),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
