/* frame_rows: which rows of a table a frame can take. A table that comes after training is the
 * caller's to judge: missing values there are told, not refused. */
#include "base/ctx.h"
#include "base/memory.h"
#include "io/frame.h"

static bnorm_status scan_rows(bnorm_binding *b, ptrdiff_t *rows, ptrdiff_t *count)
{
    bnorm_status status = bnorm_binding_check(b, 0);
    if (status == BNORM_OK) status = bnorm_binding_translate(b);
    if (status == BNORM_OK) status = bnorm_binding_complete(b, 0, rows, count);
    for (ptrdiff_t from = 0; status == BNORM_OK && from < *count; from += BNORM_CHUNK) {
        ptrdiff_t n = *count - from < BNORM_CHUNK ? *count - from : BNORM_CHUNK;
        status = bnorm_binding_load(b, rows + from, n);
    }
    return status;
}

bnorm_status bnorm_frame_rows(bnorm_ctx *ctx, const bnorm_frame *frame,
                              const bnorm_table *table, int with_target, ptrdiff_t *rows,
                              ptrdiff_t *count)
{
    if (!frame || !table || !count || (!rows && table->rows))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_frame_rows: something is NULL");
    bnorm_binding b;
    *count = 0;
    bnorm_status status = bnorm_binding_start(ctx, frame, table, with_target, &b);
    if (status == BNORM_OK) status = scan_rows(&b, rows, count);
    bnorm_binding_stop(&b);
    return status;
}

bnorm_status bnorm_frame_missing(bnorm_ctx *ctx, const bnorm_frame *frame,
                                 const bnorm_table *table, int with_target, int na_error,
                                 unsigned char *missing)
{
    bnorm_binding b;
    ptrdiff_t next = 0, count = 0, *rows = bnorm_alloc(ctx, table->rows, sizeof *rows);
    bnorm_status status = bnorm_binding_start(ctx, frame, table, with_target, &b);
    if (status == BNORM_OK && !rows) status = bnorm_fail_memory(ctx, "the rows of a table");
    if (status == BNORM_OK) status = bnorm_binding_complete(&b, na_error, rows, &count);
    for (ptrdiff_t i = 0; i < table->rows && status == BNORM_OK; i++)
        if (next < count && rows[next] == i)
            next++;
        else
            missing[i] = 1;
    bnorm_binding_stop(&b);
    bnorm_free(rows);
    return status;
}

/* A chunk that loads is ready as a whole; in one that does not, each row is tried. */
static void try_rows(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count,
                     unsigned char *kinds)
{
    int good = bnorm_binding_load(b, rows, count) == BNORM_OK;
    for (ptrdiff_t i = 0; i < count; i++)
        kinds[rows[i]] = good || bnorm_binding_load(b, rows + i, 1) == BNORM_OK
                             ? BNORM_ROW_READY
                             : BNORM_ROW_FOREIGN;
}

static bnorm_status screen(bnorm_binding *b, ptrdiff_t *rows, unsigned char *kinds)
{
    ptrdiff_t count = 0;
    bnorm_status status = bnorm_binding_check(b, 0);
    if (status == BNORM_OK) status = bnorm_binding_translate(b);
    if (status == BNORM_OK) status = bnorm_binding_complete(b, 0, rows, &count);
    if (status != BNORM_OK) return status;
    for (ptrdiff_t i = 0; i < b->table->rows; i++) kinds[i] = BNORM_ROW_MISSING;
    for (ptrdiff_t from = 0; from < count; from += BNORM_CHUNK)
        try_rows(b, rows + from, count - from < BNORM_CHUNK ? count - from : BNORM_CHUNK,
                 kinds);
    return BNORM_OK;
}

bnorm_status bnorm_frame_screen(bnorm_ctx *ctx, const bnorm_frame *frame,
                                const bnorm_table *table, int with_target, unsigned char *kinds)
{
    if (!frame || !table || (!kinds && table->rows))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_frame_screen: something is NULL");
    bnorm_binding b;
    ptrdiff_t *rows = NULL;
    bnorm_status status = bnorm_binding_start(ctx, frame, table, with_target, &b);
    if (status == BNORM_OK) {
        rows = bnorm_alloc(ctx, table->rows, sizeof *rows);
        status = rows ? screen(&b, rows, kinds) : bnorm_fail_memory(ctx, "the rows of a table");
    }
    bnorm_free(rows);
    bnorm_binding_stop(&b);
    return status;
}
