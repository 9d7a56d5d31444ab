/* bnorm: batch normalisation as matrix algebra, with exact gradients.
 *
 * This header is the manual. The rules that hold everywhere:
 *
 * Symbols    Names are those of docs/maths.md: Z (rows x cols) is normalised column by column
 *            with mean mu, variance v = M2/(n - ddof), rstd = 1/sqrt(v + eps); omega are
 *            observation weights, n = sum(omega); B1-B3 are the equations of the backward pass.
 *
 * Status     Every function that can fail returns a bnorm_status; 0 is success. The sentence
 *            that names what, where and what to do is bnorm_ctx_message(ctx). After a failure
 *            of a matrix function the outputs are unspecified; no other memory has changed.
 *
 * Context    `ctx` may be NULL: one thread, malloc, no message. A context serves one thread of
 *            the caller at a time; different contexts are independent.
 *
 * Matrices   A bnorm_mat is a view: the caller owns the data. `rows` are observations, `cols`
 *            are variables; `ld` is the distance in elements between two rows (row-major) or
 *            two columns (column-major) and may exceed the width; padding is never read or
 *            written. Both layouts are native. All matrices of one call have the same layout
 *            unless stated.
 *
 * Precision  _f64 and _f32 differ in the type of the data, gamma, beta and their gradients
 *            only: weights, n, mean, m2, var and rstd are double in both, and sums are made in
 *            double.
 *
 * Absent     Vectors marked "or NULL" may be absent: weights and gamma are then 1, beta is 0;
 *            an output marked "or NULL" is not computed.
 *
 * Aliasing   Outputs do not overlap inputs or one another, except where "in place" is stated:
 *            then the two views must be identical (same data, ld and layout).
 *
 * Numbers    A column whose v + eps is 0 has rstd 0: output exactly beta, dz and dgamma exactly
 *            0. A constant column has variance exactly 0 and gives exactly beta and dgamma
 *            exactly 0 at any eps; at eps > 0 its dz is B3 as it stands, the derivative. A
 *            non-finite value makes its own column non-finite and no other. Squares must be
 *            representable: in double, standard deviations from about 1e-150 to 1e150. Results
 *            have the same bits for any number of threads, padded or not, in place or not, on
 *            one instruction set.
 *
 * Sizes      Negative sizes, overflowing products, NULL data with elements and ld below the
 *            width are BNORM_E_ARGUMENT. Zero columns: success, nothing done. Zero rows: stated.
 */
#ifndef BNORM_H
#define BNORM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BNORM_API __attribute__((visibility("default")))
#else
#define BNORM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define BNORM_VERSION "0.1.0"

/* The version of the library in use, as "major.minor.patch". */
BNORM_API const char *bnorm_version(void);

/* ------------------------------------------------------------------------------- status */

/* name, text */
#define BNORM_STATUS_LIST(X)                                                                   \
    X(BNORM_OK, "success")                                                                     \
    X(BNORM_E_ARGUMENT, "an argument is invalid")                                              \
    X(BNORM_E_MEMORY, "out of memory")                                                         \
    X(BNORM_E_DOMAIN, "too few observations: n - ddof must be positive")                       \
    X(BNORM_E_NONFINITE, "a value is not finite")                                              \
    X(BNORM_E_IO, "a file could not be read or written")                                       \
    X(BNORM_E_FORMAT, "a file does not have the expected format")                              \
    X(BNORM_E_DATA, "the data do not fit the request")                                         \
    X(BNORM_E_FORMULA, "the formula is invalid")                                               \
    X(BNORM_E_INTERRUPTED, "interrupted by the caller")                                        \
    X(BNORM_E_USER, "a function of the caller failed")                                         \
    X(BNORM_E_CHECK, "a gradient differs from its difference quotient")

typedef enum bnorm_status {
#define BNORM_STATUS_ENUM(name, text) name,
    BNORM_STATUS_LIST(BNORM_STATUS_ENUM)
#undef BNORM_STATUS_ENUM
} bnorm_status;

/* The text of a status; "unknown status" for any other number. Never NULL. */
BNORM_API const char *bnorm_status_text(bnorm_status status);

/* ------------------------------------------------------------------------------ context */

typedef struct bnorm_ctx bnorm_ctx;

/* How a context is made. Set by bnorm_ctx_defaults, then changed by the caller. */
typedef struct bnorm_ctx_options {
    size_t struct_size; /* sizeof(bnorm_ctx_options), set by bnorm_ctx_defaults */
    int threads;        /* >= 1; 0: as many as the processors in use. Default 1 */
    /* Memory: NULL means malloc and free. `allocate` may return NULL. */
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *block);
    void *memory_user;
    /* Adds `values` over all cooperating processes, in place, the same bits everywhere; returns
     * 0, or anything else to fail with BNORM_E_USER. When set, bnorm_moments, bnorm_forward,
     * bnorm_backward (also with an activation) and bnorm_infer_backward take their rows as one share of a larger matrix
     * and give the statistics, dgamma and dbeta of the whole; networks refuse such a context.
     * NULL: this process is alone. */
    int (*reduce)(void *user, double *values, ptrdiff_t count);
    void *reduce_user;
} bnorm_ctx_options;

BNORM_API void bnorm_ctx_defaults(bnorm_ctx_options *options);

/* Makes a context; options may be NULL. *ctx is NULL on failure.
 * Errors: ARGUMENT (ctx NULL, struct_size unknown, threads < 0, one of allocate/release
 *   alone), MEMORY. */
BNORM_API bnorm_status bnorm_ctx_create(const bnorm_ctx_options *options, bnorm_ctx **ctx);

/* Releases a context; NULL is accepted. */
BNORM_API void bnorm_ctx_destroy(bnorm_ctx *ctx);

/* The sentence that explains the last failure of a call with this context, "" if none. Owned by
 * the context, valid until its next call. */
BNORM_API const char *bnorm_ctx_message(const bnorm_ctx *ctx);

/* The threads this context uses: 1 for NULL and in a child forked from a process that had
 * loaded the library. */
BNORM_API int bnorm_ctx_threads(const bnorm_ctx *ctx);

/* The instruction set of the kernels in use: "avx512", "avx2", "neon" or "scalar". The best
 * that the processor has, unless the environment variable BNORM_ISA names a lesser one (an
 * unknown or unsupported name is ignored). */
BNORM_API const char *bnorm_isa(void);

/* ------------------------------------------------------------------------------- random */

/* Philox 4x32-10 (Salmon et al. 2011): number k of stream s is a function of (seed, s, k)
 * alone, so any thread may make any part of a stream.
 * uniform: numbers first .. first+count-1 of the stream, in (0,1). normal: standard normal,
 * likewise. */
BNORM_API void bnorm_random_uniform(uint64_t seed, uint64_t stream, uint64_t first,
                                    ptrdiff_t count, double *out);
BNORM_API void bnorm_random_normal(uint64_t seed, uint64_t stream, uint64_t first,
                                   ptrdiff_t count, double *out);

/* A random permutation of 0 .. count-1, a function of (seed, stream, count). */
BNORM_API void bnorm_random_permutation(uint64_t seed, uint64_t stream, ptrdiff_t count,
                                        ptrdiff_t *out);

/* ----------------------------------------------------------------------------- matrices */

typedef enum bnorm_layout {
    BNORM_ROW_MAJOR = 101,
    BNORM_COL_MAJOR = 102
} bnorm_layout; /* CBLAS's */

typedef struct bnorm_mat_f64 {
    double *data; /* inputs are never written */
    ptrdiff_t rows, cols, ld;
    bnorm_layout layout;
} bnorm_mat_f64;

typedef struct bnorm_mat_f32 {
    float *data;
    ptrdiff_t rows, cols, ld;
    bnorm_layout layout;
} bnorm_mat_f32;

/* Views of contiguous data. The data of a view used as an input only may be const. */
static inline bnorm_mat_f64 bnorm_view_f64(const double *data, ptrdiff_t rows, ptrdiff_t cols,
                                           bnorm_layout layout)
{
    bnorm_mat_f64 m = {(double *)data, rows, cols, layout == BNORM_ROW_MAJOR ? cols : rows,
                       layout};
    return m;
}
static inline bnorm_mat_f32 bnorm_view_f32(const float *data, ptrdiff_t rows, ptrdiff_t cols,
                                           bnorm_layout layout)
{
    bnorm_mat_f32 m = {(float *)data, rows, cols, layout == BNORM_ROW_MAJOR ? cols : rows,
                       layout};
    return m;
}

/* How a variance becomes a scale: v = M2/(n - ddof), rstd = 1/sqrt(v + eps). ddof 0 is the
 * habit of deep learning, 1 that of R's scale(). eps >= 0, in the squared unit of the column; 0
 * is legal. */
typedef struct bnorm_rule {
    double eps;
    double ddof;
} bnorm_rule;

/* Moments of each column: n = sum(omega), mean = sum(omega x)/n, m2 = sum(omega (x - mean)^2).
 * x: rows x cols. weights: rows, finite and >= 0, or NULL. n: one. mean, m2: cols.
 * Zero rows, or weights that are all zero, give n = 0, mean = 0, m2 = 0 (the neutral element of
 * bnorm_moments_merge).
 * Errors: ARGUMENT (also weights that are negative, not finite or have no finite sum). */
BNORM_API bnorm_status bnorm_moments_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *weights,
                                         double *n, double *mean, double *m2);
BNORM_API bnorm_status bnorm_moments_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const double *weights,
                                         double *n, double *mean, double *m2);

/* Merges the moments of batch b into those of batch a (maths.md section 5; Chan, Golub and
 * LeVeque 1983): exact pooling, for data larger than memory and across processes.
 * n, mean, m2: those of a, replaced by those of the union. cols: length of the vectors.
 * Errors: ARGUMENT (n or n_b negative or not finite). */
BNORM_API bnorm_status bnorm_moments_merge(bnorm_ctx *ctx, ptrdiff_t cols, double *n,
                                           double *mean, double *m2, double n_b,
                                           const double *mean_b, const double *m2_b);

/* Training forward: y = gamma (x - mu) rstd + beta per column, and the statistics that backward
 * needs. Running statistics are a separate call: bnorm_running_update.
 * x, y: rows x cols, in place allowed. weights: rows or NULL. gamma, beta: cols or NULL.
 * mean, rstd: cols, outputs. Zero rows is DOMAIN.
 * Errors: ARGUMENT (also eps or ddof negative or not finite), DOMAIN (n - ddof <= 0), MEMORY. */
BNORM_API bnorm_status bnorm_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *weights,
                                         const double *gamma, const double *beta,
                                         bnorm_rule rule, bnorm_mat_f64 y, double *mean,
                                         double *rstd);
BNORM_API bnorm_status bnorm_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const double *weights,
                                         const float *gamma, const float *beta, bnorm_rule rule,
                                         bnorm_mat_f32 y, double *mean, double *rstd);

/* The same y, mean and rstd (to the bit), and also n and m2 as bnorm_moments gives them: what
 * bnorm_running_update takes, without a pass of its own. n: one, m2: cols, or NULL. Nothing is
 * written to n and m2 when there are no columns.
 * Errors: as bnorm_forward. */
BNORM_API bnorm_status bnorm_forward_stats_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                               const double *weights, const double *gamma,
                                               const double *beta, bnorm_rule rule,
                                               bnorm_mat_f64 y, double *n, double *mean,
                                               double *m2, double *rstd);
BNORM_API bnorm_status bnorm_forward_stats_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                               const double *weights, const float *gamma,
                                               const float *beta, bnorm_rule rule,
                                               bnorm_mat_f32 y, double *n, double *mean,
                                               double *m2, double *rstd);

/* Inference: y = gamma (x - mean)/sqrt(var + eps) + beta with given statistics; each row alone.
 * x, y: rows x cols, in place allowed, zero rows are a no-op. gamma, beta: cols or NULL. mean,
 * var: cols, var >= 0.
 * Errors: ARGUMENT (also eps negative or not finite, a negative var), MEMORY. */
