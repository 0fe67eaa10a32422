/* plan: everything that can be known before the first step. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "cli_private.h"
#include "palimpsest/answer.h"
#include "palimpsest/ledger.h"

struct forecast {            /* what plan prints, as text and as JSON from one place */
    double flops_per_second; /* of a rank, over all stages */
    bool assumed;
    struct certificate simulated;
    struct memory_need memory;
    double smallest_effect; /* drop of accuracy; NaN with one seed */
    int seeds, items, kinds[STAGE_KINDS], pretrained;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Median over the stages of an earlier run that trained for at least a tenth of a second. */
static int median_speed(const struct archive *archive, double *flops_per_second, struct error *err)
{
    int count = 0;
    double *speed = memory_array((size_t)archive->plan->rows, sizeof *speed);
    for (int r = 0; r < archive->plan->rows; r++) {
        const struct stage_provenance *facts = &archive->provenance[r];
        if (facts->spent.training > 0.1 && facts->flops_per_second > 0) speed[count++] = facts->flops_per_second;
    }
    qsort(speed, (size_t)count, sizeof *speed, compare_doubles);
    if (count > 0) *flops_per_second = speed[count / 2];
    memory_free(speed);
    if (count > 0) return 0;
    return error_set(err, ERROR_INPUT, "%s: no stage in it trained long enough to tell the speed", archive->path);
}

static int compare_records(const void *a, const void *b)
{
    return hash_order((*(const struct stage *const *)a)->record, (*(const struct stage *const *)b)->record);
}

/* What an earlier run of stages of this very plan took is known, and stages like them are judged by it. */
static void observe_archive(const struct plan *plan, const struct archive *archive, struct cost_model *model)
{
    const struct stage **sorted = memory_array((size_t)plan->stages, sizeof *sorted);
    for (int s = 0; s < plan->stages; s++) sorted[s] = &plan->stage[s];
    qsort(sorted, (size_t)plan->stages, sizeof *sorted, compare_records);
    for (int r = 0; r < archive->plan->rows; r++) {
        const struct stage_provenance *facts = &archive->provenance[r];
        const struct stage *wanted = &archive->plan->tree[r];
        if (archive->status[r] != STATUS_DONE || !(facts->seconds > 0)) continue;
        const struct stage **same = bsearch(&wanted, sorted, (size_t)plan->stages, sizeof *sorted, compare_records);
        if (same) cost_model_observe(model, (int)(*same - plan->stage), facts->seconds);
    }
    memory_free(sorted);
}

static int model_from_results(const char *path, const struct plan *plan, struct cost_model **model, struct error *err)
{
    struct archive *archive = NULL;
    double flops_per_second = 0;
    if (store_recognise(path, err) != 0)
        return err->kind == ERROR_INPUT
                   ? error_prefix(err, "--speed-from takes a results file, or what `bench train --save` wrote")
                   : -1;
    TRY(archive_read(path, &archive, err));
    int status = median_speed(archive, &flops_per_second, err);
    if (status == 0) {
        *model = cost_model_create(plan, flops_per_second);
        observe_archive(plan, archive, *model);
    }
    archive_destroy(&archive);
    return status;
}

/* Speeds are taken all the same: that they do not quite fit is for a person to weigh. */
static void warn_of_speeds(const char *path, const struct speeds_source *source, const struct options *options,
                           const struct plan *plan, bool within)
{
    if (strcmp(source->numerics_class, plan->numerics.class_name) != 0)
        log_line(LOG_WARNING, "%s: was measured in numerics class %s; this sweep would run in %s", path,
                 source->numerics_class, plan->numerics.class_name);
    if (source->threads > 0 && source->threads != options->threads)
        log_line(LOG_WARNING, "%s: was measured with --threads-per-rank %d; this is the plan of %d", path,
                 source->threads, options->threads);
    if (source->stretch > STEP_DISTURBED)
        log_line(LOG_WARNING,
                 "%s: was measured while something else ran: a median step in it takes %.1f times the fastest; measure "
                 "again when nothing does",
                 path, source->stretch);
    if (!within)
        log_line(LOG_WARNING,
                 "%s: this sweep has models narrower or wider than those measured, whose speed is taken for theirs; "
                 "`palimpsest bench train --sweep %s` measures its own",
                 path, options->file);
}

