/* Rows and marks written by several ranks at once, and what is found when they are damaged.  Every rank runs every
 * test; rank 0 reads back what all have written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "palimpsest/store_archive.h"

#include "plan_fixture.h"

static char folder[64] = "/tmp/test_store_rows_XXXXXX", path[96];
static int rank, ranks;
static struct fixture *fixture;
static struct error err;

static void create(const struct plan *plan)
{
    if (rank == 0 && store_create(path, plan, NULL, true, &err) != 0) fail_msg("%s", err.text);
    MPI_Barrier(MPI_COMM_WORLD);
}

static struct store *open_store(const struct plan *plan)
{
    struct store *store = NULL;
    if (store_open(path, plan, MPI_COMM_WORLD, &store, &err) != 0) fail_msg("%s", err.text);
    return store;
}

static void close_store(struct store **store)
{
    if (store_close(store, &err) != 0) fail_msg("%s", err.text);
    assert_null(*store);
}

static void write_stage(struct store *store, const struct plan *plan, int stage, enum stage_status status)
{
    struct assignment assignment;
    int length;
    double *record = fixture_record(plan, stage, &length);
    const double *left = status == STATUS_DONE ? record : NULL;
    plan_assign(plan, stage, &assignment);
    assert_int_equal(store_write_record(store, &assignment, plan_views(plan, stage), left, status, &err), 0);
    assert_int_equal(store_write_mark(store, assignment.row, status, left, length, &err), 0);
    memory_free(record);
}

static void write_all(const struct plan *plan)
{
    create(plan);
    struct store *store = open_store(plan);
    for (int s = rank; s < plan->stages; s += ranks) write_stage(store, plan, s, STATUS_DONE);
    close_store(&store);
}

/* How many rows are done by the marks; with a plan, their records checked too. */
static int count_marked(const struct plan *plan, int rows, int *damaged)
{
    struct store_reader *reader;
    enum stage_status *status = memory_array((size_t)rows, sizeof *status);
    int done = 0;
    assert_int_equal(store_reader_open(path, &reader, &err), 0);
    if (store_read_marks(reader, plan, status, rows, damaged, &err) != 0) fail_msg("%s", err.text);
    for (int r = 0; r < rows; r++) done += status[r] == STATUS_DONE;
    store_reader_close(&reader);
    memory_free(status);
    return done;
}

static int count_done(const struct plan *plan, int *damaged) { return count_marked(plan, plan->rows, damaged); }

static struct variable read_variable(const char *name)
{
    struct store_reader *reader;
    struct variable variable;
    assert_int_equal(store_reader_open(path, &reader, &err), 0);
    if (store_read_variable(reader, name, &variable, &err) != 0) fail_msg("%s", err.text);
    store_reader_close(&reader);
    return variable;
}

/* Looks up a number of the record by the door's own arithmetic, place by place. */
static void assert_variable_holds(const struct plan *plan, const char *name, int group, enum field_id field, int part)
{
    struct variable variable = read_variable(name);
    int width = part >= 0 ? 1 : field_length(field, &plan->extents, 0);
    assert_int_equal(variable.count, plan->group[group].cells * width);
    for (int64_t i = 0; i < plan->group[group].cells; i++) {
        int row = plan->group[group].stage[i], length;
        if (row < 0) {
            assert_true(isnan(variable.values[i * width]));
            continue;
        }
        const struct stage *stage = &plan->tree[row];
        double *record = fixture_record(plan, row, &length);
        int offset = record_offset(stage->groups, plan->sweep->instruments, &plan->extents, stage->place, (int)field);
        offset += part >= 0 ? part : 0;
        assert_memory_equal(variable.values + i * width, record + offset, (size_t)width * sizeof(double));
        memory_free(record);
    }
    variable_reset(&variable);
}

