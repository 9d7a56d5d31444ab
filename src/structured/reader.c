/* reader: see the header. Sums over columns go in their order, networks predict rows in blocks of
 * one size: so a row's bits are its own. */
#include "structured/reader.h"

#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"

#define CHUNK_VALUES ((ptrdiff_t)1 << 20) /* of the widest matrix of a chunk, about */
#define CHUNK_ROWS   4096

/* ------------------------------------------------------------------------------- start */

static ptrdiff_t widest(const bnorm_panel *p, ptrdiff_t *v)
{
    ptrdiff_t most = larger(p->info.linear, 1);
    *v = 1;
    for (ptrdiff_t k = 0; k < p->info.networks; k++) {
        *v = larger(*v, bnorm_net_outputs(p->nets[k].net));
        most = larger(most, larger(*v, bnorm_frame_inputs(p->networks[k])));
    }
    return most;
}

static bnorm_status allocate(panel_reader *r, ptrdiff_t count)
{
    ptrdiff_t v, wide = widest(r->panel, &v);
    r->most = larger(1, smaller(count, smaller(CHUNK_ROWS, CHUNK_VALUES / wide)));
    r->p = bnorm_alloc(r->ctx, r->most * r->panel->info.linear, sizeof *r->p);
    r->v = bnorm_alloc(r->ctx, r->most * v, sizeof *r->v);
    r->codes = bnorm_alloc(r->ctx, r->most, sizeof *r->codes);
    r->slope = bnorm_alloc(r->ctx, r->most, sizeof *r->slope);
    r->x = bnorm_alloc_zero(r->ctx, r->panel->info.networks, sizeof *r->x);
    r->networks = bnorm_alloc_zero(r->ctx, r->panel->info.networks, sizeof *r->networks);
    int good = r->p && r->v && r->codes && r->slope && r->x && r->networks;
    for (ptrdiff_t k = 0; k < r->panel->info.networks && good; k++) {
        ptrdiff_t inputs = bnorm_frame_inputs(r->panel->networks[k]);
        r->x[k] = bnorm_alloc(r->ctx, r->most * inputs, sizeof **r->x);
        good = r->x[k] != NULL;
    }
    return good ? BNORM_OK : bnorm_fail_memory(r->ctx, "a chunk of rows");
}

static bnorm_status bind(panel_reader *r, const bnorm_frame *frame, bnorm_binding *b)
{
    bnorm_status status = bnorm_binding_start(r->ctx, frame, r->table, 0, b);
    if (status == BNORM_OK) status = bnorm_binding_check(b, 0);
    return status == BNORM_OK ? bnorm_binding_translate(b) : status;
}

bnorm_status bnorm_reader_start(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_table *table,
                                ptrdiff_t count, panel_reader *r)
{
    *r = (panel_reader){.ctx = ctx, .panel = panel, .table = table};
    bnorm_status status = allocate(r, count);
    if (status == BNORM_OK) status = bind(r, panel->linear, &r->linear);
    if (status == BNORM_OK) status = bind(r, panel->bar, &r->bar);
    for (ptrdiff_t k = 0; k < panel->info.networks && status == BNORM_OK; k++)
        status = bind(r, panel->networks[k], r->networks + k);
    return status;
}

static void unbind(bnorm_binding *b)
{
    if (b->frame) bnorm_binding_stop(b);
}

void bnorm_reader_stop(panel_reader *r)
{
    unbind(&r->linear);
    unbind(&r->bar);
    for (ptrdiff_t k = 0; k < r->panel->info.networks; k++) {
        if (r->networks) unbind(r->networks + k);
        if (r->x) bnorm_free(r->x[k]);
    }
    bnorm_free(r->networks);
    bnorm_free(r->x);
    bnorm_free(r->p);
    bnorm_free(r->v);
    bnorm_free(r->codes);
    bnorm_free(r->slope);
}

/* -------------------------------------------------------------------------------- rows */

bnorm_status bnorm_reader_load(panel_reader *r, const ptrdiff_t *rows, ptrdiff_t count)
{
    const bnorm_panel *p = r->panel;
    ptrdiff_t cols = p->info.linear;
    bnorm_mat_f64 none = {0};
    bnorm_mat_f64 x = {r->p + p->intercept, count, cols - p->intercept, cols, BNORM_ROW_MAJOR};
    r->count = count;
    for (ptrdiff_t i = 0; i < count && p->intercept; i++) r->p[i * cols] = 1;
    bnorm_status status = bnorm_binding_matrix(&r->linear, rows, count, x, none);
    for (ptrdiff_t k = 0; k < p->info.networks && status == BNORM_OK; k++) {
        x = bnorm_view_f64(r->x[k], count, bnorm_frame_inputs(p->networks[k]), BNORM_ROW_MAJOR);
        status = bnorm_binding_matrix(r->networks + k, rows, count, x, none);
    }
    return status;
}

