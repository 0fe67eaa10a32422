/* TSV files of a task: label<TAB>text, through the door of world, with each tokenizer that reads text and with token
 * ids.  The first byte chooses the tokenizer and the context; the rest is the train file up to a line "====", then the
 * test file. */
#include <string.h>

#include "fuzz_input.h"
#include "palimpsest/world.h"

static const char corpus[] = "the cat saw a dog\nand the dog ran home\n\nsnow fell on the hill\nall night long\n"
                             "the cat slept\nthe dog saw it\n";
static const unsigned char binary_corpus[] = {1, 0, 2, 0, 3, 0, 1, 0, 2, 0, 3, 0, 9, 0, 8, 0, 7, 0, 6, 0,
                                              5, 0, 4, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 4, 0, 1, 0, 5, 0};
enum { BINARY_VOCABULARY = 300, CONTEXT_MOST = 4 };

static void check_item(const struct world *world, int task, enum split split, int index, int context)
{
    const struct world_facts *facts = world_facts(world);
    struct item item = world_item(world, task, split, index);
    CHECK(item.length >= 1 && item.length <= context, "an item of %d tokens", item.length);
    CHECK(item.label >= 0 && item.label < facts->task[task].classes, "label %d", item.label);
    for (int i = 0; i < item.length; i++) CHECK(item.token[i] < facts->vocabulary, "token %d", item.token[i]);
    char *text = world_text(world, item.token, item.length);
    memory_free(text);
}

static void check_labels(const struct world *world, int task)
{
    const struct world_facts *facts = world_facts(world);
    int classes = facts->task[task].classes;
    CHECK(classes >= 2 && classes <= CLASSES_MAX, "%d classes", classes);
    for (int c = 0; c < classes; c++) {
        int token = world_label_token(world, task, c);
        CHECK(world_label_name(world, task, c)[0], "label %d has no name", c);
        CHECK(token >= 0 && token < facts->vocabulary, "label token %d", token);
        for (int before = 0; before < c; before++) {
            CHECK(world_label_token(world, task, before) != token, "labels %d and %d share a token", before, c);
            CHECK(strcmp(world_label_name(world, task, before), world_label_name(world, task, c)) < 0,
                  "labels %d and %d are not in order", before, c);
        }
    }
}

static void check_task(const struct world *world, int context)
{
    const struct task_facts *facts = &world_facts(world)->task[0];
    struct task_baselines baselines;
    CHECK(facts->train_items >= facts->classes && facts->development_items >= facts->classes && facts->test_items >= 1,
          "%d, %d and %d items", facts->train_items, facts->development_items, facts->test_items);
    check_labels(world, 0);
    for (int i = 0; i < facts->train_items; i++) check_item(world, 0, SPLIT_TRAIN, i, context);
    for (int i = 0; i < facts->development_items; i++) check_item(world, 0, SPLIT_DEVELOPMENT, i, context);
    for (int i = 0; i < facts->test_items; i++) check_item(world, 0, SPLIT_TEST, i, context);
    world_baselines(world, 0, &baselines);
    CHECK(baselines.majority >= 0 && baselines.majority <= 1, "majority %g", baselines.majority);
    CHECK(baselines.unigram >= 0 && baselines.unigram <= 1, "unigram %g", baselines.unigram);
}

/* Where the line "====" stands, or the end. */
static size_t train_extent(const uint8_t *bytes, size_t count)
{
    const uint8_t *at = memmem(bytes, count, "\n====\n", 6);
    return at ? (size_t)(at - bytes) + 1 : count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 1) return 0;
    struct memory_count before = fuzz_begin();
    const char tasks[1][NAME_MAX_BYTES] = {"task"};
    enum tokenizer_kind tokenizer = (enum tokenizer_kind)(bytes[0] % 4);
    bool binary = tokenizer == TOKENIZER_BINARY;
    int context = 1 + bytes[0] / 4 % CONTEXT_MOST;
    size_t train = train_extent(bytes + 1, count - 1), test = train + 5 < count - 1 ? train + 5 : train;
    char *file = (char *)fuzz_file(0, "corpus", binary ? (const char *)binary_corpus : corpus,
                                   binary ? sizeof binary_corpus : sizeof corpus - 1);
    struct text_source from = {.name = "corpus", .files = &file, .file_count = 1};
    struct text_source task = {.name = "task",
                               .train = (char *)fuzz_file(1, "train.tsv", bytes + 1, train),
                               .test = (char *)fuzz_file(2, "test.tsv", bytes + 1 + test, count - 1 - test)};
    struct world_spec spec = {.kind = WORLD_TEXT,
                              .seed = 1,
                              .tokenizer = tokenizer,
                              .vocabulary = binary                         ? BINARY_VOCABULARY
                                            : tokenizer == TOKENIZER_BYTES ? 0
                                                                           : 20,
                              .held_out = 0.3,
                              .corpora = &from,
                              .tasks = &task,
                              .corpus_count = 1,
                              .task_count = 1};
    struct world *world = NULL;
    struct error err = {0};
    if (world_create(&spec, tasks, 1, context, &world, &err) != 0)
        fuzz_refused(&err, ".tsv");
    else
        check_task(world, context);
    world_destroy(&world);
    fuzz_end(before);
    return 0;
}
