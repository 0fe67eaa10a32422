/* Checkpoints: every bit comes back, equal states give equal files, and damage is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/store/checkpoint_private.h"

static const struct hash128 id = {.low = 0x1234, .high = 0xabcd};
static const struct checkpoint_name whole = {.state = {.low = 0x1234, .high = 0xabcd}, .record = {.low = 5, .high = 6}};
static const char name[] = "000000000000abcd0000000000001234.h5";
static char folder[] = "/tmp/test_checkpoint_XXXXXX", results[64], path[160];
static struct error err;

static struct state *make_state(bool moments, int heads)
{
    const struct model_shape shape = {.layers = 2,
                                      .width = 8,
                                      .heads = 2,
                                      .context = 6,
                                      .vocabulary = 11,
                                      .feed_forward = 4,
                                      .objective = OBJECTIVE_MASKED,
                                      .share_layers = moments};
    const struct head_shape head[] = {{"tense", 2}, {"topic", 5}};
    struct state *state = state_create(&shape, head, heads, moments);
    state_initialise(state, 7, 0.02);
    for (size_t i = 0; moments && i < 2 * state->floats; i++) state->moments[i] = (float)i / 3;
    state->step = 1234567890123;
    state->trace.steps = 99;
    state->trace.loss_sum[POINTS_MAX - 1] = 0.1;
    state->trace.norm_sum[LAYERS_MAX + 1] = 0.2;
    state->trace.loss_count[3] = 5;
    state->trace.looks.of = (struct hash128){.low = 1ull << 63, .high = 3};
    state->trace.looks.count = 7;
    state->trace.looks.lm_loss[LOOKS_MAX - 1] = 2.5;
    state->trace.looks.accuracy[PLACES_MAX - 1][LOOKS_MAX - 1] = 0.3;
    state->trace.looks.loss[1][2] = 0.4;
    state->history.first_steps = 12.5;
    state->history.lm_losses = 3;
    state->history.lm_loss[2] = 4.5;
    state->history.accuracy[1][0] = 0.75;
    state->history.loss[PLACES_MAX - 1][PLACES_MAX - 1] = 1.5;
    state->history.chance[1] = 0.2;
    state->history.items[1] = 40;
    return state;
}

static void write_state(const struct state *state)
{
    if (checkpoint_write(results, &whole, state, &err) != 0) fail_msg("%s", err.text);
}

static void assert_same(const struct state *a, const struct state *b)
{
    const struct model_shape *x = &a->shape, *y = &b->shape;
    assert_true(x->layers == y->layers && x->width == y->width && x->heads == y->heads);
    assert_true(x->context == y->context && x->vocabulary == y->vocabulary && x->feed_forward == y->feed_forward);
    assert_true(x->objective == y->objective && x->share_layers == y->share_layers);
    assert_int_equal(a->heads, b->heads);
    for (int h = 0; h < a->heads; h++) {
        assert_string_equal(a->head[h].task, b->head[h].task);
        assert_int_equal(a->head[h].classes, b->head[h].classes);
    }
    assert_int_equal(a->floats, b->floats);
    assert_memory_equal(a->values, b->values, a->floats * sizeof *a->values);
    assert_int_equal(a->moments != NULL, b->moments != NULL);
    if (a->moments) assert_memory_equal(a->moments, b->moments, 2 * a->floats * sizeof *a->moments);
    assert_true(a->step == b->step);
    assert_memory_equal(&a->trace, &b->trace, sizeof a->trace);
    assert_memory_equal(&a->history, &b->history, sizeof a->history);
}

static void round_trip(bool moments, int heads)
{
    struct state *written = make_state(moments, heads), *read = NULL;
    write_state(written);
    if (checkpoint_read(results, &whole, &read, &err) != 0) fail_msg("%s", err.text);
    assert_same(written, read);
    state_destroy(&written);
    state_destroy(&read);
}

static void every_bit_of_a_state_comes_back(void **state)
{
    (void)state;
    round_trip(true, 2);
    round_trip(false, 1);
    round_trip(false, 0);
}

static void equal_states_give_equal_files(void **state)
{
    (void)state;
    struct state *weights = make_state(true, 2);
    char *bytes[2];
    size_t count[2];
    for (int i = 0; i < 2; i++) {
        write_state(weights);
        assert_int_equal(file_read(path, SIZE_MAX - 1, &bytes[i], &count[i], &err), 0);
        if (i == 0) sleep(1); /* a time stamp would change */
    }
    assert_int_equal(count[0], count[1]);
    assert_memory_equal(bytes[0], bytes[1], count[0]);
    memory_free(bytes[0]);
    memory_free(bytes[1]);
    state_destroy(&weights);
}

