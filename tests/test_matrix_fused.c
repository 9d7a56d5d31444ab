/* matrix_fused: normalisation and activation in one pass against the two calls in turn, to the
 * bit forward; backward against them and against differences; place, padding and threads; the
 * caller's own activations; refusals. */
#include "matrix_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tolerance.h"

/* ---------------------------------------------------------------- activations of the caller */

static int calls_elsewhere; /* of sine, from another thread than the test's */
static _Thread_local int here;

static void sine_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    double scale = *(double *)user;
    if (!here) calls_elsewhere++;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = scale * sin(b[i]);
}

static void sine_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    double scale = *(double *)user;
    if (!here) calls_elsewhere++;
    for (ptrdiff_t i = 0; i < count; i++) db[i] = dv[i] * (scale * cos(b[i]));
}

static double sine_scale = 1.5;
static const bnorm_activation sine = {"sine", sine_value, sine_gradient, 1, &sine_scale};

enum { ACTIVATIONS = 8 };
static const bnorm_activation *activation_at(int k)
{
    static const char *const names[] = {"identity", "relu",     "leaky_relu", "tanh",
                                        "logistic", "softplus", "gelu"};
    return k < 7 ? bnorm_activation_find(names[k]) : &sine;
}

/* ------------------------------------------------------------------------------------ calls */

static float *rounded(const double *v, ptrdiff_t count)
{
    if (!v) return NULL;
    float *f = malloc((size_t)(count + 1) * sizeof *f);
    for (ptrdiff_t i = 0; i < count; i++) f[i] = (float)v[i];
    return f;
}

/* A case: the data, and room for what the calls give. */
typedef struct fused_case {
    shape s;
    bnorm_rule rule;
    mat x, dy, y, dx;
    double *weights, *gamma, *beta, *mean, *rstd, *var, *dgamma, *dbeta;
} fused_case;

static fused_case case_make(shape s)
{
    fused_case c = {.s = s, .rule = {1e-3, 0}};
    c.x = mat_make(s.f32, s.layout, s.rows, s.cols, s.pad, s.pad % 3);
    c.dy = mat_make(s.f32, s.layout, s.rows, s.cols, s.pad, 1);
    mat_fill(&c.x, 3, 2, 1.5);
    mat_fill(&c.dy, 4, 0.3, 1);
    c.y = mat_copy(&c.x);
    c.dx = mat_copy(&c.dy);
    c.gamma = s.affine ? vec_normal(s.cols, 1, 0.5, 1) : NULL;
    c.beta = s.affine ? vec_normal(s.cols, 2, -0.3, 1) : NULL;
    if (s.affine) vec_round(s.f32, s.cols, c.gamma);
    if (s.affine) vec_round(s.f32, s.cols, c.beta);
    c.weights = s.weighted ? vec_weights(s.rows, 1) : NULL;
    double **out[] = {&c.mean, &c.rstd, &c.var, &c.dgamma, &c.dbeta};
    for (int i = 0; i < 5; i++) *out[i] = vec_normal(s.cols, (uint64_t)(5 + i), 2, 0.5);
    for (ptrdiff_t j = 0; j < s.cols; j++) c.var[j] = fabs(c.var[j]);
    return c;
}

static void case_free(fused_case *c)
{
    mat *mats[] = {&c->x, &c->dy, &c->y, &c->dx};
    double *all[] = {c->weights, c->gamma, c->beta,   c->mean,
                     c->rstd,    c->var,   c->dgamma, c->dbeta};
    for (int i = 0; i < 4; i++) mat_free(mats[i]);
    for (int i = 0; i < 8; i++) free(all[i]);
}

static bnorm_status fused_forward(bnorm_ctx *ctx, fused_case *c, const bnorm_activation *a,
                                  mat *y)
{
    if (!c->s.f32)
        return bnorm_forward_activation_f64(ctx, mat_f64(&c->x), c->weights, c->gamma, c->beta,
                                            c->rule, a, mat_f64(y), c->mean, c->rstd);
    float *g = rounded(c->gamma, c->s.cols), *b = rounded(c->beta, c->s.cols);
    bnorm_status status = bnorm_forward_activation_f32(
        ctx, mat_f32(&c->x), c->weights, g, b, c->rule, a, mat_f32(y), c->mean, c->rstd);
    free(g);
    free(b);
    return status;
}

