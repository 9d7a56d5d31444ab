/* formula: recursive descent through the terms of a formula,
 *
 *   formula = expression ~ sum               product = crossed { * crossed }
 *   sum = [-] part { (+|-) part }            crossed = atom { : atom }
 *   part = 0 | 1 | product                   atom = variable | . | ( sum )
 *
 * The readers append to a list that their caller clears, so nothing leaks on failure. */
#include "io/formula.h"

#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/formula_parser.h"

static bnorm_status read_sum(bnorm_parser *p, bnorm_terms *list);

static bnorm_status add_variable(bnorm_parser *p, bnorm_terms *list, int32_t variable)
{
    bnorm_term term = {.order = 1, .variable = {variable}};
    return bnorm_terms_add(p->ctx, list, &term);
}

/* Whether the target uses that column. */
static int in_target(const bnorm_formula *f, const char *name)
{
    ptrdiff_t column = bnorm_names_find(&f->columns, name, strlen(name));
    const bnorm_expression *target = f->variables;
    for (ptrdiff_t i = 0; i < target->count; i++)
        if (target->steps[i].op == BNORM_OP_COLUMN && target->steps[i].column == column)
            return 1;
    return 0;
}

/* Whether '.' leaves that column out. */
static int left_out(const bnorm_parser *p, const char *name)
{
    const bnorm_names *others = p->part ? p->part->left_out : NULL;
    return in_target(p->formula, name) || (p->dot_without && !strcmp(name, p->dot_without)) ||
           (others && bnorm_names_find(others, name, strlen(name)) >= 0);
}

static bnorm_status read_dot(bnorm_parser *p, bnorm_terms *list)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < bnorm_table_cols(p->table) && status == BNORM_OK; k++) {
        const char *name = bnorm_table_name(p->table, k);
        int32_t variable;
        if (left_out(p, name)) continue;
        status = bnorm_parser_column(p, name, &variable);
        if (status == BNORM_OK) status = add_variable(p, list, variable);
    }
    return status == BNORM_OK ? bnorm_parser_next(p) : status;
}

static bnorm_status read_group(bnorm_parser *p, bnorm_terms *list)
{
    bnorm_status status = bnorm_parser_enter(p);
    if (status == BNORM_OK) status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = read_sum(p, list);
    if (status == BNORM_OK) status = bnorm_parser_take(p, ')');
    bnorm_parser_leave(p);
    return status;
}

static bnorm_status read_variable(bnorm_parser *p, bnorm_terms *list)
{
    const char *at = p->now.start;
    int32_t variable;
    bnorm_status status = bnorm_parser_variable(p, 0, &variable);
    if (status != BNORM_OK) return status;
    if (variable == 0) p->target_place = at;
    return add_variable(p, list, variable);
}

static bnorm_status read_atom(bnorm_parser *p, bnorm_terms *list)
{
    switch (p->now.kind) {
    case BNORM_TOKEN_NUMBER:
        return bnorm_parser_fail(p, p->now.start,
                                 "a number is no term (arithmetic: I(2 * x)),");
    case BNORM_TOKEN_DOT:
        return read_dot(p, list);
    case BNORM_TOKEN_SIGN:
        if (bnorm_token_is(&p->now, '(')) return read_group(p, list);
        return bnorm_parser_expected(p, "a term");
    case BNORM_TOKEN_END:
        return bnorm_parser_expected(p, "a term");
    default:
        return read_variable(p, list);
    }
}

