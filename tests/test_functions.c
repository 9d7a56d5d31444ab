/* functions: the activations of every instruction set against long double over the whole range:
 * the largest error in units in the last place, the ends, signs, NaN; the same bits in every
 * place. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

static const char *const names[BNORM_FUNCTIONS] = {"identity", "relu",     "leaky_relu", "tanh",
                                                   "logistic", "softplus", "gelu"};

/* ------------------------------------------------------------------------------ references */

static long double density(long double b)
{
    return expl(-b * b / 2) / sqrtl(2 * acosl(-1));
}

/* Phi(-u) for u > 0. The argument a = u/sqrt(2) of erfc is rounded, which its tail would feel:
 * a^2 + correction is u^2/2, both squares as sums of two. */
static long double upper_tail(long double u)
{
    long double a = u / sqrtl(2), p = u * u / 2, p_low = fmal(u, u / 2, -p);
    long double off = (p_low - fmal(a, a, -p)) / (2 * a), e = erfcl(a);
    if (e == 0) return 0;
    return (e - off * 2 / sqrtl(acosl(-1)) * expl(-a * a)) / 2;
}

static long double normal_cdf(long double b)
{
    if (b == 0) return 0.5L;
    return b < 0 ? upper_tail(-b) : 1 - upper_tail(b);
}

static long double logistic(long double b)
{
    return 1 / (1 + expl(-b));
}

static long double value_l(int f, long double b, double leak)
{
    switch (f) {
    case BNORM_RELU:
        return b < 0 ? 0 : b;
    case BNORM_LEAKY_RELU:
        return b < 0 ? leak * b : b;
    case BNORM_TANH:
        return tanhl(b);
    case BNORM_LOGISTIC:
        return logistic(b);
    case BNORM_SOFTPLUS:
        return b > 0 ? b + log1pl(expl(-b)) : log1pl(expl(b));
    case BNORM_GELU:
        return b * normal_cdf(b);
    default:
        return b;
    }
}

/* And the size against which its error is measured: gelu's slope is a sum that crosses 0. */
static long double slope_l(int f, long double b, double leak, long double *size)
{
    long double s = 1, e = expl(-fabsl(b));
    *size = 0;
    switch (f) {
    case BNORM_RELU:
        return b > 0;
    case BNORM_LEAKY_RELU:
        return b > 0 ? 1 : leak;
    case BNORM_TANH:
        e = expl(-2 * fabsl(b));
        return 4 * e / ((1 + e) * (1 + e));
    case BNORM_LOGISTIC:
        return e / ((1 + e) * (1 + e));
    case BNORM_SOFTPLUS:
        return logistic(b);
    case BNORM_GELU:
        s = b * density(b);
        *size = fabsl(s);
        return fabsl(b) > 1000 ? b > 0 : normal_cdf(b) + s;
    default:
        return s;
    }
}

/* |got - expected| in units in the last place of a number of that size. */
static double units(double got, long double expected, long double size, int f32)
{
    if ((long double)got == expected) return 0;
    if (size < fabsl(expected)) size = fabsl(expected);
    int digits = f32 ? FLT_MANT_DIG : DBL_MANT_DIG, least = f32 ? FLT_MIN_EXP : DBL_MIN_EXP;
    int exponent = size > 0 ? ilogbl(size) + 1 : least;
    if (exponent < least) exponent = least;
    return (double)(fabsl(got - expected) / ldexpl(1, exponent - digits));
}

/* ----------------------------------------------------------------------------------- calls */

/* Arguments and results of one kernel table. */
typedef struct table_run {
    const bnorm_kernels *k;
    ptrdiff_t count;
    double *b, *v, *slope; /* rounded to the table's precision */
} table_run;

static void run_table(table_run *t, int f)
{
    const bnorm_kernels *k = t->k;
    ptrdiff_t bytes = (t->count + 1) * (ptrdiff_t)k->size;
    double *ones = malloc((size_t)(t->count + 1) * sizeof *ones);
    char *b = malloc((size_t)bytes), *v = malloc((size_t)bytes), *dv = malloc((size_t)bytes);
    for (ptrdiff_t i = 0; i < t->count; i++) ones[i] = 1;
    k->narrow(t->count, t->b, b);
    k->widen(t->count, b, t->b);
    k->narrow(t->count, ones, dv);
    k->value[f](t->count, b, v);
    k->widen(t->count, v, t->v);
    k->gradient[f](t->count, b, dv, v);
    k->widen(t->count, v, t->slope);
    free(ones);
    free(b);
    free(v);
    free(dv);
}

