/* Identity.  A state's id is the hash of what makes its weights and of nothing else: neither cut points nor the lists
 * on the axes nor what others asked for.  A trunk state is (lineage, absolute step).  A record's id is the state's with
 * the instruments and everything they read. */
#include <string.h>

#include "plan_private.h"

static void add_shape(struct hasher *hasher, const struct model_shape *shape)
{
    hasher_add_integer(hasher, "layers", shape->layers);
    hasher_add_integer(hasher, "width", shape->width);
    hasher_add_integer(hasher, "heads", shape->heads);
    hasher_add_integer(hasher, "context", shape->context);
    hasher_add_integer(hasher, "vocabulary", shape->vocabulary);
    hasher_add_integer(hasher, "feed forward", shape->feed_forward);
    hasher_add_integer(hasher, "objective", shape->objective);
    hasher_add_integer(hasher, "share layers", shape->share_layers);
}

void add_optimizer(struct hasher *hasher, const struct optimizer_recipe *recipe)
{
    hasher_add_real(hasher, "learning rate", recipe->learning_rate);
    hasher_add_real(hasher, "beta1", recipe->beta1);
    hasher_add_real(hasher, "beta2", recipe->beta2);
    hasher_add_real(hasher, "epsilon", recipe->epsilon);
    hasher_add_real(hasher, "weight decay", recipe->weight_decay);
    hasher_add_real(hasher, "clip", recipe->clip);
    hasher_add_integer(hasher, "bias correction", recipe->bias_correction);
}

static struct hash128 initial_id(const struct cell *cell, const struct numerics *numerics)
{
    struct hasher hasher;
    hasher_init(&hasher, "initial state");
    hasher_add_text(&hasher, "numerics class", numerics->class_name);
    hasher_add_integer(&hasher, "numerics version", numerics->version);
    add_shape(&hasher, &cell->shape);
    hasher_add_real(&hasher, "deviation", cell->settings.model.initial_deviation);
    hasher_add_integer(&hasher, "seed", (int64_t)cell->seed);
    return hasher_finish(&hasher);
}

int cell_reading(const struct sweep *sweep, const struct world_facts *facts, const struct cell *cell, int *domain)
{
    reading_domains(&sweep->world, facts, cell->seed, cell->variety, domain);
    return cell->variety;
}

/* The stream as data: which domains' training data, in which order of the ring, how much before it repeats. */
void add_reading(struct hasher *hasher, const struct sweep *sweep, const struct world_facts *facts,
                 const struct cell *cell)
{
    int *domain = memory_array((size_t)facts->domains, sizeof *domain);
    int count = cell_reading(sweep, facts, cell, domain);
    hasher_add_integer(hasher, "domains", count);
    for (int i = 0; i < count; i++) hasher_add_hash(hasher, "domain", facts->domain[domain[i]].training);
    hasher_add_integer(hasher, "unique", cell->settings.pretrain.unique);
    hasher_add_integer(hasher, "separator", facts->separator);
    hasher_add_integer(hasher, "mask", facts->mask);
    memory_free(domain);
}

static struct hash128 lineage_id(const struct cell *cell, const struct sweep *sweep, const struct world_facts *facts,
                                 struct hash128 initial)
{
    struct hasher hasher;
    hasher_init(&hasher, "lineage");
    hasher_add_hash(&hasher, "initial", initial);
    hasher_add_integer(&hasher, "batch", cell->settings.pretrain.batch);
    hasher_add_integer(&hasher, "warmup", cell->steps.warmup);
    add_optimizer(&hasher, &cell->settings.pretrain.optimizer);
    add_reading(&hasher, sweep, facts, cell);
    hasher_add_integer(&hasher, "seed", (int64_t)cell->seed);
    return hasher_finish(&hasher);
}

static struct hash128 trunk_id(struct hash128 lineage, int64_t step)
{
    struct hasher hasher;
    hasher_init(&hasher, "trunk");
    hasher_add_hash(&hasher, "lineage", lineage);
    hasher_add_integer(&hasher, "step", step);
    return hasher_finish(&hasher);
}

