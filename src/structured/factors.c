/* factors: the fixed effects of a panel: levels, codes and slopes of its rows, and the projection
 * on them. Levels are those of the rows in use, in an order that does not depend on the order of
 * the rows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/making.h"

/* ----------------------------------------------------------------------- levels and codes */

void bnorm_panel_codes(const bnorm_binding *bar, const panel_factor *factor,
                       const ptrdiff_t *rows, ptrdiff_t count, int32_t *codes)
{
    const bnorm_effect *e = &factor->effect;
    for (ptrdiff_t i = 0; i < count; i++) {
        int32_t tuple[BNORM_EFFECT_COLUMNS];
        int seen = 1;
        for (int c = 0; c < e->columns; c++) {
            tuple[c] = (int32_t)bnorm_binding_level(bar, e->variable[c], rows[i]);
            seen &= tuple[c] >= 0;
        }
        if (!seen)
            codes[i] = -1;
        else if (e->columns == 1)
            codes[i] = tuple[0];
        else
            codes[i] = (int32_t)bnorm_names_find(&factor->tuples, (const char *)tuple,
                                                 (size_t)e->columns * sizeof *tuple);
    }
}

static bnorm_status fail_slope(const bnorm_binding *bar, ptrdiff_t v, ptrdiff_t row)
{
    char place[BNORM_PLACE_SIZE], name[BNORM_EXCERPT_SIZE];
    bnorm_table_place(bar->table, row, place);
    bnorm_excerpt(bnorm_names_text(&bar->frame->f.texts, v), name);
    return bnorm_fail(
        bar->ctx, BNORM_E_DATA,
        "%s: the slope %s is not finite; leave the row out or transform otherwise", place,
        name);
}

bnorm_status bnorm_panel_slope(bnorm_binding *bar, const panel_factor *factor,
                               const ptrdiff_t *rows, ptrdiff_t count, double *slope)
{
    ptrdiff_t v = factor->effect.slope;
    const bnorm_expression *e = bar->frame->f.variables + v;
    for (ptrdiff_t from = 0; from < count; from += BNORM_CHUNK) {
        ptrdiff_t n = count - from < BNORM_CHUNK ? count - from : BNORM_CHUNK;
        bnorm_expression_evaluate(e, bar->values, rows + from, n, bar->stack, slope + from);
        for (ptrdiff_t i = from; i < from + n; i++)
            if (!isfinite(slope[i])) return fail_slope(bar, v, rows[i]);
    }
    return BNORM_OK;
}

/* The tuples of codes, apart by their columns' order: qsort has no argument, so each carries its
 * length. */
typedef struct tuple {
    int32_t code[BNORM_EFFECT_COLUMNS];
    int columns;
} tuple;

static int by_codes(const void *a, const void *b)
{
    const tuple *x = a, *y = b;
    for (int c = 0; c < x->columns; c++)
        if (x->code[c] != y->code[c]) return x->code[c] < y->code[c] ? -1 : 1;
    return 0;
}

/* The distinct tuples, as they come. */
static bnorm_status gather_tuples(const bnorm_binding *bar, const bnorm_effect *e,
                                  const ptrdiff_t *rows, ptrdiff_t count, bnorm_names *out)
{
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t i = 0; i < count && status == BNORM_OK; i++) {
        int32_t code[BNORM_EFFECT_COLUMNS];
        ptrdiff_t number;
        for (int c = 0; c < e->columns; c++)
            code[c] = (int32_t)bnorm_binding_level(bar, e->variable[c], rows[i]);
        status = bnorm_names_add(bar->ctx, out, (const char *)code,
                                 (size_t)e->columns * sizeof *code, &number);
    }
    return status;
}

static bnorm_status sort_tuples(bnorm_ctx *ctx, const bnorm_names *seen, int columns,
                                bnorm_names *out)
{
    bnorm_status status = BNORM_OK;
    size_t size = (size_t)columns * sizeof(int32_t);
    tuple *all = bnorm_alloc(ctx, seen->count, sizeof *all);
    if (!all) return bnorm_fail_memory(ctx, "the levels of a factor");
    for (ptrdiff_t k = 0; k < seen->count; k++) {
        all[k].columns = columns;
        memcpy(all[k].code, bnorm_names_text(seen, k), size);
    }
    qsort(all, (size_t)seen->count, sizeof *all, by_codes);
    for (ptrdiff_t k = 0; k < seen->count && status == BNORM_OK; k++) {
        ptrdiff_t number;
        status = bnorm_names_add(ctx, out, (const char *)all[k].code, size, &number);
    }
    bnorm_free(all);
    return status;
}

