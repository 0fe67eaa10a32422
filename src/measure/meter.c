/* Measurements of a state: forward passes only, in batches whose limits depend on the shape alone, so that the numbers
 * of a state do not depend on who asks. */
#include <math.h>
#include <string.h>

#include "measure_private.h"

struct meter *meter_create(const struct model_shape *shape)
{
    struct meter *meter = memory_allocate(sizeof *meter);
    meter->shape = *shape;
    shape_measuring_batch(shape, &meter->most_tokens, &meter->most_sequences);
    size_t tokens = (size_t)meter->most_tokens, sequences = (size_t)meter->most_sequences;
    meter->model = model_create(shape, meter->most_tokens, meter->most_sequences, false);
    meter->start = memory_array(sequences + 1, sizeof *meter->start);
    meter->label = memory_array(sequences, sizeof *meter->label);
    meter->token = memory_array(tokens, sizeof *meter->token);
    meter->target = memory_array(tokens, sizeof *meter->target);
    meter->window = memory_array((size_t)shape->context + 1, sizeof *meter->window);
    meter->log_probability = memory_array(sequences * CLASSES_MAX, sizeof *meter->log_probability);
    return meter;
}

void meter_destroy(struct meter **meter)
{
    struct meter *old = *meter;
    if (!old) return;
    model_destroy(&old->model);
    memory_free(old->start);
    memory_free(old->label);
    memory_free(old->token);
    memory_free(old->target);
    memory_free(old->window);
    memory_free(old->log_probability);
    memory_free(old);
    *meter = NULL;
}

bool meter_full(const struct meter *meter)
{
    return meter->sequences == meter->most_sequences ||
           meter->start[meter->sequences] + meter->shape.context > meter->most_tokens;
}

struct batch meter_batch(const struct meter *meter, bool targets)
{
    return (struct batch){.sequences = meter->sequences,
                          .tokens = meter->start[meter->sequences],
                          .start = meter->start,
                          .token = meter->token,
                          .target = targets ? meter->target : NULL};
}

/* ---- language modelling ---- */

static void add_window(struct meter *meter, const struct world *world, int domain, int window)
{
    int context = meter->shape.context, from = meter->start[meter->sequences];
    const struct world_facts *facts = world_facts(world);
    world_reference(world, domain, window, context, meter->window);
    if (meter->shape.objective == OBJECTIVE_CAUSAL) {
        for (int t = 0; t < context; t++) meter->target[from + t] = meter->window[t + 1];
    } else {
        const struct domain_facts *data = &facts->domain[domain];
        struct random_stream stream = random_stream("reference mask", data->reference.low, NULL);
        struct random_cursor cursor = random_at(stream, (uint64_t)window);
        mask_window(&cursor, context, facts->mask, facts->vocabulary, meter->window, meter->target + from);
    }
    memcpy(meter->token + from, meter->window, (size_t)context * sizeof *meter->token);
    meter->start[++meter->sequences] = from + context;
}

double measure_lm_loss(struct meter *meter, const struct world *world, const struct state *state, int domain,
                       int64_t tokens)
{
    int windows = world_reference_windows(world, domain, meter->shape.context, tokens);
    double sum = 0; /* every window has equally many targets, so batches weigh by their windows */
    meter->sequences = 0;
    for (int window = 0; window < windows; window++) {
        add_window(meter, world, domain, window);
        if (!meter_full(meter) && window + 1 < windows) continue;
        struct batch batch = meter_batch(meter, true);
        sum += meter->sequences * model_lm(meter->model, state, &batch, NULL, 0);
        meter->sequences = 0;
    }
    return windows > 0 ? sum / windows : NAN;
}

/* ---- tasks ---- */

struct tally {
    int items, correct;
    double loss, log_odds;
    uint8_t *right; /* of each item; NULL: not wanted */
};

