#include "plan_trees.h"

static int add_stage(struct plan *plan, enum stage_kind kind, int parent)
{
    int number = plan->stages++;
    plan->stage[number] = (struct stage){.kind = kind, .row = number, .parent = parent, .first_need = plan->need_count};
    plan->stage[number].state.low = (uint64_t)number + 1;
    plan->stage[number].stop_step = kind == STAGE_INITIAL ? 0 : 1;
    plan->steps_tree += plan->stage[number].stop_step;
    plan->rows = plan->stages;
    return number;
}

static void add_need(struct plan *plan, int stage, int need)
{
    plan->need[plan->need_count++] = need;
    plan->stage[stage].needs++;
}

static struct plan *empty(int stages, int needs)
{
    struct plan *plan = memory_allocate(sizeof *plan);
    plan->stage = memory_array((size_t)stages, sizeof *plan->stage);
    plan->need = memory_array((size_t)needs, sizeof *plan->need);
    return plan;
}

struct plan *tree_random(uint64_t seed, int stages)
{
    struct random_cursor random = random_at(random_stream("tree", seed, NULL), 0);
    struct plan *plan = empty(stages, 3 * stages);
    uint32_t bushy = 1 + random_below(&random, 8); /* how far back a parent may stand */
    while (plan->stages < stages) {
        uint32_t before = (uint32_t)plan->stages, reach = before < bushy ? before : bushy;
        bool root = before == 0 || random_below(&random, 10) == 0;
        int parent = root ? -1 : (int)(before - 1 - random_below(&random, reach));
        int stage = add_stage(plan, root ? STAGE_INITIAL : 1 + random_below(&random, 3), parent);
        int needs = before > 0 && random_below(&random, 3) == 0 ? (int)random_below(&random, 4) : 0;
        for (int n = 0; n < needs; n++) add_need(plan, stage, (int)random_below(&random, before));
    }
    return plan;
}

void tree_destroy(struct plan **plan)
{
    memory_free((*plan)->stage);
    memory_free((*plan)->need);
    memory_free(*plan);
    *plan = NULL;
}

double *tree_random_costs(const struct plan *plan, uint64_t seed)
{
    struct random_cursor random = random_at(random_stream("costs", seed, NULL), 0);
    double *cost = memory_array((size_t)plan->stages, sizeof *cost);
    for (int s = 0; s < plan->stages; s++) cost[s] = 0.5 + 9.5 * random_unit(&random);
    return cost;
}
