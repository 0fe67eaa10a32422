/* Looks at a training on its way: what is looked at, its identity, what it costs. */
#include "plan_private.h"

/* The frontier is of every place.  Recovery looks at its branches, and at the first learning, with which it compares.
 */
static struct looks_wanted wanted_of(unsigned instruments, const struct milestone *milestone)
{
    if (milestone->kind == STAGE_FINETUNE) {
        if (instrument_on(instruments, INSTRUMENT_FRONTIER))
            return (struct looks_wanted){.tasks = milestone->place + 1, .language = true};
        return (struct looks_wanted){.tasks = instrument_on(instruments, INSTRUMENT_RECOVERY) && milestone->place == 0};
    }
    if (milestone->kind != STAGE_BRANCH || milestone->stop_step == 0) return (struct looks_wanted){.tasks = 0};
    enum branch branch = (enum branch)milestone->branch;
    if (branches_table[branch].instrument != INSTRUMENT_RECOVERY) return (struct looks_wanted){.tasks = 0};
    bool language = branch_recovers_reading(branch);
    return (struct looks_wanted){.tasks = !language, .language = language};
}

struct looks_wanted looks_of(const struct plan *plan, const struct stage *stage)
{
    struct milestone milestone = stage_milestone(stage);
    struct looks_wanted wanted = wanted_of(plan->sweep->instruments, &milestone);
    struct cell cell;
    struct hasher hasher;
    if (wanted.tasks == 0 && !wanted.language) return wanted;
    cell_resolve(plan->sweep, &plan->facts, stage->cell, &cell);
    hasher_init(&hasher, "looks");
    hasher_add_integer(&hasher, "looks", cell.settings.evaluate.looks);
    if (wanted.tasks > 0) hasher_add_integer(&hasher, "items", cell.settings.evaluate.items);
    for (int place = 0; place < wanted.tasks; place++)
        hasher_add_hash(&hasher, "test", plan->facts.task[cell.sequence->task[place]].test);
    if (wanted.language) add_references(&hasher, &cell, &plan->facts);
    wanted.id = hasher_finish(&hasher);
    return wanted;
}

/* The last look is the measurement that every state gets; at the first only the task that is new is scored. */
double looks_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    struct looks_wanted wanted = wanted_of(plan->sweep->instruments, milestone);
    int looks = (int)cell->settings.evaluate.looks;
    double flops = 0, each = wanted.language ? language_flops(plan, cell) : 0;
    if (wanted.tasks == 0 && !wanted.language) return 0;
    if (milestone->kind == STAGE_FINETUNE) flops += scoring_flops(plan, cell, milestone->place);
    for (int place = 0; place < wanted.tasks; place++) each += scoring_flops(plan, cell, place);
    for (int k = 1; k < looks && look_step(milestone->stop_step, looks, k) < milestone->stop_step; k++) flops += each;
    return flops;
}
