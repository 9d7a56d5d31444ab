/* safetensors_read: a file is believed in nothing. Lengths are compared with the file's size
 * before memory of that length is asked for, and products are checked for overflow. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "io/file_write.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/table.h"

#define LONGEST_HEADER 100000000 /* the format's own limit */
#define LARGEST_FILE   ((int64_t)1 << 46)

/* All of the bytes at a place of the file. errno is 0 when the file ends too soon. */
static int read_at(int file, int64_t place, void *bytes, size_t count)
{
    char *out = bytes;
    while (count) {
        ssize_t n = pread(file, out, count < (size_t)1 << 30 ? count : (size_t)1 << 30, place);
        if (bnorm_interrupted(n)) continue;
        if (n == 0) errno = 0;
        if (n <= 0) return 0;
        out += n;
        place += n;
        count -= (size_t)n;
    }
    return 1;
}

static bnorm_status fail_read(bnorm_ctx *ctx)
{
    if (!errno) return bnorm_fail(ctx, BNORM_E_IO, "the file became shorter while it was read");
    return bnorm_fail_errno(ctx, "read", "it");
}

static bnorm_status open_regular(bnorm_ctx *ctx, const char *path, int *file, int64_t *size)
{
    struct stat s;
    int result;
    do *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block */
    while (bnorm_interrupted(*file));
    if (*file < 0) return bnorm_fail_errno(ctx, "open", "it");
    do result = fstat(*file, &s);
    while (bnorm_interrupted(result));
    if (result != 0) return bnorm_fail_errno(ctx, "open", "it");
    if (!S_ISREG(s.st_mode)) return bnorm_fail(ctx, BNORM_E_IO, "not a regular file");
    *size = s.st_size;
    if (s.st_size < 8 || s.st_size > LARGEST_FILE)
        return bnorm_fail(ctx, BNORM_E_FORMAT, "not a safetensors file: it has %lld bytes",
                          (long long)s.st_size);
    return BNORM_OK;
}

/* The JSON text of the header; *length and s->start are set. */
static bnorm_status read_header_text(bnorm_safetensors *s, int64_t size, char **text,
                                     size_t *length)
{
    unsigned char prefix[8];
    uint64_t n = 0;
    if (!read_at(s->file, 0, prefix, 8)) return fail_read(s->ctx);
    for (int i = 0; i < 8; i++) n |= (uint64_t)prefix[i] << 8 * i;
    if (n > LONGEST_HEADER || n > (uint64_t)(size - 8))
        return bnorm_fail(s->ctx, BNORM_E_FORMAT,
                          "not a safetensors file: a header of %llu bytes in a file of %lld",
                          (unsigned long long)n, (long long)size);
    *text = bnorm_alloc(s->ctx, (ptrdiff_t)n + 1, 1);
    if (!*text) return bnorm_fail_memory(s->ctx, "the header of a file");
    if (!read_at(s->file, 8, *text, (size_t)n)) return fail_read(s->ctx);
    (*text)[n] = '\0';
    *length = (size_t)n;
    s->start = 8 + (int64_t)n;
    if (!n || **text != '{')
        return bnorm_fail(s->ctx, BNORM_E_FORMAT,
                          "not a safetensors file: the header does not begin with '{'");
    return BNORM_OK;
}

static bnorm_status fail_tensor(bnorm_ctx *ctx, const char *name, const char *what)
{
    char shown[BNORM_EXCERPT_SIZE];
    bnorm_excerpt(name, shown);
    return bnorm_fail(ctx, BNORM_E_FORMAT, "tensor '%s' %s", shown, what);
}

/* *values: the product of the sizes. */
static int read_shape(const bnorm_json *shape, bnorm_entry *e, ptrdiff_t *values)
{
    ptrdiff_t dimensions = bnorm_json_elements(shape);
    if (dimensions < 1 || dimensions > 2) return 0;
    const bnorm_json *first = bnorm_json_first(shape);
    e->cols = bnorm_json_to_index(dimensions == 2 ? bnorm_json_next(first) : first);
    e->rows = dimensions == 2 ? bnorm_json_to_index(first) : -1;
    if (e->cols < 0 || (dimensions == 2 && e->rows < 0)) return 0;
    return bnorm_multiply(e->rows < 0 ? 1 : e->rows, e->cols, values) &&
           *values <= LARGEST_FILE / 8;
}

static bnorm_status read_entry(bnorm_safetensors *s, int64_t size, const char *name,
                               const bnorm_json *json, bnorm_entry *e)
{
    const bnorm_json *offsets = bnorm_json_get(json, "data_offsets");
    const char *type = bnorm_json_characters(bnorm_json_get(json, "dtype"));
    ptrdiff_t values;
    char shown[BNORM_EXCERPT_SIZE];
    *e = (bnorm_entry){.name = name};
    bnorm_excerpt(name, shown);
    if (bnorm_json_members(json) != 3 || !type || bnorm_json_elements(offsets) != 2)
        return fail_tensor(s->ctx, name, "is not described by dtype, shape and data_offsets");
    if (strcmp(type, "F64") != 0) return fail_tensor(s->ctx, name, "is not of type F64");
    if (!read_shape(bnorm_json_get(json, "shape"), e, &values))
        return fail_tensor(s->ctx, name, "has an illegal shape");
    e->begin = bnorm_json_to_index(bnorm_json_first(offsets));
    e->end = bnorm_json_to_index(bnorm_json_next(bnorm_json_first(offsets)));
    if (e->begin < 0 || e->end < e->begin)
        return fail_tensor(s->ctx, name, "has illegal data_offsets");
    if (e->end > size)
        return bnorm_fail(s->ctx, BNORM_E_FORMAT,
                          "tensor '%s' ends at byte %lld, but the data has %lld", shown,
                          (long long)e->end, (long long)size);
    if (e->end - e->begin != 8 * (int64_t)values)
        return bnorm_fail(s->ctx, BNORM_E_FORMAT, "tensor '%s' has %lld bytes for %td numbers",
                          shown, (long long)(e->end - e->begin), values);
    return BNORM_OK;
}

