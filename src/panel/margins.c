/* margins: means of the response over the rows with one variable changed in all of them, and their
 * derivatives in the parameters: profiles as they are, marginal effects as differences of them.
 * The rows that are changed stand below the problem's own with weight 0 in the statistics, so one
 * training pass over both gives the gradient, statistics and all. */
#include "panel/inference.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "layer/layer.h"
#include "matrix/view.h"
#include "panel/trace.h"

enum { BLOCK = 4096 };

/* The variable becomes itself + shift, or with `set` the shift. */
typedef struct change {
    const problem_variable *v; /* NULL: none */
    int set;
    double shift;
} change;

typedef struct place {
    bnorm_ctx *ctx;
    const problem *p;
    int full;
    ptrdiff_t parameters;
    double *x, *v; /* BLOCK x most inputs, BLOCK x most outputs */
    double *score; /* BLOCK */
    double *share; /* rows: omega/n times the derivative of the response in the score */
    double *stacked, *weights, *zeros,
        *u; /* full: for twice the rows; zeros are targets, too */
} place;

/* ------------------------------------------------------------------------------- changes */

static double changed(const change *c, double value, double center, double scale)
{
    return c->set ? (c->shift - center) / scale : value + c->shift / scale;
}

/* Rows of X of network k, changed, contiguous. */
static void change_x(const problem *p, ptrdiff_t k, const change *c, ptrdiff_t first,
                     ptrdiff_t rows, double *to)
{
    bnorm_mat_f64 x = bnorm_rows_of(p->networks[k].x, first, rows);
    ptrdiff_t column = c->v ? c->v->column[k] : -1;
    bnorm_copy(x, bnorm_view_f64(to, rows, x.cols, BNORM_ROW_MAJOR));
    for (ptrdiff_t i = 0; column >= 0 && i < rows; i++) {
        double *cell = to + i * x.cols + column;
        *cell = changed(c, *cell, c->v->center[k], c->v->scale[k]);
    }
}

static double change_p(const problem *p, const change *c, ptrdiff_t i, ptrdiff_t j)
{
    double value = p->p.data[i * p->p.ld + j];
    return c->v && c->v->linear == j ? changed(c, value, 0, 1) : value;
}

/* ---------------------------------------------------------------------- the mean response */

/* The response at a score and its derivative. */
static double response(const problem *p, double score, double *slope)
{
    *slope = 1;
    if (!p->logistic) return score;
    double e = exp(-fabs(score)), low = e / (1 + e), high = 1 / (1 + e);
    *slope = low * high;
    return score < 0 ? low : high;
}

static bnorm_status outputs(place *q, ptrdiff_t k, const change *c, ptrdiff_t first,
                            ptrdiff_t rows)
{
    const problem_network *w = &q->p->networks[k];
    change_x(q->p, k, c, first, rows, q->x);
    return bnorm_net_predict(
        q->ctx, w->net, bnorm_view_f64(q->x, rows, w->x.cols, BNORM_ROW_MAJOR),
        bnorm_view_f64(q->v, rows, bnorm_net_outputs(w->net), BNORM_ROW_MAJOR));
}

static bnorm_status score_block(place *q, const change *c, ptrdiff_t first, ptrdiff_t rows)
{
    const problem *p = q->p;
    memset(q->score, 0, (size_t)rows * sizeof *q->score);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < p->p.cols; j++)
            q->score[i] += p->theta[j] * change_p(p, c, first + i, j);
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        ptrdiff_t cols = bnorm_net_outputs(p->networks[k].net);
        BNORM_TRY(outputs(q, k, c, first, rows));
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < cols; j++)
                q->score[i] += q->v[i * cols + j] * p->networks[k].top[j];
    }
    return BNORM_OK;
}

/* gradient += share_i (P_i, V_i) of a block. */
static bnorm_status top_gradient(place *q, const change *c, ptrdiff_t first, ptrdiff_t rows,
                                 double *gradient)
{
    const problem *p = q->p;
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < p->p.cols; j++)
            gradient[j] += q->share[first + i] * change_p(p, c, first + i, j);
    gradient += p->p.cols;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        ptrdiff_t cols = bnorm_net_outputs(p->networks[k].net);
        if (p->network_count > 1)
            BNORM_TRY(outputs(q, k, c, first, rows)); /* else still there */
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < cols; j++)
                gradient[j] += q->share[first + i] * q->v[i * cols + j];
        gradient += cols;
    }
    return BNORM_OK;
}

