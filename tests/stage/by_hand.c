#include "by_hand.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BATCH = 64, MOST_TOKENS = 64 * 64 };

struct hand_batch {
    int start[MOST_BATCH + 1], label[MOST_BATCH];
    uint16_t token[MOST_TOKENS];
    int32_t target[MOST_TOKENS];
};

struct cell hand_cell(const struct tree_run *run, int stage)
{
    struct cell cell;
    cell_resolve(run->sweep, &run->plan->facts, run->plan->stage[stage].cell, &cell);
    return cell;
}

static const struct task_facts *facts_of(const struct tree_run *run, int task) { return &run->plan->facts.task[task]; }

/* ---- states ---- */

static const char *head_name(const struct tree_run *run, const struct cell *cell, int task, const char *head)
{
    if (cell->settings.head == HEAD_SHARED) return "shared";
    return head ? head : facts_of(run, task)->name;
}

struct state *hand_start(const struct tree_run *run, const struct cell *cell, const struct state *from,
                         const struct hand_part *part, int parts)
{
    struct state *state = state_copy(from, true);
    for (int p = 0; p < parts && cell->settings.head != HEAD_LM; p++) {
        const char *name = head_name(run, cell, part[p].task, part[p].head);
        bool shared = cell->settings.head == HEAD_SHARED;
        if (state_find_head(state, name) >= 0) continue;
        struct state *more =
            state_with_head(state, name, shared ? CLASSES_MAX : facts_of(run, part[p].task)->classes, cell->seed,
                            shared ? 0 : part[p].place, cell->settings.model.initial_deviation);
        state_destroy(&state);
        state = more;
    }
    memset(state->moments, 0, 2 * state->floats * sizeof *state->moments);
    state->step = 0;
    return state;
}

bool same_weights(const struct state *a, const struct state *b)
{
    return a->floats == b->floats && memcmp(a->values, b->values, a->floats * sizeof *a->values) == 0;
}

struct readout hand_readout(const struct tree_run *run, const struct cell *cell, const struct state *state, int task,
                            const char *head, uint16_t *label_token)
{
    struct readout readout = {.kind = (enum head_kind)cell->settings.head,
                              .pool = (enum pool_kind)cell->settings.pool,
                              .head = -1,
                              .classes = facts_of(run, task)->classes,
                              .label_token = label_token};
    for (int c = 0; c < readout.classes; c++) label_token[c] = (uint16_t)world_label_token(run->world, task, c);
    if (cell->settings.head == HEAD_LM)
        readout.pool = POOL_LAST;
    else
        readout.head = state_find_head(state, head_name(run, cell, task, head));
    return readout;
}

/* ---- items ---- */

int hand_item(const struct tree_run *run, const struct cell *cell, int task, enum split split, int index,
              uint16_t *token)
{
    struct item item = world_item(run->world, task, split, index);
    uint16_t prompt[8];
    int asked = 0;
    if (cell->settings.head == HEAD_LM) world_prompt(run->world, task, prompt, 7, &asked);
    if (cell->settings.head == HEAD_LM && cell->settings.model.objective == OBJECTIVE_MASKED)
        prompt[asked++] = (uint16_t)run->plan->facts.mask;
    int room = cell->shape.context - asked, length = item.length < room ? item.length : room;
    memcpy(token, item.token, (size_t)length * sizeof *token);
    memcpy(token + length, prompt, (size_t)asked * sizeof *token);
    return length + asked;
}

uint32_t *hand_order(const struct tree_run *run, const struct cell *cell, int task, bool elsewhere)
{
    const struct task_facts *facts = facts_of(run, task);
    uint32_t all = (uint32_t)(elsewhere ? facts->elsewhere_items : facts->train_items);
    uint32_t *order = memory_array(all, sizeof *order);
    const char *stream = elsewhere ? "elsewhere items" : "finetune items";
    struct random_cursor cursor = random_at(random_stream(stream, cell->seed, facts->name), 0);
    random_permutation(&cursor, all, order);
    return order;
}

static int hand_label(const struct tree_run *run, const struct cell *cell, const struct hand_part *part, int index)
{
    const struct task_facts *facts = facts_of(run, part->task);
    enum split split = part->elsewhere ? SPLIT_ELSEWHERE : SPLIT_TRAIN;
    int label = world_item(run->world, part->task, split, index).label;
    if (part->labels == HAND_ROTATED) return label == facts->classes - 1 ? 0 : label + 1;
    if (part->labels == HAND_TRUE) return label;
    struct random_cursor cursor = random_at(random_stream("noise labels", cell->seed, facts->name), (uint64_t)index);
    return (int)random_below(&cursor, (uint32_t)facts->classes);
}

static int items_of(const struct tree_run *run, const struct cell *cell, const struct hand_training *training,
                    const struct hand_part *part)
{
    int64_t wanted = training->chapter > 0 ? training->items : cell->settings.train_items;
    int there = part->elsewhere ? facts_of(run, part->task)->elsewhere_items : facts_of(run, part->task)->train_items;
    return wanted == 0 || wanted > there ? there : (int)wanted;
}

/* Number of the item that stands at `sample` of the part's stream. */
static int item_at(const struct tree_run *run, const struct cell *cell, const struct hand_training *training,
                   const struct hand_part *part, const uint32_t *order, int64_t sample)
{
    int count = items_of(run, cell, training, part);
    uint32_t *epoch = memory_array((size_t)count, sizeof *epoch);
    char name[128];
    int used = snprintf(name, sizeof name, "%s/%d", facts_of(run, part->task)->name, part->place);
    if (training->chapter > 0) snprintf(name + used, sizeof name - (size_t)used, "/%d", training->chapter);
    struct random_cursor cursor =
        random_at(random_stream("finetune order", cell->seed, name), (uint64_t)(sample / count));
    random_permutation(&cursor, (uint32_t)count, epoch);
    int item = (int)order[epoch[sample % count]];
    memory_free(epoch);
    return item;
}

