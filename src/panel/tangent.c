/* tangent: derivatives that go forward through a trace, one parameter at a time: a tangent is one
 * column until the first dense layer above its parameter, and a matrix from there on. Parameters
 * are independent of one another, so threads that share them change no bit. */
#include <float.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "matrix/blas.h"
#include "matrix/view.h"
#include "panel/trace.h"

enum { AT_ONCE = 8 }; /* parameters, whose columns of `out` fill lines of cache */
enum { CHUNK = 256 }; /* rows whose sum is made before it is added */

/* The tangent of one parameter after some layer: column `column` of it is u, others 0; or, column
 * -1, all of it is `a`. */
typedef struct flow {
    const trace *t;
    ptrdiff_t column;
    double *u, *a, *b; /* rows; rows x widest */
    double *sums;      /* 4 widest */
} flow;

/* ----------------------------------------------------------------------------- the layers */

static void through_dense(flow *f, const layer *l)
{
    const double *g = f->t->params + l->offset;
    ptrdiff_t rows = f->t->x.rows, out = l->outputs;
    if (f->column < 0) {
        bnorm_gemm_f64(0, 0, rows, out, l->inputs, 1, f->a, l->inputs, g, out, 0, f->b, out);
        double *other = f->a;
        f->a = f->b;
        f->b = other;
        return;
    }
    const double *row = g + f->column * out;
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < out; j++) f->a[i * out + j] = f->u[i] * row[j];
    f->column = -1;
}

/* total[j] = sum omega d_j, total[cols + j] = sum omega zhat_j d_j; zhat_j begins at zhat + j with
 * rows `ld` apart. part: 2 cols. */
static void weighted_sums(const trace *t, ptrdiff_t cols, const double *d, const double *zhat,
                          ptrdiff_t ld, double *total, double *part)
{
    memset(total, 0, 2 * (size_t)cols * sizeof *total);
    for (ptrdiff_t first = 0; first < t->x.rows; first += CHUNK) {
        ptrdiff_t end = smaller(first + CHUNK, t->x.rows);
        memset(part, 0, 2 * (size_t)cols * sizeof *part);
        for (ptrdiff_t i = first; i < end; i++) {
            double w = t->weights ? t->weights[i] : 1;
            for (ptrdiff_t j = 0; j < cols; j++) {
                part[j] += w * d[i * cols + j];
                part[cols + j] += w * d[i * cols + j] * zhat[i * ld + j];
            }
        }
        for (ptrdiff_t j = 0; j < 2 * cols; j++) total[j] += part[j];
    }
}

/* total[j] = sum of d_j^2 over all rows. */
static void squares(ptrdiff_t rows, ptrdiff_t cols, const double *d, double *total)
{
    memset(total, 0, (size_t)cols * sizeof *total);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++) total[j] += d[i * cols + j] * d[i * cols + j];
}

/* Where the statistics take a whole column back (the weight of a single input at eps = 0, a shift
 * that comes through linear units) what is left of it is rounding, which nothing may take for a
 * direction. before, after: sums of squares of the columns. */
static void clear_rounding(ptrdiff_t rows, ptrdiff_t cols, const double *before,
                           const double *after, double *d)
{
    double least = 64 * DBL_EPSILON;
    for (ptrdiff_t j = 0; j < cols; j++)
        for (ptrdiff_t i = 0; after[j] <= least * least * before[j] && i < rows; i++)
            d[i * cols + j] = 0;
}

