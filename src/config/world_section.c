/* The world, and which of its tasks the sweep uses. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))
enum { TASKS_MAX = SWEEP_TASKS_MAX, SMALLEST_VOCABULARY = 300, LARGEST_VOCABULARY = 65000 };

#define TASK_WORD(name) #name,
static const char *const grammar_tasks[] = {GRAMMAR_TASKS(TASK_WORD)};
#undef TASK_WORD
static const char *const kinds[] = {"grammar", "text"};
static const char *const grammar_keys[] = {"kind", "domains", "task_domains", "seed", "overlap"};
static const char *const text_keys[] = {"kind", "corpora", "tasks", "tokenizer", "vocabulary", "held_out", "seed"};
static const char *const overlaps[] = {"none", "tasks"};

/* ---- a number with a default ---- */

static int64_t integer_of(struct reader *reader, const struct node *world, const char *key, int64_t standard,
                          int64_t least, int64_t most, const char *unit)
{
    const struct node *node = node_get(world, key);
    int64_t value = standard;
    char path[KEY_TEXT];
    if (node && !read_integer(reader, node, least, most, &value)) reader->world_unsure = true;
    snprintf(path, sizeof path, "world.%s", key);
    resolve(reader, path, node, unit, "%lld", (long long)value);
    return value;
}

static void read_grammar(struct reader *reader, const struct node *world)
{
    struct world_spec *spec = &reader->sweep->world;
    const struct node *overlap = node_get(world, "overlap");
    int chosen = OVERLAP_NONE;
    spec->domains = (int)integer_of(reader, world, "domains", 16, 1, DOMAINS_MAX, "domains");
    spec->task_domains = (int)integer_of(reader, world, "task_domains", 2, 1, DOMAINS_MAX, "domains");
    if (overlap) read_choice(reader, overlap, overlaps, COUNT(overlaps), &chosen);
    spec->overlap = (enum overlap)chosen;
    resolve(reader, "world.overlap", overlap, "-", "%s", overlaps[chosen]);
}

/* ---- text ---- */

static struct text_source *add_source(struct reader *reader, struct text_source **list, int *count, size_t *capacity,
                                      const struct entry *entry)
{
    if (!check_name(reader, entry->value, entry->mark, entry->key)) return NULL;
    *list = memory_grow(*list, capacity, (size_t)*count + 1, sizeof **list);
    struct text_source *source = &(*list)[(*count)++];
    snprintf(source->name, sizeof source->name, "%s", entry->key);
    return source;
}

static const struct text_source *reads_same(const struct world_spec *spec, const struct text_source *corpus,
                                            const char *file)
{
    for (const struct text_source *other = spec->corpora; other < corpus; other++)
        for (int i = 0; i < other->file_count; i++)
            if (strcmp(other->files[i], file) == 0) return other;
    return NULL;
}

static void read_corpus(struct reader *reader, const struct node *node, struct text_source *corpus)
{
    size_t capacity = 0;
    char path[KEY_TEXT];
    if (node->kind == NODE_MAP || node_items(node) == 0) {
        complain_node(reader, node, "must be files or globs, such as [news/*.txt]");
        return;
    }
    for (int i = 0; i < node_items(node); i++)
        read_files(reader, node_item(node, i), &corpus->files, &capacity, &corpus->file_count);
    for (int i = 0; i < corpus->file_count; i++) {
        const struct text_source *other = reads_same(&reader->sweep->world, corpus, corpus->files[i]);
        if (other)
            complain_node(reader, node, "%.300s is already read by corpus %s; a domain's text is its own",
                          corpus->files[i], other->name);
    }
    resolve(reader, node_path(node, path), node, "files", "%d", corpus->file_count);
}

static void read_corpora(struct reader *reader, const struct node *world)
{
    struct world_spec *spec = &reader->sweep->world;
    const struct node *corpora = node_get(world, "corpora");
    size_t capacity = 0;
    if (!corpora) {
        complain(&reader->complaints, world->mark, "world.corpora",
                 "is missing; name files for each domain: {news: [news/*.txt]}");
        return;
    }
    if (!expect_map(reader, corpora, "{news: [news/*.txt], novels: [emma.txt]}")) return;
    if (corpora->count == 0 || corpora->count > DOMAINS_MAX)
        complain_node(reader, corpora, "%d domains are listed; there must be 1 to %d", corpora->count, DOMAINS_MAX);
    for (int i = 0; i < corpora->count && i < DOMAINS_MAX; i++) {
        struct text_source *corpus =
            add_source(reader, &spec->corpora, &spec->corpus_count, &capacity, &corpora->entries[i]);
        if (corpus) read_corpus(reader, corpora->entries[i].value, corpus);
    }
    spec->domains = spec->corpus_count;
}