static void fill_batch(const struct tree_run *run, const struct cell *cell, const struct hand_training *training,
                       const struct hand_part *part, int64_t number, struct hand_batch *batch)
{
    uint32_t *order = hand_order(run, cell, part->task, part->elsewhere);
    int sequences = (int)training->recipe.batch;
    batch->start[0] = 0;
    for (int b = 0; b < sequences; b++) {
        int index = item_at(run, cell, training, part, order, number * sequences + b);
        enum split split = part->elsewhere ? SPLIT_ELSEWHERE : SPLIT_TRAIN;
        int length = hand_item(run, cell, part->task, split, index, batch->token + batch->start[b]);
        batch->start[b + 1] = batch->start[b] + length;
        batch->label[b] = hand_label(run, cell, part, index);
    }
    memory_free(order);
}

/* ---- steps ---- */

static void move(const struct optimizer_recipe *optimizer, double rate, struct trained trained, float *gradient,
                 struct state *state)
{
    double norms[LAYERS_MAX + 2], norm = gradient_norms(state, trained, gradient, norms);
    double scale = optimizer->clip > 0 && norm > optimizer->clip ? optimizer->clip / norm : 1;
    adamw_step(optimizer, rate, scale, ++state->step, trained, gradient, state);
}

static double hand_rate(const struct hand_training *training, int64_t step)
{
    double peak = training->recipe.optimizer.learning_rate;
    int64_t all = training->recipe.steps, warmup = llround(training->recipe.warmup * (double)all);
    if (step < warmup) return peak * (double)(step + 1) / (double)warmup;
    return training->chapter > 0 ? peak : peak * (double)(all - step) / (double)(all - warmup);
}

void hand_train(const struct tree_run *run, const struct cell *cell, const struct hand_training *training,
                struct state *state)
{
    struct model *model = model_create(&cell->shape, MOST_TOKENS, MOST_BATCH, true);
    struct hand_batch *batch = memory_allocate(sizeof *batch);
    float *gradient = memory_array(state->floats, sizeof *gradient);
    for (int64_t step = training->from; step < training->to; step++) {
        int64_t turn = training->chapter > 0 ? step - training->from : step;
        const struct hand_part *part = &training->part[turn % training->parts];
        uint16_t label_token[CLASSES_MAX];
        struct readout readout = hand_readout(run, cell, state, part->task, part->head, label_token);
        struct trained trained = {(int)training->recipe.freeze, readout.head, 0};
        fill_batch(run, cell, training, part, turn / training->parts, batch);
        int sequences = (int)training->recipe.batch;
        struct batch read = {sequences, batch->start[sequences], batch->start, batch->token, NULL};
        memset(gradient, 0, state->floats * sizeof *gradient);
        model_labels(model, state, &read, &readout, batch->label, NULL, gradient, trained.freeze);
        move(&training->recipe.optimizer, hand_rate(training, step), trained, gradient, state);
    }
    memory_free(gradient);
    memory_free(batch);
    model_destroy(&model);
}

/* ---- pretraining ---- */

static void fill_windows(const struct tree_run *run, const struct cell *cell, const struct reading *reading,
                         uint64_t first, struct hand_batch *batch)
{
    int context = cell->shape.context;
    uint16_t window[MOST_BATCH * 2 + 1];
    for (int b = 0; b <= (int)cell->settings.pretrain.batch; b++) batch->start[b] = b * context;
    for (int b = 0; b < (int)cell->settings.pretrain.batch; b++) {
        int32_t *target = batch->target + b * context;
        world_read(run->world, reading, first + (uint64_t)b, window);
        for (int t = 0; t < context; t++) target[t] = window[t + 1];
        if (cell->settings.model.objective == OBJECTIVE_MASKED) {
            struct random_cursor cursor = random_at(random_stream("mask", cell->seed, NULL), first + (uint64_t)b);
            mask_window(&cursor, context, run->plan->facts.mask, run->plan->facts.vocabulary, window, target);
        }
        memcpy(batch->token + b * context, window, (size_t)context * sizeof *window);
    }
}

void hand_pretrain(const struct tree_run *run, const struct cell *cell, int64_t before, int64_t steps, double warmup,
                   struct state *state)
{
    struct reading reading = {.domains = cell->variety, .seed = cell->seed, .context = cell->shape.context};
    struct model *model = model_create(&cell->shape, MOST_TOKENS, MOST_BATCH, true);
    struct hand_batch *batch = memory_allocate(sizeof *batch);
    float *gradient = memory_array(state->floats, sizeof *gradient);
    int64_t sequences = cell->settings.pretrain.batch, warm = llround(warmup * (double)steps);
    double peak = cell->settings.pretrain.optimizer.learning_rate;
    reading_domains(&run->sweep->world, &run->plan->facts, cell->seed, cell->variety, reading.domain);
    for (int64_t step = 0; step < steps; step++) {
        double rate = step < warm ? peak * (double)(step + 1) / (double)warm
                                  : peak * (1 - sqrt((double)(step - warm) / (double)(steps - warm)));
        fill_windows(run, cell, &reading, (uint64_t)((before + step) * sequences), batch);
        struct batch read = {(int)sequences, batch->start[sequences], batch->start, batch->token, batch->target};
        memset(gradient, 0, state->floats * sizeof *gradient);
        model_lm(model, state, &read, gradient, 0);
        move(&cell->settings.pretrain.optimizer, rate, (struct trained){0, -1, 0}, gradient, state);
    }
    memory_free(gradient);
    memory_free(batch);
    model_destroy(&model);
}
