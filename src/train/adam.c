/* adam (Kingma and Ba 2015) with decoupled decay (AdamW; Loshchilov and Hutter 2019) on the
 * blocks that take the penalty by default:
 *   m = b1 m + (1 - b1) g, s = b2 s + (1 - b2) g^2,
 *   p := p - rate [ (m/(1 - b1^t)) / (sqrt(s/(1 - b2^t)) + e) + decay p ]. */
#include <math.h>

#include "layer/layer.h"
#include "train/descend.h"

void bnorm_decay(const bnorm_net *net, const bnorm_fit_options *options, double *parameters)
{
    double keep = 1 - options->rate * options->weight_decay;
    if (!(options->weight_decay > 0)) return;
    for (ptrdiff_t k = 0; k < net->block_count; k++) {
        const bnorm_block *b = &net->blocks[k];
        if (!(net->penalty_factors[k] > 0)) continue;
        for (ptrdiff_t i = 0; i < b->rows * b->cols; i++) parameters[b->offset + i] *= keep;
    }
}

/* b1, b2, and what is missing of their sums after t steps; rate. */
typedef struct rates {
    double b1, b2, c1, c2, rate;
} rates;

static inline __attribute__((always_inline)) void some(int count, rates r,
                                                       const double *restrict g,
                                                       double *restrict m, double *restrict s,
                                                       double *restrict p)
{
    for (int i = 0; i < count; i++) {
        m[i] = r.b1 * m[i] + (1 - r.b1) * g[i];
        s[i] = r.b2 * s[i] + (1 - r.b2) * g[i] * g[i];
        p[i] -= r.rate * (m[i] / r.c1) / (sqrt(s[i] / r.c2) + 1e-8);
    }
}

void bnorm_adam_step(const descent *d, ptrdiff_t t)
{
    rates r = {.b1 = d->options->beta1, .b2 = d->options->beta2, .rate = d->options->rate};
    r.c1 = 1 - pow(r.b1, (double)t);
    r.c2 = 1 - pow(r.b2, (double)t);
    ptrdiff_t k = 0, count = d->count;
    const double *g = d->gradient;
    double *m = d->state, *s = m + count, *p = d->parameters;
    for (; k + AT_ONCE <= count; k += AT_ONCE) some(AT_ONCE, r, g + k, m + k, s + k, p + k);
    for (; k < count; k++) some(1, r, g + k, m + k, s + k, p + k);
}
