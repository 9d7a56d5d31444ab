/* matrix_group: group normalisation by its formulas in long double, beside layer normalisation,
 * against differences; bits, edges and refusals. */
#include "matrix_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tolerance.h"

static const bnorm_layout layouts[] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};

static float *rounded(const double *v, ptrdiff_t count)
{
    if (!v) return NULL;
    float *f = malloc((size_t)(count + 1) * sizeof *f);
    for (ptrdiff_t i = 0; i < count; i++) f[i] = (float)v[i];
    return f;
}

static bnorm_status call_forward_group(bnorm_ctx *ctx, const mat *x, ptrdiff_t channels,
                                       ptrdiff_t groups, const double *gamma,
                                       const double *beta, double eps, mat *y, double *mean,
                                       double *rstd)
{
    if (!x->f32)
        return bnorm_groupnorm_forward_f64(ctx, mat_f64(x), channels, groups, gamma, beta, eps,
                                           mat_f64(y), mean, rstd);
    float *g = rounded(gamma, channels), *b = rounded(beta, channels);
    bnorm_status status = bnorm_groupnorm_forward_f32(ctx, mat_f32(x), channels, groups, g, b,
                                                      eps, mat_f32(y), mean, rstd);
    free(g);
    free(b);
    return status;
}

static bnorm_status call_backward_group(bnorm_ctx *ctx, const mat *x, const mat *dy,
                                        ptrdiff_t channels, ptrdiff_t groups,
                                        const double *gamma, const double *mean,
                                        const double *rstd, mat *dx, double *dgamma,
                                        double *dbeta)
{
    if (!x->f32)
        return bnorm_groupnorm_backward_f64(
            ctx, mat_f64(x), mat_f64(dy), channels, groups, gamma, mean, rstd,
            dx ? mat_f64(dx) : (bnorm_mat_f64){0}, dgamma, dbeta);
    float *g = rounded(gamma, channels), *pair = calloc((size_t)(2 * channels + 1), 4);
    bnorm_status status = bnorm_groupnorm_backward_f32(
        ctx, mat_f32(x), mat_f32(dy), channels, groups, g, mean, rstd,
        dx ? mat_f32(dx) : (bnorm_mat_f32){0}, pair, pair + channels);
    for (ptrdiff_t c = 0; c < channels; c++) {
        dgamma[c] = (double)pair[c];
        dbeta[c] = (double)pair[channels + c];
    }
    free(g);
    free(pair);
    return status;
}

/* A case: matrices of samples x (channels span), and everything a call gives. */
typedef struct sample_set {
    ptrdiff_t channels, groups, span, line;
    double eps, unit;
    mat x, w, y, dx;
    double *gamma, *beta, *mean, *rstd, *dgamma, *dbeta;
} sample_set;

static sample_set set_make(int f32, bnorm_layout layout, ptrdiff_t rows, ptrdiff_t channels,
                           ptrdiff_t groups, ptrdiff_t span, ptrdiff_t pad)
{
    sample_set s = {.channels = channels,
                    .groups = groups,
                    .span = span,
                    .line = channels / groups * span,
                    .eps = 1e-3,
                    .unit = f32 ? UNIT_F32 : UNIT_F64};
    s.x = mat_make(f32, layout, rows, channels * span, pad, pad % 3);
    s.w = mat_copy(&s.x);
    mat_fill(&s.x, 1, 3, 1);
    mat_fill(&s.w, 2, 0.2, 1);
    s.y = mat_copy(&s.x);
    s.dx = mat_copy(&s.w);
    s.gamma = vec_normal(channels, 1, 1, 1);
    s.beta = vec_normal(channels, 2, 0, 1);
    if (channels > 2) s.gamma[1] = 0;
    vec_round(f32, channels, s.gamma);
    vec_round(f32, channels, s.beta);
    double **out[] = {&s.mean, &s.rstd, &s.dgamma, &s.dbeta};
    for (int i = 0; i < 4; i++)
        *out[i] = calloc((size_t)(i < 2 ? rows * groups : channels) + 1, sizeof(double));
    return s;
}

