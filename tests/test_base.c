/* base: status texts, contexts, memory, threads (also after fork), the random streams. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"

/* A pool that bnorm did not start dies in a fork, too. Runs first: no context was made yet. */
static void child_of_a_process_without_contexts(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bnorm_ctx *ctx = make_ctx(2);
        _exit(bnorm_ctx_threads(ctx) == 1 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void status_texts(void **state)
{
    (void)state;
#define HAS_TEXT(name, text) assert_string_equal(bnorm_status_text(name), text);
    BNORM_STATUS_LIST(HAS_TEXT)
    assert_string_equal(bnorm_status_text((bnorm_status)-1), "unknown status");
    assert_string_equal(bnorm_version(), BNORM_VERSION);
}

static void context_options(void **state)
{
    (void)state;
    bnorm_ctx *ctx = (bnorm_ctx *)1; /* must become NULL on failure */
    bnorm_ctx_options o;
    bnorm_ctx_defaults(&o);
    o.struct_size = 3;
    assert_int_equal(bnorm_ctx_create(&o, &ctx), BNORM_E_ARGUMENT);
    assert_null(ctx);
    bnorm_ctx_defaults(&o);
    o.threads = -1;
    assert_int_equal(bnorm_ctx_create(&o, &ctx), BNORM_E_ARGUMENT);
    assert_int_equal(bnorm_ctx_create(NULL, NULL), BNORM_E_ARGUMENT);
    bnorm_ctx_defaults(&o);
    o.threads = 0;
    assert_int_equal(bnorm_ctx_create(&o, &ctx), BNORM_OK);
    assert_int_equal(bnorm_ctx_threads(ctx), bnorm_processors());
    assert_string_equal(bnorm_ctx_message(ctx), "");
    bnorm_ctx_destroy(ctx);
    bnorm_ctx_destroy(NULL);
    assert_int_equal(bnorm_ctx_threads(NULL), 1);
    assert_string_equal(bnorm_ctx_message(NULL), "");
}

static void messages(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    assert_int_equal(bnorm_fail(ctx, BNORM_E_IO, "disk %d", 7), BNORM_E_IO);
    assert_string_equal(bnorm_ctx_message(ctx), "disk 7");
    bnorm_fail(ctx, BNORM_E_IO, "again: %s", bnorm_ctx_message(ctx));
    assert_string_equal(bnorm_ctx_message(ctx), "again: disk 7");
    assert_int_equal(bnorm_fail(NULL, BNORM_E_IO, "nowhere"), BNORM_E_IO);
    bnorm_ctx_destroy(ctx);
}

static void memory_blocks(void **state)
{
    (void)state;
    failing_memory memory = {0};
    bnorm_ctx *ctx = make_failing_ctx(&memory, 1);
    for (ptrdiff_t n = 0; n < 300; n += 7) {
        char *block = bnorm_alloc_zero(ctx, n, 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (ptrdiff_t i = 0; i < n; i++) assert_int_equal(block[i], 0);
        bnorm_free(block);
    }
    assert_null(bnorm_alloc(ctx, -1, 8));
    assert_null(bnorm_alloc(ctx, PTRDIFF_MAX, 8));
    assert_null(bnorm_alloc(ctx, PTRDIFF_MAX, 1));
    assert_null(bnorm_alloc(ctx, 1, SIZE_MAX));
    char *copy = bnorm_strndup(ctx, "gamma and beta", 5);
    assert_string_equal(copy, "gamma");
    bnorm_free(copy);
    bnorm_free(NULL);
    bnorm_ctx_destroy(ctx);
    assert_int_equal(memory.live, 0);
    memory = (failing_memory){.fail_at = 1};
    assert_null(make_failing_ctx(&memory, 1));
}

static void mark(void *argument, ptrdiff_t k)
{
    ((int *)argument)[k]++;
}

static void parallel_runs_each_task_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        bnorm_ctx *ctx = make_ctx(threads);
        for (ptrdiff_t count = 0; count < 40; count += 3) {
            int seen[40] = {0};
            bnorm_parallel(ctx, count, mark, seen);
            for (ptrdiff_t k = 0; k < 40; k++) assert_int_equal(seen[k], k < count);
            bnorm_parallel_back(ctx, count, mark, seen);
            for (ptrdiff_t k = 0; k < 40; k++) assert_int_equal(seen[k], 2 * (k < count));
        }
        bnorm_ctx_destroy(ctx);
    }
}

static void forked_child_does_not_hang(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(4);
    int seen[40] = {0};
    bnorm_parallel(ctx, 40, mark, seen);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        bnorm_ctx *mine = make_ctx(4);
        bnorm_parallel(ctx, 40, mark, seen);
        bnorm_parallel(mine, 40, mark, seen);
        int good = seen[0] == 3 && bnorm_ctx_threads(ctx) == 1 && bnorm_ctx_threads(mine) == 1;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(bnorm_ctx_threads(ctx), 4);
    bnorm_ctx_destroy(ctx);
}

/* The known answers that its authors publish with the generator (Random123, kat_vectors). */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[4];
        bnorm_philox(cases[i].counter, cases[i].key, out);
        for (int k = 0; k < 4; k++) assert_int_equal(out[k], cases[i].out[k]);
    }
}

