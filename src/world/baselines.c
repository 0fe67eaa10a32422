/* What can be had without understanding: the majority class, and naive Bayes over tokens and over pairs of neighbouring
 * tokens.  A task whose bigram baseline is near its best is no evidence about language. */
#include <math.h>

#include "tables.h"
#include "world_private.h"

struct naive_bayes { /* multinomial, add-one smoothing (Manning, Raghavan and Schuetze 2008, section 13.2) */
    bool pairs;      /* features are tokens and neighbouring pairs, else tokens alone */
    int classes;
    struct key_table features;
    uint32_t *count; /* [features][classes] */
    size_t count_capacity;
    double items[CLASSES_MAX], total[CLASSES_MAX]; /* items, and occurrences of features, of each class */
};

/* The features of an item: its tokens, then its pairs. -1 past the end. */
static int64_t feature(const struct naive_bayes *bayes, const struct item *item, int index)
{
    if (index < item->length) return item->token[index];
    int pair = index - item->length;
    if (!bayes->pairs || pair >= item->length - 1) return -1;
    return (int64_t)1 << 32 | (int64_t)item->token[pair] << 16 | item->token[pair + 1];
}

static void learn_item(struct naive_bayes *bayes, const struct item *item)
{
    int64_t key;
    size_t classes = (size_t)bayes->classes;
    bayes->items[item->label]++;
    for (int i = 0; (key = feature(bayes, item, i)) >= 0; i++) {
        size_t row = key_table_add(&bayes->features, (uint64_t)key);
        bayes->count = memory_grow(bayes->count, &bayes->count_capacity, (row + 1) * classes, sizeof *bayes->count);
        bayes->count[row * classes + (size_t)item->label]++;
        bayes->total[item->label]++;
    }
}

/* Features never met in training say nothing and are left out. The first of equally likely labels. */
static int predict_item(const struct naive_bayes *bayes, const struct item *item)
{
    double score[CLASSES_MAX];
    int64_t key;
    int best = 0;
    for (int c = 0; c < bayes->classes; c++) score[c] = log(bayes->items[c] + 1);
    for (int i = 0; (key = feature(bayes, item, i)) >= 0; i++) {
        int64_t row = key_table_find(&bayes->features, (uint64_t)key);
        if (row < 0) continue;
        const uint32_t *count = bayes->count + row * bayes->classes;
        for (int c = 0; c < bayes->classes; c++)
            score[c] += log((count[c] + 1.0) / (bayes->total[c] + (double)bayes->features.count));
    }
    for (int c = 1; c < bayes->classes; c++)
        if (score[c] > score[best]) best = c;
    return best;
}

static double naive_bayes_accuracy(const struct world *world, int task, bool pairs)
{
    const struct task_facts *facts = &world->facts.task[task];
    struct naive_bayes bayes = {.pairs = pairs, .classes = facts->classes};
    int correct = 0;
    for (int i = 0; i < facts->train_items; i++) {
        struct item item = world_item(world, task, SPLIT_TRAIN, i);
        learn_item(&bayes, &item);
    }
    for (int i = 0; i < facts->test_items; i++) {
        struct item item = world_item(world, task, SPLIT_TEST, i);
        correct += predict_item(&bayes, &item) == item.label;
    }
    key_table_reset(&bayes.features);
    memory_free(bayes.count);
    return (double)correct / facts->test_items;
}

static int largest_class(const struct world *world, int task)
{
    int count[CLASSES_MAX] = {0}, largest = 0;
    for (int i = 0; i < world->facts.task[task].train_items; i++)
        count[world_item(world, task, SPLIT_TRAIN, i).label]++;
    for (int c = 1; c < world->facts.task[task].classes; c++)
        if (count[c] > count[largest]) largest = c;
    return largest;
}

static double majority_accuracy(const struct world *world, int task)
{
    int items = world->facts.task[task].test_items, label = largest_class(world, task), correct = 0;
    for (int i = 0; i < items; i++) correct += world_item(world, task, SPLIT_TEST, i).label == label;
    return (double)correct / items;
}

/* Items are compared as the model sees them: as tokens, cut to the context. */
static int count_shared(const struct world *world, int task)
{
    struct string_table train = {0};
    int shared = 0;
    for (int i = 0; i < world->facts.task[task].train_items; i++) {
        struct item item = world_item(world, task, SPLIT_TRAIN, i);
        string_table_add(&train, (const char *)item.token, (size_t)item.length * sizeof *item.token);
    }
    for (int i = 0; i < world->facts.task[task].test_items; i++) {
        struct item item = world_item(world, task, SPLIT_TEST, i);
        shared += string_table_find(&train, (const char *)item.token, (size_t)item.length * sizeof *item.token) >= 0;
    }
    string_table_reset(&train);
    return shared;
}

void world_baselines(const struct world *world, int task, struct task_baselines *baselines)
{
    CHECK(task >= 0 && task < world->facts.tasks, "task %d of %d", task, world->facts.tasks);
    *baselines = (struct task_baselines){
        .majority = majority_accuracy(world, task),
        .unigram = naive_bayes_accuracy(world, task, false),
        .bigram = naive_bayes_accuracy(world, task, true),
        .best = world->ops->best ? world->ops->best(world->self, task) : NAN,
        .shared_with_train = count_shared(world, task),
    };
}
