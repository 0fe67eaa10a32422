/* Stages that do nothing, or sleep: what is left of a run is scheduling, messages and the results file. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "palimpsest/bench.h"

static const double STEP_SECONDS = 5e-3;

/* Labels 1e-8, 2e-8, ...: of a setting that changes neither what a stage costs nor its class; memory_free. */
static char *labels(int count)
{
    enum { LABEL = 16 };
    size_t size = (size_t)count * LABEL + 1, used = 0;
    char *list = memory_allocate(size);
    for (int i = 1; i <= count; i++)
        used += (size_t)snprintf(list + used, size - used, "%s%de-8", i > 1 ? ", " : "", i);
    return list;
}

/* As square as it gets, so that neither axis has many labels.  All stages of the grid are predicted to take as long. */
char *bench_schedule_sweep(int stages)
{
    CHECK(stages > 0, "%d stages", stages);
    int rates = (int)ceil(sqrt(stages)), decays = (stages + rates - 1) / rates;
    char *rate = labels(rates), *decay = labels(decays);
    char *yaml = memory_format("name: " BENCH_SCHEDULE_NAME "\n"
                               "world: {kind: grammar, domains: 1, task_domains: 1}\n"
                               "tasks: [tense, topic]\n"
                               "model: {layers: 1, width: 8, heads: 1, context: 32}\n"
                               "finetune: {second: {steps: 1}}\n"
                               "axes:\n"
                               "  tokens: [0]\n"
                               "  variety: [1]\n"
                               "  pair: [[tense, topic]]\n"
                               "  seed: 1\n"
                               "  finetune.second.learning_rate: [%s]\n"
                               "  finetune.second.weight_decay: [%s]\n",
                               rate, decay);
    memory_free(rate);
    memory_free(decay);
    return yaml;
}

static void sleep_seconds(double seconds)
{
    nanosleep(&(struct timespec){(time_t)seconds, (long)(1e9 * (seconds - floor(seconds)))}, NULL);
}

/* The step reached: the stage's last, or the one at which it is given back. */
static int64_t sleep_through(double seconds, int64_t first, int64_t stop, train_pause_f *pause, void *pause_context,
                             bool *paused)
{
    double end = clock_seconds() + seconds;
    for (double left; (left = end - clock_seconds()) > 0;) {
        if ((*paused = pause(pause_context, first))) return first;
        sleep_seconds(fmin(left, STEP_SECONDS));
    }
    return stop;
}

int bench_stage_run(void *context, const struct assignment *assignment, const struct stage_inputs *inputs,
                    train_pause_f *pause, void *pause_context, struct stage_result *result, struct error *err)
{
    static const struct model_shape smallest = {
        .layers = 1, .width = 4, .heads = 1, .context = 4, .vocabulary = 4, .feed_forward = 1};
    const struct bench_stage *stage = context;
    int length =
        record_offset(assignment->groups, stage->instruments, &assignment->extents, assignment->place, FIELD_COUNT);
    struct state *state = inputs->begun;
    (void)err;
    *result = (struct stage_result){.record_length = length};
    int64_t first = state ? state->step : assignment->start_step;
    int64_t step = sleep_through(stage->seconds, first, assignment->stop_step, pause, pause_context, &result->paused);
    if (!state && (assignment->checkpoint || result->paused)) state = state_create(&smallest, NULL, 0, result->paused);
    if (state) state->step = step;
    result->state = state;
    result->steps = step - first;
    if (!result->paused) result->record = memory_array((size_t)length, sizeof *result->record);
    return 0;
}
