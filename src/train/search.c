/* search: bracketing for the weak Wolfe conditions (Lewis and Overton 2013), which exist and
 * are found also where the objective has kinks, as with relu; strong ones need not exist there.
 */
#include <float.h>
#include <math.h>

#include "train/search.h"

static const double sufficient = 1e-4, curvature = 0.9;
enum { TRIALS = 40 };

double bnorm_dot(ptrdiff_t count, const double *a, const double *b)
{
    double sum[4] = {0};
    ptrdiff_t k = 0;
    for (; k + 4 <= count; k += 4)
        for (int i = 0; i < 4; i++) sum[i] += a[k + i] * b[k + i];
    for (; k < count; k++) sum[0] += a[k] * b[k];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static bnorm_status try_step(const minimisation *m, const point *from, const double *d,
                             double step, point *to)
{
    for (ptrdiff_t k = 0; k < m->count; k++) to->p[k] = from->p[k] + step * d[k];
    return m->evaluate(m->user, to->p, &to->value, to->g);
}

/* Inside (low, high): the minimum of the parabola through the start and the failed trial, kept
 * off the ends. */
static double interpolate(double low, double high, double rise, double slope, double step)
{
    double parabola = -slope * step * step / (2 * (rise - slope * step));
    double least = low + 0.1 * (high - low), most = low + 0.5 * (high - low);
    if (!(parabola > least)) return isfinite(rise) ? least : most;
    return parabola < most ? parabola : most;
}

bnorm_status bnorm_search(minimisation *m, const point *from, const double *d, double slope,
                          double step, point *to, int *found)
{
    double low = 0, high = INFINITY;
    double rounding = 8 * DBL_EPSILON * fabs(from->value); /* a rise that is none */
    ptrdiff_t count = m->count;
    *found = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        bnorm_status status = try_step(m, from, d, step, to);
        if (status != BNORM_OK) return status;
        double rise = to->value - from->value;
        if (!(rise <= sufficient * step * slope + rounding)) {
            high = step;
            step = interpolate(low, high, rise, slope, step);
        } else if (bnorm_dot(count, to->g, d) < curvature * slope) {
            low = step;
            step = isinf(high) ? 2 * step : 0.5 * (low + high);
        } else {
            *found = 1;
            return BNORM_OK;
        }
        if (isfinite(high) && high - low <= DBL_EPSILON * high) break;
    }
    /* The bracket is empty or the trials are spent: its lower end is lower, without curvature.
     */
    if (low == 0) return BNORM_OK;
    *found = 1;
    return try_step(m, from, d, low, to);
}
