/* fuzz_structured: a formula of a structured model on a small panel that has every kind of column.
 * One that is read must describe itself, and without networks it must be fitted: to finite numbers,
 * or not at all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bnorm.h"
#include "fuzz.h"

enum { ROWS = 24, MOST = 2048 };

static bnorm_table *make_table(void)
{
    static const char *const ids[ROWS] = {"a", "a", "a", "a", "b", "b", "b", "b",
                                          "c", "c", "c", "c", "d", "d", "d", NULL,
                                          "e", "e", "f", "f", "f", "g", "b", "a"};
    double y[ROWS], x[ROWS], z[ROWS], year[ROWS];
    for (int i = 0; i < ROWS; i++) {
        y[i] = sin(i) * 3 + i % 5;
        x[i] = i * 0.5 + cos(3.0 * i);
        z[i] = i % 7 == 3 ? NAN : exp(-i * 0.1) - 0.3;
        year[i] = 1990 + i % 4;
    }
    bnorm_table *t = NULL;
    bnorm_status status = bnorm_table_create(NULL, ROWS, &t);
    if (!status) status = bnorm_table_numbers(NULL, t, "y", y);
    if (!status) status = bnorm_table_numbers(NULL, t, "x", x);
    if (!status) status = bnorm_table_numbers(NULL, t, "z", z);
    if (!status) status = bnorm_table_numbers(NULL, t, "year", year);
    if (!status) status = bnorm_table_text(NULL, t, "id", ids);
    if (!status) status = bnorm_table_levels(NULL, t, "g", ids);
    if (!status) status = bnorm_table_numbers(NULL, t, "a b", x);
    bnorm_fuzz_expect(!status, "memory");
    return t;
}

static void fit(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_panel_info *info)
{
    if (info->networks) return;
    bnorm_panel_fit_options options;
    bnorm_panel_fit_defaults(&options);
    bnorm_panel_report report;
    if (bnorm_panel_fit(ctx, panel, &options, &report)) return;
    const double *theta = bnorm_panel_coefficients(panel);
    for (ptrdiff_t k = 0; k < info->linear; k++)
        bnorm_fuzz_expect(isfinite(theta[k]), "finite coefficients");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bnorm_table *table;
    static bnorm_ctx *ctx;
    if (!table) table = make_table();
    if (!ctx) bnorm_fuzz_expect(!bnorm_ctx_create(NULL, &ctx), "memory");
    if (size < 1 || size > MOST) return 0;
    char *text = bnorm_fuzz_text(data + 1, size - 1);
    static const ptrdiff_t hidden[] = {2};
    bnorm_panel_options options;
    bnorm_panel_defaults(&options);
    options.hidden = hidden;
    options.layers = 1;
    options.keep_singletons = data[0] & 1;
    options.na_error = data[0] >> 1 & 1;
    bnorm_panel *panel;
    bnorm_status status = bnorm_panel_create(ctx, text, table, NULL, &options, &panel);
    bnorm_fuzz_expect((status == BNORM_OK) == (panel != NULL), "no model on failure");
    bnorm_fuzz_expect(!status || strlen(bnorm_ctx_message(ctx)) > 0, "a refusal says why");
    if (panel) {
        bnorm_panel_info info = {.struct_size = sizeof info};
        bnorm_fuzz_expect(!bnorm_panel_describe(panel, &info), "a model describes itself");
        bnorm_fuzz_expect(info.rows > 0 && info.rows <= ROWS, "rows of the table");
        fit(ctx, panel, &info);
    }
    bnorm_panel_destroy(panel);
    free(text);
    return 0;
}
