/* batches: rows are permuted anew each epoch and cut into batches of nearly equal size, so no
 * batch is small by accident. Rows of weight 0 take no part. */
#include <math.h>
#include <string.h>

#include "train/descend.h"
#include "train/fit.h"

ptrdiff_t bnorm_batch_count(ptrdiff_t rows, ptrdiff_t batch, ptrdiff_t least)
{
    ptrdiff_t count = rows / batch + (rows % batch >= batch - rows % batch);
    if (count > rows / least) count = rows / least;
    return count < 1 ? 1 : count;
}

ptrdiff_t bnorm_batch_first(ptrdiff_t rows, ptrdiff_t count, ptrdiff_t k)
{
    ptrdiff_t size = rows / count, larger = rows % count;
    return k * size + (k < larger ? k : larger);
}

ptrdiff_t bnorm_batch_least(const bnorm_net *net)
{
    ptrdiff_t least = 2;
    for (ptrdiff_t k = 0; k < net->layer_count; k++) {
        const layer *l = net->layers[k];
        if (l->kind != BNORM_LAYER_BATCHNORM) continue;
        double need = fmin(floor(l->rule.ddof) + 1, 0x1p52);
        if (need > (double)least) least = (ptrdiff_t)need;
    }
    return least;
}

/* Rows lie anywhere in memory: the next ones are fetched while one is copied. */
static void fetch_row(bnorm_mat_f64 from, ptrdiff_t row)
{
    enum { LINE = 8, MOST = 16 * LINE };
    for (ptrdiff_t k = 0; k < from.cols && k < MOST; k += LINE)
        __builtin_prefetch(from.data + row * from.ld + k);
}

static void gather_row(bnorm_mat_f64 from, ptrdiff_t row, double *to)
{
    memcpy(to, from.data + row * from.ld, (size_t)from.cols * sizeof *to);
}

bnorm_status bnorm_batch_gather(fit *f, ptrdiff_t first, ptrdiff_t end, sample *batch)
{
    enum { AHEAD = 4 };
    const sample *s = &f->train;
    ptrdiff_t rows = end - first, p = s->x.cols, q = s->y.cols;
    bnorm_status status = bnorm_buffer_reserve(f->ctx, &f->batch_x, rows, p);
    if (status == BNORM_OK) status = bnorm_buffer_reserve(f->ctx, &f->batch_y, rows, q);
    if (status == BNORM_OK) status = bnorm_buffer_reserve(f->ctx, &f->batch_weights, rows, 1);
    if (status != BNORM_OK) return status;
    batch->n = s->weights ? 0 : (double)rows;
    for (ptrdiff_t i = 0; i < rows; i++) {
        ptrdiff_t row = f->rows[f->order[first + i]];
        if (i + AHEAD < rows) fetch_row(s->x, f->rows[f->order[first + i + AHEAD]]);
        gather_row(s->x, row, f->batch_x.data + i * p);
        gather_row(s->y, row, f->batch_y.data + i * q);
        if (s->weights) batch->n += f->batch_weights.data[i] = s->weights[row];
    }
    batch->x = bnorm_view_f64(f->batch_x.data, rows, p, BNORM_ROW_MAJOR);
    batch->y = bnorm_view_f64(f->batch_y.data, rows, q, BNORM_ROW_MAJOR);
    batch->weights = s->weights ? f->batch_weights.data : NULL;
    return BNORM_OK;
}

/* ----------------------------------------------------------------------------- the loop */

static ptrdiff_t positive_rows(fit *f)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < f->train.x.rows; i++)
        if (!f->train.weights || f->train.weights[i] > 0) f->rows[count++] = i;
    return count;
}

void bnorm_descend(const descent *d, ptrdiff_t t)
{
    switch (d->options->optimizer) {
    case BNORM_OPTIMIZER_SGD:
        bnorm_sgd_step(d);
        break;
    case BNORM_OPTIMIZER_RMSPROP:
        bnorm_rmsprop_step(d);
        break;
    default:
        bnorm_adam_step(d, t);
    }
}

static void take_step(fit *f)
{
    descent d = {.options = &f->options,
                 .count = f->net->parameter_count,
                 .parameters = f->parameters,
                 .state = f->state,
                 .gradient = f->gradient};
    if (d.options->optimizer == BNORM_OPTIMIZER_ADAM)
        bnorm_decay(f->net, &f->options, f->parameters);
    bnorm_descend(&d, (ptrdiff_t)f->step);
}

static bnorm_status run_batch(fit *f, const sample *batch, ptrdiff_t epoch, double *objective)
{
    bnorm_status status = bnorm_fit_evaluate(f, batch, objective, f->gradient);
    if (status != BNORM_OK) return status;
    if (!isfinite(*objective)) return bnorm_fit_diverged(f, epoch);
    take_step(f);
    return bnorm_fit_running(f);
}

/* *objective: the mean over the batches, weighted by their n. */
static bnorm_status run_epoch(fit *f, ptrdiff_t rows, ptrdiff_t count, ptrdiff_t epoch,
                              double *objective)
{
    double sum = 0, n = 0;
    /* streams above 2^62 belong to the order of rows; a single batch has none */
    if (count > 1)
        bnorm_random_permutation(f->options.seed, UINT64_C(1) << 62 | (uint64_t)epoch, rows,
                                 f->order);
    for (ptrdiff_t k = 0; k < count; k++) {
        sample batch = f->train;
        double value;
        bnorm_status status = BNORM_OK;
        if (count > 1)
            status = bnorm_batch_gather(f, bnorm_batch_first(rows, count, k),
                                        bnorm_batch_first(rows, count, k + 1), &batch);
        if (status == BNORM_OK) status = run_batch(f, &batch, epoch, &value);
        if (status != BNORM_OK) return status;
        sum += batch.n * value;
        n += batch.n;
    }
    *objective = sum / n;
    return BNORM_OK;
}

bnorm_status bnorm_fit_batches(fit *f)
{
    ptrdiff_t rows = positive_rows(f);
    ptrdiff_t count = bnorm_batch_count(rows, f->options.batch, bnorm_batch_least(f->net));
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t epoch = 1; epoch <= f->options.epochs && !f->stop; epoch++) {
        double objective;
        status = run_epoch(f, rows, count, epoch, &objective);
        if (status == BNORM_OK) status = bnorm_fit_epoch(f, epoch, objective);
        if (status != BNORM_OK) break;
    }
    return status;
}
