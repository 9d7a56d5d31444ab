/* vcov: covariances of structured models by name: clusters, counts of effects, margins, profiles,
 * what is not identified, and every refusal. The figures themselves: test_covariance,
 * test_panel_golden. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "structured/vcov.h"
#include "structured_support.h"

typedef struct model {
    bnorm_ctx *ctx;
    small_panel *s;
    bnorm_table *table;
    bnorm_panel *panel;
    bnorm_panel_info info;
} model;

static model make_model(const char *formula, const bnorm_panel_options *o)
{
    model m = {.ctx = make_ctx(1), .s = make_small_panel(12, 9, 3)};
    m.table = small_table(m.ctx, m.s, NULL, "u");
    m.panel = fit_panel(m.ctx, formula, m.table, NULL, o);
    m.info = info_of(m.panel);
    return m;
}

static void free_model(model *m)
{
    bnorm_panel_destroy(m->panel);
    bnorm_table_destroy(m->table);
    free_small_panel(m->s);
    bnorm_ctx_destroy(m->ctx);
}

static bnorm_vcov *vcov_of(const model *m, const bnorm_vcov_options *o)
{
    bnorm_vcov *v;
    assert_ok(m->ctx, bnorm_vcov_create(m->ctx, m->panel, m->table, o, &v));
    return v;
}

static double first_variance(const model *m, const bnorm_vcov_options *o)
{
    bnorm_vcov *v = vcov_of(m, o);
    double *c = malloc(sizeof(double) * (size_t)(m->info.linear * m->info.linear)), first;
    assert_ok(m->ctx, bnorm_vcov_linear(v, bnorm_view_f64(c, m->info.linear, m->info.linear,
                                                          BNORM_COL_MAJOR)));
    first = c[0];
    bnorm_vcov_destroy(v);
    free(c);
    return first;
}

static void assert_ratio(double a, double b, double expected)
{
    if (fabs(a / b / expected - 1) <= 1e-12) return;
    print_error("%.17g, expected %.17g\n", a / b, expected);
    fail();
}

/* -------------------------------------------------------------------------------- rounding */

/* Outputs of a network that the fixed effects explain leave rounding behind them, which is no
 * direction: the others' errors are as without the network. */
static void explained_networks(void **state)
{
    (void)state;
    model with = make_model("y ~ x + nn(year) | id + year", NULL);
    model without = make_model("y ~ x | id + year", NULL);
    for (int full = 0; full < 2; full++) {
        bnorm_vcov_options o;
        bnorm_vcov_info i;
        double estimate[2], se[2];
        bnorm_vcov_defaults(&o);
        o.type = BNORM_VCOV_HC1;
        o.full = full;
        assert_true(fabs(first_variance(&with, &o) / first_variance(&without, &o) - 1) < 1e-9);
        bnorm_vcov *v = vcov_of(&with, &o);
        assert_ok(with.ctx, bnorm_vcov_describe(v, &i));
        assert_int_equal(i.rank, 1);
        assert_true(i.df == with.info.df);
        assert_ok(with.ctx, bnorm_panel_margins(with.ctx, with.panel, v, estimate, se));
        assert_string_equal(bnorm_panel_name(with.panel, BNORM_PANEL_INPUT, 0), "year");
        assert_true(isnan(se[0]) && se[1] > 0);
        bnorm_vcov_destroy(v);
    }
    free_model(&with);
    free_model(&without);
}

/* How many directions in a block are not identified by the full Jacobian. */
static ptrdiff_t unidentified_in(const char *block, const bnorm_panel_options *p)
{
    bnorm_vcov_options o;
    ptrdiff_t found = 0;
    bnorm_vcov_defaults(&o);
    o.full = 1;
    model m = make_model("y ~ x + nn(z) | id", p);
    bnorm_vcov *v = vcov_of(&m, &o);
    for (ptrdiff_t k = 0; bnorm_vcov_unidentified(v, k); k++)
        found += !strncmp(bnorm_vcov_unidentified(v, k), block, strlen(block));
    bnorm_vcov_destroy(v);
    free_model(&m);
    return found;
}

