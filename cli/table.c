/* table: from a path to columns the library knows. Cells go to the library as text: it decides
 * what is a number; only weights are read here. */
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "csv_read.h"

static int read_csv(const char *path, char separator, cli_csv *csv)
{
    char message[1024];
    int from_stdin = !strcmp(path, "-");
    FILE *file = from_stdin ? stdin : fopen(path, "rb");
    if (!file) {
        bnorm_cli_say("%s could not be opened: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    int code = bnorm_cli_csv_read(file, from_stdin ? "standard input" : path, separator, 0, csv,
                                  message, sizeof message);
    if (code) bnorm_cli_say("%s", message);
    if (!from_stdin) fclose(file);
    return code;
}

static ptrdiff_t find_column(const cli_csv *csv, const char *name)
{
    for (ptrdiff_t c = 0; c < csv->cols; c++)
        if (!strcmp(csv->names[c], name)) return c;
    return -1;
}

static int is_missing(const char *cell)
{
    return !*cell || !strcmp(cell, "NA");
}

static int read_weights(cli_table *t, const cli_csv *csv, const char *column)
{
    ptrdiff_t c = find_column(csv, column);
    if (c < 0) {
        bnorm_cli_say("%s has no column '%s' to take the weights from", t->name, column);
        return CLI_DATA;
    }
    t->weights = bnorm_cli_alloc(csv->rows, sizeof *t->weights);
    for (ptrdiff_t row = 0; row < csv->rows; row++) {
        const char *cell = csv->cells[c * csv->rows + row];
        char *end;
        double weight = is_missing(cell) ? NAN : strtod(cell, &end);
        t->weights[row] = weight;
        if (is_missing(cell) || (*cell && !*end && isfinite(weight) && weight >= 0)) continue;
        bnorm_cli_say("%s line %td: the weight '%s' in column '%s' is not a finite number from "
                      "0; write NA for a missing value",
                      t->name, csv->lines[row], cell, column);
        return CLI_DATA;
    }
    return CLI_OK;
}

/* Whether '.' stands in a formula as a term of its own. */
static int has_dot_term(const char *formula)
{
    for (const char *at = formula; (at = strchr(at, '.')); at++) {
        char before = at > formula ? at[-1] : ' ', after = at[1] ? at[1] : ' ';
        if (strchr(" \t~+-*:(^", before) && strchr(" \t~+-*:)^", after)) return 1;
    }
    return 0;
}

static int fill_table(bnorm_ctx *ctx, cli_table *t, const cli_csv *csv, const char *leave_out)
{
    bnorm_status status = bnorm_table_create(ctx, csv->rows, &t->table);
    if (!status) status = bnorm_table_source(ctx, t->table, t->name, csv->lines);
    for (ptrdiff_t c = 0; c < csv->cols && !status; c++)
        if (!leave_out || strcmp(csv->names[c], leave_out))
            status = bnorm_table_text(ctx, t->table, csv->names[c], csv->cells + c * csv->rows);
    return bnorm_cli_status(ctx, status);
}

int bnorm_cli_table_read(bnorm_ctx *ctx, cli_args *args, const char *path, const char *weights,
                         const char *formula, cli_table *t)
{
    cli_csv csv;
    char separator = bnorm_cli_separator(args);
    *t = (cli_table){.name = strcmp(path, "-") ? path : "standard input"};
    if (args->bad) return CLI_USAGE;
    int code = read_csv(path, separator, &csv);
    if (code) return code;
    t->rows = csv.rows;
    if (weights) code = read_weights(t, &csv, weights);
    if (!code)
        code = fill_table(ctx, t, &csv,
                          weights && formula && has_dot_term(formula) ? weights : NULL);
    t->lines = csv.lines;
    csv.lines = NULL;
    bnorm_cli_csv_free(&csv);
    if (code) bnorm_cli_table_free(t);
    return code;
}

void bnorm_cli_table_free(cli_table *t)
{
    bnorm_table_destroy(t->table);
    free(t->lines);
    free(t->weights);
    *t = (cli_table){0};
}

/* The first row that is not among `rows`; there is one. */
static ptrdiff_t first_absent(const ptrdiff_t *rows, ptrdiff_t count)
{
    ptrdiff_t row = 0;
    while (row < count && rows[row] == row) row++;
    return row;
}

int bnorm_cli_table_rows(bnorm_ctx *ctx, const cli_table *t, const bnorm_frame *frame,
                         int with_target, int na_error, ptrdiff_t *rows, ptrdiff_t *count)
{
    ptrdiff_t kept = 0;
    int code =
        bnorm_cli_status(ctx, bnorm_frame_rows(ctx, frame, t->table, with_target, rows, count));
    if (code) return code;
    for (ptrdiff_t k = 0; k < *count; k++)
        if (!t->weights || !isnan(t->weights[rows[k]])) rows[kept++] = rows[k];
    *count = kept;
    if (!na_error || kept == t->rows) return CLI_OK;
    bnorm_cli_say("%s line %td has a missing value; complete it, or use --na drop", t->name,
                  t->lines[first_absent(rows, kept)]);
    return CLI_DATA;
}
