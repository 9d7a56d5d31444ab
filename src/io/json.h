/* json: strict reading and exact writing of JSON, on jansson. */
#ifndef BNORM_IO_JSON_H
#define BNORM_IO_JSON_H

#include <jansson.h>

#include "bnorm.h"

/* Reads one document (json_read.c), text[length] being 0: RFC 8259, no duplicate keys, no
 * U+0000, nesting up to 100, integers of 64 bits, finite reals. what: for messages ("the
 * header"). Errors: FORMAT (with the byte where it goes wrong), MEMORY. */
bnorm_status bnorm_json_read(bnorm_ctx *ctx, const char *what, const char *text, size_t length,
                             json_t **json);

/* Writes on one line, doubles with 17 digits; the text has `padding` unused bytes behind its
 * end. Errors: MEMORY. */
bnorm_status bnorm_json_write(bnorm_ctx *ctx, const json_t *json, ptrdiff_t padding,
                              char **text, size_t *length);

/* Members of an object, by type. Errors: FORMAT, naming what ("layer 2") and the key. */
bnorm_status bnorm_json_object(bnorm_ctx *ctx, const json_t *from, const char *what,
                               const char *key, json_t **value);
bnorm_status bnorm_json_array(bnorm_ctx *ctx, const json_t *from, const char *what,
                              const char *key, json_t **value);
bnorm_status bnorm_json_text(bnorm_ctx *ctx, const json_t *from, const char *what,
                             const char *key, const char **value);
bnorm_status bnorm_json_number(bnorm_ctx *ctx, const json_t *from, const char *what,
                               const char *key, double *value);
bnorm_status bnorm_json_flag(bnorm_ctx *ctx, const json_t *from, const char *what,
                             const char *key, int *value);
/* An integer of low .. high. */
bnorm_status bnorm_json_integer(bnorm_ctx *ctx, const json_t *from, const char *what,
                                const char *key, ptrdiff_t low, ptrdiff_t high,
                                ptrdiff_t *value);

#endif
