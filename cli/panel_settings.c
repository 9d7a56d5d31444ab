/* panel_settings: the options of structured models as checked values, and which models these are:
 * the formula says it, or an option of theirs beside --hidden none. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "panel.h"

/* Options that make no sense for the other kind of model. */
static const cli_option of_structured[] = {
    OPT_UNIT,    OPT_PERIOD,   OPT_SINGLETONS, OPT_PENALTY_TOP, OPT_PENALTY_LINEAR, OPT_HOLD,
    OPT_STARTS,  OPT_BAGS,     OPT_CV,         OPT_CV_HIDDEN,   OPT_VCOV,           OPT_SMALL,
    OPT_CLUSTER, OPT_JACOBIAN, OPT_CHECK,      OPT_CV_PENALTY};
static const cli_option of_networks[] = {OPT_NO_STANDARDIZE, OPT_CONSTANT, OPT_RUNNING,
                                         OPT_UPDATE};

/* The first option of a list that was given, or -1. */
static int first_given(const cli_args *args, const cli_option *options, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (bnorm_cli_given(args, options[k])) return (int)options[k];
    return -1;
}

static int structured_option(const cli_args *args)
{
    return first_given(args, of_structured, sizeof of_structured / sizeof *of_structured);
}

static int is_name(char c)
{
    unsigned char u = (unsigned char)c;
    return u == '_' || u == '.' || u >= 0x80 || (u >= '0' && u <= '9') ||
           ((u | 32) >= 'a' && (u | 32) <= 'z');
}

/* 1 when a bar (networks 0) or a call of nn stands outside of backquotes. */
static int stands(const char *formula, int networks)
{
    int quoted = 0;
    for (const char *c = formula; *c; c++) {
        quoted ^= *c == '`';
        if (quoted) continue;
        if (!networks && *c == '|') return 1;
        if (!networks || strncmp(c, "nn", 2) || (c > formula && is_name(c[-1]))) continue;
        if (c[2 + strspn(c + 2, " \t\n")] == '(') return 1;
    }
    return 0;
}

int bnorm_cli_formula_networks(const char *formula)
{
    return stands(formula, 1);
}

int bnorm_cli_formula_effects(const char *formula)
{
    return stands(formula, 0);
}

static int is_none(const cli_args *args)
{
    return !strcmp(args->value[OPT_HIDDEN], "none");
}

int bnorm_cli_is_structured(const cli_args *args)
{
    const char *formula = args->operand[0];
    return bnorm_cli_formula_networks(formula) || bnorm_cli_formula_effects(formula) ||
           (is_none(args) && structured_option(args) >= 0);
}

int bnorm_cli_plain_settings(cli_args *args)
{
    int option = structured_option(args);
    if (option < 0) return CLI_OK;
    bnorm_cli_say("--%s is for structured models: put the network's inputs into nn(...) in the "
                  "formula, or fit a regression (--hidden none)",
                  bnorm_cli_option_row(option)->name);
    return CLI_USAGE;
}

static void refuse_networks_own(cli_args *args)
{
    int option = first_given(args, of_networks, sizeof of_networks / sizeof *of_networks);
    if (option < 0) return;
    bnorm_cli_say("--%s is not for structured models: inputs of nn() are standardised, other "
                  "terms keep their units, and what is constant is left out",
                  bnorm_cli_option_row(option)->name);
    args->bad = 1;
}

/* none beside nn() is a contradiction, sizes without nn() are a mistake. */
static void check_hidden(cli_args *args)
{
    int networks = bnorm_cli_formula_networks(args->operand[0]);
    if (networks && is_none(args)) {
        bnorm_cli_say("--hidden none leaves nothing of nn(...): take it out of the formula, or "
                      "give its units, as --hidden 8");
        args->bad = 1;
    }
    if (!networks && bnorm_cli_given(args, OPT_HIDDEN) && !is_none(args)) {
        bnorm_cli_say("--hidden %s, but the formula has no nn(...): put the network's inputs "
                      "into one, or leave --hidden away",
                      args->value[OPT_HIDDEN]);
        args->bad = 1;
    }
}

static void model_settings(cli_args *args, panel_settings *s)
{
    const fit_settings *base = s->base;
    bnorm_panel_options *m = &s->model;
    bnorm_panel_defaults(m);
    if (base->loss == FIT_LOSS_SOFTMAX) {
        bnorm_cli_say(
            "--loss softmax is not for structured models: they have the squared loss, "
            "and without fixed effects the logistic one");
        args->bad = 1;
    }
    m->loss = base->loss == FIT_LOSS_LOGISTIC ? "logistic" : NULL;
    if (bnorm_cli_given(args, OPT_HIDDEN) && base->layers) {
        m->hidden = base->hidden;
        m->layers = base->layers;
    }
    if (bnorm_cli_given(args, OPT_ACTIVATION)) m->activation = base->activation;
    m->batchnorm = base->batchnorm;
    m->rule = base->rule;
    m->dropout = base->dropout;
    m->penalty = base->penalty;
    m->penalty_top = bnorm_cli_real(args, OPT_PENALTY_TOP, 0, 1e300, "a number from 0");
    m->penalty_linear = bnorm_cli_real(args, OPT_PENALTY_LINEAR, 0, 1e300, "a number from 0");
    m->unit = args->value[OPT_UNIT];
    m->period = args->value[OPT_PERIOD];
    m->na_error = base->na_error;
    m->keep_singletons = args->value[OPT_SINGLETONS] != NULL;
    m->dot_without = base->weights;
    m->seed = base->seed;
}

