/* losses: the built-in losses l(score, target), value beside gradient, exact for scores of any
 * size: no exp overflows and no probability near 1 is subtracted from 1. */
#include <math.h>
#include <string.h>

#include "layer/layer.h"

/* l = sum_k (t - s)^2, dl/ds = 2 (s - t) */
static double squared_value(void *user, ptrdiff_t scores, const double *s, const double *t)
{
    (void)user;
    double sum = 0;
    for (ptrdiff_t k = 0; k < scores; k++) sum += (t[k] - s[k]) * (t[k] - s[k]);
    return sum;
}

static void squared_gradient(void *user, ptrdiff_t scores, const double *s, const double *t,
                             double *d)
{
    (void)user;
    for (ptrdiff_t k = 0; k < scores; k++) d[k] = 2 * (s[k] - t[k]);
}

/* p = 1/(1 + exp(-s)) and q = 1 - p, both to full precision */
static double probability(double s, double *q)
{
    double e = exp(-fabs(s)), low = e / (1 + e), high = 1 / (1 + e);
    *q = s < 0 ? high : low;
    return s < 0 ? low : high;
}

static int logistic_legal(void *user, ptrdiff_t scores, const double *t)
{
    (void)user;
    for (ptrdiff_t k = 0; k < scores; k++)
        if (!(t[k] >= 0 && t[k] <= 1)) return 1;
    return 0;
}

/* l = -t log p - (1 - t) log q = max(s, 0) - t s + log(1 + exp(-|s|)), dl/ds = (1-t) p - t q */
static double logistic_value(void *user, ptrdiff_t scores, const double *s, const double *t)
{
    (void)user;
    double sum = 0;
    for (ptrdiff_t k = 0; k < scores; k++)
        sum += ((s[k] < 0 ? 0 : s[k]) - t[k] * s[k]) + log1p(exp(-fabs(s[k])));
    return sum;
}

static void logistic_gradient(void *user, ptrdiff_t scores, const double *s, const double *t,
                              double *d)
{
    (void)user;
    for (ptrdiff_t k = 0; k < scores; k++) {
        double q, p = probability(s[k], &q);
        d[k] = (1 - t[k]) * p - t[k] * q;
    }
}

static void logistic_response(void *user, ptrdiff_t scores, const double *s, double *mean)
{
    (void)user;
    double q;
    for (ptrdiff_t k = 0; k < scores; k++) mean[k] = probability(s[k], &q);
}

static int softmax_legal(void *user, ptrdiff_t scores, const double *t)
{
    (void)user;
    return !(t[0] >= 0 && t[0] < (double)scores && t[0] == floor(t[0]));
}

static ptrdiff_t largest(ptrdiff_t scores, const double *s)
{
    ptrdiff_t m = 0;
    for (ptrdiff_t k = 1; k < scores; k++)
        if (s[k] > s[m]) m = k;
    return m;
}

/* l = log sum_k exp(s_k - s_m) - (s_t - s_m), s_m the largest: 1 + the others' sum */
static double softmax_value(void *user, ptrdiff_t scores, const double *s, const double *t)
{
    (void)user;
    ptrdiff_t m = largest(scores, s);
    double others = 0;
    for (ptrdiff_t k = 0; k < scores; k++)
        if (k != m) others += exp(s[k] - s[m]);
    return (s[m] - s[(ptrdiff_t)t[0]]) + log1p(others);
}

static void softmax_response(void *user, ptrdiff_t scores, const double *s, double *mean)
{
    (void)user;
    double top = s[largest(scores, s)], sum = 0;
    for (ptrdiff_t k = 0; k < scores; k++) sum += mean[k] = exp(s[k] - top);
    for (ptrdiff_t k = 0; k < scores; k++) mean[k] /= sum;
}

/* dl/ds_k = p_k, and for the target p_t - 1 = -(the others' sum) */
static void softmax_gradient(void *user, ptrdiff_t scores, const double *s, const double *t,
                             double *d)
{
    ptrdiff_t target = (ptrdiff_t)t[0];
    softmax_response(user, scores, s, d);
    double others = 0;
    for (ptrdiff_t k = 0; k < scores; k++)
        if (k != target) others += d[k];
    d[target] = -others;
}

static const bnorm_loss builtin[] = {
    {"squared", 0, NULL, squared_value, squared_gradient, NULL, NULL},
    {"logistic", 0, logistic_legal, logistic_value, logistic_gradient, logistic_response, NULL},
    {"softmax", 1, softmax_legal, softmax_value, softmax_gradient, softmax_response, NULL},
};

enum { COUNT = sizeof builtin / sizeof *builtin };

const bnorm_loss *bnorm_loss_find(const char *name)
{
    for (int i = 0; name && i < COUNT; i++)
        if (strcmp(builtin[i].name, name) == 0) return &builtin[i];
    return NULL;
}

int bnorm_loss_is_builtin(const bnorm_loss *loss)
{
    for (int i = 0; i < COUNT; i++)
        if (builtin[i].value == loss->value && builtin[i].gradient == loss->gradient) return 1;
    return 0;
}
