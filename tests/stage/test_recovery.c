/* What recovery and frontier make of the curves they saw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "tree_runner.h"

#define START                                                                                                          \
    "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [topic, sentence_length]\n"                  \
    "model: {context: 32, sizes: {a: {layers: 1, width: 16, heads: 2}}}\n"                                             \
    "pretrain: {batch: 8, warmup: 256, learning_rate: 1e-2}\nevaluate: {tokens: 256, items: 300, looks: 6}\n"
#define TUNE "finetune: {batch: 32, steps: 120, learning_rate: 2e-2}\n"
#define ONE "axes: {size: [a], tokens: [0, 16Ki], variety: [2], seed: 1, pair: all}\n"
#define BOTH "measure: [frontier, recovery]\n"
enum { LOOKS = 6 };

static double field(const struct tree_run *run, int stage, enum field_id id) { return *tree_field(run, stage, id); }

static bool is_branch(const struct tree_run *run, int s, enum branch branch)
{
    return run->plan->stage[s].kind == STAGE_BRANCH && run->plan->stage[s].branch == (int)branch;
}

static int place_of(const struct tree_run *run, int s)
{
    return run->plan->stage[s].kind == STAGE_FINETUNE ? run->plan->stage[s].place : -1;
}

/* The first stage of the path that a stage is on, by walking up. */
static int first_of(const struct tree_run *run, int s)
{
    while (place_of(run, s) != 0) s = run->plan->stage[s].parent;
    return s;
}

static double mean_loss(const struct tree_run *run, int s)
{
    int domains = run->plan->extents.length[DIMENSION_DOMAIN];
    double sum = 0;
    for (int d = 0; d < domains; d++) sum += tree_field(run, s, FIELD_LM_LOSS)[d];
    return sum / domains;
}

/* Steps at which the curve is at the level for the first time; -1: never.  Rises, or with sign -1 falls. */
static double reached(const double *curve, const double *looks, double level, int sign)
{
    if (sign * curve[0] >= sign * level) return 0;
    for (int k = 1; k <= LOOKS; k++)
        if (sign * curve[k] >= sign * level)
            return looks[k] - (looks[k] - looks[k - 1]) * (curve[k] - level) / (curve[k] - curve[k - 1]);
    return -1;
}

static void assert_steps(const struct tree_run *run, int s, double steps)
{
    double cap = (double)run->plan->stage[s].stop_step;
    assert_true(fabs(field(run, s, FIELD_RECOVERY_STEPS) - (steps < 0 ? cap : steps)) < 1e-9);
    assert_true(field(run, s, FIELD_RECOVERY_CENSORED) == (steps < 0));
}

static void assert_reading(const struct tree_run *run, int s, double within)
{
    int first = first_of(run, s), pretrained = run->plan->stage[first].parent, initial = pretrained;
    while (run->plan->stage[initial].parent >= 0) initial = run->plan->stage[initial].parent;
    double before = mean_loss(run, pretrained), level = before + within * (mean_loss(run, initial) - before);
    const double *curve = tree_field(run, s, FIELD_RECOVERY_LM_LOSS);
    assert_true(curve[0] == mean_loss(run, run->plan->stage[s].parent));
    assert_steps(run, s, reached(curve, tree_field(run, s, FIELD_RECOVERY_LOOKS), level, -1));
}

/* Returns 1 where there was something to save. */
static int assert_relearning(const struct tree_run *run, int s, double within)
{
    int first = first_of(run, s), at = run->plan->stage[s].parent;
    const struct history *history = &run->result[first].state->history;
    double accuracy = field(run, first, FIELD_ACCURACY), chance = history->chance[0];
    double level = accuracy - within * (accuracy - chance), took = field(run, first, FIELD_RECOVERY_STEPS);
    const double *curve = tree_field(run, s, FIELD_RECOVERY_ACCURACY),
                 *looks = tree_field(run, s, FIELD_RECOVERY_LOOKS);
    assert_true(curve[0] == tree_field(run, at, FIELD_ACCURACY)[0]);
    if (!(accuracy > chance + 3 * sqrt(chance * (1 - chance) / 300))) {
        assert_true(isnan(field(run, s, FIELD_RECOVERY_STEPS)) && isnan(field(run, s, FIELD_RECOVERY_CENSORED)));
        assert_true(isnan(field(run, s, FIELD_SAVINGS)) && isnan(took));
        return 0;
    }
    double again = reached(curve, looks, level, 1);
    assert_true(fabs(took - reached(tree_field(run, first, FIELD_RECOVERY_ACCURACY),
                                    tree_field(run, first, FIELD_RECOVERY_LOOKS), level, 1)) < 1e-9);
    assert_steps(run, s, again);
    if (again < 0) again = (double)run->plan->stage[s].stop_step;
    assert_true(took > 0 ? fabs(field(run, s, FIELD_SAVINGS) - (1 - again / took)) < 1e-9
                         : isnan(field(run, s, FIELD_SAVINGS)));
    return took > 0;
}

