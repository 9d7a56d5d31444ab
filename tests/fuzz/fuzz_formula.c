/* fuzz_formula: a formula on a small table that has every kind of column. What is read must make
 * matrices of finite numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bnorm.h"
#include "fuzz.h"

enum { ROWS = 12, MOST = 4096 };

static bnorm_table *make_table(void)
{
    static const double x[ROWS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.5};
    static const double z[ROWS] = {.5, -1, 2, NAN, 1, 0, 3, -2, 4, 1e9, -5, 6};
    static const char *const g[ROWS] = {"a", "b", "c", "a",  "b", "c",
                                        "a", "b", "c", NULL, "a", "b"};
    static const char *const k[ROWS] = {"1", "2", "3", "1", "2", "3",
                                        "1", "2", "3", "1", "2", "x"};
    bnorm_table *t = NULL;
    bnorm_status status = bnorm_table_create(NULL, ROWS, &t);
    if (!status) status = bnorm_table_numbers(NULL, t, "y", x);
    if (!status) status = bnorm_table_numbers(NULL, t, "x", x);
    if (!status) status = bnorm_table_numbers(NULL, t, "z", z);
    if (!status) status = bnorm_table_text(NULL, t, "g", g);
    if (!status) status = bnorm_table_levels(NULL, t, "h", g);
    if (!status) status = bnorm_table_text(NULL, t, "k", k);
    if (!status) status = bnorm_table_numbers(NULL, t, "a b", x);
    bnorm_fuzz_expect(!status, "memory");
    return t;
}

static void fill(bnorm_ctx *ctx, const bnorm_frame *frame, const bnorm_table *t)
{
    ptrdiff_t rows[ROWS], count, p = bnorm_frame_inputs(frame);
    if (p > MOST || bnorm_frame_rows(ctx, frame, t, 1, rows, &count)) return;
    double *x = malloc((size_t)(p + 1) * ROWS * sizeof *x);
    bnorm_fuzz_expect(x != NULL, "memory");
    bnorm_mat_f64 mx = {x, count, p, p, BNORM_ROW_MAJOR};
    bnorm_mat_f64 my = {x + p * ROWS, count, 1, 1, BNORM_ROW_MAJOR};
    bnorm_status status = bnorm_frame_matrix(ctx, frame, t, rows, count, mx, my);
    bnorm_fuzz_expect(!status, "rows that are ready make a matrix");
    for (ptrdiff_t i = 0; i < count * p; i++) bnorm_fuzz_expect(isfinite(x[i]), "finite cells");
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bnorm_table *table;
    static bnorm_ctx *ctx;
    if (!table) table = make_table();
    if (!ctx) bnorm_fuzz_expect(!bnorm_ctx_create(NULL, &ctx), "memory");
    if (size < 1 || size > MOST) return 0;
    char *text = bnorm_fuzz_text(data + 1, size - 1);
    bnorm_frame_options options;
    bnorm_frame_defaults(&options);
    options.drop_constant = data[0] & 1;
    options.factor_target = data[0] >> 1 & 1;
    options.na_error = data[0] >> 2 & 1;
    bnorm_frame *frame;
    bnorm_status status = bnorm_frame_create(ctx, text, table, &options, &frame);
    bnorm_fuzz_expect((status == BNORM_OK) == (frame != NULL), "no frame on failure");
    bnorm_fuzz_expect(!status || strlen(bnorm_ctx_message(ctx)) > 0, "a refusal says why");
    if (frame) fill(ctx, frame, table);
    bnorm_frame_destroy(frame);
    free(text);
    return 0;
}
