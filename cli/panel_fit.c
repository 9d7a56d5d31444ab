/* panel_fit: the fit of a structured model. Order of things: what can be refused is refused before
 * the work; the model is saved before anything else is written, and even when there is no
 * covariance of it; an interrupted fit saves its best so far. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "output.h"
#include "panel.h"
#include "panel_file.h"

static int has_column(const bnorm_table *table, const char *name)
{
    const char *there;
    for (ptrdiff_t k = 0; (there = bnorm_table_name(table, k)); k++)
        if (!strcmp(there, name)) return 1;
    return 0;
}

/* A cluster is a column of the table or a fixed effect: known before the fit, not after it. */
static int check_clusters(const panel_result *r)
{
    for (int k = 0; k < 2; k++) {
        const char *there, *name = r->settings->vcov.cluster[k];
        int found = !name || has_column(r->table->table, name);
        for (ptrdiff_t i = 0;
             !found && (there = bnorm_panel_name(r->panel, BNORM_PANEL_FACTOR, i)); i++)
            found = !strcmp(there, name);
        if (found) continue;
        bnorm_cli_say("--cluster %s: %s has no such column, and the formula no such effect",
                      name, r->table->name);
        return CLI_DATA;
    }
    if (r->settings->vcov.type != BNORM_VCOV_CLUSTER || r->settings->vcov.cluster[0] ||
        r->info.units)
        return CLI_OK;
    bnorm_cli_say(
        "--vcov cluster needs to know the clusters: --cluster COLUMN, or --unit COLUMN");
    return CLI_USAGE;
}

static void tell_rows(const panel_result *r)
{
    const bnorm_panel_info *i = &r->info;
    if (i->missing)
        bnorm_cli_note("%td of %td rows have missing values and are left out", i->missing,
                       i->table_rows);
    if (i->weightless)
        bnorm_cli_note("%td of %td rows have weight 0 and are left out", i->weightless,
                       i->table_rows);
    if (i->singletons)
        bnorm_cli_note("%td row%s alone in a level of a fixed effect and left out; "
                       "--keep-singletons keeps %s",
                       i->singletons, i->singletons == 1 ? " is" : "s are",
                       i->singletons == 1 ? "it" : "them");
    if (i->duplicates)
        bnorm_cli_note("%td row%s the unit and period of an earlier row; all are kept",
                       i->duplicates, i->duplicates == 1 ? " has" : "s have");
}

static void tell_dropped(const panel_result *r)
{
    for (ptrdiff_t k = 0; k < r->info.dropped; k++)
        bnorm_cli_note("%s is left out: %s", bnorm_panel_name(r->panel, BNORM_PANEL_DROPPED, k),
                       bnorm_panel_name(r->panel, BNORM_PANEL_REASON, k));
}

static int create(bnorm_ctx *ctx, panel_result *r, const bnorm_panel_options *options)
{
    const fit_settings *base = r->settings->base;
    r->info.struct_size = sizeof r->info;
    int code = bnorm_cli_status(ctx, bnorm_panel_create(ctx, base->formula, r->table->table,
                                                        r->table->weights, options, &r->panel));
    if (!code) code = bnorm_cli_status(ctx, bnorm_panel_describe(r->panel, &r->info));
    if (code) return code;
    tell_rows(r);
    tell_dropped(r);
    return check_clusters(r);
}

static int train(bnorm_ctx *ctx, panel_result *r)
{
    bnorm_panel_fit_options options = r->settings->fit;
    cli_watch w;
    options.fit.progress = bnorm_cli_watch;
    options.fit.progress_user = &w;
    options.fit.interrupted = bnorm_cli_stop_asked;
    bnorm_cli_stop_begin();
    bnorm_cli_watch_begin(&w, &r->history, !r->settings->base->quiet);
    bnorm_status status = bnorm_panel_fit(ctx, r->panel, &options, &r->report);
    bnorm_cli_watch_end(&w);
    r->interrupted = status == BNORM_E_INTERRUPTED;
    bnorm_panel_describe(r->panel, &r->info);
    return r->interrupted ? CLI_OK : bnorm_cli_status(ctx, status);
}

/* The mean of a bag has no covariance: its members do not minimise the loss. */
static int covariance(bnorm_ctx *ctx, panel_result *r)
{
    if (r->settings->fit.bags) return CLI_OK;
    int code = bnorm_cli_status(
        ctx, bnorm_vcov_create(ctx, r->panel, r->table->table, &r->settings->vcov, &r->vcov));
    if (code) return code;
    r->vcov_info.struct_size = sizeof r->vcov_info;
    return bnorm_cli_status(ctx, bnorm_vcov_describe(r->vcov, &r->vcov_info));
}

static void square_roots(ptrdiff_t count, const double *cov, double *se)
{
    for (ptrdiff_t k = 0; k < count; k++) se[k] = sqrt(cov[k * count + k]);
}

int bnorm_cli_panel_linear(bnorm_ctx *ctx, panel_result *r)
{
    panel_estimates *e = &r->linear;
    ptrdiff_t n = r->info.linear;
    *e = (panel_estimates){.part = BNORM_PANEL_LINEAR, .count = n, .df = NAN};
    e->estimate = bnorm_cli_alloc(n, sizeof *e->estimate);
    e->se = bnorm_cli_alloc(n, sizeof *e->se);
    for (ptrdiff_t k = 0; k < n; k++) {
        e->estimate[k] = bnorm_panel_coefficients(r->panel)[k];
        e->se[k] = NAN;
    }
    if (!r->vcov) return CLI_OK;
    double *cov = bnorm_cli_alloc(n * n, sizeof *cov);
    bnorm_status status =
        bnorm_vcov_linear(r->vcov, bnorm_view_f64(cov, n, n, BNORM_ROW_MAJOR));
    if (!status) square_roots(n, cov, e->se);
    e->df = r->info.logistic ? INFINITY : r->vcov_info.df;
    free(cov);
    return bnorm_cli_status(ctx, status);
}

