/* stat_read: a .dta or .sav file as a table. Columns fill as libreadstat calls with one cell
 * after another; labels come when all cells are there, so what a column is, is decided last.
 * Texts of cells lie one after another in a column's `text`; 0 in starts[] is a missing one. */
#include "stat_read.h"

#include <errno.h>
#include <readstat.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "csv_text.h"

typedef struct column {
    char *name, *labels; /* labels: the name of its set, "" for none */
    int is_text;
    ptrdiff_t capacity;
    double *numbers;   /* rows, NaN where missing */
    ptrdiff_t *starts; /* rows, of each cell in text */
    char *text;
    ptrdiff_t text_size, text_capacity;
} column;

typedef struct label {
    char *set, *text;
    double value;
} label;

typedef struct reader {
    const char *path;
    column *columns;
    ptrdiff_t cols, cols_capacity, rows;
    ptrdiff_t row, col; /* the cell that was read last */
    label *labels;
    ptrdiff_t count, labels_capacity;
    int failed; /* CLI_DATA once something was refused, and said */
} reader;

static char *copy(const char *text)
{
    size_t size = strlen(text ? text : "") + 1;
    return memcpy(bnorm_cli_alloc((ptrdiff_t)size, 1), text ? text : "", size);
}

static int take_variable(int index, readstat_variable_t *variable, const char *labels,
                         void *user)
{
    reader *r = user;
    (void)index;
    r->columns = bnorm_cli_grow(r->columns, r->cols + 1, &r->cols_capacity, sizeof *r->columns);
    r->columns[r->cols++] = (column){.name = copy(readstat_variable_get_name(variable)),
                                     .labels = copy(labels),
                                     .text_size = 1, /* 0 is no start */
                                     .is_text = readstat_variable_get_type_class(variable) ==
                                                READSTAT_TYPE_CLASS_STRING};
    return READSTAT_HANDLER_OK;
}

static int take_text(reader *r, column *c, const char *text)
{
    size_t size = strlen(text) + 1;
    if (!bnorm_cli_is_utf8(text, (ptrdiff_t)size - 1)) {
        bnorm_cli_say("%s row %td: variable '%s' is not UTF-8; convert the file, or export it "
                      "as CSV in UTF-8",
                      r->path, r->row + 1, c->name);
        r->failed = CLI_DATA;
        return READSTAT_HANDLER_ABORT;
    }
    c->text = bnorm_cli_grow(c->text, c->text_size + (ptrdiff_t)size, &c->text_capacity, 1);
    memcpy(c->text + c->text_size, text, size);
    c->starts[r->row] = c->text_size;
    c->text_size += (ptrdiff_t)size;
    return READSTAT_HANDLER_OK;
}

static int take_value(int row, readstat_variable_t *variable, readstat_value_t value,
                      void *user)
{
    reader *r = user;
    r->row = row;
    r->col = readstat_variable_get_index(variable);
    column *c = &r->columns[r->col];
    int missing = readstat_value_is_missing(value, variable);
    if (r->row >= r->rows) r->rows = r->row + 1;
    if (!c->is_text) {
        c->numbers = bnorm_cli_grow(c->numbers, r->rows, &c->capacity, sizeof *c->numbers);
        c->numbers[r->row] = missing ? NAN : readstat_double_value(value);
        return READSTAT_HANDLER_OK;
    }
    const char *text = missing ? NULL : readstat_string_value(value);
    c->starts = bnorm_cli_grow(c->starts, r->rows, &c->capacity, sizeof *c->starts);
    c->starts[r->row] = 0;
    return text && *text ? take_text(r, c, text) : READSTAT_HANDLER_OK;
}

/* Labels of missing values and of texts are of no use here. */
static int take_label(const char *set, readstat_value_t value, const char *text, void *user)
{
    reader *r = user;
    if (readstat_value_type_class(value) != READSTAT_TYPE_CLASS_NUMERIC || !text ||
        readstat_value_is_system_missing(value) || readstat_value_is_tagged_missing(value))
        return READSTAT_HANDLER_OK;
    r->labels = bnorm_cli_grow(r->labels, r->count + 1, &r->labels_capacity, sizeof *r->labels);
    r->labels[r->count++] = (label){copy(set), copy(text), readstat_double_value(value)};
    return READSTAT_HANDLER_OK;
}

static int by_value(const void *a, const void *b)
{
    const label *x = a, *y = b;
    int sets = strcmp(x->set, y->set);
    return sets ? sets : (x->value > y->value) - (x->value < y->value);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const label *)a)->text, ((const label *)b)->text);
}

/* 1 when no two values of the set have the same text, as levels need. */
static int are_distinct(const reader *r, const char *set)
{
    label *of_set = bnorm_cli_alloc(r->count, sizeof *of_set);
    ptrdiff_t count = 0;
    int distinct = 1;
    for (ptrdiff_t k = 0; k < r->count; k++)
        if (!strcmp(r->labels[k].set, set)) of_set[count++] = r->labels[k];
    qsort(of_set, (size_t)count, sizeof *of_set, by_text);
    for (ptrdiff_t k = 1; k < count; k++) distinct &= by_text(of_set + k - 1, of_set + k) != 0;
    free(of_set);
    return distinct;
}

