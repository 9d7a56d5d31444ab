/* csv_text: questions about the bytes of a table's line, each a pure function. */
#ifndef BNORM_CLI_CSV_TEXT_H
#define BNORM_CLI_CSV_TEXT_H

#include <stddef.h>

int bnorm_cli_is_utf8(const char *bytes, ptrdiff_t size);  /* valid UTF-8 (RFC 3629) */
int bnorm_cli_is_utf16(const char *bytes, ptrdiff_t size); /* begins with a UTF-16 mark */

/* Only spaces, tabs and line ends, and no separator among them. */
int bnorm_cli_is_blank(const char *bytes, ptrdiff_t size, char separator);

/* The one of ',', ';' and tab that stands most often outside quotes; ',' when none does. */
char bnorm_cli_detect_separator(const char *line, ptrdiff_t size);

/* 1 when two names are equal: the first such pair by the second's position. */
int bnorm_cli_same_names(const char *const *names, ptrdiff_t count, ptrdiff_t *first,
                         ptrdiff_t *second);

#endif
