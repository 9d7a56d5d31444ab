/* model_support: a small model with everything a file can hold, and files for its tests. */
#ifndef BNORM_TESTS_MODEL_SUPPORT_H
#define BNORM_TESTS_MODEL_SUPPORT_H

#include "support.h"

#define MODEL_ROWS 60

/* x, z > 0, y and a text column g of three levels; some cells are missing. */
bnorm_table *model_table(bnorm_ctx *ctx);

/* "y ~ x*g + log(z)", scaled; dense 4, batchnorm, relu, dropout, dense 1; penalties, statistics
 * and notes of every kind. Returns the first failure; *model is NULL then. */
bnorm_status make_model(bnorm_ctx *ctx, const bnorm_table *table, bnorm_model **model);

/* A new folder for files, and its removal; scratch_path: a file in it (static buffer). */
void scratch_make(void);
void scratch_remove(void);
const char *scratch_path(const char *name);
int scratch_files(void); /* how many there are */

/* A whole file; *size bytes, to be freed. */
unsigned char *file_read(const char *path, size_t *size);
void file_put(const char *path, const void *bytes, size_t size);

#endif
