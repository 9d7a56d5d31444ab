/* conformance_panel: the operations of structured models. */
#include "conformance_run.h"

#include <stdlib.h>

/* Factor k from 1 of the case: its codes, whose memory is the caller's, and slope. */
static int factor_of(const run *r, int k, ptrdiff_t rows, bnorm_factor *factor)
{
    const char codes_key[] = {'f', (char)('0' + k), 0}, slope_key[] = {'s', (char)('0' + k), 0};
    const double *given = case_vector(r->c, codes_key);
    if (!given) return 0;
    int32_t *codes = grab(rows);
    *factor =
        (bnorm_factor){.codes = codes, .levels = 1, .slope = case_vector(r->c, slope_key)};
    for (ptrdiff_t i = 0; i < rows; i++) {
        codes[i] = (int32_t)given[i];
        if (codes[i] >= factor->levels) factor->levels = codes[i] + 1;
    }
    return 1;
}

void conformance_demean(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), y = empty(r, x.rows, x.cols);
    bnorm_factor factors[9];
    int count = 0;
    while (count < 9 && factor_of(r, count + 1, x.rows, &factors[count])) count++;
    bnorm_within *within;
    demand(r, bnorm_within_create(r->ctx, x.rows, factors, count, case_vector(r->c, "weights"),
                                  0, &within));
    demand(r, bnorm_demean_f64(r->ctx, within, x, y, NULL));
    show_matrix(r, "y", y);
    bnorm_within_destroy(within);
    while (count > 0) free((void *)(uintptr_t)factors[--count].codes);
    free(x.data), free(y.data);
}