/* A file that outgrew its first size would be twice as long, in memory and on disk, with nothing in the second half. */
static void a_file_is_hardly_longer_than_the_numbers_in_it(void **unused)
{
    (void)unused;
    enum { FRAME = 64 << 10, OF_TENSOR = 1 << 10 };
    for (int layers = 1; layers <= LAYERS_MAX; layers = 3 * layers) {
        const struct model_shape shape = {
            .layers = layers, .width = 32, .heads = 2, .context = 8, .vocabulary = 40, .feed_forward = 4};
        const struct head_shape head = {"tense", 2};
        struct state *state = state_create(&shape, &head, 1, true);
        struct stat facts;
        write_state(state);
        assert_int_equal(stat(path, &facts), 0);
        assert_true((size_t)facts.st_size > 3 * state->floats * sizeof(float));
        assert_true((size_t)facts.st_size <
                    3 * state->floats * sizeof(float) + FRAME + (size_t)state->tensors * OF_TENSOR);
        state_destroy(&state);
    }
}

static void copies_are_kept_apart_and_go_one_by_one(void **state)
{
    (void)state;
    struct state *weights = make_state(false, 0);
    write_state(weights);
    const struct checkpoint_name copy = {.state = id, .copy = 5};
    assert_int_equal(checkpoint_write(results, &copy, weights, &err), 0);
    assert_true(checkpoint_there(results, &whole) && checkpoint_there(results, &copy));
    assert_int_equal(checkpoint_remove(results, &copy, &err), 0);
    assert_int_equal(checkpoint_remove(results, &copy, &err), 0);
    assert_true(checkpoint_there(results, &whole) && !checkpoint_there(results, &copy));
    state_destroy(&weights);
}

static void assert_refused(void)
{
    struct state *read = NULL;
    err.text[0] = '\0';
    if (checkpoint_read(results, &whole, &read, &err) == 0) fail_msg("a damaged checkpoint was read");
    assert_null(read);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_non_null(strstr(err.text, name));
}

static void results_with_and_without_an_ending_have_folders_of_their_own(void **unused)
{
    (void)unused;
    struct state *state = make_state(false, 0);
    char bare[sizeof results];
    snprintf(bare, sizeof bare, "%.*s", (int)strlen(results) - 3, results);
    assert_int_equal(checkpoint_write(bare, &whole, state, &err), 0);
    write_state(state);
    assert_int_equal(store_remove(results, &err), 0);
    assert_false(checkpoint_there(results, &whole));
    assert_true(checkpoint_there(bare, &whole));
    assert_int_equal(store_remove(bare, &err), 0);
    state_destroy(&state);
}

static void one_that_is_gone_is_named(void **state)
{
    (void)state;
    assert_int_equal(checkpoint_remove(results, &whole, &err), 0);
    assert_refused();
    assert_non_null(strstr(err.text, "No such file"));
}

static void a_checkpoint_cut_short_at_any_length_is_refused(void **state)
{
    (void)state;
    struct state *weights = make_state(false, 1);
    struct stat facts;
    write_state(weights);
    assert_int_equal(stat(path, &facts), 0);
    for (off_t length = facts.st_size - 1; length >= 0; length -= length > 1100 ? 61 : 1) {
        assert_int_equal(truncate(path, length), 0);
        assert_refused();
    }
    state_destroy(&weights);
}

static void flip(off_t place, unsigned char bit)
{
    unsigned char byte;
    int descriptor = open(path, O_RDWR);
    assert_int_equal(pread(descriptor, &byte, 1, place), 1);
    byte ^= bit;
    assert_int_equal(pwrite(descriptor, &byte, 1, place), 1);
    close(descriptor);
}

