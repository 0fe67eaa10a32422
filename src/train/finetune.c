/* Fine-tuning: the items of a task in a new order each epoch. */
#include <stdio.h>
#include <string.h>

#include "train_private.h"

struct queue { /* where the items of the running step come from */
    struct task_items items;
    struct random_stream order; /* sample: the epoch */
    uint64_t epoch, count;      /* epoch whose order is in the trainer */
};

/* The order of which the first items are used: a permutation by seed and task, the same at every place. */
static void choose_items(struct trainer *trainer, const struct task_facts *task, uint64_t seed)
{
    size_t all = (size_t)task->train_items;
    CHECK(all > 0, "task %s without training items", task->name);
    trainer->item = memory_grow(trainer->item, &trainer->item_room, all, sizeof *trainer->item);
    struct random_cursor cursor = random_at(random_stream("finetune items", seed, task->name), 0);
    random_permutation(&cursor, (uint32_t)all, trainer->item);
}

/* Which items are used, and in what order each epoch reads them (by place too: the second time a task is learnt is not
 * a replay of the first). */
static void queue_init(struct queue *queue, struct trainer *trainer, const struct world *world,
                       const struct finetuning *finetuning)
{
    const struct task_facts *task = &world_facts(world)->task[finetuning->task];
    char name[NAME_MAX_BYTES + 32];
    size_t all = (size_t)task->train_items;
    bool some = finetuning->items > 0 && finetuning->items < task->train_items;
    choose_items(trainer, task, finetuning->seed);
    queue->items = task_items_of(world, finetuning->task, SPLIT_TRAIN, &trainer->shape, &finetuning->readout);
    queue->count = some ? (uint64_t)finetuning->items : all;
    queue->epoch = UINT64_MAX;
    snprintf(name, sizeof name, "%s/%d", task->name, finetuning->place);
    queue->order = random_stream("finetune order", finetuning->seed, name);
    trainer->order = memory_grow(trainer->order, &trainer->order_room, all, sizeof *trainer->order);
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

/* Training item `index` as sequence b of the batch. */
static void add_item(struct trainer *trainer, const struct task_items *items, int index, int b)
{
    int *start = trainer->start, length = task_items_read(items, index, trainer->window, &trainer->label[b]);
    CHECK(start[b] + length <= trainer->most_tokens, "a batch of more than %d tokens", trainer->most_tokens);
    for (int t = 0; t < length; t++) trainer->token[start[b] + t] = trainer->window[t];
    start[b + 1] = start[b] + length;
}

static struct batch batch_of(const struct trainer *trainer, int sequences)
{
    return (struct batch){
        .sequences = sequences, .tokens = trainer->start[sequences], .start = trainer->start, .token = trainer->token};
}

static struct batch read_batch(struct trainer *trainer, struct queue *queue, int sequences, int64_t step)
{
    double started = clock_seconds();
    profile_part(PROFILE_DATA);
    trainer->start[0] = 0;
    for (int b = 0; b < sequences; b++) {
        uint64_t sample = (uint64_t)step * (uint64_t)sequences + (uint64_t)b;
        add_item(trainer, &queue->items, queue_item(queue, trainer, sample), b);
    }
    trainer->data_seconds += clock_seconds() - started;
    return batch_of(trainer, sequences);
}

int train_finetune(struct trainer *trainer, const struct world *world, const struct finetuning *finetuning,
                   train_pause_f *pause, void *context, struct state *state, struct error *err)
{
    const struct finetune_recipe *recipe = &finetuning->recipe;
    const struct readout *readout = &finetuning->readout;
    struct trained trained = {
        .freeze = (int)recipe->freeze, .head = readout->kind == HEAD_LM ? -1 : readout->head, .skip = readout->skip};
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

/* ---- the gradient of a task, for its own sake ---- */

/* Adds `share` of the batch's mean gradient to gradient. */
static double add_gradient(struct trainer *trainer, const struct state *state, const struct readout *readout,
                           const struct batch *batch, double share, float *gradient)
{
    float *own = trainer_gradient(trainer, state);
    double loss = model_labels(trainer->model, state, batch, readout, trainer->label, NULL, own, 0);
    for (size_t i = 0; i < state->floats; i++) gradient[i] += (float)share * own[i];
    return share * loss;
}

double train_task_gradient(struct trainer *trainer, const struct world *world, const struct state *state, int task,
                           uint64_t seed, const struct readout *readout, int items, int batch, float *gradient)
{
    const struct task_facts *facts = &world_facts(world)->task[task];
    struct task_items read = task_items_of(world, task, SPLIT_TRAIN, &trainer->shape, readout);
    int count = items < facts->train_items ? items : facts->train_items;
    double loss = 0;
    CHECK(count >= 1 && batch >= 1 && batch <= trainer->most_sequences, "%d items, %d at once of %d", count, batch,
          trainer->most_sequences);
    trainer_fit(trainer, state);
    choose_items(trainer, facts, seed);
    memset(gradient, 0, state->floats * sizeof *gradient);
    for (int from = 0; from < count; from += batch) {
        int sequences = count - from < batch ? count - from : batch;
        trainer->start[0] = 0;
        for (int b = 0; b < sequences; b++) add_item(trainer, &read, (int)trainer->item[from + b], b);
        struct batch of = batch_of(trainer, sequences);
        loss += add_gradient(trainer, state, readout, &of, (double)sequences / count, gradient);
    }
    return loss;
}