BNORM_API bnorm_status bnorm_infer_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *gamma,
                                       const double *beta, const double *mean,
                                       const double *var, double eps, bnorm_mat_f64 y);
BNORM_API bnorm_status bnorm_infer_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const float *gamma,
                                       const float *beta, const double *mean, const double *var,
                                       double eps, bnorm_mat_f32 y);

/* Backward: with W = dy,
 *   (B1) dbeta = 1'W   (B2) dgamma = diag(zhat'W)
 *   (B3) dx = (gamma rstd) [ w - (omega/n) dbeta - (omega zhat) dgamma/M ]   per column.
 * x: rows x cols as given to bnorm_forward; mean, rstd as it returned them; same weights and
 * rule.
 * dx: rows x cols, may be dy (in place) or x, or absent (data NULL).
 * dgamma, dbeta: cols, or NULL; they come also when gamma or beta was NULL.
 * Errors: ARGUMENT, DOMAIN, MEMORY. */
BNORM_API bnorm_status bnorm_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy,
                                          const double *weights, const double *gamma,
                                          const double *mean, const double *rstd,
                                          bnorm_rule rule, bnorm_mat_f64 dx, double *dgamma,
                                          double *dbeta);
BNORM_API bnorm_status bnorm_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy,
                                          const double *weights, const float *gamma,
                                          const double *mean, const double *rstd,
                                          bnorm_rule rule, bnorm_mat_f32 dx, float *dgamma,
                                          float *dbeta);

/* Backward of inference: the statistics are constants, so with W = dy
 *   dbeta = 1'W, dgamma = diag(xhat'W) with xhat = (x - mean)/sqrt(var + eps),
 *   dx = (gamma/sqrt(var + eps)) w   per column.
 * x, dy: rows x cols; mean, var, eps as given to bnorm_infer. dx: rows x cols, may be dy (in
 * place) or x, or absent (data NULL). dgamma, dbeta: cols, or NULL; they come also when gamma
 * or beta was NULL. Zero rows: sums of nothing, 0.
 * Errors: as bnorm_infer. */
BNORM_API bnorm_status bnorm_infer_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                bnorm_mat_f64 dy, const double *gamma,
                                                const double *mean, const double *var,
                                                double eps, bnorm_mat_f64 dx, double *dgamma,
                                                double *dbeta);
BNORM_API bnorm_status bnorm_infer_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                                bnorm_mat_f32 dy, const float *gamma,
                                                const double *mean, const double *var,
                                                double eps, bnorm_mat_f32 dx, float *dgamma,
                                                float *dbeta);

/* Folding (maths.md section 5): the linear map that a dense layer followed by inference is:
 *   g1_out = g1 diag(gamma/sigma), bias_out = beta + (bias - mean) gamma/sigma,
 *   sigma = sqrt(var + eps).
 * g1: inputs x cols; g1_out likewise, in place allowed. bias: cols or NULL (then 0), may be
 * bias_out. gamma, beta: cols or NULL. mean, var: cols. bias_out: cols.
 * Errors: as bnorm_infer. */
BNORM_API bnorm_status bnorm_fold_f64(bnorm_ctx *ctx, bnorm_mat_f64 g1, const double *bias,
                                      const double *gamma, const double *beta,
                                      const double *mean, const double *var, double eps,
                                      bnorm_mat_f64 g1_out, double *bias_out);
BNORM_API bnorm_status bnorm_fold_f32(bnorm_ctx *ctx, bnorm_mat_f32 g1, const float *bias,
                                      const float *gamma, const float *beta, const double *mean,
                                      const double *var, double eps, bnorm_mat_f32 g1_out,
                                      float *bias_out);

/* Layer normalisation (Ba, Kiros and Hinton 2016): each row is normalised over its columns with
 * divisor cols, y = gamma (x - mean_i) rstd_i + beta. gamma, beta: cols or NULL; mean, rstd:
 * rows. In place allowed: y may be x. Zero rows are a no-op; zero columns give mean 0, rstd 0.
 * backward: dbeta = 1'W, dgamma = diag(xhat'W), and per row, with u = gamma w,
 *   dx = rstd [ u - mean(u) - xhat mean(xhat u) ].
 * dx may be dy or x or absent (data NULL); dgamma, dbeta: cols or NULL.
 * Errors: ARGUMENT, MEMORY. */
BNORM_API bnorm_status bnorm_layernorm_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                   const double *gamma, const double *beta,
                                                   double eps, bnorm_mat_f64 y, double *mean,
                                                   double *rstd);
BNORM_API bnorm_status bnorm_layernorm_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                                   const float *gamma, const float *beta,
                                                   double eps, bnorm_mat_f32 y, double *mean,
                                                   double *rstd);
BNORM_API bnorm_status bnorm_layernorm_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                    bnorm_mat_f64 dy, const double *gamma,
                                                    const double *mean, const double *rstd,
                                                    bnorm_mat_f64 dx, double *dgamma,
                                                    double *dbeta);
BNORM_API bnorm_status bnorm_layernorm_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                                    bnorm_mat_f32 dy, const float *gamma,
                                                    const double *mean, const double *rstd,
                                                    bnorm_mat_f32 dx, float *dgamma,
                                                    float *dbeta);

/* Group normalisation (Wu and He 2018): x holds samples of `channels` channels with S values
 * each: row i, columns c S .. c S + S - 1 are channel c of sample i, so x is rows x (channels
 * S). Channels form `groups` groups of channels/groups neighbours; each group of each sample is
 * normalised over its (channels/groups) S values, which are the divisor:
 *   y = gamma_c (x - mean_ig) rstd_ig + beta_c.
 * groups = channels is instance normalisation; groups = 1 normalises a whole sample.
 * gamma, beta: channels or NULL; mean, rstd: rows x groups, row by row. In place allowed: y may
 * be x. Zero rows are a no-op; no values (S = 0) give mean 0, rstd 0.
 * backward: with W = dy, dbeta_c and dgamma_c are the sums of w and of xhat w over channel c of
 * all samples, and per group, with u = gamma w,
 *   dx = rstd [ u - mean(u) - xhat mean(xhat u) ].
 * dx may be dy or x or absent (data NULL); dgamma, dbeta: channels or NULL.
 * Errors: ARGUMENT (also channels that do not divide the columns, groups < 1 or that do not
 *   divide channels), MEMORY. */
BNORM_API bnorm_status bnorm_groupnorm_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                   ptrdiff_t channels, ptrdiff_t groups,
                                                   const double *gamma, const double *beta,
                                                   double eps, bnorm_mat_f64 y, double *mean,
                                                   double *rstd);
BNORM_API bnorm_status bnorm_groupnorm_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                                   ptrdiff_t channels, ptrdiff_t groups,
                                                   const float *gamma, const float *beta,
                                                   double eps, bnorm_mat_f32 y, double *mean,
                                                   double *rstd);
BNORM_API bnorm_status bnorm_groupnorm_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                    bnorm_mat_f64 dy, ptrdiff_t channels,
                                                    ptrdiff_t groups, const double *gamma,
                                                    const double *mean, const double *rstd,
                                                    bnorm_mat_f64 dx, double *dgamma,
                                                    double *dbeta);
BNORM_API bnorm_status bnorm_groupnorm_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                                    bnorm_mat_f32 dy, ptrdiff_t channels,
                                                    ptrdiff_t groups, const float *gamma,
                                                    const double *mean, const double *rstd,
                                                    bnorm_mat_f32 dx, float *dgamma,
                                                    float *dbeta);

/* ------------------------------------------------------------------------- weight space */

/* What the normalisation of Z = X G1 needs to know of X (maths.md section 2), made once while X
 * does not change. With it the statistics of Z and the gradient in G1 cost products of p1 x p1,
 * and no pass over Z. */
typedef struct bnorm_gram {
    ptrdiff_t rows, cols;  /* N x p1, those of X */
    const double *weights; /* omega as given, by reference, or NULL */
    double n, ddof;        /* sum(omega); M = n - ddof */
    const double *xbar;    /* 2 p1: the column means, then what their rounding left, the
                              means of X - 1 xbar' */
    const double *s;       /* p1 x p1, contiguous: S = Xc'diag(omega)Xc/M, Xc = X - 1 xbar' */
} bnorm_gram;

/* Makes *gram, whose arrays are the caller's: xbar (2 cols) and s (cols x cols, symmetric to the
 * bit) are outputs, weights (rows or NULL) is referred to; all three must outlive it. S is made
 * from centred X in double in both precisions, so large means cost no digits. Zero rows is
 * DOMAIN. A context with a reduction gives n, xbar and s of all rows.
 * Errors: ARGUMENT, DOMAIN (n - ddof <= 0), MEMORY. */
BNORM_API bnorm_status bnorm_gram_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, const double *weights,
                                      double ddof, double *xbar, double *s, bnorm_gram *gram);
BNORM_API bnorm_status bnorm_gram_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, const double *weights,
                                      double ddof, double *xbar, double *s, bnorm_gram *gram);

/* B = bn(X G1) without Z:
 *   (W1) mean_j = xbar'g_j, v_j = g_j'S g_j
 *   (W4) B = Xc G1 diag(gamma rstd) + 1 beta', rstd = 1/sqrt(v + eps)
 * with Xc made block by block: column means cost no digits. v_j loses digits where g_j'S g_j
 * cancels (X nearly collinear along g_j). So a column with
 *   v_j + eps < a_j^2/(BNORM_GRAM_LOSS p1),   a_j = sum_k |g_kj| sqrt(S_kk),
 * goes the ordinary way, the moments of the column of Xc G1; a_j^2 <= p1 v_j while the columns
 * of X are uncorrelated. A column whose v + eps is 0 is exactly beta.
 * x: N x p1, that of the gram. g1: p1 x p2. gamma, beta: p2 or NULL. b: N x p2. mean, rstd: p2,
 * outputs. Float data are centred and multiplied as float; the statistics come from double.
 * Errors: ARGUMENT (also more columns, or a larger ld of b, than BLAS's int), MEMORY. */
#define BNORM_GRAM_LOSS 16.0
BNORM_API bnorm_status bnorm_dense_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                               bnorm_mat_f64 g1, const bnorm_gram *gram,
                                               const double *gamma, const double *beta,
                                               double eps, bnorm_mat_f64 b, double *mean,
                                               double *rstd);
BNORM_API bnorm_status bnorm_dense_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                               bnorm_mat_f32 g1, const bnorm_gram *gram,
                                               const float *gamma, const float *beta,
                                               double eps, bnorm_mat_f32 b, double *mean,
                                               double *rstd);

/* Its gradient from W = db, with G = Xc'W:
 *   (B1) dbeta = 1'W   (W2) dgamma_j = rstd_j g_j'G_j
 *   (W3) dg1_j = (gamma rstd)_j [ G_j - (S g_j) rstd_j dgamma_j ]
 * which is X'dz of (B3) without dz. A column that fails the test above (v + eps is 1/rstd^2
 * here) takes (B1)-(B3): its z is made again. x, g1, gram, gamma as given to forward; rstd as it
 * returned them. db: N x p2. dg1: p1 x p2, or absent (data NULL). dgamma, dbeta: p2 or NULL.
 * Errors: ARGUMENT, DOMAIN, MEMORY. */
BNORM_API bnorm_status bnorm_dense_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                bnorm_mat_f64 g1, const bnorm_gram *gram,
                                                bnorm_mat_f64 db, const double *gamma,
                                                const double *rstd, bnorm_mat_f64 dg1,
                                                double *dgamma, double *dbeta);
BNORM_API bnorm_status bnorm_dense_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                                bnorm_mat_f32 g1, const bnorm_gram *gram,
                                                bnorm_mat_f32 db, const float *gamma,
                                                const double *rstd, bnorm_mat_f32 dg1,
                                                float *dgamma, float *dbeta);

/* --------------------------------------------------------------------- running statistics */

typedef enum bnorm_running_kind {
    BNORM_RUNNING_EXPONENTIAL, /* s += update (batch - s) */
    BNORM_RUNNING_AVERAGE,     /* equal-weight mean of means and of variances (the paper) */
    BNORM_RUNNING_MERGE        /* exact pooling: the moments of all rows seen */
} bnorm_running_kind;

