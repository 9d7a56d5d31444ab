/* kernel: every instruction set that this processor has against the scalar tables, which define
 * the kernels; the choice among them. Differences are those of fused products alone. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

enum { COLS = 37, LD = 41, ROWS = 29, ROOM = ROWS * LD + 16 };

/* Inputs and outputs for one kernel table; offset elements off alignment. */
typedef struct bench {
    const bnorm_kernels *k;
    char *x, *w, *y;
    double *v[6], *weights, sums[2];
    ptrdiff_t offset;
} bench;

static bench bench_make(const bnorm_kernels *k, ptrdiff_t offset)
{
    bench b = {.k = k, .offset = offset};
    double *numbers = malloc(2 * ROOM * sizeof *numbers);
    bnorm_random_normal(3, 1, 0, 2 * ROOM, numbers);
    char **all[] = {&b.x, &b.w, &b.y};
    for (int i = 0; i < 3; i++) {
        *all[i] = aligned_alloc(64, (ROOM * sizeof(double) + 63) / 64 * 64);
        k->narrow(ROOM, numbers + (i == 1 ? ROOM : 0), *all[i]);
        *all[i] += offset * (ptrdiff_t)k->size;
    }
    for (int i = 0; i < 6; i++) {
        b.v[i] = malloc(COLS * sizeof(double));
        bnorm_random_normal(4, (uint64_t)i, 0, COLS, b.v[i]);
    }
    b.weights = malloc(ROWS * LD * sizeof(double));
    bnorm_random_uniform(5, 0, 0, (ptrdiff_t)ROWS * LD, b.weights);
    free(numbers);
    return b;
}

static void bench_free(bench *b)
{
    ptrdiff_t bytes = b->offset * (ptrdiff_t)b->k->size;
    free(b->x - bytes);
    free(b->w - bytes);
    free(b->y - bytes);
    free(b->weights);
    for (int i = 0; i < 6; i++) free(b->v[i]);
}

/* A tile of the first rows and cols. */
static bnorm_tile tile(const char *data, ptrdiff_t rows, ptrdiff_t cols)
{
    return (bnorm_tile){data, rows, cols, LD};
}

/* Every kernel once, on rows x cols; results stay in y, v[4], v[5] and sums. step: which. */
static void run_step(bench *b, int step, ptrdiff_t rows, ptrdiff_t cols)
{
    const bnorm_kernels *k = b->k;
    bnorm_tile x = tile(b->x, rows, cols), w = tile(b->w, rows, cols);
    bnorm_affine a = {b->v[0], b->v[1], b->v[2]};
    bnorm_slope s = {b->v[0], b->v[1], b->v[2], b->v[3]};
    ptrdiff_t count = rows * cols < ROWS * LD ? rows * cols : ROWS * LD;
    bnorm_tile columns = tile(b->x, cols, rows), w_columns = tile(b->w, cols, rows);
    bnorm_tile line = {b->x, count, 1, count};
    bnorm_coefficients to = {b->v[4], b->v[5], b->v[3]};
    bnorm_layer_rows layer = {b->v[0], b->v[1], b->v[2], b->v[3], b->x, b->w, 0, 2},
                     channels = layer;
    bnorm_layer_sums sums = {b->v[4], b->v[5], b->v[2], b->v[3]};
    bnorm_layer_sums other_sums = {b->v[2], b->v[3], b->v[4], b->v[5]};
    channels.channels = 1;
    switch (step) {
    case 0:
        k->row_pivot(&x, b->v[4]);
        break;
    case 1:
        k->row_sums(&x, NULL, b->v[0], b->v[4], b->v[5]);
        break;
    case 2:
        k->row_sums(&x, b->weights, b->v[0], b->v[4], b->v[5]);
        break;
    case 3:
        k->row_pair_sums(&x, &w, b->v[0], b->v[4], b->v[5]);
        break;
    case 4:
        k->row_affine(&x, &a, b->y, LD, 0);
        break;
    case 5:
        k->row_affine(&x, &a, b->y, LD, 1);
        break;
    case 6:
        k->row_slope(&x, &w, NULL, &s, b->y, LD, 0);
        break;
    case 7:
        k->row_slope(&x, &w, b->weights, &s, b->y, LD, 1);
        break;
    case 8:
        k->layer_affine(&x, &layer, b->y, LD, 0);
        break;
    case 9:
        k->layer_affine(&x, &layer, b->y, LD, 1);
        break;
    case 10:
        k->layer_affine(&x, &channels, b->y, LD, 0);
        break;
    case 11:
        k->line_pair_sums(count, b->x, b->w, 0.3, b->sums);
        break;
    case 12:
        k->column_affine(&columns, &a, b->y, LD, 0);
        break;
    case 13:
        k->column_affine(&columns, &a, b->y, LD, 1);
        break;
    case 14:
        k->column_slope(&columns, &w_columns, NULL, &s, b->y, LD, 1);
        break;
    case 15:
        k->column_slope(&columns, &w_columns, b->weights, &s, b->y, LD, 0);
        break;
    case 16:
        k->layer_slope(&x, &w, &layer, b->y, LD, 0);
        break;
    case 17:
        k->layer_slope(&x, &w, &layer, b->y, LD, 1);
        break;
    case 18:
        k->layer_slope(&x, &w, &channels, b->y, LD, 0);
        break;
    case 19:
        k->layer_sums(&x, &w, &layer, &sums);
        break;
    case 20:
        k->row_scale(&x, b->v[1], b->y, LD);
        break;
    case 21:
        k->layer_columns_affine(&columns, &layer, b->y, LD, 0);
        break;
    case 22:
        k->layer_columns_sums(&columns, &w_columns, &layer, &other_sums);
        break;
    case 23:
        k->layer_columns_slope(&columns, &w_columns, &layer, b->y, LD, 0);
        break;
    case 24:
        k->layer_sums(&x, &w, &layer, &other_sums);
        break;
    case 33:
        k->layer_columns_sums(&columns, &w_columns, &layer, &sums);
        break;
    case 25:
        k->column_pivot(&columns, b->v[4]);
        break;
    case 26:
        k->column_sums(&columns, NULL, b->v[0], b->v[4], b->v[5]);
        break;
    case 27:
        k->column_sums(&columns, b->weights, b->v[0], b->v[4], b->v[5]);
        break;
    case 28:
        k->column_pair_sums(&columns, &w_columns, b->v[0], b->v[4], b->v[5]);
        break;
    case 29:
        k->column_sums(&line, NULL, b->v[0], b->v[4], b->v[5]);
        break;
    case 30:
        k->moments(cols, 3, b->v[3], b->v[4], b->v[5]);
        break;
    case 31:
        k->scales(cols, b->weights, 2, 0.1, b->x, b->v[4], b->v[5]);
        break;
    case 32:
        k->slopes(cols, 3, 2, b->x, b->v[0], b->v[1], b->v[2], &to);
        break;
    default:
        k->widen(cols, b->x, b->v[4]);
    }
}
enum { STEPS = 35 };

