/* The answer in a terminal: forgetting, what was learnt, what language modelling lost, along every axis of the sweep.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "palimpsest/answer.h"

enum { LEVEL_PERCENT = 95 };

struct sources { /* variables that the table is made of; those of a second place only where all sequences are pairs */
    struct variable forgetting, drop, after, second, lm_rise, lm_lost, failed;
    bool pairs;
    int last_place;
};

static int last_place_of(struct store_reader *reader)
{
    int last = 0;
    for (int place = 1; place < PLACES_MAX; place++) {
        struct variable variable;
        char name[64];
        snprintf(name, sizeof name, "%s_lm_rise", place_name(place));
        if (store_read_variable(reader, name, &variable, NULL) != 0) break;
        variable_reset(&variable);
        last = place;
    }
    return last;
}

static int read_of_place(struct store_reader *reader, int place, const char *field, struct variable *variable,
                         struct error *err)
{
    char name[96];
    snprintf(name, sizeof name, "%s_%s", place_name(place), field);
    return store_read_variable(reader, name, variable, err);
}

static void reset_sources(struct sources *sources)
{
    variable_reset(&sources->forgetting);
    variable_reset(&sources->drop);
    variable_reset(&sources->after);
    variable_reset(&sources->second);
    variable_reset(&sources->lm_rise);
    variable_reset(&sources->lm_lost);
    variable_reset(&sources->failed);
}

static int read_sources(struct store_reader *reader, struct sources *sources, struct error *err)
{
    sources->last_place = last_place_of(reader);
    sources->pairs = sources->last_place == 1;
    if (sources->last_place == 0)
        return error_set(err, ERROR_INPUT, "the sweep has no second task: there is nothing to forget");
    TRY(store_read_variable(reader, "forgetting", &sources->forgetting, err));
    TRY(store_read_variable(reader, "forgetting_drop", &sources->drop, err));
    TRY(read_of_place(reader, sources->last_place, "lm_rise", &sources->lm_rise, err));
    TRY(read_of_place(reader, sources->last_place, "lm_progress_lost", &sources->lm_lost, err));
    TRY(read_of_place(reader, 0, "failed_run", &sources->failed, err));
    if (!sources->pairs) return 0;
    TRY(store_read_variable(reader, "second_accuracy_first", &sources->after, err));
    return store_read_variable(reader, "second_accuracy_second", &sources->second, err);
}

static struct interval interval_at(const struct reduction *reduction, int value)
{
    return interval_of(reduction->mean + (size_t)value * (size_t)reduction->seeds, reduction->seeds,
                       LEVEL_PERCENT / 100.0);
}

static void print_number(const char *format, double number, int width, FILE *out)
{
    if (isnan(number))
        fprintf(out, "%*s", width, "-");
    else
        fprintf(out, format, width, number);
}

static void print_interval(struct interval interval, FILE *out)
{
    if (isnan(interval.mean)) {
        fprintf(out, "  %-24s", "nothing learnt");
        return;
    }
    char range[32] = "";
    if (!isnan(interval.low)) snprintf(range, sizeof range, "[%.3f, %.3f]", interval.low, interval.high);
    fprintf(out, "  %6.3f %-17s", interval.mean, range);
}

/* A bar of 20 characters for 0 .. 1. */
static void print_bar(double mean, FILE *out)
{
    enum { WIDE = 20 };
    int full = isnan(mean) || mean < 0 ? 0 : mean > 1 ? WIDE : (int)lround(mean * WIDE);
    fputc(' ', out);
    for (int i = 0; i < WIDE; i++) fputc(i < full ? '#' : '.', out);
}

struct columns { /* one reduction per column of the table */
    struct reduction forgetting, drop, after, second, lm_rise, lm_lost;
};

static void reduce_columns(const struct sources *sources, const char *dimension, struct columns *columns)
{
    *columns = (struct columns){0};
    reduce(&sources->forgetting, dimension, &columns->forgetting);
    reduce(&sources->drop, dimension, &columns->drop);
    reduce(&sources->lm_rise, dimension, &columns->lm_rise);
    reduce(&sources->lm_lost, dimension, &columns->lm_lost);
    if (!sources->pairs) return;
    reduce(&sources->after, dimension, &columns->after);
    reduce(&sources->second, dimension, &columns->second);
}

static void reset_columns(struct columns *columns)
{
    reduction_reset(&columns->forgetting);
    reduction_reset(&columns->drop);
    reduction_reset(&columns->after);
    reduction_reset(&columns->second);
    reduction_reset(&columns->lm_rise);
    reduction_reset(&columns->lm_lost);
}

static void print_head(const char *dimension, bool pairs, FILE *out)
{
    fprintf(out, "\n%-28s  %6s %-17s %9s", dimension, "forgot", "[95 % interval]", "learnt");
    if (pairs) fprintf(out, "  %15s  %6s", "first task", "second");
    fprintf(out, "  %7s  %8s\n", "LM rise", "LM lost");
}

