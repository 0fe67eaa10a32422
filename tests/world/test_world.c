/* Mixtures and floors, on a world whose samples say where they come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../../src/world/world_private.h"

enum { DOMAINS = 8, CONTEXT = 5 };

/* Every token of a sample is 100 x domain + number of the sample. */
static void numbered_sample(const void *self, int domain, uint64_t seed, uint64_t sample, int context, uint16_t *token)
{
    (void)self, (void)seed;
    for (int i = 0; i <= context; i++) token[i] = (uint16_t)(100 * (uint64_t)domain + sample);
}

/* Coins: domain d throws a 1 with probability coin(d), independently. */
static double coin(int domain) { return (domain + 1.0) / (DOMAINS + 2); }

static void coin_reference(const void *self, int domain, int window, int context, uint16_t *token)
{
    (void)self;
    for (int i = 0; i <= context; i++) token[i] = (uint16_t)((domain + window + i * i) % 3 == 0);
}

static void coin_probability(const void *self, int domain, const uint16_t *token, int context, double *log_p)
{
    (void)self;
    double sum = 0;
    for (int i = 0; i <= context; i++) log_p[i] = sum += log(token[i] ? coin(domain) : 1 - coin(domain));
}

static const struct world_ops coin_ops = {
    .sample = numbered_sample, .reference = coin_reference, .prefix_log_probability = coin_probability};
static const struct world coins = {.ops = &coin_ops, .context = CONTEXT, .facts = {.domains = DOMAINS}};

static struct reading reading_of(int domains)
{
    struct reading reading = {.domains = domains, .seed = 7, .context = CONTEXT};
    for (int i = 0; i < domains; i++) reading.domain[i] = (3 * i + 2) % DOMAINS;
    return reading;
}

static uint16_t first_token(const struct reading *reading, uint64_t sample)
{
    uint16_t token[CONTEXT + 1];
    world_read(&coins, reading, sample, token);
    return token[0];
}

static void every_block_reads_every_domain_once_at_the_number_of_the_block(void **context)
{
    (void)context;
    struct reading reading = reading_of(5);
    for (uint64_t block = 0; block < 20; block++) {
        unsigned seen = 0;
        for (uint64_t i = 0; i < 5; i++) {
            uint16_t token = first_token(&reading, 5 * block + i);
            assert_int_equal(token % 100, block);
            seen |= 1u << token / 100;
        }
        assert_int_equal(seen, 1u << 2 | 1u << 5 | 1u << 0 | 1u << 3 | 1u << 6);
    }
}

static void the_order_inside_a_block_depends_on_seed_and_block(void **context)
{
    (void)context;
    struct reading reading = reading_of(5), other = reading_of(5);
    int other_seed = 0, other_block = 0;
    other.seed = 8;
    for (uint64_t i = 0; i < 50; i++) {
        other_seed += first_token(&reading, i) != first_token(&other, i);
        other_block += first_token(&reading, i) / 100 != first_token(&reading, i + 5) / 100;
    }
    assert_true(other_seed > 10 && other_block > 10);
}

static void a_single_domain_is_read_in_order(void **context)
{
    (void)context;
    struct reading reading = reading_of(1);
    for (uint64_t i = 0; i < 9; i++) assert_int_equal(first_token(&reading, i), 200 + i);
}

static void a_domain_gives_the_same_samples_in_every_mixture(void **context)
{
    (void)context;
    struct reading one = reading_of(1), four = reading_of(4);
    uint64_t found = 0;
    for (uint64_t i = 0; i < 40; i++) {
        uint16_t token = first_token(&four, i);
        if (token / 100 == 2) assert_int_equal(token, first_token(&one, found++));
    }
    assert_int_equal(found, 10);
}

static void unique_samples_make_the_stream_repeat_whole(void **context)
{
    (void)context;
    struct reading reading = reading_of(4), endless = reading_of(4);
    reading.unique_samples = 7; /* in the middle of a block */
    for (uint64_t i = 0; i < 30; i++) assert_int_equal(first_token(&reading, i), first_token(&endless, i % 7));
}

/* Domain 0 holds only token 0, domain 1 only token 1, domain 2 both in turn. */
static void turns_reference(const void *self, int domain, int window, int context, uint16_t *token)
{
    (void)self;
    for (int i = 0; i <= context; i++) token[i] = (uint16_t)(domain < 2 ? domain : (window + i) % 2);
}

static int two_windows(const void *self, int domain, int context, int64_t tokens)
{
    (void)self, (void)domain, (void)context, (void)tokens;
    return 2;
}

/* Between (1, 0) and (1/2, 1/2): (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2 = 0.311278 bits, of which the root. */
static void distances_are_to_the_nearest_domain_read(void **context)
{
    (void)context;
    const struct world_ops ops = {.reference = turns_reference, .reference_windows = two_windows};
    const struct world turns = {.ops = &ops, .context = CONTEXT, .facts = {.domains = 3, .vocabulary = 2}};
    struct reading reading = {.domains = 1, .domain = {0}, .context = CONTEXT};
    double distance[3];
    world_distances(&turns, &reading, 10, distance);
    assert_true(distance[0] == 0);
    assert_true(fabs(distance[1] - 1) < 1e-12);
    assert_true(fabs(distance[2] - sqrt(0.311278124459)) < 1e-9);
    reading.domains = 2;
    reading.domain[1] = 2;
    world_distances(&turns, &reading, 10, distance);
    assert_true(distance[0] == 0 && distance[2] == 0);
    assert_true(fabs(distance[1] - sqrt(0.311278124459)) < 1e-9);
}

