/* Tiles by instruction set. */
#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "tiles_private.h"
#include "vector_private.h"

#ifdef PALIMPSEST_SANITIZE
#define UNROLLED /* compiling what is checked and unrolled takes as long as all other files together */
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

#define FOUR_CASES TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4)
#define SIX_CASES FOUR_CASES TILE_CASE(5) TILE_CASE(6)

#if defined(__x86_64__)

/* 28 sums of 32 registers */
#define TILE_CASES                                                                                                     \
    SIX_CASES TILE_CASE(7) TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12) TILE_CASE(13)           \
        TILE_CASE(14)
#define SET(name) avx512_##name
#define TARGET __attribute__((target("avx512f,fma")))
#define VECTOR __m512
#define WIDTH 16
#define ROWS 14
#define VECTORS 2
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define BROADCAST(x) _mm512_set1_ps(x)
#define SUM(a, b) _mm512_add_ps(a, b)
#define FUSED(a, b, c) _mm512_fmadd_ps(a, b, c)
#include "tile_body.h"

/* 12 sums of 16 registers */
#define TILE_CASES SIX_CASES
#define SET(name) avx2_##name
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR __m256
#define WIDTH 8
#define ROWS 6
#define VECTORS 2
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define BROADCAST(x) _mm256_set1_ps(x)
#define SUM(a, b) _mm256_add_ps(a, b)
#define FUSED(a, b, c) _mm256_fmadd_ps(a, b, c)
#include "tile_body.h"

/* Pairs, then pairs of pairs within the halves of a register, then the halves. */
__attribute__((target("avx2"))) static void avx2_transpose(float *to, size_t to_stride, const float *from,
                                                           size_t from_stride)
{
    __m256 row[8], pair[8];
    UNROLLED for (int i = 0; i < 8; i++) row[i] = _mm256_loadu_ps(from + (size_t)i * from_stride);
    UNROLLED for (int i = 0; i < 8; i += 2)
    {
        pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    UNROLLED for (int i = 0; i < 8; i += 4)
    {
        row[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        row[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        row[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        row[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    UNROLLED for (int i = 0; i < 4; i++)
    {
        _mm256_storeu_ps(to + (size_t)i * to_stride, _mm256_permute2f128_ps(row[i], row[i + 4], 0x20));
        _mm256_storeu_ps(to + (size_t)(i + 4) * to_stride, _mm256_permute2f128_ps(row[i], row[i + 4], 0x31));
    }
}

/* Four squares of 8 x 8. */
__attribute__((target("avx2"))) static void avx512_transpose(float *to, size_t to_stride, const float *from,
                                                             size_t from_stride)
{
    for (size_t i = 0; i < 16; i += 8)
        for (size_t j = 0; j < 16; j += 8)
            avx2_transpose(to + i * to_stride + j, to_stride, from + j * from_stride + i, from_stride);
}

#elif defined(__aarch64__)

/* 24 sums of 32 registers */
#define TILE_CASES SIX_CASES TILE_CASE(7) TILE_CASE(8)
#define SET(name) neon_##name
#define TARGET
#define VECTOR float32x4_t
#define WIDTH 4
#define ROWS 8
#define VECTORS 3
#define LOAD(p) vld1q_f32(p)
#define STORE(p, v) vst1q_f32(p, v)
#define BROADCAST(x) vdupq_n_f32(x)
#define SUM(a, b) vaddq_f32(a, b)
#define FUSED(a, b, c) vfmaq_f32(c, a, b)
#include "tile_body.h"

static void neon_transpose(float *to, size_t to_stride, const float *from, size_t from_stride)
{
    float32x4x4_t column;
    UNROLLED for (int i = 0; i < 4; i++) column.val[i] = vld1q_f32(from + (size_t)i * from_stride);
    float block[16];
    vst4q_f32(block, column);
    UNROLLED for (int i = 0; i < 4; i++) vst1q_f32(to + (size_t)i * to_stride, vld1q_f32(block + 4 * i));
}

#endif

/* What every C compiler has; fmaf rounds once wherever it runs, but takes long where it is no instruction. */
#define TILE_CASES FOUR_CASES
#define SET(name) plain_##name
#define TARGET
#define VECTOR float
#define WIDTH 1
#define ROWS 4
#define VECTORS 4
#define LOAD(p) (*(p))
#define STORE(p, v) (*(p) = (v))
#define BROADCAST(x) (x)
#define SUM(a, b) ((a) + (b))
#define FUSED(a, b, c) fmaf(a, b, c)
#include "tile_body.h"

static void plain_transpose(float *to, size_t to_stride, const float *from, size_t from_stride)
{
    (void)to_stride;
    (void)from_stride;
    *to = *from;
}

static const struct tile_set sets[] = {
#if defined(__x86_64__)
    {"AVX-512", 14, 16, 32, avx512_apart, avx512_together, avx512_transpose},
    {"AVX2", 6, 8, 16, avx2_apart, avx2_together, avx2_transpose},
#elif defined(__aarch64__)
    {"NEON", 8, 4, 12, neon_apart, neon_together, neon_transpose},
#endif
    {"plain C", 4, 1, 4, plain_apart, plain_together, plain_transpose},
};
enum { SETS = sizeof sets / sizeof *sets };

#if defined(__x86_64__)
static bool runs(int set)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return set == 0 ? avx2 && __builtin_cpu_supports("avx512f") : set > 1 || avx2;
}
#else
static bool runs(int set)
{
    (void)set;
    return true;
}
#endif

const struct tile_set *tile_set(int number)
{
    for (int set = 0; set < SETS; set++)
        if (runs(set) && number-- == 0) return &sets[set];
    return NULL;
}
