/* cut: how work is divided. Sizes of blocks are chosen from the shape alone, so that sums are
 * made in the same order whatever the threads, the padding or the addresses. */
#include "matrix/view.h"

#include "base/size.h"
#include "base/threads.h"

enum {
    BLOCK_BYTES = 256 * 1024,  /* a row-major block: many blocks, each worth a task */
    BLOCK_ROWS = 128,          /* at least: the ends of a block cost as much as some rows */
    BLOCKS = 64,               /* at most, so that merging them stays cheap */
    STRIP_COLS = 1024,         /* a row-major strip: its accumulators stay in L1 */
    LINE_ROWS = 16384,         /* a block of a column: 128 KiB of double */
    STRIP_BYTES = 16 * 1024,   /* a column-major strip: with its output in L1 */
    SERIAL_BYTES = 256 * 1024, /* below it, waking threads costs more than it gains */
    PIECES_A_THREAD = 4,       /* of a map alone: evens out what disturbs a thread */
    FUSED_STRIPS = 8           /* column-major: enough strips for the threads */
};
#define STREAM_BYTES ((ptrdiff_t)24 * 1024 * 1024)

/* Columns of a column-major strip, if there are many a multiple of the lanes of a vector. */
static ptrdiff_t strip_width(ptrdiff_t column_bytes, ptrdiff_t cols)
{
    ptrdiff_t width = STRIP_BYTES / column_bytes;
    width = width >= 8 ? width / 8 * 8 : larger(width, 1);
    return smaller(width, cols);
}

bnorm_cut bnorm_cut_of(const bnorm_view *v)
{
    bnorm_cut cut = {.rows = v->rows, .cols = v->cols};
    ptrdiff_t size = (ptrdiff_t)v->k->size;
    if (v->layout == BNORM_ROW_MAJOR) {
        cut.width = larger(smaller(v->cols, STRIP_COLS), 1);
        ptrdiff_t rows = larger(BLOCK_BYTES / (cut.width * size), BLOCK_ROWS);
        cut.height = larger(rows, parts(parts(v->rows, BLOCKS), 8) * 8);
    } else {
        cut.height = LINE_ROWS;
        cut.width = strip_width(larger(v->rows, 1) * size, larger(v->cols, 1));
    }
    cut.blocks = parts(v->rows, cut.height);
    cut.strips = parts(v->cols, cut.width);
    return cut;
}

bnorm_range bnorm_cut_block(const bnorm_cut *cut, ptrdiff_t b)
{
    ptrdiff_t begin = b * cut->height;
    return (bnorm_range){begin, smaller(begin + cut->height, cut->rows)};
}

bnorm_range bnorm_cut_strip(const bnorm_cut *cut, ptrdiff_t s)
{
    ptrdiff_t begin = s * cut->width;
    return (bnorm_range){begin, smaller(begin + cut->width, cut->cols)};
}

int bnorm_cut_fused(const bnorm_cut *cut)
{
    return cut->blocks == 1 || cut->strips >= FUSED_STRIPS;
}

static ptrdiff_t bytes_of(const bnorm_view *v)
{
    return v->rows * v->cols * (ptrdiff_t)v->k->size;
}

void bnorm_cut_spread(bnorm_ctx *ctx, const bnorm_view *v, ptrdiff_t count,
                      void (*task)(void *argument, ptrdiff_t k), void *argument)
{
    bnorm_parallel(bytes_of(v) < SERIAL_BYTES ? NULL : ctx, count, task, argument);
}

bnorm_cut bnorm_cut_for_map(const bnorm_ctx *ctx, const bnorm_view *v)
{
    bnorm_cut cut = {v->rows, v->cols, larger(v->rows, 1), 1, larger(v->cols, 1), 1};
    ptrdiff_t threads = bytes_of(v) < SERIAL_BYTES ? 1 : bnorm_ctx_threads(ctx);
    ptrdiff_t pieces = threads > 1 ? PIECES_A_THREAD * threads : 1;
    if (v->layout == BNORM_COL_MAJOR && v->cols >= pieces) {
        cut.width = parts(v->cols, pieces);
        cut.strips = parts(v->cols, cut.width);
    } else {
        cut.height = parts(parts(v->rows, pieces), 64) * 64;
        cut.blocks = parts(v->rows, cut.height);
    }
    return cut;
}

void bnorm_cut_spread_back(bnorm_ctx *ctx, const bnorm_view *v, ptrdiff_t count,
                           void (*task)(void *argument, ptrdiff_t k), void *argument)
{
    bnorm_parallel_back(bytes_of(v) < SERIAL_BYTES ? NULL : ctx, count, task, argument);
}

int bnorm_view_streams(const bnorm_view *out, ptrdiff_t arrays)
{
    return bytes_of(out) >= STREAM_BYTES / arrays;
}
