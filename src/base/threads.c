/* threads: OpenMP behind one function, and a guard against its death in forked children. */
#define _GNU_SOURCE
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "base/ctx.h"

/* Process-wide state: a child of fork() inherits a pool without threads, whoever started it, and
 * waiting for them would hang. So the guard is there from the moment the library is loaded; the
 * flag is written at most once, by the fork itself. */
static atomic_int in_child;

static void mark_child(void)
{
    atomic_store_explicit(&in_child, 1, memory_order_relaxed);
}

__attribute__((constructor)) static void guard_fork(void)
{
    (void)pthread_atfork(NULL, NULL, mark_child);
}

int bnorm_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

int bnorm_ctx_threads(const bnorm_ctx *ctx)
{
    if (!ctx || atomic_load_explicit(&in_child, memory_order_relaxed)) return 1;
    return ctx->options.threads;
}

void bnorm_parallel(bnorm_ctx *ctx, ptrdiff_t count, void (*task)(void *argument, ptrdiff_t k),
                    void *argument)
{
#ifdef _OPENMP
    ptrdiff_t threads = bnorm_ctx_threads(ctx);
    if (threads > count) threads = count;
    if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel for num_threads((int)threads) schedule(dynamic, 1)
        for (ptrdiff_t k = 0; k < count; k++) task(argument, k);
        return;
    }
#else
    (void)ctx;
#endif
    for (ptrdiff_t k = 0; k < count; k++) task(argument, k);
}
