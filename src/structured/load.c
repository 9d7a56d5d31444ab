/* load: a structured model from a file that anyone may have written. The parts are read and checked
 * one after another; what a part says of sizes is held against the file before memory of that size
 * is asked for. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/file.h"
#include "structured/vcov.h"

#define MEMBERS 10000 /* of a bag at most */

typedef struct loading {
    bnorm_ctx *ctx;
    bnorm_safetensors file;
    bnorm_json *description;
    bnorm_panel *panel;
    bnorm_vcov *vcov; /* or NULL */
} loading;

static bnorm_status wrong(const loading *l, const char *what)
{
    return bnorm_fail(l->ctx, BNORM_E_FORMAT, "%s", what);
}

static bnorm_status read_description(loading *l)
{
    if (bnorm_json_get(l->file.metadata, BNORM_PANEL_KEY))
        return bnorm_read_description(&l->file, BNORM_PANEL_KEY, PANEL_FORMAT_VERSION,
                                      &l->description);
    if (bnorm_json_get(l->file.metadata, BNORM_MODEL_KEY))
        return wrong(l, "a network without fixed effects and linear terms, which "
                        "bnorm_model_load reads");
    return wrong(l,
                 "not a structured model of bnorm: __metadata__ has no '" BNORM_PANEL_KEY "'");
}

static bnorm_status read_head(loading *l)
{
    const char *formula, *loss;
    const bnorm_json *d = l->description;
    bnorm_status status = bnorm_json_text(l->ctx, d, "the model", "formula", &formula);
    if (status == BNORM_OK) status = bnorm_json_text(l->ctx, d, "the model", "loss", &loss);
    if (status == BNORM_OK)
        status = bnorm_json_integer(l->ctx, d, "the model", "members", 1, MEMBERS,
                                    &l->panel->members);
    if (status != BNORM_OK) return status;
    l->panel->info.logistic = !strcmp(loss, "logistic");
    if (!l->panel->info.logistic && strcmp(loss, "squared") != 0)
        return wrong(l, "the loss is neither 'squared' nor 'logistic'");
    l->panel->formula = bnorm_strdup(l->ctx, formula);
    return l->panel->formula ? BNORM_OK : bnorm_fail_memory(l->ctx, "a panel");
}

/* ------------------------------------------------------------------------------ linear */

static bnorm_status read_frame(const loading *l, const bnorm_json *from, const char *key,
                               ptrdiff_t inputs, bnorm_frame **frame)
{
    const bnorm_json *json;
    bnorm_status status = bnorm_json_object(l->ctx, from, "the model", key, &json);
    return status == BNORM_OK ? bnorm_frame_from_json(l->ctx, json, inputs, frame) : status;
}

static bnorm_status read_linear(loading *l)
{
    bnorm_panel *p = l->panel;
    ptrdiff_t inputs, classes;
    const bnorm_json *factors;
    bnorm_status status = bnorm_json_integer(l->ctx, l->description, "the model", "linear", 0,
                                             l->file.values, &inputs);
    if (status == BNORM_OK)
        status = bnorm_json_array(l->ctx, l->description, "the model", "factors", &factors);
    if (status == BNORM_OK) status = read_frame(l, l->description, "frame", inputs, &p->linear);
    if (status != BNORM_OK) return status;
    p->intercept = !bnorm_json_elements(factors);
    p->info.linear = inputs + p->intercept;
    classes = bnorm_frame_classes(p->linear);
    if (classes && (classes != 2 || !p->info.logistic))
        return wrong(l, "the loss does not go with the target");
    if (p->linear->center || p->linear->target_scaled)
        return wrong(l, "the linear terms are scaled");
    p->theta = bnorm_alloc_zero(l->ctx, p->info.linear, sizeof *p->theta);
    return p->theta ? BNORM_OK : bnorm_fail_memory(l->ctx, "a panel");
}

/* ---------------------------------------------------------------------------- networks */

