/* exact: see the header. Nothing here is taken from the library: the definitions as they stand. */
#include "exact.h"

#include <stdlib.h>

#include <mpfr.h>

enum { BITS = 256 };

/* The line, which becomes zhat, and what its loops share. */
typedef struct work {
    mpfr_t *z;
    mpfr_t mean, m2, rstd, dgamma, dbeta, u_mean, slope, t, u;
} work;

static void each(work *k, void (*f)(mpfr_ptr))
{
    mpfr_ptr all[] = {k->mean,   k->m2,    k->rstd, k->dgamma, k->dbeta,
                      k->u_mean, k->slope, k->t,    k->u};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) f(all[i]);
}

static void start(mpfr_ptr a)
{
    mpfr_init2(a, BITS);
    mpfr_set_zero(a, 1);
}

/* z_i = x_i, or x_i' g. */
static void load(const exact_line *line, work *k)
{
    for (ptrdiff_t i = 0; i < line->n; i++) {
        if (!line->g) mpfr_set_d(k->z[i], line->x[i], MPFR_RNDN);
        for (ptrdiff_t c = 0; line->g && c < line->inputs; c++) {
            mpfr_set_d(k->t, line->x[i * line->inputs + c], MPFR_RNDN);
            mpfr_mul_d(k->t, k->t, line->g[c], MPFR_RNDN);
            mpfr_add(k->z[i], k->z[i], k->t, MPFR_RNDN);
        }
        mpfr_add(k->mean, k->mean, k->z[i], MPFR_RNDN);
    }
    mpfr_div_si(k->mean, k->mean, (long)line->n, MPFR_RNDN);
}

/* Mean, M2, rstd; z becomes zhat. */
static void normalise(const exact_line *line, work *k)
{
    if (line->given) mpfr_set_d(k->mean, line->given[0], MPFR_RNDN);
    for (ptrdiff_t i = 0; i < line->n; i++) {
        mpfr_sub(k->z[i], k->z[i], k->mean, MPFR_RNDN);
        mpfr_sqr(k->t, k->z[i], MPFR_RNDN);
        mpfr_add(k->m2, k->m2, k->t, MPFR_RNDN);
    }
    mpfr_set_d(k->t, (double)line->n, MPFR_RNDN);
    mpfr_sub_d(k->t, k->t, line->ddof, MPFR_RNDN);
    mpfr_div(k->t, k->m2, k->t, MPFR_RNDN);
    if (line->given) mpfr_set_d(k->t, line->given[1], MPFR_RNDN);
    mpfr_add_d(k->t, k->t, line->eps, MPFR_RNDN);
    if (mpfr_sgn(k->t) > 0) mpfr_rec_sqrt(k->rstd, k->t, MPFR_RNDN); /* else it stays 0 */
    for (ptrdiff_t i = 0; i < line->n; i++) mpfr_mul(k->z[i], k->z[i], k->rstd, MPFR_RNDN);
}

/* t = gamma w of value i. */
static void upstream(const exact_line *line, work *k, ptrdiff_t i)
{
    mpfr_set_d(k->t, line->w[i], MPFR_RNDN);
    mpfr_mul_d(k->t, k->t, line->gamma[i * line->step], MPFR_RNDN);
}

/* The sums of w, zhat w, u and zhat u, the last two over n and n - ddof. */
static void collect(const exact_line *line, work *k)
{
    for (ptrdiff_t i = 0; i < line->n; i++) {
        mpfr_add_d(k->dbeta, k->dbeta, line->w[i], MPFR_RNDN);
        mpfr_mul_d(k->t, k->z[i], line->w[i], MPFR_RNDN);
        mpfr_add(k->dgamma, k->dgamma, k->t, MPFR_RNDN);
        upstream(line, k, i);
        mpfr_add(k->u_mean, k->u_mean, k->t, MPFR_RNDN);
        mpfr_mul(k->t, k->t, k->z[i], MPFR_RNDN);
        mpfr_add(k->slope, k->slope, k->t, MPFR_RNDN);
    }
    mpfr_div_si(k->u_mean, k->u_mean, (long)line->n, MPFR_RNDN);
    mpfr_set_d(k->t, (double)line->n, MPFR_RNDN);
    mpfr_sub_d(k->t, k->t, line->ddof, MPFR_RNDN);
    mpfr_div(k->slope, k->slope, k->t, MPFR_RNDN);
}

static void differentiate(const exact_line *line, work *k, long double *dx)
{
    for (ptrdiff_t i = 0; i < line->n; i++) {
        upstream(line, k, i);
        mpfr_sub(k->t, k->t, k->u_mean, MPFR_RNDN);
        mpfr_mul(k->u, k->z[i], k->slope, MPFR_RNDN);
        mpfr_sub(k->t, k->t, k->u, MPFR_RNDN);
        mpfr_mul(k->t, k->t, k->rstd, MPFR_RNDN);
        dx[i] = mpfr_get_ld(k->t, MPFR_RNDN);
    }
}

static void apply(const exact_line *line, work *k, long double *y)
{
    for (ptrdiff_t i = 0; i < line->n; i++) {
        mpfr_mul_d(k->t, k->z[i], line->gamma[i * line->step], MPFR_RNDN);
        mpfr_add_d(k->t, k->t, line->beta[i * line->step], MPFR_RNDN);
        y[i] = mpfr_get_ld(k->t, MPFR_RNDN);
    }
}

int bnorm_exact_line(const exact_line *line, long double *sums, long double *zhat,
                     long double *y, long double *dx)
{
    work k;
    k.z = malloc((size_t)(line->n + 1) * sizeof *k.z);
    if (!k.z) return -1;
    each(&k, start);
    for (ptrdiff_t i = 0; i < line->n; i++) start(k.z[i]);
    load(line, &k);
    normalise(line, &k);
    if (line->w) collect(line, &k);
    if (line->w && dx) differentiate(line, &k, dx);
    if (y) apply(line, &k, y);
    for (ptrdiff_t i = 0; zhat && i < line->n; i++) zhat[i] = mpfr_get_ld(k.z[i], MPFR_RNDN);
    sums[EXACT_MEAN] = mpfr_get_ld(k.mean, MPFR_RNDN);
    sums[EXACT_M2] = mpfr_get_ld(k.m2, MPFR_RNDN);
    sums[EXACT_RSTD] = mpfr_get_ld(k.rstd, MPFR_RNDN);
    sums[EXACT_DGAMMA] = mpfr_get_ld(k.dgamma, MPFR_RNDN);
    sums[EXACT_DBETA] = mpfr_get_ld(k.dbeta, MPFR_RNDN);
    for (ptrdiff_t i = 0; i < line->n; i++) mpfr_clear(k.z[i]);
    each(&k, mpfr_clear);
    mpfr_free_cache();
    free(k.z);
    return 0;
}

void bnorm_exact_sums(ptrdiff_t count, ptrdiff_t n, const long double *a, const double *b,
                      long double *out)
{
    mpfr_t sum, t;
    mpfr_inits2(BITS, sum, t, (mpfr_ptr)0);
    for (ptrdiff_t j = 0; j < n; j++) {
        mpfr_set_zero(sum, 1);
        for (ptrdiff_t i = 0; i < count; i++) {
            mpfr_set_ld(t, a[i * n + j], MPFR_RNDN);
            mpfr_mul_d(t, t, b[i * n + j], MPFR_RNDN);
            mpfr_add(sum, sum, t, MPFR_RNDN);
        }
        out[j] = mpfr_get_ld(sum, MPFR_RNDN);
    }
    mpfr_clears(sum, t, (mpfr_ptr)0);
    mpfr_free_cache();
}
