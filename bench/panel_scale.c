/* panel_scale ROWS [EPOCHS [THREADS]]: a panel of ROWS rows in ROWS/20 units, 20 inputs, hidden
 * layers of 64 and 32: prints the seconds to make the model and for an epoch by Adam on batches of
 * whole units, and the most memory the process has had as a multiple of the table (22 columns of
 * doubles, which the process holds too). */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "bnorm.h"

enum { INPUTS = 20, EACH = 20 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double memory(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1024.0 * (double)usage.ru_maxrss;
}

static void expect(bnorm_ctx *ctx, bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "panel_scale: %s\n", bnorm_ctx_message(ctx));
    exit(1);
}

/* y = effect of the unit + functions of some inputs + noise; rows of a unit lie apart. */
static bnorm_table *make_table(bnorm_ctx *ctx, ptrdiff_t rows)
{
    bnorm_table *table;
    double *y = malloc((size_t)rows * sizeof *y), *x = malloc((size_t)rows * sizeof *x);
    if (!y || !x) exit(1);
    expect(ctx, bnorm_table_create(ctx, rows, &table));
    bnorm_random_normal(1, 100, 0, rows, y);
    for (int k = 0; k < INPUTS; k++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", k + 1);
        bnorm_random_normal(1, (uint64_t)k, 0, rows, x);
        for (ptrdiff_t i = 0; i < rows; i++) y[i] += k % 3 ? sin(x[i] + k) : fabs(x[i]);
        expect(ctx, bnorm_table_numbers(ctx, table, name, x));
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        x[i] = (double)(i % (rows / EACH));
        y[i] += sin(x[i]) * 4;
    }
    expect(ctx, bnorm_table_numbers(ctx, table, "id", x));
    expect(ctx, bnorm_table_numbers(ctx, table, "y", y));
    free(x);
    free(y);
    return table;
}

typedef struct clock_of_epochs {
    double last, shortest, loss;
} clock_of_epochs;

static int count_epoch(void *user, const bnorm_progress *progress)
{
    clock_of_epochs *c = user;
    double now = seconds();
    c->shortest = fmin(c->shortest, now - c->last);
    c->last = now;
    c->loss = progress->loss;
    return 0;
}

int main(int argc, char **argv)
{
    static const char formula[] =
        "y ~ nn(x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17, "
        "x18, x19, x20) | id";
    const ptrdiff_t hidden[] = {64, 32};
    ptrdiff_t rows = argc > 1 ? atol(argv[1]) : 100000;
    bnorm_ctx_options settings;
    bnorm_ctx *ctx;
    bnorm_panel *panel;
    bnorm_panel_options options;
    bnorm_panel_fit_options fit;
    bnorm_panel_report report;
    bnorm_ctx_defaults(&settings);
    settings.threads = argc > 3 ? atoi(argv[3]) : 2;
    expect(NULL, bnorm_ctx_create(&settings, &ctx));
    bnorm_table *table = make_table(ctx, rows);
    bnorm_panel_defaults(&options);
    bnorm_panel_fit_defaults(&fit);
    options.hidden = hidden;
    options.layers = 2;
    double start = seconds(), size = 8.0 * (double)rows * (INPUTS + 2);
    expect(ctx, bnorm_panel_create(ctx, formula, table, NULL, &options, &panel));
    double made = seconds();
    clock_of_epochs clock = {.last = made, .shortest = INFINITY};
    fit.fit.optimizer = BNORM_OPTIMIZER_ADAM;
    fit.fit.epochs = argc > 2 ? atol(argv[2]) : 3;
    fit.fit.progress = count_epoch;
    fit.fit.progress_user = &clock;
    expect(ctx, bnorm_panel_fit(ctx, panel, &fit, &report));
    printf("%8td rows: made in %5.2f s, an epoch %6.2f s (%.2f us a row), whole fit %6.2f s; "
           "memory %.2f of the table's %.0f MB; loss %.4f\n",
           rows, made - start, clock.shortest, 1e6 * clock.shortest / (double)rows,
           seconds() - start, memory() / size, size / 1e6, report.fit.loss);
    bnorm_panel_destroy(panel);
    bnorm_table_destroy(table);
    bnorm_ctx_destroy(ctx);
    return 0;
}
