/* expression: programs in postfix order. A program that was built through push with one value
 * left at its end never reads below its stack nor above `depth`. */
#include "io/expression.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"

static const char *const function_names[] = {"log", "log2", "log10", "log1p",
                                             "exp", "sqrt", "abs"};

int bnorm_function_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof function_names / sizeof *function_names; i++)
        if (strlen(function_names[i]) == length && !memcmp(function_names[i], name, length))
            return BNORM_OP_LOG + (int)i;
    return -1;
}

static int is_binary(bnorm_op op)
{
    return op >= BNORM_OP_ADD && op <= BNORM_OP_POWER;
}

static int is_operand(bnorm_op op)
{
    return op == BNORM_OP_NUMBER || op == BNORM_OP_COLUMN;
}

bnorm_status bnorm_expression_push(bnorm_ctx *ctx, bnorm_expression *e, bnorm_step step)
{
    if (e->count == e->capacity) {
        ptrdiff_t capacity = e->capacity ? 2 * e->capacity : 4;
        bnorm_step *steps = bnorm_alloc(ctx, capacity, sizeof *steps);
        if (!steps) return bnorm_fail_memory(ctx, "an expression");
        if (e->steps) memcpy(steps, e->steps, (size_t)e->count * sizeof *steps);
        bnorm_free(e->steps);
        e->steps = steps;
        e->capacity = capacity;
    }
    e->steps[e->count++] = step;
    e->height += is_operand(step.op) - is_binary(step.op);
    e->columns += step.op == BNORM_OP_COLUMN;
    if (e->height > e->depth) e->depth = e->height;
    return BNORM_OK;
}

int bnorm_expression_plain(const bnorm_expression *e)
{
    return e->count == 1 && e->steps[0].op == BNORM_OP_COLUMN;
}

/* a := a op b */
static void binary(bnorm_op op, ptrdiff_t n, double *a, const double *b)
{
    switch (op) {
    case BNORM_OP_ADD:
        for (ptrdiff_t i = 0; i < n; i++) a[i] += b[i];
        break;
    case BNORM_OP_SUBTRACT:
        for (ptrdiff_t i = 0; i < n; i++) a[i] -= b[i];
        break;
    case BNORM_OP_MULTIPLY:
        for (ptrdiff_t i = 0; i < n; i++) a[i] *= b[i];
        break;
    case BNORM_OP_DIVIDE:
        for (ptrdiff_t i = 0; i < n; i++) a[i] /= b[i];
        break;
    default: /* POWER; R computes x^2 as x*x */
        for (ptrdiff_t i = 0; i < n; i++) a[i] = b[i] == 2 ? a[i] * a[i] : pow(a[i], b[i]);
    }
}

static double negate(double x)
{
    return -x;
}

static void unary(bnorm_op op, ptrdiff_t n, double *a)
{
    static double (*const functions[])(double) = {log, log2, log10, log1p, exp, sqrt, fabs};
    double (*f)(double) = op == BNORM_OP_NEGATE ? negate : functions[op - BNORM_OP_LOG];
    for (ptrdiff_t i = 0; i < n; i++) a[i] = f(a[i]);
}

static void operand(const bnorm_step *step, const double *const *columns, const ptrdiff_t *rows,
                    ptrdiff_t n, double *a)
{
    if (step->op == BNORM_OP_NUMBER) {
        for (ptrdiff_t i = 0; i < n; i++) a[i] = step->number;
        return;
    }
    const double *values = columns[step->column];
    for (ptrdiff_t i = 0; i < n; i++) a[i] = values[rows[i]];
}

void bnorm_expression_evaluate(const bnorm_expression *e, const double *const *columns,
                               const ptrdiff_t *rows, ptrdiff_t count, double *stack,
                               double *out)
{
    double *top = stack; /* the first free vector */
    for (ptrdiff_t k = 0; k < e->count; k++) {
        const bnorm_step *step = e->steps + k;
        if (is_operand(step->op)) {
            operand(step, columns, rows, count, top);
            top += BNORM_CHUNK;
        } else if (is_binary(step->op)) {
            top -= BNORM_CHUNK;
            binary(step->op, count, top - BNORM_CHUNK, top);
        } else {
            unary(step->op, count, top - BNORM_CHUNK);
        }
    }
    memcpy(out, stack, (size_t)count * sizeof *out);
}

void bnorm_expression_clear(bnorm_expression *e)
{
    bnorm_free(e->steps);
    *e = (bnorm_expression){0};
}