/* Running statistics of `cols` columns; the arrays are the caller's, zero- or otherwise
 * initialised (PyTorch starts at mean 0, var 1). The variance of a batch that enters is m2/(n -
 * ddof): ddof 0 is biased (Keras, ONNX, cs231n), 1 unbiased (the paper, PyTorch). We never call
 * `update` momentum. */
typedef struct bnorm_running {
    bnorm_running_kind kind;
    double update; /* EXPONENTIAL: weight of the new batch, in (0, 1] */
    double ddof;
    double count; /* AVERAGE: batches seen; MERGE: n so far. Start at 0 */
    ptrdiff_t cols;
    double *mean, *var; /* cols each */
    double *m2;         /* cols, MERGE only, start at 0; else NULL */
} bnorm_running;

/* Takes one batch with moments (n, mean, m2) into the running statistics.
 * MERGE leaves var untouched while the pooled n - ddof is not positive.
 * Errors: ARGUMENT (kind, update, NULL, m2 < 0), DOMAIN (batch n - ddof <= 0; not for MERGE),
 *   NONFINITE (the batch or the result is not finite: the message names the column).
 *   Nothing changes then. */
BNORM_API bnorm_status bnorm_running_update(bnorm_ctx *ctx, bnorm_running *running, double n,
                                            const double *mean, const double *m2);

/* ------------------------------------------------------------------- activations and losses */

/* An activation v = a(b), applied element by element. The caller may define their own. */
typedef struct bnorm_activation {
    const char *name; /* unique; kept by reference in networks, copied in model files */
    /* v[i] = a(b[i]); v may be b. */
    void (*value)(void *user, ptrdiff_t count, const double *b, double *v);
    /* db[i] = dv[i] a'(b[i]); db may be dv or b. */
    void (*gradient)(void *user, ptrdiff_t count, const double *b, const double *dv,
                     double *db);
    /* Weights before it start with variance gain/inputs; 0: Glorot's 2/(inputs + units). */
    double gain;
    void *user;
} bnorm_activation;

/* The built-in activations: "identity", "relu", "leaky_relu" (slope 0.01), "tanh", "logistic",
 * "softplus", "gelu" (exact, with erf). Values and derivatives are right to 4 units in the last
 * place, those of gelu to 8 (its derivative: of the larger of itself and |b| phi(b)), over the
 * whole range; nothing overflows, NaN stays NaN, and an element has the same bits whatever its
 * place. NULL for an unknown name. */
BNORM_API const bnorm_activation *bnorm_activation_find(const char *name);

/* Normalisation and activation in one pass over memory: y = a(gamma (x - mean) rstd + beta) of
 * training and of inference, to the bits of bnorm_forward or bnorm_infer and then the
 * activation; and the backward pass from dy = dR/dy, with W = dy a'(B) in (B1)-(B3), where B is
 * computed again from x and beta: nothing is kept between the passes but x, mean and rstd.
 * Activations of the caller's own run on the calling thread; they are functions of double, and
 * float data pass through them as such. Everything else as in bnorm_forward, bnorm_infer and
 * bnorm_backward; y may be x, dx may be dy or x.
 * Errors: as there; ARGUMENT (activation NULL or without its functions). */
BNORM_API bnorm_status bnorm_forward_activation_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                    const double *weights, const double *gamma,
                                                    const double *beta, bnorm_rule rule,
                                                    const bnorm_activation *activation,
                                                    bnorm_mat_f64 y, double *mean,
                                                    double *rstd);
BNORM_API bnorm_status bnorm_forward_activation_f32(bnorm_ctx *ctx, bnorm_mat_f32 x,
                                                    const double *weights, const float *gamma,
                                                    const float *beta, bnorm_rule rule,
                                                    const bnorm_activation *activation,
                                                    bnorm_mat_f32 y, double *mean,
                                                    double *rstd);
BNORM_API bnorm_status bnorm_infer_activation_f64(bnorm_ctx *ctx, bnorm_mat_f64 x,
                                                  const double *gamma, const double *beta,
                                                  const double *mean, const double *var,
                                                  double eps,
                                                  const bnorm_activation *activation,
                                                  bnorm_mat_f64 y);
BNORM_API bnorm_status bnorm_infer_activation_f32(
    bnorm_ctx *ctx, bnorm_mat_f32 x, const float *gamma, const float *beta, const double *mean,
    const double *var, double eps, const bnorm_activation *activation, bnorm_mat_f32 y);
BNORM_API bnorm_status bnorm_backward_activation_f64(
    bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 dy, const double *weights,
    const double *gamma, const double *beta, const double *mean, const double *rstd,
    bnorm_rule rule, const bnorm_activation *activation, bnorm_mat_f64 dx, double *dgamma,
    double *dbeta);
BNORM_API bnorm_status bnorm_backward_activation_f32(
    bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 dy, const double *weights,
    const float *gamma, const float *beta, const double *mean, const double *rstd,
    bnorm_rule rule, const bnorm_activation *activation, bnorm_mat_f32 dx, float *dgamma,
    float *dbeta);

/* A loss R = sum_i omega_i l(score_i, target_i) / sum_i omega_i over rows. The caller may
 * define their own. `scores` are the network's outputs of one row, `targets` that row's
 * observed values. */
typedef struct bnorm_loss {
    const char *name;
    ptrdiff_t targets; /* columns of the target matrix; 0: as many as scores */
    /* 0 when the target row is legal for so many scores, else not. NULL: anything finite. */
    int (*legal)(void *user, ptrdiff_t scores, const double *target);
    double (*value)(void *user, ptrdiff_t scores, const double *score, const double *target);
    /* d[k] = dl/dscore_k; d may be score. */
    void (*gradient)(void *user, ptrdiff_t scores, const double *score, const double *target,
                     double *d);
    /* The mean response: probabilities from scores; mean may be score. NULL: the scores. */
    void (*response)(void *user, ptrdiff_t scores, const double *score, double *mean);
    void *user;
} bnorm_loss;

/* The built-in losses. "squared": l = sum_k (target_k - score_k)^2. "logistic": one target in
 * [0,1] per score, l = -t log p - (1-t) log(1-p), p = 1/(1+exp(-score)). "softmax": one target,
 * the class 0..scores-1, l = -log softmax(score)_target. NULL for an unknown name. */
BNORM_API const bnorm_loss *bnorm_loss_find(const char *name);

/* ----------------------------------------------------------------------------- networks */

/* A network is a chain of layers from `inputs` columns to its outputs, computed in double. Data
 * are row-major inside; a column-major x or y is copied. Parameters lie in one vector, block
 * after block. */
typedef struct bnorm_net bnorm_net;

/* What a layer's functions are told about the pass. */
typedef struct bnorm_pass {
    int training;          /* 1: forward before a backward; 0: inference */
    ptrdiff_t first_row;   /* number, within the batch, of the first row given */
    uint64_t seed, step;   /* for random layers: the same mask in forward and backward */
    const double *weights; /* observation weights of the rows given, or NULL */
    bnorm_ctx *ctx;
} bnorm_pass;

/* One parameter block of a layer. */
typedef struct bnorm_block_shape {
    char name[16]; /* "G", "bias", "gamma", ...; the network appends the layer's number */
    ptrdiff_t rows, cols;
    double penalty_factor; /* 1: penalised by default; 0: not (bias, gamma, beta) */
} bnorm_block_shape;

#define BNORM_LAYER_BLOCKS 4 /* at most so many blocks a layer */

/* A layer of the caller's own. All matrices are row-major with ld = cols. Functions return 0,
 * or anything else to fail with BNORM_E_USER. `params` are the layer's parameters, block after
 * block. Like the caller's activations and losses they run on the calling thread only. */
typedef struct bnorm_layer {
    size_t struct_size; /* sizeof(bnorm_layer) */
    const char *name;
    void *user;
    /* Columns of the output for that many inputs; < 1 refuses. NULL: as many. */
    ptrdiff_t (*width)(void *user, ptrdiff_t inputs);
    /* Fills up to BNORM_LAYER_BLOCKS shapes, returns their number. NULL: no parameters. */
    int (*blocks)(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks);
    /* Draws the starting values from (seed, stream). NULL: zeros. */
    void (*start)(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream, double *params);
    /* y = f(x), row by row or over the batch. In inference rows do not influence others. */
    int (*forward)(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y);
    /* From dy: dparams (added to what is there) and, unless dx.data is NULL, dx. x and y are as
     * in forward. dx may share x's memory: finish with a row of x before writing that row of
     * dx. */
    int (*backward)(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                    bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx);
} bnorm_layer;

/* Starts a network of `inputs` columns (>= 1). *net is NULL on failure. */
BNORM_API bnorm_status bnorm_net_create(bnorm_ctx *ctx, ptrdiff_t inputs, bnorm_net **net);
BNORM_API void bnorm_net_destroy(bnorm_net *net); /* accepts NULL */

/* Append a layer. dense: Z = X G + 1 bias', the bias omitted when a batchnorm follows.
 * batchnorm: forward by the rule in training, by the inference statistics in inference.
 * dropout: inverted; each value is kept with probability 1 - rate and divided by it, in
 * training only; 0 <= rate < 1. The structs are copied; what their pointers point at must
 * outlive the network.
 * Errors: ARGUMENT (units < 1, a rule or rate out of range, network already started), MEMORY. */
BNORM_API bnorm_status bnorm_net_dense(bnorm_ctx *ctx, bnorm_net *net, ptrdiff_t units);
BNORM_API bnorm_status bnorm_net_batchnorm(bnorm_ctx *ctx, bnorm_net *net, bnorm_rule rule);
BNORM_API bnorm_status bnorm_net_activation(bnorm_ctx *ctx, bnorm_net *net,
                                            const bnorm_activation *activation);
BNORM_API bnorm_status bnorm_net_dropout(bnorm_ctx *ctx, bnorm_net *net, double rate);
BNORM_API bnorm_status bnorm_net_layer(bnorm_ctx *ctx, bnorm_net *net,
                                       const bnorm_layer *layer);

/* Lays out the parameters and draws their starts: weights normal with variance gain/inputs (He
 * et al. 2015) or 2/(inputs + units) (Glorot and Bengio 2010) as the next activation says;
 * gamma 1, beta and bias 0; inference statistics mean 0, var 1. May be called again to draw
 * anew.
 * Errors: ARGUMENT (no layer), MEMORY. */
BNORM_API bnorm_status bnorm_net_start(bnorm_ctx *ctx, bnorm_net *net, uint64_t seed);

BNORM_API ptrdiff_t bnorm_net_inputs(const bnorm_net *net);
BNORM_API ptrdiff_t bnorm_net_outputs(const bnorm_net *net);

/* The parameters of a started network (length *count), to read and write; owned by it. */
BNORM_API double *bnorm_net_parameters(bnorm_net *net, ptrdiff_t *count);

/* One block of the parameters. Names: "G1", "bias1", "gamma1", "beta1", "G2", ...: the number
 * counts the dense layers; blocks of the caller's layers are "<layer>.<block><number of the
 * layer>". */
typedef struct bnorm_block {
    char name[64];
    ptrdiff_t rows, cols; /* values are row-major */
    ptrdiff_t offset;     /* of the first value in the parameter vector */
    double penalty;       /* lambda: the objective is R + sum over blocks of lambda |block|^2 */
} bnorm_block;

BNORM_API ptrdiff_t bnorm_net_block_count(const bnorm_net *net);
BNORM_API bnorm_status bnorm_net_block(bnorm_ctx *ctx, const bnorm_net *net, ptrdiff_t k,
                                       bnorm_block *block);
/* Penalties: one block by name, or (name NULL) every block whose layer asks for it: the
 * weights, not biases, gamma or beta. lambda >= 0.
 * Errors: ARGUMENT (no such block). */
BNORM_API bnorm_status bnorm_net_set_penalty(bnorm_ctx *ctx, bnorm_net *net, const char *name,
                                             double lambda);

