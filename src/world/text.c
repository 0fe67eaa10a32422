/* The text world: loading in order, and the functions of the seam. */
#include <stdio.h>
#include <string.h>

#include "text_private.h"

struct text_world {
    struct tokenizer tokenizer;
    int corpora, tasks;
    uint64_t seed;
    struct corpus *corpus;
    struct text_task *task;
};

/* ---- reading ---- */

static void copy_window(const struct token_list *tokens, uint32_t window, int context, uint16_t *token)
{
    memcpy(token, tokens->token + (size_t)window * (size_t)context, ((size_t)context + 1) * sizeof *token);
}

/* The order is keyed by what is read, not by the corpus's name or place: a renamed corpus gives the same stream. */
static struct random_stream window_order(const char *purpose, uint64_t seed, struct hash128 content)
{
    char name[HASH_TEXT];
    hash_text(content, name);
    return random_stream(purpose, seed, name);
}

/* Windows overlap by the one token that is the last target of one and the first input of the next.  Every epoch reads
 * all of them, in an order of its own. */
static void text_sample(const void *self, int domain, uint64_t seed, uint64_t sample, int context, uint16_t *token)
{
    const struct corpus *corpus = &((const struct text_world *)self)->corpus[domain];
    uint32_t windows = (uint32_t)corpus_windows(&corpus->training_tokens, context);
    struct random_stream order = window_order("text windows", seed, corpus->training_hash);
    uint32_t window = shuffle_index(order, sample / windows, windows, (uint32_t)(sample % windows));
    copy_window(&corpus->training_tokens, window, context, token);
}

static int text_reference_windows(const void *self, int domain, int context, int64_t tokens)
{
    const struct corpus *corpus = &((const struct text_world *)self)->corpus[domain];
    int64_t there = corpus_windows(&corpus->held_tokens, context), wanted = tokens / context;
    if (wanted < 1) wanted = 1;
    return (int)(wanted < there ? wanted : there);
}

/* In shuffled order, so that the first few already stand for the whole tail. */
static void text_reference(const void *self, int domain, int window, int context, uint16_t *token)
{
    const struct text_world *text = self;
    const struct corpus *corpus = &text->corpus[domain];
    int windows = corpus_windows(&corpus->held_tokens, context);
    CHECK(window < windows, "window %d of %d", window, windows);
    struct random_stream order = window_order("text reference", text->seed, corpus->held_hash);
    copy_window(&corpus->held_tokens, shuffle_index(order, 0, (uint32_t)windows, (uint32_t)window), context, token);
}

/* ---- tasks ---- */

static struct item text_item(const void *self, int task, enum split split, int index)
{
    const struct text_task *of = &((const struct text_world *)self)->task[task];
    int first = split == SPLIT_TRAIN ? 0 : of->train_items + (split == SPLIT_TEST ? of->development_items : 0);
    const struct text_item *item = &of->items[first + index];
    return (struct item){.token = of->tokens.token + item->offset, .length = item->length, .label = item->label};
}

static const char *text_label_name(const void *self, int task, int label)
{
    return ((const struct text_world *)self)->task[task].label[label];
}

static int text_label_token(const void *self, int task, int label)
{
    return ((const struct text_world *)self)->task[task].label_token[label];
}

/* The separator: the text is over, what is it? */
static void text_prompt(const void *self, int task, uint16_t *token, int most, int *length)
{
    (void)task;
    *length = most < 1 ? 0 : 1;
    if (*length == 1) token[0] = (uint16_t)((const struct text_world *)self)->tokenizer.separator;
}

static char *text_text(const void *self, const uint16_t *token, int length)
{
    return tokenizer_text(&((const struct text_world *)self)->tokenizer, token, length);
}

static void text_destroy(void *self)
{
    struct text_world *text = self;
    for (int i = 0; i < text->corpora; i++) corpus_reset(&text->corpus[i]);
    for (int i = 0; i < text->tasks; i++) text_task_reset(&text->task[i]);
    tokenizer_destroy(&text->tokenizer);
    memory_free(text->corpus);
    memory_free(text->task);
    memory_free(text);
}

/* ---- loading ---- */

static void check_spec(const struct world_spec *spec, struct complaints *complaints)
{
    int most = tokenizer_most(spec->tokenizer), domains_most = sizeof((struct reading *)0)->domain / sizeof(int);
    if (spec->corpus_count < 1) text_complain(complaints, "world.corpora: is empty; name at least one corpus");
    if (spec->corpus_count > domains_most)
        text_complain(complaints, "world.corpora: has %d corpora; at most %d", spec->corpus_count, domains_most);
    if (!(spec->held_out > 0 && spec->held_out < 1))
        text_complain(complaints, "world.held_out: is %g; a share above 0 and below 1", spec->held_out);
    if (spec->tokenizer != TOKENIZER_BYTES && (spec->vocabulary < 1 || spec->vocabulary > most))
        text_complain(complaints, "world.tokenizer: a vocabulary of %d; from 1 to %d, as tokens are 16-bit numbers",
                 spec->vocabulary, most);
    if (spec->overlap != OVERLAP_NONE)
        text_complain(complaints,
                 "world.overlap: tasks of a text world belong to no corpus; add one like them to world.corpora");
}

static const struct text_source *find_task(const struct world_spec *spec, const char *name)
{
    for (int i = 0; i < spec->task_count; i++)
        if (strcmp(spec->tasks[i].name, name) == 0) return &spec->tasks[i];
    return NULL;
}

static void load_files(struct text_world *text, const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES],
                       struct complaints *complaints)
{
    for (int i = 0; i < text->corpora; i++) corpus_load(&text->corpus[i], spec, &spec->corpora[i], complaints);
    for (int i = 0; i < text->tasks; i++) {
        const struct text_source *source = find_task(spec, tasks[i]);
        if (source)
            text_task_load(&text->task[i], spec, source, complaints);
        else
            text_complain(complaints, "tasks: \"%s\" is not among world.tasks", tasks[i]);
    }
}

