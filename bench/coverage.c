/* bench_coverage [REPLICATIONS [UNITS [SEED]]]: how often the 95 % intervals of structured models
 * contain the truth. Panels of UNITS x PERIODS rows are drawn again and again,
 *
 *   y_it = alpha_i + p1_it - 0.5 p2_it + f(z_it) + (0.5 + 0.5 |p2_it|) e_it,
 *
 * where alpha_i, p1 and z depend on one another, and p1, z and e are autoregressive within a unit:
 * the errors are of unequal variance and correlated in a cluster. f is a line, fitted as one, or a
 * curve, fitted by a small network, with a penalty or with batch normalisation. For theta and for
 * the average marginal effect of z, (1/n) sum f'(z), a row of the table says in how many samples
 * |estimate - truth| <= t se, and in brackets the median se over the spread of the estimates
 * (interquartile range / 1.349, the standard deviation of a normal distribution); further, their
 * median error in such spreads. Sees bnorm.h only. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bnorm.h"

enum { PERIODS = 10, TARGETS = 3, VARIANTS = 6 };

typedef struct design {
    const char *title, *formula;
    int network, batchnorm;
    double penalty; /* of the hidden weights */
    double (*f)(double z), (*slope)(double z);
} design;

typedef struct panel {
    ptrdiff_t units, rows;
    double *unit, *y, *p1, *p2, *z;
    double truth[TARGETS]; /* of p1, of p2, the marginal effect of z */
} panel;

/* What comes of the samples, for one target and one covariance. */
typedef struct tally {
    long samples, covered, known; /* known: with a finite se */
    double *error, *se;           /* samples; known */
} tally;

typedef struct variant {
    const char *name;
    bnorm_vcov_type type;
    int full;
} variant;

static const variant variants[VARIANTS] = {
    {"classical", BNORM_VCOV_CLASSICAL, 0},
    {"HC1", BNORM_VCOV_HC1, 0},
    {"clustered", BNORM_VCOV_CLUSTER, 0},
    {"classical", BNORM_VCOV_CLASSICAL, 1},
    {"HC1", BNORM_VCOV_HC1, 1},
    {"clustered", BNORM_VCOV_CLUSTER, 1},
};

static double line(double z)
{
    return 0.8 * z;
}

static double line_slope(double z)
{
    (void)z;
    return 0.8;
}

static double curve(double z)
{
    return sin(2 * z) + 0.5 * z;
}

static double curve_slope(double z)
{
    return 2 * cos(2 * z) + 0.5;
}

static const design designs[] = {
    {"A line, no network", "y ~ p1 + p2 + z | id", 0, 0, 0, line, line_slope},
    {"A curve, nn(z): 4 units, penalty 1e-3, no normalisation", "y ~ p1 + p2 + nn(z) | id", 1,
     0, 1e-3, curve, curve_slope},
    {"A curve, nn(z): 4 units, batch normalisation, no penalty but that of G2",
     "y ~ p1 + p2 + nn(z) | id", 1, 1, 0, curve, curve_slope},
};

static void stop(const bnorm_ctx *ctx, const char *what)
{
    fprintf(stderr, "coverage: %s: %s\n", what, bnorm_ctx_message(ctx));
    exit(1);
}

/* ------------------------------------------------------------------------------------ data */

/* Standard normal, within a unit autoregressive with coefficient rho. */
static void draw(uint64_t seed, uint64_t stream, double rho, ptrdiff_t rows, double *to)
{
    bnorm_random_normal(seed, stream, 0, rows, to);
    for (ptrdiff_t i = 0; i < rows; i++)
        if (i % PERIODS > 0) to[i] = rho * to[i - 1] + sqrt(1 - rho * rho) * to[i];
}

static panel make_panel(ptrdiff_t units)
{
    panel p = {.units = units, .rows = units * PERIODS};
    p.unit = malloc((size_t)(5 * p.rows) * sizeof *p.unit);
    if (!p.unit) exit(1);
    p.y = p.unit + p.rows;
    p.p1 = p.y + p.rows;
    p.p2 = p.p1 + p.rows;
    p.z = p.p2 + p.rows;
    return p;
}

