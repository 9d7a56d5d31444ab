/* vcov_file: a covariance as a part of the file of its model: a description, and tensors. What is
 * read must fit the model. */
#include "structured/vcov.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "structured/file.h"

static const char *const kinds[] = {"classical", "hc0", "hc1", "cluster"};

/* -------------------------------------------------------------------------------- tensors */

/* An empty matrix has no tensor. */
static bnorm_status visit_one(const char *name, ptrdiff_t rows, ptrdiff_t cols, double *data,
                              bnorm_visit visit, void *user)
{
    if (!rows || !cols) return BNORM_OK;
    return visit(user, name, rows, cols, data, -(double)INFINITY);
}

bnorm_status bnorm_vcov_tensors(bnorm_vcov *v, bnorm_visit visit, void *user)
{
    ptrdiff_t size = v->c.parameters;
    bnorm_status status = visit_one("vcov", size, size, v->c.matrix, visit, user);
    if (status == BNORM_OK)
        status = visit_one("vcov.null", size - v->c.rank, size, v->c.null, visit, user);
    if (status == BNORM_OK) status = visit_one("vcov.scale", -1, size, v->c.scale, visit, user);
    if (status == BNORM_OK)
        status = visit_one("vcov.values", -1, size, v->c.values, visit, user);
    if (status == BNORM_OK)
        status = visit_one("vcov.effects", v->levels, size, v->effects, visit, user);
    if (status == BNORM_OK)
        status = visit_one("vcov.own", -1, v->own_count, v->own, visit, user);
    return status;
}

/* ---------------------------------------------------------------------------------- write */

static void put_texts(bnorm_json_writer *w, const char *key, char *const *texts,
                      ptrdiff_t count)
{
    bnorm_json_open(w, key, '[');
    for (ptrdiff_t k = 0; k < count; k++) bnorm_json_put_text(w, NULL, texts[k]);
    bnorm_json_close(w, ']');
}

void bnorm_vcov_to_json(const bnorm_vcov *v, const char *key, bnorm_json_writer *w)
{
    int ways = v->cluster[1] ? 2 : v->cluster[0] ? 1 : 0;
    bnorm_json_open(w, key, '{');
    bnorm_json_put_text(w, "type", kinds[v->info.type]);
    bnorm_json_put_flag(w, "full", v->info.full);
    bnorm_json_put_integer(w, "rank", v->c.rank);
    bnorm_json_put_integer(w, "clipped", v->c.clipped);
    bnorm_json_put_flag(w, "own", v->own != NULL);
    bnorm_panel_put_number(w, "edf", v->c.edf);
    bnorm_panel_put_number(w, "df", v->c.df);
    bnorm_panel_put_number(w, "sigma", v->c.sigma);
    put_texts(w, "clusters", v->cluster, ways);
    bnorm_json_open(w, "cluster_counts", '[');
    for (int k = 0; k < ways; k++) bnorm_json_put_integer(w, NULL, v->c.clusters[k]);
    bnorm_json_close(w, ']');
    put_texts(w, "unidentified", v->unidentified, v->info.unidentified);
    bnorm_json_close(w, '}');
}

/* ----------------------------------------------------------------------------------- read */

typedef struct loading {
    bnorm_ctx *ctx;
    const bnorm_json *json;
    const bnorm_panel *panel;
    ptrdiff_t most; /* numbers in the file */
    bnorm_vcov *vcov;
} loading;

static bnorm_status wrong(const loading *l, const char *what)
{
    return bnorm_fail(l->ctx, BNORM_E_FORMAT, "the covariance: %s", what);
}

/* A text of each of count elements, or a failure. */
static bnorm_status read_texts(const loading *l, const bnorm_json *array, char **texts)
{
    const bnorm_json *value = bnorm_json_first(array);
    for (ptrdiff_t k = 0; value; k++, value = bnorm_json_next(value)) {
        const char *text = bnorm_json_characters(value);
        if (!text) return wrong(l, "a name is not a string");
        texts[k] = bnorm_strdup(l->ctx, text);
        if (!texts[k]) return bnorm_fail_memory(l->ctx, "a covariance");
    }
    return BNORM_OK;
}

static bnorm_status read_kind(loading *l)
{
    bnorm_vcov *v = l->vcov;
    const char *type;
    int kind = 0;
    bnorm_status status = bnorm_json_text(l->ctx, l->json, "the covariance", "type", &type);
    if (status == BNORM_OK)
        status = bnorm_json_flag(l->ctx, l->json, "the covariance", "full", &v->info.full);
    if (status != BNORM_OK) return status;
    while (kind < 4 && strcmp(kinds[kind], type) != 0) kind++;
    if (kind == 4) return wrong(l, "its type is unknown");
    v->info.type = (bnorm_vcov_type)kind;
    v->linear = l->panel->info.linear;
    v->c.parameters = l->panel->info.linear + l->panel->info.top;
    if (v->info.full) v->c.parameters += l->panel->info.hidden;
    return bnorm_json_integer(l->ctx, l->json, "the covariance", "rank", 0, v->c.parameters,
                              &v->c.rank);
}

