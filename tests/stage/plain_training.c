#include "plain_training.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct plain plain_of(const struct tree_run *run, int number)
{
    const struct stage *stage = &run->plan->stage[number];
    struct plain plain = {.run = run, .parent = run->result[stage->parent].state};
    int tokens, sequences;
    cell_resolve(run->sweep, world_facts(run->world), stage->cell, &plain.cell);
    shape_training_batch(&plain.cell.shape, &plain.cell.settings, &tokens, &sequences);
    plain.trainer = trainer_create(&plain.cell.shape, tokens, sequences);
    plain.meter = meter_create(&plain.cell.shape);
    return plain;
}

void plain_reset(struct plain *plain)
{
    trainer_destroy(&plain->trainer);
    meter_destroy(&plain->meter);
}

static const struct task_facts *task_at(const struct plain *plain, int at)
{
    return &world_facts(plain->run->world)->task[plain->cell.sequence->task[at]];
}

static struct readout readout_at(const struct plain *plain, const struct state *state, int at, uint16_t *words)
{
    const struct settings *settings = &plain->cell.settings;
    const struct task_facts *task = task_at(plain, at);
    struct readout readout = {.kind = (enum head_kind)settings->head,
                              .pool = settings->head == HEAD_LM ? POOL_LAST : (enum pool_kind)settings->pool,
                              .classes = task->classes,
                              .head = -1,
                              .label_token = words};
    for (int c = 0; c < task->classes; c++)
        words[c] = (uint16_t)world_label_token(plain->run->world, plain->cell.sequence->task[at], c);
    if (settings->head == HEAD_PER_TASK) readout.head = state_find_head(state, task->name);
    if (settings->head == HEAD_SHARED) readout.head = state_find_head(state, "shared");
    return readout;
}

/* With moments, and a head for the task if there is none. */
static struct state *start_of(const struct plain *plain, int at, int place)
{
    const struct settings *settings = &plain->cell.settings;
    const struct task_facts *task = task_at(plain, at);
    const char *name = settings->head == HEAD_SHARED ? "shared" : task->name;
    bool there = settings->head == HEAD_LM || state_find_head(plain->parent, name) >= 0;
    int classes = settings->head == HEAD_SHARED ? CLASSES_MAX : task->classes;
    struct state *headed =
        there ? state_copy(plain->parent, false)
              : state_with_head(plain->parent, name, classes, plain->cell.seed,
                                settings->head == HEAD_SHARED ? 0 : place, settings->model.initial_deviation);
    struct state *start = state_copy(headed, true);
    state_destroy(&headed);
    start->step = 0;
    return start;
}

static bool stop_at(void *step, int64_t now) { return now == *(int64_t *)step; }

struct state *plain_learn(const struct plain *plain, int at, int place, const struct finetune_recipe *recipe,
                          int64_t step)
{
    struct state *state = start_of(plain, at, place);
    uint16_t words[CLASSES_MAX];
    struct error err = {0};
    struct finetuning finetuning = {.recipe = *recipe,
                                    .task = plain->cell.sequence->task[at],
                                    .place = place,
                                    .seed = plain->cell.seed,
                                    .items = (int)plain->cell.settings.train_items,
                                    .readout = readout_at(plain, state, at, words)};
    if (train_finetune(plain->trainer, plain->run->world, &finetuning, stop_at, &step, state, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(state->step, step);
    return state;
}

/* Windows of the stream, and their targets by the rule of the objective. */
static struct batch batch_from(const struct plain *plain, const struct reading *reading, uint64_t first, int *start,
                               uint16_t *token, int32_t *target)
{
    const struct world_facts *facts = world_facts(plain->run->world);
    const int context = plain->cell.shape.context, batch = (int)plain->cell.settings.pretrain.batch;
    uint16_t window[129];
    assert_true(context < 129);
    start[0] = 0;
    for (int b = 0; b < batch; b++) {
        uint16_t *here = token + b * context;
        world_read(plain->run->world, reading, first + (uint64_t)b, window);
        for (int t = 0; t < context; t++) here[t] = window[t], target[b * context + t] = window[t + 1];
        start[b + 1] = (b + 1) * context;
        if (plain->cell.shape.objective == OBJECTIVE_CAUSAL) continue;
        struct random_cursor cursor = random_at(random_stream("mask", reading->seed, NULL), first + (uint64_t)b);
        mask_window(&cursor, context, facts->mask, facts->vocabulary, here, target + b * context);
    }
    return (struct batch){batch, start[batch], start, token, target};
}

struct state *plain_read_on(const struct plain *plain, int64_t steps)
{
    const struct settings *settings = &plain->cell.settings;
    const struct world_facts *facts = world_facts(plain->run->world);
    struct reading reading = {
        .domains = plain->cell.variety, .seed = plain->cell.seed, .context = plain->cell.shape.context};
    struct pretraining pretraining = {.optimizer = settings->pretrain.optimizer,
                                      .batch = (int)settings->pretrain.batch};
    const uint64_t batch = (uint64_t)settings->pretrain.batch;
    uint64_t before = (uint64_t)(plain->cell.steps.trunk + plain->cell.steps.cooldown) * batch;
    int start[64];
    uint16_t token[64 * 128];
    int32_t target[64 * 128];
    struct error err = {0};
    struct state *state = state_copy(plain->parent, true);
    reading_domains(&plain->run->sweep->world, facts, plain->cell.seed, plain->cell.variety, reading.domain);
    reading.unique_samples = (uint64_t)(settings->pretrain.unique / plain->cell.shape.context);
    pretraining.optimizer.learning_rate = settings->recovery.learning_rate;
    pretraining.steps.warmup = (int64_t)(settings->recovery.warmup * (double)settings->recovery.steps + 0.5);
    pretraining.steps.trunk = settings->recovery.steps;
    state->step = 0;
    for (int64_t step = 0; step < steps; step++) {
        struct batch read = batch_from(plain, &reading, before + (uint64_t)step * batch, start, token, target);
        if (train_pretrain_batch(plain->trainer, &pretraining, &read, steps, state, &err) != 0)
            fail_msg("%s", err.text);
    }
    return state;
}

struct score plain_score(const struct plain *plain, const struct state *state, int at)
{
    uint16_t words[CLASSES_MAX];
    struct readout readout = readout_at(plain, state, at, words);
    return measure_task(plain->meter, plain->run->world, state, plain->cell.sequence->task[at], &readout,
                        (int)plain->cell.settings.evaluate.items);
}

double plain_language(const struct plain *plain, const struct state *state)
{
    const struct world_facts *facts = world_facts(plain->run->world);
    int domains = facts->domains + facts->task_domains;
    double sum = 0;
    for (int d = 0; d < domains; d++)
        sum += measure_lm_loss(plain->meter, plain->run->world, state, d, plain->cell.settings.evaluate.tokens);
    return sum / domains;
}
