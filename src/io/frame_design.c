/* frame_design: which columns the terms make, as R's model.matrix does. Inside a term the first
 * factor varies fastest. A factor has an indicator for every level where the term without it is
 * not spanned by an earlier term, else for all levels but the first; a factor of one level
 * keeps its one indicator, so that it is seen to be constant. */
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/frame.h"

/* Whether every variable of a but number `skip` is in b. */
static int spanned(const bnorm_term *a, int skip, const bnorm_term *b)
{
    for (int i = 0; i < a->order; i++) {
        int found = i == skip;
        for (int j = 0; j < b->order && !found; j++) found = a->variable[i] == b->variable[j];
        if (!found) return 0;
    }
    return 1;
}

/* R's TermCode: contrasts where the margin is empty (the intercept) or part of an earlier term.
 */
static int has_margin(const bnorm_frame *frame, ptrdiff_t term, int i)
{
    const bnorm_term *t = frame->f.terms.items + term;
    if (t->order == 1) return 1;
    for (ptrdiff_t k = 0; k < term; k++)
        if (spanned(t, i, frame->f.terms.items + k)) return 1;
    return 0;
}

static const bnorm_learned *learned_of(const bnorm_frame *frame, ptrdiff_t term, int i)
{
    return frame->learned + frame->f.terms.items[term].variable[i];
}

/* has_margin looks at all earlier terms: only terms with a factor need it. */
static void plan_coding(bnorm_frame *frame)
{
    for (ptrdiff_t k = 0; k < frame->f.terms.count; k++)
        for (int i = 0; i < frame->f.terms.items[k].order; i++)
            if (learned_of(frame, k, i)->factor && !has_margin(frame, k, i))
                frame->full[k] |= 1u << i;
}

/* Columns of variable i of the term, and the level of the first. */
static ptrdiff_t width(const bnorm_frame *frame, ptrdiff_t term, int i, ptrdiff_t *first)
{
    const bnorm_learned *l = learned_of(frame, term, i);
    *first = l->factor && l->levels.count > 1 && !(frame->full[term] >> i & 1);
    return l->factor ? l->levels.count - *first : 1;
}

void bnorm_design_levels(const bnorm_frame *frame, ptrdiff_t term, ptrdiff_t code,
                         ptrdiff_t *levels)
{
    for (int i = 0; i < frame->f.terms.items[term].order; i++) {
        ptrdiff_t first, w = width(frame, term, i, &first);
        levels[i] = learned_of(frame, term, i)->factor ? first + code % w : -1;
        code /= w;
    }
}

/* Columns of a term; more than `most` count as most + 1. */
static ptrdiff_t term_width(const bnorm_frame *frame, ptrdiff_t term, ptrdiff_t most)
{
    ptrdiff_t product = 1, first;
    for (int i = 0; i < frame->f.terms.items[term].order; i++)
        if (!bnorm_multiply(product, width(frame, term, i, &first), &product) || product > most)
            return most + 1;
    return product;
}

/* "x:regionnorth", as snprintf. */
static size_t write_column(const bnorm_frame *frame, ptrdiff_t term, ptrdiff_t code, char *out,
                           size_t size)
{
    ptrdiff_t levels[BNORM_TERM_ORDER];
    size_t used = 0;
    bnorm_design_levels(frame, term, code, levels);
    for (int i = 0; i < frame->f.terms.items[term].order; i++) {
        const char *text =
            bnorm_names_text(&frame->f.texts, frame->f.terms.items[term].variable[i]);
        const char *level = bnorm_names_text(&learned_of(frame, term, i)->levels, levels[i]);
        size_t room = used < size ? size - used : 0;
        used += (size_t)snprintf(room ? out + used : NULL, room, "%s%s%s", i ? ":" : "", text,
                                 level ? level : "");
    }
    return used;
}

#define NAMES_SIZE ((size_t)1 << 28) /* of all names together: long levels multiply */

static bnorm_status add_column(bnorm_ctx *ctx, bnorm_frame *frame, ptrdiff_t term,
                               ptrdiff_t code, size_t *size)
{
    size_t length = write_column(frame, term, code, NULL, 0);
    if (length >= NAMES_SIZE - *size)
        return bnorm_fail(ctx, BNORM_E_DATA, "the names of the input columns are too long");
    *size += length;
    char *name = bnorm_alloc(ctx, (ptrdiff_t)length + 1, 1);
    if (!name) return bnorm_fail_memory(ctx, "the columns of a frame");
    write_column(frame, term, code, name, length + 1);
    ptrdiff_t k = frame->input_count++;
    frame->inputs[k] =
        (bnorm_design_column){.term = term, .code = code, .number = k, .name = name};
    return BNORM_OK;
}

static bnorm_status count_columns(bnorm_ctx *ctx, const bnorm_frame *frame, ptrdiff_t most,
                                  ptrdiff_t *total)
{
    *total = 0;
    for (ptrdiff_t k = 0; k < frame->f.terms.count; k++) {
        *total += term_width(frame, k, most);
        if (*total > most)
            return bnorm_fail(ctx, BNORM_E_DATA,
                              "the terms make more than %td input columns; use fewer levels or "
                              "interactions",
                              most);
    }
    return BNORM_OK;
}

bnorm_status bnorm_design_plan(bnorm_ctx *ctx, bnorm_frame *frame, ptrdiff_t most)
{
    ptrdiff_t total;
    size_t size = 0;
    frame->full = bnorm_alloc_zero(ctx, frame->f.terms.count, sizeof *frame->full);
    if (!frame->full) return bnorm_fail_memory(ctx, "the columns of a frame");
    plan_coding(frame);
    bnorm_status status = count_columns(ctx, frame, most, &total);
    if (status != BNORM_OK) return status;
    frame->inputs = bnorm_alloc_zero(ctx, total, sizeof *frame->inputs);
    if (!frame->inputs) return bnorm_fail_memory(ctx, "the columns of a frame");
    for (ptrdiff_t k = 0; k < frame->f.terms.count; k++) {
        ptrdiff_t columns = term_width(frame, k, most);
        for (ptrdiff_t code = 0; code < columns; code++) {
            status = add_column(ctx, frame, k, code, &size);
            if (status != BNORM_OK) return status;
        }
    }
    return BNORM_OK;
}

bnorm_status bnorm_design_drop(bnorm_ctx *ctx, bnorm_frame *frame, const unsigned char *drop)
{
    ptrdiff_t kept = 0, dropped = 0;
    for (ptrdiff_t k = 0; k < frame->input_count; k++) dropped += drop[k];
    frame->dropped = bnorm_alloc(ctx, dropped, sizeof *frame->dropped);
    if (!frame->dropped) return bnorm_fail_memory(ctx, "the columns of a frame");
    for (ptrdiff_t k = 0; k < frame->input_count; k++)
        if (drop[k])
            frame->dropped[frame->dropped_count++] = frame->inputs[k];
        else
            frame->inputs[kept++] = frame->inputs[k];
    frame->input_count = kept;
    return BNORM_OK;
}