/* (C4) d := gamma rstd (d - sum(omega d)/n - zhat sum(omega zhat d)/M), column by column. */
static void through_batchnorm(flow *f, const trace_layer *k)
{
    const layer *l = k->l;
    const trace *t = f->t;
    ptrdiff_t all = l->inputs, cols = f->column < 0 ? all : 1,
              c = f->column < 0 ? 0 : f->column;
    double *d = f->column < 0 ? f->a : f->u, *mean = f->sums, *slope = mean + cols;
    const double *gamma = t->params + l->offset + c, *zhat = k->kept + c;
    double *before = f->sums + 2 * cols, *after = before + cols;
    weighted_sums(t, cols, d, zhat, all, f->sums, f->sums + 2 * cols);
    squares(t->x.rows, cols, d, before);
    for (ptrdiff_t j = 0; j < cols; j++) {
        mean[j] /= t->n;
        slope[j] /= t->n - l->rule.ddof;
    }
    for (ptrdiff_t i = 0; i < t->x.rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            d[i * cols + j] -= mean[j] + zhat[i * all + j] * slope[j];
    squares(t->x.rows, cols, d, after);
    clear_rounding(t->x.rows, cols, before, after, d);
    for (ptrdiff_t i = 0; i < t->x.rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++) d[i * cols + j] *= gamma[j] * k->rstd[c + j];
}

static void through_activation(flow *f, const trace_layer *k)
{
    ptrdiff_t rows = f->t->x.rows, cols = k->l->outputs;
    if (f->column >= 0)
        for (ptrdiff_t i = 0; i < rows; i++) f->u[i] *= k->kept[i * cols + f->column];
    else
        for (ptrdiff_t i = 0; i < rows * cols; i++) f->a[i] *= k->kept[i];
}

static void through(flow *f, ptrdiff_t from)
{
    for (ptrdiff_t m = from; m < f->t->count; m++) {
        const trace_layer *k = &f->t->layers[m];
        if (k->l->kind == BNORM_LAYER_DENSE) through_dense(f, k->l);
        if (k->l->kind == BNORM_LAYER_BATCHNORM) through_batchnorm(f, k);
        if (k->l->kind == BNORM_LAYER_ACTIVATION) through_activation(f, k);
    }
}

/* -------------------------------------------------------------------------- one parameter */

/* The derivative of the output of layer k in its parameter p: one column. */
static void begin(flow *f, const trace_layer *k, ptrdiff_t p)
{
    const layer *l = k->l;
    ptrdiff_t rows = f->t->x.rows, out = l->outputs;
    const double *from = NULL; /* what it is: an input, zhat, or 1 */
    ptrdiff_t ld = 0;
    f->column = p % out;
    if (l->kind == BNORM_LAYER_DENSE && p < l->inputs * out)
        from = k->input.data + p / out, ld = k->input.ld;
    if (l->kind == BNORM_LAYER_BATCHNORM && p < out) from = k->kept + p, ld = out;
    for (ptrdiff_t i = 0; i < rows; i++) f->u[i] = from ? from[i * ld] : 1;
}

/* to[i - first] = the derivative of row i of V top. */
static void finish(const flow *f, const double *top, ptrdiff_t first, double *to)
{
    ptrdiff_t cols = f->t->v.cols;
    for (ptrdiff_t i = first; i < f->t->x.rows; i++) {
        double sum = 0;
        for (ptrdiff_t j = 0; f->column < 0 && j < cols; j++)
            sum += f->a[i * cols + j] * top[j];
        to[i - first] = f->column < 0 ? sum : f->u[i] * top[f->column];
    }
}

typedef struct job {
    const trace *t;
    const double *top;
    ptrdiff_t first, blocks, lanes, room;
    bnorm_mat_f64 out;
    double *scratch;
} job;

static void one(const job *q, flow *f, ptrdiff_t parameter, double *to)
{
    ptrdiff_t k = 0;
    const trace_layer *layers = q->t->layers;
    while (parameter >= layers[k].l->offset + layers[k].l->count) k++;
    begin(f, &layers[k], parameter - layers[k].l->offset);
    through(f, k + 1);
    finish(f, q->top, q->first, to);
}

static void put(const job *q, ptrdiff_t parameter, ptrdiff_t count, const double *from)
{
    ptrdiff_t row_step = q->out.layout == BNORM_ROW_MAJOR ? q->out.ld : 1;
    ptrdiff_t col_step = q->out.layout == BNORM_ROW_MAJOR ? 1 : q->out.ld;
    for (ptrdiff_t i = 0; i < q->out.rows; i++)
        for (ptrdiff_t k = 0; k < count; k++)
            q->out.data[i * row_step + (parameter + k) * col_step] = from[k * q->out.rows + i];
}

static void lane_task(void *argument, ptrdiff_t lane)
{
    const job *q = argument;
    const trace *t = q->t;
    ptrdiff_t rows = t->x.rows;
    double *from = q->scratch + lane * q->room, *u = from + AT_ONCE * rows, *a = u + rows;
    for (ptrdiff_t b = lane; b < q->blocks; b += q->lanes) {
        ptrdiff_t first = b * AT_ONCE, count = smaller(AT_ONCE, t->parameters - first);
        for (ptrdiff_t k = 0; k < count; k++) {
            flow f = {.t = t, .u = u, .a = a, .b = a + rows * t->widest};
            f.sums = f.b + rows * t->widest;
            one(q, &f, first + k, from + k * q->out.rows);
        }
        put(q, first, count, from);
    }
}

bnorm_status bnorm_trace_tangents(bnorm_ctx *ctx, const trace *t, const double *top,
                                  ptrdiff_t first, bnorm_mat_f64 out)
{
    job q = {.t = t, .top = top, .first = first, .out = out};
    ptrdiff_t size;
    q.blocks = parts(t->parameters, AT_ONCE);
    q.lanes = smaller(q.blocks, bnorm_ctx_threads(ctx));
    if (t->parameters == 0) return BNORM_OK;
    if (!bnorm_multiply(t->x.rows, AT_ONCE + 1 + 2 * t->widest, &q.room) ||
        __builtin_add_overflow(q.room, 4 * t->widest, &q.room) ||
        !bnorm_multiply(q.room, q.lanes, &size) ||
        !(q.scratch = bnorm_alloc(ctx, size, sizeof *q.scratch)))
        return bnorm_fail_memory(ctx, "tangents");
    int held = bnorm_blas_hold();
    bnorm_parallel(ctx, q.lanes, lane_task, &q);
    bnorm_blas_release(held);
    bnorm_free(q.scratch);
    return BNORM_OK;
}