static int model_from_speeds(const struct options *options, const struct plan *plan, struct cost_model **model,
                             struct error *err)
{
    struct speed_point *point;
    int points;
    struct speeds_source source;
    TRY(speeds_read(options->speed_from, &point, &points, &source, err));
    *model = cost_model_create(plan, ASSUMED_FLOPS_PER_SECOND);
    bool within = cost_model_take_speeds(*model, point, points);
    warn_of_speeds(options->speed_from, &source, options, plan, within);
    memory_free(point);
    return 0;
}

int cost_model_choose(const struct options *options, const struct plan *plan, struct cost_model **model,
                      struct error *err)
{
    const char *path = options->speed_from;
    *model = NULL;
    if (path && speeds_recognise(path)) return model_from_speeds(options, plan, model, err);
    if (path) return model_from_results(path, plan, model, err);
    *model = cost_model_create(plan, ASSUMED_FLOPS_PER_SECOND);
    return 0;
}

/* Smallest true difference in accuracy that a paired t test over the seeds finds with 80 % power at 5 %, were the items
 * the only source of noise: (t(.975) + t(.8)) sqrt(2 p (1 - p) / items) / sqrt(seeds) at p = 1/2. */
static double smallest_effect(int seeds, int items)
{
    if (seeds < 2 || items < 1) return NAN;
    double quantiles = student_quantile(0.975, seeds - 1) + student_quantile(0.8, seeds - 1);
    return quantiles * sqrt(0.5 / items) / sqrt(seeds);
}

static int fewest_items(const struct plan *plan)
{
    int fewest = 0;
    for (int t = 0; t < plan->facts.tasks; t++) {
        int64_t asked = plan->sweep->base.evaluate.items;
        int items = asked == 0 || asked > plan->facts.task[t].test_items ? plan->facts.task[t].test_items : (int)asked;
        if (fewest == 0 || items < fewest) fewest = items;
    }
    return fewest;
}

static int simulate(const struct options *options, const struct plan *plan, struct forecast *forecast,
                    struct error *err)
{
    struct cost_model *model;
    TRY(cost_model_choose(options, plan, &model, err));
    double *cost = memory_array((size_t)plan->stages, sizeof *cost);
    cost_model_predict(model, cost);
    ledger_simulate(plan, cost, cost, options->ranks, ORDER_CRITICAL_PATH, 0, &forecast->simulated);
    cost_model_destroy(&model);
    memory_free(cost);
    if (options->speed_from) forecast->flops_per_second = plan->flops_tree / forecast->simulated.work;
    return 0;
}

static int make_forecast(const struct options *options, const struct setup *setup, struct forecast *forecast,
                         struct error *err)
{
    const struct plan *plan = setup->plan;
    int member;
    *forecast = (struct forecast){.flops_per_second = ASSUMED_FLOPS_PER_SECOND, .assumed = !options->speed_from};
    TRY(simulate(options, plan, forecast, err));
    for (int s = 0; s < plan->stages; s++) {
        forecast->kinds[plan->stage[s].kind]++;
        forecast->pretrained += (plan->stage[s].groups & 1u << GROUP_PRETRAINED) != 0;
    }
    forecast->seeds = sweep_axis(setup->sweep, AXIS_SEED, &member)->length;
    forecast->items = fewest_items(plan);
    forecast->smallest_effect = smallest_effect(forecast->seeds, forecast->items);
    setup_memory(setup, options->threads, &forecast->memory); /* after the simulation: rank 0 holds the same ledger */
    return 0;
}

static void print_grid(const struct plan *plan)
{
    const struct sweep *sweep = plan->sweep;
    printf("grid\n");
    for (int a = 0; a < sweep->axis_count; a++) {
        printf("  %-24s", sweep->axes[a].name);
        for (int i = 0; i < sweep->axes[a].length && i < 12; i++) printf(" %s", sweep->axes[a].labels[i]);
        printf(sweep->axes[a].length > 12 ? " ... (%d)\n" : "\n", sweep->axes[a].length);
    }
    printf("  cells                    %lld, %lld of them excluded\n", (long long)plan->cells,
           (long long)plan->excluded);
}

/* Tasks that come first somewhere and cannot be learnt from other domains. */
static bool has_no_elsewhere(const struct plan *plan, int task)
{
    bool first = false;
    for (int s = 0; s < plan->sweep->sequence_count; s++) first |= plan->sweep->sequences[s].task[0] == task;
    return first && plan->facts.task[task].elsewhere_items == 0;
}

