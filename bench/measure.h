/* measure: the time of one matrix function on one shape, and of its limit on the same buffers,
 * in turns in one process. Shared by the benchmarks and `bnorm bench`. Every side is called once
 * uncounted before it is timed: it finds the caches as its own call left them. */
#ifndef BNORM_BENCH_MEASURE_H
#define BNORM_BENCH_MEASURE_H

#include "bnorm.h"

typedef enum measure_op {
    MEASURE_FORWARD,
    MEASURE_BACKWARD,
    MEASURE_INFER,
    MEASURE_LAYERNORM,
    MEASURE_LAYERNORM_BACKWARD,
    MEASURE_FORWARD_RELU,
    MEASURE_FORWARD_TANH,
    MEASURE_BACKWARD_TANH,
    MEASURE_OPS
} measure_op;

/* What can be timed: the library's function; the ways of the limit in a parallel region of as many
 * threads; for small matrices also the plain way in a region of one, since waking a second thread
 * can cost more than the work, and as a bare loop without a region, whose entry takes a third of a
 * microsecond. */
enum { MEASURE_OURS, MEASURE_PLAIN, MEASURE_PAST, MEASURE_ONE, MEASURE_BARE, MEASURE_SIDES };

enum { MEASURE_SHAPES = 7 };
extern const ptrdiff_t bnorm_measure_shapes[MEASURE_SHAPES][2];

/* The buffers of one shape and precision, and what is measured on them. Rows or columns of the
 * vectors, whichever are more. */
typedef struct measure {
    ptrdiff_t rows, cols;
    int f32;
    void *x, *dy, *out; /* out: y or dx */
    double *mean, *rstd, *var;
    void *gamma, *beta, *dgamma, *dbeta;
    /* set by bnorm_measure_set */
    measure_op op;
    bnorm_layout layout;
    int threads;
    bnorm_ctx *ctx;
} measure;

const char *bnorm_measure_name(measure_op op);

/* Makes and fills the buffers; MEMORY leaves nothing. close accepts what open refused. */
bnorm_status bnorm_measure_open(measure *m, ptrdiff_t rows, ptrdiff_t cols, int f32);
void bnorm_measure_close(measure *m);

/* Chooses what is measured next; set also makes the statistics that it takes and calls it once. */
bnorm_status bnorm_measure_choose(measure *m, measure_op op, bnorm_layout layout, int threads);
bnorm_status bnorm_measure_set(measure *m, measure_op op, bnorm_layout layout, int threads);

/* 1 when this side exists for what was set. */
int bnorm_measure_has(const measure *m, int side);

/* Calls that side once. */
void bnorm_measure_call(const measure *m, int side);

/* Seconds a call of that side, after one that is not counted. */
double bnorm_measure_time(const measure *m, int side, long calls);

/* So many calls make about `seconds`, at most. */
long bnorm_measure_calls(const measure *m, int side, double seconds);

typedef struct measure_result {
    double took, limit; /* seconds, medians; the limit is the fastest of its sides but bare */
    double bare;        /* the fastest of all its sides */
} measure_result;

/* Everything in turns, `rounds` times (at most MEASURE_ROUNDS), each turn about `seconds` or one
 * call. */
enum { MEASURE_ROUNDS = 15 };
measure_result bnorm_measure_cell(const measure *m, int rounds, double seconds);

double bnorm_measure_median(double *values, int count); /* sorts them */

/* The largest time / limit, as geometric mean over the seven shapes, that the kernels aim at; 0
 * where none is set. */
double bnorm_measure_bound(measure_op op, bnorm_layout layout);

#endif
