/* A stage between its first step and its last: begun by an earlier attempt, interrupted, saved on the way.
 *
 * A checkpoint every T seconds of work costs `cost` each and saves T / 2 of work at a failure on average; the sum is
 * least at T = sqrt(2 cost M), M the mean time between failures (Young 1974; Daly 2006, first order). */
#include <math.h>
#include <stdatomic.h>

#include "schedule_private.h"

static const double BETWEEN_FAILURES = 86400; /* of the job, seconds: once a day */
static const double LEAST = 30, MOST = 900;   /* seconds of work between checkpoints */
static const double LARGEST_SHARE = 0.01;     /* of the time, for checkpoints, whatever they cost */
static const double POLL_EVERY = 5e-3;        /* seconds; a look for messages takes about 15 us */
static const double NOTE_EVERY = 50e-3;       /* seconds between notes of the step; one takes about 30 us */
/* Seconds of its own, without those of notes, past the noted place of a death: then it is not the place. */
static const double CLEARED_AFTER = 0.5;

static double save_after(const struct worker *worker)
{
    double cost = worker->checkpoint_seconds;
    if (worker->checkpoint_every > 0) return worker->checkpoint_every;
    double best = fmin(fmax(sqrt(2 * cost * BETWEEN_FAILURES), LEAST), MOST);
    return fmax(best, cost / LARGEST_SHARE);
}

int midway_write(struct worker *worker, const struct checkpoint_name *name, const struct state *state,
                 struct error *err)
{
    double before = clock_seconds();
    TRY(checkpoint_write(worker->results_path, name, state, err));
    worker->checkpoint_seconds = clock_seconds() - before;
    worker->spent.saving += worker->checkpoint_seconds;
    return 0;
}

/* ---- how the attempt fares, for the next run if this one dies ---- */

/* Who carries out stages in this process, for the signal handler; NULL: nobody. */
static struct worker *volatile at_work;

static void forgive(const struct worker *worker, const struct noted *noted)
{
    struct stage_attempt attempt = noted->attempt;
    attempt.running = 0;
    if (noted->due) store_note_attempt(worker->store, noted->row, &attempt);
}

void schedule_forgive(void)
{
    const struct worker *worker = at_work;
    if (!worker) return;
    forgive(worker, &worker->noted_before);
    forgive(worker, &worker->noted);
}

/* Writes what is due, of the stage that has ended and of the one that runs: one write where their rows are side by
 * side. */
static int note(struct worker *worker, bool running, struct error *err)
{
    int row[2], count = 0;
    struct stage_attempt attempt[2];
    if (worker->noted_before.due) {
        row[count] = worker->noted_before.row;
        attempt[count++] = worker->noted_before.attempt;
    }
    if (running && worker->noted.due) {
        row[count] = worker->noted.row;
        attempt[count++] = worker->noted.attempt;
    }
    if (count == 0) return 0;
    double before = clock_seconds();
    int status = store_write_attempts(worker->store, row, attempt, count, err);
    worker->spent.rows += clock_seconds() - before;
    if (status == 0) worker->noted_before.due = false;
    return status;
}

int midway_settle(struct worker *worker, struct error *err)
{
    int status = note(worker, false, err);
    if (!worker->within) at_work = NULL;
    return status;
}

/* Alone it says every step, so that two deaths at one place are known to be at one place. */
static int note_step(struct worker *worker, int64_t step, double now, struct error *err)
{
    struct stage_attempt *attempt = &worker->noted.attempt, before = *attempt;
    if (!worker->noted.due || (attempt->running == 1 && now - worker->noted_at < NOTE_EVERY)) return 0;
    worker->noted_at = now;
    attempt->step = step;
    if (attempt->running == 2 && step > attempt->furthest) {
        double own = now - worker->paused;
        if (worker->passed == 0) worker->passed = own;
        if (own - worker->passed >= CLEARED_AFTER) {
            attempt->running = 1;
            attempt->deaths = 0;
            attempt->suspect = false;
        }
    }
    if (attempt->step == before.step && attempt->running == before.running) return 0;
    return note(worker, true, err);
}

/* ---- pauses ---- */

