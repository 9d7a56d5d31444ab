/* onednn: batch normalisation of float data by oneDNN, on buffers given. Row-major data are its
 * (1, p, 1, N) in channels-last order, column-major ones the same in channels-first order: of the
 * layouts it takes, the fastest. */
#ifndef BNORM_BENCH_ONEDNN_H
#define BNORM_BENCH_ONEDNN_H

#include "measure.h"

/* 1 when the operation that m is set to can be done; it is then made ready. */
int bnorm_onednn_set(const measure *m);
void bnorm_onednn_run(void);
void bnorm_onednn_free(void);
const char *bnorm_onednn_version(void); /* "" when built without it */

#endif
