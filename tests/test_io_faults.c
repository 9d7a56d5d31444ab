/* io_faults: each call of the operating system that saving and loading make fails in turn. Whatever
 * fails, the file is the old one or the new one, the status says so, and nothing is leaked. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault_support.h"
#include "file_kinds.h"
#include "model_support.h"

/* ------------------------------------------------------------------------------ fixture */

typedef struct bytes {
    unsigned char *at;
    size_t size;
} bytes;

typedef struct fixture {
    const kind *kind;
    failing_memory memory;
    bnorm_ctx *ctx;
    content content; /* is saved over `old` */
    bytes old, new;
    char path[512];
    long faults; /* tried */
} fixture;

static bytes read_all(const char *path)
{
    bytes b;
    b.at = file_read(path, &b.size);
    return b;
}

static int same(bytes a, bytes b)
{
    return a.size == b.size && !memcmp(a.at, b.at, a.size);
}

static void open_fixture(fixture *f, const kind *k)
{
    *f = (fixture){.kind = k};
    f->ctx = make_failing_ctx(&f->memory, 1);
    scratch_make();
    snprintf(f->path, sizeof f->path, "%s", scratch_path("file"));
    k->make(f->ctx, 5, &f->content);
    assert_ok(f->ctx, k->save(f->ctx, &f->content, f->path));
    f->old = read_all(f->path);
    drop_content(&f->content);
    k->make(f->ctx, 6, &f->content);
    assert_ok(f->ctx, k->save(f->ctx, &f->content, f->path));
    f->new = read_all(f->path);
    assert_false(same(f->old, f->new));
}

static void close_fixture(fixture *f, const char *what)
{
    print_message("%s, %s: %ld faults\n", f->kind->name, what, f->faults);
    drop_content(&f->content);
    bnorm_ctx_destroy(f->ctx);
    assert_int_equal(f->memory.live, 0);
    free(f->old.at);
    free(f->new.at);
    scratch_remove();
}

static int descriptors(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    if (!d) return 0;
    while (readdir(d)) count++;
    closedir(d);
    return count;
}

/* The error that a plan gives, if it is one that must be reported. */
static int serious(const fault_plan *p)
{
    for (int k = 0; k < 2; k++)
        if (p->faults[k].what > 0 && p->faults[k].what != EINTR) return p->faults[k].what;
    if (p->faults[0].what == FAULT_NOTHING && p->cut) return EIO;
    return p->full ? ENOSPC : 0;
}

static long all_hits(void)
{
    long sum = plan.full ? plan.hits[FAULT_WRITE] : plan.cut;
    for (int k = 0; k < FAULT_CALLS && !plan.full; k++) sum += plan.hits[k];
    return sum;
}

/* -------------------------------------------------------------------------------- saving */