static char *read_split(struct reader *reader, const struct node *task, const char *key)
{
    const struct node *node = node_get(task, key);
    char path[KEY_TEXT];
    if (node) return read_file_name(reader, node);
    size_t used = strlen(node_path(task, path));
    snprintf(path + used, sizeof path - used, ".%s", key);
    complain(&reader->complaints, task->mark, path, "is missing; name a file of lines label<TAB>text");
    return NULL;
}

static void read_text_task(struct reader *reader, const struct node *node, struct text_source *task)
{
    static const char *const keys[] = {"train", "test"};
    char path[KEY_TEXT];
    if (!expect_map(reader, node, "{train: a.tsv, test: b.tsv}")) return;
    check_keys(reader, node, keys, COUNT(keys));
    task->train = read_split(reader, node, "train");
    task->test = read_split(reader, node, "test");
    if (task->train && task->test && strcmp(task->train, task->test) == 0)
        complain_node(reader, node, "train and test are the same file; scores on it would say nothing");
    if (task->train && task->test)
        resolve(reader, node_path(node, path), node, "files", "%s, %s", task->train, task->test);
}

static void read_text_tasks(struct reader *reader, const struct node *world)
{
    struct world_spec *spec = &reader->sweep->world;
    const struct node *tasks = node_get(world, "tasks");
    size_t capacity = 0;
    if (!tasks) {
        complain(&reader->complaints, world->mark, "world.tasks",
                 "is missing; name files for each task: {sst2: {train: a.tsv, test: b.tsv}}");
        reader->tasks_unsure = true;
        return;
    }
    if (!expect_map(reader, tasks, "{sst2: {train: a.tsv, test: b.tsv}}")) {
        reader->tasks_unsure = true;
        return;
    }
    if (tasks->count > TASKS_MAX)
        complain_node(reader, tasks, "%d tasks are listed; at most %d", tasks->count, TASKS_MAX);
    for (int i = 0; i < tasks->count && i < TASKS_MAX; i++) {
        struct text_source *task = add_source(reader, &spec->tasks, &spec->task_count, &capacity, &tasks->entries[i]);
        if (task)
            read_text_task(reader, tasks->entries[i].value, task);
        else
            reader->tasks_unsure = true;
    }
}

static void complain_tokenizer(struct reader *reader, const struct node *node)
{
    complain_node(reader, node, "must be bytes, binary, {words: 2048} or {bpe: 2048}");
}

static void read_tokenizer(struct reader *reader, const struct node *world)
{
    static const char *const words[] = {"bytes", "words", "bpe", "binary"};
    struct world_spec *spec = &reader->sweep->world;
    const struct node *node = node_get(world, "tokenizer"), *vocabulary = node_get(world, "vocabulary");
    int64_t size = 0;
    int kind = -1;
    for (int i = 0; i < COUNT(words); i++) {
        bool sized = i == TOKENIZER_WORDS || i == TOKENIZER_BPE;
        const struct node *inner = node && sized ? node_get(node, words[i]) : NULL;
        if (!sized && node && node_is(node, words[i])) kind = i;
        if (!inner || node->count != 1) continue;
        kind = i;
        read_integer(reader, inner, SMALLEST_VOCABULARY, LARGEST_VOCABULARY, &size);
    }
    if (!node) kind = vocabulary ? TOKENIZER_BINARY : TOKENIZER_BYTES;
    if (kind < 0) {
        complain_tokenizer(reader, node);
        return;
    }
    spec->tokenizer = (enum tokenizer_kind)kind;
    if (kind == TOKENIZER_BINARY && !vocabulary)
        complain_node(reader, node, "pretokenised files need world.vocabulary, the number of different tokens");
    if (kind != TOKENIZER_BINARY && vocabulary)
        complain_node(reader, vocabulary, "is only for tokenizer: binary; write tokenizer: {words: N} or {bpe: N}");
    if (kind == TOKENIZER_BINARY && vocabulary) read_integer(reader, vocabulary, 2, 65536, &size);
    spec->vocabulary = (int)size;
    resolve(reader, "world.tokenizer", node, "tokens", size ? "%s %lld" : "%s", words[kind], (long long)size);
}

static void read_text(struct reader *reader, const struct node *world)
{
    const struct node *held_out = node_get(world, "held_out");
    reader->sweep->world.held_out = 0.05;
    read_corpora(reader, world);
    read_text_tasks(reader, world);
    read_tokenizer(reader, world);
    if (held_out) read_real(reader, held_out, 0.001, 0.5, &reader->sweep->world.held_out);
    resolve(reader, "world.held_out", held_out, "fraction of each corpus", "%g", reader->sweep->world.held_out);
}

