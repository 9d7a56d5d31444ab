/* help: --help and the man page, both printed from the tables of options and subcommands. */
#include <string.h>

#include "cli.h"
#include "options.h"

static const char *const exit_codes[][2] = {
    {"0", "success"},
    {"1", "failed: a file, memory, a fit that diverged, a check that is not ok"},
    {"2", "usage: the command line or the formula"},
    {"3", "bad data: a table or a model file"},
    {"130", "interrupted (fit then saves the best so far)"},
};
enum { EXIT_CODES = sizeof exit_codes / sizeof *exit_codes };

static void usage(FILE *file, const cli_command *c)
{
    fprintf(file, "bnorm %s", c->name);
    for (int k = 0; k < CLI_OPERANDS && c->operand[k]; k++) fprintf(file, " %s", c->operand[k]);
    fputs(" [OPTION]...", file);
}

/* 1 when the option is shown for these commands. */
static int shown(cli_option option, unsigned commands)
{
    return option != OPT_MAN && (bnorm_cli_option_row(option)->commands & commands);
}

/* Calls visit for each option of the commands, group by group in the order of the table. */
static void each_option(FILE *file, unsigned commands,
                        void (*group)(FILE *file, const char *name),
                        void (*visit)(FILE *file, const cli_option_row *row))
{
    const char *done[OPT_COUNT];
    int groups = 0;
    for (int k = 0; k < OPT_COUNT; k++) {
        const char *name = bnorm_cli_option_row(k)->group;
        int seen = !shown(k, commands);
        for (int g = 0; g < groups; g++) seen |= !strcmp(done[g], name);
        if (seen) continue;
        done[groups++] = name;
        group(file, name);
        for (int i = k; i < OPT_COUNT; i++)
            if (shown(i, commands) && !strcmp(bnorm_cli_option_row(i)->group, name))
                visit(file, bnorm_cli_option_row(i));
    }
}

static void help_group(FILE *file, const char *name)
{
    fprintf(file, "\n%s:\n", name);
}

static void help_option(FILE *file, const cli_option_row *row)
{
    char left[64];
    int length = snprintf(left, sizeof left, "  %c%c%s --%s%s%s", row->letter ? '-' : ' ',
                          row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
                          row->argument ? " " : "", row->argument ? row->argument : "");
    fprintf(file, "%-27s%s%s", left, length > 26 ? " " : "", row->help);
    if (row->fallback) fprintf(file, " [%s]", row->fallback);
    fputc('\n', file);
}

static void help_exit(FILE *file)
{
    fputs("\nExit status:\n", file);
    for (int k = 0; k < EXIT_CODES; k++)
        fprintf(file, "  %-3s  %s\n", exit_codes[k][0], exit_codes[k][1]);
}

static void help_overview(FILE *file)
{
    fputs("bnorm fits batch-normalised networks with exact gradients, and checks them.\n\n"
          "Usage:\n",
          file);
    for (const cli_command *c = bnorm_cli_commands; c->name; c++) {
        fputs("  ", file);
        usage(file, c);
        fprintf(file, "\n      %s\n", c->brief);
    }
    fputs("\nTABLE is a file of comma-, semicolon- or tab-separated values with a header line, "
          "or\nof Stata (.dta) or SPSS (.sav); - reads text from standard input. bnorm COMMAND "
          "--help\ntells a command's options.\n",
          file);
    each_option(file, CMD_NONE, help_group, help_option);
}

void bnorm_cli_help(FILE *file, const cli_command *command)
{
    if (command) {
        fputs("Usage: ", file);
        usage(file, command);
        fprintf(file, "\n\n%s", command->text);
        each_option(file, command->bit, help_group, help_option);
    } else {
        help_overview(file);
    }
    help_exit(file);
}

