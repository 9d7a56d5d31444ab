/* matrix_laws: what must hold whatever the numbers: invariances, the identities of (B3),
 * central differences, weights as repeated rows, constant columns, far means. */
#include "matrix_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tolerance.h"

static const bnorm_layout layouts[] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};

/* A matrix with its statistics and gradients; gamma and weights may be NULL. */
typedef struct pass {
    mat x, y, w, dx;
    double *mean, *rstd, *dgamma, *dbeta;
} pass;

static pass pass_make(int f32, bnorm_layout layout, ptrdiff_t rows, ptrdiff_t cols)
{
    pass p = {.x = mat_make(f32, layout, rows, cols, 0, 0)};
    p.y = mat_make(f32, layout, rows, cols, 0, 0);
    p.w = mat_make(f32, layout, rows, cols, 0, 0);
    p.dx = mat_make(f32, layout, rows, cols, 0, 0);
    mat_fill(&p.x, 1, 1, 2);
    mat_fill(&p.w, 2, 0.3, 1);
    double **all[] = {&p.mean, &p.rstd, &p.dgamma, &p.dbeta};
    for (int i = 0; i < 4; i++) *all[i] = calloc((size_t)cols, sizeof(double));
    return p;
}

static void pass_free(pass *p)
{
    mat *mats[] = {&p->x, &p->y, &p->w, &p->dx};
    double *all[] = {p->mean, p->rstd, p->dgamma, p->dbeta};
    for (int i = 0; i < 4; i++) {
        mat_free(mats[i]);
        free(all[i]);
    }
}

static void pass_run(pass *p, const double *weights, const double *gamma, const double *beta,
                     bnorm_rule rule)
{
    assert_ok(NULL,
              call_forward(NULL, &p->x, weights, gamma, beta, rule, &p->y, p->mean, p->rstd));
    assert_ok(NULL, call_backward(NULL, &p->x, &p->w, weights, gamma, p->mean, p->rstd, rule,
                                  &p->dx, p->dgamma, p->dbeta));
}

/* Means of a million standard deviations in double, a hundred thousand in float. */
static void far_means(void **state)
{
    (void)state;
    for (int k = 0; k < 16; k++) {
        shape s = {.f32 = k & 1,
                   .layout = layouts[k >> 1 & 1],
                   .rows = 1201,
                   .cols = 11,
                   .weighted = k >> 2 & 1,
                   .affine = k >> 3 & 1,
                   .threads = 1};
        check_forward(s, s.f32 ? 1e5 : 1e6, 1, (bnorm_rule){0, 0});
        check_forward(s, s.f32 ? -1e5 : -1e6, 1, (bnorm_rule){1e-5, 1});
        check_backward(s, s.f32 ? 1e5 : 1e6, 1, (bnorm_rule){1e-5, 1});
    }
}

/* Adding a constant to a column leaves y and dx alone; numbers on a grid, so that it is exact.
 */
static void shift_of_a_column(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        int f32 = k & 1;
        pass a = pass_make(f32, layouts[k >> 1], 203, 7),
             b = pass_make(f32, layouts[k >> 1], 203, 7);
        double grid = f32 ? 0x1p-6 : 0x1p-20, far = f32 ? 0x1p14 : 0x1p20;
        for (ptrdiff_t i = 0; i < 203; i++)
            for (ptrdiff_t j = 0; j < 7; j++) {
                double v = grid * rint(mat_get(&a.x, i, j) / grid);
                mat_set(&a.x, i, j, v);
                mat_set(&b.x, i, j, v + far);
                assert_true(mat_get(&b.x, i, j) - far == v);
            }
        pass_run(&a, NULL, NULL, NULL, (bnorm_rule){1e-5, 1});
        pass_run(&b, NULL, NULL, NULL, (bnorm_rule){1e-5, 1});
        double u = f32 ? UNIT_F32 : UNIT_F64;
        for (ptrdiff_t j = 0; j < 7; j++)
            for (ptrdiff_t i = 0; i < 203; i++) {
                double y = mat_get(&a.y, i, j), dx = mat_get(&a.dx, i, j);
                double bound = tol_y(u, 203, y, 1, 0, y, far, a.rstd[j], 10) +
                               tol_map(u, y, far * a.rstd[j]);
                check_near(mat_get(&b.y, i, j), y, 2 * bound, "y", i, j);
                check_near(mat_get(&b.dx, i, j), dx, 2 * u * fabs(dx) + 40 * bound * a.rstd[j],
                           "dx", i, j);
            }
        pass_free(&a);
        pass_free(&b);
    }
}

