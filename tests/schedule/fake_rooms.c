#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_rooms.h"

struct fake_behaviour fake = {
    .diverges = -1, .breaks = -1, .unreadable = -1, .sync_fails_on = -1, .drains = -1, .dies = -1};
struct fake_log fake_log;
static const char *results;

/* ---- plan ---- */

const struct view *plan_views(const struct plan *plan, int stage) { return plan->view + plan->stage[stage].first_view; }
const int *plan_needs(const struct plan *plan, int stage) { return plan->need + plan->stage[stage].first_need; }
int plan_record_length(const struct plan *plan, int stage) { return 1 + (plan->stage[stage].row & 3); }

/* A stage's last step tells the stages apart; none gets there step by step. */
static int64_t end_of(struct hash128 state) { return (int64_t)state.low + 1000000; }

void plan_assign(const struct plan *plan, int number, struct assignment *assignment)
{
    const struct stage *stage = &plan->stage[number];
    *assignment = (struct assignment){.stage = number,
                                      .row = stage->row,
                                      .kind = stage->parent < 0 ? STAGE_INITIAL : STAGE_TRUNK,
                                      .needs = stage->needs,
                                      .views = stage->views,
                                      .stop_step = end_of(stage->state),
                                      .state = stage->state};
    if (stage->parent >= 0) assignment->parent = plan->stage[stage->parent].state;
    for (int n = 0; n < stage->needs; n++) assignment->need[n] = plan->stage[plan_needs(plan, number)[n]].state;
}

void cell_resolve(const struct sweep *sweep, const struct world_facts *facts, int64_t index, struct cell *cell)
{
    (void)sweep, (void)facts;
    *cell = (struct cell){.index = index, .steps.tokens_per_step = 512};
}

/* ---- stage ---- */

static struct state *state_at(int64_t step)
{
    struct state *state = memory_allocate(sizeof *state);
    state->step = step;
    state->moments = (float *)state; /* there are some; nobody looks at them */
    return state;
}

void state_destroy(struct state **state)
{
    memory_free(*state);
    *state = NULL;
}

static const struct stage_attempt *attempts_now(void);
static void keep_files(void);

/* Of all stages that this rank has begun, the file says of this one alone that it runs. */
static void check_notes(int row)
{
    const struct stage_attempt *now = attempts_now();
    for (int r = 0; r < FAKE_MOST; r++)
        if (fake_log.started[r] > 0) fake_log.wrong_notes += (now[r].running > 0) != (r == row);
    fake_log.alone[row] += now[row].running == 2;
}

static void check_inputs(const struct assignment *assignment, const struct stage_inputs *inputs)
{
    int64_t expected = assignment->kind == STAGE_INITIAL ? 0 : end_of(assignment->parent);
    fake_log.wrong_inputs += (inputs->parent ? inputs->parent->step : 0) != expected;
    for (int n = 0; n < assignment->needs; n++)
        fake_log.wrong_inputs += inputs->needs[n]->step != end_of(assignment->need[n]);
}

/* A state in the middle of a stage holds the steps done; its end, the number of the state. */
static bool sleep_in_steps(train_pause_f *pause, void *context, int64_t first, int64_t *steps)
{
    double end = clock_seconds() + fake.seconds - (double)first * (fake.seconds < 0.01 ? 2e-4 : 5e-3);
    for (*steps = first; clock_seconds() < end; ++*steps) {
        if (pause(context, *steps)) return true;
        nanosleep(&(struct timespec){.tv_nsec = fake.seconds < 0.01 ? 200000 : 5000000}, NULL);
    }
    return false;
}

bool stage_can_continue(const struct assignment *assignment, const struct state *begun)
{
    (void)assignment;
    (void)begun;
    return !fake.looked_otherwise;
}

