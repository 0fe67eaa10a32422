/* What a good file says arrives in the sweep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "palimpsest/config.h"

#define GOOD TEST_FOLDER "/sweeps/good/"
#define SWEEPS TEST_FOLDER "/../sweeps/"
#define START "name: t\nworld: {kind: grammar, domains: 4}\ntasks: [tense, topic]\n"

static struct error err;

static struct sweep *read_file(const char *path)
{
    struct sweep *sweep = NULL;
    if (config_read_file(path, &sweep, &err) != 0) fail_msg("%s", err.text);
    return sweep;
}

static struct sweep *read_text(const char *text)
{
    struct sweep *sweep = NULL;
    if (config_read("t.yaml", text, &sweep, &err) != 0) fail_msg("%s", err.text);
    return sweep;
}

static const struct axis *axis_of(const struct sweep *sweep, enum axis_kind kind)
{
    int member;
    const struct axis *axis = sweep_axis(sweep, kind, &member);
    assert_non_null(axis);
    return axis;
}

static void the_smallest_sweep_has_defaults_for_all_else(void **state)
{
    (void)state;
    struct sweep *sweep = read_file(GOOD "smallest.yaml");
    struct settings standard;
    settings_standard(&standard);
    for (int row = 0; row < settings_count; row++) {
        char expected[64], found[64];
        setting_print(row, &standard, expected, sizeof expected);
        setting_print(row, &sweep->base, found, sizeof found);
        assert_string_equal(expected, found);
    }
    assert_int_equal(1, axis_of(sweep, AXIS_SIZE)->length);
    assert_string_equal("20x", axis_of(sweep, AXIS_TOKENS)->labels[0]);
    assert_int_equal(16, axis_of(sweep, AXIS_VARIETY)->members[0].values.integer[0]);
    assert_int_equal(5, axis_of(sweep, AXIS_SEED)->length);
    assert_int_equal(sweep->task_count * (sweep->task_count - 1), axis_of(sweep, AXIS_PAIR)->length);
    assert_int_equal(1, sweep->claim_count); /* nothing varies but pairs and seeds */
    for (int row = 0; row < settings_count; row++) assert_int_equal(0, sweep->origin[row].line);
    sweep_destroy(&sweep);
}

static void quickstart_is_read(void **state)
{
    (void)state;
    struct sweep *sweep = read_file(SWEEPS "quickstart.yaml");
    assert_string_equal("quickstart", sweep->name);
    assert_int_equal(4, sweep->claim_count);
    assert_true(sweep->axis_count >= 5);
    assert_true(sweep->instruments & 1u << INSTRUMENT_CURVES);
    sweep_destroy(&sweep);
}

/* Cells that no rule takes away. */
static int64_t cells_left(const struct sweep *sweep)
{
    int64_t cells = 1, left = 0;
    for (int a = 0; a < sweep->axis_count; a++) cells *= sweep->axes[a].length;
    for (int64_t cell = 0; cell < cells; cell++) {
        int index[AXES_MAX];
        bool excluded = false;
        int64_t rest = cell;
        for (int a = sweep->axis_count - 1; a >= 0; a--) {
            index[a] = (int)(rest % sweep->axes[a].length);
            rest /= sweep->axes[a].length;
        }
        for (int e = 0; e < sweep->exclusion_count && !excluded; e++) {
            excluded = true;
            for (int a = 0; a < sweep->axis_count; a++) {
                const bool *chosen = sweep->exclusions[e].chosen[a];
                excluded = excluded && (!chosen || chosen[index[a]]);
            }
        }
        left += !excluded;
    }
    return left;
}

/* Each claim's axis has enough values, amount 0 is there, every pair in both orders, and as many seeds as a claim
 * needs; of the two rates one at a time leaves its usual value, at one variety and `rated` of the amounts: 1 + 2 + 2 of
 * 9, of 1 + 3 + 3 of 16. */
