/* fit_settings: the options of fit as checked values. Every option is looked at even when one
 * is refused, so that all mistakes are told at once. */
#include <math.h>
#include <string.h>

#include "cli.h"
#include "fit.h"

static const double below_one = 1 - 0x1p-53;

static void network_settings(cli_args *args, fit_settings *s)
{
    static const char *const activations[] = {"identity", "relu",     "leaky_relu", "tanh",
                                              "logistic", "softplus", "gelu",       NULL};
    static const char *const losses[] = {"auto", "squared", "logistic", "softmax", NULL};
    s->layers = bnorm_cli_sizes(args, OPT_HIDDEN, s->hidden, FIT_LAYERS);
    s->activation =
        bnorm_activation_find(activations[bnorm_cli_choice(args, OPT_ACTIVATION, activations)]);
    s->loss = bnorm_cli_choice(args, OPT_LOSS, losses);
    s->batchnorm = !args->value[OPT_NO_BATCHNORM];
    s->rule.ddof = bnorm_cli_real(args, OPT_DDOF, 0, 1e15, "a number from 0");
    s->rule.eps = bnorm_cli_real(args, OPT_EPS, 0, 1e300, "a number from 0");
    s->dropout = bnorm_cli_real(args, OPT_DROPOUT, 0, below_one, "from 0 to below 1");
    s->penalty = bnorm_cli_real(args, OPT_PENALTY, 0, 1e300, "a number from 0");
}

static void training_settings(cli_args *args, fit_settings *s)
{
    static const char *const optimizers[] = {"auto", "lbfgs", "sgd", "rmsprop", "adam", NULL};
    bnorm_fit_options *o = &s->options;
    bnorm_fit_defaults(o);
    o->optimizer = (bnorm_optimizer)bnorm_cli_choice(args, OPT_OPTIMIZER, optimizers);
    o->epochs = bnorm_cli_whole(args, OPT_EPOCHS, 1, 1000000000, "a whole number from 1");
    o->batch = bnorm_cli_whole(args, OPT_BATCH, 2, 1000000000, "a whole number from 2");
    o->rate = bnorm_cli_real(args, OPT_RATE, 0x1p-1000, 1e300, "a number above 0");
    o->momentum = bnorm_cli_real(args, OPT_MOMENTUM, 0, below_one, "from 0 to below 1");
    o->weight_decay = bnorm_cli_real(args, OPT_WEIGHT_DECAY, 0, 1e300, "a number from 0");
    o->patience = bnorm_cli_whole(args, OPT_PATIENCE, 1, 1000000000, "a whole number from 1");
    o->running = args->value[OPT_RUNNING] != NULL;
    o->update = bnorm_cli_real(args, OPT_UPDATE, 0x1p-1000, 1, "above 0 to 1");
    o->seed = s->seed;
    s->validate = bnorm_cli_real(args, OPT_VALIDATE, 0, below_one, "from 0 to below 1");
}

static void data_settings(cli_args *args, fit_settings *s)
{
    static const char *const na_rules[] = {"drop", "error", NULL};
    static const char *const constant_rules[] = {"error", "drop", NULL};
    s->formula = args->operand[0];
    s->path = args->operand[1];
    s->weights = args->value[OPT_WEIGHTS];
    s->standardize = !args->value[OPT_NO_STANDARDIZE];
    s->na_error = bnorm_cli_choice(args, OPT_NA, na_rules);
    s->drop_constant = bnorm_cli_choice(args, OPT_CONSTANT, constant_rules);
    s->threads = (int)bnorm_cli_whole(args, OPT_THREADS, 0, 1024, "from 0 to 1024");
    bnorm_cli_separator(args); /* said now, not after a table was named that is not there */
}

/* A result on standard output leaves no room for the report there, nor for a second result. */
static void output_settings(cli_args *args, fit_settings *s)
{
    s->out = args->value[OPT_OUT];
    s->fitted = args->value[OPT_FITTED];
    s->plot = args->value[OPT_PLOT];
    s->json = args->value[OPT_JSON] != NULL;
    s->quiet = args->value[OPT_QUIET] != NULL;
    const char *const files[] = {s->out, s->fitted, s->plot};
    int on_stdout = s->json;
    for (int k = 0; k < 3; k++) on_stdout += files[k] && !strcmp(files[k], "-");
    if (on_stdout < 2) return;
    bnorm_cli_say("only one of --out, --fitted, --plot and --json can go to standard output");
    args->bad = 1;
}

int bnorm_cli_fit_settings(cli_args *args, fit_settings *s)
{
    *s = (fit_settings){.seed = bnorm_cli_seed(args)};
    network_settings(args, s);
    training_settings(args, s);
    data_settings(args, s);
    output_settings(args, s);
    return args->bad ? CLI_USAGE : CLI_OK;
}
