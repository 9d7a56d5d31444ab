/* dense: Z = X G + 1 bias'. Products are cut by sizes alone and summed in a fixed order, so the
 * bits do not depend on the number of threads. Theorem: plain_derivative (dR/dG = X'dZ). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "layer/layer.h"
#include "matrix/blas.h"

enum {
    SMALL = 4096,    /* multiplications below which a call of BLAS costs more than it gives */
    BLOCK = 1 << 21, /* multiplications in a task */
    ROW_UNIT = 32,   /* rows of a task are a multiple of it */
    TILE_ROWS = 64,  /* tiles of G in the product X'dZ */
    TILE_COLS = 256,
    CHUNKS = 16,      /* at most so many partial sums over rows */
    CHUNK_ROWS = 512, /* at least so many rows each */
    PIECE = 1 << 20,  /* rows a product, below BLAS's int */
    CENTRED = 4096    /* values of X - 1c' at a time, at least TILE_ROWS */
};

typedef struct product {
    const layer *l;
    const double *g, *bias;
    bnorm_mat_f64 x, z; /* backward: z is dZ, x is X or dX */
    ptrdiff_t step;     /* rows a task */
    ptrdiff_t chunks, chunk_rows, tile_cols;
    double *dg, *sums; /* backward: dG and 1'dZ of the first chunk */
    ptrdiff_t next;    /* from those of a chunk to those of the next */
    const double *c;   /* backward: what the columns of X are measured from, or NULL */
    const double *weights;
    int training;
} product;

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static ptrdiff_t parts(ptrdiff_t total, ptrdiff_t part)
{
    return (total + part - 1) / part;
}

/* Rows a task, so that one task has about BLOCK multiplications. */
static ptrdiff_t task_rows(const layer *l)
{
    ptrdiff_t rows = BLOCK / (smaller(l->inputs, BLOCK) * smaller(l->outputs, BLOCK));
    if (rows > 1024) rows = 1024;
    return ROW_UNIT * (rows < ROW_UNIT ? 1 : rows / ROW_UNIT);
}

static int is_small(ptrdiff_t m, const layer *l)
{
    return m * l->inputs <= SMALL && m * l->inputs * l->outputs <= SMALL;
}

/* A context for one product with these rows. */
static bnorm_ctx *threads_for(const bnorm_pass *pass, ptrdiff_t rows, const layer *l)
{
    return bnorm_worth(pass->ctx, 0.1 * (double)rows * (double)l->inputs * (double)l->outputs);
}

/* ------------------------------------------------------------------------------ forward */

/* Z = X G + 1 bias'. Inference makes each row alone; training leaves larger products to BLAS.
 */
static void forward_task(void *argument, ptrdiff_t k)
{
    const product *p = argument;
    const layer *l = p->l;
    ptrdiff_t first = k * p->step, rows = smaller(p->step, p->x.rows - first);
    const double *x = p->x.data + first * p->x.ld;
    double *z = p->z.data + first * p->z.ld;
    if (!p->training || is_small(rows, l)) {
        bnorm_rows_times(rows, l->inputs, l->outputs, x, p->x.ld, p->g, p->bias, z, p->z.ld);
        return;
    }
    if (p->bias)
        for (ptrdiff_t i = 0; i < rows; i++)
            memcpy(z + i * p->z.ld, p->bias, (size_t)l->outputs * sizeof *z);
    bnorm_gemm_f64(0, 0, rows, l->outputs, l->inputs, 1, x, p->x.ld, p->g, l->outputs,
                   p->bias != NULL, z, p->z.ld);
}

static int forward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y)
{
    const layer *l = user;
    product p = {.l = l, .g = params, .x = x, .z = y, .step = task_rows(l)};
    p.bias = l->bias ? params + l->inputs * l->outputs : NULL;
    p.training = pass->training;
    bnorm_parallel(threads_for(pass, x.rows, l), parts(x.rows, p.step), forward_task, &p);
    return BNORM_OK;
}

/* ----------------------------------------------------------------------------- backward */

static void small_gradient(ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t units, const double *x,
                           ptrdiff_t ldx, const double *dz, ptrdiff_t ldz, double *dg,
                           ptrdiff_t ldg)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t k = 0; k < inputs; k++) {
            double a = x[i * ldx + k], *g = dg + k * ldg;
            const double *w = dz + i * ldz;
            for (ptrdiff_t j = 0; j < units; j++) g[j] += a * w[j];
        }
}

