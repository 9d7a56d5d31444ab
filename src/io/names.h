/* names: distinct strings numbered from 0 in the order of their coming: levels of a factor,
 * columns of a table, variables of a formula. */
#ifndef BNORM_IO_NAMES_H
#define BNORM_IO_NAMES_H

#include "bnorm.h"

/* All zero is the empty set. */
typedef struct bnorm_names {
    char *bytes; /* the strings, each with its final 0 */
    ptrdiff_t used, room;
    ptrdiff_t *start; /* of each string in bytes */
    ptrdiff_t count, capacity;
    ptrdiff_t *slots; /* open addressing: number + 1, or 0 for free */
    ptrdiff_t slot_count;
} bnorm_names;

/* The number of a string, -1 when it is not there. */
ptrdiff_t bnorm_names_find(const bnorm_names *names, const char *text, size_t length);

/* *number: that of the string, added when it is not there. Errors: MEMORY; the set is then
 * unchanged. */
bnorm_status bnorm_names_add(bnorm_ctx *ctx, bnorm_names *names, const char *text,
                             size_t length, ptrdiff_t *number);

/* String k; valid until the next addition. NULL outside. */
const char *bnorm_names_text(const bnorm_names *names, ptrdiff_t k);

/* Releases the strings and empties the set. */
void bnorm_names_clear(bnorm_names *names);

#endif
