/* Corpora: files cut into a training part and a held-out tail, and turned into tokens.
 *
 * Every file gives its own tail, so that what is held out is spread over a corpus of several files.  A blank line ends
 * a document; the separator stands before each, so a token can see that what came before it is another text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text_private.h"

enum { CORPUS_LINE_MOST = 1 << 30 /* bytes: a whole encyclopedia on one line is a corpus still */ };

/* ---- documents ---- */

static size_t line_extent(struct text_piece text) /* with its end */
{
    const char *end = memchr(text.bytes, '\n', text.count);
    return end ? (size_t)(end - text.bytes) + 1 : text.count;
}

static bool blank(const char *line, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (line[i] != ' ' && (line[i] < '\t' || line[i] > '\r')) return false;
    return true;
}

bool next_document(struct text_piece *rest, struct text_piece *document)
{
    struct text_piece text = *rest;
    size_t line = 0, taken = 0;
    while (text.count > 0 && blank(text.bytes, line = line_extent(text))) text.bytes += line, text.count -= line;
    if (text.count == 0) return false;
    *document = (struct text_piece){text.bytes, 0};
    while (taken < text.count) {
        struct text_piece ahead = {text.bytes + taken, text.count - taken};
        line = line_extent(ahead);
        if (blank(ahead.bytes, line)) break;
        taken += line;
    }
    document->count = taken;
    while (document->count > 0 && (text.bytes[document->count - 1] == '\n' || text.bytes[document->count - 1] == '\r'))
        document->count--;
    *rest = (struct text_piece){text.bytes + taken, text.count - taken};
    return true;
}

/* ---- loading ---- */

/* Where the tail begins: after the first line end from `target` on, or the last one before it; in a file of one line,
 * after a blank; 0 when there is neither. */
static size_t tail_start(const char *bytes, size_t count, size_t target)
{
    const char *end = memchr(bytes + target, '\n', count - target);
    if (end && (size_t)(end - bytes) + 1 < count) return (size_t)(end - bytes) + 1;
    end = memrchr(bytes, '\n', target);
    if (end) return (size_t)(end - bytes) + 1;
    end = memchr(bytes + target, ' ', count - target);
    return end ? (size_t)(end - bytes) + 1 : 0;
}

static size_t tail_target(size_t count, double held_out) { return (size_t)((double)count * (1 - held_out)); }

static void load_text(struct corpus *corpus, int file, const char *path, double held_out, struct complaints *complaints)
{
    size_t count;
    char *bytes;
    if (text_scan(path, CORPUS_LINE_MOST, complaints) != 0) return;
    if (read_data_file(path, &bytes, &count, complaints) != 0) return;
    corpus->bytes[file] = bytes;
    if (count >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) bytes += 3, count -= 3; /* byte order mark */
    if (utf8_check(path, bytes, count, complaints) != 0) return;
    if (blank(bytes, count)) {
        text_complain(complaints, "%s: is empty", path);
        return;
    }
    size_t cut = tail_start(bytes, count, tail_target(count, held_out));
    if (cut == 0) {
        text_complain(complaints, "%s: is one line without a blank; no tail can be held out", path);
        return;
    }
    corpus->training[file] = (struct text_piece){bytes, cut};
    corpus->held[file] = (struct text_piece){bytes + cut, count - cut};
}

static void append(struct token_list *list, unsigned separator, const uint16_t *token, size_t count)
{
    token_push(list, separator);
    list->token = memory_grow(list->token, &list->capacity, list->count + count, sizeof *list->token);
    if (count > 0) memcpy(list->token + list->count, token, count * sizeof *token);
    list->count += count;
}

static void load_binary(struct corpus *corpus, const char *path, const struct world_spec *spec,
                        struct complaints *complaints)
{
    struct token_list all = {0};
    if (binary_read(path, spec->vocabulary, &all, complaints) == 0) {
        size_t cut = tail_target(all.count, spec->held_out);
        append(&corpus->training_tokens, (unsigned)spec->vocabulary, all.token, cut);
        append(&corpus->held_tokens, (unsigned)spec->vocabulary, all.token + cut, all.count - cut);
    }
    token_list_reset(&all);
}

