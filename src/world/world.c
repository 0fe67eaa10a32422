/* What both kinds of world have in common: dispatch, mixtures of domains, and entropy floors. */
#include <math.h>
#include <string.h>

#include "world_private.h"

int world_create(const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES], int task_count, int context,
                 struct world **world, struct error *err)
{
    CHECK(context >= 1 && task_count >= 0, "context %d, %d tasks", context, task_count);
    struct world *made = memory_allocate(sizeof *made);
    made->context = context;
    int status = spec->kind == WORLD_GRAMMAR ? grammar_create(spec, tasks, task_count, context, made, err)
                                             : text_create(spec, tasks, task_count, context, made, err);
    if (status == 0)
        *world = made;
    else
        memory_free(made);
    return status;
}

void world_destroy(struct world **world)
{
    if (!world || !*world) return;
    (*world)->ops->destroy((*world)->self);
    memory_free((void *)(*world)->facts.domain);
    memory_free((void *)(*world)->facts.task);
    memory_free(*world);
    *world = NULL;
}

const struct world_facts *world_facts(const struct world *world) { return &world->facts; }

bool world_has_task(const struct world_spec *spec, const char *name)
{
    if (spec->kind == WORLD_TEXT) {
        for (int i = 0; i < spec->task_count; i++)
            if (strcmp(spec->tasks[i].name, name) == 0) return true;
        return false;
    }
    for (int i = 0; world_grammar_task(i); i++)
        if (strcmp(world_grammar_task(i), name) == 0) return true;
    return false;
}

/* ---- reading ---- */

static void check_context(const struct world *world, int context)
{
    CHECK(context >= 1 && context <= world->context, "context %d, the world was made for %d", context, world->context);
}

/* Block b holds sample b of each domain, so a domain is read from its start without gaps whatever the variety is; the
 * order inside a block is drawn anew, else position in a batch would tell the domain. */
void world_read(const struct world *world, const struct reading *reading, uint64_t sample, uint16_t *token)
{
    uint32_t order[sizeof reading->domain / sizeof reading->domain[0]];
    check_context(world, reading->context);
    CHECK(reading->domains >= 1 && (size_t)reading->domains <= sizeof order / sizeof order[0], "%d domains read",
          reading->domains);
    if (reading->unique_samples > 0) sample %= reading->unique_samples;
    uint64_t block = sample / (uint64_t)reading->domains;
    struct random_cursor cursor = random_at(random_stream("mixture", reading->seed, NULL), block);
    random_permutation(&cursor, (uint32_t)reading->domains, order);
    int domain = reading->domain[order[sample % (uint64_t)reading->domains]];
    CHECK(domain >= 0 && domain < world->facts.domains + world->facts.task_domains, "domain %d is read", domain);
    world->ops->sample(world->self, domain, reading->seed, block, reading->context, token);
}

static void check_domain(const struct world *world, int domain)
{
    int domains = world->facts.domains + world->facts.task_domains;
    CHECK(domain >= 0 && domain < domains, "reference domain %d of %d", domain, domains);
}

int world_reference_windows(const struct world *world, int domain, int context, int64_t tokens)
{
    check_context(world, context);
    check_domain(world, domain);
    return world->ops->reference_windows(world->self, domain, context, tokens);
}

void world_reference(const struct world *world, int domain, int window, int context, uint16_t *token)
{
    check_context(world, context);
    check_domain(world, domain);
    CHECK(window >= 0, "window %d", window);
    world->ops->reference(world->self, domain, window, context, token);
}

/* ---- floors ---- */

static double log_of_sum(const double *log_p, int count)
{
    double largest = -INFINITY, sum = 0;
    for (int i = 0; i < count; i++) largest = fmax(largest, log_p[i]);
    if (largest == -INFINITY) return largest;
    for (int i = 0; i < count; i++) sum += real_exp(log_p[i] - largest);
    return largest + real_log(sum);
}

/* The predictor holds a posterior over the domains and updates it token by token; by the chain rule the sum of its
 * losses over a window is -log of the ratio of the mixture's prefix probabilities at both ends. */
static double window_floor(const struct world *world, const struct reading *reading, const uint16_t *token,
                           double *prefix)
{
    double first[sizeof reading->domain / sizeof reading->domain[0]], last[sizeof first / sizeof first[0]];
    for (int i = 0; i < reading->domains; i++) {
        world->ops->prefix_log_probability(world->self, reading->domain[i], token, reading->context, prefix);
        first[i] = prefix[0];
        last[i] = prefix[reading->context];
    }
    return log_of_sum(first, reading->domains) - log_of_sum(last, reading->domains);
}

static bool reads_domain(const struct reading *reading, int domain)
{
    for (int i = 0; i < reading->domains; i++)
        if (reading->domain[i] == domain) return true;
    return false;
}

