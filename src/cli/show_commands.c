/* world, status, summary: commands that only show. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "cli_private.h"
#include "palimpsest/answer.h"

/* ---- world ---- */

/* A sample on one line, however the text is broken. */
static void print_sample(const struct setup *setup, const uint16_t *token, int length)
{
    char *text = world_text(setup->world, token, length);
    for (char *c = text; *c; c++)
        if (*c == '\n') *c = ' ';
    puts(text + strspn(text, " "));
    memory_free(text);
}

static void print_domain(const struct setup *setup, int domain, int samples)
{
    const struct world_facts *facts = world_facts(setup->world);
    const struct domain_facts *at = &facts->domain[domain];
    int context = sweep_longest_context(setup->sweep);
    struct reading reading = {.domains = 1, .domain = {domain}, .context = context};
    int windows = world_reference_windows(setup->world, domain, context, setup->sweep->base.evaluate.tokens);
    double floor = world_floor(setup->world, &reading, domain, windows);
    char tokens[32];
    printf("%-18s %s", at->name, at->reserved ? "reserved for tasks" : "readable");
    if (at->tokens != UINT64_MAX) printf(", %s tokens", format_count((double)at->tokens, tokens, sizeof tokens));
    if (!isnan(floor)) printf(", entropy floor %.3f nats per token", floor);
    putchar('\n');
    uint16_t *token = memory_array((size_t)context + 1, sizeof *token);
    for (int s = 0; s < samples && s < windows; s++) {
        world_reference(setup->world, domain, s, context, token);
        fputs("    ", stdout);
        print_sample(setup, token, context);
    }
    memory_free(token);
}

/* How the built-in grammar makes and labels the items of a task. */
static const char *rule_of(const char *task)
{
    for (int i = 0; world_grammar_task(i); i++)
        if (strcmp(world_grammar_task(i), task) == 0) return world_grammar_rule(i);
    return NULL;
}

static void print_task(const struct setup *setup, int task, int samples)
{
    const struct task_facts *facts = &world_facts(setup->world)->task[task];
    struct task_baselines baselines;
    world_baselines(setup->world, task, &baselines);
    const char *rule = setup->sweep->world.kind == WORLD_GRAMMAR ? rule_of(facts->name) : NULL;
    printf("%s: %d classes (", facts->name, facts->classes);
    for (int c = 0; c < facts->classes; c++) printf("%s%s", c ? ", " : "", world_label_name(setup->world, task, c));
    printf("); %d train, %d development, %d test items of %.1f tokens\n", facts->train_items, facts->development_items,
           facts->test_items, facts->mean_tokens);
    if (rule) printf("    %s\n", rule);
    printf("    majority %.3f, words %.3f, pairs of words %.3f, best possible ", baselines.majority, baselines.unigram,
           baselines.bigram);
    printf(isnan(baselines.best) ? "not known" : "%.3f", baselines.best);
    printf("; %d test texts are also in train\n", baselines.shared_with_train);
    for (int s = 0; s < samples && s < facts->train_items; s++) {
        struct item item = world_item(setup->world, task, SPLIT_TRAIN, s);
        printf("    [%s] ", world_label_name(setup->world, task, item.label));
        print_sample(setup, item.token, item.length);
    }
}

int command_world(const struct options *options, struct error *err)
{
    struct setup setup = {0};
    TRY(setup_read(options->file, &setup, err));
    const struct world_facts *facts = world_facts(setup.world);
    printf("vocabulary: %d tokens\n\n", facts->vocabulary);
    for (int d = 0; d < facts->domains + facts->task_domains; d++) print_domain(&setup, d, options->samples);
    putchar('\n');
    for (int t = 0; t < facts->tasks; t++) print_task(&setup, t, options->samples);
    setup_reset(&setup);
    return 0;
}

/* ---- status ---- */

struct overview {
    int rows, count[STATUS_COUNT], damaged;
    double trained, first_start, last_end; /* seconds of training; since 1970 */
    struct numerics numerics;
    struct certificate certificate;
    bool certified;
    struct run_at_work run;
};

