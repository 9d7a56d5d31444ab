/* file_kinds: the two kinds of model files, each made, saved and loaded in the same way. */
#ifndef BNORM_TESTS_FILE_KINDS_H
#define BNORM_TESTS_FILE_KINDS_H

#include "support.h"

/* What is in a file. */
typedef struct content {
    bnorm_model *model;
    bnorm_panel *panel;
    bnorm_vcov *vcov;
} content;

/* A kind of file. */
typedef struct kind {
    const char *name;
    void (*make)(bnorm_ctx *ctx, uint64_t seed, content *c);
    bnorm_status (*save)(bnorm_ctx *ctx, const content *c, const char *path);
    bnorm_status (*load)(bnorm_ctx *ctx, const char *path, content *c);
} kind;

#define FILE_KINDS 2

extern const kind kinds[FILE_KINDS];

void drop_content(content *c);

#endif
