/* test_panel_golden: fixed-effects models of real panels are what plm, sandwich and lm() of R give,
 * to 1e-10: panel_golden.R says what each figure is. The argument is the repository's root. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel_golden.h"

#define GOLDEN (sizeof panel_golden / sizeof *panel_golden)
#define WIDEST 16

static const char *root;

/* ------------------------------------------------------------------------------- tables */

/* A file without quotes, its cells cut apart in place: cell[i * cols + j] of row i, 0 the names. */
typedef struct cells {
    char *text;
    const char **cell;
    ptrdiff_t rows, cols;
} cells;

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    text[size] = '\0';
    fclose(file);
    return text;
}

static cells read_cells(const char *path)
{
    cells c = {.text = read_whole(path)};
    ptrdiff_t lines = 0, count = 0;
    for (const char *s = c.text; *s; s++) lines += *s == '\n';
    c.cell = malloc((size_t)(lines + 1) * WIDEST * sizeof *c.cell);
    assert_non_null(c.cell);
    for (char *s = c.text; *s;) {
        size_t length = strcspn(s, ",\n");
        int ends = s[length] == '\n';
        c.cell[count++] = s;
        s[length] = '\0';
        s += length + 1;
        if (ends && !c.cols) c.cols = count;
    }
    c.rows = count / c.cols - 1;
    assert_true(c.cols <= WIDEST && c.rows == lines - 1);
    return c;
}

static bnorm_table *read_table(bnorm_ctx *ctx, const char *name)
{
    char path[512];
    bnorm_table *table;
    const char *folder = strcmp(name, "produc") ? "tests/panel" : "examples";
    snprintf(path, sizeof path, "%s/%s/%s.csv", root, folder, name);
    cells c = read_cells(path);
    const char **column = malloc((size_t)c.rows * sizeof *column);
    assert_non_null(column);
    assert_ok(ctx, bnorm_table_create(ctx, c.rows, &table));
    for (ptrdiff_t j = 0; j < c.cols; j++) {
        for (ptrdiff_t i = 0; i < c.rows; i++) column[i] = c.cell[(i + 1) * c.cols + j];
        assert_ok(ctx, bnorm_table_text(ctx, table, c.cell[j], column));
    }
    free(column);
    free(c.cell);
    free(c.text);
    return table;
}

/* ---------------------------------------------------------------------------- comparing */

static void near(double got, double expected, double size, const char *what, size_t k)
{
    if (fabs(got - expected) <= 1e-10 * size) return;
    fail_msg("%s | %s: %s is %.17g, not %.17g", panel_golden[k].data, panel_golden[k].formula,
             what, got, expected);
}

/* Elements of a covariance to 1e-10 of the product of the standard errors. */
static void same_covariance(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_table *table,
                            const bnorm_vcov_options *o, const double *expected,
                            const char *what, size_t k)
{
    bnorm_vcov *vcov;
    double got[25];
    ptrdiff_t n = panel_golden[k].terms;
    assert_ok(ctx, bnorm_vcov_create(ctx, panel, table, o, &vcov));
    assert_ok(ctx, bnorm_vcov_linear(vcov, bnorm_view_f64(got, n, n, BNORM_ROW_MAJOR)));
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < n; j++)
            near(got[i * n + j], expected[i * n + j],
                 sqrt(expected[i * n + i] * expected[j * n + j]), what, k);
    bnorm_vcov_destroy(vcov);
}

