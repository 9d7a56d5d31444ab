/* reference: vec, Kronecker and Khatri-Rao products and the commutation matrix by the
 * identities that define them; limits, overflow, bad views. */
#include "reference_support.h"

#include <stdlib.h>

static bnorm_mat_f64 kron(bnorm_mat_f64 a, bnorm_mat_f64 b, bnorm_layout layout)
{
    bnorm_mat_f64 k = padded_matrix(a.rows * b.rows, a.cols * b.cols, layout);
    assert_ok(NULL, bnorm_kron_f64(NULL, a, b, k));
    return k;
}

/* vec_of(AXB) = (B' (x) A) vec_of(X), all sizes 1..4 and mixed layouts. */
static void vec_of_a_product(void **state)
{
    (void)state;
    for (ptrdiff_t m = 1; m <= 4; m++)
        for (ptrdiff_t n = 1; n <= 4; n++)
            for (ptrdiff_t p = 1; p <= 3; p++)
                for (ptrdiff_t q = 1; q <= 3; q++) {
                    bnorm_layout layout = (m + q) % 2 ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR;
                    bnorm_mat_f64 a = random_matrix(1, m, n, layout);
                    bnorm_mat_f64 x = random_matrix(2, n, p, BNORM_ROW_MAJOR);
                    bnorm_mat_f64 b = random_matrix(3, p, q, BNORM_COL_MAJOR);
                    bnorm_mat_f64 ax = product_of(a, x), axb = product_of(ax, b);
                    bnorm_mat_f64 k = kron(transpose_of(b), a, layout);
                    bnorm_mat_f64 left = vec_of(axb), vx = vec_of(x), right = product_of(k, vx);
                    assert_near(left, right, ROUNDING);
                    free_all(9, (bnorm_mat_f64[]){a, x, b, ax, axb, k, left, vx, right});
                }
}

/* (A (x) B)(C (x) D) = AC (x) BD. */
static void mixed_product(void **state)
{
    (void)state;
    bnorm_mat_f64 a = random_matrix(1, 3, 2, BNORM_ROW_MAJOR);
    bnorm_mat_f64 b = random_matrix(2, 2, 4, BNORM_COL_MAJOR);
    bnorm_mat_f64 c = random_matrix(3, 2, 5, BNORM_ROW_MAJOR);
    bnorm_mat_f64 d = random_matrix(4, 4, 3, BNORM_COL_MAJOR);
    bnorm_mat_f64 ab = kron(a, b, BNORM_ROW_MAJOR), cd = kron(c, d, BNORM_COL_MAJOR);
    bnorm_mat_f64 ac = product_of(a, c), bd = product_of(b, d);
    bnorm_mat_f64 left = product_of(ab, cd), right = kron(ac, bd, BNORM_ROW_MAJOR);
    assert_near(left, right, ROUNDING);
    free_all(10, (bnorm_mat_f64[]){a, b, c, d, ab, cd, ac, bd, left, right});
}

/* K vec_of(A) = vec_of(A') to the bit; K is a permutation and K_mn K_nm = I; B (x) A = K (A (x)
 * B) K.
 */
static void commutation(void **state)
{
    (void)state;
    for (ptrdiff_t m = 1; m <= 5; m++)
        for (ptrdiff_t n = 1; n <= 4; n++) {
            bnorm_mat_f64 a = random_matrix(5, m, n, BNORM_ROW_MAJOR);
            bnorm_mat_f64 k = padded_matrix(m * n, m * n, BNORM_ROW_MAJOR);
            bnorm_mat_f64 back = padded_matrix(m * n, m * n, BNORM_COL_MAJOR);
            assert_ok(NULL, bnorm_commutation_f64(NULL, m, n, k));
            assert_ok(NULL, bnorm_commutation_f64(NULL, n, m, back));
            bnorm_mat_f64 va = vec_of(a), kva = product_of(k, va), vt = vec_of(transpose_of(a));
            assert_near(kva, vt, 0);
            bnorm_mat_f64 one = product_of(k, back);
            for (ptrdiff_t i = 0; i < m * n; i++)
                for (ptrdiff_t j = 0; j < m * n; j++)
                    assert_true(*cell_of(one, i, j) == (i == j));
            free_all(7, (bnorm_mat_f64[]){a, k, back, va, kva, vt, one});
        }
    bnorm_mat_f64 a = random_matrix(1, 3, 2, BNORM_ROW_MAJOR);
    bnorm_mat_f64 b = random_matrix(2, 4, 5, BNORM_COL_MAJOR);
    bnorm_mat_f64 ab = kron(a, b, BNORM_ROW_MAJOR), ba = kron(b, a, BNORM_ROW_MAJOR);
    bnorm_mat_f64 left = padded_matrix(12, 12, BNORM_ROW_MAJOR),
                  right = padded_matrix(10, 10, 101);
    assert_ok(NULL, bnorm_commutation_f64(NULL, 4, 3, left));
    assert_ok(NULL, bnorm_commutation_f64(NULL, 2, 5, right));
    bnorm_mat_f64 half = product_of(left, ab), whole = product_of(half, right);
    assert_near(whole, ba, 0);
    free_all(8, (bnorm_mat_f64[]){a, b, ab, ba, left, right, half, whole});
}

