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

/* One loop over `count` tasks in as many shares as threads. A thread takes its own share first,
 * so that loops over the same blocks find each block in the cache that has it; then it helps
 * with the others'. */
enum { MOST_SHARES = 64 };

typedef struct share {
    _Alignas(64) atomic_ptrdiff_t taken; /* a line of its own */
} share;

typedef struct loop {
    ptrdiff_t count, shares;
    int back;
    void (*task)(void *argument, ptrdiff_t k);
    void *argument;
    share share[MOST_SHARES];
} loop;

#ifdef _OPENMP
/* The first task of share s. */
static ptrdiff_t begin_of(const loop *l, ptrdiff_t s)
{
    ptrdiff_t rest = l->count % l->shares;
    return l->count / l->shares * s + (s < rest ? s : rest);
}

static void run_share(loop *l, ptrdiff_t s)
{
    ptrdiff_t begin = begin_of(l, s), end = begin_of(l, s + 1);
    for (;;) {
        ptrdiff_t i = atomic_fetch_add_explicit(&l->share[s].taken, 1, memory_order_relaxed);
        if (i >= end - begin) return;
        l->task(l->argument, l->back ? end - 1 - i : begin + i);
    }
}

#endif

static void run_alone(const loop *l)
{
    for (ptrdiff_t i = 0; i < l->count; i++)
        l->task(l->argument, l->back ? l->count - 1 - i : i);
}

static void run(bnorm_ctx *ctx, loop *l)
{
    ptrdiff_t threads = bnorm_ctx_threads(ctx);
    if (threads > l->count) threads = l->count;
#ifdef _OPENMP
    if (threads > 1 && !omp_in_parallel()) {
        l->shares = threads < MOST_SHARES ? threads : MOST_SHARES;
        for (ptrdiff_t s = 0; s < l->shares; s++) atomic_init(&l->share[s].taken, 0);
#pragma omp parallel num_threads((int)threads)
        for (ptrdiff_t s = 0; s < l->shares; s++)
            run_share(l, (omp_get_thread_num() + s) % l->shares);
        return;
    }
#endif
    run_alone(l);
}

void bnorm_parallel(bnorm_ctx *ctx, ptrdiff_t count, void (*task)(void *argument, ptrdiff_t k),
                    void *argument)
{
    loop l;
    l.count = count;
    l.back = 0;
    l.task = task;
    l.argument = argument;
    run(ctx, &l);
}

void bnorm_parallel_back(bnorm_ctx *ctx, ptrdiff_t count,
                         void (*task)(void *argument, ptrdiff_t k), void *argument)
{
    loop l;
    l.count = count;
    l.back = 1;
    l.task = task;
    l.argument = argument;
    run(ctx, &l);
}
