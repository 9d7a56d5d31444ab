/* least: ridge least squares on a tall matrix A (rows x cols, row-major): the step d from b that
 * minimises
 *     sum w (u - A d)^2/n + sum ridge_j (b_j + d_j)^2.
 * Rows are cut into blocks and chunks by their number and the columns alone, and sums added in
 * order: the same bits for any number of threads. */
#ifndef BNORM_PANEL_LEAST_H
#define BNORM_PANEL_LEAST_H

#include "bnorm.h"

typedef struct least {
    ptrdiff_t rows, cols, ld;
    const double *a;
    const double *weights; /* rows, or NULL: w */
    const double *u;       /* rows, or NULL (0): a triangle alone */
    double n;
    const double *ridge;          /* cols */
    ptrdiff_t chunks, chunk_rows; /* of the rows */
    double *factor;    /* cols x cols: upper Cholesky factor of the scaled normal matrix */
    double *diagonal;  /* cols: its scales */
    double *right;     /* cols */
    double *sums;      /* chunks x (cols + 1)^2 */
    double *scratch;   /* chunks x a block with its right side */
    unsigned char *in; /* cols: not 0 when the column has a coefficient */
    double *memory;
} least;

bnorm_status bnorm_least_reserve(bnorm_ctx *ctx, ptrdiff_t rows, ptrdiff_t cols, least *l);
void bnorm_least_free(least *l);

/* A'diag(w)A/n + ridge, factored, and `right` = A'diag(w)u/n - ridge b. *good 0: a column is
 * within 1e-4 (its sine) of the span of those before it, and Cholesky is not to be trusted. */
void bnorm_least_factor(bnorm_ctx *ctx, least *l, const double *b, int *good);
/* The same `right` alone. */
void bnorm_least_right(bnorm_ctx *ctx, least *l, const double *b);
/* d from factor and right. */
void bnorm_least_solve(const least *l, double *d);
/* d by Householder's QR of [diag(w)^(1/2) A, u] with the rows of the ridge below. A column that
 * those before it explain but for 1e-10 of it has d = -b: its coefficient is 0. */
void bnorm_least_qr(bnorm_ctx *ctx, least *l, const double *b, double *d);

/* The triangle R of QR, (cols + 1) x (cols + 1), of diag(w/n)^(1/2) [A, u], into sums. */
void bnorm_least_triangle(bnorm_ctx *ctx, least *l);
/* Columns 0 .. cols-1 of the triangle in their order: in[j] 0 when what the columns kept before it
 * leave has a norm of at most least_norm[j]. The kept ones come to a triangle of their own, whose
 * row k stands in row k; the right side likewise. Returns how many are kept. */
ptrdiff_t bnorm_least_keep(double *triangle, ptrdiff_t cols, const double *least_norm,
                           unsigned char *in);

/* e = u - A b (u NULL: 0), and the sum of w e^2. */
double bnorm_least_residual(bnorm_ctx *ctx, const least *l, const double *u, const double *b,
                            double *e);

#endif
