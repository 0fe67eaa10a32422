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

int task_items_read(const struct task_items *items, int index, uint16_t *token, int *label)
{
    struct item item = world_item(items->world, items->task, items->split, index);
    int room = items->context - items->prompt_length;
    int length = item.length < room ? item.length : room;
    memcpy(token, item.token, (size_t)length * sizeof *token);
    memcpy(token + length, items->prompt, (size_t)items->prompt_length * sizeof *token);
    *label = item.label;
    return length + items->prompt_length;
}
