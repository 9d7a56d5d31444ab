/* predictions: what a model says of the rows of a table, as a CSV file. */
#ifndef BNORM_CLI_PREDICTIONS_H
#define BNORM_CLI_PREDICTIONS_H

#include "table.h"

/* Writes one line for each row of the table: its line in the file, and the prediction. It is NA
 * when an input is missing, has a level that training did not see or makes a term that is not
 * finite; such rows are counted aloud, or refused when na_error. Classes: the likeliest, and the
 * probability of each. path "-": standard output. */
int bnorm_cli_predictions_write(bnorm_ctx *ctx, bnorm_model *model, const cli_table *table,
                                int na_error, const char *path);

/* The likeliest class by the outputs of one row; one output is the second class's probability.
 */
ptrdiff_t bnorm_cli_likeliest(const double *mean, ptrdiff_t outputs);

#endif
