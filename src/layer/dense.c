/* dense: Z = X G + 1 bias' for a block of rows, dG = X'dZ, dbias = 1'dZ and dX = dZ G'. Which
 * loop or BLAS call makes a product depends on sizes alone, so the bits do not depend on the
 * number of threads. Theorem: plain_derivative (dR/dG = X'dZ). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "kernel/kernel.h"
#include "layer/layer.h"
#include "matrix/blas.h"

enum {
    SMALL = 4096,    /* multiplications below which a call of BLAS costs more than it gives */
    FEW = 4,         /* units for which X is best read once, without BLAS */
    TURNS = 48,      /* rows for which a copy of G' or of panels of G pays */
    BLOCK = 1 << 21, /* inference: multiplications in a task */
    ROW_UNIT = 32    /* inference: rows of a task are a multiple of it */
};

static int is_small(ptrdiff_t rows, const layer *l)
{
    return rows * l->inputs <= SMALL && rows * l->inputs * l->outputs <= SMALL;
}

/* ----------------------------------------------------------------------------- inference */

typedef struct inference {
    const layer *l;
    const double *g, *bias;
    bnorm_mat_f64 x, z;
    ptrdiff_t step; /* rows a task */
} inference;

/* Rows a task, so that one task has about BLOCK multiplications. */
static ptrdiff_t task_rows(const layer *l)
{
    ptrdiff_t rows = BLOCK / (smaller(l->inputs, BLOCK) * smaller(l->outputs, BLOCK));
    if (rows > 1024) rows = 1024;
    return ROW_UNIT * (rows < ROW_UNIT ? 1 : rows / ROW_UNIT);
}

static void infer_task(void *argument, ptrdiff_t k)
{
    const inference *p = argument;
    ptrdiff_t first = k * p->step, rows = smaller(p->step, p->x.rows - first);
    bnorm_rows_times(rows, p->l->inputs, p->l->outputs, p->x.data + first * p->x.ld, p->x.ld,
                     p->g, p->bias, p->z.data + first * p->z.ld, p->z.ld);
}

static const double *bias_of(const layer *l, const double *params)
{
    return l->bias ? params + l->inputs * l->outputs : NULL;
}

