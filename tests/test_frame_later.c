/* frame_later: tables that come after training, numbers at the ends of the range, '.' without a
 * column, models whose parts do not fit. */
#include "support.h"

#include <math.h>
#include <string.h>

static bnorm_table *table_of(bnorm_ctx *ctx, ptrdiff_t rows, const char *const *names,
                             const char *const *cells, int cols)
{
    bnorm_table *t;
    assert_ok(ctx, bnorm_table_create(ctx, rows, &t));
    assert_ok(ctx, bnorm_table_source(ctx, t, "t.csv", NULL));
    for (int k = 0; k < cols; k++)
        assert_ok(ctx, bnorm_table_text(ctx, t, names[k], cells + k * rows));
    return t;
}

/* The rule of the training does not judge later tables. */
static void rows_of_later_tables(void **state)
{
    (void)state;
    static const char *const names[] = {"y", "x", "g"};
    static const char *const train[] = {"1", "2", "4", "5", "1", "2",
                                        "3", "5", "u", "v", "u", "v"};
    static const char *const later[] = {"NA", "2", "4", "5", "1", "0",
                                        "NA", "5", "u", "v", "u", "z"};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *a = table_of(ctx, 4, names, train, 3), *b = table_of(ctx, 4, names, later, 3);
    bnorm_frame *f;
    bnorm_frame_options o;
    ptrdiff_t rows[4], count;
    unsigned char kinds[4];
    double x[2];
    const bnorm_mat_f64 none = {0};
    bnorm_frame_defaults(&o);
    o.na_error = 1;
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ log(x) + g", a, &o, &f));
    assert_ok(ctx, bnorm_frame_screen(ctx, f, b, 0, kinds));
    const unsigned char inputs[] = {BNORM_ROW_READY, BNORM_ROW_FOREIGN, BNORM_ROW_MISSING,
                                    BNORM_ROW_FOREIGN};
    assert_memory_equal(kinds, inputs, 4);
    assert_ok(ctx, bnorm_frame_screen(ctx, f, b, 1, kinds));
    assert_int_equal(kinds[0], BNORM_ROW_MISSING);
    const char *const why[] = {"", "row 2: log(x) is not finite",
                               "row 3: column 'x' is missing",
                               "row 4: column 'g' has the level 'z'"};
    for (ptrdiff_t i = 1; i < 4; i++)
        assert_fails(ctx,
                     bnorm_frame_matrix(ctx, f, b, &i, 1,
                                        bnorm_view_f64(x, 1, 2, BNORM_ROW_MAJOR), none),
                     BNORM_E_DATA, why[i]);
    bnorm_frame_destroy(f);
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ x", a, &o, &f));
    assert_ok(ctx, bnorm_frame_rows(ctx, f, b, 1, rows, &count));
    assert_true(count == 2 && rows[0] == 1 && rows[1] == 3);
    assert_ok(ctx, bnorm_frame_rows(ctx, f, b, 0, rows, &count));
    assert_int_equal(count, 3);
    assert_fails(ctx, bnorm_frame_screen(ctx, f, NULL, 0, kinds), BNORM_E_ARGUMENT, "NULL");
    bnorm_frame_destroy(f);
    bnorm_table_destroy(a);
    bnorm_table_destroy(b);
    bnorm_ctx_destroy(ctx);
}

static void screening_without_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"y", "x"};
    static const char *const cells[] = {"1", "2", "3", "4"};
    failing_memory memory = {0};
    bnorm_ctx *ctx = make_ctx(1), *poor = make_failing_ctx(&memory, 1);
    bnorm_table *t = table_of(ctx, 2, names, cells, 2);
    bnorm_frame *f;
    unsigned char kinds[2];
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ x", t, NULL, &f));
    long k = 0, live = memory.live;
    bnorm_status status = BNORM_E_MEMORY;
    for (k = 1; status == BNORM_E_MEMORY; k++) {
        memory.calls = 0;
        memory.fail_at = k;
        status = bnorm_frame_screen(poor, f, t, 1, kinds);
        assert_int_equal(memory.live, live);
    }
    assert_int_equal(status, BNORM_OK);
    assert_true(k > 6);
    bnorm_frame_destroy(f);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(poor);
    bnorm_ctx_destroy(ctx);
}

