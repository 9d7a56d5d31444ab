/* options: the table, and reading a command line by it. GNU habits: options and operands in any
 * order, --name=value or --name value, unambiguous beginnings, -- ends the options, - is an
 * operand. */
#include "options.h"

#include <string.h>

#include "cli.h"

#define MODEL      "Network"
#define TRAINING   "Training"
#define STRUCTURED "Structured models"
#define CHECKING   "Checking"
#define BENCH      "Measuring"
#define TABLE      "Data"
#define OUTPUT     "Output"
#define GENERAL    "General"

static const cli_option_row table[OPT_COUNT] = {
    [OPT_HIDDEN] = {"hidden", 0, "SIZES", "16", CMD_FIT, MODEL,
                    "units of each hidden layer, as 16,8, or none"},
    [OPT_ACTIVATION] = {"activation", 0, "NAME", "relu", CMD_FIT, MODEL,
                        "identity, relu, leaky_relu, tanh, logistic, softplus or gelu"},
    [OPT_LOSS] = {"loss", 0, "NAME", "auto", CMD_FIT, MODEL,
                  "squared, logistic, softmax; auto: what suits the target"},
    [OPT_NO_BATCHNORM] = {"no-batchnorm", 0, NULL, NULL, CMD_FIT, MODEL,
                          "hidden layers without batch normalisation"},
    [OPT_DDOF] = {"ddof", 0, "D", "0", CMD_FIT, MODEL,
                  "the variance's divisor is n - D; 1 is what R's scale() takes"},
    [OPT_EPS] = {"eps", 0, "E", "1e-5", CMD_FIT, MODEL,
                 "added to the variance under the root; 0 is legal"},
    [OPT_DROPOUT] = {"dropout", 0, "P", "0", CMD_FIT, MODEL,
                     "share of hidden values dropped in training, below 1"},
    [OPT_PENALTY] = {"penalty", 0, "L", "0", CMD_FIT, MODEL,
                     "adds L times the squared weights to the objective"},
    [OPT_OPTIMIZER] = {"optimizer", 0, "NAME", "auto", CMD_FIT, TRAINING,
                       "lbfgs, adam, sgd, rmsprop; auto: lbfgs if not too large"},
    [OPT_EPOCHS] = {"epochs", 0, "N", NULL, CMD_FIT, TRAINING,
                    "passes over the rows at most; default 500 for lbfgs, else 100"},
    [OPT_BATCH] = {"batch", 0, "N", "64", CMD_FIT, TRAINING,
                   "rows a batch, about (lbfgs always takes all rows)"},
    [OPT_RATE] = {"rate", 0, "R", NULL, CMD_FIT, TRAINING,
                  "learning rate: 0.01 for sgd, 0.001 for adam, rmsprop; unused by lbfgs"},
    [OPT_MOMENTUM] = {"momentum", 0, "M", "0.9", CMD_FIT, TRAINING,
                      "momentum of sgd, below 1; unused by others"},
    [OPT_WEIGHT_DECAY] = {"weight-decay", 0, "L", "0", CMD_FIT, TRAINING,
                          "decoupled decay of the weights by adam; unused by others"},
    [OPT_VALIDATE] = {"validate", 0, "SHARE", "0", CMD_FIT, TRAINING,
                      "share of rows, drawn by the seed, kept aside to judge each epoch"},
    [OPT_PATIENCE] = {"patience", 0, "N", "20", CMD_FIT, TRAINING,
                      "epochs without a better validation loss before stopping"},
    [OPT_RUNNING] = {"running", 0, NULL, NULL, CMD_FIT, TRAINING,
                     "predict by running statistics instead of those of all training rows"},
    [OPT_UPDATE] = {"update", 0, "U", "0.1", CMD_FIT, TRAINING,
                    "weight of a new batch in the running statistics, above 0 to 1"},
    [OPT_UNIT] = {"unit", 0, "COLUMN", NULL, CMD_FIT, STRUCTURED,
                  "whose rows belong together; default: the first after the bar"},
    [OPT_PERIOD] = {"period", 0, "COLUMN", NULL, CMD_FIT, STRUCTURED,
                    "their time; default: the second after the bar"},
    [OPT_SINGLETONS] = {"keep-singletons", 0, NULL, NULL, CMD_FIT, STRUCTURED,
                        "keep rows that are alone in a level of a fixed effect"},
    [OPT_PENALTY_TOP] = {"penalty-top", 0, "L", "1e-6", CMD_FIT, STRUCTURED,
                         "--penalty of the networks' last layers"},
    [OPT_PENALTY_LINEAR] = {"penalty-linear", 0, "L", "0", CMD_FIT, STRUCTURED,
                            "--penalty of the linear terms"},
    [OPT_HOLD] = {"hold", 0, "WHAT", "units", CMD_FIT, STRUCTURED,
                  "kept aside by --validate, --cv: units, last periods, or rows"},
    [OPT_STARTS] = {"starts", 0, "N", "1", CMD_FIT, STRUCTURED,
                    "fits from N starts; the best is kept, the spread reported"},
    [OPT_BAGS] = {"bags", 0, "N", "0", CMD_FIT, STRUCTURED,
                  "averages N fits on units drawn with replacement; 0: one fit"},
    [OPT_CV] = {"cv", 0, "FOLDS", "0", CMD_FIT, STRUCTURED,
                "chooses among --cv-hidden and --cv-penalty by folds; 0: no choice"},
    [OPT_CV_HIDDEN] = {"cv-hidden", 0, "LIST", NULL, CMD_FIT, STRUCTURED,
                       "candidates of --hidden, as 'none;4;8,4'; none leaves nn() out"},
    [OPT_CV_PENALTY] = {"cv-penalty", 0, "LIST", NULL, CMD_FIT, STRUCTURED,
                        "candidates of --penalty, as 0,0.001"},
    [OPT_VCOV] = {"vcov", 0, "TYPE", "auto", CMD_FIT, STRUCTURED,
                  "classical, hc0, hc1, cluster; auto: cluster with fixed effects"},
    [OPT_CLUSTER] = {"cluster", 0, "COLUMNS", NULL, CMD_FIT, STRUCTURED,
                     "one column or two, as id,year; default: the unit"},
    [OPT_SMALL] = {"small", 0, "RULE", "nested", CMD_FIT, STRUCTURED,
                   "small-sample factors count nested, all, sss; none: no factor"},
    [OPT_JACOBIAN] = {"jacobian", 0, NULL, NULL, CMD_FIT, STRUCTURED,
                      "covariance with the hidden weights, not of the top layer alone"},
    [OPT_CHECK] = {"check", 0, NULL, NULL, CMD_FIT, STRUCTURED,
                   "compare the gradient at the fit with difference quotients"},
    [OPT_NEW] = {"new", 0, "RULE", "na", CMD_PREDICT, STRUCTURED,
                 "levels without effect: na; zero: the mean effect; or error"},
    [OPT_INTERVAL] = {"interval", 0, "LEVEL", NULL, CMD_PREDICT, STRUCTURED,
                      "confidence limits of the mean response too, as 0.95"},
    [OPT_ENTRIES] = {"entries", 0, "N", "40", CMD_CHECK, CHECKING,
                     "entries drawn from each block of parameters; 0 for all"},
    [OPT_ROWS] = {"rows", 0, "N", "1000", CMD_CHECK, CHECKING,
                  "rows drawn from the table; 0 for all"},
    [OPT_QUESTION] = {"question", 0, NULL, NULL, CMD_CHECK, CHECKING,
                      "in place of MODEL and TABLE: the question that bnorm answers"},
    [OPT_QUICK] = {"quick", 0, NULL, NULL, CMD_BENCH, BENCH,
                   "the two smallest shapes alone, once: whether it works, not how fast"},
    [OPT_WEIGHTS] = {"weights", 0, "COLUMN", NULL, CMD_FIT | CMD_CHECK, TABLE,
                     "observation weights; '.' in the formula leaves this column out"},
    [OPT_NO_STANDARDIZE] = {"no-standardize", 0, NULL, NULL, CMD_FIT, TABLE,
                            "leave inputs and target in their units"},
    [OPT_NA] = {"na", 0, "RULE", "drop", CMD_TABLE, TABLE,
                "rows with missing values: drop them, or error"},
    [OPT_CONSTANT] = {"constant", 0, "RULE", "error", CMD_FIT, TABLE,
                      "constant inputs: drop them, or error"},
    [OPT_SEPARATOR] = {"separator", 0, "CHAR", "auto", CMD_TABLE, TABLE,
                       "comma, semicolon or tab; auto: as the header line has it"},
    [OPT_OUT] = {"out", 'o', "FILE", NULL, CMD_FIT, OUTPUT, "write the model (safetensors)"},
    [OPT_OUT_CSV] = {"out", 'o', "FILE", "-", CMD_PREDICT, OUTPUT,
                     "write the predictions (CSV)"},
    [OPT_FITTED] = {"fitted", 0, "FILE", NULL, CMD_FIT, OUTPUT,
                    "write fitted values, the same bytes as predict would"},
    [OPT_PLOT] = {"plot", 0, "FILE", NULL, CMD_FIT, OUTPUT,
                  "draw training, fitted against observed and marginal effects (SVG)"},
    [OPT_JSON] = {"json", 0, NULL, NULL, CMD_FIT | CMD_SUMMARY | CMD_CHECK | CMD_BENCH, OUTPUT,
                  "print the result as one JSON object"},
    [OPT_QUIET] = {"quiet", 'q', NULL, NULL, CMD_ALL, OUTPUT,
                   "no report, notes or progress; errors and --json remain"},
    [OPT_SEED] = {"seed", 0, "S", "1", CMD_FIT | CMD_CHECK, GENERAL,
                  "every random choice is a function of this whole number"},
    [OPT_THREADS] = {"threads", 0, "N", "0", CMD_TABLE, GENERAL,
                     "threads; 0: one a processor. Results do not depend on it"},
    [OPT_THREADS_BENCH] = {"threads", 0, "N", "0", CMD_BENCH, GENERAL,
                           "measure one thread, then N; 0: one a processor"},
    [OPT_HELP] = {"help", 'h', NULL, NULL, CMD_ALL | CMD_NONE, GENERAL, "print this help"},
    [OPT_VERSION] = {"version", 'V', NULL, NULL, CMD_ALL | CMD_NONE, GENERAL,
                     "print the version"},
    [OPT_MAN] = {"man", 0, NULL, NULL, CMD_NONE, GENERAL, "print the man page's source"},
};