/* Inference: each row alone. */
static int forward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y)
{
    const layer *l = user;
    inference p = {l, params, bias_of(l, params), x, y, task_rows(l)};
    double work = 0.1 * (double)x.rows * (double)l->inputs * (double)l->outputs;
    bnorm_parallel(bnorm_worth(pass->ctx, work), (x.rows + p.step - 1) / p.step, infer_task,
                   &p);
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------- prepare */

/* G' as units x inputs, for few units. */
static void turn_few(const layer *l, double *to)
{
    for (ptrdiff_t j = 0; j < l->outputs; j++)
        for (ptrdiff_t k = 0; k < l->inputs; k++)
            to[j * l->inputs + k] = l->params[k * l->outputs + j];
}

bnorm_status bnorm_dense_prepare(bnorm_ctx *ctx, layer *l, ptrdiff_t rows, int dx)
{
    ptrdiff_t in = l->inputs, out = l->outputs;
    l->way = is_small(rows, l) ? DENSE_SMALL : out <= FEW ? DENSE_FEW : DENSE_BLAS;
    l->forwards = bnorm_panels_of(in, out, l->params, out);
    int copy = l->way == DENSE_BLAS && rows >= TURNS && bnorm_panels_crowded(out, out);
    int turn = l->way == DENSE_BLAS && rows >= TURNS && dx;
    l->backwards = (panels){0};
    bnorm_status status = BNORM_OK;
    if (copy) status = bnorm_buffer_reserve(ctx, &l->copy, 1, bnorm_panels_room(in, out));
    if (status == BNORM_OK && (turn || l->way == DENSE_FEW))
        status = bnorm_buffer_reserve(ctx, &l->turned, 1, bnorm_panels_room(out, in));
    if (status != BNORM_OK) return status;
    if (copy) l->forwards = bnorm_panels_copy(in, out, l->params, out, NULL, l->copy.data);
    if (turn) l->backwards = bnorm_panels_turn(out, in, l->params, out, l->turned.data);
    if (l->way == DENSE_FEW) turn_few(l, l->turned.data);
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------- forward */

static few few_of(const layer *l, bnorm_mat_f64 x, bnorm_mat_f64 z)
{
    return (few){.rows = x.rows,
                 .inputs = l->inputs,
                 .units = l->outputs,
                 .x = x.data,
                 .dx = x.data,
                 .ldx = x.ld,
                 .g = l->turned.data,
                 .z = z.data,
                 .ldz = z.ld};
}

void bnorm_dense_forward(const layer *l, bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 z)
{
    const double *bias = bias_of(l, l->params);
    if (l->way == DENSE_SMALL) {
        bnorm_rows_times(x.rows, l->inputs, l->outputs, x.data, x.ld, l->params, bias, z.data,
                         z.ld);
    } else if (l->way == DENSE_FEW) {
        few f = few_of(l, x, z);
        f.bias = bias;
        bnorm_few_dot(&f);
    } else {
        for (ptrdiff_t i = 0; bias && i < z.rows; i++)
            memcpy(z.data + i * z.ld, bias, (size_t)l->outputs * sizeof *bias);
        bnorm_times(ctx, x.rows, x.data, x.ld, &l->forwards, bias != NULL, z.data, z.ld);
    }
}

/* ------------------------------------------------------------------------------ backward */

/* A row of weight 0 may lie anywhere and meets a dZ of 0: its distance from c stays a number. */
static double distance(double x, double c, int absent)
{
    double d = x - c;
    return absent && isinf(d) && isfinite(x) ? copysign(DBL_MAX, d) : d;
}

static void absent_rows(const layer *l, const dense_gradient *g, const panels *p, double *data)
{
    for (ptrdiff_t i = 0; i < g->x.rows; i++)
        for (ptrdiff_t k = 0; g->weights[i] == 0 && k < l->inputs; k++)
            data[k / p->width * p->step + i * p->ld + k % p->width] =
                distance(g->x.data[i * g->x.ld + k], g->centre[k], 1);
}

static void small_gradient(const layer *l, const dense_gradient *g)
{
    for (ptrdiff_t i = 0; i < g->x.rows; i++) {
        int absent = g->weights && g->weights[i] == 0;
        const double *x = g->x.data + i * g->x.ld, *w = g->dz.data + i * g->dz.ld;
        for (ptrdiff_t k = 0; k < l->inputs; k++) {
            double a = g->centre ? distance(x[k], g->centre[k], absent) : x[k];
            double *to = g->dparams + k * l->outputs;
            for (ptrdiff_t j = 0; j < l->outputs; j++) to[j] += a * w[j];
        }
    }
}

/* Their gradient is made as units x inputs beside the last one. */
static void few_gradient(const layer *l, const dense_gradient *g)
{
    few f = few_of(l, g->x, g->dz);
    f.dg = g->scratch;
    memset(f.dg, 0, (size_t)(l->inputs * l->outputs) * sizeof *f.dg);
    bnorm_few_collect(&f);
    for (ptrdiff_t k = 0; k < l->inputs; k++)
        for (ptrdiff_t j = 0; j < l->outputs; j++)
            g->dparams[k * l->outputs + j] += f.dg[j * l->inputs + k];
}

static void blas_gradient(const layer *l, const dense_gradient *g)
{
    ptrdiff_t rows = g->x.rows;
    double *more = g->scratch + bnorm_panels_room(rows, l->inputs);
    panels x = bnorm_panels_of(rows, l->inputs, g->x.data, g->x.ld);
    panels w = bnorm_panels_of(rows, l->outputs, g->dz.data, g->dz.ld);
    if (g->centre || (rows >= TURNS && bnorm_panels_crowded(x.cols, x.ld)))
        x = bnorm_panels_copy(rows, l->inputs, g->x.data, g->x.ld, g->centre, g->scratch);
    if (g->centre && g->weights) absent_rows(l, g, &x, g->scratch);
    if (rows >= TURNS && bnorm_panels_crowded(w.cols, w.ld))
        w = bnorm_panels_copy(rows, l->outputs, g->dz.data, g->dz.ld, NULL, more);
    bnorm_cross(g->ctx, &x, &w, g->add, g->dparams, l->outputs);
}

/* dbias += 1'dZ: sums of the block first, so that the error does not grow with the rows. */
static void bias_gradient(const layer *l, const dense_gradient *g, double *dbias)
{
    double *sum = g->scratch, *squares = sum + l->outputs, *zero = squares + l->outputs;
    bnorm_tile dz = {g->dz.data, g->dz.rows, l->outputs, g->dz.ld};
    memset(sum, 0, 3 * (size_t)l->outputs * sizeof *sum);
    bnorm_kernels_f64()->row_sums(&dz, NULL, zero, sum, squares);
    for (ptrdiff_t j = 0; j < l->outputs; j++) dbias[j] += sum[j];
}

void bnorm_dense_gradient(const layer *l, const dense_gradient *g)
{
    ptrdiff_t size = l->inputs * l->outputs, zero = l->way == DENSE_BLAS ? 0 : size;
    if (!g->add) {
        memset(g->dparams, 0, (size_t)zero * sizeof *g->dparams);
        memset(g->dparams + size, 0, (size_t)(l->count - size) * sizeof *g->dparams);
    }
    if (l->way == DENSE_SMALL)
        small_gradient(l, g);
    else if (l->way == DENSE_FEW && !g->centre)
        few_gradient(l, g);
    else
        blas_gradient(l, g);
    if (l->bias) bias_gradient(l, g, g->dparams + size);
}

void bnorm_dense_input(const layer *l, bnorm_ctx *ctx, bnorm_mat_f64 dz, bnorm_mat_f64 dx)
{
    if (l->way == DENSE_FEW) {
        few f = few_of(l, dx, dz);
        bnorm_few_spread(&f);
    } else if (l->way == DENSE_BLAS && l->backwards.data) {
        bnorm_times(ctx, dz.rows, dz.data, dz.ld, &l->backwards, 0, dx.data, dx.ld);
    } else if (l->way == DENSE_BLAS) {
        bnorm_gemm_f64(0, 1, dz.rows, l->inputs, l->outputs, 1, dz.data, dz.ld, l->params,
                       l->outputs, 0, dx.data, dx.ld);
    } else {
        for (ptrdiff_t i = 0; i < dz.rows; i++)
            for (ptrdiff_t k = 0; k < l->inputs; k++) {
                double sum = 0;
                for (ptrdiff_t j = 0; j < l->outputs; j++)
                    sum += dz.data[i * dz.ld + j] * l->params[k * l->outputs + j];
                dx.data[i * dx.ld + k] = sum;
            }
    }
}

/* --------------------------------------------------------------------- parameters, start */

static int blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    const layer *l = user;
    blocks[0] = (bnorm_block_shape){"G", inputs, l->outputs, 1};
    if (!l->bias) return 1;
    blocks[1] = (bnorm_block_shape){"bias", 1, l->outputs, 0};
    return 2;
}

/* The gain that the next activation asks for; 0 (Glorot) when none comes before the next dense
 * layer or layer of the caller. */
static double next_gain(const layer *l)
{
    for (l = l->next; l; l = l->next) {
        if (l->kind == BNORM_LAYER_ACTIVATION) return l->activation.gain;
        if (l->kind == BNORM_LAYER_DENSE || l->kind == BNORM_LAYER_USER) return 0;
    }
    return 0;
}

static void start(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream, double *params)
{
    const layer *l = user;
    double gain = next_gain(l);
    double variance =
        gain > 0 ? gain / (double)inputs : 2 / ((double)inputs + (double)l->outputs);
    ptrdiff_t count = inputs * l->outputs;
    bnorm_random_normal(seed, stream, 0, count, params);
    for (ptrdiff_t k = 0; k < count; k++) params[k] *= sqrt(variance);
    if (l->bias) memset(params + count, 0, (size_t)l->outputs * sizeof *params);
}

void bnorm_dense_make(layer *l)
{
    l->ops = (bnorm_layer){.struct_size = sizeof(bnorm_layer),
                           .name = "dense",
                           .user = l,
                           .blocks = blocks,
                           .start = start,
                           .forward = forward};
}
