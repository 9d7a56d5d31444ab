/* number: decimal numbers as text, in no locale but C's. */
#ifndef BNORM_IO_NUMBER_H
#define BNORM_IO_NUMBER_H

#include <stddef.h>

typedef enum bnorm_number_kind {
    BNORM_NUMBER_NONE, /* not a number */
    BNORM_NUMBER_FINITE,
    BNORM_NUMBER_NONFINITE /* "nan", "inf", "infinity" in any case, or too large for a double */
} bnorm_number_kind;

/* A whole cell: blanks, optional sign, digits with an optional '.', optional exponent, blanks.
 * No hexadecimal, no thousands. */
bnorm_number_kind bnorm_number_parse(const char *text, double *value);

/* The unsigned number that text starts with: its length in bytes, 0 for none. text ends with 0.
 */
size_t bnorm_number_prefix(const char *text, double *value);

#define BNORM_NUMBER_SIZE 32
/* The number in 15 digits when these are exact, else in 17: parsing gives the same double. */
void bnorm_number_format(double value, char out[BNORM_NUMBER_SIZE]);

/* The finite number in 17 digits as JSON's reals are written: a '.' or an 'e' is there, the
 * exponent has neither '+' nor leading zeros; -0 is kept. */
void bnorm_number_exact(double value, char out[BNORM_NUMBER_SIZE]);

/* Blanks of a cell: space and tab. */
int bnorm_is_blank(char c);

#endif
