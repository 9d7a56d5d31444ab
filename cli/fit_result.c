/* fit_result: how good a fit is, in words, as JSON and as notes in the model's file. All
 * numbers come from bnorm_model_predict and bnorm_net_loss: the inference that predict gives.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "describe.h"
#include "fit.h"
#include "predictions.h"

static double weight(const fit_part *part, ptrdiff_t i)
{
    return part->weights ? part->weights[i] : 1;
}

/* 1 - (sum of squared residuals)/(sum of squares about the mean), both weighted; NaN when the
 * observed values do not vary. A power of two is taken out first: their unit may be anything. */
static double r_squared(const fit_part *part, const double *fitted)
{
    double n = 0, mean = 0, total = 0, residual = 0, most = 0;
    int exponent;
    for (ptrdiff_t i = 0; i < part->count; i++) n += weight(part, i);
    for (ptrdiff_t i = 0; i < part->count; i++) mean += weight(part, i) / n * part->observed[i];
    for (ptrdiff_t i = 0; i < part->count; i++)
        most = fmax(most, fabs(part->observed[i] - mean));
    frexp(most, &exponent);
    for (ptrdiff_t i = 0; i < part->count; i++) {
        double d = ldexp(part->observed[i] - mean, -exponent);
        double e = ldexp(part->observed[i] - fitted[i], -exponent);
        total += weight(part, i) * d * d;
        residual += weight(part, i) * e * e;
    }
    return total > 0 ? 1 - residual / total : NAN;
}

static double accuracy(const fit_part *part, const double *fitted)
{
    double n = 0, right = 0;
    for (ptrdiff_t i = 0; i < part->count; i++) {
        n += weight(part, i);
        if (part->observed[i] == fitted[i]) right += weight(part, i);
    }
    return right / n;
}

