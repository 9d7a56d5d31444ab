/* functions: the built-in activations as the caller sees them. Their loops, for every precision
 * and instruction set, are kernel/functions.inc: they never overflow, and NaN passes through.
 * Theorem: relu_is_differentiable. */
#include "matrix/functions.h"

#include <string.h>

#include "kernel/kernel.h"

static void identity_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    bnorm_kernels_f64()->value[BNORM_IDENTITY](count, b, v);
}
static void identity_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                              double *db)
{
    (void)user;
    bnorm_kernels_f64()->gradient[BNORM_IDENTITY](count, b, dv, db);
}

static void relu_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    bnorm_kernels_f64()->value[BNORM_RELU](count, b, v);
}
static void relu_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    (void)user;
    bnorm_kernels_f64()->gradient[BNORM_RELU](count, b, dv, db);
}

static void leaky_relu_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    bnorm_kernels_f64()->value[BNORM_LEAKY_RELU](count, b, v);
}
static void leaky_relu_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                                double *db)
{
    (void)user;
    bnorm_kernels_f64()->gradient[BNORM_LEAKY_RELU](count, b, dv, db);
}

static void tanh_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    bnorm_kernels_f64()->value[BNORM_TANH](count, b, v);
}
static void tanh_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    (void)user;
    bnorm_kernels_f64()->gradient[BNORM_TANH](count, b, dv, db);
}

static void logistic_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    bnorm_kernels_f64()->value[BNORM_LOGISTIC](count, b, v);
}
static void logistic_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                              double *db)
{
    (void)user;
    bnorm_kernels_f64()->gradient[BNORM_LOGISTIC](count, b, dv, db);
}

static void softplus_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    bnorm_kernels_f64()->value[BNORM_SOFTPLUS](count, b, v);
}
static void softplus_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                              double *db)
{
    (void)user;
    bnorm_kernels_f64()->gradient[BNORM_SOFTPLUS](count, b, dv, db);
}

static void gelu_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    bnorm_kernels_f64()->value[BNORM_GELU](count, b, v);
}
static void gelu_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    (void)user;
    bnorm_kernels_f64()->gradient[BNORM_GELU](count, b, dv, db);
}

static const bnorm_activation builtin[BNORM_FUNCTIONS] = {
    [BNORM_IDENTITY] = {"identity", identity_value, identity_gradient, 0, NULL},
    [BNORM_RELU] = {"relu", relu_value, relu_gradient, 2, NULL},
    [BNORM_LEAKY_RELU] = {"leaky_relu", leaky_relu_value, leaky_relu_gradient,
                          2 / (1 + BNORM_LEAKY_SLOPE * BNORM_LEAKY_SLOPE), NULL},
    [BNORM_TANH] = {"tanh", tanh_value, tanh_gradient, 0, NULL},
    [BNORM_LOGISTIC] = {"logistic", logistic_value, logistic_gradient, 0, NULL},
    [BNORM_SOFTPLUS] = {"softplus", softplus_value, softplus_gradient, 2, NULL},
    [BNORM_GELU] = {"gelu", gelu_value, gelu_gradient, 2, NULL},
};

const bnorm_activation *bnorm_activation_find(const char *name)
{
    for (int i = 0; name && i < BNORM_FUNCTIONS; i++)
        if (strcmp(builtin[i].name, name) == 0) return &builtin[i];
    return NULL;
}

int bnorm_activation_number(const bnorm_activation *a)
{
    for (int i = 0; i < BNORM_FUNCTIONS; i++)
        if (builtin[i].value == a->value && builtin[i].gradient == a->gradient) return i;
    return -1;
}
