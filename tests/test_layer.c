/* layer: activations and losses against their definitions in long double, at the ends of the
 * range too; the caller's layers: which memory they see, on which thread, how they fail. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------- activations */

static long double logistic_l(long double b)
{
    return 1 / (1 + expl(-b));
}

/* The definitions, and their derivatives by calculus. */
static long double value_l(const char *name, long double b)
{
    if (!strcmp(name, "relu")) return b > 0 ? b : 0;
    if (!strcmp(name, "leaky_relu")) return b > 0 ? b : 0.01 * b;
    if (!strcmp(name, "tanh")) return tanhl(b);
    if (!strcmp(name, "logistic")) return logistic_l(b);
    if (!strcmp(name, "softplus")) return b > 50 ? b + expl(-b) : log1pl(expl(b));
    if (!strcmp(name, "gelu")) return b * erfcl(-b / sqrtl(2)) / 2;
    return b;
}

static long double slope_l(const char *name, long double b)
{
    if (!strcmp(name, "relu")) return b > 0;
    if (!strcmp(name, "leaky_relu")) return b > 0 ? 1 : 0.01;
    if (!strcmp(name, "tanh")) return 1 / (coshl(b) * coshl(b));
    if (!strcmp(name, "logistic")) return logistic_l(b) * logistic_l(-b);
    if (!strcmp(name, "softplus")) return logistic_l(b);
    if (!strcmp(name, "gelu"))
        return erfcl(-b / sqrtl(2)) / 2 + b * expl(-b * b / 2) / sqrtl(2 * acosl(-1));
    return 1;
}

static void assert_close(double got, long double expected, double units)
{
    double allowed = units * DBL_EPSILON * (double)fabsl(expected) + DBL_MIN;
    if (fabsl(got - expected) <= allowed) return;
    print_error("%.17g, expected %.20Lg\n", got, expected);
    fail();
}

static const char *const names[] = {"identity", "relu",     "leaky_relu", "tanh",
                                    "logistic", "softplus", "gelu"};

/* To a few units of rounding, also in the tails (gelu's slope crosses zero: absolutely). */
static void activations_are_their_definitions(void **state)
{
    (void)state;
    for (size_t a = 0; a < sizeof names / sizeof *names; a++) {
        const bnorm_activation *f = bnorm_activation_find(names[a]);
        int gelu = !strcmp(names[a], "gelu");
        assert_non_null(f);
        assert_string_equal(f->name, names[a]);
        for (double b = -30; b <= 30; b += 0.0625) {
            double v, db, dv = 3;
            f->value(f->user, 1, &b, &v);
            f->gradient(f->user, 1, &b, &dv, &db);
            /* the argument -b/sqrt(2) of erfc is rounded: relative error b^2 units in its tail
             */
            double units = gelu && b < 0 ? 8 + 2 * b * b : 8;
            assert_close(v, value_l(names[a], b), units);
            if (b == 0) continue; /* relu: any slope in [0, 1]; below: it is 0 */
            if (gelu)
                assert_true(fabsl(db - 3 * slope_l(names[a], b)) <
                            1e-15L + (units + 8) * (long double)DBL_EPSILON *
                                         fabsl(3 * slope_l(names[a], b)));
            else
                assert_close(db, 3 * slope_l(names[a], b), units);
        }
    }
    double zero = 0, dv = 1, db;
    bnorm_activation_find("relu")->gradient(NULL, 1, &zero, &dv, &db);
    assert_true(db == 0);
    assert_null(bnorm_activation_find("sine"));
    assert_null(bnorm_activation_find(NULL));
}