static bnorm_status fused_infer(bnorm_ctx *ctx, fused_case *c, const bnorm_activation *a,
                                mat *y)
{
    if (!c->s.f32)
        return bnorm_infer_activation_f64(ctx, mat_f64(&c->x), c->gamma, c->beta, c->mean,
                                          c->var, 1e-3, a, mat_f64(y));
    float *g = rounded(c->gamma, c->s.cols), *b = rounded(c->beta, c->s.cols);
    bnorm_status status = bnorm_infer_activation_f32(ctx, mat_f32(&c->x), g, b, c->mean, c->var,
                                                     1e-3, a, mat_f32(y));
    free(g);
    free(b);
    return status;
}

/* dx NULL: absent. */
static bnorm_status fused_backward(bnorm_ctx *ctx, fused_case *c, const bnorm_activation *a,
                                   mat *x, mat *dy, mat *dx)
{
    ptrdiff_t cols = c->s.cols;
    if (!c->s.f32)
        return bnorm_backward_activation_f64(
            ctx, mat_f64(x), mat_f64(dy), c->weights, c->gamma, c->beta, c->mean, c->rstd,
            c->rule, a, dx ? mat_f64(dx) : (bnorm_mat_f64){0}, c->dgamma, c->dbeta);
    float *g = rounded(c->gamma, cols), *b = rounded(c->beta, cols);
    float *out = calloc((size_t)(2 * cols + 1), sizeof *out);
    bnorm_status status = bnorm_backward_activation_f32(
        ctx, mat_f32(x), mat_f32(dy), c->weights, g, b, c->mean, c->rstd, c->rule, a,
        dx ? mat_f32(dx) : (bnorm_mat_f32){0}, out, out + cols);
    for (ptrdiff_t j = 0; j < cols; j++) {
        c->dgamma[j] = (double)out[j];
        c->dbeta[j] = (double)out[cols + j];
    }
    free(g);
    free(b);
    free(out);
    return status;
}

/* The activation, or its gradient times dv, of the elements of a matrix, one by one, by the
 * public functions, which are of double. */
static void apply_double(const bnorm_activation *a, mat *b, const mat *dv)
{
    for (ptrdiff_t i = 0; i < b->rows; i++)
        for (ptrdiff_t j = 0; j < b->cols; j++) {
            double t = mat_get(b, i, j), w = dv ? mat_get(dv, i, j) : 0;
            if (dv)
                a->gradient(a->user, 1, &t, &w, &t);
            else
                a->value(a->user, 1, &t, &t);
            mat_set(b, i, j, t);
        }
}

/* ------------------------------------------------------------------------------------ cases */

