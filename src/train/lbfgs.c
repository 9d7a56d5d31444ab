/* lbfgs: limited-memory BFGS (Nocedal 1980; Liu and Nocedal 1989) on the full batch. Written
 * here, not taken from liblbfgs or NLopt: memory comes from the context, the bits are ours, and
 * no build needs one more library. When a search finds no lower point the memory is dropped
 * once; if steepest descent finds none either, the iterate is as low as rounding (or a kink)
 * allows. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "train/fit.h"
#include "train/search.h"

typedef struct lbfgs {
    minimisation *m;
    ptrdiff_t count, most, pairs, next; /* pairs held; place of the next one */
    double *s, *y, *rho, *alpha;        /* s = step, y = change of gradient, rho = 1/s'y */
    double *d;
    point now, trial;
    double *memory;
} lbfgs;

static bnorm_status reserve(lbfgs *b, minimisation *m)
{
    ptrdiff_t vectors, total;
    *b = (lbfgs){.m = m, .count = m->count, .most = m->memory};
    if (!bnorm_multiply(2, b->most, &vectors) ||
        !bnorm_multiply(vectors + 5, b->count + 1, &total) ||
        !(b->memory = bnorm_alloc(m->ctx, total, sizeof *b->memory)))
        return bnorm_fail_memory(m->ctx, "the memory of L-BFGS: lower its number of pairs");
    b->s = b->memory;
    b->y = b->s + b->most * b->count;
    b->d = b->y + b->most * b->count;
    b->now.p = b->d + b->count;
    b->now.g = b->now.p + b->count;
    b->trial.p = b->now.g + b->count;
    b->trial.g = b->trial.p + b->count;
    b->rho = b->trial.g + b->count;
    b->alpha = b->rho + b->most;
    return BNORM_OK;
}

/* Pair number `age` back, 1 the newest. */
static ptrdiff_t place(const lbfgs *b, ptrdiff_t age)
{
    return (b->next - age + b->most) % b->most;
}

static void add_multiple(ptrdiff_t count, double a, const double *x, double *y)
{
    for (ptrdiff_t k = 0; k < count; k++) y[k] += a * x[k];
}

/* d = -H g by the two loops; H0 = (s'y/y'y) I of the newest pair. Returns g'd. */
static double direction(lbfgs *b)
{
    ptrdiff_t n = b->count;
    for (ptrdiff_t k = 0; k < n; k++) b->d[k] = -b->now.g[k];
    for (ptrdiff_t age = 1; age <= b->pairs; age++) {
        ptrdiff_t i = place(b, age);
        b->alpha[i] = b->rho[i] * bnorm_dot(n, b->s + i * n, b->d);
        add_multiple(n, -b->alpha[i], b->y + i * n, b->d);
    }
    if (b->pairs) {
        const double *y = b->y + place(b, 1) * n;
        double scale = 1 / (b->rho[place(b, 1)] * bnorm_dot(n, y, y));
        for (ptrdiff_t k = 0; k < n; k++) b->d[k] *= scale;
    }
    for (ptrdiff_t age = b->pairs; age >= 1; age--) {
        ptrdiff_t i = place(b, age);
        double beta = b->rho[i] * bnorm_dot(n, b->y + i * n, b->d);
        add_multiple(n, b->alpha[i] - beta, b->s + i * n, b->d);
    }
    return bnorm_dot(n, b->now.g, b->d);
}

/* A pair without positive curvature would spoil H: it is left out. */
static void remember(lbfgs *b)
{
    ptrdiff_t n = b->count, i = b->next;
    double *s = b->s + i * n, *y = b->y + i * n;
    for (ptrdiff_t k = 0; k < n; k++) {
        s[k] = b->trial.p[k] - b->now.p[k];
        y[k] = b->trial.g[k] - b->now.g[k];
    }
    double sy = bnorm_dot(n, s, y);
    if (!(sy > DBL_EPSILON * bnorm_dot(n, y, y))) return;
    b->rho[i] = 1 / sy;
    b->next = (i + 1) % b->most;
    if (b->pairs < b->most) b->pairs++;
}

static void move(lbfgs *b)
{
    point old = b->now;
    b->now = b->trial;
    b->trial = old;
}

static int converged(const lbfgs *b)
{
    double size = sqrt(bnorm_dot(b->count, b->now.p, b->now.p));
    double slope = sqrt(bnorm_dot(b->count, b->now.g, b->now.g));
    return slope <= b->m->tolerance * fmax(1, size);
}

/* One iteration; *found 0 when nothing lower was found. */
static bnorm_status iterate(lbfgs *b, int *found)
{
    double slope = direction(b);
    if (b->pairs && !(slope < 0)) {
        b->pairs = 0;
        slope = direction(b);
    }
    double first = b->pairs ? 1 : fmin(1, 1 / sqrt(-slope));
    *found = 0;
    if (!(slope < 0)) return BNORM_OK;
    bnorm_status status = bnorm_search(b->m, &b->now, b->d, slope, first, &b->trial, found);
    if (status != BNORM_OK || *found || b->pairs == 0) return status;
    b->pairs = 0;
    return iterate(b, found);
}

static bnorm_status loop(lbfgs *b)
{
    minimisation *m = b->m;
    bnorm_status status = BNORM_OK;
    int stop = 0;
    for (ptrdiff_t k = 1; k <= m->iterations && !stop; k++) {
        int found;
        if (converged(b)) break;
        status = iterate(b, &found);
        if (status != BNORM_OK || !found) break;
        remember(b);
        move(b);
        status = m->accepted(m->user, k, b->now.value, &stop);
        if (status != BNORM_OK) break;
    }
    return status;
}

bnorm_status bnorm_minimise(minimisation *m, double *p)
{
    lbfgs b;
    bnorm_status status = reserve(&b, m);
    if (status != BNORM_OK) return status;
    memcpy(b.now.p, p, (size_t)b.count * sizeof *p);
    status = m->evaluate(m->user, p, &b.now.value, b.now.g);
    if (status == BNORM_OK) status = m->begun(m->user, b.now.value);
    if (status == BNORM_OK) {
        status = loop(&b);
        m->converged = converged(&b);
        memcpy(p, b.now.p, (size_t)b.count * sizeof *p);
    }
    bnorm_free(b.memory);
    return status;
}

/* ------------------------------------------------------------------------------ a network */

static bnorm_status evaluate(void *user, const double *p, double *value, double *gradient)
{
    fit *f = user;
    if (p != f->parameters)
        memcpy(f->parameters, p, (size_t)f->net->parameter_count * sizeof *p);
    return bnorm_fit_evaluate(f, &f->train, value, gradient);
}

static bnorm_status begun(void *user, double value)
{
    return isfinite(value) ? BNORM_OK : bnorm_fit_diverged(user, 1);
}

static bnorm_status accepted(void *user, ptrdiff_t iteration, double value, int *stop)
{
    fit *f = user;
    bnorm_status status = bnorm_fit_running(f);
    if (status == BNORM_OK) status = bnorm_fit_epoch(f, iteration, value);
    *stop = f->stop;
    return status;
}

bnorm_status bnorm_fit_lbfgs(fit *f)
{
    minimisation m = {.ctx = f->ctx,
                      .count = f->net->parameter_count,
                      .memory = f->options.memory,
                      .iterations = f->options.epochs,
                      .tolerance = f->options.tolerance,
                      .evaluate = evaluate,
                      .begun = begun,
                      .accepted = accepted,
                      .user = f};
    bnorm_status status = bnorm_minimise(&m, f->parameters);
    f->converged = m.converged;
    return status;
}
