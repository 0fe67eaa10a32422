/* Ablation, prompts, mediators and items on trained states: each number of a record against the same measured here from
 * the states themselves, in the grammar and in text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree_runner.h"

#define GRAMMAR "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [tense, subject_number]\n"
#define SMALL                                                                                                          \
    "model: {context: 32, sizes: {a: {layers: 1, width: 8, heads: 2}, b: {layers: 3, width: 8, heads: 2}}}\n"          \
    "pretrain: {batch: 4, warmup: 256}\nevaluate: {tokens: 128, items: 64}\nmediators: {draws: 2, items: 20}\n"        \
    "measure: [ablation, prompts, mediators, items]\n"
#define TUNE "finetune: {batch: 8, steps: 12, learning_rate: 1e-2}\n"
#define BOTH_SIZES                                                                                                     \
    "axes: {size: [a, b], tokens: [0, 4Ki], variety: [2], model.objective: [causal, masked], seed: [3]}\n"

static const double tolerance = 1e-9;

static bool has_group(const struct stage *stage, int group) { return (stage->groups & 1u << group) != 0; }

static const struct state *state_of(const struct tree_run *run, int s) { return run->result[s].state; }

static struct cell cell_of(const struct tree_run *run, int s)
{
    struct cell cell;
    cell_resolve(run->sweep, world_facts(run->world), run->plan->stage[s].cell, &cell);
    return cell;
}

/* The stage that fine-tuning on the way to stage s began from. */
static int pretrained_of(const struct tree_run *run, int s)
{
    while (run->plan->stage[s].place >= 0) s = run->plan->stage[s].parent;
    return s;
}

static int task_of(const struct tree_run *run, int s, int place) { return cell_of(run, s).sequence->task[place]; }

static struct readout own_readout(const struct tree_run *run, int s, int place)
{
    int task = task_of(run, s, place);
    const struct task_facts *facts = &world_facts(run->world)->task[task];
    return (struct readout){.kind = HEAD_PER_TASK,
                            .pool = POOL_LAST,
                            .head = state_find_head(state_of(run, s), facts->name),
                            .classes = facts->classes};
}

/* ---- a world of text: which half of a hundred a number is in, and whether it is even ---- */

static char folder[] = "/tmp/palimpsest-mediators-XXXXXX";

static void write_file(const char *name, int from, int to, int labels)
{
    static const char *const label[2][2] = {{"low", "high"}, {"even", "odd"}};
    char *path = memory_format("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = from; i < to; i++) {
        if (labels >= 0) fprintf(file, "%s\t", label[labels][labels == 0 ? i % 100 >= 50 : i % 2]);
        fprintf(file, "number %d is here\n", i);
    }
    assert_int_equal(fclose(file), 0);
    memory_free(path);
}

static char *text_world(void)
{
    write_file("one.txt", 0, 900, -1);
    write_file("two.txt", 5000, 5900, -1);
    write_file("low.tsv", 0, 150, 0);
    write_file("low_test.tsv", 300, 380, 0);
    write_file("even.tsv", 0, 150, 1);
    write_file("even_test.tsv", 300, 380, 1);
    return memory_format("name: t\nworld:\n  kind: text\n  tokenizer: bytes\n"
                         "  corpora: {one: [%s/one.txt], two: [%s/two.txt]}\n"
                         "  tasks:\n    low: {train: %s/low.tsv, test: %s/low_test.tsv}\n"
                         "    even: {train: %s/even.tsv, test: %s/even_test.tsv}\n",
                         folder, folder, folder, folder, folder, folder);
}

static void remove_world(void)
{
    static const char *const names[] = {"one.txt", "two.txt", "low.tsv", "low_test.tsv", "even.tsv", "even_test.tsv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = memory_format("%s/%s", folder, names[i]);
        unlink(path);
        memory_free(path);
    }
    rmdir(folder);
}

/* ---- one sweep in both worlds, run once ---- */

enum { WORLDS = 2 };
static struct tree_run runs[WORLDS];

static int run_both_worlds(void **context)
{
    (void)context;
    if (!mkdtemp(folder)) return -1;
    char *text = text_world();
    for (int world = 0; world < WORLDS; world++) {
        char *yaml = memory_format("%s%s", world == 0 ? GRAMMAR : text, SMALL TUNE BOTH_SIZES);
        tree_run(yaml, &runs[world]);
        memory_free(yaml);
    }
    memory_free(text);
    return 0;
}

