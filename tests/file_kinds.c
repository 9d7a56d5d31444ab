/* file_kinds: a small model of each kind, with everything that goes into its file. */
#include "file_kinds.h"

#include "model_support.h"
#include "structured_support.h"

static void make_plain(bnorm_ctx *ctx, uint64_t seed, content *c)
{
    bnorm_table *t = model_table(ctx);
    assert_ok(ctx, make_model(ctx, t, &c->model));
    assert_ok(ctx, bnorm_model_set_number(ctx, c->model, "seed", (double)seed));
    bnorm_table_destroy(t);
}

static bnorm_status save_plain(bnorm_ctx *ctx, const content *c, const char *path)
{
    return bnorm_model_save(ctx, c->model, path);
}

static bnorm_status load_plain(bnorm_ctx *ctx, const char *path, content *c)
{
    return bnorm_model_load(ctx, path, NULL, &c->model);
}

static void make_structured(bnorm_ctx *ctx, uint64_t seed, content *c)
{
    small_panel *s = make_small_panel(5, 6, seed);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_fit_options f;
    bnorm_vcov_options o;
    bnorm_panel_fit_defaults(&f);
    bnorm_vcov_defaults(&o);
    f.fit.epochs = 3;
    o.type = BNORM_VCOV_CLUSTER;
    assert_ok(ctx, bnorm_panel_create(ctx, "y ~ x + nn(z, g) | id", t, NULL, NULL, &c->panel));
    assert_ok(ctx, bnorm_panel_fit(ctx, c->panel, &f, NULL));
    assert_ok(ctx, bnorm_vcov_create(ctx, c->panel, t, &o, &c->vcov));
    bnorm_table_destroy(t);
    free_small_panel(s);
}

static bnorm_status save_structured(bnorm_ctx *ctx, const content *c, const char *path)
{
    return bnorm_panel_save(ctx, c->panel, c->vcov, path);
}

static bnorm_status load_structured(bnorm_ctx *ctx, const char *path, content *c)
{
    return bnorm_panel_load(ctx, path, &c->panel, &c->vcov);
}

const kind kinds[FILE_KINDS] = {
    {"bnorm_model", make_plain, save_plain, load_plain},
    {"bnorm_panel", make_structured, save_structured, load_structured},
};

void drop_content(content *c)
{
    bnorm_model_destroy(c->model);
    bnorm_vcov_destroy(c->vcov);
    bnorm_panel_destroy(c->panel);
    *c = (content){0};
}
