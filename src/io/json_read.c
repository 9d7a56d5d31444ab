/* json_read: recursive descent over JSON (RFC 8259). One block, large enough by a count of the
 * commas and brackets, takes the values, and behind them their texts: without its escapes and
 * quotes a text is never longer than with them. Invariant: start <= at <= end, and nothing
 * outside is read. */
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
    bnorm_json *values;
    ptrdiff_t count; /* values so far */
    char *text;      /* where the next text goes */
    int depth;
} reader;

/* Reads what comes next into a value of its own. */
static bnorm_status read_value(reader *r);

static bnorm_status fail(const reader *r, const char *reason)
{
    return bnorm_fail(r->ctx, BNORM_E_FORMAT, "%s is not legal JSON: %s at byte %td", r->what,
                      reason, r->at - r->start + 1);
}

static bnorm_json *last(const reader *r)
{
    return r->values + r->count - 1;
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

/* A string, its first '"' being read already. */
static bnorm_status read_text(reader *r, const char **text)
{
    char *out = r->text;
    *text = out;
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
    *out++ = '\0';
    r->text = out;
    return bnorm_utf8_valid(*text) ? BNORM_OK : fail(r, "a string that is not UTF-8");
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

static bnorm_status read_number(reader *r)
{
    int real, negative = *r->at == '-';
    const char *end = scan_number(r->at, &real);
    if (!end) return fail(r, "an illegal number");
    bnorm_json *value = last(r);
    if (real) {
        double number = 0;
        bnorm_number_prefix(r->at + negative, &number);
        if (!isfinite(number)) return fail(r, "a number that is too large");
        value->kind = BNORM_JSON_REAL;
        value->is.real = negative ? -number : number;
    } else {
        errno = 0;
        value->kind = BNORM_JSON_INTEGER;
        value->is.integer = strtoll(r->at, NULL, 10);
        if (errno) return fail(r, "an integer that is too large");
    }
    r->at = end;
    return BNORM_OK;
}

static bnorm_status read_word(reader *r)
{
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (strncmp(r->at, words[i], n) != 0) continue;
        r->at += n;
        last(r)->kind = i == 2 ? BNORM_JSON_NULL : BNORM_JSON_FLAG;
        last(r)->is.flag = i == 0;
        return BNORM_OK;
    }
    return fail(r, "an illegal value");
}

static int by_key(const void *a, const void *b)
{
    const bnorm_json *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Sorted, equal keys are neighbours: a file cannot choose keys that make this slow. */
static bnorm_status check_keys(const reader *r, const bnorm_json *object)
{
    ptrdiff_t n = object->is.count, k = 0;
    if (n < 2) return BNORM_OK;
    const bnorm_json **members = bnorm_alloc(r->ctx, n, sizeof *members);
    if (!members) return bnorm_fail_memory(r->ctx, r->what);
    for (const bnorm_json *m = bnorm_json_first(object); m; m = bnorm_json_next(m))
        members[k++] = m;
    qsort(members, (size_t)n, sizeof *members, by_key);
    for (k = 1; k < n && by_key(members + k - 1, members + k) != 0; k++) continue;
    bnorm_free(members);
    return k == n ? BNORM_OK : fail(r, "a key that comes twice in the object that ends");
}

/* Whether another element follows the one just read. */
static int more(reader *r, bnorm_json *value)
{
    if (!next_is(r, ',')) return 0;
    value->step = r->values + r->count - value;
    return 1;
}

/* The elements or members behind the bracket that is read. */
static bnorm_status read_list(reader *r, bnorm_json *list, char close)
{
    bnorm_json *value;
    if (next_is(r, close)) return BNORM_OK;
    do {
        const char *key = NULL;
        bnorm_status status = BNORM_OK;
        if (list->kind == BNORM_JSON_OBJECT) {
            status = next_is(r, '"') ? read_text(r, &key) : fail(r, "no key");
            if (status == BNORM_OK && !next_is(r, ':')) status = fail(r, "no ':'");
        }
        value = r->values + r->count;
        if (status == BNORM_OK) status = read_value(r);
        if (status != BNORM_OK) return status;
        value->key = key;
        list->is.count++;
    } while (more(r, value));
    return next_is(r, close) ? BNORM_OK : fail(r, "no ',' and no end of a list");
}

static bnorm_status read_container(reader *r, bnorm_json_kind kind)
{
    bnorm_json *list = last(r);
    list->kind = kind;
    list->is.count = 0;
    if (++r->depth > DEEPEST) return fail(r, "nested too deeply");
    bnorm_status status = read_list(r, list, kind == BNORM_JSON_OBJECT ? '}' : ']');
    r->depth--;
    if (status == BNORM_OK && kind == BNORM_JSON_OBJECT) status = check_keys(r, list);
    return status;
}

static bnorm_status read_value(reader *r)
{
    r->values[r->count++] = (bnorm_json){0};
    if (next_is(r, '{')) return read_container(r, BNORM_JSON_OBJECT);
    if (next_is(r, '[')) return read_container(r, BNORM_JSON_ARRAY);
    if (next_is(r, '"')) {
        last(r)->kind = BNORM_JSON_TEXT;
        return read_text(r, &last(r)->is.text);
    }
    if (r->at < r->end && (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')))
        return read_number(r);
    return read_word(r);
}

/* No legal text has more values: outside of strings each but the first stands behind a comma or
 * an opening bracket. */
static ptrdiff_t count_values(const char *text, size_t length)
{
    ptrdiff_t count = 1;
    int inside = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            inside = !inside;
        else if (inside && text[i] == '\\')
            i++;
        else if (!inside)
            count += text[i] == ',' || text[i] == '[' || text[i] == '{';
    }
    return count;
}

bnorm_status bnorm_json_read(bnorm_ctx *ctx, const char *what, const char *text, size_t length,
                             bnorm_json **json)
{
    reader r = {.ctx = ctx, .what = what, .start = text, .at = text, .end = text + length};
    ptrdiff_t most = count_values(text, length);
    const ptrdiff_t extra = (ptrdiff_t)(length / sizeof *r.values) + 1;
    *json = NULL;
    r.values = bnorm_alloc(ctx, most + extra, sizeof *r.values);
    if (!r.values) return bnorm_fail_memory(ctx, what);
    r.text = (char *)(r.values + most);
    bnorm_status status = read_value(&r);
    skip_blanks(&r);
    if (status == BNORM_OK && r.at != r.end) status = fail(&r, "something after its end");
    if (status == BNORM_OK)
        *json = r.values;
    else
        bnorm_free(r.values);
    return status;
}
