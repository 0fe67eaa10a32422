/* Why a number is there or is not: by the status of the stage behind its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "answer_private.h"

static double status_values[STATUS_COUNT], values[2 * STATUS_COUNT];

/* One stage of each status; each leaves two numbers, a 1 and a missing one. */
static void make(struct variable *status, struct variable *variable)
{
    *status =
        (struct variable){.dimensions = 1, .length = {STATUS_COUNT}, .count = STATUS_COUNT, .values = status_values};
    *variable = (struct variable){
        .dimensions = 2, .length = {STATUS_COUNT, 2}, .count = sizeof values / sizeof *values, .values = values};
    for (int s = 0; s < STATUS_COUNT; s++) {
        status_values[s] = s;
        values[2 * s] = 1;
        values[2 * s + 1] = NAN;
    }
}

static void only_numbers_of_stages_that_are_done_are_present(void **context)
{
    (void)context;
    struct variable status, variable;
    unsigned char presence[2 * STATUS_COUNT];
    static const enum presence expected[STATUS_COUNT] = {
        [STATUS_PENDING] = PENDING, [STATUS_RUNNING] = PENDING, [STATUS_DIVERGED] = FAILED,
        [STATUS_FAILED] = FAILED,   [STATUS_SKIPPED] = FAILED,  [STATUS_EXCLUDED] = EXCLUDED};
    make(&status, &variable);
    presence_of(&variable, &status, presence);
    for (int s = 0; s < STATUS_COUNT; s++) {
        if (s == STATUS_DONE) continue;
        assert_int_equal(presence[2 * s], expected[s]);
        assert_int_equal(presence[2 * s + 1], expected[s]);
    }
    assert_int_equal(presence[2 * STATUS_DONE], PRESENT);
    assert_int_equal(presence[2 * STATUS_DONE + 1], MISSING);
}

static void numbers_that_are_no_stages_are_there_or_missing(void **context)
{
    (void)context;
    struct variable status, variable;
    unsigned char presence[2 * STATUS_COUNT];
    make(&status, &variable);
    presence_of(&variable, NULL, presence);
    for (int i = 0; i < variable.count; i++) assert_int_equal(presence[i], i % 2 ? MISSING : PRESENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_numbers_of_stages_that_are_done_are_present),
        cmocka_unit_test(numbers_that_are_no_stages_are_there_or_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
