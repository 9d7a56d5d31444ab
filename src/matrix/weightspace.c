/* weightspace: (W1)-(W4), and for columns whose variance cancels the way of (B1)-(B3), with z
 * made from centred X. Whether a column cancels is a function of G1, S and v + eps alone.
 * Theorems: W1_moments, W2_dgamma, W3_is_X_dz, W3_is_derivative, W4_folded, W3_shifted. */
#include "matrix/weightspace.h"

#include <math.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/threads.h"
#include "matrix/blas.h"
#include "matrix/centred.h"
#include "matrix/moments.h"

/* ------------------------------------------------------------------------------- algebra */

enum { STRIP = 64 }; /* columns of S G1 a task */

typedef struct gram_product {
    const bnorm_gram *gram;
    ptrdiff_t cols;
    const double *g1;
    double *sg;
} gram_product;

static void gram_task(void *argument, ptrdiff_t k)
{
    const gram_product *p = argument;
    ptrdiff_t first = k * STRIP, width = p->cols - first < STRIP ? p->cols - first : STRIP;
    ptrdiff_t p1 = p->gram->cols;
    bnorm_gemm_f64(0, 0, p1, width, p1, 1, p->gram->s, p1, p->g1 + first, p->cols, 0,
                   p->sg + first, p->cols);
}

void bnorm_gram_times(bnorm_ctx *ctx, const bnorm_gram *gram, ptrdiff_t cols, const double *g1,
                      double *sg)
{
    gram_product p = {gram, cols, g1, sg};
    double work = (double)gram->cols * (double)gram->cols * (double)cols;
    int held = bnorm_blas_hold();
    bnorm_parallel(work < 1e6 ? NULL : ctx, (cols + STRIP - 1) / STRIP, gram_task, &p);
    bnorm_blas_release(held);
}

void bnorm_gram_moments(const bnorm_gram *gram, ptrdiff_t cols, const double *g1,
                        const double *sg, double *mean, double *v, double *least)
{
    for (ptrdiff_t j = 0; j < cols; j++) mean[j] = v[j] = least[j] = 0;
    for (ptrdiff_t k = 0; k < gram->cols; k++) {
        const double *g = g1 + k * cols, *h = sg + k * cols;
        double xbar = gram->xbar[k], rest = gram->xbar[gram->cols + k],
               spread = sqrt(gram->s[k * gram->cols + k]);
        for (ptrdiff_t j = 0; j < cols; j++) {
            mean[j] += xbar * g[j] + rest * g[j];
            v[j] += g[j] * h[j];
            least[j] += fabs(g[j]) * spread;
        }
    }
    double loss = BNORM_GRAM_LOSS * (double)gram->cols;
    for (ptrdiff_t j = 0; j < cols; j++) {
        least[j] = least[j] * least[j] / loss;
        if (v[j] < 0) v[j] = 0;
    }
}

void bnorm_gram_shift(const bnorm_gram *gram, ptrdiff_t cols, const double *f, double *shift)
{
    const double *rest = gram->xbar + gram->cols;
    for (ptrdiff_t k = 0; k < gram->cols; k++)
        for (ptrdiff_t j = 0; j < cols; j++) shift[j] -= rest[k] * f[k * cols + j];
}

void bnorm_gram_centre(const bnorm_gram *gram, ptrdiff_t cols, const double *dbeta, double *g)
{
    const double *rest = gram->xbar + gram->cols;
    for (ptrdiff_t k = 0; k < gram->cols; k++)
        for (ptrdiff_t j = 0; j < cols; j++) g[k * cols + j] -= rest[k] * dbeta[j];
}

void bnorm_gram_dgamma(const bnorm_gram *gram, ptrdiff_t cols, const double *g1,
                       const double *rstd, const double *g, double *dgamma)
{
    for (ptrdiff_t j = 0; j < cols; j++) dgamma[j] = 0;
    for (ptrdiff_t k = 0; k < gram->cols * cols; k += cols)
        for (ptrdiff_t j = 0; j < cols; j++) dgamma[j] += g1[k + j] * g[k + j];
    for (ptrdiff_t j = 0; j < cols; j++) dgamma[j] *= rstd[j];
}

