/* table: a file as a bnorm_table, with its lines and perhaps a column of weights. */
#ifndef BNORM_CLI_TABLE_H
#define BNORM_CLI_TABLE_H

#include "bnorm.h"
#include "options.h"

typedef struct cli_table {
    const char *name; /* for messages */
    bnorm_table *table;
    ptrdiff_t rows;
    const char *place; /* "line", or "row" where a file has no lines */
    ptrdiff_t *lines;  /* of each row */
    double *weights;   /* of each row, NaN when missing; NULL without a column of weights */
    const char *weights_column;
} cli_table;

/* Reads the table at `path` ("-": standard input) by the options in args. weights: the column
 * of weights or NULL. */
int bnorm_cli_table_read(bnorm_ctx *ctx, cli_args *args, const char *path, const char *weights,
                         cli_table *table);
void bnorm_cli_table_free(cli_table *table);

/* The rows that are complete for a frame and have a weight; their number to *count. Missing
 * ones are an error when na_error. rows: table->rows long. */
int bnorm_cli_table_rows(bnorm_ctx *ctx, const cli_table *table, const bnorm_frame *frame,
                         int with_target, int na_error, ptrdiff_t *rows, ptrdiff_t *count);

/* Fails as bnorm_frame_matrix does for that row: the context's message says what is wrong. */
bnorm_status bnorm_cli_table_why(bnorm_ctx *ctx, const cli_table *table,
                                 const bnorm_frame *frame, int with_target, ptrdiff_t row);

#endif
