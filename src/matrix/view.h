/* view: a matrix of either precision behind one type, the checks every matrix function makes,
 * and the fixed blocks that its work is cut into. Everything above the kernels is written once:
 * precision is the view's kernel table. */
#ifndef BNORM_MATRIX_VIEW_H
#define BNORM_MATRIX_VIEW_H

#include "bnorm.h"
#include "kernel/kernel.h"

typedef struct bnorm_view {
    const bnorm_kernels *k;
    char *data;
    ptrdiff_t rows, cols, ld;
    bnorm_layout layout;
} bnorm_view;

bnorm_view bnorm_view_of_f64(bnorm_mat_f64 m);
bnorm_view bnorm_view_of_f32(bnorm_mat_f32 m);
static inline bnorm_mat_f64 bnorm_mat_of_f64(const bnorm_view *v)
{
    return (bnorm_mat_f64){(double *)v->data, v->rows, v->cols, v->ld, v->layout};
}
static inline bnorm_mat_f32 bnorm_mat_of_f32(const bnorm_view *v)
{
    return (bnorm_mat_f32){(float *)v->data, v->rows, v->cols, v->ld, v->layout};
}

/* Entry (r, c). */
static inline char *bnorm_view_at(const bnorm_view *v, ptrdiff_t r, ptrdiff_t c)
{
    ptrdiff_t at = v->layout == BNORM_ROW_MAJOR ? r * v->ld + c : c * v->ld + r;
    return v->data + at * (ptrdiff_t)v->k->size;
}

/* Entry c of a vector of the view's precision; NULL stays NULL. */
static inline const void *bnorm_view_entry(const bnorm_view *v, const void *vector, ptrdiff_t c)
{
    return vector ? (const char *)vector + c * (ptrdiff_t)v->k->size : NULL;
}

/* The rows from r to r_end and columns from c to c_end of a row-major view. */
bnorm_tile bnorm_view_tile(const bnorm_view *v, ptrdiff_t r, ptrdiff_t r_end, ptrdiff_t c,
                           ptrdiff_t c_end);

/* Checks fail with BNORM_E_ARGUMENT and a message that names the argument. */
bnorm_status bnorm_check_view(bnorm_ctx *ctx, const bnorm_view *v, const char *name);
/* v has the shape and layout of x; when it shares its data, it is x. */
bnorm_status bnorm_check_like(bnorm_ctx *ctx, const bnorm_view *v, const char *name,
                              const bnorm_view *x, const char *x_name);
bnorm_status bnorm_check_pointer(bnorm_ctx *ctx, const void *pointer, const char *name);
/* Finite and >= 0. */
bnorm_status bnorm_check_number(bnorm_ctx *ctx, double value, const char *name);
bnorm_status bnorm_check_rule(bnorm_ctx *ctx, bnorm_rule rule);
bnorm_status bnorm_check_weights(bnorm_ctx *ctx, ptrdiff_t rows, const double *weights);
/* DOMAIN unless n - ddof > 0. */
bnorm_status bnorm_check_total(bnorm_ctx *ctx, double n);
bnorm_status bnorm_check_divisor(bnorm_ctx *ctx, double n, double ddof);

/* Given statistics: eps legal, mean and var there, no var negative. */
bnorm_status bnorm_check_statistics(bnorm_ctx *ctx, ptrdiff_t cols, const double *mean,
                                    const double *var, double eps);

/* Returns the status of a call from the calling function unless it is success. */
#define BNORM_TRY(call)                                                                        \
    do {                                                                                       \
        bnorm_status try_status_ = (call);                                                     \
        if (try_status_ != BNORM_OK) return try_status_;                                       \
    } while (0)

/* The cut of a view into blocks of `height` rows and strips of `width` columns; it depends on
 * rows, cols, layout and the size of an element alone. */
typedef struct bnorm_cut {
    ptrdiff_t rows, cols;
    ptrdiff_t height, blocks, width, strips;
} bnorm_cut;
bnorm_cut bnorm_cut_of(const bnorm_view *v);

/* Block b of a cut: rows r .. r_end-1; strip s: columns c .. c_end-1. */
typedef struct bnorm_range {
    ptrdiff_t begin, end;
} bnorm_range;
bnorm_range bnorm_cut_block(const bnorm_cut *cut, ptrdiff_t b);
bnorm_range bnorm_cut_strip(const bnorm_cut *cut, ptrdiff_t s);

/* Whether a strip should go through all its phases in one task, while it is in cache, and not
 * all strips and blocks through one phase after the other. Either way the results are the same.
 */
int bnorm_cut_fused(const bnorm_cut *cut);

/* The block whose turn is b-th when a strip is gone through again: rows from the last to the
 * first, because what was read last is still in cache; columns, which are, in the order of
 * their addresses, as memory likes it best. */
static inline ptrdiff_t bnorm_cut_again(const bnorm_cut *cut, const bnorm_view *v, ptrdiff_t b)
{
    return v->layout == BNORM_COL_MAJOR ? b : cut->blocks - 1 - b;
}

/* The cut for a map that needs no sums: no more pieces than the context's threads want. */
bnorm_cut bnorm_cut_for_map(const bnorm_ctx *ctx, const bnorm_view *v);

/* bnorm_parallel, unless the work is so small that one thread is sooner done. */
void bnorm_cut_spread(bnorm_ctx *ctx, const bnorm_view *v, ptrdiff_t count,
                      void (*task)(void *argument, ptrdiff_t k), void *argument);

/* bnorm_parallel_back likewise: what was read last is still in cache. */
void bnorm_cut_spread_back(bnorm_ctx *ctx, const bnorm_view *v, ptrdiff_t count,
                           void (*task)(void *argument, ptrdiff_t k), void *argument);

/* Whether an output should bypass the caches: it and the inputs are larger than them. */
int bnorm_view_streams(const bnorm_view *out, ptrdiff_t arrays);

/* 1/sqrt(v + eps); 0 when that root is 0; NaN when the variance has overflowed. */
double bnorm_rstd(double variance, double eps);

/* widens gamma or beta (of the view's precision) from column c on; NULL: fills with `absent`.
 */
void bnorm_widen(const bnorm_view *v, const void *from, double absent, bnorm_range c,
                 double *to);

#endif