static int by_place(const void *a, const void *b)
{
    const bnorm_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const bnorm_entry *)a)->name, ((const bnorm_entry *)b)->name);
}

/* In the order of their places, each tensor begins where the one before it ends. */
static bnorm_status check_cover(bnorm_safetensors *s, int64_t size)
{
    int64_t end = 0;
    qsort(s->entries, (size_t)s->count, sizeof *s->entries, by_place);
    for (ptrdiff_t k = 0; k < s->count; k++) {
        if (s->entries[k].begin < end)
            return fail_tensor(s->ctx, s->entries[k].name, "overlaps another one");
        if (s->entries[k].begin > end)
            return fail_tensor(s->ctx, s->entries[k].name, "begins after a hole in the data");
        end = s->entries[k].end;
    }
    if (end != size)
        return bnorm_fail(s->ctx, BNORM_E_FORMAT,
                          "the tensors end at byte %lld, but the data has %lld", (long long)end,
                          (long long)size);
    qsort(s->entries, (size_t)s->count, sizeof *s->entries, by_name);
    s->values = (ptrdiff_t)(size / 8);
    return BNORM_OK;
}

static bnorm_status read_entries(bnorm_safetensors *s, int64_t size)
{
    s->entries = bnorm_alloc(s->ctx, bnorm_json_members(s->header), sizeof *s->entries);
    if (!s->entries) return bnorm_fail_memory(s->ctx, "the tensors of a file");
    const bnorm_json *json = bnorm_json_first(s->header);
    for (; json; json = bnorm_json_next(json)) {
        if (json == s->metadata) continue;
        bnorm_status status = read_entry(s, size, json->key, json, s->entries + s->count);
        if (status != BNORM_OK) return status;
        s->count++;
    }
    return check_cover(s, size);
}

static bnorm_status read_metadata(bnorm_safetensors *s)
{
    s->metadata = bnorm_json_get(s->header, "__metadata__");
    if (!bnorm_json_is(s->metadata, BNORM_JSON_OBJECT))
        return bnorm_fail(s->ctx, BNORM_E_FORMAT, "the header has no __metadata__");
    const bnorm_json *value = bnorm_json_first(s->metadata);
    for (; value; value = bnorm_json_next(value))
        if (!bnorm_json_is(value, BNORM_JSON_TEXT))
            return bnorm_fail(s->ctx, BNORM_E_FORMAT,
                              "a value of __metadata__ is not a string");
    return BNORM_OK;
}

bnorm_status bnorm_safetensors_open(bnorm_ctx *ctx, const char *path, bnorm_safetensors *s)
{
    int64_t size = 0;
    char *text = NULL;
    size_t length = 0;
    *s = (bnorm_safetensors){.ctx = ctx, .file = -1};
    bnorm_status status = open_regular(ctx, path, &s->file, &size);
    if (status == BNORM_OK) status = read_header_text(s, size, &text, &length);
    if (status == BNORM_OK)
        status = bnorm_json_read(ctx, "the header", text, length, &s->header);
    if (status == BNORM_OK && !bnorm_json_is(s->header, BNORM_JSON_OBJECT))
        status = bnorm_fail(ctx, BNORM_E_FORMAT, "the header is not an object");
    if (status == BNORM_OK) status = read_metadata(s);
    if (status == BNORM_OK) status = read_entries(s, size - s->start);
    bnorm_free(text);
    return status;
}

void bnorm_safetensors_close(bnorm_safetensors *s)
{
    if (s->file >= 0) close(s->file);
    bnorm_free(s->header);
    bnorm_free(s->entries);
    *s = (bnorm_safetensors){.file = -1};
}

bnorm_entry *bnorm_safetensors_find(const bnorm_safetensors *s, const char *name)
{
    const bnorm_entry key = {.name = name};
    if (!s->count) return NULL;
    return bsearch(&key, s->entries, (size_t)s->count, sizeof key, by_name);
}

/* From the bytes of the file to numbers, in place. */
static int decode(double *out, ptrdiff_t count)
{
    int finite = 1;
    for (ptrdiff_t i = 0; i < count; i++) {
        unsigned char bytes[8];
        memcpy(bytes, out + i, 8);
        out[i] = bnorm_fetch_number(bytes);
        finite &= isfinite(out[i]) != 0;
    }
    return finite;
}

bnorm_status bnorm_safetensors_take(bnorm_safetensors *s, const char *name, ptrdiff_t rows,
                                    ptrdiff_t cols, double *out)
{
    bnorm_entry *e = bnorm_safetensors_find(s, name);
    if (!e) return fail_tensor(s->ctx, name, "is missing");
    if (e->rows != rows || e->cols != cols) {
        char shown[BNORM_EXCERPT_SIZE];
        bnorm_excerpt(name, shown);
        return bnorm_fail(s->ctx, BNORM_E_FORMAT,
                          "tensor '%s' is %td x %td, but the network needs %td x %td", shown,
                          e->rows < 0 ? 1 : e->rows, e->cols, rows < 0 ? 1 : rows, cols);
    }
    if (!read_at(s->file, s->start + e->begin, out, (size_t)(e->end - e->begin)))
        return fail_read(s->ctx);
    if (!decode(out, (ptrdiff_t)((e->end - e->begin) / 8)))
        return fail_tensor(s->ctx, name, "holds a value that is not finite");
    e->used = 1;
    return BNORM_OK;
}