void corpus_load(struct corpus *corpus, const struct world_spec *spec, const struct text_source *source,
                 struct complaints *complaints)
{
    snprintf(corpus->name, sizeof corpus->name, "%s", source->name);
    if (source->file_count == 0) text_complain(complaints, "corpus %s: has no files", source->name);
    if (spec->tokenizer != TOKENIZER_BINARY) {
        corpus->files = source->file_count;
        corpus->bytes = memory_array((size_t)corpus->files, sizeof *corpus->bytes);
        corpus->training = memory_array((size_t)corpus->files, sizeof *corpus->training);
        corpus->held = memory_array((size_t)corpus->files, sizeof *corpus->held);
    }
    for (int i = 0; i < source->file_count; i++) {
        if (spec->tokenizer == TOKENIZER_BINARY)
            load_binary(corpus, source->files[i], spec, complaints);
        else
            load_text(corpus, i, source->files[i], spec->held_out, complaints);
    }
}

/* ---- tokens ---- */

int corpus_windows(const struct token_list *tokens, int context)
{
    size_t windows = tokens->count == 0 ? 0 : (tokens->count - 1) / (size_t)context;
    return windows < INT32_MAX ? (int)windows : INT32_MAX;
}

static void forget_bytes(struct corpus *corpus)
{
    for (int i = 0; i < corpus->files; i++) memory_free(corpus->bytes[i]);
    memory_free(corpus->bytes);
    memory_free(corpus->training);
    memory_free(corpus->held);
    corpus->files = 0;
    corpus->bytes = NULL;
    corpus->training = corpus->held = NULL;
}

static struct hash128 finish_tokens(const struct corpus *corpus, const char *part, struct token_list *tokens,
                                    int context, struct complaints *complaints)
{
    if (corpus_windows(tokens, context) < 1)
        text_complain(complaints, "corpus %s: its %s has %zu tokens; one window of the context takes %d", corpus->name,
                      part, tokens->count, context + 1);
    token_list_fit(tokens);
    return hash_bytes(tokens->token, tokens->count * sizeof *tokens->token);
}

void corpus_tokenize(struct corpus *corpus, const struct tokenizer *tokenizer, int context,
                     struct complaints *complaints)
{
    for (int i = 0; i < corpus->files; i++) {
        tokenize_documents(tokenizer, corpus->training[i], &corpus->training_tokens);
        tokenize_documents(tokenizer, corpus->held[i], &corpus->held_tokens);
    }
    forget_bytes(corpus);
    corpus->training_hash = finish_tokens(corpus, "training part", &corpus->training_tokens, context, complaints);
    corpus->held_hash = finish_tokens(corpus, "held-out tail", &corpus->held_tokens, context, complaints);
}

void corpus_reset(struct corpus *corpus)
{
    forget_bytes(corpus);
    token_list_reset(&corpus->training_tokens);
    token_list_reset(&corpus->held_tokens);
}

/* ---- the order of windows ---- */

/* A permutation without a table: the index is written as a * right + b and the two digits are stirred by turns, each by
 * a random function of the other (a Feistel network over a rectangle, as in Black and Rogaway 2002); results past the
 * end walk on until they fall inside.  The rectangle is at most one row larger than the range, so walks are short. */
uint32_t shuffle_index(struct random_stream stream, uint64_t round, uint32_t count, uint32_t index)
{
    enum { STIRS = 6 };
    CHECK(index < count && round < (uint64_t)1 << 28, "index %u of %u, round %llu", index, count,
          (unsigned long long)round);
    uint32_t left = (uint32_t)ceil(sqrt(count)), right = (uint32_t)(((uint64_t)count + left - 1) / left);
    do {
        uint32_t a = index / right, b = index % right;
        for (uint64_t stir = 0; stir < STIRS; stir++) {
            uint32_t other = stir % 2 == 0 ? b : a;
            struct random_cursor cursor = random_at(stream, round << 36 | stir << 32 | other);
            if (stir % 2 == 0)
                a = (a + random_below(&cursor, left)) % left;
            else
                b = (b + random_below(&cursor, right)) % right;
        }
        index = a * right + b;
    } while (index >= count);
    return index;
}
