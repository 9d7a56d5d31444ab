/* objective: R = sum omega l / sum omega and dR/dscores over rows that were checked. Rows are
 * cut into parts by their number alone; a row of weight 0 does not exist. */
#include <math.h>

#include "base/threads.h"
#include "layer/layer.h"

enum { PARTS = 64, PART_ROWS = 256 };

typedef struct rows_of_loss {
    const bnorm_loss *loss;
    bnorm_mat_f64 scores, y;
    const double *weights;
    double n, *d;
    ptrdiff_t step;
    double sums[PARTS], rests[PARTS];
} rows_of_loss;

/* sum + rest += value, exactly up to the rounding of rest (Neumaier 1974) */
static void add(double *sum, double *rest, double value)
{
    double next = *sum + value;
    *rest += fabs(*sum) >= fabs(value) ? (*sum - next) + value : (value - next) + *sum;
    *sum = next;
}

/* d = omega/n dl/dscore */
static void row_gradient(const rows_of_loss *r, ptrdiff_t i, double weight)
{
    ptrdiff_t cols = r->scores.cols;
    double *d = r->d + i * cols;
    if (weight > 0)
        r->loss->gradient(r->loss->user, cols, r->scores.data + i * r->scores.ld,
                          r->y.data + i * r->y.ld, d);
    for (ptrdiff_t k = 0; k < cols; k++) d[k] = weight > 0 ? weight / r->n * d[k] : 0;
}

static void part_task(void *argument, ptrdiff_t part)
{
    rows_of_loss *r = argument;
    ptrdiff_t first = part * r->step, end = first + r->step;
    if (end > r->scores.rows) end = r->scores.rows;
    double sum = 0, rest = 0;
    for (ptrdiff_t i = first; i < end; i++) {
        double weight = r->weights ? r->weights[i] : 1;
        if (weight > 0)
            add(&sum, &rest,
                weight * r->loss->value(r->loss->user, r->scores.cols,
                                        r->scores.data + i * r->scores.ld,
                                        r->y.data + i * r->y.ld));
        if (r->d) row_gradient(r, i, weight);
    }
    r->sums[part] = sum;
    r->rests[part] = rest;
}

void bnorm_objective(bnorm_ctx *ctx, const bnorm_loss *loss, bnorm_mat_f64 scores,
                     bnorm_mat_f64 y, const double *weights, double n, double *value, double *d)
{
    rows_of_loss r;
    r.loss = loss;
    r.scores = scores;
    r.y = y;
    r.weights = weights;
    r.n = n;
    r.d = d;
    r.step = (scores.rows + PARTS - 1) / PARTS;
    if (r.step < PART_ROWS) r.step = PART_ROWS;
    ptrdiff_t parts = (scores.rows + r.step - 1) / r.step;
    if (!bnorm_loss_is_builtin(loss)) ctx = NULL;
    ctx = bnorm_worth(ctx, 10.0 * (double)scores.rows * (double)scores.cols);
    bnorm_parallel(ctx, parts, part_task, &r);
    double sum = 0, rest = 0;
    for (ptrdiff_t k = 0; k < parts; k++) {
        add(&sum, &rest, r.sums[k]);
        rest += r.rests[k];
    }
    /* an infinite or undefined sum has an undefined rest */
    *value = (isfinite(sum) ? sum + rest : sum) / n;
}
