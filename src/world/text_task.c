/* A task from two TSV files: labels, splits, items. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_private.h"

enum { DEVELOPMENT_SHARE = 10 /* one in so many training lines of each label */ };

/* ---- labels ---- */

static int label_of(const struct text_task *task, struct text_piece label)
{
    for (int c = 0; c < task->classes; c++)
        if (strlen(task->label[c]) == label.count && memcmp(task->label[c], label.bytes, label.count) == 0) return c;
    return -1;
}

static int compare_labels(const void *a, const void *b) { return strcmp(a, b); }

static void collect_labels(struct text_task *task, struct complaints *complaints)
{
    bool too_many = false;
    for (size_t i = 0; i < task->train.count && !too_many; i++) {
        const struct task_line *line = &task->train.line[i];
        if (label_of(task, line->label) >= 0) continue;
        too_many = task->classes == CLASSES_MAX;
        if (too_many)
            text_complain(complaints, "%s:%d: has label number %d; a task can have %d", task->train.path, line->line,
                          CLASSES_MAX + 1, CLASSES_MAX);
        else
            memcpy(task->label[task->classes++], line->label.bytes, line->label.count);
    }
    qsort(task->label, (size_t)task->classes, sizeof task->label[0], compare_labels);
    if (task->classes == 1 && task->train.count > 0)
        text_complain(complaints, "%s: all lines have the label \"%s\"; a task needs at least two", task->train.path,
                      task->label[0]);
}

/* Each label needs an item to train on and one for the development split; the usual label that stands once is a header.
 */
static void check_rare_labels(const struct text_task *task, struct complaints *complaints)
{
    int seen[CLASSES_MAX] = {0}, line[CLASSES_MAX];
    for (size_t i = 0; i < task->train.count; i++) {
        int label = label_of(task, task->train.line[i].label);
        if (label < 0) return; /* too many labels: said already */
        seen[label]++;
        line[label] = task->train.line[i].line;
    }
    for (int c = 0; c < task->classes; c++)
        if (seen[c] == 1)
            text_complain(complaints, "%s:%d: is the only line labelled \"%s\"; at least two are needed%s",
                          task->train.path, line[c], task->label[c],
                          line[c] == 1 ? " (if it is a header, leave it out)" : "");
}

static void check_test_labels(const struct text_task *task, struct complaints *complaints)
{
    for (size_t i = 0; i < task->test.count && task->train.count > 0; i++) {
        const struct task_line *line = &task->test.line[i];
        if (label_of(task, line->label) < 0)
            text_complain(complaints, "%s:%d: label \"%.*s\" is not in %s", task->test.path, line->line,
                          (int)line->label.count, line->label.bytes, task->train.path);
    }
}

void text_task_load(struct text_task *task, const struct world_spec *spec, const struct text_source *source,
                    struct complaints *complaints)
{
    int binary_vocabulary = spec->tokenizer == TOKENIZER_BINARY ? spec->vocabulary : 0;
    snprintf(task->name, sizeof task->name, "%s", source->name);
    task_file_read(&task->train, source->train, binary_vocabulary, complaints);
    task_file_read(&task->test, source->test, binary_vocabulary, complaints);
    collect_labels(task, complaints);
    check_rare_labels(task, complaints);
    check_test_labels(task, complaints);
}

static bool token_is_free(const struct text_task *task, int label, int token)
{
    for (int c = 0; c < label; c++)
        if (task->label_token[c] == token) return false;
    return true;
}

/* The first token of the label's name that no label before it has; when all are taken, the lowest token that none has:
 * the LM head can then still be trained to say it. */
static int choose_label_token(const struct text_task *task, const struct tokenizer *tokenizer, int label)
{
    struct token_list name = {0};
    int chosen = -1;
    tokenizer->ops->encode(tokenizer->self, task->label[label], strlen(task->label[label]), &name);
    for (size_t i = 0; i < name.count && chosen < 0; i++)
        if (token_is_free(task, label, name.token[i])) chosen = name.token[i];
    token_list_reset(&name);
    for (int token = 0; token < tokenizer->vocabulary && chosen < 0; token++)
        if (token != tokenizer->separator && token != tokenizer->mask && token_is_free(task, label, token))
            chosen = token;
    return chosen;
}

static void choose_label_tokens(struct text_task *task, const struct tokenizer *tokenizer,
                                struct complaints *complaints)
{
    for (int c = 0; c < task->classes; c++) {
        task->label_token[c] = choose_label_token(task, tokenizer, c);
        if (task->label_token[c] >= 0) continue;
        text_complain(complaints, "task %s: has %d labels; a vocabulary of %d has no token for each", task->name,
                      task->classes, tokenizer->vocabulary - 2);
        return;
    }
}

