/* say: messages on stderr, exit codes of statuses, memory. Messages never mix with results,
 * which go to stdout. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int quiet;

int bnorm_cli_colour(int descriptor)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_color && *no_color) return 0;
    if (term && term[0] == 'd' && term[1] == 'u') return 0; /* dumb */
    return isatty(descriptor);
}

void bnorm_cli_print(FILE *file, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        int c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;
        fputc(c1 || *c < 32 || *c == 127 ? '?' : *c, file);
        c += c1;
    }
}

static void sentence(const char *colour, const char *format, va_list arguments)
{
    char text[4096];
    fflush(stdout);
    if (bnorm_cli_colour(STDERR_FILENO))
        fprintf(stderr, "\033[%smbnorm:\033[0m ", colour);
    else
        fputs("bnorm: ", stderr);
    vsnprintf(text, sizeof text, format, arguments);
    bnorm_cli_print(stderr, text);
    fputc('\n', stderr);
}

void bnorm_cli_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sentence("1;31", format, arguments);
    va_end(arguments);
}

void bnorm_cli_note(const char *format, ...)
{
    va_list arguments;
    if (quiet) return;
    va_start(arguments, format);
    sentence("1", format, arguments);
    va_end(arguments);
}

void bnorm_cli_quiet(void)
{
    quiet = 1;
}

static int exit_code(bnorm_status status)
{
    switch (status) {
    case BNORM_OK:
        return CLI_OK;
    case BNORM_E_ARGUMENT:
    case BNORM_E_FORMULA:
        return CLI_USAGE;
    case BNORM_E_DOMAIN:
    case BNORM_E_FORMAT:
    case BNORM_E_DATA:
        return CLI_DATA;
    case BNORM_E_INTERRUPTED:
        return CLI_INTERRUPTED;
    default:
        return CLI_FAILED;
    }
}

int bnorm_cli_status(const bnorm_ctx *ctx, bnorm_status status)
{
    if (status != BNORM_OK) {
        const char *message = bnorm_ctx_message(ctx);
        bnorm_cli_say("%s", *message ? message : bnorm_status_text(status));
    }
    return exit_code(status);
}

static void *checked(void *block)
{
    if (!block) {
        bnorm_cli_say("out of memory: free some, or use a smaller table or network");
        exit(CLI_FAILED);
    }
    return block;
}

void *bnorm_cli_alloc(ptrdiff_t count, size_t size)
{
    return checked(calloc(count > 0 ? (size_t)count : 1, size));
}

void *bnorm_cli_grow(void *block, ptrdiff_t count, ptrdiff_t *capacity, size_t size)
{
    if (count <= *capacity) return block;
    ptrdiff_t wanted = *capacity + *capacity / 2;
    if (wanted < count) wanted = count;
    if (wanted < 64) wanted = 64;
    if ((size_t)wanted > PTRDIFF_MAX / size) return checked(NULL);
    *capacity = wanted;
    return checked(realloc(block, (size_t)wanted * size));
}

int bnorm_cli_context(int threads, bnorm_ctx **ctx)
{
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.threads = threads;
    return bnorm_cli_status(NULL, bnorm_ctx_create(&options, ctx));
}