/* What a normalisation takes back altogether: at eps = 0 the weight of a single input, and shifts
 * through units that are linear. */
static void taken_back(void **state)
{
    (void)state;
    const ptrdiff_t hidden[] = {3, 2};
    bnorm_panel_options p;
    bnorm_panel_defaults(&p);
    p.hidden = hidden;
    p.layers = 1;
    p.rule.eps = 0;
    assert_int_equal(unidentified_in("nn1.G1", &p), 3);
    p.rule.eps = 1e-2;
    p.layers = 2;
    p.activation = bnorm_activation_find("identity");
    assert_int_equal(unidentified_in("nn1.beta1", &p), 3);
}

/* ------------------------------------------------------------------------------- clusters */

static void clusters_by_name(void **state)
{
    (void)state;
    model m = make_model("y ~ x + log(z) | id + year", NULL);
    bnorm_vcov_options o;
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_CLUSTER;
    double unit = first_variance(&m, &o);
    o.cluster[0] = "id"; /* a factor of the model */
    assert_true(first_variance(&m, &o) == unit);
    o.cluster[0] = "code"; /* another column with the levels of id, in another order */
    assert_ratio(first_variance(&m, &o), unit, 1);
    o.cluster[0] = "g";
    o.cluster[1] = "year";
    bnorm_vcov *v = vcov_of(&m, &o);
    bnorm_vcov_info info;
    assert_ok(m.ctx, bnorm_vcov_describe(v, &info));
    assert_int_equal(info.clusters[0], 3);
    assert_int_equal(info.clusters[1], 9);
    assert_true(info.df == 2);
    assert_string_equal(bnorm_vcov_cluster(v, 0), "g");
    assert_string_equal(bnorm_vcov_cluster(v, 1), "year");
    assert_null(bnorm_vcov_cluster(v, 2));
    bnorm_vcov_destroy(v);
    o.cluster[0] = o.cluster[1] = NULL;
    v = vcov_of(&m, &o);
    assert_string_equal(bnorm_vcov_cluster(v, 0), "id");
    assert_null(bnorm_vcov_cluster(v, 1));
    bnorm_vcov_destroy(v);
    free_model(&m);
}

/* A table of the one column is enough. */
static void one_column(void **state)
{
    (void)state;
    model m = make_model("y ~ x | id", NULL);
    bnorm_table *own = m.table;
    bnorm_vcov_options o;
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_CLUSTER;
    o.cluster[0] = "year";
    double whole = first_variance(&m, &o);
    assert_ok(m.ctx, bnorm_table_create(m.ctx, m.s->rows, &m.table));
    assert_ok(m.ctx, bnorm_table_numbers(m.ctx, m.table, "year", m.s->year));
    assert_true(first_variance(&m, &o) == whole);
    bnorm_table_destroy(m.table);
    m.table = own;
    free_model(&m);
}

/* k counts the terms and: year and the constant (id is nested), nothing, all. */
static void counted_effects(void **state)
{
    (void)state;
    model m = make_model("y ~ x + log(z) | id + year", NULL);
    bnorm_vcov_options o;
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_CLUSTER;
    double n = (double)m.info.rows, g = (double)m.info.units;
    o.small = 0;
    double plain = first_variance(&m, &o);
    o.small = 1;
    o.count = BNORM_COUNT_NESTED;
    assert_ratio(first_variance(&m, &o), plain, g / (g - 1) * (n - 1) / (n - 2 - 9));
    o.count = BNORM_COUNT_NONE;
    assert_ratio(first_variance(&m, &o), plain, g / (g - 1) * (n - 1) / (n - 2));
    o.count = BNORM_COUNT_ALL;
    assert_ratio(first_variance(&m, &o), plain,
                 g / (g - 1) * (n - 1) / (n - 2 - (double)m.info.absorbed));
    free_model(&m);
    m = make_model("y ~ x + log(z) | id", NULL);
    o.small = 0;
    plain = first_variance(&m, &o);
    o.small = 1;
    o.count = BNORM_COUNT_NESTED; /* as Stata's xtreg: the constant */
    assert_ratio(first_variance(&m, &o), plain, g / (g - 1) * (n - 1) / (n - 2 - 1));
    free_model(&m);
    m = make_model("y ~ x + log(z) | id + id[[w]]", NULL); /* slopes are nested, too */
    o.small = 0;
    plain = first_variance(&m, &o);
    o.small = 1;
    assert_ratio(first_variance(&m, &o), plain, g / (g - 1) * (n - 1) / (n - 2 - 1));
    free_model(&m);
}

