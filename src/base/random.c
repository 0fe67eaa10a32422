/* Counter-based random numbers: word w of block b of sample s of a stream is a pure function of (key, s, b). */
#include <Random123/philox.h>
#include <math.h>

#include "palimpsest/base.h"

struct random_stream random_stream(const char *purpose, uint64_t seed, const char *name)
{
    struct hasher hasher;
    hasher_init(&hasher, "random stream");
    hasher_add_text(&hasher, "purpose", purpose);
    hasher_add_integer(&hasher, "seed", (int64_t)seed);
    hasher_add_text(&hasher, "name", name ? name : "");
    struct hash128 hash = hasher_finish(&hasher);
    return (struct random_stream){{(uint32_t)hash.low, (uint32_t)(hash.low >> 32)}};
}

struct random_cursor random_at(struct random_stream stream, uint64_t sample)
{
    return (struct random_cursor){.stream = stream, .sample = sample};
}

static void refill(struct random_cursor *cursor)
{
    philox4x32_ctr_t counter = {{(uint32_t)cursor->sample, (uint32_t)(cursor->sample >> 32), cursor->block++, 0}};
    philox4x32_key_t key = {{cursor->stream.key[0], cursor->stream.key[1]}};
    philox4x32_ctr_t words = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) cursor->words[i] = words.v[i];
    cursor->left = 4;
}

uint32_t random_word(struct random_cursor *cursor)
{
    if (cursor->left == 0) refill(cursor);
    return cursor->words[4 - cursor->left--];
}

/* Lemire 2019: multiply, and reject the few low products that would bias. */
uint32_t random_below(struct random_cursor *cursor, uint32_t bound)
{
    CHECK(bound > 0, "an empty range");
    uint32_t threshold = -bound % bound;
    for (;;) {
        uint64_t product = (uint64_t)random_word(cursor) * bound;
        if ((uint32_t)product >= threshold) return (uint32_t)(product >> 32);
    }
}

double random_unit(struct random_cursor *cursor)
{
    uint64_t high = random_word(cursor) >> 5, low = random_word(cursor) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

/* Marsaglia's polar method: only arithmetic and a square root, which every processor rounds alike. */
double random_normal(struct random_cursor *cursor)
{
    for (;;) {
        double x = 2 * random_unit(cursor) - 1, y = 2 * random_unit(cursor) - 1;
        double square = x * x + y * y;
        if (square > 0 && square < 1) return x * sqrt(-2 * real_log(square) / square);
    }
}

void random_permutation(struct random_cursor *cursor, uint32_t count, uint32_t *order)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = random_below(cursor, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}