/* The gradient in the parameters of network k: dR/dV = share top' at the changed rows. */
static bnorm_status hidden_gradient(place *q, ptrdiff_t k, const change *c, double *gradient)
{
    const problem *p = q->p;
    const problem_network *w = &p->networks[k];
    ptrdiff_t rows = p->rows, cols = bnorm_net_outputs(w->net);
    bnorm_mat_f64 x = bnorm_view_f64(q->stacked, 2 * rows, w->x.cols, BNORM_ROW_MAJOR);
    change none = {0};
    change_x(p, k, &none, 0, rows, q->stacked);
    change_x(p, k, c, 0, rows, q->stacked + rows * w->x.cols);
    bnorm_pass pass = {.training = 1, .weights = q->weights, .ctx = q->ctx};
    bnorm_mat_f64 v;
    BNORM_TRY(bnorm_net_up(w->net, &pass, x, gradient, &v));
    for (ptrdiff_t i = 0; i < 2 * rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            v.data[i * v.ld + j] = i < rows ? 0 : q->share[i - rows] * w->top[j];
    return bnorm_net_down(w->net, &pass, gradient);
}

/* Networks without the variable have no part in differences of the squared loss. */
static bnorm_status all_hidden(place *q, const change *c, double *gradient)
{
    const problem *p = q->p;
    gradient += p->p.cols + p->top_count;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        ptrdiff_t count;
        (void)bnorm_net_parameters(p->networks[k].net, &count);
        if (p->logistic || c->v->column[k] >= 0)
            BNORM_TRY(hidden_gradient(q, k, c, gradient));
        else
            memset(gradient, 0, (size_t)count * sizeof *gradient);
        gradient += count;
    }
    return BNORM_OK;
}

/* The mean response, and its gradient; NULL: not asked for. */
static bnorm_status mean_response(place *q, const change *c, double *value, double *gradient)
{
    const problem *p = q->p;
    *value = 0;
    if (gradient) memset(gradient, 0, (size_t)q->parameters * sizeof *gradient);
    for (ptrdiff_t first = 0; first < p->rows; first += BLOCK) {
        ptrdiff_t rows = smaller(BLOCK, p->rows - first);
        double sum = 0;
        BNORM_TRY(score_block(q, c, first, rows));
        for (ptrdiff_t i = first; i < first + rows; i++) {
            double slope, share = (p->weights ? p->weights[i] : 1) / p->n;
            sum += share * response(p, q->score[i - first], &slope);
            q->share[i] = share * slope;
        }
        *value += sum;
        if (gradient) BNORM_TRY(top_gradient(q, c, first, rows, gradient));
    }
    return gradient && q->full ? all_hidden(q, c, gradient) : BNORM_OK;
}

/* --------------------------------------------------------------------------------- memory */

static void release(place *q)
{
    double *all[] = {q->x, q->v, q->score, q->share, q->stacked, q->weights};
    for (int k = 0; k < 6; k++) bnorm_free(all[k]);
}

static bnorm_status reserve_full(place *q, ptrdiff_t in)
{
    ptrdiff_t rows, inputs;
    if (bnorm_multiply(2, q->p->rows, &rows) && bnorm_multiply(rows, in, &inputs)) {
        q->stacked = bnorm_alloc(q->ctx, inputs, sizeof(double));
        q->weights = bnorm_alloc_zero(q->ctx, rows, sizeof(double));
    }
    if (!q->stacked || !q->weights)
        return bnorm_fail_memory(q->ctx, "the rows of a mean response");
    for (ptrdiff_t i = 0; i < q->p->rows; i++)
        q->weights[i] = q->p->weights ? q->p->weights[i] : 1;
    return BNORM_OK;
}