/* --------------------------------------------------------------------------------- margins */

static void margins_of_terms(void **state)
{
    (void)state;
    model m = make_model("y ~ x + log(z) | id", NULL);
    bnorm_vcov_options o;
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_HC1;
    bnorm_vcov *v = vcov_of(&m, &o);
    double estimate[2], se[2], c[4], at[] = {-1, 2}, effect[2], band[2], x[200], mean = 0;
    const double *theta = bnorm_panel_coefficients(m.panel);
    assert_int_equal(m.info.inputs, 2);
    assert_ok(m.ctx, bnorm_panel_margins(m.ctx, m.panel, v, estimate, se));
    assert_ok(m.ctx, bnorm_vcov_all(v, bnorm_view_f64(c, 2, 2, BNORM_ROW_MAJOR)));
    for (int k = 0; k < 2; k++) {
        assert_true(estimate[k] == theta[k]);
        assert_ratio(se[k], sqrt(c[k * 2 + k]), 1);
    }
    assert_ok(m.ctx, bnorm_panel_values(m.ctx, m.panel, 0, x));
    for (ptrdiff_t i = 0; i < m.info.rows; i++) {
        assert_true(x[i] == m.s->x[bnorm_panel_rows(m.panel)[i]]);
        mean += x[i] / (double)m.info.rows;
    }
    assert_ok(m.ctx, bnorm_panel_profile(m.ctx, m.panel, v, 0, 2, at, effect, band));
    for (int k = 0; k < 2; k++) {
        assert_true(fabs(effect[k] - theta[0] * (at[k] - mean)) < 1e-10);
        assert_true(fabs(band[k] - se[0] * fabs(at[k] - mean)) < 1e-10);
    }
    bnorm_vcov_destroy(v);
    free_model(&m);
}

static bnorm_panel_options network_options(ptrdiff_t units)
{
    static ptrdiff_t hidden[1];
    bnorm_panel_options o;
    bnorm_panel_defaults(&o);
    hidden[0] = units;
    o.hidden = hidden;
    o.layers = 1;
    o.penalty = 1e-3;
    return o;
}

/* The effect of x, both linear and in a network, is the slope of its profile where every row is
 * moved by the same; in the unit of x. */
