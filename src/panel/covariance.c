/* covariance: bread and meat in the coordinates of the singular value decomposition (see the
 * header). Scores are summed in blocks of rows of one fixed size, so neither threads nor layout
 * change a bit. */
#include "panel/covariance.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "base/size.h"
#include "layer/product.h"
#include "matrix/blas.h"
#include "matrix/view.h"

enum { BLOCK = 1024 }; /* rows of scores at a time */

typedef struct work {
    bnorm_ctx *ctx;
    const covariance_request *q;
    covariance *c;
    spectrum s;
    ptrdiff_t rows, cols, rank;
    double *factor;         /* rows: omega c, then omega E */
    double *w;              /* cols x rank: J w = U */
    double *f;              /* F: rank x rank; then w F: cols x rank */
    double *meat, *part;    /* rank x rank */
    double *block, *turned; /* BLOCK x cols, BLOCK x rank */
} work;

/* ------------------------------------------------------------------------------ the bread */

static void make_w(work *k)
{
    for (ptrdiff_t j = 0; j < k->cols; j++)
        for (ptrdiff_t a = 0; a < k->rank; a++)
            k->w[j * k->rank + a] =
                k->s.vectors[a * k->cols + j] / (k->s.scale[j] * k->s.values[a]);
}

static double dot(ptrdiff_t count, const double *x, const double *y)
{
    double sum = 0;
    for (ptrdiff_t j = 0; j < count; j++) sum += x[j] * y[j];
    return sum;
}

/* Row x of vectors less its parts along the orthonormal rows, twice. */
static void leave(ptrdiff_t rows, ptrdiff_t cols, const double *basis, double *x)
{
    for (int twice = 0; twice < 2; twice++)
        for (ptrdiff_t k = 0; k < rows; k++) {
            double along = dot(cols, basis + k * cols, x);
            for (ptrdiff_t j = 0; j < cols; j++) x[j] -= along * basis[k * cols + j];
        }
}

/* The longest row from `first` on. */
static ptrdiff_t longest(ptrdiff_t first, ptrdiff_t rows, ptrdiff_t cols, const double *x,
                         double *length)
{
    ptrdiff_t best = first;
    *length = -1;
    for (ptrdiff_t k = first; k < rows; k++) {
        double square = dot(cols, x + k * cols, x + k * cols);
        if (!(sqrt(square) > *length)) continue;
        *length = sqrt(square);
        best = k;
    }
    return best;
}

/* The rows of x to orthonormal ones, the longest first; their number. What is left of a row beside
 * those before it is rounding, and no direction, where it is short beside the longest of all and
 * the largest singular value. */
static ptrdiff_t orthonormal(ptrdiff_t rows, ptrdiff_t cols, double largest, double *x)
{
    double all, left;
    (void)longest(0, rows, cols, x, &all);
    all = fmax(all, largest);
    for (ptrdiff_t have = 0; have < rows; have++) {
        double *to = x + have * cols, *from = x + longest(have, rows, cols, x, &left) * cols;
        if (!(left > BNORM_IDENTIFIED * all)) return have;
        for (ptrdiff_t j = 0; j < cols; j++) {
            double swap = to[j];
            to[j] = from[j] / left;
            if (to != from) from[j] = swap;
        }
        for (ptrdiff_t k = have + 1; k < rows; k++) leave(1, cols, to, x + k * cols);
    }
    return rows;
}

/* The square root of the penalty in the scaled parameters, along each direction: rows of `to`.
 * Those of the null space are free to follow the others. */
static void penalty_rows(const work *k, double *to)
{
    for (ptrdiff_t a = 0; a < k->cols; a++)
        for (ptrdiff_t j = 0; j < k->cols; j++)
            to[a * k->cols + j] = sqrt(k->q->penalty[j]) / k->s.scale[j] *
                                  k->s.vectors[a * k->cols + j] /
                                  (a < k->rank ? k->s.values[a] : 1);
    double *null = to + k->rank * k->cols;
    ptrdiff_t have = orthonormal(k->cols - k->rank, k->cols, k->s.values[0], null);
    for (ptrdiff_t a = 0; a < k->rank; a++) leave(have, k->cols, null, to + a * k->cols);
}

