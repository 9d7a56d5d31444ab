/* matrix_support: see the header. */
#include "matrix_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tolerance.h"

enum { GUARD = 67 }; /* canaries before and after */

static const uint64_t canary_f64 = 0x7FF4DEADBEEF1234u; /* signalling NaNs */
static const uint32_t canary_f32 = 0x7FA1BEEFu;

static ptrdiff_t lines_of(const mat *m)
{
    return m->layout == BNORM_ROW_MAJOR ? m->rows : m->cols;
}

static ptrdiff_t width_of(const mat *m)
{
    return m->layout == BNORM_ROW_MAJOR ? m->cols : m->rows;
}

static size_t size_of(const mat *m)
{
    return m->f32 ? sizeof(float) : sizeof(double);
}

mat mat_make(int f32, bnorm_layout layout, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t pad,
             ptrdiff_t shift)
{
    mat m = {.f32 = f32, .layout = layout, .rows = rows, .cols = cols};
    m.ld = width_of(&m) + pad;
    m.first = GUARD + shift;
    m.total = 2 * GUARD + shift + lines_of(&m) * m.ld;
    m.block = malloc((size_t)m.total * size_of(&m));
    assert_non_null(m.block);
    for (ptrdiff_t k = 0; k < m.total; k++) {
        if (f32)
            memcpy((char *)m.block + 4 * k, &canary_f32, 4);
        else
            memcpy((char *)m.block + 8 * k, &canary_f64, 8);
    }
    return m;
}

mat mat_copy(const mat *m)
{
    mat copy = *m;
    copy.block = malloc((size_t)m->total * size_of(m));
    assert_non_null(copy.block);
    memcpy(copy.block, m->block, (size_t)m->total * size_of(m));
    return copy;
}

void mat_free(mat *m)
{
    free(m->block);
    m->block = NULL;
}

static ptrdiff_t index_of(const mat *m, ptrdiff_t i, ptrdiff_t j)
{
    return m->first + (m->layout == BNORM_ROW_MAJOR ? i * m->ld + j : j * m->ld + i);
}

double mat_get(const mat *m, ptrdiff_t i, ptrdiff_t j)
{
    ptrdiff_t k = index_of(m, i, j);
    return m->f32 ? (double)((float *)m->block)[k] : ((double *)m->block)[k];
}

void mat_set(mat *m, ptrdiff_t i, ptrdiff_t j, double value)
{
    ptrdiff_t k = index_of(m, i, j);
    if (m->f32)
        ((float *)m->block)[k] = (float)value;
    else
        ((double *)m->block)[k] = value;
}

bnorm_mat_f64 mat_f64(const mat *m)
{
    return (bnorm_mat_f64){(double *)m->block + m->first, m->rows, m->cols, m->ld, m->layout};
}

bnorm_mat_f32 mat_f32(const mat *m)
{
    return (bnorm_mat_f32){(float *)m->block + m->first, m->rows, m->cols, m->ld, m->layout};
}

void mat_fill(mat *m, uint64_t stream, double center, double scale)
{
    enum { PERIOD = 8191 }; /* a prime, so columns differ */
    static double numbers[PERIOD];
    ptrdiff_t count = m->rows * m->cols < PERIOD ? m->rows * m->cols : PERIOD;
    bnorm_random_normal(11, stream, 0, count, numbers);
    for (ptrdiff_t i = 0; i < m->rows; i++)
        for (ptrdiff_t j = 0; j < m->cols; j++)
            mat_set(m, i, j, center + scale * numbers[(i * m->cols + j) % PERIOD]);
}

static int is_canary(const mat *m, ptrdiff_t k)
{
    if (m->f32) return memcmp((char *)m->block + 4 * k, &canary_f32, 4) == 0;
    return memcmp((char *)m->block + 8 * k, &canary_f64, 8) == 0;
}

void mat_check_canaries(const mat *m)
{
    for (ptrdiff_t k = 0; k < m->total; k++) {
        ptrdiff_t at = k - m->first, line = m->ld > 0 ? at / m->ld : 0;
        int inside = at >= 0 && line < lines_of(m) && at - line * m->ld < width_of(m);
        if (inside || is_canary(m, k)) continue;
        print_error("element %td outside a matrix was written\n", at);
        fail();
    }
}

