#include "module.h"

#include <limits.h>
#ifdef __linux__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bnorm.h"
#include "measure.h"
#include "onednn.h"

enum { ONEDNN = MEASURE_SIDES };

static measure open_one;
static int onednn_ready;

int bench_open(long rows, long cols, int f32)
{
    bench_close();
    return (int)bnorm_measure_open(&open_one, rows, cols, f32);
}

void bench_close(void)
{
    bnorm_onednn_free();
    onednn_ready = 0;
    bnorm_measure_close(&open_one);
}

static int find_op(const char *name)
{
    for (int op = 0; op < MEASURE_OPS; op++)
        if (!strcmp(bnorm_measure_name(op), name)) return op;
    return -1;
}

int bench_set(const char *name, int col_major, int threads)
{
    int op = find_op(name);
    if (op < 0) return -1;
    bnorm_status status = bnorm_measure_set(
        &open_one, op, col_major ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR, threads);
    onednn_ready = !status && bnorm_onednn_set(&open_one);
    return (int)status;
}

void *bench_buffer(const char *name)
{
    const measure *m = &open_one;
    const struct {
        const char *name;
        void *data;
    } list[] = {{"x", m->x},       {"dy", m->dy},     {"out", m->out},   {"gamma", m->gamma},
                {"beta", m->beta}, {"mean", m->mean}, {"rstd", m->rstd}, {"var", m->var}};
    for (size_t k = 0; k < sizeof list / sizeof *list; k++)
        if (!strcmp(list[k].name, name)) return list[k].data;
    return NULL;
}

int bench_has(int side)
{
    return side == ONEDNN ? onednn_ready : bnorm_measure_has(&open_one, side);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_time(int side, long calls)
{
    if (side != ONEDNN) return bnorm_measure_time(&open_one, side, calls);
    bnorm_onednn_run();
    double start = now();
    for (long k = 0; k < calls; k++) bnorm_onednn_run();
    return (now() - start) / (double)calls;
}

/* An allocator that knows how much is out, and the most that was. */
typedef struct meter {
    _Atomic long now, most;
} meter;

enum { HEADER = 64 }; /* holds the size, keeps the alignment */

static void *meter_allocate(void *user, size_t bytes)
{
    meter *m = user;
    char *block = aligned_alloc(HEADER, (bytes + 2 * HEADER - 1) / HEADER * HEADER);
    if (!block) return NULL;
    memcpy(block, &bytes, sizeof bytes);
    long now = m->now += (long)bytes;
    if (now > m->most) m->most = now;
    return block + HEADER;
}

static void meter_release(void *user, void *block)
{
    meter *m = user;
    size_t bytes;
    if (!block) return;
    memcpy(&bytes, (char *)block - HEADER, sizeof bytes);
    m->now -= (long)bytes;
    free((char *)block - HEADER);
}

long bench_memory(void)
{
    meter m = {0};
    bnorm_ctx_options options;
    bnorm_ctx *own = open_one.ctx, *metered = NULL;
    bnorm_ctx_defaults(&options);
    options.threads = open_one.threads;
    options.allocate = meter_allocate;
    options.release = meter_release;
    options.memory_user = &m;
    if (bnorm_ctx_create(&options, &metered)) return -1;
    open_one.ctx = metered;
    long before = m.now;
    m.most = before;
    bnorm_measure_call(&open_one, MEASURE_OURS);
    open_one.ctx = own;
    long most = m.most - before;
    bnorm_ctx_destroy(metered);
    return most;
}

void bench_recycle(void)
{
#ifdef M_MMAP_MAX
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_MMAP_MAX, 0);
#endif
}
void bench_r_recycle(void)
{
    bench_recycle();
}

double bench_bound(const char *op, int col_major)
{
    int found = find_op(op);
    return found < 0
               ? 0
               : bnorm_measure_bound(found, col_major ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR);
}

const char *bench_version(const char *of)
{
    if (!strcmp(of, "bnorm")) return bnorm_version();
    return !strcmp(of, "isa") ? bnorm_isa() : bnorm_onednn_version();
}

void bench_r_open(int *rows, int *cols, int *failed)
{
    *failed = bench_open(*rows, *cols, 0);
}
void bench_r_set(char **op, int *failed)
{
    *failed = bench_set(*op, 1, 1);
}
void bench_r_time(int *side, int *calls, double *seconds)
{
    *seconds = bench_time(*side, *calls);
}
