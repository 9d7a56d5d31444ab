/* json: strict reading and exact writing of JSON. */
#ifndef BNORM_IO_JSON_H
#define BNORM_IO_JSON_H

#include "bnorm.h"

/* -------------------------------------------------------------------------------- reading */

typedef enum bnorm_json_kind {
    BNORM_JSON_NULL,
    BNORM_JSON_FLAG,
    BNORM_JSON_INTEGER,
    BNORM_JSON_REAL,
    BNORM_JSON_TEXT,
    BNORM_JSON_ARRAY,
    BNORM_JSON_OBJECT
} bnorm_json_kind;

/* A value. The values of a document lie one behind the other, each before what it holds, in one
 * block with their texts. */
typedef struct bnorm_json {
    bnorm_json_kind kind;
    const char *key; /* of a member of an object; else NULL */
    ptrdiff_t step;  /* values from here to the next of the same list; 0: the last */
    union {
        int flag;
        int64_t integer;
        double real;
        const char *text;
        ptrdiff_t count; /* elements or members */
    } is;
} bnorm_json;

/* Reads one document (json_read.c), text[length] being 0: RFC 8259, no duplicate keys, no
 * U+0000, nesting up to 100, integers of 64 bits, finite reals. what: for messages ("the
 * header"). *json is released by bnorm_free. Errors: FORMAT (with the byte where it goes
 * wrong), MEMORY. */
bnorm_status bnorm_json_read(bnorm_ctx *ctx, const char *what, const char *text, size_t length,
                             bnorm_json **json);

/* The first value of a list or object, and the next one of the same; NULL for none, also of
 * NULL and of other values. */
const bnorm_json *bnorm_json_first(const bnorm_json *list);
const bnorm_json *bnorm_json_next(const bnorm_json *value);
/* How many elements an array has, and members an object; 0 of NULL and of other values. */
ptrdiff_t bnorm_json_elements(const bnorm_json *array);
ptrdiff_t bnorm_json_members(const bnorm_json *object);
/* The member with that key; NULL for none. */
const bnorm_json *bnorm_json_get(const bnorm_json *object, const char *key);
int bnorm_json_is(const bnorm_json *value, bnorm_json_kind kind); /* 0 for NULL */
/* The characters of a text; NULL of NULL and of other values. */
const char *bnorm_json_characters(const bnorm_json *value);
/* The integer when it is one >= 0; -1 for anything else. */
int64_t bnorm_json_to_index(const bnorm_json *value);
/* Whether it is an integer or real; *number. */
int bnorm_json_to_number(const bnorm_json *value, double *number);

/* Members of an object, by type. Errors: FORMAT, naming what ("layer 2") and the key. */
bnorm_status bnorm_json_object(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                               const char *key, const bnorm_json **value);
bnorm_status bnorm_json_array(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                              const char *key, const bnorm_json **value);
bnorm_status bnorm_json_text(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                             const char *key, const char **value);
bnorm_status bnorm_json_number(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                               const char *key, double *value);
bnorm_status bnorm_json_flag(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                             const char *key, int *value);
/* An integer of low .. high. */
bnorm_status bnorm_json_integer(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                                const char *key, ptrdiff_t low, ptrdiff_t high,
                                ptrdiff_t *value);

/* -------------------------------------------------------------------------------- writing */

/* A document on one line that is being written (json_write.c); starts as {.ctx = ctx}. After a
 * failure nothing more is written, so only bnorm_json_finish need be asked. */
typedef struct bnorm_json_writer {
    bnorm_ctx *ctx;
    char *bytes;
    size_t length, room;
    bnorm_status status;
} bnorm_json_writer;

/* A value, under its key in an object; key is NULL in an array. Brackets: '{', '[', and the
 * closing one. Texts must be UTF-8, reals finite: they are written with 17 digits. */
void bnorm_json_open(bnorm_json_writer *w, const char *key, char bracket);
void bnorm_json_close(bnorm_json_writer *w, char bracket);
void bnorm_json_put_text(bnorm_json_writer *w, const char *key, const char *text);
void bnorm_json_put_integer(bnorm_json_writer *w, const char *key, int64_t integer);
void bnorm_json_put_real(bnorm_json_writer *w, const char *key, double real);
void bnorm_json_put_flag(bnorm_json_writer *w, const char *key, int flag);
void bnorm_json_put_null(bnorm_json_writer *w, const char *key);

/* Ends the document with 0; `padding` unused bytes follow. w->bytes is the caller's to release
 * by bnorm_free; NULL on failure. Errors: MEMORY, ARGUMENT (a text that is not UTF-8, a real
 * that is not finite). */
bnorm_status bnorm_json_finish(bnorm_json_writer *w, size_t padding);

#endif
