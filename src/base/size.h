/* size: arithmetic of sizes. */
#ifndef BNORM_BASE_SIZE_H
#define BNORM_BASE_SIZE_H

#include <stddef.h>

static inline ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static inline ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

/* a/b rounded up, at least 1. */
static inline ptrdiff_t parts(ptrdiff_t a, ptrdiff_t b)
{
    return a > 0 ? (a - 1) / b + 1 : 1;
}

#endif