static void margins_of_networks(void **state)
{
    (void)state;
    bnorm_panel_options po = network_options(2);
    model m = make_model("y ~ x + nn(x, log(z)) | id", &po);
    double estimate[2], se[2], top_se[2], effect[2], band[2], values[200];
    assert_int_equal(m.info.inputs, 2);
    assert_string_equal(bnorm_panel_name(m.panel, BNORM_PANEL_INPUT, 1), "log(z)");
    assert_ok(m.ctx, bnorm_panel_values(m.ctx, m.panel, 1, values));
    for (ptrdiff_t i = 0; i < m.info.rows; i++)
        assert_true(fabs(values[i] - log(m.s->z[bnorm_panel_rows(m.panel)[i]])) < 1e-12);
    bnorm_vcov_options o;
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_CLUSTER;
    bnorm_vcov *top = vcov_of(&m, &o);
    o.full = 1;
    bnorm_vcov *full = vcov_of(&m, &o);
    assert_ok(m.ctx, bnorm_panel_margins(m.ctx, m.panel, top, estimate, top_se));
    assert_ok(m.ctx, bnorm_panel_margins(m.ctx, m.panel, full, estimate, se));
    for (int k = 0; k < 2; k++) assert_true(se[k] > 0 && top_se[k] > 0 && se[k] != top_se[k]);
    /* predictions of all rows, moved: the mean difference quotient */
    double h = 1e-4, moved[2] = {0, 0};
    for (int side = 0; side < 2; side++) {
        const problem *p = &m.panel->problem;
        problem_network net = p->networks[0];
        double center, scale, *px = malloc(sizeof(double) * (size_t)p->rows);
        double *x = malloc(sizeof(double) * (size_t)(2 * p->rows)), by = side ? -h : h;
        double *score = malloc(sizeof(double) * (size_t)p->rows);
        bnorm_frame_scaling(m.panel->networks[0], 0, &center, &scale);
        for (ptrdiff_t i = 0; i < p->rows; i++) {
            px[i] = p->p.data[i] + by;
            x[2 * i] = net.x.data[i * net.x.ld] + by / scale;
            x[2 * i + 1] = net.x.data[i * net.x.ld + 1];
        }
        net.x = bnorm_view_f64(x, p->rows, 2, BNORM_ROW_MAJOR);
        bnorm_mat_f64 v = bnorm_view_f64(score, p->rows, 1, BNORM_ROW_MAJOR);
        double out[2];
        for (ptrdiff_t i = 0; i < p->rows; i++) {
            assert_ok(m.ctx, bnorm_net_predict(m.ctx, net.net,
                                               bnorm_view_f64(x + 2 * i, 1, 2, BNORM_ROW_MAJOR),
                                               bnorm_view_f64(out, 1, 2, BNORM_ROW_MAJOR)));
            v.data[i] = p->theta[0] * px[i] + out[0] * net.top[0] + out[1] * net.top[1];
            moved[side] += v.data[i] / (double)p->rows;
        }
        free(px), free(x), free(score);
    }
    assert_true(fabs((moved[0] - moved[1]) / (2 * h) - estimate[0]) < 1e-6);
    const double at[] = {0, 0.3};
    assert_ok(m.ctx, bnorm_panel_profile(m.ctx, m.panel, full, 1, 2, at, effect, band));
    assert_true(band[0] > 0 && band[1] > 0);
    /* the length of each column of G1 is not identified, and named */
    bnorm_vcov_info info;
    assert_ok(m.ctx, bnorm_vcov_describe(full, &info));
    assert_int_equal(info.parameters, 1 + 2 + m.info.hidden);
    assert_int_equal(info.unidentified, 2);
    assert_true(info.edf < (double)info.rank && info.edf > 1);
    assert_string_equal(bnorm_vcov_unidentified(full, 0), "nn1.G1: direction of column 1");
    assert_string_equal(bnorm_vcov_unidentified(full, 1), "nn1.G1: direction of column 2");
    assert_null(bnorm_vcov_unidentified(full, 2));
    double *all = malloc(sizeof(double) * (size_t)(info.parameters * info.parameters));
    assert_ok(m.ctx, bnorm_vcov_all(full, bnorm_view_f64(all, info.parameters, info.parameters,
                                                         BNORM_ROW_MAJOR)));
    assert_true(all[0] > 0 && isnan(all[3 * info.parameters + 3])); /* theta; an entry of G1 */
    free(all);
    bnorm_vcov_destroy(top);
    bnorm_vcov_destroy(full);
    free_model(&m);
}

/* Its columns are those of the covariance, projected: orthogonal to the units. */
static void design(void **state)
{
    (void)state;
    bnorm_panel_options po = network_options(3);
    model m = make_model("y ~ x + nn(z, w) | id", &po);
    for (int full = 0; full < 2; full++) {
        ptrdiff_t cols = 1 + 3 + (full ? m.info.hidden : 0);
        double *d = malloc(sizeof(double) * (size_t)(m.info.rows * cols)), sums[12];
        assert_ok(m.ctx,
                  bnorm_panel_design(m.ctx, m.panel, full,
                                     bnorm_view_f64(d, m.info.rows, cols, BNORM_COL_MAJOR)));
        for (ptrdiff_t c = 0; c < cols; c++) {
            memset(sums, 0, sizeof sums);
            for (ptrdiff_t i = 0; i < m.info.rows; i++)
                sums[m.s->id[bnorm_panel_rows(m.panel)[i]]] += d[c * m.info.rows + i];
            for (int u = 0; u < 12; u++) assert_true(fabs(sums[u]) < 1e-10);
        }
        bnorm_mat_f64 wrong = bnorm_view_f64(d, m.info.rows, cols - 1, BNORM_ROW_MAJOR);
        assert_fails(m.ctx, bnorm_panel_design(m.ctx, m.panel, full, wrong), BNORM_E_ARGUMENT,
                     "should be");
        free(d);
    }
    free_model(&m);
}

