/* The order of work in virtual time: a grid of its own to simulate, predictions with errors, and what bounds a makespan
 * from below. */
#include <math.h>
#include <stdlib.h>

#include "palimpsest/bench.h"

/* Few long trunks at the largest size, many short fine-tunings at the smallest: what makes the order matter. */
const struct bench_grid bench_grid = {
    .sizes = 4, .varieties = 4, .seeds = 5, .amounts = 5, .tasks = 6, .finetune = 0.2};

const struct bench_order bench_orders[BENCH_ORDERS] = {
    {ORDER_CRITICAL_PATH, .errors = false},
    {ORDER_CRITICAL_PATH, .errors = true},
    {ORDER_FIRST_IN, .errors = false},
    {ORDER_RANDOM, .errors = false},
};

struct growing {
    struct plan *plan;
    double *seconds;
};

static int add_stage(struct growing *growing, enum stage_kind kind, int parent, double seconds)
{
    struct plan *plan = growing->plan;
    int number = plan->stages++, steps = kind != STAGE_INITIAL;
    plan->stage[number] = (struct stage){.kind = kind, .row = number, .parent = parent, .stop_step = steps};
    plan->steps_tree += steps;
    plan->rows = plan->stages;
    growing->seconds[number] = seconds;
    return number;
}

/* Every task alone, and every other after it. */
static void add_pairs(struct growing *growing, int pretrained, int tasks, double seconds)
{
    for (int a = 0; a < tasks; a++) {
        int first = add_stage(growing, STAGE_FINETUNE, pretrained, seconds);
        for (int b = 0; b < tasks; b++)
            if (b != a) add_stage(growing, STAGE_FINETUNE, first, seconds);
    }
}

/* A trunk through all amounts; a fifth of each amount is its cooldown. */
static void add_variety(struct growing *growing, const struct bench_grid *grid, int initial, double size_cost)
{
    int trunk = initial;
    for (int amount = 0; amount < grid->amounts; amount++) {
        double whole = ldexp(1, amount), before = amount ? whole / 2 : 0;
        trunk = add_stage(growing, STAGE_TRUNK, trunk, 0.8 * (whole - before) * size_cost);
        int pretrained = add_stage(growing, STAGE_COOLDOWN, trunk, 0.2 * whole * size_cost);
        add_pairs(growing, pretrained, grid->tasks, grid->finetune * size_cost);
    }
}

struct plan *bench_grid_plan(const struct bench_grid *grid, double **seconds)
{
    int finetunings = grid->tasks * grid->tasks;
    int stages = grid->sizes * grid->seeds * (1 + grid->varieties * grid->amounts * (2 + finetunings));
    struct growing growing = {memory_allocate(sizeof *growing.plan),
                              memory_array((size_t)stages, sizeof *growing.seconds)};
    double size_cost = 1;
    growing.plan->stage = memory_array((size_t)stages, sizeof *growing.plan->stage);
    for (int size = 0; size < grid->sizes; size++, size_cost *= 4)
        for (int seed = 0; seed < grid->seeds; seed++) {
            int initial = add_stage(&growing, STAGE_INITIAL, -1, 0.01 * size_cost);
            for (int variety = 0; variety < grid->varieties; variety++) add_variety(&growing, grid, initial, size_cost);
        }
    CHECK(growing.plan->stages == stages, "%d stages, not %d", growing.plan->stages, stages);
    *seconds = growing.seconds;
    return growing.plan;
}

void bench_plan_destroy(struct plan **plan)
{
    if (*plan) memory_free((*plan)->stage);
    memory_free(*plan);
    *plan = NULL;
}

double *bench_with_errors(const struct plan *plan, const double *seconds, double deviation, uint64_t seed)
{
    struct random_cursor random = random_at(random_stream("errors", seed, NULL), 0);
    double *wrong = memory_array((size_t)plan->stages, sizeof *wrong);
    for (int s = 0; s < plan->stages; s++) wrong[s] = seconds[s] * exp(deviation * random_normal(&random));
    return wrong;
}

/* ---- the sharper bound ---- */

struct head { /* of a stage: the earliest start, by the chain before it */
    double start, seconds;
};

static int latest_first(const void *a, const void *b)
{
    double left = ((const struct head *)a)->start, right = ((const struct head *)b)->start;
    return (left < right) - (left > right);
}

static double end_of(const struct head *head, int stage) { return head[stage].start + head[stage].seconds; }

double bench_sharper_bound(const struct plan *plan, const double *seconds, int ranks)
{
    double work = 0, bound = 0;
    struct head *head = memory_array((size_t)plan->stages, sizeof *head);
    for (int s = 0; s < plan->stages; s++) {
        const struct stage *stage = &plan->stage[s];
        double start = stage->parent < 0 ? 0 : end_of(head, stage->parent);
        for (int n = 0; n < stage->needs; n++) start = fmax(start, end_of(head, plan->need[stage->first_need + n]));
        head[s] = (struct head){start, seconds[s]};
        bound = fmax(bound, end_of(head, s)); /* the critical path */
    }
    qsort(head, (size_t)plan->stages, sizeof *head, latest_first);
    for (int s = 0; s < plan->stages; s++) {
        work += head[s].seconds;
        bound = fmax(bound, head[s].start + work / ranks);
    }
    memory_free(head);
    return bound;
}

void bench_simulate(const struct plan *plan, const double *seconds, int ranks, uint64_t seed,
                    struct certificate found[BENCH_ORDERS])
{
    double *wrong = bench_with_errors(plan, seconds, BENCH_DEVIATION, seed);
    for (int o = 0; o < BENCH_ORDERS; o++)
        ledger_simulate(plan, bench_orders[o].errors ? wrong : seconds, seconds, ranks, bench_orders[o].order, seed,
                        &found[o]);
    memory_free(wrong);
}
