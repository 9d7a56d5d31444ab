/* kernel: the loops of batch normalisation as tables of functions, one table for each
 * instruction set and precision. Kernels allocate nothing, keep nothing, cannot fail and know
 * no threads. Sums are made in double of data read as double. Elementwise kernels compute in
 * the precision of the data: of float data to 4 units of roundoff instead of 1, with a mean
 * that is not rounded, and for any scale (terms_f32.inc). Products are fused with sums only
 * where the source says so (MADD), so an element has the same bits whatever its place in a
 * vector; what is made element by element (affine, slope) or column by column (row_sums,
 * row_pair_sums) has them on every instruction set that fuses. */
#ifndef BNORM_KERNEL_KERNEL_H
#define BNORM_KERNEL_KERNEL_H

#include <stddef.h>

/* A piece of a row-major matrix: entry (r, c) is data[r * ld + c], if not said otherwise. */
typedef struct bnorm_tile {
    const void *data;
    ptrdiff_t rows, cols, ld;
} bnorm_tile;

/* y = (x - mean) scale + shift: vectors of one number a column. */
typedef struct bnorm_affine {
    const double *mean, *scale, *shift;
} bnorm_affine;

/* (B3) as dx = scale [ w - omega (p + (x - mean) q) ], with scale = gamma rstd,
 * p = dbeta/n and q = rstd dgamma/M. */
typedef struct bnorm_slope {
    const double *mean, *scale, *p, *q;
} bnorm_slope;

/* Where the coefficients of (B3) go, but for the mean. */
typedef struct bnorm_coefficients {
    double *scale, *p, *q;
} bnorm_coefficients;

/* Rows to be normalised, each over itself. mean, rstd, p, q: one for each row. gamma, beta: of the
 * kernel's precision, one for each column. But where rows are the `channels` of one group, it
 * has one of the former, and each row has its gamma and beta. ahead: of rows in memory, so many
 * rows on are fetched meanwhile; else 0. */
typedef struct bnorm_layer_rows {
    const double *mean, *rstd, *p, *q;
    const void *gamma, *beta;
    int channels;
    ptrdiff_t ahead;
} bnorm_layer_rows;

/* Of rows, set: u = sum(gamma w), ud = sum(gamma w (x - mean)). Of columns, added to: dgamma +=
 * sum(w (x - mean) rstd), dbeta += sum(w). */
typedef struct bnorm_layer_sums {
    double *u, *ud, *dgamma, *dbeta;
} bnorm_layer_sums;

/* The activations, in the order of the tables below. */
enum {
    BNORM_IDENTITY,
    BNORM_RELU,
    BNORM_LEAKY_RELU,
    BNORM_TANH,
    BNORM_LOGISTIC,
    BNORM_SOFTPLUS,
    BNORM_GELU,
    BNORM_FUNCTIONS
};
#define BNORM_LEAKY_SLOPE 0.01

/* Weights may be NULL (all 1). Outputs may be the inputs. `stream` non-zero: the output will
 * not be read soon, so it may bypass the caches. Sums are added to what the vectors hold. */
