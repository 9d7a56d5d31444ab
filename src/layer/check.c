/* check: the gradient of a network against difference quotients of
 *   F = R + sum(U * scores)/rows,  U ~ N(0, 1),
 * in training mode with one mask. For each entry theta the central quotients
 * D(h) = [F(theta+h) - F(theta-h)]/2h of a falling ladder of steps are combined by Richardson's
 * rule; of all neighbours on the ladder those with the least bound count.
 *
 * The bound is the sum of what can explain a difference though the gradient is right:
 *   truncation  the change of D from the wider step to the narrower: where F is smooth at least
 *               15 times what D(h) is off, where its slope bends (Huber's loss) still 3 times
 *   rounding    2 noise/h, and 4 times the noise of the gradient entry itself
 *   a kink      half the jump of the slope, when one-sided quotients keep apart as h falls;
 *               where nothing else explains an entry every rung is searched for one
 * The noise is measured, not guessed: F and its gradient are computed again with x and every
 * layer's output off by random relative errors of up to two units of rounding; so it knows the
 * conditioning of the network at hand. Equal values get equal errors: a constant column stays
 * constant.
 * A bound that noise blew up hides nothing: it is capped at 1e-3 of the scale of the block's
 * gradient (or 1e-6 of the network's, or 1e-9 of F, whichever is largest: for blocks whose
 * gradient is zero). Only a kink is exempt: there any slope between the one-sided ones is
 * right.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"
#include "matrix/blas.h"

enum { DRAWS = 6, LEVELS = 16 };

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

/* --------------------------------------------------------------------------------- entry */

/* One rung of the ladder: central quotient and jump between the one-sided ones. */
typedef struct rung {
    double h, quotient, jump;
} rung;

static bnorm_status climb(checker *c, double *theta, double h, rung *r)
{
    double kept = *theta, up = kept + h, down = kept - h, high, low, size = c->size;
    *theta = up;
    bnorm_status status = check_objective(c, c->x, &high, NULL);
    *theta = down;
    if (status == BNORM_OK) status = check_objective(c, c->x, &low, NULL);
    *theta = kept;
    c->size = size;
    if (status != BNORM_OK) return status;
    r->h = 0.5 * (up - down);
    r->quotient = (high - low) / (up - down);
    r->jump = (high - c->value) / (up - kept) - (c->value - low) / (kept - down);
    return BNORM_OK;
}

/* Of a smooth F the jump falls with h, of a kink it does not: it is the kink's own and h F'',
 * which a wide rung may cancel. */
static double kink(const checker *c, const rung *wide, const rung *narrow)
{
    double jump = fabs(narrow->jump), rounding = 4 * c->noise / narrow->h;
    if (!(jump > rounding && jump > 0.5 * fabs(wide->jump))) return 0;
    return 0.5 * (jump + fabs(narrow->jump - wide->jump));
}

typedef struct quotient {
    double value, bound, kink; /* bound without the kink */
} quotient;

/* Steps fall by 4 from 1e-3 max(1, |theta|) until the bound is small against the cap, or
 * rounding alone exceeds the best bound. */
static bnorm_status differentiate(checker *c, ptrdiff_t k, double enough, quotient *best)
{
    double *theta = &c->net->parameters[k], h = 1e-3 * fmax(1, fabs(*theta));
    double gradient = 4 * c->spread[k] + 8 * DBL_EPSILON * fabs(c->gradient[k]);
    rung wide, narrow;
    bnorm_status status = climb(c, theta, h, &wide);
    *best = (quotient){NAN, INFINITY, 0};
    for (int level = 1; level < LEVELS && status == BNORM_OK; level++) {
        h /= 4;
        status = climb(c, theta, h, &narrow);
        if (status != BNORM_OK) break;
        double correction = (narrow.quotient - wide.quotient) / 15; /* ratio 4: 4^2 - 1 */
        double rounding = 2 * c->noise / narrow.h + gradient;
        double jump = kink(c, &wide, &narrow), bound = 15 * fabs(correction) + rounding;
        if (bound + jump < best->bound + best->kink)
            *best = (quotient){narrow.quotient + correction, bound, jump};
        if (best->bound + best->kink <= enough || rounding >= best->bound + best->kink) break;
        wide = narrow;
    }
    return status;
}

