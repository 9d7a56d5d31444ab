/* matrix_running: running statistics as each system of maths.md section 5 keeps them, by that
 * table's formulas, and their refusals. */
#include "matrix_support.h"

#include <math.h>
#include <string.h>

enum { P = 3, BATCHES = 5, ROWS = 7 };

/* The batches, and their plain statistics: biased and unbiased variance. */
typedef struct batches {
    double x[BATCHES][ROWS][P];
    double n[BATCHES], mean[BATCHES][P], m2[BATCHES][P];
} batches;

static batches make_batches(void)
{
    batches b;
    bnorm_random_normal(2, 0, 0, (ptrdiff_t)BATCHES * ROWS * P, &b.x[0][0][0]);
    for (int k = 0; k < BATCHES; k++) {
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < P; j++) b.x[k][i][j] = b.x[k][i][j] * (1 + j) + k;
        bnorm_mat_f64 x = bnorm_view_f64(&b.x[k][0][0], ROWS, P, BNORM_ROW_MAJOR);
        assert_ok(NULL, bnorm_moments_f64(NULL, x, NULL, &b.n[k], b.mean[k], b.m2[k]));
    }
    return b;
}

static double plain_mean(const batches *b, int k, int j)
{
    double sum = 0;
    for (int i = 0; i < ROWS; i++) sum += b->x[k][i][j];
    return sum / ROWS;
}

static double plain_var(const batches *b, int k, int j, double divisor)
{
    double sum = 0, m = plain_mean(b, k, j);
    for (int i = 0; i < ROWS; i++) sum += (b->x[k][i][j] - m) * (b->x[k][i][j] - m);
    return sum / divisor;
}

static void update_all(bnorm_running *r, const batches *b)
{
    for (int k = 0; k < BATCHES; k++)
        assert_ok(NULL, bnorm_running_update(NULL, r, b->n[k], b->mean[k], b->m2[k]));
}

/* running = (1 - update) running + update batch, from (mean, var) = (0, start). */
static void exponential(double update, double ddof, double start)
{
    batches b = make_batches();
    double mean[P] = {0}, var[P] = {start, start, start};
    bnorm_running r = {.kind = BNORM_RUNNING_EXPONENTIAL,
                       .update = update,
                       .ddof = ddof,
                       .cols = P,
                       .mean = mean,
                       .var = var};
    update_all(&r, &b);
    for (int j = 0; j < P; j++) {
        double m = 0, v = start;
        for (int k = 0; k < BATCHES; k++) {
            m = (1 - update) * m + update * plain_mean(&b, k, j);
            v = (1 - update) * v + update * plain_var(&b, k, j, ROWS - ddof);
        }
        check_near(mean[j], m, 1e-14 * (1 + fabs(m)), "mean", 0, j);
        check_near(var[j], v, 1e-13 * v, "var", 0, j);
    }
}

static void torch(void **state)
{
    (void)state;
    exponential(0.1, 1, 1);
}

static void keras(void **state)
{
    (void)state;
    exponential(1 - 0.99, 0, 1);
}

static void onnx(void **state)
{
    (void)state;
    exponential(1 - 0.7, 0, 2.5); /* starts where its inputs say */
}

static void cs231n(void **state)
{
    (void)state;
    exponential(1 - 0.9, 0, 0);
}

/* Algorithm 2: E[x] = mean of the batch means, Var[x] = N/(N-1) mean of the batch variances. */
static void the_paper(void **state)
{
    (void)state;
    batches b = make_batches();
    double mean[P] = {5, 5, 5}, var[P] = {9, 9, 9};
    bnorm_running r = {
        .kind = BNORM_RUNNING_AVERAGE, .ddof = 1, .cols = P, .mean = mean, .var = var};
    update_all(&r, &b);
    assert_true(r.count == BATCHES);
    for (int j = 0; j < P; j++) {
        double m = 0, v = 0;
        for (int k = 0; k < BATCHES; k++) {
            m += plain_mean(&b, k, j) / BATCHES;
            v += plain_var(&b, k, j, ROWS) / BATCHES * ROWS / (ROWS - 1);
        }
        check_near(mean[j], m, 1e-14 * (1 + fabs(m)), "mean", 0, j);
        check_near(var[j], v, 1e-13 * v, "var", 0, j);
    }
}

