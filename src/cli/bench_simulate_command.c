/* bench simulate: what the order of work is worth, by the ledger of a real run in virtual time. */
#include <jansson.h>

#include "cli_private.h"

struct workload {      /* of work to be simulated */
    const char *sweep; /* file it comes from, or NULL: the built-in grid */
    const struct plan *plan;
    double *seconds; /* [plan->stages] */
    double work, critical_path;
    uint64_t seed;
};

static const char *order_word(enum order order)
{
    static const char *const words[] = {
        [ORDER_CRITICAL_PATH] = "critical path", [ORDER_FIRST_IN] = "first in, first out", [ORDER_RANDOM] = "random"};
    return words[order];
}

/* NULL: this order is steered by none. */
static const char *predictions_word(const struct bench_order *order)
{
    if (order->order != ORDER_CRITICAL_PATH) return NULL;
    return order->errors ? "30 % errors" : "true";
}

static void print_head(const struct options *options, const struct workload *load)
{
    char work[32], path[32];
    if (load->sweep)
        printf("%s: stages of its tree, at %s\n", load->sweep,
               options->speed_from ? "the speeds of that file" : "an assumed speed");
    else
        printf("built-in grid: %d sizes of cost 1, 4, 16 and so on, %d varieties, %d seeds, %d amounts that double, %d "
               "tasks in ordered pairs\n",
               bench_grid.sizes, bench_grid.varieties, bench_grid.seeds, bench_grid.amounts, bench_grid.tasks);
    printf("%d stages, work %s, critical path %s\n", load->plan->stages, format_duration(load->work, work, sizeof work),
           format_duration(load->critical_path, path, sizeof path));
    printf(
        "lower bound: the longer of the critical path and work / ranks; the sharper one knows that ranks share only\n"
        "what can have started: for every moment, the work that no order starts before it\n"
        "30 %% errors: predictions off by a log-normal factor, deviation %.1f, seed %llu; the other two orders use no "
        "predictions\n"
        "idle: share of the ranks' time, while stages wait for a parent, and with no stage left to start\n\n",
        BENCH_DEVIATION, (unsigned long long)load->seed);
    printf("%7s  %-20s %-12s %12s %8s %10s %8s %8s\n", "ranks", "order", "predictions", "makespan", "/ bound",
           "/ sharper", "waiting", "no work");
}

static void print_row(const struct bench_order *order, const struct certificate *found, double sharper)
{
    char makespan[32];
    const char *predictions = predictions_word(order);
    double whole = found->ranks * found->makespan;
    printf("%7d  %-20s %-12s %12s %8.4f %10.4f %6.1f %% %6.1f %%\n", found->ranks, order_word(order->order),
           predictions ? predictions : "-", format_duration(found->makespan, makespan, sizeof makespan),
           found->makespan / found->lower_bound, found->makespan / sharper, 100 * found->idle_parent / whole,
           100 * found->idle_tail / whole);
}

static json_t *json_row(const struct bench_order *order, const struct certificate *found, double sharper)
{
    const char *predictions = predictions_word(order);
    json_t *row = json_object(), *idle = json_object();
    json_object_set_new(row, "ranks", json_integer(found->ranks));
    json_object_set_new(row, "order", json_string(order_word(order->order)));
    json_object_set_new(row, "predictions", predictions ? json_string(predictions) : json_null());
    json_object_set_new(row, "makespan_seconds", json_real(found->makespan));
    json_object_set_new(row, "lower_bound_seconds", json_real(found->lower_bound));
    json_object_set_new(row, "makespan_over_lower_bound", json_real(found->makespan / found->lower_bound));
    json_object_set_new(row, "sharper_bound_seconds", json_real(sharper));
    json_object_set_new(row, "makespan_over_sharper_bound", json_real(found->makespan / sharper));
    json_object_set_new(idle, "waiting_for_a_parent", json_real(found->idle_parent));
    json_object_set_new(idle, "nothing_left_to_start", json_real(found->idle_tail));
    json_object_set_new(row, "idle_rank_seconds", idle);
    return row;
}