/* Multiplying x by a power of two at eps = 0 leaves every bit of y, and scales dx. */
static void scale_of_a_column(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        pass a = pass_make(k & 1, layouts[k >> 1], 119, 13),
             b = pass_make(k & 1, layouts[k >> 1], 119, 13);
        for (ptrdiff_t i = 0; i < 119; i++)
            for (ptrdiff_t j = 0; j < 13; j++) mat_set(&b.x, i, j, 1024 * mat_get(&a.x, i, j));
        pass_run(&a, NULL, NULL, NULL, (bnorm_rule){0, 1});
        pass_run(&b, NULL, NULL, NULL, (bnorm_rule){0, 1});
        assert_true(mat_same(&a.y, &b.y));
        assert_memory_equal(a.dgamma, b.dgamma, 13 * sizeof(double));
        for (ptrdiff_t i = 0; i < 119; i++)
            for (ptrdiff_t j = 0; j < 13; j++)
                assert_true(mat_get(&a.dx, i, j) == 1024 * mat_get(&b.dx, i, j));
        pass_free(&a);
        pass_free(&b);
    }
}

static void permutation_of_rows(void **state)
{
    (void)state;
    enum { N = 517 };
    ptrdiff_t order[N];
    bnorm_random_permutation(9, 0, N, order);
    for (int k = 0; k < 4; k++) {
        pass a = pass_make(k & 1, layouts[k >> 1], N, 5),
             b = pass_make(k & 1, layouts[k >> 1], N, 5);
        for (ptrdiff_t i = 0; i < N; i++)
            for (ptrdiff_t j = 0; j < 5; j++) {
                mat_set(&b.x, i, j, mat_get(&a.x, order[i], j));
                mat_set(&b.w, i, j, mat_get(&a.w, order[i], j));
            }
        pass_run(&a, NULL, NULL, NULL, (bnorm_rule){1e-5, 0});
        pass_run(&b, NULL, NULL, NULL, (bnorm_rule){1e-5, 0});
        double u = k & 1 ? UNIT_F32 : UNIT_F64;
        for (ptrdiff_t j = 0; j < 5; j++)
            for (ptrdiff_t i = 0; i < N; i++) {
                double y = mat_get(&a.y, order[i], j), dx = mat_get(&a.dx, order[i], j);
                double bound = tol_y(u, N, y, 1, 0, y, 1, a.rstd[j], 10);
                check_near(mat_get(&b.y, i, j), y, 2 * bound, "y", i, j);
                check_near(mat_get(&b.dx, i, j), dx, 2 * u * fabs(dx) + 40 * bound * a.rstd[j],
                           "dx", i, j);
            }
        pass_free(&a);
        pass_free(&b);
    }
}

/* 1'dz = 0 and z_c'dz = gamma dgamma eps/sigma^2 (maths.md section 1). Theorem: dz_invariants.
 */
static void identities_of_backward(void **state)
{
    (void)state;
    for (int k = 0; k < 24; k++) {
        ptrdiff_t n = 301, cols = 9;
        pass p = pass_make(k & 1, layouts[k >> 1 & 1], n, cols);
        double *gamma = vec_normal(cols, 3, 1, 0.4), eps = k / 8 == 0   ? 0
                                                           : k / 8 == 1 ? 1e-3
                                                                        : 7;
        vec_round(k & 1, cols, gamma);
        pass_run(&p, NULL, gamma, NULL, (bnorm_rule){eps, k >> 2 & 1});
        double unit = k & 1 ? UNIT_F32 : UNIT_F64;
        for (ptrdiff_t j = 0; j < cols; j++) {
            double sum = 0, product = 0, size = 0, product_size = 0;
            for (ptrdiff_t i = 0; i < n; i++) {
                double d = mat_get(&p.x, i, j) - p.mean[j], dx = mat_get(&p.dx, i, j);
                double terms = gamma[j] * p.rstd[j] *
                               (fabs(mat_get(&p.w, i, j)) + fabs(p.dbeta[j]) / (double)n +
                                fabs(d * p.rstd[j] * p.dgamma[j]) / (double)n);
                sum += dx;
                product += d * dx;
                size += fabs(terms);
                product_size += fabs(d * terms);
            }
            double square = 1 / (p.rstd[j] * p.rstd[j]);
            double expected = gamma[j] * p.dgamma[j] * eps / square;
            double factor = (k & 1 ? 9 : 1) * unit + 4 * ((double)n + 16) * UNIT_F64;
            check_near(sum, 0, factor * size, "1'dz", 0, j);
            check_near(product, expected, factor * product_size + unit * fabs(expected),
                       "zc'dz", 0, j);
        }
        free(gamma);
        pass_free(&p);
    }
}