static bnorm_status read_network(loading *l, const bnorm_json *json, ptrdiff_t k)
{
    bnorm_panel *p = l->panel;
    const bnorm_json *layers;
    ptrdiff_t inputs;
    bnorm_status status =
        bnorm_json_integer(l->ctx, json, "a network", "inputs", 1, l->file.values, &inputs);
    if (status == BNORM_OK)
        status = bnorm_json_array(l->ctx, json, "a network", "layers", &layers);
    if (status == BNORM_OK) status = read_frame(l, json, "frame", inputs, p->networks + k);
    if (status == BNORM_OK && !p->networks[k]->center)
        status = wrong(l, "the inputs of a network have no scaling");
    for (ptrdiff_t m = 0; m < p->members && status == BNORM_OK; m++) {
        char prefix[PANEL_PREFIX_SIZE];
        bnorm_panel_prefix(m, k, prefix);
        status = bnorm_layers_from_json(l->ctx, layers, inputs, &l->file, prefix, NULL,
                                        &p->nets[m * p->info.networks + k].net);
    }
    return status;
}

/* Each member of a bag has tensors in the file, at least one a network. */
static bnorm_status read_networks(loading *l)
{
    bnorm_panel *p = l->panel;
    const bnorm_json *networks;
    bnorm_status status =
        bnorm_json_array(l->ctx, l->description, "the model", "networks", &networks);
    if (status != BNORM_OK) return status;
    ptrdiff_t count = bnorm_json_elements(networks);
    if (count > BNORM_NETWORKS) return wrong(l, "there are too many networks");
    if (count && p->members > l->file.count) return wrong(l, "members have no tensors");
    p->networks = bnorm_alloc_zero(l->ctx, count, sizeof *p->networks);
    p->nets = bnorm_alloc_zero(l->ctx, p->members * count, sizeof *p->nets);
    if (!p->networks || !p->nets) return bnorm_fail_memory(l->ctx, "a panel");
    p->info.networks = count;
    const bnorm_json *network = bnorm_json_first(networks);
    for (ptrdiff_t k = 0; network && status == BNORM_OK; k++) {
        status = read_network(l, network, k);
        network = bnorm_json_next(network);
    }
    if (status == BNORM_OK) status = bnorm_panel_place(l->ctx, p);
    if (status == BNORM_OK) status = bnorm_panel_name_networks(l->ctx, p);
    return status == BNORM_OK ? bnorm_panel_name_variables(l->ctx, p) : status;
}

/* ----------------------------------------------------------------------- fixed effects */

/* Ascending numbers of variables with levels. */
static int read_columns(const bnorm_panel *p, const bnorm_json *json, bnorm_effect *e)
{
    ptrdiff_t count = bnorm_json_elements(json);
    int64_t last = 0;
    if (count < 1 || count > BNORM_EFFECT_COLUMNS) return 0;
    e->columns = (int)count;
    const bnorm_json *value = bnorm_json_first(json);
    for (int c = 0; value; c++, value = bnorm_json_next(value)) {
        int64_t v = bnorm_json_to_index(value);
        if (v <= last || v >= p->bar->f.texts.count || !p->bar->learned[v].factor) return 0;
        e->variable[c] = (int32_t)v;
        last = v;
    }
    return 1;
}

static int read_slope(const bnorm_panel *p, const bnorm_json *json, bnorm_effect *e)
{
    e->slope = -1;
    if (!json) return 1;
    int64_t v = bnorm_json_to_index(json);
    if (v < 1 || v >= p->bar->f.texts.count || p->bar->learned[v].factor) return 0;
    e->slope = (int32_t)v;
    return 1;
}

static int read_tuple(const bnorm_panel *p, const bnorm_json *json, const bnorm_effect *e,
                      int32_t *code)
{
    if (bnorm_json_elements(json) != e->columns) return 0;
    const bnorm_json *value = bnorm_json_first(json);
    for (int c = 0; value; c++, value = bnorm_json_next(value)) {
        int64_t v = bnorm_json_to_index(value);
        if (v < 0 || v >= p->bar->learned[e->variable[c]].levels.count) return 0;
        code[c] = (int32_t)v;
    }
    return 1;
}

