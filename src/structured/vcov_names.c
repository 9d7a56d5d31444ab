/* vcov_names: which directions of the parameters are not identified, said by the parameter that
 * has the largest part in each of the simplest ones. */
#include <stdio.h>
#include <stdlib.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "structured/vcov.h"

enum { SIZE = 256 };

static void name_block(const bnorm_block *b, const char *network, ptrdiff_t p, char *out)
{
    if (b->rows > 1)
        snprintf(out, SIZE, "%s.%s: direction of column %td", network, b->name,
                 p % b->cols + 1);
    else
        snprintf(out, SIZE, "%s.%s: entry %td", network, b->name, p % b->cols + 1);
}

/* The block of a network that parameter p of the design lies in, and its place there. 0: p lies in
 * none, but in the linear terms or a top layer. */
static int find_block(const bnorm_panel *panel, ptrdiff_t p, ptrdiff_t *network,
                      bnorm_block *block, ptrdiff_t *place)
{
    p -= panel->info.linear + panel->info.top;
    for (ptrdiff_t k = 0; k < panel->info.networks && p >= 0; k++) {
        const bnorm_net *net = panel->nets[k].net;
        for (ptrdiff_t i = 0; i < bnorm_net_block_count(net); i++) {
            if (bnorm_net_block(NULL, net, i, block)) return 0;
            *network = k;
            *place = p - block->offset;
            if (*place >= 0 && *place < block->rows * block->cols) return 1;
        }
        p -= net->parameter_count;
    }
    return 0;
}

/* The first parameter of the same column: what a direction is named and sorted by. */
static ptrdiff_t first_of_column(const bnorm_panel *panel, ptrdiff_t p)
{
    bnorm_block block;
    ptrdiff_t network, place;
    if (!find_block(panel, p, &network, &block, &place)) return p;
    return p - place / block.cols * block.cols;
}

static void name_parameter(const bnorm_panel *panel, ptrdiff_t p, char *out)
{
    bnorm_block block;
    ptrdiff_t network, place;
    if (find_block(panel, p, &network, &block, &place)) {
        name_block(&block, panel->names[network], place, out);
        return;
    }
    if (p < panel->info.linear) {
        snprintf(out, SIZE, "%s", bnorm_panel_name(panel, BNORM_PANEL_LINEAR, p));
        return;
    }
    p -= panel->info.linear;
    for (network = 0; p >= bnorm_net_outputs(panel->nets[network].net); network++)
        p -= bnorm_net_outputs(panel->nets[network].net);
    snprintf(out, SIZE, "%s.top: entry %td", panel->names[network], p + 1);
}

static int by_place(const void *a, const void *b)
{
    ptrdiff_t x = *(const ptrdiff_t *)a, y = *(const ptrdiff_t *)b;
    return (x > y) - (x < y);
}

bnorm_status bnorm_vcov_name_unidentified(bnorm_ctx *ctx, const bnorm_panel *panel,
                                          bnorm_vcov *vcov)
{
    ptrdiff_t cols = vcov->c.parameters, count = cols - vcov->c.rank;
    if (count == 0) return BNORM_OK;
    double *null = bnorm_alloc(ctx, count * cols, sizeof *null);
    ptrdiff_t *places = bnorm_alloc(ctx, count, sizeof *places);
    vcov->unidentified = bnorm_alloc_zero(ctx, count, sizeof *vcov->unidentified);
    bnorm_status status = null && places && vcov->unidentified
                              ? BNORM_OK
                              : bnorm_fail_memory(ctx, "directions that are not identified");
    if (vcov->unidentified) vcov->info.unidentified = count;
    if (status == BNORM_OK) bnorm_covariance_null(&vcov->c, null, places);
    for (ptrdiff_t k = 0; k < count && status == BNORM_OK; k++)
        places[k] = first_of_column(panel, places[k]);
    if (status == BNORM_OK) qsort(places, (size_t)count, sizeof *places, by_place);
    for (ptrdiff_t k = 0; k < count && status == BNORM_OK; k++) {
        char name[SIZE] = "";
        name_parameter(panel, places[k], name);
        vcov->unidentified[k] = bnorm_strdup(ctx, name);
        if (!vcov->unidentified[k]) status = bnorm_fail_memory(ctx, "a name");
    }
    bnorm_free(null);
    bnorm_free(places);
    return status;
}