static const ptrdiff_t sizes[][2] = {{2, 1},     {7, 5},    {60, 33},   {130, 300},
                                     {40, 1100}, {9000, 3}, {20000, 2}, {700, 70}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static shape shape_at(int k, int size)
{
    return (shape){.f32 = k & 1,
                   .layout = k & 2 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR,
                   .rows = sizes[size][0],
                   .cols = sizes[size][1],
                   .pad = k & 4 ? 3 : 0,
                   .affine = (k ^ size) & 1,
                   .weighted = k >> 3 & 1,
                   .threads = 1 + (k + size) % 4};
}

/* Float data pass through functions of float, of 8 units at most: twice that in roundoffs. */
static double unit_bound(int f32, double expected)
{
    return f32 ? 16 * UNIT_F32 * fabs(expected) + 0x1p-148 : 0;
}

static void check_values(const fused_case *c, const mat *got, const mat *expected)
{
    for (ptrdiff_t i = 0; i < c->s.rows; i++)
        for (ptrdiff_t j = 0; j < c->s.cols; j++) {
            double e = mat_get(expected, i, j);
            check_near(mat_get(got, i, j), e, unit_bound(c->s.f32, e), "y", i, j);
        }
}

/* Forward and inference: double to the bit. */
static void forward_is_the_two_calls(void **state)
{
    (void)state;
    for (int k = 0; k < 16; k++)
        for (int i = 0; i < SIZES; i++) {
            const bnorm_activation *a = activation_at((k + i) % ACTIVATIONS);
            fused_case c = case_make(shape_at(k, i));
            bnorm_ctx *ctx = make_ctx(c.s.threads);
            mat two = mat_copy(&c.x);
            assert_ok(ctx, call_infer(ctx, &c.x, c.gamma, c.beta, c.mean, c.var, 1e-3, &two));
            apply_double(a, &two, NULL);
            assert_ok(ctx, fused_infer(ctx, &c, a, &c.y));
            check_values(&c, &c.y, &two);
            mat_check_canaries(&c.y);
            assert_ok(ctx, fused_forward(ctx, &c, a, &c.y));
            double *mean = vec_normal(c.s.cols, 1, 0, 1), *rstd = vec_normal(c.s.cols, 1, 0, 1);
            assert_ok(ctx, call_forward(ctx, &c.x, c.weights, c.gamma, c.beta, c.rule, &two,
                                        mean, rstd));
            apply_double(a, &two, NULL);
            check_values(&c, &c.y, &two);
            mat_check_canaries(&c.y);
            assert_memory_equal(mean, c.mean, (size_t)c.s.cols * sizeof *mean);
            assert_memory_equal(rstd, c.rstd, (size_t)c.s.cols * sizeof *rstd);
            free(mean);
            free(rstd);
            mat_free(&two);
            case_free(&c);
            bnorm_ctx_destroy(ctx);
        }
}

/* What backward of the two calls gives, and how far sums of other order may be. */
static void check_backward_column(const fused_case *c, const mat *w, const mat *dx,
                                  const double *dgamma, const double *dbeta, ptrdiff_t j)
{
    double u = c->s.f32 ? UNIT_F32 : UNIT_F64, n = (double)c->s.rows, rstd = c->rstd[j];
    double terms = 0, z_terms = 0, size = 0, slack = c->s.f32 ? 16 * u : 0;
    for (ptrdiff_t i = 0; i < c->s.rows; i++) {
        double g = fabs(mat_get(w, i, j));
        terms += g;
        z_terms += g * fabs((mat_get(&c->x, i, j) - c->mean[j]) * rstd);
        if (g > size) size = g;
    }
    check_near(c->dbeta[j], dbeta[j], 2 * tol_sum(u, n, dbeta[j], terms) + slack * terms,
               "dbeta", 0, j);
    check_near(c->dgamma[j], dgamma[j], 2 * tol_sum(u, n, dgamma[j], z_terms) + slack * z_terms,
               "dgamma", 0, j);
    double gamma = c->gamma ? fabs(c->gamma[j]) : 1;
    for (ptrdiff_t i = 0; i < c->s.rows; i++) {
        double e = mat_get(dx, i, j), z = fabs((mat_get(&c->x, i, j) - c->mean[j]) * rstd);
        double inner = size + 3 * (terms + z * z_terms) / n;
        check_near(mat_get(&c->dx, i, j), e,
                   gamma * rstd * inner * (40 * u + 4 * (n + 8) * UNIT_F64) + 0x1p-140, "dx", i,
                   j);
    }
}

static void backward_is_the_two_calls(void **state)
{
    (void)state;
    for (int k = 0; k < 16; k++)
        for (int i = 0; i < SIZES; i++) {
            const bnorm_activation *a = activation_at((k + 3 * i) % ACTIVATIONS);
            fused_case c = case_make(shape_at(k, i));
            bnorm_ctx *ctx = make_ctx(c.s.threads);
            mat w = mat_copy(&c.x), dx = mat_copy(&c.x), kept = mat_copy(&c.x);
            mat upstream = mat_copy(&c.dy);
            double *dgamma = vec_normal(c.s.cols, 1, 0, 1),
                   *dbeta = vec_normal(c.s.cols, 1, 0, 1);
            assert_ok(ctx, call_forward(ctx, &c.x, c.weights, c.gamma, c.beta, c.rule, &w,
                                        c.mean, c.rstd));
            apply_double(a, &w, &c.dy);
            assert_ok(ctx, call_backward(ctx, &c.x, &w, c.weights, c.gamma, c.mean, c.rstd,
                                         c.rule, &dx, dgamma, dbeta));
            assert_ok(ctx, fused_backward(ctx, &c, a, &c.x, &c.dy, &c.dx));
            for (ptrdiff_t j = 0; j < c.s.cols; j++)
                check_backward_column(&c, &w, &dx, dgamma, dbeta, j);
            mat_check_canaries(&c.dx);
            assert_true(mat_same(&c.x, &kept) && mat_same(&c.dy, &upstream));
            free(dgamma);
            free(dbeta);
            mat *mats[] = {&w, &dx, &kept, &upstream};
            for (int m = 0; m < 4; m++) mat_free(mats[m]);
            case_free(&c);
            bnorm_ctx_destroy(ctx);
        }
}

static void assert_sums(const fused_case *a, const fused_case *b)
{
    assert_memory_equal(a->dgamma, b->dgamma, (size_t)a->s.cols * sizeof *a->dgamma);
    assert_memory_equal(a->dbeta, b->dbeta, (size_t)a->s.cols * sizeof *a->dbeta);
}

/* One thread and four, padded and not, y in place of x, dx of dy, of x, or absent. */
static void place_does_not_matter(void **state)
{
    (void)state;
    bnorm_ctx *four = make_ctx(4);
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < SIZES; i++)
            for (int f = i % 2; f < ACTIVATIONS; f += 2) {
                const bnorm_activation *a = activation_at(f);
                shape s = shape_at(k, i), padded = s;
                padded.pad = 5;
                fused_case c = case_make(s), d = case_make(padded);
                assert_ok(NULL, fused_forward(NULL, &c, a, &c.y));
                assert_ok(four, fused_forward(four, &d, a, &d.y));
                assert_true(mat_same(&c.y, &d.y));
                assert_ok(NULL, fused_backward(NULL, &c, a, &c.x, &c.dy, &c.dx));
                assert_ok(four, fused_backward(four, &d, a, &d.x, &d.dy, NULL));
                assert_sums(&c, &d);
                assert_ok(four, fused_backward(four, &d, a, &d.x, &d.dy, &d.dx));
                assert_true(mat_same(&c.dx, &d.dx));
                mat x = mat_copy(&d.x), dy = mat_copy(&d.dy);
                assert_ok(four, fused_backward(four, &d, a, &x, &d.dy, &x));
                assert_true(mat_same(&c.dx, &x));
                assert_sums(&c, &d);
                assert_ok(four, fused_backward(four, &d, a, &d.x, &dy, &dy));
                assert_true(mat_same(&c.dx, &dy));
                assert_sums(&c, &d);
                assert_ok(four, fused_forward(four, &d, a, &d.x));
                assert_true(mat_same(&c.y, &d.x));
                mat_free(&x);
                mat_free(&dy);
                case_free(&c);
                case_free(&d);
            }
    assert_int_equal(calls_elsewhere, 0); /* the caller's functions stay on its thread */
    bnorm_ctx_destroy(four);
}