static void make_tokenizer(struct text_world *text, const struct world_spec *spec)
{
    struct text_piece *pieces = NULL;
    size_t count = 0, capacity = 0;
    for (int i = 0; i < text->corpora; i++)
        for (int file = 0; file < text->corpus[i].files; file++) {
            pieces = memory_grow(pieces, &capacity, count + 1, sizeof *pieces);
            pieces[count++] = text->corpus[i].training[file];
        }
    switch (spec->tokenizer) {
    case TOKENIZER_BYTES: tokenizer_bytes_create(&text->tokenizer); break;
    case TOKENIZER_WORDS: tokenizer_words_create(&text->tokenizer, pieces, count, spec->vocabulary); break;
    case TOKENIZER_BPE: tokenizer_bpe_create(&text->tokenizer, pieces, count, spec->vocabulary); break;
    case TOKENIZER_BINARY: tokenizer_binary_create(&text->tokenizer, spec->vocabulary); break;
    }
    memory_free(pieces);
}

static void tokenize_files(struct text_world *text, int context, struct complaints *complaints)
{
    for (int i = 0; i < text->corpora; i++) corpus_tokenize(&text->corpus[i], &text->tokenizer, context, complaints);
    for (int i = 0; i < text->tasks; i++)
        text_task_tokenize(&text->task[i], &text->tokenizer, text->seed, context, complaints);
    if (text->tokenizer.ops->settle) text->tokenizer.ops->settle(text->tokenizer.self);
}

/* ---- facts ---- */

static struct domain_facts domain_facts_of(const struct corpus *corpus, uint64_t seed, int context)
{
    struct domain_facts facts = {.tokens =
                                     (uint64_t)corpus_windows(&corpus->training_tokens, context) * (uint64_t)context,
                                 .training = corpus->training_hash};
    struct hasher hasher;
    memcpy(facts.name, corpus->name, sizeof facts.name);
    hasher_init(&hasher, "reference windows"); /* the seed keys their order */
    hasher_add_integer(&hasher, "seed", (int64_t)seed);
    hasher_add_hash(&hasher, "tokens", corpus->held_hash);
    facts.reference = hasher_finish(&hasher);
    return facts;
}

static double majority_of(const struct text_task *task)
{
    int count[CLASSES_MAX] = {0}, largest = 0;
    const struct text_item *test = task->items + task->train_items + task->development_items;
    for (int i = 0; i < task->test_items; i++) {
        int now = ++count[test[i].label];
        if (now > largest) largest = now;
    }
    return (double)largest / task->test_items;
}

static struct task_facts task_facts_of(const struct text_task *task)
{
    struct task_facts facts = {.classes = task->classes,
                               .train_items = task->train_items,
                               .development_items = task->development_items,
                               .test_items = task->test_items,
                               .majority = majority_of(task),
                               .training = task->training_hash,
                               .development = task->development_hash,
                               .test = task->test_hash};
    int64_t tokens = 0;
    memcpy(facts.name, task->name, sizeof facts.name);
    for (int i = 0; i < task->train_items + task->development_items + task->test_items; i++) {
        if (i < task->train_items) tokens += task->items[i].length;
        if (task->items[i].length > facts.most_tokens) facts.most_tokens = task->items[i].length;
    }
    facts.mean_tokens = (double)tokens / task->train_items;
    return facts;
}

static void fill_facts(const struct text_world *text, struct world *world)
{
    struct domain_facts *domain = memory_array((size_t)text->corpora, sizeof *domain);
    struct task_facts *task = memory_array((size_t)text->tasks, sizeof *task);
    for (int i = 0; i < text->corpora; i++) domain[i] = domain_facts_of(&text->corpus[i], text->seed, world->context);
    for (int i = 0; i < text->tasks; i++) task[i] = task_facts_of(&text->task[i]);
    world->facts = (struct world_facts){.vocabulary = text->tokenizer.vocabulary,
                                        .separator = text->tokenizer.separator,
                                        .mask = text->tokenizer.mask,
                                        .domains = text->corpora,
                                        .domain = domain,
                                        .tasks = text->tasks,
                                        .task = task};
}

static int load_all(struct text_world *text, const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES],
                    int context, struct error *err)
{
    struct complaints complaints = {0};
    check_spec(spec, &complaints);
    TRY(complaints_result(&complaints, err));
    load_files(text, spec, tasks, &complaints);
    TRY(complaints_result(&complaints, err));
    make_tokenizer(text, spec);
    tokenize_files(text, context, &complaints);
    return complaints_result(&complaints, err);
}

int text_create(const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES], int task_count, int context,
                struct world *world, struct error *err)
{
    static const struct world_ops ops = {.sample = text_sample,
                                         .reference_windows = text_reference_windows,
                                         .reference = text_reference,
                                         .item = text_item,
                                         .label_name = text_label_name,
                                         .label_token = text_label_token,
                                         .prompt = text_prompt,
                                         .text = text_text,
                                         .destroy = text_destroy};
    struct text_world *text = memory_allocate(sizeof *text);
    text->corpora = spec->corpus_count;
    text->tasks = task_count;
    text->seed = spec->seed;
    text->corpus = memory_array((size_t)text->corpora, sizeof *text->corpus);
    text->task = memory_array((size_t)text->tasks, sizeof *text->task);
    if (load_all(text, spec, tasks, context, err) != 0) {
        text_destroy(text);
        return -1;
    }
    fill_facts(text, world);
    world->ops = &ops;
    world->self = text;
    return 0;
}