/* No overflow, no NaN at the ends; NaN stays NaN; in place gives the same bits. */
static void activations_at_the_ends(void **state)
{
    (void)state;
    const double b[] = {-DBL_MAX, -1e5, -750, 0, 750, 1e5, DBL_MAX};
    for (size_t a = 0; a < sizeof names / sizeof *names; a++) {
        const bnorm_activation *f = bnorm_activation_find(names[a]);
        double v[7], place[7], dv[7] = {1, 2, 3, 4, 5, 6, 7}, db[7], nan = NAN;
        f->value(f->user, 7, b, v);
        f->gradient(f->user, 7, b, dv, db);
        for (int k = 0; k < 7; k++) assert_true(isfinite(v[k]) && isfinite(db[k]));
        memcpy(place, b, sizeof b);
        f->value(f->user, 7, place, place);
        assert_memory_equal(place, v, sizeof v);
        memcpy(place, b, sizeof b);
        f->gradient(f->user, 7, place, dv, place); /* db is b */
        assert_memory_equal(place, db, sizeof db);
        f->gradient(f->user, 7, b, dv, dv); /* db is dv */
        assert_memory_equal(dv, db, sizeof db);
        f->value(f->user, 1, &nan, &nan);
        assert_true(isnan(nan));
    }
}

/* -------------------------------------------------------------------------------- losses */

static long double loss_l(const char *name, ptrdiff_t scores, const double *s, const double *t)
{
    long double sum = 0;
    if (!strcmp(name, "softmax")) {
        for (ptrdiff_t k = 0; k < scores; k++)
            if (k != (ptrdiff_t)t[0]) sum += expl((long double)s[k] - s[(ptrdiff_t)t[0]]);
        return log1pl(sum);
    }
    for (ptrdiff_t k = 0; k < scores; k++) {
        long double log_p = -log1pl(expl(-s[k])), log_q = -log1pl(expl(s[k]));
        if (!strcmp(name, "squared"))
            sum += ((long double)t[k] - s[k]) * ((long double)t[k] - s[k]);
        else
            sum -= t[k] * log_p + (1 - t[k]) * log_q;
    }
    return sum;
}

static long double slope_of_loss_l(const char *name, ptrdiff_t scores, const double *s,
                                   const double *t, ptrdiff_t j)
{
    if (!strcmp(name, "squared")) return 2 * ((long double)s[j] - t[j]);
    if (!strcmp(name, "logistic"))
        return (1 - t[j]) * logistic_l(s[j]) - t[j] * logistic_l(-(long double)s[j]);
    long double sum = 0, others = 0;
    for (ptrdiff_t k = 0; k < scores; k++) {
        long double e = expl((long double)s[k] - s[j]);
        sum += e;
        if (k != j) others += e;
    }
    return j == (ptrdiff_t)t[0] ? -others / sum : 1 / sum;
}

static void losses_are_their_definitions(void **state)
{
    (void)state;
    static const char *const losses[] = {"squared", "logistic", "softmax"};
    enum { K = 4 };
    for (int l = 0; l < 3; l++)
        for (int draw = 0; draw < 300; draw++) {
            const bnorm_loss *loss = bnorm_loss_find(losses[l]);
            double s[K], t[K], d[K], scale = draw % 3 == 0 ? 0.5 : draw % 3 == 1 ? 5 : 40;
            bnorm_random_normal(1, (uint64_t)draw, 0, K, s);
            bnorm_random_uniform(2, (uint64_t)draw, 0, K, t);
            for (int k = 0; k < K; k++) {
                s[k] *= scale;
                if (draw % 2) t[k] = t[k] < 0.5; /* exact classes */
            }
            if (l == 2) t[0] = draw % K;
            /* softmax: the rounding of s_k - s_m, up to 200 in size, passes through exp */
            double units = l == 2 ? 400 : 64;
            assert_close(loss->value(loss->user, K, s, t), loss_l(losses[l], K, s, t), units);
            loss->gradient(loss->user, K, s, t, d);
            for (int k = 0; k < K; k++) {
                long double expected = slope_of_loss_l(losses[l], K, s, t, k);
                /* t inside (0, 1): p - t cancels near the optimum */
                double cancelled = l == 1 ? 4 * DBL_EPSILON * (draw % 2 == 0) : 0;
                assert_true(fabsl(d[k] - expected) <=
                            units * (long double)DBL_EPSILON * fabsl(expected) + cancelled +
                                (l == 0 ? 1e-15 : 0));
            }
            double place[K];
            memcpy(place, s, sizeof s);
            loss->gradient(loss->user, K, place, t, place); /* d is score */
            assert_memory_equal(place, d, sizeof d);
        }
    assert_null(bnorm_loss_find("hinge"));
    assert_null(bnorm_loss_find(NULL));
}

