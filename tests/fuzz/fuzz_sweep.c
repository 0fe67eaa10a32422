/* A sweep file: YAML text to a checked sweep, and on to a plan when the grid is small.  Refusals must have a place in
 * the file; what is accepted must be the same when it is read again. */
#include <stdio.h>
#include <string.h>

#include "fuzz_input.h"
#include "palimpsest/plan.h"

enum { MOST_CELLS = 48 };

/* Facts for whatever world the sweep speaks of, with nothing loaded. */
struct made_up {
    struct domain_facts domain[2 * DOMAINS_MAX];
    struct task_facts task[DOMAINS_MAX];
};

static struct world_facts facts_for(const struct sweep *sweep, struct made_up *made)
{
    bool grammar = sweep->world.kind == WORLD_GRAMMAR;
    struct world_facts facts = {.vocabulary = 300,
                                .separator = 0,
                                .mask = 1,
                                .domains = sweep->world.domains,
                                .task_domains = grammar ? sweep->world.task_domains : 0,
                                .domain = made->domain,
                                .tasks = sweep->task_count,
                                .task = made->task};
    for (int d = 0; d < facts.domains + facts.task_domains; d++) {
        struct domain_facts *domain = &made->domain[d];
        snprintf(domain->name, sizeof domain->name, "domain_%d", d);
        domain->reserved = d >= facts.domains;
        domain->tokens = grammar ? UINT64_MAX : 100000;
        domain->training = (struct hash128){1, (uint64_t)d};
        domain->reference = (struct hash128){2, (uint64_t)d};
    }
    for (int t = 0; t < facts.tasks; t++) {
        made->task[t] = (struct task_facts){.classes = 2 + t % 5,
                                            .train_items = 1000,
                                            .development_items = 100,
                                            .test_items = 400,
                                            .majority = 0.5,
                                            .mean_tokens = 12,
                                            .most_tokens = 24,
                                            .training = {3, (uint64_t)t},
                                            .test = {4, (uint64_t)t}};
        memcpy(made->task[t].name, sweep->tasks[t], sizeof made->task[t].name);
    }
    return facts;
}

static void check_plan(const struct plan *plan)
{
    CHECK(plan->rows >= 1 && plan->stages >= plan->rows, "%d rows, %d stages", plan->rows, plan->stages);
    CHECK(plan_results_bytes(plan) > 0, "a results file of %lld bytes", (long long)plan_results_bytes(plan));
    CHECK(plan->state_bytes_max > 0 && plan->work_bytes_max > 0, "memory of %lld and %lld bytes",
          (long long)plan->state_bytes_max, (long long)plan->work_bytes_max);
    CHECK(plan->flops_tree >= 0 && plan->flops_tree <= plan->flops_per_cell_alone * 1.000001, "%g FLOPs of %g",
          plan->flops_tree, plan->flops_per_cell_alone);
    for (int s = 0; s < plan->stages; s++) {
        const struct stage *stage = &plan->stage[s];
        CHECK(stage->parent < s, "stage %d comes before its parent %d", s, stage->parent);
        CHECK(stage->stop_step >= stage->start_step, "stage %d ends before it starts", s);
        CHECK(stage->training_flops >= 0 && stage->measuring_flops >= 0, "stage %d costs less than nothing", s);
    }
}

/* The hash of the plan; all zero when it was refused. */
static struct hash128 plan_of_sweep(const struct sweep *sweep, struct made_up *made, bool sharing)
{
    const struct numerics numerics = {.class_name = "fuzz", .version = 1};
    struct world_facts facts = facts_for(sweep, made);
    struct hash128 hash = {0};
    struct plan *plan = NULL;
    struct error err = {0};
    if (plan_create(sweep, &facts, &numerics, sharing, &plan, &err) != 0) {
        fuzz_refused(&err, sweep->path);
        return hash;
    }
    check_plan(plan);
    hash = plan->sweep_hash;
    plan_destroy(&plan);
    return hash;
}

static void expand(const struct sweep *sweep)
{
    struct made_up *made = memory_allocate(sizeof *made);
    char *explained = config_explain(sweep, true);
    CHECK(explained[0], "a sweep without values");
    memory_free(explained);
    if (sweep_cells(sweep) <= MOST_CELLS && sweep->world.domains + sweep->world.task_domains <= 2 * DOMAINS_MAX) {
        struct hash128 shared = plan_of_sweep(sweep, made, true), alone = plan_of_sweep(sweep, made, false);
        CHECK(hash_equal(shared, alone), "sharing changes what the sweep is");
    }
    memory_free(made);
}

/* What a text world may name. */
static void data_files(void)
{
    static bool there;
    if (there) return;
    fuzz_file(1, "one.txt", "a few words\nand more\n", 21);
    fuzz_file(2, "a.tsv", "x\tone text\ny\tanother\n", 21);
    fuzz_file(3, "b.tsv", "x\tthird text\n", 13);
    there = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct memory_count before = fuzz_begin();
    struct sweep *sweep = NULL;
    struct error err = {0};
    data_files();
    const char *path = fuzz_file(0, "sweep.yaml", bytes, count);
    if (config_read_file(path, &sweep, &err) != 0)
        fuzz_refused(&err, "sweep.yaml:");
    else
        expand(sweep);
    sweep_destroy(&sweep);
    fuzz_end(before);
    return 0;
}
