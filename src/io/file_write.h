/* file_write: whole files written at once, or not at all. */
#ifndef BNORM_IO_FILE_WRITE_H
#define BNORM_IO_FILE_WRITE_H

#include <sys/types.h>

#include "bnorm.h"

/* A part of a file: bytes, or (bytes NULL) numbers as little-endian doubles. */
typedef struct bnorm_piece {
    const void *bytes;
    const double *numbers;
    ptrdiff_t count;
} bnorm_piece;

/* Writes the pieces, one after another. A new or regular file is written beside itself, synced
 * and renamed: it is the old or the new one, whatever happens. Anything else (a device, a pipe)
 * is written directly. Errors: IO (path and reason), MEMORY. */
bnorm_status bnorm_file_write(bnorm_ctx *ctx, const char *path, const bnorm_piece *pieces,
                              ptrdiff_t count);

/* Fails with IO: "cannot <what> <path>: <the reason errno gives>". */
bnorm_status bnorm_fail_errno(bnorm_ctx *ctx, const char *what, const char *path);

/* A signal interrupted the call that gave this result: it is to be made again. */
int bnorm_interrupted(ssize_t result);

/* One number to and from eight little-endian bytes. */
void bnorm_store_number(double value, unsigned char out[8]);
double bnorm_fetch_number(const unsigned char in[8]);

#endif