/* tile += X'dZ over some rows. */
static void add_product(const product *p, int small, ptrdiff_t rows, ptrdiff_t inputs,
                        ptrdiff_t units, const double *x, ptrdiff_t ldx, const double *dz,
                        double *tile)
{
    if (small)
        small_gradient(rows, inputs, units, x, ldx, dz, p->z.ld, tile, p->l->outputs);
    else
        bnorm_gemm_f64(1, 0, inputs, units, rows, 1, x, ldx, dz, p->z.ld, 1, tile,
                       p->l->outputs);
}

/* A row of weight 0 may lie anywhere and meets a dZ of 0: its distance from c stays a number. */
static void centre_absent(ptrdiff_t inputs, const double *x, double *centred)
{
    for (ptrdiff_t k = 0; k < inputs; k++)
        if (isinf(centred[k]) && isfinite(x[k])) centred[k] = copysign(DBL_MAX, centred[k]);
}

static void centre(const product *p, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t k0,
                   ptrdiff_t inputs, double *centred)
{
    for (ptrdiff_t i = 0; i < rows; i++) {
        const double *x = p->x.data + (first + i) * p->x.ld + k0, *c = p->c + k0;
        double *to = centred + i * inputs;
        for (ptrdiff_t k = 0; k < inputs; k++) to[k] = x[k] - c[k];
        if (p->weights && p->weights[first + i] == 0) centre_absent(inputs, x, to);
    }
}

/* One tile of dG += X'dZ, or (X - 1c')'dZ, over the rows of one chunk. */
static void gradient_tile(const product *p, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t k0,
                          ptrdiff_t inputs, ptrdiff_t j0, ptrdiff_t units, double *dg)
{
    double centred[CENTRED], *tile = dg + k0 * p->l->outputs + j0;
    ptrdiff_t step = p->c ? CENTRED / inputs : PIECE, end = first + rows;
    for (ptrdiff_t i = first; i < end; i += step) {
        ptrdiff_t some = smaller(step, end - i);
        const double *x = p->x.data + i * p->x.ld + k0, *dz = p->z.data + i * p->z.ld + j0;
        if (p->c) centre(p, i, some, k0, inputs, centred);
        add_product(p, is_small(rows, p->l), some, inputs, units, p->c ? centred : x,
                    p->c ? inputs : p->x.ld, dz, tile);
    }
}

/* sums += 1'dZ, by groups of rows: the error grows with their number, not with that of rows. */
static void sums_tile(const product *p, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t j0,
                      ptrdiff_t units, double *sums)
{
    enum { GROUP = 64 };
    double sum[TILE_COLS];
    for (ptrdiff_t i0 = 0; i0 < rows; i0 += GROUP) {
        ptrdiff_t end = smaller(rows, i0 + GROUP);
        memset(sum, 0, sizeof sum);
        for (ptrdiff_t i = i0; i < end; i++)
            for (ptrdiff_t j = 0; j < units; j++)
                sum[j] += p->z.data[(first + i) * p->z.ld + j0 + j];
        for (ptrdiff_t j = 0; j < units; j++) sums[j0 + j] += sum[j];
    }
}

static void gradient_task(void *argument, ptrdiff_t task)
{
    const product *p = argument;
    const layer *l = p->l;
    ptrdiff_t chunk = task % p->chunks, tile = task / p->chunks;
    ptrdiff_t first = chunk * p->chunk_rows, rows = smaller(p->chunk_rows, p->x.rows - first);
    ptrdiff_t k0 = tile / p->tile_cols * TILE_ROWS, j0 = tile % p->tile_cols * TILE_COLS;
    ptrdiff_t inputs = smaller(TILE_ROWS, l->inputs - k0);
    ptrdiff_t units = smaller(TILE_COLS, l->outputs - j0);
    gradient_tile(p, first, rows, k0, inputs, j0, units, p->dg + chunk * p->next);
    if (k0 == 0 && l->bias) sums_tile(p, first, rows, j0, units, p->sums + chunk * p->next);
}

/* Small G: the rows are cut into chunks, whose products are added in order; large G: G itself
 * is cut into tiles and there is one chunk. */
static void plan_gradient(product *p)
{
    const layer *l = p->l;
    p->tile_cols = parts(l->outputs, TILE_COLS);
    ptrdiff_t tiles = p->tile_cols * parts(l->inputs, TILE_ROWS);
    p->chunks = 1;
    if (tiles < 8) p->chunks = smaller(CHUNKS, parts(p->x.rows, CHUNK_ROWS));
    if (p->chunks < 1) p->chunks = 1;
    p->chunk_rows = parts(p->x.rows, p->chunks);
    p->chunks = p->chunk_rows ? parts(p->x.rows, p->chunk_rows) : 1;
}

