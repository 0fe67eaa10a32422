#include <math.h>

#include "fake_world.h"

struct model_shape fake_shape(enum objective objective)
{
    return (struct model_shape){.layers = 2,
                                .width = 16,
                                .heads = 2,
                                .context = FAKE_CONTEXT,
                                .vocabulary = FAKE_WORDS + 2,
                                .feed_forward = 2,
                                .objective = objective};
}

static const struct domain_facts domains[FAKE_DOMAINS] = {{.name = "ones", .reference = {1, 1}},
                                                          {.name = "twos", .reference = {2, 2}}};
static const struct task_facts tasks[FAKE_TASKS] = {
    {.name = "rise", .classes = 2, .train_items = FAKE_ITEMS, .test_items = FAKE_ITEMS, .majority = 0.5},
    {.name = "third", .classes = 3, .train_items = FAKE_ITEMS, .test_items = FAKE_ITEMS, .majority = 0.4}};
static const struct world_facts facts = {.vocabulary = FAKE_WORDS + 2,
                                         .separator = FAKE_WORDS,
                                         .mask = FAKE_WORDS + 1,
                                         .domains = FAKE_DOMAINS,
                                         .domain = domains,
                                         .tasks = FAKE_TASKS,
                                         .task = tasks};

const struct world_facts *world_facts(const struct world *world)
{
    (void)world;
    return &facts;
}

static void count_up(struct random_cursor cursor, int by, int length, uint16_t *token)
{
    uint32_t start = random_below(&cursor, FAKE_WORDS);
    for (int t = 0; t < length; t++) token[t] = (uint16_t)((start + (uint32_t)(by * t)) % FAKE_WORDS);
}

void world_read(const struct world *world, const struct reading *reading, uint64_t sample, uint16_t *token)
{
    (void)world;
    struct random_cursor cursor = random_at(random_stream("fake reading", reading->seed, NULL), sample);
    int domain = reading->domain[random_below(&cursor, (uint32_t)reading->domains)];
    count_up(cursor, domain + 1, reading->context + 1, token);
}

int world_reference_windows(const struct world *world, int domain, int context, int64_t tokens)
{
    (void)world, (void)domain;
    return (int)(tokens / context);
}

void world_reference(const struct world *world, int domain, int window, int context, uint16_t *token)
{
    (void)world;
    count_up(random_at(random_stream("fake reference", 0, NULL), (uint64_t)window), domain + 1, context + 1, token);
}

struct item world_item(const struct world *world, int task, enum split split, int index)
{
    static uint16_t token[FAKE_TASKS][2][FAKE_ITEMS]
                         [FAKE_CONTEXT]; /* always the same, so filling it again is harmless */
    (void)world;
    int half = split == SPLIT_TEST, length = 3 + index % (FAKE_CONTEXT - 2);
    struct random_cursor cursor = random_at(random_stream("fake item", (uint64_t)half, NULL), (uint64_t)index);
    int by = 1 + (int)random_below(&cursor, 2);
    uint16_t *mine = token[task][half][index];
    count_up(cursor, by, length, mine);
    return (struct item){mine, length, task == 0 ? by - 1 : mine[length - 1] / (FAKE_WORDS / 3)};
}

int world_label_token(const struct world *world, int task, int label)
{
    (void)world;
    return 7 * (task + 1) + 2 * label;
}

void world_prompt(const struct world *world, int task, uint16_t *token, int most, int *length)
{
    (void)world, (void)task, (void)most;
    token[0] = FAKE_WORDS;
    *length = 1;
}
