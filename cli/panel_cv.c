/* panel_cv: the choice among networks and penalties by held-out folds, before the fit. */
#include <math.h>
#include <stdlib.h>

#include "cli.h"
#include "panel.h"

/* The mean over the folds. */
static double mean(const panel_folds *f, ptrdiff_t folds, ptrdiff_t k)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < folds; i++) sum += f->rmse[k * folds + i];
    return sum / (double)folds;
}

static void make_candidates(const panel_settings *s, const bnorm_panel_options *o,
                            panel_folds *f)
{
    int sizes = s->sizes_count ? s->sizes_count : 1;
    int penalties = s->penalties_count ? s->penalties_count : 1;
    f->candidates = bnorm_cli_alloc(sizes * penalties, sizeof *f->candidates);
    for (int i = 0; i < sizes; i++)
        for (int k = 0; k < penalties; k++) {
            bnorm_panel_candidate *c = &f->candidates[f->count];
            static const ptrdiff_t usual = 8;
            if (s->sizes_count && !s->layers[i] && k > 0) continue; /* no network, no penalty */
            f->count++;
            c->hidden = s->sizes_count ? s->sizes[i] : o->hidden ? o->hidden : &usual;
            c->layers = s->sizes_count ? s->layers[i] : o->hidden ? o->layers : 1;
            c->penalty = s->penalties_count ? s->penalties[k] : o->penalty;
            c->penalty_top = o->penalty_top;
        }
}

int bnorm_cli_panel_choose(bnorm_ctx *ctx, const panel_settings *s, const cli_table *table,
                           bnorm_panel_options *o, panel_folds *f)
{
    cli_watch w;
    fit_history unused = {0};
    bnorm_panel_fit_options fit = s->fit;
    if (!s->folds) return CLI_OK;
    make_candidates(s, o, f);
    f->rmse = bnorm_cli_alloc(f->count * s->folds, sizeof *f->rmse);
    fit.fit.progress = bnorm_cli_watch;
    fit.fit.progress_user = &w;
    bnorm_cli_watch_begin(&w, &unused, !s->base->quiet);
    bnorm_status status =
        bnorm_panel_cv(ctx, s->base->formula, table->table, table->weights, o, &fit, s->hold,
                       s->folds, f->candidates, f->count, f->rmse, &f->best);
    bnorm_cli_watch_end(&w);
    bnorm_cli_history_free(&unused);
    int code = bnorm_cli_status(ctx, status);
    if (code) return code;
    o->hidden = f->candidates[f->best].hidden;
    o->layers = f->candidates[f->best].layers;
    o->penalty = f->candidates[f->best].penalty;
    return CLI_OK;
}

/* "8,4" or "none". */
static const char *sizes_text(const bnorm_panel_candidate *c, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "none");
    for (ptrdiff_t k = 0; k < c->layers && used < size; k++)
        used += (size_t)snprintf(text + used, size - used, "%s%td", k ? "," : "", c->hidden[k]);
    return text;
}

void bnorm_cli_panel_folds_print(FILE *file, const panel_settings *s, const panel_folds *f)
{
    static const char *const held[] = {"rows", "units", "periods"};
    char sizes[200];
    fprintf(file, "\n%-12s %10s %12s  RMSE in %td folds of %s\n", "hidden", "penalty", "mean",
            s->folds, held[s->hold]);
    for (ptrdiff_t k = 0; k < f->count; k++) {
        fprintf(file, "%-12s %10.4g %12.6g ",
                sizes_text(&f->candidates[k], sizes, sizeof sizes), f->candidates[k].penalty,
                mean(f, s->folds, k));
        for (ptrdiff_t i = 0; i < s->folds; i++)
            fprintf(file, " %.4g", f->rmse[k * s->folds + i]);
        fprintf(file, "%s\n", k == f->best ? "  chosen" : "");
    }
}

void bnorm_cli_panel_folds_json(cli_json *j, const panel_settings *s, const panel_folds *f)
{
    bnorm_cli_json_open(j, "cv", '[');
    for (ptrdiff_t k = 0; k < f->count; k++) {
        const bnorm_panel_candidate *c = &f->candidates[k];
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_open(j, "hidden", '[');
        for (ptrdiff_t l = 0; l < c->layers; l++) bnorm_cli_json_whole(j, NULL, c->hidden[l]);
        bnorm_cli_json_close(j, ']');
        bnorm_cli_json_number(j, "penalty", c->penalty);
        bnorm_cli_json_number(j, "rmse", mean(f, s->folds, k));
        bnorm_cli_json_open(j, "folds", '[');
        for (ptrdiff_t i = 0; i < s->folds; i++)
            bnorm_cli_json_number(j, NULL, f->rmse[k * s->folds + i]);
        bnorm_cli_json_close(j, ']');
        bnorm_cli_json_bool(j, "chosen", k == f->best);
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
}
