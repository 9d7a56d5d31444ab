/* json: one JSON value written as it comes. Numbers have 17 digits, so they read back to the
 * bit; what is no finite number is null. Keys may be NULL: an element of an array. */
#ifndef BNORM_CLI_JSON_H
#define BNORM_CLI_JSON_H

#include <stddef.h>
#include <stdio.h>

enum { CLI_JSON_DEPTH = 16 };

typedef struct cli_json {
    FILE *file;
    int depth;
    int filled[CLI_JSON_DEPTH]; /* the object or array of each depth has an element */
} cli_json;

void bnorm_cli_json_open(cli_json *json, const char *key, char bracket); /* '{' or '[' */
void bnorm_cli_json_close(cli_json *json, char bracket);                 /* '}' or ']' */
void bnorm_cli_json_number(cli_json *json, const char *key, double value);
void bnorm_cli_json_whole(cli_json *json, const char *key, ptrdiff_t value);
void bnorm_cli_json_bool(cli_json *json, const char *key, int value);
void bnorm_cli_json_text(cli_json *json, const char *key, const char *value); /* NULL: null */

#endif
