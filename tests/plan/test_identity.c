/* What enters a state's id, and what must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "plan_sweeps.h"

static struct path path_of_cell(const struct planned *planned, int64_t number)
{
    const struct plan *plan = planned->plan;
    struct cell cell;
    struct path path;
    cell_resolve(planned->sweep, &plan->facts, number, &cell);
    path_resolve(&cell, planned->sweep, &plan->facts, &plan->numerics, &path);
    return path;
}

static bool contains_all(const struct plan *larger, const struct plan *smaller)
{
    for (int s = 0; s < smaller->stages; s++)
        if (find_state(larger, smaller->stage[s].state) < 0) return false;
    return true;
}

#define GRID(axes)                                                                                                     \
    SWEEP("model: {sizes: {a: {layers: 1, width: 8, heads: 2}, b: {layers: 2, width: 16, heads: 2}}}\n" axes)

static void lists_on_axes_never_enter_an_id(void **context)
{
    (void)context;
    struct planned small = plan_of(GRID("axes: {size: [b], tokens: [256Ki], variety: [2], "
                                        "pair: [[tense, bigram_shift]], seed: [1]}\n"),
                                   true);
    struct planned large = plan_of(GRID("axes: {size: [a, b], tokens: [0, 64Ki, 256Ki, 1Mi], variety: [1, 2, 8], "
                                        "pair: all, seed: 3}\n"),
                                   true);
    assert_true(contains_all(large.plan, small.plan));
    assert_false(contains_all(small.plan, large.plan));
    planned_reset(&small);
    planned_reset(&large);
}

/* The trunk to 0.8 x 256Ki is one state whether it was run in one piece or cut on the way, now or later. */
static void a_trunk_state_does_not_know_where_it_was_cut(void **context)
{
    (void)context;
    struct planned uncut = plan_of(GRID("axes: {size: [a], tokens: [256Ki], seed: 1}\n"), true);
    struct planned cut = plan_of(GRID("axes: {size: [a], tokens: [64Ki, 128Ki, 256Ki], seed: 1}\n"), true);
    struct planned later = plan_of(GRID("axes: {size: [a], tokens: [96Ki, 256Ki, 512Ki], seed: 1}\n"), true);
    assert_true(contains_all(cut.plan, uncut.plan));
    assert_true(contains_all(later.plan, uncut.plan));
    int trunks = 0;
    for (int s = 0; s < cut.plan->stages; s++) trunks += cut.plan->stage[s].kind == STAGE_TRUNK;
    assert_int_equal(trunks, 3);
    planned_reset(&uncut);
    planned_reset(&cut);
    planned_reset(&later);
}

/* Where on the path the first difference shows: 0 initial, 1 trunk, 2 cooldown, 3 first, 4 second, 5 nowhere. */
static int first_difference(const struct path *a, const struct path *b)
{
    for (int m = 0; m < a->length && m < b->length; m++)
        if (!hash_equal(a->stage[m].state, b->stage[m].state)) return m;
    return 5;
}

static int expected_difference(const struct setting *row)
{
    if (strcmp(row->path, "pretrain.cooldown") == 0) return 1; /* the amount's trunk ends elsewhere */
    switch (row->scope) {
    case SCOPE_INITIAL: return 0;
    case SCOPE_PRETRAIN: return 1;
    case SCOPE_FIRST: return 3;
    case SCOPE_SECOND: return 4;
    case SCOPE_EVALUATE: break;
    }
    return 5;
}

static const char *other_value(const struct setting *row)
{
    if (strcmp(row->path, "model.heads") == 0) return "1";
    if (strcmp(row->path, "model.objective") == 0) return "masked";
    if (strcmp(row->path, "finetune.head") == 0) return "shared";
    if (strcmp(row->path, "finetune.pool") == 0) return "mean";
    if (strcmp(row->path, "pretrain.unique") == 0) return "128Ki";
    if (strcmp(row->path, "finetune.train_items") == 0) return "512";
    if (strcmp(row->path, "codelength.growth") == 0) return "3";
    switch (row->type) {
    case SETTING_FLAG: return row->standard && strcmp(row->standard, "no") == 0 ? "yes" : "no";
    case SETTING_REAL: return row->maximum > 0.5 && strstr(row->path, "beta") ? "0.5" : "0.03";
    case SETTING_SPAN: return "0.25";
    case SETTING_TOKENS: return "16Ki";
    case SETTING_INTEGER:
        if (strcmp(row->path, "finetune.layers") == 0) return "1";
        return strcmp(row->path, "model.context") == 0 ? "32" : strstr(row->path, "freeze") ? "1" : "16";
    case SETTING_CHOICE: break;
    }
    fail_msg("%s has no other value in this test", row->path);
    return NULL;
}

/* Settings that count for nothing while the instruments that read them are off. */
static bool is_of_instruments(const struct setting *row)
{
    return strcmp(row->path, "evaluate.looks") == 0 || strncmp(row->path, "frontier.", 9) == 0 ||
           strncmp(row->path, "recovery.", 9) == 0;
}

/* Stages whose state or record differs; -1: there are others. */
static int differing_stages(const struct plan *a, const struct plan *b, bool pretraining)
{
    int count = 0;
    if (a->stages != b->stages) return -1;
    for (int s = 0; s < a->stages; s++) {
        if ((a->stage[s].place < 0) != pretraining) continue;
        count +=
            !hash_equal(a->stage[s].state, b->stage[s].state) || !hash_equal(a->stage[s].record, b->stage[s].record);
    }
    return count;
}

