/* The states that a stage starts from: in the worker's memory, or read from checkpoints. */
#include "schedule_private.h"

static struct held_state *find_held(struct worker *worker, const struct checkpoint_name *name)
{
    for (int i = 0; i < STATES_HELD; i++) {
        struct held_state *held = &worker->held[i];
        if (held->state && held->name.copy == name->copy && hash_equal(held->name.state, name->state)) return held;
    }
    return NULL;
}

void inputs_hold(struct worker *worker, const struct checkpoint_name *name, struct state *state)
{
    for (int i = 0; i < STATES_HELD; i++) {
        if (worker->held[i].state) continue;
        worker->held[i] = (struct held_state){*name, state};
        return;
    }
    CHECK(false, "more states in memory than one stage can need");
}

static bool has_parent(const struct assignment *assignment) { return assignment->kind != STAGE_INITIAL; }

/* Input number `at`: -1 is the parent, then the needs.  All inputs of a stage belong to one copy of its path. */
static struct checkpoint_name input_name(const struct assignment *assignment, int at)
{
    return (struct checkpoint_name){.state = at < 0 ? assignment->parent : assignment->need[at],
                                    .record = at < 0 ? assignment->parent_record : assignment->need_record[at],
                                    .copy = assignment->parent_copy};
}

/* Memory stays within what this stage needs: everything else goes. */
static void drop_others(struct worker *worker, const struct assignment *assignment)
{
    for (int i = 0; i < STATES_HELD; i++) {
        struct held_state *held = &worker->held[i];
        bool used = false;
        for (int at = has_parent(assignment) ? -1 : 0; at < assignment->needs; at++) {
            struct checkpoint_name name = input_name(assignment, at);
            used |= held == find_held(worker, &name);
        }
        if (!used) state_destroy(&held->state);
    }
}

bool inputs_held(struct worker *worker, const struct assignment *assignment)
{
    for (int at = has_parent(assignment) ? -1 : 0; at < assignment->needs; at++) {
        struct checkpoint_name name = input_name(assignment, at);
        if (!find_held(worker, &name)) return false;
    }
    return true;
}

bool inputs_fetch(struct worker *worker, const struct assignment *assignment, struct report *report)
{
    drop_others(worker, assignment);
    for (int at = has_parent(assignment) ? -1 : 0; at < assignment->needs; at++) {
        struct checkpoint_name name = input_name(assignment, at);
        struct state *state;
        struct error why;
        if (find_held(worker, &name)) continue;
        if (checkpoint_read(worker->results_path, &name, &state, &why) != 0) {
            report_say(report, why.text);
            report->lost_input = at;
            return false;
        }
        inputs_hold(worker, &name, state);
    }
    return true;
}

const struct state *inputs_parent(struct worker *worker, const struct assignment *assignment)
{
    struct checkpoint_name name = input_name(assignment, -1);
    return has_parent(assignment) ? find_held(worker, &name)->state : NULL;
}

void inputs_needs(struct worker *worker, const struct assignment *assignment, const struct state **needs)
{
    for (int n = 0; n < assignment->needs; n++) {
        struct checkpoint_name name = input_name(assignment, n);
        needs[n] = find_held(worker, &name)->state;
    }
}