static void print_controls(const struct plan *plan)
{
    if (!instrument_on(plan->sweep->instruments, INSTRUMENT_CONTROLS)) return;
    if (plan->sweep->world.kind == WORLD_TEXT) {
        printf("  without elsewhere        that control needs the grammar world: a text world has no other domains to "
               "draw "
               "a task from\n");
        return;
    }
    for (int t = 0; t < plan->facts.tasks; t++)
        if (has_no_elsewhere(plan, t))
            printf("  without elsewhere        the task %s, which cannot be asked of other domains\n",
                   plan->facts.task[t].name);
}

static void print_work(const struct plan *plan, const struct forecast *forecast)
{
    char text[32];
    printf(
        "stages                     %d: %d initial, %d trunk, %d cooldown, %d fine-tuning, %d branches; %d pretrained "
        "states\n",
        plan->stages, forecast->kinds[STAGE_INITIAL], forecast->kinds[STAGE_TRUNK], forecast->kinds[STAGE_COOLDOWN],
        forecast->kinds[STAGE_FINETUNE], forecast->kinds[STAGE_BRANCH], forecast->pretrained);
    print_controls(plan);
    printf("work\n  cell by cell             %s FLOP (%.1f times the tree)\n",
           format_count(plan->flops_per_cell_alone, text, sizeof text), plan->flops_per_cell_alone / plan->flops_tree);
    printf("  one pretraining each     %s FLOP (%.1f times the tree)\n",
           format_count(plan->flops_one_pretraining_each, text, sizeof text),
           plan->flops_one_pretraining_each / plan->flops_tree);
    printf("  the tree                 %s FLOP, %lld optimiser steps\n",
           format_count(plan->flops_tree, text, sizeof text), (long long)plan->steps_tree);
}

static void print_space(const struct plan *plan, const struct forecast *forecast)
{
    char a[32], b[32], c[32], d[32];
    printf("memory per rank            %s: states %s, buffers %s, program and libraries %s, the rest world and plan;\n",
           format_bytes(forecast->memory.worker, a, sizeof a), format_bytes((double)plan->state_bytes_max, b, sizeof b),
           format_bytes((double)plan->work_bytes_max, c, sizeof c),
           format_bytes(forecast->memory.program, d, sizeof d));
    printf("                           rank 0 of several %s, a single rank %s\n",
           format_bytes(forecast->memory.coordinator, a, sizeof a), format_bytes(forecast->memory.alone, b, sizeof b));
    printf("disk\n  results file             %s\n", format_bytes((double)plan_results_bytes(plan), a, sizeof a));
    printf("  checkpoints              %s stay with --keep trunk, at most %s on the way; %s with --keep all\n",
           format_bytes((double)plan->checkpoint_bytes_kept, a, sizeof a),
           format_bytes((double)plan->checkpoint_bytes_most, b, sizeof b),
           format_bytes((double)plan->checkpoint_bytes_all, c, sizeof c));
}

static void print_forecast(const struct plan *plan, const struct forecast *forecast)
{
    char a[32], b[32], rate[32];
    const struct certificate *simulated = &forecast->simulated;
    print_grid(plan);
    print_work(plan, forecast);
    print_space(plan, forecast);
    printf("numerics class             %s\n", plan->numerics.class_name);
    printf("predicted makespan         %s on %d rank%s; lower bound %s (%s: %s FLOP/s per rank)\n",
           format_duration(simulated->makespan, a, sizeof a), simulated->ranks, simulated->ranks == 1 ? "" : "s",
           format_duration(simulated->lower_bound, b, sizeof b),
           forecast->assumed ? "at an assumed speed, which --speed-from replaces by a measured one"
                             : "at the speeds of that file",
           format_count(forecast->flops_per_second, rate, sizeof rate));
    if (isnan(forecast->smallest_effect))
        printf("smallest effect            none: one seed has no spread; give axes.seed at least 2, better 5\n");
    else
        printf("smallest effect            a difference of %.3f in accuracy (%d seeds, %d items; 80 %% power at 5 %%, "
               "spread\n"
               "                           between seeds comes on top)\n",
               forecast->smallest_effect, forecast->seeds, forecast->items);
}

