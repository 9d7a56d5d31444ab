/* destroy: the end of a structured model, whole or half made. */
#include "base/memory.h"
#include "structured/panel.h"

static void destroy_factor(panel_factor *f)
{
    for (ptrdiff_t k = 0; f->labels && k < f->levels; k++) bnorm_free(f->labels[k]);
    bnorm_free(f->labels);
    bnorm_names_clear(&f->tuples);
    bnorm_free(f->effects);
    bnorm_free(f->name);
}

/* Codes may be those of an earlier factor. */
static void destroy_codes(bnorm_panel *p)
{
    for (ptrdiff_t k = 0; k < p->info.factors; k++) {
        int shared = 0;
        for (ptrdiff_t j = 0; j < k && p->codes; j++) shared |= p->codes[j] == p->codes[k];
        if (p->codes && !shared) bnorm_free(p->codes[k]);
        if (p->slopes) bnorm_free(p->slopes[k]);
    }
    bnorm_free(p->codes);
    bnorm_free(p->slopes);
}

static void destroy_matrices(bnorm_panel *p)
{
    destroy_codes(p);
    bnorm_free(p->rows);
    bnorm_free(p->y);
    bnorm_free(p->weights);
    bnorm_free(p->p);
    bnorm_free(p->index[0]);
    bnorm_free(p->index[1]);
    bnorm_free(p->views);
    bnorm_within_destroy(p->within);
}

static void destroy_names(bnorm_panel *p)
{
    for (ptrdiff_t k = 0; p->dropped && k < p->info.dropped; k++) {
        bnorm_free(p->dropped[k].name);
        bnorm_free(p->dropped[k].reason);
    }
    bnorm_free(p->dropped);
    for (ptrdiff_t k = 0; p->variables && k < p->info.inputs; k++)
        bnorm_free(p->variables[k].input);
    bnorm_free(p->variables);
    bnorm_free(p->names);
    bnorm_free(p->formula);
}

/* The members of a bag share the inputs of the first. */
static void destroy_networks(bnorm_panel *p)
{
    ptrdiff_t count = p->info.networks;
    for (ptrdiff_t k = 0; k < count; k++) {
        if (p->networks) bnorm_frame_destroy(p->networks[k]);
        if (p->nets) bnorm_free(p->nets[k].x.data);
    }
    for (ptrdiff_t k = 0; p->nets && k < p->members * count; k++)
        bnorm_net_destroy(p->nets[k].net);
    bnorm_free(p->networks);
    bnorm_free(p->nets);
}

void bnorm_panel_destroy(bnorm_panel *p)
{
    if (!p) return;
    destroy_names(p);
    destroy_matrices(p);
    destroy_networks(p);
    for (ptrdiff_t k = 0; p->factors && k < p->info.factors; k++)
        destroy_factor(p->factors + k);
    bnorm_free(p->factors);
    bnorm_frame_destroy(p->linear);
    bnorm_frame_destroy(p->bar);
    bnorm_free(p->theta);
    bnorm_free(p->top);
    bnorm_free(p->bag);
    bnorm_free(p->hidden);
    bnorm_free(p);
}
