/* frame_json: a frame as JSON: its variables as they are written, their levels, its terms as
 * numbers of variables, the columns that are dropped. '.' was expanded when it was learned, so
 * a frame comes back without a table. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/model.h"

/* --------------------------------------------------------------------------------- write */

static void put_variable(bnorm_json_writer *w, const bnorm_frame *f, ptrdiff_t v)
{
    const bnorm_learned *l = f->learned + v;
    bnorm_json_open(w, NULL, '{');
    bnorm_json_put_text(w, "text", bnorm_names_text(&f->f.texts, v));
    if (l->factor) {
        bnorm_json_open(w, "levels", '[');
        for (ptrdiff_t k = 0; k < l->levels.count; k++)
            bnorm_json_put_text(w, NULL, bnorm_names_text(&l->levels, k));
        bnorm_json_close(w, ']');
    }
    bnorm_json_close(w, '}');
}

static void put_term(bnorm_json_writer *w, const bnorm_term *t)
{
    bnorm_json_open(w, NULL, '[');
    for (int i = 0; i < t->order; i++) bnorm_json_put_integer(w, NULL, t->variable[i]);
    bnorm_json_close(w, ']');
}

void bnorm_frame_to_json(const bnorm_frame *f, const char *key, bnorm_json_writer *w)
{
    bnorm_json_open(w, key, '{');
    bnorm_json_put_text(w, "formula", f->formula);
    bnorm_json_open(w, "variables", '[');
    for (ptrdiff_t v = 0; v < f->f.texts.count; v++) put_variable(w, f, v);
    bnorm_json_close(w, ']');
    bnorm_json_open(w, "terms", '[');
    for (ptrdiff_t k = 0; k < f->f.terms.count; k++) put_term(w, f->f.terms.items + k);
    bnorm_json_close(w, ']');
    bnorm_json_open(w, "dropped", '[');
    for (ptrdiff_t k = 0; k < f->dropped_count; k++)
        bnorm_json_put_integer(w, NULL, f->dropped[k].number);
    bnorm_json_close(w, ']');
    bnorm_json_put_flag(w, "inputs_scaled", f->center != NULL);
    bnorm_json_put_flag(w, "target_scaled", f->target_scaled);
    bnorm_json_close(w, '}');
}

/* ---------------------------------------------------------------------------------- read */

static bnorm_status wrong(bnorm_ctx *ctx, const char *what)
{
    return bnorm_fail(ctx, BNORM_E_FORMAT, "the frame: %s", what);
}

static bnorm_status read_levels(bnorm_ctx *ctx, const bnorm_json *json, bnorm_learned *learned)
{
    ptrdiff_t count = bnorm_json_elements(json);
    learned->factor = 1;
    if (!count || count > INT32_MAX) return wrong(ctx, "a variable has illegal levels");
    const bnorm_json *level = bnorm_json_first(json);
    for (ptrdiff_t k = 0; level; k++, level = bnorm_json_next(level)) {
        const char *text = bnorm_json_characters(level);
        ptrdiff_t number;
        if (!text) return wrong(ctx, "a level is not a string");
        bnorm_status status =
            bnorm_names_add(ctx, &learned->levels, text, strlen(text), &number);
        if (status != BNORM_OK) return status;
        if (number != k) return wrong(ctx, "a level comes twice");
    }
    return bnorm_levels_index(ctx, learned);
}

static bnorm_status read_variable(bnorm_ctx *ctx, const bnorm_json *json, bnorm_frame *f,
                                  ptrdiff_t v)
{
    const char *text;
    const bnorm_json *levels = bnorm_json_get(json, "levels");
    bnorm_status status = bnorm_json_text(ctx, json, "a variable of the frame", "text", &text);
    if (status == BNORM_OK) status = bnorm_formula_variable(ctx, &f->f, text);
    if (status == BNORM_E_FORMULA) return wrong(ctx, bnorm_ctx_message(ctx));
    if (status != BNORM_OK) return status;
    const bnorm_expression *e = f->f.variables + v;
    if (levels ? !bnorm_expression_plain(e) : e->factor)
        return wrong(ctx, "levels do not go with a variable");
    return levels ? read_levels(ctx, levels, f->learned + v) : BNORM_OK;
}

static bnorm_status read_variables(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t least,
                                   bnorm_frame *f)
{
    ptrdiff_t count = bnorm_json_elements(json);
    if (count < least || count > INT32_MAX) return wrong(ctx, "too few variables");
    f->learned = bnorm_alloc_zero(ctx, count, sizeof *f->learned);
    if (!f->learned) return bnorm_fail_memory(ctx, "a frame");
    const bnorm_json *variable = bnorm_json_first(json);
    for (ptrdiff_t v = 0; variable; v++, variable = bnorm_json_next(variable)) {
        bnorm_status status = read_variable(ctx, variable, f, v);
        if (status != BNORM_OK) return status;
    }
    if (f->learned[0].factor && f->learned[0].levels.count < 2)
        return wrong(ctx, "the target has one class only");
    return BNORM_OK;
}

/* Ascending numbers of variables, none of them the target; each is marked as used. */
static int read_term(const bnorm_json *json, ptrdiff_t variables, bnorm_term *t,
                     unsigned char *used)
{
    ptrdiff_t order = bnorm_json_elements(json);
    int64_t last = 0;
    *t = (bnorm_term){.order = (int)order};
    if (order < 1 || order > BNORM_TERM_ORDER) return 0;
    const bnorm_json *value = bnorm_json_first(json);
    for (int i = 0; value; i++, value = bnorm_json_next(value)) {
        int64_t v = bnorm_json_to_index(value);
        if (v <= last || v >= variables) return 0;
        t->variable[i] = (int32_t)v;
        used[v] = 1;
        last = v;
    }
    return 1;
}

