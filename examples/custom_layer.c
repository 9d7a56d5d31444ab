/* custom_layer: a layer, an activation and a loss of your own, beside the built-in ones.
 *
 * Each is a struct of functions: the forward formula, its backward, and where its parameters
 * start. bnorm_net_check then says whether the backward is the derivative of the forward: run
 * it before you train. The network here is
 *
 *     radial(12) - batchnorm - swish - dense(1),   loss: Huber's
 *
 * and learns a smooth surface from points of which one in ten is far off. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <bnorm.h>

/* ------------------------------------------------------------------------------------------
 * A layer: y_j = exp(-|x - c_j|^2 / 2), one bump around each centre c_j. The centres are its
 * parameters, one block of units x inputs, row-major. */

typedef struct radial {
    ptrdiff_t units;
} radial;

static ptrdiff_t radial_width(void *user, ptrdiff_t inputs)
{
    const radial *r = user;
    (void)inputs;
    return r->units;
}

static int radial_blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    const radial *r = user;
    blocks[0] = (bnorm_block_shape){.name = "centre", .rows = r->units, .cols = inputs};
    return 1;
}

static void radial_start(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream,
                         double *centre)
{
    const radial *r = user;
    bnorm_random_normal(seed, stream, 0, r->units * inputs, centre);
}

static int radial_forward(void *user, const bnorm_pass *pass, const double *centre,
                          bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    (void)user, (void)pass;
    for (ptrdiff_t i = 0; i < x.rows; i++)
        for (ptrdiff_t j = 0; j < y.cols; j++) {
            const double *xi = x.data + i * x.cols, *c = centre + j * x.cols;
            double square = 0;
            for (ptrdiff_t k = 0; k < x.cols; k++) square += (xi[k] - c[k]) * (xi[k] - c[k]);
            y.data[i * y.cols + j] = exp(-square / 2);
        }
    return 0;
}

/* With w = dy_j y_j:  dc_j += w (x - c_j),  dx = sum_j w (c_j - x).
 * dx may lie where x does, so a row of x is used up before that row of dx is written. */
static int radial_backward(void *user, const bnorm_pass *pass, const double *centre,
                           bnorm_mat_f64 x, bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dcentre,
                           bnorm_mat_f64 dx)
{
    (void)user, (void)pass;
    for (ptrdiff_t i = 0; i < x.rows; i++) {
        const double *xi = x.data + i * x.cols;
        const double *yi = y.data + i * y.cols, *dyi = dy.data + i * y.cols;
        for (ptrdiff_t k = 0; k < x.cols; k++) {
            double sum = 0;
            for (ptrdiff_t j = 0; j < y.cols; j++) {
                double pull = dyi[j] * yi[j] * (xi[k] - centre[j * x.cols + k]);
                dcentre[j * x.cols + k] += pull;
                sum -= pull;
            }
            if (dx.data) dx.data[i * x.cols + k] = sum;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------
 * An activation: swish, a(b) = b s(b) with s the logistic function; a' = s + b s (1 - s). */

static double logistic(double b)
{
    return 1 / (1 + exp(-b));
}

static void swish_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = b[i] * logistic(b[i]);
}

static void swish_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                           double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) {
        double s = logistic(b[i]);
        db[i] = dv[i] * (s + b[i] * s * (1 - s));
    }
}

/* ------------------------------------------------------------------------------------------
 * A loss: Huber's, a square near zero and a line beyond `user`, so that outliers count less. */

static double huber_value(void *user, ptrdiff_t scores, const double *score,
                          const double *target)
{
    double bend = *(const double *)user, sum = 0;
    for (ptrdiff_t k = 0; k < scores; k++) {
        double e = fabs(target[k] - score[k]);
        sum += e <= bend ? e * e / 2 : bend * (e - bend / 2);
    }
    return sum;
}

static void huber_gradient(void *user, ptrdiff_t scores, const double *score,
                           const double *target, double *d)
{
    double bend = *(const double *)user;
    for (ptrdiff_t k = 0; k < scores; k++) d[k] = fmax(-bend, fmin(bend, score[k] - target[k]));
}

/* ------------------------------------------------------------------------------------------
 * The data: a surface, and noise that one time in ten is fifty times as large. */

enum { ROWS = 600, INPUTS = 2, UNITS = 12, BLOCKS = 8 };

static double surface(const double *x)
{
    return sin(2 * x[0]) + x[1] * x[1] / 2;
}

