/* What bench train measured, as JSON: for people's programs, and for plan --speed-from. */
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli_private.h"

#define MARK "palimpsest_speeds"
enum { VERSION = 2, MOST_BYTES = 1 << 20 };

/* ---- writing ---- */

static void put_real(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, json_real(value));
}

static void put_count(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* As /proc/cpuinfo names it, where it does; else the kind of machine. */
static void name_processor(char *text, size_t size)
{
    struct utsname machine;
    char line[256];
    FILE *facts = fopen("/proc/cpuinfo", "r");
    snprintf(text, size, "%s", uname(&machine) == 0 ? machine.machine : "?");
    while (facts && fgets(line, sizeof line, facts)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value += 1 + strspn(value + 1, " ");
        value[strcspn(value, "\n")] = 0;
        snprintf(text, size, "%s", value);
        break;
    }
    if (facts) fclose(facts);
}

static json_t *machine_of(const struct speed_report *report)
{
    char host[128] = "", processor[256];
    json_t *machine = json_object();
    gethostname(host, sizeof host - 1);
    name_processor(processor, sizeof processor);
    json_object_set_new(machine, "host", json_string(host));
    json_object_set_new(machine, "processor", json_string(processor));
    put_count(machine, "core", report->core);
    put_count(machine, "threads", report->threads);
    put_count(machine, "ranks", report->ranks);
    json_object_set_new(machine, "bound_by_program", json_boolean(report->stays));
    json_object_set_new(machine, "vectors", json_string(bench_core_vectors()));
    return machine;
}

static json_t *step_of(const struct step_speed *step)
{
    json_t *object = json_object();
    put_count(object, "batch", step->batch);
    put_count(object, "count", step->count);
    put_real(object, "tokens", step->tokens);
    put_real(object, "flops", step->flops);
    put_real(object, "seconds", step->seconds);
    put_real(object, "seconds_least", step->least);
    put_real(object, "seconds_most", step->most);
    put_real(object, "tokens_per_second", step->tokens / step->seconds);
    put_real(object, "flops_per_second", step->flops / step->seconds);
    return object;
}

static json_t *shape_entry(const struct bench_shape *shape, const struct training_speed *speed)
{
    json_t *object = json_object(), *parts = json_object();
    put_count(object, "layers", shape->shape.layers);
    put_count(object, "width", shape->shape.width);
    put_count(object, "heads", shape->shape.heads);
    put_count(object, "context", shape->shape.context);
    put_count(object, "batch", shape->batch);
    put_count(object, "vocabulary", shape->shape.vocabulary);
    put_count(object, "parameters", shape_parameters(&shape->shape));
    json_object_set_new(object, "step", step_of(&speed->step));
    json_object_set_new(object, "small_step", step_of(&speed->small));
    json_object_set_new(object, "forward", step_of(&speed->forward));
    json_object_set_new(object, "finetune", step_of(&speed->finetune));
    put_real(object, "limit_flops_per_second", speed->limit);
    put_real(object, "share_of_limit", speed->step.flops / speed->step.seconds / speed->limit);
    for (enum profile_part p = 0; p < PROFILE_PART_COUNT; p++) put_real(parts, profile_key(p), speed->part[p]);
    json_object_set_new(object, "share_of_step", parts);
    put_real(object, "clock_share_of_step", speed->clock);
    return object;
}

char *speeds_text(const struct speed_report *report)
{
    json_t *root = json_object(), *shapes = json_array();
    put_count(root, MARK, VERSION);
    json_object_set_new(root, "machine", machine_of(report));
    json_object_set_new(root, "numerics_class", json_string(report->numerics.class_name));
    for (int s = 0; s < report->shapes; s++)
        json_array_append_new(shapes, shape_entry(&report->shape[s], &report->speed[s]));
    json_object_set_new(root, "shapes", shapes);
    char *dumped = json_dumps(root, JSON_INDENT(2)), *text = memory_format("%s\n", dumped);
    free(dumped);
    json_decref(root);
    return text;
}

/* ---- reading ---- */

bool speeds_recognise(const char *path)
{
    int c = EOF;
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISREG(facts.st_mode)) return false; /* a pipe would wait for its writer */
    FILE *file = fopen(path, "r");
    if (!file) return false;
    while ((c = fgetc(file)) != EOF && isspace(c)) continue;
    fclose(file);
    return c == '{';
}

bool speeds_hold(const char *path)
{
    char *text;
    size_t length;
    if (!speeds_recognise(path) || file_read(path, MOST_BYTES, &text, &length, NULL) != 0) return false;
    json_t *root = json_loadb(text, length, 0, NULL);
    memory_free(text);
    bool hold = json_is_object(root) && json_is_integer(json_object_get(root, MARK));
    json_decref(root);
    return hold;
}

