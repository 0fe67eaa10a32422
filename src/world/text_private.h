/* The text world: corpora and tasks from files.
 *
 *   text_corpus.c   files -> training part and held-out tail of each, as bytes (binary worlds: as tokens)
 *   tokenizer_*.c   made from the training parts of all corpora; nothing held out and no task has a say in it
 *   text_corpus.c   bytes -> tokens;  text_task.c   TSV -> items;  text.c   the functions of the seam
 *
 * Mistakes in files are collected as complaints, at most COMPLAINTS_MAX are told, and the world is refused at the end.
 */
#ifndef PALIMPSEST_TEXT_PRIVATE_H
#define PALIMPSEST_TEXT_PRIVATE_H

#include "tables.h"
#include "world_private.h"

/* ---- complaints (text_complaints.c) ---- */

enum { COMPLAINTS_MAX = 20 };
struct complaints { /* zero: none */
    int count;      /* also those that are no longer told */
    size_t used;
    bool outside; /* one of them is a failure of reading, not of what was read */
    char text[7168];
};
void text_complain(struct complaints *complaints, const char *format, ...) __attribute__((format(printf, 2, 3)));
int complaints_result(const struct complaints *complaints, struct error *err); /* 0, or -1 with all of them */
/* A whole file, its bytes the caller's and ended by a 0; -1 with a complaint when that cannot be had. */
int read_data_file(const char *path, char **bytes, size_t *count, struct complaints *complaints);
/* text_scan.c: -1 with a complaint when a large file has a NUL byte or a line of more than `longest_line` bytes; to be
 * asked before it is read. */
int text_scan(const char *path, size_t longest_line, struct complaints *complaints);

/* ---- growing arrays ---- */

struct token_list { /* zero: empty */
    uint16_t *token;
    size_t count, capacity;
};
static inline void token_push(struct token_list *list, unsigned token)
{
    ASSERT(token <= UINT16_MAX, "token %u", token);
    list->token = memory_grow(list->token, &list->capacity, list->count + 1, sizeof *list->token);
    list->token[list->count++] = (uint16_t)token;
}
void token_list_fit(struct token_list *list); /* gives back what was grown for nothing */
void token_list_reset(struct token_list *list);

struct byte_list { /* zero: empty */
    char *byte;
    size_t count, capacity;
};
void byte_list_add(struct byte_list *list, const char *bytes, size_t count);

/* ---- characters (text_utf8.c) ---- */

/* Bytes of the well-formed UTF-8 character at text (RFC 3629), 0 when there is none. left >= 1. */
int utf8_length(const char *text, size_t left);
/* Complains about the first NUL and the first ill-formed character, as `path:line: ...`. Returns -1 if there is one. */
int utf8_check(const char *path, const char *text, size_t count, struct complaints *complaints);
enum character { CHARACTER_SPACE, CHARACTER_LETTER, CHARACTER_DIGIT, CHARACTER_OTHER };
/* Class of the character at text, and its length. Letters: ASCII letters, and all beyond ASCII that is not in a block
 * of punctuation or symbols. */
enum character character_class(const char *text, size_t left, int *length);
/* Changes ASCII, Latin-1, Greek and Cyrillic capitals to small letters, in place; never changes the length. */
void lower_case(char *text, size_t count);

/* ---- documents (text_corpus.c) ---- */

struct text_piece { /* borrowed */
    const char *bytes;
    size_t count;
};
/* Documents are separated by blank lines (nothing but white space).  Cuts the next one off the front of *rest: whole
 * lines, without the last line end.  False at the end. */
bool next_document(struct text_piece *rest, struct text_piece *document);

/* ---- tokenizers (tokenizer_*.c) ---- */

