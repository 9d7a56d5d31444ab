/* model_layers: the layers of a network as JSON. A description from a file becomes a network
 * only when the tensors of that file are large enough for every layer in it. */
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "io/json.h"
#include "io/model.h"

static void layer_to_json(const bnorm_layer_info *info, bnorm_json_writer *w)
{
    static const char *const kinds[] = {"dense", "batchnorm", "activation", "dropout", "layer"};
    bnorm_json_open(w, NULL, '{');
    bnorm_json_put_text(w, "kind", kinds[info->kind]);
    switch (info->kind) {
    case BNORM_LAYER_DENSE:
        bnorm_json_put_integer(w, "units", info->outputs);
        break;
    case BNORM_LAYER_BATCHNORM:
        bnorm_json_put_real(w, "eps", info->rule.eps);
        bnorm_json_put_real(w, "ddof", info->rule.ddof);
        break;
    case BNORM_LAYER_DROPOUT:
        bnorm_json_put_real(w, "rate", info->rate);
        break;
    default:
        bnorm_json_put_text(w, "name", info->name);
    }
    bnorm_json_close(w, '}');
}

void bnorm_layers_to_json(const bnorm_net *net, const char *key, bnorm_json_writer *w)
{
    bnorm_json_open(w, key, '[');
    for (ptrdiff_t k = 0; k < bnorm_net_layer_count(net); k++) {
        bnorm_layer_info info;
        if (bnorm_net_layer_info(NULL, net, k, &info) == BNORM_OK) layer_to_json(&info, w);
    }
    bnorm_json_close(w, ']');
}

/* The reading of a list of layers. */
typedef struct reader {
    bnorm_ctx *ctx;
    const bnorm_safetensors *file;
    const char *prefix; /* of the names of tensors */
    const bnorm_custom *custom;
    bnorm_net *net;
    char what[32];    /* "layer 2" */
    ptrdiff_t width;  /* columns after the layers read so far */
    ptrdiff_t dense;  /* dense layers among them */
    ptrdiff_t values; /* numbers in the file that no layer has claimed */
} reader;

/* Takes rows * cols numbers of the file for the layer. */
static bnorm_status claim(reader *r, ptrdiff_t rows, ptrdiff_t cols)
{
    if (rows < 0 || cols < 0 || (cols && rows > r->values / cols))
        return bnorm_fail(r->ctx, BNORM_E_FORMAT,
                          "%s needs %td x %td numbers, but the file has %td left", r->what,
                          rows, cols, r->values);
    r->values -= rows * cols;
    return BNORM_OK;
}

static bnorm_status read_dense(reader *r, const bnorm_json *json)
{
    char name[64];
    ptrdiff_t units;
    bnorm_status status =
        bnorm_json_integer(r->ctx, json, r->what, "units", 1, PTRDIFF_MAX, &units);
    if (status != BNORM_OK) return status;
    snprintf(name, sizeof name, "%.31sG%td", r->prefix, ++r->dense);
    const bnorm_entry *e = bnorm_safetensors_find(r->file, name);
    if (!e || e->rows != r->width || e->cols != units)
        return bnorm_fail(r->ctx, BNORM_E_FORMAT,
                          "%s is %td x %td, but there is no tensor '%s' of that shape", r->what,
                          r->width, units, name);
    status = claim(r, r->width, units);
    r->width = units;
    return status == BNORM_OK ? bnorm_net_dense(r->ctx, r->net, units) : status;
}

static bnorm_status read_batchnorm(reader *r, const bnorm_json *json)
{
    bnorm_rule rule;
    bnorm_status status = bnorm_json_number(r->ctx, json, r->what, "eps", &rule.eps);
    if (status == BNORM_OK)
        status = bnorm_json_number(r->ctx, json, r->what, "ddof", &rule.ddof);
    if (status == BNORM_OK) status = claim(r, 4, r->width); /* gamma, beta, mean, var */
    return status == BNORM_OK ? bnorm_net_batchnorm(r->ctx, r->net, rule) : status;
}