static void fill_panel(panel *p, const design *d, uint64_t seed)
{
    double *alpha = malloc((size_t)p->units * sizeof *alpha), slope = 0;
    if (!alpha) exit(1);
    bnorm_random_normal(seed, 0, 0, p->units, alpha);
    draw(seed, 1, 0.7, p->rows, p->p1);
    draw(seed, 2, 0, p->rows, p->p2);
    draw(seed, 3, 0.7, p->rows, p->z);
    draw(seed, 4, 0.7, p->rows, p->y); /* e */
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        p->unit[i] = (double)(i / PERIODS);
        p->p1[i] += 0.5 * alpha[i / PERIODS];
        p->z[i] = 0.9 * p->z[i] + 0.3 * p->p1[i];
        p->y[i] = alpha[i / PERIODS] + p->p1[i] - 0.5 * p->p2[i] + d->f(p->z[i]) +
                  (0.5 + 0.5 * fabs(p->p2[i])) * p->y[i];
        slope += d->slope(p->z[i]);
    }
    p->truth[0] = 1;
    p->truth[1] = -0.5;
    p->truth[2] = slope / (double)p->rows;
    free(alpha);
}

static bnorm_table *make_table(bnorm_ctx *ctx, const panel *p)
{
    const char *names[] = {"id", "y", "p1", "p2", "z"};
    bnorm_table *table;
    if (bnorm_table_create(ctx, p->rows, &table) != BNORM_OK) stop(ctx, "table");
    for (int k = 0; k < 5; k++)
        if (bnorm_table_numbers(ctx, table, names[k], p->unit + k * p->rows) != BNORM_OK)
            stop(ctx, names[k]);
    return table;
}

/* ------------------------------------------------------------------------------------- fit */

static bnorm_panel *fit(bnorm_ctx *ctx, const design *d, const bnorm_table *table,
                        uint64_t seed)
{
    static const ptrdiff_t hidden[] = {4};
    bnorm_panel_options options;
    bnorm_panel_defaults(&options);
    options.hidden = hidden;
    options.layers = 1;
    options.batchnorm = d->batchnorm;
    options.penalty = d->penalty;
    options.seed = seed;
    bnorm_panel_fit_options fit_options;
    bnorm_panel_fit_defaults(&fit_options);
    fit_options.starts = 3;
    bnorm_panel *model;
    if (bnorm_panel_create(ctx, d->formula, table, NULL, &options, &model) != BNORM_OK)
        stop(ctx, "model");
    if (bnorm_panel_fit(ctx, model, &fit_options, NULL) != BNORM_OK) stop(ctx, "fit");
    return model;
}

/* The 97.5 % quantile of t by Fisher's expansion: to 1e-5 from 20 degrees of freedom on. */
static double quantile(double df)
{
    const double u = 1.959963984540054, s = u * u;
    return u + u * (s + 1) / (4 * df) + u * ((5 * s + 16) * s + 3) / (96 * df * df) +
           u * (((3 * s + 19) * s + 17) * s - 15) / (384 * df * df * df);
}

static ptrdiff_t input_named(const bnorm_panel *model, const char *name)
{
    for (ptrdiff_t k = 0; bnorm_panel_name(model, BNORM_PANEL_INPUT, k); k++)
        if (strcmp(bnorm_panel_name(model, BNORM_PANEL_INPUT, k), name) == 0) return k;
    return -1;
}

/* Marginal effects of all variables hold the coefficients, too: of p1, p2 and z, with their se. */
static double measure(bnorm_ctx *ctx, bnorm_panel *model, const bnorm_table *table,
                      const variant *v, double *estimate, double *se)
{
    static const char *const names[TARGETS] = {"p1", "p2", "z"};
    double all[TARGETS], all_se[TARGETS];
    bnorm_vcov_options options;
    bnorm_vcov_defaults(&options);
    options.type = v->type;
    options.full = v->full;
    bnorm_vcov *vcov;
    bnorm_vcov_info info = {.struct_size = sizeof info};
    if (bnorm_vcov_create(ctx, model, table, &options, &vcov) != BNORM_OK ||
        bnorm_vcov_describe(vcov, &info) != BNORM_OK ||
        bnorm_panel_margins(ctx, model, vcov, all, all_se) != BNORM_OK)
        stop(ctx, v->name);
    bnorm_vcov_destroy(vcov);
    for (int k = 0; k < TARGETS; k++) {
        ptrdiff_t at = input_named(model, names[k]);
        estimate[k] = all[at];
        se[k] = all_se[at];
    }
    return quantile(info.df);
}

