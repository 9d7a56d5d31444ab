/* net: gradients against the question's numbers, against paper and against long double; weights
 * as copies; inference row by row; population statistics. */
#include "net_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test_net_seed_data.h"

/* ---------------------------------------------------------------------------- gradients */

/* maths.md section 3, computed on paper. */
static void counterexample_on_paper(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net = make_net(ctx, 1, 1, 1, (bnorm_rule){0, 1}, "relu");
    ptrdiff_t count;
    double *p = bnorm_net_parameters(net, &count), g[5], r;
    assert_int_equal(count, 5);
    *block_of(ctx, net, p, "G1") = 1;
    *block_of(ctx, net, p, "gamma1") = 2;
    *block_of(ctx, net, p, "beta1") = 3;
    *block_of(ctx, net, p, "G2") = 1;
    *block_of(ctx, net, p, "bias2") = 0;
    const double x[] = {-1, 0, 1}, y[] = {1, 3, 2};
    assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(x, 3, 1), rows_of(y, 3, 1), NULL,
                                      bnorm_loss_find("squared"), 0, 0, &r, g));
    assert_true(r == 3);
    assert_near(*block_of(ctx, net, g, "gamma1"), 2, 4e-16);
    assert_near(*block_of(ctx, net, g, "G1"), 0, 2e-15); /* terms of size 4, cancelling */
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

static bnorm_net *question_net(bnorm_ctx *ctx, double ddof)
{
    bnorm_net *net = make_net(ctx, 7, 4, 1, (bnorm_rule){0, ddof}, "relu");
    double *p = bnorm_net_parameters(net, NULL);
    memcpy(block_of(ctx, net, p, "G1"), seed_g1, sizeof seed_g1);
    memcpy(block_of(ctx, net, p, "G2"), seed_g2, sizeof seed_g2);
    for (int j = 0; j < 4; j++) {
        block_of(ctx, net, p, "gamma1")[j] = j + 2;
        block_of(ctx, net, p, "beta1")[j] = -(j + 2);
    }
    return net;
}

/* The right values on the question's data, to every digit that maths.md prints. */
static void question_data(void **state)
{
    (void)state;
    static const double dbeta[4] = {.09952329767, .11510608393, -.40426069408, -.03169116576};
    static const double dgamma[2][4] = {
        {.13461430461, .21036677376, -.52141970437, -.06425694382},
        {.12770634246, .19957144473, -.49466216481, -.06095948938}};
    static const double dg1[2][4] = {
        {-.034342038490, .0002524571587, .72889677499, .022553204667},
        {-.032579718337, .0002395018899, .69149219644, .021395848585}};
    bnorm_ctx *ctx = make_ctx(1);
    for (int ddof = 0; ddof < 2; ddof++) {
        bnorm_net *net = question_net(ctx, ddof);
        double g[41], r;
        assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(seed_x, 10, 7),
                                          rows_of(ddof ? seed_y_ddof1 : seed_y_ddof0, 10, 1),
                                          NULL, bnorm_loss_find("squared"), 0, 0, &r, g));
        double mean = 0;
        for (int i = 0; i < 10; i++) mean += seed_u[i] * seed_u[i] / 10;
        assert_near(r, mean, 1e-15 * 10);
        for (int j = 0; j < 4; j++) {
            assert_near(block_of(ctx, net, g, "beta1")[j], dbeta[j], 6e-12);
            assert_near(block_of(ctx, net, g, "gamma1")[j], dgamma[ddof][j], 6e-12);
            assert_near(block_of(ctx, net, g, "G1")[j], dg1[ddof][j], 6e-12);
        }
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

/* g_j'dR/dg_j = gamma_j dgamma_j eps/sigma_j^2 (maths.md section 2); (sigma^2 = v + eps is
 * computed here from Z in long double.) Theorem: radial_identity. */