static double objective(fused_case *c, const bnorm_activation *a)
{
    assert_ok(NULL, fused_forward(NULL, c, a, &c->y));
    double sum = 0;
    for (ptrdiff_t i = 0; i < c->s.rows; i++)
        for (ptrdiff_t j = 0; j < c->s.cols; j++)
            sum += mat_get(&c->dy, i, j) * mat_get(&c->y, i, j);
    return sum;
}

/* R = sum(dy y) by central differences, of error about h^2 and U R/h. */
static void backward_is_the_derivative(void **state)
{
    (void)state;
    enum { N = 9, P = 3 };
    for (int f = 3; f < ACTIVATIONS; f++) { /* those without a kink */
        const bnorm_activation *a = activation_at(f);
        fused_case c = case_make((shape){
            .layout = BNORM_ROW_MAJOR, .rows = N, .cols = P, .affine = 1, .weighted = f % 2});
        objective(&c, a);
        assert_ok(NULL, fused_backward(NULL, &c, a, &c.x, &c.dy, &c.dx));
        double *x = (double *)c.x.block + c.x.first, h = 1e-5;
        for (int k = 0; k < N * P + 2 * P; k++) {
            double *at = k < N * P       ? x + k
                         : k < N * P + P ? c.gamma + k - N * P
                                         : c.beta + k - N * P - P;
            double expected = k < N * P       ? mat_get(&c.dx, k / P, k % P)
                              : k < N * P + P ? c.dgamma[k - N * P]
                                              : c.dbeta[k - N * P - P];
            double kept = *at;
            *at = kept + h;
            double up = objective(&c, a);
            *at = kept - h;
            double down = objective(&c, a);
            *at = kept;
            check_near((up - down) / (2 * h), expected, 5e-8, a->name, k, 0);
        }
        case_free(&c);
    }
}

