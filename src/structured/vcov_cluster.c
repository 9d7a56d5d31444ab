/* vcov_cluster: the clusters of the rows in use, by the name of a fixed effect or of a column, and
 * which fixed effects they contain. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/table.h"
#include "matrix/view.h"
#include "structured/vcov.h"

static bnorm_status copy_codes(bnorm_ctx *ctx, const bnorm_panel *p, const int32_t *codes,
                               ptrdiff_t count, const char *name, panel_cluster *c)
{
    c->codes = bnorm_alloc(ctx, p->info.rows, sizeof *c->codes);
    c->name = bnorm_strdup(ctx, name);
    if (!c->codes || !c->name) return bnorm_fail_memory(ctx, "clusters");
    memcpy(c->codes, codes, (size_t)p->info.rows * sizeof *codes);
    c->count = count;
    return BNORM_OK;
}

/* The unit, by the name of the effect that has its levels. */
static bnorm_status by_unit(bnorm_ctx *ctx, const bnorm_panel *p, panel_cluster *c)
{
    const char *name = "unit";
    if (!p->index[0])
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the model has no unit to cluster by: name a column");
    for (ptrdiff_t k = 0; k < p->info.factors; k++)
        if (!p->slopes[k] && p->factors[k].levels == p->info.units &&
            !memcmp(p->codes[k], p->index[0], (size_t)p->info.rows * sizeof(int32_t))) {
            name = p->factors[k].name;
            break;
        }
    return copy_codes(ctx, p, p->index[0], p->info.units, name, c);
}

static const panel_factor *find_factor(const bnorm_panel *p, const char *name, ptrdiff_t *k)
{
    for (*k = 0; *k < p->info.factors; ++*k)
        if (!p->slopes[*k] && !strcmp(p->factors[*k].name, name)) return p->factors + *k;
    return NULL;
}

/* Levels of a column in the rows in use, all of them present. */
static bnorm_status column_codes(bnorm_ctx *ctx, const bnorm_panel *p,
                                 const bnorm_column *column, panel_cluster *c)
{
    bnorm_learned learned = {0};
    int by_text = column->codes && column->bad_row >= 0;
    bnorm_status status = bnorm_levels_learn(ctx, column, p->rows, p->info.rows, &learned);
    for (ptrdiff_t i = 0; i < p->info.rows && status == BNORM_OK; i++) {
        ptrdiff_t row = p->rows[i];
        const char *text =
            by_text ? bnorm_names_text(&column->texts, column->codes[row]) : NULL;
        c->codes[i] = (int32_t)(text ? bnorm_levels_find_text(&learned, text)
                                     : bnorm_levels_find_number(&learned, column->values[row]));
    }
    c->count = learned.levels.count;
    bnorm_levels_clear(&learned);
    return status;
}

static bnorm_status by_column(bnorm_ctx *ctx, const bnorm_panel *p, const bnorm_table *table,
                              const char *name, panel_cluster *c)
{
    ptrdiff_t number;
    if (table->rows != p->info.table_rows)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the table has %td rows and the model's had %td: the cluster '%s' is "
                          "to be a column of that table",
                          table->rows, p->info.table_rows, name);
    BNORM_TRY(bnorm_table_find(ctx, table, name, &number));
    const bnorm_column *column = table->columns + number;
    if (!column->codes && column->bad_row >= 0) return bnorm_column_bad(ctx, table, column, 0);
    for (ptrdiff_t i = 0; i < p->info.rows; i++) {
        char place[BNORM_PLACE_SIZE];
        if (!bnorm_column_missing(column, p->rows[i])) continue;
        bnorm_table_place(table, p->rows[i], place);
        return bnorm_fail(ctx, BNORM_E_DATA,
                          "%s: the cluster '%s' is missing, and the model uses the row: leave "
                          "such rows out before the fit",
                          place, name);
    }
    c->codes = bnorm_alloc(ctx, p->info.rows, sizeof *c->codes);
    c->name = bnorm_strdup(ctx, name);
    if (!c->codes || !c->name) return bnorm_fail_memory(ctx, "clusters");
    return column_codes(ctx, p, column, c);
}

bnorm_status bnorm_panel_cluster(bnorm_ctx *ctx, const bnorm_panel *panel,
                                 const bnorm_table *table, const char *name, panel_cluster *c)
{
    ptrdiff_t k, found;
    bnorm_status status;
    *c = (panel_cluster){0};
    const panel_factor *f = name ? find_factor(panel, name, &k) : NULL;
    if (!name)
        status = by_unit(ctx, panel, c);
    else if (f)
        status = copy_codes(ctx, panel, panel->codes[k], f->levels, name, c);
    else if (table)
        status = by_column(ctx, panel, table, name, c);
    else
        status = bnorm_fail(ctx, BNORM_E_ARGUMENT,
                            "the cluster '%s' is no fixed effect of the model: give its table",
                            name);
    if (status != BNORM_OK) return status;
    clustering by = {c->codes, c->count};
    BNORM_TRY(bnorm_cluster_count(ctx, panel->info.rows, &by, &found));
    if (found >= 2) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_DATA,
                      "the cluster '%s' has one level in the rows in use: clustered standard "
                      "errors need at least two, better many",
                      c->name);
}

/* --------------------------------------------------------------------------------- counts */

static bnorm_status nested(bnorm_ctx *ctx, const bnorm_panel *p, const bnorm_factor *f,
                           const clustering *by, int ways, int *in)
{
    *in = 0;
    for (int k = 0; k < ways && !*in; k++)
        BNORM_TRY(bnorm_cluster_nests(ctx, p->info.rows, f->codes, f->levels, &by[k], in));
    return BNORM_OK;
}

/* The rank of the dummies of factors that no cluster contains, and of the constant if one that is
 * contained has it. */
static bnorm_status count_others(bnorm_ctx *ctx, const bnorm_panel *p, const clustering *by,
                                 int ways, bnorm_factor *others, ptrdiff_t *counted)
{
    ptrdiff_t count = 0;
    int constant = 0, has_constant = 0;
    for (ptrdiff_t k = 0; k < p->info.factors; k++) {
        int in;
        BNORM_TRY(nested(ctx, p, &p->views[k], by, ways, &in));
        if (in && !p->views[k].slope) constant = 1;
        if (in) continue;
        has_constant |= !p->views[k].slope;
        others[count++] = p->views[k];
    }
    *counted = constant && !has_constant;
    if (count == 0) return BNORM_OK;
    bnorm_within *within;
    BNORM_TRY(bnorm_within_create(ctx, p->info.rows, others, count, p->weights, 0, &within));
    *counted += bnorm_within_rank(within);
    bnorm_within_destroy(within);
    return BNORM_OK;
}

bnorm_status bnorm_panel_counted(bnorm_ctx *ctx, const bnorm_panel *panel,
                                 bnorm_vcov_count count, const clustering *by, int ways,
                                 ptrdiff_t *counted)
{
    *counted = panel->within ? bnorm_within_rank(panel->within) : 0;
    if (!panel->within || count == BNORM_COUNT_ALL) return BNORM_OK;
    *counted = 0;
    if (count == BNORM_COUNT_NONE) return BNORM_OK;
    bnorm_factor *others = bnorm_alloc(ctx, panel->info.factors, sizeof *others);
    if (!others) return bnorm_fail_memory(ctx, "fixed effects");
    bnorm_status status = count_others(ctx, panel, by, ways, others, counted);
    bnorm_free(others);
    return status;
}