static bnorm_status fail_unknown(const reader *r, const char *kind, const char *name)
{
    char shown[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(name, shown);
    return bnorm_fail(r->ctx, BNORM_E_FORMAT,
                      "%s: the %s '%s' is unknown; give it to bnorm_model_load in bnorm_custom",
                      r->what, kind, shown);
}

static bnorm_status read_activation(reader *r, const bnorm_json *json)
{
    const char *name;
    bnorm_status status = bnorm_json_text(r->ctx, json, r->what, "name", &name);
    if (status != BNORM_OK) return status;
    const bnorm_activation *const *list = r->custom ? r->custom->activations : NULL;
    for (; list && *list; list++)
        if (strcmp((*list)->name, name) == 0)
            return bnorm_net_activation(r->ctx, r->net, *list);
    const bnorm_activation *a = bnorm_activation_find(name);
    return a ? bnorm_net_activation(r->ctx, r->net, a) : fail_unknown(r, "activation", name);
}

static bnorm_status read_dropout(reader *r, const bnorm_json *json)
{
    double rate;
    bnorm_status status = bnorm_json_number(r->ctx, json, r->what, "rate", &rate);
    return status == BNORM_OK ? bnorm_net_dropout(r->ctx, r->net, rate) : status;
}

/* What the caller's layer makes of its width is held against the file, too. */
static bnorm_status claim_layer(reader *r, const bnorm_layer *l)
{
    bnorm_block_shape shapes[BNORM_LAYER_BLOCKS] = {0};
    int count = l->blocks ? l->blocks(l->user, r->width, shapes) : 0;
    ptrdiff_t width = l->width ? l->width(l->user, r->width) : r->width;
    bnorm_status status = BNORM_OK;
    for (int k = 0; k < count && k < BNORM_LAYER_BLOCKS && status == BNORM_OK; k++)
        status = claim(r, shapes[k].rows, shapes[k].cols);
    if (status == BNORM_OK && (width < 1 || width > PTRDIFF_MAX / 64))
        return bnorm_fail(r->ctx, BNORM_E_FORMAT, "%s does not take %td columns", r->what,
                          r->width);
    r->width = width;
    return status;
}

static bnorm_status read_layer(reader *r, const bnorm_json *json)
{
    const char *name;
    bnorm_status status = bnorm_json_text(r->ctx, json, r->what, "name", &name);
    const bnorm_layer *const *list = r->custom ? r->custom->layers : NULL;
    if (status != BNORM_OK) return status;
    while (list && *list && strcmp((*list)->name, name) != 0) list++;
    if (!list || !*list) return fail_unknown(r, "layer", name);
    status = claim_layer(r, *list);
    return status == BNORM_OK ? bnorm_net_layer(r->ctx, r->net, *list) : status;
}

static bnorm_status read_one(reader *r, const bnorm_json *json)
{
    static const struct {
        const char *kind;
        bnorm_status (*read)(reader *, const bnorm_json *);
    } kinds[] = {{"dense", read_dense},
                 {"batchnorm", read_batchnorm},
                 {"activation", read_activation},
                 {"dropout", read_dropout},
                 {"layer", read_layer}};
    const char *kind;
    bnorm_status status = bnorm_json_text(r->ctx, json, r->what, "kind", &kind);
    if (status != BNORM_OK) return status;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (strcmp(kinds[k].kind, kind) == 0) return kinds[k].read(r, json);
    return fail_unknown(r, "kind", kind);
}

static bnorm_status read_all(reader *r, const bnorm_json *json)
{
    ptrdiff_t count = bnorm_json_elements(json);
    if (count < 1 || count > BNORM_MODEL_LAYERS)
        return bnorm_fail(r->ctx, BNORM_E_FORMAT, "there are %td layers, not 1 .. %d", count,
                          BNORM_MODEL_LAYERS);
    const bnorm_json *layer = bnorm_json_first(json);
    for (ptrdiff_t k = 1; layer; k++, layer = bnorm_json_next(layer)) {
        snprintf(r->what, sizeof r->what, "layer %td", k);
        bnorm_status status = read_one(r, layer);
        if (status != BNORM_OK) return status;
    }
    return bnorm_net_start(r->ctx, r->net, 0);
}

bnorm_status bnorm_layers_from_json(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t inputs,
                                    const bnorm_safetensors *file, const char *prefix,
                                    const bnorm_custom *custom, bnorm_net **net)
{
    reader r = {.ctx = ctx, .file = file, .custom = custom, .width = inputs};
    r.prefix = prefix;
    r.values = file->values;
    bnorm_status status = bnorm_net_create(ctx, inputs, &r.net);
    if (status == BNORM_OK) status = read_all(&r, json);
    if (status != BNORM_OK) bnorm_net_destroy(r.net);
    *net = status == BNORM_OK ? r.net : NULL;
    if (status == BNORM_E_ARGUMENT) /* a rule or a rate out of range, in a file */
        return bnorm_fail(ctx, BNORM_E_FORMAT, "%s: %s", r.what, bnorm_ctx_message(ctx));
    return status;
}
