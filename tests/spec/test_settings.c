/* The table of settings: what is read is printed as it would stand in the file, and what is wrong is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "palimpsest/spec.h"

static char why[256];

static union setting_value value_of(const char *path, const char *text)
{
    union setting_value value;
    if (setting_read(setting_find(path), text, &value, why, sizeof why) != 0) fail_msg("%s: %s", path, why);
    return value;
}

static void assert_refused(const char *path, const char *text)
{
    union setting_value value = {.integer = -77};
    if (setting_read(setting_find(path), text, &value, why, sizeof why) == 0)
        fail_msg("%s: \"%s\" is accepted", path, text);
    assert_int_equal(-77, value.integer);
}

static void every_row_is_found_by_its_path_and_lies_alone(void **state)
{
    (void)state;
    for (int row = 0; row < settings_count; row++) {
        assert_int_equal(row, setting_find(settings_table[row].path));
        for (int other = 0; other < row; other++)
            assert_true(settings_table[row].offset != settings_table[other].offset);
    }
    assert_int_equal(-1, setting_find("model"));
    assert_int_equal(-1, setting_find(""));
}

static void defaults_are_printed_as_the_table_has_them(void **state)
{
    (void)state;
    struct settings settings;
    settings_standard(&settings);
    for (int row = 0; row < settings_count; row++) {
        char text[64];
        if (!settings_table[row].standard) continue;
        setting_print(row, &settings, text, sizeof text);
        assert_string_equal(settings_table[row].standard, text);
    }
    assert_int_equal(8192, settings.pretrain.warmup);
    assert_int_equal(0, settings.pretrain.unique);
    assert_memory_equal(&settings.first, &settings.second, sizeof settings.first);
}

/* By member: what lies between members is nobody's. */
static bool same(int row, union setting_value a, union setting_value b)
{
    switch (settings_table[row].type) {
    case SETTING_REAL: return a.real == b.real;
    case SETTING_SPAN: return a.span.value == b.span.value && a.span.in_tokens == b.span.in_tokens;
    default: return a.integer == b.integer;
    }
}

static void what_is_printed_is_read_back_as_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",    "1",    "0.2", "1e-3",   "3",      "17",   "1Ki",
                                        "16Ki", "1.5M", "0.1", "123457", "64",     "same", "none",
                                        "all",  "yes",  "off", "masked", "shared", "mean", "0.30000000000000004"};
    int read = 0;
    for (int row = 0; row < settings_count; row++)
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            struct settings settings = {0};
            union setting_value value = {0}, again = {0};
            char text[64];
            if (setting_read(row, texts[i], &value, why, sizeof why) != 0) continue;
            setting_assign(row, value, &settings);
            setting_print(row, &settings, text, sizeof text);
            if (setting_read(row, text, &again, why, sizeof why) != 0) fail_msg("%s", why);
            assert_true(same(row, value, again));
            assert_true(same(row, value, setting_of(row, &settings)));
            read++;
        }
    assert_true(read > 200);
}

static void counts_have_suffixes_and_are_whole(void **state)
{
    (void)state;
    assert_int_equal(65536, value_of("pretrain.warmup", "64Ki").integer);
    assert_int_equal(64000, value_of("pretrain.warmup", "64k").integer);
    assert_int_equal(1536, value_of("pretrain.warmup", "1.5Ki").integer);
    assert_int_equal(1 << 20, value_of("pretrain.warmup", "1Mi").integer);
    assert_int_equal(20000, value_of("pretrain.warmup", "2e4").integer);
    assert_int_equal(0, value_of("pretrain.warmup", "none").integer);
    assert_refused("pretrain.warmup", "same");
    assert_refused("pretrain.warmup", "1.0001k");
    assert_refused("pretrain.warmup", "8KB");
    assert_refused("pretrain.warmup", "1e18");
    assert_refused("pretrain.unique", "0");
    assert_refused("pretrain.warmup", "");
}

