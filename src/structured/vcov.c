/* vcov: the covariance of a structured model's parameters, from its matrices. */
#include "structured/vcov.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/panel.h"

void bnorm_vcov_defaults(bnorm_vcov_options *options)
{
    if (options) *options = (bnorm_vcov_options){.struct_size = sizeof *options, .small = 1};
}

void bnorm_vcov_destroy(bnorm_vcov *vcov)
{
    if (!vcov) return;
    for (ptrdiff_t k = 0; vcov->unidentified && k < vcov->info.unidentified; k++)
        bnorm_free(vcov->unidentified[k]);
    bnorm_free(vcov->unidentified);
    bnorm_free(vcov->cluster[0]);
    bnorm_free(vcov->cluster[1]);
    bnorm_free(vcov->effects);
    bnorm_free(vcov->own);
    bnorm_covariance_free(&vcov->c);
    bnorm_free(vcov);
}

/* -------------------------------------------------------------------------------- create */

typedef struct making {
    bnorm_ctx *ctx;
    const bnorm_panel *panel;
    const bnorm_vcov_options *options;
    bnorm_vcov *vcov;
    ptrdiff_t rows, cols;
    double *j, *e, *curvature, *penalty;
    panel_cluster cluster[2];
    int ways;
} making;

static double weight_of(const bnorm_panel *p, ptrdiff_t i)
{
    return p->weights ? p->weights[i] : 1;
}

static bnorm_mat_f64 jacobian_of(const making *m)
{
    return bnorm_view_f64(m->j, m->rows, m->cols, BNORM_ROW_MAJOR);
}

/* The rows of `effects` that follow the levels: each factor's mean over the rows. */
static void mean_effects(const making *m, double *effects, double *means)
{
    const bnorm_panel *p = m->panel;
    memset(means, 0, (size_t)(p->info.factors * m->cols) * sizeof *means);
    for (ptrdiff_t f = 0; f < p->info.factors; f++) {
        for (ptrdiff_t i = 0; i < m->rows; i++) {
            const double *row = effects + p->codes[f][i] * m->cols;
            double share = weight_of(p, i) / p->info.n;
            for (ptrdiff_t k = 0; k < m->cols; k++) means[k] += share * row[k];
        }
        effects += p->factors[f].levels * m->cols;
        means += m->cols;
    }
}

static bnorm_status take_effects(making *m)
{
    const bnorm_panel *p = m->panel;
    bnorm_vcov *v = m->vcov;
    ptrdiff_t levels = 0, size;
    if (!p->within) return BNORM_OK;
    for (ptrdiff_t f = 0; f < p->info.factors; f++) levels += p->factors[f].levels;
    v->levels = levels + p->info.factors;
    v->effects = bnorm_multiply(v->levels, m->cols, &size)
                     ? bnorm_alloc(m->ctx, size, sizeof *v->effects)
                     : NULL;
    if (!v->effects) return bnorm_fail_memory(m->ctx, "the effects of a covariance");
    bnorm_mat_f64 out = bnorm_view_f64(v->effects, levels, m->cols, BNORM_ROW_MAJOR);
    BNORM_TRY(bnorm_problem_effect_design(m->ctx, &p->problem, jacobian_of(m), out));
    mean_effects(m, v->effects, v->effects + levels * m->cols);
    return BNORM_OK;
}

/* The effect of a level is its mean less what the parameters explain of it: that mean's own
 * variance, which estimates for unequal variances do not know level by level. */
static bnorm_status take_own(making *m)
{
    const bnorm_panel *p = m->panel;
    bnorm_vcov *v = m->vcov;
    if (!p->within || p->info.factors != 1 || p->slopes[0] || p->info.logistic ||
        m->options->type != BNORM_VCOV_CLASSICAL)
        return BNORM_OK;
    v->own_count = p->factors[0].levels + 1;
    v->own = bnorm_alloc_zero(m->ctx, v->own_count, sizeof *v->own);
    if (!v->own) return bnorm_fail_memory(m->ctx, "the effects of a covariance");
    for (ptrdiff_t i = 0; i < m->rows; i++) {
        v->own[p->codes[0][i]] += weight_of(p, i);
        v->own[v->own_count - 1] += weight_of(p, i);
    }
    for (ptrdiff_t k = 0; k < v->own_count; k++)
        v->own[k] = v->c.sigma * v->c.sigma / v->own[k];
    return BNORM_OK;
}