double world_floor(const struct world *world, const struct reading *reading, int domain, int windows)
{
    check_context(world, reading->context);
    check_domain(world, domain);
    if (!world->ops->prefix_log_probability || !reads_domain(reading, domain) || windows < 1) return NAN;
    size_t positions = (size_t)reading->context + 1;
    uint16_t *token = memory_array(positions, sizeof *token);
    double *prefix = memory_array(positions, sizeof *prefix), sum = 0;
    for (int w = 0; w < windows; w++) {
        world->ops->reference(world->self, domain, w, reading->context, token);
        sum += window_floor(world, reading, token, prefix);
    }
    memory_free(token);
    memory_free(prefix);
    return sum / ((double)windows * reading->context);
}

/* ---- tasks ---- */

static const struct task_facts *task_of(const struct world *world, int task)
{
    CHECK(task >= 0 && task < world->facts.tasks, "task %d of %d", task, world->facts.tasks);
    return &world->facts.task[task];
}

static int split_items(const struct task_facts *facts, enum split split)
{
    if (split == SPLIT_TRAIN) return facts->train_items;
    if (split == SPLIT_ELSEWHERE) return facts->elsewhere_items;
    return split == SPLIT_TEST ? facts->test_items : facts->development_items;
}

struct item world_item(const struct world *world, int task, enum split split, int index)
{
    int items = split_items(task_of(world, task), split);
    CHECK(index >= 0 && index < items, "item %d of %d", index, items);
    return world->ops->item(world->self, task, split, index);
}

static void check_label(const struct world *world, int task, int label)
{
    int classes = task_of(world, task)->classes;
    CHECK(label >= 0 && label < classes, "label %d of %d", label, classes);
}

const char *world_label_name(const struct world *world, int task, int label)
{
    check_label(world, task, label);
    return world->ops->label_name(world->self, task, label);
}

int world_label_token(const struct world *world, int task, int label)
{
    check_label(world, task, label);
    return world->ops->label_token(world->self, task, label);
}

void world_prompt(const struct world *world, int task, uint16_t *token, int most, int *length)
{
    task_of(world, task);
    world->ops->prompt(world->self, task, token, most, length);
}

char *world_text(const struct world *world, const uint16_t *token, int length)
{
    return world->ops->text(world->self, token, length);
}

/* ---- distances ---- */

static void add_unigrams(const struct world *world, int domain, int context, int64_t tokens, double *share)
{
    uint16_t *token = memory_array((size_t)context + 1, sizeof *token);
    int windows = world_reference_windows(world, domain, context, tokens);
    for (int w = 0; w < windows; w++) {
        world_reference(world, domain, w, context, token);
        for (int t = 1; t <= context; t++) share[token[t]] += 1.0 / ((double)windows * context);
    }
    memory_free(token);
}

/* Square root of the Jensen-Shannon divergence in bits, a metric between 0 and 1 (Endres and Schindelin 2003). */
static double unigram_distance(const double *a, const double *b, int vocabulary)
{
    double divergence = 0;
    for (int v = 0; v < vocabulary; v++) {
        double middle = 0.5 * (a[v] + b[v]);
        if (a[v] > 0) divergence += 0.5 * a[v] * real_log(a[v] / middle);
        if (b[v] > 0) divergence += 0.5 * b[v] * real_log(b[v] / middle);
    }
    return divergence > 0 ? sqrt(divergence / real_log(2)) : 0;
}

void world_distances(const struct world *world, const struct reading *reading, int64_t tokens, double *distance)
{
    int domains = world->facts.domains + world->facts.task_domains, vocabulary = world->facts.vocabulary;
    double *share = memory_array((size_t)domains * (size_t)vocabulary, sizeof *share);
    for (int d = 0; d < domains; d++)
        add_unigrams(world, d, reading->context, tokens, share + (size_t)d * (size_t)vocabulary);
    for (int d = 0; d < domains; d++) {
        distance[d] = 1;
        for (int i = 0; i < reading->domains; i++) {
            const double *read = share + (size_t)reading->domain[i] * (size_t)vocabulary;
            distance[d] = fmin(distance[d], unigram_distance(share + (size_t)d * (size_t)vocabulary, read, vocabulary));
        }
    }
    memory_free(share);
}

static void add_items(const struct world *world, int task, double *share)
{
    int items = split_items(task_of(world, task), SPLIT_TRAIN);
    int64_t tokens = 0;
    for (int i = 0; i < items; i++) {
        struct item item = world_item(world, task, SPLIT_TRAIN, i);
        for (int t = 0; t < item.length; t++) share[item.token[t]] += 1;
        tokens += item.length;
    }
    for (int v = 0; v < world->facts.vocabulary; v++) share[v] /= (double)tokens;
}

double world_task_similarity(const struct world *world, int first, int second)
{
    int vocabulary = world->facts.vocabulary;
    double *share = memory_array(2 * (size_t)vocabulary, sizeof *share);
    add_items(world, first, share);
    add_items(world, second, share + vocabulary);
    double distance = unigram_distance(share, share + vocabulary, vocabulary);
    memory_free(share);
    return 1 - distance;
}
