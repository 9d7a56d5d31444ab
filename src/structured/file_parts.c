/* file_parts: which tensors and numbers a structured model consists of; saving and loading walk the
 * same lists, so a file has exactly what its reader expects. */
#include <math.h>
#include <stdio.h>

#include "structured/file.h"

void bnorm_panel_prefix(ptrdiff_t member, ptrdiff_t k, char out[PANEL_PREFIX_SIZE])
{
    int written = 0;
    if (member) written = snprintf(out, PANEL_PREFIX_SIZE, "bag%d.", (int)member + 1);
    snprintf(out + written, PANEL_PREFIX_SIZE - (size_t)written, "nn%d.", (int)k + 1);
}

/* A visit under longer names. */
typedef struct prefixed {
    char prefix[PANEL_PREFIX_SIZE];
    bnorm_visit visit;
    void *user;
} prefixed;

static bnorm_status visit_prefixed(void *user, const char *name, ptrdiff_t rows, ptrdiff_t cols,
                                   double *data, double least)
{
    const prefixed *p = user;
    char whole[128];
    snprintf(whole, sizeof whole, "%s%.90s", p->prefix, name);
    return p->visit(p->user, whole, rows, cols, data, least);
}

/* The scaling of the inputs is the first member's. */
static bnorm_status visit_network(bnorm_ctx *ctx, bnorm_panel *p, ptrdiff_t member, ptrdiff_t k,
                                  bnorm_visit visit, void *user)
{
    const problem_network *n = p->nets + member * p->info.networks + k;
    prefixed under = {.visit = visit, .user = user};
    bnorm_panel_prefix(member, k, under.prefix);
    bnorm_status status = bnorm_model_tensors(ctx, n->net, member ? NULL : p->networks[k],
                                              visit_prefixed, &under);
    if (status != BNORM_OK) return status;
    return visit_prefixed(&under, "top", -1, bnorm_net_outputs(n->net), n->top,
                          -(double)INFINITY);
}

static bnorm_status visit_effects(bnorm_panel *p, bnorm_visit visit, void *user)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < p->info.factors && status == BNORM_OK; k++) {
        panel_factor *f = p->factors + k;
        char name[32];
        snprintf(name, sizeof name, "effects%d", (int)k + 1);
        status = visit(user, name, -1, f->levels, f->effects, -(double)INFINITY);
        snprintf(name, sizeof name, "effects%d.mean", (int)k + 1);
        if (status == BNORM_OK) status = visit(user, name, -1, 1, &f->mean, -(double)INFINITY);
    }
    return status;
}

bnorm_status bnorm_panel_tensors(bnorm_ctx *ctx, bnorm_panel *panel, bnorm_visit visit,
                                 void *user)
{
    double least = -(double)INFINITY;
    ptrdiff_t linear = panel->info.linear;
    bnorm_status status = BNORM_OK;
    if (linear) status = visit(user, "theta", -1, linear, panel->theta, least);
    if (status == BNORM_OK && linear && panel->bag)
        status = visit(user, "bag_theta", panel->members, linear, panel->bag, least);
    for (ptrdiff_t m = 0; m < panel->members; m++)
        for (ptrdiff_t k = 0; k < panel->info.networks && status == BNORM_OK; k++)
            status = visit_network(ctx, panel, m, k, visit, user);
    return status == BNORM_OK ? visit_effects(panel, visit, user) : status;
}

void bnorm_panel_counts(bnorm_panel_info *i, panel_count c[PANEL_COUNTS])
{
    const panel_count all[PANEL_COUNTS] = {
        {"table_rows", &i->table_rows},
        {"missing", &i->missing},
        {"weightless", &i->weightless},
        {"singletons", &i->singletons},
        {"rows", &i->rows},
        {"units", &i->units},
        {"periods", &i->periods},
        {"duplicates", &i->duplicates},
        {"gaps", &i->gaps},
        {"absorbed", &i->absorbed},
    };
    for (int k = 0; k < PANEL_COUNTS; k++) c[k] = all[k];
}

void bnorm_panel_numbers(bnorm_panel_info *i, panel_number n[PANEL_NUMBERS])
{
    const panel_number all[PANEL_NUMBERS] = {
        {"n", &i->n},       {"sse", &i->sse},
        {"tss", &i->tss},   {"tss_within", &i->tss_within},
        {"r2", &i->r2},     {"r2_within", &i->r2_within},
        {"rmse", &i->rmse}, {"sigma", &i->sigma},
        {"df", &i->df},
    };
    for (int k = 0; k < PANEL_NUMBERS; k++) n[k] = all[k];
}

void bnorm_panel_put_number(bnorm_json_writer *w, const char *key, double value)
{
    if (isfinite(value))
        bnorm_json_put_real(w, key, value);
    else
        bnorm_json_put_null(w, key);
}

bnorm_status bnorm_panel_read_number(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                                     const char *key, double *value)
{
    *value = (double)NAN;
    if (bnorm_json_is(bnorm_json_get(from, key), BNORM_JSON_NULL)) return BNORM_OK;
    return bnorm_json_number(ctx, from, what, key, value);
}