/* list := list op (what read gives), with a list of its own for the right side. */
static bnorm_status read_right(bnorm_parser *p, bnorm_terms *list, char sign,
                               bnorm_status (*read)(bnorm_parser *, bnorm_terms *))
{
    bnorm_terms right = {0}, product = {0};
    bnorm_status status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = read(p, &right);
    if (status == BNORM_OK && sign == ':') {
        status = bnorm_terms_multiply(p->ctx, list, &right);
    } else if (status == BNORM_OK) { /* a*b = a + b + a:b */
        status = bnorm_terms_join(p->ctx, &product, list);
        if (status == BNORM_OK) status = bnorm_terms_multiply(p->ctx, &product, &right);
        if (status == BNORM_OK) status = bnorm_terms_join(p->ctx, list, &right);
        if (status == BNORM_OK) status = bnorm_terms_join(p->ctx, list, &product);
        if (status == BNORM_OK) status = bnorm_terms_distinct(p->ctx, list);
    }
    bnorm_terms_clear(&right);
    bnorm_terms_clear(&product);
    return status;
}

static bnorm_status read_crossed(bnorm_parser *p, bnorm_terms *list)
{
    bnorm_status status = read_atom(p, list);
    while (status == BNORM_OK && bnorm_token_is(&p->now, ':'))
        status = read_right(p, list, ':', read_atom);
    if (status == BNORM_OK && (bnorm_token_is(&p->now, '^') || bnorm_token_is(&p->now, '/')))
        return bnorm_parser_fail(p, p->now.start,
                                 "arithmetic on a term stands in I(): I(x^2),");
    return status;
}

static bnorm_status read_product(bnorm_parser *p, bnorm_terms *list)
{
    bnorm_status status = read_crossed(p, list);
    while (status == BNORM_OK && bnorm_token_is(&p->now, '*'))
        status = read_right(p, list, '*', read_crossed);
    return status;
}

/* 0 and 1 speak of R's intercept: they are read and mean nothing here. */
static int intercept(const bnorm_parser *p)
{
    char after = p->next[strspn(p->next, " \t\r\n")];
    return p->now.kind == BNORM_TOKEN_NUMBER && (p->now.number == 0 || p->now.number == 1) &&
           !(after && strchr("*:^/", after));
}

/* Where the intercept is a parameter, leaving it out would be another model. */
static bnorm_status read_intercept(bnorm_parser *p, int minus)
{
    if (p->part && p->part->intercept && minus == (p->now.number == 1))
        return bnorm_parser_fail(p, p->now.start,
                                 "a structured model has an intercept, or fixed effects after "
                                 "'|': it is not to be left out");
    return bnorm_parser_next(p);
}

/* One part of a sum, added to the list or removed from it. The linear terms pass over nn(), which
 * structure.c has found to be where it may be. */
static bnorm_status read_part(bnorm_parser *p, bnorm_terms *list, int minus)
{
    bnorm_terms part = {0};
    int network = p->part && !p->part->network && !p->depth && bnorm_parser_calls(p, "nn");
    bnorm_status status = network        ? bnorm_parser_next(p)
                          : intercept(p) ? read_intercept(p, minus)
                                         : read_product(p, &part);
    if (status == BNORM_OK && network) status = bnorm_parser_skip(p);
    if (status == BNORM_OK && minus) bnorm_terms_remove(list, &part);
    if (status == BNORM_OK && !minus) status = bnorm_terms_join(p->ctx, list, &part);
    bnorm_terms_clear(&part);
    return status;
}

static bnorm_status read_sum(bnorm_parser *p, bnorm_terms *list)
{
    int minus = bnorm_token_is(&p->now, '-');
    bnorm_status status = minus ? bnorm_parser_next(p) : BNORM_OK;
    if (status == BNORM_OK) status = read_part(p, list, minus);
    while (status == BNORM_OK) {
        minus = bnorm_token_is(&p->now, '-');
        if (!minus && !bnorm_token_is(&p->now, '+')) break;
        status = bnorm_parser_next(p);
        if (status == BNORM_OK) status = read_part(p, list, minus);
    }
    return status;
}

/* Marks the target and the variables of the terms. */
static void mark_used(const bnorm_formula *f, int32_t *used)
{
    used[0] = 1;
    for (ptrdiff_t k = 0; k < f->terms.count; k++)
        for (int i = 0; i < f->terms.items[k].order; i++)
            used[f->terms.items[k].variable[i]] = 1;
}

