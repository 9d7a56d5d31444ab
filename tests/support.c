/* support: contexts and assertions shared by the suites. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

bnorm_ctx *make_ctx(int threads)
{
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.threads = threads;
    bnorm_ctx *ctx;
    assert_int_equal(bnorm_ctx_create(&options, &ctx), BNORM_OK);
    return ctx;
}

void check_status(const bnorm_ctx *ctx, bnorm_status got, bnorm_status expected,
                  const char *text, const char *call, const char *file, int line)
{
    const char *message = bnorm_ctx_message(ctx);
    if (got != expected) {
        print_error("%s: '%s', expected '%s'; message '%s'\n", call, bnorm_status_text(got),
                    bnorm_status_text(expected), message);
        _fail(file, line);
    }
    if (*text && !strstr(message, text)) {
        print_error("%s: message '%s' does not contain '%s'\n", call, message, text);
        _fail(file, line);
    }
}

static void *failing_allocate(void *user, size_t bytes)
{
    failing_memory *m = user;
    if (++m->calls == m->fail_at) return NULL;
    void *block = malloc(bytes);
    if (block) m->live++;
    return block;
}

static void failing_release(void *user, void *block)
{
    failing_memory *m = user;
    m->live--;
    free(block);
}

bnorm_ctx *make_failing_ctx(failing_memory *memory, int threads)
{
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.threads = threads;
    options.allocate = failing_allocate;
    options.release = failing_release;
    options.memory_user = memory;
    bnorm_ctx *ctx;
    bnorm_status status = bnorm_ctx_create(&options, &ctx);
    if (status != BNORM_OK) assert_null(ctx);
    return ctx;
}

long fail_each_allocation(bnorm_status (*body)(bnorm_ctx *ctx, void *argument), void *argument)
{
    for (long k = 1;; k++) {
        failing_memory memory = {.fail_at = k};
        bnorm_ctx *ctx = make_failing_ctx(&memory, 1);
        if (!ctx) continue;
        bnorm_status status = body(ctx, argument);
        bnorm_ctx_destroy(ctx);
        assert_int_equal(memory.live, 0);
        assert_int_equal(status, memory.calls < k ? BNORM_OK : BNORM_E_MEMORY);
        if (memory.calls < k) return k;
    }
}
