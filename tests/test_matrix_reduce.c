/* matrix_reduce: rows shared among processes give what all of them give in one. */
#define _POSIX_C_SOURCE 200809L
#include "matrix_support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tolerance.h"

static const bnorm_layout layouts[] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};

static double unit_of(int f32)
{
    return f32 ? UNIT_F32 : UNIT_F64;
}

/* Two processes that hold the same rows. */
static int add_twin(void *user, double *values, ptrdiff_t count)
{
    ++*(int *)user;
    for (ptrdiff_t i = 0; i < count; i++) values[i] *= 2;
    return 0;
}

static int refuse(void *user, double *values, ptrdiff_t count)
{
    (void)values;
    (void)count;
    return --*(int *)user < 0;
}

static bnorm_ctx *reducing_ctx(int (*reduce)(void *, double *, ptrdiff_t), void *user)
{
    bnorm_ctx_options options;
    bnorm_ctx *ctx;
    bnorm_ctx_defaults(&options);
    options.reduce = reduce;
    options.reduce_user = user;
    assert_int_equal(bnorm_ctx_create(&options, &ctx), BNORM_OK);
    return ctx;
}

/* One share of rows and what a process computes from it. */
typedef struct share {
    bnorm_ctx *ctx;
    mat x, w, y, dx;
    const double *weights;
    double n, mean[4], m2[4], rstd[4], dgamma[4], dbeta[4];
    double fmean[4];
    bnorm_status status[3];
} share;

static const bnorm_rule rule = {1e-3, 1};

static void *run_share(void *argument)
{
    share *s = argument;
    s->status[0] = call_moments(s->ctx, &s->x, s->weights, &s->n, s->mean, s->m2);
    s->status[1] =
        call_forward(s->ctx, &s->x, s->weights, NULL, NULL, rule, &s->y, s->fmean, s->rstd);
    s->status[2] = call_backward(s->ctx, &s->x, &s->w, s->weights, NULL, s->fmean, s->rstd,
                                 rule, &s->dx, s->dgamma, s->dbeta);
    return NULL;
}

static share share_make(const mat *x, const mat *w, ptrdiff_t first, ptrdiff_t rows,
                        const double *weights)
{
    share s = {.weights = weights ? weights + first : NULL};
    mat *to[] = {&s.x, &s.w, &s.y, &s.dx};
    for (int k = 0; k < 4; k++) *to[k] = mat_make(x->f32, x->layout, rows, x->cols, 0, 0);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < x->cols; j++) {
            mat_set(&s.x, i, j, mat_get(x, first + i, j));
            mat_set(&s.w, i, j, mat_get(w, first + i, j));
        }
    return s;
}

static void share_free(share *s)
{
    mat *all[] = {&s->x, &s->w, &s->y, &s->dx};
    for (int k = 0; k < 4; k++) mat_free(all[k]);
    bnorm_ctx_destroy(s->ctx);
}

/* What a share has got is what the whole gives. */
static void check_share(const share *s, const share *whole, ptrdiff_t first)
{
    double unit = unit_of(s->x.f32);
    for (int k = 0; k < 3; k++) assert_int_equal(s->status[k], BNORM_OK);
    for (ptrdiff_t j = 0; j < 4; j++) {
        check_near(s->n, whole->n, 1e-12, "n", 0, j);
        check_near(s->mean[j], whole->mean[j], 1e-13, "mean", 0, j);
        check_near(s->fmean[j], whole->mean[j], 1e-13, "mean", 0, j);
        check_near(s->m2[j], whole->m2[j], 1e-12 * whole->m2[j], "m2", 0, j);
        check_near(s->rstd[j], whole->rstd[j], 1e-12, "rstd", 0, j);
        check_near(s->dgamma[j], whole->dgamma[j], 1e-11 + 80 * unit, "dgamma", 0, j);
        check_near(s->dbeta[j], whole->dbeta[j], 1e-11 + 80 * unit, "dbeta", 0, j);
        for (ptrdiff_t i = 0; i < s->x.rows; i++) {
            check_near(mat_get(&s->y, i, j), mat_get(&whole->y, first + i, j), 1e-12 + 8 * unit,
                       "y", i, j);
            check_near(mat_get(&s->dx, i, j), mat_get(&whole->dx, first + i, j),
                       1e-12 + 8 * unit, "dx", i, j);
        }
    }
}

