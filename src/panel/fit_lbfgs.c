/* fit_lbfgs: one start by L-BFGS on the reduced loss of all rows. */
#include <math.h>

#include "panel/fitting.h"
#include "train/minimise.h"

static bnorm_status evaluate(void *user, const double *p, double *value, double *gradient)
{
    fitting *f = user;
    bnorm_status status = bnorm_fitting_ask(f);
    bnorm_reduced_set(&f->r, p);
    return status == BNORM_OK ? bnorm_reduced_value(f->ctx, &f->r, value, gradient) : status;
}

/* Validation wants the statistics and the top layer of the last pass, which was at this point. */
static bnorm_status epoch(fitting *f, ptrdiff_t k, double value)
{
    if (f->held && isfinite(value)) {
        bnorm_status status = bnorm_reduced_statistics(f->ctx, &f->r);
        if (status != BNORM_OK) return status;
        bnorm_top_write(&f->r.t);
    }
    return bnorm_fitting_epoch(f, k, value);
}

static bnorm_status begun(void *user, double value)
{
    return epoch(user, 0, value);
}

static bnorm_status accepted(void *user, ptrdiff_t iteration, double value, int *stop)
{
    fitting *f = user;
    bnorm_status status = epoch(f, iteration, value);
    *stop = f->stop;
    return status;
}

bnorm_status bnorm_fitting_lbfgs(fitting *f)
{
    minimisation m = {.ctx = f->ctx,
                      .count = f->r.count,
                      .memory = f->options.memory,
                      .iterations = f->options.epochs,
                      .tolerance = f->options.tolerance,
                      .evaluate = evaluate,
                      .begun = begun,
                      .accepted = accepted,
                      .user = f};
    bnorm_reduced_get(&f->r, f->parameters);
    bnorm_status status = bnorm_minimise(&m, f->parameters);
    bnorm_reduced_set(&f->r, f->parameters);
    f->converged = m.converged;
    return status;
}