/* Text for troff: a backslash, a dash and a leading dot or quote are special. */
static void man_text(FILE *file, const char *text)
{
    int line_start = 1;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\'')) fputs("\\&", file);
        if (*text == '\\')
            fputs("\\e", file);
        else if (*text == '-')
            fputs("\\-", file);
        else
            fputc(*text, file);
        line_start = *text == '\n';
    }
}

static void man_group(FILE *file, const char *name)
{
    fprintf(file, ".SS %s\n", name);
}

static void man_option(FILE *file, const cli_option_row *row)
{
    fputs(".TP\n", file);
    if (row->letter) fprintf(file, "\\fB\\-%c\\fR, ", row->letter);
    fputs("\\fB\\-\\-", file);
    man_text(file, row->name);
    fputs("\\fR", file);
    if (row->argument) fprintf(file, " \\fI%s\\fR", row->argument);
    fputc('\n', file);
    man_text(file, row->help);
    if (row->fallback) {
        fputs(" [", file);
        man_text(file, row->fallback);
        fputc(']', file);
    }
    fputs("\n", file);
    if (row->commands == CMD_ALL || (row->commands & CMD_NONE)) return;
    fputs("(", file);
    for (const cli_command *c = bnorm_cli_commands, *first = NULL; c->name; c++) {
        if (!(c->bit & row->commands)) continue;
        fprintf(file, "%s%s", first ? ", " : "", c->name);
        first = c;
    }
    fputs(")\n", file);
}

static void man_command(FILE *file, const cli_command *c)
{
    fputs(".SS \"", file);
    usage(file, c);
    fputs("\"\n", file);
    for (const char *line = c->text; *line;) { /* indented lines are shown as they stand */
        size_t length = strcspn(line, "\n");
        int verbatim = line[0] == ' ';
        char text[200];
        snprintf(text, sizeof text, "%.*s", (int)length, line + (verbatim ? 2 : 0));
        if (verbatim) fputs(".nf\n", file);
        if (length)
            man_text(file, text);
        else
            fputs(".PP", file);
        fputs(verbatim ? "\n.fi\n" : "\n", file);
        line += length + (line[length] == '\n');
    }
}

void bnorm_cli_man(FILE *file)
{
    fprintf(file,
            ".\\\" Made from the command's own tables: bnorm --man > docs/bnorm.1\n"
            ".TH BNORM 1 \"\" \"bnorm %s\" \"User Commands\"\n"
            ".SH NAME\n"
            "bnorm \\- batch\\-normalised networks with exact gradients\n"
            ".SH SYNOPSIS\n",
            BNORM_VERSION);
    for (const cli_command *c = bnorm_cli_commands; c->name; c++) {
        fputs(c == bnorm_cli_commands ? "" : ".br\n", file);
        usage(file, c);
        fputc('\n', file);
    }
    fputs(
        ".SH DESCRIPTION\n"
        "TABLE is a file of comma\\-, semicolon\\- or tab\\-separated values with a header\n"
        "line, in UTF\\-8; \\fB\\-\\fR reads it from standard input. Empty cells and NA are\n"
        "missing values. A name that ends in .dta or .sav is a file of Stata or SPSS (where "
        "the\n"
        "command was built with ReadStat): a numeric variable whose values all have labels is\n"
        "text, other values are numbers, dates among them, and places are told by row.\n",
        file);
    for (const cli_command *c = bnorm_cli_commands; c->name; c++) man_command(file, c);
    fputs(".SH OPTIONS\n", file);
    each_option(file, CMD_ALL, man_group, man_option);
    fputs(".SH EXIT STATUS\n", file);
    for (int k = 0; k < EXIT_CODES; k++) {
        fprintf(file, ".TP\n%s\n", exit_codes[k][0]);
        man_text(file, exit_codes[k][1]);
        fputc('\n', file);
    }
    fputs(".SH ENVIRONMENT\n.TP\nNO_COLOR\nwhen set, messages have no colour.\n"
          ".TP\nBNORM_ISA\navx512, avx2, neon or scalar: the instruction set to use.\n",
          file);
}
