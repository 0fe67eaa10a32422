/* Both step loops in the fake world: they learn, they are pure functions of their arguments, and they say why they
 * fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "fake_world.h"
#include "palimpsest/train.h"

static struct optimizer_recipe optimizer(double rate)
{
    return (struct optimizer_recipe){.learning_rate = rate,
                                     .beta1 = 0.9,
                                     .beta2 = 0.99,
                                     .epsilon = 1e-8,
                                     .weight_decay = 0.01,
                                     .clip = 1,
                                     .bias_correction = 1};
}

static struct pretraining pretraining_of(double rate)
{
    return (struct pretraining){.optimizer = optimizer(rate),
                                .steps = {.warmup = 5, .trunk = 30, .cooldown = 10},
                                .reading = {.domains = 2, .domain = {0, 1}, .seed = 3, .context = FAKE_CONTEXT},
                                .batch = 8,
                                .mask_token = FAKE_WORDS + 1,
                                .vocabulary = FAKE_WORDS + 2};
}

/* 20 steps of 12 items are 4.8 epochs of 50: batches reach over the ends of epochs. */
static struct finetuning finetuning_of(int task, enum head_kind kind)
{
    static const uint16_t words[] = {0, 1, 2};
    return (struct finetuning){
        .recipe = {.batch = 12, .steps = 20, .warmup = 0.1, .optimizer = optimizer(5e-3)},
        .task = task,
        .seed = 3,
        .readout = {.kind = kind, .pool = POOL_LAST, .head = task, .classes = 2 + task, .label_token = words}};
}

static struct state *fresh(const struct model_shape *shape)
{
    const struct head_shape heads[] = {{"rise", 2}, {"third", 3}};
    struct state *state = state_create(shape, heads, 2, true);
    state_initialise(state, 1, 0.1);
    return state;
}

static struct trainer *trainer_for(const struct model_shape *shape)
{
    return trainer_create(shape, 12 * FAKE_CONTEXT, 12);
}

static bool pause_at(void *context, int64_t step)
{
    int64_t *when = context;
    if (step != *when) return false;
    *when = -1; /* once */
    return true;
}

static void assert_same(const struct state *a, const struct state *b)
{
    assert_true(hash_equal(state_hash(a), state_hash(b)));
    assert_memory_equal(&a->trace, &b->trace, sizeof a->trace);
}

static double mean_loss(const struct state *state, int from, int to)
{
    double sum = 0;
    int64_t count = 0;
    for (int point = from; point < to; point++) {
        sum += state->trace.loss_sum[point];
        count += state->trace.loss_count[point];
    }
    return sum / (double)count;
}

static struct batch fake_batch(const struct pretraining *pretraining, int64_t step, int *start, uint16_t *token,
                               int32_t *target)
{
    uint16_t window[FAKE_CONTEXT + 1];
    start[0] = 0;
    for (int b = 0; b < pretraining->batch; b++) {
        world_read(NULL, &pretraining->reading, (uint64_t)(step * pretraining->batch + b), window);
        for (int t = 0; t < FAKE_CONTEXT; t++) {
            token[b * FAKE_CONTEXT + t] = window[t];
            target[b * FAKE_CONTEXT + t] = window[t + 1];
        }
        start[b + 1] = (b + 1) * FAKE_CONTEXT;
    }
    return (struct batch){pretraining->batch, start[pretraining->batch], start, token, target};
}

static void a_step_on_a_given_batch_is_a_step_of_pretraining(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct trainer *trainer = trainer_for(&shape);
    struct state *read = fresh(&shape), *given = fresh(&shape);
    struct pretraining pretraining = pretraining_of(1e-2);
    struct error err = {0};
    int start[13];
    uint16_t token[12 * FAKE_CONTEXT];
    int32_t target[12 * FAKE_CONTEXT];
    assert_int_equal(train_pretrain(trainer, NULL, &pretraining, 5, NULL, NULL, read, &err), 0);
    for (int64_t step = 0; step < 5; step++) {
        struct batch batch = fake_batch(&pretraining, step, start, token, target);
        assert_int_equal(train_pretrain_batch(trainer, &pretraining, &batch, 5, given, &err), 0);
    }
    assert_same(read, given);
    given->values[0] = NAN;
    struct batch batch = fake_batch(&pretraining, 0, start, token, target);
    assert_int_equal(train_pretrain_batch(trainer, &pretraining, &batch, 6, given, &err), -1);
    assert_int_equal(err.kind, ERROR_STAGE);
    assert_int_equal(given->step, 5);
    state_destroy(&read);
    state_destroy(&given);
    trainer_destroy(&trainer);
}