static struct hash128 cooldown_id(struct hash128 lineage, const struct schedule_steps *steps)
{
    struct hasher hasher;
    hasher_init(&hasher, "cooldown");
    hasher_add_hash(&hasher, "lineage", lineage);
    hasher_add_integer(&hasher, "from", steps->trunk);
    hasher_add_integer(&hasher, "steps", steps->cooldown);
    return hasher_finish(&hasher);
}

void add_learning(struct hasher *hasher, const struct cell *cell, const struct finetune_recipe *recipe,
                  const struct task_facts *task, int place)
{
    hasher_add_integer(hasher, "place", place);
    hasher_add_text(hasher, "task", task->name);
    hasher_add_hash(hasher, "training", task->training);
    hasher_add_integer(hasher, "batch", recipe->batch);
    hasher_add_integer(hasher, "steps", recipe->steps);
    hasher_add_real(hasher, "warmup", recipe->warmup);
    hasher_add_integer(hasher, "freeze", recipe->freeze);
    add_optimizer(hasher, &recipe->optimizer);
    hasher_add_integer(hasher, "head", cell->settings.head);
    if (cell->settings.read_layers) hasher_add_integer(hasher, "layers", cell->settings.read_layers);
    hasher_add_integer(hasher, "pool", cell->settings.pool);
    hasher_add_integer(hasher, "items", cell->settings.train_items);
    hasher_add_real(hasher, "head deviation", cell->settings.model.initial_deviation);
    hasher_add_integer(hasher, "seed", (int64_t)cell->seed);
}

void add_finetuning(struct hasher *hasher, const struct cell *cell, const struct task_facts *task, int place)
{
    add_learning(hasher, cell, place == 0 ? &cell->settings.first : &cell->settings.second, task, place);
}

static struct hash128 finetune_id(const struct cell *cell, const struct world_facts *facts, struct hash128 parent,
                                  int place)
{
    struct hasher hasher;
    hasher_init(&hasher, "fine-tuning");
    hasher_add_hash(&hasher, "parent", parent);
    add_finetuning(&hasher, cell, &facts->task[cell->sequence->task[place]], place);
    return hasher_finish(&hasher);
}

/* The next on the cell's own way: it starts from the one appended before it. */
static void append(struct path *path, int parent, struct milestone milestone)
{
    milestone.branch = -1;
    milestone.parent = parent;
    path->stage[path->length++] = milestone;
}

static void append_pretraining(const struct cell *cell, const struct sweep *sweep, const struct world_facts *facts,
                               struct path *path)
{
    const struct schedule_steps *steps = &cell->steps;
    if (steps->trunk + steps->cooldown == 0) return; /* amount 0: fine-tuning starts from the initial state */
    struct hash128 lineage = lineage_id(cell, sweep, facts, path->stage[0].state);
    if (steps->trunk > 0)
        append(path, path->length - 1,
               (struct milestone){.kind = STAGE_TRUNK,
                                  .place = -1,
                                  .stop_step = steps->trunk,
                                  .lineage = lineage,
                                  .state = trunk_id(lineage, steps->trunk)});
    if (steps->cooldown > 0)
        append(path, path->length - 1,
               (struct milestone){.kind = STAGE_COOLDOWN,
                                  .place = -1,
                                  .lineage = lineage,
                                  .stop_step = steps->trunk + steps->cooldown,
                                  .state = cooldown_id(lineage, steps)});
}

/* After the first place displacement is measured from the pretrained state. */
static void append_places(const struct cell *cell, const struct world_facts *facts, struct path *path)
{
    int parent = path->pretrained;
    for (int place = 0; place < cell->sequence->length; place++) {
        struct milestone milestone = {.kind = STAGE_FINETUNE, .place = place, .needs = place > 0};
        milestone.need[0] = path->pretrained;
        milestone.stop_step = place == 0 ? cell->settings.first.steps : cell->settings.second.steps;
        milestone.state = finetune_id(cell, facts, path->stage[parent].state, place);
        append(path, parent, milestone);
        path->before_last = parent;
        parent = path->last = path->length - 1;
        if (place == 0) path->first = parent;
    }
}

