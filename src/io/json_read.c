/* json_read: recursive descent over JSON (RFC 8259) into jansson's values. jansson's own reader
 * writes out of bounds when memory fails (2.14), so it is not used for files that anyone may
 * have written. Invariant: start <= at <= end, and nothing outside is read. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/number.h"
#include "io/utf8.h"

#define DEEPEST 100

typedef struct reader {
    bnorm_ctx *ctx;
    const char *what;
    const char *start, *at, *end; /* *end is 0 */
    char *text; /* a string without its escapes: never longer than with them */
    int depth;
} reader;

static bnorm_status read_value(reader *r, json_t **value);

static bnorm_status fail(const reader *r, const char *reason)
{
    return bnorm_fail(r->ctx, BNORM_E_FORMAT, "%s is not legal JSON: %s at byte %td", r->what,
                      reason, r->at - r->start + 1);
}

static bnorm_status take(const reader *r, json_t *made, json_t **value)
{
    *value = made;
    return made ? BNORM_OK : bnorm_fail_memory(r->ctx, r->what);
}

static void skip_blanks(reader *r)
{
    while (r->at < r->end && strchr(" \t\n\r", *r->at) && *r->at) r->at++;
}

/* Moves over the character, if it comes next. */
static int next_is(reader *r, char c)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != c) return 0;
    r->at++;
    return 1;
}

/* Four hexadecimal digits; -1 for anything else. */
static long read_hex(reader *r)
{
    long code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = *r->at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        code = 16 * code + digit;
    }
    return code;
}

static char *write_utf8(char *out, long code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(lead[more] | code >> 6 * more);
    while (more--) *out++ = (char)(0x80 | (code >> 6 * more & 0x3F));
    return out;
}

/* What follows "\u". A pair of surrogates is one character; U+0000 is refused. */
static char *read_unicode(reader *r, char *out)
{
    long code = read_hex(r);
    if (code >= 0xD800 && code < 0xDC00) {
        if (r->at[0] != '\\' || r->at[1] != 'u') return NULL;
        r->at += 2;
        long low = read_hex(r);
        if (low < 0xDC00 || low > 0xDFFF) return NULL;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
        return NULL;
    }
    return code > 0 ? write_utf8(out, code) : NULL;
}

static char *read_escape(reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *r->at++;
    if (c == 'u') return read_unicode(r, out);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found) return NULL;
    *out++ = to[found - from];
    return out;
}

/* A string, its first '"' being read already, into r->text. */
static bnorm_status read_text(reader *r)
{
    char *out = r->text;
    while (r->at < r->end && *r->at != '"') {
        if ((unsigned char)*r->at < 0x20) return fail(r, "a control character in a string");
        if (*r->at != '\\') {
            *out++ = *r->at++;
            continue;
        }
        r->at++;
        out = read_escape(r, out);
        if (!out) return fail(r, "an illegal escape");
    }
    if (r->at == r->end) return fail(r, "a string without end");
    r->at++;
    *out = '\0';
    return bnorm_utf8_valid(r->text) ? BNORM_OK : fail(r, "a string that is not UTF-8");
}

static bnorm_status read_string(reader *r, json_t **value)
{
    bnorm_status status = read_text(r);
    return status == BNORM_OK ? take(r, json_string_nocheck(r->text), value) : status;
}

static const char *skip_digits(const char *s)
{
    while (*s >= '0' && *s <= '9') s++;
    return s;
}

/* The end of a number at s, NULL for none; *real: it has a fraction or an exponent. */
static const char *scan_number(const char *s, int *real)
{
    *real = 0;
    if (*s == '-') s++;
    const char *whole = s;
    s = skip_digits(s);
    if (s == whole || (*whole == '0' && s - whole > 1)) return NULL;
    if (*s == '.') {
        const char *fraction = ++s;
        *real = 1;
        s = skip_digits(s);
        if (s == fraction) return NULL;
    }
    if (*s == 'e' || *s == 'E') {
        s += s[1] == '+' || s[1] == '-' ? 2 : 1;
        const char *exponent = s;
        *real = 1;
        s = skip_digits(s);
        if (s == exponent) return NULL;
    }
    return s;
}