/* ---------------------------------------------------------------------------- predictions */

/* Of rows in use, one constant factor: the variance of the fitted value in lm() with dummies, which
 * is s^2 x'(X'X)^-1 x = s^2 (leverage of the projected row + 1/n_u). */
static void errors_of_predictions(void **state)
{
    (void)state;
    model m = make_model("y ~ x + log(z) | id", NULL);
    const problem *p = &m.panel->problem;
    bnorm_vcov *v = vcov_of(&m, NULL);
    bnorm_vcov_info info;
    assert_ok(m.ctx, bnorm_vcov_describe(v, &info));
    double *d = malloc(sizeof(double) * (size_t)(2 * p->rows)), c[4];
    double *se = malloc(sizeof(double) * (size_t)p->rows);
    assert_ok(m.ctx, bnorm_panel_design(m.ctx, m.panel, 0,
                                        bnorm_view_f64(d, p->rows, 2, BNORM_ROW_MAJOR)));
    assert_ok(m.ctx, bnorm_vcov_all(v, bnorm_view_f64(c, 2, 2, BNORM_ROW_MAJOR)));
    const int32_t *codes[] = {m.panel->codes[0]};
    panel_places places = {.count = p->rows, .p = p->p, .codes = codes};
    assert_ok(m.ctx, bnorm_vcov_errors(m.ctx, m.panel, v, &places, se));
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        double count = 0, *r = d + 2 * i;
        for (ptrdiff_t k = 0; k < p->rows; k++) count += codes[0][k] == codes[0][i];
        double variance = c[0] * r[0] * r[0] + 2 * c[1] * r[0] * r[1] + c[3] * r[1] * r[1];
        assert_ratio(se[i], sqrt(variance + info.sigma * info.sigma / count), 1);
    }
    /* A new level has the mean effect: at the mean of P its error is that of the mean of y. */
    int32_t absent = -1;
    const int32_t *none[] = {&absent};
    double mean[2] = {0, 0};
    for (ptrdiff_t i = 0; i < p->rows; i++)
        for (int k = 0; k < 2; k++) mean[k] += p->p.data[2 * i + k] / (double)p->rows;
    places =
        (panel_places){1, bnorm_view_f64(mean, 1, 2, BNORM_ROW_MAJOR), NULL, none, NULL, NULL};
    assert_ok(m.ctx, bnorm_vcov_errors(m.ctx, m.panel, v, &places, se));
    assert_ratio(se[0], info.sigma / sqrt((double)p->rows), 1);
    bnorm_table *strange = small_table(m.ctx, m.s, NULL, "new"); /* units unseen in training */
    const ptrdiff_t rows[] = {0, 3};
    double got[2], error[2];
    assert_ok(m.ctx, bnorm_panel_predict(m.ctx, m.panel, v, strange, rows, 2, BNORM_NEW_ZERO,
                                         got, error));
    assert_true(error[0] > info.sigma / sqrt((double)p->rows) && isfinite(error[1]));
    assert_ok(m.ctx, bnorm_panel_predict(m.ctx, m.panel, v, strange, rows, 2, BNORM_NEW_NAN,
                                         got, error));
    assert_true(isnan(got[0]) && isnan(error[0]));
    bnorm_table_destroy(strange);
    free(d);
    free(se);
    bnorm_vcov_destroy(v);
    free_model(&m);
}