/* p(1 - p) of a logistic model. */
static bnorm_status take_curvature(making *m)
{
    const bnorm_panel *p = m->panel;
    if (!p->info.logistic) return BNORM_OK;
    m->curvature = bnorm_alloc(m->ctx, m->rows, sizeof *m->curvature);
    if (!m->curvature) return bnorm_fail_memory(m->ctx, "a covariance");
    BNORM_TRY(bnorm_problem_score(m->ctx, &p->problem, m->curvature));
    for (ptrdiff_t i = 0; i < m->rows; i++) {
        double e = exp(-fabs(m->curvature[i]));
        m->curvature[i] = e / ((1 + e) * (1 + e));
    }
    return BNORM_OK;
}

static bnorm_status take_clusters(making *m, const bnorm_table *table)
{
    const bnorm_vcov_options *o = m->options;
    if (o->type != BNORM_VCOV_CLUSTER) return BNORM_OK;
    m->ways = o->cluster[1] ? 2 : 1;
    for (int k = 0; k < m->ways; k++) {
        panel_cluster *c = &m->cluster[k];
        BNORM_TRY(bnorm_panel_cluster(m->ctx, m->panel, table, o->cluster[k], c));
        m->vcov->cluster[k] = c->name;
        c->name = NULL;
    }
    return BNORM_OK;
}

static bnorm_status estimate(making *m)
{
    const bnorm_panel *p = m->panel;
    int any;
    covariance_request q = {.type = m->options->type,
                            .j = jacobian_of(m),
                            .weights = p->weights,
                            .residuals = m->e,
                            .curvature = m->curvature,
                            .absorbed = p->within ? bnorm_within_rank(p->within) : 0,
                            .small = m->options->small,
                            .cluster_count = m->ways};
    for (int k = 0; k < m->ways; k++)
        q.cluster[k] = (clustering){m->cluster[k].codes, m->cluster[k].count};
    if (m->ways)
        BNORM_TRY(
            bnorm_panel_counted(m->ctx, p, m->options->count, q.cluster, m->ways, &q.counted));
    BNORM_TRY(bnorm_problem_penalties(m->ctx, &p->problem, m->options->full, m->penalty, &any));
    if (any) q.penalty = m->penalty;
    return bnorm_covariance_make(m->ctx, &q, &m->vcov->c);
}

void bnorm_vcov_fill_info(bnorm_vcov *v)
{
    bnorm_vcov_info *info = &v->info;
    info->struct_size = sizeof *info;
    info->parameters = v->c.parameters;
    info->rank = v->c.rank;
    info->unidentified = v->c.parameters - v->c.rank;
    info->clusters[0] = v->c.clusters[0];
    info->clusters[1] = v->c.clusters[1];
    info->clipped = v->c.clipped;
    info->edf = v->c.edf;
    info->df = v->c.df;
    info->sigma = v->c.sigma;
}

static bnorm_status make(making *m, const bnorm_table *table)
{
    const problem *p = &m->panel->problem;
    ptrdiff_t size;
    bnorm_mat_f64 none = {0};
    m->rows = p->rows;
    m->cols = bnorm_problem_parameters(p, m->options->full);
    if (bnorm_multiply(m->rows, m->cols, &size) &&
        (!m->options->full || size <= BNORM_JACOBIAN_LIMIT))
        m->j = bnorm_alloc(m->ctx, size, sizeof *m->j);
    else /* let it be refused with its size */
        return bnorm_problem_jacobian(m->ctx, p, 1, 0,
                                      bnorm_view_f64(NULL, m->rows, m->cols, BNORM_ROW_MAJOR));
    m->e = bnorm_alloc(m->ctx, m->rows, sizeof *m->e);
    m->penalty = bnorm_alloc(m->ctx, m->cols, sizeof *m->penalty);
    if (!m->j || !m->e || !m->penalty) return bnorm_fail_memory(m->ctx, "a covariance");
    BNORM_TRY(take_clusters(m, table));
    BNORM_TRY(bnorm_problem_design(m->ctx, p, none, none, m->e));
    BNORM_TRY(take_curvature(m));
    BNORM_TRY(bnorm_problem_jacobian(m->ctx, p, m->options->full, 0, jacobian_of(m)));
    BNORM_TRY(take_effects(m));
    BNORM_TRY(bnorm_problem_project(m->ctx, p, jacobian_of(m)));
    BNORM_TRY(estimate(m));
    BNORM_TRY(take_own(m));
    BNORM_TRY(bnorm_vcov_name_unidentified(m->ctx, m->panel, m->vcov));
    m->vcov->info.type = m->options->type;
    m->vcov->info.full = m->options->full != 0;
    m->vcov->linear = m->panel->info.linear;
    bnorm_vcov_fill_info(m->vcov);
    return BNORM_OK;
}