static void check_mode(const fixture *f)
{
    struct stat info;
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

/* What a save under `plan` left behind; old: whether there was a file before. */
static void check_saved(fixture *f, int old, bnorm_status status)
{
    const fault_plan p = plan;
    plan = (fault_plan){0};
    int renamed = p.made[FAULT_RENAME] > p.hits[FAULT_RENAME];
    int temporary = !renamed && p.made[FAULT_UNLINK] && /* which could not be removed */
                    p.made[FAULT_UNLINK] == p.hits[FAULT_UNLINK];
    assert_int_equal(status, serious(&p) ? BNORM_E_IO : BNORM_OK);
    assert_int_equal(scratch_files(), (renamed || old) + temporary);
    if (status == BNORM_OK) assert_true(renamed);
    if (status != BNORM_OK) {
        assert_non_null(strstr(bnorm_ctx_message(f->ctx), f->path));
        assert_non_null(strstr(bnorm_ctx_message(f->ctx), strerror(serious(&p))));
    }
    if (!renamed && !old) return;
    bytes now = read_all(f->path);
    assert_true(same(now, renamed ? f->new : f->old));
    free(now.at);
    if (old) check_mode(f);
}

/* A new folder, with the old file or without. */
static void prepare(fixture *f, int old)
{
    scratch_remove();
    scratch_make();
    snprintf(f->path, sizeof f->path, "%s", scratch_path("file"));
    if (old) {
        file_put(f->path, f->old.at, f->old.size);
        assert_int_equal(chmod(f->path, 0600), 0);
    }
}

/* Saves over the old file, or where there is none, as planned. Returns whether a fault was met. */
static int try_save(fixture *f, int old, fault_plan planned)
{
    prepare(f, old);
    int files = descriptors();
    long live = f->memory.live;
    plan = planned;
    bnorm_status status = f->kind->save(f->ctx, &f->content, f->path);
    int met = all_hits() > 0;
    if (!met) plan.full = 0, plan.faults[0].what = plan.faults[1].what = 0;
    f->faults += met;
    check_saved(f, old, status);
    assert_int_equal(descriptors(), files);
    assert_int_equal(f->memory.live, live);
    return met;
}

/* How many calls a save makes; each kind of call must be among them, or it is not tested. */
static long count_calls(fixture *f, int old)
{
    static const fault_call used[] = {FAULT_OPEN,  FAULT_WRITE, FAULT_SYNC,
                                      FAULT_CLOSE, FAULT_STAT,  FAULT_RENAME};
    prepare(f, old);
    plan = (fault_plan){0};
    assert_ok(f->ctx, f->kind->save(f->ctx, &f->content, f->path));
    for (size_t c = 0; c < sizeof used / sizeof *used; c++) assert_true(plan.made[used[c]] > 0);
    assert_int_equal(plan.made[FAULT_SYNC], 2); /* the file, its folder */
    assert_int_equal(plan.made[FAULT_MODE], old);
    assert_int_equal(plan.mode, old ? 0600 : 0666); /* never open to more than the old file */
    return plan.calls;
}

static void save_with_one_fault(fixture *f, int old)
{
    static const int what[] = {EIO, ENOSPC, EMFILE, EINTR, FAULT_HALF, FAULT_NOTHING};
    long calls = count_calls(f, old);
    for (size_t w = 0; w < sizeof what / sizeof *what; w++)
        for (long k = 1; k <= calls; k++) {
            int met = try_save(f, old, (fault_plan){.faults[0] = {k, k, what[w]}});
            assert_true(met || what[w] < 0);
            try_save(f, old, (fault_plan){.faults[0] = {k, k + 2, what[w]}});
            if (what[w] == EINTR || what[w] == FAULT_NOTHING) continue;
            try_save(f, old, (fault_plan){.faults[0] = {k, LONG_MAX, what[w]}});
        }
}

/* What cleans up after a failure fails as well, or is interrupted. */
static void save_with_two_faults(fixture *f, int old)
{
    static const int second[] = {EIO, EINTR};
    long calls = count_calls(f, old);
    for (size_t w = 0; w < 2; w++)
        for (long k = 1; k <= calls; k++)
            for (long j = k + 1; j <= k + 4; j++)
                try_save(f, old, (fault_plan){.faults = {{k, k, ENOSPC}, {j, j, second[w]}}});
}

static void save_in_little_room(fixture *f, int old)
{
    for (size_t room = 0; room <= f->new.size; room += room % 64 == 63 ? 1 : 7)
        assert_int_equal(try_save(f, old, (fault_plan){.full = 1, .room = room}),
                         room < f->new.size);
    for (size_t chunk = 1; chunk < 20; chunk++)
        assert_true(try_save(f, old, (fault_plan){.chunk = chunk}));
}

static void test_save(void **state)
{
    (void)state;
    for (size_t k = 0; k < FILE_KINDS; k++) {
        fixture f;
        open_fixture(&f, kinds + k);
        for (int old = 0; old < 2; old++) {
            save_with_one_fault(&f, old);
            save_with_two_faults(&f, old);
            save_in_little_room(&f, old);
        }
        close_fixture(&f, "save");
    }
}

/* What is no regular file is written without a temporary: a pipe in the folder of the test (a
 * device of the machine would be lost to a library that is wrong). */
static void test_save_to_pipe(void **state)
{
    (void)state;
    static const int what[] = {EIO, EINTR, FAULT_HALF, FAULT_NOTHING};
    static unsigned char drained[1 << 16];
    fixture f;
    open_fixture(&f, kinds);
    assert_int_equal(remove(f.path), 0);
    assert_int_equal(mkfifo(f.path, 0600), 0);
    int pipe = open(f.path, O_RDWR | O_NONBLOCK), files = descriptors();
    plan = (fault_plan){0};
    assert_ok(f.ctx, f.kind->save(f.ctx, &f.content, f.path));
    long calls = plan.calls;
    assert_int_equal(read(pipe, drained, sizeof drained), f.new.size);
    for (int w = 0; w < 4; w++)
        for (long k = 1; k <= calls; k++) {
            plan = (fault_plan){.faults[0] = {k, k, what[w]}};
            bnorm_status status = f.kind->save(f.ctx, &f.content, f.path);
            const fault_plan p = plan;
            f.faults += all_hits() > 0;
            plan = (fault_plan){0};
            assert_int_equal(status, serious(&p) ? BNORM_E_IO : BNORM_OK);
            assert_int_equal(p.made[FAULT_RENAME], 0);
            ssize_t n = read(pipe, drained, sizeof drained);
            if (status == BNORM_OK) assert_int_equal(n, f.new.size);
            if (n > 0) assert_memory_equal(drained, f.new.at, (size_t)n);
            assert_int_equal(descriptors(), files);
        }
    close(pipe);
    close_fixture(&f, "save to a pipe");
}

/* ------------------------------------------------------------------------------- loading */

/* What is loaded is the file: saved again, it has the same bytes. */
static void check_loaded(fixture *f, content *loaded)
{
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path("again"));
    assert_ok(f->ctx, f->kind->save(f->ctx, loaded, path));
    bytes again = read_all(path);
    assert_true(same(again, f->new));
    free(again.at);
    assert_int_equal(remove(path), 0);
}

