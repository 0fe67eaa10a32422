/* One stage carried out: make the state, then measure it.  Everything is resolved from the cell; the assignment says
 * where on its path the stage is, and the id it must have. */
#include <math.h>

#include "stage_private.h"

static void resolve_job(struct job *job)
{
    struct workshop *workshop = job->workshop;
    cell_resolve(workshop->sweep, workshop->facts, job->assignment->cell, &job->cell);
    path_resolve(&job->cell, workshop->sweep, workshop->facts, &workshop->numerics, &job->path);
    CHECK(job->assignment->milestone < job->path.length, "milestone %d of %d", job->assignment->milestone,
          job->path.length);
    job->milestone = &job->path.stage[job->assignment->milestone];
    CHECK(hash_equal(job->milestone->state, job->assignment->state),
          "rank 0 and this rank resolve cell %lld differently", (long long)job->assignment->cell);
    job->reading = reading_of(workshop, &job->cell);
}

static int make_initial(struct job *job)
{
    job->state = state_create(&job->cell.shape, NULL, 0, false);
    state_initialise(job->state, job->cell.seed, job->cell.settings.model.initial_deviation);
    return 0;
}

/* The state that training goes on from: that of an earlier attempt, or a copy of `start`.  Scores of earlier stages are
 * those of the parent in either case. */
static void take_state(struct job *job, const struct state *start, int64_t first_step)
{
    job->state = job->begun ? job->begun : state_copy(start, true);
    if (job->begun) {
        int64_t step = job->begun->step, stop = job->milestone->stop_step;
        CHECK(step >= first_step && step <= stop && (step == stop || job->begun->moments),
              "a state at step %lld of %lld to %lld, %s moments", (long long)step, (long long)first_step,
              (long long)stop, job->begun->moments ? "with" : "without");
    }
    job->state->history = start->history;
    job->begun = NULL;
}

static bool is_trained(const struct job *job) { return job->state->step == job->milestone->stop_step; }

static int make_pretrained(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    struct pretraining pretraining = {
        .optimizer = job->cell.settings.pretrain.optimizer,
        .steps = job->cell.steps,
        .reading = job->reading,
        .batch = (int)job->cell.settings.pretrain.batch,
        .mask_token = job->workshop->facts->mask,
        .vocabulary = job->workshop->facts->vocabulary,
        .cooling = job->milestone->kind == STAGE_COOLDOWN,
    };
    CHECK(job->parent->step == job->assignment->start_step, "parent at step %lld, not %lld",
          (long long)job->parent->step, (long long)job->assignment->start_step);
    take_state(job, job->parent, job->assignment->start_step);
    job->state->history.lm_losses = 1; /* what was measured of a shorter amount is not of this one */
    if (is_trained(job)) return 0;
    struct trainer *trainer = workshop_trainer(job->workshop, &job->cell);
    double before = trainer_data_seconds(trainer);
    int status = train_pretrain(trainer, job->workshop->world, &pretraining, job->milestone->stop_step, pause, context,
                                job->state, err);
    job->data_seconds = trainer_data_seconds(trainer) - before;
    return status;
}

/* The state that a place starts from: the parent's weights, with a head for the task where it needs a new one. */
static struct state *starting_state(const struct job *job, const struct learning *learning)
{
    const struct settings *settings = &job->cell.settings;
    const struct task_facts *task = &job->workshop->facts->task[job->cell.sequence->task[learning->at]];
    double deviation = settings->model.initial_deviation;
    if (settings->head == HEAD_PER_TASK)
        return state_with_head(job->parent, task->name, task->classes, job->cell.seed, learning->place, deviation);
    if (settings->head == HEAD_SHARED && state_find_head(job->parent, "shared") < 0)
        return state_with_head(job->parent, "shared", CLASSES_MAX, job->cell.seed, 0, deviation);
    return state_copy(job->parent, false);
}

int job_learn(struct job *job, const struct learning *learning, train_pause_f *pause, void *context, struct error *err)
{
    const struct settings *settings = &job->cell.settings;
    uint16_t label_token[CLASSES_MAX];
    struct state *start = starting_state(job, learning);
    start->step = 0;
    take_state(job, start, 0);
    state_destroy(&start);
    if (is_trained(job)) return 0;
    struct finetuning finetuning = {
        .recipe = learning->recipe,
        .task = job->cell.sequence->task[learning->at],
        .place = learning->place,
        .seed = job->cell.seed,
        .items = (int)settings->train_items,
        .readout = readout_of(job, learning->at, label_token),
    };
    struct trainer *trainer = workshop_trainer(job->workshop, &job->cell);
    double before = trainer_data_seconds(trainer);
    int status = train_finetune(trainer, job->workshop->world, &finetuning, pause, context, job->state, err);
    job->data_seconds = trainer_data_seconds(trainer) - before;
    return status;
}

