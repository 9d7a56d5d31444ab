/* rmsprop (Tieleman and Hinton 2012): s = decay s + (1 - decay) g^2, step rate g/(sqrt(s) + e).
 */
#include <math.h>

#include "train/descend.h"

static inline __attribute__((always_inline)) void some(int count, double rate, double decay,
                                                       const double *restrict g,
                                                       double *restrict s, double *restrict p)
{
    for (int i = 0; i < count; i++) {
        s[i] = decay * s[i] + (1 - decay) * g[i] * g[i];
        p[i] -= rate * g[i] / (sqrt(s[i]) + 1e-8);
    }
}

void bnorm_rmsprop_step(const descent *d)
{
    double rate = d->options->rate, decay = d->options->decay;
    const double *g = d->gradient;
    double *s = d->state, *p = d->parameters;
    ptrdiff_t k = 0, count = d->count;
    for (; k + AT_ONCE <= count; k += AT_ONCE) some(AT_ONCE, rate, decay, g + k, s + k, p + k);
    for (; k < count; k++) some(1, rate, decay, g + k, s + k, p + k);
}
