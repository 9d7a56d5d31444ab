/* file_write: the temporary lies in the folder of the file, since rename is atomic only inside
 * one file system; it is gone when the call returns, whatever the call returns. */
#define _POSIX_C_SOURCE 200809L
#include "io/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ctx.h"
#include "base/memory.h"

bnorm_status bnorm_fail_errno(bnorm_ctx *ctx, const char *what, const char *path)
{
    char reason[128] = "";
    int error = errno;
    if (strerror_r(error, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", error);
    return bnorm_fail(ctx, BNORM_E_IO, "cannot %s %.600s: %s", what, path, reason);
}

int bnorm_interrupted(ssize_t result)
{
    return result < 0 && errno == EINTR;
}

void bnorm_store_number(double value, unsigned char out[8])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++) out[i] = (unsigned char)(bits >> 8 * i);
}

double bnorm_fetch_number(const unsigned char in[8])
{
    uint64_t bits = 0;
    double value;
    for (int i = 0; i < 8; i++) bits |= (uint64_t)in[i] << 8 * i;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* All of the bytes, in as many writes as it takes. */
static int write_bytes(int file, const unsigned char *bytes, size_t count)
{
    while (count) {
        ssize_t n = write(file, bytes, count < (size_t)1 << 30 ? count : (size_t)1 << 30);
        if (bnorm_interrupted(n)) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return 0;
        bytes += n;
        count -= (size_t)n;
    }
    return 1;
}

#define BATCH 1024 /* numbers a write */

static int write_numbers(int file, const double *numbers, ptrdiff_t count)
{
    unsigned char bytes[8 * BATCH];
    for (ptrdiff_t i = 0; i < count; i += BATCH) {
        ptrdiff_t n = count - i < BATCH ? count - i : BATCH;
        for (ptrdiff_t k = 0; k < n; k++) bnorm_store_number(numbers[i + k], bytes + 8 * k);
        if (!write_bytes(file, bytes, 8 * (size_t)n)) return 0;
    }
    return 1;
}

static int write_pieces(int file, const bnorm_piece *pieces, ptrdiff_t count)
{
    for (ptrdiff_t k = 0; k < count; k++) {
        const bnorm_piece *p = pieces + k;
        if (p->bytes ? !write_bytes(file, p->bytes, (size_t)p->count)
                     : !write_numbers(file, p->numbers, p->count))
            return 0;
    }
    return 1;
}

static int sync_file(int file)
{
    int result;
    do result = fsync(file);
    while (bnorm_interrupted(result));
    return result == 0;
}

static int set_mode(int file, mode_t mode)
{
    int result;
    do result = fchmod(file, mode);
    while (bnorm_interrupted(result));
    return result == 0;
}

static int rename_file(const char *from, const char *to)
{
    int result;
    do result = rename(from, to);
    while (bnorm_interrupted(result));
    return result == 0;
}

static void remove_file(const char *path)
{
    while (bnorm_interrupted(unlink(path))) continue;
}

/* Closes in every case, and keeps the errno of the first failure. */
static int close_after(int file, int good)
{
    int error = errno;
    if (close(file) != 0 && good && errno != EINTR) return 0;
    errno = error;
    return good;
}

/* To something that is no regular file. */
static bnorm_status write_through(bnorm_ctx *ctx, const char *path, const bnorm_piece *pieces,
                                  ptrdiff_t count)
{
    int file;
    do file = open(path, O_WRONLY | O_CLOEXEC);
    while (bnorm_interrupted(file));
    if (file < 0) return bnorm_fail_errno(ctx, "open", path);
    if (!close_after(file, write_pieces(file, pieces, count)))
        return bnorm_fail_errno(ctx, "write", path);
    return BNORM_OK;
}

/* The folder of a path, with its final '/': a prefix of it. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

#define NAME_ROOM 64
#define ATTEMPTS  1000

/* Creates a temporary of a name of its own, which nobody may open who may not open the old file
 * (or NULL); its path goes to `temporary`. */
static int create_temporary(const char *path, const struct stat *old, char *temporary)
{
    size_t n = folder_length(path);
    memcpy(temporary, path, n);
    for (int k = 0; k < ATTEMPTS; k++) {
        snprintf(temporary + n, NAME_ROOM, ".bnorm-%ld-%d.tmp", (long)getpid(), k);
        int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                        old ? old->st_mode & 0777 : 0666);
        if (file >= 0 || (errno != EEXIST && errno != EINTR)) return file;
    }
    return -1;
}

/* The rename lasts when the folder is synced; some file systems cannot do that. */
static int sync_folder(const char *path, char *scratch)
{
    size_t n = folder_length(path);
    memcpy(scratch, n ? path : ".", n ? n : 1);
    scratch[n ? n : 1] = '\0';
    int folder;
    do folder = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (bnorm_interrupted(folder));
    if (folder < 0) return errno == EACCES; /* may be written, not read */
    int good = sync_file(folder) || errno == EINVAL || errno == ENOTSUP;
    return close_after(folder, good);
}

static bnorm_status write_beside(bnorm_ctx *ctx, const char *path, const struct stat *old,
                                 const bnorm_piece *pieces, ptrdiff_t count, char *temporary)
{
    int file = create_temporary(path, old, temporary);
    if (file < 0) return bnorm_fail_errno(ctx, "create a temporary file for", path);
    int good = (!old || set_mode(file, old->st_mode & 0777)) &&
               write_pieces(file, pieces, count) && sync_file(file);
    good = close_after(file, good);
    if (!good || !rename_file(temporary, path)) {
        bnorm_status status = bnorm_fail_errno(ctx, "write", path);
        remove_file(temporary);
        return status;
    }
    if (!sync_folder(path, temporary)) return bnorm_fail_errno(ctx, "sync the folder of", path);
    return BNORM_OK;
}

/* Whether there is a file, and which; errno is 0 when that could be found out. */
static int find_file(const char *path, struct stat *info)
{
    int result;
    do result = stat(path, info);
    while (bnorm_interrupted(result));
    if (result == 0 || errno == ENOENT) errno = 0;
    return result == 0;
}

bnorm_status bnorm_file_write(bnorm_ctx *ctx, const char *path, const bnorm_piece *pieces,
                              ptrdiff_t count)
{
    struct stat old;
    int exists = find_file(path, &old); /* unknown: not to be taken for a new file */
    if (exists && S_ISDIR(old.st_mode)) errno = EISDIR;
    if (errno) return bnorm_fail_errno(ctx, "write", path);
    if (exists && !S_ISREG(old.st_mode)) return write_through(ctx, path, pieces, count);
    char *temporary = bnorm_alloc(ctx, (ptrdiff_t)strlen(path) + NAME_ROOM, 1);
    if (!temporary) return bnorm_fail_memory(ctx, "the path of a file");
    bnorm_status status =
        write_beside(ctx, path, exists ? &old : NULL, pieces, count, temporary);
    bnorm_free(temporary);
    return status;
}
