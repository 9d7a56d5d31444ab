/* model_file: models from and to the paths of the command line. */
#ifndef BNORM_CLI_MODEL_FILE_H
#define BNORM_CLI_MODEL_FILE_H

#include "bnorm.h"

/* Reads a model, which must have a formula when a table is to be read by it. */
int bnorm_cli_model_read(bnorm_ctx *ctx, const char *path, int needs_frame,
                         bnorm_model **model);

/* Saves one; "-" is standard output, a link is followed. */
int bnorm_cli_model_save(bnorm_ctx *ctx, bnorm_model *model, const char *path);

/* Saves by a function, which replaces the file at the path it is given; what: its object. */
typedef bnorm_status (*cli_saver)(bnorm_ctx *ctx, void *what, const char *path);
int bnorm_cli_save(bnorm_ctx *ctx, cli_saver save, void *what, const char *path);

#endif
