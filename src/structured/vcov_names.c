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

/* Parameter p in the order of the design. */
static bnorm_status name_parameter(bnorm_ctx *ctx, const bnorm_panel *panel, ptrdiff_t p,
                                   char *out)
{
    if (p < panel->info.linear) {
        snprintf(out, SIZE, "%s", bnorm_panel_name(panel, BNORM_PANEL_LINEAR, p));
        return BNORM_OK;
    }
    p -= panel->info.linear;
    for (ptrdiff_t k = 0; k < panel->info.networks; k++) {
        ptrdiff_t cols = bnorm_net_outputs(panel->nets[k].net);
        if (p < cols) {
            snprintf(out, SIZE, "%s.top: entry %td", panel->names[k], p + 1);
            return BNORM_OK;
        }
        p -= cols;
    }
    for (ptrdiff_t k = 0; k < panel->info.networks; k++) {
        const bnorm_net *net = panel->nets[k].net;
        ptrdiff_t all = 0;
        for (ptrdiff_t i = 0; i < bnorm_net_block_count(net); i++) {
            bnorm_block b;
            BNORM_TRY(bnorm_net_block(ctx, net, i, &b));
            all += b.rows * b.cols;
            if (p < b.offset || p >= b.offset + b.rows * b.cols) continue;
            name_block(&b, panel->names[k], p - b.offset, out);
            return BNORM_OK;
        }
        p -= all;
    }
    return BNORM_OK;
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
    if (status == BNORM_OK) qsort(places, (size_t)count, sizeof *places, by_place);
    for (ptrdiff_t k = 0; k < count && status == BNORM_OK; k++) {
        char name[SIZE] = "";
        status = name_parameter(ctx, panel, places[k], name);
        if (status != BNORM_OK) break;
        vcov->unidentified[k] = bnorm_strdup(ctx, name);
        if (!vcov->unidentified[k]) status = bnorm_fail_memory(ctx, "a name");
    }
    bnorm_free(null);
    bnorm_free(places);
    return status;
}
