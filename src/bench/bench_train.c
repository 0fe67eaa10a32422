/* Training measured: steps of the real trainer on random tokens, in turns with the limit of the core, so that both see
 * the same machine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "palimpsest/bench.h"
#include "palimpsest/train.h"

/* Layers, width, heads, context, vocabulary, batch: models of the sizes that sweeps on CPUs consist of. */
#define SHAPE(l, d, h, t, v, b)                                                                                        \
    {                                                                                                                  \
        {.layers = l, .width = d, .heads = h, .context = t, .vocabulary = v, .feed_forward = 4}, b, b, { 0 }           \
    }
const struct bench_shape bench_shapes[BENCH_SHAPES] = {
    SHAPE(2, 32, 2, 64, 256, 16),   SHAPE(2, 64, 2, 64, 256, 16),   SHAPE(4, 64, 4, 64, 256, 16),
    SHAPE(4, 128, 4, 128, 256, 16), SHAPE(6, 256, 8, 128, 256, 16), SHAPE(8, 512, 8, 256, 256, 8),
};

/* What takes turns: the kind that is furthest behind its share of the time is next. */
enum kind { STEP, PROFILED, SMALL, FORWARD, FINETUNE, LIMIT, KINDS };
static const struct {
    double share;
    int least; /* how often at least */
} turns[KINDS] = {
    [STEP] = {0.5, 3},    [PROFILED] = {0.1, 1},  [SMALL] = {0.1, 3},
    [FORWARD] = {0.1, 3}, [FINETUNE] = {0.15, 3}, [LIMIT] = {0.05, 1},
};
static const double LIMIT_SECONDS = 2e-3;
enum { POOL = 1 << 16, SMALLER = 8, CLASSES = 2 }; /* tokens to read from; how much smaller the small batch is */
static const struct readout readout = {.kind = HEAD_PER_TASK, .pool = POOL_LAST, .head = 0, .classes = CLASSES};

struct bench { /* a training on random tokens */
    const struct bench_shape *shape;
    struct trainer *trainer;
    struct model *forward;
    struct state *state;
    struct pretraining pretraining;
    struct random_cursor random;
    uint16_t *pool; /* [POOL] */
    int *start;
    uint16_t *token;
    int32_t *target;
    int *text_start; /* [texts + 1], in token as well */
    int *label;      /* [texts] */
    struct measured {
        double *seconds; /* [count] */
        size_t capacity;
        int count;
        double sum;
    } measured[KINDS];
    struct profile profile; /* of all profiled steps */
    double limit;
};

static int small_batch(const struct bench_shape *shape) { return shape->batch < SMALLER ? 1 : shape->batch / SMALLER; }

static int most_sequences(const struct bench_shape *shape)
{
    return shape->batch > shape->texts ? shape->batch : shape->texts;
}

static int most_tokens(const struct bench_shape *shape) { return most_sequences(shape) * shape->shape.context; }

int bench_train_check(const struct bench_shape *shape, struct error *err)
{
    const struct model_shape *model = &shape->shape;
    if (model->width % model->heads != 0)
        return error_set(err, ERROR_INPUT, "a width of %d cannot be shared among %d heads; make it a multiple",
                         model->width, model->heads);
    int tokens = most_tokens(shape), sequences = most_sequences(shape);
    double bytes = 3 * (double)shape_state_bytes(model, 0, 0) +
                   (double)shape_work_bytes(model, tokens, sequences, true) +
                   (double)shape_work_bytes(model, tokens, sequences, false);
    double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (machine <= 0 || bytes <= machine) return 0;
    return error_set(err, ERROR_INPUT,
                     "%d layers of width %d in batches of %d x %d tokens need %.3g GiB, and this machine has %.3g GiB; "
                     "make the model or the batch smaller",
                     model->layers, model->width, sequences, model->context, bytes / 0x1p30, machine / 0x1p30);
}

/* Tokens of text `number` of all, the texts in order of their length. */
static int text_length(const struct bench_shape *shape, int number)
{
    const int context = shape->shape.context, quantile = (2 * number + 1) * BENCH_LENGTHS / (2 * shape->texts);
    int length = shape->length[quantile];
    if (length == 0) length = (int)(context * (1 + 2 * (quantile + 0.5) / BENCH_LENGTHS) / 6);
    if (length > context) return context;
    return length < 1 ? 1 : length;
}