static void recovery_lasts_until_all_but_a_share_of_what_was_learnt_is_there_again(void **context)
{
    (void)context;
    static const char *const within[] = {"0.02", "0.3"};
    for (int i = 0; i < 2; i++) {
        struct tree_run run;
        int read = 0, saved = 0;
        char *yaml =
            memory_format(START TUNE ONE BOTH "recovery: {steps: 40, learning_rate: 5e-3, within: %s}\n", within[i]);
        tree_run(yaml, &run);
        for (int s = 0; s < run.plan->stages; s++) {
            assert_string_equal(run.failure[s], "");
            if (is_branch(&run, s, BRANCH_AFTER_FIRST) || is_branch(&run, s, BRANCH_AFTER_LAST)) {
                assert_reading(&run, s, i == 0 ? 0.02 : 0.3);
                read++;
            }
            if (is_branch(&run, s, BRANCH_RELEARNT) || is_branch(&run, s, BRANCH_RELEARNT_HEAD))
                saved += assert_relearning(&run, s, i == 0 ? 0.02 : 0.3);
        }
        assert_int_equal(read, 2 * (2 + 2)); /* amounts; first tasks and pairs */
        assert_true(saved >= 4);
        tree_run_reset(&run);
        memory_free(yaml);
    }
}

/* Where the last task first is at half of what is above chance; by hand, from the curves. */
static void equal_success_is_read_off_the_frontier_of_the_last_place(void **context)
{
    (void)context;
    struct tree_run run;
    int read = 0, never = 0;
    tree_run(START TUNE ONE BOTH "frontier: {success: 0.3}\n", &run);
    for (int s = 0; s < run.plan->stages; s++) {
        if (place_of(&run, s) != 1) continue;
        const struct history *history = &run.result[s].state->history;
        const double *accuracy = tree_field(&run, s, FIELD_FRONTIER_ACCURACY), *last = accuracy + LOOKS + 1;
        const double *looks = tree_field(&run, s, FIELD_FRONTIER_LOOKS);
        const double *language = tree_field(&run, s, FIELD_FRONTIER_LM_LOSS);
        double steps = reached(last, looks, history->chance[1] + 0.3 * (1 - history->chance[1]), 1);
        if (steps < 0) {
            never++;
            assert_true(isnan(field(&run, s, FIELD_FRONTIER_STEPS)) &&
                        isnan(field(&run, s, FIELD_FORGETTING_EQUAL_SUCCESS)) &&
                        isnan(field(&run, s, FIELD_LM_RISE_EQUAL_SUCCESS)));
            continue;
        }
        int k = 1;
        while (looks[k] < steps) k++;
        double share = (steps - looks[k - 1]) / (looks[k] - looks[k - 1]);
        double then = history->accuracy[0][0], now = accuracy[k - 1] + share * (accuracy[k] - accuracy[k - 1]);
        double lm_loss = language[k - 1] + share * (language[k] - language[k - 1]);
        assert_true(fabs(field(&run, s, FIELD_FRONTIER_STEPS) - steps) < 1e-9);
        assert_true(fabs(field(&run, s, FIELD_LM_RISE_EQUAL_SUCCESS) - (lm_loss - history->lm_loss[1])) < 1e-9);
        if (isnan(field(&run, s, FIELD_FORGETTING))) continue;
        double forgetting = (then - now) / (then - history->chance[0]);
        assert_true(fabs(field(&run, s, FIELD_FORGETTING_EQUAL_SUCCESS) - forgetting) < 1e-9);
        read++;
    }
    assert_true(read >= 2);
    print_message("%d read, %d never\n", read, never);
    tree_run_reset(&run);
}

static void what_was_not_forgotten_needs_no_relearning_and_saves_all(void **context)
{
    (void)context;
    struct tree_run run;
    int saved = 0;
    tree_run(START "finetune: {batch: 32, steps: 120, learning_rate: 2e-2, second: {learning_rate: 0}}\n" ONE BOTH
                   "recovery: {steps: 4}\n",
             &run);
    for (int s = 0; s < run.plan->stages; s++) {
        if (place_of(&run, s) == 1)
            for (int k = 0; k <= LOOKS; k++)
                assert_true(tree_field(&run, s, FIELD_FRONTIER_ACCURACY)[k] ==
                            field(&run, run.plan->stage[s].parent, FIELD_ACCURACY));
        if (!is_branch(&run, s, BRANCH_RELEARNT) && !is_branch(&run, s, BRANCH_RELEARNT_HEAD)) continue;
        double steps = field(&run, s, FIELD_RECOVERY_STEPS);
        assert_true(isnan(steps) || steps == 0);
        if (isnan(field(&run, s, FIELD_SAVINGS))) continue;
        assert_true(field(&run, s, FIELD_SAVINGS) == 1 && field(&run, s, FIELD_RECOVERY_CENSORED) == 0);
        saved++;
    }
    assert_true(saved >= 4);
    tree_run_reset(&run);
}

