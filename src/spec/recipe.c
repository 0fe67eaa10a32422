/* Amounts in whole steps, the domains a seed reads, the points of a curve, the blocks of a code. */
#include <math.h>

#include "palimpsest/spec.h"

static int64_t whole_steps(double tokens, int64_t tokens_per_step)
{
    int64_t steps = llround(tokens / (double)tokens_per_step);
    return tokens > 0 && steps < 1 ? 1 : steps;
}

struct schedule_steps schedule_steps_of(const struct settings *settings, const struct model_shape *shape,
                                        struct amount amount)
{
    struct schedule_steps steps = {.tokens_per_step = settings->pretrain.batch * shape->context};
    double tokens = amount.relative ? amount.value * (double)shape_parameters_non_embedding(shape) : amount.value;
    int64_t whole = whole_steps(tokens, steps.tokens_per_step);
    struct span cooldown = settings->pretrain.cooldown;
    double cooled = cooldown.in_tokens ? cooldown.value : cooldown.value * (double)(whole * steps.tokens_per_step);
    if (whole > 0) steps.cooldown = whole_steps(cooled, steps.tokens_per_step);
    if (steps.cooldown > whole) steps.cooldown = whole;
    steps.trunk = whole - steps.cooldown;
    steps.warmup = whole_steps((double)settings->pretrain.warmup, steps.tokens_per_step);
    return steps;
}

struct schedule_steps recovery_schedule_of(const struct settings *settings, const struct model_shape *shape)
{
    int64_t steps = settings->recovery.steps;
    return (struct schedule_steps){.tokens_per_step = settings->pretrain.batch * shape->context,
                                   .warmup = llround(settings->recovery.warmup * (double)steps),
                                   .trunk = steps};
}

struct optimizer_recipe recovery_optimizer_of(const struct settings *settings)
{
    struct optimizer_recipe optimizer = settings->pretrain.optimizer;
    optimizer.learning_rate = settings->recovery.learning_rate;
    return optimizer;
}

int64_t look_step(int64_t steps, int looks, int look)
{
    CHECK(look >= 0 && look <= looks && looks <= LOOKS_MAX, "look %d of %d", look, looks);
    double share = (double)look / looks;
    int64_t step = llround(share * share * (double)steps);
    if (step < look) step = look;
    return step < steps ? step : steps;
}

static int greatest_common_divisor(int a, int b) { return b == 0 ? a : greatest_common_divisor(b, a % b); }

/* Consecutive seeds start far apart on the ring of domains (near the golden section), so that their sets overlap
 * little; the stride has no factor in common with the ring, so that over all seeds every domain takes every place. */
static int ring_stride(int domains)
{
    int stride = (int)(0.618 * domains);
    if (stride < 1) return 1;
    while (greatest_common_divisor(stride, domains) != 1) stride++;
    return stride;
}

static void read_ring(const struct world_spec *world, int domains, uint64_t seed, int count, int *read)
{
    uint32_t *ring = memory_array((size_t)domains, sizeof *ring);
    struct random_cursor cursor = random_at(random_stream("variety ring", world->seed, NULL), 0);
    random_permutation(&cursor, (uint32_t)domains, ring);
    uint64_t start = seed % (uint64_t)domains * (uint64_t)ring_stride(domains);
    for (int i = 0; i < count; i++) read[i] = (int)ring[(start + (uint64_t)i) % (uint64_t)domains];
    memory_free(ring);
}

void reading_domains(const struct world_spec *world, const struct world_facts *facts, uint64_t seed, int variety,
                     int *read)
{
    CHECK(variety >= 1 && variety <= facts->domains, "variety %d of %d domains", variety, facts->domains);
    int back = world->overlap == OVERLAP_NONE ? 0 : facts->task_domains;
    if (back > variety) back = variety;
    for (int i = 0; i < back; i++)
        read[i] = facts->domains + (int)((seed + (uint64_t)i) % (uint64_t)facts->task_domains);
    read_ring(world, facts->domains, seed, variety - back, read + back);
}

/* 1, then 2 3 4 6 8 12 16 24 ...: powers of two and what lies half an octave above them, in whole numbers. */
int64_t point_end(int point)
{
    CHECK(point >= 0 && point < POINTS_MAX, "curve point %d", point);
    if (point == 0) return 1;
    return point % 2 == 1 ? (int64_t)1 << (point + 1) / 2 : (int64_t)3 << (point - 2) / 2;
}

int point_of_step(int64_t step)
{
    int point = 0;
    while (point < POINTS_MAX - 1 && point_end(point) < step) point++;
    return point;
}

int task_items_used(const struct task_facts *task, int64_t asked)
{
    return asked > 0 && asked < task->train_items ? (int)asked : task->train_items;
}

/* Every block holds at least one item more than those before it, however slow the growth. */
int codelength_blocks(const struct settings *settings, int64_t items, int64_t end[BLOCKS_MAX])
{
    int64_t so_far = 0, next = settings->codelength.first;
    int blocks = 0;
    while (so_far < items && blocks < BLOCKS_MAX) {
        so_far = next < items ? next : items;
        end[blocks++] = so_far;
        next = llround((double)so_far * settings->codelength.growth);
        if (next <= so_far) next = so_far + 1;
    }
    return so_far < items ? BLOCKS_MAX + 1 : blocks;
}
