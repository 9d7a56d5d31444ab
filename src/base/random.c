/* random: Philox 4x32-10, a counter-based generator (Salmon, Moraes, Dror and Shaw 2011,
 * "Parallel random numbers: as easy as 1, 2, 3"). Number k of a stream needs no number before
 * it. */
#include "base/random.h"

#include <math.h>

static void round_once(uint32_t c[4], const uint32_t key[2])
{
    uint64_t a = (uint64_t)0xD2511F53u * c[0];
    uint64_t b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key[0], (uint32_t)b,
                        (uint32_t)(a >> 32) ^ c[3] ^ key[1], (uint32_t)a};
    for (int i = 0; i < 4; i++) c[i] = next[i];
}

void bnorm_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k[2] = {key[0], key[1]};
    for (int i = 0; i < 4; i++) out[i] = counter[i];
    for (int r = 0; r < 10; r++) {
        round_once(out, k);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
}

/* Block `index` of a stream: two 64-bit words. */
static void words(uint64_t seed, uint64_t stream, uint64_t index, uint64_t out[2])
{
    uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                           (uint32_t)(stream >> 32)};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t r[4];
    bnorm_philox(counter, key, r);
    out[0] = (uint64_t)r[1] << 32 | r[0];
    out[1] = (uint64_t)r[3] << 32 | r[2];
}

/* In (0,1): 52 random bits and a half, so never 0 or 1. */
static double unit(uint64_t word)
{
    return ((double)(word >> 12) + 0.5) * 0x1p-52;
}

/* Calls make(block of two numbers) for the blocks that numbers first .. first+count-1 lie in.
 */
static void fill(uint64_t seed, uint64_t stream, uint64_t first, ptrdiff_t count, double *out,
                 void (*make)(const uint64_t w[2], double pair[2]))
{
    for (ptrdiff_t i = 0; i < count;) {
        uint64_t number = first + (uint64_t)i;
        uint64_t w[2];
        double pair[2];
        words(seed, stream, number / 2, w);
        make(w, pair);
        for (uint64_t k = number % 2; k < 2 && i < count; k++) out[i++] = pair[k];
    }
}

static void make_uniform(const uint64_t w[2], double pair[2])
{
    pair[0] = unit(w[0]);
    pair[1] = unit(w[1]);
}

/* Box and Muller 1958. */
static void make_normal(const uint64_t w[2], double pair[2])
{
    double radius = sqrt(-2 * log(unit(w[0])));
    double angle = 6.283185307179586476925286766559 * unit(w[1]);
    pair[0] = radius * cos(angle);
    pair[1] = radius * sin(angle);
}

void bnorm_random_uniform(uint64_t seed, uint64_t stream, uint64_t first, ptrdiff_t count,
                          double *out)
{
    fill(seed, stream, first, count, out, make_uniform);
}

void bnorm_random_normal(uint64_t seed, uint64_t stream, uint64_t first, ptrdiff_t count,
                         double *out)
{
    fill(seed, stream, first, count, out, make_normal);
}

/* floor(word * count / 2^64): 0 .. count-1. */
static ptrdiff_t below(uint64_t word, uint64_t count)
{
    uint64_t low = (uint32_t)word * (uint64_t)(uint32_t)count >> 32;
    uint64_t a = (word >> 32) * (uint32_t)count, b = (uint32_t)word * (count >> 32);
    uint64_t middle = (a & 0xFFFFFFFFu) + (b & 0xFFFFFFFFu) + low;
    return (ptrdiff_t)((word >> 32) * (count >> 32) + (a >> 32) + (b >> 32) + (middle >> 32));
}

void bnorm_random_permutation(uint64_t seed, uint64_t stream, ptrdiff_t count, ptrdiff_t *out)
{
    for (ptrdiff_t i = 0; i < count; i++) out[i] = i;
    for (ptrdiff_t i = count - 1; i > 0; i--) { /* Fisher and Yates */
        uint64_t w[2];
        words(seed, stream, (uint64_t)i, w);
        ptrdiff_t j = below(w[0], (uint64_t)i + 1);
        ptrdiff_t kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}
