/* fit: the subcommand. Order of things: what can be refused is refused before the work; the
 * model is saved before anything else is written; an interrupted fit saves its best so far. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "fit.h"
#include "model_file.h"
#include "output.h"
#include "panel.h"
#include "predictions.h"

static bnorm_status add_hidden(bnorm_ctx *ctx, bnorm_net *net, const fit_settings *s,
                               ptrdiff_t units)
{
    bnorm_status status = bnorm_net_dense(ctx, net, units);
    if (!status && s->batchnorm) status = bnorm_net_batchnorm(ctx, net, s->rule);
    if (!status) status = bnorm_net_activation(ctx, net, s->activation);
    if (!status && s->dropout > 0) status = bnorm_net_dropout(ctx, net, s->dropout);
    return status;
}

static bnorm_status make_net(bnorm_ctx *ctx, const fit_settings *s, ptrdiff_t inputs,
                             ptrdiff_t outputs, bnorm_net **net)
{
    bnorm_status status = bnorm_net_create(ctx, inputs, net);
    for (int k = 0; k < s->layers && !status; k++)
        status = add_hidden(ctx, *net, s, s->hidden[k]);
    if (!status) status = bnorm_net_dense(ctx, *net, outputs);
    if (!status) status = bnorm_net_start(ctx, *net, s->seed);
    if (!status && s->penalty > 0) status = bnorm_net_set_penalty(ctx, *net, NULL, s->penalty);
    return status;
}

static const bnorm_loss *choose_loss(const fit_settings *s, const fit_data *data)
{
    int loss = s->loss;
    if (loss == FIT_LOSS_AUTO)
        loss = !data->classes       ? FIT_LOSS_SQUARED
               : data->classes == 2 ? FIT_LOSS_LOGISTIC
                                    : FIT_LOSS_SOFTMAX;
    return bnorm_loss_find(loss == FIT_LOSS_SQUARED    ? "squared"
                           : loss == FIT_LOSS_LOGISTIC ? "logistic"
                                                       : "softmax");
}

/* The untrained model: it owns the network and, from here on, the frame. */
static int make_model(bnorm_ctx *ctx, fit_result *r)
{
    bnorm_net *net = NULL;
    const bnorm_loss *loss = choose_loss(r->settings, &r->data);
    ptrdiff_t outputs = !strcmp(loss->name, "softmax") ? r->data.classes : 1;
    bnorm_status status = make_net(ctx, r->settings, r->data.inputs, outputs, &net);
    if (!status) status = bnorm_model_create(ctx, net, r->data.frame, loss, &r->model);
    if (status)
        bnorm_net_destroy(net);
    else
        r->data.frame = NULL;
    return bnorm_cli_status(ctx, status);
}

static bnorm_mat_f64 matrix(const double *data, const fit_part *part, ptrdiff_t cols)
{
    return bnorm_view_f64(data, part->count, cols, BNORM_ROW_MAJOR);
}

static int train(bnorm_ctx *ctx, fit_result *r)
{
    const fit_part *t = &r->data.part[FIT_TRAINING], *v = &r->data.part[FIT_VALIDATION];
    bnorm_fit_options options = r->settings->options;
    cli_watch w;
    options.progress = bnorm_cli_watch;
    options.progress_user = &w;
    options.interrupted = bnorm_cli_stop_asked;
    bnorm_cli_stop_begin();
    bnorm_cli_watch_begin(&w, &r->history, !r->settings->quiet);
    bnorm_status status = bnorm_fit(
        ctx, bnorm_model_net(r->model), matrix(t->x, t, r->data.inputs), matrix(t->y, t, 1),
        t->weights, matrix(v->x, v, r->data.inputs), matrix(v->y, v, 1), v->weights,
        bnorm_model_loss(r->model), &options, &r->report);
    bnorm_cli_watch_end(&w);
    r->interrupted = status == BNORM_E_INTERRUPTED;
    return r->interrupted ? CLI_OK : bnorm_cli_status(ctx, status);
}

static int save(bnorm_ctx *ctx, fit_result *r)
{
    const char *path = r->settings->out;
    int code = bnorm_cli_fit_note(ctx, r);
    if (code || !path) return code;
    return bnorm_cli_model_save(ctx, r->model, path);
}

static void tell_interrupted(const fit_result *r)
{
    const char *out = r->settings->out;
    if (out)
        bnorm_cli_say("interrupted after %td epochs; the best so far is saved in %s",
                      r->report.epochs, out);
    else
        bnorm_cli_say("interrupted after %td epochs; nothing is saved without --out",
                      r->report.epochs);
}