static void count(tally *t, double error, double se, double width)
{
    t->error[t->samples++] = error;
    if (!isfinite(se)) return;
    t->se[t->known++] = se;
    t->covered += fabs(error) <= width * se;
}

static void replicate(bnorm_ctx *ctx, const design *d, panel *p, uint64_t seed,
                      tally tallies[VARIANTS][TARGETS])
{
    fill_panel(p, d, seed);
    bnorm_table *table = make_table(ctx, p);
    bnorm_panel *model = fit(ctx, d, table, seed);
    for (int v = 0; v < VARIANTS; v++) {
        double estimate[TARGETS], se[TARGETS];
        if (variants[v].full && !d->network) continue;
        double width = measure(ctx, model, table, &variants[v], estimate, se);
        for (int k = 0; k < TARGETS; k++)
            count(&tallies[v][k], estimate[k] - p->truth[k], se[k], width);
    }
    bnorm_panel_destroy(model);
    bnorm_table_destroy(table);
}

/* ----------------------------------------------------------------------------------- report */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts. */
static double quantile_of(double *values, long count, double share)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[(long)(share * (double)(count - 1) + 0.5)];
}

static double spread(const tally *t)
{
    return (quantile_of(t->error, t->samples, 0.75) - quantile_of(t->error, t->samples, 0.25)) /
           1.349;
}

static void print_row(const variant *v, const tally *t)
{
    printf("| %s | %s |", v->full ? "full" : "top layer", v->name);
    for (int k = 0; k < TARGETS; k++) {
        printf(" %.1f %% (%.2f)", 100 * (double)t[k].covered / (double)t[k].known,
               quantile_of(t[k].se, t[k].known, 0.5) / spread(&t[k]));
        if (t[k].known < t[k].samples) printf(", %ld without", t[k].samples - t[k].known);
        printf(" |");
    }
    putchar('\n');
}

static void open_tallies(tally tallies[VARIANTS][TARGETS], long replications)
{
    size_t cells = (size_t)(2 * VARIANTS * TARGETS) * (size_t)replications;
    double *next = malloc(cells * sizeof *next);
    if (!next) exit(1);
    for (int v = 0; v < VARIANTS; v++)
        for (int k = 0; k < TARGETS; k++, next += 2 * replications)
            tallies[v][k] = (tally){0, 0, 0, next, next + replications};
}

static void run(bnorm_ctx *ctx, const design *d, long replications, panel *p, uint64_t seed)
{
    tally tallies[VARIANTS][TARGETS];
    open_tallies(tallies, replications);
    for (long r = 0; r < replications; r++) replicate(ctx, d, p, seed + (uint64_t)r, tallies);
    printf("%s; %td units x %d periods, %ld samples:\n\n", d->title, p->units, PERIODS,
           replications);
    printf("| Jacobian | covariance | theta of p1 | theta of p2 | effect of z |\n"
           "|---|---|---|---|---|\n");
    for (int v = 0; v < VARIANTS; v++)
        if (tallies[v][0].samples > 0) print_row(&variants[v], tallies[v]);
    printf("| median error | / spread |");
    for (int k = 0; k < TARGETS; k++) {
        const tally *t = &tallies[0][k];
        printf(" %.2f |", quantile_of(t->error, t->samples, 0.5) / spread(t));
    }
    printf("\n\n");
    free(tallies[0][0].error);
    fflush(stdout);
}

int main(int count, char **words)
{
    long replications = count > 1 ? atol(words[1]) : 1000;
    ptrdiff_t units = count > 2 ? (ptrdiff_t)atol(words[2]) : 100;
    uint64_t seed = count > 3 ? (uint64_t)atol(words[3]) : 1;
    bnorm_ctx *ctx;
    if (replications < 2 || units < 21) {
        fprintf(stderr,
                "bench_coverage [REPLICATIONS [UNITS [SEED]]]: 2 or more, 21 or more\n");
        return 2;
    }
    if (bnorm_ctx_create(NULL, &ctx) != BNORM_OK) return 1;
    panel p = make_panel(units);
    for (size_t k = 0; k < sizeof designs / sizeof *designs; k++)
        run(ctx, &designs[k], replications, &p, seed);
    free(p.unit);
    bnorm_ctx_destroy(ctx);
    return 0;
}
