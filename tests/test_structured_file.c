/* Files of structured models: what is loaded is what was saved, to the bit; files that are damaged
 * are refused. */
#include "model_support.h"
#include "structured_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const formulas[] = {
    "y ~ x + log(z) + g | id + year",
    "exp(y / 99) ~ x:g | id[x, z] + g^year",
    "y ~ x + nn(z, g) + nn(x) | id + year",
    "y ~ nn(x, z)",
    "y ~ x + x:z + I(2 * x)",
};

static void compare_names(const bnorm_panel *a, const bnorm_panel *b)
{
    static const bnorm_panel_part parts[] = {BNORM_PANEL_LINEAR,  BNORM_PANEL_DROPPED,
                                             BNORM_PANEL_NETWORK, BNORM_PANEL_INPUT,
                                             BNORM_PANEL_FACTOR,  BNORM_PANEL_REASON};
    assert_string_equal(bnorm_panel_formula(a), bnorm_panel_formula(b));
    assert_string_equal(bnorm_panel_target_name(a), bnorm_panel_target_name(b));
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (ptrdiff_t k = 0;; k++) {
            const char *one = bnorm_panel_name(a, parts[p], k);
            const char *two = bnorm_panel_name(b, parts[p], k);
            assert_int_equal(one != NULL, two != NULL);
            if (!one) break;
            assert_string_equal(one, two);
        }
}

static void compare_effects(const bnorm_panel *a, const bnorm_panel *b)
{
    for (ptrdiff_t f = 0; f < info_of(a).factors; f++) {
        ptrdiff_t levels = bnorm_panel_levels(a, f);
        assert_int_equal(levels, bnorm_panel_levels(b, f));
        assert_memory_equal(bnorm_panel_effects(a, f), bnorm_panel_effects(b, f),
                            (size_t)levels * sizeof(double));
        for (ptrdiff_t k = 0; k < levels; k++)
            assert_string_equal(bnorm_panel_level_name(a, f, k),
                                bnorm_panel_level_name(b, f, k));
    }
}

static void compare_info(const bnorm_panel *a, const bnorm_panel *b)
{
    bnorm_panel_info one = info_of(a), two = info_of(b);
    assert_memory_equal(&one, &two, sizeof one);
}

static void compare_predictions(bnorm_ctx *ctx, bnorm_panel *a, bnorm_panel *b,
                                const bnorm_table *t)
{
    ptrdiff_t n = bnorm_table_rows(t), *rows = calloc((size_t)n, sizeof *rows);
    double *one = calloc((size_t)n, sizeof *one), *two = calloc((size_t)n, sizeof *two);
    for (ptrdiff_t i = 0; i < n; i++) rows[i] = i;
    assert_ok(ctx, bnorm_panel_predict(ctx, a, NULL, t, rows, n, BNORM_NEW_ZERO, one, NULL));
    assert_ok(ctx, bnorm_panel_predict(ctx, b, NULL, t, rows, n, BNORM_NEW_ZERO, two, NULL));
    assert_memory_equal(one, two, (size_t)n * sizeof *one);
    free(rows);
    free(one);
    free(two);
}

static bnorm_panel_fit_options few_epochs(ptrdiff_t bags)
{
    bnorm_panel_fit_options f;
    bnorm_panel_fit_defaults(&f);
    f.fit.epochs = 3;
    f.bags = bags;
    return f;
}

static void round_trip(bnorm_ctx *ctx, const bnorm_table *t, const char *formula,
                       ptrdiff_t bags)
{
    bnorm_panel *p, *q;
    bnorm_panel_fit_options f = few_epochs(bags);
    size_t one, two;
    const char *path = scratch_path("round.bnorm");
    assert_ok(ctx, bnorm_panel_create(ctx, formula, t, NULL, NULL, &p));
    assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, NULL));
    assert_ok(ctx, bnorm_panel_save(ctx, p, NULL, path));
    char *bytes = (char *)file_read(path, &one);
    assert_ok(ctx, bnorm_panel_load(ctx, path, &q, NULL));
    compare_info(p, q);
    compare_names(p, q);
    compare_effects(p, q);
    compare_predictions(ctx, p, q, t);
    assert_memory_equal(bnorm_panel_coefficients(p), bnorm_panel_coefficients(q),
                        (size_t)info_of(p).linear * sizeof(double));
    assert_ok(ctx, bnorm_panel_save(ctx, q, NULL, path));
    char *again = (char *)file_read(path, &two);
    assert_int_equal(one, two);
    assert_memory_equal(bytes, again, one);
    assert_null(bnorm_panel_rows(q));
    assert_fails(ctx, bnorm_panel_fit(ctx, q, NULL, NULL), BNORM_E_ARGUMENT,
                 "comes from a file, without the rows it was fitted to");
    assert_fails(ctx, bnorm_panel_residuals(ctx, q, NULL, NULL), BNORM_E_ARGUMENT,
                 "comes from a file");
    free(bytes);
    free(again);
    remove(path);
    bnorm_panel_destroy(p);
    bnorm_panel_destroy(q);
}

