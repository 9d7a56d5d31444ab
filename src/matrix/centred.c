/* centred: see the header. A block of centred rows has the layout of X: it is stored as rows x
 * cols for a row-major X and as cols x rows for a column-major one. Float data are multiplied as
 * float (each centred value rounded once) and summed over blocks in double; the Gram matrix is
 * made in double throughout. */
#include "matrix/centred.h"

#include <limits.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "matrix/blas.h"

enum {
    BLOCK_VALUES = 16384, /* of X in a block, about: 128 KiB of double */
    BLOCK_FEWEST = 32,    /* rows */
    BLOCK_MOST = 512,
    STRIP = 256,       /* columns of Y in a task */
    CHUNKS = 16,       /* at most so many tasks over rows */
    PARTIAL = 1 << 20, /* values of all partial sums, about */
    SERIAL = 1 << 18   /* multiplications below which one thread is sooner done */
};

/* One product. Chunk k has the blocks from k blocks/chunks on, and room of its own. */
typedef struct product {
    const bnorm_centred *xc;
    const bnorm_view *y;
    const bnorm_kernels *k;     /* the precision of the multiplication */
    const double *weights;      /* cross with itself */
    const double *ones, *zeros; /* as many as the widest has columns */
    const void *f, *shift;      /* times: of the precision k */
    double *c, *sums;           /* cross: those of chunk 0; `next` further those of chunk 1 */
    ptrdiff_t cols;             /* of the product */
    ptrdiff_t height, blocks, chunks, strips, next;
    char *room;
    ptrdiff_t block_bytes, room_bytes;
} product;

bnorm_status bnorm_check_blas(bnorm_ctx *ctx, ptrdiff_t size, const char *name)
{
    if (size <= INT_MAX) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s is %td; matrix products take at most %d", name,
                      size, INT_MAX);
}

/* ------------------------------------------------------------------------ blocks of rows */

static bnorm_range block_rows(const product *p, ptrdiff_t b)
{
    ptrdiff_t begin = b * p->height;
    return (bnorm_range){begin, smaller(begin + p->height, p->xc->x->rows)};
}

static bnorm_range chunk_blocks(const product *p, ptrdiff_t chunk)
{
    ptrdiff_t each = parts(p->blocks, p->chunks), begin = chunk * each;
    return (bnorm_range){smaller(begin, p->blocks), smaller(begin + each, p->blocks)};
}

/* What lies end to end in a block: its rows, or its columns. */
typedef struct lines {
    ptrdiff_t count, width;
} lines;

static lines lines_of(const bnorm_view *v, bnorm_range r)
{
    ptrdiff_t rows = r.end - r.begin;
    return v->layout == BNORM_ROW_MAJOR ? (lines){rows, v->cols} : (lines){v->cols, rows};
}

static const char *line_at(const bnorm_view *v, bnorm_range r, ptrdiff_t line)
{
    return v->layout == BNORM_ROW_MAJOR ? bnorm_view_at(v, r.begin + line, 0)
                                        : bnorm_view_at(v, r.begin, line);
}

/* to = rows r of X - 1 xbar'. */
static void centre(const product *p, bnorm_range r, void *to)
{
    const bnorm_view *x = p->xc->x;
    lines l = lines_of(x, r);
    const char *from = line_at(x, r, 0);
    ptrdiff_t ld = x->ld;
    if (p->k != x->k) { /* float data, multiplied in double */
        for (ptrdiff_t i = 0; i < l.count; i++)
            x->k->widen(l.width, line_at(x, r, i), (double *)to + i * l.width);
        from = to;
        ld = l.width;
    }
    bnorm_affine a = {p->xc->xbar, p->ones, p->zeros};
    if (x->layout == BNORM_ROW_MAJOR) {
        bnorm_tile t = {from, l.count, l.width, ld};
        p->k->row_affine(&t, &a, to, l.width, 0);
    } else {
        bnorm_tile t = {from, l.width, l.count, ld};
        p->k->column_affine(&t, &a, to, l.width, 0);
    }
}

/* -------------------------------------------------------------------------------- times */