/* log of the sum of exp(value) over all labels but one. */
static double log_sum_others(const float *value, int classes, int but)
{
    double most = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++)
        if (c != but) most = fmax(most, value[c]);
    if (isinf(most)) return most;
    for (int c = 0; c < classes; c++)
        if (c != but) sum += real_exp(value[c] - most);
    return most + real_log(sum);
}

static void tally_item(struct tally *tally, const float *log_probability, int classes, int label)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (log_probability[c] > log_probability[best]) best = c;
    if (tally->right) tally->right[tally->items] = best == label;
    tally->items++;
    tally->correct += best == label;
    tally->loss -= log_probability[label];
    tally->log_odds += log_probability[label] - log_sum_others(log_probability, classes, label);
}

static void tally_batch(struct meter *meter, const struct state *state, const struct readout *readout,
                        struct tally *tally)
{
    struct batch batch = meter_batch(meter, false);
    model_labels(meter->model, state, &batch, readout, meter->label, meter->log_probability, NULL, 0);
    for (int s = 0; s < meter->sequences; s++)
        tally_item(tally, meter->log_probability + (size_t)s * (size_t)readout->classes, readout->classes,
                   meter->label[s]);
    meter->sequences = 0;
}

/* The items whose numbers are in index[items]; NULL: the first.  right: see struct tally. */
static struct tally tally_items(struct meter *meter, const struct state *state, const struct readout *readout,
                                const struct task_items *of, const uint32_t *index, int items, uint8_t *right)
{
    struct tally tally = {.right = right};
    meter->sequences = 0;
    for (int i = 0; i < items; i++) {
        int s = meter->sequences, from = meter->start[s];
        int length = task_items_read(of, index ? (int)index[i] : i, meter->token + from, &meter->label[s]);
        meter->start[++meter->sequences] = from + length;
        if (meter_full(meter) || i + 1 == items) tally_batch(meter, state, readout, &tally);
    }
    return tally;
}

double measure_code(struct meter *meter, const struct world *world, const struct state *state, int task,
                    const struct readout *readout, const uint32_t *item, int items)
{
    struct task_items training = task_items_of(world, task, SPLIT_TRAIN, &meter->shape, readout);
    return tally_items(meter, state, readout, &training, item, items, NULL).loss / real_log(2);
}

struct score measure_items(struct meter *meter, const struct world *world, const struct state *state, int task,
                           const struct readout *readout, int items, uint8_t *right)
{
    struct task_items test = task_items_of(world, task, SPLIT_TEST, &meter->shape, readout);
    int there = world_facts(world)->task[task].test_items;
    if (items > there) items = there;
    struct tally tally = tally_items(meter, state, readout, &test, NULL, items, right);
    return (struct score){.items = items,
                          .accuracy = (double)tally.correct / items,
                          .loss = tally.loss / items,
                          .log_odds = tally.log_odds / items};
}

struct score measure_task(struct meter *meter, const struct world *world, const struct state *state, int task,
                          const struct readout *readout, int items)
{
    return measure_items(meter, world, state, task, readout, items, NULL);
}

/* ---- weights ---- */

void measure_displacement(const struct state *a, const struct state *b, double *out)
{
    int layers = a->shape.layers + 2;
    double moved[LAYERS_MAX + 2] = {0}, size[LAYERS_MAX + 2] = {0};
    for (int i = 0; i < a->tensors; i++) {
        const struct tensor *tensor = &a->tensor[i];
        if (tensor->layer >= layers) continue;
        const struct tensor *other = state_tensor(b, tensor->name);
        CHECK(other && other->rows == tensor->rows && other->columns == tensor->columns, "%s differs in shape",
              tensor->name);
        size_t count = tensor_floats(tensor);
        const float *x = a->values + tensor->offset, *y = b->values + other->offset;
        for (size_t k = 0; k < count; k++) {
            double difference = (double)x[k] - y[k];
            moved[tensor->layer] += difference * difference;
            size[tensor->layer] += (double)y[k] * y[k];
        }
    }
    for (int layer = 0; layer < layers; layer++) out[layer] = size[layer] > 0 ? sqrt(moved[layer] / size[layer]) : NAN;
}
