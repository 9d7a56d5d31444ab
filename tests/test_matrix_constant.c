/* matrix_constant: backward of inference, whose statistics are constants: by its formulas, as the
 * derivative of bnorm_infer, over processes; bits and refusals. */
#include "matrix_support.h"

#include <math.h>
#include <stdlib.h>

#include "tolerance.h"

static bnorm_status call_infer_backward(bnorm_ctx *ctx, const mat *x, const mat *dy,
                                        const double *gamma, const double *mean,
                                        const double *var, double eps, mat *dx, double *dgamma,
                                        double *dbeta)
{
    if (!x->f32)
        return bnorm_infer_backward_f64(ctx, mat_f64(x), mat_f64(dy), gamma, mean, var, eps,
                                        dx ? mat_f64(dx) : (bnorm_mat_f64){0}, dgamma, dbeta);
    float *g = calloc((size_t)(3 * x->cols + 1), 4), *dg = g + x->cols, *db = dg + x->cols;
    for (ptrdiff_t j = 0; gamma && j < x->cols; j++) g[j] = (float)gamma[j];
    bnorm_status status = bnorm_infer_backward_f32(
        ctx, mat_f32(x), mat_f32(dy), gamma ? g : NULL, mean, var, eps,
        dx ? mat_f32(dx) : (bnorm_mat_f32){0}, dgamma ? dg : NULL, dbeta ? db : NULL);
    for (ptrdiff_t j = 0; j < x->cols; j++) {
        if (dgamma) dgamma[j] = (double)dg[j];
        if (dbeta) dbeta[j] = (double)db[j];
    }
    free(g);
    return status;
}

typedef struct constant_case {
    mat x, w, dx;
    double *gamma, *mean, *var, *dgamma, *dbeta;
} constant_case;

static constant_case case_make(const shape *s)
{
    constant_case c = {.x = mat_make(s->f32, s->layout, s->rows, s->cols, s->pad, s->pad % 3)};
    c.w = mat_make(s->f32, s->layout, s->rows, s->cols, s->pad, 2);
    c.dx = mat_make(s->f32, s->layout, s->rows, s->cols, s->pad ? s->pad + 1 : 0, 1);
    mat_fill(&c.x, 5, 2, 1);
    mat_fill(&c.w, 6, 0.3, 1);
    c.gamma = vec_normal(s->cols, 1, 0.5, 1);
    c.mean = vec_normal(s->cols, 2, 2, 0.3);
    c.var = vec_normal(s->cols, 3, 1, 0.5);
    c.dgamma = vec_normal(s->cols, 4, 0, 1);
    c.dbeta = vec_normal(s->cols, 5, 0, 1);
    vec_round(s->f32, s->cols, c.gamma);
    for (ptrdiff_t j = 0; j < s->cols; j++) c.var[j] = j == 2 ? 0 : fabs(c.var[j]);
    return c;
}

static void case_free(constant_case *c)
{
    mat *mats[] = {&c->x, &c->w, &c->dx};
    double *vectors[] = {c->gamma, c->mean, c->var, c->dgamma, c->dbeta};
    for (int i = 0; i < 3; i++) mat_free(mats[i]);
    for (int i = 0; i < 5; i++) free(vectors[i]);
}

static void check_column(const shape *s, const constant_case *c, double eps, ptrdiff_t j)
{
    double gamma = s->affine ? c->gamma[j] : 1, u = s->f32 ? UNIT_F32 : UNIT_F64;
    long double square = c->var[j] + (long double)eps,
                rstd = square > 0 ? 1 / sqrtl(square) : 0;
    long double g = 0, b = 0, g_size = 0, b_size = 0;
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        long double w = mat_get(&c->w, i, j);
        long double t = w * (mat_get(&c->x, i, j) - (long double)c->mean[j]) * rstd;
        g += t;
        b += w;
        g_size += fabsl(t);
        b_size += fabsl(w);
        long double e = gamma * rstd * w; /* in float also the rounding of the scale */
        double bound = (double)fabsl(e) * (u + (s->f32 ? 2 * u : 0) + 4 * UNIT_F64) + 0x1p-149;
        check_near(mat_get(&c->dx, i, j), e, bound, "dx", i, j);
    }
    double n = (double)s->rows, spare = 8 * UNIT_F64;
    check_near(c->dgamma[j], g,
               tol_sum(u, n, (double)g, (double)g_size) + spare * (double)g_size, "dgamma", 0,
               j);
    check_near(c->dbeta[j], b, tol_sum(u, n, (double)b, (double)b_size), "dbeta", 0, j);
}

