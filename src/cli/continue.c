/* A results file that is there already: does it belong to this sweep, and if not, what changed? */
#include <string.h>

#include "cli_private.h"

static int text_lines(char *text, char **line, int most)
{
    int count = 0;
    for (char *rest = text, *next = strsep(&rest, "\n"); next && count < most; next = strsep(&rest, "\n"))
        if (*next) line[count++] = next;
    return count;
}

static bool has_line(char *const *line, int count, const char *wanted)
{
    for (int i = 0; i < count; i++)
        if (strcmp(line[i], wanted) == 0) return true;
    return false;
}

static void append(struct error *err, const char *sign, const char *line)
{
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, "\n  %s %s", sign, line);
}

static void list_changes(char *before, char *now, struct error *err)
{
    enum { MOST = 4096 };
    char **old = memory_array(MOST, sizeof *old), **new = memory_array(MOST, sizeof *new);
    int olds = text_lines(before, old, MOST), news = text_lines(now, new, MOST);
    for (int i = 0; i < olds; i++)
        if (!has_line(new, news, old[i])) append(err, "was:", old[i]);
    for (int i = 0; i < news; i++)
        if (!has_line(old, olds, new[i])) append(err, "is: ", new[i]);
    memory_free(old);
    memory_free(new);
}

static void compare_numerics(const struct numerics *before, const struct numerics *now, struct error *err)
{
    char line[320];
    if (strcmp(before->class_name, now->class_name) != 0) {
        snprintf(line, sizeof line, "numerics class %s", before->class_name);
        append(err, "was:", line);
        snprintf(line, sizeof line, "numerics class %s", now->class_name);
        append(err, "is: ", line);
    }
    if (before->version == now->version) return;
    snprintf(line, sizeof line, "numerics version %d, now %d", before->version, now->version);
    append(err, "was:", line);
}

void list_differences(const struct store_origin *before, const char *explained, const struct numerics *now,
                      struct error *err)
{
    size_t used = strlen(err->text);
    char *old = memory_text(before->explained ? before->explained : ""), *new = memory_text(explained);
    list_changes(old, new, err);
    compare_numerics(&before->numerics, now, err);
    if (strlen(err->text) == used) append(err, "", "the data files (same settings, other contents)");
    memory_free(old);
    memory_free(new);
}

/* A list of hashes in /sweep against those of the data as they are now.  name and hash are of the first of count
 * structs of so many bytes. */
static void compare_data(struct store_reader *reader, const char *list, const char *what, int count, const char *name,
                         const struct hash128 *hash, size_t bytes, struct error *err)
{
    char **stored, line[2 * NAME_MAX_BYTES], text[HASH_TEXT];
    int there;
    if (store_read_labels(reader, list, &stored, &there, NULL) != 0) return;
    for (int i = 0; i < count && there == count; i++) { /* another number of them is told by the settings */
        hash_text(*(const struct hash128 *)((const char *)hash + (size_t)i * bytes), text);
        snprintf(line, sizeof line, "%s %s", what, name + (size_t)i * bytes);
        if (strcmp(stored[i], text) != 0) append(err, "data:", line);
    }
    for (int i = 0; i < there; i++) memory_free(stored[i]);
    memory_free(stored);
}

static void list_changed_data(struct store_reader *reader, const struct world_facts *facts, struct error *err)
{
    const struct domain_facts *domain = facts->domain;
    const struct task_facts *task = facts->task;
    int domains = facts->domains + facts->task_domains;
    compare_data(reader, "sweep/domains/training", "training text of domain", domains, domain->name, &domain->training,
                 sizeof *domain, err);
    compare_data(reader, "sweep/domains/reference", "evaluation text of domain", domains, domain->name,
                 &domain->reference, sizeof *domain, err);
    compare_data(reader, "sweep/tasks/training", "training items of task", facts->tasks, task->name, &task->training,
                 sizeof *task, err);
    compare_data(reader, "sweep/tasks/test", "test items of task", facts->tasks, task->name, &task->test, sizeof *task,
                 err);
}

int continue_check(const char *path, const struct setup *setup, struct error *err)
{
    struct store_reader *reader = NULL;
    struct store_origin origin = {0};
    char *now = NULL;
    int status = 0;
    TRY_DONE(store_reader_open(path, &reader, err));
    TRY_DONE(store_read_origin(reader, &origin, err));
    if (hash_equal(origin.sweep_hash, setup->plan->sweep_hash)) goto done;
    now = config_explain(setup->sweep, false);
    status = error_set(err, ERROR_INPUT,
                       "%s: belongs to another sweep than %s; nothing was started.  Name a new results file with -o "
                       "(--reuse %s takes over what has not changed), or throw this one away with --fresh.  What "
                       "changed:",
                       path, setup->sweep->path, path);
    list_differences(&origin, now, &setup->numerics, err);
    list_changed_data(reader, world_facts(setup->world), err);
done:
    memory_free(now);
    store_origin_reset(&origin);
    store_reader_close(&reader);
    return status;
}
