/* rmsprop (Tieleman and Hinton 2012): s = decay s + (1 - decay) g^2, step rate g/(sqrt(s) + e).
 */
#include <math.h>

#include "train/fit.h"

static inline __attribute__((always_inline)) void some(int count, double rate, double decay,
                                                       const double *restrict g,
                                                       double *restrict s, double *restrict p)
{
    for (int i = 0; i < count; i++) {
        s[i] = decay * s[i] + (1 - decay) * g[i] * g[i];
        p[i] -= rate * g[i] / (sqrt(s[i]) + 1e-8);
    }
}

void bnorm_rmsprop_step(fit *f, ptrdiff_t t)
{
    (void)t;
    double rate = f->options.rate, decay = f->options.decay;
    double *g = f->gradient, *s = f->state, *p = f->parameters;
    ptrdiff_t k = 0, count = f->net->parameter_count;
    for (; k + AT_ONCE <= count; k += AT_ONCE) some(AT_ONCE, rate, decay, g + k, s + k, p + k);
    for (; k < count; k++) some(1, rate, decay, g + k, s + k, p + k);
}
