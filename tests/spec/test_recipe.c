/* Amounts in whole steps, the domains a seed reads, the points of a curve; places in a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "palimpsest/spec.h"

enum { DOMAINS = 16 };

static bool among(const int *read, int count, int domain)
{
    for (int i = 0; i < count; i++)
        if (read[i] == domain) return true;
    return false;
}

static void sets_are_nested_in_variety_and_hold_each_domain_once(void **context)
{
    (void)context;
    const struct world_spec world = {.seed = 5};
    const struct world_facts facts = {.domains = DOMAINS, .task_domains = 2};
    for (uint64_t seed = 0; seed < 40; seed++) {
        int all[DOMAINS], some[DOMAINS];
        reading_domains(&world, &facts, seed, DOMAINS, all);
        for (int d = 0; d < DOMAINS; d++) assert_true(among(all, DOMAINS, d));
        for (int variety = 1; variety < DOMAINS; variety++) {
            reading_domains(&world, &facts, seed, variety, some);
            assert_memory_equal(some, all, (size_t)variety * sizeof *some);
        }
    }
}

static void over_the_seeds_every_domain_takes_every_place(void **context)
{
    (void)context;
    for (int domains = 1; domains < 70; domains++) {
        const struct world_spec world = {.seed = 1};
        const struct world_facts facts = {.domains = domains};
        bool taken[70] = {false};
        for (uint64_t seed = 1; seed <= (uint64_t)domains; seed++) {
            int first;
            reading_domains(&world, &facts, seed, 1, &first);
            assert_false(taken[first]);
            taken[first] = true;
        }
    }
}

static void overlap_puts_the_reserved_domains_first_and_keeps_the_variety(void **context)
{
    (void)context;
    const struct world_spec world = {.seed = 5, .overlap = OVERLAP_TASKS};
    const struct world_facts facts = {.domains = DOMAINS, .task_domains = 2};
    int one[1], other[1], four[4], all[DOMAINS];
    reading_domains(&world, &facts, 1, 1, one);
    reading_domains(&world, &facts, 2, 1, other);
    assert_true(one[0] >= DOMAINS && other[0] >= DOMAINS && one[0] != other[0]);
    reading_domains(&world, &facts, 1, 4, four);
    assert_true(among(four, 4, DOMAINS) && among(four, 4, DOMAINS + 1));
    assert_true(four[2] < DOMAINS && four[3] < DOMAINS && four[2] != four[3]);
    reading_domains(&world, &facts, 1, DOMAINS, all);
    for (int i = 0; i < DOMAINS; i++)
        for (int j = 0; j < i; j++) assert_int_not_equal(all[i], all[j]);
}

static struct schedule_steps steps_of(const char *cooldown, struct amount amount)
{
    struct settings settings;
    union setting_value value;
    char why[256];
    settings_standard(&settings);
    settings.pretrain.batch = 4;
    settings.model.context = 16; /* 64 tokens per step */
    assert_int_equal(setting_read(setting_find("pretrain.cooldown"), cooldown, &value, why, sizeof why), 0);
    setting_assign(setting_find("pretrain.cooldown"), value, &settings);
    settings.pretrain.warmup = 130;
    struct model_shape shape = shape_of(&settings, 100);
    return schedule_steps_of(&settings, &shape, amount);
}

static void amounts_and_cooldowns_are_whole_steps_and_at_least_one(void **context)
{
    (void)context;
    struct schedule_steps steps = steps_of("0.2", (struct amount){.value = 6400});
    assert_int_equal(steps.tokens_per_step, 64);
    assert_int_equal(steps.trunk, 80);
    assert_int_equal(steps.cooldown, 20);
    assert_int_equal(steps.warmup, 2);
    steps = steps_of("0.2", (struct amount){.value = 1});
    assert_int_equal(steps.trunk + steps.cooldown, 1);
    steps = steps_of("0", (struct amount){.value = 6400});
    assert_true(steps.trunk == 100 && steps.cooldown == 0);
    steps = steps_of("0.2", (struct amount){.value = 0});
    assert_true(steps.trunk == 0 && steps.cooldown == 0);
    steps = steps_of("640", (struct amount){.value = 6400});
    assert_true(steps.trunk == 90 && steps.cooldown == 10);
    steps = steps_of("1Mi", (struct amount){.value = 6400});
    assert_true(steps.trunk == 0 && steps.cooldown == 100);
}