int mat_same(const mat *a, const mat *b)
{
    for (ptrdiff_t i = 0; i < a->rows; i++)
        for (ptrdiff_t j = 0; j < a->cols; j++) {
            double p = mat_get(a, i, j), q = mat_get(b, i, j);
            if (memcmp(&p, &q, sizeof p) != 0 && !(isnan(p) && isnan(q))) return 0;
        }
    return 1;
}

double *vec_normal(ptrdiff_t count, uint64_t stream, double center, double scale)
{
    double *v = malloc((size_t)(count + 1) * sizeof *v);
    assert_non_null(v);
    bnorm_random_normal(12, stream, 0, count, v);
    for (ptrdiff_t i = 0; i < count; i++) v[i] = center + scale * v[i];
    return v;
}

double *vec_weights(ptrdiff_t rows, uint64_t stream)
{
    double *v = malloc((size_t)(rows + 1) * sizeof *v);
    assert_non_null(v);
    bnorm_random_uniform(13, stream, 0, rows, v);
    for (ptrdiff_t i = 0; i < rows; i++) v[i] = i % 5 == 4 ? 0 : 0.5 + 2 * v[i];
    return v;
}

void vec_round(int f32, ptrdiff_t count, double *v)
{
    for (ptrdiff_t i = 0; f32 && i < count; i++) v[i] = (double)(float)v[i];
}

/* ------------------------------------------------------------------------------- calls */

/* A vector as float, NULL for NULL. */
static float *floats(const double *v, ptrdiff_t count)
{
    if (!v) return NULL;
    float *f = malloc((size_t)(count + 1) * sizeof *f);
    for (ptrdiff_t i = 0; i < count; i++) f[i] = (float)v[i];
    return f;
}

/* Results back into doubles. */
static void doubles(float *f, ptrdiff_t count, double *v)
{
    for (ptrdiff_t i = 0; v && i < count; i++) v[i] = (double)f[i];
    free(f);
}

bnorm_status call_moments(bnorm_ctx *ctx, const mat *x, const double *weights, double *n,
                          double *mean, double *m2)
{
    if (x->f32) return bnorm_moments_f32(ctx, mat_f32(x), weights, n, mean, m2);
    return bnorm_moments_f64(ctx, mat_f64(x), weights, n, mean, m2);
}

bnorm_status call_forward(bnorm_ctx *ctx, const mat *x, const double *weights,
                          const double *gamma, const double *beta, bnorm_rule rule, mat *y,
                          double *mean, double *rstd)
{
    if (!x->f32)
        return bnorm_forward_f64(ctx, mat_f64(x), weights, gamma, beta, rule, mat_f64(y), mean,
                                 rstd);
    float *g = floats(gamma, x->cols), *b = floats(beta, x->cols);
    bnorm_status status =
        bnorm_forward_f32(ctx, mat_f32(x), weights, g, b, rule, mat_f32(y), mean, rstd);
    free(g);
    free(b);
    return status;
}

bnorm_status call_infer(bnorm_ctx *ctx, const mat *x, const double *gamma, const double *beta,
                        const double *mean, const double *var, double eps, mat *y)
{
    if (!x->f32)
        return bnorm_infer_f64(ctx, mat_f64(x), gamma, beta, mean, var, eps, mat_f64(y));
    float *g = floats(gamma, x->cols), *b = floats(beta, x->cols);
    bnorm_status status = bnorm_infer_f32(ctx, mat_f32(x), g, b, mean, var, eps, mat_f32(y));
    free(g);
    free(b);
    return status;
}