static void a_plain_number_up_to_one_is_a_fraction(void **state)
{
    (void)state;
    struct span span = value_of("pretrain.cooldown", "1").span;
    assert_true(span.value == 1 && !span.in_tokens);
    span = value_of("pretrain.cooldown", "2").span;
    assert_true(span.value == 2 && span.in_tokens);
    span = value_of("pretrain.cooldown", "16Ki").span;
    assert_true(span.value == 16384 && span.in_tokens);
    assert_refused("pretrain.cooldown", "1.5");
    assert_refused("pretrain.cooldown", "-0.1");
    assert_refused("pretrain.cooldown", "0.001k"); /* one token cannot be said: 1 is the whole amount */
}

static void ends_of_ranges_belong_to_them_unless_the_table_says_above(void **state)
{
    (void)state;
    value_of("pretrain.learning_rate", "0");
    value_of("pretrain.learning_rate", "1");
    assert_refused("pretrain.learning_rate", "1.0001");
    assert_refused("pretrain.epsilon", "0");
    assert_refused("model.layers", "0");
    assert_refused("model.layers", "65");
    assert_refused("finetune.beta1", "1");
    assert_refused("model.layers", "2.0");
    assert_refused("pretrain.clip", "nan");
    assert_refused("pretrain.clip", "inf");
    assert_refused("pretrain.batch", "0x10");
    assert_refused("pretrain.batch", "99999999999999999999");
}

static void a_refusal_says_what_would_be_right(void **state)
{
    (void)state;
    assert_refused("model.layers", "0");
    assert_string_equal("\"0\" is out of range; it must be a whole number from 1 to 64", why);
    assert_refused("finetune.head", "linear");
    assert_string_equal("\"linear\" is not understood; it must be per_task, shared or lm", why);
}

static void amounts_are_tokens_or_multiples_of_parameters(void **state)
{
    (void)state;
    struct amount amount;
    assert_int_equal(0, amount_read("64Ki", &amount, why, sizeof why));
    assert_true(amount.value == 65536 && !amount.relative);
    assert_int_equal(0, amount_read("0.5x", &amount, why, sizeof why));
    assert_true(amount.value == 0.5 && amount.relative);
    assert_int_equal(0, amount_read("0x", &amount, why, sizeof why));
    assert_true(amount.value == 0 && !amount.relative);
    static const char *const wrong[] = {"", "x", "1q", "-1", "-2x", "20 x", "0x10", "1e30", "infx", "1.5", "64KiB"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (amount_read(wrong[i], &amount, why, sizeof why) == 0) fail_msg("\"%s\" is accepted", wrong[i]);
}

static void the_second_place_inherits_what_is_not_set_for_it(void **state)
{
    (void)state;
    struct settings settings;
    bool *set = memory_array((size_t)settings_count, sizeof *set);
    settings_standard(&settings);
    settings.first.steps = 7;
    settings.first.optimizer.learning_rate = 0.25;
    settings.second.optimizer.learning_rate = 0.125;
    set[setting_find("finetune.second.learning_rate")] = true;
    settings_inherit_second(&settings, set);
    assert_int_equal(7, settings.second.steps);
    assert_true(settings.second.optimizer.learning_rate == 0.125);
    settings_inherit_second(&settings, NULL);
    assert_memory_equal(&settings.first, &settings.second, sizeof settings.first);
    memory_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_path_and_lies_alone),
        cmocka_unit_test(defaults_are_printed_as_the_table_has_them),
        cmocka_unit_test(what_is_printed_is_read_back_as_the_same),
        cmocka_unit_test(counts_have_suffixes_and_are_whole),
        cmocka_unit_test(a_plain_number_up_to_one_is_a_fraction),
        cmocka_unit_test(ends_of_ranges_belong_to_them_unless_the_table_says_above),
        cmocka_unit_test(a_refusal_says_what_would_be_right),
        cmocka_unit_test(amounts_are_tokens_or_multiples_of_parameters),
        cmocka_unit_test(the_second_place_inherits_what_is_not_set_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
