/* panel_json: the same as the regression table, and more, as one JSON object. */
#include <math.h>

#include "describe.h"
#include "panel.h"
#include "statistics.h"

static void names_json(cli_json *j, const char *key, const panel_result *r,
                       bnorm_panel_part part)
{
    const char *name;
    bnorm_cli_json_open(j, key, '[');
    for (ptrdiff_t k = 0; (name = bnorm_panel_name(r->panel, part, k)); k++)
        bnorm_cli_json_text(j, NULL, name);
    bnorm_cli_json_close(j, ']');
}

static void estimates_json(cli_json *j, const char *key, const panel_result *r,
                           const panel_estimates *e)
{
    double wide = bnorm_cli_t_quantile(0.95, e->df);
    bnorm_cli_json_open(j, key, '[');
    for (ptrdiff_t k = 0; k < e->count; k++) {
        double t = e->estimate[k] / e->se[k];
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_text(j, "name", bnorm_panel_name(r->panel, e->part, k));
        bnorm_cli_json_number(j, "estimate", e->estimate[k]);
        bnorm_cli_json_number(j, "se", e->se[k]);
        bnorm_cli_json_number(j, "statistic", t);
        bnorm_cli_json_number(j, "p", bnorm_cli_p_value(t, e->df));
        bnorm_cli_json_number(j, "low", e->estimate[k] - wide * e->se[k]);
        bnorm_cli_json_number(j, "high", e->estimate[k] + wide * e->se[k]);
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
}

static void rows_json(cli_json *j, const panel_result *r)
{
    const bnorm_panel_info *i = &r->info;
    const struct {
        const char *key;
        ptrdiff_t value;
    } counts[] = {{"rows", i->table_rows},
                  {"rows_used", i->rows},
                  {"rows_dropped", i->table_rows - i->rows},
                  {"missing", i->missing},
                  {"weightless", i->weightless},
                  {"singletons", i->singletons},
                  {"units", i->units},
                  {"periods", i->periods},
                  {"gaps", i->gaps},
                  {"duplicates", i->duplicates}};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        bnorm_cli_json_whole(j, counts[k].key, counts[k].value);
}

static void dropped_json(cli_json *j, const panel_result *r)
{
    bnorm_cli_json_open(j, "dropped", '[');
    for (ptrdiff_t k = 0; k < r->info.dropped; k++) {
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_text(j, "name", bnorm_panel_name(r->panel, BNORM_PANEL_DROPPED, k));
        bnorm_cli_json_text(j, "reason", bnorm_panel_name(r->panel, BNORM_PANEL_REASON, k));
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
}

/* The effects of each level come from a model's file alone: there may be very many. */
static void effects_json(cli_json *j, const panel_result *r)
{
    bnorm_cli_json_open(j, "fixed_effects", '[');
    for (ptrdiff_t k = 0; k < r->info.factors; k++) {
        ptrdiff_t levels = bnorm_panel_levels(r->panel, k);
        const double *effects = bnorm_panel_effects(r->panel, k);
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_text(j, "name", bnorm_panel_name(r->panel, BNORM_PANEL_FACTOR, k));
        bnorm_cli_json_whole(j, "levels", levels);
        if (!r->settings && effects) {
            bnorm_cli_json_open(j, "effects", '{');
            for (ptrdiff_t l = 0; l < levels; l++)
                bnorm_cli_json_number(j, bnorm_panel_level_name(r->panel, k, l), effects[l]);
            bnorm_cli_json_close(j, '}');
        }
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
    bnorm_cli_json_whole(j, "absorbed", r->info.absorbed);
}

static void networks_json(cli_json *j, const panel_result *r)
{
    bnorm_cli_json_open(j, "networks", '[');
    for (ptrdiff_t k = 0; k < r->info.networks; k++) {
        bnorm_net *net = bnorm_panel_net(r->panel, k, NULL);
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_text(j, "name", bnorm_panel_name(r->panel, BNORM_PANEL_NETWORK, k));
        if (net) bnorm_cli_json_whole(j, "inputs", bnorm_net_inputs(net));
        if (net) bnorm_cli_describe_json(j, net, "population");
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
}

static void vcov_json(cli_json *j, const panel_result *r)
{
    static const char *const types[] = {"classical", "hc0", "hc1", "cluster"};
    const bnorm_vcov_info *v = &r->vcov_info;
    if (!r->vcov) {
        bnorm_cli_json_text(j, "vcov", NULL);
        return;
    }
    bnorm_cli_json_open(j, "vcov", '{');
    bnorm_cli_json_text(j, "type", types[v->type]);
    bnorm_cli_json_bool(j, "jacobian", v->full);
    bnorm_cli_json_open(j, "clusters", '[');
    for (int k = 0; k < 2 && bnorm_vcov_cluster(r->vcov, k); k++) {
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_text(j, "name", bnorm_vcov_cluster(r->vcov, k));
        bnorm_cli_json_whole(j, "count", v->clusters[k]);
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
    bnorm_cli_json_number(j, "df", v->df);
    bnorm_cli_json_whole(j, "parameters", v->parameters);
    bnorm_cli_json_whole(j, "rank", v->rank);
    bnorm_cli_json_number(j, "effective", v->edf);
    bnorm_cli_json_whole(j, "clipped", v->clipped);
    bnorm_cli_json_open(j, "unidentified", '[');
    for (ptrdiff_t k = 0; k < v->unidentified; k++)
        bnorm_cli_json_text(j, NULL, bnorm_vcov_unidentified(r->vcov, k));
    bnorm_cli_json_close(j, ']');
    bnorm_cli_json_close(j, '}');
}

static void quality_json(cli_json *j, const panel_result *r)
{
    const bnorm_panel_info *i = &r->info;
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"n", i->n},          {"sse", i->sse},
                   {"tss", i->tss},      {"tss_within", i->tss_within},
                   {"r_squared", i->r2}, {"r_squared_within", i->r2_within},
                   {"rmse", i->rmse},    {"sigma", i->sigma},
                   {"df", i->df}};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        bnorm_cli_json_number(j, numbers[k].key, numbers[k].value);
}

static void training_json(cli_json *j, const panel_result *r)
{
    static const char *const optimizers[] = {"auto", "lbfgs", "sgd", "rmsprop", "adam"};
    const bnorm_panel_report *p = &r->report;
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)r->settings->base->seed);
    bnorm_cli_json_text(j, "optimizer", r->info.networks ? optimizers[p->fit.optimizer] : NULL);
    bnorm_cli_json_text(j, "seed", seed); /* 64 bits do not fit a JSON number everywhere */
    bnorm_cli_json_whole(j, "epochs", p->fit.epochs);
    bnorm_cli_json_whole(j, "best_epoch", p->fit.best_epoch);
    bnorm_cli_json_bool(j, "converged", p->fit.converged);
    bnorm_cli_json_number(j, "seconds", p->fit.seconds);
    bnorm_cli_json_whole(j, "starts", p->starts_done);
    bnorm_cli_json_number(j, "best_start", p->best);
    bnorm_cli_json_number(j, "worst_start", p->worst);
    bnorm_cli_json_whole(j, "bags", r->settings->fit.bags);
    bnorm_cli_json_number(j, "validation_rmse", p->validation_rmse);
}

void bnorm_cli_panel_json(FILE *file, const panel_result *r)
{
    cli_json j = {.file = file};
    bnorm_cli_json_open(&j, NULL, '{');
    bnorm_cli_json_text(&j, "formula", bnorm_panel_formula(r->panel));
    bnorm_cli_json_text(&j, "target", bnorm_panel_target_name(r->panel));
    if (r->table) bnorm_cli_json_text(&j, "table", r->table->name);
    bnorm_cli_json_text(&j, "loss", r->info.logistic ? "logistic" : "squared");
    estimates_json(&j, "coefficients", r, &r->linear);
    if (r->settings) estimates_json(&j, "margins", r, &r->margins);
    vcov_json(&j, r);
    rows_json(&j, r);
    names_json(&j, "inputs", r, BNORM_PANEL_INPUT);
    dropped_json(&j, r);
    effects_json(&j, r);
    networks_json(&j, r);
    quality_json(&j, r);
    if (r->settings) training_json(&j, r);
    if (r->folds.count) bnorm_cli_panel_folds_json(&j, r->settings, &r->folds);
    if (r->settings && r->settings->check) bnorm_cli_check_json(&j, r->checks, r->blocks);
    if (r->settings) bnorm_cli_json_text(&j, "model", r->settings->base->out);
    bnorm_cli_json_close(&j, '}');
}