/* The scaling of c*x is c times that of x for every power of two, to the bit. */
static void scaling_at_the_ends(void **state)
{
    (void)state;
    static const char *const names[] = {"y", "x"};
    static const char *const cells[] = {"1", "2", "3", "5", "8", "1", "2", "3", "4", "6"};
    static const double base[] = {3, -1, 2.5, 7, 1};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 5, names, cells, 2);
    bnorm_frame *f;
    double x[10], center, scale, center1, scale1;
    assert_ok(ctx, bnorm_frame_create(ctx, "y ~ x", t, NULL, &f));
    for (int e = -1060; e <= 1010; e += 10)
        for (int by_row = 0; by_row < 2; by_row++) {
            bnorm_mat_f64 mx = {x, 5, 1, by_row ? 2 : 5,
                                by_row ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR};
            for (int i = 0; i < 5; i++) x[i * (by_row ? 2 : 1)] = ldexp(base[i], e);
            bnorm_mat_f64 my = bnorm_view_f64(base, 5, 1, BNORM_COL_MAJOR);
            assert_ok(ctx, bnorm_frame_learn_scaling(ctx, f, mx, my, 1));
            bnorm_frame_scaling(f, 0, &center, &scale);
            bnorm_frame_scaling(f, -1, &center1, &scale1);
            /* below the normal numbers, to their step */
            assert_true(fabs(center - ldexp(center1, e)) <= 0x1p-1074);
            assert_true(fabs(scale - ldexp(scale1, e)) <= 0x1p-1074);
            if (e >= -1000)
                assert_true(center == ldexp(center1, e) && scale == ldexp(scale1, e));
        }
    for (int i = 0; i < 5; i++) x[i] = 1e-320;
    bnorm_mat_f64 mx = bnorm_view_f64(x, 5, 1, BNORM_COL_MAJOR);
    bnorm_mat_f64 none = {0};
    assert_ok(ctx, bnorm_frame_learn_scaling(ctx, f, mx, none, 0));
    bnorm_frame_scaling(f, 0, &center, &scale);
    assert_true(center == 1e-320 && scale == 1);
    x[2] = 1.7e308;
    assert_fails(ctx, bnorm_frame_learn_scaling(ctx, f, mx, none, 0), BNORM_E_DATA,
                 "the input 'x'");
    x[2] = 0;
    assert_fails(
        ctx,
        bnorm_frame_learn_scaling(
            ctx, f, mx, bnorm_view_f64((double[]){1, 2, -1.7e308, 3, 4}, 5, 1, 102), 1),
        BNORM_E_DATA, "the target 'y'");
    bnorm_frame_destroy(f);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void dot_without_a_column(void **state)
{
    (void)state;
    static const char *const names[] = {"y", "x", "w"};
    static const char *const cells[] = {"1", "2", "4", "1", "3", "2", "1", "5", "2"};
    static const char *const formulas[] = {"y ~ .", "y ~\n.", "y ~ . + I(w^2)", "y ~ x + w"};
    static const char *const last[] = {"x", "x", "I(w^2)", "w"};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 3, names, cells, 3);
    bnorm_frame *f;
    bnorm_frame_options o;
    bnorm_frame_defaults(&o);
    o.dot_without = "w";
    for (int k = 0; k < 4; k++) {
        assert_ok(ctx, bnorm_frame_create(ctx, formulas[k], t, &o, &f));
        ptrdiff_t n = bnorm_frame_inputs(f);
        assert_int_equal(n, k < 2 ? 1 : 2);
        assert_string_equal(bnorm_frame_input_name(f, n - 1), last[k]);
        bnorm_frame_destroy(f);
    }
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void values_of_a_column(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "h"};
    static const char *const cells[] = {" 1.5 ", "NA", "3", "1", "0x10", "2"};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 3, names, cells, 2);
    double v[3];
    assert_ok(ctx, bnorm_table_values(ctx, t, "a", v));
    assert_true(v[0] == 1.5 && isnan(v[1]) && v[2] == 3);
    assert_fails(ctx, bnorm_table_values(ctx, t, "h", v), BNORM_E_DATA,
                 "row 2: column 'h' is not a number: '0x10'");
    assert_fails(ctx, bnorm_table_values(ctx, t, "z", v), BNORM_E_DATA, "no column 'z'");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void one_row(void **state)
{
    (void)state;
    static const char *const names[] = {"y", "x"};
    static const char *const cells[] = {"1", "2"};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = table_of(ctx, 1, names, cells, 2);
    bnorm_frame *f;
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ x", t, NULL, &f), BNORM_E_DATA,
                 "1 of 1 rows");
    assert_null(strstr(bnorm_ctx_message(ctx), "missing"));
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* A network of as many outputs as given, and the frame of a target of some classes. */
static void try_parts(bnorm_ctx *ctx, const char *formula, ptrdiff_t outputs, const char *loss,
                      int scaled, const char *refusal)
{
    static const char *const names[] = {"y", "two", "three", "x"};
    static const char *const cells[] = {"1", "2", "4", "a", "b", "a",
                                        "a", "b", "c", "1", "3", "9"};
    bnorm_table *t = table_of(ctx, 3, names, cells, 4);
    bnorm_frame *f;
    bnorm_net *net;
    bnorm_model *m = NULL;
    const double v[] = {1, 2, 4};
    bnorm_mat_f64 x = bnorm_view_f64(v, 3, 1, BNORM_COL_MAJOR);
    assert_ok(ctx, bnorm_frame_create(ctx, formula, t, NULL, &f));
    if (scaled) assert_ok(ctx, bnorm_frame_learn_scaling(ctx, f, x, x, 1));
    assert_ok(ctx, bnorm_net_create(ctx, 1, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, outputs));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    bnorm_status status = bnorm_model_create(ctx, net, f, bnorm_loss_find(loss), &m);
    if (refusal) {
        assert_fails(ctx, status, BNORM_E_ARGUMENT, refusal);
        assert_null(m);
        bnorm_net_destroy(net);
        bnorm_frame_destroy(f);
    } else {
        assert_ok(ctx, status);
        bnorm_model_destroy(m);
    }
    bnorm_table_destroy(t);
}

