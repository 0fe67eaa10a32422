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

bool stage_can_continue(const struct assignment *assignment, const struct state *begun)
{
    if (assignment->looks.tasks == 0 && !assignment->looks.language) return true;
    return hash_equal(begun->trace.looks.of, assignment->looks.id);
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
        CHECK(step == first_step || stage_can_continue(job->assignment, job->begun), "a state looked at otherwise");
    }
    job->state->history = start->history;
    job->begun = NULL;
}

static bool is_trained(const struct job *job) { return job->state->step == job->milestone->stop_step; }

struct pretraining job_pretraining(const struct job *job)
{
    return (struct pretraining){
        .optimizer = job->cell.settings.pretrain.optimizer,
        .steps = job->cell.steps,
        .reading = job->reading,
        .batch = (int)job->cell.settings.pretrain.batch,
        .mask_token = job->workshop->facts->mask,
        .vocabulary = job->workshop->facts->vocabulary,
    };
}

int job_pretrain(struct job *job, const struct state *start, const struct pretraining *pretraining,
                 train_pause_f *pause, void *context, struct error *err)
{
    struct looking looking = {job, pause, context};
    take_state(job, start, job->assignment->start_step);
    if (is_trained(job)) return 0;
    struct trainer *trainer = workshop_trainer(job->workshop, &job->cell);
    double before = trainer_data_seconds(trainer);
    int status = train_pretrain(trainer, job->workshop->world, pretraining, job->milestone->stop_step, looks_or_pauses,
                                &looking, job->state, err);
    job->data_seconds = trainer_data_seconds(trainer) - before;
    return status;
}

static int make_pretrained(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    struct pretraining pretraining = job_pretraining(job);
    pretraining.cooling = job->milestone->kind == STAGE_COOLDOWN;
    CHECK(job->parent->step == job->assignment->start_step, "parent at step %lld, not %lld",
          (long long)job->parent->step, (long long)job->assignment->start_step);
    int status = job_pretrain(job, job->parent, &pretraining, pause, context, err);
    job->state->history.lm_losses = 1; /* what was measured of a shorter amount is not of this one */
    return status;
}

/* The name of the head that a part learns with; NULL: the label words of the language model have none. */
static const char *head_of(const struct job *job, const struct learning *learning)
{
    if (job->cell.settings.head == HEAD_LM) return NULL;
    if (job->cell.settings.head == HEAD_SHARED) return "shared";
    return learning->head ? learning->head : job->workshop->facts->task[job->cell.sequence->task[learning->at]].name;
}

/* The state with a head for the part, where it is not there yet; the state itself is given up. */
static struct state *add_head(const struct job *job, const struct learning *learning, struct state *state)
{
    const struct settings *settings = &job->cell.settings;
    const char *name = head_of(job, learning);
    bool shared = settings->head == HEAD_SHARED;
    int classes = job->workshop->facts->task[job->cell.sequence->task[learning->at]].classes;
    if (!name || state_find_head(state, name) >= 0) return state;
    struct state *more = state_with_head(state, name, shared ? CLASSES_MAX : classes, job->cell.seed,
                                         shared ? 0 : learning->place, settings->model.initial_deviation);
    state_destroy(&state);
    return more;
}

void job_begin(struct job *job, const struct learning *learning, int parts)
{
    struct state *start = state_copy(job->parent, false);
    for (int p = 0; p < parts; p++) start = add_head(job, &learning[p], start);
    start->step = 0;
    take_state(job, start, 0);
    state_destroy(&start);
}

int job_train(struct job *job, const struct learning *learning, int parts, train_pause_f *pause, void *context,
              struct error *err)
{
    struct looking looking = {job, pause, context};
    uint16_t label_token[PLACES_MAX][CLASSES_MAX];
    struct finetuning part[PLACES_MAX];
    if (is_trained(job)) return 0;
    for (int p = 0; p < parts; p++)
        part[p] = (struct finetuning){
            .recipe = learning[p].recipe,
            .task = job->cell.sequence->task[learning[p].at],
            .place = learning[p].place,
            .seed = job->cell.seed,
            .items = (int)job->cell.settings.train_items,
            .readout = readout_by(job, learning[p].at, learning[p].head, label_token[p]),
            .split = learning[p].split,
            .labels = learning[p].labels,
            .chapter = learning[p].chapter,
        };
    struct trainer *trainer = workshop_trainer(job->workshop, &job->cell);
    double before = trainer_data_seconds(trainer);
    int status = train_together(trainer, job->workshop->world, part, parts, looks_or_pauses, &looking, job->state, err);
    job->data_seconds += trainer_data_seconds(trainer) - before;
    return status;
}

int job_learn(struct job *job, const struct learning *learning, train_pause_f *pause, void *context, struct error *err)
{
    job_begin(job, learning, 1);
    return job_train(job, learning, 1, pause, context, err);
}

static int make_finetuned(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    const struct settings *settings = &job->cell.settings;
    int place = job->milestone->place;
    struct learning learning = {.at = place, .place = place, .recipe = place == 0 ? settings->first : settings->second};
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
    result->measuring_seconds = job->looking_seconds;
    result->training_seconds = clock_seconds() - started - job->looking_seconds;
    result->data_seconds = job->data_seconds;
    result->steps = job->state->step - before;
    if (status != 0) return -1;
    result->paused = pauses(job, pause, context);
    if (result->paused) return 0;
    TRY(check_weights(job->state, err));
    if (job->milestone->kind != STAGE_TRUNK) drop_moments(job->state);
    job_measure(job, result->record);
    result->measuring_seconds = clock_seconds() - started - result->training_seconds; /* looks on the way counted */
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
