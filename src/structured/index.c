/* index: the unit and the period of each row. They are what the options name, else the first fixed
 * effect and the first after it that has other levels. What fits, folds and standard errors do not
 * divide are units. */
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/making.h"

/* Codes of the levels of a column in the rows. */
static bnorm_status column_codes(const making *m, const bnorm_column *c, const ptrdiff_t *rows,
                                 const bnorm_learned *learned, int32_t *codes)
{
    int by_text = c->codes && c->bad_row >= 0;
    ptrdiff_t texts = by_text ? c->texts.count : 0;
    ptrdiff_t *code = bnorm_alloc(m->ctx, texts, sizeof *code);
    if (!code) return bnorm_fail_memory(m->ctx, "the levels of a column");
    for (ptrdiff_t k = 0; k < texts; k++) {
        const char *text = bnorm_names_text(&c->texts, k);
        code[k] = bnorm_names_find(&learned->levels, text, strlen(text));
    }
    for (ptrdiff_t i = 0; i < m->count; i++)
        codes[i] = (int32_t)(by_text ? code[c->codes[rows[i]]]
                                     : bnorm_levels_find_number(learned, c->values[rows[i]]));
    bnorm_free(code);
    return BNORM_OK;
}

static bnorm_status named_index(making *m, const char *name, int32_t **codes, ptrdiff_t *levels)
{
    ptrdiff_t column;
    bnorm_learned learned = {0};
    bnorm_status status = bnorm_table_find(m->ctx, m->table, name, &column);
    if (status != BNORM_OK) return status;
    const bnorm_column *c = m->table->columns + column;
    *codes = bnorm_alloc(m->ctx, m->count, sizeof **codes);
    if (!*codes) return bnorm_fail_memory(m->ctx, "a panel");
    if (c->bad_row >= 0 && !c->codes) return bnorm_column_bad(m->ctx, m->table, c, 0);
    status = bnorm_levels_learn(m->ctx, c, m->rows, m->count, &learned);
    if (status == BNORM_OK) status = column_codes(m, c, m->rows, &learned, *codes);
    *levels = learned.levels.count;
    bnorm_levels_clear(&learned);
    return status;
}

/* The fixed effect after `after` with other codes than `not` (or NULL); its codes are the
 * panel's. */
static bnorm_status effect_index(making *m, const int32_t * not, int32_t **codes,
                                 ptrdiff_t *levels)
{
    const bnorm_panel *p = m->panel;
    for (ptrdiff_t k = 0; k < p->info.factors; k++) {
        if (p->codes[k] == p->codes[0] && not ) continue;
        *codes = bnorm_alloc(m->ctx, m->count, sizeof **codes);
        if (!*codes) return bnorm_fail_memory(m->ctx, "a panel");
        memcpy(*codes, p->codes[k], (size_t)m->count * sizeof **codes);
        *levels = p->factors[k].levels;
        return BNORM_OK;
    }
    return BNORM_OK;
}

static int by_key(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Rows whose unit and period came before, and pairs that never come. */
static bnorm_status count_pairs(making *m)
{
    bnorm_panel *p = m->panel;
    ptrdiff_t distinct = 0, cells;
    int64_t *keys = bnorm_alloc(m->ctx, m->count, sizeof *keys);
    if (!keys) return bnorm_fail_memory(m->ctx, "a panel");
    for (ptrdiff_t i = 0; i < m->count; i++)
        keys[i] = (int64_t)p->index[0][i] << 32 | p->index[1][i];
    qsort(keys, (size_t)m->count, sizeof *keys, by_key);
    for (ptrdiff_t i = 0; i < m->count; i++) distinct += !i || keys[i] != keys[i - 1];
    bnorm_free(keys);
    p->info.duplicates = m->count - distinct;
    if (!bnorm_multiply(p->info.units, p->info.periods, &cells)) cells = PTRDIFF_MAX;
    p->info.gaps = cells - distinct;
    return BNORM_OK;
}

bnorm_status bnorm_making_index(making *m)
{
    bnorm_panel *p = m->panel;
    bnorm_panel_info *info = &p->info;
    const bnorm_panel_options *o = m->options;
    bnorm_status status = o->unit ? named_index(m, o->unit, &p->index[0], &info->units)
                                  : effect_index(m, NULL, &p->index[0], &info->units);
    if (status != BNORM_OK) return status;
    status = o->period ? named_index(m, o->period, &p->index[1], &info->periods)
                       : effect_index(m, p->index[0], &p->index[1], &info->periods);
    if (status != BNORM_OK || !p->index[0] || !p->index[1]) return status;
    return count_pairs(m);
}