typedef enum bnorm_layer_kind {
    BNORM_LAYER_DENSE,
    BNORM_LAYER_BATCHNORM,
    BNORM_LAYER_ACTIVATION,
    BNORM_LAYER_DROPOUT,
    BNORM_LAYER_USER
} bnorm_layer_kind;

/* One layer, described. mean and var: the inference statistics of a batchnorm layer (cols each,
 * to be read or written by the caller; mean, var >= 0), NULL for others. */
typedef struct bnorm_layer_info {
    bnorm_layer_kind kind;
    const char *name; /* "dense", "batchnorm", "dropout", the activation's or layer's own */
    ptrdiff_t inputs, outputs;
    int bias;        /* dense: has a bias */
    bnorm_rule rule; /* batchnorm */
    double rate;     /* dropout */
    double *mean, *var;
} bnorm_layer_info;

BNORM_API ptrdiff_t bnorm_net_layer_count(const bnorm_net *net);
BNORM_API bnorm_status bnorm_net_layer_info(bnorm_ctx *ctx, const bnorm_net *net, ptrdiff_t k,
                                            bnorm_layer_info *info);

/* Training pass over one batch: *value = R (without penalties) and, unless gradient is NULL,
 * dR/dparams (parameter vector's length, overwritten). x: rows x inputs, y: rows x targets,
 * weights: rows or NULL (they weigh the loss and the statistics of normalisation, so that an
 * integer weight is that many copies of the row). seed, step: for dropout. Goes by blocks of
 * rows: of size rows x cols it keeps the pre-activations and two gradients, in memory that the
 * network keeps between calls. A part of the pass with a function of the caller's runs on the
 * calling thread.
 * Errors: ARGUMENT, DOMAIN (too few rows for the rule), DATA (an illegal target; the row is
 *   named), MEMORY, USER. */
BNORM_API bnorm_status bnorm_net_gradient(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                          bnorm_mat_f64 y, const double *weights,
                                          const bnorm_loss *loss, uint64_t seed, uint64_t step,
                                          double *value, double *gradient);

/* Inference: scores (rows x outputs, either layout) of each row alone: the bits of a row's
 * scores do not depend on the other rows nor on their number.
 * Errors: ARGUMENT, MEMORY, USER. */
BNORM_API bnorm_status bnorm_net_predict(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                         bnorm_mat_f64 scores);

/* R in inference (with the inference statistics), weights or NULL. */
BNORM_API bnorm_status bnorm_net_loss(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                      bnorm_mat_f64 y, const double *weights,
                                      const bnorm_loss *loss, double *value);

/* Sets the inference statistics of every batchnorm layer to the exact moments over x (variance
 * by the layer's ddof), layer after layer in blocks of rows: memory does not grow with the
 * rows. Errors: NONFINITE (the message names the layer and the column), as bnorm_net_gradient;
 * the statistics keep their values then. */
BNORM_API bnorm_status bnorm_net_population(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                            const double *weights);

/* ------------------------------------------------------------------------------- streams */

/* A stream holds a network to rows that do not change, for gradients over all of them in memory
 * that does not grow with their number: for tables larger than memory, and the faster way for
 * others. It takes networks whose first layer is dense, whose second is the only batchnorm, and
 * whose others are the built-in activations or the caller's, dense and dropout. Then the
 * statistics are known before the pass (W1), so blocks of rows that stay in cache go forward and
 * backward one by one, and the gradient of the first weights is (W3) of their sums. */
typedef struct bnorm_stream bnorm_stream;

/* Rows that are read when they are needed. */
typedef struct bnorm_source {
    ptrdiff_t rows;
    ptrdiff_t most; /* rows a read, at most; 0: as many as the stream likes */
    int weighted;   /* whether rows have weights */
    /* Gives rows first .. first+count-1, count >= 1: x is count x inputs, y count x targets (as
     * the loss takes them), row-major and contiguous; weights: count, or NULL when not weighted.
     * The same rows each time; on the calling thread; returns 0, or anything else to fail with
     * BNORM_E_USER. */
    int (*read)(void *user, ptrdiff_t first, ptrdiff_t count, double *x, double *y,
                double *weights);
    void *user;
} bnorm_source;

/* Makes a stream: checks the rows and takes their Gram matrix, in two passes. Matrices (either
 * layout) and weights are referred to, not copied: they may be memory-mapped. The net, the loss
 * and the source's `user` must outlive the stream. *stream is NULL on failure.
 * Errors: ARGUMENT (also a network of another form: the message says which layer), DOMAIN, DATA,
 *   MEMORY, USER. */
BNORM_API bnorm_status bnorm_stream_create(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                           bnorm_mat_f64 y, const double *weights,
                                           const bnorm_loss *loss, bnorm_stream **stream);
BNORM_API bnorm_status bnorm_stream_open(bnorm_ctx *ctx, bnorm_net *net,
                                         const bnorm_source *source, const bnorm_loss *loss,
                                         bnorm_stream **stream);
BNORM_API void bnorm_stream_destroy(bnorm_stream *stream); /* accepts NULL */

/* What bnorm_net_gradient gives for all rows, to rounding, at the network's present parameters;
 * gradient may be NULL. A column that fails the test of bnorm_dense_forward has its moments, and
 * Xc'diag(omega)z/M in place of S g, from one more sweep, and its dgamma by (B2). The same bits
 * for any number of threads, from matrices of either layout and from sources whatever they read
 * at a time. What a source reads is checked again each time.
 * Errors: ARGUMENT, DATA (a source that changed: an illegal target), MEMORY, USER (the source). */
BNORM_API bnorm_status bnorm_stream_gradient(bnorm_ctx *ctx, bnorm_stream *stream,
                                             uint64_t seed, uint64_t step, double *value,
                                             double *gradient);

/* R in inference, with mean and variance over all rows, which become the network's inference
 * statistics (what bnorm_net_population sets).
 * Errors: NONFINITE (the network keeps its statistics), and those of bnorm_stream_gradient. */
BNORM_API bnorm_status bnorm_stream_loss(bnorm_ctx *ctx, bnorm_stream *stream, double *value);

/* ------------------------------------------------------------------------ gradient check */

typedef struct bnorm_check_block {
    char name[64];       /* the block, as in bnorm_block */
    ptrdiff_t row, col;  /* its worst entry, from 0 */
    double analytic;     /* gradient by bnorm_net_gradient */
    double numeric;      /* by central differences */
    double error, bound; /* |analytic - numeric|, and what rounding and truncation explain */
    int ok; /* error <= bound in every entry; row, col: where error/bound is largest */
} bnorm_check_block;

/* Compares every entry of every block (at most `entries` of each, drawn by seed; 0: all) with
 * central differences of R + sum(U * scores)/rows, where U is random: the upstream gradient is
 * never constant, and not zero at a minimum. report: bnorm_net_block_count entries. Dropout
 * uses one fixed mask.
 * Errors: CHECK (a block is not ok; report is complete), as bnorm_net_gradient. */
BNORM_API bnorm_status bnorm_net_check(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                       bnorm_mat_f64 y, const double *weights,
                                       const bnorm_loss *loss, uint64_t seed, ptrdiff_t entries,
                                       bnorm_check_block *report);

/* The same; before each pass interrupted(user) is asked, and ends the check when it is not 0. The
 * parameters are as before then, the report is not complete. interrupted may be NULL.
 * Errors: also INTERRUPTED. */
BNORM_API bnorm_status bnorm_net_check_until(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                             bnorm_mat_f64 y, const double *weights,
                                             const bnorm_loss *loss, uint64_t seed,
                                             ptrdiff_t entries, int (*interrupted)(void *user),
                                             void *user, bnorm_check_block *report);

/* ------------------------------------------------------------------------------ training */

typedef enum bnorm_optimizer {
    BNORM_OPTIMIZER_AUTO, /* L-BFGS when rows * inputs <= 2,000,000 and no dropout, else Adam */
    BNORM_OPTIMIZER_LBFGS, /* full batch; refuses dropout, whose objective is never the same */
    BNORM_OPTIMIZER_SGD,
    BNORM_OPTIMIZER_RMSPROP,
    BNORM_OPTIMIZER_ADAM
} bnorm_optimizer;

/* What the progress function is told after each epoch (L-BFGS: each iteration). */
typedef struct bnorm_progress {
    ptrdiff_t epoch, epochs; /* done so far, at most */
    double loss; /* objective R + penalties: over the epoch's batches, or the full batch */
    double validation; /* R on the validation rows; NaN without */
    double seconds;    /* since the start of the fit */
} bnorm_progress;

typedef struct bnorm_fit_options {
    size_t struct_size;
    bnorm_optimizer optimizer; /* AUTO */
    ptrdiff_t epochs;          /* 0: 500 for L-BFGS, 100 for the others */
    ptrdiff_t batch; /* rows a batch, about; 0: 64. Sizes differ by at most 1, never below 2 */
    double rate;     /* learning rate; 0: 0.01 sgd, 0.001 rmsprop and adam */
    double momentum; /* sgd: 0.9 */
    int nesterov;    /* sgd: 1 */
    double decay;    /* rmsprop: 0.99 */
    double beta1, beta2; /* adam: 0.9, 0.999 */
    double weight_decay; /* adam: decoupled (AdamW), on penalised-by-default blocks; 0 */
    double tolerance;    /* L-BFGS stops when |g| <= tolerance max(1, |params|); 1e-6 */
    ptrdiff_t memory;    /* L-BFGS pairs: 10 */
    ptrdiff_t patience;  /* epochs without a better validation loss before stopping; 20.
                            0: never */
    int running;         /* 0: inference statistics by an exact population pass. 1: running,
                            exponential with weight `update`, variance by `running_ddof` */
    double update;       /* 0.1 */
    double running_ddof; /* 1; each batch's n, the sum of its weights, must exceed it */
    uint64_t seed;       /* order of rows and dropout; 1 */
    /* Called after each epoch; returning non-zero stops the fit with INTERRUPTED. */
    int (*progress)(void *user, const bnorm_progress *progress);
    void *progress_user;
    /* Called often (each batch, each evaluation); non-zero stops likewise. NULL: never. */
    int (*interrupted)(void *user);
    void *interrupted_user;
} bnorm_fit_options;

BNORM_API void bnorm_fit_defaults(bnorm_fit_options *options);

typedef struct bnorm_fit_report {
    bnorm_optimizer optimizer; /* the one used */
    ptrdiff_t epochs;          /* done */
    ptrdiff_t best_epoch;      /* the one whose parameters were kept; 0: the start */
    double loss;               /* R on the training rows in inference, at the parameters kept */
    double validation;         /* likewise on the validation rows; NaN without */
    int converged;             /* L-BFGS: tolerance reached */
    double seconds;
} bnorm_fit_report;

/* Fits a started network in place, from its present parameters. x, y, weights: training rows.
 * x_valid, y_valid, weights_valid: validation rows, x_valid.rows 0 for none; with them the best
 * parameters by validation loss are restored (otherwise the best objective for L-BFGS, the last
 * for the others). The same bits for any number of threads. On INTERRUPTED the network holds
 * the best so far with its inference statistics, and the report is filled.
 * Errors: ARGUMENT, DOMAIN (with a batchnorm: fewer than 2 rows of positive weight, or an n
 *   that does not exceed ddof; weights count as copies of rows), DATA, NONFINITE (the objective
 *   is not finite at the start or diverged: the message says where and what to do; the best
 *   parameters so far are restored), INTERRUPTED, MEMORY, USER. */
BNORM_API bnorm_status bnorm_fit(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x,
                                 bnorm_mat_f64 y, const double *weights, bnorm_mat_f64 x_valid,
                                 bnorm_mat_f64 y_valid, const double *weights_valid,
                                 const bnorm_loss *loss, const bnorm_fit_options *options,
                                 bnorm_fit_report *report);

