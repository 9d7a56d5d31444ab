/* within_demean: Q x, the columns by lanes over threads. Which columns share lanes depends on
 * their number alone, and lanes do not touch one another. */
#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "matrix/view.h"
#include "panel/within.h"

enum { FEW_CELLS = 16384 }; /* below, another thread takes longer to wake than it saves */

typedef struct demean_job {
    const bnorm_within *q;
    bnorm_mat_f64 x, y;
    ptrdiff_t groups, workers;
    within_work *work;      /* workers */
    within_result *results; /* groups */
} demean_job;

static ptrdiff_t row_step(const bnorm_mat_f64 *m)
{
    return m->layout == BNORM_ROW_MAJOR ? m->ld : 1;
}

static ptrdiff_t col_step(const bnorm_mat_f64 *m)
{
    return m->layout == BNORM_ROW_MAJOR ? 1 : m->ld;
}

static void project_group(const demean_job *j, ptrdiff_t g, within_work *w)
{
    ptrdiff_t c = g * BNORM_LANES;
    within_lanes lanes = {.from = j->x.data + c * col_step(&j->x),
                          .from_row = row_step(&j->x),
                          .from_col = col_step(&j->x),
                          .to = j->y.data + c * col_step(&j->y),
                          .to_row = row_step(&j->y),
                          .to_col = col_step(&j->y),
                          .count = (int)smaller(BNORM_LANES, j->x.cols - c)};
    bnorm_within_project(j->q, &lanes, w, &j->results[g]);
}

/* A worker takes every `workers`-th group. */
static void work(void *argument, ptrdiff_t k)
{
    const demean_job *j = argument;
    for (ptrdiff_t g = k; g < j->groups; g += j->workers) project_group(j, g, &j->work[k]);
}

static bnorm_status report(bnorm_ctx *ctx, const demean_job *j, ptrdiff_t *sweeps)
{
    ptrdiff_t most = 0;
    for (ptrdiff_t g = 0; g < j->groups; g++) {
        const within_result *r = &j->results[g];
        most = larger(most, r->sweeps);
        if (r->failed < 0) continue;
        return bnorm_fail(
            ctx, BNORM_E_DATA,
            "column %td: after %td sweeps the factors still explain %.2g of what is left, and "
            "the tolerance is %.2g; ask for a larger tolerance, or leave out levels that few "
            "rows join to the others",
            g * BNORM_LANES + r->failed + 1, r->sweeps, r->residual, j->q->tolerance);
    }
    if (sweeps) *sweeps = most;
    return BNORM_OK;
}

static bnorm_status check(bnorm_ctx *ctx, const bnorm_within *q, bnorm_mat_f64 x,
                          bnorm_mat_f64 y)
{
    BNORM_TRY(bnorm_check_pointer(ctx, q, "within"));
    bnorm_view a = bnorm_view_of_f64(x), b = bnorm_view_of_f64(y);
    BNORM_TRY(bnorm_check_view(ctx, &a, "x"));
    BNORM_TRY(bnorm_check_view(ctx, &b, "y"));
    if (x.rows != q->rows)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "x has %td rows; the factors have %td", x.rows,
                          q->rows);
    if (y.rows != x.rows || y.cols != x.cols)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "y is %td x %td; it must be %td x %td as x",
                          y.rows, y.cols, x.rows, x.cols);
    return x.data == y.data ? bnorm_check_like(ctx, &b, "y", &a, "x") : BNORM_OK;
}

static bnorm_status run(bnorm_ctx *ctx, demean_job *j, ptrdiff_t *sweeps)
{
    bnorm_status status = BNORM_OK;
    j->work = bnorm_alloc_zero(ctx, j->workers, sizeof *j->work);
    j->results = bnorm_alloc_zero(ctx, j->groups, sizeof *j->results);
    if (!j->work || !j->results) status = bnorm_fail_memory(ctx, "the threads of a projection");
    for (ptrdiff_t k = 0; status == BNORM_OK && k < j->workers; k++)
        status = bnorm_within_work_create(ctx, j->q, &j->work[k]);
    if (status == BNORM_OK) {
        bnorm_parallel(ctx, j->workers, work, j);
        status = report(ctx, j, sweeps);
    }
    for (ptrdiff_t k = 0; j->work && k < j->workers; k++)
        bnorm_within_work_destroy(&j->work[k]);
    bnorm_free(j->work);
    bnorm_free(j->results);
    return status;
}

bnorm_status bnorm_demean_f64(bnorm_ctx *ctx, const bnorm_within *within, bnorm_mat_f64 x,
                              bnorm_mat_f64 y, ptrdiff_t *sweeps)
{
    BNORM_TRY(check(ctx, within, x, y));
    if (sweeps) *sweeps = 0;
    if (x.cols == 0 || x.rows == 0) return BNORM_OK;
    demean_job j = {.q = within, .x = x, .y = y, .groups = parts(x.cols, BNORM_LANES)};
    j.workers = x.rows > FEW_CELLS / x.cols ? smaller(bnorm_ctx_threads(ctx), j.groups) : 1;
    return run(ctx, &j, sweeps);
}
