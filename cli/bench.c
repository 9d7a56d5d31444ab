/* bench: the subcommand; the matrix functions beside the limit of memory, measured as the
 * project's own benchmarks do (bench/measure.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../bench/measure.h"
#include "cli.h"
#include "commands.h"
#include "json.h"
#include "output.h"

enum { OPS = 3, QUICK_SHAPES = 2, MOST_THREADS = 1024, SECONDS = 50 };

static const measure_op ops[OPS] = {MEASURE_FORWARD, MEASURE_BACKWARD, MEASURE_INFER};
static const bnorm_layout layouts[2] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};
static const char *const layout_names[2] = {"row", "col"};

/* What was measured on one shape and precision; took 0: left out. */
typedef struct cell {
    measure_result by[2][2][OPS]; /* one thread or several, layout, operation */
} cell;

typedef struct bench {
    int threads, quick, json, quiet;
    int counts; /* 1, or 2: one thread and several */
    int shapes;
    double start;
    cell cells[MEASURE_SHAPES][2]; /* double, float */
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Memory of the machine, in bytes; without knowing, as if there were enough. */
static double machine_memory(void)
{
#ifdef _SC_PHYS_PAGES
    double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) return pages * page;
#endif
    return HUGE_VAL;
}

/* Why a shape is not measured, or NULL. */
static const char *left_out(const bench *b, const ptrdiff_t *shape, int f32)
{
    double bytes = 3.0 * (double)(shape[0] * shape[1]) * (f32 ? 4 : 8);
    if (now() - b->start > SECONDS) return "time";
    return bytes > 0.5 * machine_memory() ? "memory" : NULL;
}

static int measure_cell(const bench *b, measure *m, cell *c)
{
    int large = m->rows * m->cols > 1 << 22;
    for (int l = 0; l < 2; l++)
        for (int t = 0; t < b->counts; t++)
            for (int k = 0; k < OPS; k++) {
                bnorm_status status =
                    bnorm_measure_set(m, ops[k], layouts[l], t ? b->threads : 1);
                if (status) return bnorm_cli_status(m->ctx, status);
                int late = now() - b->start > 0.7 * SECONDS;
                int rounds = b->quick || late ? 1 : large ? 5 : 9;
                c->by[t][l][k] = bnorm_measure_cell(m, rounds, b->quick ? 1e-5 : 1e-3);
            }
    return CLI_OK;
}

static int measure_shape(bench *b, int s, int f32)
{
    const ptrdiff_t *shape = bnorm_measure_shapes[s];
    measure m;
    const char *why = left_out(b, shape, f32);
    if (!why && bnorm_measure_open(&m, shape[0], shape[1], f32)) why = "memory";
    if (why) {
        bnorm_cli_note("%td x %td, f%d is left out: %s is short", shape[0], shape[1],
                       f32 ? 32 : 64, why);
        return CLI_OK;
    }
    int code = measure_cell(b, &m, &b->cells[s][f32]);
    bnorm_measure_close(&m);
    return code;
}

/* Geometric mean of time / limit over the shapes measured; 0 when there are none. */
static double mean(const bench *b, int f32, int t, int l, int k)
{
    double sum = 0;
    int count = 0;
    for (int s = 0; s < b->shapes; s++) {
        measure_result r = b->cells[s][f32].by[t][l][k];
        if (r.took <= 0) continue;
        sum += log(r.took / r.limit);
        count++;
    }
    return count ? exp(sum / count) : 0;
}

/* GB/s of the copy of a matrix. */
static double speed(const bench *b, int s, int f32, int t)
{
    const ptrdiff_t *shape = bnorm_measure_shapes[s];
    double bytes = 2.0 * (double)(shape[0] * shape[1]) * (f32 ? 4 : 8);
    return 1e-9 * bytes / b->cells[s][f32].by[t][0][0].limit;
}

static void print_ratio(double ratio)
{
    if (ratio > 0)
        printf(" %8.2f", ratio);
    else
        printf(" %8s", "-");
}

static void print_shape(const bench *b, int s, int f32, int t)
{
    printf("%7td x %-4td  f%d ", bnorm_measure_shapes[s][0], bnorm_measure_shapes[s][1],
           f32 ? 32 : 64);
    for (int l = 0; l < 2; l++)
        for (int k = 0; k < OPS; k++) {
            measure_result r = b->cells[s][f32].by[t][l][k];
            print_ratio(r.took > 0 ? r.took / r.limit : 0);
        }
    if (b->cells[s][f32].by[t][0][0].took > 0) printf(" %7.0f", speed(b, s, f32, t));
    putchar('\n');
}