/* R = sum(U y) as a function of everything that can move. */
static double objective(pass *p, const mat *u, const double *weights, const double *gamma,
                        const double *beta, bnorm_rule rule)
{
    assert_ok(NULL,
              call_forward(NULL, &p->x, weights, gamma, beta, rule, &p->y, p->mean, p->rstd));
    double r = 0;
    for (ptrdiff_t i = 0; i < u->rows; i++)
        for (ptrdiff_t j = 0; j < u->cols; j++) r += mat_get(u, i, j) * mat_get(&p->y, i, j);
    return r;
}

/* The derivative from values at -2h, -h, h, 2h: error of order h^4. */
static double quotient(const double r[4], double h)
{
    return (r[0] - 8 * r[1] + 8 * r[2] - r[3]) / (12 * h);
}

static const double steps[4] = {-2, -1, 1, 2};

static void check_differences(bnorm_layout layout, const double *weights, bnorm_rule rule,
                              int constant)
{
    enum { N = 13, P = 4 };
    const double h = 0x1p-9;
    pass p = pass_make(0, layout, N, P);
    double *gamma = vec_normal(P, 3, 1, 0.4), *beta = vec_normal(P, 4, 0, 1);
    for (ptrdiff_t i = 0; constant && i < N; i++) mat_set(&p.x, i, 2, 0.7);
    pass_run(&p, weights, gamma, beta, rule);
    double *dgamma = p.dgamma, *dbeta = p.dbeta, r[4];
    for (ptrdiff_t j = 0; j < P; j++) {
        for (ptrdiff_t i = 0; i < N; i++) {
            double kept = mat_get(&p.x, i, j);
            for (int k = 0; k < 4; k++) {
                mat_set(&p.x, i, j, kept + steps[k] * h);
                r[k] = objective(&p, &p.w, weights, gamma, beta, rule);
            }
            mat_set(&p.x, i, j, kept);
            check_near(mat_get(&p.dx, i, j), quotient(r, h), 2e-8, "dx", i, j);
        }
        double *moved[2] = {gamma + j, beta + j}, got[2] = {dgamma[j], dbeta[j]};
        for (int v = 0; v < 2; v++) {
            double kept = *moved[v];
            for (int k = 0; k < 4; k++) {
                *moved[v] = kept + steps[k] * h;
                r[k] = objective(&p, &p.w, weights, gamma, beta, rule);
            }
            *moved[v] = kept;
            check_near(got[v], quotient(r, h), 1e-10, v ? "dbeta" : "dgamma", 0, j);
        }
    }
    free(gamma);
    free(beta);
    pass_free(&p);
}

static void central_differences(void **state)
{
    (void)state;
    double *weights = vec_weights(13, 3);
    for (int k = 0; k < 8; k++) {
        bnorm_rule rule = {k & 1 ? 0.1 : 0, k >> 1 & 1};
        check_differences(layouts[k >> 2], NULL, rule, 0);
        check_differences(layouts[k >> 2], weights, rule, 0);
        /* (B3) is the derivative of a constant column too, at eps > 0 */
        check_differences(layouts[k >> 2], NULL, (bnorm_rule){0.5, 1}, 1);
        check_differences(layouts[k >> 2], weights, (bnorm_rule){0.5, 0}, 1);
    }
    free(weights);
}

/* A constant column: its mean to the bit, variance 0, output beta to the bit, dgamma 0; at
 * eps = 0 also rstd and dx 0. Constants that sums of n terms would round. */
