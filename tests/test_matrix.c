/* matrix: forward and backward against the formulas in long double, over precision, layout,
 * weights, gamma and beta, padding, place, sizes and threads. */
#include "matrix_support.h"

static const ptrdiff_t few_rows[] = {3, 4, 7, 8, 9, 16, 31, 33, 70};
static const ptrdiff_t few_cols[] = {1, 2, 3, 5, 8, 9, 16, 17, 40};

static shape shape_at(size_t k)
{
    static const bnorm_layout layouts[] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};
    shape s = {.f32 = (int)(k & 1), .layout = layouts[k >> 1 & 1]};
    s.weighted = (int)(k >> 2 & 1);
    s.affine = (int)(k >> 3 & 1);
    s.pad = k >> 4 & 1 ? 3 : 0;
    s.in_place = (int)(k >> 5) % 3;
    s.threads = 1;
    return s;
}
enum { SHAPES = 96 };

static void each_shape(void (*check)(shape s, double center, double scale, bnorm_rule rule))
{
    size_t rows_count = sizeof few_rows / sizeof *few_rows;
    size_t cols_count = sizeof few_cols / sizeof *few_cols;
    for (size_t k = 0; k < SHAPES; k++)
        for (size_t r = 0; r < rows_count; r++)
            for (size_t c = 0; c < cols_count; c++) {
                shape s = shape_at(k);
                s.rows = few_rows[r];
                s.cols = few_cols[c];
                bnorm_rule rule = {(r + c) % 2 ? 1e-5 : 0, (double)(r % 2)};
                check(s, 1.5, 2, rule);
            }
}

static void each_large_shape(void (*check)(shape s, double center, double scale,
                                           bnorm_rule rule))
{
    static const ptrdiff_t sizes[][2] = {{20011, 3}, {1030, 1029}, {40, 2500},
                                         {9001, 19}, {300, 64},    {300, 32}};
    for (size_t k = 0; k < 8; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            shape s = shape_at(k);
            s.affine = 1;
            s.rows = sizes[i][0];
            s.cols = sizes[i][1];
            s.pad = (ptrdiff_t)(i % 2) * 5;
            s.threads = (int)(k + i) % 4 + 1;
            check(s, -3, 0.5, (bnorm_rule){1e-3, 1});
        }
}

static void forward_small(void **state)
{
    (void)state;
    each_shape(check_forward);
}

static void forward_large(void **state)
{
    (void)state;
    each_large_shape(check_forward);
}

static void backward_small(void **state)
{
    (void)state;
    each_shape(check_backward);
}

static void backward_large(void **state)
{
    (void)state;
    each_large_shape(check_backward);
}

/* Statistics of float data far beyond the range where their squares are floats. */
static void far_scales(void **state)
{
    (void)state;
    static const double scales[] = {1e-36, 1e-30, 1e-20, 1e20, 1e30, 1e36};
    for (int k = 0; k < 24; k++) {
        shape s = {.f32 = 1, .layout = k & 1 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR};
        s.rows = 37;
        s.cols = 21;
        s.weighted = k >> 1 & 1;
        double scale = scales[k >> 2];
        check_forward(s, 3 * scale, scale, (bnorm_rule){0, 1});
        check_backward(s, 3 * scale, scale, (bnorm_rule){0, 1});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_small),  cmocka_unit_test(forward_large),
        cmocka_unit_test(backward_small), cmocka_unit_test(backward_large),
        cmocka_unit_test(far_scales),
    };
    return cmocka_run_group_tests_name("matrix", tests, NULL, NULL);
}
