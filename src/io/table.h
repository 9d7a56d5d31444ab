/* table: the inside of a table, for frames: typed columns and messages that name places. */
#ifndef BNORM_IO_TABLE_H
#define BNORM_IO_TABLE_H

#include "io/names.h"

typedef struct bnorm_column {
    int numeric;    /* taken as numbers unless factor() is said */
    double *values; /* numeric columns: NaN is missing, +inf a cell that is unusable */
    int32_t *codes; /* number of the cell's text in `texts`, -1 missing; NULL when every text
                       is known from its value */
    bnorm_names texts;
    ptrdiff_t bad_row; /* first cell that is present and no finite number; -1: none */
    char *bad_text;
    int bad_is_number; /* that cell is a number, though not finite */
    int exact;         /* levels: no text is missing, none stands for a number */
} bnorm_column;

struct bnorm_table {
    ptrdiff_t rows;
    bnorm_names names;
    bnorm_column *columns;
    ptrdiff_t capacity;
    char *source;     /* or NULL */
    ptrdiff_t *lines; /* or NULL */
};

#define BNORM_PLACE_SIZE 128
/* "produc.csv line 12", "produc.csv row 11" or "row 11". */
void bnorm_table_place(const bnorm_table *table, ptrdiff_t row, char out[BNORM_PLACE_SIZE]);

#define BNORM_EXCERPT_SIZE 64
/* A text fit for a message: control characters become '?', a long one ends with "...", never
 * inside a character. */
void bnorm_excerpt(const char *text, char out[BNORM_EXCERPT_SIZE]);

/* The column of that name. Errors: DATA, naming the nearest name and the columns there are. */
bnorm_status bnorm_table_find(bnorm_ctx *ctx, const bnorm_table *table, const char *name,
                              ptrdiff_t *column);

/* Reports the first unusable cell of the column; offer_factor: the message offers factor(). */
bnorm_status bnorm_column_bad(bnorm_ctx *ctx, const bnorm_table *table,
                              const bnorm_column *column, int offer_factor);

/* Whether the cell is missing. */
int bnorm_column_missing(const bnorm_column *column, ptrdiff_t row);

#endif