static void rows_of_all_ranks_are_read_back_bit_for_bit(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    int damaged;
    write_all(plan);
    if (rank != 0) return;
    assert_int_equal(count_done(plan, &damaged), plan->rows);
    assert_int_equal(damaged, 0);
    assert_variable_holds(plan, "initial_lm_loss", GROUP_INITIAL, FIELD_LM_LOSS, -1);
    assert_variable_holds(plan, "pretrained_curve_loss", GROUP_PRETRAINED, FIELD_CURVE_LOSS, -1);
    assert_variable_holds(plan, "first_accuracy", GROUP_PLACE, FIELD_ACCURACY, 0);
    assert_variable_holds(plan, "second_accuracy_first", GROUP_PLACE + 1, FIELD_ACCURACY, 0);
    assert_variable_holds(plan, "second_accuracy_second", GROUP_PLACE + 1, FIELD_ACCURACY, 1);
    assert_variable_holds(plan, "third_log_odds_third", GROUP_PLACE + 2, FIELD_LOG_ODDS, 2);
    assert_variable_holds(plan, "third_displacement", GROUP_PLACE + 2, FIELD_DISPLACEMENT, -1);
    assert_variable_holds(plan, "forgetting", GROUP_OUTCOME, FIELD_FORGETTING, -1);
}

static void without_sharing_the_file_is_the_same(void **state)
{
    (void)state;
    struct fixture *alone = fixture_create(false, false);
    int damaged;
    write_all(fixture->plan);
    struct variable before = {.count = 0}, after;
    if (rank == 0) before = read_variable("stages/mark");
    write_all(alone->plan);
    if (rank == 0) {
        after = read_variable("stages/mark");
        assert_memory_equal(before.values, after.values, (size_t)before.count * sizeof(double));
        assert_int_equal(count_done(fixture->plan, &damaged), fixture->plan->rows);
        assert_int_equal(damaged, 0);
        variable_reset(&before);
        variable_reset(&after);
    }
    fixture_destroy(&alone);
}

static void a_rank_without_the_tree_writes_from_an_outline(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    struct plan *outline = plan_outline(&fixture->sweep, &plan->facts, &plan->numerics, &plan->extents, plan->rows);
    int damaged;
    create(plan);
    struct store *store = open_store(rank == 0 ? plan : outline);
    for (int s = rank; s < plan->stages; s += ranks) write_stage(store, plan, s, STATUS_DONE);
    close_store(&store);
    if (rank == 0) assert_int_equal(count_done(plan, &damaged), plan->rows);
    plan_destroy(&outline);
}

static void rows_without_a_mark_are_pending_and_failures_are_kept(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    enum stage_status *status = memory_array((size_t)plan->rows, sizeof *status);
    struct store_reader *reader;
    int damaged;
    create(plan);
    struct store *store = open_store(plan);
    if (rank == ranks - 1) {
        struct assignment assignment;
        int length;
        double *record = fixture_record(plan, 3, &length);
        plan_assign(plan, 3, &assignment);
        assert_int_equal(store_write_record(store, &assignment, plan_views(plan, 3), record, STATUS_DONE, &err), 0);
        write_stage(store, plan, 5, STATUS_DIVERGED);
        write_stage(store, plan, 6, STATUS_SKIPPED);
        memory_free(record);
    }
    close_store(&store);
    if (rank == 0) {
        assert_int_equal(store_reader_open(path, &reader, &err), 0);
        assert_int_equal(store_read_marks(reader, plan, status, plan->rows, &damaged, &err), 0);
        assert_int_equal(damaged, 0);
        assert_int_equal(status[3], STATUS_PENDING);
        assert_int_equal(status[5], STATUS_DIVERGED);
        assert_int_equal(status[6], STATUS_SKIPPED);
        store_reader_close(&reader);
    }
    memory_free(status);
}

/* ---- damage ---- */

static off_t data_of(const char *name)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
    off_t offset = (off_t)H5Dget_offset(dataset);
    H5Dclose(dataset);
    H5Fclose(file);
    return offset;
}