/* Scores of 1e4: the loss is the score itself or exactly nothing, never infinite. */
static void losses_at_the_ends(void **state)
{
    (void)state;
    const double high[2] = {1e4, 0}, low[2] = {-1e4, 0}, one[1] = {1}, zero[1] = {0};
    const bnorm_loss *logistic = bnorm_loss_find("logistic");
    const bnorm_loss *softmax = bnorm_loss_find("softmax");
    double p[2];
    assert_true(logistic->value(NULL, 1, high, one) == 0);
    assert_true(logistic->value(NULL, 1, high, zero) == 1e4);
    assert_true(logistic->value(NULL, 1, low, one) == 1e4);
    assert_true(logistic->value(NULL, 1, low, zero) == 0);
    assert_true(softmax->value(NULL, 2, high, zero) == 0);
    assert_true(softmax->value(NULL, 2, high, one) == 1e4);
    softmax->response(NULL, 2, high, p);
    assert_true(p[0] == 1 && p[1] == 0);
    logistic->response(NULL, 2, low, p);
    assert_true(p[0] == 0 && p[1] == 0.5);
    assert_null(bnorm_loss_find("squared")->response);
    double out[1] = {2};
    assert_true(softmax->legal(NULL, 2, out) && !softmax->legal(NULL, 3, out));
}

/* -------------------------------------------------------------------- the caller's layers */

typedef struct witness {
    pthread_t thread;
    int forward_code, backward_code, other_thread;
    ptrdiff_t trained, inferred, next_row;
} witness;

static int witness_forward(void *user, const bnorm_pass *pass, const double *params,
                           bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    witness *w = user;
    (void)params;
    assert_true(x.layout == BNORM_ROW_MAJOR && y.layout == BNORM_ROW_MAJOR);
    assert_true(x.ld == x.cols && y.ld == y.cols && x.rows == y.rows && x.data != y.data);
    if (!pthread_equal(w->thread, pthread_self())) w->other_thread = 1;
    if (pass->training) {
        w->trained += x.rows;
        assert_int_equal(pass->first_row, 0);
    } else if (x.cols == 3) { /* the first layer of the chain */
        assert_int_equal(pass->first_row, w->next_row);
        w->next_row += x.rows;
        w->inferred += x.rows;
    }
    memcpy(y.data, x.data, (size_t)(x.rows * x.cols) * sizeof *y.data);
    return w->forward_code;
}

static int witness_backward(void *user, const bnorm_pass *pass, const double *params,
                            bnorm_mat_f64 x, bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams,
                            bnorm_mat_f64 dx)
{
    witness *w = user;
    (void)pass, (void)params, (void)dparams;
    assert_memory_equal(x.data, y.data, (size_t)(x.rows * x.cols) * sizeof *y.data);
    if (dx.data) memcpy(dx.data, dy.data, (size_t)(dy.rows * dy.cols) * sizeof *dy.data);
    return w->backward_code;
}

static void own_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    witness *w = user;
    if (!pthread_equal(w->thread, pthread_self())) w->other_thread = 1;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = b[i] * b[i];
}

static void own_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                         double *db)
{
    witness *w = user;
    if (!pthread_equal(w->thread, pthread_self())) w->other_thread = 1;
    for (ptrdiff_t i = 0; i < count; i++) db[i] = 2 * b[i] * dv[i];
}

static double own_loss_value(void *user, ptrdiff_t scores, const double *s, const double *t)
{
    witness *w = user;
    if (!pthread_equal(w->thread, pthread_self())) w->other_thread = 1;
    return bnorm_loss_find("squared")->value(NULL, scores, s, t);
}

static void own_loss_gradient(void *user, ptrdiff_t scores, const double *s, const double *t,
                              double *d)
{
    witness *w = user;
    if (!pthread_equal(w->thread, pthread_self())) w->other_thread = 1;
    bnorm_loss_find("squared")->gradient(NULL, scores, s, t, d);
}

