/* layer: the caller's layers: which memory they see, on which thread, how they fail; dropout.
 */
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "layer/layer.h"

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
    bnorm_layer own_layer = {sizeof own_layer, "witness",       w, NULL, NULL, NULL,
                             witness_forward,  witness_backward};
    bnorm_activation a = {"own", own_value, own_gradient, 0, w};
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, 3, &net));
    assert_ok(ctx, bnorm_net_layer(ctx, net, &own_layer));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 8));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){1e-5, 0}));
    if (own) assert_ok(ctx, bnorm_net_activation(ctx, net, &a));
    assert_ok(ctx, bnorm_net_layer(ctx, net, &own_layer));
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

/* Two layers of dropout in one pass have masks of their own: a quarter passes both halves. */
static void dropout_layers_differ(void **state)
{
    (void)state;
    enum { N = 10000 };
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net;
    double *x = malloc(N * sizeof *x), *y = calloc(N, sizeof *y), r;
    for (int i = 0; i < N; i++) x[i] = 1;
    assert_ok(ctx, bnorm_net_create(ctx, 1, &net));
    for (int k = 0; k < 2; k++) assert_ok(ctx, bnorm_net_dropout(ctx, net, 0.5));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_ok(ctx, bnorm_net_gradient(ctx, net, bnorm_view_f64(x, N, 1, BNORM_ROW_MAJOR),
                                      bnorm_view_f64(y, N, 1, BNORM_ROW_MAJOR), NULL,
                                      bnorm_loss_find("squared"), 3, 0, &r, NULL));
    double passed = r * N / 16; /* what passes is 4, and R the mean of squares */
    assert_true(fabs(passed - N / 4.0) < 5 * sqrt(N * 3 / 16.0));
    bnorm_net_destroy(net);
    free(x), free(y);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropout_layers_differ),
        cmocka_unit_test(callers_functions_stay_on_the_callers_thread),
        cmocka_unit_test(callers_failures_are_named),
        cmocka_unit_test(reductions_are_refused),
        cmocka_unit_test(dropout_masks),
    };
    return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
