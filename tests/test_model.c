/* model: predictions, saving and loading, parts of the caller's own, files that cannot be
 * written, memory that fails. */
#include "model_support.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    (void)state;
    scratch_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove();
    return 0;
}

static ptrdiff_t predict(bnorm_ctx *ctx, bnorm_model *m, const bnorm_table *t, double *out)
{
    ptrdiff_t rows[MODEL_ROWS], count;
    assert_ok(ctx, bnorm_frame_rows(ctx, bnorm_model_frame(m), t, 0, rows, &count));
    ptrdiff_t outputs = bnorm_net_outputs(bnorm_model_net(m));
    bnorm_mat_f64 mean = bnorm_view_f64(out, count, outputs, BNORM_ROW_MAJOR);
    assert_ok(ctx, bnorm_model_predict(ctx, m, t, rows, count, mean));
    return count;
}

static void assert_same_notes(const bnorm_model *a, const bnorm_model *b)
{
    assert_int_equal(bnorm_model_note_count(a), bnorm_model_note_count(b));
    for (ptrdiff_t k = 0; k < bnorm_model_note_count(a); k++) {
        double x, y;
        const char *s, *t;
        assert_string_equal(bnorm_model_note(a, k, &x, &s), bnorm_model_note(b, k, &y, &t));
        assert_true(x == y || (isnan(x) && isnan(y)));
        assert_true(!s == !t);
        if (s) assert_string_equal(s, t);
    }
}

static void assert_same_model(bnorm_ctx *ctx, bnorm_model *a, bnorm_model *b,
                              const bnorm_table *t)
{
    static double p[MODEL_ROWS], q[MODEL_ROWS];
    bnorm_net *na = bnorm_model_net(a), *nb = bnorm_model_net(b);
    ptrdiff_t m, n;
    double *x = bnorm_net_parameters(na, &m), *y = bnorm_net_parameters(nb, &n);
    assert_int_equal(m, n);
    assert_memory_equal(x, y, (size_t)n * sizeof *x);
    for (ptrdiff_t k = 0; k < bnorm_net_block_count(na); k++) {
        bnorm_block c, d;
        assert_ok(ctx, bnorm_net_block(ctx, na, k, &c));
        assert_ok(ctx, bnorm_net_block(ctx, nb, k, &d));
        assert_string_equal(c.name, d.name);
        assert_true(c.penalty == d.penalty && c.rows == d.rows && c.cols == d.cols);
    }
    assert_same_notes(a, b);
    assert_int_equal(predict(ctx, a, t, p), predict(ctx, b, t, q));
    assert_memory_equal(p, q, sizeof p);
}

