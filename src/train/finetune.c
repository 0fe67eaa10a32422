/* Fine-tuning: the items of a task, or of several in turn, in a new order each epoch. */
#include <stdio.h>
#include <string.h>

#include "train_private.h"

struct queue { /* where the items of one part come from */
    const struct finetuning *part;
    struct task_items items;
    struct random_stream order;    /* sample: the epoch */
    uint64_t epoch, count;         /* epoch whose order is in the trainer */
    uint32_t *item, *order_of_now; /* [count]: the items used, and the order of that epoch; in the trainer */
};

static void order_items(const char *stream, const struct task_facts *task, uint64_t seed, int there, uint32_t *item)
{
    struct random_cursor cursor = random_at(random_stream(stream, seed, task->name), 0);
    random_permutation(&cursor, (uint32_t)there, item);
}

void train_item_order(const struct world *world, int task, uint64_t seed, uint32_t *item)
{
    const struct task_facts *facts = &world_facts(world)->task[task];
    order_items("finetune items", facts, seed, facts->train_items, item);
}

/* Items there are, of which a permutation is made. */
static int items_there(const struct world *world, const struct finetuning *part)
{
    const struct task_facts *task = &world_facts(world)->task[part->task];
    int there = part->split == SPLIT_ELSEWHERE ? task->elsewhere_items : task->train_items;
    CHECK(there > 0, "task %s without training items%s", task->name,
          part->split == SPLIT_ELSEWHERE ? " from other domains" : "");
    return there;
}

/* Which items are used (the first of a permutation by seed and task, the same at every place) and in what order each
 * epoch reads them (by place too: the second time a task is learnt is not a replay of the first). */
static void queue_init(struct queue *queue, const struct trainer *trainer, const struct world *world,
                       const struct finetuning *part)
{
    const struct task_facts *task = &world_facts(world)->task[part->task];
    char name[NAME_MAX_BYTES + 64];
    int there = items_there(world, part), asked = part->chapter.number > 0 ? part->chapter.items : part->items;
    queue->part = part;
    queue->items = task_items_of(world, part->task, part->split, &trainer->shape, &part->readout);
    task_items_relabel(&queue->items, part->labels, part->seed);
    queue->count = (uint64_t)(asked > 0 && asked < there ? asked : there);
    queue->epoch = UINT64_MAX;
    snprintf(name, sizeof name, part->chapter.number > 0 ? "%s/%d/%d" : "%s/%d", task->name, part->place,
             part->chapter.number);
    queue->order = random_stream("finetune order", part->seed, name);
    order_items(part->split == SPLIT_ELSEWHERE ? "elsewhere items" : "finetune items", task, part->seed, there,
                queue->item);
}

/* One queue for each part, one after the other in the trainer's buffers. */
static void queues_init(struct queue *queue, struct trainer *trainer, const struct world *world,
                        const struct finetuning *part, int parts)
{
    size_t all = 0, at = 0;
    for (int p = 0; p < parts; p++) all += (size_t)items_there(world, &part[p]);
    trainer->item = memory_grow(trainer->item, &trainer->item_room, all, sizeof *trainer->item);
    trainer->order = memory_grow(trainer->order, &trainer->order_room, all, sizeof *trainer->order);
    for (int p = 0; p < parts; p++) {
        queue[p].item = trainer->item + at;
        queue[p].order_of_now = trainer->order + at;
        queue_init(&queue[p], trainer, world, &part[p]);
        at += (size_t)items_there(world, &part[p]);
    }
}

/* Item number `sample` since the first step; a batch may reach over the end of an epoch. */
static int queue_item(struct queue *queue, uint64_t sample)
{
    uint64_t epoch = sample / queue->count;
    if (epoch != queue->epoch) {
        struct random_cursor cursor = random_at(queue->order, epoch);
        random_permutation(&cursor, (uint32_t)queue->count, queue->order_of_now);
        queue->epoch = epoch;
    }
    return (int)queue->item[queue->order_of_now[sample % queue->count]];
}

