/* predict_error: standard errors of the rows that a reader has loaded. */
#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "structured/reader.h"
#include "structured/vcov.h"

/* Codes and slopes of all factors, and views of X. */
typedef struct loaded {
    int32_t *codes;
    double *slopes;
    const int32_t **code_of;
    const double **slope_of;
    bnorm_mat_f64 *x;
} loaded;

static void release(loaded *a)
{
    bnorm_free(a->codes);
    bnorm_free(a->slopes);
    bnorm_free(a->code_of);
    bnorm_free(a->slope_of);
    bnorm_free(a->x);
}

static bnorm_status reserve(const panel_reader *r, loaded *a)
{
    ptrdiff_t factors = r->panel->info.factors, size;
    if (!bnorm_multiply(factors, r->count, &size))
        return bnorm_fail_memory(r->ctx, "the fixed effects of predictions");
    a->codes = bnorm_alloc(r->ctx, size, sizeof *a->codes);
    a->slopes = bnorm_alloc(r->ctx, size, sizeof *a->slopes);
    a->code_of = bnorm_alloc(r->ctx, factors, sizeof *a->code_of);
    a->slope_of = bnorm_alloc_zero(r->ctx, factors, sizeof *a->slope_of);
    a->x = bnorm_alloc(r->ctx, r->panel->info.networks, sizeof *a->x);
    if (a->codes && a->slopes && a->code_of && a->slope_of && a->x) return BNORM_OK;
    return bnorm_fail_memory(r->ctx, "the fixed effects of predictions");
}

static bnorm_status fill(panel_reader *r, const ptrdiff_t *rows, loaded *a)
{
    const bnorm_panel *p = r->panel;
    for (ptrdiff_t k = 0; k < p->info.factors; k++) {
        a->code_of[k] = a->codes + k * r->count;
        bnorm_panel_codes(&r->bar, p->factors + k, rows, r->count, a->codes + k * r->count);
        if (p->factors[k].effect.slope < 0) continue;
        a->slope_of[k] = a->slopes + k * r->count;
        BNORM_TRY(bnorm_panel_slope(&r->bar, p->factors + k, rows, r->count,
                                    a->slopes + k * r->count));
    }
    for (ptrdiff_t k = 0; k < p->info.networks; k++)
        a->x[k] = bnorm_view_f64(r->x[k], r->count, bnorm_frame_inputs(p->networks[k]),
                                 BNORM_ROW_MAJOR);
    return BNORM_OK;
}

bnorm_status bnorm_reader_errors(panel_reader *r, const bnorm_vcov *vcov, const ptrdiff_t *rows,
                                 const double *score, double *se)
{
    loaded a = {0};
    bnorm_status status = reserve(r, &a);
    if (status == BNORM_OK) status = fill(r, rows, &a);
    panel_places places = {
        .count = r->count,
        .p = bnorm_view_f64(r->p, r->count, r->panel->info.linear, BNORM_ROW_MAJOR),
        .x = a.x,
        .codes = a.code_of,
        .slopes = a.slope_of,
        .scores = score};
    if (status == BNORM_OK) status = bnorm_vcov_errors(r->ctx, r->panel, vcov, &places, se);
    release(&a);
    return status;
}
