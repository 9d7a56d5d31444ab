/* statistics: a door to libRmath; NaN comes back where nothing is defined. */
#include "statistics.h"

#define MATHLIB_STANDALONE
#include <Rmath.h>
#include <math.h>

double bnorm_cli_p_value(double t, double df)
{
    if (isnan(t) || !(df > 0)) return NAN;
    return 2 * pt(fabs(t), df, 0, 0);
}

double bnorm_cli_t_quantile(double level, double df)
{
    if (!(level > 0 && level < 1) || !(df > 0)) return NAN;
    return qt((1 - level) / 2, df, 0, 0);
}