static void flip(off_t place, int bit)
{
    unsigned char byte;
    int descriptor = open(path, O_RDWR);
    assert_int_equal(pread(descriptor, &byte, 1, place), 1);
    byte ^= (unsigned char)(1 << bit);
    assert_int_equal(pwrite(descriptor, &byte, 1, place), 1);
    close(descriptor);
}

static void assert_flip_is_found(const char *name, off_t offset)
{
    const struct plan *plan = fixture->plan;
    int damaged;
    off_t place = data_of(name) + offset;
    flip(place, (int)(offset % 8));
    assert_int_equal(count_done(plan, &damaged), plan->rows - 1);
    assert_int_equal(damaged, 1);
    flip(place, (int)(offset % 8));
}

static void a_flipped_bit_in_a_row_or_a_mark_is_found(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    write_all(plan);
    if (rank != 0) return;
    for (off_t byte = 0; byte < 64; byte += 3) {
        assert_flip_is_found("stages/mark", byte);
        assert_flip_is_found("initial_lm_loss", byte);
        assert_flip_is_found("first_accuracy", byte);
        assert_flip_is_found("pretrained_curve_loss", byte);
    }
    for (off_t place = 0; place < plan->group[GROUP_PRETRAINED].cells; place++) /* views of shared stages too */
        assert_flip_is_found("pretrained_lm_loss", place * plan->extents.length[DIMENSION_DOMAIN] * 8);
    assert_flip_is_found("status_first", 0);
}

static void a_mark_in_the_wrong_row_is_found(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    char marks[2][32];
    int damaged;
    write_all(plan);
    if (rank != 0) return;
    off_t place = data_of("stages/mark");
    int descriptor = open(path, O_RDWR);
    assert_int_equal(pread(descriptor, marks, sizeof marks, place), sizeof marks);
    assert_int_equal(pwrite(descriptor, marks[1], 32, place), 32);
    close(descriptor);
    assert_int_equal(count_marked(NULL, plan->rows, &damaged), plan->rows - 1); /* the mark alone shows it */
    assert_int_equal(damaged, 1);
}

/* ---- places that no stage fills ---- */

/* The first of a group without a stage: here sequences of two have no third place. */
static int64_t unfilled_place(const struct plan *plan, int group)
{
    const struct group_layout *layout = &plan->group[group];
    int64_t place = 0;
    while (place < layout->cells && layout->stage[place] >= 0) place++;
    assert_true(place < layout->cells);
    return place;
}

static int64_t count_strays(void)
{
    struct archive *archive = NULL;
    assert_int_equal(archive_read(path, &archive, &err), 0);
    int64_t strays = archive->strays;
    assert_int_equal(archive->damaged_rows, 0);
    archive_destroy(&archive);
    return strays;
}

static void restore(const struct plan *plan, int64_t expected)
{
    int64_t restored = 0;
    struct store *store = open_store(plan);
    if (rank == ranks - 1) {
        assert_int_equal(store_restore_unfilled(store, &restored, &err), 0);
        assert_int_equal(restored, expected);
    }
    close_store(&store);
}

static void damage_in_places_that_no_stage_fills_is_found_and_restored(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    int64_t place = unfilled_place(plan, GROUP_PLACE + 2);
    write_all(plan);
    restore(plan, 0); /* nothing to do in whole files */
    if (rank == 0) {
        assert_int_equal(count_strays(), 0);
        flip(data_of("status_third") + place, 1);
        flip(data_of("third_accuracy_first") + place * 8 + 7, 6); /* a number now */
        flip(data_of("third_accuracy_first") + place * 8, 0);     /* the same place */
        flip(data_of("third_lm_loss") + (place * plan->extents.length[DIMENSION_DOMAIN] + 1) * 8,
             3); /* still missing, but not as made */
        assert_int_equal(count_strays(), 3);
    }
    restore(plan, 3);
    if (rank != 0) return;
    int damaged;
    assert_int_equal(count_strays(), 0);
    assert_int_equal(count_done(plan, &damaged), plan->rows);
    assert_int_equal(damaged, 0);
}

