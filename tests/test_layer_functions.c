/* layer_functions: activations and losses against their definitions in long double, at the ends
 * of the range too. */
#include "support.h"

#include <float.h>
#include <math.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_their_definitions),
        cmocka_unit_test(activations_at_the_ends),
        cmocka_unit_test(losses_are_their_definitions),
        cmocka_unit_test(losses_at_the_ends),
    };
    return cmocka_run_group_tests_name("layer_functions", tests, NULL, NULL);
}
