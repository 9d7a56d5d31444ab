/* scratch: working vectors of doubles: on the stack of the caller when they are short, so that
 * small matrices cost no allocation. */
#ifndef BNORM_MATRIX_SCRATCH_H
#define BNORM_MATRIX_SCRATCH_H

#include "base/ctx.h"
#include "base/memory.h"

enum { BNORM_SCRATCH_LOCAL = 1024 };

typedef struct bnorm_scratch {
    double *free; /* what is left of it */
    double *block;
    double local[BNORM_SCRATCH_LOCAL];
} bnorm_scratch;

/* Room for `lines` lines of `count` doubles and for `more` doubles. */
static inline bnorm_status bnorm_scratch_open(bnorm_ctx *ctx, bnorm_scratch *s, ptrdiff_t lines,
                                              ptrdiff_t count, ptrdiff_t more)
{
    ptrdiff_t total;
    s->block = NULL;
    s->free = s->local;
    if (!bnorm_multiply(lines, count, &total) || __builtin_add_overflow(total, more, &total))
        return bnorm_fail_memory(ctx, "the block sums");
    if (total <= BNORM_SCRATCH_LOCAL) return BNORM_OK;
    s->free = s->block = bnorm_alloc(ctx, total, sizeof(double));
    return s->block ? BNORM_OK : bnorm_fail_memory(ctx, "the block sums");
}

/* The next `count` doubles, uninitialised. */
static inline double *bnorm_scratch_take(bnorm_scratch *s, ptrdiff_t count)
{
    double *taken = s->free;
    s->free += count;
    return taken;
}

static inline void bnorm_scratch_close(bnorm_scratch *s)
{
    bnorm_free(s->block);
}

#endif
