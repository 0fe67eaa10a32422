/* Learning merges in one pass over a heap: counts of pairs are kept up to date, so that a merge costs only the chunks
 * that hold its pair.  Invariants between merges:
 *   pair[n].count   = sum over chunks of (occurrences of pair n in the chunk) x (occurrences of the chunk)
 *   pair[n].seen    lists every chunk that holds the pair (and some that no longer do)
 *   heap            has for every pair that occurs a candidate whose count is at least the pair's
 * A merge makes a new symbol; counts of pairs without it can only fall, and pairs with it are new, so they are exactly
 * the pairs with the highest numbers. */
#include "tokenizer_bpe_private.h"

struct bpe_chunk {
    size_t start; /* in symbol[] */
    uint32_t length;
    uint64_t count;
};
struct bpe_count {
    uint64_t count;
    uint32_t seen; /* newest sighting + 1; 0: none */
};
struct bpe_sighting {
    uint32_t chunk, older; /* older: as seen */
};
struct bpe_candidate {
    uint64_t count, key;
};
struct bpe_training {
    uint16_t *symbol;
    struct bpe_chunk *chunk;
    size_t chunks;
    struct key_table pairs;
    struct bpe_count *pair; /* [pairs.count] */
    size_t pair_capacity;
    struct bpe_sighting *sighting;
    size_t sightings, sighting_capacity;
    struct bpe_candidate *heap;
    size_t candidates, heap_capacity;
};

/* ---- the heap ---- */

static bool goes_before(struct bpe_candidate a, struct bpe_candidate b)
{
    return a.count != b.count ? a.count > b.count : a.key < b.key;
}

static void heap_push(struct bpe_training *training, struct bpe_candidate candidate)
{
    size_t at = training->candidates++;
    training->heap =
        memory_grow(training->heap, &training->heap_capacity, training->candidates, sizeof *training->heap);
    for (; at > 0 && goes_before(candidate, training->heap[(at - 1) / 2]); at = (at - 1) / 2)
        training->heap[at] = training->heap[(at - 1) / 2];
    training->heap[at] = candidate;
}