static void refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    double x[6] = {1, 2, 3, 4, 5, 6}, y[6], v[3] = {1, 1, 1}, bad[3] = {1, 1, -1};
    bnorm_mat_f64 vx = bnorm_view_f64(x, 2, 3, BNORM_ROW_MAJOR), vy = vx, odd = vx;
    bnorm_rule rule = {0, 0}, two = {0, 2}, minus = {-1, 0};
    bnorm_activation broken = sine, half = sine;
    const bnorm_activation *tanh_ = bnorm_activation_find("tanh");
    bnorm_status e = BNORM_E_ARGUMENT;
    broken.value = NULL;
    half.gradient = NULL;
    vy.data = y;
    odd.cols = 2;
    const struct {
        const bnorm_activation *a;
        const char *text;
    } wrong[] = {{NULL, "activation is NULL"},
                 {&broken, "'sine' has no value"},
                 {&half, "'sine' has no gradient"}};
    for (int k = 0; k < 3; k++) {
        const bnorm_activation *a = wrong[k].a;
        assert_fails(ctx,
                     bnorm_forward_activation_f64(ctx, vx, NULL, NULL, NULL, rule, a, vy, v, v),
                     e, wrong[k].text);
        assert_fails(ctx, bnorm_infer_activation_f64(ctx, vx, NULL, NULL, v, v, 0, a, vy), e,
                     wrong[k].text);
        assert_fails(ctx,
                     bnorm_backward_activation_f64(ctx, vx, vx, NULL, NULL, NULL, v, v, rule, a,
                                                   vy, v, v),
                     e, wrong[k].text);
    }
    const bnorm_activation *a = tanh_;
    assert_fails(ctx,
                 bnorm_forward_activation_f64(ctx, vx, NULL, NULL, NULL, rule, a, odd, v, v), e,
                 "y is 2 x 2");
    assert_fails(ctx,
                 bnorm_forward_activation_f64(ctx, vx, NULL, NULL, NULL, minus, a, vy, v, v), e,
                 "eps is -1");
    assert_fails(ctx, bnorm_forward_activation_f64(ctx, vx, NULL, NULL, NULL, two, a, vy, v, v),
                 BNORM_E_DOMAIN, "n - ddof");
    assert_fails(ctx,
                 bnorm_forward_activation_f64(ctx, vx, NULL, NULL, NULL, rule, a, vy, NULL, v),
                 e, "mean is NULL");
    assert_fails(ctx,
                 bnorm_forward_activation_f64(ctx, vx, bad + 1, NULL, NULL, rule, a, vy, v, v),
                 e, "weight of row 2");
    assert_fails(ctx, bnorm_infer_activation_f64(ctx, vx, NULL, NULL, v, bad, 0, a, vy), e,
                 "var of column 3");
    assert_fails(
        ctx,
        bnorm_backward_activation_f64(ctx, vx, odd, NULL, NULL, NULL, v, v, rule, a, vy, v, v),
        e, "dy is 2 x 2");
    assert_fails(
        ctx,
        bnorm_backward_activation_f64(ctx, vx, vx, NULL, NULL, NULL, v, v, rule, a, odd, v, v),
        e, "dx is 2 x 2");
    assert_fails(ctx,
                 bnorm_backward_activation_f64(ctx, vx, vx, NULL, NULL, NULL, v, NULL, rule, a,
                                               vy, v, v),
                 e, "rstd is NULL");
    assert_fails(
        ctx,
        bnorm_backward_activation_f64(ctx, vx, vx, NULL, NULL, NULL, v, v, two, a, vy, v, v),
        BNORM_E_DOMAIN, "n - ddof");
    vx.cols = vy.cols = 0; /* nothing to do */
    assert_ok(ctx,
              bnorm_forward_activation_f64(ctx, vx, NULL, NULL, NULL, rule, a, vy, NULL, NULL));
    vx.rows = vy.rows = 0;
    vx.cols = vy.cols = 3;
    assert_ok(ctx, bnorm_infer_activation_f64(ctx, vx, NULL, NULL, v, v, 0, a, vy));
    bnorm_ctx_destroy(ctx);
}