static bnorm_status combine(const bnorm_binding *bar, panel_factor *f, const ptrdiff_t *rows,
                            ptrdiff_t count)
{
    bnorm_names seen = {0};
    bnorm_names_clear(&f->tuples);
    bnorm_status status = gather_tuples(bar, &f->effect, rows, count, &seen);
    if (status == BNORM_OK)
        status = sort_tuples(bar->ctx, &seen, f->effect.columns, &f->tuples);
    bnorm_names_clear(&seen);
    return status;
}

/* ---------------------------------------------------------------------------- the factors */

/* The number of an earlier factor with the same levels; k itself where there is none. */
static ptrdiff_t same_levels(const bnorm_panel *p, ptrdiff_t k)
{
    const bnorm_effect *e = &p->factors[k].effect;
    for (ptrdiff_t j = 0; j < k; j++) {
        const bnorm_effect *o = &p->factors[j].effect;
        if (o->columns == e->columns &&
            !memcmp(o->variable, e->variable, (size_t)e->columns * sizeof *e->variable))
            return j;
    }
    return k;
}

/* Codes of the rows still in, into what the panel has allocated already. */
static bnorm_status code_factor(making *m, bnorm_binding *bar, ptrdiff_t k)
{
    bnorm_panel *p = m->panel;
    panel_factor *f = p->factors + k;
    ptrdiff_t like = same_levels(p, k);
    if (f->effect.columns > 1) {
        bnorm_status status = combine(bar, f, m->rows, m->count);
        if (status != BNORM_OK) return status;
        f->levels = f->tuples.count;
    } else {
        f->levels = p->bar->learned[f->effect.variable[0]].levels.count;
    }
    if (f->levels > INT32_MAX)
        return bnorm_fail(m->ctx, BNORM_E_DATA, "the fixed effect '%.64s' has %td levels",
                          f->name, f->levels);
    if (like < k)
        p->codes[k] = p->codes[like];
    else
        bnorm_panel_codes(bar, f, m->rows, m->count, p->codes[k]);
    bnorm_status status = BNORM_OK;
    if (f->effect.slope >= 0)
        status = bnorm_panel_slope(bar, f, m->rows, m->count, p->slopes[k]);
    p->views[k] = (bnorm_factor){p->codes[k], f->levels, p->slopes[k]};
    return status;
}

static bnorm_status learn_factors(making *m)
{
    bnorm_panel *p = m->panel;
    bnorm_binding bar;
    bnorm_status status =
        bnorm_frame_learn(m->ctx, p->bar, m->table, m->rows, m->count, BNORM_CONSTANT_KEEP);
    if (status != BNORM_OK) return status;
    status = bnorm_binding_start(m->ctx, p->bar, m->table, 0, &bar);
    if (status == BNORM_OK) status = bnorm_binding_translate(&bar);
    for (ptrdiff_t k = 0; k < p->info.factors && status == BNORM_OK; k++)
        status = code_factor(m, &bar, k);
    bnorm_binding_stop(&bar);
    return status;
}

static bnorm_status fail_singletons(const making *m)
{
    return bnorm_fail(m->ctx, BNORM_E_DATA,
                      "each of the %td rows is alone in a level of a fixed effect: nothing is "
                      "left to estimate from; name fixed effects with fewer levels",
                      m->panel->info.singletons);
}

/* Takes out the rows that are alone in a level. *found: how many. */
static bnorm_status remove_singletons(making *m, ptrdiff_t *found)
{
    bnorm_panel *p = m->panel;
    ptrdiff_t kept = 0;
    unsigned char *single = bnorm_alloc_zero(m->ctx, m->count, 1);
    if (!single) return bnorm_fail_memory(m->ctx, "the rows of a table");
    bnorm_status status =
        bnorm_singletons(m->ctx, m->count, p->views, p->info.factors, NULL, single, found);
    for (ptrdiff_t i = 0; i < m->count && status == BNORM_OK; i++)
        if (!single[i]) m->rows[kept++] = m->rows[i];
    bnorm_free(single);
    if (status != BNORM_OK) return status;
    m->count = kept;
    p->info.singletons = *found;
    return kept ? BNORM_OK : fail_singletons(m);
}

