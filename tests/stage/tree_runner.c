#include "tree_runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

static void load(const char *yaml, struct tree_run *run)
{
    struct error err = {0};
    const struct numerics numerics = stage_numerics();
    if (config_read("t.yaml", yaml, &run->sweep, &err) != 0 ||
        world_create(&run->sweep->world, (const char(*)[NAME_MAX_BYTES])run->sweep->tasks, run->sweep->task_count,
                     sweep_longest_context(run->sweep), &run->world, &err) != 0 ||
        plan_create(run->sweep, world_facts(run->world), &numerics, true, &run->plan, &err) != 0)
        fail_msg("%s", err.text);
}

static void run_stage(struct tree_run *run, struct workshop *workshop, int number)
{
    const struct stage *stage = &run->plan->stage[number];
    const struct state *needs[4] = {NULL}, *parent = stage->parent < 0 ? NULL : run->result[stage->parent].state;
    struct assignment assignment;
    struct error err = {0};
    if (stage->parent >= 0 && !parent) return; /* what it starts from failed */
    for (int n = 0; n < stage->needs; n++) needs[n] = run->result[plan_needs(run->plan, number)[n]].state;
    plan_assign(run->plan, number, &assignment);
    struct stage_inputs inputs = {.parent = parent, .needs = needs};
    if (stage_run(workshop, &assignment, &inputs, NULL, NULL, &run->result[number], &err) != 0)
        snprintf(run->failure[number], sizeof run->failure[number], "%.255s", err.text);
}

void tree_run(const char *yaml, struct tree_run *run)
{
    const struct numerics numerics = stage_numerics();
    *run = (struct tree_run){0};
    load(yaml, run);
    run->result = memory_array((size_t)run->plan->stages, sizeof *run->result);
    run->failure = memory_array((size_t)run->plan->stages, sizeof *run->failure);
    struct workshop *workshop = workshop_create(run->sweep, run->world, &numerics);
    for (int s = 0; s < run->plan->stages; s++) run_stage(run, workshop, s);
    workshop_destroy(&workshop);
}

void tree_run_reset(struct tree_run *run)
{
    for (int s = 0; s < run->plan->stages; s++) stage_result_reset(&run->result[s]);
    memory_free(run->result);
    memory_free(run->failure);
    plan_destroy(&run->plan);
    world_destroy(&run->world);
    sweep_destroy(&run->sweep);
}

const double *tree_field(const struct tree_run *run, int number, enum field_id field)
{
    const struct stage *stage = &run->plan->stage[number];
    int offset = record_offset(stage->groups, run->sweep->instruments, &run->plan->extents, stage->place, (int)field);
    if (offset < 0) fail_msg("stage %d has no field %s", number, fields_table[field].name);
    return run->result[number].record + offset;
}

int tree_find(const struct tree_run *run, struct hash128 state)
{
    for (int s = 0; s < run->plan->stages; s++)
        if (hash_equal(run->plan->stage[s].state, state)) return s;
    return -1;
}

struct hash128 tree_hash(const struct tree_run *run)
{
    struct hasher hasher;
    hasher_init(&hasher, "tree run");
    for (int s = 0; s < run->plan->stages; s++) {
        const struct stage_result *result = &run->result[s];
        hasher_add_hash(&hasher, "state", state_hash(result->state));
        hasher_add_hash(&hasher, "record",
                        hash_bytes(result->record, (size_t)result->record_length * sizeof *result->record));
    }
    return hasher_finish(&hasher);
}
