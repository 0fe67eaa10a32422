/* What a core could do at most: multiply-adds in registers, in enough independent chains to hide their latency. */
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "palimpsest/bench.h"

/* Latency 4 or 5 times two units needs 8 to 10 chains; 12 leave registers for the factors, of 16 that the older sets
 * have. */
enum { CHAINS = 12, TURNS = 20000 }; /* TURNS: about 60 microseconds */

static volatile float sink; /* so that no compiler leaves the loops out */

/* Every chain goes to 1 and stays there, so no number is ever slow to compute with. */
#define DEFINE_TURNS(name, attribute, vector, spread, multiply_add, first)                                             \
    attribute static void name(void)                                                                                   \
    {                                                                                                                  \
        const vector factor = spread(0.75f), rest = spread(0.25f);                                                     \
        vector chain[CHAINS];                                                                                          \
        for (int c = 0; c < CHAINS; c++) chain[c] = spread((float)c);                                                  \
        for (int turn = 0; turn < TURNS; turn++)                                                                       \
            for (int c = 0; c < CHAINS; c++) chain[c] = multiply_add(chain[c], factor, rest);                          \
        for (int c = 1; c < CHAINS; c++) chain[0] = multiply_add(chain[0], chain[c], chain[c]);                        \
        sink = first(chain[0]);                                                                                        \
    }

struct vectors {
    const char *name;
    int lanes;
    void (*turns)(void);
};

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
#define MULTIPLY_ADD_SSE2(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
DEFINE_TURNS(turns_sse2, , __m128, _mm_set1_ps, MULTIPLY_ADD_SSE2, _mm_cvtss_f32)
DEFINE_TURNS(turns_avx2, AVX2, __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32)
DEFINE_TURNS(turns_avx512, AVX512, __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32)

static struct vectors choose(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return (struct vectors){"AVX-512", 16, turns_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return (struct vectors){"AVX2", 8, turns_avx2};
    return (struct vectors){"SSE2", 4, turns_sse2};
}
#elif defined(__aarch64__)
#define MULTIPLY_ADD_NEON(a, b, c) vfmaq_f32(c, a, b)
#define FIRST_NEON(a) vgetq_lane_f32(a, 0)
DEFINE_TURNS(turns_neon, , float32x4_t, vdupq_n_f32, MULTIPLY_ADD_NEON, FIRST_NEON)

static struct vectors choose(void) { return (struct vectors){"NEON", 4, turns_neon}; }
#else
#define SAME(a) (a)
#define MULTIPLY_ADD_PLAIN(a, b, c) ((a) * (b) + (c))
DEFINE_TURNS(turns_plain, , float, SAME, MULTIPLY_ADD_PLAIN, SAME)

static struct vectors choose(void) { return (struct vectors){"plain", 1, turns_plain}; }
#endif

const char *bench_core_vectors(void) { return choose().name; }

double bench_core_limit(double seconds)
{
    const struct vectors vectors = choose();
    const double flops = 2.0 * TURNS * CHAINS * vectors.lanes, stop = clock_seconds() + seconds;
    double least = 0, before, now = 0;
    vectors.turns(); /* wide units may have to wake up */
    do {
        before = clock_seconds();
        vectors.turns();
        now = clock_seconds();
        if (least == 0 || now - before < least) least = now - before;
    } while (now < stop);
    return flops / least;
}