static void test_round_trip(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(8, 7, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++)
        for (ptrdiff_t bags = 0; bags < 4; bags += 3) round_trip(ctx, t, formulas[k], bags);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* A fitted model of the formula, saved at the path. */
static void save_one(bnorm_ctx *ctx, const char *formula, const char *path)
{
    small_panel *s = make_small_panel(5, 6, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel_fit_options f = few_epochs(0);
    bnorm_panel *p;
    assert_ok(ctx, bnorm_panel_create(ctx, formula, t, NULL, NULL, &p));
    assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, NULL));
    bnorm_vcov_options o;
    bnorm_vcov *v;
    bnorm_vcov_defaults(&o);
    o.type = BNORM_VCOV_CLUSTER;
    assert_ok(ctx, bnorm_vcov_create(ctx, p, t, &o, &v));
    assert_ok(ctx, bnorm_panel_save(ctx, p, v, path));
    bnorm_vcov_destroy(v);
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
    free_small_panel(s);
}

/* Covariances of every kind come back to the bit, and give the same standard errors. */
static void check_vcov(bnorm_ctx *ctx, const bnorm_table *t, const char *formula,
                       bnorm_vcov_type type, int full)
{
    bnorm_panel *p, *q;
    bnorm_vcov *v, *w;
    bnorm_vcov_info one, two;
    bnorm_vcov_options o;
    bnorm_panel_fit_options f = few_epochs(0);
    const char *path = scratch_path("vcov.bnorm");
    size_t size, again;
    assert_ok(ctx, bnorm_panel_create(ctx, formula, t, NULL, NULL, &p));
    assert_ok(ctx, bnorm_panel_fit(ctx, p, &f, NULL));
    bnorm_vcov_defaults(&o);
    o.type = type;
    o.full = full;
    if (type == BNORM_VCOV_CLUSTER) o.cluster[0] = "id", o.cluster[1] = "g";
    assert_ok(ctx, bnorm_vcov_create(ctx, p, t, &o, &v));
    assert_ok(ctx, bnorm_panel_save(ctx, p, v, path));
    unsigned char *bytes = file_read(path, &size);
    assert_ok(ctx, bnorm_panel_load(ctx, path, &q, NULL));
    bnorm_panel_destroy(q);
    assert_ok(ctx, bnorm_panel_load(ctx, path, &q, &w));
    assert_non_null(w);
    assert_int_equal(bnorm_vcov_describe(v, &one), BNORM_OK);
    assert_int_equal(bnorm_vcov_describe(w, &two), BNORM_OK);
    assert_memory_equal(&one, &two, sizeof one);
    for (ptrdiff_t k = 0; k < one.unidentified; k++)
        assert_string_equal(bnorm_vcov_unidentified(v, k), bnorm_vcov_unidentified(w, k));
    ptrdiff_t n = bnorm_table_rows(t), *rows = calloc((size_t)n, sizeof *rows);
    double *mean = calloc((size_t)n, sizeof *mean), *se = calloc((size_t)n, sizeof *se);
    double *other = calloc((size_t)n, sizeof *other);
    for (ptrdiff_t i = 0; i < n; i++) rows[i] = i;
    if (!full) {
        assert_ok(ctx, bnorm_panel_predict(ctx, p, v, t, rows, n, BNORM_NEW_ZERO, mean, se));
        assert_ok(ctx, bnorm_panel_predict(ctx, q, w, t, rows, n, BNORM_NEW_ZERO, mean, other));
        assert_memory_equal(se, other, (size_t)n * sizeof *se);
    }
    assert_ok(ctx, bnorm_panel_save(ctx, q, w, path));
    unsigned char *copy = file_read(path, &again);
    assert_int_equal(size, again);
    assert_memory_equal(bytes, copy, size);
    free(bytes);
    free(copy);
    free(rows);
    free(mean);
    free(se);
    free(other);
    bnorm_vcov_destroy(v);
    bnorm_vcov_destroy(w);
    bnorm_panel_destroy(p);
    bnorm_panel_destroy(q);
}

