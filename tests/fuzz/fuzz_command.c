/* fuzz_command: a command line, an argument a line, read by the table of options; that of fit as
 * far as its settings. Nothing is run. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fit.h"
#include "fuzz.h"
#include "options.h"
#include "panel.h"

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

static void read_panel(cli_args *args, const fit_settings *base)
{
    panel_settings s;
    int code = bnorm_cli_panel_settings(args, base, &s);
    bnorm_fuzz_expect(code == CLI_OK || code == CLI_USAGE, "settings or a refusal");
    bnorm_fuzz_expect(
        code || (s.sizes_count <= PANEL_CANDIDATES && s.penalties_count <= PANEL_CANDIDATES),
        "candidates in their bounds");
    bnorm_cli_panel_settings_free(&s);
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
        if (!code && bnorm_cli_is_structured(&args)) read_panel(&args, &settings);
    }
    free(text);
    return 0;
}
