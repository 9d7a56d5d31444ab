/* activation: V = a(B), element by element; backward dB = dV a'(B). */
#include "base/threads.h"
#include "layer/layer.h"
#include "matrix/functions.h"

enum { TASK = 16384 }; /* elements a task, about */

typedef struct elements {
    const layer *l;
    const double *b;
    bnorm_mat_f64 from, to; /* b and v, or dv and db */
    ptrdiff_t rows;         /* a task */
} elements;

static ptrdiff_t task_rows(ptrdiff_t cols)
{
    return cols < TASK ? TASK / cols : 1;
}

/* The caller's functions stay on the caller's thread. */
static void run(const bnorm_pass *pass, elements *e, void (*task)(void *, ptrdiff_t))
{
    e->rows = task_rows(e->from.cols);
    bnorm_ctx *ctx = bnorm_worth(pass->ctx, 2.0 * (double)e->from.rows * (double)e->from.cols);
    if (bnorm_activation_number(&e->l->activation) < 0) ctx = NULL;
    bnorm_parallel(ctx, (e->from.rows + e->rows - 1) / e->rows, task, e);
}

/* First row of a task and the number of its rows. */
static ptrdiff_t part(const elements *e, ptrdiff_t k, ptrdiff_t *first)
{
    *first = k * e->rows;
    return *first + e->rows < e->from.rows ? e->rows : e->from.rows - *first;
}

static void value_task(void *argument, ptrdiff_t k)
{
    const elements *e = argument;
    const bnorm_activation *a = &e->l->activation;
    ptrdiff_t first, rows = part(e, k, &first);
    ptrdiff_t offset = first * e->from.cols;
    a->value(a->user, rows * e->from.cols, e->from.data + offset, e->to.data + offset);
}

static void gradient_task(void *argument, ptrdiff_t k)
{
    const elements *e = argument;
    const bnorm_activation *a = &e->l->activation;
    ptrdiff_t first, rows = part(e, k, &first);
    ptrdiff_t offset = first * e->from.cols;
    a->gradient(a->user, rows * e->from.cols, e->b + offset, e->from.data + offset,
                e->to.data + offset);
}

static int forward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y)
{
    (void)params;
    elements e = {.l = user, .from = x, .to = y};
    run(pass, &e, value_task);
    return BNORM_OK;
}

static int backward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                    bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx)
{
    (void)params, (void)y, (void)dparams;
    elements e = {.l = user, .b = x.data, .from = dy, .to = dx};
    if (dx.data) run(pass, &e, gradient_task);
    return BNORM_OK;
}

void bnorm_activation_make(layer *l)
{
    l->ops = (bnorm_layer){.struct_size = sizeof(bnorm_layer),
                           .name = l->activation.name,
                           .user = l,
                           .forward = forward,
                           .backward = backward};
}