static void assert_answers_the_question(const char *path, int sizes, int amounts, int rated, int varieties,
                                        int sequences, int seeds, int64_t others)
{
    struct sweep *sweep = read_file(path);
    const struct axis *tokens = axis_of(sweep, AXIS_TOKENS);
    assert_int_equal(sizes, axis_of(sweep, AXIS_SIZE)->length);
    assert_int_equal(amounts, tokens->length);
    assert_true(tokens->members[0].values.amount[0].value == 0);
    assert_int_equal(varieties, axis_of(sweep, AXIS_VARIETY)->length);
    assert_int_equal(sequences, axis_of(sweep, AXIS_PAIR)->length);
    assert_int_equal(sweep->task_count * (sweep->task_count - 1), sequences);
    assert_int_equal(seeds, axis_of(sweep, AXIS_SEED)->length);
    assert_int_equal(4, sweep->claim_count);
    for (int c = 0; c < sweep->claim_count; c++) assert_true(sweep->claims[c].minimum_seeds <= seeds);
    assert_int_equal((int64_t)sizes * sequences * seeds * (amounts * varieties + rated * others), cells_left(sweep));
    sweep_destroy(&sweep);
}

static void the_sweeps_about_forgetting_ask_what_they_say(void **state)
{
    (void)state;
    assert_answers_the_question(SWEEPS "forgetting.yaml", 5, 7, 5, 4, 6, 5, 4);
    assert_answers_the_question(SWEEPS "forgetting-full.yaml", 9, 7, 7, 6, 12, 10, 6);
}

/* Small sweeps after a paper each: they need no data, and switch on the instruments that they are about. */
static void the_sweeps_after_papers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum instrument instrument;
    } papers[] = {{SWEEPS "stability.yaml", INSTRUMENT_CURVES},
                  {SWEEPS "probing_tasks.yaml", INSTRUMENT_PROBES},
                  {SWEEPS "layers_after_finetuning.yaml", INSTRUMENT_SIMILARITY},
                  {SWEEPS "overtraining.yaml", INSTRUMENT_MEDIATORS},
                  {SWEEPS "scale_and_forgetting.yaml", INSTRUMENT_FRONTIER},
                  {SWEEPS "general_intelligence.yaml", INSTRUMENT_CODELENGTH},
                  {SWEEPS "intermediate_tasks.yaml", INSTRUMENT_TRANSFER},
                  {SWEEPS "lifelong_pretraining.yaml", INSTRUMENT_MEDIATORS},
                  {SWEEPS "loss_and_downstream.yaml", INSTRUMENT_PROMPTS},
                  {SWEEPS "probing_after_finetuning.yaml", INSTRUMENT_PROBES}};
    for (size_t i = 0; i < sizeof papers / sizeof *papers; i++) {
        struct sweep *sweep = read_file(papers[i].path);
        assert_int_equal(WORLD_GRAMMAR, sweep->world.kind);
        assert_true(sweep->instruments & 1u << papers[i].instrument);
        sweep_destroy(&sweep);
    }
}

static void text_sweep_is_read(void **state)
{
    (void)state;
    if (!getenv("PALIMPSEST_DATA")) {
        print_message("PALIMPSEST_DATA is not set: sweeps/text.yaml and sweeps/cells.yaml are not read\n");
        skip();
    }
    struct sweep *sweep = read_file(SWEEPS "text.yaml");
    assert_int_equal(TOKENIZER_WORDS, sweep->world.tokenizer);
    assert_int_equal(3, sweep->world.task_count);
    sweep_destroy(&sweep);
    sweep = read_file(SWEEPS "cells.yaml"); /* 432 cells: what tools/bench_cells.py is about */
    int64_t cells = 1;
    for (int a = 0; a < sweep->axis_count; a++) cells *= sweep->axes[a].length;
    assert_int_equal(432, cells);
    sweep_destroy(&sweep);
}

static void every_section_arrives(void **state)
{
    (void)state;
    struct sweep *sweep = read_file(GOOD "everything.yaml");
    assert_int_equal(OVERLAP_TASKS, sweep->world.overlap);
    assert_int_equal(7, sweep->world.seed);
    assert_int_equal(OBJECTIVE_MASKED, sweep->base.model.objective);
    assert_int_equal(0, sweep->base.pretrain.warmup);
    assert_int_equal(1000000, sweep->base.pretrain.unique);
    assert_true(sweep->base.pretrain.cooldown.in_tokens && sweep->base.pretrain.cooldown.value == 16384);
    assert_true(sweep->base.pretrain.optimizer.beta2 == 0.98);
    assert_int_equal(100, sweep->base.second.steps); /* inherited */
    assert_int_equal(1, sweep->base.second.freeze);
    assert_int_equal(0, sweep->base.first.freeze);
    assert_int_equal(3, sweep->size_count);
    assert_int_equal(4, sweep->sizes[1].count);
    assert_int_equal((1u << INSTRUMENT_COUNT) - 1, sweep->instruments);
    assert_int_equal(2, sweep->claim_count);
    assert_string_equal("slope_per_doubling", sweep->claims[0].statistic);
    assert_true(sweep->claims[1].alpha == 0.01 && sweep->claims[1].minimum_seeds == 3);
    assert_string_equal("equal_success", sweep->claims[0].reading); /* frontier is on */
    assert_string_equal("same_training", sweep->claims[1].reading); /* asked for */
    sweep_destroy(&sweep);
}