/* ---- a file that loses its name ---- */

static void a_sync_fails_once_the_file_is_removed_or_replaced(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    for (int replaced = 0; replaced < 2; replaced++) {
        create(plan);
        struct store *store = open_store(plan);
        assert_int_equal(store_sync(store, &err), 0);
        MPI_Barrier(MPI_COMM_WORLD);
        if (rank == 0) assert_int_equal(replaced ? store_create(path, plan, NULL, true, &err) : unlink(path), 0);
        MPI_Barrier(MPI_COMM_WORLD);
        assert_int_equal(store_sync(store, &err), -1);
        assert_non_null(strstr(err.text, "was removed or replaced while this run wrote it"));
        assert_int_equal(store_close(&store, &err), -1);
        assert_null(store);
    }
}

/* ---- tables ---- */

static void provenance_and_the_latest_certificate_are_read_back(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    struct stage_provenance written = {.started = 1e9,
                                       .seconds = 2,
                                       .spent = {1, 2, 3, 4, 5, 6, 9},
                                       .flops_per_second = 7,
                                       .peak_bytes = 8,
                                       .rank = 1,
                                       .attempts = 2,
                                       .host = "node7",
                                       .reason = "loss is NaN"};
    struct certificate certificate = {.ranks = 3, .steps_tree = 77, .spent = {.rows = 6}, .peak_bytes = 5}, found;
    create(plan);
    struct store *store = open_store(plan);
    if (rank == ranks - 1) assert_int_equal(store_write_provenance(store, 4, &written, &err), 0);
    for (int run = 0; rank == 0 && run < 70; run++) { /* more than there are places */
        certificate.makespan = run;
        assert_int_equal(store_write_certificate(store, &certificate, &err), 0);
    }
    close_store(&store);
    if (rank != 0) return;
    struct store_reader *reader;
    struct stage_provenance read;
    assert_int_equal(store_reader_open(path, &reader, &err), 0);
    assert_int_equal(store_read_provenance(reader, 4, &read, &err), 0);
    assert_memory_equal(&read, &written, sizeof read);
    assert_int_equal(store_read_provenance(reader, plan->rows, &read, &err), -1);
    assert_int_equal(store_read_certificate(reader, &found, &err), 0);
    assert_true(found.makespan == 69 && found.steps_tree == 77 && found.spent.rows == 6 && found.peak_bytes == 5);
    store_reader_close(&reader);
}

static struct stage_attempt *read_attempts(int rows)
{
    struct stage_attempt *attempt = memory_array((size_t)rows, sizeof *attempt);
    struct store_reader *reader;
    assert_int_equal(store_reader_open(path, &reader, &err), 0);
    assert_int_equal(store_read_attempts(reader, attempt, rows, &err), 0);
    store_reader_close(&reader);
    return attempt;
}

static void assert_attempt(const struct stage_attempt *read, const struct stage_attempt *right)
{
    assert_int_equal(read->running, right->running);
    assert_int_equal(read->deaths, right->deaths);
    assert_int_equal(read->suspect, right->suspect);
    assert_int_equal(read->step, right->step);
    assert_int_equal(read->furthest, right->furthest);
}

static void attempts_are_read_back_and_a_damaged_one_is_none(void **state)
{
    (void)state;
    static const struct stage_attempt none = {.furthest = -1},
                                      some = {.running = 2, .deaths = 250, .suspect = true, .step = 1, .furthest = 0},
                                      far = {.running = 1, .step = INT64_MAX - 1, .furthest = INT64_MAX - 1};
    const struct plan *plan = fixture->plan;
    create(plan);
    struct store *store = open_store(plan);
    if (rank == ranks - 1) {
        assert_int_equal(store_write_attempt(store, 3, &some, &err), 0);
        assert_int_equal(store_write_attempt(store, plan->rows - 1, &some, &err), 0);
        store_note_attempt(store, plan->rows - 1, &far); /* as a signal handler would */
    }
    close_store(&store);
    if (rank != 0) return;
    struct stage_attempt *attempt = read_attempts(plan->rows);
    assert_attempt(&attempt[0], &none);
    assert_attempt(&attempt[3], &some);
    assert_attempt(&attempt[plan->rows - 1], &far);
    memory_free(attempt);
    for (off_t byte = 0; byte < 32; byte++) {
        off_t place = data_of("provenance/attempt") + 3 * 32 + byte;
        flip(place, (int)(byte % 8));
        attempt = read_attempts(plan->rows);
        assert_attempt(&attempt[3], &none);
        memory_free(attempt);
        flip(place, (int)(byte % 8));
    }
}

