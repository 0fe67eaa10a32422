/* bench train: how fast one core trains. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_private.h"
#include "palimpsest/kernels_start.h"

/* A process that wanders measures other cores' caches: it stays where it was, unless its caller has settled that. */
static void stay_on_core(struct speed_report *report)
{
    cpu_set_t allowed;
    if (report->core < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 1) return;
    CPU_ZERO(&allowed);
    CPU_SET((size_t)report->core, &allowed);
    report->stays = sched_setaffinity(0, sizeof allowed, &allowed) == 0;
}

static void add_shape(struct speed_report *report, const struct bench_shape *shape)
{
    for (int s = 0; s < report->shapes; s++)
        if (report->shape[s].batch == shape->batch && report->shape[s].texts == shape->texts &&
            shape_equal(&report->shape[s].shape, &shape->shape))
            return;
    if (report->shapes < REPORT_SHAPES) report->shape[report->shapes] = *shape;
    report->shapes++;
}

static int by_value(const void *a, const void *b)
{
    const int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

/* Of count lengths, which are sorted, so many that each stands for as many. */
static void pick_quantiles(int *length, int count, int picked[BENCH_LENGTHS])
{
    qsort(length, (size_t)count, sizeof *length, by_value);
    for (int q = 0; q < BENCH_LENGTHS; q++) picked[q] = length[(int64_t)(2 * q + 1) * count / (2 * BENCH_LENGTHS)];
}

/* Of the training items of all tasks, each task counting as much as another. */
static void lengths_of_tasks(const struct world *world, int length[BENCH_LENGTHS])
{
    const struct world_facts *facts = world_facts(world);
    int *all = memory_array((size_t)facts->tasks * BENCH_LENGTHS, sizeof *all);
    for (int t = 0; t < facts->tasks; t++) {
        const int items = facts->task[t].train_items;
        int *of_task = memory_array((size_t)items, sizeof *of_task);
        for (int i = 0; i < items; i++) of_task[i] = world_item(world, t, SPLIT_TRAIN, i).length;
        pick_quantiles(of_task, items, all + (ptrdiff_t)t * BENCH_LENGTHS);
        memory_free(of_task);
    }
    pick_quantiles(all, facts->tasks * BENCH_LENGTHS, length);
    memory_free(all);
}

/* Shapes of a sweep's models, with the batches of pretraining and the first fine-tuning, each once. */
static int shapes_of_sweep(const char *path, struct speed_report *report, struct error *err)
{
    struct setup setup = {0};
    TRY(setup_read(path, &setup, err));
    struct bench_shape shape = {0};
    lengths_of_tasks(setup.world, shape.length);
    for (int64_t c = 0; c < sweep_cells(setup.sweep) && report->shapes <= REPORT_SHAPES; c++) {
        struct cell cell;
        cell_resolve(setup.sweep, world_facts(setup.world), c, &cell);
        shape.shape = cell.shape;
        shape.batch = (int)cell.settings.pretrain.batch;
        shape.texts = (int)cell.settings.first.batch;
        add_shape(report, &shape);
    }
    setup_reset(&setup);
    if (report->shapes <= REPORT_SHAPES) return 0;
    return error_set(err, ERROR_INPUT,
                     "--sweep %s: its models have more than %d shapes and batches; name one at a time "
                     "with --width and the like",
                     path, REPORT_SHAPES);
}

/* The one shape that options give, with the rest of it from the third of the table. */
static struct bench_shape shape_given(const struct bench_shape *given)
{
    const struct model_shape *asked = &given->shape;
    struct bench_shape shape = bench_shapes[2];
    if (asked->layers) shape.shape.layers = asked->layers;
    if (asked->width) shape.shape.width = asked->width;
    if (asked->heads) shape.shape.heads = asked->heads;
    if (asked->context) shape.shape.context = asked->context;
    if (asked->vocabulary) shape.shape.vocabulary = asked->vocabulary;
    if (given->batch) shape.batch = shape.texts = given->batch;
    return shape;
}

static int choose_shapes(const struct options *options, struct speed_report *report, struct error *err)
{
    const struct model_shape *asked = &options->shape.shape;
    bool given =
        asked->layers || asked->width || asked->heads || asked->context || asked->vocabulary || options->shape.batch;
    if (given && options->sweep)
        return error_set(err, ERROR_INPUT, "--sweep %s: tells all shapes; leave out --layers and the like",
                         options->sweep);
    if (options->sweep) return shapes_of_sweep(options->sweep, report, err);
    struct bench_shape one = shape_given(&options->shape);
    if (given) TRY(bench_train_check(&one, err)); /* before a head is printed or other processes start */
    for (int s = 0; s < (given ? 1 : BENCH_SHAPES); s++) add_shape(report, given ? &one : &bench_shapes[s]);
    return 0;
}

/* Before anything is measured: a file of another kind is not written over. */
static int check_save(const char *path, struct error *err)
{
    TRY(check_folder(path, err));
    if (access(path, F_OK) != 0 || speeds_hold(path)) return 0;
    return error_set(err, ERROR_INPUT, "--save %s: is there already and holds no speeds; name another file", path);
}

static int start_kernels(const struct options *options, struct numerics *numerics, struct error *err)
{
    TRY(numerics_alone(options->numerics, numerics, err));
    TRY(numerics_take("bench train", numerics->class_name, numerics, err));
    return threads_start(options, 1, err);
}

struct shared_work {
    const struct options *options;
    const struct speed_report *report;
};

/* The same shapes over and over. */
static void keep_training(void *context)
{
    const struct shared_work *work = context;
    struct numerics numerics;
    struct training_speed speed;
    struct error err;
    if (start_kernels(work->options, &numerics, &err) != 0) return;
    for (int s = 0;; s = (s + 1) % work->report->shapes)
        if (bench_train(&work->report->shape[s], work->options->seconds, &speed, &err) != 0) return;
}

static void print_head(const struct speed_report *report)
{
    printf("numerics class %s\n", report->numerics.class_name);
    if (report->threads > 1)
        printf("%d threads; shares are those of the first, the limit is that of one core\n", report->threads);
    if (report->ranks > 1) printf("one of %d processes at the same work\n", report->ranks);
    printf("core %d%s; limit: %s multiply-adds in registers\n\n"
           " L    d  H    T    B     V       step  tokens/s           model  of the limit\n",
           report->core, report->stays ? ", to which this process is bound now" : "", bench_core_vectors());
}

static void print_parts(const struct training_speed *speed)
{
    fputs("    ", stdout);
    for (enum profile_part p = PROFILE_OTHER + 1; p < PROFILE_PART_COUNT; p++)
        printf("%s %.1f %%, ", profile_word(p), 100 * speed->part[p]);
    printf("%s %.1f %%; timing these %.2f %%\n", profile_word(PROFILE_OTHER), 100 * speed->part[PROFILE_OTHER],
           100 * speed->clock);
}

static void print_shape(const struct bench_shape *shape, const struct training_speed *speed)
{
    char tokens[32];
    const struct model_shape *model = &shape->shape;
    double flops = speed->step.flops / speed->step.seconds;
    printf("%2d %4d %2d %4d %4d %5d %7.2f ms %9s %8.2f GFLOP/s  %4.1f %% of %.1f\n", model->layers, model->width,
           model->heads, model->context, shape->batch, model->vocabulary, 1e3 * speed->step.seconds,
           format_count(speed->step.tokens / speed->step.seconds, tokens, sizeof tokens), flops / 1e9,
           100 * flops / speed->limit, speed->limit / 1e9);
    print_parts(speed);
    printf("    fine-tuning, batches of %d x %.3g tokens: %.2f ms, %.3gG FLOP/s\n", speed->finetune.batch,
           speed->finetune.tokens / speed->finetune.batch, 1e3 * speed->finetune.seconds,
           speed->finetune.flops / speed->finetune.seconds / 1e9);
    if (speed->step.seconds > STEP_DISTURBED * speed->step.least)
        printf(
            "    disturbed: the median is %.1f times the fastest step, %.2f ms; measure again when nothing else runs\n",
            speed->step.seconds / speed->step.least, 1e3 * speed->step.least);
    fflush(stdout);
}

static int measure(const struct options *options, struct speed_report *report, struct error *err)
{
    if (!options->json) print_head(report);
    for (int s = 0; s < report->shapes; s++) {
        TRY(bench_train(&report->shape[s], options->seconds, &report->speed[s], err));
        if (!options->json) print_shape(&report->shape[s], &report->speed[s]);
    }
    return 0;
}

static int measure_alone(const struct options *options, struct speed_report *report, struct error *err)
{
    TRY(start_kernels(options, &report->numerics, err));
    if (options->threads == 1) stay_on_core(report);
    return measure(options, report, err);
}

static int measure_in_company(const struct options *options, struct speed_report *report, struct error *err)
{
    struct company company;
    struct shared_work work = {options, report};
    if (options->ranks > 1 && options->threads > 1)
        return error_set(err, ERROR_INPUT, "--ranks with --threads-per-rank is not measured; leave out one of them");
    report->core = sched_getcpu();
    TRY(company_start(&company, options->ranks - 1, report->core, keep_training, &work, err));
    int status = measure_alone(options, report, err);
    int end = company_end(&company, status == 0 ? err : NULL);
    return status == 0 ? end : status;
}

int command_bench_train(const struct options *options, struct error *err)
{
    struct speed_report report = {.threads = options->threads, .ranks = options->ranks};
    if (options->save) TRY(check_save(options->save, err));
    TRY(choose_shapes(options, &report, err));
    TRY(measure_in_company(options, &report, err));
    char *text = speeds_text(&report);
    int status = options->save ? file_write_atomic(options->save, text, strlen(text), err) : 0;
    if (options->json) fputs(text, stdout);
    memory_free(text);
    return status;
}
