/* conformance_panel: the operations of structured models. */
#include "conformance_run.h"

#include <stdlib.h>
#include <string.h>

/* Factor k from 1 of the case: its codes, whose memory is the caller's, and slope. */
static int factor_of(const run *r, int k, ptrdiff_t rows, bnorm_factor *factor)
{
    const char codes_key[] = {'f', (char)('0' + k), 0}, slope_key[] = {'s', (char)('0' + k), 0};
    const double *given = case_vector(r->c, codes_key);
    if (!given) return 0;
    int32_t *codes = grab(rows);
    *factor =
        (bnorm_factor){.codes = codes, .levels = 1, .slope = case_vector(r->c, slope_key)};
    for (ptrdiff_t i = 0; i < rows; i++) {
        codes[i] = (int32_t)given[i];
        if (codes[i] >= factor->levels) factor->levels = codes[i] + 1;
    }
    return 1;
}

void conformance_demean(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), y = empty(r, x.rows, x.cols);
    bnorm_factor factors[9];
    int count = 0;
    while (count < 9 && factor_of(r, count + 1, x.rows, &factors[count])) count++;
    bnorm_within *within;
    demand(r, bnorm_within_create(r->ctx, x.rows, factors, count, case_vector(r->c, "weights"),
                                  0, &within));
    demand(r, bnorm_demean_f64(r->ctx, within, x, y, NULL));
    show_matrix(r, "y", y);
    bnorm_within_destroy(within);
    while (count > 0) free((void *)(uintptr_t)factors[--count].codes);
    free(x.data), free(y.data);
}

/* The vectors of the case that have a value a row, but for the weights: the columns of a table. */
static bnorm_table *table_of(const run *r, ptrdiff_t rows)
{
    bnorm_table *table;
    demand(r, bnorm_table_create(r->ctx, rows, &table));
    for (int k = 0; k < r->c->count; k++) {
        const item *it = &r->c->items[k];
        if (it->kind == ITEM_VALUES && it->rows == 1 && it->cols == rows &&
            strcmp(it->key, "weights") != 0)
            demand(r, bnorm_table_numbers(r->ctx, table, it->key, it->values));
    }
    return table;
}

static bnorm_panel *fitted(const run *r, const bnorm_table *table)
{
    bnorm_panel_options options;
    bnorm_panel_fit_options fit;
    bnorm_panel *panel;
    ptrdiff_t hidden = (ptrdiff_t)case_number(r->c, "hidden");
    bnorm_panel_defaults(&options);
    bnorm_panel_fit_defaults(&fit);
    if (hidden > 0) options.hidden = &hidden;
    options.layers = hidden > 0;
    options.penalty = case_number(r->c, "penalty");
    fit.fit.epochs = (ptrdiff_t)case_number(r->c, "epochs");
    demand(r, bnorm_panel_create(r->ctx, case_word(r->c, "formula"), table,
                                 case_vector(r->c, "weights"), &options, &panel));
    demand(r, bnorm_panel_fit(r->ctx, panel, &fit, NULL));
    return panel;
}

static void show_cov(run *r, bnorm_panel *panel, ptrdiff_t linear)
{
    bnorm_vcov_options options;
    bnorm_vcov *vcov;
    bnorm_mat_f64 cov = empty(r, linear, linear);
    bnorm_vcov_defaults(&options);
    options.cluster[0] = case_word(r->c, "cluster");
    if (*options.cluster[0])
        options.type = BNORM_VCOV_CLUSTER;
    else
        options.cluster[0] = NULL;
    demand(r, bnorm_vcov_create(r->ctx, panel, NULL, &options, &vcov));
    demand(r, bnorm_vcov_linear(vcov, cov));
    show_matrix(r, "cov", cov);
    bnorm_vcov_destroy(vcov);
    free(cov.data);
}

void conformance_panel(run *r)
{
    ptrdiff_t rows = case_find(r->c, ITEM_VALUES, "y")->cols;
    bnorm_table *table = table_of(r, rows);
    bnorm_panel *panel = fitted(r, table);
    bnorm_panel_info info = {.struct_size = sizeof info};
    demand(r, bnorm_panel_describe(panel, &info));
    double *values = grab(rows);
    demand(r, bnorm_panel_residuals(r->ctx, panel, values, NULL));
    show(r, "theta", bnorm_panel_coefficients(panel), info.linear);
    show(r, "fitted", values, rows);
    if (info.networks == 0) show_cov(r, panel, info.linear);
    bnorm_panel_destroy(panel);
    bnorm_table_destroy(table);
    free(values);
}