static void a_flipped_bit_anywhere_is_found(void **state)
{
    (void)state;
    struct state *weights = make_state(false, 1);
    struct stat facts;
    write_state(weights);
    assert_int_equal(stat(path, &facts), 0);
    for (off_t place = 0; place < facts.st_size; place += place < 1024 ? 1 : 97) {
        unsigned char bit = (unsigned char)(1 << place % 8);
        flip(place, bit);
        assert_refused();
        flip(place, bit);
    }
    state_destroy(&weights);
}

/* The checksum made right again after what no run writes, as no damage can. */
static void repair(void)
{
    char *bytes;
    size_t count;
    struct front front = {.magic = FRONT_MAGIC, .version = FRONT_VERSION, .state = whole.state, .record = whole.record};
    struct hasher hasher;
    assert_int_equal(file_read(path, SIZE_MAX - 1, &bytes, &count, &err), 0);
    front.length = count - FRONT_BYTES;
    hasher_init(&hasher, "checkpoint");
    hasher_add_hash(&hasher, "state", front.state);
    hasher_add_hash(&hasher, "record", front.record);
    hasher_add_integer(&hasher, "partial", 0);
    hasher_add_hash(&hasher, "content", hash_bytes(bytes + FRONT_BYTES, front.length));
    front.check = hasher_finish(&hasher);
    memcpy(bytes, &front, sizeof front);
    assert_int_equal(file_write_atomic(path, bytes, count, &err), 0);
    memory_free(bytes);
}

