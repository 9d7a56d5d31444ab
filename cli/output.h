/* output: files written whole or not at all. A regular file is written under a temporary name
 * in its folder and renamed when complete; "-" and what is no regular file (a pipe, /dev/full)
 * is written directly. */
#ifndef BNORM_CLI_OUTPUT_H
#define BNORM_CLI_OUTPUT_H

#include <signal.h>
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

/* A path and what it is for. */
typedef struct cli_use {
    const char *what, *path; /* path NULL: not used */
    int written;
} cli_use;

/* Refuses two uses of one regular file when one of them writes it. */
int bnorm_cli_apart(const cli_use *uses, int count);

/* Signals that would end the command wait from hold to release: for a file that the library
 * writes, whose temporary no handler knows. */
enum { CLI_HELD = 4 };
typedef struct cli_hold {
    struct sigaction old[CLI_HELD];
} cli_hold;
void bnorm_cli_hold(cli_hold *hold);
void bnorm_cli_release(const cli_hold *hold);

/* Flushes stdout; a full disk behind it is a failure like any other. */
int bnorm_cli_flush(void);

#endif
