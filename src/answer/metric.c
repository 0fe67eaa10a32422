/* A variable of the results by name, and for each of its places whether there is a number, and if not, why. */
#include <math.h>
#include <string.h>

#include "answer_private.h"
#include "palimpsest/base_words.h"

/* ---- presence ---- */

static enum presence presence_at(double value, double status)
{
    switch ((enum stage_status)(int)status) {
    case STATUS_PENDING:
    case STATUS_RUNNING: return PENDING;
    case STATUS_DIVERGED:
    case STATUS_FAILED:
    case STATUS_SKIPPED: return FAILED;
    case STATUS_EXCLUDED: return EXCLUDED;
    case STATUS_DONE:
    case STATUS_COUNT: break;
    }
    return isnan(value) ? MISSING : PRESENT;
}

void presence_of(const struct variable *variable, const struct variable *status, unsigned char *presence)
{
    int64_t each = status && status->count > 0 ? variable->count / status->count : 1;
    for (int64_t i = 0; i < variable->count; i++)
        presence[i] = (unsigned char)presence_at(variable->values[i], status ? status->values[i / each] : STATUS_DONE);
}

/* The group whose stages fill the variable; -1: none, it was known before the run. */
static int group_of(const char *name)
{
    char known[METRIC_NAME_BYTES];
    for (int group = 0; group < GROUPS_MAX; group++)
        for (int field = 0; field < FIELD_COUNT; field++)
            for (int part = 0; part < PLACES_MAX; part++)
                if (field_variable(group, (enum field_id)field, part, known, sizeof known) && strcmp(known, name) == 0)
                    return group;
    return -1;
}

static bool begins_with(const struct variable *variable, const struct variable *first)
{
    if (first->dimensions > variable->dimensions) return false;
    for (int d = 0; d < first->dimensions; d++)
        if (strcmp(variable->dimension[d], first->dimension[d]) != 0 || variable->length[d] != first->length[d])
            return false;
    return true;
}

/* A number that stands where no stage is done is of a run that died before it was committed: not there. */
static void forget_uncommitted(struct metric *metric)
{
    for (int64_t i = 0; i < metric->variable.count; i++)
        if (metric->presence[i] != PRESENT) metric->variable.values[i] = NAN;
}

static int read_presence(struct store_reader *reader, struct metric *metric, struct error *err)
{
    int group = group_of(metric->name);
    metric->presence = memory_array((size_t)metric->variable.count, sizeof *metric->presence);
    if (group < 0) {
        presence_of(&metric->variable, NULL, metric->presence);
        return 0;
    }
    char name[METRIC_NAME_BYTES];
    struct variable status;
    snprintf(name, sizeof name, "status_%s", group_name(group));
    TRY(store_read_variable(reader, name, &status, err));
    bool fits = begins_with(&metric->variable, &status);
    if (fits) presence_of(&metric->variable, &status, metric->presence);
    variable_reset(&status);
    if (!fits)
        return error_set(err, ERROR_INPUT, "%s and %s do not have the same dimensions: the file is damaged",
                         metric->name, name);
    forget_uncommitted(metric);
    return 0;
}

/* ---- by name ---- */

/* What can be averaged over seeds: no coordinates, no flags. */
static bool is_metric(struct store_reader *reader, const char *name)
{
    struct variable variable;
    if (strncmp(name, "status_", strlen("status_")) == 0 || strchr(name, '/')) return false;
    if (store_measure_variable(reader, name, &variable, NULL) != 0) return false;
    return dimension_find(&variable, "seed") >= 0 && strcmp(name, "seed") != 0;
}

static void keep_metrics(struct store_reader *reader, char **name, int *count)
{
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if (is_metric(reader, name[i]))
            name[kept++] = name[i];
        else
            memory_free(name[i]);
    *count = kept;
}

static void add_list(char *text, size_t size, char *const *name, int count)
{
    size_t used = strlen(text);
    for (int i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name[i]);
}

static int refuse_among(struct store_reader *reader, const char *wish, char **name, int *count, struct error *err)
{
    char list[4096] = "";
    bool there = false;
    for (int i = 0; i < *count; i++) there = there || strcmp(name[i], wish) == 0;
    keep_metrics(reader, name, count);
    int nearest = word_nearest(wish, (const char *const *)name, *count);
    const char *what = !there                             ? "is no variable of numbers in this file"
                       : strncmp(wish, "status_", 7) == 0 ? "are flags, not numbers; `palimpsest status` counts them"
                                                          : "has no seed dimension, so nothing to average over";
    if (!there && nearest >= 0)
        return error_set(err, ERROR_INPUT, "--metric: \"%s\" %s; did you mean %s?", wish, what, name[nearest]);
    add_list(list, sizeof list, name, *count);
    return error_set(err, ERROR_INPUT, "--metric: \"%s\" %s; known are %s", wish, what, list);
}

static int refuse(struct store_reader *reader, const char *wish, struct error *err)
{
    char **name;
    int count;
    /* Before names are listed, which of a damaged file cannot be: what is wrong with the one that is there. */
    if (store_has_variable(reader, wish)) TRY(store_measure_variable(reader, wish, &(struct variable){0}, err));
    TRY(store_read_names(reader, &name, &count, err));
    int status = refuse_among(reader, wish, name, &count, err);
    for (int i = 0; i < count; i++) memory_free(name[i]);
    memory_free(name);
    return status;
}

int metric_check(struct store_reader *reader, const char *name, struct error *err)
{
    return strlen(name) < METRIC_NAME_BYTES && is_metric(reader, name) ? 0 : refuse(reader, name, err);
}

int metric_read(struct store_reader *reader, const char *name, struct metric *metric, struct error *err)
{
    struct metric found = {.presence = NULL};
    TRY(metric_check(reader, name, err));
    snprintf(found.name, sizeof found.name, "%s", name);
    TRY(store_read_variable(reader, name, &found.variable, err));
    if (read_presence(reader, &found, err) != 0) {
        metric_reset(&found);
        return -1;
    }
    *metric = found;
    return 0;
}

void metric_reset(struct metric *metric)
{
    variable_reset(&metric->variable);
    memory_free(metric->presence);
    metric->presence = NULL;
}