struct place { /* in a file, for messages */
    const char *path;
    int shape; /* counts from 0 */
    const char *object;
};

/* A positive number of shapes[i], or of an object in it. */
static int read_number(const json_t *shape, const struct place *at, const char *key, double *value, struct error *err)
{
    const json_t *holder = at->object ? json_object_get(shape, at->object) : shape,
                 *found = json_object_get(holder, key);
    *value = json_number_value(found);
    if (isfinite(*value) && *value > 0) return 0;
    return error_set(err, ERROR_INPUT,
                     "%s: shapes[%d]%s%s.%s %s a number above 0; measure again with `palimpsest bench train --save`",
                     at->path, at->shape, at->object ? "." : "", at->object ? at->object : "", key,
                     found ? "is not" : "is missing, and should be");
}

static int read_times(const json_t *shape, struct place at, const char *object, double *flops, double *seconds,
                      struct error *err)
{
    at.object = object;
    TRY(read_number(shape, &at, "flops", flops, err));
    return read_number(shape, &at, "seconds", seconds, err);
}

static int read_shape(const json_t *shape, const char *path, int number, struct speed_point *point, struct error *err)
{
    struct place at = {path, number, NULL};
    double width;
    TRY(read_number(shape, &at, "width", &width, err));
    if (width != floor(width) || width > 1e6)
        return error_set(err, ERROR_INPUT, "%s: shapes[%d].width: %g is not a width", path, number, width);
    point->width = (int)width;
    TRY(read_number(shape, &at, "parameters", &point->parameters, err));
    TRY(read_times(shape, at, "step", &point->flops, &point->seconds, err));
    TRY(read_times(shape, at, "small_step", &point->small_flops, &point->small_seconds, err));
    TRY(read_times(shape, at, "forward", &point->forward_flops, &point->forward_seconds, err));
    return read_times(shape, at, "finetune", &point->finetune_flops, &point->finetune_seconds, err);
}

/* 1 where no step is so long that it matters, or the file does not say. */
static double stretch_of(const json_t *shapes)
{
    double most = 1;
    for (size_t s = 0; s < json_array_size(shapes); s++) {
        const json_t *step = json_object_get(json_array_get(shapes, s), "step");
        double least = json_number_value(json_object_get(step, "seconds_least"));
        if (least > 0) most = fmax(most, json_number_value(json_object_get(step, "seconds")) / least);
    }
    return most;
}

static int read_root(const json_t *root, const char *path, struct speed_point **point, int *points,
                     struct speeds_source *source, struct error *err)
{
    const json_t *shapes = json_object_get(root, "shapes"), *class = json_object_get(root, "numerics_class");
    if (json_integer_value(json_object_get(root, MARK)) != VERSION)
        return error_set(err, ERROR_INPUT,
                         "%s: holds no speeds that this version reads (\"" MARK
                         "\": %d); measure with `palimpsest bench "
                         "train --save`",
                         path, VERSION);
    if (!json_is_array(shapes) || json_array_size(shapes) == 0 || !json_is_string(class))
        return error_set(err, ERROR_INPUT, "%s: %s is missing; measure again with `palimpsest bench train --save`",
                         path, json_is_string(class) ? "the list \"shapes\"" : "\"numerics_class\"");
    int count = (int)json_array_size(shapes), status = 0;
    struct speed_point *read = memory_array((size_t)count, sizeof *read);
    for (int s = 0; s < count; s++) TRY_DONE(read_shape(json_array_get(shapes, (size_t)s), path, s, &read[s], err));
    snprintf(source->numerics_class, sizeof source->numerics_class, "%s", json_string_value(class));
    source->threads = (int)json_integer_value(json_object_get(json_object_get(root, "machine"), "threads"));
    source->stretch = stretch_of(shapes);
    *point = read;
    *points = count;
    read = NULL;
done:
    memory_free(read);
    return status;
}

int speeds_read(const char *path, struct speed_point **point, int *points, struct speeds_source *source,
                struct error *err)
{
    char *text;
    size_t length;
    json_error_t wrong;
    TRY(file_read(path, MOST_BYTES, &text, &length, err));
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &wrong);
    memory_free(text);
    if (!root && json_error_code(&wrong) == json_error_premature_end_of_input)
        return error_set(err, ERROR_INPUT,
                         "%s:%d:%d: the file ends here and was cut short; measure again with `palimpsest bench train "
                         "--save`",
                         path, wrong.line, wrong.column);
    if (!root)
        return error_set(err, ERROR_INPUT, "%s:%d:%d: %s; measure again with `palimpsest bench train --save`", path,
                         wrong.line, wrong.column, wrong.text);
    int status = read_root(root, path, point, points, source, err);
    json_decref(root);
    return status;
}
