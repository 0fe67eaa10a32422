/* The summary: how much is in, then tables or a CSV. */
#include <string.h>

#include "answer_private.h"

bool variable_is_there(struct store_reader *reader, const char *name)
{
    struct variable variable;
    return store_measure_variable(reader, name, &variable, NULL) == 0;
}

int last_place_of(struct store_reader *reader)
{
    int last = 0;
    for (int place = 1; place < PLACES_MAX; place++) {
        char name[METRIC_NAME_BYTES];
        snprintf(name, sizeof name, "%s_lm_rise", place_name(place));
        if (!variable_is_there(reader, name)) break;
        last = place;
    }
    return last;
}

static void add_if_there(struct store_reader *reader, const char *name, char **list, int *count)
{
    if (variable_is_there(reader, name)) list[(*count)++] = memory_text(name);
}

void usual_metrics(struct store_reader *reader, char ***name, int *count)
{
    static const char *const whole[] = {"forgetting",
                                        "forgetting_equal_success",
                                        "forgetting_drop",
                                        "second_accuracy_first",
                                        "second_accuracy_second",
                                        "transfer",
                                        "alone_accuracy",
                                        "pretrained_lm_loss",
                                        "first_failed_run"};
    static const char *const of_last[] = {"failed_run", "lm_rise", "lm_progress_lost"};
    enum { WHOLE = sizeof whole / sizeof *whole, OF_LAST = sizeof of_last / sizeof *of_last };
    int last = last_place_of(reader);
    *count = 0;
    *name = memory_array(WHOLE + OF_LAST, sizeof **name);
    for (int i = 0; i < WHOLE; i++) add_if_there(reader, whole[i], *name, count);
    for (int i = 0; i < OF_LAST; i++) {
        char text[METRIC_NAME_BYTES];
        snprintf(text, sizeof text, "%s_%s", place_name(last), of_last[i]);
        add_if_there(reader, text, *name, count);
    }
}

struct progress_counts {
    int rows, damaged, count[STATUS_COUNT];
};

static int count_stages(struct store_reader *reader, struct progress_counts *counts, struct error *err)
{
    *counts = (struct progress_counts){.rows = 0};
    TRY(store_read_rows(reader, &counts->rows, err));
    enum stage_status *status = memory_array((size_t)counts->rows, sizeof *status);
    int result = store_read_marks(reader, NULL, status, counts->rows, &counts->damaged, err);
    for (int r = 0; result == 0 && r < counts->rows; r++) counts->count[status[r]]++;
    memory_free(status);
    return result;
}

static int print_progress(struct store_reader *reader, const struct progress_counts *counts, int columns, FILE *out,
                          struct error *err)
{
    struct store_origin origin;
    TRY(store_read_origin(reader, &origin, err));
    int done = counts->count[STATUS_DONE], skipped = counts->count[STATUS_SKIPPED];
    int failed = counts->count[STATUS_FAILED] + counts->count[STATUS_DIVERGED], ended = done + failed + skipped;
    char *text = memory_format("sweep %s: %d of %d stages done, %d failed, %d skipped", origin.name, done, counts->rows,
                               failed, skipped);
    text_print(text, columns, out);
    memory_free(text);
    store_origin_reset(&origin);
    if (ended < counts->rows) {
        text = memory_format("unfinished, %.0f %% of the stages have ended: what follows is of what is in so far",
                             100.0 * ended / counts->rows);
        text_print(text, columns, out);
        memory_free(text);
    }
    if (counts->damaged > 0) fprintf(out, "%d damaged rows count as not in yet\n", counts->damaged);
    return 0;
}

static int print_answer(struct store_reader *reader, const struct answer_request *request,
                        const struct progress_counts *counts, const struct rows *rows, FILE *out, struct error *err)
{
    if (request->csv) return csv_print(reader, request, rows, out, err);
    TRY(print_progress(reader, counts, request->columns < NARROWEST ? NARROWEST : request->columns, out, err));
    return sections_print(reader, request, rows, out, err);
}

int answer_summary(struct store_reader *reader, const struct answer_request *request, FILE *out, struct error *err)
{
    struct progress_counts counts;
    struct variable variable;
    struct rows rows;
    const char *leading = request->metric ? request->metric : "forgetting";
    TRY(count_stages(reader, &counts, err));
    if (counts.count[STATUS_DONE] == 0)
        return error_set(err, ERROR_INPUT,
                         "none of its %d stages is done, so there is nothing to summarise; `palimpsest status` shows "
                         "how far it is and what failed",
                         counts.rows);
    TRY(metric_check(reader, leading, err));
    TRY(store_measure_variable(reader, leading, &variable, err));
    TRY(rows_read(reader, &variable, request->by, request->csv, &rows, err));
    int status = print_answer(reader, request, &counts, &rows, out, err);
    rows_reset(&rows);
    return status;
}
