/* margins: the design of a structured model, and effects of its variables in their own units. */
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "layer/layer.h"
#include "matrix/view.h"
#include "structured/vcov.h"

static bnorm_status need(bnorm_ctx *ctx, const bnorm_panel *panel, const bnorm_vcov *vcov,
                         const char *what)
{
    if (!panel) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s: panel is NULL", what);
    BNORM_TRY(bnorm_panel_need_rows(ctx, panel, what));
    BNORM_TRY(bnorm_panel_need_fit(ctx, panel, what));
    return vcov ? bnorm_vcov_check(ctx, panel, vcov, what) : BNORM_OK;
}

bnorm_status bnorm_panel_design(bnorm_ctx *ctx, bnorm_panel *panel, int full,
                                bnorm_mat_f64 design)
{
    BNORM_TRY(need(ctx, panel, NULL, "bnorm_panel_design"));
    ptrdiff_t cols = bnorm_problem_parameters(&panel->problem, full);
    if (!bnorm_view_legal(design, panel->info.rows, cols))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "design is %td x %td and should be %td x %td",
                          design.rows, design.cols, panel->info.rows, cols);
    return bnorm_problem_jacobian(ctx, &panel->problem, full, 1, design);
}

/* ------------------------------------------------------------------------------ variables */

/* Variables as src/panel takes them: for each a column, a center and a scale in every network. */
typedef struct variables {
    problem_variable *v;
    ptrdiff_t *columns;
    double *numbers;
} variables;

static void release(variables *a)
{
    bnorm_free(a->v);
    bnorm_free(a->columns);
    bnorm_free(a->numbers);
}

/* The networks of all members of a bag take the same inputs. */
static bnorm_status take(bnorm_ctx *ctx, const bnorm_panel *p, variables *a)
{
    ptrdiff_t nets = p->problem.network_count, count = p->info.inputs, size;
    *a = (variables){0};
    if (bnorm_multiply(nets, count, &size)) {
        a->v = bnorm_alloc(ctx, count, sizeof *a->v);
        a->columns = bnorm_alloc(ctx, size, sizeof *a->columns);
        a->numbers = bnorm_alloc(ctx, 2 * size, sizeof *a->numbers);
    }
    if (!a->v || !a->columns || !a->numbers) return bnorm_fail_memory(ctx, "variables");
    for (ptrdiff_t m = 0; m < count; m++) {
        ptrdiff_t *column = a->columns + m * nets;
        double *center = a->numbers + 2 * m * nets, *scale = center + nets;
        for (ptrdiff_t k = 0; k < nets; k++) {
            column[k] = p->variables[m].input[k % p->info.networks];
            center[k] = 0, scale[k] = 1;
            if (column[k] >= 0)
                bnorm_frame_scaling(p->networks[k % p->info.networks], column[k], &center[k],
                                    &scale[k]);
        }
        a->v[m] = (problem_variable){p->variables[m].linear, column, center, scale};
    }
    return BNORM_OK;
}

bnorm_status bnorm_panel_values(bnorm_ctx *ctx, const bnorm_panel *panel, ptrdiff_t input,
                                double *values)
{
    if (!panel || input < 0 || input >= panel->info.inputs || !values)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_values: something is NULL, or there is no variable %td",
                          input);
    BNORM_TRY(bnorm_panel_need_rows(ctx, panel, "bnorm_panel_values"));
    const panel_variable *v = panel->variables + input;
    bnorm_mat_f64 x = panel->problem.p;
    ptrdiff_t column = v->linear;
    double center = 0, scale = 1;
    for (ptrdiff_t k = 0; column < 0 && k < panel->info.networks; k++) {
        if (v->input[k] < 0) continue;
        x = panel->nets[k].x;
        column = v->input[k];
        bnorm_frame_scaling(panel->networks[k], column, &center, &scale);
    }
    for (ptrdiff_t i = 0; i < panel->info.rows; i++)
        values[i] = center + scale * x.data[i * x.ld + column];
    return BNORM_OK;
}

/* -------------------------------------------------------------------------------- results */

static void errors(const bnorm_vcov *vcov, ptrdiff_t count, const double *gradients, double *se)
{
    for (ptrdiff_t m = 0; m < count; m++)
        se[m] = bnorm_covariance_error(&vcov->c, gradients + m * vcov->c.parameters);
}

/* Room for the gradients of so many effects; none without se. */
static bnorm_status room(bnorm_ctx *ctx, const bnorm_vcov *vcov, const double *se,
                         ptrdiff_t count, double **gradients)
{
    ptrdiff_t size;
    *gradients = NULL;
    if (!se) return BNORM_OK;
    if (bnorm_multiply(count, vcov->c.parameters, &size))
        *gradients = bnorm_alloc(ctx, size, sizeof **gradients);
    return *gradients ? BNORM_OK : bnorm_fail_memory(ctx, "gradients of effects");
}

bnorm_status bnorm_panel_margins(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                                 double *estimate, double *se)
{
    variables a;
    double *gradients;
    BNORM_TRY(need(ctx, panel, vcov, "bnorm_panel_margins"));
    ptrdiff_t count = panel->info.inputs;
    if ((!estimate && count) || (se && !vcov))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_panel_margins: estimate is NULL, or se is asked without vcov");
    BNORM_TRY(room(ctx, vcov, se, count, &gradients));
    bnorm_status status = take(ctx, panel, &a);
    if (status == BNORM_OK)
        status = bnorm_problem_margins(ctx, &panel->problem, se && vcov->info.full, a.v, count,
                                       estimate, gradients);
    if (status == BNORM_OK && se) errors(vcov, count, gradients, se);
    release(&a);
    bnorm_free(gradients);
    return status;
}

bnorm_status bnorm_panel_profile(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                                 ptrdiff_t input, ptrdiff_t count, const double *at,
                                 double *effect, double *se)
{
    variables a;
    double *gradients;
    BNORM_TRY(need(ctx, panel, vcov, "bnorm_panel_profile"));
    if (input < 0 || input >= panel->info.inputs || count < 0 || (count && (!at || !effect)) ||
        (se && !vcov))
        return bnorm_fail(
            ctx, BNORM_E_ARGUMENT,
            "bnorm_panel_profile: there is no variable %td, something is NULL, or "
            "se is asked without vcov",
            input);
    BNORM_TRY(room(ctx, vcov, se, count, &gradients));
    bnorm_status status = take(ctx, panel, &a);
    if (status == BNORM_OK)
        status = bnorm_problem_profile(ctx, &panel->problem, se && vcov->info.full, &a.v[input],
                                       count, at, effect, gradients);
    if (status == BNORM_OK && se) errors(vcov, count, gradients, se);
    release(&a);
    bnorm_free(gradients);
    return status;
}
