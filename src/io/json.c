/* json: writing JSON, and typed members of objects. A member of the wrong type is as wrong as
 * one that is not there. */
#include "io/json.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"

bnorm_status bnorm_json_write(bnorm_ctx *ctx, const json_t *json, ptrdiff_t padding,
                              char **text, size_t *length)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    *text = NULL;
    *length = json_dumpb(json, NULL, 0, flags);
    if (*length) *text = bnorm_alloc(ctx, (ptrdiff_t)*length + padding + 1, 1);
    if (*text && json_dumpb(json, *text, *length, flags) == *length) return BNORM_OK;
    bnorm_free(*text);
    *text = NULL;
    return bnorm_fail_memory(ctx, "a JSON text");
}

static bnorm_status fail(bnorm_ctx *ctx, const char *what, const char *key, const char *kind)
{
    return bnorm_fail(ctx, BNORM_E_FORMAT, "%s: '%s' is not there or is not %s", what, key,
                      kind);
}

bnorm_status bnorm_json_object(bnorm_ctx *ctx, const json_t *from, const char *what,
                               const char *key, json_t **value)
{
    *value = json_object_get(from, key);
    return json_is_object(*value) ? BNORM_OK : fail(ctx, what, key, "an object");
}

bnorm_status bnorm_json_array(bnorm_ctx *ctx, const json_t *from, const char *what,
                              const char *key, json_t **value)
{
    *value = json_object_get(from, key);
    return json_is_array(*value) ? BNORM_OK : fail(ctx, what, key, "an array");
}

bnorm_status bnorm_json_text(bnorm_ctx *ctx, const json_t *from, const char *what,
                             const char *key, const char **value)
{
    *value = json_string_value(json_object_get(from, key));
    return *value ? BNORM_OK : fail(ctx, what, key, "a string");
}

bnorm_status bnorm_json_number(bnorm_ctx *ctx, const json_t *from, const char *what,
                               const char *key, double *value)
{
    const json_t *json = json_object_get(from, key);
    *value = json_number_value(json);
    return json_is_number(json) && isfinite(*value) ? BNORM_OK
                                                    : fail(ctx, what, key, "a finite number");
}

bnorm_status bnorm_json_flag(bnorm_ctx *ctx, const json_t *from, const char *what,
                             const char *key, int *value)
{
    const json_t *json = json_object_get(from, key);
    *value = json_is_true(json);
    return json_is_boolean(json) ? BNORM_OK : fail(ctx, what, key, "true or false");
}

bnorm_status bnorm_json_integer(bnorm_ctx *ctx, const json_t *from, const char *what,
                                const char *key, ptrdiff_t low, ptrdiff_t high,
                                ptrdiff_t *value)
{
    const json_t *json = json_object_get(from, key);
    if (!json_is_integer(json)) return fail(ctx, what, key, "an integer");
    json_int_t n = json_integer_value(json);
    if (n < low || n > high)
        return bnorm_fail(ctx, BNORM_E_FORMAT, "%s: '%s' is %lld, not in %td .. %td", what, key,
                          (long long)n, low, high);
    *value = (ptrdiff_t)n;
    return BNORM_OK;
}