static bnorm_status read_tuples(loading *l, const bnorm_json *json, panel_factor *f)
{
    ptrdiff_t count = bnorm_json_elements(json), number;
    if (!count || count > INT32_MAX) return wrong(l, "a factor has illegal levels");
    const bnorm_json *level = bnorm_json_first(json);
    for (ptrdiff_t k = 0; level; k++, level = bnorm_json_next(level)) {
        int32_t code[BNORM_EFFECT_COLUMNS];
        if (!read_tuple(l->panel, level, &f->effect, code))
            return wrong(l, "a combined level is illegal");
        bnorm_status status =
            bnorm_names_add(l->ctx, &f->tuples, (const char *)code,
                            (size_t)f->effect.columns * sizeof *code, &number);
        if (status != BNORM_OK) return status;
        if (number != k) return wrong(l, "a combined level comes twice");
    }
    return BNORM_OK;
}

static bnorm_status read_factor(loading *l, const bnorm_json *json, panel_factor *f)
{
    bnorm_panel *p = l->panel;
    bnorm_status status = BNORM_OK;
    if (!read_columns(p, bnorm_json_get(json, "columns"), &f->effect) ||
        !read_slope(p, bnorm_json_get(json, "slope"), &f->effect))
        return wrong(l, "a factor is illegal");
    const bnorm_json *levels = bnorm_json_get(json, "levels");
    if ((f->effect.columns > 1) != (levels != NULL))
        return wrong(l, "the levels of a factor do not go with its columns");
    if (levels) status = read_tuples(l, levels, f);
    if (status != BNORM_OK) return status;
    f->levels = levels ? f->tuples.count : p->bar->learned[f->effect.variable[0]].levels.count;
    f->name = bnorm_factor_name(l->ctx, &p->bar->f, &f->effect);
    f->effects = bnorm_alloc_zero(l->ctx, f->levels, sizeof *f->effects);
    if (!f->name || !f->effects) return bnorm_fail_memory(l->ctx, "a panel");
    return levels ? bnorm_factor_write_labels(l->ctx, p->bar, f) : BNORM_OK;
}

static bnorm_status read_factors(loading *l)
{
    bnorm_panel *p = l->panel;
    const bnorm_json *factors;
    bnorm_status status =
        bnorm_json_array(l->ctx, l->description, "the model", "factors", &factors);
    if (status == BNORM_OK) status = read_frame(l, l->description, "effects", 0, &p->bar);
    if (status != BNORM_OK) return status;
    ptrdiff_t count = bnorm_json_elements(factors);
    if (count > BNORM_EFFECTS) return wrong(l, "there are too many factors");
    if (count && p->info.logistic) return wrong(l, "the logistic loss has no fixed effects");
    p->factors = bnorm_alloc_zero(l->ctx, count, sizeof *p->factors);
    if (!p->factors) return bnorm_fail_memory(l->ctx, "a panel");
    p->info.factors = count;
    const bnorm_json *factor = bnorm_json_first(factors);
    for (ptrdiff_t k = 0; factor && status == BNORM_OK; k++) {
        status = read_factor(l, factor, p->factors + k);
        factor = bnorm_json_next(factor);
    }
    return status;
}

/* -------------------------------------------------------------------------------- rest */

static bnorm_status read_dropped(loading *l)
{
    bnorm_panel *p = l->panel;
    const bnorm_json *dropped;
    bnorm_status status =
        bnorm_json_array(l->ctx, l->description, "the model", "dropped", &dropped);
    if (status != BNORM_OK) return status;
    p->dropped = bnorm_alloc_zero(l->ctx, bnorm_json_elements(dropped), sizeof *p->dropped);
    if (!p->dropped) return bnorm_fail_memory(l->ctx, "a panel");
    const bnorm_json *one = bnorm_json_first(dropped);
    for (; one && status == BNORM_OK; one = bnorm_json_next(one)) {
        const char *name, *reason;
        panel_dropped *d = p->dropped + p->info.dropped++;
        status = bnorm_json_text(l->ctx, one, "a dropped term", "name", &name);
        if (status == BNORM_OK)
            status = bnorm_json_text(l->ctx, one, "a dropped term", "reason", &reason);
        if (status != BNORM_OK) break;
        d->name = bnorm_strdup(l->ctx, name);
        d->reason = bnorm_strdup(l->ctx, reason);
        if (!d->name || !d->reason) status = bnorm_fail_memory(l->ctx, "a panel");
    }
    return status;
}

