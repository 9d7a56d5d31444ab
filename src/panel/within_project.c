/* within_project: up to BNORM_LANES columns are projected side by side.
 *
 * A pass takes from each row the coefficients found, projects the leading block out, level by
 * level, and measures what the other blocks' columns D still see of the result y: g = D'omega y.
 * Where |g| (in units of the columns' lengths) exceeds tolerance |y|, S b = g is solved for the
 * coefficients b of the other blocks by conjugate gradients, with S = D'omega (I - P) D, P the
 * projection on the leading block, and the lengths as preconditioner; then the next pass. So what
 * counts is measured on the result, not on a recursion, and a column that almost vanishes gets as
 * many rounds as its digits need. A lane that is done is not touched again: its bits do not
 * depend on its neighbours. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "panel/within_pass.h"

enum { L = BNORM_LANES, MOST_SWEEPS = 10000, MOST_STALLS = 3 };

/* What is left of a column that is a sum of effects: roundoff. */
#define NOTHING 0x1p-46
/* A round of conjugate gradients goes so far below the tolerance. */
#define MARGIN 0.25

#define EACH(l) (int l = 0; l < L; l++)

/* ------------------------------------------------------------------------ conjugate gradients */

typedef struct gradients {
    int open[L];
    double rho[L], alpha[L], beta[L], stop[L];
} gradients;

/* direction = z + beta direction with z = residual / squared lengths. */
static void turn(const within_state *s, const gradients *c)
{
    const within_work *w = s->w;
    for (ptrdiff_t u = 0; u < s->q->unknowns; u++)
        for
            EACH(l)
            {
                double *d = &w->direction[u * L + l];
                *d = s->q->inverse[u] * w->residual[u * L + l] + c->beta[l] * *d;
            }
}

static void step(const within_state *s, gradients *c)
{
    const within_work *w = s->w;
    double along[L] = {0}, rho[L] = {0};
    for (ptrdiff_t k = 0; k < s->q->unknowns * L; k += L)
        for
            EACH(l) along[l] += w->direction[k + l] * w->image[k + l];
    for
        EACH(l) c->alpha[l] = c->open[l] && along[l] > 0 ? c->rho[l] / along[l] : 0;
    for (ptrdiff_t u = 0; u < s->q->unknowns; u++)
        for
            EACH(l)
            {
                ptrdiff_t k = u * L + l;
                w->solution[k] += c->alpha[l] * w->direction[k];
                w->residual[k] -= c->alpha[l] * w->image[k];
                rho[l] += s->q->inverse[u] * w->residual[k] * w->residual[k];
            }
    for
        EACH(l)
        {
            c->beta[l] = c->open[l] && c->rho[l] > 0 ? rho[l] / c->rho[l] : 0;
            c->open[l] = c->open[l] && c->alpha[l] > 0 && sqrt(rho[l]) > c->stop[l];
            c->rho[l] = rho[l];
        }
}

/* Solves S solution = residual in the lanes that are open; the others' solution is 0. */
static void solve(within_state *s, ptrdiff_t *sweeps)
{
    size_t bytes = (size_t)(s->q->unknowns * L) * sizeof(double);
    gradients c = {.open = {0}};
    memset(s->w->solution, 0, bytes);
    memset(s->w->direction, 0, bytes);
    for
        EACH(l)
        {
            c.open[l] = s->open[l];
            c.rho[l] = s->seen[l] * s->seen[l];
            c.stop[l] = MARGIN * s->q->tolerance * s->norm[l];
        }
    for (;;) {
        int any = 0;
        for
            EACH(l) any |= c.open[l] = c.open[l] && sweeps[l] < MOST_SWEEPS;
        if (!any) return;
        turn(s, &c);
        bnorm_within_apply(s->q, s->w);
        for
            EACH(l) sweeps[l] += c.open[l];
        step(s, &c);
    }
}

/* ------------------------------------------------------------------------------------- rounds */