static bnorm_status read_number(reader *r, json_t **value)
{
    int real, negative = *r->at == '-';
    const char *end = scan_number(r->at, &real);
    if (!end) return fail(r, "an illegal number");
    if (real) {
        double number = 0;
        bnorm_number_prefix(r->at + negative, &number);
        if (!isfinite(number)) return fail(r, "a number that is too large");
        r->at = end;
        return take(r, json_real(negative ? -number : number), value);
    }
    errno = 0;
    long long integer = strtoll(r->at, NULL, 10);
    if (errno) return fail(r, "an integer that is too large");
    r->at = end;
    return take(r, json_integer(integer), value);
}

static bnorm_status read_word(reader *r, json_t **value)
{
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (strncmp(r->at, words[i], n) != 0) continue;
        r->at += n;
        *value = i == 2 ? json_null() : json_boolean(i == 0);
        return BNORM_OK;
    }
    return fail(r, "an illegal value");
}

/* Puts the value that comes next under the key in r->text. */
static bnorm_status read_member(reader *r, json_t *object)
{
    json_t *value = NULL;
    if (!next_is(r, '"')) return fail(r, "no key");
    bnorm_status status = read_text(r);
    if (status != BNORM_OK) return status;
    if (json_object_get(object, r->text)) return fail(r, "a key that comes twice");
    char *key = bnorm_strdup(r->ctx, r->text);
    if (!key) return bnorm_fail_memory(r->ctx, r->what);
    status = next_is(r, ':') ? read_value(r, &value) : fail(r, "no ':'");
    if (status == BNORM_OK && json_object_set_new_nocheck(object, key, value) != 0)
        status = bnorm_fail_memory(r->ctx, r->what);
    bnorm_free(key);
    return status;
}

static bnorm_status read_element(reader *r, json_t *array)
{
    json_t *value;
    bnorm_status status = read_value(r, &value);
    if (status == BNORM_OK && json_array_append_new(array, value) != 0)
        status = bnorm_fail_memory(r->ctx, r->what);
    return status;
}

/* What stands between brackets, separated by commas. */
static bnorm_status read_list(reader *r, char close, json_t *list,
                              bnorm_status (*read)(reader *, json_t *))
{
    if (next_is(r, close)) return BNORM_OK;
    do {
        bnorm_status status = read(r, list);
        if (status != BNORM_OK) return status;
    } while (next_is(r, ','));
    return next_is(r, close) ? BNORM_OK : fail(r, "no ',' and no end of a list");
}

static bnorm_status read_container(reader *r, int object, json_t **value)
{
    json_t *made = object ? json_object() : json_array();
    *value = NULL;
    if (!made) return bnorm_fail_memory(r->ctx, r->what);
    bnorm_status status = ++r->depth > DEEPEST ? fail(r, "nested too deeply")
                          : object             ? read_list(r, '}', made, read_member)
                                               : read_list(r, ']', made, read_element);
    r->depth--;
    if (status == BNORM_OK)
        *value = made;
    else
        json_decref(made);
    return status;
}

static bnorm_status read_value(reader *r, json_t **value)
{
    *value = NULL;
    if (next_is(r, '{')) return read_container(r, 1, value);
    if (next_is(r, '[')) return read_container(r, 0, value);
    if (next_is(r, '"')) return read_string(r, value);
    if (r->at < r->end && (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')))
        return read_number(r, value);
    return read_word(r, value);
}

bnorm_status bnorm_json_read(bnorm_ctx *ctx, const char *what, const char *text, size_t length,
                             json_t **json)
{
    reader r = {.ctx = ctx, .what = what, .start = text, .at = text, .end = text + length};
    *json = NULL;
    r.text = bnorm_alloc(ctx, (ptrdiff_t)length + 1, 1);
    if (!r.text) return bnorm_fail_memory(ctx, what);
    bnorm_status status = read_value(&r, json);
    skip_blanks(&r);
    if (status == BNORM_OK && r.at != r.end) {
        json_decref(*json);
        *json = NULL;
        status = fail(&r, "something after its end");
    }
    bnorm_free(r.text);
    return status;
}