int stage_run(struct workshop *workshop, const struct assignment *assignment, const struct stage_inputs *inputs,
              train_pause_f *pause, void *context, struct stage_result *result, struct error *err)
{
    (void)workshop;
    *result = (struct stage_result){.record_length = 1 + (assignment->row & 3)};
    result->record = memory_array((size_t)result->record_length, sizeof *result->record);
    fake_log.started[assignment->row] = clock_seconds();
    check_inputs(assignment, inputs);
    check_notes(assignment->row);
    if (assignment->stage == fake.drains) kill(fake.coordinator, SIGALRM);
    if (assignment->stage == fake.dies) keep_files();
    int64_t first = inputs->begun ? inputs->begun->step : 0;
    fake_log.begun[assignment->row] += first > 0;
    if (inputs->begun) memory_free(inputs->begun);
    double before = clock_seconds();
    result->paused = sleep_in_steps(pause, context, first, &result->steps);
    result->training_seconds = clock_seconds() - before;
    result->data_seconds = result->training_seconds / 4;
    result->steps -= first;
    if (assignment->stage == fake.diverges) return error_set(err, ERROR_STAGE, "loss became nan at step 7");
    result->state = state_at(result->paused ? first + result->steps : end_of(assignment->state));
    return 0;
}

void stage_result_reset(struct stage_result *result)
{
    state_destroy(&result->state);
    memory_free(result->record);
    *result = (struct stage_result){0};
}

/* ---- store: results ---- */

static void put_status(const char *path, int row, enum stage_status status)
{
    char byte = (char)status;
    int file = open(path, O_WRONLY);
    CHECK(file >= 0 && pwrite(file, &byte, 1, row) == 1, "%s", path);
    close(file);
}

enum stage_status fake_results_status(const char *path, int row)
{
    char byte = 0;
    int file = open(path, O_RDONLY);
    CHECK(file >= 0 && pread(file, &byte, 1, row) == 1, "%s", path);
    close(file);
    return (enum stage_status)byte;
}

int store_write_record(struct store *store, const struct assignment *assignment, const struct view *views,
                       const double *record, enum stage_status status, struct error *err)
{
    (void)store, (void)record, (void)status;
    if (assignment->stage == fake.breaks) return error_set(err, ERROR_OUTSIDE, "%s: no space left on device", results);
    for (int v = 0; v < assignment->views; v++) fake_log.wrong_inputs += views[v].index != assignment->row * 10 + v;
    fake_log.written[assignment->row]++;
    return 0;
}

int store_write_provenance(struct store *store, int row, const struct stage_provenance *facts, struct error *err)
{
    (void)store, (void)row, (void)err;
    CHECK(facts->attempts > 0 && facts->seconds >= 0, "provenance");
    return 0;
}

int store_write_mark(struct store *store, int row, enum stage_status status, const double *record, int length,
                     struct error *err)
{
    (void)store, (void)record, (void)err;
    CHECK(length == 1 + (row & 3), "a record of %d", length);
    fake_log.marked[row]++;
    fake_log.committed[row] = clock_seconds();
    put_status(results, row, status);
    return 0;
}

int store_write_records(struct store *store, const struct store_row *row, int rows, struct error *err)
{
    for (int r = 0; r < rows; r++)
        TRY(store_write_record(store, row[r].assignment, row[r].views, row[r].record, row[r].status, err));
    return 0;
}

int store_write_marks(struct store *store, const struct store_row *row, int rows, struct error *err)
{
    fake_log.commits++;
    for (int r = 0; r < rows; r++) {
        int number = row[r].assignment->row;
        TRY(store_write_provenance(store, number, &row[r].facts, err));
        TRY(store_write_mark(store, number, row[r].status, row[r].record, row[r].length, err));
    }
    return 0;
}

int store_write_certificate(struct store *store, const struct certificate *certificate, struct error *err)
{
    (void)store, (void)certificate, (void)err;
    return 0;
}

int store_sync(struct store *store, struct error *err)
{
    int rank;
    (void)store;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == fake.sync_fails_on) return error_set(err, ERROR_OUTSIDE, "%s: input/output error", results);
    return 0;
}

