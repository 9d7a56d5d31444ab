/* step: what step.py calls. */
#ifndef BNORM_BENCH_STEP_H
#define BNORM_BENCH_STEP_H

#define EXPORT __attribute__((visibility("default")))

EXPORT int bench_step_open(double *out);
EXPORT double bench_step_gradient(double *gradient);
EXPORT double bench_step_time(long steps, double rate);
EXPORT void bench_step_close(void);

#endif