static struct bpe_candidate heap_pop(struct bpe_training *training)
{
    struct bpe_candidate *heap = training->heap, top = heap[0], moved = heap[--training->candidates];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < training->candidates; at = child) {
        if (child + 1 < training->candidates && goes_before(heap[child + 1], heap[child])) child++;
        if (!goes_before(heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
    return top;
}

/* ---- counts of pairs ---- */

static void push_pairs_from(struct bpe_training *training, size_t first)
{
    for (size_t n = first; n < training->pairs.count; n++)
        heap_push(training, (struct bpe_candidate){training->pair[n].count, training->pairs.key[n]});
}

static uint64_t pair_at(const struct bpe_training *training, const struct bpe_chunk *chunk, uint32_t i)
{
    return bpe_pair(training->symbol[chunk->start + i], training->symbol[chunk->start + i + 1]);
}

static void note_sighting(struct bpe_training *training, struct bpe_count *pair, uint32_t chunk)
{
    if (pair->seen != 0 && training->sighting[pair->seen - 1].chunk == chunk) return;
    training->sighting = memory_grow(training->sighting, &training->sighting_capacity, training->sightings + 1,
                                     sizeof *training->sighting);
    training->sighting[training->sightings++] = (struct bpe_sighting){chunk, pair->seen};
    CHECK(training->sightings < UINT32_MAX, "too much text for byte pair encoding");
    pair->seen = (uint32_t)training->sightings;
}

/* Pairs numbered below `known` have this chunk among their sightings already. */
static void add_pairs(struct bpe_training *training, uint32_t number, size_t known)
{
    const struct bpe_chunk *chunk = &training->chunk[number];
    for (uint32_t i = 0; i + 1 < chunk->length; i++) {
        uint32_t n = key_table_add(&training->pairs, pair_at(training, chunk, i));
        training->pair = memory_grow(training->pair, &training->pair_capacity, (size_t)n + 1, sizeof *training->pair);
        training->pair[n].count += chunk->count;
        if (n >= known) note_sighting(training, &training->pair[n], number);
    }
}

static void remove_pairs(struct bpe_training *training, const struct bpe_chunk *chunk)
{
    for (uint32_t i = 0; i + 1 < chunk->length; i++)
        training->pair[key_table_find(&training->pairs, pair_at(training, chunk, i))].count -= chunk->count;
}

/* ---- merging ---- */

static bool holds_pair(const struct bpe_training *training, const struct bpe_chunk *chunk, uint64_t key)
{
    for (uint32_t i = 0; i + 1 < chunk->length; i++)
        if (pair_at(training, chunk, i) == key) return true;
    return false;
}

static void replace_pair(struct bpe_training *training, struct bpe_chunk *chunk, uint64_t key, uint16_t symbol)
{
    uint16_t *text = training->symbol + chunk->start;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < chunk->length; i++) {
        bool here = i + 1 < chunk->length && bpe_pair(text[i], text[i + 1]) == key;
        text[kept++] = here ? symbol : text[i];
        if (here) i++;
    }
    chunk->length = kept;
}

static void merge_everywhere(struct bpe_training *training, uint64_t key, uint16_t symbol)
{
    size_t known = training->pairs.count;
    uint32_t at = training->pair[key_table_find(&training->pairs, key)].seen;
    while (at != 0) {
        struct bpe_sighting sighting = training->sighting[at - 1];
        struct bpe_chunk *chunk = &training->chunk[sighting.chunk];
        if (holds_pair(training, chunk, key)) {
            remove_pairs(training, chunk);
            replace_pair(training, chunk, key, symbol);
            add_pairs(training, sighting.chunk, known);
        }
        at = sighting.older;
    }
    push_pairs_from(training, known);
}

/* The most frequent pair; false when none occurs twice. A candidate whose pair has become rarer goes back in its place.
 */
static bool best_pair(struct bpe_training *training, uint64_t *key)
{
    while (training->candidates > 0) {
        struct bpe_candidate top = heap_pop(training);
        uint64_t count = training->pair[key_table_find(&training->pairs, top.key)].count;
        if (count < 2) continue;
        if (count == top.count) {
            *key = top.key;
            return true;
        }
        heap_push(training, (struct bpe_candidate){count, top.key});
    }
    return false;
}

static void training_init(struct bpe_training *training, const struct string_table *chunks)
{
    training->chunks = chunks->count;
    training->chunk = memory_array(chunks->count, sizeof *training->chunk);
    training->symbol = memory_array(chunks->bytes_used, sizeof *training->symbol);
    for (size_t i = 0; i < chunks->bytes_used; i++) training->symbol[i] = (unsigned char)chunks->bytes[i];
    for (size_t i = 0; i < chunks->count; i++) {
        const struct string_entry *entry = &chunks->entry[i];
        training->chunk[i] = (struct bpe_chunk){entry->offset, entry->length, entry->value};
        add_pairs(training, (uint32_t)i, 0);
    }
    push_pairs_from(training, 0);
}

static void training_reset(struct bpe_training *training)
{
    memory_free(training->symbol);
    memory_free(training->chunk);
    key_table_reset(&training->pairs);
    memory_free(training->pair);
    memory_free(training->sighting);
    memory_free(training->heap);
}

void bpe_train(const struct string_table *chunks, int wanted, struct key_table *merges)
{
    struct bpe_training training = {0};
    uint64_t key;
    training_init(&training, chunks);
    while (merges->count < (size_t)wanted && best_pair(&training, &key))
        merge_everywhere(&training, key, (uint16_t)(BPE_FIRST_MERGE + key_table_add(merges, key)));
    training_reset(&training);
}