/* Of rows in use the error is that of the projected design's row, also with two effects. */
static void errors_by_the_full_jacobian(void **state)
{
    (void)state;
    bnorm_panel_options po = network_options(2);
    po.batchnorm =
        0; /* then the penalty keeps units from steps, whose Jacobian is nearly singular */
    po.penalty = 0.01;
    model m = make_model("y ~ x + nn(z, w) | id + year", &po);
    const problem *p = &m.panel->problem;
    bnorm_vcov_options o;
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_HC0;
    double *se[2];
    for (o.full = 0; o.full < 2; o.full++) {
        bnorm_vcov *v = vcov_of(&m, &o);
        bnorm_vcov_info info;
        assert_ok(m.ctx, bnorm_vcov_describe(v, &info));
        const int32_t *codes[] = {m.panel->codes[0], m.panel->codes[1]};
        panel_places places = {
            .count = p->rows, .p = p->p, .x = &p->networks[0].x, .codes = codes};
        se[o.full] = malloc(sizeof(double) * (size_t)p->rows);
        assert_ok(m.ctx, bnorm_vcov_errors(m.ctx, m.panel, v, &places, se[o.full]));
        double *mean = malloc(sizeof(double) * (size_t)p->rows),
               *public = malloc(sizeof(double) * (size_t)p->rows);
        assert_ok(m.ctx,
                  bnorm_panel_predict(m.ctx, m.panel, v, m.table, bnorm_panel_rows(m.panel),
                                      p->rows, BNORM_NEW_ERROR, mean, public));
        for (ptrdiff_t i = 0; i < p->rows; i++)
            assert_true(fabs(public[i] / se[o.full][i] - 1) < 1e-10);
        free(mean), free(public);
        /* of rows in use the gradient is the projected design's row */
        double *d = malloc(sizeof(double) * (size_t)(p->rows * info.parameters));
        assert_ok(m.ctx, bnorm_panel_design(
                             m.ctx, m.panel, o.full,
                             bnorm_view_f64(d, p->rows, info.parameters, BNORM_ROW_MAJOR)));
        /* a quadratic form in the inverse of J'J */
        double condition = v->c.values[0] / v->c.values[v->c.rank - 1];
        for (ptrdiff_t i = 0; i < p->rows; i++) {
            double error = bnorm_covariance_error(&v->c, d + i * info.parameters);
            assert_true(fabs(error / se[o.full][i] - 1) <
                        1e-15 * condition * condition + 1e-13);
        }
        free(d);
        bnorm_vcov_destroy(v);
    }
    assert_true(se[0][0] != se[1][0]);
    free(se[0]), free(se[1]);
    free_model(&m);
}

static void logistic(void **state)
{
    (void)state;
    bnorm_panel_options po;
    bnorm_panel_defaults(&po);
    po.loss = "logistic";
    model m = make_model("p ~ z + x", &po);
    bnorm_vcov *v = vcov_of(&m, NULL);
    bnorm_vcov_info info;
    assert_ok(m.ctx, bnorm_vcov_describe(v, &info));
    assert_true(info.sigma == 1 && info.parameters == 3);
    double estimate[2], se[2], shares = 0,
                               *fitted = malloc(sizeof(double) * (size_t)m.info.rows);
    assert_int_equal(m.info.inputs, 2);
    assert_ok(m.ctx, bnorm_panel_margins(m.ctx, m.panel, v, estimate, se));
    assert_ok(m.ctx, bnorm_panel_residuals(m.ctx, m.panel, fitted, NULL));
    double hessian[9] = {0};
    for (ptrdiff_t i = 0; i < m.info.rows; i++) {
        const double slope = fitted[i] * (1 - fitted[i]), *row = m.panel->p + 3 * i;
        shares += slope / (double)m.info.rows;
        for (int k = 0; k < 9; k++) hessian[k] += slope * row[k / 3] * row[k % 3];
    }
    const double *theta = bnorm_panel_coefficients(m.panel);
    double p0, error, c[9], g[3] = {1, m.s->z[4], m.s->x[4]}, variance = 0;
    const ptrdiff_t row = 4; /* se = p(1-p) sqrt(x'Cx) */
    assert_ok(m.ctx, bnorm_panel_predict(m.ctx, m.panel, v, m.table, &row, 1, BNORM_NEW_ERROR,
                                         &p0, &error));
    assert_ok(m.ctx, bnorm_vcov_all(v, bnorm_view_f64(c, 3, 3, BNORM_ROW_MAJOR)));
    for (int k = 0; k < 9; k++) {
        double sum = 0; /* classical: the inverse of the Hessian */
        for (int r = 0; r < 3; r++) sum += c[k / 3 * 3 + r] * hessian[r * 3 + k % 3];
        assert_true(fabs(sum - (k / 3 == k % 3)) < 1e-9);
        variance += c[k] * g[k / 3] * g[k % 3];
    }
    assert_ratio(error, p0 * (1 - p0) * sqrt(variance), 1);
    for (int k = 0; k < 2; k++) {
        assert_true(fabs(estimate[k] - theta[1 + k] * shares) < 1e-12);
        assert_true(se[k] > 0);
    }
    free(fitted);
    bnorm_vcov_destroy(v);
    free_model(&m);
}

