/* sgd: momentum as a running sum of gradients, u = m u + g; plain step rate u, Nesterov's
 * rate (g + m u) (Sutskever et al. 2013). */
#include "train/descend.h"

static inline __attribute__((always_inline)) void some(int count, int nesterov, double rate,
                                                       double m, const double *restrict g,
                                                       double *restrict u, double *restrict p)
{
    for (int i = 0; i < count; i++) {
        u[i] = m * u[i] + g[i];
        p[i] -= rate * (nesterov ? g[i] + m * u[i] : u[i]);
    }
}

static inline __attribute__((always_inline)) void all(const descent *d, int nesterov)
{
    double rate = d->options->rate, m = d->options->momentum;
    const double *g = d->gradient;
    double *u = d->state, *p = d->parameters;
    ptrdiff_t k = 0, count = d->count;
    for (; k + AT_ONCE <= count; k += AT_ONCE)
        some(AT_ONCE, nesterov, rate, m, g + k, u + k, p + k);
    for (; k < count; k++) some(1, nesterov, rate, m, g + k, u + k, p + k);
}

void bnorm_sgd_step(const descent *d)
{
    if (d->options->nesterov)
        all(d, 1);
    else
        all(d, 0);
}
