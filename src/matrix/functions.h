/* functions: which activations are the library's own. */
#ifndef BNORM_MATRIX_FUNCTIONS_H
#define BNORM_MATRIX_FUNCTIONS_H

#include "bnorm.h"

/* The number of a built-in activation in the tables of kernels, in either precision; -1 for the
 * caller's own, which is a function of double that may be called on the caller's thread only. */
int bnorm_activation_number(const bnorm_activation *a);

#endif
