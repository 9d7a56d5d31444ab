/* json_write: JSON as it comes, into a block that grows. Invariant: after a failure the block is
 * gone and nothing is written. A comma is due unless a bracket has just been opened, so the last
 * byte written tells. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/number.h"
#include "io/utf8.h"

static void fail(bnorm_json_writer *w, bnorm_status status)
{
    bnorm_free(w->bytes);
    w->bytes = NULL;
    w->status = status;
}

/* Room for so many bytes more. */
static int reserve(bnorm_json_writer *w, size_t more)
{
    if (w->status != BNORM_OK) return 0;
    if (more <= w->room - w->length) return 1;
    size_t room = 2 * (w->length + more) + 64;
    char *bytes = room < PTRDIFF_MAX ? bnorm_alloc(w->ctx, (ptrdiff_t)room, 1) : NULL;
    if (!bytes) {
        fail(w, bnorm_fail_memory(w->ctx, "a JSON text"));
        return 0;
    }
    if (w->length) memcpy(bytes, w->bytes, w->length);
    bnorm_free(w->bytes);
    w->bytes = bytes;
    w->room = room;
    return 1;
}

static void put(bnorm_json_writer *w, const char *bytes, size_t count)
{
    if (!reserve(w, count)) return;
    memcpy(w->bytes + w->length, bytes, count);
    w->length += count;
}

static void put_escaped(bnorm_json_writer *w, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = strchr(from, c);
    char text[8] = {'\\'};
    if (found)
        text[1] = to[found - from];
    else
        snprintf(text, sizeof text, "\\u%04X", c);
    put(w, text, strlen(text));
}

static int is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void put_string(bnorm_json_writer *w, const char *text)
{
    if (w->status == BNORM_OK && !bnorm_utf8_valid(text))
        fail(w, bnorm_fail(w->ctx, BNORM_E_ARGUMENT, "a text is not UTF-8: JSON has no such"));
    put(w, "\"", 1);
    while (*text) {
        size_t plain = 0;
        while (is_plain((unsigned char)text[plain])) plain++;
        put(w, text, plain);
        text += plain;
        if (*text) put_escaped(w, (unsigned char)*text++);
    }
    put(w, "\"", 1);
}

/* The comma and the key before a value. */
static void lead(bnorm_json_writer *w, const char *key)
{
    if (w->status == BNORM_OK && w->length && !strchr("{[", w->bytes[w->length - 1]))
        put(w, ",", 1);
    if (!key) return;
    put_string(w, key);
    put(w, ":", 1);
}

void bnorm_json_open(bnorm_json_writer *w, const char *key, char bracket)
{
    lead(w, key);
    put(w, &bracket, 1);
}

void bnorm_json_close(bnorm_json_writer *w, char bracket)
{
    put(w, &bracket, 1);
}

void bnorm_json_put_text(bnorm_json_writer *w, const char *key, const char *text)
{
    lead(w, key);
    put_string(w, text);
}

void bnorm_json_put_integer(bnorm_json_writer *w, const char *key, int64_t integer)
{
    char text[32];
    lead(w, key);
    put(w, text, (size_t)snprintf(text, sizeof text, "%" PRId64, integer));
}

void bnorm_json_put_real(bnorm_json_writer *w, const char *key, double real)
{
    char text[BNORM_NUMBER_SIZE];
    if (w->status == BNORM_OK && !isfinite(real))
        fail(w, bnorm_fail(w->ctx, BNORM_E_ARGUMENT, "JSON has no number %g", real));
    bnorm_number_exact(real, text);
    lead(w, key);
    put(w, text, strlen(text));
}

void bnorm_json_put_flag(bnorm_json_writer *w, const char *key, int flag)
{
    lead(w, key);
    put(w, flag ? "true" : "false", flag ? 4 : 5);
}

void bnorm_json_put_null(bnorm_json_writer *w, const char *key)
{
    lead(w, key);
    put(w, "null", 4);
}

bnorm_status bnorm_json_finish(bnorm_json_writer *w, size_t padding)
{
    if (reserve(w, padding + 1)) w->bytes[w->length] = '\0';
    return w->status;
}
