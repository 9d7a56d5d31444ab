/* frame_bind: a frame's variables read from one table, BNORM_CHUNK rows at a time. What a row
 * gives depends on that row alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/frame.h"
#include "io/number.h"

ptrdiff_t bnorm_variable_column(const bnorm_expression *e)
{
    return e->steps[0].column;
}

/* Variables that are read: the target is the first. */
static ptrdiff_t first_variable(const bnorm_binding *b)
{
    return b->with_target ? 0 : 1;
}

static bnorm_status find_columns(bnorm_binding *b)
{
    const bnorm_formula *f = &b->frame->f;
    for (ptrdiff_t v = first_variable(b); v < f->texts.count; v++) {
        const bnorm_expression *e = f->variables + v;
        for (ptrdiff_t s = 0; s < e->count; s++) {
            ptrdiff_t k = e->steps[s].column, column;
            if (e->steps[s].op != BNORM_OP_COLUMN || b->columns[k]) continue;
            const char *name = bnorm_names_text(&f->columns, k);
            bnorm_status status = bnorm_table_find(b->ctx, b->table, name, &column);
            if (status != BNORM_OK) return status;
            b->columns[k] = b->table->columns + column;
            b->values[k] = b->columns[k]->values;
        }
    }
    return BNORM_OK;
}

static int deepest(const bnorm_formula *f)
{
    int depth = 1;
    for (ptrdiff_t v = 0; v < f->texts.count; v++)
        if (f->variables[v].depth > depth) depth = f->variables[v].depth;
    return depth;
}

bnorm_status bnorm_binding_start(bnorm_ctx *ctx, const bnorm_frame *frame,
                                 const bnorm_table *table, int with_target, bnorm_binding *b)
{
    const bnorm_formula *f = &frame->f;
    *b =
        (bnorm_binding){.ctx = ctx, .frame = frame, .table = table, .with_target = with_target};
    b->columns = bnorm_alloc_zero(ctx, f->columns.count, sizeof *b->columns);
    b->values = bnorm_alloc_zero(ctx, f->columns.count, sizeof *b->values);
    b->codes = bnorm_alloc_zero(ctx, f->texts.count, sizeof *b->codes);
    b->cells = bnorm_alloc(ctx, f->texts.count, BNORM_CHUNK * sizeof *b->cells);
    b->stack = bnorm_alloc(ctx, deepest(f), BNORM_CHUNK * sizeof *b->stack);
    if (!b->columns || !b->values || !b->codes || !b->cells || !b->stack)
        return bnorm_fail_memory(ctx, "reading a table");
    return find_columns(b);
}

void bnorm_binding_stop(bnorm_binding *b)
{
    for (ptrdiff_t v = 0; b->codes && v < b->frame->f.texts.count; v++) bnorm_free(b->codes[v]);
    bnorm_free(b->codes);
    bnorm_free(b->columns);
    bnorm_free(b->values);
    bnorm_free(b->cells);
    bnorm_free(b->stack);
}

bnorm_status bnorm_binding_check(const bnorm_binding *b, int learning)
{
    const bnorm_formula *f = &b->frame->f;
    for (ptrdiff_t v = first_variable(b); v < f->texts.count; v++) {
        const bnorm_expression *e = f->variables + v;
        int factor = b->frame->learned[v].factor;
        for (ptrdiff_t s = 0; s < e->count; s++) {
            ptrdiff_t k = e->steps[s].column;
            if (e->steps[s].op != BNORM_OP_COLUMN || b->columns[k]->bad_row < 0) continue;
            if (!factor || !b->columns[k]->codes)
                return bnorm_column_bad(b->ctx, b->table, b->columns[k], learning);
        }
    }
    return BNORM_OK;
}

static ptrdiff_t find_level(const bnorm_learned *learned, const bnorm_column *c, ptrdiff_t k)
{
    const char *text = bnorm_names_text(&c->texts, k);
    return c->exact ? bnorm_names_find(&learned->levels, text, strlen(text))
                    : bnorm_levels_find_text(learned, text);
}

bnorm_status bnorm_binding_translate(bnorm_binding *b)
{
    const bnorm_formula *f = &b->frame->f;
    for (ptrdiff_t v = first_variable(b); v < f->texts.count; v++) {
        if (!b->frame->learned[v].factor) continue;
        const bnorm_column *c = b->columns[bnorm_variable_column(f->variables + v)];
        if (!c->codes) continue;
        ptrdiff_t *codes = bnorm_alloc(b->ctx, c->texts.count, sizeof *codes);
        if (!codes) return bnorm_fail_memory(b->ctx, "the levels of a factor");
        b->codes[v] = codes;
        for (ptrdiff_t k = 0; k < c->texts.count; k++)
            codes[k] = find_level(b->frame->learned + v, c, k);
    }
    return BNORM_OK;
}

static bnorm_status fail_missing(const bnorm_binding *b, ptrdiff_t k, ptrdiff_t row)
{
    char place[BNORM_PLACE_SIZE], name[BNORM_EXCERPT_SIZE];
    bnorm_table_place(b->table, row, place);
    bnorm_excerpt(bnorm_names_text(&b->frame->f.columns, k), name);
    return bnorm_fail(
        b->ctx, BNORM_E_DATA,
        "%s: column '%s' is missing; complete it, or let rows with missing values "
        "be left out",
        place, name);
}

/* The first needed column that is missing in the row; -1: none. */
static ptrdiff_t missing_column(const bnorm_binding *b, ptrdiff_t row)
{
    for (ptrdiff_t k = 0; k < b->frame->f.columns.count; k++)
        if (b->columns[k] && bnorm_column_missing(b->columns[k], row)) return k;
    return -1;
}