static bool fails(struct worker *worker, int status) { return worker->pausing |= status != 0; }

static bool pause_at(struct worker *worker, int64_t step, double now, bool polled)
{
    worker->step = step;
    if (worker->pausing) return true;
    if (fails(worker, note_step(worker, step, now, &worker->pause_error))) return true;
    if (!polled) return false;
    worker->last_poll = now;
    if (fails(worker, worker_sync_if_due(worker, &worker->pause_error))) return true;
    if (worker->poll && worker->poll(worker->poll_context)) worker->pausing = true;
    worker->saving = !worker->pausing && now >= worker->next_save && step > worker->saved_step;
    return worker->pausing || worker->saving;
}

/* How long the rest of the world is not looked at: also to whether it is time for a checkpoint. */
static double poll_every(const struct worker *worker)
{
    return worker->checkpoint_every > 0 ? fmin(POLL_EVERY, worker->checkpoint_every) : POLL_EVERY;
}

/* Called before every training step and after the last: looks at the clock each time, at the rest of the world now and
 * then. */
static bool pause_stage(void *context, int64_t step)
{
    struct worker *worker = context;
    double now = clock_seconds();
    double rows = worker->spent.rows;
    bool polled = now - worker->last_poll >= poll_every(worker), pauses = pause_at(worker, step, now, polled);
    if (!polled && worker->spent.rows == rows) return pauses; /* nothing was done beside looking at the clock */
    double paused = clock_seconds() - now;
    worker->paused += paused;
    worker->spent.messages += paused - (worker->spent.rows - rows);
    return pauses;
}

/* ---- what is left in the middle ---- */

static struct checkpoint_name name_of(const struct assignment *assignment, bool partial)
{
    return (struct checkpoint_name){.state = assignment->state, .copy = assignment->copy, .partial = partial};
}

static int save(struct worker *worker, const struct assignment *assignment, const struct state *state,
                struct error *err)
{
    struct checkpoint_name name = name_of(assignment, true);
    TRY(midway_write(worker, &name, state, err));
    worker->saved = true;
    worker->saved_step = state->step;
    worker->next_save = clock_seconds() + save_after(worker);
    return 0;
}

/* One id may stand for a stage that was cut elsewhere: what lies before its start belongs to another stage. */
static bool is_within(const struct assignment *assignment, const struct state *state, bool partial)
{
    bool ended = state->step == assignment->stop_step;
    return ended ||
           (partial && state->moments && state->step >= assignment->start_step && state->step < assignment->stop_step);
}

/* One that is damaged or of no use is as good as none: the stage starts from its parent. */
static struct state *read_begun(struct worker *worker, const struct instruction *instruction, enum begun what)
{
    struct checkpoint_name name = name_of(&instruction->assignment, what == BEGUN_PARTIAL);
    struct state *state = NULL;
    struct error why;
    if (!(instruction->begun & what)) return NULL;
    if (checkpoint_read(worker->results_path, &name, &state, &why) != 0) {
        log_line(LOG_WARNING, "%s; the stage is computed again", why.text);
        return NULL;
    }
    if (!is_within(&instruction->assignment, state, name.partial) ||
        !stage_can_continue(&instruction->assignment, state))
        state_destroy(&state);
    return state;
}

static struct state *find_begun(struct worker *worker, const struct instruction *instruction)
{
    struct state *whole = read_begun(worker, instruction, BEGUN_WHOLE);
    return whole ? whole : read_begun(worker, instruction, BEGUN_PARTIAL);
}

unsigned midway_leftovers(const struct worker *worker, const struct instruction *instruction)
{
    bool useless = instruction->begun & BEGUN_WHOLE && !instruction->assignment.checkpoint;
    return (worker->saved ? BEGUN_PARTIAL : 0u) | (useless ? BEGUN_WHOLE : 0u);
}

int midway_clear(struct worker *worker, const struct ended *ended, struct error *err)
{
    struct checkpoint_name part = name_of(&ended->assignment, true), whole = name_of(&ended->assignment, false);
    if (ended->leftovers == 0) return 0;
    if (ended->leftovers & BEGUN_PARTIAL) TRY(checkpoint_remove(worker->results_path, &part, err));
    return ended->leftovers & BEGUN_WHOLE ? checkpoint_remove(worker->results_path, &whole, err) : 0;
}

