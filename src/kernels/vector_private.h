/* Shared by the kernels: sums with one order on every machine, an exponential of our own, and one build for all CPUs.
 */
#ifndef PALIMPSEST_VECTOR_PRIVATE_H
#define PALIMPSEST_VECTOR_PRIVATE_H

#include <stdint.h>
#include <string.h>

/* A function marked CLONED is compiled for several instruction sets and the best is taken when the program is loaded.
 * None of them fuses multiply and add, so all give the same bits.  Sanitizers cannot run the resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(PALIMPSEST_SANITIZE)
#define CLONED __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CLONED
#endif
#define INLINED static inline __attribute__((always_inline))

enum { LANES = 16 };

/* Fixed tree: 16 to 8 to 4 to 2 to 1. */
INLINED float lanes_sum(float lane[LANES])
{
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

/* The sum over i < n of the expression `term`: term i goes to lane i mod 16. */
#define SUM_IN_LANES(result, n, term)                                                                                  \
    do {                                                                                                               \
        float lane_[LANES] = {0};                                                                                      \
        int whole_ = (n) / LANES * LANES;                                                                              \
        for (int base_ = 0; base_ < whole_; base_ += LANES)                                                            \
            for (int j_ = 0; j_ < LANES; j_++) {                                                                       \
                int i = base_ + j_;                                                                                    \
                lane_[j_] += (term);                                                                                   \
            }                                                                                                          \
        for (int i = whole_; i < (n); i++) lane_[i - whole_] += (term);                                                \
        (result) = lanes_sum(lane_);                                                                                   \
    } while (0)

/* The largest of x[n]; NaN when one is NaN may or may not come out: the sums after it keep it. */
INLINED float largest(const float *x, int n)
{
    float lane[LANES];
    int whole = n / LANES * LANES;
    for (int j = 0; j < LANES; j++) lane[j] = x[0];
    for (int base = 0; base < whole; base += LANES)
        for (int j = 0; j < LANES; j++) lane[j] = x[base + j] > lane[j] ? x[base + j] : lane[j];
    for (int i = whole; i < n; i++) lane[i - whole] = x[i] > lane[i - whole] ? x[i] : lane[i - whole];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] = lane[j + half] > lane[j] ? lane[j + half] : lane[j];
    return lane[0];
}

/* exp(x) = 2^n exp(r) with n the nearest integer to x / ln 2 and |r| <= ln 2 / 2, where the Taylor polynomial of degree
 * 7 is within 6e-9.  Adding 1.5 2^23 rounds to the nearest integer and leaves it in the low bits.  NaN stays NaN. */
INLINED float exponential(float x)
{
    const float rounder = 0x1.8p23f, per_ln2 = 0x1.715476p+0f, ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float rounded = x * per_ln2 + rounder, n = rounded - rounder, power;
    float r = x - n * ln2_high - n * ln2_low;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * (r * r) + r;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    bits = (bits << 23) + (127u << 23);
    memcpy(&power, &bits, sizeof power);
    return p * power + power;
}

#endif
