/* model: a network with its frame, its loss and its notes. A model owns its network and frame;
 * the loss is the caller's or built in. */
#include "io/model.h"

#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/utf8.h"

/* Classes have an output each, or two classes one. What the built-in losses need is known: a
 * probability has no unit, so its target is not scaled. */
static bnorm_status check_target(bnorm_ctx *ctx, ptrdiff_t outputs, const bnorm_frame *frame,
                                 const bnorm_loss *loss)
{
    ptrdiff_t classes = bnorm_frame_classes(frame);
    int softmax = loss == bnorm_loss_find("softmax");
    int logistic = loss == bnorm_loss_find("logistic");
    if (classes && outputs != classes && !(classes == 2 && outputs == 1 && !softmax))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the target has %td classes, but the network %td outputs", classes,
                          outputs);
    if (classes && loss == bnorm_loss_find("squared"))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the squared loss needs a numeric target, not %td classes", classes);
    if (softmax && !classes)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the softmax loss needs a target of classes, not a numeric one");
    if (logistic && (outputs != 1 || frame->target_scaled))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the logistic loss needs one output, and a target that is two "
                          "classes or from 0 to 1, not scaled");
    return BNORM_OK;
}

static bnorm_status check_parts(bnorm_ctx *ctx, bnorm_net *net, const bnorm_frame *frame,
                                const bnorm_loss *loss)
{
    if (!bnorm_net_parameters(net, NULL))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the network is not started");
    if (!frame) return BNORM_OK;
    if (bnorm_frame_inputs(frame) != bnorm_net_inputs(net))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the frame makes %td inputs, but the network takes %td",
                          bnorm_frame_inputs(frame), bnorm_net_inputs(net));
    return check_target(ctx, bnorm_net_outputs(net), frame, loss);
}

bnorm_status bnorm_model_create(bnorm_ctx *ctx, bnorm_net *net, bnorm_frame *frame,
                                const bnorm_loss *loss, bnorm_model **model)
{
    if (model) *model = NULL;
    if (!model || !net || !loss)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_model_create: net, loss or model is NULL");
    bnorm_status status = check_parts(ctx, net, frame, loss);
    if (status != BNORM_OK) return status;
    bnorm_model *made = bnorm_alloc_zero(ctx, 1, sizeof *made);
    if (!made) return bnorm_fail_memory(ctx, "a model");
    made->net = net;
    made->frame = frame;
    made->loss = loss;
    *model = made;
    return BNORM_OK;
}

void bnorm_model_destroy(bnorm_model *model)
{
    if (!model) return;
    bnorm_net_destroy(model->net);
    bnorm_frame_destroy(model->frame);
    for (ptrdiff_t k = 0; k < model->note_count; k++) {
        bnorm_free(model->notes[k].key);
        bnorm_free(model->notes[k].text);
    }
    bnorm_free(model->notes);
    bnorm_free(model);
}

bnorm_net *bnorm_model_net(bnorm_model *model)
{
    return model ? model->net : NULL;
}

const bnorm_frame *bnorm_model_frame(const bnorm_model *model)
{
    return model ? model->frame : NULL;
}

const bnorm_loss *bnorm_model_loss(const bnorm_model *model)
{
    return model ? model->loss : NULL;
}

static ptrdiff_t find_note(const bnorm_model *model, const char *key)
{
    ptrdiff_t k = 0;
    while (k < model->note_count && strcmp(model->notes[k].key, key) != 0) k++;
    return k;
}

static int grow_notes(bnorm_ctx *ctx, bnorm_model *model)
{
    if (model->note_count < model->note_capacity) return 1;
    ptrdiff_t capacity = model->note_capacity ? 2 * model->note_capacity : 8;
    bnorm_note *notes = bnorm_alloc(ctx, capacity, sizeof *notes);
    if (!notes) return 0;
    if (model->notes) memcpy(notes, model->notes, (size_t)model->note_count * sizeof *notes);
    bnorm_free(model->notes);
    model->notes = notes;
    model->note_capacity = capacity;
    return 1;
}

/* Takes over `text`, releasing it on failure. */
static bnorm_status set_note(bnorm_ctx *ctx, bnorm_model *model, const char *key, double number,
                             char *text)
{
    ptrdiff_t k = find_note(model, key);
    if (k < model->note_count) {
        bnorm_free(model->notes[k].text);
        model->notes[k].text = text;
        model->notes[k].number = number;
        return BNORM_OK;
    }
    if (k == BNORM_MODEL_NOTES) {
        bnorm_free(text);
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "more than %d notes", BNORM_MODEL_NOTES);
    }
    char *copy = grow_notes(ctx, model) ? bnorm_strdup(ctx, key) : NULL;
    if (!copy) {
        bnorm_free(text);
        return bnorm_fail_memory(ctx, "a note of a model");
    }
    model->notes[model->note_count++] = (bnorm_note){copy, text, number};
    return BNORM_OK;
}

bnorm_status bnorm_model_set_number(bnorm_ctx *ctx, bnorm_model *model, const char *key,
                                    double value)
{
    if (!model || !key || !bnorm_utf8_valid(key))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_model_set_number: something is NULL, or the key is not UTF-8");
    return set_note(ctx, model, key, value, NULL);
}

bnorm_status bnorm_model_set_text(bnorm_ctx *ctx, bnorm_model *model, const char *key,
                                  const char *value)
{
    if (!model || !key || !value || !bnorm_utf8_valid(key) || !bnorm_utf8_valid(value))
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_model_set_text: something is NULL or not UTF-8");
    char *copy = bnorm_strdup(ctx, value);
    if (!copy) return bnorm_fail_memory(ctx, "a note of a model");
    return set_note(ctx, model, key, 0, copy);
}

ptrdiff_t bnorm_model_note_count(const bnorm_model *model)
{
    return model ? model->note_count : 0;
}

const char *bnorm_model_note(const bnorm_model *model, ptrdiff_t k, double *number,
                             const char **text)
{
    int there = model && k >= 0 && k < model->note_count;
    if (number) *number = there ? model->notes[k].number : 0;
    if (text) *text = there ? model->notes[k].text : NULL;
    return there ? model->notes[k].key : NULL;
}
