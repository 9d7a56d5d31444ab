/* sgd: momentum as a running sum of gradients, u = m u + g; plain step rate u, Nesterov's
 * rate (g + m u) (Sutskever et al. 2013). */
#include "train/fit.h"

void bnorm_sgd_step(fit *f, ptrdiff_t t)
{
    (void)t;
    double rate = f->options.rate, m = f->options.momentum, *u = f->state;
    for (ptrdiff_t k = 0; k < f->net->parameter_count; k++) {
        double g = f->gradient[k];
        u[k] = m * u[k] + g;
        f->parameters[k] -= rate * (f->options.nesterov ? g + m * u[k] : u[k]);
    }
}
