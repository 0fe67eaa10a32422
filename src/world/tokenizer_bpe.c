/* Byte-level byte pair encoding: every byte is a token, and so are the pairs that bpe_train found to be frequent.  Text
 * is first cut into chunks (a word with the blank before it, digits, other characters, white space); merges stay inside
 * a chunk.  Nothing is lost: the chunks one after the other are the text. */
#include <string.h>

#include "tokenizer_bpe_private.h"

struct bpe {
    struct key_table merges; /* number r: the pair that became token BPE_FIRST_MERGE + r */
    struct string_table
        encoded; /* chunks met so far; value: where their tokens stand, x (CHUNK_MOST + 1), + how many */
    struct token_list tokens;
};

/* Bytes of the run of characters of one class at the front of text, at most `most`. */
static size_t run_extent(const char *text, size_t left, size_t most, enum character *class)
{
    int length;
    size_t end = 0;
    *class = character_class(text, left, &length);
    while (end < left && character_class(text + end, left - end, &length) == *class && end + (size_t)length <= most)
        end += (size_t)length;
    return end;
}

/* A blank goes with what follows it, so that a word inside a text is one chunk; of several blanks the last does. */
static struct text_piece next_chunk(struct text_piece *rest)
{
    enum character class;
    size_t extent = run_extent(rest->bytes, rest->count, CHUNK_MOST, &class);
    if (class == CHARACTER_SPACE && extent < rest->count && rest->bytes[extent - 1] == ' ') {
        if (extent > 1)
            extent--;
        else
            extent += run_extent(rest->bytes + 1, rest->count - 1, CHUNK_MOST - 1, &class);
    }
    struct text_piece chunk = {rest->bytes, extent};
    rest->bytes += extent;
    rest->count -= extent;
    return chunk;
}

/* Merges in the order they were learnt, so that a chunk becomes what it became in training. */
static int merge_chunk(const struct key_table *merges, uint16_t *token, int length)
{
    for (;;) {
        int64_t lowest = INT64_MAX;
        for (int i = 0; i + 1 < length; i++) {
            int64_t number = key_table_find(merges, bpe_pair(token[i], token[i + 1]));
            if (number >= 0 && number < lowest) lowest = number;
        }
        if (lowest == INT64_MAX) return length;
        int kept = 0;
        for (int i = 0; i < length; i++) {
            bool here = i + 1 < length && bpe_pair(token[i], token[i + 1]) == merges->key[lowest];
            token[kept++] = here ? (uint16_t)(BPE_FIRST_MERGE + lowest) : token[i];
            i += here;
        }
        length = kept;
    }
}

static uint64_t encode_chunk(struct bpe *bpe, struct text_piece chunk)
{
    uint16_t token[CHUNK_MOST];
    for (size_t i = 0; i < chunk.count; i++) token[i] = (unsigned char)chunk.bytes[i];
    int length = merge_chunk(&bpe->merges, token, (int)chunk.count);
    uint64_t value = bpe->tokens.count * (CHUNK_MOST + 1) + (uint64_t)length;
    for (int i = 0; i < length; i++) token_push(&bpe->tokens, token[i]);
    return value;
}

static void encode(void *self, const char *text, size_t count, struct token_list *tokens)
{
    struct bpe *bpe = self;
    struct text_piece rest = {text, count};
    while (rest.count > 0) {
        struct text_piece chunk = next_chunk(&rest);
        uint64_t *value = string_table_value(&bpe->encoded, chunk.bytes, chunk.count);
        if (*value == 0) *value = encode_chunk(bpe, chunk);
        const uint16_t *known = bpe->tokens.token + *value / (CHUNK_MOST + 1);
        for (uint64_t i = 0; i < *value % (CHUNK_MOST + 1); i++) token_push(tokens, known[i]);
    }
}

static void settle(void *self)
{
    struct bpe *bpe = self;
    string_table_reset(&bpe->encoded);
    token_list_reset(&bpe->tokens);
}

/* Depth is bounded by CHUNK_MOST, as each side of a merge is shorter than the whole. */
static void show(const void *self, unsigned token, bool first, struct byte_list *text)
{
    const struct bpe *bpe = self;
    char byte = (char)token;
    if (token < BPE_FIRST_MERGE) {
        byte_list_add(text, &byte, 1);
        return;
    }
    uint64_t pair = bpe->merges.key[token - BPE_FIRST_MERGE];
    show(self, (unsigned)(pair >> 16), first, text);
    show(self, (unsigned)(pair & 0xFFFF), first, text);
}

static void destroy(void *self)
{
    struct bpe *bpe = self;
    settle(bpe);
    key_table_reset(&bpe->merges);
    memory_free(bpe);
}

void tokenizer_bpe_create(struct tokenizer *tokenizer, const struct text_piece *pieces, size_t count, int wanted)
{
    static const struct tokenizer_ops ops = {.encode = encode, .show = show, .settle = settle, .destroy = destroy};
    struct bpe *bpe = memory_allocate(sizeof *bpe);
    struct string_table chunks = {0};
    for (size_t i = 0; i < count; i++) {
        struct text_piece rest = pieces[i], document;
        while (next_document(&rest, &document))
            while (document.count > 0) {
                struct text_piece chunk = next_chunk(&document);
                ++*string_table_value(&chunks, chunk.bytes, chunk.count);
            }
    }
    bpe_train(&chunks, wanted, &bpe->merges);
    string_table_reset(&chunks);
    *tokenizer = (struct tokenizer){.ops = &ops,
                                    .self = bpe,
                                    .vocabulary = BPE_FIRST_MERGE + (int)bpe->merges.count,
                                    .separator = BPE_FIRST_MERGE - 2,
                                    .mask = BPE_FIRST_MERGE - 1};
}
