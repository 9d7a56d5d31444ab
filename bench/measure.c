#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limit.h"

enum { ALIGNMENT = 64, BUFFERS = 10 };

const ptrdiff_t bnorm_measure_shapes[MEASURE_SHAPES][2] = {
    {60, 100}, {256, 64}, {256, 1024}, {4096, 256}, {32768, 64}, {65536, 512}, {1048576, 32}};

/* ------------------------------------------------------------------------------- operations */

static const bnorm_rule rule = {1e-5, 0};

static bnorm_mat_f64 view64(const measure *m, const void *data)
{
    return bnorm_view_f64(data, m->rows, m->cols, m->layout);
}
static bnorm_mat_f32 view32(const measure *m, const void *data)
{
    return bnorm_view_f32(data, m->rows, m->cols, m->layout);
}

static const bnorm_activation *activation(const measure *m)
{
    return bnorm_activation_find(m->op == MEASURE_FORWARD_RELU ? "relu" : "tanh");
}

static bnorm_status forward64(const measure *m)
{
    return bnorm_forward_f64(m->ctx, view64(m, m->x), NULL, m->gamma, m->beta, rule,
                             view64(m, m->out), m->mean, m->rstd);
}
static bnorm_status forward32(const measure *m)
{
    return bnorm_forward_f32(m->ctx, view32(m, m->x), NULL, m->gamma, m->beta, rule,
                             view32(m, m->out), m->mean, m->rstd);
}
static bnorm_status backward64(const measure *m)
{
    return bnorm_backward_f64(m->ctx, view64(m, m->x), view64(m, m->dy), NULL, m->gamma,
                              m->mean, m->rstd, rule, view64(m, m->out), m->dgamma, m->dbeta);
}
static bnorm_status backward32(const measure *m)
{
    return bnorm_backward_f32(m->ctx, view32(m, m->x), view32(m, m->dy), NULL, m->gamma,
                              m->mean, m->rstd, rule, view32(m, m->out), m->dgamma, m->dbeta);
}
static bnorm_status infer64(const measure *m)
{
    return bnorm_infer_f64(m->ctx, view64(m, m->x), m->gamma, m->beta, m->mean, m->var,
                           rule.eps, view64(m, m->out));
}
static bnorm_status infer32(const measure *m)
{
    return bnorm_infer_f32(m->ctx, view32(m, m->x), m->gamma, m->beta, m->mean, m->var,
                           rule.eps, view32(m, m->out));
}
static bnorm_status layernorm64(const measure *m)
{
    return bnorm_layernorm_forward_f64(m->ctx, view64(m, m->x), m->gamma, m->beta, rule.eps,
                                       view64(m, m->out), m->mean, m->rstd);
}
static bnorm_status layernorm32(const measure *m)
{
    return bnorm_layernorm_forward_f32(m->ctx, view32(m, m->x), m->gamma, m->beta, rule.eps,
                                       view32(m, m->out), m->mean, m->rstd);
}
static bnorm_status layernorm_backward64(const measure *m)
{
    return bnorm_layernorm_backward_f64(m->ctx, view64(m, m->x), view64(m, m->dy), m->gamma,
                                        m->mean, m->rstd, view64(m, m->out), m->dgamma,
                                        m->dbeta);
}
static bnorm_status layernorm_backward32(const measure *m)
{
    return bnorm_layernorm_backward_f32(m->ctx, view32(m, m->x), view32(m, m->dy), m->gamma,
                                        m->mean, m->rstd, view32(m, m->out), m->dgamma,
                                        m->dbeta);
}

static bnorm_status forward_activation64(const measure *m)
{
    return bnorm_forward_activation_f64(m->ctx, view64(m, m->x), NULL, m->gamma, m->beta, rule,
                                        activation(m), view64(m, m->out), m->mean, m->rstd);
}
static bnorm_status forward_activation32(const measure *m)
{
    return bnorm_forward_activation_f32(m->ctx, view32(m, m->x), NULL, m->gamma, m->beta, rule,
                                        activation(m), view32(m, m->out), m->mean, m->rstd);
}
static bnorm_status backward_activation64(const measure *m)
{
    return bnorm_backward_activation_f64(m->ctx, view64(m, m->x), view64(m, m->dy), NULL,
                                         m->gamma, m->beta, m->mean, m->rstd, rule,
                                         activation(m), view64(m, m->out), m->dgamma, m->dbeta);
}
static bnorm_status backward_activation32(const measure *m)
{
    return bnorm_backward_activation_f32(m->ctx, view32(m, m->x), view32(m, m->dy), NULL,
                                         m->gamma, m->beta, m->mean, m->rstd, rule,
                                         activation(m), view32(m, m->out), m->dgamma, m->dbeta);
}

