/* save: a structured model as a safetensors file. What would not load again is not written. */
#include "base/ctx.h"
#include "base/memory.h"
#include "structured/file.h"
#include "structured/vcov.h"

static void put_network(bnorm_json_writer *w, const bnorm_panel *p, ptrdiff_t k)
{
    bnorm_json_open(w, NULL, '{');
    bnorm_json_put_integer(w, "inputs", bnorm_frame_inputs(p->networks[k]));
    bnorm_layers_to_json(p->nets[k].net, "layers", w);
    bnorm_frame_to_json(p->networks[k], "frame", w);
    bnorm_json_close(w, '}');
}

/* Combined levels: the codes of each in its columns. */
static void put_tuples(bnorm_json_writer *w, const panel_factor *f)
{
    bnorm_json_open(w, "levels", '[');
    for (ptrdiff_t k = 0; k < f->levels; k++) {
        int32_t code[BNORM_EFFECT_COLUMNS];
        bnorm_tuple(f, k, code);
        bnorm_json_open(w, NULL, '[');
        for (int c = 0; c < f->effect.columns; c++) bnorm_json_put_integer(w, NULL, code[c]);
        bnorm_json_close(w, ']');
    }
    bnorm_json_close(w, ']');
}

static void put_factor(bnorm_json_writer *w, const panel_factor *f)
{
    bnorm_json_open(w, NULL, '{');
    bnorm_json_open(w, "columns", '[');
    for (int c = 0; c < f->effect.columns; c++)
        bnorm_json_put_integer(w, NULL, f->effect.variable[c]);
    bnorm_json_close(w, ']');
    if (f->effect.slope >= 0) bnorm_json_put_integer(w, "slope", f->effect.slope);
    if (f->effect.columns > 1) put_tuples(w, f);
    bnorm_json_close(w, '}');
}

static void put_dropped(bnorm_json_writer *w, const panel_dropped *d)
{
    bnorm_json_open(w, NULL, '{');
    bnorm_json_put_text(w, "name", d->name);
    bnorm_json_put_text(w, "reason", d->reason);
    bnorm_json_close(w, '}');
}

static void put_info(bnorm_json_writer *w, const bnorm_panel *p)
{
    bnorm_panel_info info = p->info;
    panel_count counts[PANEL_COUNTS];
    panel_number numbers[PANEL_NUMBERS];
    bnorm_panel_counts(&info, counts);
    bnorm_panel_numbers(&info, numbers);
    bnorm_json_open(w, "info", '{');
    for (int k = 0; k < PANEL_COUNTS; k++)
        bnorm_json_put_integer(w, counts[k].key, *counts[k].value);
    for (int k = 0; k < PANEL_NUMBERS; k++)
        bnorm_panel_put_number(w, numbers[k].key, *numbers[k].value);
    bnorm_json_close(w, '}');
}

static void describe(bnorm_json_writer *w, const bnorm_panel *p, const bnorm_vcov *vcov)
{
    bnorm_json_open(w, NULL, '{');
    bnorm_json_put_integer(w, "format_version", PANEL_FORMAT_VERSION);
    bnorm_json_put_text(w, "formula", p->formula);
    bnorm_json_put_text(w, "loss", p->info.logistic ? "logistic" : "squared");
    bnorm_json_put_integer(w, "members", p->members);
    bnorm_json_put_flag(w, "bag", p->bag != NULL);
    bnorm_json_put_integer(w, "linear", bnorm_frame_inputs(p->linear));
    bnorm_frame_to_json(p->linear, "frame", w);
    bnorm_json_open(w, "networks", '[');
    for (ptrdiff_t k = 0; k < p->info.networks; k++) put_network(w, p, k);
    bnorm_json_close(w, ']');
    bnorm_frame_to_json(p->bar, "effects", w);
    bnorm_json_open(w, "factors", '[');
    for (ptrdiff_t k = 0; k < p->info.factors; k++) put_factor(w, p->factors + k);
    bnorm_json_close(w, ']');
    bnorm_json_open(w, "dropped", '[');
    for (ptrdiff_t k = 0; k < p->info.dropped; k++) put_dropped(w, p->dropped + k);
    bnorm_json_close(w, ']');
    put_info(w, p);
    if (vcov) bnorm_vcov_to_json(vcov, "covariance", w);
    bnorm_json_close(w, '}');
}

/* {"format": "bnorm", "generator": "bnorm 0.1.0", "formula": "y ~ x | id", "bnorm_panel": "{...}"} */
static bnorm_status write(bnorm_ctx *ctx, const bnorm_panel *p, const bnorm_vcov *vcov,
                          const bnorm_gathering *g, const char *path)
{
    bnorm_json_writer w = {.ctx = ctx};
    describe(&w, p, vcov);
    bnorm_status status = bnorm_json_finish(&w, 0);
    const bnorm_metadata metadata[] = {{"format", "bnorm"},
                                       {"generator", "bnorm " BNORM_VERSION},
                                       {"formula", p->formula},
                                       {BNORM_PANEL_KEY, w.bytes},
                                       {NULL, NULL}};
    if (status == BNORM_OK) status = bnorm_gathering_write(g, path, metadata);
    bnorm_free(w.bytes);
    return status;
}

/* Activations are found by name when a file is read. */
static bnorm_status check_activations(bnorm_ctx *ctx, const bnorm_panel *p)
{
    const bnorm_activation *a = p->options.activation;
    if (!a || bnorm_activation_find(a->name) == a || !p->info.networks) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                      "the model is not saved: the activation '%.64s' is not a built-in one",
                      a->name);
}

bnorm_status bnorm_panel_save(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                              const char *path)
{
    if (!panel || !path)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_panel_save: something is NULL");
    bnorm_gathering g = {.ctx = ctx};
    bnorm_status status = bnorm_panel_need_fit(ctx, panel, "bnorm_panel_save");
    if (status == BNORM_OK && vcov)
        status = bnorm_vcov_check(ctx, panel, vcov, "bnorm_panel_save");
    if (status == BNORM_OK) status = bnorm_check_name(ctx, panel->formula);
    if (status == BNORM_OK) status = check_activations(ctx, panel);
    if (status == BNORM_OK) status = bnorm_panel_tensors(ctx, panel, bnorm_gather, &g);
    if (status == BNORM_OK && vcov) /* reading and writing walk one list: nothing is changed */
        status = bnorm_vcov_tensors((bnorm_vcov *)vcov, bnorm_gather, &g);
    if (status == BNORM_OK) status = write(ctx, panel, vcov, &g, path);
    bnorm_gathering_clear(&g);
    return status;
}