static bnorm_net *witnessed_net(bnorm_ctx *ctx, witness *w, int own)
{
    bnorm_layer layer = {sizeof layer,    "witness",       w, NULL, NULL, NULL,
                         witness_forward, witness_backward};
    bnorm_activation a = {"own", own_value, own_gradient, 0, w};
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, 3, &net));
    assert_ok(ctx, bnorm_net_layer(ctx, net, &layer));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 8));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){1e-5, 0}));
    if (own) assert_ok(ctx, bnorm_net_activation(ctx, net, &a));
    assert_ok(ctx, bnorm_net_layer(ctx, net, &layer));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    return net;
}

/* Strided and column-major data arrive packed; four threads, one caller's thread. */
static void callers_functions_stay_on_the_callers_thread(void **state)
{
    (void)state;
    enum { N = 20000 };
    bnorm_ctx *ctx = make_ctx(4);
    witness w = {.thread = pthread_self()};
    bnorm_loss loss = {"own", 0, NULL, own_loss_value, own_loss_gradient, NULL, &w};
    bnorm_net *net = witnessed_net(ctx, &w, 1);
    double *x = malloc(N * 5 * sizeof *x), *y = malloc(N * sizeof *y), r;
    bnorm_random_normal(1, 1, 0, N * 5, x);
    bnorm_random_normal(1, 2, 0, N, y);
    ptrdiff_t count;
    bnorm_net_parameters(net, &count);
    double *g = malloc((size_t)count * sizeof *g);
    bnorm_mat_f64 strided = {x, N, 3, 5, BNORM_ROW_MAJOR};
    bnorm_mat_f64 columns = {x, N, 3, N + 7, BNORM_COL_MAJOR};
    bnorm_mat_f64 target = bnorm_view_f64(y, N, 1, BNORM_ROW_MAJOR);
    assert_ok(ctx, bnorm_net_gradient(ctx, net, strided, target, NULL, &loss, 0, 0, &r, g));
    assert_ok(ctx, bnorm_net_gradient(ctx, net, columns, target, NULL, &loss, 0, 0, &r, g));
    assert_int_equal(w.trained, 4 * N);
    /* the population pass runs the first layer once, in order of the rows */
    assert_ok(ctx, bnorm_net_population(ctx, net, strided, NULL));
    assert_int_equal(w.inferred, N);
    assert_int_equal(w.other_thread, 0);
    bnorm_net_destroy(net);
    free(x), free(y), free(g);
    bnorm_ctx_destroy(ctx);
}

static void callers_failures_are_named(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    witness w = {.thread = pthread_self(), .forward_code = 7};
    bnorm_net *net = witnessed_net(ctx, &w, 0);
    double x[12] = {1, 2, 3, 5, 4, 6, 7, 9, 8, 1, 3, 2}, y[4] = {1, 0, 2, 1}, r, g[100], s[4];
    bnorm_mat_f64 mx = bnorm_view_f64(x, 4, 3, BNORM_ROW_MAJOR);
    bnorm_mat_f64 my = bnorm_view_f64(y, 4, 1, BNORM_ROW_MAJOR);
    const bnorm_loss *loss = bnorm_loss_find("squared");
    bnorm_fit_options o;
    bnorm_fit_defaults(&o);
    assert_fails(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 0, 0, &r, g),
                 BNORM_E_USER, "layer 1 ('witness'): its forward returned 7");
    w.next_row = 0;
    assert_fails(ctx, bnorm_net_predict(ctx, net, mx, bnorm_view_f64(s, 4, 1, BNORM_ROW_MAJOR)),
                 BNORM_E_USER, "forward returned 7");
    w = (witness){.thread = pthread_self(), .backward_code = -3};
    assert_fails(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 0, 0, &r, g),
                 BNORM_E_USER, "layer 4 ('witness'): its backward returned -3");
    assert_ok(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 0, 0, &r, NULL));
    assert_fails(ctx,
                 bnorm_fit(ctx, net, mx, my, NULL, (bnorm_mat_f64){0}, (bnorm_mat_f64){0}, NULL,
                           loss, &o, NULL),
                 BNORM_E_USER, "backward returned -3");
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