/* The twin of a process: as if every row were there twice. */
static void reduction_of_twins(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        ptrdiff_t n = k >> 2 ? 20000 : 50;
        mat x = mat_make(k & 1, layouts[k >> 1 & 1], 2 * n, 4, 0, 0), w = mat_copy(&x);
        mat_fill(&x, 1, 1, 1);
        mat_fill(&w, 2, 0, 0.01);
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t j = 0; j < 4; j++) {
                mat_set(&x, n + i, j, mat_get(&x, i, j));
                mat_set(&w, n + i, j, mat_get(&w, i, j));
            }
        for (ptrdiff_t i = 0; i < 2 * n; i++) mat_set(&x, i, 3, (double)0.1f); /* constant */
        int calls = 0;
        share whole = share_make(&x, &w, 0, 2 * n, NULL), half = share_make(&x, &w, 0, n, NULL);
        half.ctx = reducing_ctx(add_twin, &calls);
        run_share(&whole);
        run_share(&half);
        check_share(&half, &whole, 0);
        assert_int_equal(calls, 5); /* two for moments, two for forward, one for backward */
        assert_true(half.mean[3] == (double)0.1f && half.m2[3] == 0);
        share_free(&whole);
        share_free(&half);
        mat_free(&x);
        mat_free(&w);
    }
}

/* Two processes as two threads that meet at every sum. */
typedef struct meeting {
    pthread_barrier_t barrier;
    double values[2][64];
} meeting;
typedef struct seat {
    meeting *at;
    int side;
} seat;

static int add_both(void *user, double *values, ptrdiff_t count)
{
    seat *s = user;
    if (count > 64) return 1;
    memcpy(s->at->values[s->side], values, (size_t)count * sizeof *values);
    pthread_barrier_wait(&s->at->barrier);
    for (ptrdiff_t i = 0; i < count; i++) values[i] = s->at->values[0][i] + s->at->values[1][i];
    pthread_barrier_wait(&s->at->barrier);
    return 0;
}

static void two_shares(int k, ptrdiff_t first_rows, const double *weights)
{
    enum { N = 90 };
    mat x = mat_make(k & 1, layouts[k >> 1 & 1], N, 4, 0, 0), w = mat_copy(&x);
    mat_fill(&x, 3, 10, 1);
    mat_fill(&w, 4, 0, 0.1);
    for (ptrdiff_t i = 0; i < N; i++) mat_set(&x, i, 3, (double)0.1f);
    meeting m;
    seat seats[2] = {{&m, 0}, {&m, 1}};
    assert_int_equal(pthread_barrier_init(&m.barrier, NULL, 2), 0);
    share whole = share_make(&x, &w, 0, N, weights);
    share parts[2] = {share_make(&x, &w, 0, first_rows, weights),
                      share_make(&x, &w, first_rows, N - first_rows, weights)};
    for (int s = 0; s < 2; s++) parts[s].ctx = reducing_ctx(add_both, &seats[s]);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_share, &parts[1]), 0);
    run_share(&parts[0]);
    pthread_join(thread, NULL);
    run_share(&whole);
    check_share(&parts[0], &whole, 0);
    check_share(&parts[1], &whole, first_rows);
    assert_memory_equal(parts[0].mean, parts[1].mean, sizeof parts[0].mean);
    assert_memory_equal(parts[0].rstd, parts[1].rstd, sizeof parts[0].rstd);
    assert_true(parts[1].mean[3] == (double)0.1f && parts[1].m2[3] == 0);
    share_free(&whole);
    share_free(&parts[0]);
    share_free(&parts[1]);
    mat_free(&x);
    mat_free(&w);
    pthread_barrier_destroy(&m.barrier);
}

static void reduction_of_shares(void **state)
{
    (void)state;
    double *weights = vec_weights(90, 1);
    static const ptrdiff_t firsts[] = {0, 1, 31, 89, 90}; /* an empty share too */
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 5; i++) {
            two_shares(k, firsts[i], NULL);
            two_shares(k, firsts[i], weights);
        }
    free(weights);
}

static void failing_reduction(void **state)
{
    (void)state;
    mat x = mat_make(0, BNORM_ROW_MAJOR, 9, 4, 0, 0), y = mat_copy(&x);
    double n, mean[4], m2[4];
    mat_fill(&x, 1, 0, 1);
    for (int good = 0; good < 2; good++) {
        int left = good;
        bnorm_ctx *ctx = reducing_ctx(refuse, &left);
        assert_fails(ctx, call_moments(ctx, &x, NULL, &n, mean, m2), BNORM_E_USER, "reduction");
        left = good;
        assert_fails(ctx, call_forward(ctx, &x, NULL, NULL, NULL, rule, &y, mean, m2),
                     BNORM_E_USER, "reduction");
        left = 0;
        assert_fails(ctx, call_backward(ctx, &x, &x, NULL, NULL, mean, m2, rule, &y, mean, m2),
                     BNORM_E_USER, "reduction");
        bnorm_ctx_destroy(ctx);
    }
    mat_free(&x);
    mat_free(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reduction_of_twins),
        cmocka_unit_test(reduction_of_shares),
        cmocka_unit_test(failing_reduction),
    };
    return cmocka_run_group_tests_name("matrix_reduce", tests, NULL, NULL);
}
