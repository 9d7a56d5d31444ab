/* sgd: momentum as a running sum of gradients, u = m u + g; plain step rate u, Nesterov's
 * rate (g + m u) (Sutskever et al. 2013). */
#include "train/fit.h"

static inline __attribute__((always_inline)) void some(int count, int nesterov, double rate,
                                                       double m, const double *restrict g,
                                                       double *restrict u, double *restrict p)
{
    for (int i = 0; i < count; i++) {
        u[i] = m * u[i] + g[i];
        p[i] -= rate * (nesterov ? g[i] + m * u[i] : u[i]);
    }
}

static inline __attribute__((always_inline)) void all(fit *f, int nesterov)
{
    double rate = f->options.rate, m = f->options.momentum;
    double *g = f->gradient, *u = f->state, *p = f->parameters;
    ptrdiff_t k = 0, count = f->net->parameter_count;
    for (; k + AT_ONCE <= count; k += AT_ONCE)
        some(AT_ONCE, nesterov, rate, m, g + k, u + k, p + k);
    for (; k < count; k++) some(1, nesterov, rate, m, g + k, u + k, p + k);
}

void bnorm_sgd_step(fit *f, ptrdiff_t t)
{
    (void)t;
    if (f->options.nesterov)
        all(f, 1);
    else
        all(f, 0);
}