static int read_numerics(struct store_reader *reader, struct numerics *numerics, struct error *err)
{
    struct store_origin origin = {0};
    TRY(store_read_origin(reader, &origin, err));
    *numerics = origin.numerics;
    store_origin_reset(&origin);
    return 0;
}

static int read_overview(struct store_reader *reader, struct overview *overview, struct error *err)
{
    enum stage_status *status = NULL;
    int result = 0;
    *overview = (struct overview){.first_start = INFINITY};
    TRY(read_numerics(reader, &overview->numerics, err));
    TRY(store_read_rows(reader, &overview->rows, err));
    status = memory_array((size_t)overview->rows, sizeof *status);
    result = store_read_marks(reader, NULL, status, overview->rows, &overview->damaged, err);
    for (int r = 0; result == 0 && r < overview->rows; r++) {
        struct stage_provenance facts;
        overview->count[status[r]]++;
        if (status[r] == STATUS_PENDING || store_read_provenance(reader, r, &facts, err) != 0) continue;
        if (!(facts.started > 0)) continue;
        overview->trained += facts.spent.training + facts.spent.data;
        if (strncmp(facts.reason, REUSED_REASON, strlen(REUSED_REASON)) == 0)
            continue; /* its times are another run's */
        overview->first_start = fmin(overview->first_start, facts.started);
        overview->last_end = fmax(overview->last_end, facts.started + facts.seconds);
    }
    overview->certified =
        store_read_certificate(reader, &overview->certificate, NULL) == 0 && overview->certificate.ranks > 0;
    memory_free(status);
    return result;
}

static void print_failures(struct store_reader *reader, const struct overview *overview)
{
    enum stage_status *status = memory_array((size_t)overview->rows, sizeof *status);
    int damaged;
    struct error ignored;
    if (store_read_marks(reader, NULL, status, overview->rows, &damaged, &ignored) == 0)
        for (int r = 0; r < overview->rows; r++) {
            struct stage_provenance facts;
            if (status[r] != STATUS_FAILED && status[r] != STATUS_DIVERGED) continue;
            if (store_read_provenance(reader, r, &facts, &ignored) != 0) continue;
            printf("  stage %d %s: %s\n", r, stage_status_name(status[r]), facts.reason);
        }
    memory_free(status);
}

static const char *const run_words[] = {
    [RUN_NONE] = "no run is at work",
    [RUN_AT_WORK] = "at work",
    [RUN_SILENT] = "perhaps at work, but silent",
    [RUN_ENDED] = "no run is at work: the last one ended without a word",
};

static void print_run(const struct run_at_work *run, int left)
{
    char text[32];
    if (run->state == RUN_NONE && left == 0) return;
    printf("  %s", run_words[run->state]);
    if (run->process != 0) printf(" (host %s, process %ld", run->host, run->process);
    if (run->process != 0 && run->job[0] && strcmp(run->job, "none") != 0) printf(", batch job %s", run->job);
    if (run->state == RUN_SILENT) printf(", last heard of %s ago", format_duration(run->silent, text, sizeof text));
    printf("%s%s\n", run->process != 0 ? ")" : "",
           run->state != RUN_AT_WORK && run->state != RUN_SILENT && left > 0 ? "; the same command goes on" : "");
}

static void print_overview(struct store_reader *reader, const char *path, const struct overview *overview)
{
    char text[32];
    int done = overview->count[STATUS_DONE], failed = overview->count[STATUS_FAILED] + overview->count[STATUS_DIVERGED];
    int left = overview->count[STATUS_PENDING] + overview->count[STATUS_RUNNING];
    printf("%s: %d of %d stages done, %d failed, %d skipped, %d to go\n", path, done, overview->rows, failed,
           overview->count[STATUS_SKIPPED], left);
    print_run(&overview->run, left);
    printf("  numerics class %s\n", overview->numerics.class_name);
    if (overview->damaged > 0) printf("  %d rows are damaged and will be computed again\n", overview->damaged);
    if (overview->last_end > 0)
        printf("  from first start to last end %s\n",
               format_duration(overview->last_end - overview->first_start, text, sizeof text));
    print_failures(reader, overview);
    if (overview->certified && left > 0) printf("of the last run that came to its end:\n");
    if (overview->certified) print_certificate(&overview->certificate, stdout);
}

