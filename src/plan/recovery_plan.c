/* The branches of recovery: pretraining that is continued from a damaged state, and the first task learnt once more.
 * What they make and what it costs; see stage/recovery.c for how. */
#include "plan_private.h"

/* The label words of the language model have no weights of their own: there is no head that could learn alone. */
static bool has_head(const struct cell *cell) { return cell->settings.head != HEAD_LM; }

/* The first task has as many steps as it had the first time, so that steps of the same recipe are compared. */
int64_t recovery_steps(const struct cell *cell, enum branch branch)
{
    if (branch_recovers_reading(branch)) return cell->settings.recovery.steps;
    return branch == BRANCH_RELEARNT || has_head(cell) ? cell->settings.first.steps : 0;
}

static int64_t steps_before(const struct cell *cell) { return cell->steps.trunk + cell->steps.cooldown; }

void recovery_add(struct hasher *hasher, const struct cell *cell, const struct sweep *sweep,
                  const struct world_facts *facts, enum branch branch)
{
    struct schedule_steps schedule = recovery_schedule_of(&cell->settings, &cell->shape);
    struct optimizer_recipe optimizer = recovery_optimizer_of(&cell->settings);
    if (!branch_recovers_reading(branch)) {
        add_finetuning(hasher, cell, &facts->task[cell->sequence->task[0]], 0);
        hasher_add_integer(hasher, "orders of place", cell->sequence->length);
        return;
    }
    hasher_add_integer(hasher, "steps before", steps_before(cell));
    hasher_add_integer(hasher, "steps", schedule.trunk);
    hasher_add_integer(hasher, "warmup", schedule.warmup);
    hasher_add_integer(hasher, "batch", cell->settings.pretrain.batch);
    add_optimizer(hasher, &optimizer);
    add_reading(hasher, sweep, facts, cell);
    hasher_add_integer(hasher, "seed", (int64_t)cell->seed);
}

/* Without a way back through the blocks a step is a forward pass. */
double recovery_flops(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    double tokens = (double)(cell->settings.recovery.steps * cell->steps.tokens_per_step);
    if (branch_recovers_reading(branch)) return shape_training_flops(&cell->shape, tokens, cell->shape.context, true);
    if (branch == BRANCH_RELEARNT) return finetune_flops(plan, cell, 0);
    return has_head(cell) ? finetune_flops(plan, cell, 0) / 3 : 0;
}

double recovery_tokens(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    double steps = (double)recovery_steps(cell, branch);
    if (branch_recovers_reading(branch)) return steps * (double)cell->steps.tokens_per_step;
    return steps * (double)cell->settings.first.batch * plan->facts.task[cell->sequence->task[0]].mean_tokens;
}

double recovery_measuring_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    double last = branch_recovers_reading((enum branch)milestone->branch) ? language_flops(plan, cell)
                                                                          : scoring_flops(plan, cell, 0);
    return milestone->stop_step > 0 ? last + looks_flops(plan, cell, milestone) : 0;
}

uint64_t recovery_reads(const struct sweep *sweep, const struct cell *cell)
{
    bool on = branch_wanted(sweep, BRANCH_AFTER_FIRST);
    return on ? (uint64_t)(cell->settings.recovery.steps * cell->steps.tokens_per_step) : 0;
}