static bnorm_status reserve(place *q)
{
    const problem *p = q->p;
    ptrdiff_t in = 1, out = 1;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        in = larger(in, p->networks[k].x.cols);
        out = larger(out, bnorm_net_outputs(p->networks[k].net));
        if (q->full) BNORM_TRY(bnorm_trace_takes(q->ctx, p->networks[k].net));
    }
    q->parameters = bnorm_problem_parameters(p, q->full);
    q->x = bnorm_alloc(q->ctx, BLOCK * in, sizeof *q->x);
    q->v = bnorm_alloc(q->ctx, BLOCK * out, sizeof *q->v);
    q->score = bnorm_alloc(q->ctx, BLOCK, sizeof *q->score);
    q->share = bnorm_alloc(q->ctx, p->rows, sizeof *q->share);
    if (!q->x || !q->v || !q->score || !q->share)
        return bnorm_fail_memory(q->ctx, "a mean response");
    return q->full ? reserve_full(q, in) : BNORM_OK;
}

/* -------------------------------------------------------------------------------- profile */

static bnorm_status profile(place *q, const problem_variable *v, ptrdiff_t count,
                            const double *at, double *effects, double *gradients, double *base)
{
    change same = {.v = v};
    double mean;
    BNORM_TRY(mean_response(q, &same, &mean, gradients ? base : NULL));
    for (ptrdiff_t k = 0; k < count; k++) {
        change c = {v, 1, at[k]};
        double *gradient = gradients ? gradients + k * q->parameters : NULL;
        BNORM_TRY(mean_response(q, &c, &effects[k], gradient));
        effects[k] -= mean;
        for (ptrdiff_t j = 0; gradient && j < q->parameters; j++) gradient[j] -= base[j];
    }
    return BNORM_OK;
}

bnorm_status bnorm_problem_profile(bnorm_ctx *ctx, const problem *p, int full,
                                   const problem_variable *v, ptrdiff_t count, const double *at,
                                   double *effects, double *gradients)
{
    place q = {.ctx = ctx, .p = p, .full = full && gradients};
    bnorm_status status = reserve(&q);
    double *base = bnorm_alloc(ctx, q.parameters, sizeof *base);
    if (status == BNORM_OK && !base) status = bnorm_fail_memory(ctx, "a profile");
    if (status == BNORM_OK) status = profile(&q, v, count, at, effects, gradients, base);
    bnorm_free(base);
    release(&q);
    return status;
}

/* -------------------------------------------------------------------------------- margins */

/* A derivative in the variable as a sum of times[k] f(steps[k]). */
typedef struct stencil {
    int count;
    double steps[4], times[4];
} stencil;

static int has_kink(const problem *p)
{
    const bnorm_activation *kinks[] = {bnorm_activation_find("relu"),
                                       bnorm_activation_find("leaky_relu")};
    for (ptrdiff_t k = 0; k < p->network_count; k++)
        for (ptrdiff_t i = 0; i < p->networks[k].net->layer_count; i++) {
            const layer *l = p->networks[k].net->layers[i];
            for (int m = 0; m < 2; m++)
                if (l->kind == BNORM_LAYER_ACTIVATION && l->activation.value == kinks[m]->value)
                    return 1;
        }
    return 0;
}

/* unit: what is about 1 in the networks' inputs. */
static stencil stencil_of(const problem *p, double unit)
{
    if (has_kink(p)) {
        double h = pow((double)p->rows, -0.2) * unit;
        return (stencil){2, {h, -h}, {0.5 / h, -0.5 / h}};
    }
    double h = 1e-3 * unit;
    return (stencil){
        4, {h, -h, 2 * h, -2 * h}, {2 / (3 * h), -2 / (3 * h), -1 / (12 * h), 1 / (12 * h)}};
}

/* The scale of the variable in the first network that has it, else its standard deviation. */
static bnorm_status unit_of(place *q, const problem_variable *v, double *unit)
{
    const problem *p = q->p;
    for (ptrdiff_t k = 0; k < p->network_count; k++)
        if (v->column[k] >= 0) {
            *unit = v->scale[k];
            return BNORM_OK;
        }
    double n, mean, m2;
    bnorm_mat_f64 x = p->p;
    x.data += v->linear;
    x.cols = 1;
    BNORM_TRY(bnorm_moments_f64(q->ctx, x, p->weights, &n, &mean, &m2));
    *unit = m2 > 0 ? sqrt(m2 / n) : 1;
    return BNORM_OK;
}