static table_run run_make(const bnorm_kernels *k, ptrdiff_t count)
{
    size_t bytes = (size_t)(count + 1) * sizeof(double);
    return (table_run){k, count, malloc(bytes), malloc(bytes), malloc(bytes)};
}

static void run_free(table_run *t)
{
    free(t->b);
    free(t->v);
    free(t->slope);
}

/* ----------------------------------------------------------------------------------- tests */

/* Every binade of the precision, those where something happens more often, both signs. */
static ptrdiff_t fill_range(double *b, int f32)
{
    int low = f32 ? -149 : -1074, high = f32 ? 127 : 1023;
    ptrdiff_t count = 0;
    for (int e = low; e <= high; e++) {
        int draws = e >= -8 && e <= 10 ? 3000 : 20;
        double u[3000];
        bnorm_random_uniform(17, (uint64_t)(e + 2000), 0, draws, u);
        for (int i = 0; i < draws; i++, count++)
            b[count] = ldexp(1 + u[i] * (1 - FLT_EPSILON), e) * (i % 2 ? -1 : 1);
    }
    return count;
}

/* What kernel.h states. */
static double allowed(int f)
{
    return f == BNORM_GELU ? 8 : 4;
}

static void check_errors(const bnorm_kernels *k, int f, table_run *t)
{
    int f32 = k->size == sizeof(float);
    double leak = f32 ? (double)(float)BNORM_LEAKY_SLOPE : BNORM_LEAKY_SLOPE;
    double worst = 0, worst_at = 0, steep = 0, steep_at = 0;
    run_table(t, f);
    for (ptrdiff_t i = 0; i < t->count; i++) {
        long double size, s = slope_l(f, t->b[i], leak, &size);
        double u = units(t->v[i], value_l(f, t->b[i], leak), 0, f32);
        double us = units(t->slope[i], s, size, f32);
        if (!(u <= worst)) worst = u, worst_at = t->b[i];
        if (!(us <= steep)) steep = us, steep_at = t->b[i];
    }
    if (getenv("BNORM_TEST_UNITS"))
        print_message("%-7s f%d %-10s value %.2f at %.9g, slope %.2f at %.9g\n", k->isa,
                      f32 ? 32 : 64, names[f], worst, worst_at, steep, steep_at);
    if (worst <= allowed(f) && steep <= allowed(f)) return;
    print_error("%s f%d %s: value off by %.2f units at %.17g, slope by %.2f at %.17g\n", k->isa,
                f32 ? 32 : 64, names[f], worst, worst_at, steep, steep_at);
    fail();
}

static void errors_in_the_last_place(void **state)
{
    (void)state;
    for (int isa = 0; isa < BNORM_ISA_COUNT; isa++)
        for (size_t size = 4; size <= 8; size += 4) {
            const bnorm_kernels *k = bnorm_kernels_at(isa, size);
            if (!k) continue;
            table_run t = run_make(k, 120000);
            t.count = fill_range(t.b, size == 4);
            assert_true(t.count <= 120000);
            for (int f = 0; f < BNORM_FUNCTIONS; f++) check_errors(k, f, &t);
            run_free(&t);
        }
}

static void assert_number(const table_run *t, ptrdiff_t i, double got, double expected)
{
    if (isnan(expected) ? isnan(got) : got == expected && signbit(got) == signbit(expected))
        return;
    print_error("%s f%d at %g: %g, expected %g\n", t->k->isa, t->k->size == 4 ? 32 : 64,
                t->b[i], got, expected);
    fail();
}

