/* bench_matrix: time / limit of the matrix functions, and its geometric means over the shapes
 * beside the bounds that the kernels aim at.
 *
 *   bench_matrix [op=forward,...] [type=f32,f64] [layout=row,col] [threads=1,2] [ROWS COLS]...
 *
 * in any order; without shapes, the seven standard ones. `limit` is the copy or sum in a parallel
 * region of as many threads, `bare` the faster of it and of a loop without a region.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bnorm.h"
#include "measure.h"

enum { MOST_SHAPES = 64, MOST_THREADS = 2 };

/* What the command line picks; the sums of logarithms of time / limit. */
typedef struct choice {
    int op[MEASURE_OPS], type[2], layout[2], threads[MOST_THREADS];
    ptrdiff_t shapes[MOST_SHAPES][2];
    int count;
    double logs[MEASURE_OPS][2][2][MOST_THREADS], bare[MEASURE_OPS][2][2][MOST_THREADS];
} choice;

static const bnorm_layout layouts[2] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};
static const char *const layout_names[2] = {"row", "col"};
static const char *const type_names[2] = {"f64", "f32"};
static const char *const thread_names[MOST_THREADS] = {"1", "2"};

static void must(const measure *m, bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bench_matrix: %s\n",
            m->ctx ? bnorm_ctx_message(m->ctx) : bnorm_status_text(status));
    exit(1);
}

/* Few rounds where one call takes long. */
static void measure_one(measure *m, choice *c, int op, int l, int t)
{
    must(m, bnorm_measure_set(m, op, layouts[l], t + 1));
    int large = m->rows * m->cols > 1 << 22;
    measure_result r = bnorm_measure_cell(m, large ? 5 : 9, 1e-3);
    c->logs[op][m->f32][l][t] += log(r.took / r.limit);
    c->bare[op][m->f32][l][t] += log(r.took / r.bare);
    printf("%-18s  %s  %s  %8td x %-4td  %7d  %10.2f  %10.2f  %10.2f  %10.2f\n",
           bnorm_measure_name(op), type_names[m->f32], layout_names[l], m->rows, m->cols, t + 1,
           r.took * 1e6, r.limit * 1e6, r.took / r.limit, r.took / r.bare);
    fflush(stdout);
}

static void measure_shape(choice *c, ptrdiff_t rows, ptrdiff_t cols, int f32)
{
    measure m;
    must(&(measure){0}, bnorm_measure_open(&m, rows, cols, f32));
    for (int l = 0; l < 2; l++)
        for (int t = 0; t < MOST_THREADS; t++)
            for (int op = 0; op < MEASURE_OPS; op++)
                if (c->layout[l] && c->threads[t] && c->op[op]) measure_one(&m, c, op, l, t);
    bnorm_measure_close(&m);
}

static void print_mean(const choice *c, int op, int f32, int l, int t)
{
    double mean = exp(c->logs[op][f32][l][t] / c->count);
    double bare = exp(c->bare[op][f32][l][t] / c->count);
    double bound = bnorm_measure_bound(op, layouts[l]);
    printf("%-18s  %s  %s  %7d  %8.2f  %8.2f", bnorm_measure_name(op), type_names[f32],
           layout_names[l], t + 1, mean, bare);
    if (bound > 0) printf("  %8.2f  %s", bound, mean <= bound ? "met" : "not met");
    putchar('\n');
}

static void print_means(const choice *c)
{
    printf("\ngeometric means of time/limit over %d shapes\n%-18s  %-3s  %-3s  %7s  %8s  %8s  "
           "%8s\n",
           c->count, "op", "", "", "threads", "mean", "bare", "bound");
    for (int op = 0; op < MEASURE_OPS; op++)
        for (int f32 = 0; f32 < 2; f32++)
            for (int l = 0; l < 2; l++)
                for (int t = 0; t < MOST_THREADS; t++)
                    if (c->op[op] && c->type[f32] && c->layout[l] && c->threads[t])
                        print_mean(c, op, f32, l, t);
}

static void usage(const char *word)
{
    fprintf(stderr,
            "bench_matrix: '%s' is not understood; it is op=, type=, layout=, threads= with "
            "values between commas, or ROWS COLS\n",
            word);
    exit(2);
}

/* Marks in `chosen` the names listed, between commas. */
static void pick(const char *list, const char *const *names, int count, int *chosen)
{
    memset(chosen, 0, (size_t)count * sizeof *chosen);
    while (*list) {
        size_t length = strcspn(list, ",");
        int found = 0;
        for (int k = 0; k < count; k++)
            if (strlen(names[k]) == length && !strncmp(names[k], list, length))
                chosen[k] = found = 1;
        if (!found) usage(list);
        list += length + (list[length] == ',');
    }
}

/* Takes one word; 1 when it was a choice, 0 when it is a number. */
static int take_choice(choice *c, const char *word)
{
    const char *ops[MEASURE_OPS];
    for (int op = 0; op < MEASURE_OPS; op++) ops[op] = bnorm_measure_name(op);
    if (!strncmp(word, "op=", 3))
        pick(word + 3, ops, MEASURE_OPS, c->op);
    else if (!strncmp(word, "type=", 5))
        pick(word + 5, type_names, 2, c->type);
    else if (!strncmp(word, "layout=", 7))
        pick(word + 7, layout_names, 2, c->layout);
    else if (!strncmp(word, "threads=", 8))
        pick(word + 8, thread_names, MOST_THREADS, c->threads);
    else
        return 0;
    return 1;
}

static void take_shape(choice *c, const char *rows, const char *cols)
{
    ptrdiff_t *shape = c->shapes[c->count];
    shape[0] = atol(rows);
    shape[1] = cols ? atol(cols) : 0;
    if (shape[0] < 1 || shape[1] < 1 || ++c->count == MOST_SHAPES) usage(rows);
}

int main(int argc, char **argv)
{
    static choice c = {.op = {1, 1, 1}, .type = {1, 1}, .layout = {1, 1}, .threads = {1, 1}};
    for (int i = 1; i < argc; i++)
        if (!take_choice(&c, argv[i])) {
            take_shape(&c, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
            i++;
        }
    if (!c.count) {
        memcpy(c.shapes, bnorm_measure_shapes, sizeof bnorm_measure_shapes);
        c.count = MEASURE_SHAPES;
    }
    printf(
        "bnorm %s, instruction set %s\n%-18s  %-3s  %-3s  %15s  %7s  %10s  %10s  %10s  %10s\n",
        bnorm_version(), bnorm_isa(), "op", "", "", "shape", "threads", "time us", "limit us",
        "time/limit", "time/bare");
    for (int s = 0; s < c.count; s++)
        for (int f32 = 0; f32 < 2; f32++)
            if (c.type[f32]) measure_shape(&c, c.shapes[s][0], c.shapes[s][1], f32);
    print_means(&c);
    return 0;
}