const cli_option_row *bnorm_cli_option_row(cli_option option)
{
    return &table[option];
}

/* What was not given has the very text of the table. */
int bnorm_cli_given(const cli_args *args, cli_option option)
{
    return args->value[option] != table[option].fallback;
}

static unsigned command_bit(const cli_args *args)
{
    return args->command ? args->command->bit : CMD_NONE;
}

static const char *command_name(const cli_args *args)
{
    return args->command ? args->command->name : "";
}

static int refuse(const cli_args *args, const char *what, const char *word)
{
    bnorm_cli_say("%s '%s'; see bnorm %s%s--help", what, word, command_name(args),
                  args->command ? " " : "");
    return -1;
}

/* The option that `name` (of that length) is or begins; -1 when there is none or several. */
static int find_long(const cli_args *args, const char *name, size_t length)
{
    int found = -1, several = 0;
    for (int k = 0; k < OPT_COUNT; k++) {
        if (!(table[k].commands & command_bit(args))) continue;
        if (strncmp(table[k].name, name, length)) continue;
        if (!table[k].name[length]) return k;
        several += found >= 0;
        found = k;
    }
    if (several) return refuse(args, "ambiguous option", name - 2);
    return found >= 0 ? found : refuse(args, "unknown option", name - 2);
}

static int find_letter(const cli_args *args, char letter)
{
    for (int k = 0; k < OPT_COUNT; k++)
        if (table[k].letter == letter && table[k].commands & command_bit(args)) return k;
    return refuse(args, "unknown option", (char[]){'-', letter, 0});
}

