/* stat_read: tables of statistics packages, Stata's .dta and SPSS's .sav, by libreadstat. A
 * command built without it has stat_none.c in place of stat_read.c, and refuses them. */
#ifndef BNORM_CLI_STAT_READ_H
#define BNORM_CLI_STAT_READ_H

#include "bnorm.h"

/* 1 when the end of a path says that a statistics package wrote the file. */
int bnorm_cli_is_stat(const char *path);

/* Reads the file at path into a new table of *rows rows. Missing values of every kind are
 * missing. Text is levels, "" is missing. A numeric column is levels when each value in it has a
 * label of its own, else numbers; dates are numbers. */
int bnorm_cli_stat_read(bnorm_ctx *ctx, const char *path, bnorm_table **table, ptrdiff_t *rows);

#endif