static void radial_identity(void **state)
{
    (void)state;
    enum { N = 50, P = 6, Q = 5 };
    bnorm_ctx *ctx = make_ctx(1);
    double *x = random_values(1, N * P), *y = random_values(2, N);
    for (double eps = 0; eps < 2; eps += 0.7) {
        bnorm_net *net = make_net(ctx, P, Q, 1, (bnorm_rule){eps, 1}, "tanh");
        double *p = bnorm_net_parameters(net, NULL), *g1 = block_of(ctx, net, p, "G1");
        double g[P * Q + 2 * Q + Q + 1], r;
        for (int j = 0; j < Q; j++) block_of(ctx, net, p, "gamma1")[j] = 0.5 + j;
        assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(x, N, P), rows_of(y, N, 1), NULL,
                                          bnorm_loss_find("squared"), 0, 0, &r, g));
        for (int j = 0; j < Q; j++) {
            long double sum = 0, square = 0, radial = 0;
            for (int i = 0; i < N; i++) {
                long double z = 0;
                for (int k = 0; k < P; k++) z += (long double)x[i * P + k] * g1[k * Q + j];
                sum += z;
                square += z * z;
            }
            long double v = (square - sum * sum / N) / (N - 1);
            for (int k = 0; k < P; k++)
                radial += (long double)g1[k * Q + j] * block_of(ctx, net, g, "G1")[k * Q + j];
            double expected =
                (double)((0.5L + j) * block_of(ctx, net, g, "gamma1")[j] * eps / (v + eps));
            assert_near((double)radial, expected, 1e-14 * (1 + fabs(expected)));
        }
        bnorm_net_destroy(net);
    }
    free(x);
    free(y);
    bnorm_ctx_destroy(ctx);
}

/* Before a batchnorm a shift of the inputs changes nothing: not the loss, not the gradient. Z
 * loses the digits of the shift, the gradient no more than those (X'dZ uncentred loses them
 * twice). */
static void shifted_inputs(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net = question_net(ctx, 1);
    double x[70], g[2][41], r[2];
    const double shift = 0x1p28;
    for (int s = 0; s < 2; s++) {
        for (int k = 0; k < 70; k++) x[k] = seed_x[k] + s * shift; /* exact: whole numbers */
        assert_ok(ctx,
                  bnorm_net_gradient(ctx, net, rows_of(x, 10, 7), rows_of(seed_y_ddof1, 10, 1),
                                     NULL, bnorm_loss_find("squared"), 0, 0, &r[s], g[s]));
    }
    double digits = shift * 0x1p-52;
    assert_near(r[1], r[0], 100 * digits);
    for (int k = 0; k < 41; k++) assert_near(g[1][k], g[0][k], 100 * digits);
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
}

/* A weight of k is k copies of the row, of 0 is none: loss, statistics and gradient. */
static void weights_are_copies(void **state)
{
    (void)state;
    enum { N = 40, P = 3, Q = 4, PARAMETERS = P * Q + 2 * Q + 2 * Q + 2 };
    bnorm_ctx *ctx = make_ctx(1);
    double *x = random_values(1, N * P), y[N], w[N], xx[3 * N * P], yy[3 * N];
    ptrdiff_t copies = 0;
    for (int i = 0; i < N; i++) {
        y[i] = i % 2;
        w[i] = (i * 7) % 4;
        for (int c = 0; c < (int)w[i]; c++, copies++) {
            memcpy(xx + copies * P, x + i * P, P * sizeof *x);
            yy[copies] = y[i];
        }
    }
    bnorm_net *net = make_net(ctx, P, Q, 2, (bnorm_rule){1e-5, 1}, "gelu");
    double a[PARAMETERS], b[PARAMETERS], ra, rb;
    const bnorm_loss *loss = bnorm_loss_find("softmax");
    assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(x, N, P), rows_of(y, N, 1), w, loss, 0,
                                      0, &ra, a));
    assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(xx, copies, P), rows_of(yy, copies, 1),
                                      NULL, loss, 0, 0, &rb, b));
    assert_near(ra, rb, 1e-15 * 4);
    for (int k = 0; k < PARAMETERS; k++) assert_near(a[k], b[k], 1e-14);
    assert_ok(ctx, bnorm_net_population(ctx, net, rows_of(x, N, P), w));
    assert_ok(ctx, bnorm_net_loss(ctx, net, rows_of(x, N, P), rows_of(y, N, 1), w, loss, &ra));
    assert_ok(ctx, bnorm_net_population(ctx, net, rows_of(xx, copies, P), NULL));
    assert_ok(ctx, bnorm_net_loss(ctx, net, rows_of(xx, copies, P), rows_of(yy, copies, 1),
                                  NULL, loss, &rb));
    assert_near(ra, rb, 1e-14);
    bnorm_net_destroy(net);
    free(x);
    bnorm_ctx_destroy(ctx);
}

