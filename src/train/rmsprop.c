/* rmsprop (Tieleman and Hinton 2012): s = decay s + (1 - decay) g^2, step rate g/(sqrt(s) + e).
 */
#include <math.h>

#include "train/fit.h"

void bnorm_rmsprop_step(fit *f, ptrdiff_t t)
{
    (void)t;
    double rate = f->options.rate, decay = f->options.decay, *s = f->state;
    for (ptrdiff_t k = 0; k < f->net->parameter_count; k++) {
        double g = f->gradient[k];
        s[k] = decay * s[k] + (1 - decay) * g * g;
        f->parameters[k] -= rate * g / (sqrt(s[k]) + 1e-8);
    }
}
