/* fit_batches: one start by steps on batches of whole units, (theta, G2) trained along; at the end
 * of each epoch the top layer is solved for all rows, which are gone through in blocks: nothing of
 * rows x hidden is kept. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "matrix/view.h"
#include "panel/batch.h"
#include "panel/fitting.h"
#include "train/descend.h"

/* parameters: hidden ones of all networks, then b. */
typedef struct descending {
    fitting *f;
    units units;
    batch batch;
    ptrdiff_t count, share;
    uint64_t seed;
    double *parameters, *gradient, *state, *memory;
} descending;

static bnorm_status reserve(descending *d)
{
    bnorm_ctx *ctx = d->f->ctx;
    ptrdiff_t total;
    if (!bnorm_multiply(4, d->count, &total) ||
        !(d->memory = bnorm_alloc_zero(ctx, total, sizeof *d->memory)))
        return bnorm_fail_memory(ctx, "the vectors of the fit");
    d->parameters = d->memory;
    d->gradient = d->parameters + d->count;
    d->state = d->gradient + d->count;
    BNORM_TRY(bnorm_units_create(ctx, d->f->train, &d->units));
    return bnorm_batch_create(ctx, d->f->train, &d->batch);
}

static void set(const descending *d)
{
    top *t = &d->f->r.t;
    bnorm_reduced_set(&d->f->r, d->parameters);
    memcpy(t->b, d->parameters + d->f->r.count, (size_t)t->count * sizeof *t->b);
}

static void take_step(descending *d)
{
    fitting *f = d->f;
    descent step = {.options = &f->options,
                    .count = d->count,
                    .parameters = d->parameters,
                    .state = d->state,
                    .gradient = d->gradient};
    double *hidden = d->parameters;
    for (ptrdiff_t k = 0; k < f->p->network_count; k++) {
        const bnorm_net *net = f->p->networks[k].net;
        if (f->options.optimizer == BNORM_OPTIMIZER_ADAM) bnorm_decay(net, &f->options, hidden);
        hidden += net->parameter_count;
    }
    bnorm_descend(&step, (ptrdiff_t)f->step);
    set(d);
}

static bnorm_status run_batch(descending *d, ptrdiff_t rows, ptrdiff_t epoch)
{
    fitting *f = d->f;
    double value;
    BNORM_TRY(bnorm_fitting_ask(f));
    BNORM_TRY(bnorm_batch_take(f->ctx, f->train, d->units.chosen, rows, &d->batch));
    BNORM_TRY(bnorm_batch_gradient(f->ctx, &d->batch, &f->r, d->seed, f->step++, &value,
                                   d->gradient));
    if (!isfinite(value)) return bnorm_fitting_diverged(f, epoch);
    take_step(d);
    return BNORM_OK;
}

/* The whole sample: objective, and the solved top layer goes into the parameters. */
static bnorm_status end_epoch(descending *d, ptrdiff_t epoch)
{
    fitting *f = d->f;
    double value;
    bnorm_status status = bnorm_reduced_infer(f->ctx, &f->r, &value);
    if (status == BNORM_E_NONFINITE) return bnorm_fitting_diverged(f, epoch);
    BNORM_TRY(status);
    const top *t = &f->r.t;
    memcpy(d->parameters + f->r.count, t->b, (size_t)t->count * sizeof *t->b);
    bnorm_top_write(t);
    status = bnorm_fitting_epoch(f, epoch, value);
    if (status == BNORM_OK || status == BNORM_E_INTERRUPTED)
        memcpy(f->parameters, d->parameters, (size_t)f->r.count * sizeof *f->parameters);
    return status;
}

static bnorm_status run_epoch(descending *d, ptrdiff_t epoch)
{
    ptrdiff_t rows;
    /* streams above 2^62 belong to the order of units */
    bnorm_units_shuffle(&d->units, d->seed, UINT64_C(1) << 62 | (uint64_t)epoch);
    while ((rows = bnorm_units_next(&d->units, d->share)) > 0)
        BNORM_TRY(run_batch(d, rows, epoch));
    return end_epoch(d, epoch);
}

static bnorm_status run(descending *d)
{
    fitting *f = d->f;
    BNORM_TRY(reserve(d));
    d->share = larger(2, f->options.batch);
    d->seed = f->options.seed + UINT64_C(0x9E3779B97F4A7C15) * (uint64_t)f->start;
    f->step = 0;
    bnorm_reduced_get(&f->r, d->parameters);
    bnorm_reduced_get(&f->r, f->parameters);
    BNORM_TRY(end_epoch(d, 0));
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 1; k <= f->options.epochs && !f->stop && status == BNORM_OK; k++)
        status = run_epoch(d, k);
    return status;
}

bnorm_status bnorm_fitting_batches(fitting *f)
{
    descending d = {.f = f, .count = f->r.count + f->r.t.count};
    bnorm_status status = run(&d);
    bnorm_reduced_set(&f->r, f->parameters);
    bnorm_units_free(&d.units);
    bnorm_batch_free(&d.batch);
    bnorm_free(d.memory);
    return status;
}