/* scores = (X G1 + 1 b1') G2 + 1 b2' in long double, and the gradient of the mean square. */
typedef struct linear {
    ptrdiff_t n, p, q, r;
    const double *x, *y, *g1, *b1, *g2, *b2;
} linear;

static void linear_gradient(const linear *m, long double *dg1, long double *db1,
                            long double *dg2, long double *db2)
{
    long double *v = malloc((size_t)m->q * sizeof *v), *dv = malloc((size_t)m->q * sizeof *dv);
    for (ptrdiff_t i = 0; i < m->n; i++) {
        const double *x = m->x + i * m->p;
        for (ptrdiff_t j = 0; j < m->q; j++) {
            v[j] = m->b1[j];
            dv[j] = 0;
            for (ptrdiff_t k = 0; k < m->p; k++)
                v[j] += (long double)x[k] * m->g1[k * m->q + j];
        }
        for (ptrdiff_t c = 0; c < m->r; c++) {
            long double score = m->b2[c];
            for (ptrdiff_t j = 0; j < m->q; j++) score += v[j] * m->g2[j * m->r + c];
            long double d = 2 * (score - m->y[i * m->r + c]) / m->n;
            db2[c] += d;
            for (ptrdiff_t j = 0; j < m->q; j++) {
                dg2[j * m->r + c] += v[j] * d;
                dv[j] += d * m->g2[j * m->r + c];
            }
        }
        for (ptrdiff_t j = 0; j < m->q; j++) {
            db1[j] += dv[j];
            for (ptrdiff_t k = 0; k < m->p; k++) dg1[k * m->q + j] += x[k] * dv[j];
        }
    }
    free(v), free(dv);
}

/* Sizes on either side of every cut: small products, BLAS, chunks of rows, tiles of G. */
static void products_of_every_size(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][4] = {
        {9, 3, 2, 1},    {65, 20, 7, 2},    {1500, 9, 12, 3},
        {3100, 3, 2, 1}, {600, 70, 300, 2}, {700, 460, 20, 1},
    };
    bnorm_ctx *ctx = make_ctx(2);
    for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++) {
        linear m = {.n = sizes[c][0], .p = sizes[c][1], .q = sizes[c][2], .r = sizes[c][3]};
        bnorm_net *net;
        assert_ok(ctx, bnorm_net_create(ctx, m.p, &net));
        assert_ok(ctx, bnorm_net_dense(ctx, net, m.q));
        assert_ok(ctx, bnorm_net_dense(ctx, net, m.r));
        assert_ok(ctx, bnorm_net_start(ctx, net, 1));
        ptrdiff_t count;
        double *p = bnorm_net_parameters(net, &count), r;
        bnorm_random_normal(5, 5, 0, count, p);
        double *x = random_values(1, m.n * m.p), *y = random_values(2, m.n * m.r);
        double *g = malloc((size_t)count * sizeof *g);
        long double *d = calloc((size_t)count, sizeof *d);
        m.x = x, m.y = y, m.g1 = p, m.b1 = m.g1 + m.p * m.q, m.g2 = m.b1 + m.q;
        m.b2 = m.g2 + m.q * m.r;
        linear_gradient(&m, d, d + (m.b1 - p), d + (m.g2 - p), d + (m.b2 - p));
        assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(x, m.n, m.p), rows_of(y, m.n, m.r),
                                          NULL, bnorm_loss_find("squared"), 0, 0, &r, g));
        /* terms of size sqrt(p q), averaged over n rows: their sum is as exact as their size */
        double size = 0;
        for (ptrdiff_t k = 0; k < count; k++) size = fmax(size, (double)fabsl(d[k]));
        for (ptrdiff_t k = 0; k < count; k++) assert_near(g[k], (double)d[k], 2e-14 * size);
        free(x), free(y), free(g), free(d);
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