/* Pooling: the statistics of all rows seen as one matrix; R's scale() with ddof 1. */
static void pooled(void **state)
{
    (void)state;
    batches b = make_batches();
    double mean[P] = {0}, var[P] = {4, 4, 4}, m2[P] = {0}, n, all[P], all_m2[P];
    bnorm_running r = {
        .kind = BNORM_RUNNING_MERGE, .ddof = 1, .cols = P, .mean = mean, .var = var, .m2 = m2};
    double first[P] = {1, 2, 3}, none[P] = {0};
    assert_ok(NULL, bnorm_running_update(NULL, &r, 1, first, none));
    assert_true(var[0] == 4 && mean[2] == 3 && r.count == 1); /* one row: no variance yet */
    r.count = 0;
    memset(mean, 0, sizeof mean);
    update_all(&r, &b);
    bnorm_mat_f64 x =
        bnorm_view_f64(&b.x[0][0][0], (ptrdiff_t)BATCHES * ROWS, P, BNORM_ROW_MAJOR);
    assert_ok(NULL, bnorm_moments_f64(NULL, x, NULL, &n, all, all_m2));
    assert_true(r.count == n);
    for (int j = 0; j < P; j++) {
        check_near(mean[j], all[j], 1e-14 * (1 + fabs(all[j])), "mean", 0, j);
        check_near(var[j], all_m2[j] / (n - 1), 1e-13 * var[j], "var", 0, j);
    }
}

/* update = 1: the batch itself, to the bit. */
static void whole_batch(void **state)
{
    (void)state;
    double mean[1] = {0.1}, var[1] = {0.3}, m[1] = {1.0 / 3}, m2[1] = {0.7};
    bnorm_running r = {
        .kind = BNORM_RUNNING_EXPONENTIAL, .update = 1, .cols = 1, .mean = mean, .var = var};
    assert_ok(NULL, bnorm_running_update(NULL, &r, 7, m, m2));
    assert_true(mean[0] == m[0] && var[0] == m2[0] / 7);
}

static void refusals(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    static const bnorm_running_kind kinds[] = {BNORM_RUNNING_EXPONENTIAL, BNORM_RUNNING_AVERAGE,
                                               BNORM_RUNNING_MERGE};
    static const double odd[] = {(double)NAN, (double)INFINITY};
    for (int k = 0; k < 6; k++) {
        double mean[P] = {1, 2, 3}, var[P] = {4, 5, 6}, m2[P] = {7, 8, 9};
        double batch[P] = {0, 0, 0}, batch_m2[P] = {1, 1, 1};
        bnorm_running r = {.kind = kinds[k % 3],
                           .update = 0.5,
                           .ddof = 1,
                           .count = 2,
                           .cols = P,
                           .mean = mean,
                           .var = var,
                           .m2 = m2};
        bnorm_running kept = r;
        (k < 3 ? batch : batch_m2)[1] = odd[k % 2];
        assert_fails(ctx, bnorm_running_update(ctx, &r, 5, batch, batch_m2), BNORM_E_NONFINITE,
                     "column 2");
        batch[1] = 0;
        batch_m2[1] = 1;
        if (kinds[k % 3] != BNORM_RUNNING_MERGE)
            assert_fails(ctx, bnorm_running_update(ctx, &r, 1, batch, batch_m2), BNORM_E_DOMAIN,
                         "n - ddof = 1 - 1");
        assert_fails(ctx, bnorm_running_update(ctx, &r, -1, batch, batch_m2), BNORM_E_ARGUMENT,
                     "n is -1");
        assert_fails(ctx, bnorm_running_update(ctx, &r, 5, NULL, batch_m2), BNORM_E_ARGUMENT,
                     "mean is NULL");
        r.var = NULL;
        assert_fails(ctx, bnorm_running_update(ctx, &r, 5, batch, batch_m2), BNORM_E_ARGUMENT,
                     "var of the running statistics is NULL");
        r = kept;
        r.ddof = -1;
        assert_fails(ctx, bnorm_running_update(ctx, &r, 5, batch, batch_m2), BNORM_E_ARGUMENT,
                     "ddof is -1");
        r = kept;
        r.cols = -1;
        assert_fails(ctx, bnorm_running_update(ctx, &r, 5, batch, batch_m2), BNORM_E_ARGUMENT,
                     "cols is -1");
        r = kept;
        r.kind = (bnorm_running_kind)9;
        assert_fails(ctx, bnorm_running_update(ctx, &r, 5, batch, batch_m2), BNORM_E_ARGUMENT,
                     "kind of the running statistics is 9");
        for (int j = 0; j < P; j++) /* nothing has changed */
            assert_true(mean[j] == 1 + j && var[j] == 4 + j && m2[j] == 7 + j);
        assert_true(kept.count == 2);
    }
    static const double updates[] = {0, -0.1, 1.5, (double)NAN};
    double one[1] = {1};
    for (int k = 0; k < 4; k++) {
        bnorm_running r = {.kind = BNORM_RUNNING_EXPONENTIAL,
                           .update = updates[k],
                           .cols = 1,
                           .mean = one,
                           .var = one};
        assert_fails(ctx, bnorm_running_update(ctx, &r, 5, one, one), BNORM_E_ARGUMENT,
                     "must be in (0, 1]");
    }
    bnorm_running r = {.kind = BNORM_RUNNING_MERGE, .cols = 1, .mean = one, .var = one};
    assert_fails(ctx, bnorm_running_update(ctx, &r, 5, one, one), BNORM_E_ARGUMENT,
                 "m2 of the running statistics is NULL");
    assert_fails(ctx, bnorm_running_update(ctx, NULL, 5, one, one), BNORM_E_ARGUMENT,
                 "running is NULL");
    bnorm_ctx_destroy(ctx);
}

