/* The results file on one process: the skeleton, what is said of files that are not one, labels and variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "palimpsest/store.h"

#include "plan_fixture.h"

static char folder[] = "/tmp/test_store_file_XXXXXX", path[64];
static struct fixture *fixture;
static struct error err;

static void assert_said(const char *part)
{
    if (!strstr(err.text, part)) fail_msg("\"%s\" is not in: %s", part, err.text);
    assert_non_null(strstr(err.text, path));
}

static void create(void)
{
    if (store_create(path, fixture->plan, "every value", true, &err) != 0) fail_msg("%s", err.text);
}

static struct store_reader *open_reader(void)
{
    struct store_reader *reader = NULL;
    if (store_reader_open(path, &reader, &err) != 0) fail_msg("%s", err.text);
    return reader;
}

static void what_the_file_was_made_from_is_read_back(void **state)
{
    (void)state;
    struct store_origin origin;
    create();
    struct store_reader *reader = open_reader();
    assert_int_equal(store_read_origin(reader, &origin, &err), 0);
    assert_string_equal(origin.name, "fixture");
    assert_string_equal(origin.path, "fixture.yaml");
    assert_string_equal(origin.yaml, fixture->sweep.text);
    assert_string_equal(origin.explained, "every value");
    assert_true(hash_equal(origin.sweep_hash, fixture->plan->sweep_hash));
    assert_string_equal(origin.numerics.class_name, "plain/fixture");
    assert_int_equal(origin.numerics.version, 3);
    store_origin_reset(&origin);
    store_reader_close(&reader);
    assert_null(reader);
}

static void a_fresh_file_is_all_pending_and_has_no_certificate(void **state)
{
    (void)state;
    create();
    struct store_reader *reader = open_reader();
    struct certificate certificate;
    int rows, damaged;
    assert_int_equal(store_read_rows(reader, &rows, &err), 0);
    assert_int_equal(rows, fixture->plan->rows);
    enum stage_status *status = memory_array((size_t)rows, sizeof *status);
    assert_int_equal(store_read_marks(reader, fixture->plan, status, rows, &damaged, &err), 0);
    for (int r = 0; r < rows; r++) assert_int_equal(status[r], STATUS_PENDING);
    assert_int_equal(damaged, 0);
    assert_int_equal(store_read_certificate(reader, &certificate, &err), 0);
    assert_int_equal(certificate.ranks, 0);
    memory_free(status);
    store_reader_close(&reader);
}

static void a_variable_has_its_dimensions_units_and_missing_values(void **state)
{
    static const char *const dimension[] = {"size", "tokens", "variety", "pair", "seed", "domain"};
    static const int64_t length[] = {2, 3, 2, 3, 2, 6};
    (void)state;
    struct variable loss;
    create();
    struct store_reader *reader = open_reader();
    assert_int_equal(store_read_variable(reader, "second_lm_loss", &loss, &err), 0);
    assert_int_equal(loss.dimensions, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(loss.dimension[i], dimension[i]);
        assert_int_equal(loss.length[i], length[i]);
    }
    assert_int_equal(loss.count, 432);
    for (int i = 0; i < loss.count; i++) assert_true(isnan(loss.values[i]));
    assert_string_equal(loss.units, "nats per token");
    variable_reset(&loss);
    store_reader_close(&reader);
}

static void places_that_no_cell_asks_for_are_excluded(void **state)
{
    (void)state;
    struct variable status;
    create();
    struct store_reader *reader = open_reader();
    assert_int_equal(store_read_variable(reader, "status_third", &status, &err), 0);
    for (int i = 0; i < status.count; i++) /* only the third sequence has a third task */
        assert_int_equal((int)status.values[i], i / 2 % 3 == 2 ? STATUS_PENDING : STATUS_EXCLUDED);
    variable_reset(&status);
    store_reader_close(&reader);
}

