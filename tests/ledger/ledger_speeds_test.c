#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/ledger.h"

/* A machine on which a step takes 2 ns per parameter beside its FLOPs. */
static struct speed_point point_of(int width, double parameters, double flops_per_second, double forward)
{
    struct speed_point point = {.width = width, .parameters = parameters, .flops = 8e6, .small_flops = 1e6};
    point.seconds = 2e-9 * parameters + point.flops / flops_per_second;
    point.small_seconds = 2e-9 * parameters + point.small_flops / flops_per_second;
    point.forward_flops = 3e6;
    point.forward_seconds = point.forward_flops / forward;
    point.finetune_flops = 1e8; /* at half the rate */
    point.finetune_seconds = 2e-9 * parameters + point.finetune_flops / (flops_per_second / 2);
    return point;
}

static void assert_near(double a, double b) { assert_true(fabs(a / b - 1) < 1e-9); }

static void two_sizes_of_batch_tell_flops_and_parameters_apart(void **unused)
{
    (void)unused;
    struct speed_point point = point_of(64, 1e5, 2e10, 3e10);
    struct rates rates = rates_at(&point, 1, 64);
    assert_near(rates.per_parameter, 2e-9);
    assert_near(rates.flops_per_second, 2e10);
    assert_near(rates.finetune_flops_per_second, 1e10);
    assert_near(rates.forward_flops_per_second, 3e10);
}

static void one_size_of_batch_gives_one_rate(void **unused)
{
    (void)unused;
    struct speed_point point = point_of(64, 1e5, 2e10, 3e10);
    point.small_flops = point.flops;
    point.small_seconds = point.seconds;
    struct rates rates = rates_at(&point, 1, 64);
    assert_true(rates.per_parameter == 0);
    assert_near(rates.flops_per_second, point.flops / point.seconds);
    assert_near(rates.finetune_flops_per_second, point.finetune_flops / point.finetune_seconds);
}

/* Clip and AdamW alone cannot take longer than a step with them. */
static void a_step_of_fine_tuning_is_never_all_fixed(void **unused)
{
    (void)unused;
    struct speed_point point = point_of(64, 1e5, 2e10, 3e10);
    point.finetune_seconds = 1e-9 * point.parameters;
    assert_near(rates_at(&point, 1, 64).finetune_flops_per_second,
                point.finetune_flops / (0.1 * point.finetune_seconds));
}

static void a_small_batch_that_was_held_up_or_too_fast_is_not_believed(void **unused)
{
    (void)unused;
    struct speed_point slow = point_of(64, 1e5, 2e10, 3e10), fast = slow;
    slow.small_seconds = 2 * slow.seconds;
    fast.small_seconds = fast.seconds / 100;
    const struct rates one = rates_at(&slow, 1, 64), other = rates_at(&fast, 1, 64);
    assert_true(one.per_parameter == 0 && other.per_parameter == 0);
    assert_near(one.flops_per_second, slow.flops / slow.seconds);
    assert_near(other.flops_per_second, fast.flops / fast.seconds);
}

static void between_two_widths_the_rates_lie_on_a_line_in_logarithms(void **unused)
{
    (void)unused;
    const struct speed_point points[] = {point_of(256, 1e6, 8e10, 9e10), point_of(64, 1e5, 2e10, 1e10)};
    struct rates rates = rates_at(points, 2, 128);
    assert_near(rates.flops_per_second, 4e10);
    assert_near(rates.finetune_flops_per_second, 2e10);
    assert_near(rates.forward_flops_per_second, 3e10);
    assert_near(rates.per_parameter, 2e-9);
    double before = 0;
    for (int width = 60; width <= 260; width += 4) {
        double now = rates_at(points, 2, width).flops_per_second;
        assert_true(now >= before * (1 - 1e-12));
        before = now;
    }
}

static void above_the_widest_it_counts_and_below_the_narrowest_the_line_goes_on_down(void **unused)
{
    (void)unused;
    const struct speed_point points[] = {point_of(256, 1e6, 8e10, 9e10), point_of(64, 1e5, 2e10, 1e10)};
    assert_near(rates_at(points, 2, 16).flops_per_second, 5e9);
    assert_near(rates_at(points, 2, 16).finetune_flops_per_second, 2.5e9);
    assert_near(rates_at(points, 2, 16).per_parameter, 2e-9);
    const struct speed_point falling[] = {point_of(64, 1e5, 4e10, 1e10), point_of(256, 1e6, 2e10, 2e10)};
    assert_near(rates_at(falling, 2, 16).flops_per_second, 4e10);
    assert_near(rates_at(falling, 2, 16).forward_flops_per_second, 5e9);
    assert_near(rates_at(points, 2, 1024).flops_per_second, 8e10);
}

static void shapes_of_one_width_count_by_their_mean(void **unused)
{
    (void)unused;
    const struct speed_point points[] = {point_of(64, 1e5, 1e10, 1e10), point_of(64, 2e5, 4e10, 1e10),
                                         point_of(128, 1e6, 8e10, 1e10)};
    assert_near(rates_at(points, 3, 64).flops_per_second, 2e10);
    assert_near(rates_at(points, 3, 64).per_parameter, 2e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sizes_of_batch_tell_flops_and_parameters_apart),
        cmocka_unit_test(one_size_of_batch_gives_one_rate),
        cmocka_unit_test(a_step_of_fine_tuning_is_never_all_fixed),
        cmocka_unit_test(a_small_batch_that_was_held_up_or_too_fast_is_not_believed),
        cmocka_unit_test(between_two_widths_the_rates_lie_on_a_line_in_logarithms),
        cmocka_unit_test(above_the_widest_it_counts_and_below_the_narrowest_the_line_goes_on_down),
        cmocka_unit_test(shapes_of_one_width_count_by_their_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
