/* bench train: how fast one core trains. */
#include <jansson.h>
#include <sched.h>

#include "cli_private.h"
#include "palimpsest/kernels.h"

struct measured { /* of one call */
    struct numerics numerics;
    int core; /* that it ran on; -1: not known, since the system does not say */
    bool pinned_here;
    int shapes;
    struct bench_shape shape[BENCH_SHAPES];
    struct training_speed speed[BENCH_SHAPES];
};

/* A process that wanders measures other cores' caches: it stays where it is, unless its caller has settled that. */
static void stay_on_core(struct measured *measured)
{
    cpu_set_t allowed;
    measured->core = sched_getcpu();
    if (measured->core < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 1) return;
    CPU_ZERO(&allowed);
    CPU_SET((size_t)measured->core, &allowed);
    measured->pinned_here = sched_setaffinity(0, sizeof allowed, &allowed) == 0;
}

/* The table's shapes, or the one that options give, with the rest of it from the third of the table. */
static void choose_shapes(const struct options *options, struct measured *measured)
{
    const struct model_shape *asked = &options->shape.shape;
    struct bench_shape *shape = measured->shape;
    int batch = options->shape.batch;
    if (asked->layers + asked->width + asked->heads + asked->context + asked->vocabulary + batch == 0) {
        measured->shapes = BENCH_SHAPES;
        for (int s = 0; s < BENCH_SHAPES; s++) shape[s] = bench_shapes[s];
        return;
    }
    measured->shapes = 1;
    *shape = bench_shapes[2];
    if (asked->layers) shape->shape.layers = asked->layers;
    if (asked->width) shape->shape.width = asked->width;
    if (asked->heads) shape->shape.heads = asked->heads;
    if (asked->context) shape->shape.context = asked->context;
    if (asked->vocabulary) shape->shape.vocabulary = asked->vocabulary;
    if (batch) shape->batch = batch;
}

static int start_kernels(const struct options *options, struct numerics *numerics, struct error *err)
{
    TRY(numerics_alone(options->numerics, numerics, err));
    return numerics_take("bench train", numerics->class_name, numerics, err);
}

static void print_head(const struct measured *measured)
{
    printf("numerics class %s; core %d%s; limit by %s multiply-adds in registers\n", measured->numerics.class_name,
           measured->core, measured->pinned_here ? ", on which it stays" : "", bench_core_vectors());
    puts(" L    d   H     T    B     V      step   tokens/s  model            of the limit");
}

static void print_shape(const struct bench_shape *shape, const struct training_speed *speed)
{
    char tokens[32];
    const struct model_shape *model = &shape->shape;
    double flops = speed->flops / speed->seconds;
    printf("%2d %4d %3d %5d %4d %5d %7.2f ms %10s  %6.2f GFLOP/s  %4.1f %% of %.1f\n", model->layers, model->width,
           model->heads, model->context, shape->batch, model->vocabulary, 1e3 * speed->seconds,
           format_count(speed->tokens / speed->seconds, tokens, sizeof tokens), flops / 1e9, 100 * flops / speed->limit,
           speed->limit / 1e9);
    fflush(stdout);
}

int command_bench_train(const struct options *options, struct error *err)
{
    struct measured measured = {.shapes = 0};
    TRY(start_kernels(options, &measured.numerics, err));
    stay_on_core(&measured);
    choose_shapes(options, &measured);
    if (!options->json) print_head(&measured);
    for (int s = 0; s < measured.shapes; s++) {
        TRY(bench_train(&measured.shape[s], options->seconds, &measured.speed[s], err));
        if (!options->json) print_shape(&measured.shape[s], &measured.speed[s]);
    }
    return 0;
}
