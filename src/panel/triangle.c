/* triangle: R of a tall matrix, in blocks of rows that stay in cache (TSQR: Demmel, Grigori,
 * Hoemmen and Langou 2012): each block gives its R, and the R's below one another are the next
 * matrix, until one is left. The blocks are cut by sizes alone, so the bits do not depend on
 * the threads. No cross products are taken: the error is that of J, not of J'J. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "matrix/blas.h"
#include "matrix/view.h"
#include "panel/lapack.h"
#include "panel/spectrum.h"

enum { TIMES = 4, LEAST = 256 }; /* rows of a block: TIMES its columns, at least LEAST */
enum { PANEL = 64 };             /* columns that LAPACK takes at a time, at most */

typedef struct level {
    bnorm_mat_f64 a;
    const double *weights;
    ptrdiff_t step, blocks, lanes;
    double *r;       /* blocks of cols x cols */
    double *scratch; /* for each lane, room */
    ptrdiff_t room;
} level;

/* Column j of rows first .. of the block lies at to + j * step. */
static void load(const level *l, ptrdiff_t first, ptrdiff_t rows, double *to)
{
    ptrdiff_t row_step = l->a.layout == BNORM_ROW_MAJOR ? l->a.ld : 1;
    ptrdiff_t col_step = l->a.layout == BNORM_ROW_MAJOR ? 1 : l->a.ld;
    for (ptrdiff_t i = 0; i < rows; i++) {
        const double *from = l->a.data + (first + i) * row_step;
        double root = l->weights ? sqrt(l->weights[first + i]) : 1;
        for (ptrdiff_t j = 0; j < l->a.cols; j++)
            to[j * l->step + i] = root * from[j * col_step];
    }
}

/* The R of a block, for LAPACK refuses nothing but arguments. */
static void lane_task(void *argument, ptrdiff_t lane)
{
    const level *l = argument;
    ptrdiff_t cols = l->a.cols;
    double *a = l->scratch + lane * l->room, *tau = a + l->step * cols, *work = tau + cols;
    for (ptrdiff_t b = lane; b < l->blocks; b += l->lanes) {
        ptrdiff_t first = b * l->step, rows = smaller(l->step, l->a.rows - first);
        double *r = l->r + b * cols * cols;
        int m = (int)rows, n = (int)cols, lda = (int)l->step, lwork = PANEL * n, info;
        load(l, first, rows, a);
        dgeqrf_(&m, &n, a, &lda, tau, work, &lwork, &info);
        memset(r, 0, (size_t)(cols * cols) * sizeof *r);
        for (ptrdiff_t j = 0; j < cols; j++)
            for (ptrdiff_t i = 0; i <= j && i < rows; i++) r[i * cols + j] = a[j * l->step + i];
    }
}

static bnorm_status reduce(bnorm_ctx *ctx, level *l)
{
    ptrdiff_t cols = l->a.cols, size, count;
    l->scratch = l->r = NULL;
    l->room = (l->step + 1 + PANEL) * cols;
    if (bnorm_multiply(l->room, l->lanes, &size) &&
        bnorm_multiply(cols * cols, l->blocks, &count)) {
        l->scratch = bnorm_alloc(ctx, size, sizeof *l->scratch);
        l->r = bnorm_alloc(ctx, count, sizeof *l->r);
    }
    if (!l->scratch || !l->r) {
        bnorm_free(l->scratch);
        bnorm_free(l->r);
        return bnorm_fail_memory(ctx, "the triangles of a design");
    }
    int held = bnorm_blas_hold();
    bnorm_parallel(ctx, l->lanes, lane_task, l);
    bnorm_blas_release(held);
    bnorm_free(l->scratch);
    return BNORM_OK;
}

bnorm_status bnorm_triangle(bnorm_ctx *ctx, bnorm_mat_f64 j, const double *weights, double *r)
{
    ptrdiff_t cols = j.cols;
    double *above = NULL;
    if (cols > INT_MAX / PANEL / TIMES) return bnorm_fail_memory(ctx, "a design so wide");
    level l = {.a = j, .weights = weights};
    do {
        l.step = larger(TIMES * cols, LEAST);
        l.blocks = parts(l.a.rows, l.step);
        l.lanes = smaller(l.blocks, bnorm_ctx_threads(ctx));
        bnorm_status status = reduce(ctx, &l);
        bnorm_free(above);
        if (status != BNORM_OK) return status;
        above = l.r;
        l.a = bnorm_view_f64(l.r, l.blocks * cols, cols, BNORM_ROW_MAJOR);
        l.weights = NULL;
    } while (l.blocks > 1);
    memcpy(r, above, (size_t)(cols * cols) * sizeof *r);
    bnorm_free(above);
    return BNORM_OK;
}