/* Stores a value; `next` is the word after, taken when one is needed. Returns how many words
 * were taken beyond the option's own, or -1. */
static int store(cli_args *args, int option, const char *attached, const char *next)
{
    const cli_option_row *row = &table[option];
    if (!row->argument && attached) {
        bnorm_cli_say("option --%s takes no value", row->name);
        return -1;
    }
    if (row->argument && !attached && !next) {
        bnorm_cli_say("option --%s needs a value: --%s %s", row->name, row->name,
                      row->argument);
        return -1;
    }
    const char *value = attached ? attached : next;
    if (row->argument && !strcmp(row->argument, "FILE") && !*value) {
        bnorm_cli_say("option --%s needs the name of a file", row->name);
        return -1;
    }
    args->value[option] = !row->argument ? "" : value;
    return row->argument && !attached;
}

static int take_long(cli_args *args, const char *word, const char *next)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    int option = find_long(args, word + 2, length - 2);
    return option < 0 ? -1 : store(args, option, equals ? equals + 1 : NULL, next);
}

/* -q, -o FILE, -oFILE, -qoFILE. */
static int take_letters(cli_args *args, const char *word, const char *next)
{
    for (const char *c = word + 1; *c; c++) {
        int option = find_letter(args, *c);
        if (option < 0) return -1;
        if (table[option].argument) return store(args, option, c[1] ? c + 1 : NULL, next);
        store(args, option, NULL, NULL);
    }
    return 0;
}

