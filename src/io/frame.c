/* frame: how a frame is learned from a table. It is complete before the caller sees it: kinds
 * of variables, levels, columns of the design, none of them constant. */
#include "io/frame.h"

#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/number.h"
#include "io/utf8.h"

void bnorm_frame_defaults(bnorm_frame_options *options)
{
    if (options) *options = (bnorm_frame_options){.struct_size = sizeof *options};
}

/* Factors: factor(c), a column of text as it stands, and a class target. */
static bnorm_status decide_kinds(const bnorm_binding *b, int factor_target, bnorm_frame *frame)
{
    for (ptrdiff_t v = 0; v < frame->f.texts.count; v++) {
        const bnorm_expression *e = frame->f.variables + v;
        int plain = bnorm_expression_plain(e);
        int text = plain && !b->columns[bnorm_variable_column(e)]->numeric;
        frame->learned[v].factor = e->factor || text;
    }
    if (!factor_target) return BNORM_OK;
    if (!bnorm_expression_plain(frame->f.variables))
        return bnorm_fail(b->ctx, BNORM_E_FORMULA,
                          "formula: a target of classes must be a column as it stands, not an "
                          "expression");
    frame->learned[0].factor = 1;
    return BNORM_OK;
}

/* Says which column has the most missing values. */
static bnorm_status fail_few(const bnorm_binding *b, ptrdiff_t count)
{
    ptrdiff_t most = 0, worst = 0;
    char name[BNORM_EXCERPT_SIZE], source[BNORM_EXCERPT_SIZE];
    for (ptrdiff_t k = 0; k < b->frame->f.columns.count; k++) {
        ptrdiff_t missing = 0;
        for (ptrdiff_t i = 0; i < b->table->rows; i++)
            missing += bnorm_column_missing(b->columns[k], i);
        if (missing > most) {
            most = missing;
            worst = k;
        }
    }
    bnorm_excerpt(bnorm_names_text(&b->frame->f.columns, worst), name);
    bnorm_excerpt(b->table->source ? b->table->source : "the table", source);
    return bnorm_fail(
        b->ctx, BNORM_E_DATA,
        most ? "%s: %td of %td rows are complete in the columns of the formula, at least "
               "2 are needed; most are missing in column '%s': %td"
             : "%s: %td of %td rows are complete in the columns of the formula, at least "
               "2 are needed",
        source, count, b->table->rows, name, most);
}

/* Model files hold names and levels as UTF-8: better said now than after a long training. */
static bnorm_status check_utf8(const bnorm_binding *b, const bnorm_names *names,
                               const char *what)
{
    for (ptrdiff_t k = 0; k < names->count; k++) {
        char shown[BNORM_EXCERPT_SIZE];
        if (bnorm_utf8_valid(bnorm_names_text(names, k))) continue;
        bnorm_excerpt(bnorm_names_text(names, k), shown);
        return bnorm_fail(b->ctx, BNORM_E_DATA, "the %s '%s' is not UTF-8; convert the table",
                          what, shown);
    }
    return BNORM_OK;
}