static void set_free(sample_set *s)
{
    mat *mats[] = {&s->x, &s->w, &s->y, &s->dx};
    double *vectors[] = {s->gamma, s->beta, s->mean, s->rstd, s->dgamma, s->dbeta};
    for (int i = 0; i < 4; i++) mat_free(mats[i]);
    for (int i = 0; i < 6; i++) free(vectors[i]);
}

static void set_run(sample_set *s, bnorm_ctx *ctx, int affine)
{
    assert_ok(ctx,
              call_forward_group(ctx, &s->x, s->channels, s->groups, affine ? s->gamma : NULL,
                                 affine ? s->beta : NULL, s->eps, &s->y, s->mean, s->rstd));
    assert_ok(ctx, call_backward_group(ctx, &s->x, &s->w, s->channels, s->groups,
                                       affine ? s->gamma : NULL, s->mean, s->rstd, &s->dx,
                                       s->dgamma, s->dbeta));
}

/* Group g of sample i by the formulas. */
static void check_group(const sample_set *s, ptrdiff_t i, ptrdiff_t g, int affine)
{
    ptrdiff_t first = g * s->line, end = first + s->line, at = i * s->groups + g;
    long double n = s->line, m = 0, m2 = 0, u_mean = 0, p = 0, spread = 0, size = 0;
    for (ptrdiff_t j = first; j < end; j++) m += mat_get(&s->x, i, j) / n;
    for (ptrdiff_t j = first; j < end; j++) {
        long double d = mat_get(&s->x, i, j) - m;
        m2 += d * d;
        if (fabsl(d) > spread) spread = fabsl(d);
    }
    long double r = 1 / sqrtl(m2 / n + s->eps);
    double count = (double)s->line;
    check_near(s->mean[at], m, tol_mean(count, (double)m, (double)spread), "mean", i, g);
    check_near(s->rstd[at], r, tol_rstd(count, (double)r), "rstd", i, g);
    for (ptrdiff_t j = first; j < end; j++) {
        long double gamma = affine ? s->gamma[j / s->span] : 1;
        long double u = gamma * mat_get(&s->w, i, j), z = (mat_get(&s->x, i, j) - m) * r;
        u_mean += u / n;
        p += u * z / n;
        size += fabsl(u) * (1 + fabsl(z)) / n;
    }
    for (ptrdiff_t j = first; j < end; j++) {
        double gamma = affine ? s->gamma[j / s->span] : 1;
        double beta = affine ? s->beta[j / s->span] : 0;
        long double z = (mat_get(&s->x, i, j) - m) * r, e = gamma * z + beta;
        long double u = gamma * (long double)mat_get(&s->w, i, j);
        double bound = tol_y(s->unit, count, (double)e, gamma, beta, (double)z, (double)m,
                             (double)r, (double)spread) +
                       tol_map(s->unit, (double)(gamma * z), (double)(gamma * r * m));
        check_near(mat_get(&s->y, i, j), e, bound, "y", i, j);
        long double slope = r * (u - u_mean - z * p);
        long double terms = r * (fabsl(u) + (1 + fabsl(z)) * size * (1 + fabsl(m) * r));
        bound = (double)(s->unit * fabsl(slope) + 40 * (n + 16) * UNIT_F64 * terms) +
                (s->unit == UNIT_F32 ? (double)(8 * UNIT_F32 * terms) : 0);
        check_near(mat_get(&s->dx, i, j), slope, bound, "dx", i, j);
    }
}

static void check_channel(const sample_set *s, ptrdiff_t c)
{
    long double g = 0, b = 0, g_size = 0, b_size = 0;
    for (ptrdiff_t i = 0; i < s->x.rows; i++)
        for (ptrdiff_t j = c * s->span; j < (c + 1) * s->span; j++) {
            ptrdiff_t at = i * s->groups + j / s->line;
            long double w = mat_get(&s->w, i, j);
            long double t = w * (mat_get(&s->x, i, j) - (long double)s->mean[at]) * s->rstd[at];
            g += t;
            b += w;
            g_size += fabsl(t);
            b_size += fabsl(w);
        }
    double n = (double)(s->x.rows * s->span);
    check_near(s->dgamma[c], g, tol_sum(s->unit, n, (double)g, (double)g_size), "dgamma", c, 0);
    check_near(s->dbeta[c], b, tol_sum(s->unit, n, (double)b, (double)b_size), "dbeta", c, 0);
}

