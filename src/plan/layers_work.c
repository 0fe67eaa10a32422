/* What the instruments that read hidden rows cost, and the buffers they keep. */
#include "plan_private.h"

static double forward_flops(const struct cell *cell, double tokens, double length)
{
    return shape_training_flops(&cell->shape, tokens, length, false) / 3;
}

/* Every evaluation of a fit multiplies training rows and weights twice.  How many it takes was counted on trained
 * models of the grammar world: PROBE_EVALUATIONS over all strengths, whose preconditioners are made anew.  An operation
 * in double precision counts as two.
 */
static double probing_flops(const struct plan *plan, const struct cell *cell)
{
    enum { PROBE_EVALUATIONS = 30, PROBE_STRENGTHS = 5 };
    const struct model_shape *shape = &cell->shape;
    double flops = 0, fits = (double)(shape->layers + 2) * POOLS, width = shape->width + 1;
    for (int t = 0; t < plan->facts.tasks; t++) {
        const struct task_facts *task = &plan->facts.task[t];
        const struct probe_rows rows = probe_rows_of(&cell->settings, task);
        double items = (double)rows.train + rows.development + rows.test;
        double evaluation = 4.0 * rows.train * width * task->classes, curvature = rows.train * width * width;
        flops += forward_flops(cell, items * task->mean_tokens, task->mean_tokens);
        flops += fits * 2 * (PROBE_EVALUATIONS * evaluation + PROBE_STRENGTHS * curvature);
    }
    return flops;
}

/* Two states; cosines of all pairs in each, three products of the columns. */
static double similarity_flops(const struct cell *cell)
{
    const struct model_shape *shape = &cell->shape;
    double stimuli = (double)cell->settings.similarity.stimuli, width = shape->width;
    double pairs = (double)(shape->layers + 2) * POOLS,
           products = 2 * stimuli * stimuli * width + 6 * width * width * stimuli;
    return 2 * forward_flops(cell, stimuli * shape->context, shape->context) + pairs * 2 * products;
}

/* Three states, of two tasks for each place before the last. */
static double overlap_flops(const struct plan *plan, const struct cell *cell)
{
    const int last = cell->sequence->length - 1;
    double flops = 0;
    for (int place = 0; place < last; place++)
        flops += 3 * (scoring_flops(plan, cell, place) + scoring_flops(plan, cell, last));
    return flops;
}

double layers_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                    unsigned groups)
{
    double flops = 0;
    bool later = milestone->place >= 0;
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_PROBES) && (later || groups & 1u << GROUP_PRETRAINED))
        flops += probing_flops(plan, cell);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_SIMILARITY) && later) flops += similarity_flops(cell);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_SIMILARITY) && groups & 1u << GROUP_OUTCOME)
        flops += overlap_flops(plan, cell);
    return flops;
}

int64_t layers_bytes(const struct plan *plan, const struct cell *cell)
{
    int64_t probes[PROBE_BUFFERS + 1], similarity[SIMILARITY_BUFFERS + 1], bytes = 0;
    int classes;
    const struct probe_rows rows = probe_rows_most(&cell->settings, &plan->facts, &classes);
    probe_work_table(&cell->shape, &rows, classes, probes);
    similarity_work_table(&cell->shape, (int)cell->settings.similarity.stimuli, classes, similarity);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_PROBES)) bytes += probes[PROBE_BUFFERS];
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_SIMILARITY)) bytes += similarity[SIMILARITY_BUFFERS];
    return bytes;
}

void add_layers(struct hasher *hasher, const struct plan *plan, const struct cell *cell)
{
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_PROBES)) {
        hasher_add_integer(hasher, "probes.items", cell->settings.probes.items);
        for (int t = 0; t < plan->facts.tasks; t++) {
            hasher_add_hash(hasher, "probed training", plan->facts.task[t].training);
            hasher_add_hash(hasher, "probed development", plan->facts.task[t].development);
            hasher_add_hash(hasher, "probed test", plan->facts.task[t].test);
        }
    }
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_SIMILARITY))
        hasher_add_integer(hasher, "similarity.stimuli", cell->settings.similarity.stimuli);
}
