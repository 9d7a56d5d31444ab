/* table: from a path to columns the library knows. Cells of a text file go to the library as
 * text: it decides what is a number; only weights are read here. */
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "csv_read.h"
#include "stat_read.h"

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

/* [+-]digits,digits with blanks around: 1, [+-]digits: 0, anything else: -1. */
static int decimal_comma(const char *cell)
{
    static const char digits[] = "0123456789";
    size_t length;
    cell += strspn(cell, " \t");
    cell += *cell == '+' || *cell == '-';
    if (!(length = strspn(cell, digits))) return -1;
    cell += length;
    int comma = *cell == ',';
    if (comma && !strspn(cell + 1, digits)) return -1;
    if (comma) cell += 1 + strspn(cell + 1, digits);
    return cell[strspn(cell, " \t")] ? -1 : comma;
}

/* The first cell with a decimal comma in a column that would be numbers with a point; -1: none.
 * A column of whole numbers for the most part is the library's to judge. */
static ptrdiff_t first_comma(const cli_csv *csv, ptrdiff_t c)
{
    ptrdiff_t present = 0, commas = 0, whole = 0, first = -1;
    for (ptrdiff_t row = 0; row < csv->rows; row++) {
        const char *cell = csv->cells[c * csv->rows + row];
        if (!*cell || !strcmp(cell, "NA")) continue;
        int kind = decimal_comma(cell);
        present++;
        whole += kind == 0;
        commas += kind == 1;
        if (kind == 1 && first < 0) first = row;
    }
    return 2 * whole <= present && 2 * commas > present - whole ? first : -1;
}

/* Taken as text they would become classes or levels, and nobody would be told. */
static int check_commas(const cli_table *t, const cli_csv *csv)
{
    for (ptrdiff_t c = 0; c < csv->cols && csv->separator != ','; c++) {
        ptrdiff_t row = first_comma(csv, c);
        if (row < 0) continue;
        bnorm_cli_say("%s line %td: column '%s' has a decimal comma: '%s'; write a point, as "
                      "in 1.5",
                      t->name, csv->lines[row], csv->names[c], csv->cells[c * csv->rows + row]);
        return CLI_DATA;
    }
    return CLI_OK;
}

static int read_weights(bnorm_ctx *ctx, cli_table *t, const char *column)
{
    t->weights_column = column;
    t->weights = bnorm_cli_alloc(t->rows, sizeof *t->weights);
    int code = bnorm_cli_status(ctx, bnorm_table_values(ctx, t->table, column, t->weights));
    for (ptrdiff_t row = 0; row < t->rows && !code; row++) {
        if (!(t->weights[row] < 0)) continue;
        bnorm_cli_say("%s %s %td: the weight %g in column '%s' is negative", t->name, t->place,
                      t->lines[row], t->weights[row], column);
        code = CLI_DATA;
    }
    return code;
}

static int fill_table(bnorm_ctx *ctx, cli_table *t, const cli_csv *csv)
{
    bnorm_status status = bnorm_table_create(ctx, csv->rows, &t->table);
    if (!status) status = bnorm_table_source(ctx, t->table, t->name, csv->lines);
    for (ptrdiff_t c = 0; c < csv->cols && !status; c++)
        status = bnorm_table_text(ctx, t->table, csv->names[c], csv->cells + c * csv->rows);
    return bnorm_cli_status(ctx, status);
}

/* The extension decides: .csv may hold anything else that a delimiter divides. */
int bnorm_cli_is_stat(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && (!strcasecmp(end, ".dta") || !strcasecmp(end, ".sav"));
}

static int read_stat(bnorm_ctx *ctx, const char *path, cli_table *t)
{
    int code = bnorm_cli_stat_read(ctx, path, &t->table, &t->rows);
    t->place = "row";
    t->lines = bnorm_cli_alloc(t->rows, sizeof *t->lines);
    for (ptrdiff_t i = 0; i < t->rows; i++) t->lines[i] = i + 1;
    return code;
}

static int read_text(bnorm_ctx *ctx, const char *path, char separator, cli_table *t)
{
    cli_csv csv;
    int code = read_csv(path, separator, &csv);
    if (code) return code;
    t->rows = csv.rows;
    t->place = "line";
    code = check_commas(t, &csv);
    if (!code) code = fill_table(ctx, t, &csv);
    t->lines = csv.lines;
    csv.lines = NULL;
    bnorm_cli_csv_free(&csv);
    return code;
}

int bnorm_cli_table_read(bnorm_ctx *ctx, cli_args *args, const char *path, const char *weights,
                         cli_table *t)
{
    char separator = bnorm_cli_separator(args);
    *t = (cli_table){.name = strcmp(path, "-") ? path : "standard input"};
    if (args->bad) return CLI_USAGE;
    int code =
        bnorm_cli_is_stat(path) ? read_stat(ctx, path, t) : read_text(ctx, path, separator, t);
    if (!code && weights) code = read_weights(ctx, t, weights);
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

bnorm_status bnorm_cli_table_why(bnorm_ctx *ctx, const cli_table *t, const bnorm_frame *frame,
                                 int with_target, ptrdiff_t row)
{
    ptrdiff_t inputs = bnorm_frame_inputs(frame);
    double y, *x = bnorm_cli_alloc(inputs, sizeof *x);
    bnorm_mat_f64 mx = bnorm_view_f64(x, 1, inputs, BNORM_ROW_MAJOR), none = {0};
    bnorm_mat_f64 my = with_target ? bnorm_view_f64(&y, 1, 1, BNORM_ROW_MAJOR) : none;
    bnorm_status status = bnorm_frame_matrix(ctx, frame, t->table, &row, 1, mx, my);
    free(x);
    return status;
}

/* Says what the first incomplete row lacks, if there is one. */
static int refuse_incomplete(bnorm_ctx *ctx, const cli_table *t, const bnorm_frame *frame,
                             int with_target)
{
    unsigned char *kinds = bnorm_cli_alloc(t->rows, 1);
    int code =
        bnorm_cli_status(ctx, bnorm_frame_screen(ctx, frame, t->table, with_target, kinds));
    for (ptrdiff_t i = 0; i < t->rows && !code; i++) {
        if (kinds[i] == BNORM_ROW_MISSING) {
            bnorm_cli_table_why(ctx, t, frame, with_target, i);
            bnorm_cli_say("%s (--na drop)", bnorm_ctx_message(ctx));
            code = CLI_DATA;
        } else if (t->weights && isnan(t->weights[i])) {
            bnorm_cli_say("%s %s %td: column '%s' is missing; complete it, or let rows with "
                          "missing values be left out (--na drop)",
                          t->name, t->place, t->lines[i], t->weights_column);
            code = CLI_DATA;
        }
    }
    free(kinds);
    return code;
}

int bnorm_cli_table_rows(bnorm_ctx *ctx, const cli_table *t, const bnorm_frame *frame,
                         int with_target, int na_error, ptrdiff_t *rows, ptrdiff_t *count)
{
    ptrdiff_t kept = 0;
    int code = na_error ? refuse_incomplete(ctx, t, frame, with_target) : CLI_OK;
    if (!code)
        code = bnorm_cli_status(
            ctx, bnorm_frame_rows(ctx, frame, t->table, with_target, rows, count));
    if (code) return code;
    for (ptrdiff_t k = 0; k < *count; k++)
        if (!t->weights || !isnan(t->weights[rows[k]])) rows[kept++] = rows[k];
    *count = kept;
    return CLI_OK;
}