/* Fits a started network that streams (see there) to all rows of a source by L-BFGS, in memory
 * that does not grow with their number; the options are those of bnorm_fit. Validation rows lie
 * in memory; x_valid.rows 0 for none. bnorm_fit itself streams full batches of such networks
 * where that is faster.
 * Errors: as bnorm_stream_open and bnorm_fit; ARGUMENT also for another optimizer, running
 *   statistics or dropout. */
BNORM_API bnorm_status bnorm_fit_source(bnorm_ctx *ctx, bnorm_net *net,
                                        const bnorm_source *source, bnorm_mat_f64 x_valid,
                                        bnorm_mat_f64 y_valid, const double *weights_valid,
                                        const bnorm_loss *loss,
                                        const bnorm_fit_options *options,
                                        bnorm_fit_report *report);

/* ------------------------------------------------------------------------- fixed effects */

/* A factor of a panel (unit, year, ...): the level of each row, and what a level adds to it: a
 * constant, or with `slope` a multiple of the row's slope. For both, give two factors with the
 * same codes. */
typedef struct bnorm_factor {
    const int32_t *codes; /* rows: 0 .. levels-1 */
    ptrdiff_t levels;     /* >= 1; a level may be without rows */
    const double *slope;  /* rows, finite; or NULL */
} bnorm_factor;

/* The within projection Q (maths.md section 6): Q x is x less its weighted least-squares fit on
 * the columns of all factors' levels, D. Q Q x = Q x, and D'omega Q x = 0. */
typedef struct bnorm_within bnorm_within;

/* Prepares Q. Nothing of the caller's is referred to afterwards; threads may share it.
 * weights: rows, or NULL; a row of weight 0 is projected, but has no say. A level without weight
 *   has effect 0. Slopes that are a combination of earlier columns in a level (less than 1e-12 of
 *   their length is new) are left out there.
 * tolerance: at least 1e-14 and below 1; 0: 1e-12. Factors with the same codes are solved exactly,
 *   and where there are no others, this is not used.
 * Errors: ARGUMENT (also codes outside the levels, no factor), NONFINITE (a slope), MEMORY. */
BNORM_API bnorm_status bnorm_within_create(bnorm_ctx *ctx, ptrdiff_t rows,
                                           const bnorm_factor *factors, ptrdiff_t count,
                                           const double *weights, double tolerance,
                                           bnorm_within **within);
BNORM_API void bnorm_within_destroy(bnorm_within *within);

/* y = Q x, column by column. The factor with the most levels is projected out exactly; the
 * coefficients of the others by conjugate gradients, until in each column the normal equations
 * hold to the tolerance: |D'omega y| <= tolerance |y|, with D's columns scaled to length 1 and
 * |.| the norm weighted by omega. A column of which the factors leave less than 2^-46 of what the
 * first of them leaves is a sum of effects: what remains of it is roundoff, and exactly 0 where it
 * is constant in each level of the factor with the most levels. Effects of 1e9 beside differences
 * of 1 cost those no digits.
 * x: rows x cols. y: rows x cols, in place allowed; else of either layout.
 * sweeps: passes over the rows, the most that a column took: 1 when there is nothing to iterate;
 *   or NULL.
 * A column with a value that is not finite becomes NaN, in place of its level alone when there
 * are several factors; no other column changes.
 * Errors: ARGUMENT, MEMORY, DATA (a column did not converge in 10000 sweeps: the message says how
 *   far it came). */
BNORM_API bnorm_status bnorm_demean_f64(bnorm_ctx *ctx, const bnorm_within *within,
                                        bnorm_mat_f64 x, bnorm_mat_f64 y, ptrdiff_t *sweeps);

/* The parameters that the factors absorb, the rank of D: exact for one factor and for two without
 * slopes (levels less the components of the graph whose edges are the rows), and for any with the
 * same codes; else an upper bound: of each further factor only the components with one earlier
 * factor are taken off, and slopes count in full. Rows of weight 0 are not counted. */
BNORM_API ptrdiff_t bnorm_within_rank(const bnorm_within *within);

/* The effects themselves: r = sum of effects + Q r. r: rows. effects: the levels of each factor,
 * one factor after another.
 * Constants of several factors share something: the first factor without slope keeps its level,
 * and of each further one the effect is 0 at the first level of each component (levels that rows
 * join, directly or not) of its graph with the first. What three or more share beyond that is
 * divided in a way that depends on the data alone. Slopes that were left out have 0, levels
 * without weight NaN.
 * Errors: as bnorm_demean; NONFINITE. */
BNORM_API bnorm_status bnorm_within_effects(bnorm_ctx *ctx, const bnorm_within *within,
                                            const double *r, double *effects);

/* Rows that are alone in a level of some factor without slope, and those that are alone once these
 * are left out, until none is: they say nothing about anything but their own effects.
 * single: rows, 1 or 0. found: how many. Rows of weight 0 count as absent, and are not found.
 * Errors: ARGUMENT, NONFINITE (a slope), MEMORY. */
BNORM_API bnorm_status bnorm_singletons(bnorm_ctx *ctx, ptrdiff_t rows,
                                        const bnorm_factor *factors, ptrdiff_t count,
                                        const double *weights, unsigned char *single,
                                        ptrdiff_t *found);
/* -------------------------------------------------------------------------------- tables */

/* A table of named columns of equal length, for formulas. Copies what it is given. */
typedef struct bnorm_table bnorm_table;

BNORM_API bnorm_status bnorm_table_create(bnorm_ctx *ctx, ptrdiff_t rows, bnorm_table **table);
BNORM_API void bnorm_table_destroy(bnorm_table *table); /* accepts NULL */

/* Where the table comes from, for messages: "produc.csv", and the line of each row (rows
 * numbers, or NULL: messages count rows from 1 then). */
BNORM_API bnorm_status bnorm_table_source(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                                          const ptrdiff_t *lines);

/* Adds a column. numbers: NaN is a missing value; infinite is an error when used. text: NULL,
 * "" and "NA" are missing; the column is numeric when more than half of the other cells are
 * numbers (decimal point, optional exponent, no locale), else its distinct values are levels. A
 * cell of a numeric column that is no number is reported when the column is used as one.
 * Errors: ARGUMENT (name empty or there already), MEMORY. */
BNORM_API bnorm_status bnorm_table_numbers(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                                           const double *values);
BNORM_API bnorm_status bnorm_table_text(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                                        const char *const *cells);

/* Adds a column of levels, from a program that has them: NULL alone is missing, and each distinct
 * text is a level of its own, "03" another than "3", "" and "NA" levels as others are. Numbers are
 * never read from it.
 * Errors: as bnorm_table_text. */
BNORM_API bnorm_status bnorm_table_levels(bnorm_ctx *ctx, bnorm_table *table, const char *name,
                                          const char *const *cells);

/* The numbers of a column, NaN where missing, into values (length bnorm_table_rows).
 * Errors: ARGUMENT, DATA (no such column; a cell that is no number or not finite: the message
 *   names it). */
BNORM_API bnorm_status bnorm_table_values(bnorm_ctx *ctx, const bnorm_table *table,
                                          const char *name, double *values);

BNORM_API ptrdiff_t bnorm_table_rows(const bnorm_table *table);
BNORM_API ptrdiff_t bnorm_table_cols(const bnorm_table *table);
BNORM_API const char *bnorm_table_name(const bnorm_table *table,
                                       ptrdiff_t col); /* NULL outside */

/* -------------------------------------------------------------------------------- frames */

/* A frame is a formula with what it learned from a table: columns, factor levels, scaling. It
 * turns raw tables into matrices.
 *
 *   target ~ term + term + ...     target: a column, a factor, or an expression such as log(y)
 *   term: x                        numeric column, or one indicator per level but the first
 *         log(x) exp sqrt abs      functions (log2 log10 log1p, too), nested at will
 *         I(x^2 - 1)               arithmetic + - * / ^ with parentheses
 *         factor(c)                the column's distinct values as levels, sorted
 *         a:b  a*b                 interaction; a*b is a + b + a:b; (a + b):c is a:c + b:c
 *         .                        every column that the target does not use
 *         - term                   removes a term; 0, 1 and -1 are ignored: networks have a
 *                                  bias
 *         `my column`              names with blanks or other signs stand in backquotes
 *
 * A factor inside an interaction is coded as R's model.matrix does it: by indicators for all
 * levels but the first where the term without the factor is in the formula too, for all levels
 * otherwise. */
typedef struct bnorm_frame bnorm_frame;

typedef struct bnorm_frame_options {
    size_t struct_size;
    int na_error;      /* 0: rows with missing values are left out; 1: they are an error.
                          Of bnorm_frame_create alone: later tables are the caller's to judge */
    int drop_constant; /* 0: a constant input column is an error; 1: it is left out */
    int factor_target; /* 1: the target's distinct values are classes even if it is numeric */
    const char *dot_without; /* a column that '.' leaves out (of weights, say), or NULL */
} bnorm_frame_options;

BNORM_API void bnorm_frame_defaults(bnorm_frame_options *options);

/* Reads the formula and learns levels from the complete rows of the table. *frame is NULL on
 * failure.
 * Errors: FORMULA (the message points at the place), DATA (unknown column, cell that is not a
 *   number or not finite, fewer than 2 complete rows, constant column, missing value with
 *   na_error, a name or level that is not UTF-8: the message names source, line, column and
 *   remedy), MEMORY. */
BNORM_API bnorm_status bnorm_frame_create(bnorm_ctx *ctx, const char *formula,
                                          const bnorm_table *table,
                                          const bnorm_frame_options *options,
                                          bnorm_frame **frame);
BNORM_API void bnorm_frame_destroy(bnorm_frame *frame); /* accepts NULL */

BNORM_API const char *bnorm_frame_formula(const bnorm_frame *frame);
BNORM_API ptrdiff_t bnorm_frame_inputs(const bnorm_frame *frame);
BNORM_API const char *bnorm_frame_input_name(const bnorm_frame *frame,
                                             ptrdiff_t k);               /* or NULL */
BNORM_API const char *bnorm_frame_target_name(const bnorm_frame *frame); /* "log(gsp)" */
BNORM_API ptrdiff_t bnorm_frame_classes(const bnorm_frame *frame);       /* 0: numeric target */
BNORM_API const char *bnorm_frame_class_name(const bnorm_frame *frame,
                                             ptrdiff_t k); /* or NULL */
BNORM_API ptrdiff_t
bnorm_frame_dropped(const bnorm_frame *frame); /* constant inputs left out */
BNORM_API const char *bnorm_frame_dropped_name(const bnorm_frame *frame, ptrdiff_t k);

/* The complete rows of a table for this frame: row numbers, ascending, into rows (length
 * bnorm_table_rows), their number into *count. with_target 0: only the inputs count.
 * Errors: DATA (a level unseen in training, a term that is not finite, ...). */
BNORM_API bnorm_status bnorm_frame_rows(bnorm_ctx *ctx, const bnorm_frame *frame,
                                        const bnorm_table *table, int with_target,
                                        ptrdiff_t *rows, ptrdiff_t *count);

/* What a row of a table is to a frame. */
typedef enum bnorm_row {
    BNORM_ROW_READY,
    BNORM_ROW_MISSING, /* a value that the frame needs is missing */
    BNORM_ROW_FOREIGN, /* complete, but a level was unseen in training or a term is not finite */
    BNORM_ROW_NEW      /* complete, but a fixed effect has no such level (bnorm_panel_screen) */
} bnorm_row;

/* Judges each row of a table: kinds[i] (length bnorm_table_rows) becomes a bnorm_row.
 * with_target 0: only the inputs count. bnorm_frame_matrix of a row that is not ready fails, and
 * its message says what is wrong with it, and where.
 * Errors: ARGUMENT, DATA (unknown column, cell that is not a number or not finite), MEMORY. */
BNORM_API bnorm_status bnorm_frame_screen(bnorm_ctx *ctx, const bnorm_frame *frame,
                                          const bnorm_table *table, int with_target,
                                          unsigned char *kinds);

/* The matrices of the given rows, scaled when the frame has a scaling. x: count x inputs; y:
 * count x 1, or absent (data NULL): the target, a class target as 0, 1, ... Either layout.
 * Errors: DATA, as above. */