/* Memory for the sums over chunks; one chunk writes to the gradient itself. */
static bnorm_status place_gradient(product *p, layer *l, const bnorm_pass *pass, double *dg)
{
    ptrdiff_t size = l->inputs * l->outputs;
    bnorm_status status =
        bnorm_buffer_reserve(pass->ctx, &l->partial, p->chunks, size + l->outputs);
    if (status != BNORM_OK) return status;
    p->next = size + l->outputs;
    p->dg = p->chunks > 1 ? l->partial.data : dg;
    p->sums = l->partial.data + size;
    if (p->chunks > 1)
        memset(l->partial.data, 0, (size_t)(p->chunks * p->next) * sizeof *dg);
    else
        memset(p->sums, 0, (size_t)l->outputs * sizeof *dg);
    return BNORM_OK;
}

/* Adds the chunks in order; the sums of all end in those of the first. */
static void add_chunks(const product *p, double *dg)
{
    ptrdiff_t size = p->l->inputs * p->l->outputs;
    for (ptrdiff_t c = 0; p->chunks > 1 && c < p->chunks; c++) {
        for (ptrdiff_t k = 0; k < size; k++) dg[k] += p->dg[c * p->next + k];
        for (ptrdiff_t j = 0; c > 0 && j < p->l->outputs; j++)
            p->sums[j] += p->sums[c * p->next + j];
    }
}

/* Before a batchnorm 1'dZ is 0 but for rounding, which X'dZ multiplies by the mean of X. So X is
 * measured from c, its weighted column means: (X - 1c')'dZ, the centred X of (W3); whatever c
 * is, the gradient is the same. A constant column gives exactly 0, and a row of weight 0 has no
 * part in c. Theorem: W3_shifted. */
static bnorm_status find_centre(product *p, layer *l, const bnorm_pass *pass)
{
    bnorm_status status = bnorm_buffer_reserve(pass->ctx, &l->centre, 2, l->inputs);
    if (status != BNORM_OK) return status;
    double n, *c = l->centre.data;
    status = bnorm_moments_f64(pass->ctx, p->x, pass->weights, &n, c, c + l->inputs);
    for (ptrdiff_t k = 0; status == BNORM_OK && k < l->inputs; k++)
        if (!isfinite(c[k])) c[k] = 0;
    p->c = c;
    p->weights = pass->weights;
    return status;
}

/* dG += X'dZ, dbias += 1'dZ */
static bnorm_status gradient(layer *l, const bnorm_pass *pass, bnorm_mat_f64 x,
                             bnorm_mat_f64 dz, double *dparams)
{
    product p = {.l = l, .x = x, .z = dz};
    plan_gradient(&p);
    bnorm_status status = place_gradient(&p, l, pass, dparams);
    if (status == BNORM_OK && !l->bias) status = find_centre(&p, l, pass);
    if (status != BNORM_OK) return status;
    ptrdiff_t tiles = p.tile_cols * parts(l->inputs, TILE_ROWS);
    bnorm_parallel(threads_for(pass, x.rows, l), tiles * p.chunks, gradient_task, &p);
    add_chunks(&p, dparams);
    double *dbias = dparams + l->inputs * l->outputs;
    for (ptrdiff_t j = 0; l->bias && j < l->outputs; j++) dbias[j] += p.sums[j];
    return BNORM_OK;
}

/* dX = dZ G' */
static void input_task(void *argument, ptrdiff_t k)
{
    const product *p = argument;
    const layer *l = p->l;
    ptrdiff_t first = k * p->step, rows = smaller(p->step, p->x.rows - first);
    double *dx = p->x.data + first * p->x.ld;
    const double *dz = p->z.data + first * p->z.ld;
    if (!is_small(rows, l)) {
        bnorm_gemm_f64(0, 1, rows, l->inputs, l->outputs, 1, dz, p->z.ld, p->g, l->outputs, 0,
                       dx, p->x.ld);
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t a = 0; a < l->inputs; a++) {
            double sum = 0;
            for (ptrdiff_t j = 0; j < l->outputs; j++)
                sum += dz[i * p->z.ld + j] * p->g[a * l->outputs + j];
            dx[i * p->x.ld + a] = sum;
        }
}

static int backward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                    bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx)
{
    layer *l = user;
    (void)y;
    bnorm_status status = gradient(l, pass, x, dy, dparams);
    if (status != BNORM_OK || !dx.data) return status;
    product p = {.l = l, .g = params, .x = dx, .z = dy, .step = task_rows(l)};
    bnorm_parallel(threads_for(pass, x.rows, l), parts(x.rows, p.step), input_task, &p);
    return BNORM_OK;
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
                           .forward = forward,
                           .backward = backward};
}