static void axes_keep_the_order_and_the_labels_of_the_file(void **state)
{
    (void)state;
    static const char *const names[] = {
        "shape", "tokens", "variety", "pair", "finetune_learning_rate", "pretrain_cooldown", "model_share_layers",
        "seed"};
    struct sweep *sweep = read_file(GOOD "everything.yaml");
    assert_int_equal(8, sweep->axis_count);
    for (int a = 0; a < 8; a++) assert_string_equal(names[a], sweep->axes[a].name);
    assert_int_equal(2, sweep->axes[0].member_count);
    assert_string_equal("b/32", sweep->axes[0].labels[2]);
    assert_int_equal(1, sweep->axes[0].members[0].values.integer[2]);
    assert_int_equal(32, sweep->axes[0].members[1].values.setting[2].integer);
    assert_string_equal("1.5M", sweep->axes[1].labels[3]);
    assert_true(sweep->axes[1].members[0].values.amount[2].relative);
    assert_true(sweep->axes[1].members[0].values.amount[3].value == 1.5e6);
    assert_string_equal("topic>tense", sweep->axes[3].labels[1]);
    assert_string_equal("tense>topic>domain", sweep->axes[3].labels[2]);
    assert_int_equal(3, sweep->sequences[sweep->axes[3].members[0].values.integer[2]].length);
    assert_string_equal("1e-3", sweep->axes[4].labels[0]);
    assert_int_equal(4, sweep->axes[7].members[0].values.integer[2]);
    assert_int_equal(21, sweep->axes[1].mark.line);
    assert_int_equal(21, sweep->axes[1].marks[1].line);
    sweep_destroy(&sweep);
}

static void exclusions_choose_by_value_label_and_member(void **state)
{
    (void)state;
    struct sweep *sweep = read_file(GOOD "everything.yaml");
    assert_int_equal(3, sweep->exclusion_count);
    bool **first = sweep->exclusions[0].chosen, **second = sweep->exclusions[1].chosen;
    assert_true(first[0][0] && !first[0][1] && !first[0][2]);
    assert_true(!first[1][0] && first[1][1] && first[1][2] && !first[1][3]); /* 65536 is 64Ki */
    assert_null(first[2]);
    assert_true(!second[0][0] && second[0][1] && second[0][2]); /* both steps of size b */
    assert_true(second[3][0] && !second[3][1] && !second[3][2]);
    assert_true(!second[7][0] && !second[7][1] && second[7][2]);
    sweep_destroy(&sweep);
}

static void files_are_found_beside_the_sweep(void **state)
{
    (void)state;
    struct sweep *sweep = read_file(GOOD "words.yaml");
    assert_int_equal(2, sweep->world.corpus_count);
    assert_int_equal(2, sweep->world.domains);
    assert_string_equal(GOOD "../data/two.txt", sweep->world.corpora[1].files[0]);
    assert_string_equal(GOOD "../data/a.tsv", sweep->world.tasks[0].train);
    assert_int_equal(2, sweep->task_count); /* of three in the world */
    assert_int_equal(TOKENIZER_BPE, sweep->world.tokenizer);
    assert_int_equal(512, sweep->world.vocabulary);
    sweep_destroy(&sweep);
    sweep = read_file(GOOD "binary.yaml");
    assert_int_equal(TOKENIZER_BINARY, sweep->world.tokenizer);
    assert_int_equal(50257, sweep->world.vocabulary);
    sweep_destroy(&sweep);
}

