/* A results file read by its own account, taken over into another, and merged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <mpi.h>

#include "palimpsest/store_archive.h"

#include "plan_fixture.h"

static char folder[64] = "/tmp/test_archive_XXXXXX", old_path[96], new_path[96], third_path[96];
static struct fixture *fixture;
static struct error err;

static void must(int status)
{
    if (status != 0) fail_msg("%s", err.text);
}

/* A results file in which every stage s with s % modulus == rest is done. */
static void make(const char *path, int modulus, int rest)
{
    const struct plan *plan = fixture->plan;
    struct store *store = NULL;
    must(store_create(path, plan, NULL, true, &err));
    must(store_open(path, plan, MPI_COMM_SELF, &store, &err));
    for (int s = 0; s < plan->stages; s++) {
        struct assignment assignment;
        int length;
        if (s % modulus != rest) continue;
        double *record = fixture_record(plan, s, &length);
        plan_assign(plan, s, &assignment);
        must(store_write_record(store, &assignment, plan_views(plan, s), record, STATUS_DONE, &err));
        must(store_write_mark(store, assignment.row, STATUS_DONE, record, length, &err));
        memory_free(record);
    }
    must(store_close(&store, &err));
}

static int done_rows(const char *path)
{
    struct archive *archive = NULL;
    int done = 0;
    must(archive_read(path, &archive, &err));
    for (int r = 0; r < archive->plan->rows; r++) done += archive->status[r] == STATUS_DONE;
    assert_int_equal(archive->damaged_rows, 0);
    archive_destroy(&archive);
    return done;
}

static void an_archive_tells_ids_groups_and_records_without_the_plan(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    struct archive *archive = NULL;
    make(old_path, 1, 0);
    must(archive_read(old_path, &archive, &err));
    assert_int_equal(archive->plan->rows, plan->rows);
    assert_int_equal(archive->plan->sweep->instruments, plan->sweep->instruments);
    for (int r = 0; r < plan->rows; r++) {
        int length, there;
        double *record = fixture_record(plan, r, &length);
        const double *read = archive_record(archive, r, &there);
        assert_true(hash_equal(archive->plan->tree[r].state, plan->tree[r].state));
        assert_true(hash_equal(archive->plan->tree[r].record, plan->tree[r].record));
        assert_int_equal(archive->plan->tree[r].groups, plan->tree[r].groups);
        assert_int_equal(archive->plan->tree[r].start_step, plan->tree[r].start_step);
        assert_int_equal(there, length);
        assert_memory_equal(read, record, (size_t)length * sizeof *record);
        memory_free(record);
    }
    archive_destroy(&archive);
}

static void taking_fills_what_is_pending_and_nothing_twice(void **state)
{
    (void)state;
    const struct plan *plan = fixture->plan;
    struct archive *old = NULL;
    struct store *store = NULL;
    struct taken taken;
    make(old_path, 2, 0);
    make(new_path, 3, 0);
    must(archive_read(old_path, &old, &err));
    must(store_open(new_path, plan, MPI_COMM_SELF, &store, &err));
    must(store_take(store, new_path, plan, old, false, &taken, &err));
    int expected = 0, done = 0;
    for (int s = 0; s < plan->rows; s++) {
        expected += s % 2 == 0 && s % 3 != 0;
        done += s % 2 == 0 || s % 3 == 0;
    }
    assert_int_equal(taken.records, expected);
    assert_int_equal(taken.common, plan->rows);
    must(store_take(store, new_path, plan, old, false, &taken, &err));
    assert_int_equal(taken.records, 0);
    must(store_close(&store, &err));
    archive_destroy(&old);
    assert_int_equal(done_rows(new_path), done);
}

static void merging_joins_the_rows_of_both_and_refuses_a_file_that_is_there(void **state)
{
    (void)state;
    struct archive *part[2] = {NULL, NULL};
    struct merged merged;
    make(old_path, 2, 0);
    make(new_path, 2, 1);
    must(archive_read(old_path, &part[0], &err));
    must(archive_read(new_path, &part[1], &err));
    const struct archive *const from[2] = {part[0], part[1]};
    must(store_merge(from, 2, third_path, &merged, &err));
    assert_int_equal(merged.rows, fixture->plan->rows);
    assert_int_equal(done_rows(third_path), fixture->plan->rows);
    assert_int_equal(store_merge(from, 2, third_path, &merged, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    archive_destroy(&part[0]);
    archive_destroy(&part[1]);
}

static void the_place_of_a_number_is_named_by_its_variable_and_indices(void **state)
{
    (void)state;
    char text[128];
    record_place(fixture->plan, 0, 1, text, sizeof text);
    assert_non_null(strstr(text, "initial_lm_loss[0, 0"));
    assert_int_equal(text[strlen(text) - 1], ']');
}

static void checkpoints_are_taken_under_another_name_and_only_with_the_record_asked_for(void **state)
{
    (void)state;
    struct model_shape shape = {
        .layers = 1, .width = 8, .heads = 2, .context = 8, .vocabulary = 10, .feed_forward = 16};
    struct state *held = state_create(&shape, NULL, 0, false), *read = NULL;
    struct checkpoint_name name = {.state = {1, 2}, .record = {3, 4}}, other = {.state = {1, 2}, .record = {5, 6}};
    bool taken;
    state_initialise(held, 1, 0.02);
    must(checkpoint_write(old_path, &name, held, &err));
    must(checkpoint_take(old_path, &other, new_path, 0, &taken, &err));
    assert_false(taken);
    must(checkpoint_take(old_path, &name, new_path, 7, &taken, &err));
    assert_true(taken);
    name.copy = 7;
    must(checkpoint_read(new_path, &name, &read, &err));
    assert_true(hash_equal(state_hash(read), state_hash(held)));
    state_destroy(&read);
    state_destroy(&held);
    must(checkpoint_check(new_path, &name, &err));
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(old_path, sizeof old_path, "%s/old.h5", folder);
    snprintf(new_path, sizeof new_path, "%s/new.h5", folder);
    snprintf(third_path, sizeof third_path, "%s/third.h5", folder);
    fixture = fixture_create(false, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_destroy(&fixture);
    store_remove(old_path, &err);
    store_remove(new_path, &err);
    store_remove(third_path, &err);
    rmdir(folder);
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_tells_ids_groups_and_records_without_the_plan),
        cmocka_unit_test(taking_fills_what_is_pending_and_nothing_twice),
        cmocka_unit_test(merging_joins_the_rows_of_both_and_refuses_a_file_that_is_there),
        cmocka_unit_test(the_place_of_a_number_is_named_by_its_variable_and_indices),
        cmocka_unit_test(checkpoints_are_taken_under_another_name_and_only_with_the_record_asked_for),
    };
    MPI_Init(&count, &argument);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    MPI_Finalize();
    return failed;
}
