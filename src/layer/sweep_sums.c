/* sweep_sums: what a sweep knows of all its rows, from blocks to chunks and from chunks, in
 * their order, to the whole: R, moments and statistics, (B1) and (B2), gradients of weights. */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "kernel/kernel.h"
#include "layer/sweep_plan.h"
#include "matrix/view.h"

void bnorm_sweep_moments(bnorm_mat_f64 z, const double *weights, double *to, double *memory)
{
    enum { PASSES = 3 }; /* a pivot that was far moves, twice at most (matrix/moments.c) */
    const bnorm_kernels *k = bnorm_kernels_f64();
    double *pivot = memory, *mean = pivot + z.cols, *m2 = mean + z.cols;
    double n = weights ? 0 : (double)z.rows;
    for (ptrdiff_t i = 0; weights && i < z.rows; i++) n += weights[i];
    if (n == 0) return;
    ptrdiff_t i = 0;
    while (weights && weights[i] == 0) i++;
    bnorm_tile tile = {z.data, z.rows, z.cols, z.ld};
    bnorm_tile head = {z.data + i * z.ld, weights ? 1 : z.rows, z.cols, z.ld};
    k->row_pivot(&head, pivot);
    for (int pass = 0; pass < PASSES; pass++) {
        memset(mean, 0, 2 * (size_t)z.cols * sizeof *mean);
        k->row_sums(&tile, weights, pivot, mean, m2);
        if (!k->moments(z.cols, n, pivot, mean, m2)) break;
    }
    bnorm_moments_merge(NULL, z.cols, to, to + 1, to + 1 + z.cols, n, mean, m2);
}

static double *sums_of(const plan *p, ptrdiff_t chunk, ptrdiff_t at)
{
    return p->w->net->sums.data + chunk * p->chunk + at;
}

/* Of all rows, in the place of the first chunk. */
static double *merge_moments(const plan *p, ptrdiff_t at, ptrdiff_t cols)
{
    double *all = sums_of(p, 0, at);
    for (ptrdiff_t c = 1; c < p->w->cut.chunks; c++) {
        const double *m = sums_of(p, c, at);
        bnorm_moments_merge(NULL, cols, all, all + 1, all + 1 + cols, *m, m + 1, m + 1 + cols);
    }
    return all;
}

/* Before a batchnorm 1'dZ is 0 but for rounding, which X'dZ multiplies by the mean of X. So X is
 * measured from c, its weighted column means: (X - 1c')'dZ, the centred X of (W3); whatever c
 * is, the gradient is the same, and a constant column gives exactly 0. Where no mean exceeds 4
 * standard deviations nothing would be gained: c is 0. Theorem: W3_shifted. */
static bnorm_status find_centre(const plan *p, layer *l)
{
    ptrdiff_t cols = l->inputs;
    const double *m = merge_moments(p, p->inputs, cols), *mean = m + 1, *m2 = mean + cols;
    bnorm_status status = bnorm_buffer_reserve(p->w->pass->ctx, &l->centres, 1, cols);
    l->centre = NULL;
    for (ptrdiff_t k = 0; status == BNORM_OK && k < cols; k++) {
        l->centres.data[k] = isfinite(mean[k]) ? mean[k] : 0;
        if (!(mean[k] * mean[k] * *m <= 16 * m2[k])) l->centre = l->centres.data;
    }
    return status;
}

static bnorm_status find_statistics(const plan *p, layer *l)
{
    const double *m = merge_moments(p, p->moments, l->inputs);
    l->batch.n = *m;
    memcpy(l->batch.mean, m + 1, (size_t)l->inputs * sizeof *m);
    memcpy(l->batch.m2, m + 1 + l->inputs, (size_t)l->inputs * sizeof *m);
    return bnorm_batchnorm_statistics(p->w->pass->ctx, l);
}

static void add_sums(const plan *p, layer *l)
{
    double *all = sums_of(p, 0, p->below), *gradient = p->w->gradient + l->offset;
    for (ptrdiff_t c = 1; c < p->w->cut.chunks; c++)
        for (ptrdiff_t j = 0; j < 2 * l->inputs; j++) all[j] += sums_of(p, c, p->below)[j];
    bnorm_batchnorm_gradient(l, all, gradient, gradient + l->inputs);
}

typedef struct addition {
    const plan *p;
    const layer *l;
} addition;

enum { SHARE = 4096 };

/* A share of dG and dbias: the chunks in order. */
static void add_task(void *argument, ptrdiff_t k)
{
    const addition *a = argument;
    const plan *p = a->p;
    ptrdiff_t first = k * SHARE,
              count = a->l->count - first < SHARE ? a->l->count - first : SHARE;
    double *to = p->w->gradient + a->l->offset + first;
    memcpy(to, sums_of(p, 0, a->l->partial) + first, (size_t)count * sizeof *to);
    for (ptrdiff_t c = 1; c < p->w->cut.chunks; c++) {
        const double *from = sums_of(p, c, a->l->partial) + first;
        for (ptrdiff_t i = 0; i < count; i++) to[i] += from[i];
    }
}

static void add_partials(const plan *p)
{
    const sweep *w = p->w;
    for (ptrdiff_t k = w->bottom; k <= w->top && w->cut.chunks > 1; k++) {
        addition a = {p, w->net->layers[k]};
        if (a.l->kind != BNORM_LAYER_DENSE) continue;
        double work = (double)w->cut.chunks * (double)a.l->count;
        bnorm_parallel(bnorm_worth(w->pass->ctx, work), (a.l->count + SHARE - 1) / SHARE,
                       add_task, &a);
    }
}

bnorm_status bnorm_sweep_together(const plan *p, sweep *w)
{
    if (w->goal) {
        exact_sum all = {0, 0};
        for (ptrdiff_t c = 0; c < w->cut.chunks; c++) {
            const exact_sum *s = (const exact_sum *)sums_of(p, c, 0);
            bnorm_exact_add(&all, s->sum);
            all.rest += s->rest;
        }
        w->value = bnorm_exact_value(&all) / w->goal->n;
    }
    if (w->inputs) BNORM_TRY(find_centre(p, w->inputs));
    if (w->moments) BNORM_TRY(find_statistics(p, w->moments));
    if (w->below) add_sums(p, w->below);
    add_partials(p);
    return BNORM_OK;
}