/* Moves variable k, its text and its columns into the formula `to`. */
static bnorm_status move_variable(bnorm_ctx *ctx, bnorm_formula *from, ptrdiff_t k,
                                  bnorm_formula *to)
{
    bnorm_expression *e = from->variables + k;
    ptrdiff_t number;
    for (ptrdiff_t i = 0; i < e->count; i++) {
        if (e->steps[i].op != BNORM_OP_COLUMN) continue;
        const char *name = bnorm_names_text(&from->columns, e->steps[i].column);
        bnorm_status status = bnorm_names_add(ctx, &to->columns, name, strlen(name), &number);
        if (status != BNORM_OK) return status;
        e->steps[i].column = number;
    }
    const char *text = bnorm_names_text(&from->texts, k);
    bnorm_status status = bnorm_names_add(ctx, &to->texts, text, strlen(text), &number);
    if (status != BNORM_OK) return status;
    to->variables[number] = *e;
    *e = (bnorm_expression){0};
    return BNORM_OK;
}

/* Leaves out the variables that no term has: those of removed terms must not count when rows
 * are complete or not. map: at first 1 for those that stay, then their new numbers. */
static bnorm_status compact_with(bnorm_ctx *ctx, bnorm_formula *f, int32_t *map,
                                 bnorm_formula *kept)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < f->texts.count && status == BNORM_OK; k++) {
        if (!map[k]) continue;
        map[k] = (int32_t)kept->texts.count;
        status = move_variable(ctx, f, k, kept);
    }
    for (ptrdiff_t k = 0; k < f->terms.count && status == BNORM_OK; k++)
        for (int i = 0; i < f->terms.items[k].order; i++)
            f->terms.items[k].variable[i] = map[f->terms.items[k].variable[i]];
    return status;
}

static bnorm_status compact(bnorm_ctx *ctx, bnorm_formula *f)
{
    bnorm_formula kept = {.capacity = f->texts.count};
    int32_t *map = bnorm_alloc_zero(ctx, f->texts.count, sizeof *map);
    kept.variables = bnorm_alloc_zero(ctx, f->texts.count, sizeof *kept.variables);
    bnorm_status status = BNORM_OK;
    if (!map || !kept.variables) {
        status = bnorm_fail_memory(ctx, "a formula");
    } else {
        mark_used(f, map);
        status = compact_with(ctx, f, map, &kept);
    }
    if (status == BNORM_OK) {
        kept.terms = f->terms;
        f->terms = (bnorm_terms){0};
        bnorm_formula_clear(f);
        *f = kept;
    } else {
        bnorm_formula_clear(&kept);
    }
    bnorm_free(map);
    return status;
}

/* The target may be named to be removed; it may not stay. */
static bnorm_status check_target(const bnorm_parser *p)
{
    const bnorm_terms *terms = &p->formula->terms;
    for (ptrdiff_t k = 0; k < terms->count; k++)
        if (terms->items[k].variable[0] == 0)
            return bnorm_parser_fail(p, p->target_place, "the target is among the terms");
    return BNORM_OK;
}

static bnorm_status read_target(bnorm_parser *p)
{
    int32_t number;
    if (bnorm_token_is(&p->now, '~') || p->now.kind == BNORM_TOKEN_END)
        return bnorm_parser_expected(p, "a target");
    bnorm_status status = bnorm_parser_variable(p, 1, &number);
    return status == BNORM_OK ? bnorm_parser_take(p, '~') : status;
}

/* "nn(sum, sum, ...)": the parser goes there first. */
static bnorm_status read_network(bnorm_parser *p)
{
    p->next = p->part->network;
    p->now.length = 0;
    bnorm_status status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = bnorm_parser_next(p);
    do {
        if (status == BNORM_OK) status = bnorm_parser_next(p); /* '(' or ',' */
        if (status == BNORM_OK) status = read_sum(p, &p->formula->terms);
    } while (status == BNORM_OK && bnorm_token_is(&p->now, ','));
    if (status == BNORM_OK && !p->formula->terms.count)
        return bnorm_parser_fail(p, p->now.start, "no inputs are left");
    return status == BNORM_OK ? bnorm_parser_take(p, ')') : status;
}