/* Task 0 has items "0 0 1" and "1", task 1 the item "0 1", task 2 the item "2". */
static struct item few_items(const void *self, int task, enum split split, int index)
{
    static const uint16_t token[][3] = {{0, 0, 1}, {1}, {0, 1}, {2}};
    static const int length[] = {3, 1, 2, 1};
    (void)self, (void)split;
    int row = task == 0 ? index : task + 1;
    return (struct item){.token = token[row], .length = length[row]};
}

/* Task 0 uses words 0 and 1 equally often, the others only word 0. */
static struct item lone_items(const void *self, int task, enum split split, int index)
{
    static const uint16_t word[] = {0, 1};
    (void)self, (void)split;
    return (struct item){.token = word + (task == 0 ? index : 0), .length = 1};
}

/* Tasks 0 and 1 use words 0 and 1 equally often; tasks 0 and 2 have none in common. */
static void similarity_is_of_words_of_training_items(void **context)
{
    (void)context;
    const struct world_ops ops = {.item = few_items};
    const struct task_facts task[] = {{.train_items = 2}, {.train_items = 1}, {.train_items = 1}};
    const struct world few = {.ops = &ops, .facts = {.tasks = 3, .task = task, .vocabulary = 3}};
    assert_true(world_task_similarity(&few, 0, 1) == 1);
    assert_true(world_task_similarity(&few, 0, 0) == 1);
    assert_true(fabs(world_task_similarity(&few, 0, 2)) < 1e-12);
    const struct world_ops other = {.item = lone_items};
    const struct world lone = {.ops = &other, .facts = few.facts};
    assert_true(fabs(world_task_similarity(&lone, 0, 1) - (1 - sqrt(0.311278124459))) < 1e-9);
}

/* The predictor written out: a weight for each domain, updated by Bayes' rule after every token. */
static double floor_by_updates(const struct reading *reading, int domain, int windows)
{
    double sum = 0;
    for (int w = 0; w < windows; w++) {
        uint16_t token[CONTEXT + 1];
        double weight[DOMAINS], total = 0;
        coin_reference(NULL, domain, w, CONTEXT, token);
        for (int i = 0; i <= CONTEXT; i++) {
            double p = 0, whole = total;
            total = 0;
            for (int d = 0; d < reading->domains; d++) {
                double here = token[i] ? coin(reading->domain[d]) : 1 - coin(reading->domain[d]);
                if (i == 0) weight[d] = whole = 1;
                p += weight[d] / whole * here;
                total += weight[d] *= here;
            }
            if (i > 0) sum -= log(p);
        }
    }
    return sum / (windows * CONTEXT);
}

static void the_floor_is_the_loss_of_the_predictor_that_infers_the_domain(void **context)
{
    (void)context;
    for (int domains = 1; domains <= DOMAINS; domains++) {
        struct reading reading = reading_of(domains);
        double floor = world_floor(&coins, &reading, 2, 6);
        assert_true(fabs(floor - floor_by_updates(&reading, 2, 6)) < 1e-12);
    }
}

static void the_floor_of_one_domain_is_its_own_entropy_on_the_windows(void **context)
{
    (void)context;
    struct reading reading = reading_of(1);
    uint16_t token[CONTEXT + 1];
    double sum = 0;
    coin_reference(NULL, 2, 0, CONTEXT, token);
    for (int i = 1; i <= CONTEXT; i++) sum -= log(token[i] ? 0.3 : 0.7);
    assert_true(fabs(world_floor(&coins, &reading, 2, 1) - sum / CONTEXT) < 1e-12);
}

static void the_floor_is_missing_where_it_is_not_known(void **context)
{
    (void)context;
    struct reading reading = reading_of(3);
    struct world_ops text_ops = coin_ops;
    struct world text = coins;
    assert_true(isnan(world_floor(&coins, &reading, 1, 4))); /* not read */
    text_ops.prefix_log_probability = NULL;
    text.ops = &text_ops;
    assert_true(isnan(world_floor(&text, &reading, 2, 4)));
}

static void tasks_are_found_by_name_in_the_spec_or_the_grammar(void **context)
{
    (void)context;
    struct text_source tasks[] = {{.name = "a"}, {.name = "b"}};
    struct world_spec text = {.kind = WORLD_TEXT, .tasks = tasks, .task_count = 2}, grammar = {.kind = WORLD_GRAMMAR};
    assert_true(world_has_task(&text, "b"));
    assert_false(world_has_task(&text, "tense"));
    assert_true(world_has_task(&grammar, "tense"));
    assert_false(world_has_task(&grammar, "b"));
}

static int all_memory_was_given_back(void **context)
{
    (void)context;
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_reads_every_domain_once_at_the_number_of_the_block),
        cmocka_unit_test(the_order_inside_a_block_depends_on_seed_and_block),
        cmocka_unit_test(a_single_domain_is_read_in_order),
        cmocka_unit_test(a_domain_gives_the_same_samples_in_every_mixture),
        cmocka_unit_test(unique_samples_make_the_stream_repeat_whole),
        cmocka_unit_test(distances_are_to_the_nearest_domain_read),
        cmocka_unit_test(similarity_is_of_words_of_training_items),
        cmocka_unit_test(the_floor_is_the_loss_of_the_predictor_that_infers_the_domain),
        cmocka_unit_test(the_floor_of_one_domain_is_its_own_entropy_on_the_windows),
        cmocka_unit_test(the_floor_is_missing_where_it_is_not_known),
        cmocka_unit_test(tasks_are_found_by_name_in_the_spec_or_the_grammar),
    };
    return cmocka_run_group_tests(tests, NULL, all_memory_was_given_back);
}