/* Texts of different lengths follow each other in no order, as items of a task do. */
static void init_texts(struct bench *bench)
{
    const int texts = bench->shape->texts;
    uint32_t *order = memory_array((size_t)texts, sizeof *order);
    bench->text_start = memory_array((size_t)texts + 1, sizeof *bench->text_start);
    bench->label = memory_array((size_t)texts, sizeof *bench->label);
    random_permutation(&bench->random, (uint32_t)texts, order);
    for (int s = 0; s < texts; s++) {
        bench->text_start[s + 1] = bench->text_start[s] + text_length(bench->shape, (int)order[s]);
        bench->label[s] = s % CLASSES;
    }
    memory_free(order);
}

static void bench_init(struct bench *bench, const struct bench_shape *shape)
{
    const struct model_shape *model = &shape->shape;
    const struct head_shape head = {.task = "bench", .classes = CLASSES};
    const int tokens = most_tokens(shape), sequences = most_sequences(shape);
    *bench = (struct bench){.shape = shape};
    bench->trainer = trainer_create(model, tokens, sequences);
    bench->forward = model_create(model, tokens, sequences, false);
    bench->state = state_create(model, &head, 1, true);
    state_initialise(bench->state, 1, 0.02);
    bench->pretraining = (struct pretraining){
        .optimizer = {.learning_rate = 1e-3,
                      .beta1 = 0.9,
                      .beta2 = 0.95,
                      .epsilon = 1e-8,
                      .weight_decay = 0.1,
                      .clip = 1,
                      .bias_correction = 1},
    };
    bench->random = random_at(random_stream("bench train", 1, NULL), 0);
    bench->pool = memory_array(POOL, sizeof *bench->pool);
    for (int i = 0; i < POOL; i++) bench->pool[i] = (uint16_t)random_below(&bench->random, (uint32_t)model->vocabulary);
    bench->start = memory_array((size_t)shape->batch + 1, sizeof *bench->start);
    bench->token = memory_array((size_t)tokens, sizeof *bench->token);
    bench->target = memory_array((size_t)tokens, sizeof *bench->target);
    init_texts(bench);
}

static void bench_reset(struct bench *bench)
{
    trainer_destroy(&bench->trainer);
    model_destroy(&bench->forward);
    state_destroy(&bench->state);
    memory_free(bench->pool);
    memory_free(bench->start);
    memory_free(bench->token);
    memory_free(bench->target);
    memory_free(bench->text_start);
    memory_free(bench->label);
    for (int k = 0; k < KINDS; k++) memory_free(bench->measured[k].seconds);
}

/* Windows anywhere in the pool, as a text is read. */
static struct batch read_batch(struct bench *bench, int sequences)
{
    const int context = bench->shape->shape.context;
    profile_part(PROFILE_DATA);
    bench->start[0] = 0;
    for (int b = 0; b < sequences; b++) {
        const uint16_t *window = bench->pool + random_below(&bench->random, (uint32_t)(POOL - context));
        memcpy(bench->token + b * context, window, (size_t)context * sizeof *window);
        if (bench->shape->shape.objective == OBJECTIVE_MASKED)
            mask_window(&bench->random, context, 0, bench->shape->shape.vocabulary, bench->token + b * context,
                        bench->target + b * context);
        else
            for (int t = 0; t < context; t++) bench->target[b * context + t] = window[t + 1];
        bench->start[b + 1] = (b + 1) * context;
    }
    return (struct batch){.sequences = sequences,
                          .tokens = bench->start[sequences],
                          .start = bench->start,
                          .token = bench->token,
                          .target = bench->target};
}

static int take_step(struct bench *bench, int sequences, struct error *err)
{
    struct batch batch = read_batch(bench, sequences);
    bench->pretraining.batch = sequences;
    return train_pretrain_batch(bench->trainer, &bench->pretraining, &batch, INT64_MAX, bench->state, err);
}

static struct batch read_texts(struct bench *bench)
{
    const int texts = bench->shape->texts, tokens = bench->text_start[texts];
    profile_part(PROFILE_DATA);
    for (int t = 0; t < tokens; t++) bench->token[t] = bench->pool[random_below(&bench->random, POOL)];
    return (struct batch){.sequences = texts, .tokens = tokens, .start = bench->text_start, .token = bench->token};
}

static int take_finetune_step(struct bench *bench, struct error *err)
{
    struct finetune_recipe recipe = {
        .batch = bench->shape->texts, .steps = INT64_MAX, .optimizer = bench->pretraining.optimizer};
    struct batch batch = read_texts(bench);
    return train_finetune_batch(bench->trainer, &recipe, &readout, &batch, bench->label, bench->state, err);
}

