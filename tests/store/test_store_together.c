/* Rows that are written together: the file is the one that rows written one by one make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "palimpsest/store_archive.h"

#include "plan_fixture.h"

static char folder[64] = "/tmp/test_store_together_XXXXXX", path[96];
static int rank, ranks;
static struct fixture *fixture, *alone; /* with sharing and without */
static struct error err;

static void must(int status)
{
    if (status != 0) fail_msg("%s", err.text);
}

static struct store *create(const struct plan *plan)
{
    struct store *store = NULL;
    if (rank == 0) must(store_create(path, plan, NULL, true, &err));
    MPI_Barrier(MPI_COMM_WORLD);
    must(store_open(path, plan, MPI_COMM_WORLD, &store, &err));
    return store;
}

/* One that diverged, every eleventh, has no numbers. */
static bool diverges(const struct plan *plan, int stage) { return plan->stage[stage].row % 11 == 5; }

static void write_group(struct store *store, const struct plan *plan, const int *stage, int count)
{
    struct store_row *row = memory_array((size_t)count, sizeof *row);
    struct assignment *assignment = memory_array((size_t)count, sizeof *assignment);
    for (int i = 0; i < count; i++) {
        bool failed = diverges(plan, stage[i]);
        plan_assign(plan, stage[i], &assignment[i]);
        double *record = fixture_record(plan, stage[i], &row[i].length);
        row[i].assignment = &assignment[i];
        row[i].views = plan_views(plan, stage[i]);
        row[i].record = failed ? NULL : record;
        row[i].status = failed ? STATUS_DIVERGED : STATUS_DONE;
        row[i].facts.seconds = assignment[i].row;
        if (failed) memory_free(record);
    }
    must(store_write_records(store, row, count, &err));
    must(store_write_marks(store, row, count, &err));
    for (int i = 0; i < count; i++) memory_free((double *)row[i].record);
    memory_free(assignment);
    memory_free(row);
}

/* Every stage once, shared out among the ranks: every step-th, at most `most` together. */
static void write_all(const struct plan *plan, int most, int step)
{
    int *stage = memory_array((size_t)plan->stages, sizeof *stage), count = 0;
    struct store *store = create(plan);
    for (int from = 0; from < step; from++)
        for (int s = from; s < plan->stages; s += step)
            if (s / step % ranks == rank) stage[count++] = s;
    for (int at = 0; at < count; at += most)
        write_group(store, plan, stage + at, count - at < most ? count - at : most);
    must(store_close(&store, &err));
    memory_free(stage);
}

static void assert_provenance(struct store_reader *reader, int rows)
{
    struct stage_provenance facts;
    for (int r = 0; r < rows; r++) {
        must(store_read_provenance(reader, r, &facts, &err));
        assert_true(facts.seconds == r);
    }
}

/* All views of all rows agree with the marks, each of which has the checksum of what was to be written. */
static void assert_whole(const struct plan *plan)
{
    enum stage_status *status = memory_array((size_t)plan->rows, sizeof *status);
    struct store_reader *reader = NULL;
    struct archive *archive = NULL;
    int damaged;
    must(store_reader_open(path, &reader, &err));
    must(store_read_marks(reader, fixture->plan, status, plan->rows, &damaged, &err));
    assert_int_equal(damaged, 0);
    for (int r = 0; r < plan->rows; r++) {
        bool failed = r % 11 == 5;
        assert_int_equal(status[r], failed ? STATUS_DIVERGED : STATUS_DONE);
    }
    assert_provenance(reader, plan->rows);
    store_reader_close(&reader);
    must(archive_read(path, &archive, &err));
    assert_int_equal(archive->strays, 0);
    archive_destroy(&archive);
    memory_free(status);
}

static void any_number_of_rows_in_any_order_make_the_same_file(void **state)
{
    (void)state;
    static const int ways[][2] = {{1, 1}, {7, 1}, {1000, 1}, {1000, 2}, {5, 3}, {64, 7}, {32, 40}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        write_all(fixture->plan, ways[w][0], ways[w][1]);
        if (rank == 0) assert_whole(fixture->plan);
        MPI_Barrier(MPI_COMM_WORLD);
    }
}

static void copies_of_a_stage_may_be_written_together(void **state)
{
    (void)state;
    assert_true(alone->plan->stages > alone->plan->rows);
    for (int step = 1; step < 40; step += 13) {
        write_all(alone->plan, 64, step);
        if (rank == 0) assert_whole(alone->plan);
        MPI_Barrier(MPI_COMM_WORLD);
    }
}

static void attempts_written_together_stand_at_their_rows(void **state)
{
    (void)state;
    static const int row[] = {3, 4, 5, 9, 7, 1, 6, 11, 0};
    enum { COUNT = sizeof row / sizeof *row };
    struct stage_attempt attempt[COUNT];
    struct store *store = create(fixture->plan);
    for (int i = 0; i < COUNT; i++) attempt[i] = (struct stage_attempt){.running = 1, .step = 100 + row[i]};
    if (rank == ranks - 1) must(store_write_attempts(store, row, attempt, COUNT, &err));
    must(store_close(&store, &err));
    if (rank != 0) return;
    struct stage_attempt *read = memory_array((size_t)fixture->plan->rows, sizeof *read);
    struct store_reader *reader = NULL;
    int running = 0;
    must(store_reader_open(path, &reader, &err));
    must(store_read_attempts(reader, read, fixture->plan->rows, &err));
    store_reader_close(&reader);
    for (int r = 0; r < fixture->plan->rows; r++) running += read[r].running;
    for (int i = 0; i < COUNT; i++) assert_true(read[row[i]].running == 1 && read[row[i]].step == 100 + row[i]);
    assert_int_equal(running, COUNT);
    memory_free(read);
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
    alone = fixture_create(false, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_destroy(&fixture);
    fixture_destroy(&alone);
    if (rank == 0) store_remove(path, &err);
    if (rank == 0) rmdir(folder);
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_rows_in_any_order_make_the_same_file),
        cmocka_unit_test(copies_of_a_stage_may_be_written_together),
        cmocka_unit_test(attempts_written_together_stand_at_their_rows),
    };
    MPI_Init(&count, &argument);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    MPI_Finalize();
    return failed;
}
