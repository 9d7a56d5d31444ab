/* vcov_rows: standard errors of predictions. The effect of a level is linear in the parameters, as
 * it is made of y less what they explain, so the gradient of a prediction is that of the score less
 * A J of its levels; what the levels' own errors add is known for one constant factor and a
 * classical estimate alone, and left out otherwise. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "layer/layer.h"
#include "matrix/view.h"
#include "structured/vcov.h"

enum { BLOCK = 512 }; /* rows at a time */

/* P and V of rows at any place: by inference. */
static bnorm_status top_rows(bnorm_ctx *ctx, const bnorm_panel *panel,
                             const panel_places *places, ptrdiff_t first, bnorm_mat_f64 out)
{
    bnorm_mat_f64 v = out;
    for (ptrdiff_t i = 0; i < out.rows; i++)
        for (ptrdiff_t j = 0; j < places->p.cols; j++)
            out.data[i * out.ld + j] = places->p.data[(first + i) * places->p.ld + j];
    v.data += places->p.cols;
    for (ptrdiff_t k = 0; k < panel->info.networks * panel->members; k++) {
        bnorm_net *net = panel->nets[k].net;
        bnorm_mat_f64 x = places->x[k % panel->info.networks];
        v.cols = bnorm_net_outputs(net);
        BNORM_TRY(bnorm_net_predict(ctx, net, bnorm_rows_of(x, first, out.rows), v));
        v.data += v.cols;
    }
    return BNORM_OK;
}

/* All rows at once, for the problem's rows come along each time. */
static bnorm_status full_rows(bnorm_ctx *ctx, const bnorm_panel *panel,
                              const panel_places *places, bnorm_mat_f64 out)
{
    BNORM_TRY(bnorm_panel_need_rows(ctx, panel, "standard errors by the full Jacobian"));
    return bnorm_problem_jacobian_at(ctx, &panel->problem, 1, places->p, places->x, out);
}

/* Row i's gradient less what its effects owe to the parameters; returns the effects' own part of
 * the variance. */
static double take_effects(const bnorm_panel *panel, const bnorm_vcov *vcov,
                           const panel_places *places, ptrdiff_t i, double *gradient)
{
    ptrdiff_t cols = vcov->c.parameters;
    const double *level = vcov->effects;
    const double *mean = vcov->effects + (vcov->levels - panel->info.factors) * cols;
    double own = 0;
    for (ptrdiff_t f = 0; f < panel->info.factors; f++, mean += cols) {
        int32_t code = places->codes[f][i];
        const double *row = code >= 0 ? level + code * cols : mean;
        double times = places->slopes && places->slopes[f] ? places->slopes[f][i] : 1;
        for (ptrdiff_t k = 0; k < cols; k++) gradient[k] -= times * row[k];
        if (vcov->own) own = vcov->own[code >= 0 ? code : vcov->own_count - 1];
        level += panel->factors[f].levels * cols;
    }
    return own;
}

static double error_of(const bnorm_panel *panel, const bnorm_vcov *vcov,
                       const panel_places *places, ptrdiff_t i, double *gradient)
{
    double own = panel->info.factors ? take_effects(panel, vcov, places, i, gradient) : 0;
    double se = bnorm_covariance_error(&vcov->c, gradient);
    if (!panel->info.logistic) return sqrt(se * se + own);
    double e = exp(-fabs(places->scores[i]));
    return se * (e / ((1 + e) * (1 + e)));
}

bnorm_status bnorm_vcov_errors(bnorm_ctx *ctx, const bnorm_panel *panel, const bnorm_vcov *vcov,
                               const panel_places *places, double *se)
{
    ptrdiff_t cols = vcov->c.parameters, size;
    ptrdiff_t step = vcov->info.full ? places->count : BLOCK;
    BNORM_TRY(bnorm_vcov_check(ctx, panel, vcov, "standard errors of predictions"));
    double *rows =
        bnorm_multiply(step, cols, &size) ? bnorm_alloc(ctx, size, sizeof *rows) : NULL;
    bnorm_status status = rows ? BNORM_OK : bnorm_fail_memory(ctx, "gradients of predictions");
    for (ptrdiff_t first = 0; first < places->count && status == BNORM_OK; first += step) {
        ptrdiff_t count = smaller(step, places->count - first);
        bnorm_mat_f64 out = bnorm_view_f64(rows, count, cols, BNORM_ROW_MAJOR);
        status = vcov->info.full ? full_rows(ctx, panel, places, out)
                                 : top_rows(ctx, panel, places, first, out);
        for (ptrdiff_t i = 0; i < count && status == BNORM_OK; i++)
            se[first + i] = error_of(panel, vcov, places, first + i, rows + i * cols);
    }
    bnorm_free(rows);
    return status;
}