/* a = L L', in place below the diagonal; a is the identity and more, so no pivot is small. */
static void cholesky(ptrdiff_t n, double *a)
{
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j <= i; j++) {
            double rest = a[i * n + j] - dot(j, a + i * n, a + j * n);
            a[i * n + j] = i == j ? sqrt(rest) : rest / a[j * n + j];
        }
}

/* to = (L L')^-1, one column after the other. */
static void invert(ptrdiff_t n, const double *l, double *to)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        double *x = to + k * n;
        for (ptrdiff_t i = 0; i < n; i++)
            x[i] = ((i == k) - dot(i, l + i * n, x)) / l[i * n + i];
        for (ptrdiff_t i = n - 1; i >= 0; i--) {
            double sum = x[i];
            for (ptrdiff_t m = i + 1; m < n; m++) sum -= l[m * n + i] * x[m];
            x[i] = sum / l[i * n + i];
        }
    }
}

/* F = (I + N N')^-1, w := w F, edf = trace F. */
static bnorm_status shrink(work *k)
{
    ptrdiff_t cols = k->cols, rank = k->rank;
    double *n = bnorm_alloc(k->ctx, cols * cols, sizeof *n);
    double *wf = bnorm_alloc(k->ctx, cols * rank, sizeof *wf);
    if (n && wf) {
        penalty_rows(k, n);
        bnorm_gemm_f64(0, 1, rank, rank, cols, 1, n, cols, n, cols, 0, k->part, rank);
        for (ptrdiff_t a = 0; a < rank; a++) k->part[a * rank + a] += 1;
        cholesky(rank, k->part);
        invert(rank, k->part, k->f);
        k->c->edf = 0;
        for (ptrdiff_t a = 0; a < rank; a++) k->c->edf += k->f[a * rank + a];
        bnorm_gemm_f64(0, 0, cols, rank, rank, 1, k->w, rank, k->f, rank, 0, wf, rank);
    }
    bnorm_free(n);
    if (!n || !wf) {
        bnorm_free(wf);
        return bnorm_fail_memory(k->ctx, "the penalties of a covariance");
    }
    bnorm_free(k->f);
    k->f = wf;
    return BNORM_OK;
}

/* ------------------------------------------------------------------------------- the meat */

/* meat += times sum over rows of (factor_i x_i W)(factor_i x_i W)'; factor NULL: 1. */
static void add_rows(work *k, bnorm_mat_f64 x, const double *factor, double times)
{
    ptrdiff_t cols = k->cols, rank = k->rank;
    ptrdiff_t row_step = x.layout == BNORM_ROW_MAJOR ? x.ld : 1;
    ptrdiff_t col_step = x.layout == BNORM_ROW_MAJOR ? 1 : x.ld;
    if (rank == 0) return;
    panels w = bnorm_panels_of(cols, rank, k->w, rank);
    for (ptrdiff_t first = 0; first < x.rows; first += BLOCK) {
        ptrdiff_t rows = smaller(BLOCK, x.rows - first);
        for (ptrdiff_t i = 0; i < rows; i++) {
            const double *from = x.data + (first + i) * row_step;
            double by = factor ? factor[first + i] : 1;
            for (ptrdiff_t j = 0; j < cols; j++)
                k->block[i * cols + j] = by * from[j * col_step];
        }
        bnorm_times(k->ctx, rows, k->block, cols, &w, 0, k->turned, rank);
        panels t = bnorm_panels_of(rows, rank, k->turned, rank);
        bnorm_cross(k->ctx, &t, &t, first > 0, k->part, rank);
    }
    for (ptrdiff_t a = 0; a < rank * rank; a++) k->meat[a] += times * k->part[a];
}

static bnorm_status add_clusters(work *k, const clustering *by, double sign, ptrdiff_t *found)
{
    ptrdiff_t size;
    BNORM_TRY(bnorm_cluster_count(k->ctx, k->rows, by, found));
    if (*found < 2)
        return bnorm_fail(k->ctx, BNORM_E_DATA,
                          "all rows are of one cluster: clustered standard errors need at "
                          "least two, better many");
    double *sums = bnorm_multiply(by->count, k->cols, &size)
                       ? bnorm_alloc(k->ctx, size, sizeof *sums)
                       : NULL;
    if (!sums) return bnorm_fail_memory(k->ctx, "the sums of clusters");
    bnorm_cluster_sums(k->ctx, k->q->j, k->factor, by, sums);
    double groups = (double)*found, n = (double)k->rows;
    double free = n - (double)(k->rank + k->q->counted);
    double small = k->q->small ? groups / (groups - 1) * ((n - 1) / free) : 1;
    add_rows(k, bnorm_view_f64(sums, by->count, k->cols, BNORM_ROW_MAJOR), NULL, sign * small);
    bnorm_free(sums);
    return BNORM_OK;
}

