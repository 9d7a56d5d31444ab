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

#include "base/memory.h"
#include "base/ctx.h"
#include "panel/within.h"

enum { L = BNORM_LANES, MOST_SWEEPS = 10000, MOST_STALLS = 3 };

/* What is left of a column that is a sum of effects: roundoff. */
#define NOTHING 0x1p-46
/* A round of conjugate gradients goes so far below the tolerance. */
#define MARGIN 0.25

#define EACH(l) (int l = 0; l < L; l++)

typedef struct lanes_state {
    const bnorm_within *q;
    const within_lanes *x;
    within_work *w;
    int open[L];                       /* still to be projected */
    double first[L], norm[L], seen[L]; /* |y| after the first pass, |y|, |g| */
} lanes_state;

/* ---------------------------------------------------------------------- levels of the leading block */

/* t of the places begin .. end-1 -= their mean (of those below `live`, with weights); mean gets it. */
static void take_mean(const bnorm_within *q, ptrdiff_t level, ptrdiff_t begin, ptrdiff_t live,
                      ptrdiff_t end, double *t, double *mean)
{
    double sum[L] = {0};
    for (ptrdiff_t e = begin; e < live; e++) {
        const double *row = t + (e - begin) * L;
        if (q->weights)
            for
                EACH(l) sum[l] += q->weights[e] * row[l];
        else
            for
                EACH(l) sum[l] += row[l];
    }
    for
        EACH(l) mean[l] = sum[l] / q->block[0].total[level];
    for (ptrdiff_t e = begin; e < end; e++)
        for
            EACH(l) t[(e - begin) * L + l] -= mean[l];
}

/* The same for a slope, of length 1. */
static void take_slope(const bnorm_within *q, const double *basis, ptrdiff_t begin,
                       ptrdiff_t live, ptrdiff_t end, double *t, double *share)
{
    for
        EACH(l) share[l] = 0;
    for (ptrdiff_t e = begin; e < live; e++) {
        double a = basis[e] * (q->weights ? q->weights[e] : 1);
        for
            EACH(l) share[l] += a * t[(e - begin) * L + l];
    }
    for (ptrdiff_t e = begin; e < end; e++)
        for
            EACH(l) t[(e - begin) * L + l] -= basis[e] * share[l];
}

/* Projects the columns of a level out of t. sums (cols x lanes, or NULL) gain the coefficients. */
static void take_level(const bnorm_within *q, ptrdiff_t level, ptrdiff_t end, double *t,
                       double *sums)
{
    const within_block *b = &q->block[0];
    ptrdiff_t begin = q->start[level], live = q->live[level];
    for (int again = 0; again < (b->basis ? 2 : 1); again++)
        for (ptrdiff_t j = 0; j < b->cols; j++) {
            double share[L];
            if (j < b->constant)
                take_mean(q, level, begin, live, end, t, share);
            else
                take_slope(q, b->basis + (j - b->constant) * q->rows, begin, live, end, t,
                           share);
            for (int l = 0; sums && l < L; l++) sums[j * L + l] += share[l];
        }
}

/* ------------------------------------------------------------------------- the other blocks */

/* t = (or += unless `first`) the columns of a block times coefficients. */
static void gather(const bnorm_within *q, const within_block *b, ptrdiff_t begin, ptrdiff_t end,
                   const double *coefficients, int first, double *t)
{
    for (ptrdiff_t e = begin; e < end; e++) {
        const double *c = coefficients + (b->offset + b->codes[e] * b->cols) * L;
        double *row = t + (e - begin) * L, sum[L] = {0};
        if (!first) memcpy(sum, row, sizeof sum);
        if (b->constant)
            for
                EACH(l) sum[l] += c[l];
        for (ptrdiff_t j = b->constant; j < b->cols; j++) {
            double a = b->basis[(j - b->constant) * q->rows + e];
            for
                EACH(l) sum[l] += a * c[j * L + l];
        }
        memcpy(row, sum, sizeof sum);
    }
}

