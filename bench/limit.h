/* limit: what memory allows: a copy of one array (for passes that read one matrix and write one)
 * and a sum of two arrays (two read, one written), by vector loads and stores, through the caches
 * or past them, on several threads. Lengths are whole cache lines, arrays start at one. */
#ifndef BNORM_BENCH_LIMIT_H
#define BNORM_BENCH_LIMIT_H

#include <stddef.h>

/* The ways to do it; a machine may lack the second. */
enum { LIMIT_PLAIN, LIMIT_PAST, LIMIT_WAYS };

/* out = x, or out = x + w when w is not NULL; `bytes` of each, a multiple of 64. The threads are
 * those of a parallel region, also when there is one: entering it is part of the time. */
void bnorm_limit_run(int way, int threads, const void *x, const void *w, void *out,
                     ptrdiff_t bytes);

/* The same by the plain way on the calling thread alone, without a parallel region. */
void bnorm_limit_bare(const void *x, const void *w, void *out, ptrdiff_t bytes);

/* 1 when the machine has that way. */
int bnorm_limit_has(int way);

#endif
