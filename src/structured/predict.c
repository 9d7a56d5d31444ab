/* predict: predictions of a structured model for the rows of any table, and which rows it takes.
 * Rows with missing values come as NaN. */
#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/reader.h"
#include "structured/vcov.h"

/* Those of the asked rows that lack nothing: their places in `rows`. */
typedef struct asked {
    ptrdiff_t *place, *row, count;
} asked;

static bnorm_status check_rows(bnorm_ctx *ctx, const bnorm_table *table, const ptrdiff_t *rows,
                               ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        if (rows[i] < 0 || rows[i] >= table->rows)
            return bnorm_fail(ctx, BNORM_E_ARGUMENT, "row %td of %td", rows[i], table->rows);
    return BNORM_OK;
}

static bnorm_status ask(bnorm_ctx *ctx, const bnorm_panel *p, const bnorm_table *table,
                        const ptrdiff_t *rows, ptrdiff_t count, asked *a)
{
    unsigned char *missing = bnorm_alloc_zero(ctx, table->rows, 1);
    a->place = bnorm_alloc(ctx, count, sizeof *a->place);
    a->row = bnorm_alloc(ctx, count, sizeof *a->row);
    bnorm_status status = missing && a->place && a->row
                              ? bnorm_reader_missing(ctx, p, table, 0, missing)
                              : bnorm_fail_memory(ctx, "the rows of a table");
    for (ptrdiff_t i = 0; i < count && status == BNORM_OK; i++) {
        if (missing[rows[i]]) continue;
        a->place[a->count] = i;
        a->row[a->count++] = rows[i];
    }
    bnorm_free(missing);
    return status;
}

/* Where results go, rows in the caller's order; se NULL: not asked for. */
typedef struct answer {
    double *mean, *se;
    const bnorm_vcov *vcov;
} answer;

static void respond(const bnorm_panel *p, ptrdiff_t count, double *score)
{
    const bnorm_loss *loss = bnorm_loss_find("logistic");
    for (ptrdiff_t i = 0; i < count && p->info.logistic; i++)
        loss->response(loss->user, 1, score + i, score + i);
}

static bnorm_status predict_asked(panel_reader *r, const asked *a, bnorm_new_level new_level,
                                  const answer *to)
{
    double *score = bnorm_alloc(r->ctx, r->most, sizeof *score);
    double *error = bnorm_alloc(r->ctx, r->most, sizeof *error);
    bnorm_status status =
        score && error ? BNORM_OK : bnorm_fail_memory(r->ctx, "a chunk of predictions");
    for (ptrdiff_t first = 0; first < a->count && status == BNORM_OK; first += r->most) {
        ptrdiff_t n = a->count - first < r->most ? a->count - first : r->most;
        status = bnorm_reader_load(r, a->row + first, n);
        if (status == BNORM_OK) status = bnorm_reader_score(r, score);
        if (status == BNORM_OK)
            status = bnorm_reader_effects(r, a->row + first, n, new_level, score);
        if (status == BNORM_OK && to->se)
            status = bnorm_reader_errors(r, to->vcov, a->row + first, score, error);
        if (status == BNORM_OK) respond(r->panel, n, score);
        for (ptrdiff_t i = 0; i < n && status == BNORM_OK; i++) {
            to->mean[a->place[first + i]] = score[i];
            if (to->se && !isnan(score[i])) to->se[a->place[first + i]] = error[i];
        }
    }
    bnorm_free(score);
    bnorm_free(error);
    return status;
}

static bnorm_status predict_rows(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_table *table,
                                 const ptrdiff_t *rows, ptrdiff_t count,
                                 bnorm_new_level new_level, const answer *to)
{
    panel_reader r;
    asked a = {.count = 0};
    for (ptrdiff_t i = 0; i < count; i++) to->mean[i] = (double)NAN;
    for (ptrdiff_t i = 0; i < count && to->se; i++) to->se[i] = (double)NAN;
    bnorm_status status = check_rows(ctx, table, rows, count);
    if (status != BNORM_OK) return status;
    status = bnorm_reader_start(ctx, panel, table, count, &r);
    if (status == BNORM_OK) status = ask(ctx, panel, table, rows, count, &a);
    if (status == BNORM_OK) status = predict_asked(&r, &a, new_level, to);
    bnorm_reader_stop(&r);
    bnorm_free(a.place);
    bnorm_free(a.row);
    return status;
}