static int make_finetuned(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    const struct settings *settings = &job->cell.settings;
    int place = job->milestone->place;
    struct learning learning = {place, place, place == 0 ? settings->first : settings->second};
    return job_learn(job, &learning, pause, context, err);
}

static int make_state(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    switch (job->milestone->kind) {
    case STAGE_INITIAL: return make_initial(job);
    case STAGE_TRUNK:
    case STAGE_COOLDOWN: return make_pretrained(job, pause, context, err);
    case STAGE_FINETUNE: return make_finetuned(job, pause, context, err);
    case STAGE_BRANCH: return job_make_branch(job, pause, context, err);
    case STAGE_KINDS: break;
    }
    return 0;
}

/* Only a trunk goes on from its optimiser; every other child starts with zero moments. */
static void drop_moments(struct state *state)
{
    memory_free(state->moments);
    state->moments = NULL;
}

static void fail_record(struct stage_result *result)
{
    for (int i = 0; i < result->record_length; i++) result->record[i] = NAN;
}

/* Before the first step here. */
static int64_t step_before(const struct job *job)
{
    return job->begun ? job->begun->step : job->assignment->start_step;
}

/* Training sees a loss or a gradient that is not finite; what its last step made of the weights nobody has looked at.
 */
static int check_weights(const struct state *state, struct error *err)
{
    for (size_t i = 0; i < state->floats; i++)
        if (!isfinite(state->values[i]))
            return error_set(err, ERROR_STAGE, "weights became %s in the last step, number %lld",
                             isnan(state->values[i]) ? "NaN" : "infinite", (long long)state->step);
    return 0;
}

static bool pauses(const struct job *job, train_pause_f *pause, void *context)
{
    if (job->milestone->stop_step == job->assignment->start_step) return false; /* nothing is trained */
    return !is_trained(job) || (pause && pause(context, job->state->step));
}

static int carry_out(struct job *job, train_pause_f *pause, void *context, struct stage_result *result,
                     struct error *err)
{
    double started = clock_seconds();
    int64_t before = step_before(job);
    int status = make_state(job, pause, context, err);
    result->training_seconds = clock_seconds() - started;
    result->data_seconds = job->data_seconds;
    result->steps = job->state->step - before;
    if (status != 0) return -1;
    result->paused = pauses(job, pause, context);
    if (result->paused) return 0;
    TRY(check_weights(job->state, err));
    if (job->milestone->kind != STAGE_TRUNK) drop_moments(job->state);
    job_measure(job, result->record);
    result->measuring_seconds = clock_seconds() - started - result->training_seconds;
    return 0;
}

int stage_run(struct workshop *workshop, const struct assignment *assignment, const struct stage_inputs *inputs,
              train_pause_f *pause, void *context, struct stage_result *result, struct error *err)
{
    struct job job = {.workshop = workshop,
                      .assignment = assignment,
                      .parent = inputs->parent,
                      .needs = inputs->needs,
                      .begun = inputs->begun};
    *result = (struct stage_result){0};
    resolve_job(&job);
    CHECK((job.parent == NULL) == (job.milestone->kind == STAGE_INITIAL), "a stage of kind %s with%s a parent",
          stage_kind_name(job.milestone->kind), job.parent ? "" : "out");
    if (job.milestone->kind == STAGE_FINETUNE)
        job.pretrained = job.milestone->place == 0 ? job.parent : inputs->needs[0];
    result->record_length = record_offset(assignment->groups, workshop->sweep->instruments, &assignment->extents,
                                          assignment->place, FIELD_COUNT);
    result->record = memory_array((size_t)result->record_length, sizeof *result->record);
    fail_record(result);
    int status = carry_out(&job, pause, context, result, err);
    if (status != 0) {
        fail_record(result);
        state_destroy(&job.state);
    }
    state_destroy(&job.begun);
    result->state = job.state;
    return status;
}

void stage_result_reset(struct stage_result *result)
{
    state_destroy(&result->state);
    memory_free(result->record);
    *result = (struct stage_result){0};
}
