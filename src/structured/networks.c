/* networks: the hidden layers of each nn(), started, and the variables that marginal effects are
 * taken of. */
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/making.h"

static bnorm_status add_hidden(bnorm_ctx *ctx, bnorm_net *net, const bnorm_panel_options *o,
                               ptrdiff_t units)
{
    const bnorm_activation *a = o->activation ? o->activation : bnorm_activation_find("tanh");
    bnorm_status status = bnorm_net_dense(ctx, net, units);
    if (status == BNORM_OK && o->batchnorm) status = bnorm_net_batchnorm(ctx, net, o->rule);
    if (status == BNORM_OK) status = bnorm_net_activation(ctx, net, a);
    if (status == BNORM_OK && o->dropout > 0) status = bnorm_net_dropout(ctx, net, o->dropout);
    return status;
}

/* Networks of the same form must not start alike: each has a seed of its own. */
bnorm_status bnorm_panel_build(bnorm_ctx *ctx, const bnorm_panel *panel, ptrdiff_t k,
                               ptrdiff_t member, bnorm_net **net)
{
    static const ptrdiff_t usual[] = {8};
    const bnorm_panel_options *o = &panel->options;
    const ptrdiff_t *hidden = o->hidden ? o->hidden : usual;
    ptrdiff_t layers = o->hidden ? o->layers : 1;
    uint64_t number = (uint64_t)(member * panel->info.networks + k);
    bnorm_status status = bnorm_net_create(ctx, bnorm_frame_inputs(panel->networks[k]), net);
    for (ptrdiff_t l = 0; l < layers && status == BNORM_OK; l++)
        status = add_hidden(ctx, *net, o, hidden[l]);
    if (status == BNORM_OK)
        status = bnorm_net_start(ctx, *net, o->seed + number * 0x9E3779B97F4A7C15u);
    if (status == BNORM_OK) status = bnorm_net_set_penalty(ctx, *net, NULL, o->penalty);
    if (status == BNORM_OK) return status;
    bnorm_net_destroy(*net);
    *net = NULL;
    return status;
}

/* The place of a column of that name. */
static ptrdiff_t find_input(const bnorm_frame *f, const char *name)
{
    for (ptrdiff_t j = 0; j < bnorm_frame_inputs(f); j++)
        if (!strcmp(bnorm_frame_input_name(f, j), name)) return j;
    return -1;
}

bnorm_status bnorm_panel_name_variables(bnorm_ctx *ctx, bnorm_panel *p)
{
    bnorm_names names = {0};
    ptrdiff_t room = bnorm_frame_inputs(p->linear), number;
    for (ptrdiff_t k = 0; k < p->info.networks; k++) room += bnorm_frame_inputs(p->networks[k]);
    p->variables = bnorm_alloc_zero(ctx, room, sizeof *p->variables);
    bnorm_status status = p->variables ? BNORM_OK : bnorm_fail_memory(ctx, "a panel");
    for (ptrdiff_t k = 0; k <= p->info.networks && status == BNORM_OK; k++) {
        const bnorm_frame *f = k < p->info.networks ? p->networks[k] : p->linear;
        for (ptrdiff_t j = 0; j < bnorm_frame_inputs(f) && status == BNORM_OK; j++) {
            const char *name = bnorm_frame_input_name(f, j);
            status = bnorm_names_add(ctx, &names, name, strlen(name), &number);
            if (status != BNORM_OK || number < p->info.inputs) continue;
            panel_variable *v = p->variables + p->info.inputs++;
            v->name = name;
            v->linear = find_input(p->linear, name);
            if (v->linear >= 0) v->linear += p->intercept;
            v->input = bnorm_alloc(ctx, p->info.networks, sizeof *v->input);
            if (!v->input) status = bnorm_fail_memory(ctx, "a panel");
            for (ptrdiff_t n = 0; n < p->info.networks && v->input; n++)
                v->input[n] = find_input(p->networks[n], name);
        }
    }
    bnorm_names_clear(&names);
    return status;
}

bnorm_status bnorm_panel_place(bnorm_ctx *ctx, bnorm_panel *p)
{
    ptrdiff_t first = 0, count = p->members * p->info.networks, outputs = 0, hidden = 0;
    for (ptrdiff_t k = 0; k < count; k++) {
        ptrdiff_t parameters;
        bnorm_net_parameters(p->nets[k].net, &parameters);
        hidden += parameters;
        outputs += bnorm_net_outputs(p->nets[k].net);
    }
    double *top = bnorm_alloc_zero(ctx, outputs, sizeof *top);
    if (!top) return bnorm_fail_memory(ctx, "a panel");
    bnorm_free(p->top);
    p->top = top;
    p->info.hidden = hidden;
    p->info.top = outputs;
    for (ptrdiff_t k = 0; k < count; k++) {
        p->nets[k].top = top + first;
        first += bnorm_net_outputs(p->nets[k].net);
    }
    p->problem.networks = p->nets;
    p->problem.network_count = count;
    p->problem.top_count = outputs;
    return BNORM_OK;
}

static bnorm_status keep_options(making *m)
{
    bnorm_panel *p = m->panel;
    const bnorm_panel_options *o = m->options;
    p->options = *o;
    p->options.unit = p->options.period = p->options.dot_without = p->options.loss = NULL;
    if (!o->hidden) return BNORM_OK;
    p->hidden = bnorm_alloc(m->ctx, o->layers, sizeof *p->hidden);
    p->options.hidden = p->hidden;
    if (!p->hidden) return bnorm_fail_memory(m->ctx, "a panel");
    memcpy(p->hidden, o->hidden, (size_t)o->layers * sizeof *p->hidden);
    return BNORM_OK;
}

bnorm_status bnorm_panel_name_networks(bnorm_ctx *ctx, bnorm_panel *p)
{
    p->names = bnorm_alloc(ctx, p->info.networks, sizeof *p->names);
    for (ptrdiff_t k = 0; k < p->info.networks && p->names; k++)
        snprintf(p->names[k], sizeof p->names[k], "nn%d", (int)k + 1);
    return p->names ? BNORM_OK : bnorm_fail_memory(ctx, "a panel");
}

bnorm_status bnorm_making_networks(making *m)
{
    bnorm_panel *p = m->panel;
    p->theta = bnorm_alloc_zero(m->ctx, p->info.linear, sizeof *p->theta);
    bnorm_status status = p->theta ? keep_options(m) : bnorm_fail_memory(m->ctx, "a panel");
    for (ptrdiff_t k = 0; k < p->info.networks && status == BNORM_OK; k++)
        status = bnorm_panel_build(m->ctx, p, k, 0, &p->nets[k].net);
    if (status == BNORM_OK) status = bnorm_panel_place(m->ctx, p);
    if (status == BNORM_OK) status = bnorm_panel_name_networks(m->ctx, p);
    return status == BNORM_OK ? bnorm_panel_name_variables(m->ctx, p) : status;
}
