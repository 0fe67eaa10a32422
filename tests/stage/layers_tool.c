/* Runs a sweep and prints, for test_layers.py, what the plain model in double precision makes of items and stimuli in
 * its trained states, beside what the instruments that read hidden rows noted there.
 *
 *     layers_tool SWEEP.yaml
 *
 * Lines: a name, the number of values, the values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/gradcheck.h"
#include "../support/reference.h"
#include "tree_runner.h"

static struct tree_run run;

/* The rows of one sequence after each layer: its last, and their mean. */
static void print_rows(const char *name, const struct state *state, const double *values, const uint16_t *token,
                       int length)
{
    const int width = state->shape.width, layers = state->shape.layers + 2;
    const int start[] = {0, length};
    const struct batch batch = {1, length, start, token, NULL};
    double *hidden = memory_array((size_t)length * (size_t)width, sizeof *hidden);
    printf("%s %d", name, 2 * layers * width);
    for (int layer = 0; layer < layers; layer++) {
        reference_hidden(state, values, &batch, layer, hidden);
        for (int c = 0; c < width; c++) printf(" %.17g", hidden[(length - 1) * width + c]);
        for (int c = 0; c < width; c++) {
            double sum = 0;
            for (int t = 0; t < length; t++) sum += hidden[t * width + c];
            printf(" %.17g", sum / length);
        }
    }
    printf("\n");
    memory_free(hidden);
}

static void print_items(const struct state *state, const double *values, int task)
{
    const struct task_facts *facts = &world_facts(run.world)->task[task];
    const struct settings *settings = &run.sweep->base;
    const int all[] = {facts->train_items, facts->development_items, facts->test_items};
    const int64_t asked[] = {settings->probes.items, settings->probes.items, settings->evaluate.items};
    for (int split = SPLIT_TRAIN; split <= SPLIT_TEST; split++)
        for (int i = 0; i < all[split] && i < asked[split]; i++) {
            char name[64];
            struct item item = world_item(run.world, task, (enum split)split, i);
            snprintf(name, sizeof name, "item/%d/%d/%d", task, split, item.label);
            print_rows(name, state, values, item.token, item.length);
        }
}

static void print_stimuli(const char *name, const struct state *state, const double *values)
{
    const struct world_facts *facts = world_facts(run.world);
    const int domains = facts->domains + facts->task_domains, context = state->shape.context;
    uint16_t *token = memory_array((size_t)context + 1, sizeof *token);
    for (int i = 0; i < (int)run.sweep->base.similarity.stimuli; i++) {
        world_reference(run.world, i % domains, i / domains, context, token);
        print_rows(name, state, values, token, context);
    }
    memory_free(token);
}

static void print_fields(int number)
{
    const struct stage *stage = &run.plan->stage[number];
    for (int f = 0; f < FIELD_COUNT; f++) {
        const struct field *field = &fields_table[f];
        if (field->instrument != INSTRUMENT_PROBES && field->instrument != INSTRUMENT_SIMILARITY) continue;
        if (!(field->groups & stage->groups)) continue;
        int count = field_length(field->id, &run.plan->extents, stage->place);
        const double *values = tree_field(&run, number, field->id);
        printf("%s %d", field->name, count);
        for (int i = 0; i < count; i++) printf(" %.17g", values[i]);
        printf("\n");
    }
}

static void print_stage(int number)
{
    const struct stage *stage = &run.plan->stage[number];
    const struct state *state = run.result[number].state;
    if (stage->kind == STAGE_BRANCH || (stage->place < 0 && !(stage->groups & 1u << GROUP_PRETRAINED))) return;
    double *values = test_doubles(state->values, state->floats);
    printf("stage 3 %d %d %d\n", number, stage->parent, stage->place);
    for (int task = 0; task < run.sweep->task_count; task++) print_items(state, values, task);
    print_stimuli("stimulus", state, values);
    print_fields(number);
    memory_free(values);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    char *yaml;
    size_t length;
    if (argc != 2 || file_read(argv[1], 1 << 20, &yaml, &length, &err) != 0) {
        fprintf(stderr, "layers_tool SWEEP.yaml: %s\n", err.text);
        return 2;
    }
    tree_run(yaml, &run);
    for (int s = 0; s < run.plan->stages; s++)
        if (run.failure[s][0] == 0) print_stage(s);
    tree_run_reset(&run);
    memory_free(yaml);
    return 0;
}
