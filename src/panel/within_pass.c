/* within_pass: one pass over the rows, level by level of the leading block: what is left of the
 * columns (bnorm_within_pass), and the operator S that conjugate gradients need
 * (bnorm_within_apply). A level's rows lie in w->level while it is worked on, lanes side by side.
 */
#include <math.h>
#include <string.h>

#include "panel/within_pass.h"

enum { L = BNORM_LANES };

#define EACH(l) (int l = 0; l < L; l++)

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

/* The usual case, two factors without slopes: image of a level's rows begin .. live-1, whose
 * directions need no place of their own. */
static void apply_pair(const bnorm_within *q, const within_work *w, ptrdiff_t level)
{
    const int32_t *codes = q->block[1].codes;
    const double *weights = q->weights;
    ptrdiff_t begin = q->start[level], live = q->live[level];
    double total = q->block[0].total[level], mean[L] = {0};
    for (ptrdiff_t e = begin; e < live; e++) {
        const double *d = w->direction + (ptrdiff_t)codes[e] * L;
        double omega = weights ? weights[e] : 1;
        for
            EACH(l)
        mean[l] += omega * d[l];
    }
    for
        EACH(l)
    mean[l] /= total;
    for (ptrdiff_t e = begin; e < live; e++) {
        const double *d = w->direction + (ptrdiff_t)codes[e] * L;
        double *image = w->image + (ptrdiff_t)codes[e] * L;
        double omega = weights ? weights[e] : 1;
        for
            EACH(l)
        image[l] += omega * (d[l] - mean[l]);
    }
}

static void apply_level(const bnorm_within *q, const within_work *w, ptrdiff_t level)
{
    ptrdiff_t begin = q->start[level], live = q->live[level];
    for (ptrdiff_t b = 1; b < q->blocks; b++)
        gather(q, &q->block[b], begin, live, w->direction, b == 1, w->level);
    take_level(q, level, live, w->level, NULL);
    for (ptrdiff_t b = 1; b < q->blocks; b++)
        scatter(q, &q->block[b], begin, live, w->level, w->image);
}

/* A level of one row sees nothing but its own constant. */
void bnorm_within_apply(const bnorm_within *q, const within_work *w)
{
    int pair = q->blocks == 2 && !q->block[0].basis && !q->block[1].basis;
    memset(w->image, 0, (size_t)(q->unknowns * L) * sizeof *w->image);
    for (ptrdiff_t level = 0; level < q->block[0].levels; level++) {
        if (q->live[level] - q->start[level] <= q->block[0].constant) continue;
        if (pair)
            apply_pair(q, w, level);
        else
            apply_level(q, w, level);
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
static void left_of(const within_state *s, ptrdiff_t e, const double *pivot, double *row)
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
static void load_level(const within_state *s, ptrdiff_t level, int solved, double *sums)
{
    const bnorm_within *q = s->q;
    ptrdiff_t begin = q->start[level], end = q->start[level + 1];
    double pivot[L] = {0}, none[L] = {0};
    if (q->live[level] > begin && q->block[0].constant) {
        read_row(&s->x, q->order[begin], pivot);
        if (solved) left_of(s, begin, none, pivot);
    }
    for (ptrdiff_t e = begin; e < end; e++) {
        double *row = s->w->level + (e - begin) * L;
        for
            EACH(l) row[l] = 0;
        read_row(&s->x, q->order[e], row);
        if (solved)
            left_of(s, e, pivot, row);
        else
            for
                EACH(l) row[l] -= pivot[l];
    }
    for (int l = 0; sums && l < L; l++) sums[l] += pivot[l];
}

static void measure_level(within_state *s, ptrdiff_t level)
{
    const bnorm_within *q = s->q;
    for (ptrdiff_t e = q->start[level]; e < q->live[level]; e++) {
        const double *row = s->w->level + (e - q->start[level]) * L;
        double w = q->weights ? q->weights[e] : 1;
        for
            EACH(l)
        s->norm[l] += w * row[l] * row[l];
    }
}

static void store_level(const within_state *s, ptrdiff_t level, within_store store)
{
    const bnorm_within *q = s->q;
    const within_lanes *x = &s->x;
    for (ptrdiff_t e = q->start[level]; e < q->start[level + 1]; e++) {
        const double *row = s->w->level + (e - q->start[level]) * L;
        for (int l = 0; l < x->count; l++)
            if (store == WITHIN_STORE_ALL || s->open[l])
                x->to[q->order[e] * x->to_row + l * x->to_col] = row[l];
    }
}

/* |g|, in units of the columns' lengths, and |y|. */
static void finish(within_state *s)
{
    for (ptrdiff_t u = 0; u < s->q->unknowns; u++)
        for
            EACH(l)
            {
                double g = s->w->residual[u * L + l];
                s->seen[l] += s->q->inverse[u] * g * g;
            }
    for
        EACH(l)
        {
            s->norm[l] = sqrt(s->norm[l]);
            s->seen[l] = sqrt(s->seen[l]);
        }
}

void bnorm_within_pass(within_state *s, int solved, within_store store)
{
    const bnorm_within *q = s->q;
    within_work *w = s->w;
    ptrdiff_t cols = q->block[0].cols;
    for
        EACH(l)
    s->norm[l] = s->seen[l] = 0;
    memset(w->residual, 0, (size_t)(q->unknowns * L) * sizeof *w->residual);
    for (ptrdiff_t level = 0; level < q->block[0].levels; level++) {
        ptrdiff_t begin = q->start[level], end = q->start[level + 1], live = q->live[level];
        double *sums = w->sums && store != WITHIN_MEASURE ? w->sums + level * cols * L : NULL;
        if (begin == end) continue;
        load_level(s, level, solved, q->block[0].constant ? sums : NULL);
        if (live > begin) take_level(q, level, end, w->level, sums);
        measure_level(s, level);
        if (store != WITHIN_MEASURE) store_level(s, level, store);
        for (ptrdiff_t b = 1; b < q->blocks; b++)
            scatter(q, &q->block[b], begin, live, w->level, w->residual);
    }
    finish(s);
}
