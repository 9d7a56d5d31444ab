/* json: values of a document that was read, and typed members of objects. A member of the wrong
 * type is as wrong as one that is not there. */
#include "io/json.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"

int bnorm_json_is(const bnorm_json *value, bnorm_json_kind kind)
{
    return value && value->kind == kind;
}

ptrdiff_t bnorm_json_elements(const bnorm_json *array)
{
    return bnorm_json_is(array, BNORM_JSON_ARRAY) ? array->is.count : 0;
}

ptrdiff_t bnorm_json_members(const bnorm_json *object)
{
    return bnorm_json_is(object, BNORM_JSON_OBJECT) ? object->is.count : 0;
}

const bnorm_json *bnorm_json_first(const bnorm_json *list)
{
    return bnorm_json_elements(list) || bnorm_json_members(list) ? list + 1 : NULL;
}

const bnorm_json *bnorm_json_next(const bnorm_json *value)
{
    return value && value->step ? value + value->step : NULL;
}

const bnorm_json *bnorm_json_get(const bnorm_json *object, const char *key)
{
    if (!bnorm_json_is(object, BNORM_JSON_OBJECT)) return NULL;
    const bnorm_json *member = bnorm_json_first(object);
    while (member && strcmp(member->key, key) != 0) member = bnorm_json_next(member);
    return member;
}

const char *bnorm_json_characters(const bnorm_json *value)
{
    return bnorm_json_is(value, BNORM_JSON_TEXT) ? value->is.text : NULL;
}

int64_t bnorm_json_to_index(const bnorm_json *value)
{
    return bnorm_json_is(value, BNORM_JSON_INTEGER) && value->is.integer >= 0
               ? value->is.integer
               : -1;
}

int bnorm_json_to_number(const bnorm_json *value, double *number)
{
    int integer = bnorm_json_is(value, BNORM_JSON_INTEGER);
    if (!integer && !bnorm_json_is(value, BNORM_JSON_REAL)) return 0;
    *number = integer ? (double)value->is.integer : value->is.real;
    return 1;
}

static bnorm_status fail(bnorm_ctx *ctx, const char *what, const char *key, const char *kind)
{
    return bnorm_fail(ctx, BNORM_E_FORMAT, "%s: '%s' is not there or is not %s", what, key,
                      kind);
}

bnorm_status bnorm_json_object(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                               const char *key, const bnorm_json **value)
{
    *value = bnorm_json_get(from, key);
    return bnorm_json_is(*value, BNORM_JSON_OBJECT) ? BNORM_OK
                                                    : fail(ctx, what, key, "an object");
}

bnorm_status bnorm_json_array(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                              const char *key, const bnorm_json **value)
{
    *value = bnorm_json_get(from, key);
    return bnorm_json_is(*value, BNORM_JSON_ARRAY) ? BNORM_OK
                                                   : fail(ctx, what, key, "an array");
}

bnorm_status bnorm_json_text(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                             const char *key, const char **value)
{
    *value = bnorm_json_characters(bnorm_json_get(from, key));
    return *value ? BNORM_OK : fail(ctx, what, key, "a string");
}

bnorm_status bnorm_json_number(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                               const char *key, double *value)
{
    const bnorm_json *json = bnorm_json_get(from, key);
    *value = 0;
    return bnorm_json_to_number(json, value) && isfinite(*value)
               ? BNORM_OK
               : fail(ctx, what, key, "a finite number");
}

bnorm_status bnorm_json_flag(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                             const char *key, int *value)
{
    const bnorm_json *json = bnorm_json_get(from, key);
    int is_flag = bnorm_json_is(json, BNORM_JSON_FLAG);
    *value = is_flag && json->is.flag;
    return is_flag ? BNORM_OK : fail(ctx, what, key, "true or false");
}

bnorm_status bnorm_json_integer(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                                const char *key, ptrdiff_t low, ptrdiff_t high,
                                ptrdiff_t *value)
{
    const bnorm_json *json = bnorm_json_get(from, key);
    if (!bnorm_json_is(json, BNORM_JSON_INTEGER)) return fail(ctx, what, key, "an integer");
    int64_t n = json->is.integer;
    if (n < low || n > high)
        return bnorm_fail(ctx, BNORM_E_FORMAT, "%s: '%s' is %lld, not in %td .. %td", what, key,
                          (long long)n, low, high);
    *value = (ptrdiff_t)n;
    return BNORM_OK;
}