static void fit_options(cli_args *args, panel_settings *s)
{
    static const char *const holds[] = {"rows", "units", "periods", NULL};
    bnorm_panel_fit_options *f = &s->fit;
    bnorm_panel_fit_defaults(f);
    f->fit = s->base->options;
    if (!bnorm_cli_given(args, OPT_BATCH)) f->fit.batch = 0;
    f->validate = s->base->validate;
    f->hold = s->hold = (bnorm_hold)bnorm_cli_choice(args, OPT_HOLD, holds);
    f->starts = bnorm_cli_whole(args, OPT_STARTS, 1, 10000, "a whole number from 1 to 10000");
    f->bags = bnorm_cli_whole(args, OPT_BAGS, 0, 10000, "a whole number from 0 to 10000");
}

/* Every candidate of --cv-hidden with every one of --cv-penalty. */
static void candidate_settings(cli_args *args, panel_settings *s)
{
    s->folds = bnorm_cli_whole(args, OPT_CV, 0, 100000, "a whole number of folds from 2, or 0");
    int lists = args->value[OPT_CV_HIDDEN] != NULL, reals = args->value[OPT_CV_PENALTY] != NULL;
    if (lists)
        s->sizes_count = bnorm_cli_size_lists(args, OPT_CV_HIDDEN, s->sizes[0], FIT_LAYERS,
                                              s->layers, PANEL_CANDIDATES);
    if (reals)
        s->penalties_count =
            bnorm_cli_reals(args, OPT_CV_PENALTY, s->penalties, PANEL_CANDIDATES);
    if (!args->bad && s->folds && !lists && !reals) {
        bnorm_cli_say("--cv has nothing to choose among: give --cv-hidden or --cv-penalty");
        args->bad = 1;
    }
    if (!args->bad && (lists || reals) && s->folds < 2) {
        bnorm_cli_say("--%s is chosen from by --cv, with 2 folds or more",
                      lists ? "cv-hidden" : "cv-penalty");
        args->bad = 1;
    }
    if (lists && !bnorm_cli_formula_networks(s->base->formula)) {
        bnorm_cli_say("--cv-hidden chooses the units of nn(...), but the formula has none");
        args->bad = 1;
    }
}

/* "id" or "id,year". */
static void cluster_settings(cli_args *args, panel_settings *s)
{
    const char *text = args->value[OPT_CLUSTER];
    if (!text) return;
    size_t size = strlen(text) + 1;
    s->clusters = memcpy(bnorm_cli_alloc((ptrdiff_t)size, 1), text, size);
    char *comma = strchr(s->clusters, ',');
    if (comma) *comma = 0;
    s->vcov.cluster[0] = s->clusters;
    s->vcov.cluster[1] = comma ? comma + 1 : NULL;
    if (*s->clusters && (!comma || (comma[1] && !strchr(comma + 1, ',')))) return;
    bnorm_cli_say("--cluster is '%s', but must be a column, or two as id,year", text);
    args->bad = 1;
}

static void vcov_settings(cli_args *args, panel_settings *s)
{
    enum { AUTO = BNORM_VCOV_CLUSTER + 1 };
    static const char *const types[] = {"classical", "hc0", "hc1", "cluster", "auto", NULL};
    static const char *const rules[] = {"nested", "sss", "all", "none", NULL};
    bnorm_vcov_defaults(&s->vcov);
    cluster_settings(args, s);
    int type = bnorm_cli_choice(args, OPT_VCOV, types);
    int rule = bnorm_cli_choice(args, OPT_SMALL, rules);
    int clusters = s->vcov.cluster[0] || bnorm_cli_formula_effects(s->base->formula);
    if (type == AUTO) type = clusters ? BNORM_VCOV_CLUSTER : BNORM_VCOV_CLASSICAL;
    s->vcov.type = (bnorm_vcov_type)type;
    s->vcov.full = args->value[OPT_JACOBIAN] != NULL;
    s->check = args->value[OPT_CHECK] != NULL;
    s->vcov.small = rule != 3;
    s->vcov.count = rule == 1   ? BNORM_COUNT_NONE
                    : rule == 2 ? BNORM_COUNT_ALL
                                : BNORM_COUNT_NESTED;
    if (s->vcov.cluster[0] && type != BNORM_VCOV_CLUSTER) {
        bnorm_cli_say("--cluster %s does not go with --vcov %s: leave one of them away",
                      args->value[OPT_CLUSTER], types[type]);
        args->bad = 1;
    }
}

int bnorm_cli_panel_settings(cli_args *args, const fit_settings *base, panel_settings *s)
{
    *s = (panel_settings){.base = base};
    refuse_networks_own(args);
    check_hidden(args);
    model_settings(args, s);
    fit_options(args, s);
    candidate_settings(args, s);
    vcov_settings(args, s);
    return args->bad ? CLI_USAGE : CLI_OK;
}

void bnorm_cli_panel_settings_free(panel_settings *s)
{
    free(s->clusters);
    s->clusters = NULL;
}
