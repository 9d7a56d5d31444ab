/* adam (Kingma and Ba 2015) with decoupled decay (AdamW; Loshchilov and Hutter 2019) on the
 * blocks that take the penalty by default:
 *   m = b1 m + (1 - b1) g, s = b2 s + (1 - b2) g^2,
 *   p := p - rate [ (m/(1 - b1^t)) / (sqrt(s/(1 - b2^t)) + e) + decay p ]. */
#include <math.h>

#include "train/fit.h"

static void decay_weights(fit *f)
{
    double keep = 1 - f->options.rate * f->options.weight_decay;
    for (ptrdiff_t k = 0; k < f->net->block_count; k++) {
        const bnorm_block *b = &f->net->blocks[k];
        if (!(f->net->penalty_factors[k] > 0)) continue;
        for (ptrdiff_t i = 0; i < b->rows * b->cols; i++) f->parameters[b->offset + i] *= keep;
    }
}

void bnorm_adam_step(fit *f, ptrdiff_t t)
{
    double b1 = f->options.beta1, b2 = f->options.beta2;
    double c1 = 1 - pow(b1, (double)t), c2 = 1 - pow(b2, (double)t);
    double *m = f->state, *s = m + f->net->parameter_count;
    if (f->options.weight_decay > 0) decay_weights(f);
    for (ptrdiff_t k = 0; k < f->net->parameter_count; k++) {
        double g = f->gradient[k];
        m[k] = b1 * m[k] + (1 - b1) * g;
        s[k] = b2 * s[k] + (1 - b2) * g * g;
        f->parameters[k] -= f->options.rate * (m[k] / c1) / (sqrt(s[k] / c2) + 1e-8);
    }
}