BNORM_API bnorm_status bnorm_frame_matrix(bnorm_ctx *ctx, const bnorm_frame *frame,
                                          const bnorm_table *table, const ptrdiff_t *rows,
                                          ptrdiff_t count, bnorm_mat_f64 x, bnorm_mat_f64 y);

/* Learns the scaling (mean and standard deviation, ddof 1, of each input and of a numeric
 * target when scale_target) from matrices that bnorm_frame_matrix gave unscaled. A column
 * constant in them gets scale 1. y may be absent. */
BNORM_API bnorm_status bnorm_frame_learn_scaling(bnorm_ctx *ctx, bnorm_frame *frame,
                                                 bnorm_mat_f64 x, bnorm_mat_f64 y,
                                                 int scale_target);

/* The scaling: raw = center + scale * scaled. k = -1 is the target. 0 and 1 without scaling. */
BNORM_API void bnorm_frame_scaling(const bnorm_frame *frame, ptrdiff_t k, double *center,
                                   double *scale);

/* -------------------------------------------------------------------------------- models */

/* A model is a network with its frame, its loss and numbers about its training: what a file
 * holds. */
typedef struct bnorm_model bnorm_model;

/* Makes a model; it takes ownership of net and frame (frame may be NULL) on success only. A
 * target of classes needs an output for each (or one for two classes); softmax needs classes,
 * squared a numeric target, logistic one output and a target that is not scaled.
 * Errors: ARGUMENT, MEMORY. */
BNORM_API bnorm_status bnorm_model_create(bnorm_ctx *ctx, bnorm_net *net, bnorm_frame *frame,
                                          const bnorm_loss *loss, bnorm_model **model);
BNORM_API void bnorm_model_destroy(bnorm_model *model); /* accepts NULL */

BNORM_API bnorm_net *bnorm_model_net(bnorm_model *model);
BNORM_API const bnorm_frame *bnorm_model_frame(const bnorm_model *model);
BNORM_API const bnorm_loss *bnorm_model_loss(const bnorm_model *model);

/* The training summary: named numbers and texts, in order of setting; a key set again is
 * replaced. */
BNORM_API bnorm_status bnorm_model_set_number(bnorm_ctx *ctx, bnorm_model *model,
                                              const char *key, double value);
BNORM_API bnorm_status bnorm_model_set_text(bnorm_ctx *ctx, bnorm_model *model, const char *key,
                                            const char *value);
BNORM_API ptrdiff_t bnorm_model_note_count(const bnorm_model *model);
/* Entry k: its key (NULL outside); *text is NULL when the entry is a number. Either output may
 * be NULL. */
BNORM_API const char *bnorm_model_note(const bnorm_model *model, ptrdiff_t k, double *number,
                                       const char **text);

/* Layers, activations and losses of the caller's own, found by name when a model is loaded. */
typedef struct bnorm_custom {
    const bnorm_layer *const *layers; /* each list ends with NULL; a list may be NULL */
    const bnorm_activation *const *activations;
    const bnorm_loss *const *losses;
} bnorm_custom;

/* Writes a safetensors file: parameters and inference statistics as F64 tensors under their
 * block names, everything else under __metadata__ ("bnorm" and further keys). Written to a
 * temporary in the same folder, synced, then renamed: the old file or the new one, never less.
 * A process that is killed while it saves may leave the temporary, .bnorm-*.tmp.
 * A path to something else than a regular file (a device) is written directly.
 * Errors: NONFINITE (a parameter or statistic: the file would not load), ARGUMENT (a name of
 *   a part of the caller's own that is not UTF-8 or comes twice), IO, MEMORY. */
BNORM_API bnorm_status bnorm_model_save(bnorm_ctx *ctx, bnorm_model *model, const char *path);

/* Reads one. Sizes, types, offsets, overlaps, names and numbers are checked against the file
 * before anything of their size is allocated. custom may be NULL. *model is NULL on failure.
 * Errors: IO, FORMAT (the message says what is wrong), MEMORY. */
BNORM_API bnorm_status bnorm_model_load(bnorm_ctx *ctx, const char *path,
                                        const bnorm_custom *custom, bnorm_model **model);

/* What a file holds, by its header. Errors: IO, FORMAT (neither), MEMORY. */
typedef enum bnorm_file_kind {
    BNORM_FILE_MODEL, /* bnorm_model_load reads it */
    BNORM_FILE_PANEL  /* bnorm_panel_load reads it */
} bnorm_file_kind;
BNORM_API bnorm_status bnorm_file_kind_of(bnorm_ctx *ctx, const char *path,
                                          bnorm_file_kind *kind);

/* Predictions for the given rows of a raw table, in original units: mean: count x outputs, the
 * response (probabilities for classes; the target's unit, as the formula transforms it,
 * otherwise). */
BNORM_API bnorm_status bnorm_model_predict(bnorm_ctx *ctx, bnorm_model *model,
                                           const bnorm_table *table, const ptrdiff_t *rows,
                                           ptrdiff_t count, bnorm_mat_f64 mean);

/* ------------------------------------------------------------------- structured models */

/* A structured (panel) model (maths.md section 6): linear terms, networks and fixed effects,
 * fitted together,
 *     y = fixed effects + P theta + sum_k V_k(X_k) G2_k + e,
 * V_k the hidden layers of network k. Its formula is that of frames, and more:
 *
 *   y ~ x1 + log(x2) + a:b + nn(z1, z2, factor(g)) + nn(z4) | id + year + firm[x]
 *
 *   nn(term, term, ...)   a network of its own, added; its inputs are standardised. In no other
 *                         term and no arithmetic
 *   | id + year           fixed effects: a constant for each distinct value of a column,
 *                         whatever its type
 *   id^year               one for each combination that occurs
 *   id[x]  id[x, log(z)]  a constant and slopes of x (of x and log(z)) for each id
 *   id[[x]]               the slopes alone
 *   .                     among the linear terms: the columns that neither the target, nor an
 *                         nn(), nor a fixed effect uses; inside nn(): those that neither the
 *                         target nor a fixed effect uses; never unit, period and dot_without
 *
 * Without fixed effects there is an intercept, "(Intercept)", which cannot be removed. */
typedef struct bnorm_panel bnorm_panel;
typedef struct bnorm_vcov bnorm_vcov; /* a covariance of its parameters */

/* What is held out, or folded: rows, whole units, or periods. */
typedef enum bnorm_hold { BNORM_HOLD_ROWS, BNORM_HOLD_UNITS, BNORM_HOLD_PERIODS } bnorm_hold;

/* How a structured model is made. Set by bnorm_panel_defaults, then changed by the caller. The
 * objective is
 *     sum omega E^2/(n s^2) + penalty sum |G_hidden|^2 + penalty_top |G2|^2/s^2
 *         + penalty_linear sum (theta_j sd(Q P_j))^2/s^2,
 * s^2 the variance of Q y: penalties are free of units. Logistic: the mean loss, and s = 1. */
typedef struct bnorm_panel_options {
    size_t struct_size;
    const char *loss; /* NULL: "squared". "logistic": a target of two levels, or numbers from 0
                         to 1; without fixed effects */
    const ptrdiff_t *hidden; /* units of the hidden layers of each nn(); NULL: 8, one layer */
    ptrdiff_t layers;        /* their number; 0: the formula without its nn() */
    const bnorm_activation *activation; /* NULL: tanh; a file needs a built-in one */
    int batchnorm;                      /* 1: before each activation */
    bnorm_rule rule;                    /* of these; eps 1e-5, ddof 0 */
    double dropout;                     /* after each activation; 0 */
    double penalty;                     /* of hidden weights, not of biases, gamma, beta; 0 */
    double penalty_top;        /* of G2; 1e-6: keeps hidden units apart that move alike */
    double penalty_linear;     /* of theta, but for the intercept; 0 */
    const char *unit, *period; /* columns; NULL: the first fixed effect, and the first after it
                                  with other levels. Units are not divided by batches, folds,
                                  bags and clusters */
    int na_error;              /* 0: rows with missing values are left out; 1: an error */
    int keep_singletons;       /* 0: rows alone in a level are left out, repeatedly */
    const char *dot_without;   /* a column that '.' leaves out (of weights, say), or NULL */
    double tolerance;          /* of the projection; 0: as in bnorm_within_create */
    uint64_t seed;             /* of the starts of the networks; 1 */
} bnorm_panel_options;

BNORM_API void bnorm_panel_defaults(bnorm_panel_options *options);

/* Makes a model, ready to be fitted: reads the formula, chooses the rows, learns levels from them,
 * standardises the inputs of networks and starts these. Linear terms and target keep their units.
 * The table need not be sorted, and may be destroyed afterwards.
 * Rows are left out, and counted, where a value that the formula, unit or period needs is missing
 *   or the weight is NaN (missing), where the weight is 0, and where a row is alone in a level of
 *   a fixed effect. Linear terms that are constant, or that fixed effects and terms before them
 *   explain to 1e-7, and constant inputs of networks are left out, named with the reason.
 * weights: one for each row of the table, or NULL. They weigh squares of errors: an estimate is
 *   that of a row repeated so often, but degrees of freedom count rows.
 * *panel is NULL on failure.
 * Errors: FORMULA (the message points at the place), DATA (unknown column; cell that is not a
 *   number or not finite; negative weight; no row or no term left; a target that does not suit
 *   the loss), ARGUMENT (options), MEMORY. */
BNORM_API bnorm_status bnorm_panel_create(bnorm_ctx *ctx, const char *formula,
                                          const bnorm_table *table, const double *weights,
                                          const bnorm_panel_options *options,
                                          bnorm_panel **panel);
BNORM_API void bnorm_panel_destroy(bnorm_panel *panel); /* accepts NULL */

typedef struct bnorm_panel_fit_options {
    size_t struct_size;
    /* optimizer AUTO: L-BFGS on the loss that is left when the top layer (theta, G2) is solved for
     * at every step; or, for large panels and with dropout, Adam on batches of whole units
     * (fit.batch rows, about; 0: 1024), the top layer being solved for after each epoch. */
    bnorm_fit_options fit;
    ptrdiff_t starts; /* 1; of several the best is kept: by the objective, or by validation */
    /* Share of the rows, about, that is held out for early stopping, which chooses the hidden
     * layers; theta and G2 are then solved for over all rows, as covariances take them; 0. */
    double validate;
    bnorm_hold hold; /* of units (drawn by fit.seed), the last periods, or rows; UNITS */
    ptrdiff_t bags;  /* 0; else so many fits, each to units (rows, without units) drawn with
                         replacement, whose mean is the model */
} bnorm_panel_fit_options;

BNORM_API void bnorm_panel_fit_defaults(bnorm_panel_fit_options *options);

typedef struct bnorm_panel_report {
    bnorm_fit_report fit; /* of the start that is kept; of a bag: sums */
    ptrdiff_t starts_done;
    double best, worst;     /* of the starts (of all in a bag): objective, or validation loss */
    double validation_rmse; /* in the unit of the target; NaN without */
} bnorm_panel_report;

/* Fits the model. Without networks it is solved at once. Bits do not depend on threads; all chance
 * comes from the seeds. Fitting again goes on from the present parameters. The mean of a bag is one
 * model with the networks of all members (bnorm_panel_net), the mean of their theta, and fixed
 * effects that fit all rows.
 * Errors: ARGUMENT, DOMAIN, NONFINITE, INTERRUPTED (the model is the best so far, and report is
 *   filled; an interrupted bag is not fitted), MEMORY. */
BNORM_API bnorm_status bnorm_panel_fit(bnorm_ctx *ctx, bnorm_panel *panel,
                                       const bnorm_panel_fit_options *options,
                                       bnorm_panel_report *report);