/* V_a + V_b - V_ab (Cameron, Gelbach and Miller 2011), each with its own G/(G-1). */
static bnorm_status two_ways(work *k)
{
    const clustering *by = k->q->cluster;
    ptrdiff_t pairs, found;
    int32_t *codes = bnorm_alloc(k->ctx, k->rows, sizeof *codes);
    if (!codes) return bnorm_fail_memory(k->ctx, "pairs of clusters");
    bnorm_status status = bnorm_cluster_pairs(k->ctx, k->rows, &by[0], &by[1], codes, &pairs);
    clustering both = {codes, pairs};
    if (status == BNORM_OK) status = add_clusters(k, &both, -1, &found);
    bnorm_free(codes);
    if (status == BNORM_OK)
        status = bnorm_clip_negative(k->ctx, k->rank, k->meat, &k->c->clipped);
    return status;
}

static bnorm_status clustered(work *k)
{
    for (int a = 0; a < k->q->cluster_count; a++)
        BNORM_TRY(add_clusters(k, &k->q->cluster[a], 1, &k->c->clusters[a]));
    k->c->df = (double)k->c->clusters[0] - 1;
    if (k->q->cluster_count < 2) return BNORM_OK;
    k->c->df = fmin(k->c->df, (double)k->c->clusters[1] - 1);
    return two_ways(k);
}

static double sum_of_squares(const work *k)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < k->rows; i++) {
        double e = k->q->residuals[i];
        sum += (k->q->weights ? k->q->weights[i] : 1) * e * e;
    }
    return sum;
}

static bnorm_status make_meat(work *k)
{
    ptrdiff_t rank = k->rank;
    double n = (double)k->rows, sigma = k->c->sigma;
    memset(k->meat, 0, (size_t)(rank * rank) * sizeof *k->meat);
    for (ptrdiff_t i = 0; i < k->rows; i++)
        k->factor[i] = (k->q->weights ? k->q->weights[i] : 1) * k->q->residuals[i];
    if (k->q->type == BNORM_VCOV_CLUSTER) return clustered(k);
    if (k->q->type == BNORM_VCOV_CLASSICAL) {
        for (ptrdiff_t a = 0; a < rank; a++) k->meat[a * rank + a] = sigma * sigma;
        return BNORM_OK;
    }
    int scaled = k->q->type == BNORM_VCOV_HC1 && k->q->small;
    add_rows(k, k->q->j, k->factor, scaled ? n / k->c->df : 1);
    return BNORM_OK;
}

/* -------------------------------------------------------------------------------- results */

/* (w F) meat (w F)' and its mirror image, averaged. */
static bnorm_status make_matrix(work *k)
{
    ptrdiff_t cols = k->cols, rank = k->rank;
    const double *w = k->q->penalty ? k->f : k->w;
    double *half = bnorm_alloc(k->ctx, cols * rank, sizeof *half), *c = k->c->matrix;
    if (!half) return bnorm_fail_memory(k->ctx, "a covariance");
    bnorm_gemm_f64(0, 0, cols, rank, rank, 1, w, rank, k->meat, rank, 0, half, rank);
    bnorm_gemm_f64(0, 1, cols, cols, rank, 1, half, rank, w, rank, 0, c, cols);
    bnorm_free(half);
    for (ptrdiff_t i = 0; i < cols; i++)
        for (ptrdiff_t j = 0; j < i; j++)
            c[i * cols + j] = c[j * cols + i] = (c[i * cols + j] + c[j * cols + i]) / 2;
    return BNORM_OK;
}

