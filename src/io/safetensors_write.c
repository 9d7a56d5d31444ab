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

static void describe(bnorm_json_writer *w, const bnorm_tensor *t, int64_t begin, int64_t end)
{
    bnorm_json_open(w, t->name, '{');
    bnorm_json_put_text(w, "dtype", "F64");
    bnorm_json_open(w, "shape", '[');
    if (t->rows >= 0) bnorm_json_put_integer(w, NULL, t->rows);
    bnorm_json_put_integer(w, NULL, t->cols);
    bnorm_json_close(w, ']');
    bnorm_json_open(w, "data_offsets", '[');
    bnorm_json_put_integer(w, NULL, begin);
    bnorm_json_put_integer(w, NULL, end);
    bnorm_json_close(w, ']');
    bnorm_json_close(w, '}');
}

static void write_header(bnorm_json_writer *w, const bnorm_metadata *metadata,
                         const bnorm_tensor *tensors, ptrdiff_t count)
{
    int64_t begin = 0;
    bnorm_json_open(w, NULL, '{');
    bnorm_json_open(w, "__metadata__", '{');
    for (; metadata->key; metadata++) bnorm_json_put_text(w, metadata->key, metadata->text);
    bnorm_json_close(w, '}');
    for (ptrdiff_t k = 0; k < count; k++) {
        int64_t end = begin + 8 * (int64_t)values_of(tensors + k);
        describe(w, tensors + k, begin, end);
        begin = end;
    }
    bnorm_json_close(w, '}');
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

bnorm_status bnorm_safetensors_write(bnorm_ctx *ctx, const char *path,
                                     const bnorm_metadata *metadata,
                                     const bnorm_tensor *tensors, ptrdiff_t count)
{
    bnorm_json_writer w = {.ctx = ctx};
    write_header(&w, metadata, tensors, count);
    bnorm_status status = bnorm_json_finish(&w, 8);
    if (status == BNORM_OK) status = write_pieces(ctx, path, w.bytes, w.length, tensors, count);
    bnorm_free(w.bytes);
    return status;
}
