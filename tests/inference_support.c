/* inference_support: see the header. */
#include "inference_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const setting settings[SETTINGS] = {
    {.rows = 60, .units = 9, .linear = 2, .networks = 1, .hidden = {3}, .eps = 1e-5, .seed = 1},
    {.rows = 70,
     .units = 8,
     .periods = 5,
     .linear = 1,
     .weighted = 1,
     .networks = 2,
     .hidden = {4, 2},
     .eps = 0,
     .activation = "gelu",
     .penalty = 0.01,
     .penalty_top = 0.1,
     .penalty_linear = 0.2,
     .seed = 2},
    {.rows = 50,
     .linear = 2,
     .weighted = 1,
     .logistic = 1,
     .networks = 2,
     .hidden = {3, 3},
     .plain = 1,
     .activation = "softplus",
     .penalty = 0.02,
     .penalty_linear = 0.3,
     .seed = 3},
    {.rows = 64,
     .units = 6,
     .linear = 0,
     .networks = 1,
     .hidden = {5, 3},
     .eps = 0.1,
     .activation = "logistic",
     .seed = 4}};

sample_problem *make(const setting *s, int threads)
{
    sample_problem *m = sample_make(s, threads);
    for (ptrdiff_t j = 0; j < s->linear; j++) m->theta[j] = 0.7 - (double)j;
    for (int k = 0; k < s->networks; k++) {
        ptrdiff_t count;
        double *params = bnorm_net_parameters(m->networks[k].net, &count);
        for (ptrdiff_t j = 0; j < count; j++) params[j] += 0.2 * sin((double)(3 * j + 1 + k));
        for (ptrdiff_t j = 0; j < bnorm_net_outputs(m->networks[k].net); j++)
            m->top[k][j] = 1 + 0.5 * (double)j * (k ? -1 : 1);
        assert_ok(m->ctx, bnorm_net_population(m->ctx, m->networks[k].net, m->networks[k].x,
                                               m->weights));
    }
    return m;
}

double *parameter(sample_problem *m, ptrdiff_t j, int *network)
{
    *network = -1;
    if (j < m->p.p.cols) return &m->theta[j];
    j -= m->p.p.cols;
    for (ptrdiff_t k = 0; k < m->p.network_count; k++) {
        ptrdiff_t cols = bnorm_net_outputs(m->networks[k].net);
        if (j < cols) return &m->top[k][j];
        j -= cols;
    }
    for (ptrdiff_t k = 0; k < m->p.network_count; k++) {
        ptrdiff_t count;
        double *params = bnorm_net_parameters(m->networks[k].net, &count);
        *network = (int)k;
        if (j < count) return params + j;
        j -= count;
    }
    fail();
    return NULL;
}

static void move(sample_problem *m, ptrdiff_t j, double by)
{
    int k;
    *parameter(m, j, &k) += by;
    if (k >= 0)
        assert_ok(m->ctx, bnorm_net_population(m->ctx, m->networks[k].net, m->networks[k].x,
                                               m->weights));
}

void difference(sample_problem *m, ptrdiff_t j, function f, ptrdiff_t count, double *out)
{
    const double h = 1e-3, steps[] = {1, -1, 2, -2}, times[] = {8, -8, -1, 1};
    double *value = malloc((size_t)count * sizeof *value);
    memset(out, 0, (size_t)count * sizeof *out);
    for (int k = 0; k < 4; k++) {
        move(m, j, steps[k] * h);
        f(m, value);
        move(m, j, -steps[k] * h);
        for (ptrdiff_t i = 0; i < count; i++) out[i] += times[k] * value[i] / (12 * h);
    }
    free(value);
}

void assert_close(double got, double expected, double size, double relative)
{
    if (fabs(got - expected) <= relative * (size + 1)) return;
    print_error("%.15g, expected %.15g\n", got, expected);
    fail();
}
