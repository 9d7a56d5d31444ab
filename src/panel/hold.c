/* hold: which rows are held out, and the errors of a model there. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/panel.h"

/* ------------------------------------------------------------------------ what is held out */

/* Groups in an order; the first of them, about the share of the rows, are held out. */
typedef struct groups {
    const int32_t *codes; /* rows; NULL: each row is one */
    ptrdiff_t count, *size, *order;
    unsigned char *out;
} groups;

static void count_rows(const groups *g, ptrdiff_t rows)
{
    for (ptrdiff_t k = 0; k < g->count; k++) g->size[k] = !g->codes;
    for (ptrdiff_t i = 0; g->codes && i < rows; i++) g->size[g->codes[i]]++;
}

static ptrdiff_t choose(const groups *g, ptrdiff_t rows, double share)
{
    ptrdiff_t held = 0, taken = 0, there = 0;
    for (ptrdiff_t k = 0; k < g->count; k++) there += g->size[k] > 0;
    memset(g->out, 0, (size_t)g->count);
    for (ptrdiff_t i = 0; i < g->count && taken < there - 1; i++) {
        ptrdiff_t k = g->order[i];
        if (g->size[k] == 0) continue;
        if (taken > 0 && (double)held + 0.5 * (double)g->size[k] > share * (double)rows) break;
        g->out[k] = 1;
        held += g->size[k];
        taken++;
    }
    return taken;
}

static bnorm_status mark(bnorm_ctx *ctx, const groups *g, ptrdiff_t rows, double share,
                         const char *what, unsigned char *held)
{
    count_rows(g, rows);
    if (choose(g, rows, share) == 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "there is a single %s: nothing can be held out by %ss", what, what);
    for (ptrdiff_t i = 0; i < rows; i++) held[i] = g->out[g->codes ? g->codes[i] : i];
    return BNORM_OK;
}

bnorm_status bnorm_problem_hold(bnorm_ctx *ctx, const problem *p, problem_hold what,
                                double share, uint64_t seed, unsigned char *held)
{
    static const char *const names[] = {"row", "unit", "period"};
    groups g = {.count = p->rows};
    if (!(share > 0 && share < 1))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the share held out is %g: it lies between 0 and 1", share);
    if (what == HOLD_PERIODS && !p->period)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "there are no periods to hold out");
    if (what == HOLD_UNITS && p->unit) g = (groups){.codes = p->unit, .count = p->units};
    if (what == HOLD_PERIODS) g = (groups){.codes = p->period, .count = p->periods};
    g.size = bnorm_alloc(ctx, g.count, 2 * sizeof *g.size);
    g.out = bnorm_alloc(ctx, g.count, 1);
    bnorm_status status = BNORM_OK;
    if (g.size && g.out) {
        g.order = g.size + g.count;
        for (ptrdiff_t k = 0; k < g.count; k++) g.order[k] = g.count - 1 - k;
        if (what != HOLD_PERIODS)
            bnorm_random_permutation(seed, UINT64_C(3) << 62, g.count, g.order);
        status = mark(ctx, &g, p->rows, share, names[what], held);
    } else
        status = bnorm_fail_memory(ctx, "what is held out");
    bnorm_free(g.size);
    bnorm_free(g.out);
    return status;
}

/* -------------------------------------------------------------------------------- errors */

/* The mean effect, by the weights of the rows trained on, for levels that were not there. */
static void fill_unseen(const problem *trained, const bnorm_factor *f, double *effects)
{
    double sum = 0, n = 0;
    for (ptrdiff_t i = 0; i < trained->rows; i++) {
        double weight = trained->weights ? trained->weights[i] : 1;
        double effect = effects[f->codes[i]];
        if (weight == 0 || isnan(effect)) continue;
        sum += weight * effect;
        n += weight;
    }
    for (ptrdiff_t l = 0; l < f->levels; l++)
        if (isnan(effects[l])) effects[l] = n > 0 ? sum / n : 0;
}

static void subtract(const problem *held, ptrdiff_t k, const double *effects, double *e)
{
    const bnorm_factor *f = &held->factors[k];
    for (ptrdiff_t i = 0; i < held->rows; i++)
        e[i] -= effects[f->codes[i]] * (f->slope ? f->slope[i] : 1);
}

/* r, then the effects; e: the scores of the held rows on entry, their errors on return. */
static bnorm_status with_effects(bnorm_ctx *ctx, const problem *held, const problem *trained,
                                 double *r, double *effects, double *e)
{
    BNORM_TRY(bnorm_problem_score(ctx, trained, r));
    for (ptrdiff_t i = 0; i < trained->rows; i++) r[i] = trained->y[i] - r[i];
    BNORM_TRY(bnorm_within_effects(ctx, trained->within, r, effects));
    BNORM_TRY(bnorm_problem_score(ctx, held, e));
    for (ptrdiff_t i = 0; i < held->rows; i++) e[i] = held->y[i] - e[i];
    for (ptrdiff_t k = 0; k < held->factor_count; k++) {
        fill_unseen(trained, &trained->factors[k], effects);
        subtract(held, k, effects, e);
        effects += held->factors[k].levels;
    }
    return BNORM_OK;
}

static bnorm_status find_errors(bnorm_ctx *ctx, const problem *held, const problem *trained,
                                double *e)
{
    bnorm_mat_f64 none = {0};
    if (!trained || !trained->within) return bnorm_problem_design(ctx, held, none, none, e);
    ptrdiff_t levels = 0;
    for (ptrdiff_t k = 0; k < held->factor_count; k++) levels += held->factors[k].levels;
    double *r = bnorm_alloc(ctx, trained->rows + levels, sizeof *r);
    if (!r) return bnorm_fail_memory(ctx, "the effects");
    bnorm_status status = with_effects(ctx, held, trained, r, r + trained->rows, e);
    bnorm_free(r);
    return status;
}

bnorm_status bnorm_problem_errors(bnorm_ctx *ctx, const problem *held, const problem *trained,
                                  double *sum, double *n)
{
    double *e = bnorm_alloc(ctx, held->rows, sizeof *e);
    if (!e) return bnorm_fail_memory(ctx, "errors");
    bnorm_status status = find_errors(ctx, held, trained, e);
    exact_sum squares = {0, 0};
    for (ptrdiff_t i = 0; i < held->rows && status == BNORM_OK; i++)
        bnorm_exact_add(&squares, (held->weights ? held->weights[i] : 1) * e[i] * e[i]);
    *sum = bnorm_exact_value(&squares);
    *n = held->n;
    bnorm_free(e);
    return status;
}