static json_t *json_head(const struct options *options, const struct workload *load)
{
    json_t *root = json_object();
    json_object_set_new(root, "sweep", load->sweep ? json_string(load->sweep) : json_null());
    if (load->sweep) json_object_set_new(root, "speed_is_assumed", json_boolean(!options->speed_from));
    json_object_set_new(root, "stages", json_integer(load->plan->stages));
    json_object_set_new(root, "work_seconds", json_real(load->work));
    json_object_set_new(root, "critical_path_seconds", json_real(load->critical_path));
    json_object_set_new(root, "lower_bound", json_string("max(critical path, work / ranks)"));
    json_object_set_new(root, "error_deviation", json_real(BENCH_DEVIATION));
    json_object_set_new(root, "seed", json_integer((json_int_t)load->seed));
    return root;
}

static void simulate(const struct options *options, const struct workload *load)
{
    static const int usual[] = {4, 16, 64, 256, 1024, 4096};
    const int *ranks = options->rank_counts ? options->rank_count : usual;
    int count = options->rank_counts ? options->rank_counts : (int)(sizeof usual / sizeof *usual);
    json_t *root = json_head(options, load), *rows = json_array();
    if (!options->json) print_head(options, load);
    for (int r = 0; r < count; r++) {
        struct certificate found[BENCH_ORDERS];
        double sharper = bench_sharper_bound(load->plan, load->seconds, ranks[r]);
        bench_simulate(load->plan, load->seconds, ranks[r], load->seed, found);
        for (int o = 0; o < BENCH_ORDERS; o++) {
            json_array_append_new(rows, json_row(&bench_orders[o], &found[o], sharper));
            if (!options->json) print_row(&bench_orders[o], &found[o], sharper);
        }
        fflush(stdout);
    }
    json_object_set_new(root, "simulated", rows);
    if (options->json) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(root);
}

static void survey(const struct options *options, struct workload *load)
{
    load->seed = options->seed < 0 ? 1 : (uint64_t)options->seed;
    for (int s = 0; s < load->plan->stages; s++) load->work += load->seconds[s];
    load->critical_path = ledger_critical_path(load->plan, load->seconds);
}

static void simulate_grid(const struct options *options)
{
    struct workload load = {.sweep = NULL};
    struct plan *plan = bench_grid_plan(&bench_grid, &load.seconds);
    load.plan = plan;
    survey(options, &load);
    simulate(options, &load);
    memory_free(load.seconds);
    bench_plan_destroy(&plan);
}

static int simulate_plan(const struct options *options, const struct plan *plan, struct error *err)
{
    struct cost_model *model;
    struct workload load = {.sweep = options->file, .plan = plan};
    TRY(cost_model_choose(options, plan, &model, err));
    load.seconds = memory_array((size_t)plan->stages, sizeof *load.seconds);
    cost_model_predict(model, load.seconds);
    cost_model_destroy(&model);
    survey(options, &load);
    simulate(options, &load);
    memory_free(load.seconds);
    return 0;
}

static int simulate_sweep(const struct options *options, struct error *err)
{
    struct setup setup = {0};
    TRY(setup_read(options->file, &setup, err));
    int status = numerics_alone(NULL, &setup.numerics, err);
    if (status == 0) status = setup_plan(&setup, true, err);
    if (status == 0) status = simulate_plan(options, setup.plan, err);
    setup_reset(&setup);
    return status;
}

int command_bench_simulate(const struct options *options, struct error *err)
{
    if (options->file) return simulate_sweep(options, err);
    if (options->speed_from)
        return error_set(err, ERROR_INPUT,
                         "--speed-from %s: the built-in grid has durations of its own; name a sweep file too",
                         options->speed_from);
    simulate_grid(options);
    return 0;
}
