/* expression: arithmetic on columns, as a program for a stack of vectors. */
#ifndef BNORM_IO_EXPRESSION_H
#define BNORM_IO_EXPRESSION_H

#include "bnorm.h"

typedef enum bnorm_op {
    BNORM_OP_NUMBER,
    BNORM_OP_COLUMN,
    BNORM_OP_NEGATE, /* from here to POWER: arithmetic */
    BNORM_OP_ADD,
    BNORM_OP_SUBTRACT,
    BNORM_OP_MULTIPLY,
    BNORM_OP_DIVIDE,
    BNORM_OP_POWER,
    BNORM_OP_LOG, /* from here on: functions, in the order of bnorm_function_names */
    BNORM_OP_LOG2,
    BNORM_OP_LOG10,
    BNORM_OP_LOG1P,
    BNORM_OP_EXP,
    BNORM_OP_SQRT,
    BNORM_OP_ABS
} bnorm_op;

typedef struct bnorm_step {
    bnorm_op op;
    double number;    /* NUMBER */
    ptrdiff_t column; /* COLUMN: its number in the formula's set of columns */
} bnorm_step;

/* All zero is the empty expression. */
typedef struct bnorm_expression {
    bnorm_step *steps; /* postfix: operands before their operation */
    ptrdiff_t count, capacity;
    int height, depth; /* of the stack: after the last step, at most */
    int columns;       /* column steps */
    int factor;        /* factor(column): one step */
} bnorm_expression;

/* The operation of a function's name, or -1. */
int bnorm_function_find(const char *name, size_t length);

/* Appends a step. Errors: MEMORY. */
bnorm_status bnorm_expression_push(bnorm_ctx *ctx, bnorm_expression *e, bnorm_step step);

/* Whether it is one column as it stands. */
int bnorm_expression_plain(const bnorm_expression *e);

#define BNORM_CHUNK 256 /* rows that are evaluated together */

/* out[i] = the value in row rows[i], i < count <= BNORM_CHUNK. columns[k]: values of column k.
 * stack: depth x BNORM_CHUNK. */
void bnorm_expression_evaluate(const bnorm_expression *e, const double *const *columns,
                               const ptrdiff_t *rows, ptrdiff_t count, double *stack,
                               double *out);

void bnorm_expression_clear(bnorm_expression *e);

#endif