static void saved_and_loaded_is_the_same(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(2);
    bnorm_table *t = model_table(ctx);
    bnorm_model *m, *l;
    assert_ok(ctx, make_model(ctx, t, &m));
    assert_ok(ctx, bnorm_model_save(ctx, m, scratch_path("m.safetensors")));
    assert_ok(ctx, bnorm_model_load(ctx, scratch_path("m.safetensors"), NULL, &l));
    assert_same_model(ctx, m, l, t);
    const bnorm_frame *f = bnorm_model_frame(m), *g = bnorm_model_frame(l);
    assert_string_equal(bnorm_frame_formula(g), "y ~ x*g + log(z) + I(x^0)");
    assert_int_equal(bnorm_frame_inputs(g), 6);
    for (ptrdiff_t k = -1; k < 6; k++) {
        double c[2], s[2];
        bnorm_frame_scaling(f, k, c, s);
        bnorm_frame_scaling(g, k, c + 1, s + 1);
        assert_true(c[0] == c[1] && s[0] == s[1] && s[0] != 1);
        if (k >= 0)
            assert_string_equal(bnorm_frame_input_name(f, k), bnorm_frame_input_name(g, k));
    }
    assert_string_equal(bnorm_frame_input_name(g, 1), "gnorth");
    assert_string_equal(bnorm_frame_dropped_name(g, 0), "I(x^0)");
    bnorm_layer_info info;
    assert_ok(ctx, bnorm_net_layer_info(ctx, bnorm_model_net(l), 1, &info));
    assert_true(info.rule.eps == 1e-5 && info.rule.ddof == 1);
    assert_ok(ctx, bnorm_net_layer_info(ctx, bnorm_model_net(l), 3, &info));
    assert_true(info.rate == 0.1);
    assert_ptr_equal(bnorm_model_loss(l), bnorm_loss_find("squared"));
    /* Saved again, the file has the same bytes. */
    size_t a, b;
    unsigned char *x = file_read(scratch_path("m.safetensors"), &a);
    assert_ok(ctx, bnorm_model_save(ctx, l, scratch_path("m.safetensors")));
    unsigned char *y = file_read(scratch_path("m.safetensors"), &b);
    assert_int_equal(a, b);
    assert_memory_equal(x, y, a);
    assert_int_equal(scratch_files(), 1);
    free(x);
    free(y);
    bnorm_model_destroy(m);
    bnorm_model_destroy(l);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* predict = the frame's matrix through the network, in the target's unit; any subset of rows,
 * in any order and layout, has the same bits. */
static void predictions(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(2);
    bnorm_table *t = model_table(ctx);
    bnorm_model *m;
    assert_ok(ctx, make_model(ctx, t, &m));
    double p[MODEL_ROWS], x[MODEL_ROWS * 6], s[MODEL_ROWS], center, scale, one;
    ptrdiff_t rows[MODEL_ROWS], count = predict(ctx, m, t, p);
    const bnorm_frame *f = bnorm_model_frame(m);
    assert_int_equal(count, MODEL_ROWS - 1);
    assert_ok(ctx, bnorm_frame_rows(ctx, f, t, 0, rows, &count));
    bnorm_mat_f64 mx = bnorm_view_f64(x, count, 6, BNORM_ROW_MAJOR), none = {0};
    assert_ok(ctx, bnorm_frame_matrix(ctx, f, t, rows, count, mx, none));
    assert_ok(ctx, bnorm_net_predict(ctx, bnorm_model_net(m), mx,
                                     bnorm_view_f64(s, count, 1, BNORM_ROW_MAJOR)));
    bnorm_frame_scaling(f, -1, &center, &scale);
    for (ptrdiff_t i = 0; i < count; i++) {
        assert_true(p[i] == s[i] * scale + center);
        assert_ok(ctx, bnorm_model_predict(ctx, m, t, rows + i, 1,
                                           bnorm_view_f64(&one, 1, 1, BNORM_COL_MAJOR)));
        assert_memory_equal(&one, p + i, sizeof one);
    }
    /* Many more rows than a chunk has. */
    enum { MANY = 10000 };
    ptrdiff_t *many = malloc(MANY * sizeof *many);
    double *out = malloc(MANY * sizeof *out);
    for (ptrdiff_t i = 0; i < MANY; i++) many[i] = rows[i * 7 % count];
    assert_ok(ctx, bnorm_model_predict(ctx, m, t, many, MANY,
                                       bnorm_view_f64(out, MANY, 1, BNORM_COL_MAJOR)));
    for (ptrdiff_t i = 0; i < MANY; i++) assert_true(out[i] == p[i * 7 % count]);
    free(many);
    free(out);
    assert_ok(ctx, bnorm_model_predict(ctx, m, t, NULL, 0,
                                       bnorm_view_f64(NULL, 0, 1, BNORM_ROW_MAJOR)));
    assert_fails(ctx, bnorm_model_predict(ctx, m, t, rows, count, none), BNORM_E_ARGUMENT,
                 "count x outputs");
    bnorm_model_destroy(m);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static bnorm_model *class_model(bnorm_ctx *ctx, const bnorm_table *t)
{
    bnorm_frame *f;
    bnorm_net *net;
    bnorm_model *m;
    assert_ok(ctx, bnorm_frame_create(ctx, "g ~ x + z", t, NULL, &f));
    assert_ok(ctx, bnorm_net_create(ctx, 2, &net));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){0, 0}));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 3));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){0, 0}));
    assert_ok(ctx, bnorm_net_batchnorm(ctx, net, (bnorm_rule){0.5, 0}));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_ok(ctx, bnorm_model_create(ctx, net, f, bnorm_loss_find("softmax"), &m));
    return m;
}