static void put_count(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void put_real(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

static void put_controls(json_t *root, const struct plan *plan)
{
    json_t *tasks = json_array();
    for (int t = 0; t < plan->facts.tasks; t++)
        if (has_no_elsewhere(plan, t)) json_array_append_new(tasks, json_string(plan->facts.task[t].name));
    json_object_set_new(root, "tasks_without_elsewhere", tasks);
}

static void put_stages(json_t *root, const struct plan *plan, const struct forecast *forecast)
{
    json_t *kinds = json_object();
    put_count(root, "cells", plan->cells);
    put_count(root, "excluded", plan->excluded);
    put_count(root, "stages", plan->stages);
    put_count(kinds, "initial", forecast->kinds[STAGE_INITIAL]);
    put_count(kinds, "trunk", forecast->kinds[STAGE_TRUNK]);
    put_count(kinds, "cooldown", forecast->kinds[STAGE_COOLDOWN]);
    put_count(kinds, "fine_tuning", forecast->kinds[STAGE_FINETUNE]);
    put_count(kinds, "branch", forecast->kinds[STAGE_BRANCH]);
    json_object_set_new(root, "stages_by_kind", kinds);
    put_count(root, "pretrained_states", forecast->pretrained);
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_CONTROLS)) put_controls(root, plan);
    put_count(root, "steps_tree", plan->steps_tree);
    put_count(root, "steps_to_execute", plan->steps_executed);
}

static void put_costs(json_t *root, const struct plan *plan, const struct forecast *forecast)
{
    put_real(root, "flops_cell_by_cell", plan->flops_per_cell_alone);
    put_real(root, "flops_one_pretraining_each", plan->flops_one_pretraining_each);
    put_real(root, "flops_tree", plan->flops_tree);
    put_real(root, "memory_bytes_per_rank", forecast->memory.worker);
    put_real(root, "memory_bytes_rank_0", forecast->memory.coordinator);
    put_real(root, "memory_bytes_alone", forecast->memory.alone);
    put_real(root, "memory_bytes_program", forecast->memory.program);
    put_count(root, "results_bytes", plan_results_bytes(plan));
    put_count(root, "checkpoint_bytes_kept", plan->checkpoint_bytes_kept);
    put_count(root, "checkpoint_bytes_most", plan->checkpoint_bytes_most);
    put_count(root, "checkpoint_bytes_all", plan->checkpoint_bytes_all);
    put_real(root, "flops_per_second", forecast->flops_per_second);
    json_object_set_new(root, "speed_is_assumed", json_boolean(forecast->assumed));
    put_count(root, "ranks", forecast->simulated.ranks);
    put_real(root, "makespan_seconds", forecast->simulated.makespan);
    put_real(root, "lower_bound_seconds", forecast->simulated.lower_bound);
    put_count(root, "seeds", forecast->seeds);
    put_count(root, "items", forecast->items);
    put_real(root, "smallest_effect", forecast->smallest_effect);
}

static void print_json(const struct plan *plan, const struct forecast *forecast)
{
    char hash[HASH_TEXT];
    json_t *root = json_object();
    hash_text(plan->sweep_hash, hash);
    json_object_set_new(root, "name", json_string(plan->sweep->name));
    json_object_set_new(root, "sweep_hash", json_string(hash));
    json_object_set_new(root, "numerics_class", json_string(plan->numerics.class_name));
    put_stages(root, plan, forecast);
    put_costs(root, plan, forecast);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static int print_plan(const struct options *options, struct setup *setup, struct error *err)
{
    struct forecast forecast;
    TRY(setup_plan(setup, !options->no_sharing, err));
    TRY(setup_check_memory(setup, options, options->ranks, err));
    TRY(make_forecast(options, setup, &forecast, err));
    if (options->explain) {
        char *explained = config_explain(setup->sweep, true);
        fputs(explained, stdout);
        memory_free(explained);
    }
    if (options->json)
        print_json(setup->plan, &forecast);
    else
        print_forecast(setup->plan, &forecast);
    return 0;
}

int command_plan(const struct options *options, struct error *err)
{
    struct setup setup = {0};
    TRY(setup_read(options->file, &setup, err));
    int status = numerics_alone(options->numerics, &setup.numerics, err);
    if (status == 0) status = print_plan(options, &setup, err);
    setup_reset(&setup);
    return status;
}