static bnorm_status check(bnorm_ctx *ctx, const bnorm_panel *panel, const bnorm_vcov_options *o)
{
    if (!panel || o->struct_size != sizeof *o || (int)o->type < 0 ||
        o->type > BNORM_VCOV_CLUSTER || (int)o->count < 0 || o->count > BNORM_COUNT_ALL)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT,
                          "bnorm_vcov_create: panel is NULL, or an option is out of range");
    BNORM_TRY(bnorm_panel_need_rows(ctx, panel, "bnorm_vcov_create"));
    BNORM_TRY(bnorm_panel_need_fit(ctx, panel, "bnorm_vcov_create"));
    if (!panel->bag) return BNORM_OK;
    return bnorm_fail(
        ctx, BNORM_E_ARGUMENT,
        "bnorm_vcov_create: the mean of a bag minimises no loss, so its residuals "
        "say nothing of its errors: fit without bags");
}

bnorm_status bnorm_vcov_create(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_table *table,
                               const bnorm_vcov_options *options, bnorm_vcov **vcov)
{
    bnorm_vcov_options o;
    bnorm_vcov_defaults(&o);
    if (options) o = *options;
    if (!vcov) return bnorm_fail(ctx, BNORM_E_ARGUMENT, "bnorm_vcov_create: vcov is NULL");
    *vcov = NULL;
    BNORM_TRY(check(ctx, panel, &o));
    making m = {.ctx = ctx, .panel = panel, .options = &o};
    m.vcov = bnorm_alloc_zero(ctx, 1, sizeof *m.vcov);
    bnorm_status status = m.vcov ? make(&m, table) : bnorm_fail_memory(ctx, "a covariance");
    bnorm_free(m.j);
    bnorm_free(m.e);
    bnorm_free(m.curvature);
    bnorm_free(m.penalty);
    for (int k = 0; k < 2; k++) {
        bnorm_free(m.cluster[k].codes);
        bnorm_free(m.cluster[k].name);
    }
    if (status == BNORM_OK)
        *vcov = m.vcov;
    else
        bnorm_vcov_destroy(m.vcov);
    return status;
}

/* -------------------------------------------------------------------------------- results */

bnorm_status bnorm_vcov_describe(const bnorm_vcov *vcov, bnorm_vcov_info *info)
{
    if (!vcov || !info) return BNORM_E_ARGUMENT;
    *info = vcov->info;
    return BNORM_OK;
}

const char *bnorm_vcov_unidentified(const bnorm_vcov *vcov, ptrdiff_t k)
{
    return vcov && k >= 0 && k < vcov->info.unidentified ? vcov->unidentified[k] : NULL;
}

const char *bnorm_vcov_cluster(const bnorm_vcov *vcov, int k)
{
    return vcov && (k == 0 || k == 1) ? vcov->cluster[k] : NULL;
}

bnorm_status bnorm_vcov_linear(const bnorm_vcov *vcov, bnorm_mat_f64 cov)
{
    if (!vcov || !bnorm_view_legal(cov, vcov->linear, vcov->linear)) return BNORM_E_ARGUMENT;
    bnorm_covariance_copy(&vcov->c, cov);
    return BNORM_OK;
}

bnorm_status bnorm_vcov_all(const bnorm_vcov *vcov, bnorm_mat_f64 cov)
{
    ptrdiff_t size = vcov ? vcov->c.parameters : 0;
    if (!vcov || !bnorm_view_legal(cov, size, size)) return BNORM_E_ARGUMENT;
    bnorm_covariance_copy(&vcov->c, cov);
    return BNORM_OK;
}

bnorm_status bnorm_vcov_check(bnorm_ctx *ctx, const bnorm_panel *panel, const bnorm_vcov *vcov,
                              const char *what)
{
    ptrdiff_t expected = panel->info.linear + panel->info.top;
    if (vcov->info.full) expected += panel->info.hidden;
    if (vcov->c.parameters == expected && vcov->linear == panel->info.linear) return BNORM_OK;
    return bnorm_fail(ctx, BNORM_E_ARGUMENT, "%s: the covariance is that of another model",
                      what);
}