static int take_operand(cli_args *args, const char *word)
{
    int most = 0;
    while (args->command && most < CLI_OPERANDS && args->command->operand[most]) most++;
    if (args->operands == most) return refuse(args, "unexpected argument", word);
    args->operand[args->operands++] = word;
    return 0;
}

/* check --question has its own data. */
static int spare_operand(const cli_args *args)
{
    if (args->operands) bnorm_cli_say("check --question takes neither MODEL nor TABLE");
    return args->operands;
}

static int missing_operand(const cli_args *args)
{
    const cli_command *c = args->command;
    if (args->value[OPT_QUESTION]) return spare_operand(args);
    if (!c || args->operands == CLI_OPERANDS || !c->operand[args->operands]) return 0;
    bnorm_cli_say("%s needs %s%s%s; see bnorm %s --help", c->name, c->operand[0],
                  c->operand[1] ? " and " : "", c->operand[1] ? c->operand[1] : "", c->name);
    return 1;
}

/* Help is given also when the rest of the line is wrong. */
static int asks(int argc, char **argv, int first, const char *name, const char *letter)
{
    for (int i = first; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], name) || !strcmp(argv[i], letter)) return 1;
    return 0;
}

int bnorm_cli_parse(int argc, char **argv, int first, cli_args *args)
{
    int only_operands = 0;
    for (int k = 0; k < OPT_COUNT; k++) args->value[k] = table[k].fallback;
    if (asks(argc, argv, first, "--help", "-h")) args->value[OPT_HELP] = "";
    if (asks(argc, argv, first, "--version", "-V")) args->value[OPT_VERSION] = "";
    if (args->value[OPT_HELP] || args->value[OPT_VERSION]) return CLI_OK;
    for (int i = first; i < argc; i++) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        int taken;
        if (only_operands || word[0] != '-' || !word[1]) {
            taken = take_operand(args, word);
        } else if (!strcmp(word, "--")) {
            only_operands = 1;
            taken = 0;
        } else {
            taken =
                word[1] == '-' ? take_long(args, word, next) : take_letters(args, word, next);
        }
        if (taken < 0) return CLI_USAGE;
        i += taken;
    }
    if (args->value[OPT_HELP] || args->value[OPT_VERSION]) return CLI_OK;
    return missing_operand(args) ? CLI_USAGE : CLI_OK;
}
