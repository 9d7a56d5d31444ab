/* fault_support: each wrapper asks `begin` what becomes of the call, which counts it. Names end in
 * 64 where files may be large (meson sets _FILE_OFFSET_BITS). */
#define _XOPEN_SOURCE 700
#include "fault_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

fault_plan plan;

int __real_open64(const char *path, int flags, ...);
ssize_t __real_pread64(int file, void *bytes, size_t count, off_t place);
ssize_t __real_write(int file, const void *bytes, size_t count);
int __real_fsync(int file);
int __real_fchmod(int file, mode_t mode);
int __real_close(int file);
int __real_stat64(const char *path, struct stat *info);
int __real_fstat64(int file, struct stat *info);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);

int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_pread64(int file, void *bytes, size_t count, off_t place);
ssize_t __wrap_write(int file, const void *bytes, size_t count);
int __wrap_fsync(int file);
int __wrap_fchmod(int file, mode_t mode);
int __wrap_close(int file);
int __wrap_stat64(const char *path, struct stat *info);
int __wrap_fstat64(int file, struct stat *info);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);

static void die(void)
{
    kill(getpid(), SIGKILL);
}

/* What becomes of this call; errno is set when that is an error. */
static int begin(fault_call call)
{
    int what = FAULT_NONE;
    plan.calls++;
    plan.made[call]++;
    for (int k = 0; k < 2; k++) {
        const fault *f = plan.faults + k;
        if (f->what && f->first <= plan.calls && plan.calls <= f->last) what = f->what;
    }
    if (what == FAULT_KILL_BEFORE) die();
    if (what > 0) {
        plan.hits[call]++;
        errno = what;
    }
    return what;
}

static int end(int what, int result)
{
    if (what == FAULT_KILL_AFTER) die();
    return result;
}

/* How many of the bytes are to be moved. */
static size_t shorten(int what, size_t count)
{
    size_t n = count;
    if (plan.chunk && n > plan.chunk) n = plan.chunk;
    if ((what == FAULT_HALF || what == FAULT_KILL_WITHIN) && n > 1) n /= 2;
    if (what == FAULT_NOTHING) n = 0;
    plan.cut += n < count;
    return n;
}

int __wrap_open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    unsigned mode = flags & O_CREAT ? va_arg(more, unsigned) : 0;
    va_end(more);
    if (flags & O_CREAT) plan.mode = mode;
    int what = begin(FAULT_OPEN);
    return what > 0 ? -1 : end(what, __real_open64(path, flags, mode));
}

ssize_t __wrap_pread64(int file, void *bytes, size_t count, off_t place)
{
    int what = begin(FAULT_READ);
    if (what > 0) return -1;
    return __real_pread64(file, bytes, shorten(what, count), place);
}

ssize_t __wrap_write(int file, const void *bytes, size_t count)
{
    int what = begin(FAULT_WRITE);
    if (what > 0) return -1;
    size_t n = shorten(what, count);
    if (plan.full && n > plan.room) n = plan.room;
    if (plan.full && n == 0) {
        plan.hits[FAULT_WRITE]++;
        errno = ENOSPC;
        return -1;
    }
    ssize_t written = __real_write(file, bytes, n);
    if (plan.full) plan.room -= (size_t)written;
    if (what == FAULT_KILL_WITHIN) die();
    end(what, 0);
    return written;
}

int __wrap_fsync(int file)
{
    int what = begin(FAULT_SYNC);
    return what > 0 ? -1 : end(what, __real_fsync(file));
}

int __wrap_fchmod(int file, mode_t mode)
{
    int what = begin(FAULT_MODE);
    return what > 0 ? -1 : end(what, __real_fchmod(file, mode));
}

int __wrap_close(int file)
{
    int what = begin(FAULT_CLOSE), result = __real_close(file);
    if (what > 0) errno = what;
    return what > 0 ? -1 : end(what, result);
}

int __wrap_stat64(const char *path, struct stat *info)
{
    int what = begin(FAULT_STAT);
    return what > 0 ? -1 : end(what, __real_stat64(path, info));
}

int __wrap_fstat64(int file, struct stat *info)
{
    int what = begin(FAULT_STAT);
    return what > 0 ? -1 : end(what, __real_fstat64(file, info));
}

int __wrap_rename(const char *from, const char *to)
{
    int what = begin(FAULT_RENAME);
    return what > 0 ? -1 : end(what, __real_rename(from, to));
}

int __wrap_unlink(const char *path)
{
    int what = begin(FAULT_UNLINK);
    return what > 0 ? -1 : end(what, __real_unlink(path));
}
