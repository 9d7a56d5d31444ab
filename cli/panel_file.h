/* panel_file: structured models in files, and what they say of the rows of a table. */
#ifndef BNORM_CLI_PANEL_FILE_H
#define BNORM_CLI_PANEL_FILE_H

#include "table.h"

/* As for models (model_file.h). */
int bnorm_cli_panel_save(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                         const char *path);

/* 1 when the file at path holds a structured model; 0 also when it cannot be read. */
int bnorm_cli_is_panel_file(bnorm_ctx *ctx, const char *path);

/* How rows are predicted. */
typedef struct panel_request {
    bnorm_new_level new_level;
    int na_error;
    double level; /* of confidence limits; 0: none */
} panel_request;

/* Writes a line for each row of the table: its place in the file, the prediction, and perhaps the
 * confidence limits of the mean response. It is NA for a row with a missing input, with a level or
 * value that gives no term, and, if so requested, for one whose fixed effect is new; all are
 * counted aloud. path "-": standard output. */
int bnorm_cli_panel_predictions(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                                const cli_table *table, panel_request request,
                                const char *path);

#endif
