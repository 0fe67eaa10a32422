/* Learning rates by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/train.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-15)

static struct pretraining recipe(bool cooling)
{
    return (struct pretraining){
        .optimizer = {.learning_rate = 0.8}, .steps = {.warmup = 4, .trunk = 10, .cooldown = 4}, .cooling = cooling};
}

static void warm_up_is_linear_and_ends_at_the_peak(void **unused)
{
    (void)unused;
    struct pretraining p = recipe(false);
    NEAR(pretraining_rate(&p, 0), 0.2); /* 0.8 x 1/4 */
    NEAR(pretraining_rate(&p, 1), 0.4);
    NEAR(pretraining_rate(&p, 2), 0.6);
    NEAR(pretraining_rate(&p, 3), 0.8);
    p.steps.warmup = 0;
    NEAR(pretraining_rate(&p, 0), 0.8);
}

static void the_trunk_is_constant_whatever_the_amount(void **unused)
{
    (void)unused;
    struct pretraining p = recipe(false);
    for (int64_t step = 4; step < 100; step++) NEAR(pretraining_rate(&p, step), 0.8);
}

static void the_cooldown_falls_by_the_square_root(void **unused)
{
    (void)unused;
    struct pretraining p = recipe(true);
    NEAR(pretraining_rate(&p, 9), 0.8);                     /* still trunk */
    NEAR(pretraining_rate(&p, 10), 0.8);                    /* 1 - sqrt(0/4) */
    NEAR(pretraining_rate(&p, 11), 0.4);                    /* 1 - sqrt(1/4) = 1/2 */
    NEAR(pretraining_rate(&p, 12), 0.8 * (1 - sqrt(0.5)));  /* 1 - sqrt(2/4) */
    NEAR(pretraining_rate(&p, 13), 0.8 * (1 - sqrt(0.75))); /* 1 - sqrt(3/4) */
    NEAR(pretraining_rate(&p, 14), 0);                      /* past the end */
}

static void fine_tuning_warms_up_and_decays_to_zero(void **unused)
{
    (void)unused;
    struct finetune_recipe r = {.steps = 10, .warmup = 0.2, .optimizer = {.learning_rate = 0.8}};
    NEAR(finetuning_rate(&r, 0), 0.4); /* 1/2 of the way */
    NEAR(finetuning_rate(&r, 1), 0.8);
    NEAR(finetuning_rate(&r, 2), 0.8); /* 8/8 */
    NEAR(finetuning_rate(&r, 3), 0.7); /* 7/8 */
    NEAR(finetuning_rate(&r, 9), 0.1); /* 1/8 */
    NEAR(finetuning_rate(&r, 10), 0);
}

static void a_constant_rate_warms_up_alike_and_stays(void **unused)
{
    (void)unused;
    struct finetune_recipe r = {.steps = 10, .warmup = 0.2, .optimizer = {.learning_rate = 0.8}};
    NEAR(constant_rate(&r, 0), 0.4);
    for (int64_t step = 1; step < 40; step++) NEAR(constant_rate(&r, step), 0.8); /* past the steps of the recipe too */
}

static void warm_up_over_all_or_none_of_the_steps_is_no_division_by_zero(void **unused)
{
    (void)unused;
    struct finetune_recipe r = {.steps = 4, .warmup = 1, .optimizer = {.learning_rate = 0.8}};
    NEAR(finetuning_rate(&r, 3), 0.8);
    NEAR(finetuning_rate(&r, 4), 0);
    r.warmup = 0;
    NEAR(finetuning_rate(&r, 0), 0.8);
    NEAR(finetuning_rate(&r, 3), 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_is_linear_and_ends_at_the_peak),
        cmocka_unit_test(the_trunk_is_constant_whatever_the_amount),
        cmocka_unit_test(the_cooldown_falls_by_the_square_root),
        cmocka_unit_test(fine_tuning_warms_up_and_decays_to_zero),
        cmocka_unit_test(a_constant_rate_warms_up_alike_and_stays),
        cmocka_unit_test(warm_up_over_all_or_none_of_the_steps_is_no_division_by_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
