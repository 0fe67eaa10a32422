/* Corpora: text to documents, to a vocabulary of words or of byte pairs trained on it, to tokens, and back.  The first
 * byte chooses how large the vocabulary may be. */
#include <string.h>

#include "../../src/world/tokenizer_bpe_private.h"
#include "fuzz_input.h"

static void check_tokens(const struct tokenizer *tokenizer, const struct token_list *tokens)
{
    CHECK(tokenizer->vocabulary <= UINT16_MAX + 1, "a vocabulary of %d", tokenizer->vocabulary);
    for (size_t i = 0; i < tokens->count; i++) {
        CHECK(tokens->token[i] < tokenizer->vocabulary, "token %d of %d", tokens->token[i], tokenizer->vocabulary);
        CHECK(tokens->token[i] != tokenizer->separator && tokens->token[i] != tokenizer->mask, "a special in a text");
    }
}

/* What a text becomes, as text again; memory_free. */
static char *there_and_back(const struct tokenizer *tokenizer, struct text_piece text)
{
    struct token_list tokens = {0};
    tokenizer->ops->encode(tokenizer->self, text.bytes, text.count, &tokens);
    check_tokens(tokenizer, &tokens);
    char *back = tokenizer_text(tokenizer, tokens.token, (int)tokens.count);
    token_list_reset(&tokens);
    return back;
}

/* Bytes and byte pairs lose nothing; words show small letters and single blanks, in UTF-8. */
static void check_document(const struct tokenizer *tokenizer, struct text_piece document, bool words)
{
    char *back = there_and_back(tokenizer, document);
    if (words) {
        struct complaints complaints = {0};
        CHECK(utf8_check("words", back, strlen(back), &complaints) == 0, "%s", complaints.text);
    } else
        CHECK(strlen(back) == document.count && memcmp(back, document.bytes, document.count) == 0,
              "\"%.*s\" becomes \"%s\"", (int)document.count, document.bytes, back);
    memory_free(back);
}

static void check_tokenizer(struct tokenizer *tokenizer, struct text_piece whole, bool words)
{
    struct text_piece rest = whole, document;
    struct token_list tokens = {0};
    while (next_document(&rest, &document)) {
        CHECK(document.count > 0, "an empty document");
        check_document(tokenizer, document, words);
    }
    tokenize_documents(tokenizer, whole, &tokens);
    CHECK(tokens.count == 0 || tokens.token[0] == tokenizer->separator, "no separator in front");
    token_list_reset(&tokens);
    tokenizer_destroy(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 1) return 0;
    struct memory_count before = fuzz_begin();
    struct text_piece whole = {(const char *)bytes + 1, count - 1};
    struct complaints complaints = {0};
    struct tokenizer tokenizer;
    struct error err = {0};
    if (utf8_check("corpus.txt", whole.bytes, whole.count, &complaints) != 0) {
        CHECK(complaints_result(&complaints, &err) != 0, "refused without a word");
        fuzz_refused(&err, "corpus.txt:");
    } else {
        tokenizer_bytes_create(&tokenizer);
        check_tokenizer(&tokenizer, whole, false);
        tokenizer_words_create(&tokenizer, &whole, 1, 1 + bytes[0]);
        check_tokenizer(&tokenizer, whole, true);
        tokenizer_bpe_create(&tokenizer, &whole, 1, 1 + bytes[0]);
        check_tokenizer(&tokenizer, whole, false);
    }
    fuzz_end(before);
    return 0;
}