/* ---- the stage ---- */

static int begin(struct worker *worker, const struct instruction *instruction, int64_t step, struct error *err)
{
    worker->pausing = worker->saving = false;
    worker->pause_error.kind = ERROR_NONE;
    worker->saved = instruction->begun & BEGUN_PARTIAL;
    worker->saved_step = step;
    worker->last_poll = worker->noted_at = clock_seconds();
    worker->next_save = worker->last_poll + save_after(worker);
    worker->within = true;
    worker->passed = 0;
    worker->noted.row = instruction->assignment.row;
    worker->noted.attempt = instruction->attempt;
    worker->noted.attempt.step = step;
    atomic_signal_fence(memory_order_release); /* the handler reads what stands above */
    worker->noted.due = instruction->noted;
    at_work = worker;
    log_line(LOG_DEBUG, "row %d begins at step %lld", worker->noted.row, (long long)step);
    return note(worker, true, err);
}

/* What comes now, writing, is the same for all stages: a death in it says nothing of this one.  The file is told before
 * that, or as the next stage begins, which comes at once.  (Rows that are written in the middle of the next stage are
 * held against that one if the process dies of them: then it runs alone, where nothing else is written, and is
 * cleared.) */
static void end(struct worker *worker)
{
    worker->within = false;
    worker->noted_before.row = worker->noted.row;
    worker->noted_before.attempt = worker->noted.attempt;
    worker->noted_before.attempt.running = 0;
    atomic_signal_fence(memory_order_release);
    worker->noted_before.due = worker->noted.due;
    worker->noted.due = false;
}

/* One stretch, up to the next pause or the end, added to what came before it. */
static int run_stretch(struct worker *worker, const struct assignment *assignment, struct state *begun,
                       struct stage_result *result, struct error *err)
{
    const struct state *needs[sizeof assignment->need / sizeof *assignment->need] = {NULL};
    struct stage_inputs inputs = {inputs_parent(worker, assignment), needs, begun};
    struct stage_result before = *result;
    inputs_needs(worker, assignment, needs);
    int status = worker->stage(worker->stage_context, assignment, &inputs, pause_stage, worker, result, err);
    result->steps += before.steps;
    result->training_seconds += before.training_seconds;
    result->data_seconds += before.data_seconds;
    result->measuring_seconds += before.measuring_seconds;
    before.state = NULL; /* it went into this stretch */
    stage_result_reset(&before);
    if (worker->pause_error.kind == ERROR_NONE) return status;
    *err = worker->pause_error;
    return -1;
}

/* It is given back: what was done of it stays on disk, and nobody holds it against the stage. */
static int give_back(struct worker *worker, const struct assignment *assignment, const struct state *state,
                     struct error *err)
{
    if (state->step > worker->saved_step) TRY(save(worker, assignment, state, err));
    end(worker);
    return midway_settle(worker, err);
}

static int run_to_the_end(struct worker *worker, const struct instruction *instruction, struct stage_result *result,
                          struct report *report, struct error *err)
{
    const struct assignment *assignment = &instruction->assignment;
    struct state *begun = find_begun(worker, instruction);
    report->from_start = begun == NULL;
    if (begin(worker, instruction, begun ? begun->step : assignment->start_step, err) != 0) {
        state_destroy(&begun);
        return -1;
    }
    for (;;) {
        TRY(run_stretch(worker, assignment, begun, result, err));
        if (!result->paused) {
            end(worker);
            return 0;
        }
        if (worker->pausing) return give_back(worker, assignment, result->state, err);
        TRY(save(worker, assignment, result->state, err));
        begun = result->state;
    }
}

int midway_run(struct worker *worker, const struct instruction *instruction, struct stage_result *result,
               struct report *report, struct error *err)
{
    int status = run_to_the_end(worker, instruction, result, report, err);
    if (status == 0) return 0;
    midway_settle(worker, NULL);     /* of the stage before, where beginning this one failed */
    if (worker->within) end(worker); /* the process lives: whatever failed, the stage did not kill it */
    midway_settle(worker, NULL);
    return status;
}
