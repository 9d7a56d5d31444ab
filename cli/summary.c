/* summary: the subcommand; what a model's file says of its network, data and training. */
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "describe.h"
#include "model_file.h"
#include "output.h"
#include "panel.h"
#include "panel_file.h"

/* Where the inference statistics come from, when the file says so. */
static const char *statistics(const bnorm_model *model)
{
    const char *text, *key;
    for (ptrdiff_t k = 0; (key = bnorm_model_note(model, k, NULL, &text)); k++)
        if (text && !strcmp(key, "statistics")) return text;
    return NULL;
}

/* "a, b, c" after a label. */
static void print_list(const char *label, const bnorm_frame *frame, ptrdiff_t count,
                       const char *(*name)(const bnorm_frame *frame, ptrdiff_t k))
{
    fputs(label, stdout);
    for (ptrdiff_t k = 0; k < count; k++) {
        fputs(k ? ", " : " ", stdout);
        bnorm_cli_print(stdout, name(frame, k));
    }
    fputc('\n', stdout);
}

static void print_inputs(const bnorm_frame *frame)
{
    ptrdiff_t dropped = bnorm_frame_dropped(frame), classes = bnorm_frame_classes(frame);
    print_list("inputs:", frame, bnorm_frame_inputs(frame), bnorm_frame_input_name);
    if (dropped) print_list("constant, left out:", frame, dropped, bnorm_frame_dropped_name);
    if (classes) print_list("classes:", frame, classes, bnorm_frame_class_name);
}

static void print(bnorm_model *model)
{
    const char *key, *text;
    double number;
    const bnorm_frame *frame = bnorm_model_frame(model);
    if (frame) {
        fputs("formula: ", stdout);
        bnorm_cli_print(stdout, bnorm_frame_formula(frame));
        fputc('\n', stdout);
        print_inputs(frame);
    }
    bnorm_cli_describe(stdout, bnorm_model_net(model), statistics(model));
    printf("loss: %s\n", bnorm_model_loss(model)->name);
    for (ptrdiff_t k = 0; (key = bnorm_model_note(model, k, &number, &text)); k++) {
        bnorm_cli_print(stdout, key);
        fputs(": ", stdout);
        if (text)
            bnorm_cli_print(stdout, text);
        else
            printf("%.10g", number);
        fputc('\n', stdout);
    }
}

static void notes_json(cli_json *j, const bnorm_model *model)
{
    const char *key, *text;
    double number;
    bnorm_cli_json_open(j, "notes", '{');
    for (ptrdiff_t k = 0; (key = bnorm_model_note(model, k, &number, &text)); k++) {
        if (text)
            bnorm_cli_json_text(j, key, text);
        else
            bnorm_cli_json_number(j, key, number);
    }
    bnorm_cli_json_close(j, '}');
}

static void scaling_json(cli_json *j, const bnorm_frame *frame)
{
    double center, scale;
    bnorm_cli_json_open(j, "scaling", '[');
    for (ptrdiff_t k = -1; k < bnorm_frame_inputs(frame); k++) {
        bnorm_frame_scaling(frame, k, &center, &scale);
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_text(j, "name",
                            k < 0 ? bnorm_frame_target_name(frame)
                                  : bnorm_frame_input_name(frame, k));
        bnorm_cli_json_number(j, "center", center);
        bnorm_cli_json_number(j, "scale", scale);
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
}

static void print_json(bnorm_model *model)
{
    cli_json j = {.file = stdout};
    const bnorm_frame *frame = bnorm_model_frame(model);
    bnorm_cli_json_open(&j, NULL, '{');
    bnorm_cli_json_text(&j, "formula", frame ? bnorm_frame_formula(frame) : NULL);
    if (frame) {
        bnorm_cli_json_text(&j, "target", bnorm_frame_target_name(frame));
        bnorm_cli_describe_frame_json(&j, frame);
        scaling_json(&j, frame);
    }
    bnorm_cli_json_text(&j, "loss", bnorm_model_loss(model)->name);
    bnorm_cli_describe_json(&j, bnorm_model_net(model), statistics(model));
    notes_json(&j, model);
    bnorm_cli_json_close(&j, '}');
}

static int summarise_model(bnorm_ctx *ctx, const cli_args *args)
{
    bnorm_model *model = NULL;
    int code = bnorm_cli_model_read(ctx, args->operand[0], 0, &model);
    if (!code && args->value[OPT_JSON])
        print_json(model);
    else if (!code && !args->value[OPT_QUIET])
        print(model);
    bnorm_model_destroy(model);
    return code;
}

static int summarise_panel(bnorm_ctx *ctx, const cli_args *args)
{
    panel_result r = {.info.struct_size = sizeof r.info,
                      .vcov_info.struct_size = sizeof r.vcov_info};
    int code =
        bnorm_cli_status(ctx, bnorm_panel_load(ctx, args->operand[0], &r.panel, &r.vcov));
    if (!code) code = bnorm_cli_status(ctx, bnorm_panel_describe(r.panel, &r.info));
    if (!code && r.vcov)
        code = bnorm_cli_status(ctx, bnorm_vcov_describe(r.vcov, &r.vcov_info));
    if (!code) code = bnorm_cli_panel_linear(ctx, &r);
    if (!code && args->value[OPT_JSON])
        bnorm_cli_panel_json(stdout, &r);
    else if (!code && !args->value[OPT_QUIET])
        bnorm_cli_panel_print(stdout, &r);
    bnorm_cli_panel_free(&r);
    return code;
}

int bnorm_cli_summary(cli_args *args)
{
    bnorm_ctx *ctx = NULL;
    int code = bnorm_cli_context(1, &ctx);
    if (!code)
        code = bnorm_cli_is_panel_file(ctx, args->operand[0]) ? summarise_panel(ctx, args)
                                                              : summarise_model(ctx, args);
    if (!code) code = bnorm_cli_flush();
    bnorm_ctx_destroy(ctx);
    return code;
}