/* What there is to know in numbers; those marked * after a fit. */
typedef struct bnorm_panel_info {
    size_t struct_size;
    ptrdiff_t table_rows, missing, weightless, singletons, rows; /* rows: in use */
    ptrdiff_t units, periods;                                    /* 0: none are known */
    ptrdiff_t duplicates; /* rows whose unit and period came before */
    ptrdiff_t gaps;       /* units x periods less the pairs that come */
    int logistic, fitted;
    ptrdiff_t linear, dropped; /* linear terms in use; terms that were left out */
    ptrdiff_t networks;        /* nn() of the formula */
    ptrdiff_t inputs;   /* variables: inputs of networks, each once, then other linear terms */
    ptrdiff_t top;      /* columns of V of all networks */
    ptrdiff_t hidden;   /* parameters below them */
    ptrdiff_t factors;  /* fixed effects */
    ptrdiff_t absorbed; /* * parameters of these (bnorm_within_rank) */
    double n;           /* sum of the weights */
    double sse, tss, tss_within; /* * sums of omega E^2, of omega (y - mean)^2, omega (Q y)^2 */
    double r2, r2_within;        /* * 1 - sse/tss, 1 - sse/tss_within */
    double rmse;                 /* * sqrt(sse/n) */
    double sigma;                /* * sqrt(sse/df) */
    double df; /* * rows - absorbed - columns of [P, V] that those before do not explain */
} bnorm_panel_info;

/* Errors: ARGUMENT (something is NULL). */
BNORM_API bnorm_status bnorm_panel_describe(const bnorm_panel *panel, bnorm_panel_info *info);

typedef enum bnorm_panel_part {
    BNORM_PANEL_LINEAR,  /* info.linear: "(Intercept)", "log(x2)", "factor(g)b" */
    BNORM_PANEL_DROPPED, /* info.dropped: terms left out */
    BNORM_PANEL_NETWORK, /* info.networks: "nn1", ... */
    BNORM_PANEL_INPUT,   /* info.inputs: what marginal effects are taken of */
    BNORM_PANEL_FACTOR,  /* info.factors: "id", "id^year", "id[[x]]" */
    BNORM_PANEL_REASON   /* info.dropped: why they were: "explained by the fixed effects" */
} bnorm_panel_part;

/* Name k of a part; NULL outside. */
BNORM_API const char *bnorm_panel_name(const bnorm_panel *panel, bnorm_panel_part part,
                                       ptrdiff_t k);
BNORM_API const char *bnorm_panel_formula(const bnorm_panel *panel);
BNORM_API const char *bnorm_panel_target_name(const bnorm_panel *panel);

/* The rows in use, by their numbers in the table, ascending: info.rows of them; NULL when the model
 * comes from a file. */
BNORM_API const ptrdiff_t *bnorm_panel_rows(const bnorm_panel *panel);

BNORM_API const double *bnorm_panel_coefficients(const bnorm_panel *panel); /* theta */

/* The theta of each member of a bag (members x info.linear, row by row), whose spread is a bootstrap
 * standard error; NULL, and *members 0, without a bag. members may be NULL. */
BNORM_API const double *bnorm_panel_members(const bnorm_panel *panel, ptrdiff_t *members);

/* The hidden layers of a network, and in *top (or NULL) its G2, an entry for each of its outputs;
 * NULL outside. After a bag the networks of member b are b * info.networks + k, and their G2 are
 * divided by the number of members. Valid until the next fit. */
BNORM_API bnorm_net *bnorm_panel_net(bnorm_panel *panel, ptrdiff_t k, const double **top);

/* Fixed effects: how many levels factor k has, their names, and the effect of each (of a slope: its
 * coefficient). What several factors share is divided as bnorm_within_effects says. */
BNORM_API ptrdiff_t bnorm_panel_levels(const bnorm_panel *panel, ptrdiff_t factor);
BNORM_API const char *bnorm_panel_level_name(const bnorm_panel *panel, ptrdiff_t factor,
                                             ptrdiff_t level);
BNORM_API const double *bnorm_panel_effects(const bnorm_panel *panel, ptrdiff_t factor);

/* Fitted values and residuals y - fitted of the rows in use: info.rows each, either may be NULL.
 * Logistic: probabilities.
 * Errors: ARGUMENT (not fitted, or without rows), MEMORY. */
BNORM_API bnorm_status bnorm_panel_residuals(bnorm_ctx *ctx, const bnorm_panel *panel,
                                             double *fitted, double *residuals);

/* What is predicted for a row whose level of a fixed effect was not in training. */
typedef enum bnorm_new_level {
    BNORM_NEW_ERROR,
    BNORM_NEW_NAN,
    BNORM_NEW_ZERO /* without an effect of its own: with the mean one of the rows in training */
} bnorm_new_level;

/* Predictions for rows of any table, in the unit of the target as the formula writes it; logistic:
 * probabilities. A row's prediction does not depend on other rows, to the bit; NaN for one with a
 * missing value. mean: count.
 * se: count, the standard error of the mean response, or NULL; it needs a vcov of this model, which
 *   may be NULL otherwise, and, with a full one, the model's rows. It contains what the errors of
 *   the parameters do to the fixed effects (effects are means of y less what the parameters
 *   explain). What the effects' own errors add is in it with a classical vcov and one constant
 *   effect alone, then as in lm() with dummies; otherwise the errors are conditional on the means
 *   of the levels.
 * Errors: DATA (a new level, with BNORM_NEW_ERROR; a level of a factor() unseen in training; a term
 *   that is not finite: bnorm_panel_screen tells these rows beforehand), ARGUMENT, MEMORY. */
BNORM_API bnorm_status bnorm_panel_predict(bnorm_ctx *ctx, bnorm_panel *panel,
                                           const bnorm_vcov *vcov, const bnorm_table *table,
                                           const ptrdiff_t *rows, ptrdiff_t count,
                                           bnorm_new_level new_level, double *mean, double *se);

/* Judges each row of a table: kinds[i] (length bnorm_table_rows) becomes a bnorm_row. with_target
 * 0: the target does not count.
 * Errors: ARGUMENT, DATA (unknown column, cell that is not a number or not finite), MEMORY. */
BNORM_API bnorm_status bnorm_panel_screen(bnorm_ctx *ctx, bnorm_panel *panel,
                                          const bnorm_table *table, int with_target,
                                          unsigned char *kinds);

/* Compares the gradient of the loss that is left when the top layer is solved for, in every hidden
 * parameter (at most `entries` of each block, drawn by seed; 0: all), with difference quotients, as
 * bnorm_net_check does. The target is moved at random first: at a minimum every gradient is zero.
 * Blocks are named "nn1.G1", ...; the model may or may not be fitted, and is left as it was.
 * report: *blocks entries. *blocks: the room in it, then the number of blocks, which is all that
 *   happens with report NULL; 0 without networks.
 * Errors: CHECK (a block is not ok; report is complete), ARGUMENT (no rows, too little room,
 *   dropout), those of bnorm_panel_fit. */
BNORM_API bnorm_status bnorm_panel_check(bnorm_ctx *ctx, bnorm_panel *panel, uint64_t seed,
                                         ptrdiff_t entries, bnorm_check_block *report,
                                         ptrdiff_t *blocks);

/* The design at the present parameters: Q[P, V] (full 0: rows x (linear + top)), or the Jacobian of
 * Q yhat in all parameters (full 1: rows x (linear + top + hidden); the hidden ones network by
 * network, each in the order of bnorm_net_parameters, and the statistics of normalisation move with
 * them). Either layout.
 * Errors: ARGUMENT (not fitted, without rows; full: dropout), DATA (a full Jacobian of more than 2
 *   GiB), MEMORY. */
BNORM_API bnorm_status bnorm_panel_design(bnorm_ctx *ctx, bnorm_panel *panel, int full,
                                          bnorm_mat_f64 design);

/* ------------------------------------------------------------ covariances of structured models */

/* How the covariance of the parameters of a structured model is estimated, with E the residuals, J
 * the design and k the parameters: those of the design that are identified, and absorbed effects.
 * All of them are (J'omega J + Lambda)^-1 meat (J'omega J + Lambda)^-1, Lambda the penalties
 * (Gauss and Newton's matrix: second derivatives of networks times residuals are left out); they
 * say how estimates vary, not how far penalties pull them. Weights are analytic, as those of R's
 * lm(): errors have variance sigma^2/omega, scores are omega_i E_i J_i, and n here is the number of
 * rows, so the unit of the weights does not matter. Logistic: the Hessian J'diag(omega p(1-p))J
 * stands for J'omega J, and sigma is 1. */
typedef enum bnorm_vcov_type {
    BNORM_VCOV_CLASSICAL, /* equal variances: sigma^2 = sum omega E^2/(n - k) */
    BNORM_VCOV_HC0,       /* White's, for errors of unequal variances */
    BNORM_VCOV_HC1,       /* the same times n/(n - k) */
    BNORM_VCOV_CLUSTER    /* errors may be correlated within clusters, of one or two kinds:
                             meat = sum over clusters of (sum of scores)(sum of scores)'; of two
                             kinds V_a + V_b - V_ab, ab the pairs (Cameron, Gelbach and Miller
                             2011), without its negative part, if it has one (see clipped) */
} bnorm_vcov_type;

/* Which absorbed effects k counts in the factor of clusters. */
typedef enum bnorm_vcov_count {
    BNORM_COUNT_NESTED, /* all but those of factors whose levels each lie in one cluster; of them
                           only the constant (reghdfe, fixest, Stata's xtreg) */
    BNORM_COUNT_NONE,   /* none (plm's "sss") */
    BNORM_COUNT_ALL     /* all (lm() with dummies, sandwich::vcovCL) */
} bnorm_vcov_count;

typedef struct bnorm_vcov_options {
    size_t struct_size;
    bnorm_vcov_type type; /* CLASSICAL */
    /* A fixed effect of the model, or a column of the table; [0] NULL: the unit; [1] NULL: one
     * way. */
    const char *cluster[2];
    /* 0: the design of the top layer, with the hidden layers as they are; 1: the full Jacobian. */
    int full;
    /* 1: G clusters get the factor G/(G-1) (n-1)/(n-k), each of the three of two kinds its own G;
     * HC1 as above. 0: none (Arellano 1987). */
    int small;
    bnorm_vcov_count count; /* NESTED */
} bnorm_vcov_options;

BNORM_API void bnorm_vcov_defaults(bnorm_vcov_options *options);

/* The covariance of the parameters of a fitted model. Holds its own numbers: the model may go.
 * table: where columns that are clusters come from: as many rows as the one given to
 *   bnorm_panel_create; or NULL.
 * Directions that the design does not identify (a singular value of at most 1e-8 of the largest,
 *   columns scaled to length 1), such as the length of a column of G1 before a normalisation, are
 *   left out, never inverted, and named: bnorm_vcov_unidentified.
 * Errors: ARGUMENT (not fitted, without rows, a bag, an option; full: dropout), DATA (a cluster with
 *   one level, missing or unknown; a full Jacobian of more than 2 GiB), DOMAIN (no degrees of
 *   freedom), MEMORY. */
BNORM_API bnorm_status bnorm_vcov_create(bnorm_ctx *ctx, bnorm_panel *panel,
                                         const bnorm_table *table,
                                         const bnorm_vcov_options *options, bnorm_vcov **vcov);
BNORM_API void bnorm_vcov_destroy(bnorm_vcov *vcov); /* accepts NULL */

typedef struct bnorm_vcov_info {
    size_t struct_size;
    bnorm_vcov_type type;
    int full;
    ptrdiff_t parameters;   /* of the design: linear + top, with full + hidden */
    ptrdiff_t rank;         /* directions that are identified */
    ptrdiff_t unidentified; /* those that are not */
    ptrdiff_t clusters[2];  /* with rows */
    ptrdiff_t clipped;      /* of two kinds: directions of negative variance, set to 0 */
    /* Effective parameters: sum of s^2/(s^2 + lambda) over the singular values of the design; the
     * rank without penalties. */
    double edf;
    double df;    /* of t: n - rank - absorbed, or the fewest clusters less 1 */
    double sigma; /* sqrt(sum omega E^2/(n - rank - absorbed)); logistic: 1 */
} bnorm_vcov_info;

