/* predict: the subcommand; all the work is in predictions.c, or for structured models in
 * panel_file.c, which fit --fitted uses too. */
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "model_file.h"
#include "output.h"
#include "panel_file.h"
#include "predictions.h"
#include "table.h"

typedef struct request {
    const char *model, *table, *out;
    panel_request panel;
    int na_error, threads;
} request;

static int settings(cli_args *args, request *q)
{
    static const char *const na_rules[] = {"drop", "error", NULL};
    static const char *const new_rules[] = {"error", "na", "zero", NULL};
    *q = (request){.model = args->operand[0], .table = args->operand[1]};
    q->out = args->value[OPT_OUT_CSV];
    q->na_error = q->panel.na_error = bnorm_cli_choice(args, OPT_NA, na_rules);
    q->panel.new_level = (bnorm_new_level)bnorm_cli_choice(args, OPT_NEW, new_rules);
    q->panel.level = bnorm_cli_real(args, OPT_INTERVAL, 0x1p-1000, 1 - 0x1p-53,
                                    "above 0 and below 1, as 0.95");
    q->threads = (int)bnorm_cli_whole(args, OPT_THREADS, 0, 1024, "from 0 to 1024");
    bnorm_cli_separator(args);
    return args->bad ? CLI_USAGE : CLI_OK;
}

static int predict_panel(bnorm_ctx *ctx, cli_args *args, const request *q)
{
    cli_table table;
    bnorm_panel *panel = NULL;
    bnorm_vcov *vcov = NULL;
    int code = bnorm_cli_status(ctx, bnorm_panel_load(ctx, q->model, &panel, &vcov));
    if (!code && q->panel.level > 0 && !vcov) {
        bnorm_cli_say("--interval: %s has no covariance: its fit was interrupted, or it is the "
                      "mean of a bag",
                      q->model);
        code = CLI_DATA;
    }
    if (!code) code = bnorm_cli_table_read(ctx, args, q->table, NULL, &table);
    if (!code) {
        code = bnorm_cli_panel_predictions(ctx, panel, vcov, &table, q->panel, q->out);
        bnorm_cli_table_free(&table);
    }
    bnorm_panel_destroy(panel);
    bnorm_vcov_destroy(vcov);
    return code;
}

static int refuse_panel_options(const cli_args *args, const request *q)
{
    int level = bnorm_cli_given(args, OPT_INTERVAL);
    if (!level && !bnorm_cli_given(args, OPT_NEW)) return CLI_OK;
    bnorm_cli_say("--%s is for structured models, but %s holds another network",
                  level ? "interval" : "new", q->model);
    return CLI_USAGE;
}

static int predict_model(bnorm_ctx *ctx, cli_args *args, const request *q)
{
    cli_table table;
    bnorm_model *model = NULL;
    int code = bnorm_cli_model_read(ctx, q->model, 1, &model);
    if (!code) code = refuse_panel_options(args, q);
    if (!code) code = bnorm_cli_table_read(ctx, args, q->table, NULL, &table);
    if (!code) {
        code = bnorm_cli_predictions_write(ctx, model, &table, q->na_error, q->out);
        bnorm_cli_table_free(&table);
    }
    bnorm_model_destroy(model);
    return code;
}

int bnorm_cli_predict(cli_args *args)
{
    request q;
    bnorm_ctx *ctx = NULL;
    int code = settings(args, &q);
    if (code) return code;
    const cli_use uses[] = {
        {"the model", q.model, 0}, {"the table", q.table, 0}, {"--out", q.out, 1}};
    code = bnorm_cli_apart(uses, 3);
    if (!code) code = bnorm_cli_writable(q.out);
    if (!code) code = bnorm_cli_context(q.threads, &ctx);
    if (!code)
        code = bnorm_cli_is_panel_file(ctx, q.model) ? predict_panel(ctx, args, &q)
                                                     : predict_model(ctx, args, &q);
    bnorm_ctx_destroy(ctx);
    return code;
}
