/* memory: every byte the library allocates comes from here and goes through the context's
 * allocator. Blocks are 64-byte aligned and remember how they are released, so freeing needs no
 * context. */
#ifndef BNORM_BASE_MEMORY_H
#define BNORM_BASE_MEMORY_H

#include "bnorm.h"

/* count * size bytes, uninitialised; NULL when that overflows, count is negative or memory is
 * out. A count of 0 gives a valid block. Sets no message. */
void *bnorm_alloc(bnorm_ctx *ctx, ptrdiff_t count, size_t size);

/* The same, zeroed. */
void *bnorm_alloc_zero(bnorm_ctx *ctx, ptrdiff_t count, size_t size);

/* Accepts NULL. */
void bnorm_free(void *block);

/* A copy of a string (or of its first `length` bytes), NULL on failure. */
char *bnorm_strdup(bnorm_ctx *ctx, const char *text);
char *bnorm_strndup(bnorm_ctx *ctx, const char *text, size_t length);

/* *product = a * b for a, b >= 0; returns 0 when it overflows or one is negative. */
int bnorm_multiply(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *product);

#endif
