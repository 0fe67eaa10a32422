/* The same numbers as lines of values, with all their digits (RFC 4180). */
#include <math.h>
#include <string.h>

#include "answer_private.h"

/* X(name, kind of member, member, meaning) */
#define CSV_COLUMNS(X)                                                                                                 \
    X("metric", text, metric, "variable of the results file")                                                          \
    X("axis", text, axis, "its dimension whose value is picked; empty: none is, the line is over everything")          \
    X("value", text, value, "label of the value; empty without an axis")                                               \
    X("units", text, units, "of mean, low, high, deviation and change")                                                \
    X("mean", number, now.mean, "over seeds of each seed's mean; empty: nothing is there")                             \
    X("low", number, now.low, "lower end of the 95 % t interval over seeds; empty with fewer than two seeds")          \
    X("high", number, now.high, "upper end of it")                                                                     \
    X("deviation", number, now.deviation, "standard deviation over seeds (n - 1)")                                     \
    X("seeds", count, now.count, "seeds behind the mean")                                                              \
    X("change", number, change.mean,                                                                                   \
      "from the line before of the same axis, in the same places; empty: there is none")                               \
    X("change_low", number, change.low, "lower end of its 95 % t interval over seeds")                                 \
    X("change_high", number, change.high, "upper end of it")                                                           \
    X("change_seeds", count, change.count, "seeds behind the change")                                                  \
    X("change_places", count, compared, "places of which both sides are there")

struct csv_line {
    const char *metric, *axis, *value, *units;
    struct interval now, change;
    int64_t compared;
};

#define PRINT_NAME(name, kind, member, meaning) fprintf(out, "%s" name, comma), comma = ",";
#define PRINT_PRESENCE_NAME(name, word, meaning) fprintf(out, ",%s", word);
static void print_head(FILE *out)
{
    const char *comma = "";
    CSV_COLUMNS(PRINT_NAME)
    PRESENCES(PRINT_PRESENCE_NAME)
    fputc('\n', out);
}

#define PRINT_MEANING(name, kind, member, meaning) fprintf(out, "  %-14s %s\n", name, meaning);
#define PRINT_PRESENCE_MEANING(name, word, meaning) fprintf(out, "  %-14s places: %s\n", word, meaning);
void answer_csv_columns(FILE *out) { CSV_COLUMNS(PRINT_MEANING) PRESENCES(PRINT_PRESENCE_MEANING) }

void csv_text(const char *text, FILE *out)
{
    bool quoted = strpbrk(text, ",\"\r\n");
    if (quoted) fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    if (quoted) fputc('"', out);
}

void csv_number(double number, FILE *out)
{
    if (!isnan(number)) fprintf(out, "%.17g", number);
}

static void csv_count(int64_t count, FILE *out) { fprintf(out, "%lld", (long long)count); }

#define PRINT_MEMBER(name, kind, member, meaning) fputs(comma, out), comma = ",", csv_##kind(line.member, out);
static void print_line(const struct metric *metric, const struct row *row, const struct estimate *estimate, FILE *out)
{
    struct csv_line line = {.metric = metric->name,
                            .axis = row->dimension ? row->dimension : "",
                            .value = row->dimension ? row->label : "",
                            .units = metric->variable.units,
                            .now = estimate->value,
                            .change = estimate->change,
                            .compared = estimate->compared};
    const char *comma = "";
    CSV_COLUMNS(PRINT_MEMBER)
    for (int p = 0; p < PRESENCE_COUNT; p++) fprintf(out, ",%lld", (long long)estimate->count[p]);
    fputc('\n', out);
}

static int print_metric(struct store_reader *reader, const char *name, const struct rows *rows, FILE *out,
                        struct error *err)
{
    struct metric metric;
    TRY(metric_read(reader, name, &metric, err));
    struct estimate *estimate = estimate_rows(&metric, rows);
    for (int r = 0; r < rows->count; r++)
        if (estimate[r].applies) print_line(&metric, &rows->row[r], &estimate[r], out);
    memory_free(estimate);
    metric_reset(&metric);
    return 0;
}

static int print_usual(struct store_reader *reader, const struct rows *rows, FILE *out, struct error *err)
{
    char **name;
    int count, status = 0;
    usual_metrics(reader, &name, &count);
    for (int i = 0; i < count && status == 0; i++) status = print_metric(reader, name[i], rows, out, err);
    for (int i = 0; i < count; i++) memory_free(name[i]);
    memory_free(name);
    return status;
}

int csv_print(struct store_reader *reader, const struct answer_request *request, const struct rows *rows, FILE *out,
              struct error *err)
{
    print_head(out);
    return request->metric ? print_metric(reader, request->metric, rows, out, err)
                           : print_usual(reader, rows, out, err);
}
