/* batch: see the header. With (theta, G2) given, only one column is projected: the error
 * E = Q(y - P theta - V G2), and dR/dV = -2 omega E G2'/n, for Q is its own adjoint under omega. */
#include "panel/batch.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"

/* --------------------------------------------------------------------------------- units */

static void count_rows(const problem *p, units *u, ptrdiff_t *size, ptrdiff_t groups)
{
    memset(size, 0, (size_t)(groups + 1) * sizeof *size);
    for (ptrdiff_t i = 0; i < p->rows; i++) size[p->unit ? p->unit[i] : i]++;
    ptrdiff_t at = 0;
    for (ptrdiff_t k = 0; k < groups; k++) { /* units without rows are left out */
        ptrdiff_t rows = size[k];
        size[k] = at;
        if (rows > 0) u->first[u->count++] = at;
        at += rows;
    }
    u->first[u->count] = at;
    for (ptrdiff_t i = 0; i < p->rows; i++) u->member[size[p->unit ? p->unit[i] : i]++] = i;
}

bnorm_status bnorm_units_create(bnorm_ctx *ctx, const problem *p, units *u)
{
    ptrdiff_t groups = p->unit ? p->units : p->rows;
    *u = (units){.rows = p->rows};
    u->first = bnorm_alloc(ctx, groups + 1, sizeof *u->first);
    u->order = bnorm_alloc(ctx, groups + 1, sizeof *u->order);
    u->member = bnorm_alloc(ctx, p->rows, sizeof *u->member);
    u->chosen = bnorm_alloc(ctx, p->rows, sizeof *u->chosen);
    if (!u->first || !u->order || !u->member || !u->chosen) {
        bnorm_units_free(u);
        return bnorm_fail_memory(ctx, "the units");
    }
    count_rows(p, u, u->order, groups);
    return BNORM_OK;
}

void bnorm_units_free(units *u)
{
    bnorm_free(u->first);
    bnorm_free(u->order);
    bnorm_free(u->member);
    bnorm_free(u->chosen);
    *u = (units){0};
}

void bnorm_units_shuffle(units *u, uint64_t seed, uint64_t stream)
{
    bnorm_random_permutation(seed, stream, u->count, u->order);
    u->next = 0;
    u->left = u->rows;
}

ptrdiff_t bnorm_units_next(units *u, ptrdiff_t share)
{
    u->chosen_count = 0;
    while (u->next < u->count && (u->chosen_count < share || 2 * u->left < share)) {
        ptrdiff_t unit = u->order[u->next++], rows = u->first[unit + 1] - u->first[unit];
        memcpy(u->chosen + u->chosen_count, u->member + u->first[unit],
               (size_t)rows * sizeof *u->chosen);
        u->chosen_count += rows;
        u->left -= rows;
    }
    return u->chosen_count;
}

/* --------------------------------------------------------------------------------- batch */

bnorm_status bnorm_batch_create(bnorm_ctx *ctx, const problem *p, batch *b)
{
    *b = (batch){.map_count = p->within ? p->factor_count : 0};
    b->maps = bnorm_alloc_zero(ctx, b->map_count, sizeof *b->maps);
    if (!b->maps) return bnorm_fail_memory(ctx, "the levels of a batch");
    for (ptrdiff_t k = 0; k < b->map_count; k++) {
        ptrdiff_t levels = p->factors[k].levels;
        b->maps[k] = bnorm_alloc(ctx, levels, sizeof **b->maps);
        if (!b->maps[k]) return bnorm_fail_memory(ctx, "the levels of a batch");
        for (ptrdiff_t l = 0; l < levels; l++) b->maps[k][l] = -1;
    }
    return BNORM_OK;
}

void bnorm_batch_free(batch *b)
{
    for (ptrdiff_t k = 0; b->maps && k < b->map_count; k++) bnorm_free(b->maps[k]);
    bnorm_free(b->maps);
    bnorm_buffer_free(&b->e);
    bnorm_problem_release(&b->part);
    *b = (batch){0};
}

bnorm_status bnorm_batch_take(bnorm_ctx *ctx, const problem *p, const ptrdiff_t *rows,
                              ptrdiff_t count, batch *b)
{
    BNORM_TRY(bnorm_buffer_reserve(ctx, &b->e, count, 1));
    return bnorm_problem_gather(ctx, p, rows, count, NULL, p->within ? b->maps : NULL,
                                &b->part);
}

/* The layers of each network have masks of their own. */
static bnorm_pass pass_of(bnorm_ctx *ctx, const problem *p, uint64_t seed, uint64_t step,
                          ptrdiff_t k)
{
    return (bnorm_pass){.training = 1,
                        .seed = seed + UINT64_C(0xD1B54A32D192ED03) * (uint64_t)k,
                        .step = step,
                        .weights = p->weights,
                        .ctx = ctx};
}

