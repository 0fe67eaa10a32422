/* Items lost and gained, counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/measure.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

/* Ten items of a task of 3 classes: 6 right before, 5 after; 3 lost, 2 gained, 3 kept, 2 never right. */
static const uint8_t before[] = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0};
static const uint8_t after[] = {0, 0, 0, 1, 1, 1, 1, 1, 0, 0};

static void lost_and_gained_items_are_counted(void **unused)
{
    (void)unused;
    struct transitions t = transitions_of(before, after, 10, 3);
    assert_int_equal(t.items, 10);
    assert_int_equal(t.lost, 3);
    assert_int_equal(t.gained, 2);
}

/* Wrong before 4 of 10: 4/10 / 2 of all right by luck; of those 5 in 10 wrong afterwards: 10 x 0.2 x 0.5 = 1 item. */
static void chance_takes_the_lucky_ones_off_both_counts(void **unused)
{
    (void)unused;
    struct transitions t = transitions_of(before, after, 10, 3);
    NEAR(t.lost_above_chance, 2);   /* 3 - 1 */
    NEAR(t.gained_above_chance, 1); /* 2 - 1: wrong before 0.4, right by luck after 0.5 / 2 = 0.25, 10 x 0.4 x 0.25 */
}

/* Those who know or else guess evenly, and what the correction makes of them: 400 items of 4 classes; 120 known
 * throughout, 80 known and then forgotten, 40 learnt, 160 never known.  Guesses are right one time in four, spread
 * evenly. known, then guessed (80):   60 lost, 20 kept by luck guessed, then known (40):   30 gained, 10 right both
 * times guessed twice (160):        10 right both times, 30 lost, 30 gained, 90 wrong both times */
static void independent_guesses_take_off_most_of_what_guessing_adds(void **unused)
{
    (void)unused;
    enum { ITEMS = 400 };
    uint8_t then[ITEMS], now[ITEMS];
    const struct {
        int count, then, now;
    } cells[] = {{120 + 20 + 10 + 10, 1, 1}, {60 + 30, 1, 0}, {30 + 30, 0, 1}, {90, 0, 0}};
    int at = 0;
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < cells[c].count; i++, at++) {
            then[at] = (uint8_t)cells[c].then;
            now[at] = (uint8_t)cells[c].now;
        }
    assert_int_equal(at, ITEMS);
    struct transitions t = transitions_of(then, now, ITEMS, 4);
    assert_int_equal(t.lost, 90);
    assert_int_equal(t.gained, 60);
    /* Wrong before 150, so 50 lucky (10 + 10 + 30, as above); wrong after 180 of 400: 22.5 of the 30 that luck lost. */
    NEAR(t.lost_above_chance, 90 - 22.5);
    NEAR(t.gained_above_chance, 60 - 22.5);
}

static void the_difference_of_the_counts_is_that_of_the_right_ones(void **unused)
{
    (void)unused;
    struct transitions t = transitions_of(before, after, 10, 3);
    assert_int_equal(t.lost - t.gained, 6 - 5);
    NEAR(t.lost_above_chance - t.gained_above_chance, 1);
}

static void guessing_twice_loses_nothing_above_chance(void **unused)
{
    (void)unused;
    /* two classes, every combination equally often */
    const uint8_t then[] = {0, 0, 1, 1, 0, 0, 1, 1}, now[] = {0, 1, 0, 1, 0, 1, 0, 1};
    struct transitions t = transitions_of(then, now, 8, 2);
    assert_int_equal(t.lost, 2);
    NEAR(t.lost_above_chance, 0);
    NEAR(t.gained_above_chance, 0);
}

static void the_same_outcomes_have_no_transitions(void **unused)
{
    (void)unused;
    const uint8_t all[] = {1, 1, 1};
    struct transitions t = transitions_of(before, before, 10, 2);
    assert_true(t.lost == 0 && t.gained == 0);
    NEAR(t.lost_above_chance, -1.6); /* 4 x 4 / 10: as many as guesses would have lost */
    t = transitions_of(all, all, 3, 2);
    NEAR(t.lost_above_chance, 0);
}

static void directions_are_not_confused(void **unused)
{
    (void)unused;
    struct transitions t = transitions_of(after, before, 10, 3);
    assert_int_equal(t.lost, 2);
    assert_int_equal(t.gained, 3);
}

static void one_class_has_no_chance_to_speak_of(void **unused)
{
    (void)unused;
    struct transitions t = transitions_of(before, after, 10, 1);
    assert_int_equal(t.lost, 3);
    assert_true(isnan(t.lost_above_chance) && isnan(t.gained_above_chance));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_and_gained_items_are_counted),
        cmocka_unit_test(chance_takes_the_lucky_ones_off_both_counts),
        cmocka_unit_test(independent_guesses_take_off_most_of_what_guessing_adds),
        cmocka_unit_test(the_difference_of_the_counts_is_that_of_the_right_ones),
        cmocka_unit_test(guessing_twice_loses_nothing_above_chance),
        cmocka_unit_test(the_same_outcomes_have_no_transitions),
        cmocka_unit_test(directions_are_not_confused),
        cmocka_unit_test(one_class_has_no_chance_to_speak_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
