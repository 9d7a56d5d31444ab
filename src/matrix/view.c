/* view: the checks of arguments, with sentences that say what was given and what is needed. */
#include "matrix/view.h"

#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"

bnorm_view bnorm_view_of_f64(bnorm_mat_f64 m)
{
    return (bnorm_view){bnorm_kernels_f64(), (char *)m.data, m.rows, m.cols, m.ld, m.layout};
}

bnorm_view bnorm_view_of_f32(bnorm_mat_f32 m)
{
    return (bnorm_view){bnorm_kernels_f32(), (char *)m.data, m.rows, m.cols, m.ld, m.layout};
}

bnorm_tile bnorm_view_tile(const bnorm_view *v, ptrdiff_t r, ptrdiff_t r_end, ptrdiff_t c,
                           ptrdiff_t c_end)
{
    return (bnorm_tile){bnorm_view_at(v, r, c), r_end - r, c_end - c, v->ld};
}

static int overflows(const bnorm_view *v)
{
    ptrdiff_t lines = v->layout == BNORM_ROW_MAJOR ? v->rows : v->cols, count, bytes;
    return !bnorm_multiply(lines, v->ld, &count) ||
           !bnorm_multiply(count, (ptrdiff_t)v->k->size, &bytes);
}

bnorm_status bnorm_check_view(bnorm_ctx *ctx, const bnorm_view *v, const char *name)
{
    if (v->layout != BNORM_ROW_MAJOR && v->layout != BNORM_COL_MAJOR)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the layout of %s is %d; it must be BNORM_ROW_MAJOR (101) or "
                          "BNORM_COL_MAJOR (102)",
                          name, (int)v->layout);
    if (v->rows < 0 || v->cols < 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "%s is %td x %td; rows and columns must not be negative", name,
                          v->rows, v->cols);
    ptrdiff_t width = v->layout == BNORM_ROW_MAJOR ? v->cols : v->rows;
    if (v->ld < width)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "ld of %s is %td; it must be at least the number of %s, %td", name,
                          v->ld, v->layout == BNORM_ROW_MAJOR ? "columns" : "rows", width);
    if (overflows(v))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "%s, %td x %td with ld %td, is larger than the address space", name,
                          v->rows, v->cols, v->ld);
    if (!v->data && v->rows > 0 && v->cols > 0)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the data of %s are NULL; %td x %td expected",
                          name, v->rows, v->cols);
    return BNORM_OK;
}

bnorm_status bnorm_check_like(bnorm_ctx *ctx, const bnorm_view *v, const char *name,
                              const bnorm_view *x, const char *x_name)
{
    BNORM_TRY(bnorm_check_view(ctx, v, name));
    if (v->rows != x->rows || v->cols != x->cols)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s is %td x %td; it must be %td x %td as %s",
                          name, v->rows, v->cols, x->rows, x->cols, x_name);
    if (v->layout != x->layout)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s and %s must have the same layout", name,
                          x_name);
    if (v->data == x->data && v->data && v->ld != x->ld)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "%s is in place of %s, but its ld is %td and not %td", name, x_name,
                          v->ld, x->ld);
    return BNORM_OK;
}

bnorm_status bnorm_check_pointer(bnorm_ctx *ctx, const void *pointer, const char *name)
{
    if (pointer) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s is NULL; it is needed here", name);
}

bnorm_status bnorm_check_number(bnorm_ctx *ctx, double value, const char *name)
{
    if (isfinite(value) && value >= 0) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s is %g; it must be finite and at least 0", name,
                      value);
}

bnorm_status bnorm_check_rule(bnorm_ctx *ctx, bnorm_rule rule)
{
    BNORM_TRY(bnorm_check_number(ctx, rule.eps, "eps"));
    return bnorm_check_number(ctx, rule.ddof, "ddof");
}

bnorm_status bnorm_check_weights(bnorm_ctx *ctx, ptrdiff_t rows, const double *weights)
{
    for (ptrdiff_t i = 0; weights && i < rows; i++)
        if (!(weights[i] >= 0 && weights[i] <= 1.79769313486231571e308))
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "the weight of row %td is %g; weights must be finite and at "
                              "least 0",
                              i + 1, weights[i]);
    return BNORM_OK;
}

bnorm_status bnorm_check_total(bnorm_ctx *ctx, double n)
{
    if (isfinite(n)) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                      "the weights add up to more than any number; divide them by a constant");
}

bnorm_status bnorm_check_divisor(bnorm_ctx *ctx, double n, double ddof)
{
    BNORM_TRY(bnorm_check_total(ctx, n));
    if (n - ddof > 0) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_DOMAIN,
                      "n - ddof = %g - %g is not positive; give more observations (a weight "
                      "counts as that many) or a smaller ddof",
                      n, ddof);
}

double bnorm_rstd(double variance, double eps)
{
    double square = variance + eps;
    if (square == 0) return 0;
    return isinf(square) ? (double)NAN : 1 / sqrt(square);
}

void bnorm_widen(const bnorm_view *v, const void *from, double absent, bnorm_range c,
                 double *to)
{
    if (from)
        v->k->widen(c.end - c.begin, bnorm_view_entry(v, from, c.begin), to);
    else
        for (ptrdiff_t j = 0; j < c.end - c.begin; j++) to[j] = absent;
}