static void parts_of_a_model_fit(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    try_parts(ctx, "y ~ x", 1, "squared", 1, NULL);
    try_parts(ctx, "y ~ x", 1, "logistic", 0, NULL);
    try_parts(ctx, "two ~ x", 1, "logistic", 0, NULL);
    try_parts(ctx, "two ~ x", 2, "softmax", 0, NULL);
    try_parts(ctx, "three ~ x", 3, "softmax", 0, NULL);
    try_parts(ctx, "y ~ x", 1, "logistic", 1, "not scaled");
    try_parts(ctx, "y ~ x", 2, "logistic", 0, "one output");
    try_parts(ctx, "y ~ x", 2, "softmax", 0, "target of classes");
    try_parts(ctx, "three ~ x", 1, "logistic", 0, "3 classes, but the network 1 outputs");
    try_parts(ctx, "three ~ x", 4, "softmax", 0, "3 classes, but the network 4 outputs");
    try_parts(ctx, "three ~ x", 3, "squared", 0, "numeric target");
    try_parts(ctx, "two ~ x", 1, "squared", 0, "numeric target");
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_later_tables), cmocka_unit_test(screening_without_memory),
        cmocka_unit_test(scaling_at_the_ends),  cmocka_unit_test(dot_without_a_column),
        cmocka_unit_test(values_of_a_column),   cmocka_unit_test(one_row),
        cmocka_unit_test(parts_of_a_model_fit),
    };
    return cmocka_run_group_tests_name("frame_later", tests, NULL, NULL);
}