static bnorm_status read_numbers(loading *l)
{
    covariance *c = &l->vcov->c;
    bnorm_status status = bnorm_json_integer(l->ctx, l->json, "the covariance", "clipped", 0,
                                             c->parameters, &c->clipped);
    if (status == BNORM_OK)
        status = bnorm_panel_read_number(l->ctx, l->json, "the covariance", "edf", &c->edf);
    if (status == BNORM_OK)
        status = bnorm_panel_read_number(l->ctx, l->json, "the covariance", "df", &c->df);
    if (status == BNORM_OK)
        status = bnorm_panel_read_number(l->ctx, l->json, "the covariance", "sigma", &c->sigma);
    return status;
}

static bnorm_status read_clusters(loading *l)
{
    bnorm_vcov *v = l->vcov;
    const bnorm_json *names, *counts;
    bnorm_status status =
        bnorm_json_array(l->ctx, l->json, "the covariance", "clusters", &names);
    if (status == BNORM_OK)
        status = bnorm_json_array(l->ctx, l->json, "the covariance", "cluster_counts", &counts);
    if (status != BNORM_OK) return status;
    if (bnorm_json_elements(names) > 2 ||
        bnorm_json_elements(names) != bnorm_json_elements(counts))
        return wrong(l, "its clusters are illegal");
    status = read_texts(l, names, v->cluster);
    const bnorm_json *count = bnorm_json_first(counts);
    for (int k = 0; count && status == BNORM_OK; k++, count = bnorm_json_next(count)) {
        int64_t n = bnorm_json_to_index(count);
        if (n < 0 || n > PTRDIFF_MAX) return wrong(l, "its clusters are illegal");
        v->c.clusters[k] = (ptrdiff_t)n;
    }
    return status;
}

static bnorm_status read_unidentified(loading *l)
{
    bnorm_vcov *v = l->vcov;
    const bnorm_json *names;
    bnorm_status status =
        bnorm_json_array(l->ctx, l->json, "the covariance", "unidentified", &names);
    if (status != BNORM_OK) return status;
    ptrdiff_t count = bnorm_json_elements(names);
    if (count != v->c.parameters - v->c.rank)
        return wrong(l, "it names another number of directions than it has");
    v->unidentified = bnorm_alloc_zero(l->ctx, count, sizeof *v->unidentified);
    if (!v->unidentified) return bnorm_fail_memory(l->ctx, "a covariance");
    v->info.unidentified = count;
    return read_texts(l, names, v->unidentified);
}

static bnorm_status allocate(const loading *l, ptrdiff_t rows, ptrdiff_t cols, double **data)
{
    ptrdiff_t size;
    if (!bnorm_multiply(rows, cols, &size) || size > l->most)
        return wrong(l, "it has no tensors of its size");
    *data = bnorm_alloc_zero(l->ctx, size, sizeof **data);
    return *data ? BNORM_OK : bnorm_fail_memory(l->ctx, "a covariance");
}

static bnorm_status reserve(loading *l)
{
    bnorm_vcov *v = l->vcov;
    const bnorm_panel *p = l->panel;
    ptrdiff_t size = v->c.parameters;
    int own;
    bnorm_status status = bnorm_json_flag(l->ctx, l->json, "the covariance", "own", &own);
    if (status == BNORM_OK && own && p->info.factors != 1)
        status = wrong(l, "effects have no variance of their own");
    v->levels = p->info.factors;
    for (ptrdiff_t k = 0; k < p->info.factors; k++) v->levels += p->factors[k].levels;
    v->own_count = status == BNORM_OK && own ? p->factors[0].levels + 1 : 0;
    if (status == BNORM_OK) status = allocate(l, size, size, &v->c.matrix);
    if (status == BNORM_OK) status = allocate(l, size - v->c.rank, size, &v->c.null);
    if (status == BNORM_OK) status = allocate(l, 1, size, &v->c.scale);
    if (status == BNORM_OK) status = allocate(l, 1, size, &v->c.values);
    if (status == BNORM_OK) status = allocate(l, v->levels, size, &v->effects);
    if (status == BNORM_OK && own) status = allocate(l, 1, v->own_count, &v->own);
    return status;
}

bnorm_status bnorm_vcov_from_json(bnorm_ctx *ctx, const bnorm_json *json,
                                  const bnorm_panel *panel, ptrdiff_t most, bnorm_vcov **vcov)
{
    static bnorm_status (*const steps[])(loading *) = {read_kind, read_numbers, read_clusters,
                                                       read_unidentified, reserve};
    loading l = {.ctx = ctx, .json = json, .panel = panel, .most = most};
    bnorm_status status = BNORM_OK;
    *vcov = l.vcov = bnorm_alloc_zero(ctx, 1, sizeof *l.vcov);
    if (!l.vcov) return bnorm_fail_memory(ctx, "a covariance");
    for (size_t k = 0; k < sizeof steps / sizeof *steps && status == BNORM_OK; k++)
        status = steps[k](&l);
    bnorm_vcov_fill_info(l.vcov);
    return status;
}