/* image += omega times the columns of a block, times t. */
static void scatter(const bnorm_within *q, const within_block *b, ptrdiff_t begin,
                    ptrdiff_t end, const double *t, double *image)
{
    for (ptrdiff_t e = begin; e < end; e++) {
        double *c = image + (b->offset + b->codes[e] * b->cols) * L, row[L];
        double w = q->weights ? q->weights[e] : 1;
        for
            EACH(l) row[l] = w * t[(e - begin) * L + l];
        if (b->constant)
            for
                EACH(l) c[l] += row[l];
        for (ptrdiff_t j = b->constant; j < b->cols; j++) {
            double a = b->basis[(j - b->constant) * q->rows + e];
            for
                EACH(l) c[j * L + l] += a * row[l];
        }
    }
}

/* image = S direction. A level of one row sees nothing but its own constant. */
static void apply(const bnorm_within *q, within_work *w)
{
    memset(w->image, 0, (size_t)(q->unknowns * L) * sizeof *w->image);
    for (ptrdiff_t level = 0; level < q->block[0].levels; level++) {
        ptrdiff_t begin = q->start[level], live = q->live[level];
        if (live - begin <= q->block[0].constant) continue;
        for (ptrdiff_t b = 1; b < q->blocks; b++)
            gather(q, &q->block[b], begin, live, w->direction, b == 1, w->level);
        take_level(q, level, live, w->level, NULL);
        for (ptrdiff_t b = 1; b < q->blocks; b++)
            scatter(q, &q->block[b], begin, live, w->level, w->image);
    }
}

/* ------------------------------------------------------------------------------------- a pass */

/* s + rest = s + rest - b, exactly but for the rounding of the rests (Knuth's sum). */
static inline void subtract(double *s, double *rest, double b)
{
    double d = *s - b, back = d - *s;
    *rest += (*s - (d - back)) - (b + back);
    *s = d;
}

static void read_row(const within_lanes *x, ptrdiff_t i, double *row)
{
    for (int l = 0; l < x->count; l++) row[l] = x->from[i * x->from_row + l * x->from_col];
}

/* A row less what the other blocks' solution says and less `pivot`, to the last digit: effects
 * of 1e9 that make a small difference cost none of its digits. */
static void left_of(const lanes_state *s, ptrdiff_t e, const double *pivot, double *row)
{
    const bnorm_within *q = s->q;
    double rest[L] = {0};
    for
        EACH(l) subtract(&row[l], &rest[l], pivot[l]);
    for (ptrdiff_t k = 1; k < q->blocks; k++) {
        const within_block *b = &q->block[k];
        const double *c = s->w->solution + (b->offset + b->codes[e] * b->cols) * L;
        for (ptrdiff_t j = 0; j < b->cols; j++) {
            double a = j < b->constant ? 1 : b->basis[(j - b->constant) * q->rows + e];
            for
                EACH(l) subtract(&row[l], &rest[l], a * c[j * L + l]);
        }
    }
    for
        EACH(l) row[l] += rest[l];
}

/* The rows of a level into w->level, less the solution (when there is one) and a pivot, about
 * what is left of the first row: differences of close numbers are exact, and a constant level
 * leaves exactly 0. sums (or NULL) gain the pivot. */
static void load_level(const lanes_state *s, ptrdiff_t level, int solved, double *sums)
{
    const bnorm_within *q = s->q;
    ptrdiff_t begin = q->start[level], end = q->start[level + 1];
    double pivot[L] = {0}, none[L] = {0};
    if (q->live[level] > begin && q->block[0].constant) {
        read_row(s->x, q->order[begin], pivot);
        if (solved) left_of(s, begin, none, pivot);
    }
    for (ptrdiff_t e = begin; e < end; e++) {
        double *row = s->w->level + (e - begin) * L;
        for
            EACH(l) row[l] = 0;
        read_row(s->x, q->order[e], row);
        if (solved)
            left_of(s, e, pivot, row);
        else
            for
                EACH(l) row[l] -= pivot[l];
    }
    for (int l = 0; sums && l < L; l++) sums[l] += pivot[l];
}

static void store_level(lanes_state *s, ptrdiff_t level)
{
    const bnorm_within *q = s->q;
    const within_lanes *x = s->x;
    ptrdiff_t begin = q->start[level];
    for (ptrdiff_t e = begin; e < q->start[level + 1]; e++) {
        const double *row = s->w->level + (e - begin) * L;
        for (int l = 0; l < x->count; l++)
            if (s->open[l]) x->to[q->order[e] * x->to_row + l * x->to_col] = row[l];
        if (e >= q->live[level]) continue;
        double w = q->weights ? q->weights[e] : 1;
        for
            EACH(l) s->norm[l] += w * row[l] * row[l];
    }
}