/* The labels of a numeric column as cells; 0 when a value in it has none. */
static int labelled(const reader *r, const column *c, const char **cells)
{
    ptrdiff_t present = 0;
    if (!*c->labels || !are_distinct(r, c->labels)) return 0;
    for (ptrdiff_t i = 0; i < r->rows; i++) {
        label wanted = {.set = c->labels, .value = c->numbers[i]};
        if (isnan(wanted.value)) continue;
        const label *found =
            bsearch(&wanted, r->labels, (size_t)r->count, sizeof wanted, by_value);
        if (!found) return 0;
        cells[i] = found->text;
        present++;
    }
    return present > 0;
}

static bnorm_status add_column(bnorm_ctx *ctx, const reader *r, const column *c,
                               const char **cells, bnorm_table *table)
{
    memset(cells, 0, (size_t)r->rows * sizeof *cells);
    for (ptrdiff_t i = 0; c->is_text && i < r->rows; i++)
        if (c->starts[i]) cells[i] = c->text + c->starts[i];
    if (c->is_text || labelled(r, c, cells))
        return bnorm_table_levels(ctx, table, c->name, cells);
    return bnorm_table_numbers(ctx, table, c->name, c->numbers);
}

static void free_column(column *c)
{
    free(c->name);
    free(c->labels);
    free(c->numbers);
    free(c->starts);
    free(c->text);
    *c = (column){0};
}

static void free_reader(reader *r)
{
    for (ptrdiff_t k = 0; k < r->cols; k++) free_column(&r->columns[k]);
    for (ptrdiff_t k = 0; k < r->count; k++) {
        free(r->labels[k].set);
        free(r->labels[k].text);
    }
    free(r->columns);
    free(r->labels);
}

/* Each column is freed once the table has it: two copies of one column at most. */
static int make_table(bnorm_ctx *ctx, reader *r, bnorm_table **table)
{
    const char **cells = bnorm_cli_alloc(r->rows, sizeof *cells);
    if (r->count) qsort(r->labels, (size_t)r->count, sizeof *r->labels, by_value);
    bnorm_status status = bnorm_table_create(ctx, r->rows, table);
    if (!status) status = bnorm_table_source(ctx, *table, r->path, NULL);
    for (ptrdiff_t k = 0; k < r->cols && !status; k++) {
        status = add_column(ctx, r, &r->columns[k], cells, *table);
        free_column(&r->columns[k]);
    }
    free(cells);
    int code = bnorm_cli_status(ctx, status);
    if (code) {
        bnorm_table_destroy(*table);
        *table = NULL;
    }
    return code;
}

/* Cells come row by row: after the last one that came stands the one that failed. */
static int tell_error(const reader *r, readstat_error_t error)
{
    const char *what = readstat_error_message(error);
    if (r->failed) return r->failed;
    if (error == READSTAT_ERROR_MALLOC || error == READSTAT_ERROR_OPEN) {
        bnorm_cli_say("%s could not be read: %s", r->path, what);
        return CLI_FAILED;
    }
    if (r->col < 0 || !r->cols) {
        bnorm_cli_say("%s is no table that can be read: %s", r->path, what);
    } else {
        ptrdiff_t next = (r->col + 1) % r->cols;
        bnorm_cli_say("%s row %td, variable '%s' could not be read: %s", r->path,
                      r->row + 1 + (next == 0), r->columns[next].name, what);
    }
    return CLI_DATA;
}

static readstat_error_t parse(reader *r)
{
    readstat_parser_t *parser = readstat_parser_init();
    const char *end = strrchr(r->path, '.');
    if (!parser) return READSTAT_ERROR_MALLOC;
    readstat_set_variable_handler(parser, take_variable);
    readstat_set_value_handler(parser, take_value);
    readstat_set_value_label_handler(parser, take_label);
    readstat_error_t error = end[1] == 'd' || end[1] == 'D'
                                 ? readstat_parse_dta(parser, r->path, r)
                                 : readstat_parse_sav(parser, r->path, r);
    readstat_parser_free(parser);
    return error;
}

/* What the system says of a file, which libreadstat keeps for itself. */
static int openable(const char *path)
{
    FILE *file = fopen(path, "rb");
    char byte;
    int good = file && (fread(&byte, 1, 1, file) || !ferror(file));
    if (!good)
        bnorm_cli_say("%s could not be %s: %s", path, file ? "read" : "opened",
                      strerror(errno));
    if (file) fclose(file);
    return good;
}

int bnorm_cli_stat_read(bnorm_ctx *ctx, const char *path, bnorm_table **table, ptrdiff_t *rows)
{
    reader r = {.path = path, .col = -1};
    *table = NULL;
    *rows = 0;
    if (!openable(path)) return CLI_FAILED;
    readstat_error_t error = parse(&r);
    int code = error ? tell_error(&r, error) : CLI_OK;
    if (!code && !r.rows) {
        bnorm_cli_say("%s has %td variables but no rows", path, r.cols);
        code = CLI_DATA;
    }
    if (!code) code = make_table(ctx, &r, table);
    if (!code) *rows = r.rows;
    free_reader(&r);
    return code;
}