/* Limits, signs of zero, NaN, in a vector with ordinary neighbours. */
static void ends_of_the_range(void **state)
{
    (void)state;
    const double inf = (double)INFINITY, nan = (double)NAN;
    const double at[] = {-inf, inf, nan, -0.0, 0.0, 1, -1, nan, 0.5};
    const struct {
        double low, high, minus, plus; /* at -inf, inf, -0, 0 */
    } value[BNORM_FUNCTIONS] = {
        {-inf, inf, -0.0, 0}, {0, inf, -0.0, 0}, {-inf, inf, -0.0, 0}, {-1, 1, -0.0, 0},
        {0, 1, 0.5, 0.5},     {0, inf, 1, 1}, /* log 2, as a test of its own */
        {0, inf, -0.0, 0}};
    const double slopes[BNORM_FUNCTIONS][3] = {{1, 1, 1},     {0, 1, 0},    {0.01, 1, 0.01},
                                               {0, 0, 1},     {0, 0, 0.25}, {0, 1, 0.5},
                                               {-0.0, 1, 0.5}};
    for (int isa = 0; isa < BNORM_ISA_COUNT; isa++)
        for (size_t size = 4; size <= 8; size += 4) {
            const bnorm_kernels *k = bnorm_kernels_at(isa, size);
            if (!k) continue;
            table_run t = run_make(k, 9);
            for (int f = 0; f < BNORM_FUNCTIONS; f++) {
                memcpy(t.b, at, sizeof at);
                run_table(&t, f);
                double half =
                    f == BNORM_SOFTPLUS ? size == 4 ? (double)(float)log(2) : log(2) : 0;
                assert_number(&t, 0, t.v[0], value[f].low);
                assert_number(&t, 1, t.v[1], value[f].high);
                assert_true(isnan(t.v[2]) && isnan(t.v[7]));
                assert_number(&t, 3, t.v[3], half > 0 ? half : value[f].minus);
                assert_number(&t, 4, t.v[4], half > 0 ? half : value[f].plus);
                double leak = f == BNORM_LEAKY_RELU && size == 4 ? (double)0.01f : 0.01;
                for (int e = 0; e < 3; e++) {
                    double s = slopes[f][e] == 0.01 ? leak : slopes[f][e];
                    assert_number(&t, e < 2 ? e : 4, t.slope[e < 2 ? e : 4], s);
                }
                assert_true(f <= BNORM_LEAKY_RELU || isnan(t.slope[2]));
            }
            run_free(&t);
        }
}

/* One by one, by threes, all at once, in place of b and of dv: the same bits. */
static void place_does_not_matter(void **state)
{
    (void)state;
    enum { COUNT = 131 };
    double numbers[2 * COUNT];
    bnorm_random_normal(23, 0, 0, 2 * COUNT, numbers);
    for (int i = 0; i < COUNT; i++) numbers[i] *= i % 7 ? 3 : 300;
    for (int isa = 0; isa < BNORM_ISA_COUNT; isa++)
        for (size_t size = 4; size <= 8; size += 4)
            for (int f = 0; f < BNORM_FUNCTIONS; f++) {
                const bnorm_kernels *k = bnorm_kernels_at(isa, size);
                if (!k) continue;
                char b[COUNT * 8], dv[COUNT * 8], v[COUNT * 8], db[COUNT * 8], other[COUNT * 8];
                k->narrow(COUNT, numbers, b);
                k->narrow(COUNT, numbers + COUNT, dv);
                k->value[f](COUNT, b, v);
                k->gradient[f](COUNT, b, dv, db);
                for (ptrdiff_t step = 1; step <= 3; step += 2) {
                    for (ptrdiff_t i = 0; i < COUNT; i += step) {
                        ptrdiff_t at = i * (ptrdiff_t)size,
                                  n = COUNT - i < step ? COUNT - i : step;
                        k->value[f](n, b + at, other + at);
                    }
                    assert_memory_equal(other, v, COUNT * size);
                    for (ptrdiff_t i = 0; i < COUNT; i += step) {
                        ptrdiff_t at = i * (ptrdiff_t)size,
                                  n = COUNT - i < step ? COUNT - i : step;
                        k->gradient[f](n, b + at, dv + at, other + at);
                    }
                    assert_memory_equal(other, db, COUNT * size);
                }
                memcpy(other, dv, sizeof dv);
                k->gradient[f](COUNT, b, other, other);
                assert_memory_equal(other, db, COUNT * size);
                memcpy(other, b, sizeof b);
                k->gradient[f](COUNT, other, dv, other);
                assert_memory_equal(other, db, COUNT * size);
                k->value[f](COUNT, b, b);
                assert_memory_equal(b, v, COUNT * size);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_in_the_last_place),
        cmocka_unit_test(ends_of_the_range),
        cmocka_unit_test(place_does_not_matter),
    };
    return cmocka_run_group_tests_name("functions", tests, NULL, NULL);
}
