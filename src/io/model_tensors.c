/* model_tensors: which tensors a model consists of; saving and loading walk the same list, so a
 * file has exactly the names, shapes and order that its reader expects. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/model.h"

static bnorm_status visit_blocks(bnorm_ctx *ctx, bnorm_net *net, bnorm_visit visit, void *user)
{
    double *parameters = bnorm_net_parameters(net, NULL);
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++) {
        bnorm_block b;
        bnorm_status status = bnorm_net_block(ctx, net, k, &b);
        if (status == BNORM_OK)
            status =
                visit(user, b.name, b.rows, b.cols, parameters + b.offset, -(double)INFINITY);
        if (status != BNORM_OK) return status;
    }
    return BNORM_OK;
}

/* The end of the name ("1" of "gamma1") of the next batchnorm layer, whose blocks come in the
 * order of the layers; names of the caller's blocks have a '.'. */
static int next_gamma(const bnorm_net *net, ptrdiff_t *block, char end[64])
{
    for (; *block < bnorm_net_block_count(net); (*block)++) {
        bnorm_block b;
        if (bnorm_net_block(NULL, net, *block, &b) != BNORM_OK) return 0;
        if (strncmp(b.name, "gamma", 5) != 0 || strchr(b.name, '.')) continue;
        memcpy(end, b.name + 5, sizeof b.name - 5);
        (*block)++;
        return 1;
    }
    return 0;
}

static bnorm_status visit_statistics(bnorm_ctx *ctx, bnorm_net *net, bnorm_visit visit,
                                     void *user)
{
    ptrdiff_t block = 0;
    for (ptrdiff_t k = 0; k < bnorm_net_layer_count(net); k++) {
        bnorm_layer_info info;
        char end[64], name[80];
        bnorm_status status = bnorm_net_layer_info(ctx, net, k, &info);
        if (status == BNORM_OK && !info.mean) continue;
        if (status == BNORM_OK && !next_gamma(net, &block, end))
            snprintf(end, sizeof end, "_layer%td", k + 1);
        if (status == BNORM_OK) {
            snprintf(name, sizeof name, "mean%s", end);
            status = visit(user, name, -1, info.outputs, info.mean, -(double)INFINITY);
        }
        if (status == BNORM_OK) {
            snprintf(name, sizeof name, "var%s", end);
            status = visit(user, name, -1, info.outputs, info.var, 0);
        }
        if (status != BNORM_OK) return status;
    }
    return BNORM_OK;
}

static bnorm_status visit_scaling(bnorm_frame *f, bnorm_visit visit, void *user)
{
    bnorm_status status = BNORM_OK;
    if (f->center) {
        status = visit(user, "input_center", -1, f->input_count, f->center, -(double)INFINITY);
        if (status == BNORM_OK)
            status = visit(user, "input_scale", -1, f->input_count, f->scale, DBL_TRUE_MIN);
    }
    if (status == BNORM_OK && f->target_scaled) {
        status = visit(user, "target_center", -1, 1, &f->target_center, -(double)INFINITY);
        if (status == BNORM_OK)
            status = visit(user, "target_scale", -1, 1, &f->target_scale, DBL_TRUE_MIN);
    }
    return status;
}

bnorm_status bnorm_model_tensors(bnorm_ctx *ctx, bnorm_net *net, bnorm_frame *frame,
                                 bnorm_visit visit, void *user)
{
    bnorm_status status = visit_blocks(ctx, net, visit, user);
    if (status == BNORM_OK) status = visit_statistics(ctx, net, visit, user);
    if (status == BNORM_OK && frame) status = visit_scaling(frame, visit, user);
    return status;
}
