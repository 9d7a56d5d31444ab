/* cli: what every part of the command shares: exit codes, messages, checked memory. The command
 * sees the library through bnorm.h alone; a function that fails has said so on stderr and
 * returns the exit code. */
#ifndef BNORM_CLI_CLI_H
#define BNORM_CLI_CLI_H

#include <stddef.h>
#include <stdio.h>

#include "bnorm.h"

enum {
    CLI_OK = 0,
    CLI_FAILED = 1,       /* a file, memory, a fit that diverged, a check that is not ok */
    CLI_USAGE = 2,        /* the command line, formula included */
    CLI_DATA = 3,         /* a table or a model file */
    CLI_INTERRUPTED = 130 /* as a shell reports SIGINT */
};

/* "bnorm: <sentence>" on stderr; the name is red on a terminal that wants colour. */
void bnorm_cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same in sober colour, for facts that are not failures; silent after bnorm_cli_quiet. */
void bnorm_cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bnorm_cli_quiet(void);

/* A text from a file, fit for a terminal: control characters (C0, DEL, C1) become '?'. */
void bnorm_cli_print(FILE *file, const char *text);

/* Says what the library reported and returns the exit code that belongs to the status. */
int bnorm_cli_status(const bnorm_ctx *ctx, bnorm_status status);

/* 1 when a stream is a terminal and NO_COLOR is unset or empty. */
int bnorm_cli_colour(int descriptor);

/* count * size bytes, zeroed; ends the command when memory is out: it owns nothing to save. */
void *bnorm_cli_alloc(ptrdiff_t count, size_t size);
/* Grows a block to at least count elements by half or more; *capacity in elements. */
void *bnorm_cli_grow(void *block, ptrdiff_t count, ptrdiff_t *capacity, size_t size);

/* Makes the context with the threads asked for. */
int bnorm_cli_context(int threads, bnorm_ctx **ctx);

#endif
