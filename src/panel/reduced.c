/* reduced: see the header. V goes into the design of the top layer, and dR/dV = pull b' backward
 * from where V was. Theorem of maths.md section 6: since QE = E, nothing is projected on the way
 * back. */
#include "panel/reduced.h"

#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "train/epoch.h"

/* As in a fit of one network: where the products with S cost less than passes over the rows. */
static int takes_stream(const problem_network *w, streaming streams)
{
    double rows = (double)w->x.rows, inputs = (double)w->x.cols;
    if (streams == STREAMS_NEVER || !bnorm_stream_takes(w->net)) return 0;
    if (streams == STREAMS_WHERE_THEY_CAN) return 1;
    return rows >= 8 * inputs && rows * inputs * (double)w->net->layers[0]->outputs >= 1e6;
}

static bnorm_status create(bnorm_ctx *ctx, streaming streams, reduced *r)
{
    const problem *p = r->p;
    r->streams = bnorm_alloc_zero(ctx, p->network_count, sizeof *r->streams);
    if (!r->streams) return bnorm_fail_memory(ctx, "the networks");
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        const problem_network *w = &p->networks[k];
        BNORM_TRY(bnorm_net_check_x(ctx, w->net, w->x));
        r->count += w->net->parameter_count;
        if (takes_stream(w, streams))
            BNORM_TRY(bnorm_stream_hold(ctx, w->net, w->x, p->weights, &r->streams[k]));
    }
    return bnorm_top_create(ctx, p, &r->t);
}

bnorm_status bnorm_reduced_create(bnorm_ctx *ctx, const problem *p, streaming streams,
                                  reduced *r)
{
    *r = (reduced){.p = p};
    bnorm_status status = create(ctx, streams, r);
    if (status != BNORM_OK) bnorm_reduced_free(r);
    return status;
}

void bnorm_reduced_free(reduced *r)
{
    for (ptrdiff_t k = 0; r->streams && k < r->p->network_count; k++)
        bnorm_stream_destroy(r->streams[k]);
    bnorm_free(r->streams);
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
        bnorm_mat_f64 v, to = bnorm_top_v(&r->t, k);
        if (r->streams[k]) {
            BNORM_TRY(bnorm_stream_up(ctx, r->streams[k], 0, 0, to));
        } else {
            BNORM_TRY(bnorm_net_up(w->net, pass, w->x, gradient, &v));
            bnorm_copy(v, to);
        }
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

/* dR/dV of a stream takes the place of QV, which has served. */
static bnorm_status down(bnorm_ctx *ctx, reduced *r, const bnorm_pass *pass, double *gradient)
{
    const double *b = r->t.b + r->t.linear;
    for (ptrdiff_t k = 0; k < r->p->network_count; k++) {
        bnorm_net *net = r->p->networks[k].net;
        bnorm_mat_f64 v =
            r->streams[k] ? bnorm_top_v(&r->t, k) : bnorm_net_kept(net, net->layer_count - 1);
        put_slopes(&r->t, v, b);
        if (r->streams[k])
            BNORM_TRY(bnorm_stream_down(ctx, r->streams[k], 0, 0, v, gradient));
        else
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
    if (gradient) BNORM_TRY(down(ctx, r, &pass, gradient));
    *value = r->t.loss + r->t.penalty + bnorm_reduced_penalty(r, gradient);
    return BNORM_OK;
}

bnorm_status bnorm_reduced_statistics(bnorm_ctx *ctx, reduced *r)
{
    for (ptrdiff_t k = 0; k < r->p->network_count; k++)
        if (r->streams[k])
            BNORM_TRY(bnorm_stream_statistics(ctx, r->streams[k]));
        else
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