static void test_covariances(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(12, 9, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    for (int type = BNORM_VCOV_CLASSICAL; type <= BNORM_VCOV_CLUSTER; type++)
        check_vcov(ctx, t, "y ~ x + log(z) | id", (bnorm_vcov_type)type, 0);
    check_vcov(ctx, t, "y ~ x + nn(z) | id + year", BNORM_VCOV_HC1, 0);
    check_vcov(ctx, t, "y ~ x + nn(z) | id + year", BNORM_VCOV_CLASSICAL, 1);
    check_vcov(ctx, t, "y ~ x + log(z)", BNORM_VCOV_HC1, 0);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

static void test_kinds_of_files(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    const char *path = scratch_path("kind.bnorm");
    bnorm_model *m;
    bnorm_panel *p;
    bnorm_file_kind kind;
    save_one(ctx, "y ~ x | id", path);
    assert_ok(ctx, bnorm_file_kind_of(ctx, path, &kind));
    assert_int_equal(kind, BNORM_FILE_PANEL);
    assert_fails(ctx, bnorm_model_load(ctx, path, NULL, &m), BNORM_E_FORMAT,
                 "a structured model, which bnorm_panel_load reads");
    bnorm_net *net;
    assert_ok(ctx, bnorm_net_create(ctx, 2, &net));
    assert_ok(ctx, bnorm_net_dense(ctx, net, 1));
    assert_ok(ctx, bnorm_net_start(ctx, net, 1));
    assert_ok(ctx, bnorm_model_create(ctx, net, NULL, bnorm_loss_find("squared"), &m));
    assert_ok(ctx, bnorm_model_save(ctx, m, path));
    assert_ok(ctx, bnorm_file_kind_of(ctx, path, &kind));
    assert_int_equal(kind, BNORM_FILE_MODEL);
    assert_fails(ctx, bnorm_panel_load(ctx, path, &p, NULL), BNORM_E_FORMAT,
                 "which bnorm_model_load reads");
    file_put(path, "nothing", 7);
    assert_fails(ctx, bnorm_file_kind_of(ctx, path, &kind), BNORM_E_FORMAT, path);
    remove(path);
    assert_fails(ctx, bnorm_file_kind_of(ctx, path, &kind), BNORM_E_IO, path);
    assert_fails(ctx, bnorm_panel_load(ctx, path, &p, NULL), BNORM_E_IO, path);
    bnorm_model_destroy(m);
    bnorm_ctx_destroy(ctx);
}

static void test_not_fitted(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    small_panel *s = make_small_panel(5, 6, 5);
    bnorm_table *t = small_table(ctx, s, NULL, "u");
    bnorm_panel *p;
    ptrdiff_t row = 0;
    double mean;
    assert_ok(ctx, bnorm_panel_create(ctx, "y ~ x | id", t, NULL, NULL, &p));
    assert_fails(ctx, bnorm_panel_save(ctx, p, NULL, scratch_path("never")), BNORM_E_ARGUMENT,
                 "bnorm_panel_save: the model is not fitted");
    assert_fails(ctx, bnorm_panel_residuals(ctx, p, &mean, NULL), BNORM_E_ARGUMENT,
                 "is not fitted");
    assert_fails(ctx, bnorm_panel_predict(ctx, p, NULL, t, &row, 1, BNORM_NEW_NAN, &mean, NULL),
                 BNORM_E_ARGUMENT, "is not fitted");
    bnorm_panel_destroy(p);
    bnorm_table_destroy(t);
    free_small_panel(s);
    bnorm_ctx_destroy(ctx);
}

/* Every cut, and every byte changed: an error or a model, never a crash. */
static void test_damage(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    const char *path = scratch_path("damage.bnorm");
    size_t size, loaded = 0;
    save_one(ctx, "y ~ x + nn(z) | id[z] + g^year", path);
    char *bytes = (char *)file_read(path, &size), *copy = malloc(size);
    for (size_t at = 0; at < size; at += at < 4500 ? 1 : 97)
        for (int how = 0; how < 3; how++) {
            bnorm_panel *p;
            memcpy(copy, bytes, size);
            if (how) copy[at] = (char)(how == 1 ? copy[at] ^ 1 : '9');
            file_put(path, copy, how ? size : at);
            bnorm_status status = bnorm_panel_load(ctx, path, &p, NULL);
            assert_true(status == BNORM_OK || status == BNORM_E_FORMAT);
            assert_int_equal(status == BNORM_OK, p != NULL);
            loaded += status == BNORM_OK;
            bnorm_panel_destroy(p);
            if (!how) assert_int_equal(status, BNORM_E_FORMAT);
        }
    assert_true(loaded > 0);
    free(bytes);
    free(copy);
    remove(path);
    bnorm_ctx_destroy(ctx);
}

/* A file with one text of its header replaced by another of the same length. */
static void check_lie(bnorm_ctx *ctx, const char *from, const char *to, const char *message)
{
    const char *path = scratch_path("lie.bnorm");
    size_t size, length = strlen(from);
    save_one(ctx, "y ~ x + nn(z) | id[z] + g^year", path);
    char *bytes = (char *)file_read(path, &size);
    size_t at = 0;
    while (at + length < size && memcmp(bytes + at, from, length) != 0) at++;
    if (at + length >= size) print_error("no '%s' in the file\n", from);
    assert_true(at + length < size);
    assert_int_equal(length, strlen(to));
    memcpy(bytes + at, to, length);
    file_put(path, bytes, size);
    bnorm_panel *p;
    assert_fails(ctx, bnorm_panel_load(ctx, path, &p, NULL), BNORM_E_FORMAT, message);
    free(bytes);
    remove(path);
}

static void test_lies(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    check_lie(ctx, "format_version\\\":1", "format_version\\\":7", "has format 7");
    check_lie(ctx, "\\\"squared\\\"", "\\\"squarer\\\"", "the loss is neither");
    check_lie(ctx, "\\\"members\\\":1", "\\\"members\\\":9", "there is no tensor");
    check_lie(ctx, "\\\"members\\\":1", "\\\"members\\\":0", "members");
    check_lie(ctx, "\\\"linear\\\":1", "\\\"linear\\\":2", "inputs");
    check_lie(ctx, "\\\"slope\\\":2", "\\\"slope\\\":1", "a factor is illegal");
    check_lie(ctx, "\\\"slope\\\":2", "\\\"slope\\\":9", "a factor is illegal");
    check_lie(ctx, "\\\"columns\\\":[3,4]", "\\\"columns\\\":[4,3]", "a factor is illegal");
    check_lie(ctx, "[[0,0],[0,3]", "[[0,0],[0,0]", "a combined level comes twice");
    check_lie(ctx, "[[0,0],[0,3]", "[[9,0],[0,3]", "a combined level is illegal");
    check_lie(ctx, "\"effects3\"", "\"effectsX\"", "tensor 'effects3' is missing");
    bnorm_ctx_destroy(ctx);
}

static bnorm_status save_and_load(bnorm_ctx *ctx, void *argument)
{
    bnorm_panel *p, *q = NULL;
    bnorm_vcov *v;
    const char *path = scratch_path("memory.bnorm");
    bnorm_status status = bnorm_panel_load(ctx, argument, &p, &v);
    if (status == BNORM_OK) status = bnorm_panel_save(ctx, p, v, path);
    if (status == BNORM_OK) status = bnorm_panel_load(ctx, path, &q, NULL);
    bnorm_vcov_destroy(v);
    bnorm_panel_destroy(p);
    bnorm_panel_destroy(q);
    remove(path);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    char path[256];
    strcpy(path, scratch_path("source.bnorm"));
    save_one(NULL, "y ~ x + nn(z) | id[z] + g^year", path);
    assert_true(fail_each_allocation(save_and_load, path) > 100);
    remove(path);
}

static int group_setup(void **state)
{
    (void)state;
    scratch_make();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    scratch_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_covariances),
        cmocka_unit_test(test_kinds_of_files), cmocka_unit_test(test_not_fitted),
        cmocka_unit_test(test_damage),         cmocka_unit_test(test_lies),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