/* before: what makes the statistics that the operation takes, or -1. */
typedef struct operation {
    const char *name;
    bnorm_status (*run[2])(const measure *m); /* double, float */
    int reads_two, before;
    double bound[2]; /* row-major, column-major; 0: none */
} operation;

static const operation operations[MEASURE_OPS] = {
    [MEASURE_FORWARD] = {"forward", {forward64, forward32}, 0, -1, {1.65, 1.40}},
    [MEASURE_BACKWARD] =
        {"backward", {backward64, backward32}, 1, MEASURE_FORWARD, {1.85, 1.35}},
    [MEASURE_INFER] = {"infer", {infer64, infer32}, 0, MEASURE_FORWARD, {1.08, 1.08}},
    [MEASURE_LAYERNORM] = {"layernorm", {layernorm64, layernorm32}, 0, -1, {0, 0}},
    [MEASURE_LAYERNORM_BACKWARD] = {"layernorm_backward",
                                    {layernorm_backward64, layernorm_backward32},
                                    1,
                                    MEASURE_LAYERNORM,
                                    {0, 0}},
    [MEASURE_FORWARD_RELU] =
        {"forward_relu", {forward_activation64, forward_activation32}, 0, -1, {0, 0}},
    [MEASURE_FORWARD_TANH] =
        {"forward_tanh", {forward_activation64, forward_activation32}, 0, -1, {0, 0}},
    [MEASURE_BACKWARD_TANH] = {"backward_tanh",
                               {backward_activation64, backward_activation32},
                               1,
                               MEASURE_FORWARD,
                               {0, 0}},
};

const char *bnorm_measure_name(measure_op op)
{
    return operations[op].name;
}

double bnorm_measure_bound(measure_op op, bnorm_layout layout)
{
    return operations[op].bound[layout == BNORM_COL_MAJOR];
}

/* ---------------------------------------------------------------------------------- buffers */

