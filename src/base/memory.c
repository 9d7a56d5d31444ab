/* memory: aligned, overflow-checked blocks; each carries its release function in front of it.
 */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"

#define ALIGNMENT 64

typedef struct header {
    void (*release)(void *user, void *block);
    void *user;
    void *raw;
} header;

_Static_assert(sizeof(header) <= ALIGNMENT, "the header fits in front of an aligned block");

int bnorm_multiply(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *product)
{
    if (a < 0 || b < 0) return 0;
    return !__builtin_mul_overflow(a, b, product);
}

static void release_malloc(void *user, void *block)
{
    (void)user;
    free(block);
}

static void *allocate_raw(const bnorm_ctx *ctx, size_t bytes, header *h)
{
    if (ctx && ctx->options.allocate) {
        h->release = ctx->options.release;
        h->user = ctx->options.memory_user;
        return ctx->options.allocate(h->user, bytes);
    }
    h->release = release_malloc;
    h->user = NULL;
    return malloc(bytes);
}

void *bnorm_alloc(bnorm_ctx *ctx, ptrdiff_t count, size_t size)
{
    ptrdiff_t bytes;
    if (size > PTRDIFF_MAX || !bnorm_multiply(count, (ptrdiff_t)size, &bytes)) return NULL;
    if (bytes > PTRDIFF_MAX - 2 * ALIGNMENT) return NULL;
    header h;
    h.raw = allocate_raw(ctx, (size_t)bytes + 2 * ALIGNMENT, &h);
    if (!h.raw) return NULL;
    uintptr_t start = ((uintptr_t)h.raw + 2 * ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    char *block = (char *)h.raw + (start - (uintptr_t)h.raw);
    memcpy(block - sizeof h, &h, sizeof h);
    return block;
}

void *bnorm_alloc_zero(bnorm_ctx *ctx, ptrdiff_t count, size_t size)
{
    void *block = bnorm_alloc(ctx, count, size);
    if (block) memset(block, 0, (size_t)count * size);
    return block;
}

void bnorm_free(void *block)
{
    if (!block) return;
    header h;
    memcpy(&h, (char *)block - sizeof h, sizeof h);
    h.release(h.user, h.raw);
}

char *bnorm_strndup(bnorm_ctx *ctx, const char *text, size_t length)
{
    if (length >= PTRDIFF_MAX) return NULL;
    char *copy = bnorm_alloc(ctx, (ptrdiff_t)length + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *bnorm_strdup(bnorm_ctx *ctx, const char *text)
{
    return bnorm_strndup(ctx, text, strlen(text));
}