static int forget_both_worlds(void **context)
{
    (void)context;
    for (int world = 0; world < WORLDS; world++) tree_run_reset(&runs[world]);
    remove_world();
    return 0;
}

/* `check` on every stage that is measured, in either world. */
static void in_both_worlds(void (*check)(const struct tree_run *run, int s, struct meter *meter))
{
    for (int world = 0; world < WORLDS; world++)
        for (int s = 0; s < runs[world].plan->stages; s++) {
            assert_string_equal(runs[world].failure[s], "");
            struct model_shape shape = cell_of(&runs[world], s).shape;
            struct meter *meter = meter_create(&shape);
            if (runs[world].plan->stage[s].groups != 0) check(&runs[world], s, meter);
            meter_destroy(&meter);
        }
}

/* ---- prompts ---- */

static void check_prompts(const struct tree_run *run, int s, struct meter *meter)
{
    const struct stage *stage = &run->plan->stage[s];
    if (stage->place < 0 && !has_group(stage, GROUP_PRETRAINED)) return;
    for (int task = 0; task < 2; task++) {
        uint16_t label_token[CLASSES_MAX];
        struct readout readout = prompt_readout(run->world, task, label_token);
        struct score score = measure_task(meter, run->world, state_of(run, s), task, &readout, 64);
        assert_true(tree_field(run, s, FIELD_ZERO_SHOT_ACCURACY)[task] == score.accuracy);
        assert_true(tree_field(run, s, FIELD_ZERO_SHOT_LOSS)[task] == score.loss);
    }
}

static void every_task_is_asked_by_its_prompt_before_and_after_each_place(void **context)
{
    (void)context;
    in_both_worlds(check_prompts);
}

/* A task that is learnt through the LM head at rate 0 ends where the prompt of the pretrained model stood. */
static void a_head_of_label_words_that_learns_nothing_scores_as_the_prompt_did(void **context)
{
    (void)context;
    struct tree_run run;
    int firsts = 0;
    tree_run(GRAMMAR SMALL "finetune: {batch: 8, steps: 3, head: lm, learning_rate: 0}\n" BOTH_SIZES, &run);
    for (int s = 0; s < run.plan->stages; s++) {
        const struct stage *stage = &run.plan->stage[s];
        if (stage->place != 0) continue;
        const double *asked = tree_field(&run, stage->parent, FIELD_ZERO_SHOT_ACCURACY);
        const double *loss = tree_field(&run, stage->parent, FIELD_ZERO_SHOT_LOSS);
        assert_true(*tree_field(&run, s, FIELD_ACCURACY) == asked[task_of(&run, s, 0)]);
        assert_true(*tree_field(&run, s, FIELD_LOSS) == loss[task_of(&run, s, 0)]);
        firsts++;
    }
    assert_int_equal(firsts, 2 * 2 * 2 * 2);
    tree_run_reset(&run);
}

/* The topic can be counted, so that even this little model learns it. */
static void learning_through_label_words_lowers_their_loss(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run("name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [topic, tense]\n" SMALL
             "finetune: {batch: 32, steps: 100, head: lm, learning_rate: 1e-2}\n"
             "axes: {size: [b], tokens: [4Ki], variety: [2], model.objective: [causal, masked], seed: 1, "
             "pair: [[topic, tense]]}\n",
             &run);
    int firsts = 0;
    for (int s = 0; s < run.plan->stages; s++) {
        const struct stage *stage = &run.plan->stage[s];
        if (stage->place != 0) continue;
        assert_true(*tree_field(&run, s, FIELD_ZERO_SHOT_LOSS) <
                    *tree_field(&run, stage->parent, FIELD_ZERO_SHOT_LOSS) - 0.3);
        firsts++;
    }
    assert_int_equal(firsts, 2);
    tree_run_reset(&run);
}

/* ---- ablation ---- */

static void check_readouts(const struct tree_run *run, int s, struct meter *meter)
{
    const struct stage *stage = &run->plan->stage[s];
    const int layers = state_of(run, s)->shape.layers, place = stage->place;
    if (place < 0) return;
    const double *accuracy = tree_field(run, s, FIELD_READOUT_ACCURACY), *loss = tree_field(run, s, FIELD_READOUT_LOSS);
    for (int layer = 0; layer <= layers; layer++) {
        struct readout readout = own_readout(run, s, place);
        readout.skip = layers - layer;
        struct score score = measure_task(meter, run->world, state_of(run, s), task_of(run, s, place), &readout, 64);
        assert_true(accuracy[layer] == score.accuracy && loss[layer] == score.loss);
    }
    for (int layer = layers + 1; layer < 4; layer++) assert_true(isnan(accuracy[layer]) && isnan(loss[layer]));
    assert_true(accuracy[4] == tree_field(run, s, FIELD_ACCURACY)[place] && loss[4] == loss[layers]);
    assert_true(loss[0] != loss[layers]);
}

