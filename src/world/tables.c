/* Open addressing with linear probing; slots hold entry numbers, so that growing moves only the slots. */
#include <string.h>

#include "tables.h"

enum { FIRST_SLOTS = 16 };

/* Twice the slots once half are taken; the caller enters its `count` entries anew when this returns true. */
static bool more_slots(uint32_t **slot, size_t *slots, size_t count)
{
    if (2 * (count + 1) <= *slots) return false;
    CHECK(count < UINT32_MAX, "a table of %zu entries", count);
    *slots = *slots == 0 ? FIRST_SLOTS : 2 * *slots;
    memory_free(*slot);
    *slot = memory_array(*slots, sizeof **slot);
    return true;
}

static void take_free_slot(uint32_t *slot, size_t slots, uint64_t hash, size_t number)
{
    size_t at = hash & (slots - 1);
    while (slot[at] != 0) at = (at + 1) & (slots - 1);
    slot[at] = (uint32_t)number + 1;
}

static int64_t find_string(const struct string_table *table, const char *bytes, size_t length, uint32_t hash)
{
    if (table->slots == 0) return -1;
    for (size_t at = hash & (table->slots - 1); table->slot[at] != 0; at = (at + 1) & (table->slots - 1)) {
        const struct string_entry *entry = &table->entry[table->slot[at] - 1];
        if (entry->hash == hash && entry->length == length && memcmp(table->bytes + entry->offset, bytes, length) == 0)
            return table->slot[at] - 1;
    }
    return -1;
}

int64_t string_table_find(const struct string_table *table, const char *bytes, size_t length)
{
    return find_string(table, bytes, length, (uint32_t)hash_bytes(bytes, length).low);
}

uint32_t string_table_add(struct string_table *table, const char *bytes, size_t length)
{
    uint32_t hash = (uint32_t)hash_bytes(bytes, length).low;
    int64_t found = find_string(table, bytes, length, hash);
    if (found >= 0) return (uint32_t)found;
    if (more_slots(&table->slot, &table->slots, table->count))
        for (size_t i = 0; i < table->count; i++) take_free_slot(table->slot, table->slots, table->entry[i].hash, i);
    CHECK(length <= UINT32_MAX, "a string of %zu bytes", length);
    table->entry = memory_grow(table->entry, &table->capacity, table->count + 1, sizeof *table->entry);
    table->bytes = memory_grow(table->bytes, &table->bytes_capacity, table->bytes_used + length, 1);
    memcpy(table->bytes + table->bytes_used, bytes, length);
    table->entry[table->count] =
        (struct string_entry){.offset = table->bytes_used, .length = (uint32_t)length, .hash = hash};
    table->bytes_used += length;
    take_free_slot(table->slot, table->slots, hash, table->count);
    return (uint32_t)table->count++;
}

uint64_t *string_table_value(struct string_table *table, const char *bytes, size_t length)
{
    uint32_t number = string_table_add(table, bytes, length); /* before `entry` is read: adding can move it */
    return &table->entry[number].value;
}

void string_table_reset(struct string_table *table)
{
    memory_free(table->entry);
    memory_free(table->bytes);
    memory_free(table->slot);
    *table = (struct string_table){0};
}

/* Fibonacci hashing (Knuth, volume 3, 6.4); the high half is the well-mixed one. */
static uint64_t key_hash(uint64_t key) { return key * UINT64_C(0x9E3779B97F4A7C15) >> 32; }

int64_t key_table_find(const struct key_table *table, uint64_t key)
{
    if (table->slots == 0) return -1;
    for (size_t at = key_hash(key) & (table->slots - 1); table->slot[at] != 0; at = (at + 1) & (table->slots - 1))
        if (table->key[table->slot[at] - 1] == key) return table->slot[at] - 1;
    return -1;
}

uint32_t key_table_add(struct key_table *table, uint64_t key)
{
    int64_t found = key_table_find(table, key);
    if (found >= 0) return (uint32_t)found;
    if (more_slots(&table->slot, &table->slots, table->count))
        for (size_t i = 0; i < table->count; i++) take_free_slot(table->slot, table->slots, key_hash(table->key[i]), i);
    table->key = memory_grow(table->key, &table->capacity, table->count + 1, sizeof *table->key);
    table->key[table->count] = key;
    take_free_slot(table->slot, table->slots, key_hash(key), table->count);
    return (uint32_t)table->count++;
}

void key_table_reset(struct key_table *table)
{
    memory_free(table->key);
    memory_free(table->slot);
    *table = (struct key_table){0};
}