/* ---------------------------------------------------------------------------- inference */

/* Rows alone, permuted, column-major, with wide ld: the same bits. Widths around the vector
 * and block sizes. */
static void rows_are_alone(void **state)
{
    (void)state;
    enum { N = 131 };
    static const ptrdiff_t widths[][3] = {{7, 4, 1}, {1, 1, 1}, {33, 65, 3}, {64, 262, 9}};
    bnorm_ctx *ctx = make_ctx(3);
    for (int c = 0; c < 4; c++) {
        ptrdiff_t p = widths[c][0], q = widths[c][2], order[N];
        bnorm_net *net = make_net(ctx, p, widths[c][1], q, (bnorm_rule){1e-3, 0}, "gelu");
        double *x = random_values(1, N * p), *all = malloc(N * (size_t)q * sizeof *all);
        double *row = malloc((size_t)q * sizeof *row), *px = malloc(N * (size_t)p * sizeof *px);
        double *wide = malloc(N * (size_t)(p + 3) * sizeof *wide);
        double *ps = malloc(N * (size_t)q * sizeof *ps);
        assert_ok(ctx, bnorm_net_population(ctx, net, rows_of(x, N, p), NULL));
        assert_ok(ctx, bnorm_net_predict(ctx, net, rows_of(x, N, p), rows_of(all, N, q)));
        bnorm_random_permutation(3, 1, N, order);
        for (int i = 0; i < N; i++) {
            assert_ok(
                ctx, bnorm_net_predict(ctx, net, rows_of(x + i * p, 1, p), rows_of(row, 1, q)));
            assert_memory_equal(row, all + i * q, (size_t)q * sizeof *row);
            memcpy(px + i * p, x + order[i] * p, (size_t)p * sizeof *x);
            for (ptrdiff_t k = 0; k < p + 3; k++)
                wide[i * (p + 3) + k] = k < p ? x[i * p + k] : NAN;
        }
        assert_ok(ctx, bnorm_net_predict(ctx, net, rows_of(px, N, p), rows_of(ps, N, q)));
        for (int i = 0; i < N; i++)
            assert_memory_equal(ps + i * q, all + order[i] * q, (size_t)q * sizeof *ps);
        bnorm_mat_f64 padded = {wide, N, p, p + 3, BNORM_ROW_MAJOR};
        assert_ok(ctx, bnorm_net_predict(ctx, net, padded, rows_of(ps, N, q)));
        assert_memory_equal(ps, all, N * (size_t)q * sizeof *ps);
        for (int i = 0; i < N; i++)
            for (ptrdiff_t k = 0; k < p; k++) px[k * N + i] = x[i * p + k];
        assert_ok(ctx, bnorm_net_predict(ctx, net, bnorm_view_f64(px, N, p, BNORM_COL_MAJOR),
                                         bnorm_view_f64(ps, N, q, BNORM_COL_MAJOR)));
        for (int i = 0; i < N; i++)
            for (ptrdiff_t k = 0; k < q; k++) assert_true(ps[k * N + i] == all[i * q + k]);
        free(x), free(all), free(row), free(px), free(wide), free(ps);
        bnorm_net_destroy(net);
    }
    bnorm_ctx_destroy(ctx);
}

/* After the population pass over the batch, inference is the training pass: two batchnorm
 * layers, more rows than one block holds. */