bnorm_status call_backward(bnorm_ctx *ctx, const mat *x, const mat *dy, const double *weights,
                           const double *gamma, const double *mean, const double *rstd,
                           bnorm_rule rule, mat *dx, double *dgamma, double *dbeta)
{
    if (!x->f32)
        return bnorm_backward_f64(ctx, mat_f64(x), mat_f64(dy), weights, gamma, mean, rstd,
                                  rule, dx ? mat_f64(dx) : (bnorm_mat_f64){0}, dgamma, dbeta);
    float *g = floats(gamma, x->cols);
    float *dg = floats(dgamma, x->cols), *db = floats(dbeta, x->cols);
    bnorm_status status =
        bnorm_backward_f32(ctx, mat_f32(x), mat_f32(dy), weights, g, mean, rstd, rule,
                           dx ? mat_f32(dx) : (bnorm_mat_f32){0}, dg, db);
    free(g);
    doubles(dg, x->cols, dgamma);
    doubles(db, x->cols, dbeta);
    return status;
}

bnorm_status call_fold(bnorm_ctx *ctx, const mat *g1, const double *bias, const double *gamma,
                       const double *beta, const double *mean, const double *var, double eps,
                       mat *out, double *bias_out)
{
    if (!g1->f32)
        return bnorm_fold_f64(ctx, mat_f64(g1), bias, gamma, beta, mean, var, eps, mat_f64(out),
                              bias_out);
    float *c = floats(bias, g1->cols), *g = floats(gamma, g1->cols),
          *b = floats(beta, g1->cols), *o = floats(bias_out, g1->cols);
    bnorm_status status =
        bnorm_fold_f32(ctx, mat_f32(g1), c, g, b, mean, var, eps, mat_f32(out), o);
    free(c);
    free(g);
    free(b);
    doubles(o, g1->cols, bias_out);
    return status;
}

bnorm_status call_layer_forward(bnorm_ctx *ctx, const mat *x, const double *gamma,
                                const double *beta, double eps, mat *y, double *mean,
                                double *rstd)
{
    if (!x->f32)
        return bnorm_layernorm_forward_f64(ctx, mat_f64(x), gamma, beta, eps, mat_f64(y), mean,
                                           rstd);
    float *g = floats(gamma, x->cols), *b = floats(beta, x->cols);
    bnorm_status status =
        bnorm_layernorm_forward_f32(ctx, mat_f32(x), g, b, eps, mat_f32(y), mean, rstd);
    free(g);
    free(b);
    return status;
}

bnorm_status call_layer_backward(bnorm_ctx *ctx, const mat *x, const mat *dy,
                                 const double *gamma, const double *mean, const double *rstd,
                                 mat *dx, double *dgamma, double *dbeta)
{
    if (!x->f32)
        return bnorm_layernorm_backward_f64(ctx, mat_f64(x), mat_f64(dy), gamma, mean, rstd,
                                            dx ? mat_f64(dx) : (bnorm_mat_f64){0}, dgamma,
                                            dbeta);
    float *g = floats(gamma, x->cols);
    float *dg = floats(dgamma, x->cols), *db = floats(dbeta, x->cols);
    bnorm_status status =
        bnorm_layernorm_backward_f32(ctx, mat_f32(x), mat_f32(dy), g, mean, rstd,
                                     dx ? mat_f32(dx) : (bnorm_mat_f32){0}, dg, db);
    free(g);
    doubles(dg, x->cols, dgamma);
    doubles(db, x->cols, dbeta);
    return status;
}

/* -------------------------------------------------------------------------- references */

column reference_column(const mat *x, ptrdiff_t j, const double *weights)
{
    column c = {0};
    long double sum = 0;
    for (ptrdiff_t i = 0; i < x->rows; i++) {
        long double w = weights ? weights[i] : 1;
        c.n += w;
        sum += w * mat_get(x, i, j);
    }
    if (c.n > 0) c.mean = sum / c.n;
    long double rest = 0; /* what rounding left: a constant column must have M2 = 0 */
    for (ptrdiff_t i = 0; i < x->rows; i++)
        rest += (weights ? weights[i] : 1) * (mat_get(x, i, j) - c.mean);
    if (c.n > 0) c.mean += rest / c.n;
    for (ptrdiff_t i = 0; i < x->rows; i++) {
        long double d = mat_get(x, i, j) - c.mean;
        c.m2 += (weights ? weights[i] : 1) * d * d;
        if (fabsl(d) > c.spread) c.spread = fabsl(d);
    }
    return c;
}

