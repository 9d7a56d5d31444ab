/* jacobian: the derivative of the score in all parameters, put together from P, the outputs of the
 * networks and their tangents. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/inference.h"
#include "panel/trace.h"

static ptrdiff_t hidden_of(const problem_network *w)
{
    ptrdiff_t count;
    (void)bnorm_net_parameters(w->net, &count);
    return count;
}

ptrdiff_t bnorm_problem_parameters(const problem *p, int full)
{
    ptrdiff_t count = p->p.cols + p->top_count;
    for (ptrdiff_t k = 0; full && k < p->network_count; k++)
        count += hidden_of(&p->networks[k]);
    return count;
}

static bnorm_status check_size(bnorm_ctx *ctx, ptrdiff_t rows, ptrdiff_t count, int full)
{
    ptrdiff_t size;
    if (!full || (bnorm_multiply(rows, count, &size) && size <= BNORM_JACOBIAN_LIMIT))
        return BNORM_OK;
    return bnorm_fail(
        ctx, BNORM_E_DATA,
        "the full Jacobian of %td rows and %td parameters takes %.1f GiB, and the "
        "limit is %.0f: take the design of the top layer (full = 0)",
        rows, count, (double)rows * (double)count * 0x1p-27,
        (double)BNORM_JACOBIAN_LIMIT * 0x1p-27);
}

/* V and, with `full`, the tangents of one network, for the rows of x from `first` on. */
static bnorm_status put_network(bnorm_ctx *ctx, const problem_network *w, bnorm_mat_f64 x,
                                const double *weights, ptrdiff_t first, bnorm_mat_f64 v,
                                bnorm_mat_f64 hidden)
{
    trace t;
    if (!hidden.data) return bnorm_net_predict(ctx, w->net, x, v);
    bnorm_status status = bnorm_trace_make(ctx, w->net, x, weights, &t);
    if (status == BNORM_OK) bnorm_copy(bnorm_rows_of(t.v, first, v.rows), v);
    if (status == BNORM_OK) status = bnorm_trace_tangents(ctx, &t, w->top, first, hidden);
    bnorm_trace_free(&t);
    return status;
}

/* Where the columns of each network are. */
typedef struct cursor {
    ptrdiff_t top, hidden;
} cursor;

static void views(const problem_network *w, int full, bnorm_mat_f64 out, cursor *at,
                  bnorm_mat_f64 *v, bnorm_mat_f64 *hidden)
{
    *v = bnorm_columns_of(out, at->top, bnorm_net_outputs(w->net));
    *hidden = bnorm_columns_of(out, at->hidden, hidden_of(w));
    at->top += v->cols;
    at->hidden += hidden->cols;
    if (!full) hidden->data = NULL;
}

bnorm_status bnorm_problem_jacobian(bnorm_ctx *ctx, const problem *p, int full, int projected,
                                    bnorm_mat_f64 out)
{
    cursor at = {p->p.cols, p->p.cols + p->top_count};
    BNORM_TRY(check_size(ctx, p->rows, out.cols, full));
    bnorm_copy(p->p, bnorm_columns_of(out, 0, p->p.cols));
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        bnorm_mat_f64 v, hidden;
        views(w, full, out, &at, &v, &hidden);
        BNORM_TRY(put_network(ctx, w, w->x, p->weights, 0, v, hidden));
    }
    if (!projected || !p->within || out.cols == 0) return BNORM_OK;
    return bnorm_demean_f64(ctx, p->within, out, out, NULL);
}

/* ------------------------------------------------------------------------------ other rows */

/* The problem's rows and the new ones below them, which have weight 0 in the statistics. */
static bnorm_status stack(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 x, bnorm_mat_f64 more,
                          double **data, double **weights)
{
    ptrdiff_t rows, size;
    *data = *weights = NULL;
    if (!__builtin_add_overflow(x.rows, more.rows, &rows) &&
        bnorm_multiply(rows, x.cols, &size)) {
        *data = bnorm_alloc(ctx, size, sizeof **data);
        *weights = bnorm_alloc_zero(ctx, rows, sizeof **weights);
    }
    if (!*data || !*weights) return bnorm_fail_memory(ctx, "rows beside those of the problem");
    bnorm_mat_f64 all = bnorm_view_f64(*data, rows, x.cols, BNORM_ROW_MAJOR);
    bnorm_copy(x, bnorm_rows_of(all, 0, x.rows));
    bnorm_copy(more, bnorm_rows_of(all, x.rows, more.rows));
    for (ptrdiff_t i = 0; i < x.rows; i++) (*weights)[i] = p->weights ? p->weights[i] : 1;
    return BNORM_OK;
}

static bnorm_status put_stacked(bnorm_ctx *ctx, const problem *p, const problem_network *w,
                                bnorm_mat_f64 new_x, bnorm_mat_f64 v, bnorm_mat_f64 hidden)
{
    double *data, *weights;
    bnorm_status status = stack(ctx, p, w->x, new_x, &data, &weights);
    bnorm_mat_f64 x = bnorm_view_f64(data, w->x.rows + new_x.rows, w->x.cols, BNORM_ROW_MAJOR);
    if (status == BNORM_OK) status = put_network(ctx, w, x, weights, w->x.rows, v, hidden);
    bnorm_free(data);
    bnorm_free(weights);
    return status;
}

bnorm_status bnorm_problem_jacobian_at(bnorm_ctx *ctx, const problem *p, int full,
                                       bnorm_mat_f64 new_p, const bnorm_mat_f64 *new_x,
                                       bnorm_mat_f64 out)
{
    cursor at = {p->p.cols, p->p.cols + p->top_count};
    BNORM_TRY(check_size(ctx, out.rows, out.cols, full));
    bnorm_copy(new_p, bnorm_columns_of(out, 0, p->p.cols));
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        bnorm_mat_f64 v, hidden;
        views(w, full, out, &at, &v, &hidden);
        BNORM_TRY(hidden.data ? put_stacked(ctx, p, w, new_x[k], v, hidden)
                              : put_network(ctx, w, new_x[k], NULL, 0, v, hidden));
    }
    return BNORM_OK;
}

/* -------------------------------------------------------------------------------- effects */

bnorm_status bnorm_problem_effect_design(bnorm_ctx *ctx, const problem *p, bnorm_mat_f64 j,
                                         bnorm_mat_f64 out)
{
    double *r = bnorm_alloc(ctx, p->rows, sizeof *r);
    double *effects = bnorm_alloc(ctx, out.rows, sizeof *effects);
    bnorm_status status = BNORM_OK;
    if (!r || !effects) status = bnorm_fail_memory(ctx, "the effects of a design");
    for (ptrdiff_t k = 0; k < j.cols && status == BNORM_OK; k++) {
        bnorm_copy(bnorm_columns_of(j, k, 1), bnorm_view_f64(r, p->rows, 1, BNORM_COL_MAJOR));
        status = bnorm_within_effects(ctx, p->within, r, effects);
        if (status == BNORM_OK)
            bnorm_copy(bnorm_view_f64(effects, out.rows, 1, BNORM_COL_MAJOR),
                       bnorm_columns_of(out, k, 1));
    }
    bnorm_free(r);
    bnorm_free(effects);
    return status;
}
