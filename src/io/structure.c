/* structure: the reader of structured formulas. A first pass over the tokens finds where each
 * nn() and the bar begin; then the bar, the nn() and the linear terms are read, in this order,
 * since '.' leaves out what was read before.
 *
 *   effects = effect { + effect }
 *   effect  = column { ^ column } [ '[' slopes ']' | '[[' slopes ']]' ]
 *   slopes  = sum { , sum } */
#include "io/structure.h"

#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/formula_parser.h"

/* Where the parts of the text begin. */
typedef struct outline {
    const char *networks[BNORM_NETWORKS];
    ptrdiff_t count;
    const char *bar; /* or NULL */
} outline;

/* ------------------------------------------------------------------------------- outline */

/* nn() is added, and nothing else is done with it. */
static bnorm_status check_around(const bnorm_parser *p, const bnorm_token *before,
                                 const char *at)
{
    const bnorm_token *after = &p->now;
    if (bnorm_token_is(before, '-'))
        return bnorm_parser_fail(p, at, "nn() cannot be removed: leave it out");
    int first = bnorm_token_is(before, '~') || bnorm_token_is(before, '+');
    int last = after->kind == BNORM_TOKEN_END || bnorm_token_is(after, '+') ||
               bnorm_token_is(after, '-') || bnorm_token_is(after, '|');
    if (first && last) return BNORM_OK;
    return bnorm_parser_fail(p, first ? after->start : at,
                             "nn() is a term by itself, in no other term and no arithmetic,");
}

static bnorm_status note_network(bnorm_parser *p, outline *o)
{
    bnorm_token before = p->before;
    const char *at = p->now.start;
    if (o->count == BNORM_NETWORKS) return bnorm_parser_fail(p, at, "more nn() than 64");
    o->networks[o->count++] = at;
    bnorm_status status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = bnorm_parser_skip(p);
    return status == BNORM_OK ? check_around(p, &before, at) : status;
}

