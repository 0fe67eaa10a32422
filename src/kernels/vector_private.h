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

/* ---- lanes: what the kernels count in, whatever the width of the processor's registers ---- */

enum { LANES = 16 };
typedef float lanes __attribute__((vector_size(64)));
typedef int32_t lane_bits __attribute__((vector_size(64)));
typedef int32_t half_bits __attribute__((vector_size(32)));
typedef float half_lanes __attribute__((vector_size(32)));
typedef float quarter_lanes __attribute__((vector_size(16)));

INLINED lanes lanes_all(float value)
{
    return (lanes){value, value, value, value, value, value, value, value,
                   value, value, value, value, value, value, value, value};
}

/* Values i .. i + 15 of from[n]; `rest` stands for those that are not there. */
INLINED lanes lanes_read(const float *from, int i, int n, float rest)
{
    lanes values;
    if (n - i >= LANES) {
        memcpy(&values, from + i, sizeof values);
        return values;
    }
    values = lanes_all(rest);
    for (int j = 0; j < n - i; j++) values[j] = from[i + j];
    return values;
}

INLINED void lanes_write(float *to, int i, int n, lanes values)
{
    if (n - i >= LANES)
        memcpy(to + i, &values, sizeof values);
    else
        for (int j = 0; j < n - i; j++) to[i + j] = values[j];
}

INLINED lanes lanes_choose(lane_bits mask, lanes yes, lanes no)
{
    return (lanes)(((lane_bits)yes & mask) | ((lane_bits)no & ~mask));
}

/* The lanes from `count` on become `rest`. */
INLINED lanes lanes_first(lanes values, int count, float rest)
{
    const lane_bits number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return count >= LANES ? values : lanes_choose(number < count, values, lanes_all(rest));
}

INLINED lanes lanes_larger(lanes a, lanes b) { return lanes_choose(a > b, a, b); }

INLINED void split(lanes from, half_lanes *low, half_lanes *high)
{
#if defined(__clang__) || __GNUC__ >= 12
    *low = __builtin_shufflevector(from, from, 0, 1, 2, 3, 4, 5, 6, 7);
    *high = __builtin_shufflevector(from, from, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    memcpy(low, &from, sizeof *low);
    memcpy(high, (const char *)&from + sizeof *low, sizeof *high);
#endif
}

INLINED void split_half(half_lanes from, quarter_lanes *low, quarter_lanes *high)
{
#if defined(__clang__) || __GNUC__ >= 12
    *low = __builtin_shufflevector(from, from, 0, 1, 2, 3);
    *high = __builtin_shufflevector(from, from, 4, 5, 6, 7);
#else
    memcpy(low, &from, sizeof *low);
    memcpy(high, (const char *)&from + sizeof *low, sizeof *high);
#endif
}

/* Fixed tree: 16 to 8 to 4 to 2 to 1. */
INLINED float lanes_sum(lanes lane)
{
    half_lanes low, high;
    quarter_lanes first, second;
    split(lane, &low, &high);
    split_half(low + high, &first, &second);
    first += second;
    return (first[0] + first[2]) + (first[1] + first[3]);
}

/* NaN when one is NaN may or may not come out: the sums after it keep it. */
INLINED float lanes_largest(lanes lane)
{
    half_lanes low, high;
    quarter_lanes first, second;
    split(lane, &low, &high);
    split_half((half_lanes)(((half_bits)low & (low > high)) | ((half_bits)high & ~(low > high))), &first, &second);
    float most = first[0];
    for (int j = 0; j < LANES / 4; j++) {
        most = first[j] > most ? first[j] : most;
        most = second[j] > most ? second[j] : most;
    }
    return most;
}

/* exp(x) = 2^n exp(r) with n the nearest integer to x / ln 2 and |r| <= ln 2 / 2, where the Taylor polynomial of degree
 * 7 is within 6e-9.  Adding 1.5 2^23 rounds to the nearest integer and leaves it in the low bits.  NaN stays NaN. */
INLINED lanes exponential(lanes x)
{
    const float rounder = 0x1.8p23f, per_ln2 = 0x1.715476p+0f, ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;
    x = lanes_choose(x < -87.0f, lanes_all(-87.0f), x);
    x = lanes_choose(x > 88.0f, lanes_all(88.0f), x);
    lanes rounded = x * per_ln2 + rounder, n = rounded - rounder;
    lanes r = x - n * ln2_high - n * ln2_low;
    lanes p = r * (1.0f / 5040) + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * (r * r) + r;
    lanes power = (lanes)(((lane_bits)rounded << 23) + (127 << 23));
    return p * power + power;
}

/* The largest of the first `seen` of x[n]. */
INLINED float largest(const float *x, int n, int seen)
{
    lanes most = lanes_all(x[0]);
    for (int i = 0; i < seen; i += LANES)
        most = lanes_larger(lanes_first(lanes_read(x, i, n, x[0]), seen - i, x[0]), most);
    return lanes_largest(most);
}

/* The first `seen` of x[n] become exp(x - top), those after them 0; returns the sum. */
INLINED float exponentiate(float *x, int n, int seen, float top)
{
    lanes sum = {0};
    int i = 0;
    for (; i < seen; i += LANES) {
        lanes power = lanes_first(exponential(lanes_read(x, i, n, top) - top), seen - i, 0);
        lanes_write(x, i, n, power);
        sum += power;
    }
    for (; i < n; i += LANES) lanes_write(x, i, n, lanes_all(0));
    return lanes_sum(sum);
}

/* The first `seen` of x[n] become their softmax, those after them 0. */
INLINED void softmax_row(float *x, int n, int seen)
{
    const float scale = 1 / exponentiate(x, n, seen, largest(x, n, seen));
    for (int i = 0; i < seen; i += LANES) lanes_write(x, i, n, scale * lanes_read(x, i, n, 0));
}

#endif