static bnorm_status learn_levels(const bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count,
                                 bnorm_frame *frame)
{
    for (ptrdiff_t v = 0; v < frame->f.texts.count; v++) {
        if (!frame->learned[v].factor) continue;
        const bnorm_column *c = b->columns[bnorm_variable_column(frame->f.variables + v)];
        bnorm_status status = bnorm_levels_learn(b->ctx, c, rows, count, frame->learned + v);
        if (status == BNORM_OK) status = check_utf8(b, &frame->learned[v].levels, "level");
        if (status != BNORM_OK) return status;
    }
    const bnorm_learned *target = frame->learned;
    if (!target->factor || target->levels.count > 1) return BNORM_OK;
    char name[BNORM_EXCERPT_SIZE], level[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(bnorm_names_text(&frame->f.texts, 0), name);
    bnorm_excerpt(bnorm_names_text(&target->levels, 0), level);
    return bnorm_fail(b->ctx, BNORM_E_DATA,
                      "the target '%s' has one class only ('%s') over the %td complete rows",
                      name, level, count);
}

/* constant[k] stays 1 while input k has been `first[k]` in every row. */
static bnorm_status find_constant(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count,
                                  double *first, unsigned char *constant)
{
    const bnorm_frame *frame = b->frame;
    double values[BNORM_CHUNK];
    for (ptrdiff_t from = 0; from < count; from += BNORM_CHUNK) {
        ptrdiff_t n = count - from < BNORM_CHUNK ? count - from : BNORM_CHUNK;
        bnorm_status status = bnorm_binding_load(b, rows + from, n);
        if (status != BNORM_OK) return status;
        for (ptrdiff_t k = 0; k < frame->input_count; k++) {
            if (from && !constant[k]) continue;
            bnorm_binding_column(b, frame->inputs + k, n, values);
            if (!from) first[k] = values[0];
            constant[k] = 1;
            for (ptrdiff_t i = 0; i < n; i++) constant[k] &= values[i] == first[k];
        }
    }
    return BNORM_OK;
}

static bnorm_status fail_constant(const bnorm_binding *b, ptrdiff_t k, double value,
                                  ptrdiff_t count)
{
    const bnorm_formula *f = &b->frame->f;
    const bnorm_design_column *column = b->frame->inputs + k;
    char source[BNORM_EXCERPT_SIZE] = "", name[BNORM_EXCERPT_SIZE], label[256];
    char shown[BNORM_EXCERPT_SIZE], number[BNORM_NUMBER_SIZE];
    if (b->table->source) bnorm_excerpt(b->table->source, source);
    bnorm_excerpt(column->name, name);
    bnorm_formula_label(f, f->terms.items + column->term, label, sizeof label);
    bnorm_excerpt(label, shown);
    bnorm_number_format(value, number);
    return bnorm_fail(b->ctx, BNORM_E_DATA,
                      "%s%sinput '%s' is constant (%s) over the %td complete rows; remove it "
                      "(`- %s`) or let constant columns be dropped",
                      source, *source ? ": " : "", name, number, count, shown);
}

/* Refuses or drops the constant columns. */
static bnorm_status judge_constant(const bnorm_binding *b, const double *first,
                                   const unsigned char *constant, ptrdiff_t count, int drop,
                                   bnorm_frame *frame)
{
    for (ptrdiff_t k = 0; k < frame->input_count && !drop; k++)
        if (constant[k]) return fail_constant(b, k, first[k], count);
    bnorm_status status = bnorm_design_drop(b->ctx, frame, constant);
    if (status == BNORM_OK && !frame->input_count)
        return bnorm_fail(b->ctx, BNORM_E_DATA,
                          "every input is constant over the %td complete rows", count);
    return status;
}

static bnorm_status settle_constant(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count,
                                    int drop, bnorm_frame *frame)
{
    double *first = bnorm_alloc(b->ctx, frame->input_count, sizeof *first);
    unsigned char *constant = bnorm_alloc_zero(b->ctx, frame->input_count, sizeof *constant);
    bnorm_status status = first && constant
                              ? find_constant(b, rows, count, first, constant)
                              : bnorm_fail_memory(b->ctx, "the columns of a frame");
    if (status == BNORM_OK) status = judge_constant(b, first, constant, count, drop, frame);
    bnorm_free(first);
    bnorm_free(constant);
    return status;
}

static bnorm_status learn_rows(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count,
                               bnorm_constant constant, bnorm_frame *frame)
{
    bnorm_status status = learn_levels(b, rows, count, frame);
    if (status == BNORM_OK) status = bnorm_design_plan(b->ctx, frame, BNORM_DESIGN_COLUMNS);
    if (status == BNORM_OK && constant == BNORM_CONSTANT_KEEP) return BNORM_OK;
    if (status == BNORM_OK) status = bnorm_binding_translate(b);
    if (status == BNORM_OK)
        status = settle_constant(b, rows, count, constant == BNORM_CONSTANT_DROP, frame);
    return status;
}

/* The complete rows of the table, and what they teach. */
static bnorm_status learn_complete(bnorm_binding *b, const bnorm_frame_options *o,
                                   bnorm_frame *frame)
{
    ptrdiff_t count, *rows = bnorm_alloc(b->ctx, b->table->rows, sizeof *rows);
    if (!rows) return bnorm_fail_memory(b->ctx, "the rows of a table");
    bnorm_status status = bnorm_binding_complete(b, o->na_error, rows, &count);
    if (status == BNORM_OK && count < 2) status = fail_few(b, count);
    if (status == BNORM_OK)
        status =
            learn_rows(b, rows, count,
                       o->drop_constant ? BNORM_CONSTANT_DROP : BNORM_CONSTANT_REFUSE, frame);
    bnorm_free(rows);
    return status;
}

static bnorm_status begin(bnorm_binding *b, int factor_target, bnorm_frame *frame)
{
    bnorm_status status = check_utf8(b, &frame->f.texts, "expression");
    if (status == BNORM_OK) status = decide_kinds(b, factor_target, frame);
    return status == BNORM_OK ? bnorm_binding_check(b, 1) : status;
}

/* An empty frame of a formula, which it takes over in every case; NULL without memory. */
static bnorm_frame *make(bnorm_ctx *ctx, const char *text, bnorm_formula *formula)
{
    bnorm_frame *made = bnorm_alloc_zero(ctx, 1, sizeof *made);
    if (!made) {
        bnorm_formula_clear(formula);
        return NULL;
    }
    made->f = *formula;
    *formula = (bnorm_formula){0};
    made->target_scale = 1;
    made->formula = bnorm_strdup(ctx, text);
    made->learned = bnorm_alloc_zero(ctx, made->f.texts.count, sizeof *made->learned);
    if (made->formula && made->learned) return made;
    bnorm_frame_destroy(made);
    return NULL;
}

bnorm_status bnorm_frame_begin(bnorm_ctx *ctx, const char *text, bnorm_formula *formula,
                               const bnorm_table *table, bnorm_frame **frame)
{
    *frame = NULL;
    bnorm_frame *made = make(ctx, text, formula);
    if (!made) return bnorm_fail_memory(ctx, "a frame");
    bnorm_binding b;
    bnorm_status status = bnorm_binding_start(ctx, made, table, 1, &b);
    if (status == BNORM_OK) status = begin(&b, 0, made);
    bnorm_binding_stop(&b);
    if (status == BNORM_OK)
        *frame = made;
    else
        bnorm_frame_destroy(made);
    return status;
}

static void destroy_columns(bnorm_design_column *columns, ptrdiff_t count)
{
    for (ptrdiff_t k = 0; k < count; k++) bnorm_free(columns[k].name);
    bnorm_free(columns);
}

/* Levels and design, as before any rows taught them. */
static void forget(bnorm_frame *frame)
{
    for (ptrdiff_t v = 0; frame->learned && v < frame->f.texts.count; v++) {
        int factor = frame->learned[v].factor;
        bnorm_levels_clear(frame->learned + v);
        frame->learned[v].factor = factor;
    }
    destroy_columns(frame->inputs, frame->input_count);
    destroy_columns(frame->dropped, frame->dropped_count);
    bnorm_free(frame->full);
    frame->inputs = frame->dropped = NULL;
    frame->input_count = frame->dropped_count = 0;
    frame->full = NULL;
}

bnorm_status bnorm_frame_learn(bnorm_ctx *ctx, bnorm_frame *frame, const bnorm_table *table,
                               const ptrdiff_t *rows, ptrdiff_t count, bnorm_constant constant)
{
    bnorm_binding b;
    forget(frame);
    bnorm_status status = bnorm_binding_start(ctx, frame, table, 1, &b);
    if (status == BNORM_OK) status = learn_rows(&b, rows, count, constant, frame);
    bnorm_binding_stop(&b);
    return status;
}

static bnorm_status fill(bnorm_ctx *ctx, const bnorm_table *table, const bnorm_frame_options *o,
                         bnorm_frame *frame)
{
    bnorm_binding b;
    bnorm_status status = bnorm_binding_start(ctx, frame, table, 1, &b);
    if (status == BNORM_OK) status = begin(&b, o->factor_target, frame);
    if (status == BNORM_OK) status = learn_complete(&b, o, frame);
    bnorm_binding_stop(&b);
    return status;
}

bnorm_status bnorm_frame_create(bnorm_ctx *ctx, const char *formula, const bnorm_table *table,
                                const bnorm_frame_options *options, bnorm_frame **frame)
{
    bnorm_frame_options o;
    bnorm_frame_defaults(&o);
    if (options) o = *options;
    if (frame) *frame = NULL;
    if (!frame || !formula || !table || o.struct_size != sizeof o)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_frame_create: something is NULL, or struct_size is unknown");
    bnorm_formula f;
    bnorm_status status = bnorm_formula_read(ctx, formula, table, o.dot_without, &f);
    if (status != BNORM_OK) return status;
    bnorm_frame *made = make(ctx, formula, &f);
    if (!made) return bnorm_fail_memory(ctx, "a frame");
    status = fill(ctx, table, &o, made);
    if (status == BNORM_OK)
        *frame = made;
    else
        bnorm_frame_destroy(made);
    return status;
}

void bnorm_frame_destroy(bnorm_frame *frame)
{
    if (!frame) return;
    forget(frame);
    bnorm_free(frame->learned);
    bnorm_formula_clear(&frame->f);
    bnorm_free(frame->formula);
    bnorm_free(frame->center);
    bnorm_free(frame->scale);
    bnorm_free(frame);
}