static bnorm_status read_info(loading *l)
{
    panel_count counts[PANEL_COUNTS];
    panel_number numbers[PANEL_NUMBERS];
    const bnorm_json *info;
    bnorm_panel_counts(&l->panel->info, counts);
    bnorm_panel_numbers(&l->panel->info, numbers);
    bnorm_status status = bnorm_json_object(l->ctx, l->description, "the model", "info", &info);
    for (int k = 0; k < PANEL_COUNTS && status == BNORM_OK; k++)
        status = bnorm_json_integer(l->ctx, info, "info", counts[k].key, 0, PTRDIFF_MAX,
                                    counts[k].value);
    for (int k = 0; k < PANEL_NUMBERS && status == BNORM_OK; k++)
        status =
            bnorm_panel_read_number(l->ctx, info, "info", numbers[k].key, numbers[k].value);
    return status;
}

static bnorm_status read_covariance(loading *l)
{
    const bnorm_json *json = bnorm_json_get(l->description, "covariance");
    if (!json) return BNORM_OK;
    return bnorm_vcov_from_json(l->ctx, json, l->panel, l->file.values, &l->vcov);
}

static bnorm_status read_tensors(loading *l)
{
    bnorm_panel *p = l->panel;
    int bag;
    ptrdiff_t size;
    bnorm_status status = bnorm_json_flag(l->ctx, l->description, "the model", "bag", &bag);
    if (status != BNORM_OK) return status;
    if (!bag && p->members > 1) return wrong(l, "there are members without a bag");
    if (bag && (!bnorm_multiply(p->members, p->info.linear, &size) || size > l->file.values))
        return wrong(l, "the members of the bag have no tensor");
    if (bag) p->bag = bnorm_alloc_zero(l->ctx, size, sizeof *p->bag);
    if (bag && !p->bag) return bnorm_fail_memory(l->ctx, "a panel");
    status = bnorm_panel_tensors(l->ctx, p, bnorm_take, &l->file);
    if (status == BNORM_OK && l->vcov)
        status = bnorm_vcov_tensors(l->vcov, bnorm_take, &l->file);
    if (status == BNORM_OK) status = bnorm_check_taken(&l->file);
    p->info.fitted = 1;
    return status;
}

static bnorm_status read_panel(loading *l, const char *path)
{
    static bnorm_status (*const steps[])(loading *) = {
        read_description, read_head,    read_linear,     read_networks, read_factors,
        read_info,        read_dropped, read_covariance, read_tensors};
    l->panel = bnorm_alloc_zero(l->ctx, 1, sizeof *l->panel);
    if (!l->panel) return bnorm_fail_memory(l->ctx, "a panel");
    l->panel->info.struct_size = sizeof l->panel->info;
    l->panel->members = 1;
    bnorm_status status = bnorm_safetensors_open(l->ctx, path, &l->file);
    for (size_t k = 0; k < sizeof steps / sizeof *steps && status == BNORM_OK; k++)
        status = steps[k](l);
    return status;
}

bnorm_status bnorm_panel_load(bnorm_ctx *ctx, const char *path, bnorm_panel **panel,
                              bnorm_vcov **vcov)
{
    if (panel) *panel = NULL;
    if (vcov) *vcov = NULL;
    if (!panel || !path)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_panel_load: something is NULL");
    loading l = {.ctx = ctx, .file = {.file = -1}};
    bnorm_status status = read_panel(&l, path);
    bnorm_safetensors_close(&l.file);
    bnorm_free(l.description);
    if (status == BNORM_OK && vcov) *vcov = l.vcov;
    if (status != BNORM_OK || !vcov) bnorm_vcov_destroy(l.vcov);
    if (status == BNORM_OK) {
        *panel = l.panel;
        return BNORM_OK;
    }
    bnorm_panel_destroy(l.panel);
    return bnorm_fail(ctx, status, "%.300s: %s", path, bnorm_ctx_message(ctx));
}