static int write_fitted(bnorm_ctx *ctx, fit_result *r)
{
    if (!r->settings->fitted) return CLI_OK;
    return bnorm_cli_predictions_write(ctx, r->model, r->table, 0, r->settings->fitted);
}

/* The report makes way when a file goes to standard output. */
static FILE *report_stream(const fit_settings *s)
{
    const char *const files[] = {s->out, s->fitted, s->plot};
    for (int k = 0; k < 3; k++)
        if (files[k] && !strcmp(files[k], "-")) return stderr;
    return stdout;
}

static int finish(bnorm_ctx *ctx, fit_result *r)
{
    const fit_settings *s = r->settings;
    if (r->interrupted && !r->report.epochs) {
        bnorm_cli_say("interrupted before the first epoch was done; nothing is saved");
        return CLI_INTERRUPTED;
    }
    int code = bnorm_cli_fit_quality(ctx, r);
    if (!code) code = save(ctx, r);
    bnorm_cli_stop_let();
    if (!code && r->interrupted) {
        tell_interrupted(r);
        return CLI_INTERRUPTED;
    }
    if (!code) code = write_fitted(ctx, r);
    if (!code && s->plot) code = bnorm_cli_fit_plot(r, s->plot);
    if (code) return code;
    if (s->json)
        bnorm_cli_fit_print_json(stdout, r);
    else if (!s->quiet)
        bnorm_cli_fit_print(report_stream(s), r);
    return bnorm_cli_flush();
}

static void free_result(fit_result *r)
{
    bnorm_cli_fit_data_free(&r->data);
    bnorm_model_destroy(r->model);
    bnorm_cli_history_free(&r->history);
    free(r->quality[0].fitted);
    free(r->quality[1].fitted);
}

static void tell_dropped(const fit_result *r)
{
    ptrdiff_t dropped = r->table->rows - r->data.used;
    if (dropped)
        bnorm_cli_note("%td of %td rows have missing values and are left out", dropped,
                       r->table->rows);
    ptrdiff_t constant = bnorm_frame_dropped(r->data.frame);
    for (ptrdiff_t k = 0; k < constant; k++)
        bnorm_cli_note("input %s is constant and left out",
                       bnorm_frame_dropped_name(r->data.frame, k));
}

/* Text as a target may be a mistake in the table: say what it is taken for. */
static void tell_classes(const fit_result *r)
{
    const char *target = bnorm_frame_target_name(r->data.frame);
    if (r->settings->loss == FIT_LOSS_AUTO && r->data.classes && strncmp(target, "factor(", 7))
        bnorm_cli_note("the target %s is text: its %td distinct values are taken as classes",
                       target, r->data.classes);
}

static int fit_table(bnorm_ctx *ctx, const fit_settings *s, const cli_table *table)
{
    fit_result r = {.settings = s, .table = table};
    int code = bnorm_cli_fit_data(ctx, s, table, &r.data);
    if (!code) tell_dropped(&r);
    if (!code) tell_classes(&r);
    if (!code) code = make_model(ctx, &r);
    if (!code) code = train(ctx, &r);
    if (!code) code = finish(ctx, &r);
    free_result(&r);
    return code;
}

int bnorm_cli_fit(cli_args *args)
{
    fit_settings s;
    cli_table table;
    bnorm_ctx *ctx = NULL;
    int code = bnorm_cli_fit_settings(args, &s);
    const cli_use uses[] = {{"the table", s.path, 0},
                            {"--out", s.out, 1},
                            {"--fitted", s.fitted, 1},
                            {"--plot", s.plot, 1}};
    if (!code) code = bnorm_cli_apart(uses, 4);
    if (!code) code = bnorm_cli_writable(s.out);
    if (!code) code = bnorm_cli_writable(s.fitted);
    if (!code) code = bnorm_cli_writable(s.plot);
    if (!code && bnorm_cli_is_structured(args)) return bnorm_cli_panel_fit(args, &s);
    if (!code) code = bnorm_cli_plain_settings(args);
    if (!code) code = bnorm_cli_context(s.threads, &ctx);
    if (code) return code;
    bnorm_cli_stop_catch();
    code = bnorm_cli_table_read(ctx, args, s.path, s.weights, &table);
    if (!code) {
        code = fit_table(ctx, &s, &table);
        bnorm_cli_table_free(&table);
    }
    bnorm_ctx_destroy(ctx);
    return code;
}
