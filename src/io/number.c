/* number: parsing and printing of doubles. The syntax is checked here, character by character;
 * the conversion is exact: by one correctly rounded operation where that suffices (Clinger
 * 1990), else by strtod in the C locale. */
#define _GNU_SOURCE
#include "io/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

/* value = mantissa * 10^exponent; exact is 0 when digits were lost. */
typedef struct decimal {
    uint64_t mantissa;
    long exponent;
    int digits, exact;
} decimal;

int bnorm_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void take_digit(decimal *d, char c, int fraction)
{
    d->digits++;
    if (d->mantissa > (UINT64_MAX - 9) / 10) {
        d->exact = 0;
        return;
    }
    d->mantissa = 10 * d->mantissa + (uint64_t)(c - '0');
    d->exponent -= fraction;
}

/* The exponent part at s, if there is a whole one: its length. */
static size_t scan_exponent(const char *s, decimal *d)
{
    if (*s != 'e' && *s != 'E') return 0;
    const char *p = s + 1;
    int negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    if (!is_digit(*p)) return 0;
    long e = 0;
    for (; is_digit(*p); p++)
        if (e < 100000) e = 10 * e + (*p - '0');
    d->exponent += negative ? -e : e;
    return (size_t)(p - s);
}

static size_t scan(const char *s, decimal *d)
{
    *d = (decimal){.exact = 1};
    const char *p = s;
    for (; is_digit(*p); p++) take_digit(d, *p, 0);
    if (*p == '.')
        for (p++; is_digit(*p); p++) take_digit(d, *p, 1);
    if (!d->digits) return 0;
    return (size_t)(p - s) + scan_exponent(p, d);
}

/* One rounding: both operands are exact doubles. */
static int convert_quickly(const decimal *d, double *value)
{
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!d->exact || d->mantissa > (uint64_t)1 << 53) return 0;
    if (d->exponent < -22 || d->exponent > 22) return 0;
    double m = (double)d->mantissa;
    *value = d->exponent < 0 ? m / power[-d->exponent] : m * power[d->exponent];
    return 1;
#else
    (void)d;
    (void)value;
    return 0;
#endif
}

static double convert(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0) return (double)NAN;
    double value = strtod_l(text, NULL, c);
    freelocale(c);
    return value;
}

size_t bnorm_number_prefix(const char *text, double *value)
{
    decimal d;
    size_t length = scan(text, &d);
    if (length && !convert_quickly(&d, value)) *value = convert(text);
    return length;
}

/* Length of "nan", "inf" or "infinity" at s. */
static size_t scan_word(const char *s, double *value)
{
    static const char *const words[] = {"nan", "infinity", "inf"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if (strncasecmp(s, words[i], length) != 0) continue;
        *value = i ? (double)INFINITY : (double)NAN;
        return length;
    }
    return 0;
}

bnorm_number_kind bnorm_number_parse(const char *text, double *value)
{
    while (bnorm_is_blank(*text)) text++;
    int negative = *text == '-';
    if (*text == '-' || *text == '+') text++;
    size_t length = bnorm_number_prefix(text, value);
    if (!length) length = scan_word(text, value);
    if (!length) return BNORM_NUMBER_NONE;
    text += length;
    while (bnorm_is_blank(*text)) text++;
    if (*text) return BNORM_NUMBER_NONE;
    if (negative) *value = -*value;
    return isfinite(*value) ? BNORM_NUMBER_FINITE : BNORM_NUMBER_NONFINITE;
}

/* printf writes the decimal point of the process's locale: put C's in its place. */
static void restore_point(char *out)
{
    size_t n = strspn(out, "-+0123456789einfa");
    size_t foreign = strcspn(out + n, "0123456789");
    if (!out[n] || !foreign) return;
    out[n] = '.';
    memmove(out + n + 1, out + n + foreign, strlen(out + n + foreign) + 1);
}

void bnorm_number_format(double value, char out[BNORM_NUMBER_SIZE])
{
    if (value == 0) value = 0; /* not -0 */
    double back;
    snprintf(out, BNORM_NUMBER_SIZE, "%.15g", value);
    restore_point(out);
    if (bnorm_number_parse(out, &back) != BNORM_NUMBER_FINITE || back == value) return;
    snprintf(out, BNORM_NUMBER_SIZE, "%.17g", value);
    restore_point(out);
}

/* 1e+05 becomes 1e5. */
static void shorten_exponent(char *exponent)
{
    char *digits = exponent + (exponent[0] == '-' || exponent[0] == '+');
    char *rest = digits + strspn(digits, "0");
    char *to = exponent[0] == '-' ? digits : exponent;
    memmove(to, rest, strlen(rest) + 1);
}

void bnorm_number_exact(double value, char out[BNORM_NUMBER_SIZE])
{
    snprintf(out, BNORM_NUMBER_SIZE, "%.17g", value);
    restore_point(out);
    char *e = strchr(out, 'e');
    if (e)
        shorten_exponent(e + 1);
    else if (!strchr(out, '.'))
        strcat(out, ".0");
}
