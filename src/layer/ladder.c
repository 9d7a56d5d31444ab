/* ladder: see the header. */
#include "layer/ladder.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"

enum { LEVELS = 16 };

/* An entry: where it is, its gradient, and the noise of that. */
typedef struct slope {
    double *theta, gradient, spread;
} slope;

/* One rung of the ladder: central quotient and jump between the one-sided ones. */
typedef struct rung {
    double h, quotient, jump;
} rung;

static bnorm_status climb(const ladder *l, double *theta, double h, rung *r)
{
    double kept = *theta, up = kept + h, down = kept - h, high, low;
    *theta = up;
    bnorm_status status = l->value(l->user, &high);
    *theta = down;
    if (status == BNORM_OK) status = l->value(l->user, &low);
    *theta = kept;
    if (status != BNORM_OK) return status;
    r->h = 0.5 * (up - down);
    r->quotient = (high - low) / (up - down);
    r->jump = (high - l->at) / (up - kept) - (l->at - low) / (kept - down);
    return BNORM_OK;
}

/* Of a smooth F the jump falls with h, of a kink it does not: it is the kink's own and h F'',
 * which a wide rung may cancel. */
static double kink(const ladder *l, const rung *wide, const rung *narrow)
{
    double jump = fabs(narrow->jump), rounding = 4 * l->noise / narrow->h;
    if (!(jump > rounding && jump > 0.5 * fabs(wide->jump))) return 0;
    return 0.5 * (jump + fabs(narrow->jump - wide->jump));
}

typedef struct quotient {
    double value, bound, kink; /* bound without the kink */
} quotient;

/* Steps fall by 4 from 1e-3 max(1, |theta|) until the bound is small against the cap, or
 * rounding alone exceeds the best bound. */
static bnorm_status differentiate(const ladder *l, const slope *s, double enough,
                                  quotient *best)
{
    double *theta = s->theta, h = 1e-3 * fmax(1, fabs(*theta));
    double gradient = 4 * s->spread + 8 * DBL_EPSILON * fabs(s->gradient);
    rung wide, narrow;
    bnorm_status status = climb(l, theta, h, &wide);
    *best = (quotient){NAN, INFINITY, 0};
    for (int level = 1; level < LEVELS && status == BNORM_OK; level++) {
        h /= 4;
        status = climb(l, theta, h, &narrow);
        if (status != BNORM_OK) break;
        double correction = (narrow.quotient - wide.quotient) / 15; /* ratio 4: 4^2 - 1 */
        double rounding = 2 * l->noise / narrow.h + gradient;
        double jump = kink(l, &wide, &narrow), bound = 15 * fabs(correction) + rounding;
        if (bound + jump < best->bound + best->kink)
            *best = (quotient){narrow.quotient + correction, bound, jump};
        if (best->bound + best->kink <= enough || rounding >= best->bound + best->kink) break;
        wide = narrow;
    }
    return status;
}

/* A kink that is small against h F'' shows on narrow rungs alone: the one whose one-sided
 * quotients, each give or take what it still moves, enclose the analytic value becomes the
 * quotient. Without such a rung *q stays. */
static bnorm_status seek_kink(const ladder *l, const slope *s, quotient *q)
{
    double *theta = s->theta, cap = l->cap, h = 1e-3 * fmax(1, fabs(*theta));
    rung wide, narrow;
    bnorm_status status = climb(l, theta, h, &wide);
    for (int level = 1; level < LEVELS && status == BNORM_OK; level++, wide = narrow) {
        h /= 4;
        status = climb(l, theta, h, &narrow);
        double rounding = 4 * l->noise / narrow.h + 4 * s->spread;
        if (status != BNORM_OK || rounding >= cap) break;
        double moved = fabs(narrow.quotient - wide.quotient);
        double bent = 0.5 * fabs(narrow.jump - wide.jump);
        double bound = moved + bent + rounding, jump = 0.5 * fabs(narrow.jump);
        if (kink(l, &wide, &narrow) == 0) continue;
        if (!(fabs(s->gradient - narrow.quotient) <= fmin(bound, cap) + jump)) continue;
        *q = (quotient){narrow.quotient, bound, jump};
        break;
    }
    return status;
}

/* --------------------------------------------------------------------------------- block */

static int explained(double analytic, const quotient *q, double cap)
{
    return fabs(analytic - q->value) <= fmin(q->bound, cap) + q->kink;
}

/* Keeps the worst entry of the block in the report. */
static void note(const ladder *l, const ladder_block *b, ptrdiff_t entry, const quotient *q,
                 double *worst, bnorm_check_block *report)
{
    double analytic = b->gradient[entry], error = fabs(analytic - q->value);
    double bound = fmin(q->bound, l->cap) + q->kink, ratio = error == 0 ? 0 : error / bound;
    if (!explained(analytic, q, l->cap)) {
        report->ok = 0;
        if (isnan(ratio)) ratio = INFINITY;
    }
    if (!(ratio > *worst)) return;
    *worst = ratio;
    report->row = entry / b->block->cols;
    report->col = entry % b->block->cols;
    report->analytic = analytic;
    report->numeric = q->value;
    report->error = error;
    report->bound = bound;
}

double bnorm_largest(ptrdiff_t count, const double *v)
{
    double most = 0;
    for (ptrdiff_t k = 0; k < count; k++) most = fmax(most, fabs(v[k]));
    return most;
}

bnorm_status bnorm_ladder_block(const ladder *l, const ladder_block *b,
                                bnorm_check_block *report)
{
    ptrdiff_t count = b->block->rows * b->block->cols;
    ptrdiff_t some = b->entries && b->entries < count ? b->entries : count;
    double worst = -1;
    *report = (bnorm_check_block){.ok = 1};
    memcpy(report->name, b->block->name, sizeof report->name);
    if (some < count) bnorm_random_permutation(b->seed, b->stream, count, b->order);
    for (ptrdiff_t i = 0; i < some; i++) {
        ptrdiff_t entry = some < count ? b->order[i] : i;
        slope s = {b->parameters + entry, b->gradient[entry], b->spread[entry]};
        quotient q;
        bnorm_status status = differentiate(l, &s, 1e-5 * l->cap, &q);
        if (status == BNORM_OK && !explained(s.gradient, &q, l->cap))
            status = seek_kink(l, &s, &q);
        if (status != BNORM_OK) return status;
        note(l, b, entry, &q, &worst, report);
    }
    return BNORM_OK;
}

bnorm_status bnorm_ladder_verdict(bnorm_ctx *ctx, const bnorm_check_block *report,
                                  ptrdiff_t blocks)
{
    for (ptrdiff_t k = 0; k < blocks; k++)
        if (!report[k].ok)
            return bnorm_fail(ctx, BNORM_E_CHECK,
                              "block %s, row %td, column %td: the gradient is %.10g, the "
                              "difference quotient %.10g; at most %.2g apart is explained",
                              report[k].name, report[k].row + 1, report[k].col + 1,
                              report[k].analytic, report[k].numeric, report[k].bound);
    return BNORM_OK;
}
