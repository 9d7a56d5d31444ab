/* fit_data: from a table to the matrices of training and validation. The rows to validate on
 * are the first of a random permutation; levels come from all complete rows, the scaling from
 * the training rows alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fit.h"

/* The stream of the seed that draws the validation rows; a fit draws its order of rows from
 * streams counted from 0. */
static const uint64_t split_stream = UINT64_C(0x76616c6964617465);

static int make_frame(bnorm_ctx *ctx, const fit_settings *s, const cli_table *table,
                      fit_data *data)
{
    bnorm_frame_options options;
    bnorm_frame_defaults(&options);
    options.dot_without = s->weights;
    options.drop_constant = s->drop_constant;
    options.factor_target = s->loss == FIT_LOSS_LOGISTIC || s->loss == FIT_LOSS_SOFTMAX;
    int code = bnorm_cli_status(
        ctx, bnorm_frame_create(ctx, s->formula, table->table, &options, &data->frame));
    if (code) return code;
    data->inputs = bnorm_frame_inputs(data->frame);
    data->classes = bnorm_frame_classes(data->frame);
    return CLI_OK;
}

static int check_target(const fit_settings *s, const fit_data *data)
{
    const char *target = bnorm_frame_target_name(data->frame);
    if (s->loss == FIT_LOSS_SQUARED && data->classes) {
        bnorm_cli_say("the squared loss needs a numeric target, but %s has %td classes; use "
                      "--loss softmax",
                      target, data->classes);
        return CLI_DATA;
    }
    if (s->loss == FIT_LOSS_LOGISTIC && data->classes != 2) {
        bnorm_cli_say("the logistic loss needs a target of 2 classes, but %s has %td; use "
                      "--loss softmax",
                      target, data->classes);
        return CLI_DATA;
    }
    return CLI_OK;
}

/* How many of n rows are kept for validation. */
static ptrdiff_t validation_count(double share, ptrdiff_t n)
{
    if (share <= 0) return 0;
    ptrdiff_t count = (ptrdiff_t)floor(share * (double)n + 0.5);
    return count < 1 ? 1 : count;
}

/* Gives each of the n rows to one part, ascending in each. */
static int split(const fit_settings *s, const ptrdiff_t *rows, ptrdiff_t n, fit_data *data)
{
    ptrdiff_t validation = validation_count(s->validate, n);
    if (n - validation < 2) {
        bnorm_cli_say("%td complete row%s remain%s for training; at least 2 are needed%s",
                      n - validation, n - validation == 1 ? "" : "s",
                      n - validation == 1 ? "s" : "",
                      validation ? ", lower --validate or give more rows" : "");
        return CLI_DATA;
    }
    ptrdiff_t *order = bnorm_cli_alloc(n, sizeof *order);
    char *kept_aside = bnorm_cli_alloc(n, 1);
    bnorm_random_permutation(s->seed, split_stream, n, order);
    for (ptrdiff_t k = 0; k < validation; k++) kept_aside[order[k]] = 1;
    for (int k = 0; k < 2; k++)
        data->part[k].rows =
            bnorm_cli_alloc(k ? validation : n - validation, sizeof(ptrdiff_t));
    for (ptrdiff_t i = 0; i < n; i++) {
        fit_part *part = &data->part[kept_aside[i] ? FIT_VALIDATION : FIT_TRAINING];
        part->rows[part->count++] = rows[i];
    }
    data->used = n;
    free(order);
    free(kept_aside);
    return CLI_OK;
}

static bnorm_status fill_matrices(bnorm_ctx *ctx, const fit_data *data, const cli_table *table,
                                  fit_part *part)
{
    bnorm_mat_f64 x = bnorm_view_f64(part->x, part->count, data->inputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(part->y, part->count, 1, BNORM_ROW_MAJOR);
    return bnorm_frame_matrix(ctx, data->frame, table->table, part->rows, part->count, x, y);
}

/* The matrices in the table's units, and the weights. */
static int make_part(bnorm_ctx *ctx, const fit_data *data, const cli_table *table,
                     fit_part *part)
{
    if (data->inputs > 0 && part->count > PTRDIFF_MAX / 8 / data->inputs) {
        bnorm_cli_say("%td rows of %td inputs are too large", part->count, data->inputs);
        return CLI_DATA;
    }
    part->x = bnorm_cli_alloc(part->count * data->inputs, sizeof(double));
    part->y = bnorm_cli_alloc(part->count, sizeof(double));
    part->observed = bnorm_cli_alloc(part->count, sizeof(double));
    int code = bnorm_cli_status(ctx, fill_matrices(ctx, data, table, part));
    if (code) return code;
    memcpy(part->observed, part->y, (size_t)part->count * sizeof(double));
    if (table->weights) {
        part->weights = bnorm_cli_alloc(part->count, sizeof(double));
        for (ptrdiff_t i = 0; i < part->count; i++)
            part->weights[i] = table->weights[part->rows[i]];
    }
    return CLI_OK;
}

static int check_weights(const fit_data *data, const char *column)
{
    for (int k = 0; k < 2; k++) {
        const fit_part *part = &data->part[k];
        double sum = 0;
        for (ptrdiff_t i = 0; part->weights && i < part->count; i++) sum += part->weights[i];
        if (!part->weights || !part->count || (sum > 0 && isfinite(sum))) continue;
        bnorm_cli_say("the weights in column '%s' sum to %g over the %s rows; their sum must "
                      "be positive and finite",
                      column, sum, k ? "validation" : "training");
        return CLI_DATA;
    }
    return CLI_OK;
}

static int standardize(bnorm_ctx *ctx, const cli_table *table, fit_data *data)
{
    fit_part *train = &data->part[FIT_TRAINING];
    bnorm_mat_f64 x = bnorm_view_f64(train->x, train->count, data->inputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(train->y, train->count, 1, BNORM_ROW_MAJOR);
    bnorm_status status = bnorm_frame_learn_scaling(ctx, data->frame, x, y, data->classes == 0);
    for (int k = 0; k < 2 && !status; k++)
        status = fill_matrices(ctx, data, table, &data->part[k]);
    return bnorm_cli_status(ctx, status);
}

int bnorm_cli_fit_data(bnorm_ctx *ctx, const fit_settings *s, const cli_table *table,
                       fit_data *data)
{
    ptrdiff_t count, *rows = bnorm_cli_alloc(table->rows, sizeof *rows);
    *data = (fit_data){0};
    int code = make_frame(ctx, s, table, data);
    if (!code) code = check_target(s, data);
    if (!code)
        code = bnorm_cli_table_rows(ctx, table, data->frame, 1, s->na_error, rows, &count);
    if (!code) code = split(s, rows, count, data);
    for (int k = 0; k < 2 && !code; k++) code = make_part(ctx, data, table, &data->part[k]);
    if (!code) code = check_weights(data, s->weights);
    if (!code && s->standardize) code = standardize(ctx, table, data);
    free(rows);
    return code;
}

void bnorm_cli_fit_data_free(fit_data *data)
{
    bnorm_frame_destroy(data->frame);
    for (int k = 0; k < 2; k++) {
        free(data->part[k].rows);
        free(data->part[k].x);
        free(data->part[k].y);
        free(data->part[k].observed);
        free(data->part[k].weights);
    }
    *data = (fit_data){0};
}
