/* rows: which rows of a table a structured model uses. A row is out when a column that the formula
 * names, its unit, its period or its weight is missing, or when its weight is 0; each row is counted
 * once, as missing before weightless. */
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/number.h"
#include "structured/making.h"

static bnorm_status fail_weight(const making *m, ptrdiff_t row)
{
    char place[BNORM_PLACE_SIZE], number[BNORM_NUMBER_SIZE];
    bnorm_table_place(m->table, row, place);
    bnorm_number_format(m->weights[row], number);
    return bnorm_fail(m->ctx, BNORM_E_DATA,
                      "%s: the weight is %s; weights are finite and not negative: 0 leaves the "
                      "row out, NaN (NA) counts as missing",
                      place, number);
}

static bnorm_status check_weights(const making *m)
{
    for (ptrdiff_t i = 0; i < m->table->rows && m->weights; i++) {
        char place[BNORM_PLACE_SIZE];
        if (m->weights[i] < 0 || isinf(m->weights[i])) return fail_weight(m, i);
        if (!isnan(m->weights[i]) || !m->options->na_error) continue;
        bnorm_table_place(m->table, i, place);
        return bnorm_fail(m->ctx, BNORM_E_DATA,
                          "%s: the weight is missing; complete it, or let rows with missing "
                          "values be left out",
                          place);
    }
    return BNORM_OK;
}

/* The rows where a column that is named in the options is missing. */
static bnorm_status mark_named(const making *m, const char *name, unsigned char *missing)
{
    ptrdiff_t column;
    if (!name) return BNORM_OK;
    bnorm_status status = bnorm_table_find(m->ctx, m->table, name, &column);
    for (ptrdiff_t i = 0; i < m->table->rows && status == BNORM_OK; i++) {
        if (!bnorm_column_missing(m->table->columns + column, i)) continue;
        missing[i] = 1;
        char place[BNORM_PLACE_SIZE], shown[BNORM_EXCERPT_SIZE];
        bnorm_table_place(m->table, i, place);
        bnorm_excerpt(name, shown);
        if (m->options->na_error)
            status = bnorm_fail(m->ctx, BNORM_E_DATA,
                                "%s: column '%s' is missing; complete it, or let rows with "
                                "missing values be left out",
                                place, shown);
    }
    return status;
}

static bnorm_status mark_missing(const making *m, unsigned char *missing)
{
    const bnorm_panel *p = m->panel;
    int strict = m->options->na_error;
    bnorm_status status = bnorm_frame_missing(m->ctx, p->linear, m->table, 1, strict, missing);
    for (ptrdiff_t k = 0; k < p->info.networks && status == BNORM_OK; k++)
        status = bnorm_frame_missing(m->ctx, p->networks[k], m->table, 0, strict, missing);
    if (status == BNORM_OK)
        status = bnorm_frame_missing(m->ctx, p->bar, m->table, 0, strict, missing);
    if (status == BNORM_OK) status = mark_named(m, m->options->unit, missing);
    if (status == BNORM_OK) status = mark_named(m, m->options->period, missing);
    return status;
}

static bnorm_status keep_rows(making *m, const unsigned char *missing)
{
    bnorm_panel_info *info = &m->panel->info;
    for (ptrdiff_t i = 0; i < m->table->rows; i++)
        if (missing[i] || (m->weights && isnan(m->weights[i])))
            info->missing++;
        else if (m->weights && m->weights[i] == 0)
            info->weightless++;
        else
            m->rows[m->count++] = i;
    if (m->count > 1) return BNORM_OK;
    return bnorm_fail(m->ctx, BNORM_E_DATA,
                      "%td of %td rows are left, at least 2 are needed: values are missing in "
                      "%td, the weight is 0 in %td",
                      m->count, info->table_rows, info->missing, info->weightless);
}

bnorm_status bnorm_making_rows(making *m)
{
    m->panel->info.table_rows = m->table->rows;
    m->rows = bnorm_alloc(m->ctx, m->table->rows, sizeof *m->rows);
    unsigned char *missing = bnorm_alloc_zero(m->ctx, m->table->rows, 1);
    bnorm_status status =
        m->rows && missing ? BNORM_OK : bnorm_fail_memory(m->ctx, "the rows of a table");
    if (status == BNORM_OK) status = check_weights(m);
    if (status == BNORM_OK) status = mark_missing(m, missing);
    if (status == BNORM_OK) status = keep_rows(m, missing);
    bnorm_free(missing);
    return status;
}
