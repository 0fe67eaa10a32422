/* Every byte a token: 256, the separator, the mask. */
#include "text_private.h"

static void encode(void *self, const char *text, size_t count, struct token_list *tokens)
{
    (void)self;
    for (size_t i = 0; i < count; i++) token_push(tokens, (unsigned char)text[i]);
}

static void show(const void *self, unsigned token, bool first, struct byte_list *text)
{
    char byte = (char)token;
    (void)self, (void)first;
    byte_list_add(text, &byte, 1);
}

static void destroy(void *self) { (void)self; }

void tokenizer_bytes_create(struct tokenizer *tokenizer)
{
    static const struct tokenizer_ops ops = {.encode = encode, .show = show, .destroy = destroy};
    *tokenizer = (struct tokenizer){.ops = &ops, .vocabulary = 258, .separator = 256, .mask = 257};
}