static int take_profiled_step(struct bench *bench, struct error *err)
{
    struct profile profile;
    profile_start();
    int status = take_step(bench, bench->shape->batch, err);
    profile_stop(&profile);
    for (int p = 0; p < PROFILE_PART_COUNT; p++) bench->profile.seconds[p] += profile.seconds[p];
    bench->profile.changes += profile.changes;
    return status;
}

static int take_turn(struct bench *bench, enum kind kind, struct error *err)
{
    switch (kind) {
    case STEP: return take_step(bench, bench->shape->batch, err);
    case PROFILED: return take_profiled_step(bench, err);
    case SMALL: return take_step(bench, small_batch(bench->shape), err);
    case FORWARD: {
        struct batch batch = read_batch(bench, bench->shape->batch);
        (void)model_lm(bench->forward, bench->state, &batch, NULL, 0);
        return 0;
    }
    case FINETUNE: return take_finetune_step(bench, err);
    case LIMIT: bench->limit = fmax(bench->limit, bench_core_limit(LIMIT_SECONDS)); return 0;
    case KINDS: break;
    }
    CHECK(false, "kind %d", (int)kind);
}

static bool is_due(const struct bench *bench, enum kind kind)
{
    return bench->measured[kind].count < turns[kind].least;
}

/* While there is time, what is furthest behind its share; then what has not been measured often enough; or KINDS. */
static enum kind next_turn(const struct bench *bench, bool in_time)
{
    enum kind next = KINDS;
    for (enum kind k = 0; k < KINDS; k++) {
        if (!in_time && !is_due(bench, k)) continue;
        double behind = bench->measured[k].sum / turns[k].share;
        if (next == KINDS || behind < bench->measured[next].sum / turns[next].share) next = k;
    }
    return next;
}

static int take_turns(struct bench *bench, double seconds, struct error *err)
{
    const double stop = clock_seconds() + seconds;
    enum kind kind;
    TRY(take_turn(bench, STEP, err)); /* to touch all memory; not counted */
    TRY(take_turn(bench, FORWARD, err));
    while ((kind = next_turn(bench, clock_seconds() < stop)) != KINDS) {
        struct measured *measured = &bench->measured[kind];
        double before = clock_seconds();
        TRY(take_turn(bench, kind, err));
        double passed = clock_seconds() - before;
        measured->seconds =
            memory_grow(measured->seconds, &measured->capacity, (size_t)measured->count + 1, sizeof *measured->seconds);
        measured->seconds[measured->count++] = passed;
        measured->sum += passed;
    }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct step_speed speed_of(struct measured *measured, int batch, double tokens, double flops)
{
    const int count = measured->count;
    double *seconds = measured->seconds;
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    return (struct step_speed){
        .batch = batch,
        .count = count,
        .tokens = tokens,
        .flops = flops,
        .seconds = count % 2 ? seconds[count / 2] : (seconds[count / 2 - 1] + seconds[count / 2]) / 2,
        .least = seconds[0],
        .most = seconds[count - 1],
    };
}

static void evaluate(struct bench *bench, struct training_speed *speed)
{
    const struct bench_shape *shape = bench->shape;
    struct measured *measured = bench->measured;
    const double context = shape->shape.context, all = shape->batch * context, few = small_batch(shape) * context,
                 read = bench->text_start[shape->texts], profiled = measured[PROFILED].sum,
                 of_all = shape_training_flops(&shape->shape, all, context, true),
                 of_few = shape_training_flops(&shape->shape, few, context, true),
                 of_read = shape_training_flops(&shape->shape, read, read / shape->texts, false);
    *speed = (struct training_speed){
        .step = speed_of(&measured[STEP], shape->batch, all, of_all),
        .small = speed_of(&measured[SMALL], small_batch(shape), few, of_few),
        .forward = speed_of(&measured[FORWARD], shape->batch, all, of_all / 3),
        .finetune = speed_of(&measured[FINETUNE], shape->texts, read, of_read),
        .clock = (double)bench->profile.changes * profile_change_seconds() / profiled,
        .limit = bench->limit,
    };
    for (int p = 0; p < PROFILE_PART_COUNT; p++) speed->part[p] = bench->profile.seconds[p] / profiled;
}

int bench_train(const struct bench_shape *shape, double seconds, struct training_speed *speed, struct error *err)
{
    struct bench bench;
    TRY(bench_train_check(shape, err));
    bench_init(&bench, shape);
    int status = take_turns(&bench, seconds, err);
    if (status == 0) evaluate(&bench, speed);
    bench_reset(&bench);
    return status;
}