int bnorm_cli_panel_margins(bnorm_ctx *ctx, panel_result *r)
{
    panel_estimates *e = &r->margins;
    ptrdiff_t n = r->info.inputs;
    *e = (panel_estimates){.part = BNORM_PANEL_INPUT, .count = n, .df = r->linear.df};
    e->estimate = bnorm_cli_alloc(n, sizeof *e->estimate);
    e->se = bnorm_cli_alloc(n, sizeof *e->se);
    for (ptrdiff_t k = 0; k < n; k++) e->se[k] = NAN;
    return bnorm_cli_status(
        ctx, bnorm_panel_margins(ctx, r->panel, r->vcov, e->estimate, r->vcov ? e->se : NULL));
}

/* Every entry up to the 40 drawn from each block, as bnorm check does. A block that is not ok is
 * reported before it is a failure. */
static int check_gradient(bnorm_ctx *ctx, panel_result *r, int *found)
{
    enum { ENTRIES = 40 };
    uint64_t seed = r->settings->base->seed;
    if (!r->settings->check) return CLI_OK;
    bnorm_status status = bnorm_panel_check(ctx, r->panel, seed, ENTRIES, NULL, &r->blocks);
    r->checks = bnorm_cli_alloc(r->blocks, sizeof *r->checks);
    if (!status)
        status = bnorm_panel_check(ctx, r->panel, seed, ENTRIES, r->checks, &r->blocks);
    *found = bnorm_cli_status(ctx, status);
    return status == BNORM_E_CHECK ? CLI_OK : *found;
}

static void tell_interrupted(const panel_result *r)
{
    const char *out = r->settings->base->out;
    ptrdiff_t epochs = r->report.fit.epochs;
    if (!r->info.fitted)
        bnorm_cli_say("interrupted before there was a model; nothing is saved");
    else if (out)
        bnorm_cli_say("interrupted after %td epochs; the best so far is saved in %s, without a "
                      "covariance",
                      epochs, out);
    else
        bnorm_cli_say("interrupted after %td epochs; nothing is saved without --out", epochs);
}

static FILE *report_stream(const fit_settings *s)
{
    const char *const files[] = {s->out, s->fitted, s->plot};
    for (int k = 0; k < 3; k++)
        if (files[k] && !strcmp(files[k], "-")) return stderr;
    return stdout;
}

static int report(panel_result *r)
{
    const fit_settings *s = r->settings->base;
    if (s->json)
        bnorm_cli_panel_json(stdout, r);
    else if (!s->quiet)
        bnorm_cli_panel_print(report_stream(s), r);
    return bnorm_cli_flush();
}

static int finish(bnorm_ctx *ctx, panel_result *r)
{
    const fit_settings *s = r->settings->base;
    int checked = CLI_OK, code = r->interrupted ? CLI_OK : covariance(ctx, r);
    if (s->out && r->info.fitted) {
        int saved = bnorm_cli_panel_save(ctx, r->panel, r->vcov, s->out);
        if (code && !saved) bnorm_cli_note("%s holds the model without a covariance", s->out);
        if (!code) code = saved;
    }
    bnorm_cli_stop_let();
    if (!code && r->interrupted) {
        tell_interrupted(r);
        return CLI_INTERRUPTED;
    }
    if (!code) code = bnorm_cli_panel_linear(ctx, r);
    if (!code) code = bnorm_cli_panel_margins(ctx, r);
    if (!code) code = check_gradient(ctx, r, &checked);
    if (!code && s->fitted)
        code =
            bnorm_cli_panel_predictions(ctx, r->panel, NULL, r->table,
                                        (panel_request){.new_level = BNORM_NEW_NAN}, s->fitted);
    if (!code && s->plot) code = bnorm_cli_panel_plot(ctx, r, s->plot);
    if (!code) code = report(r);
    return code ? code : checked;
}

void bnorm_cli_panel_free(panel_result *r)
{
    bnorm_panel_destroy(r->panel);
    bnorm_vcov_destroy(r->vcov);
    free(r->linear.estimate);
    free(r->linear.se);
    free(r->margins.estimate);
    free(r->margins.se);
    free(r->checks);
    free(r->folds.candidates);
    free(r->folds.rmse);
    bnorm_cli_history_free(&r->history);
}

static int fit_table(bnorm_ctx *ctx, const panel_settings *s, const cli_table *table)
{
    panel_result r = {.settings = s, .table = table};
    bnorm_panel_options options = s->model;
    int code = bnorm_cli_panel_choose(ctx, s, table, &options, &r.folds);
    if (!code) code = create(ctx, &r, &options);
    if (!code) code = train(ctx, &r);
    if (!code) code = finish(ctx, &r);
    bnorm_cli_panel_free(&r);
    return code;
}

int bnorm_cli_panel_fit(cli_args *args, const fit_settings *base)
{
    panel_settings s;
    cli_table table;
    bnorm_ctx *ctx = NULL;
    int code = bnorm_cli_panel_settings(args, base, &s);
    if (!code) code = bnorm_cli_context(base->threads, &ctx);
    if (!code) {
        bnorm_cli_stop_catch();
        code = bnorm_cli_table_read(ctx, args, base->path, base->weights, &table);
    }
    if (!code) {
        code = fit_table(ctx, &s, &table);
        bnorm_cli_table_free(&table);
    }
    bnorm_cli_panel_settings_free(&s);
    bnorm_ctx_destroy(ctx);
    return code;
}