static void print_row(const struct sources *sources, const struct columns *columns, const char *label, int value,
                      FILE *out)
{
    struct interval forgetting = interval_at(&columns->forgetting, value);
    double drop = interval_at(&columns->drop, value).mean;
    fprintf(out, "%-28s", label);
    print_interval(forgetting, out);
    char share[24];
    snprintf(share, sizeof share, "%lld/%lld", (long long)columns->forgetting.used[value],
             (long long)columns->drop.used[value]);
    fprintf(out, " %9s", share);
    if (sources->pairs) {
        double after = interval_at(&columns->after, value).mean;
        print_number("  %*.3f", after + drop, 6, out);
        print_number(" -> %*.3f", after, 5, out);
        print_number("  %*.3f", interval_at(&columns->second, value).mean, 6, out);
    }
    print_number("  %*.3f", interval_at(&columns->lm_rise, value).mean, 7, out);
    print_number("  %*.3f", interval_at(&columns->lm_lost, value).mean, 8, out);
    print_bar(forgetting.mean, out);
    fputs(forgetting.low > 0 || forgetting.high < 0 ? "  *\n" : "\n", out);
}

static int print_dimension(struct store_reader *reader, const struct sources *sources, const char *dimension, FILE *out,
                           struct error *err)
{
    char **labels;
    int count;
    struct columns columns;
    TRY(store_read_labels(reader, dimension, &labels, &count, err));
    reduce_columns(sources, dimension, &columns);
    print_head(dimension, sources->pairs, out);
    for (int v = 0; v < columns.forgetting.values && v < count; v++) print_row(sources, &columns, labels[v], v, out);
    reset_columns(&columns);
    for (int i = 0; i < count; i++) memory_free(labels[i]);
    memory_free(labels);
    return 0;
}

/* Loss above the floor over the domains read, by amount: does pretraining teach language modelling at all? */
static void print_language(struct store_reader *reader, FILE *out)
{
    struct variable loss;
    char **labels;
    int count;
    if (store_read_variable(reader, "pretrained_lm_loss", &loss, NULL) != 0) return;
    if (store_read_labels(reader, "tokens", &labels, &count, NULL) == 0) {
        struct reduction reduction;
        reduce(&loss, "tokens", &reduction);
        fprintf(out, "\nlanguage-modelling loss after pretraining (nats per token, all reference domains)\n");
        for (int v = 0; v < reduction.values && v < count; v++) {
            struct interval interval = interval_at(&reduction, v);
            fprintf(out, "%-28s", labels[v]);
            if (isnan(interval.mean))
                fputs("  not there yet\n", out);
            else
                fprintf(out, "  %6.3f [%.3f, %.3f]\n", interval.mean, interval.low, interval.high);
        }
        reduction_reset(&reduction);
        for (int i = 0; i < count; i++) memory_free(labels[i]);
        memory_free(labels);
    }
    variable_reset(&loss);
}

static int print_stages(struct store_reader *reader, FILE *out, struct error *err)
{
    int rows, damaged, count[STATUS_COUNT] = {0};
    struct store_origin origin;
    TRY(store_read_origin(reader, &origin, err));
    fprintf(out, "sweep %s", origin.name);
    store_origin_reset(&origin);
    TRY(store_read_rows(reader, &rows, err));
    enum stage_status *status = memory_array((size_t)rows, sizeof *status);
    int result = store_read_marks(reader, NULL, status, rows, &damaged, err);
    for (int r = 0; result == 0 && r < rows; r++) count[status[r]]++;
    memory_free(status);
    TRY(result);
    int failed = count[STATUS_FAILED] + count[STATUS_DIVERGED];
    fprintf(out, ": %d of %d stages done, %d failed, %d skipped\n", count[STATUS_DONE], rows, failed,
            count[STATUS_SKIPPED]);
    if (count[STATUS_DONE] + failed + count[STATUS_SKIPPED] < rows)
        fprintf(out, "unfinished: the numbers below are of what is in so far\n");
    return 0;
}

static void print_legend(const struct sources *sources, FILE *out)
{
    double runs = 0, failed = 0;
    for (int64_t i = 0; i < sources->failed.count; i++) {
        if (isnan(sources->failed.values[i])) continue;
        runs++;
        failed += sources->failed.values[i];
    }
    fprintf(
        out,
        "\nforgot: share of what was learnt of earlier tasks, above chance, that is gone after the last task; 0 none, "
        "1 "
        "all.\n[...]: %d %% t interval over paired seeds; *: it excludes 0.  learnt: cells whose earlier task was "
        "learnt at\nall, of those that are in.  first task, second: accuracies.  LM rise: nats per token since "
        "pretraining; LM lost:\nshare of pretraining's progress.  %.0f of %.0f first fine-tunings failed to beat the "
        "majority class.\n",
        LEVEL_PERCENT, failed, runs);
}

static int print_tables(struct store_reader *reader, FILE *out, struct error *err)
{
    struct sources sources = {0};
    int status = 0;
    TRY_DONE(read_sources(reader, &sources, err));
    for (int d = 0; d < sources.forgetting.dimensions; d++) {
        const char *name = sources.forgetting.dimension[d];
        if (strcmp(name, "seed") == 0 || sources.forgetting.length[d] < 2) continue;
        TRY_DONE(print_dimension(reader, &sources, name, out, err));
    }
    print_language(reader, out);
    print_legend(&sources, out);
done:
    reset_sources(&sources);
    return status;
}

int answer_summary(struct store_reader *reader, FILE *out, struct error *err)
{
    TRY(print_stages(reader, out, err));
    return print_tables(reader, out, err);
}
