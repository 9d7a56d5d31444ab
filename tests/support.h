/* support: what every test suite needs: cmocka's headers, data, bits, failing memory. */
#ifndef BNORM_TESTS_SUPPORT_H
#define BNORM_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bnorm.h"

/* A context with that many threads; fails the test when it cannot be made. */
bnorm_ctx *make_ctx(int threads);

/* Asserts success and prints the context's message otherwise. */
#define assert_ok(ctx, call) check_status(ctx, call, BNORM_OK, "", #call, __FILE__, __LINE__)
/* Asserts a status and that the message contains `text`. */
#define assert_fails(ctx, call, status, text)                                                  \
    check_status(ctx, call, status, text, #call, __FILE__, __LINE__)
void check_status(const bnorm_ctx *ctx, bnorm_status got, bnorm_status expected,
                  const char *text, const char *call, const char *file, int line);

/* Memory that fails: the allocator of a context made by make_failing_ctx gives NULL at the k-th
 * allocation (k >= 1; 0: never) and counts what is live. */
typedef struct failing_memory {
    long fail_at, calls, live;
} failing_memory;
bnorm_ctx *make_failing_ctx(failing_memory *memory,
                            int threads); /* NULL when the context fails */

/* Runs body with the first allocation failing, then the second, and so on until none does any
 * more. Asserts that each run before ends with MEMORY, the last with success, and that nothing
 * stays allocated. Returns the number of the first allocation that was never asked for. */
long fail_each_allocation(bnorm_status (*body)(bnorm_ctx *ctx, void *argument), void *argument);

#endif
