/* formula_parser: what the reader of terms and the reader of expressions share. */
#ifndef BNORM_IO_FORMULA_PARSER_H
#define BNORM_IO_FORMULA_PARSER_H

#include "io/formula.h"

typedef enum bnorm_token_kind {
    BNORM_TOKEN_END,
    BNORM_TOKEN_NAME,
    BNORM_TOKEN_QUOTED, /* `a name`, the backquotes included */
    BNORM_TOKEN_NUMBER,
    BNORM_TOKEN_DOT,
    BNORM_TOKEN_SIGN /* one of + - * / ^ : ( ) ~; in a structured formula also , | [ ] */
} bnorm_token_kind;

typedef struct bnorm_token {
    bnorm_token_kind kind;
    const char *start;
    size_t length;
    double number;
} bnorm_token;

#define BNORM_FORMULA_DEPTH 200 /* of nested parentheses, functions, signs and powers */

typedef struct bnorm_parser {
    bnorm_ctx *ctx;
    const char *text;
    bnorm_token now;    /* the token to be read next */
    const char *next;   /* what follows it */
    bnorm_token before; /* the token read last; length 0 at the start */
    int depth;
    const bnorm_table *table;       /* for '.'; or NULL */
    const char *dot_without;        /* the column that it leaves out, or NULL */
    int structured;                 /* the formula of a structured model, */
    const bnorm_formula_part *part; /* and the part of it that is read; or NULL */
    bnorm_formula *formula;
    const char *target_place;    /* where the target was last seen among the terms */
    bnorm_expression expression; /* the variable being read, */
    char *written;               /* and its text in R's way */
    size_t length;
    char *name; /* a name without its quotes */
} bnorm_parser;

/* Starts at the first token. Errors: FORMULA, MEMORY; stop releases in every case. */
bnorm_status bnorm_parser_start(bnorm_parser *p);
void bnorm_parser_stop(bnorm_parser *p);

/* Reads on. Errors: FORMULA (an illegal character). */
bnorm_status bnorm_parser_next(bnorm_parser *p);

int bnorm_token_is(const bnorm_token *token, char sign);

/* Fails with "formula: <what> at character N: <the text around>". */
bnorm_status bnorm_parser_fail(const bnorm_parser *p, const char *at, const char *what);
/* Fails with "expected <what> after <the last token>, found <this one>". */
bnorm_status bnorm_parser_expected(const bnorm_parser *p, const char *what);

/* Reads the sign, or fails as above. */
bnorm_status bnorm_parser_take(bnorm_parser *p, char sign);

/* Counts a level of nesting; leave after success only. Errors: FORMULA (too deep). */
bnorm_status bnorm_parser_enter(bnorm_parser *p);
void bnorm_parser_leave(bnorm_parser *p);

/* Writes a name as formulas have it, in backquotes where it needs them: at most 2 length + 2
 * bytes and the final 0. Returns its length. */
size_t bnorm_write_name(const char *name, char *out);

/* Reads one variable (*number): a column, a function of columns, I(...), factor(column); or,
 * with arithmetic, an expression without I(). */
bnorm_status bnorm_parser_variable(bnorm_parser *p, int arithmetic, int32_t *number);

/* Reads one column, or factor(column), as the variable "factor(column)". */
bnorm_status bnorm_parser_factor(bnorm_parser *p, int32_t *number);

/* Whether the token to be read next is that name with '(' behind it. */
int bnorm_parser_calls(const bnorm_parser *p, const char *name);

/* From '(' to what follows the ')' that closes it. */
bnorm_status bnorm_parser_skip(bnorm_parser *p);

/* The variable of the column of that name, for '.'. */
bnorm_status bnorm_parser_column(bnorm_parser *p, const char *name, int32_t *number);

#endif