/* The right side up to its end, or a part of it. */
static bnorm_status read_right_side(bnorm_parser *p)
{
    if (p->part && p->part->network) return read_network(p);
    bnorm_status status = read_sum(p, &p->formula->terms);
    if (status != BNORM_OK) return status;
    if (p->now.kind != BNORM_TOKEN_END && !(p->part && bnorm_token_is(&p->now, '|')))
        return bnorm_parser_expected(p, "an operator");
    if (!p->formula->terms.count && !p->part)
        return bnorm_parser_fail(p, p->now.start, "no terms are left");
    return BNORM_OK;
}

static bnorm_status read_formula(bnorm_parser *p)
{
    bnorm_formula *f = p->formula;
    bnorm_status status = bnorm_parser_start(p);
    if (status == BNORM_OK) status = read_target(p);
    if (status == BNORM_OK) status = read_right_side(p);
    if (status == BNORM_OK) status = check_target(p);
    if (status == BNORM_OK) status = bnorm_terms_distinct(p->ctx, &f->terms);
    if (status == BNORM_OK) status = bnorm_terms_sort(p->ctx, &f->terms);
    return status == BNORM_OK ? compact(p->ctx, f) : status;
}

static bnorm_status read_with(bnorm_parser *p)
{
    *p->formula = (bnorm_formula){0};
    bnorm_status status = read_formula(p);
    bnorm_parser_stop(p);
    if (status != BNORM_OK) bnorm_formula_clear(p->formula);
    return status;
}

bnorm_status bnorm_formula_read(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                const char *dot_without, bnorm_formula *formula)
{
    bnorm_parser p = {.ctx = ctx, .text = text, .table = table, .formula = formula};
    p.dot_without = dot_without;
    return read_with(&p);
}

bnorm_status bnorm_formula_read_part(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                     const bnorm_formula_part *part, bnorm_formula *formula)
{
    bnorm_parser p = {.ctx = ctx, .text = text, .table = table, .formula = formula};
    p.structured = 1;
    p.part = part;
    return read_with(&p);
}

bnorm_status bnorm_formula_variable(bnorm_ctx *ctx, bnorm_formula *formula, const char *text)
{
    bnorm_parser p = {.ctx = ctx, .text = text, .formula = formula};
    ptrdiff_t before = formula->texts.count;
    int32_t number = 0;
    bnorm_status status = bnorm_parser_start(&p);
    if (status == BNORM_OK) status = bnorm_parser_variable(&p, 1, &number);
    if (status == BNORM_OK && (p.now.kind != BNORM_TOKEN_END || number < before))
        status = bnorm_parser_fail(&p, p.now.start, "not one new variable");
    bnorm_parser_stop(&p);
    return status;
}

size_t bnorm_formula_label(const bnorm_formula *formula, const bnorm_term *term, char *out,
                           size_t size)
{
    size_t used = 0;
    for (int i = 0; i < term->order; i++) {
        size_t room = used < size ? size - used : 0;
        used += (size_t)snprintf(room ? out + used : NULL, room, "%s%s", i ? ":" : "",
                                 bnorm_names_text(&formula->texts, term->variable[i]));
    }
    return used;
}

void bnorm_formula_clear(bnorm_formula *formula)
{
    for (ptrdiff_t k = 0; k < formula->texts.count; k++)
        bnorm_expression_clear(formula->variables + k);
    bnorm_free(formula->variables);
    bnorm_names_clear(&formula->columns);
    bnorm_names_clear(&formula->texts);
    bnorm_terms_clear(&formula->terms);
    *formula = (bnorm_formula){0};
}
