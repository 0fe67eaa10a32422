#include "plan_sweeps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

enum { DOMAINS = 8, RESERVED = 2, TASKS = 4 };

const struct world_facts *facts_of_tests(void)
{
    static struct domain_facts domain[DOMAINS + RESERVED];
    static struct task_facts task[TASKS];
    static const char *const names[TASKS] = {"tense", "subject_number", "bigram_shift", "object_number"};
    static struct world_facts facts = {.vocabulary = 300,
                                       .separator = 0,
                                       .mask = 1,
                                       .domains = DOMAINS,
                                       .task_domains = RESERVED,
                                       .domain = domain,
                                       .tasks = TASKS,
                                       .task = task};
    for (int d = 0; d < DOMAINS + RESERVED; d++) {
        snprintf(domain[d].name, sizeof domain[d].name, "domain_%d", d);
        domain[d].reserved = d >= DOMAINS;
        domain[d].tokens = UINT64_MAX;
        domain[d].training = (struct hash128){1, (uint64_t)d};
        domain[d].reference = (struct hash128){2, (uint64_t)d};
    }
    for (int t = 0; t < TASKS; t++) {
        task[t] = (struct task_facts){.classes = 2 + t,
                                      .train_items = 1000,
                                      .development_items = 100,
                                      .test_items = 400,
                                      .majority = 0.5,
                                      .mean_tokens = 12,
                                      .most_tokens = 24,
                                      .training = {3, (uint64_t)t},
                                      .test = {4, (uint64_t)t}};
        snprintf(task[t].name, sizeof task[t].name, "%s", names[t]);
    }
    return &facts;
}

int plan_try(const char *yaml, const struct world_facts *facts, struct planned *planned, struct error *err)
{
    const struct numerics numerics = {.class_name = "test", .version = 1};
    *planned = (struct planned){0};
    TRY(config_read("t.yaml", yaml, &planned->sweep, err));
    if (plan_create(planned->sweep, facts, &numerics, true, &planned->plan, err) == 0) return 0;
    sweep_destroy(&planned->sweep);
    return -1;
}

struct planned plan_of(const char *yaml, bool sharing)
{
    struct planned planned = {0};
    struct error err = {0};
    const struct numerics numerics = {.class_name = "test", .version = 1};
    if (config_read("t.yaml", yaml, &planned.sweep, &err) != 0 ||
        plan_create(planned.sweep, facts_of_tests(), &numerics, sharing, &planned.plan, &err) != 0)
        fail_msg("%s", err.text);
    return planned;
}

void planned_reset(struct planned *planned)
{
    plan_destroy(&planned->plan);
    sweep_destroy(&planned->sweep);
}

int find_state(const struct plan *plan, struct hash128 state)
{
    for (int s = 0; s < plan->stages; s++)
        if (hash_equal(plan->stage[s].state, state)) return s;
    return -1;
}