void check_near(double got, long double expected, double bound, const char *what, ptrdiff_t i,
                ptrdiff_t j)
{
    if (fabsl(got - expected) <= bound) return;
    print_error("%s (%td, %td): %.17g, expected %.17Lg, off by %.3Lg, bound %.3g\n", what, i, j,
                got, expected, fabsl(got - expected), bound);
    fail();
}

void print_shape(const shape *s)
{
    print_error("f%d %s %td x %td pad %td weighted %d affine %d in_place %d threads %d\n",
                s->f32 ? 32 : 64, s->layout == BNORM_ROW_MAJOR ? "row" : "col", s->rows,
                s->cols, s->pad, s->weighted, s->affine, s->in_place, s->threads);
}

/* The vectors of a case. */
typedef struct vectors {
    double *weights, *gamma, *beta, *mean, *rstd, *dgamma, *dbeta;
} vectors;

static vectors vectors_make(const shape *s)
{
    vectors v = {.mean = vec_normal(s->cols, 90, 0, 1),
                 .rstd = vec_normal(s->cols, 91, 0, 1),
                 .dgamma = vec_normal(s->cols, 92, 0, 1),
                 .dbeta = vec_normal(s->cols, 93, 0, 1)};
    if (s->weighted) v.weights = vec_weights(s->rows, 1);
    if (s->affine) {
        v.gamma = vec_normal(s->cols, 2, 0.3, 1);
        v.beta = vec_normal(s->cols, 3, -0.2, 2);
        vec_round(s->f32, s->cols, v.gamma);
        vec_round(s->f32, s->cols, v.beta);
    }
    return v;
}

static void vectors_free(vectors *v)
{
    double *all[] = {v->weights, v->gamma, v->beta, v->mean, v->rstd, v->dgamma, v->dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static double unit_of(const shape *s)
{
    return s->f32 ? UNIT_F32 : UNIT_F64;
}

static void check_forward_column(const shape *s, const mat *x, const mat *y, const vectors *v,
                                 bnorm_rule rule, ptrdiff_t j)
{
    column c = reference_column(x, j, v->weights);
    double n = (double)s->rows, spread = (double)c.spread;
    long double rstd = 1 / sqrtl(c.m2 / (c.n - rule.ddof) + rule.eps);
    double gamma = v->gamma ? v->gamma[j] : 1, beta = v->beta ? v->beta[j] : 0;
    check_near(v->mean[j], c.mean, tol_mean(n, (double)c.mean, spread), "mean", 0, j);
    check_near(v->rstd[j], rstd, tol_rstd(n, (double)rstd), "rstd", 0, j);
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        long double zhat = (mat_get(x, i, j) - c.mean) * rstd, e = gamma * zhat + beta;
        double bound =
            tol_y(unit_of(s), n, (double)e, gamma, beta, (double)zhat, (double)c.mean,
                  (double)rstd, spread) +
            tol_map(unit_of(s), (double)(gamma * zhat), (double)(gamma * rstd * c.mean));
        check_near(mat_get(y, i, j), e, bound, "y", i, j);
    }
}

void check_forward(shape s, double center, double scale, bnorm_rule rule)
{
    bnorm_ctx *ctx = make_ctx(s.threads);
    mat x = mat_make(s.f32, s.layout, s.rows, s.cols, s.pad, s.pad % 3);
    mat_fill(&x, (uint64_t)(s.rows * 1000 + s.cols), center, scale);
    mat kept = mat_copy(&x);
    mat y =
        s.in_place ? x : mat_make(s.f32, s.layout, s.rows, s.cols, s.pad ? s.pad + 2 : 0, 1);
    vectors v = vectors_make(&s);
    assert_ok(ctx, call_forward(ctx, &x, v.weights, v.gamma, v.beta, rule, &y, v.mean, v.rstd));
    for (ptrdiff_t j = 0; j < s.cols; j++) check_forward_column(&s, &kept, &y, &v, rule, j);
    mat_check_canaries(&x);
    mat_check_canaries(&y);
    if (!s.in_place) {
        assert_true(mat_same(&x, &kept));
        mat_free(&y);
    }
    mat_free(&x);
    mat_free(&kept);
    vectors_free(&v);
    bnorm_ctx_destroy(ctx);
}

static void check_backward_column(const shape *s, const mat *x, const mat *w, const mat *dx,
                                  const vectors *v, bnorm_rule rule, ptrdiff_t j)
{
    long double mean = v->mean[j], rstd = v->rstd[j], count = 0;
    long double dbeta = 0, dgamma = 0, beta_terms = 0, gamma_terms = 0;
    double gamma = v->gamma ? v->gamma[j] : 1, n = (double)s->rows, u = unit_of(s);
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        long double g = mat_get(w, i, j), zhat = (mat_get(x, i, j) - mean) * rstd;
        count += v->weights ? v->weights[i] : 1;
        dbeta += g;
        dgamma += g * zhat;
        beta_terms += fabsl(g);
        gamma_terms += fabsl(g * zhat);
    }
    check_near(v->dbeta[j], dbeta, tol_sum(u, n, (double)dbeta, (double)beta_terms), "dbeta", 0,
               j);
    check_near(v->dgamma[j], dgamma, tol_sum(u, n, (double)dgamma, (double)gamma_terms),
               "dgamma", 0, j);
    double beta_error = tol_sum(0, n, 0, (double)beta_terms);
    double gamma_error = tol_sum(0, n, 0, (double)gamma_terms);
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        long double omega = v->weights ? v->weights[i] : 1, g = mat_get(w, i, j);
        long double zhat = (mat_get(x, i, j) - mean) * rstd, divisor = count - rule.ddof;
        long double p = dbeta / count, q = zhat * dgamma / divisor; /* (B3) */
        long double e = gamma * rstd * (g - omega * p - omega * q);
        long double size = fabsl(g) + omega * (fabsl(p) + fabsl(q));
        long double inherited =
            omega * (beta_error / count + fabsl(zhat) * gamma_error / divisor);
        double bound =
            (double)(u * fabsl(e) + fabsl(gamma * rstd) * (8 * UNIT_F64 * size + inherited)) +
            (s->f32 ? 0x1p-149 : 0) +
            tol_map_dx(u, (double)e, (double)(gamma * rstd), (double)(omega * p),
                       (double)(omega * q), (double)(omega * mean * rstd * dgamma / divisor));
        check_near(mat_get(dx, i, j), e, bound, "dx", i, j);
    }
}