static void try_load(fixture *f, fault_plan planned, int shorter)
{
    int files = descriptors();
    long live = f->memory.live;
    content loaded = {0};
    plan = planned;
    bnorm_status status = f->kind->load(f->ctx, f->path, &loaded);
    const fault_plan p = plan;
    plan = (fault_plan){0};
    int closing = p.hits[FAULT_CLOSE] && p.faults[0].last == p.faults[0].first;
    int error = closing ? 0 : serious(&p); /* what was read is whole, however it is closed */
    f->faults += p.cut + p.hits[FAULT_OPEN] + p.hits[FAULT_READ] + p.hits[FAULT_STAT] +
                     p.hits[FAULT_CLOSE] >
                 0;
    assert_int_equal(status, error ? BNORM_E_IO : BNORM_OK);
    if (status == BNORM_OK) {
        check_loaded(f, &loaded);
        drop_content(&loaded);
    } else {
        assert_true(!loaded.model && !loaded.panel && !loaded.vcov);
        assert_non_null(strstr(bnorm_ctx_message(f->ctx), f->path));
        assert_non_null(
            strstr(bnorm_ctx_message(f->ctx), shorter ? "became shorter" : strerror(error)));
    }
    assert_int_equal(descriptors(), files);
    assert_int_equal(f->memory.live, live);
}

static void load_with_faults(fixture *f)
{
    static const int what[] = {EIO, EMFILE, EINTR, FAULT_HALF, FAULT_NOTHING};
    content loaded = {0};
    plan = (fault_plan){0};
    assert_ok(f->ctx, f->kind->load(f->ctx, f->path, &loaded));
    drop_content(&loaded);
    long calls = plan.calls;
    assert_true(plan.made[FAULT_OPEN] && plan.made[FAULT_READ] && plan.made[FAULT_STAT] &&
                plan.made[FAULT_CLOSE]);
    for (size_t w = 0; w < sizeof what / sizeof *what; w++)
        for (long k = 1; k <= calls; k++) {
            int shorter = what[w] == FAULT_NOTHING;
            try_load(f, (fault_plan){.faults[0] = {k, k, what[w]}}, shorter);
            if (k == calls) continue; /* that is close */
            try_load(f, (fault_plan){.faults[0] = {k, k + 2, what[w]}}, shorter);
            if (what[w] == EINTR) continue;
            try_load(f, (fault_plan){.faults[0] = {k, LONG_MAX, what[w]}}, shorter);
        }
    for (size_t chunk = 1; chunk < 20; chunk++) try_load(f, (fault_plan){.chunk = chunk}, 0);
}

static void test_load(void **state)
{
    (void)state;
    for (size_t k = 0; k < FILE_KINDS; k++) {
        fixture f;
        open_fixture(&f, kinds + k);
        load_with_faults(&f);
        bytes now = read_all(f.path);
        assert_true(same(now, f.new));
        free(now.at);
        close_fixture(&f, "load");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_save_to_pipe),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests_name("io_faults", tests, NULL, NULL);
}
