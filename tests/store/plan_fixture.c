#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plan_fixture.h"

enum { TASKS = 3, DOMAINS = 4, RESERVED = 2, AXES_MOST = 6, MEMBERS_MOST = 2, VALUES_MOST = 3 };

static const char yaml[] = "name: fixture # gr\u00fcn\n";
static char tasks[TASKS][NAME_MAX_BYTES] = {"tense", "topic", "agreement"};
static struct sequence sequences[] = {{2, {0, 1}}, {2, {1, 0}}, {3, {2, 0, 1}}};
static struct claim claims[] = {
    {"larger_forgets_less", "size", "forgetting", "slope_per_doubling", "down", "same_training", 0.05, 0.02, 5}};
static const struct task_facts task_facts[TASKS] = {
    {.name = "tense",
     .classes = 2,
     .train_items = 90,
     .test_items = 40,
     .majority = 0.5,
     .most_tokens = 9,
     .training = {1, 2}},
    {.name = "topic",
     .classes = 4,
     .train_items = 90,
     .test_items = 40,
     .majority = 0.3,
     .most_tokens = 9,
     .training = {3, 4}},
    {.name = "agreement", .classes = 2, .train_items = 90, .test_items = 40, .majority = 0.5, .most_tokens = 9},
};
static const struct domain_facts domain_facts[DOMAINS + RESERVED] = {
    {.name = "d0", .tokens = UINT64_MAX},
    {.name = "d1", .tokens = UINT64_MAX},
    {.name = "d2", .tokens = UINT64_MAX},
    {.name = "d3", .tokens = UINT64_MAX, .training = {5, 6}},
    {.name = "r0", .tokens = UINT64_MAX, .reserved = true},
    {.name = "r1", .tokens = UINT64_MAX, .reserved = true},
};
static const struct world_facts facts = {.vocabulary = 40,
                                         .separator = 1,
                                         .mask = 2,
                                         .domains = DOMAINS,
                                         .task_domains = RESERVED,
                                         .domain = domain_facts,
                                         .tasks = TASKS,
                                         .task = task_facts};
static const struct numerics numerics = {.class_name = "plain/fixture", .version = 3};

static int64_t two[] = {0, 1}, three[] = {0, 1, 2}, counted[] = {1, 2};
static struct amount absolute[] = {{0, false}, {320, false}, {640, false}};
static struct amount mixed[] = {{0, false}, {320, false}, {2.5, true}};
static union setting_value batches[] = {{.integer = 2}, {.integer = 4}};
static union setting_value objectives[] = {{.integer = OBJECTIVE_CAUSAL}, {.integer = OBJECTIVE_MASKED}};
static const char *const size_labels[] = {"nano", "mini"}, *const token_labels[] = {"0", "320", "640"},
                         *const mixed_labels[] = {"0", "320", "2.5x"}, *const number_labels[] = {"1", "2"},
                         *const zip_labels[] = {"nano/2", "mini/4"}, *const objective_labels[] = {"causal", "masked"},
                         *const pair_labels[] = {"tense>topic", "topic>tense", "agreement>tense>topic"};
static int size_row; /* of model.layers */
static union setting_value layers[] = {{.integer = 1}, {.integer = 3}};
static struct size_entry sizes[] = {{.name = "nano", .rows = &size_row, .values = &layers[0], .count = 1},
                                    {.name = "mini", .rows = &size_row, .values = &layers[1], .count = 1}};

static struct axis *add_axis(struct sweep *sweep, const char *name, int length, const char *const *labels)
{
    struct axis *axis = &sweep->axes[sweep->axis_count++];
    snprintf(axis->name, sizeof axis->name, "%s", name);
    axis->length = length;
    axis->labels = (char **)labels; /* only read */
    axis->members = memory_array(MEMBERS_MOST, sizeof *axis->members);
    return axis;
}

