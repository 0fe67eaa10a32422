/* The answer in a terminal: a table for each outcome, in plain characters, folded to the width that is there. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer_private.h"

enum { STRIP = 20 };

/* ---- running text ---- */

static void print_title(const struct metric *metric, int columns, FILE *out)
{
    const struct variable *variable = &metric->variable;
    bool plain = strcmp(variable->units, "1") == 0 || variable->units[0] == '\0';
    char *text = memory_format("%s: %s%s%s%s", metric->name, variable->long_name, plain ? "" : " (",
                               plain ? "" : variable->units, plain ? "" : ")");
    fputc('\n', out);
    text_print(text, columns, out);
    memory_free(text);
}

static void add_count(char *text, size_t size, int64_t count, const char *words)
{
    size_t used = strlen(text);
    if (count > 0) snprintf(text + used, size - used, ", %lld %s", (long long)count, words);
}

/* What became of all numbers of a metric.  missing: in words, why one can be missing though its stage is done. */
static void print_counts(const struct estimate *all, const char *missing, int columns, FILE *out)
{
    int64_t total = 0;
    char text[512];
    for (int p = 0; p < PRESENCE_COUNT; p++) total += all->count[p];
    snprintf(text, sizeof text, "%lld values: %lld averaged", (long long)total, (long long)all->count[PRESENT]);
    add_count(text, sizeof text, all->count[MISSING], missing);
    add_count(text, sizeof text, all->count[FAILED], "of failed runs");
    add_count(text, sizeof text, all->count[PENDING], "not in yet");
    add_count(text, sizeof text, all->count[EXCLUDED], "excluded by the sweep");
    text_print(text, columns, out);
}

/* ---- columns of numbers ---- */

static int number_width(double value, int decimals)
{
    return isnan(value) ? 1 : snprintf(NULL, 0, "%.*f", decimals, value);
}

static char *number_text(double value, int decimals)
{
    return isnan(value) ? memory_text("-") : memory_format("%.*f", decimals, value);
}

static int larger(int a, int b) { return a > b ? a : b; }

static char *interval_text(const struct interval *interval, int width, int decimals)
{
    if (isnan(interval->mean)) return memory_format("%*s%*s", width, "-", 2 * width + 5, "");
    if (isnan(interval->low)) return memory_format("%*.*f%*s", width, decimals, interval->mean, 2 * width + 5, "");
    return memory_format("%*.*f [%*.*f, %*.*f]", width, decimals, interval->mean, width, decimals, interval->low, width,
                         decimals, interval->high);
}

/* Estimates of one metric in the rows of a table, and how precisely to print them. */
struct shown {
    struct estimate *estimate;
    int rows, decimals;
};

static struct shown show(const struct metric *metric, const struct rows *rows)
{
    struct shown shown = {.estimate = estimate_rows(metric, rows), .rows = rows->count};
    double largest = 0;
    for (int r = 0; r < shown.rows; r++) largest = fmax(largest, fabs(shown.estimate[r].value.mean));
    shown.decimals = decimals_for(largest);
    return shown;
}

static void add_intervals(struct table *table, const struct shown *shown, bool change, const char *head)
{
    struct table_column *column = table_add(table, false, head);
    int width = 1;
    for (int pass = 0; pass < 2; pass++)
        for (int r = 0; r < shown->rows; r++) {
            const struct estimate *estimate = &shown->estimate[r];
            const struct interval *value = change ? &estimate->change : &estimate->value;
            if (!estimate->applies || (change && isnan(value->mean))) continue;
            if (pass == 1) column->cell[r] = interval_text(value, width, shown->decimals);
            width = larger(width, number_width(value->mean, shown->decimals));
            width = larger(width, number_width(value->low, shown->decimals));
            width = larger(width, number_width(value->high, shown->decimals));
        }
}

static void add_strips(struct table *table, const struct shown *shown)
{
    char head[HEAD_BYTES], low[24], strip[STRIP + 1];
    struct scale scale = scale_of(shown->estimate, shown->rows);
    snprintf(low, sizeof low, "%.*f", shown->decimals, scale.low);
    snprintf(head, sizeof head, "%s%*.*f", low, STRIP - (int)strlen(low), shown->decimals, scale.high);
    struct table_column *column = table_add(table, true, head);
    for (int r = 0; r < shown->rows; r++) {
        if (!shown->estimate[r].applies) continue;
        strip_draw(&scale, &shown->estimate[r].value, STRIP, strip);
        column->cell[r] = memory_text(strip);
    }
}

static void add_seeds(struct table *table, const struct shown *shown)
{
    struct table_column *column = table_add(table, false, "seeds");
    for (int r = 0; r < shown->rows; r++)
        if (shown->estimate[r].applies) column->cell[r] = memory_format("%d", shown->estimate[r].value.count);
}