static bnorm_status check_degrees(work *k)
{
    double n = (double)k->rows, left = n - (double)(k->rank + k->q->absorbed);
    if (!(left > 0 && n - (double)(k->rank + k->q->counted) > 0))
        return bnorm_fail(
            k->ctx, BNORM_E_DOMAIN,
            "%td rows leave no degrees of freedom for %td parameters and %td fixed "
            "effects: use fewer terms, hidden units or effects, or the design of "
            "the top layer alone",
            k->rows, k->rank, k->q->absorbed);
    k->c->df = left;
    k->c->sigma = k->q->curvature ? 1 : sqrt(sum_of_squares(k) / left);
    k->c->edf = (double)k->rank;
    return BNORM_OK;
}

static bnorm_status reserve_results(work *k)
{
    covariance *c = k->c;
    ptrdiff_t cols = k->cols;
    *c = (covariance){.parameters = cols, .rank = k->rank};
    c->scale = bnorm_alloc(k->ctx, cols, sizeof *c->scale);
    c->values = bnorm_alloc(k->ctx, cols, sizeof *c->values);
    c->matrix = bnorm_alloc_zero(k->ctx, cols * cols, sizeof *c->matrix);
    c->null = bnorm_alloc(k->ctx, (cols - k->rank) * cols, sizeof *c->null);
    if (!c->scale || !c->values || !c->matrix || !c->null)
        return bnorm_fail_memory(k->ctx, "a covariance");
    memcpy(c->scale, k->s.scale, (size_t)cols * sizeof *c->scale);
    memcpy(c->values, k->s.values, (size_t)cols * sizeof *c->values);
    memcpy(c->null, k->s.vectors + k->rank * cols,
           (size_t)((cols - k->rank) * cols) * sizeof *c->null);
    return BNORM_OK;
}

static bnorm_status reserve_work(work *k)
{
    ptrdiff_t cols = k->cols, rank = k->rank;
    k->w = bnorm_alloc(k->ctx, cols * rank, sizeof *k->w);
    k->f = bnorm_alloc(k->ctx, rank * rank, sizeof *k->f);
    k->meat = bnorm_alloc(k->ctx, rank * rank, sizeof *k->meat);
    k->part = bnorm_alloc(k->ctx, rank * rank, sizeof *k->part);
    k->block = bnorm_alloc(k->ctx, BLOCK * cols, sizeof *k->block);
    k->turned = bnorm_alloc(k->ctx, BLOCK * rank, sizeof *k->turned);
    if (k->w && k->f && k->meat && k->part && k->block && k->turned) return BNORM_OK;
    return bnorm_fail_memory(k->ctx, "a covariance");
}

static bnorm_status decompose(work *k)
{
    const double *weights = k->q->weights;
    k->factor = bnorm_alloc(k->ctx, k->rows, sizeof *k->factor);
    if (!k->factor) return bnorm_fail_memory(k->ctx, "the weights of a covariance");
    for (ptrdiff_t i = 0; k->q->curvature && i < k->rows; i++)
        k->factor[i] = (weights ? weights[i] : 1) * k->q->curvature[i];
    if (k->q->curvature) weights = k->factor;
    BNORM_TRY(bnorm_spectrum_make(k->ctx, k->q->j, weights, &k->s));
    k->rank = k->s.rank;
    return BNORM_OK;
}

static bnorm_status run(work *k)
{
    BNORM_TRY(decompose(k));
    BNORM_TRY(reserve_results(k));
    BNORM_TRY(check_degrees(k));
    BNORM_TRY(reserve_work(k));
    make_w(k);
    BNORM_TRY(make_meat(k));
    if (k->q->penalty) BNORM_TRY(shrink(k));
    return make_matrix(k);
}

bnorm_status bnorm_covariance_make(bnorm_ctx *ctx, const covariance_request *request,
                                   covariance *c)
{
    work k = {
        .ctx = ctx, .q = request, .c = c, .rows = request->j.rows, .cols = request->j.cols};
    *c = (covariance){0};
    int held = bnorm_blas_hold();
    bnorm_status status = run(&k);
    bnorm_blas_release(held);
    bnorm_spectrum_free(&k.s);
    double *buffers[] = {k.factor, k.w, k.f, k.meat, k.part, k.block, k.turned};
    for (int i = 0; i < 7; i++) bnorm_free(buffers[i]);
    if (status != BNORM_OK) bnorm_covariance_free(c);
    return status;
}