void bnorm_gram_gradient(const bnorm_gram *gram, ptrdiff_t cols, const double *sg,
                         const double *rstd, const double *scale, const double *dgamma,
                         double *g)
{
    for (ptrdiff_t k = 0; k < gram->cols * cols; k += cols)
        for (ptrdiff_t j = 0; j < cols; j++)
            g[k + j] = scale[j] * (g[k + j] - sg[k + j] * (rstd[j] * dgamma[j]));
}

/* ---------------------------------------------------------------------------------- calls */

/* What both directions share. g, sg: p1 x p2; `plain` lists the columns that go the ordinary way.
 */
typedef struct weight_space {
    const bnorm_view *x, *g1, *b; /* b: B or W */
    const bnorm_gram *gram;
    const void *gamma;
    double *g, *sg, *product, *scale, *mean, *v, *least, *sums;
    ptrdiff_t *plain, plain_count;
    double *memory;
} weight_space;

static bnorm_status check(bnorm_ctx *ctx, const weight_space *w, const char *b_name)
{
    const bnorm_view *x = w->x, *g1 = w->g1, *b = w->b;
    BNORM_TRY(bnorm_check_view(ctx, x, "x"));
    BNORM_TRY(bnorm_check_view(ctx, g1, "g1"));
    BNORM_TRY(bnorm_check_view(ctx, b, b_name));
    BNORM_TRY(bnorm_check_pointer(ctx, w->gram, "gram"));
    if (g1->layout != x->layout || b->layout != x->layout)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "x, g1 and %s must have the same layout",
                          b_name);
    if (w->gram->rows != x->rows || w->gram->cols != x->cols)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "the gram is of a matrix of %td x %td and x is %td x %td",
                          w->gram->rows, w->gram->cols, x->rows, x->cols);
    if (g1->rows != x->cols || b->rows != x->rows || b->cols != g1->cols)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "x is %td x %td, g1 %td x %td and %s %td x %td; they must be N x p1, "
                          "p1 x p2 and N x p2",
                          x->rows, x->cols, g1->rows, g1->cols, b_name, b->rows, b->cols);
    BNORM_TRY(bnorm_check_blas(ctx, x->cols, "the number of columns of x"));
    BNORM_TRY(bnorm_check_blas(ctx, g1->cols, "the number of columns of g1"));
    if (x->cols > 0) {
        BNORM_TRY(bnorm_check_pointer(ctx, w->gram->xbar, "xbar of the gram"));
        BNORM_TRY(bnorm_check_pointer(ctx, w->gram->s, "s of the gram"));
    }
    return bnorm_check_blas(ctx, b->ld, "a leading dimension");
}

/* g = G1, whatever its layout. */
static void take_weights(const bnorm_view *g1, double *g)
{
    for (ptrdiff_t k = 0; k < g1->rows; k++) {
        if (g1->layout == BNORM_ROW_MAJOR)
            g1->k->widen(g1->cols, bnorm_view_at(g1, k, 0), g + k * g1->cols);
        for (ptrdiff_t j = 0; g1->layout != BNORM_ROW_MAJOR && j < g1->cols; j++)
            g1->k->widen(1, bnorm_view_at(g1, k, j), g + k * g1->cols + j);
    }
}

static bnorm_status open(bnorm_ctx *ctx, weight_space *w)
{
    ptrdiff_t cols = w->g1->cols, size, total;
    if (bnorm_multiply(w->g1->rows, cols, &size) && bnorm_multiply(3, size, &total) &&
        !__builtin_add_overflow(total, 6 * cols, &total))
        w->memory = bnorm_alloc(ctx, total, sizeof *w->memory);
    if (!w->memory) return bnorm_fail_memory(ctx, "the columns of g1");
    w->g = w->memory;
    w->sg = w->g + size;
    w->product = w->sg + size; /* sums comes right after it */
    w->sums = w->product + size;
    w->scale = w->sums + cols;
    w->mean = w->scale + cols;
    w->v = w->mean + cols;
    w->least = w->v + cols;
    w->plain = (ptrdiff_t *)(w->least + cols);
    take_weights(w->g1, w->g);
    bnorm_gram_times(ctx, w->gram, cols, w->g, w->sg);
    bnorm_gram_moments(w->gram, cols, w->g, w->sg, w->mean, w->v, w->least);
    bnorm_widen(w->g1, w->gamma, 1, (bnorm_range){0, cols}, w->scale);
    return BNORM_OK;
}

