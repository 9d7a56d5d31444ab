/* random: the generator below the public streams. */
#ifndef BNORM_BASE_RANDOM_H
#define BNORM_BASE_RANDOM_H

#include "bnorm.h"

/* One block of Philox 4x32-10: four words from a counter and a key. */
void bnorm_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