/* Errors: ARGUMENT (something is NULL). */
BNORM_API bnorm_status bnorm_vcov_describe(const bnorm_vcov *vcov, bnorm_vcov_info *info);

/* Direction k that is not identified, by the parameter with the largest part in it: "nn1.G1:
 * direction of column 3", "nn1.top: entry 2", or a linear term; NULL outside. */
BNORM_API const char *bnorm_vcov_unidentified(const bnorm_vcov *vcov, ptrdiff_t k);
/* The name of cluster k = 0, 1; NULL when there is none. */
BNORM_API const char *bnorm_vcov_cluster(const bnorm_vcov *vcov, int k);

/* The covariance of theta (linear x linear), and of all parameters of the design (parameters x
 * parameters, in its order); NaN in rows and columns of parameters that are not identified.
 * Errors: ARGUMENT. */
BNORM_API bnorm_status bnorm_vcov_linear(const bnorm_vcov *vcov, bnorm_mat_f64 cov);
BNORM_API bnorm_status bnorm_vcov_all(const bnorm_vcov *vcov, bnorm_mat_f64 cov);

/* The values of variable `input` (BNORM_PANEL_INPUT) in the rows in use, in its unit: info.rows.
 * Errors: ARGUMENT (also without rows). */
BNORM_API bnorm_status bnorm_panel_values(bnorm_ctx *ctx, const bnorm_panel *panel,
                                          ptrdiff_t input, double *values);

/* Average marginal effects of the variables: (1/sum omega) sum omega dyhat/dx, linear term and
 * networks together, statistics of normalisation as in inference; logistic: of the probability. A
 * variable is a column of the design: log(z), not z. estimate: info.inputs.
 * se: info.inputs, by the delta method, in theta and G2 or, with a full vcov, all parameters; or
 *   NULL. Their gradients in hidden parameters are differences of exact ones, right to 1e-9; for
 *   relu and leaky_relu, whose slopes jump, those of the effect averaged over a band of
 *   rows^(-1/5) standard deviations. NaN where the effect is not identified.
 * vcov: of this model; NULL without se.
 * Errors: ARGUMENT, MEMORY. */
BNORM_API bnorm_status bnorm_panel_margins(bnorm_ctx *ctx, bnorm_panel *panel,
                                           const bnorm_vcov *vcov, double *estimate,
                                           double *se);

/* effect[j] = the weighted mean over the rows of what the model predicts with variable `input` set
 * to at[j], less that mean as it is; fixed effects cancel. se as above (exact gradients); or NULL.
 * Errors: ARGUMENT, MEMORY. */
BNORM_API bnorm_status bnorm_panel_profile(bnorm_ctx *ctx, bnorm_panel *panel,
                                           const bnorm_vcov *vcov, ptrdiff_t input,
                                           ptrdiff_t count, const double *at, double *effect,
                                           double *se);
/* A candidate of bnorm_panel_cv: what it has in place of the options. */
typedef struct bnorm_panel_candidate {
    const ptrdiff_t *hidden;
    ptrdiff_t layers; /* 0: the formula without its nn() */
    double penalty, penalty_top;
} bnorm_panel_candidate;

/* Cross-validation: fits every candidate to all but each of the folds, and takes the root of the
 * mean squared error (weighted) of the rows of the fold: rmse, count x folds. Folds are whole units
 * (drawn by fit.seed; rows where there are none), rows (likewise), or consecutive periods.
 * Effects of units that are held out are unknown, so with folds of units errors are taken after
 * projecting inside the fold; otherwise effects are those of the other rows, and the mean effect
 * for levels that these do not have. Levels, scales and terms left out are those of all rows.
 * *best: the candidate with the lowest mean. A fit that diverges has the error inf.
 * The progress function is that of one fit after another; what an interruption left undone is NaN.
 * Errors: those of bnorm_panel_create and bnorm_panel_fit; ARGUMENT (also more folds than units,
 *   periods or rows; bags). */
BNORM_API bnorm_status bnorm_panel_cv(bnorm_ctx *ctx, const char *formula,
                                      const bnorm_table *table, const double *weights,
                                      const bnorm_panel_options *options,
                                      const bnorm_panel_fit_options *fit, bnorm_hold by,
                                      ptrdiff_t folds, const bnorm_panel_candidate *candidates,
                                      ptrdiff_t count, double *rmse, ptrdiff_t *best);

/* Writes a fitted model as a safetensors file (as bnorm_model_save does: whole or not at all), and
 * reads one. A loaded model predicts and tells all there is to know in numbers and names; it has no
 * rows: bnorm_panel_fit, bnorm_panel_residuals and what else needs them are refused.
 * vcov: a covariance of the model that goes with it, or NULL; what is loaded: NULL when the file has
 *   none. Its pointer may be NULL.
 * Errors: ARGUMENT (not fitted; an activation of the caller's own), NONFINITE, IO, FORMAT (the
 *   message says what is wrong; a file of bnorm_model_save is not one of these), MEMORY. */
BNORM_API bnorm_status bnorm_panel_save(bnorm_ctx *ctx, bnorm_panel *panel,
                                        const bnorm_vcov *vcov, const char *path);
BNORM_API bnorm_status bnorm_panel_load(bnorm_ctx *ctx, const char *path, bnorm_panel **panel,
                                        bnorm_vcov **vcov);

/* ---------------------------------------------------------------------------- reference */

/* maths.md section 4 built literally: slow, in double, for small sizes. The ground truth of the
 * fast functions, and something to print and look at. Matrices of one call may have different
 * layouts here. A matrix, given or built on the way, of more than BNORM_REFERENCE_LIMIT
 * elements is refused with ARGUMENT, and so are sizes whose product overflows. */
#define BNORM_REFERENCE_LIMIT 4194304

/* out = vec(a): the columns of a, one below the other; rows * cols values.
 * Errors: ARGUMENT. */
BNORM_API bnorm_status bnorm_vec_f64(bnorm_ctx *ctx, bnorm_mat_f64 a, double *out);

/* out = a (x) b, the Kronecker product: block (i,j) is a_ij b. out: (a.rows b.rows) x (a.cols
 * b.cols).
 * Errors: ARGUMENT. */
BNORM_API bnorm_status bnorm_kron_f64(bnorm_ctx *ctx, bnorm_mat_f64 a, bnorm_mat_f64 b,
                                      bnorm_mat_f64 out);

/* out = a * b, the column-wise Khatri-Rao product: column j is a_j (x) b_j. out: (a.rows
 * b.rows) x cols, where a and b have cols columns each.
 * Errors: ARGUMENT. */
BNORM_API bnorm_status bnorm_khatri_rao_f64(bnorm_ctx *ctx, bnorm_mat_f64 a, bnorm_mat_f64 b,
                                            bnorm_mat_f64 out);

/* out = K, rows cols x rows cols: the commutation matrix, K vec(A) = vec(A') for every A that
 * is rows x cols.
 * Errors: ARGUMENT. */
BNORM_API bnorm_status bnorm_commutation_f64(bnorm_ctx *ctx, ptrdiff_t rows, ptrdiff_t cols,
                                             bnorm_mat_f64 out);

/* N rows of Z, p2 columns, p1 columns of X; e is a column of ones, omega the weights. */
typedef enum bnorm_jacobian_kind {
    BNORM_JACOBIAN_BETA,  /* N p2 x p2: I (x) e */
    BNORM_JACOBIAN_GAMMA, /* N p2 x p2: I * zhat, column-wise Khatri-Rao */
    BNORM_JACOBIAN_Z,     /* N p2 x N p2: blockdiag_j (gamma_j rstd_j)
                             (I - e omega'/n - zhat_j (omega zhat_j)'/M) */
    BNORM_JACOBIAN_G1     /* N p2 x p1 p2: J_z (I (x) X) */
} bnorm_jacobian_kind;

/* The Jacobian of vec(B), B = bnorm_forward(X G1), in beta, gamma, vec(Z) or vec(G1)': the
 * gradient of any R is J' vec(dR/dB). x: N x p1. g1: p1 x p2, or absent (data NULL): Z is x
 * then (not for G1). weights: N or NULL. gamma: p2 or NULL. out: as above.
 * Errors: ARGUMENT (also a kind, weight or rule out of range), DOMAIN (n - ddof <= 0),
 *   MEMORY. */
BNORM_API bnorm_status bnorm_jacobian_f64(bnorm_ctx *ctx, bnorm_jacobian_kind kind,
                                          bnorm_mat_f64 x, bnorm_mat_f64 g1,
                                          const double *weights, const double *gamma,
                                          bnorm_rule rule, bnorm_mat_f64 out);

/* The network of the question that bnorm answers (maths.md section 3, docs/answer.md):
 * yhat = a(b(X G1)) G2 with a = relu, and R = sum (y - yhat)^2 / N. */
typedef struct bnorm_question {
    bnorm_mat_f64 x, g1;             /* N x p1, p1 x p2 */
    const double *gamma, *beta, *g2; /* p2 each */
    const double *y;                 /* N */
} bnorm_question;

typedef enum bnorm_question_method {
    BNORM_QUESTION_KRONECKER, /* J' vec(W), with the Jacobians above */
    BNORM_QUESTION_WEIGHTS,   /* weight space, W1-W4: no pass over Z */
    BNORM_QUESTION_COMPLEX,   /* complex step: Im R(t + ih)/h, exact to rounding, no algebra */
    BNORM_QUESTION_CENTRAL    /* (R(t + h) - R(t - h))/2h: right to a few parts in 1e9 */
} bnorm_question_method;

/* The gradient of R. dbeta, dgamma, dg2: p2 each; dg1: p1 x p2.
 * Errors: ARGUMENT (also a method or rule out of range), DOMAIN, MEMORY. */
BNORM_API bnorm_status bnorm_question_gradient(bnorm_ctx *ctx, const bnorm_question *question,
                                               bnorm_rule rule, bnorm_question_method method,
                                               double *dbeta, double *dgamma, bnorm_mat_f64 dg1,
                                               double *dg2);

/* The formulas of the question, under the names of its code. */
typedef enum bnorm_question_formula {
    BNORM_QUESTION_DRDB,       /* 1 x p2: 1' stub */
    BNORM_QUESTION_LOOP_DRDB,  /* 1 x p2: the loop, which takes x_i g1[i,] for X G1 */
    BNORM_QUESTION_DRDG1,      /* p1 x p2: X' (stub . w), w = gamma sigma */
    BNORM_QUESTION_LOOP_DRDG1, /* p1 x p2: x_i' diag(w_j) stub_j */
    BNORM_QUESTION_DRDG,       /* p2 x p2: zhat' (stub . gamma) */
    BNORM_QUESTION_LOOP_DRDG   /* 1 x p2: its diagonal */
} bnorm_question_formula;

/* What can be mended in them; with all of it DRDB, DRDG1, LOOP_DRDG1, the diagonal of DRDG and
 * LOOP_DRDG are the gradient. */
enum {
    BNORM_REPAIR_MASK = 1,    /* a' of relu for `ap`, which is 1 everywhere */
    BNORM_REPAIR_MEAN = 2,    /* the 1/N of R */
    BNORM_REPAIR_FACTOR = 4,  /* w = gamma/sigma for gamma sigma; no gamma in drdg */
    BNORM_REPAIR_MU = 8,      /* drdG1: mu moves with G1 */
    BNORM_REPAIR_SIGMA = 16,  /* drdG1: sigma moves with G1 */
    BNORM_REPAIR_NETWORK = 32 /* loop_drdb: X G1, the network's own */
};

/* A formula of the question as it was written (repairs 0; its scale() and sd() are the rule
 * {0, 1}) or mended (a sum of repairs). Its u is y - yhat. out: as above.
 * Errors: ARGUMENT (also a formula, repairs or rule out of range), DOMAIN, MEMORY. */
BNORM_API bnorm_status bnorm_question_evaluate(bnorm_ctx *ctx, const bnorm_question *question,
                                               bnorm_rule rule, bnorm_question_formula formula,
                                               int repairs, bnorm_mat_f64 out);

#ifdef __cplusplus
}
#endif
#endif