/* ---- failing together ---- */

static void a_file_that_cannot_be_opened_fails_on_all_ranks_with_one_text(void **state)
{
    (void)state;
    struct store *store = NULL;
    if (rank == 0) unlink(path);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_int_equal(store_open(path, fixture->plan, MPI_COMM_WORLD, &store, &err), -1);
    assert_null(store);
    assert_non_null(strstr(err.text, "No such file"));
    if (rank == 0) assert_int_equal(file_write_atomic(path, "text", 4, &err), 0);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_int_equal(store_open(path, fixture->plan, MPI_COMM_WORLD, &store, NULL), -1);
}

static void the_file_of_another_sweep_is_refused_on_all_ranks(void **state)
{
    (void)state;
    struct fixture *zipped = fixture_create(true, true);
    struct store *store = NULL;
    create(zipped->plan);
    assert_int_equal(store_open(path, fixture->plan, MPI_COMM_WORLD, &store, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "another sweep"));
    fixture_destroy(&zipped);
}

static void what_one_rank_finds_wrong_all_ranks_hear(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    struct record_extents wrong = plan->extents;
    if (ranks == 1) skip();
    wrong.length[DIMENSION_LAYER]++;
    struct plan *outline = plan_outline(&fixture->sweep, &plan->facts, &plan->numerics, &wrong, plan->rows);
    struct store *store = NULL;
    create(plan);
    assert_int_equal(store_open(path, rank == ranks - 1 ? outline : plan, MPI_COMM_WORLD, &store, &err), -1);
    assert_null(store);
    assert_non_null(strstr(err.text, "is not laid out as this sweep needs it"));
    plan_destroy(&outline);
    store = open_store(plan); /* nothing of the failed opening is left open */
    close_store(&store);
}

static int setup(void **state)
{
    (void)state;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (rank == 0 && !mkdtemp(folder)) return -1;
    MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
    snprintf(path, sizeof path, "%s/r.h5", folder);
    fixture = fixture_create(false, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_destroy(&fixture);
    if (rank == 0) store_remove(path, &err);
    if (rank == 0) rmdir(folder);
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_all_ranks_are_read_back_bit_for_bit),
        cmocka_unit_test(without_sharing_the_file_is_the_same),
        cmocka_unit_test(a_rank_without_the_tree_writes_from_an_outline),
        cmocka_unit_test(rows_without_a_mark_are_pending_and_failures_are_kept),
        cmocka_unit_test(a_flipped_bit_in_a_row_or_a_mark_is_found),
        cmocka_unit_test(a_mark_in_the_wrong_row_is_found),
        cmocka_unit_test(damage_in_places_that_no_stage_fills_is_found_and_restored),
        cmocka_unit_test(a_sync_fails_once_the_file_is_removed_or_replaced),
        cmocka_unit_test(attempts_are_read_back_and_a_damaged_one_is_none),
        cmocka_unit_test(provenance_and_the_latest_certificate_are_read_back),
        cmocka_unit_test(a_file_that_cannot_be_opened_fails_on_all_ranks_with_one_text),
        cmocka_unit_test(the_file_of_another_sweep_is_refused_on_all_ranks),
        cmocka_unit_test(what_one_rank_finds_wrong_all_ranks_hear),
    };
    MPI_Init(&count, &argument);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    MPI_Finalize();
    return failed;
}
