/* The cost model.  A stage takes about ratio(class) x (OVERHEAD + what its steps and FLOPs take at the rates measured
 * for its width, or at one assumed rate) seconds.  The ratio is
 * the median of what the last stages of the class showed, so that one stage that was swapped out or read from a cold
 * disk moves nothing.  A class is a kind and the FLOPs of one optimiser step to a quarter octave: stages of one shape
 * and batch fall together, whatever else their settings say. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_private.h"

enum { WINDOW = 15 };
/* Seconds beside the arithmetic: states read and written, rows, messages, batches.  Of many sweeps on cores that were
 * all at work, to a disk, 2 to 10 ms. */
static const double OVERHEAD = 5e-3;

struct class
{
    int64_t name; /* kind and size of a step */
    double ratio[WINDOW];
    int observed;     /* ever */
    double predicted; /* ratio at the last cost_model_predict */
    int stage;        /* one of them */
    struct rates rates;
    double parameters;
};
struct cost_model {
    const struct plan *plan;
    int classes;
    struct class *class; /* sorted by name */
    int *class_of;       /* [stages] */
};

static double steps_of(const struct stage *stage) { return (double)(stage->stop_step - stage->start_step); }

static int64_t class_name(const struct stage *stage)
{
    double steps = steps_of(stage);
    double flops = steps > 0 ? stage->training_flops / steps : stage->measuring_flops;
    int64_t size = flops >= 1 ? (int64_t)floor(4 * log2(flops)) : 0;
    return (int64_t)stage->kind << 32 | size;
}

static int by_name(const void *a, const void *b)
{
    int64_t left = ((const struct class *)a)->name, right = ((const struct class *)b)->name;
    return (left > right) - (left < right);
}

static struct class *find_class(const struct cost_model *model, int64_t name)
{
    struct class wanted = {.name = name};
    if (model->classes == 0) return NULL;
    return bsearch(&wanted, model->class, (size_t)model->classes, sizeof wanted, by_name);
}

/* Classes are few and come in runs: each is inserted when first seen. */
static void list_classes(struct cost_model *model)
{
    size_t capacity = 0;
    for (int s = 0; s < model->plan->stages; s++) {
        int64_t name = class_name(&model->plan->stage[s]);
        if (find_class(model, name)) continue;
        model->class = memory_grow(model->class, &capacity, (size_t)model->classes + 1, sizeof *model->class);
        model->class[model->classes++] = (struct class){.name = name, .predicted = 1, .stage = s};
        qsort(model->class, (size_t)model->classes, sizeof *model->class, by_name);
    }
    for (int s = 0; s < model->plan->stages; s++)
        model->class_of[s] = (int)(find_class(model, class_name(&model->plan->stage[s])) - model->class);
}

struct cost_model *cost_model_create(const struct plan *plan, double assumed_flops_per_second)
{
    CHECK(assumed_flops_per_second > 0, "a rate of %g FLOP/s", assumed_flops_per_second);
    struct cost_model *model = memory_allocate(sizeof *model);
    model->plan = plan;
    model->class_of = memory_array((size_t)plan->stages, sizeof *model->class_of);
    list_classes(model);
    for (int c = 0; c < model->classes; c++)
        model->class[c].rates =
            (struct rates){0, assumed_flops_per_second, assumed_flops_per_second, assumed_flops_per_second};
    return model;
}

static bool is_within_points(const struct speed_point *point, int points, int width)
{
    bool below = false, above = false;
    for (int p = 0; p < points; p++) {
        below |= point[p].width <= width;
        above |= point[p].width >= width;
    }
    return below && above;
}

bool cost_model_take_speeds(struct cost_model *model, const struct speed_point *point, int points)
{
    bool within = true;
    for (int c = 0; c < model->classes; c++) {
        struct class *class = &model->class[c];
        struct cell cell;
        cell_resolve(model->plan->sweep, &model->plan->facts, model->plan->stage[class->stage].cell, &cell);
        class->rates = rates_at(point, points, cell.shape.width);
        class->parameters = (double)shape_parameters(&cell.shape);
        within &= is_within_points(point, points, cell.shape.width);
    }
    return within;
}

void cost_model_destroy(struct cost_model **model)
{
    if (!*model) return;
    memory_free((*model)->class_of);
    memory_free((*model)->class);
    memory_free(*model);
    *model = NULL;
}

/* On texts of tasks; else on windows, as pretraining. */
static bool is_finetuning(const struct stage *stage)
{
    return stage->kind == STAGE_FINETUNE ||
           (stage->kind == STAGE_BRANCH && !branch_reads_on((enum branch)stage->branch));
}

static double assumed_seconds(const struct cost_model *model, int stage)
{
    const struct stage *s = &model->plan->stage[stage];
    const struct class *class = &model->class[model->class_of[stage]];
    const struct rates *rates = &class->rates;
    return OVERHEAD + steps_of(s) * class->parameters * rates->per_parameter +
           s->training_flops / (is_finetuning(s) ? rates->finetune_flops_per_second : rates->flops_per_second) +
           s->measuring_flops / rates->forward_flops_per_second;
}

void cost_model_observe(struct cost_model *model, int stage, double seconds)
{
    struct class *class = &model->class[model->class_of[stage]];
    class->ratio[class->observed++ % WINDOW] = seconds / assumed_seconds(model, stage);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double own_ratio(const struct class *class)
{
    double window[WINDOW];
    memcpy(window, class->ratio, sizeof window);
    return median(window, class->observed < WINDOW ? class->observed : WINDOW);
}

/* For a class never seen: the nearest size of the same kind that was, else the nearest class at all, else as assumed.
 */
static double borrowed_ratio(const struct cost_model *model, const struct class *class)
{
    const struct class *nearest = NULL;
    for (int c = 0; c < model->classes; c++) {
        const struct class *other = &model->class[c];
        if (other->observed == 0) continue;
        if (!nearest || llabs(other->name - class->name) < llabs(nearest->name - class->name)) nearest = other;
    }
    return nearest ? own_ratio(nearest) : 1;
}

static double class_ratio(const struct cost_model *model, const struct class *class)
{
    return class->observed > 0 ? own_ratio(class) : borrowed_ratio(model, class);
}

double cost_model_drift(const struct cost_model *model)
{
    double largest = 1;
    for (int c = 0; c < model->classes; c++) {
        double factor = class_ratio(model, &model->class[c]) / model->class[c].predicted;
        largest = fmax(largest, fmax(factor, 1 / factor));
    }
    return largest;
}

void cost_model_predict(struct cost_model *model, double *cost)
{
    for (int c = 0; c < model->classes; c++) model->class[c].predicted = class_ratio(model, &model->class[c]);
    for (int s = 0; s < model->plan->stages; s++)
        cost[s] = model->class[model->class_of[s]].predicted * assumed_seconds(model, s);
}
