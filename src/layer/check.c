/* check: the gradient of a network against difference quotients of
 *   F = R + sum(U * scores)/rows,  U ~ N(0, 1),
 * in training mode with one mask, on the ladder of ladder.h. The noise is measured, not guessed: F
 * and its gradient are computed again with x and every layer's output off by random relative
 * errors of up to two units of rounding; so it knows the conditioning of the network at hand. Equal
 * values get equal errors: a constant column stays constant.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/ladder.h"
#include "layer/layer.h"
#include "matrix/blas.h"

enum { DRAWS = 6 };

typedef struct checker {
    bnorm_ctx *ctx;
    bnorm_net *net;
    const bnorm_loss *loss;
    bnorm_mat_f64 x, y; /* row-major */
    const double *weights;
    double n;
    uint64_t seed;
    double *u;        /* U, rows x outputs */
    double *gradient; /* analytic */
    double *spread;   /* noise of each entry of it */
    double *other;    /* gradient of a disturbed pass */
    double *disturbed;
    ptrdiff_t *order;
    buffer x_copy, y_copy;
    double value, size; /* F, and the sum of the absolute values of its terms */
    double noise;       /* of F */
    double scale;       /* largest entry of the gradient */
    double *memory;
    int (*interrupted)(void *user); /* or NULL */
    void *interrupted_user;
} checker;

/* ------------------------------------------------------------------------------ objective */

/* F, and its gradient unless NULL. */
static bnorm_status check_objective(checker *c, bnorm_mat_f64 x, double *value,
                                    double *gradient)
{
    bnorm_pass pass = {.training = 1, .seed = c->seed, .weights = c->weights, .ctx = c->ctx};
    criterion goal = {.loss = c->loss, .y = c->y, .weights = c->weights, .u = c->u, .n = c->n};
    if (c->interrupted && c->interrupted(c->interrupted_user))
        return bnorm_fail(c->ctx, BNORM_E_INTERRUPTED, "the check was interrupted");
    bnorm_status status = bnorm_net_run(c->net, &pass, x, &goal, value, gradient);
    if (status != BNORM_OK) return status;
    bnorm_mat_f64 scores = bnorm_net_kept(c->net, c->net->layer_count - 1);
    double extra = 0, size = 0;
    for (ptrdiff_t k = 0; k < scores.rows * scores.cols; k++) {
        extra += c->u[k] * scores.data[k];
        size += fabs(c->u[k] * scores.data[k]);
    }
    c->size = fabs(*value) + size / (double)scores.rows;
    *value += extra / (double)scores.rows;
    return BNORM_OK;
}

