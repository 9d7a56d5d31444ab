/* threads: the only place that spawns threads. Work is cut into tasks by its size alone, never
 * by the number of threads, and tasks write to places of their own: so results do not depend on
 * it. */
#ifndef BNORM_BASE_THREADS_H
#define BNORM_BASE_THREADS_H

#include "bnorm.h"

/* Runs task(argument, k) for k = 0 .. count-1, in any order, on the context's threads. Runs on
 * the calling thread alone when count is 1, the context has one thread, or the caller is itself
 * a task, or in a child of fork(), which has no pool. */
void bnorm_parallel(bnorm_ctx *ctx, ptrdiff_t count, void (*task)(void *argument, ptrdiff_t k),
                    void *argument);

/* The same from the last task to the first: each thread meets again, last first, the blocks that
 * it worked on in a bnorm_parallel of the same count. */
void bnorm_parallel_back(bnorm_ctx *ctx, ptrdiff_t count,
                         void (*task)(void *argument, ptrdiff_t k), void *argument);

/* Processors that this process may run on. */
int bnorm_processors(void);

#endif
