/* ctx: creation, options and messages of the context. */
#include "base/ctx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

const char *bnorm_version(void)
{
    return BNORM_VERSION;
}

void bnorm_ctx_defaults(bnorm_ctx_options *options)
{
    if (!options) return;
    *options = (bnorm_ctx_options){.struct_size = sizeof *options, .threads = 1};
}

static int legal(const bnorm_ctx_options *o)
{
    return o->struct_size == sizeof *o && o->threads >= 0 && !o->allocate == !o->release;
}

bnorm_status bnorm_ctx_create(const bnorm_ctx_options *options, bnorm_ctx **ctx)
{
    if (!ctx) return BNORM_E_ARGUMENT;
    *ctx = NULL;
    bnorm_ctx_options o;
    bnorm_ctx_defaults(&o);
    if (options) {
        if (!legal(options)) return BNORM_E_ARGUMENT;
        o = *options;
    }
    if (o.threads == 0) o.threads = bnorm_processors();
    bnorm_ctx *made =
        o.allocate ? o.allocate(o.memory_user, sizeof *made) : malloc(sizeof *made);
    if (!made) return BNORM_E_MEMORY;
    made->options = o;
    made->message[0] = '\0';
    *ctx = made;
    return BNORM_OK;
}

void bnorm_ctx_destroy(bnorm_ctx *ctx)
{
    if (!ctx) return;
    if (ctx->options.release)
        ctx->options.release(ctx->options.memory_user, ctx);
    else
        free(ctx);
}

const char *bnorm_ctx_message(const bnorm_ctx *ctx)
{
    return ctx ? ctx->message : "";
}

bnorm_status bnorm_fail(bnorm_ctx *ctx, bnorm_status status, const char *format, ...)
{
    if (!ctx) return status;
    char text[BNORM_MESSAGE_SIZE]; /* arguments may point into the old message */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(ctx->message, text, sizeof text);
    return status;
}

bnorm_status bnorm_fail_memory(bnorm_ctx *ctx, const char *what)
{
    return bnorm_fail(ctx, BNORM_E_MEMORY, "out of memory for %s", what);
}
