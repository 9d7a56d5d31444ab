/* scalar: the kernels in plain C, one lane. They define what the others must compute. */
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define ISA    scalar
#define LANES  1
#define FLOATS 1
typedef double vd;
typedef float vf;
#include "kernel/table.inc"