static bnorm_view column_of(const bnorm_view *v, ptrdiff_t j)
{
    bnorm_view column = *v;
    column.data = bnorm_view_at(v, 0, j);
    column.cols = 1;
    return column;
}

/* Entry j of a vector of the view's precision. */
static void *entry(const bnorm_view *v, const void *vector, ptrdiff_t j)
{
    return vector ? (char *)vector + j * (ptrdiff_t)v->k->size : NULL;
}

/* -------------------------------------------------------------------------------- forward */

static bnorm_status forward_column(bnorm_ctx *ctx, const weight_space *w, const void *beta,
                                   double eps, ptrdiff_t j, double *mean, double *rstd)
{
    bnorm_view z = column_of(w->b, j);
    bnorm_rule rule = {eps, w->gram->ddof};
    const void *gamma = entry(&z, w->gamma, j), *shift = entry(&z, beta, j);
    if (z.k->size == sizeof(double))
        return bnorm_forward_f64(ctx, bnorm_mat_of_f64(&z), w->gram->weights, gamma, shift,
                                 rule, bnorm_mat_of_f64(&z), mean, rstd);
    return bnorm_forward_f32(ctx, bnorm_mat_of_f32(&z), w->gram->weights, gamma, shift, rule,
                             bnorm_mat_of_f32(&z), mean, rstd);
}

/* (W4), and z itself in columns that go the ordinary way. */
static void fold(weight_space *w, const void *beta, double eps, double *rstd)
{
    ptrdiff_t cols = w->g1->cols;
    double *shift = w->sums;
    bnorm_widen(w->g1, beta, 0, (bnorm_range){0, cols}, shift);
    for (ptrdiff_t j = 0; j < cols; j++) {
        rstd[j] = bnorm_rstd(w->v[j], eps);
        w->scale[j] *= rstd[j];
        if (!(w->v[j] + eps < w->least[j])) continue;
        w->plain[w->plain_count++] = j;
        w->scale[j] = 1;
        shift[j] = 0;
    }
    for (ptrdiff_t k = 0; k < w->g1->rows; k++)
        for (ptrdiff_t j = 0; j < cols; j++)
            w->product[k * cols + j] = w->g[k * cols + j] * w->scale[j];
    bnorm_gram_shift(w->gram, cols, w->product, shift);
}

static bnorm_status forward(bnorm_ctx *ctx, weight_space w, const void *beta, double eps,
                            double *mean, double *rstd)
{
    BNORM_TRY(check(ctx, &w, "b"));
    BNORM_TRY(bnorm_check_number(ctx, eps, "eps"));
    if (w.g1->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, mean, "mean"));
    BNORM_TRY(bnorm_check_pointer(ctx, rstd, "rstd"));
    BNORM_TRY(open(ctx, &w));
    fold(&w, beta, eps, rstd);
    bnorm_centred xc = {w.x, w.gram->xbar};
    bnorm_status status = bnorm_centred_times(ctx, &xc, w.product, w.sums, w.b);
    for (ptrdiff_t j = 0; j < w.g1->cols; j++) mean[j] = w.mean[j];
    for (ptrdiff_t k = 0; k < w.plain_count && status == BNORM_OK; k++) {
        ptrdiff_t j = w.plain[k];
        status = forward_column(ctx, &w, beta, eps, j, mean + j, rstd + j);
        mean[j] += w.mean[j]; /* z was measured from xbar'g */
    }
    bnorm_free(w.memory);
    return status;
}

bnorm_status bnorm_dense_forward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 g1,
                                     const bnorm_gram *gram, const double *gamma,
                                     const double *beta, double eps, bnorm_mat_f64 b,
                                     double *mean, double *rstd)
{
    bnorm_view vx = bnorm_view_of_f64(x), vg = bnorm_view_of_f64(g1), vb = bnorm_view_of_f64(b);
    weight_space w = {.x = &vx, .g1 = &vg, .b = &vb, .gram = gram, .gamma = gamma};
    return forward(ctx, w, beta, eps, mean, rstd);
}