static void an_environment_variable_stands_for_its_value(void **state)
{
    (void)state;
    const char *text =
        "name: t\nworld:\n  kind: text\n  corpora: {one: \"${PALIMPSEST_TEST_ROOT}/one.txt\"}\n"
        "  tasks: {a: {train: \"${PALIMPSEST_TEST_ROOT}/a.tsv\", test: \"${PALIMPSEST_TEST_ROOT}/b.tsv\"},\n"
        "    b: {train: \"${PALIMPSEST_TEST_ROOT}/b.tsv\", test: \"${PALIMPSEST_TEST_ROOT}/a.tsv\"}}\n"
        "axes: {}\n";
    setenv("PALIMPSEST_TEST_ROOT", TEST_FOLDER "/sweeps/data", 1);
    struct sweep *sweep = read_text(text);
    assert_string_equal(TEST_FOLDER "/sweeps/data/one.txt", sweep->world.corpora[0].files[0]);
    sweep_destroy(&sweep);
}

static void excluded_combinations_may_be_impossible(void **state)
{
    (void)state;
    struct sweep *sweep = read_file(GOOD "exclusion_saves_combination.yaml");
    assert_int_equal(2, sweep->exclusion_count);
    sweep_destroy(&sweep);
}

static void a_value_of_the_first_place_holds_for_the_second_unless_it_has_its_own(void **state)
{
    (void)state;
    struct sweep *sweep = read_text(START "finetune: {learning_rate: 3e-4, batch: 8, second: {batch: 16}}\naxes: {}\n");
    assert_true(sweep->base.second.optimizer.learning_rate == 3e-4);
    assert_int_equal(16, sweep->base.second.batch);
    assert_int_equal(8, sweep->base.first.batch);
    sweep_destroy(&sweep);
}

static void the_same_failure_leaves_the_output_untouched(void **state)
{
    (void)state;
    struct sweep *untouched = (struct sweep *)&err;
    size_t blocks = memory_count().blocks;
    assert_int_equal(-1, config_read("t.yaml", START, &untouched, NULL));
    assert_ptr_equal(&err, untouched);
    assert_int_equal(blocks, memory_count().blocks);
}

static void explain_names_every_setting_and_its_origin(void **state)
{
    (void)state;
    struct sweep *sweep = read_text(START "pretrain: {batch: 8}\nmodel: {sizes: {a: {layers: 3}}}\n"
                                          "axes: {finetune.steps: [10, 20]}\n");
    char *text = config_explain(sweep, true);
    for (int row = 0; row < settings_count; row++) {
        char *start = memory_format("\n%s ", settings_table[row].path);
        assert_non_null(strstr(text, start));
        memory_free(start);
    }
    assert_non_null(strstr(text, "8 (sequences per step)                   t.yaml:4:19\n"));
    assert_non_null(
        strstr(text, "  in size a                      3 (blocks)                               t.yaml:5:29\n"));
    assert_non_null(
        strstr(text, "  on axis finetune_steps         20 (steps)                               t.yaml:6:29\n"));
    assert_non_null(strstr(text, "as for the first task"));
    memory_free(text);
    text = config_explain(sweep, false);
    assert_non_null(strstr(text, "8 (sequences per step)\n"));
    assert_null(strstr(text, "t.yaml"));
    memory_free(text);
    sweep_destroy(&sweep);
}

static int all_memory_is_given_back(void **state)
{
    (void)state;
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_sweep_has_defaults_for_all_else),
        cmocka_unit_test(quickstart_is_read),
        cmocka_unit_test(the_sweeps_about_forgetting_ask_what_they_say),
        cmocka_unit_test(the_sweeps_after_papers_are_read),
        cmocka_unit_test(text_sweep_is_read),
        cmocka_unit_test(every_section_arrives),
        cmocka_unit_test(axes_keep_the_order_and_the_labels_of_the_file),
        cmocka_unit_test(exclusions_choose_by_value_label_and_member),
        cmocka_unit_test(files_are_found_beside_the_sweep),
        cmocka_unit_test(an_environment_variable_stands_for_its_value),
        cmocka_unit_test(excluded_combinations_may_be_impossible),
        cmocka_unit_test(a_value_of_the_first_place_holds_for_the_second_unless_it_has_its_own),
        cmocka_unit_test(the_same_failure_leaves_the_output_untouched),
        cmocka_unit_test(explain_names_every_setting_and_its_origin),
    };
    return cmocka_run_group_tests(tests, NULL, all_memory_is_given_back);
}