/* Sums of at most ROWS * LD terms of size about 1, fused or not: far above either's rounding,
 * far below a term lost or doubled. */
static void assert_close(double got, double expected, double unit, const char *what, int step,
                         ptrdiff_t at)
{
    double bound = 64 * unit * (1 + fabs(expected));
    if (fabs(got - expected) <= bound) return;
    print_error("step %d %s %td: %.17g, scalar gives %.17g\n", step, what, at, got, expected);
    fail();
}

static double element(const bench *b, ptrdiff_t i)
{
    return b->k->size == 4 ? (double)((float *)(void *)b->y)[i] : ((double *)(void *)b->y)[i];
}

static void compare(const bnorm_kernels *k, const bnorm_kernels *scalar, int step,
                    ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t offset)
{
    bench got = bench_make(k, offset), expected = bench_make(scalar, offset);
    double unit = k->size == 4 ? 0x1p-24 : 0x1p-50;
    run_step(&got, step, rows, cols);
    run_step(&expected, step, rows, cols);
    for (ptrdiff_t i = 0; i < ROWS * LD; i++)
        assert_close(element(&got, i), element(&expected, i), unit, "element", step, i);
    for (ptrdiff_t c = 0; c < COLS; c++) {
        assert_close(got.v[4][c], expected.v[4][c], 0x1p-50, "first vector", step, c);
        assert_close(got.v[5][c], expected.v[5][c], 0x1p-50, "second vector", step, c);
    }
    assert_close(got.sums[0], expected.sums[0], 0x1p-46, "first sum", step, 0);
    assert_close(got.sums[1], expected.sums[1], 0x1p-46, "second sum", step, 0);
    bench_free(&got);
    bench_free(&expected);
}

static void every_set_does_what_scalar_does(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][2] = {{1, 1}, {2, 3}, {7, 8}, {8, 9}, {29, 37}, {17, 16}};
    for (int isa = 1; isa < BNORM_ISA_COUNT; isa++)
        for (size_t size = 4; size <= 8; size += 4) {
            const bnorm_kernels *k = bnorm_kernels_at(isa, size);
            if (!k) continue;
            assert_int_equal(k->size, size);
            for (int step = 0; step < STEPS; step++)
                for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                    for (ptrdiff_t offset = 0; offset < 4; offset += 3)
                        compare(k, bnorm_kernels_at(0, size), step, sizes[i][0], sizes[i][1],
                                offset);
        }
}