static void settings_of_instruments_change_ids_where_those_measure_and_only_while_they_are_on(void **context)
{
    (void)context;
    static const char *const measure[] = {"[]", "[frontier, recovery]"};
    int rows = 0;
    for (int on = 0; on < 2; on++) {
        char *base = memory_format(SWEEP("axes: {tokens: [512Ki], seed: 1}\nmeasure: %s\n"), measure[on]);
        struct planned standard = plan_of(base, true);
        for (int row = 0; row < settings_count; row++) {
            if (!is_of_instruments(&settings_table[row])) continue;
            char *yaml = memory_format("%s%s: %s\n", base, settings_table[row].path, other_value(&settings_table[row]));
            struct planned changed = plan_of(yaml, true);
            assert_int_equal(differing_stages(standard.plan, changed.plan, true), 0);
            assert_true((differing_stages(standard.plan, changed.plan, false) > 0) == (on == 1));
            rows++;
            planned_reset(&changed);
            memory_free(yaml);
        }
        planned_reset(&standard);
        memory_free(base);
    }
    assert_int_equal(rows, 2 * 6);
}

static void every_setting_changes_the_ids_from_its_scope_on_and_none_before(void **context)
{
    (void)context;
#define ONE_CELL "axes: {tokens: [512Ki], pair: [[tense, bigram_shift]], seed: 1"
#define ON "measure: [mediators, probes, similarity]\n" /* those whose settings are in the table */
    static const char base[] = SWEEP(ONE_CELL "}\n" ON), as_axis[] = SWEEP(ONE_CELL ", %s: [%s]}\n" ON),
                      as_setting[] = SWEEP(ONE_CELL "}\n%s: %s\n" ON);
    struct planned standard = plan_of(base, true);
    struct path path = path_of_cell(&standard, 0);
    for (int row = 0; row < settings_count; row++) {
        const struct setting *setting = &settings_table[row];
        if (is_of_instruments(setting)) continue;
        char *yaml =
            memory_format(setting->scope == SCOPE_EVALUATE ? as_setting : as_axis, setting->path, other_value(setting));
        struct planned changed = plan_of(yaml, true);
        struct path other = path_of_cell(&changed, 0);
        int found = first_difference(&path, &other);
        if (found != expected_difference(setting))
            fail_msg("%s: %s differs from milestone %d on, not %d", setting->path, other_value(setting), found,
                     expected_difference(setting));
        /* settings of an instrument that is off are nobody's */
        bool off = strncmp(setting->path, "codelength.", 11) == 0;
        if (found == 5) assert_true(hash_equal(standard.plan->stage[0].record, changed.plan->stage[0].record) == off);
        planned_reset(&changed);
        memory_free(yaml);
    }
    planned_reset(&standard);
}

static void numerics_seed_and_data_enter_every_id(void **context)
{
    (void)context;
    struct planned planned =
        plan_of(SWEEP("axes: {tokens: [512Ki], pair: [[tense, bigram_shift]], seed: [1, 2]}\n"), true);
    struct path one = path_of_cell(&planned, 0), two = path_of_cell(&planned, 1);
    assert_int_equal(first_difference(&one, &two), 0);
    struct cell cell;
    struct path other;
    cell_resolve(planned.sweep, &planned.plan->facts, 0, &cell);
    path_resolve(&cell, planned.sweep, &planned.plan->facts, &(struct numerics){.class_name = "other", .version = 1},
                 &other);
    assert_int_equal(first_difference(&one, &other), 0);
    path_resolve(&cell, planned.sweep, &planned.plan->facts, &(struct numerics){.class_name = "test", .version = 2},
                 &other);
    assert_int_equal(first_difference(&one, &other), 0);
    planned_reset(&planned);
}

static void reading_the_tasks_own_domains_is_another_lineage(void **context)
{
    (void)context;
    static const char *const overlaps[] = {"none", "tasks"};
    struct path path[2];
    for (int i = 0; i < 2; i++) {
        char *yaml = memory_format("name: t\nworld: {kind: grammar, domains: 8, task_domains: 2, overlap: %s}\n"
                                   "tasks: [tense, bigram_shift]\naxes: {tokens: [512Ki], variety: [4], seed: 1}\n",
                                   overlaps[i]);
        struct planned planned = plan_of(yaml, true);
        path[i] = path_of_cell(&planned, 0);
        planned_reset(&planned);
        memory_free(yaml);
    }
    assert_int_equal(first_difference(&path[0], &path[1]), 1);
}

static void an_instrument_changes_records_and_no_state(void **context)
{
    (void)context;
    struct planned with = plan_of(SWEEP("axes: {tokens: [512Ki], seed: 1}\nmeasure: [curves]\n"), true);
    struct planned without = plan_of(SWEEP("axes: {tokens: [512Ki], seed: 1}\nmeasure: []\n"), true);
    assert_int_equal(with.plan->stages, without.plan->stages);
    for (int s = 0; s < with.plan->stages; s++) {
        assert_true(hash_equal(with.plan->stage[s].state, without.plan->stage[s].state));
        assert_false(hash_equal(with.plan->stage[s].record, without.plan->stage[s].record));
    }
    assert_false(hash_equal(with.plan->sweep_hash, without.plan->sweep_hash));
    planned_reset(&with);
    planned_reset(&without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_on_axes_never_enter_an_id),
        cmocka_unit_test(a_trunk_state_does_not_know_where_it_was_cut),
        cmocka_unit_test(every_setting_changes_the_ids_from_its_scope_on_and_none_before),
        cmocka_unit_test(settings_of_instruments_change_ids_where_those_measure_and_only_while_they_are_on),
        cmocka_unit_test(numerics_seed_and_data_enter_every_id),
        cmocka_unit_test(reading_the_tasks_own_domains_is_another_lineage),
        cmocka_unit_test(an_instrument_changes_records_and_no_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