/* Step s reads what step steps_before + s of the stream is, and not one before or after it. */
static void reading_goes_on_after_what_was_read_before(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct trainer *trainer = trainer_for(&shape);
    struct pretraining pretraining = pretraining_of(1e-2);
    struct state *read = fresh(&shape);
    struct error err = {0};
    int start[13];
    uint16_t token[12 * FAKE_CONTEXT];
    int32_t target[12 * FAKE_CONTEXT];
    pretraining.steps_before = 7;
    assert_int_equal(train_pretrain(trainer, NULL, &pretraining, 4, NULL, NULL, read, &err), 0);
    for (int64_t before = 6; before <= 8; before++) {
        struct state *given = fresh(&shape);
        for (int64_t step = 0; step < 4; step++) {
            struct batch batch = fake_batch(&pretraining, before + step, start, token, target);
            assert_int_equal(train_pretrain_batch(trainer, &pretraining, &batch, 4, given, &err), 0);
        }
        assert_true(hash_equal(state_hash(read), state_hash(given)) == (before == 7));
        state_destroy(&given);
    }
    state_destroy(&read);
    trainer_destroy(&trainer);
}

static void pretraining_lowers_the_loss_and_traces_it(void **unused)
{
    (void)unused;
    for (int objective = 0; objective < 2; objective++) {
        struct model_shape shape = fake_shape((enum objective)objective);
        struct trainer *trainer = trainer_for(&shape);
        struct state *state = fresh(&shape);
        struct pretraining pretraining = pretraining_of(1e-2);
        struct error err = {0};
        assert_int_equal(train_pretrain(trainer, NULL, &pretraining, 192, NULL, NULL, state, &err), 0);
        assert_int_equal(state->step, 192);
        assert_int_equal(state->trace.steps, 192);
        assert_int_equal(state->trace.loss_count[0], 1);
        assert_true(fabs(state->trace.loss_sum[0] - log(FAKE_WORDS + 2)) < 1);
        int last = point_of_step(192);
        double learnt = log(FAKE_WORDS + 2) - mean_loss(state, last, last + 1); /* nats below knowing nothing */
        assert_true(learnt > (objective == OBJECTIVE_CAUSAL ? 1.5 : 0.3));      /* one position in eight is masked */
        for (int layer = 0; layer < 4; layer++) assert_true(state->trace.norm_sum[layer] > 0);
        state_destroy(&state);
        trainer_destroy(&trainer);
    }
}

static void pretraining_cut_anywhere_gives_the_same_bits(void **unused)
{
    (void)unused;
    for (int objective = 0; objective < 2; objective++) {
        struct model_shape shape = fake_shape((enum objective)objective);
        struct pretraining pretraining = pretraining_of(1e-2);
        struct trainer *trainer = trainer_for(&shape);
        struct state *whole = fresh(&shape);
        train_pretrain(trainer, NULL, &pretraining, 12, NULL, NULL, whole, NULL);
        for (int64_t cut = 0; cut <= 12; cut += 3) {
            struct trainer *other = trainer_create(&shape, 64, 8);
            struct state *state = fresh(&shape);
            int64_t when = cut;
            assert_int_equal(train_pretrain(trainer, NULL, &pretraining, 12, pause_at, &when, state, NULL), 0);
            assert_int_equal(state->step, cut);
            struct state *later = state_copy(state, true);
            assert_int_equal(train_pretrain(other, NULL, &pretraining, 12, NULL, NULL, later, NULL), 0);
            assert_same(whole, later);
            state_destroy(&state);
            state_destroy(&later);
            trainer_destroy(&other);
        }
        state_destroy(&whole);
        trainer_destroy(&trainer);
    }
}

