/* matrix_bits: the same bits for any number of threads, padded or not, aligned or not, in place
 * or not, streamed or not; a non-finite value stays in its column. */
#include "matrix_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Everything that forward, backward, inference and layer normalisation give for one matrix. */
typedef struct results {
    mat y, dx, inferred, layer, layer_dx;
    double
        *v; /* mean, rstd, dgamma, dbeta, m2, layer dgamma, dbeta: cols each; layer mean, rstd
             */
    ptrdiff_t numbers;
} results;

/* How the same numbers are presented to the functions. */
typedef struct manner {
    int threads, in_place;
    ptrdiff_t pad, shift;
} manner;

static mat output(const mat *in, const manner *m)
{
    return m->in_place
               ? mat_copy(in)
               : mat_make(in->f32, in->layout, in->rows, in->cols, m->pad, m->shift + 2);
}

static void results_free(results *r)
{
    mat *all[] = {&r->y, &r->dx, &r->inferred, &r->layer, &r->layer_dx};
    for (size_t i = 0; i < 5; i++) {
        mat_check_canaries(all[i]);
        mat_free(all[i]);
    }
    free(r->v);
}

/* Where a column of x holds `odd` in its middle row; j < 0: nowhere. */
typedef struct spot {
    ptrdiff_t j;
    double odd;
} spot;

static mat presented(const shape *s, const manner *m, uint64_t stream, spot at)
{
    mat x = mat_make(s->f32, s->layout, s->rows, s->cols, m->pad, m->shift);
    mat_fill(&x, stream, 2, 1);
    if (at.j >= 0) mat_set(&x, s->rows / 2, at.j, at.odd);
    return x;
}

static results run_all(shape s, manner m, spot x_spot, spot w_spot)
{
    bnorm_ctx *ctx = make_ctx(m.threads);
    bnorm_rule rule = {1e-3, 1};
    mat x = presented(&s, &m, 1, x_spot), w = presented(&s, &m, 2, w_spot);
    double *weights = s.weighted ? vec_weights(s.rows, 4) : NULL;
    double *gamma = vec_normal(s.cols, 5, 1, 0.5), *beta = vec_normal(s.cols, 6, 0, 1);
    double *var = vec_normal(s.cols, 7, 9, 1);
    vec_round(s.f32, s.cols, gamma);
    vec_round(s.f32, s.cols, beta);
    results r = {.numbers = 7 * s.cols + 2 * s.rows};
    r.v = calloc((size_t)r.numbers, sizeof(double));
    double *mean = r.v, *rstd = mean + s.cols, *dgamma = rstd + s.cols,
           *dbeta = dgamma + s.cols, *m2 = dbeta + s.cols, *lg = m2 + s.cols, *lb = lg + s.cols,
           *lmean = lb + s.cols, *lrstd = lmean + s.rows, n;
    r.y = output(&x, &m);
    r.inferred = output(&x, &m);
    r.layer = output(&x, &m);
    r.dx = output(&w, &m);
    r.layer_dx = output(&w, &m);
    const mat *fy = m.in_place ? &r.y : &x, *fi = m.in_place ? &r.inferred : &x;
    const mat *fl = m.in_place ? &r.layer : &x, *fd = m.in_place ? &r.dx : &w;
    const mat *fe = m.in_place ? &r.layer_dx : &w;
    assert_ok(ctx, call_moments(ctx, &x, weights, &n, mean, m2));
    assert_ok(ctx, call_forward(ctx, fy, weights, gamma, beta, rule, &r.y, mean, rstd));
    assert_ok(ctx, call_backward(ctx, &x, fd, weights, gamma, mean, rstd, rule, &r.dx, dgamma,
                                 dbeta));
    assert_ok(ctx, call_infer(ctx, fi, gamma, beta, beta, var, 1e-3, &r.inferred));
    assert_ok(ctx, call_layer_forward(ctx, fl, gamma, beta, 1e-3, &r.layer, lmean, lrstd));
    assert_ok(ctx, call_layer_backward(ctx, &x, fe, gamma, lmean, lrstd, &r.layer_dx, lg, lb));
    double *vectors[] = {weights, gamma, beta, var};
    for (size_t i = 0; i < 4; i++) free(vectors[i]);
    mat_check_canaries(&x);
    mat_check_canaries(&w);
    mat_free(&x);
    mat_free(&w);
    bnorm_ctx_destroy(ctx);
    return r;
}

static const spot nowhere = {-1, 0};

static void assert_same(const results *a, const results *b, const shape *s, const manner *m)
{
    int same = memcmp(a->v, b->v, (size_t)a->numbers * sizeof(double)) == 0;
    int mats = mat_same(&a->y, &b->y) && mat_same(&a->dx, &b->dx) &&
               mat_same(&a->inferred, &b->inferred) && mat_same(&a->layer, &b->layer) &&
               mat_same(&a->layer_dx, &b->layer_dx);
    if (same && mats) return;
    print_shape(s);
    print_error("vectors same %d, matrices same %d: threads %d pad %td shift %td in place %d\n",
                same, mats, m->threads, m->pad, m->shift, m->in_place);
    fail();
}

