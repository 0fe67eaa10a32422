/* Fine-tuning: the items of a task in a new order each epoch. */
#include <stdio.h>

#include "train_private.h"

struct queue { /* where the items of the running step come from */
    struct task_items items;
    struct random_stream order; /* sample: the epoch */
    uint64_t epoch, count;      /* epoch whose order is in the trainer */
};

/* Which items are used (the first of a permutation by seed and task, the same at every place) and in what order each
 * epoch reads them (by place too: the second time a task is learnt is not a replay of the first). */
static void queue_init(struct queue *queue, struct trainer *trainer, const struct world *world,
                       const struct finetuning *finetuning)
{
    const struct task_facts *task = &world_facts(world)->task[finetuning->task];
    char name[NAME_MAX_BYTES + 32];
    size_t all = (size_t)task->train_items;
    bool some = finetuning->items > 0 && finetuning->items < task->train_items;
    CHECK(all > 0, "task %s without training items", task->name);
    queue->items = task_items_of(world, finetuning->task, SPLIT_TRAIN, &trainer->shape, &finetuning->readout);
    queue->count = some ? (uint64_t)finetuning->items : all;
    queue->epoch = UINT64_MAX;
    snprintf(name, sizeof name, "%s/%d", task->name, finetuning->place);
    queue->order = random_stream("finetune order", finetuning->seed, name);

    trainer->item = memory_grow(trainer->item, &trainer->item_room, all, sizeof *trainer->item);
    trainer->order = memory_grow(trainer->order, &trainer->order_room, all, sizeof *trainer->order);
    struct random_cursor cursor = random_at(random_stream("finetune items", finetuning->seed, task->name), 0);
    random_permutation(&cursor, (uint32_t)all, trainer->item);
}

/* Item number `sample` since the first step; a batch may reach over the end of an epoch. */
static int queue_item(struct queue *queue, struct trainer *trainer, uint64_t sample)
{
    uint64_t epoch = sample / queue->count;
    if (epoch != queue->epoch) {
        struct random_cursor cursor = random_at(queue->order, epoch);
        random_permutation(&cursor, (uint32_t)queue->count, trainer->order);
        queue->epoch = epoch;
    }
    return (int)trainer->item[trainer->order[sample % queue->count]];
}

static struct batch read_batch(struct trainer *trainer, struct queue *queue, int sequences, int64_t step)
{
    double started = clock_seconds();
    int *start = trainer->start;
    profile_part(PROFILE_DATA);
    start[0] = 0;
    for (int b = 0; b < sequences; b++) {
        uint64_t sample = (uint64_t)step * (uint64_t)sequences + (uint64_t)b;
        int index = queue_item(queue, trainer, sample);
        int length = task_items_read(&queue->items, index, trainer->window, &trainer->label[b]);
        CHECK(start[b] + length <= trainer->most_tokens, "a batch of more than %d tokens", trainer->most_tokens);
        for (int t = 0; t < length; t++) trainer->token[start[b] + t] = trainer->window[t];
        start[b + 1] = start[b] + length;
    }
    trainer->data_seconds += clock_seconds() - started;
    return (struct batch){.sequences = sequences, .tokens = start[sequences], .start = start, .token = trainer->token};
}

int train_finetune(struct trainer *trainer, const struct world *world, const struct finetuning *finetuning,
                   train_pause_f *pause, void *context, struct state *state, struct error *err)
{
    const struct finetune_recipe *recipe = &finetuning->recipe;
    const struct readout *readout = &finetuning->readout;
    struct trained trained = {(int)recipe->freeze, readout->kind == HEAD_LM ? -1 : readout->head};
    struct queue queue;
    CHECK(recipe->batch <= trainer->most_sequences, "a batch of %lld in buffers for %d sequences",
          (long long)recipe->batch, trainer->most_sequences);
    trainer_prepare(trainer, state);
    queue_init(&queue, trainer, world, finetuning);
    while (state->step < recipe->steps && !(pause && pause(context, state->step))) {
        struct batch batch = read_batch(trainer, &queue, (int)recipe->batch, state->step);
        double loss = model_labels(trainer->model, state, &batch, readout, trainer->label, NULL,
                                   trainer_gradient(trainer, state), trained.freeze);
        struct update update = {&recipe->optimizer, finetuning_rate(recipe, state->step), trained, recipe->steps};
        TRY(trainer_update(trainer, &update, loss, state, err));
    }
    return 0;
}