static void a_cooldown_branches_off_without_touching_the_trunk(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct pretraining trunk = pretraining_of(1e-2), branch = trunk;
    branch.cooling = true;
    struct trainer *trainer = trainer_for(&shape);
    struct state *state = fresh(&shape), *straight = fresh(&shape);
    train_pretrain(trainer, NULL, &trunk, 30, NULL, NULL, state, NULL);
    struct state *cooled = state_copy(state, true);
    train_pretrain(trainer, NULL, &branch, 40, NULL, NULL, cooled, NULL);
    train_pretrain(trainer, NULL, &trunk, 40, NULL, NULL, state, NULL);
    train_pretrain(trainer, NULL, &trunk, 40, NULL, NULL, straight, NULL);
    assert_same(state, straight);
    assert_false(hash_equal(state_hash(state), state_hash(cooled)));
    assert_int_equal(cooled->trace.steps, 40);
    state_destroy(&state);
    state_destroy(&straight);
    state_destroy(&cooled);
    trainer_destroy(&trainer);
}

static void fine_tuning_learns_by_every_head_and_cut_anywhere_gives_the_same_bits(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 3; kind++) {
        struct model_shape shape = fake_shape(kind == 1 ? OBJECTIVE_MASKED : OBJECTIVE_CAUSAL);
        struct finetuning finetuning = finetuning_of(1, (enum head_kind)kind);
        struct trainer *trainer = trainer_for(&shape);
        struct state *whole = fresh(&shape), *state = fresh(&shape);
        int64_t when = 7;
        assert_int_equal(train_finetune(trainer, NULL, &finetuning, NULL, NULL, whole, NULL), 0);
        assert_int_equal(whole->step, 20);
        int last = point_of_step(20);
        assert_true(mean_loss(whole, last, last + 1) < 0.6 * mean_loss(whole, 0, 2));
        train_finetune(trainer, NULL, &finetuning, pause_at, &when, state, NULL);
        assert_int_equal(state->step, 7);
        train_finetune(trainer, NULL, &finetuning, NULL, NULL, state, NULL);
        assert_same(whole, state);
        state_destroy(&whole);
        state_destroy(&state);
        trainer_destroy(&trainer);
    }
}

static bool tensor_moved(const struct state *a, const struct state *b, const char *name)
{
    const struct tensor *t = state_tensor(a, name);
    size_t count = (size_t)t->rows * (size_t)(t->columns ? t->columns : 1);
    return memcmp(a->values + t->offset, b->values + t->offset, count * sizeof(float)) != 0;
}

/* Two parts in turn are, step by step, one part after the other on batches of its own. */
static void parts_take_turns_and_each_reads_its_own_batches(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct finetuning part[2] = {finetuning_of(0, HEAD_PER_TASK), finetuning_of(1, HEAD_PER_TASK)};
    struct trainer *trainer = trainer_for(&shape);
    struct state *together = fresh(&shape), *cut = fresh(&shape), *one = fresh(&shape), *same = fresh(&shape);
    int64_t when = 7;
    part[1].place = 1;
    train_together(trainer, NULL, part, 2, NULL, NULL, together, NULL);
    train_together(trainer, NULL, part, 2, pause_at, &when, cut, NULL);
    assert_int_equal(cut->step, 7);
    train_together(trainer, NULL, part, 2, NULL, NULL, cut, NULL);
    assert_same(together, cut);
    assert_true(tensor_moved(together, one, "heads.rise.weight") && tensor_moved(together, one, "heads.third.weight"));
    when = 1; /* the first step is the first part's alone */
    train_together(trainer, NULL, part, 2, pause_at, &when, one, NULL);
    when = 1;
    train_finetune(trainer, NULL, &part[0], pause_at, &when, same, NULL);
    assert_true(one->step == 1 && same->step == 1);
    assert_same(one, same);
    state_destroy(&together);
    state_destroy(&cut);
    state_destroy(&one);
    state_destroy(&same);
    trainer_destroy(&trainer);
}

