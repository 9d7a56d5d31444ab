/* least_qr: Householder's QR of a tall matrix without Q: a triangle takes block after block of rows
 * in (each chunk of rows its own, joined in order), so the matrix is read once and the right side
 * goes with it as the last column. Columns that depend on earlier ones are left out in the small
 * triangle, the first of them win. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "layer/layer.h"
#include "panel/least.h"

enum { BLOCK = 256 };

static const double dependent = 1e-10;

/* Rows (count x cols) under the triangle (cols x cols) go into it: column by column the reflection
 * that clears what is below the diagonal. rows are spent. room: cols. */
static void take_rows(double *triangle, ptrdiff_t cols, double *rows, ptrdiff_t count,
                      double *room)
{
    for (ptrdiff_t j = 0; j < cols; j++) {
        double *top = triangle + j * cols, below = 0;
        for (ptrdiff_t i = 0; i < count; i++) below += rows[i * cols + j] * rows[i * cols + j];
        if (below == 0) continue;
        double norm = sqrt(top[j] * top[j] + below), head = top[j] + copysign(norm, top[j]);
        double tau = 1 / (norm * fabs(head)); /* 2/v'v, v = (head, rows of column j) */
        for (ptrdiff_t k = j + 1; k < cols; k++) room[k] = head * top[k];
        for (ptrdiff_t i = 0; i < count; i++)
            for (ptrdiff_t k = j + 1; k < cols; k++)
                room[k] += rows[i * cols + j] * rows[i * cols + k];
        for (ptrdiff_t k = j + 1; k < cols; k++) top[k] -= tau * room[k] * head;
        for (ptrdiff_t i = 0; i < count; i++)
            for (ptrdiff_t k = j + 1; k < cols; k++)
                rows[i * cols + k] -= tau * room[k] * rows[i * cols + j];
        top[j] = -copysign(norm, top[j]);
    }
}

static void chunk_triangle(void *argument, ptrdiff_t chunk)
{
    const least *l = argument;
    ptrdiff_t wide = l->cols + 1, end = smaller((chunk + 1) * l->chunk_rows, l->rows);
    double *rows = l->scratch + chunk * BLOCK * wide, *triangle = l->sums + chunk * wide * wide;
    memset(triangle, 0, (size_t)(wide * wide) * sizeof *triangle);
    for (ptrdiff_t i = chunk * l->chunk_rows; i < end;) {
        ptrdiff_t count = smaller(BLOCK - 1, end - i); /* a row of room */
        for (ptrdiff_t r = 0; r < count; r++, i++) {
            double root = sqrt((l->weights ? l->weights[i] : 1) / l->n);
            for (ptrdiff_t k = 0; k < l->cols; k++)
                rows[r * wide + k] = root * l->a[i * l->ld + k];
            rows[r * wide + l->cols] = l->u ? root * l->u[i] : 0;
        }
        take_rows(triangle, wide, rows, count, rows + count * wide);
    }
}

void bnorm_least_triangle(bnorm_ctx *ctx, least *l)
{
    ptrdiff_t wide = l->cols + 1;
    double work = (double)l->rows * (double)wide * (double)wide;
    bnorm_parallel(bnorm_worth(ctx, work), l->chunks, chunk_triangle, l);
    for (ptrdiff_t c = 1; c < l->chunks; c++)
        take_rows(l->sums, wide, l->sums + c * wide * wide, wide, l->scratch);
}

/* The rows sqrt(ridge_j) (d_j | -b_j). */
static void take_ridge(least *l, const double *b)
{
    ptrdiff_t wide = l->cols + 1;
    double *row = l->scratch, *room = row + wide;
    for (ptrdiff_t k = 0; k < l->cols; k++) {
        if (l->ridge[k] == 0) continue;
        memset(row, 0, (size_t)wide * sizeof *row);
        row[k] = sqrt(l->ridge[k]);
        row[l->cols] = -row[k] * b[k];
        take_rows(l->sums, wide, row, 1, room);
    }
}

/* ------------------------------------------------------------------------------ dependence */

static double column_norm(const double *t, ptrdiff_t wide, ptrdiff_t k, ptrdiff_t from)
{
    double sum = 0;
    for (ptrdiff_t i = from; i < wide; i++) sum += t[i * wide + k] * t[i * wide + k];
    return sqrt(sum);
}

/* The reflection that puts rows row .. of column j into row `row`. */
static void reflect(double *t, ptrdiff_t wide, ptrdiff_t row, ptrdiff_t j, double norm)
{
    double head = t[row * wide + j] + copysign(norm, t[row * wide + j]);
    double tau = 1 / (norm * fabs(head));
    for (ptrdiff_t k = j + 1; k < wide; k++) {
        double sum = head * t[row * wide + k];
        for (ptrdiff_t i = row + 1; i < wide; i++) sum += t[i * wide + j] * t[i * wide + k];
        t[row * wide + k] -= tau * sum * head;
        for (ptrdiff_t i = row + 1; i < wide; i++)
            t[i * wide + k] -= tau * sum * t[i * wide + j];
    }
    t[row * wide + j] = -copysign(norm, t[row * wide + j]);
    for (ptrdiff_t i = row + 1; i < wide; i++) t[i * wide + j] = 0;
}

ptrdiff_t bnorm_least_keep(double *triangle, ptrdiff_t cols, const double *least_norm,
                           unsigned char *in)
{
    ptrdiff_t kept = 0;
    for (ptrdiff_t j = 0; j < cols; j++) {
        double norm = column_norm(triangle, cols + 1, j, kept);
        in[j] = norm > least_norm[j];
        if (in[j]) reflect(triangle, cols + 1, kept++, j, norm);
    }
    return kept;
}

void bnorm_least_qr(bnorm_ctx *ctx, least *l, const double *b, double *d)
{
    ptrdiff_t wide = l->cols + 1;
    double *t = l->sums;
    bnorm_least_triangle(ctx, l);
    take_ridge(l, b);
    for (ptrdiff_t k = 0; k < l->cols; k++)
        l->diagonal[k] = dependent * column_norm(t, wide, k, 0);
    ptrdiff_t row = bnorm_least_keep(t, l->cols, l->diagonal, l->in);
    for (ptrdiff_t j = l->cols - 1; j >= 0; j--) {
        d[j] = 0 - b[j];
        if (!l->in[j]) continue;
        row--;
        double sum = t[row * wide + l->cols];
        for (ptrdiff_t k = j + 1; k < l->cols; k++) sum -= t[row * wide + k] * d[k];
        d[j] = sum / t[row * wide + j];
    }
}