bnorm_status bnorm_binding_complete(const bnorm_binding *b, int na_error, ptrdiff_t *rows,
                                    ptrdiff_t *count)
{
    *count = 0;
    for (ptrdiff_t i = 0; i < b->table->rows; i++) {
        ptrdiff_t k = missing_column(b, i);
        if (k < 0)
            rows[(*count)++] = i;
        else if (na_error)
            return fail_missing(b, k, i);
    }
    return BNORM_OK;
}

/* "produc.csv line 3: log(x) is not finite (-inf); x is 0" */
static bnorm_status fail_nonfinite(const bnorm_binding *b, ptrdiff_t v, ptrdiff_t row,
                                   double value)
{
    const bnorm_expression *e = b->frame->f.variables + v;
    ptrdiff_t s = 0;
    while (e->steps[s].op != BNORM_OP_COLUMN) s++;
    ptrdiff_t k = e->steps[s].column, missing = missing_column(b, row);
    if (missing >= 0) return fail_missing(b, missing, row);
    char place[BNORM_PLACE_SIZE], text[BNORM_EXCERPT_SIZE], name[BNORM_EXCERPT_SIZE];
    char number[BNORM_NUMBER_SIZE];
    bnorm_table_place(b->table, row, place);
    bnorm_excerpt(bnorm_names_text(&b->frame->f.texts, v), text);
    bnorm_excerpt(bnorm_names_text(&b->frame->f.columns, k), name);
    bnorm_number_format(b->values[k][row], number);
    return bnorm_fail(b->ctx, BNORM_E_DATA,
                      "%s: %s is not finite (%s); %s is %s; leave the row out or transform "
                      "otherwise",
                      place, text,
                      isnan(value) ? "nan"
                      : value > 0  ? "inf"
                                   : "-inf",
                      name, number);
}

void bnorm_binding_write_level(const bnorm_binding *b, ptrdiff_t variable, ptrdiff_t row,
                               char out[BNORM_EXCERPT_SIZE])
{
    const bnorm_column *c = b->columns[bnorm_variable_column(b->frame->f.variables + variable)];
    if (c->codes)
        bnorm_excerpt(bnorm_names_text(&c->texts, c->codes[row]), out);
    else
        bnorm_number_format(c->values[row], out);
}

static bnorm_status fail_unseen(const bnorm_binding *b, ptrdiff_t v, ptrdiff_t row)
{
    ptrdiff_t k = bnorm_variable_column(b->frame->f.variables + v);
    const bnorm_column *c = b->columns[k];
    if (bnorm_column_missing(c, row)) return fail_missing(b, k, row);
    char place[BNORM_PLACE_SIZE], name[BNORM_EXCERPT_SIZE], cell[BNORM_EXCERPT_SIZE];
    bnorm_table_place(b->table, row, place);
    bnorm_excerpt(bnorm_names_text(&b->frame->f.columns, k), name);
    bnorm_binding_write_level(b, v, row, cell);
    return bnorm_fail(b->ctx, BNORM_E_DATA,
                      "%s: column '%s' has the level '%s', which training did not see", place,
                      name, cell);
}

ptrdiff_t bnorm_binding_level(const bnorm_binding *b, ptrdiff_t variable, ptrdiff_t row)
{
    const bnorm_column *c = b->columns[bnorm_variable_column(b->frame->f.variables + variable)];
    if (!b->codes[variable])
        return bnorm_levels_find_number(b->frame->learned + variable, c->values[row]);
    return c->codes[row] >= 0 ? b->codes[variable][c->codes[row]] : -1;
}

static bnorm_status load_factor(bnorm_binding *b, ptrdiff_t v, const ptrdiff_t *rows,
                                ptrdiff_t count, double *out)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t code = bnorm_binding_level(b, v, rows[i]);
        if (code < 0) return fail_unseen(b, v, rows[i]);
        out[i] = (double)code;
    }
    return BNORM_OK;
}

static bnorm_status load_numbers(bnorm_binding *b, ptrdiff_t v, const ptrdiff_t *rows,
                                 ptrdiff_t count, double *out)
{
    bnorm_expression_evaluate(b->frame->f.variables + v, b->values, rows, count, b->stack, out);
    for (ptrdiff_t i = 0; i < count; i++)
        if (!isfinite(out[i])) return fail_nonfinite(b, v, rows[i], out[i]);
    return BNORM_OK;
}

bnorm_status bnorm_binding_load(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t v = first_variable(b); v < b->frame->f.texts.count && status == BNORM_OK;
         v++) {
        double *out = b->cells + v * BNORM_CHUNK;
        status = b->frame->learned[v].factor ? load_factor(b, v, rows, count, out)
                                             : load_numbers(b, v, rows, count, out);
    }
    return status;
}

void bnorm_binding_column(const bnorm_binding *b, const bnorm_design_column *column,
                          ptrdiff_t count, double *out)
{
    ptrdiff_t levels[BNORM_TERM_ORDER];
    const bnorm_term *t = b->frame->f.terms.items + column->term;
    bnorm_design_levels(b->frame, column->term, column->code, levels);
    for (ptrdiff_t i = 0; i < count; i++) out[i] = 1;
    for (int f = 0; f < t->order; f++) {
        const double *cells = b->cells + t->variable[f] * BNORM_CHUNK;
        double level = (double)levels[f];
        if (levels[f] < 0)
            for (ptrdiff_t i = 0; i < count; i++) out[i] *= cells[i];
        else
            for (ptrdiff_t i = 0; i < count; i++) out[i] = cells[i] == level ? out[i] : 0;
    }
}