static void gemm(const product *p, int ta, int tb, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                 const void *a, ptrdiff_t lda, const void *b, ptrdiff_t ldb, int add, void *c,
                 ptrdiff_t ldc)
{
    if (p->k->size == sizeof(double))
        bnorm_gemm_f64(ta, tb, m, n, k, 1, a, lda, b, ldb, add, c, ldc);
    else
        bnorm_gemm_f32(ta, tb, m, n, k, 1, a, lda, b, ldb, (float)add, c, ldc);
}

/* Rows r of Y = 1 shift'. */
static void fill(const product *p, bnorm_range r)
{
    lines l = lines_of(p->y, r);
    size_t size = p->k->size;
    for (ptrdiff_t i = 0; i < l.count; i++) {
        char *to = (char *)line_at(p->y, r, i);
        if (p->y->layout == BNORM_ROW_MAJOR)
            memcpy(to, p->shift, (size_t)l.width * size);
        else
            for (ptrdiff_t j = 0; j < l.width; j++)
                memcpy(to + j * (ptrdiff_t)size, (const char *)p->shift + i * (ptrdiff_t)size,
                       size);
    }
}

static void times_task(void *argument, ptrdiff_t chunk)
{
    const product *p = argument;
    bnorm_range blocks = chunk_blocks(p, chunk);
    char *xc = p->room + chunk * p->room_bytes;
    ptrdiff_t inner = p->xc->x->cols;
    for (ptrdiff_t b = blocks.begin; b < blocks.end; b++) {
        bnorm_range r = block_rows(p, b);
        ptrdiff_t rows = r.end - r.begin;
        void *y = bnorm_view_at(p->y, r.begin, 0);
        centre(p, r, xc);
        fill(p, r);
        if (p->y->layout == BNORM_ROW_MAJOR)
            gemm(p, 0, 0, rows, p->cols, inner, xc, inner, p->f, p->cols, 1, y, p->y->ld);
        else
            gemm(p, 1, 0, p->cols, rows, inner, p->f, p->cols, xc, rows, 1, y, p->y->ld);
    }
}

/* -------------------------------------------------------------------------------- cross */

/* to = Y = diag(weights) Xc, columns s of the centred block, and sums += 1'Y; returns the leading
 * dimension of `to`. */
static ptrdiff_t weigh(const product *p, bnorm_range r, bnorm_range s, const double *xc,
                       double *to, double *sums)
{
    ptrdiff_t rows = r.end - r.begin, width = s.end - s.begin, ld = p->cols, skip = 1;
    const double *w = p->weights ? p->weights + r.begin : NULL;
    int row_major = p->xc->x->layout == BNORM_ROW_MAJOR;
    if (!row_major) {
        ld = 1;
        skip = rows;
    }
    for (ptrdiff_t j = 0; j < width; j++) {
        const double *from = xc + (s.begin + j) * skip;
        double sum = 0;
        for (ptrdiff_t i = 0; i < rows; i++) {
            double y = w ? w[i] * from[i * ld] : from[i * ld];
            to[row_major ? i * width + j : j * rows + i] = y;
            sum += y;
        }
        sums[s.begin + j] += sum;
    }
    return row_major ? width : rows;
}

/* sums += 1'Y over rows r and columns s; unused takes sums of squares. */
static void add_sums(const product *p, bnorm_range r, bnorm_range s, double *sums,
                     double *unused)
{
    const bnorm_kernels *k = p->y->k;
    if (p->y->layout == BNORM_ROW_MAJOR) {
        bnorm_tile t = bnorm_view_tile(p->y, r.begin, r.end, s.begin, s.end);
        k->row_pair_sums(&t, &t, p->zeros, sums + s.begin, unused);
        return;
    }
    for (ptrdiff_t j = s.begin; j < s.end; j++) {
        double both[2] = {0, 0};
        const char *line = bnorm_view_at(p->y, r.begin, j);
        k->line_pair_sums(r.end - r.begin, line, line, 0, both);
        sums[j] += both[0];
    }
}

