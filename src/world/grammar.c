/* The grammar world behind the seam of world_private.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "grammar_private.h"

/* Raise it whenever a domain, a window or an item would come out differently: it is in the hashes of all of them. */
enum { GRAMMAR_VERSION = 1 };

/* ---- windows ---- */

static void fill_window(const struct grammar *grammar, const struct grammar_domain *domain,
                        struct random_cursor *cursor, int context, uint16_t *token)
{
    struct process process;
    process_init(&process);
    token[0] = SEPARATOR;
    for (int t = 1; t <= context; t++) {
        int drawn = process_draw(&grammar->lexicon, domain, &process, cursor);
        process_advance(&grammar->lexicon, domain, &process, drawn);
        token[t] = (uint16_t)drawn;
    }
}

static void sample(const void *self, int domain, uint64_t seed, uint64_t number, int context, uint16_t *token)
{
    const struct grammar *grammar = self;
    const struct grammar_domain *from = &grammar->domain[domain];
    struct random_cursor cursor = random_at(random_stream("grammar training", seed, from->key), number);
    fill_window(grammar, from, &cursor, context, token);
}

static int reference_windows(const void *self, int domain, int context, int64_t tokens)
{
    (void)self, (void)domain;
    int64_t windows = (tokens + context - 1) / context;
    return windows > INT32_MAX ? INT32_MAX : (int)windows;
}

static void reference(const void *self, int domain, int window, int context, uint16_t *token)
{
    const struct grammar *grammar = self;
    const struct grammar_domain *from = &grammar->domain[domain];
    struct random_cursor cursor =
        random_at(random_stream("grammar reference", grammar->seed, from->key), (uint64_t)window);
    fill_window(grammar, from, &cursor, context, token);
}

static void prefix_log_probability(const void *self, int domain, const uint16_t *token, int context, double *log_p)
{
    const struct grammar *grammar = self;
    const struct grammar_domain *from = &grammar->domain[domain];
    struct process process;
    process_init(&process);
    double sum = token[0] == SEPARATOR ? 0 : -INFINITY;
    log_p[0] = sum;
    for (int t = 1; t <= context; t++) {
        double p = 0;
        if (sum > -INFINITY && token[t] < grammar->lexicon.size)
            p = process_probability(&grammar->lexicon, from, &process, token[t]);
        sum = p > 0 ? sum + log(p) : -INFINITY;
        if (p > 0) process_advance(&grammar->lexicon, from, &process, token[t]);
        log_p[t] = sum;
    }
}

/* ---- tasks ---- */

static const struct grammar_item *item_at(const struct grammar *grammar, int task, enum split split, int index)
{
    static const int first[] = {0, TRAIN_ITEMS, TRAIN_ITEMS + DEVELOPMENT_ITEMS};
    if (split == SPLIT_ELSEWHERE) return &grammar->task[task].elsewhere[index];
    return &grammar->task[task].item[first[split] + index];
}

static struct item item(const void *self, int task, enum split split, int index)
{
    const struct grammar_item *found = item_at(self, task, split, index);
    return (struct item){found->token, found->length, found->label};
}

static int label_token(const void *self, int task, int label)
{
    const struct grammar *grammar = self;
    int block = task_rules[grammar->task[task].task].block;
    return block < 0 ? content_word(&grammar->lexicon, label)
                     : label_word(&grammar->lexicon, (enum label_block)block, label);
}

static const char *label_name(const void *self, int task, int label)
{
    const struct grammar *grammar = self;
    return grammar->lexicon.text[label_token(self, task, label)];
}

static void prompt(const void *self, int task, uint16_t *token, int most, int *length)
{
    (void)self, (void)task;
    *length = 0;
    if (*length < most) token[(*length)++] = IT;
    if (*length < most) token[(*length)++] = IS;
}

/* The reserved domain under which the item is likeliest; labels are equally frequent. */
static int likeliest_domain(const struct grammar *grammar, const struct grammar_item *of)
{
    double log_p[ITEM_MOST], most = -INFINITY;
    int likeliest = 0;
    for (int i = 0; i < grammar->reserved; i++) {
        prefix_log_probability(grammar, grammar->domains + i, of->token, of->length - 1, log_p);
        if (log_p[of->length - 1] <= most) continue;
        most = log_p[of->length - 1];
        likeliest = i;
    }
    return likeliest;
}