static int part_quality(bnorm_ctx *ctx, fit_result *r, const fit_part *part, fit_quality *q)
{
    ptrdiff_t outputs = bnorm_net_outputs(bnorm_model_net(r->model));
    double *mean = bnorm_cli_alloc(part->count * outputs, sizeof *mean);
    bnorm_mat_f64 m = bnorm_view_f64(mean, part->count, outputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 x = bnorm_view_f64(part->x, part->count, r->data.inputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(part->y, part->count, 1, BNORM_ROW_MAJOR);
    bnorm_status status =
        bnorm_model_predict(ctx, r->model, r->table->table, part->rows, part->count, m);
    if (!status)
        status = bnorm_net_loss(ctx, bnorm_model_net(r->model), x, y, part->weights,
                                bnorm_model_loss(r->model), &q->loss);
    if (!status) {
        q->fitted = bnorm_cli_alloc(part->count, sizeof *q->fitted);
        for (ptrdiff_t i = 0; i < part->count; i++)
            q->fitted[i] = r->data.classes
                               ? (double)bnorm_cli_likeliest(mean + i * outputs, outputs)
                               : mean[i];
        q->good = r->data.classes ? accuracy(part, q->fitted) : r_squared(part, q->fitted);
    }
    free(mean);
    return bnorm_cli_status(ctx, status);
}

int bnorm_cli_fit_quality(bnorm_ctx *ctx, fit_result *r)
{
    int code = CLI_OK;
    r->quality[FIT_VALIDATION].loss = r->quality[FIT_VALIDATION].good = NAN;
    for (int k = 0; k < 2 && !code; k++)
        if (r->data.part[k].count)
            code = part_quality(ctx, r, &r->data.part[k], &r->quality[k]);
    return code;
}

static const char *optimizer_name(bnorm_optimizer optimizer)
{
    static const char *const names[] = {"auto", "lbfgs", "sgd", "rmsprop", "adam"};
    return names[optimizer];
}

static const char *statistics(const fit_result *r)
{
    return r->settings->options.running ? "running" : "population";
}

static const char *good_name(const fit_result *r)
{
    return r->data.classes ? "accuracy" : "r_squared";
}

/* The fit's facts in the order of setting: none depends on the clock or the machine's paths, so
 * the same fit gives the same file. */
static bnorm_status note_numbers(bnorm_ctx *ctx, fit_result *r)
{
    char key[64];
    const struct {
        const char *key;
        double value;
    } notes[] = {
        {"rows", (double)r->table->rows},
        {"rows used", (double)r->data.used},
        {"training rows", (double)r->data.part[FIT_TRAINING].count},
        {"validation rows", (double)r->data.part[FIT_VALIDATION].count},
        {"seed", (double)r->settings->seed},
        {"epochs", (double)r->report.epochs},
        {"best epoch", (double)r->report.best_epoch},
    };
    bnorm_status status = BNORM_OK;
    for (size_t k = 0; k < sizeof notes / sizeof *notes && !status; k++)
        status = bnorm_model_set_number(ctx, r->model, notes[k].key, notes[k].value);
    for (int k = 0; k < 2 && !status; k++) {
        const char *part = k ? "validation" : "training";
        if (!r->data.part[k].count) continue;
        snprintf(key, sizeof key, "%s loss", part);
        status = bnorm_model_set_number(ctx, r->model, key, r->quality[k].loss);
        if (status || !isfinite(r->quality[k].good)) continue;
        snprintf(key, sizeof key, "%s %s", part, good_name(r));
        status = bnorm_model_set_number(ctx, r->model, key, r->quality[k].good);
    }
    return status;
}

int bnorm_cli_fit_note(bnorm_ctx *ctx, fit_result *r)
{
    bnorm_status status = bnorm_model_set_text(ctx, r->model, "statistics", statistics(r));
    if (!status)
        status = bnorm_model_set_text(ctx, r->model, "optimizer",
                                      optimizer_name(r->report.optimizer));
    if (!status && r->settings->weights)
        status = bnorm_model_set_text(ctx, r->model, "weights", r->settings->weights);
    if (!status && r->interrupted)
        status = bnorm_model_set_text(ctx, r->model, "interrupted", "yes");
    if (!status) status = note_numbers(ctx, r);
    return bnorm_cli_status(ctx, status);
}

static void print_pair(FILE *file, const char *label, const char *note, double training,
                       double validation)
{
    fprintf(file, "%s: %.6g training", label, training);
    if (!isnan(validation)) fprintf(file, ", %.6g validation", validation);
    fprintf(file, "%s\n", note);
}

void bnorm_cli_fit_print(FILE *file, fit_result *r)
{
    const fit_quality *t = &r->quality[FIT_TRAINING], *v = &r->quality[FIT_VALIDATION];
    const bnorm_fit_report *report = &r->report;
    const char *loss = bnorm_model_loss(r->model)->name;
    int scaled = r->settings->standardize && !r->data.classes;
    fprintf(file, "formula: %s\n", r->settings->formula);
    bnorm_cli_describe(file, bnorm_model_net(r->model), statistics(r));
    fprintf(file, "rows: %td in %s, %td dropped, %td training, %td validation\n",
            r->table->rows, r->table->name, r->table->rows - r->data.used,
            r->data.part[FIT_TRAINING].count, r->data.part[FIT_VALIDATION].count);
    fprintf(file, "training: %s, %td epochs, best %td%s, %.1f s\n",
            optimizer_name(report->optimizer), report->epochs, report->best_epoch,
            report->converged ? ", converged" : "", report->seconds);
    print_pair(file, loss, scaled ? " (loss, of the standardised target)" : " (loss)", t->loss,
               v->loss);
    print_pair(file, r->data.classes ? "accuracy" : "R squared", "", t->good, v->good);
    if (r->settings->out && strcmp(r->settings->out, "-"))
        fprintf(file, "model: %s\n", r->settings->out);
}

static void part_json(cli_json *j, const fit_result *r, int k)
{
    const char *key = k ? "validation" : "training";
    if (!r->data.part[k].count) {
        bnorm_cli_json_text(j, key, NULL);
        return;
    }
    bnorm_cli_json_open(j, key, '{');
    bnorm_cli_json_whole(j, "rows", r->data.part[k].count);
    bnorm_cli_json_number(j, "loss", r->quality[k].loss);
    bnorm_cli_json_number(j, good_name(r), r->quality[k].good);
    bnorm_cli_json_close(j, '}');
}

void bnorm_cli_fit_print_json(FILE *file, fit_result *r)
{
    cli_json j = {.file = file};
    char seed[24];
    const bnorm_frame *frame = bnorm_model_frame(r->model);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)r->settings->seed);
    bnorm_cli_json_open(&j, NULL, '{');
    bnorm_cli_json_text(&j, "formula", r->settings->formula);
    bnorm_cli_json_text(&j, "target", bnorm_frame_target_name(frame));
    bnorm_cli_json_text(&j, "table", r->table->name);
    bnorm_cli_json_whole(&j, "rows", r->table->rows);
    bnorm_cli_json_whole(&j, "rows_used", r->data.used);
    bnorm_cli_json_whole(&j, "rows_dropped", r->table->rows - r->data.used);
    bnorm_cli_describe_frame_json(&j, frame);
    bnorm_cli_json_text(&j, "loss", bnorm_model_loss(r->model)->name);
    bnorm_cli_json_bool(&j, "standardized", r->settings->standardize);
    bnorm_cli_describe_json(&j, bnorm_model_net(r->model), statistics(r));
    bnorm_cli_json_text(&j, "optimizer", optimizer_name(r->report.optimizer));
    bnorm_cli_json_text(&j, "seed", seed); /* 64 bits do not fit a JSON number everywhere */
    bnorm_cli_json_whole(&j, "epochs", r->report.epochs);
    bnorm_cli_json_whole(&j, "best_epoch", r->report.best_epoch);
    bnorm_cli_json_bool(&j, "converged", r->report.converged);
    bnorm_cli_json_number(&j, "seconds", r->report.seconds);
    for (int k = 0; k < 2; k++) part_json(&j, r, k);
    bnorm_cli_json_text(&j, "model", r->settings->out);
    bnorm_cli_json_close(&j, '}');
}