static void same_covariances(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_table *table,
                             size_t k)
{
    const struct panel_golden *g = panel_golden + k;
    const struct {
        const char *what;
        bnorm_vcov_type type;
        int small, ways;
        bnorm_vcov_count count;
        const double *expected;
    } all[] = {
        {"classical", BNORM_VCOV_CLASSICAL, 1, 0, BNORM_COUNT_NESTED, g->classical},
        {"hc0", BNORM_VCOV_HC0, 0, 0, BNORM_COUNT_NESTED, g->hc0},
        {"hc1", BNORM_VCOV_HC1, 1, 0, BNORM_COUNT_NESTED, g->hc1},
        {"arellano", BNORM_VCOV_CLUSTER, 0, 0, BNORM_COUNT_NESTED, g->arellano},
        {"stata", BNORM_VCOV_CLUSTER, 1, 0, BNORM_COUNT_NONE, g->stata},
        {"cluster", BNORM_VCOV_CLUSTER, 1, 1, BNORM_COUNT_ALL, g->cluster},
        {"two", BNORM_VCOV_CLUSTER, 1, 2, BNORM_COUNT_ALL, g->two},
        {"two_plain", BNORM_VCOV_CLUSTER, 0, 2, BNORM_COUNT_ALL, g->two_plain},
    };
    for (size_t c = 0; c < sizeof all / sizeof *all; c++) {
        bnorm_vcov_options o;
        bnorm_vcov_defaults(&o);
        o.type = all[c].type;
        o.small = all[c].small;
        o.count = all[c].count;
        if (all[c].ways > 0) o.cluster[0] = g->unit;
        if (all[c].ways > 1) o.cluster[1] = g->period;
        same_covariance(ctx, panel, table, &o, all[c].expected, all[c].what, k);
    }
}

static void same_terms(const bnorm_panel *panel, size_t k)
{
    const struct panel_golden *g = panel_golden + k;
    const char *name = g->names;
    const double *theta = bnorm_panel_coefficients(panel);
    for (ptrdiff_t j = 0; j < g->terms; j++) {
        size_t length = strcspn(name, ";");
        const char *got = bnorm_panel_name(panel, BNORM_PANEL_LINEAR, j);
        assert_non_null(got);
        assert_true(strlen(got) == length && !strncmp(got, name, length));
        near(theta[j], g->coefficients[j], fabs(g->coefficients[j]), got, k);
        name += length + (name[length] == ';');
    }
    assert_null(bnorm_panel_name(panel, BNORM_PANEL_LINEAR, g->terms));
}

static double *read_weights(bnorm_ctx *ctx, const bnorm_table *table, const char *name)
{
    if (!name) return NULL;
    double *w = malloc((size_t)bnorm_table_rows(table) * sizeof *w);
    assert_non_null(w);
    assert_ok(ctx, bnorm_table_values(ctx, table, name, w));
    return w;
}

static void same_model(bnorm_ctx *ctx, size_t k)
{
    const struct panel_golden *g = panel_golden + k;
    bnorm_panel *panel;
    bnorm_panel_options o;
    bnorm_panel_fit_options f;
    bnorm_panel_info info = {.struct_size = sizeof info};
    bnorm_panel_defaults(&o);
    bnorm_panel_fit_defaults(&f);
    o.period = g->period;
    bnorm_table *table = read_table(ctx, g->data);
    double *weights = read_weights(ctx, table, g->weights);
    assert_ok(ctx, bnorm_panel_create(ctx, g->formula, table, weights, &o, &panel));
    assert_ok(ctx, bnorm_panel_fit(ctx, panel, &f, NULL));
    assert_ok(ctx, bnorm_panel_describe(panel, &info));
    assert_int_equal(info.rows, g->rows);
    assert_int_equal(info.absorbed, g->absorbed);
    assert_true(info.df == (double)(g->rows - g->absorbed - g->terms));
    near(info.sse, g->ssr, g->ssr, "the sum of squares", k);
    same_terms(panel, k);
    same_covariances(ctx, panel, table, k);
    bnorm_panel_destroy(panel);
    bnorm_table_destroy(table);
    free(weights);
}

static void models_agree(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        bnorm_ctx *ctx = make_ctx(threads);
        for (size_t k = 0; k < GOLDEN; k++) same_model(ctx, k);
        bnorm_ctx_destroy(ctx);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(models_agree)};
    root = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