/* --------------------------------------------------------------------------------- errors */

static bnorm_status once(bnorm_ctx *ctx, void *argument)
{
    model *m = argument;
    bnorm_vcov_options o;
    bnorm_vcov *v;
    double estimate[8], se[8];
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_CLUSTER;
    o.cluster[0] = "g";
    o.cluster[1] = "code";
    o.full = 1;
    bnorm_status status = bnorm_vcov_create(ctx, m->panel, m->table, &o, &v);
    if (status != BNORM_OK) assert_null(v);
    if (status == BNORM_OK) status = bnorm_panel_margins(ctx, m->panel, v, estimate, se);
    if (status == BNORM_OK) {
        const int32_t *codes[] = {m->panel->codes[0], m->panel->codes[1]};
        panel_places places = {
            .count = 3, .p = m->panel->problem.p, .x = &m->panel->nets[0].x, .codes = codes};
        places.p.rows = 3;
        bnorm_mat_f64 x = m->panel->nets[0].x;
        x.rows = 3;
        places.x = &x;
        status = bnorm_vcov_errors(ctx, m->panel, v, &places, se);
    }
    bnorm_vcov_destroy(v);
    return status;
}

static void failing_memory_everywhere(void **state)
{
    (void)state;
    bnorm_panel_options po = network_options(2);
    model m = make_model("y ~ x + nn(z, w) | id + year", &po);
    assert_ok(m.ctx, once(m.ctx, &m)); /* networks keep memory */
    fail_each_allocation(once, &m);
    free_model(&m);
}

static void refusals(void **state)
{
    (void)state;
    model m = make_model("y ~ x", NULL);
    bnorm_vcov_options o;
    bnorm_vcov *v;
    double one[4], *ones = calloc((size_t)m.s->rows, sizeof *ones);
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_CLUSTER;
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, m.table, &o, &v), BNORM_E_ARGUMENT,
                 "no unit");
    o.cluster[0] = "yeer";
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, m.table, &o, &v), BNORM_E_DATA,
                 "year");
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, NULL, &o, &v), BNORM_E_ARGUMENT,
                 "give its table");
    assert_ok(m.ctx, bnorm_table_numbers(m.ctx, m.table, "same", ones));
    o.cluster[0] = "same";
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, m.table, &o, &v), BNORM_E_DATA,
                 "'same' has one level");
    ones[4] = NAN;
    ones[5] = 1;
    assert_ok(m.ctx, bnorm_table_numbers(m.ctx, m.table, "holes", ones));
    o.cluster[0] = "holes";
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, m.table, &o, &v), BNORM_E_DATA,
                 "row 5");
    assert_null(v);
    bnorm_table *other;
    assert_ok(m.ctx, bnorm_table_create(m.ctx, 3, &other));
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, other, &o, &v), BNORM_E_ARGUMENT,
                 "3 rows");
    o.type = (bnorm_vcov_type)9;
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, m.table, &o, &v), BNORM_E_ARGUMENT,
                 "out of range");
    assert_ok(m.ctx, bnorm_vcov_create(m.ctx, m.panel, NULL, NULL, &v));
    assert_int_equal(bnorm_vcov_linear(v, bnorm_view_f64(one, 1, 1, BNORM_ROW_MAJOR)),
                     BNORM_E_ARGUMENT);
    assert_fails(m.ctx, bnorm_panel_margins(m.ctx, m.panel, NULL, one, one), BNORM_E_ARGUMENT,
                 "without vcov");
    assert_fails(m.ctx, bnorm_panel_profile(m.ctx, m.panel, v, 1, 0, NULL, NULL, NULL),
                 BNORM_E_ARGUMENT, "no variable 1");
    model another = make_model("y ~ x | id", NULL);
    assert_fails(m.ctx, bnorm_panel_margins(m.ctx, another.panel, v, one, one),
                 BNORM_E_ARGUMENT, "another model");
    free_model(&another);
    bnorm_panel *raw;
    assert_ok(m.ctx, bnorm_panel_create(m.ctx, "y ~ x | id", m.table, NULL, NULL, &raw));
    assert_fails(m.ctx, bnorm_panel_margins(m.ctx, raw, NULL, one, NULL), BNORM_E_ARGUMENT,
                 "not fitted");
    bnorm_panel_destroy(raw);
    bnorm_vcov_destroy(v);
    bnorm_vcov_destroy(NULL);
    bnorm_table_destroy(other);
    free(ones);
    free_model(&m);
}