static void print_table(const bench *b, int t)
{
    printf("\ntime / limit, %d thread%s\n%20s%27s%27s\n%20s", t ? b->threads : 1, t ? "s" : "",
           "", "row-major", "column-major", "");
    for (int l = 0; l < 2; l++) printf(" %8s %8s %8s", "forward", "backward", "infer");
    printf(" %7s\n", "GB/s");
    for (int f32 = 0; f32 < 2; f32++)
        for (int s = 0; s < b->shapes; s++) print_shape(b, s, f32, t);
    for (int f32 = 0; f32 < 2; f32++) {
        printf("geometric mean  f%d ", f32 ? 32 : 64);
        for (int l = 0; l < 2; l++)
            for (int k = 0; k < OPS; k++) print_ratio(mean(b, f32, t, l, k));
        putchar('\n');
    }
}

static void print(const bench *b)
{
    printf("bnorm %s, instruction set %s\n", bnorm_version(), bnorm_isa());
    for (int t = 0; t < b->counts; t++) print_table(b, t);
}

static void record_json(cli_json *j, const bench *b, int s, int f32, int t, int l, int k)
{
    measure_result r = b->cells[s][f32].by[t][l][k];
    if (r.took <= 0) return;
    bnorm_cli_json_open(j, NULL, '{');
    bnorm_cli_json_text(j, "op", bnorm_measure_name(ops[k]));
    bnorm_cli_json_text(j, "type", f32 ? "f32" : "f64");
    bnorm_cli_json_text(j, "layout", layout_names[l]);
    bnorm_cli_json_whole(j, "rows", bnorm_measure_shapes[s][0]);
    bnorm_cli_json_whole(j, "cols", bnorm_measure_shapes[s][1]);
    bnorm_cli_json_whole(j, "threads", t ? b->threads : 1);
    bnorm_cli_json_number(j, "over_limit", r.took / r.limit);
    bnorm_cli_json_number(j, "seconds", r.took);
    bnorm_cli_json_number(j, "limit_seconds", r.limit);
    bnorm_cli_json_close(j, '}');
}

static void print_json(const bench *b)
{
    cli_json j = {.file = stdout};
    bnorm_cli_json_open(&j, NULL, '{');
    bnorm_cli_json_text(&j, "version", bnorm_version());
    bnorm_cli_json_text(&j, "isa", bnorm_isa());
    bnorm_cli_json_open(&j, "records", '[');
    for (int s = 0; s < b->shapes; s++)
        for (int f32 = 0; f32 < 2; f32++)
            for (int t = 0; t < b->counts; t++)
                for (int l = 0; l < 2; l++)
                    for (int k = 0; k < OPS; k++) record_json(&j, b, s, f32, t, l, k);
    bnorm_cli_json_close(&j, ']');
    bnorm_cli_json_close(&j, '}');
}

/* The threads asked for; 0 becomes what a context makes of it. */
static int find_threads(cli_args *args, int *threads)
{
    bnorm_ctx *ctx = NULL;
    int asked = (int)bnorm_cli_whole(args, OPT_THREADS_BENCH, 0, MOST_THREADS,
                                     "a whole number from 0 to 1024");
    if (args->bad) return CLI_USAGE;
    int code = bnorm_cli_context(asked, &ctx);
    *threads = bnorm_ctx_threads(ctx);
    bnorm_ctx_destroy(ctx);
    return code;
}

int bnorm_cli_bench(cli_args *args)
{
    bench *b = bnorm_cli_alloc(1, sizeof *b);
    b->quick = args->value[OPT_QUICK] != NULL;
    b->json = args->value[OPT_JSON] != NULL;
    b->quiet = args->value[OPT_QUIET] != NULL;
    b->shapes = b->quick ? QUICK_SHAPES : MEASURE_SHAPES;
    b->start = now();
    int code = find_threads(args, &b->threads);
    b->counts = b->threads > 1 ? 2 : 1;
    for (int s = 0; s < b->shapes && !code; s++)
        for (int f32 = 0; f32 < 2 && !code; f32++) code = measure_shape(b, s, f32);
    if (!code && b->json)
        print_json(b);
    else if (!code && !b->quiet)
        print(b);
    if (!code) code = bnorm_cli_flush();
    free(b);
    return code;
}