void path_resolve(const struct cell *cell, const struct sweep *sweep, const struct world_facts *facts,
                  const struct numerics *numerics, struct path *path)
{
    path->length = 0;
    append(path, -1, (struct milestone){.kind = STAGE_INITIAL, .place = -1, .state = initial_id(cell, numerics)});
    append_pretraining(cell, sweep, facts, path);
    path->pretrained = path->length - 1;
    append_branches(cell, sweep, facts, true, path);
    append_places(cell, facts, path);
    append_branches(cell, sweep, facts, false, path);
}

struct milestone stage_milestone(const struct stage *stage)
{
    return (struct milestone){.kind = stage->kind,
                              .branch = stage->branch,
                              .place = stage->place,
                              .stop_step = stage->stop_step,
                              .state = stage->state};
}

/* What optional instruments read beside the state, and how much of it. */
static void add_instruments(struct hasher *hasher, const struct plan *plan, const struct cell *cell)
{
    const struct world_facts *facts = &plan->facts;
    unsigned on = plan->sweep->instruments;
    if (instrument_on(on, INSTRUMENT_PROMPTS))
        for (int t = 0; t < facts->tasks; t++) hasher_add_hash(hasher, "prompted", facts->task[t].test);
    if (!instrument_on(on, INSTRUMENT_MEDIATORS)) return;
    hasher_add_integer(hasher, "noise draws", cell->settings.mediators.draws);
    hasher_add_integer(hasher, "gradient items", cell->settings.mediators.items);
}

void add_references(struct hasher *hasher, const struct cell *cell, const struct world_facts *facts)
{
    hasher_add_integer(hasher, "tokens", cell->settings.evaluate.tokens);
    for (int d = 0; d < facts->domains + facts->task_domains; d++)
        hasher_add_hash(hasher, "reference", facts->domain[d].reference);
}

/* Where a training was looked at, and by which measure that is read; the history of a state keeps what recovery reads.
 */
static void add_looking(struct hasher *hasher, const struct plan *plan, const struct cell *cell)
{
    bool recovery = instrument_on(plan->sweep->instruments, INSTRUMENT_RECOVERY);
    bool frontier = instrument_on(plan->sweep->instruments, INSTRUMENT_FRONTIER);
    if (recovery || frontier) hasher_add_integer(hasher, "looks", cell->settings.evaluate.looks);
    if (recovery) hasher_add_real(hasher, "within", cell->settings.recovery.within);
    if (frontier) hasher_add_real(hasher, "success", cell->settings.frontier.success);
}

struct hash128 record_id(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                         unsigned groups)
{
    const struct world_facts *facts = &plan->facts;
    struct hasher hasher;
    hasher_init(&hasher, "record");
    hasher_add_hash(&hasher, "state", milestone->state);
    hasher_add_integer(&hasher, "groups", groups);
    hasher_add_integer(&hasher, "instruments", plan->sweep->instruments);
    hasher_add_integer(&hasher, "items", cell->settings.evaluate.items);
    add_references(&hasher, cell, facts);
    /* what starts before any place may read a task that the sequence comes to later */
    bool ahead = milestone->kind == STAGE_BRANCH && milestone->place < 0;
    int places = ahead ? cell->sequence->length : milestone->place + 1;
    for (int place = 0; place < places; place++)
        hasher_add_hash(&hasher, "test", facts->task[cell->sequence->task[place]].test);
    add_instruments(&hasher, plan, cell);
    if (milestone->place >= 0) add_looking(&hasher, plan, cell);
    if (milestone->kind != STAGE_BRANCH) add_layers(&hasher, plan, cell);
    return hasher_finish(&hasher);
}