static void check_restored(const struct tree_run *run, int s, struct meter *meter)
{
    const struct state *state = state_of(run, s), *pretrained = state_of(run, pretrained_of(run, s));
    const int layers = state->shape.layers;
    if (run->plan->stage[s].place < 0) return;
    const double *curve = tree_field(run, s, FIELD_RESTORED_LM_LOSS);
    struct state *scratch = state_copy(state, false);
    for (int back = 0; back <= layers + 1; back++)
        assert_true(curve[back] == measure_restored(meter, run->world, state, pretrained, back, 128, scratch));
    for (int back = layers + 2; back < 5; back++) assert_true(isnan(curve[back]));
    state_destroy(&scratch);
}

static void the_task_just_learnt_is_read_out_at_every_layer(void **context)
{
    (void)context;
    in_both_worlds(check_readouts);
}

static void the_loss_with_layers_put_back_goes_from_the_state_to_the_pretrained_one(void **context)
{
    (void)context;
    in_both_worlds(check_restored);
}

/* With the embeddings and n blocks frozen, putting back the other blocks is putting back everything. */
static void putting_back_what_was_not_frozen_puts_back_everything(void **context)
{
    (void)context;
    struct tree_run run;
    int places = 0;
    tree_run(GRAMMAR SMALL TUNE "axes: {size: [b], tokens: [4Ki], variety: [2], finetune.freeze: [0, 1, 2], seed: 1}\n",
             &run);
    for (int s = 0; s < run.plan->stages; s++) {
        if (run.plan->stage[s].place < 0) continue;
        const double *curve = tree_field(&run, s, FIELD_RESTORED_LM_LOSS);
        const double *moved = tree_field(&run, s, FIELD_DISPLACEMENT);
        int freeze = (int)cell_of(&run, s).settings.first.freeze;
        for (int layer = 0; layer < 5; layer++) assert_int_equal(moved[layer] == 0, freeze > 0 && layer <= freeze);
        assert_int_equal(curve[3 - freeze] == curve[4], freeze > 0);
        assert_true(freeze == 2 || curve[3 - freeze - 1] != curve[4]);
        places++;
    }
    assert_int_equal(places, 3 * 4);
    tree_run_reset(&run);
}

/* A head that learns to read block 1 leaves those above it alone, and is read out there. */
static void a_task_learnt_below_the_top_is_read_out_where_it_was_learnt(void **context)
{
    (void)context;
    for (int head = 0; head < 2; head++) {
        struct tree_run run;
        char *yaml =
            memory_format(GRAMMAR SMALL "finetune: {batch: 8, steps: 12, learning_rate: 1e-2, layers: 1, head: "
                                        "%s}\n"
                                        "axes: {size: [b], tokens: [4Ki], variety: [2], seed: 1}\n",
                          head == 0 ? "per_task" : "lm");
        tree_run(yaml, &run);
        for (int s = 0; s < run.plan->stages; s++) {
            const struct stage *stage = &run.plan->stage[s];
            assert_string_equal(run.failure[s], "");
            if (stage->place < 0) continue;
            const double *moved = tree_field(&run, s, FIELD_DISPLACEMENT);
            const double *accuracy = tree_field(&run, s, FIELD_READOUT_ACCURACY);
            const double *loss = tree_field(&run, s, FIELD_READOUT_LOSS);
            assert_true(moved[0] > 0 && moved[1] > 0 && moved[2] == 0 && moved[3] == 0 && moved[4] > 0);
            assert_true(accuracy[1] == tree_field(&run, s, FIELD_ACCURACY)[stage->place]);
            assert_true(loss[1] == tree_field(&run, s, FIELD_LOSS)[stage->place] && loss[4] == loss[1]);
            assert_true(loss[2] > 0 && loss[2] != loss[1] && loss[3] != loss[1]);
        }
        tree_run_reset(&run);
        memory_free(yaml);
    }
}

