/* options: the defaults of a fit, their checks, and what zeros stand for. */
#include <math.h>

#include "base/ctx.h"
#include "train/options.h"

void bnorm_fit_defaults(bnorm_fit_options *options)
{
    if (!options) return;
    *options = (bnorm_fit_options){.struct_size = sizeof *options,
                                   .momentum = 0.9,
                                   .nesterov = 1,
                                   .decay = 0.99,
                                   .beta1 = 0.9,
                                   .beta2 = 0.999,
                                   .tolerance = 1e-6,
                                   .memory = 10,
                                   .patience = 20,
                                   .update = 0.1,
                                   .running_ddof = 1,
                                   .seed = 1};
}

static int inside(double value, double low, double high)
{
    return value >= low && value < high;
}

static int not_negative(double value)
{
    return value >= 0 && isfinite(value);
}

/* The name of the first option that is out of range, or NULL. */
static const char *wrong_option(const bnorm_fit_options *o)
{
    if (o->optimizer < BNORM_OPTIMIZER_AUTO || o->optimizer > BNORM_OPTIMIZER_ADAM)
        return "optimizer";
    if (o->epochs < 0) return "epochs (0 or more)";
    if (o->batch < 0) return "batch (0 or more)";
    if (!not_negative(o->rate)) return "rate (0 or more)";
    if (!inside(o->momentum, 0, 1)) return "momentum (in [0, 1))";
    if (!inside(o->decay, 0, 1)) return "decay (in [0, 1))";
    if (!inside(o->beta1, 0, 1)) return "beta1 (in [0, 1))";
    if (!inside(o->beta2, 0, 1)) return "beta2 (in [0, 1))";
    if (!not_negative(o->weight_decay)) return "weight_decay (0 or more)";
    if (!not_negative(o->tolerance)) return "tolerance (0 or more)";
    if (o->memory < 1) return "memory (1 or more)";
    if (o->patience < 0) return "patience (0 or more)";
    if (!(o->update > 0 && o->update <= 1)) return "update (in (0, 1])";
    if (!not_negative(o->running_ddof)) return "running_ddof (0 or more)";
    return NULL;
}

static int has_dropout(const bnorm_net *net)
{
    for (ptrdiff_t k = 0; k < net->layer_count; k++)
        if (net->layers[k]->kind == BNORM_LAYER_DROPOUT && net->layers[k]->rate > 0) return 1;
    return 0;
}

static bnorm_optimizer choose(const bnorm_net *net, ptrdiff_t rows)
{
    int small = (double)rows * (double)net->inputs <= 2e6;
    return small && !has_dropout(net) ? BNORM_OPTIMIZER_LBFGS : BNORM_OPTIMIZER_ADAM;
}

bnorm_status bnorm_fit_resolve(bnorm_ctx *ctx, const bnorm_net *net, ptrdiff_t rows,
                               const bnorm_fit_options *given, bnorm_fit_options *o)
{
    bnorm_fit_defaults(o);
    if (given && given->struct_size != sizeof *o)
        return bnorm_fail(
            ctx, BNORM_E_ARGUMENT,
            "the fit options have an unknown size: call bnorm_fit_defaults first");
    if (given) *o = *given;
    const char *wrong = wrong_option(o);
    if (wrong) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "fit option out of range: %s", wrong);
    if (o->optimizer == BNORM_OPTIMIZER_AUTO) o->optimizer = choose(net, rows);
    int lbfgs = o->optimizer == BNORM_OPTIMIZER_LBFGS;
    if (lbfgs && has_dropout(net))
        return bnorm_fail(
            ctx, BNORM_E_ARGUMENT,
            "L-BFGS needs one objective, dropout makes another at each pass: take "
            "adam, or leave out dropout");
    if (!o->epochs) o->epochs = lbfgs ? 500 : 100;
    if (!o->batch) o->batch = 64;
    if (o->rate == 0) o->rate = o->optimizer == BNORM_OPTIMIZER_SGD ? 0.01 : 0.001;
    return BNORM_OK;
}