static const ptrdiff_t sizes[][4] = {{1, 1, 1, 2},   {3, 4, 2, 1},  {5, 6, 3, 7},
                                     {17, 6, 6, 16}, {40, 8, 1, 5}, {2, 12, 4, 49},
                                     {33, 9, 3, 1},  {70, 2, 2, 3}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void group_by_formula(void **state)
{
    (void)state;
    for (int k = 0; k < 16; k++)
        for (int i = 0; i < SIZES; i++) {
            const ptrdiff_t *z = sizes[i];
            bnorm_ctx *ctx = make_ctx(k % 4 + 1);
            sample_set s =
                set_make(k & 1, layouts[k >> 1 & 1], z[0], z[1], z[2], z[3], k >> 3 ? 5 : 0);
            mat x = mat_copy(&s.x), w = mat_copy(&s.w);
            set_run(&s, ctx, k >> 2 & 1);
            for (ptrdiff_t row = 0; row < z[0]; row++)
                for (ptrdiff_t g = 0; g < z[2]; g++) check_group(&s, row, g, k >> 2 & 1);
            for (ptrdiff_t c = 0; c < z[1]; c++) check_channel(&s, c);
            assert_true(mat_same(&x, &s.x) && mat_same(&w, &s.w));
            mat_check_canaries(&s.y);
            mat_check_canaries(&s.dx);
            mat_free(&x);
            mat_free(&w);
            set_free(&s);
            bnorm_ctx_destroy(ctx);
        }
}

static void assert_bits(const double *a, const double *b, ptrdiff_t count)
{
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

/* The same bits for one thread and four, padded and not, in place of x, of dy, and not. */
static void group_bits(void **state)
{
    (void)state;
    bnorm_ctx *four = make_ctx(4);
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < SIZES; i++) {
            const ptrdiff_t *z = sizes[i];
            sample_set a = set_make(k & 1, layouts[k >> 1], z[0], z[1], z[2], z[3], 0);
            sample_set b = set_make(k & 1, layouts[k >> 1], z[0], z[1], z[2], z[3], 7);
            set_run(&a, NULL, 1);
            mat in = mat_copy(&b.x);
            assert_ok(four, call_forward_group(four, &in, b.channels, b.groups, b.gamma, b.beta,
                                               b.eps, &in, b.mean, b.rstd));
            assert_true(mat_same(&in, &a.y));
            assert_ok(four,
                      call_backward_group(four, &b.x, &b.dx, b.channels, b.groups, b.gamma,
                                          b.mean, b.rstd, &b.dx, b.dgamma, b.dbeta));
            assert_true(mat_same(&b.dx, &a.dx));
            assert_ok(four, call_backward_group(four, &b.x, &b.w, b.channels, b.groups, b.gamma,
                                                b.mean, b.rstd, &b.x, b.dgamma, b.dbeta));
            assert_true(mat_same(&b.x, &a.dx));
            assert_bits(a.mean, b.mean, z[0] * z[2]);
            assert_bits(a.rstd, b.rstd, z[0] * z[2]);
            assert_bits(a.dgamma, b.dgamma, z[1]);
            assert_bits(a.dbeta, b.dbeta, z[1]);
            mat_free(&in);
            set_free(&a);
            set_free(&b);
        }
    bnorm_ctx_destroy(four);
}

/* One group of channels of one value each is layer normalisation, to the bit. */
static void one_group_is_layer_normalisation(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        sample_set s = set_make(k & 1, layouts[k >> 1], 37, 24, 1, 1, 3);
        set_run(&s, NULL, 1);
        mat y = mat_copy(&s.x), dx = mat_copy(&s.x);
        double mean[37], rstd[37], dgamma[24], dbeta[24];
        assert_ok(NULL, call_layer_forward(NULL, &s.x, s.gamma, s.beta, s.eps, &y, mean, rstd));
        assert_ok(NULL, call_layer_backward(NULL, &s.x, &s.w, s.gamma, mean, rstd, &dx, dgamma,
                                            dbeta));
        assert_true(mat_same(&y, &s.y) && mat_same(&dx, &s.dx));
        assert_bits(mean, s.mean, 37);
        assert_bits(rstd, s.rstd, 37);
        assert_bits(dgamma, s.dgamma, 24);
        assert_bits(dbeta, s.dbeta, 24);
        mat_free(&y);
        mat_free(&dx);
        set_free(&s);
    }
}

