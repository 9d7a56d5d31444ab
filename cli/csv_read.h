/* csv_read: a delimited text file as a header and cells, every row with the line on which it
 * began. libcsv does the quoting; here are the rules of a table around it. */
#ifndef BNORM_CLI_CSV_READ_H
#define BNORM_CLI_CSV_READ_H

#include <stddef.h>
#include <stdio.h>

typedef struct cli_csv {
    ptrdiff_t cols, rows;
    const char **names; /* cols */
    ptrdiff_t *lines;   /* rows */
    const char **cells; /* column after column: cells[c * rows + r] */
    char separator;
    char *text; /* what names and cells point into */
} cli_csv;

/* Reads all of `file`. name: how messages call it. separator: ',', ';', '\t', or 0 to detect
 * it in the header. chunk: bytes read at a time, 0 for a good size. Returns CLI_OK, CLI_DATA or
 * CLI_FAILED (reading failed); the sentence is then in message, and *csv is empty. */
int bnorm_cli_csv_read(FILE *file, const char *name, char separator, size_t chunk, cli_csv *csv,
                       char *message, size_t message_size);
void bnorm_cli_csv_free(cli_csv *csv);

#endif
