/* inference_support: fitted-looking problems of every kind, and differences in their parameters. */
#ifndef BNORM_TESTS_INFERENCE_SUPPORT_H
#define BNORM_TESTS_INFERENCE_SUPPORT_H

#include "problem_support.h"

/* One network with a factor; two with two layers, two factors, weights, penalties and eps 0;
 * logistic ones without batchnorm; two layers and no linear term. */
enum { SETTINGS = 4 };
extern const setting settings[SETTINGS];

/* G2 and theta away from 0, and inference statistics those of the rows. */
sample_problem *make(const setting *s, int threads);

/* Parameter j of the whole: where it is, and the network whose statistics it moves, or -1. */
double *parameter(sample_problem *m, ptrdiff_t j, int *network);

/* d/d parameter j of a function into out (count values), by differences of fourth order. */
typedef void (*function)(sample_problem *m, double *out);
void difference(sample_problem *m, ptrdiff_t j, function f, ptrdiff_t count, double *out);

/* Within relative * (size + 1). */
void assert_close(double got, double expected, double size, double relative);

#endif
