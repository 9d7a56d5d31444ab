/* step: the training step of the question's network (10 rows, 7 -> 4 -> 1, double), for
 * step.py, which loads this as a shared module and times it beside PyTorch in one process. */
#define _POSIX_C_SOURCE 199309L
#include <string.h>
#include <time.h>

#include "bnorm.h"

#include "step.h"

enum {
    ROWS = 10,
    INPUTS = 7,
    HIDDEN = 4,
    PARAMETERS = INPUTS * HIDDEN + 2 * HIDDEN + HIDDEN + 1
};

static bnorm_net *net;
static double x[ROWS * INPUTS], y[ROWS];

/* Builds the network and its data; out: x, y, then the parameters (G1, gamma, beta, G2, bias).
 */
int bench_step_open(double *out)
{
    bnorm_rule rule = {1e-5, 0};
    ptrdiff_t count = 0;
    bnorm_random_normal(1, 100, 0, ROWS * INPUTS, x);
    bnorm_random_normal(1, 101, 0, ROWS, y);
    if (bnorm_net_create(NULL, INPUTS, &net) || bnorm_net_dense(NULL, net, HIDDEN) ||
        bnorm_net_batchnorm(NULL, net, rule) ||
        bnorm_net_activation(NULL, net, bnorm_activation_find("relu")) ||
        bnorm_net_dense(NULL, net, 1) || bnorm_net_start(NULL, net, 1))
        return 1;
    double *parameters = bnorm_net_parameters(net, &count);
    if (count != PARAMETERS) return 1;
    memcpy(out, x, sizeof x);
    memcpy(out + ROWS * INPUTS, y, sizeof y);
    memcpy(out + ROWS * INPUTS + ROWS, parameters, sizeof(double[PARAMETERS]));
    return 0;
}

/* Forward, loss, backward: returns R; gradient has one entry a parameter. */
double bench_step_gradient(double *gradient)
{
    double value = -1;
    bnorm_net_gradient(NULL, net, bnorm_view_f64(x, ROWS, INPUTS, BNORM_ROW_MAJOR),
                       bnorm_view_f64(y, ROWS, 1, BNORM_ROW_MAJOR), NULL,
                       bnorm_loss_find("squared"), 0, 0, &value, gradient);
    return value;
}

/* Seconds a step of stochastic gradient descent, over `steps` of them. */
double bench_step_time(long steps, double rate)
{
    double gradient[PARAMETERS];
    ptrdiff_t count = 0;
    double *parameters = bnorm_net_parameters(net, &count);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long s = 0; s < steps; s++) {
        bench_step_gradient(gradient);
        for (ptrdiff_t k = 0; k < count; k++) parameters[k] -= rate * gradient[k];
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    return ((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec)) /
           (double)steps;
}

void bench_step_close(void)
{
    bnorm_net_destroy(net);
    net = NULL;
}