static struct axis_member *add_member(struct axis *axis, enum axis_kind kind, const char *name)
{
    struct axis_member *member = &axis->members[axis->member_count++];
    member->kind = kind;
    member->row = kind == AXIS_SETTING ? setting_find(name) : -1;
    snprintf(member->name, sizeof member->name, "%s", name);
    return member;
}

static void add_sizes(struct sweep *sweep, bool zipped)
{
    struct axis *axis = add_axis(sweep, zipped ? "shape" : "size", 2, zipped ? zip_labels : size_labels);
    add_member(axis, AXIS_SIZE, "size")->values.integer = two;
    if (zipped) add_member(axis, AXIS_SETTING, "pretrain.batch")->values.setting = batches;
}

static void add_axes(struct sweep *sweep, bool zipped)
{
    add_sizes(sweep, zipped);
    struct axis *tokens = add_axis(sweep, "tokens", 3, zipped ? mixed_labels : token_labels);
    add_member(tokens, AXIS_TOKENS, "tokens")->values.amount = zipped ? mixed : absolute;
    add_member(add_axis(sweep, "variety", 2, number_labels), AXIS_VARIETY, "variety")->values.integer = counted;
    add_member(add_axis(sweep, "pair", 3, pair_labels), AXIS_PAIR, "pair")->values.integer = three;
    add_member(add_axis(sweep, "seed", 2, number_labels), AXIS_SEED, "seed")->values.integer = counted;
    if (!zipped) return;
    struct axis *objective = add_axis(sweep, "model_objective", 2, objective_labels);
    add_member(objective, AXIS_SETTING, "model.objective")->values.setting = objectives;
}

static void fill_sweep(struct sweep *sweep, bool zipped)
{
    size_row = setting_find("model.layers");
    *sweep = (struct sweep){.path = (char *)"fixture.yaml", .text = (char *)yaml, .name = "fixture"};
    sweep->world = (struct world_spec){.domains = DOMAINS, .task_domains = RESERVED, .seed = 1};
    sweep->tasks = tasks;
    sweep->task_count = TASKS;
    sweep->sizes = sizes;
    sweep->size_count = 2;
    sweep->sequences = sequences;
    sweep->sequence_count = 3;
    sweep->claims = claims;
    sweep->claim_count = 1;
    sweep->instruments = (1u << INSTRUMENT_COUNT) - 1;
    sweep->axes = memory_array(AXES_MOST, sizeof *sweep->axes);
    sweep->origin = memory_array((size_t)settings_count, sizeof *sweep->origin);
    sweep->set = memory_array((size_t)settings_count, sizeof *sweep->set);
    settings_standard(&sweep->base);
    sweep->base.model.context = 16;
    sweep->base.model.width = 8;
    sweep->base.model.heads = 2;
    sweep->base.pretrain.batch = 2;
    sweep->base.pretrain.warmup = 0;
    sweep->base.pretrain.unique = 0;
    add_axes(sweep, zipped);
}

struct fixture *fixture_create(bool zipped, bool sharing)
{
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    struct error err = {.kind = ERROR_NONE};
    fill_sweep(&fixture->sweep, zipped);
    CHECK(plan_create(&fixture->sweep, &facts, &numerics, sharing, &fixture->plan, &err) == 0, "%s", err.text);
    return fixture;
}

void fixture_destroy(struct fixture **fixture)
{
    struct sweep *sweep = &(*fixture)->sweep;
    plan_destroy(&(*fixture)->plan);
    for (int a = 0; a < sweep->axis_count; a++) memory_free(sweep->axes[a].members);
    memory_free(sweep->axes);
    memory_free(sweep->origin);
    memory_free(sweep->set);
    memory_free(*fixture);
    *fixture = NULL;
}

double *fixture_record(const struct plan *plan, int stage, int *length)
{
    *length = plan_record_length(plan, stage);
    double *record = memory_array((size_t)*length, sizeof *record);
    int row = plan->stage[stage].row;
    for (int i = 0; i < *length; i++) record[i] = i % 7 == 6 ? NAN : row + i / 1024.0;
    return record;
}