/* The gradient as differences; for the squared loss only the hidden part is needed. */
static bnorm_status by_differences(place *q, const problem_variable *v, double *gradient,
                                   double *work)
{
    double unit;
    BNORM_TRY(unit_of(q, v, &unit));
    stencil s = stencil_of(q->p, unit);
    memset(gradient, 0, (size_t)q->parameters * sizeof *gradient);
    for (int k = 0; k < s.count; k++) {
        change c = {v, 0, s.steps[k]};
        double value;
        BNORM_TRY(mean_response(q, &c, &value, work));
        for (ptrdiff_t j = 0; j < q->parameters; j++) gradient[j] += s.times[k] * work[j];
    }
    return BNORM_OK;
}

/* sum over rows of share_i (theta_j + sum over networks of dV_i/dx_c G2/scale); for the squared
 * loss it is linear in theta and G2. slopes: sum share_i dV_i/dx, inputs x outputs of one network
 * after another; shares: sum share_i. */
static void exact_part(const problem *p, const problem_variable *v, double shares,
                       const double *slopes, double *estimate, double *gradient)
{
    double *top = gradient ? gradient + p->p.cols : NULL;
    if (gradient) memset(gradient, 0, (size_t)(p->p.cols + p->top_count) * sizeof *gradient);
    if (gradient && v->linear >= 0) gradient[v->linear] = shares;
    *estimate = v->linear >= 0 ? shares * p->theta[v->linear] : 0;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        ptrdiff_t cols = bnorm_net_outputs(w->net);
        const double *row = v->column[k] >= 0 ? slopes + v->column[k] * cols : NULL;
        for (ptrdiff_t j = 0; row && j < cols; j++) {
            double slope = row[j] / v->scale[k];
            if (top) top[j] = slope;
            *estimate += slope * w->top[j];
        }
        slopes += w->x.cols * cols;
        if (top) top += cols;
    }
}

/* The slopes of all networks, and the sum of the shares. */
static bnorm_status all_slopes(place *q, double *slopes, double *shares)
{
    const problem *p = q->p;
    change same = {0};
    double mean;
    BNORM_TRY(mean_response(q, &same, &mean, NULL));
    *shares = 0;
    for (ptrdiff_t i = 0; i < p->rows; i++) *shares += q->share[i];
    if (!p->logistic) *shares = 1; /* without rounding */
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        BNORM_TRY(bnorm_net_slopes(q->ctx, w->net, w->x, q->share, slopes));
        slopes += w->x.cols * bnorm_net_outputs(w->net);
    }
    return BNORM_OK;
}

static bnorm_status margins(place *q, const problem_variable *v, ptrdiff_t count,
                            double *estimates, double *gradients, double *slopes, double *work)
{
    int logistic = q->p->logistic;
    double shares;
    BNORM_TRY(all_slopes(q, slopes, &shares));
    for (ptrdiff_t m = 0; m < count; m++) {
        double *gradient = gradients ? gradients + m * q->parameters : NULL;
        if (gradient && (q->full || logistic))
            BNORM_TRY(by_differences(q, &v[m], gradient, work));
        exact_part(q->p, &v[m], shares, slopes, &estimates[m], logistic ? NULL : gradient);
    }
    return BNORM_OK;
}

bnorm_status bnorm_problem_margins(bnorm_ctx *ctx, const problem *p, int full,
                                   const problem_variable *v, ptrdiff_t count,
                                   double *estimates, double *gradients)
{
    place q = {.ctx = ctx, .p = p, .full = full && gradients};
    ptrdiff_t size = 0;
    for (ptrdiff_t k = 0; k < p->network_count; k++)
        size += p->networks[k].x.cols * bnorm_net_outputs(p->networks[k].net);
    bnorm_status status = reserve(&q);
    double *slopes = bnorm_alloc(ctx, size, sizeof *slopes);
    double *work = bnorm_alloc(ctx, q.parameters, sizeof *work);
    if (status == BNORM_OK && (!slopes || !work))
        status = bnorm_fail_memory(ctx, "marginal effects");
    if (status == BNORM_OK) status = margins(&q, v, count, estimates, gradients, slopes, work);
    bnorm_free(slopes);
    bnorm_free(work);
    release(&q);
    return status;
}