static double objective(sample_set *s)
{
    assert_ok(NULL, call_forward_group(NULL, &s->x, s->channels, s->groups, s->gamma, s->beta,
                                       s->eps, &s->y, s->mean, s->rstd));
    double sum = 0;
    for (ptrdiff_t i = 0; i < s->x.rows; i++)
        for (ptrdiff_t j = 0; j < s->x.cols; j++)
            sum += mat_get(&s->w, i, j) * mat_get(&s->y, i, j);
    return sum;
}

static double difference(sample_set *s, double *at)
{
    double kept = *at, h = 1e-5;
    *at = kept + h;
    double up = objective(s);
    *at = kept - h;
    double down = objective(s);
    *at = kept;
    return (up - down) / (2 * h);
}

/* R = sum(w y): central differences, whose error is about h^2 + U R/h. */
static void group_differences(void **state)
{
    (void)state;
    sample_set s = set_make(0, BNORM_ROW_MAJOR, 3, 6, 2, 4, 0);
    set_run(&s, NULL, 1);
    double *x = (double *)s.x.block + s.x.first;
    for (ptrdiff_t i = 0; i < 3 * 24; i++)
        check_near(difference(&s, x + i), mat_get(&s.dx, i / 24, i % 24), 2e-8, "dx", i / 24,
                   i % 24);
    for (ptrdiff_t c = 0; c < 6; c++) {
        check_near(difference(&s, s.gamma + c), s.dgamma[c], 2e-8, "dgamma", c, 0);
        check_near(difference(&s, s.beta + c), s.dbeta[c], 2e-8, "dbeta", c, 0);
    }
    set_free(&s);
}

static void group_edges(void **state)
{
    (void)state;
    double mean[4] = {7, 7, 7, 7}, rstd[4] = {7, 7, 7, 7}, dgamma[2] = {7, 7},
           dbeta[2] = {7, 7};
    bnorm_mat_f64 none = {NULL, 0, 6, 6, BNORM_ROW_MAJOR},
                  thin = {NULL, 2, 0, 0, BNORM_ROW_MAJOR};
    assert_ok(NULL,
              bnorm_groupnorm_forward_f64(NULL, none, 2, 2, NULL, NULL, 0, none, NULL, NULL));
    assert_ok(NULL, bnorm_groupnorm_backward_f64(NULL, none, none, 2, 2, NULL, NULL, NULL, none,
                                                 dgamma, dbeta));
    assert_true(dgamma[1] == 0 && dbeta[0] == 0); /* sums of nothing */
    dgamma[0] = 7;
    assert_ok(NULL,
              bnorm_groupnorm_forward_f64(NULL, thin, 2, 2, NULL, NULL, 0, thin, mean, rstd));
    assert_true(mean[0] == 0 && mean[3] == 0 && rstd[3] == 0);
    assert_ok(NULL, bnorm_groupnorm_backward_f64(NULL, thin, thin, 2, 2, NULL, mean, rstd, thin,
                                                 dgamma, NULL));
    assert_true(dgamma[0] == 0);
    assert_ok(NULL,
              bnorm_groupnorm_forward_f64(NULL, thin, 0, 1, NULL, NULL, 0, thin, mean, rstd));
    double x[8] = {0.1, 0.1, 0.1, 0.1, 1, 2, 3, (double)NAN}, y[8], beta[2] = {5, 6};
    bnorm_mat_f64 vx = bnorm_view_f64(x, 2, 4, BNORM_ROW_MAJOR);
    bnorm_mat_f64 vy = bnorm_view_f64(y, 2, 4, BNORM_ROW_MAJOR);
    assert_ok(NULL, bnorm_groupnorm_forward_f64(NULL, vx, 2, 2, NULL, beta, 0, vy, mean, rstd));
    assert_true(y[0] == 5 && y[3] == 6 && rstd[0] == 0); /* constant: exactly beta */
    assert_true(y[4] == 4 && y[5] == 6 && isnan(y[6]) && isnan(y[7])); /* its own group alone */
}

