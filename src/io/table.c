/* table: named, typed columns of equal length. A column of text keeps each distinct text once.
 * The type is decided when the column comes; a cell that does not fit it is only remembered
 * (the first of them), and reported where the column is used as numbers. */
#include "io/table.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/number.h"

bnorm_status bnorm_table_create(bnorm_ctx *ctx, ptrdiff_t rows, bnorm_table **table)
{
    if (!table) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_table_create: table is NULL");
    *table = NULL;
    if (rows < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_table_create: rows is %td", rows);
    bnorm_table *made = bnorm_alloc_zero(ctx, 1, sizeof *made);
    if (!made) return bnorm_fail_memory(ctx, "a table");
    made->rows = rows;
    *table = made;
    return BNORM_OK;
}

static void clear_column(bnorm_column *c)
{
    bnorm_free(c->values);
    bnorm_free(c->codes);
    bnorm_names_clear(&c->texts);
    bnorm_free(c->bad_text);
}

void bnorm_table_destroy(bnorm_table *table)
{
    if (!table) return;
    for (ptrdiff_t k = 0; k < table->names.count; k++) clear_column(table->columns + k);
    bnorm_free(table->columns);
    bnorm_names_clear(&table->names);
    bnorm_free(table->source);
    bnorm_free(table->lines);
    bnorm_free(table);
}

bnorm_status bnorm_table_source(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                                const ptrdiff_t *lines)
{
    if (!table) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_table_source: table is NULL");
    char *source = name ? bnorm_strdup(ctx, name) : NULL;
    ptrdiff_t *copy = lines ? bnorm_alloc(ctx, table->rows, sizeof *copy) : NULL;
    if ((name && !source) || (lines && !copy)) {
        bnorm_free(source);
        bnorm_free(copy);
        return bnorm_fail_memory(ctx, "the source of a table");
    }
    if (copy) memcpy(copy, lines, (size_t)table->rows * sizeof *copy);
    bnorm_free(table->source);
    bnorm_free(table->lines);
    table->source = source;
    table->lines = copy;
    return BNORM_OK;
}

ptrdiff_t bnorm_table_rows(const bnorm_table *table)
{
    return table ? table->rows : 0;
}

ptrdiff_t bnorm_table_cols(const bnorm_table *table)
{
    return table ? table->names.count : 0;
}

const char *bnorm_table_name(const bnorm_table *table, ptrdiff_t col)
{
    return table ? bnorm_names_text(&table->names, col) : NULL;
}

int bnorm_column_missing(const bnorm_column *column, ptrdiff_t row)
{
    return column->codes ? column->codes[row] < 0 : isnan(column->values[row]);
}

/* Room for one more column. */
static int grow_columns(bnorm_ctx *ctx, bnorm_table *table)
{
    if (table->names.count < table->capacity) return 1;
    ptrdiff_t capacity = table->capacity ? 2 * table->capacity : 8;
    bnorm_column *columns = bnorm_alloc(ctx, capacity, sizeof *columns);
    if (!columns) return 0;
    if (table->columns)
        memcpy(columns, table->columns, (size_t)table->names.count * sizeof *columns);
    bnorm_free(table->columns);
    table->columns = columns;
    table->capacity = capacity;
    return 1;
}

static bnorm_status check_new(bnorm_ctx *ctx, const bnorm_table *table, const char *name,
                              const void *cells, const char *function)
{
    if (!table || !name || !*name)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s: the table is NULL or the name is empty",
                          function);
    if (!cells && table->rows)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s: the cells are NULL", function);
    if (bnorm_names_find(&table->names, name, strlen(name)) >= 0) {
        char shown[BNORM_EXCERPT_SIZE];
        bnorm_excerpt(name, shown);
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s: there is a column '%s' already", function,
                          shown);
    }
    return BNORM_OK;
}

/* Takes the column into the table, or releases it. */
static bnorm_status append(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                           bnorm_column *c)
{
    ptrdiff_t k;
    bnorm_status status =
        grow_columns(ctx, table) ? BNORM_OK : bnorm_fail_memory(ctx, "a column");
    if (status == BNORM_OK)
        status = bnorm_names_add(ctx, &table->names, name, strlen(name), &k);
    if (status == BNORM_OK)
        table->columns[k] = *c;
    else
        clear_column(c);
    return status;
}

/* The first infinite value, remembered as text for messages. */
static int note_infinite(bnorm_ctx *ctx, bnorm_column *c, ptrdiff_t rows)
{
    ptrdiff_t i = 0;
    while (i < rows && !isinf(c->values[i])) i++;
    if (i == rows) return 1;
    c->bad_row = i;
    c->bad_is_number = 1;
    c->bad_text = bnorm_strdup(ctx, c->values[i] > 0 ? "inf" : "-inf");
    return c->bad_text != NULL;
}

bnorm_status bnorm_table_numbers(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                                 const double *values)
{
    bnorm_status status = check_new(ctx, table, name, values, "bnorm_table_numbers");
    if (status != BNORM_OK) return status;
    bnorm_column c = {.numeric = 1, .bad_row = -1};
    c.values = bnorm_alloc(ctx, table->rows, sizeof *c.values);
    if (c.values && table->rows)
        memcpy(c.values, values, (size_t)table->rows * sizeof *c.values);
    if (!c.values || !note_infinite(ctx, &c, table->rows)) {
        clear_column(&c);
        return bnorm_fail_memory(ctx, "a column");
    }
    return append(ctx, table, name, &c);
}

