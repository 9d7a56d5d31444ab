/* conformance_run: arguments from a case, results printed and compared. */
#include "conformance_run.h"

#include <math.h>
#include <stdlib.h>

void *grab(ptrdiff_t count)
{
    void *block = calloc((size_t)count + 1, sizeof(double));
    if (!block) exit(1);
    return block;
}

void demand(const run *r, bnorm_status status)
{
    if (!status) return;
    fprintf(stderr, "conformance: %s: %s\n", r->c->name, bnorm_ctx_message(r->ctx));
    exit(1);
}

static ptrdiff_t place(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j)
{
    return m.layout == BNORM_ROW_MAJOR ? i * m.ld + j : i + j * m.ld;
}

bnorm_mat_f64 empty(const run *r, ptrdiff_t rows, ptrdiff_t cols)
{
    return bnorm_view_f64(grab(rows * cols), rows, cols, r->layout);
}

bnorm_mat_f64 matrix(const run *r, const char *key)
{
    const item *it = case_find(r->c, ITEM_VALUES, key);
    if (!it) return (bnorm_mat_f64){.data = NULL};
    bnorm_mat_f64 m = empty(r, it->rows, it->cols);
    for (ptrdiff_t i = 0; i < it->rows; i++)
        for (ptrdiff_t j = 0; j < it->cols; j++)
            m.data[place(m, i, j)] = it->values[i * it->cols + j];
    return m;
}

bnorm_rule rule(const run *r)
{
    return (bnorm_rule){.eps = case_number(r->c, "eps"), .ddof = case_number(r->c, "ddof")};
}

/* -------------------------------------------------------------------------------- results */

static void compare(run *r, const char *key, bnorm_mat_f64 m)
{
    const item *it = case_find(r->c, ITEM_EXPECT, key);
    int wrong = !it || it->rows != m.rows || it->cols != m.cols;
    for (ptrdiff_t k = 0; !wrong && k < m.rows * m.cols; k++) {
        double got = m.data[place(m, k / m.cols, k % m.cols)];
        wrong = !(fabs(got - it->values[k]) <= it->bound);
    }
    if (wrong) fprintf(stderr, "conformance: %s: %s is not as expected\n", r->c->name, key);
    r->bad |= wrong;
}

void show_matrix(run *r, const char *key, bnorm_mat_f64 m)
{
    for (ptrdiff_t i = 0; i < m.rows; i++)
        for (ptrdiff_t j = 0; j < m.cols; j++)
            printf("%s %s %td %td %a\n", r->c->name, key, i + 1, j + 1, m.data[place(m, i, j)]);
    compare(r, key, m);
}

void show(run *r, const char *key, const double *values, ptrdiff_t count)
{
    show_matrix(r, key, bnorm_view_f64(values, 1, count, BNORM_ROW_MAJOR));
}