static json_t *certificate_json(const struct certificate *certificate)
{
    json_t *object =
        json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:f, s:f, s:f, s:i, s:i, s:i}", "ranks",
                  certificate->ranks, "makespan_seconds", certificate->makespan, "work_seconds", certificate->work,
                  "critical_path_seconds", certificate->critical_path, "lower_bound_seconds", certificate->lower_bound,
                  "idle_parent_seconds", certificate->idle_parent, "idle_tail_seconds", certificate->idle_tail,
                  "idle_io_seconds", certificate->idle_io, "idle_drain_seconds", certificate->idle_drain,
                  "steps_executed", (json_int_t)certificate->steps_executed, "steps_tree",
                  (json_int_t)certificate->steps_tree, "flops_cell_by_cell", certificate->flops_per_cell_alone,
                  "flops_one_pretraining_each", certificate->flops_one_pretraining_each, "flops_tree",
                  certificate->flops_tree, "stages_done", certificate->stages_done, "stages_failed",
                  certificate->stages_failed, "stages_skipped", certificate->stages_skipped);
#define PUT(member, name) json_object_set_new(object, #member "_seconds", json_real(certificate->spent.member));
    TIME_SPENT(PUT)
#undef PUT
    json_object_set_new(object, "starting_seconds", json_real(certificate->starting));
    json_object_set_new(object, "peak_bytes", json_integer((json_int_t)certificate->peak_bytes));
    json_object_set_new(object, "peak_bytes_rank_0", json_integer((json_int_t)certificate->peak_bytes_rank_0));
    return object;
}

static json_t *run_json(const struct run_at_work *run)
{
    static const char *const word[] = {
        [RUN_AT_WORK] = "at work", [RUN_SILENT] = "silent", [RUN_ENDED] = "ended without a word"};
    if (run->state == RUN_NONE) return json_null();
    return json_pack("{s:s, s:s, s:I, s:s, s:f}", "state", word[run->state], "host", run->host, "process",
                     (json_int_t)run->process, "job", run->job, "silent_seconds", run->silent);
}

static void print_overview_json(const struct overview *overview)
{
    json_t *root = json_object(), *counts = json_object();
    for (int s = 0; s < STATUS_COUNT; s++)
        json_object_set_new(counts, stage_status_name((enum stage_status)s), json_integer(overview->count[s]));
    json_object_set_new(root, "stages", json_integer(overview->rows));
    json_object_set_new(root, "by_status", counts);
    json_object_set_new(root, "numerics_class", json_string(overview->numerics.class_name));
    json_object_set_new(root, "damaged", json_integer(overview->damaged));
    json_object_set_new(root, "run", run_json(&overview->run));
    json_object_set_new(root, "training_seconds", json_real(overview->trained));
    json_object_set_new(root, "certificate",
                        overview->certified ? certificate_json(&overview->certificate) : json_null());
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

/* Damage is told, and what can be read is shown all the same. */
static void warn_of_damage(const char *path)
{
    struct error why;
    if (store_check(path, &why) != 0) log_line(LOG_WARNING, "%s", why.text);
}

int command_status(const struct options *options, struct error *err)
{
    struct store_reader *reader = NULL;
    struct overview overview;
    TRY(store_reader_open(options->file, &reader, err));
    warn_of_damage(options->file);
    int status = read_overview(reader, &overview, err);
    run_lock_look(options->file, &overview.run);
    if (status == 0 && options->json)
        print_overview_json(&overview);
    else if (status == 0)
        print_overview(reader, options->file, &overview);
    store_reader_close(&reader);
    return status;
}

/* ---- summary ---- */

int command_summary(const struct options *options, struct error *err)
{
    struct store_reader *reader = NULL;
    TRY(store_reader_open(options->file, &reader, err));
    warn_of_damage(options->file);
    struct answer_request request = {
        .by = options->by, .metric = options->metric, .columns = format_columns(), .csv = options->csv};
    int status = answer_summary(reader, &request, stdout, err);
    bool named = status != 0 && strncmp(err->text, options->file, strlen(options->file)) == 0;
    if (status != 0 && !named) error_prefix(err, "%s", options->file);
    store_reader_close(&reader);
    return status;
}
