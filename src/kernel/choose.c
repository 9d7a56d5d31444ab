/* choose: which instruction set is in use. It is chosen once, at the first use, and never
 * changes after. */
#include "kernel/kernel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bnorm.h"

static const char *const names[BNORM_ISA_COUNT] = {"scalar", "neon", "avx2", "avx512"};

static const bnorm_kernels *pair_at(int isa)
{
    if (isa == 0) return bnorm_kernels_scalar;
#if defined(__aarch64__)
    if (isa == 1) return bnorm_kernels_neon;
#elif defined(__x86_64__)
    if (isa == 2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return bnorm_kernels_avx2;
    if (isa == 3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
        return bnorm_kernels_avx512;
#endif
    return NULL;
}

const bnorm_kernels *bnorm_kernels_at(int isa, size_t size)
{
    const bnorm_kernels *pair = isa >= 0 && isa < BNORM_ISA_COUNT ? pair_at(isa) : NULL;
    return pair ? pair + (size == sizeof(float)) : NULL;
}

int bnorm_isa_choose(const char *wish)
{
    int best = BNORM_ISA_COUNT - 1;
    while (!pair_at(best)) best--;
    for (int isa = 0; wish && isa <= best; isa++)
        if (strcmp(wish, names[isa]) == 0 && pair_at(isa)) return isa;
    return best;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const bnorm_kernels *chosen;

static void choose(void)
{
    chosen = pair_at(bnorm_isa_choose(getenv("BNORM_ISA")));
}

const bnorm_kernels *bnorm_kernels_f64(void)
{
    (void)pthread_once(&once, choose);
    return chosen;
}

const bnorm_kernels *bnorm_kernels_f32(void)
{
    return bnorm_kernels_f64() + 1;
}

const char *bnorm_isa(void)
{
    return bnorm_kernels_f64()->isa;
}
