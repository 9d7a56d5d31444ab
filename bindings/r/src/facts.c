/* facts: how good a fit is, and the notes about it in the model: those, in the order, that the
 * command writes, so that the same fit makes the same file. */
#include "build.h"

#include <math.h>
#include <stdio.h>

static double weight(const fit_part *p, ptrdiff_t i)
{
    return p->weights ? p->weights[i] : 1;
}

/* 1 - (sum of squared residuals)/(sum of squares about the mean), both weighted; NaN when the
 * observed values do not vary. A power of two is taken out first: their unit may be anything. */
static double r_squared(const fit_part *p, const double *fitted)
{
    double n = 0, mean = 0, total = 0, residual = 0, most = 0;
    int exponent;
    for (ptrdiff_t i = 0; i < p->count; i++) n += weight(p, i);
    for (ptrdiff_t i = 0; i < p->count; i++) mean += weight(p, i) / n * p->observed[i];
    for (ptrdiff_t i = 0; i < p->count; i++) most = fmax(most, fabs(p->observed[i] - mean));
    frexp(most, &exponent);
    for (ptrdiff_t i = 0; i < p->count; i++) {
        double d = ldexp(p->observed[i] - mean, -exponent);
        double e = ldexp(p->observed[i] - fitted[i], -exponent);
        total += weight(p, i) * d * d;
        residual += weight(p, i) * e * e;
    }
    return total > 0 ? 1 - residual / total : (double)NAN;
}

static double accuracy(const fit_part *p, const double *fitted)
{
    double n = 0, right = 0;
    for (ptrdiff_t i = 0; i < p->count; i++) {
        n += weight(p, i);
        if (p->observed[i] == fitted[i]) right += weight(p, i);
    }
    return right / n;
}

static double likeliest(const double *mean, ptrdiff_t outputs)
{
    ptrdiff_t best = 0;
    if (outputs == 1) return mean[0] > 0.5;
    for (ptrdiff_t k = 1; k < outputs; k++)
        if (mean[k] > mean[best]) best = k;
    return (double)best;
}

static bnorm_status judge_part(holder *h, const fit_facts *f, fit_part *p)
{
    ptrdiff_t outputs = bnorm_net_outputs(bnorm_model_net(h->model));
    double *mean = (double *)R_alloc((size_t)(p->count * outputs), sizeof *mean);
    double *fitted = (double *)R_alloc((size_t)p->count, sizeof *fitted);
    bnorm_mat_f64 m = bnorm_view_f64(mean, p->count, outputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 x = bnorm_view_f64(p->x, p->count, f->inputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(p->y, p->count, 1, BNORM_ROW_MAJOR);
    bnorm_status status =
        bnorm_model_predict(glue_ctx(), h->model, h->table, p->rows, p->count, m);
    if (!status)
        status = bnorm_net_loss(glue_ctx(), bnorm_model_net(h->model), x, y, p->weights,
                                bnorm_model_loss(h->model), &p->loss);
    if (status) return status;
    for (ptrdiff_t i = 0; i < p->count; i++)
        fitted[i] = f->classes ? likeliest(mean + i * outputs, outputs) : mean[i * outputs];
    p->good = f->classes ? accuracy(p, fitted) : r_squared(p, fitted);
    return BNORM_OK;
}

bnorm_status fit_judge(holder *h, fit_facts *f)
{
    bnorm_status status = BNORM_OK;
    for (int k = 0; k < 2 && !status; k++) {
        f->part[k].loss = f->part[k].good = NA_REAL;
        if (f->part[k].count) status = judge_part(h, f, &f->part[k]);
    }
    return status;
}

const char *optimizer_name(bnorm_optimizer optimizer)
{
    static const char *const names[] = {"auto", "lbfgs", "sgd", "rmsprop", "adam"};
    return names[optimizer];
}

static bnorm_status note_part(holder *h, const fit_facts *f, int k)
{
    char key[64];
    const fit_part *p = &f->part[k];
    const char *name = k ? "validation" : "training";
    if (!p->count) return BNORM_OK;
    snprintf(key, sizeof key, "%s loss", name);
    bnorm_status status = bnorm_model_set_number(glue_ctx(), h->model, key, p->loss);
    if (status || !isfinite(p->good)) return status;
    snprintf(key, sizeof key, "%s %s", name, f->classes ? "accuracy" : "r_squared");
    return bnorm_model_set_number(glue_ctx(), h->model, key, p->good);
}

void fit_note(holder *h, const fit_facts *f)
{
    bnorm_ctx *ctx = glue_ctx();
    const struct {
        const char *key;
        double value;
    } notes[] = {{"rows", (double)f->rows},
                 {"rows used", (double)f->used},
                 {"training rows", (double)f->part[0].count},
                 {"validation rows", (double)f->part[1].count},
                 {"seed", f->seed},
                 {"epochs", (double)f->report.epochs},
                 {"best epoch", (double)f->report.best_epoch}};
    bnorm_status status = bnorm_model_set_text(ctx, h->model, "statistics",
                                               f->running ? "running" : "population");
    if (!status)
        status = bnorm_model_set_text(ctx, h->model, "optimizer",
                                      optimizer_name(f->report.optimizer));
    if (!status && f->weights)
        status = bnorm_model_set_text(ctx, h->model, "weights", f->weights);
    for (size_t k = 0; k < sizeof notes / sizeof *notes && !status; k++)
        status = bnorm_model_set_number(ctx, h->model, notes[k].key, notes[k].value);
    for (int k = 0; k < 2 && !status; k++) status = note_part(h, f, k);
    glue_try(status);
}
