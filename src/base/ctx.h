/* ctx: the context's inside, and the one way to fail. */
#ifndef BNORM_BASE_CTX_H
#define BNORM_BASE_CTX_H

#include "bnorm.h"

#define BNORM_MESSAGE_SIZE 1024

struct bnorm_ctx {
    bnorm_ctx_options options;
    char message[BNORM_MESSAGE_SIZE];
};

/* Records the sentence (what, where, what to do; no full stop) and returns status. ctx may be
 * NULL. The arguments may point into the present message. */
bnorm_status bnorm_fail(bnorm_ctx *ctx, bnorm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* bnorm_fail with BNORM_E_MEMORY: "out of memory for <what>". */
bnorm_status bnorm_fail_memory(bnorm_ctx *ctx, const char *what);

#endif