static int doubled(void *user, double *values, ptrdiff_t count)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) values[i] *= 2;
    return 0;
}

/* Two processes with the same rows: the means of one, twice the gradients. */
static void over_processes(void **state)
{
    (void)state;
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.reduce = doubled;
    bnorm_ctx *ctx;
    assert_int_equal(bnorm_ctx_create(&options, &ctx), BNORM_OK);
    fused_case c = case_make((shape){.layout = BNORM_COL_MAJOR, .rows = 30, .cols = 4});
    fused_case d = case_make(c.s);
    const bnorm_activation *a = activation_at(3);
    assert_ok(NULL, fused_forward(NULL, &c, a, &c.y));
    assert_ok(NULL, fused_backward(NULL, &c, a, &c.x, &c.dy, &c.dx));
    assert_ok(ctx, fused_forward(ctx, &d, a, &d.y));
    assert_ok(ctx, fused_backward(ctx, &d, a, &d.x, &d.dy, &d.dx));
    for (ptrdiff_t j = 0; j < 4; j++) {
        check_near(d.mean[j], c.mean[j], 1e-14, "mean", 0, j);
        check_near(d.dgamma[j], 2 * c.dgamma[j], 1e-12, "dgamma", 0, j);
        check_near(d.dbeta[j], 2 * c.dbeta[j], 1e-12, "dbeta", 0, j);
        for (ptrdiff_t i = 0; i < 30; i++)
            check_near(mat_get(&d.dx, i, j), mat_get(&c.dx, i, j), 1e-13, "dx", i, j);
    }
    case_free(&c);
    case_free(&d);
    bnorm_ctx_destroy(ctx);
}

static bnorm_status wide(bnorm_ctx *ctx, void *argument)
{
    fused_case *c = argument;
    const bnorm_activation *a = activation_at(6);
    bnorm_status status = fused_forward(ctx, c, a, &c->y);
    if (status == BNORM_OK) status = fused_infer(ctx, c, a, &c->y);
    if (status == BNORM_OK) status = fused_backward(ctx, c, a, &c->x, &c->dy, &c->dx);
    return status;
}

static void without_memory(void **state)
{
    (void)state;
    fused_case c = case_make((shape){.layout = BNORM_ROW_MAJOR, .rows = 3, .cols = 700});
    assert_true(fail_each_allocation(wide, &c) == 5); /* the context, three scratches */
    case_free(&c);
}

int main(void)
{
    here = 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_the_two_calls),
        cmocka_unit_test(backward_is_the_two_calls),
        cmocka_unit_test(place_does_not_matter),
        cmocka_unit_test(backward_is_the_derivative),
        cmocka_unit_test(refusals),
        cmocka_unit_test(over_processes),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("matrix_fused", tests, NULL, NULL);
}