static bnorm_status read_terms_with(bnorm_ctx *ctx, const bnorm_json *json, bnorm_frame *f,
                                    unsigned char *used)
{
    ptrdiff_t variables = f->f.texts.count;
    const bnorm_json *term = bnorm_json_first(json);
    for (; term; term = bnorm_json_next(term)) {
        bnorm_term t;
        if (!read_term(term, variables, &t, used)) return wrong(ctx, "a term is illegal");
        bnorm_status status = bnorm_terms_add(ctx, &f->f.terms, &t);
        if (status != BNORM_OK) return status;
    }
    for (ptrdiff_t v = 1; v < variables && f->f.terms.count; v++)
        if (!used[v]) return wrong(ctx, "a variable is in no term");
    ptrdiff_t count = f->f.terms.count;
    bnorm_status status = bnorm_terms_distinct(ctx, &f->f.terms);
    if (status == BNORM_OK && f->f.terms.count != count)
        return wrong(ctx, "a term comes twice");
    return status;
}

/* Each term makes a column at least, which bounds their number by the inputs. Frames of structured
 * models may be without terms: that of the target alone, and that of the fixed effects. */
static bnorm_status read_terms(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t most,
                               bnorm_frame *f)
{
    ptrdiff_t count = bnorm_json_elements(json);
    if ((!count && most) || count > most || count > BNORM_TERM_COUNT)
        return wrong(ctx, "the number of terms is illegal");
    unsigned char *used = bnorm_alloc_zero(ctx, f->f.texts.count, 1);
    bnorm_status status =
        used ? read_terms_with(ctx, json, f, used) : bnorm_fail_memory(ctx, "a frame");
    bnorm_free(used);
    return status;
}

/* Marks the dropped columns of the design. */
static bnorm_status drop(bnorm_ctx *ctx, const bnorm_json *json, bnorm_frame *f)
{
    unsigned char *marks = bnorm_alloc_zero(ctx, f->input_count, 1);
    bnorm_status status = marks ? BNORM_OK : bnorm_fail_memory(ctx, "a frame");
    const bnorm_json *value = bnorm_json_first(json);
    for (; value && status == BNORM_OK; value = bnorm_json_next(value)) {
        int64_t n = bnorm_json_to_index(value);
        if (n < 0 || n >= f->input_count || marks[n])
            status = wrong(ctx, "a dropped column is illegal");
        else
            marks[n] = 1;
    }
    if (status == BNORM_OK) status = bnorm_design_drop(ctx, f, marks);
    bnorm_free(marks);
    return status;
}

static bnorm_status read_design(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t inputs,
                                bnorm_frame *f)
{
    const bnorm_json *variables, *terms, *dropped;
    bnorm_status status = bnorm_json_array(ctx, json, "the frame", "variables", &variables);
    if (status == BNORM_OK) status = bnorm_json_array(ctx, json, "the frame", "terms", &terms);
    if (status == BNORM_OK)
        status = bnorm_json_array(ctx, json, "the frame", "dropped", &dropped);
    if (status == BNORM_OK) status = read_variables(ctx, variables, inputs ? 2 : 1, f);
    if (status != BNORM_OK) return status;
    ptrdiff_t columns = inputs + bnorm_json_elements(dropped);
    status = read_terms(ctx, terms, columns, f);
    if (status == BNORM_OK) status = bnorm_design_plan(ctx, f, columns);
    if (status == BNORM_E_DATA) return wrong(ctx, bnorm_ctx_message(ctx));
    if (status == BNORM_OK) status = drop(ctx, dropped, f);
    if (status == BNORM_OK && f->input_count != inputs)
        return bnorm_fail(ctx, BNORM_E_FORMAT,
                          "the frame makes %td inputs, but the network takes %td",
                          f->input_count, inputs);
    return status;
}

static bnorm_status read_scaling(bnorm_ctx *ctx, const bnorm_json *json, bnorm_frame *f)
{
    int inputs;
    bnorm_status status = bnorm_json_flag(ctx, json, "the frame", "inputs_scaled", &inputs);
    if (status == BNORM_OK)
        status = bnorm_json_flag(ctx, json, "the frame", "target_scaled", &f->target_scaled);
    if (status == BNORM_OK && f->target_scaled && f->learned[0].factor)
        return wrong(ctx, "classes have no scaling");
    if (status != BNORM_OK || !inputs) return status;
    f->center = bnorm_alloc_zero(ctx, f->input_count, sizeof *f->center);
    f->scale = bnorm_alloc_zero(ctx, f->input_count, sizeof *f->scale);
    return f->center && f->scale ? BNORM_OK : bnorm_fail_memory(ctx, "a frame");
}

static bnorm_status read_frame(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t inputs,
                               bnorm_frame *f)
{
    const char *formula;
    f->target_scale = 1;
    bnorm_status status = bnorm_json_text(ctx, json, "the frame", "formula", &formula);
    if (status != BNORM_OK) return status;
    f->formula = bnorm_strdup(ctx, formula);
    if (!f->formula) return bnorm_fail_memory(ctx, "a frame");
    status = read_design(ctx, json, inputs, f);
    return status == BNORM_OK ? read_scaling(ctx, json, f) : status;
}

bnorm_status bnorm_frame_from_json(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t inputs,
                                   bnorm_frame **frame)
{
    *frame = NULL;
    bnorm_frame *made = bnorm_alloc_zero(ctx, 1, sizeof *made);
    if (!made) return bnorm_fail_memory(ctx, "a frame");
    bnorm_status status = read_frame(ctx, json, inputs, made);
    if (status == BNORM_OK)
        *frame = made;
    else
        bnorm_frame_destroy(made);
    return status;
}
