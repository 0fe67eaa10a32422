/* The most frequent lower-case words, and letters for the rest, so that nothing is unknown.
 *
 * A word is a run of letters (with apostrophes between them), a run of digits, or any other single character.  White
 * space is dropped, capitals become small.  A word that is not among the frequent ones is spelled byte by byte; the
 * first byte has a form of its own, so that two spelled words in a row can be told apart.  Tokens, in this order: the
 * bytes that can begin a spelled word, the bytes that can continue one, the separator, the mask, the words by falling
 * frequency. */
#include <stdlib.h>
#include <string.h>

#include "text_private.h"

enum { WORD_MOST = 64 /* bytes; a longer run is cut into several words */ };

struct words {
    int16_t form[2][256];           /* token of a byte that begins [0] or continues [1] a spelled word; -1: none */
    unsigned char spelled[2 * 256]; /* the byte of each such token */
    int forms, beginnings;
    int first_word; /* token of the most frequent word */
    int words;
    struct string_table table; /* value: the token of the word */
    uint32_t *number;          /* [words] the table's number of token first_word + i */
};

/* Bytes of well-formed UTF-8 in lower case; only those of letters and digits, and of characters beyond ASCII, continue.
 */
static bool has_form(int byte, bool continues)
{
    if (byte == 0xC0 || byte == 0xC1 || byte > 0xF4 || (byte >= 'A' && byte <= 'Z')) return false;
    if (byte >= 0x80) return continues || byte >= 0xC2;
    if (continues) return byte == '\'' || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z');
    return byte != 0 && byte != ' ' && (byte < '\t' || byte > '\r');
}

static void make_forms(struct words *words)
{
    for (int continues = 0; continues < 2; continues++) {
        for (int byte = 0; byte < 256; byte++) {
            words->form[continues][byte] = -1;
            if (!has_form(byte, continues)) continue;
            words->spelled[words->forms] = (unsigned char)byte;
            words->form[continues][byte] = (int16_t)words->forms++;
        }
        if (!continues) words->beginnings = words->forms;
    }
}

/* An apostrophe between two letters belongs to the word. */
static bool joins(const char *text, size_t left)
{
    int length;
    return text[0] == '\'' && left > 1 && character_class(text + 1, left - 1, &length) == CHARACTER_LETTER;
}

/* Bytes of the word at text, of class `class`, whose first character has `length` bytes. */
static size_t word_extent(const char *text, size_t left, enum character class, int length)
{
    size_t end = (size_t)length;
    if (class == CHARACTER_OTHER) return end;
    while (end < left) {
        bool goes_on = character_class(text + end, left - end, &length) == class ||
                       (class == CHARACTER_LETTER && joins(text + end, left - end));
        if (!goes_on || end + (size_t)length > WORD_MOST) break;
        end += (size_t)length;
    }
    return end;
}

/* Cuts the next word off the front of *rest, in small letters; 0 at the end, else its bytes. */
static size_t next_word(struct text_piece *rest, char word[WORD_MOST])
{
    while (rest->count > 0) {
        int length;
        enum character class = character_class(rest->bytes, rest->count, &length);
        size_t extent =
            class == CHARACTER_SPACE ? (size_t)length : word_extent(rest->bytes, rest->count, class, length);
        if (class != CHARACTER_SPACE) memcpy(word, rest->bytes, extent);
        rest->bytes += extent;
        rest->count -= extent;
        if (class == CHARACTER_SPACE) continue;
        lower_case(word, extent);
        return extent;
    }
    return 0;
}

static void encode(void *self, const char *text, size_t count, struct token_list *tokens)
{
    const struct words *words = self;
    struct text_piece rest = {text, count};
    char word[WORD_MOST];
    size_t length;
    while ((length = next_word(&rest, word)) > 0) {
        int64_t known = string_table_find(&words->table, word, length);
        if (known >= 0) {
            token_push(tokens, (unsigned)words->table.entry[known].value);
            continue;
        }
        for (size_t i = 0; i < length; i++) {
            int form = words->form[i > 0][(unsigned char)word[i]];
            CHECK(form >= 0, "byte %d has no token", (unsigned char)word[i]);
            token_push(tokens, (unsigned)form);
        }
    }
}

static void show(const void *self, unsigned token, bool first, struct byte_list *text)
{
    const struct words *words = self;
    bool continues = token >= (unsigned)words->beginnings && token < (unsigned)words->forms;
    if (!first && !continues) byte_list_add(text, " ", 1);
    if (token < (unsigned)words->forms) {
        byte_list_add(text, (const char *)&words->spelled[token], 1);
        return;
    }
    uint32_t number = words->number[token - (unsigned)words->first_word];
    byte_list_add(text, string_table_bytes(&words->table, number), words->table.entry[number].length);
}

static void destroy(void *self)
{
    struct words *words = self;
    string_table_reset(&words->table);
    memory_free(words->number);
    memory_free(words);
}

/* ---- choosing the words ---- */

static void count_words(struct string_table *counts, const struct text_piece *pieces, size_t count)
{
    char word[WORD_MOST];
    size_t length;
    for (size_t i = 0; i < count; i++) {
        struct text_piece rest = pieces[i];
        /* a single byte is a token already */
        while ((length = next_word(&rest, word)) > 0)
            if (length > 1) ++*string_table_value(counts, word, length);
    }
}

/* More frequent first; equally frequent ones by their bytes, so that the order of the files decides nothing. */
static int compare_words(const void *a, const void *b, void *table)
{
    const struct string_table *counts = table;
    const struct string_entry *x = &counts->entry[*(const uint32_t *)a], *y = &counts->entry[*(const uint32_t *)b];
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    uint32_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(counts->bytes + x->offset, counts->bytes + y->offset, shorter);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static void choose_words(struct words *words, struct string_table *counts, int wanted)
{
    uint32_t *order = memory_array(counts->count, sizeof *order);
    for (size_t i = 0; i < counts->count; i++) order[i] = (uint32_t)i;
    qsort_r(order, counts->count, sizeof *order, compare_words, counts);
    words->words = counts->count < (size_t)wanted ? (int)counts->count : wanted;
    words->number = memory_array((size_t)words->words, sizeof *words->number);
    for (int i = 0; i < words->words; i++) {
        const char *bytes = string_table_bytes(counts, order[i]);
        words->number[i] = string_table_add(&words->table, bytes, counts->entry[order[i]].length);
        words->table.entry[words->number[i]].value = (uint64_t)(words->first_word + i);
    }
    memory_free(order);
}

void tokenizer_words_create(struct tokenizer *tokenizer, const struct text_piece *pieces, size_t count, int wanted)
{
    static const struct tokenizer_ops ops = {.encode = encode, .show = show, .destroy = destroy};
    struct words *words = memory_allocate(sizeof *words);
    struct string_table counts = {0};
    make_forms(words);
    words->first_word = words->forms + 2;
    count_words(&counts, pieces, count);
    choose_words(words, &counts, wanted);
    string_table_reset(&counts);
    *tokenizer = (struct tokenizer){.ops = &ops,
                                    .self = words,
                                    .vocabulary = words->first_word + words->words,
                                    .separator = words->forms,
                                    .mask = words->forms + 1};
}
