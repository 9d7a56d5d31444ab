/* conformance_run: one case being run by conformance.c. Memory is the caller's to free; what fails
 * ends the program. */
#ifndef BNORM_TESTS_CONFORMANCE_RUN_H
#define BNORM_TESTS_CONFORMANCE_RUN_H

#include "conformance_case.h"

#include "bnorm.h"

typedef struct run {
    bnorm_ctx *ctx;
    bnorm_layout layout;
    const test_case *c;
    int bad;
} run;

/* Zeroed memory of so many doubles. */
void *grab(ptrdiff_t count);
void demand(const run *r, bnorm_status status);

bnorm_mat_f64 empty(const run *r, ptrdiff_t rows, ptrdiff_t cols);
/* A copy of a matrix of the case in the layout of the run. */
bnorm_mat_f64 matrix(const run *r, const char *key);
bnorm_rule rule(const run *r);

/* Print a result, and compare it with what the case expects. */
void show_matrix(run *r, const char *key, bnorm_mat_f64 m);
void show(run *r, const char *key, const double *values, ptrdiff_t count);

/* The operations on panels. */
void conformance_demean(run *r);
void conformance_panel(run *r);

#endif