/* Item `index` as sequence b of the batch. */
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

/* Batch number `number` of a queue. */
static struct batch read_batch(struct trainer *trainer, struct queue *queue, int sequences, int64_t number)
{
    double started = clock_seconds();
    profile_part(PROFILE_DATA);
    trainer->start[0] = 0;
    for (int b = 0; b < sequences; b++) {
        uint64_t sample = (uint64_t)number * (uint64_t)sequences + (uint64_t)b;
        add_item(trainer, &queue->items, queue_item(queue, sample), b);
    }
    trainer->data_seconds += clock_seconds() - started;
    return batch_of(trainer, sequences);
}

/* Forward, backward, clip, AdamW. */
static int step_on(struct trainer *trainer, const struct batch *batch, const int *label, const struct readout *readout,
                   const struct finetune_recipe *recipe, const struct chapter *chapter, struct state *state,
                   struct error *err)
{
    int64_t step = state->step;
    struct trained trained = {
        .freeze = (int)recipe->freeze, .head = readout->kind == HEAD_LM ? -1 : readout->head, .skip = readout->skip};
    double loss = model_labels(trainer->model, state, batch, readout, label, NULL, trainer_gradient(trainer, state),
                               trained.freeze);
    double rate = chapter->number > 0 ? constant_rate(recipe, step) : finetuning_rate(recipe, step);
    struct update update = {&recipe->optimizer, rate, trained, chapter->stop};
    return trainer_update(trainer, &update, loss, state, err);
}

int train_finetune_batch(struct trainer *trainer, const struct finetune_recipe *recipe, const struct readout *readout,
                         const struct batch *batch, const int *label, struct state *state, struct error *err)
{
    struct chapter whole = {.stop = recipe->steps};
    trainer_prepare(trainer, state);
    return step_on(trainer, batch, label, readout, recipe, &whole, state, err);
}

/* One step on the next batch of the queue whose turn it is. */
static int take_step(struct trainer *trainer, struct queue *queue, int parts, const struct finetune_recipe *recipe,
                     const struct chapter *chapter, struct state *state, struct error *err)
{
    int64_t turn = state->step - chapter->begin;
    struct queue *next = &queue[turn % parts];
    struct batch batch = read_batch(trainer, next, (int)recipe->batch, turn / parts);
    return step_on(trainer, &batch, trainer->label, &next->part->readout, recipe, chapter, state, err);
}

int train_together(struct trainer *trainer, const struct world *world, const struct finetuning *part, int parts,
                   train_pause_f *pause, void *context, struct state *state, struct error *err)
{
    const struct finetune_recipe *recipe = &part->recipe;
    struct chapter chapter = part->chapter;
    struct queue queue[PLACES_MAX];
    CHECK(parts >= 1 && parts <= PLACES_MAX, "%d parts trained together", parts);
    CHECK(recipe->batch <= trainer->most_sequences, "a batch of %lld in buffers for %d sequences",
          (long long)recipe->batch, trainer->most_sequences);
    if (chapter.number == 0) chapter = (struct chapter){.stop = recipe->steps};
    trainer_prepare(trainer, state);
    queues_init(queue, trainer, world, part, parts);
    while (state->step < chapter.stop && !(pause && pause(context, state->step)))
        TRY(take_step(trainer, queue, parts, recipe, &chapter, state, err));
    return 0;
}

int train_finetune(struct trainer *trainer, const struct world *world, const struct finetuning *finetuning,
                   train_pause_f *pause, void *context, struct state *state, struct error *err)
{
    return train_together(trainer, world, finetuning, 1, pause, context, state, err);
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
    trainer->item = memory_grow(trainer->item, &trainer->item_room, (size_t)facts->train_items, sizeof *trainer->item);
    train_item_order(world, task, seed, trainer->item);
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