int store_restore_unfilled(struct store *store, int64_t *restored, struct error *err)
{
    (void)store, (void)err;
    *restored = 0;
    return 0;
}

struct store_reader {
    const char *path;
};

int store_reader_open(const char *path, struct store_reader **reader, struct error *err)
{
    if (access(path, R_OK) != 0) return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened", path);
    *reader = memory_allocate(sizeof **reader);
    (*reader)->path = path;
    return 0;
}

void store_reader_close(struct store_reader **reader)
{
    memory_free(*reader);
    *reader = NULL;
}

int store_read_marks(struct store_reader *reader, const struct plan *plan, enum stage_status *status, int rows,
                     int *damaged, struct error *err)
{
    (void)plan, (void)err;
    *damaged = 0;
    for (int r = 0; r < rows; r++) status[r] = fake_results_status(reader->path, r);
    return 0;
}

/* As of a file in which no run has ended. */
int store_read_certificate(struct store_reader *reader, struct certificate *certificate, struct error *err)
{
    (void)reader, (void)err;
    *certificate = (struct certificate){0};
    return 0;
}

int store_read_provenance(struct store_reader *reader, int row, struct stage_provenance *facts, struct error *err)
{
    (void)reader, (void)row, (void)err;
    *facts = (struct stage_provenance){.attempts = 1};
    return 0;
}

/* ---- store: attempts, kept in a file of their own ---- */

static int attempts_open(const char *path)
{
    char *name = memory_format("%s.attempts", path);
    int file = open(name, O_RDWR | O_CREAT, 0666);
    CHECK(file >= 0, "%s", name);
    memory_free(name);
    return file;
}

int store_write_attempt(struct store *store, int row, const struct stage_attempt *attempt, struct error *err)
{
    (void)store, (void)err;
    int file = attempts_open(results);
    CHECK(pwrite(file, attempt, sizeof *attempt, row * (off_t)sizeof *attempt) == sizeof *attempt, "%s", results);
    close(file);
    return 0;
}

int store_write_attempts(struct store *store, const int *row, const struct stage_attempt *attempt, int attempts,
                         struct error *err)
{
    for (int i = 0; i < attempts; i++) TRY(store_write_attempt(store, row[i], &attempt[i], err));
    return 0;
}

void store_note_attempt(const struct store *store, int row, const struct stage_attempt *attempt)
{
    store_write_attempt((struct store *)store, row, attempt, NULL);
}

int store_read_attempts(struct store_reader *reader, struct stage_attempt *attempt, int rows, struct error *err)
{
    (void)err;
    int file = attempts_open(reader->path);
    for (int r = 0; r < rows; r++)
        if (pread(file, &attempt[r], sizeof *attempt, r * (off_t)sizeof *attempt) != sizeof *attempt)
            attempt[r] = (struct stage_attempt){.furthest = -1};
    close(file);
    return 0;
}

static const struct stage_attempt *attempts_now(void)
{
    static struct stage_attempt all[FAKE_MOST]; /* those past the end of the file are zero, as in earnest */
    int file = attempts_open(results);
    memset(all, 0, sizeof all);
    CHECK(pread(file, all, sizeof all, 0) >= 0, "%s", results);
    close(file);
    return all;
}

/* ---- a death ---- */

static void copy_file(const char *from, const char *to)
{
    static char bytes[FAKE_MOST * sizeof(struct stage_attempt)];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ssize_t count = read(in, bytes, sizeof bytes);
    CHECK(count >= 0 && write(out, bytes, (size_t)count) == count, "%s to %s", from, to);
    close(in);
    close(out);
}

static void copy_files(const char *path, bool back)
{
    static const char *const parts[] = {"", ".attempts"};
    for (int i = 0; i < 2; i++) {
        char *file = memory_format("%s%s", path, parts[i]), *kept = memory_format("%s%s.kept", path, parts[i]);
        copy_file(back ? kept : file, back ? file : kept);
        if (back) unlink(kept);
        memory_free(file);
        memory_free(kept);
    }
}

