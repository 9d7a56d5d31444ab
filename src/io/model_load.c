/* model_load: a model from a file that anyone may have written. The parts are read and checked
 * one after another into a model that the caller sees only when it is whole. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/model.h"
#include "io/number.h"

/* The reading of a file. */
typedef struct loading {
    bnorm_ctx *ctx;
    const bnorm_custom *custom;
    bnorm_safetensors file;
    bnorm_json *description;
    bnorm_net *net;
    bnorm_frame *frame;
    const bnorm_loss *loss;
    bnorm_model *model;
} loading;

static bnorm_status read_description(loading *l)
{
    if (bnorm_json_get(l->file.metadata, BNORM_PANEL_KEY))
        return bnorm_fail(l->ctx, BNORM_E_FORMAT,
                          "a structured model, which bnorm_panel_load reads");
    if (!bnorm_json_get(l->file.metadata, BNORM_MODEL_KEY))
        return bnorm_fail(l->ctx, BNORM_E_FORMAT,
                          "not a model of bnorm: __metadata__ has no 'bnorm'");
    return bnorm_read_description(&l->file, BNORM_MODEL_KEY, BNORM_MODEL_VERSION,
                                  &l->description);
}

static bnorm_status read_loss(loading *l)
{
    const char *name;
    bnorm_status status = bnorm_json_text(l->ctx, l->description, "the model", "loss", &name);
    if (status != BNORM_OK) return status;
    const bnorm_loss *const *list = l->custom ? l->custom->losses : NULL;
    for (; list && *list && !l->loss; list++)
        if (strcmp((*list)->name, name) == 0) l->loss = *list;
    if (!l->loss) l->loss = bnorm_loss_find(name);
    if (l->loss) return BNORM_OK;
    char shown[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(name, shown);
    return bnorm_fail(l->ctx, BNORM_E_FORMAT,
                      "the loss '%s' is unknown; give it to bnorm_model_load in bnorm_custom",
                      shown);
}

/* The inputs are bounded by the numbers in the file, or by a constant. */
static bnorm_status read_net(loading *l)
{
    ptrdiff_t inputs, most = l->file.values;
    const bnorm_json *layers;
    if (most < BNORM_MODEL_WIDTH) most = BNORM_MODEL_WIDTH;
    bnorm_status status =
        bnorm_json_integer(l->ctx, l->description, "the model", "inputs", 1, most, &inputs);
    if (status == BNORM_OK)
        status = bnorm_json_array(l->ctx, l->description, "the model", "layers", &layers);
    if (status == BNORM_OK)
        status =
            bnorm_layers_from_json(l->ctx, layers, inputs, &l->file, "", l->custom, &l->net);
    return status;
}

static bnorm_status read_frame(loading *l)
{
    const bnorm_json *json = bnorm_json_get(l->description, "frame");
    if (bnorm_json_is(json, BNORM_JSON_NULL)) return BNORM_OK;
    bnorm_status status =
        bnorm_json_object(l->ctx, l->description, "the model", "frame", &json);
    if (status != BNORM_OK) return status;
    return bnorm_frame_from_json(l->ctx, json, bnorm_net_inputs(l->net), &l->frame);
}

static bnorm_status read_tensors(loading *l)
{
    bnorm_status status = bnorm_model_tensors(l->ctx, l->net, l->frame, bnorm_take, &l->file);
    return status == BNORM_OK ? bnorm_check_taken(&l->file) : status;
}

static bnorm_status read_penalties(loading *l)
{
    const bnorm_json *penalties;
    double lambda;
    bnorm_status status =
        bnorm_json_object(l->ctx, l->description, "the model", "penalties", &penalties);
    if (status != BNORM_OK) return status;
    const bnorm_json *value = bnorm_json_first(penalties);
    for (; value; value = bnorm_json_next(value)) {
        if (!bnorm_json_to_number(value, &lambda))
            return bnorm_fail(l->ctx, BNORM_E_FORMAT, "a penalty is not a number");
        status = bnorm_net_set_penalty(l->ctx, l->net, value->key, lambda);
        if (status != BNORM_OK)
            return bnorm_fail(l->ctx, BNORM_E_FORMAT, "penalties: %s",
                              bnorm_ctx_message(l->ctx));
    }
    return BNORM_OK;
}

static bnorm_status make_model(loading *l)
{
    bnorm_status status = bnorm_model_create(l->ctx, l->net, l->frame, l->loss, &l->model);
    if (status == BNORM_E_ARGUMENT)
        return bnorm_fail(l->ctx, BNORM_E_FORMAT, "%s", bnorm_ctx_message(l->ctx));
    if (status != BNORM_OK) return status;
    l->net = NULL; /* the model's now */
    l->frame = NULL;
    return BNORM_OK;
}

static bnorm_status read_note(loading *l, const bnorm_json *json)
{
    const char *key, *text = bnorm_json_characters(bnorm_json_get(json, "text"));
    const char *special = bnorm_json_characters(bnorm_json_get(json, "special"));
    double number;
    bnorm_status status = bnorm_json_text(l->ctx, json, "a note", "key", &key);
    if (status != BNORM_OK) return status;
    if (text) return bnorm_model_set_text(l->ctx, l->model, key, text);
    if (special && bnorm_number_parse(special, &number) == BNORM_NUMBER_NONFINITE)
        return bnorm_model_set_number(l->ctx, l->model, key, number);
    status = bnorm_json_number(l->ctx, json, "a note", "number", &number);
    return status == BNORM_OK ? bnorm_model_set_number(l->ctx, l->model, key, number) : status;
}

static bnorm_status read_notes(loading *l)
{
    const bnorm_json *notes;
    bnorm_status status =
        bnorm_json_array(l->ctx, l->description, "the model", "notes", &notes);
    if (status == BNORM_OK && bnorm_json_elements(notes) > BNORM_MODEL_NOTES)
        return bnorm_fail(l->ctx, BNORM_E_FORMAT, "more than %d notes", BNORM_MODEL_NOTES);
    if (status != BNORM_OK) return status;
    const bnorm_json *note = bnorm_json_first(notes);
    for (; note && status == BNORM_OK; note = bnorm_json_next(note))
        status = read_note(l, note);
    return status;
}

static bnorm_status read_model(loading *l, const char *path)
{
    bnorm_status (*const steps[])(loading *) = {read_description, read_loss,    read_net,
                                                read_frame,       read_tensors, read_penalties,
                                                make_model,       read_notes};
    bnorm_status status = bnorm_safetensors_open(l->ctx, path, &l->file);
    for (size_t k = 0; k < sizeof steps / sizeof *steps && status == BNORM_OK; k++)
        status = steps[k](l);
    return status;
}

bnorm_status bnorm_model_load(bnorm_ctx *ctx, const char *path, const bnorm_custom *custom,
                              bnorm_model **model)
{
    if (model) *model = NULL;
    if (!model || !path)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_model_load: something is NULL");
    loading l = {.ctx = ctx, .custom = custom};
    bnorm_status status = read_model(&l, path);
    bnorm_safetensors_close(&l.file);
    bnorm_free(l.description);
    bnorm_net_destroy(l.net);
    bnorm_frame_destroy(l.frame);
    if (status == BNORM_OK) {
        *model = l.model;
        return BNORM_OK;
    }
    bnorm_model_destroy(l.model);
    return bnorm_fail(ctx, status, "%.300s: %s", path, bnorm_ctx_message(ctx));
}

bnorm_status bnorm_file_kind_of(bnorm_ctx *ctx, const char *path, bnorm_file_kind *kind)
{
    if (!path || !kind)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_file_kind_of: something is NULL");
    bnorm_safetensors file;
    bnorm_status status = bnorm_safetensors_open(ctx, path, &file);
    int panel = status == BNORM_OK && bnorm_json_get(file.metadata, BNORM_PANEL_KEY);
    int model = status == BNORM_OK && bnorm_json_get(file.metadata, BNORM_MODEL_KEY);
    bnorm_safetensors_close(&file);
    *kind = panel ? BNORM_FILE_PANEL : BNORM_FILE_MODEL;
    if (status == BNORM_OK && !panel && !model)
        status = bnorm_fail(ctx, BNORM_E_FORMAT, "no model of bnorm");
    if (status == BNORM_OK) return BNORM_OK;
    return bnorm_fail(ctx, status, "%.300s: %s", path, bnorm_ctx_message(ctx));
}
