/* formula_variable: recursive descent through the expressions of a formula,
 *
 *   sum     = product { (+|-) product }      power = primary [ ^ signed ]
 *   product = signed { (*|/) signed }        primary = number | column | ( sum )
 *   signed  = - signed | power                       | function ( sum ) | I ( sum )
 *
 * Each reader pushes the steps of what it reads and writes its text in R's way. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/formula_parser.h"
#include "io/number.h"

static bnorm_status read_sum(bnorm_parser *p);
static bnorm_status read_signed(bnorm_parser *p);

static void write_text(bnorm_parser *p, const char *text)
{
    size_t n = strlen(text);
    memcpy(p->written + p->length, text, n + 1);
    p->length += n;
}

static bnorm_status push(bnorm_parser *p, bnorm_op op, double number, ptrdiff_t column)
{
    bnorm_step step = {.op = op, .number = number, .column = column};
    return bnorm_expression_push(p->ctx, &p->expression, step);
}

/* The name that the token holds, in p->name, without quotes. */
static void take_name(bnorm_parser *p)
{
    const bnorm_token *t = &p->now;
    size_t n = 0, quote = t->kind == BNORM_TOKEN_QUOTED;
    for (size_t i = quote; i < t->length - quote; i++) {
        if (quote && t->start[i] == '\\') i++;
        p->name[n++] = t->start[i];
    }
    p->name[n] = '\0';
}

static bnorm_status push_column(bnorm_parser *p, const char *name)
{
    ptrdiff_t column;
    bnorm_status status =
        bnorm_names_add(p->ctx, &p->formula->columns, name, strlen(name), &column);
    return status == BNORM_OK ? push(p, BNORM_OP_COLUMN, 0, column) : status;
}

static bnorm_status read_column(bnorm_parser *p)
{
    if (p->now.kind != BNORM_TOKEN_NAME && p->now.kind != BNORM_TOKEN_QUOTED)
        return bnorm_parser_expected(p, "a column");
    take_name(p);
    p->length += bnorm_write_name(p->name, p->written + p->length);
    bnorm_status status = push_column(p, p->name);
    return status == BNORM_OK ? bnorm_parser_next(p) : status;
}

static bnorm_status read_number(bnorm_parser *p)
{
    char text[BNORM_NUMBER_SIZE];
    if (!(p->now.number < 1e300 && p->now.number >= 0))
        return bnorm_parser_fail(p, p->now.start, "a number that is too large");
    bnorm_number_format(p->now.number, text);
    write_text(p, text);
    bnorm_status status = push(p, BNORM_OP_NUMBER, p->now.number, 0);
    return status == BNORM_OK ? bnorm_parser_next(p) : status;
}

/* "( sum )", the text before it being written already. */
static bnorm_status read_group(bnorm_parser *p)
{
    bnorm_status status = bnorm_parser_enter(p);
    if (status == BNORM_OK) status = bnorm_parser_take(p, '(');
    if (status != BNORM_OK) return status;
    write_text(p, "(");
    status = read_sum(p);
    if (status == BNORM_OK) status = bnorm_parser_take(p, ')');
    write_text(p, ")");
    bnorm_parser_leave(p);
    return status;
}

static int called(const bnorm_parser *p)
{
    const char *s = p->next;
    while (bnorm_is_blank(*s)) s++;
    return p->now.kind == BNORM_TOKEN_NAME && *s == '(';
}

static int named(const bnorm_token *t, const char *name)
{
    return t->length == strlen(name) && !memcmp(t->start, name, t->length);
}

int bnorm_parser_calls(const bnorm_parser *p, const char *name)
{
    return called(p) && named(&p->now, name);
}

static bnorm_status fail_network(const bnorm_parser *p)
{
    return bnorm_parser_fail(
        p, p->now.start,
        p->structured ? "nn() is a term by itself, in no other term and no arithmetic,"
                      : "nn() is a network of a structured model (bnorm_panel_create), which "
                        "this is not,");
}

static bnorm_status read_call(bnorm_parser *p)
{
    if (named(&p->now, "nn")) return fail_network(p);
    int op = bnorm_function_find(p->now.start, p->now.length);
    if (named(&p->now, "factor"))
        return bnorm_parser_fail(p, p->now.start, "factor() is a term, not a number,");
    if (op < 0 && !named(&p->now, "I"))
        return bnorm_parser_fail(
            p, p->now.start,
            "an unknown function (known: log log2 log10 log1p exp sqrt abs I factor)");
    take_name(p);
    write_text(p, p->name);
    bnorm_status status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = read_group(p);
    if (status == BNORM_OK && op >= 0) status = push(p, (bnorm_op)op, 0, 0);
    return status;
}

static bnorm_status read_primary(bnorm_parser *p)
{
    if (p->now.kind == BNORM_TOKEN_NUMBER) return read_number(p);
    if (bnorm_token_is(&p->now, '(')) return read_group(p);
    if (p->now.kind == BNORM_TOKEN_DOT)
        return bnorm_parser_fail(p, p->now.start, "'.' is a list of terms, not a column,");
    if (called(p)) return read_call(p);
    if (p->now.kind == BNORM_TOKEN_NAME || p->now.kind == BNORM_TOKEN_QUOTED)
        return read_column(p);
    return bnorm_parser_expected(p, "a column or a number");
}

