/* Corpora that are tokens already: .bin files of little-endian uint16, as nanoGPT (no header) and llm.c (1024 bytes of
 * header: int32 magic 20240520, version 1, number of tokens, zeros) write them.  Texts of tasks are token ids with
 * blanks between them.  Separator and mask are two tokens after the given vocabulary. */
#include <stdio.h>
#include <string.h>

#include "text_private.h"

enum { HEADER_BYTES = 1024, MAGIC = 20240520, MAGIC_WIDE = 20240801 /* uint32 tokens, for vocabularies above 65536 */ };

static uint32_t word_at(const char *bytes)
{
    const unsigned char *byte = (const unsigned char *)bytes;
    return (uint32_t)byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
}

/* Where the tokens start, or -1 with a complaint. */
static int check_header(const char *path, const char *bytes, size_t count, struct complaints *complaints)
{
    uint32_t magic = count >= 4 ? word_at(bytes) : 0;
    if (magic == MAGIC_WIDE) {
        text_complain(complaints, "%s: holds 32-bit tokens (magic %d); 16-bit ones are read", path, MAGIC_WIDE);
        return -1;
    }
    if (magic != MAGIC) return 0;
    if (count < HEADER_BYTES) {
        text_complain(complaints, "%s: starts like a file of llm.c, but ends inside its header of %d bytes", path,
                 HEADER_BYTES);
        return -1;
    }
    uint32_t version = word_at(bytes + 4), tokens = word_at(bytes + 8);
    if (version != 1) {
        text_complain(complaints, "%s: the header says version %u; version 1 is read", path, version);
        return -1;
    }
    if ((count - HEADER_BYTES) / 2 != tokens) {
        text_complain(complaints, "%s: the header says %u tokens, the file has %zu", path, tokens,
                 (count - HEADER_BYTES) / 2);
        return -1;
    }
    return HEADER_BYTES;
}

static int append_tokens(const char *path, const char *bytes, size_t count, int vocabulary, struct token_list *tokens,
                         struct complaints *complaints)
{
    tokens->token = memory_grow(tokens->token, &tokens->capacity, tokens->count + count, sizeof *tokens->token);
    for (size_t i = 0; i < count; i++) {
        unsigned token = (unsigned char)bytes[2 * i] | (unsigned)(unsigned char)bytes[2 * i + 1] << 8;
        if (token >= (unsigned)vocabulary) {
            text_complain(complaints, "%s: token number %zu (from 0) is %u; the vocabulary is %d", path, i, token,
                     vocabulary);
            return -1;
        }
        tokens->token[tokens->count + i] = (uint16_t)token;
    }
    tokens->count += count;
    return 0;
}

int binary_read(const char *path, int vocabulary, struct token_list *tokens, struct complaints *complaints)
{
    char *bytes;
    size_t count;
    int status = -1;
    TRY(read_data_file(path, &bytes, &count, complaints));
    int start = check_header(path, bytes, count, complaints);
    if (start >= 0 && count % 2 != 0)
        text_complain(complaints, "%s: has %zu bytes, an odd number; tokens are two bytes each", path, count);
    else if (start >= 0 && (size_t)start == count)
        text_complain(complaints, "%s: holds no tokens", path);
    else if (start >= 0)
        status = append_tokens(path, bytes + start, (count - (size_t)start) / 2, vocabulary, tokens, complaints);
    memory_free(bytes);
    return status;
}

/* ---- texts of token ids ---- */

/* Cuts the next word off the front of *rest; false at the end. */
static bool next_id(struct text_piece *rest, struct text_piece *id)
{
    while (rest->count > 0 && (*rest->bytes == ' ' || *rest->bytes == '\t')) rest->bytes++, rest->count--;
    *id = (struct text_piece){rest->bytes, 0};
    while (rest->count > 0 && *rest->bytes != ' ' && *rest->bytes != '\t') rest->bytes++, rest->count--, id->count++;
    return id->count > 0;
}

/* The number that id is, or -1 when it is none below `vocabulary`. */
static int read_id(struct text_piece id, int vocabulary)
{
    int value = 0;
    for (size_t i = 0; i < id.count; i++) {
        if (id.bytes[i] < '0' || id.bytes[i] > '9') return -1;
        value = 10 * value + (id.bytes[i] - '0');
        if (value >= vocabulary) return -1;
    }
    return value;
}

const char *binary_check(const char *text, size_t count, int vocabulary, char *why, size_t size)
{
    struct text_piece rest = {text, count}, id;
    while (next_id(&rest, &id)) {
        if (read_id(id, vocabulary) >= 0) continue;
        snprintf(why, size, "\"%.*s\" is not a token id from 0 to %d", id.count < 40 ? (int)id.count : 40, id.bytes,
                 vocabulary - 1);
        return why;
    }
    return NULL;
}

static void encode(void *self, const char *text, size_t count, struct token_list *tokens)
{
    const int *vocabulary = self;
    struct text_piece rest = {text, count}, id;
    while (next_id(&rest, &id)) {
        int token = read_id(id, *vocabulary);
        /* a label need not be an id; it then has no tokens, and gets one that no other label has */
        if (token >= 0) token_push(tokens, (unsigned)token);
    }
}

static void show(const void *self, unsigned token, bool first, struct byte_list *text)
{
    char shown[8];
    (void)self;
    int length = snprintf(shown, sizeof shown, first ? "%u" : " %u", token);
    byte_list_add(text, shown, (size_t)length);
}

static void destroy(void *self) { memory_free(self); }

void tokenizer_binary_create(struct tokenizer *tokenizer, int vocabulary)
{
    static const struct tokenizer_ops ops = {.encode = encode, .show = show, .destroy = destroy};
    int *self = memory_allocate(sizeof *self);
    *self = vocabulary;
    *tokenizer = (struct tokenizer){
        .ops = &ops, .self = self, .vocabulary = vocabulary + 2, .separator = vocabulary, .mask = vocabulary + 1};
}