/* Each chapter starts an epoch of its own items, and knows nothing of where others end. */
static void chapters_have_their_own_items_and_one_rate(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct finetuning first = finetuning_of(0, HEAD_PER_TASK), second = first, number = first, begin = first;
    struct trainer *trainer = trainer_for(&shape);
    struct state *state[3];
    first.chapter = (struct chapter){.number = 1, .items = 5, .stop = 4};
    second.chapter = (struct chapter){.number = 2, .items = 9, .begin = 4, .stop = 8};
    number.chapter = (struct chapter){.number = 3, .items = 9, .begin = 4, .stop = 8};
    begin.chapter = (struct chapter){.number = 2, .items = 9, .begin = 3, .stop = 8};
    const struct finetuning *then[3] = {&second, &number, &begin};
    for (int i = 0; i < 3; i++) {
        state[i] = fresh(&shape);
        assert_int_equal(train_finetune(trainer, NULL, &first, NULL, NULL, state[i], NULL), 0);
        assert_int_equal(state[i]->step, 4);
        assert_int_equal(train_finetune(trainer, NULL, then[i], NULL, NULL, state[i], NULL), 0);
        assert_int_equal(state[i]->step, 8);
        assert_int_equal(state[i]->trace.steps, 8);
        if (i > 0) assert_false(hash_equal(state_hash(state[0]), state_hash(state[i])));
    }
    for (int i = 0; i < 3; i++) state_destroy(&state[i]);
    trainer_destroy(&trainer);
}

static void fine_tuning_forgets_moments_and_trace_of_what_was_before(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct pretraining pretraining = pretraining_of(1e-2);
    struct finetuning finetuning = finetuning_of(0, HEAD_PER_TASK);
    struct trainer *trainer = trainer_for(&shape);
    struct state *state = fresh(&shape);
    train_pretrain(trainer, NULL, &pretraining, 10, NULL, NULL, state, NULL);
    struct state *clean = state_create(&shape, state->head, state->heads, true);
    memcpy(clean->values, state->values, state->floats * sizeof(float));
    state->step = 0;
    train_finetune(trainer, NULL, &finetuning, NULL, NULL, state, NULL);
    train_finetune(trainer, NULL, &finetuning, NULL, NULL, clean, NULL);
    assert_same(state, clean);
    state_destroy(&state);
    state_destroy(&clean);
    trainer_destroy(&trainer);
}

/* Without clipping the first moment after one step is 0.1 g, with it 0.1 g x clip / ||g||. */
static void the_whole_gradient_is_clipped_to_the_norm(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct pretraining pretraining = pretraining_of(1e-2);
    struct trainer *trainer = trainer_for(&shape);
    for (int clipped = 0; clipped < 2; clipped++) {
        struct state *state = fresh(&shape);
        double squares = 0, whole = 0;
        pretraining.optimizer.clip = clipped ? 0.01 : 0;
        train_pretrain(trainer, NULL, &pretraining, 1, NULL, NULL, state, NULL);
        for (size_t i = 0; i < state->floats; i++) squares += (double)state->moments[i] * state->moments[i];
        for (int layer = 0; layer < 4; layer++) whole += state->trace.norm_sum[layer] * state->trace.norm_sum[layer];
        assert_true(sqrt(whole) > 0.1); /* the trace has the norm before clipping */
        assert_true(fabs(sqrt(squares) / (0.1 * (clipped ? 0.01 : sqrt(whole))) - 1) < 1e-5);
        state_destroy(&state);
    }
    trainer_destroy(&trainer);
}

static void fine_tuning_leaves_other_heads_and_frozen_layers_alone(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct finetuning finetuning = finetuning_of(1, HEAD_PER_TASK);
    finetuning.recipe.freeze = 1;
    struct trainer *trainer = trainer_for(&shape);
    struct state *before = fresh(&shape), *state = fresh(&shape);
    train_finetune(trainer, NULL, &finetuning, NULL, NULL, state, NULL);
    assert_false(tensor_moved(state, before, "heads.rise.weight"));
    assert_true(tensor_moved(state, before, "heads.third.weight"));
    assert_false(tensor_moved(state, before, "wte.weight"));
    assert_false(tensor_moved(state, before, "h.0.mlp.c_fc.weight"));
    assert_true(tensor_moved(state, before, "h.1.mlp.c_fc.weight"));
    assert_true(tensor_moved(state, before, "ln_f.weight"));
    assert_true(state->trace.norm_sum[0] == 0 && state->trace.norm_sum[1] == 0 && state->trace.norm_sum[2] > 0);
    state_destroy(&before);
    state_destroy(&state);
    trainer_destroy(&trainer);
}