/* splitmix64 (Steele, Lea and Flood 2014): a number that depends on every bit of the other. */
static uint64_t mix(uint64_t k)
{
    k += UINT64_C(0x9E3779B97F4A7C15);
    k = (k ^ k >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    k = (k ^ k >> 27) * UINT64_C(0x94D049BB133111EB);
    return k ^ k >> 31;
}

void bnorm_disturb(uint64_t draw, ptrdiff_t count, const double *from, double *to)
{
    for (ptrdiff_t k = 0; k < count; k++) {
        uint64_t bits;
        memcpy(&bits, from + k, sizeof bits);
        double unit = (double)(mix(bits ^ mix(draw)) >> 11) * 0x1p-53; /* [0, 1) */
        to[k] = from[k] * (1 + 4 * DBL_EPSILON * (unit - 0.5));
    }
}

/* The noise of F and of each gradient entry: the largest deviation over disturbed passes. */
static bnorm_status measure_noise(checker *c)
{
    ptrdiff_t count = c->net->parameter_count;
    bnorm_mat_f64 x = bnorm_view_f64(c->disturbed, c->x.rows, c->x.cols, BNORM_ROW_MAJOR);
    bnorm_status status = BNORM_OK;
    double size = c->size;
    memset(c->spread, 0, (size_t)count * sizeof *c->spread);
    for (uint64_t draw = 1; draw <= DRAWS && status == BNORM_OK; draw++) {
        double value;
        c->net->disturbance = draw;
        for (ptrdiff_t i = 0; i < x.rows; i++)
            bnorm_disturb(draw, x.cols, c->x.data + i * c->x.ld, x.data + i * x.cols);
        status = check_objective(c, x, &value, c->other);
        if (status != BNORM_OK) break;
        c->noise = fmax(c->noise, fabs(value - c->value));
        for (ptrdiff_t k = 0; k < count; k++)
            c->spread[k] = fmax(c->spread[k], fabs(c->other[k] - c->gradient[k]));
    }
    c->net->disturbance = 0;
    c->noise = 2 * c->noise + 8 * DBL_EPSILON * size;
    c->size = size;
    return status;
}

/* F alone, for the ladder. */
static bnorm_status value_of(void *user, double *value)
{
    checker *c = user;
    double size = c->size;
    bnorm_status status = check_objective(c, c->x, value, NULL);
    c->size = size;
    return status;
}

/* --------------------------------------------------------------------------------- block */

static bnorm_status check_block(checker *c, ptrdiff_t k, ptrdiff_t entries,
                                bnorm_check_block *report)
{
    const bnorm_block *b = &c->net->blocks[k];
    ladder l = {.value = value_of, .user = c, .at = c->value, .noise = c->noise};
    double scale = bnorm_largest(b->rows * b->cols, c->gradient + b->offset);
    l.cap = 1e-3 * fmax(scale, fmax(1e-3 * c->scale, 1e-6 * c->size));
    ladder_block block = {.block = b,
                          .parameters = c->net->parameters + b->offset,
                          .gradient = c->gradient + b->offset,
                          .spread = c->spread + b->offset,
                          .entries = entries,
                          .seed = c->seed,
                          .stream = UINT64_C(3) << 62 | (uint64_t)k,
                          .order = c->order};
    return bnorm_ladder_block(&l, &block, report);
}

/* The first value of x that is not finite explains a gradient that is not. */
static bnorm_status blame_x(bnorm_ctx *ctx, bnorm_mat_f64 x)
{
    for (ptrdiff_t i = 0; i < x.rows; i++)
        for (ptrdiff_t j = 0; j < x.cols; j++)
            if (!isfinite(x.data[i * x.ld + j]))
                return bnorm_fail(ctx, BNORM_E_CHECK,
                                  "x is %g in row %td, column %td, and the gradient is not "
                                  "finite: correct or leave out the row",
                                  x.data[i * x.ld + j], i + 1, j + 1);
    return BNORM_OK;
}

static bnorm_status verdict(const checker *c, const bnorm_check_block *report)
{
    bnorm_ctx *ctx = c->ctx;
    ptrdiff_t blocks = c->net->block_count;
    if (!(isfinite(c->value) && isfinite(c->scale)) && blame_x(ctx, c->x) != BNORM_OK)
        return BNORM_E_CHECK;
    return bnorm_ladder_verdict(ctx, report, blocks);
}

/* --------------------------------------------------------------------------------- whole */

static bnorm_status prepare(checker *c)
{
    ptrdiff_t count = c->net->parameter_count, outputs = bnorm_net_outputs(c->net);
    ptrdiff_t wide, scores, total;
    if (!bnorm_multiply(c->x.rows, c->x.cols, &wide) ||
        !bnorm_multiply(c->x.rows, outputs, &scores) ||
        __builtin_add_overflow(wide + scores, 3 * count, &total) ||
        !(c->memory = bnorm_alloc(c->ctx, total, sizeof *c->memory)) ||
        !(c->order = bnorm_alloc(c->ctx, count, sizeof *c->order)))
        return bnorm_fail_memory(c->ctx, "the gradient check");
    c->gradient = c->memory;
    c->spread = c->gradient + count;
    c->other = c->spread + count;
    c->disturbed = c->other + count;
    c->u = c->disturbed + wide;
    bnorm_random_normal(c->seed, UINT64_C(3) << 62, 0, scores, c->u);
    bnorm_status status = bnorm_row_major(c->ctx, c->x, 0, &c->x_copy, &c->x);
    if (status == BNORM_OK) status = bnorm_row_major(c->ctx, c->y, 0, &c->y_copy, &c->y);
    return status;
}

static bnorm_status check_all(checker *c, ptrdiff_t entries, bnorm_check_block *report)
{
    bnorm_status status = prepare(c);
    if (status == BNORM_OK) status = check_objective(c, c->x, &c->value, c->gradient);
    if (status == BNORM_OK) status = measure_noise(c);
    if (status != BNORM_OK) return status;
    c->scale = bnorm_largest(c->net->parameter_count, c->gradient);
    for (ptrdiff_t k = 0; k < c->net->block_count && status == BNORM_OK; k++)
        status = check_block(c, k, entries, report + k);
    return status == BNORM_OK ? verdict(c, report) : status;
}

bnorm_status bnorm_net_check(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                             const double *weights, const bnorm_loss *loss, uint64_t seed,
                             ptrdiff_t entries, bnorm_check_block *report)
{
    return bnorm_net_check_until(ctx, net, x, y, weights, loss, seed, entries, NULL, NULL,
                                 report);
}

bnorm_status bnorm_net_check_until(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                   bnorm_mat_f64 y, const double *weights,
                                   const bnorm_loss *loss, uint64_t seed, ptrdiff_t entries,
                                   int (*interrupted)(void *user), void *user,
                                   bnorm_check_block *report)
{
    checker c = {.ctx = ctx,
                 .net = net,
                 .x = x,
                 .y = y,
                 .weights = weights,
                 .loss = loss,
                 .seed = seed,
                 .interrupted = interrupted,
                 .interrupted_user = user};
    if (!report || entries < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s",
                          report ? "entries is negative" : "report is NULL");
    bnorm_status status = bnorm_net_check_x(ctx, net, x);
    if (status == BNORM_OK) status = bnorm_net_check_targets(ctx, net, x, y, loss);
    if (status == BNORM_OK) status = bnorm_net_check_weights(ctx, x.rows, weights, &c.n);
    if (status != BNORM_OK) return status;
    int held = bnorm_blas_hold();
    status = check_all(&c, entries, report);
    bnorm_blas_release(held);
    bnorm_free(c.memory);
    bnorm_free(c.order);
    bnorm_buffer_free(&c.x_copy);
    bnorm_buffer_free(&c.y_copy);
    return status;
}
