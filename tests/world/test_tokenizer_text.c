/* Bytes, words and byte pairs: what text becomes, and what it becomes again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "../../src/world/tokenizer_bpe_private.h"

static struct text_piece piece(const char *text) { return (struct text_piece){text, strlen(text)}; }

static struct token_list encoded(const struct tokenizer *tokenizer, const char *text)
{
    struct token_list tokens = {0};
    tokenizer->ops->encode(tokenizer->self, text, strlen(text), &tokens);
    for (size_t i = 0; i < tokens.count; i++) {
        assert_true(tokens.token[i] < tokenizer->vocabulary);
        assert_true(tokens.token[i] != tokenizer->separator && tokens.token[i] != tokenizer->mask);
    }
    return tokens;
}

/* Encodes `text`, shows it, and asserts what comes out, and into how many tokens it went. */
static void assert_round(const struct tokenizer *tokenizer, const char *text, const char *shown, size_t count)
{
    struct token_list tokens = encoded(tokenizer, text);
    char *back = tokenizer_text(tokenizer, tokens.token, (int)tokens.count);
    assert_string_equal(back, shown);
    assert_int_equal(tokens.count, count);
    memory_free(back);
    token_list_reset(&tokens);
}

static void bytes_are_tokens(void **state)
{
    struct tokenizer bytes;
    (void)state;
    tokenizer_bytes_create(&bytes);
    assert_int_equal(bytes.vocabulary, 258);
    assert_round(&bytes, "caf\xC3\xA9\n\tX", "caf\xC3\xA9\n\tX", 8);
    tokenizer_destroy(&bytes);
}

static void documents_are_preceded_by_the_separator(void **state)
{
    struct tokenizer bytes;
    struct token_list tokens = {0};
    (void)state;
    tokenizer_bytes_create(&bytes);
    tokenize_documents(&bytes, piece("\nab\n\n\nc\n"), &tokens);
    const uint16_t expected[] = {256, 'a', 'b', 256, 'c'};
    assert_int_equal(tokens.count, 5);
    assert_memory_equal(tokens.token, expected, sizeof expected);
    token_push(&tokens, 257);
    char *text = tokenizer_text(&bytes, tokens.token, 6);
    assert_string_equal(text, "\n\nab\n\nc [mask] ");
    memory_free(text);
    token_list_reset(&tokens);
    tokenizer_destroy(&bytes);
}

/* ---- words ---- */

static void frequent_words_are_tokens_and_the_rest_is_spelled(void **state)
{
    struct tokenizer words;
    struct text_piece pieces[] = {piece("The cat saw the dog. The dog saw the CAT; it didn't.\n"),
                                  piece("the cat ran\n")};
    (void)state;
    tokenizer_words_create(&words, pieces, 2, 3); /* the 5, cat 3, dog and saw 2: dog comes first by its bytes */
    struct token_list tokens = encoded(&words, "the cat dog");
    for (int i = 0; i < 3; i++) assert_int_equal(tokens.token[i], words.vocabulary - 3 + i);
    token_list_reset(&tokens);
    assert_round(&words, "The  CAT\nsaw a dog.", "the cat saw a dog .", 1 + 1 + 3 + 1 + 1 + 1);
    assert_round(&words, "didn't saw", "didn't saw", 6 + 3);
    tokenizer_destroy(&words);
}

static void spelled_words_in_a_row_stay_apart(void **state)
{
    struct tokenizer words;
    struct text_piece nothing = piece("");
    (void)state;
    tokenizer_words_create(&words, &nothing, 1, 10);
    assert_int_equal(words.vocabulary, words.mask + 1);
    assert_round(&words, "ab cd", "ab cd", 4);
    assert_round(&words, "a b c d", "a b c d", 4);
    assert_round(&words, "abcd", "abcd", 4);
    struct token_list apart = encoded(&words, "ab cd"), together = encoded(&words, "abcd");
    assert_int_equal(apart.token[0], together.token[0]);
    assert_true(apart.token[2] != together.token[2]);
    token_list_reset(&apart);
    token_list_reset(&together);
    tokenizer_destroy(&words);
}

static void no_character_is_unknown_to_words(void **state)
{
    struct tokenizer words;
    struct text_piece nothing = piece("");
    char text[8] = "";
    (void)state;
    tokenizer_words_create(&words, &nothing, 1, 10);
    for (uint32_t code = 1; code < 0x110000; code += code < 0x3000 ? 1 : 37) {
        if (code >= 0xD800 && code < 0xE000) continue;
        int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (int i = length - 1; i > 0; i--) text[i] = (char)(0x80 | (code >> 6 * (length - 1 - i) & 0x3F));
        text[0] = (char)(lead[length] | code >> 6 * (length - 1));
        text[length] = '\0';
        struct token_list tokens = encoded(&words, text);
        assert_true(tokens.count == 0 || tokens.count == (size_t)length);
        token_list_reset(&tokens);
    }
    tokenizer_destroy(&words);
}