static void layers_that_share_a_block_are_put_back_as_a_whole(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(GRAMMAR SMALL TUNE "axes: {size: [b], tokens: [4Ki], variety: [2], model.share_layers: [yes], seed: 1}\n",
             &run);
    for (int s = 0; s < run.plan->stages; s++) {
        assert_string_equal(run.failure[s], "");
        if (run.plan->stage[s].place < 0) continue;
        const double *curve = tree_field(&run, s, FIELD_RESTORED_LM_LOSS);
        for (int back = 0; back < 5; back++) assert_int_equal(isnan(curve[back]), back == 1 || back == 2);
    }
    tree_run_reset(&run);
}

/* ---- mediators ---- */

static void check_noise(const struct tree_run *run, int s, struct meter *meter)
{
    const struct stage *stage = &run->plan->stage[s];
    const struct state *state = state_of(run, s);
    struct readout readout;
    struct noise noise = {.seed = 3, .draws = 2, .tokens = 128};
    struct noise_losses losses;
    if (stage->place < 0 && !has_group(stage, GROUP_PRETRAINED)) return;
    if (stage->place >= 0) {
        readout = own_readout(run, s, stage->place);
        noise.readout = &readout;
        noise.task = task_of(run, s, stage->place);
        noise.items = 64;
    }
    struct state *scratch = state_copy(state, false);
    measure_noise(meter, run->world, state, &noise, scratch, &losses);
    state_destroy(&scratch);
    for (int scale = 0; scale < NOISE_SCALES; scale++) {
        assert_true(tree_field(run, s, FIELD_NOISE_LM_LOSS)[scale] == losses.lm_loss[scale]);
        if (stage->place < 0) continue;
        assert_true(tree_field(run, s, FIELD_NOISE_LOSS)[scale] == losses.loss[scale]);
        assert_true(tree_field(run, s, FIELD_NOISE_ACCURACY)[scale] == losses.accuracy[scale]);
    }
}

static void losses_under_noise_are_those_of_the_state_with_the_seed_of_its_cell(void **context)
{
    (void)context;
    in_both_worlds(check_noise);
}

static struct cosines cosines_at(const struct tree_run *run, int s, int earlier, const struct state *state)
{
    struct gradient_pair pair = {.task = {task_of(run, s, earlier), task_of(run, s, run->plan->stage[s].place)},
                                 .seed = 3,
                                 .items = 20,
                                 .batch = 8};
    struct trainer *trainer = trainer_create(&state->shape, 8 * state->shape.context, 8);
    float *gradients = memory_array(2 * state->floats, sizeof *gradients);
    struct cosines cosines;
    measure_gradient_cosines(trainer, run->world, state, &pair, gradients, &cosines);
    memory_free(gradients);
    trainer_destroy(&trainer);
    return cosines;
}

static void assert_cosines(const struct cosines *cosines, const struct state *state, const double *whole,
                           const double *layer)
{
    const int layers = state->shape.layers;
    assert_true(fabs(*whole) <= 1 && *whole == cosines->whole);
    for (int l = 0; l <= layers; l++) assert_true(layer[l] == cosines->layer[l]);
    for (int l = layers + 1; l < 4; l++) assert_true(isnan(layer[l]));
    assert_true(layer[4] == cosines->layer[layers + 1]);
}

static void check_cosines(const struct tree_run *run, int s, struct meter *meter)
{
    (void)meter;
    const struct stage *stage = &run->plan->stage[s];
    for (int earlier = 0; earlier < stage->place; earlier++) {
        const struct state *pretrained = state_of(run, pretrained_of(run, s)), *start = state_of(run, stage->parent);
        struct cosines then = cosines_at(run, s, earlier, pretrained), now = cosines_at(run, s, earlier, start);
        assert_cosines(&then, pretrained, tree_field(run, s, FIELD_GRADIENT_COSINE_PRETRAINED) + earlier,
                       tree_field(run, s, FIELD_LAYER_COSINE_PRETRAINED) + 5 * earlier);
        assert_cosines(&now, start, tree_field(run, s, FIELD_GRADIENT_COSINE_START) + earlier,
                       tree_field(run, s, FIELD_LAYER_COSINE_START) + 5 * earlier);
        assert_true(then.whole != now.whole);
    }
}

static void gradients_of_two_tasks_are_compared_at_the_pretrained_weights_and_at_the_start(void **context)
{
    (void)context;
    in_both_worlds(check_cosines);
}

/* ---- items ---- */

