/* check: the gradient of a structured model's reduced loss against difference quotients, on the
 * ladder of ladder.h. At a minimum a gradient is zero whatever is wrong with it, so the target is
 * moved at random first: by its own deviation, or half of the way to a random probability. The
 * noise is measured by passes with parameters off by random relative errors of up to two units of
 * rounding. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/ladder.h"
#include "matrix/blas.h"
#include "panel/reduced.h"
#include "structured/panel.h"

enum { DRAWS = 6 };

typedef struct checker {
    bnorm_ctx *ctx;
    bnorm_panel *panel;
    problem problem; /* with the target moved */
    reduced r;
    uint64_t seed;
    ptrdiff_t count; /* hidden parameters */
    double *y, *start, *gradient, *other, *spread, *disturbed;
    ptrdiff_t *order;
    double *memory;
    ladder ladder;
} checker;

static bnorm_status value_of(void *user, double *value)
{
    checker *c = user;
    return bnorm_reduced_value(c->ctx, &c->r, value, NULL);
}

/* y + s u, s the deviation of y within and u standard normal; logistic: (y + u)/2, u uniform. */
static void move_target(checker *c)
{
    const bnorm_panel *p = c->panel;
    double s = sqrt(p->info.fitted ? p->info.tss_within / p->info.n : 1);
    if (!(s > 0)) s = 1;
    if (p->info.logistic)
        bnorm_random_uniform(c->seed, UINT64_C(7) << 61, 0, p->info.rows, c->y);
    else
        bnorm_random_normal(c->seed, UINT64_C(7) << 61, 0, p->info.rows, c->y);
    for (ptrdiff_t i = 0; i < p->info.rows; i++)
        c->y[i] = p->info.logistic ? (p->y[i] + c->y[i]) / 2 : p->y[i] + s * c->y[i];
}

static bnorm_status prepare(checker *c)
{
    const bnorm_panel *p = c->panel;
    c->count = p->info.hidden;
    c->memory = bnorm_alloc(c->ctx, 5 * c->count + p->info.rows, sizeof *c->memory);
    c->order = bnorm_alloc(c->ctx, c->count, sizeof *c->order);
    if (!c->memory || !c->order) return bnorm_fail_memory(c->ctx, "the gradient check");
    c->start = c->memory;
    c->gradient = c->start + c->count;
    c->other = c->gradient + c->count;
    c->spread = c->other + c->count;
    c->disturbed = c->spread + c->count;
    c->y = c->disturbed + c->count;
    move_target(c);
    c->problem = p->problem;
    c->problem.y = c->y;
    bnorm_status status =
        bnorm_reduced_create(c->ctx, &c->problem, STREAMS_WHERE_THEY_PAY, &c->r);
    if (status == BNORM_OK) bnorm_reduced_get(&c->r, c->start);
    return status;
}

/* A parameter that moves by e moves F by e times its gradient: that much is no noise. */
static double explained(const checker *c)
{
    double sum = 0;
    for (ptrdiff_t k = 0; k < c->count; k++)
        sum += c->gradient[k] * (c->disturbed[k] - c->start[k]);
    return sum;
}

static bnorm_status measure_noise(checker *c)
{
    bnorm_status status = BNORM_OK;
    memset(c->spread, 0, (size_t)c->count * sizeof *c->spread);
    for (uint64_t draw = 1; draw <= DRAWS && status == BNORM_OK; draw++) {
        double value;
        bnorm_disturb(draw, c->count, c->start, c->disturbed);
        bnorm_reduced_set(&c->r, c->disturbed);
        status = bnorm_reduced_value(c->ctx, &c->r, &value, c->other);
        if (status != BNORM_OK) break;
        c->ladder.noise = fmax(c->ladder.noise, fabs(value - c->ladder.at - explained(c)));
        for (ptrdiff_t k = 0; k < c->count; k++)
            c->spread[k] = fmax(c->spread[k], fabs(c->other[k] - c->gradient[k]));
    }
    bnorm_reduced_set(&c->r, c->start);
    c->ladder.noise = 2 * c->ladder.noise + 32 * DBL_EPSILON * fabs(c->ladder.at);
    return status;
}

static bnorm_status check_block(checker *c, const problem_network *n, ptrdiff_t k,
                                ptrdiff_t block, ptrdiff_t first, ptrdiff_t entries,
                                bnorm_check_block *report)
{
    bnorm_block b;
    char name[64];
    bnorm_status status = bnorm_net_block(c->ctx, n->net, block, &b);
    if (status != BNORM_OK) return status;
    ptrdiff_t at = first + b.offset;
    double scale = bnorm_largest(b.rows * b.cols, c->gradient + at);
    double all = bnorm_largest(c->count, c->gradient);
    c->ladder.cap = 1e-3 * fmax(scale, fmax(1e-3 * all, 1e-6 * fabs(c->ladder.at)));
    snprintf(name, sizeof name, "nn%d.%.48s", (int)k + 1, b.name);
    memcpy(b.name, name, sizeof name);
    ladder_block one = {.block = &b,
                        .parameters = bnorm_net_parameters(n->net, NULL) + b.offset,
                        .gradient = c->gradient + at,
                        .spread = c->spread + at,
                        .entries = entries,
                        .seed = c->seed,
                        .stream = UINT64_C(3) << 62 | (uint64_t)at,
                        .order = c->order};
    return bnorm_ladder_block(&c->ladder, &one, report);
}

static bnorm_status check_all(checker *c, ptrdiff_t entries, bnorm_check_block *report)
{
    ptrdiff_t first = 0, done = 0;
    bnorm_status status = prepare(c);
    c->ladder.value = value_of;
    c->ladder.user = c;
    if (status == BNORM_OK)
        status = bnorm_reduced_value(c->ctx, &c->r, &c->ladder.at, c->gradient);
    if (status == BNORM_OK) status = measure_noise(c);
    for (ptrdiff_t k = 0; k < c->problem.network_count && status == BNORM_OK; k++) {
        const problem_network *n = c->problem.networks + k;
        ptrdiff_t size;
        for (ptrdiff_t b = 0; b < bnorm_net_block_count(n->net) && status == BNORM_OK; b++)
            status = check_block(c, n, k, b, first, entries, report + done++);
        bnorm_net_parameters(n->net, &size);
        first += size;
    }
    return status == BNORM_OK ? bnorm_ladder_verdict(c->ctx, report, done) : status;
}

static ptrdiff_t count_blocks(const bnorm_panel *p)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t k = 0; k < p->problem.network_count; k++)
        count += bnorm_net_block_count(p->nets[k].net);
    return count;
}

bnorm_status bnorm_panel_check(bnorm_ctx *ctx, bnorm_panel *panel, uint64_t seed,
                               ptrdiff_t entries, bnorm_check_block *report, ptrdiff_t *blocks)
{
    if (!panel || !blocks || entries < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_check: something is NULL, or entries is negative");
    bnorm_status status = bnorm_panel_need_rows(ctx, panel, "bnorm_panel_check");
    if (status != BNORM_OK) return status;
    ptrdiff_t room = *blocks;
    *blocks = count_blocks(panel);
    if (!report) return BNORM_OK;
    if (room < *blocks)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_check: room for %td of %td blocks", room, *blocks);
    if (panel->options.dropout > 0 && *blocks)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_check: with dropout the loss is never the same twice");
    checker c = {.ctx = ctx, .panel = panel, .seed = seed};
    int held = bnorm_blas_hold();
    status = check_all(&c, entries, report);
    bnorm_blas_release(held);
    bnorm_reduced_free(&c.r);
    bnorm_free(c.memory);
    bnorm_free(c.order);
    return status;
}