void bnorm_tuple(const panel_factor *factor, ptrdiff_t level, int32_t *codes)
{
    memcpy(codes, bnorm_names_text(&factor->tuples, level),
           (size_t)factor->effect.columns * sizeof *codes);
}

static char *write_label(bnorm_ctx *ctx, const bnorm_frame *bar, const panel_factor *f,
                         ptrdiff_t level)
{
    int32_t code[BNORM_EFFECT_COLUMNS];
    const char *texts[BNORM_EFFECT_COLUMNS];
    size_t length = 0, columns = (size_t)f->effect.columns;
    bnorm_tuple(f, level, code);
    for (size_t c = 0; c < columns; c++) {
        texts[c] = bnorm_names_text(&bar->learned[f->effect.variable[c]].levels, code[c]);
        length += strlen(texts[c]) + 1;
    }
    char *label = bnorm_alloc(ctx, (ptrdiff_t)length, 1), *end = label;
    for (size_t c = 0; c < columns && label; c++)
        end += sprintf(end, "%s%s", c ? "^" : "", texts[c]);
    return label;
}

bnorm_status bnorm_factor_write_labels(bnorm_ctx *ctx, const bnorm_frame *bar, panel_factor *f)
{
    f->labels = bnorm_alloc_zero(ctx, f->levels, sizeof *f->labels);
    for (ptrdiff_t k = 0; f->labels && k < f->levels; k++) {
        f->labels[k] = write_label(ctx, bar, f, k);
        if (!f->labels[k]) return bnorm_fail_memory(ctx, "the levels of a factor");
    }
    return f->labels ? BNORM_OK : bnorm_fail_memory(ctx, "the levels of a factor");
}

char *bnorm_factor_name(bnorm_ctx *ctx, const bnorm_formula *variables, const bnorm_effect *e)
{
    size_t length = bnorm_effect_label(variables, e, NULL, 0);
    char *name = bnorm_alloc(ctx, (ptrdiff_t)length + 1, 1);
    if (name) bnorm_effect_label(variables, e, name, length + 1);
    return name;
}

static bnorm_status allocate(making *m)
{
    bnorm_panel *p = m->panel;
    ptrdiff_t count = p->info.factors;
    p->codes = bnorm_alloc_zero(m->ctx, count, sizeof *p->codes);
    p->slopes = bnorm_alloc_zero(m->ctx, count, sizeof *p->slopes);
    p->views = bnorm_alloc_zero(m->ctx, count, sizeof *p->views);
    if (!p->codes || !p->slopes || !p->views) return bnorm_fail_memory(m->ctx, "a panel");
    for (ptrdiff_t k = 0; k < count; k++) {
        const bnorm_effect *e = &p->factors[k].effect;
        if (same_levels(p, k) == k)
            p->codes[k] = bnorm_alloc(m->ctx, m->count, sizeof **p->codes);
        if (e->slope >= 0) p->slopes[k] = bnorm_alloc(m->ctx, m->count, sizeof **p->slopes);
        if ((same_levels(p, k) == k && !p->codes[k]) || (e->slope >= 0 && !p->slopes[k]))
            return bnorm_fail_memory(m->ctx, "a panel");
    }
    return BNORM_OK;
}

/* Where nothing was taken out the levels that were learned first are those in use. */
static bnorm_status settle_levels(making *m)
{
    ptrdiff_t found = 0;
    bnorm_status status = learn_factors(m);
    if (status == BNORM_OK && !m->options->keep_singletons)
        status = remove_singletons(m, &found);
    return status == BNORM_OK && found ? learn_factors(m) : status;
}

bnorm_status bnorm_making_factors(making *m)
{
    bnorm_panel *p = m->panel;
    if (!p->info.factors) return BNORM_OK;
    bnorm_status status = allocate(m);
    if (status == BNORM_OK) status = settle_levels(m);
    for (ptrdiff_t k = 0; k < p->info.factors && status == BNORM_OK; k++) {
        panel_factor *f = p->factors + k;
        f->effects = bnorm_alloc_zero(m->ctx, f->levels, sizeof *f->effects);
        if (!f->effects) return bnorm_fail_memory(m->ctx, "a panel");
        if (f->effect.columns > 1) status = bnorm_factor_write_labels(m->ctx, p->bar, f);
    }
    return status;
}
