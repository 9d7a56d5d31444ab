/* statistics: the distributions that a regression table needs. The library gives statistics and
 * degrees of freedom; the rest is R's own mathlib, which the command alone links (GPL). */
#ifndef BNORM_CLI_STATISTICS_H
#define BNORM_CLI_STATISTICS_H

/* P(|T| > |t|), T with df degrees of freedom, infinite for a normal; NaN when either is. */
double bnorm_cli_p_value(double t, double df);

/* The t with P(|T| <= t) = level. */
double bnorm_cli_t_quantile(double level, double df);

#endif