/* Labels follow from the words, so 1; only the domain of a sentence is uncertain: the Bayes classifier's accuracy. */
static double best(const void *self, int task)
{
    const struct grammar *grammar = self;
    if (grammar->task[task].task != TASK_DOMAIN) return 1;
    int right = 0;
    for (int i = 0; i < TEST_ITEMS; i++) {
        const struct grammar_item *of = item_at(grammar, task, SPLIT_TEST, i);
        right += likeliest_domain(grammar, of) == of->label;
    }
    return (double)right / TEST_ITEMS;
}

/* ---- showing ---- */

static char *text(const void *self, const uint16_t *token, int length)
{
    const struct grammar *grammar = self;
    size_t most = (size_t)length * sizeof grammar->lexicon.text[0] + 1, used = 0;
    char *words = memory_allocate(most);
    for (int i = 0; i < length; i++) {
        const char *word = token[i] < grammar->lexicon.size ? grammar->lexicon.text[token[i]] : "<unknown>";
        used += (size_t)snprintf(words + used, most - used, "%s%s", i ? " " : "", word);
    }
    return words;
}

static void destroy(void *self)
{
    struct grammar *grammar = self;
    for (int i = 0; i < grammar->tasks; i++) {
        memory_free(grammar->task[i].item);
        memory_free(grammar->task[i].elsewhere);
    }
    memory_free(grammar->task);
    memory_free(grammar->domain);
    memory_free(grammar);
}

static const struct world_ops grammar_ops = {
    sample, reference_windows, reference, prefix_log_probability, item, label_name, label_token, prompt, best, text,
    destroy};

/* ---- creation ---- */

/* Of the first windows too, so that a change of the language that forgot GRAMMAR_VERSION still changes the hash. */
static struct hash128 domain_hash(const struct grammar *grammar, int domain, const char *what, bool training)
{
    enum { WINDOWS = 8, LENGTH = 64 };
    uint16_t token[LENGTH + 1];
    struct hasher hasher;
    hasher_init(&hasher, what);
    hasher_add_integer(&hasher, "grammar version", GRAMMAR_VERSION);
    hasher_add_text(&hasher, "domain", grammar->domain[domain].key);
    for (int i = 0; i < WINDOWS; i++) {
        training ? sample(grammar, domain, 0, (uint64_t)i, LENGTH, token)
                 : reference(grammar, domain, i, LENGTH, token);
        hasher_add_hash(&hasher, "window", hash_bytes(token, sizeof token));
    }
    return hasher_finish(&hasher);
}

static void fill_domain_facts(const struct grammar *grammar, struct domain_facts *facts)
{
    for (int i = 0; i < grammar->domains + grammar->reserved; i++) {
        const struct grammar_domain *domain = &grammar->domain[i];
        snprintf(facts[i].name, sizeof facts[i].name, "%s", domain->name);
        facts[i].reserved = domain->reserved >= 0;
        facts[i].tokens = UINT64_MAX;
        facts[i].training = domain_hash(grammar, i, "grammar training", true);
        facts[i].reference = domain_hash(grammar, i, "grammar reference", false);
    }
}

static struct hash128 items_hash(const struct grammar_item *items, int count)
{
    struct hasher hasher;
    hasher_init(&hasher, "grammar items");
    hasher_add_integer(&hasher, "items", count);
    for (int i = 0; i < count; i++) { /* behind its length an item's tokens are not defined */
        hasher_add_integer(&hasher, "label", items[i].label);
        hasher_add_hash(&hasher, "tokens", hash_bytes(items[i].token, items[i].length * sizeof items[i].token[0]));
    }
    return hasher_finish(&hasher);
}

static double mean_tokens(const struct grammar_item *items, int count)
{
    double tokens = 0;
    for (int i = 0; i < count; i++) tokens += items[i].length;
    return tokens / count;
}

static void fill_elsewhere_facts(const struct grammar_tasks *task, struct task_facts *facts)
{
    facts->elsewhere_items = ELSEWHERE_ITEMS;
    facts->elsewhere_mean_tokens = mean_tokens(task->elsewhere, ELSEWHERE_ITEMS);
    facts->elsewhere = items_hash(task->elsewhere, ELSEWHERE_ITEMS);
    for (int i = 0; i < ELSEWHERE_ITEMS; i++)
        if (task->elsewhere[i].length > facts->most_tokens) facts->most_tokens = task->elsewhere[i].length;
}

