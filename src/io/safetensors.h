/* safetensors: files of named matrices of doubles with metadata: eight bytes (the length of the
 * header, little-endian), the header in JSON, the data without holes. */
#ifndef BNORM_IO_SAFETENSORS_H
#define BNORM_IO_SAFETENSORS_H

#include "bnorm.h"
#include "io/json.h"

/* A tensor to be written: a vector of cols numbers when rows is -1. */
typedef struct bnorm_tensor {
    const char *name;
    ptrdiff_t rows, cols;
    const double *data;
} bnorm_tensor;

/* A text under __metadata__. */
typedef struct bnorm_metadata {
    const char *key, *text;
} bnorm_metadata;

/* Writes the tensors in their order. The metadata end with a NULL key. Errors: ARGUMENT (a name
 * that is not UTF-8), IO, MEMORY. */
bnorm_status bnorm_safetensors_write(bnorm_ctx *ctx, const char *path,
                                     const bnorm_metadata *metadata,
                                     const bnorm_tensor *tensors, ptrdiff_t count);

/* A tensor in a file. */
typedef struct bnorm_entry {
    const char *name;
    ptrdiff_t rows, cols; /* rows is -1 for a vector */
    int64_t begin, end;   /* bytes of the data */
    int used;             /* for the reader of the model */
} bnorm_entry;

/* A file whose header was read and found to be right: types, shapes, offsets, no overlap, no
 * hole, all data covered. */
typedef struct bnorm_safetensors {
    bnorm_ctx *ctx;
    int file; /* -1: closed */
    bnorm_json *header;
    const bnorm_json *metadata; /* part of header; every member is a string */
    bnorm_entry *entries;       /* by name */
    ptrdiff_t count;
    int64_t start;    /* of the data in the file */
    ptrdiff_t values; /* numbers in the data */
} bnorm_safetensors;

/* close releases, also after a failed open. Errors: IO, FORMAT, MEMORY. */
bnorm_status bnorm_safetensors_open(bnorm_ctx *ctx, const char *path, bnorm_safetensors *s);
void bnorm_safetensors_close(bnorm_safetensors *s);

/* The tensor of that name, NULL for none. */
bnorm_entry *bnorm_safetensors_find(const bnorm_safetensors *s, const char *name);

/* Reads the tensor of that name and shape and marks it as used. Errors: IO, FORMAT (it is not
 * there, has another shape, or holds a value that is not finite). */
bnorm_status bnorm_safetensors_take(bnorm_safetensors *s, const char *name, ptrdiff_t rows,
                                    ptrdiff_t cols, double *out);

#endif