static int no_reduction(void *user, double *values, ptrdiff_t count)
{
    (void)user, (void)values, (void)count;
    return 0;
}

static void reductions_are_refused(void **state)
{
    (void)state;
    bnorm_ctx_options o;
    bnorm_ctx *ctx;
    bnorm_ctx_defaults(&o);
    o.reduce = no_reduction;
    assert_int_equal(bnorm_ctx_create(&o, &ctx), BNORM_OK);
    witness w = {.thread = pthread_self()};
    bnorm_net *net = witnessed_net(ctx, &w, 0);
    double x[3] = {0}, s[1];
    assert_fails(ctx,
                 bnorm_net_predict(ctx, net, bnorm_view_f64(x, 1, 3, BNORM_ROW_MAJOR),
                                   bnorm_view_f64(s, 1, 1, BNORM_ROW_MAJOR)),
                 BNORM_E_ARGUMENT, "reduction");
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* Inverted dropout: kept values are divided by 1 - rate, the kept share is 1 - rate, the mask
 * is a function of (seed, step) and inference knows none. */
static void dropout_masks(void **state)
{
    (void)state;
    enum { N = 5000, COLS = 4 };
    bnorm_ctx *ctx = make_ctx(2);
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, COLS, &net));
    assert_ok(ctx, bnorm_net_dropout(ctx, net, 0.25));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    double *p = bnorm_net_parameters(net, NULL), g[COLS + 1], h[COLS + 1], r;
    double *x = malloc(N * COLS * sizeof *x), *y = calloc(N, sizeof *y);
    for (int k = 0; k < N * COLS; k++) x[k] = 1;
    for (int k = 0; k <= COLS; k++) p[k] = k == COLS ? 0.5 : 0;
    bnorm_mat_f64 mx = bnorm_view_f64(x, N, COLS, BNORM_ROW_MAJOR);
    bnorm_mat_f64 my = bnorm_view_f64(y, N, 1, BNORM_ROW_MAJOR);
    const bnorm_loss *loss = bnorm_loss_find("squared");
    assert_ok(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 3, 5, &r, g));
    /* score 0.5, d = 1/N: dG_k is the mean of the masked ones, kept share times 4/3 */
    double spread = sqrt(0.25 * 0.75 / N) * 4 / 3;
    for (int k = 0; k < COLS; k++) {
        double kept = g[k] * 0.75 * N;
        assert_true(fabs(g[k] - 1) < 5 * spread && g[k] != 1);
        assert_true(fabs(kept - round(kept)) < 1e-9);
        assert_true(k == 0 || g[k] != g[k - 1]);
    }
    assert_ok(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 3, 5, &r, h));
    assert_memory_equal(g, h, sizeof g);
    assert_ok(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 3, 6, &r, h));
    assert_memory_not_equal(g, h, sizeof g);
    assert_ok(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 4, 5, &r, h));
    assert_memory_not_equal(g, h, sizeof g);
    for (int k = 0; k < COLS; k++) p[k] = 1;
    double s;
    assert_ok(ctx, bnorm_net_predict(ctx, net, bnorm_view_f64(x, 1, COLS, BNORM_ROW_MAJOR),
                                     bnorm_view_f64(&s, 1, 1, BNORM_ROW_MAJOR)));
    assert_true(s == COLS + 0.5);
    bnorm_net_destroy(net);
    free(x), free(y);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_their_definitions),
        cmocka_unit_test(activations_at_the_ends),
        cmocka_unit_test(losses_are_their_definitions),
        cmocka_unit_test(losses_at_the_ends),
        cmocka_unit_test(callers_functions_stay_on_the_callers_thread),
        cmocka_unit_test(callers_failures_are_named),
        cmocka_unit_test(reductions_are_refused),
        cmocka_unit_test(dropout_masks),
    };
    return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
