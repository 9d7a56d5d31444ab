/* within_rank: what the constants of several blocks share. Levels of two factors are nodes, rows
 * join them: each component of that graph has one column too many (the sum of the one factor's
 * dummies there is the sum of the other's). Exact for two blocks; of a further one only what it
 * shares with the best single earlier block is seen, so the rank is an upper bound. */
#include "base/ctx.h"
#include "base/memory.h"
#include "panel/within.h"

/* The root, halving the path to it. Roots are the smallest nodes of their trees. */
static ptrdiff_t root(ptrdiff_t *parent, ptrdiff_t node)
{
    while (parent[node] != node) {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    return node;
}

ptrdiff_t bnorm_within_components(ptrdiff_t rows, const double *weights, const int32_t *a,
                                  ptrdiff_t levels_a, const int32_t *b, ptrdiff_t levels_b,
                                  ptrdiff_t *component)
{
    ptrdiff_t nodes = levels_a + levels_b, found = 0;
    for (ptrdiff_t k = 0; k < nodes; k++) component[k] = k;
    for (ptrdiff_t e = 0; e < rows; e++) {
        if (weights && !(weights[e] > 0)) continue;
        ptrdiff_t x = root(component, a[e]), y = root(component, levels_a + b[e]);
        component[x < y ? y : x] = x < y ? x : y;
    }
    for (ptrdiff_t k = 0; k < nodes; k++) component[k] = root(component, k);
    for (ptrdiff_t k = levels_a; k < nodes; k++) {
        /* The root is a level of a when there is an edge; it is counted at the first of b. */
        ptrdiff_t r = component[k];
        if (r < levels_a && component[r] == r) {
            found++;
            component[r] = -1 - r;
        }
    }
    for (ptrdiff_t k = 0; k < levels_a; k++)
        if (component[k] < 0) component[k] = -1 - component[k];
    return found;
}

bnorm_status bnorm_within_count(bnorm_ctx *ctx, const bnorm_within *q, ptrdiff_t columns,
                                ptrdiff_t *rank)
{
    ptrdiff_t most = 0;
    for (ptrdiff_t b = 0; b < q->blocks; b++)
        if (q->block[b].levels > most) most = q->block[b].levels;
    ptrdiff_t *component = bnorm_alloc(ctx, 2 * most, sizeof *component);
    if (!component) return bnorm_fail_memory(ctx, "the components");
    *rank = columns;
    for (ptrdiff_t b = 1; b < q->blocks; b++) {
        const within_block *later = &q->block[b];
        ptrdiff_t shared = 0;
        for (ptrdiff_t a = 0; a < b && later->constant; a++) {
            const within_block *earlier = &q->block[a];
            if (!earlier->constant) continue;
            ptrdiff_t found =
                bnorm_within_components(q->rows, q->weights, earlier->codes, earlier->levels,
                                        later->codes, later->levels, component);
            shared = found > shared ? found : shared;
        }
        *rank -= shared;
    }
    bnorm_free(component);
    return BNORM_OK;
}