/* Weight decay moves whatever is trained, so blocks that are left out must be kept out of the step too. */
static void fine_tuning_below_a_block_leaves_that_block_alone(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct finetuning finetuning = finetuning_of(1, HEAD_PER_TASK);
    finetuning.readout.skip = 1;
    finetuning.recipe.optimizer.weight_decay = 0.1;
    struct trainer *trainer = trainer_for(&shape);
    struct state *before = fresh(&shape), *state = fresh(&shape);
    train_finetune(trainer, NULL, &finetuning, NULL, NULL, state, NULL);
    assert_true(tensor_moved(state, before, "heads.third.weight"));
    assert_true(tensor_moved(state, before, "wte.weight"));
    assert_true(tensor_moved(state, before, "h.0.mlp.c_fc.weight"));
    assert_false(tensor_moved(state, before, "h.1.mlp.c_fc.weight"));
    assert_false(tensor_moved(state, before, "h.1.ln_1.bias"));
    assert_true(tensor_moved(state, before, "ln_f.weight"));
    assert_true(state->trace.norm_sum[1] > 0 && state->trace.norm_sum[2] == 0 && state->trace.norm_sum[3] > 0);
    state_destroy(&before);
    state_destroy(&state);
    trainer_destroy(&trainer);
}

static void with_all_layers_frozen_the_head_learns_alone(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct finetuning finetuning = finetuning_of(1, HEAD_PER_TASK);
    finetuning.recipe.freeze = shape.layers + 1;
    finetuning.recipe.steps = 60;
    struct trainer *trainer = trainer_for(&shape);
    struct state *before = fresh(&shape), *state = fresh(&shape);
    train_finetune(trainer, NULL, &finetuning, NULL, NULL, state, NULL);
    for (int i = 0; i < state->tensors; i++) {
        bool own = strncmp(state->tensor[i].name, "heads.third", 11) == 0;
        assert_true(tensor_moved(state, before, state->tensor[i].name) == own);
    }
    assert_true(mean_loss(state, 9, 11) < mean_loss(state, 0, 2));
    state_destroy(&before);
    state_destroy(&state);
    trainer_destroy(&trainer);
}

static void learning_rate_zero_changes_no_weight(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct finetuning finetuning = finetuning_of(1, HEAD_PER_TASK);
    finetuning.recipe.optimizer.learning_rate = 0;
    struct trainer *trainer = trainer_for(&shape);
    struct state *before = fresh(&shape), *state = fresh(&shape);
    train_finetune(trainer, NULL, &finetuning, NULL, NULL, state, NULL);
    assert_memory_equal(before->values, state->values, state->floats * sizeof(float));
    state_destroy(&before);
    state_destroy(&state);
    trainer_destroy(&trainer);
}

static struct hash128 finetuned(const struct finetuning *finetuning)
{
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct trainer *trainer = trainer_for(&shape);
    struct state *state = fresh(&shape);
    train_finetune(trainer, NULL, finetuning, NULL, NULL, state, NULL);
    struct hash128 hash = state_hash(state);
    state_destroy(&state);
    trainer_destroy(&trainer);
    return hash;
}

static void the_order_of_items_depends_on_seed_and_place_and_the_items_on_their_number(void **unused)
{
    (void)unused;
    struct finetuning a = finetuning_of(0, HEAD_PER_TASK), seed = a, place = a, all = a, few = a;
    seed.seed = 4;
    place.place = 1;
    all.items = FAKE_ITEMS;
    few.items = 5;
    struct hash128 hash = finetuned(&a);
    assert_true(hash_equal(hash, finetuned(&a)));
    assert_true(hash_equal(hash, finetuned(&all)));
    assert_false(hash_equal(hash, finetuned(&seed)));
    assert_false(hash_equal(hash, finetuned(&place)));
    assert_false(hash_equal(hash, finetuned(&few))); /* a batch of 12 spans three epochs */
}

