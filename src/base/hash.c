/* XXH3-128 over bytes, and over named values in canonical form. */
#define XXH_INLINE_ALL
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "palimpsest/base.h"

struct hash128 hash_bytes(const void *bytes, size_t count)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, count);
    return (struct hash128){.low = hash.low64, .high = hash.high64};
}

bool hash_equal(struct hash128 a, struct hash128 b) { return a.low == b.low && a.high == b.high; }

int hash_order(struct hash128 a, struct hash128 b)
{
    if (a.high != b.high) return a.high < b.high ? -1 : 1;
    return (a.low > b.low) - (a.low < b.low);
}

void hash_text(struct hash128 hash, char text[HASH_TEXT])
{
    snprintf(text, HASH_TEXT, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
}

static int hexadecimal_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

int hash_parse(const char *text, struct hash128 *hash)
{
    struct hash128 read = {0, 0};
    for (int i = 0; i < HASH_TEXT - 1; i++) {
        int digit = hexadecimal_digit(text[i]);
        if (digit < 0) return -1;
        read.high = read.high << 4 | read.low >> 60;
        read.low = read.low << 4 | (uint64_t)digit;
    }
    if (text[HASH_TEXT - 1] != '\0') return -1;
    *hash = read;
    return 0;
}

/* Bytes are laid out little-endian by hand, so that ids agree between machines; a full buffer is folded into
 * `chained`, which goes first into the next buffer's hash. */
static void feed(struct hasher *hasher, const void *bytes, size_t count)
{
    const unsigned char *next = bytes;
    while (count > 0) {
        size_t room = sizeof hasher->bytes - hasher->used;
        size_t now = count < room ? count : room;
        memcpy(hasher->bytes + hasher->used, next, now);
        hasher->used += now;
        next += now;
        count -= now;
        if (hasher->used < sizeof hasher->bytes) return;
        hasher->chained = hasher_finish(hasher);
        hasher->used = 0;
    }
}

static void feed_word(struct hasher *hasher, uint64_t word)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(word >> 8 * i);
    feed(hasher, bytes, sizeof bytes);
}

static void feed_text(struct hasher *hasher, const char *text)
{
    size_t length = strlen(text);
    feed_word(hasher, length);
    feed(hasher, text, length);
}

void hasher_init(struct hasher *hasher, const char *what)
{
    hasher->used = 0;
    hasher->chained = (struct hash128){0, 0};
    feed_text(hasher, what);
}

void hasher_add_text(struct hasher *hasher, const char *name, const char *value)
{
    feed_text(hasher, name);
    feed_text(hasher, value);
}

void hasher_add_integer(struct hasher *hasher, const char *name, int64_t value)
{
    feed_text(hasher, name);
    feed_word(hasher, (uint64_t)value);
}

void hasher_add_real(struct hasher *hasher, const char *name, double value)
{
    uint64_t word;
    if (value == 0) value = 0; /* -0 is 0 */
    memcpy(&word, &value, sizeof word);
    feed_text(hasher, name);
    feed_word(hasher, word);
}

void hasher_add_hash(struct hasher *hasher, const char *name, struct hash128 value)
{
    feed_text(hasher, name);
    feed_word(hasher, value.low);
    feed_word(hasher, value.high);
}

struct hash128 hasher_finish(struct hasher *hasher)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(hasher->bytes, hasher->used, hasher->chained.low);
    return (struct hash128){.low = hash.low64, .high = hash.high64 ^ hasher->chained.high};
}