/* NULL, "" and "NA" are missing, blanks around them do not matter. */
static int missing_text(const char *cell)
{
    if (!cell) return 1;
    while (bnorm_is_blank(*cell)) cell++;
    if (cell[0] == 'N' && cell[1] == 'A') cell += 2;
    while (bnorm_is_blank(*cell)) cell++;
    return !*cell;
}

/* "007": a number whose text its value does not give back, as in codes of places. */
static int leading_zero(const char *cell)
{
    while (bnorm_is_blank(*cell)) cell++;
    return cell[0] == '0' && cell[1] >= '0' && cell[1] <= '9';
}

/* What one pass over the cells learns. */
typedef struct census {
    ptrdiff_t present, numbers;
    int zeros; /* some cell has a leading zero */
} census;

static void read_cell(bnorm_column *c, census *seen, const char *const *cells, ptrdiff_t row)
{
    double *value = c->values + row;
    *value = (double)NAN;
    if (missing_text(cells[row])) return;
    bnorm_number_kind kind = bnorm_number_parse(cells[row], value);
    seen->present++;
    seen->numbers += kind != BNORM_NUMBER_NONE;
    seen->zeros |= kind != BNORM_NUMBER_NONE && leading_zero(cells[row]);
    if (kind == BNORM_NUMBER_FINITE) return;
    *value = (double)INFINITY;
    if (c->bad_row >= 0) return;
    c->bad_row = row;
    c->bad_is_number = kind == BNORM_NUMBER_NONFINITE;
}

static bnorm_status read_codes(bnorm_ctx *ctx, bnorm_column *c, const char *const *cells,
                               ptrdiff_t rows)
{
    c->codes = bnorm_alloc(ctx, rows, sizeof *c->codes);
    if (!c->codes) return bnorm_fail_memory(ctx, "a column of text");
    for (ptrdiff_t i = 0; i < rows; i++) {
        ptrdiff_t code = -1;
        int missing = c->exact ? !cells[i] : missing_text(cells[i]);
        bnorm_status status =
            missing ? BNORM_OK
                    : bnorm_names_add(ctx, &c->texts, cells[i], strlen(cells[i]), &code);
        if (status != BNORM_OK) return status;
        if (code > INT32_MAX - 1)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "a column has more than 2147483646 distinct texts");
        c->codes[i] = (int32_t)code;
    }
    return BNORM_OK;
}

static bnorm_status read_text(bnorm_ctx *ctx, bnorm_column *c, const char *const *cells,
                              ptrdiff_t rows)
{
    census seen = {0};
    c->values = bnorm_alloc(ctx, rows, sizeof *c->values);
    if (!c->values) return bnorm_fail_memory(ctx, "a column");
    for (ptrdiff_t i = 0; i < rows; i++) read_cell(c, &seen, cells, i);
    c->numeric = !seen.present || 2 * seen.numbers > seen.present;
    if (c->bad_row >= 0) {
        c->bad_text = bnorm_strdup(ctx, cells[c->bad_row]);
        if (!c->bad_text) return bnorm_fail_memory(ctx, "a column");
    }
    if (!c->numeric) {
        bnorm_free(c->values);
        c->values = NULL;
    }
    return c->bad_row >= 0 || seen.zeros ? read_codes(ctx, c, cells, rows) : BNORM_OK;
}

/* Where every cell is missing the column is numeric, as one of text is. */
static bnorm_status read_levels(bnorm_ctx *ctx, bnorm_column *c, const char *const *cells,
                                ptrdiff_t rows)
{
    bnorm_status status = read_codes(ctx, c, cells, rows);
    if (status != BNORM_OK) return status;
    for (ptrdiff_t i = rows - 1; i >= 0; i--)
        if (cells[i]) c->bad_row = i;
    c->numeric = c->bad_row < 0;
    if (c->numeric)
        c->values = bnorm_alloc(ctx, rows, sizeof *c->values);
    else
        c->bad_text = bnorm_strdup(ctx, cells[c->bad_row]);
    if (!c->values && !c->bad_text) return bnorm_fail_memory(ctx, "a column");
    for (ptrdiff_t i = 0; c->numeric && i < rows; i++) c->values[i] = (double)NAN;
    return BNORM_OK;
}

/* A column of cells that read_text, or read_levels (exact), makes something of. */
static bnorm_status add_cells(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                              const char *const *cells, int exact)
{
    bnorm_column c = {.bad_row = -1, .exact = exact};
    bnorm_status status = exact ? read_levels(ctx, &c, cells, table->rows)
                                : read_text(ctx, &c, cells, table->rows);
    if (status == BNORM_OK) return append(ctx, table, name, &c);
    clear_column(&c);
    return status;
}

bnorm_status bnorm_table_levels(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                                const char *const *cells)
{
    bnorm_status status = check_new(ctx, table, name, cells, "bnorm_table_levels");
    return status == BNORM_OK ? add_cells(ctx, table, name, cells, 1) : status;
}

bnorm_status bnorm_table_text(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                              const char *const *cells)
{
    bnorm_status status = check_new(ctx, table, name, cells, "bnorm_table_text");
    return status == BNORM_OK ? add_cells(ctx, table, name, cells, 0) : status;
}
