/* corpus: columns of many kinds, put through bnorm_forward_f64, bnorm_backward_f64 and
 * bnorm_moments_merge, printed as Coq terms of AlgorithmFloat.v in hexadecimal, so exactly. All
 * matrices are row-major with rows of one block: the case that Algorithm.v writes down. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bnorm.h"

enum { ROWS = 160, COLS = 7, CELLS = ROWS * COLS };

typedef struct shape {
    ptrdiff_t rows, cols;
    int weighted;
    double eps, ddof;
} shape;

static const shape shapes[] = {
    {2, 3, 0, 0, 0},     {3, 7, 0, 1e-5, 0},    {5, 7, 0, 0, 1},  {7, 7, 0, 1e-3, 1},
    {8, 7, 0, 0, 0},     {13, 7, 0, 1e-5, 0.5}, {40, 5, 0, 0, 1}, {160, 7, 0, 1e-5, 0},
    {2, 7, 1, 1e-5, 0},  {3, 7, 1, 0, 0},       {9, 7, 1, 0, 1},  {17, 7, 1, 1e-5, 0},
    {33, 7, 1, 1e-2, 1}, {160, 7, 1, 0, 0},
};

typedef struct data {
    double x[CELLS], w[CELLS], omega[ROWS], gamma[COLS], beta[COLS];
    double y[CELLS], dx[CELLS], mean[COLS], rstd[COLS], dgamma[COLS], dbeta[COLS];
} data;

static void stop(const char *what)
{
    fprintf(stderr, "corpus: %s\n", what);
    exit(1);
}

/* The kinds of columns: plain, large mean, constant, tiny, huge, heads far from the rest (the
 * pass about the pivot is redone), values on a coarse grid with ties and zeros. */
static double shaped(ptrdiff_t kind, ptrdiff_t i, ptrdiff_t rows, double u)
{
    switch (kind) {
    case 0:
        return u;
    case 1:
        return 1e9 + u;
    case 2:
        return 0.1;
    case 3:
        return u * 1e-310;
    case 4:
        return u * 1e150;
    case 5:
        return i <= rows / 20 ? 1e6 + u : u;
    default:
        return floor(4 * u);
    }
}

static void fill(data *d, const shape *s, uint64_t stream)
{
    bnorm_random_uniform(17, 5 * stream, 0, CELLS, d->x);
    bnorm_random_uniform(17, 5 * stream + 1, 0, CELLS, d->w);
    bnorm_random_uniform(17, 5 * stream + 2, 0, ROWS, d->omega);
    bnorm_random_uniform(17, 5 * stream + 3, 0, COLS, d->gamma);
    bnorm_random_uniform(17, 5 * stream + 4, 0, COLS, d->beta);
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        if (s->rows > 2 && (i == 0 || d->omega[i] < 0.2)) d->omega[i] = 0;
        d->omega[i] *= 4;
        for (ptrdiff_t j = 0; j < s->cols; j++) {
            double *x = d->x + i * s->cols + j;
            *x = shaped(j, i, s->rows, 4 * *x - 2);
        }
    }
    for (ptrdiff_t i = 0; i < CELLS; i++) d->w[i] = 2 * d->w[i] - 1;
    for (ptrdiff_t j = 0; j < COLS; j++) d->gamma[j] = 3 * d->gamma[j] - 1;
    d->gamma[COLS - 1] = 0;
}

static bnorm_mat_f64 view(double *values, const shape *s)
{
    return bnorm_view_f64(values, s->rows, s->cols, BNORM_ROW_MAJOR);
}

static void compute(data *d, const shape *s)
{
    const double *omega = s->weighted ? d->omega : NULL;
    bnorm_rule rule = {s->eps, s->ddof};
    bnorm_mat_f64 x = view(d->x, s);
    if (bnorm_forward_f64(NULL, x, omega, d->gamma, d->beta, rule, view(d->y, s), d->mean,
                          d->rstd))
        stop("forward failed");
    if (bnorm_backward_f64(NULL, x, view(d->w, s), omega, d->gamma, d->mean, d->rstd, rule,
                           view(d->dx, s), d->dgamma, d->dbeta))
        stop("backward failed");
}

