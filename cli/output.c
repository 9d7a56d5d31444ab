/* output: whole files or none. Invariant: `pending` names the temporary that exists, if one
 * does, so that a deadly signal can remove it. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static char *volatile pending;

static int fail(const char *path)
{
    bnorm_cli_say("%s could not be written: %s", path, strerror(errno));
    return CLI_FAILED;
}

static void remove_pending(int signal_number)
{
    if (pending) unlink(pending);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* Only signals that would end the command anyway; a fit's own handler stays. */
static void guard_pending(void)
{
    static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t k = 0; k < sizeof deadly / sizeof *deadly; k++) {
        struct sigaction old;
        if (!sigaction(deadly[k], NULL, &old) && old.sa_handler == SIG_DFL)
            signal(deadly[k], remove_pending);
    }
}

/* The file that a path means, links followed; the path itself when there is none yet. */
static char *resolve(const char *path)
{
    char *real = realpath(path, NULL);
    if (real) return real;
    char *copy = bnorm_cli_alloc((ptrdiff_t)strlen(path) + 1, 1);
    return strcpy(copy, path);
}

static int is_special(const char *path)
{
    struct stat info;
    return !stat(path, &info) && !S_ISREG(info.st_mode);
}

/* Makes "<target>.XXXXXX" with the permissions that a new file would have. */
static int make_temporary(cli_output *o)
{
    size_t size = strlen(o->target) + 8;
    o->temporary = bnorm_cli_alloc((ptrdiff_t)size, 1);
    snprintf(o->temporary, size, "%s.XXXXXX", o->target);
    int descriptor = mkstemp(o->temporary);
    if (descriptor < 0) return -1;
    mode_t mask = umask(0);
    umask(mask);
    fchmod(descriptor, 0666 & ~mask);
    return descriptor;
}

static void forget(cli_output *o)
{
    pending = NULL;
    free(o->target);
    free(o->temporary);
    *o = (cli_output){0};
}

int bnorm_cli_open(cli_output *o, const char *path)
{
    int descriptor;
    *o = (cli_output){.path = path};
    if (!strcmp(path, "-")) {
        o->path = "standard output";
        descriptor = dup(STDOUT_FILENO);
    } else if (is_special(path)) {
        descriptor = open(path, O_WRONLY);
    } else {
        o->target = resolve(path);
        descriptor = make_temporary(o);
    }
    if (descriptor >= 0) o->file = fdopen(descriptor, "w");
    if (!o->file) {
        int code = fail(o->path);
        forget(o);
        return code;
    }
    pending = o->temporary;
    guard_pending();
    return CLI_OK;
}

int bnorm_cli_commit(cli_output *o)
{
    int good = !ferror(o->file) && !fflush(o->file);
    if (good && o->target) good = !fsync(fileno(o->file));
    if (fclose(o->file)) good = 0;
    o->file = NULL;
    if (good && o->target) good = !rename(o->temporary, o->target);
    int code = good ? CLI_OK : fail(o->path);
    if (!good && o->temporary) unlink(o->temporary);
    forget(o);
    return code;
}

void bnorm_cli_abandon(cli_output *o)
{
    if (o->file) fclose(o->file);
    if (o->temporary) unlink(o->temporary);
    forget(o);
}

int bnorm_cli_writable(const char *path)
{
    cli_output o;
    if (!path || !strcmp(path, "-")) return CLI_OK;
    if (is_special(path)) {
        struct stat info;
        errno = EISDIR;
        if (stat(path, &info) || S_ISDIR(info.st_mode)) return fail(path);
        return access(path, W_OK) ? fail(path) : CLI_OK;
    }
    int code = bnorm_cli_open(&o, path);
    if (!code) bnorm_cli_abandon(&o);
    return code;
}

/* The folder of a path, and its name there. */
static int parent(const char *path, struct stat *info, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    size_t length = slash ? (size_t)(*name - path) : 1;
    char *folder = bnorm_cli_alloc((ptrdiff_t)length + 1, 1);
    memcpy(folder, slash ? path : ".", length);
    int found = !stat(folder, info);
    free(folder);
    return found;
}

/* Two paths of one regular file, be it there already or not. */
static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    const char *name_a, *name_b;
    if (!a || !b || !strcmp(a, "-") || !strcmp(b, "-")) return 0;
    int there_a = !stat(a, &x), there_b = !stat(b, &y);
    if (there_a != there_b) return 0;
    if (there_a) return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    return parent(a, &x, &name_a) && parent(b, &y, &name_b) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino && !strcmp(name_a, name_b);
}

int bnorm_cli_apart(const cli_use *uses, int count)
{
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++) {
            if (!uses[i].written && !uses[j].written) continue;
            if (!same_file(uses[i].path, uses[j].path)) continue;
            bnorm_cli_say("%s and %s are the same file, %s", uses[i].what, uses[j].what,
                          uses[j].path);
            return CLI_USAGE;
        }
    return CLI_OK;
}

static const int held[CLI_HELD] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static volatile sig_atomic_t postponed;

static void postpone(int signal_number)
{
    postponed = signal_number;
}

/* Handlers, not a mask: threads of the library would take what this one blocks. */
void bnorm_cli_hold(cli_hold *hold)
{
    struct sigaction action = {.sa_handler = postpone, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    postponed = 0;
    for (int k = 0; k < CLI_HELD; k++) {
        sigaction(held[k], NULL, &hold->old[k]);
        if (hold->old[k].sa_handler != SIG_IGN) sigaction(held[k], &action, NULL);
    }
}

void bnorm_cli_release(const cli_hold *hold)
{
    for (int k = 0; k < CLI_HELD; k++) sigaction(held[k], &hold->old[k], NULL);
    if (postponed) raise(postponed);
}

int bnorm_cli_flush(void)
{
    if (!fflush(stdout) && !ferror(stdout)) return CLI_OK;
    return fail("standard output");
}
