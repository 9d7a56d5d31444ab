/* gram_support: see the header. */
#include "gram_support.h"

#include <math.h>
#include <stdlib.h>

void set_up(problem *p)
{
    p->x = mat_make(p->f32, p->layout, p->rows, p->p1, p->pad, 0);
    p->g1 = mat_make(p->f32, p->layout, p->p1, p->p2, p->pad, 0);
    p->w = mat_make(p->f32, p->layout, p->rows, p->p2, p->pad, 0);
    mat_fill(&p->x, 1, 0, sqrt(1 - p->common));
    mat_fill(&p->g1, 2, 0, 1);
    mat_fill(&p->w, 3, 0.5, 1);
    double *factor = vec_normal(p->rows, 4, 0, sqrt(p->common));
    for (ptrdiff_t i = 0; i < p->rows; i++)
        for (ptrdiff_t k = 0; k < p->p1; k++)
            mat_set(&p->x, i, k,
                    p->mean * (1 + 0.1 * (double)k) + factor[i] + mat_get(&p->x, i, k));
    /* every second column of G1 adds up to nothing, so the factor cancels */
    for (ptrdiff_t j = 0; j < p->p2; j += 2) {
        double sum = 0;
        for (ptrdiff_t k = 0; k < p->p1; k++) sum += mat_get(&p->g1, k, j);
        for (ptrdiff_t k = 0; k < p->p1; k++)
            mat_set(&p->g1, k, j, mat_get(&p->g1, k, j) - sum / (double)p->p1);
    }
    p->weights = p->weighted ? vec_weights(p->rows, 5) : NULL;
    p->gamma = vec_normal(p->p2, 6, 0.3, 1);
    p->beta = vec_normal(p->p2, 7, 0, 1);
    vec_round(p->f32, p->p2, p->gamma);
    vec_round(p->f32, p->p2, p->beta);
    free(factor);
}

void tear_down(problem *p)
{
    mat_check_canaries(&p->x);
    mat_check_canaries(&p->g1);
    mat_check_canaries(&p->w);
    mat_free(&p->x);
    mat_free(&p->g1);
    mat_free(&p->w);
    free(p->weights);
    free(p->gamma);
    free(p->beta);
}

answer answer_make(const problem *p)
{
    answer a = {.b = mat_make(p->f32, p->layout, p->rows, p->p2, p->pad, 1),
                .dg1 = mat_make(p->f32, p->layout, p->p1, p->p2, p->pad, 3)};
    a.mean = vec_normal(4 * p->p2, 8, 0, 1);
    a.rstd = a.mean + p->p2;
    a.dgamma = a.rstd + p->p2;
    a.dbeta = a.dgamma + p->p2;
    return a;
}

void answer_free(answer *a)
{
    mat_check_canaries(&a->b);
    mat_check_canaries(&a->dg1);
    mat_free(&a->b);
    mat_free(&a->dg1);
    free(a->mean);
}

/* -------------------------------------------------------------------------------- calls */

bnorm_status make_gram(bnorm_ctx *ctx, const problem *p, gram_memory *m)
{
    m->values = malloc((size_t)(p->p1 * (p->p1 + 2) + 1) * sizeof *m->values);
    double *xbar = m->values, *s = xbar + 2 * p->p1;
    return p->f32 ? bnorm_gram_f32(ctx, mat_f32(&p->x), p->weights, p->rule.ddof, xbar, s,
                                   &m->gram)
                  : bnorm_gram_f64(ctx, mat_f64(&p->x), p->weights, p->rule.ddof, xbar, s,
                                   &m->gram);
}

static void as_floats(ptrdiff_t count, const double *v, float *f)
{
    for (ptrdiff_t k = 0; k < count; k++) f[k] = (float)v[k];
}

bnorm_status dense_forward(bnorm_ctx *ctx, const problem *p, const bnorm_gram *gram, answer *a)
{
    float gamma[64], beta[64];
    if (!p->f32)
        return bnorm_dense_forward_f64(ctx, mat_f64(&p->x), mat_f64(&p->g1), gram, p->gamma,
                                       p->beta, p->rule.eps, mat_f64(&a->b), a->mean, a->rstd);
    as_floats(p->p2, p->gamma, gamma);
    as_floats(p->p2, p->beta, beta);
    return bnorm_dense_forward_f32(ctx, mat_f32(&p->x), mat_f32(&p->g1), gram, gamma, beta,
                                   p->rule.eps, mat_f32(&a->b), a->mean, a->rstd);
}

bnorm_status dense_backward(bnorm_ctx *ctx, const problem *p, const bnorm_gram *gram, answer *a)
{
    float gamma[64], dgamma[64], dbeta[64];
    if (!p->f32)
        return bnorm_dense_backward_f64(ctx, mat_f64(&p->x), mat_f64(&p->g1), gram,
                                        mat_f64(&p->w), p->gamma, a->rstd, mat_f64(&a->dg1),
                                        a->dgamma, a->dbeta);
    as_floats(p->p2, p->gamma, gamma);
    bnorm_status status =
        bnorm_dense_backward_f32(ctx, mat_f32(&p->x), mat_f32(&p->g1), gram, mat_f32(&p->w),
                                 gamma, a->rstd, mat_f32(&a->dg1), dgamma, dbeta);
    for (ptrdiff_t j = 0; status == BNORM_OK && j < p->p2; j++) {
        a->dgamma[j] = (double)dgamma[j];
        a->dbeta[j] = (double)dbeta[j];
    }
    return status;
}

answer weight_space(bnorm_ctx *ctx, const problem *p)
{
    gram_memory m;
    answer a = answer_make(p);
    assert_ok(ctx, make_gram(ctx, p, &m));
    assert_ok(ctx, dense_forward(ctx, p, &m.gram, &a));
    assert_ok(ctx, dense_backward(ctx, p, &m.gram, &a));
    free(m.values);
    return a;
}
