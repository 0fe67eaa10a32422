/* Reading text worlds, on corpora whose token i has value i, so that a window is known by its first token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/world/text_private.h"
#include "text_files.h"

enum { CONTEXT = 10, TOKENS = 1000 };

/* 800 tokens in training after a separator of value TOKENS: 80 windows; 200 held out after another: 20. */
static struct world *counting_world(struct text_files *files)
{
    binary_world(files, TOKENS);
    corpus_add_count(files, "count", 0, TOKENS);
    return text_world(files, CONTEXT);
}

static struct reading reading_of(uint64_t seed)
{
    return (struct reading){.domains = 1, .seed = seed, .context = CONTEXT};
}

/* Number of the window that a sample is; asserts that its tokens are consecutive. */
static int window_read(const struct world *world, const struct reading *reading, uint64_t sample)
{
    uint16_t token[CONTEXT + 1];
    world_read(world, reading, sample, token);
    for (int i = 2; i <= reading->context; i++) assert_int_equal(token[i], token[i - 1] + 1);
    assert_int_equal(token[0], token[1] == 0 ? TOKENS : token[1] - 1);
    assert_int_equal(token[1] % reading->context, 0);
    assert_true(token[reading->context] < 800);
    return token[1] / reading->context;
}

static void an_epoch_reads_every_window_once(void **state)
{
    struct world *world = counting_world(*state);
    struct reading reading = reading_of(3);
    assert_int_equal(world_facts(world)->domain[0].tokens, 800);
    for (uint64_t epoch = 0; epoch < 5; epoch++) {
        bool seen[80] = {false};
        for (uint64_t i = 0; i < 80; i++) {
            int window = window_read(world, &reading, 80 * epoch + i);
            assert_false(seen[window]);
            seen[window] = true;
        }
    }
    world_destroy(&world);
}

static void shorter_contexts_read_the_same_text_in_more_windows(void **state)
{
    struct world *world = counting_world(*state);
    struct reading reading = reading_of(3);
    bool seen[200] = {false};
    reading.context = 4;
    for (uint64_t i = 0; i < 200; i++) {
        int window = window_read(world, &reading, i);
        assert_false(seen[window]);
        seen[window] = true;
    }
    world_destroy(&world);
}

static int places_that_differ(const struct world *world, const struct reading *a, const struct reading *b,
                              uint64_t shift)
{
    int count = 0;
    for (uint64_t i = 0; i < 80; i++) count += window_read(world, a, i) != window_read(world, b, i + shift);
    return count;
}

static void a_window_needs_the_token_after_it(void **state)
{
    struct text_files *files = *state;
    binary_world(files, TOKENS);
    corpus_add_count(files, "count", 0, TOKENS - 1); /* with the separator 800 tokens: the last ten have no target */
    struct world *world = text_world(files, CONTEXT);
    struct reading reading = reading_of(3);
    assert_int_equal(world_facts(world)->domain[0].tokens, 790);
    for (uint64_t i = 0; i < 79; i++) assert_true(window_read(world, &reading, i) < 79);
    world_destroy(&world);
}

static void the_order_of_windows_depends_on_seed_and_epoch(void **state)
{
    struct world *world = counting_world(*state);
    struct reading a = reading_of(3), b = reading_of(4);
    int in_file_order = 0;
    assert_int_equal(places_that_differ(world, &a, &a, 0), 0);
    assert_true(places_that_differ(world, &a, &b, 0) > 60);
    assert_true(places_that_differ(world, &a, &a, 80) > 60);
    for (uint64_t i = 0; i < 80; i++) in_file_order += window_read(world, &a, i) == (int)i;
    assert_true(in_file_order < 10);
    world_destroy(&world);
}

static void reference_windows_are_the_held_out_tail_each_once(void **state)
{
    struct world *world = counting_world(*state);
    bool seen[20] = {false};
    assert_int_equal(world_reference_windows(world, 0, CONTEXT, 1000000), 20);
    assert_int_equal(world_reference_windows(world, 0, CONTEXT, 59), 5);
    assert_int_equal(world_reference_windows(world, 0, CONTEXT, 1), 1);
    for (int w = 0; w < 20; w++) {
        uint16_t token[CONTEXT + 1];
        world_reference(world, 0, w, CONTEXT, token);
        assert_in_range(token[1], 800, 999);
        assert_int_equal(token[CONTEXT], token[1] + CONTEXT - 1);
        assert_false(seen[(token[1] - 800) / CONTEXT]);
        seen[(token[1] - 800) / CONTEXT] = true;
    }
    world_destroy(&world);
}

static void two_worlds_of_one_spec_are_the_same(void **state)
{
    struct world *a = counting_world(*state), *b = text_world(*state, CONTEXT);
    struct reading reading = reading_of(11);
    const struct domain_facts *fact_a = world_facts(a)->domain, *fact_b = world_facts(b)->domain;
    assert_true(hash_equal(fact_a->training, fact_b->training) && hash_equal(fact_a->reference, fact_b->reference));
    for (uint64_t i = 0; i < 100; i++) assert_int_equal(window_read(a, &reading, i), window_read(b, &reading, i));
    world_destroy(&a);
    world_destroy(&b);
}