static void pretraining_continued_at_learning_rate_0_recovers_nothing_and_is_censored(void **context)
{
    (void)context;
    struct tree_run run;
    int censored = 0;
    tree_run(START TUNE ONE "measure: [recovery]\nrecovery: {steps: 9, learning_rate: 0, within: 0}\n", &run);
    for (int s = 0; s < run.plan->stages; s++) {
        if (!is_branch(&run, s, BRANCH_AFTER_FIRST) && !is_branch(&run, s, BRANCH_AFTER_LAST)) continue;
        for (int k = 1; k <= LOOKS; k++)
            assert_true(tree_field(&run, s, FIELD_RECOVERY_LM_LOSS)[k] == field(&run, s, FIELD_RECOVERY_LM_LOSS));
        assert_true(field(&run, s, FIELD_RECOVERY_CENSORED) == 1 && field(&run, s, FIELD_RECOVERY_STEPS) == 9);
        censored++;
    }
    assert_int_equal(censored, 8);
    tree_run_reset(&run);
}

static void label_words_have_no_head_that_learns_alone(void **context)
{
    (void)context;
    struct tree_run run;
    int heads = 0;
    tree_run(START "finetune: {batch: 8, steps: 5, head: lm}\n" ONE "measure: all\nrecovery: {steps: 4}\n", &run);
    for (int s = 0; s < run.plan->stages; s++) {
        assert_string_equal(run.failure[s], "");
        if (is_branch(&run, s, BRANCH_RELEARNT)) assert_int_equal(run.result[s].steps, 5);
        if (!is_branch(&run, s, BRANCH_RELEARNT_HEAD)) continue;
        heads++;
        assert_int_equal(run.result[s].steps, 0);
        for (int i = 0; i < run.result[s].record_length; i++) assert_true(isnan(run.result[s].record[i]));
    }
    assert_int_equal(heads, 4);
    tree_run_reset(&run);
}

/* What was not pretrained is one stage for all varieties; what is read after it is not. */
static void at_amount_0_recovery_depends_on_the_variety_that_it_reads(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(START "finetune: {batch: 8, steps: 5}\naxes: {size: [a], tokens: [0], variety: [1, 3], seed: 1, pair: "
                   "[[topic, sentence_length]]}\nmeasure: [recovery]\nrecovery: {steps: 4}\n",
             &run);
    const struct group_layout *first = &run.plan->group[GROUP_PLACE];
    const struct group_layout *after = &run.plan->group[GROUP_BRANCH + BRANCH_AFTER_FIRST];
    assert_int_equal(after->cells, first->cells);
    int one = after->stage[0], other = after->stage[after->cells / 2];
    assert_int_equal(first->stage[0], first->stage[first->cells / 2]);
    assert_int_not_equal(one, other);
    assert_true(tree_field(&run, one, FIELD_RECOVERY_LM_LOSS)[LOOKS] !=
                tree_field(&run, other, FIELD_RECOVERY_LM_LOSS)[LOOKS]);
    tree_run_reset(&run);
}

/* Of a state that another sweep left, only one that was looked at in the same way can be gone on from. */
static void a_state_that_was_looked_at_otherwise_is_not_continued(void **context)
{
    (void)context;
#define TINY START "finetune: {batch: 8, steps: 5}\naxes: {size: [a], tokens: [1Ki], variety: [1], seed: 1}\n"
    static const char *const others[] = {"measure: []\n", "measure: [recovery]\nrecovery: {steps: 4}\n"};
    struct tree_run with;
    int refused[2] = {0};
    tree_run(TINY BOTH "recovery: {steps: 4}\n", &with);
    for (int i = 0; i < 2; i++) {
        struct tree_run other;
        char *yaml = memory_format("%s%s", TINY, others[i]);
        tree_run(yaml, &other);
        for (int s = 0; s < with.plan->stages; s++) {
            struct assignment assignment;
            int there = tree_find(&other, with.plan->stage[s].state);
            plan_assign(with.plan, s, &assignment);
            assert_true(stage_can_continue(&assignment, with.result[s].state));
            if (there >= 0) refused[i] += !stage_can_continue(&assignment, other.result[there].state);
            plan_assign(other.plan, there >= 0 ? there : 0, &assignment);
            if (there >= 0 && i == 0) assert_true(stage_can_continue(&assignment, with.result[s].state));
        }
        tree_run_reset(&other);
        memory_free(yaml);
    }
    assert_int_equal(refused[0], 2 + 2); /* nothing was looked at: two first places, two pairs */
    assert_int_equal(refused[1], 2 + 2); /* nor all that the frontier wants; branches are there and the same */
    tree_run_reset(&with);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery_lasts_until_all_but_a_share_of_what_was_learnt_is_there_again),
        cmocka_unit_test(equal_success_is_read_off_the_frontier_of_the_last_place),
        cmocka_unit_test(what_was_not_forgotten_needs_no_relearning_and_saves_all),
        cmocka_unit_test(pretraining_continued_at_learning_rate_0_recovers_nothing_and_is_censored),
        cmocka_unit_test(label_words_have_no_head_that_learns_alone),
        cmocka_unit_test(at_amount_0_recovery_depends_on_the_variety_that_it_reads),
        cmocka_unit_test(a_state_that_was_looked_at_otherwise_is_not_continued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
