/* predict: the subcommand; all the work is in predictions.c, which fit --fitted uses too. */
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "model_file.h"
#include "output.h"
#include "predictions.h"
#include "table.h"

int bnorm_cli_predict(cli_args *args)
{
    static const char *const na_rules[] = {"drop", "error", NULL};
    const char *out = args->value[OPT_OUT_CSV];
    cli_table table;
    bnorm_ctx *ctx = NULL;
    bnorm_model *model = NULL;
    int na_error = bnorm_cli_choice(args, OPT_NA, na_rules);
    int threads = (int)bnorm_cli_whole(args, OPT_THREADS, 0, 1024, "from 0 to 1024");
    bnorm_cli_separator(args);
    if (args->bad) return CLI_USAGE;
    const cli_use uses[] = {{"the model", args->operand[0], 0},
                            {"the table", args->operand[1], 0},
                            {"--out", out, 1}};
    int code = bnorm_cli_apart(uses, 3);
    if (!code) code = bnorm_cli_writable(out);
    if (!code) code = bnorm_cli_context(threads, &ctx);
    if (!code) code = bnorm_cli_model_read(ctx, args->operand[0], 1, &model);
    if (!code) code = bnorm_cli_table_read(ctx, args, args->operand[1], NULL, &table);
    if (!code) {
        code = bnorm_cli_predictions_write(ctx, model, &table, na_error, out);
        bnorm_cli_table_free(&table);
    }
    bnorm_model_destroy(model);
    bnorm_ctx_destroy(ctx);
    return code;
}