/* c(:, s) += xc'Y(r, s), the upper `inner` rows of it; float products through `part`. */
static void add_product(const product *p, bnorm_range r, bnorm_range s, ptrdiff_t inner,
                        const void *xc, const void *y, ptrdiff_t ldy, double *c, float *part)
{
    ptrdiff_t rows = r.end - r.begin, width = s.end - s.begin;
    int row_major = p->xc->x->layout == BNORM_ROW_MAJOR, add = p->k->size == sizeof(double);
    void *to = add ? (void *)(c + s.begin) : part;
    ptrdiff_t ldx = row_major ? p->xc->x->cols : rows, ldc = add ? p->cols : width;
    gemm(p, row_major, !row_major, inner, width, rows, xc, ldx, y, ldy, add, to, ldc);
    for (ptrdiff_t i = 0; !add && i < inner; i++)
        for (ptrdiff_t j = 0; j < width; j++)
            c[i * p->cols + s.begin + j] += (double)part[i * width + j];
}

static void cross_task(void *argument, ptrdiff_t task)
{
    const product *p = argument;
    ptrdiff_t chunk = task / p->strips, strip = task % p->strips;
    bnorm_range blocks = chunk_blocks(p, chunk);
    bnorm_range s = {strip * STRIP, smaller((strip + 1) * STRIP, p->cols)};
    ptrdiff_t inner = p->y ? p->xc->x->cols : s.end; /* the upper half of what is symmetric */
    double *c = p->c + chunk * p->next, *sums = p->sums + chunk * p->next;
    char *xc = p->room + task * p->room_bytes;
    char *more = xc + p->block_bytes;
    for (ptrdiff_t b = blocks.begin; b < blocks.end; b++) {
        bnorm_range r = block_rows(p, b);
        const void *y = more;
        ptrdiff_t ldy;
        centre(p, r, xc);
        if (p->y) {
            y = bnorm_view_at(p->y, r.begin, s.begin);
            ldy = p->y->ld;
            add_sums(p, r, s, sums, (double *)more);
        } else
            ldy = weigh(p, r, s, (double *)xc, (double *)more, sums);
        add_product(p, r, s, inner, xc, y, ldy, c, (float *)more);
    }
}

/* --------------------------------------------------------------------------------- plans */

static void plan(product *p)
{
    const bnorm_view *x = p->xc->x;
    p->height = smaller(larger(BLOCK_VALUES / larger(x->cols, 1), BLOCK_FEWEST), BLOCK_MOST);
    p->blocks = parts(x->rows, p->height);
    p->height = smaller(p->height, larger(x->rows, 1));
    p->chunks = smaller(CHUNKS, p->blocks);
}

static bnorm_ctx *worth(bnorm_ctx *ctx, const product *p)
{
    const bnorm_view *x = p->xc->x;
    return (double)x->rows * (double)x->cols * (double)p->cols < SERIAL ? NULL : ctx;
}

static void run(bnorm_ctx *ctx, product *p, ptrdiff_t tasks, void (*task)(void *, ptrdiff_t))
{
    int held = bnorm_blas_hold();
    bnorm_parallel(worth(ctx, p), tasks, task, p);
    bnorm_blas_release(held);
}

/* ones and zeros, and room for each of so many tasks: `bytes` and a block of rows. The memory is
 * the caller's to free. */
static bnorm_status take_room(bnorm_ctx *ctx, product *p, ptrdiff_t tasks, ptrdiff_t bytes,
                              double **memory)
{
    ptrdiff_t width = larger(p->xc->x->cols, p->cols), block, total;
    *memory = NULL;
    if (bnorm_multiply(p->height * (ptrdiff_t)p->k->size, p->xc->x->cols, &block) &&
        block < PTRDIFF_MAX / 2) {
        p->block_bytes = (block + 63) / 64 * 64;
        p->room_bytes = p->block_bytes + (bytes + 63) / 64 * 64;
        if (bnorm_multiply(p->room_bytes, tasks, &total) &&
            !__builtin_add_overflow(total, (width + 8) * 16, &total))
            *memory = bnorm_alloc(ctx, total, 1);
    }
    if (!*memory) return bnorm_fail_memory(ctx, "blocks of centred rows");
    p->room = (char *)*memory;
    double *ones = (double *)(p->room + p->room_bytes * tasks), *zeros = ones + width;
    for (ptrdiff_t j = 0; j < width; j++) {
        ones[j] = 1;
        zeros[j] = 0;
    }
    p->ones = ones;
    p->zeros = zeros;
    return BNORM_OK;
}

