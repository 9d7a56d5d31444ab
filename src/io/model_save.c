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
static json_t *penalties(const bnorm_net *net)
{
    json_t *o = json_object();
    int bad = 0;
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) {
        bnorm_block b;
        if (bnorm_net_block(NULL, net, k, &b) != BNORM_OK || b.penalty == 0) continue;
        bad |= json_object_set_new(o, b.name, json_real(b.penalty));
    }
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

/* A number that JSON has not is a text under "special". */
static json_t *note(const bnorm_note *n)
{
    char special[BNORM_NUMBER_SIZE];
    json_t *o = json_object();
    int bad = json_object_set_new(o, "key", json_string(n->key));
    if (n->text) {
        bad |= json_object_set_new(o, "text", json_string(n->text));
    } else if (isfinite(n->number)) {
        bad |= json_object_set_new(o, "number", json_real(n->number));
    } else {
        bnorm_number_format(n->number, special);
        bad |= json_object_set_new(o, "special", json_string(special));
    }
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

static json_t *notes(const bnorm_model *m)
{
    json_t *a = json_array();
    int bad = 0;
    for (ptrdiff_t k = 0; k < m->note_count; k++)
        bad |= json_array_append_new(a, note(m->notes + k));
    if (!bad) return a;
    json_decref(a);
    return NULL;
}

/* NULL when memory is out. */
static json_t *describe(const bnorm_model *m)
{
    json_t *o = json_object();
    int bad = json_object_set_new(o, "format_version", json_integer(BNORM_MODEL_VERSION));
    bad |= json_object_set_new(o, "inputs", json_integer(bnorm_net_inputs(m->net)));
    bad |= json_object_set_new(o, "layers", bnorm_layers_to_json(m->net));
    bad |= json_object_set_new(o, "loss", json_string(m->loss->name));
    bad |= json_object_set_new(o, "penalties", penalties(m->net));
    bad |=
        json_object_set_new(o, "frame", m->frame ? bnorm_frame_to_json(m->frame) : json_null());
    bad |= json_object_set_new(o, "notes", notes(m));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

/* {"format": "bnorm", "generator": "bnorm 0.1.0", "formula": "y ~ x", "bnorm": "{...}"} */
static bnorm_status make_metadata(bnorm_ctx *ctx, const bnorm_model *m, json_t **metadata)
{
    char *text = NULL;
    size_t length = 0;
    json_t *description = describe(m);
    bnorm_status status = description ? bnorm_json_write(ctx, description, 0, &text, &length)
                                      : bnorm_fail_memory(ctx, "the description of a model");
    json_decref(description);
    if (status != BNORM_OK) return status;
    json_t *o = json_object();
    int bad = json_object_set_new(o, "format", json_string("bnorm"));
    bad |= json_object_set_new(o, "generator", json_string("bnorm " BNORM_VERSION));
    if (m->frame) bad |= json_object_set_new(o, "formula", json_string(m->frame->formula));
    bad |= json_object_set_new(o, "bnorm", json_stringn(text, length));
    bnorm_free(text);
    *metadata = o;
    return bad ? bnorm_fail_memory(ctx, "the description of a model") : BNORM_OK;
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
    json_t *metadata = NULL;
    bnorm_status status = check_model(ctx, model);
    if (status == BNORM_OK) status = gather_all(&g, model);
    if (status == BNORM_OK) status = make_metadata(ctx, model, &metadata);
    if (status == BNORM_OK)
        status = bnorm_safetensors_write(ctx, path, metadata, g.tensors, g.count);
    json_decref(metadata);
    bnorm_free(g.tensors);
    bnorm_names_clear(&g.names);
    return status;
}
