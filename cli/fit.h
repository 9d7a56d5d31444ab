/* fit: the parts of the subcommand fit. settings: the options as values. data: the table as
 * matrices. result: what is reported. */
#ifndef BNORM_CLI_FIT_H
#define BNORM_CLI_FIT_H

#include "bnorm.h"
#include "options.h"
#include "table.h"
#include "watch.h"

enum { FIT_LAYERS = 64, FIT_TRAINING = 0, FIT_VALIDATION = 1 };
enum { FIT_LOSS_AUTO, FIT_LOSS_SQUARED, FIT_LOSS_LOGISTIC, FIT_LOSS_SOFTMAX };

typedef struct fit_settings {
    const char *formula, *path; /* operands */
    ptrdiff_t hidden[FIT_LAYERS];
    int layers;
    const bnorm_activation *activation;
    int loss; /* FIT_LOSS_... */
    int batchnorm, standardize;
    bnorm_rule rule;
    double dropout, penalty, validate;
    int na_error, drop_constant;
    int threads;
    uint64_t seed;
    const char *weights, *out, *fitted, *plot;
    int json, quiet;
    bnorm_fit_options options;
} fit_settings;

int bnorm_cli_fit_settings(cli_args *args, fit_settings *settings);

/* Rows of one part of the table, as the network sees them. */
typedef struct fit_part {
    ptrdiff_t count;
    ptrdiff_t *rows;  /* of the table, ascending */
    double *x, *y;    /* scaled; x: count x inputs, row-major */
    double *observed; /* the target in its unit, or the class */
    double *weights;  /* NULL: all 1 */
} fit_part;

typedef struct fit_data {
    bnorm_frame *frame; /* NULL once the model owns it */
    ptrdiff_t inputs, classes;
    ptrdiff_t used;
    fit_part part[2]; /* FIT_TRAINING, FIT_VALIDATION */
} fit_data;

int bnorm_cli_fit_data(bnorm_ctx *ctx, const fit_settings *settings, const cli_table *table,
                       fit_data *data);
void bnorm_cli_fit_data_free(fit_data *data);

/* How well one part is fitted: `good` is R squared (numeric) or accuracy (classes). */
typedef struct fit_quality {
    double loss, good;
    double *fitted; /* in the target's unit, or the likeliest class */
} fit_quality;

typedef struct fit_result {
    const fit_settings *settings;
    const cli_table *table;
    fit_data data;
    bnorm_model *model;
    bnorm_fit_report report;
    fit_history history;
    fit_quality quality[2];
    int interrupted;
} fit_result;

/* Predictions for both parts and their quality, through the same door as predict. */
int bnorm_cli_fit_quality(bnorm_ctx *ctx, fit_result *result);

/* What is printed at the end, and what is noted in the model's file. */
void bnorm_cli_fit_print(FILE *file, fit_result *result);
void bnorm_cli_fit_print_json(FILE *file, fit_result *result);
int bnorm_cli_fit_note(bnorm_ctx *ctx, fit_result *result);

/* The drawing. */
int bnorm_cli_fit_plot(const fit_result *result, const char *path);

#endif