static void print_number(double v)
{
    if (!isfinite(v)) stop("a value is not finite");
    printf("(%a)%%float", v);
}

static void print_list(const double *v, ptrdiff_t count, ptrdiff_t step)
{
    printf(" [");
    for (ptrdiff_t i = 0; i < count; i++) {
        if (i) printf("; ");
        print_number(v[i * step]);
    }
    printf("]");
}

static void print_column(const data *d, const shape *s, ptrdiff_t j)
{
    printf("mkcase");
    print_list(d->x + j, s->rows, s->cols);
    print_list(d->w + j, s->rows, s->cols);
    if (s->weighted) {
        printf(" (Some");
        print_list(d->omega, s->rows, 1);
        printf(")");
    } else {
        printf(" None");
    }
    const double numbers[] = {d->gamma[j], d->beta[j], s->eps, s->ddof, d->mean[j], d->rstd[j]};
    for (int k = 0; k < 6; k++) {
        printf(" ");
        print_number(numbers[k]);
    }
    print_list(d->y + j, s->rows, s->cols);
    printf(" ");
    print_number(d->dbeta[j]);
    printf(" ");
    print_number(d->dgamma[j]);
    print_list(d->dx + j, s->rows, s->cols);
}

/* The moments of one column. */
typedef struct triple {
    double n, mean, m2;
} triple;

static triple moments(const double *x, ptrdiff_t rows, const double *omega)
{
    triple t;
    bnorm_mat_f64 column = bnorm_view_f64(x, rows, 1, BNORM_ROW_MAJOR);
    if (bnorm_moments_f64(NULL, column, omega, &t.n, &t.mean, &t.m2)) stop("moments failed");
    return t;
}

static void print_triple(triple t)
{
    printf("(");
    print_number(t.n);
    printf(", ");
    print_number(t.mean);
    printf(", ");
    print_number(t.m2);
    printf(")");
}

/* The first column of the data, cut at a row: both parts and their merge. */
static void print_merge(const data *d, ptrdiff_t cut)
{
    triple a = moments(d->x, cut, NULL), b = moments(d->w, ROWS - cut, d->omega), c = a;
    if (bnorm_moments_merge(NULL, 1, &c.n, &c.mean, &c.m2, b.n, &b.mean, &b.m2))
        stop("merge failed");
    printf("(");
    print_triple(a);
    printf(", ");
    print_triple(b);
    printf(", ");
    print_triple(c);
    printf(")");
}

int main(void)
{
    static data d;
    const size_t count = sizeof shapes / sizeof *shapes;
    printf("(* Made by corpus.c. *)\n"
           "Require Import List Floats.\nFrom bnorm Require Import AlgorithmFloat.\n"
           "Import ListNotations.\nDefinition cases : list case := [\n");
    for (size_t k = 0; k < count; k++) {
        fill(&d, &shapes[k], k);
        compute(&d, &shapes[k]);
        for (ptrdiff_t j = 0; j < shapes[k].cols; j++) {
            print_column(&d, &shapes[k], j);
            printf(k + 1 < count || j + 1 < shapes[k].cols ? ";\n" : "].\n");
        }
    }
    printf("Definition batches : list (triple * triple * triple) := [\n");
    for (ptrdiff_t cut = 1; cut < 40; cut++) {
        print_merge(&d, cut);
        printf(cut + 1 < 40 ? ";\n" : "].\n");
    }
    printf("Theorem same_as_library : forallb (agrees %s) cases = true.\n"
           "Proof. vm_compute. reflexivity. Qed.\n"
           "Theorem merges_as_library : forallb merges batches = true.\n"
           "Proof. vm_compute. reflexivity. Qed.\n",
           strcmp(bnorm_isa(), "scalar") == 0 ? "unfused" : "fused");
    return 0;
}