void check_backward(shape s, double center, double scale, bnorm_rule rule)
{
    bnorm_ctx *ctx = make_ctx(s.threads);
    mat x = mat_make(s.f32, s.layout, s.rows, s.cols, s.pad, s.pad % 3);
    mat y = mat_make(s.f32, s.layout, s.rows, s.cols, 0, 0);
    mat w = mat_make(s.f32, s.layout, s.rows, s.cols, s.in_place == 1 ? s.pad : s.pad * 2, 3);
    mat_fill(&x, (uint64_t)(s.rows * 1000 + s.cols), center, scale);
    mat_fill(&w, (uint64_t)(s.rows * 1000 + s.cols + 7), 0.4, 1);
    mat kept = mat_copy(&x), w_kept = mat_copy(&w);
    mat own = mat_make(s.f32, s.layout, s.rows, s.cols, s.pad ? s.pad + 1 : 0, 2);
    mat *dx = s.in_place == 1 ? &w : s.in_place == 2 ? &x : &own;
    vectors v = vectors_make(&s);
    assert_ok(ctx, call_forward(ctx, &x, v.weights, v.gamma, v.beta, rule, &y, v.mean, v.rstd));
    assert_ok(ctx, call_backward(ctx, &x, &w, v.weights, v.gamma, v.mean, v.rstd, rule, dx,
                                 v.dgamma, v.dbeta));
    for (ptrdiff_t j = 0; j < s.cols; j++)
        check_backward_column(&s, &kept, &w_kept, dx, &v, rule, j);
    mat *all[] = {&x, &y, &w, &kept, &w_kept, &own};
    if (dx != &x) assert_true(mat_same(&x, &kept));
    if (dx != &w) assert_true(mat_same(&w, &w_kept));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        mat_check_canaries(all[i]);
        mat_free(all[i]);
    }
    vectors_free(&v);
    bnorm_ctx_destroy(ctx);
}
