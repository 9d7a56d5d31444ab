/* frame_levels: the levels of a factor. Their order does not depend on the order of the rows:
 * by value when all of them are numbers, else by bytes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/frame.h"
#include "io/number.h"

typedef struct level {
    const char *text;
    double value;
} level;

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const level *)a)->text, ((const level *)b)->text);
}

static int by_value(const void *a, const void *b)
{
    double x = ((const level *)a)->value, y = ((const level *)b)->value;
    return x < y ? -1 : x > y ? 1 : by_bytes(a, b);
}

static int by_number(const void *a, const void *b)
{
    const bnorm_numbered *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    if (x->canonical != y->canonical) return y->canonical - x->canonical;
    return x->code < y->code ? -1 : x->code > y->code;
}

static int is_canonical(const char *text, double value)
{
    char canonical[BNORM_NUMBER_SIZE];
    bnorm_number_format(value, canonical);
    return strcmp(text, canonical) == 0;
}

bnorm_status bnorm_levels_index(bnorm_ctx *ctx, bnorm_learned *learned)
{
    ptrdiff_t n = 0, count = learned->levels.count;
    bnorm_numbered *numbered = bnorm_alloc(ctx, count, sizeof *numbered);
    if (!numbered) return bnorm_fail_memory(ctx, "the levels of a factor");
    for (ptrdiff_t k = 0; k < count; k++) {
        const char *text = bnorm_names_text(&learned->levels, k);
        double value;
        if (bnorm_number_parse(text, &value) != BNORM_NUMBER_FINITE) continue;
        numbered[n++] = (bnorm_numbered){value, is_canonical(text, value), k};
    }
    qsort(numbered, (size_t)n, sizeof *numbered, by_number);
    bnorm_free(learned->numbered);
    learned->numbered = numbered;
    learned->numbered_count = n;
    return BNORM_OK;
}

ptrdiff_t bnorm_levels_find_number(const bnorm_learned *learned, double value)
{
    ptrdiff_t low = 0, high = learned->numbered_count; /* first with value >= the one sought */
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        if (learned->numbered[middle].value < value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == learned->numbered_count || learned->numbered[low].value != value) return -1;
    return learned->numbered[low].code;
}

ptrdiff_t bnorm_levels_find_text(const bnorm_learned *learned, const char *text)
{
    ptrdiff_t code = bnorm_names_find(&learned->levels, text, strlen(text));
    double value;
    if (code >= 0 || bnorm_number_parse(text, &value) != BNORM_NUMBER_FINITE) return code;
    return bnorm_levels_find_number(learned, value);
}

/* Sorts the levels and takes them over. */
static bnorm_status take(bnorm_ctx *ctx, level *levels, ptrdiff_t count, int numbers,
                         bnorm_learned *out)
{
    bnorm_status status = BNORM_OK;
    qsort(levels, (size_t)count, sizeof *levels, numbers ? by_value : by_bytes);
    for (ptrdiff_t k = 0; k < count && status == BNORM_OK; k++) {
        ptrdiff_t number;
        status =
            bnorm_names_add(ctx, &out->levels, levels[k].text, strlen(levels[k].text), &number);
    }
    return status == BNORM_OK ? bnorm_levels_index(ctx, out) : status;
}

/* The texts that occur in the rows. */
static bnorm_status learn_texts(bnorm_ctx *ctx, const bnorm_column *column,
                                const ptrdiff_t *rows, ptrdiff_t count, bnorm_learned *out)
{
    level *levels = bnorm_alloc_zero(ctx, column->texts.count, sizeof *levels);
    if (!levels) return bnorm_fail_memory(ctx, "the levels of a factor");
    ptrdiff_t n = 0;
    int numbers = 1;
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t code = column->codes[rows[i]];
        levels[code].text = bnorm_names_text(&column->texts, code);
    }
    for (ptrdiff_t k = 0; k < column->texts.count; k++) {
        if (!levels[k].text) continue;
        level l = levels[k];
        numbers &= bnorm_number_parse(l.text, &l.value) == BNORM_NUMBER_FINITE;
        levels[n++] = l;
    }
    bnorm_status status = take(ctx, levels, n, numbers, out);
    bnorm_free(levels);
    return status;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The distinct values in the rows. */
static bnorm_status learn_numbers(bnorm_ctx *ctx, const bnorm_column *column,
                                  const ptrdiff_t *rows, ptrdiff_t count, bnorm_learned *out)
{
    double *values = bnorm_alloc(ctx, count, sizeof *values);
    if (!values) return bnorm_fail_memory(ctx, "the levels of a factor");
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t i = 0; i < count; i++) values[i] = column->values[rows[i]];
    qsort(values, (size_t)count, sizeof *values, by_double);
    for (ptrdiff_t i = 0; i < count && status == BNORM_OK; i++) {
        char text[BNORM_NUMBER_SIZE];
        ptrdiff_t number;
        if (i && values[i] == values[i - 1]) continue;
        bnorm_number_format(values[i], text);
        status = bnorm_names_add(ctx, &out->levels, text, strlen(text), &number);
    }
    bnorm_free(values);
    return status == BNORM_OK ? bnorm_levels_index(ctx, out) : status;
}

/* A column of numbers alone has its values as levels; one with other cells has its texts. */
bnorm_status bnorm_levels_learn(bnorm_ctx *ctx, const bnorm_column *column,
                                const ptrdiff_t *rows, ptrdiff_t count, bnorm_learned *out)
{
    int by_text = column->codes && column->bad_row >= 0;
    return by_text ? learn_texts(ctx, column, rows, count, out)
                   : learn_numbers(ctx, column, rows, count, out);
}

void bnorm_levels_clear(bnorm_learned *learned)
{
    bnorm_names_clear(&learned->levels);
    bnorm_free(learned->numbered);
    *learned = (bnorm_learned){0};
}
