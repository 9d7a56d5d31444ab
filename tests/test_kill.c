/* kill: a process that is killed while it saves leaves the old model or the new one, whole; beside
 * it at most a temporary. First at each call of the operating system, then at random moments. */
#define _XOPEN_SOURCE 700
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault_support.h"
#include "model_support.h"

#define KILLS 200
#define PATH  512

typedef struct saved {
    bnorm_model *model;
    unsigned char *bytes; /* of its file */
    size_t size;
} saved;

typedef struct fixture {
    bnorm_ctx *ctx;
    char path[PATH];
    saved models[2];
} fixture;

/* Networks of some inputs and as many hidden units; which: its parameters. */
static bnorm_model *make_network(bnorm_ctx *ctx, ptrdiff_t inputs, int which)
{
    bnorm_net *net;
    bnorm_model *m;
    assert_ok(ctx, bnorm_net_create(ctx, inputs, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, inputs));
    assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("tanh")));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1 + (uint64_t)which));
    assert_ok(ctx, bnorm_model_create(ctx, net, NULL, bnorm_loss_find("squared"), &m));
    return m;
}

static void open_fixture(fixture *f, ptrdiff_t inputs)
{
    *f = (fixture){.ctx = make_ctx(1)};
    scratch_make();
    snprintf(f->path, sizeof f->path, "%s", scratch_path("file"));
    for (int k = 0; k < 2; k++) {
        saved *s = f->models + k;
        s->model = make_network(f->ctx, inputs, k);
        assert_ok(f->ctx, bnorm_model_save(f->ctx, s->model, f->path));
        s->bytes = file_read(f->path, &s->size);
    }
}

static void close_fixture(fixture *f)
{
    for (int k = 0; k < 2; k++) {
        bnorm_model_destroy(f->models[k].model);
        free(f->models[k].bytes);
    }
    bnorm_ctx_destroy(f->ctx);
    scratch_remove();
}

/* Which of the two models the file is; fails the test when it is neither. */
static int which_model(fixture *f)
{
    size_t size;
    int which = -1;
    bnorm_model *m;
    unsigned char *bytes = file_read(f->path, &size);
    for (int k = 0; k < 2; k++)
        if (size == f->models[k].size && !memcmp(bytes, f->models[k].bytes, size)) which = k;
    free(bytes);
    assert_true(which >= 0);
    assert_ok(f->ctx, bnorm_model_load(f->ctx, f->path, NULL, &m));
    bnorm_model_destroy(m);
    return which;
}

/* Removes the temporary of a process that was killed. Returns how many there were. */
static int remove_temporary(pid_t child)
{
    char name[64];
    int others = scratch_files() - 1;
    snprintf(name, sizeof name, ".bnorm-%ld-0.tmp", (long)child);
    if (others) assert_int_equal(remove(scratch_path(name)), 0);
    assert_int_equal(scratch_files(), 1);
    return others;
}

/* Returns whether the child was killed; else it came to its end. */
static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* -------------------------------------------------------------------- each call in turn */

/* Saves the second model over the first, killed at the k-th call. */
static int kill_at(fixture *f, long k, int what, int *left)
{
    file_put(f->path, f->models[0].bytes, f->models[0].size);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        plan = (fault_plan){.faults[0] = {k, k, what}};
        _exit(bnorm_model_save(f->ctx, f->models[1].model, f->path) != BNORM_OK);
    }
    int killed = wait_for(child);
    *left += remove_temporary(child);
    return killed;
}

static void each_call(void **state)
{
    (void)state;
    static const int what[] = {FAULT_KILL_BEFORE, FAULT_KILL_WITHIN, FAULT_KILL_AFTER};
    fixture f;
    int kills = 0, left = 0;
    open_fixture(&f, 60);
    plan = (fault_plan){0};
    assert_ok(f.ctx, bnorm_model_save(f.ctx, f.models[1].model, f.path));
    long calls = plan.calls;
    assert_true(plan.made[FAULT_WRITE] > 4);
    for (int w = 0; w < 3; w++)
        for (long k = 1, before = 0; k <= calls; k++) {
            int killed = kill_at(&f, k, what[w], &left), now = which_model(&f);
            assert_true(killed || what[w] == FAULT_KILL_WITHIN);
            if (killed) assert_true(now >= before); /* new once, new for ever */
            if (killed) before = now;
            if (killed && k == calls) assert_int_equal(now, 1);
            kills += killed;
        }
    print_message("%d kills at %ld calls, %d temporaries left\n", kills, calls, left);
    close_fixture(&f);
}

/* ---------------------------------------------------------------------- random moments */

static void save_for_ever(fixture *f)
{
    alarm(60); /* whatever becomes of the parent */
    for (int k = 0;; k = !k)
        if (bnorm_model_save(f->ctx, f->models[k].model, f->path) != BNORM_OK) _exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double time_of_a_save(fixture *f)
{
    double start = seconds();
    for (int k = 0; k < 8; k++)
        assert_ok(f->ctx, bnorm_model_save(f->ctx, f->models[k % 2].model, f->path));
    return (seconds() - start) / 8;
}

static void wait_seconds(double time)
{
    struct timespec t = {(time_t)time, (long)(1e9 * (time - (double)(time_t)time))};
    nanosleep(&t, NULL);
}

static void random_moments(void **state)
{
    (void)state;
    fixture f;
    double moments[KILLS];
    int left = 0, seen[2] = {0};
    open_fixture(&f, 300);
    double save = time_of_a_save(&f);
    bnorm_random_uniform(31, 0, 0, KILLS, moments);
    for (int k = 0; k < KILLS; k++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) save_for_ever(&f);
        wait_seconds(0.001 + 4 * (save < 0.004 ? save : 0.004) * moments[k]);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_true(wait_for(child));
        left += remove_temporary(child);
        seen[which_model(&f)]++;
    }
    print_message(
        "%d kills, a save takes %.2g ms: %d and %d of the models, %d temporaries left\n", KILLS,
        1e3 * save, seen[0], seen[1], left);
    assert_true(seen[0] && seen[1] && left > KILLS / 20); /* or nothing was interrupted */
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call),
        cmocka_unit_test(random_moments),
    };
    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
