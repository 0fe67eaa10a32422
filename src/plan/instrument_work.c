/* What optional instruments cost on the states of a cell's own path: see stage/ablation.c and stage/mediators.c for
 * what they do. */
#include "plan_private.h"

/* Reading out the task just learnt after each block, and the losses of the states between the two that are known. */
static double ablation_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    double flops = 0;
    const int whole = cell->settings.read_layers ? (int)cell->settings.read_layers : cell->shape.layers;
    struct cell part = *cell;
    if (milestone->place < 0) return 0;
    part.settings.read_layers = 0;
    for (int layers = 0; layers <= cell->shape.layers; layers++) {
        part.shape.layers = layers;
        if (layers != whole) flops += scoring_flops(plan, &part, milestone->place);
    }
    return flops + (cell->shape.share_layers ? 1 : cell->shape.layers) * language_flops(plan, cell);
}

static double prompts_flops(const struct plan *plan, const struct cell *cell)
{
    double flops = 0;
    for (int t = 0; t < plan->facts.tasks; t++) flops += task_flops(cell, &cell->shape, &plan->facts.task[t]);
    return flops;
}

static double gradient_flops(const struct plan *plan, const struct cell *cell, int place)
{
    const struct task_facts *task = &plan->facts.task[cell->sequence->task[place]];
    int64_t asked = cell->settings.mediators.items;
    double items = asked > task->train_items ? task->train_items : (double)asked;
    return shape_training_flops(&cell->shape, items * task->mean_tokens, task->mean_tokens, false);
}

/* Losses at every scale and draw; for each earlier task the gradients of both, at two states. */
static double mediators_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    double disturbed = language_flops(plan, cell), gradients = 0;
    if (milestone->place >= 0) disturbed += scoring_flops(plan, cell, milestone->place);
    for (int place = 0; place < milestone->place; place++)
        gradients += 2 * (gradient_flops(plan, cell, place) + gradient_flops(plan, cell, milestone->place));
    return disturbed * NOISE_SCALES * (double)cell->settings.mediators.draws + gradients;
}

/* Each earlier task before and after. */
static double items_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    double flops = 0;
    for (int place = 0; place < milestone->place; place++) flops += 2 * scoring_flops(plan, cell, place);
    return flops;
}

/* Nothing is asked of a state that has not been pretrained, or whose pretraining is not over. */
static bool is_measured(const struct milestone *milestone, unsigned groups)
{
    return milestone->place >= 0 || (groups & 1u << GROUP_PRETRAINED);
}

double instrument_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                        unsigned groups)
{
    double flops = 0;
    if (!is_measured(milestone, groups)) return 0;
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_ABLATION)) flops += ablation_flops(plan, cell, milestone);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_PROMPTS)) flops += prompts_flops(plan, cell);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_MEDIATORS)) flops += mediators_flops(plan, cell, milestone);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_ITEMS)) flops += items_flops(plan, cell, milestone);
    return flops;
}

static int64_t outcome_bytes(const struct plan *plan, const struct cell *cell, int earlier)
{
    int64_t most = 0;
    for (int place = 0; place < earlier; place++) {
        int64_t items = plan->facts.task[cell->sequence->task[place]].test_items;
        if (items > most) most = items;
    }
    return 2 * (most < cell->settings.evaluate.items ? most : cell->settings.evaluate.items);
}

/* One at a time: a changed copy of the state, two gradients of its size, two lists of outcomes. */
int64_t instrument_bytes(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                         unsigned groups)
{
    int64_t state = stage_state_bytes(plan, cell, milestone), most = 0;
    if (milestone->kind == STAGE_BRANCH || !is_measured(milestone, groups)) return 0;
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_ITEMS)) most = outcome_bytes(plan, cell, milestone->place);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_ABLATION) && milestone->place >= 0 && state > most)
        most = state;
    int64_t states = milestone->place > 0 ? 2 : 1;
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_MEDIATORS) && states * state > most) most = states * state;
    return most;
}