/* The mean of a bag has effects, those of its members on average, but no covariance of this kind. */
static void bags(void **state)
{
    (void)state;
    bnorm_panel_options po = network_options(2);
    model m = make_model("y ~ x + nn(z, w) | id", &po);
    bnorm_panel_fit_options fo;
    bnorm_panel_fit_defaults(&fo);
    fo.bags = 3;
    fo.fit.epochs = 30;
    assert_ok(m.ctx, bnorm_panel_fit(m.ctx, m.panel, &fo, NULL));
    bnorm_vcov *v;
    assert_fails(m.ctx, bnorm_vcov_create(m.ctx, m.panel, m.table, NULL, &v), BNORM_E_ARGUMENT,
                 "bag");
    double estimate[3], at[2] = {0.5, 0.5 + 1e-5}, effect[2], values[200], mean = 0, h = 1e-5;
    assert_ok(m.ctx, bnorm_panel_margins(m.ctx, m.panel, NULL, estimate, NULL));
    assert_true(estimate[2] == bnorm_panel_coefficients(m.panel)[0]);
    assert_ok(m.ctx, bnorm_panel_profile(m.ctx, m.panel, NULL, 0, 2, at, effect, NULL));
    assert_ok(m.ctx, bnorm_panel_values(m.ctx, m.panel, 0, values));
    /* the slope of all rows at 0.5, by the members one by one */
    const problem *p = &m.panel->problem;
    double center, scale;
    bnorm_frame_scaling(m.panel->networks[0], 0, &center, &scale);
    for (ptrdiff_t k = 0; k < p->network_count; k++)
        for (ptrdiff_t i = 0; i < p->rows; i++)
            for (int side = 0; side < 2; side++) {
                double x[2] = {(at[side] - center) / scale, p->networks[k].x.data[2 * i + 1]},
                       v2[2];
                assert_ok(m.ctx, bnorm_net_predict(m.ctx, p->networks[k].net,
                                                   bnorm_view_f64(x, 1, 2, BNORM_ROW_MAJOR),
                                                   bnorm_view_f64(v2, 1, 2, BNORM_ROW_MAJOR)));
                double score = v2[0] * p->networks[k].top[0] + v2[1] * p->networks[k].top[1];
                mean += (side ? score : -score) / (h * (double)p->rows);
            }
    assert_int_equal(p->network_count, 3);
    assert_true(fabs((effect[1] - effect[0]) / h - mean) < 1e-6);
    free_model(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explained_networks),
        cmocka_unit_test(taken_back),
        cmocka_unit_test(clusters_by_name),
        cmocka_unit_test(one_column),
        cmocka_unit_test(counted_effects),
        cmocka_unit_test(margins_of_terms),
        cmocka_unit_test(margins_of_networks),
        cmocka_unit_test(design),
        cmocka_unit_test(errors_of_predictions),
        cmocka_unit_test(errors_by_the_full_jacobian),
        cmocka_unit_test(logistic),
        cmocka_unit_test(bags),
        cmocka_unit_test(failing_memory_everywhere),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