static void keep_files(void) { copy_files(results, false); }

void fake_results_die(const char *path) { copy_files(path, true); }

void fake_attempts_write(const char *path, int row, const struct stage_attempt *attempt)
{
    const char *before = results;
    results = path;
    store_write_attempt(NULL, row, attempt, NULL);
    results = before;
}

/* ---- store: checkpoints ---- */

static char *checkpoint_path(const char *path, const struct checkpoint_name *name)
{
    return memory_format("%s.%llu%s", path, (unsigned long long)name->state.low, name->partial ? ".part" : "");
}

int checkpoint_write(const char *path, const struct checkpoint_name *name, const struct state *state, struct error *err)
{
    (void)err;
    char *file_name = checkpoint_path(path, name);
    int file = open(file_name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    CHECK(write(file, &state->step, sizeof state->step) == sizeof state->step, "%s", file_name);
    close(file);
    memory_free(file_name);
    fake_log.checkpoints_written++;
    return 0;
}

int checkpoint_read(const char *path, const struct checkpoint_name *name, struct state **state, struct error *err)
{
    char *file_name = checkpoint_path(path, name);
    int64_t step = 0;
    int file = open(file_name, O_RDONLY);
    bool broken = name->state.low == (uint64_t)fake.unreadable + 1;
    bool readable = file >= 0 && read(file, &step, sizeof step) == sizeof step && !broken;
    if (broken) fake.unreadable = -1;
    if (file >= 0) close(file);
    int status = readable ? 0 : error_set(err, ERROR_OUTSIDE, "%s: damaged", file_name);
    if (readable) *state = state_at(step);
    memory_free(file_name);
    return status;
}

static bool checkpoint_is_there(const char *path, const struct checkpoint_name *name)
{
    char *file_name = checkpoint_path(path, name);
    bool there = access(file_name, R_OK) == 0;
    memory_free(file_name);
    return there;
}

int checkpoint_remove(const char *path, const struct checkpoint_name *name, struct error *err)
{
    if (fake.unremovable) return error_set(err, ERROR_OUTSIDE, "%s: permission denied", path);
    char *file_name = checkpoint_path(path, name);
    fake_log.checkpoints_removed += unlink(file_name) == 0;
    memory_free(file_name);
    return 0;
}

/* The fake folder is asked name by name. */
int checkpoint_list(const char *path, checkpoint_visit_f *visit, void *context, struct error *err)
{
    for (uint64_t state = 1; state <= FAKE_MOST; state++)
        for (int partial = 0; partial < 2; partial++) {
            struct checkpoint_name name = {.state = {.low = state}, .partial = partial};
            if (checkpoint_is_there(path, &name) && !visit(context, &name)) checkpoint_remove(path, &name, err);
        }
    return 0;
}

int fake_checkpoints(const char *path, const struct plan *plan)
{
    int count = 0;
    for (int s = 0; s < plan->stages; s++)
        for (int partial = 0; partial < 2; partial++)
            count += checkpoint_is_there(path, &(struct checkpoint_name){plan->stage[s].state, {0}, 0, partial});
    return count;
}

void fake_lose_checkpoints(const char *path, const struct plan *plan)
{
    for (int s = 0; s < plan->stages; s++)
        for (int partial = 0; partial < 2; partial++)
            checkpoint_remove(path, &(struct checkpoint_name){plan->stage[s].state, {0}, 0, partial}, NULL);
}

void fake_results_create(const char *path, const struct plan *plan)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    CHECK(file >= 0 && ftruncate(file, plan->rows) == 0, "%s", path);
    close(file);
    char *attempts = memory_format("%s.attempts", path);
    unlink(attempts);
    memory_free(attempts);
    fake_lose_checkpoints(path, plan);
}

void fake_results_use(const char *path) { results = path; }