static void class_models(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = model_table(ctx);
    bnorm_model *m = class_model(ctx, t), *l;
    bnorm_layer_info info;
    for (ptrdiff_t k = 0; k < 4; k++) { /* three batchnorms, each with its own statistics */
        assert_ok(ctx, bnorm_net_layer_info(ctx, bnorm_model_net(m), k, &info));
        for (ptrdiff_t j = 0; info.var && j < info.outputs; j++)
            info.var[j] = (double)(k + 1) + (double)j / 8;
    }
    double p[3 * MODEL_ROWS], q[3 * MODEL_ROWS];
    ptrdiff_t count = predict(ctx, m, t, p);
    for (ptrdiff_t i = 0; i < count; i++)
        assert_true(fabs(p[3 * i] + p[3 * i + 1] + p[3 * i + 2] - 1) < 1e-15);
    assert_ok(ctx, bnorm_model_save(ctx, m, scratch_path("c.safetensors")));
    assert_ok(ctx, bnorm_model_load(ctx, scratch_path("c.safetensors"), NULL, &l));
    assert_int_equal(predict(ctx, l, t, q), count);
    assert_memory_equal(p, q, (size_t)count * 3 * sizeof *p);
    assert_int_equal(bnorm_frame_classes(bnorm_model_frame(l)), 3);
    assert_string_equal(bnorm_frame_class_name(bnorm_model_frame(l), 2), "s\xc3\xbc\"d");
    bnorm_model_destroy(m);
    bnorm_model_destroy(l);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* ----------------------------------------------------------------- parts of the caller's own
 */

static void cube(void *user, ptrdiff_t count, const double *b, double *v)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) v[i] = b[i] * b[i] * b[i];
}

static void cube_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                          double *db)
{
    (void)user;
    for (ptrdiff_t i = 0; i < count; i++) db[i] = 3 * b[i] * b[i] * dv[i];
}

static double absolute(void *user, ptrdiff_t scores, const double *score, const double *target)
{
    (void)user;
    (void)scores;
    return fabs(score[0] - target[0]);
}

static void absolute_gradient(void *user, ptrdiff_t scores, const double *score,
                              const double *target, double *d)
{
    (void)user;
    (void)scores;
    d[0] = score[0] < target[0] ? -1 : 1;
}

static int scale_blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *blocks)
{
    (void)user;
    blocks[0] = (bnorm_block_shape){"s", 1, inputs, 0};
    blocks[1] = (bnorm_block_shape){"none", 0, 3, 0}; /* an empty one is legal */
    return 2;
}

static int scale_forward(void *user, const bnorm_pass *pass, const double *params,
                         bnorm_mat_f64 x, bnorm_mat_f64 y)
{
    (void)user;
    (void)pass;
    for (ptrdiff_t i = 0; i < x.rows; i++)
        for (ptrdiff_t k = 0; k < x.cols; k++)
            y.data[i * y.ld + k] = x.data[i * x.ld + k] * (params[k] + 2);
    return 0;
}

static int scale_backward(void *user, const bnorm_pass *pass, const double *params,
                          bnorm_mat_f64 x, bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams,
                          bnorm_mat_f64 dx)
{
    (void)user, (void)pass, (void)params, (void)x, (void)y, (void)dy, (void)dparams, (void)dx;
    return 1;
}