/* vec_of(A diag(d) B') = (B * A) d. */
static void khatri_rao(void **state)
{
    (void)state;
    bnorm_mat_f64 a = random_matrix(1, 4, 3, BNORM_ROW_MAJOR);
    bnorm_mat_f64 b = random_matrix(2, 5, 3, BNORM_COL_MAJOR);
    bnorm_mat_f64 d = random_matrix(3, 3, 1, BNORM_COL_MAJOR);
    bnorm_mat_f64 ad = padded_matrix(4, 3, BNORM_COL_MAJOR),
                  kr = padded_matrix(20, 3, BNORM_ROW_MAJOR);
    for (ptrdiff_t i = 0; i < 4; i++)
        for (ptrdiff_t j = 0; j < 3; j++)
            *cell_of(ad, i, j) = *cell_of(a, i, j) * *cell_of(d, j, 0);
    assert_ok(NULL, bnorm_khatri_rao_f64(NULL, b, a, kr));
    bnorm_mat_f64 adb = product_of(ad, transpose_of(b)), left = vec_of(adb),
                  right = product_of(kr, d);
    assert_near(left, right, ROUNDING);
    free_all(8, (bnorm_mat_f64[]){a, b, d, ad, kr, adb, left, right});
}

/* -------------------------------------------------------------------------------- refusals */

static void limits_and_overflow(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    double one = 1;
    ptrdiff_t huge = PTRDIFF_MAX / 2;
    bnorm_mat_f64 row = bnorm_view_f64(&one, 1, 1, BNORM_ROW_MAJOR);
    bnorm_mat_f64 big = {&one, 3000, 3000, 3000, BNORM_ROW_MAJOR};
    bnorm_mat_f64 over = {&one, huge, 3, 3, BNORM_ROW_MAJOR};
    assert_fails(ctx, bnorm_vec_f64(ctx, big, &one), BNORM_E_ARGUMENT, "limited to 4194304");
    assert_fails(ctx, bnorm_vec_f64(ctx, over, &one), BNORM_E_ARGUMENT, "overflows");
    over.rows = -1;
    assert_fails(ctx, bnorm_vec_f64(ctx, over, &one), BNORM_E_ARGUMENT, "negative");
    bnorm_mat_f64 wide = {&one, 3000, 1, 1, BNORM_ROW_MAJOR};
    assert_fails(ctx, bnorm_kron_f64(ctx, wide, wide, row), BNORM_E_ARGUMENT, "limited");
    assert_fails(ctx, bnorm_khatri_rao_f64(ctx, wide, wide, row), BNORM_E_ARGUMENT, "limited");
    assert_fails(ctx, bnorm_commutation_f64(ctx, 2000, 2, row), BNORM_E_ARGUMENT,
                 "out is 1 x 1");
    bnorm_mat_f64 square = {&one, 4000, 4000, 4000, BNORM_ROW_MAJOR};
    assert_fails(ctx, bnorm_commutation_f64(ctx, 2000, 2, square), BNORM_E_ARGUMENT, "limited");
    assert_fails(ctx, bnorm_commutation_f64(ctx, huge, 3, row), BNORM_E_ARGUMENT, "overflows");
    bnorm_mat_f64 none = {0};
    assert_fails(ctx,
                 bnorm_jacobian_f64(ctx, BNORM_JACOBIAN_Z, wide, none, NULL, NULL,
                                    (bnorm_rule){0, 0}, big),
                 BNORM_E_ARGUMENT, "limited");
    bnorm_ctx_destroy(ctx);
}

static void bad_views(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    double d[64] = {0};
    bnorm_mat_f64 a = bnorm_view_f64(d, 4, 3, BNORM_ROW_MAJOR), bad = a;
    bad.ld = 2;
    assert_fails(ctx, bnorm_vec_f64(ctx, bad, d), BNORM_E_ARGUMENT, "ld 2");
    bad = a;
    bad.layout = (bnorm_layout)7;
    assert_fails(ctx, bnorm_vec_f64(ctx, bad, d), BNORM_E_ARGUMENT, "layout 7");
    bad = a;
    bad.data = NULL;
    assert_fails(ctx, bnorm_vec_f64(ctx, bad, d), BNORM_E_ARGUMENT, "data NULL");
    assert_fails(ctx, bnorm_vec_f64(ctx, a, NULL), BNORM_E_ARGUMENT, "out is NULL");
    assert_fails(ctx, bnorm_kron_f64(ctx, a, a, a), BNORM_E_ARGUMENT, "expected 16 x 9");
    bad = bnorm_view_f64(d, 4, 2, BNORM_ROW_MAJOR);
    assert_fails(ctx, bnorm_khatri_rao_f64(ctx, a, bad, a), BNORM_E_ARGUMENT, "columns");
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vec_of_a_product),    cmocka_unit_test(mixed_product),
        cmocka_unit_test(commutation),         cmocka_unit_test(khatri_rao),
        cmocka_unit_test(limits_and_overflow), cmocka_unit_test(bad_views),
    };
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
