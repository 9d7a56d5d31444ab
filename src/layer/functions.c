/* functions: the built-in activations, value beside derivative, written so that no argument
 * overflows and NaN passes through. */
#include <math.h>
#include <string.h>

#include "layer/layer.h"

/* e = exp(-|b|) in (0,1] serves the whole logistic family without overflow. */
static double decay(double b)
{
    return exp(-fabs(b));
}

static double logistic(double b)
{
    double e = decay(b);
    return b < 0 ? e / (1 + e) : 1 / (1 + e);
}

static void identity_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    if (v != b) memcpy(v, b, (size_t)count * sizeof *v);
}

static void identity_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                              double *db)
{
    (void)user, (void)b;
    if (db != dv) memmove(db, dv, (size_t)count * sizeof *db);
}

/* a = max(b, 0), a' = 1 for b > 0, else 0. Theorem: relu_is_differentiable. */
static void relu_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = b[i] < 0 ? 0 : b[i];
}

static void relu_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) db[i] = b[i] <= 0 ? 0 : dv[i];
}

/* a = b for b > 0, else slope b */
#define SLOPE 0.01

static void leaky_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = b[i] < 0 ? SLOPE * b[i] : b[i];
}

static void leaky_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                           double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) db[i] = b[i] <= 0 ? SLOPE * dv[i] : dv[i];
}

/* a' = 1 - tanh^2 = 4e/(1 + e)^2 with e = exp(-2|b|): no cancellation */
static void tanh_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = tanh(b[i]);
}

static void tanh_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) {
        double e = decay(2 * b[i]);
        db[i] = dv[i] * (4 * e / ((1 + e) * (1 + e)));
    }
}

/* a = 1/(1 + exp(-b)), a' = a(1 - a) = e/(1 + e)^2 */
static void logistic_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = logistic(b[i]);
}

static void logistic_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                              double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) {
        double e = decay(b[i]);
        db[i] = dv[i] * (e / ((1 + e) * (1 + e)));
    }
}

/* a = log(1 + exp(b)), a' = logistic(b) */
static void softplus_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = (b[i] < 0 ? 0 : b[i]) + log1p(decay(b[i]));
}

static void softplus_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                              double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) db[i] = dv[i] * logistic(b[i]);
}

/* a = b Phi(b), a' = Phi(b) + b phi(b) (Hendrycks and Gimpel 2016) */
static double normal_cdf(double b)
{
    return 0.5 * erfc(-b * 0.70710678118654752440);
}

static void gelu_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = b[i] * normal_cdf(b[i]);
}

static void gelu_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) {
        double density = 0.39894228040143267794 * exp(-0.5 * b[i] * b[i]);
        db[i] = dv[i] * (normal_cdf(b[i]) + b[i] * density);
    }
}

static const bnorm_activation builtin[] = {
    {"identity", identity_value, identity_gradient, 0, NULL},
    {"relu", relu_value, relu_gradient, 2, NULL},
    {"leaky_relu", leaky_value, leaky_gradient, 2 / (1 + SLOPE * SLOPE), NULL},
    {"tanh", tanh_value, tanh_gradient, 0, NULL},
    {"logistic", logistic_value, logistic_gradient, 0, NULL},
    {"softplus", softplus_value, softplus_gradient, 2, NULL},
    {"gelu", gelu_value, gelu_gradient, 2, NULL},
};

enum { COUNT = sizeof builtin / sizeof *builtin };

const bnorm_activation *bnorm_activation_find(const char *name)
{
    for (int i = 0; name && i < COUNT; i++)
        if (strcmp(builtin[i].name, name) == 0) return &builtin[i];
    return NULL;
}

int bnorm_activation_is_builtin(const bnorm_activation *a)
{
    for (int i = 0; i < COUNT; i++)
        if (builtin[i].value == a->value && builtin[i].gradient == a->gradient) return 1;
    return 0;
}