static void check_manners(shape s)
{
    static const manner plain = {1, 0, 0, 0};
    static const manner manners[] = {{2, 0, 0, 0}, {3, 0, 5, 1}, {4, 1, 0, 3},
                                     {1, 0, 1, 2}, {1, 1, 7, 0}, {4, 0, 0, 0}};
    results expected = run_all(s, plain, nowhere, nowhere);
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++) {
        results got = run_all(s, manners[i], nowhere, nowhere);
        assert_same(&expected, &got, &s, &manners[i]);
        results_free(&got);
    }
    results_free(&expected);
}

static void each_kind(const ptrdiff_t (*sizes)[2], size_t count, void (*check)(shape s))
{
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < 8; k++) {
            shape s = {.f32 = k & 1,
                       .layout = k & 2 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR,
                       .weighted = k >> 2,
                       .rows = sizes[i][0],
                       .cols = sizes[i][1]};
            check(s);
        }
}

static void same_bits_small(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][2] = {{5, 3}, {33, 17}, {70, 40}, {64, 8}, {3, 1}, {70, 64}};
    each_kind(sizes, 6, check_manners);
}

/* Large enough for threads and for several blocks and strips. */
static void same_bits_large(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][2] = {{3001, 40}, {40001, 3}, {150, 1111}};
    each_kind(sizes, 3, check_manners);
}

/* Larger than the caches: outputs are streamed, in place they are not. */
static void same_bits_streamed(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        shape s = {.f32 = k & 1, .layout = k & 2 ? BNORM_COL_MAJOR : BNORM_ROW_MAJOR};
        s.rows = s.f32 ? 3301 : 1701;
        s.cols = k & 4 ? 1003 : 1024; /* rows that begin at odd places, and alike */
        static const manner plain = {1, 0, 0, 0}, place = {1, 1, 0, 1}, odd = {2, 0, 3, 1};
        results expected = run_all(s, plain, nowhere, nowhere);
        results in_place = run_all(s, place, nowhere, nowhere);
        results padded = run_all(s, odd, nowhere, nowhere);
        assert_same(&expected, &in_place, &s, &place);
        assert_same(&expected, &padded, &s, &odd);
        results_free(&expected);
        results_free(&in_place);
        results_free(&padded);
    }
}

/* Column j of y, or dx, is wholly non-finite, and the other columns have the bits they have
 * without. */
static void assert_contained(const mat *clean, const mat *got, ptrdiff_t bad, const char *what)
{
    for (ptrdiff_t i = 0; i < got->rows; i++)
        for (ptrdiff_t j = 0; j < got->cols; j++) {
            double p = mat_get(clean, i, j), q = mat_get(got, i, j);
            int good = j == bad ? !isfinite(q) : memcmp(&p, &q, sizeof p) == 0;
            if (!good) {
                print_error("%s (%td, %td): %g where clean data give %g\n", what, i, j, q, p);
                fail();
            }
        }
}

static void contain(shape s)
{
    static const double odds[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    static const manner plain = {2, 0, 1, 1};
    results clean = run_all(s, plain, nowhere, nowhere);
    for (int k = 0; k < 3; k++) {
        spot at = {s.cols / 2, odds[k]};
        results bad_x = run_all(s, plain, at, nowhere), bad_w = run_all(s, plain, nowhere, at);
        assert_contained(&clean.y, &bad_x.y, at.j, "y");
        assert_contained(&clean.dx, &bad_x.dx, at.j, "dx");
        assert_contained(&clean.dx, &bad_w.dx, at.j, "dx of dy");
        for (ptrdiff_t j = 0; j < s.cols; j++) {
            assert_int_equal(isfinite(bad_x.v[j]), j != at.j);              /* mean */
            assert_int_equal(isfinite(bad_x.v[s.cols + j]), j != at.j);     /* rstd */
            assert_int_equal(isfinite(bad_w.v[2 * s.cols + j]), j != at.j); /* dgamma */
            assert_int_equal(isfinite(bad_w.v[3 * s.cols + j]), j != at.j); /* dbeta */
        }
        results_free(&bad_x);
        results_free(&bad_w);
    }
    results_free(&clean);
}

static void non_finite_stays_in_its_column(void **state)
{
    (void)state;
    static const ptrdiff_t sizes[][2] = {{9, 5}, {40, 19}, {2100, 21}};
    each_kind(sizes, 3, contain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_small),
        cmocka_unit_test(same_bits_large),
        cmocka_unit_test(same_bits_streamed),
        cmocka_unit_test(non_finite_stays_in_its_column),
    };
    return cmocka_run_group_tests_name("matrix_bits", tests, NULL, NULL);
}