/* What is inside parentheses is left to the readers of the parts. */
static bnorm_status find_parts(bnorm_parser *p, outline *o)
{
    bnorm_status status = BNORM_OK;
    while (status == BNORM_OK && p->now.kind != BNORM_TOKEN_END &&
           !bnorm_token_is(&p->now, '~'))
        status = bnorm_parser_next(p);
    while (status == BNORM_OK && p->now.kind != BNORM_TOKEN_END && !o->bar) {
        if (bnorm_parser_calls(p, "nn")) {
            status = note_network(p, o);
        } else if (bnorm_token_is(&p->now, '(')) {
            status = bnorm_parser_skip(p);
        } else {
            if (bnorm_token_is(&p->now, '|')) o->bar = p->now.start;
            status = bnorm_parser_next(p);
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------- effects */

static int same_effect(const bnorm_effect *a, const bnorm_effect *b)
{
    return a->columns == b->columns && a->slope == b->slope &&
           !memcmp(a->variable, b->variable, (size_t)a->columns * sizeof *a->variable);
}

static bnorm_status add_effect(bnorm_parser *p, bnorm_structure *s, const bnorm_effect *effect)
{
    for (ptrdiff_t k = 0; k < s->effect_count; k++)
        if (same_effect(s->effects + k, effect)) return BNORM_OK;
    if (s->effect_count == BNORM_EFFECTS)
        return bnorm_parser_fail(p, p->now.start, "more fixed effects than 64");
    s->effects[s->effect_count++] = *effect;
    return BNORM_OK;
}

/* "a^b" and "b^a" are the same levels: ascending numbers, each once. */
static bnorm_status add_column(bnorm_parser *p, bnorm_effect *effect)
{
    int32_t v;
    int i = 0;
    const char *at = p->now.start;
    bnorm_status status = bnorm_parser_factor(p, &v);
    if (status != BNORM_OK) return status;
    while (i < effect->columns && effect->variable[i] < v) i++;
    if (i < effect->columns && effect->variable[i] == v) return BNORM_OK;
    if (effect->columns == BNORM_EFFECT_COLUMNS)
        return bnorm_parser_fail(p, at, "levels combined of more than 4 columns");
    for (int k = effect->columns++; k > i; k--) effect->variable[k] = effect->variable[k - 1];
    effect->variable[i] = v;
    return BNORM_OK;
}

/* "[x, z]": constants and slopes; "[[x]]": slopes alone. */
static bnorm_status read_slopes(bnorm_parser *p, bnorm_structure *s, bnorm_effect *effect)
{
    bnorm_status status = bnorm_parser_take(p, '[');
    int alone = bnorm_token_is(&p->now, '[');
    if (status == BNORM_OK && alone) status = bnorm_parser_next(p);
    if (status == BNORM_OK && !alone) status = add_effect(p, s, effect);
    while (status == BNORM_OK) {
        if (bnorm_parser_calls(p, "factor"))
            return bnorm_parser_fail(p, p->now.start, "a slope is a number, not a factor,");
        status = bnorm_parser_variable(p, 1, &effect->slope);
        if (status == BNORM_OK) status = add_effect(p, s, effect);
        if (status != BNORM_OK || !bnorm_token_is(&p->now, ',')) break;
        status = bnorm_parser_next(p);
    }
    if (status == BNORM_OK) status = bnorm_parser_take(p, ']');
    if (status == BNORM_OK && alone) status = bnorm_parser_take(p, ']');
    return status;
}

static bnorm_status read_effect(bnorm_parser *p, bnorm_structure *s)
{
    bnorm_effect effect = {.slope = -1};
    bnorm_status status = add_column(p, &effect);
    while (status == BNORM_OK && bnorm_token_is(&p->now, '^')) {
        status = bnorm_parser_next(p);
        if (status == BNORM_OK) status = add_column(p, &effect);
    }
    if (status == BNORM_OK && bnorm_token_is(&p->now, '[')) return read_slopes(p, s, &effect);
    return status == BNORM_OK ? add_effect(p, s, &effect) : status;
}

static bnorm_status read_effects(bnorm_parser *p, bnorm_structure *s)
{
    bnorm_status status;
    do {
        status = bnorm_parser_next(p); /* '|' or '+' */
        if (status == BNORM_OK) status = read_effect(p, s);
    } while (status == BNORM_OK && bnorm_token_is(&p->now, '+'));
    if (status != BNORM_OK || p->now.kind == BNORM_TOKEN_END) return status;
    if (bnorm_token_is(&p->now, '|')) return bnorm_parser_fail(p, p->now.start, "a second '|'");
    if (bnorm_token_is(&p->now, ':') || bnorm_token_is(&p->now, '*'))
        return bnorm_parser_fail(p, p->now.start,
                                 "levels are combined by '^' (id^year), slopes are written "
                                 "id[x],");
    return bnorm_parser_expected(p, "'+' or the end");
}

/* ----------------------------------------------------------------------------- the whole */

static bnorm_status add_names(bnorm_ctx *ctx, const bnorm_names *from, bnorm_names *to)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < from->count && status == BNORM_OK; k++) {
        const char *name = bnorm_names_text(from, k);
        ptrdiff_t number;
        status = bnorm_names_add(ctx, to, name, strlen(name), &number);
    }
    return status;
}

/* The target is among the variables, so that it is number 0 as in other formulas. */
static bnorm_status read_bar(bnorm_parser *p, const outline *o, bnorm_structure *s)
{
    int32_t number;
    if (bnorm_token_is(&p->now, '~') || p->now.kind == BNORM_TOKEN_END)
        return bnorm_parser_expected(p, "a target");
    bnorm_status status = bnorm_parser_variable(p, 1, &number);
    if (status == BNORM_OK) status = bnorm_parser_take(p, '~');
    if (status != BNORM_OK || !o->bar) return status;
    p->next = o->bar;
    p->now.length = 0;
    status = bnorm_parser_next(p);
    return status == BNORM_OK ? read_effects(p, s) : status;
}

static bnorm_status fail_target_effect(const bnorm_parser *p, const outline *o)
{
    return bnorm_parser_fail(p, o->bar, "the target is among the fixed effects");
}

/* Whether an effect, as a level or as a slope, is made of a column of the target. */
static int uses_target(const bnorm_structure *s)
{
    const bnorm_expression *all = s->variables.variables;
    for (ptrdiff_t v = 1; v < s->variables.texts.count; v++)
        for (ptrdiff_t i = 0; i < all[v].count; i++)
            for (ptrdiff_t t = 0; t < all->count; t++)
                if (all[v].steps[i].op == BNORM_OP_COLUMN &&
                    all->steps[t].op == BNORM_OP_COLUMN &&
                    all[v].steps[i].column == all->steps[t].column)
                    return 1;
    for (ptrdiff_t k = 0; k < s->effect_count; k++)
        if (s->effects[k].slope == 0) return 1;
    return 0;
}

static bnorm_status read_outline(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                 outline *o, bnorm_structure *s)
{
    bnorm_parser p = {
        .ctx = ctx, .text = text, .table = table, .formula = &s->variables, .structured = 1};
    bnorm_status status = bnorm_parser_start(&p);
    if (status == BNORM_OK) status = find_parts(&p, o);
    bnorm_parser_stop(&p);
    if (status != BNORM_OK) return status;
    p = (bnorm_parser){
        .ctx = ctx, .text = text, .table = table, .formula = &s->variables, .structured = 1};
    status = bnorm_parser_start(&p);
    if (status == BNORM_OK) status = read_bar(&p, o, s);
    if (status == BNORM_OK && uses_target(s)) status = fail_target_effect(&p, o);
    bnorm_parser_stop(&p);
    return status;
}

static bnorm_status read_networks(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                  const outline *o, const bnorm_formula_part *like,
                                  bnorm_structure *s)
{
    bnorm_status status = BNORM_OK;
    s->networks = bnorm_alloc_zero(ctx, o->count, sizeof *s->networks);
    if (!s->networks) return bnorm_fail_memory(ctx, "a formula");
    for (ptrdiff_t k = 0; k < o->count && status == BNORM_OK; k++) {
        bnorm_formula_part part = *like;
        part.network = o->networks[k];
        status = bnorm_formula_read_part(ctx, text, table, &part, s->networks + k);
        if (status == BNORM_OK) s->network_count++;
    }
    return status;
}

/* used: what '.' leaves out, growing. */
static bnorm_status read_all(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                             bnorm_names *used, bnorm_structure *s)
{
    outline o = {.bar = NULL};
    bnorm_formula_part part = {.left_out = used};
    bnorm_status status = read_outline(ctx, text, table, &o, s);
    part.intercept = !s->effect_count;
    if (status == BNORM_OK) status = add_names(ctx, &s->variables.columns, used);
    if (status == BNORM_OK) status = read_networks(ctx, text, table, &o, &part, s);
    for (ptrdiff_t k = 0; k < s->network_count && status == BNORM_OK; k++)
        status = add_names(ctx, &s->networks[k].columns, used);
    if (status == BNORM_OK)
        status = bnorm_formula_read_part(ctx, text, table, &part, &s->linear);
    if (status == BNORM_OK && !s->linear.terms.count && !s->network_count)
        return bnorm_fail(ctx, BNORM_E_FORMULA,
                          "formula: nothing is to be estimated: give a linear term or an nn()");
    return status;
}

bnorm_status bnorm_structure_read(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                  const char *const *left_out, int count,
                                  bnorm_structure *structure)
{
    bnorm_names used = {0};
    bnorm_status status = BNORM_OK;
    *structure = (bnorm_structure){.effect_count = 0};
    for (int k = 0; k < count && status == BNORM_OK; k++) {
        ptrdiff_t number;
        if (left_out[k])
            status = bnorm_names_add(ctx, &used, left_out[k], strlen(left_out[k]), &number);
    }
    if (status == BNORM_OK) status = read_all(ctx, text, table, &used, structure);
    bnorm_names_clear(&used);
    if (status != BNORM_OK) bnorm_structure_clear(structure);
    return status;
}

size_t bnorm_effect_label(const bnorm_formula *variables, const bnorm_effect *effect, char *out,
                          size_t size)
{
    size_t used = 0;
    for (int i = 0; i < effect->columns; i++) {
        ptrdiff_t column = variables->variables[effect->variable[i]].steps[0].column;
        size_t room = used < size ? size - used : 0;
        used += (size_t)snprintf(room ? out + used : NULL, room, "%s%s", i ? "^" : "",
                                 bnorm_names_text(&variables->columns, column));
    }
    if (effect->slope >= 0) {
        size_t room = used < size ? size - used : 0;
        used += (size_t)snprintf(room ? out + used : NULL, room, "[[%s]]",
                                 bnorm_names_text(&variables->texts, effect->slope));
    }
    return used;
}

void bnorm_structure_drop_networks(bnorm_structure *structure)
{
    for (ptrdiff_t k = 0; k < structure->network_count; k++)
        bnorm_formula_clear(structure->networks + k);
    bnorm_free(structure->networks);
    structure->networks = NULL;
    structure->network_count = 0;
}

void bnorm_structure_clear(bnorm_structure *structure)
{
    bnorm_structure_drop_networks(structure);
    bnorm_formula_clear(&structure->linear);
    bnorm_formula_clear(&structure->variables);
    *structure = (bnorm_structure){.effect_count = 0};
}
