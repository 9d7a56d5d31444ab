/* product: products cut into pieces of at most LIMIT multiplications, by sizes alone. The BLAS
 * that R and NumPy mostly have multiplies pieces of that size where they lie, without packing
 * them first, and so up to twice as fast as a call for the whole; others lose little. */
#include "layer/product.h"

#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "kernel/kernel.h"
#include "layer/layer.h"
#include "matrix/blas.h"

enum {
    LIMIT = 1000000, /* multiplications in a piece */
    INNER = 104,     /* terms of a sum in a piece of a b */
    ONE = 128,       /* columns of a matrix that is one panel */
    WIDTH = 96       /* and of a panel of a wider one */
};

/* The size of each of the fewest equal pieces of at most `most`. */
static ptrdiff_t even(ptrdiff_t total, ptrdiff_t most)
{
    if (most < 1) most = 1;
    ptrdiff_t count = (total + most - 1) / most;
    return count > 1 ? (total + count - 1) / count : total;
}

/* -------------------------------------------------------------------------------- panels */

static ptrdiff_t count_of(const panels *p)
{
    return (p->cols + p->width - 1) / p->width;
}

static ptrdiff_t width_of(const panels *p, ptrdiff_t k)
{
    return smaller(p->width, p->cols - k * p->width);
}

panels bnorm_panels_of(ptrdiff_t rows, ptrdiff_t cols, const double *x, ptrdiff_t ld)
{
    ptrdiff_t width = cols <= ONE ? cols : WIDTH;
    return (panels){x, rows, cols, width, width, ld};
}

ptrdiff_t bnorm_panels_room(ptrdiff_t rows, ptrdiff_t cols)
{
    return rows * (cols <= ONE ? cols : (cols + WIDTH - 1) / WIDTH * WIDTH);
}

static panels apart(ptrdiff_t rows, ptrdiff_t cols, const double *to)
{
    panels p = bnorm_panels_of(rows, cols, to, 0);
    p.ld = p.width;
    p.step = rows * p.width;
    return p;
}

int bnorm_panels_crowded(ptrdiff_t cols, ptrdiff_t ld)
{
    return cols >= ONE && ld % 32 == 0;
}

/* x - 1c' by the kernel that every instruction set has: (x - c) 1 + 0. */
static void measure(ptrdiff_t rows, ptrdiff_t cols, const double *x, ptrdiff_t ld,
                    const double *c, double *to, ptrdiff_t ldto)
{
    double one[ONE], zero[ONE] = {0};
    for (ptrdiff_t j = 0; j < cols; j++) one[j] = 1;
    bnorm_tile tile = {x, rows, cols, ld};
    bnorm_affine a = {c, one, zero};
    bnorm_kernels_f64()->row_affine(&tile, &a, to, ldto, 0);
}

panels bnorm_panels_copy(ptrdiff_t rows, ptrdiff_t cols, const double *x, ptrdiff_t ld,
                         const double *c, double *to)
{
    panels p = apart(rows, cols, to);
    for (ptrdiff_t k = 0; k < count_of(&p); k++, to += p.step) {
        ptrdiff_t j = k * p.width, width = width_of(&p, k);
        if (c)
            measure(rows, width, x + j, ld, c + j, to, p.ld);
        else
            for (ptrdiff_t i = 0; i < rows; i++)
                memcpy(to + i * p.ld, x + i * ld + j, (size_t)width * sizeof *to);
    }
    return p;
}

/* Rows i0 .. i_end-1 and columns j .. j+width-1 of x', from and to whole lines of cache. */
static void turn_panel(ptrdiff_t rows, ptrdiff_t width, const double *x, ptrdiff_t ld,
                       double *to, ptrdiff_t ldto)
{
    enum { LINE = 8 };
    for (ptrdiff_t i0 = 0; i0 < rows; i0 += LINE) {
        ptrdiff_t end = smaller(rows, i0 + LINE);
        for (ptrdiff_t j = 0; j < width; j++)
            for (ptrdiff_t i = i0; i < end; i++) to[i * ldto + j] = x[j * ld + i];
    }
}

panels bnorm_panels_turn(ptrdiff_t rows, ptrdiff_t cols, const double *x, ptrdiff_t ld,
                         double *to)
{
    panels p = apart(rows, cols, to);
    for (ptrdiff_t k = 0; k < count_of(&p); k++)
        turn_panel(rows, width_of(&p, k), x + k * p.width * ld, ld, to + k * p.step, p.ld);
    return p;
}

/* ------------------------------------------------------------------------------ products */

typedef struct job {
    const panels *x, *b; /* x: of x'w */
    const double *a;
    double *c;
    ptrdiff_t rows, lda, ldc;
    int add;
} job;

/* One panel of c = a b. */
static void times_task(void *argument, ptrdiff_t k)
{
    const job *p = argument;
    const panels *b = p->b;
    ptrdiff_t width = width_of(b, k), inner = even(b->rows, INNER);
    ptrdiff_t height = even(p->rows, LIMIT / (width * inner));
    const double *panel = b->data + k * b->step;
    for (ptrdiff_t l = 0; l < b->rows; l += inner) {
        ptrdiff_t terms = smaller(inner, b->rows - l);
        for (ptrdiff_t i = 0; i < p->rows; i += height)
            bnorm_gemm_f64(0, 0, smaller(height, p->rows - i), width, terms, 1,
                           p->a + i * p->lda + l, p->lda, panel + l * b->ld, b->ld,
                           p->add || l > 0, p->c + i * p->ldc + k * b->width, p->ldc);
    }
}

void bnorm_times(bnorm_ctx *ctx, ptrdiff_t rows, const double *a, ptrdiff_t lda,
                 const panels *b, int add, double *c, ptrdiff_t ldc)
{
    job p = {.b = b, .a = a, .c = c, .rows = rows, .lda = lda, .ldc = ldc, .add = add};
    double work = 0.04 * (double)rows * (double)b->rows * (double)b->cols;
    bnorm_parallel(bnorm_worth(ctx, work), count_of(b), times_task, &p);
}

/* One tile of c = x'w: a panel of x and one of w. */
static void cross_task(void *argument, ptrdiff_t task)
{
    const job *p = argument;
    const panels *x = p->x, *w = p->b;
    ptrdiff_t k = task / count_of(w), j = task % count_of(w);
    ptrdiff_t height = width_of(x, k), width = width_of(w, j);
    ptrdiff_t inner = even(x->rows, LIMIT / (height * width));
    double *c = p->c + k * x->width * p->ldc + j * w->width;
    for (ptrdiff_t i = 0; i < x->rows; i += inner)
        bnorm_gemm_f64(1, 0, height, width, smaller(inner, x->rows - i), 1,
                       x->data + k * x->step + i * x->ld, x->ld,
                       w->data + j * w->step + i * w->ld, w->ld, p->add || i > 0, c, p->ldc);
}

void bnorm_cross(bnorm_ctx *ctx, const panels *x, const panels *w, int add, double *c,
                 ptrdiff_t ldc)
{
    job p = {.x = x, .b = w, .c = c, .ldc = ldc, .add = add};
    double work = 0.04 * (double)x->rows * (double)x->cols * (double)w->cols;
    bnorm_parallel(bnorm_worth(ctx, work), count_of(x) * count_of(w), cross_task, &p);
}