static ptrdiff_t matrix_bytes(const measure *m)
{
    ptrdiff_t bytes = m->rows * m->cols * (m->f32 ? 4 : 8);
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int is_layernorm(measure_op op)
{
    return op == MEASURE_LAYERNORM || op == MEASURE_LAYERNORM_BACKWARD;
}

/* The limit moves what the operation moves, its four vectors included: they decide whether a small
 * matrix stays in the first cache. */
static ptrdiff_t limit_bytes(const measure *m, int arrays)
{
    ptrdiff_t vectors = (m->rows > m->cols && is_layernorm(m->op) ? m->rows : m->cols) * 2;
    ptrdiff_t bytes = matrix_bytes(m) + vectors * (m->f32 ? 12 : 16) / arrays;
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void list_buffers(measure *m, void **list[BUFFERS])
{
    void **all[BUFFERS] = {
        &m->x,     &m->dy,   &m->out,    (void **)&m->mean, (void **)&m->rstd, (void **)&m->var,
        &m->gamma, &m->beta, &m->dgamma, &m->dbeta};
    memcpy(list, all, sizeof all);
}

/* Numbers of any size serve: normal ones, repeated to fill the buffer. */
static void fill(const measure *m, void *to, uint64_t stream)
{
    enum { PERIOD = 4099 };
    double numbers[PERIOD];
    bnorm_random_normal(1, stream, 0, PERIOD, numbers);
    for (ptrdiff_t i = 0, k = 0; i < m->rows * m->cols; i++, k = k + 1 < PERIOD ? k + 1 : 0) {
        if (m->f32)
            ((float *)to)[i] = (float)numbers[k];
        else
            ((double *)to)[i] = numbers[k];
    }
}

bnorm_status bnorm_measure_open(measure *m, ptrdiff_t rows, ptrdiff_t cols, int f32)
{
    void **list[BUFFERS];
    ptrdiff_t longest = rows > cols ? rows : cols;
    *m = (measure){.rows = rows, .cols = cols, .f32 = f32};
    list_buffers(m, list);
    for (int b = 0; b < BUFFERS; b++) {
        size_t bytes =
            (size_t)(b < 3 ? matrix_bytes(m) + longest * 16 + ALIGNMENT : longest * 8);
        if (posix_memalign(list[b], ALIGNMENT, bytes)) {
            *list[b] = NULL;
            bnorm_measure_close(m);
            return BNORM_E_MEMORY;
        }
        memset(*list[b], 0, bytes);
    }
    fill(m, m->x, 1);
    fill(m, m->dy, 2);
    for (ptrdiff_t c = 0; c < longest; c++) {
        m->var[c] = m->rstd[c] = 1;
        if (f32)
            ((float *)m->gamma)[c] = 1.5f;
        else
            ((double *)m->gamma)[c] = 1.5;
    }
    return BNORM_OK;
}

void bnorm_measure_close(measure *m)
{
    void **list[BUFFERS];
    list_buffers(m, list);
    for (int b = 0; b < BUFFERS; b++) free(*list[b]);
    bnorm_ctx_destroy(m->ctx);
    *m = (measure){0};
}

bnorm_status bnorm_measure_choose(measure *m, measure_op op, bnorm_layout layout, int threads)
{
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.threads = threads;
    m->op = op;
    m->layout = layout;
    m->threads = threads;
    bnorm_ctx_destroy(m->ctx);
    return bnorm_ctx_create(&options, &m->ctx);
}

bnorm_status bnorm_measure_set(measure *m, measure_op op, bnorm_layout layout, int threads)
{
    const operation *o = &operations[op];
    bnorm_status status = bnorm_measure_choose(m, op, layout, threads);
    if (!status && o->before >= 0) status = operations[o->before].run[m->f32](m);
    return status ? status : o->run[m->f32](m);
}

/* ----------------------------------------------------------------------------------- timing */

int bnorm_measure_has(const measure *m, int side)
{
    if (side == MEASURE_PAST) return bnorm_limit_has(LIMIT_PAST);
    if (side == MEASURE_ONE) return m->threads > 1 && matrix_bytes(m) < 1 << 20;
    return side != MEASURE_BARE || matrix_bytes(m) < 1 << 18;
}

/* What bnorm_measure_set has seen succeed does not fail. */
void bnorm_measure_call(const measure *m, int side)
{
    const operation *o = &operations[m->op];
    const void *w = o->reads_two ? m->dy : NULL;
    ptrdiff_t bytes = limit_bytes(m, o->reads_two ? 3 : 2);
    if (side == MEASURE_OURS)
        (void)o->run[m->f32](m);
    else if (side == MEASURE_BARE)
        bnorm_limit_bare(m->x, w, m->out, bytes);
    else
        bnorm_limit_run(side == MEASURE_PAST ? LIMIT_PAST : LIMIT_PLAIN,
                        side == MEASURE_ONE ? 1 : m->threads, m->x, w, m->out, bytes);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bnorm_measure_time(const measure *m, int side, long calls)
{
    bnorm_measure_call(m, side);
    double start = now();
    for (long k = 0; k < calls; k++) bnorm_measure_call(m, side);
    return (now() - start) / (double)calls;
}

long bnorm_measure_calls(const measure *m, int side, double seconds)
{
    return 1 + (long)(seconds / (bnorm_measure_time(m, side, 2) + 1e-9));
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bnorm_measure_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

measure_result bnorm_measure_cell(const measure *m, int rounds, double seconds)
{
    double times[MEASURE_SIDES][MEASURE_ROUNDS];
    double medians[MEASURE_SIDES] = {0};
    long calls = bnorm_measure_calls(m, MEASURE_OURS, seconds);
    for (int r = 0; r < rounds; r++)
        for (int s = 0; s < MEASURE_SIDES; s++)
            if (bnorm_measure_has(m, s)) times[s][r] = bnorm_measure_time(m, s, calls);
    for (int s = 0; s < MEASURE_SIDES; s++)
        medians[s] =
            bnorm_measure_has(m, s) ? bnorm_measure_median(times[s], rounds) : HUGE_VAL;
    double limit =
        fmin(fmin(medians[MEASURE_PLAIN], medians[MEASURE_PAST]), medians[MEASURE_ONE]);
    return (measure_result){medians[MEASURE_OURS], limit, fmin(limit, medians[MEASURE_BARE])};
}
