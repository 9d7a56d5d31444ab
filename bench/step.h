/* step: what step.py calls. A step is a network with its data; figures are seconds. */
#ifndef BNORM_BENCH_STEP_H
#define BNORM_BENCH_STEP_H

#define EXPORT __attribute__((visibility("default")))

typedef struct bench_step bench_step;

/* widths[0] inputs, then the units of each dense layer; all but the last are followed by a
 * batchnorm (divisor N, eps 1e-5) and the activation. NULL when it cannot be made. */
EXPORT bench_step *bench_step_open(long rows, const long *widths, int count,
                                   const char *activation, const char *loss, int threads);
EXPORT void bench_step_close(bench_step *step);

/* From now on the gradient is a stream's (bnorm_stream_gradient). 0 on success. */
EXPORT int bench_step_stream(bench_step *step);

/* rows x widths[0], rows x targets, and the parameters, block after block. */
EXPORT double *bench_step_x(bench_step *step);
EXPORT double *bench_step_y(bench_step *step);
EXPORT double *bench_step_parameters(bench_step *step, long *count);

/* Forward, loss, backward: returns R; gradient has one entry a parameter. */
EXPORT double bench_step_gradient(bench_step *step, double *gradient);
/* Seconds a step of gradient descent, over `steps` of them. */
EXPORT double bench_step_time(bench_step *step, long steps, double rate);
/* Seconds for the matrix products of a step alone, each one call of the BLAS. */
EXPORT double bench_step_products(bench_step *step, long steps);

#endif
