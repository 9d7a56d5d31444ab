/* structured_support: see the header. */
#include "structured_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

small_panel *make_small_panel(ptrdiff_t units, ptrdiff_t periods, uint64_t seed)
{
    small_panel *s = calloc(1, sizeof *s);
    ptrdiff_t most = units * periods, n = 0;
    double **columns[] = {&s->y, &s->x, &s->z, &s->w, &s->year, &s->code, &s->p};
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++)
        *columns[k] = calloc((size_t)most, sizeof(double));
    s->id = calloc((size_t)most, sizeof *s->id);
    s->g = calloc((size_t)most, sizeof *s->g);
    double *u = calloc((size_t)most * 6, sizeof *u);
    ptrdiff_t *order = calloc((size_t)most, sizeof *order);
    bnorm_random_normal(seed, 1, 0, most * 6, u);
    bnorm_random_permutation(seed, 2, most, order);
    for (ptrdiff_t k = 0; k < most; k++) {
        ptrdiff_t cell = order[k], id = cell / periods, t = cell % periods;
        const double *e = u + cell * 6;
        if (cell % 7 == 3 && id > 1) continue; /* gaps */
        s->id[n] = (int)id;
        s->code[n] = (double)(100 - 3 * id);
        s->year[n] = 1990 + (double)t;
        s->g[n] = (int)(cell * 5 % 3);
        s->x[n] = e[0] + (double)id;
        s->z[n] = exp(e[1] / 2);
        s->w[n] = 0.5 + fabs(e[2]);
        s->y[n] = 2 * s->x[n] - log(s->z[n]) + (double)(id * id) + sin((double)t) + e[3];
        s->p[n] = e[4] + e[0] > 0;
        n++;
    }
    s->rows = n;
    free(u);
    free(order);
    return s;
}

void free_small_panel(small_panel *s)
{
    double *columns[] = {s->y, s->x, s->z, s->w, s->year, s->code, s->p};
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) free(columns[k]);
    free(s->id);
    free(s->g);
    free(s);
}

static void add_numbers(bnorm_ctx *ctx, bnorm_table *t, const char *name, const double *from,
                        ptrdiff_t rows, const ptrdiff_t *order)
{
    double *values = calloc((size_t)rows, sizeof *values);
    for (ptrdiff_t i = 0; i < rows; i++) values[i] = from[order ? order[i] : i];
    assert_ok(ctx, bnorm_table_numbers(ctx, t, name, values));
    free(values);
}

static void add_text(bnorm_ctx *ctx, bnorm_table *t, const char *name, const char *prefix,
                     const int *from, ptrdiff_t rows, const ptrdiff_t *order)
{
    char *bytes = calloc((size_t)rows, 32);
    const char **cells = calloc((size_t)rows, sizeof *cells);
    for (ptrdiff_t i = 0; i < rows; i++) {
        cells[i] = bytes + 32 * i;
        snprintf(bytes + 32 * i, 32, "%s%d", prefix, from[order ? order[i] : i]);
    }
    assert_ok(ctx, bnorm_table_text(ctx, t, name, cells));
    free(bytes);
    free(cells);
}

bnorm_table *small_table(bnorm_ctx *ctx, const small_panel *s, const ptrdiff_t *order,
                         const char *prefix)
{
    bnorm_table *t;
    const struct {
        const char *name;
        const double *values;
    } numbers[] = {{"y", s->y},       {"x", s->x},       {"z", s->z}, {"w", s->w},
                   {"year", s->year}, {"code", s->code}, {"p", s->p}};
    assert_ok(ctx, bnorm_table_create(ctx, s->rows, &t));
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        add_numbers(ctx, t, numbers[k].name, numbers[k].values, s->rows, order);
    add_text(ctx, t, "id", prefix, s->id, s->rows, order);
    add_text(ctx, t, "g", "g", s->g, s->rows, order);
    return t;
}

/* One reflection that makes column j of a zero below row j; the columns behind follow. */
static void reflect(ptrdiff_t rows, ptrdiff_t cols, long double *a, ptrdiff_t row, ptrdiff_t j)
{
    long double norm = 0;
    for (ptrdiff_t i = row; i < rows; i++) norm += a[i * cols + j] * a[i * cols + j];
    norm = sqrtl(norm);
    long double alpha = a[row * cols + j] > 0 ? -norm : norm;
    long double *v = calloc((size_t)rows, sizeof *v), vv = 0;
    for (ptrdiff_t i = row; i < rows; i++) v[i] = a[i * cols + j];
    v[row] -= alpha;
    for (ptrdiff_t i = row; i < rows; i++) vv += v[i] * v[i];
    for (ptrdiff_t c = j; c < cols && vv > 0; c++) {
        long double dot = 0;
        for (ptrdiff_t i = row; i < rows; i++) dot += v[i] * a[i * cols + c];
        for (ptrdiff_t i = row; i < rows; i++) a[i * cols + c] -= 2 * dot / vv * v[i];
    }
    free(v);
}

static long double length_from(ptrdiff_t rows, ptrdiff_t cols, const long double *a,
                               ptrdiff_t row, ptrdiff_t j)
{
    long double sum = 0;
    for (ptrdiff_t i = row; i < rows; i++) sum += a[i * cols + j] * a[i * cols + j];
    return sqrtl(sum);
}

ptrdiff_t exact_least_squares(ptrdiff_t rows, ptrdiff_t cols, const long double *d,
                              const double *y, const double *weights, long double *b)
{
    ptrdiff_t wide = cols + 1, rank = 0;
    long double *a = calloc((size_t)(rows * wide), sizeof *a);
    ptrdiff_t *pivot = calloc((size_t)cols, sizeof *pivot);
    for (ptrdiff_t i = 0; i < rows; i++) {
        long double root = weights ? sqrtl((long double)weights[i]) : 1;
        for (ptrdiff_t j = 0; j < cols; j++) a[i * wide + j] = root * d[i * cols + j];
        a[i * wide + cols] = root * (long double)y[i];
    }
    for (ptrdiff_t j = 0; j < cols && rank < rows; j++) {
        long double whole = length_from(rows, wide, a, 0, j);
        b[j] = 0;
        if (length_from(rows, wide, a, rank, j) <= 1e-13L * whole) continue;
        reflect(rows, wide, a, rank, j);
        pivot[rank++] = j;
    }
    for (ptrdiff_t k = rank - 1; k >= 0; k--) {
        long double rest = a[k * wide + cols];
        for (ptrdiff_t m = k + 1; m < rank; m++) rest -= a[k * wide + pivot[m]] * b[pivot[m]];
        b[pivot[k]] = rest / a[k * wide + pivot[k]];
    }
    free(a);
    free(pivot);
    return rank;
}

bnorm_panel *fit_panel(bnorm_ctx *ctx, const char *formula, const bnorm_table *table,
                       const double *weights, const bnorm_panel_options *options)
{
    bnorm_panel *p;
    assert_ok(ctx, bnorm_panel_create(ctx, formula, table, weights, options, &p));
    assert_ok(ctx, bnorm_panel_fit(ctx, p, NULL, NULL));
    return p;
}

bnorm_panel_info info_of(const bnorm_panel *panel)
{
    bnorm_panel_info info;
    assert_int_equal(bnorm_panel_describe(panel, &info), BNORM_OK);
    return info;
}
