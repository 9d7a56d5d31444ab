/* matrices: the target, the weights, the linear terms and the network inputs of the rows of a
 * panel. Linear terms and target stay in their units; network inputs are standardised. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/number.h"
#include "panel/panel.h"
#include "structured/making.h"

/* -------------------------------------------------------------------- target and weights */

static bnorm_status check_probability(const making *m, const double *y)
{
    for (ptrdiff_t i = 0; i < m->count; i++) {
        if (y[i] >= 0 && y[i] <= 1) continue;
        char place[BNORM_PLACE_SIZE], number[BNORM_NUMBER_SIZE];
        bnorm_table_place(m->table, m->rows[i], place);
        bnorm_number_format(y[i], number);
        return bnorm_fail(
            m->ctx, BNORM_E_DATA,
            "%s: the target is %s; the logistic loss needs values from 0 to 1, or "
            "two levels",
            place, number);
    }
    return BNORM_OK;
}

static bnorm_status check_target(const making *m)
{
    const bnorm_panel *p = m->panel;
    char name[BNORM_EXCERPT_SIZE];
    ptrdiff_t classes = bnorm_frame_classes(p->linear);
    bnorm_excerpt(bnorm_frame_target_name(p->linear), name);
    if (classes && !p->info.logistic)
        return bnorm_fail(m->ctx, BNORM_E_DATA,
                          "the target '%s' is not numeric; the squared loss needs numbers, the "
                          "logistic loss takes a target of two levels",
                          name);
    if (classes && classes != 2)
        return bnorm_fail(m->ctx, BNORM_E_DATA,
                          "the target '%s' has %td levels; the logistic loss takes two", name,
                          classes);
    return classes || !p->info.logistic ? BNORM_OK : check_probability(m, p->y);
}

static bnorm_status take_weights(making *m)
{
    bnorm_panel *p = m->panel;
    p->info.n = (double)m->count;
    if (!m->weights) return BNORM_OK;
    p->weights = bnorm_alloc(m->ctx, m->count, sizeof *p->weights);
    if (!p->weights) return bnorm_fail_memory(m->ctx, "a panel");
    p->info.n = 0;
    for (ptrdiff_t i = 0; i < m->count; i++) {
        p->weights[i] = m->weights[m->rows[i]];
        p->info.n += p->weights[i];
    }
    if (isfinite(p->info.n)) return BNORM_OK;
    return bnorm_fail(m->ctx, BNORM_E_DATA, "the weights have no finite sum");
}

/* ----------------------------------------------------------------------------- linear terms */

static bnorm_status allocate_matrix(making *m, ptrdiff_t cols, double **data)
{
    ptrdiff_t size;
    if (bnorm_multiply(m->count, cols, &size)) *data = bnorm_alloc(m->ctx, size, sizeof **data);
    return *data ? BNORM_OK : bnorm_fail_memory(m->ctx, "the matrices of a panel");
}

/* y and P as the frame makes them, a column of ones before it where there is an intercept. */
static bnorm_status take_linear(making *m)
{
    bnorm_panel *p = m->panel;
    p->intercept = !p->info.factors;
    bnorm_status status =
        bnorm_frame_learn(m->ctx, p->linear, m->table, m->rows, m->count, BNORM_CONSTANT_KEEP);
    if (status != BNORM_OK) return status;
    ptrdiff_t cols = p->intercept + bnorm_frame_inputs(p->linear);
    p->y = bnorm_alloc(m->ctx, m->count, sizeof *p->y);
    if (!p->y) return bnorm_fail_memory(m->ctx, "the matrices of a panel");
    status = allocate_matrix(m, cols, &p->p);
    if (status != BNORM_OK) return status;
    for (ptrdiff_t i = 0; i < m->count && p->intercept; i++) p->p[i * cols] = 1;
    bnorm_mat_f64 x = {p->p + p->intercept, m->count, cols - p->intercept, cols,
                       BNORM_ROW_MAJOR};
    p->info.linear = cols;
    return bnorm_frame_matrix(m->ctx, p->linear, m->table, m->rows, m->count, x,
                              bnorm_view_f64(p->y, m->count, 1, BNORM_ROW_MAJOR));
}

bnorm_status bnorm_making_drop(making *m, const char *name, const char *reason)
{
    bnorm_panel *p = m->panel;
    ptrdiff_t count = p->info.dropped;
    panel_dropped *more = bnorm_alloc_zero(m->ctx, count + 1, sizeof *more);
    if (!more) return bnorm_fail_memory(m->ctx, "a panel");
    if (count) memcpy(more, p->dropped, (size_t)count * sizeof *more);
    bnorm_free(p->dropped);
    p->dropped = more;
    more[count].name = bnorm_strdup(m->ctx, name);
    more[count].reason = bnorm_strdup(m->ctx, reason);
    p->info.dropped++;
    return more[count].name && more[count].reason ? BNORM_OK
                                                  : bnorm_fail_memory(m->ctx, "a panel");
}

static int constant_column(const making *m, ptrdiff_t j)
{
    const bnorm_panel *p = m->panel;
    for (ptrdiff_t i = 1; i < m->count; i++)
        if (p->p[i * p->info.linear + j] != p->p[j]) return 0;
    return 1;
}

/* The problem of P alone, or of a part of its columns. */
static problem linear_problem(const making *m, ptrdiff_t first, ptrdiff_t cols)
{
    const bnorm_panel *p = m->panel;
    problem q = {.rows = m->count, .y = p->y, .weights = p->weights, .n = p->info.n};
    q.p = (bnorm_mat_f64){p->p + first, m->count, cols, p->info.linear, BNORM_ROW_MAJOR};
    q.within = p->within;
    q.factors = p->views;
    q.factor_count = p->info.factors;
    return q;
}

