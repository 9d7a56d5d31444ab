/* gram_support: problems of weight space, and its calls in either precision and layout. */
#ifndef BNORM_TESTS_GRAM_SUPPORT_H
#define BNORM_TESTS_GRAM_SUPPORT_H

#include "matrix_support.h"

typedef struct problem {
    int f32, weighted;
    bnorm_layout layout;
    ptrdiff_t rows, p1, p2, pad;
    double mean, common; /* of X: mean/sd, and the share of a factor common to all columns */
    bnorm_rule rule;
    /* made by set_up */
    mat x, g1, w;
    double *weights, *gamma, *beta;
} problem;

void set_up(problem *p);
void tear_down(problem *p);

/* What both paths and the reference give. */
typedef struct answer {
    mat b, dg1;
    double *mean, *rstd, *dgamma, *dbeta;
} answer;

answer answer_make(const problem *p);
void answer_free(answer *a);

typedef struct gram_memory {
    bnorm_gram gram;
    double *values;
} gram_memory;

bnorm_status make_gram(bnorm_ctx *ctx, const problem *p, gram_memory *m);
bnorm_status dense_forward(bnorm_ctx *ctx, const problem *p, const bnorm_gram *gram, answer *a);
bnorm_status dense_backward(bnorm_ctx *ctx, const problem *p, const bnorm_gram *gram,
                            answer *a);
/* All three; to be freed. */
answer weight_space(bnorm_ctx *ctx, const problem *p);

#endif
