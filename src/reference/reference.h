/* reference: what the files of this folder share. Everything here is maths.md written out, by
 * plain loops in double: made to be read and compared with, not to be fast. */
#ifndef BNORM_REFERENCE_REFERENCE_H
#define BNORM_REFERENCE_REFERENCE_H

#include "bnorm.h"

enum { REFERENCE_BLOCKS = 24 }; /* the Kronecker gradient takes 21 */

/* One public call: its memory, released as a whole, and its first failure. After a failure
 * every function of the pool is a no-op, so a caller looks at `status` once. */
typedef struct reference_call {
    bnorm_ctx *ctx;
    const char *name; /* for messages */
    bnorm_status status;
    int blocks;
    void *block[REFERENCE_BLOCKS];
} reference_call;

/* A zeroed rows x cols matrix, column-major; data NULL after a failure. */
bnorm_mat_f64 bnorm_reference_take(reference_call *call, ptrdiff_t rows, ptrdiff_t cols);
/* Releases what was taken and returns the status. */
bnorm_status bnorm_reference_end(reference_call *call);

/* Fails unless m is a legal view within the limit, and (shape) rows x cols. `what` names it. */
void bnorm_reference_view(reference_call *call, const char *what, bnorm_mat_f64 m);
void bnorm_reference_shape(reference_call *call, const char *what, bnorm_mat_f64 m,
                           ptrdiff_t rows, ptrdiff_t cols);
/* a * b, which must be a legal number of elements; 0 after a failure. */
ptrdiff_t bnorm_reference_size(reference_call *call, const char *what, ptrdiff_t a,
                               ptrdiff_t b);
/* Fails unless the condition holds; `sentence` is the message after the call's name. */
void bnorm_reference_require(reference_call *call, int condition, const char *sentence);

static inline double *reference_cell(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j)
{
    return m.data + (m.layout == BNORM_ROW_MAJOR ? i * m.ld + j : j * m.ld + i);
}

/* out := a b or, transposed, a' b. A zero of the right factor is skipped, so that what is not
 * finite stays in the columns it belongs to. */
void bnorm_reference_product(int transposed, bnorm_mat_f64 a, bnorm_mat_f64 b,
                             bnorm_mat_f64 out);

/* Z = X G1 normalised: zhat = (z - mu) rstd, n = sum(omega), divisor M = n - ddof. */
typedef struct reference_layer {
    bnorm_mat_f64 zhat; /* N x p2 */
    double *mu, *rstd;  /* p2 each */
    double n, divisor;
} reference_layer;

/* g1 absent: Z = X. weights may be NULL. */
void bnorm_reference_normalise(reference_call *call, bnorm_mat_f64 x, bnorm_mat_f64 g1,
                               const double *weights, bnorm_rule rule, reference_layer *layer);
/* layer->n and ->divisor alone, checked; returns the first row with a positive weight. */
ptrdiff_t bnorm_reference_divisor(reference_call *call, ptrdiff_t rows, const double *weights,
                                  bnorm_rule rule, reference_layer *layer);
void bnorm_reference_check_rule(reference_call *call, bnorm_rule rule);

/* The kinds of bnorm_jacobian_f64, for arguments that are checked; out is all zeros. */
void bnorm_reference_jacobian(reference_call *call, bnorm_jacobian_kind kind, bnorm_mat_f64 x,
                              const reference_layer *layer, const double *weights,
                              const double *gamma, bnorm_mat_f64 out);

/* What the gradient of the question's network is written to: dbeta, dgamma, dg2 are p2 x 1. */
typedef struct reference_gradient {
    bnorm_mat_f64 dbeta, dgamma, dg1, dg2;
} reference_gradient;

/* The network at its parameters: B, V = relu(B), E = y - V G2, all N rows. */
typedef struct reference_network {
    reference_layer layer;
    bnorm_mat_f64 b, v, e;
} reference_network;

void bnorm_reference_check_question(reference_call *call, const bnorm_question *q,
                                    bnorm_rule rule);
void bnorm_reference_forward(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                             reference_network *network);
/* V and E from B, which is filled. */
void bnorm_reference_outputs(const bnorm_question *q, reference_network *network);
/* W = (D G2') . a'(B), D = -2E/N (maths.md section 3). */
void bnorm_reference_upstream(const bnorm_question *q, const reference_network *network,
                              bnorm_mat_f64 w);

/* The methods of bnorm_question_gradient. */
void bnorm_reference_kronecker(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                               reference_gradient out);
void bnorm_reference_weights(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                             reference_gradient out);
void bnorm_reference_step(reference_call *call, const bnorm_question *q, bnorm_rule rule,
                          int complex_step, reference_gradient out);

#endif
