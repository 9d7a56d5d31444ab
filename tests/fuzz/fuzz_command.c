/* fuzz_command: a command line, an argument a line, read by the table of options; that of fit as
 * far as its settings. Nothing is run. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fit.h"
#include "fuzz.h"
#include "options.h"

enum { MOST = 64 };

static int split(char *text, char **argv)
{
    int argc = 0;
    argv[argc++] = text;
    for (char *c = text; (c = strchr(c, '\n')) && argc < MOST; argv[argc++] = c) *c++ = 0;
    argv[argc] = NULL;
    return argc;
}

static const cli_command *find(const char *name)
{
    const cli_command *c = bnorm_cli_commands;
    while (c->name && strcmp(c->name, name)) c++;
    return c->name ? c : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[MOST + 1], *text = bnorm_fuzz_text(data, size);
    int argc = split(text, argv);
    cli_args args = {.command = find(argv[0])};
    int code = bnorm_cli_parse(argc, argv, 1, &args);
    bnorm_fuzz_expect(code == CLI_OK || code == CLI_USAGE, "read or refused");
    if (!code && args.command && args.command->bit == CMD_FIT && args.operands == 2) {
        fit_settings settings;
        code = bnorm_cli_fit_settings(&args, &settings);
        bnorm_fuzz_expect(code == CLI_OK || code == CLI_USAGE, "settings or a refusal");
        bnorm_fuzz_expect(code || (settings.layers >= 0 && settings.layers <= FIT_LAYERS),
                          "settings in their bounds");
    }
    free(text);
    return 0;
}