/* Finite batches whose statistics are not, or are no variance: nothing changes, in no column. */
static void overflow(void **state)
{
    (void)state;
    bnorm_ctx *ctx = make_ctx(1);
    static const struct {
        bnorm_running_kind kind;
        double ddof, n, start, mean, m2;
        bnorm_status status;
    } cases[] = {
        {BNORM_RUNNING_EXPONENTIAL, 5 - 1e-10, 5, 0, 1, 1e308, BNORM_E_NONFINITE},
        {BNORM_RUNNING_EXPONENTIAL, 0, 5, 1.7e308, -1.7e308, 1, BNORM_E_NONFINITE},
        {BNORM_RUNNING_AVERAGE, 5 - 1e-10, 5, 0, 1, 1e308, BNORM_E_NONFINITE},
        {BNORM_RUNNING_MERGE, 1, 5, 1e200, -1e200, 1, BNORM_E_NONFINITE},
        {BNORM_RUNNING_MERGE, 1, 1.7e308, 0, 0, 1, BNORM_E_ARGUMENT},
        {BNORM_RUNNING_EXPONENTIAL, 0, 5, 0, 1, -5, BNORM_E_ARGUMENT},
        {BNORM_RUNNING_AVERAGE, 0, 5, 0, 1, -5, BNORM_E_ARGUMENT},
        {BNORM_RUNNING_MERGE, 0, 5, 0, 1, -5, BNORM_E_ARGUMENT},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        double mean[P] = {1, 2, cases[k].start}, var[P] = {4, 5, 6}, m2[P] = {7, 8, 9};
        double batch[P] = {0, 0, cases[k].mean}, batch_m2[P] = {1, 1, cases[k].m2};
        double count = cases[k].n > 1e300 ? 1e308 : 2;
        bnorm_running r = {.kind = cases[k].kind,
                           .update = 0.5,
                           .ddof = cases[k].ddof,
                           .count = count,
                           .cols = P,
                           .mean = mean,
                           .var = var,
                           .m2 = m2};
        assert_fails(ctx, bnorm_running_update(ctx, &r, cases[k].n, batch, batch_m2),
                     cases[k].status, count == 2 ? "column 3" : "add up");
        assert_true(mean[0] == 1 && mean[1] == 2 && mean[2] == cases[k].start);
        for (int j = 0; j < P; j++) assert_true(var[j] == 4 + j && m2[j] == 7 + j);
        assert_true(r.count == count);
    }
    bnorm_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torch),    cmocka_unit_test(keras),       cmocka_unit_test(onnx),
        cmocka_unit_test(cs231n),   cmocka_unit_test(pooled),      cmocka_unit_test(the_paper),
        cmocka_unit_test(refusals), cmocka_unit_test(whole_batch), cmocka_unit_test(overflow),
    };
    return cmocka_run_group_tests_name("matrix_running", tests, NULL, NULL);
}