/* Right-associative; the sign binds less: -x^2 is -(x^2). */
static bnorm_status read_power(bnorm_parser *p)
{
    bnorm_status status = read_primary(p);
    if (status != BNORM_OK || !bnorm_token_is(&p->now, '^')) return status;
    write_text(p, "^");
    status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = bnorm_parser_enter(p);
    if (status == BNORM_OK) status = read_signed(p);
    bnorm_parser_leave(p);
    return status == BNORM_OK ? push(p, BNORM_OP_POWER, 0, 0) : status;
}

static bnorm_status read_signed(bnorm_parser *p)
{
    if (!bnorm_token_is(&p->now, '-')) return read_power(p);
    write_text(p, "-");
    bnorm_status status = bnorm_parser_enter(p);
    if (status == BNORM_OK) status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = read_signed(p);
    bnorm_parser_leave(p);
    return status == BNORM_OK ? push(p, BNORM_OP_NEGATE, 0, 0) : status;
}

/* The binary operations of one precedence, from the left. signs: two of them. */
static bnorm_status read_chain(bnorm_parser *p, const char *signs, const char *const texts[2],
                               bnorm_op first, bnorm_status (*read)(bnorm_parser *))
{
    bnorm_status status = read(p);
    while (status == BNORM_OK) {
        int which = bnorm_token_is(&p->now, signs[0])   ? 0
                    : bnorm_token_is(&p->now, signs[1]) ? 1
                                                        : -1;
        if (which < 0) break;
        write_text(p, texts[which]);
        status = bnorm_parser_next(p);
        if (status == BNORM_OK) status = read(p);
        if (status == BNORM_OK) status = push(p, (bnorm_op)((int)first + which), 0, 0);
    }
    return status;
}

static bnorm_status read_product(bnorm_parser *p)
{
    static const char *const texts[] = {" * ", "/"};
    return read_chain(p, "*/", texts, BNORM_OP_MULTIPLY, read_signed);
}

static bnorm_status read_sum(bnorm_parser *p)
{
    static const char *const texts[] = {" + ", " - "};
    return read_chain(p, "+-", texts, BNORM_OP_ADD, read_product);
}

static bnorm_status read_factor(bnorm_parser *p)
{
    write_text(p, "factor(");
    bnorm_status status = bnorm_parser_next(p);
    if (status == BNORM_OK) status = bnorm_parser_take(p, '(');
    if (status == BNORM_OK) status = read_column(p);
    if (status == BNORM_OK) status = bnorm_parser_take(p, ')');
    write_text(p, ")");
    p->expression.factor = 1;
    return status;
}

/* Room for one more variable. */
static int grow(bnorm_ctx *ctx, bnorm_formula *f)
{
    if (f->texts.count < f->capacity) return 1;
    ptrdiff_t capacity = f->capacity ? 2 * f->capacity : 8;
    bnorm_expression *variables = bnorm_alloc(ctx, capacity, sizeof *variables);
    if (!variables) return 0;
    if (f->variables)
        memcpy(variables, f->variables, (size_t)f->texts.count * sizeof *variables);
    bnorm_free(f->variables);
    f->variables = variables;
    f->capacity = capacity;
    return 1;
}

/* Hands the expression that was read over to the formula. */
static bnorm_status intern(bnorm_parser *p, const char *text, size_t length, int32_t *number)
{
    bnorm_formula *f = p->formula;
    ptrdiff_t before = f->texts.count, k;
    if (!grow(p->ctx, f)) return bnorm_fail_memory(p->ctx, "the variables of a formula");
    bnorm_status status = bnorm_names_add(p->ctx, &f->texts, text, length, &k);
    if (status != BNORM_OK) return status;
    *number = (int32_t)k;
    if (k < before) {
        bnorm_expression_clear(&p->expression);
        return BNORM_OK;
    }
    f->variables[k] = p->expression;
    p->expression = (bnorm_expression){0};
    return BNORM_OK;
}

bnorm_status bnorm_parser_variable(bnorm_parser *p, int arithmetic, int32_t *number)
{
    const char *at = p->now.start;
    p->length = 0;
    bnorm_expression_clear(&p->expression);
    bnorm_status status = bnorm_parser_calls(p, "factor") ? read_factor(p)
                          : arithmetic                    ? read_sum(p)
                                                          : read_primary(p);
    if (status != BNORM_OK) return status;
    if (!p->expression.columns)
        return bnorm_parser_fail(p, at, "an expression without any column");
    return intern(p, p->written, p->length, number);
}

static bnorm_status read_bare_factor(bnorm_parser *p)
{
    write_text(p, "factor(");
    bnorm_status status = read_column(p);
    write_text(p, ")");
    p->expression.factor = 1;
    return status;
}

bnorm_status bnorm_parser_factor(bnorm_parser *p, int32_t *number)
{
    p->length = 0;
    bnorm_expression_clear(&p->expression);
    int spelled = bnorm_parser_calls(p, "factor");
    if (!spelled && called(p))
        return bnorm_parser_fail(p, p->now.start,
                                 "fixed effects are columns, not functions of them,");
    bnorm_status status = spelled ? read_factor(p) : read_bare_factor(p);
    return status == BNORM_OK ? intern(p, p->written, p->length, number) : status;
}

bnorm_status bnorm_parser_column(bnorm_parser *p, const char *name, int32_t *number)
{
    bnorm_expression_clear(&p->expression);
    char *text = bnorm_alloc(p->ctx, 2 * (ptrdiff_t)strlen(name) + 3, 1);
    if (!text) return bnorm_fail_memory(p->ctx, "a name");
    size_t length = bnorm_write_name(name, text);
    bnorm_status status = push_column(p, name);
    if (status == BNORM_OK) status = intern(p, text, length, number);
    bnorm_free(text);
    return status;
}