/* Numbers averaged, of those that the sweep asks for; or, with `in`, of those whose stage is done. */
static void add_shares(struct table *table, const struct shown *shown, bool in, const char *head)
{
    struct table_column *column = table_add(table, false, head);
    for (int r = 0; r < shown->rows; r++) {
        const int64_t *count = shown->estimate[r].count;
        int64_t of = count[PRESENT] + count[MISSING] + (in ? 0 : count[FAILED] + count[PENDING]);
        if (shown->estimate[r].applies)
            column->cell[r] = memory_format("%lld/%lld", (long long)count[PRESENT], (long long)of);
    }
}

static void add_means(struct table *table, const struct shown *shown, const char *head)
{
    struct table_column *column = table_add(table, false, head);
    for (int r = 0; r < shown->rows; r++)
        if (shown->estimate[r].applies) column->cell[r] = number_text(shown->estimate[r].value.mean, shown->decimals);
}

/* Of a metric that is 1 or 0: how many are 1. */
static void add_ones(struct table *table, const struct shown *shown, const char *head)
{
    struct table_column *column = table_add(table, false, head);
    for (int r = 0; r < shown->rows; r++)
        if (shown->estimate[r].applies)
            column->cell[r] =
                memory_format("%.0f/%lld", shown->estimate[r].sum, (long long)shown->estimate[r].count[PRESENT]);
}

/* ---- the usual tables ---- */

static int show_by_name(struct store_reader *reader, const char *name, const struct rows *rows, struct shown *shown,
                        struct error *err)
{
    struct metric metric;
    TRY(metric_read(reader, name, &metric, err));
    *shown = show(&metric, rows);
    metric_reset(&metric);
    return 0;
}

static int add_named(struct table *table, struct store_reader *reader, const char *name, const char *head,
                     void add(struct table *, const struct shown *, const char *), struct error *err)
{
    struct shown shown;
    TRY(show_by_name(reader, name, table->rows, &shown, err));
    add(table, &shown, head);
    memory_free(shown.estimate);
    return 0;
}

/* Accuracy on the first task before and after the second. */
static int add_first_task(struct table *table, struct store_reader *reader, struct error *err)
{
    struct shown after, drop;
    TRY(show_by_name(reader, "second_accuracy_first", table->rows, &after, err));
    if (show_by_name(reader, "forgetting_drop", table->rows, &drop, err) != 0) {
        memory_free(after.estimate);
        return -1;
    }
    struct table_column *column = table_add(table, false, "first task");
    for (int r = 0; r < after.rows; r++) {
        double now = after.estimate[r].value.mean, fell = drop.estimate[r].value.mean;
        if (!after.estimate[r].applies) continue;
        column->cell[r] = isnan(now) ? memory_text("-") : memory_format("%.3f -> %.3f", now + fell, now);
    }
    memory_free(after.estimate);
    memory_free(drop.estimate);
    return 0;
}

static int add_to_forgetting(struct table *table, struct store_reader *reader, int last, struct error *err)
{
    if (last == 1) {
        TRY(add_first_task(table, reader, err));
        TRY(add_named(table, reader, "second_accuracy_second", "second", add_means, err));
    }
    TRY(add_named(table, reader, "first_failed_run", "failed first", add_ones, err));
    char name[METRIC_NAME_BYTES];
    snprintf(name, sizeof name, "%s_failed_run", place_name(last));
    return add_named(table, reader, name, last == 1 ? "failed second" : "failed last", add_ones, err);
}

static int add_to_language(struct table *table, struct store_reader *reader, int last, struct error *err)
{
    char name[METRIC_NAME_BYTES];
    snprintf(name, sizeof name, "%s_lm_progress_lost", place_name(last));
    TRY(add_named(table, reader, name, "share lost", add_means, err));
    return add_named(table, reader, "pretrained_lm_loss", "loss before", add_means, err);
}

static int add_to_transfer(struct table *table, struct store_reader *reader, int last, struct error *err)
{
    (void)last;
    return add_named(table, reader, "alone_accuracy", "alone", add_means, err);
}

/* The flag beside a metric that the end of a training can cut off; false: there is none. */
static bool find_censored(struct store_reader *reader, const char *metric, char name[METRIC_NAME_BYTES])
{
    static const char *const endings[] = {"_savings", "_recovery_steps"};
    for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
        size_t length = strlen(metric), ending = strlen(endings[e]);
        if (length < ending || strcmp(metric + length - ending, endings[e]) != 0) continue;
        snprintf(name, METRIC_NAME_BYTES, "%.*s_recovery_censored", (int)(length - ending), metric);
        if (variable_is_there(reader, name)) return true;
    }
    return false;
}