/* An element has the same bits in a full vector, in a part of one, streamed and not. */
static void place_does_not_matter(void **state)
{
    (void)state;
    for (int isa = 0; isa < BNORM_ISA_COUNT; isa++)
        for (size_t size = 4; size <= 8; size += 4) {
            const bnorm_kernels *k = bnorm_kernels_at(isa, size);
            if (!k) continue;
            for (int step = 4; step <= 6; step += 2) {
                bench whole = bench_make(k, 0), parts = bench_make(k, 3);
                run_step(&whole, step, ROWS, COLS);
                /* one column at a time, from the last, shifted against alignment */
                for (ptrdiff_t c = COLS; c-- > 0;) {
                    ptrdiff_t at = c * (ptrdiff_t)k->size;
                    bnorm_tile x = tile(whole.x + at, ROWS, 1), w = tile(whole.w + at, ROWS, 1);
                    bnorm_affine a = {whole.v[0] + c, whole.v[1] + c, whole.v[2] + c};
                    bnorm_slope s = {whole.v[0] + c, whole.v[1] + c, whole.v[2] + c,
                                     whole.v[3] + c};
                    if (step == 4)
                        k->row_affine(&x, &a, parts.y + at, LD, (int)(c % 2));
                    else
                        k->row_slope(&x, &w, NULL, &s, parts.y + at, LD, (int)(c % 2));
                }
                for (ptrdiff_t i = 0; i < ROWS; i++)
                    assert_memory_equal(whole.y + i * LD * (ptrdiff_t)size,
                                        parts.y + i * LD * (ptrdiff_t)size, COLS * size);
                bench_free(&whole);
                bench_free(&parts);
            }
        }
}

enum { WIDE = 48 /* columns apart by whole lines, so that they may be streamed */ };

/* Element (r, c) of a row-major bench at (c, r) of a column-major one, WIDE apart. */
static void turn(const bench *from, const char *data, char *to)
{
    size_t size = from->k->size;
    for (ptrdiff_t r = 0; r < ROWS; r++)
        for (ptrdiff_t c = 0; c < COLS; c++)
            memcpy(to + (size_t)(c * WIDE + r) * size, data + (size_t)(r * LD + c) * size,
                   size);
}

/* Layer normalisation of a row gives the same bits in both layouts, streamed and not, beside rows
 * whose statistics no float can hold. */
static void layers_agree_on_layout(void **state)
{
    (void)state;
    for (int isa = 0; isa < BNORM_ISA_COUNT; isa++)
        for (int k = 0; k < 8; k++) {
            int slope = k >> 1 & 1, stream = k >> 2;
            const bnorm_kernels *table = bnorm_kernels_at(isa, k & 1 ? 4 : 8);
            if (!table) continue;
            bench b = bench_make(table, 0);
            size_t size = table->size;
            char *x = aligned_alloc(64, COLS * WIDE * 8),
                 *w = aligned_alloc(64, COLS * WIDE * 8);
            char *y = aligned_alloc(64, COLS * WIDE * 8);
            turn(&b, b.x, x);
            turn(&b, b.w, w);
            b.v[1][0] = b.v[1][18] = b.v[1][ROWS - 1] = 1e25;
            for (ptrdiff_t r = 0; r < ROWS; r++) b.v[1][r] = fabs(b.v[1][r]);
            bnorm_layer_rows l = {b.v[0], b.v[1], b.v[2], b.v[3], b.x, b.w, 0, 2};
            bnorm_tile rows = tile(b.x, ROWS, COLS), dy = tile(b.w, ROWS, COLS);
            bnorm_tile cols = {x, ROWS, COLS, WIDE}, dy_cols = {w, ROWS, COLS, WIDE};
            if (slope) {
                table->layer_slope(&rows, &dy, &l, b.y, LD, stream);
                table->layer_columns_slope(&cols, &dy_cols, &l, y, WIDE, stream);
            } else {
                table->layer_affine(&rows, &l, b.y, LD, stream);
                table->layer_columns_affine(&cols, &l, y, WIDE, stream);
            }
            for (ptrdiff_t r = 0; r < ROWS; r++)
                for (ptrdiff_t c = 0; c < COLS; c++)
                    assert_memory_equal(y + (size_t)(c * WIDE + r) * size,
                                        b.y + (size_t)(r * LD + c) * size, size);
            free(x);
            free(w);
            free(y);
            bench_free(&b);
        }
}

static void choice(void **state)
{
    (void)state;
    int best = bnorm_isa_choose(NULL);
    assert_non_null(bnorm_kernels_at(best, 8));
    assert_int_equal(bnorm_isa_choose("scalar"), 0);
    assert_int_equal(bnorm_isa_choose("sse9"), best);
    assert_int_equal(bnorm_isa_choose(""), best);
    assert_null(bnorm_kernels_at(-1, 8));
    assert_null(bnorm_kernels_at(BNORM_ISA_COUNT, 8));
    for (int isa = 0; isa < BNORM_ISA_COUNT; isa++) {
        const bnorm_kernels *k = bnorm_kernels_at(isa, 8);
        if (k) assert_int_equal(bnorm_isa_choose(k->isa), isa);
    }
    assert_string_equal(bnorm_isa(), bnorm_kernels_f64()->isa);
    assert_string_equal(bnorm_isa(),
                        bnorm_kernels_at(bnorm_isa_choose(getenv("BNORM_ISA")), 8)->isa);
    assert_int_equal(bnorm_kernels_f32()->size, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_does_what_scalar_does),
        cmocka_unit_test(place_does_not_matter),
        cmocka_unit_test(layers_agree_on_layout),
        cmocka_unit_test(choice),
    };
    return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
