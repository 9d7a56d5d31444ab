/* scalar: the kernels in plain C, one lane. They define what the others must compute. */
#include "kernel/kernel.h"

#include <stdint.h>
#include <string.h>

#define ISA   scalar
#define LANES 1
typedef double vd;
#include "kernel/table.inc"
