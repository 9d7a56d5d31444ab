/* output: files written whole or not at all. A regular file is written under a temporary name
 * in its folder and renamed when complete; "-" and what is no regular file (a pipe, /dev/full)
 * is written directly. */
#ifndef BNORM_CLI_OUTPUT_H
#define BNORM_CLI_OUTPUT_H

#include <stdio.h>

typedef struct cli_output {
    FILE *file;
    const char *path; /* for messages */
    char *target;     /* what the temporary becomes; NULL when written directly */
    char *temporary;
} cli_output;

int bnorm_cli_open(cli_output *output, const char *path);
/* Completes the file. On failure the temporary is gone and the failure is said. */
int bnorm_cli_commit(cli_output *output);
void bnorm_cli_abandon(cli_output *output);

/* Whether `path` (NULL: nothing to write) can be written, found out before the work is done.
 * Leaves no file and changes none. */
int bnorm_cli_writable(const char *path);

/* Flushes stdout; a full disk behind it is a failure like any other. */
int bnorm_cli_flush(void);

#endif
