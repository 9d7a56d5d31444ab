/* model_save: a model as a safetensors file. What would not load again is not written. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/model.h"
#include "io/number.h"
#include "io/utf8.h"

/* {"G1": 0.01}: those that are not 0. */
static void put_penalties(bnorm_json_writer *w, const bnorm_net *net)
{
    bnorm_json_open(w, "penalties", '{');
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) {
        bnorm_block b;
        if (bnorm_net_block(NULL, net, k, &b) != BNORM_OK || b.penalty == 0) continue;
        bnorm_json_put_real(w, b.name, b.penalty);
    }
    bnorm_json_close(w, '}');
}

/* A number that JSON has not is a text under "special". */
static void put_note(bnorm_json_writer *w, const bnorm_note *n)
{
    char special[BNORM_NUMBER_SIZE];
    bnorm_json_open(w, NULL, '{');
    bnorm_json_put_text(w, "key", n->key);
    if (n->text) {
        bnorm_json_put_text(w, "text", n->text);
    } else if (isfinite(n->number)) {
        bnorm_json_put_real(w, "number", n->number);
    } else {
        bnorm_number_format(n->number, special);
        bnorm_json_put_text(w, "special", special);
    }
    bnorm_json_close(w, '}');
}

static void describe(bnorm_json_writer *w, const bnorm_model *m)
{
    bnorm_json_open(w, NULL, '{');
    bnorm_json_put_integer(w, "format_version", BNORM_MODEL_VERSION);
    bnorm_json_put_integer(w, "inputs", bnorm_net_inputs(m->net));
    bnorm_layers_to_json(m->net, "layers", w);
    bnorm_json_put_text(w, "loss", m->loss->name);
    put_penalties(w, m->net);
    if (m->frame)
        bnorm_frame_to_json(m->frame, "frame", w);
    else
        bnorm_json_put_null(w, "frame");
    bnorm_json_open(w, "notes", '[');
    for (ptrdiff_t k = 0; k < m->note_count; k++) put_note(w, m->notes + k);
    bnorm_json_close(w, ']');
    bnorm_json_close(w, '}');
}

/* {"format": "bnorm", "generator": "bnorm 0.1.0", "formula": "y ~ x", "bnorm": "{...}"} */
static bnorm_status write(bnorm_ctx *ctx, const bnorm_model *m, const bnorm_gathering *g,
                          const char *path)
{
    bnorm_json_writer w = {.ctx = ctx};
    describe(&w, m);
    bnorm_status status = bnorm_json_finish(&w, 0);
    bnorm_metadata metadata[5] = {{"format", "bnorm"}, {"generator", "bnorm " BNORM_VERSION}};
    int n = 2;
    if (m->frame) metadata[n++] = (bnorm_metadata){"formula", m->frame->formula};
    metadata[n] = (bnorm_metadata){"bnorm", w.bytes};
    if (status == BNORM_OK) status = bnorm_gathering_write(g, path, metadata);
    bnorm_free(w.bytes);
    return status;
}

static bnorm_status check_model(bnorm_ctx *ctx, const bnorm_model *m)
{
    ptrdiff_t layers = bnorm_net_layer_count(m->net);
    if (layers > BNORM_MODEL_LAYERS)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the model is not saved: it has %td layers, a file at most %d",
                          layers, BNORM_MODEL_LAYERS);
    bnorm_status status = bnorm_check_name(ctx, m->loss->name);
    for (ptrdiff_t k = 0; k < layers && status == BNORM_OK; k++) {
        bnorm_layer_info info;
        status = bnorm_net_layer_info(ctx, m->net, k, &info);
        if (status == BNORM_OK) status = bnorm_check_name(ctx, info.name);
    }
    return status;
}

bnorm_status bnorm_model_save(bnorm_ctx *ctx, bnorm_model *model, const char *path)
{
    if (!model || !path)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_model_save: something is NULL");
    bnorm_gathering g = {.ctx = ctx};
    bnorm_status status = check_model(ctx, model);
    if (status == BNORM_OK)
        status = bnorm_model_tensors(ctx, model->net, model->frame, bnorm_gather, &g);
    if (status == BNORM_OK) status = write(ctx, model, &g, path);
    bnorm_gathering_clear(&g);
    return status;
}