static void constant_columns(void **state)
{
    (void)state;
    static const ptrdiff_t rows[] = {2, 3, 7, 9, 100, 4097, 40000};
    for (int k = 0; k < 8; k++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            for (int e = 0; e < 3; e++) {
                int f32 = k & 1;
                ptrdiff_t n = rows[r], cols = 3;
                pass p = pass_make(f32, layouts[k >> 1 & 1], n, cols);
                double *weights = k >> 2 ? vec_weights(n, 2) : NULL, eps = e * 1e-5;
                double gamma[] = {1.7, 2, -3}, beta[] = {0.1, -0.3, 1e9},
                       c[] = {0.1, 1e7 / 3, 0};
                vec_round(f32, 3, gamma);
                vec_round(f32, 3, beta);
                vec_round(f32, 3, c);
                for (ptrdiff_t i = 0; i < n; i++)
                    for (ptrdiff_t j = 0; j < cols; j++) mat_set(&p.x, i, j, c[j]);
                pass_run(&p, weights, gamma, beta, (bnorm_rule){eps, 1});
                for (ptrdiff_t j = 0; j < cols; j++) {
                    assert_true(p.mean[j] == c[j]);
                    assert_true(p.rstd[j] == (eps > 0 ? 1 / sqrt(eps) : 0));
                    assert_true(p.dgamma[j] == 0);
                    for (ptrdiff_t i = 0; i < n; i++) {
                        assert_true(mat_get(&p.y, i, j) == beta[j]);
                        if (eps == 0) assert_true(mat_get(&p.dx, i, j) == 0);
                    }
                }
                free(weights);
                pass_free(&p);
            }
}

/* Whole weights are repeated rows: w of a row is shared among its copies, so is dx. */
static void weights_are_repeated_rows(void **state)
{
    (void)state;
    enum { N = 83, P = 6 };
    double weights[N];
    ptrdiff_t total = 0;
    for (int i = 0; i < N; i++) total += (ptrdiff_t)(weights[i] = i * 7 % 4);
    for (int k = 0; k < 4; k++) {
        pass a = pass_make(k & 1, layouts[k >> 1], N, P),
             b = pass_make(k & 1, layouts[k >> 1], total, P);
        for (ptrdiff_t i = 0, row = 0; i < N; i++)
            for (int copy = 0; copy < (int)weights[i]; copy++, row++)
                for (ptrdiff_t j = 0; j < P; j++) {
                    mat_set(&b.x, row, j, mat_get(&a.x, i, j));
                    mat_set(&b.w, row, j, mat_get(&a.w, i, j) / weights[i]);
                }
        for (ptrdiff_t j = 0; j < P; j++) /* a row that does not count sends nothing back */
            for (ptrdiff_t i = 0; i < N; i += 1)
                if (weights[i] == 0) mat_set(&a.w, i, j, 0);
        pass_run(&a, weights, NULL, NULL, (bnorm_rule){1e-3, 1});
        pass_run(&b, NULL, NULL, NULL, (bnorm_rule){1e-3, 1});
        double unit = k & 1 ? UNIT_F32 : UNIT_F64;
        for (ptrdiff_t j = 0; j < P; j++) {
            check_near(a.mean[j], b.mean[j], 2 * tol_mean((double)total, 3, 10), "mean", 0, j);
            check_near(a.rstd[j], b.rstd[j], 2 * tol_rstd((double)total, b.rstd[j]), "rstd", 0,
                       j);
            check_near(a.dgamma[j], b.dgamma[j], 400 * unit, "dgamma", 0, j);
            check_near(a.dbeta[j], b.dbeta[j], 400 * unit, "dbeta", 0, j);
            for (ptrdiff_t i = 0, row = 0; i < N; row += (ptrdiff_t)weights[i++]) {
                if (weights[i] == 0) continue;
                check_near(mat_get(&a.y, i, j), mat_get(&b.y, row, j), 400 * unit, "y", i, j);
                check_near(mat_get(&a.dx, i, j), weights[i] * mat_get(&b.dx, row, j),
                           400 * unit, "dx", i, j);
            }
        }
        pass_free(&a);
        pass_free(&b);
    }
}

/* Pivots are taken from the first rows that count; here those lie far from all others. */
static void far_first_rows(void **state)
{
    (void)state;
    for (int k = 0; k < 16; k++) {
        ptrdiff_t n = 5000;
        mat x = mat_make(k & 1, layouts[k >> 1 & 1], n, 3, 0, 0);
        double *weights = k >> 2 & 1 ? vec_weights(n, 1) : NULL, count, mean[3], m2[3];
        mat_fill(&x, 5, 0, 1);
        double far = k >> 3 ? 3e9 : 1000;
        for (ptrdiff_t i = 0; i < 8; i++) mat_set(&x, i, 1, far);
        if (weights) /* the same far rows, hardly counting */
            for (ptrdiff_t i = 0; i < 8; i++) weights[i] = 1e-12;
        assert_ok(NULL, call_moments(NULL, &x, weights, &count, mean, m2));
        for (ptrdiff_t j = 0; j < 3; j++) {
            column c = reference_column(&x, j, weights);
            double sd = sqrt((double)(c.m2 / c.n));
            check_near(count, c.n, UNIT_F64 * (double)n * (double)c.n, "n", 0, j);
            check_near(mean[j], c.mean, tol_mean((double)n, (double)c.mean, 8 * sd), "mean", 0,
                       j);
            check_near(m2[j], c.m2, tol_m2((double)n, (double)c.m2), "m2", 0, j);
        }
        free(weights);
        mat_free(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(far_means),
        cmocka_unit_test(shift_of_a_column),
        cmocka_unit_test(scale_of_a_column),
        cmocka_unit_test(permutation_of_rows),
        cmocka_unit_test(identities_of_backward),
        cmocka_unit_test(central_differences),
        cmocka_unit_test(constant_columns),
        cmocka_unit_test(weights_are_repeated_rows),
        cmocka_unit_test(far_first_rows),
    };
    return cmocka_run_group_tests_name("matrix_laws", tests, NULL, NULL);
}
