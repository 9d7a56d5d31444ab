/* covariance_use: what a covariance says of parameters and of linear functions of them. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "panel/covariance.h"

#define NULL_PART 1e-6 /* of a direction in the null space: more is not identified */

void bnorm_covariance_free(covariance *c)
{
    bnorm_free(c->matrix);
    bnorm_free(c->null);
    bnorm_free(c->scale);
    bnorm_free(c->values);
    *c = (covariance){0};
}

/* In the scaled parameters the function has coefficients g_j / scale_j. */
int bnorm_covariance_identifies(const covariance *c, const double *coefficients)
{
    double all = 0, part = 0;
    for (ptrdiff_t j = 0; j < c->parameters; j++) {
        double g = coefficients[j] / c->scale[j];
        all += g * g;
    }
    for (ptrdiff_t k = 0; k < c->parameters - c->rank; k++) {
        const double *row = c->null + k * c->parameters;
        double along = 0;
        for (ptrdiff_t j = 0; j < c->parameters; j++)
            along += row[j] * (coefficients[j] / c->scale[j]);
        part += along * along;
    }
    return sqrt(part) <= NULL_PART * sqrt(all);
}

double bnorm_covariance_error(const covariance *c, const double *coefficients)
{
    double variance = 0;
    if (!bnorm_covariance_identifies(c, coefficients)) return NAN;
    for (ptrdiff_t i = 0; i < c->parameters; i++) {
        double sum = 0;
        for (ptrdiff_t j = 0; j < c->parameters; j++)
            sum += c->matrix[i * c->parameters + j] * coefficients[j];
        variance += coefficients[i] * sum;
    }
    return sqrt(fmax(variance, 0));
}

static int identified(const covariance *c, ptrdiff_t j)
{
    double part = 0;
    for (ptrdiff_t k = 0; k < c->parameters - c->rank; k++) {
        double v = c->null[k * c->parameters + j];
        part += v * v;
    }
    return sqrt(part) <= NULL_PART;
}

void bnorm_covariance_copy(const covariance *c, bnorm_mat_f64 out)
{
    for (ptrdiff_t i = 0; i < out.rows; i++)
        for (ptrdiff_t j = 0; j < out.cols; j++) {
            ptrdiff_t at = out.layout == BNORM_ROW_MAJOR ? i * out.ld + j : j * out.ld + i;
            out.data[at] = c->matrix[i * c->parameters + j];
        }
    for (ptrdiff_t j = 0; j < out.rows; j++)
        for (ptrdiff_t i = 0; !identified(c, j) && i < out.rows; i++) {
            int row_major = out.layout == BNORM_ROW_MAJOR;
            out.data[row_major ? i * out.ld + j : j * out.ld + i] = NAN;
            out.data[row_major ? j * out.ld + i : i * out.ld + j] = NAN;
        }
}

/* The largest entry of rows first .. of x, its column into *col. */
static ptrdiff_t pivot(ptrdiff_t first, ptrdiff_t rows, ptrdiff_t cols, const double *x,
                       ptrdiff_t *col)
{
    ptrdiff_t best = first;
    double largest = -1;
    for (ptrdiff_t k = first; k < rows; k++)
        for (ptrdiff_t j = 0; j < cols; j++)
            if (fabs(x[k * cols + j]) > largest) {
                largest = fabs(x[k * cols + j]);
                best = k;
                *col = j;
            }
    return best;
}

void bnorm_covariance_null(const covariance *c, double *out, ptrdiff_t *places)
{
    ptrdiff_t rows = c->parameters - c->rank, cols = c->parameters;
    memcpy(out, c->null, (size_t)(rows * cols) * sizeof *out);
    for (ptrdiff_t k = 0; k < rows; k++) {
        ptrdiff_t p = pivot(k, rows, cols, out, &places[k]);
        double *row = out + k * cols, *other = out + p * cols, size;
        for (ptrdiff_t j = 0; j < cols; j++) {
            double a = row[j];
            row[j] = other[j];
            other[j] = a;
        }
        size = row[places[k]];
        for (ptrdiff_t j = 0; j < cols; j++) row[j] /= size;
        for (ptrdiff_t m = 0; m < rows; m++) {
            double times = m == k ? 0 : out[m * cols + places[k]];
            for (ptrdiff_t j = 0; j < cols; j++) out[m * cols + j] -= times * row[j];
        }
    }
}
