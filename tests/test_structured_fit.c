/* Fits of structured models with networks, bags and folds: the same bits for any number of threads
 * and from one seed, folds that are what fits without their rows predict. */
#include "structured_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ptrdiff_t hidden[] = {5};

static bnorm_panel_fit_options epochs_of(ptrdiff_t epochs)
{
    bnorm_panel_fit_options f;
    bnorm_panel_fit_defaults(&f);
    f.fit.epochs = epochs;
    return f;
}

static double *fitted_values(bnorm_ctx *ctx, const bnorm_panel *p)
{
    double *fitted = calloc((size_t)info_of(p).rows, sizeof *fitted);
    assert_ok(ctx, bnorm_panel_residuals(ctx, p, fitted, NULL));
    return fitted;
}

/* The fitted values after a fit. */
static double *fit_with(bnorm_ctx *ctx, const bnorm_table *t, const char *formula,
                        const bnorm_panel_fit_options *f, bnorm_panel_report *report,
                        bnorm_panel_info *info)
{
    bnorm_panel *p;
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    o.hidden = hidden;
    o.layers = 1;
    assert_ok(ctx, bnorm_panel_create(ctx, formula, t, NULL, &o, &p));
    assert_ok(ctx, bnorm_panel_fit(ctx, p, f, report));
    *info = info_of(p);
    double *fitted = fitted_values(ctx, p);
    bnorm_panel_destroy(p);
    return fitted;
}

static void test_threads(void **state)
{
    (void)state;
    bnorm_ctx *one = make_ctx(1), *three = make_ctx(3);
    small_panel *s = make_small_panel(40, 25, 5);
    bnorm_table *t = small_table(one, s, NULL, "u");
    const char *formula = "y ~ x + nn(x, z) + nn(g) | id + year";
    for (int how = 0; how < 4; how++) {
        bnorm_panel_fit_options f = epochs_of(4);
        bnorm_panel_report ra, rb;
        bnorm_panel_info ia, ib;
        f.starts = how == 1 ? 2 : 1;
        f.validate = how == 2 ? 0.2 : 0;
        f.bags = how == 3 ? 3 : 0;
        double *a = fit_with(one, t, formula, &f, &ra, &ia);
        double *b = fit_with(three, t, formula, &f, &rb, &ib);
        assert_memory_equal(a, b, (size_t)ia.rows * sizeof *a);
        assert_memory_equal(&ia, &ib, sizeof ia);
        assert_true(ia.sse < ia.tss_within);
        assert_true(ra.best == rb.best && ra.best <= ra.worst);
        assert_int_equal(ra.starts_done, how == 1 ? 2 : how == 3 ? 3 : 1);
        assert_int_equal(isnan(ra.validation_rmse) == 0, how == 2);
        free(a);
        free(b);
    }
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(one);
    bnorm_ctx_destroy(three);
}

/* Rows that are held out choose the hidden layers; the top layer is that of all rows, so that its
 * standard errors are: Q[P, V]'E is 0, and without networks nothing changes. */
