/* formula_terms: the algebra of terms. A term is a set of variables, written in ascending
 * order, so equal sets have equal bytes up to their order. */
#include "io/formula.h"

#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"

bnorm_status bnorm_terms_add(bnorm_ctx *ctx, bnorm_terms *list, const bnorm_term *term)
{
    if (list->count == BNORM_TERM_COUNT)
        return bnorm_fail(ctx, BNORM_E_FORMULA, "formula: more than %d terms",
                          BNORM_TERM_COUNT);
    if (list->count == list->capacity) {
        ptrdiff_t capacity = list->capacity ? 2 * list->capacity : 8;
        bnorm_term *items = bnorm_alloc(ctx, capacity, sizeof *items);
        if (!items) return bnorm_fail_memory(ctx, "the terms of a formula");
        if (list->items) memcpy(items, list->items, (size_t)list->count * sizeof *items);
        bnorm_free(list->items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *term;
    return BNORM_OK;
}

bnorm_status bnorm_terms_join(bnorm_ctx *ctx, bnorm_terms *list, const bnorm_terms *more)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < more->count && status == BNORM_OK; k++)
        status = bnorm_terms_add(ctx, list, more->items + k);
    return status;
}

static int same(const bnorm_term *a, const bnorm_term *b)
{
    return a->order == b->order &&
           !memcmp(a->variable, b->variable, (size_t)a->order * sizeof *a->variable);
}

static int contains(const bnorm_terms *list, const bnorm_term *term)
{
    for (ptrdiff_t k = 0; k < list->count; k++)
        if (same(list->items + k, term)) return 1;
    return 0;
}

void bnorm_terms_remove(bnorm_terms *list, const bnorm_terms *less)
{
    ptrdiff_t kept = 0;
    for (ptrdiff_t k = 0; k < list->count; k++)
        if (!contains(less, list->items + k)) list->items[kept++] = list->items[k];
    list->count = kept;
}

/* The union of two sets; 0 when it is too large. */
static int merge(const bnorm_term *a, const bnorm_term *b, bnorm_term *out)
{
    int i = 0, j = 0;
    *out = (bnorm_term){0};
    while (i < a->order || j < b->order) {
        int32_t x = i < a->order ? a->variable[i] : INT32_MAX;
        int32_t y = j < b->order ? b->variable[j] : INT32_MAX;
        if (out->order == BNORM_TERM_ORDER) return 0;
        out->variable[out->order++] = x < y ? x : y;
        i += x <= y;
        j += y <= x;
    }
    return 1;
}

static bnorm_status multiply_into(bnorm_ctx *ctx, const bnorm_terms *a, const bnorm_terms *b,
                                  bnorm_terms *out)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t i = 0; i < a->count; i++)
        for (ptrdiff_t j = 0; j < b->count && status == BNORM_OK; j++) {
            bnorm_term t;
            if (!merge(a->items + i, b->items + j, &t))
                return bnorm_fail(ctx, BNORM_E_FORMULA,
                                  "formula: an interaction of more than %d variables",
                                  BNORM_TERM_ORDER);
            status = bnorm_terms_add(ctx, out, &t);
        }
    return status;
}

bnorm_status bnorm_terms_multiply(bnorm_ctx *ctx, bnorm_terms *list, const bnorm_terms *b)
{
    bnorm_terms product = {0};
    bnorm_status status = multiply_into(ctx, list, b, &product);
    if (status != BNORM_OK) {
        bnorm_terms_clear(&product);
        return status;
    }
    bnorm_terms_clear(list);
    *list = product;
    return bnorm_terms_distinct(ctx, list);
}

bnorm_status bnorm_terms_distinct(bnorm_ctx *ctx, bnorm_terms *list)
{
    bnorm_names seen = {0};
    bnorm_status status = BNORM_OK;
    ptrdiff_t kept = 0;
    for (ptrdiff_t k = 0; k < list->count && status == BNORM_OK; k++) {
        const bnorm_term *t = list->items + k;
        ptrdiff_t number;
        status = bnorm_names_add(ctx, &seen, (const char *)t->variable,
                                 (size_t)t->order * sizeof *t->variable, &number);
        if (status == BNORM_OK && number == kept) list->items[kept++] = *t;
    }
    if (status == BNORM_OK) list->count = kept;
    bnorm_names_clear(&seen);
    return status;
}

bnorm_status bnorm_terms_sort(bnorm_ctx *ctx, bnorm_terms *list)
{
    bnorm_terms sorted = {0};
    bnorm_status status = BNORM_OK;
    for (int order = 1; order <= BNORM_TERM_ORDER; order++)
        for (ptrdiff_t k = 0; k < list->count && status == BNORM_OK; k++)
            if (list->items[k].order == order)
                status = bnorm_terms_add(ctx, &sorted, list->items + k);
    if (status != BNORM_OK) {
        bnorm_terms_clear(&sorted);
        return status;
    }
    bnorm_terms_clear(list);
    *list = sorted;
    return BNORM_OK;
}

void bnorm_terms_clear(bnorm_terms *list)
{
    bnorm_free(list->items);
    *list = (bnorm_terms){0};
}