static int add_nothing(struct table *table, struct store_reader *reader, int last, struct error *err)
{
    (void)table, (void)reader, (void)last, (void)err;
    return 0;
}

struct section {
    const char *metric, *missing; /* missing: in words, why a number is missing though its stage is done */
    const char *share;            /* head of the column that counts what is there; of those in only, if `in` */
    bool in;
    int (*add)(struct table *, struct store_reader *, int last, struct error *);
};

static int print_table(const struct section *section, const struct shown *shown, const struct rows *rows,
                       struct store_reader *reader, int columns, FILE *out, struct error *err)
{
    struct table table = {.rows = rows};
    add_intervals(&table, shown, false, "mean [95 % interval]");
    add_strips(&table, shown);
    add_shares(&table, shown, section->in, section->share);
    add_seeds(&table, shown);
    bool changes = false;
    for (int r = 0; r < shown->rows; r++) changes = changes || shown->estimate[r].compared > 0;
    if (changes) add_intervals(&table, shown, true, "change from the row above");
    int status = section->add(&table, reader, last_place_of(reader), err);
    char censored[METRIC_NAME_BYTES];
    if (status == 0 && find_censored(reader, section->metric, censored))
        status = add_named(&table, reader, censored, "censored", add_ones, err);
    if (status == 0) table_print(&table, columns, out);
    table_reset(&table);
    return status;
}

static int print_section(const struct section *section, const struct rows *rows, struct store_reader *reader,
                         int columns, FILE *out, struct error *err)
{
    struct metric metric;
    TRY(metric_read(reader, section->metric, &metric, err));
    struct shown shown = show(&metric, rows);
    const struct estimate *all = &shown.estimate[0];
    int status = 0;
    print_title(&metric, columns, out);
    print_counts(all, section->missing, columns, out);
    if (all->count[PRESENT] + all->count[MISSING] > 0)
        status = print_table(section, &shown, rows, reader, columns, out, err);
    memory_free(shown.estimate);
    metric_reset(&metric);
    return status;
}

/* ---- all of it ---- */

static void print_legend(const struct rows *rows, bool usual, bool censored, int columns, FILE *out)
{
    fputc('\n', out);
    if (rows->hidden.name) {
        char *text = memory_format("%s has %lld values: --by %s shows them.", rows->hidden.name,
                                   (long long)rows->hidden.values, rows->hidden.name);
        text_print(text, columns, out);
        memory_free(text);
    }
    text_print("[low, high]: 95 % t interval over paired seeds, each with the mean of its cells; in the picture o is "
               "the mean, --- the interval, | zero, < and > go on beyond it. Rows average the cells that are there, "
               "also those without pretraining; "
               "a change is between the same cells and seeds of both rows.",
               columns, out);
    if (censored)
        text_print(
            "censored: values that the end of a training cut off, so bounds; a mean of many of them says mostly how "
            "long that training was.",
            columns, out);
    if (usual)
        text_print(
            "learnt: cells whose earlier task was learnt at all, of those that are in; failed: runs that did not "
            "beat the majority class. Accuracies before -> after the last task. Other numbers: --metric NAME.",
            columns, out);
}

/* In the order of the page; what an instrument adds is left out where it was not switched on. */
static int print_usual(struct store_reader *reader, const struct rows *rows, int columns, FILE *out, struct error *err)
{
    char rise[METRIC_NAME_BYTES];
    const struct section sections[] = {
        {"forgetting", "where no earlier task was learnt", "learnt", true, add_to_forgetting},
        {"forgetting_equal_success", "where an earlier task was not learnt, or the last not that far", "reached", true,
         add_nothing},
        {rise, "missing", "cells", false, add_to_language},
        {"transfer", "missing", "cells", false, add_to_transfer}};
    snprintf(rise, sizeof rise, "%s_lm_rise", place_name(last_place_of(reader)));
    for (size_t s = 0; s < sizeof sections / sizeof *sections; s++)
        if (variable_is_there(reader, sections[s].metric))
            TRY(print_section(&sections[s], rows, reader, columns, out, err));
    return 0;
}

int sections_print(struct store_reader *reader, const struct answer_request *request, const struct rows *rows,
                   FILE *out, struct error *err)
{
    int columns = larger(request->columns, NARROWEST);
    struct section asked = {request->metric, "missing by definition", "values", false, add_nothing};
    int status = request->metric ? print_section(&asked, rows, reader, columns, out, err)
                                 : print_usual(reader, rows, columns, out, err);
    char name[METRIC_NAME_BYTES];
    bool censored = request->metric && find_censored(reader, request->metric, name);
    if (status == 0) print_legend(rows, !request->metric, censored, columns, out);
    return status;
}
