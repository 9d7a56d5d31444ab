/* panel: the parts of fit, predict, summary and check that structured models need: formulas with
 * nn(...) or effects after a bar, and regressions with a covariance. settings: the options as
 * values. result: what is reported. */
#ifndef BNORM_CLI_PANEL_H
#define BNORM_CLI_PANEL_H

#include "bnorm.h"
#include "fit.h"
#include "json.h"

enum { PANEL_CANDIDATES = 64 };

typedef struct panel_settings {
    const fit_settings *base; /* formula, path, files, seed, threads, ... */
    bnorm_panel_options model;
    bnorm_panel_fit_options fit;
    bnorm_vcov_options vcov;
    int check;      /* of the gradient, at the fit */
    char *clusters; /* what vcov.cluster points into */
    bnorm_hold hold;
    ptrdiff_t folds; /* 0: no choice among candidates */
    int sizes_count, penalties_count;
    ptrdiff_t sizes[PANEL_CANDIDATES][FIT_LAYERS];
    int layers[PANEL_CANDIDATES];
    double penalties[PANEL_CANDIDATES];
} panel_settings;

/* 1 when the formula or an option asks for a structured model. */
int bnorm_cli_is_structured(const cli_args *args);
/* 1 when the formula, outside of `names`, has a network (effects: a bar). */
int bnorm_cli_formula_networks(const char *formula);
int bnorm_cli_formula_effects(const char *formula);

/* Checks the options of structured models; *s refers to base. */
int bnorm_cli_panel_settings(cli_args *args, const fit_settings *base, panel_settings *s);
void bnorm_cli_panel_settings_free(panel_settings *s);
/* Refuses options of structured models for a network of its own. */
int bnorm_cli_plain_settings(cli_args *args);

/* Estimates with standard errors; se is NaN where there is none. */
typedef struct panel_estimates {
    bnorm_panel_part part; /* of the names */
    ptrdiff_t count;
    double *estimate, *se;
    double df; /* of t */
} panel_estimates;

/* Root mean squares of the errors of each candidate in each fold. */
typedef struct panel_folds {
    ptrdiff_t count, best; /* candidates; 0: there was no choice */
    bnorm_panel_candidate *candidates;
    double *rmse; /* count x folds */
} panel_folds;

typedef struct panel_result {
    const panel_settings *settings; /* NULL: the model comes from a file */
    const cli_table *table;         /* likewise */
    bnorm_panel *panel;
    bnorm_vcov *vcov; /* NULL: none */
    bnorm_panel_info info;
    bnorm_vcov_info vcov_info;
    panel_estimates linear, margins; /* margins.count 0: the model comes from a file */
    bnorm_panel_report report;
    fit_history history;
    panel_folds folds;
    ptrdiff_t blocks; /* of the gradient check; 0: there was none */
    bnorm_check_block *checks;
    int interrupted;
} panel_result;

int bnorm_cli_panel_fit(cli_args *args, const fit_settings *base);

/* Names, numbers and standard errors of linear terms (and marginal effects). */
int bnorm_cli_panel_linear(bnorm_ctx *ctx, panel_result *result);
int bnorm_cli_panel_margins(bnorm_ctx *ctx, panel_result *result);

void bnorm_cli_panel_print(FILE *file, const panel_result *result);
void bnorm_cli_panel_json(FILE *file, const panel_result *result);
int bnorm_cli_panel_plot(bnorm_ctx *ctx, const panel_result *result, const char *path);

/* Chooses among the candidates of the settings; what is chosen goes into *options. */
int bnorm_cli_panel_choose(bnorm_ctx *ctx, const panel_settings *settings,
                           const cli_table *table, bnorm_panel_options *options,
                           panel_folds *folds);
void bnorm_cli_panel_folds_print(FILE *file, const panel_settings *settings,
                                 const panel_folds *folds);
void bnorm_cli_panel_folds_json(cli_json *json, const panel_settings *settings,
                                const panel_folds *folds);

void bnorm_cli_panel_free(panel_result *result);

#endif