static void capitals_become_small_beyond_ascii_too(void **state)
{
    char text[] = "\xC3\x84PFEL \xC3\x97 \xCE\xA9 \xD0\x96 \xD0\x81 \xE2\x84\xAA";
    (void)state;
    lower_case(text, strlen(text));
    assert_string_equal(text, "\xC3\xA4pfel \xC3\x97 \xCF\x89 \xD0\xB6 \xD1\x91 \xE2\x84\xAA");
}

static void very_long_words_are_cut_between_characters(void **state)
{
    struct tokenizer words;
    char text[302];
    (void)state;
    for (int i = 0; i < 150; i++) memcpy(text + 1 + 2 * i, "\xC3\xA9", 2);
    text[0] = 'x';
    text[301] = '\0';
    struct text_piece pieces = piece(text);
    tokenizer_words_create(&words, &pieces, 1, 10);
    struct token_list tokens = encoded(&words, text);
    char *back = tokenizer_text(&words, tokens.token, (int)tokens.count);
    assert_int_equal(utf8_check("-", back, strlen(back), &(struct complaints){0}), 0);
    assert_true(tokens.count <= 6);
    memory_free(back);
    token_list_reset(&tokens);
    tokenizer_destroy(&words);
}

/* ---- byte pairs ---- */

static void the_most_frequent_pairs_are_merged_first(void **state)
{
    struct tokenizer bpe;
    struct text_piece pieces = piece("abab abab abab cd");
    (void)state;
    /* ab occurs 6 times; then (ab)(ab) 3 times, beating blank+abab's 2 */
    tokenizer_bpe_create(&bpe, &pieces, 1, 2);
    assert_int_equal(bpe.vocabulary, 260);
    assert_round(&bpe, "abab", "abab", 1);
    assert_round(&bpe, "ab", "ab", 1);
    assert_round(&bpe, " ababab cd", " ababab cd", 1 + 2 + 3);
    tokenizer_destroy(&bpe);
}

static void the_last_blank_goes_with_the_word_after_it(void **state)
{
    struct tokenizer bpe;
    struct text_piece pieces = piece("x word word word");
    (void)state;
    tokenizer_bpe_create(&bpe, &pieces, 1, 100);
    assert_round(&bpe, " word", " word", 1);
    assert_round(&bpe, "   word\n word", "   word\n word", 2 + 1 + 1 + 1);
    tokenizer_destroy(&bpe);
}

static void a_repeated_letter_is_merged_from_the_left(void **state)
{
    struct tokenizer bpe;
    struct text_piece pieces = piece("aaaaa");
    (void)state;
    tokenizer_bpe_create(&bpe, &pieces, 1, 100); /* (aa)(aa)a, after which no pair occurs twice */
    assert_int_equal(bpe.vocabulary, 259);
    struct token_list tokens = encoded(&bpe, "aaaaa");
    const uint16_t expected[] = {258, 258, 'a'};
    assert_int_equal(tokens.count, 3);
    assert_memory_equal(tokens.token, expected, sizeof expected);
    token_list_reset(&tokens);
    tokenizer_destroy(&bpe);
}

static const char passage[] =
    "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals, when it was checked by "
    "a\n"
    "violent gust of wind which swept up the streets.  It's 1830, isn't it?\tNa\xC3\xAFve caf\xC3\xA9s \xE2\x80\x94 42 "
    "of them!\n"
    "   indented, and then the rain and the wind and the night again: the the the the rain rain rain 1830 1830.\n";

static void byte_pairs_give_back_every_byte(void **state)
{
    struct tokenizer bpe;
    struct text_piece pieces = piece(passage);
    (void)state;
    for (int wanted = 1; wanted < 200; wanted += 33) {
        tokenizer_bpe_create(&bpe, &pieces, 1, wanted);
        struct token_list tokens = encoded(&bpe, passage);
        char *back = tokenizer_text(&bpe, tokens.token, (int)tokens.count);
        assert_string_equal(back, passage);
        memory_free(back);
        token_list_reset(&tokens);
        bpe.ops->settle(bpe.self);
        back = tokenizer_text(&bpe, (uint16_t[]){256, (uint16_t)(bpe.vocabulary - 1)}, 2);
        assert_true(strlen(back) >= 4);
        memory_free(back);
        tokenizer_destroy(&bpe);
    }
}

/* The same merges by counting everything anew after each: slow and plainly right. */
struct plain_chunk {
    uint16_t symbol[64];
    int length;
    uint64_t count;
};