static void the_step_loops_allocate_nothing(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_MASKED);
    struct pretraining pretraining = pretraining_of(1e-2);
    struct finetuning finetuning = finetuning_of(0, HEAD_LM);
    uint64_t used[2][2];
    for (int more = 0; more < 2; more++) {
        struct trainer *trainer = trainer_for(&shape);
        struct state *state = fresh(&shape);
        uint64_t before = memory_count().allocations;
        train_pretrain(trainer, NULL, &pretraining, more ? 9 : 1, NULL, NULL, state, NULL);
        used[more][0] = memory_count().allocations - before;
        state->step = 0;
        finetuning.recipe.steps = more ? 40 : 1;
        before = memory_count().allocations;
        train_finetune(trainer, NULL, &finetuning, NULL, NULL, state, NULL);
        used[more][1] = memory_count().allocations - before;
        state_destroy(&state);
        trainer_destroy(&trainer);
    }
    assert_int_equal(used[0][0], used[1][0]);
    assert_int_equal(used[0][1], used[1][1]);
}

static void a_loss_that_is_not_finite_fails_the_stage_and_says_where(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct pretraining pretraining = pretraining_of(1e-2);
    struct trainer *trainer = trainer_for(&shape);
    struct state *state = fresh(&shape);
    struct error err = {0};
    assert_int_equal(train_pretrain(trainer, NULL, &pretraining, 4, NULL, NULL, state, &err), 0);
    state->values[state_tensor(state, "ln_f.weight")->offset] = NAN;
    assert_int_equal(train_pretrain(trainer, NULL, &pretraining, 37, NULL, NULL, state, &err), -1);
    assert_int_equal(err.kind, ERROR_STAGE);
    assert_string_equal(err.text, "loss became NaN at step 5 of 37 (learning rate 0.01)");
    assert_int_equal(state->step, 4);
    assert_int_equal(state->trace.steps, 4);
    state_destroy(&state);
    trainer_destroy(&trainer);
}

static void a_learning_rate_that_is_far_too_high_ends_as_a_failed_stage(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct pretraining pretraining = pretraining_of(1e30);
    struct trainer *trainer = trainer_for(&shape);
    struct state *state = fresh(&shape);
    struct error err = {0};
    assert_int_equal(train_pretrain(trainer, NULL, &pretraining, 20, NULL, NULL, state, &err), -1);
    assert_int_equal(err.kind, ERROR_STAGE);
    assert_true(strstr(err.text, " became ") && strstr(err.text, " of 20"));
    state_destroy(&state);
    trainer_destroy(&trainer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_goes_on_after_what_was_read_before),
        cmocka_unit_test(pretraining_lowers_the_loss_and_traces_it),
        cmocka_unit_test(a_step_on_a_given_batch_is_a_step_of_pretraining),
        cmocka_unit_test(pretraining_cut_anywhere_gives_the_same_bits),
        cmocka_unit_test(a_cooldown_branches_off_without_touching_the_trunk),
        cmocka_unit_test(fine_tuning_learns_by_every_head_and_cut_anywhere_gives_the_same_bits),
        cmocka_unit_test(fine_tuning_forgets_moments_and_trace_of_what_was_before),
        cmocka_unit_test(the_whole_gradient_is_clipped_to_the_norm),
        cmocka_unit_test(fine_tuning_leaves_other_heads_and_frozen_layers_alone),
        cmocka_unit_test(fine_tuning_below_a_block_leaves_that_block_alone),
        cmocka_unit_test(with_all_layers_frozen_the_head_learns_alone),
        cmocka_unit_test(learning_rate_zero_changes_no_weight),
        cmocka_unit_test(the_order_of_items_depends_on_seed_and_place_and_the_items_on_their_number),
        cmocka_unit_test(the_step_loops_allocate_nothing),
        cmocka_unit_test(a_loss_that_is_not_finite_fails_the_stage_and_says_where),
        cmocka_unit_test(a_learning_rate_that_is_far_too_high_ends_as_a_failed_stage),
        cmocka_unit_test(parts_take_turns_and_each_reads_its_own_batches),
        cmocka_unit_test(chapters_have_their_own_items_and_one_rate),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