static double dot(ptrdiff_t count, const double *a, const double *b)
{
    double sum = 0;
    for (ptrdiff_t j = 0; j < count; j++) sum += a[j] * b[j];
    return sum;
}

bnorm_status bnorm_reader_score(panel_reader *r, double *score)
{
    const bnorm_panel *p = r->panel;
    ptrdiff_t cols = p->info.linear;
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t i = 0; i < r->count; i++) score[i] = dot(cols, r->p + i * cols, p->theta);
    for (ptrdiff_t j = 0; j < p->members * p->info.networks && status == BNORM_OK; j++) {
        ptrdiff_t k = j % p->info.networks, outputs = bnorm_net_outputs(p->nets[j].net);
        ptrdiff_t inputs = bnorm_frame_inputs(p->networks[k]);
        status = bnorm_net_predict(r->ctx, p->nets[j].net,
                                   bnorm_view_f64(r->x[k], r->count, inputs, BNORM_ROW_MAJOR),
                                   bnorm_view_f64(r->v, r->count, outputs, BNORM_ROW_MAJOR));
        for (ptrdiff_t i = 0; i < r->count; i++)
            score[i] += dot(outputs, r->v + i * outputs, p->nets[j].top);
    }
    return status;
}

/* ----------------------------------------------------------------------- fixed effects */

/* "row 3: column 'id' has the level 'u9', which training did not see; ..." */
static bnorm_status fail_new(const panel_reader *r, const panel_factor *f, ptrdiff_t row)
{
    const bnorm_binding *b = &r->bar;
    int c = 0;
    while (c < f->effect.columns - 1 && bnorm_binding_level(b, f->effect.variable[c], row) >= 0)
        c++;
    char place[BNORM_PLACE_SIZE], name[BNORM_EXCERPT_SIZE], level[BNORM_EXCERPT_SIZE];
    bnorm_table_place(r->table, row, place);
    bnorm_excerpt(f->name, name);
    bnorm_binding_write_level(b, f->effect.variable[c], row, level);
    return bnorm_fail(r->ctx, BNORM_E_DATA,
                      "%s: the fixed effect '%s' has no level '%s'%s: training did not see it; "
                      "predict such rows as missing, or with the mean effect",
                      place, name, level,
                      f->effect.columns > 1 ? " (of this combination)" : "");
}

static bnorm_status add_effect(panel_reader *r, ptrdiff_t k, const ptrdiff_t *rows,
                               ptrdiff_t count, bnorm_new_level new_level, double *score)
{
    const panel_factor *f = r->panel->factors + k;
    bnorm_panel_codes(&r->bar, f, rows, count, r->codes);
    if (f->effect.slope >= 0) {
        bnorm_status status = bnorm_panel_slope(&r->bar, f, rows, count, r->slope);
        if (status != BNORM_OK) return status;
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        if (r->codes[i] < 0 && new_level == BNORM_NEW_ERROR) return fail_new(r, f, rows[i]);
        double effect = r->codes[i] >= 0             ? f->effects[r->codes[i]]
                        : new_level == BNORM_NEW_NAN ? (double)NAN
                                                     : f->mean;
        score[i] += f->effect.slope >= 0 ? effect * r->slope[i] : effect;
    }
    return BNORM_OK;
}

bnorm_status bnorm_reader_effects(panel_reader *r, const ptrdiff_t *rows, ptrdiff_t count,
                                  bnorm_new_level new_level, double *score)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t k = 0; k < r->panel->info.factors && status == BNORM_OK; k++)
        status = add_effect(r, k, rows, count, new_level, score);
    return status;
}

bnorm_status bnorm_reader_missing(bnorm_ctx *ctx, const bnorm_panel *panel,
                                  const bnorm_table *table, int with_target,
                                  unsigned char *missing)
{
    bnorm_status status =
        bnorm_frame_missing(ctx, panel->linear, table, with_target, 0, missing);
    for (ptrdiff_t k = 0; k < panel->info.networks && status == BNORM_OK; k++)
        status = bnorm_frame_missing(ctx, panel->networks[k], table, 0, 0, missing);
    return status == BNORM_OK ? bnorm_frame_missing(ctx, panel->bar, table, 0, 0, missing)
                              : status;
}
