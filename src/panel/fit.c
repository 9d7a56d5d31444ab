/* fit: the fit of a problem. Without networks it is one least-squares problem. */
#include "panel/panel.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"
#include "matrix/view.h"
#include "panel/top.h"
#include "train/epoch.h"

void bnorm_problem_fit_defaults(problem_fit *options)
{
    *options = (problem_fit){.starts = 1};
    bnorm_fit_defaults(&options->fit);
}

bnorm_status bnorm_problem_fit(bnorm_ctx *ctx, problem *p, const problem_fit *options,
                               problem_report *report)
{
    double started = bnorm_fit_clock();
    (void)options;
    top t;
    BNORM_TRY(bnorm_top_create(ctx, p, &t));
    for (ptrdiff_t k = 0; k < p->network_count; k++)
        BNORM_TRY(bnorm_net_population(ctx, p->networks[k].net, p->networks[k].x, p->weights));
    BNORM_TRY(bnorm_top_infer(ctx, &t));
    bnorm_top_solve(ctx, &t);
    bnorm_top_write(&t);
    *report = (problem_report){.starts_done = 1, .validation_rmse = NAN};
    report->best = report->worst = t.loss + t.penalty;
    report->fit = (bnorm_fit_report){
        .loss = t.loss, .validation = NAN, .converged = 1, .optimizer = BNORM_OPTIMIZER_LBFGS};
    report->fit.seconds = bnorm_fit_clock() - started;
    report->sse = t.loss * t.s * t.s * p->n;
    bnorm_top_free(&t);
    return BNORM_OK;
}