bnorm_status bnorm_panel_predict(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                                 const bnorm_table *table, const ptrdiff_t *rows,
                                 ptrdiff_t count, bnorm_new_level new_level, double *mean,
                                 double *se)
{
    if (!panel || !table || count < 0 || (count && (!rows || !mean)) || (se && !vcov))
        return bnorm_fail(
            ctx, BNORM_E_ARGUMENT,
            "bnorm_panel_predict: something is NULL, or se is asked without vcov");
    bnorm_status status = bnorm_panel_need_fit(ctx, panel, "bnorm_panel_predict");
    if (status == BNORM_OK && se)
        status = bnorm_vcov_check(ctx, panel, vcov, "bnorm_panel_predict");
    answer to = {mean, se, vcov};
    if (status == BNORM_OK)
        status = predict_rows(ctx, panel, table, rows, count, new_level, &to);
    return status;
}

/* ------------------------------------------------------------------------------- screen */

/* Lowers what is ready to what the frame says. */
static bnorm_status screen_frame(bnorm_ctx *ctx, const bnorm_frame *f, const bnorm_table *table,
                                 int with_target, unsigned char *one, unsigned char *kinds)
{
    bnorm_status status = bnorm_frame_screen(ctx, f, table, with_target, one);
    for (ptrdiff_t i = 0; i < table->rows && status == BNORM_OK; i++)
        if (one[i] == BNORM_ROW_MISSING || (one[i] && kinds[i] == BNORM_ROW_READY))
            kinds[i] = one[i];
    return status;
}

/* Fixed effects of rows without a missing value. */
static void screen_effects(panel_reader *r, unsigned char *kinds)
{
    for (ptrdiff_t i = 0; i < r->table->rows; i++)
        for (ptrdiff_t k = 0; k < r->panel->info.factors && kinds[i] == BNORM_ROW_READY; k++) {
            const panel_factor *f = r->panel->factors + k;
            int32_t code;
            double slope;
            bnorm_panel_codes(&r->bar, f, &i, 1, &code);
            if (code < 0) kinds[i] = BNORM_ROW_NEW;
            if (f->effect.slope >= 0 &&
                bnorm_panel_slope(&r->bar, f, &i, 1, &slope) != BNORM_OK)
                kinds[i] = BNORM_ROW_FOREIGN;
        }
}

static bnorm_status screen(bnorm_ctx *ctx, bnorm_panel *p, const bnorm_table *table,
                           int with_target, unsigned char *one, unsigned char *kinds)
{
    panel_reader r;
    for (ptrdiff_t i = 0; i < table->rows; i++) kinds[i] = BNORM_ROW_READY;
    bnorm_status status = screen_frame(ctx, p->linear, table, with_target, one, kinds);
    for (ptrdiff_t k = 0; k < p->info.networks && status == BNORM_OK; k++)
        status = screen_frame(ctx, p->networks[k], table, 0, one, kinds);
    for (ptrdiff_t i = 0; i < table->rows; i++) one[i] = 0;
    if (status == BNORM_OK) status = bnorm_frame_missing(ctx, p->bar, table, 0, 0, one);
    for (ptrdiff_t i = 0; i < table->rows && status == BNORM_OK; i++)
        if (one[i]) kinds[i] = BNORM_ROW_MISSING;
    if (status != BNORM_OK) return status;
    status = bnorm_reader_start(ctx, p, table, 1, &r);
    if (status == BNORM_OK) screen_effects(&r, kinds);
    bnorm_reader_stop(&r);
    return status;
}

bnorm_status bnorm_panel_screen(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_table *table,
                                int with_target, unsigned char *kinds)
{
    if (!panel || !table || (!kinds && table->rows))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_panel_screen: something is NULL");
    unsigned char *one = bnorm_alloc(ctx, table->rows, 1);
    if (!one) return bnorm_fail_memory(ctx, "the rows of a table");
    bnorm_status status = screen(ctx, panel, table, with_target, one, kinds);
    bnorm_free(one);
    return status;
}
