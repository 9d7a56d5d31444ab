/* stream_support: networks that stream, and their rows. */
#ifndef BNORM_TESTS_STREAM_SUPPORT_H
#define BNORM_TESTS_STREAM_SUPPORT_H

#include "support.h"

/* A network's layers after dense(units) and batchnorm: "tanh", "dropout", "3" (dense). */
typedef struct setting {
    ptrdiff_t rows, inputs, units;
    const char *layers[6];
    const char *loss;
    int weighted;
    bnorm_layout layout;
    double mean, common; /* of X: mean/sd; share of a factor common to all columns */
    bnorm_rule rule;
} setting;

typedef struct problem {
    setting s;
    bnorm_net *net;
    bnorm_mat_f64 x, y;
    double *weights, *gradient, *expected;
    const bnorm_loss *loss;
    ptrdiff_t count;
} problem;

extern const setting usual_setting; /* 1000 rows, 7-5-1, relu, squared, row-major */

problem set_up(setting s);
void tear_down(problem *p);
double *cell(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j);

#endif
