/* safetensors_write: the header describes the data in the order in which they are written, so
 * offsets are running sums. */
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/file_write.h"
#include "io/json.h"
#include "io/safetensors.h"

static ptrdiff_t values_of(const bnorm_tensor *t)
{
    return (t->rows < 0 ? 1 : t->rows) * t->cols;
}

/* NULL when memory is out. */
static json_t *describe(const bnorm_tensor *t, json_int_t begin, json_int_t end)
{
    json_t *o = json_object(), *shape = json_array(), *offsets = json_array();
    int bad = json_object_set_new(o, "dtype", json_string("F64"));
    if (t->rows >= 0) bad |= json_array_append_new(shape, json_integer(t->rows));
    bad |= json_array_append_new(shape, json_integer(t->cols));
    bad |= json_array_append_new(offsets, json_integer(begin));
    bad |= json_array_append_new(offsets, json_integer(end));
    bad |= json_object_set_new(o, "shape", shape);
    bad |= json_object_set_new(o, "data_offsets", offsets);
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

static bnorm_status make_header(bnorm_ctx *ctx, json_t *metadata, const bnorm_tensor *tensors,
                                ptrdiff_t count, json_t **header)
{
    json_int_t begin = 0;
    *header = json_object();
    int bad = json_object_set(*header, "__metadata__", metadata);
    for (ptrdiff_t k = 0; k < count && !bad; k++) {
        json_int_t end = begin + 8 * (json_int_t)values_of(tensors + k);
        bad |= json_object_set_new(*header, tensors[k].name, describe(tensors + k, begin, end));
        begin = end;
    }
    return bad ? bnorm_fail_memory(ctx, "the header of a file") : BNORM_OK;
}

/* The length and the header, padded with spaces so that the data begin at a multiple of 8. */
static bnorm_status write_pieces(bnorm_ctx *ctx, const char *path, char *header, size_t length,
                                 const bnorm_tensor *tensors, ptrdiff_t count)
{
    unsigned char prefix[8];
    while (length % 8) header[length++] = ' ';
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)length >> 8 * i);
    bnorm_piece *pieces = bnorm_alloc(ctx, count + 2, sizeof *pieces);
    if (!pieces) return bnorm_fail_memory(ctx, "the pieces of a file");
    pieces[0] = (bnorm_piece){.bytes = prefix, .count = 8};
    pieces[1] = (bnorm_piece){.bytes = header, .count = (ptrdiff_t)length};
    for (ptrdiff_t k = 0; k < count; k++)
        pieces[k + 2] =
            (bnorm_piece){.numbers = tensors[k].data, .count = values_of(tensors + k)};
    bnorm_status status = bnorm_file_write(ctx, path, pieces, count + 2);
    bnorm_free(pieces);
    return status;
}

bnorm_status bnorm_safetensors_write(bnorm_ctx *ctx, const char *path, json_t *metadata,
                                     const bnorm_tensor *tensors, ptrdiff_t count)
{
    json_t *header = NULL;
    char *text = NULL;
    size_t length = 0;
    bnorm_status status = make_header(ctx, metadata, tensors, count, &header);
    if (status == BNORM_OK) status = bnorm_json_write(ctx, header, 8, &text, &length);
    if (status == BNORM_OK) status = write_pieces(ctx, path, text, length, tensors, count);
    json_decref(header);
    bnorm_free(text);
    return status;
}