static const ptrdiff_t sizes[][2] = {{1, 1},   {2, 3},     {17, 16},   {60, 33},
                                     {300, 5}, {40, 1100}, {40000, 3}, {3000, 70}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void constant_by_formula(void **state)
{
    (void)state;
    for (int k = 0; k < 16; k++)
        for (int i = 0; i < SIZES; i++) {
            shape s = {.f32 = k & 1,
                       .layout = k & 2 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR,
                       .rows = sizes[i][0],
                       .cols = sizes[i][1],
                       .pad = k & 8 ? 3 : 0,
                       .affine = k >> 2 & 1};
            bnorm_ctx *ctx = make_ctx(k % 4 + 1);
            constant_case c = case_make(&s);
            double eps = k & 4 ? 0 : 1e-5;
            assert_ok(ctx, call_infer_backward(ctx, &c.x, &c.w, s.affine ? c.gamma : NULL,
                                               c.mean, c.var, eps, &c.dx, c.dgamma, c.dbeta));
            for (ptrdiff_t j = 0; j < s.cols; j++) check_column(&s, &c, eps, j);
            mat_check_canaries(&c.dx);
            case_free(&c);
            bnorm_ctx_destroy(ctx);
        }
}

/* Threads, padding, place; dx alone, sums alone. */
static void constant_bits(void **state)
{
    (void)state;
    bnorm_ctx *four = make_ctx(4);
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < SIZES; i++) {
            shape s = {.f32 = k & 1,
                       .layout = k & 2 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR,
                       .rows = sizes[i][0],
                       .cols = sizes[i][1]},
                  padded = s;
            padded.pad = 5;
            constant_case a = case_make(&s), b = case_make(&padded);
            assert_ok(NULL, call_infer_backward(NULL, &a.x, &a.w, a.gamma, a.mean, a.var, 1e-5,
                                                &a.dx, a.dgamma, a.dbeta));
            assert_ok(four, call_infer_backward(four, &b.x, &b.w, b.gamma, b.mean, b.var, 1e-5,
                                                NULL, b.dgamma, b.dbeta));
            assert_memory_equal(a.dgamma, b.dgamma, (size_t)s.cols * 8);
            assert_memory_equal(a.dbeta, b.dbeta, (size_t)s.cols * 8);
            assert_ok(four, call_infer_backward(four, &b.x, &b.w, b.gamma, b.mean, b.var, 1e-5,
                                                &b.dx, NULL, NULL));
            assert_true(mat_same(&a.dx, &b.dx));
            b.dgamma[0] = 0;
            mat in = mat_copy(&b.w); /* in place of dy */
            assert_ok(four, call_infer_backward(four, &b.x, &in, b.gamma, b.mean, b.var, 1e-5,
                                                &in, b.dgamma, b.dbeta));
            assert_true(mat_same(&a.dx, &in));
            assert_memory_equal(a.dgamma, b.dgamma, (size_t)s.cols * 8);
            assert_ok(four, call_infer_backward(four, &b.x, &b.w, b.gamma, b.mean, b.var, 1e-5,
                                                &b.x, b.dgamma, b.dbeta)); /* of x */
            assert_true(mat_same(&a.dx, &b.x));
            assert_memory_equal(a.dgamma, b.dgamma, (size_t)s.cols * 8);
            mat_free(&in);
            case_free(&a);
            case_free(&b);
        }
    bnorm_ctx_destroy(four);
}

/* R = sum(w infer(x)) is linear in x, gamma and beta: differences are exact but for rounding. */
static void constant_is_the_derivative_of_infer(void **state)
{
    (void)state;
    enum { N = 7, P = 4 };
    shape s = {.layout = BNORM_ROW_MAJOR, .rows = N, .cols = P};
    constant_case c = case_make(&s);
    double beta[P] = {1, -2, 0.5, 0};
    assert_ok(NULL, call_infer_backward(NULL, &c.x, &c.w, c.gamma, c.mean, c.var, 0.5, &c.dx,
                                        c.dgamma, c.dbeta));
    for (ptrdiff_t k = 0; k < N * P + 2 * P; k++) {
        double *at = k < N * P       ? (double *)c.x.block + c.x.first + k
                     : k < N * P + P ? &c.gamma[k - N * P]
                                     : &beta[k - N * P - P];
        double r[2], kept = *at;
        for (int side = 0; side < 2; side++) {
            mat y = mat_copy(&c.x);
            *at = kept + (side ? 1 : -1);
            assert_ok(NULL, call_infer(NULL, &c.x, c.gamma, beta, c.mean, c.var, 0.5, &y));
            r[side] = 0;
            for (ptrdiff_t i = 0; i < N; i++)
                for (ptrdiff_t j = 0; j < P; j++)
                    r[side] += mat_get(&c.w, i, j) * mat_get(&y, i, j);
            mat_free(&y);
        }
        *at = kept;
        double expected = k < N * P       ? mat_get(&c.dx, k / P, k % P)
                          : k < N * P + P ? c.dgamma[k - N * P]
                                          : c.dbeta[k - N * P - P];
        check_near((r[1] - r[0]) / 2, expected, 1e-13, "derivative", k, 0);
    }
    case_free(&c);
}

