/* reference_support: see the header. Padding is NaN, so reading it shows. */
#include "reference_support.h"

#include <math.h>
#include <stdlib.h>

double *cell_of(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j)
{
    return m.data + (m.layout == BNORM_ROW_MAJOR ? i * m.ld + j : j * m.ld + i);
}

/* A matrix with padding of its own; released by free(m.data). */
bnorm_mat_f64 padded_matrix(ptrdiff_t rows, ptrdiff_t cols, bnorm_layout layout)
{
    ptrdiff_t lines = layout == BNORM_ROW_MAJOR ? rows : cols;
    ptrdiff_t ld = (layout == BNORM_ROW_MAJOR ? cols : rows) + 2;
    double *data = malloc((size_t)(lines * ld + 1) * sizeof *data);
    for (ptrdiff_t k = 0; k < lines * ld; k++) data[k] = NAN;
    return (bnorm_mat_f64){data, rows, cols, ld, layout};
}

bnorm_mat_f64 random_matrix(uint64_t stream, ptrdiff_t rows, ptrdiff_t cols,
                            bnorm_layout layout)
{
    bnorm_mat_f64 m = padded_matrix(rows, cols, layout);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            bnorm_random_normal(11, stream, (uint64_t)(i * cols + j), 1, cell_of(m, i, j));
    return m;
}

bnorm_mat_f64 product_of(bnorm_mat_f64 a, bnorm_mat_f64 b)
{
    bnorm_mat_f64 c = padded_matrix(a.rows, b.cols, BNORM_COL_MAJOR);
    for (ptrdiff_t i = 0; i < a.rows; i++)
        for (ptrdiff_t j = 0; j < b.cols; j++) {
            long double sum = 0;
            for (ptrdiff_t k = 0; k < a.cols; k++)
                sum += (long double)*cell_of(a, i, k) * *cell_of(b, k, j);
            *cell_of(c, i, j) = (double)sum;
        }
    return c;
}

bnorm_mat_f64 transpose_of(bnorm_mat_f64 a)
{
    bnorm_mat_f64 t = {a.data, a.cols, a.rows, a.ld,
                       a.layout == BNORM_ROW_MAJOR ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR};
    return t;
}

double largest_of(bnorm_mat_f64 a)
{
    double most = 0;
    for (ptrdiff_t i = 0; i < a.rows; i++)
        for (ptrdiff_t j = 0; j < a.cols; j++) most = fmax(most, fabs(*cell_of(a, i, j)));
    return most;
}

/* Equal within `bound` times the largest element, or times `terms`, the size of what was added
 * up to make the elements, when that is larger; NaN is never equal. */
void assert_within(bnorm_mat_f64 a, bnorm_mat_f64 b, double bound, double terms)
{
    assert_int_equal(a.rows, b.rows);
    assert_int_equal(a.cols, b.cols);
    double scale = fmax(largest_of(b), terms);
    for (ptrdiff_t i = 0; i < a.rows; i++)
        for (ptrdiff_t j = 0; j < a.cols; j++) {
            double difference = fabs(*cell_of(a, i, j) - *cell_of(b, i, j));
            if (!(difference <= bound * scale))
                fail_msg("entry %td,%td: %.17g and %.17g", i, j, *cell_of(a, i, j),
                         *cell_of(b, i, j));
        }
}

void assert_near(bnorm_mat_f64 a, bnorm_mat_f64 b, double bound)
{
    assert_within(a, b, bound, 0);
}

bnorm_mat_f64 vec_of(bnorm_mat_f64 a)
{
    bnorm_mat_f64 v = padded_matrix(a.rows * a.cols, 1, BNORM_COL_MAJOR);
    assert_ok(NULL, bnorm_vec_f64(NULL, a, v.data));
    return v;
}

void free_all(int count, const bnorm_mat_f64 *m)
{
    for (int k = 0; k < count; k++) free(m[k].data);
}
