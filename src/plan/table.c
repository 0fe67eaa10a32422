/* Ids are hashes already, so their low word is the probe start. */
#include "plan_private.h"

void id_table_init(struct id_table *table) { *table = (struct id_table){0}; }

void id_table_reset(struct id_table *table)
{
    memory_free(table->id);
    memory_free(table->number);
    id_table_init(table);
}

static size_t slot_of(const struct id_table *table, struct hash128 id)
{
    size_t slot = id.low & (table->capacity - 1);
    while (table->number[slot] >= 0 && !hash_equal(table->id[slot], id)) slot = (slot + 1) & (table->capacity - 1);
    return slot;
}

static void enlarge(struct id_table *table)
{
    struct id_table old = *table;
    table->capacity = old.capacity ? 2 * old.capacity : 64;
    table->id = memory_array(table->capacity, sizeof *table->id);
    table->number = memory_array(table->capacity, sizeof *table->number);
    for (size_t i = 0; i < table->capacity; i++) table->number[i] = -1;
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.number[i] < 0) continue;
        size_t slot = slot_of(table, old.id[i]);
        table->id[slot] = old.id[i];
        table->number[slot] = old.number[i];
    }
    memory_free(old.id);
    memory_free(old.number);
}

int id_table_put(struct id_table *table, struct hash128 id, int fresh)
{
    if (2 * (table->used + 1) > table->capacity) enlarge(table);
    size_t slot = slot_of(table, id);
    if (table->number[slot] >= 0) return table->number[slot];
    table->id[slot] = id;
    table->number[slot] = fresh;
    table->used++;
    return fresh;
}

int id_table_find(const struct id_table *table, struct hash128 id)
{
    return table->capacity ? table->number[slot_of(table, id)] : -1;
}
