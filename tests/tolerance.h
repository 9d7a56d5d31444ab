/* tolerance: the one table of bounds for the matrix functions. u is the unit roundoff of the
 * data (2^-53 or 2^-24), U = 2^-53 that of the statistics, n the rows, s = max |x - mu| of a
 * column.
 *
 *   name        bound                                        why
 *   mean        U (2 |mu| + (n + 8) s)                       a sum of n terms of at most 2 s
 *   m2          m2 U 17 (n + 16)                             and up to 16 m2 may cancel (FAR)
 *   rstd        rstd U (9 (n + 16) + 4)                      half the relative error of v
 *   y           u |y| + |gamma| rstd err(mean)               one rounding; the error of the
 * mean,
 *               + |gamma zhat| (err(rstd)/rstd + 8 U)        of the scale, of three operations,
 *               + U (4 |beta| + |gamma| rstd |mu|)           of x - mu
 *   sum         u |sum| + U (n + 8) sum|terms|               dbeta, dgamma: worst case of a sum
 *   dx          u |dx| + |gamma| rstd 8 U (|w| + omega (|p| + |zhat| |q|)) + what the errors of
 *               dbeta and dgamma make of it
 *
 * float data: their elementwise maps compute in float, which adds
 *
 *   y           3 u |gamma zhat| + 2^-48 |gamma| rstd |mu|   two roundings of x - mu, one of
 * the scale; mu is a sum of two floats dx          2 u |dx| + |gamma| rstd omega (u (4 |p| + 6
 * |zhat q|) + 2^-48 |mu| rstd |q|) of w - omega(p + ..) and the scale; of p 4: itself, the sum,
 * omega and its product; of zhat q also two of x - mu, and q for p
 *
 * subnormal data: the mean, and for float each part of x - mu, may be off by half the smallest
 * subnormal of the type, which the scale magnifies:
 *
 *   underflow   |scale| 2^-1074 or, for float, 2^-149
 *
 * A reference in long double on the same data adds errors far below these. */
#ifndef BNORM_TESTS_TOLERANCE_H
#define BNORM_TESTS_TOLERANCE_H

#include <math.h>

#define UNIT_F64 0x1p-53
#define UNIT_F32 0x1p-24

static inline double tol_mean(double n, double mu, double s)
{
    return UNIT_F64 * (2 * fabs(mu) + (n + 8) * s);
}

static inline double tol_m2(double n, double m2)
{
    return UNIT_F64 * 17 * (n + 16) * m2;
}

static inline double tol_rstd(double n, double rstd)
{
    return UNIT_F64 * (9 * (n + 16) + 4) * rstd;
}

static inline double tol_y(double u, double n, double y, double gamma, double beta, double zhat,
                           double mu, double rstd, double s)
{
    double scale = fabs(gamma) * rstd;
    return u * fabs(y) + scale * tol_mean(n, mu, s) +
           fabs(gamma * zhat) * (tol_rstd(n, 1) + 8 * UNIT_F64) +
           UNIT_F64 * (4 * fabs(beta) + scale * fabs(mu)) + 0x1p-1070 +
           (u == UNIT_F32 ? 0x1p-149 : 0);
}

/* What y of float data may be off besides; 0 for double. z = gamma zhat, m = gamma rstd mu. */
static inline double tol_map(double u, double z, double m)
{
    return u == UNIT_F32 ? 3 * u * fabs(z) + 0x1p-48 * fabs(m) + 0x1p-147 : 0;
}

/* The same for dx; scale = gamma rstd, p and q with their omega, m = mu rstd dgamma/M. */
static inline double tol_map_dx(double u, double dx, double scale, double p, double q, double m)
{
    if (u != UNIT_F32) return 0;
    double inner = u * (4 * fabs(p) + 6 * fabs(q)) + 0x1p-48 * fabs(m) + 0x1p-147;
    return 2 * u * fabs(dx) + fabs(scale) * inner;
}

static inline double tol_underflow(double u, double scale)
{
    return fabs(scale) * (u == UNIT_F32 ? 0x1p-149 : 0x1p-1074);
}

static inline double tol_sum(double u, double n, double sum, double terms)
{
    return u * fabs(sum) + UNIT_F64 * (n + 8) * terms + (u == UNIT_F32 ? 0x1p-149 : 0);
}

#endif
