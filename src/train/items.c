/* Items of a task as a model reads them. */
#include <string.h>

#include "palimpsest/train.h"

struct task_items task_items_of(const struct world *world, int task, enum split split, const struct model_shape *shape,
                                const struct readout *readout)
{
    struct task_items items = {.world = world, .task = task, .split = split, .context = shape->context};
    if (readout->kind != HEAD_LM) return items;
    int most = (int)(sizeof items.prompt / sizeof items.prompt[0]) - 1;
    world_prompt(world, task, items.prompt, most, &items.prompt_length);
    if (shape->objective == OBJECTIVE_MASKED) items.prompt[items.prompt_length++] = (uint16_t)world_facts(world)->mask;
    CHECK(items.prompt_length < items.context, "a prompt of %d tokens in a context of %d", items.prompt_length,
          items.context);
    return items;
}

void task_items_relabel(struct task_items *items, enum label_kind labels, uint64_t seed)
{
    const struct task_facts *task = &world_facts(items->world)->task[items->task];
    items->labels = labels;
    items->noise = random_stream("noise labels", seed, task->name);
    items->classes = task->classes;
}

static int label_of(const struct task_items *items, int index, int label)
{
    struct random_cursor cursor;
    switch (items->labels) {
    case LABELS_ROTATED: return (label + 1) % items->classes;
    case LABELS_NOISE:
        cursor = random_at(items->noise, (uint64_t)index);
        return (int)random_below(&cursor, (uint32_t)items->classes);
    case LABELS_TRUE: break;
    }
    return label;
}

int task_items_read(const struct task_items *items, int index, uint16_t *token, int *label)
{
    struct item item = world_item(items->world, items->task, items->split, index);
    int room = items->context - items->prompt_length;
    int length = item.length < room ? item.length : room;
    memcpy(token, item.token, (size_t)length * sizeof *token);
    memcpy(token + length, items->prompt, (size_t)items->prompt_length * sizeof *token);
    *label = label_of(items, index, item.label);
    return length + items->prompt_length;
}