/* A kink that is small against h F'' shows on narrow rungs alone: the one whose one-sided
 * quotients, each give or take what it still moves, enclose the analytic value becomes the
 * quotient. Without such a rung *q stays. */
static bnorm_status seek_kink(checker *c, ptrdiff_t k, double cap, quotient *q)
{
    double *theta = &c->net->parameters[k], h = 1e-3 * fmax(1, fabs(*theta));
    rung wide, narrow;
    bnorm_status status = climb(c, theta, h, &wide);
    for (int level = 1; level < LEVELS && status == BNORM_OK; level++, wide = narrow) {
        h /= 4;
        status = climb(c, theta, h, &narrow);
        double rounding = 4 * c->noise / narrow.h + 4 * c->spread[k];
        if (status != BNORM_OK || rounding >= cap) break;
        double moved = fabs(narrow.quotient - wide.quotient);
        double bent = 0.5 * fabs(narrow.jump - wide.jump);
        double bound = moved + bent + rounding, jump = 0.5 * fabs(narrow.jump);
        if (kink(c, &wide, &narrow) == 0) continue;
        if (!(fabs(c->gradient[k] - narrow.quotient) <= fmin(bound, cap) + jump)) continue;
        *q = (quotient){narrow.quotient, bound, jump};
        break;
    }
    return status;
}

/* --------------------------------------------------------------------------------- block */

static int explained(double analytic, const quotient *q, double cap)
{
    return fabs(analytic - q->value) <= fmin(q->bound, cap) + q->kink;
}

static double largest(ptrdiff_t count, const double *v)
{
    double most = 0;
    for (ptrdiff_t k = 0; k < count; k++) most = fmax(most, fabs(v[k]));
    return most;
}

static bnorm_status check_block(checker *c, ptrdiff_t k, ptrdiff_t entries,
                                bnorm_check_block *report)
{
    const bnorm_block *b = &c->net->blocks[k];
    ptrdiff_t count = b->rows * b->cols, some = entries && entries < count ? entries : count;
    double scale = largest(count, c->gradient + b->offset), worst = -1;
    double cap = 1e-3 * fmax(scale, fmax(1e-3 * c->scale, 1e-6 * c->size));
    *report = (bnorm_check_block){.ok = 1};
    memcpy(report->name, b->name, sizeof report->name);
    if (some < count)
        bnorm_random_permutation(c->seed, UINT64_C(3) << 62 | (uint64_t)k, count, c->order);
    for (ptrdiff_t i = 0; i < some; i++) {
        ptrdiff_t entry = some < count ? c->order[i] : i;
        double analytic = c->gradient[b->offset + entry];
        quotient q;
        bnorm_status status = differentiate(c, b->offset + entry, 1e-5 * cap, &q);
        if (status == BNORM_OK && !explained(analytic, &q, cap))
            status = seek_kink(c, b->offset + entry, cap, &q);
        if (status != BNORM_OK) return status;
        double error = fabs(analytic - q.value), bound = fmin(q.bound, cap) + q.kink;
        double ratio = error == 0 ? 0 : error / bound;
        if (!explained(analytic, &q, cap)) {
            report->ok = 0;
            if (isnan(ratio)) ratio = INFINITY;
        }
        if (!(ratio > worst)) continue;
        worst = ratio;
        report->row = entry / b->cols;
        report->col = entry % b->cols;
        report->analytic = analytic;
        report->numeric = q.value;
        report->error = error;
        report->bound = bound;
    }
    return BNORM_OK;
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
    for (ptrdiff_t k = 0; k < blocks; k++)
        if (!report[k].ok)
            return bnorm_fail(ctx, BNORM_E_CHECK,
                              "block %s, row %td, column %td: the gradient is %.10g, the "
                              "difference quotient %.10g; at most %.2g apart is explained",
                              report[k].name, report[k].row + 1, report[k].col + 1,
                              report[k].analytic, report[k].numeric, report[k].bound);
    return BNORM_OK;
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
    c->scale = largest(c->net->parameter_count, c->gradient);
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