bnorm_status bnorm_dense_forward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 g1,
                                     const bnorm_gram *gram, const float *gamma,
                                     const float *beta, double eps, bnorm_mat_f32 b,
                                     double *mean, double *rstd)
{
    bnorm_view vx = bnorm_view_of_f32(x), vg = bnorm_view_of_f32(g1), vb = bnorm_view_of_f32(b);
    weight_space w = {.x = &vx, .g1 = &vg, .b = &vb, .gram = gram, .gamma = gamma};
    return forward(ctx, w, beta, eps, mean, rstd);
}

/* ------------------------------------------------------------------------------- backward */

/* (B2), (B3) of one column: z becomes dz. */
static bnorm_status backward_column(bnorm_ctx *ctx, const weight_space *w, const bnorm_view *z,
                                    ptrdiff_t j, double rstd, double *dgamma)
{
    bnorm_view db = column_of(w->b, j);
    bnorm_rule rule = {0, w->gram->ddof};
    const double *weights = w->gram->weights;
    const void *gamma = entry(&db, w->gamma, j);
    double n, mean, m2;
    if (z->k->size == sizeof(double)) {
        bnorm_mat_f64 m = bnorm_mat_of_f64(z);
        BNORM_TRY(bnorm_moments_f64(ctx, m, weights, &n, &mean, &m2));
        return bnorm_backward_f64(ctx, m, bnorm_mat_of_f64(&db), weights, gamma, &mean, &rstd,
                                  rule, m, dgamma, NULL);
    }
    float d = 0;
    bnorm_mat_f32 m = bnorm_mat_of_f32(z);
    BNORM_TRY(bnorm_moments_f32(ctx, m, weights, &n, &mean, &m2));
    BNORM_TRY(bnorm_backward_f32(ctx, m, bnorm_mat_of_f32(&db), weights, gamma, &mean, &rstd,
                                 rule, m, &d, NULL));
    *dgamma = (double)d;
    return BNORM_OK;
}

/* z of the plain columns, in order, becomes dz, and w->product their Xc'dz. */
static bnorm_status plain_gradient(bnorm_ctx *ctx, weight_space *w, const double *rstd,
                                   bnorm_view *z, double *g, double *dgamma)
{
    ptrdiff_t count = w->plain_count, cols = w->g1->cols;
    bnorm_centred xc = {w->x, w->gram->xbar};
    for (ptrdiff_t i = 0; i < w->g1->rows; i++)
        for (ptrdiff_t k = 0; k < count; k++) g[i * count + k] = w->g[i * cols + w->plain[k]];
    BNORM_TRY(bnorm_centred_times(ctx, &xc, g, NULL, z));
    for (ptrdiff_t k = 0; k < count; k++) {
        bnorm_view column = column_of(z, k);
        ptrdiff_t j = w->plain[k];
        BNORM_TRY(backward_column(ctx, w, &column, j, rstd[j], dgamma + j));
    }
    BNORM_TRY(bnorm_centred_cross(ctx, &xc, z, NULL, g, NULL));
    BNORM_TRY(bnorm_reduce(ctx, g, w->g1->rows * count));
    for (ptrdiff_t i = 0; i < w->g1->rows; i++)
        for (ptrdiff_t k = 0; k < count; k++)
            w->product[i * cols + w->plain[k]] = g[i * count + k];
    return BNORM_OK;
}

static bnorm_status plain_columns(bnorm_ctx *ctx, weight_space *w, const double *rstd,
                                  double *dgamma)
{
    if (w->plain_count == 0) return BNORM_OK;
    bnorm_view z = *w->b;
    ptrdiff_t values, weights;
    z.cols = w->plain_count;
    z.ld = z.layout == BNORM_ROW_MAJOR ? z.cols : z.rows;
    char *data = NULL;
    double *g = NULL;
    if (bnorm_multiply(z.rows, z.cols, &values) &&
        bnorm_multiply(w->g1->rows, z.cols, &weights)) {
        z.data = data = bnorm_alloc(ctx, values, z.k->size);
        g = bnorm_alloc(ctx, weights, sizeof *g);
    }
    bnorm_status status = data && g ? plain_gradient(ctx, w, rstd, &z, g, dgamma)
                                    : bnorm_fail_memory(ctx, "columns of z");
    bnorm_free(data);
    bnorm_free(g);
    return status;
}