static void streams_are_made_of_parts(void **state)
{
    (void)state;
    double whole[101], parts[101];
    bnorm_random_normal(5, 2, 7, 101, whole);
    for (ptrdiff_t i = 0; i < 101; i++)
        bnorm_random_normal(5, 2, 7 + (uint64_t)i, 1, parts + i);
    assert_memory_equal(whole, parts, sizeof whole);
    bnorm_random_uniform(5, 2, 7, 101, whole);
    bnorm_random_uniform(5, 2, 7, 50, parts);
    bnorm_random_uniform(5, 2, 57, 51, parts + 50);
    assert_memory_equal(whole, parts, sizeof whole);
    bnorm_random_uniform(5, 3, 7, 101, parts);
    assert_memory_not_equal(whole, parts, sizeof whole);
}

/* Mean, variance and fourth moment within five standard errors. */
static void moments_of_streams(void **state)
{
    (void)state;
    enum { N = 200000 };
    double *u = malloc(N * sizeof *u);
    double s1 = 0, s2 = 0, s4 = 0;
    bnorm_random_normal(1, 0, 0, N, u);
    for (int i = 0; i < N; i++) {
        s1 += u[i];
        s2 += u[i] * u[i];
        s4 += u[i] * u[i] * u[i] * u[i];
    }
    assert_true(fabs(s1 / N) < 5 / sqrt(N));
    assert_true(fabs(s2 / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(s4 / N - 3) < 5 * sqrt(96.0 / N));
    bnorm_random_uniform(1, 0, 0, N, u);
    s1 = 0;
    for (int i = 0; i < N; i++) {
        assert_true(u[i] > 0 && u[i] < 1);
        s1 += u[i];
    }
    assert_true(fabs(s1 / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    free(u);
}

static void permutations(void **state)
{
    (void)state;
    ptrdiff_t p[97], first[5] = {0};
    int seen[97] = {0};
    bnorm_random_permutation(3, 1, 97, p);
    for (int i = 0; i < 97; i++) seen[p[i]]++;
    for (int i = 0; i < 97; i++) assert_int_equal(seen[i], 1);
    for (uint64_t s = 0; s < 5000; s++) {
        bnorm_random_permutation(3, s, 5, p);
        first[p[0]]++;
    }
    for (int i = 0; i < 5; i++) assert_in_range(first[i], 1000 - 150, 1000 + 150);
    bnorm_random_permutation(3, 1, 0, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_of_a_process_without_contexts),
        cmocka_unit_test(status_texts),
        cmocka_unit_test(context_options),
        cmocka_unit_test(messages),
        cmocka_unit_test(memory_blocks),
        cmocka_unit_test(parallel_runs_each_task_once),
        cmocka_unit_test(forked_child_does_not_hang),
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(streams_are_made_of_parts),
        cmocka_unit_test(moments_of_streams),
        cmocka_unit_test(permutations),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