static void make_data(double *x, double *y)
{
    double noise[ROWS], far[ROWS];
    bnorm_random_uniform(1, 1, 0, ROWS * INPUTS, x);
    for (int k = 0; k < ROWS * INPUTS; k++) x[k] = 4 * x[k] - 2;
    bnorm_random_normal(1, 2, 0, ROWS, noise);
    bnorm_random_uniform(1, 3, 0, ROWS, far);
    for (int i = 0; i < ROWS; i++)
        y[i] = surface(x + i * INPUTS) + (far[i] < 0.1 ? 5 : 0.1) * noise[i];
}

/* ------------------------------------------------------------------------------------------
 * The network, its check, its fit. A failure is said once, in main. */

static bnorm_status build(bnorm_ctx *ctx, const bnorm_layer *layer,
                          const bnorm_activation *activation, bnorm_net **net)
{
    bnorm_status status = bnorm_net_create(ctx, INPUTS, net);
    if (!status) status = bnorm_net_layer(ctx, *net, layer);
    if (!status) status = bnorm_net_batchnorm(ctx, *net, (bnorm_rule){.eps = 1e-5});
    if (!status) status = bnorm_net_activation(ctx, *net, activation);
    if (!status) status = bnorm_net_dense(ctx, *net, 1);
    if (!status) status = bnorm_net_start(ctx, *net, 1);
    return status;
}

static bnorm_status check(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                          const bnorm_loss *loss)
{
    bnorm_check_block report[BLOCKS] = {0};
    bnorm_status status = bnorm_net_check(ctx, net, x, y, NULL, loss, 1, 0, report);
    printf("%-16s %14s %14s %9s %9s\n", "block", "gradient", "difference", "apart", "bound");
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(net); k++)
        printf("%-16s %14.8f %14.8f %9.1e %9.1e  %s\n", report[k].name, report[k].analytic,
               report[k].numeric, report[k].error, report[k].bound,
               report[k].ok ? "right" : "WRONG");
    return status;
}

/* Root mean square distance from the surface itself, which the network never saw. */
static bnorm_status distance(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, double *result)
{
    double score[ROWS], sum = 0;
    bnorm_status status =
        bnorm_net_predict(ctx, net, x, bnorm_view_f64(score, ROWS, 1, BNORM_ROW_MAJOR));
    for (int i = 0; i < ROWS; i++) sum += pow(score[i] - surface(x.data + i * INPUTS), 2);
    *result = sqrt(sum / ROWS);
    return status;
}

static bnorm_status fit(bnorm_ctx *ctx, bnorm_net *net, bnorm_mat_f64 x, bnorm_mat_f64 y,
                        const bnorm_loss *loss)
{
    bnorm_mat_f64 none = {0};
    bnorm_fit_report report;
    bnorm_status status =
        bnorm_fit(ctx, net, x, y, NULL, none, none, NULL, loss, NULL, &report);
    if (!status)
        printf("fitted in %td iterations: mean loss %.4f\n", report.epochs, report.loss);
    return status;
}

static bnorm_status run(bnorm_ctx *ctx, bnorm_net **net)
{
    static double xs[ROWS * INPUTS], ys[ROWS];
    make_data(xs, ys);
    bnorm_mat_f64 x = bnorm_view_f64(xs, ROWS, INPUTS, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(ys, ROWS, 1, BNORM_ROW_MAJOR);

    static radial bumps = {.units = UNITS};
    static double bend = 0.3;
    const bnorm_layer layer = {.struct_size = sizeof layer,
                               .name = "radial",
                               .user = &bumps,
                               .width = radial_width,
                               .blocks = radial_blocks,
                               .start = radial_start,
                               .forward = radial_forward,
                               .backward = radial_backward};
    const bnorm_activation swish = {
        .name = "swish", .value = swish_value, .gradient = swish_gradient, .gain = 2};
    const bnorm_loss huber = {
        .name = "huber", .value = huber_value, .gradient = huber_gradient, .user = &bend};

    double apart = 0;
    bnorm_status status = build(ctx, &layer, &swish, net);
    if (!status) status = check(ctx, *net, x, y, &huber);
    if (!status) status = fit(ctx, *net, x, y, &huber);
    if (!status) status = distance(ctx, *net, x, &apart);
    if (!status) printf("distance from the true surface: %.3f\n", apart);
    if (!status && !(apart < 0.1))
        status = BNORM_E_DATA; /* it is 0.03, of a surface with sd 0.9 */
    return status;
}

int main(void)
{
    bnorm_ctx *ctx = NULL;
    bnorm_net *net = NULL;
    bnorm_status status = bnorm_ctx_create(NULL, &ctx);
    if (!status) status = run(ctx, &net);
    if (status)
        fprintf(stderr, "custom_layer: %s: %s\n", bnorm_status_text(status),
                bnorm_ctx_message(ctx));
    bnorm_net_destroy(net);
    bnorm_ctx_destroy(ctx);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