/* y = (I - P)(x - D solution); then norm, residual = g and seen. */
static void pass(lanes_state *s, int solved)
{
    const bnorm_within *q = s->q;
    within_work *w = s->w;
    for
        EACH(l) s->norm[l] = s->seen[l] = 0;
    memset(w->residual, 0, (size_t)(q->unknowns * L) * sizeof *w->residual);
    for (ptrdiff_t level = 0; level < q->block[0].levels; level++) {
        ptrdiff_t begin = q->start[level], end = q->start[level + 1], live = q->live[level];
        double *sums = w->sums ? w->sums + level * q->block[0].cols * L : NULL;
        if (begin == end) continue;
        load_level(s, level, solved, q->block[0].constant ? sums : NULL);
        if (live > begin) take_level(q, level, end, w->level, sums);
        store_level(s, level);
        for (ptrdiff_t b = 1; b < q->blocks; b++)
            scatter(q, &q->block[b], begin, live, w->level, w->residual);
    }
    for (ptrdiff_t u = 0; u < q->unknowns; u++)
        for
            EACH(l)
            {
                double g = w->residual[u * L + l];
                s->seen[l] += q->inverse[u] * g * g;
            }
    for
        EACH(l) s->norm[l] = sqrt(s->norm[l]), s->seen[l] = sqrt(s->seen[l]);
}

/* ------------------------------------------------------------------------ conjugate gradients */

typedef struct gradients {
    int open[L];
    double rho[L], alpha[L], beta[L], stop[L];
} gradients;

/* direction = z + beta direction with z = residual / squared lengths. */
static void turn(const lanes_state *s, const gradients *c)
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

static void step(const lanes_state *s, gradients *c)
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
static void solve(lanes_state *s, ptrdiff_t *sweeps)
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
        apply(s->q, s->w);
        for
            EACH(l) sweeps[l] += c.open[l];
        step(s, &c);
    }
}

/* ------------------------------------------------------------------------------------- rounds */

/* Closes the lanes that are done, and those whose numbers are not finite. */
static int anything_open(lanes_state *s)
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

/* A column with a number that is not finite becomes NaN altogether, for what it does to one
 * level it would do to all. */
static void spoil(const lanes_state *s, int lane)
{
    const within_lanes *x = s->x;
    for (ptrdiff_t i = 0; i < s->q->rows; i++)
        x->to[i * x->to_row + lane * x->to_col] = (double)NAN;
}

static void keep_sums(lanes_state *s)
{
    double *sums = s->w->sums ? s->w->sums + bnorm_within_lead(s->q) * L : NULL;
    for (ptrdiff_t k = 0; sums && k < s->q->unknowns * L; k++) sums[k] += s->w->solution[k];
}

void bnorm_within_project(const bnorm_within *q, const within_lanes *x, within_work *w,
                          within_result *result)
{
    lanes_state s = {.q = q, .x = x, .w = w};
    within_lanes again = *x;
    ptrdiff_t sweeps[L] = {0}, stalls = 0;
    again.from = x->to, again.from_row = x->to_row, again.from_col = x->to_col;
    for
        EACH(l) s.open[l] = l < x->count;
    pass(&s, 0);
    memcpy(s.first, s.norm, sizeof s.first);
    s.x = &again;
    while (q->blocks > 1 && anything_open(&s) && stalls < MOST_STALLS) {
        double before[L];
        int better = 0;
        memcpy(before, s.seen, sizeof before);
        solve(&s, sweeps);
        keep_sums(&s);
        pass(&s, 1);
        for
            EACH(l) better |= s.open[l] && !(s.seen[l] > before[l] / 2);
        stalls += !better;
    }
    *result = (within_result){.failed = -1};
    for (int l = 0; l < x->count; l++) {
        if (q->blocks > 1 && !(isfinite(s.norm[l]) && isfinite(s.seen[l]))) spoil(&s, l);
        if (s.open[l] && q->blocks > 1 && result->failed < 0) {
            result->failed = l;
            result->residual = s.seen[l] / s.norm[l];
        }
        result->sweeps = sweeps[l] + 1 > result->sweeps ? sweeps[l] + 1 : result->sweeps;
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