static bnorm_mat_f64 outputs(const problem *p, ptrdiff_t k)
{
    const bnorm_net *net = p->networks[k].net;
    return bnorm_net_kept(net, net->layer_count - 1);
}

static double dot(ptrdiff_t count, const double *a, const double *b)
{
    double sum = 0;
    for (ptrdiff_t j = 0; j < count; j++) sum += a[j] * b[j];
    return sum;
}

/* e = y/s - score; the logistic loss keeps the score. */
static void find_errors(const problem *p, const top *t, double *e)
{
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        const double *row = p->p.data + i * p->p.ld;
        double score = 0;
        for (ptrdiff_t j = 0; j < t->linear; j++) score += row[j] * (t->b[j] / t->scale[j]);
        e[i] = score;
    }
    const double *b = t->b + t->linear;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        bnorm_mat_f64 v = outputs(p, k);
        for (ptrdiff_t i = 0; i < p->rows; i++) e[i] += dot(v.cols, v.data + i * v.ld, b);
        b += v.cols;
    }
    for (ptrdiff_t i = 0; !p->logistic && i < p->rows; i++) e[i] = p->y[i] / t->s - e[i];
}

/* The loss, and dR/dscore in the place of e. */
static double find_pull(const problem *p, double *e)
{
    exact_sum sum = {0, 0};
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        double weight = p->weights ? p->weights[i] : 1, share, loss = e[i] * e[i];
        if (p->logistic) loss = bnorm_top_logistic(e[i], p->y[i], &share);
        bnorm_exact_add(&sum, weight * loss);
        e[i] = p->logistic ? -weight * (p->y[i] - share) / p->n : -2 * weight * e[i] / p->n;
    }
    return bnorm_exact_value(&sum) / p->n;
}

/* From dR/dscore the gradient in b, without its penalties. */
static void top_gradient(const problem *p, const top *t, const double *pull, double *gradient)
{
    memset(gradient, 0, (size_t)t->count * sizeof *gradient);
    for (ptrdiff_t i = 0; i < p->rows; i++)
        for (ptrdiff_t j = 0; j < t->linear; j++)
            gradient[j] += pull[i] * (p->p.data[i * p->p.ld + j] / t->scale[j]);
    gradient += t->linear;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        bnorm_mat_f64 v = outputs(p, k);
        for (ptrdiff_t i = 0; i < v.rows; i++)
            for (ptrdiff_t j = 0; j < v.cols; j++)
                gradient[j] += pull[i] * v.data[i * v.ld + j];
        gradient += v.cols;
    }
}

static void put_slopes(bnorm_mat_f64 v, const double *pull, const double *b)
{
    for (ptrdiff_t i = 0; i < v.rows; i++)
        for (ptrdiff_t j = 0; j < v.cols; j++) v.data[i * v.ld + j] = pull[i] * b[j];
}

bnorm_status bnorm_batch_gradient(bnorm_ctx *ctx, batch *b, const reduced *r, uint64_t seed,
                                  uint64_t step, double *value, double *gradient)
{
    const problem *p = &b->part.problem;
    const top *t = &r->t;
    bnorm_mat_f64 v, e = bnorm_view_f64(b->e.data, p->rows, 1, BNORM_ROW_MAJOR);
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        bnorm_pass pass = pass_of(ctx, p, seed, step, k);
        BNORM_TRY(bnorm_net_up(p->networks[k].net, &pass, p->networks[k].x, gradient, &v));
    }
    find_errors(p, t, e.data);
    BNORM_TRY(bnorm_top_q(ctx, p, e, e));
    *value = find_pull(p, e.data);
    double *top_part = gradient + r->count;
    top_gradient(p, t, e.data, top_part);
    for (ptrdiff_t j = 0; j < t->count; j++) top_part[j] += 2 * t->ridge[j] * t->b[j];
    const double *above = t->b + t->linear;
    double *hidden = gradient;
    for (ptrdiff_t k = 0; k < p->network_count; k++) {
        bnorm_pass pass = pass_of(ctx, p, seed, step, k);
        v = outputs(p, k);
        put_slopes(v, e.data, above);
        BNORM_TRY(bnorm_net_down(p->networks[k].net, &pass, hidden));
        hidden += p->networks[k].net->parameter_count;
        above += v.cols;
    }
    *value += bnorm_top_penalty(t, t->b) + bnorm_reduced_penalty(r, gradient);
    return BNORM_OK;
}