/* f and shift in the precision of the product, in one block. */
static void *factors(bnorm_ctx *ctx, product *p, const double *f, const double *shift)
{
    ptrdiff_t count = p->xc->x->cols * p->cols, size = (ptrdiff_t)p->k->size;
    char *all = bnorm_alloc_zero(ctx, count + p->cols, (size_t)size);
    if (!all) return NULL;
    p->k->narrow(count, f, all);
    if (shift) p->k->narrow(p->cols, shift, all + count * size);
    p->f = all;
    p->shift = all + count * size;
    return all;
}

bnorm_status bnorm_centred_times(bnorm_ctx *ctx, const bnorm_centred *xc, const double *f,
                                 const double *shift, const bnorm_view *y)
{
    product p = {.xc = xc, .y = y, .k = y->k, .cols = y->cols};
    double *memory;
    plan(&p);
    BNORM_TRY(take_room(ctx, &p, p.chunks, 0, &memory));
    void *copy = factors(ctx, &p, f, shift);
    if (copy) run(ctx, &p, p.chunks, times_task);
    bnorm_free(copy);
    bnorm_free(memory);
    return copy ? BNORM_OK : bnorm_fail_memory(ctx, "the folded weights");
}

/* Adds the chunks in their order, and completes what is symmetric. */
static void collect(const product *p, double *c, double *sums)
{
    ptrdiff_t rows = p->xc->x->cols, size = rows * p->cols;
    memcpy(c, p->c, (size_t)size * sizeof *c);
    if (sums) memcpy(sums, p->sums, (size_t)p->cols * sizeof *c);
    for (ptrdiff_t k = 1; k < p->chunks; k++) {
        for (ptrdiff_t i = 0; i < size; i++) c[i] += p->c[k * p->next + i];
        for (ptrdiff_t j = 0; sums && j < p->cols; j++) sums[j] += p->sums[k * p->next + j];
    }
    for (ptrdiff_t i = 0; !p->y && i < rows; i++)
        for (ptrdiff_t j = 0; j < i; j++) c[i * rows + j] = c[j * rows + i];
}

bnorm_status bnorm_centred_cross(bnorm_ctx *ctx, const bnorm_centred *xc, const bnorm_view *y,
                                 const double *weights, double *c, double *sums)
{
    product p = {.xc = xc, .y = y, .weights = weights, .cols = y ? y->cols : xc->x->cols};
    p.k = y ? y->k : bnorm_kernels_f64();
    plan(&p);
    p.strips = parts(p.cols, STRIP);
    ptrdiff_t width = smaller(p.cols, STRIP), longest = larger(p.height, xc->x->cols), total;
    if (!bnorm_multiply(xc->x->cols + 1, p.cols, &p.next))
        return bnorm_fail_memory(ctx, "a product with the inputs");
    p.chunks = smaller(p.chunks, larger(1, PARTIAL / larger(p.next, 1)));
    if (!bnorm_multiply(p.next, p.chunks, &total)) total = -1;
    double *partial = bnorm_alloc_zero(ctx, total, sizeof *partial), *memory = NULL;
    bnorm_status status = partial ? BNORM_OK : bnorm_fail_memory(ctx, "sums over blocks");
    if (status == BNORM_OK)
        status = take_room(ctx, &p, p.chunks * p.strips, 8 * (longest + 1) * width, &memory);
    if (status == BNORM_OK) {
        p.c = partial;
        p.sums = partial + xc->x->cols * p.cols;
        run(ctx, &p, p.chunks * p.strips, cross_task);
        collect(&p, c, sums);
    }
    bnorm_free(memory);
    bnorm_free(partial);
    return status;
}
