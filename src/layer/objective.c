/* objective: R = sum omega l / sum omega and dR/dscores over rows that were checked. A row of
 * weight 0 does not exist. */
#include <math.h>

#include "base/threads.h"
#include "layer/layer.h"

/* Without a branch: a sum does not know which of two numbers is larger (Knuth 1969). */
void bnorm_exact_add(exact_sum *s, double value)
{
    double next = s->sum + value, part = next - s->sum;
    s->rest += (s->sum - (next - part)) + (value - part);
    s->sum = next;
}

/* An infinite or undefined sum has an undefined rest. */
double bnorm_exact_value(const exact_sum *s)
{
    return isfinite(s->sum) ? s->sum + s->rest : s->sum;
}

/* d = omega/n dl/dscore */
static void row_gradient(const criterion *o, ptrdiff_t scores, const double *score,
                         const double *y, double weight, double *d)
{
    double scale = weight / o->n;
    if (weight > 0) o->loss->gradient(o->loss->user, scores, score, y, d);
    for (ptrdiff_t k = 0; k < scores; k++) d[k] = weight > 0 ? scale * d[k] : 0;
}

void bnorm_objective_rows(const criterion *o, bnorm_mat_f64 scores, ptrdiff_t first,
                          exact_sum *sum, double *d)
{
    const bnorm_loss *loss = o->loss;
    ptrdiff_t cols = scores.cols;
    for (ptrdiff_t i = 0; i < scores.rows; i++) {
        const double *score = scores.data + i * scores.ld;
        const double *y = o->y.data + (first + i) * o->y.ld;
        double weight = o->weights ? o->weights[first + i] : 1;
        if (weight > 0) bnorm_exact_add(sum, weight * loss->value(loss->user, cols, score, y));
        if (!d) continue;
        row_gradient(o, cols, score, y, weight, d + i * cols);
        const double *u = o->u ? o->u + (first + i) * cols : NULL;
        for (ptrdiff_t k = 0; u && k < cols; k++) d[i * cols + k] += u[k] / (double)o->y.rows;
    }
}

/* ------------------------------------------------------------------------------ all rows */

enum { PARTS = 64, PART_ROWS = 256 };

typedef struct rows_of_loss {
    const criterion *o;
    bnorm_mat_f64 scores;
    ptrdiff_t step;
    exact_sum sums[PARTS];
} rows_of_loss;

static void part_task(void *argument, ptrdiff_t part)
{
    rows_of_loss *r = argument;
    ptrdiff_t first = part * r->step, rows = r->scores.rows - first;
    r->sums[part] = (exact_sum){0, 0};
    bnorm_objective_rows(r->o, bnorm_rows_of(r->scores, first, rows < r->step ? rows : r->step),
                         first, &r->sums[part], NULL);
}

double bnorm_objective_value(bnorm_ctx *ctx, const criterion *o, bnorm_mat_f64 scores)
{
    rows_of_loss r = {.o = o, .scores = scores};
    r.step = (scores.rows + PARTS - 1) / PARTS;
    if (r.step < PART_ROWS) r.step = PART_ROWS;
    ptrdiff_t parts = (scores.rows + r.step - 1) / r.step;
    if (!bnorm_loss_is_builtin(o->loss)) ctx = NULL;
    bnorm_parallel(bnorm_worth(ctx, 10.0 * (double)scores.rows * (double)scores.cols), parts,
                   part_task, &r);
    exact_sum all = {0, 0};
    for (ptrdiff_t k = 0; k < parts; k++) {
        bnorm_exact_add(&all, r.sums[k].sum);
        all.rest += r.sums[k].rest;
    }
    return bnorm_exact_value(&all) / o->n;
}
