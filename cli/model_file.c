/* model_file: the library replaces the file at a path by renaming, so a link is followed here
 * first (a link like /dev/stdout must not be replaced), and standard output gets a copy. */
#include "model_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "output.h"

int bnorm_cli_model_read(bnorm_ctx *ctx, const char *path, int needs_frame, bnorm_model **model)
{
    if (!strcmp(path, "-")) {
        bnorm_cli_say("a model is read from a file, not from standard input");
        return CLI_USAGE;
    }
    int code = bnorm_cli_status(ctx, bnorm_model_load(ctx, path, NULL, model));
    if (code || !needs_frame || bnorm_model_frame(*model)) return code;
    bnorm_cli_say("%s holds no formula, so it cannot read a table; fit one with bnorm fit",
                  path);
    bnorm_model_destroy(*model);
    *model = NULL;
    return CLI_DATA;
}

/* Copies a file to standard output; an error in writing stays in the stream, where commit finds
 * it. */
static int give(FILE *file, const char *path)
{
    char bytes[4096];
    size_t got;
    cli_output output;
    int code = bnorm_cli_open(&output, "-");
    if (code) return code;
    while (file && (got = fread(bytes, 1, sizeof bytes, file)) > 0)
        fwrite(bytes, 1, got, output.file);
    if (!file || ferror(file)) {
        bnorm_cli_say("%s could not be read: %s", path, strerror(errno));
        code = CLI_FAILED;
    }
    int written = bnorm_cli_commit(&output);
    return code ? code : written;
}

/* The temporary has no name any more when it is copied: nothing can be left behind. */
static int save_to_stdout(bnorm_ctx *ctx, cli_saver save, void *what)
{
    const char *folder = getenv("TMPDIR");
    char path[1024];
    cli_hold hold;
    snprintf(path, sizeof path, "%s/bnorm.XXXXXX", folder && *folder ? folder : "/tmp");
    bnorm_cli_hold(&hold);
    int descriptor = mkstemp(path);
    if (descriptor < 0) {
        bnorm_cli_say("%s could not be written: %s", path, strerror(errno));
        bnorm_cli_release(&hold);
        return CLI_FAILED;
    }
    close(descriptor);
    int code = bnorm_cli_status(ctx, save(ctx, what, path));
    FILE *file = code ? NULL : fopen(path, "rb");
    unlink(path);
    bnorm_cli_release(&hold);
    if (!code) code = give(file, path);
    if (file) fclose(file);
    return code;
}

int bnorm_cli_save(bnorm_ctx *ctx, cli_saver save, void *what, const char *path)
{
    cli_hold hold;
    if (!strcmp(path, "-")) return save_to_stdout(ctx, save, what);
    char *real = realpath(path, NULL);
    bnorm_cli_hold(&hold);
    int code = bnorm_cli_status(ctx, save(ctx, what, real ? real : path));
    bnorm_cli_release(&hold);
    free(real);
    return code;
}

static bnorm_status save_model(bnorm_ctx *ctx, void *model, const char *path)
{
    return bnorm_model_save(ctx, model, path);
}

int bnorm_cli_model_save(bnorm_ctx *ctx, bnorm_model *model, const char *path)
{
    return bnorm_cli_save(ctx, save_model, model, path);
}
