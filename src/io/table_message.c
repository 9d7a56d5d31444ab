/* table_message: places, excerpts and near names for messages about tables. Whatever a file
 * holds, what comes out is short, printable and whole characters. */
#define _POSIX_C_SOURCE 200809L
#include "io/table.h"

#include <stdio.h>
#include <string.h>

#include "base/ctx.h"

/* Cuts after at most `room` bytes, before a continuation byte of UTF-8. */
static size_t whole_characters(const char *text, size_t room)
{
    size_t length = strnlen(text, room + 1);
    if (length <= room) return length;
    length = room;
    while (length && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
    return length;
}

void bnorm_excerpt(const char *text, char out[BNORM_EXCERPT_SIZE])
{
    size_t length = whole_characters(text, BNORM_EXCERPT_SIZE - 4);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        out[i] = c < 32 || c == 127 ? '?' : text[i];
    }
    strcpy(out + length, text[length] ? "..." : "");
}

void bnorm_table_place(const bnorm_table *table, ptrdiff_t row, char out[BNORM_PLACE_SIZE])
{
    char source[BNORM_EXCERPT_SIZE] = "";
    if (table->source) bnorm_excerpt(table->source, source);
    snprintf(out, BNORM_PLACE_SIZE, "%s%s%s %td", source, *source ? " " : "",
             table->lines ? "line" : "row", table->lines ? table->lines[row] : row + 1);
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int least(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

#define LONGEST 32
/* Levenshtein's distance, upper and lower case alike; texts longer than LONGEST are far. */
static int distance(const char *a, const char *b)
{
    size_t m = strnlen(a, LONGEST + 1), n = strnlen(b, LONGEST + 1);
    if (m > LONGEST || n > LONGEST) return LONGEST;
    int row[LONGEST + 1];
    for (size_t j = 0; j <= n; j++) row[j] = (int)j;
    for (size_t i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= n; j++) {
            int change = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            row[j] = least(change, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[n];
}

/* The column whose name is nearest and near enough to be meant; NULL: none. */
static const char *nearest(const bnorm_table *table, const char *name)
{
    const char *best = NULL;
    int limit = strlen(name) < 4 ? 1 : 2;
    for (ptrdiff_t k = 0; k < table->names.count; k++) {
        const char *candidate = bnorm_names_text(&table->names, k);
        int d = distance(name, candidate);
        if (d > limit || (best && d == limit)) continue;
        best = candidate;
        limit = d;
    }
    return best;
}

/* "state, year, ..." */
static void list_columns(const bnorm_table *table, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (ptrdiff_t k = 0; k < table->names.count; k++) {
        char name[BNORM_EXCERPT_SIZE];
        bnorm_excerpt(bnorm_names_text(&table->names, k), name);
        if (used + strlen(name) + 8 > size) {
            strcpy(out + used, ", ...");
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", k ? ", " : "", name);
    }
}

bnorm_status bnorm_table_find(bnorm_ctx *ctx, const bnorm_table *table, const char *name,
                              ptrdiff_t *column)
{
    *column = bnorm_names_find(&table->names, name, strlen(name));
    if (*column >= 0) return BNORM_OK;
    char source[BNORM_EXCERPT_SIZE], shown[BNORM_EXCERPT_SIZE], near[BNORM_EXCERPT_SIZE] = "";
    char list[256];
    const char *meant = nearest(table, name);
    bnorm_excerpt(table->source ? table->source : "the table", source);
    bnorm_excerpt(name, shown);
    if (meant) bnorm_excerpt(meant, near);
    list_columns(table, list, sizeof list);
    return bnorm_fail(ctx, BNORM_E_DATA, "%s has no column '%s'%s%s%s; it has: %s", source,
                      shown, meant ? " (do you mean '" : "", near, meant ? "'?)" : "", list);
}

bnorm_status bnorm_column_bad(bnorm_ctx *ctx, const bnorm_table *table, const bnorm_column *c,
                              int offer_factor)
{
    char place[BNORM_PLACE_SIZE], name[BNORM_EXCERPT_SIZE], cell[BNORM_EXCERPT_SIZE];
    bnorm_table_place(table, c->bad_row, place);
    bnorm_excerpt(bnorm_names_text(&table->names, c - table->columns), name);
    bnorm_excerpt(c->bad_text, cell);
    if (c->bad_is_number)
        return bnorm_fail(ctx, BNORM_E_DATA,
                          "%s: column '%s' is not finite: '%s'; write NA for a missing value",
                          place, name, cell);
    char remedy[BNORM_EXCERPT_SIZE + 32] = "";
    if (offer_factor) snprintf(remedy, sizeof remedy, ", or use factor(%s)", name);
    return bnorm_fail(ctx, BNORM_E_DATA,
                      "%s: column '%s' is not a number: '%s'; write NA for a missing value%s",
                      place, name, cell, remedy);
}

bnorm_status bnorm_table_values(bnorm_ctx *ctx, const bnorm_table *table, const char *name,
                                double *values)
{
    ptrdiff_t column;
    if (!table || !name || (!values && table->rows))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_table_values: something is NULL");
    bnorm_status status = bnorm_table_find(ctx, table, name, &column);
    if (status != BNORM_OK) return status;
    const bnorm_column *c = table->columns + column;
    if (c->bad_row >= 0) return bnorm_column_bad(ctx, table, c, 0);
    for (ptrdiff_t i = 0; i < table->rows; i++) values[i] = c->values[i];
    return BNORM_OK;
}
