/* panel_print: a structured model as a regression table. Estimates have six digits, no stars. */
#include <math.h>
#include <string.h>

#include "cli.h"
#include "describe.h"
#include "panel.h"
#include "statistics.h"

static const char *const types[] = {"equal variances (classical)", "unequal variances (HC0)",
                                    "unequal variances (HC1)", "clustered"};

static const char *name(const panel_result *r, bnorm_panel_part part, ptrdiff_t k)
{
    return bnorm_panel_name(r->panel, part, k);
}

/* Characters of a text on a terminal, about: bytes that begin one. */
static int width(const char *text)
{
    int count = 0;
    for (; *text; text++) count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void number(FILE *file, int wide, const char *format, double value)
{
    char text[40] = "NA";
    if (!isnan(value)) snprintf(text, sizeof text, format, value);
    fprintf(file, " %*s", wide, text);
}

static void estimate(FILE *file, const panel_estimates *e, ptrdiff_t k)
{
    double t = e->estimate[k] / e->se[k], p = bnorm_cli_p_value(t, e->df);
    number(file, 12, "%.6g", e->estimate[k]);
    number(file, 12, "%.6g", e->se[k]);
    number(file, 9, "%.3f", t);
    number(file, 10, p < 1e-16 ? "< 1e-16" : "%.4g", p);
    fputc('\n', file);
}

static void estimates(FILE *file, const panel_result *r, const panel_estimates *e,
                      const char *title)
{
    int longest = (int)strlen(title);
    for (ptrdiff_t k = 0; k < e->count; k++)
        if (width(name(r, e->part, k)) > longest) longest = width(name(r, e->part, k));
    if (!e->count) return;
    fprintf(file, "\n%-*s %12s %12s %9s %10s\n", longest, title, "estimate", "std. error",
            isinf(e->df) ? "z" : "t", isinf(e->df) ? "P(>|z|)" : "P(>|t|)");
    for (ptrdiff_t k = 0; k < e->count; k++) {
        bnorm_cli_print(file, name(r, e->part, k));
        fprintf(file, "%*s", longest - width(name(r, e->part, k)), "");
        estimate(file, e, k);
    }
}

static void rows(FILE *file, const panel_result *r)
{
    const bnorm_panel_info *i = &r->info;
    if (r->table)
        fprintf(file, "rows: %td of %td in %s", i->rows, i->table_rows, r->table->name);
    else
        fprintf(file, "rows: %td of %td", i->rows, i->table_rows);
    fprintf(file, "; %td missing, %td of weight 0, %td singletons left out\n", i->missing,
            i->weightless, i->singletons);
    if (!i->units) return;
    fprintf(file, "panel: %td units", i->units);
    if (i->periods)
        fprintf(file, ", %td periods, %td gaps, %td duplicates", i->periods, i->gaps,
                i->duplicates);
    fputc('\n', file);
}

static void left_out(FILE *file, const panel_result *r)
{
    for (ptrdiff_t k = 0; k < r->info.dropped; k++) {
        fputs("left out: ", file);
        bnorm_cli_print(file, name(r, BNORM_PANEL_DROPPED, k));
        fputs(", ", file);
        bnorm_cli_print(file, name(r, BNORM_PANEL_REASON, k));
        fputc('\n', file);
    }
}

static void effects(FILE *file, const panel_result *r)
{
    if (!r->info.factors) return;
    fputs("fixed effects:", file);
    for (ptrdiff_t k = 0; k < r->info.factors; k++) {
        fputs(k ? ", " : " ", file);
        bnorm_cli_print(file, name(r, BNORM_PANEL_FACTOR, k));
        fprintf(file, " (%td levels)", bnorm_panel_levels(r->panel, k));
    }
    fprintf(file, "; %td parameters\n", r->info.absorbed);
}

/* "nn1: 4 inputs, hidden 8, 4 (batchnorm, tanh), 72 parameters below the last layer". */
static void network(FILE *file, bnorm_net *net, const char *label)
{
    bnorm_layer_info l;
    const char *activation = "no activation";
    int hidden = 0, normalised = 0;
    ptrdiff_t parameters = 0, inputs = bnorm_net_inputs(net);
    bnorm_net_parameters(net, &parameters);
    fprintf(file, "%s: %td input%s, hidden", label, inputs, inputs == 1 ? "" : "s");
    for (ptrdiff_t k = 0; k < bnorm_net_layer_count(net); k++) {
        if (bnorm_net_layer_info(NULL, net, k, &l)) continue;
        if (l.kind == BNORM_LAYER_DENSE)
            fprintf(file, "%s %td", hidden++ ? "," : "", l.outputs);
        if (l.kind == BNORM_LAYER_ACTIVATION) activation = l.name;
        normalised |= l.kind == BNORM_LAYER_BATCHNORM;
    }
    fprintf(file, " (%s%s), %td parameters below the last layer\n",
            normalised ? "batchnorm, " : "", activation, parameters);
}

static void networks(FILE *file, const panel_result *r)
{
    for (ptrdiff_t k = 0; k < r->info.networks; k++) {
        bnorm_net *net = bnorm_panel_net(r->panel, k, NULL);
        if (net) network(file, net, name(r, BNORM_PANEL_NETWORK, k));
    }
    if (!r->info.networks && bnorm_cli_formula_networks(bnorm_panel_formula(r->panel)))
        fputs("nn(...) is left out: cross-validation chose none\n", file);
}

static void training(FILE *file, const panel_result *r)
{
    static const char *const optimizers[] = {"auto", "lbfgs", "sgd", "rmsprop", "adam"};
    const bnorm_panel_report *p = &r->report;
    if (!r->settings || !r->info.networks) return;
    fprintf(file, "training: %s, %td epochs, best %td%s, %.1f s", optimizers[p->fit.optimizer],
            p->fit.epochs, p->fit.best_epoch, p->fit.converged ? ", converged" : "",
            p->fit.seconds);
    if (p->starts_done > 1)
        fprintf(file, "; %td %s, %.6g (best) to %.6g", p->starts_done,
                r->settings->fit.bags ? "starts of all members" : "starts", p->best, p->worst);
    if (!isnan(p->validation_rmse)) fprintf(file, "; held out: RMSE %.6g", p->validation_rmse);
    fputc('\n', file);
}

static void quality(FILE *file, const panel_result *r)
{
    const bnorm_panel_info *i = &r->info;
    fputs("\nR squared:", file);
    number(file, 0, "%.6g", i->r2);
    if (i->factors) {
        fputs(", within", file);
        number(file, 0, "%.6g", i->r2_within);
    }
    fprintf(file, "; RMSE %.6g", i->rmse);
    if (!i->logistic) fprintf(file, ", sigma %.6g on %g degrees of freedom", i->sigma, i->df);
    fputc('\n', file);
}

static const char *small_rule(const bnorm_vcov_options *o)
{
    static const char *const rules[] = {"nested", "sss", "all"};
    return o->small ? rules[o->count] : "none";
}

static void covariance(FILE *file, const panel_result *r)
{
    const bnorm_vcov_info *v = &r->vcov_info;
    if (!r->vcov) {
        fputs("standard errors: none; a model that was interrupted, or the mean of a bag\n",
              file);
        return;
    }
    fprintf(file, "standard errors: %s", types[v->type]);
    for (int k = 0; k < 2 && bnorm_vcov_cluster(r->vcov, k); k++) {
        fputs(k ? " and " : " by ", file);
        bnorm_cli_print(file, bnorm_vcov_cluster(r->vcov, k));
        fprintf(file, " (%td clusters)", v->clusters[k]);
    }
    if (r->settings && v->type == BNORM_VCOV_CLUSTER)
        fprintf(file, ", small-sample factor %s", small_rule(&r->settings->vcov));
    if (!r->info.logistic) fprintf(file, "; t with %g degrees of freedom", v->df);
    fputc('\n', file);
    if (!r->info.networks) return;
    fprintf(file, "  on %s: %td parameters, %td identified, %.4g effective\n",
            v->full ? "the full Jacobian" : "the design of the top layer", v->parameters,
            v->rank, v->edf);
    if (v->clipped)
        fprintf(file, "  %td directions of negative variance are set to 0\n", v->clipped);
    for (ptrdiff_t k = 0; k < v->unidentified; k++) {
        fputs("  not identified: ", file);
        bnorm_cli_print(file, bnorm_vcov_unidentified(r->vcov, k));
        fputc('\n', file);
    }
}

static void gradient(FILE *file, const panel_result *r)
{
    if (!r->settings || !r->settings->check) return;
    fputs("\ngradient of the reduced loss against difference quotients\n", file);
    bnorm_cli_check_print(file, r->checks, r->blocks);
}

void bnorm_cli_panel_print(FILE *file, const panel_result *r)
{
    fputs("formula: ", file);
    bnorm_cli_print(file, bnorm_panel_formula(r->panel));
    fputc('\n', file);
    rows(file, r);
    left_out(file, r);
    effects(file, r);
    networks(file, r);
    training(file, r);
    if (r->folds.count) bnorm_cli_panel_folds_print(file, r->settings, &r->folds);
    estimates(file, r, &r->linear, "linear terms");
    if (r->info.networks && r->settings)
        estimates(file, r, &r->margins, "average marginal effects");
    quality(file, r);
    covariance(file, r);
    gradient(file, r);
    if (r->settings && r->settings->base->out && strcmp(r->settings->base->out, "-"))
        fprintf(file, "model: %s\n", r->settings->base->out);
}