static void assert_labels(struct store_reader *reader, const char *dimension, int count, const char *const *right)
{
    char **labels;
    int found;
    if (store_read_labels(reader, dimension, &labels, &found, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(found, count);
    for (int i = 0; i < found; i++) {
        assert_string_equal(labels[i], right[i]);
        memory_free(labels[i]);
    }
    memory_free(labels);
}

static void labels_of_every_kind_of_axis_are_read_back(void **state)
{
    (void)state;
    create();
    struct store_reader *reader = open_reader();
    assert_labels(reader, "size", 2, (const char *[]){"nano", "mini"});
    assert_labels(reader, "tokens", 3, (const char *[]){"0", "320", "640"});
    assert_labels(reader, "pair", 3, (const char *[]){"tense>topic", "topic>tense", "agreement>tense>topic"});
    assert_labels(reader, "pair_third", 3, (const char *[]){"", "", "topic"});
    assert_labels(reader, "seed", 2, (const char *[]){"1", "2"});
    assert_labels(reader, "layer", 5, (const char *[]){"embedding", "block_1", "block_2", "block_3", "final"});
    store_reader_close(&reader);
}

static void members_of_a_zip_group_are_coordinates_along_it(void **state)
{
    (void)state;
    struct fixture *zipped = fixture_create(true, true);
    assert_int_equal(store_create(path, zipped->plan, NULL, true, &err), 0);
    struct store_reader *reader = open_reader();
    assert_labels(reader, "shape", 2, (const char *[]){"nano/2", "mini/4"});
    assert_labels(reader, "size", 2, (const char *[]){"nano", "mini"});
    assert_labels(reader, "pretrain_batch", 2, (const char *[]){"2", "4"});
    assert_labels(reader, "tokens", 3, (const char *[]){"0", "320", "2.5x"});
    assert_labels(reader, "model_objective", 2, (const char *[]){"causal", "masked"});
    store_reader_close(&reader);
    fixture_destroy(&zipped);
}

static void a_variable_that_is_not_there_or_not_numbers_is_refused(void **state)
{
    (void)state;
    struct variable variable;
    create();
    struct store_reader *reader = open_reader();
    assert_int_equal(store_read_variable(reader, "nonsense", &variable, &err), -1);
    assert_said("there is no variable nonsense");
    assert_int_equal(store_read_variable(reader, "pair", &variable, &err), -1);
    assert_said("does not hold numbers");
    store_reader_close(&reader);
}

static void a_file_that_is_there_is_not_replaced_unasked(void **state)
{
    (void)state;
    create();
    assert_int_equal(store_create(path, fixture->plan, NULL, false, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_said("is there already");
}

static void assert_refused(enum error_kind kind, const char *part)
{
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(path, &reader, &err), -1);
    assert_null(reader);
    assert_int_equal(err.kind, kind);
    assert_said(part);
}

static void files_that_are_not_results_are_named_for_what_they_are(void **state)
{
    (void)state;
    unlink(path);
    assert_refused(ERROR_OUTSIDE, "No such file");
    assert_int_equal(file_write_atomic(path, "plain text", 10, &err), 0);
    assert_refused(ERROR_INPUT, "is not an HDF5 file");
    assert_int_equal(file_write_atomic(path, "", 0, &err), 0);
    assert_refused(ERROR_INPUT, "is empty (0 bytes)");
}

/* Places and lengths that are tried stand so much further apart under the sanitizers, which take ten times as long. */
#ifdef PALIMPSEST_SANITIZE
enum { APART = 5 };
#else
enum { APART = 1 };
#endif

static void a_truncated_file_is_refused_at_every_length(void **state)
{
    (void)state;
    create();
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    for (off_t length = facts.st_size - 1; length > 0; length -= (length > 4096 ? 4093 : 37) * APART) {
        struct store_reader *reader = NULL;
        assert_int_equal(truncate(path, length), 0);
        assert_int_equal(store_reader_open(path, &reader, &err), -1);
        assert_non_null(strstr(err.text, path));
    }
}

static bool stage_writes(const struct variable *written, off_t place)
{
    for (int64_t i = 0; i < written->count; i += 2)
        if ((double)place >= written->values[i] && (double)place < written->values[i + 1]) return true;
    return false;
}

static void flip_byte(off_t place)
{
    unsigned char byte;
    int descriptor = open(path, O_RDWR);
    assert_int_equal(pread(descriptor, &byte, 1, place), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(descriptor, &byte, 1, place), 1);
    close(descriptor);
}

static void a_changed_byte_is_found_wherever_no_stage_writes(void **state)
{
    (void)state;
    struct stat facts;
    struct variable written;
    create();
    struct store_reader *reader = open_reader();
    assert_int_equal(store_read_variable(reader, "provenance/written", &written, &err), 0);
    store_reader_close(&reader);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(store_check(path, &err), 0);
    int inside = 0, outside = 0;
    for (off_t place = 0; place < facts.st_size; place += (place < 1024 ? 7 : 419) * APART) {
        bool row = stage_writes(&written, place);
        flip_byte(place);
        assert_int_equal(store_check(path, &err), row ? 0 : -1);
        flip_byte(place);
        *(row ? &inside : &outside) += 1;
    }
    assert_true(inside > 20 / APART && outside > 300 / APART);
    assert_int_equal(truncate(path, facts.st_size + 1), 0);
    assert_int_equal(store_check(path, &err), -1);
    assert_said("another program has added to it");
    variable_reset(&written);
}

static void a_plan_without_sharing_lays_out_the_same_stage_table(void **state)
{
    (void)state;
    struct fixture *alone = fixture_create(false, false);
    struct variable parent[2], cell[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_create(path, i == 0 ? fixture->plan : alone->plan, NULL, true, &err), 0);
        struct store_reader *reader = open_reader();
        assert_int_equal(store_read_variable(reader, "stages/parent", &parent[i], &err), 0);
        assert_int_equal(store_read_variable(reader, "stages/cell", &cell[i], &err), 0);
        store_reader_close(&reader);
    }
    assert_true(alone->plan->stages > alone->plan->rows);
    assert_int_equal(parent[0].count, parent[1].count);
    assert_memory_equal(parent[0].values, parent[1].values, (size_t)parent[0].count * sizeof(double));
    assert_memory_equal(cell[0].values, cell[1].values, (size_t)cell[0].count * sizeof(double));
    for (int i = 0; i < 2; i++) {
        variable_reset(&parent[i]);
        variable_reset(&cell[i]);
    }
    fixture_destroy(&alone);
}

static void removing_takes_the_checkpoints_along_and_may_be_repeated(void **state)
{
    (void)state;
    struct model_shape shape = {.layers = 1, .width = 4, .heads = 1, .context = 4, .vocabulary = 8, .feed_forward = 2};
    struct state *weights = state_create(&shape, NULL, 0, false);
    create();
    assert_int_equal(checkpoint_write(path, &(struct checkpoint_name){.state = {1, 2}}, weights, &err), 0);
    state_destroy(&weights);
    assert_int_equal(store_remove(path, &err), 0);
    assert_int_equal(store_remove(path, &err), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0777), 0);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/r.h5", folder);
    fixture = fixture_create(false, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_destroy(&fixture);
    unlink(path);
    rmdir(folder);
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_file_was_made_from_is_read_back),
        cmocka_unit_test(a_fresh_file_is_all_pending_and_has_no_certificate),
        cmocka_unit_test(a_variable_has_its_dimensions_units_and_missing_values),
        cmocka_unit_test(places_that_no_cell_asks_for_are_excluded),
        cmocka_unit_test(labels_of_every_kind_of_axis_are_read_back),
        cmocka_unit_test(members_of_a_zip_group_are_coordinates_along_it),
        cmocka_unit_test(a_variable_that_is_not_there_or_not_numbers_is_refused),
        cmocka_unit_test(a_file_that_is_there_is_not_replaced_unasked),
        cmocka_unit_test(files_that_are_not_results_are_named_for_what_they_are),
        cmocka_unit_test(a_truncated_file_is_refused_at_every_length),
        cmocka_unit_test(a_changed_byte_is_found_wherever_no_stage_writes),
        cmocka_unit_test(a_plan_without_sharing_lays_out_the_same_stage_table),
        cmocka_unit_test(removing_takes_the_checkpoints_along_and_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
