/* Training measured: steps of the real trainer on random tokens, in turns with the limit of the core, so that both see
 * the same machine. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "palimpsest/bench.h"
#include "palimpsest/train.h"

/* Layers, width, heads, context, vocabulary of models that sweeps on CPUs consist of. */
#define SHAPE(l, d, h, t, b, v)                                                                                        \
    {                                                                                                                  \
        {.layers = l, .width = d, .heads = h, .context = t, .vocabulary = v, .feed_forward = 4}, b                     \
    }
const struct bench_shape bench_shapes[BENCH_SHAPES] = {
    SHAPE(2, 32, 2, 64, 16, 256),   SHAPE(2, 64, 2, 64, 16, 256),   SHAPE(4, 64, 4, 64, 16, 256),
    SHAPE(4, 128, 4, 128, 16, 256), SHAPE(6, 256, 8, 128, 16, 256), SHAPE(8, 512, 8, 256, 8, 256),
};

enum { WARM_STEPS = 1, LEAST_STEPS = 3, MOST_STEPS = 100000 };
static const double ROUND = 0.2, LIMIT = 0.02; /* seconds of steps, and of the core's limit, taken in turns */

struct bench { /* a training on random tokens */
    const struct bench_shape *shape;
    struct trainer *trainer;
    struct state *state;
    struct pretraining pretraining;
    struct random_cursor random;
    struct batch batch;
    int *start;
    uint16_t *token;
    int32_t *target;
    double *seconds; /* [steps]: of each step, in the order they ran, then sorted */
    int steps;
};

static int check_shape(const struct bench_shape *shape, struct error *err)
{
    const struct model_shape *model = &shape->shape;
    if (model->width % model->heads != 0)
        return error_set(err, ERROR_INPUT, "a width of %d cannot be shared among %d heads; make it a multiple",
                         model->width, model->heads);
    int tokens = shape->batch * model->context;
    double bytes =
        3 * (double)shape_state_bytes(model, 0, 0) + (double)shape_work_bytes(model, tokens, shape->batch, true);
    double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (machine <= 0 || bytes <= machine) return 0;
    return error_set(err, ERROR_INPUT,
                     "%d layers of width %d in batches of %d x %d tokens need %.3g GiB, and this machine has %.3g GiB; "
                     "make the model or the batch smaller",
                     model->layers, model->width, shape->batch, model->context, bytes / 0x1p30, machine / 0x1p30);
}

static void bench_init(struct bench *bench, const struct bench_shape *shape)
{
    const struct model_shape *model = &shape->shape;
    const int tokens = shape->batch * model->context;
    *bench = (struct bench){.shape = shape};
    bench->trainer = trainer_create(model, tokens, shape->batch);
    bench->state = state_create(model, NULL, 0, true);
    state_initialise(bench->state, 1, 0.02);
    bench->pretraining = (struct pretraining){
        .optimizer = {.learning_rate = 1e-3,
                      .beta1 = 0.9,
                      .beta2 = 0.95,
                      .epsilon = 1e-8,
                      .weight_decay = 0.1,
                      .clip = 1,
                      .bias_correction = 1},
        .batch = shape->batch,
    };
    bench->random = random_at(random_stream("bench train", 1, NULL), 0);
    bench->start = memory_array((size_t)shape->batch + 1, sizeof *bench->start);
    bench->token = memory_array((size_t)tokens, sizeof *bench->token);
    bench->target = memory_array((size_t)tokens, sizeof *bench->target);
    bench->seconds = memory_array(MOST_STEPS, sizeof *bench->seconds);
    for (int b = 0; b <= shape->batch; b++) bench->start[b] = b * model->context;
    bench->batch = (struct batch){.sequences = shape->batch,
                                  .tokens = tokens,
                                  .start = bench->start,
                                  .token = bench->token,
                                  .target = bench->target};
}

static void bench_reset(struct bench *bench)
{
    trainer_destroy(&bench->trainer);
    state_destroy(&bench->state);
    memory_free(bench->start);
    memory_free(bench->token);
    memory_free(bench->target);
    memory_free(bench->seconds);
}

static void draw_batch(struct bench *bench)
{
    const uint32_t vocabulary = (uint32_t)bench->shape->shape.vocabulary;
    for (int i = 0; i < bench->batch.tokens; i++) {
        bench->token[i] = (uint16_t)random_below(&bench->random, vocabulary);
        bench->target[i] = (int32_t)random_below(&bench->random, vocabulary);
    }
}

/* The batch is drawn outside the clock: where texts come from is no matter of the trainer. */
static int take_step(struct bench *bench, double *seconds, struct error *err)
{
    draw_batch(bench);
    double before = clock_seconds();
    TRY(train_pretrain_batch(bench->trainer, &bench->pretraining, &bench->batch, INT64_MAX, bench->state, err));
    *seconds = clock_seconds() - before;
    return 0;
}

static int take_round(struct bench *bench, double seconds, struct error *err)
{
    double stop = clock_seconds() + seconds;
    do {
        TRY(take_step(bench, &bench->seconds[bench->steps], err));
        bench->steps++;
    } while (clock_seconds() < stop && bench->steps < MOST_STEPS);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *sorted, int count)
{
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static int measure(struct bench *bench, double seconds, struct training_speed *speed, struct error *err)
{
    double stop = clock_seconds() + seconds, warm, limit = 0;
    for (int step = 0; step < WARM_STEPS; step++) TRY(take_step(bench, &warm, err));
    do {
        limit = fmax(limit, bench_core_limit(LIMIT));
        TRY(take_round(bench, fmin(ROUND, seconds / LEAST_STEPS), err));
    } while ((clock_seconds() < stop || bench->steps < LEAST_STEPS) && bench->steps < MOST_STEPS);
    qsort(bench->seconds, (size_t)bench->steps, sizeof *bench->seconds, by_value);
    *speed = (struct training_speed){
        .steps = bench->steps,
        .tokens = bench->batch.tokens,
        .flops = shape_training_flops(&bench->shape->shape, bench->batch.tokens, bench->shape->shape.context, true),
        .seconds = median(bench->seconds, bench->steps),
        .limit = fmax(limit, bench_core_limit(LIMIT)),
        .least = bench->seconds[0],
        .most = bench->seconds[bench->steps - 1],
    };
    return 0;
}

int bench_train(const struct bench_shape *shape, double seconds, struct training_speed *speed, struct error *err)
{
    struct bench bench;
    TRY(check_shape(shape, err));
    bench_init(&bench, shape);
    int status = measure(&bench, seconds, speed, err);
    bench_reset(&bench);
    return status;
}