/* The attribute becomes `length` numbers, all `value`. */
static void assert_attribute_refused(const char *attribute, hsize_t length, int value, const char *part)
{
    int values[100];
    struct state *weights = make_state(false, 2);
    write_state(weights);
    state_destroy(&weights);
    for (int i = 0; i < 100; i++) values[i] = value;
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(1, &length, NULL);
    assert_true(file >= 0 && H5Adelete(file, attribute) >= 0);
    hid_t made = H5Acreate2(file, attribute, H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(made >= 0 && H5Awrite(made, H5T_NATIVE_INT, values) >= 0);
    H5Aclose(made);
    H5Sclose(space);
    H5Fclose(file);
    repair();
    assert_refused();
    if (!strstr(err.text, part)) fail_msg("\"%s\" is not in: %s", part, err.text);
}

static void what_no_run_writes_is_refused_behind_a_right_checksum_too(void **state)
{
    (void)state;
    assert_attribute_refused("layers", 100, 1, "has 100 values where 1 are expected");
    assert_attribute_refused("head_classes", 100, 2, "has 100 values where 2 are expected");
    assert_attribute_refused("head_classes", 2, 65, "the head of tense has 65 classes");
    assert_attribute_refused("layers", 1, 0, "layers is 0; it can be from 1 to 64");
    assert_attribute_refused("share_layers", 1, 2, "share_layers is 2; it can be from 0 to 1");
    assert_attribute_refused("objective", 1, 9, "objective is 9");
    assert_attribute_refused("width", 1, INT32_MAX, "too few for 2 layers of width 2147483647");
    assert_attribute_refused("feed_forward", 1, INT32_MAX, "feed-forward 2147483647");
    assert_attribute_refused("attention_heads", 1, 3, "3 attention heads do not divide a width of 8");
    assert_attribute_refused("heads", 1, 9, "holds 9 heads");
    assert_attribute_refused("context", 1, 7, "tensors/wpe.weight has 48 values where 56 are expected");
}

static void a_checkpoint_under_another_name_is_refused(void **state)
{
    (void)state;
    struct state *weights = make_state(false, 0);
    const struct checkpoint_name other = {.state = {.low = 1, .high = 1}};
    char moved[200];
    assert_int_equal(checkpoint_write(results, &other, weights, &err), 0);
    snprintf(moved, sizeof moved, "%s/r.stages/00000000000000010000000000000001.h5", folder);
    assert_int_equal(rename(moved, path), 0);
    assert_refused();
    assert_non_null(strstr(err.text, "another state"));
    state_destroy(&weights);
}

static void a_state_measured_under_other_settings_is_refused_where_it_matters(void **state)
{
    (void)state;
    struct state *weights = make_state(false, 0), *read = NULL;
    const struct checkpoint_name other = {.state = id, .record = {.low = 7}}, any = {.state = id};
    write_state(weights);
    assert_int_equal(checkpoint_read(results, &other, &read, &err), -1);
    assert_non_null(strstr(err.text, "other settings"));
    assert_int_equal(checkpoint_read(results, &any, &read, &err), 0);
    state_destroy(&read);
    state_destroy(&weights);
}

static void a_state_in_the_middle_is_not_taken_for_the_end(void **state)
{
    (void)state;
    struct state *weights = make_state(true, 1), *read = NULL;
    const struct checkpoint_name part = {.state = id, .partial = true};
    char moved[200];
    assert_int_equal(checkpoint_write(results, &part, weights, &err), 0);
    assert_int_equal(checkpoint_read(results, &part, &read, &err), 0);
    assert_same(weights, read);
    state_destroy(&read);
    snprintf(moved, sizeof moved, "%s/r.stages/000000000000abcd0000000000001234.part.h5", folder);
    assert_int_equal(rename(moved, path), 0);
    assert_refused();
    state_destroy(&weights);
}

struct seen {
    int whole, part, copy, other;
};

static bool see(void *context, const struct checkpoint_name *found)
{
    struct seen *seen = context;
    seen->other += !hash_equal(found->state, id);
    seen->copy += found->copy == 5;
    seen->part += found->partial;
    seen->whole += !found->partial && found->copy == 0;
    return !found->partial;
}

static void touch(const char *file)
{
    char *place = memory_format("%s/r.stages/%s", folder, file);
    assert_int_equal(file_write_atomic(place, "x", 1, &err), 0);
    memory_free(place);
}

static void a_listing_knows_names_and_removes_what_is_not_wanted(void **state)
{
    (void)state;
    struct state *weights = make_state(true, 1);
    struct seen first = {0}, second = {0};
    write_state(weights);
    assert_int_equal(checkpoint_write(results, &(struct checkpoint_name){.state = id, .copy = 5}, weights, &err), 0);
    assert_int_equal(checkpoint_write(results, &(struct checkpoint_name){.state = id, .partial = true}, weights, &err),
                     0);
    touch("000000000000abcd0000000000001234.h5.77.tmp");
    touch("somebody's notes");
    touch("000000000000abcd000000000000123.h5");
    assert_int_equal(checkpoint_list(results, see, &first, &err), 0);
    assert_true(first.whole == 1 && first.part == 1 && first.copy == 1 && first.other == 0);
    assert_int_equal(checkpoint_list(results, see, &second, &err), 0);
    assert_true(second.whole == 1 && second.part == 0 && second.copy == 1);
    char *temporary = memory_format("%s/r.stages/000000000000abcd0000000000001234.h5.77.tmp", folder);
    char *notes = memory_format("%s/r.stages/somebody's notes", folder);
    assert_int_equal(access(temporary, F_OK), -1);
    assert_int_equal(access(notes, F_OK), 0);
    memory_free(temporary);
    memory_free(notes);
    state_destroy(&weights);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(results, sizeof results, "%s/r.h5", folder);
    snprintf(path, sizeof path, "%s/r.stages/%s", folder, name);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_remove(results, &err);
    rmdir(folder);
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_of_a_state_comes_back),
        cmocka_unit_test(equal_states_give_equal_files),
        cmocka_unit_test(a_file_is_hardly_longer_than_the_numbers_in_it),
        cmocka_unit_test(copies_are_kept_apart_and_go_one_by_one),
        cmocka_unit_test(results_with_and_without_an_ending_have_folders_of_their_own),
        cmocka_unit_test(one_that_is_gone_is_named),
        cmocka_unit_test(a_checkpoint_cut_short_at_any_length_is_refused),
        cmocka_unit_test(a_flipped_bit_anywhere_is_found),
        cmocka_unit_test(what_no_run_writes_is_refused_behind_a_right_checksum_too),
        cmocka_unit_test(a_checkpoint_under_another_name_is_refused),
        cmocka_unit_test(a_state_measured_under_other_settings_is_refused_where_it_matters),
        cmocka_unit_test(a_state_in_the_middle_is_not_taken_for_the_end),
        cmocka_unit_test(a_listing_knows_names_and_removes_what_is_not_wanted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