static void test_held_rows_count(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(30, 20, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    const char *const formulas[] = {"y ~ x + z | id", "y ~ x + nn(x, z) | id + year"};
    for (int k = 0; k < 2; k++) {
        bnorm_panel *p;
        bnorm_panel_options o;
        bnorm_panel_fit_options f = epochs_of(4);
        bnorm_panel_report report;
        bnorm_panel_defaults(&o);
        o.penalty_top = 0;
        f.validate = 0.4;
        assert_ok(ctx, bnorm_panel_create(ctx, formulas[k], t, NULL, &o, &p));
        assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, &report));
        assert_true(report.validation_rmse > 0);
        bnorm_panel_info i = info_of(p);
        ptrdiff_t cols = i.linear + i.top;
        double *e = malloc(sizeof *e * (size_t)i.rows);
        double *j = malloc(sizeof *j * (size_t)(i.rows * cols));
        assert_ok(ctx, bnorm_panel_residuals(ctx, p, NULL, e));
        assert_ok(ctx, bnorm_panel_design(ctx, p, 0,
                                          bnorm_view_f64(j, i.rows, cols, BNORM_ROW_MAJOR)));
        for (ptrdiff_t c = 0; c < cols; c++) {
            double sum = 0, squares = 0;
            for (ptrdiff_t r = 0; r < i.rows; r++) {
                sum += j[r * cols + c] * e[r];
                squares += j[r * cols + c] * j[r * cols + c];
            }
            assert_true(fabs(sum) < 1e-9 * sqrt(squares * i.sse));
        }
        free(e);
        free(j);
        bnorm_panel_destroy(p);
    }
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* The mean of a bag: theta is that of its members, and each network's G2 a share. */
static void test_bag(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(20, 12, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_options o;
    bnorm_panel *p;
    bnorm_panel_fit_options f = epochs_of(3);
    ptrdiff_t members;
    f.bags = 4;
    bnorm_panel_defaults(&o);
    o.hidden = hidden;
    o.layers = 1;
    assert_ok(ctx, bnorm_panel_create(ctx, "y ~ x + nn(z) | id", t, NULL, &o, &p));
    assert_null(bnorm_panel_members(p, &members));
    assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, NULL));
    const double *bag = bnorm_panel_members(p, &members);
    assert_int_equal(members, 4);
    double mean = (bag[0] + bag[1] + bag[2] + bag[3]) / 4;
    assert_true(fabs(mean - bnorm_panel_coefficients(p)[0]) <= 1e-15 * fabs(mean));
    assert_true(bag[0] != bag[1]);
    assert_int_equal(info_of(p).top, 20);
    assert_non_null(bnorm_panel_net(p, 3, NULL));
    assert_null(bnorm_panel_net(p, 4, NULL));
    bnorm_vcov *v;
    assert_fails(ctx, bnorm_vcov_create(ctx, p, t, NULL, &v), BNORM_E_ARGUMENT, "a bag");
    f.bags = 0; /* one model again */
    assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, NULL));
    assert_null(bnorm_panel_members(p, NULL));
    assert_int_equal(info_of(p).top, 5);
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* A member is the fit to units drawn with replacement: here without networks, as weights. */
static void test_members(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(20, 12, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel *p, *q;
    bnorm_panel_fit_options f = epochs_of(3);
    double u[20], *w = calloc((size_t)s->rows, sizeof *w);
    ptrdiff_t members, times[20];
    f.bags = 3;
    f.fit.seed = 77;
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    o.period = "year";
    o.unit = "code"; /* numbers descend: the units of the draw are levels in ascending order */
    assert_ok(ctx, bnorm_panel_create(ctx, "y ~ x + log(z) | id", t, NULL, &o, &p));
    assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, NULL));
    const double *bag = bnorm_panel_members(p, &members);
    for (ptrdiff_t b = 0; b < members; b++) {
        memset(times, 0, sizeof times);
        bnorm_random_uniform(77, (uint64_t)b + 1, 0, 20, u);
        for (int k = 0; k < 20; k++) times[(int)(u[k] * 20)]++;
        for (ptrdiff_t i = 0; i < s->rows; i++) w[i] = (double)times[19 - s->id[i]];
        q = fit_panel(ctx, "y ~ x + log(z) | id", t, w, NULL);
        for (int j = 0; j < 2; j++)
            assert_true(fabs(bag[2 * b + j] - bnorm_panel_coefficients(q)[j]) <= 1e-11);
        bnorm_panel_destroy(q);
    }
    free(w);
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* The mean of fits that are close is as close. */
static void test_mean_of_networks(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(30, 20, 5);
    for (ptrdiff_t i = 0; i < s->rows; i++) s->y[i] = s->id[i] + 3 * sin(s->z[i]);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_fit_options f = epochs_of(60);
    bnorm_panel_info info;
    f.bags = 3;
    free(fit_with(ctx, t, "y ~ x + nn(z) | id", &f, NULL, &info));
    assert_true(info.r2_within > 0.98);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* Networks of one form, and those of another seed, start apart. */
static void test_starts_differ(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(6, 6, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel *p[2];
    const double *start[4];
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    for (int k = 0; k < 2; k++) {
        o.seed = (uint64_t)k + 1;
        assert_ok(ctx, bnorm_panel_create(ctx, "y ~ nn(x) + nn(x)", t, NULL, &o, &p[k]));
        start[2 * k] = bnorm_net_parameters(bnorm_panel_net(p[k], 0, NULL), NULL);
        start[2 * k + 1] = bnorm_net_parameters(bnorm_panel_net(p[k], 1, NULL), NULL);
    }
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < a; b++) assert_true(start[a][0] != start[b][0]);
    bnorm_panel_destroy(p[0]);
    bnorm_panel_destroy(p[1]);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* The gradient passes its check at the start and at the solution; entries far from 0. */
static void test_gradient(void **state)
{
    (void)state;
    static const ptrdiff_t two[] = {4, 3};
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(12, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    const char *const formulas[] = {"y ~ x + nn(x, z) + nn(g) | id + year", "y ~ x + nn(z)"};
    for (int k = 0; k < 4; k++) {
        bnorm_panel_options o;
        bnorm_panel *p;
        bnorm_check_block report[20];
        ptrdiff_t blocks = 0, count = 20;
        bnorm_panel_defaults(&o);
        o.hidden = two;
        o.layers = 2;
        o.penalty = 1e-3;
        o.activation = bnorm_activation_find(k & 1 ? "softplus" : "tanh");
        o.loss = k < 2 ? NULL : "logistic";
        const char *formula = k < 2 ? formulas[k] : "p ~ x + nn(z, x)";
        assert_ok(ctx, bnorm_panel_create(ctx, formula, t, s->w, &o, &p));
        assert_ok(ctx, bnorm_panel_check(ctx, p, 1, 0, NULL, &blocks));
        assert_int_equal(blocks, k ? 6 : 12);
        assert_ok(ctx, bnorm_panel_check(ctx, p, 1, 0, report, &count));
        assert_int_equal(count, blocks);
        assert_string_equal(report[0].name, "nn1.G1");
        assert_ok(ctx, bnorm_panel_fit(ctx, p, NULL, NULL));
        double sse = info_of(p).sse, *fitted = fitted_values(ctx, p);
        assert_ok(ctx, bnorm_panel_check(ctx, p, 1, 0, report, &count));
        for (ptrdiff_t b = 0; b < count; b++)
            assert_true(report[b].ok && report[b].error <= report[b].bound);
        double *again = fitted_values(ctx, p); /* the model is as it was */
        assert_memory_equal(fitted, again, (size_t)info_of(p).rows * sizeof *again);
        assert_true(info_of(p).sse == sse);
        free(fitted);
        free(again);
        count = 1;
        assert_fails(ctx, bnorm_panel_check(ctx, p, 1, 0, report, &count), BNORM_E_ARGUMENT,
                     "room for 1 of");
        bnorm_panel_destroy(p);
    }
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* ----------------------------------------------------------------------------------- folds */

/* The error in the rows where `out` is set of a fit to the others. */
static double error_without(bnorm_ctx *ctx, const small_panel *s, const bnorm_table *t,
                            const char *formula, const unsigned char *out)
{
    double *w = calloc((size_t)s->rows, sizeof *w),
           *mean = calloc((size_t)s->rows, sizeof *mean);
    ptrdiff_t *all = calloc((size_t)s->rows, sizeof *all);
    double sum = 0, n = 0;
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    o.keep_singletons = 1;
    for (ptrdiff_t i = 0; i < s->rows; i++) w[i] = !out[i], all[i] = i;
    bnorm_panel *p = fit_panel(ctx, formula, t, w, &o);
    assert_ok(ctx,
              bnorm_panel_predict(ctx, p, NULL, t, all, s->rows, BNORM_NEW_ZERO, mean, NULL));
    for (ptrdiff_t i = 0; i < s->rows; i++)
        if (out[i]) sum += (s->y[i] - mean[i]) * (s->y[i] - mean[i]), n++;
    bnorm_panel_destroy(p);
    free(w);
    free(mean);
    free(all);
    return sqrt(sum / n);
}

static void test_period_folds(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(10, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    o.keep_singletons = 1;
    o.period = "year";
    bnorm_panel_candidate none = {.layers = 0};
    const char *const formulas[] = {"y ~ x + log(z) | id", "y ~ x + log(z) | id + year",
                                    "y ~ x + log(z)"};
    unsigned char *out = calloc((size_t)s->rows, 1);
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++) {
        double rmse[3];
        ptrdiff_t best;
        assert_ok(ctx, bnorm_panel_cv(ctx, formulas[k], t, NULL, &o, NULL, BNORM_HOLD_PERIODS,
                                      3, &none, 1, rmse, &best));
        assert_int_equal(best, 0);
        for (ptrdiff_t fold = 0; fold < 3; fold++) {
            for (ptrdiff_t i = 0; i < s->rows; i++)
                out[i] = (ptrdiff_t)(s->year[i] - 1990) / 3 == fold;
            double expected = error_without(ctx, s, t, formulas[k], out);
            assert_true(fabs(rmse[fold] - expected) <= 1e-9 * expected);
        }
    }
    free(out);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* A unit left out: y - x theta of the others, less its own mean. */
static double error_of_unit(bnorm_ctx *ctx, const small_panel *s, const bnorm_table *t,
                            int unit)
{
    double *w = calloc((size_t)s->rows, sizeof *w), mean = 0, sum = 0, n = 0;
    for (ptrdiff_t i = 0; i < s->rows; i++) w[i] = s->id[i] != unit;
    bnorm_panel *p = fit_panel(ctx, "y ~ x | id", t, w, NULL);
    double theta = bnorm_panel_coefficients(p)[0];
    for (ptrdiff_t i = 0; i < s->rows; i++)
        if (s->id[i] == unit) mean += s->y[i] - theta * s->x[i], n++;
    mean /= n;
    for (ptrdiff_t i = 0; i < s->rows; i++)
        if (s->id[i] == unit) sum += pow(s->y[i] - theta * s->x[i] - mean, 2);
    bnorm_panel_destroy(p);
    free(w);
    return sqrt(sum / n);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_unit_folds(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(7, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_candidate none = {.layers = 0};
    double rmse[7], expected[7];
    ptrdiff_t best;
    assert_ok(ctx, bnorm_panel_cv(ctx, "y ~ x | id", t, NULL, NULL, NULL, BNORM_HOLD_UNITS, 7,
                                  &none, 1, rmse, &best));
    for (int k = 0; k < 7; k++) expected[k] = error_of_unit(ctx, s, t, k);
    qsort(rmse, 7, sizeof *rmse, ascending);
    qsort(expected, 7, sizeof *expected, ascending);
    for (int k = 0; k < 7; k++) assert_true(fabs(rmse[k] - expected[k]) <= 1e-9 * expected[k]);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* A target that bends: networks are better than none, and the seed says all. */
static void test_candidates(void **state)
{
    (void)state;
    bnorm_ctx *one = make_ctx(1), *two = make_ctx(2);
    small_panel *s = make_small_panel(30, 20, 5);
    for (ptrdiff_t i = 0; i < s->rows; i++) s->y[i] = s->id[i] + 3 * sin(2 * s->z[i]) + s->x[i];
    bnorm_table *t = small_table(one, s, NULL, "u");
    bnorm_panel_candidate c[2] = {{.layers = 0},
                                  {.hidden = hidden, .layers = 1, .penalty_top = 1e-6}};
    bnorm_panel_fit_options f = epochs_of(40);
    double a[8], b[8];
    ptrdiff_t best;
    const bnorm_hold holds[] = {BNORM_HOLD_UNITS, BNORM_HOLD_PERIODS, BNORM_HOLD_ROWS};
    for (int h = 0; h < 3; h++) {
        assert_ok(one, bnorm_panel_cv(one, "y ~ x + nn(z) | id + year", t, NULL, NULL, &f,
                                      holds[h], 4, c, 2, a, &best));
        assert_int_equal(best, 1);
        for (int k = 0; k < 4; k++) assert_true(a[4 + k] < 0.7 * a[k]);
        assert_ok(two, bnorm_panel_cv(two, "y ~ x + nn(z) | id + year", t, NULL, NULL, &f,
                                      holds[h], 4, c, 2, b, &best));
        assert_memory_equal(a, b, sizeof a);
    }
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(one);
    bnorm_ctx_destroy(two);
}

static int after_some(void *user)
{
    return --*(int *)user < 0;
}

static void test_interruption(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(12, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_candidate c[2] = {{.layers = 0}, {.hidden = hidden, .layers = 1}};
    bnorm_panel_fit_options f = epochs_of(500);
    double rmse[6];
    ptrdiff_t best;
    int left = 8;
    f.fit.interrupted = after_some;
    f.fit.interrupted_user = &left;
    assert_int_equal(bnorm_panel_cv(ctx, "y ~ x + nn(z) | id", t, NULL, NULL, &f,
                                    BNORM_HOLD_UNITS, 3, c, 2, rmse, &best),
                     BNORM_E_INTERRUPTED);
    assert_true(isfinite(rmse[0]));
    assert_true(isnan(rmse[5]));
    bnorm_panel *p; /* a fit that is interrupted leaves a model that can be used */
    bnorm_panel_report report;
    left = 3;
    assert_ok(ctx, bnorm_panel_create(ctx, "y ~ x + nn(z) | id", t, NULL, NULL, &p));
    assert_int_equal(bnorm_panel_fit(ctx, p, &f, &report), BNORM_E_INTERRUPTED);
    assert_true(info_of(p).fitted && isfinite(info_of(p).sse));
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

static void test_bad_folds(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(6, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_candidate none = {.layers = 0}, bad = {.layers = 1},
                          worse = {.penalty = -1, .layers = 0};
    double rmse[20];
    ptrdiff_t best;
#define CV(formula, by, folds, candidate)                                                      \
    bnorm_panel_cv(ctx, formula, t, NULL, NULL, NULL, by, folds, candidate, 1, rmse, &best)
    assert_fails(ctx, CV("y ~ x | id", BNORM_HOLD_UNITS, 7, &none), BNORM_E_ARGUMENT,
                 "7 folds of 6 units: at least 2 folds are needed, and a unit for each");
    assert_fails(ctx, CV("y ~ x | id", BNORM_HOLD_UNITS, 1, &none), BNORM_E_ARGUMENT,
                 "at least 2 folds");
    assert_fails(ctx, CV("y ~ x | id", BNORM_HOLD_PERIODS, 2, &none), BNORM_E_ARGUMENT,
                 "there are no periods");
    assert_fails(ctx, CV("y ~ x | id", BNORM_HOLD_UNITS, 2, &bad), BNORM_E_ARGUMENT,
                 "candidate 1 has no hidden layers");
    assert_fails(ctx, CV("y ~ x | id", BNORM_HOLD_UNITS, 2, &worse), BNORM_E_ARGUMENT,
                 "candidate 1 has a penalty that is negative");
    assert_fails(ctx, CV("y ~ nn(x) | id", BNORM_HOLD_UNITS, 2, &none), BNORM_E_ARGUMENT,
                 "candidate 1 without networks has nothing to estimate");
    assert_fails(ctx, CV("y ~ | id", BNORM_HOLD_UNITS, 2, &none), BNORM_E_FORMULA, "a term");
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

static bnorm_status validate_once(bnorm_ctx *ctx, void *argument)
{
    bnorm_panel_candidate c[2] = {{.layers = 0}, {.hidden = hidden, .layers = 1}};
    bnorm_panel_fit_options f = epochs_of(1);
    double rmse[4];
    ptrdiff_t best;
    return bnorm_panel_cv(ctx, "y ~ x + nn(z, g) | id[z] + g^year", argument, NULL, NULL, &f,
                          BNORM_HOLD_PERIODS, 2, c, 2, rmse, &best);
}

static bnorm_status bag_once(bnorm_ctx *ctx, void *argument)
{
    bnorm_panel *p;
    bnorm_panel_fit_options f = epochs_of(1);
    double fitted[100];
    ptrdiff_t row = 0;
    f.bags = 2;
    bnorm_status status =
        bnorm_panel_create(ctx, "y ~ x + nn(z, g) | id[x] + year", argument, NULL, NULL, &p);
    if (status == BNORM_OK) status = bnorm_panel_fit(ctx, p, &f, NULL);
    if (status == BNORM_OK) status = bnorm_panel_residuals(ctx, p, fitted, NULL);
    if (status == BNORM_OK)
        status =
            bnorm_panel_predict(ctx, p, NULL, argument, &row, 1, BNORM_NEW_NAN, fitted, NULL);
    bnorm_panel_destroy(p);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    small_panel *s = make_small_panel(5, 6, 5);
    bnorm_table *t = small_table(NULL, s, NULL, "u");
    assert_true(fail_each_allocation(validate_once, t) > 100);
    assert_true(fail_each_allocation(bag_once, t) > 100);
    bnorm_table_destroy(t);
    free_small_panel(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_held_rows_count),
        cmocka_unit_test(test_bag),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_mean_of_networks),
        cmocka_unit_test(test_starts_differ),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_period_folds),
        cmocka_unit_test(test_unit_folds),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_interruption),
        cmocka_unit_test(test_bad_folds),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