static void parts_of_the_callers_own(void **state)
{
    (void)state;
    static const bnorm_activation a = {"cube", cube, cube_gradient, 1, NULL};
    static const bnorm_loss o = {"absolute", 1, NULL, absolute, absolute_gradient, NULL, NULL};
    static const bnorm_layer s = {.struct_size = sizeof s,
                                  .name = "scale",
                                  .blocks = scale_blocks,
                                  .forward = scale_forward,
                                  .backward = scale_backward};
    const bnorm_activation *const activations[] = {&a, NULL};
    const bnorm_loss *const losses[] = {&o, NULL};
    const bnorm_layer *const layers[] = {&s, NULL};
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_net *net;
    bnorm_model *m, *l;
    assert_ok(ctx, bnorm_net_create(ctx, 2, &net));
    assert_ok(ctx, bnorm_net_layer(ctx, net, &s));
    assert_ok(ctx, bnorm_net_activation(ctx, net, &a));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 5));
    assert_ok(ctx, bnorm_model_create(ctx, net, NULL, &o, &m));
    const char *path = scratch_path("own.safetensors");
    assert_ok(ctx, bnorm_model_save(ctx, m, path));
    bnorm_custom custom = {layers, activations, losses};
    assert_ok(ctx, bnorm_model_load(ctx, path, &custom, &l));
    double x[] = {1, 2, 3, 4}, p[2], q[2];
    bnorm_mat_f64 mx = bnorm_view_f64(x, 2, 2, BNORM_ROW_MAJOR);
    assert_ok(ctx, bnorm_net_predict(ctx, net, mx, bnorm_view_f64(p, 2, 1, BNORM_ROW_MAJOR)));
    assert_ok(ctx, bnorm_net_predict(ctx, bnorm_model_net(l), mx,
                                     bnorm_view_f64(q, 2, 1, BNORM_ROW_MAJOR)));
    assert_memory_equal(p, q, sizeof p);
    assert_ptr_equal(bnorm_model_loss(l), &o);
    assert_null(bnorm_model_frame(l));
    assert_fails(ctx, bnorm_model_predict(ctx, l, NULL, NULL, 0, mx), BNORM_E_ARGUMENT, "NULL");
    bnorm_model_destroy(l);
    assert_fails(ctx, bnorm_model_load(ctx, path, NULL, &l), BNORM_E_FORMAT,
                 "the loss 'absolute' is unknown; give it to bnorm_model_load");
    custom.activations = NULL;
    assert_fails(ctx, bnorm_model_load(ctx, path, &custom, &l), BNORM_E_FORMAT,
                 "layer 2: the activation 'cube' is unknown");
    custom.layers = NULL;
    assert_fails(ctx, bnorm_model_load(ctx, path, &custom, &l), BNORM_E_FORMAT,
                 "layer 1: the layer 'scale' is unknown");
    bnorm_model_destroy(m);
    bnorm_ctx_destroy(ctx);
}

/* ---------------------------------------------------------------------- files that do not work
 */

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = model_table(ctx);
    bnorm_net *net;
    bnorm_frame *f;
    bnorm_model *m = (bnorm_model *)1;
    const bnorm_loss *loss = bnorm_loss_find("softmax");
    assert_ok(ctx, bnorm_net_create(ctx, 1, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 2));
    assert_fails(ctx, bnorm_model_create(ctx, net, NULL, loss, &m), BNORM_E_ARGUMENT,
                 "not started");
    assert_null(m);
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_ok(ctx, bnorm_frame_create(ctx, "g ~ x + z", t, NULL, &f));
    assert_fails(ctx, bnorm_model_create(ctx, net, f, loss, &m), BNORM_E_ARGUMENT, "2 inputs");
    bnorm_frame_destroy(f);
    assert_ok(ctx, bnorm_frame_create(ctx, "g ~ x", t, NULL, &f));
    assert_fails(ctx, bnorm_model_create(ctx, net, f, loss, &m), BNORM_E_ARGUMENT,
                 "3 classes, but the network 2 outputs");
    bnorm_frame_destroy(f);
    bnorm_net_destroy(net);
    m = class_model(ctx, t);
    assert_fails(ctx, bnorm_model_set_text(ctx, m, "k", "\xff"), BNORM_E_ARGUMENT, "UTF-8");
    assert_fails(ctx, bnorm_model_set_number(ctx, m, "\xc3", 1), BNORM_E_ARGUMENT, "UTF-8");
    bnorm_net_parameters(bnorm_model_net(m), NULL)[1] = NAN;
    assert_fails(ctx, bnorm_model_save(ctx, m, scratch_path("x")), BNORM_E_NONFINITE,
                 "the model is not saved: value 2 of 'gamma0' is nan");
    assert_int_equal(scratch_files(), 0);
    bnorm_model_destroy(m);
    bnorm_model_destroy(NULL);
    const char *latin[MODEL_ROWS];
    for (int i = 0; i < MODEL_ROWS; i++)
        latin[i] = i % 2 ? "s\xfc"
                           "d"
                         : "n";
    assert_ok(ctx, bnorm_table_text(ctx, t, "latin", latin));
    assert_fails(ctx, bnorm_frame_create(ctx, "y ~ latin", t, NULL, &f), BNORM_E_DATA,
                 "is not UTF-8; convert the table");
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