typedef struct bnorm_kernels {
    const char *isa;
    size_t size; /* of an element */

    /* pivot[c] = the mean of the first 8 (4, 2, 1) rows; of equal values exactly their value.
     */
    void (*row_pivot)(const bnorm_tile *x, double *pivot);
    /* s1 += sum(omega d), s2 += sum(omega d^2), d = x - pivot. */
    void (*row_sums)(const bnorm_tile *x, const double *weights, const double *pivot,
                     double *s1, double *s2);
    /* s1 += sum(w), s2 += sum(w (x - mean)): (B1) and (B2) before rstd. */
    void (*row_pair_sums)(const bnorm_tile *x, const bnorm_tile *w, const double *mean,
                          double *s1, double *s2);
    void (*row_affine)(const bnorm_tile *x, const bnorm_affine *a, void *y, ptrdiff_t ld,
                       int stream);
    void (*row_slope)(const bnorm_tile *x, const bnorm_tile *w, const double *weights,
                      const bnorm_slope *a, void *dx, ptrdiff_t ld, int stream);

    /* The same of a column-major tile, whose entry (r, c) is data[r + c * ld]; but sums are
     * set, not added to. */
    void (*column_pivot)(const bnorm_tile *x, double *pivot);
    void (*column_sums)(const bnorm_tile *x, const double *weights, const double *pivot,
                        double *s1, double *s2);
    void (*column_pair_sums)(const bnorm_tile *x, const bnorm_tile *w, const double *mean,
                             double *s1, double *s2);
    void (*column_affine)(const bnorm_tile *x, const bnorm_affine *a, void *y, ptrdiff_t ld,
                          int stream);
    void (*column_slope)(const bnorm_tile *x, const bnorm_tile *w, const double *weights,
                         const bnorm_slope *a, void *dx, ptrdiff_t ld, int stream);

    /* One contiguous line of `count` values: sums[0] += sum(w), sums[1] += sum(w (x - mean)). */
    void (*line_pair_sums)(ptrdiff_t count, const void *x, const void *w, double mean,
                           double sums[2]);

    /* From sums about the pivot (mean: s1, m2: s2) to mean and M2, in their place. Returns
     * whether some column's pivot was far from its mean; that pivot is moved to the mean, the
     * others stay, and so will their bits in another pass. */
    int (*moments)(ptrdiff_t cols, double n, double *pivot, double *mean, double *m2);
    /* rstd = 1/sqrt(m2/divisor + eps), 0 for a root of 0; scale = gamma rstd. gamma, of the
     * kernel's precision, may be NULL: all 1. */
    void (*scales)(ptrdiff_t cols, const double *m2, double divisor, double eps,
                   const void *gamma, double *rstd, double *scale);
    /* dgamma, the sum of w (x - mean), becomes (B2); the coefficients of (B3). */
    void (*slopes)(ptrdiff_t cols, double n, double divisor, const void *gamma,
                   const double *rstd, const double *dbeta, double *dgamma,
                   const bnorm_coefficients *to);

    /* Layer normalisation of the rows of a tile: y = ((x - mean) rstd) gamma + beta. */
    void (*layer_affine)(const bnorm_tile *x, const bnorm_layer_rows *l, void *y, ptrdiff_t ld,
                         int stream);
    /* With u = gamma w, of rows that are no channels: see bnorm_layer_sums. */
    void (*layer_sums)(const bnorm_tile *x, const bnorm_tile *w, const bnorm_layer_rows *l,
                       const bnorm_layer_sums *to);
    /* dx = rstd [ gamma w - (p + (x - mean) q) ]. */
    void (*layer_slope)(const bnorm_tile *x, const bnorm_tile *w, const bnorm_layer_rows *l,
                        void *dx, ptrdiff_t ld, int stream);

    /* The same of the rows of a column-major tile, with the statistics of each; but sums of rows
     * are added to, too. channels: its columns are one channel. ahead: so many rows on. */
    void (*layer_columns_affine)(const bnorm_tile *x, const bnorm_layer_rows *l, void *y,
                                 ptrdiff_t ld, int stream);
    void (*layer_columns_sums)(const bnorm_tile *x, const bnorm_tile *w,
                               const bnorm_layer_rows *l, const bnorm_layer_sums *to);
    void (*layer_columns_slope)(const bnorm_tile *x, const bnorm_tile *w,
                                const bnorm_layer_rows *l, void *dx, ptrdiff_t ld, int stream);

    void (*widen)(ptrdiff_t count, const void *from, double *to);
    void (*narrow)(ptrdiff_t count, const double *from, void *to);
    /* y(r, c) = x(r, c) scale[c] for tile x; y may be x. */
    void (*row_scale)(const bnorm_tile *x, const double *scale, void *y, ptrdiff_t ld);

    /* Normalisation and function f of a tile: y = a(b) or, with dv, y = dv a'(b), where b is the
     * affine map of x; y may be x or dv. lines: the tiles are column-major, ld is the distance of
     * columns. */
    void (*fused)(int f, int lines, const bnorm_tile *x, const bnorm_tile *dv,
                  const bnorm_affine *a, void *y, ptrdiff_t ld, int stream);
    /* v = a(b), db = dv a'(b) for `count` elements, to 4 units in the last place (gelu: 8);
     * v may be b, db may be dv or b. */
    void (*value[BNORM_FUNCTIONS])(ptrdiff_t count, const void *b, void *v);
    void (*gradient[BNORM_FUNCTIONS])(ptrdiff_t count, const void *b, const void *dv, void *db);
} bnorm_kernels;

/* The tables in use: the best instruction set, or the lesser one that BNORM_ISA named when they
 * were first asked for. */
const bnorm_kernels *bnorm_kernels_f64(void);
const bnorm_kernels *bnorm_kernels_f32(void);

/* Instruction sets from the least (0: "scalar") on: the table for elements of `size` bytes,
 * NULL when this build or processor does not have it. */
enum { BNORM_ISA_COUNT = 4 };
const bnorm_kernels *bnorm_kernels_at(int isa, size_t size);

/* The level that a wish (BNORM_ISA, or NULL) leads to. */
int bnorm_isa_choose(const char *wish);

/* One pair a file; present where the compiler targets that processor family. */
extern const bnorm_kernels bnorm_kernels_scalar[2], bnorm_kernels_avx2[2],
    bnorm_kernels_avx512[2], bnorm_kernels_neon[2];

#endif
