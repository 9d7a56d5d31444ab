/* main: the subcommands and the choice among them. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "options.h"
#include "output.h"

const cli_command bnorm_cli_commands[] = {
    {"fit",
     CMD_FIT,
     {"FORMULA", "TABLE"},
     "fits a batch-normalised network to a table",
     "Fits a network to the columns of a table and reports how good it is. Hidden layers\n"
     "are dense, batch normalisation, activation and, if asked for, dropout. Inputs and a\n"
     "numeric target are standardised over the training rows; predictions are in the\n"
     "target's unit. SIGINT ends a fit early: the best so far is saved, once an epoch is\n"
     "done.\n"
     "\n"
     "FORMULA is target ~ term + term + ..., with columns, log(x), I(x^2), factor(x),\n"
     "a:b, a*b, '.' for all other columns, and - term; for instance\n"
     "\n"
     "  bnorm fit 'log(gsp) ~ log(pc) + factor(region)' produc.csv --out m.safetensors\n"
     "\n"
     "With networks in nn(...), or fixed effects after a bar, the model is structured: linear\n"
     "terms, networks and fixed effects, fitted together, with standard errors:\n"
     "\n"
     "  bnorm fit 'log(gsp) ~ log(pcap) + nn(log(emp), year) | state' produc.csv\n"
     "\n"
     "id^year is an effect for each combination, id[x] adds slopes of x, id[[x]] is slopes\n"
     "alone. Defaults are then --hidden 8 and --activation tanh; --hidden none --vcov hc1\n"
     "makes a regression of any formula. The report is a table of linear terms and average\n"
     "marginal effects. Small-sample factors of clusters count, beside the terms, the\n"
     "effects that are not nested in a cluster (nested), all effects (all), or none (sss).\n",
     bnorm_cli_fit},
    {"predict",
     CMD_PREDICT,
     {"MODEL", "TABLE"},
     "predicts the rows of a table by a model",
     "Writes a line for every row of the table: its line in the file, the prediction in\n"
     "the target's unit as the formula has it, and for classes the probability of each.\n"
     "A row with a missing input, a level that training did not see or a term that is not\n"
     "finite gets NA, and such rows are counted aloud; --na error refuses the first of\n"
     "them. Predictions have 17 digits: fit --fitted and predict write the same bytes.\n"
     "Structured models know levels of fixed effects: --new says what is predicted for\n"
     "others. --interval adds columns lower and upper, the limits of the mean response.\n",
     bnorm_cli_predict},
    {"summary",
     CMD_SUMMARY,
     {"MODEL", NULL},
     "describes a model",
     "Prints what a model's file holds: formula, layers, inference statistics, training;\n"
     "of a structured model the regression table, and by --json its fixed effects.\n",
     bnorm_cli_summary},
    {"check",
     CMD_CHECK,
     {"MODEL", "TABLE"},
     "checks the gradients of a model by difference quotients",
     "Compares the exact gradient of every block of parameters with central differences\n"
     "on rows of the table. Error is the largest difference, bound what rounding and\n"
     "truncation explain. Exit status 1 when a block is not ok.\n"
     "\n"
     "  bnorm check --question [--json]\n"
     "\n"
     "reproduces the gradients printed in the question that bnorm answers and judges\n"
     "them beside the true ones: closed form, Kronecker Jacobians, weight space, complex\n"
     "step, central differences. Exit status 1 when these do not agree.\n",
     bnorm_cli_check},
    {"bench",
     CMD_BENCH,
     {NULL, NULL},
     "measures the matrix functions beside the limit of this machine's memory",
     "Times forward, backward and inference on seven shapes, in turns with a copy (for\n"
     "backward: a sum of two arrays) of the same buffers by as many threads: time / limit,\n"
     "the limit's speed, and geometric means over the shapes. Takes a minute at most, and\n"
     "768 MiB of memory; shapes for which memory or time is short are left out aloud. Run\n"
     "it on a machine that does nothing else.\n",
     bnorm_cli_bench},
    {0},
};

static const cli_command *find(const char *name)
{
    for (const cli_command *c = bnorm_cli_commands; c->name; c++)
        if (!strcmp(c->name, name)) return c;
    return NULL;
}

/* --help, --version and --man; -1 when none was given. */
static int informed(const cli_args *args)
{
    if (args->value[OPT_HELP])
        bnorm_cli_help(stdout, args->command);
    else if (args->value[OPT_VERSION])
        printf("bnorm %s\n", bnorm_version());
    else if (args->value[OPT_MAN])
        bnorm_cli_man(stdout);
    else
        return -1;
    return bnorm_cli_flush();
}

static int alone(int argc, char **argv)
{
    cli_args args = {0};
    if (argc < 2) {
        bnorm_cli_say(
            "a command is needed: fit, predict, summary, check or bench; see bnorm --help");
        return CLI_USAGE;
    }
    if (argv[1][0] != '-') {
        bnorm_cli_say("unknown command '%s'; there are fit, predict, summary, check and bench",
                      argv[1]);
        return CLI_USAGE;
    }
    int code = bnorm_cli_parse(argc, argv, 1, &args);
    if (code) return code;
    code = informed(&args);
    return code >= 0 ? code : alone(1, argv);
}

/* bnorm help [COMMAND] is bnorm [COMMAND] --help. */
static int help(int argc, char **argv)
{
    const cli_command *command = argc > 2 ? find(argv[2]) : NULL;
    if (argc > 2 && !command) {
        bnorm_cli_say("no help for '%s'; there are fit, predict, summary, check and bench",
                      argv[2]);
        return CLI_USAGE;
    }
    bnorm_cli_help(stdout, command);
    return bnorm_cli_flush();
}

int main(int argc, char **argv)
{
    cli_args args = {0};
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error like a full disk */
    if (argc > 1 && !strcmp(argv[1], "help")) return help(argc, argv);
    args.command = argc > 1 ? find(argv[1]) : NULL;
    if (!args.command) return alone(argc, argv);
    int code = bnorm_cli_parse(argc, argv, 2, &args);
    if (code) return code;
    code = informed(&args);
    if (code >= 0) return code;
    if (args.value[OPT_QUIET]) bnorm_cli_quiet();
    return args.command->run(&args);
}
