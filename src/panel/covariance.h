/* covariance: of least-squares and logistic estimates, from the design at the estimate.
 *
 * With J the design (rows x parameters), omega the weights, E the residuals, c a curvature (1,
 * or p(1-p) of a logistic model) and Lambda the penalties of the parameters,
 *
 *     bread (J' diag(omega c) J + Lambda)^-1,   scores omega_i E_i J_i,   C = bread meat bread.
 *
 * The weights are analytic, as those of R's lm: the variance of E_i is sigma^2/omega_i, n is
 * the number of rows, and scores are weighted. Everything is computed in the coordinates
 * J W = U of the singular value decomposition of diag(sqrt(omega c)) J, whose condition is one:
 * C = W F meat F W' (C1, C2), F = (I + what the penalties are there)^-1. Directions that J does not
 * identify (spectrum.h) are left out, never inverted; penalties on them act on the others as
 * they do at the minimum of the penalised sum. */
#ifndef BNORM_PANEL_COVARIANCE_H
#define BNORM_PANEL_COVARIANCE_H

#include "panel/spectrum.h"

/* A cluster for each row: 0 .. count-1; a cluster may be without rows. */
typedef struct clustering {
    const int32_t *codes;
    ptrdiff_t count;
} clustering;

typedef struct covariance_request {
    bnorm_vcov_type type;
    bnorm_mat_f64 j;         /* either layout */
    const double *weights;   /* omega, positive; or NULL */
    const double *residuals; /* E */
    const double *curvature; /* c, of a logistic model; or NULL: 1 */
    const double *penalty;   /* diagonal of Lambda; or NULL: 0 */
    ptrdiff_t absorbed;      /* parameters that Q takes */
    ptrdiff_t counted;       /* those of them that the factors of clusters count */
    int small;               /* HC1: n/(n-k); clusters: G/(G-1) (n-1)/(n-k) */
    clustering cluster[2];
    int cluster_count; /* 1 or 2 for CLUSTER */
} covariance_request;

typedef struct covariance {
    ptrdiff_t parameters, rank;
    double *matrix; /* parameters x parameters: of what is identified */
    double *null;   /* (parameters - rank) x parameters, orthonormal: what is not, in parameters
                       times their scale */
    double *scale;  /* parameters: lengths of the columns of diag(sqrt(omega c)) J */
    double *values; /* parameters: singular values of the scaled design */
    double edf;     /* effective degrees of freedom: trace F (C3) */
    double df;      /* of t: n - rank - absorbed, or the fewest clusters less one */
    double sigma;   /* of CLASSICAL: root of sum omega E^2/(n - rank - absorbed); logistic: 1 */
    ptrdiff_t clusters[2];
    ptrdiff_t clipped; /* directions of negative variance in two ways, set to zero */
} covariance;

/* On failure *c holds nothing.
 * Errors: DOMAIN (no degrees of freedom left), DATA (a single cluster), NONFINITE (the design),
 *   MEMORY. */
bnorm_status bnorm_covariance_make(bnorm_ctx *ctx, const covariance_request *request,
                                   covariance *c);
void bnorm_covariance_free(covariance *c);

/* Whether the linear function with these coefficients is identified: its part in the null space
 * is rounding. */
int bnorm_covariance_identifies(const covariance *c, const double *coefficients);
/* The standard error of such a function: NaN when it is not identified. */
double bnorm_covariance_error(const covariance *c, const double *coefficients);
/* The matrix, or its leading size x size part, with NaN in rows and columns of parameters that
 * are not identified. */
void bnorm_covariance_copy(const covariance *c, bnorm_mat_f64 out);

/* The null space by its simplest vectors: reduced to echelon form on the parameters with the
 * largest parts, so that directions that share no parameter come one by one. out: (parameters -
 * rank) x parameters, in parameters times their scale; places: parameters. */
void bnorm_covariance_null(const covariance *c, double *out, ptrdiff_t *places);

/* ---- pieces, for covariance.c and tests ---- */

/* sums (count x cols) = for each cluster the sum of factor_i J_i. */
void bnorm_cluster_sums(bnorm_ctx *ctx, bnorm_mat_f64 j, const double *factor,
                        const clustering *by, double *sums);
/* The clusters of pairs (a_i, b_i), numbered as they come. codes: rows. */
bnorm_status bnorm_cluster_pairs(bnorm_ctx *ctx, ptrdiff_t rows, const clustering *a,
                                 const clustering *b, int32_t *codes, ptrdiff_t *count);
/* How many clusters have rows. */
bnorm_status bnorm_cluster_count(bnorm_ctx *ctx, ptrdiff_t rows, const clustering *by,
                                 ptrdiff_t *count);
/* 1: the rows of each level of `codes` lie in one cluster. */
bnorm_status bnorm_cluster_nests(bnorm_ctx *ctx, ptrdiff_t rows, const int32_t *codes,
                                 ptrdiff_t levels, const clustering *by, int *nested);
/* Sets the negative eigenvalues of the symmetric a (size x size) to zero; *clipped of them. */
bnorm_status bnorm_clip_negative(bnorm_ctx *ctx, ptrdiff_t size, double *a, ptrdiff_t *clipped);

#endif
