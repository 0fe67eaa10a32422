/* Two hash tables that number what they are given in order of first appearance: strings of bytes, and 64-bit keys.
 * What a user knows of entry i lives in the user's own array, at i. */
#ifndef PALIMPSEST_TABLES_H
#define PALIMPSEST_TABLES_H

#include "palimpsest/base.h"

struct string_table { /* zero: empty */
    struct string_entry {
        size_t offset; /* in bytes[]: the string, no end mark */
        uint32_t length, hash;
        uint64_t value; /* the user's; 0 when the entry is new */
    } * entry;
    size_t count, capacity;
    char *bytes;
    size_t bytes_used, bytes_capacity;
    uint32_t *slot; /* entry + 1, or 0; slots is a power of two, at most half of them taken */
    size_t slots;
};
/* The number of the string, entered when it is new. */
uint32_t string_table_add(struct string_table *table, const char *bytes, size_t length);
/* Its value; valid until the next string is entered. */
uint64_t *string_table_value(struct string_table *table, const char *bytes, size_t length);
int64_t string_table_find(const struct string_table *table, const char *bytes, size_t length); /* -1: not there */
static inline const char *string_table_bytes(const struct string_table *table, size_t number)
{
    return table->bytes + table->entry[number].offset;
}
void string_table_reset(struct string_table *table);

struct key_table { /* zero: empty */
    uint64_t *key; /* [count] */
    size_t count, capacity;
    uint32_t *slot;
    size_t slots;
};
uint32_t key_table_add(struct key_table *table, uint64_t key);
int64_t key_table_find(const struct key_table *table, uint64_t key); /* -1: not there */
void key_table_reset(struct key_table *table);

#endif
