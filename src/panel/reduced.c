/* reduced: see the header. V goes into the design of the top layer, and dR/dV = pull b' backward
 * from where V was. Theorem of maths.md section 6: since QE = E, nothing is projected on the way
 * back. */
#include "panel/reduced.h"

#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "train/epoch.h"

bnorm_status bnorm_reduced_create(bnorm_ctx *ctx, const problem *p, int streams, reduced *r)
{
    *r = (reduced){.p = p};
    (void)streams;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        BNORM_TRY(bnorm_net_check_x(ctx, w->net, w->x));
        r->count += w->net->parameter_count;
    }
    return bnorm_top_create(ctx, p, &r->t);
}

void bnorm_reduced_free(reduced *r)
{
    bnorm_top_free(&r->t);
    *r = (reduced){0};
}

void bnorm_reduced_get(const reduced *r, double *parameters)
{
    for (ptrdiff_t k = 0; k < r->p->network_count; k++) {
        const bnorm_net *net = r->p->networks[k].net;
        memcpy(parameters, net->parameters, (size_t)net->parameter_count * sizeof *parameters);
        parameters += net->parameter_count;
    }
}

void bnorm_reduced_set(const reduced *r, const double *parameters)
{
    for (ptrdiff_t k = 0; k < r->p->network_count; k++) {
        bnorm_net *net = r->p->networks[k].net;
        memcpy(net->parameters, parameters, (size_t)net->parameter_count * sizeof *parameters);
        parameters += net->parameter_count;
    }
}

double bnorm_reduced_penalty(const reduced *r, double *gradient)
{
    double sum = 0;
    for (ptrdiff_t k = 0; k < r->p->network_count; k++) {
        const bnorm_net *net = r->p->networks[k].net;
        sum += bnorm_fit_penalties(net, gradient);
        if (gradient) gradient += net->parameter_count;
    }
    return sum;
}

/* ------------------------------------------------------------------------------- passes */

static bnorm_status up(bnorm_ctx *ctx, reduced *r, const bnorm_pass *pass, double *gradient)
{
    for (ptrdiff_t k = 0; k < r->p->network_count; k++) {
        const problem_network *w = &r->p->networks[k];
        bnorm_mat_f64 v;
        BNORM_TRY(bnorm_net_up(w->net, pass, w->x, gradient, &v));
        bnorm_copy(v, bnorm_top_v(&r->t, k));
    }
    return bnorm_top_project(ctx, &r->t);
}

/* v = pull b' */
static void put_slopes(const top *t, bnorm_mat_f64 v, const double *b)
{
    for (ptrdiff_t i = 0; i < v.rows; i++) {
        double pull = bnorm_top_pull(t, i);
        for (ptrdiff_t j = 0; j < v.cols; j++) v.data[i * v.ld + j] = pull * b[j];
    }
}

static bnorm_status down(reduced *r, const bnorm_pass *pass, double *gradient)
{
    const double *b = r->t.b + r->t.linear;
    for (ptrdiff_t k = 0; k < r->p->network_count; k++) {
        bnorm_net *net = r->p->networks[k].net;
        bnorm_mat_f64 v = bnorm_net_kept(net, net->layer_count - 1);
        put_slopes(&r->t, v, b);
        BNORM_TRY(bnorm_net_down(net, pass, gradient));
        gradient += net->parameter_count;
        b += v.cols;
    }
    return BNORM_OK;
}

bnorm_status bnorm_reduced_value(bnorm_ctx *ctx, reduced *r, double *value, double *gradient)
{
    bnorm_pass pass = {.training = 1, .weights = r->p->weights, .ctx = ctx};
    BNORM_TRY(up(ctx, r, &pass, gradient));
    bnorm_top_solve(ctx, &r->t);
    if (gradient) BNORM_TRY(down(r, &pass, gradient));
    *value = r->t.loss + r->t.penalty + bnorm_reduced_penalty(r, gradient);
    return BNORM_OK;
}

bnorm_status bnorm_reduced_statistics(bnorm_ctx *ctx, reduced *r)
{
    (void)ctx;
    for (ptrdiff_t k = 0; k < r->p->network_count; k++)
        bnorm_net_take_statistics(r->p->networks[k].net);
    return BNORM_OK;
}

bnorm_status bnorm_reduced_infer(bnorm_ctx *ctx, reduced *r, double *value)
{
    for (ptrdiff_t k = 0; k < r->p->network_count; k++) {
        const problem_network *w = &r->p->networks[k];
        BNORM_TRY(bnorm_net_population(ctx, w->net, w->x, r->p->weights));
    }
    BNORM_TRY(bnorm_top_infer(ctx, &r->t));
    bnorm_top_solve(ctx, &r->t);
    *value = r->t.loss + r->t.penalty + bnorm_reduced_penalty(r, NULL);
    return BNORM_OK;
}