static void check_items(const struct tree_run *run, int s, struct meter *meter)
{
    const struct stage *stage = &run->plan->stage[s];
    (void)meter;
    for (int earlier = 0; earlier < stage->place; earlier++) {
        double lost = tree_field(run, s, FIELD_LOST_ITEMS)[earlier],
               gained = tree_field(run, s, FIELD_GAINED_ITEMS)[earlier];
        double before = tree_field(run, stage->parent, FIELD_ACCURACY)[earlier],
               after = tree_field(run, s, FIELD_ACCURACY)[earlier];
        double chance = 64 * (1 - before) * (1 - after) / (own_readout(run, s, earlier).classes - 1);
        assert_true(lost >= 0 && gained >= 0);
        assert_true(fabs(lost - gained - 64 * (before - after)) < tolerance);
        assert_true(fabs(tree_field(run, s, FIELD_LOST_ITEMS_ABOVE_CHANCE)[earlier] - lost + chance) < tolerance);
        assert_true(fabs(tree_field(run, s, FIELD_GAINED_ITEMS_ABOVE_CHANCE)[earlier] - gained + chance) < tolerance);
    }
}

static void lost_and_gained_items_account_for_the_change_of_every_earlier_task(void **context)
{
    (void)context;
    struct tree_run run;
    in_both_worlds(check_items);
    tree_run("name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\n" SMALL TUNE
             "axes: {size: [b], tokens: [4Ki], variety: [2], seed: [3], pair: [[tense, subject_number, tree_depth]]}\n",
             &run);
    int thirds = 0;
    for (int s = 0; s < run.plan->stages; s++) {
        thirds += run.plan->stage[s].place == 2;
        check_items(&run, s, NULL);
        check_cosines(&run, s, NULL);
    }
    assert_int_equal(thirds, 1);
    tree_run_reset(&run);
}

/* Two models that are equally right on other items: the counts tell them apart, the accuracies would not. */
static void a_second_task_at_rate_0_loses_and_gains_nothing_and_another_does(void **context)
{
    (void)context;
    for (int rate = 0; rate < 2; rate++) {
        struct tree_run run;
        double moved = 0;
        char *yaml = memory_format(GRAMMAR SMALL "finetune: {batch: 32, steps: 60, learning_rate: 1e-2, train_items: "
                                                 "64, second: {learning_rate: %s}}\n"
                                                 "axes: {size: [b], tokens: [4Ki], variety: [2], seed: 1}\n",
                                   rate == 0 ? "0" : "1e-2");
        tree_run(yaml, &run);
        for (int s = 0; s < run.plan->stages; s++) {
            if (run.plan->stage[s].place != 1) continue;
            moved += *tree_field(&run, s, FIELD_LOST_ITEMS) + *tree_field(&run, s, FIELD_GAINED_ITEMS);
            const double *curve = tree_field(&run, s, FIELD_RESTORED_LM_LOSS);
            const double *first = tree_field(&run, run.plan->stage[s].parent, FIELD_RESTORED_LM_LOSS);
            for (int back = 0; back < 5; back++) assert_int_equal(curve[back] == first[back], rate == 0 || back == 4);
        }
        assert_int_equal(moved > 0, rate == 1);
        tree_run_reset(&run);
        memory_free(yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_is_asked_by_its_prompt_before_and_after_each_place),
        cmocka_unit_test(a_head_of_label_words_that_learns_nothing_scores_as_the_prompt_did),
        cmocka_unit_test(learning_through_label_words_lowers_their_loss),
        cmocka_unit_test(the_task_just_learnt_is_read_out_at_every_layer),
        cmocka_unit_test(the_loss_with_layers_put_back_goes_from_the_state_to_the_pretrained_one),
        cmocka_unit_test(putting_back_what_was_not_frozen_puts_back_everything),
        cmocka_unit_test(a_task_learnt_below_the_top_is_read_out_where_it_was_learnt),
        cmocka_unit_test(layers_that_share_a_block_are_put_back_as_a_whole),
        cmocka_unit_test(losses_under_noise_are_those_of_the_state_with_the_seed_of_its_cell),
        cmocka_unit_test(gradients_of_two_tasks_are_compared_at_the_pretrained_weights_and_at_the_start),
        cmocka_unit_test(lost_and_gained_items_account_for_the_change_of_every_earlier_task),
        cmocka_unit_test(a_second_task_at_rate_0_loses_and_gains_nothing_and_another_does),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, run_both_worlds, forget_both_worlds);
    return failed + (memory_count().blocks != blocks);
}