/* Closes the lanes that are done, and those whose numbers are not finite. */
static int anything_open(within_state *s)
{
    int any = 0;
    for
        EACH(l)
        {
            int done = s->seen[l] <= s->q->tolerance * s->norm[l] ||
                       s->norm[l] <= NOTHING * s->first[l] || !isfinite(s->norm[l]) ||
                       !isfinite(s->seen[l]);
            s->open[l] = s->open[l] && !done;
            any |= s->open[l];
        }
    return any;
}

static void keep_sums(within_state *s)
{
    double *sums = s->w->sums ? s->w->sums + bnorm_within_lead(s->q) * L : NULL;
    for (ptrdiff_t k = 0; sums && k < s->q->unknowns * L; k++) sums[k] += s->w->solution[k];
}

/* From x to y once, all lanes; from then on y is improved in place. The first y is made of x and
 * a solution together: what the leading block alone leaves would be rounded where the effects of
 * the others are large. */
static void iterate(within_state *s, ptrdiff_t *sweeps)
{
    int stalls = 0, solved = 0;
    while (anything_open(s) && stalls < MOST_STALLS) {
        double before[L];
        int better = 0;
        memcpy(before, s->seen, sizeof before);
        solve(s, sweeps);
        keep_sums(s);
        bnorm_within_pass(s, 1, solved++ ? WITHIN_STORE_OPEN : WITHIN_STORE_ALL);
        s->x.from = s->x.to;
        s->x.from_row = s->x.to_row;
        s->x.from_col = s->x.to_col;
        for
            EACH(l)
        better |= s->open[l] && !(s->seen[l] > before[l] / 2);
        stalls += !better;
    }
    if (!solved) bnorm_within_pass(s, 0, WITHIN_STORE_ALL);
}

/* A column with a number that is not finite becomes NaN altogether, for what it does to one
 * level it would do to all. */
static void spoil(const within_state *s, int lane)
{
    const within_lanes *x = &s->x;
    for (ptrdiff_t i = 0; i < s->q->rows; i++)
        x->to[i * x->to_row + lane * x->to_col] = (double)NAN;
}

void bnorm_within_project(const bnorm_within *q, const within_lanes *x, within_work *w,
                          within_result *result)
{
    within_state s = {.q = q, .x = *x, .w = w};
    ptrdiff_t sweeps[L] = {0};
    *result = (within_result){.sweeps = 1, .failed = -1};
    for
        EACH(l)
    s.open[l] = l < x->count;
    if (q->blocks == 1) {
        bnorm_within_pass(&s, 0, WITHIN_STORE_ALL);
        return;
    }
    bnorm_within_pass(&s, 0, WITHIN_MEASURE);
    memcpy(s.first, s.norm, sizeof s.first);
    iterate(&s, sweeps);
    for (int l = 0; l < x->count; l++) {
        if (!isfinite(s.norm[l]) || !isfinite(s.seen[l])) spoil(&s, l);
        if (sweeps[l] + 1 > result->sweeps) result->sweeps = sweeps[l] + 1;
        if (!s.open[l] || result->failed >= 0) continue;
        result->failed = l;
        result->residual = s.seen[l] / s.norm[l];
    }
}

bnorm_status bnorm_within_work_create(bnorm_ctx *ctx, const bnorm_within *q, within_work *w)
{
    *w = (within_work){NULL};
    w->solution = bnorm_alloc(ctx, q->unknowns * L, sizeof(double));
    w->residual = bnorm_alloc(ctx, q->unknowns * L, sizeof(double));
    w->direction = bnorm_alloc(ctx, q->unknowns * L, sizeof(double));
    w->image = bnorm_alloc(ctx, q->unknowns * L, sizeof(double));
    w->level = bnorm_alloc(ctx, q->widest * L, sizeof(double));
    if (w->solution && w->residual && w->direction && w->image && w->level) return BNORM_OK;
    bnorm_within_work_destroy(w);
    return bnorm_fail_memory(ctx, "the coefficients of the fixed effects");
}

void bnorm_within_work_destroy(within_work *w)
{
    bnorm_free(w->solution);
    bnorm_free(w->residual);
    bnorm_free(w->direction);
    bnorm_free(w->image);
    bnorm_free(w->level);
    bnorm_free(w->sums);
    *w = (within_work){NULL};
}
