/* model_gather: the tensors of a model on their way into a file and out of one. What would not load
 * again is not written; what does not belong is not read. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/model.h"
#include "io/utf8.h"

/* ---------------------------------------------------------------------------------- write */

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
bnorm_status bnorm_check_name(bnorm_ctx *ctx, const char *name)
{
    if (bnorm_utf8_valid(name)) return BNORM_OK;
    char shown[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(name, shown);
    return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                      "the model is not saved: the name '%s' is not UTF-8", shown);
}

static int grow(bnorm_gathering *g)
{
    if (g->count < g->room) return 1;
    ptrdiff_t room = g->room ? 2 * g->room : 16;
    bnorm_tensor *tensors = bnorm_alloc(g->ctx, room, sizeof *tensors);
    if (!tensors) return 0;
    if (g->count) memcpy(tensors, g->tensors, (size_t)g->count * sizeof *tensors);
    bnorm_free(g->tensors);
    g->tensors = tensors;
    g->room = room;
    return 1;
}

bnorm_status bnorm_gather(void *user, const char *name, ptrdiff_t rows, ptrdiff_t cols,
                          double *data, double least)
{
    bnorm_gathering *g = user;
    ptrdiff_t number;
    bnorm_status status = bnorm_check_name(g->ctx, name);
    if (status == BNORM_OK)
        status = check_values(g->ctx, name, (rows < 0 ? 1 : rows) * cols, data, least);
    if (status == BNORM_OK && !grow(g))
        status = bnorm_fail_memory(g->ctx, "the tensors of a model");
    if (status == BNORM_OK)
        status = bnorm_names_add(g->ctx, &g->names, name, strlen(name), &number);
    if (status != BNORM_OK) return status;
    if (number != g->count)
        return bnorm_fail(g->ctx, BNORM_E_ARGUMENT,
                          "the model is not saved: two tensors would be named '%.64s'", name);
    g->tensors[g->count++] = (bnorm_tensor){.rows = rows, .cols = cols, .data = data};
    return BNORM_OK;
}

bnorm_status bnorm_gathering_write(const bnorm_gathering *g, const char *path,
                                   const bnorm_metadata *metadata)
{
    for (ptrdiff_t k = 0; k < g->count; k++)
        g->tensors[k].name = bnorm_names_text(&g->names, k);
    return bnorm_safetensors_write(g->ctx, path, metadata, g->tensors, g->count);
}

void bnorm_gathering_clear(bnorm_gathering *g)
{
    bnorm_free(g->tensors);
    bnorm_names_clear(&g->names);
}

/* ----------------------------------------------------------------------------------- read */

bnorm_status bnorm_take(void *user, const char *name, ptrdiff_t rows, ptrdiff_t cols,
                        double *data, double least)
{
    bnorm_safetensors *file = user;
    bnorm_status status = bnorm_safetensors_take(file, name, rows, cols, data);
    if (status != BNORM_OK) return status;
    for (ptrdiff_t i = 0; i < (rows < 0 ? 1 : rows) * cols; i++)
        if (data[i] < least)
            return bnorm_fail(file->ctx, BNORM_E_FORMAT, "tensor '%.64s': value %td is %g",
                              name, i + 1, data[i]);
    return BNORM_OK;
}

bnorm_status bnorm_check_taken(const bnorm_safetensors *file)
{
    for (ptrdiff_t k = 0; k < file->count; k++)
        if (!file->entries[k].used) {
            char shown[BNORM_EXCERPT_SIZE];
            bnorm_excerpt(file->entries[k].name, shown);
            return bnorm_fail(file->ctx, BNORM_E_FORMAT,
                              "tensor '%s' belongs to nothing in the model", shown);
        }
    return BNORM_OK;
}

bnorm_status bnorm_read_description(const bnorm_safetensors *file, const char *key,
                                    ptrdiff_t newest, bnorm_json **description)
{
    const char *text;
    ptrdiff_t version = 0;
    bnorm_status status =
        bnorm_json_text(file->ctx, file->metadata, "__metadata__", key, &text);
    if (status == BNORM_OK)
        status = bnorm_json_read(file->ctx, "the description of the model", text, strlen(text),
                                 description);
    if (status == BNORM_OK)
        status = bnorm_json_integer(file->ctx, *description, "the model", "format_version", 1,
                                    INT32_MAX, &version);
    if (status == BNORM_OK && version > newest)
        return bnorm_fail(file->ctx, BNORM_E_FORMAT,
                          "the model has format %td, this bnorm (" BNORM_VERSION
                          ") reads up to %td",
                          version, newest);
    return status;
}