static void group_refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    double x[12] = {0}, y[12], v[12];
    bnorm_mat_f64 vx = bnorm_view_f64(x, 2, 6, BNORM_ROW_MAJOR), vy = vx, odd = vx;
    vy.data = y;
    static const struct {
        ptrdiff_t channels, groups;
        const char *text;
    } bad[] = {{4, 1, "channels is 4; x has 6 columns"},
               {-6, 1, "channels is -6"},
               {0, 1, "channels is 0"},
               {12, 1, "channels is 12"},
               {6, 4, "groups is 4; it must be at least 1 and divide the 6 channels"},
               {6, 0, "groups is 0"},
               {3, -3, "groups is -3"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_fails(ctx,
                     bnorm_groupnorm_forward_f64(ctx, vx, bad[k].channels, bad[k].groups, NULL,
                                                 NULL, 0, vy, v, v + 6),
                     BNORM_E_ARGUMENT, bad[k].text);
        assert_fails(ctx,
                     bnorm_groupnorm_backward_f64(ctx, vx, vx, bad[k].channels, bad[k].groups,
                                                  NULL, v, v + 6, vy, NULL, NULL),
                     BNORM_E_ARGUMENT, bad[k].text);
    }
    odd.cols = 5;
    bnorm_status e = BNORM_E_ARGUMENT;
    assert_fails(ctx, bnorm_groupnorm_forward_f64(ctx, vx, 6, 2, NULL, NULL, 0, odd, v, v), e,
                 "y is 2 x 5");
    assert_fails(ctx, bnorm_groupnorm_forward_f64(ctx, vx, 6, 2, NULL, NULL, -1, vy, v, v), e,
                 "eps is -1");
    assert_fails(ctx, bnorm_groupnorm_forward_f64(ctx, vx, 6, 2, NULL, NULL, 0, vy, NULL, v), e,
                 "mean is NULL");
    assert_fails(ctx, bnorm_groupnorm_backward_f64(ctx, vx, odd, 6, 2, NULL, v, v, vy, v, v), e,
                 "dy is 2 x 5");
    assert_fails(ctx, bnorm_groupnorm_backward_f64(ctx, vx, vx, 6, 2, NULL, v, v, odd, v, v), e,
                 "dx is 2 x 5");
    assert_fails(ctx, bnorm_groupnorm_backward_f64(ctx, vx, vx, 6, 2, NULL, v, NULL, vy, v, v),
                 e, "rstd is NULL");
    bnorm_ctx_destroy(ctx);
}

static bnorm_status wide(bnorm_ctx *ctx, void *argument)
{
    sample_set *s = argument;
    bnorm_status status = call_forward_group(ctx, &s->x, s->channels, s->groups, s->gamma,
                                             s->beta, s->eps, &s->y, s->mean, s->rstd);
    if (status != BNORM_OK) return status;
    return call_backward_group(ctx, &s->x, &s->w, s->channels, s->groups, s->gamma, s->mean,
                               s->rstd, &s->dx, s->dgamma, s->dbeta);
}

static void group_without_memory(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        sample_set s = set_make(0, layouts[k], 3, 1400, 7, 2, 0);
        assert_true(fail_each_allocation(wide, &s) > 3); /* the context, and two at least */
        set_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_by_formula),
        cmocka_unit_test(group_bits),
        cmocka_unit_test(one_group_is_layer_normalisation),
        cmocka_unit_test(group_differences),
        cmocka_unit_test(group_edges),
        cmocka_unit_test(group_refusals),
        cmocka_unit_test(group_without_memory),
    };
    return cmocka_run_group_tests_name("matrix_group", tests, NULL, NULL);
}
