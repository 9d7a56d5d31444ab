/* options: the one table of options, and the command line read by it. --help and the man page
 * are printed from the same table, so they cannot differ from what is read. */
#ifndef BNORM_CLI_OPTIONS_H
#define BNORM_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum cli_option {
    OPT_HIDDEN,
    OPT_ACTIVATION,
    OPT_LOSS,
    OPT_NO_BATCHNORM,
    OPT_DDOF,
    OPT_EPS,
    OPT_DROPOUT,
    OPT_PENALTY,
    OPT_OPTIMIZER,
    OPT_EPOCHS,
    OPT_BATCH,
    OPT_RATE,
    OPT_MOMENTUM,
    OPT_WEIGHT_DECAY,
    OPT_VALIDATE,
    OPT_PATIENCE,
    OPT_RUNNING,
    OPT_UPDATE,
    OPT_UNIT,
    OPT_PERIOD,
    OPT_SINGLETONS,
    OPT_PENALTY_TOP,
    OPT_PENALTY_LINEAR,
    OPT_HOLD,
    OPT_STARTS,
    OPT_BAGS,
    OPT_CV,
    OPT_CV_HIDDEN,
    OPT_CV_PENALTY,
    OPT_VCOV,
    OPT_CLUSTER,
    OPT_SMALL,
    OPT_JACOBIAN,
    OPT_CHECK,
    OPT_NEW,
    OPT_INTERVAL,
    OPT_ENTRIES,
    OPT_ROWS,
    OPT_QUESTION,
    OPT_QUICK,
    OPT_WEIGHTS,
    OPT_NO_STANDARDIZE,
    OPT_NA,
    OPT_CONSTANT,
    OPT_SEPARATOR,
    OPT_OUT,
    OPT_OUT_CSV,
    OPT_FITTED,
    OPT_PLOT,
    OPT_JSON,
    OPT_QUIET,
    OPT_SEED,
    OPT_THREADS,
    OPT_THREADS_BENCH,
    OPT_HELP,
    OPT_VERSION,
    OPT_MAN,
    OPT_COUNT
} cli_option;

enum { CLI_OPERANDS = 2 };

/* A command line that was read: the text of each option (its default when absent and there is
 * one, "" for a flag that is set, else NULL) and the operands. */
typedef struct cli_args {
    const struct cli_command *command; /* NULL: bnorm alone */
    const char *value[OPT_COUNT];
    const char *operand[CLI_OPERANDS];
    int operands;
    int bad; /* set once a value was refused; the refusal is said */
} cli_args;

/* A subcommand. */
typedef struct cli_command {
    const char *name;
    unsigned bit;                      /* in the table's `commands` */
    const char *operand[CLI_OPERANDS]; /* names, NULL when there are fewer */
    const char *brief;                 /* one line */
    const char *text;                  /* a paragraph, lines of at most 80 */
    int (*run)(cli_args *args);
} cli_command;

/* The subcommands, ended by one without a name (main.c). */
extern const cli_command bnorm_cli_commands[];

enum {
    CMD_NONE = 1,
    CMD_FIT = 2,
    CMD_PREDICT = 4,
    CMD_SUMMARY = 8,
    CMD_CHECK = 16,
    CMD_BENCH = 32,
    CMD_TABLE = CMD_FIT | CMD_PREDICT | CMD_CHECK,
    CMD_ALL = CMD_TABLE | CMD_SUMMARY | CMD_BENCH
};

/* One row of the table. */
typedef struct cli_option_row {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* NULL: a flag */
    const char *fallback; /* the default as it would be typed; NULL: none */
    unsigned commands;
    const char *group;
    const char *help;
} cli_option_row;

const cli_option_row *bnorm_cli_option_row(cli_option option);

/* 1 when the option stands on the command line. */
int bnorm_cli_given(const cli_args *args, cli_option option);

/* Reads argv[first..] for args->command. Returns CLI_OK or CLI_USAGE. --help and --version win
 * over everything else that is wrong. */
int bnorm_cli_parse(int argc, char **argv, int first, cli_args *args);

/* Values, checked; a refusal is said once and sets args->bad. `allowed` says what is. */
double bnorm_cli_real(cli_args *args, cli_option option, double low, double high,
                      const char *allowed);
ptrdiff_t bnorm_cli_whole(cli_args *args, cli_option option, ptrdiff_t low, ptrdiff_t high,
                          const char *allowed);
uint64_t bnorm_cli_seed(cli_args *args);
/* The position of the value in choices, which NULL ends. */
int bnorm_cli_choice(cli_args *args, cli_option option, const char *const *choices);
/* ',' ';' '\t', or 0 for "auto". */
char bnorm_cli_separator(cli_args *args);
/* A comma-separated list of whole numbers from 1, or none; returns their number. */
int bnorm_cli_sizes(cli_args *args, cli_option option, ptrdiff_t *sizes, int most);
/* Several such lists, as none;4;8,4: list k has counts[k] sizes from sizes + k * most on. Returns
 * their number. */
int bnorm_cli_size_lists(cli_args *args, cli_option option, ptrdiff_t *sizes, int most,
                         int *counts, int most_lists);
/* A comma-separated list of numbers from 0; returns their number. */
int bnorm_cli_reals(cli_args *args, cli_option option, double *values, int most);

/* help.c: the help of a subcommand (or of bnorm, command NULL), and the man page. */
void bnorm_cli_help(FILE *file, const cli_command *command);
void bnorm_cli_man(FILE *file);

#endif