/* Outputs of the caller's precision and layout. */
static void give(const weight_space *w, const bnorm_view *dg1, const double *dgamma,
                 void *dgamma_out, void *dbeta)
{
    const bnorm_kernels *k = w->g1->k;
    ptrdiff_t cols = w->g1->cols;
    if (dbeta) k->narrow(cols, w->sums, dbeta);
    if (dgamma_out) k->narrow(cols, dgamma, dgamma_out);
    for (ptrdiff_t i = 0; dg1->data && i < w->g1->rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            k->narrow(1, w->product + i * cols + j, bnorm_view_at(dg1, i, j));
}

static bnorm_status run(bnorm_ctx *ctx, weight_space *w, const double *rstd)
{
    ptrdiff_t cols = w->g1->cols, size = w->g1->rows * cols;
    double *dgamma = w->v;
    for (ptrdiff_t j = 0; j < cols; j++) {
        w->scale[j] *= rstd[j];
        if (1 / (rstd[j] * rstd[j]) < w->least[j]) w->plain[w->plain_count++] = j;
    }
    bnorm_centred xc = {w->x, w->gram->xbar};
    BNORM_TRY(bnorm_centred_cross(ctx, &xc, w->b, NULL, w->product, w->sums));
    BNORM_TRY(bnorm_reduce(ctx, w->product, size + cols));
    bnorm_gram_centre(w->gram, cols, w->sums, w->product);
    bnorm_gram_dgamma(w->gram, cols, w->g, rstd, w->product, dgamma);
    bnorm_gram_gradient(w->gram, cols, w->sg, rstd, w->scale, dgamma, w->product);
    return plain_columns(ctx, w, rstd, dgamma);
}

static bnorm_status backward(bnorm_ctx *ctx, weight_space w, const double *rstd,
                             const bnorm_view *dg1, void *dgamma, void *dbeta)
{
    BNORM_TRY(check(ctx, &w, "db"));
    BNORM_TRY(bnorm_check_divisor(ctx, w.gram->n, w.gram->ddof));
    if (dg1->data) BNORM_TRY(bnorm_check_like(ctx, dg1, "dg1", w.g1, "g1"));
    if (w.g1->cols == 0) return BNORM_OK;
    BNORM_TRY(bnorm_check_pointer(ctx, rstd, "rstd"));
    BNORM_TRY(open(ctx, &w));
    bnorm_status status = run(ctx, &w, rstd);
    if (status == BNORM_OK) give(&w, dg1, w.v, dgamma, dbeta);
    bnorm_free(w.memory);
    return status;
}

bnorm_status bnorm_dense_backward_f64(bnorm_ctx *ctx, bnorm_mat_f64 x, bnorm_mat_f64 g1,
                                      const bnorm_gram *gram, bnorm_mat_f64 db,
                                      const double *gamma, const double *rstd,
                                      bnorm_mat_f64 dg1, double *dgamma, double *dbeta)
{
    bnorm_view vx = bnorm_view_of_f64(x), vg = bnorm_view_of_f64(g1),
               vw = bnorm_view_of_f64(db), vd = bnorm_view_of_f64(dg1);
    weight_space w = {.x = &vx, .g1 = &vg, .b = &vw, .gram = gram, .gamma = gamma};
    return backward(ctx, w, rstd, &vd, dgamma, dbeta);
}

bnorm_status bnorm_dense_backward_f32(bnorm_ctx *ctx, bnorm_mat_f32 x, bnorm_mat_f32 g1,
                                      const bnorm_gram *gram, bnorm_mat_f32 db,
                                      const float *gamma, const double *rstd, bnorm_mat_f32 dg1,
                                      float *dgamma, float *dbeta)
{
    bnorm_view vx = bnorm_view_of_f32(x), vg = bnorm_view_of_f32(g1),
               vw = bnorm_view_of_f32(db), vd = bnorm_view_of_f32(dg1);
    weight_space w = {.x = &vx, .g1 = &vg, .b = &vw, .gram = gram, .gamma = gamma};
    return backward(ctx, w, rstd, &vd, dgamma, dbeta);
}