static void files_that_cannot_be_written(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = model_table(ctx);
    bnorm_model *m, *l;
    assert_ok(ctx, make_model(ctx, t, &m));
    assert_fails(ctx, bnorm_model_save(ctx, m, "/dev/full"), BNORM_E_IO,
                 "cannot write /dev/full: No space left on device");
    assert_fails(ctx, bnorm_model_save(ctx, m, scratch_path("no/m")), BNORM_E_IO,
                 "No such file or directory");
    assert_fails(ctx, bnorm_model_save(ctx, m, scratch_path("")), BNORM_E_IO, "Is a directory");
    assert_fails(ctx, bnorm_model_save(ctx, m, ""), BNORM_E_IO, "cannot");
    assert_ok(ctx, bnorm_model_save(ctx, m, "/dev/null"));
    assert_int_equal(scratch_files(), 0);
    assert_fails(ctx, bnorm_model_load(ctx, scratch_path("none"), NULL, &l), BNORM_E_IO,
                 "/none: cannot open it: No such file or directory");
    assert_null(l);
    assert_fails(ctx, bnorm_model_load(ctx, "/dev/zero", NULL, &l), BNORM_E_IO,
                 "/dev/zero: not a regular file");
    assert_fails(ctx, bnorm_model_load(ctx, scratch_path(""), NULL, &l), BNORM_E_IO,
                 "not a regular file");
    bnorm_model_destroy(m);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* The disk is full in the middle of the file, wherever that is: the old file stays, whole. */
static void old_file_or_new_one(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    bnorm_table *t = model_table(ctx);
    bnorm_model *m;
    assert_ok(ctx, make_model(ctx, t, &m));
    char path[256];
    strcpy(path, scratch_path("m"));
    file_put(path, "old", 3);
    assert_int_equal(chmod(path, 0600), 0);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t size = 0; size < 1500; size += 100) {
        limit = before;
        limit.rlim_cur = size;
        setrlimit(RLIMIT_FSIZE, &limit);
        bnorm_status status = bnorm_model_save(ctx, m, path);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(status, BNORM_E_IO);
        size_t n;
        unsigned char *bytes = file_read(path, &n);
        assert_int_equal(n, 3);
        assert_memory_equal(bytes, "old", 3);
        free(bytes);
        assert_int_equal(scratch_files(), 1);
    }
    signal(SIGXFSZ, handler);
    struct stat s;
    assert_ok(ctx, bnorm_model_save(ctx, m, path));
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600); /* a private file stays private */
    mode_t mask = umask(027);
    assert_ok(ctx, bnorm_model_save(ctx, m, scratch_path("new")));
    umask(mask);
    assert_int_equal(stat(scratch_path("new"), &s), 0);
    assert_int_equal(s.st_mode & 0777, 0640);
    bnorm_model_destroy(m);
    bnorm_table_destroy(t);
    bnorm_ctx_destroy(ctx);
}

/* ------------------------------------------------------------------------- memory that fails
 */

static bnorm_status round_trip(bnorm_ctx *ctx, const bnorm_table *t)
{
    static const ptrdiff_t rows[] = {0, 1, 2};
    double p[3];
    bnorm_model *m, *l = NULL;
    bnorm_status status = make_model(ctx, t, &m);
    if (status == BNORM_OK) status = bnorm_model_save(ctx, m, scratch_path("m"));
    if (status == BNORM_OK) status = bnorm_model_load(ctx, scratch_path("m"), NULL, &l);
    if (status == BNORM_OK)
        status =
            bnorm_model_predict(ctx, l, t, rows, 3, bnorm_view_f64(p, 3, 1, BNORM_ROW_MAJOR));
    bnorm_model_destroy(m);
    bnorm_model_destroy(l);
    return status;
}

/* A failure leaves at most the file that was saved, no temporary. */
static bnorm_status round_trip_tidily(bnorm_ctx *ctx, void *table)
{
    bnorm_status status = round_trip(ctx, table);
    if (status != BNORM_OK) assert_true(scratch_files() <= 1);
    return status;
}

static void memory_fails_cleanly(void **state)
{
    (void)state;
    bnorm_table *t = model_table(NULL);
    assert_true(fail_each_allocation(round_trip_tidily, t) > 150);
    bnorm_table_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(saved_and_loaded_is_the_same, setup, teardown),
        cmocka_unit_test(predictions),
        cmocka_unit_test_setup_teardown(class_models, setup, teardown),
        cmocka_unit_test_setup_teardown(parts_of_the_callers_own, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(old_file_or_new_one, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_fails_cleanly, setup, teardown),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
