/* model_save: a model as a safetensors file. What would not load again is not written. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/model.h"
#include "io/number.h"
#include "io/utf8.h"

/* The tensors of a model, gathered. */
typedef struct gathering {
    bnorm_ctx *ctx;
    bnorm_tensor *tensors;
    bnorm_names names; /* keeps them alive until the end */
    ptrdiff_t count, room;
} gathering;

static bnorm_status check_values(bnorm_ctx *ctx, const char *name, ptrdiff_t count,
                                 const double *data, double least)
{
    for (ptrdiff_t i = 0; i < count; i++)
        if (!isfinite(data[i]) || data[i] < least)
            return bnorm_fail(ctx, BNORM_E_NONFINITE,
                              "the model is not saved: value %td of '%.64s' is %g", i + 1, name,
                              data[i]);
    return BNORM_OK;
}

/* JSON cannot hold every name. */
static bnorm_status check_name(bnorm_ctx *ctx, const char *name)
{
    if (bnorm_utf8_valid(name)) return BNORM_OK;
    char shown[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(name, shown);
    return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                      "the model is not saved: the name '%s' is not UTF-8", shown);
}

static bnorm_status gather(void *user, const char *name, ptrdiff_t rows, ptrdiff_t cols,
                           double *data, double least)
{
    gathering *g = user;
    ptrdiff_t number;
    bnorm_status status = check_name(g->ctx, name);
    if (status == BNORM_OK)
        status = check_values(g->ctx, name, (rows < 0 ? 1 : rows) * cols, data, least);
    if (status == BNORM_OK)
        status = bnorm_names_add(g->ctx, &g->names, name, strlen(name), &number);
    if (status != BNORM_OK) return status;
    if (number != g->count || g->count == g->room)
        return bnorm_fail(g->ctx, BNORM_E_ARGUMENT,
                          "the model is not saved: two tensors would be named '%.64s'", name);
    g->tensors[g->count++] = (bnorm_tensor){.rows = rows, .cols = cols, .data = data};
    return BNORM_OK;
}

static bnorm_status gather_all(gathering *g, bnorm_model *m)
{
    g->room = bnorm_net_block_count(m->net) + 2 * bnorm_net_layer_count(m->net) + 4;
    g->tensors = bnorm_alloc(g->ctx, g->room, sizeof *g->tensors);
    if (!g->tensors) return bnorm_fail_memory(g->ctx, "the tensors of a model");
    bnorm_status status = bnorm_model_tensors(g->ctx, m->net, m->frame, gather, g);
    for (ptrdiff_t k = 0; k < g->count; k++)
        g->tensors[k].name = bnorm_names_text(&g->names, k);
    return status;
}

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
static bnorm_status write(bnorm_ctx *ctx, const bnorm_model *m, const gathering *g,
                          const char *path)
{
    bnorm_json_writer w = {.ctx = ctx};
    describe(&w, m);
    bnorm_status status = bnorm_json_finish(&w, 0);
    bnorm_metadata metadata[5] = {{"format", "bnorm"}, {"generator", "bnorm " BNORM_VERSION}};
    int n = 2;
    if (m->frame) metadata[n++] = (bnorm_metadata){"formula", m->frame->formula};
    metadata[n] = (bnorm_metadata){"bnorm", w.bytes};
    if (status == BNORM_OK)
        status = bnorm_safetensors_write(ctx, path, metadata, g->tensors, g->count);
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
    bnorm_status status = check_name(ctx, m->loss->name);
    for (ptrdiff_t k = 0; k < layers && status == BNORM_OK; k++) {
        bnorm_layer_info info;
        status = bnorm_net_layer_info(ctx, m->net, k, &info);
        if (status == BNORM_OK) status = check_name(ctx, info.name);
    }
    return status;
}

bnorm_status bnorm_model_save(bnorm_ctx *ctx, bnorm_model *model, const char *path)
{
    if (!model || !path)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_model_save: something is NULL");
    gathering g = {.ctx = ctx};
    bnorm_status status = check_model(ctx, model);
    if (status == BNORM_OK) status = gather_all(&g, model);
    if (status == BNORM_OK) status = write(ctx, model, &g, path);
    bnorm_free(g.tensors);
    bnorm_names_clear(&g.names);
    return status;
}