/* A key of the other kind of world is known, only out of place. */
static void check_world_keys(struct reader *reader, const struct node *world, int kind)
{
    for (int i = 0; i < world->count; i++) {
        const struct entry *entry = &world->entries[i];
        char path[KEY_TEXT], help[KEY_TEXT];
        const char *const *mine = kind == WORLD_TEXT ? text_keys : grammar_keys;
        int mine_count = kind == WORLD_TEXT ? COUNT(text_keys) : COUNT(grammar_keys);
        bool theirs = kind == WORLD_TEXT ? is_known(entry->key, grammar_keys, COUNT(grammar_keys))
                                         : is_known(entry->key, text_keys, COUNT(text_keys));
        if (is_known(entry->key, mine, mine_count)) continue;
        node_path(entry->value, path);
        if (theirs)
            complain(&reader->complaints, entry->mark, path, "is only for kind: %s; this world is kind: %s",
                     kinds[1 - kind], kinds[kind]);
        else
            complain(&reader->complaints, entry->mark, path, "unknown key%s",
                     suggestion(entry->key, mine, mine_count, help));
    }
}

void read_world(struct reader *reader)
{
    const struct node *world = node_get(reader->root, "world");
    const struct node *kind_node = world ? node_get(world, "kind") : NULL;
    int kind = WORLD_GRAMMAR;
    reader->sweep->world.domains = DOMAINS_MAX; /* until read: nothing that follows is out of range */
    reader->world_unsure = reader->tasks_unsure = true;
    if (!world) {
        complain(&reader->complaints, reader->root->mark, "world",
                 "is missing; the built-in one is world: {kind: grammar}");
        return;
    }
    if (!expect_map(reader, world, "{kind: grammar, domains: 16}")) return;
    if (!kind_node) {
        complain(&reader->complaints, world->mark, "world.kind", "is missing; write kind: grammar or kind: text");
        return;
    }
    if (!read_choice(reader, kind_node, kinds, COUNT(kinds), &kind)) return;
    reader->world_unsure = reader->tasks_unsure = false;
    reader->sweep->world.kind = (enum world_kind)kind;
    check_world_keys(reader, world, kind);
    resolve(reader, "world.kind", kind_node, "-", "%s", kinds[kind]);
    (kind == WORLD_TEXT ? read_text : read_grammar)(reader, world);
    reader->sweep->world.seed = (uint64_t)integer_of(reader, world, "seed", 1, 0, INT32_MAX, "-");
}

/* ---- tasks of the sweep ---- */

int task_find(const struct sweep *sweep, const char *name)
{
    for (int i = 0; i < sweep->task_count; i++)
        if (strcmp(sweep->tasks[i], name) == 0) return i;
    return -1;
}

/* Names of all tasks of the world: known[TASKS_MAX]. */
static int offered(const struct sweep *sweep, const char **known)
{
    int count = sweep->world.kind == WORLD_TEXT ? sweep->world.task_count : COUNT(grammar_tasks);
    for (int i = 0; i < count; i++)
        known[i] = sweep->world.kind == WORLD_TEXT ? sweep->world.tasks[i].name : grammar_tasks[i];
    return count;
}

static void task_add(struct sweep *sweep, const char *name)
{
    snprintf(sweep->tasks[sweep->task_count++], NAME_MAX_BYTES, "%s", name);
}

static bool read_task(struct reader *reader, const struct node *node, const char *const *known, int count)
{
    char text[QUOTED], help[KEY_TEXT], name[NAME_MAX_BYTES];
    if (!read_name(reader, node, name)) return false;
    if (!is_known(name, known, count)) {
        complain_node(reader, node, "%s is not a task of this world%s", quoted(name, text),
                      suggestion(name, known, count, help));
        return false;
    }
    if (task_find(reader->sweep, name) >= 0) {
        complain_node(reader, node, "%s stands twice; keep one of them", quoted(name, text));
        return false;
    }
    task_add(reader->sweep, name);
    return true;
}

void read_tasks(struct reader *reader)
{
    const char *known[TASKS_MAX];
    const struct node *tasks = node_get(reader->root, "tasks");
    int count = reader->tasks_unsure ? 0 : offered(reader->sweep, known);
    reader->sweep->tasks = memory_array(TASKS_MAX, sizeof *reader->sweep->tasks);
    for (int i = 0; !tasks && i < count; i++) task_add(reader->sweep, known[i]);
    if (tasks && (tasks->kind != NODE_LIST || tasks->count == 0)) {
        complain_node(reader, tasks, "must be a list of names, such as [tense, subject_number]");
        reader->tasks_unsure = true;
        return;
    }
    if (reader->tasks_unsure) return;
    for (int i = 0; tasks && i < tasks->count; i++)
        if (!read_task(reader, tasks->entries[i].value, known, count)) reader->tasks_unsure = true;
    resolve(reader, "tasks", tasks, "tasks", "%d", reader->sweep->task_count);
}
