/* What all tokenizers share: documents, specials, showing. */
#include <string.h>

#include "text_private.h"

void tokenizer_destroy(struct tokenizer *tokenizer)
{
    if (tokenizer->ops) tokenizer->ops->destroy(tokenizer->self);
    *tokenizer = (struct tokenizer){0};
}

void tokenize_documents(const struct tokenizer *tokenizer, struct text_piece text, struct token_list *tokens)
{
    struct text_piece document;
    while (next_document(&text, &document)) {
        token_push(tokens, (unsigned)tokenizer->separator);
        tokenizer->ops->encode(tokenizer->self, document.bytes, document.count, tokens);
    }
}

char *tokenizer_text(const struct tokenizer *tokenizer, const uint16_t *token, int length)
{
    struct byte_list text = {0};
    bool first = true;
    for (int i = 0; i < length; i++) {
        CHECK(token[i] < tokenizer->vocabulary, "token %d of %d", token[i], tokenizer->vocabulary);
        if (token[i] == tokenizer->separator)
            byte_list_add(&text, "\n\n", 2);
        else if (token[i] == tokenizer->mask)
            byte_list_add(&text, " [mask] ", 8);
        else
            tokenizer->ops->show(tokenizer->self, token[i], first, &text);
        first = token[i] == tokenizer->separator || token[i] == tokenizer->mask;
    }
    byte_list_add(&text, "", 1);
    return text.byte;
}

int tokenizer_most(enum tokenizer_kind kind)
{
    static const int own[] = {[TOKENIZER_BYTES] = 256 + 2,
                              [TOKENIZER_WORDS] = 2 * 256 + 2, /* at most: a byte can begin or continue a word */
                              [TOKENIZER_BPE] = 256 + 2,
                              [TOKENIZER_BINARY] = 2};
    return UINT16_MAX + 1 - own[kind];
}