static uint64_t plain_best(const struct plain_chunk *chunks, size_t count)
{
    struct key_table pairs = {0};
    uint64_t tally[4096] = {0}, best = 0;
    for (size_t c = 0; c < count; c++)
        for (int i = 0; i + 1 < chunks[c].length; i++)
            tally[key_table_add(&pairs, (uint64_t)chunks[c].symbol[i] << 16 | chunks[c].symbol[i + 1])] +=
                chunks[c].count;
    for (size_t n = 1; n < pairs.count; n++)
        if (tally[n] > tally[best] || (tally[n] == tally[best] && pairs.key[n] < pairs.key[best])) best = n;
    uint64_t key = pairs.count > 0 && tally[best] >= 2 ? pairs.key[best] : UINT64_MAX;
    key_table_reset(&pairs);
    return key;
}

static void plain_merge(struct plain_chunk *chunk, uint64_t key, uint16_t made)
{
    int kept = 0;
    for (int i = 0; i < chunk->length; i++) {
        bool here = i + 1 < chunk->length && ((uint64_t)chunk->symbol[i] << 16 | chunk->symbol[i + 1]) == key;
        chunk->symbol[kept++] = here ? made : chunk->symbol[i];
        i += here;
    }
    chunk->length = kept;
}

/* Random chunks over few letters, so that pairs overlap, vanish and tie. */
static size_t random_chunks(uint64_t seed, struct string_table *table, struct plain_chunk *chunks)
{
    struct random_cursor cursor = random_at(random_stream("test chunks", seed, NULL), 0);
    for (int i = 0; i < 60; i++) {
        char text[12];
        size_t length = 1 + random_below(&cursor, 12);
        for (size_t k = 0; k < length; k++) text[k] = (char)('a' + random_below(&cursor, 3));
        *string_table_value(table, text, length) += 1 + random_below(&cursor, 4);
    }
    for (size_t i = 0; i < table->count; i++) {
        chunks[i].length = (int)table->entry[i].length;
        chunks[i].count = table->entry[i].value;
        for (int k = 0; k < chunks[i].length; k++) chunks[i].symbol[k] = (unsigned char)string_table_bytes(table, i)[k];
    }
    return table->count;
}

static void incremental_merges_equal_those_by_counting_anew(void **state)
{
    static struct plain_chunk chunks[60];
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct string_table table = {0};
        struct key_table merges = {0};
        size_t count = random_chunks(seed, &table, chunks);
        bpe_train(&table, 1000, &merges);
        for (size_t r = 0; r <= merges.count; r++) {
            uint64_t best = plain_best(chunks, count);
            assert_true(best == (r < merges.count ? merges.key[r] : UINT64_MAX));
            for (size_t c = 0; c < count; c++) plain_merge(&chunks[c], best, (uint16_t)(BPE_FIRST_MERGE + r));
        }
        string_table_reset(&table);
        key_table_reset(&merges);
    }
}

static void the_order_of_files_decides_nothing(void **state)
{
    struct text_piece forth[] = {piece("some words and some more words\n"), piece("more and more of them, some\n")};
    struct text_piece back[] = {forth[1], forth[0]};
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct tokenizer a, b;
        (kind ? tokenizer_bpe_create : tokenizer_words_create)(&a, forth, 2, 5);
        (kind ? tokenizer_bpe_create : tokenizer_words_create)(&b, back, 2, 5);
        struct token_list from_a = encoded(&a, "some more words of them and"),
                          from_b = encoded(&b, "some more words of them and");
        assert_int_equal(from_a.count, from_b.count);
        assert_memory_equal(from_a.token, from_b.token, from_a.count * sizeof *from_a.token);
        token_list_reset(&from_a);
        token_list_reset(&from_b);
        tokenizer_destroy(&a);
        tokenizer_destroy(&b);
    }
}

static int all_memory_was_given_back(void **state)
{
    (void)state;
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_tokens),
        cmocka_unit_test(documents_are_preceded_by_the_separator),
        cmocka_unit_test(frequent_words_are_tokens_and_the_rest_is_spelled),
        cmocka_unit_test(spelled_words_in_a_row_stay_apart),
        cmocka_unit_test(no_character_is_unknown_to_words),
        cmocka_unit_test(capitals_become_small_beyond_ascii_too),
        cmocka_unit_test(very_long_words_are_cut_between_characters),
        cmocka_unit_test(the_most_frequent_pairs_are_merged_first),
        cmocka_unit_test(the_last_blank_goes_with_the_word_after_it),
        cmocka_unit_test(a_repeated_letter_is_merged_from_the_left),
        cmocka_unit_test(byte_pairs_give_back_every_byte),
        cmocka_unit_test(incremental_merges_equal_those_by_counting_anew),
        cmocka_unit_test(the_order_of_files_decides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, all_memory_was_given_back);
}