static void relative_amounts_are_multiples_of_the_parameters_without_embeddings(void **context)
{
    (void)context;
    struct settings settings;
    settings_standard(&settings);
    struct model_shape shape = shape_of(&settings, 500);
    struct schedule_steps steps = schedule_steps_of(&settings, &shape, (struct amount){.value = 20, .relative = true});
    double tokens = (double)((steps.trunk + steps.cooldown) * steps.tokens_per_step);
    double wanted = 20.0 * (double)shape_parameters_non_embedding(&shape);
    assert_true(tokens > wanted - (double)steps.tokens_per_step && tokens < wanted + (double)steps.tokens_per_step);
}

static void every_step_belongs_to_the_first_point_that_ends_at_or_after_it(void **context)
{
    (void)context;
    const int64_t ends[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
    for (int p = 0; p < 10; p++) assert_int_equal(point_end(p), ends[p]);
    for (int64_t step = 1; step < 5000; step++) {
        int point = point_of_step(step);
        assert_true(point_end(point) >= step && (point == 0 || point_end(point - 1) < step));
    }
}

/* Every field that a group asks for has its place, and places neither overlap nor leave gaps. */
static void looks_come_ever_further_apart_up_to_the_last_step(void **context)
{
    (void)context;
    static const int64_t usual[] = {0, 2, 9, 21, 38, 59, 84, 115, 150}, few[] = {0, 1, 2, 3, 4, 5, 6, 6, 6};
    for (int k = 0; k <= 8; k++) {
        assert_int_equal(look_step(150, 8, k), usual[k]); /* 150 x (k / 8)^2, rounded */
        assert_int_equal(look_step(6, 8, k), few[k]);     /* one after every step, and the end again */
    }
    for (int64_t steps = 1; steps < 1000; steps++)
        for (int looks = 1; looks <= LOOKS_MAX; looks++) {
            assert_int_equal(look_step(steps, looks, 0), 0);
            assert_int_equal(look_step(steps, looks, looks), steps);
            for (int k = 1; k <= looks; k++) {
                int64_t before = look_step(steps, looks, k - 1);
                assert_true(before == steps ||
                            look_step(steps, looks, k) > before); /* no two on the way fall together */
            }
        }
    assert_int_equal(look_step(1000000000, LOOKS_MAX, LOOKS_MAX), 1000000000);
}

static void recovery_warms_up_anew_to_its_own_rate_and_cools_down_nowhere(void **context)
{
    (void)context;
    struct settings settings;
    settings_standard(&settings);
    settings.recovery.steps = 40;
    settings.recovery.warmup = 0.25;
    settings.recovery.learning_rate = 0.125;
    settings.pretrain.optimizer.weight_decay = 0.5;
    struct model_shape shape = shape_of(&settings, 100);
    struct schedule_steps steps = recovery_schedule_of(&settings, &shape);
    struct optimizer_recipe optimizer = recovery_optimizer_of(&settings);
    assert_true(steps.warmup == 10 && steps.trunk == 40 && steps.cooldown == 0);
    assert_true(steps.tokens_per_step == settings.pretrain.batch * shape.context);
    assert_true(optimizer.learning_rate == 0.125 && optimizer.weight_decay == 0.5);
    assert_true(settings.pretrain.optimizer.learning_rate == 0.002);
}

static void fields_of_a_record_stand_one_after_the_other(void **context)
{
    (void)context;
    const struct record_extents extents = {.length = {7, 4, 9}};
    for (uint64_t bits = 1; bits < UINT64_C(1) << GROUPS_MAX; bits = bits * 3 + 1)
        for (int place = -1; place < PLACES_MAX; place++) {
            unsigned groups = (unsigned)bits;
            int next = 0;
            for (int f = 0; f < FIELD_COUNT; f++) {
                int offset = record_offset(groups, ~0u, &extents, place, f);
                if (!(fields_table[f].groups & groups)) {
                    assert_int_equal(offset, -1);
                    continue;
                }
                assert_int_equal(offset, next);
                next += field_length((enum field_id)f, &extents, place);
            }
            assert_int_equal(record_offset(groups, ~0u, &extents, place, FIELD_COUNT), next);
        }
}

static void blocks_of_a_code_grow_by_the_factor_and_end_at_the_last_item(void **context)
{
    (void)context;
    struct settings settings = {.codelength = {.first = 3, .growth = 1.5}};
    static const int64_t expected[] = {3, 5, 8, 12, 18, 27, 40}; /* 4.5, 7.5, 40.5: halves go up */
    int64_t end[BLOCKS_MAX];
    assert_int_equal(codelength_blocks(&settings, 40, end), 7);
    assert_memory_equal(end, expected, sizeof expected);
    assert_int_equal(codelength_blocks(&settings, 3, end), 1);
    settings.codelength.growth = 1.0000001; /* one item more at least */
    assert_int_equal(codelength_blocks(&settings, 2 + BLOCKS_MAX, end), BLOCKS_MAX);
    for (int b = 0; b < BLOCKS_MAX; b++) assert_int_equal(end[b], 3 + b);
    assert_int_equal(codelength_blocks(&settings, 3 + BLOCKS_MAX, end), BLOCKS_MAX + 1);
}

static void recipes_of_branches_are_those_of_their_places(void **context)
{
    (void)context;
    struct settings settings;
    settings_standard(&settings);
    settings.first.steps = 10;
    settings.second = (struct finetune_recipe){.batch = 3, .steps = 20, .optimizer = {.learning_rate = 0.5}};
    settings.codelength.steps = 7;
    for (int branch = 0; branch < BRANCHES; branch++) {
        struct finetune_recipe recipe = branch_recipe((enum branch)branch, &settings, 3);
        bool none = branch == BRANCH_TRANSFER || branch == BRANCH_MORE_PRETRAINING || branch == BRANCH_AFTER_FIRST ||
                    branch == BRANCH_AFTER_LAST;
        assert_int_equal(branch_reads_on((enum branch)branch), none && branch != BRANCH_TRANSFER);
        bool again = branch == BRANCH_RELEARNT || branch == BRANCH_RELEARNT_HEAD;
        bool first = branch == BRANCH_JOINT || branch == BRANCH_PREQUENTIAL_FIRST || again;
        bool coded = branch == BRANCH_PREQUENTIAL_FIRST || branch == BRANCH_PREQUENTIAL_LAST;
        int64_t steps = branch == BRANCH_JOINT ? 10 + 2 * 20 : coded ? 7 : again ? 10 : 20;
        double rate = branch == BRANCH_RATE_ZERO ? 0 : 0.5;
        assert_int_equal(recipe.steps, none ? 0 : steps);
        assert_int_equal(recipe.batch, none ? 0 : first ? settings.first.batch : 3);
        if (!none && !first) assert_true(recipe.optimizer.learning_rate == rate);
    }
}

static void the_table_of_fields_is_in_the_order_of_its_ids_and_names_are_unique(void **context)
{
    (void)context;
    for (int f = 0; f < FIELD_COUNT; f++) {
        assert_int_equal(fields_table[f].id, f);
        assert_true(fields_table[f].formula && fields_table[f].units && fields_table[f].long_name);
        for (int g = 0; g < f; g++) assert_string_not_equal(fields_table[f].name, fields_table[g].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_nested_in_variety_and_hold_each_domain_once),
        cmocka_unit_test(over_the_seeds_every_domain_takes_every_place),
        cmocka_unit_test(overlap_puts_the_reserved_domains_first_and_keeps_the_variety),
        cmocka_unit_test(amounts_and_cooldowns_are_whole_steps_and_at_least_one),
        cmocka_unit_test(relative_amounts_are_multiples_of_the_parameters_without_embeddings),
        cmocka_unit_test(every_step_belongs_to_the_first_point_that_ends_at_or_after_it),
        cmocka_unit_test(looks_come_ever_further_apart_up_to_the_last_step),
        cmocka_unit_test(recovery_warms_up_anew_to_its_own_rate_and_cools_down_nowhere),
        cmocka_unit_test(fields_of_a_record_stand_one_after_the_other),
        cmocka_unit_test(blocks_of_a_code_grow_by_the_factor_and_end_at_the_last_item),
        cmocka_unit_test(recipes_of_branches_are_those_of_their_places),
        cmocka_unit_test(the_table_of_fields_is_in_the_order_of_its_ids_and_names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