/* ---- items ---- */

/* The hash takes what is learnt: the item as it is cut, and its label by name, since label words follow from names. */
static void add_item(struct text_task *task, const struct task_line *line, const struct tokenizer *tokenizer,
                     int context, struct text_item *item, struct hasher *hasher)
{
    struct token_list *tokens = &task->tokens;
    *item = (struct text_item){.offset = tokens->count, .label = label_of(task, line->label)};
    token_push(tokens, (unsigned)tokenizer->separator);
    tokenizer->ops->encode(tokenizer->self, line->text.bytes, line->text.count, tokens);
    size_t whole = tokens->count - item->offset;
    if (whole > (size_t)context) tokens->count = item->offset + (size_t)context;
    item->length = (int)(tokens->count - item->offset);
    hasher_add_hash(hasher, "item",
                    hash_bytes(tokens->token + item->offset, (size_t)item->length * sizeof *tokens->token));
    hasher_add_text(hasher, "label", task->label[item->label]);
}

/* A fixed order by world seed: files are often sorted by label, and the first items of a split must stand for all. */
static uint32_t *shuffled(const char *purpose, uint64_t seed, const char *name, size_t count)
{
    uint32_t *order = memory_array(count, sizeof *order);
    struct random_cursor cursor = random_at(random_stream(purpose, seed, name), 0);
    CHECK(count <= UINT32_MAX, "%zu lines", count);
    random_permutation(&cursor, (uint32_t)count, order);
    return order;
}

/* How many lines of each label go to the development split: the share rounded, at least one, never all. */
static void development_quota(struct text_task *task, int quota[CLASSES_MAX])
{
    int count[CLASSES_MAX] = {0};
    for (size_t i = 0; i < task->train.count; i++) count[label_of(task, task->train.line[i].label)]++;
    for (int c = 0; c < task->classes; c++) {
        quota[c] = (count[c] + DEVELOPMENT_SHARE / 2) / DEVELOPMENT_SHARE;
        if (quota[c] == 0) quota[c] = 1;
        task->development_items += quota[c];
    }
    task->train_items = (int)task->train.count - task->development_items;
}

static void add_training_items(struct text_task *task, const struct tokenizer *tokenizer, uint64_t seed, int context)
{
    int quota[CLASSES_MAX], train = 0, development = 0;
    struct hasher hasher, developing;
    uint32_t *order = shuffled("text task train", seed, task->name, task->train.count);
    development_quota(task, quota);
    hasher_init(&hasher, "training items");
    hasher_init(&developing, "development items");
    for (size_t i = 0; i < task->train.count; i++) {
        const struct task_line *line = &task->train.line[order[i]];
        if (quota[label_of(task, line->label)]-- > 0)
            add_item(task, line, tokenizer, context, &task->items[task->train_items + development++], &developing);
        else
            add_item(task, line, tokenizer, context, &task->items[train++], &hasher);
    }
    task->training_hash = hasher_finish(&hasher);
    task->development_hash = hasher_finish(&developing);
    memory_free(order);
}

static void add_test_items(struct text_task *task, const struct tokenizer *tokenizer, uint64_t seed, int context)
{
    struct hasher hasher;
    struct text_item *items = task->items + task->train.count;
    uint32_t *order = shuffled("text task test", seed, task->name, task->test.count);
    task->test_items = (int)task->test.count;
    hasher_init(&hasher, "test items");
    for (size_t i = 0; i < task->test.count; i++)
        add_item(task, &task->test.line[order[i]], tokenizer, context, &items[i], &hasher);
    task->test_hash = hasher_finish(&hasher);
    memory_free(order);
}

void text_task_tokenize(struct text_task *task, const struct tokenizer *tokenizer, uint64_t seed, int context,
                        struct complaints *complaints)
{
    task->items = memory_array(task->train.count + task->test.count, sizeof *task->items);
    add_training_items(task, tokenizer, seed, context);
    add_test_items(task, tokenizer, seed, context);
    choose_label_tokens(task, tokenizer, complaints);
    token_list_fit(&task->tokens);
    task_file_reset(&task->train);
    task_file_reset(&task->test);
}

void text_task_reset(struct text_task *task)
{
    task_file_reset(&task->train);
    task_file_reset(&task->test);
    token_list_reset(&task->tokens);
    memory_free(task->items);
}
