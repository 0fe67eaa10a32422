#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "palimpsest/bench.h"

static const struct bench_shape tiny = {
    {.layers = 1, .width = 8, .heads = 2, .context = 8, .vocabulary = 32, .feed_forward = 4},
    16,
    6,
    {2, 2, 2, 2, 2, 2, 2, 2, 6, 6, 6, 6, 6, 6, 6, 6}};

static void assert_sound(const struct step_speed *step, int batch, double length)
{
    assert_int_equal(step->batch, batch);
    assert_true(step->count >= 3);
    assert_true(step->tokens == length * batch);
    assert_true(0 < step->least && step->least <= step->seconds && step->seconds <= step->most);
}

static void a_shape_is_measured_in_all_its_aspects(void **unused)
{
    (void)unused;
    struct training_speed speed;
    struct error err = {0};
    double before = clock_seconds(), sum = 0;
    assert_int_equal(bench_train(&tiny, 0.1, &speed, &err), 0);
    double passed = clock_seconds() - before;
    assert_sound(&speed.step, 16, 8);
    assert_sound(&speed.small, 2, 8);
    assert_sound(&speed.forward, 16, 8);
    assert_sound(&speed.finetune, 6, 4);
    /* 6 (12 L d^2 + V d) + 12 L T d for each token */
    assert_true(speed.step.flops == 128 * (6 * (12 * 64 + 32 * 8) + 12 * 8 * 8.0));
    assert_true(fabs(speed.small.flops * 8 / speed.step.flops - 1) < 1e-12);
    assert_true(fabs(speed.forward.flops * 3 / speed.step.flops - 1) < 1e-12);
    /* without the words, on 6 texts of 4 tokens on average */
    assert_true(speed.finetune.flops == 24 * (6 * 12 * 64 + 12 * 4 * 8.0));
    assert_true(speed.step.flops / speed.step.least < speed.limit);
    for (int p = 0; p < PROFILE_PART_COUNT; p++) {
        assert_true(speed.part[p] >= 0);
        sum += speed.part[p];
    }
    assert_true(sum > 0.9 && sum <= 1.0001);
    assert_true(speed.part[PROFILE_PRODUCT_FORWARD] > 0 && speed.part[PROFILE_PRODUCT_BACKWARD] > 0);
    assert_true(speed.part[PROFILE_ATTENTION] > 0 && speed.part[PROFILE_UPDATE] > 0 && speed.part[PROFILE_LOSS] > 0);
    assert_true(speed.clock > 0 && speed.clock < 1);
    assert_true(passed >= 0.1);
}

static void however_short_the_time_each_aspect_is_measured(void **unused)
{
    (void)unused;
    struct training_speed speed;
    struct error err = {0};
    assert_int_equal(bench_train(&tiny, 1e-9, &speed, &err), 0);
    assert_sound(&speed.step, 16, 8);
    assert_sound(&speed.small, 2, 8);
    assert_sound(&speed.forward, 16, 8);
    assert_sound(&speed.finetune, 6, 4);
    assert_true(speed.limit > 0 && speed.part[PROFILE_UPDATE] > 0);
}

static void a_batch_of_one_has_no_smaller_one(void **unused)
{
    (void)unused;
    struct bench_shape one = tiny;
    struct training_speed speed;
    struct error err = {0};
    one.batch = 1;
    assert_int_equal(bench_train(&one, 1e-9, &speed, &err), 0);
    assert_int_equal(speed.small.batch, 1);
    assert_sound(&speed.finetune, 6, 4); /* more texts than windows: there is room for both */
}

static void texts_fill_at_least_a_token_and_at_most_the_context(void **unused)
{
    (void)unused;
    struct bench_shape extreme = tiny;
    struct training_speed speed;
    struct error err = {0};
    for (int l = 0; l < BENCH_LENGTHS; l++) extreme.length[l] = 100;
    assert_int_equal(bench_train(&extreme, 1e-9, &speed, &err), 0);
    assert_sound(&speed.finetune, 6, 8);
    memset(extreme.length, 0, sizeof extreme.length);
    assert_int_equal(bench_train(&extreme, 1e-9, &speed, &err), 0);
    assert_true(speed.finetune.tokens == 1 + 2 + 2 + 2 + 3 + 3); /* from 8/6 to 8/2, the parts of tokens cut off */
    extreme.shape.context = 4;
    assert_int_equal(bench_train(&extreme, 1e-9, &speed, &err), 0);
    assert_sound(&speed.finetune, 6, 1); /* less than a token is one */
}

static void heads_that_do_not_divide_the_width_are_refused(void **unused)
{
    (void)unused;
    struct bench_shape odd = tiny;
    struct training_speed speed;
    struct error err = {0};
    odd.shape.heads = 3;
    assert_int_equal(bench_train(&odd, 0.1, &speed, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "width of 8 cannot be shared among 3 heads"));
}

static void a_shape_larger_than_the_machine_is_refused_and_not_tried(void **unused)
{
    (void)unused;
    struct bench_shape vast = {
        {.layers = 64, .width = 16384, .heads = 2, .context = 4096, .vocabulary = 65536, .feed_forward = 4},
        65536,
        16,
        {0}};
    struct training_speed speed;
    struct error err = {0};
    assert_int_equal(bench_train(&vast, 0.1, &speed, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "smaller"));
}

static void the_limit_of_the_core_repeats_and_its_vectors_have_a_name(void **unused)
{
    (void)unused;
    double limit = 0;
    for (int i = 0; i < 20; i++) limit = fmax(limit, bench_core_limit(5e-3));
    assert_true(limit > 1e8 && limit < 1e13);
    assert_true(bench_core_limit(0) <= 2 * limit);
    assert_true(strlen(bench_core_vectors()) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shape_is_measured_in_all_its_aspects),
        cmocka_unit_test(however_short_the_time_each_aspect_is_measured),
        cmocka_unit_test(a_batch_of_one_has_no_smaller_one),
        cmocka_unit_test(texts_fill_at_least_a_token_and_at_most_the_context),
        cmocka_unit_test(heads_that_do_not_divide_the_width_are_refused),
        cmocka_unit_test(a_shape_larger_than_the_machine_is_refused_and_not_tried),
        cmocka_unit_test(the_limit_of_the_core_repeats_and_its_vectors_have_a_name),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed || memory_count().blocks != 0;
}