static bnorm_status note_reason(making *m, ptrdiff_t j)
{
    const bnorm_panel *p = m->panel;
    const char *name = bnorm_frame_input_name(p->linear, j - p->intercept);
    const char *reason = "constant";
    if (!constant_column(m, j)) {
        unsigned char alone = 0;
        problem q = linear_problem(m, j, 1);
        bnorm_status status =
            p->within ? bnorm_problem_collinear(m->ctx, &q, &alone) : BNORM_OK;
        if (status != BNORM_OK) return status;
        reason = alone       ? "explained by the fixed effects"
                 : p->within ? "explained by the terms before it and the fixed effects"
                             : "explained by the terms before it";
    }
    return bnorm_making_drop(m, name, reason);
}

/* Moves the kept columns together; P has no holes. */
static bnorm_status compress(making *m, const unsigned char *dropped)
{
    bnorm_panel *p = m->panel;
    ptrdiff_t cols = p->info.linear, kept = 0, to = 0;
    for (ptrdiff_t j = 0; j < cols; j++) kept += !dropped[j];
    if (kept == cols) return BNORM_OK;
    bnorm_status status = bnorm_design_drop(m->ctx, p->linear, dropped + p->intercept);
    if (status != BNORM_OK) return status;
    for (ptrdiff_t i = 0; i < m->count; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            if (!dropped[j]) p->p[to++] = p->p[i * cols + j];
    p->info.linear = kept;
    return BNORM_OK;
}

static bnorm_status fail_empty(const making *m)
{
    const panel_dropped *d = m->panel->dropped;
    char name[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(d->name, name);
    return bnorm_fail(m->ctx, BNORM_E_DATA,
                      "no linear term is left to be estimated: '%s' is %s%s", name, d->reason,
                      m->panel->info.dropped > 1 ? ", and so on" : "");
}

static bnorm_status drop_collinear(making *m)
{
    bnorm_panel *p = m->panel;
    problem q = linear_problem(m, 0, p->info.linear);
    unsigned char *dropped = bnorm_alloc_zero(m->ctx, p->info.linear, 1);
    if (!dropped) return bnorm_fail_memory(m->ctx, "a panel");
    bnorm_status status = bnorm_problem_collinear(m->ctx, &q, dropped);
    for (ptrdiff_t j = 0; j < p->info.linear && status == BNORM_OK; j++)
        if (dropped[j]) status = note_reason(m, j);
    if (status == BNORM_OK) status = compress(m, dropped);
    bnorm_free(dropped);
    if (status == BNORM_OK && p->info.dropped && p->info.linear == p->intercept &&
        !p->info.networks)
        return fail_empty(m);
    return status;
}

/* -------------------------------------------------------------------------- network inputs */

static bnorm_status note_constants(making *m, ptrdiff_t k)
{
    const bnorm_frame *f = m->panel->networks[k];
    char reason[64];
    snprintf(reason, sizeof reason, "constant in nn%td", k + 1);
    bnorm_status status = BNORM_OK;
    for (ptrdiff_t j = 0; j < bnorm_frame_dropped(f) && status == BNORM_OK; j++)
        status = bnorm_making_drop(m, bnorm_frame_dropped_name(f, j), reason);
    return status;
}

static void standardise(const bnorm_frame *f, ptrdiff_t rows, ptrdiff_t cols, double *x)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            x[i * cols + j] = (x[i * cols + j] - f->center[j]) / f->scale[j];
}

static bnorm_status take_inputs(making *m, ptrdiff_t k)
{
    bnorm_panel *p = m->panel;
    bnorm_frame *f = p->networks[k];
    bnorm_mat_f64 none = {0};
    bnorm_status status =
        bnorm_frame_learn(m->ctx, f, m->table, m->rows, m->count, BNORM_CONSTANT_DROP);
    if (status == BNORM_E_DATA)
        return bnorm_fail(m->ctx, status, "nn%td: %s", k + 1, bnorm_ctx_message(m->ctx));
    if (status == BNORM_OK) status = note_constants(m, k);
    ptrdiff_t cols = bnorm_frame_inputs(f);
    if (status == BNORM_OK) status = allocate_matrix(m, cols, &p->nets[k].x.data);
    if (status != BNORM_OK) return status;
    bnorm_mat_f64 x = bnorm_view_f64(p->nets[k].x.data, m->count, cols, BNORM_ROW_MAJOR);
    p->nets[k].x = x;
    status = bnorm_frame_matrix(m->ctx, f, m->table, m->rows, m->count, x, none);
    if (status == BNORM_OK) status = bnorm_frame_learn_scaling(m->ctx, f, x, none, 0);
    if (status == BNORM_OK) standardise(f, m->count, cols, x.data);
    return status;
}

bnorm_status bnorm_making_matrices(making *m)
{
    bnorm_panel *p = m->panel;
    bnorm_status status = take_linear(m);
    if (status == BNORM_OK) status = check_target(m);
    if (status == BNORM_OK) status = take_weights(m);
    if (status == BNORM_OK && p->info.factors)
        status = bnorm_within_create(m->ctx, m->count, p->views, p->info.factors, p->weights,
                                     m->options->tolerance, &p->within);
    if (status == BNORM_OK && p->info.linear) status = drop_collinear(m);
    for (ptrdiff_t k = 0; k < p->info.networks && status == BNORM_OK; k++)
        status = take_inputs(m, k);
    return status;
}