static int doubled(void *user, double *values, ptrdiff_t count)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) values[i] *= 2;
    return 0;
}

static void constant_edges(void **state)
{
    (void)state;
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.reduce = doubled; /* a second process with the same rows */
    bnorm_ctx *ctx;
    assert_int_equal(bnorm_ctx_create(&options, &ctx), BNORM_OK);
    double x[4] = {1, 2, 3, 4}, w[4] = {1, -1, 2, 0.5}, mean[2] = {1, 1}, var[2] = {3, 0};
    double dgamma[2], dbeta[2];
    bnorm_mat_f64 vx = bnorm_view_f64(x, 2, 2, BNORM_ROW_MAJOR), none = {0};
    bnorm_mat_f64 vw = bnorm_view_f64(w, 2, 2, BNORM_ROW_MAJOR);
    assert_ok(ctx,
              bnorm_infer_backward_f64(ctx, vx, vw, NULL, mean, var, 1, none, dgamma, dbeta));
    assert_true(dbeta[0] == 6 && dbeta[1] == -1 && dgamma[0] == 4 && dgamma[1] == 1);
    vx.rows = vw.rows = 0;
    assert_ok(NULL,
              bnorm_infer_backward_f64(NULL, vx, vw, NULL, mean, var, 1, none, dgamma, dbeta));
    assert_true(dbeta[0] == 0 && dgamma[1] == 0);
    vx.rows = 2;
    vx.cols = vw.cols = 0;
    vw.rows = 2;
    assert_ok(NULL,
              bnorm_infer_backward_f64(NULL, vx, vw, NULL, NULL, NULL, 1, none, NULL, NULL));
    bnorm_ctx_destroy(ctx);
}

static void constant_refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    double x[6] = {0}, y[6], v[3] = {1, 1, 1}, bad[3] = {1, -2, 1};
    bnorm_mat_f64 vx = bnorm_view_f64(x, 2, 3, BNORM_ROW_MAJOR), vy = vx, odd = vx;
    bnorm_status e = BNORM_E_ARGUMENT;
    vy.data = y;
    odd.rows = 1;
    assert_fails(ctx, bnorm_infer_backward_f64(ctx, vx, odd, NULL, v, v, 0, vy, v, v), e,
                 "dy is 1 x 3");
    assert_fails(ctx, bnorm_infer_backward_f64(ctx, vx, vx, NULL, v, v, 0, odd, v, v), e,
                 "dx is 1 x 3");
    assert_fails(ctx, bnorm_infer_backward_f64(ctx, vx, vx, NULL, NULL, v, 0, vy, v, v), e,
                 "mean is NULL");
    assert_fails(ctx, bnorm_infer_backward_f64(ctx, vx, vx, NULL, v, bad, 0, vy, v, v), e,
                 "var of column 2 is -2");
    assert_fails(ctx, bnorm_infer_backward_f64(ctx, vx, vx, NULL, v, v, (double)NAN, vy, v, v),
                 e, "eps is");
    odd = vx;
    odd.ld = 1;
    assert_fails(ctx, bnorm_infer_backward_f64(ctx, odd, vx, NULL, v, v, 0, vy, v, v), e,
                 "ld of x is 1");
    bnorm_ctx_destroy(ctx);
}

static bnorm_status wide(bnorm_ctx *ctx, void *argument)
{
    constant_case *c = argument;
    return call_infer_backward(ctx, &c->x, &c->w, c->gamma, c->mean, c->var, 0, &c->dx,
                               c->dgamma, c->dbeta);
}

static void constant_without_memory(void **state)
{
    (void)state;
    shape s = {.layout = BNORM_ROW_MAJOR, .rows = 2, .cols = 900};
    constant_case c = case_make(&s);
    assert_true(fail_each_allocation(wide, &c) == 3); /* the context, the scratch */
    case_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_by_formula),
        cmocka_unit_test(constant_bits),
        cmocka_unit_test(constant_is_the_derivative_of_infer),
        cmocka_unit_test(constant_edges),
        cmocka_unit_test(constant_refusals),
        cmocka_unit_test(constant_without_memory),
    };
    return cmocka_run_group_tests_name("matrix_constant", tests, NULL, NULL);
}
