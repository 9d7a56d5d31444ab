/* model_predict: from raw rows to the response in original units, in chunks of rows: memory
 * does not grow with the table, and a row's result depends on that row alone. */
#include "base/ctx.h"
#include "base/memory.h"
#include "io/model.h"

#define CHUNK_VALUES ((ptrdiff_t)1 << 20) /* of the widest matrix of a chunk, about */

/* Buffers of one call. */
typedef struct work {
    bnorm_ctx *ctx;
    bnorm_model *model;
    bnorm_binding binding;
    ptrdiff_t inputs, outputs, rows; /* rows of a chunk */
    double *x, *scores;
} work;

/* One row of scores to the response, in place, and into the matrix of the caller. */
static void put_row(const work *w, double *scores, bnorm_mat_f64 mean, ptrdiff_t row)
{
    const bnorm_loss *loss = w->model->loss;
    double center, scale;
    if (loss->response) loss->response(loss->user, w->outputs, scores, scores);
    bnorm_frame_scaling(w->model->frame, -1, &center, &scale);
    for (ptrdiff_t k = 0; k < w->outputs; k++) {
        ptrdiff_t at = mean.layout == BNORM_ROW_MAJOR ? row * mean.ld + k : k * mean.ld + row;
        mean.data[at] = scores[k] * scale + center;
    }
}

static bnorm_status predict_chunk(work *w, const ptrdiff_t *rows, ptrdiff_t count,
                                  bnorm_mat_f64 mean, ptrdiff_t first)
{
    bnorm_mat_f64 x = bnorm_view_f64(w->x, count, w->inputs, BNORM_ROW_MAJOR), none = {0};
    bnorm_mat_f64 scores = bnorm_view_f64(w->scores, count, w->outputs, BNORM_ROW_MAJOR);
    bnorm_status status = bnorm_binding_matrix(&w->binding, rows, count, x, none);
    if (status == BNORM_OK) status = bnorm_net_predict(w->ctx, w->model->net, x, scores);
    for (ptrdiff_t i = 0; status == BNORM_OK && i < count; i++)
        put_row(w, w->scores + i * w->outputs, mean, first + i);
    return status;
}

static bnorm_status predict_all(work *w, const ptrdiff_t *rows, ptrdiff_t count,
                                bnorm_mat_f64 mean)
{
    w->x = bnorm_alloc(w->ctx, w->rows * w->inputs, sizeof *w->x);
    w->scores = bnorm_alloc(w->ctx, w->rows * w->outputs, sizeof *w->scores);
    bnorm_status status =
        w->x && w->scores ? BNORM_OK : bnorm_fail_memory(w->ctx, "a chunk of predictions");
    for (ptrdiff_t first = 0; status == BNORM_OK && first < count; first += w->rows) {
        ptrdiff_t n = count - first < w->rows ? count - first : w->rows;
        status = predict_chunk(w, rows + first, n, mean, first);
    }
    bnorm_free(w->x);
    bnorm_free(w->scores);
    return status;
}

/* Rows of a chunk: 1 .. 4096, and no more than there are. */
static ptrdiff_t chunk_rows(ptrdiff_t inputs, ptrdiff_t outputs, ptrdiff_t count)
{
    ptrdiff_t wide = inputs > outputs ? inputs : outputs;
    ptrdiff_t rows = CHUNK_VALUES / wide;
    if (rows > 4096) rows = 4096;
    if (rows > count) rows = count;
    return rows < 1 ? 1 : rows;
}

bnorm_status bnorm_model_predict(bnorm_ctx *ctx, bnorm_model *model, const bnorm_table *table,
                                 const ptrdiff_t *rows, ptrdiff_t count, bnorm_mat_f64 mean)
{
    if (!model || !table || count < 0 || (count && !rows) ||
        !bnorm_view_legal(mean, count, bnorm_net_outputs(model->net)))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_model_predict: something is NULL, or mean is not count x "
                          "outputs");
    if (!model->frame)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the model has no frame: use bnorm_net_predict with a matrix");
    work w = {.ctx = ctx, .model = model};
    w.inputs = bnorm_net_inputs(model->net);
    w.outputs = bnorm_net_outputs(model->net);
    w.rows = chunk_rows(w.inputs, w.outputs, count);
    bnorm_status status = bnorm_binding_start(ctx, model->frame, table, 0, &w.binding);
    if (status == BNORM_OK) status = bnorm_binding_check(&w.binding, 0);
    if (status == BNORM_OK) status = bnorm_binding_translate(&w.binding);
    if (status == BNORM_OK) status = predict_all(&w, rows, count, mean);
    bnorm_binding_stop(&w.binding);
    return status;
}
