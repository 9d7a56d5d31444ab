/* infer: y = gamma (x - mean)/sqrt(var + eps) + beta with given statistics, and the fold of
 * that map into the dense layer before it (maths.md section 5). */
#include "matrix/affine.h"
#include "matrix/scratch.h"

bnorm_status bnorm_check_statistics(bnorm_ctx *ctx, ptrdiff_t cols, const double *mean,
                                    const double *var, double eps)
{
    BNORM_TRY(bnorm_check_number(ctx, eps, "eps"));
    if (cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, mean, "mean"));
    BNORM_TRY(bnorm_check_pointer(ctx, var, "var"));
    for (ptrdiff_t c = 0; c < cols; c++)
        if (var[c] < 0)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                              "var of column %td is %g; a variance must not be negative", c + 1,
                              var[c]);
    return BNORM_OK;
}

/* gamma/sqrt(var + eps) of every column; rstd: room for 1/sqrt(var + eps). */
static void scales(const bnorm_view *x, const void *gamma, const double *var, double eps,
                   double *rstd, double *scale)
{
    x->k->scales(x->cols, var, 1, eps, gamma, rstd, scale);
}

typedef struct given {
    const void *gamma, *beta;
    const double *mean, *var;
    double eps;
} given;

static bnorm_status infer(bnorm_ctx *ctx, const bnorm_view *x, const given *g,
                          const bnorm_view *y)
{
    BNORM_TRY(bnorm_check_view(ctx, x, "x"));
    BNORM_TRY(bnorm_check_like(ctx, y, "y", x, "x"));
    BNORM_TRY(bnorm_check_statistics(ctx, x->cols, g->mean, g->var, g->eps));
    if (x->cols == 0 || x->rows == 0) return BNORM_OK;
    bnorm_scratch scratch;
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 2, x->cols, 0));
    double *scale = bnorm_scratch_take(&scratch, x->cols);
    double *shift = bnorm_scratch_take(&scratch, x->cols);
    scales(x, g->gamma, g->var, g->eps, shift, scale); /* shift: not yet in use */
    bnorm_widen(x, g->beta, 0, (bnorm_range){0, x->cols}, shift);
    bnorm_affine_job job = {.x = x,
                            .y = y,
                            .cut = bnorm_cut_for_map(ctx, x),
                            .a = {g->mean, scale, shift},
                            .stream = x->data != y->data && bnorm_view_streams(y, 2)};
    bnorm_affine_run(ctx, &job);
    bnorm_scratch_close(&scratch);
    return BNORM_OK;
}

bnorm_status bnorm_infer_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *gamma,
                             const double *beta, const double *mean, const double *var,
                             double eps, bnorm_mat_f64 y)
{
    bnorm_view from = bnorm_view_of_f64(x), to = bnorm_view_of_f64(y);
    return infer(ctx, &from, &(given){gamma, beta, mean, var, eps}, &to);
}

bnorm_status bnorm_infer_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const float *gamma,
                             const float *beta, const double *mean, const double *var,
                             double eps, bnorm_mat_f32 y)
{
    bnorm_view from = bnorm_view_of_f32(x), to = bnorm_view_of_f32(y);
    return infer(ctx, &from, &(given){gamma, beta, mean, var, eps}, &to);
}

/* g1_out = g1 diag(scale). A column-major matrix is scaled column by column, as a line whose
 * mean and shift are 0. */
static void scale_columns(const bnorm_view *g1, const double *scale, const bnorm_view *out)
{
    if (g1->rows == 0) return;
    if (g1->layout == BNORM_ROW_MAJOR) {
        bnorm_tile x = bnorm_view_tile(g1, 0, g1->rows, 0, g1->cols);
        g1->k->row_scale(&x, scale, out->data, out->ld);
        return;
    }
    for (ptrdiff_t c = 0; c < g1->cols; c++) {
        bnorm_tile x = {bnorm_view_at(g1, 0, c), g1->rows, 1, 1};
        g1->k->row_scale(&x, scale + c, bnorm_view_at(out, 0, c), 1);
    }
}

/* bias_out = beta + (bias - mean) scale. Theorem: fold_is_inference. */
static bnorm_status fold(bnorm_ctx *ctx, const bnorm_view *g1, const void *bias, const given *g,
                         const bnorm_view *out, void *bias_out)
{
    BNORM_TRY(bnorm_check_view(ctx, g1, "g1"));
    BNORM_TRY(bnorm_check_like(ctx, out, "g1_out", g1, "g1"));
    BNORM_TRY(bnorm_check_statistics(ctx, g1->cols, g->mean, g->var, g->eps));
    if (g1->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, bias_out, "bias_out"));
    bnorm_scratch scratch;
    bnorm_range all = {0, g1->cols};
    BNORM_TRY(bnorm_scratch_open(ctx, &scratch, 3, g1->cols, 0));
    double *scale = bnorm_scratch_take(&scratch, g1->cols);
    double *shift = bnorm_scratch_take(&scratch, g1->cols);
    double *sum = bnorm_scratch_take(&scratch, g1->cols);
    scales(g1, g->gamma, g->var, g->eps, sum, scale); /* sum: not yet in use */
    bnorm_widen(g1, bias, 0, all, sum);
    bnorm_widen(g1, g->beta, 0, all, shift);
    for (ptrdiff_t c = 0; c < g1->cols; c++)
        sum[c] = shift[c] + (sum[c] - g->mean[c]) * scale[c];
    g1->k->narrow(g1->cols, sum, bias_out);
    scale_columns(g1, scale, out);
    bnorm_scratch_close(&scratch);
    return BNORM_OK;
}

bnorm_status bnorm_fold_f64(bnorm_ctx *ctx, bnorm_mat_f64 g1, const double *bias,
                            const double *gamma, const double *beta, const double *mean,
                            const double *var, double eps, bnorm_mat_f64 g1_out,
                            double *bias_out)
{
    bnorm_view from = bnorm_view_of_f64(g1), to = bnorm_view_of_f64(g1_out);
    return fold(ctx, &from, bias, &(given){gamma, beta, mean, var, eps}, &to, bias_out);
}

bnorm_status bnorm_fold_f32(bnorm_ctx *ctx, bnorm_mat_f32 g1, const float *bias,
                            const float *gamma, const float *beta, const double *mean,
                            const double *var, double eps, bnorm_mat_f32 g1_out,
                            float *bias_out)
{
    bnorm_view from = bnorm_view_of_f32(g1), to = bnorm_view_of_f32(g1_out);
    return fold(ctx, &from, bias, &(given){gamma, beta, mean, var, eps}, &to, bias_out);
}