static void a_stream_follows_the_content_and_not_the_name(void **state)
{
    struct text_files *files = *state;
    struct world *a = counting_world(files);
    corpus_add_count(files, "renamed", 0, TOKENS);
    corpus_add_count(files, "changed", 0, TOKENS - 1);
    struct world *b = text_world(files, CONTEXT);
    const struct domain_facts *fact = world_facts(b)->domain;
    struct reading first = reading_of(2), second = reading_of(2);
    second.domain[0] = 1;
    assert_string_equal(fact[1].name, "renamed");
    assert_true(hash_equal(fact[0].training, fact[1].training));
    assert_false(hash_equal(fact[0].training, fact[2].training));
    for (uint64_t i = 0; i < 80; i++) assert_int_equal(window_read(a, &first, i), window_read(b, &second, i));
    world_destroy(&a);
    world_destroy(&b);
}

static void the_reference_hash_knows_the_order_of_its_windows(void **state)
{
    struct text_files *files = *state;
    struct world *a = counting_world(files);
    files->spec.seed = 2;
    struct world *b = text_world(files, CONTEXT);
    uint16_t from_a[CONTEXT + 1], from_b[CONTEXT + 1];
    int differ = 0;
    for (int w = 0; w < 20; w++) {
        world_reference(a, 0, w, CONTEXT, from_a);
        world_reference(b, 0, w, CONTEXT, from_b);
        differ += from_a[1] != from_b[1];
    }
    assert_true(differ > 10);
    assert_true(hash_equal(world_facts(a)->domain->training, world_facts(b)->domain->training));
    assert_false(hash_equal(world_facts(a)->domain->reference, world_facts(b)->domain->reference));
    world_destroy(&a);
    world_destroy(&b);
}

static void a_text_world_has_no_floor(void **state)
{
    struct world *world = counting_world(*state);
    struct reading reading = reading_of(1);
    assert_true(isnan(world_floor(world, &reading, 0, 3)));
    assert_int_equal(world_facts(world)->task_domains, 0);
    world_destroy(&world);
}

static void shuffles_are_permutations_of_any_count(void **state)
{
    (void)state;
    struct random_stream stream = random_stream("test", 1, NULL);
    for (uint32_t count = 1; count <= 300; count++) {
        bool seen[300] = {false};
        for (uint32_t i = 0; i < count; i++) {
            uint32_t to = shuffle_index(stream, count, count, i);
            assert_true(to < count && !seen[to]);
            seen[to] = true;
        }
    }
    assert_true(shuffle_index(stream, 0, UINT32_MAX, UINT32_MAX - 1) < UINT32_MAX);
}

static void neighbours_do_not_stay_neighbours(void **state)
{
    struct random_stream stream = random_stream("test", 2, NULL);
    int together = 0;
    (void)state;
    for (uint32_t i = 0; i + 1 < 1000; i++)
        together += shuffle_index(stream, 0, 1000, i + 1) == shuffle_index(stream, 0, 1000, i) + 1;
    assert_true(together < 8); /* about Poisson with mean 1 */
}

/* Over many keys every element comes to every place about equally often: chi-square with 36 cells. */
static void shuffles_favour_no_place(void **state)
{
    (void)state;
    enum { COUNT = 6, KEYS = 6000 };
    int landed[COUNT][COUNT] = {{0}};
    double chi_square = 0, expected = (double)KEYS / COUNT;
    for (uint64_t seed = 0; seed < KEYS; seed++)
        for (uint32_t i = 0; i < COUNT; i++) landed[i][shuffle_index(random_stream("test", seed, NULL), 0, COUNT, i)]++;
    for (int cell = 0; cell < COUNT * COUNT; cell++) {
        double off = landed[cell / COUNT][cell % COUNT] - expected;
        chi_square += off * off / expected;
    }
    assert_true(chi_square < 60); /* 25 degrees of freedom: P(above 60) < 1e-4 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_epoch_reads_every_window_once, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(shorter_contexts_read_the_same_text_in_more_windows, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_window_needs_the_token_after_it, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(the_order_of_windows_depends_on_seed_and_epoch, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(reference_windows_are_the_held_out_tail_each_once, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(two_worlds_of_one_spec_are_the_same, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(a_stream_follows_the_content_and_not_the_name, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(the_reference_hash_knows_the_order_of_its_windows, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_text_world_has_no_floor, text_files_setup, text_files_teardown),
        cmocka_unit_test(shuffles_are_permutations_of_any_count),
        cmocka_unit_test(neighbours_do_not_stay_neighbours),
        cmocka_unit_test(shuffles_favour_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