struct tokenizer { /* zero before creation */
    const struct tokenizer_ops *ops;
    void *self;
    int vocabulary, separator, mask; /* specials are tokens of their own, never what text encodes to */
};
struct tokenizer_ops {
    /* Appends the tokens of one document or item, which has been checked (utf8_check, binary_check). */
    void (*encode)(void *self, const char *text, size_t count, struct token_list *tokens);
    /* Appends what token `token`, not a special one, stands for; `first`: nothing, or a special one, stands before it.
     */
    void (*show)(const void *self, unsigned token, bool first, struct byte_list *text);
    void (*settle)(void *self); /* nothing more will be encoded; may be NULL */
    void (*destroy)(void *self);
};
/* pieces[count]: all training parts. `wanted` words or merges; fewer when the text has fewer. */
void tokenizer_bytes_create(struct tokenizer *tokenizer);
void tokenizer_words_create(struct tokenizer *tokenizer, const struct text_piece *pieces, size_t count, int wanted);
void tokenizer_bpe_create(struct tokenizer *tokenizer, const struct text_piece *pieces, size_t count, int wanted);
void tokenizer_binary_create(struct tokenizer *tokenizer, int vocabulary);
void tokenizer_destroy(struct tokenizer *tokenizer);
/* The most that may be asked for, so that all tokens fit into 16 bits. */
int tokenizer_most(enum tokenizer_kind kind);
/* Every document preceded by the separator. */
void tokenize_documents(const struct tokenizer *tokenizer, struct text_piece text, struct token_list *tokens);
/* Separators are shown as blank lines, masks as "[mask]"; memory_free. */
char *tokenizer_text(const struct tokenizer *tokenizer, const uint16_t *token, int length);

/* Reads a .bin file of little-endian uint16, with the header of llm.c or without one, and appends its tokens. */
int binary_read(const char *path, int vocabulary, struct token_list *tokens, struct complaints *complaints);
/* NULL when text is token ids below vocabulary with blanks between them, else what is wrong, in why[size]. */
const char *binary_check(const char *text, size_t count, int vocabulary, char *why, size_t size);

/* ---- corpora (text_corpus.c) ---- */

struct corpus { /* one domain; zero before loading */
    char name[NAME_MAX_BYTES];
    int files;
    char **bytes;                       /* [files] the files whole, until they are tokens; NULL in binary worlds */
    struct text_piece *training, *held; /* [files] parts of them */
    struct token_list training_tokens, held_tokens;
    struct hash128 training_hash, held_hash; /* of the tokens */
};
void corpus_load(struct corpus *corpus, const struct world_spec *spec, const struct text_source *source,
                 struct complaints *complaints);
/* Bytes to tokens; complains when a part is too short for one window. */
void corpus_tokenize(struct corpus *corpus, const struct tokenizer *tokenizer, int context,
                     struct complaints *complaints);
int corpus_windows(const struct token_list *tokens, int context);
void corpus_reset(struct corpus *corpus);

/* Where element `index` of 0 .. count-1 goes in the permutation that the stream keys; `round` picks another one. */
uint32_t shuffle_index(struct random_stream stream, uint64_t round, uint32_t count, uint32_t index);

/* ---- tasks (text_task.c, text_lines.c) ---- */

struct task_line { /* of a TSV file; pieces of its bytes */
    struct text_piece label, text;
    int line;
};
struct task_file { /* zero before reading */
    const char *path;
    char *bytes;
    struct task_line *line;
    size_t count, capacity;
};
/* binary_vocabulary: texts must be token ids below it; 0: texts are text. */
void task_file_read(struct task_file *file, const char *path, int binary_vocabulary, struct complaints *complaints);
void task_file_reset(struct task_file *file);

struct text_item {
    size_t offset; /* in tokens */
    int length, label;
};
struct text_task { /* zero before loading */
    char name[NAME_MAX_BYTES];
    struct task_file train, test; /* until they are items */
    int classes;
    char label[CLASSES_MAX][NAME_MAX_BYTES]; /* sorted by bytes */
    int label_token[CLASSES_MAX];
    struct token_list tokens;
    struct text_item *items; /* [train + development + test] */
    int train_items, development_items, test_items;
    struct hash128 training_hash, development_hash, test_hash;
};
void text_task_load(struct text_task *task, const struct world_spec *spec, const struct text_source *source,
                    struct complaints *complaints);
/* Lines to items, at most `context` tokens each. */
void text_task_tokenize(struct text_task *task, const struct tokenizer *tokenizer, uint64_t seed, int context,
                        struct complaints *complaints);
void text_task_reset(struct text_task *task);

#endif
