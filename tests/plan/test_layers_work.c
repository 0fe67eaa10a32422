/* Instruments that read hidden rows: what enters the ids of records, what they cost, the memory they are promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "plan_sweeps.h"

#define GRID(rest)                                                                                                     \
    SWEEP("model: {sizes: {a: {layers: 1, width: 8, heads: 2}}}\n"                                                     \
          "axes: {size: [a], tokens: [0, 64Ki], pair: [[tense, bigram_shift]], seed: 1}\n" rest)

enum { STATES, RECORDS };
/* How many stages of two plans of the same stages differ in that id. */
static int differences(const char *yaml, const char *other, int what)
{
    struct planned a = plan_of(yaml, true), b = plan_of(other, true);
    int count = 0;
    assert_int_equal(a.plan->stages, b.plan->stages);
    for (int s = 0; s < a.plan->stages; s++) {
        const struct stage *one = &a.plan->stage[s], *two = &b.plan->stage[s];
        count += what == STATES ? !hash_equal(one->state, two->state) : !hash_equal(one->record, two->record);
    }
    planned_reset(&a);
    planned_reset(&b);
    return count;
}

static void a_setting_of_an_instrument_enters_records_where_it_is_on_and_no_state(void **context)
{
    (void)context;
    assert_int_equal(differences(GRID("measure: [curves]\n"), GRID("measure: [curves]\nprobes: {items: 7}\n"), RECORDS),
                     0);
    assert_int_equal(
        differences(GRID("measure: [probes]\n"), GRID("measure: [probes]\nsimilarity: {stimuli: 7}\n"), RECORDS), 0);
    assert_true(differences(GRID("measure: [probes]\n"), GRID("measure: [probes]\nprobes: {items: 7}\n"), RECORDS) > 0);
    assert_true(differences(GRID("measure: [similarity]\n"), GRID("measure: [similarity]\nsimilarity: {stimuli: 7}\n"),
                            RECORDS) > 0);
    assert_int_equal(differences(GRID("measure: all\n"),
                                 GRID("measure: all\nprobes: {items: 7}\nsimilarity: {stimuli: 7}\n"), STATES),
                     0);
}

/* Probes read tasks that stand in no sequence of the cell. */
static void data_of_every_probed_task_enter_the_records_of_probes(void **context)
{
    (void)context;
    for (int split = 0; split < 3; split++)
        for (int on = 0; on < 2; on++) {
            const char *yaml = on ? GRID("measure: [probes]\n") : GRID("measure: [curves]\n");
            struct world_facts facts = *facts_of_tests();
            struct task_facts task[4];
            struct planned before = plan_of(yaml, true), after;
            struct error err = {0};
            for (int t = 0; t < 4; t++) task[t] = facts.task[t];
            struct hash128 *hash[] = {&task[3].training, &task[3].development, &task[3].test}; /* object_number */
            hash[split]->low = 99;
            facts.task = task;
            assert_int_equal(plan_try(yaml, &facts, &after, &err), 0);
            int changed = 0;
            for (int s = 0; s < before.plan->stages; s++)
                changed += !hash_equal(before.plan->stage[s].record, after.plan->stage[s].record);
            assert_true(on ? changed > 0 : changed == 0);
            planned_reset(&before);
            planned_reset(&after);
        }
}

static void an_instrument_costs_where_it_measures_and_nowhere_else(void **context)
{
    (void)context;
    struct planned none = plan_of(GRID("measure: [curves]\n"), true);
    struct planned probes = plan_of(GRID("measure: [curves, probes]\n"), true);
    struct planned similarity = plan_of(GRID("measure: [curves, similarity]\n"), true);
    for (int s = 0; s < none.plan->stages; s++) {
        const struct stage *stage = &none.plan->stage[s];
        double before = stage->measuring_flops;
        bool probed = stage->place >= 0 || (stage->groups & 1u << GROUP_PRETRAINED);
        assert_true((probes.plan->stage[s].measuring_flops > before) == probed);
        assert_true((similarity.plan->stage[s].measuring_flops > before) == (stage->place >= 0));
        assert_true(probes.plan->stage[s].training_flops == stage->training_flops);
    }
    planned_reset(&none);
    planned_reset(&probes);
    planned_reset(&similarity);
}

/* The buffers of a probe for the largest task: by the table that prober_create cuts. */
static void their_buffers_are_promised(void **context)
{
    (void)context;
    struct planned none = plan_of(GRID("measure: [curves]\n"), true);
    struct planned probes = plan_of(GRID("measure: [probes]\nprobes: {items: 300}\n"), true);
    struct planned similarity = plan_of(GRID("measure: [similarity]\nsimilarity: {stimuli: 50}\n"), true);
    const struct model_shape shape = {.layers = 1, .width = 8};
    const struct probe_rows rows = {300, 100, 400}; /* all development and test items that there are */
    int64_t probe[PROBE_BUFFERS + 1], comparer[SIMILARITY_BUFFERS + 1];
    probe_work_table(&shape, &rows, 5, probe);
    similarity_work_table(&shape, 50, 5, comparer);
    assert_int_equal(probes.plan->work_bytes_max - none.plan->work_bytes_max, probe[PROBE_BUFFERS]);
    assert_int_equal(similarity.plan->work_bytes_max - none.plan->work_bytes_max, comparer[SIMILARITY_BUFFERS]);
    planned_reset(&none);
    planned_reset(&probes);
    planned_reset(&similarity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setting_of_an_instrument_enters_records_where_it_is_on_and_no_state),
        cmocka_unit_test(data_of_every_probed_task_enter_the_records_of_probes),
        cmocka_unit_test(an_instrument_costs_where_it_measures_and_nowhere_else),
        cmocka_unit_test(their_buffers_are_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
