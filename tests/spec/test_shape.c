/* Parameters, operations and bytes of a shape against sums done by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "palimpsest/spec.h"

/* GPT-2 small, whose 124,439,808 parameters are published with its weights. */
static struct model_shape gpt2(void)
{
    return (struct model_shape){
        .layers = 12, .width = 768, .heads = 12, .context = 1024, .vocabulary = 50257, .feed_forward = 4};
}

static void gpt2_small_has_its_published_number_of_parameters(void **unused)
{
    (void)unused;
    struct model_shape shape = gpt2();
    assert_int_equal(shape_parameters(&shape), 124439808);
    assert_int_equal(shape_parameters_non_embedding(&shape), 124439808 - (50257 + 1024) * 768);
}

static void shared_layers_count_once(void **unused)
{
    (void)unused;
    struct model_shape shape = gpt2(), one = gpt2();
    shape.share_layers = true;
    one.layers = 1;
    assert_int_equal(shape_parameters(&shape), shape_parameters(&one));
}

/* By hand for width 2, feed-forward 3 x 2: matrices 4 x 4 + 2 x 12 = 40; biases 6 + 2 + 6 + 2, norms 8: 24; final 4. */
static void a_shape_small_enough_for_counting(void **unused)
{
    (void)unused;
    struct model_shape shape = {.layers = 1, .width = 2, .heads = 1, .context = 5, .vocabulary = 7, .feed_forward = 3};
    assert_int_equal(shape_parameters_non_embedding(&shape), 68);
    assert_int_equal(shape_parameters(&shape), 68 + 24);
    assert_int_equal(shape_state_bytes(&shape, 1, 3), 4 * (68 + 24 + 3 * 3));
}

static void operations_follow_the_formula(void **unused)
{
    (void)unused;
    struct model_shape shape = {
        .layers = 4, .width = 64, .heads = 4, .context = 64, .vocabulary = 256, .feed_forward = 4};
    double matrices = 12.0 * 4 * 64 * 64, head = 256.0 * 64, attention = 12.0 * 4 * 64 * 64;
    assert_float_equal(shape_training_flops(&shape, 1000, 64, true), 1000 * (6 * (matrices + head) + attention), 1);
    assert_float_equal(shape_training_flops(&shape, 1000, 64, false), 1000 * (6 * matrices + attention), 1);
    shape.share_layers = true; /* saves parameters, not work */
    assert_float_equal(shape_training_flops(&shape, 1000, 64, false), 1000 * (6 * matrices + attention), 1);
}

static void buffers_do_not_overlap_and_start_on_cache_lines(void **unused)
{
    (void)unused;
    struct model_shape shape = {
        .layers = 3, .width = 20, .heads = 2, .context = 50, .vocabulary = 300, .feed_forward = 4};
    for (int training = 0; training < 2; training++) {
        int64_t start[WORK_BUFFERS + 1];
        shape_work_table(&shape, 601, 40, training, start);
        assert_int_equal(start[0], 0);
        for (int i = 0; i < WORK_BUFFERS; i++) {
            assert_true(start[i + 1] >= start[i]);
            assert_int_equal(start[i + 1] % 16, 0);
        }
        assert_true(start[WORK_FINAL] - start[WORK_HIDDEN] >= 4 * 601 * 20);
        assert_true(start[WORK_ATTENDED] - start[WORK_PROBABILITY] >= (training ? 3 * 601 * 2 * 50 : 50 * 50));
        assert_true((start[WORK_BUFFERS] > start[WORK_DHIDDEN]) == training);
    }
}

static void bytes_grow_with_everything_and_do_not_overflow(void **unused)
{
    (void)unused;
    struct model_shape shape = gpt2();
    int64_t forward = shape_work_bytes(&shape, 8 * 1024, 8, false), both = shape_work_bytes(&shape, 8 * 1024, 8, true);
    assert_true(forward < both && both > (int64_t)1 << 32);
    assert_true(shape_work_bytes(&shape, 16 * 1024, 16, true) > both);
    shape.layers++;
    assert_true(shape_work_bytes(&shape, 8 * 1024, 8, true) > both);
}

static void shapes_are_equal_when_every_part_is(void **unused)
{
    (void)unused;
    struct model_shape shape = gpt2(), other[8];
    for (int i = 0; i < 8; i++) other[i] = gpt2();
    assert_true(shape_equal(&shape, &other[0]));
    other[0].layers++;
    other[1].width++;
    other[2].heads++;
    other[3].context++;
    other[4].vocabulary++;
    other[5].feed_forward++;
    other[6].objective = OBJECTIVE_MASKED;
    other[7].share_layers = true;
    for (int i = 0; i < 8; i++) assert_false(shape_equal(&shape, &other[i]));
}

static void settings_become_a_shape(void **unused)
{
    (void)unused;
    struct settings settings = {.model = {.objective = OBJECTIVE_MASKED,
                                          .context = 9,
                                          .layers = 3,
                                          .width = 12,
                                          .heads = 2,
                                          .feed_forward = 5,
                                          .share_layers = 1}};
    struct model_shape shape = shape_of(&settings, 77);
    assert_true(shape.objective == OBJECTIVE_MASKED && shape.share_layers);
    assert_int_equal(shape.context, 9);
    assert_int_equal(shape.layers, 3);
    assert_int_equal(shape.width, 12);
    assert_int_equal(shape.heads, 2);
    assert_int_equal(shape.feed_forward, 5);
    assert_int_equal(shape.vocabulary, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_small_has_its_published_number_of_parameters),
        cmocka_unit_test(shared_layers_count_once),
        cmocka_unit_test(a_shape_small_enough_for_counting),
        cmocka_unit_test(operations_follow_the_formula),
        cmocka_unit_test(buffers_do_not_overlap_and_start_on_cache_lines),
        cmocka_unit_test(bytes_grow_with_everything_and_do_not_overflow),
        cmocka_unit_test(shapes_are_equal_when_every_part_is),
        cmocka_unit_test(settings_become_a_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