static void fill_task_facts(const struct grammar_tasks *task, struct task_facts *facts)
{
    const struct grammar_item *test = task->item + TRAIN_ITEMS + DEVELOPMENT_ITEMS;
    int most_of_class[CLASSES_MAX] = {0}, largest = 0;
    snprintf(facts->name, sizeof facts->name, "%s", task_rules[task->task].name);
    facts->classes = task->classes;
    facts->train_items = TRAIN_ITEMS;
    facts->development_items = DEVELOPMENT_ITEMS;
    facts->test_items = TEST_ITEMS;
    for (int i = 0; i < TEST_ITEMS; i++) {
        int count = ++most_of_class[test[i].label];
        if (count > largest) largest = count;
    }
    facts->majority = (double)largest / TEST_ITEMS;
    facts->mean_tokens = mean_tokens(task->item, TRAIN_ITEMS);
    for (int i = 0; i < ALL_ITEMS; i++)
        if (task->item[i].length > facts->most_tokens) facts->most_tokens = task->item[i].length;
    facts->training = items_hash(task->item, TRAIN_ITEMS);
    facts->development = items_hash(task->item + TRAIN_ITEMS, DEVELOPMENT_ITEMS);
    facts->test = items_hash(test, TEST_ITEMS);
    if (task->elsewhere) fill_elsewhere_facts(task, facts);
}

static int find_task(const char *name)
{
    for (int i = 0; i < TASK_COUNT; i++)
        if (strcmp(task_rules[i].name, name) == 0) return i;
    return -1;
}

static int check_tasks(const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES], int task_count, int context,
                       struct error *err)
{
    if (task_count > 0 && context < ITEM_MOST)
        return error_set(err, ERROR_INPUT,
                         "model.context: %d is too short for the grammar's tasks: their sentences have up to %d words",
                         context, ITEM_MOST);
    for (int i = 0; i < task_count; i++) {
        int task = find_task(tasks[i]);
        if (task < 0) return error_set(err, ERROR_INPUT, "tasks: the grammar world has no task \"%s\"", tasks[i]);
        if (task == TASK_DOMAIN && (spec->task_domains < 2 || spec->task_domains > DOMAIN_LABELS))
            return error_set(err, ERROR_INPUT,
                             "world.task_domains: the task \"domain\" tells 2 to %d reserved domains apart, not %d",
                             DOMAIN_LABELS, spec->task_domains);
    }
    if (spec->domains < 1 || spec->task_domains < (task_count > 0))
        return error_set(err, ERROR_INPUT,
                         "world: the grammar needs at least one domain to read and, for tasks, one reserved");
    return 0;
}

static void fill_domains(struct grammar *grammar)
{
    grammar->domain = memory_array((size_t)(grammar->domains + grammar->reserved), sizeof *grammar->domain);
    for (int i = 0; i < grammar->domains; i++) grammar_domain_init(&grammar->domain[i], grammar->seed, false, i);
    for (int i = 0; i < grammar->reserved; i++)
        grammar_domain_init(&grammar->domain[grammar->domains + i], grammar->seed, true, i);
}

static void fill_tasks(struct grammar *grammar, const char (*tasks)[NAME_MAX_BYTES], int task_count,
                       struct task_facts *facts)
{
    grammar->tasks = task_count;
    grammar->task = memory_array((size_t)task_count, sizeof *grammar->task);
    for (int i = 0; i < task_count; i++) {
        struct grammar_tasks *task = &grammar->task[i];
        task->task = (enum grammar_task)find_task(tasks[i]);
        task->classes = task_rules[task->task].classes ? task_rules[task->task].classes : grammar->reserved;
        grammar_task_fill(grammar, task);
        fill_task_facts(task, &facts[i]);
    }
}

int grammar_create(const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES], int task_count, int context,
                   struct world *world, struct error *err)
{
    TRY(check_tasks(spec, tasks, task_count, context, err));
    struct grammar *grammar = memory_allocate(sizeof *grammar);
    struct domain_facts *domain = memory_array((size_t)(spec->domains + spec->task_domains), sizeof *domain);
    struct task_facts *task = memory_array((size_t)task_count, sizeof *task);
    lexicon_init(&grammar->lexicon);
    grammar->seed = spec->seed;
    grammar->domains = spec->domains;
    grammar->reserved = spec->task_domains;
    grammar->elsewhere = spec->elsewhere;
    fill_domains(grammar);
    fill_domain_facts(grammar, domain);
    fill_tasks(grammar, tasks, task_count, task);
    world->ops = &grammar_ops;
    world->self = grammar;
    world->facts = (struct world_facts){grammar->lexicon.size, SEPARATOR, MASK,       spec->domains,
                                        spec->task_domains,    domain,    task_count, task};
    return 0;
}
