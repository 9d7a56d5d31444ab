/* formula_token: formulas cut into tokens, and messages that point into them. A token lies
 * inside the text; nothing is read behind its final 0. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/formula_parser.h"
#include "io/number.h"

/* Letters, digits, '_', '.' and every byte of a character beyond ASCII. */
static int in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || (unsigned char)c >= 0x80;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int bnorm_token_is(const bnorm_token *token, char sign)
{
    return token->kind == BNORM_TOKEN_SIGN && *token->start == sign;
}

/* The number, from 1, of the character at `at`. */
static ptrdiff_t character(const char *text, const char *at)
{
    ptrdiff_t n = 1;
    for (; text < at; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

#define AROUND 30 /* bytes shown on either side */

bnorm_status bnorm_parser_fail(const bnorm_parser *p, const char *at, const char *what)
{
    const char *from = at - p->text > AROUND ? at - AROUND : p->text;
    while (from < at && ((unsigned char)*from & 0xC0) == 0x80) from++;
    char shown[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(from, shown);
    return bnorm_fail(p->ctx, BNORM_E_FORMULA, "formula: %s at character %td: %s%s", what,
                      character(p->text, at), from > p->text ? "..." : "", shown);
}

/* "'+'", "'name'", "its end": out has BNORM_EXCERPT_SIZE + 2 bytes. */
static void describe(const bnorm_token *token, char *out)
{
    char copy[BNORM_EXCERPT_SIZE + 1], shown[BNORM_EXCERPT_SIZE];
    if (token->kind == BNORM_TOKEN_END) {
        strcpy(out, "the end");
        return;
    }
    size_t n = token->length < BNORM_EXCERPT_SIZE ? token->length : BNORM_EXCERPT_SIZE;
    memcpy(copy, token->start, n);
    copy[n] = '\0';
    bnorm_excerpt(copy, shown);
    snprintf(out, BNORM_EXCERPT_SIZE + 2, "'%s'", shown);
}

bnorm_status bnorm_parser_expected(const bnorm_parser *p, const char *what)
{
    char after[BNORM_EXCERPT_SIZE + 2], found[BNORM_EXCERPT_SIZE + 2];
    char sentence[4 * BNORM_EXCERPT_SIZE];
    describe(&p->before, after);
    describe(&p->now, found);
    if (!p->before.length)
        snprintf(sentence, sizeof sentence, "expected %.40s, found %s", what, found);
    else
        snprintf(sentence, sizeof sentence, "expected %.40s after %s, found %s", what, after,
                 found);
    return bnorm_parser_fail(p, p->now.start, sentence);
}

static bnorm_status read_number(bnorm_parser *p, bnorm_token *t)
{
    t->kind = BNORM_TOKEN_NUMBER;
    t->length = bnorm_number_prefix(t->start, &t->number);
    if (in_name(t->start[t->length]))
        return bnorm_parser_fail(
            p, t->start, "a name that starts with a digit must stand in backquotes (`1a`)");
    return BNORM_OK;
}

static bnorm_status read_quoted(bnorm_parser *p, bnorm_token *t)
{
    t->kind = BNORM_TOKEN_QUOTED;
    const char *s = t->start + 1;
    for (; *s && *s != '`'; s++)
        if (*s == '\\' && s[1]) s++;
    if (!*s) return bnorm_parser_fail(p, t->start, "a backquote without its second");
    t->length = (size_t)(s + 1 - t->start);
    if (t->length == 2) return bnorm_parser_fail(p, t->start, "an empty name");
    return BNORM_OK;
}

static bnorm_status read_sign(bnorm_parser *p, bnorm_token *t)
{
    t->kind = BNORM_TOKEN_SIGN;
    t->length = 1;
    if (t->start[0] == '*' && t->start[1] == '*')
        return bnorm_parser_fail(p, t->start, "'**' is written '^'");
    if (*t->start && strchr("+-*/^:()~", *t->start)) return BNORM_OK;
    if (*t->start && strchr(",|[]", *t->start) && p->structured) return BNORM_OK;
    if (*t->start == '|')
        return bnorm_parser_fail(
            p, t->start,
            "'|' begins the fixed effects of a structured model (bnorm_panel_create), which "
            "this is not,");
    return bnorm_parser_fail(p, t->start, "an illegal character");
}

static int is_space(char c)
{
    return bnorm_is_blank(c) || c == '\n' || c == '\r';
}

bnorm_status bnorm_parser_next(bnorm_parser *p)
{
    p->before = p->now;
    while (is_space(*p->next)) p->next++;
    const char *s = p->next;
    bnorm_token t = {.kind = BNORM_TOKEN_END, .start = s};
    bnorm_status status = BNORM_OK;
    if (is_digit(*s) || (*s == '.' && is_digit(s[1]))) {
        status = read_number(p, &t);
    } else if (in_name(*s)) {
        while (in_name(s[t.length])) t.length++;
        t.kind = t.length == 1 && *s == '.' ? BNORM_TOKEN_DOT : BNORM_TOKEN_NAME;
    } else if (*s == '`') {
        status = read_quoted(p, &t);
    } else if (*s) {
        status = read_sign(p, &t);
    }
    p->now = t;
    p->next = s + t.length;
    return status;
}

bnorm_status bnorm_parser_take(bnorm_parser *p, char sign)
{
    if (!bnorm_token_is(&p->now, sign)) {
        char what[] = {'\'', sign, '\'', '\0'};
        return bnorm_parser_expected(p, what);
    }
    return bnorm_parser_next(p);
}

bnorm_status bnorm_parser_skip(bnorm_parser *p)
{
    ptrdiff_t depth = 0;
    do {
        if (p->now.kind == BNORM_TOKEN_END) return bnorm_parser_expected(p, "')'");
        depth += bnorm_token_is(&p->now, '(') - bnorm_token_is(&p->now, ')');
        bnorm_status status = bnorm_parser_next(p);
        if (status != BNORM_OK) return status;
    } while (depth > 0);
    return BNORM_OK;
}

bnorm_status bnorm_parser_enter(bnorm_parser *p)
{
    if (++p->depth > BNORM_FORMULA_DEPTH)
        return bnorm_parser_fail(p, p->now.start, "nested too deeply");
    return BNORM_OK;
}

void bnorm_parser_leave(bnorm_parser *p)
{
    p->depth--;
}

bnorm_status bnorm_parser_start(bnorm_parser *p)
{
    size_t length = strnlen(p->text, BNORM_FORMULA_LENGTH + 1);
    if (length > BNORM_FORMULA_LENGTH)
        return bnorm_fail(p->ctx, BNORM_E_FORMULA, "formula: longer than %d bytes",
                          BNORM_FORMULA_LENGTH);
    /* Numbers and signs grow most when they are written anew: to less than eight times. */
    p->written = bnorm_alloc(p->ctx, 8 * (ptrdiff_t)length + 64, 1);
    p->name = bnorm_alloc(p->ctx, (ptrdiff_t)length + 1, 1);
    if (!p->written || !p->name) return bnorm_fail_memory(p->ctx, "a formula");
    p->next = p->text;
    return bnorm_parser_next(p);
}

void bnorm_parser_stop(bnorm_parser *p)
{
    bnorm_expression_clear(&p->expression);
    bnorm_free(p->written);
    bnorm_free(p->name);
}

/* Whether a name can stand without backquotes. */
static int bare(const char *name)
{
    if (is_digit(*name) || (*name == '.' && (is_digit(name[1]) || !name[1]))) return 0;
    for (; *name; name++)
        if (!in_name(*name)) return 0;
    return 1;
}

size_t bnorm_write_name(const char *name, char *out)
{
    if (bare(name)) {
        strcpy(out, name);
        return strlen(name);
    }
    char *end = out;
    *end++ = '`';
    for (; *name; name++) {
        if (*name == '`' || *name == '\\') *end++ = '\\';
        *end++ = *name;
    }
    *end++ = '`';
    *end = '\0';
    return (size_t)(end - out);
}