static void population_is_full_batch(void **state)
{
    (void)state;
    enum { N = 20000, P = 3 };
    bnorm_ctx *ctx = make_ctx(2);
    double *x = random_values(1, N * P), *y = random_values(2, N), r, inference;
    double *w = malloc(N * sizeof *w);
    bnorm_random_uniform(4, 4, 0, N, w);
    for (int i = 0; i < N; i++) x[i * P] = 1e4 + x[i * P];
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, P, &net));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){0, 1}));
    for (int h = 0; h < 2; h++) {
        assert_ok(ctx, bnorm_net_dense(ctx, net, 5));
        assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){1e-5, h}));
        assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("softplus")));
    }
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 3));
    const bnorm_loss *loss = bnorm_loss_find("squared");
    assert_ok(ctx, bnorm_net_gradient(ctx, net, rows_of(x, N, P), rows_of(y, N, 1), w, loss, 0,
                                      0, &r, NULL));
    assert_ok(ctx, bnorm_net_population(ctx, net, rows_of(x, N, P), w));
    assert_ok(
        ctx, bnorm_net_loss(ctx, net, rows_of(x, N, P), rows_of(y, N, 1), w, loss, &inference));
    assert_near(inference, r, 1e-11 * r); /* x[0] has mean/sd 1e4 */
    bnorm_layer_info info;
    assert_ok(ctx, bnorm_net_layer_info(ctx, net, 0, &info));
    long double n = 0, mean = 0, m2 = 0;
    for (int i = 0; i < N; i++) n += w[i];
    for (int i = 0; i < N; i++) mean += (long double)w[i] * x[i * P] / n;
    for (int i = 0; i < N; i++) m2 += w[i] * (x[i * P] - mean) * (x[i * P] - mean);
    assert_near(info.mean[0], (double)mean, 1e4 * 4e-16);
    assert_near(info.var[0], (double)(m2 / (n - 1)), 1e-13);
    bnorm_net_destroy(net);
    free(x), free(y), free(w);
    bnorm_ctx_destroy(ctx);
}

/* Bytes that a context's allocator handed out. */
static void *counting_allocate(void *user, size_t bytes)
{
    *(size_t *)user += bytes;
    return malloc(bytes);
}

static void counting_release(void *user, void *block)
{
    (void)user;
    free(block);
}

/* A pass keeps the pre-activations of each hidden layer, two gradients and the scores, and works
 * in blocks of rows; x is not copied, and a second pass allocates nothing. */
static void memory_of_a_pass(void **state)
{
    (void)state;
    enum { N = 40000, P = 6, Q = 16 };
    size_t bytes = 0;
    bnorm_ctx_options o;
    bnorm_ctx *ctx;
    bnorm_ctx_defaults(&o);
    o.allocate = counting_allocate;
    o.release = counting_release;
    o.memory_user = &bytes;
    assert_int_equal(bnorm_ctx_create(&o, &ctx), BNORM_OK);
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, P, &net));
    for (int h = 0; h < 2; h++) {
        assert_ok(ctx, bnorm_net_dense(ctx, net, Q));
        assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){1e-5, 0}));
        assert_ok(ctx, bnorm_net_activation(ctx, net, bnorm_activation_find("relu")));
        assert_ok(ctx, bnorm_net_dropout(ctx, net, 0.1));
    }
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    double *x = random_values(1, N * (P + 1)), *y = random_values(2, N), g[500], r;
    bnorm_mat_f64 mx = {x, N, P, P + 1, BNORM_ROW_MAJOR}, my = rows_of(y, N, 1);
    const bnorm_loss *loss = bnorm_loss_find("squared");
    bytes = 0;
    assert_ok(ctx, bnorm_net_gradient(ctx, net, mx, my, NULL, loss, 0, 0, &r, g));
    size_t needed = (size_t)N * (2 * Q + 2 * Q + 1) * sizeof(double);
    assert_in_range(bytes, needed, needed + needed / 20);
    bytes = 0;
    assert_ok(ctx, bnorm_net_gradient(ctx, net, bnorm_view_f64(x, 4000, P, BNORM_ROW_MAJOR),
                                      rows_of(y, 4000, 1), NULL, loss, 0, 0, &r, g));
    assert_int_equal(bytes, 0);
    bnorm_net_destroy(net);
    free(x), free(y);
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counterexample_on_paper), cmocka_unit_test(question_data),
        cmocka_unit_test(radial_identity),         cmocka_unit_test(shifted_inputs),
        cmocka_unit_test(weights_are_copies),      cmocka_unit_test(products_of_every_size),
        cmocka_unit_test(rows_are_alone),          cmocka_unit_test(population_is_full_batch),
        cmocka_unit_test(memory_of_a_pass),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
